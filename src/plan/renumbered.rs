//! Numbers of parcels that come later, or turn out to be others: who has to be told.

use std::collections::BTreeSet;

use hikiate_sdk::{Call, Op};

use super::parcels::Renumbered;
use super::shipment::{Parcel, Shipment};
use super::tasks::Tasks;
use super::tracking::same_number;
use super::types::NewFact;
use super::view::View;
use crate::action::Action;
use crate::facts::{FactBody, ParcelCorrectedFact};
use crate::policy::CorrectedNumber;

/// The task about a parcel that is known under two numbers.
const DIFFERS: &str = "tracking_differs";

/// Why a number was corrected that nobody typed.
pub(super) const BY_POLICY: &str = "notice.corrected_number = \"tell\"";

/// The corrected numbers that are believed without being asked about.
pub(crate) fn decisions(view: &View<'_>) -> Vec<NewFact> {
    let parcels = view.parcels().into_iter();
    let believed = parcels.filter_map(|parcel| Some((parcel, believed(view, parcel)?)));
    believed
        .filter_map(|(parcel, pending)| {
            Some(NewFact {
                key: format!(
                    "parcel_corrected:{}:told:{}",
                    parcel.reference(),
                    pending.id
                ),
                body: FactBody::ParcelCorrected(ParcelCorrectedFact {
                    reference: parcel.reference().clone(),
                    from: parcel.tracking?.to_owned(),
                    to: pending.number.to_owned(),
                    reason: BY_POLICY.to_owned(),
                }),
            })
        })
        .collect()
}

/// The number that a parcel is reported under, until somebody has said which is right.
fn open<'a>(view: &View<'_>, parcel: &Parcel<'a>) -> Option<Renumbered<'a>> {
    let pending = parcel.renumbered?;
    let settled = view.fold.released_after(DIFFERS, pending.id);
    (!settled).then_some(pending)
}

/// The number that a parcel has from the next plan on.
pub(super) fn believed<'a>(view: &View<'_>, parcel: &Parcel<'a>) -> Option<Renumbered<'a>> {
    let tell = view.policy.notice.corrected_number == CorrectedNumber::Tell;
    open(view, parcel).filter(|_| tell && !parcel.typed)
}

/// What an operator should see of this.
pub(crate) fn tasks(view: &View<'_>, tasks: &mut Tasks) {
    for shipment in &view.fold.shipments {
        for parcel in &shipment.parcels {
            differs(view, shipment, parcel, tasks);
            told_otherwise(view, shipment, parcel, tasks);
        }
    }
}

/// Its warehouse reports it under another number.
fn differs(view: &View<'_>, shipment: &Shipment<'_>, parcel: &Parcel<'_>, tasks: &mut Tasks) {
    let Some((pending, own)) = open(view, parcel).zip(parcel.tracking) else {
        return;
    };
    if believed(view, parcel).is_some() {
        return;
    }
    let reference = &shipment.fact.reference;
    let Renumbered { number, .. } = pending;
    let warehouse = &shipment.fact.warehouse;
    let two = format!("parcel_told_twice:{reference}");
    let what = if parcel.typed {
        format!(
            "{warehouse} reports {reference} under number {number}, an operator typed {own}; correct the one that is wrong, or release it"
        )
    } else {
        format!(
            "{warehouse} reports the goods of {reference} under number {number}, which it reported under {own} before: more than was instructed, so it counts as a corrected number and moves nothing; correct it and it is told, or release it where {own} is right. If they are two boxes, release {two}"
        )
    };
    let task = tasks.add(DIFFERS, what);
    task.action(Action::CorrectParcel {
        reference: reference.to_string(),
        from: own.to_owned(),
        to: number.to_owned(),
    })
    .release(DIFFERS);
    if !parcel.typed {
        task.release(&two);
    }
}

/// The channel was told other numbers than hold, or none, and shows no others.
fn told_otherwise(
    view: &View<'_>,
    shipment: &Shipment<'_>,
    parcel: &Parcel<'_>,
    tasks: &mut Tasks,
) {
    let names: BTreeSet<String> = parcel.names().collect();
    let intents = view.fold.of_op(Op::Ship).filter(|intent| !intent.void());
    let calls = intents.filter(|intent| intent.parcels().iter().any(|name| names.contains(name)));
    let told: Vec<Option<&str>> = calls
        .filter_map(|intent| match intent.call() {
            Some(Call::Ship(call)) => Some(&call.parcels),
            _ => None,
        })
        .flatten()
        .map(|parcel| parcel.tracking.as_deref())
        .collect();
    if told.is_empty() {
        return;
    }
    let mut numbers = told.iter().copied().flatten();
    let held = |number: &str| view.parcels().iter().any(|other| other.has_number(number));
    let old = numbers.find(|told| parcel.had_number(told) && !held(told));
    let live = view.order.fulfilments.iter().filter(|f| !f.cancelled());
    let shown = live.flat_map(|f| &f.tracking).map(String::as_str);
    let mut known: Vec<&str> = shown.collect();
    if old.is_none() {
        known.extend(told.iter().copied().flatten());
    }
    let is_known = |number: &&str| known.iter().any(|other| same_number(other, number));
    let missing: Vec<&str> = parcel.labels().filter(|number| !is_known(number)).collect();
    if missing.is_empty() {
        return;
    }
    let reference = &shipment.fact.reference;
    let whole = parcel.tracking.is_some_and(|own| missing.contains(&own));
    let without = old.is_none() && whole;
    if without && !told.contains(&None) {
        return;
    }
    let mails = view.fold.of_op(Op::Mail).filter(|mail| !mail.void());
    let mailed = mails.into_iter().any(|mail| mail.id < parcel.number_id);
    let mail = match (mailed, old) {
        (false, _) => "",
        (true, Some(_)) => ", and tell the customer, whose mail has the old one",
        (true, None) => ", and tell the customer, whose mail has none",
    };
    let numbers = missing.join(", ");
    let channel = &view.input.channel;
    let what = match old {
        Some(old) => {
            format!("{reference} was told to {channel} as {old}: type {numbers} there{mail}")
        }
        None if without => {
            format!(
                "{reference} was told to {channel} without a number: type {numbers} there{mail}"
            )
        }
        None => format!(
            "{reference} was told to {channel} without all numbers of its labels: add {numbers} there{mail}"
        ),
    };
    tasks.tell(view, "tracking_corrected", parcel.number_id, &what);
}
