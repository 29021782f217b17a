//! What waits for an operator: written with each plan, listed with what the rest of the store has to tell.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::{Postgres, Transaction};
use tracing::info;

use super::{Store, StoreError, TaskFigures};
use crate::action::{Action, Suggestion, stored, suggestions};
use crate::plan::types::TaskRow;

/// Something an operator should see.
#[derive(Clone, Debug, Serialize)]
pub struct TaskLine {
    /// `hold:…`, `unknown_outcome`, `quarantine`, `account_paused`, `stream_failing`.
    pub kind: String,
    /// Order or batch number, account, or quarantine id.
    pub subject: String,
    /// What happened and what to do.
    pub detail: String,
    /// Since when.
    pub since: DateTime<Utc>,
    /// When it becomes urgent.
    pub due_at: Option<DateTime<Utc>>,
    /// What may be typed, the likeliest first.
    pub actions: Vec<Suggestion>,
}

/// One statement for the list and for the counts, which therefore cannot differ.
const TASKS: &str = include_str!("tasks.sql");

/// Those about the order `$1` that its plan does not write: failing calls, refreshes and bookings of it, the tasks of the batches of
/// its shipments, and lists that name it. Of tasks of a batch about some of its orders only those that name it.
const BESIDE: &str = "JOIN subjects o ON o.id = $1 JOIN accounts a ON a.id = o.account_id
  WHERE (t.subject = o.number AND (t.kind = 'plan_failed' OR NOT EXISTS (SELECT FROM tasks k WHERE k.subject_id = o.id AND k.kind = t.kind)))
    OR (t.kind = 'reads_failing' AND t.subject = a.slug || '/' || o.external_id AND starts_with(t.detail, 'this order '))
    OR (t.kind NOT IN ('batch_replies_overdue', 'unread')
      AND t.subject IN (SELECT b.number FROM shipments s JOIN subjects b ON b.id = s.batch_id WHERE s.subject_id = o.id))
    OR (t.subject <> o.number AND position(o.number IN t.detail) > 0)";

#[derive(sqlx::FromRow)]
struct Found {
    kind: String,
    subject: String,
    detail: String,
    since: DateTime<Utc>,
    due_at: Option<DateTime<Utc>>,
    actions: Value,
}

impl From<Found> for TaskLine {
    fn from(row: Found) -> Self {
        Self {
            actions: suggestions(stored(row.actions), &row.subject),
            kind: row.kind,
            subject: row.subject,
            detail: row.detail,
            since: row.since,
            due_at: row.due_at,
        }
    }
}

/// A task that was opened or settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskChange {
    /// The number of its order or batch.
    pub subject: String,
    /// Its kind.
    pub kind: String,
    /// It was opened; else it is settled.
    pub opened: bool,
}

/// Logs what became of tasks, once that is committed.
pub(crate) fn log_tasks(changes: &[TaskChange]) {
    for TaskChange {
        subject,
        kind,
        opened,
    } in changes
    {
        if *opened {
            info!(order = subject, kind, "task opened");
        } else {
            info!(order = subject, kind, "task settled");
        }
    }
}

/// Writes all tasks that these subjects have; what they had beside them is gone. Returns what changed.
pub(super) async fn write_tasks(
    tx: &mut Transaction<'_, Postgres>,
    ids: &[i64],
    rows: &[(i64, &TaskRow)],
) -> Result<Vec<TaskChange>, StoreError> {
    let subject: Vec<i64> = rows.iter().map(|r| r.0).collect();
    let kind: Vec<String> = rows.iter().map(|r| r.1.kind.clone()).collect();
    let detail: Vec<String> = rows.iter().map(|r| r.1.detail.clone()).collect();
    let due: Vec<Option<DateTime<Utc>>> = rows.iter().map(|r| r.1.due).collect();
    let actions = rows
        .iter()
        .map(|r| serde_json::to_value(&r.1.actions))
        .collect::<Result<Vec<Value>, _>>()?;
    let settled = sqlx::query_as!(
        TaskChange,
        r#"WITH gone AS (
             DELETE FROM tasks k WHERE k.subject_id = ANY($1)
               AND NOT EXISTS (SELECT FROM unnest($2::bigint[], $3::text[]) AS t (s, d) WHERE t.s = k.subject_id AND t.d = k.kind)
             RETURNING k.subject_id, k.kind)
           SELECT s.number AS "subject!", g.kind AS "kind!", false AS "opened!" FROM gone g JOIN subjects s ON s.id = g.subject_id ORDER BY 1, 2"#,
        ids, &subject, &kind
    )
    .fetch_all(&mut **tx)
    .await?;
    let mut changes = settled;
    if !rows.is_empty() {
        let opened = sqlx::query_as!(
            TaskChange,
            r#"WITH put AS (INSERT INTO tasks (subject_id, kind, detail, since, due_at, actions)
             SELECT t.s, t.k, t.d, (SELECT hk_now()), t.u, t.a FROM unnest($1::bigint[], $2::text[], $3::text[], $4::timestamptz[], $5::jsonb[]) AS t (s, k, d, u, a)
             ON CONFLICT (subject_id, kind) DO UPDATE SET detail = excluded.detail, due_at = excluded.due_at, actions = excluded.actions
             WHERE (tasks.detail, tasks.due_at, tasks.actions) IS DISTINCT FROM (excluded.detail, excluded.due_at, excluded.actions)
             RETURNING subject_id, kind, xmax = 0 AS opened)
           SELECT s.number AS "subject!", p.kind AS "kind!", true AS "opened!" FROM put p JOIN subjects s ON s.id = p.subject_id WHERE p.opened ORDER BY 1, 2"#,
            &subject, &kind, &detail, &due as &[Option<DateTime<Utc>>], &actions
        )
        .fetch_all(&mut **tx)
        .await?;
        changes.extend(opened);
    }
    Ok(changes)
}

impl Store {
    /// A subject that could not be planned: its neighbours go on, it is tried later, and it is a task.
    ///
    /// # Errors
    /// The database's.
    pub async fn plan_failed(
        tx: &mut Transaction<'_, Postgres>,
        failed: &[(i64, String)],
    ) -> Result<(), StoreError> {
        if failed.is_empty() {
            return Ok(());
        }
        let ids: Vec<i64> = failed.iter().map(|f| f.0).collect();
        let why: Vec<String> = failed.iter().map(|f| f.1.clone()).collect();
        sqlx::query!(
            "UPDATE subjects SET plan_fails = least(plan_fails + 1, 1000), plan_class = 1,
               plan_at = (SELECT hk_now()) + make_interval(secs => least(3600, 5 * power(2, least(plan_fails, 10)))::float8)
             WHERE id = ANY($1)",
            &ids
        )
        .execute(&mut **tx)
        .await?;
        let actions = serde_json::to_value([Action::Show {}])?;
        sqlx::query!(
            "INSERT INTO tasks (subject_id, kind, detail, since, actions) SELECT t.s, 'plan_failed', t.d || CASE WHEN EXISTS (SELECT FROM unplanned_news u WHERE u.subject_id = t.s)
               THEN '; it has unplanned new input, so nothing of it is sealed before it is planned' ELSE '' END, (SELECT hk_now()), $3
             FROM unnest($1::bigint[], $2::text[]) AS t (s, d) ON CONFLICT (subject_id, kind) DO UPDATE SET detail = excluded.detail",
            &ids, &why, actions
        )
        .execute(&mut **tx)
        .await?;
        Ok(())
    }

    /// How many tasks wait and for how long, by kind.
    ///
    /// # Errors
    /// The database's.
    pub async fn count_tasks(&self) -> Result<Vec<TaskFigures>, StoreError> {
        let count = format!(
            "SELECT kind, count(*) AS count, greatest(extract(epoch FROM (SELECT hk_now()) - min(since)), 0)::bigint AS age_seconds FROM ({TASKS}) t GROUP BY kind"
        );
        Ok(sqlx::query_as(sqlx::AssertSqlSafe(count))
            .fetch_all(&self.pool)
            .await?)
    }

    /// Everything that waits for an operator, oldest first.
    ///
    /// # Errors
    /// The database's.
    pub async fn list_tasks(&self) -> Result<Vec<TaskLine>, StoreError> {
        let rows: Vec<Found> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "{TASKS} ORDER BY since, subject, kind"
        )))
        .fetch_all(&self.pool)
        .await?;
        self.with_codes_joined(rows.into_iter().map(TaskLine::from).collect())
            .await
    }

    /// What waits for an operator about an order beside what its plan finds, oldest first.
    ///
    /// # Errors
    /// The database's.
    pub async fn tasks_beside(&self, order: i64) -> Result<Vec<TaskLine>, StoreError> {
        let rows: Vec<Found> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "SELECT t.* FROM ({TASKS}) t {BESIDE} ORDER BY t.since, t.subject, t.kind"
        )))
        .bind(order)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(TaskLine::from).collect())
    }
}
