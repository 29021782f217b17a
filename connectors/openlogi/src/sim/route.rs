//! From a request to an answer.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use hikiate_sdk::faulty::{Fault, SHOWN_AFTER, asked};
use hikiate_sdk::http::{Method, Request, Response};
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use super::state::{Late, Shipment, State, day};
use super::{render, writes};

/// A definite no: status, kind, words, and words by field.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) status: u16,
    pub(super) error: &'static str,
    pub(super) words: String,
    pub(super) errors: Map<String, Value>,
}

impl Refused {
    pub(super) fn new(status: u16, error: &'static str, words: impl Into<String>) -> Self {
        Self {
            status,
            error,
            words: words.into(),
            errors: Map::new(),
        }
    }

    pub(super) fn not_found() -> Self {
        Self::new(404, "not_found", "Not Found")
    }

    pub(super) fn invalid(errors: Map<String, Value>) -> Self {
        Self {
            errors,
            ..Self::new(422, "validation_failed", "Invalid Request")
        }
    }
}

/// `known` and `version`: the token is right, and the version is asked for.
pub(super) fn handle(
    state: &mut State,
    request: &Request,
    (known, version): (bool, bool),
    now: DateTime<Utc>,
) -> Response {
    state.calls += 1;
    if state.maintenance {
        let page =
            "<html><head><title>503</title></head><body>ただいま、メンテナンス中です</body></html>";
        return Response {
            status: 503,
            headers: vec![("content-type".to_owned(), "text/html".to_owned())],
            body: page.as_bytes().to_vec(),
        };
    }
    let answer = match counted(state, now) {
        Err(()) => Err(Refused::new(
            429,
            "Too Many Attempts.",
            "Too Many Attempts.",
        )),
        Ok(()) if !known => Err(Refused::new(401, "unauthorized", "Unauthenticated")),
        Ok(()) if !version => Err(Refused::new(
            400,
            "api_exception",
            "X-Api-Version is missing",
        )),
        Ok(()) => carry_out(state, request, now),
    };
    let (status, body) = match answer {
        Ok(answer) => answer,
        Err(refused) => {
            let mut body = json!({ "error": refused.error, "error_description": refused.words });
            if !refused.errors.is_empty() {
                body["errors"] = Value::Object(refused.errors);
            }
            (refused.status, body)
        }
    };
    let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    if let (Some(limit), Some((_, used))) = (state.limit, state.minute) {
        let left = limit.saturating_sub(used);
        headers.push(("x-ratelimit-limit".to_owned(), limit.to_string()));
        headers.push(("x-ratelimit-remaining".to_owned(), left.to_string()));
    }
    Response {
        status,
        headers,
        body: body.to_string().into_bytes(),
    }
}

/// Counts a call in its minute, which begins with its first call.
fn counted(state: &mut State, now: DateTime<Utc>) -> Result<(), ()> {
    let Some(limit) = state.limit else {
        return Ok(());
    };
    let running = state
        .minute
        .filter(|(began, _)| now - *began < TimeDelta::seconds(60));
    let (began, used) = running.unwrap_or((now, 0));
    if used >= limit {
        state.throttled += 1;
        return Err(());
    }
    state.minute = Some((began, used + 1));
    Ok(())
}

type Answered = Result<(u16, Value), Refused>;

/// Whether it can be asked for a fault of a request, for a faulty transport. No call is swallowed: there are no plug-ins, and of a
/// shipment that is created or deleted alone the answer is an id, which says nothing.
#[must_use]
pub fn can(fault: Fault, request: &Request) -> bool {
    fault.is_late() && request.method != Method::Get && request.path.starts_with("/shipments")
}

/// Answers, and keeps what look-ups go on to be shown where the call is shown late.
fn carry_out(state: &mut State, request: &Request, now: DateTime<Utc>) -> Answered {
    if request.method == Method::Get {
        return answer(state, request, now);
    }
    let until = asked(request).filter(|fault| fault.is_late());
    let until = until.map(|_| now + SHOWN_AFTER);
    let late = |shown| until.map(|until| Late { until, shown });
    let (known, named) = (state.shipments.len(), named(state, request));
    let before = named.and_then(|at| state.shipments.get(at));
    let before = before.map(render::shipment);
    let answer = answer(state, request, now)?;
    // With a call, those before it are shown too.
    if let Some(shipment) = named.and_then(|at| state.shipments.get_mut(at)) {
        shipment.late = late(before);
    }
    for created in state.shipments.iter_mut().skip(known) {
        created.late = late(None);
    }
    Ok(answer)
}

/// Where the shipment is that a call names.
fn named(state: &State, request: &Request) -> Option<usize> {
    let parts: Vec<&str> = request.path.split('/').skip(1).collect();
    match parts.as_slice() {
        ["shipments", _, identifier] | ["shipments", _, identifier, "cancel"] => {
            state.find(identifier)
        }
        _ => None,
    }
}

/// What a look-up is shown of a shipment, if anything.
fn shown(shipment: &Shipment, now: DateTime<Utc>) -> Option<Value> {
    match &shipment.late {
        Some(late) if now < late.until => late.shown.clone(),
        _ => (!shipment.gone).then(|| render::shipment(shipment)),
    }
}

fn answer(state: &mut State, request: &Request, now: DateTime<Utc>) -> Answered {
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let query: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect();
    let asked = |name: &str| {
        let all = query.iter().filter(|(key, _)| key == name);
        let all = all
            .flat_map(|(_, value)| value.split(','))
            .map(str::to_owned);
        all.collect::<Vec<String>>()
    };
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    match (request.method, parts.as_slice()) {
        (Method::Get, ["shipments"]) => Ok(list(state, |s| s.shipped_at.is_none())),
        (Method::Post, ["shipments"]) => {
            let made = writes::create(state, &body(request)?, now)?;
            Ok((201, render::written(&state.shipments[made])))
        }
        (Method::Post, ["shipments", "bulk"]) => {
            let made = writes::create_all(state, &body(request)?, now)?;
            let made: Vec<Value> = made
                .map(|at| render::written(&state.shipments[at]))
                .collect();
            Ok((200, json!({ "shipments": made })))
        }
        (Method::Get, ["shipments", "shipped", year, month, date]) => {
            let wanted = format!("{year}-{month}-{date}").parse::<NaiveDate>();
            let wanted = wanted.map_err(|_| Refused::not_found())?;
            Ok(list(state, |s| {
                s.shipped_at.is_some_and(|at| day(at) == wanted)
            }))
        }
        (Method::Get, ["shipments", account]) => {
            mine(state, account)?;
            let identifiers = asked("identifier");
            if identifiers.is_empty() || identifiers.len() > 100 {
                let why = json!("identifierは1件から100件まで指定できます");
                return Err(Refused::invalid(Map::from_iter([(
                    "identifier".to_owned(),
                    why,
                )])));
            }
            let asked = state.shipments.iter();
            let asked = asked.filter(|s| !state.hides && identifiers.contains(&s.identifier));
            Ok(listed(state, asked.filter_map(|s| shown(s, now))))
        }
        (Method::Get, ["shipments", account, identifier]) => {
            mine(state, account)?;
            let same = state.shipments.iter();
            let mut same = same.filter(|s| s.identifier == *identifier);
            let found = same.find_map(|s| shown(s, now));
            Ok((200, found.ok_or_else(Refused::not_found)?))
        }
        (Method::Delete, ["shipments", account, identifier]) => {
            mine(state, account)?;
            let gone = writes::delete(state, identifier)?;
            Ok((200, render::written(&state.shipments[gone])))
        }
        (Method::Post, ["shipments", account, identifier, "cancel"]) => {
            mine(state, account)?;
            let asked = writes::request_cancel(state, identifier)?;
            Ok((200, render::written(&state.shipments[asked])))
        }
        (Method::Get, ["items", account]) => {
            mine(state, account)?;
            let with_stock = asked("stock") == ["1"];
            let codes = asked("code");
            let found = codes
                .iter()
                .filter_map(|code| Some((code, state.items.get(code)?)));
            let found = found.map(|(code, item)| render::item(state, code, item, with_stock));
            Ok((200, json!({ "items": found.collect::<Vec<Value>>() })))
        }
        _ => Err(Refused::not_found()),
    }
}

fn mine(state: &State, account: &str) -> Result<(), Refused> {
    if account == state.account {
        Ok(())
    } else {
        Err(Refused::new(403, "forbidden", "Forbidden"))
    }
}

fn list(state: &State, wanted: impl Fn(&Shipment) -> bool) -> (u16, Value) {
    let there = |s: &&Shipment| !state.hides && !s.gone && wanted(s);
    let all = state.shipments.iter().filter(there);
    listed(state, all.map(render::shipment))
}

fn listed(state: &State, all: impl Iterator<Item = Value>) -> (u16, Value) {
    let mut all: Vec<Value> = all.collect();
    all.extend(state.garbles.then(|| json!("?")));
    (200, json!({ "shipments": all }))
}

fn body(request: &Request) -> Result<Value, Refused> {
    serde_json::from_slice(&request.body)
        .map_err(|_| Refused::new(422, "validation_failed", "Invalid Request"))
}
