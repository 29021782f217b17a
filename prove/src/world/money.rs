//! The shop's staff at the payments of an order: they capture, give back and void by hand.

use super::orders::{Act, Pay};
use super::seen::Seen;
use super::world::World;

impl World {
    /// Gives back what was paid: all of it, a part, or now and then two parts before anybody reads the first.
    pub(super) fn staff_refund(&mut self, at: usize, seen: &Seen) -> bool {
        let kept = seen.kept();
        if kept <= 0 || seen.cancelled {
            return false;
        }
        let parts = if self.dice.percent(25) { 2 } else { 1 };
        let mut rest = kept;
        let mut done = false;
        for _ in 0..parts {
            let some = self.dice.range(1..=rest.max(1).unsigned_abs());
            let amount = if self.dice.percent(30) {
                rest
            } else {
                i64::try_from(some).unwrap()
            };
            if self.shop_of(at).refund(&seen.id, amount) {
                rest -= amount;
                self.orders[at].refunded_by_staff = true;
                done = true;
                self.acted(at, Act::Refunded, &format!("refunded {amount} yen"));
            }
        }
        done
    }

    /// Captures in the shop's console: all of the payment, or a part.
    pub(super) fn staff_capture(&mut self, at: usize, seen: &Seen) -> bool {
        let open = seen.total - seen.credit.0 - seen.kept();
        if self.orders[at].pay != Pay::Card || open <= 0 || seen.cancelled {
            return false;
        }
        let part = i64::try_from(self.dice.range(1..=open.unsigned_abs())).unwrap();
        let amount = self.dice.percent(50).then_some(part);
        let done = self.shop_of(at).capture(&seen.id, amount);
        let taken = self.seen(at).captured - seen.captured;
        if !done || taken == 0 {
            return false;
        }
        self.orders[at].by_staff += taken;
        let text = format!("captures {taken} yen of {} by hand", seen.id);
        self.log.say("staff", text);
        true
    }

    /// Voids the payment; the customer pays again at once, later or not at all.
    pub(super) fn staff_void(&mut self, at: usize) -> bool {
        let id = self.orders[at].id.clone();
        if self.orders[at].pay != Pay::Card || !self.shop_of(at).void(&id) {
            return false;
        }
        self.acted(at, Act::Voided, "voided the payment");
        if self.dice.percent(50) {
            self.pay_again(at);
        }
        true
    }

    /// What has shipped comes back, or the customer complains: staff give some of it back when all is booked.
    /// True when there was something to read.
    pub(super) fn refund_after_all(&mut self) -> bool {
        let before = self.counts.acts;
        for at in 0..self.orders.len() {
            if self.terms.people && !self.orders[at].undecodable && self.dice.percent(30) {
                let seen = self.seen(at);
                if self.staff_refund(at, &seen) {
                    self.counts.acts += 1;
                }
            }
        }
        self.counts.acts > before
    }

    /// Staff give back at the provider what only the shop has as given back. False where nothing is.
    pub(super) fn give_back_as_recorded(&mut self, number: &str) -> bool {
        let order = self.orders.iter().position(|order| order.number == number);
        let Some(at) = order else { return false };
        let (id, shop) = (&self.orders[at].id, self.orders[at].shop);
        let given = self.far.shops[shop].woo.as_ref();
        let given = given.map_or(0, |woo| woo.give_back_as_recorded(id));
        if given > 0 {
            self.orders[at].refunded_by_staff = true;
            let text = format!("refunded {given} yen at the provider, as the shop has it");
            self.acted(at, Act::Refunded, &text);
        }
        given > 0
    }

    /// Somebody gives back at the provider what a task says is too much. False where nothing is.
    pub(super) fn give_back_too_much(&mut self, number: &str) -> bool {
        let order = self.orders.iter().position(|order| order.number == number);
        let Some(at) = order else { return false };
        let seen = self.seen(at);
        let over = seen.kept() - seen.charged();
        let done = over > 0 && !seen.cancelled && self.shop_of(at).give_back(&seen.id, over);
        if done {
            self.orders[at].refunded_by_staff = true;
            self.acted(at, Act::Refunded, &format!("refunded {over} yen, overpaid"));
        }
        done
    }
}
