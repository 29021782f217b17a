//! From the wire to the trade: pure, no clock, no network.

mod amounts;
mod code;
mod fulfilments;
mod payment;
mod personal;
mod region;
mod stock;

#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};
use hikiate_sdk::decode::reason;
use hikiate_sdk::text::whole_pairs;
use hikiate_sdk::{
    BadRecord, ChannelGate, ChannelState, Customs, DeliveryGroup, ExternalId, FulfilledBy,
    GroupKey, LineKey, Observed, OrderLine, OrderSnapshot, Record,
};
use serde_json::Value;

use crate::config::{Settings, Standing};
use crate::wire::{self, Bundle, Line, Order, Stamp, StampBundle, is_yes};
use amounts::Rates;

pub(crate) use amounts::{minor, whole};
pub(crate) use code::{Parents, parents_of};
pub(crate) use fulfilments::{
    REFERENCE, SHIPPED, Shipped, has_fulfilments, reference, shipped_at, tracking, units,
};
pub(crate) use payment::{REFUND, refunded_units};
pub(crate) use stock::{stock_code, stock_record, stock_record_of};

/// The key of an order's metadata that shows the shop's staff what holds it.
pub(crate) const NOTE: &str = "hikiate_hold";

/// The status of an order in the bin.
pub(crate) const TRASH: &str = "trash";

/// Decodes one order with what was read beside it; what cannot be understood is a bad record and nothing else.
#[must_use]
pub(crate) fn order_record(raw: &str, settings: &Settings) -> Record {
    let stamp: StampBundle = serde_json::from_str(&whole_pairs(raw)).unwrap_or_default();
    let parsed = match stamp.unread {
        Some(why) => Err(why),
        None => serde_json::from_str::<Bundle>(&whole_pairs(raw))
            .map_err(|error| reason(raw, &error))
            .and_then(|bundle| {
                let snapshot = order_snapshot(&bundle, settings)?;
                let personal = personal::of(&bundle.order);
                Ok(Observed::Order(Box::new(snapshot), Box::new(personal)))
            }),
    };
    let order = stamp.order;
    let parsed = parsed.map_err(|reason| BadRecord::new(id(&order).map(ExternalId::new), reason));
    Record::new(raw, parsed).excluded_if(is_excluded(&order, settings))
}

/// A record of an order that the shop cannot tell by its id, which consists of digits, and why.
#[must_use]
pub(crate) fn unread_order(id: &str, why: &str, settings: &Settings) -> Record {
    let why = Value::from(why);
    order_record(
        &format!("{{\"order\":{{\"id\":{id}}},\"unread\":{why}}}"),
        settings,
    )
}

/// Whether `since` or `statuses` leaves this order out, however it was found.
fn is_excluded(stamp: &Stamp, settings: &Settings) -> bool {
    let status = stamp.status.as_str().unwrap_or_default();
    let ignored = settings.standing(status) == Some(Standing::Ignored);
    let before = settings.since.zip(changed(stamp));
    ignored || before.is_some_and(|(since, changed)| changed < since)
}

/// What can be read of an order as a list has it.
#[must_use]
pub(crate) fn stamp(raw: &str) -> Stamp {
    serde_json::from_str(&whole_pairs(raw)).unwrap_or_default()
}

/// The id of an order, where it can be read.
#[must_use]
pub(crate) fn id(stamp: &Stamp) -> Option<String> {
    stamp.id.as_u64().map(|id| id.to_string())
}

/// The time of the last change, where it can be read.
#[must_use]
pub(crate) fn changed(stamp: &Stamp) -> Option<DateTime<Utc>> {
    let at = wire::clock_time(stamp.date_modified_gmt.as_str()?)?;
    Some(at.and_utc())
}

/// An order without its personal part. Lines and charges stand in the order of their ids: the same order read twice must be
/// the same snapshot.
///
/// # Errors
/// Field and rule of what cannot be understood.
pub(crate) fn order_snapshot(
    bundle: &Bundle,
    settings: &Settings,
) -> Result<OrderSnapshot, String> {
    let order = &bundle.order;
    let currency = order
        .currency
        .parse()
        .map_err(|e| format!("currency: {e}"))?;
    let group = GroupKey::new("1");
    let rates = Rates::read(&order.tax_lines)?;
    let total = minor("total", &order.total, currency)?;
    let mut lines: Vec<&Line> = order.line_items.iter().collect();
    lines.sort_by_key(|line| line.id);
    let charges = amounts::charges(order, &lines, total, &rates, settings, currency)?;
    let standing = settings.standing(&order.status);
    let lines = lines
        .into_iter()
        .map(|line| order_line(line, &bundle.parents, &group, &rates, currency))
        .collect::<Result<_, _>>()?;
    Ok(OrderSnapshot {
        external_id: ExternalId::new(order.id.to_string()),
        display: order
            .number
            .as_ref()
            .map_or_else(|| format!("#{}", order.id), |number| format!("#{number}")),
        version: u64::try_from(order.date_modified_gmt.timestamp()).ok(),
        ordered_at: order.date_created_gmt,
        currency,
        state: state(order, standing),
        gate: gate(standing),
        groups: vec![DeliveryGroup {
            key: group,
            service: service(order),
            earliest_ship: None,
            ship_by: None,
            wishes: hikiate_sdk::Wishes::default(),
        }],
        lines,
        charges,
        tenders: payment::tenders(bundle, total, standing, settings, currency)?,
        total: Some(total),
        fulfilments: fulfilments::all(bundle)?,
        taxes: amounts::taxes(order, &rates, currency)?,
        tags: Vec::new(),
        test: settings
            .test
            .as_deref()
            .and_then(|key| wire::meta(order.meta_data(), key))
            .is_some_and(is_yes),
    })
}

/// The shop keeps no time of a cancel: the last change is the nearest that there is.
fn state(order: &Order, standing: Option<Standing>) -> ChannelState {
    match standing {
        Some(Standing::Cancelled) => ChannelState::Cancelled {
            at: order.date_modified_gmt,
        },
        Some(Standing::Completed) => ChannelState::Completed,
        Some(Standing::Waiting | Standing::Open | Standing::Frozen | Standing::Ignored) => {
            ChannelState::Open
        }
        None => ChannelState::Unknown {
            raw: order.status.clone(),
        },
    }
}

/// A completed order is open: whether what is left of it is sent is not the gate's to say.
fn gate(standing: Option<Standing>) -> ChannelGate {
    match standing {
        Some(Standing::Open | Standing::Completed) => ChannelGate::Open,
        Some(Standing::Waiting | Standing::Ignored) => ChannelGate::NotYet,
        Some(Standing::Cancelled) => ChannelGate::Closed,
        Some(Standing::Frozen) | None => ChannelGate::Frozen,
    }
}

/// The first method: a further one is that of another package of the same order.
fn service(order: &Order) -> Option<String> {
    let first = order.shipping_lines.iter().min_by_key(|line| line.id)?;
    let title = first.method_title.clone();
    title.filter(|title| !title.is_empty())
}

/// An order does not say whether a line is shipped at all: the catalogue does.
fn order_line(
    line: &Line,
    parents: &Parents,
    group: &GroupKey,
    rates: &Rates,
    currency: hikiate_sdk::Currency,
) -> Result<OrderLine, String> {
    let quantity = whole("line_items.quantity", &line.quantity)?;
    let priced = amounts::Priced::line(line);
    let gross = priced.gross("line_items", currency)?;
    Ok(OrderLine {
        key: LineKey::new(line.id.to_string()),
        group: group.clone(),
        sku: code::of(line, parents),
        title: line.name.clone().unwrap_or_default(),
        quantity,
        unit_price: gross.and_then(|gross| amounts::each(gross, quantity)),
        tax_rate_bp: rates.of(priced.taxes),
        by: FulfilledBy::Us,
        customs: Customs::default(),
    })
}

/// A number, as JSON or as text.
pub(crate) fn number(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text.trim().to_owned()),
        _ => None,
    }
}
