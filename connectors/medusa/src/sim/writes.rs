//! What can be done to the shop, and what it refuses.

use serde_json::Value;

use super::money;
use super::route::Refused;
use super::state::{Capture, Fulfilment, Refund, State};

fn only(body: &Value, known: &[&str]) -> Result<(), Refused> {
    let unknown = body
        .as_object()
        .and_then(|fields| fields.keys().find(|key| !known.contains(&key.as_str())));
    match unknown {
        Some(key) => Err(Refused::invalid(format!(
            "Invalid request: Unrecognized fields: '{key}'"
        ))),
        None if body.is_object() => Ok(()),
        None => Err(Refused::invalid("Invalid request: Expected type: 'object'")),
    }
}

fn lines(body: &Value) -> Result<Vec<(&str, u32)>, Refused> {
    let items = body
        .get("items")
        .and_then(Value::as_array)
        .ok_or_else(|| Refused::invalid("Invalid request: Field 'items' is required"))?;
    items
        .iter()
        .map(|item| {
            let quantity = item
                .get("quantity")
                .and_then(Value::as_u64)
                .and_then(|n| u32::try_from(n).ok());
            item.get("id").and_then(Value::as_str).zip(quantity)
        })
        .collect::<Option<_>>()
        .ok_or_else(|| Refused::invalid("Invalid request: Field 'items, 0' is not right"))
}

pub(super) fn fulfil(state: &mut State, id: &str, body: &Value, now: i64) -> Result<(), Refused> {
    only(
        body,
        &[
            "items",
            "location_id",
            "no_notification",
            "metadata",
            "shipping_option_id",
        ],
    )?;
    let asked = lines(body)?;
    let location = body
        .get("location_id")
        .and_then(Value::as_str)
        .map(str::to_owned);
    let order = state
        .order(id)
        .ok_or_else(|| Refused::not_found("Order", id))?;
    if order.cancelled.is_some() {
        return Err(Refused::invalid(format!(
            "Order with id {id} has been canceled."
        )));
    }
    if let Some(location) = location
        .as_deref()
        .filter(|l| !state.locations.iter().any(|known| known == l))
    {
        return Err(Refused(
            404,
            "not_found",
            format!("StockLocation id not found: {location}"),
        ));
    }
    let mut items = Vec::with_capacity(asked.len());
    for (line, quantity) in asked {
        let Some(at) = order.lines.iter().position(|l| l.id == line && !l.removed) else {
            return Err(Refused::invalid(format!(
                "Items with ids {line} does not exist in order with id {id}."
            )));
        };
        let known = &order.lines[at];
        match known.quantity - known.fulfilled {
            0 => {
                return Err(Refused::invalid(format!(
                    "No stock reservation found for item {line} - {} (Default variant)",
                    known.sku
                )));
            }
            open if quantity > open => {
                return Err(Refused::invalid(format!(
                    "Quantity to fulfill exceeds the reserved quantity for the item: {line}"
                )));
            }
            _ => items.push((at, quantity)),
        }
    }
    let skus: Vec<(String, u32)> = items
        .iter()
        .map(|(at, n)| (order.lines[*at].sku.clone(), *n))
        .collect();
    for (sku, quantity) in skus {
        state.shelve(&sku, location.as_deref(), -i64::from(quantity));
    }
    let metadata = body.get("metadata").cloned().unwrap_or(Value::Null);
    let made = Fulfilment {
        id: state.id("ful"),
        metadata,
        location,
        items,
        shipped: None,
        cancelled: None,
        labels: Vec::new(),
    };
    if let Some(order) = state.order_mut(id) {
        for (at, quantity) in &made.items {
            order.lines[*at].fulfilled += quantity;
        }
        order.fulfilments.push(made);
    }
    state.changed(id, now);
    Ok(())
}

/// Quantities are not checked: neither does the real shop.
pub(super) fn ship(
    state: &mut State,
    id: &str,
    fulfilment: &str,
    body: &Value,
    now: i64,
) -> Result<(), Refused> {
    only(body, &["items", "labels", "no_notification", "metadata"])?;
    lines(body)?;
    let mut numbers = Vec::new();
    for (n, label) in body
        .get("labels")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .enumerate()
    {
        for field in ["tracking_number", "tracking_url", "label_url"] {
            if label.get(field).and_then(Value::as_str).is_none() {
                return Err(Refused::invalid(format!(
                    "Invalid request: Field 'labels, {n}, {field}' is required"
                )));
            }
        }
        numbers.extend(
            label
                .get("tracking_number")
                .and_then(Value::as_str)
                .map(str::to_owned),
        );
    }
    let order = state
        .order_mut(id)
        .ok_or_else(|| Refused::not_found("Order", id))?;
    let Some(known) = order.fulfilments.iter_mut().find(|f| f.id == fulfilment) else {
        return Err(Refused(
            404,
            "not_found",
            format!("Fulfillment with id {fulfilment} was not found"),
        ));
    };
    if known.cancelled.is_some() {
        return Err(Refused::not_allowed(
            "Cannot create shipment for a canceled fulfillment",
        ));
    }
    if known.shipped.is_some() {
        return Err(Refused::not_allowed("Shipment has already been created"));
    }
    known.shipped = Some(now);
    known.labels = numbers;
    state.changed(id, now);
    Ok(())
}

/// Leaves the order's time of change alone, as the real shop does.
pub(super) fn capture(
    state: &mut State,
    id: &str,
    body: &Value,
    by_staff: bool,
) -> Result<(), Refused> {
    only(body, &["amount"])?;
    let asked = match body.get("amount") {
        None => None,
        Some(Value::Number(number)) => Some(
            money::read(&number.to_string()).ok_or_else(|| Refused::invalid("Invalid amount"))?,
        ),
        Some(_) => {
            return Err(Refused::invalid(
                "Invalid request: Expected type: 'number' for field 'amount'",
            ));
        }
    };
    let (currency, made) = (state.currency, state.id("capt"));
    let order = state
        .by_payment
        .get(id)
        .and_then(|at| state.orders.get_mut(*at));
    let Some(payment) =
        order.and_then(|order| order.payments_mut().find(|payment| payment.id == id))
    else {
        return Err(Refused(
            404,
            "not_found",
            format!("Payment with id: {id} was not found"),
        ));
    };
    if payment.cancelled.is_some() {
        return Err(Refused::invalid(format!(
            "The payment: {id} has been canceled."
        )));
    }
    let rounded = |amount| money::minor(amount, currency);
    if rounded(payment.captured()) >= rounded(payment.amount) {
        return Ok(());
    }
    let amount = asked.unwrap_or(payment.amount);
    if amount <= 0 || rounded(payment.captured() + amount) > rounded(payment.amount) {
        return Err(Refused::invalid(
            "You cannot capture more than the authorized amount substracted by what is already captured.",
        ));
    }
    payment.captures.push(Capture {
        id: made,
        amount,
        by_staff,
    });
    Ok(())
}

/// What a refund exceeds a credit owed already becomes a credit line, which lowers the total and moves the time of change.
pub(super) fn refund(state: &mut State, id: &str, body: &Value, now: i64) -> Result<(), Refused> {
    only(body, &["amount", "note", "refund_reason_id"])?;
    let asked = match body.get("amount") {
        None => None,
        Some(Value::Number(number)) => Some(
            money::read(&number.to_string()).ok_or_else(|| Refused::invalid("Invalid amount"))?,
        ),
        Some(_) => {
            return Err(Refused::invalid(
                "Invalid request: Expected type: 'number' for field 'amount'",
            ));
        }
    };
    let note = body.get("note").and_then(Value::as_str).map(str::to_owned);
    let made = state.id("ref");
    let Some(at) = state.by_payment.get(id).copied() else {
        return Err(Refused(
            404,
            "not_found",
            format!("Payment with id: {id} was not found"),
        ));
    };
    let Some(order) = state.orders.get_mut(at) else {
        return Err(Refused::unknown());
    };
    let owed = (order.kept() - (order.price() - order.credit)).max(0);
    let Some(payment) = order.payments_mut().find(|payment| payment.id == id) else {
        return Err(Refused::unknown());
    };
    let left = payment.captured() - payment.refunded();
    let amount = asked.unwrap_or(left);
    if amount <= 0 || amount > left {
        return Err(Refused::invalid(
            "You are not allowed to refund more than the captured amount",
        ));
    }
    payment.refunds.push(Refund {
        id: made,
        amount,
        note,
        at: now,
    });
    let credit = (amount - owed).max(0);
    order.credit += credit;
    let order = order.id.clone();
    if credit > 0 {
        state.changed(&order, now);
    }
    Ok(())
}

/// Merges metadata key by key, and removes a key whose text is empty. Only metadata is known here.
pub(super) fn update(state: &mut State, id: &str, body: &Value, now: i64) -> Result<(), Refused> {
    only(body, &["metadata"])?;
    let metadata = body
        .get("metadata")
        .and_then(Value::as_object)
        .ok_or_else(|| {
            Refused::invalid("Invalid request: Expected type: 'object' for field 'metadata'")
        })?;
    let order = state
        .order_mut(id)
        .ok_or_else(|| Refused::not_found("Order", id))?;
    if order.cancelled.is_some() {
        return Err(Refused::invalid(format!(
            "Order with id {id} has been canceled."
        )));
    }
    for (key, value) in metadata {
        if value.as_str() == Some("") {
            order.metadata.remove(key);
        } else {
            order.metadata.insert(key.clone(), value.clone());
        }
    }
    state.touch(id, now);
    Ok(())
}

/// Voids what is not captured and gives back what is.
pub(super) fn cancel(state: &mut State, id: &str, now: i64) -> Result<(), Refused> {
    let refund = state.id("ref");
    let order = state
        .order_mut(id)
        .ok_or_else(|| Refused::not_found("Order", id))?;
    if order.status == "canceled" {
        return Err(Refused::invalid(format!(
            "Order with id {id} has been canceled."
        )));
    }
    if order.status == "completed" {
        return Err(Refused::not_allowed(
            "Cannot cancel a completed order. Please use the return process to handle refunds or exchanges.",
        ));
    }
    if order.fulfilments.iter().any(|f| f.cancelled.is_none()) {
        return Err(Refused::not_allowed(
            "All fulfillments must be canceled before canceling an order",
        ));
    }
    order.cancelled = Some(now);
    order.status = "canceled".to_owned();
    order.credit += order.kept();
    for (n, payment) in order.payments_mut().enumerate() {
        match payment.captured() - payment.refunded() {
            0 => payment.cancelled = payment.cancelled.or(Some(now)),
            amount => payment.refunds.push(Refund {
                id: format!("{refund}{n}"),
                amount,
                note: None,
                at: now,
            }),
        }
    }
    state.changed(id, now);
    Ok(())
}
