//! What people at the shop and its plug-ins do, with the side effects that the shop has. Each act says whether the shop took it; what
//! it refuses changes nothing.

mod goods;
mod money;
mod status;

use hikiate_sdk::Party;
use serde_json::{Value, json};

use super::state::Order;
use super::{WooSim, money as amounts};

impl WooSim {
    /// Orders another quantity of a line; none removes the line. The shop changes an order at any time, whatever was shipped.
    pub fn edit_quantity(&self, order: &str, line: &str, quantity: u32) -> bool {
        let currency = self.state().currency;
        let line: Option<u64> = line.parse().ok();
        self.edit(order, |order| {
            let (bp, included) = (order.rate_bp, order.included);
            let Some(known) = order.lines.iter_mut().find(|known| Some(known.id) == line) else {
                return false;
            };
            known.quantity = quantity;
            known.reprice(bp, included, currency);
            order.lines.retain(|line| line.quantity > 0);
            true
        })
    }

    /// Removes a line; the shop tells it no more.
    pub fn remove_line(&self, order: &str, line: &str) -> bool {
        self.edit_quantity(order, line, 0)
    }

    /// Adds a line at a price of one as decimal text. Returns the line's id.
    pub fn add_line(&self, order: &str, sku: &str, quantity: u32, price: &str) -> Option<String> {
        let product = self.state().add_product(sku, None);
        self.add_line_of(order, product, quantity, price)
    }

    /// Adds a line of a product, or of a variation, by its id. Returns the line's id.
    pub fn add_line_of(
        &self,
        order: &str,
        product: u64,
        quantity: u32,
        price: &str,
    ) -> Option<String> {
        let price = amounts::read(price)?;
        let (mut line, currency) = {
            let mut state = self.state();
            (state.line(product, quantity, price)?, state.currency)
        };
        let id = line.id.to_string();
        let done = quantity > 0
            && self.edit(order, |order| {
                line.reprice(order.rate_bp, order.included, currency);
                order.lines.push(line);
                true
            });
        done.then_some(id)
    }

    /// Gives a product or variation another SKU, or a plug-in does, which gives it one that another has. Orders tell the new one,
    /// and their time of change does not move.
    pub fn set_sku(&self, product: u64, sku: &str) -> bool {
        let mut state = self.state();
        let Some(known) = state.products.iter_mut().find(|of| of.id == product) else {
            return false;
        };
        sku.clone_into(&mut known.sku);
        let lines = state.orders.iter_mut().flat_map(|order| &mut order.lines);
        for line in lines.filter(|line| line.product.max(line.variation) == product) {
            sku.clone_into(&mut line.sku);
        }
        true
    }

    /// Puts a product into the bin; lists leave it out, and its id still finds it.
    pub fn trash_product(&self, product: u64) {
        let mut state = self.state();
        if let Some(known) = state.products.iter_mut().find(|of| of.id == product) {
            known.in_bin = true;
        }
    }

    /// Deletes a product for good, with its variations.
    pub fn forget_product(&self, product: u64) -> bool {
        let mut state = self.state();
        state.products.retain(|of| of.parent != Some(product));
        super::writes::delete_product(&mut state, product).is_ok()
    }

    /// Adds a fee at a price as decimal text; below zero it is a reduction.
    pub fn add_fee(&self, order: &str, name: &str, price: &str) -> bool {
        let (id, currency) = {
            let mut state = self.state();
            (state.id(), state.currency)
        };
        let price = amounts::read(price);
        self.edit(order, |order| {
            let Some(price) = price else { return false };
            let (net, tax) = amounts::split(price, order.rate_bp, order.included, currency);
            let name = name.to_owned();
            order.fees.push(super::state::Fee { id, name, net, tax });
            true
        })
    }

    /// Takes a coupon of so much off the first line's net price, as decimal text.
    pub fn apply_coupon(&self, order: &str, code: &str, discount: &str) -> bool {
        let (id, currency) = {
            let mut state = self.state();
            (state.id(), state.currency)
        };
        let discount = amounts::read(discount);
        self.edit(order, |order| {
            let bp = order.rate_bp;
            let (Some(discount), Some(line)) = (discount, order.lines.first_mut()) else {
                return false;
            };
            line.net -= discount;
            line.tax = amounts::round(line.net * i128::from(bp) / 10_000, currency);
            order.coupons.push((id, code.to_owned(), discount));
            true
        })
    }

    /// Ships it to another address; none empties it. The shop adds its taxes up anew, and changes nothing else.
    pub fn edit_address(&self, order: &str, to: Option<Party>) -> bool {
        self.edit(order, |order| {
            order.ship_to = to;
            true
        })
    }

    /// Writes a key of its metadata, or removes it.
    pub fn edit_meta(&self, order: &str, key: &str, value: Option<&str>) -> bool {
        let meta = value.map(|value| self.state().meta_of(key, json!(value)));
        self.edit(order, |order| {
            order.meta.retain(|meta| meta.key != key);
            order.meta.extend(meta);
            true
        })
    }

    /// Marks it as a test with a key of its metadata.
    pub fn mark_test(&self, order: &str) -> bool {
        self.edit_meta(order, "test", Some("yes"))
    }

    /// Writes a note, to the customer or for the staff alone. It does not move the order's time of change.
    pub fn add_note(&self, order: &str, text: &str, to_customer: bool) -> bool {
        let now = self.now();
        let body = json!({ "note": text, "customer_note": to_customer });
        super::writes::note(&mut self.state(), order, &body, now).is_ok()
    }

    /// Deletes every note of it that holds a text.
    pub fn delete_notes(&self, order: &str, text: &str) -> bool {
        let mut state = self.state();
        let Some(order) = state.order_mut(order) else {
            return false;
        };
        let before = order.notes.len();
        order.notes.retain(|note| !note.text.contains(text));
        order.notes.len() < before
    }

    /// The product of a line is deleted: its code is not known any more.
    pub fn delete_product(&self, order: &str, line: &str) -> bool {
        let line: Option<u64> = line.parse().ok();
        self.edit(order, |order| {
            let known = order.lines.iter_mut().find(|known| Some(known.id) == line);
            known.map(|line| line.sku.clear()).is_some()
        })
    }

    /// Changes an order that is not in the bin; what the change itself refuses must have changed nothing.
    fn edit(&self, id: &str, change: impl FnOnce(&mut Order) -> bool) -> bool {
        let now = self.now();
        let mut state = self.state();
        let Some(order) = state.order_mut(id).filter(|order| !order.in_bin()) else {
            return false;
        };
        let done = change(order);
        if done {
            state.touch(id, now);
        }
        done
    }

    /// The same request that the shop's own screens send.
    fn by_hand(&self, id: &str, body: &Value) -> bool {
        let now = self.now();
        super::writes::update(&mut self.state(), id, body, now).is_ok()
    }
}
