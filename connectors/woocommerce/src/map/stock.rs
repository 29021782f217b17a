//! Stock levels: one record per product or variation that has a quantity of its own.

use hikiate_sdk::decode::reason;
use hikiate_sdk::text::whole_pairs;
use hikiate_sdk::{BadRecord, Currency, Decimal, ExternalId, Observed, Record, StockLevel};
use serde_json::Value;

use super::{id, number, stamp};
use crate::wire::Product;

/// The level of a product or variation; `None` for one without a SKU, which cannot be named by ours, and for one whose stock
/// the shop does not manage there: it has none, which is not 0.
#[must_use]
pub(crate) fn stock_record(raw: &str) -> Option<Record> {
    let bad = |reason| BadRecord::new(id(&stamp(raw)).map(ExternalId::new), reason);
    let parsed = match serde_json::from_str::<Product>(&whole_pairs(raw)) {
        Ok(product) if product.manage_stock != Value::Bool(true) => return None,
        Ok(product) => {
            let code = product.sku?;
            quantity(&product.stock_quantity)
                .map(|quantity| {
                    Observed::Stock(StockLevel {
                        code,
                        location: None,
                        quantity,
                        free: true,
                        as_of: None,
                        read_at: None,
                    })
                })
                .ok_or_else(|| bad("stock_quantity: not a whole number".to_owned()))
        }
        Err(error) => Err(bad(reason(raw, &error))),
    };
    Some(Record::new(raw, parsed))
}

/// A whole number; a shop that sells on backorder has negative ones, which the engine keeps apart.
fn quantity(value: &Value) -> Option<i64> {
    let decimal: Decimal = number(value)?.parse().ok()?;
    let (value, exact) = decimal.to_minor(Currency::JPY).ok()?;
    exact.then_some(value)
}
