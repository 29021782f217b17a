//! JSON as the shop writes it; always everything, whatever `fields` asks for.

use chrono::{DateTime, SecondsFormat};
use hikiate_sdk::Party;
use serde_json::{Value, json};

use super::money;
use super::state::{Collection, Fulfilment, Inventory, Order, Payment, State};

pub(super) fn time(ms: i64) -> Value {
    DateTime::from_timestamp_millis(ms).map_or(Value::Null, |at| {
        Value::String(at.to_rfc3339_opts(SecondsFormat::Millis, true))
    })
}

fn time_or_null(ms: Option<i64>) -> Value {
    ms.map_or(Value::Null, time)
}

pub(super) fn order(state: &State, order: &Order) -> Value {
    let rate = order.rate_bp;
    let tax_lines = json!([{ "rate": money::json(i128::from(rate) * 10_000) }]);
    let items: Vec<Value> = order
        .lines
        .iter()
        .filter(|line| !line.removed)
        .map(|line| {
            let total = line.total(rate);
            json!({
                "id": line.id, "title": line.sku, "subtitle": "Default variant", "variant_sku": line.sku,
                "requires_shipping": true, "quantity": line.quantity, "unit_price": money::json(line.price),
                "total": money::json(total), "tax_total": money::json(total - line.price * i128::from(line.quantity)),
                "detail": { "quantity": line.quantity, "fulfilled_quantity": line.fulfilled },
                "tax_lines": tax_lines,
            })
        })
        .collect();
    let methods: Vec<Value> = order
        .methods
        .iter()
        .map(|way| {
            let total = money::taxed(way.price, rate);
            json!({
                "id": way.id, "name": way.name, "total": money::json(total), "tax_total": money::json(total - way.price),
                "tax_lines": tax_lines,
            })
        })
        .collect();
    let mut value = json!({
        "id": order.id, "display_id": order.number, "status": order.status, "version": order.version, "email": Some(&order.email).filter(|email| !email.is_empty()),
        "currency_code": state.currency.code().to_ascii_lowercase(), "sales_channel_id": order.sales_channel,
        "created_at": time(order.created), "updated_at": time(order.updated), "canceled_at": time_or_null(order.cancelled),
        "is_draft_order": order.status == "draft", "total": money::json(order.price() - order.credit),
        "credit_line_total": money::json(order.credit),
        "metadata": if order.metadata.is_empty() { Value::Null } else { Value::Object(order.metadata.clone()) },
        "items": items,
        "shipping_methods": methods,
        "shipping_address": order.ship_to.as_ref().map(address), "billing_address": order.bill_to.as_ref().map(address),
        "payment_collections": order.collections.iter().map(|c| collection(order, c)).collect::<Vec<_>>(),
        "fulfillments": order.fulfilments.iter().map(|f| fulfilment(order, f)).collect::<Vec<_>>(),
    });
    if let (Some(field), Some(fields)) = (&order.lacking, value.as_object_mut()) {
        fields.remove(field);
    }
    value
}

fn collection(order: &Order, due: &Collection) -> Value {
    let status = match &due.payment {
        _ if order.cancelled.is_some() || due.cancelled => "canceled",
        None => "not_paid",
        Some(p) if p.captured() >= p.amount => "completed",
        Some(p) if p.captured() > 0 => "partially_captured",
        Some(_) => "authorized",
    };
    json!({
        "id": due.id, "status": status, "amount": money::json(due.amount),
        "payment_sessions": [{
            "provider_id": order.provider, "status": if due.payment.is_some() { "authorized" } else { "pending" },
        }],
        "payments": due.payment.iter().map(|p| payment(order, p)).collect::<Vec<_>>(),
    })
}

pub(super) fn payment(order: &Order, payment: &Payment) -> Value {
    let captures = payment.captures.iter();
    let refunds = payment.refunds.iter();
    json!({
        "id": payment.id, "provider_id": order.provider, "amount": money::json(payment.amount),
        "canceled_at": time_or_null(payment.cancelled),
        "captures": captures.map(|c| json!({ "id": c.id, "amount": money::json(c.amount) })).collect::<Vec<_>>(),
        "refunds": refunds
            .map(|r| json!({ "id": r.id, "amount": money::json(r.amount), "created_at": time(r.at), "note": r.note }))
            .collect::<Vec<_>>(),
    })
}

fn fulfilment(order: &Order, told: &Fulfilment) -> Value {
    let items: Vec<Value> = told
        .items
        .iter()
        .map(|(at, quantity)| json!({ "line_item_id": order.lines.get(*at).map(|l| &l.id), "quantity": quantity }))
        .collect();
    json!({
        "id": told.id, "metadata": told.metadata, "location_id": told.location, "shipped_at": time_or_null(told.shipped),
        "canceled_at": time_or_null(told.cancelled), "items": items,
        "labels": told.labels.iter().map(|number| json!({ "tracking_number": number })).collect::<Vec<_>>(),
    })
}

/// The shop keeps given and family name apart; on a Japanese label the family name comes first.
fn address(party: &Party) -> Value {
    let (before, after) = party.name.split_once(' ').unwrap_or(("", &party.name));
    let (first, last) = if party.country == "JP" {
        (after, before)
    } else {
        (before, after)
    };
    json!({
        "first_name": first, "last_name": last, "company": party.company, "country_code": party.country.to_ascii_lowercase(),
        "postal_code": party.postal_code, "province": party.region, "city": party.city, "address_1": party.address1,
        "address_2": party.address2, "phone": party.phone,
    })
}

pub(super) fn inventory(item: &Inventory) -> Value {
    let levels: Vec<Value> = item
        .levels
        .iter()
        .map(|(location, stocked)| {
            // An unreadable quantity is a fraction: half a piece cannot be sold.
            let stocked = stocked.map_or_else(|| money::json(500_000), Value::from);
            let mut level = json!({ "location_id": location, "stocked_quantity": stocked });
            if let (true, Some(fields)) = (item.partial, level.as_object_mut()) {
                fields.remove("stocked_quantity");
            }
            level
        })
        .collect();
    json!({ "id": item.id, "sku": item.sku, "location_levels": levels })
}
