//! What each row of 出荷指示 must say, and whether a layout writes it: a file that is the same without it does not.

use hikiate_sdk::{Instruction, InstructionLine, Party, ShipmentReference};
use minijinja::value::Value;

use super::instruct::{context, example, instruction};
use super::sheet::Sheet;
use crate::layout::{Accept, Instruct, InstructRows, Layout};

/// What goods cannot ship without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Needed {
    Reference,
    Name,
    Address,
    Code,
    Quantity,
}

impl Needed {
    const ALL: [Self; 5] = [
        Self::Reference,
        Self::Name,
        Self::Address,
        Self::Code,
        Self::Quantity,
    ];

    /// In words, the value of a row that writes it, and why it must be there.
    fn says(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Reference => (
                "the reference of the shipment",
                "row.reference",
                "replies and reports are matched by it",
            ),
            Self::Name => (
                "the receiver's name",
                "row.ship_to.name",
                "goods would ship without it",
            ),
            Self::Address => (
                "the address",
                "row.ship_to.address1",
                "goods would ship without it",
            ),
            Self::Code => (
                "the code of a line's item",
                "row.code",
                "the warehouse would not know what to ship",
            ),
            Self::Quantity => (
                "the quantity of a line",
                "row.quantity",
                "the warehouse would not know how many to ship",
            ),
        }
    }

    /// Whether the files of a layout must have it.
    fn is_of(self, layout: &Layout, instruct: &Instruct) -> bool {
        match self {
            Self::Reference => {
                instruct.accept == Accept::File
                    || layout.reply.is_some()
                    || layout.shipped.is_some()
                    || layout.cancel_reply.is_some()
            }
            // Not every country has postal codes.
            Self::Name | Self::Address => true,
            // Slips name a shipment; people pack it by another list.
            Self::Code | Self::Quantity => instruct.rows == InstructRows::Lines,
        }
    }

    /// The sample with another value of it.
    fn changed(self, of: &Instruction) -> Instruction {
        let mut other = of.clone();
        match self {
            Self::Reference => other.reference = ShipmentReference::from("HK0123456789ABC-S2"),
            Self::Name => "y".clone_into(&mut other.ship_to.name),
            Self::Address => "y".clone_into(&mut other.ship_to.address1),
            // Of the last line: what writes the first one alone leaves the others out.
            Self::Code => {
                if let Some(line) = other.lines.last_mut() {
                    "C-3".clone_into(&mut line.code);
                }
            }
            Self::Quantity => {
                if let Some(line) = other.lines.last_mut() {
                    line.quantity = 3;
                }
            }
        }
        other
    }
}

/// What must be in the file and no column writes, each with what to add.
pub(crate) fn left_out(
    sheet: &Sheet,
    layout: &Layout,
    instruct: &Instruct,
    values: &Value,
) -> Vec<String> {
    let sample = sample();
    let lines = match instruct.rows {
        InstructRows::Lines => sample.lines.len(),
        InstructRows::Shipments => 1,
    };
    let rows = |of: &Instruction| -> Vec<Value> {
        let rows = of.lines.iter().take(lines);
        rows.map(|line| context(instruction(of, line), "example", values))
            .collect()
    };
    let plain = rows(&sample);
    let is_left_out = |needed: &Needed| {
        let other = rows(&needed.changed(&sample));
        let mut pairs = plain.iter().zip(&other);
        // A code that the layout translates may have no translation in the sample.
        let translated = *needed == Needed::Code
            && instruct
                .columns
                .iter()
                .any(|c| c.value.contains("row.code"));
        needed.is_of(layout, instruct)
            && !translated
            && pairs.all(|(one, other)| sheet.same(one, other))
    };
    let told = |needed: Needed| {
        let (what, value, why) = needed.says();
        format!("instruct.columns: no column contains {what}: {why}; add {value} to one")
    };
    let all = Needed::ALL.into_iter();
    all.filter(is_left_out).map(told).collect()
}

/// A shipment of two lines; more than one of the last, so that what only tells one from several is not taken for a quantity.
fn sample() -> Instruction {
    let mut sample = example();
    sample.ship_to = Party {
        name: "x".to_owned(),
        country: "JP".to_owned(),
        postal_code: "100-0001".to_owned(),
        region: "x".to_owned(),
        city: "x".to_owned(),
        address1: "x".to_owned(),
        phone: "03-1234-5678".to_owned(),
        ..Party::default()
    };
    let second = sample.lines.first().map(|line| InstructionLine {
        n: 2,
        code: "B-2".to_owned(),
        quantity: 2,
        ..line.clone()
    });
    sample.lines.extend(second);
    sample
}
