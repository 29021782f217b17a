//! Stripe's own words where it does not carry a call out.

use hikiate_sdk::faulty::{Fault, RETRY_AFTER};
use hikiate_sdk::http::Response;
use serde_json::json;

/// Answers for a faulty transport; `echo` is repeated in them.
#[must_use]
pub fn words(fault: Fault, echo: &str) -> Option<Response> {
    let (status, kind, code) = match fault {
        Fault::RateLimited | Fault::RateLimitedSilently => (429, INVALID, Some("rate_limit")),
        // Stripe itself throttles with 429 alone; what stands before it may do it so.
        Fault::SlowDown => (403, INVALID, Some("rate_limit")),
        Fault::RateLimitedInOk => (200, INVALID, Some("rate_limit")),
        Fault::Unauthorised => (401, INVALID, None),
        Fault::Forbidden => (403, INVALID, None),
        Fault::Refused => (400, INVALID, Some("parameter_invalid_integer")),
        Fault::ErrorBefore => (500, "api_error", None),
        _ => return None,
    };
    let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    if fault == Fault::RateLimited {
        let after = RETRY_AFTER.as_secs().to_string();
        headers.push(("retry-after".to_owned(), after));
    }
    let mut error = json!({ "type": kind, "message": format!("simulated {fault}: {echo}") });
    if let Some(code) = code {
        error["code"] = json!(code);
    }
    Some(Response {
        status,
        headers,
        body: json!({ "error": error }).to_string().into_bytes(),
    })
}

const INVALID: &str = "invalid_request_error";
