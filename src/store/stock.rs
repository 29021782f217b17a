//! Stock levels as counted: a new base, never a compensating movement.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use sqlx::{Postgres, Transaction};

use super::incoming::{IncomingBad, IncomingPage, Source};
use super::listings::believed;
use super::{Store, StoreError};
use crate::suggest::nearest;

/// Codes of one page that are compared with all that is listed.
const COMPARED: usize = 20;

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
    /// Where it stood.
    pub source: Source,
}

/// What became of a page's counts.
#[derive(Debug, Default)]
pub(super) struct Counted {
    /// Codes whose count stands now; only told where something is in quarantine.
    pub(super) standing: BTreeSet<String>,
    /// Rows whose code the mapping does not list, where only what is listed counts.
    pub(super) unlisted: Vec<IncomingBad>,
}

impl Store {
    /// Moves bases forward; a count older than the base changes nothing, and of two of one time the later read stands.
    /// Touches stock and marks only. `None` where the list that they stand in is not believed: nothing of it counts.
    pub(super) async fn store_stock(
        tx: &mut Transaction<'_, Postgres>,
        account_id: i16,
        page: &IncomingPage,
    ) -> Result<Option<Counted>, StoreError> {
        if let Some(listing) = &page.listing
            && !believed(tx, account_id, listing, page).await?
        {
            return Ok(None);
        }
        if page.stock.is_empty() {
            return Ok(Some(Counted::default()));
        }
        let unlisted = unlisted(tx, account_id, page).await?;
        write(tx, account_id, page).await?;
        let standing = standing(tx, account_id, page).await?;
        Ok(Some(Counted { standing, unlisted }))
    }
}

/// Codes of which a count stands now that is no older than the page's: what changes nothing settles nothing either. Only asked for
/// where a record of the account is in quarantine, or goes there with the page.
async fn standing(
    tx: &mut Transaction<'_, Postgres>,
    account_id: i16,
    page: &IncomingPage,
) -> Result<BTreeSet<String>, StoreError> {
    let (code, location, as_of) = page.counts();
    let codes = sqlx::query_scalar!(
        r#"SELECT DISTINCT t.c AS "code!" FROM unnest($2::text[], $3::smallint[], $4::timestamptz[]) AS t (c, l, a)
           JOIN stock s ON s.code = t.c AND s.location_id = t.l AND s.bucket = 'sellable' AND s.base_as_of <= t.a
           WHERE $5 OR EXISTS (SELECT FROM quarantine WHERE account_id = $1 AND resolved_at IS NULL)"#,
        account_id,
        &code,
        &location,
        &as_of,
        !page.bad.is_empty()
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(codes.into_iter().collect())
}

/// Counts of codes that mean no item, because only what the mapping lists does.
async fn unlisted(
    tx: &mut Transaction<'_, Postgres>,
    account_id: i16,
    page: &IncomingPage,
) -> Result<Vec<IncomingBad>, StoreError> {
    let (codes, ..) = page.counts();
    let unlisted: BTreeSet<String> = sqlx::query_scalar!(
        r#"SELECT t.c AS "code!" FROM unnest($2::text[]) AS t (c)
           WHERE (SELECT listed FROM gate) AND NOT EXISTS (SELECT FROM item_codes m WHERE m.account_id = $1 AND m.code = t.c)"#,
        account_id,
        &codes
    )
    .fetch_all(&mut **tx)
    .await?
    .into_iter()
    .collect();
    if unlisted.is_empty() {
        return Ok(Vec::new());
    }
    let listed = sqlx::query_scalar!(
        "SELECT code FROM item_codes WHERE account_id = $1 ORDER BY code",
        account_id
    )
    .fetch_all(&mut **tx)
    .await?;
    let mut near: BTreeMap<&str, Option<&str>> = BTreeMap::new();
    for code in unlisted.iter().take(COMPARED) {
        near.insert(code, nearest(code, listed.iter().map(String::as_str)));
    }
    let rows = page
        .stock
        .iter()
        .filter(|level| unlisted.contains(&level.code));
    Ok(rows
        .map(|level| {
            let like = near.get(level.code.as_str()).copied().flatten();
            IncomingBad::unlisted(level, like)
        })
        .collect())
}

async fn write(
    tx: &mut Transaction<'_, Postgres>,
    account_id: i16,
    page: &IncomingPage,
) -> Result<(), StoreError> {
    let (code, location, as_of) = page.counts();
    let (mut quantity, mut free, mut read_at) = (Vec::new(), Vec::new(), Vec::new());
    for level in &page.stock {
        quantity.push(level.quantity);
        free.push(level.free);
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
             SET listing = excluded.listing,
               base_qty = CASE WHEN (excluded.base_as_of, excluded.read_at) > (stock.base_as_of, coalesce(stock.read_at, stock.base_as_of))
                 OR (stock.listing IS NULL AND stock.base_qty = 0 AND excluded.listing IS NOT NULL) THEN excluded.base_qty ELSE stock.base_qty END,
               base_as_of = CASE WHEN stock.listing IS NULL AND stock.base_qty = 0 AND excluded.listing IS NOT NULL THEN excluded.base_as_of
                 ELSE greatest(stock.base_as_of, excluded.base_as_of) END,
               read_at = CASE WHEN (stock.listing IS NULL AND stock.base_qty = 0 AND excluded.listing IS NOT NULL) OR (excluded.base_as_of, excluded.read_at) > (stock.base_as_of, coalesce(stock.read_at, stock.base_as_of)) THEN excluded.read_at ELSE stock.read_at END
           -- An older count changes nothing, but its list has named the item; one that an earlier list left out is there again.
           WHERE excluded.listing IS NOT NULL OR (excluded.base_as_of, excluded.read_at) > (stock.base_as_of, coalesce(stock.read_at, stock.base_as_of))
           RETURNING item_id)
         INSERT INTO item_marks (item_id) SELECT DISTINCT item_id FROM base",
        account_id, &code, &location, &quantity, &free, &as_of, &read_at, listing
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
