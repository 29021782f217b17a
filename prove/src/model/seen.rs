//! What an order's facts say, read a second time without the planner: the checks compare with this.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use hikiate::facts::{
    FactBody, IntentFact, IntentWhat, OrderClass, OrderFact, RefundReason, ReleasedFact,
    ShipmentFact, Verdict,
};
use hikiate::plan::parcels_told;
use hikiate_sdk::{
    Call, CancelVerdict, ChannelFulfilment, ChannelGate, ChannelState, GroupKey, LineKey, Op,
    OrderLine, OrderSnapshot, ReplyVerdict,
};

use super::setting::CODES;
use super::shown::{Held, Unit, digits, mark, units};
use super::store::Order;

/// A shipment as its facts leave it.
#[derive(Clone, Debug)]
pub(super) struct SeenShipment<'a> {
    /// As decided.
    pub(super) fact: &'a ShipmentFact,
    /// In a sealed wave.
    pub(super) sealed: bool,
    /// Something was heard of it: the wave's end, an answer, a parcel.
    pub(super) heard: bool,
    /// The last reply refuses it.
    pub(super) rejected: bool,
    /// The last answer to a request to stop, or a request that was done at once, stops it.
    pub(super) stopped: bool,
    /// An operator said that no more of it will come.
    pub(super) closed: bool,
    /// It has a parcel.
    pub(super) parcels: bool,
    /// Items of each line that left in it.
    pub(super) left: BTreeMap<u32, u32>,
    /// An operator asked for it back.
    pub(super) recalled: bool,
    /// The plan decided to ask for it back because its order changed.
    pub(super) changed: bool,
    /// The plan took it out before it was sealed.
    pub(super) withdrawn: bool,
}

/// An order by its facts.
#[derive(Clone, Debug)]
pub(super) struct Seen<'a> {
    /// The newest reading.
    pub(super) head: &'a OrderFact,
    /// All of them, with their facts.
    pub(super) readings: Vec<(i64, &'a OrderSnapshot)>,
    /// What refunds are that only the provider knows of.
    pub(super) explained: BTreeMap<&'a str, RefundReason>,
    /// Items that left in parcels of ours, by line.
    pub(super) ours: BTreeMap<&'a LineKey, u32>,
    /// Items that others shipped, by line.
    pub(super) others: BTreeMap<&'a LineKey, u32>,
    /// What the channel shows as shipped, unit by unit.
    pub(super) units: Vec<Unit<'a>>,
    /// An operator ended it.
    pub(super) ended: bool,
    /// Looks in a row that did not find it.
    pub(super) misses: u8,
    /// It vanished, and an operator wants it shipped all the same.
    pub(super) let_go: bool,
    /// The channel shows it completed, and nobody said that it is to be shipped all the same.
    pub(super) completed: bool,
    /// It is ours to act on.
    pub(super) acts: bool,
    /// Something was done for it.
    pub(super) acted: bool,
    /// Shipments that were to be told again, each with the intents there were by then.
    again: Vec<(BTreeSet<&'a str>, &'a str)>,
    /// Intents that had ended when the newest reading came.
    shown_since: BTreeSet<&'a str>,
    /// What people released, and the fact that did.
    released: Vec<(i64, &'a ReleasedFact)>,
    /// Parts of refunds that an operator is to pay by hand, with the fact that asked for them.
    pub(super) by_hand: Vec<(i64, String, i64)>,
    /// Nothing of it ships, and the channel shows it completed.
    digital: bool,
    /// That was so once.
    pub(super) was_digital: bool,
    codes: BTreeMap<&'a LineKey, Option<&'a str>>,
    /// The newest fact that told of the address, by version, and quantities.
    since: i64,
    /// Its shipments.
    pub(super) shipments: BTreeMap<&'a str, SeenShipment<'a>>,
    /// Intents that were not refused or taken back.
    pub(super) standing: Vec<(&'a str, &'a IntentFact)>,
    /// An operator wants it stopped.
    pub(super) cancel_wanted: bool,
    /// Holds nobody let go of.
    pub(super) held: BTreeSet<&'a str>,
    /// Most ever authorised or captured, by payment.
    pub(super) ceilings: BTreeMap<&'a str, i64>,
}

impl SeenShipment<'_> {
    /// All of it left.
    #[must_use]
    pub(super) fn has_left(&self) -> bool {
        let left = |n| self.left.get(&n).copied().unwrap_or(0);
        let mut lines = self.fact.lines.iter();
        lines.all(|line| left(line.n) >= line.quantity)
    }
}

/// Items in one unit of a line, and whether they leave a warehouse.
#[must_use]
pub(super) fn code(sku: Option<&str>) -> (u32, bool) {
    let row = CODES.iter().find(|row| Some(row.0) == sku);
    row.map_or((1, true), |row| (row.2, row.3))
}

/// Whether it is completed; and what of it a sealed shipment can differ from.
type StateAndRest = (bool, (i32, Vec<Option<String>>, Vec<(LineKey, u32)>));

fn goods(line: &OrderLine) -> bool {
    line.quantity > 0 && code(line.sku.as_deref()).1
}

fn state_and_rest(reading: &OrderFact) -> StateAndRest {
    let order = &reading.order;
    let services = order.groups.iter().map(|group| group.service.clone());
    let lines = order
        .lines
        .iter()
        .map(|line| (line.key.clone(), line.quantity));
    let rest = (
        reading.personal_version,
        services.collect(),
        lines.collect(),
    );
    (order.state == ChannelState::Completed, rest)
}

impl<'a> Seen<'a> {
    /// Reads the facts; nothing before the first reading.
    #[must_use]
    pub(super) fn of(order: &'a Order, now: DateTime<Utc>) -> Option<Self> {
        let mut heads: Vec<&OrderFact> = Vec::new();
        let mut readings: Vec<(i64, &OrderSnapshot)> = Vec::new();
        let mut explained = BTreeMap::new();
        let mut shipments: BTreeMap<&str, SeenShipment<'a>> = BTreeMap::new();
        let mut intents: Vec<(&str, &IntentFact)> = Vec::new();
        let mut ends: BTreeMap<&str, Verdict> = BTreeMap::new();
        let mut replies = BTreeMap::new();
        let mut stops: BTreeMap<&str, bool> = BTreeMap::new();
        let mut held = BTreeSet::new();
        let mut cancel_wanted = false;
        let (mut ended, mut misses, mut let_go) = (false, 0, false);
        let (mut completed, mut adopted, mut since) = (false, false, 0);
        let mut was_digital = false;
        let mut shown_since: BTreeSet<&str> = BTreeSet::new();
        let mut again: Vec<(BTreeSet<&str>, &str)> = Vec::new();
        let mut recalls: BTreeSet<&str> = BTreeSet::new();
        let mut changes: BTreeSet<&str> = BTreeSet::new();
        let mut released: Vec<(i64, &ReleasedFact)> = Vec::new();
        let mut by_hand = Vec::new();
        let mut told: BTreeMap<(&str, &str), &str> = BTreeMap::new();
        for fact in &order.input.facts {
            match &fact.body {
                FactBody::Order(reading) => {
                    let was = heads.last().map(|head| state_and_rest(head));
                    let is = state_and_rest(reading);
                    if was.as_ref().is_none_or(|was| was.1 != is.1) {
                        since = fact.id;
                    }
                    if was.is_none_or(|was| was.0 != is.0) {
                        completed = is.0;
                    }
                    was_digital |= is.0 && !reading.order.lines.iter().any(goods);
                    heads.push(reading);
                    readings.push((fact.id, &reading.order));
                    shown_since = ends.keys().copied().collect();
                }
                FactBody::Ended(_) => ended = true,
                FactBody::RefundExplained(told) => {
                    explained.insert(told.refund.as_str(), told.is);
                }
                FactBody::TellAgain(told) => {
                    let before = intents.iter().map(|(key, _)| *key).collect();
                    again.push((before, told.reference.as_str()));
                }
                FactBody::Presence(told) => {
                    misses = told.misses;
                    let_go = false;
                }
                FactBody::Class(fact) => adopted = fact.class == OrderClass::Adopted,
                FactBody::RecallWanted(wanted) => {
                    recalls.insert(wanted.reference.as_str());
                }
                FactBody::ChangeSeen(seen) => {
                    changes.insert(seen.reference.as_str());
                }
                FactBody::CancelAnswered(told) => {
                    let stopped = told.reply.verdict == CancelVerdict::Accepted;
                    stops.insert(told.reply.reference.as_str(), stopped);
                }
                FactBody::Parcel(report) => {
                    if let Some(number) = &report.tracking {
                        told.insert((report.reference.as_str(), &report.key), number);
                    }
                    if let Some(shipment) = shipments.get_mut(report.reference.as_str()) {
                        (shipment.parcels, shipment.heard) = (true, true);
                    }
                }
                FactBody::ShipmentWithdrawn(out) => {
                    if let Some(shipment) = shipments.get_mut(out.reference.as_str()) {
                        shipment.withdrawn = true;
                    }
                }
                FactBody::Shipment(fact) => {
                    let seen = SeenShipment {
                        fact,
                        sealed: false,
                        heard: false,
                        rejected: false,
                        stopped: false,
                        closed: false,
                        parcels: false,
                        left: BTreeMap::new(),
                        recalled: false,
                        changed: false,
                        withdrawn: false,
                    };
                    shipments.insert(fact.reference.as_str(), seen);
                }
                FactBody::Reply(reply) => {
                    let refused = reply.verdict == ReplyVerdict::Rejected;
                    replies.insert(reply.reference.as_str(), refused);
                }
                FactBody::CancelReply(reply) => {
                    let stopped = reply.verdict == CancelVerdict::Accepted;
                    stops.insert(reply.reference.as_str(), stopped);
                }
                FactBody::RefundWanted(wanted) => {
                    let parts = wanted.parts.iter().filter(|part| part.account.is_none());
                    by_hand.extend(parts.map(|part| (fact.id, wanted.id.clone(), part.amount)));
                }
                FactBody::Held(fact) => {
                    held.insert(fact.rule.as_str());
                }
                FactBody::Released(gone) if gone.names(ReleasedFact::ALL_BEFORE) => {
                    released.push((fact.id, gone));
                    held.clear();
                }
                FactBody::Released(gone) => {
                    if fact.actor != "plan" {
                        released.push((fact.id, gone));
                        ended &= !gone.names("ended");
                        completed &= !gone.names("completed");
                        let_go |= gone.names("vanished");
                    }
                    for rule in &gone.rules {
                        held.remove(rule.as_str());
                        let reference = rule.strip_prefix("short:").unwrap_or_default();
                        if let Some(shipment) = shipments.get_mut(reference) {
                            shipment.closed = shipment.parcels;
                        }
                    }
                }
                FactBody::CancelWanted(_) => cancel_wanted = true,
                FactBody::Intent(intent) => intents.push((&fact.key, intent)),
                FactBody::Outcome(end) if end.verdict != Verdict::Evidence => {
                    ends.insert(&end.intent, end.verdict);
                }
                _ => {}
            }
        }
        let mut codes: BTreeMap<&LineKey, Option<&str>> = BTreeMap::new();
        for line in heads.iter().flat_map(|head| &head.order.lines) {
            codes.insert(&line.key, line.sku.as_deref());
        }
        let items_in = |line: &LineKey| code(codes.get(line).copied().flatten()).0;
        // Which reports are one parcel, the product says; at rest its sums are compared with what really left.
        let mut ours: BTreeMap<&LineKey, u32> = BTreeMap::new();
        let mut holds: Vec<Held<'_>> = Vec::new();
        let reports: Vec<_> =
            parcels_told(order.input.facts.iter().map(hikiate::facts::Fact::said));
        for report in &reports {
            let Some(shipment) = shipments.get_mut(report.reference.as_str()) else {
                continue;
            };
            // Its number, and those of reports that are by rule the same parcel under another one.
            let of_another = |key: &str| {
                let mut others = reports.iter().filter(|other| other.key != report.key);
                others.any(|other| other.reference == report.reference && other.key == key)
            };
            let here = told.iter().filter(|((reference, key), _)| {
                *reference == report.reference.as_str() && !of_another(key)
            });
            let numbers = here
                .map(|(_, number)| *number)
                .chain(report.tracking.as_deref());
            let numbers: BTreeSet<String> = numbers.map(digits).collect();
            for line in &shipment.fact.lines {
                let rows = report.lines().iter().filter(|row| row.n == line.n);
                let items: u32 = rows.map(|row| row.quantity).sum();
                *ours.entry(&line.line).or_default() += items;
                *shipment.left.entry(line.n).or_default() += items;
                holds.push((numbers.clone(), &line.line, items / items_in(&line.line)));
            }
        }
        let mut foreign: BTreeSet<&LineKey> = BTreeSet::new();
        for line in heads.iter().flat_map(|head| &head.order.lines) {
            if line.ours() && code(line.sku.as_deref()).1 {
                foreign.remove(&line.key);
            } else {
                foreign.insert(&line.key);
            }
        }
        let mut units = units(&order.input.facts, &order.input.number, &foreign, now);
        mark(&mut units, holds);
        let mut others: BTreeMap<&LineKey, u32> = BTreeMap::new();
        for unit in units.iter().filter(|unit| unit.theirs()) {
            *others.entry(unit.line).or_default() += items_in(unit.line);
        }
        for (key, intent) in &intents {
            match &intent.what {
                IntentWhat::Member { reference, .. } => {
                    if let Some(shipment) = shipments.get_mut(reference.as_str()) {
                        shipment.sealed = true;
                        shipment.heard |= ends.contains_key(key);
                    }
                }
                IntentWhat::Call { call, .. } => {
                    if let Call::CancelInstruction(call) = call.as_ref()
                        && ends.get(key) == Some(&Verdict::Done)
                    {
                        stops.entry(call.reference.as_str()).or_insert(true);
                    }
                }
                _ => {}
            }
        }
        for (reference, shipment) in &mut shipments {
            shipment.heard |= replies.contains_key(reference) || stops.contains_key(reference);
            shipment.rejected = replies.get(reference).copied().unwrap_or(false);
            shipment.stopped = stops.get(reference).copied().unwrap_or(false);
            shipment.recalled = recalls.contains(reference);
            shipment.changed = changes.contains(reference);
        }
        let void = |key: &str| {
            let end = ends.get(key);
            matches!(
                end,
                Some(Verdict::Refused | Verdict::Withdrawn | Verdict::NotDone)
            )
        };
        let mut ceilings: BTreeMap<&str, i64> = BTreeMap::new();
        for tender in heads.iter().flat_map(|head| &head.order.tenders) {
            let ceiling = ceilings.entry(tender.key.as_str()).or_default();
            *ceiling = (*ceiling).max(tender.authorised).max(tender.captured);
        }
        let begin = order.input.begin.from;
        let acted = !intents.is_empty() || shipments.values().any(|s| s.parcels);
        intents.retain(|(key, _)| !void(key));
        let head = heads.pop()?;
        let ordered_at = head.order.ordered_at;
        let acts = begin.is_some_and(|from| acted || adopted || ordered_at >= from);
        // What was refused or stopped before it shipped never ships.
        let gone = |s: &SeenShipment<'_>| !s.parcels && (s.rejected || s.stopped || s.withdrawn);
        let nothing = !head.order.lines.iter().any(goods) && shipments.values().all(gone);
        let theirs = units.iter().any(|unit| !unit.ours);
        let digital = nothing && !theirs && head.order.state == ChannelState::Completed;
        Some(Self {
            head,
            readings,
            explained,
            ours,
            others,
            units,
            ended,
            misses,
            let_go,
            completed,
            acts,
            acted,
            again,
            shown_since,
            released,
            by_hand,
            digital,
            was_digital,
            codes,
            since,
            shipments,
            standing: intents,
            cancel_wanted,
            held,
            ceilings,
        })
    }

    /// The order as last read.
    #[must_use]
    pub(super) fn order(&self) -> &'a OrderSnapshot {
        &self.head.order
    }

    /// The channel shows it cancelled.
    #[must_use]
    pub(super) fn cancelled_at_channel(&self) -> bool {
        matches!(self.order().state, ChannelState::Cancelled { .. })
    }

    /// Items of a line that left, whoever shipped them.
    #[must_use]
    pub(super) fn shipped_of(&self, line: &LineKey) -> u32 {
        self.ours_of(line) + self.others.get(line).copied().unwrap_or(0)
    }

    /// Items of a line that left in parcels of ours.
    #[must_use]
    pub(super) fn ours_of(&self, line: &LineKey) -> u32 {
        self.ours.get(line).copied().unwrap_or(0)
    }

    /// Items of a line that stand in sealed shipments and are still to leave.
    #[must_use]
    pub(super) fn at_warehouses(&self, line: &LineKey) -> u32 {
        let mut items = 0;
        for shipment in self.shipments.values().filter(|s| Self::may_leave(s)) {
            for row in shipment.fact.lines.iter().filter(|row| row.line == *line) {
                let left = shipment.left.get(&row.n).copied().unwrap_or(0);
                items += row.quantity.saturating_sub(left);
            }
        }
        items
    }

    /// Items in one unit of a line.
    #[must_use]
    pub(super) fn items_in(&self, line: &LineKey) -> u32 {
        code(self.sku_of(line)).0
    }

    /// The code of a line as it was last shown.
    #[must_use]
    pub(super) fn sku_of(&self, line: &LineKey) -> Option<&'a str> {
        self.codes.get(line).copied().flatten()
    }

    /// Something left.
    #[must_use]
    pub(super) fn any_shipped(&self) -> bool {
        self.digital || self.goods_left()
    }

    /// Goods left.
    #[must_use]
    pub(super) fn goods_left(&self) -> bool {
        let mut all = self.ours.values().chain(self.others.values());
        all.any(|items| *items > 0)
    }

    /// Why nothing more of it may be instructed, if that is so.
    #[must_use]
    pub(super) fn stopped_by(&self, now: DateTime<Utc>) -> Option<&'static str> {
        let doubted = |unit: &Unit<'_>| unit.in_doubt(now) && unit.theirs();
        [
            ("hikiate must not act on it", !self.acts),
            (
                "it is cancelled",
                self.cancel_wanted || self.cancelled_at_channel(),
            ),
            ("it is ended", self.ended),
            ("it is completed at the channel", self.completed),
            (
                "the channel does not return it",
                self.misses > 0 && !(self.misses > 1 && self.let_go),
            ),
            (
                "the channel does not permit shipping",
                self.order().gate != ChannelGate::Open,
            ),
            (
                "a third-party shipment was undone",
                self.units.iter().any(doubted),
            ),
        ]
        .into_iter()
        .find_map(|(why, is)| is.then_some(why))
    }

    /// The order wants goods of a shipment that no other one has.
    fn wants(&self, shipment: &SeenShipment<'_>) -> bool {
        shipment.fact.lines.iter().any(|row| {
            let sold = self.order().lines.iter().find(|sold| sold.key == row.line);
            let wanted = sold.map_or(0, |sold| sold.quantity) * self.items_in(&row.line);
            wanted > self.shipped_of(&row.line) + self.at_warehouses(&row.line)
        })
    }

    /// What was recalled and is still wanted waits for an operator: its goods are not shipped in another shipment.
    #[must_use]
    pub(super) fn recall_waits(&self) -> bool {
        let waits = |(reference, shipment): (&&str, &SeenShipment<'_>)| {
            let rule = format!("recalled:{reference}");
            let settled = self.was_released(&rule, 0) || self.was_released("*", 0);
            let waits = shipment.stopped || !shipment.sealed;
            shipment.recalled && waits && !shipment.parcels && !settled && self.wants(shipment)
        };
        self.shipments.iter().any(waits)
    }

    /// An operator released this after a fact.
    #[must_use]
    pub(super) fn was_released(&self, rule: &str, after: i64) -> bool {
        let mut all = self.released.iter();
        all.any(|(id, gone)| *id > after && gone.names(rule))
    }

    /// What a shipment of a group is sealed with beside its lines: address and service.
    #[must_use]
    pub(super) fn sealed_with(&self, group: &GroupKey) -> (i32, Option<String>) {
        let group = self.order().groups.iter().find(|known| known.key == *group);
        let service = group.and_then(|group| group.service.clone());
        (self.head.personal_version, service)
    }

    /// Nobody let a changed shipment go as it was sent, since it last changed.
    #[must_use]
    pub(super) fn change_is_open(&self, reference: &str) -> bool {
        !self.was_released(&format!("changed:{reference}"), self.since)
    }

    /// An operator had it told again since, and the channel does not return it.
    #[must_use]
    pub(super) fn told_again(&self, key: &str, call: &Call) -> bool {
        let Call::Fulfil(call) = call else {
            return false;
        };
        let name = call.reference.as_str();
        let again = self.again.iter().any(|(before, reference)| {
            let rest = name.strip_prefix(reference);
            let this = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
            this && before.contains(key)
        });
        // One that staff cancelled before it was told as shipped.
        let shipped =
            |call: &Call| matches!(call, Call::Ship(ship) if ship.reference.as_str() == name);
        let mut gone = self.order().fulfilments.iter();
        let gone = gone.any(|f| f.cancelled() && f.reference.as_deref() == Some(name))
            && !self.calls(Op::Ship).any(|(_, call, _)| shipped(call));
        let shown = self.order().fulfilments.iter();
        let mut shown = shown.filter(|f| f.reference.as_deref() == Some(name));
        // What the channel shows as cancelled was told, whenever it was read.
        let known = self.shown_since.contains(key) || shown.clone().next().is_some();
        (again || gone) && known && shown.all(ChannelFulfilment::cancelled)
    }

    /// Calls of an operation that stand.
    pub(super) fn calls(&self, op: Op) -> impl Iterator<Item = (&'a str, &'a Call, &'a [String])> {
        self.standing
            .iter()
            .filter_map(move |(key, intent)| match &intent.what {
                IntentWhat::Call { call, parcels, .. } if intent.op == op => {
                    Some((*key, &**call, parcels.as_slice()))
                }
                _ => None,
            })
    }

    /// Whether goods of a shipment may still leave, for all that is known.
    #[must_use]
    pub(super) fn may_leave(shipment: &SeenShipment<'_>) -> bool {
        shipment.sealed && !shipment.rejected && !shipment.stopped && !shipment.closed
    }
}
