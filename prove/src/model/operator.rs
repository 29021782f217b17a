//! Operators: what they type about an order, by the product's own commands, and what tasks ask them for.

use chrono::Duration;
use hikiate::action::Action;
use hikiate::facts::RefundReason;
use hikiate::plan::command::{
    Now, RefundOf, Shipped, Wish, correct, end, recall, recalled, refund, refund_is, returned,
    shipped, tell, void,
};
use hikiate::plan::types::{Begin, ShippingStop};
use hikiate_sdk::CancelVerdict;

use super::command::{Command, Word};
use super::seen::Seen;
use super::setting::PLACES;
use super::violation::{Violation, ensure};
use super::world::World;

const REASON: &str = "typed";

impl World {
    /// An operator types a command. What the order does not allow is refused, and then nothing happens.
    ///
    /// # Errors
    /// A violation.
    pub(super) fn types(&mut self, at: usize, word: Word, which: u8) -> Result<(), Violation> {
        let rows = &self.orders[at].input.shipments;
        let n = usize::from(which).checked_rem(rows.len());
        let reference = n.map(|n| rows[n].reference.to_string());
        let reference = reference.unwrap_or_default();
        match word {
            Word::Recall => self.ask(at, |now| recall(now, &reference, REASON))?,
            Word::Recalled => self.telephone(at, &reference)?,
            Word::End => self.end(at)?,
            Word::ShippedByHand => self.ship_by_hand(at, usize::from(which))?,
            Word::Shipped { mistyped } => self.saw_it_ship(at, &reference, mistyped)?,
            Word::Correct => {
                let number = self.told_number(at, &reference).unwrap_or_default();
                self.next += 1;
                let to = format!("C{}", self.next);
                self.ask(at, |now| correct(now, &reference, &number, &to, REASON))?
            }
            Word::Returned => self.ask(at, |now| returned(now, &reference, &[], REASON))?,
            Word::Tell => self.ask(at, |now| tell(now, &reference, REASON))?,
            Word::Refund { percent } => self.refunds(at, percent)?,
            Word::Void => self.ask(at, |now| void(now, REASON))?,
            Word::Settle => {
                let actions = self.orders[at]
                    .tasks
                    .values()
                    .flat_map(|task| &task.row.actions);
                let actions: Vec<Action> = actions.cloned().collect();
                match usize::from(which).checked_rem(actions.len()) {
                    Some(n) => self.settle(at, &actions[n])?,
                    None => false,
                }
            }
        };
        Ok(())
    }

    /// Asks what a command means now, and stores it. False when it is refused.
    fn ask(
        &mut self,
        at: usize,
        command: impl FnOnce(Now<'_>) -> Result<Wish, String>,
    ) -> Result<bool, Violation> {
        let now = self.now;
        let order = &mut self.orders[at];
        let wish = command(Now {
            input: &order.input,
            policy: &self.setting.policy,
            rules: &self.setting.rules,
            now,
        });
        let Ok(wish) = wish else { return Ok(false) };
        order.wish(&mut self.next, &wish, now)?;
        Ok(true)
    }

    pub(super) fn end(&mut self, at: usize) -> Result<bool, Violation> {
        self.ask(at, |now| end(now, REASON))
    }

    /// Money is given back, as an operator saw it last.
    fn refunds(&mut self, at: usize, percent: u8) -> Result<bool, Violation> {
        let Some(seen) = Seen::of(&self.orders[at], self.now) else {
            return Ok(false);
        };
        let tenders = seen.order().tenders.iter();
        let kept = tenders.map(|tender| tender.captured - tender.refunded);
        let amount = kept.max().unwrap_or(0) * i64::from(percent) / 100;
        let text = amount.to_string();
        let of = if percent == 100 {
            RefundOf::All
        } else {
            RefundOf::Amount(&text)
        };
        self.next += 1;
        let name = format!("r{}", self.next);
        let typed = self.ask(at, |now| refund(now, of, Some(&name), REASON))?;
        // Typed a second time it is the same refund.
        let again = typed && self.ask(at, |now| refund(now, of, Some(&name), REASON))?;
        ensure(!again, || format!("refund {name} was taken twice"))?;
        Ok(typed)
    }

    /// The warehouse is called, and what it says is typed.
    fn telephone(&mut self, at: usize, reference: &str) -> Result<bool, Violation> {
        let Some(told) = self.far.told.get(reference) else {
            return Ok(false);
        };
        let verdict = if told.left_any() {
            CancelVerdict::TooLate
        } else {
            CancelVerdict::Accepted
        };
        let typed = self.ask(at, |now| recalled(now, reference, verdict, REASON))?;
        if let Some(told) = self.far.told.get_mut(reference).filter(|_| typed) {
            told.stopped |= verdict == CancelVerdict::Accepted;
            told.asked = false;
        }
        Ok(typed)
    }

    /// Goods that no warehouse was told of are shipped by an operator.
    fn ship_by_hand(&mut self, at: usize, which: usize) -> Result<bool, Violation> {
        self.next += 1;
        let tracking = format!("HAND{}", self.next);
        let place = PLACES[which % PLACES.len()].0;
        let groups = &self.orders[at].truth.groups;
        let group = groups
            .get(which % groups.len().max(1))
            .map(|g| g.key.clone());
        let facts = self.orders[at].input.facts.len();
        let mut typed = false;
        // Without lines it is all that is open; with two addresses that is refused, and lines are named.
        for named in [false, true] {
            let lines: Vec<(String, u32)> = match &group {
                Some(group) if named => self.open_units(at, group),
                _ => Vec::new(),
            };
            if typed || (named && lines.is_empty()) {
                break;
            }
            let what = Shipped {
                reference: None,
                tracking: &tracking,
                carrier: None,
                from: Some(place),
                shipped_at: None,
                lines: &lines,
                reason: REASON,
            };
            typed = self.ask(at, |now| shipped(now, what))?;
        }
        for fact in &self.orders[at].input.facts[facts..] {
            if let hikiate::facts::FactBody::Shipment(shipment) = &fact.body {
                for line in &shipment.lines {
                    let shelf = self.shelves.entry((line.item_id, place)).or_default();
                    *shelf -= i64::from(line.quantity);
                    let items = i64::from(line.quantity);
                    self.by_hand.push((shipment.reference.to_string(), items));
                }
            }
        }
        Ok(typed)
    }

    /// Whole units of a delivery group that nobody was told of and nobody shipped.
    fn open_units(&self, at: usize, group: &hikiate_sdk::GroupKey) -> Vec<(String, u32)> {
        let Some(seen) = Seen::of(&self.orders[at], self.now) else {
            return Vec::new();
        };
        let lines = seen
            .order()
            .lines
            .iter()
            .filter(|line| line.group == *group);
        lines
            .map(|line| {
                let (multiplier, ships) = super::seen::code(line.sku.as_deref());
                let taken = seen.shipped_of(&line.key) + seen.at_warehouses(&line.key);
                let open = (line.quantity * multiplier).saturating_sub(taken) / multiplier;
                (line.key.to_string(), if ships { open } else { 0 })
            })
            .filter(|(_, units)| *units > 0)
            .collect()
    }

    /// An operator sees a whole shipment leave its warehouse, and types it before the warehouse tells.
    fn saw_it_ship(
        &mut self,
        at: usize,
        reference: &str,
        mistyped: bool,
    ) -> Result<bool, Violation> {
        let told = self.far.told.get(reference);
        let fresh = told.is_some_and(|t| !t.left_any() && !t.stopped && !t.rejected && !t.typed);
        if !fresh {
            return Ok(false);
        }
        let key = "HAND";
        let name = format!("{key}-{reference}");
        let tracking = if mistyped { format!("X{name}") } else { name };
        let what = Shipped {
            reference: Some(reference),
            tracking: &tracking,
            carrier: None,
            from: None,
            shipped_at: None,
            lines: &[],
            reason: REASON,
        };
        let waits = self.orders[at].input.shipments.iter().any(|row| {
            row.reference.as_str() == reference
                && row.state != hikiate::plan::types::ShipmentStage::Instructed
        });
        if waits || !self.ask(at, |now| shipped(now, what))? {
            return Ok(false);
        }
        let lines = self
            .far
            .told
            .get(reference)
            .map_or(0, |t| t.fact.lines.len());
        for line in 0..lines {
            self.leave(reference, key, u8::try_from(line).unwrap_or(0), 0);
        }
        // Staff may copy it under its right number: until that is corrected it counts twice.
        self.orders[at].shrunk |= mistyped;
        if let Some(told) = self.far.told.get_mut(reference) {
            told.typed = true;
        }
        Ok(true)
    }

    /// The number of a parcel of a shipment as it was told last.
    fn told_number(&self, at: usize, reference: &str) -> Option<String> {
        let facts = self.orders[at]
            .input
            .facts
            .iter()
            .map(hikiate::facts::Fact::said);
        let mut parcels = hikiate::plan::parcels_told(facts).into_iter();
        parcels
            .find(|parcel| parcel.reference.as_str() == reference)?
            .tracking
    }

    /// Does what a task asks for; false when that is refused.
    ///
    /// # Errors
    /// A violation.
    pub(super) fn settle(&mut self, at: usize, action: &Action) -> Result<bool, Violation> {
        let order = u8::try_from(at).unwrap_or(0);
        match action {
            Action::Release { rule } => {
                let rule = rule.clone().unwrap_or_else(|| "*".to_owned());
                self.release(at, rule)?;
                Ok(true)
            }
            Action::Cancel {} => self.act_on(at, &Command::Cancel { order }).map(|()| true),
            Action::AddDeposit {} => {
                let deposit = Command::Deposit {
                    order,
                    percent: 100,
                };
                self.act_on(at, &deposit).map(|()| true)
            }
            Action::Shipped { .. } => self.ship_by_hand(at, at),
            Action::End {} => self.ask(at, |now| end(now, REASON)),
            Action::Tell { reference } => self.ask(at, |now| tell(now, reference, REASON)),
            Action::Returned { reference } => {
                self.ask(at, |now| returned(now, reference, &[], REASON))
            }
            Action::CorrectParcel {
                reference,
                from,
                to,
            } => self.ask(at, |now| correct(now, reference, from, to, REASON)),
            Action::Recalled { reference } => self.telephone(at, reference),
            Action::ExplainRefund { refund } => {
                let all = [
                    RefundReason::Discount,
                    RefundReason::Return,
                    RefundReason::Mistake,
                ];
                let last = refund.bytes().next_back().unwrap_or_default();
                let is = all[usize::from(last) % all.len()];
                self.ask(at, |now| refund_is(now, refund, is, REASON))
            }
            Action::ResolveEffect { effect } => self.resolve_row(*effect).map(|()| true),
            _ => Ok(false),
        }
    }

    /// Stops shipping: everything, one warehouse or one item.
    pub(super) fn stop_shipping(&mut self, which: u8) {
        self.next += 1;
        let stop = ShippingStop {
            id: self.next,
            items: (which % 3 == 1).then(|| vec![1 + i64::from(which % 2)]),
            channel: None,
            warehouse: (which % 3 == 2).then(|| PLACES[usize::from(which % 2)].0.to_owned()),
        };
        self.stops.push(stop);
        self.tell_all();
    }

    /// Lifts all stops.
    pub(super) fn lift_stops(&mut self) {
        self.stops.clear();
        self.tell_all();
    }

    /// The channel begins as of some hours ago, unless it has.
    pub(super) fn begin_channel(&mut self, hours: u8) {
        if self.begin.from.is_some() {
            return;
        }
        let from = self.now - Duration::hours(i64::from(hours));
        self.begin = Begin {
            from: Some(from),
            begun_at: Some(self.now),
            left_until: None,
            known: false,
        };
        self.tell_all();
    }

    /// The channel is stopped.
    pub(super) fn unbegin_channel(&mut self) {
        self.begin = Begin::default();
        self.tell_all();
    }

    /// Every order is planned again under what stands for all of them.
    fn tell_all(&mut self) {
        for order in &mut self.orders {
            order.input.stops.clone_from(&self.stops);
            order.input.begin = self.begin;
            order.dirty |= !order.input.facts.is_empty();
            order.new_input = true;
        }
    }
}
