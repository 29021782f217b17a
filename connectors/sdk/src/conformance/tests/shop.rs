//! A shop in memory that speaks JSON over HTTP.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use chrono::{DateTime, FixedOffset, Utc};
use serde_json::{Value, json};

use super::super::{HookCase, SentHook, TestSystem, Times, sample_call};
use crate::hooks::{Nudge, sign_timed};
use crate::http::{Method, Request, Response};
use crate::sim::Simulator;
use crate::{Call, Kind, Op, ShipCall, ShipmentReference};

pub(super) const PAGE: usize = 3;
/// The shop has no order for this.
const REFUSED: &str = "HK-S0";
pub(super) const SECRET: &str = "sk_memory_1";
pub(super) const HOOK_SECRET: &str = "whsec_memory_1";

#[derive(Default)]
pub(super) struct Shop(Mutex<State>);

#[derive(Default)]
struct State {
    orders: Vec<Sold>,
    shipped: Vec<String>,
    calls: usize,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Sold {
    time: u64,
    id: String,
    good: bool,
    lines: usize,
    at: Option<String>,
}

impl Shop {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn answer(status: u16, body: &Value) -> Response {
    Response {
        status,
        headers: Vec::new(),
        body: body.to_string().into_bytes(),
    }
}

impl State {
    fn page(&self, time: u64, id: &str, limit: usize) -> Value {
        let mut orders: Vec<_> = self
            .orders
            .iter()
            .filter(|o| (o.time, o.id.as_str()) > (time, id))
            .collect();
        orders.sort();
        let more = orders.len() > limit;
        let told: Vec<Value> = orders.into_iter().take(limit).map(order).collect();
        json!({ "orders": told, "more": more })
    }
}

fn order(sold: &Sold) -> Value {
    let mut value = json!({ "id": sold.id, "time": sold.time, "at": sold.at, "lines": sold.lines });
    if !sold.good {
        value["broken"] = json!(true);
    }
    if sold.at.is_none() {
        value.as_object_mut().map(|o| o.remove("at"));
    }
    value
}

impl State {
    fn sell(&mut self, time: u64, change: impl FnOnce(&mut Sold)) -> String {
        let mut sold = Sold {
            time,
            id: format!("o{:04}", self.orders.len()),
            good: true,
            lines: 1,
            at: Some("2026-11-21T00:00:00+09:00".to_owned()),
        };
        change(&mut sold);
        let id = sold.id.clone();
        self.orders.push(sold);
        id
    }

    fn latest(&self) -> u64 {
        self.orders.iter().map(|o| o.time).max().unwrap_or(10)
    }
}

impl Simulator for Shop {
    fn handle(&self, request: Request) -> Response {
        let mut state = self.state();
        let parts: Vec<&str> = request.path.split('/').skip(1).collect();
        match (request.method, parts.as_slice()) {
            (Method::Get, ["orders", "after", time, id, limit]) => answer(
                200,
                &state.page(time.parse().unwrap_or(0), id, limit.parse().unwrap_or(1)),
            ),
            (Method::Get, ["orders", id]) => match state.orders.iter().find(|o| o.id == *id) {
                Some(found) => answer(200, &json!({ "order": order(found) })),
                None => answer(404, &json!({})),
            },
            (Method::Get, ["ships", reference]) => {
                let there = state.shipped.iter().any(|r| r == reference);
                answer(200, &json!({ "there": there }))
            }
            (Method::Post, ["ships"]) => {
                let references = String::from_utf8_lossy(&request.body).into_owned();
                let ship = |reference: &str| {
                    let known = reference != REFUSED;
                    if known {
                        state.shipped.push(reference.to_owned());
                    }
                    known
                };
                let shipped: Vec<bool> = references.lines().map(ship).collect();
                answer(200, &json!({ "shipped": shipped }))
            }
            _ => answer(404, &json!({})),
        }
    }
}

#[async_trait]
impl TestSystem for Shop {
    fn page_size(&self, _stream: &str) -> usize {
        PAGE
    }

    async fn seed(&self, _stream: &str, count: usize, times: Times) -> Vec<String> {
        let mut state = self.state();
        let latest = state.latest();
        let mut ids = Vec::new();
        for n in 0..count as u64 {
            let time = match times {
                Times::Rising => latest + 1 + n,
                Times::Equal => latest,
                Times::Late => latest - 1,
            };
            ids.push(state.sell(time, |_| {}));
        }
        ids
    }

    async fn seed_bad(&self, _stream: &str) {
        let mut state = self.state();
        let time = state.latest() + 1;
        state.sell(time, |sold| sold.good = false);
    }

    async fn seed_long(&self, _stream: &str) -> BTreeMap<String, usize> {
        let mut state = self.state();
        let time = state.latest() + 1;
        let id = state.sell(time, |sold| sold.lines = 150);
        BTreeMap::from([(id, 150)])
    }

    async fn seed_partial(&self, _stream: &str) -> usize {
        let mut state = self.state();
        let time = state.latest() + 1;
        state.sell(time, |sold| sold.at = None);
        1
    }

    async fn seed_at(&self, _stream: &str, at: DateTime<Utc>) -> Option<String> {
        let mut state = self.state();
        let time = state.latest() + 1;
        let local = at.with_timezone(&FixedOffset::east_opt(9 * 3600)?);
        Some(state.sell(time, |sold| sold.at = Some(local.to_rfc3339())))
    }

    async fn tell_again(&self, _stream: &str, identity: &str) {
        let mut state = self.state();
        let time = state.latest() + 1;
        for sold in state.orders.iter_mut().filter(|o| o.id == identity) {
            sold.time = time;
        }
    }

    async fn batch(&self, op: Op) -> Call {
        sample_call(op)
    }

    async fn answer_batch(&self, _call: &Call, _refused: &ShipmentReference) -> String {
        String::new()
    }

    async fn call(&self, op: Op) -> Call {
        let mut state = self.state();
        state.calls += 1;
        match sample_call(op) {
            Call::Ship(call) => Call::Ship(ShipCall {
                reference: format!("HK-S{}", state.calls).into(),
                ..call
            }),
            other => other,
        }
    }

    async fn refused(&self, op: Op) -> Call {
        match sample_call(op) {
            Call::Ship(call) => Call::Ship(ShipCall {
                reference: REFUSED.into(),
                ..call
            }),
            other => other,
        }
    }

    async fn times_done(&self, _op: Op, call: &Call) -> usize {
        match call {
            Call::Ship(call) => self
                .state()
                .shipped
                .iter()
                .filter(|r| *r == call.reference.as_str())
                .count(),
            _ => 0,
        }
    }

    async fn hook(&self, _hook: &str, case: HookCase) -> Option<SentHook> {
        let now = DateTime::from_timestamp(1_795_000_000, 0)?;
        let (topic, id) = match case {
            HookCase::Ping => (None, None),
            HookCase::UnknownTopic => (Some("customer"), None),
            _ => (Some("order"), Some("o0001")),
        };
        let body = json!({ "topic": topic, "id": id }).to_string().into_bytes();
        let (secret, signed_at) = match case {
            HookCase::BadSignature => ("another", now),
            HookCase::Old => (HOOK_SECRET, now - chrono::Duration::hours(1)),
            _ => (HOOK_SECRET, now),
        };
        let signature = sign_timed(secret, &body, signed_at);
        let about = id.map(|id| Nudge::Read(Kind::Order, id.into()));
        Some(SentHook {
            method: Method::Post,
            rest: String::new(),
            query: String::new(),
            headers: vec![("x-signature".to_owned(), signature)],
            body,
            now,
            about: about.into_iter().collect(),
        })
    }

    fn planted(&self) -> Vec<String> {
        vec![SECRET.to_owned(), HOOK_SECRET.to_owned()]
    }

    fn debug_texts(&self) -> Vec<String> {
        Vec::new()
    }
}
