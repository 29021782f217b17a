//! What the shop remembers, for tests and for the demo's last line; asked past the API.

use std::collections::BTreeMap;

use serde_json::Value;

use super::WooSim;
use super::money;
use super::state::{Fulfilment, Order, Refund, State};
use crate::map::{NOTE, REFERENCE, REFUND, SHIPPED};

/// An order as the shop remembers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderMemory {
    /// Id.
    pub id: String,
    /// The shop's word; `trash` while it is in the bin.
    pub status: String,
    /// True once it is gone for good.
    pub deleted: bool,
    /// True for an order that no connector can decode.
    pub undecodable: bool,
    /// Its price with tax, minor units; refunds do not lower it.
    pub total: i64,
    /// The shop takes it for paid.
    pub paid: bool,
    /// Recorded as given back in all, minor units.
    pub refunded: i64,
    /// Refunds in the order they were made.
    pub refunds: Vec<RefundMemory>,
    /// Line id, SKU, ordered; a line that was removed is absent.
    pub lines: Vec<(String, String, u32)>,
    /// Fulfilments in the order they were made.
    pub fulfilments: Vec<FulfilmentMemory>,
    /// Those made under a reference of ours while another one stood under it. One that staff deleted and we made again is none: the
    /// shop shows nothing of what is deleted.
    pub fulfilled_again: usize,
    /// Notes in the order they were made, and whether the customer was mailed each.
    pub notes: Vec<(String, bool)>,
    /// Its metadata.
    pub meta: BTreeMap<String, Value>,
}

/// A refund as the shop remembers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundMemory {
    /// Id.
    pub id: String,
    /// Our key, when it carries one.
    pub key: Option<String>,
    /// Minor units.
    pub amount: i64,
    /// Line id and units.
    pub lines: Vec<(String, u32)>,
    /// Net and tax of its lines, minor units.
    pub shares: Vec<(i64, i64)>,
    /// What the shop shows the buyer as its reason.
    pub reason: String,
    /// The gateway was told to pay it back.
    pub moved_money: bool,
    /// Its goods went back into the shop's stock.
    pub restocked: bool,
}

/// A fulfilment as the shop remembers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FulfilmentMemory {
    /// Id.
    pub id: String,
    /// Our reference, when it carries one.
    pub reference: Option<String>,
    /// Line id and quantity.
    pub lines: Vec<(String, u32)>,
    /// True while it is fulfilled, and not only packed.
    pub shipped: bool,
    /// True once deleted.
    pub deleted: bool,
    /// Tracking numbers as they are written, in one text.
    pub tracking: String,
    /// The carrier's name.
    pub carrier: String,
    /// The customer was mailed.
    pub notified: bool,
}

impl OrderMemory {
    /// What its staff are shown of holds.
    #[must_use]
    pub fn note(&self) -> Option<&str> {
        let note = self.meta.get(NOTE)?.as_str()?;
        Some(note).filter(|note| !note.is_empty())
    }

    /// How many fulfilments or notes report a shipment of ours.
    #[must_use]
    pub fn reported_as(&self, reference: &str) -> usize {
        let named = |f: &&FulfilmentMemory| f.reference.as_deref() == Some(reference);
        let noted = format!("[{reference}]");
        let notes = self.notes.iter().filter(|(text, _)| text.contains(&noted));
        self.fulfilments.iter().filter(named).count() + notes.count()
    }

    /// How many refunds carry a key of ours.
    #[must_use]
    pub fn refunded_as(&self, key: &str) -> usize {
        let named = |refund: &&RefundMemory| refund.key.as_deref() == Some(key);
        self.refunds.iter().filter(named).count()
    }

    /// Units of a line that fulfilments which stand, or shipments of ours in the metadata, show as shipped.
    #[must_use]
    pub fn shipped_of(&self, line: &str) -> u32 {
        let stand = self.fulfilments.iter().filter(|f| f.shipped && !f.deleted);
        let units = stand.flat_map(|f| &f.lines).filter(|(of, _)| of == line);
        let noted = self.meta.iter().filter(|(key, _)| key.starts_with(SHIPPED));
        let noted = noted
            .filter_map(|(_, value)| serde_json::from_str(value.as_str()?).ok())
            .flat_map(|shipped: crate::map::Shipped| shipped.lines)
            .filter(|of| of.line.as_str() == line);
        units.map(|(_, n)| n).sum::<u32>() + noted.map(|of| of.quantity).sum::<u32>()
    }

    /// Calls of ours that took effect more than once.
    #[must_use]
    pub fn repeated(&self) -> usize {
        let notes = self.notes.iter().filter_map(|(text, _)| {
            let (_, name) = text.rsplit_once('[')?;
            name.strip_suffix(']').map(str::to_owned)
        });
        let refunds = self.refunds.iter().filter_map(|refund| refund.key.clone());
        let mut all: Vec<String> = notes.chain(refunds).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        self.fulfilled_again + count - all.len()
    }
}

impl WooSim {
    /// All orders in the order they were placed.
    #[must_use]
    pub fn orders(&self) -> Vec<OrderMemory> {
        let state = self.state();
        let orders = state.orders.iter();
        orders.map(|order| memory(&state, order)).collect()
    }

    /// One order.
    #[must_use]
    pub fn order(&self, id: &str) -> Option<OrderMemory> {
        let state = self.state();
        let at = state.by_id.get(&id.parse().ok()?)?;
        state.orders.get(*at).map(|order| memory(&state, order))
    }

    /// What the shop has of a SKU, where it manages its stock.
    #[must_use]
    pub fn stocked(&self, sku: &str) -> Option<i64> {
        let state = self.state();
        let mut products = state.products.iter();
        products.find(|product| product.sku == sku)?.stock
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

fn memory(state: &State, order: &Order) -> OrderMemory {
    let minor = |amount| money::minor(amount, state.currency);
    let meta = order.meta.iter();
    OrderMemory {
        id: order.id.to_string(),
        status: order.status.clone(),
        deleted: order.deleted,
        undecodable: order.lacking.is_some(),
        total: minor(order.total(state.currency)),
        paid: order.paid.is_some(),
        refunded: minor(order.refunded()),
        refunds: order.refunds.iter().map(|of| refund(of, minor)).collect(),
        lines: order
            .lines
            .iter()
            .map(|line| (line.id.to_string(), line.sku.clone(), line.quantity))
            .collect(),
        fulfilments: order.fulfilments.iter().map(fulfilment).collect(),
        fulfilled_again: order.fulfilled_again,
        notes: order
            .notes
            .iter()
            .map(|note| (note.text.clone(), note.to_customer))
            .collect(),
        meta: meta.map(|of| (of.key.clone(), of.value.clone())).collect(),
    }
}

fn refund(refund: &Refund, minor: impl Fn(i128) -> i64) -> RefundMemory {
    let key = refund.meta.iter().find(|meta| meta.key == REFUND);
    let lines = refund.lines.iter();
    RefundMemory {
        id: refund.id.to_string(),
        key: key.and_then(|meta| meta.value.as_str()).map(str::to_owned),
        amount: minor(refund.amount),
        lines: lines
            .clone()
            .map(|(_, line, quantity, _, _)| (line.to_string(), *quantity))
            .collect(),
        shares: lines
            .map(|(_, _, _, net, tax)| (minor(*net), minor(*tax)))
            .collect(),
        reason: refund.reason.clone(),
        moved_money: refund.moved_money,
        restocked: refund.restocked,
    }
}

fn fulfilment(of: &Fulfilment) -> FulfilmentMemory {
    let text = |key: &str| {
        let text = of.meta(key).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    let items = of.meta("_items").and_then(Value::as_array);
    let lines = items.into_iter().flatten().filter_map(|item| {
        let quantity = u32::try_from(item.get("qty")?.as_u64()?).ok()?;
        Some((item.get("item_id")?.as_u64()?.to_string(), quantity))
    });
    FulfilmentMemory {
        id: of.id.to_string(),
        reference: of
            .meta(REFERENCE)
            .and_then(Value::as_str)
            .map(str::to_owned),
        lines: lines.collect(),
        shipped: of.fulfilled,
        deleted: of.deleted.is_some(),
        tracking: text("_tracking_number"),
        carrier: text("_provider_name"),
        notified: of.notified,
    }
}
