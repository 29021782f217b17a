//! Departures: units of the order that have shipped, in parcels of ours or by others, in the order they became known.
//! Captures and revenue follow them, whoever shipped.

use chrono::{DateTime, Utc};
use hikiate_sdk::{ChannelState, LineKey, OrderSnapshot};

use super::deposits;
use super::others::Shown;
use super::shipment::Shipment;
use super::view::{Left, View};
use crate::policy::{DigitalBooking, PaymentMethod};

/// Units that shipped together.
#[derive(Clone, Debug)]
pub(crate) struct Departure {
    /// The fact that it first became known by.
    pub(crate) first_id: i64,
    pub(crate) first_recorded_at: DateTime<Utc>,
    pub(crate) shipped_at: DateTime<Utc>,
    /// Our items, by line.
    pub(crate) items: Left,
    /// The shipment or fulfilment that it is a part of.
    pub(crate) of: String,
    /// Nothing travels: a digital order that is complete, delivered the moment it ships.
    pub(crate) digital: bool,
}

impl<'a> View<'a> {
    /// Units shown as shipped by others, still standing, that are no parcel of ours.
    pub(crate) fn shipped_by_others(&self) -> impl Iterator<Item = &Shown<'a>> + Clone {
        self.others
            .shown
            .iter()
            .filter(|shown| !shown.ours && !shown.parcel)
    }

    /// All departures.
    pub(crate) fn departures(&self) -> Vec<Departure> {
        let mut departures: Vec<Departure> = Vec::new();
        for shipment in &self.fold.shipments {
            for parcel in &shipment.parcels {
                let mut items = Left::new();
                for line in &shipment.fact.lines {
                    add(&mut items, &line.line, parcel.items(line.n));
                }
                departures.push(Departure {
                    first_id: parcel.first_id,
                    first_recorded_at: parcel.first_recorded_at,
                    shipped_at: parcel.shipped_at(self.order.ordered_at),
                    items,
                    of: shipment.fact.reference.to_string(),
                    digital: false,
                });
            }
        }
        for shown in self.shipped_by_others() {
            let line = self.lines.iter().find(|line| line.key == *shown.line);
            let multiplier = line.map_or(1, |line| line.multiplier);
            let items = Left::from([(shown.line.clone(), shown.units.saturating_mul(multiplier))]);
            departures.push(Departure {
                first_id: shown.first_id,
                first_recorded_at: shown.first_recorded_at,
                shipped_at: shown.shipped_at,
                items,
                of: shown.key.to_string(),
                digital: false,
            });
        }
        departures.extend(self.digital(false));
        departures.sort_by_key(|departure| departure.first_id);
        departures
    }

    /// When the next parcel that was told ahead ships.
    pub(crate) fn ships_at(&self) -> Option<DateTime<Utc>> {
        let placed = self.order.ordered_at;
        let ahead = self.fold.shipments.iter().flat_map(|s| &s.ahead);
        ahead.map(|parcel| parcel.shipped_at(placed)).min()
    }

    /// What has shipped in the departures that `counts` accepts.
    pub(crate) fn departed(&self, counts: impl Fn(&Departure) -> bool) -> Left {
        let mut left = Left::new();
        for departure in self.departures().iter().filter(|one| counts(one)) {
            for (line, items) in &departure.items {
                add(&mut left, line, *items);
            }
        }
        left
    }

    /// No line of the order is ours to ship: digital goods, services, lines that others fulfil, quantity 0.
    pub(crate) fn nothing_ships(&self) -> bool {
        // What was withdrawn before anybody was told of it, or refused, never ships.
        let gone = |s: &Shipment<'_>| !s.live() && s.parcels.is_empty();
        !self.wants_goods() && self.fold.shipments.iter().all(gone)
    }

    /// A line of the order is ours to ship.
    pub(crate) fn wants_goods(&self) -> bool {
        let mut lines = self.order.lines.iter();
        lines.any(|line| {
            line.ours() && line.quantity > 0 && !is_discount(line) && self.may_be_stocked(line)
        })
    }

    /// Goods of ours that no item stands for: without a code, or with one that nobody has mapped.
    pub(crate) fn is_unmapped(&self, line: &hikiate_sdk::OrderLine) -> bool {
        let known = |sku| self.input.items.contains_key(sku);
        line.ours() && !is_discount(line) && !line.sku.as_ref().is_some_and(known)
    }

    /// False only for a line whose code is known and stands for a service.
    fn may_be_stocked(&self, line: &hikiate_sdk::OrderLine) -> bool {
        let item = line.sku.as_ref().and_then(|sku| self.input.items.get(sku));
        item.is_none_or(|item| item.stocked)
    }

    /// All of it has come: captured, by deposit, or in points.
    fn is_paid(&self, order: &OrderSnapshot, deposited: i64) -> bool {
        let (mut bank, mut rest) = (0_i64, 0_i64);
        for tender in &order.tenders {
            let points = tender.amount.filter(|_| !tender.cancelled).unwrap_or(0);
            match self.route(tender).map(|route| route.method) {
                Some(PaymentMethod::BankTransfer) => bank = bank.saturating_add(tender.captured),
                Some(PaymentMethod::Prepaid) => {
                    rest = rest.saturating_add(tender.captured.max(points));
                }
                _ => rest = rest.saturating_add(tender.captured),
            }
        }
        // A channel may show a deposit as captured.
        let came = rest.saturating_add(bank.max(deposited));
        order.total.is_some_and(|total| came >= total)
    }

    /// The departure of an order of which nothing ships that was completed, or paid, before its channel cancelled it: it was booked
    /// then, and is no longer.
    pub(crate) fn digital_before_cancel(&self) -> Option<Departure> {
        self.cancelled_at_channel.and_then(|_| self.digital(true))
    }

    /// The departure of an order of which nothing ships: when the channel shows it completed, or paid. Readings that show it
    /// cancelled since are passed over on demand.
    fn digital(&self, before_cancel: bool) -> Option<Departure> {
        if !self.nothing_ships() || self.others.shown.iter().any(|shown| !shown.ours) {
            return None;
        }
        let paid = self
            .policy
            .booking
            .as_ref()
            .is_some_and(|booking| booking.digital == DigitalBooking::Paid);
        let completed = |order: &OrderSnapshot| order.state == ChannelState::Completed;
        let is_cancelled =
            |order: &OrderSnapshot| matches!(order.state, ChannelState::Cancelled { .. });
        let deposited = |until: i64| deposits::sum(&self.fold.deposits, self.order.currency, until);
        let done = |order: &OrderSnapshot, until: i64| {
            completed(order) || (paid && self.is_paid(order, deposited(until)))
        };
        let first = self
            .fold
            .readings
            .iter()
            .rev()
            .skip_while(|reading| before_cancel && is_cancelled(&reading.fact.order))
            .take_while(|reading| done(&reading.fact.order, i64::MAX))
            .last()?;
        // The deposit that made it whole may have come after the reading.
        let ids = self.fold.deposits.iter().map(|one| one.id);
        let mut later = ids.filter(|id| *id > first.id);
        let (id, at) = if done(&first.fact.order, first.id) {
            (first.id, first.recorded_at)
        } else {
            let id = later.find(|id| done(&first.fact.order, *id))?;
            let fact = self.input.facts.iter().find(|fact| fact.id == id)?;
            (id, fact.recorded_at)
        };
        let line = self.order.lines.first().map(|line| line.key.clone());
        Some(Departure {
            first_id: id,
            first_recorded_at: at,
            shipped_at: at,
            items: Left::from([(line.unwrap_or_else(|| LineKey::new(String::new())), 1)]),
            of: String::new(),
            digital: true,
        })
    }
}

/// A line without a code and with a negative price takes something off the total and ships nothing.
pub(crate) fn is_discount(line: &hikiate_sdk::OrderLine) -> bool {
    line.sku.is_none() && line.unit_price.is_some_and(|price| price < 0)
}

fn add(left: &mut Left, line: &LineKey, items: u32) {
    if items > 0 {
        let sum = left.entry(line.clone()).or_default();
        *sum = sum.saturating_add(items);
    }
}
