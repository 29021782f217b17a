//! Revenue (売上): what is due for what has shipped, as differences to what was recorded before.

mod split;
mod steps;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::tax::Bucket;
use super::types::{RevenueKind, RevenueRow};
use super::view::View;
use crate::policy::DigitalBooking;

use split::{Place, Totals};
use steps::Step;

/// What planning found to book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Revenue {
    /// New revenue events; none where all is recorded.
    Rows(Vec<RevenueRow>),
    /// Something shipped, and what is due for it is not known.
    Unknown(Unknown),
}

/// What is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// The channel has not fixed an amount.
    Amount,
    /// The rates of these amounts, as `hikiate order tax` takes them.
    Tax(Vec<String>),
}

/// New revenue events. `delivered` is when the order counts as delivered, if it does.
pub(crate) fn revenue(view: &View<'_>, delivered: Option<DateTime<Utc>>) -> Revenue {
    let nothing = || Revenue::Rows(Vec::new());
    let Some(booking) = &view.policy.booking else {
        return nothing();
    };
    let Some(epoch) = view.epoch("booking", &booking.account) else {
        return nothing();
    };
    if booking.digital == DigitalBooking::Never && view.nothing_ships() {
        return nothing();
    }
    let steps = match steps::of(view, booking.recognise, epoch, delivered) {
        Ok(steps) => steps,
        Err(unknown) => return Revenue::Unknown(unknown),
    };
    let totals = split::totals(view, &steps);
    Revenue::Rows(rows(view, &steps, &totals, epoch))
}

/// What was recorded since the rule began. What an earlier one recorded is over, as its goods are.
fn recorded(view: &View<'_>, epoch: DateTime<Utc>) -> Recorded {
    let mut recorded = Recorded::default();
    let rows = view.input.revenue.iter();
    for row in rows.filter(|row| row.recorded_at >= epoch) {
        let place = Place {
            bucket: Bucket {
                rounding: row.kind == RevenueKind::Rounding,
                of: row.tax_of.clone(),
            },
            payer: row.payment.clone(),
        };
        let sum = recorded.by_place.entry(place).or_default();
        sum.0 = sum.0.saturating_add(row.gross);
        sum.1 = sum.1.saturating_add(row.tax);
        // Rows of before payers and countries were told apart.
        recorded.coarse |= row.payment == "mixed" || row.coarse;
    }
    recorded.by_place.retain(|_, sum| *sum != (0, 0));
    recorded
}

#[derive(Default)]
struct Recorded {
    by_place: Totals,
    coarse: bool,
}

impl Recorded {
    /// It is what these totals say.
    fn is(&self, totals: &Totals) -> bool {
        if self.coarse {
            return by_rate(&self.by_place) == by_rate(totals);
        }
        self.by_place == *totals
    }
}

/// Gross amounts by rate alone.
fn by_rate(totals: &Totals) -> BTreeMap<(i32, bool, bool), i64> {
    let mut sums = BTreeMap::new();
    for (place, (gross, _)) in totals {
        let key = (
            place.bucket.of.rate_bp,
            place.bucket.rounding,
            place.payer.starts_with("sponsor:"),
        );
        let sum: &mut i64 = sums.entry(key).or_default();
        *sum = sum.saturating_add(*gross);
    }
    sums.retain(|_, gross| *gross != 0);
    sums
}

fn rows(
    view: &View<'_>,
    steps: &[Step<'_>],
    totals: &[Totals],
    epoch: DateTime<Utc>,
) -> Vec<RevenueRow> {
    let recorded = recorded(view, epoch);
    // Steps that were booked as they stand are over. Where none was, what was told since changed an earlier one, and the
    // difference belongs to the last.
    let (over, mut last) = match totals.iter().rposition(|totals| recorded.is(totals)) {
        Some(at) => (at + 1, totals.get(at).cloned().unwrap_or_default()),
        None if recorded.by_place.is_empty() => (0, Totals::new()),
        None => (totals.len().saturating_sub(1), recorded.by_place),
    };
    let known = view.input.revenue.len();
    let mut rows: Vec<RevenueRow> = Vec::new();
    for (step, totals) in steps.iter().zip(totals).skip(over) {
        for (place, gross, tax) in differences(&last, totals) {
            let kind = match step.kind {
                _ if place.bucket.rounding => RevenueKind::Rounding,
                Some(kind) => kind,
                None if lowered(&last, totals, &place.bucket) => RevenueKind::Returns,
                None => RevenueKind::Sales,
            };
            let word = if place.payer.starts_with("sponsor:") && kind == RevenueKind::Sales {
                "sponsor"
            } else {
                kind.as_str()
            };
            rows.push(RevenueRow {
                key: format!(
                    "{}:{}:{word}",
                    known + rows.len() + 1,
                    place.bucket.of.rate_bp
                ),
                business_date: step.day,
                kind,
                payment: place.payer,
                currency: view.order.currency,
                tax_of: place.bucket.of,
                gross,
                tax,
                derived: step.derived,
                coarse: false,
                recorded_at: view.now,
            });
        }
        last.clone_from(totals);
    }
    rows
}

/// What a step moved, place by place.
fn differences(before: &Totals, after: &Totals) -> Vec<(Place, i64, i64)> {
    let mut places: Vec<&Place> = before.keys().chain(after.keys()).collect();
    places.sort_unstable();
    places.dedup();
    let at = |totals: &Totals, place: &Place| totals.get(place).copied().unwrap_or_default();
    let moved = places.into_iter().map(|place| {
        let (was, is) = (at(before, place), at(after, place));
        let (gross, tax) = (is.0.saturating_sub(was.0), is.1.saturating_sub(was.1));
        (place.clone(), gross, tax)
    });
    moved
        .filter(|(_, gross, tax)| (*gross, *tax) != (0, 0))
        .collect()
}

/// A bucket has less in all.
fn lowered(before: &Totals, after: &Totals, bucket: &Bucket) -> bool {
    let sum = |totals: &Totals| {
        let of_bucket = totals.iter().filter(|(place, _)| place.bucket == *bucket);
        of_bucket.fold((0_i64, 0_i64), |sum, (_, amount)| {
            (
                sum.0.saturating_add(amount.0),
                sum.1.saturating_add(amount.1),
            )
        })
    };
    sum(after) < sum(before)
}
