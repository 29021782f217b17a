//! Stock levels: one record per item and stock location.

use hikiate_sdk::decode::reason;
use hikiate_sdk::text::whole_pairs;
use hikiate_sdk::{BadRecord, Currency, ExternalId, Observed, Record, StockLevel};
use serde_json::Number;

use super::stamp;
use crate::wire::InventoryItem;

/// The levels of one inventory item. An item without a SKU cannot be named by ours and has none.
#[must_use]
pub(crate) fn stock_records(raw: &str) -> Vec<Record> {
    let record = |parsed| Record::new(raw, parsed);
    let bad = |reason| {
        record(Err(BadRecord::new(
            stamp(raw).0.map(ExternalId::new),
            reason,
        )))
    };
    let item = match serde_json::from_str::<InventoryItem>(&whole_pairs(raw)) {
        Ok(item) => item,
        Err(error) => return vec![bad(reason(raw, &error))],
    };
    let Some(sku) = item.sku.filter(|sku| !sku.is_empty()) else {
        return Vec::new();
    };
    item.location_levels
        .into_iter()
        .map(|level| match quantity(&level.stocked_quantity) {
            Some(quantity) => {
                let location = Some(level.location_id);
                record(Ok(Observed::Stock(StockLevel {
                    code: sku.clone(),
                    location,
                    quantity,
                    free: false,
                    as_of: None,
                    read_at: None,
                })))
            }
            None => bad(format!(
                "location_levels.stocked_quantity: {} is not a whole number",
                level.stocked_quantity
            )),
        })
        .collect()
}

/// A whole number; a shop that sells on backorder has negative ones, which the engine keeps apart.
fn quantity(number: &Number) -> Option<i64> {
    let decimal: hikiate_sdk::Decimal = number.to_string().parse().ok()?;
    let (value, exact) = decimal.to_minor(Currency::JPY).ok()?;
    exact.then_some(value)
}
