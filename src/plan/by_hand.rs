//! Parcels as they stand once operators have told of them too: what a warehouse reports of a parcel that an operator
//! told confirms it, and a corrected number is the number.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use hikiate_sdk::{Call, Op, ParcelReport, ShipmentReference};

use super::reported::no_number;
use super::shipment::Parcel;
use super::tasks::Tasks;
use super::tracking::same_number;
use super::view::View;
use crate::action::Action;
use crate::facts::{FactBody, ParcelCorrectedFact};

/// The task about a parcel that a warehouse and an operator told under different numbers.
const DIFFERS: &str = "tracking_differs";

/// Parcels of one order, as they are heard of.
#[derive(Debug, Default)]
pub(crate) struct Parcels<'a> {
    reported: BTreeMap<(&'a str, &'a str), Parcel<'a>>,
    by_hand: BTreeSet<(&'a str, &'a str)>,
    corrected: Vec<&'a ParcelCorrectedFact>,
}

impl<'a> Parcels<'a> {
    /// Takes note of a fact that says something about parcels.
    pub(crate) fn hear(&mut self, id: i64, recorded_at: DateTime<Utc>, body: &'a FactBody) {
        match body {
            FactBody::Parcel(report) => self.report(id, recorded_at, report),
            FactBody::Shipped(shipped) => {
                self.by_hand
                    .insert((shipped.reference.as_str(), shipped.key.as_str()));
            }
            FactBody::ParcelCorrected(corrected) => self.corrected.push(corrected),
            _ => {}
        }
    }

    fn report(&mut self, id: i64, recorded_at: DateTime<Utc>, report: &'a ParcelReport) {
        let parcel = self
            .reported
            .entry((report.reference.as_str(), report.key.as_str()))
            .or_insert_with(|| Parcel {
                first_id: id,
                first_recorded_at: recorded_at,
                last_id: id,
                reports: 0,
                key: &report.key,
                report,
                tracking: None,
                lines_ever: BTreeSet::new(),
            });
        parcel.last_id = id;
        parcel.reports = parcel.reports.saturating_add(1);
        parcel.report = report;
        parcel.tracking = report.tracking.as_deref();
        parcel
            .lines_ever
            .extend(report.lines.iter().map(|line| line.n));
    }

    /// The parcels of a shipment in the order they became known, and reports that only confirm one of them.
    pub(crate) fn take(
        &mut self,
        reference: &ShipmentReference,
    ) -> (Vec<Parcel<'a>>, Vec<Parcel<'a>>) {
        let mine = |(of, _): &(&str, &str)| *of == reference.as_str();
        let keys: Vec<_> = self.reported.keys().copied().filter(mine).collect();
        let mut parcels: Vec<Parcel<'a>> = keys
            .iter()
            .filter_map(|key| self.reported.remove(key))
            .collect();
        parcels.sort_by_key(|parcel| parcel.first_id);
        let mut confirmed = Vec::new();
        while let Some((at, other)) = written_twice(&parcels) {
            let told = parcels.remove(other);
            if let Some(parcel) = parcels.get_mut(at) {
                parcel.told_again_as(&told);
            }
            confirmed.push(told);
        }
        for correction in self
            .corrected
            .iter()
            .filter(|correction| correction.reference == *reference)
        {
            let (from, to) = (correction.from.as_str(), correction.to.as_str());
            let unnumbered = |p: &Parcel<'_>| p.tracking.is_none_or(no_number) && p.key == from;
            let named = |p: &Parcel<'_>| p.has_number(from) || unnumbered(p);
            let Some(at) = parcels.iter().position(named) else {
                continue;
            };
            let other = parcels.iter().position(|p| p.has_number(to));
            let other = other.filter(|other| *other != at);
            if let Some(parcel) = parcels.get_mut(at) {
                parcel.tracking = Some(to);
            }
            if let Some(other) = other {
                confirm(&mut parcels, &mut confirmed, at, other);
            }
        }
        let told: Vec<(&str, &str)> = parcels
            .iter()
            .map(|parcel| (reference.as_str(), parcel.key))
            .filter(|name| self.by_hand.contains(name))
            .collect();
        for (_, key) in told {
            // Once its warehouse has reported it under the same key, everything else is another parcel.
            let Some(at) = parcels.iter().position(|p| p.key == key && p.reports == 1) else {
                continue;
            };
            let Some(hand) = parcels.get(at) else {
                continue;
            };
            let strange = |p: &&Parcel<'_>| !self.by_hand.contains(&(reference.as_str(), p.key));
            let others = || parcels.iter().filter(strange);
            // What was reported before is known to whoever types, and is another box.
            let later = || others().filter(|p| p.first_id > hand.first_id);
            let same = others()
                .find(|p| hand.tracking.is_some_and(|number| p.has_number(number)))
                .or_else(|| later().find(|p| contents(p) == contents(hand)))
                .map(|p| p.key);
            if let Some(other) = same.and_then(|key| parcels.iter().position(|p| p.key == key)) {
                confirm(&mut parcels, &mut confirmed, at, other);
            }
        }
        (parcels, confirmed)
    }

    /// Parcels of references that were not taken.
    pub(crate) fn rest(self) -> Vec<Parcel<'a>> {
        self.reported.into_values().collect()
    }
}

/// Two parcels, by place, that are named by one number, which is written in two ways.
fn written_twice(parcels: &[Parcel<'_>]) -> Option<(usize, usize)> {
    parcels.iter().enumerate().find_map(|(at, one)| {
        let mut later = parcels.iter().enumerate().skip(at + 1);
        let (other, _) = later.find(|(_, other)| {
            one.has_number(one.key) && other.has_number(other.key) && other.has_number(one.key)
        })?;
        Some((at, other))
    })
}

impl<'a> Parcel<'a> {
    /// The other one's reports are of this parcel, too; the newest stands.
    fn told_again_as(&mut self, other: &Parcel<'a>) {
        if other.last_id > self.last_id {
            self.report = other.report;
            self.tracking = other.tracking;
            self.last_id = other.last_id;
        }
        self.reports = self.reports.saturating_add(other.reports);
        self.lines_ever.extend(&other.lines_ever);
    }
}

/// The report at `other` is one of the parcel at `at`: under the same number its contents are the truth.
fn confirm<'a>(
    parcels: &mut Vec<Parcel<'a>>,
    confirmed: &mut Vec<Parcel<'a>>,
    at: usize,
    other: usize,
) {
    let told = parcels.remove(other);
    let at = if other < at { at - 1 } else { at };
    if let Some(parcel) = parcels.get_mut(at) {
        if told
            .tracking
            .is_some_and(|number| parcel.has_number(number))
        {
            parcel.report = told.report;
            parcel.lines_ever.extend(&told.lines_ever);
        }
        parcel.last_id = parcel.last_id.max(told.last_id);
    }
    confirmed.push(told);
}

/// Items by line.
pub(super) fn contents(parcel: &Parcel<'_>) -> BTreeMap<u32, u32> {
    let mut sums = BTreeMap::new();
    for line in parcel.report.lines.iter().filter(|line| line.quantity > 0) {
        let sum: &mut u32 = sums.entry(line.n).or_default();
        *sum = sum.saturating_add(line.quantity);
    }
    sums
}

/// The parcels that facts of one order tell, each once and with its right number; facts in stored order.
#[must_use]
pub fn parcels_told<'a>(facts: impl IntoIterator<Item = &'a FactBody>) -> Vec<ParcelReport> {
    let mut parcels = Parcels::default();
    let mut references = BTreeSet::new();
    for (id, body) in (1..).zip(facts) {
        if let FactBody::Parcel(report) = body {
            references.insert(&report.reference);
        }
        parcels.hear(id, DateTime::<Utc>::UNIX_EPOCH, body);
    }
    references
        .into_iter()
        .flat_map(|reference| parcels.take(reference).0)
        .map(|parcel| ParcelReport {
            tracking: parcel.tracking.map(str::to_owned),
            ..parcel.report.clone()
        })
        .collect()
}

/// Where what operators told of parcels has to be put right elsewhere.
pub(crate) fn tasks(view: &View<'_>, tasks: &mut Tasks) {
    for shipment in &view.fold.shipments {
        let reference = &shipment.fact.reference;
        for told in &shipment.confirmed {
            let Some(number) = told.tracking else {
                continue;
            };
            let corrected = view.fold.corrected.iter().any(|(_, fact)| {
                let named = same_number(&fact.from, number) || same_number(&fact.to, number);
                fact.reference == *reference && named
            });
            if corrected || shipment.parcels.iter().any(|p| p.has_number(number)) {
                continue;
            }
            let hand = shipment
                .parcels
                .iter()
                .find(|p| contents(p) == contents(told));
            let Some(typed) = hand.and_then(|parcel| parcel.tracking) else {
                continue;
            };
            let what = format!(
                "{} reports {reference} under number {number}, an operator typed {typed}; correct the one that is wrong",
                shipment.fact.warehouse
            );
            if !view.fold.released_after(DIFFERS, told.last_id) {
                tasks
                    .add(DIFFERS, format!("{what}, or release it"))
                    .action(Action::CorrectParcel {
                        reference: reference.to_string(),
                        from: typed.to_owned(),
                        to: number.to_owned(),
                    })
                    .release(DIFFERS);
            }
        }
    }
    for (at, (id, correction)) in view.fold.corrected.iter().enumerate() {
        let from = &correction.from;
        // The number that holds after all that was typed since.
        let since = view.fold.corrected.iter().skip(at);
        let since = since.filter(|(_, next)| next.reference == correction.reference);
        let (id, to) = since.fold((id, from), |(id, holds), (later, next)| {
            if same_number(&next.from, holds) {
                (later, &next.to)
            } else {
                (id, holds)
            }
        });
        let told = view
            .fold
            .of_op(Op::Ship)
            .filter(|intent| !intent.void())
            .any(|intent| {
                matches!(intent.call(), Some(Call::Ship(call)) if call.parcels.iter().any(|p| p.tracking.as_ref().is_some_and(|n| same_number(n, from))))
            });
        let shown = view
            .order
            .fulfilments
            .iter()
            .filter(|fulfilment| !fulfilment.cancelled())
            .any(|fulfilment| fulfilment.tracking.iter().any(|n| same_number(n, to)));
        let mailed = view
            .fold
            .of_op(Op::Mail)
            .any(|mail| !mail.void() && mail.id < *id);
        if !told || shown || same_number(to, from) {
            continue;
        }
        let mail = if mailed {
            ", and tell the customer, whose mail has the old one"
        } else {
            ""
        };
        let what = format!(
            "{} was told to {} as {from}: type {to} there{mail}",
            correction.reference, view.input.channel
        );
        tasks.tell(view, "tracking_corrected", *id, &what);
    }
    for (id, returned) in &view.fold.returned {
        let items = returned
            .lines
            .iter()
            .fold(0_u32, |sum, line| sum.saturating_add(line.quantity));
        let what = format!(
            "{items} items of {} came back; refund or send anew by hand. Stock follows the warehouse's count",
            returned.reference
        );
        tasks.tell(view, "return_received", *id, &what);
    }
}
