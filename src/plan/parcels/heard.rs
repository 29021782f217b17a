//! What was said of parcels, by shipment, until it is decided what is one.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use hikiate_sdk::{ParcelReport, ShipmentReference};

use super::super::tracking::same_number;
use super::decide::Table;
use super::lines::Lines;
use super::parcel::{Merged, Parcel};
use super::said::Said;
use crate::facts::{FactBody, ParcelCorrectedFact, ReleasedFact, ShipmentFact, ShipmentLine};

/// The release by which an operator says that what was told twice is two boxes.
const TWO: &str = "parcel_reported_twice";

/// Items of one of a code, by the line that a row names.
pub(super) type ItemsOf<'s> = &'s dyn Fn(u32, &str) -> Option<u32>;

/// What the warehouse was told of a shipment.
#[derive(Clone, Copy)]
pub(crate) struct Instructed<'s> {
    /// The decision; `None` where it is not known, and nothing is too much.
    pub(crate) shipment: Option<&'s ShipmentFact>,
    /// How many items one of a code is, on the line that a row names; `None` where the code is not that line's.
    pub(crate) items_of: ItemsOf<'s>,
}

impl Instructed<'_> {
    /// The lines that it was instructed with; none where the decision is not known.
    pub(super) fn lines(&self) -> &[ShipmentLine] {
        self.shipment.map_or(&[], |shipment| &shipment.lines)
    }
}

/// What is one parcel, and what is none.
#[derive(Debug, Default)]
pub(crate) struct Decided<'a> {
    /// In the order they became known.
    pub(crate) parcels: Vec<Parcel<'a>>,
    /// Of which no row is believed.
    pub(crate) misread: Vec<Parcel<'a>>,
    /// Reports that turned out to be of one of the parcels.
    pub(crate) merged: Vec<Merged<'a>>,
}

/// One word about a shipment.
#[derive(Clone, Copy, Debug)]
enum Word<'a> {
    Report(DateTime<Utc>, &'a ParcelReport),
    Corrected(&'a ParcelCorrectedFact),
}

impl Word<'_> {
    /// The time of the file that told it, else when it was stored.
    fn reported_at(&self) -> Option<DateTime<Utc>> {
        match self {
            Word::Report(recorded_at, report) => {
                Some(report.told.as_ref().map_or(*recorded_at, |told| told.at))
            }
            Word::Corrected(_) => None,
        }
    }
}

/// What facts of one order say of parcels.
#[derive(Debug, Default)]
pub(crate) struct Heard<'a> {
    words: BTreeMap<&'a str, Vec<(i64, Word<'a>)>>,
    /// Parcels that an operator told, by reference and key, and the fact that says so: the report after it is what was
    /// typed.
    by_hand: Vec<((&'a str, &'a str), i64)>,
    /// Releases that say so, and of which shipment; `None` for all that were told by then.
    two: Vec<(i64, Option<&'a str>)>,
}

impl<'a> Heard<'a> {
    /// Takes note of a fact that says something about parcels.
    pub(crate) fn hear(&mut self, id: i64, recorded_at: DateTime<Utc>, body: &'a FactBody) {
        let (reference, word) = match body {
            FactBody::Parcel(report) => (&report.reference, Word::Report(recorded_at, report)),
            FactBody::ParcelCorrected(corrected) => {
                (&corrected.reference, Word::Corrected(corrected))
            }
            FactBody::Shipped(shipped) => {
                let name = (shipped.reference.as_str(), shipped.key.as_str());
                self.by_hand.push((name, id));
                return;
            }
            FactBody::Released(released) => {
                self.two.extend(two_boxes(id, released));
                return;
            }
            _ => return,
        };
        self.words
            .entry(reference.as_str())
            .or_default()
            .push((id, word));
    }

    /// Decides what the parcels of a shipment are.
    pub(crate) fn take(
        &mut self,
        reference: &ShipmentReference,
        instructed: &Instructed<'_>,
    ) -> Decided<'a> {
        let reference = reference.as_str();
        let mut words = self.words.remove(reference).unwrap_or_default();
        let typed = self.typed(reference, &words);
        // Files by their own times: one that is read late says what was known before. What an operator typed stays where it is.
        let by_hand =
            |(id, word): &(i64, Word<'_>)| matches!(word, Word::Corrected(_)) || typed.contains(id);
        for files in words.split_mut(by_hand) {
            files.sort_by_key(|(_, word)| word.reported_at());
        }
        let reports = || {
            words.iter().filter_map(|(_, word)| match word {
                Word::Report(_, report) => Some(*report),
                Word::Corrected(_) => None,
            })
        };
        let lines = Lines::of(instructed, reports());
        let read: Vec<_> = reports()
            .map(|report| (report, lines.inside(report)))
            .collect();
        let mut table = Table::new(&lines, &read);
        let mut read = read.into_iter();
        for (id, word) in &words {
            match word {
                Word::Report(recorded_at, report) => {
                    let hand = typed.contains(id);
                    let two = self
                        .two
                        .iter()
                        .any(|(release, of)| release > id && of.is_none_or(|of| of == reference));
                    let inside = read.next().map(|(_, inside)| inside).unwrap_or_default();
                    let mut said = Said::of(*id, *recorded_at, report, inside);
                    (said.hand, said.two) = (hand, two);
                    said.reported = hand && reported(&words, &typed, report);
                    table.report(said);
                }
                Word::Corrected(corrected) => table.corrected(*id, corrected),
            }
        }
        table.decided()
    }

    /// The reports that operators typed.
    fn typed(&self, reference: &str, words: &[(i64, Word<'a>)]) -> BTreeSet<i64> {
        let told = self.by_hand.iter().filter(|((of, _), _)| *of == reference);
        let report = |((_, key), since): &((&str, &str), i64)| {
            let mut mine = words.iter().filter(|(_, word)| match word {
                Word::Report(_, report) => report.key == *key,
                Word::Corrected(_) => false,
            });
            mine.find(|(id, _)| id > since).map(|(id, _)| *id)
        };
        told.filter_map(report).collect()
    }

    /// Shipments that were not taken, with the last report of each.
    pub(crate) fn rest(self) -> Vec<(i64, &'a ParcelReport)> {
        let last = |words: Vec<(i64, Word<'a>)>| {
            words.into_iter().rev().find_map(|(id, word)| match word {
                Word::Report(_, report) => Some((id, report)),
                Word::Corrected(_) => None,
            })
        };
        self.words.into_values().filter_map(last).collect()
    }
}

/// A warehouse, too, tells of a parcel that an operator typed, under the same name or number.
fn reported(words: &[(i64, Word<'_>)], typed: &BTreeSet<i64>, hand: &ParcelReport) -> bool {
    words.iter().any(|(id, word)| match word {
        Word::Report(_, report) if !typed.contains(id) => {
            let numbers = report.tracking.iter().chain(&report.also);
            let number = hand.tracking.as_deref();
            report.key == hand.key
                || number.is_some_and(|own| numbers.clone().any(|n| same_number(n, own)))
        }
        _ => false,
    })
}

fn two_boxes<'a>(
    id: i64,
    released: &'a ReleasedFact,
) -> impl Iterator<Item = (i64, Option<&'a str>)> {
    let of = |rule: &'a String| {
        let rest = rule.strip_prefix(TWO)?;
        match rest.strip_prefix(':') {
            None if rest.is_empty() => Some(None),
            other => other.map(Some),
        }
    };
    released.rules.iter().filter_map(of).map(move |of| (id, of))
}
