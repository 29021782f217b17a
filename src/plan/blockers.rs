//! Built-in blockers: what somebody else did at the channel that an operator has to settle before more is instructed.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use hikiate_sdk::{LineKey, OrderSnapshot, Tender};

use super::changes::{KIND as CHANGED, undecided_surplus};
use super::ended::ENDED;
use super::goods::beyond_the_order;
use super::notice::can_be_told;
use super::others::{CANCELLED, NOTICE_CANCELLED};
use super::refund::WANTED as REFUND_WANTED;
use super::tasks::Tasks;
use super::view::{Line, View};
use crate::action::Action;
use crate::policy::{Completed, Others};

/// The blocker of an order that somebody completed while goods are open.
const COMPLETED: &str = "completed";
/// The blocker of an order that was refunded in full and not cancelled.
const REFUNDED: &str = "refunded_in_full";
/// The blocker of an order that the channel fulfilled by itself, as it did with many.
const BY_MACHINE: &str = "fulfilled_by_channel";
/// What others packed and neither ship nor cancel is a task after this long.
const PACKED: chrono::Duration = chrono::Duration::hours(72);

/// What blocks an order, and when that may change by itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Blockers {
    /// The first blocker's name.
    pub(crate) first: Option<String>,
    pub(crate) next: Option<DateTime<Utc>>,
}

impl Blockers {
    fn block(&mut self, rule: &str) {
        self.first.get_or_insert_with(|| rule.to_owned());
    }

    fn at(&mut self, at: Option<DateTime<Utc>>, now: DateTime<Utc>) {
        let later = at.filter(|at| *at > now);
        self.next = self.next.into_iter().chain(later).min();
    }
}

/// All of them, with their tasks.
pub(crate) fn blockers(view: &View<'_>, tasks: &mut Tasks) -> Blockers {
    let mut blockers = Blockers::default();
    if view.cancelling() {
        // It blocks nothing more, but what shipped before the cancel is paid for: somebody has to say whether it did.
        if view.cancelled_at_channel.is_none() {
            cancelled_again(view, &mut blockers, tasks);
            blockers.first = None;
        }
        return blockers;
    }
    if view.ended().is_none() {
        completed(view, &mut blockers, tasks);
        by_machine(view, &mut blockers);
        refunded(view, &mut blockers, tasks);
        if view.keeps_goods() {
            blockers.block(REFUND_WANTED);
        }
        sent_for_another_line(view, &mut blockers);
    }
    cancelled_again(view, &mut blockers, tasks);
    packed(view, &mut blockers, tasks);
    packed_and_shipped(view, tasks);
    strange(view, tasks);
    blockers
}

impl View<'_> {
    /// Items that others marked as shipped and cancelled again, and not to correct a number: they count until an operator
    /// says whether they shipped.
    pub(crate) fn doubted(&self, line: &Line<'_>) -> u32 {
        let units = self
            .shipped_by_others()
            .filter(|shown| *shown.line == line.key)
            .filter(|shown| shown.doubted_since().is_some_and(|at| at <= self.now))
            .fold(0_u32, |sum, shown| sum.saturating_add(shown.units));
        units.saturating_mul(line.multiplier)
    }

    /// The order wants items of a line that no warehouse has, what is doubted of it among them.
    fn wants_doubted(&self, key: &LineKey) -> bool {
        let line = self.lines.iter().find(|line| line.key == *key);
        line.is_some_and(|line| {
            let shipped = line.shipped.saturating_sub(self.doubted(line));
            line.item_id.is_some() && line.ordered > shipped.saturating_add(line.instructed)
        })
    }

    /// The reading since which the channel shows the order completed while goods were open, unless an operator
    /// released it.
    fn completed_open(&self) -> Option<(i64, DateTime<Utc>)> {
        if self.not_believed || self.channel.others == Others::IgnoreUnshipped {
            return None;
        }
        let completions = self.fold.completions();
        let first = completions.last().filter(|last| last.undone.is_none())?;
        let first = first.since;
        let open = |line: &Line<'_>| self.left_open(line, first.id) > 0;
        // Where completing it ends it, that is what is taken back.
        let released = self.fold.released_after(COMPLETED, first.id)
            || (self.channel.completed == Completed::Ended
                && self.fold.released_after(ENDED, first.id));
        (self.lines.iter().any(open) && !released).then_some((first.id, first.recorded_at))
    }

    /// Items of a line that the completion of its order leaves open, and that no warehouse has.
    fn left_open(&self, line: &Line<'_>, completed: i64) -> u32 {
        let mut spoken = line.shipped.saturating_add(line.instructed);
        if self.channel.completed == Completed::Shipped {
            // What a warehouse had then is settled with the warehouse, whatever became of it.
            let stood = self.fold.spoken_at(&line.key, completed);
            spoken = spoken.max(line.by_others.saturating_add(stood));
        }
        let open = line.ordered.saturating_sub(spoken);
        let open = open.saturating_sub(line.packed);
        if line.item_id.is_some() { open } else { 0 }
    }

    /// Completing it at this channel ended it.
    pub(crate) fn ended_by_completion(&self) -> Option<(i64, &'static str)> {
        let ends = self.channel.completed == Completed::Ended;
        let (id, _) = self.completed_open().filter(|_| ends)?;
        Some((id, "completed at the channel"))
    }

    /// Nothing more of it is wanted: it was completed and ends that way, or nobody settled it in time.
    pub(crate) fn completed_stops(&self) -> bool {
        let Some((_, at)) = self.completed_open() else {
            return false;
        };
        self.channel.completed == Completed::Ended
            || self
                .completed_until(at)
                .is_some_and(|until| until <= self.now)
    }

    fn completed_until(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        at.checked_add_signed(self.channel.completed_hold?)
    }
}

fn completed(view: &View<'_>, blockers: &mut Blockers, tasks: &mut Tasks) {
    let Some((since, at)) = view.completed_open() else {
        return;
    };
    if view.channel.completed == Completed::Ended {
        return;
    }
    blockers.block(COMPLETED);
    let until = view.completed_until(at);
    blockers.at(until, view.now);
    // The channel completes what is refunded in full: that is its own task.
    let by_hand = view.full_by_hand().map(|(asked, ..)| asked);
    let refunded = given_back(view).map(|(_, since)| since).or(by_hand);
    if refunded.is_some_and(|since| !view.fold.released_after(REFUNDED, since)) {
        return;
    }
    let open: Vec<String> = view
        .lines
        .iter()
        .filter_map(|line| {
            let n = view.left_open(line, since);
            (n > 0).then(|| format!("{n} × {}", view.label(&line.key)))
        })
        .collect();
    let stock = if until.is_some_and(|until| until <= view.now) {
        "Its reserved units are available again. "
    } else {
        ""
    };
    let detail = format!(
        "Completed at the channel without a shipment; not shipped: {}. {stock}Record the shipment if it was shipped by hand, end the order if it is not to ship, or release it to ship",
        open.join(", "),
    );
    tasks
        .add_due(COMPLETED, detail, until)
        .action(Action::Shipped { reference: None })
        .action(Action::End {})
        .release(COMPLETED);
}

/// The channel fulfils or completes by itself, for more orders than people do: not believed until that is decided.
fn by_machine(view: &View<'_>, blockers: &mut Blockers) {
    if view.not_believed {
        blockers.block(BY_MACHINE);
    }
}

/// Money that was given back in full before all goods left, and since when that is shown.
fn given_back(view: &View<'_>) -> Option<(i64, i64)> {
    // Money that was given back with a payment that is void is asked for anew.
    let sum = |order: &OrderSnapshot, amount: fn(&Tender) -> i64| {
        let live = order.tenders.iter().filter(|tender| !tender.cancelled);
        live.map(amount).fold(0_i64, i64::saturating_add)
    };
    let refunded = sum(view.order, |t| t.refunded);
    // What shipped before may have come back; the rest is shipped as long as something is charged for it.
    let nothing_charged = view.charged_total().is_some_and(|total| total <= 0);
    let in_full = view.alive() <= 0 && (nothing_charged || !view.any_shipped());
    let since = view
        .fold
        .unchanged_since(|order| sum(order, |t| t.refunded) == refunded);
    (refunded > 0 && in_full).then_some((refunded, since))
}

/// Money was given back in full before anything shipped: it is not for us to say that the goods go all the same.
fn refunded(view: &View<'_>, blockers: &mut Blockers, tasks: &mut Tasks) {
    let open = |line: &Line<'_>| {
        line.item_id.is_some() && line.ordered > line.shipped.saturating_add(line.instructed)
    };
    let shipments = view.fold.shipments.iter();
    let with: Vec<String> = shipments
        .filter(|shipment| shipment.instructed() && shipment.live())
        .map(|s| format!("{} ({})", s.fact.reference, s.fact.warehouse))
        .collect();
    let open = view.lines.iter().any(open);
    let given = given_back(view).filter(|_| open || !with.is_empty());
    let Some((refunded, since)) = given else {
        if open {
            paid_back_by_hand(view, blockers, tasks);
        }
        return;
    };
    if view.fold.released_after(REFUNDED, since) {
        return;
    }
    if open {
        blockers.block(REFUNDED);
    }
    let with = if with.is_empty() {
        String::new()
    } else {
        format!(
            ", and goods are with the warehouse: {} (stop them with `order recall`)",
            with.join(", ")
        )
    };
    let detail = format!(
        "{} was refunded in full, but the order is not cancelled{with}. Cancel it at the channel, or release it to ship anyway",
        view.money(refunded)
    );
    tasks.add(REFUNDED, detail).release(REFUNDED);
}

/// All of the money goes back by hand, which no reading shows. While that is to be done, its own task says so.
fn paid_back_by_hand(view: &View<'_>, blockers: &mut Blockers, tasks: &mut Tasks) {
    let Some((asked, amount, paid)) = view.full_by_hand() else {
        return;
    };
    if view.fold.released_after(REFUNDED, asked) {
        return;
    }
    blockers.block(REFUNDED);
    if paid {
        let detail = format!(
            "{} was paid back by hand, but the order is not cancelled. Cancel it, or release it to ship anyway",
            view.money(amount)
        );
        tasks
            .add(REFUNDED, detail)
            .action(Action::Cancel {})
            .release(REFUNDED);
    }
}

/// A warehouse has or sent more of an item than its line wants, and another line still wants it: staff moved it from
/// one line to the other, and it is not sent again before somebody has said so. The tasks are those of the surplus.
fn sent_for_another_line(view: &View<'_>, blockers: &mut Blockers) {
    let mut items = BTreeSet::new();
    let mut lines = view.lines.iter().filter_map(|line| line.item_id);
    if lines.all(|item| items.insert(item)) {
        return;
    }
    let with_warehouses = undecided_surplus(view);
    if !view.wants_surplus_of(&with_warehouses).is_empty() {
        blockers.block(CHANGED);
    }
    for beyond in beyond_the_order(view) {
        let line = std::slice::from_ref(beyond.line);
        if !view.fold.released_after(beyond.kind, beyond.told)
            && !view.wants_surplus_of(line).is_empty()
        {
            blockers.block(beyond.kind);
        }
    }
}

/// A shipment by others was cancelled again and nothing replaced it; or one of ours, although the warehouse shipped it.
fn cancelled_again(view: &View<'_>, blockers: &mut Blockers, tasks: &mut Tasks) {
    for (shown, due) in view.others.cancelled() {
        if due > view.now {
            blockers.at(Some(due), view.now);
            continue;
        }
        let what = format!("{} × {}", shown.units, view.label(shown.line));
        let ours = view.fold.shipments.iter().filter(|_| shown.ours);
        let ours: Vec<(String, bool)> = ours
            .filter(|shipment| shipment.shipped_of(shown.line) > 0)
            .map(|s| (s.fact.reference.to_string(), can_be_told(view, s)))
            .collect();
        let detail = if shown.ours {
            let todo = if ours.iter().any(|(_, told)| *told) {
                "Send the shipping notice again, or record the return"
            } else {
                "The order no longer lists these units, so record the return"
            };
            format!(
                "The channel cancelled fulfilment {} ({what}), but the warehouse reported it as shipped. {todo}. Release it when settled",
                shown.key
            )
        } else {
            blockers.block(CANCELLED);
            let todo = if view.wants_doubted(shown.line) {
                "Record the shipment, or release it if it did not ship"
            } else {
                "The order no longer requires these units; release it when settled"
            };
            format!(
                "Fulfilment {} ({what}) was marked as shipped and then cancelled. {todo}",
                shown.key
            )
        };
        let kind = if shown.ours {
            NOTICE_CANCELLED
        } else {
            CANCELLED
        };
        let task = tasks.add(kind, detail);
        if !shown.ours && view.wants_doubted(shown.line) {
            task.action(Action::Shipped { reference: None });
        }
        for (reference, told) in ours {
            if told {
                task.action(Action::Tell {
                    reference: reference.clone(),
                });
            }
            task.action(Action::Returned { reference });
        }
        task.release(&shown.rule());
    }
}

fn packed(view: &View<'_>, blockers: &mut Blockers, tasks: &mut Tasks) {
    if view.channel.others == Others::IgnoreUnshipped {
        return;
    }
    for packed in &view.others.packed {
        let due = packed.since.at + PACKED;
        if due > view.now {
            blockers.at(Some(due), view.now);
            continue;
        }
        let what = format!(
            "{} × {} is packed in fulfilment {}, but was not shipped or cancelled within 72 hours. Ship or cancel it at the channel",
            packed.units,
            view.label(packed.line),
            packed.key
        );
        tasks.tell(view, "packed_by_others", packed.since.id, &what);
    }
}

/// The channel shows something as shipped that the order does not have.
fn strange(view: &View<'_>, tasks: &mut Tasks) {
    for ((fulfilment, line), since) in &view.others.strange {
        let what = format!(
            "Fulfilment {fulfilment} at {} has line {line}, which is not on the order, so it does not count as shipped. Check what shipped, and correct the fulfilment there",
            view.input.channel
        );
        tasks.tell(view, "fulfilment_line_unknown", since.id, &what);
    }
}

/// What a warehouse shipped for us is packed in the channel's own fulfilment, which cannot be told beside it.
fn packed_and_shipped(view: &View<'_>, tasks: &mut Tasks) {
    if !view.channel.shipping_notice || view.channel.others == Others::IgnoreUnshipped {
        return;
    }
    for packed in &view.others.packed {
        let line = view.lines.iter().find(|line| line.key == *packed.line);
        let Some(line) =
            line.filter(|line| line.shipped.saturating_add(line.packed) > line.ordered)
        else {
            continue;
        };
        let shipments = view.fold.shipments.iter();
        let ours = shipments.filter(|shipment| shipment.shipped_of(&line.key) > 0);
        let parcels: Vec<_> = ours
            .flat_map(|s| s.parcels.iter().map(move |parcel| (s, parcel)))
            .collect();
        let Some(told) = parcels.iter().map(|(_, parcel)| parcel.last_id).max() else {
            continue;
        };
        let names: Vec<String> = parcels
            .iter()
            .map(|(shipment, parcel)| {
                let tracking = parcel.tracking.unwrap_or("no number");
                format!(
                    "{} ({}, {tracking})",
                    shipment.fact.reference, shipment.fact.warehouse
                )
            })
            .collect();
        let what = format!(
            "{} × {} shipped in {}, but is packed at the channel in fulfilment {}. Mark {} there as shipped with this tracking number, or cancel it there; the shipping notice is then sent",
            packed.units,
            view.label(packed.line),
            names.join(", "),
            packed.key,
            packed.key
        );
        tasks.tell(view, "packed_by_others", told.max(packed.since.id), &what);
    }
}
