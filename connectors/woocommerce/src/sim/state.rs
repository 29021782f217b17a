//! What the shop knows.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use hikiate_sdk::{Currency, Party};
use serde_json::{Value, json};

use super::NewOrder;
use super::late::Late;
use super::money::{self, Micro};

/// The shop's zone, seconds ahead of GMT.
pub(super) const ZONE: i64 = 9 * 3600;

/// Statuses that a shop without plug-ins has; drafts and the bin are in no list of all orders.
const STATUSES: [&str; 8] = [
    "pending",
    "processing",
    "on-hold",
    "completed",
    "cancelled",
    "refunded",
    "failed",
    "checkout-draft",
];

pub(super) struct State {
    pub(super) currency: Currency,
    /// On orders that are made over the API: basis points, and whether prices have it in them.
    pub(super) tax: (u32, bool),
    pub(super) orders: Vec<Order>,
    pub(super) by_id: HashMap<u64, usize>,
    pub(super) products: Vec<Product>,
    /// Statuses that the shop or a plug-in of it stands for.
    pub(super) statuses: BTreeSet<String>,
    pub(super) fulfilments_offered: bool,
    pub(super) behind_proxy: bool,
    pub(super) strips_authorization: bool,
    /// Requests so far; makes ties come in another order each time.
    pub(super) requests: u64,
    pub(super) writes: u64,
    /// Lists are their first page until then.
    pub(super) first_page_until: i64,
    /// Lists of products and of variations are their first page.
    pub(super) repeats_products: bool,
    /// An order that each answer by id also holds, asked for or not.
    pub(super) also: Option<String>,
    /// A plug-in throws once a fulfilment is saved.
    pub(super) throws_after_fulfilment: bool,
    /// Nothing is answered until then.
    pub(super) down_until: i64,
    /// Orders are posts: what is written beside one does not move its time of change.
    pub(super) orders_are_posts: bool,
    /// Refused writes say whose order it is.
    pub(super) repeats_names: bool,
    made: u64,
    /// Orders that were placed or changed, where somebody wants to know.
    pub(super) changes: Option<Vec<String>>,
}

pub(super) struct Order {
    pub(super) id: u64,
    pub(super) created: i64,
    pub(super) updated: i64,
    pub(super) status: String,
    /// The status before it was put into the bin.
    pub(super) before_bin: Option<String>,
    pub(super) included: bool,
    pub(super) rate_bp: u32,
    pub(super) lines: Vec<Line>,
    pub(super) ways: Vec<Way>,
    pub(super) fees: Vec<Fee>,
    pub(super) coupons: Vec<(u64, String, Micro)>,
    pub(super) bill_to: Option<Party>,
    pub(super) ship_to: Option<Party>,
    pub(super) email: String,
    pub(super) customer_note: String,
    pub(super) method: String,
    pub(super) transaction: String,
    pub(super) paid: Option<i64>,
    pub(super) completed: Option<i64>,
    pub(super) meta: Vec<Meta>,
    pub(super) refunds: Vec<Refund>,
    pub(super) fulfilments: Vec<Fulfilment>,
    /// Fulfilments that were made under a reference of ours while another one stood under it.
    pub(super) fulfilled_again: usize,
    pub(super) notes: Vec<Note>,
    /// Its goods are off the shop's stock.
    pub(super) stock_reduced: bool,
    /// A field that it is told without.
    pub(super) lacking: Option<String>,
    /// As it was shown at some time, and until when readers get that instead of what it is.
    pub(super) older: Option<(Value, i64)>,
    /// What look-ups are shown of it instead, since the last call that was made of it is shown late.
    pub(super) late: Option<Late>,
    /// Lists of its own that cannot be told, each with the status that it is answered with.
    pub(super) broken: BTreeMap<&'static str, u16>,
    /// Lists leave it out until then.
    pub(super) hidden_until: i64,
    /// Gone for good.
    pub(super) deleted: bool,
}

pub(super) struct Line {
    pub(super) id: u64,
    pub(super) product: u64,
    pub(super) variation: u64,
    pub(super) name: String,
    /// Empty where the product was deleted.
    pub(super) sku: String,
    pub(super) quantity: u32,
    /// Of one, before discounts, as the shop's prices are.
    pub(super) price: Micro,
    pub(super) subtotal: Micro,
    pub(super) net: Micro,
    pub(super) tax: Micro,
}

/// A way of shipping.
pub(super) struct Way {
    pub(super) id: u64,
    pub(super) title: String,
    pub(super) net: Micro,
    pub(super) tax: Micro,
}

pub(super) struct Fee {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) net: Micro,
    pub(super) tax: Micro,
}

#[derive(Clone)]
pub(super) struct Meta {
    pub(super) id: u64,
    pub(super) key: String,
    pub(super) value: Value,
}

pub(super) struct Refund {
    pub(super) id: u64,
    pub(super) at: i64,
    pub(super) amount: Micro,
    pub(super) reason: String,
    pub(super) meta: Vec<Meta>,
    /// Id of its own, the order's line, quantity, net, tax.
    pub(super) lines: Vec<(u64, u64, u32, Micro, Micro)>,
    /// The gateway was told to pay it back.
    pub(super) moved_money: bool,
    pub(super) restocked: bool,
}

pub(super) struct Fulfilment {
    pub(super) id: u64,
    pub(super) fulfilled: bool,
    pub(super) updated: i64,
    pub(super) deleted: Option<i64>,
    pub(super) meta: Vec<Meta>,
    /// The customer was mailed.
    pub(super) notified: bool,
}

pub(super) struct Note {
    pub(super) id: u64,
    pub(super) at: i64,
    pub(super) text: String,
    pub(super) to_customer: bool,
}

pub(super) struct Product {
    pub(super) id: u64,
    /// The product that it is a variation of.
    pub(super) parent: Option<u64>,
    pub(super) variable: bool,
    /// Its own; see [`State::sku_of`].
    pub(super) sku: String,
    pub(super) in_bin: bool,
    pub(super) price: Micro,
    /// `None` where its stock is not managed.
    pub(super) stock: Option<i64>,
    /// Its quantity cannot be read.
    pub(super) unreadable: bool,
    /// Told without its quantity.
    pub(super) partial: bool,
    /// What of it cannot be told, itself or its variations, each with the status that it is answered with.
    pub(super) broken: BTreeMap<&'static str, u16>,
}

impl Order {
    /// As the shop adds it up and rounds it.
    pub(super) fn total(&self, currency: Currency) -> Micro {
        let lines = self.lines.iter().map(|of| of.net + of.tax);
        let ways = self.ways.iter().map(|of| of.net + of.tax);
        let fees = self.fees.iter().map(|of| of.net + of.tax);
        money::round(lines.chain(ways).chain(fees).sum(), currency)
    }

    pub(super) fn refunded(&self) -> Micro {
        self.refunds.iter().map(|refund| refund.amount).sum()
    }

    pub(super) fn in_bin(&self) -> bool {
        self.status == "trash"
    }
}

impl Line {
    /// Sets what its quantity comes to, without discounts.
    pub(super) fn reprice(&mut self, bp: u32, included: bool, currency: Currency) {
        let price = self.price * Micro::from(self.quantity);
        (self.net, self.tax) = money::split(price, bp, included, currency);
        self.subtotal = self.net;
    }
}

impl Fulfilment {
    pub(super) fn meta(&self, key: &str) -> Option<&Value> {
        let found = self.meta.iter().find(|meta| meta.key == key);
        found.map(|meta| &meta.value)
    }
}

impl State {
    pub(super) fn new(currency: Currency) -> Self {
        Self {
            currency,
            tax: (0, false),
            orders: Vec::new(),
            by_id: HashMap::new(),
            products: Vec::new(),
            statuses: STATUSES.map(str::to_owned).into(),
            fulfilments_offered: true,
            behind_proxy: false,
            strips_authorization: false,
            requests: 0,
            writes: 0,
            first_page_until: i64::MIN,
            repeats_products: false,
            also: None,
            throws_after_fulfilment: false,
            down_until: i64::MIN,
            orders_are_posts: false,
            repeats_names: false,
            made: 100,
            changes: None,
        }
    }

    /// A new id: one count for everything, as WordPress has it.
    pub(super) fn id(&mut self) -> u64 {
        self.made += 1;
        self.made
    }

    pub(super) fn meta_of(&mut self, key: &str, value: Value) -> Meta {
        Meta {
            id: self.id(),
            key: key.to_owned(),
            value,
        }
    }

    pub(super) fn add_product(&mut self, sku: &str, stock: Option<i64>) -> u64 {
        if let Some(known) = self.products.iter_mut().find(|p| p.sku == sku) {
            known.stock = match (known.stock, stock) {
                (Some(had), Some(more)) => Some(had + more),
                (had, more) => more.or(had),
            };
            return known.id;
        }
        self.new_product(sku, None, stock)
    }

    /// A product, or a variation of one.
    pub(super) fn new_product(
        &mut self,
        sku: &str,
        parent: Option<u64>,
        stock: Option<i64>,
    ) -> u64 {
        let id = self.id();
        self.products.push(Product {
            id,
            parent,
            variable: false,
            sku: sku.to_owned(),
            in_bin: false,
            price: 0,
            stock,
            unreadable: false,
            partial: false,
            broken: BTreeMap::new(),
        });
        id
    }

    pub(super) fn add_variable(&mut self, sku: &str, variations: &[(&str, i64)]) -> u64 {
        let product = self.add_product(sku, None);
        if let Some(known) = self.products.iter_mut().find(|p| p.id == product) {
            known.variable = true;
        }
        for (sku, stock) in variations {
            let id = self.add_product(sku, Some(*stock));
            if let Some(known) = self.products.iter_mut().find(|p| p.id == id) {
                known.parent = Some(product);
            }
        }
        product
    }

    pub(super) fn add_odd(&mut self, sku: &str, partial: bool) {
        let id = self.add_product(sku, Some(1));
        if let Some(known) = self.products.iter_mut().find(|p| p.id == id) {
            known.partial = partial;
            known.unreadable = !partial;
        }
    }

    /// The SKU that the shop tells: a variation without one has its product's.
    pub(super) fn sku_of<'s>(&'s self, product: &'s Product) -> &'s str {
        let parent = product.parent.and_then(|parent| self.product(parent));
        match parent {
            Some(parent) if product.sku.is_empty() => &parent.sku,
            _ => &product.sku,
        }
    }

    pub(super) fn product(&self, id: u64) -> Option<&Product> {
        self.products.iter().find(|product| product.id == id)
    }

    /// A line of a product at a price of one.
    pub(super) fn line(&mut self, product: u64, quantity: u32, price: Micro) -> Option<Line> {
        let id = self.id();
        let known = self.product(product)?;
        let (product, variation) = match known.parent {
            Some(parent) => (parent, known.id),
            None => (known.id, 0),
        };
        Some(Line {
            id,
            product,
            variation,
            name: self.sku_of(known).to_owned(),
            sku: self.sku_of(known).to_owned(),
            quantity,
            price,
            subtotal: 0,
            net: 0,
            tax: 0,
        })
    }

    pub(super) fn place(&mut self, new: &NewOrder, now: i64, lacking: Option<String>) -> String {
        let bp = money::basis_points(&new.tax_percent);
        let (included, currency) = (new.prices_include_tax, self.currency);
        let mut lines = Vec::with_capacity(new.lines.len());
        for (sku, quantity, price) in &new.lines {
            let known = self.products.iter().find(|product| product.sku == *sku);
            let product = match known.map(|product| product.id) {
                Some(id) => id,
                None => self.add_product(sku, None),
            };
            let price = money::read(price).unwrap_or(0);
            if let Some(mut line) = self.line(product, *quantity, price) {
                line.reprice(bp, included, currency);
                lines.push(line);
            }
        }
        let shipping = money::read(&new.shipping).unwrap_or(0);
        let (net, tax) = money::split(shipping, bp, included, currency);
        let way = Way {
            id: self.id(),
            title: "Flat rate".to_owned(),
            net,
            tax,
        };
        let id = self.id();
        self.insert(Order {
            id,
            created: now,
            updated: now,
            status: String::new(),
            before_bin: None,
            included,
            rate_bp: bp,
            lines,
            ways: vec![way],
            fees: Vec::new(),
            coupons: Vec::new(),
            bill_to: new.address.clone(),
            ship_to: new.address.clone(),
            email: new.email.clone(),
            customer_note: new.customer_note.clone(),
            method: new.payment_method.clone(),
            transaction: new.transaction_id.clone(),
            paid: None,
            completed: None,
            meta: Vec::new(),
            refunds: Vec::new(),
            fulfilments: Vec::new(),
            fulfilled_again: 0,
            notes: Vec::new(),
            stock_reduced: false,
            lacking,
            older: None,
            late: None,
            broken: BTreeMap::new(),
            hidden_until: i64::MIN,
            deleted: false,
        });
        self.set_status(id, &new.status, now);
        id.to_string()
    }

    pub(super) fn insert(&mut self, order: Order) {
        self.by_id.insert(order.id, self.orders.len());
        self.orders.push(order);
    }

    /// Gives an order a status, with what the shop itself does then: it dates payment and completion, and moves its own stock.
    pub(super) fn set_status(&mut self, id: u64, status: &str, now: i64) {
        let Some(order) = self.by_number(id) else {
            return;
        };
        order.status = status.to_owned();
        if matches!(status, "processing" | "completed") {
            order.paid = order.paid.or(Some(now));
        }
        if status == "completed" {
            order.completed = order.completed.or(Some(now));
        }
        let reduce = match status {
            "processing" | "completed" | "on-hold" => true,
            "cancelled" | "pending" => false,
            _ => order.stock_reduced,
        };
        let sign = match (order.stock_reduced, reduce) {
            (false, true) => -1,
            (true, false) => 1,
            _ => 0,
        };
        order.stock_reduced = reduce;
        let moved: Vec<(u64, i64)> = order
            .lines
            .iter()
            .map(|line| (line.product.max(line.variation), i64::from(line.quantity)))
            .collect();
        for (product, units) in moved {
            self.shelve(product, sign * units);
        }
        self.touch(&id.to_string(), now);
    }

    /// Moves the shop's own stock of a product.
    pub(super) fn shelve(&mut self, product: u64, by: i64) {
        let known = self.products.iter_mut().find(|known| known.id == product);
        if let Some(stock) = known.and_then(|known| known.stock.as_mut()) {
            *stock += by;
        }
    }

    fn by_number(&mut self, id: u64) -> Option<&mut Order> {
        let order = self.by_id.get(&id).and_then(|at| self.orders.get_mut(*at));
        order.filter(|order| !order.deleted)
    }

    /// An order that was not deleted.
    pub(super) fn order(&self, id: &str) -> Option<&Order> {
        let at = self.by_id.get(&id.parse().ok()?)?;
        self.orders.get(*at).filter(|order| !order.deleted)
    }

    /// An order that was not deleted.
    pub(super) fn order_mut(&mut self, id: &str) -> Option<&mut Order> {
        self.by_number(id.parse().ok()?)
    }

    /// Moves the time of the last change; never back.
    pub(super) fn touch(&mut self, id: &str, now: i64) {
        let Some(order) = self.order_mut(id) else {
            return;
        };
        order.updated = order.updated.max(now);
        if let Some(changes) = &mut self.changes {
            changes.push(id.to_owned());
        }
    }

    /// What the shop keeps in the order about its fulfilments.
    pub(super) fn settle_fulfilments(&mut self, id: &str, now: i64) {
        let Some(order) = self.order_mut(id) else {
            return;
        };
        let stand: Vec<&Fulfilment> = order
            .fulfilments
            .iter()
            .filter(|f| f.deleted.is_none())
            .collect();
        let status = if stand.is_empty() {
            None
        } else if stand.iter().all(|f| f.fulfilled) {
            Some("fulfilled")
        } else if stand.iter().any(|f| f.fulfilled) {
            Some("partially_fulfilled")
        } else {
            Some("unfulfilled")
        };
        order.meta.retain(|meta| meta.key != "_fulfillment_status");
        if let Some(status) = status {
            let meta = self.meta_of("_fulfillment_status", json!(status));
            if let Some(order) = self.order_mut(id) {
                order.meta.push(meta);
            }
        }
        if !self.orders_are_posts {
            self.touch(id, now);
        }
    }
}
