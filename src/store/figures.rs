//! Figures of a running system, for the metrics: what waits and for how long, read in few statements. None locks anything.

use std::collections::BTreeMap;

use super::setup::CODE_LEVEL;
use super::{Store, StoreError};
use crate::plan::types::Status;

/// The queue of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueFigures {
    /// The account.
    pub account: String,
    /// Calls with an unknown outcome.
    pub unresolved: i64,
    /// Other calls that were not finished.
    pub queued: i64,
    /// Seconds since the oldest call was due that was not claimed; 0 without one.
    pub due_seconds: i64,
    /// Its credentials are rejected.
    pub paused: bool,
}

/// Open tasks of one kind.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct TaskFigures {
    /// The kind.
    pub kind: String,
    /// How many.
    pub count: i64,
    /// Seconds since the oldest was opened.
    pub age_seconds: i64,
}

/// Open waves of a warehouse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaveFigures {
    /// The warehouse.
    pub warehouse: String,
    /// Not sealed yet.
    pub open: i64,
    /// Of them, past their time by more than five minutes.
    pub overdue: i64,
}

/// What is read often.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Seconds since the oldest due order was due to be planned; 0 without one.
    pub plan_seconds: i64,
    /// Orders that are not closed, by status; every status is there.
    pub orders: BTreeMap<String, i64>,
    /// By warehouse.
    pub waves: Vec<WaveFigures>,
}

/// Money of one currency, in its minor unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MoneyFigures {
    /// The currency.
    pub currency: String,
    /// What shipped of orders that are not closed comes to.
    pub owed: i64,
    /// Of that, what was captured.
    pub captured: i64,
}

/// What is read seldom, because it goes over more rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlowFigures {
    /// Warehouses with the seconds since their newest count.
    pub stock: Vec<(String, i64)>,
    /// By currency.
    pub money: Vec<MoneyFigures>,
}

impl Store {
    /// The level of the schema's gate that this program has.
    #[must_use]
    pub fn code_level() -> i32 {
        CODE_LEVEL
    }

    /// The queue by account.
    ///
    /// # Errors
    /// The database's.
    pub async fn queue_figures(&self) -> Result<Vec<QueueFigures>, StoreError> {
        Ok(sqlx::query_as!(
            QueueFigures,
            r#"SELECT a.slug AS account, count(e.id) FILTER (WHERE e.state = 'unresolved') AS "unresolved!",
                 count(e.id) FILTER (WHERE e.state <> 'unresolved') AS "queued!",
                 coalesce(extract(epoch FROM (SELECT hk_now()) - min(e.due_at) FILTER (WHERE e.state = 'planned' AND e.due_at <= (SELECT hk_now()))), 0)::bigint AS "due_seconds!",
                 a.paused IS NOT NULL AS "paused!" FROM accounts a LEFT JOIN effects e ON e.account_id = a.id GROUP BY a.id ORDER BY a.slug"#
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// What is read often.
    ///
    /// # Errors
    /// The database's.
    pub async fn figures(&self) -> Result<Figures, StoreError> {
        // Due plans class by class, so that the index ends each look at its first row.
        let rows = sqlx::query!(
            r#"SELECT 'plan' AS "what!", '' AS "label!", coalesce(extract(epoch FROM (SELECT hk_now()) - min(d.plan_at)), 0)::bigint AS "value!", 0::bigint AS "more!"
                 FROM generate_series(0, 2) AS c (class) CROSS JOIN LATERAL (
                   SELECT s.plan_at FROM subjects s WHERE s.kind = 'order' AND s.plan_class = c.class::smallint AND s.plan_at <= (SELECT hk_now())
                   ORDER BY s.plan_class, s.plan_at, s.id LIMIT 1) d
               UNION ALL
               SELECT 'orders', status, count(*), 0 FROM subjects WHERE kind = 'order' AND closed_at IS NULL GROUP BY status
               UNION ALL
               SELECT 'waves', l.slug, count(b.subject_id), count(b.subject_id) FILTER (WHERE b.seal_at < (SELECT hk_now()) - interval '5 minutes')
                 FROM locations l LEFT JOIN batches b ON b.location_id = l.id AND b.kind = 'instruct' AND b.state = 'open' GROUP BY l.slug"#
        )
        .fetch_all(&self.pool)
        .await?;
        let mut figures = Figures {
            orders: Status::ALL.map(|s| (s.as_str().to_owned(), 0)).into(),
            ..Figures::default()
        };
        for row in rows {
            match row.what.as_str() {
                "plan" => figures.plan_seconds = row.value,
                "orders" => {
                    figures.orders.insert(row.label, row.value);
                }
                _ => figures.waves.push(WaveFigures {
                    warehouse: row.label,
                    open: row.value,
                    overdue: row.more,
                }),
            }
        }
        Ok(figures)
    }

    /// What is read seldom.
    ///
    /// # Errors
    /// The database's.
    pub async fn slow_figures(&self) -> Result<SlowFigures, StoreError> {
        // A payment is shown by its channel, by the account that holds it, or by both: what one of them shows counts once.
        let rows = sqlx::query!(
            r#"SELECT 'stock' AS "what!", l.slug AS "label!", extract(epoch FROM (SELECT hk_now()) - max(s.counted_at))::bigint AS "value!", 0::bigint AS "more!"
                 FROM locations l JOIN stock s ON s.location_id = l.id WHERE s.bucket = 'sellable' GROUP BY l.slug
               UNION ALL
               SELECT 'money', o.currency, sum(o.owed)::bigint, sum(least(greatest(o.owed, 0), o.captured))::bigint FROM (
                 SELECT r.currency, sum(r.gross) AS owed, coalesce((
                     SELECT greatest(sum(p.captured) FILTER (WHERE strpos(p.payment, '/') = 0), sum(p.captured) FILTER (WHERE strpos(p.payment, '/') > 0), 0)
                     FROM payments p WHERE p.subject_id = s.id), 0) AS captured
                 FROM subjects s JOIN revenue_events r ON r.subject_id = s.id
                 WHERE s.kind = 'order' AND s.closed_at IS NULL GROUP BY s.id, r.currency) o GROUP BY o.currency"#
        )
        .fetch_all(&self.pool)
        .await?;
        let mut figures = SlowFigures::default();
        for row in rows {
            if row.what == "stock" {
                figures.stock.push((row.label, row.value.max(0)));
            } else {
                figures.money.push(MoneyFigures {
                    currency: row.label,
                    owed: row.value,
                    captured: row.more,
                });
            }
        }
        Ok(figures)
    }
}
