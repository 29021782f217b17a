//! What the shop itself can do to a call: it shows it late, or a plug-in swallows it.

use hikiate_sdk::faulty::{Fault, SHOWN_AFTER};
use hikiate_sdk::http::{Method, Request};
use serde_json::Value;

use super::render;
use super::route::Query;
use super::state::{Order, State};
use crate::client::API;
use crate::map::NOTE;

/// Digits of the amounts of what is kept: as many as there are.
const DIGITS: u32 = 6;

/// An order as it was before a call, for look-ups of it and of its lists.
pub(super) struct Late {
    /// From then on there is nothing late about it.
    until: i64,
    pub(super) order: Value,
    pub(super) fulfilments: Vec<Value>,
    pub(super) notes: Vec<Value>,
    pub(super) refunds: Vec<Value>,
}

impl Late {
    pub(super) fn of(state: &State, order: &Order, now: i64) -> Self {
        Self {
            until: now + SHOWN_AFTER.as_secs().cast_signed(),
            order: render::order(state, order, DIGITS),
            fulfilments: fulfilments(order),
            notes: notes(order),
            refunds: refunds(order, DIGITS),
        }
    }
}

/// Those that stand.
pub(super) fn fulfilments(order: &Order) -> Vec<Value> {
    let stand = order.fulfilments.iter().filter(|f| f.deleted.is_none());
    stand.map(|f| render::fulfilment(order, f)).collect()
}

/// The newest is first.
pub(super) fn notes(order: &Order) -> Vec<Value> {
    order.notes.iter().rev().map(render::note).collect()
}

/// The newest is first.
pub(super) fn refunds(order: &Order, dp: u32) -> Vec<Value> {
    let refunds = order.refunds.iter().rev();
    refunds
        .map(|refund| render::refund(refund, order.rate_bp, dp))
        .collect()
}

/// What a look-up is shown of an order, where that is not what there is. Only look-ups have a parameter that no cache knows: what
/// pages are made of is not late, [`WooSim::hide_from_lists`](super::WooSim::hide_from_lists) is for them.
pub(super) fn seen<'s>(order: &'s Order, query: &Query, now: i64) -> Option<&'s Late> {
    query.one("_")?;
    order.late.as_ref().filter(|late| now < late.until)
}

/// Whether the shop can be asked for a fault of a request, for a faulty transport. Every call about an order may be swallowed. A note
/// of holds is not shown late: its operation declares no time in which it would have to be shown.
#[must_use]
pub fn can(fault: Fault, request: &Request) -> bool {
    let path = request.path.split('?').next().unwrap_or_default();
    let path = path.strip_prefix(API).unwrap_or_default();
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    match (request.method, parts.as_slice()) {
        (Method::Put, ["orders", _]) => fault == Fault::Swallowed || !shows_holds(request),
        (Method::Post, ["orders", _, "fulfillments" | "notes" | "refunds"]) => true,
        _ => false,
    }
}

fn shows_holds(request: &Request) -> bool {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let mut metas = body["meta_data"].as_array().into_iter().flatten();
    metas.any(|meta| meta["key"] == NOTE)
}
