//! 出荷依頼: an instruction as OPENLOGI takes it. What it has no field for is refused by name, never dropped.

use std::collections::BTreeMap;

use hikiate_sdk::{Asks, Currency, Error, Instruction, InstructionLine, Temperature};

use super::address::{address, bare_name, refused};
use crate::config::{Settings, TemperatureRule};
use crate::wire::{NewItem, NewShipment, is_plain};

/// Times of day.
pub(crate) const SLOTS: [&str; 6] = ["AM", "12", "14", "16", "18", "19"];
/// What a shipping method may be mapped to: a carrier, a kind of parcel, or both.
pub(crate) const SERVICES: [&str; 8] = [
    "YAMATO",
    "SAGAWA",
    "POST_EXPRESS",
    "HOME_BOX",
    "YAMATO POST_EXPRESS",
    "YAMATO HOME_BOX",
    "SAGAWA POST_EXPRESS",
    "SAGAWA HOME_BOX",
];
const CARRIERS: [&str; 2] = ["YAMATO", "SAGAWA"];
const METHODS: [&str; 2] = ["POST_EXPRESS", "HOME_BOX"];
const WRAPPINGS: [&str; 2] = ["NAVY", "RED"];

/// Characters of a message on the slip.
const MESSAGE: usize = 500;
/// Characters of an item's name.
const TITLE: usize = 255;
/// Characters of an order's number.
const ORDER: usize = 100;
/// Most that can be collected, in yen.
const MOST: i64 = 999_999_999;

/// The shipment that is created of an instruction.
///
/// # Errors
/// `Rejected` naming the field, never with personal text; the code says which part it is: `name`, `address`, `service`, `wish`,
/// `title`.
pub(crate) fn shipment(told: &Instruction, settings: &Settings) -> Result<NewShipment, Error> {
    let reference = told.reference.as_str();
    if !is_plain(reference) {
        let why = "is empty or has characters that an address cannot have";
        return Err(refused("service", "reference", why));
    }
    let order_no = told.display.trim();
    if order_no.chars().count() > ORDER {
        let why = format!("has over {ORDER} characters");
        return Err(refused("service", "display", &why));
    }
    let asks = &told.asks;
    let recipient = address(&told.ship_to, "ship_to", settings.long_names)?;
    let (sender, gift_sender_name) = match &asks.sender {
        None => (None, None),
        Some(party) if party.postal_code.is_empty() && party.address1.is_empty() => {
            (None, Some(bare_name(party, "sender").map_err(wish)?))
        }
        Some(party) => {
            let sender = address(party, "sender", settings.long_names).map_err(wish)?;
            (Some(sender), None)
        }
    };
    let (delivery_carrier, delivery_method) = service(told.service.as_deref())?;
    let wrapping = gift(asks)?;
    temperature(asks.temperature, settings.temperature)?;
    let (cod, cod_tax) = cod(asks)?;
    let prices = asks
        .prices
        .filter(|prices| prices.currency == Currency::JPY);
    let discount = |amount: i64| amount.checked_neg().unwrap_or(amount);
    Ok(NewShipment {
        identifier: reference.to_owned(),
        order_no: (!order_no.is_empty()).then(|| order_no.to_owned()),
        recipient,
        sender,
        gift_sender_name,
        items: items(&told.lines, prices.is_some())?,
        warehouse: settings.warehouse.clone(),
        backorder_if_unavailable: settings.backorder,
        delivery_carrier,
        delivery_method,
        delivery_date: asks.arrive_on.map(|day| day.format("%Y-%m-%d").to_string()),
        delivery_time_slot: slot(asks.slot.as_deref())?,
        gift_wrapping_unit: wrapping.as_ref().map(|_| "ORDER".to_owned()),
        gift_wrapping_type: wrapping,
        message: (!asks.gift.message.is_empty()).then(|| asks.gift.message.clone()),
        cash_on_delivery: cod.is_some(),
        total_for_cash_on_delivery: cod,
        tax_for_cash_on_delivery: cod_tax,
        subtotal_amount: prices.map(|prices| prices.goods),
        delivery_charge: prices.map(|prices| prices.postage),
        handling_charge: prices.map(|prices| prices.fees),
        discount_amount: prices.map(|prices| discount(prices.discount)),
        total_amount: prices.map(|prices| prices.total),
    })
}

/// A part of what is asked, whatever part of an address it is.
fn wish(error: Error) -> Error {
    error.with_code("wish")
}

/// One item a code: what stands in two lines of an order is one thing on the shelf.
fn items(lines: &[InstructionLine], priced: bool) -> Result<Vec<NewItem>, Error> {
    let mut items: Vec<NewItem> = Vec::with_capacity(lines.len());
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for line in lines {
        let of = format!("lines.{}", line.n);
        if line.code.trim().is_empty() || line.quantity == 0 {
            let why = "has no code or no quantity";
            return Err(refused("title", &of, why));
        }
        if line.title.chars().count() > TITLE {
            let why = format!("has over {TITLE} characters");
            return Err(refused("title", &format!("{of}.title"), &why));
        }
        let unit_price = line.unit_price.filter(|_| priced);
        let Some(at) = places.get(line.code.as_str()) else {
            places.insert(&line.code, items.len());
            items.push(NewItem {
                code: line.code.clone(),
                quantity: line.quantity,
                name: (!line.title.trim().is_empty()).then(|| line.title.clone()),
                unit_price,
                price: None,
            });
            continue;
        };
        if let Some(item) = items.get_mut(*at) {
            let sum = item.quantity.checked_add(line.quantity);
            item.quantity =
                sum.ok_or_else(|| refused("title", &of, "makes a quantity that is out of range"))?;
            // Two prices of one thing cannot be printed in one row.
            item.unit_price = item.unit_price.filter(|price| Some(*price) == unit_price);
        }
    }
    if items.is_empty() {
        return Err(refused(
            "title",
            "lines",
            "are empty: at least one is needed",
        ));
    }
    for item in &mut items {
        let quantity = i64::from(item.quantity);
        item.price = item
            .unit_price
            .and_then(|price| price.checked_mul(quantity));
    }
    Ok(items)
}

fn word(text: &str, words: &[&'static str]) -> Option<String> {
    let text = text.trim();
    let mut same = words.iter().filter(|word| word.eq_ignore_ascii_case(text));
    same.next().map(|word| (*word).to_owned())
}

/// The carrier and the kind of parcel; a warehouse's word may name both, `YAMATO HOME_BOX`.
fn service(service: Option<&str>) -> Result<(Option<String>, Option<String>), Error> {
    let (mut carrier, mut method) = (None, None);
    for part in service.unwrap_or_default().split_whitespace() {
        if let Some(known) = word(part, &CARRIERS).filter(|_| carrier.is_none()) {
            carrier = Some(known);
        } else if let Some(known) = word(part, &METHODS).filter(|_| method.is_none()) {
            method = Some(known);
        } else {
            let why = "is none of OPENLOGI's: map the channel's shipping method under [warehouses.NAME.services] to YAMATO or SAGAWA, POST_EXPRESS or HOME_BOX, or \"\" for its usual one";
            return Err(refused("service", "service", why));
        }
    }
    Ok((carrier, method))
}

fn slot(slot: Option<&str>) -> Result<Option<String>, Error> {
    let Some(slot) = slot.filter(|slot| !slot.trim().is_empty()) else {
        return Ok(None);
    };
    let known = word(slot, &SLOTS).ok_or_else(|| {
        let why = "is none of OPENLOGI's: map the channel's time of day under [warehouses.NAME.slots] to AM, 12, 14, 16, 18 or 19";
        refused("wish", "slot", why)
    })?;
    Ok(Some(known))
}

/// The colour of the wrapping. A noshi cannot be asked for.
fn gift(asks: &Asks) -> Result<Option<String>, Error> {
    let gift = &asks.gift;
    for (field, text) in [
        ("gift.noshi", &gift.noshi),
        ("gift.noshi_name", &gift.noshi_name),
    ] {
        if !text.is_empty() {
            return Err(refused("wish", field, "has no field at OPENLOGI"));
        }
    }
    if gift.message.chars().count() > MESSAGE {
        let why = format!("has over {MESSAGE} characters");
        return Err(refused("wish", "gift.message", &why));
    }
    if gift.wrapping.is_empty() {
        return Ok(None);
    }
    let known = word(&gift.wrapping, &WRAPPINGS).ok_or_else(|| {
        refused(
            "wish",
            "gift.wrapping",
            "is none of OPENLOGI's: NAVY or RED",
        )
    })?;
    Ok(Some(known))
}

fn temperature(asked: Option<Temperature>, rule: TemperatureRule) -> Result<(), Error> {
    match (asked, rule) {
        (None | Some(Temperature::Ambient), _) | (_, TemperatureRule::ByItem) => Ok(()),
        (Some(_), TemperatureRule::Refuse) => {
            let why = "has no field at OPENLOGI, which goes by the storage zone of each item: set temperature = \"by-item\" if all chilled and frozen items have theirs";
            Err(refused("wish", "temperature", why))
        }
    }
}

/// Yen that the carrier collects, and the tax in them.
fn cod(asks: &Asks) -> Result<(Option<i64>, Option<i64>), Error> {
    let Some(cod) = &asks.cod else {
        return Ok((None, None));
    };
    if cod.currency != Currency::JPY {
        let why = "is not in yen, and Japanese carriers collect nothing else";
        return Err(refused("wish", "cod", why));
    }
    if !(1..=MOST).contains(&cod.amount) {
        let why = format!("is out of range: 1 to {MOST} yen can be collected");
        return Err(refused("wish", "cod", &why));
    }
    Ok((Some(cod.amount), cod.tax))
}
