//! Stock levels: one record per product or variation that has a quantity of its own.

use std::collections::BTreeSet;

use hikiate_sdk::decode::reason;
use hikiate_sdk::text::whole_pairs;
use hikiate_sdk::{BadRecord, Currency, Decimal, ExternalId, Observed, Record, StockLevel};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::number;
use crate::wire::Product;

/// What is stored of a product whose SKU others have, too.
#[derive(Deserialize, Serialize)]
struct Shared<'r> {
    #[serde(borrow)]
    product: &'r RawValue,
    /// Ids of the others.
    shared_with: BTreeSet<u64>,
}

/// The level of a product or variation, as it was told or as it was stored; `None` for one without a SKU, which cannot be named by
/// ours, and for one whose stock the shop does not manage there: it has none, which is not 0.
#[must_use]
pub(crate) fn stock_record(raw: &str) -> Option<Record> {
    match serde_json::from_str::<Shared<'_>>(raw) {
        Ok(shared) => stock_record_of(shared.product.get(), &shared.shared_with),
        Err(_) => stock_record_of(raw, &BTreeSet::new()),
    }
}

/// The same of one whose SKU these others have, too: whose quantity it is cannot be told, and no sum is of one item.
#[must_use]
pub(crate) fn stock_record_of(raw: &str, shared_with: &BTreeSet<u64>) -> Option<Record> {
    let product = match serde_json::from_str::<Product>(&whole_pairs(raw)) {
        Ok(product) if product.manage_stock != Value::Bool(true) => return None,
        Ok(product) => product,
        Err(error) => {
            let code = stock_code(raw).map(ExternalId::new);
            return Some(Record::new(
                raw,
                Err(BadRecord::new(code, reason(raw, &error))),
            ));
        }
    };
    let code = product.sku?;
    let bad = |reason: &str| Err(BadRecord::new(Some(ExternalId::new(code.clone())), reason));
    if !shared_with.is_empty() {
        let others: Vec<String> = shared_with.iter().map(u64::to_string).collect();
        let parsed = bad(&format!(
            "sku: {code} is also that of {}: a variation without a SKU of its own has its product's; give each its own in the shop",
            others.join(", ")
        ));
        let parsed = parsed.map_err(|bad| bad.because("sku: several have the same"));
        return Some(Record::new(stored(raw, shared_with), parsed));
    }
    let parsed = match quantity(&product.stock_quantity) {
        None => bad("stock_quantity: not a whole number"),
        Some(quantity) => Ok(Observed::Stock(StockLevel {
            code,
            location: None,
            quantity,
            free: true,
            as_of: None,
            read_at: None,
        })),
    };
    Some(Record::new(raw, parsed))
}

/// The SKU that a product or variation is told with, where its quantity is one of the stock.
#[must_use]
pub(crate) fn stock_code(raw: &str) -> Option<String> {
    let told: Value = serde_json::from_str(&whole_pairs(raw)).ok()?;
    let managed = told.get("manage_stock") == Some(&Value::Bool(true));
    let sku = told.get("sku").and_then(number).filter(|_| managed);
    sku.filter(|sku| !sku.is_empty())
}

fn stored(raw: &str, shared_with: &BTreeSet<u64>) -> String {
    let ids: Vec<String> = shared_with.iter().map(u64::to_string).collect();
    format!(r#"{{"product":{raw},"shared_with":[{}]}}"#, ids.join(","))
}

/// A whole number; a shop that sells on backorder has negative ones, which the engine keeps apart.
fn quantity(value: &Value) -> Option<i64> {
    let decimal: Decimal = number(value)?.parse().ok()?;
    let (value, exact) = decimal.to_minor(Currency::JPY).ok()?;
    exact.then_some(value)
}
