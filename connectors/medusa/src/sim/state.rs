//! What the shop knows.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use hikiate_sdk::{Currency, Party};
use serde_json::{Map, Value};

use super::late::Late;
use super::money::{self, Micro};
use super::{NewOrder, SALES_CHANNEL};

pub(super) struct State {
    pub(super) currency: Currency,
    pub(super) orders: Vec<Order>,
    pub(super) by_id: HashMap<String, usize>,
    pub(super) by_payment: HashMap<String, usize>,
    /// Time of the last change and place in `orders`.
    pub(super) by_updated: BTreeSet<(i64, usize)>,
    pub(super) inventory: Vec<Inventory>,
    pub(super) by_sku: HashMap<String, usize>,
    pub(super) locations: Vec<String>,
    /// Requests so far; makes ties come in another order each time.
    pub(super) requests: u64,
    pub(super) writes: u64,
    /// Lists are their first page until then.
    pub(super) first_page_until: i64,
    /// An order that each answer by id also holds, asked for or not.
    pub(super) also: Option<String>,
    /// Refused writes say whose order it is.
    pub(super) repeats_names: bool,
    made: u64,
    /// Orders that were placed or changed, where somebody wants to know.
    pub(super) changes: Option<Vec<String>>,
}

pub(super) struct Order {
    pub(super) id: String,
    pub(super) number: usize,
    pub(super) created: i64,
    pub(super) updated: i64,
    /// Counts what moved lines, fulfilments or amounts.
    pub(super) version: u32,
    pub(super) status: String,
    pub(super) sales_channel: String,
    pub(super) cancelled: Option<i64>,
    pub(super) lines: Vec<Line>,
    pub(super) methods: Vec<Method>,
    pub(super) rate_bp: u32,
    pub(super) email: String,
    pub(super) ship_to: Option<Party>,
    pub(super) bill_to: Option<Party>,
    pub(super) metadata: Map<String, Value>,
    pub(super) provider: String,
    pub(super) collections: Vec<Collection>,
    /// What refunds took off the price: the shop makes a credit line of each.
    pub(super) credit: Micro,
    pub(super) fulfilments: Vec<Fulfilment>,
    /// A field that it is told without, as an answer with partial fields is.
    pub(super) lacking: Option<String>,
    /// As it was shown at some time, and until when readers get that instead of what it is.
    pub(super) older: Option<(Value, i64)>,
    /// What look-ups are shown of it instead, since the last call that was made of it is shown late.
    pub(super) late: Option<Late>,
    /// Lists leave it out until then.
    pub(super) hidden_until: i64,
    /// Gone from lists and by its id.
    pub(super) deleted: bool,
}

pub(super) struct Line {
    pub(super) id: String,
    pub(super) sku: String,
    pub(super) quantity: u32,
    pub(super) price: Micro,
    pub(super) fulfilled: u32,
    /// Edited away: the shop tells it no more.
    pub(super) removed: bool,
}

/// A way of shipping.
pub(super) struct Method {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) price: Micro,
}

/// An amount to be paid, and its payment once there is one.
pub(super) struct Collection {
    pub(super) id: String,
    pub(super) amount: Micro,
    pub(super) cancelled: bool,
    pub(super) payment: Option<Payment>,
}

pub(super) struct Payment {
    pub(super) id: String,
    pub(super) amount: Micro,
    pub(super) captures: Vec<Capture>,
    pub(super) refunds: Vec<Refund>,
    pub(super) cancelled: Option<i64>,
}

pub(super) struct Capture {
    pub(super) id: String,
    pub(super) amount: Micro,
    /// By hand, not over the API.
    pub(super) by_staff: bool,
}

pub(super) struct Refund {
    pub(super) id: String,
    pub(super) amount: Micro,
    pub(super) note: Option<String>,
    pub(super) at: i64,
}

pub(super) struct Fulfilment {
    pub(super) id: String,
    pub(super) metadata: Value,
    pub(super) location: Option<String>,
    /// Place in the order's lines, quantity.
    pub(super) items: Vec<(usize, u32)>,
    pub(super) shipped: Option<i64>,
    pub(super) cancelled: Option<i64>,
    pub(super) labels: Vec<String>,
}

pub(super) struct Inventory {
    pub(super) id: String,
    pub(super) sku: String,
    /// `None` cannot be read.
    pub(super) levels: BTreeMap<String, Option<i64>>,
    /// Told without its quantities.
    pub(super) partial: bool,
}

impl Payment {
    pub(super) fn captured(&self) -> Micro {
        self.captures.iter().map(|capture| capture.amount).sum()
    }

    pub(super) fn refunded(&self) -> Micro {
        self.refunds.iter().map(|refund| refund.amount).sum()
    }
}

impl Order {
    /// With tax, before refunds.
    pub(super) fn price(&self) -> Micro {
        let goods: Micro = self.lines.iter().map(|line| line.total(self.rate_bp)).sum();
        let ways = self.methods.iter();
        goods
            + ways
                .map(|way| money::taxed(way.price, self.rate_bp))
                .sum::<Micro>()
    }

    pub(super) fn payments(&self) -> impl DoubleEndedIterator<Item = &Payment> {
        self.collections.iter().filter_map(|c| c.payment.as_ref())
    }

    pub(super) fn payments_mut(&mut self) -> impl Iterator<Item = &mut Payment> {
        self.collections
            .iter_mut()
            .filter_map(|c| c.payment.as_mut())
    }

    /// Captured and not given back.
    pub(super) fn kept(&self) -> Micro {
        self.payments().map(|p| p.captured() - p.refunded()).sum()
    }
}

impl Line {
    pub(super) fn total(&self, rate_bp: u32) -> Micro {
        money::taxed(self.price * Micro::from(self.quantity), rate_bp)
    }
}

impl State {
    pub(super) fn new(currency: Currency) -> Self {
        Self {
            currency,
            orders: Vec::new(),
            by_id: HashMap::new(),
            by_payment: HashMap::new(),
            by_updated: BTreeSet::new(),
            inventory: Vec::new(),
            by_sku: HashMap::new(),
            locations: Vec::new(),
            requests: 0,
            writes: 0,
            first_page_until: i64::MIN,
            also: None,
            repeats_names: false,
            made: 0,
            changes: None,
        }
    }

    /// A new id; ids of a kind sort by age.
    pub(super) fn id(&mut self, kind: &str) -> String {
        self.made += 1;
        format!("{kind}_01SIM{:012}", self.made)
    }

    pub(super) fn add_sku(&mut self, sku: &str, location: &str, stocked: i64) -> String {
        let at = self.sku(sku, location);
        let level = self.inventory[at]
            .levels
            .entry(location.to_owned())
            .or_insert(Some(0));
        *level = Some(level.unwrap_or(0) + stocked);
        self.inventory[at].id.clone()
    }

    pub(super) fn add_unreadable_sku(&mut self, sku: &str, location: &str) {
        let at = self.sku(sku, location);
        self.inventory[at].levels.insert(location.to_owned(), None);
    }

    pub(super) fn add_partial_sku(&mut self, sku: &str, location: &str) {
        let at = self.sku(sku, location);
        self.inventory[at].partial = true;
        self.inventory[at]
            .levels
            .insert(location.to_owned(), Some(1));
    }

    fn sku(&mut self, sku: &str, location: &str) -> usize {
        if !self.locations.iter().any(|known| known == location) {
            self.locations.push(location.to_owned());
        }
        if let Some(at) = self.by_sku.get(sku) {
            return *at;
        }
        let id = self.id("iitem");
        self.inventory.push(Inventory {
            id,
            sku: sku.to_owned(),
            levels: BTreeMap::new(),
            partial: false,
        });
        self.by_sku.insert(sku.to_owned(), self.inventory.len() - 1);
        self.inventory.len() - 1
    }

    /// Puts goods on a shelf or takes them off; may go below zero on backorder.
    pub(super) fn shelve(&mut self, sku: &str, location: Option<&str>, by: i64) {
        let Some(item) = self
            .by_sku
            .get(sku)
            .and_then(|at| self.inventory.get_mut(*at))
        else {
            return;
        };
        let level = match location {
            Some(location) => item.levels.get_mut(location),
            None => item.levels.values_mut().next(),
        };
        if let Some(Some(stocked)) = level {
            *stocked += by;
        }
    }

    pub(super) fn place(&mut self, new: NewOrder, now: i64, lacking: Option<String>) -> String {
        let id = self.id("order");
        let mut lines = Vec::with_capacity(new.lines.len());
        for (sku, quantity, price) in new.lines {
            let price = money::read(&price).unwrap_or(0);
            lines.push(Line {
                id: self.id("ordli"),
                sku,
                quantity,
                price,
                fulfilled: 0,
                removed: false,
            });
        }
        let rate_bp = money::read(&new.tax_percent)
            .and_then(|micro| u32::try_from(micro / 10_000).ok())
            .unwrap_or(0);
        let mut order = Order {
            id: id.clone(),
            number: self.orders.len() + 1,
            created: now,
            updated: now,
            version: 1,
            status: "pending".to_owned(),
            sales_channel: SALES_CHANNEL.to_owned(),
            cancelled: None,
            lines,
            methods: vec![Method {
                id: id.replacen("order", "ordsm", 1),
                name: "Standard".to_owned(),
                price: money::read(&new.shipping).unwrap_or(0),
            }],
            rate_bp,
            email: new.email,
            ship_to: new.address.clone(),
            bill_to: new.address,
            metadata: Map::new(),
            provider: new.provider_id,
            collections: Vec::new(),
            credit: 0,
            fulfilments: Vec::new(),
            lacking,
            older: None,
            late: None,
            hidden_until: i64::MIN,
            deleted: false,
        };
        if !new.remarks.is_empty() {
            order
                .metadata
                .insert("remarks".to_owned(), Value::String(new.remarks));
        }
        let at = self.orders.len();
        let amount = order.price();
        if amount > 0 {
            order.collections.push(Collection {
                id: id.replacen("order", "pay_col", 1),
                amount,
                cancelled: false,
                payment: new.authorised.then(|| self.payment(at, amount)),
            });
        }
        self.by_id.insert(id.clone(), at);
        self.by_updated.insert((now, at));
        self.orders.push(order);
        self.note(&id);
        id
    }

    fn note(&mut self, id: &str) {
        if let Some(changes) = &mut self.changes {
            changes.push(id.to_owned());
        }
    }

    /// A payment that was authorised for the order at this place.
    pub(super) fn payment(&mut self, at: usize, amount: Micro) -> Payment {
        let id = self.id("pay");
        self.by_payment.insert(id.clone(), at);
        Payment {
            id,
            amount,
            captures: Vec::new(),
            refunds: Vec::new(),
            cancelled: None,
        }
    }

    /// An order that was not deleted.
    pub(super) fn order(&self, id: &str) -> Option<&Order> {
        let order = self.by_id.get(id).and_then(|at| self.orders.get(*at));
        order.filter(|order| !order.deleted)
    }

    /// An order that was not deleted.
    pub(super) fn order_mut(&mut self, id: &str) -> Option<&mut Order> {
        let order = self.by_id.get(id).and_then(|at| self.orders.get_mut(*at));
        order.filter(|order| !order.deleted)
    }

    /// Counts a change and moves the time of the last one.
    pub(super) fn changed(&mut self, id: &str, now: i64) {
        if let Some(order) = self.order_mut(id) {
            order.version += 1;
        }
        self.touch(id, now);
    }

    /// Moves the time of the last change; never back.
    pub(super) fn touch(&mut self, id: &str, now: i64) {
        let Some(at) = self.by_id.get(id).copied() else {
            return;
        };
        let Some(order) = self.orders.get_mut(at) else {
            return;
        };
        let before = order.updated;
        order.updated = before.max(now);
        let after = order.updated;
        self.by_updated.remove(&(before, at));
        self.by_updated.insert((after, at));
        self.note(id);
    }
}
