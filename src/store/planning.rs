//! What is being planned, written down before it is planned, so that an order that ends the whole process
//! (a stack overflow, no memory) is found and does not take its neighbours with it.

use chrono::{DateTime, SecondsFormat, Utc};
use sqlx::{Postgres, Transaction};

use super::setup::CODE_LEVEL;
use super::{Instance, Store, StoreError};

/// Alone in a process that died so often, an order is set aside.
const DEATHS: i16 = 2;
/// For an hour at first, then twice as long each time, a day at the most.
const ASIDE_SECONDS: i32 = 3600;

/// What was found when a batch was written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CrashGuard {
    /// It may be planned; the row's id.
    Row(i64),
    /// Some of it was being planned by a process that died: the rows' ids.
    Interrupted(Vec<i64>),
}

/// Whether this process plans: only what has the configuration in force and passes the gate plans, opens and seals batches and
/// deletes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// It plans.
    #[default]
    InForce,
    /// Another configuration is in force: since then, where one is.
    Replaced(Option<DateTime<Utc>>),
    /// A newer version has raised the gate to this level.
    Behind(i32),
}

impl Standing {
    /// Of a process with the policy `mine`, where the gate needs that level and names `policy`, started then.
    fn at(needs: i32, policy: Option<i32>, started: Option<DateTime<Utc>>, mine: i32) -> Self {
        if needs > CODE_LEVEL {
            Self::Behind(needs)
        } else if policy == Some(mine) {
            Self::InForce
        } else {
            Self::Replaced(started)
        }
    }

    /// Why this process plans nothing, and what to do; `None` where it plans.
    #[must_use]
    pub fn why(self) -> Option<String> {
        match self {
            Self::InForce => None,
            Self::Replaced(started) => {
                let started = started.map_or_else(String::new, |at| {
                    let at = at.to_rfc3339_opts(SecondsFormat::Secs, true);
                    format!(", started at {at},")
                });
                Some(format!(
                    "this daemon plans nothing: the configuration of another daemon{started} is in force: give this one that configuration and restart it, or stop it"
                ))
            }
            Self::Behind(needs) => Some(format!(
                "this daemon plans nothing: a newer hikiate has migrated this database to code level {needs}, and this one has \
                 {CODE_LEVEL}: run the newer version or stop this daemon"
            )),
        }
    }
}

/// What there is to plan, and whether this process does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DueOrders {
    /// Whether this process plans.
    pub standing: Standing,
    /// Orders are due.
    pub orders: bool,
    /// Orders are planned alone.
    pub suspects: bool,
}

impl Store {
    /// Commits that these orders, whose rows the caller has locked, are about to be planned. Whoever else has such a
    /// row with one of them has lost its locks, so it died (or could not clean up). It is lost only with
    /// the whole database server, so its commit need not wait for the disk.
    ///
    /// # Errors
    /// The database's.
    pub async fn begin_planning(
        &self,
        instance: &Instance,
        ids: &[i64],
    ) -> Result<CrashGuard, StoreError> {
        let row = sqlx::query!(
            r#"WITH quick AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true) AS off),
               dead AS MATERIALIZED (SELECT id FROM planning_claims WHERE ids && $2),
               mine AS (INSERT INTO planning_claims (process, ids, at) SELECT $1, $2, hk_now() FROM quick WHERE NOT EXISTS (SELECT FROM dead) RETURNING id)
               SELECT (SELECT id FROM mine) AS "mine?", (SELECT coalesce(array_agg(id), '{}') FROM dead) AS "dead!""#,
            instance.0,
            ids
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(row
            .mine
            .map_or(CrashGuard::Interrupted(row.dead), CrashGuard::Row))
    }

    /// Deletes the row in the plan's own commit; what was planned is not suspected any more.
    ///
    /// # Errors
    /// The database's.
    pub async fn end_planning(
        tx: &mut Transaction<'_, Postgres>,
        row: i64,
        suspect: Option<i64>,
    ) -> Result<(), StoreError> {
        sqlx::query!("DELETE FROM planning_claims WHERE id = $1", row)
            .execute(&mut **tx)
            .await?;
        if let Some(id) = suspect {
            sqlx::query!("DELETE FROM plan_suspects WHERE subject_id = $1", id)
                .execute(&mut **tx)
                .await?;
        }
        Ok(())
    }

    /// Deletes the row of a batch that failed without ending the process.
    ///
    /// # Errors
    /// The database's.
    pub async fn forget_planning(&self, row: i64) -> Result<(), StoreError> {
        sqlx::query!("DELETE FROM planning_claims WHERE id = $1", row)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Turns rows that dead processes left into suspects: planned alone from now on. One that was alone twice is set
    /// aside as a task. Returns the suspects and those set aside.
    ///
    /// # Errors
    /// The database's.
    pub async fn suspect(
        tx: &mut Transaction<'_, Postgres>,
        rows: &[i64],
    ) -> Result<(Vec<i64>, Vec<i64>), StoreError> {
        let marked = sqlx::query!(
            "WITH dead AS (DELETE FROM planning_claims WHERE id = ANY($1) RETURNING ids)
             INSERT INTO plan_suspects AS s (subject_id, deaths, not_before)
             SELECT u.id, max((cardinality(dead.ids) = 1)::int)::smallint, (SELECT hk_now()) FROM dead, unnest(dead.ids) AS u (id) GROUP BY u.id ORDER BY u.id
             ON CONFLICT (subject_id) DO UPDATE SET deaths = least(s.deaths + excluded.deaths, 100) RETURNING subject_id, deaths",
            rows
        )
        .fetch_all(&mut **tx)
        .await?;
        let aside: Vec<i64> = marked
            .iter()
            .filter(|row| row.deaths >= DEATHS)
            .map(|row| row.subject_id)
            .collect();
        if !aside.is_empty() {
            sqlx::query!(
                "UPDATE plan_suspects SET not_before = (SELECT hk_now()) + make_interval(secs => least(86400, $2 * power(2, deaths - $3))::float8)
                 WHERE subject_id = ANY($1)",
                &aside, f64::from(ASIDE_SECONDS), DEATHS
            )
            .execute(&mut **tx)
            .await?;
            let why = "planning this order ended the whole process each time; it is tried again by itself after an hour, later after a day. \
                       Keep its facts and report it";
            let failed: Vec<(i64, String)> = aside.iter().map(|id| (*id, why.to_owned())).collect();
            Self::plan_failed(tx, &failed).await?;
            sqlx::query!(
                "UPDATE subjects s SET plan_at = greatest(s.plan_at, u.not_before) FROM plan_suspects u WHERE u.subject_id = s.id AND s.id = ANY($1)",
                &aside
            )
            .execute(&mut **tx)
            .await?;
        }
        Ok((marked.iter().map(|row| row.subject_id).collect(), aside))
    }

    /// Whether any order is due, and whether there are suspects, due or not; and whether a process with this policy plans them.
    ///
    /// # Errors
    /// The database's.
    pub async fn due_orders(&self, policy_id: i32) -> Result<DueOrders, StoreError> {
        // Class by class, so that the index ends each look at its first row.
        let row = sqlx::query!(
            r#"SELECT EXISTS (SELECT FROM generate_series(0, 2) AS c (class) WHERE (
                   SELECT s.id FROM subjects s WHERE s.kind = 'order' AND s.plan_class = c.class::smallint AND s.plan_at <= (SELECT hk_now())
                   ORDER BY s.plan_class, s.plan_at, s.id LIMIT 1) IS NOT NULL) AS "orders!",
                 EXISTS (SELECT FROM plan_suspects) AS "suspects!", g.min_code AS "needs!", g.policy_id AS "policy_id?", p.loaded_at AS "loaded_at?"
               FROM gate g LEFT JOIN policies p ON p.id = g.policy_id"#
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(DueOrders {
            standing: Standing::at(row.needs, row.policy_id, row.loaded_at, policy_id),
            orders: row.orders,
            suspects: row.suspects,
        })
    }

    /// Whether there are suspects at all, due or not.
    ///
    /// # Errors
    /// The database's.
    pub async fn has_suspects(&self) -> Result<bool, StoreError> {
        Ok(
            sqlx::query_scalar!(r#"SELECT EXISTS (SELECT FROM plan_suspects) AS "some!""#)
                .fetch_one(&self.pool)
                .await?,
        )
    }

    /// Locks one due suspect. One that is set aside is not due before its time, whatever new input it has.
    ///
    /// # Errors
    /// The database's.
    pub async fn claim_suspect(
        tx: &mut Transaction<'_, Postgres>,
        policy_id: i32,
    ) -> Result<Vec<i64>, StoreError> {
        Ok(sqlx::query_scalar!(
            "SELECT s.id FROM subjects s JOIN plan_suspects u ON u.subject_id = s.id
             WHERE s.kind = 'order' AND s.plan_at <= (SELECT hk_now()) AND u.not_before <= (SELECT hk_now())
               AND EXISTS (SELECT FROM gate WHERE min_code <= $1 AND policy_id = $2)
             ORDER BY s.plan_class, s.plan_at, s.id LIMIT 1 FOR NO KEY UPDATE OF s SKIP LOCKED",
            CODE_LEVEL,
            policy_id
        )
        .fetch_all(&mut **tx)
        .await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_plans_with_the_configuration_in_force_and_at_the_level_of_the_gate() {
        let started = DateTime::from_timestamp(1_764_500_000, 0);
        let at = |needs, policy| Standing::at(needs, policy, started, 7);
        assert_eq!(at(CODE_LEVEL, Some(7)), Standing::InForce);
        assert_eq!(at(CODE_LEVEL, Some(8)), Standing::Replaced(started));
        assert_eq!(
            at(CODE_LEVEL + 1, Some(7)),
            Standing::Behind(CODE_LEVEL + 1)
        );
        assert_eq!(Standing::InForce.why(), None);
        let why = Standing::Replaced(started).why().unwrap_or_default();
        assert_eq!(
            why,
            "this daemon plans nothing: the configuration of another daemon, started at 2025-11-30T10:53:20Z, is in force: \
             give this one that configuration and restart it, or stop it"
        );
        let why = Standing::Behind(99).why().unwrap_or_default();
        assert!(why.contains("code level 99"), "{why}");
    }
}
