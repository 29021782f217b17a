//! How Stripe answers. Every error is `{"error": {"type", "code", "message", …}}`; the code says more than the status.
//!
//! Sources: docs.stripe.com/api/errors, /error-codes, /error-low-level, /rate-limits, /api/idempotent_requests.

use std::time::Duration;

use hikiate_sdk::http::{Answer, Dialect};
use hikiate_sdk::text::{error_code_or_quote, quote_value};
use hikiate_sdk::{Error, ErrorClass};
use serde::Deserialize;

/// An error is short; a page of payments is not looked through for one.
const ERROR_BYTES: usize = 64 * 1024;

/// How long a key in flight or a locked object is left alone where Stripe names no time.
const SHORTLY: Duration = Duration::from_secs(2);

/// Set on an answer that was stored under an idempotency key and is given again.
pub(crate) const REPLAYED: &str = "idempotent-replayed";

/// How the words of a card error begin: an issuer's or a bank's own no.
pub(crate) const DECLINED: &str = "Stripe answered 402 ";

/// Codes about the state a payment is in: it may be what an earlier try of ours made of it.
const STATES: [&str; 11] = [
    "payment_intent_unexpected_state",
    "charge_already_captured",
    "charge_already_refunded",
    "charge_disputed",
    "charge_expired_for_capture",
    "charge_not_refundable",
    "capture_charge_authorization_expired",
    "capture_unauthorized_payment",
    "payment_intent_authentication_failure",
    "refund_disputed_payment",
    "resource_already_exists",
];

#[derive(Debug, Deserialize)]
struct Refusal {
    error: Refused,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Refused {
    #[serde(rename = "type")]
    kind: Option<String>,
    code: Option<String>,
    decline_code: Option<String>,
    message: Option<String>,
    param: Option<String>,
}

impl Refused {
    fn is(&self, word: &str) -> bool {
        [&self.kind, &self.code]
            .into_iter()
            .any(|text| text.as_deref() == Some(word))
    }

    /// The most telling of its codes.
    fn code(&self) -> Option<&str> {
        let codes = [&self.decline_code, &self.code, &self.kind];
        codes.into_iter().find_map(|code| code.as_deref())
    }
}

/// The dialect.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Words;

impl Dialect for Words {
    fn judge(&self, answer: &Answer<'_>, plain: Option<Error>) -> Option<Error> {
        let response = answer.response;
        let refused = (response.body.len() <= ERROR_BYTES)
            .then(|| serde_json::from_slice::<Refusal>(&response.body).ok())
            .flatten()
            .map(|refusal| refusal.error);
        let class = class(answer, refused.as_ref(), plain.as_ref())?;
        let Some(refused) = refused else {
            let plain = plain.unwrap_or_else(|| Error::new(class, "Stripe answered with an error"));
            return Some(Error { class, ..plain });
        };
        let error = Error::new(class, words(answer, &refused, class));
        let error = error.with_code(response.status.to_string());
        Some(match refused.code() {
            Some(code) => error.with_code(code),
            None => error,
        })
    }
}

/// What to do about an answer; `None` where it is no error.
fn class(
    answer: &Answer<'_>,
    refused: Option<&Refused>,
    plain: Option<&Error>,
) -> Option<ErrorClass> {
    let response = answer.response;
    let after = response.retry_after();
    let is = |word: &str| refused.is_some_and(|refused| refused.is(word));
    // The object is in use by another call: the account need not slow down. The same status means both.
    if is("lock_timeout") {
        let after = after.or(Some(SHORTLY));
        return Some(ErrorClass::Busy { after });
    }
    if response.status == 429 || is("rate_limit") || is("rate_limit_error") {
        return Some(ErrorClass::RateLimited { after });
    }
    let plain = plain?.class;
    // Whatever the first try did, it is not done by asking again: the error itself is what was stored.
    if response.status >= 500 && response.header(REPLAYED) == Some("true") {
        return Some(ErrorClass::Conflict);
    }
    Some(match response.status {
        // With this key, or on this object, another call is under way.
        409 => ErrorClass::Busy {
            after: after.or(Some(SHORTLY)),
        },
        // Something behind Stripe failed, at an unknown point.
        424 if answer.is_write => ErrorClass::OutcomeUnknown,
        424 => ErrorClass::Transient,
        404 if refused.is_some_and(is_other_mode) => ErrorClass::Auth,
        // The key was used with another body: the first one has happened, or not.
        400 if is("idempotency_error") => ErrorClass::Conflict,
        400..=402 if STATES.iter().any(|code| is(code)) => ErrorClass::Conflict,
        _ => plain,
    })
}

/// Stripe says of an id of the other mode that it is not there, and that it is there.
fn is_other_mode(refused: &Refused) -> bool {
    let message = refused.message.as_deref().unwrap_or_default();
    message.contains("a similar object exists in")
}

fn words(answer: &Answer<'_>, refused: &Refused, class: ErrorClass) -> String {
    let status = answer.response.status;
    let code = [&refused.code, &refused.decline_code];
    let code = code
        .into_iter()
        .flatten()
        .map(|code| error_code_or_quote(code));
    let code: Vec<String> = code.collect();
    let code = if code.is_empty() {
        error_code_or_quote(refused.kind.as_deref().unwrap_or_default())
    } else {
        code.join(", ")
    };
    let mut words = format!("Stripe answered {status} {code}");
    if let Some(param) = &refused.param {
        words.push_str(&format!(" at {}", error_code_or_quote(param)));
    }
    if let Some(message) = &refused.message {
        words.push_str(&format!(": {}", quote_value(message)));
    }
    let hint = match (status, class) {
        (401, _) => "; check the account's secret: it was rolled, expired or is of another account",
        (403, _) => {
            "; the restricted key lacks a permission: grant it in the Stripe dashboard (the connector's README lists them)"
        }
        (404, ErrorClass::Auth) => {
            "; the key is of the other mode: payments of test mode need a test key, live ones a live key"
        }
        _ if answer.response.header(REPLAYED) == Some("true") => {
            "; this is the stored answer of the first try"
        }
        _ => "",
    };
    words.push_str(hint);
    if let Some(id) = answer.response.header("request-id") {
        words.push_str(&format!(" ({id})"));
    }
    words
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use hikiate_sdk::http::{Request, Response, classify};
    use hikiate_sdk::text::without_quotes;
    use serde_json::{Value, json};

    use super::*;

    fn judged(status: u16, headers: &[(&str, &str)], body: &Value) -> Option<Error> {
        let headers = headers.iter();
        let response = Response {
            status,
            headers: headers
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            body: body.to_string().into_bytes(),
        };
        let answer = Answer {
            request: &Request::get("/v1/refunds"),
            response: &response,
            is_write: true,
        };
        Words.judge(&answer, classify(status, None, "", true))
    }

    fn error(kind: &str, code: Option<&str>, message: &str) -> Value {
        json!({ "error": { "type": kind, "code": code, "message": message } })
    }

    #[test]
    fn every_error_has_its_class() {
        use ErrorClass::{
            Auth, Busy, Conflict, Forbidden, NotFound, OutcomeUnknown, RateLimited, Rejected,
        };
        let invalid = "invalid_request_error";
        let shortly = Busy {
            after: Some(SHORTLY),
        };
        for (status, kind, code, class) in [
            (
                429,
                invalid,
                Some("rate_limit"),
                RateLimited { after: None },
            ),
            (429, invalid, Some("lock_timeout"), shortly),
            (409, "idempotency_error", None, shortly),
            (409, invalid, Some("idempotency_key_in_use"), shortly),
            (400, "idempotency_error", None, Conflict),
            (400, invalid, Some("parameter_missing"), Rejected),
            (400, invalid, Some("charge_already_refunded"), Conflict),
            (
                400,
                invalid,
                Some("payment_intent_unexpected_state"),
                Conflict,
            ),
            (402, "card_error", Some("card_declined"), Rejected),
            (401, invalid, None, Auth),
            (403, invalid, None, Forbidden),
            (404, invalid, Some("resource_missing"), NotFound),
            (424, "api_error", None, OutcomeUnknown),
            (500, "api_error", None, OutcomeUnknown),
            (
                200,
                invalid,
                Some("rate_limit"),
                RateLimited { after: None },
            ),
        ] {
            let judged = judged(status, &[], &error(kind, code, "words"));
            assert_eq!(judged.unwrap().class, class, "{status} {code:?}");
        }
        assert!(judged(200, &[], &json!({ "object": "list" })).is_none());
        let waits = judged(
            429,
            &[("retry-after", "7")],
            &error(invalid, Some("rate_limit"), ""),
        );
        let after = Some(Duration::from_secs(7));
        assert_eq!(waits.unwrap().class, RateLimited { after });
    }

    /// A 500 is stored like any answer: asking again with the key cannot bring another.
    #[test]
    fn a_stored_500_is_looked_up_and_not_repeated() {
        let body = error("api_error", None, "sorry");
        let replayed = judged(500, &[(REPLAYED, "true")], &body).unwrap();
        assert_eq!(replayed.class, ErrorClass::Conflict);
        assert!(replayed.message.contains("stored answer"), "{replayed}");
    }

    #[test]
    fn what_stripe_says_of_a_write_is_apart_from_our_words() {
        let body = json!({ "error": { "type": "invalid_request_error", "code": "parameter invalid", "param": "metadata[見本 花子]",
            "message": "Invalid string: 見本 花子 “東池袋0-0-0”" } });
        let judged = judged(400, &[("request-id", "req_1")], &body).unwrap();
        assert_eq!(
            without_quotes(&judged.message),
            "Stripe answered 400 “…” at “…”: “…” (req_1)"
        );
        assert!(
            judged.message.contains("見本 花子 \"東池袋0-0-0\""),
            "{judged}"
        );
        assert_eq!(judged.code.as_deref(), Some("400"), "no code");
    }

    #[test]
    fn a_field_inside_another_is_named() {
        let body = json!({ "error": { "type": "invalid_request_error", "param": "metadata[reason]", "message": "too long" } });
        let judged = judged(400, &[], &body).unwrap();
        assert_eq!(
            judged.message,
            "Stripe answered 400 invalid_request_error at metadata[reason]: “too long”"
        );
    }

    #[test]
    fn a_key_of_the_other_mode_is_no_absence() {
        let message = "No such payment_intent: 'pi_1'; a similar object exists in live mode, but a test mode key was used to make this request.";
        let body = error("invalid_request_error", Some("resource_missing"), message);
        let judged = judged(404, &[], &body).unwrap();
        assert_eq!(judged.class, ErrorClass::Auth);
        assert!(judged.message.contains("the other mode"), "{judged}");
    }

    #[test]
    fn words_name_status_code_place_and_request() {
        let body = json!({ "error": { "type": "card_error", "code": "card_declined", "decline_code": "insufficient_funds",
            "message": "Your card has insufficient funds.", "param": "amount" } });
        let judged = judged(402, &[("request-id", "req_1")], &body).unwrap();
        assert_eq!(judged.code.as_deref(), Some("insufficient_funds"));
        assert_eq!(
            judged.message,
            "Stripe answered 402 card_declined, insufficient_funds at amount: “Your card has insufficient funds.” (req_1)"
        );
        let denied = judged_403();
        assert!(denied.contains("rak_refund_write"), "{denied}");
        assert!(denied.contains("restricted key"), "{denied}");
    }

    fn judged_403() -> String {
        let message = "The provided key does not have the required permissions for this endpoint. Having the 'rak_refund_write' permission would allow this request to continue.";
        let body = error("invalid_request_error", None, message);
        judged(403, &[], &body).unwrap().message
    }
}
