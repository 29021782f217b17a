//! A database that was set back: noticed, stopped, read again, and let go on.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, Postgres, Transaction};
use tracing::{error, info, warn};

use super::batch::end_empty;
use super::witness::{Behind, Compared, Kept, ServerState, Witness, compare};
use super::{OwnedAccount, Store, StoreError};

/// Where a recovery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Nothing is stopped.
    None,
    /// Push and seal are stopped until an operator gives the time.
    Suspected,
    /// Streams of orders are read again, and external systems are asked what they were sent.
    Orders,
    /// All other streams are read again.
    Rest,
}

/// The recovery row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// Where it stands.
    pub phase: Phase,
    /// Recoveries begun.
    pub epoch: i32,
    /// Why it is suspected, or what the operator gave as the reason.
    pub why: String,
    /// What shows that commits are lost, where something does.
    pub proven_loss: Option<String>,
    /// When it was suspected.
    pub suspected_at: Option<DateTime<Utc>>,
    /// When an operator last began one: what was lost before is settled.
    pub begun_at: Option<DateTime<Utc>>,
    /// From when on things may be lost.
    pub lost_since: Option<DateTime<Utc>>,
    /// Planning has caught up when nothing is due from before.
    pub settle_at: Option<DateTime<Utc>>,
    /// Revenue that waits for an operator to look at the books.
    pub books_held: bool,
}

/// What beginning a recovery does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Begun {
    /// Queued effects that count as perhaps sent.
    pub effects: u64,
    /// Mails among them; those whose parcels left before the stop count as sent.
    pub mails: u64,
    /// Streams to be read again.
    pub streams: u64,
    /// Unsealed batches that are given up for new ones.
    pub batches: u64,
    /// Open orders that are planned again.
    pub orders: u64,
}

impl Store {
    /// Compares the witness with the database over one connection, stops push and seal when the database was
    /// set back, and lets the file follow after a recovery. Nothing before the tables are there.
    ///
    /// # Errors
    /// The database's; the file's are logged and stop what is about to be sent.
    pub async fn watch(connection: &mut PgConnection, witness: &Witness) -> Result<(), StoreError> {
        // Taken before the rows are read: what is written meanwhile can only make the rows more.
        let Some(kept) = witness.kept() else {
            return Ok(());
        };
        let Some(db) = standing(connection).await? else {
            return Ok(());
        };
        judge(connection, witness, &kept, db).await
    }

    /// [`Store::watch`] over a connection of the pool.
    ///
    /// # Errors
    /// The database's.
    pub async fn watch_now(&self, witness: &Witness) -> Result<(), StoreError> {
        let mut connection = self.pool.acquire().await?;
        Self::watch(&mut connection, witness).await
    }

    /// [`Store::watch`] after a round was counted that the file had seen before ([`Kept::had_seen`]). One less is what the database
    /// knew of; by now its count may be the file's.
    ///
    /// # Errors
    /// The database's.
    pub async fn watch_round(
        &self,
        witness: &Witness,
        kept: &Kept,
        account: &str,
        round: i64,
    ) -> Result<(), StoreError> {
        let mut connection = self.pool.acquire().await?;
        let Some(mut db) = standing(&mut connection).await? else {
            return Ok(());
        };
        db.sent.insert(account.to_owned(), round - 1);
        judge(&mut connection, witness, kept, db).await
    }

    /// The recovery row.
    ///
    /// # Errors
    /// The database's.
    pub async fn recovery(&self) -> Result<Recovery, StoreError> {
        let row = sqlx::query!(
            "SELECT phase, epoch, why, proven_loss, suspected_at, begun_at, lost_since, settle_at, coalesce(books_upto, deposits_upto) AS books_upto FROM recovery"
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(Recovery {
            phase: match row.phase.as_str() {
                "suspected" => Phase::Suspected,
                "orders" => Phase::Orders,
                "rest" => Phase::Rest,
                _ => Phase::None,
            },
            epoch: row.epoch,
            why: row.why,
            proven_loss: row.proven_loss,
            suspected_at: row.suspected_at,
            begun_at: row.begun_at,
            lost_since: row.lost_since,
            settle_at: row.settle_at,
            books_held: row.books_upto.is_some(),
        })
    }

    /// Begins a recovery: everything queued counts as perhaps sent, unsealed batches are given up for such with
    /// new names, streams of these accounts are to be read again, open orders are planned again. A `dry` one is
    /// done and rolled back, so that its counts are true.
    ///
    /// # Errors
    /// [`StoreError::Refused`] for a time that has not come; the database's.
    pub async fn begin_recovery(
        &self,
        lost_since: DateTime<Utc>,
        accounts: &[String],
        reason: &str,
        actor: &str,
        dry: bool,
    ) -> Result<Begun, StoreError> {
        let mut tx = self.pool.begin().await?;
        let now = self.now_in(&mut tx).await?;
        if lost_since > now {
            return Err(StoreError::Refused(format!(
                "--lost-since {} has not come yet",
                lost_since.to_rfc3339()
            )));
        }
        sqlx::query!(
            "UPDATE recovery SET epoch = epoch + 1, suspected_at = CASE WHEN phase = 'none' THEN (SELECT hk_now()) ELSE suspected_at END,
               lost_until = CASE WHEN phase = 'none' THEN (SELECT hk_now()) ELSE suspected_at END,
               lost_since = CASE WHEN phase IN ('orders', 'rest') THEN least(lost_since, $1) ELSE $1 END, lost_first = least(lost_first, $1),
               phase = 'orders', proven_loss = NULL, begun_at = (SELECT hk_now()), why = $2, actor = $3, settle_at = NULL, lifted_at = NULL",
            lost_since, reason, actor
        )
        .execute(&mut *tx)
        .await?;
        let streams = sqlx::query!(
            "UPDATE streams t SET resync = 'wanted', due_at = least(due_at, (SELECT hk_now())) FROM accounts a WHERE a.id = t.account_id AND a.slug = ANY($1)",
            accounts
        )
        .execute(&mut *tx)
        .await?
        .rows_affected();
        sqlx::query!(
            "SELECT id FROM subjects WHERE id IN (SELECT subject_id FROM effects) OR id IN (SELECT subject_id FROM batches WHERE state = 'open')
               OR (kind = 'order' AND closed_at IS NULL) ORDER BY id FOR NO KEY UPDATE"
        )
        .fetch_all(&mut *tx)
        .await?;
        let queued = sqlx::query_scalar!(
            "UPDATE effects SET outcome_unknown = true, state = 'planned', token = NULL, lease_until = NULL, lookups = 0, not_found = 0, due_at = least(due_at, (SELECT hk_now())),
               first_sent_at = coalesce(first_sent_at, $1), last_sent_at = coalesce(last_sent_at, $1),
               error = 'may have been sent before the database was set back'
             WHERE state <> 'unresolved' RETURNING op",
            lost_since
        )
        .fetch_all(&mut *tx)
        .await?;
        // Their names may stand at an external system already, with other members.
        let open = sqlx::query_scalar!("SELECT subject_id FROM batches WHERE state = 'open'")
            .fetch_all(&mut *tx)
            .await?;
        end_empty(&mut tx, &open).await?;
        revive(&mut tx).await?;
        let orders = sqlx::query!(
            "UPDATE subjects SET plan_at = (SELECT hk_now()), plan_class = CASE WHEN plan_class = 0 AND plan_at IS NOT NULL THEN 0 ELSE 2 END
             WHERE kind = 'order' AND closed_at IS NULL"
        )
        .execute(&mut *tx)
        .await?
        .rows_affected();
        if !dry {
            tx.commit().await?;
        }
        Ok(Begun {
            effects: queued.len() as u64,
            mails: queued.iter().filter(|op| *op == "mail").count() as u64,
            streams,
            batches: open.len() as u64,
            orders,
        })
    }

    /// An operator knows that the switch to this server lost nothing: push and seal go on as they were. A `dry` one is done and
    /// rolled back.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when nothing is suspected, a loss is proven, or a recovery was interrupted; the database's.
    pub async fn deny_loss(&self, reason: &str, actor: &str, dry: bool) -> Result<(), StoreError> {
        let mut tx = self.pool.begin().await?;
        let row = sqlx::query!(
            r#"SELECT phase, proven_loss, lost_since IS NOT NULL AND lifted_at IS NULL AS "interrupted!" FROM recovery FOR UPDATE"#
        )
        .fetch_one(&mut *tx)
        .await?;
        let refused = match (row.phase.as_str(), row.proven_loss) {
            ("suspected", Some(proven)) => Some(format!(
                "commits are lost ({proven}): give --lost-since with the time of the backup or of the standby's last commit"
            )),
            ("suspected", None) if row.interrupted => Some(
                "this interrupted a recovery that was in progress: begin that one again with --lost-since".to_owned(),
            ),
            ("suspected", None) => None,
            _ => Some("no daemon suspects that the database lost commits: start one that ran until the switch".to_owned()),
        };
        if let Some(refused) = refused {
            return Err(StoreError::Refused(refused));
        }
        sqlx::query!(
            "UPDATE recovery SET epoch = epoch + 1, phase = 'none', why = $1, actor = $2",
            reason,
            actor
        )
        .execute(&mut *tx)
        .await?;
        if !dry {
            tx.commit().await?;
        }
        Ok(())
    }

    /// Streams of these accounts that are to be read again: account, name, cursor, and whether that has begun.
    ///
    /// # Errors
    /// The database's.
    pub async fn streams_again(
        &self,
    ) -> Result<Vec<(i16, String, Option<serde_json::Value>, bool)>, StoreError> {
        Ok(sqlx::query!(r#"SELECT account_id, name, cursor, (resync = 'running') AS "running!" FROM streams WHERE resync IS NOT NULL ORDER BY account_id, name"#)
            .fetch_all(&self.pool)
            .await?
            .into_iter()
            .map(|r| (r.account_id, r.name, r.cursor, r.running))
            .collect())
    }

    /// Sets a stream's cursor back; a page that is under way with the old one is rolled back.
    ///
    /// # Errors
    /// The database's.
    pub async fn rewind_stream(
        &self,
        owned: &OwnedAccount,
        name: &str,
        cursor: Option<serde_json::Value>,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE streams s SET cursor = $3, resync = 'running', seq = s.seq + 1, due_at = (SELECT hk_now())
             FROM accounts a WHERE a.id = $1 AND a.lease_token = $4 AND s.account_id = a.id AND s.name = $2 AND s.resync = 'wanted'",
            owned.id, name, cursor, owned.token
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Which (account, operation) was asked in this recovery what it was sent.
    ///
    /// # Errors
    /// The database's.
    pub async fn recalled(&self, epoch: i32) -> Result<Vec<(i16, String)>, StoreError> {
        Ok(sqlx::query!(
            "SELECT account_id, op FROM recovery_queries WHERE epoch = $1",
            epoch
        )
        .fetch_all(&self.pool)
        .await?
        .into_iter()
        .map(|r| (r.account_id, r.op))
        .collect())
    }

    /// Names of an account's batches that the database knows as sealed, or given up since.
    ///
    /// # Errors
    /// The database's.
    pub async fn sealed_names(&self, account_id: i16) -> Result<Vec<String>, StoreError> {
        Ok(sqlx::query_scalar!(
            "SELECT s.external_id FROM batches b JOIN subjects s ON s.id = b.subject_id WHERE b.account_id = $1 AND b.state IN ('sealed', 'done', 'abandoned')",
            account_id
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// An operator has taken the lost window's journals out of the books: its revenue is booked anew. Returns the
    /// names of those journals.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when no revenue waits for that.
    pub async fn release_books(&self) -> Result<Vec<String>, StoreError> {
        let freed = sqlx::query!(
            "UPDATE recovery SET books_upto = NULL, deposits_upto = NULL
             WHERE phase = 'none' AND (books_upto IS NOT NULL OR deposits_upto IS NOT NULL)"
        )
        .execute(&self.pool)
        .await?
        .rows_affected();
        if freed == 0 {
            return Err(StoreError::Refused(
                "no revenue waits for the books to be looked at".to_owned(),
            ));
        }
        self.lost_journals().await
    }

    /// Journals that were posted in the lost window.
    ///
    /// # Errors
    /// The database's.
    pub async fn lost_journals(&self) -> Result<Vec<String>, StoreError> {
        Ok(sqlx::query_scalar!(
            "SELECT file FROM unrecorded_sends WHERE op = 'post_journal' AND epoch = (SELECT epoch FROM recovery) ORDER BY file"
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Goes from one phase to the next once planning has caught up with what was read. True when it went.
    ///
    /// # Errors
    /// The database's.
    pub async fn advance_recovery(&self, phase: Phase) -> Result<bool, StoreError> {
        let mut tx = self.pool.begin().await?;
        let Some(row) = sqlx::query!("SELECT phase, settle_at FROM recovery FOR UPDATE")
            .fetch_optional(&mut *tx)
            .await?
        else {
            return Ok(false);
        };
        let word = if phase == Phase::Orders {
            "orders"
        } else {
            "rest"
        };
        if row.phase != word {
            return Ok(false);
        }
        let Some(settle_at) = row.settle_at else {
            revive(&mut tx).await?;
            sqlx::query!("UPDATE recovery SET settle_at = (SELECT hk_now())")
                .execute(&mut *tx)
                .await?;
            tx.commit().await?;
            return Ok(false);
        };
        let busy = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT FROM subjects WHERE kind = 'order' AND plan_at <= $1 AND plan_fails = 0) AS "busy!""#,
            settle_at
        )
        .fetch_one(&mut *tx)
        .await?;
        if busy {
            return Ok(false);
        }
        if phase == Phase::Orders {
            sqlx::query!("UPDATE recovery SET phase = 'rest', settle_at = NULL")
                .execute(&mut *tx)
                .await?;
        } else {
            sqlx::query!(
                "UPDATE recovery SET phase = 'none', settle_at = NULL, lifted_at = (SELECT hk_now()),
                   books_upto = CASE WHEN l.held THEN (SELECT max(id) FROM revenue_events) END,
                   deposits_upto = CASE WHEN l.held THEN (SELECT max(id) FROM deposit_postings) END
                 FROM (SELECT EXISTS (SELECT FROM unrecorded_sends l WHERE l.op = 'post_journal' AND l.epoch = r.epoch)
                   OR EXISTS (SELECT FROM recovery_queries c WHERE c.op = 'post_journal' AND c.epoch = r.epoch AND NOT c.can_list) AS held FROM recovery r) l"
            )
            .execute(&mut *tx)
            .await?;
            info!("the recovery is complete: push and seal go on");
        }
        // Orders decide shipments again now that everything sent is known.
        sqlx::query!(
            "WITH mine AS (
               SELECT id FROM subjects WHERE kind = 'order' AND closed_at IS NULL AND plan_fails = 0
                 AND status IN ('received', 'unallocated', 'backordered', 'allocated') ORDER BY id FOR NO KEY UPDATE)
             UPDATE subjects s SET plan_at = (SELECT hk_now()) FROM mine WHERE s.id = mine.id"
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(true)
    }
}

/// What a comparison leads to.
async fn judge(
    connection: &mut PgConnection,
    witness: &Witness,
    kept: &Kept,
    mut db: ServerState,
) -> Result<(), StoreError> {
    match compare(kept, &db) {
        Compared::Fine => {
            if witness.saw(&db) {
                let witness = witness.clone();
                let written = tokio::task::spawn_blocking(move || witness.keep()).await;
                if let Err(error) = written.map_err(std::io::Error::other).flatten() {
                    warn!(%error, "the witness file cannot be written: nothing is sent before it can");
                }
            }
            return Ok(());
        }
        Compared::First => {
            if db.has_sent() {
                warn!(
                    "this host has no record of what was sent, and the database has sent before: a loss of commits before now cannot be detected here. \
                     That is well on a new host. If the file `witness` was lost, or the database was restored or failed over meanwhile, stop the \
                     daemons and type `hikiate recover --lost-since TIME --dry-run --reason …`"
                );
            }
        }
        Compared::Recovered => {
            if let Kept::Record(record) = kept {
                let (slug, sent): (Vec<String>, Vec<i64>) = record.sent.clone().into_iter().unzip();
                let rows: Vec<(String, i64)> = sqlx::query_as(
                    "UPDATE accounts a SET send_seq = greatest(a.send_seq, t.n) FROM unnest($1::text[], $2::bigint[]) AS t (s, n)
                     WHERE a.slug = t.s RETURNING a.slug, a.send_seq",
                )
                .bind(&slug)
                .bind(&sent)
                .fetch_all(&mut *connection)
                .await?;
                db.sent.extend(rows);
            }
        }
        Compared::Behind(behind) => {
            suspect(connection, db.epoch, behind).await?;
            return Ok(());
        }
    }
    if let Err(error) = witness.follow(&db) {
        warn!(%error, "the witness file cannot be written: nothing is sent before it can");
    }
    Ok(())
}

/// Stops push and seal, and keeps what proves a loss: another process may see that where the first one did not. `lifted_at`
/// stays for [`Store::deny_loss`].
async fn suspect(
    connection: &mut PgConnection,
    epoch: i32,
    behind: Behind,
) -> Result<(), StoreError> {
    let Behind { why, proven } = behind;
    let told = sqlx::query(
        // A recovery that was begun since the rows were read is the operator's answer to just this.
        "UPDATE recovery SET proven_loss = CASE WHEN $3 THEN $1 END, why = CASE phase WHEN 'suspected' THEN why ELSE $1 END,
           suspected_at = CASE phase WHEN 'suspected' THEN suspected_at ELSE (SELECT hk_now()) END, phase = 'suspected'
         WHERE epoch = $2 AND (phase <> 'suspected' OR ($3 AND proven_loss IS NULL))",
    )
    .bind(&why)
    .bind(epoch)
    .bind(proven)
    .execute(&mut *connection)
    .await?
    .rows_affected();
    if told > 0 && proven {
        error!(
            why,
            "the database has lost recent commits: push and seal stop for all accounts; type `hikiate recover --lost-since TIME --dry-run --reason …`"
        );
    } else if told > 0 {
        error!(
            why,
            "the database may have lost recent commits: push and seal stop for all accounts; type `hikiate recover --lost-since TIME --dry-run --reason …`, \
             or `hikiate recover --nothing-lost --dry-run --reason …` where you know that the switch lost nothing"
        );
    }
    Ok(())
}

/// Orders of the lost window that came back with what we told their channel look as if others had handled them:
/// they are ours and go on. One that was ordered before the backup may have been read after it.
async fn revive(tx: &mut Transaction<'_, Postgres>) -> Result<(), StoreError> {
    sqlx::query!(
        "WITH mine AS (
           SELECT s.id FROM subjects s WHERE s.kind = 'order' AND s.origin = 'history' AND EXISTS (
             SELECT FROM facts f WHERE f.subject_id = s.id AND f.kind = 'order' AND f.happened_at >= (SELECT lost_since - interval '1 h' FROM recovery)
               AND strpos(f.body::text, '\"' || s.number || '-S') > 0)
           ORDER BY s.id FOR NO KEY UPDATE)
         UPDATE subjects s SET origin = 'live', closed_at = NULL, plan_at = (SELECT hk_now()), plan_class = 0 FROM mine WHERE s.id = mine.id"
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// What the database says, or nothing before its tables are there. A server that does not tell who it is
/// is known by its counts alone.
async fn standing(connection: &mut PgConnection) -> Result<Option<ServerState>, StoreError> {
    let there: bool = sqlx::query_scalar("SELECT to_regclass('recovery') IS NOT NULL")
        .fetch_one(&mut *connection)
        .await?;
    if !there {
        return Ok(None);
    }
    let (epoch, phase): (i32, String) = sqlx::query_as("SELECT epoch, phase FROM recovery")
        .fetch_one(&mut *connection)
        .await?;
    let sent: Vec<(String, i64)> = sqlx::query_as("SELECT slug, send_seq FROM accounts")
        .fetch_all(&mut *connection)
        .await?;
    let system = told(
        sqlx::query_scalar("SELECT system_identifier::text FROM pg_control_system()")
            .fetch_one(&mut *connection)
            .await,
    )?;
    // The control file shows a promotion only after the next checkpoint; the log's name shows it at once.
    let timeline = told(
        sqlx::query_scalar(
            "SELECT ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int",
        )
        .fetch_one(&mut *connection)
        .await,
    )?;
    // What is flushed is all that a crash of the machine leaves; what is only written may be gone after it.
    let flushed = told(
        sqlx::query_scalar("SELECT (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::bigint")
            .fetch_one(&mut *connection)
            .await,
    )?;
    Ok(Some(ServerState {
        epoch,
        recovering: phase == "orders" || phase == "rest",
        system,
        timeline,
        flushed,
        sent: sent.into_iter().collect::<BTreeMap<_, _>>(),
    }))
}

/// A refusal of the server to tell is no failure.
fn told<T>(answer: Result<T, sqlx::Error>) -> Result<Option<T>, StoreError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(sqlx::Error::Database(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
