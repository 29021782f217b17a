//! Queue tables are rewritten all the time; a few seconds of autovacuum's nap cost a quarter of the throughput (measured: 17.7 k
//! against 22.4 k jobs/s), so their owner vacuums them. A table that only grows is scanned in its indexes each time: it is vacuumed
//! once a share of it is dead, so that what that costs stays in proportion to what was written. Young tables are counted as well:
//! without statistics one index looks as good as another, and an order was looked up by going over all of its channel's.

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, Executor};

use super::{Store, StoreError};

/// Tables, and how many dead rows each may have: a number, and so many of a hundred live ones.
const TABLES: [(&str, i64, i64); 9] = [
    ("effects", 50, 0),
    ("allocation_requests", 50, 0),
    ("planning_claims", 50, 0),
    ("hook_inbox", 50, 0),
    ("tasks", 200, 5),
    ("reads", 200, 5),
    ("subjects", 1_000, 2),
    ("personal", 200, 10),
    ("raw_payloads_rest", 200, 10),
];

/// What the statistics know of a table.
#[derive(Clone, Copy, Debug)]
struct Rows {
    dead: i64,
    live: i64,
    /// How often it was vacuumed, autovacuum aside.
    vacuums: i64,
}

impl Rows {
    fn has_more_dead(self, dead: i64, share: i64) -> bool {
        self.dead > dead + share * self.live / 100
    }
}

/// The longest pause, in rounds: some five minutes of a daemon's.
const LONGEST: u32 = 64;

/// The tables whose vacuums are in vain, since somebody may still see their dead rows: a dump, a standby. Each is left alone for
/// some rounds, twice as many each time: the next one may already help, where it was only a long query.
#[derive(Debug, Default)]
pub struct VacuumPauses(BTreeMap<&'static str, Pause>);

#[derive(Debug, Default)]
struct Pause {
    rounds: u32,
    left: u32,
}

impl VacuumPauses {
    /// Whether a table that has many dead rows, or not, is vacuumed this round.
    fn is_turn(&mut self, table: &'static str, many: bool) -> bool {
        if !many {
            self.0.remove(table);
            return false;
        }
        match self.0.get_mut(table) {
            Some(pause) if pause.left > 0 => {
                pause.left -= 1;
                false
            }
            _ => true,
        }
    }

    /// What a table was like before its vacuum and is after it.
    fn vacuumed(&mut self, table: &'static str, before: Rows, after: Rows) {
        // Somebody else vacuums it.
        if after.vacuums == before.vacuums {
            return;
        }
        // Some rows die meanwhile.
        if after.dead <= before.dead / 2 {
            self.0.remove(table);
            return;
        }
        let pause = self.0.entry(table).or_default();
        pause.rounds = (pause.rounds * 2).clamp(2, LONGEST);
        pause.left = pause.rounds;
    }
}

impl Store {
    /// A round: vacuums the tables that have many dead rows, and counts those that are new or were rewritten since. One that somebody
    /// else vacuums is left to them: those who wait pile up, each with a connection.
    ///
    /// # Errors
    /// The database's; not owning the tables is one.
    pub async fn vacuum(&self, pauses: &mut VacuumPauses) -> Result<(), StoreError> {
        let found = self.dead_rows().await?;
        for (table, dead, share) in TABLES {
            let Some(before) = found.get(table) else {
                continue;
            };
            if !pauses.is_turn(table, before.has_more_dead(dead, share)) {
                continue;
            }
            let vacuum = AssertSqlSafe(format!("VACUUM (SKIP_LOCKED) {table}"));
            self.pool.execute(sqlx::raw_sql(vacuum)).await?;
            if let Some(after) = self.dead_rows().await?.get(table) {
                pauses.vacuumed(table, *before, *after);
            }
        }
        // Later on autovacuum counts each once a tenth of it has changed.
        let uncounted = sqlx::query_scalar!(
            r#"SELECT quote_ident(relname) AS "table!" FROM pg_stat_user_tables WHERE schemaname = current_schema()
                 AND (n_mod_since_analyze > 1000 + 5 * n_live_tup OR n_live_tup > 500 AND last_analyze IS NULL AND last_autoanalyze IS NULL)
               ORDER BY relname"#
        )
        .fetch_all(&self.pool)
        .await?;
        for table in uncounted {
            let count = AssertSqlSafe(format!("ANALYZE (SKIP_LOCKED) {table}"));
            sqlx::raw_sql(count).execute(&self.pool).await?;
        }
        Ok(())
    }

    async fn dead_rows(&self) -> Result<BTreeMap<String, Rows>, StoreError> {
        let names = TABLES.map(|(table, ..)| table.to_owned());
        let rows = sqlx::query!(
            r#"SELECT relname::text AS "table!", n_dead_tup AS "dead!", n_live_tup AS "live!", vacuum_count AS "vacuums!" FROM pg_stat_user_tables
               WHERE schemaname = current_schema() AND relname = ANY($1::text[])"#,
            &names
        )
        .fetch_all(&self.pool)
        .await?;
        let rows = rows.into_iter().map(|row| {
            let found = Rows {
                dead: row.dead,
                live: row.live,
                vacuums: row.vacuums,
            };
            (row.table, found)
        });
        Ok(rows.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(dead: i64, vacuums: i64) -> Rows {
        Rows {
            dead,
            live: 50_000,
            vacuums,
        }
    }

    #[test]
    fn so_many_rows_may_be_dead_as_a_number_and_a_share_say() {
        assert!(!rows(50, 0).has_more_dead(50, 0));
        assert!(rows(51, 0).has_more_dead(50, 0));
        assert!(!rows(2_000, 0).has_more_dead(1_000, 2));
        assert!(rows(2_001, 0).has_more_dead(1_000, 2));
    }

    /// The rounds of so many in which a table is vacuumed that has 100 dead rows each time, and 90 when it was vacuumed.
    fn rounds_in_vain(pauses: &mut VacuumPauses, all: u32) -> Vec<u32> {
        let mut turns = Vec::new();
        for round in 0..all {
            if pauses.is_turn("effects", true) {
                turns.push(round);
                pauses.vacuumed("effects", rows(100, 7), rows(90, 8));
            }
        }
        turns
    }

    #[test]
    fn a_table_that_is_vacuumed_in_vain_waits_twice_as_long_each_time() {
        let mut pauses = VacuumPauses::default();
        let turns = rounds_in_vain(&mut pauses, 200);
        assert_eq!(turns, [0, 3, 8, 17, 34, 67, 132, 197]);
        assert!(pauses.is_turn("reads", true), "it is another table's pause");
    }

    #[test]
    fn a_pause_is_over_once_a_vacuum_helps_or_the_rows_are_gone() {
        let mut pauses = VacuumPauses::default();
        assert_eq!(rounds_in_vain(&mut pauses, 3), [0]);
        assert!(pauses.is_turn("effects", true));
        // Under load half as many are dead again at once.
        pauses.vacuumed("effects", rows(100, 8), rows(50, 9));
        assert_eq!(rounds_in_vain(&mut pauses, 4), [0, 3]);
        assert!(!pauses.is_turn("effects", false), "autovacuum was there");
        assert_eq!(rounds_in_vain(&mut pauses, 4), [0, 3]);
    }

    #[test]
    fn a_table_that_was_locked_is_tried_again_in_the_next_round() {
        let mut pauses = VacuumPauses::default();
        for _ in 0..3 {
            assert!(pauses.is_turn("effects", true));
            pauses.vacuumed("effects", rows(100, 7), rows(120, 7));
        }
    }
}
