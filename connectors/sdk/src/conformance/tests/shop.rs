//! A shop in memory that speaks JSON over HTTP.

use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use serde_json::{Value, json};

use super::super::{FarSide, Times, sample_call};
use crate::http::{Method, Request, Response};
use crate::sim::Simulator;
use crate::{Call, Op, ShipCall};

pub(super) const PAGE: usize = 3;
pub(super) const SECRET: &str = "sk_memory_1";

#[derive(Default)]
pub(super) struct Shop(Mutex<State>);

#[derive(Default)]
struct State {
    /// Time of change, id, whether it can be understood.
    orders: Vec<(u64, String, bool)>,
    shipped: Vec<String>,
    calls: usize,
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
            .filter(|(t, i, _)| (*t, i.as_str()) > (time, id))
            .collect();
        orders.sort();
        let more = orders.len() > limit;
        let told: Vec<Value> = orders.into_iter().take(limit).map(order).collect();
        json!({ "orders": told, "more": more })
    }
}

fn order((time, id, good): &(u64, String, bool)) -> Value {
    if *good {
        json!({ "id": id, "time": time })
    } else {
        json!({ "id": id, "time": time, "broken": true })
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
            (Method::Get, ["orders", id]) => match state.orders.iter().find(|o| o.1 == *id) {
                Some(found) => answer(200, &json!({ "order": order(found) })),
                None => answer(404, &json!({})),
            },
            (Method::Get, ["ships", reference]) => {
                let there = state.shipped.iter().any(|r| r == reference);
                answer(200, &json!({ "there": there }))
            }
            (Method::Post, ["ships"]) => {
                let reference = String::from_utf8_lossy(&request.body).into_owned();
                state.shipped.push(reference);
                answer(200, &json!({ "shipped": state.shipped.len() }))
            }
            _ => answer(404, &json!({})),
        }
    }
}

#[async_trait]
impl FarSide for Shop {
    fn page_size(&self, _stream: &str) -> usize {
        PAGE
    }

    async fn seed(&self, _stream: &str, count: usize, times: Times) -> Vec<String> {
        let mut state = self.state();
        let mut ids = Vec::new();
        for _ in 0..count {
            let n = state.orders.len();
            let id = format!("o{n:04}");
            let time = if times == Times::Equal {
                1
            } else {
                n as u64 + 1
            };
            state.orders.push((time, id.clone(), true));
            ids.push(id);
        }
        ids
    }

    async fn seed_bad(&self, _stream: &str) {
        let mut state = self.state();
        let n = state.orders.len();
        state.orders.push((n as u64 + 1, format!("o{n:04}"), false));
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

    fn planted(&self) -> Vec<String> {
        vec![SECRET.to_owned()]
    }

    fn debug_texts(&self) -> Vec<String> {
        Vec::new()
    }
}
