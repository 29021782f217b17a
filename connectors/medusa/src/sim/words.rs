//! What stands in front of a shop says "slow down" in many ways.

use hikiate_sdk::faulty::{Fault, RETRY_AFTER};
use hikiate_sdk::http::Response;
use serde_json::json;

/// Throttles as gateways and firewalls in front of shops word them, for a faulty transport; `echo` is repeated as they do.
#[must_use]
pub fn words(fault: Fault, echo: &str) -> Option<Response> {
    let json = |status, kind: &str| {
        let body = json!({ "type": kind, "message": format!("slow down {echo}") });
        (status, "application/json", body.to_string())
    };
    let page = |status| {
        let body = format!("<html><h1>Rate limit exceeded</h1>{echo}</html>");
        (status, "text/html", body)
    };
    let (status, kind, body) = match fault {
        Fault::RateLimited => json(429, "too_many_requests"),
        Fault::RateLimitedSilently => page(429),
        Fault::SlowDown => page(403),
        Fault::RateLimitedInOk => json(200, "throttled"),
        _ => return None,
    };
    let mut headers = vec![("content-type".to_owned(), kind.to_owned())];
    if fault == Fault::RateLimited {
        let after = RETRY_AFTER.as_secs().to_string();
        headers.push(("retry-after".to_owned(), after));
    }
    Some(Response {
        status,
        headers,
        body: body.into_bytes(),
    })
}
