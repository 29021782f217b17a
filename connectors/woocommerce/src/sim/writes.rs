//! What can be done to the shop over the API, and what it refuses; staff do the same by hand.

use hikiate_sdk::Party;
use serde_json::{Value, json};

use super::money::{self, Micro};
use super::render;
use super::route::Refused;
use super::state::{Fulfilment, Meta, Note, Order, Refund, State, Way};
use crate::map::REFERENCE;

fn order_mut<'s>(state: &'s mut State, id: &str) -> Result<&'s mut Order, Refused> {
    let unknown = || Refused::new(400, "woocommerce_rest_shop_order_invalid_id", "Invalid ID.");
    state.order_mut(id).ok_or_else(unknown)
}

fn all<'v>(body: &'v Value, key: &str) -> impl Iterator<Item = &'v Value> {
    body.get(key)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn text(body: &Value, key: &str) -> String {
    let value = body.get(key).and_then(Value::as_str);
    value.unwrap_or_default().to_owned()
}

/// Keys of metadata as they are written: each replaces the first of its name.
fn metas(state: &mut State, body: &Value) -> Result<Vec<Meta>, Refused> {
    let mut metas = Vec::new();
    for meta in all(body, "meta_data") {
        let key = meta.get("key").and_then(Value::as_str);
        let key = key.ok_or_else(|| Refused::invalid("meta_data"))?;
        let value = meta.get("value").cloned().unwrap_or(Value::Null);
        metas.push(state.meta_of(key, value));
    }
    Ok(metas)
}

fn merge(known: &mut Vec<Meta>, new: Vec<Meta>) {
    for meta in new {
        match known.iter_mut().find(|had| had.key == meta.key) {
            Some(had) => had.value = meta.value,
            None => known.push(meta),
        }
    }
}

fn party(value: &Value) -> Party {
    let names = [text(value, "first_name"), text(value, "last_name")];
    let [first, last] = names;
    let country = text(value, "country");
    let words = if country == "JP" {
        [last, first]
    } else {
        [first, last]
    };
    Party {
        name: words.join(" ").trim().to_owned(),
        company: text(value, "company"),
        postal_code: text(value, "postcode"),
        region: text(value, "state"),
        city: text(value, "city"),
        address1: text(value, "address_1"),
        address2: text(value, "address_2"),
        phone: text(value, "phone"),
        email: String::new(),
        country,
    }
}

/// Creates an order, with the shop's tax on everything.
pub(super) fn create(state: &mut State, body: &Value, now: i64) -> Result<String, Refused> {
    let id = state.id();
    let currency = state.currency;
    let (bp, included) = state.tax;
    let mut lines = Vec::new();
    for item in all(body, "line_items") {
        let product = item.get("variation_id").or_else(|| item.get("product_id"));
        let product = product.and_then(Value::as_u64).unwrap_or(0);
        let quantity = item.get("quantity").and_then(Value::as_u64).unwrap_or(1);
        let quantity = u32::try_from(quantity).map_err(|_| Refused::invalid("line_items"))?;
        let price = state.product(product).map(|product| product.price);
        let invalid = || {
            let code = "woocommerce_rest_required_product_reference";
            Refused::new(400, code, "Product ID or SKU is required.")
        };
        let line = state.line(product, quantity, price.ok_or_else(invalid)?);
        let mut line = line.ok_or_else(invalid)?;
        line.reprice(bp, included, currency);
        lines.push(line);
    }
    let mut ways = Vec::new();
    for way in all(body, "shipping_lines") {
        // Whatever prices are, what is told here is net.
        let net = way.get("total").and_then(money::of).unwrap_or(0);
        let (net, tax) = money::split(net, bp, false, currency);
        ways.push(Way {
            id: state.id(),
            title: text(way, "method_title"),
            net,
            tax,
        });
    }
    let meta = metas(state, body)?;
    let billing = body.get("billing");
    state.insert(Order {
        id,
        created: now,
        updated: now,
        status: "pending".to_owned(),
        before_bin: None,
        included,
        rate_bp: bp,
        lines,
        ways,
        fees: Vec::new(),
        coupons: Vec::new(),
        bill_to: billing.map(party),
        ship_to: body.get("shipping").map(party),
        email: billing.map(|of| text(of, "email")).unwrap_or_default(),
        customer_note: text(body, "customer_note"),
        method: text(body, "payment_method"),
        transaction: text(body, "transaction_id"),
        paid: None,
        completed: None,
        meta,
        refunds: Vec::new(),
        fulfilments: Vec::new(),
        fulfilled_again: 0,
        notes: Vec::new(),
        stock_reduced: false,
        lacking: None,
        older: None,
        late: None,
        broken: std::collections::BTreeMap::new(),
        hidden_until: i64::MIN,
        deleted: false,
    });
    let paid = body.get("set_paid").and_then(Value::as_bool) == Some(true);
    let status = match body.get("status").and_then(Value::as_str) {
        Some(status) if state.statuses.contains(status) => status.to_owned(),
        Some(_) => return Err(Refused::invalid("status")),
        None if paid => "processing".to_owned(),
        None => "pending".to_owned(),
    };
    state.set_status(id, &status, now);
    Ok(id.to_string())
}

/// Changes what is named. The status comes last, so that it is set on what the order is then.
pub(super) fn update(state: &mut State, id: &str, body: &Value, now: i64) -> Result<(), Refused> {
    order_mut(state, id)?;
    let status = body.get("status").and_then(Value::as_str);
    if status.is_some_and(|status| !state.statuses.contains(status)) {
        return Err(Refused::invalid("status"));
    }
    let new = metas(state, body)?;
    let currency = state.currency;
    let order = order_mut(state, id)?;
    merge(&mut order.meta, new);
    if let Some(to) = body.get("shipping") {
        order.ship_to = Some(party(to));
    }
    for item in all(body, "line_items") {
        let line = item.get("id").and_then(Value::as_u64);
        let quantity = item.get("quantity").and_then(Value::as_u64);
        let quantity = quantity.and_then(|n| u32::try_from(n).ok());
        let net = item.get("total").and_then(money::of);
        let bp = order.rate_bp;
        let known = order.lines.iter_mut().find(|known| Some(known.id) == line);
        if let (Some(known), Some(quantity)) = (known, quantity) {
            known.quantity = quantity;
            // Unlike its order screen, the API leaves amounts alone that it is not told.
            if let Some(net) = net {
                (known.net, known.tax) = money::split(net, bp, false, currency);
                known.subtotal = item.get("subtotal").and_then(money::of).unwrap_or(net);
            }
        }
        order.lines.retain(|line| line.quantity > 0);
    }
    let number = order.id;
    // The shop lifts an order out of its bin that is given a status.
    match status {
        Some(status) => state.set_status(number, status, now),
        None => state.touch(id, now),
    }
    Ok(())
}

/// Into the bin, or for good.
pub(super) fn delete(state: &mut State, id: &str, force: bool, now: i64) -> Result<(), Refused> {
    let order = order_mut(state, id)?;
    if force {
        order.deleted = true;
    } else {
        order.before_bin = Some(std::mem::replace(&mut order.status, "trash".to_owned()));
    }
    state.touch(id, now);
    Ok(())
}

/// Nothing of it is checked: neither does the real shop.
pub(super) fn fulfil(state: &mut State, id: &str, body: &Value, now: i64) -> Result<(), Refused> {
    let mut meta = metas(state, body)?;
    if meta.iter().all(|meta| meta.key != "_items") {
        let message = "The fulfillment should contain at least one item.";
        return Err(Refused::new(
            400,
            "woocommerce_rest_fulfillment_invalid",
            message,
        ));
    }
    let fulfilled = body.get("status").and_then(Value::as_str) == Some("fulfilled");
    if fulfilled {
        meta.push(state.meta_of("_date_fulfilled", render::mysql(now)));
    }
    let made = Fulfilment {
        id: state.id(),
        fulfilled,
        updated: now,
        deleted: None,
        meta,
        notified: body.get("notify_customer").and_then(Value::as_bool) == Some(true),
    };
    let order = order_mut(state, id)?;
    let mut standing = order.fulfilments.iter().filter(|f| f.deleted.is_none());
    let reference = made.meta(REFERENCE);
    let again = reference.is_some() && standing.any(|f| f.meta(REFERENCE) == reference);
    order.fulfilled_again += usize::from(again);
    order.fulfilments.push(made);
    state.settle_fulfilments(id, now);
    Ok(())
}

/// A note does not move the order's time of change.
pub(super) fn note(state: &mut State, id: &str, body: &Value, now: i64) -> Result<Value, Refused> {
    let note = Note {
        id: state.id(),
        at: now,
        text: text(body, "note"),
        to_customer: body.get("customer_note").and_then(Value::as_bool) == Some(true),
    };
    if note.text.is_empty() {
        return Err(Refused::invalid("note"));
    }
    let shown = render::note(&note);
    let unknown = || {
        Refused::new(
            404,
            "woocommerce_rest_order_invalid_id",
            "Invalid order ID.",
        )
    };
    state.order_mut(id).ok_or_else(unknown)?.notes.push(note);
    Ok(shown)
}

/// Both of what it does beside the record are on unless they are turned off.
pub(super) fn refund(state: &mut State, id: &str, body: &Value, now: i64) -> Result<(), Refused> {
    let asked = |key: &str| body.get(key).and_then(Value::as_bool).unwrap_or(true);
    let refused = |message: &str| Refused {
        bare: true,
        ..Refused::new(500, "woocommerce_rest_cannot_create_order_refund", message)
    };
    let amount = body.get("amount").and_then(money::of);
    let amount = amount.ok_or_else(|| Refused::invalid("amount"))?;
    let currency = state.currency;
    let left = {
        let order = order_mut(state, id)?;
        order.total(currency) - order.refunded()
    };
    if amount <= 0 || amount > left {
        return Err(refused("Invalid refund amount."));
    }
    let mut lines = Vec::new();
    for line in all(body, "line_items") {
        let of = line.get("id").and_then(Value::as_u64).unwrap_or(0);
        let quantity = line.get("quantity").and_then(Value::as_u64).unwrap_or(0);
        let tax = all(line, "refund_tax").filter_map(|tax| money::of(tax.get("refund_total")?));
        let net = line.get("refund_total").and_then(money::of).unwrap_or(0);
        let (quantity, tax) = (u32::try_from(quantity).unwrap_or(0), tax.sum::<Micro>());
        if quantity > 0 || net != 0 || tax != 0 {
            lines.push((state.id(), of, quantity, net, tax));
        }
    }
    let (number, made) = (state.id(), metas(state, body)?);
    let restocked = asked("api_restock");
    let back: Vec<(u64, i64)> = {
        let order = order_mut(state, id)?;
        let of = |line: u64| order.lines.iter().find(|known| known.id == line);
        let named = lines.iter().filter_map(|(_, line, quantity, _, _)| {
            of(*line).map(|line| (line.product.max(line.variation), i64::from(*quantity)))
        });
        named.filter(|_| restocked).collect()
    };
    for (product, units) in back {
        state.shelve(product, units);
    }
    let order = order_mut(state, id)?;
    order.refunds.push(Refund {
        id: number,
        at: now,
        amount,
        reason: text(body, "reason"),
        meta: made,
        lines,
        moved_money: asked("api_refund"),
        restocked,
    });
    let number = order.id;
    if amount == left {
        state.set_status(number, "refunded", now);
    } else {
        state.touch(id, now);
    }
    Ok(())
}

pub(super) fn product(state: &mut State, body: &Value) -> Result<u64, Refused> {
    let sku = text(body, "sku");
    if state.products.iter().any(|known| known.sku == sku) {
        let message = "Invalid or duplicated SKU.";
        return Err(Refused::new(400, "product_invalid_sku", message));
    }
    let managed = body.get("manage_stock").and_then(Value::as_bool) == Some(true);
    let stock = body.get("stock_quantity").and_then(Value::as_i64);
    let id = state.add_product(&sku, stock.filter(|_| managed));
    let price = body.get("regular_price").and_then(money::of);
    if let Some(known) = state.products.iter_mut().find(|known| known.id == id) {
        known.price = price.unwrap_or(0);
    }
    Ok(id)
}

/// Deletes a product for good; the shop keeps it in orders by its name.
pub(super) fn delete_product(state: &mut State, id: u64) -> Result<(), Refused> {
    let known = state.products.len();
    state.products.retain(|product| product.id != id);
    if state.products.len() == known {
        return Err(Refused::no_such("product"));
    }
    for order in &mut state.orders {
        let of = order.lines.iter_mut();
        of.filter(|line| line.product.max(line.variation) == id)
            .for_each(|line| line.sku.clear());
    }
    Ok(())
}

/// What staff type into the order screen.
pub(super) fn items(lines: &[(u64, u32)]) -> Value {
    lines
        .iter()
        .map(|(line, quantity)| json!({ "item_id": line, "qty": quantity }))
        .collect()
}
