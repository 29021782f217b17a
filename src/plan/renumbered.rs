//! Numbers of parcels that come later, or turn out to be others: who has to be told.

use std::collections::{BTreeMap, BTreeSet};

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
            shared(view, shipment, parcel, tasks);
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
    let two = format!("parcel_reported_twice:{reference}");
    let what = if parcel.typed {
        format!(
            "{warehouse} reports {reference} under number {number}, but an operator entered {own}. Correct the one that is wrong, or release it"
        )
    } else {
        format!(
            "{warehouse} reports the goods of {reference} under number {number}, but reported them under {own} before. Together they are more than was instructed, so this counts as a corrected number and moves no stock. Correct the number to have it reported, or release it if {own} is right. If they are two parcels, release {two}"
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

/// An earlier parcel of another order, to another recipient, has the same number by the same account.
fn shared(view: &View<'_>, shipment: &Shipment<'_>, parcel: &Parcel<'_>, tasks: &mut Tasks) {
    let account = &shipment.fact.account;
    let others = view.input.shared.iter().filter(|other| {
        let earlier = other.account == *account && other.since < parcel.number_id;
        earlier && parcel.has_number(&other.number)
    });
    let mut named: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for other in others {
        let orders = named.entry(&other.number).or_default();
        let order = format!("{} ({})", other.order, other.reference);
        if !orders.contains(&order) {
            orders.push(order);
        }
    }
    let reference = &shipment.fact.reference;
    for (number, orders) in named {
        let what = format!(
            "{} reports {reference} under number {number}, which it reported before for order {}, to another recipient. Ask which of them has another number, and correct that one (`parcel correct`). If both are in one parcel, the number is right",
            shipment.fact.warehouse,
            orders.join(", ")
        );
        tasks.tell(view, "tracking_shared", parcel.number_id, &what);
    }
}

/// What the channel or the customer was told of a parcel's number, where another one holds.
struct Void<'v, 'a> {
    view: &'v View<'a>,
    parcel: &'v Parcel<'a>,
    /// What the channel was told with it, a parcel each.
    told: Vec<Option<&'v str>>,
    /// What the channel shows.
    shown: Vec<&'v str>,
}

impl<'v> Void<'v, '_> {
    /// No parcel has this number any more.
    fn void(&self, number: &str) -> bool {
        let parcels = self.view.parcels();
        !parcels.iter().any(|other| other.has_number(number))
    }

    /// A number that the channel was told, and that is none any more.
    fn told(&self) -> Option<&'v str> {
        let mut told = self.told.iter().copied().flatten();
        told.find(|told| self.parcel.had_number(told) && self.void(told))
    }

    /// The channel was told all that holds and nothing that is void, or is told nothing.
    fn told_rightly(&self) -> bool {
        let told = self.told.iter().copied().flatten();
        let mut labels = self.parcel.labels();
        let all = labels.all(|own| told.clone().any(|told| same_number(told, own)));
        self.told.is_empty() || (all && self.told().is_none())
    }

    /// Numbers of its labels that the channel has not.
    fn missing(&self) -> Vec<&'v str> {
        let told = self.told.iter().copied().flatten();
        let known: Vec<&str> = self.shown.iter().copied().chain(told).collect();
        let is_known = |number: &&str| known.iter().any(|other| same_number(other, number));
        self.parcel.labels().filter(|n| !is_known(n)).collect()
    }

    /// What the customer's mail has in place of its number.
    fn mailed(&self) -> Option<String> {
        let parcel = self.parcel;
        // It is written when it is sent; one that still waits has the newest.
        let mails = self.view.fold.of_op(Op::Mail).filter(|mail| !mail.void());
        let sent = mails.filter_map(|mail| Some(mail.outcome?.0)).last();
        let sent = sent.filter(|sent| *sent > parcel.first_id)?;
        let mut had = parcel.numbers_at(sent).peekable();
        if had.peek().is_none() {
            return parcel.tracking.map(|_| "no number".to_owned());
        }
        let old = had.find(|number| self.void(number)).map(str::to_owned);
        let in_part = parcel.labelled_since(sent);
        old.or_else(|| in_part.then(|| "not all".to_owned()))
    }
}

/// The channel was told other numbers than hold, or none, and shows no others; or only the customer was.
fn told_otherwise(
    view: &View<'_>,
    shipment: &Shipment<'_>,
    parcel: &Parcel<'_>,
    tasks: &mut Tasks,
) {
    let names: BTreeSet<String> = parcel.names().collect();
    let intents = view.fold.of_op(Op::Ship).filter(|intent| !intent.void());
    let calls = intents.filter(|intent| intent.parcels().iter().any(|name| names.contains(name)));
    let told = calls
        .filter_map(|intent| match intent.call() {
            Some(Call::Ship(call)) => Some(&call.parcels),
            _ => None,
        })
        .flatten()
        .map(|parcel| parcel.tracking.as_deref());
    let live = view.order.fulfilments.iter().filter(|f| !f.cancelled());
    let void = Void {
        view,
        parcel,
        told: told.collect(),
        shown: live.flat_map(|f| &f.tracking).map(String::as_str).collect(),
    };
    let reference = &shipment.fact.reference;
    let mailed = void.mailed();
    let Some(there) = to_type(&void) else {
        // What the channel was told wrongly and shows rightly by now, the customer was told with it.
        if let Some(has) = mailed.filter(|_| void.told_rightly()) {
            let labels: Vec<&str> = parcel.labels().collect();
            let what = format!(
                "The tracking number of {reference} has changed. Notify the customer of {}; the shipping mail has {has}",
                labels.join(", ")
            );
            tasks.tell(view, "tracking_corrected", parcel.numbered_by(), &what);
        }
        return;
    };
    let mail = mailed.map_or_else(String::new, |has| {
        format!(", and notify the customer; the shipping mail has {has}")
    });
    let what = format!(
        "{reference} was reported to {} {there} there{mail}",
        view.input.channel
    );
    tasks.tell(view, "tracking_corrected", parcel.numbered_by(), &what);
}

/// How the channel was told, and what to do.
fn to_type(void: &Void<'_, '_>) -> Option<String> {
    if void.told.is_empty() {
        return None;
    }
    let (old, missing) = (void.told(), void.missing());
    let numbers = missing.join(", ");
    match old {
        Some(old) if missing.is_empty() => {
            // It goes when the channel shows it no more.
            let shown = &void.shown;
            let there = shown.is_empty() || shown.iter().any(|shown| same_number(shown, old));
            there.then(|| format!("as {old} too, which is void. Remove {old}"))
        }
        Some(old) => Some(format!("as {old}. Enter {numbers}")),
        None if missing.is_empty() => None,
        None if void
            .parcel
            .tracking
            .is_some_and(|own| missing.contains(&own)) =>
        {
            let without = void.told.contains(&None);
            without.then(|| format!("without a number. Enter {numbers}"))
        }
        None => Some(format!("without all numbers of its labels. Add {numbers}")),
    }
}
