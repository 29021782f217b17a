//! The points in time up to which revenue is due, in the order that they became known.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use hikiate_sdk::{ChannelState, OrderSnapshot, RefundSeen};

use super::super::charges::Charged;
use super::super::departures::Departure;
use super::super::fold::Reading;
use super::super::tax::{Bucket, name_of};
use super::super::types::RevenueKind;
use super::super::view::{Left, View};
use super::Unknown;
use super::split::payers;
use crate::policy::Recognise;

/// What is due in a bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Billed {
    /// Of the buyer.
    pub(super) buyer: i64,
    /// Of those who pay discounts.
    pub(super) sponsors: BTreeMap<String, i64>,
}

impl Billed {
    /// In all.
    pub(super) fn gross(&self) -> i64 {
        let sponsors = self.sponsors.values();
        sponsors.fold(self.buyer, |sum, gross| sum.saturating_add(*gross))
    }
}

/// One point in time up to which revenue is due.
#[derive(Clone, Debug)]
pub(super) struct Step<'a> {
    /// The fact that it rests on; of one that rests on the time alone, the last fact before.
    pub(super) id: i64,
    pub(super) day: NaiveDate,
    /// What its rows are; `None`: returns where less is due, sales where more is.
    pub(super) kind: Option<RevenueKind>,
    /// The shipment that it is a part of; empty where it is none.
    pub(super) of: String,
    /// What was charged then.
    pub(super) charged: Charged<'a>,
    pub(super) due: BTreeMap<Bucket, Billed>,
    /// An amount without lines was spread over several charges, and this step has its part.
    pub(super) derived: bool,
    /// It takes off what had shipped by then, where that may be recorded already.
    pub(super) belated: bool,
}

/// Something that changes what is due.
enum Event<'a> {
    /// Goods shipped, or did not ship after all; all that was delivered.
    Goods {
        of: String,
        at: DateTime<Utc>,
        left: Left,
    },
    /// What is charged changed.
    Charges {
        at: DateTime<Utc>,
        after: Charged<'a>,
    },
}

/// An event with its place: the fact that told it, goods before what a reading of the same moment charges.
type Placed<'a> = (i64, u8, Event<'a>);

/// What is charged since a reading.
struct Known<'a> {
    reading: Reading<'a>,
    charged: Charged<'a>,
}

/// All of them.
///
/// # Errors
/// What is not known of what has shipped.
pub(super) fn of<'a>(
    view: &View<'a>,
    recognise: Recognise,
    epoch: DateTime<Utc>,
    delivered: Option<DateTime<Utc>>,
) -> Result<Vec<Step<'a>>, Unknown> {
    let mut departures = view.departures();
    departures.extend(view.digital_before_cancel());
    let eligible = |one: &&Departure| one.first_recorded_at >= epoch;
    let shipped = departures.iter().any(|one| eligible(&one));
    if !shipped && view.others.taken_back.is_empty() {
        return Ok(Vec::new());
    }
    if shipped && view.cancelled_at_channel.is_none() && view.charged().is_none() {
        return Err(Unknown::Amount);
    }
    let known = known(view);
    let Some(first) = known.first() else {
        return Ok(Vec::new());
    };
    let base = view.departed(|one| one.first_recorded_at < epoch);
    let mut events = goods(view, recognise, &departures, epoch, delivered, &base);
    for pair in known.windows(2) {
        if let [before, after] = pair {
            events.extend(changes(view, before, after));
        }
    }
    events.sort_by_key(|(id, order, _)| (*id, *order));

    let mut unknown = BTreeSet::new();
    let mut steps: Vec<Step<'a>> = Vec::new();
    let mut charged = &first.charged;
    let mut left = base.clone();
    let mut shipment = String::new();
    let step = |id, at, kind, of: &str, charged: &Charged<'a>, due| Step {
        id,
        day: view.day(at),
        kind,
        of: of.to_owned(),
        derived: charged.derived(),
        belated: false,
        charged: charged.clone(),
        due,
    };
    for (id, _, event) in &events {
        match event {
            Event::Goods { of, at, left: now } => {
                left.clone_from(now);
                shipment.clone_from(of);
                let due = due(view, charged, &left, &base, &mut unknown);
                steps.push(step(*id, *at, Some(RevenueKind::Sales), of, charged, due));
            }
            Event::Charges { at, after } => {
                let full = due(view, after, &left, &base, &mut unknown);
                // What was recognised when it changed is taken off then; what was recognised afterwards was never due.
                let later = match recognise {
                    Recognise::Delivered => delivered.filter(|delivered| delivered > at),
                    Recognise::Shipped => {
                        let later = departures.iter().filter(|one| {
                            eligible(one) && one.first_id < *id && one.shipped_at > *at
                        });
                        later.map(|one| one.shipped_at).max()
                    }
                };
                if let Some(day) = later
                    && left != base
                {
                    let then = match recognise {
                        Recognise::Delivered => base.clone(),
                        Recognise::Shipped => view.departed(|one| {
                            !eligible(&one) || (one.first_id < *id && one.shipped_at <= *at)
                        }),
                    };
                    let was = due(view, charged, &then, &base, &mut BTreeSet::new());
                    let is = due(view, after, &then, &base, &mut BTreeSet::new());
                    let due = instead(&full, &was, &is);
                    let kind = Some(RevenueKind::Sales);
                    let mut belated = step(*id, day, kind, &shipment, after, due);
                    belated.belated = true;
                    steps.push(belated);
                }
                steps.push(step(*id, *at, None, &shipment, after, full));
                charged = after;
            }
        }
    }
    // What is not known of an amount that is charged no more does not matter.
    let charges = &view.order.charges;
    unknown.retain(|name| charges.iter().any(|charge| name_of(charge) == *name));
    if !unknown.is_empty() {
        return Err(Unknown::Tax(unknown.into_iter().collect()));
    }
    // Before anything is recognised nothing is due, whatever is charged.
    let first = steps.iter().position(|step| step.kind.is_some());
    steps.drain(..first.unwrap_or(steps.len()));
    Ok(steps)
}

/// What is due in `full`, with `was` in the place of `is`.
fn instead(
    full: &BTreeMap<Bucket, Billed>,
    was: &BTreeMap<Bucket, Billed>,
    is: &BTreeMap<Bucket, Billed>,
) -> BTreeMap<Bucket, Billed> {
    let mut sums = full.clone();
    for (due, sign) in [(was, 1_i64), (is, -1_i64)] {
        for (bucket, billed) in due {
            let sum = sums.entry(bucket.clone()).or_default();
            sum.buyer = sum.buyer.saturating_add(billed.buyer.saturating_mul(sign));
            for (name, gross) in &billed.sponsors {
                let of = sum.sponsors.entry(name.clone()).or_default();
                *of = of.saturating_add(gross.saturating_mul(sign));
            }
        }
    }
    sums
}

/// What is charged by each reading that knows all amounts. The first counts from the beginning: an amount that is fixed
/// later was due all the time.
fn known<'a>(view: &View<'a>) -> Vec<Known<'a>> {
    let readings = view.fold.readings.iter();
    let known = readings.filter_map(|reading| {
        let order = &reading.fact.order;
        let cancelled = matches!(order.state, ChannelState::Cancelled { .. });
        let charged = if cancelled {
            Charged::nothing(reading)
        } else {
            view.charged_at(reading, 0)?
        };
        Some(Known {
            reading: *reading,
            charged,
        })
    });
    known.collect()
}

/// What changed from one reading to the next, by the refunds that the later one shows first, one after the other.
fn changes<'a>(view: &View<'a>, before: &Known<'a>, after: &Known<'a>) -> Vec<Placed<'a>> {
    let paid_by = |known: &Known<'a>| payers(view, known.charged.order);
    if before.charged.is(&after.charged) && paid_by(before) == paid_by(after) {
        return Vec::new();
    }
    let event = |at: DateTime<Utc>, charged: Charged<'a>| {
        let event = Event::Charges {
            at: at.min(after.reading.recorded_at),
            after: charged,
        };
        (after.reading.id, 1, event)
    };
    if let ChannelState::Cancelled { at } = after.charged.order.state {
        return vec![event(at, after.charged.clone())];
    }
    let mut refunds = new_refunds(before.charged.order, after.charged.order);
    refunds.sort_by_key(|refund| refund.at);
    // The last of them ends at what is charged now; those before it lack what came after them.
    let later: Vec<i64> = refunds
        .iter()
        .scan(0_i64, |sum, refund| {
            *sum = sum.saturating_add(refund.amount);
            Some(*sum)
        })
        .collect();
    let all = later.last().copied().unwrap_or(0);
    let lowered = before.charged.total.saturating_sub(after.charged.total);
    let last = refunds.last().and_then(|refund| refund.at);
    let days: BTreeSet<_> = refunds
        .iter()
        .filter_map(|r| r.at)
        .map(|at| view.day(at))
        .collect();
    if days.len() < 2 || lowered != all {
        return vec![event(
            last.unwrap_or(after.reading.recorded_at),
            after.charged.clone(),
        )];
    }
    let mut events = Vec::new();
    for (refund, so_far) in refunds.iter().zip(&later) {
        let at = refund.at.unwrap_or(after.reading.recorded_at);
        let back = all.saturating_sub(*so_far);
        if let Some(charged) = view.charged_at(&after.reading, back) {
            events.push(event(at, charged));
        }
    }
    events
}

fn new_refunds<'a>(before: &OrderSnapshot, after: &'a OrderSnapshot) -> Vec<&'a RefundSeen> {
    let known: BTreeSet<_> = before
        .tenders
        .iter()
        .flat_map(|tender| &tender.refunds)
        .map(|refund| &refund.key)
        .collect();
    let shown = after.tenders.iter().flat_map(|tender| &tender.refunds);
    shown
        .filter(|refund| !known.contains(&refund.key))
        .collect()
}

/// Goods that shipped or did not after all.
fn goods<'a>(
    view: &View<'a>,
    recognise: Recognise,
    departures: &[Departure],
    epoch: DateTime<Utc>,
    delivered: Option<DateTime<Utc>>,
    base: &Left,
) -> Vec<Placed<'a>> {
    let eligible = departures
        .iter()
        .filter(|one| one.first_recorded_at >= epoch);
    let taken_back = view.others.taken_back.iter();
    match recognise {
        // What did not ship after all is taken back on the day that somebody said so.
        Recognise::Shipped => {
            let shipped = eligible.map(|one| (one.first_id, one.of.clone(), one.shipped_at));
            let back = taken_back.map(|since| (since.id, String::new(), since.at));
            shipped
                .chain(back)
                .map(|(id, of, at)| {
                    let left = view.departed(|other| other.first_id <= id);
                    (id, 0, Event::Goods { of, at, left })
                })
                .collect()
        }
        Recognise::Delivered => {
            let goods = |at, left| Event::Goods {
                of: String::new(),
                at,
                left,
            };
            // A delivery that is presumed, and what falls away by itself, have no fact of their own.
            let known_at = |at: DateTime<Utc>| {
                let mut facts = view.input.facts.iter().rev();
                let before = facts.find(|fact| fact.recorded_at <= at);
                before.map_or(0, |fact| fact.id)
            };
            // What was taken back leaves nothing due until all that stands is delivered.
            let back = taken_back.map(|since| {
                let id = if since.id == i64::MAX {
                    known_at(since.at)
                } else {
                    since.id
                };
                match delivered.filter(|at| *at <= since.at) {
                    Some(_) => (id, 3, goods(since.at, view.departed(|_| true))),
                    None => (id, 0, goods(since.at, base.clone())),
                }
            });
            let all = delivered
                .filter(|_| eligible.count() > 0)
                .map(|at| (known_at(at), 2, goods(at, view.departed(|_| true))));
            back.chain(all).collect()
        }
    }
}

/// What is due by bucket once this much has shipped; lines whose rate is not known are noted.
fn due(
    view: &View<'_>,
    charged: &Charged<'_>,
    left: &Left,
    base: &Left,
    unknown: &mut BTreeSet<String>,
) -> BTreeMap<Bucket, Billed> {
    let mut sums: BTreeMap<Bucket, Billed> = BTreeMap::new();
    let (now, before) = (view.due_items(charged, left), view.due_items(charged, base));
    for ((charge, now), before) in charged.items.iter().zip(now).zip(before) {
        let gross = now.saturating_sub(before);
        if gross == 0 {
            continue;
        }
        let Some(bucket) = view.bucket(charged, charge) else {
            unknown.insert(name_of(charge));
            continue;
        };
        let sum = sums.entry(bucket).or_default();
        sum.buyer = sum.buyer.saturating_add(gross);
        // A discount that somebody else pays is no less revenue: it is owed by them.
        if let Some(sponsor) = &charge.sponsor {
            let of = sum.sponsors.entry(sponsor.clone()).or_default();
            *of = of.saturating_sub(gross);
        }
    }
    sums
}
