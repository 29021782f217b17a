//! Folding: the whole set of an order's facts into what stands now.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use hikiate_sdk::{
    Call, CancelReply, ChannelState, ExternalId, InstructionReply, LineKey, Op, OrderSnapshot,
    ParcelReport, ShipmentReference,
};

use super::answers::Answers;
use super::codes::items_of_code;
use super::deposits::Deposited;
pub(crate) use super::intent::Intent;
use super::others::Since;
use super::parcels::{Decided, Heard, Instructed, Parcel};
use super::presence::Absence;
use super::refund::{RefundAsked, VoidAsked};
use super::reported::MISREAD;
use super::shipment::Shipment;
use super::types::OrderInput;
use crate::facts::{
    BookingRefusedFact, ChangeSeenFact, ClassFact, ExternalShipmentFact, FactBody, HeldFact,
    IntentWhat, MemberFact, MemberState, OrderFact, OutcomeFact, ParcelCorrectedFact,
    RecallWantedFact, RefundReason, RefundWantedFact, ReleasedFact, ReturnedFact, ShipmentFact,
    Verdict,
};

/// One reading of the order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading<'a> {
    pub(crate) id: i64,
    pub(crate) recorded_at: DateTime<Utc>,
    pub(crate) fact: &'a OrderFact,
}

/// A run of readings that showed the order completed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Completion<'a> {
    /// The first of them.
    pub(crate) since: Reading<'a>,
    /// The reading that showed it otherwise again.
    pub(crate) undone: Option<Since>,
}

/// A hold as decided.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeldAt<'a> {
    pub(crate) id: i64,
    pub(crate) at: DateTime<Utc>,
    pub(crate) fact: &'a HeldFact,
}

/// A release, and whether an operator made it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReleasedAt<'a> {
    pub(crate) id: i64,
    pub(crate) at: DateTime<Utc>,
    pub(crate) by: &'a str,
    pub(crate) by_person: bool,
    pub(crate) fact: &'a ReleasedFact,
}

impl ReleasedAt<'_> {
    /// It lets go of a hold: by its name, or, written before releases named them, with all that came before it.
    pub(crate) fn lets_go(&self, held: &HeldAt<'_>) -> bool {
        self.id > held.id
            && (self.fact.names(&held.fact.rule) || self.fact.names(ReleasedFact::ALL_BEFORE))
    }
}

/// A change of a sealed shipment, as it was seen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChangeAt<'a> {
    pub(crate) id: i64,
    pub(crate) at: DateTime<Utc>,
    pub(crate) fact: &'a ChangeSeenFact,
}

/// What stands now.
#[derive(Clone, Debug)]
pub(crate) struct Fold<'a> {
    /// In stored order; the last is the head.
    pub(crate) readings: Vec<Reading<'a>>,
    /// In the order they were decided.
    pub(crate) shipments: Vec<Shipment<'a>>,
    /// The last parcel of each reference that is not this order's.
    pub(crate) stray: Vec<(i64, &'a ParcelReport)>,
    /// Money that came by deposit, and, below zero, what was taken away again.
    pub(crate) deposits: Vec<Deposited>,
    /// Revenue keys that stand in the books, by batch.
    pub(crate) booked: BTreeMap<&'a str, &'a str>,
    /// Entries that the books' layout forbade.
    pub(crate) booking_refused: Vec<&'a BookingRefusedFact>,
    pub(crate) held: Vec<HeldAt<'a>>,
    pub(crate) released: Vec<ReleasedAt<'a>>,
    /// The first wish of an operator to cancel.
    pub(crate) cancel_wanted: Option<(i64, &'a str)>,
    /// The last class that an operator gave it.
    pub(crate) class: Option<&'a ClassFact>,
    /// The last time that an operator ended the order.
    pub(crate) ended: Option<(i64, &'a str)>,
    /// The last wish to tell the channel again, by shipment.
    pub(crate) tell_again: BTreeMap<&'a ShipmentReference, i64>,
    pub(crate) returned: Vec<(i64, &'a ReturnedFact)>,
    pub(crate) corrected: Vec<(i64, &'a ParcelCorrectedFact)>,
    /// Rates that an operator gave, by line or kind of charge.
    pub(crate) tax_rates: BTreeMap<&'a str, u32>,
    /// What refunds are that only the provider knows of.
    pub(crate) refund_reasons: BTreeMap<&'a ExternalId, RefundReason>,
    /// Refunds that an operator asked for, in order.
    pub(crate) refunds_wanted: Vec<RefundAsked<'a>>,
    /// Voids that an operator asked for, in order.
    pub(crate) voids_wanted: Vec<VoidAsked<'a>>,
    /// Refunds and records of them that we made, by the external system's id.
    pub(crate) our_refunds: BTreeMap<&'a str, &'a RefundWantedFact>,
    /// The channel did not show it when it was last asked.
    pub(crate) absence: Option<Absence>,
    pub(crate) intents: Vec<Intent<'a>>,
    pub(crate) external: Vec<&'a ExternalShipmentFact>,
    /// Changes of sealed shipments that a recall was decided on, and when.
    pub(crate) change_seen: Vec<ChangeAt<'a>>,
    keys: BTreeSet<&'a str>,
}

impl<'a> Fold<'a> {
    /// Folds the facts of one order, given in stored order, as they stand now: what is told ahead has not happened.
    pub(crate) fn of(input: &'a OrderInput, now: DateTime<Utc>) -> Self {
        let mut fold = Self {
            readings: Vec::new(),
            shipments: Vec::new(),
            stray: Vec::new(),
            deposits: Vec::new(),
            booked: BTreeMap::new(),
            booking_refused: Vec::new(),
            held: Vec::new(),
            released: Vec::new(),
            cancel_wanted: None,
            class: None,
            ended: None,
            tell_again: BTreeMap::new(),
            returned: Vec::new(),
            corrected: Vec::new(),
            tax_rates: BTreeMap::new(),
            refund_reasons: BTreeMap::new(),
            refunds_wanted: Vec::new(),
            voids_wanted: Vec::new(),
            our_refunds: BTreeMap::new(),
            absence: None,
            intents: Vec::new(),
            external: Vec::new(),
            change_seen: Vec::new(),
            keys: input.facts.iter().map(|fact| fact.key.as_str()).collect(),
        };
        let mut decided: Vec<(i64, DateTime<Utc>, &ShipmentFact)> = Vec::new();
        let mut withdrawn: BTreeMap<&ShipmentReference, i64> = BTreeMap::new();
        let mut heard: BTreeMap<&ShipmentReference, Vec<(i64, &MemberFact)>> = BTreeMap::new();
        let mut parcels = Heard::default();
        let mut recalls: BTreeMap<&ShipmentReference, (i64, &RecallWantedFact)> = BTreeMap::new();
        let mut replies: Answers<'_, InstructionReply> = Answers::default();
        let mut cancel_replies: Answers<'_, CancelReply> = Answers::default();
        let mut answered_by_phone: BTreeSet<&ShipmentReference> = BTreeSet::new();
        let mut outcomes: BTreeMap<&str, (i64, &OutcomeFact)> = BTreeMap::new();
        let mut late: BTreeMap<&str, i64> = BTreeMap::new();
        for fact in &input.facts {
            let id = fact.id;
            match &fact.body {
                FactBody::Order(_) | FactBody::Payment(_) => {
                    let told = match &fact.body {
                        FactBody::Order(order) => Some(order.as_ref()),
                        _ => None,
                    };
                    let payments = input.payments.as_ref();
                    let shown = payments.and_then(|payments| payments.reading(id)).or(told);
                    fold.readings.extend(shown.map(|fact_now| Reading {
                        id,
                        recorded_at: fact.recorded_at,
                        fact: fact_now,
                    }));
                }
                FactBody::Parcel(_) | FactBody::Shipped(_) => {
                    parcels.hear(id, fact.recorded_at, &fact.body);
                }
                FactBody::ParcelCorrected(corrected) => {
                    parcels.hear(id, fact.recorded_at, &fact.body);
                    fold.corrected.push((id, corrected));
                }
                FactBody::TaxRate(tax) => {
                    fold.tax_rates.insert(&tax.line, tax.rate_bp);
                }
                FactBody::RefundExplained(refund) => {
                    fold.refund_reasons.insert(&refund.refund, refund.is);
                }
                FactBody::RefundWanted(wanted) => fold.refunds_wanted.push(RefundAsked {
                    id,
                    at: fact.recorded_at,
                    key: &fact.key,
                    fact: wanted,
                }),
                FactBody::VoidWanted(wanted) => fold.voids_wanted.push(VoidAsked {
                    id,
                    key: &fact.key,
                    fact: wanted,
                }),
                FactBody::Reply(reply) => {
                    replies.hear(&reply.reference, fact.happened_at, id, reply);
                }
                FactBody::CancelReply(reply) => {
                    cancel_replies.hear(&reply.reference, fact.happened_at, id, reply);
                }
                FactBody::CancelAnswered(answered) => {
                    answered_by_phone.insert(&answered.reply.reference);
                    let reply = &answered.reply;
                    cancel_replies.hear(&reply.reference, fact.happened_at, id, reply);
                }
                FactBody::RecallWanted(wanted) => {
                    recalls.entry(&wanted.reference).or_insert((id, wanted));
                }
                FactBody::Ended(ended) => fold.ended = Some((id, ended.reason.as_str())),
                FactBody::TellAgain(again) => {
                    fold.tell_again.insert(&again.reference, id);
                }
                FactBody::Returned(returned) => fold.returned.push((id, returned)),
                FactBody::Deposit(deposit) => fold.deposits.push(Deposited {
                    id,
                    at: fact.recorded_at,
                    amount: deposit.amount,
                    currency: deposit.currency,
                }),
                FactBody::DepositWithdrawn(gone) => fold.deposits.push(Deposited {
                    id,
                    at: fact.recorded_at,
                    amount: gone.amount.saturating_neg(),
                    currency: gone.currency,
                }),
                FactBody::Booked(booked) => {
                    for event in &booked.events {
                        fold.booked.insert(event, &booked.batch);
                    }
                }
                FactBody::Held(held) => {
                    fold.held.push(HeldAt {
                        id,
                        at: fact.happened_at,
                        fact: held,
                    });
                }
                FactBody::Released(released) => {
                    parcels.hear(id, fact.recorded_at, &fact.body);
                    fold.released.push(ReleasedAt {
                        id,
                        at: fact.recorded_at,
                        by: &fact.actor,
                        by_person: fact.actor != "plan",
                        fact: released,
                    });
                }
                FactBody::CancelWanted(wanted) => {
                    fold.cancel_wanted
                        .get_or_insert((id, wanted.reason.as_str()));
                }
                FactBody::ChangeSeen(seen) => fold.change_seen.push(ChangeAt {
                    id,
                    at: fact.happened_at,
                    fact: seen,
                }),
                FactBody::ExternalShipment(shipment) => fold.external.push(shipment),
                FactBody::Class(class) => fold.class = Some(class),
                FactBody::Shipment(shipment) => decided.push((id, fact.happened_at, shipment)),
                FactBody::ShipmentWithdrawn(gone) => {
                    withdrawn.insert(&gone.reference, id);
                }
                FactBody::Intent(intent) => fold.intents.push(Intent {
                    id,
                    key: &fact.key,
                    recorded_at: fact.recorded_at,
                    fact: intent,
                    outcome: None,
                    late: None,
                    row: input.queue.iter().find(|row| row.key == fact.key),
                    batch_over: false,
                }),
                FactBody::Outcome(outcome) if outcome.verdict != Verdict::Evidence => {
                    outcomes.insert(&outcome.intent, (id, outcome));
                }
                FactBody::Outcome(outcome) => {
                    late.insert(&outcome.intent, id);
                }
                FactBody::Presence(told) => {
                    fold.absence = Absence::after(fold.absence, id, fact.happened_at, *told);
                }
                FactBody::AbsenceBelieved(_) => {
                    if let Some(absence) = &mut fold.absence {
                        absence.believed = true;
                    }
                }
                FactBody::Member(member) => {
                    heard
                        .entry(&member.reference)
                        .or_default()
                        .push((id, member));
                }
                FactBody::Unbooked(gone) => fold.booked.retain(|_, batch| *batch != gone.batch),
                FactBody::BookingRefused(refused) => fold.booking_refused.push(refused),
                FactBody::Sealed(_)
                | FactBody::Unread(_)
                | FactBody::SealWanted(_)
                // The name itself lies over the personal row.
                | FactBody::ReceiverNamed(_)
                | FactBody::Abandoned(_) => {}
            }
        }
        for intent in &mut fold.intents {
            intent.outcome = outcomes.get(intent.key).copied();
            intent.late = late.get(intent.key).copied();
            if let IntentWhat::Member { reference, .. } = &intent.fact.what {
                let last = heard.get(reference).and_then(|heard| heard.last());
                intent.batch_over =
                    last.is_some_and(|(_, member)| member.state != MemberState::SentAgain);
            }
        }
        fold.name_our_refunds();
        for (id, at, fact) in decided {
            let mut shipment = Shipment {
                decided_at: at,
                fact,
                withdrawn: withdrawn.get(&fact.reference).copied(),
                heard: heard.remove(&fact.reference).unwrap_or_default(),
                stored: input
                    .shipments
                    .iter()
                    .find(|row| row.reference == fact.reference)
                    .map(|row| row.state),
                member: fold.member(&fact.reference),
                reply: replies.newest(&fact.reference),
                cancel_reply: cancel_replies.newest(&fact.reference),
                stopped_at_once: fold
                    .cancel_requests(&fact.reference)
                    .any(|intent| intent.done()),
                parcels: Vec::new(),
                ahead: Vec::new(),
                misread: Vec::new(),
                misread_open: false,
                merged: Vec::new(),
                recall: recalls.get(&fact.reference).copied(),
                closed_short: false,
                // What an operator typed is the answer to a call.
                recalled: (fold.cancel_requests(&fact.reference).next().is_some()
                    || answered_by_phone.contains(&fact.reference))
                    && fold
                        .change_seen
                        .iter()
                        .any(|seen| seen.fact.reference == fact.reference),
                earliest_then: fold.earliest_ship_at(id, fact),
            };
            let decided = parcels.take(
                &fact.reference,
                &Instructed {
                    shipment: Some(fact),
                    items_of: &|n, code| items_of_code(input, &fold.readings, &shipment, n, code),
                },
            );
            fold.told_of(&mut shipment, decided, now);
            // For good: what it left out is planned anew, and a parcel that comes all the same cannot take that back.
            let first = shipment.parcels.iter().map(|parcel| parcel.first_id).min();
            shipment.closed_short = first.is_some_and(|first| {
                fold.released_after(&format!("short:{}", fact.reference), first)
            });
            fold.shipments.push(shipment);
        }
        fold.stray = parcels.rest();
        fold
    }

    /// Which refunds of readings are ours: what was asked for says what they are for.
    fn name_our_refunds(&mut self) {
        for intent in &self.intents {
            let made = matches!(intent.fact.op, Op::Refund | Op::RecordRefund) && intent.taken();
            let id = intent
                .outcome
                .and_then(|(_, outcome)| outcome.id.as_deref());
            let mut asked = self.refunds_wanted.iter();
            let asked = asked.find(|asked| asked.key == intent.decision());
            if let (true, Some(id), Some(asked)) = (made, id, asked) {
                self.our_refunds.insert(id, asked.fact);
            }
        }
    }

    /// What was decided of its parcels. What has not begun to leave has not left.
    fn told_of(&self, shipment: &mut Shipment<'a>, decided: Decided<'a>, now: DateTime<Utc>) {
        let placed = self.readings.last().map(|last| last.fact.order.ordered_at);
        let ahead = decided
            .parcels
            .into_iter()
            .partition(|parcel| placed.is_some_and(|placed| parcel.ahead(placed, now)));
        (shipment.ahead, shipment.parcels) = ahead;
        (shipment.misread, shipment.merged) = (decided.misread, decided.merged);
        let open = |parcel: &Parcel<'_>| {
            let mut rows = parcel.misread.iter();
            rows.any(|row| !self.released_after(MISREAD, row.id))
        };
        let misread_open = shipment.all_parcels().any(open);
        shipment.misread_open = misread_open;
    }

    fn member(&self, reference: &ShipmentReference) -> Option<Intent<'a>> {
        let is_member = |intent: &&Intent<'_>| matches!(&intent.fact.what, IntentWhat::Member { reference: of, .. } if of == reference);
        self.intents.iter().rev().find(is_member).copied()
    }

    fn earliest_ship_at(&self, id: i64, shipment: &ShipmentFact) -> Option<DateTime<Utc>> {
        let reading = self.reading_before(id)?;
        let groups = &reading.fact.order.groups;
        groups
            .iter()
            .find(|group| group.key == shipment.group)?
            .earliest_ship
    }

    /// Requests to stop a shipment, in order.
    pub(crate) fn cancel_requests(
        &self,
        reference: &ShipmentReference,
    ) -> impl Iterator<Item = &Intent<'a>> {
        let reference = reference.clone();
        self.of_op(Op::CancelInstruction).filter(move |intent| {
            matches!(intent.call(), Some(Call::CancelInstruction(call)) if call.reference == reference)
        })
    }

    /// Each time that the channel showed the order completed, in order.
    pub(crate) fn completions(&self) -> Vec<Completion<'a>> {
        let mut all: Vec<Completion<'a>> = Vec::new();
        for reading in &self.readings {
            let done = reading.fact.order.state == ChannelState::Completed;
            match all.last_mut().filter(|last| last.undone.is_none()) {
                Some(last) if !done => {
                    last.undone = Some(Since {
                        id: reading.id,
                        at: reading.recorded_at,
                    });
                }
                None if done => all.push(Completion {
                    since: *reading,
                    undone: None,
                }),
                _ => {}
            }
        }
        all
    }

    /// The reading that was in force when a fact was stored.
    pub(crate) fn reading_before(&self, id: i64) -> Option<&Reading<'a>> {
        self.readings.iter().rfind(|reading| reading.id < id)
    }

    /// The first of the newest readings of which this is true; the newest where it is true of none.
    pub(crate) fn unchanged_since(&self, so: impl Fn(&OrderSnapshot) -> bool) -> i64 {
        let run = self.readings.iter().rev();
        let first = run.take_while(|reading| so(&reading.fact.order)).last();
        let first = first.or(self.readings.last());
        first.map_or(0, |reading| reading.id)
    }

    /// Items of a channel's line that warehouses had when a fact was stored, or have shipped.
    pub(crate) fn spoken_at(&self, line: &LineKey, fact: i64) -> u32 {
        let all = self.shipments.iter();
        all.fold(0_u32, |sum, shipment| {
            sum.saturating_add(shipment.spoken_at(line, fact))
        })
    }

    /// Intents of an operation, in order.
    pub(crate) fn of_op(&self, op: Op) -> impl Iterator<Item = &Intent<'a>> {
        self.intents
            .iter()
            .filter(move |intent| intent.fact.op == op)
    }

    /// An operator released this after the given fact.
    pub(crate) fn released_after(&self, rule: &str, id: i64) -> bool {
        self.released
            .iter()
            .any(|released| released.by_person && released.id > id && released.fact.names(rule))
    }

    /// The first release by an operator between two facts that `settles` accepts.
    pub(crate) fn released_between(
        &self,
        after: i64,
        before: i64,
        settles: impl Fn(&ReleasedAt<'_>) -> bool,
    ) -> Option<ReleasedAt<'a>> {
        let all = self.released.iter().copied();
        all.filter(|released| released.by_person && released.id > after && released.id < before)
            .find(settles)
    }

    /// References of our shipments, and of the notices that we have sent or are about to send.
    pub(crate) fn references(&self) -> BTreeSet<&'a str> {
        let shipments = self.shipments.iter().map(|s| s.fact.reference.as_str());
        let notices = self
            .of_op(Op::Fulfil)
            .filter_map(|intent| match intent.call() {
                Some(Call::Fulfil(call)) => Some(call.reference.as_str()),
                _ => None,
            });
        shipments.chain(notices).collect()
    }

    /// As [`Self::released_after`], or by a release of all holds, written before releases named them.
    pub(crate) fn released_with_all_after(&self, rule: &str, id: i64) -> bool {
        self.released_after(rule, id) || self.released_after(ReleasedFact::ALL_BEFORE, id)
    }

    /// The first of `prefix:1`, `prefix:2`, … that no fact has.
    pub(crate) fn unused_key(&self, prefix: &str) -> String {
        let mut k = 1_usize;
        loop {
            let key = format!("{prefix}:{k}");
            if !self.keys.contains(key.as_str()) {
                return key;
            }
            k += 1;
        }
    }
}
