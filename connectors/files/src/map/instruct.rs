//! What a template sees of an instruction and of a cancel request.

use chrono::{DateTime, SecondsFormat, Utc};
use hikiate_sdk::{
    CancelInstructionCall, InstructCall, Instruction, InstructionLine, Party, ShipmentReference,
};
use minijinja::value::Value;

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
    Value::from_pairs([
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
    values: &'a Value,
) -> impl Iterator<Item = (&'a str, Value)> {
    let batch = call.batch.to_string();
    call.instructions.iter().flat_map(move |i| {
        let batch = batch.clone();
        i.lines.iter().map(move |line| {
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
        }],
    }
}
