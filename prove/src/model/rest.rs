//! The end of a run: everything that is on its way comes, people do what tasks ask for, time passes. Then
//! nothing may be left, and all sums must agree.

use chrono::Duration;
use hikiate::plan::types::{EffectState, ShipmentStage, Status};
use hikiate_sdk::ChannelGate;

use super::command::Fate;
use super::seen::{Seen, code};
use super::setting::PLACES;
use super::shape;
use super::violation::{Violation, ensure};
use super::world::World;

/// Rounds to rest at the most.
const ROUNDS: usize = 40;

impl World {
    /// Brings the run to rest and checks what is left.
    ///
    /// # Errors
    /// A violation.
    pub(super) fn rest(&mut self) -> Result<usize, Violation> {
        let mut quiet = 0;
        for round in 0..ROUNDS {
            let before = self.next;
            self.round()?;
            let still = self.next == before && self.rows.is_empty();
            quiet = if still { quiet + 1 } else { 0 };
            // Two days make a parcel count as delivered; a journal closes after that.
            self.now += Duration::hours(if still { 50 } else { 1 });
            if quiet == 3 {
                self.at_rest()?;
                return Ok(round);
            }
        }
        let rows: Vec<&str> = self.rows.iter().map(|row| row.key.as_str()).collect();
        Err(Violation::new(format!(
            "it never comes to rest; queued: {rows:?}"
        )))
    }

    fn round(&mut self) -> Result<(), Violation> {
        for at in 0..self.orders.len() {
            let order = &mut self.orders[at];
            let before = order.truth.clone();
            order.truth.gate = ChannelGate::Open;
            shape::authorise(&mut order.truth);
            if order.truth != before {
                order.version += 1;
            }
            self.pay(at)?;
            self.read(at)?;
        }
        self.people()?;
        self.warehouses();
        self.hear_all()?;
        self.plan_all()?;
        self.restock();
        for _ in 0..2 {
            self.allocate()?;
            self.plan_all()?;
        }
        self.now += Duration::minutes(31);
        for place in 0..2 {
            self.seal(place)?;
        }
        self.seal_books()?;
        self.push_all()?;
        self.plan_all()
    }

    /// Bank transfers are paid in full.
    fn pay(&mut self, at: usize) -> Result<(), Violation> {
        let order = &self.orders[at];
        let short = order
            .tasks
            .keys()
            .any(|task| task == "deposit_short" || task == "unpaid_expired");
        let bank = order
            .truth
            .tenders
            .iter()
            .any(|tender| tender.gateway == "bank");
        let paid = order
            .input
            .facts
            .iter()
            .any(|fact| fact.key.starts_with("deposit:"));
        if bank && (short || !paid) {
            let order = u8::try_from(at).unwrap_or(0);
            self.step(&super::command::Command::Deposit {
                order,
                percent: 100,
            })?;
        }
        Ok(())
    }

    /// What a task asks for is done.
    fn people(&mut self) -> Result<(), Violation> {
        for at in 0..self.orders.len() {
            let tasks: Vec<String> = self.orders[at].tasks.keys().cloned().collect();
            let mut rules: Vec<String> = Vec::new();
            for task in &tasks {
                match task.as_str() {
                    "capture_refused" => rules.push("capture".to_owned()),
                    "notice_refused" => rules.push("notice".to_owned()),
                    "mail_refused" => rules.push("mail".to_owned()),
                    "cancel_order_refused" => rules.push("cancel_order".to_owned()),
                    "instruction_rejected" | "shipped_short" | "cancel_refused" => {
                        let word = match task.as_str() {
                            "instruction_rejected" => "rejected",
                            "shipped_short" => "short",
                            _ => "cancel",
                        };
                        let rows = &self.orders[at].input.shipments;
                        // The rest of what left short comes, unless the warehouse has put the shipment away.
                        let over = |reference: &str| {
                            let told = self.far.told.get(reference);
                            told.is_some_and(|told| told.stopped || told.rejected)
                        };
                        let rows = rows.iter().map(|row| row.reference.as_str());
                        let rows = rows.filter(|row| word != "short" || over(row));
                        rules.extend(rows.map(|row| format!("{word}:{row}")));
                    }
                    "cancel_too_late" | "capture_over_authorised" | "over_shipped" => {
                        rules.push(task.clone());
                    }
                    task if task.starts_with("hold:") => rules.push("*".to_owned()),
                    _ => {}
                }
            }
            for rule in rules {
                // After some tries people leave it: some far sides never change their mind.
                let tries = self.tries.entry((at, rule.clone())).or_default();
                *tries += 1;
                if *tries < 6 {
                    self.release(at, rule)?;
                }
            }
        }
        while self
            .rows
            .iter()
            .any(|row| row.state == EffectState::Unresolved)
        {
            self.resolve(0)?;
        }
        Ok(())
    }

    /// Warehouses answer and ship what they were told.
    fn warehouses(&mut self) {
        let told: Vec<(String, bool, bool, usize)> = self
            .far
            .told
            .iter()
            .map(|(reference, told)| {
                let over = told.stopped || told.rejected;
                (reference.clone(), told.asked, over, told.fact.lines.len())
            })
            .collect();
        for (at, (reference, asked, over, lines)) in told.into_iter().enumerate() {
            if asked {
                let which = u8::try_from(at).unwrap_or(0);
                let left = !self.far.told[&reference].parcels.is_empty();
                self.stop_reply(which, u8::from(left));
                continue;
            }
            for line in 0..lines {
                if !over {
                    self.leave(&reference, "END", u8::try_from(line).unwrap_or(0), 0);
                }
            }
        }
    }

    fn restock(&mut self) {
        for item in 1..=3 {
            for (place, (name, ..)) in PLACES.iter().enumerate() {
                self.now += Duration::seconds(1);
                let known = self.shelves.get(&(item, *name)).copied().unwrap_or(0);
                if known < 300 {
                    self.now += Duration::minutes(2);
                    self.count(item, place, Some(600), false);
                }
            }
        }
    }

    /// Pushes until the queue waits for nothing but plans.
    fn push_all(&mut self) -> Result<(), Violation> {
        for _ in 0..60 {
            if self.rows.is_empty() {
                return Ok(());
            }
            self.now += Duration::seconds(10);
            for _ in 0..self.rows.len() {
                self.claim(0);
            }
            for _ in 0..self.rows.len() {
                self.go(0)?;
            }
            for _ in 0..self.rows.len() {
                self.answer(0, Fate::Done)?;
            }
            if self
                .rows
                .iter()
                .any(|row| row.state == EffectState::Unresolved)
            {
                self.resolve(0)?;
            }
            self.plan_all()?;
        }
        Err(Violation::new("effects without end"))
    }

    fn at_rest(&self) -> Result<(), Violation> {
        for (at, order) in self.orders.iter().enumerate() {
            let Some(seen) = Seen::of(order) else {
                continue;
            };
            let name = &order.input.number;
            for row in &order.input.demands {
                let reserved: u32 = row.reserved.iter().map(|r| r.1).sum();
                ensure(reserved == 0, || {
                    format!(
                        "{name} at rest: {reserved} of line {} are reserved",
                        row.line
                    )
                })?;
            }
            let waits = order.input.shipments.iter().find(|row| {
                matches!(
                    row.state,
                    ShipmentStage::Waiting | ShipmentStage::Instructed
                )
            });
            ensure(waits.is_none(), || format!("{name} at rest: {waits:?}"))?;
            let nothing = order
                .truth
                .lines
                .iter()
                .all(|line| line.quantity == 0 || !code(line.sku.as_deref()).1);
            let expected: &[Status] = if seen.cancelled_at_channel() {
                &[Status::Cancelled, Status::Delivered]
            } else if nothing && !seen.something_left() {
                &Status::ALL
            } else {
                &[Status::Cancelled, Status::Booked]
            };
            ensure(expected.contains(&order.status), || {
                format!(
                    "{name} at rest is {}, tasks {:?}",
                    order.status.as_str(),
                    order.tasks
                )
            })?;
            if !seen.cancelled_at_channel() {
                self.money_at_rest(at, &seen)?;
                self.notices_at_rest(at, &seen)?;
            }
        }
        self.stock_at_rest()?;
        let revenue: i64 = self
            .orders
            .iter()
            .flat_map(|o| &o.input.revenue)
            .map(|row| row.gross)
            .sum();
        let posted: i64 = self.far.posted.values().sum();
        ensure(revenue == posted, || {
            format!("{posted} stands in the books, revenue is {revenue}")
        })
    }

    /// Every parcel that left is in the ledger as it left, and nothing else is.
    fn stock_at_rest(&self) -> Result<(), Violation> {
        let mut moved = 0;
        for (reference, told) in &self.far.told {
            for (name, (lines, _)) in &told.parcels {
                for (n, units) in lines {
                    let cause = format!("parcel:{reference}:{name}:{n}");
                    let mut entries = self.orders[told.order].entries.values();
                    let entry = entries.find(|entry| entry.cause == cause);
                    let right = entry.is_some_and(|entry| entry.quantity == -i64::from(*units));
                    ensure(right, || {
                        format!("{units} left by {cause}, the ledger has {entry:?}")
                    })?;
                    moved += 1;
                }
            }
        }
        let entries: usize = self.orders.iter().map(|order| order.entries.len()).sum();
        ensure(entries == moved, || {
            format!("{moved} movements, {entries} in the ledger")
        })
    }

    /// Captured = owed = booked.
    fn money_at_rest(&self, at: usize, seen: &Seen<'_>) -> Result<(), Violation> {
        let order = &self.orders[at];
        let name = &order.input.number;
        let (owed, sponsored) = seen.owed();
        let booked = |sponsor: bool| -> i64 {
            let rows = order.input.revenue.iter();
            let rows = rows.filter(|row| row.payment.starts_with("sponsor:") == sponsor);
            rows.map(|row| row.gross).sum()
        };
        ensure(booked(false) == owed, || {
            format!(
                "{name} at rest: {owed} is owed, revenue is {}",
                booked(false)
            )
        })?;
        ensure(booked(true) == -sponsored, || {
            format!(
                "{name} at rest: others owe {}, revenue is {}",
                -sponsored,
                booked(true)
            )
        })?;
        let mut rest = owed;
        for tender in &order.truth.tenders {
            let share = rest.min(tender.amount.unwrap_or(0)).max(0);
            if tender.gateway != "card" {
                rest -= tender.amount.unwrap_or(0);
                continue;
            }
            rest -= share;
            let captured = tender.captured;
            ensure(captured >= share || captured >= tender.authorised, || {
                format!("{name} at rest: {captured} is captured, {share} is owed")
            })?;
            ensure(order.shrunk || captured == share, || {
                format!("{name} at rest: {captured} is captured, only {share} is owed")
            })?;
        }
        Ok(())
    }

    /// The channel was told of every unit that left and was sold.
    fn notices_at_rest(&self, at: usize, seen: &Seen<'_>) -> Result<(), Violation> {
        let order = &self.orders[at];
        let notify = self
            .setting
            .policy
            .channels
            .values()
            .all(|channel| channel.notify);
        if !notify || order.shrunk {
            return Ok(());
        }
        for line in &order.truth.lines {
            let told: u32 = order
                .truth
                .fulfilments
                .iter()
                .filter(|f| f.shipped() && !f.cancelled())
                .flat_map(|f| &f.lines)
                .filter(|(key, _)| *key == line.key)
                .map(|(_, quantity)| quantity)
                .sum();
            let (multiplier, _) = code(line.sku.as_deref());
            let due = (seen.left_of(&line.key) / multiplier).min(line.quantity);
            ensure(told == due, || {
                format!(
                    "{} at rest: the channel knows of {told} of line {}, {due} left",
                    order.input.number, line.key
                )
            })?;
        }
        Ok(())
    }
}
