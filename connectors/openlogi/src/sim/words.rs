//! How OPENLOGI throttles and refuses.

use hikiate_sdk::faulty::{Fault, RETRY_AFTER};
use hikiate_sdk::http::Response;
use serde_json::json;

/// OPENLOGI's own answers, for a faulty transport; `echo` is repeated as careless systems do. By the document 429 is the only
/// throttle; the other two are what a gateway in front of it may make of it.
#[must_use]
pub fn words(fault: Fault, echo: &str) -> Option<Response> {
    let (status, error) = match fault {
        Fault::RateLimited | Fault::RateLimitedSilently => (429, "Too Many Attempts."),
        Fault::SlowDown => (403, "Too Many Attempts."),
        Fault::RateLimitedInOk => (200, "Too Many Attempts."),
        Fault::Unauthorised => (401, "unauthorized"),
        Fault::Forbidden => (403, "forbidden"),
        Fault::Refused => (422, "validation_failed"),
        Fault::ErrorBefore => (500, "internal_server_error"),
        _ => return None,
    };
    let mut headers = vec![
        ("content-type".to_owned(), "application/json".to_owned()),
        ("x-ratelimit-limit".to_owned(), "60".to_owned()),
    ];
    if status == 429 {
        headers.push(("x-ratelimit-remaining".to_owned(), "0".to_owned()));
    }
    if fault == Fault::RateLimited {
        headers.push(("retry-after".to_owned(), RETRY_AFTER.as_secs().to_string()));
    }
    let body = json!({ "error": error, "error_description": format!("{error} {echo}") });
    Some(Response {
        status,
        headers,
        body: body.to_string().into_bytes(),
    })
}
