//! What commands, metrics and the demo read. Nothing here locks or changes anything.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{Store, StoreError};
use crate::facts::words;

/// A row of `order list`.
#[derive(Clone, Debug, Serialize)]
pub struct OrderRow {
    /// Our number.
    pub number: String,
    /// Channel account.
    pub channel: String,
    /// The channel's id.
    pub external_id: String,
    /// The number that the customer knows; empty for an order that was not read yet.
    pub display: String,
    /// Derived status.
    pub status: String,
    /// The first gate that fails.
    pub blocked_by: Option<String>,
    /// `live`, `history` or `stub`.
    pub origin: String,
    /// When it was stored.
    pub created_at: DateTime<Utc>,
}

/// Filters of `order list`.
#[derive(Clone, Debug, Default)]
pub struct OrderFilter {
    /// One channel.
    pub channel: Option<String>,
    /// One status.
    pub status: Option<String>,
    /// One gate, by its beginning.
    pub blocked_by: Option<String>,
    /// Rows at the most.
    pub limit: i64,
}

/// Stock of one item in one warehouse.
#[derive(Clone, Debug, Serialize)]
pub struct StockRow {
    /// Item code.
    pub item: String,
    /// Warehouse.
    pub warehouse: String,
    /// Counted, moved on by what left since.
    pub on_hand: i64,
    /// Reserved softly.
    pub reserved: i64,
    /// Allocated for good.
    pub allocated: i64,
    /// May still be given.
    #[serde(rename = "available")]
    pub free: i64,
    /// When it was counted.
    pub as_of: DateTime<Utc>,
    /// The record of the quarantine that keeps this count from being replaced, where one does.
    pub unread: Option<i64>,
}

/// A row of `stream list`.
#[derive(Clone, Debug, Serialize)]
pub struct StreamRow {
    /// Account.
    pub account: String,
    /// Stream.
    pub stream: String,
    /// Last page.
    pub page_at: Option<DateTime<Utc>>,
    /// Next page.
    pub due_at: DateTime<Utc>,
    /// Failures in a row.
    pub fails: i16,
    /// The last failure.
    pub error: Option<String>,
    /// What waits at the external system and is not read.
    pub waiting: Option<String>,
    /// Who owns the account.
    pub owner: Option<String>,
    /// Why the account is paused.
    pub paused: Option<String>,
}

/// A row of `effect list`.
#[derive(Clone, Debug, Serialize)]
pub struct EffectRow {
    /// Names it in `effect resolve`.
    pub id: i64,
    /// Order or batch number.
    pub subject: String,
    /// Account.
    pub account: String,
    /// Operation.
    pub op: String,
    /// Business key.
    pub key: String,
    /// `planned`, `leased`, `sending`, `unresolved`.
    pub state: String,
    /// A try may have happened.
    pub outcome_unknown: bool,
    /// Times sent.
    pub sends: i16,
    /// Due.
    pub due_at: DateTime<Utc>,
    /// What was sent, for an operator.
    pub label: Option<String>,
    /// The last error.
    pub error: Option<String>,
    /// An operator has paused its account.
    pub paused: Option<String>,
}

/// A row of `quarantine list`.
#[derive(Clone, Debug, Serialize)]
pub struct QuarantineRow {
    /// Names it.
    pub id: i64,
    /// Account.
    pub account: String,
    /// Stream.
    pub stream: String,
    /// The order's id, the shipment's reference or the item's code, where readable.
    pub external_id: Option<String>,
    /// The file it stood in.
    pub file: Option<String>,
    /// Why.
    pub reason: String,
    /// First seen.
    pub first_at: DateTime<Utc>,
    /// Last seen.
    pub last_at: DateTime<Utc>,
    /// How often.
    pub seen: i32,
}

/// A record that is in quarantine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenRecord {
    /// Names it.
    pub id: i64,
    /// Account.
    pub account: String,
    /// First seen.
    pub first_at: DateTime<Utc>,
}

/// What `quarantine show` has beside a row of the list.
#[derive(Clone, Debug)]
pub struct Quarantined {
    /// The bytes.
    pub raw: Vec<u8>,
    /// Since when it is out of quarantine.
    pub out_at: Option<DateTime<Utc>>,
    /// An operator said so; else it, or a good record of the same thing, was understood.
    pub dismissed: bool,
}

/// A fact as listed by `order show`.
#[derive(Clone, Debug, Serialize)]
pub struct FactLine {
    /// When it was stored.
    pub recorded_at: DateTime<Utc>,
    /// Its key.
    pub key: String,
    /// Its class.
    pub class: String,
    /// Who.
    pub actor: String,
    /// Its body.
    pub body: serde_json::Value,
}

impl Store {
    /// Orders, newest first.
    ///
    /// # Errors
    /// The database's.
    pub async fn list_orders(&self, filter: &OrderFilter) -> Result<Vec<OrderRow>, StoreError> {
        Ok(sqlx::query_as!(
            OrderRow,
            r#"SELECT s.number, a.slug AS channel, s.external_id,
               coalesce((SELECT f.body #>> '{order,display}' FROM facts f WHERE f.subject_id = s.id AND f.kind = 'order' ORDER BY f.id DESC LIMIT 1), '') AS "display!", s.status, s.blocked_by, s.origin, s.created_at
             FROM subjects s JOIN accounts a ON a.id = s.account_id
             WHERE s.kind = 'order' AND ($1::text IS NULL OR a.slug = $1) AND ($2::text IS NULL OR s.status = $2)
               AND ($3::text IS NULL OR s.blocked_by LIKE $3 || '%') ORDER BY s.id DESC LIMIT $4"#,
            filter.channel, filter.status, filter.blocked_by, filter.limit
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Orders per status.
    ///
    /// # Errors
    /// The database's.
    pub async fn count_orders(&self) -> Result<Vec<(String, i64)>, StoreError> {
        Ok(sqlx::query!(r#"SELECT status, count(*) AS "n!" FROM subjects WHERE kind = 'order' GROUP BY status ORDER BY status"#)
            .fetch_all(&self.pool)
            .await?
            .into_iter()
            .map(|r| (r.status, r.n))
            .collect())
    }

    /// Stock of all items or one.
    ///
    /// # Errors
    /// The database's.
    pub async fn list_stock(&self, item: Option<&str>) -> Result<Vec<StockRow>, StoreError> {
        Ok(sqlx::query_as!(
            StockRow,
            r#"SELECT i.code AS item, l.slug AS warehouse, h.on_hand AS "on_hand!", r.soft AS "reserved!", r.firm AS "allocated!",
                 h.on_hand - r.soft - r.firm AS "free!", s.counted_at AS "as_of!",
                 (SELECT min(q.id) FROM quarantine q JOIN stock k ON k.code = q.external_id AND k.item_id = s.item_id AND k.location_id = s.location_id
                  WHERE q.account_id = l.account_id AND q.resolved_at IS NULL) AS unread
               FROM stock_levels s JOIN items i ON i.id = s.item_id JOIN locations l ON l.id = s.location_id
               CROSS JOIN LATERAL (SELECT hk_on_hand(s.item_id, s.location_id) AS on_hand) h
               CROSS JOIN LATERAL (SELECT coalesce(sum(v.qty) FILTER (WHERE NOT v.firm), 0)::bigint AS soft, coalesce(sum(v.qty) FILTER (WHERE v.firm), 0)::bigint AS firm
                 FROM reservations v WHERE v.item_id = s.item_id AND v.location_id = s.location_id) r
               WHERE ($1::text IS NULL OR i.code = $1) ORDER BY i.code, l.slug"#,
            item
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Streams with their cursors' age.
    ///
    /// # Errors
    /// The database's.
    pub async fn list_streams(&self) -> Result<Vec<StreamRow>, StoreError> {
        Ok(sqlx::query_as!(
            StreamRow,
            "SELECT a.slug AS account, t.name AS stream, t.page_at, t.due_at, t.fails, t.error, t.waiting, a.owner, nullif(concat_ws('; ', a.paused,
                 (SELECT 'reading is paused by ' || p.actor || ': ' || p.reason FROM account_pauses p WHERE p.account_id = a.id AND p.what = 'reads')), '') AS paused
             FROM streams t JOIN accounts a ON a.id = t.account_id ORDER BY a.slug, t.name"
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// The queue, unresolved first.
    ///
    /// # Errors
    /// The database's.
    pub async fn list_effects(
        &self,
        unresolved_only: bool,
        limit: i64,
    ) -> Result<Vec<EffectRow>, StoreError> {
        Ok(sqlx::query_as!(
            EffectRow,
            "SELECT e.id, s.number AS subject, a.slug AS account, e.op, f.key, e.state, e.outcome_unknown, e.sends, e.due_at, e.label, e.error,
               (SELECT 'paused by ' || p.actor || ': ' || p.reason FROM account_pauses p WHERE p.account_id = a.id AND p.what = 'writes') AS paused
             FROM effects e JOIN subjects s ON s.id = e.subject_id JOIN accounts a ON a.id = e.account_id JOIN facts f ON f.id = e.intent_id
             WHERE NOT $1 OR e.state = 'unresolved' ORDER BY e.state = 'unresolved' DESC, e.due_at, e.id LIMIT $2",
            unresolved_only, limit
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Records that could not be understood.
    ///
    /// # Errors
    /// The database's.
    pub async fn list_quarantine(&self) -> Result<Vec<QuarantineRow>, StoreError> {
        Ok(sqlx::query_as!(
            QuarantineRow,
            "SELECT q.id, a.slug AS account, q.stream, q.external_id, q.file, q.reason, q.first_at, q.last_at, q.seen
             FROM quarantine q JOIN accounts a ON a.id = q.account_id WHERE q.resolved_at IS NULL ORDER BY q.id"
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Which records are in quarantine; without what the list says of them, as this is asked often.
    ///
    /// # Errors
    /// The database's.
    pub async fn open_quarantine(&self) -> Result<Vec<OpenRecord>, StoreError> {
        Ok(sqlx::query_as!(
            OpenRecord,
            "SELECT q.id, a.slug AS account, q.first_at FROM quarantine q JOIN accounts a ON a.id = q.account_id WHERE q.resolved_at IS NULL ORDER BY q.id"
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// How many records are in quarantine, by account.
    ///
    /// # Errors
    /// The database's.
    pub async fn count_quarantine(&self) -> Result<Vec<(String, i64)>, StoreError> {
        Ok(sqlx::query!(
            r#"SELECT a.slug, count(*) AS "n!" FROM quarantine q JOIN accounts a ON a.id = q.account_id WHERE q.resolved_at IS NULL GROUP BY a.slug"#
        )
        .fetch_all(&self.pool)
        .await?
        .into_iter()
        .map(|row| (row.slug, row.n))
        .collect())
    }

    /// The bytes of a quarantined record.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn quarantined(&self, id: i64) -> Result<Quarantined, StoreError> {
        sqlx::query_as!(Quarantined, r#"SELECT raw, resolved_at AS out_at, dismissed_at IS NOT NULL AS "dismissed!" FROM quarantine WHERE id = $1"#, id)
            .fetch_optional(&self.pool)
            .await?
            .ok_or_else(|| {
                StoreError::NotFound(format!(
                    "no quarantined record {id}: `hikiate quarantine list` shows them"
                ))
            })
    }

    /// Records of the quarantine about an order or a shipment of it.
    ///
    /// # Errors
    /// The database's.
    pub async fn quarantined_of(&self, subject_id: i64) -> Result<Vec<QuarantineRow>, StoreError> {
        Ok(sqlx::query_as!(
            QuarantineRow,
            "SELECT q.id, a.slug AS account, q.stream, q.external_id, q.file, q.reason, q.first_at, q.last_at, q.seen
             FROM quarantine q JOIN accounts a ON a.id = q.account_id
             WHERE q.resolved_at IS NULL AND (EXISTS (SELECT FROM aliases n WHERE n.subject_id = $1 AND n.account_id = q.account_id AND n.kind = 'shipment' AND n.external_id = q.external_id)
               OR q.stream = 'orders' AND EXISTS (SELECT FROM subjects s WHERE s.id = $1 AND s.account_id = q.account_id AND s.external_id = q.external_id))
             ORDER BY q.id",
            subject_id
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// A subject's facts in stored order.
    ///
    /// # Errors
    /// The database's.
    pub async fn list_facts(&self, subject_id: i64) -> Result<Vec<FactLine>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT f.recorded_at, f.key, f.class, f.kind, f.actor, f.body, w.words AS "words?" FROM facts f
                 LEFT JOIN fact_words w ON w.subject_id = f.subject_id AND w.key = f.key
               WHERE f.subject_id = $1 ORDER BY f.id"#,
            subject_id
        )
        .fetch_all(&self.pool)
        .await?;
        let mut lines = Vec::with_capacity(rows.len());
        for mut row in rows {
            if let Some(said) = row.words {
                words::put(&row.kind, &mut row.body, said);
            }
            lines.push(FactLine {
                recorded_at: row.recorded_at,
                key: row.key,
                class: row.class,
                actor: row.actor,
                body: row.body,
            });
        }
        Ok(lines)
    }
}
