//! What an order's facts say, read a second time without the planner: the checks compare with this.

use std::collections::{BTreeMap, BTreeSet};

use hikiate::facts::{
    FactBody, IntentFact, IntentWhat, OrderFact, ReleasedFact, ShipmentFact, Verdict,
};
use hikiate_sdk::{
    Call, CancelVerdict, ChannelState, ChargeKind, LineKey, Op, OrderSnapshot, ParcelReport,
    ReplyVerdict,
};

use super::setting::CODES;
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
    /// A person said that no more of it will come.
    pub(super) closed: bool,
    /// It has a parcel.
    pub(super) parcels: bool,
}

/// An order by its facts.
#[derive(Clone, Debug)]
pub(super) struct Seen<'a> {
    /// The newest reading.
    pub(super) head: &'a OrderFact,
    /// Items that left, by line.
    pub(super) left: BTreeMap<&'a LineKey, u32>,
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

/// Items in one unit of a line, and whether they leave a warehouse.
#[must_use]
pub(super) fn code(sku: Option<&str>) -> (u32, bool) {
    let row = CODES.iter().find(|row| Some(row.0) == sku);
    row.map_or((1, true), |row| (row.2, row.3))
}

impl<'a> Seen<'a> {
    /// Reads the facts; nothing before the first reading.
    #[must_use]
    pub(super) fn of(order: &'a Order) -> Option<Self> {
        let mut heads: Vec<&OrderFact> = Vec::new();
        let mut parcels: BTreeMap<(&str, &str), &ParcelReport> = BTreeMap::new();
        let mut shipments: BTreeMap<&str, SeenShipment<'a>> = BTreeMap::new();
        let mut intents: Vec<(&str, &IntentFact)> = Vec::new();
        let mut ends: BTreeMap<&str, Verdict> = BTreeMap::new();
        let mut replies = BTreeMap::new();
        let mut stops: BTreeMap<&str, bool> = BTreeMap::new();
        let mut held = BTreeSet::new();
        let mut cancel_wanted = false;
        for fact in &order.input.facts {
            match &fact.body {
                FactBody::Order(reading) => heads.push(reading),
                FactBody::Parcel(report) => {
                    parcels.insert((report.reference.as_str(), &report.key), report);
                    if let Some(shipment) = shipments.get_mut(report.reference.as_str()) {
                        (shipment.parcels, shipment.heard, shipment.closed) = (true, true, false);
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
                FactBody::Held(fact) => {
                    held.insert(fact.rule.as_str());
                }
                FactBody::Released(fact) if fact.names(ReleasedFact::ALL_BEFORE) => held.clear(),
                FactBody::Released(fact) => {
                    for rule in &fact.rules {
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
        let mut left: BTreeMap<&LineKey, u32> = BTreeMap::new();
        for ((reference, _), report) in &parcels {
            let Some(shipment) = shipments.get(reference) else {
                continue;
            };
            for line in &shipment.fact.lines {
                let rows = report.lines.iter().filter(|row| row.n == line.n);
                *left.entry(&line.line).or_default() += rows.map(|row| row.quantity).sum::<u32>();
            }
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
        intents.retain(|(key, _)| !void(key));
        Some(Self {
            head: heads.pop()?,
            left,
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

    /// Items of a line that left.
    #[must_use]
    pub(super) fn left_of(&self, line: &LineKey) -> u32 {
        self.left.get(line).copied().unwrap_or(0)
    }

    /// Something left.
    #[must_use]
    pub(super) fn something_left(&self) -> bool {
        self.left.values().any(|items| *items > 0)
    }

    /// What is owed for what left; before, `sponsored` sums what others owe of it.
    #[must_use]
    pub(super) fn owed(&self) -> (i64, i64) {
        let (mut sum, mut sponsored) = (0, 0);
        if !self.something_left() {
            return (0, 0);
        }
        for charge in &self.order().charges {
            let gross = charge.gross.unwrap_or(0);
            let line = charge
                .line
                .as_ref()
                .filter(|_| charge.kind == ChargeKind::Goods);
            let line = line.and_then(|key| self.order().lines.iter().find(|l| l.key == *key));
            let goods = line.filter(|line| code(line.sku.as_deref()).1);
            let due = match goods {
                Some(line) => {
                    let all = i64::from(line.quantity * code(line.sku.as_deref()).0);
                    let part = i64::from(self.left_of(&line.key));
                    if part >= all {
                        gross
                    } else {
                        // Prices of goods are not negative here: half up is half away from zero.
                        (2 * gross * part + all) / (2 * all)
                    }
                }
                None => gross,
            };
            sum += due;
            if charge.sponsor.is_some() {
                sponsored += due;
            }
        }
        (sum, sponsored)
    }

    /// Calls of an operation that stand.
    pub(super) fn calls(&self, op: Op) -> impl Iterator<Item = (&'a str, &'a Call, &'a [String])> {
        self.standing
            .iter()
            .filter_map(move |(key, intent)| match &intent.what {
                IntentWhat::Call { call, parcels } if intent.op == op => {
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
