//! Stock levels as counted: a new base, never a compensating movement.

use chrono::{DateTime, Utc};
use sqlx::{Postgres, Transaction};

use super::{Store, StoreError};

/// A stock level to store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncomingStock {
    /// The warehouse's code of the item.
    pub code: String,
    /// Which warehouse.
    pub location_id: i16,
    /// On the shelf and sellable.
    pub quantity: i64,
    /// When it was counted; `None` is when it was asked for.
    pub as_of: Option<DateTime<Utc>>,
}

impl Store {
    /// Moves bases forward; a count older than the base changes nothing. Touches stock and marks only.
    pub(super) async fn store_stock(
        tx: &mut Transaction<'_, Postgres>,
        account_id: i16,
        levels: &[IncomingStock],
        asked_at: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        if levels.is_empty() {
            return Ok(());
        }
        let code: Vec<String> = levels.iter().map(|l| l.code.clone()).collect();
        let location: Vec<i16> = levels.iter().map(|l| l.location_id).collect();
        let quantity: Vec<i64> = levels.iter().map(|l| l.quantity).collect();
        let as_of: Vec<DateTime<Utc>> =
            levels.iter().map(|l| l.as_of.unwrap_or(asked_at)).collect();
        // A code that no mapping knows is an item of that very code.
        sqlx::query!(
            "INSERT INTO items (code) SELECT DISTINCT t.c FROM unnest($2::text[]) AS t (c)
             WHERE NOT EXISTS (SELECT FROM item_codes m WHERE m.account_id = $1 AND m.code = t.c) ORDER BY 1
             ON CONFLICT (code) DO NOTHING",
            account_id, &code
        )
        .execute(&mut **tx)
        .await?;
        sqlx::query!(
            "WITH level AS (
               SELECT DISTINCT ON (item, t.l) coalesce(m.item_id, i.id) AS item, t.l, t.q * coalesce(m.multiplier, 1) AS q, t.a
               FROM unnest($2::text[], $3::smallint[], $4::bigint[], $5::timestamptz[]) AS t (c, l, q, a)
               LEFT JOIN item_codes m ON m.account_id = $1 AND m.code = t.c LEFT JOIN items i ON i.code = t.c
               ORDER BY item, t.l, t.a DESC),
             base AS (
               INSERT INTO stock (item_id, location_id, base_qty, base_as_of) SELECT item, l, q, a FROM level WHERE item IS NOT NULL ORDER BY item, l
               ON CONFLICT (item_id, location_id, bucket) DO UPDATE SET base_qty = excluded.base_qty, base_as_of = excluded.base_as_of
               WHERE excluded.base_as_of > stock.base_as_of
               RETURNING item_id)
             INSERT INTO item_marks (item_id) SELECT DISTINCT item_id FROM base",
            account_id, &code, &location, &quantity, &as_of
        )
        .execute(&mut **tx)
        .await?;
        Ok(())
    }
}
