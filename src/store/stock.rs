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
    /// Items came into being.
    pub(super) new_items: bool,
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
        let new_items = write(tx, account_id, page).await?;
        let standing = standing(tx, account_id, page).await?;
        Ok(Some(Counted {
            standing,
            unlisted,
            new_items,
        }))
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
           JOIN stock s ON s.code = t.c AND s.location_id = t.l AND s.bucket = 'sellable' AND s.counted_at <= t.a
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

/// True when items came into being.
async fn write(
    tx: &mut Transaction<'_, Postgres>,
    account_id: i16,
    page: &IncomingPage,
) -> Result<bool, StoreError> {
    let (code, location, as_of) = page.counts();
    let (mut quantity, mut free, mut read_at) = (Vec::new(), Vec::new(), Vec::new());
    for level in &page.stock {
        quantity.push(level.quantity);
        free.push(level.free);
        read_at.push(level.read_at.unwrap_or(page.requested_at));
    }
    let listing = page.listing.as_ref().map(|listing| listing.id.clone());
    // A code that no mapping knows is an item of that very code, unless only what is listed counts.
    let made = sqlx::query!(
        "INSERT INTO items (code) SELECT DISTINCT t.c FROM unnest($2::text[]) AS t (c)
         WHERE NOT EXISTS (SELECT FROM item_codes m WHERE m.account_id = $1 AND m.code = t.c)
           AND NOT (SELECT listed FROM gate) ORDER BY 1
         ON CONFLICT (code) DO NOTHING",
        account_id,
        &code
    )
    .execute(&mut **tx)
    .await?
    .rows_affected();
    sqlx::query_file!(
        "src/store/sql/write_stock.sql",
        account_id,
        &code,
        &location,
        &quantity,
        &free,
        &as_of,
        &read_at,
        listing
    )
    .execute(&mut **tx)
    .await?;
    Ok(made > 0)
}
