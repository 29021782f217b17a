//! What reports leave out or get wrong: a number that comes later or never, a time that cannot be.

use chrono::{DateTime, Duration, Utc};
use hikiate_sdk::{Call, NO_NUMBER, Op, ShipmentReference, Tracking};

use super::by_hand::contents;
use super::shipment::{Parcel, Shipment};
use super::tasks::Tasks;
use super::tracking::tracking_key;
use super::view::View;
use crate::action::Action;
use crate::facts::{ParcelCorrectedFact, ShipmentFact};

/// The task about a parcel whose warehouse told something else in place of its number.
const MISSING: &str = "tracking_not_told";

/// The task about a parcel that cannot have been shipped when its warehouse says.
const DATE: &str = "shipped_date";

/// The task about two reports that may be one parcel, or two.
const TWICE: &str = "parcel_told_twice";

/// How far a time may be before what it must follow: a date without a time stands for its whole day.
const A_DAY: Duration = Duration::days(1);

/// How far ahead a day of shipping may be told: files before a weekend or holidays name the day on which it will be.
const AHEAD: Duration = Duration::days(14);

/// Gives parcels that were told without a number the one that came later, from an operator or with a report of the same
/// goods; such a report only confirms. `corrections` are all of the order.
pub(super) fn numbered<'a>(
    fact: &ShipmentFact,
    parcels: &mut Vec<Parcel<'a>>,
    confirmed: &mut Vec<Parcel<'a>>,
    corrections: &[(i64, &'a ParcelCorrectedFact)],
) {
    for parcel in parcels.iter_mut().chain(confirmed.iter_mut()) {
        if parcel.tracking.is_some_and(no_number) {
            parcel.tracking = None;
        }
        if parcel.tracking.is_some() {
            continue;
        }
        for (_, typed) in corrections
            .iter()
            .filter(|(_, typed)| typed.reference == fact.reference)
        {
            let unnumbered = parcel.tracking.is_none() && typed.from == parcel.key;
            if unnumbered || parcel.tracking == Some(&typed.from) {
                parcel.tracking = Some(&typed.to);
            }
        }
    }
    while let Some((at, later)) = same_goods(fact, parcels) {
        let told = parcels.remove(later);
        if let Some(parcel) = parcels.get_mut(at) {
            if parcel.tracking.is_none() {
                parcel.tracking = told.tracking;
                parcel.report = told.report;
            }
            parcel.last_id = parcel.last_id.max(told.last_id);
            parcel.lines_ever.extend(&told.lines_ever);
        }
        confirmed.push(told);
    }
}

/// Words, dashes or zeros in place of a number.
pub(super) fn no_number(text: &str) -> bool {
    Tracking::read(text) == Ok(Tracking::Missing)
}

/// Two parcels, by place, that are one: the same goods, told without a number and with one, and together more than the
/// shipment had. Those that were shipped at the same time and told one after the other come first.
fn same_goods(fact: &ShipmentFact, parcels: &[Parcel<'_>]) -> Option<(usize, usize)> {
    let too_many = |inside: &Parcel<'_>| {
        fact.lines.iter().any(|line| {
            let all = parcels.iter().map(|parcel| parcel.items(line.n));
            inside.items(line.n) > 0 && all.fold(0, u32::saturating_add) > line.quantity
        })
    };
    // A second parcel without a number that was shipped later is not explained away.
    let too_many = |one: &Parcel<'_>, other: &Parcel<'_>| {
        let at_once = one.report.left_at == other.report.left_at;
        too_many(one) && (one.tracking.is_none() || at_once)
    };
    let pair = |same: &dyn Fn(&Parcel<'_>, &Parcel<'_>) -> bool| {
        parcels.iter().enumerate().find_map(|(at, one)| {
            let mut later = parcels.iter().enumerate().skip(at + 1);
            let (later, _) = later.find(|(_, other)| {
                one.tracking.is_none() != other.tracking.is_none()
                    && contents(one) == contents(other)
                    && same(one, other)
            })?;
            Some((at, later))
        })
    };
    let told_again =
        |one: &Parcel<'_>, other: &Parcel<'_>| too_many(one, other) && may_be_one(one, other);
    pair(&told_again).or_else(|| pair(&too_many))
}

/// The same goods that were shipped at the same time: told without a number, and later with one. A layout that has only a
/// date tells two boxes of one day just so.
pub(super) fn may_be_one(one: &Parcel<'_>, other: &Parcel<'_>) -> bool {
    one.tracking.is_none()
        && other.tracking.is_some()
        && one.report.left_at == other.report.left_at
        && one.first_recorded_at < other.first_recorded_at
        && contents(one) == contents(other)
}

impl Parcel<'_> {
    /// Something was told in place of its number.
    fn words_instead(&self) -> bool {
        self.report.tracking.is_some() && self.tracking.is_none()
    }

    /// What to type for its number while it has none, in a shipment.
    pub(super) fn typed_as(&self, shipment: &Shipment<'_>) -> &str {
        let mut unnumbered = shipment.parcels.iter().filter(|p| p.tracking.is_none());
        let alone = unnumbered.nth(1).is_none();
        if alone { NO_NUMBER } else { self.key }
    }

    /// When it was shipped. A time that cannot be (before the order was placed, or long after it was told) would move
    /// goods and money in another period: then it is when it was told.
    pub(super) fn left_at(&self, placed: DateTime<Utc>) -> DateTime<Utc> {
        if self.doubted(placed) {
            self.first_recorded_at
        } else {
            self.report.left_at
        }
    }

    /// The time that was told cannot be.
    fn doubted(&self, placed: DateTime<Utc>) -> bool {
        let told = self.report.left_at;
        told.signed_duration_since(placed) <= -A_DAY
            || told.signed_duration_since(self.first_recorded_at) > AHEAD
    }
}

/// What an operator should see of this.
pub(super) fn tasks(view: &View<'_>, tasks: &mut Tasks) {
    for shipment in &view.fold.shipments {
        for parcel in &shipment.parcels {
            missing(view, shipment, parcel, tasks);
            told_twice(view, shipment, parcel, tasks);
            came_later(view, shipment, parcel, tasks);
            doubted_time(view, shipment, parcel, tasks);
        }
    }
}

fn missing(view: &View<'_>, shipment: &Shipment<'_>, parcel: &Parcel<'_>, tasks: &mut Tasks) {
    if !parcel.words_instead() || view.fold.released_after(MISSING, parcel.last_id) {
        return;
    }
    let reference = &shipment.fact.reference;
    let from = parcel.typed_as(shipment);
    let which = if from == NO_NUMBER {
        String::new()
    } else {
        format!(" (parcel {from:?})")
    };
    let what = format!(
        "{} told no tracking number of {reference}{which}, but words in its place: it counts as shipped, and {} and the customer are told without a number; type it when it is known, or release this",
        shipment.fact.warehouse, view.input.channel
    );
    tasks
        .add(MISSING, what)
        .action(Action::CorrectParcel {
            reference: reference.to_string(),
            from: from.to_owned(),
            to: "NUMBER".to_owned(),
        })
        .release(MISSING);
}

/// Two reports count as two parcels, and may be one.
fn told_twice(view: &View<'_>, shipment: &Shipment<'_>, parcel: &Parcel<'_>, tasks: &mut Tasks) {
    let mut others = shipment.parcels.iter();
    let Some(other) = others.find(|other| may_be_one(parcel, other)) else {
        return;
    };
    let Some(number) = other.tracking else {
        return;
    };
    let reference = &shipment.fact.reference;
    let rule = format!("parcel_told_twice:{reference}");
    // A release without a shipment, as before they were told apart, stands for all that were told by then.
    let answered = |rule: &str| view.fold.released_after(rule, other.first_id);
    if answered(&rule) || answered(TWICE) {
        return;
    }
    let from = parcel.typed_as(shipment);
    let what = format!(
        "{} told a parcel of {reference} without a number, and later the same goods of the same time under {number}: one box or two? They count as two; type the number if it is one, or release this",
        shipment.fact.warehouse
    );
    tasks
        .add(TWICE, what)
        .action(Action::CorrectParcel {
            reference: reference.to_string(),
            from: from.to_owned(),
            to: number.to_owned(),
        })
        .release(&rule);
}

/// The channel was told without a number, which is known since.
fn came_later(view: &View<'_>, shipment: &Shipment<'_>, parcel: &Parcel<'_>, tasks: &mut Tasks) {
    let Some(number) = parcel.tracking else {
        return;
    };
    let name = parcel.name();
    let key = tracking_key(number);
    let told_without = view.fold.of_op(Op::Ship).any(|intent| {
        let Some(Call::Ship(call)) = intent.call().filter(|_| !intent.void()) else {
            return false;
        };
        let mut told = call.parcels.iter();
        intent.parcels().contains(&name)
            && told.any(|told| told.tracking.is_none())
            && !call
                .parcels
                .iter()
                .any(|told| told.tracking.as_deref() == Some(number))
    });
    let live = view.order.fulfilments.iter().filter(|f| !f.cancelled());
    let shown = live
        .flat_map(|f| &f.tracking)
        .any(|told| tracking_key(told) == key);
    if !told_without || shown {
        return;
    }
    let reference = &shipment.fact.reference;
    let known = last_correction(view, reference).max(parcel.last_id);
    let mails = view.fold.of_op(Op::Mail);
    let mailed = mails
        .filter(|mail| !mail.void())
        .any(|mail| mail.id < known);
    let mail = if mailed {
        ", and tell the customer, whose mail has none"
    } else {
        ""
    };
    let what = format!(
        "{reference} was told to {} without a number: type {number} there{mail}",
        view.input.channel
    );
    tasks.tell(view, "tracking_corrected", known, &what);
}

fn last_correction(view: &View<'_>, reference: &ShipmentReference) -> i64 {
    let typed = view.fold.corrected.iter();
    let mine = typed.filter(|(_, typed)| typed.reference == *reference);
    mine.map(|(id, _)| *id).max().unwrap_or(0)
}

fn doubted_time(view: &View<'_>, shipment: &Shipment<'_>, parcel: &Parcel<'_>, tasks: &mut Tasks) {
    let placed = view.order.ordered_at;
    if !parcel.doubted(placed) {
        return;
    }
    let told = parcel.report.left_at;
    let why = if told < placed {
        format!("before the order was placed ({})", view.local(placed))
    } else {
        "more than two weeks after it told so".to_owned()
    };
    let what = format!(
        "{} says that {} was shipped on {}, {why}: {}, when it was told, counts for stock and books until a report has the right date; look whether it was shipped, and on which day",
        shipment.fact.warehouse,
        shipment.fact.reference,
        view.local(told),
        view.local(parcel.left_at(placed)),
    );
    tasks.tell(view, DATE, parcel.last_id, &what);
}
