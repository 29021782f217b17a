//! How a shop answers, and what stands in front of it: WooCommerce has a code in each refusal, hosts and firewalls have pages.

use hikiate_sdk::http::{Answer, Dialect};
use hikiate_sdk::text::{error_code_or_quote, quote, quote_value};
use hikiate_sdk::{Error, ErrorClass};
use serde_json::Value;

use crate::wire::Refusal;

/// The answer to a route that the shop does not have.
pub(crate) const NO_ROUTE: &str = "rest_no_route";

/// What the host or a firewall says of too many calls, in a page or in JSON of its own.
const THROTTLES: [&str; 5] = [
    "too many requests",
    "rate limit",
    "rate limited",
    "slow down",
    "throttled",
];

/// What WordPress says while it is updated: it reads no request then.
const MAINTENANCE: &str = "unavailable for scheduled maintenance";

/// An error is short; a page of orders is not looked through for one.
const ERROR_BYTES: usize = 64 * 1024;

/// The dialect of WooCommerce shops.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Shop;

impl Dialect for Shop {
    fn judge(&self, answer: &Answer<'_>, plain: Option<Error>) -> Option<Error> {
        let response = answer.response;
        let body = response.body.as_slice();
        let refusal = (body.len() <= ERROR_BYTES)
            .then(|| serde_json::from_slice::<Refusal>(body).ok())
            .flatten();
        if plain.is_none() && refusal.is_none() {
            return None;
        }
        // Plug-ins and proxies send errors with a status of success; the body has the right one.
        let status = match &refusal {
            Some(refusal) if plain.is_none() => refusal.status()?,
            _ => response.status,
        };
        if is_throttle(status, body, refusal.as_ref()) {
            let after = response.retry_after();
            let message = format!("the shop answered {status}: too many requests");
            let error = Error::new(ErrorClass::RateLimited { after }, message);
            return Some(error.with_code(status.to_string()));
        }
        let plain = match plain {
            Some(plain) => plain,
            None => Error::new(class_of(status), format!("the shop answered {status}")),
        };
        Some(match refusal {
            // A number is PHP's, of an exception that nobody expected: by then it may have been written.
            Some(refusal)
                if answer.is_write
                    && refusal.is_unexpected()
                    && plain.class == ErrorClass::Rejected =>
            {
                Error {
                    class: ErrorClass::OutcomeUnknown,
                    ..refused(status, plain, &refusal)
                }
            }
            Some(refusal) => refused(status, plain, &refusal),
            None => page(answer, status, plain),
        })
    }
}

/// What the status in the body of a 200 means: nothing is sure but what WooCommerce refuses before it acts.
fn class_of(status: u16) -> ErrorClass {
    match status {
        401 => ErrorClass::Auth,
        403 => ErrorClass::Forbidden,
        404 => ErrorClass::NotFound,
        400 | 405..=422 => ErrorClass::Rejected,
        _ => ErrorClass::Protocol,
    }
}

/// A refusal in WordPress' own form.
fn refused(status: u16, plain: Error, refusal: &Refusal) -> Error {
    let code = refusal.code();
    let (named, words) = (error_code_or_quote(&code), quote_value(&refusal.message));
    let said = format!("the shop answered {status} {named}: {words}");
    let (class, message) = match (status, code.as_str()) {
        (404, NO_ROUTE) => (
            ErrorClass::Config,
            format!(
                "{said} (url must be the address of WordPress itself, WooCommerce must be active, and the permalinks must not be \"Plain\")"
            ),
        ),
        (401, _) => (
            ErrorClass::Auth,
            format!(
                "{said} (the consumer key or secret is wrong or revoked, or the shop did not see them: some hosts remove the Authorization header, and without TLS, or behind a proxy that does not say X-Forwarded-Proto: https, the shop ignores it)"
            ),
        ),
        (403, _) => (
            ErrorClass::Forbidden,
            format!(
                "{said} (the key needs read and write permission, and its user the rights of a shop manager)"
            ),
        ),
        // Of an order that is to be changed it says 400.
        (400 | 404, code) if code.ends_with("_invalid_id") || code.ends_with("_order_id") => {
            (ErrorClass::NotFound, said)
        }
        _ => (plain.class, said),
    };
    Error::new(class, message)
        .with_code(status.to_string())
        .with_code(code)
}

/// A page: of the host, a firewall, or WordPress when it could not start.
fn page(answer: &Answer<'_>, status: u16, plain: Error) -> Error {
    let body = answer.response.body.as_slice();
    let said = if body.trim_ascii_start().starts_with(b"<") {
        let title = title(body).map(|title| quote(&title));
        let title = title.filter(|title| !title.is_empty());
        let title = title.map_or_else(String::new, |title| format!(" ({title})"));
        format!("the shop answered {status} with a page{title}")
    } else {
        plain.message.clone()
    };
    let text = || String::from_utf8_lossy(body.get(..ERROR_BYTES).unwrap_or(body)).to_lowercase();
    let (class, message) = match status {
        401 => (
            ErrorClass::Auth,
            format!("{said}: the host itself asks for a login in front of the shop"),
        ),
        // It does not reach the shop, so nothing happened; the next call may pass.
        403 | 406 => (
            ErrorClass::Forbidden,
            format!(
                "{said}: a firewall in front of the shop blocked the request; allow the address of this machine there"
            ),
        ),
        404 => (
            ErrorClass::Config,
            format!(
                "{said}: there is no WordPress REST API at this address; check url, and that the permalinks are not \"Plain\""
            ),
        ),
        503 if text().contains(MAINTENANCE) => (
            ErrorClass::Transient,
            format!("{said}: WordPress is being updated"),
        ),
        300..=399 => return plain,
        _ => (plain.class, said),
    };
    Error::new(class, message).with_code(status.to_string())
}

/// The title of a page.
fn title(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body.get(..ERROR_BYTES).unwrap_or(body));
    let title = text
        .split_once("<title>")
        .and_then(|(_, rest)| rest.split_once("</title>"))
        .map(|(title, _)| title.trim());
    title.map(str::to_owned)
}

fn is_throttle(status: u16, body: &[u8], refusal: Option<&Refusal>) -> bool {
    if status == 429 {
        return true;
    }
    let says = |text: &str| {
        let text = text.to_lowercase().replace(['-', '_'], " ");
        THROTTLES.iter().any(|words| text.contains(words))
    };
    match refusal {
        Some(refusal) => says(&refusal.code()),
        // A refusal of credentials and a firewall's "slow down" have the same status.
        None if matches!(status, 403 | 503) => {
            let body = body.get(..ERROR_BYTES).unwrap_or(body);
            match serde_json::from_slice::<Value>(body) {
                Ok(json) => ["message", "error", "title", "detail"]
                    .iter()
                    .filter_map(|name| json.get(*name)?.as_str())
                    .any(says),
                Err(_) => says(&String::from_utf8_lossy(body)),
            }
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use hikiate_sdk::http::{Request, Response, classify};
    use hikiate_sdk::text::without_quotes;

    use super::*;

    /// As the client asks: with what the status alone says.
    fn judged(status: u16, body: &str, is_write: bool) -> Option<Error> {
        judged_with("", status, body, is_write)
    }

    /// With the words of the body in it.
    fn said(status: u16, body: &str, is_write: bool) -> Option<Error> {
        judged_with(body, status, body, is_write)
    }

    fn judged_with(words: &str, status: u16, body: &str, is_write: bool) -> Option<Error> {
        let response = Response {
            status,
            headers: vec![("retry-after".to_owned(), "7".to_owned())],
            body: body.as_bytes().to_vec(),
        };
        let answer = Answer {
            request: &Request::get("/wp-json/wc/v3/orders"),
            response: &response,
            is_write,
        };
        let plain = classify(status, response.retry_after(), words, is_write);
        Shop.judge(&answer, plain)
    }

    fn says(code: &str, status: u16) -> String {
        format!(r#"{{"code":"{code}","message":"Sorry.","data":{{"status":{status}}}}}"#)
    }

    #[test]
    fn the_code_of_the_body_decides() {
        use ErrorClass::{Auth, Config, Forbidden, NotFound, OutcomeUnknown, Rejected, Transient};
        for (status, code, read, write) in [
            (401, "woocommerce_rest_cannot_view", Auth, Auth),
            (401, "woocommerce_rest_authentication_error", Auth, Auth),
            (403, "woocommerce_rest_cannot_edit", Forbidden, Forbidden),
            (404, "rest_no_route", Config, Config),
            (
                404,
                "woocommerce_rest_shop_order_invalid_id",
                NotFound,
                NotFound,
            ),
            (
                400,
                "woocommerce_rest_shop_order_invalid_id",
                NotFound,
                NotFound,
            ),
            (404, "woocommerce_rest_invalid_order_id", NotFound, NotFound),
            (400, "rest_invalid_param", Rejected, Rejected),
            (
                500,
                "woocommerce_rest_cannot_create_order_refund",
                Transient,
                OutcomeUnknown,
            ),
            (500, "internal_server_error", Transient, OutcomeUnknown),
        ] {
            for (is_write, class) in [(false, read), (true, write)] {
                let error = judged(status, &says(code, status), is_write);
                let got = error.map(|e| (e.class, e.code));
                assert_eq!(got, Some((class, Some(code.to_owned()))), "{status} {code}");
            }
        }
        // An over-refund has a number where other errors have an object.
        let body = r#"{"code":"woocommerce_rest_cannot_create_order_refund","message":"Invalid refund amount.","data":500}"#;
        let error = judged(500, body, true);
        assert!(error.is_some_and(|e| e.message.contains("Invalid refund amount")));
        for (status, hint) in [
            (401, "Authorization header"),
            (403, "write permission"),
            (404, "permalinks"),
        ] {
            let code = if status == 404 {
                NO_ROUTE
            } else {
                "woocommerce_rest_cannot_view"
            };
            let error = judged(status, &says(code, status), false);
            assert!(error.is_some_and(|e| e.message.contains(hint)), "{status}");
        }
    }

    #[test]
    fn a_refusal_with_a_number_for_a_code_is_no_sure_no() {
        for code in ["0", "\"0\"", "1062"] {
            let body = format!(
                r#"{{"code":{code},"message":"Duplicate entry.","data":{{"status":400}}}}"#
            );
            let class = |status, is_write| judged(status, &body, is_write).map(|e| e.class);
            for status in [200, 400] {
                assert_eq!(
                    class(status, true),
                    Some(ErrorClass::OutcomeUnknown),
                    "{status} {code}"
                );
                assert_eq!(
                    class(status, false),
                    Some(ErrorClass::Rejected),
                    "{status} {code}"
                );
            }
        }
        let body = r#"{"code":0,"message":"No.","data":{"status":401}}"#;
        assert_eq!(
            judged(401, body, true).map(|e| e.class),
            Some(ErrorClass::Auth)
        );
    }

    #[test]
    fn pages_of_hosts_and_firewalls_are_told_from_the_shop() {
        use ErrorClass::{Auth, Config, Forbidden, OutcomeUnknown, Protocol, Transient};
        let firewall = "<html><title>Attention Required! | Cloudflare</title></html>";
        let update =
            "<html>Briefly unavailable for scheduled maintenance. Check back in a minute.</html>";
        for (status, body, read, write) in [
            (401, "<html>Authorization required</html>", Auth, Auth),
            (403, firewall, Forbidden, Forbidden),
            (
                406,
                "<html>Not Acceptable! Mod_Security</html>",
                Forbidden,
                Forbidden,
            ),
            (404, "<html>Page not found</html>", Config, Config),
            (502, "<html>Bad gateway</html>", Transient, OutcomeUnknown),
            (
                500,
                "Error establishing a database connection",
                Transient,
                OutcomeUnknown,
            ),
            (503, update, Transient, Transient),
            (301, "", Protocol, OutcomeUnknown),
        ] {
            for (is_write, class) in [(false, read), (true, write)] {
                let got = judged(status, body, is_write).map(|e| e.class);
                assert_eq!(got, Some(class), "{status} {body} {is_write}");
            }
        }
        let named = judged(403, firewall, false);
        assert!(named.is_some_and(|e| e.message.contains("(“Attention Required! | Cloudflare”)")));
    }

    #[test]
    fn what_the_shop_leaves_blank_is_said_or_left_out() {
        let mute = r#"{"code":"","message":" ","data":{"status":400}}"#;
        for (status, body, told) in [
            (400, mute, "the shop answered 400 (blank): (blank)"),
            (
                500,
                "<html><title> </title></html>",
                "the shop answered 500 with a page",
            ),
        ] {
            let error = said(status, body, true);
            assert_eq!(error.map(|e| e.message).as_deref(), Some(told));
        }
    }

    #[test]
    fn what_the_shop_says_of_a_write_is_apart_from_our_words() {
        let body = r#"{"code":"invalid name","message":"見本 花子 is no tracking number","data":{"status":400}}"#;
        let page = "<html><title>見本 花子 is blocked</title></html>";
        for (status, body, ours) in [
            (400, body, "the shop answered 400 “…”: “…”"),
            (500, page, "the shop answered 500 with a page (“…”)"),
            (
                500,
                "見本 花子: no",
                "the external system answered 500: “…”",
            ),
        ] {
            let error = said(status, body, true);
            let told = error.as_ref().map(|e| e.message.as_str());
            assert!(told.is_some_and(|told| told.contains("見本 花子")));
            assert_eq!(told.map(without_quotes).as_deref(), Some(ours));
            let code = error.and_then(|e| e.code);
            assert_eq!(code, Some(status.to_string()));
        }
    }

    #[test]
    fn slow_down_is_understood_in_whatever_words_it_comes() {
        let after = Some(std::time::Duration::from_secs(7));
        for (status, body) in [
            (429, "<html>429</html>".to_owned()),
            (429, says("too_many_requests", 429)),
            (403, "<html>Rate limit exceeded</html>".to_owned()),
            (503, "Too many requests, come back later".to_owned()),
            (403, r#"{"message":"API rate-limit reached"}"#.to_owned()),
            (400, says("rest_rate_limit_exceeded", 400)),
            (200, says("too_many_requests", 429)),
        ] {
            for is_write in [false, true] {
                let class = judged(status, &body, is_write).map(|e| e.class);
                assert_eq!(
                    class,
                    Some(ErrorClass::RateLimited { after }),
                    "{status} {body}"
                );
            }
        }
    }

    #[test]
    fn an_error_in_a_200_is_one_and_everything_else_in_it_is_none() {
        let class = |body: &str| judged(200, body, true).map(|e| e.class);
        assert_eq!(
            class(&says("woocommerce_rest_cannot_edit", 401)),
            Some(ErrorClass::Auth)
        );
        assert_eq!(
            class(&says("internal_server_error", 500)),
            Some(ErrorClass::Protocol)
        );
        assert_eq!(class(r#"{"id":7,"status":"processing"}"#), None);
        assert_eq!(class("[]"), None);
        assert_eq!(class(r#"{"code":"SUMMER","message":"a coupon"}"#), None);
    }
}
