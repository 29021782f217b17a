//! From a status to an error class: a pure function, so that it can be read and tested as a table.

use std::time::Duration;

use chrono::DateTime;

use crate::text::{quote, words};
use crate::{Error, ErrorClass};

/// A `Retry-After` above this is treated as a mistake and capped.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// The error of a status, or `None` for 2xx. `words` is the external system's own text, see [`excerpt`]; it is quoted
/// ([`quote`]), since it may repeat a name or an address.
///
/// For a write, whatever leaves open whether it was carried out is [`ErrorClass::OutcomeUnknown`]: every 5xx, 408,
/// and redirects other than 307 and 308 (many servers redirect after they have acted).
#[must_use]
pub fn classify(
    status: u16,
    retry_after: Option<Duration>,
    words: &str,
    is_write: bool,
) -> Option<Error> {
    let open = if is_write {
        ErrorClass::OutcomeUnknown
    } else {
        ErrorClass::Transient
    };
    let class = match status {
        200..=299 => return None,
        429 => ErrorClass::RateLimited { after: retry_after },
        503 if !is_write && retry_after.is_some() => ErrorClass::RateLimited { after: retry_after },
        408 | 500..=599 => open,
        425 => ErrorClass::Transient,
        401 => ErrorClass::Auth,
        403 => ErrorClass::Forbidden,
        404 | 410 => ErrorClass::NotFound,
        409 => ErrorClass::Conflict,
        423 => ErrorClass::Busy { after: retry_after },
        400..=499 => ErrorClass::Rejected,
        301..=303 if is_write => ErrorClass::OutcomeUnknown,
        300..=399 => ErrorClass::Protocol,
        _ if is_write => ErrorClass::OutcomeUnknown,
        _ => ErrorClass::Protocol,
    };
    let mut message = match status {
        300..=399 => format!(
            "the external system answered {status} (a redirect, which is not followed: set url to where it leads)"
        ),
        401 => "the external system answered 401: check the account's credentials".to_owned(),
        403 => {
            "the external system answered 403: check what the account's credentials may do there"
                .to_owned()
        }
        _ => format!("the external system answered {status}"),
    };
    if !words.is_empty() {
        message.push_str(": ");
        message.push_str(&quote(words));
    }
    Some(Error::new(class, message).with_code(status.to_string()))
}

/// The external system's words fit for a log: printable text on one line, at most 300 characters; what is in `secrets`
/// and what looks like a mail address is taken out. Empty for what is no text.
#[must_use]
pub fn excerpt(body: &[u8], secrets: &[&str]) -> String {
    let Ok(body) = std::str::from_utf8(body) else {
        return String::new();
    };
    let mut text = body.to_owned();
    for secret in secrets.iter().filter(|s| !s.is_empty()) {
        text = text.replace(secret, "***");
    }
    words(&text)
}

/// Reads `Retry-After`: seconds, or an HTTP date compared with the answer's own `Date`, so that no clock of
/// ours is needed. `None` where it cannot be read; a date in the past is zero; at most a day.
#[must_use]
pub fn retry_after(value: Option<&str>, date: Option<&str>) -> Option<Duration> {
    let value = value?.trim();
    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        return Some(
            value
                .parse()
                .map_or(LONGEST_WAIT, Duration::from_secs)
                .min(LONGEST_WAIT),
        );
    }
    let until = DateTime::parse_from_rfc2822(value).ok()?;
    let from = DateTime::parse_from_rfc2822(date?.trim()).ok()?;
    Some(
        (until - from)
            .to_std()
            .unwrap_or_default()
            .min(LONGEST_WAIT),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(status: u16, is_write: bool) -> Option<ErrorClass> {
        classify(status, None, "", is_write).map(|e| e.class)
    }

    #[test]
    fn every_status_has_its_class() {
        use ErrorClass::{
            Auth, Busy, Conflict, Forbidden, NotFound, OutcomeUnknown, Protocol, RateLimited,
            Rejected, Transient,
        };
        for (status, read, write) in [
            (200, None, None),
            (204, None, None),
            (301, Some(Protocol), Some(OutcomeUnknown)),
            (303, Some(Protocol), Some(OutcomeUnknown)),
            (304, Some(Protocol), Some(Protocol)),
            (307, Some(Protocol), Some(Protocol)),
            (400, Some(Rejected), Some(Rejected)),
            (401, Some(Auth), Some(Auth)),
            (403, Some(Forbidden), Some(Forbidden)),
            (404, Some(NotFound), Some(NotFound)),
            (408, Some(Transient), Some(OutcomeUnknown)),
            (409, Some(Conflict), Some(Conflict)),
            (410, Some(NotFound), Some(NotFound)),
            (422, Some(Rejected), Some(Rejected)),
            (423, Some(Busy { after: None }), Some(Busy { after: None })),
            (425, Some(Transient), Some(Transient)),
            (
                429,
                Some(RateLimited { after: None }),
                Some(RateLimited { after: None }),
            ),
            (500, Some(Transient), Some(OutcomeUnknown)),
            (503, Some(Transient), Some(OutcomeUnknown)),
            (599, Some(Transient), Some(OutcomeUnknown)),
            (100, Some(Protocol), Some(OutcomeUnknown)),
            (999, Some(Protocol), Some(OutcomeUnknown)),
        ] {
            assert_eq!(
                (class(status, false), class(status, true)),
                (read, write),
                "{status}"
            );
        }
        let after = Some(Duration::from_secs(7));
        let got = |status, write| classify(status, after, "", write).map(|e| e.class);
        assert_eq!(got(429, true), Some(RateLimited { after }));
        assert_eq!(got(503, false), Some(RateLimited { after }));
        assert_eq!(got(503, true), Some(OutcomeUnknown));
    }

    #[test]
    fn the_message_has_status_code_and_words() {
        let error = classify(422, None, "no stock", false);
        assert_eq!(error.as_ref().and_then(|e| e.code.as_deref()), Some("422"));
        assert_eq!(
            error.map(|e| e.message),
            Some("the external system answered 422: “no stock”".to_owned())
        );
    }

    #[test]
    fn what_the_external_system_says_is_quoted() {
        let message = |words| classify(422, None, words, true).map(|e| e.message);
        assert_eq!(
            message("no street “東池袋0-0-0”").as_deref(),
            Some("the external system answered 422: “no street \"東池袋0-0-0\"”")
        );
        assert_eq!(
            message("").as_deref(),
            Some("the external system answered 422")
        );
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_against_the_answers_own() {
        let date = Some("Sat, 21 Nov 2026 10:00:00 GMT");
        let seconds = |s| Some(Duration::from_secs(s));
        assert_eq!(retry_after(Some(" 7 "), None), seconds(7));
        assert_eq!(
            retry_after(Some("99999999999999999999"), None),
            Some(LONGEST_WAIT)
        );
        assert_eq!(
            retry_after(Some("Sat, 21 Nov 2026 10:00:30 GMT"), date),
            seconds(30)
        );
        assert_eq!(
            retry_after(Some("Sat, 21 Nov 2026 09:00:00 GMT"), date),
            seconds(0)
        );
        assert_eq!(
            retry_after(Some("Sat, 21 Nov 2026 10:00:30 GMT"), None),
            None
        );
        for bad in ["", "-1", "1.5", "soon"] {
            assert_eq!(retry_after(Some(bad), date), None, "{bad}");
        }
        assert_eq!(retry_after(None, date), None);
    }

    #[test]
    fn the_external_systems_words_are_cut_and_cleaned() {
        let body = format!(
            "{{\"message\":\"bad\n key sk_live_1\",\"email\":\"taro@example.jp\"}}{}",
            "あ".repeat(400)
        );
        let words = excerpt(body.as_bytes(), &["sk_live_1"]);
        assert!(
            words.starts_with("{\"message\":\"bad key ***\",\"email\":\"***@***\"}"),
            "{words}"
        );
        assert_eq!(words.chars().count(), 301);
        assert_eq!(excerpt(&[0xff, 0xfe], &[]), "");
        assert_eq!(excerpt(b"", &[]), "");
    }
}
