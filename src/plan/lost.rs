//! After the database was set back: what a warehouse was sent of an order, and the database does not know.
//! It is taken over where it can only mean one thing, and otherwise an operator is asked; nothing of the order is
//! instructed before that.

use std::collections::BTreeSet;

use hikiate_sdk::{AccountSlug, GroupKey, Op, ShipmentReference};

use super::lost_lines::{fit, not_ours};
use super::number::{shipment_number, shipment_reference};
use super::shipment::Shipment;
use super::tasks::Tasks;
use super::types::{NewFact, NewShipment, ShipmentStage, UnrecordedShipment};
use super::view::{Line, View};
use crate::action::Action;
use crate::facts::{
    FactBody, IntentFact, IntentWhat, OutcomeFact, ShipmentFact, ShipmentLine, Verdict,
};
use crate::names::LOST;
use crate::policy::Warehouse;

/// What is taken over.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) decisions: Vec<NewFact>,
    pub(crate) new: Vec<NewShipment>,
    pub(crate) stages: Vec<(ShipmentReference, ShipmentStage)>,
}

/// Shipments that stand at their warehouse already; `None` when there is nothing to take over.
pub(crate) fn instructed_before(view: &View<'_>) -> Option<Found> {
    let mut found = Found::default();
    for sent in &view.input.lost.found {
        if shipment(view, &sent.reference).is_some_and(|known| may_be(known, &sent.account)) {
            found.take_lost(sent);
            found
                .stages
                .push((sent.reference.clone(), ShipmentStage::Instructed));
        }
    }
    // What those were decided with is no longer open; the rest is looked at by the next plan.
    if found.decisions.is_empty() {
        adopt(view, &mut found);
    }
    (!found.decisions.is_empty()).then_some(found)
}

/// Shipments that were sent and never decided here. Of an order that an operator has released, only those that an
/// operator has told of: it was said of all others that the warehouse has them not.
pub(crate) fn unknown<'v>(view: &'v View<'_>) -> impl Iterator<Item = &'v UnrecordedShipment> {
    let released = is_released(view);
    view.input
        .lost
        .found
        .iter()
        .filter(move |sent| (sent.told || !released) && shipment(view, &sent.reference).is_none())
}

/// The number of this order's last shipment, those included that only the external systems know: a number is never used
/// a second time.
pub(crate) fn last_number(view: &View<'_>) -> usize {
    let lost = &view.input.lost;
    let fulfilments = view.order.fulfilments.iter().filter(|_| lost.epoch > 0);
    let told = fulfilments.filter_map(|fulfilment| fulfilment.reference.as_deref());
    let found = lost.found.iter().map(|sent| sent.reference.as_str());
    found
        .chain(told)
        .filter_map(|reference| shipment_number(&view.input.number, reference))
        .chain([last_decided(view)])
        .max()
        .unwrap_or_default()
}

fn last_decided(view: &View<'_>) -> usize {
    let all = view.fold.shipments.iter();
    all.filter_map(|s| shipment_number(&view.input.number, s.fact.reference.as_str()))
        .max()
        .unwrap_or_default()
}

fn rule(view: &View<'_>) -> String {
    format!("{LOST}{}", view.input.lost.epoch)
}

fn is_released(view: &View<'_>) -> bool {
    view.fold.released_after(&rule(view), 0)
}

impl Found {
    fn take_lost(&mut self, sent: &UnrecordedShipment) {
        self.take(
            &sent.account,
            &sent.reference,
            "lost",
            "found at the warehouse after the database lost recent commits",
        );
    }

    /// The facts that sealing in a batch and its outcome would have left.
    pub(super) fn take(
        &mut self,
        account: &AccountSlug,
        reference: &ShipmentReference,
        batch: &str,
        why: &str,
    ) {
        let intent = format!("instruct:{reference}");
        self.decisions.push(NewFact {
            key: intent.clone(),
            body: FactBody::Intent(Box::new(IntentFact {
                op: Op::Instruct,
                account: account.clone(),
                n: 1,
                what: IntentWhat::Member {
                    batch: batch.to_owned(),
                    reference: reference.clone(),
                    committed: None,
                    codes: Vec::new(),
                },
            })),
        });
        self.decisions.push(NewFact {
            key: format!("{intent}:outcome:accepted"),
            body: FactBody::Outcome(OutcomeFact {
                intent,
                verdict: Verdict::Accepted,
                id: None,
                code: None,
                message: why.to_owned(),
            }),
        });
    }
}

fn shipment<'v, 'a>(view: &'v View<'a>, reference: &ShipmentReference) -> Option<&'v Shipment<'a>> {
    let mut all = view.fold.shipments.iter();
    all.find(|shipment| shipment.fact.reference == *reference)
}

/// It waits, or was taken out of a wave only in this database.
fn may_be(shipment: &Shipment<'_>, account: &AccountSlug) -> bool {
    shipment.fact.account == *account
        && shipment.member.is_none()
        && matches!(
            shipment.stage(),
            ShipmentStage::Waiting | ShipmentStage::Cancelled
        )
}

/// Decides the shipments that were sent, when they can only mean one thing.
fn adopt(view: &View<'_>, found: &mut Found) {
    let all: Vec<&UnrecordedShipment> = unknown(view).collect();
    let fitted = match all.as_slice() {
        [] => None,
        [one] if one.lines.is_none() => whole(view, one).map(|lines| vec![lines]),
        all => fit(view, all),
    };
    for (sent, (group, lines)) in all.into_iter().zip(fitted.into_iter().flatten()) {
        let Some(warehouse) = warehouse_of(view, &sent.account) else {
            return;
        };
        found.new.push(NewShipment {
            reference: sent.reference.clone(),
            warehouse: warehouse.name.clone(),
            account: sent.account.clone(),
            release_at: view.now,
            instructed: true,
            lines: lines
                .iter()
                .map(|line| (line.demand_id, line.quantity))
                .collect(),
        });
        found.decisions.push(NewFact {
            key: format!("shipment:{}", sent.reference),
            body: FactBody::Shipment(ShipmentFact {
                reference: sent.reference.clone(),
                warehouse: warehouse.name.clone(),
                account: sent.account.clone(),
                group,
                lines,
            }),
        });
        found.take_lost(sent);
    }
}

/// The one warehouse behind an account.
pub(super) fn warehouse_of<'a>(view: &View<'a>, account: &AccountSlug) -> Option<&'a Warehouse> {
    let all = &view.policy.warehouses;
    let mut warehouses = all.iter().filter(|w| w.account == *account);
    match (warehouses.next(), warehouses.next()) {
        (Some(warehouse), None) => Some(warehouse),
        _ => None,
    }
}

/// Without its lines it can only be the whole of an order that has no other shipment.
fn whole(view: &View<'_>, sent: &UnrecordedShipment) -> Option<(GroupKey, Vec<ShipmentLine>)> {
    let next = shipment_reference(&view.input.number, last_decided(view) + 1);
    let [group] = view.order.groups.as_slice() else {
        return None;
    };
    let alone = view.input.lost.found.len() == 1 && !view.fold.shipments.iter().any(Shipment::live);
    // Another account may still tell of the rest.
    if view.input.lost.reading || (sent.reference != next && !sent.told) || !alone {
        return None;
    }
    warehouse_of(view, &sent.account)?;
    let lines = open_lines(view).or_else(|| {
        // Others have shipped it since.
        lines_of(view, not_ours).filter(|_| sent.told)
    });
    lines.map(|lines| (group.key.clone(), lines))
}

/// All that is still to leave, as lines of one shipment; `None` where there is none, or a demand is not stored yet.
pub(super) fn open_lines(view: &View<'_>) -> Option<Vec<ShipmentLine>> {
    lines_of(view, |line| line.open(false))
}

fn lines_of(view: &View<'_>, items: impl Fn(&Line<'_>) -> u32) -> Option<Vec<ShipmentLine>> {
    let mut lines = Vec::new();
    for line in &view.lines {
        let quantity = items(line);
        let Some(state) = line.state.filter(|s| line.item_id == Some(s.item_id)) else {
            if line.item_id.is_some() && quantity > 0 {
                // Its demand is stored with this plan.
                return None;
            }
            continue;
        };
        if quantity == 0 {
            continue;
        }
        lines.push(ShipmentLine {
            n: u32::try_from(lines.len())
                .unwrap_or(u32::MAX)
                .saturating_add(1),
            demand_id: state.id,
            line: line.key.clone(),
            item_id: state.item_id,
            quantity,
        });
    }
    (!lines.is_empty()).then_some(lines)
}

/// The gate that stops an order of which a warehouse has, or may have, more than this database knows.
pub(crate) fn unexplained(view: &View<'_>, tasks: &mut Tasks) -> Option<String> {
    let lost = &view.input.lost;
    if lost.epoch == 0 {
        return None;
    }
    let rule = rule(view);
    if is_released(view) {
        return None;
    }
    let known = |reference: &str, account: Option<&AccountSlug>| {
        view.fold.shipments.iter().any(|shipment| {
            let name = shipment.fact.reference.as_str();
            (name == reference || reference.starts_with(&format!("{name}.")))
                && !shipment.waiting()
                && account.is_none_or(|account| shipment.fact.account == *account)
        })
    };
    let mut strange = BTreeSet::new();
    for sent in &lost.found {
        if !known(sent.reference.as_str(), Some(&sent.account)) {
            strange.insert(in_words(sent));
        }
    }
    let ours = format!("{}-S", view.input.number);
    let told = view
        .order
        .fulfilments
        .iter()
        .filter(|fulfilment| !fulfilment.cancelled())
        .filter_map(|fulfilment| fulfilment.reference.as_deref())
        .filter(|reference| reference.starts_with(&ours) && !known(reference, None));
    strange.extend(told.map(|reference| format!("{reference} at the channel")));
    let open = view
        .lines
        .iter()
        .any(|line| line.item_id.is_some() && line.open(false) > line.instructed);
    if strange.is_empty() && (lost.untold.is_empty() || !open || lost.reading) {
        return None;
    }
    // Not all external systems were asked yet, or not all was taken over.
    if lost.reading {
        return Some(rule);
    }
    let what = if strange.is_empty() {
        let names: Vec<&str> = lost.untold.iter().map(AccountSlug::as_str).collect();
        format!(
            "{} cannot report what was sent to it before the database lost recent commits",
            names.join(", ")
        )
    } else {
        let strange: Vec<String> = strange.into_iter().collect();
        format!(
            "sent before the database lost recent commits, and not matched: {}",
            strange.join(", ")
        )
    };
    let detail = format!(
        "{what}. Ask the warehouse. Record each shipment of this order that it has and whose facts do not list it as instructed (one --line for each \
         row it has, in its order; without --line, the shipment is the whole order). If it has none, release it"
    );
    tasks
        .add("unrecorded_shipment", detail)
        .action(Action::Instructed {})
        .action(Action::release(&rule))
        .action(Action::Show {});
    Some(rule)
}

fn in_words(sent: &UnrecordedShipment) -> String {
    let lines = sent.lines.iter().flatten();
    let lines: Vec<String> = lines
        .map(|line| format!("{}={}", line.code, line.quantity))
        .collect();
    let lines = match lines.as_slice() {
        [] => String::new(),
        lines => format!(" ({})", lines.join(" ")),
    };
    format!("{} at {}{lines}", sent.reference, sent.account)
}
