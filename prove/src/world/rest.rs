//! After the active phase: nothing goes wrong any more, people do their work, and everything comes to rest.

use chrono::Duration;

use super::daemon::Step;
use super::orders::Pay;
use super::terms::{ITEMS, UNKNOWN_ITEM};
use super::world::World;

/// Rounds after which everything must have ended.
const ROUNDS: usize = 60;

/// What is still to come: effects, due subjects that are not closed, open batches.
const UNDONE: &str = r"
SELECT (SELECT count(*) FROM effects) + (SELECT count(*) FROM item_marks)
  + (SELECT count(*) FROM batches WHERE state = 'open')
  + (SELECT count(*) FROM subjects s WHERE s.kind = 'order' AND s.status NOT IN ('booked', 'cancelled'))";

impl World {
    /// Lets everything end.
    pub(super) async fn come_to_rest(&mut self) {
        self.log.say("---", "from here on nothing goes wrong any more");
        for at in 0..self.daemons.len() {
            self.resume(at).await;
        }
        self.restock().await;
        let mut quiet = 0;
        for round in 0..ROUNDS {
            let by = match round % 6 {
                // Look-ups, leases and pauses; then waits of minutes; then the next wave.
                0..=2 => Duration::seconds(31),
                3 => Duration::seconds(75),
                4 => Duration::minutes(6),
                _ => Duration::hours(3),
            };
            self.advance(by).await;
            for at in 0..2 {
                self.tick(at).await;
            }
            self.round().await;
            if round >= 2 {
                self.people().await;
                self.plan().await;
            }
            if round == 5 {
                self.restock().await;
            }
            let undone: i64 = sqlx::query_scalar(UNDONE)
                .fetch_one(&self.admin)
                .await
                .unwrap();
            quiet = if undone == 0 { quiet + 1 } else { 0 };
            if quiet == 2 && round >= 6 || !self.violations.is_empty() {
                return;
            }
        }
    }

    /// One round of everything, by every process.
    async fn round(&mut self) {
        for at in 0..self.daemons.len() {
            self.run(at, Step::Own, false).await;
            let steps = self.daemons[at].steps();
            for step in steps.iter().filter(|s| matches!(s, Step::Pull(_))) {
                for _ in 0..10 {
                    if !self.run(at, *step, false).await {
                        break;
                    }
                }
            }
            self.plan().await;
            self.run(at, Step::Seal, false).await;
            self.plan().await;
            for step in steps.iter().filter(|s| matches!(s, Step::Push(_))) {
                for _ in 0..10 {
                    if !self.run(at, *step, false).await {
                        break;
                    }
                }
            }
            self.plan().await;
        }
    }

    /// Plans and allocates until nothing is due.
    async fn plan(&mut self) {
        for _ in 0..50 {
            let mut busy = self.run(0, Step::Plan, false).await;
            busy |= self.run(0, Step::Allocate, false).await;
            busy |= self.run(0, Step::Batch, false).await;
            if !busy {
                return;
            }
        }
        self.violated("planning does not come to rest".to_owned());
    }

    /// The shelves are filled, the unknown item is counted.
    async fn restock(&mut self) {
        for at in 0..2 {
            for code in ITEMS.into_iter().chain([UNKNOWN_ITEM]) {
                let sim = &self.far.warehouses[at].sim;
                let there = sim.stock().get(code).copied().unwrap_or(0).max(0);
                sim.set_stock(code, there + 40);
            }
            let now = self.warehouse_now(at);
            self.far.warehouses[at].sim.write_stock(now).await.unwrap();
        }
    }

    /// Money comes in, unknown outcomes are looked at, tasks are done.
    async fn people(&mut self) {
        for at in 0..self.orders.len() {
            let order = &self.orders[at];
            let open = !order.undecodable && !self.far.shop.order(&order.id).unwrap().cancelled;
            if open && order.pay == Pay::Bank && !order.cancel_wanted {
                self.deposit(at, 0).await;
            }
        }
        self.resolve().await;
        self.clear_tasks().await;
    }
}
