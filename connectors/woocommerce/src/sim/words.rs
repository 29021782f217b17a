//! What stands in front of a shop says "slow down" in many ways; the shop refuses in one.

use hikiate_sdk::faulty::{Fault, RETRY_AFTER};
use hikiate_sdk::http::Response;
use serde_json::json;

/// Throttles as hosts and firewalls in front of shops word them, and refusals as WordPress does, for a faulty transport; `echo` is
/// repeated as they do.
#[must_use]
pub fn words(fault: Fault, echo: &str) -> Option<Response> {
    let json = |status: u16, code: &str, data: u16| {
        let body = json!({ "code": code, "message": format!("Sorry. {echo}"), "data": { "status": data } });
        (status, "application/json", body.to_string())
    };
    let page = |status: u16, title: &str| {
        let body = format!("<html><title>{title}</title><h1>{title}</h1>{echo}</html>");
        (status, "text/html", body)
    };
    let (status, kind, body) = match fault {
        Fault::RateLimited => json(429, "too_many_requests", 429),
        Fault::RateLimitedSilently => page(429, "Too Many Requests"),
        Fault::SlowDown => page(403, "Rate limit exceeded"),
        Fault::RateLimitedInOk => json(200, "too_many_requests", 429),
        Fault::Unauthorised => json(401, "woocommerce_rest_cannot_view", 401),
        Fault::Forbidden => json(403, "woocommerce_rest_cannot_edit", 403),
        Fault::Refused => json(400, "rest_invalid_param", 400),
        Fault::ErrorInOk => json(200, "internal_server_error", 500),
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
