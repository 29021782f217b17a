//! How a shop answers, and what stands in front of it: the shop itself has no rate limit, gateways and firewalls have, each
//! with a way of its own to say so.

use hikiate_sdk::http::{Answer, Dialect};
use hikiate_sdk::text::{error_code_or_quote, quote_value};
use hikiate_sdk::{Error, ErrorClass};

use serde_json::Value;

use crate::wire::Refusal;

/// Error types that mean "slow down" whatever the status is.
const THROTTLES: [&str; 4] = [
    "too_many_requests",
    "rate_limited",
    "rate_limit_exceeded",
    "throttled",
];

/// What a page of a gateway says that has no JSON.
const THROTTLE_WORDS: [&str; 3] = ["rate limit", "rate-limit", "too many requests"];

/// An error is short; a page of orders is not looked through for one.
const ERROR_BYTES: usize = 64 * 1024;

/// The dialect of Medusa shops.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Shop;

impl Dialect for Shop {
    fn judge(&self, answer: &Answer<'_>, plain: Option<Error>) -> Option<Error> {
        let body = answer.response.body.as_slice();
        let refusal = (body.len() <= ERROR_BYTES)
            .then(|| serde_json::from_slice::<Refusal>(body).ok())
            .flatten();
        let status = answer.response.status;
        if is_throttle(status, body, refusal.as_ref()) {
            let after = answer.response.retry_after();
            let message = format!("the shop answered {status}: too many requests");
            return Some(
                Error::new(ErrorClass::RateLimited { after }, message)
                    .with_code(status.to_string()),
            );
        }
        let plain = plain?;
        match refusal {
            Some(Refusal {
                kind: Some(kind),
                message,
            }) => {
                let words = quote_value(&message.unwrap_or_default());
                let named = error_code_or_quote(&kind);
                let message = format!("the external system answered {status} {named}: {words}");
                let error = Error::new(plain.class, message).with_code(status.to_string());
                Some(error.with_code(kind))
            }
            _ => Some(plain),
        }
    }
}

fn is_throttle(status: u16, body: &[u8], refusal: Option<&Refusal>) -> bool {
    if status == 429 {
        return true;
    }
    let kind = refusal.and_then(|refusal| refusal.kind.as_deref());
    if kind.is_some_and(|kind| THROTTLES.contains(&kind)) {
        return true;
    }
    // A refusal of credentials and a firewall's "slow down" have the same status.
    if !matches!(status, 403 | 503) {
        return false;
    }
    let body = body.get(..ERROR_BYTES).unwrap_or(body);
    match serde_json::from_slice::<Value>(body) {
        Ok(json) => says_throttled(&json),
        Err(_) => {
            let text = String::from_utf8_lossy(body).to_lowercase();
            THROTTLE_WORDS.iter().any(|words| text.contains(words))
        }
    }
}

/// Whether a gateway's JSON says so, in words: a message may also speak of the limit of a plan.
fn says_throttled(json: &Value) -> bool {
    match json {
        Value::String(text) => {
            let text = text.to_lowercase().replace(['-', '_'], " ");
            let has = |words: &[&str]| words.iter().any(|words| text.contains(words));
            has(&[
                "too many requests",
                "rate limited",
                "throttled",
                "slow down",
            ]) || (has(&["rate limit"]) && has(&["exceeded", "reached"]))
        }
        Value::Array(all) => all.iter().any(says_throttled),
        Value::Object(fields) => ["message", "error", "errors", "title", "detail"]
            .iter()
            .filter_map(|name| fields.get(*name))
            .any(says_throttled),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use hikiate_sdk::http::{Request, Response};

    use super::*;

    fn judged(status: u16, body: &str, plain: Option<ErrorClass>) -> Option<Error> {
        let response = Response {
            status,
            headers: vec![("retry-after".to_owned(), "7".to_owned())],
            body: body.as_bytes().to_vec(),
        };
        let answer = Answer {
            request: &Request::get("/admin/orders"),
            response: &response,
            is_write: true,
        };
        Shop.judge(&answer, plain.map(|class| Error::new(class, "plain")))
    }

    #[test]
    fn slow_down_is_understood_in_whatever_words_it_comes() {
        use ErrorClass::{Forbidden, OutcomeUnknown, RateLimited, Rejected};
        for (status, body, plain) in [
            (
                429,
                "<html>429 Too Many Requests</html>",
                RateLimited { after: None },
            ),
            (403, "<html>Rate limit exceeded</html>", Forbidden),
            (
                403,
                r#"{"type":"rate_limited","message":"slow down"}"#,
                Forbidden,
            ),
            (503, "Too many requests, come back later", OutcomeUnknown),
            (403, r#"{"message":"API rate limit exceeded"}"#, Forbidden),
            (403, r#"{"error":"rate_limit_exceeded"}"#, Forbidden),
            (
                403,
                r#"{"type":"error","message":"Rate limit reached"}"#,
                Forbidden,
            ),
            (
                503,
                r#"{"errors":[{"title":"Too Many Requests"}]}"#,
                OutcomeUnknown,
            ),
            (
                400,
                r#"{"type":"too_many_requests","message":"slow down"}"#,
                Rejected,
            ),
        ] {
            let class = judged(status, body, Some(plain)).map(|e| e.class);
            let after = Some(std::time::Duration::from_secs(7));
            assert_eq!(class, Some(RateLimited { after }), "{status} {body}");
        }
        let in_ok = judged(200, r#"{"type":"throttled","message":"slow down"}"#, None);
        assert!(in_ok.is_some_and(|e| matches!(e.class, RateLimited { .. })));
    }

    #[test]
    fn all_else_keeps_the_class_of_its_status_and_names_the_shops_own_type() {
        for (status, body, plain) in [
            (403, "<html>Forbidden</html>", ErrorClass::Forbidden),
            (
                403,
                r#"{"message":"your rate limit plan forbids it"}"#,
                ErrorClass::Forbidden,
            ),
            (
                403,
                r#"{"error":"forbidden","message":"invalid key"}"#,
                ErrorClass::Forbidden,
            ),
            (503, "down for maintenance", ErrorClass::OutcomeUnknown),
        ] {
            let error = judged(status, body, Some(plain));
            assert_eq!(error.map(|e| e.class), Some(plain), "{status} {body}");
        }
        let long = format!(
            r#"{{"stack":"{}","type":"invalid_data","message":"no such line"}}"#,
            "x".repeat(5_000)
        );
        let error = judged(400, &long, Some(ErrorClass::Rejected));
        assert_eq!(
            error
                .as_ref()
                .map(|e| (e.code.as_deref(), e.message.as_str())),
            Some((
                Some("invalid_data"),
                "the external system answered 400 invalid_data: “no such line”"
            ))
        );
        assert!(judged(200, r#"{"orders":[],"count":0}"#, None).is_none());
        assert!(judged(200, r#"{"type":"error","message":"x"}"#, None).is_none());
    }
}
