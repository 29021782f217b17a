//! After the database was set back: what a warehouse was sent of an order, and the database does not know.
//! It is taken over where it can only mean one thing, and otherwise a person is asked; nothing of the order is
//! instructed before that.

use std::collections::BTreeSet;

use hikiate_sdk::{AccountSlug, Op, ShipmentReference};

use super::number::shipment_reference;
use super::shipment::Shipment;
use super::tasks::Tasks;
use super::types::{NewFact, NewShipment, ShipmentStage};
use super::view::View;
use crate::facts::{
    FactBody, IntentFact, IntentWhat, OutcomeFact, ShipmentFact, ShipmentLine, Verdict,
};

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
    for (account, reference) in &view.input.lost.found {
        match shipment(view, reference) {
            Some(known) if may_be(known, account) => {
                found.take(account, reference);
                found
                    .stages
                    .push((reference.clone(), ShipmentStage::Instructed));
            }
            Some(_) => {}
            None => adopt(view, account, reference, &mut found),
        }
    }
    (!found.decisions.is_empty()).then_some(found)
}

impl Found {
    /// The facts that sealing and its outcome would have left.
    fn take(&mut self, account: &AccountSlug, reference: &ShipmentReference) {
        let intent = format!("instruct:{reference}");
        self.decisions.push(NewFact {
            key: intent.clone(),
            body: FactBody::Intent(Box::new(IntentFact {
                op: Op::Instruct,
                account: account.clone(),
                n: 1,
                what: IntentWhat::Member {
                    batch: "lost".to_owned(),
                    reference: reference.clone(),
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
                message: "found at the warehouse after the database was set back".to_owned(),
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

/// Decides the shipment that was found, when it can only be the whole of the order.
fn adopt(view: &View<'_>, account: &AccountSlug, reference: &ShipmentReference, found: &mut Found) {
    let next = shipment_reference(&view.input.number, view.fold.shipments.len() + 1);
    let [group] = view.order.groups.as_slice() else {
        return;
    };
    let mut warehouses = view
        .policy
        .warehouses
        .iter()
        .filter(|warehouse| warehouse.account == *account);
    let (Some(warehouse), None) = (warehouses.next(), warehouses.next()) else {
        return;
    };
    let alone = view.input.lost.found.len() == 1 && !view.fold.shipments.iter().any(Shipment::live);
    if *reference != next || !alone {
        return;
    }
    let mut lines = Vec::new();
    for line in &view.lines {
        let quantity = line.open(false);
        let Some(state) = line.state.filter(|s| line.item_id == Some(s.item_id)) else {
            if line.item_id.is_some() && quantity > 0 {
                // Its demand is stored with this plan.
                return;
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
    if lines.is_empty() {
        return;
    }
    found.new.push(NewShipment {
        reference: reference.clone(),
        warehouse: warehouse.name.clone(),
        account: account.clone(),
        release_at: view.now,
        instructed: true,
        lines: lines
            .iter()
            .map(|line| (line.demand_id, line.quantity))
            .collect(),
    });
    found.decisions.push(NewFact {
        key: format!("shipment:{reference}"),
        body: FactBody::Shipment(ShipmentFact {
            reference: reference.clone(),
            warehouse: warehouse.name.clone(),
            account: account.clone(),
            group: group.key.clone(),
            lines,
        }),
    });
    found.take(account, reference);
}

/// The gate that stops an order of which a warehouse has, or may have, more than this database knows.
pub(crate) fn unexplained(view: &View<'_>, tasks: &mut Tasks) -> Option<String> {
    let lost = &view.input.lost;
    if lost.epoch == 0 {
        return None;
    }
    let rule = format!("lost-{}", lost.epoch);
    if view.fold.released_after(&rule, 0) {
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
    for (account, reference) in &lost.found {
        if !known(reference.as_str(), Some(account)) {
            strange.insert(format!("{reference} at {account}"));
        }
    }
    let ours = format!("{}-S", view.input.number);
    let told = view
        .order
        .fulfilments
        .iter()
        .filter(|fulfilment| !fulfilment.cancelled)
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
    // Still being decided: the demand of an order that was just read is stored first.
    if lost.reading && view.lines.iter().all(|line| line.state.is_none()) {
        return Some(rule);
    }
    let what = if strange.is_empty() {
        let names: Vec<&str> = lost.untold.iter().map(AccountSlug::as_str).collect();
        format!(
            "{} cannot tell what it was sent before the database was set back",
            names.join(", ")
        )
    } else {
        let strange: Vec<String> = strange.into_iter().collect();
        format!(
            "sent before the database was set back and not to be matched: {}",
            strange.join(", ")
        )
    };
    tasks.add(
        "lost_instruction",
        format!(
            "{what}; ask the warehouse. If it has this order, type: hikiate recover --instructed ACCOUNT/{}-S1 --reason TEXT; if it has not, {}",
            view.input.number,
            view.type_release(&rule)
        ),
    );
    Some(rule)
}
