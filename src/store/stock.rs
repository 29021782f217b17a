//! Stock levels as counted: a new base, never a compensating movement.

use chrono::{DateTime, Utc};
use hikiate_sdk::Listing;
use sqlx::{Postgres, Transaction};

use super::incoming::IncomingPage;
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
    /// What the warehouse has accepted and not yet shipped is already taken off.
    pub free: bool,
    /// When it was counted; `None` is when it was asked for.
    pub as_of: Option<DateTime<Utc>>,
    /// When it was first read; `None` is when it was asked for.
    pub read_at: Option<DateTime<Utc>>,
    /// When its file told it; `None` is when it was asked for.
    pub told: Option<DateTime<Utc>>,
}

/// Of the last list of all stock, in percent: a list with fewer items is not believed.
const FEWEST: i64 = 70;

impl Store {
    /// Moves bases forward; a count older than the base changes nothing, and of two of one time the later read stands.
    /// False where the list that they stand in is not believed: nothing of it counts. Touches stock and marks only.
    pub(super) async fn store_stock(
        tx: &mut Transaction<'_, Postgres>,
        account_id: i16,
        page: &IncomingPage,
    ) -> Result<bool, StoreError> {
        if let Some(listing) = &page.listing
            && !believed(tx, account_id, listing).await?
        {
            return Ok(false);
        }
        write(tx, account_id, page).await?;
        Ok(true)
    }

    /// Once a whole list of all stock is stored, and believed, what it does not name is gone; an item of which a row could not
    /// be read is unknown.
    pub(super) async fn end_listing(
        tx: &mut Transaction<'_, Postgres>,
        account_id: i16,
        stream: &str,
        page: &IncomingPage,
    ) -> Result<(), StoreError> {
        match page.listing.as_ref().filter(|listing| listing.last) {
            Some(listing) => zero_absent(tx, account_id, stream, listing).await,
            None => Ok(()),
        }
    }
}

async fn write(
    tx: &mut Transaction<'_, Postgres>,
    account_id: i16,
    page: &IncomingPage,
) -> Result<(), StoreError> {
    if page.stock.is_empty() {
        return Ok(());
    }
    let (mut code, mut location, mut quantity) = (Vec::new(), Vec::new(), Vec::new());
    let (mut free, mut as_of, mut read_at) = (Vec::new(), Vec::new(), Vec::new());
    for level in &page.stock {
        code.push(level.code.clone());
        location.push(level.location_id);
        quantity.push(level.quantity);
        free.push(level.free);
        as_of.push(level.as_of.unwrap_or(page.asked_at));
        read_at.push(level.read_at.unwrap_or(page.asked_at));
    }
    let listing = page.listing.as_ref().map(|listing| listing.id.clone());
    // A code that no mapping knows is an item of that very code, unless only what is listed counts.
    sqlx::query!(
        "INSERT INTO items (code) SELECT DISTINCT t.c FROM unnest($2::text[]) AS t (c)
         WHERE NOT EXISTS (SELECT FROM item_codes m WHERE m.account_id = $1 AND m.code = t.c)
           AND NOT (SELECT listed FROM gate) ORDER BY 1
         ON CONFLICT (code) DO NOTHING",
        account_id,
        &code
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!(
        "WITH told AS MATERIALIZED (
           SELECT DISTINCT ON (coalesce(m.item_id, i.id), t.l, t.c) coalesce(m.item_id, i.id) AS item, t.l, t.c, t.q * coalesce(m.multiplier, 1) AS q, t.f, t.a, t.r
           FROM unnest($2::text[], $3::smallint[], $4::bigint[], $5::bool[], $6::timestamptz[], $7::timestamptz[]) AS t (c, l, q, f, a, r)
           LEFT JOIN item_codes m ON m.account_id = $1 AND m.code = t.c
           LEFT JOIN items i ON i.code = t.c AND m.item_id IS NULL AND NOT (SELECT listed FROM gate)
           ORDER BY coalesce(m.item_id, i.id), t.l, t.c, t.a DESC, t.r DESC, t.q),
         -- What the warehouse had accepted by then and had not shipped is on the shelf, too: under the code that instructions name.
         level AS (
           SELECT item, l, c, q + CASE WHEN f AND c = coalesce((SELECT min(m.code) FROM item_codes m WHERE m.account_id = $1 AND m.item_id = item AND m.multiplier = 1),
             (SELECT i.code FROM items i WHERE i.id = item)) THEN hk_accepted(item, l, a) ELSE 0 END AS q, a, r FROM told WHERE item IS NOT NULL),
         gone AS (DELETE FROM stock s USING level v WHERE s.item_id = v.item AND s.location_id = v.l AND s.bucket = 'sellable' AND s.code = '' AND v.c <> ''),
         base AS (
           INSERT INTO stock (item_id, location_id, code, base_qty, base_as_of, read_at, listing) SELECT item, l, c, q, a, r, $8 FROM level ORDER BY item, l, c
           ON CONFLICT (item_id, location_id, bucket, code) DO UPDATE
             SET base_qty = excluded.base_qty, base_as_of = excluded.base_as_of, read_at = excluded.read_at, listing = excluded.listing
           WHERE (excluded.base_as_of, excluded.read_at) > (stock.base_as_of, coalesce(stock.read_at, stock.base_as_of))
           RETURNING item_id)
         INSERT INTO item_marks (item_id) SELECT DISTINCT item_id FROM base",
        account_id, &code, &location, &quantity, &free, &as_of, &read_at, listing
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

impl Store {
    /// The last list of an account that was refused as too short is right: lists of that length count from the next one on.
    ///
    /// # Errors
    /// [`StoreError::Refused`] where none was refused.
    pub async fn believe_stock_list(&self, account_id: i16) -> Result<String, StoreError> {
        sqlx::query_scalar!(
            r#"UPDATE stock_listings n SET items = n.refused_items, refused = NULL FROM stock_listings s
               WHERE n.account_id = $1 AND s.account_id = n.account_id AND s.refused IS NOT NULL RETURNING s.refused AS "refused!""#,
            account_id
        )
        .fetch_optional(&self.pool)
        .await?
        .ok_or_else(|| StoreError::Refused("no stock list of this account was refused".to_owned()))
    }
}

/// Whether a list of all stock is believed: it names at least [`FEWEST`] percent as many items as the last one. Decided with
/// its first page, and the same for all of them.
async fn believed(
    tx: &mut Transaction<'_, Postgres>,
    account_id: i16,
    listing: &Listing,
) -> Result<bool, StoreError> {
    let items = i32::try_from(listing.items).unwrap_or(i32::MAX);
    let refused = format!(
        "{}: {items} items, fewer than {FEWEST} % of the last list: nothing of it was counted",
        listing.name
    );
    let row = sqlx::query!(
        "INSERT INTO stock_listings AS s (account_id, id, items, as_of) VALUES ($1, $2, $3, $4)
         ON CONFLICT (account_id) DO UPDATE SET
           id = CASE WHEN excluded.as_of >= s.as_of THEN excluded.id ELSE s.id END,
           refused = CASE WHEN excluded.id = s.id OR excluded.as_of < s.as_of THEN s.refused
             WHEN excluded.items::bigint * 100 < s.items::bigint * $5 THEN $6 END,
           refused_items = CASE WHEN excluded.id = s.id OR excluded.as_of < s.as_of THEN s.refused_items ELSE excluded.items END,
           items = CASE WHEN excluded.as_of < s.as_of OR excluded.items::bigint * 100 < s.items::bigint * $5 THEN s.items ELSE excluded.items END,
           as_of = greatest(s.as_of, excluded.as_of)
         RETURNING id, refused",
        account_id, listing.id, items, listing.as_of, FEWEST, refused
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(row.id != listing.id || row.refused.is_none())
}

/// What a whole list of all stock does not name is gone.
async fn zero_absent(
    tx: &mut Transaction<'_, Postgres>,
    account_id: i16,
    stream: &str,
    listing: &Listing,
) -> Result<(), StoreError> {
    sqlx::query!(
        "WITH gone AS (
           UPDATE stock s SET base_qty = 0, base_as_of = $3, listing = $2 FROM locations l
           WHERE l.id = s.location_id AND l.account_id = $1 AND s.bucket = 'sellable' AND s.listing IS DISTINCT FROM $2 AND s.base_as_of < $3
             AND NOT EXISTS (SELECT FROM stock_listings n WHERE n.account_id = $1 AND n.id = $2 AND n.refused IS NOT NULL)
             AND NOT EXISTS (SELECT FROM quarantine q WHERE q.account_id = $1 AND q.stream = $4 AND q.external_id = s.code AND q.resolved_at IS NULL)
           RETURNING s.item_id)
         INSERT INTO item_marks (item_id) SELECT DISTINCT item_id FROM gone",
        account_id, listing.id, listing.as_of, stream
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
