//! Revenue (売上): what is due for what has shipped, as differences to what was recorded before.

mod split;
mod steps;

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::tax::Bucket;
use super::types::{RevenueKind, RevenueRow};
use super::view::View;
use crate::policy::{DigitalBooking, Recognise};

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
    // What was delivered once stays so until all of it is delivered again.
    let waits = delivered.is_none() && view.others.taken_back.is_empty();
    if booking.recognise == Recognise::Delivered && waits {
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
#[derive(Default)]
struct Recorded {
    by_place: Totals,
    /// The last step of which something was recorded.
    step: Option<i64>,
    /// Some of it by an earlier version, which told no payers, countries and steps apart.
    coarse: bool,
}

impl Recorded {
    fn of(view: &View<'_>, epoch: DateTime<Utc>) -> Self {
        let mut recorded = Self::default();
        let rows = view.input.revenue.iter();
        for row in rows.filter(|row| row.recorded_at >= epoch) {
            let place = Place {
                bucket: Bucket {
                    of: row.tax_of.clone(),
                    rounding: row.kind == RevenueKind::Rounding,
                },
                payer: row.payment.clone(),
            };
            let sum = recorded.by_place.entry(place).or_default();
            sum.0 = sum.0.saturating_add(row.gross);
            sum.1 = sum.1.saturating_add(row.tax);
            recorded.step = recorded.step.max(row.step);
            recorded.coarse |= row.step.is_none();
        }
        recorded.by_place.retain(|_, sum| *sum != (0, 0));
        recorded
    }

    /// It is what these totals say. Tax alone is no difference: it was rounded as was configured then; but of nothing
    /// there is none.
    fn is(&self, totals: &Totals) -> bool {
        if self.coarse {
            return gross_of(&self.by_place) == gross_of(totals);
        }
        let of = |totals: &Totals, place: &Place| totals.get(place).copied().unwrap_or_default();
        let mut places = self.by_place.keys().chain(totals.keys());
        places.all(|place| {
            let (was, is) = (of(&self.by_place, place), of(totals, place));
            was.0 == is.0 && (is.0 != 0 || was.1 == is.1)
        })
    }

    /// What an earlier version recorded, which told no countries and payers apart, by the names of today: its sums stand,
    /// whatever they would be called now.
    fn named_as(&self, totals: &Totals) -> Totals {
        let mut named = totals.clone();
        let tax_at = |totals: &Totals, rate: i32| {
            let of_rate = totals
                .iter()
                .filter(|(place, _)| place.bucket.of.rate_bp == rate);
            of_rate.fold(0_i64, |sum, (_, (_, tax))| sum.saturating_add(*tax))
        };
        let mut rates = BTreeSet::new();
        for (place, sum) in &mut named {
            let rate = place.bucket.of.rate_bp;
            if rates.insert(rate) {
                let differs = tax_at(&self.by_place, rate).saturating_sub(tax_at(totals, rate));
                sum.1 = sum.1.saturating_add(differs);
            }
        }
        named
    }

    /// How many of the steps are recorded: all up to the last one of which something was, or, where no step was written
    /// down, up to the last that comes to what was recorded.
    fn steps(&self, steps: &[Step<'_>], totals: &[Totals]) -> usize {
        match self.step.filter(|_| !self.coarse) {
            Some(last) => steps.iter().take_while(|step| step.id <= last).count(),
            None if self.by_place.is_empty() && !self.coarse => 0,
            None => {
                let same = totals.iter().rposition(|totals| self.is(totals));
                same.map_or(totals.len(), |at| at + 1)
            }
        }
    }
}

/// Gross in all, that of sponsors apart.
fn gross_of(totals: &Totals) -> (i64, i64) {
    totals.iter().fold((0, 0), |sum, (place, (gross, _))| {
        if place.payer.starts_with("sponsor:") {
            (sum.0, sum.1.saturating_add(*gross))
        } else {
            (sum.0.saturating_add(*gross), sum.1)
        }
    })
}

fn rows(
    view: &View<'_>,
    steps: &[Step<'_>],
    totals: &[Totals],
    epoch: DateTime<Utc>,
) -> Vec<RevenueRow> {
    let recorded = Recorded::of(view, epoch);
    let done = recorded.steps(steps, totals);
    // What was told since may have changed a step that is recorded: the difference belongs to the last of them.
    let mended = done.checked_sub(1).and_then(|at| totals.get(at));
    let from = match mended {
        Some(totals) if !recorded.is(totals) => done - 1,
        _ => done,
    };
    let today = view.day(view.now);
    let known = view.input.revenue.len();
    let mut last = match mended {
        Some(totals) if recorded.coarse && recorded.is(totals) => recorded.named_as(totals),
        _ => recorded.by_place.clone(),
    };
    let mut rows: Vec<RevenueRow> = Vec::new();
    for (at, (step, totals)) in steps.iter().zip(totals).enumerate().skip(from) {
        // What is recorded stands in its month, which may be closed: it is mended on the day that this became known.
        let mends = at < done || (step.belated && done > 0);
        for (place, gross, tax) in differences(&last, totals) {
            let kind = match step.kind {
                _ if place.bucket.rounding => RevenueKind::Rounding,
                _ if mends && undoes_returns(view, epoch, &place.bucket, gross) => {
                    RevenueKind::Returns
                }
                Some(kind) => kind,
                None if gross_of(totals) < gross_of(&last)
                    && lowered(&last, totals, &place.bucket) =>
                {
                    RevenueKind::Returns
                }
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
                // Where an earlier version has recorded, it is not known what stands in which month.
                business_date: if recorded.coarse || mends {
                    today
                } else {
                    step.day
                },
                kind,
                payment: place.payer,
                currency: view.order.currency,
                tax_of: place.bucket.of,
                gross,
                tax,
                derived: step.derived,
                step: Some(step.id),
                recorded_at: view.now,
            });
        }
        last.clone_from(totals);
    }
    rows
}

/// What is recorded as returned of a bucket was not returned after all.
fn undoes_returns(view: &View<'_>, epoch: DateTime<Utc>, bucket: &Bucket, gross: i64) -> bool {
    let rows = view.input.revenue.iter();
    let returned = rows
        .filter(|row| row.recorded_at >= epoch && row.kind == RevenueKind::Returns)
        .filter(|row| row.tax_of == bucket.of)
        .fold(0_i64, |sum, row| sum.saturating_sub(row.gross));
    gross > 0 && gross <= returned
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
