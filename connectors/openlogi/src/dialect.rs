//! How OPENLOGI answers: JSON with `error`, `error_description` and `errors` by field; HTML or nothing on 503 and 504.

use std::collections::BTreeMap;

use hikiate_sdk::budget::{EVERY, Reading};
use hikiate_sdk::http::{Answer, Dialect};
use hikiate_sdk::text::{error_code_or_quote, quote_value};
use hikiate_sdk::{Error, ErrorClass};
use serde::Deserialize;
use serde_json::Value;

use crate::wire::BULK;

/// An error is short; a list of shipments is not looked through for one.
const ERROR_BYTES: usize = 64 * 1024;

/// Fields whose words are repeated.
const FIELDS: usize = 5;

/// Parts of a field's name that hold personal data.
const PERSONAL: [&str; 4] = ["recipient", "sender", "gift_sender_name", "message"];

/// The dialect of OPENLOGI.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Answers;

/// The body of an error.
#[derive(Deserialize)]
struct Refusal {
    error: String,
    #[serde(default)]
    error_description: String,
    #[serde(default)]
    errors: BTreeMap<String, Value>,
}

impl Dialect for Answers {
    fn judge(&self, answer: &Answer<'_>, plain: Option<Error>) -> Option<Error> {
        let body = answer.response.body.as_slice();
        let refusal = (body.len() <= ERROR_BYTES)
            .then(|| serde_json::from_slice::<Refusal>(body).ok())
            .flatten();
        let status = answer.response.status;
        let after = answer.response.retry_after();
        if is_throttle(status, body, refusal.as_ref()) {
            let message = format!("OPENLOGI answered {status}: too many requests in this minute");
            let class = ErrorClass::RateLimited { after };
            return Some(Error::new(class, message).with_code(status.to_string()));
        }
        let plain = plain?;
        // Which of its shipments are meant is for the caller to read: none of them was created.
        if status == 422 && answer.request.path == BULK && refusal.is_some() {
            return None;
        }
        let Some(refusal) = refusal else {
            // A page for browsers says nothing to an operator.
            let why = match status {
                503 => ": it is down for maintenance",
                504 => ": it did not finish in time",
                _ => "",
            };
            return Some(match status {
                500..=599 => Error {
                    message: format!("OPENLOGI answered {status}{why}"),
                    ..plain
                },
                _ => plain,
            });
        };
        let class = match status {
            // The document names it for this; what stands there under our number may be ours.
            422 if refusal.errors.keys().any(|field| field == "identifier") => ErrorClass::Conflict,
            _ => plain.class,
        };
        let code = error_code_or_quote(&refusal.error);
        let mut message = format!("OPENLOGI answered {status} {code}");
        if !refusal.error_description.is_empty() {
            message.push_str(&format!(": {}", quote_value(&refusal.error_description)));
        }
        let fields = refusal.errors.iter().take(FIELDS);
        for (field, words) in fields {
            let named = error_code_or_quote(field);
            if is_personal(field) {
                message.push_str(&format!("; {named}: refused (its words may quote the value and are not kept: check it in the order)"));
            } else {
                message.push_str(&format!("; {named}: {}", quote_value(&text(words))));
            }
        }
        if status == 402 {
            message.push_str(
                "; register a way of paying in OPENLOGI's settings, then release the order",
            );
        }
        let error = Error::new(class, message).with_code(status.to_string());
        Some(error.with_code(refusal.error))
    }

    fn reading(&self, answer: &Answer<'_>) -> Option<Reading> {
        let units = answer.response.header("x-ratelimit-remaining")?;
        let units = units.trim().parse().ok()?;
        Some(Reading {
            class: EVERY,
            units,
            each: None,
        })
    }
}

/// A field of a person, or of what a person wrote, whose refusal may quote it.
fn is_personal(field: &str) -> bool {
    field.split('.').any(|part| PERSONAL.contains(&part))
}

/// The words of a field: one text, or a list of them.
fn text(words: &Value) -> String {
    match words {
        Value::String(text) => text.clone(),
        Value::Array(all) => all.iter().map(text).collect::<Vec<_>>().join(", "),
        _ => String::new(),
    }
}

/// By the document 429 alone; what stands in front of it may say so otherwise.
fn is_throttle(status: u16, body: &[u8], refusal: Option<&Refusal>) -> bool {
    let says = |text: &str| {
        let text = text.to_lowercase();
        text.contains("too many attempts") || text.contains("too many requests")
    };
    if status == 429 || refusal.is_some_and(|refusal| says(&refusal.error)) {
        return true;
    }
    let body = body.get(..ERROR_BYTES).unwrap_or(body);
    matches!(status, 403 | 503) && says(&String::from_utf8_lossy(body))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use hikiate_sdk::http::{Request, Response, classify};
    use hikiate_sdk::text::without_quotes;

    use super::*;

    fn judged(path: &str, status: u16, body: &str) -> Option<Error> {
        let response = Response {
            status,
            headers: Vec::new(),
            body: body.as_bytes().to_vec(),
        };
        let answer = Answer {
            request: &Request::post_json(path, Vec::new()),
            response: &response,
            is_write: true,
        };
        Answers.judge(&answer, classify(status, None, body, true))
    }

    #[test]
    fn a_refusal_names_its_fields_in_openlogis_words() {
        let body = r#"{"error":"validation_failed","error_description":"Invalid Request","errors":{"items.0.code":"その商品はありません","recipient.postcode":["170-0000は存在しません"],"sender":"見本 花子","message":"見本 花子"}}"#;
        let error = judged("/shipments", 422, body).unwrap();
        assert_eq!(error.class, ErrorClass::Rejected);
        assert_eq!(error.code.as_deref(), Some("validation_failed"));
        assert_eq!(
            error.message,
            "OPENLOGI answered 422 validation_failed: “Invalid Request”; items.0.code: “その商品はありません”; message: refused (its words may quote the value and are not kept: check it in the order); recipient.postcode: refused (its words may quote the value and are not kept: check it in the order); sender: refused (its words may quote the value and are not kept: check it in the order)"
        );
        assert!(judged(BULK, 422, body).is_none(), "read by the caller");
        let mute = judged("/shipments", 422, r#"{"error":"","errors":{"items":[]}}"#).unwrap();
        let said = "OPENLOGI answered 422 (blank); items: (blank)";
        assert_eq!(mute.message, said);
        let taken = r#"{"error":"validation_failed","errors":{"identifier":["使用されています"]}}"#;
        assert_eq!(
            judged("/shipments", 422, taken).unwrap().class,
            ErrorClass::Conflict
        );
        let unpaid = judged("/shipments", 402, r#"{"error":"payment_required"}"#).unwrap();
        assert_eq!(unpaid.class, ErrorClass::Rejected);
        assert!(
            unpaid.message.contains("register a way of paying"),
            "{unpaid}"
        );
    }

    #[test]
    fn what_openlogi_says_of_a_write_is_apart_from_our_words() {
        let body = r#"{"error":"見本 花子","error_description":"recipient.name 見本 花子 is invalid","errors":{"order_no":"見本 花子","見本 花子":"?"}}"#;
        let error = judged("/shipments", 422, body).unwrap();
        assert!(
            error.message.contains("recipient.name 見本 花子"),
            "{error}"
        );
        assert_eq!(
            without_quotes(&error.message),
            "OPENLOGI answered 422 “…”: “…”; order_no: “…”; “…”: “…”"
        );
        assert_eq!(error.code.as_deref(), Some("422"), "no code");
    }

    #[test]
    fn a_page_of_maintenance_leaves_a_write_open_and_is_not_repeated() {
        let page =
            "<html><head><title>503</title></head><body>ただいま、メンテナンス中です</body></html>";
        let error = judged("/shipments", 503, page).unwrap();
        assert_eq!(error.class, ErrorClass::OutcomeUnknown);
        assert_eq!(
            error.message,
            "OPENLOGI answered 503: it is down for maintenance"
        );
        let error = judged("/shipments", 504, "").unwrap();
        assert_eq!(
            (error.class, error.code.as_deref()),
            (ErrorClass::OutcomeUnknown, Some("504"))
        );
    }

    #[test]
    fn slow_down_is_understood_in_whatever_words_it_comes() {
        let json = r#"{"error":"Too Many Attempts.","error_description":"Too Many Attempts."}"#;
        for (status, body) in [
            (429, json),
            (429, ""),
            (200, json),
            (403, json),
            (403, "<h1>Too Many Requests</h1>"),
        ] {
            let error = judged("/shipments", status, body).unwrap();
            assert_eq!(
                error.class,
                ErrorClass::RateLimited { after: None },
                "{status} {body}"
            );
        }
        let forbidden = judged("/shipments", 403, r#"{"error":"forbidden"}"#).unwrap();
        assert_eq!(forbidden.class, ErrorClass::Forbidden);
        assert!(judged("/shipments", 201, r#"{"id":"TS001-S000001"}"#).is_none());
    }

    #[test]
    fn what_is_left_of_the_minute_is_read_off_each_answer() {
        let read = |status, left: &str| {
            let headers = vec![("x-ratelimit-remaining".to_owned(), left.to_owned())];
            let response = Response {
                status,
                headers,
                body: Vec::new(),
            };
            let request = Request::get("/shipments");
            Answers.reading(&Answer {
                request: &request,
                response: &response,
                is_write: false,
            })
        };
        let left = |units| {
            Some(Reading {
                class: EVERY,
                units,
                each: None,
            })
        };
        assert_eq!((read(200, "59"), read(422, "0")), (left(59), left(0)));
        assert_eq!(read(200, "many"), None);
        assert_eq!(read(429, "0"), left(0));
    }
}
