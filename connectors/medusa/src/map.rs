//! From the wire to the trade: pure, no clock, no network.

mod amounts;
mod marks;
mod payment;
mod personal;
mod stock;

#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};
use hikiate_sdk::decode::reason;
use hikiate_sdk::text::whole_pairs;
use hikiate_sdk::{
    BadRecord, ChannelFulfilment, ChannelGate, ChannelState, Charge, Currency, Customs,
    DeliveryGroup, ExternalId, FulfilledBy, GroupKey, LineKey, Observed, OrderLine, OrderSnapshot,
    Record,
};
use serde_json::Value;

use crate::config::Settings;
use crate::wire::{Fulfillment, Item, Order, Stamp};

pub(crate) use amounts::{minor, whole};
pub(crate) use payment::{captured, refunded};
pub(crate) use stock::stock_records;

/// The key in a fulfilment's metadata that carries our reference of the shipment.
pub(crate) const REFERENCE: &str = "hikiate_ref";

/// The key in an order's metadata that shows the shop's staff what holds it.
pub(crate) const NOTE: &str = "hikiate_hold";

/// Decodes one order; what cannot be understood is a bad record and nothing else.
#[must_use]
pub(crate) fn order_record(raw: &str, settings: &Settings) -> Record {
    let parsed = serde_json::from_str::<Order>(&whole_pairs(raw))
        .map_err(|error| reason(raw, &error))
        .and_then(|order| {
            order_snapshot(&order, settings)
                .map(|snapshot| (snapshot, personal::of(&order, settings)))
        })
        .map(|(snapshot, personal)| Observed::Order(Box::new(snapshot), Box::new(personal)))
        .map_err(|reason| BadRecord::new(stamp(raw).0.map(ExternalId::new), reason));
    Record::new(raw, parsed).excluded_if(is_excluded(raw, settings))
}

/// Whether `sales_channel` or `since` leaves this order out, however it was found.
fn is_excluded(raw: &str, settings: &Settings) -> bool {
    if settings.sales_channel.is_none() && settings.since.is_none() {
        return false;
    }
    let stamp = read_stamp(raw);
    let ours = settings.sales_channel.as_deref();
    let elsewhere = ours.is_some_and(|ours| stamp.sales_channel_id != ours);
    let before = settings.since.zip(changed(&stamp));
    elsewhere || before.is_some_and(|(since, changed)| changed < since)
}

/// Id and time of the last change, where they can be read.
#[must_use]
pub(crate) fn stamp(raw: &str) -> (Option<String>, Option<DateTime<Utc>>) {
    let stamp = read_stamp(raw);
    (stamp.id.as_str().map(str::to_owned), changed(&stamp))
}

fn read_stamp(raw: &str) -> Stamp {
    serde_json::from_str(&whole_pairs(raw)).unwrap_or_default()
}

fn changed(stamp: &Stamp) -> Option<DateTime<Utc>> {
    let at = DateTime::parse_from_rfc3339(stamp.updated_at.as_str()?).ok()?;
    Some(at.to_utc())
}

/// An order without its personal part. Everything is put in the order of the shop's ids, since the shop does not
/// keep one: the same order read twice must be the same snapshot.
///
/// # Errors
/// Field and rule of what cannot be understood.
pub(crate) fn order_snapshot(order: &Order, settings: &Settings) -> Result<OrderSnapshot, String> {
    let currency: Currency = order
        .currency_code
        .parse()
        .map_err(|e| format!("currency_code: {e}"))?;
    let group = GroupKey::new("1");
    let mut items: Vec<&Item> = order.items.iter().collect();
    items.sort_by(|a, b| a.id.cmp(&b.id));
    let total = minor("total", &order.total, currency)?;
    let charges: Vec<Charge> = amounts::charges(order, &items, total, currency)?;
    let mut lines = Vec::with_capacity(items.len());
    let mut wishes = settings.fields.of(&order.metadata).wishes;
    for item in items {
        let (customs, unread) = settings.fields.customs(&item.metadata);
        wishes.unread.extend(unread);
        lines.push(line(item, &group, customs, currency)?);
    }
    let mut fulfilments: Vec<&Fulfillment> = order.fulfillments.iter().collect();
    fulfilments.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(OrderSnapshot {
        external_id: ExternalId::new(order.id.clone()),
        display: order
            .display_id
            .map_or_else(|| order.id.clone(), |n| format!("#{n}")),
        // The shop's own `version` counts edits alone; the time of the last change also moves with its status.
        version: u64::try_from(order.updated_at.timestamp_millis()).ok(),
        ordered_at: order.created_at,
        currency,
        state: state(order),
        gate: gate(order),
        groups: vec![DeliveryGroup {
            key: group,
            service: service(order),
            earliest_ship: None,
            ship_by: None,
            wishes,
        }],
        lines,
        charges,
        tenders: payment::tenders(order, total, currency, settings.payment_reference.as_ref())?,
        total: Some(total),
        fulfilments: fulfilments
            .into_iter()
            .map(fulfilment)
            .collect::<Result<_, _>>()?,
        taxes: Vec::new(),
        tags: marks::tags(order, &settings.tags),
        test: marks::test(order, settings.test.as_ref()),
    })
}

/// A cancelled order keeps the time of its cancel when it is archived or completed afterwards. The shop archives only
/// what was completed or cancelled before.
fn state(order: &Order) -> ChannelState {
    if order.is_cancelled() {
        return ChannelState::Cancelled {
            at: order.canceled_at.unwrap_or(order.updated_at),
        };
    }
    match order.status.as_str() {
        "pending" | "draft" | "requires_action" => ChannelState::Open,
        "completed" | "archived" => ChannelState::Completed,
        raw => ChannelState::Unknown {
            raw: raw.to_owned(),
        },
    }
}

/// A completed order is open: the shop fulfils it like any other, and whether to send it is not the gate's to say.
fn gate(order: &Order) -> ChannelGate {
    if order.is_cancelled() {
        return ChannelGate::Closed;
    }
    match order.status.as_str() {
        "draft" => ChannelGate::NotYet,
        _ if order.is_draft_order => ChannelGate::NotYet,
        "pending" | "completed" | "archived" => ChannelGate::Open,
        _ => ChannelGate::Frozen,
    }
}

/// The newest method: an edit in the shop can only add one.
fn service(order: &Order) -> Option<String> {
    let newest = order
        .shipping_methods
        .iter()
        .max_by(|a, b| a.id.cmp(&b.id))?;
    newest.name.clone().filter(|name| !name.is_empty())
}

fn line(
    item: &Item,
    group: &GroupKey,
    customs: Customs,
    currency: Currency,
) -> Result<OrderLine, String> {
    let quantity = whole("items.detail.quantity", &item.detail.quantity)?;
    let gross = minor("items.total", &item.total, currency)?;
    Ok(OrderLine {
        key: LineKey::new(item.id.clone()),
        group: group.clone(),
        sku: item.sku().map(str::to_owned),
        title: title(item),
        quantity,
        unit_price: amounts::each(gross, quantity),
        tax_rate_bp: amounts::rate(
            "items",
            &item.tax_lines,
            item.tax_total.as_ref(),
            gross,
            currency,
        )?,
        by: if amounts::is_discount(item, gross) || !item.requires_shipping.unwrap_or(true) {
            FulfilledBy::Nobody
        } else {
            FulfilledBy::Us
        },
        customs,
    })
}

/// `Mug (Red)`; a product without variants has a variant called `Default …` that says nothing.
fn title(item: &Item) -> String {
    let product = item.title.as_deref().unwrap_or_default();
    match item.subtitle.as_deref() {
        Some(variant)
            if !variant.is_empty() && variant != product && !variant.starts_with("Default") =>
        {
            format!("{product} ({variant})").trim_start().to_owned()
        }
        _ => product.to_owned(),
    }
}

/// Our reference in a fulfilment's metadata.
#[must_use]
pub(crate) fn reference(fulfilment: &Fulfillment) -> Option<&str> {
    fulfilment.metadata.get(REFERENCE).and_then(Value::as_str)
}

/// Tracking numbers of a fulfilment.
pub(crate) fn tracking(fulfilment: &Fulfillment) -> impl Iterator<Item = &str> {
    fulfilment
        .labels
        .iter()
        .filter_map(|label| label.tracking_number.as_deref())
        .filter(|number| !number.is_empty())
}

fn fulfilment(told: &Fulfillment) -> Result<ChannelFulfilment, String> {
    let mut lines = Vec::with_capacity(told.items.len());
    for item in &told.items {
        if let Some(line) = &item.line_item_id {
            lines.push((
                LineKey::new(line.clone()),
                whole("fulfillments.items.quantity", &item.quantity)?,
            ));
        }
    }
    lines.sort();
    Ok(ChannelFulfilment {
        key: ExternalId::new(told.id.clone()),
        reference: reference(told).map(str::to_owned),
        shipped_at: told.shipped_at,
        cancelled_at: told.canceled_at,
        location: told.location_id.clone(),
        tracking: tracking(told).map(str::to_owned).collect(),
        lines,
    })
}
