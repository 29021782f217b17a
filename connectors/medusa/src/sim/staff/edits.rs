//! Edits of an order. One that touches lines or shipping methods voids the payment and asks for a new one.

use hikiate_sdk::Party;
use serde_json::{Value, json};

use super::money::settle;
use crate::sim::state::{Line, Method, Order};
use crate::sim::{MedusaSim, money};

impl MedusaSim {
    /// Orders another quantity of a line; below what is fulfilled it is refused, and none removes the line.
    pub fn edit_quantity(&self, order: &str, line: &str, quantity: u32) -> bool {
        self.edit(order, |order| {
            let line = order.lines.iter_mut().find(|l| l.id == line && !l.removed);
            let Some(line) = line.filter(|l| quantity >= l.fulfilled) else {
                return false;
            };
            line.quantity = quantity;
            line.removed = quantity == 0;
            true
        })
    }

    /// Removes a line; the shop tells it no more.
    pub fn remove_line(&self, order: &str, line: &str) -> bool {
        self.edit_quantity(order, line, 0)
    }

    /// Adds a line at a price of one without tax as decimal text. Returns the line's id.
    pub fn add_line(&self, order: &str, sku: &str, quantity: u32, price: &str) -> Option<String> {
        let (id, price) = (self.state().id("ordli"), money::read(price)?);
        let added = id.clone();
        let line = Line {
            id: added,
            sku: sku.to_owned(),
            quantity,
            price,
            fulfilled: 0,
            removed: false,
        };
        let done = quantity > 0
            && self.edit(order, |order| {
                order.lines.push(line);
                true
            });
        done.then_some(id)
    }

    /// Adds a shipping method at a price without tax as decimal text; the one before stays.
    pub fn edit_service(&self, order: &str, name: &str, price: &str) -> bool {
        let (id, price) = (self.state().id("ordsm"), money::read(price));
        self.edit(order, |order| {
            let Some(price) = price else { return false };
            order.methods.push(Method {
                id,
                name: name.to_owned(),
                price,
            });
            true
        })
    }

    /// Ships it to another address; the billing address and the payment stay.
    pub fn edit_address(&self, order: &str, to: Option<Party>) -> bool {
        self.note(order, |order| order.ship_to = to)
    }

    /// Marks it as a test with `metadata.test`.
    pub fn mark_test(&self, order: &str) -> bool {
        self.note(order, |order| {
            order.metadata.insert("test".to_owned(), Value::Bool(true));
        })
    }

    /// Gives it tags, in `metadata.tags`.
    pub fn tag(&self, order: &str, tags: &[&str]) -> bool {
        self.note(order, |order| {
            order.metadata.insert("tags".to_owned(), json!(tags));
        })
    }

    /// Writes a key of its metadata, or removes it.
    pub fn edit_metadata(&self, order: &str, key: &str, value: Option<&str>) -> bool {
        self.note(order, |order| {
            match value {
                Some(value) => order.metadata.insert(key.to_owned(), json!(value)),
                None => order.metadata.remove(key),
            };
        })
    }

    /// Changes lines or methods; what the change itself refuses must have changed nothing.
    fn edit(&self, id: &str, change: impl FnOnce(&mut Order) -> bool) -> bool {
        let now = self.now();
        let mut state = self.state();
        let Some(order) = state.order_mut(id).filter(|o| o.status != "canceled") else {
            return false;
        };
        if !change(order) {
            return false;
        }
        settle(&mut state, id, now);
        state.changed(id, now);
        true
    }

    /// Changes what is neither goods nor money: the time of change moves, the version does not.
    fn note(&self, id: &str, change: impl FnOnce(&mut Order)) -> bool {
        let now = self.now();
        let mut state = self.state();
        let Some(order) = state.order_mut(id).filter(|o| o.status != "canceled") else {
            return false;
        };
        change(order);
        state.touch(id, now);
        true
    }
}
