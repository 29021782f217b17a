//! What the shop remembers, for tests and for the demo's last line; asked past the API.

use serde_json::{Map, Value};

use super::MedusaSim;
use super::money::{self, Micro};
use super::state::{Order, Payment, State};
use crate::map::{NOTE, REFERENCE};

/// An order as the shop remembers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderMemory {
    /// Id.
    pub id: String,
    /// The shop's word: `pending`, `completed`, `archived`, `canceled`.
    pub status: String,
    /// True once cancelled, whatever the status says since.
    pub cancelled: bool,
    /// True while it is deleted.
    pub deleted: bool,
    /// True for an order that no connector can decode.
    pub undecodable: bool,
    /// Its price with tax before refunds, minor units.
    pub total: i64,
    /// What refunds and a cancel took off that price, minor units.
    pub credit: i64,
    /// The id of the payment that stands, else of the last one, where there is one.
    pub payment: Option<String>,
    /// Captured in all, minor units.
    pub captured: i64,
    /// How many captures, by staff too.
    pub captures: usize,
    /// How many of them staff made by hand.
    pub captures_by_staff: usize,
    /// What these captured, minor units.
    pub captured_by_staff: i64,
    /// Captures over the API after the first of the same payment.
    pub recaptures: usize,
    /// Given back in all, minor units.
    pub refunded: i64,
    /// Its refunds: minor units, and what their maker wrote.
    pub refunds: Vec<(i64, String)>,
    /// Line id, SKU, ordered, fulfilled; a line that was edited away stays with nothing ordered.
    pub lines: Vec<(String, String, u32, u32)>,
    /// Fulfilments in the order they were made.
    pub fulfilments: Vec<FulfilmentMemory>,
    /// Its metadata.
    pub metadata: Map<String, Value>,
}

impl OrderMemory {
    /// What its staff are shown of holds.
    #[must_use]
    pub fn note(&self) -> Option<&str> {
        self.metadata.get(NOTE).and_then(Value::as_str)
    }
}

/// A fulfilment as the shop remembers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FulfilmentMemory {
    /// Id.
    pub id: String,
    /// Our reference, when it carries one.
    pub reference: Option<String>,
    /// The stock location, when one was named.
    pub location: Option<String>,
    /// SKU and quantity.
    pub lines: Vec<(String, u32)>,
    /// True once marked as shipped; the shop takes that once.
    pub shipped: bool,
    /// True once cancelled.
    pub cancelled: bool,
    /// Tracking numbers.
    pub tracking: Vec<String>,
}

impl OrderMemory {
    /// Everything fulfilled and every fulfilment that stands shipped.
    #[must_use]
    pub fn is_shipped(&self) -> bool {
        let mut stand = self.fulfilments.iter().filter(|f| !f.cancelled).peekable();
        self.lines
            .iter()
            .all(|(_, _, ordered, fulfilled)| ordered == fulfilled)
            && stand.peek().is_some()
            && stand.all(|f| f.shipped)
    }

    /// How many fulfilments carry a reference.
    #[must_use]
    pub fn fulfilled_as(&self, reference: &str) -> usize {
        self.fulfilments
            .iter()
            .filter(|f| f.reference.as_deref() == Some(reference))
            .count()
    }

    /// Calls of ours that took effect more than once: captures of a payment after the first, fulfilments of a reference after the first.
    #[must_use]
    pub fn repeated(&self) -> usize {
        let mut references: Vec<&str> = self
            .fulfilments
            .iter()
            .filter_map(|f| f.reference.as_deref())
            .collect();
        let all = references.len();
        references.sort_unstable();
        references.dedup();
        self.recaptures + (all - references.len())
    }
}

impl MedusaSim {
    /// All orders in the order they were placed.
    #[must_use]
    pub fn orders(&self) -> Vec<OrderMemory> {
        let state = self.state();
        state
            .orders
            .iter()
            .map(|order| memory(&state, order))
            .collect()
    }

    /// One order.
    #[must_use]
    pub fn order(&self, id: &str) -> Option<OrderMemory> {
        let state = self.state();
        let order = state.by_id.get(id).and_then(|at| state.orders.get(*at));
        order.map(|order| memory(&state, order))
    }

    /// Captured over all orders, minor units.
    #[must_use]
    pub fn captured_total(&self) -> i64 {
        self.orders().iter().map(|order| order.captured).sum()
    }

    /// What is on the shelf of a location.
    #[must_use]
    pub fn stocked(&self, sku: &str, location_id: &str) -> Option<i64> {
        let state = self.state();
        let at = state.by_sku.get(sku)?;
        state
            .inventory
            .get(*at)?
            .levels
            .get(location_id)
            .copied()
            .flatten()
    }

    /// Requests answered with the right key so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.state().requests
    }

    /// Requests that ask for a change, refused ones included.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.state().writes
    }
}

fn recaptures(payment: &Payment) -> usize {
    let ours = payment.captures.iter().filter(|c| !c.by_staff).count();
    ours.saturating_sub(1)
}

fn memory(state: &State, order: &Order) -> OrderMemory {
    let minor = |amount| money::minor(amount, state.currency);
    let stands = order.payments().rfind(|p| p.cancelled.is_none());
    let by_staff = || {
        let captures = order.payments().flat_map(|payment| &payment.captures);
        captures.filter(|capture| capture.by_staff)
    };
    let sum = |of: fn(&Payment) -> Micro| minor(order.payments().map(of).sum());
    OrderMemory {
        id: order.id.clone(),
        status: order.status.clone(),
        cancelled: order.cancelled.is_some(),
        deleted: order.deleted,
        undecodable: order.lacking.is_some(),
        total: minor(order.price()),
        credit: minor(order.credit),
        payment: stands.or(order.payments().last()).map(|p| p.id.clone()),
        captured: sum(Payment::captured),
        captures: order.payments().map(|p| p.captures.len()).sum(),
        captures_by_staff: by_staff().count(),
        captured_by_staff: minor(by_staff().map(|capture| capture.amount).sum()),
        recaptures: order.payments().map(recaptures).sum(),
        refunded: sum(Payment::refunded),
        refunds: order
            .payments()
            .flat_map(|payment| &payment.refunds)
            .map(|refund| {
                (
                    minor(refund.amount),
                    refund.note.clone().unwrap_or_default(),
                )
            })
            .collect(),
        lines: order
            .lines
            .iter()
            .map(|l| (l.id.clone(), l.sku.clone(), l.quantity, l.fulfilled))
            .collect(),
        metadata: order.metadata.clone(),
        fulfilments: order
            .fulfilments
            .iter()
            .map(|f| FulfilmentMemory {
                id: f.id.clone(),
                reference: f
                    .metadata
                    .get(REFERENCE)
                    .and_then(Value::as_str)
                    .map(str::to_owned),
                location: f.location.clone(),
                lines: f
                    .items
                    .iter()
                    .filter_map(|(at, n)| order.lines.get(*at).map(|l| (l.sku.clone(), *n)))
                    .collect(),
                shipped: f.shipped.is_some(),
                cancelled: f.cancelled.is_some(),
                tracking: f.labels.clone(),
            })
            .collect(),
    }
}
