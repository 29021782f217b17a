//! Goods as the warehouse tells them: stock movements, and where they differ from what was decided.

use chrono::{DateTime, Utc};
use hikiate_sdk::{LineKey, ReplyVerdict, ShipmentReference};

use super::checks::unshippable;
use super::departures::Departure;
use super::on_delivery::paid_on_delivery;
use super::parcels::{CLOCKS, contents};
use super::recall::wanted_again;
use super::shipment::{Parcel, Shipment};
use super::tasks::{Tasks, words_or_none};
use super::types::StockEntryRow;
use super::view::View;
use crate::action::Action;
use crate::facts::ShipmentLine;

/// One movement per row of a parcel. What a correction took out moves nothing, nor does what is told ahead, or a report
/// that turned out to be of another parcel: before more was known, each of them may have moved.
pub(crate) fn entries(view: &View<'_>) -> Vec<StockEntryRow> {
    let mut entries = Vec::new();
    let placed = view.order.ordered_at;
    for shipment in &view.fold.shipments {
        let movement = |line: &ShipmentLine, cause, items: u32, effective_at| StockEntryRow {
            cause,
            demand_id: Some(line.demand_id),
            item_id: line.item_id,
            warehouse: shipment.fact.warehouse.clone(),
            code: shipment.code_of(line.n).unwrap_or_default().to_owned(),
            quantity: -i64::from(items),
            effective_at,
        };
        let parcels = shipment.parcels.iter().map(|parcel| (parcel, true));
        let ahead = shipment.ahead.iter().map(|parcel| (parcel, false));
        for (parcel, left) in parcels.chain(ahead) {
            let shipped_at = parcel.shipped_at(placed);
            for line in &shipment.fact.lines {
                // Quantities that add up, each at its own time.
                for (at, row) in parcel.rows_of(line.n).iter().enumerate() {
                    let cause = row_cause(shipment, parcel.key, line.n, at);
                    let items = if left { row.items } else { 0 };
                    let unknown = parcel.doubted(placed)
                        || row.effective.signed_duration_since(view.now) > CLOCKS;
                    let at = if unknown { shipped_at } else { row.effective };
                    entries.push(movement(line, cause, items, at));
                }
            }
        }
        for merged in &shipment.merged {
            for line in &shipment.fact.lines {
                let rows = merged.lines.iter().filter(|n| **n == line.n);
                for at in 0..rows.count() {
                    let cause = row_cause(shipment, merged.key, line.n, at);
                    entries.push(movement(line, cause, 0, shipment.decided_at));
                }
            }
        }
    }
    entries
}

/// Names what a row of a line moved: of rows that add up, each moves by itself.
fn row_cause(shipment: &Shipment<'_>, key: &str, n: u32, at: usize) -> String {
    let cause = format!("parcel:{}:{key}:{n}", shipment.fact.reference);
    match at {
        0 => cause,
        further => format!("{cause}+{further}"),
    }
}

/// When every parcel counts as delivered; `None` while that cannot be said.
pub(crate) fn delivered_at(view: &View<'_>) -> Option<DateTime<Utc>> {
    let mut last = None;
    for departure in &view.departures() {
        last = last.max(Some(arrives(view, departure)?));
    }
    last
}

/// When the goods of a departure count as delivered.
fn arrives(view: &View<'_>, departure: &Departure) -> Option<DateTime<Utc>> {
    if departure.digital {
        return Some(departure.shipped_at);
    }
    // What is paid to the carrier is delivered once it was paid: only a report says so.
    if paid_on_delivery(view.order) || view.cod().is_some() {
        return None;
    }
    let mut lines = view.lines.iter();
    let line = lines.find(|line| departure.items.contains_key(&line.key));
    let group = line.map(|line| line.group.as_str()).unwrap_or_default();
    let country = view
        .features
        .groups
        .get(group)
        .map(|of| of.country.as_str());
    let abroad = country.is_some_and(|to| !to.is_empty() && to != view.policy.shop.country);
    let mut groups = view.order.groups.iter();
    let told = groups.find(|told| told.key.as_str() == group);
    let service = told.and_then(|told| told.service.as_deref());
    let after = view.policy.presume_delivered.after(service, abroad)?;
    departure.shipped_at.checked_add_signed(after)
}

/// Where what was told differs from what was decided.
pub(crate) fn discrepancies(view: &View<'_>, tasks: &mut Tasks) {
    let beyond = beyond_tasks(view, tasks);
    for shipment in &view.fold.shipments {
        never_instructed(view, shipment, tasks);
        let reference = &shipment.fact.reference;
        let Some(told) = shipment.parcels.iter().map(|parcel| parcel.last_id).max() else {
            continue;
        };
        let (mut over, mut short) = (Vec::new(), Vec::new());
        for line in &shipment.fact.lines {
            let (left, wanted) = (shipment.left(line.n), line.quantity);
            // More than was ordered is told with the order's line.
            if left > wanted && !beyond.contains(&line.line) {
                over.push(format!("{left} of {wanted} on line {}", line.n));
            } else if left < wanted {
                short.push(format!("{left} of {wanted} on line {}", line.n));
            }
        }
        if !over.is_empty() {
            let what = format!(
                "{reference} was over-shipped: {}. Arrange the return, or accept it",
                over.join(", ")
            );
            tasks.tell(view, "over_shipped", told, &what);
        }
        if !short.is_empty() && shipment.live() {
            let rule = format!("short:{reference}");
            let two = format!("parcel_reported_twice:{reference}");
            let known = shipment.parcels.iter().find(|parcel| parcel.may_be_two);
            let mut detail = format!(
                "{reference} was short-shipped: {}. If the rest will follow, do nothing. If not, release it; a new shipment is planned for the rest",
                short.join(", ")
            );
            if let Some(number) = known.and_then(|parcel| parcel.tracking) {
                detail = format!(
                    "{detail}. {number} was reported for a row that was reported before, and counts as the same parcel. If they are two parcels, release {two}"
                );
            }
            let task = tasks.add("shipped_short", detail).release(&rule);
            if known.is_some() {
                task.release(&two);
            }
        }
        let unknown = shipment
            .parcels
            .iter()
            .flat_map(Parcel::lines_ever)
            .filter(|n| !shipment.fact.lines.iter().any(|known| known.n == *n))
            .map(|n| n.to_string())
            .collect::<Vec<_>>();
        if !unknown.is_empty() {
            let what = format!(
                "The warehouse reports line {} of {reference}, which was never instructed. Correct its stock by hand",
                unknown.join(", ")
            );
            tasks.tell(view, "unexpected_parcel", told, &what);
        }
    }
    for (told, report) in &view.fold.stray {
        let what = format!(
            "The warehouse reports a parcel of {}, which is not a shipment of this order. Ask the warehouse",
            report.reference
        );
        tasks.tell(view, "unexpected_parcel", *told, &what);
    }
}

/// A shipment that its warehouse reports, and whose instruction never went out. It has left all the same: stock, money and notices
/// follow it. One that was decided before a recovery ended may well have been instructed.
fn never_instructed(view: &View<'_>, shipment: &Shipment<'_>, tasks: &mut Tasks) {
    let lost = &view.input.lost;
    let may_be_lost = lost.epoch > 0 && lost.lifted_at.is_none_or(|at| shipment.decided_at <= at);
    if shipment.member.is_some() || shipment.reply.is_some() || may_be_lost {
        return;
    }
    // What an operator told of needs no question.
    let mut parcels = shipment.parcels.iter();
    if parcels.any(|parcel| parcel.hand || parcel.typed) {
        return;
    }
    let filled = shipment.parcels.iter();
    let filled = filled.filter(|parcel| !contents(parcel).is_empty());
    let Some(told) = filled.map(|parcel| parcel.first_id).max() else {
        return;
    };
    let what = format!(
        "{} reports {} as shipped, which was never instructed. It counts as shipped. Ask the warehouse what left",
        shipment.fact.warehouse, shipment.fact.reference
    );
    tasks.tell(view, "unexpected_parcel", told, &what);
}

/// More of a line shipped than was ordered when it shipped.
pub(crate) struct Beyond<'a> {
    pub(crate) line: &'a LineKey,
    /// The task, and the word to release it.
    pub(crate) kind: &'static str,
    /// The last fact that told it.
    pub(crate) told: i64,
    detail: String,
}

/// The lines that it tells of.
fn beyond_tasks(view: &View<'_>, tasks: &mut Tasks) -> Vec<LineKey> {
    let mut lines = Vec::new();
    for beyond in beyond_the_order(view) {
        lines.push(beyond.line.clone());
        let rest = view.waits_for_surplus(std::slice::from_ref(beyond.line));
        let what = format!("{}{rest}", beyond.detail);
        tasks.tell(view, beyond.kind, beyond.told, &what);
    }
    lines
}

/// More shipped than was ordered when it shipped: by us alone after an edit, or by others as well. What was taken
/// off the order afterwards is a return and no surplus.
pub(crate) fn beyond_the_order<'a>(view: &'a View<'_>) -> Vec<Beyond<'a>> {
    let mut all = Vec::new();
    for line in &view.lines {
        let ours = line.shipped.saturating_sub(line.by_others);
        if ours == 0 {
            continue;
        }
        let mut told = 0;
        let mut ordered = 0;
        let mut names = Vec::new();
        for shipment in &view.fold.shipments {
            let rows: Vec<u32> = shipment.lines_of(&line.key).map(|row| row.n).collect();
            for parcel in &shipment.parcels {
                if rows.iter().all(|n| parcel.items(*n) == 0) {
                    continue;
                }
                told = told.max(parcel.last_id);
                ordered = ordered.max(view.ordered_before(line, parcel.first_id));
                let tracking = parcel.tracking.unwrap_or("no number");
                names.push(format!(
                    "{} ({} {}, {tracking})",
                    shipment.fact.reference,
                    shipment.fact.warehouse,
                    view.local(parcel.shipped_at(view.order.ordered_at))
                ));
            }
        }
        let label = view.label(&line.key);
        let ours_by_edit = ours.saturating_sub(ordered);
        let twice = line.shipped.saturating_sub(ordered).min(line.by_others);
        let (kind, detail) = if twice > 0 {
            let others = view.shipped_by_others().filter(|o| *o.line == line.key);
            told = others.clone().map(|o| o.first_id).fold(told, i64::max);
            let others: Vec<String> = others
                .map(|o| format!("{} (channel {})", o.key, view.local(o.shipped_at)))
                .collect();
            let detail = format!(
                "{twice} × {label} shipped twice: {} and {}. They are paid once. Have one returned",
                others.join(", "),
                names.join(", ")
            );
            ("shipped_twice", detail)
        } else if ours_by_edit > 0 {
            let detail = format!(
                "{ours} × {label} shipped in {}, but {ordered} were ordered by then. Arrange the return, or accept it",
                names.join(", ")
            );
            ("over_shipped", detail)
        } else {
            continue;
        };
        all.push(Beyond {
            line: &line.key,
            kind,
            told,
            detail,
        });
    }
    all
}

impl View<'_> {
    /// Items of a line that were ordered when something became known: by the reading in force then.
    fn ordered_before(&self, line: &super::view::Line<'_>, id: i64) -> u32 {
        let in_force = self.fold.reading_before(id);
        let lines = in_force.map_or(&[][..], |reading| &reading.fact.order.lines);
        lines
            .iter()
            .find(|known| known.key == line.key)
            .map_or(0, |known| known.quantity.saturating_mul(line.multiplier))
    }

    /// Lines that still want an item of which these lines hold or sent too much: whether it was sent for them is for an
    /// operator to say.
    pub(crate) fn wants_surplus_of<'b>(&'b self, surplus: &[LineKey]) -> Vec<(&'b LineKey, u32)> {
        let sent = self.lines.iter().filter(|line| surplus.contains(&line.key));
        let items: Vec<i64> = sent.filter_map(|line| line.item_id).collect();
        let others = self
            .lines
            .iter()
            .filter(|line| !surplus.contains(&line.key));
        others
            .filter(|line| line.item_id.is_some_and(|item| items.contains(&item)))
            .map(|line| {
                let under_way = line.shipped.saturating_add(line.instructed);
                let under_way = under_way.saturating_add(line.packed);
                (&line.key, line.ordered.saturating_sub(under_way))
            })
            .filter(|(_, open)| *open > 0)
            .collect()
    }

    /// What a task adds for the lines that wait for it.
    pub(crate) fn waits_for_surplus(&self, surplus: &[LineKey]) -> String {
        let waits: Vec<String> = self
            .wants_surplus_of(surplus)
            .into_iter()
            .map(|(line, open)| format!("{open} × {}", self.label(line)))
            .collect();
        if waits.is_empty() {
            return String::new();
        }
        format!(
            "; {} of another line wait until then, and also ship once it is released",
            waits.join(", ")
        )
    }

    /// A time for an operator: to the minute, in the shop's zone.
    pub(crate) fn local(&self, at: DateTime<Utc>) -> String {
        let local = at.with_timezone(&self.policy.shop.timezone);
        local.format("%Y-%m-%d %H:%M").to_string()
    }
}

/// Shipments a warehouse refused whose goods the order still wants, and whether one of them still waits for an operator.
pub(crate) fn refusals(view: &View<'_>, tasks: &mut Tasks) -> Option<String> {
    // What cannot be written anew is not asked to be released for it.
    if view.dropped() || unshippable(view) {
        return None;
    }
    let mut first = None;
    let shipments = view.fold.shipments.iter();
    for shipment in shipments.filter(|shipment| wanted_again(view, shipment)) {
        let reference = &shipment.fact.reference;
        if let Some((id, reason)) = shipment.abandoned() {
            let rule = format!("abandoned:{reference}");
            if !view.fold.released_with_all_after(&rule, id) {
                let what = format!(
                    "{reference} was abandoned with its batch as not imported by {} ({reason}). Release it to send a new instruction under another reference",
                    shipment.fact.warehouse
                );
                tasks.add("instruction_abandoned", what).release(&rule);
                first.get_or_insert(rule);
            }
            continue;
        }
        let Some((id, words)) = shipment.refusal() else {
            continue;
        };
        let rule = format!("rejected:{reference}");
        if view.fold.released_with_all_after(&rule, id) {
            continue;
        }
        if view.purged() {
            // A new instruction would be refused as this one was.
            let what = format!(
                "{reference} cannot be instructed again: the personal data of the order was purged, so it can no longer be shipped. End the order, or cancel it"
            );
            let task = tasks.add("instruction_rejected", what);
            task.action(Action::End {}).action(Action::Cancel {});
            first.get_or_insert(rule);
            continue;
        }
        let (warehouse, words) = (&shipment.fact.warehouse, words_or_none(words));
        let what = if own_refusal(view, reference, id) {
            format!(
                "{reference} cannot be written for {warehouse}: {words}. The warehouse has received nothing. Correct what it names (in the layout, the account's keys or the order), restart after a change of a file, then release it"
            )
        } else {
            format!(
                "{warehouse} rejected shipping instruction {reference}: {words}. Correct the cause, then release it to send a new instruction"
            )
        };
        tasks.add("instruction_rejected", what).release(&rule);
        first.get_or_insert(rule);
    }
    first
}

/// Whether it was hikiate that could not write the instruction when its batch was sealed.
pub(crate) fn own_refusal(view: &View<'_>, reference: &ShipmentReference, id: i64) -> bool {
    let key = format!("reply:{reference}:0");
    let mut facts = view.input.facts.iter();
    facts.any(|fact| fact.id == id && fact.key == key)
}

/// Shipments of batches given up as not imported that a warehouse has all the same, after they went out anew.
pub(crate) fn imported_after_all(view: &View<'_>, tasks: &mut Tasks) {
    let shipments = &view.fold.shipments;
    for (at, shipment) in shipments.iter().enumerate() {
        let believed = shipment.given_up().is_some() && shipment.abandoned().is_none();
        let parcel = shipment.parcels.iter().map(|p| p.first_id).min();
        let Some(told) = parcel
            .or(shipment.reply.map(|(id, _)| id))
            .filter(|_| believed)
        else {
            continue;
        };
        let same_line = |other: &Shipment<'_>| {
            let of = |line: &ShipmentLine| other.lines_of(&line.line).next().is_some();
            shipment.fact.lines.iter().any(of)
        };
        let anew = shipments
            .iter()
            .skip(at + 1)
            .find(|other| same_line(other) && (other.instructed() || !other.parcels.is_empty()));
        if let Some(anew) = anew {
            let what = format!(
                "{} has {}, which was abandoned as not imported, and {} was instructed in its place. Stop one of them at the warehouse, or arrange the return",
                shipment.fact.warehouse, shipment.fact.reference, anew.fact.reference
            );
            tasks.tell(view, "abandoned_imported", told, &what);
        }
    }
}

/// Instructions without an answer in time; returns when the next one is late.
pub(crate) fn late_replies(view: &View<'_>, tasks: &mut Tasks) -> Option<DateTime<Utc>> {
    let mut next: Option<DateTime<Utc>> = None;
    for shipment in view.fold.shipments.iter().filter(|s| s.instructed()) {
        let Some(member) = shipment.member else {
            continue;
        };
        let answered = shipment
            .reply
            .is_some_and(|(_, r)| r.verdict == ReplyVerdict::Accepted)
            || shipment.told_of_parcels()
            || shipment.batch_rejected().is_some()
            || member.done();
        let Some(due) = view.reply_due(shipment, member.recorded_at) else {
            continue;
        };
        if answered {
            continue;
        }
        if due > view.now {
            next = next.into_iter().chain([due]).min();
            continue;
        }
        let detail = format!(
            "{} has not replied to instruction {}. Ask the warehouse whether the file arrived",
            shipment.fact.warehouse, shipment.fact.reference
        );
        tasks.add_due("instruction_reply_overdue", detail, Some(due));
    }
    next
}
