//! What staff and plug-ins do where a shop runs on WooCommerce and its cards are at Stripe, and Medusa's cannot: one side
//! learns of a refund and the other does not, and an order has whatever status somebody gives it.

use super::orders::{Act, Pay};
use super::seen::Seen;
use super::shop::{STATUSES, halts};
use super::world::World;

impl World {
    /// One of them, to an order in such a shop.
    pub(super) fn web_staff_acts(&mut self, at: usize, seen: &Seen) -> bool {
        match self.dice.range(0..=9) {
            0..=2 => self.refund_at_provider(at, seen),
            3..=4 => self.refund_at_shop(at, seen),
            _ => self.set_status(at, seen),
        }
    }

    /// In the dashboard of the provider; nobody tells the shop.
    fn refund_at_provider(&mut self, at: usize, seen: &Seen) -> bool {
        let Some(shop) = self.shop_of(at).woo.filter(|_| seen.kept() > 0) else {
            return false;
        };
        let amount = self.dice.range(1..=seen.kept().unsigned_abs());
        let amount = i64::try_from(amount).unwrap();
        let done = shop.refund_at_provider(&seen.id, amount);
        if done {
            self.orders[at].refunded_by_staff = true;
            let what = format!("refunded {amount} yen at the provider alone");
            self.acted(at, Act::Refunded, &what);
        }
        done
    }

    /// At the shop, which believes that somebody has given the money back elsewhere.
    fn refund_at_shop(&mut self, at: usize, seen: &Seen) -> bool {
        let open = seen.total - seen.credit.0;
        let card = self.orders[at].pay == Pay::Card && !seen.cancelled;
        let Some(shop) = self.shop_of(at).woo.filter(|_| card && open > 0) else {
            return false;
        };
        let amount = i64::try_from(self.dice.range(1..=open.unsigned_abs())).unwrap();
        let done = shop.refund_at_shop(&seen.id, amount);
        if done {
            self.orders[at].refunded_by_staff = true;
            let what = format!("recorded a refund of {amount} yen at the shop alone");
            self.acted(at, Act::Refunded, &what);
        }
        done
    }

    /// A status that lets it go on, or halts it.
    fn set_status(&mut self, at: usize, seen: &Seen) -> bool {
        let moves = matches!(&*seen.status, "processing" | "on-hold") || halts(&seen.status);
        let Some(shop) = self.shop_of(at).woo.filter(|_| moves) else {
            return false;
        };
        let status = *self.dice.pick(&STATUSES);
        shop.sim.register_status(status);
        let done = status != seen.status && shop.sim.set_status(&seen.id, status);
        if done {
            self.log
                .say("staff", format!("{}: is {status}", self.orders[at].number));
        }
        done
    }

    /// In the end nothing is halted any more.
    pub(super) fn web_staff_finish(&mut self, at: usize) {
        let seen = self.seen(at);
        if let Some(shop) = self.shop_of(at).woo.filter(|_| halts(&seen.status)) {
            shop.sim.set_status(&seen.id, "on-hold");
            let text = format!("{}: goes on", self.orders[at].number);
            self.log.say("staff", text);
        }
    }
}
