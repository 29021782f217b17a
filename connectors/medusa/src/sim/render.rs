//! JSON as the shop writes it; always everything, whatever `fields` asks for.

use chrono::{DateTime, SecondsFormat};
use hikiate_sdk::Party;
use serde_json::{Value, json};

use super::SALES_CHANNEL;
use super::money;
use super::state::{Fulfilment, Inventory, Order, Payment, State};

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
    let shipped = money::taxed(order.shipping, rate);
    let mut value = json!({
        "id": order.id, "display_id": order.number, "status": order.status, "version": 1, "email": order.email,
        "currency_code": state.currency.code().to_ascii_lowercase(), "sales_channel_id": SALES_CHANNEL,
        "created_at": time(order.created), "updated_at": time(order.updated), "canceled_at": time_or_null(order.cancelled),
        "is_draft_order": order.status == "draft", "total": money::json(order.price() - order.credit()),
        "credit_line_total": money::json(order.credit()),
        "metadata": if order.remarks.is_empty() { Value::Null } else { json!({ "remarks": order.remarks }) },
        "items": items,
        "shipping_methods": [{
            "id": order.id.replacen("order", "ordsm", 1), "name": "Standard", "total": money::json(shipped),
            "tax_total": money::json(shipped - order.shipping), "tax_lines": tax_lines,
        }],
        "shipping_address": order.address.as_ref().map(address), "billing_address": order.address.as_ref().map(address),
        "payment_collections": collections(order),
        "fulfillments": order.fulfilments.iter().map(|f| fulfilment(order, f)).collect::<Vec<_>>(),
    });
    if let (Some(field), Some(fields)) = (&order.lacking, value.as_object_mut()) {
        fields.remove(field);
    }
    value
}

fn collections(order: &Order) -> Value {
    let amount = money::json(order.price());
    if order.price() == 0 {
        return json!([]);
    }
    let status = match &order.payment {
        _ if order.cancelled.is_some() => "canceled",
        None => "not_paid",
        Some(p) if p.captured() >= p.amount => "completed",
        Some(_) => "authorized",
    };
    json!([{
        "id": order.id.replacen("order", "pay_col", 1), "status": status, "amount": amount,
        "payment_sessions": [{
            "provider_id": order.provider, "status": if order.payment.is_some() { "authorized" } else { "pending" },
        }],
        "payments": order.payment.iter().map(|p| payment(order, p)).collect::<Vec<_>>(),
    }])
}

pub(super) fn payment(order: &Order, payment: &Payment) -> Value {
    json!({
        "id": payment.id, "provider_id": order.provider, "amount": money::json(payment.amount),
        "canceled_at": time_or_null(payment.cancelled),
        "captures": payment.captures.iter().map(|(id, amount)| json!({ "id": id, "amount": money::json(*amount) })).collect::<Vec<_>>(),
        "refunds": payment.refunds.iter().map(|amount| json!({ "amount": money::json(*amount) })).collect::<Vec<_>>(),
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
        "canceled_at": null, "items": items,
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
