//! What a template sees of an instruction and of a cancel request.

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use hikiate_sdk::{
    Asks, CancelInstructionCall, Customs, InstructCall, Instruction, InstructionLine, Party,
    ShipmentReference, Temperature,
};
use minijinja::value::Value;

use crate::layout::InstructRows;

/// The context of one row: `row`, `batch`, `values`.
pub(crate) fn context(row: Value, batch: &str, values: &Value) -> Value {
    Value::from_pairs([
        ("row", row),
        ("batch", Value::from(batch)),
        ("values", values.clone()),
    ])
}

/// `row` of 出荷指示: a line with the fields of its shipment.
pub(crate) fn instruction(i: &Instruction, line: &InstructionLine) -> Value {
    let asks = &i.asks;
    let day = |day: NaiveDate| day.format("%Y-%m-%d").to_string();
    let nobody = Party::default();
    let prices = asks.prices.as_ref();
    let money = |amount: Option<i64>| {
        let text = prices
            .zip(amount)
            .map(|(p, amount)| p.currency.format(amount));
        Value::from(text.unwrap_or_default())
    };
    let cod = asks.cod.as_ref();
    let collected = |amount: Option<i64>| {
        let text = cod
            .zip(amount)
            .map(|(cod, amount)| cod.currency.format(amount));
        Value::from(text.unwrap_or_default())
    };
    let currency = prices.map(|p| p.currency).or(cod.map(|cod| cod.currency));
    let word = |word: Option<&String>| Value::from(word.cloned().unwrap_or_default());
    let items = i.lines.iter().map(|line| {
        Value::from_pairs([
            ("n", Value::from(line.n)),
            ("code", Value::from(&line.code)),
            ("title", Value::from(&line.title)),
            ("quantity", Value::from(line.quantity)),
            ("price", money(line.unit_price)),
            ("hs_code", word(line.customs.hs_code.as_ref())),
            ("origin", word(line.customs.origin.as_ref())),
        ])
    });
    Value::from_pairs([
        (
            "arrive_on",
            Value::from(asks.arrive_on.map(day).unwrap_or_default()),
        ),
        ("slot", word(asks.slot.as_ref())),
        (
            "temperature",
            Value::from(
                asks.temperature
                    .map(Temperature::as_str)
                    .unwrap_or_default(),
            ),
        ),
        ("sender", party(asks.sender.as_ref().unwrap_or(&nobody))),
        (
            "gift",
            Value::from_pairs([
                ("noshi", &asks.gift.noshi),
                ("noshi_name", &asks.gift.noshi_name),
                ("wrapping", &asks.gift.wrapping),
                ("message", &asks.gift.message),
            ]),
        ),
        ("cod_amount", collected(cod.map(|cod| cod.amount))),
        ("cod_tax", collected(cod.and_then(|cod| cod.tax))),
        (
            "currency",
            Value::from(currency.map(|c| c.to_string()).unwrap_or_default()),
        ),
        ("goods", money(prices.map(|p| p.goods))),
        ("postage", money(prices.map(|p| p.postage))),
        ("fees", money(prices.map(|p| p.fees))),
        ("discount", money(prices.map(|p| p.discount))),
        ("total", money(prices.map(|p| p.total))),
        ("items", items.collect()),
        ("price", money(line.unit_price)),
        ("hs_code", word(line.customs.hs_code.as_ref())),
        ("origin", word(line.customs.origin.as_ref())),
        (
            "customs_value",
            money(line.customs.value.or(line.unit_price)),
        ),
        ("reference", Value::from(i.reference.as_str())),
        ("order_number", Value::from(&i.order_number)),
        ("display", Value::from(&i.display)),
        ("channel", Value::from(&i.channel)),
        ("ordered_at", Value::from(time(i.ordered_at))),
        (
            "earliest_ship",
            Value::from(i.earliest_ship.map(time).unwrap_or_default()),
        ),
        (
            "service",
            Value::from(i.service.clone().unwrap_or_default()),
        ),
        ("ship_to", party(&i.ship_to)),
        ("lines", Value::from(i.lines.len())),
        ("n", Value::from(line.n)),
        ("code", Value::from(&line.code)),
        ("title", Value::from(&line.title)),
        ("quantity", Value::from(line.quantity)),
    ])
}

/// `row` of 出荷取消.
pub(crate) fn cancel(c: &CancelInstructionCall) -> Value {
    Value::from_pairs([
        ("key", Value::from(&c.key)),
        ("reference", Value::from(c.reference.as_str())),
        ("order_number", Value::from(&c.order_number)),
    ])
}

/// All rows of a batch, each with its shipment's reference.
pub(crate) fn rows<'a>(
    call: &'a InstructCall,
    rows: InstructRows,
    values: &'a Value,
) -> impl Iterator<Item = (&'a str, Value)> {
    let batch = call.batch.to_string();
    call.instructions.iter().flat_map(move |i| {
        let batch = batch.clone();
        let lines = match rows {
            InstructRows::Lines => i.lines.as_slice(),
            InstructRows::Shipments => i.lines.get(..1).unwrap_or_default(),
        };
        lines.iter().map(move |line| {
            (
                i.reference.as_str(),
                context(instruction(i, line), &batch, values),
            )
        })
    })
}

fn party(p: &Party) -> Value {
    Value::from_pairs([
        ("name", &p.name),
        ("company", &p.company),
        ("country", &p.country),
        ("postal_code", &p.postal_code),
        ("region", &p.region),
        ("city", &p.city),
        ("address1", &p.address1),
        ("address2", &p.address2),
        ("phone", &p.phone),
        ("email", &p.email),
    ])
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// An instruction with every field filled, to try templates on.
pub(crate) fn example() -> Instruction {
    Instruction {
        reference: ShipmentReference::from("HK0123456789ABC-S1"),
        order_number: "HK0123456789ABC".to_owned(),
        display: "1001".to_owned(),
        channel: "shop".to_owned(),
        ordered_at: DateTime::UNIX_EPOCH,
        service: Some("standard".to_owned()),
        earliest_ship: Some(DateTime::UNIX_EPOCH),
        ship_to: Party {
            name: "x".to_owned(),
            country: "JP".to_owned(),
            ..Party::default()
        },
        lines: vec![InstructionLine {
            n: 1,
            code: "A-1".to_owned(),
            title: "x".to_owned(),
            quantity: 1,
            unit_price: None,
            customs: Customs::default(),
        }],
        asks: Asks::default(),
    }
}
