//! Instructions that were sent and differ from the order as it stands now: what differs, since when, and whether the
//! warehouse is asked to cancel them.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, Utc};
use hikiate_sdk::{CancelVerdict, Cod, LineKey, ShipmentReference};
use sha2::{Digest, Sha256};

use super::commitment::{committed, differing};
use super::fold::Reading;
use super::shipment::Shipment;
use super::tasks::Tasks;
use super::types::NewFact;
use super::view::View;
use crate::facts::{ChangeSeenFact, FactBody, IntentWhat};
use crate::policy::{Change, ChangeRules};

/// A recall waits this long after a change was seen: when many orders change at once, something else happened.
const SETTLE: Duration = Duration::seconds(60);

/// The task.
pub(crate) const KIND: &str = "changed_after_sealing";

/// A sealed shipment that is not as the order wants it.
#[derive(Clone, Debug)]
pub(crate) struct Changed {
    pub(crate) reference: ShipmentReference,
    /// What differs, in words without personal data.
    what: Vec<String>,
    /// Names of what differs, for the fact.
    fields: Vec<String>,
    /// Stands for what differs: another change has another one.
    fingerprint: String,
    /// The fact that it was first seen by as it is now.
    seen: Option<(i64, DateTime<Utc>)>,
    /// The warehouse is to be asked to cancel it.
    recall: bool,
    /// Lines that it holds more of than is wanted.
    surplus: Vec<LineKey>,
}

impl Changed {
    /// An operator lets it go as it was sent.
    fn decided(&self, view: &View<'_>) -> bool {
        self.seen
            .is_some_and(|(id, _)| view.fold.released_after(&rule(&self.reference), id))
    }
}

/// What the changes of sealed shipments lead to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes {
    /// Shipments to be recalled now.
    pub(crate) recall: Vec<ShipmentReference>,
    /// Shipments in a refused batch: no warehouse has them, so they are planned anew.
    pub(crate) unsent: Vec<ShipmentReference>,
    pub(crate) decisions: Vec<NewFact>,
    /// When a recall is due, or its answer is late.
    pub(crate) next: Option<DateTime<Utc>>,
}

/// The word that lets a changed shipment go as it was sent.
fn rule(reference: &ShipmentReference) -> String {
    format!("changed:{reference}")
}

/// Compares every sealed shipment with the order.
pub(crate) fn changes(view: &View<'_>, tasks: &mut Tasks) -> Changes {
    let mut all = Changes::default();
    if view.cancelling() {
        return all;
    }
    for changed in changed(view) {
        let Some(shipment) = view.shipment(&changed.reference) else {
            continue;
        };
        if changed.decided(view) {
            continue;
        }
        match changed.seen {
            None if shipment.batch_rejected().is_none() => {
                let prefix = format!("change_seen:{}", changed.reference);
                all.decisions.push(NewFact {
                    key: view.fold.unused_key(&prefix),
                    body: FactBody::ChangeSeen(ChangeSeenFact {
                        reference: changed.reference.clone(),
                        account: shipment.fact.account.clone(),
                        fields: changed.fields.clone(),
                        fingerprint: changed.fingerprint.clone(),
                        recall: changed.recall,
                    }),
                });
            }
            _ => {}
        }
        if shipment.batch_rejected().is_some() {
            all.unsent.push(changed.reference);
        } else if changed.recall && shipment.parcels.is_empty() {
            recall(view, shipment, &changed, &mut all, tasks);
        } else {
            ask(view, shipment, &changed, "", tasks);
        }
    }
    all
}

fn recall(
    view: &View<'_>,
    shipment: &Shipment<'_>,
    changed: &Changed,
    all: &mut Changes,
    tasks: &mut Tasks,
) {
    let reference = &changed.reference;
    // One task of the account names them all.
    if changed.seen.is_some() && view.input.many_changes.contains(reference) {
        return;
    }
    let due = changed.seen.map_or(view.now, |(_, at)| at) + SETTLE;
    if due > view.now {
        all.next = all.next.into_iter().chain([due]).min();
        return;
    }
    let asked = view.fold.cancel_requests(reference).last();
    match shipment.not_stopped() {
        Some((_, reply)) => {
            let why = match reply.verdict {
                CancelVerdict::TooLate => "the warehouse says that it has shipped already; ",
                _ => "the warehouse declined the recall; ",
            };
            ask(view, shipment, changed, why, tasks);
        }
        None => {
            let late = asked
                .filter(|intent| intent.taken())
                .and_then(|intent| view.reply_due(shipment, intent.recorded_at));
            match late {
                Some(at) if at <= view.now => {
                    ask(
                        view,
                        shipment,
                        changed,
                        "the warehouse has not answered the recall; ",
                        tasks,
                    );
                }
                Some(at) => all.next = all.next.into_iter().chain([at]).min(),
                None => {}
            }
            all.recall.push(reference.clone());
        }
    }
}

fn ask(view: &View<'_>, shipment: &Shipment<'_>, changed: &Changed, why: &str, tasks: &mut Tasks) {
    let (reference, warehouse) = (&changed.reference, &shipment.fact.warehouse);
    let what = changed.what.join(", ");
    let shipped = !shipment.parcels.is_empty();
    let detail = if shipped && shipment.instructed() {
        format!(
            "{why}a part of {reference} shipped from {warehouse}, and the rest is there as it was sent: {what}; call {warehouse} to change or stop it"
        )
    } else if shipped {
        format!(
            "{why}{reference} shipped from {warehouse} as it was sent: {what}; tell the carrier or the customer"
        )
    } else {
        format!(
            "{why}{reference} is at {warehouse} as it was sent: {what}; call {warehouse} to change or stop it"
        )
    };
    tasks
        .add(
            KIND,
            format!(
                "{detail}; release it to let it go as it was sent{}",
                view.waits_for_surplus(&changed.surplus)
            ),
        )
        .release(&rule(reference));
}

/// All that differ, in the order they were decided.
fn changed(view: &View<'_>) -> Vec<Changed> {
    let mut surplus = Surplus::of(view);
    let mut all = Vec::new();
    for shipment in view.fold.shipments.iter().rev() {
        let sealed = shipment.member.is_some() && shipment.stage_is_sealed();
        if !sealed {
            continue;
        }
        let rules = view.change_rules(shipment);
        let mut changed = Changed {
            reference: shipment.fact.reference.clone(),
            what: Vec::new(),
            fields: Vec::new(),
            fingerprint: String::new(),
            seen: None,
            recall: false,
            surplus: Vec::new(),
        };
        let mut parts = Vec::new();
        if shipment.instructed() {
            parts = quantities(view, shipment, &mut surplus, rules, &mut changed);
        }
        parts.extend(items(view, shipment, rules, &mut changed));
        parts.extend(fields(view, shipment, rules, &mut changed));
        if changed.what.is_empty() {
            continue;
        }
        changed.fingerprint = fingerprint(&parts);
        let mut seen = view.fold.change_seen.iter().rev();
        changed.seen = seen
            .find(|seen| seen.fact.reference == changed.reference)
            .filter(|seen| {
                seen.fact.fingerprint == changed.fingerprint
                    || is_rest_of(view, shipment, &changed, seen.fact, seen.id)
            })
            .map(|seen| (seen.id, seen.at));
        // What changed after it had shipped changes nothing about it, but for what is still to leave.
        let unchanged = unchanged_since(view, shipment);
        let since = changed.seen.map_or(unchanged, |(id, _)| id.min(unchanged));
        let shipped = shipment.parcels.iter().map(|p| p.first_id).min();
        if shipped.is_none_or(|shipped| since < shipped) || !changed.surplus.is_empty() {
            all.push(changed);
        }
    }
    all.reverse();
    all
}

/// Lines of which sealed shipments hold more than is wanted, until an operator lets them go as they were sent.
pub(crate) fn undecided_surplus(view: &View<'_>) -> Vec<LineKey> {
    let all = changed(view).into_iter();
    let open = all.filter(|changed| !changed.decided(view));
    open.flat_map(|changed| changed.surplus).collect()
}

/// What sealed shipments hold beyond what the order wants, by line.
struct Surplus {
    /// Items still to leave, and whether others shipped them.
    now: BTreeMap<LineKey, (u32, bool)>,
    /// Items as if nothing of these shipments had left: one box of several makes no other change of it.
    sealed: BTreeMap<LineKey, u32>,
}

impl Surplus {
    fn of(view: &View<'_>) -> Self {
        let (mut now, mut sealed) = (BTreeMap::new(), BTreeMap::new());
        for line in &view.lines {
            let wanted = line.ordered.saturating_sub(line.shipped);
            let over = line.instructed.saturating_sub(wanted);
            if over > 0 {
                now.insert(line.key.clone(), (over, line.surplus_by_edit() < over));
            }
            let shipments = view.fold.shipments.iter();
            let here = shipments.filter(|s| s.instructed());
            let (stood, left) = here.fold((0_u32, 0_u32), |(stood, left), shipment| {
                let here = shipment.quantity_of(&line.key);
                (
                    stood.saturating_add(here),
                    left.saturating_add(shipment.shipped_of(&line.key)),
                )
            });
            let elsewhere = line.shipped.saturating_sub(left);
            let over = stood.saturating_sub(line.ordered.saturating_sub(elsewhere));
            if over > 0 {
                sealed.insert(line.key.clone(), over);
            }
        }
        Self { now, sealed }
    }

    /// Takes a shipment's share of a line: items as sealed, items still to leave, and whether others shipped them.
    fn take(&mut self, shipment: &Shipment<'_>, line: &LineKey) -> (u32, u32, bool) {
        let share = |rest: &mut u32, here: u32| {
            let taken = here.min(*rest);
            *rest -= taken;
            taken
        };
        let stood = self.sealed.get_mut(line);
        let stood = stood.map_or(0, |rest| share(rest, shipment.quantity_of(line)));
        let (taken, by_others) = self.now.get_mut(line).map_or((0, false), |(rest, others)| {
            (share(rest, shipment.remaining_qty(line)), *others)
        });
        (stood, taken, by_others)
    }
}

fn quantities(
    view: &View<'_>,
    shipment: &Shipment<'_>,
    surplus: &mut Surplus,
    rules: ChangeRules,
    changed: &mut Changed,
) -> Vec<String> {
    let (mut open, mut over, mut others) = (0_u32, 0_u32, false);
    let (mut seen, mut parts) = (Vec::new(), Vec::new());
    for shipped in &shipment.fact.lines {
        if seen.contains(&&shipped.line) {
            continue;
        }
        seen.push(&shipped.line);
        let here = shipment.remaining_qty(&shipped.line);
        open = open.saturating_add(here);
        let (stood, taken, by_others) = surplus.take(shipment, &shipped.line);
        if stood == 0 && taken == 0 {
            continue;
        }
        let wanted = view.lines.iter().find(|line| line.key == shipped.line);
        let wanted = wanted.map(|line| line.ordered.saturating_sub(line.by_others));
        parts.push(format!(
            "{}={}",
            shipped.line.as_str(),
            wanted.unwrap_or_default()
        ));
        if taken == 0 {
            continue;
        }
        over = over.saturating_add(taken);
        others |= by_others;
        changed.surplus.push(shipped.line.clone());
        let label = view.label(&shipped.line);
        changed.what.push(if by_others {
            format!("{taken} × {label} shipped elsewhere already")
        } else {
            format!("{here} × {label} instructed, {} wanted", here - taken)
        });
    }
    if over > 0 {
        changed.fields.push("quantity".to_owned());
        let rule = if others && over == open {
            rules.cancel
        } else {
            rules.quantity_down
        };
        changed.recall |= rule == Change::Recall;
    }
    parts
}

/// What differs in where and how it is to go, with what it is now.
fn fields(
    view: &View<'_>,
    shipment: &Shipment<'_>,
    rules: ChangeRules,
    changed: &mut Changed,
) -> Vec<String> {
    let was = shipment.member.and_then(|member| match &member.fact.what {
        IntentWhat::Member { committed, .. } => committed.as_ref(),
        _ => None,
    });
    let (Some(was), Some(personal)) = (was, &view.input.personal) else {
        return Vec::new();
    };
    let mut parts = Vec::new();
    let is = committed(
        &view.input.field_key,
        view.order,
        personal,
        &shipment.fact.group,
        view.cod().map(|cod| cod.amount),
    );
    for field in differing(was, &is).unwrap_or_default() {
        let rule = match field.as_str() {
            "date" | "arrive_on" | "slot" => rules.date,
            "service" | "temperature" => rules.service,
            "cod" => rules.cod,
            _ => rules.address,
        };
        changed.recall |= rule == Change::Recall;
        changed.what.push(match field.as_str() {
            "cod" => collected(view, shipment),
            _ => format!("another {}", named(&field)),
        });
        let hash = is.fields.get(&field).map_or("", String::as_str);
        parts.push(format!("{field}:{hash}"));
        changed.fields.push(field);
    }
    parts
}

/// What the carrier collects by the instruction that was sent, and what is owed.
fn collected(view: &View<'_>, shipment: &Shipment<'_>) -> String {
    let sealed = shipment.member.map_or(0, |member| member.id);
    let then = view.fold.reading_before(sealed);
    let was = then.and_then(|then| view.cod_in(&then.fact.order));
    let in_words =
        |cod: Option<Cod>| cod.map_or("nothing".to_owned(), |cod| view.money(cod.amount));
    format!(
        "the carrier collects {}, owed to it is {}",
        in_words(was),
        in_words(view.cod())
    )
}

/// A field in words.
fn named(field: &str) -> String {
    match field {
        "arrive_on" => "delivery date".to_owned(),
        "slot" => "time of day".to_owned(),
        other => other.replace('_', " "),
    }
}

/// Lines that mean another item now than when they were sealed.
fn items(
    view: &View<'_>,
    shipment: &Shipment<'_>,
    rules: ChangeRules,
    changed: &mut Changed,
) -> Vec<String> {
    let sealed = shipment.member.map_or(0, |member| member.id);
    let then = view.fold.reading_before(sealed);
    let mut parts = Vec::new();
    for row in &shipment.fact.lines {
        let sku = |order: &hikiate_sdk::OrderSnapshot| {
            let mut lines = order.lines.iter();
            lines
                .find(|line| line.key == row.line)
                .and_then(|line| line.sku.clone())
        };
        let (was, is) = (then.and_then(|then| sku(&then.fact.order)), sku(view.order));
        let Some(is) = is else {
            continue;
        };
        let same_code = was.as_ref().is_none_or(|was| *was == is);
        // Another code of the same item is no difference; the same code of another item is one while it can be stopped.
        let differs = match view.input.items.get(&is) {
            Some(item) => item.item_id != row.item_id && (!same_code || shipment.instructed()),
            None => !same_code,
        };
        if !differs {
            continue;
        }
        let was = was.filter(|_| !same_code);
        let was = was.as_deref().unwrap_or("another item");
        changed.what.push(format!("{was} instructed, {is} wanted"));
        changed.fields.push("item".to_owned());
        changed.recall |= rules.quantity_down == Change::Recall;
        // The same code may come to mean a third item, which is another change.
        let item = view.input.items.get(&is).filter(|_| same_code);
        let item = item.map_or(String::new(), |item| format!("={}", item.item_id));
        parts.push(format!("{}:{is}{item}", row.line.as_str()));
    }
    parts
}

fn fingerprint(parts: &[String]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part.as_bytes());
        digest.update([0]);
    }
    let mut text = hex::encode(digest.finalize());
    text.truncate(16);
    text
}

/// What differs of a shipment that is over is what was seen of it before, less what its last box settled: nothing of
/// where and what it is to be has changed since, so a word that let it go stands.
fn is_rest_of(
    view: &View<'_>,
    shipment: &Shipment<'_>,
    changed: &Changed,
    seen: &ChangeSeenFact,
    seen_id: i64,
) -> bool {
    let known = |field: &String| seen.fields.contains(field);
    let over = !shipment.instructed() && !shipment.parcels.is_empty();
    over && changed.fields.iter().all(known) && fields_since(view, shipment) < seen_id
}

/// All that [`fields`] compares, as a reading has it: two with the same have no difference.
fn fields_of(
    view: &View<'_>,
    shipment: &Shipment<'_>,
    reading: &Reading<'_>,
) -> impl PartialEq + use<> {
    let order = &reading.fact.order;
    let mut groups = order.groups.iter();
    let group = groups
        .find(|group| group.key == shipment.fact.group)
        .map(|group| {
            (
                group.service.clone(),
                group.earliest_ship,
                group.wishes.clone(),
            )
        });
    let collected = view.cod_in(order).map(|cod| cod.amount);
    (reading.fact.personal_version, group, collected)
}

/// The reading since which a shipment's fields and codes are as they are now.
fn fields_since(view: &View<'_>, shipment: &Shipment<'_>) -> i64 {
    let key = |reading: &Reading<'_>| {
        let order = &reading.fact.order;
        let codes: Vec<_> = shipment
            .fact
            .lines
            .iter()
            .map(|row| {
                let mut lines = order.lines.iter();
                let line = lines.find(|line| line.key == row.line);
                line.and_then(|line| line.sku.clone())
            })
            .collect();
        (fields_of(view, shipment, reading), codes)
    };
    let now = key(&view.head);
    let run = view.fold.readings.iter().rev();
    run.take_while(|reading| key(reading) == now)
        .last()
        .map_or(view.head.id, |reading| reading.id)
}

/// The newest fact since which nothing of a shipment's order has changed.
fn unchanged_since(view: &View<'_>, shipment: &Shipment<'_>) -> i64 {
    let key = |reading: &Reading<'_>| {
        let order = &reading.fact.order;
        let quantities: Vec<_> = order
            .lines
            .iter()
            .map(|line| (line.key.clone(), line.sku.clone(), line.quantity))
            .collect();
        (fields_of(view, shipment, reading), quantities)
    };
    let now = key(&view.head);
    let run = view.fold.readings.iter().rev();
    let since = run
        .take_while(|reading| key(reading) == now)
        .last()
        .map_or(view.head.id, |reading| reading.id);
    let others = view.shipped_by_others().map(|shown| shown.first_id);
    others.chain([since]).max().unwrap_or(since)
}

impl View<'_> {
    /// What is done about changes at a shipment's warehouse.
    pub(crate) fn change_rules(&self, shipment: &Shipment<'_>) -> ChangeRules {
        self.policy
            .warehouses
            .iter()
            .find(|warehouse| warehouse.name == shipment.fact.warehouse)
            .map(|warehouse| warehouse.change)
            .unwrap_or_default()
    }

    /// A shipment of the order.
    pub(crate) fn shipment(&self, reference: &ShipmentReference) -> Option<&Shipment<'_>> {
        let mut all = self.fold.shipments.iter();
        all.find(|shipment| shipment.fact.reference == *reference)
    }

    /// When an answer of a shipment's warehouse is overdue.
    pub(crate) fn reply_due(
        &self,
        shipment: &Shipment<'_>,
        asked: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        self.policy
            .warehouses
            .iter()
            .find(|warehouse| warehouse.name == shipment.fact.warehouse)
            .and_then(|warehouse| warehouse.reply_within.as_ref())
            .and_then(|term| term.due(asked, self.policy.shop.timezone))
    }
}
