//! Channels: whether hikiate acts for them, beginning and stopping, and what becomes of older orders.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use hikiate_sdk::AccountSlug;
use serde::Serialize;
use sqlx::{Postgres, Transaction};

use super::facts::{FactRows, insert_facts};
use super::{Store, StoreError};
use crate::facts::{ClassFact, FactBody, OrderClass};
use crate::plan::types::Begin;
use crate::policy::Policy;

/// A channel's row.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ChannelRow {
    always: bool,
    begun_at: Option<DateTime<Utc>>,
    from_at: Option<DateTime<Utc>>,
    left_until: Option<DateTime<Utc>>,
    known_at: Option<DateTime<Utc>>,
    stopped_at: Option<DateTime<Utc>>,
}

impl ChannelRow {
    fn acts(&self) -> bool {
        self.always || (self.begun_at.is_some() && self.stopped_at.is_none())
    }

    /// As an order that was stored then is planned with.
    pub(super) fn begin(&self, stored_at: DateTime<Utc>) -> Begin {
        if self.always {
            return Begin::always();
        }
        Begin {
            from: self.from_at.filter(|_| self.acts()),
            begun_at: self.begun_at,
            left_until: self.left_until,
            known: self.known_at.is_some_and(|at| stored_at <= at),
        }
    }
}

/// How a channel begins.
#[derive(Clone, Debug)]
pub struct BeginTerms {
    /// Orders placed at or after this are ours; `None` for a channel that has begun.
    pub from: Option<DateTime<Utc>>,
    /// Orders left to the system before are given up then.
    pub left_until: Option<DateTime<Utc>>,
    /// Why.
    pub reason: String,
    /// Who.
    pub actor: String,
    /// The day in the shop's zone.
    pub today: NaiveDate,
}

/// An order of a channel with what it was last read as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Row id.
    pub id: i64,
    /// Our number.
    pub number: String,
    /// The reading, in short: differs once the channel shows something else.
    pub seen: String,
    /// Nothing is open of it.
    pub closed: bool,
    /// Its names and addresses were deleted.
    pub purged: bool,
}

/// Whether hikiate acts for a channel, and since which orders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Beginning {
    /// It has begun and was not stopped.
    pub acts: bool,
    /// Orders placed from then on are ours, or were before it was stopped; `None` for one that never began, or that began
    /// for all time.
    pub from: Option<DateTime<Utc>>,
}

/// The class of an older order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Classed {
    /// The order and the reading it was decided on.
    pub order: Listed,
    /// The class.
    pub class: OrderClass,
}

/// What a stopped channel leaves behind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Unbegun {
    /// Calls that are withdrawn.
    pub withdrawn: i64,
    /// Calls under way at this moment.
    pub sending: i64,
    /// Calls that may have happened; they are looked up once the channel is begun again.
    pub unknown: i64,
    /// Shipments taken out of open waves.
    pub waiting: i64,
    /// Shipments that are sealed or with a warehouse and have not left.
    pub instructed: i64,
    /// Sealed batches with orders of this channel that are not sent yet; they go out.
    pub batches: Vec<String>,
    /// Revenue events that no journal has yet.
    pub revenue: i64,
}

/// A reading in short.
fn seen(n: i32, hash: &[u8]) -> String {
    let head = hash.get(..4).unwrap_or(hash);
    format!("{n}-{}", hex::encode(head))
}

impl Store {
    /// Every channel's row.
    pub(super) async fn begins(
        tx: &mut Transaction<'_, Postgres>,
    ) -> Result<BTreeMap<i16, ChannelRow>, StoreError> {
        let rows = sqlx::query!(
            "SELECT account_id, always, begun_at, from_at, left_until, known_at, stopped_at FROM channel_begins"
        )
        .fetch_all(&mut **tx)
        .await?;
        Ok(rows
            .into_iter()
            .map(|r| {
                (
                    r.account_id,
                    ChannelRow {
                        always: r.always,
                        begun_at: r.begun_at,
                        from_at: r.from_at,
                        left_until: r.left_until,
                        known_at: r.known_at,
                        stopped_at: r.stopped_at,
                    },
                )
            })
            .collect())
    }

    /// Channels of the policy that count as begun for all time, and that no longer do.
    pub(super) async fn begin_always(
        tx: &mut Transaction<'_, Postgres>,
        policy: &Policy,
    ) -> Result<(), StoreError> {
        let slugs: Vec<String> = policy.channels.keys().map(ToString::to_string).collect();
        let always: Vec<bool> = policy.channels.values().map(|c| c.begun).collect();
        sqlx::query!(
            "INSERT INTO channel_begins (account_id, always)
             SELECT a.id, true FROM unnest($1::text[], $2::bool[]) AS t (s, b) JOIN accounts a ON a.slug = t.s
             WHERE t.b AND NOT EXISTS (SELECT FROM channel_begins c WHERE c.account_id = a.id) ORDER BY 1 ON CONFLICT (account_id) DO NOTHING",
            &slugs, &always
        )
        .execute(&mut **tx)
        .await?;
        sqlx::query!(
            "UPDATE channel_begins c SET always = t.b FROM unnest($1::text[], $2::bool[]) AS t (s, b) JOIN accounts a ON a.slug = t.s
             WHERE c.account_id = a.id AND c.always <> t.b",
            &slugs, &always
        )
        .execute(&mut **tx)
        .await?;
        Ok(())
    }

    /// Those of these channels that hikiate does not act for.
    ///
    /// # Errors
    /// The database's.
    pub async fn not_begun(&self, channels: &[AccountSlug]) -> Result<Vec<String>, StoreError> {
        let slugs: Vec<String> = channels.iter().map(ToString::to_string).collect();
        Ok(sqlx::query_scalar!(
            "SELECT slug FROM accounts WHERE slug = ANY($1) AND NOT hk_acts(id) ORDER BY slug",
            &slugs
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// How a channel stands.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for an account that the database has never seen.
    pub async fn beginning(&self, channel: &AccountSlug) -> Result<Beginning, StoreError> {
        let mut tx = self.pool.begin().await?;
        let id = Self::channel_id(&mut tx, channel).await?;
        let row = Self::begins(&mut tx).await?.remove(&id).unwrap_or_default();
        Ok(Beginning {
            acts: row.acts(),
            from: row.from_at,
        })
    }

    /// Orders of a channel that were read and are open, were placed at or after `from`, or are named, by id.
    ///
    /// # Errors
    /// The database's.
    pub async fn orders_to_class(
        &self,
        channel: &AccountSlug,
        from: DateTime<Utc>,
        named: &[i64],
    ) -> Result<Vec<Listed>, StoreError> {
        Ok(sqlx::query!(
            r#"SELECT s.id, s.number, h.revision, h.hash, s.closed_at IS NOT NULL AS "closed!", s.purged_at IS NOT NULL AS "purged!" FROM subjects s JOIN accounts a ON a.id = s.account_id
               JOIN latest_observations h ON h.subject_id = s.id AND h.kind = 'order' AND h.series = ''
             WHERE a.slug = $1 AND s.kind = 'order' AND (s.closed_at IS NULL OR s.id = ANY($2)
               OR EXISTS (SELECT FROM facts f WHERE f.subject_id = s.id AND f.kind = 'order' AND f.happened_at >= $3)) ORDER BY s.id"#,
            channel.as_str(),
            named,
            from
        )
        .fetch_all(&self.pool)
        .await?
        .into_iter()
        .map(|row| Listed { id: row.id, number: row.number, seen: seen(row.revision, &row.hash), closed: row.closed, purged: row.purged })
        .collect())
    }

    /// References that a shipment of ours has already, of these.
    ///
    /// # Errors
    /// The database's.
    pub async fn known_references(&self, references: &[String]) -> Result<Vec<String>, StoreError> {
        Ok(sqlx::query_scalar!(
            "SELECT reference FROM shipments WHERE reference = ANY($1) ORDER BY reference",
            references
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Quarantined records of warehouses that name one of these references.
    ///
    /// # Errors
    /// The database's.
    pub async fn quarantined_under(
        &self,
        references: &[String],
    ) -> Result<Vec<(i64, String)>, StoreError> {
        Ok(sqlx::query!(
            r#"SELECT id, external_id AS "external_id!" FROM quarantine WHERE resolved_at IS NULL AND external_id = ANY($1) ORDER BY id"#,
            references
        )
        .fetch_all(&self.pool)
        .await?
        .into_iter()
        .map(|row| (row.id, row.external_id))
        .collect())
    }

    /// Begins a channel and stores the classes of its older orders, all or nothing. On a channel that has begun only the
    /// classes are stored. Returns whether it had begun before.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when an order has changed since it was listed, is ours already, or the channel began with
    /// another time; the database's.
    pub async fn begin(
        &self,
        channel: &AccountSlug,
        terms: &BeginTerms,
        classes: &[Classed],
    ) -> Result<bool, StoreError> {
        let mut tx = self.pool.begin().await?;
        let id = Self::lock_channel(&mut tx, channel).await?;
        let ids: Vec<i64> = classes.iter().map(|c| c.order.id).collect();
        Self::lock_orders(&mut tx, id, terms.from, &ids).await?;
        let before = Self::begins(&mut tx).await?.remove(&id).unwrap_or_default();
        if before.always {
            return Err(StoreError::Refused(always(channel)));
        }
        let acts = before.acts();
        let from = match (acts, terms.from, before.from_at) {
            (true, Some(wanted), Some(is)) if wanted != is => {
                return Err(StoreError::Refused(format!(
                    "channel {channel} has begun with orders placed from {} on; to begin it with another time, stop it first: hikiate unbegin {channel} --reason TEXT",
                    is.to_rfc3339()
                )));
            }
            (true, _, is) => is,
            (false, wanted, _) => wanted,
        };
        let Some(from) = from else {
            return Err(StoreError::Refused(format!(
                "channel {channel} has not begun: say from when on orders are ours with --from TIME"
            )));
        };
        Self::unchanged(&mut tx, classes).await?;
        let now = sqlx::query_scalar!(r#"SELECT hk_now() AS "now!""#)
            .fetch_one(&mut *tx)
            .await?;
        let mut counts: BTreeMap<i64, i64> = sqlx::query!(
            r#"SELECT subject_id, count(*) AS "n!" FROM facts WHERE subject_id = ANY($1) AND kind = 'class' GROUP BY 1"#,
            &ids
        )
        .fetch_all(&mut *tx)
        .await?
        .into_iter()
        .map(|row| (row.subject_id, row.n))
        .collect();
        let mut rows = FactRows::default();
        for Classed { order, class } in classes {
            let n = counts.entry(order.id).or_default();
            *n += 1;
            let body = FactBody::Class(ClassFact {
                class: class.clone(),
                reason: terms.reason.clone(),
            });
            rows.push(
                order.id,
                format!("class:person:{n}"),
                &body,
                body.to_json()?,
                now,
                now,
                terms.today,
            );
        }
        insert_facts(&mut tx, &rows, &terms.actor, None, false).await?;
        sqlx::query!(
            "INSERT INTO channel_begins (account_id, begun_at, from_at, left_until, actor, reason) VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (account_id) DO UPDATE SET left_until = coalesce(excluded.left_until, channel_begins.left_until),
               begun_at = CASE WHEN $7 THEN channel_begins.begun_at ELSE excluded.begun_at END, from_at = excluded.from_at,
               actor = CASE WHEN $7 THEN channel_begins.actor ELSE excluded.actor END, reason = CASE WHEN $7 THEN channel_begins.reason ELSE excluded.reason END,
               stopped_at = NULL, stopped_by = NULL, stopped_why = NULL",
            id, now, from, terms.left_until, terms.actor, terms.reason, acts
        )
        .execute(&mut *tx)
        .await?;
        Self::wake(&mut tx, id, Some(from), &ids).await?;
        tx.commit().await?;
        self.wake_again(id, Some(from)).await?;
        Ok(acts)
    }

    /// Stops all calls for a channel: nothing of it is claimed, sealed or booked until it is begun again.
    ///
    /// # Errors
    /// [`StoreError::Refused`] for one that has not begun; the database's.
    pub async fn unbegin(
        &self,
        channel: &AccountSlug,
        reason: &str,
        actor: &str,
    ) -> Result<Unbegun, StoreError> {
        let mut tx = self.pool.begin().await?;
        let id = Self::lock_channel(&mut tx, channel).await?;
        Self::lock_orders(&mut tx, id, None, &[]).await?;
        let before = Self::begins(&mut tx).await?.remove(&id).unwrap_or_default();
        if before.always {
            return Err(StoreError::Refused(always(channel)));
        }
        if !before.acts() {
            return Err(StoreError::Refused(format!(
                "channel {channel} has not begun: nothing is sent for it"
            )));
        }
        sqlx::query!(
            "UPDATE channel_begins SET stopped_at = (SELECT hk_now()), stopped_by = $2, stopped_why = $3 WHERE account_id = $1",
            id, actor, reason
        )
        .execute(&mut *tx)
        .await?;
        // A claim that was made before is void: its sender finds another token, and sends nothing.
        sqlx::query!(
            "UPDATE effects e SET state = 'planned', token = NULL, lease_until = NULL FROM subjects s
             WHERE s.id = e.subject_id AND s.account_id = $1 AND s.kind = 'order' AND e.state = 'leased'",
            id
        )
        .execute(&mut *tx)
        .await?;
        let row = sqlx::query!(
            r#"SELECT q.withdrawn AS "withdrawn!", q.sending AS "sending!", q.unknown AS "unknown!", g.waiting AS "waiting!", g.instructed AS "instructed!",
                 (SELECT count(*) FROM revenue_events WHERE channel_id = $1 AND batch_id IS NULL)
                   + (SELECT count(*) FROM deposit_postings WHERE channel_id = $1 AND batch_id IS NULL) AS "revenue!"
               FROM (SELECT count(*) FILTER (WHERE e.state = 'planned' AND NOT e.outcome_unknown) AS withdrawn, count(*) FILTER (WHERE e.state = 'sending') AS sending,
                   count(*) FILTER (WHERE e.state = 'unresolved' OR (e.state = 'planned' AND e.outcome_unknown)) AS unknown
                 FROM effects e JOIN subjects s ON s.id = e.subject_id WHERE s.account_id = $1 AND s.kind = 'order') q
               CROSS JOIN (SELECT count(*) FILTER (WHERE h.state = 'waiting') AS waiting, count(*) FILTER (WHERE h.state = 'instructed') AS instructed
                 FROM shipments h JOIN subjects s ON s.id = h.subject_id WHERE s.account_id = $1) g"#,
            id
        )
        .fetch_one(&mut *tx)
        .await?;
        let batches = sqlx::query_scalar!(
            "SELECT DISTINCT b.number FROM effects e JOIN subjects b ON b.id = e.subject_id AND b.kind = 'batch'
               JOIN shipments h ON h.batch_id = b.id JOIN subjects s ON s.id = h.subject_id
             WHERE e.op = 'instruct' AND e.state IN ('planned', 'leased') AND s.account_id = $1 ORDER BY 1",
            id
        )
        .fetch_all(&mut *tx)
        .await?;
        Self::wake(&mut tx, id, None, &[]).await?;
        tx.commit().await?;
        self.wake_again(id, None).await?;
        Ok(Unbegun {
            withdrawn: row.withdrawn,
            sending: row.sending,
            unknown: row.unknown,
            waiting: row.waiting,
            instructed: row.instructed,
            batches,
            revenue: row.revenue,
        })
    }

    async fn channel_id(
        tx: &mut Transaction<'_, Postgres>,
        channel: &AccountSlug,
    ) -> Result<i16, StoreError> {
        sqlx::query_scalar!("SELECT id FROM accounts WHERE slug = $1", channel.as_str())
            .fetch_optional(&mut **tx)
            .await?
            .ok_or_else(|| unseen(channel))
    }

    async fn lock_channel(
        tx: &mut Transaction<'_, Postgres>,
        channel: &AccountSlug,
    ) -> Result<i16, StoreError> {
        sqlx::query_scalar!(
            "SELECT id FROM accounts WHERE slug = $1 FOR NO KEY UPDATE",
            channel.as_str()
        )
        .fetch_optional(&mut **tx)
        .await?
        .ok_or_else(|| unseen(channel))
    }

    /// Locks what the beginning of a channel may change: open orders, what was closed although it was placed after it,
    /// and what is named.
    async fn lock_orders(
        tx: &mut Transaction<'_, Postgres>,
        channel: i16,
        from: Option<DateTime<Utc>>,
        named: &[i64],
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "SELECT s.id FROM subjects s WHERE s.id = ANY($3) OR (s.account_id = $1 AND s.kind = 'order' AND (s.closed_at IS NULL
               OR EXISTS (SELECT FROM effects e WHERE e.subject_id = s.id)
               OR EXISTS (SELECT FROM facts f WHERE f.subject_id = s.id AND f.kind = 'order' AND f.happened_at >= $2::timestamptz)))
             ORDER BY s.id FOR NO KEY UPDATE",
            channel, from, named
        )
        .fetch_all(&mut **tx)
        .await?;
        Ok(())
    }

    /// Refuses classes of orders that have changed since they were listed or are ours already.
    async fn unchanged(
        tx: &mut Transaction<'_, Postgres>,
        classes: &[Classed],
    ) -> Result<(), StoreError> {
        let ids: Vec<i64> = classes.iter().map(|c| c.order.id).collect();
        let heads: BTreeMap<i64, String> = sqlx::query!(
            "SELECT subject_id, revision, hash FROM latest_observations WHERE subject_id = ANY($1) AND kind = 'order' AND series = ''",
            &ids
        )
        .fetch_all(&mut **tx)
        .await?
        .into_iter()
        .map(|row| (row.subject_id, seen(row.revision, &row.hash)))
        .collect();
        let acted: BTreeSet<i64> = sqlx::query_scalar!(
            "SELECT DISTINCT subject_id FROM facts WHERE subject_id = ANY($1) AND class = 'intent'",
            &ids
        )
        .fetch_all(&mut **tx)
        .await?
        .into_iter()
        .collect();
        let mut wrong = Vec::new();
        for Classed { order, .. } in classes {
            if heads.get(&order.id) != Some(&order.seen) {
                wrong.push(format!(
                    "order {} has changed since it was listed",
                    order.number
                ));
            } else if acted.contains(&order.id) {
                wrong.push(format!(
                    "order {} is ours already: calls were made for it",
                    order.number
                ));
            }
        }
        if wrong.is_empty() {
            return Ok(());
        }
        Err(StoreError::Refused(format!(
            "{}\nnothing was done; look again with --dry-run",
            wrong.join("\n")
        )))
    }

    /// The orders of a channel are planned again, behind all new input.
    async fn wake(
        tx: &mut Transaction<'_, Postgres>,
        channel: i16,
        from: Option<DateTime<Utc>>,
        named: &[i64],
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "WITH mine AS (
               SELECT s.id FROM subjects s WHERE s.id = ANY($3) OR (s.account_id = $1 AND s.kind = 'order' AND (s.closed_at IS NULL
                 OR EXISTS (SELECT FROM effects e WHERE e.subject_id = s.id)
                 OR EXISTS (SELECT FROM facts f WHERE f.subject_id = s.id AND f.kind = 'order' AND f.happened_at >= $2::timestamptz)))
               ORDER BY s.id FOR NO KEY UPDATE)
             UPDATE subjects s SET plan_class = CASE WHEN s.plan_at IS NOT NULL AND s.plan_class = 0 THEN 0 ELSE 2 END,
               plan_at = least(s.plan_at, (SELECT hk_now())) FROM mine WHERE s.id = mine.id",
            channel, from, named
        )
        .execute(&mut **tx)
        .await?;
        Ok(())
    }

    /// Once more after the commit: an order that was stored and planned meanwhile has not seen it.
    async fn wake_again(
        &self,
        channel: i16,
        from: Option<DateTime<Utc>>,
    ) -> Result<(), StoreError> {
        let mut tx = self.pool.begin().await?;
        Self::wake(&mut tx, channel, from, &[]).await?;
        tx.commit().await?;
        Ok(())
    }
}

fn unseen(channel: &AccountSlug) -> StoreError {
    StoreError::NotFound(format!(
        "the database has no account {channel}: start the daemon once, so that it reads the channel's orders"
    ))
}

fn always(channel: &AccountSlug) -> String {
    format!(
        "the configuration says that channel {channel} counts as begun for all time: take begin = \"all\" out of [channels.{channel}] and restart"
    )
}
