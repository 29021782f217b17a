//! Revenue (売上): what is due for what has left, as differences to what was recorded before.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use hikiate_sdk::ChargeKind;

use super::money::tax_inside;
use super::payment::Payment;
use super::types::RevenueRow;
use super::view::{Left, View};
use crate::policy::{DigitalBooking, Recognise};

/// What sums of revenue are kept apart by: rate in basis points, whether rounding moved it, who pays a discount.
type Bucket = (u32, bool, Option<String>);

/// Gross and the tax in it.
type Amount = (i64, i64);

/// One point in time up to which revenue is due.
struct Step {
    /// The fact that it rests on.
    id: i64,
    day: NaiveDate,
    left: Left,
}

/// New revenue events. `delivered` is when the order counts as delivered, if it does.
pub(crate) fn revenue(
    view: &View<'_>,
    payment: &Payment,
    delivered: Option<DateTime<Utc>>,
) -> Vec<RevenueRow> {
    let Some(booking) = &view.policy.booking else {
        return Vec::new();
    };
    let Some(epoch) = view.epoch("booking", &booking.account) else {
        return Vec::new();
    };
    if view.cancelled_at_channel.is_some() {
        return Vec::new();
    }
    if booking.digital == DigitalBooking::Never && view.nothing_ships() {
        return Vec::new();
    }
    let before = view.departed(|one| one.first_recorded_at < epoch);
    let steps = steps(view, booking.recognise, epoch, delivered);
    let (Some(base), Some(sums)) = (
        sums(view, &before),
        steps
            .iter()
            .map(|step| sums(view, &step.left))
            .collect::<Option<Vec<_>>>(),
    ) else {
        return Vec::new();
    };
    let mut buckets: BTreeSet<Bucket> = sums.iter().flat_map(|sum| sum.keys().cloned()).collect();
    buckets.extend(view.input.revenue.iter().map(bucket_of));
    let mut rows = Vec::new();
    for bucket in buckets {
        let at = |sum: &BTreeMap<Bucket, Amount>| sum.get(&bucket).copied().unwrap_or_default();
        let targets: Vec<Amount> = sums.iter().map(|sum| minus(at(sum), at(&base))).collect();
        let recorded = recorded(view, &bucket, epoch);
        // Steps that were booked as they stand are over; the rest is dated by its own goods.
        let over = match targets.iter().rposition(|target| *target == recorded) {
            Some(at) => at + 1,
            None if recorded == (0, 0) => 0,
            None => targets.len().saturating_sub(1),
        };
        let mut last = recorded;
        for (step, target) in steps.iter().zip(&targets).skip(over) {
            let (gross, tax) = minus(*target, last);
            last = *target;
            if (gross, tax) != (0, 0) {
                rows.push(row(view, payment, &bucket, step.day, gross, tax));
            }
        }
    }
    let known = view.input.revenue.len();
    for (at, row) in rows.iter_mut().enumerate() {
        row.key = format!("{}:{}", known + at + 1, row.key);
    }
    rows
}

/// The points in time, in the order their goods became known.
fn steps(
    view: &View<'_>,
    recognise: Recognise,
    epoch: DateTime<Utc>,
    delivered: Option<DateTime<Utc>>,
) -> Vec<Step> {
    let departures = view.departures();
    let eligible = departures
        .iter()
        .filter(|one| one.first_recorded_at >= epoch);
    let taken_back = view
        .others
        .taken_back
        .iter()
        .map(|since| (since.id, since.at));
    let mut steps: Vec<Step> = match recognise {
        // What did not ship after all is taken back on the day that somebody said so.
        Recognise::Shipped => eligible
            .map(|one| (one.first_id, one.shipped_at))
            .chain(taken_back)
            .map(|(id, at)| Step {
                id,
                day: view.day(at),
                left: view.departed(|other| other.first_id <= id),
            })
            .collect(),
        Recognise::Delivered => {
            // What was taken back leaves nothing due until all of it is delivered again.
            let back = taken_back.map(|(id, at)| Step {
                id,
                day: view.day(at),
                left: Left::new(),
            });
            let all = delivered.filter(|_| eligible.count() > 0).map(|at| Step {
                id: i64::MAX,
                day: view.day(at),
                left: view.departed(|_| true),
            });
            back.chain(all).collect()
        }
    };
    steps.sort_by_key(|step| step.id);
    steps
}

/// Due revenue per bucket; `None` while an amount is unknown.
fn sums(view: &View<'_>, left: &Left) -> Option<BTreeMap<Bucket, Amount>> {
    let mut sums: BTreeMap<Bucket, Amount> = BTreeMap::new();
    let mut untaxed: BTreeMap<Bucket, i64> = BTreeMap::new();
    for charge in &view.order.charges {
        let gross = charge.gross?;
        let due = view.due_of(charge, gross, left);
        let tax = charge.tax.map(|tax| view.due_of(charge, tax, left));
        let rate = charge.tax_rate_bp.unwrap_or(0);
        let rounding = charge.kind == ChargeKind::Rounding;
        let mut add = |bucket: Bucket, sign: i64| {
            let sum = sums.entry(bucket.clone()).or_default();
            sum.0 = sum.0.saturating_add(due.saturating_mul(sign));
            match tax {
                Some(tax) => sum.1 = sum.1.saturating_add(tax.saturating_mul(sign)),
                None => {
                    let sum = untaxed.entry(bucket).or_default();
                    *sum = sum.saturating_add(due.saturating_mul(sign));
                }
            }
        };
        add((rate, rounding, None), 1);
        // A discount that somebody else pays is no less revenue: it is owed by them.
        if let Some(sponsor) = &charge.sponsor {
            add((rate, rounding, Some(sponsor.clone())), -1);
        }
    }
    for (bucket, gross) in untaxed {
        let sum = sums.entry(bucket.clone()).or_default();
        sum.1 = sum.1.saturating_add(tax_inside(gross, bucket.0));
    }
    Some(sums)
}

fn minus(a: Amount, b: Amount) -> Amount {
    (a.0.saturating_sub(b.0), a.1.saturating_sub(b.1))
}

fn bucket_of(row: &RevenueRow) -> Bucket {
    let rate = u32::try_from(row.tax_rate_bp).unwrap_or(0);
    (
        rate,
        row.rounding,
        row.payment.strip_prefix("sponsor:").map(str::to_owned),
    )
}

/// What was recorded since the rule began. What an earlier one recorded is over, as its goods are.
fn recorded(view: &View<'_>, bucket: &Bucket, epoch: DateTime<Utc>) -> Amount {
    let rows = view
        .input
        .revenue
        .iter()
        .filter(|row| row.recorded_at >= epoch && bucket_of(row) == *bucket);
    rows.fold((0, 0), |(gross, tax), row| {
        (gross.saturating_add(row.gross), tax.saturating_add(row.tax))
    })
}

fn row(
    view: &View<'_>,
    payment: &Payment,
    bucket: &Bucket,
    business_date: NaiveDate,
    gross: i64,
    tax: i64,
) -> RevenueRow {
    let (rate, rounding, sponsor) = bucket;
    let kind = match (sponsor, rounding) {
        (Some(_), _) => "sponsor",
        (None, true) => "rounding",
        (None, false) => "sales",
    };
    RevenueRow {
        key: format!("{rate}:{kind}"),
        business_date,
        payment: sponsor
            .as_ref()
            .map_or_else(|| payment.word.clone(), |s| format!("sponsor:{s}")),
        currency: view.order.currency,
        tax_rate_bp: i32::try_from(*rate).unwrap_or(i32::MAX),
        rounding: *rounding,
        gross,
        tax,
        recorded_at: view.now,
    }
}
