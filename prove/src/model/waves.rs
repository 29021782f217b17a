//! Batches of a run: waves to warehouses and journals, sealed as the engine seals them.

use std::collections::BTreeMap;

use hikiate::facts::{
    BookedFact, FactBody, IntentFact, IntentWhat, OutcomeFact, ShipmentFact, Verdict,
};
use hikiate::plan::committed;
use hikiate::plan::journal::OpenRevenue;
use hikiate::plan::journal::journal_of;
use hikiate::plan::types::{ShipmentStage, ShippingStop};
use hikiate_sdk::{AccountSlug, Op, ShipmentReference};

use super::check;
use super::far::Told;
use super::queue::{Owner, Row};
use super::seen::Seen;
use super::setting::{PLACES, SHOP};
use super::violation::{Violation, ensure};
use super::world::World;

/// A sealed wave.
#[derive(Clone, Debug)]
pub(super) struct Wave {
    name: String,
    place: usize,
    /// Its members: order and reference.
    pub(super) members: Vec<(usize, ShipmentReference)>,
    /// How it ended, if it did.
    pub(super) ended: Option<Verdict>,
}

/// A sealed journal.
#[derive(Clone, Debug)]
pub(super) struct Books {
    name: String,
    /// Revenue in it: order and key.
    pub(super) members: Vec<(usize, String)>,
    /// Σ of debits.
    pub(super) debits: i64,
}

/// A stop of shipping keeps a shipment back.
fn stopped(stops: &[ShippingStop], shipment: &ShipmentFact) -> bool {
    stops.iter().any(|stop| {
        let here = stop.warehouse.as_ref();
        let items = stop.items.as_ref();
        here.is_none_or(|here| *here == shipment.warehouse)
            && items.is_none_or(|items| shipment.lines.iter().any(|l| items.contains(&l.item_id)))
    })
}

impl World {
    /// Seals a wave over all that waits at a warehouse and may leave; orders with new input are left to the next.
    ///
    /// # Errors
    /// A violation.
    pub(super) fn seal(&mut self, place: u8) -> Result<(), Violation> {
        let place = usize::from(place) % PLACES.len();
        let now = self.now;
        let name = format!(
            "{}-instruct-20261121-{}",
            PLACES[place].1,
            self.waves.len() + 1
        );
        let mut members = Vec::new();
        if self.begin.from.is_none() {
            return Ok(());
        }
        for (at, order) in self.orders.iter_mut().enumerate() {
            if order.dirty {
                continue;
            }
            let waiting: Vec<ShipmentReference> = order
                .input
                .shipments
                .iter()
                .filter(|row| row.state == ShipmentStage::Waiting)
                .filter(|row| {
                    let waits = order.shipments.get(row.reference.as_str());
                    waits.is_some_and(|waits| waits.release_at <= now)
                })
                .map(|row| row.reference.clone())
                .collect();
            for reference in waiting {
                let decided = order.input.facts.iter().find_map(|fact| match &fact.body {
                    FactBody::Shipment(shipment) => {
                        (shipment.reference == reference).then(|| shipment.clone())
                    }
                    _ => None,
                });
                let Some(decided) = decided.filter(|s| s.warehouse == PLACES[place].0) else {
                    continue;
                };
                if stopped(&self.stops, &decided) {
                    continue;
                }
                check::sealing(order, &decided, now)?;
                let Some(seen) = Seen::of(order, self.now) else {
                    continue;
                };
                let group = decided.group.clone();
                let committed = order.input.personal.as_ref().map(|personal| {
                    committed(&order.input.field_key, seen.order(), personal, &group, None)
                });
                let with = seen.sealed_with(&group);
                order.sealed_with.insert(reference.to_string(), with);
                let intent = IntentFact {
                    op: Op::Instruct,
                    account: AccountSlug::new(PLACES[place].1),
                    n: 1,
                    what: IntentWhat::Member {
                        batch: name.clone(),
                        reference: reference.clone(),
                        committed,
                        codes: Vec::new(),
                    },
                };
                let key = format!("instruct:{reference}");
                let body = FactBody::Intent(Box::new(intent));
                order.fact(&mut self.next, key, body, (now, now), "plan")?;
                if let Some(row) = order
                    .input
                    .shipments
                    .iter_mut()
                    .find(|r| r.reference == reference)
                {
                    row.state = ShipmentStage::Instructed;
                }
                members.push((at, reference));
            }
        }
        if members.is_empty() {
            return Ok(());
        }
        self.waves.push(Wave {
            name,
            place,
            members,
            ended: None,
        });
        self.queue_wave(self.waves.len() - 1, 1);
        Ok(())
    }

    fn queue_wave(&mut self, at: usize, n: u32) {
        let wave = &self.waves[at];
        let account = AccountSlug::new(PLACES[wave.place].1);
        let key = format!("instruct:{account}:{}:{n}", wave.name);
        let what = IntentWhat::Batch {
            batch: wave.name.clone(),
        };
        let intent = IntentFact {
            op: Op::Instruct,
            account,
            n,
            what,
        };
        self.next += 1;
        let row = Row::new(self.next, Owner::Wave(at), key, intent, self.now);
        self.rows.push(row);
    }

    /// A wave arrives at its warehouse.
    ///
    /// # Errors
    /// A violation: a shipment was instructed before.
    pub(super) fn arrive(&mut self, at: usize) -> Result<(), Violation> {
        let wave = &self.waves[at];
        for (order, reference) in &wave.members {
            let fact = self.orders[*order]
                .input
                .facts
                .iter()
                .find_map(|fact| match &fact.body {
                    FactBody::Shipment(s) if s.reference == *reference => Some(s.clone()),
                    _ => None,
                });
            let fact =
                fact.ok_or_else(|| Violation::new(format!("{reference} has no decision")))?;
            let told = Told {
                order: *order,
                place: wave.place,
                fact,
                stopped: false,
                typed: false,
                rejected: false,
                asked: false,
                parcels: BTreeMap::new(),
            };
            let twice = self.far.told.insert(reference.to_string(), told).is_some();
            ensure(!twice, || format!("{reference} is instructed twice"))?;
        }
        Ok(())
    }

    /// The effect of a wave ended: its members are told, or the same bytes go again.
    ///
    /// # Errors
    /// A violation.
    pub(super) fn wave_ended(
        &mut self,
        at: usize,
        row: &Row,
        outcome: OutcomeFact,
    ) -> Result<(), Violation> {
        self.waves[at].ended = Some(outcome.verdict);
        if !matches!(outcome.verdict, Verdict::Done | Verdict::Accepted) {
            self.waves[at].ended = None;
            self.queue_wave(at, row.intent.n + 1);
            return Ok(());
        }
        let now = self.now;
        for (order, reference) in self.waves[at].members.clone() {
            let told = OutcomeFact {
                intent: format!("instruct:{reference}"),
                ..outcome.clone()
            };
            self.orders[order].outcome(&mut self.next, told, now, "plan")?;
        }
        Ok(())
    }

    /// Seals a journal over all revenue that is in none.
    ///
    /// # Errors
    /// A violation: it does not balance, or its sum is not the revenue's.
    pub(super) fn seal_books(&mut self) -> Result<(), Violation> {
        let Some(booking) = self.setting.policy.booking.clone() else {
            return Ok(());
        };
        let mut rows = Vec::new();
        let mut members = Vec::new();
        for (at, order) in self.orders.iter().enumerate() {
            for row in &order.input.revenue {
                let member = (at, row.key.clone());
                if self.in_books.contains(&member) {
                    continue;
                }
                rows.push(OpenRevenue {
                    unbooked_deposit: false,
                    id: i64::try_from(rows.len()).unwrap_or(0),
                    subject_id: order.input.subject_id,
                    key: row.key.clone(),
                    business_date: row.business_date,
                    channel: AccountSlug::new(SHOP),
                    payment: row.payment.clone(),
                    currency: row.currency,
                    kind: row.kind,
                    tax_of: row.tax_of.clone(),
                    gross: row.gross,
                    tax: row.tax,
                });
                members.push(member);
            }
        }
        if rows.is_empty() {
            return Ok(());
        }
        let name = format!("books-journal-20261121-{}", self.books.len() + 1);
        let journal = journal_of(&rows, &[], &booking, &name);
        let mut debits = 0;
        for entry in &journal.entries {
            let sum: i64 = entry.lines.iter().map(|line| line.amount).sum();
            ensure(sum == 0, || {
                format!("journal entry {entry:?} is out by {sum}")
            })?;
            debits += entry.lines.first().map_or(0, |line| line.amount);
        }
        let gross: i64 = rows.iter().map(|row| row.gross).sum();
        ensure(debits == gross, || {
            format!("{name} debits {debits}, the revenue in it is {gross}")
        })?;
        self.in_books.extend(members.iter().cloned());
        let account = booking.account;
        let key = format!("post_journal:{account}:{name}:1");
        let what = IntentWhat::Batch {
            batch: name.clone(),
        };
        self.books.push(Books {
            name,
            members,
            debits,
        });
        let intent = IntentFact {
            op: Op::PostJournal,
            account,
            n: 1,
            what,
        };
        self.next += 1;
        let owner = Owner::Books(self.books.len() - 1);
        self.rows
            .push(Row::new(self.next, owner, key, intent, self.now));
        Ok(())
    }

    /// Name and Σ of debits of a journal.
    #[must_use]
    pub(super) fn journal_of(&self, at: usize) -> (String, i64) {
        (self.books[at].name.clone(), self.books[at].debits)
    }

    /// The effect of a journal ended.
    ///
    /// # Errors
    /// A violation.
    pub(super) fn books_ended(
        &mut self,
        at: usize,
        row: &Row,
        outcome: &OutcomeFact,
    ) -> Result<(), Violation> {
        if !matches!(outcome.verdict, Verdict::Done | Verdict::Accepted) {
            self.next += 1;
            let mut intent = row.intent.clone();
            intent.n += 1;
            let account = intent.account.clone();
            let key = format!(
                "post_journal:{account}:{}:{}",
                self.books[at].name, intent.n
            );
            self.rows
                .push(Row::new(self.next, row.owner, key, intent, self.now));
            return Ok(());
        }
        let now = self.now;
        let Books { name, members, .. } = self.books[at].clone();
        for order in 0..self.orders.len() {
            let events: Vec<String> = members
                .iter()
                .filter(|(of, _)| *of == order)
                .map(|(_, key)| key.clone())
                .collect();
            if events.is_empty() {
                continue;
            }
            let body = FactBody::Booked(BookedFact {
                batch: name.clone(),
                events,
            });
            let key = format!("booked:{name}");
            self.orders[order].fact(&mut self.next, key, body, (now, now), "plan")?;
        }
        Ok(())
    }
}
