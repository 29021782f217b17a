//! Stock of one warehouse.

use hikiate_sdk::text::{code, whole_pairs};
use hikiate_sdk::{BadRecord, ExternalId, Observed, Record, StockLevel};

use crate::wire::{Item, Stock};

/// The stock of an item at the account's warehouse: what OPENLOGI would still ship, so what it has accepted, from whomever, is
/// taken off. Nothing where OPENLOGI does not say. Where it has accepted more than there is, none is left, and a second record says by
/// how much.
pub(crate) fn records(raw: &str, warehouse: Option<&str>) -> Vec<Record> {
    let Some(record) = record(raw, warehouse) else {
        return Vec::new();
    };
    match record.parsed {
        Ok(Observed::Stock(level)) if level.quantity < 0 => {
            let why = "more is promised at OPENLOGI than there is, which counts as none";
            let reason = format!("{}: available is {}: {why}", level.code, level.quantity);
            let bad = BadRecord::new(Some(ExternalId::from(level.code.as_str())), reason);
            let none = StockLevel {
                quantity: 0,
                ..level
            };
            vec![
                Record::new(raw, Ok(Observed::Stock(none))),
                Record::new(raw, Err(bad.because(why))),
            ]
        }
        parsed => vec![Record::new(raw, parsed)],
    }
}

fn record(raw: &str, warehouse: Option<&str>) -> Option<Record> {
    let item: Item = match serde_json::from_str(&whole_pairs(raw)) {
        Ok(item) => item,
        Err(e) => {
            let why = format!(
                "an item does not match OPENLOGI's document (column {})",
                e.column()
            );
            return Some(Record::new(raw, Err(BadRecord::new(None, why))));
        }
    };
    let code = code(&item.code);
    let bad = |why: &str| {
        let record = BadRecord::new(
            Some(ExternalId::from(code.as_str())),
            format!("{code}: {why}"),
        );
        Some(Record::new(raw, Err(record.because(why))))
    };
    let Some(stocks) = item.stocks else {
        return bad("stocks are absent");
    };
    let is_here = |stock: &&Stock| warehouse.is_none() || stock.warehouse.as_deref() == warehouse;
    let here: Vec<&Stock> = stocks.iter().filter(is_here).collect();
    let mut filled = here.iter().filter(|stock| stock.quantity != Some(0));
    let (place, quantity) = match (filled.next(), filled.next(), here.first()) {
        (Some(_), Some(_), _) => {
            return bad("it is in several warehouses: set warehouse to the one that ships");
        }
        (Some(stock), None, _) | (None, _, Some(stock)) => {
            let Some(place) = &stock.warehouse else {
                return bad("stocks have one without a warehouse");
            };
            let Some(quantity) = stock.available else {
                return bad("stocks have one without what is available");
            };
            (Some(place.clone()), quantity)
        }
        // All of it is elsewhere, if the others make up the whole.
        (None, _, None) => {
            let others = stocks.iter().map(|stock| stock.quantity);
            let others: Option<i64> = others.sum();
            let whole = item.stock.and_then(|stock| stock.quantity);
            if others.is_none() || others != whole {
                return None;
            }
            (warehouse.map(str::to_owned), 0)
        }
    };
    let level = StockLevel {
        code,
        location: place,
        quantity,
        free: true,
        as_of: None,
        read_at: None,
    };
    Some(Record::new(raw, Ok(Observed::Stock(level))))
}
