//! What OPENLOGI knows.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Asia::Tokyo;
use serde_json::Value;

use super::{STANDARD, SimShipment};

pub(super) struct State {
    pub(super) account: String,
    pub(super) shipments: Vec<Shipment>,
    pub(super) items: BTreeMap<String, Item>,
    pub(super) maintenance: bool,
    pub(super) pays: bool,
    /// Every list is answered empty.
    pub(super) hides: bool,
    /// Every list has an entry that is no shipment.
    pub(super) garbles: bool,
    /// Refusals say whom a shipment is for.
    pub(super) repeats_names: bool,
    /// Calls a minute.
    pub(super) limit: Option<u32>,
    /// When the running minute began, and the calls in it.
    pub(super) minute: Option<(DateTime<Utc>, u32)>,
    pub(super) calls: u64,
    pub(super) throttled: u64,
}

pub(super) struct Item {
    pub(super) n: usize,
    /// On the shelf, by warehouse.
    pub(super) stock: BTreeMap<String, i64>,
    /// A field that it is told without.
    pub(super) lacking: Option<String>,
}

pub(super) struct Shipment {
    pub(super) id: String,
    pub(super) identifier: String,
    pub(super) status: String,
    pub(super) items: BTreeMap<String, u32>,
    pub(super) warehouse: String,
    /// As it was asked for, with names cut.
    pub(super) body: Value,
    pub(super) planned: NaiveDate,
    pub(super) shipped_at: Option<DateTime<Utc>>,
    pub(super) tracking: Vec<String>,
    pub(super) gone: bool,
    pub(super) is_return: bool,
    pub(super) cancel_requests: usize,
    /// What it was before its cancellation was requested.
    pub(super) before: Option<String>,
    /// A field that it is told without.
    pub(super) lacking: Option<String>,
    /// What look-ups are shown of it instead, since the last call that was made of it is shown late.
    pub(super) late: Option<Late>,
}

/// A shipment as it was before a call.
pub(super) struct Late {
    /// From then on there is nothing late about it.
    pub(super) until: DateTime<Utc>,
    /// `None` before it was created.
    pub(super) shown: Option<Value>,
}

impl Shipment {
    pub(super) fn seen(&self) -> SimShipment {
        SimShipment {
            id: self.id.clone(),
            identifier: self.identifier.clone(),
            status: self.status.clone(),
            items: self.items.clone(),
            warehouse: self.warehouse.clone(),
            body: self.body.clone(),
            shipped_at: self.shipped_at,
            tracking: self.tracking.clone(),
            gone: self.gone,
            is_return: self.is_return,
            cancel_requests: self.cancel_requests,
        }
    }

    /// Its goods are set aside: it has them, and they have not left.
    fn holds_goods(&self) -> bool {
        !self.gone && self.shipped_at.is_none() && self.status != "backordered"
    }
}

/// The day in Japan.
pub(super) fn day(at: DateTime<Utc>) -> NaiveDate {
    at.with_timezone(&Tokyo).date_naive()
}

impl State {
    pub(super) fn new(account: &str) -> Self {
        Self {
            account: account.to_owned(),
            shipments: Vec::new(),
            items: BTreeMap::new(),
            maintenance: false,
            pays: true,
            hides: false,
            garbles: false,
            repeats_names: false,
            limit: None,
            minute: None,
            calls: 0,
            throttled: 0,
        }
    }

    pub(super) fn next_id(&self) -> String {
        format!("{}-S{:06}", self.account, self.shipments.len() + 1)
    }

    /// The newest shipment under an identifier; one that is gone only where there is no other.
    pub(super) fn find(&self, identifier: &str) -> Option<usize> {
        let is = |s: &Shipment| s.identifier == identifier && !s.is_return;
        let live = |s: &Shipment| is(s) && !s.gone;
        let at = self.shipments.iter().rposition(live);
        at.or_else(|| self.shipments.iter().rposition(is))
    }

    /// A shipment that is there.
    pub(super) fn live_mut(&mut self, identifier: &str) -> Option<&mut Shipment> {
        let at = self.find(identifier)?;
        self.shipments.get_mut(at).filter(|s| !s.gone)
    }

    pub(super) fn item(&mut self, code: &str) -> &mut Item {
        let n = self.items.len() + 1;
        self.items.entry(code.to_owned()).or_insert_with(|| Item {
            n,
            stock: BTreeMap::new(),
            lacking: None,
        })
    }

    pub(super) fn on_shelf(&self, code: &str, warehouse: &str) -> i64 {
        let item = self.items.get(code);
        item.and_then(|item| item.stock.get(warehouse))
            .copied()
            .unwrap_or_default()
    }

    /// What is set aside for shipments.
    pub(super) fn set_aside(&self, code: &str, warehouse: &str) -> i64 {
        let here = self
            .shipments
            .iter()
            .filter(|s| s.holds_goods() && s.warehouse == warehouse);
        here.filter_map(|s| s.items.get(code))
            .map(|n| i64::from(*n))
            .sum()
    }

    pub(super) fn waited_for(&self, code: &str, warehouse: &str) -> i64 {
        let waits =
            |s: &&Shipment| !s.gone && s.status == "backordered" && s.warehouse == warehouse;
        let waiting = self.shipments.iter().filter(waits);
        waiting
            .filter_map(|s| s.items.get(code))
            .map(|n| i64::from(*n))
            .sum()
    }

    /// Whether all of it can be shipped from there.
    pub(super) fn has(&self, items: &BTreeMap<String, u32>, warehouse: &str) -> bool {
        items.iter().all(|(code, n)| {
            self.on_shelf(code, warehouse) - self.set_aside(code, warehouse) >= i64::from(*n)
        })
    }

    /// Shipments that waited for stock get what there is, the oldest first.
    pub(super) fn allocate(&mut self) {
        for at in 0..self.shipments.len() {
            let Some(shipment) = self.shipments.get(at) else {
                continue;
            };
            let waits = shipment.status == "backordered" && !shipment.gone;
            if waits && self.has(&shipment.items, &shipment.warehouse) {
                self.shipments[at].status = "waiting".to_owned();
            }
        }
    }
}

/// The warehouse that a request names.
pub(super) fn warehouse(body: &Value) -> String {
    body["warehouse"].as_str().unwrap_or(STANDARD).to_owned()
}
