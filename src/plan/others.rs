//! Shipments by others: what staff, stores and plugins fulfilled at the channel themselves, folded from all readings.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Duration, Utc};
use hikiate_sdk::{ChannelFulfilment, ChannelState, ExternalId, LineKey};

use super::fold::{Fold, Reading, ReleasedAt};
use super::tracking::{is_number, tracking_key};
use super::types::OrderInput;
use crate::policy;

/// A cancelled shipment is taken for a correction of its number this long.
pub(crate) const CORRECTION: Duration = Duration::minutes(30);

/// The blocker, and the first word of what releases it, of a shipment by others that was cancelled again: it did not
/// ship.
pub(crate) const CANCELLED: &str = "fulfilment_cancelled";

/// The task, and the first word of what releases it, of a fulfilment of ours that was cancelled at the channel.
pub(crate) const NOTICE_CANCELLED: &str = "notice_cancelled";

/// When a fulfilment lost its place at the channel: cancelled, or not shown any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Since {
    /// The reading that showed it.
    pub(crate) id: i64,
    pub(crate) at: DateTime<Utc>,
}

/// Units of one line that the channel showed as shipped.
#[derive(Clone, Debug)]
pub(crate) struct Shown<'a> {
    /// The fulfilment that showed them first.
    pub(crate) key: ExternalId,
    /// Made by us: a parcel stands behind it, and nothing moves by it.
    pub(crate) ours: bool,
    pub(crate) line: &'a LineKey,
    /// In the channel's units.
    pub(crate) units: u32,
    /// The reading that showed it as shipped first.
    pub(crate) first_id: i64,
    pub(crate) first_recorded_at: DateTime<Utc>,
    pub(crate) shipped_at: DateTime<Utc>,
    /// The channel's code of the place.
    pub(crate) location: Option<&'a str>,
    /// A parcel of ours with the same number holds them: nothing moves by them either.
    pub(crate) parcel: bool,
    /// No fulfilment shows them: the order was completed.
    pub(crate) by_completion: bool,
    /// Every tracking number it ever had, normalised.
    pub(crate) tracking: BTreeSet<String>,
    /// The fulfilment that shows them now or showed them last.
    by: ExternalId,
    /// No fulfilment shows them any more.
    pub(crate) cancelled: Option<Since>,
}

impl<'a> Shown<'a> {
    /// Units that somebody shipped by completing the order.
    pub(crate) fn completed(reading: Reading<'a>, line: &'a LineKey, units: u32) -> Self {
        let key = ExternalId::new(format!("completed-{}", reading.id));
        Self {
            key: key.clone(),
            ours: false,
            line,
            units,
            parcel: false,
            by_completion: true,
            first_id: reading.id,
            first_recorded_at: reading.recorded_at,
            shipped_at: reading.recorded_at,
            location: None,
            tracking: BTreeSet::new(),
            by: key,
            cancelled: None,
        }
    }

    /// Since when they are in doubt: cancelled, and not to correct a number.
    pub(crate) fn doubted_since(&self) -> Option<DateTime<Utc>> {
        self.cancelled.map(|since| since.at + CORRECTION)
    }

    /// What an operator releases to settle that fulfilment's cancellation.
    pub(crate) fn rule(&self) -> String {
        let word = if self.ours {
            NOTICE_CANCELLED
        } else {
            CANCELLED
        };
        format!("{word}:{}", self.key)
    }

    /// As [`Self::rule`], for this line of it alone.
    pub(crate) fn line_rule(&self) -> String {
        format!("{}:{}", self.rule(), self.line)
    }

    /// The release settles what was cancelled at `since`: by name once it is in doubt, or, written before releases
    /// named the fulfilment, with all that was cancelled before it.
    fn settled_by(&self, released: &ReleasedAt<'_>) -> bool {
        let in_doubt = self.doubted_since().is_some_and(|at| at <= released.at);
        let named = || {
            [self.rule(), self.line_rule()]
                .iter()
                .any(|rule| released.fact.names(rule))
        };
        released.fact.names(CANCELLED) || (in_doubt && named())
    }
}

/// Units of one line that somebody else has packed and not shipped.
#[derive(Clone, Debug)]
pub(crate) struct Packed<'a> {
    pub(crate) key: &'a ExternalId,
    pub(crate) line: &'a LineKey,
    pub(crate) units: u32,
    /// When it was first seen.
    pub(crate) since: Since,
}

/// Everything the channel shows as fulfilled.
#[derive(Clone, Debug, Default)]
pub(crate) struct Others<'a> {
    /// Those of others and ours.
    pub(crate) shown: Vec<Shown<'a>>,
    pub(crate) packed: Vec<Packed<'a>>,
    /// When something turned out not to have shipped after all: the fact by which an operator said so, and its time.
    pub(crate) taken_back: Vec<Since>,
    /// Of lines that no reading of the order has: they are units of nothing. By fulfilment and line.
    pub(crate) strange: BTreeMap<(&'a ExternalId, &'a LineKey), Since>,
    /// Lines of which no warehouse of ours ships anything.
    foreign: BTreeSet<&'a LineKey>,
    /// All lines that the order ever had.
    lines: BTreeSet<&'a LineKey>,
}

impl<'a> Others<'a> {
    /// Marks the units that parcels of ours with the same number hold. `parcels` are numbers, line and the channel's
    /// units inside; each unit stands for one.
    pub(crate) fn in_parcels(&mut self, mut parcels: Vec<(Vec<String>, LineKey, u32)>) {
        let mut rest = Vec::new();
        for shown in self.shown.iter_mut().filter(|shown| !shown.ours) {
            let mut held = 0_u32;
            for (numbers, line, units) in &mut parcels {
                let same = |number: &String| is_number(number) && shown.tracking.contains(number);
                if line == shown.line && numbers.iter().any(same) {
                    let taken = (*units).min(shown.units - held);
                    *units -= taken;
                    held += taken;
                }
            }
            if held == 0 {
                continue;
            }
            if held < shown.units {
                let mut other = shown.clone();
                other.units = shown.units - held;
                rest.push(other);
                shown.units = held;
            }
            shown.parcel = true;
        }
        self.shown.append(&mut rest);
    }

    /// Folds all readings of an order.
    pub(crate) fn of(fold: &Fold<'a>, input: &'a OrderInput, believed: policy::Others) -> Self {
        let unshipped = believed == policy::Others::IgnoreUnshipped;
        let ours = Ours::of(fold, input);
        let lines = fold.readings.iter().flat_map(|r| &r.fact.order.lines);
        let keys = lines.map(|line| &line.key);
        let mut others = Self {
            foreign: foreign(fold, input),
            lines: keys.collect(),
            ..Self::default()
        };
        let mut counted: BTreeSet<&ExternalId> = BTreeSet::new();
        for reading in &fold.readings {
            others.forget_released(fold, reading.id);
            let shown = &reading.fact.order.fulfilments;
            others.look(reading, shown);
            for fulfilment in shown {
                let live = fulfilment.shipped_at.filter(|_| !fulfilment.cancelled());
                let empty = fulfilment.reference.is_none() && fulfilment.tracking.is_empty();
                if let Some(shipped_at) = live
                    && !(unshipped && empty)
                    && counted.insert(&fulfilment.key)
                {
                    let reference = fulfilment.reference.as_deref();
                    let ours = reference.is_some_and(|name| ours.made(name));
                    others.count(reading, fulfilment, shipped_at, ours);
                }
            }
        }
        others.forget_released(fold, i64::MAX);
        if !unshipped {
            others.packed = packed(fold, &ours);
            let foreign = &others.foreign;
            others.packed.retain(|one| !foreign.contains(one.line));
        }
        others
    }

    /// Units that no fulfilment shows any more and that are in no parcel of ours, with the time at which an operator is
    /// asked about them. Those of lines that we do not ship are gone by then.
    pub(crate) fn cancelled(&self) -> impl Iterator<Item = (&Shown<'a>, DateTime<Utc>)> {
        let all = self.shown.iter().filter(|shown| !shown.parcel);
        all.filter_map(|shown| Some((shown, shown.doubted_since()?)))
    }

    /// What becomes of lines that we do not ship, the channel alone knows: what it cancelled counts no longer, once that
    /// is no correction of a number.
    pub(crate) fn forget_foreign(&mut self, now: DateTime<Utc>) {
        let (foreign, taken_back) = (&self.foreign, &mut self.taken_back);
        self.shown.retain(|shown| {
            let gone = shown.doubted_since().filter(|at| *at <= now);
            match gone.filter(|_| !shown.ours && foreign.contains(shown.line)) {
                Some(at) => {
                    taken_back.push(Since { id: i64::MAX, at });
                    false
                }
                None => true,
            }
        });
    }

    /// An operator said that these units did not leave: they count no longer, from then on.
    fn forget_released(&mut self, fold: &Fold<'_>, before: i64) {
        let mut shown = std::mem::take(&mut self.shown);
        self.settle(fold, &mut shown, before);
        self.shown = shown;
    }

    /// Takes back what an operator released before a fact.
    pub(crate) fn settle(&mut self, fold: &Fold<'_>, shown: &mut Vec<Shown<'a>>, before: i64) {
        let taken_back = &mut self.taken_back;
        shown.retain(|shown| {
            let released = shown.cancelled.and_then(|since| {
                fold.released_between(since.id, before, |one| shown.settled_by(one))
            });
            if let Some(released) = released.filter(|_| !shown.ours) {
                taken_back.push(Since {
                    id: released.id,
                    at: released.at,
                });
            }
            released.is_none()
        });
    }

    /// What became of the units that are known, by this reading.
    fn look(&mut self, reading: &Reading<'a>, fulfilments: &'a [ChannelFulfilment]) {
        for shown in &mut self.shown {
            let now = fulfilments.iter().find(|f| f.key == shown.by);
            match now.filter(|f| f.shipped() && !f.cancelled()) {
                Some(fulfilment) => {
                    shown.cancelled = None;
                    if let Some(at) = fulfilment.shipped_at.filter(|_| shown.by == shown.key) {
                        shown.shipped_at = at.min(reading.recorded_at);
                    }
                    let numbers = fulfilment.tracking.iter().map(|n| tracking_key(n));
                    shown.tracking.extend(numbers);
                }
                None => {
                    shown.cancelled.get_or_insert(Since {
                        id: reading.id,
                        at: reading.recorded_at,
                    });
                }
            }
        }
    }

    /// A fulfilment that is shown as shipped for the first time: it replaces cancelled ones of the same lines, and the
    /// rest of it is new.
    fn count(
        &mut self,
        reading: &Reading<'a>,
        fulfilment: &'a ChannelFulfilment,
        shipped_at: DateTime<Utc>,
        ours: bool,
    ) {
        // Before it was read, whatever the channel's clock says.
        let shipped_at = shipped_at.min(reading.recorded_at);
        let tracking: BTreeSet<String> = fulfilment
            .tracking
            .iter()
            .map(|number| tracking_key(number))
            .collect();
        for (line, units) in &fulfilment.lines {
            if !self.lines.contains(line) {
                let since = Since {
                    id: reading.id,
                    at: reading.recorded_at,
                };
                self.strange.entry((&fulfilment.key, line)).or_insert(since);
                continue;
            }
            let mut rest = *units;
            let mut split = Vec::new();
            for shown in &mut self.shown {
                // A notice of ours is about a parcel of its own; it stands for no goods that others shipped.
                let replaces = shown.ours || !ours;
                if rest == 0 || shown.line != line || shown.cancelled.is_none() || !replaces {
                    continue;
                }
                let taken = rest.min(shown.units);
                rest -= taken;
                if taken < shown.units {
                    let mut left = shown.clone();
                    left.units = shown.units - taken;
                    split.push(left);
                    shown.units = taken;
                }
                shown.by = fulfilment.key.clone();
                shown.cancelled = None;
                shown.tracking.extend(tracking.iter().cloned());
            }
            self.shown.append(&mut split);
            if rest > 0 {
                self.shown.push(Shown {
                    key: fulfilment.key.clone(),
                    ours,
                    line,
                    units: rest,
                    parcel: false,
                    by_completion: false,
                    first_id: reading.id,
                    first_recorded_at: reading.recorded_at,
                    shipped_at,
                    location: fulfilment.location.as_deref(),
                    tracking: tracking.clone(),
                    by: fulfilment.key.clone(),
                    cancelled: None,
                });
            }
        }
    }
}

/// A shop that fulfils by itself does so within this time of the payment.
const AT_ONCE: Duration = Duration::minutes(10);

/// The channel showed the order fulfilled or completed when it was first read, or right after it was paid: what people
/// do takes longer.
pub(crate) fn at_once(fold: &Fold<'_>, input: &OrderInput) -> bool {
    let ours = Ours::of(fold, input);
    let foreign = foreign(fold, input);
    let made_by_us = |fulfilment: &ChannelFulfilment| {
        let name = fulfilment.reference.as_deref();
        name.is_some_and(|name| ours.made(name))
    };
    let of_goods = |fulfilment: &&ChannelFulfilment| {
        let mut lines = fulfilment.lines.iter();
        !fulfilment.cancelled() && lines.any(|(line, _)| !foreign.contains(line))
    };
    let acted = |reading: &Reading<'_>| {
        let order = &reading.fact.order;
        let made = order.fulfilments.iter().filter(of_goods);
        let mut made = made.map(made_by_us).peekable();
        match made.peek() {
            None => order.state == ChannelState::Completed,
            Some(_) => made.any(|by_us| !by_us),
        }
    };
    let Some(at) = fold.readings.iter().position(acted) else {
        return false;
    };
    let Some(acted) = fold.readings.get(at) else {
        return false;
    };
    // The channel's own times, where it tells them: after an outage everything is read at once. The newest count: a
    // reading of before they were kept has the time of ordering in their place.
    let fulfilments = acted.fact.order.fulfilments.iter();
    let theirs = fulfilments.filter(|f| of_goods(f) && !made_by_us(f));
    let shipped = theirs
        .filter_map(|fulfilment| told_time(fold, &fulfilment.key))
        .min();
    let paid = fold.readings.iter().position(|reading| {
        let mut tenders = reading.fact.order.tenders.iter();
        tenders.any(|tender| tender.authorised > 0 || tender.captured > 0)
    });
    let paid_at = match paid.and_then(|at| fold.readings.get(at).filter(|_| at > 0)) {
        Some(reading) => reading.recorded_at,
        None => acted.fact.order.ordered_at,
    };
    shipped.unwrap_or(acted.recorded_at) <= paid_at + AT_ONCE
}

/// When a fulfilment was shipped, by the newest reading that shows it as shipped.
fn told_time(fold: &Fold<'_>, key: &ExternalId) -> Option<DateTime<Utc>> {
    let (order, at) = fold.readings.iter().rev().find_map(|reading| {
        let mut all = reading.fact.order.fulfilments.iter();
        let shown = all.find(|fulfilment| fulfilment.key == *key)?;
        Some((&reading.fact.order, shown.shipped_at?))
    })?;
    (at != order.ordered_at).then_some(at)
}

/// Lines that the channel or nobody fulfils, and services of ours, as last read.
fn foreign<'a>(fold: &Fold<'a>, input: &OrderInput) -> BTreeSet<&'a LineKey> {
    let mut foreign = BTreeSet::new();
    for line in fold.readings.iter().flat_map(|r| &r.fact.order.lines) {
        let item = line.sku.as_ref().and_then(|sku| input.items.get(sku));
        if line.ours() && item.is_none_or(|item| item.stocked) {
            foreign.remove(&line.key);
        } else {
            foreign.insert(&line.key);
        }
    }
    foreign
}

/// What tells our own fulfilments from those of others.
struct Ours<'a> {
    references: BTreeSet<&'a str>,
    /// Of every reference that we give to this order's shipments, those included that a database has lost.
    prefix: String,
}

impl<'a> Ours<'a> {
    fn of(fold: &Fold<'a>, input: &OrderInput) -> Self {
        Self {
            references: fold.references(),
            prefix: format!("{}-S", input.number),
        }
    }

    /// A reference of ours, also of a further notice (`HK…-S1.2`).
    fn made(&self, name: &str) -> bool {
        let shipment = name.rsplit_once('.').map(|(shipment, _)| shipment);
        name.starts_with(&self.prefix)
            || self.references.contains(name)
            || shipment.is_some_and(|name| self.references.contains(name))
    }
}

/// What the newest reading shows as packed by others, with the reading that first showed it.
fn packed<'a>(fold: &Fold<'a>, ours: &Ours<'_>) -> Vec<Packed<'a>> {
    let mut first: BTreeMap<&ExternalId, Since> = BTreeMap::new();
    for reading in &fold.readings {
        for fulfilment in &reading.fact.order.fulfilments {
            first.entry(&fulfilment.key).or_insert(Since {
                id: reading.id,
                at: reading.recorded_at,
            });
        }
    }
    let mut packed = Vec::new();
    let Some(head) = fold.readings.last() else {
        return packed;
    };
    for fulfilment in &head.fact.order.fulfilments {
        let reference = fulfilment.reference.as_deref();
        if fulfilment.shipped()
            || fulfilment.cancelled()
            || reference.is_some_and(|name| ours.made(name))
        {
            continue;
        }
        let Some(since) = first.get(&fulfilment.key).copied() else {
            continue;
        };
        for (line, units) in &fulfilment.lines {
            packed.push(Packed {
                key: &fulfilment.key,
                line,
                units: *units,
                since,
            });
        }
    }
    packed
}
