//! Parcels of a shipment: decided in one place, from all that was reported of it and all that operators typed.
//!
//! Files say more than once what left, in parts, and with numbers that come later or change. What is one parcel:
//!
//! - (a) where the warehouse names its parcels, the name decides;
//! - (b) else, from a later file, the same line at the same clock time is the same row, and the newest stands; rows of one
//!   file, or of a day without a time, with different numbers are different rows;
//! - (c) the same number with other lines is the same parcel;
//! - (d) a number that comes for a line that was told without one is of the same parcel where quantity and time are as they
//!   were written, or where both together would be more than was instructed: so are several boxes of one file together, and what is
//!   in none of them is still without a number;
//! - (e) another number or time is a further parcel while all together is no more than was instructed;
//! - (f) beyond that, the same lines and quantities under another number are a corrected number: nothing moves;
//! - (g) everything else beyond that is over-shipped, and moves.
//!
//! A report that names codes is of the lines of these codes, in their order. One that says everything holds what is in no
//! other parcel; several such reports of one file are labels of one parcel, and of a later file another number is a corrected one.
//!
//! Of one parcel and line the last file's quantity stands, lines that were not named before join, and lines that a later
//! report does not name stay; quantities of a report that says so are added instead, by each file once. Files are
//! gone through by their own times, where they have one; what an operator typed stays where it was typed.

mod decide;
mod heard;
mod held;
mod lines;
mod parcel;
mod row;
mod said;
mod to_come;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use hikiate_sdk::ParcelReport;

pub(crate) use heard::{Decided, Heard, Instructed};
pub(crate) use parcel::{CLOCKS, Merged, Parcel, Renumbered, contents};
pub(crate) use said::no_number;

use crate::facts::FactBody;

/// The parcels that facts of one order tell, each once, with its right numbers and all that is in it; facts in stored
/// order, each with its id and when it was stored. Where the shipments' decisions and the releases are among them, what was instructed is known too.
#[must_use]
pub fn parcels_told<'a>(
    facts: impl IntoIterator<Item = (i64, DateTime<Utc>, &'a FactBody)>,
) -> Vec<ParcelReport> {
    let mut heard = Heard::default();
    let mut references = BTreeSet::new();
    let mut instructed = BTreeMap::new();
    for (id, recorded_at, body) in facts {
        match body {
            FactBody::Parcel(report) => {
                references.insert(&report.reference);
            }
            FactBody::Shipment(shipment) => {
                instructed.insert(&shipment.reference, shipment);
            }
            _ => {}
        }
        heard.hear(id, recorded_at, body);
    }
    references
        .into_iter()
        .flat_map(|reference| {
            let shipment = instructed.get(reference).copied();
            let believe_all = |_: u32, _: &str| Some(1);
            heard
                .take(
                    reference,
                    &Instructed {
                        shipment,
                        items_of: &believe_all,
                    },
                )
                .parcels
        })
        .map(|parcel| parcel.told())
        .collect()
}
