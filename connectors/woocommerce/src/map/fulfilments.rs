//! What the shop shows as packed or shipped: its fulfilments, and what hikiate wrote where it has none.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use hikiate_sdk::{ChannelFulfilment, ExternalId, LineKey, ShippedLine};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::whole;
use crate::wire::{Bundle, FulfilledItem, Fulfillment, Meta, Order, Stamp, clock_time, meta};

/// The key of a fulfilment's metadata that carries our reference of the shipment.
pub(crate) const REFERENCE: &str = "hikiate_ref";

/// The key of an order's metadata that carries a shipment of ours where the shop has no fulfilments: this and our reference.
pub(crate) const SHIPPED: &str = "_hikiate_shipped_";

/// The key of an order's metadata that the shop keeps while the order has fulfilments.
const STATUS: &str = "_fulfillment_status";

/// The value of [`SHIPPED`], as JSON text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shipped {
    /// What left.
    pub(crate) lines: Vec<ShippedLine>,
    /// The carriers' numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) tracking: Vec<String>,
    /// When it left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) at: Option<DateTime<Utc>>,
}

/// Whether the shop has fulfilments of an order: they are read apart, and most orders have none.
pub(crate) fn has_fulfilments(stamp: &Stamp) -> bool {
    let all = stamp.meta_data.as_array().into_iter().flatten();
    all.filter_map(|meta| meta.get("key")?.as_str())
        .any(|key| key == STATUS)
}

/// Our reference in a fulfilment's metadata.
pub(crate) fn reference(fulfilment: &Fulfillment) -> Option<&str> {
    meta(fulfilment.meta_data(), REFERENCE)?.as_str()
}

/// The tracking numbers of a fulfilment. It has one field: several are written with commas between.
pub(crate) fn tracking(fulfilment: &Fulfillment) -> impl Iterator<Item = &str> {
    let told = meta(fulfilment.meta_data(), "_tracking_number");
    let told = told.and_then(Value::as_str).unwrap_or_default();
    told.split(',').map(str::trim).filter(|n| !n.is_empty())
}

/// All of them, in the order of their ids.
pub(super) fn all(bundle: &Bundle) -> Result<Vec<ChannelFulfilment>, String> {
    let mut told: Vec<&Fulfillment> = bundle.fulfillments.iter().collect();
    told.sort_by_key(|fulfilment| fulfilment.id);
    let mut all = Vec::with_capacity(told.len());
    for fulfilment in told {
        all.push(read(fulfilment, &bundle.order)?);
    }
    for meta in bundle.order.meta_data() {
        let Some(reference) = meta.key.strip_prefix(SHIPPED) else {
            continue;
        };
        let known = |of: &ChannelFulfilment| of.reference.as_deref() == Some(reference);
        if !all.iter().any(known) {
            all.extend(noted(reference, meta));
        }
    }
    Ok(all)
}

/// When it left; `None` while it is only packed.
pub(crate) fn shipped_at(fulfilment: &Fulfillment, order: &Order) -> Option<DateTime<Utc>> {
    let left = meta(fulfilment.meta_data(), "_date_fulfilled");
    let left = left.and_then(Value::as_str).and_then(clock_time);
    fulfilment.is_fulfilled().then(|| {
        let at = left.or(fulfilment.date_updated);
        // That it left is certain, when is not: no later than this.
        at.map_or(order.date_modified_gmt, |at| in_utc(at, order))
    })
}

fn read(fulfilment: &Fulfillment, order: &Order) -> Result<ChannelFulfilment, String> {
    Ok(ChannelFulfilment {
        key: ExternalId::new(fulfilment.id.to_string()),
        reference: reference(fulfilment).map(str::to_owned),
        shipped_at: shipped_at(fulfilment, order),
        cancelled_at: fulfilment.date_deleted.map(|at| in_utc(at, order)),
        location: None,
        tracking: tracking(fulfilment).map(str::to_owned).collect(),
        lines: units(fulfilment)?,
    })
}

/// Fulfilments tell the time by the clock of the shop's zone alone; the order tells both of one moment.
fn in_utc(local: NaiveDateTime, order: &Order) -> DateTime<Utc> {
    let gmt = order.date_modified_gmt.naive_utc();
    let offset = order
        .date_modified
        .map_or(TimeDelta::zero(), |here| here - gmt);
    local.checked_sub_signed(offset).unwrap_or(local).and_utc()
}

/// What is in a fulfilment, by line.
///
/// # Errors
/// The field and why.
pub(crate) fn units(fulfilment: &Fulfillment) -> Result<Vec<(LineKey, u32)>, String> {
    const FIELD: &str = "fulfillments.meta_data._items";
    let told = meta(fulfilment.meta_data(), "_items").cloned();
    // Some writers leave it as text.
    let told = match told {
        Some(Value::String(text)) => serde_json::from_str(&text).ok(),
        other => other,
    };
    let items: Vec<FulfilledItem> = told
        .map(serde_json::from_value)
        .transpose()
        .map_err(|_| format!("{FIELD}: not a list of item_id and qty"))?
        .unwrap_or_default();
    let mut lines = Vec::with_capacity(items.len());
    for item in items {
        let line = LineKey::new(item.item_id.to_string());
        lines.push((line, whole(&format!("{FIELD}.qty"), &item.qty)?));
    }
    lines.sort();
    Ok(lines)
}

/// A shipment that hikiate wrote into the order itself; nothing where somebody has damaged it: who shipped it knows.
fn noted(reference: &str, meta: &Meta) -> Option<ChannelFulfilment> {
    let shipped: Shipped = serde_json::from_str(meta.value.as_str()?).ok()?;
    let lines = shipped.lines.into_iter();
    let mut lines: Vec<(LineKey, u32)> = lines.map(|line| (line.line, line.quantity)).collect();
    lines.sort();
    Some(ChannelFulfilment {
        key: ExternalId::new(format!("hikiate-{reference}")),
        reference: Some(reference.to_owned()),
        shipped_at: shipped.at,
        cancelled_at: None,
        location: None,
        tracking: shipped.tracking,
        lines,
    })
}
