//! From a rendered mail to the bytes of a message; pure.

use hikiate_sdk::{Error, ErrorClass, MailMessage, Prepared};
use lettre::address::Envelope;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, SinglePart};
use lettre::{Address, Message};
use serde::{Deserialize, Serialize};

use crate::recipient::recipient;

/// What is frozen at the first send: the envelope and the message without its `Date`, which the client writes
/// when it sends.
pub(crate) struct Frozen {
    pub(crate) from: Address,
    pub(crate) to: Address,
    pub(crate) message: String,
}

/// The same as it is stored.
#[derive(Serialize, Deserialize)]
struct Stored {
    from: String,
    to: String,
    message: String,
}

/// The Message-ID of a mail, with angle brackets. Characters a Message-ID cannot carry become `%XX`, so that
/// different keys never share one.
#[must_use]
pub fn message_id(key: &str, domain: &str) -> String {
    let mut local = String::with_capacity(key.len());
    let last = key.len().saturating_sub(1);
    for (at, byte) in key.bytes().enumerate() {
        let inner_dot =
            byte == b'.' && at > 0 && at < last && key.as_bytes().get(at - 1) != Some(&b'.');
        if byte.is_ascii_alphanumeric() || b"!#$&'*+-/=?^_`{|}~".contains(&byte) || inner_dot {
            local.push(char::from(byte));
        } else {
            local.push_str(&format!("%{byte:02X}"));
        }
    }
    format!("<{local}@{domain}>")
}

/// Renders a message for the sender.
///
/// # Errors
/// `Rejected` with the field named, never its value.
pub(crate) fn prepare(mail: &MailMessage, from: &Mailbox, domain: &str) -> Result<Prepared, Error> {
    if mail.message_id.is_empty() || mail.message_id.len() > 200 {
        return Err(rejected("message_id", "is empty or longer than 200 bytes"));
    }
    if mail.subject.is_empty() || mail.subject.contains(char::is_control) {
        return Err(rejected(
            "subject",
            "is empty or has a line break or control character: correct the mail's template",
        ));
    }
    let to = recipient(&mail.to).ok_or_else(|| {
        rejected(
            "to",
            "is not a mail address: correct it in the channel's order",
        )
    })?;
    let id = message_id(&mail.message_id, domain);
    let automatic = HeaderValue::new(
        HeaderName::new_from_ascii_str("Auto-Submitted"),
        "auto-generated".to_owned(),
    );
    let part = SinglePart::builder()
        .header(ContentType::TEXT_PLAIN)
        .body(sendable(&mail.text));
    let envelope = Envelope::new(Some(from.email.clone()), vec![to.clone()])
        .map_err(|e| rejected("to", &format!("has no envelope ({e})")))?;
    let mut message = Message::builder()
        // Else the builder makes one of the headers, in which it does not read a quoted local part.
        .envelope(envelope)
        // The builder takes the time of day for a missing date; this one is taken out again.
        .date(std::time::SystemTime::UNIX_EPOCH)
        .message_id(Some(id.clone()))
        .from(from.clone())
        .to(Mailbox::new(None, to.clone()))
        .subject(mail.subject.clone())
        .singlepart(part)
        .map_err(|e| rejected("mail", &format!("cannot be written as a message ({e})")))?;
    message.headers_mut().remove_raw("Date");
    message.headers_mut().insert_raw(automatic);
    let mut message = String::from_utf8(message.formatted())
        .map_err(|_| rejected("mail", "cannot be written as text"))?;
    // The line break before the final dot is the client's; with this one too the text would grow by a line.
    if message.ends_with("\r\n") {
        message.truncate(message.len() - 2);
    }
    let stored = Stored {
        from: from.email.to_string(),
        to: to.to_string(),
        message,
    };
    let bytes = serde_json::to_vec(&stored)
        .map_err(|e| rejected("mail", &format!("cannot be frozen ({e})")))?;
    Ok(Prepared {
        bytes,
        label: format!("mail {id}"),
    })
}

/// Reads frozen bytes back.
///
/// # Errors
/// `Protocol` for bytes that no version of ours has written.
pub(crate) fn frozen(prepared: &Prepared) -> Result<Frozen, Error> {
    let unreadable = || {
        Error::new(
            ErrorClass::Protocol,
            format!("{}: the stored mail cannot be read", prepared.label),
        )
    };
    let stored: Stored = serde_json::from_slice(&prepared.bytes).map_err(|_| unreadable())?;
    Ok(Frozen {
        from: stored.from.parse().map_err(|_| unreadable())?,
        to: stored.to.parse().map_err(|_| unreadable())?,
        message: stored.message,
    })
}

/// The text with every line break as `\n`, which the builder writes as CRLF, and NUL made visible.
///
/// Neither a CR alone nor NUL may stand in a mail (RFC 5322, 2.3; RFC 2045, 2.7), and servers refuse the whole mail for it.
fn sendable(text: &str) -> String {
    text.replace("\r\n", "\n")
        .replace('\r', "\n")
        .replace('\0', "\u{fffd}")
}

/// Our own refusal, which no mail server has been asked about.
fn rejected(field: &str, why: &str) -> Error {
    let message = format!("hikiate did not send it: the mail's {field} {why}");
    Error::new(ErrorClass::Rejected, message).with_code(field)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn mail() -> MailMessage {
        MailMessage {
            message_id: "mail.shop-jp.1042.shipped.1".to_owned(),
            to: "taro@example.jp".to_owned(),
            subject: "発送のお知らせ".to_owned(),
            text: "山田様\n.\n発送しました。".to_owned(),
        }
    }

    fn prepared(mail: &MailMessage) -> Result<Prepared, Error> {
        prepare(mail, &"店 <shop@example.jp>".parse().unwrap(), "example.jp")
    }

    #[test]
    fn a_message_has_its_headers_and_no_date_yet() {
        let prepared = prepared(&mail()).unwrap();
        assert_eq!(
            prepared.label,
            "mail <mail.shop-jp.1042.shipped.1@example.jp>"
        );
        let frozen = frozen(&prepared).unwrap();
        assert_eq!(
            (
                frozen.from.to_string().as_str(),
                frozen.to.to_string().as_str()
            ),
            ("shop@example.jp", "taro@example.jp")
        );
        let (head, _) = frozen.message.split_once("\r\n\r\n").unwrap();
        for line in [
            "Message-ID: <mail.shop-jp.1042.shipped.1@example.jp>",
            "To: taro@example.jp",
            "Auto-Submitted: auto-generated",
            "MIME-Version: 1.0",
            "Content-Type: text/plain; charset=utf-8",
        ] {
            assert!(head.lines().any(|l| l == line), "{line} is not in\n{head}");
        }
        assert!(
            !head.contains("Date:") && frozen.message.is_ascii(),
            "{head}"
        );
    }

    /// In the envelope and in the header.
    #[test]
    fn an_address_with_dots_in_a_row_is_quoted() {
        let mail = MailMessage {
            to: "taro..example@docomo.ne.jp".to_owned(),
            ..mail()
        };
        let frozen = frozen(&prepared(&mail).unwrap()).unwrap();
        assert_eq!(frozen.to.to_string(), "\"taro..example\"@docomo.ne.jp");
        let header = "To: \"taro..example\"@docomo.ne.jp\r\n";
        assert!(frozen.message.contains(header), "{}", frozen.message);
    }

    #[test]
    fn our_own_refusal_says_that_it_is_ours() {
        let mail = MailMessage {
            to: "nobody".to_owned(),
            ..mail()
        };
        let error = prepared(&mail).unwrap_err();
        assert_eq!(
            error.message,
            "hikiate did not send it: the mail's to is not a mail address: correct it in the channel's order"
        );
    }

    #[test]
    fn different_keys_never_share_a_message_id() {
        assert_eq!(message_id("mail:shop:1", "x.jp"), "<mail%3Ashop%3A1@x.jp>");
        assert_eq!(message_id("a%3Ab", "x.jp"), "<a%253Ab@x.jp>");
        assert_eq!(message_id(".a..b.", "x.jp"), "<%2Ea.%2Eb%2E@x.jp>");
        assert_eq!(message_id("あ>@", "x.jp"), "<%E3%81%82%3E%40@x.jp>");
    }

    #[test]
    fn what_cannot_be_sent_is_refused_by_field_and_without_the_address() {
        for (field, broken) in [
            (
                "to",
                MailMessage {
                    to: "taro＠example.jp".to_owned(),
                    ..mail()
                },
            ),
            (
                "to",
                MailMessage {
                    to: String::new(),
                    ..mail()
                },
            ),
            (
                "to",
                MailMessage {
                    to: "taro@example.jp\r\nBcc: evil@example.org".to_owned(),
                    ..mail()
                },
            ),
            (
                "to",
                MailMessage {
                    to: "taro@example.jp, jiro@example.jp".to_owned(),
                    ..mail()
                },
            ),
            (
                "subject",
                MailMessage {
                    subject: "a\r\nBcc: evil@example.org".to_owned(),
                    ..mail()
                },
            ),
            (
                "message_id",
                MailMessage {
                    message_id: String::new(),
                    ..mail()
                },
            ),
        ] {
            let error = prepared(&broken).unwrap_err();
            assert_eq!(
                (error.class, error.code.as_deref()),
                (ErrorClass::Rejected, Some(field)),
                "{error}"
            );
            assert!(!format!("{error:?}").contains("taro"), "{error:?}");
        }
    }

    /// Text typed on an old system, or pasted, has lines that end in CR alone.
    #[test]
    fn every_line_break_leaves_as_crlf() {
        for text in ["a\rb", "a\nb", "a\r\nb"] {
            let mail = MailMessage {
                text: text.to_owned(),
                ..mail()
            };
            let frozen = frozen(&prepared(&mail).unwrap()).unwrap();
            let (_, body) = frozen.message.split_once("\r\n\r\n").unwrap();
            assert_eq!(body, "a\r\nb", "{text:?}");
        }
        let many = MailMessage {
            text: "a\r\r\n\rb".to_owned(),
            ..mail()
        };
        let many = frozen(&prepared(&many).unwrap()).unwrap();
        assert!(many.message.ends_with("\r\n\r\na\r\n\r\n\r\nb"));
    }

    proptest::proptest! {
        /// Whatever a template writes stays in its header or body, and the same call gives the same bytes.
        #[test]
        fn any_text_stays_where_it_belongs(subject in "\\PC{1,80}", text in "(?s).{0,400}", key in "[ -~]{1,60}") {
            let mail = MailMessage { message_id: key, subject, text, ..mail() };
            let first = prepared(&mail).unwrap();
            proptest::prop_assert_eq!(&first, &prepared(&mail).unwrap());
            let frozen = frozen(&first).unwrap();
            let (head, body) = frozen.message.split_once("\r\n\r\n").unwrap();
            let names: Vec<&str> = head.split("\r\n").filter(|l| !l.starts_with([' ', '\t'])).filter_map(|l| l.split(':').next()).collect();
            let mut sorted = names.clone();
            sorted.sort_unstable();
            proptest::prop_assert_eq!(sorted, ["Auto-Submitted", "Content-Transfer-Encoding", "Content-Type", "From", "MIME-Version", "Message-ID", "Subject", "To"]);
            proptest::prop_assert!(!body.replace("\r\n", "").contains(['\r', '\n', '\0']));
        }
    }
}
