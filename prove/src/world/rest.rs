//! After the active phase: nothing goes wrong any more, people do their work, and everything comes to rest.

use std::collections::BTreeSet;

use chrono::Duration;

use super::daemon::Step;
use super::orders::Pay;
use super::terms::{ITEMS, UNKNOWN_ITEM};
use super::warehouse::Warehouse;
use super::world::World;

/// Rounds after which everything must have ended.
const ROUNDS: usize = 60;
/// Rounds without anything new after which nothing more is to come: what is open then waits for good.
const STILL: usize = 10;

/// What is still to come: effects, marks, open batches, orders that have not ended or are due to be planned.
const UNDONE: &str = r"
SELECT (SELECT count(*) FROM effects) + (SELECT count(*) FROM allocation_requests)
  + (SELECT count(*) FROM hook_inbox WHERE done_at IS NULL)
  + (SELECT count(*) FROM batches WHERE state = 'open')
  + (SELECT count(*) FROM subjects s WHERE s.kind = 'order' AND s.closed_at IS NULL AND s.origin <> 'placeholder')
  + (SELECT count(*) FROM subjects s WHERE s.kind = 'order' AND s.plan_at <= (SELECT hk_now()))";

/// What a daemon would find to do at `$1`: the step's name and the account's id.
const DUE: &str = r"
SELECT 'pull', t.account_id FROM streams t WHERE t.due_at <= $1
UNION ALL SELECT 'pull', r.account_id FROM reads r WHERE r.due_at <= $1
  AND NOT EXISTS (SELECT FROM read_failures f WHERE f.account_id = r.account_id AND f.kind = r.kind AND f.due_at > $1)
UNION ALL SELECT 'pull', account_id FROM hook_inbox WHERE done_at IS NULL
UNION ALL SELECT 'push', account_id FROM effects WHERE state = 'planned' AND due_at <= $1
UNION ALL SELECT 'plan', 0::smallint FROM subjects WHERE kind = 'order' AND plan_at <= $1
UNION ALL SELECT 'batch', 0::smallint FROM subjects WHERE kind = 'batch' AND plan_at <= $1
UNION ALL SELECT 'allocate', 0::smallint FROM allocation_requests
UNION ALL SELECT 'seal', 0::smallint FROM batches WHERE state = 'open' AND seal_at <= $1
UNION ALL SELECT 'seal', 0::smallint FROM shipments s WHERE state = 'waiting'
  AND NOT EXISTS (SELECT FROM batches b WHERE b.location_id = s.location_id AND b.kind = 'instruct' AND b.state = 'open')
UNION ALL SELECT 'seal', 0::smallint FROM revenue_events WHERE batch_id IS NULL
  AND NOT EXISTS (SELECT FROM batches b WHERE b.kind = 'journal' AND b.state = 'open')";

impl World {
    /// Lets everything end.
    pub(super) async fn come_to_rest(&mut self) {
        self.log
            .say("---", "from here on nothing goes wrong any more");
        for at in 0..self.daemons.len() {
            self.resume(at).await;
        }
        self.staff_finish();
        for folder in self.far.warehouses.iter().filter_map(Warehouse::folder) {
            folder.finish();
        }
        self.let_all_go().await;
        self.restock().await;
        let (mut quiet, mut still, mut newest) = (0, 0, 0);
        for round in 0..ROUNDS {
            // Look-ups, leases and pauses, then waits of minutes; and in between the next wave, of another day too.
            let by = match round {
                0 => Duration::seconds(31),
                n if n % 2 == 0 => Duration::minutes(6),
                _ => Duration::hours(9),
            };
            self.advance(by).await;
            for at in 0..self.far.warehouses.len() {
                self.tick(at).await;
            }
            self.round().await;
            let settles = round >= 1 && self.people().await;
            let mut refunded = false;
            if round == 3 {
                self.restock().await;
                refunded = self.refund_after_all();
            }
            let undone: i64 = sqlx::query_scalar(UNDONE)
                .fetch_one(&self.admin)
                .await
                .unwrap();
            let over = undone == 0 && !settles && !refunded;
            quiet = if over { quiet + 1 } else { 0 };
            let (fact, calls): (i64, i64) = sqlx::query_as(
                "SELECT coalesce(max(id), 0), (SELECT count(*) FROM effects) FROM facts",
            )
            .fetch_one(&self.admin)
            .await
            .unwrap();
            still = if fact == newest && calls == 0 && !settles {
                still + 1
            } else {
                0
            };
            newest = fact;
            if still == STILL {
                return;
            }
            if quiet == 2 && round >= 3 || !self.violations.is_empty() {
                return;
            }
        }
    }

    /// One round of everything, until nothing is due.
    async fn round(&mut self) {
        for at in 0..self.daemons.len() {
            self.run(at, Step::Own, false).await;
        }
        for _ in 0..30 {
            let mut worked = false;
            for step in self.due().await {
                let at = self.whose(step);
                worked |= self.run(at, step, false).await;
            }
            if !worked {
                return;
            }
        }
    }

    /// Steps that would find something to do now.
    pub(super) async fn due(&self) -> Vec<Step> {
        let due: Vec<(String, i16)> = sqlx::query_as(DUE)
            .bind(self.now)
            .fetch_all(&self.admin)
            .await
            .unwrap();
        let due: BTreeSet<(String, i16)> = due.into_iter().collect();
        due.into_iter()
            .map(|(name, account)| match name.as_str() {
                "pull" => Step::Pull(account),
                "push" => Step::Push(account),
                "plan" => Step::Plan,
                "batch" => Step::Batch,
                "seal" => Step::Seal,
                _ => Step::Allocate,
            })
            .collect()
    }

    /// The shelves are filled, the unknown item is counted.
    async fn restock(&mut self) {
        for at in 0..self.far.warehouses.len() {
            for code in ITEMS.into_iter().chain([UNKNOWN_ITEM]) {
                let warehouse = &self.far.warehouses[at];
                let there = warehouse.stock().get(code).copied().unwrap_or(0).max(0);
                warehouse.set_stock(code, there + 40);
            }
            let now = self.warehouse_now(at);
            self.far.warehouses[at].write_stock(now).await;
        }
    }

    /// Money comes in, unknown outcomes are looked at, tasks are done. True when a task was left to do.
    async fn people(&mut self) -> bool {
        self.far.catch_up();
        for at in 0..self.orders.len() {
            let open = !self.orders[at].undecodable && !self.seen(at).cancelled;
            let order = &self.orders[at];
            if open && order.pay == Pay::Bank && !order.cancel_wanted {
                self.deposit(at, 0).await;
            } else if open {
                self.paid_too_late(at);
                self.pay_again(at);
            }
        }
        self.resolve().await;
        self.clear_tasks().await
    }
}
