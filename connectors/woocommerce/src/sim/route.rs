//! From a request to an answer.

use hikiate_sdk::faulty::{Fault, asked};
use hikiate_sdk::http::{Method, Request, Response};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::late::{self, Late};
use super::state::{Fulfilment, Note, Order, Product, Refund, State};
use super::{list, render, writes};
use crate::client::API;

/// What the shop says of itself.
const INDEX: &str = "/wp-json/";

/// A refusal: status, code, words; the status is in the body too, as an object or as a number.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) status: u16,
    pub(super) code: &'static str,
    pub(super) message: String,
    /// `"data": 500` where others have `"data": {"status": 500}`.
    pub(super) bare: bool,
}

impl Refused {
    pub(super) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            bare: false,
        }
    }

    pub(super) fn invalid(parameter: &str) -> Self {
        Self::new(
            400,
            "rest_invalid_param",
            format!("Invalid parameter(s): {parameter}"),
        )
    }

    pub(super) fn no_such(what: &str) -> Self {
        match what {
            "product" => Self::new(404, "woocommerce_rest_product_invalid_id", "Invalid ID."),
            _ => Self::new(404, "woocommerce_rest_shop_order_invalid_id", "Invalid ID."),
        }
    }

    fn no_route() -> Self {
        Self::new(
            404,
            "rest_no_route",
            "No route was found matching the URL and request method.",
        )
    }

    fn response(self) -> Response {
        let data = if self.bare {
            json!(self.status)
        } else {
            json!({ "status": self.status })
        };
        // An exception's own code is a number.
        let number = self.code.parse::<u64>().ok();
        let code = number.map_or_else(|| json!(self.code), |number| json!(number));
        let body = json!({ "code": code, "message": self.message, "data": data });
        respond(self.status, &body, Vec::new())
    }
}

/// What is found.
pub(super) enum Found {
    /// One thing.
    One(Value),
    /// One thing that was made.
    Made(Value),
    /// A page of a list and how many there are in all.
    List(Vec<Value>, usize),
    /// A whole list.
    All(Vec<Value>),
}

/// A query.
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn one(&self, key: &str) -> Option<&str> {
        let mut all = self.0.iter().rev();
        all.find(|(k, _)| k == key).map(|(_, v)| v.as_str())
    }

    pub(super) fn number(&self, key: &str, default: usize) -> Result<usize, Refused> {
        let read = |text: &str| text.parse().map_err(|_| Refused::invalid(key));
        self.one(key).map_or(Ok(default), read)
    }

    pub(super) fn digits(&self) -> Result<u32, Refused> {
        let digits = self.number("dp", 2)?;
        u32::try_from(digits).map_err(|_| Refused::invalid("dp"))
    }

    pub(super) fn words<'q>(&'q self, key: &str, default: &'q str) -> Vec<&'q str> {
        self.one(key).unwrap_or(default).split(',').collect()
    }

    pub(super) fn ids(&self, key: &str) -> Result<Vec<u64>, Refused> {
        let Some(text) = self.one(key) else {
            return Ok(Vec::new());
        };
        let ids = text.split(',').map(str::parse);
        ids.collect::<Result<_, _>>()
            .map_err(|_| Refused::invalid(key))
    }
}

/// The shop did not see any credentials.
pub(super) fn unseen() -> Response {
    Refused::new(
        401,
        "woocommerce_rest_cannot_view",
        "Sorry, you cannot list resources.",
    )
    .response()
}

pub(super) fn unauthorized() -> Response {
    Refused::new(
        401,
        "woocommerce_rest_authentication_error",
        "Consumer secret is invalid.",
    )
    .response()
}

fn respond(status: u16, body: &Value, more: Vec<(String, String)>) -> Response {
    let mut headers = vec![(
        "content-type".to_owned(),
        "application/json; charset=UTF-8".to_owned(),
    )];
    headers.extend(more);
    Response {
        status,
        headers,
        body: body.to_string().into_bytes(),
    }
}

pub(super) fn handle(state: &mut State, request: &Request, now: i64) -> Response {
    state.requests += 1;
    state.writes += u64::from(request.method != Method::Get);
    if now < state.down_until {
        let message = "There has been a critical error on this website.";
        return Refused::new(500, "internal_server_error", message).response();
    }
    let (fault, written) = (asked(request), written(state, request));
    let before = written.filter(|_| fault.is_some_and(Fault::is_late));
    let before = before.and_then(|at| state.orders.get(at));
    let before = before.map(|order| Late::of(state, order, now));
    let answer = if fault == Some(Fault::Swallowed) {
        swallowed(state, request, now)
    } else {
        answer(state, request, now)
    };
    let written = written.filter(|_| answer.is_ok());
    // With a call, those before it are shown too.
    if let Some(order) = written.and_then(|at| state.orders.get_mut(at)) {
        order.late = before;
    }
    match answer {
        Ok(Found::One(body)) => respond(200, &body, Vec::new()),
        Ok(Found::Made(body)) => respond(201, &body, Vec::new()),
        Ok(Found::All(all)) => respond(200, &Value::Array(all), Vec::new()),
        Ok(Found::List(page, total)) => {
            let total = ("x-wp-total".to_owned(), total.to_string());
            respond(200, &Value::Array(page), vec![total])
        }
        Err(mut refused) => {
            refused.message.push_str(&customer(state, request));
            refused.response()
        }
    }
}

/// Where the order is that a call is about.
fn written(state: &State, request: &Request) -> Option<usize> {
    if request.method == Method::Get {
        return None;
    }
    let path = request.path.split('?').next().unwrap_or_default();
    let mut parts = path.strip_prefix(API)?.split('/').skip(1);
    let id = parts.next().filter(|list| *list == "orders");
    let id = id.and_then(|_| parts.next())?;
    state.by_id.get(&id.parse().ok()?).copied()
}

/// The answer to a call that did nothing: the order as it is, or what was to be made, with nothing in it.
fn swallowed(state: &State, request: &Request, now: i64) -> Result<Found, Refused> {
    let path = request.path.split('?').next().unwrap_or_default();
    let path = path.strip_prefix(API).ok_or_else(Refused::no_route)?;
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let order = |id: &str| state.order(id).ok_or_else(|| Refused::no_such("order"));
    match parts.as_slice() {
        ["orders", id] => Ok(Found::One(render::order(state, order(id)?, 6))),
        ["orders", id, "fulfillments"] if state.fulfilments_offered => {
            let empty = Fulfilment {
                id: 0,
                fulfilled: false,
                updated: now,
                deleted: None,
                meta: Vec::new(),
                notified: false,
            };
            Ok(Found::Made(render::fulfilment(order(id)?, &empty)))
        }
        ["orders", _, "notes"] => Ok(Found::Made(render::note(&Note {
            id: 0,
            at: now,
            text: String::new(),
            to_customer: false,
        }))),
        ["orders", _, "refunds"] => {
            let empty = Refund {
                id: 0,
                at: now,
                amount: 0,
                reason: String::new(),
                meta: Vec::new(),
                lines: Vec::new(),
                moved_money: false,
                restocked: false,
            };
            Ok(Found::Made(render::refund(&empty, 0, 6)))
        }
        _ => Err(Refused::no_route()),
    }
}

/// Whose order a refused write is about, where that is repeated.
fn customer(state: &State, request: &Request) -> String {
    if !state.repeats_names || request.method == Method::Get {
        return String::new();
    }
    let path = request.path.split('?').next().unwrap_or_default();
    let path = path.strip_prefix(API).unwrap_or_default();
    let id = path.split('/').nth(2).unwrap_or_default();
    let Some(to) = state.order(id).and_then(|order| order.ship_to.as_ref()) else {
        return String::new();
    };
    let told = [&to.name, &to.city, &to.address1, &to.phone].map(String::as_str);
    format!(" (customer: {})", told.join(" "))
}

fn answer(state: &mut State, request: &Request, now: i64) -> Result<Found, Refused> {
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let query = Query(
        form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect(),
    );
    if path == INDEX && request.method == Method::Get {
        // The shop's zone is nine hours ahead of GMT.
        return Ok(Found::One(
            json!({ "timezone_string": "Asia/Tokyo", "gmt_offset": 9 }),
        ));
    }
    let path = path.strip_prefix(API).ok_or_else(Refused::no_route)?;
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let dp = query.digits()?;
    match (request.method, parts.as_slice()) {
        (Method::Get, ["orders"]) => list::orders(state, &query, now),
        (Method::Post, ["orders"]) => {
            let id = writes::create(state, &body(request)?, now)?;
            Ok(Found::Made(shown(state, &id, dp, now)?))
        }
        (Method::Get, ["orders", id]) => {
            let late = state.order(id);
            let late = late.and_then(|order| late::seen(order, &query, now));
            match late {
                Some(late) => Ok(Found::One(late.order.clone())),
                None => Ok(Found::One(shown(state, id, dp, now)?)),
            }
        }
        (Method::Put, ["orders", id]) => {
            writes::update(state, id, &body(request)?, now)?;
            let order = state.order(id).ok_or_else(|| Refused::no_such("order"))?;
            Ok(Found::One(render::order(state, order, dp)))
        }
        (Method::Delete, ["orders", id]) => {
            let before = shown(state, id, dp, now)?;
            writes::delete(state, id, query.one("force") == Some("true"), now)?;
            Ok(Found::One(before))
        }
        (Method::Get, ["orders", id, "refunds"]) => {
            let order = of_refunds(state, id)?;
            broken(order, "refunds")?;
            let late = late::seen(order, &query, now);
            let all = late.map_or_else(|| late::refunds(order, dp), |late| late.refunds.clone());
            let count = all.len();
            Ok(Found::List(all, count))
        }
        (Method::Post, ["orders", id, "refunds"]) => {
            of_refunds(state, id)?;
            writes::refund(state, id, &body(request)?, now)?;
            let order = of_refunds(state, id)?;
            let made = order
                .refunds
                .last()
                .ok_or_else(|| Refused::no_such("order"))?;
            Ok(Found::Made(render::refund(made, order.rate_bp, dp)))
        }
        (Method::Get, ["orders", id, "notes"]) => {
            let order = state.order(id).ok_or_else(|| Refused::no_such("order"))?;
            let late = late::seen(order, &query, now);
            let all = late.map_or_else(|| late::notes(order), |late| late.notes.clone());
            Ok(Found::All(all))
        }
        (Method::Post, ["orders", id, "notes"]) => {
            let made = writes::note(state, id, &body(request)?, now)?;
            Ok(Found::Made(made))
        }
        (method, ["orders", id, "fulfillments"]) if state.fulfilments_offered => {
            fulfilments(state, (method, *id), request, &query, now)
        }
        (Method::Get, ["products"]) => list::products(state, &query),
        (Method::Post, ["products"]) => {
            let id = writes::product(state, &body(request)?)?;
            let made = state
                .product(id)
                .ok_or_else(|| Refused::no_such("product"))?;
            Ok(Found::Made(render::product(state, made, None)))
        }
        (Method::Get, ["products", id]) => {
            let product = id.parse().ok().and_then(|id| state.product(id));
            let product = product.ok_or_else(|| Refused::no_such("product"))?;
            product.tells("itself")?;
            let fields = query.one("_fields");
            Ok(Found::One(render::product(state, product, fields)))
        }
        (Method::Delete, ["products", id]) => {
            let number = id.parse().map_err(|_| Refused::no_route())?;
            writes::delete_product(state, number)?;
            Ok(Found::One(json!({ "id": number })))
        }
        (Method::Get, ["settings", "general", "woocommerce_default_country"]) => Ok(Found::One(
            json!({ "id": "woocommerce_default_country", "value": "JP:JP13" }),
        )),
        (Method::Get, ["products", id, "variations"]) => {
            let id = id.parse().map_err(|_| Refused::no_route())?;
            list::variations(state, id, &query)
        }
        _ => Err(Refused::no_route()),
    }
}

/// Whether a list of the order cannot be told.
fn broken(order: &Order, list: &str) -> Result<(), Refused> {
    let unknown = Refused::new(404, "woocommerce_rest_invalid_order", "Invalid order.");
    told(order.broken.get(list).copied(), unknown)
}

impl Order {
    /// Whether it cannot be told itself.
    pub(super) fn tells(&self) -> Result<(), Refused> {
        told(
            self.broken.get("itself").copied(),
            Refused::no_such("order"),
        )
    }
}

impl Product {
    /// Whether a part of it cannot be told.
    pub(super) fn tells(&self, part: &str) -> Result<(), Refused> {
        told(self.broken.get(part).copied(), Refused::no_such("product"))
    }
}

fn told(status: Option<u16>, unknown: Refused) -> Result<(), Refused> {
    let message = "There has been a critical error on this website.";
    match status {
        None => Ok(()),
        Some(404) => Err(unknown),
        Some(status) => Err(Refused::new(status, "internal_server_error", message)),
    }
}

fn fulfilments(
    state: &mut State,
    (method, id): (Method, &str),
    request: &Request,
    query: &Query,
    now: i64,
) -> Result<Found, Refused> {
    let unknown = || {
        Refused::new(
            404,
            "woocommerce_rest_order_invalid_id",
            "Invalid order ID.",
        )
    };
    match method {
        Method::Get => {
            let order = state.order(id).ok_or_else(unknown)?;
            broken(order, "fulfillments")?;
            let late = late::seen(order, query, now);
            let all =
                late.map_or_else(|| late::fulfilments(order), |late| late.fulfilments.clone());
            Ok(Found::All(all))
        }
        Method::Post => {
            state.order(id).ok_or_else(unknown)?;
            writes::fulfil(state, id, &body(request)?, now)?;
            let order = state.order(id).ok_or_else(unknown)?;
            let made = order.fulfilments.last().ok_or_else(unknown)?;
            if state.throws_after_fulfilment {
                return Err(Refused::new(
                    400,
                    "0",
                    "Could not instantiate mail function.",
                ));
            }
            Ok(Found::Made(render::fulfilment(order, made)))
        }
        _ => Err(Refused::no_route()),
    }
}

/// An order by its id: the bin and drafts too.
fn shown(state: &State, id: &str, dp: u32, now: i64) -> Result<Value, Refused> {
    let order = state.order(id).ok_or_else(|| Refused::no_such("order"))?;
    order.tells()?;
    Ok(match &order.older {
        Some((older, until)) if now < *until => older.clone(),
        _ => render::order(state, order, dp),
    })
}

fn of_refunds<'s>(state: &'s State, id: &str) -> Result<&'s Order, Refused> {
    let unknown = || {
        Refused::new(
            404,
            "woocommerce_rest_invalid_order_id",
            "Invalid order ID.",
        )
    };
    state.order(id).ok_or_else(unknown)
}

fn body(request: &Request) -> Result<Value, Refused> {
    serde_json::from_slice(&request.body)
        .map_err(|_| Refused::new(400, "rest_invalid_json", "Invalid JSON body passed."))
}
