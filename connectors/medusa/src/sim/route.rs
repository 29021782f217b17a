//! From a request to an answer.

use hikiate_sdk::faulty::{Fault, asked};
use hikiate_sdk::http::{Method, Request, Response};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::late::Late;
use super::state::State;
use super::{list, render, writes};

/// A definite refusal: status, type, words.
#[derive(Debug)]
pub(super) struct Refused(pub(super) u16, pub(super) &'static str, pub(super) String);

impl Refused {
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self(400, "invalid_data", message.into())
    }

    pub(super) fn not_allowed(message: impl Into<String>) -> Self {
        Self(400, "not_allowed", message.into())
    }

    pub(super) fn not_found(what: &str, id: &str) -> Self {
        Self(404, "not_found", format!("{what} id not found: {id}"))
    }

    pub(super) fn unknown() -> Self {
        Self(
            500,
            "unknown_error",
            "An unknown error occurred.".to_owned(),
        )
    }
}

pub(super) fn unauthorized() -> Response {
    respond(401, &json!({ "message": "Unauthorized" }))
}

fn respond(status: u16, body: &Value) -> Response {
    let headers = vec![(
        "content-type".to_owned(),
        "application/json; charset=utf-8".to_owned(),
    )];
    Response {
        status,
        headers,
        body: body.to_string().into_bytes(),
    }
}

pub(super) fn handle(state: &mut State, request: &Request, now: i64) -> Response {
    state.requests += 1;
    state.writes += u64::from(request.method != Method::Get);
    let (fault, written) = (asked(request), written(state, request));
    let before = written.filter(|_| fault.is_some_and(Fault::is_late));
    let before = before.and_then(|at| state.orders.get(at));
    let before = before.map(|order| Late::of(state, order, now));
    let answer = if fault == Some(Fault::Swallowed) {
        swallowed(state, request)
    } else {
        answer(state, request, now)
    };
    match answer {
        Ok(body) => {
            // With a call, those before it are shown too.
            if let Some(order) = written.and_then(|at| state.orders.get_mut(at)) {
                order.late = before;
            }
            respond(200, &body)
        }
        Err(Refused(status, kind, message)) => {
            let message = format!("{message}{}", customer(state, request));
            respond(status, &json!({ "type": kind, "message": message }))
        }
    }
}

/// Where the order is that a call is about, by its id or that of a payment.
fn written(state: &State, request: &Request) -> Option<usize> {
    if request.method == Method::Get {
        return None;
    }
    let path = request.path.split('?').next().unwrap_or_default();
    let id = path.split('/').nth(3)?;
    let places = [&state.by_id, &state.by_payment];
    places.iter().find_map(|known| known.get(id).copied())
}

/// The answer to a call that did nothing: things as they are.
fn swallowed(state: &State, request: &Request) -> Result<Value, Refused> {
    let path = request.path.split('?').next().unwrap_or_default();
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    match parts.as_slice() {
        ["admin", "payments", id, ..] => Ok(json!({ "payment": payment(state, id) })),
        ["admin", "orders", id, ..] => order_answer(state, id),
        _ => Err(Refused::unknown()),
    }
}

/// Whose order a refused write is about, where that is repeated.
fn customer(state: &State, request: &Request) -> String {
    if !state.repeats_names || request.method == Method::Get {
        return String::new();
    }
    let path = request.path.split('?').next().unwrap_or_default();
    let id = path.split('/').nth(3).unwrap_or_default();
    let paid = || state.orders.get(*state.by_payment.get(id)?);
    let order = state.order(id).or_else(paid);
    let Some(to) = order.and_then(|order| order.ship_to.as_ref()) else {
        return String::new();
    };
    let told = [&to.name, &to.city, &to.address1, &to.phone].map(String::as_str);
    format!(" (customer: {})", told.join(" "))
}

fn answer(state: &mut State, request: &Request, now: i64) -> Result<Value, Refused> {
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let query: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect();
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    match (request.method, parts.as_slice()) {
        (Method::Get, ["admin", "orders"]) => list::orders(state, &query, now),
        (Method::Get, ["admin", "inventory-items"]) => list::inventory(state, &query),
        (Method::Get, ["admin", "orders", id]) => {
            let order = state
                .order(id)
                .ok_or_else(|| Refused::not_found("Order", id))?;
            let late = order.late.as_ref().and_then(|late| late.order(now));
            Ok(json!({ "order": late.unwrap_or_else(|| render::order(state, order)) }))
        }
        (Method::Get, ["admin", "payments", id]) => {
            let at = state.by_payment.get(*id);
            let late = at.and_then(|at| state.orders.get(*at)?.late.as_ref());
            let late = late.and_then(|late| late.payment(id, now));
            // The real shop answers an unknown payment with nothing, not with 404.
            let payment = late.or_else(|| payment(state, id));
            Ok(payment.map_or_else(|| json!({}), |payment| json!({ "payment": payment })))
        }
        (Method::Post, ["admin", "orders", id, "fulfillments"]) => {
            writes::fulfil(state, id, &body(request)?, now)?;
            order_answer(state, id)
        }
        (
            Method::Post,
            [
                "admin",
                "orders",
                id,
                "fulfillments",
                fulfilment,
                "shipments",
            ],
        ) => {
            writes::ship(state, id, fulfilment, &body(request)?, now)?;
            order_answer(state, id)
        }
        (Method::Post, ["admin", "orders", id]) => {
            writes::update(state, id, &body(request)?, now)?;
            order_answer(state, id)
        }
        (Method::Post, ["admin", "orders", id, "cancel"]) => {
            writes::cancel(state, id, now)?;
            order_answer(state, id)
        }
        (Method::Post, ["admin", "payments", id, "capture"]) => {
            writes::capture(state, id, &body(request)?, false)?;
            let payment = payment(state, id);
            Ok(json!({ "payment": payment }))
        }
        (Method::Post, ["admin", "payments", id, "refund"]) => {
            writes::refund(state, id, &body(request)?, now)?;
            let payment = payment(state, id);
            Ok(json!({ "payment": payment }))
        }
        _ => Err(Refused(
            404,
            "not_found",
            format!("Cannot {} {path}", request.method.as_str()),
        )),
    }
}

fn payment(state: &State, id: &str) -> Option<Value> {
    let order = state
        .by_payment
        .get(id)
        .and_then(|at| state.orders.get(*at))?;
    let payment = order.payments().find(|payment| payment.id == id)?;
    Some(render::payment(order, payment))
}

fn order_answer(state: &State, id: &str) -> Result<Value, Refused> {
    let order = state
        .order(id)
        .ok_or_else(|| Refused::not_found("Order", id))?;
    Ok(json!({ "order": render::order(state, order) }))
}

fn body(request: &Request) -> Result<Value, Refused> {
    serde_json::from_slice(&request.body)
        .map_err(|e| Refused::invalid(format!("{e} is not valid JSON")))
}
