//! Records of refunds at the channel: made where it keeps them, where the money went back elsewhere, and where nobody made
//! one meanwhile. A record moves no money and counts as none.

use chrono::{DateTime, Duration, Utc};
use hikiate_sdk::{Call, Op, OrderSnapshot, RecordRefundCall};

use super::effects::{Candidate, Wanted};
use super::fold::Intent;
use super::refund::{RefundAsked, SHOWN_WITHIN};
use super::tasks::{Tasks, words_or_none};
use super::view::View;
use crate::facts::{FactBody, IntentWhat};
use crate::operations::REFUND;

/// The word that a record which the channel rejected was made by hand.
const NOT_RECORDED: &str = "refund_record_rejected";

/// The provider's plugin at the channel writes its own record of a refund: it is waited for this long.
const SETTLE: Duration = Duration::minutes(10);

/// Minor units that a channel's order shows as refunded, by its own records.
fn recorded(order: &OrderSnapshot) -> i64 {
    order.tenders.iter().fold(0_i64, |sum, tender| {
        let listed = tender.refunds.iter();
        let listed = listed.fold(0_i64, |sum, refund| sum.saturating_add(refund.amount));
        sum.saturating_add(listed.max(tender.refunded))
    })
}

impl View<'_> {
    /// The channel keeps records of refunds; an order that was cancelled there gets none.
    pub(super) fn records_refunds(&self) -> bool {
        self.channel.records_refunds && self.cancelled_at_channel.is_none()
    }

    /// What the channel's own last reading before a fact showed as refunded.
    fn recorded_before(&self, fact: i64) -> i64 {
        let facts = self.input.facts.iter().rev();
        let mut readings = facts.filter_map(|known| match &known.body {
            FactBody::Order(told) if known.id < fact => Some(&told.order),
            _ => None,
        });
        readings.next().map_or(0, recorded)
    }

    /// The last record that was made of a refund, or is being made.
    pub(super) fn record_of(&self, asked: &RefundAsked<'_>) -> Option<&Intent<'_>> {
        let made = self.fold.of_op(Op::RecordRefund);
        made.filter(|intent| intent.decision() == asked.key).last()
    }

    /// Minor units of our records that the channel took: those that its last reading shows, and those that it does not show
    /// yet. One that is not shown for an hour was taken out there.
    fn our_records(&self) -> (i64, i64) {
        let listed = self.order.tenders.iter().flat_map(|tender| &tender.refunds);
        let listed: Vec<&str> = listed.map(|refund| refund.key.as_str()).collect();
        let (mut shown, mut unshown) = (0_i64, 0_i64);
        let made = self.fold.of_op(Op::RecordRefund);
        for intent in made.filter(|intent| intent.taken()) {
            let (Some(Call::RecordRefund(call)), Some((id, outcome))) =
                (intent.call(), intent.outcome)
            else {
                continue;
            };
            let key = outcome.id.as_deref();
            if key.is_some_and(|key| listed.contains(&key)) {
                shown = shown.saturating_add(call.amount);
                continue;
            }
            let fact = self.input.facts.iter().find(|fact| fact.id == id);
            if fact.is_some_and(|fact| fact.recorded_at + SHOWN_WITHIN > self.now) {
                unshown = unshown.saturating_add(call.amount);
            }
        }
        (shown, unshown)
    }

    /// What of a refund the channel does not learn by itself: its own account gives none of it back.
    fn to_record(&self, asked: &RefundAsked<'_>) -> i64 {
        let parts = asked.fact.parts.iter();
        parts
            .filter(|part| part.account.as_ref() != Some(&self.input.channel))
            .fold(0_i64, |sum, part| sum.saturating_add(part.amount))
    }

    /// When the last of its money went back; `None` while some has not. What an operator pays counts as paid.
    fn given_at(&self, asked: &RefundAsked<'_>) -> Option<DateTime<Utc>> {
        let mut parts = asked.fact.parts.iter();
        let all = parts.all(|part| part.account.is_none() || self.is_given(asked, part));
        let made = self.fold.of_op(Op::Refund);
        let ends = made
            .filter(|intent| intent.decision() == asked.key)
            .filter_map(|intent| intent.outcome.map(|(id, _)| id));
        let last = ends.max().unwrap_or(asked.id);
        let fact = self.input.facts.iter().find(|fact| fact.id == last);
        all.then(|| fact.map_or(asked.at, |fact| fact.recorded_at))
    }
}

/// Adds what is to be recorded; when a record is waited for no longer.
pub(super) fn records(
    view: &View<'_>,
    wanted: &mut Wanted,
    tasks: &mut Tasks,
) -> Option<DateTime<Utc>> {
    if !view.records_refunds() {
        return None;
    }
    let mut next = None;
    let mut free = !view.fold.of_op(Op::RecordRefund).any(Intent::open);
    let now = view.recorded_before(i64::MAX);
    let first = view.refunds_asked().next();
    let base = first.map_or(0, |asked| view.recorded_before(asked.id));
    let (ours, unshown) = view.our_records();
    // Records by others since the first of the refunds was asked for: each of them is of one refund.
    let mut others = now.saturating_sub(base).saturating_sub(ours);
    for asked in view.refunds_asked() {
        let amount = view.to_record(asked);
        let made = view.record_of(asked);
        let by_us = made.is_some_and(Intent::taken);
        let by_others = if by_us {
            asked.fact.amount.saturating_sub(amount)
        } else {
            asked.fact.amount
        };
        let is_shown = !by_us && others >= by_others;
        others = others.saturating_sub(by_others).max(0);
        let Some(given) = view.given_at(asked).filter(|_| amount > 0) else {
            continue;
        };
        if made.is_some_and(Intent::open) {
            wanted.pending = true;
            continue;
        }
        let refused = made.and_then(Intent::refusal);
        let by_hand =
            refused.is_some_and(|(id, _)| view.fold.refund_released(NOT_RECORDED, asked, id));
        // What its account does not show may have failed there after all: the channel is told of no refund that was none.
        let by_account = asked.fact.parts.iter().any(|part| part.account.is_some());
        if by_account && view.is_in_doubt() {
            wanted.pending = true;
            continue;
        }
        let over = is_shown || by_hand || view.fold.is_dropped(asked);
        if over || by_us {
            continue;
        }
        wanted.pending = true;
        if let Some((refused, outcome)) = refused
            && !view.fold.refund_released(REFUND, asked, refused)
        {
            let (by_hand, again) = (asked.word(NOT_RECORDED), asked.word(REFUND));
            let what = format!(
                "The channel rejected the record of refund {} ({}), which was made: {}. Record it there by hand without a payment, then release {by_hand}; or release {again} to try again",
                asked.fact.id,
                view.money(amount),
                words_or_none(&outcome.message)
            );
            tasks
                .add(NOT_RECORDED, what)
                .release(&by_hand)
                .release(&again);
            continue;
        }
        // Where no account gave it back, no plugin of one records it.
        let due = if by_account { given + SETTLE } else { given };
        if due > view.now {
            next = next.into_iter().chain([due]).min();
            continue;
        }
        if !free {
            continue;
        }
        free = false;
        wanted.candidates.push(Candidate {
            account: view.input.channel.clone(),
            op: Op::RecordRefund,
            what: IntentWhat::Call {
                call: Box::new(Call::RecordRefund(RecordRefundCall {
                    order: view.input.external_id.clone(),
                    key: String::new(),
                    amount,
                    currency: view.order.currency,
                    expected_refunded_total: now.saturating_add(unshown).saturating_add(amount),
                    reason: Some(asked.fact.reason.clone()),
                    lines: asked.fact.lines.clone(),
                })),
                parcels: Vec::new(),
                decision: asked.key.to_owned(),
            },
        });
    }
    next
}
