//! What must hold at every moment, whatever has just gone wrong: asked of the database and of the external systems.

use std::collections::BTreeMap;

use chrono::Duration;

use super::orders::Goods;
use super::world::World;

/// What is promised of counts is promised but for so much (docs/guarantees.md, R13).
const SKEW: Duration = Duration::seconds(60);

/// Rows that must not be, in words. None of them depends on anything still to be planned.
const NEVER: &str = r"
SELECT 'demand ' || d.id || ' of ' || s.number || ' says reserved ' || d.reserved_qty || ', its reservations are ' || coalesce(r.n, 0)
  FROM demands d JOIN subjects s ON s.id = d.subject_id
  LEFT JOIN (SELECT demand_id, sum(qty) AS n FROM reservations GROUP BY demand_id) r ON r.demand_id = d.id
  WHERE d.reserved_qty <> coalesce(r.n, 0)
UNION ALL
SELECT s.number || ' was not planned: ' || coalesce((SELECT detail FROM tasks t WHERE t.subject_id = s.id AND t.kind = 'plan_failed'), 'no reason')
  FROM subjects s LEFT JOIN plan_suspects u ON u.subject_id = s.id
  -- Set aside, with its task, where processes died while they planned it alone.
  WHERE s.plan_fails > 0 AND NOT (coalesce(u.deaths, 0) >= 2 AND EXISTS (SELECT FROM tasks t WHERE t.subject_id = s.id AND t.kind = 'plan_failed'))
UNION ALL
SELECT 'shipment ' || h.reference || ' is in a sealed batch and takes ' || h.qty || ' of a demand with reserved ' || h.reserved_qty || ' and shipped ' || h.shipped_qty
  FROM (SELECT p.reference, sd.qty, d.reserved_qty, d.shipped_qty FROM shipments p JOIN shipment_demands sd ON sd.shipment_id = p.id JOIN demands d ON d.id = sd.demand_id
        WHERE p.state = 'instructed' AND p.batch_id IS NOT NULL) h
  WHERE h.qty > h.reserved_qty + h.shipped_qty
UNION ALL
SELECT 'batch ' || b.subject_id || ' is open and has a body' FROM batches b WHERE b.state = 'open' AND b.body IS NOT NULL
UNION ALL
SELECT 'revenue of ' || s.number || ' is negative in all' FROM revenue_events e JOIN subjects s ON s.id = e.subject_id
  GROUP BY s.number HAVING sum(e.gross) < 0
";

impl World {
    /// Looks at everything that must hold now.
    pub(super) async fn look(&mut self) {
        let never: Vec<String> = sqlx::query_scalar(NEVER)
            .fetch_all(&self.admin)
            .await
            .unwrap();
        for what in never {
            self.violated(what);
        }
        for what in self.twice() {
            self.violated(what);
        }
        self.kept_apart().await;
    }

    /// A row that was read and could not be understood is in quarantine until it was put right.
    async fn kept_apart(&mut self) {
        let mut damaged: Vec<(String, Vec<u8>)> = Vec::new();
        for warehouse in &self.far.warehouses {
            let rows = warehouse.folder().into_iter().flat_map(|of| of.damaged());
            damaged.extend(rows.map(|row| (warehouse.slug.clone(), row)));
        }
        for (slug, row) in damaged {
            let kept: bool = sqlx::query_scalar(
                "SELECT EXISTS (SELECT FROM quarantine q JOIN accounts a ON a.id = q.account_id
                 WHERE a.slug = $1 AND q.resolved_at IS NULL AND position($2::bytea IN q.raw) > 0)",
            )
            .bind(&slug)
            .bind(row.trim_ascii_end())
            .fetch_one(&self.admin)
            .await
            .unwrap();
            if !kept {
                let row = String::from_utf8_lossy(&row).into_owned();
                self.violated(format!(
                    "{slug}: a row that could not be parsed is gone: {row}"
                ));
            }
        }
    }

    /// What left, by a warehouse's or an operator's hand, by our number of the order.
    pub(super) fn left(&self) -> BTreeMap<String, Goods> {
        let mut left: BTreeMap<String, Goods> = BTreeMap::new();
        for warehouse in &self.far.warehouses {
            let numbers = warehouse.shipments();
            for (reference, parcels) in warehouse.shipped() {
                let goods = left
                    .entry(numbers[&reference].order_number.clone())
                    .or_default();
                for line in parcels.iter().flat_map(|p| &p.lines) {
                    *goods.entry(line.code.clone()).or_default() += line.quantity;
                }
            }
        }
        for order in self.orders.iter().filter(|order| !order.by_hand.is_empty()) {
            let goods = left.entry(order.number.clone()).or_default();
            super::orders::join(goods, &order.by_hand);
        }
        left
    }

    /// Pieces that left so near to a count that it may have them or not: so many may be promised though they are
    /// not there, and no more.
    fn moved_beside_a_count(&self, at: usize, code: &str) -> i64 {
        let counts = || self.counted.iter().filter(|count| count.0 == at);
        let shipped = self.far.warehouses[at].shipped();
        let parcels = shipped.values().flatten();
        let near = parcels.filter(|p| counts().any(|c| (p.shipped_at - c.1).abs() <= SKEW));
        let lines = near.flat_map(|parcel| &parcel.lines);
        let pieces = lines.filter(|line| line.code == code);
        pieces.map(|line| i64::from(line.quantity)).sum()
    }

    /// Everything that an external system saw once too often.
    fn twice(&self) -> Vec<String> {
        let mut twice = Vec::new();
        let left = self.left();
        for (at, warehouse) in self.far.warehouses.iter().enumerate() {
            for (reference, times) in warehouse.duplicates() {
                twice.push(format!(
                    "{} received {reference} {times} times",
                    warehouse.slug
                ));
            }
            for (code, n) in warehouse.stock() {
                let may_be = -self.moved_beside_a_count(at, &code);
                if n < may_be && !self.shrunk.contains(&(at, code.clone())) {
                    twice.push(format!("{} shipped {code} down to {n}", warehouse.slug));
                }
            }
        }
        for order in self.orders.iter().filter(|o| !o.undecodable) {
            let none = Goods::new();
            let left = left.get(&order.number).unwrap_or(&none);
            for (code, n) in left {
                let sold = order.may_leave(code);
                if *n > sold {
                    twice.push(format!(
                        "{n} units of {code} shipped for {}, {sold} were sold",
                        order.number
                    ));
                }
            }
            let seen = self.far.order(order);
            if seen.repeated > 0 {
                twice.push(format!(
                    "{} calls of ours about {} took effect more than once",
                    seen.repeated, order.number
                ));
            }
            if !order.void_wanted {
                let voided = seen.voided.iter();
                twice.extend(voided.map(|payment| {
                    format!(
                        "{payment} of {} was voided, and nobody wanted it",
                        order.number
                    )
                }));
            }
            // What was given back is not captured again.
            let ours = seen.kept() - order.by_staff;
            let ever = order.ever_left(left);
            // A record of a refund that moved no money may be read here only after the capture; at rest that is a task.
            let (recorded, most) = order.credit(&seen);
            let credit = (recorded.min(seen.refunded), most);
            let due = match (order.pay, order.due_between(&ever, credit)) {
                (super::orders::Pay::Card, Some((_, most))) => most,
                (super::orders::Pay::Card, None) => order.due_at_most(&ever),
                _ => 0,
            };
            if ours > due {
                twice.push(format!(
                    "{ours} yen were captured and kept for {}, {due} are due for what shipped",
                    order.number
                ));
            }
            // An operator who ships by hand while the cancel is on its way says so: that is told as a task.
            let told =
                |(code, n): (&String, &u32)| *n > order.by_hand.get(code).copied().unwrap_or(0);
            if seen.cancelled && !order.cancelled_there && left.iter().any(told) {
                twice.push(format!(
                    "the shop was asked to cancel {}, and {left:?} shipped",
                    order.number
                ));
            }
            let mut references: Vec<&str> = seen
                .fulfilments
                .iter()
                .filter(|f| !f.cancelled)
                .filter_map(|f| f.reference.as_deref())
                .collect();
            references.sort_unstable();
            for pair in references.windows(2) {
                if pair[0] == pair[1] {
                    twice.push(format!("the shop has fulfilment {} twice", pair[0]));
                }
            }
        }
        let mut mails: BTreeMap<String, usize> = BTreeMap::new();
        for to in self.far.mails.mails().into_iter().flat_map(|m| m.to) {
            *mails.entry(to).or_default() += 1;
        }
        for (to, n) in mails.into_iter().filter(|(_, n)| *n > 1) {
            twice.push(format!("{to} got {n} mails of one order"));
        }
        twice
    }
}
