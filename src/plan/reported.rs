//! What reports leave out or get wrong: a number that comes later or never, a time that cannot be.

use chrono::{DateTime, Utc};
use hikiate_sdk::NO_NUMBER;

use super::cancel::shipped_late;
use super::codes::{instructed_as, is_listed};
use super::fold::Fold;
use super::parcels::contents;
use super::shipment::{Parcel, Shipment};
use super::tasks::{Tasks, words_or_none};
use super::types::OrderInput;
use super::view::View;
use crate::action::Action;

/// The task about a parcel whose warehouse told something else in place of its number.
const MISSING: &str = "tracking_not_reported";

/// The task about a parcel that cannot have been shipped when its warehouse says.
const DATE: &str = "shipped_date";

/// The task about two reports that may be one parcel, or two.
const TWICE: &str = "parcel_reported_twice";

/// The task about a shipment that its warehouse refuses, or has stopped, after it reported it as shipped.
const REFUSED: &str = "shipped_rejected";

/// The task about a row whose code is not that of the line it names.
pub(super) const MISREAD: &str = "parcel_code_differs";

/// The same goods that were shipped at the same time: told without a number, and later with one. A layout that has only a
/// date tells two boxes of one day just so.
pub(super) fn may_be_one(one: &Parcel<'_>, other: &Parcel<'_>) -> bool {
    one.tracking.is_none()
        && other.tracking.is_some()
        && one.report.shipped_at == other.report.shipped_at
        && one.first_recorded_at < other.first_recorded_at
        && contents(one) == contents(other)
}

/// All that a warehouse told of a shipment is rows that nobody can believe, and an operator has left each of them at that: no word
/// of the warehouse.
#[must_use]
pub fn left_at_that(input: &OrderInput, reference: &str, now: DateTime<Utc>) -> bool {
    let fold = Fold::of(input, now);
    let mut shipments = fold.shipments.iter();
    shipments.any(|of| of.fact.reference.as_str() == reference && of.left_at_that())
}

impl Parcel<'_> {
    /// What to type for its number while it has none, in a shipment.
    pub(super) fn typed_as(&self, shipment: &Shipment<'_>) -> &str {
        let mut unnumbered = shipment.parcels.iter().filter(|p| p.tracking.is_none());
        let alone = unnumbered.nth(1).is_none();
        if alone { NO_NUMBER } else { self.key }
    }
}

/// What an operator should see of this.
pub(super) fn tasks(view: &View<'_>, tasks: &mut Tasks) {
    for shipment in &view.fold.shipments {
        refused(view, shipment, tasks);
        for parcel in &shipment.parcels {
            missing(view, shipment, parcel, tasks);
            told_twice(view, shipment, parcel, tasks);
            doubted_time(view, shipment, parcel, tasks);
        }
        for parcel in shipment.all_parcels() {
            misread(view, shipment, parcel, tasks);
        }
    }
}

/// Its warehouse takes back that it shipped: which of its words is right, only an operator can ask.
fn refused(view: &View<'_>, shipment: &Shipment<'_>, tasks: &mut Tasks) {
    let Some(said) = shipment.taken_back() else {
        return;
    };
    let first = shipment.parcels.iter().map(|parcel| parcel.first_id).max();
    let asked = shipment.recall.filter(|_| !view.cancelling());
    let recalled = asked.is_some_and(|(asked, _)| first.is_some_and(|first| first > asked));
    // The task about goods that were to be stopped says it.
    if recalled || shipped_late(view, shipment).is_some() {
        return;
    }
    let parcels = shipment.parcels.iter().chain(&shipment.ahead);
    let told = parcels.map(|parcel| {
        let number = parcel.tracking.unwrap_or("no number");
        let at = parcel.shipped_at(view.order.ordered_at);
        format!("{}, {number}", view.local(at))
    });
    let told: Vec<String> = told.collect();
    let what = format!(
        "{} reported {} as shipped ({}), and later that it {}: {}. It counts as shipped. Ask which is right. If it did not ship, have the parcel reported again with a quantity of 0, and correct what {} and the customer were notified of",
        shipment.fact.warehouse,
        shipment.fact.reference,
        told.join("; "),
        said.said,
        words_or_none(said.words),
        view.input.channel,
    );
    tasks.tell(view, REFUSED, said.id, &what);
}

/// Rows of which either the line or the code is wrong: they move nothing until somebody says which.
fn misread(view: &View<'_>, shipment: &Shipment<'_>, parcel: &Parcel<'_>, tasks: &mut Tasks) {
    let reference = &shipment.fact.reference;
    for row in &parcel.misread {
        if view.fold.released_after(MISREAD, row.id) {
            continue;
        }
        let n = row.n.unwrap_or_default();
        let line = shipment.fact.lines.iter().find(|line| line.n == n);
        let code = instructed_as(view.input, shipment, n).map(str::to_owned);
        let list = if is_listed(view.input, shipment, row.code) {
            ""
        } else {
            ". If it is the same item, add that code to the mapping file and restart"
        };
        let code = code.or_else(|| line.map(|line| view.label(&line.line)));
        let number = parcel.tracking.unwrap_or("no number");
        let wrong = match row.n {
            Some(n) => format!(
                "a row that gives line {n} as {}, but it was instructed as {}. The row does not count. Ask which of them was shipped",
                row.code,
                code.as_deref().unwrap_or("another item"),
            ),
            None => format!(
                "a row of {}, which is not the code of any of its lines. The row does not count. Ask what was shipped",
                row.code
            ),
        };
        let rejected = shipment.reply.filter(|_| shipment.rejected());
        let rejected = rejected.map_or_else(String::new, |(_, reply)| {
            let words = words_or_none(&reply.message);
            format!(". Its last reply is that it will not ship it: {words}")
        });
        let what = format!(
            "{} reports {reference} ({number}) with {wrong}{list}{rejected}. A file with the right row closes this task; otherwise record what was shipped under this number, or release it",
            shipment.fact.warehouse,
        );
        tasks
            .add(MISREAD, what)
            .action(Action::Shipped {
                reference: Some(reference.to_string()),
            })
            .release(MISREAD);
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
        "{} reported {reference}{which} with text in place of the tracking number. It counts as shipped, and {} and the customer are notified without a number. Enter the number when it is known, or release this",
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
    let rule = format!("parcel_reported_twice:{reference}");
    // A release without a shipment, as before they were told apart, stands for all that were told by then.
    let answered = |rule: &str| view.fold.released_after(rule, other.first_id);
    if answered(&rule) || answered(TWICE) {
        return;
    }
    let from = parcel.typed_as(shipment);
    let what = format!(
        "{} reported a parcel of {reference} without a number, and later the same goods of the same time under {number}. They count as two parcels. If it is one, enter the number; if not, release this",
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

fn doubted_time(view: &View<'_>, shipment: &Shipment<'_>, parcel: &Parcel<'_>, tasks: &mut Tasks) {
    let placed = view.order.ordered_at;
    if !parcel.doubted(placed) {
        return;
    }
    let told = parcel.report.shipped_at;
    let why = if told < placed {
        format!("before the order was placed ({})", view.local(placed))
    } else {
        "more than a month after it was reported".to_owned()
    };
    let what = format!(
        "{} reports that {} was shipped on {}, {why}. Until a report has the right date, {}, when it was reported, counts for stock and books. Check whether it was shipped, and on which day",
        shipment.fact.warehouse,
        shipment.fact.reference,
        view.local(told),
        view.local(parcel.shipped_at(placed)),
    );
    tasks.tell(view, DATE, parcel.last_id, &what);
}
