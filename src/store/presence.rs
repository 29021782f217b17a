//! Orders that their channel did not show when they were read by id: counted under the order's lock, ended by any
//! later sight of it, and weighed per account.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::{Postgres, Transaction};

use super::facts::{FactRows, insert_facts};
use super::ingest::page_made_due;
use super::subjects::lock_subjects;
use super::{IncomingPage, Store, StoreError};
use crate::facts::{ABSENCE_SETTLE, AbsenceBelievedFact, FactBody, PresenceFact};

/// An account that hides more open orders than this …
const FEW: i64 = 5;
/// … and more than one in so many, within an hour, hides rather than lost them.
const ONE_IN: i64 = 50;
/// Orders made due again in one transaction.
const CHUNK: i64 = 1000;

/// A row of looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Known {
    misses: u8,
    since: DateTime<Utc>,
}

/// When the order was last shown: asked and answered.
type Shown = Option<(DateTime<Utc>, DateTime<Utc>)>;

/// What a look that found nothing says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// Nothing new.
    Nothing,
    /// So many looks in a row found nothing.
    Missed(u8),
    /// Nobody can tell which is newer: look again.
    Again,
}

/// Judges a look that found nothing. `readable` says that an order of its age is shown at all.
fn look(
    known: Option<Known>,
    shown: Shown,
    readable: bool,
    asked: DateTime<Utc>,
    answered: DateTime<Utc>,
) -> Look {
    let misses = known.map_or(0, |known| known.misses);
    if !readable {
        // What began before it grew too old says nothing any more; what was certain stays so.
        return if misses == 1 {
            Look::Missed(0)
        } else {
            Look::Nothing
        };
    }
    match (shown, known) {
        (Some((shown_asked, _)), _) if answered <= shown_asked && asked < shown_asked => {
            Look::Nothing
        }
        (Some((_, shown_answered)), _) if asked < shown_answered => Look::Again,
        _ if misses == 0 => Look::Missed(1),
        (_, Some(known)) if misses == 1 && asked >= known.since + ABSENCE_SETTLE => Look::Missed(2),
        _ => Look::Nothing,
    }
}

/// An order that is shown again: its row, and the number of its next fact.
pub(super) struct Returned {
    pub(super) subject_id: i64,
    pub(super) n: i32,
}

impl Returned {
    /// The fact's key and body.
    pub(super) fn fact(&self) -> (String, FactBody) {
        (key(self.n), FactBody::Presence(PresenceFact { misses: 0 }))
    }
}

fn key(n: i32) -> String {
    format!("presence::{n}")
}

impl Store {
    /// Notes that an answer did not hold these orders, whose rows are locked. True when that changed something.
    pub(super) async fn note_absent(
        tx: &mut Transaction<'_, Postgres>,
        account_id: i16,
        ids: &[i64],
        page: &IncomingPage,
    ) -> Result<bool, StoreError> {
        if ids.is_empty() {
            return Ok(false);
        }
        let mut rows = FactRows::default();
        let (mut subject, mut misses, mut number) = (Vec::new(), Vec::new(), Vec::new());
        let mut hidden = Vec::new();
        let mut again = BTreeSet::new();
        for row in sqlx::query!(
            r#"SELECT s.id, hk_now() AS "now!", p.misses AS "misses?", p.since AS "since?", p.revision AS "revision?", h.requested_at AS "requested_at?", h.received_at AS "received_at?",
                 (SELECT f.happened_at FROM facts f WHERE f.subject_id = s.id AND f.kind = 'order' ORDER BY f.id DESC LIMIT 1) AS ordered_at
               FROM subjects s LEFT JOIN presence p ON p.subject_id = s.id LEFT JOIN latest_observations h ON h.subject_id = s.id AND h.kind = 'order' AND h.series = ''
               WHERE s.id = ANY($1) AND s.kind = 'order' AND s.closed_at IS NULL AND s.origin <> 'history' ORDER BY s.id"#,
            ids
        )
        .fetch_all(&mut **tx)
        .await?
        {
            let known = row.misses.zip(row.since).map(|(misses, since)| Known {
                misses: u8::try_from(misses).unwrap_or(0),
                since,
            });
            let readable = page
                .visible_from
                .zip(row.ordered_at)
                .is_none_or(|(from, ordered)| ordered > from);
            let shown = row.requested_at.zip(row.received_at);
            match look(known, shown, readable, page.requested_at, row.now) {
                Look::Nothing if !readable => hidden.push(row.id),
                Look::Nothing => {}
                Look::Again => {
                    again.insert(row.id);
                }
                Look::Missed(n) => {
                    let next = row.revision.unwrap_or(0) + 1;
                    let body = FactBody::Presence(PresenceFact { misses: n });
                    rows.push(row.id, key(next), &body, body.to_json()?, page.requested_at, page.requested_at, page.day);
                    subject.push(row.id);
                    misses.push(i16::from(n));
                    number.push(next);
                }
            }
        }
        let changed = rows.subjects();
        insert_facts(tx, &rows, "pull", None, false).await?;
        sqlx::query!(
            "INSERT INTO presence (subject_id, account_id, misses, since, requested_at, revision)
             SELECT t.s, $1, t.m, $2, $2, t.revision FROM unnest($3::bigint[], $4::smallint[], $5::int[]) AS t (s, m, revision)
             ON CONFLICT (subject_id) DO UPDATE SET misses = excluded.misses, requested_at = excluded.requested_at, revision = excluded.revision,
               since = CASE WHEN excluded.misses = 1 THEN excluded.since ELSE presence.since END,
               believed = presence.believed AND excluded.misses = 2",
            account_id, page.requested_at, &subject, &misses, &number
        )
        .execute(&mut **tx)
        .await?;
        // It was looked for all the same: a sight of it that was asked for before does not end the row of misses.
        sqlx::query!(
            "WITH looked AS (UPDATE presence SET requested_at = $3 WHERE subject_id = ANY($1) AND requested_at < $3)
             INSERT INTO presence (subject_id, account_id, misses, since, requested_at, revision)
             SELECT t.s, $4, 0, $3, $3, 0 FROM unnest($2::bigint[]) AS t (s) ON CONFLICT (subject_id) DO NOTHING",
            ids,
            &hidden,
            page.requested_at,
            account_id
        )
        .execute(&mut **tx)
        .await?;
        page_made_due(tx, &changed, &again, &Default::default()).await?;
        Ok(!changed.is_empty())
    }

    /// Ends the rows of misses of orders that are shown again; their facts are the caller's to store.
    pub(super) async fn note_returned(
        tx: &mut Transaction<'_, Postgres>,
        returned: &[Returned],
    ) -> Result<(), StoreError> {
        if returned.is_empty() {
            return Ok(());
        }
        let ids: Vec<i64> = returned.iter().map(|r| r.subject_id).collect();
        sqlx::query!(
            "UPDATE presence SET misses = 0, revision = revision + 1, believed = false WHERE subject_id = ANY($1)",
            &ids
        )
        .execute(&mut **tx)
        .await?;
        Ok(())
    }

    /// Raises or ends the alarm of an account that does not show many of its open orders, and has them planned
    /// again. True while it stands.
    ///
    /// # Errors
    /// The database's.
    pub async fn weigh_absences(&self, account_id: i16) -> Result<bool, StoreError> {
        let row = sqlx::query!(
            r#"SELECT count(*) AS "all!", count(*) FILTER (WHERE p.since > hk_now() - interval '1 hour') AS "recent!",
                 EXISTS (SELECT FROM absence_alarms WHERE account_id = $1) AS "alarm!"
               FROM presence p JOIN subjects s ON s.id = p.subject_id
               WHERE p.account_id = $1 AND p.misses > 0 AND NOT p.believed AND s.origin = 'live' AND s.closed_at IS NULL"#,
            account_id
        )
        .fetch_one(&self.pool)
        .await?;
        if !row.alarm && row.recent <= FEW {
            return Ok(false);
        }
        let open = sqlx::query_scalar!(
            r#"SELECT count(*) AS "n!" FROM subjects WHERE kind = 'order' AND account_id = $1 AND origin = 'live' AND closed_at IS NULL"#,
            account_id
        )
        .fetch_one(&self.pool)
        .await?;
        let many = |n: i64| n > FEW && n * ONE_IN > open;
        match row.alarm {
            false if many(row.recent) => {
                sqlx::query!(
                    "INSERT INTO absence_alarms (account_id, since) VALUES ($1, (SELECT hk_now())) ON CONFLICT (account_id) DO NOTHING",
                    account_id
                )
                .execute(&self.pool)
                .await?;
            }
            true if !many(row.all) => {
                sqlx::query!(
                    "DELETE FROM absence_alarms WHERE account_id = $1",
                    account_id
                )
                .execute(&self.pool)
                .await?;
            }
            alarm => return Ok(alarm),
        }
        // Committed first: whoever plans after this sees it.
        let mut after = 0;
        while let Some(last) = self.wake_absent(account_id, after).await? {
            after = last;
        }
        Ok(!row.alarm)
    }

    async fn wake_absent(&self, account_id: i16, after: i64) -> Result<Option<i64>, StoreError> {
        let ids = self
            .retried("wake_absent", || async {
                let mut tx = self.pool.begin().await?;
                let ids = lock_absent(&mut tx, account_id, after).await?;
                sqlx::query!(
                    "UPDATE subjects SET plan_at = (SELECT hk_now()), plan_class = least(plan_class, 1) WHERE id = ANY($1)",
                    &ids
                )
                .execute(&mut *tx)
                .await?;
                tx.commit().await?;
                Ok(ids)
            })
            .await?;
        Ok(ids.last().copied())
    }

    /// Takes an account's word for it that the open orders it does not show are gone. Returns how many.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for an account nobody knows; [`StoreError::Refused`] where no such order is.
    pub async fn believe_absences(
        &self,
        account: &str,
        reason: &str,
        actor: &str,
        today: NaiveDate,
    ) -> Result<usize, StoreError> {
        let account_id = sqlx::query_scalar!("SELECT id FROM accounts WHERE slug = $1", account)
            .fetch_optional(&self.pool)
            .await?
            .ok_or_else(|| StoreError::NotFound(format!("no account {account}")))?;
        let (mut after, mut believed) = (0, 0);
        loop {
            let (last, n) = self
                .retried("believe_absences", || {
                    self.believe_chunk(account_id, after, reason, actor, today)
                })
                .await?;
            believed += n;
            match last {
                Some(last) => after = last,
                None => break,
            }
        }
        sqlx::query!(
            "DELETE FROM absence_alarms WHERE account_id = $1",
            account_id
        )
        .execute(&self.pool)
        .await?;
        if believed == 0 {
            return Err(StoreError::Refused(format!(
                "account {account} shows all of its open orders, or was believed before: nothing was done"
            )));
        }
        Ok(believed)
    }

    async fn believe_chunk(
        &self,
        account_id: i16,
        after: i64,
        reason: &str,
        actor: &str,
        today: NaiveDate,
    ) -> Result<(Option<i64>, usize), StoreError> {
        let mut tx = self.pool.begin().await?;
        let ids = lock_absent(&mut tx, account_id, after).await?;
        let body = FactBody::AbsenceBelieved(AbsenceBelievedFact {
            reason: reason.to_owned(),
        });
        let mut rows = FactRows::default();
        for row in sqlx::query!(
            r#"UPDATE presence SET believed = true WHERE subject_id = ANY($1) AND misses > 0 AND NOT believed
               RETURNING subject_id, revision, hk_now() AS "now!""#,
            &ids
        )
        .fetch_all(&mut *tx)
        .await?
        {
            let key = format!("absence_believed:{}", row.revision);
            rows.push(row.subject_id, key, &body, body.to_json()?, row.now, row.now, today);
        }
        let changed = rows.subjects();
        insert_facts(&mut tx, &rows, actor, None, false).await?;
        page_made_due(&mut tx, &changed, &BTreeSet::new(), &Default::default()).await?;
        tx.commit().await?;
        Ok((ids.last().copied(), changed.len()))
    }
}

/// Locks the next absent orders of an account, by id.
async fn lock_absent(
    tx: &mut Transaction<'_, Postgres>,
    account_id: i16,
    after: i64,
) -> Result<Vec<i64>, StoreError> {
    let ids = sqlx::query_scalar!(
        "SELECT subject_id FROM presence WHERE account_id = $1 AND misses > 0 AND subject_id > $2 ORDER BY subject_id LIMIT $3",
        account_id,
        after,
        CHUNK
    )
    .fetch_all(&mut **tx)
    .await?;
    lock_subjects(tx, &ids).await?;
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap_or_default()
    }

    fn missed(misses: u8, since: i64) -> Option<Known> {
        Some(Known {
            misses,
            since: at(since),
        })
    }

    #[test]
    fn two_looks_count_only_a_settle_apart_and_a_third_says_nothing_new() {
        let settle = ABSENCE_SETTLE.num_seconds();
        let look = |known, asked| look(known, None, true, at(asked), at(asked + 1));
        assert_eq!(look(None, 100), Look::Missed(1));
        assert_eq!(look(missed(0, 5), 100), Look::Missed(1), "it was back");
        assert_eq!(look(missed(1, 100), 100 + settle - 1), Look::Nothing);
        assert_eq!(look(missed(1, 100), 100 + settle), Look::Missed(2));
        assert_eq!(look(missed(2, 100), 100 + 5 * settle), Look::Nothing);
    }

    #[test]
    fn a_look_older_than_the_last_sight_says_nothing_and_one_beside_it_is_repeated() {
        let shown = Some((at(50), at(60)));
        let look = |asked, answered| look(None, shown, true, at(asked), at(answered));
        assert_eq!(look(30, 40), Look::Nothing);
        assert_eq!(look(55, 65), Look::Again);
        assert_eq!(look(60, 61), Look::Missed(1));
    }

    #[test]
    fn an_order_older_than_what_the_external_system_shows_is_never_absent() {
        let look = |known| look(known, None, false, at(1000), at(1001));
        assert_eq!(look(None), Look::Nothing);
        assert_eq!(look(missed(1, 10)), Look::Missed(0));
        assert_eq!(look(missed(2, 10)), Look::Nothing, "it had vanished before");
    }
}
