//! The end of a run: everything that is on its way comes, people do what tasks ask for, time passes. Then
//! nothing may be left, and all sums must agree.

use std::collections::{BTreeMap, BTreeSet};

use chrono::Duration;
use hikiate::action::Action;
use hikiate::facts::{ClassFact, FactBody, OrderClass, Verdict};
use hikiate::plan::types::{EffectState, ShipmentStage, Status, TaskRow};
use hikiate::policy::{Completed, OthersShipFrom};
use hikiate_sdk::{ChannelFulfilment, ChannelGate, ChannelState, LineKey, Tender};

use super::command::{Fate, Glance};
use super::seen::{Seen, code};
use super::setting::PLACES;
use super::shape;
use super::shown::Unit;
use super::store::Order;
use super::violation::{Violation, ensure};
use super::world::World;

/// Rounds to rest at the most.
const ROUNDS: usize = 60;
/// So often people do what a task of an order says.
const TRIES: u32 = 8;

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
            let still = self.next == before && self.rows.is_empty() && !self.asked();
            quiet = if still { quiet + 1 } else { 0 };
            // The worst moment to go on: all is as it should be, and nothing else happens.
            if still && !self.stalled.is_empty() {
                self.send_stalled(0)?;
                quiet = 0;
            }
            // Two days make a parcel count as delivered; a journal closes after that.
            self.now += Duration::hours(if still { 50 } else { 1 });
            if quiet == 3 {
                self.at_rest()?;
                return Ok(round);
            }
        }
        let rows: Vec<&str> = self.rows.iter().map(|row| row.key.as_str()).collect();
        Err(Violation::new(format!(
            "it never settles; queued: {rows:?}"
        )))
    }

    /// The channel begins, stops are lifted, and what was left to the system before is taken over.
    fn begin_in_the_end(&mut self) -> Result<(), Violation> {
        self.begin_channel(3);
        self.lift_stops();
        let now = self.now;
        for order in &mut self.orders {
            let left = order.blocked_by.as_deref() == Some("left");
            if left {
                let body = FactBody::Class(ClassFact {
                    class: OrderClass::Adopted,
                    reason: "taken over".to_owned(),
                });
                order.typed(&mut self.next, "class", body, now)?;
            }
        }
        Ok(())
    }

    fn round(&mut self) -> Result<(), Violation> {
        self.begin_in_the_end()?;
        for at in 0..self.orders.len() {
            self.staff_finish(at);
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
            .any(|task| task == "deposit_underpaid" || task == "payment_overdue");
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

    /// People have a task that they have not given up on.
    fn asked(&self) -> bool {
        let open = |at: usize| {
            let mut kinds = self.orders[at].tasks.keys();
            kinds.any(|kind| {
                let tries = self.tries.get(&(at, kind.clone()));
                tries.is_none_or(|tries| *tries <= TRIES)
            })
        };
        (0..self.orders.len()).any(open)
    }

    /// What a task asks for is done: the first thing it says.
    fn people(&mut self) -> Result<(), Violation> {
        for at in 0..self.orders.len() {
            let tasks = self.orders[at].tasks.values();
            let tasks: Vec<TaskRow> = tasks.map(|task| task.row.clone()).collect();
            for task in tasks {
                self.do_what_it_says(at, &task)?;
            }
            // Nobody can pay, let go or ship what the channel does not show.
            let order = &self.orders[at];
            let packed = |f: &ChannelFulfilment| !f.shipped() && !f.cancelled();
            let waits = match order.blocked_by.as_deref() {
                Some("payment" | "channel_gate" | "completion") => true,
                Some("stock") => {
                    let seen = Seen::of(order, self.now);
                    seen.is_some_and(|seen| seen.order().fulfilments.iter().any(packed))
                }
                _ => false,
            };
            if order.gone && waits {
                self.end(at)?;
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

    fn do_what_it_says(&mut self, at: usize, task: &TaskRow) -> Result<(), Violation> {
        // Bank transfers come by themselves; and the rest of what left short comes, unless the warehouse has put the
        // shipment away.
        let over = |rule: &str| {
            let told = rule
                .strip_prefix("short:")
                .and_then(|r| self.far.told.get(r));
            told.is_some_and(|told| told.stopped || told.rejected)
        };
        let comes = |action: &Action| match action {
            Action::AddDeposit {} => true,
            Action::Release { rule: Some(rule) } => rule.starts_with("short:") && !over(rule),
            _ => false,
        };
        let actions: Vec<Action> = task.actions.iter().filter(|a| !comes(a)).cloned().collect();
        // After some tries people leave it: some external systems never change their mind.
        let tries = self.tries.entry((at, task.kind.clone())).or_default();
        *tries += 1;
        let tries = *tries;
        if tries > TRIES {
            return Ok(());
        }
        // What is kept too much is given back; or somebody says that this was done another way.
        if task.kind == "over_captured" && tries < TRIES / 2 && self.gives_back_too_much(at)? {
            return Ok(());
        }
        // Refunded in full: half of the shops cancel it then.
        if task.kind == "refunded_in_full" && at.is_multiple_of(2) {
            let order = u8::try_from(at).unwrap_or(0);
            return self.act_on(at, &super::command::Command::CancelAtChannel { order });
        }
        // A refund that its account does not make is given up in the end.
        if matches!(task.kind.as_str(), "refund_rejected" | "void_rejected") && tries > 1 {
            let mut given_up = actions.iter().filter_map(|action| match action {
                Action::Release { rule } => rule.clone(),
                _ => None,
            });
            let given_up = given_up.find(|rule| rule.contains("_dropped:"));
            return given_up.map_or(Ok(()), |rule| self.release(at, rule));
        }
        // The next thing only where the program refuses the first: lines of two addresses are no one parcel.
        for action in &actions {
            if self.settle(at, action)? {
                break;
            }
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
        for round in 0..60 {
            if self.rows.is_empty() {
                return Ok(());
            }
            // What has failed often is put off for minutes.
            self.now += Duration::seconds(if round < 30 { 10 } else { 600 });
            for _ in 0..self.rows.len() {
                self.claim(0);
            }
            for _ in 0..self.rows.len() {
                self.go(0, Glance::Clear)?;
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
            let Some(seen) = Seen::of(order, self.now) else {
                continue;
            };
            let name = &order.input.number;
            for row in &order.input.demands {
                let reserved: u32 = row.reserved.iter().map(|r| r.1).sum();
                ensure(reserved == 0, || {
                    format!(
                        "{name} at rest: {reserved} of line {} are reserved; it is {}, blocked by {:?}, tasks {:?}",
                        row.line,
                        order.status.as_str(),
                        order.blocked_by,
                        order.tasks.keys()
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
            if !seen.acts {
                continue;
            }
            self.tasks_at_rest(at)?;
            let expected: &[Status] = if seen.cancelled_at_channel() {
                &[Status::Cancelled, Status::Delivered]
            } else if (nothing || self.stays_open(at)) && !seen.any_shipped() {
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
            self.money_at_rest(at, &seen)?;
            if !seen.cancelled_at_channel() {
                self.notices_at_rest(at, &seen)?;
                self.note_at_rest(at, &seen)?;
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
            format!("{posted} is in the books, revenue is {revenue}")
        })
    }

    /// Doing what the tasks say has closed them.
    fn tasks_at_rest(&self, at: usize) -> Result<(), Violation> {
        let order = &self.orders[at];
        let left: Vec<&TaskRow> = order.tasks.values().map(|task| &task.row).collect();
        ensure(left.is_empty(), || {
            format!("{} at rest still has tasks: {left:?}", order.input.number)
        })
    }

    /// Completed at a channel where that ends an order, without a cancel.
    fn stays_open(&self, at: usize) -> bool {
        let ends = |channel: &hikiate::policy::Channel| channel.completed == Completed::Ended;
        let completed = self.orders[at].truth.state == ChannelState::Completed;
        completed && self.setting.policy.channels.values().any(ends)
    }

    /// Everything that left is in the ledger once, and nothing else is.
    fn stock_at_rest(&self) -> Result<(), Violation> {
        let mut left: BTreeMap<String, i64> = BTreeMap::new();
        for (reference, told) in &self.far.told {
            let parcels = told.parcels.values();
            let units = parcels.flat_map(|(lines, _)| lines.values());
            let sum = left.entry(reference.clone()).or_default();
            *sum += units.map(|units| i64::from(*units)).sum::<i64>();
        }
        for (reference, items) in &self.by_hand {
            *left.entry(reference.clone()).or_default() += items;
        }
        for order in &self.orders {
            let Some(seen) = Seen::of(order, self.now) else {
                continue;
            };
            // What happened before its channel began may be history.
            for unit in seen.units.iter().filter(|_| seen.acts) {
                if unit.theirs() && self.is_ours(unit) && code_of(&seen, unit.line).1 {
                    let name = format!("{}:{}:{}", order.input.number, unit.first, unit.line);
                    *left.entry(name).or_default() += i64::from(seen.items_in(unit.line));
                }
            }
        }
        let mut moved: BTreeMap<String, i64> = BTreeMap::new();
        let ours = |order: &&Order| Seen::of(order, self.now).is_some_and(|seen| seen.acts);
        let ours = self.orders.iter().filter(ours);
        for entry in ours.flat_map(|order| order.entries.values()) {
            let words: Vec<&str> = entry.cause.split(':').collect();
            let name = match words.as_slice() {
                ["parcel", reference, ..] => (*reference).to_owned(),
                ["others", number, fulfilment, line, ..] => {
                    format!("{number}:{fulfilment}:{line}")
                }
                _ => entry.cause.clone(),
            };
            *moved.entry(name).or_default() -= entry.quantity;
        }
        left.retain(|_, items| *items != 0);
        moved.retain(|_, items| *items != 0);
        ensure(left == moved, || {
            format!("{left:?} shipped, the ledger has {moved:?}")
        })
    }

    /// Units of others came from a place that is ours, or that nobody names.
    fn is_ours(&self, unit: &Unit<'_>) -> bool {
        let mut channels = self.setting.policy.channels.values();
        channels.any(|channel| match unit.place {
            Some(code) => channel.locations.values().any(|known| known == code),
            None => channel.others_ship_from != Some(OthersShipFrom::Elsewhere),
        })
    }

    /// Captured and not given back = owed = booked by who pays; what is kept beyond that is captured for what has not
    /// shipped, or was named as too much.
    fn money_at_rest(&self, at: usize, seen: &Seen<'_>) -> Result<(), Violation> {
        let order = &self.orders[at];
        let name = &order.input.number;
        // What its channel does not show is settled by hand; and what counted as digital once stays booked.
        let digital_once = seen.was_digital && !seen.any_shipped();
        if seen.misses > 0 || digital_once {
            return Ok(());
        }
        let booked = |sponsor: bool| -> i64 {
            let rows = order.input.revenue.iter();
            let rows = rows.filter(|row| row.payment.starts_with("sponsor:") == sponsor);
            rows.map(|row| row.gross).sum()
        };
        let (buyer, others) = (booked(false), -booked(true));
        if seen.cancelled_at_channel() {
            return ensure((buyer, others) == (0, 0), || {
                format!("{name} at rest is cancelled, revenue is {buyer} and {others}")
            });
        }
        let (owed, sponsored) = seen.owed();
        // More credited than is charged by now: what is beyond is no sale below zero.
        let credited_beyond = owed.most < 0 && (owed.most..=0).contains(&buyer);
        ensure(owed.holds(buyer) || credited_beyond, || {
            format!("{name} at rest: {owed:?} is owed, revenue is {buyer}")
        })?;
        ensure(sponsored.holds(others), || {
            format!("{name} at rest: others owe {sponsored:?}, revenue is {others}")
        })?;
        self.payers_at_rest(at, seen, buyer)?;
        tax_at_rest(order)?;
        let tenders = &order.truth.tenders;
        let card = |tender: &&Tender| tender.gateway == "card";
        if !tenders.iter().any(|tender| card(&tender)) {
            return Ok(());
        }
        let ways = tenders
            .iter()
            .filter(|tender| !card(tender) && !tender.cancelled);
        let ways: i64 = ways.filter_map(|tender| tender.amount).sum();
        let kept = seen.kept(&order.truth);
        let share = |owed: i64| (owed - ways).max(0);
        // What was given back by mistake is collected by an operator.
        let live = tenders
            .iter()
            .filter(|tender| card(tender) && !tender.cancelled);
        let taken = live
            .clone()
            .all(|tender| tender.captured >= tender.authorised);
        let least = share(owed.least) - seen.by_mistake();
        ensure(kept >= least || taken, || {
            format!("{name} at rest: {kept} is kept, {least} is owed")
        })?;
        let most = share(owed.most);
        let rest_is_told = ["cancel_rest", "ended_captured"]
            .iter()
            .any(|kind| order.named.contains(*kind));
        ensure(kept <= most || order.shrunk || rest_is_told, || {
            format!("{name} at rest: {kept} is kept, only {most} is owed")
        })?;
        let charged = seen.charged().max(0);
        let had = seen.had(&order.truth) - seen.paid_by_hand();
        let refunds = tenders.iter().flat_map(|tender| &tender.refunds);
        let slack = i64::try_from(refunds.count()).unwrap_or(0);
        ensure(
            had <= charged + slack || order.named.contains("over_captured"),
            || format!("{name} at rest: {had} is kept, {charged} is charged, and there is no task"),
        )
    }

    /// What each way of paying bears of the revenue: in proportion to what was paid by it and not given back.
    fn payers_at_rest(&self, at: usize, seen: &Seen<'_>, booked: i64) -> Result<(), Violation> {
        let order = &self.orders[at];
        let mut weights: BTreeMap<&str, i64> = BTreeMap::new();
        for tender in &seen.order().tenders {
            let word = match tender.gateway.as_str() {
                "points" => "prepaid",
                "bank" => "bank_transfer",
                other => other,
            };
            let asked = if tender.cancelled {
                tender.captured
            } else {
                tender.amount.unwrap_or(0)
            };
            *weights.entry(word).or_default() += (asked - seen.given_back(tender)).max(0);
        }
        let sum: i64 = weights.values().sum();
        for (word, weight) in weights.iter().filter(|_| sum > 0) {
            let rows = order
                .input
                .revenue
                .iter()
                .filter(|row| row.payment == *word);
            let is: i64 = rows.map(|row| row.gross).sum();
            let off = i128::from(is) * i128::from(sum) - i128::from(booked) * i128::from(*weight);
            ensure(off.abs() < i128::from(sum), || {
                format!(
                    "{} at rest: {is} of {booked} is booked as paid by {word}, which pays {weight} of {sum}",
                    order.input.number
                )
            })?;
        }
        Ok(())
    }

    /// Gives back by card what is kept beyond what is charged.
    fn gives_back_too_much(&mut self, at: usize) -> Result<bool, Violation> {
        let seen = Seen::of(&self.orders[at], self.now);
        let over = seen.and_then(|seen| seen.too_much()).unwrap_or(0);
        let done = !self.orders[at].gone && self.give_back_too_much(at, over);
        if done {
            self.changed(at)?;
        }
        Ok(done)
    }

    /// Staff are shown the holds that are open, unless the channel did not take it.
    fn note_at_rest(&self, at: usize, seen: &Seen<'_>) -> Result<(), Violation> {
        let order = &self.orders[at];
        let name = &order.input.number;
        let mut channels = self.setting.policy.channels.values();
        if channels.all(|channel| channel.annotate.is_never()) {
            return ensure(order.note.is_empty(), || format!("{name} at rest: a note"));
        }
        let mut facts = order.input.facts.iter().rev();
        let last = facts.find_map(|fact| match &fact.body {
            FactBody::Outcome(end)
                if matches!(end.verdict, Verdict::Withdrawn | Verdict::Evidence) =>
            {
                None
            }
            FactBody::Outcome(end) if end.intent.starts_with("annotate:") => Some(end.verdict),
            _ => None,
        });
        let taken = last.is_none_or(|last| last == Verdict::Done);
        if !taken || order.gone || seen.cancelled_at_channel() {
            return Ok(());
        }
        let over = seen.cancel_wanted || seen.ended || order.status >= Status::Shipped;
        let shown: BTreeSet<&str> = order.note.iter().map(|hold| hold.rule.as_str()).collect();
        let open = if over {
            BTreeSet::new()
        } else {
            seen.held.clone()
        };
        ensure(shown == open, || {
            format!("{name} at rest: held by {open:?}, its staff are shown {shown:?}")
        })
    }

    /// The channel was told of every unit that left and was sold.
    fn notices_at_rest(&self, at: usize, seen: &Seen<'_>) -> Result<(), Violation> {
        let order = &self.orders[at];
        let shipping_notice = self
            .setting
            .policy
            .channels
            .values()
            .all(|channel| channel.shipping_notice);
        if !shipping_notice || order.shrunk || order.undone || order.gone {
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
            let due = (seen.shipped_of(&line.key) / multiplier).min(line.quantity);
            ensure(told == due, || {
                format!(
                    "{} at rest: the channel was notified of {told} of line {}, {due} shipped",
                    order.input.number, line.key
                )
            })?;
        }
        Ok(())
    }
}

/// Items in one unit of a line as it was last shown, and whether they leave a warehouse.
fn code_of(seen: &Seen<'_>, line: &LineKey) -> (u32, bool) {
    code(seen.sku_of(line))
}

/// The tax of each rate is that of all that is booked at it, rounded once; what others than the buyer owe is rounded apart.
fn tax_at_rest(order: &Order) -> Result<(), Violation> {
    let mut rates: BTreeMap<i32, (i64, i64)> = BTreeMap::new();
    for row in &order.input.revenue {
        let sum = rates.entry(row.tax_of.rate_bp).or_default();
        *sum = (sum.0 + row.gross, sum.1 + row.tax);
    }
    for (rate, (gross, tax)) in rates {
        // Half away from zero.
        let (part, whole) = (
            i128::from(gross) * i128::from(rate),
            10_000 + i128::from(rate),
        );
        let right = (2 * part.abs() + whole) / (2 * whole) * part.signum();
        ensure(i128::from(tax) == right, || {
            format!(
                "{} at rest: {gross} is booked at {rate} with {tax} of tax, {right} is right",
                order.input.number
            )
        })?;
    }
    Ok(())
}
