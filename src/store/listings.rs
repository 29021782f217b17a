//! Lists of all stock: whether one is believed, and what it does not name.

use chrono::{DateTime, Utc};
use hikiate_sdk::Listing;
use sqlx::{Postgres, Transaction};

use super::incoming::IncomingPage;
use super::{Store, StoreError};

/// Of the last list of all stock, in percent: a list with fewer items is not believed.
const FEWEST: i64 = 70;

/// The last list of a place.
struct Last {
    location_id: i16,
    /// Which list; see [`key`].
    id: String,
    /// It counts. One that an operator believes counts from the next one on, never from the middle of it.
    counted: bool,
    /// Items of the last list that was believed.
    items: i32,
    /// When that was made.
    as_of: DateTime<Utc>,
    refused: Option<String>,
    /// Items of the list that was refused; once it was not refused any more, those that an operator believes.
    refused_items: Option<i32>,
}

/// Tells a list from another with the same bytes that comes later.
fn key(listing: &Listing) -> String {
    format!("{} {}", listing.id, listing.as_of.timestamp_micros())
}

/// A place that a list speaks for.
struct Place {
    id: i16,
    slug: String,
    /// Items that the list names there.
    named: i64,
}

/// What becomes of a list at a place.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Believed,
    /// Why it is refused.
    Refused(String),
}

impl Store {
    /// Once a whole list of all stock is stored, and believed, what it does not name is gone from the places that it speaks for;
    /// an item of which a row could not be read is unknown.
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

    /// The last list of a warehouse that was refused as too short is right: lists of that length count from the next one on.
    /// Returns why each was refused. Where lists of several warehouses of the account were, one must be named.
    ///
    /// # Errors
    /// [`StoreError::Refused`] where none was refused, or several and none is named.
    pub async fn believe_stock_list(
        &self,
        account_id: i16,
        warehouse: Option<&str>,
    ) -> Result<String, StoreError> {
        let mut tx = self.pool.begin().await?;
        let refused = sqlx::query!(
            r#"SELECT n.location_id, l.slug, n.refused AS "refused!" FROM stock_listings n JOIN locations l ON l.id = n.location_id
               WHERE l.account_id = $1 AND n.refused IS NOT NULL AND n.refused_items IS NOT NULL AND ($2::text IS NULL OR l.slug = $2) ORDER BY l.slug FOR UPDATE OF n"#,
            account_id,
            warehouse
        )
        .fetch_all(&mut *tx)
        .await?;
        let [one] = refused.as_slice() else {
            let slugs: Vec<&str> = refused.iter().map(|row| row.slug.as_str()).collect();
            return Err(StoreError::Refused(if slugs.is_empty() {
                let of = warehouse.map_or("this account".to_owned(), |name| {
                    format!("warehouse {name:?} of this account")
                });
                format!("no stock list of {of} was refused that could be believed")
            } else {
                format!(
                    "lists of several warehouses were refused, name one with --warehouse: {}",
                    slugs.join(", ")
                )
            }));
        };
        sqlx::query!(
            "UPDATE stock_listings SET items = coalesce(refused_items, items), refused = NULL WHERE location_id = $1",
            one.location_id
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(one.refused.clone())
    }
}

/// Whether a list of all stock is believed: at each of its places it is no older than the last one that was, and names at
/// least [`FEWEST`] percent as many items. Decided with its first page, and the same for all of them.
pub(super) async fn believed(
    tx: &mut Transaction<'_, Postgres>,
    account_id: i16,
    listing: &Listing,
    page: &IncomingPage,
) -> Result<bool, StoreError> {
    let (places, all) = places(tx, account_id, listing).await?;
    let ids: Vec<i16> = places.iter().map(|place| place.id).collect();
    let last = sqlx::query_as!(
        Last,
        "SELECT location_id, id, counted, items, as_of, refused, refused_items FROM stock_listings WHERE location_id = ANY($1) ORDER BY location_id FOR UPDATE",
        &ids
    )
    .fetch_all(&mut **tx)
    .await?;
    let id = key(listing);
    if last.iter().any(|last| last.id == id) {
        let mut said = last.iter().filter(|last| last.id == id);
        return Ok(said.all(|last| last.counted));
    }
    if let Some(newer) = last.iter().find(|last| last.as_of > listing.as_of) {
        tracing::warn!(list = listing.name, made = %listing.as_of, last = %newer.as_of, "a list of all stock is older than the last one of its place: nothing of it was counted");
        return Ok(false);
    }
    if is_of_before(tx, page).await? {
        tracing::warn!(list = listing.name, made = %listing.as_of, "most counts of a list of all stock are older than those that stand: it is an earlier list that came again, and nothing of it was counted");
        sqlx::query!(
            "UPDATE stock_listings SET id = $2, counted = false WHERE location_id = ANY($1)",
            &ids,
            id
        )
        .execute(&mut **tx)
        .await?;
        return Ok(false);
    }
    let unsure = listing.places.is_empty() && all > 1;
    let judged: Vec<(&Place, Option<&Last>, Verdict)> = places
        .iter()
        .map(|place| {
            let last = last.iter().find(|last| last.location_id == place.id);
            (place, last, judge(last, place, &listing.name, unsure))
        })
        .collect();
    let believed = judged
        .iter()
        .all(|(_, _, verdict)| *verdict == Verdict::Believed);
    for (place, last, verdict) in judged {
        let named = i32::try_from(place.named).unwrap_or(i32::MAX);
        let (items, as_of, refused, refused_items) = match verdict {
            // Of a list that another place refuses, this one keeps what it knew.
            Verdict::Believed if !believed => continue,
            Verdict::Believed => (named, listing.as_of, None, None),
            Verdict::Refused(why) => {
                // Nothing was believed yet, and a list of nothing stays refused until somebody says so.
                let (items, as_of) = last.map_or((1, listing.as_of), |l| (l.items, l.as_of));
                // Of nothing in no place, nobody can say which place has nothing.
                let named = (!unsure).then_some(named);
                (items, as_of, Some(why), named)
            }
        };
        sqlx::query!(
            "INSERT INTO stock_listings (location_id, id, counted, items, as_of, refused, refused_items, refused_at) VALUES ($1, $2, $3, $4, $5, $6, $7, CASE WHEN $6::text IS NOT NULL THEN (SELECT hk_now()) END)
             ON CONFLICT (location_id) DO UPDATE SET id = excluded.id, counted = excluded.counted, items = excluded.items, as_of = excluded.as_of,
               refused = excluded.refused, refused_items = excluded.refused_items,
               refused_at = CASE WHEN stock_listings.refused IS NOT NULL THEN coalesce(stock_listings.refused_at, excluded.refused_at) ELSE excluded.refused_at END",
            place.id, id, believed, items, as_of, refused, refused_items
        )
        .execute(&mut **tx)
        .await?;
    }
    Ok(believed)
}

/// Most of the counts that a list begins with are older than those that stand, other than of items that a later list left out.
async fn is_of_before(
    tx: &mut Transaction<'_, Postgres>,
    page: &IncomingPage,
) -> Result<bool, StoreError> {
    let (code, location, as_of) = page.counts();
    Ok(sqlx::query_scalar!(
        r#"SELECT coalesce(count(*) FILTER (WHERE t.a < s.counted_at) * 2 > count(*), false) AS "before!"
           FROM unnest($1::text[], $2::smallint[], $3::timestamptz[]) AS t (c, l, a)
           JOIN stock s ON s.code = t.c AND s.location_id = t.l AND s.bucket = 'sellable' AND (s.listing IS NOT NULL OR s.counted_qty <> 0)"#,
        &code,
        &location,
        &as_of
    )
    .fetch_one(&mut **tx)
    .await?)
}

/// What becomes of a list at a place; `unsure` where nobody knows of which of several places it speaks.
fn judge(last: Option<&Last>, place: &Place, name: &str, unsure: bool) -> Verdict {
    let known = last.map(|last| i64::from(last.items));
    let word = last.filter(|last| last.refused.is_none());
    let word = word.and_then(|last| last.refused_items).map(i64::from);
    // One item that is sold out makes no list short, however few there are.
    let short = |than: i64| place.named * 100 < than * FEWEST && than - place.named > 1;
    let of_word = word.is_some_and(|word| !short(word));
    if place.named == 0 && (unsure || (known != Some(0) && word != Some(0))) {
        return Verdict::Refused(format!(
            "{name}: names no item at {}: nothing of it was counted",
            place.slug
        ));
    }
    match known {
        Some(known) if short(known) && !of_word => Verdict::Refused(format!(
            "{name}: {} items at {}, fewer than {FEWEST} % of the {known} of the last list: nothing of it was counted",
            place.named, place.slug
        )),
        _ => Verdict::Believed,
    }
}

/// The warehouses that a list speaks for, and how many the account has. A place whose code no warehouse has is of the one without
/// a code; a list without rows speaks for all of them.
async fn places(
    tx: &mut Transaction<'_, Postgres>,
    account_id: i16,
    listing: &Listing,
) -> Result<(Vec<Place>, usize), StoreError> {
    let rows = sqlx::query!(
        "SELECT id, slug, code FROM locations WHERE account_id = $1 ORDER BY id",
        account_id
    )
    .fetch_all(&mut **tx)
    .await?;
    let all = rows.len();
    let has = |code: &Option<String>| code.is_some() && rows.iter().any(|row| row.code == *code);
    let mut places = Vec::new();
    for row in &rows {
        let here = listing.places.iter().filter(|(code, _)| match &row.code {
            None => !has(code),
            Some(_) => row.code == **code,
        });
        let named: Vec<i64> = here.map(|(_, items)| i64::from(*items)).collect();
        if !named.is_empty() || listing.places.is_empty() {
            places.push(Place {
                id: row.id,
                slug: row.slug.clone(),
                named: named.iter().sum(),
            });
        }
    }
    Ok((places, all))
}

/// What a whole list of all stock does not name is gone from its places and listed there no more, where no row of it could be
/// what is missing.
async fn zero_absent(
    tx: &mut Transaction<'_, Postgres>,
    account_id: i16,
    stream: &str,
    listing: &Listing,
) -> Result<(), StoreError> {
    sqlx::query!(
        "WITH gone AS (
           UPDATE stock s SET counted_qty = 0, counted_at = $3, listing = NULL FROM stock_listings n
           WHERE n.location_id = s.location_id AND n.id = $5 AND n.counted AND s.bucket = 'sellable' AND s.listing IS DISTINCT FROM $2 AND s.counted_at < $3
             AND (s.counted_qty <> 0 OR s.listing IS NOT NULL)
             AND NOT EXISTS (SELECT FROM quarantine q WHERE q.account_id = $1 AND q.stream = $4 AND q.external_id = s.code
               AND (q.resolved_at IS NULL OR q.file_hash = $2))
           RETURNING s.item_id)
         INSERT INTO allocation_requests (item_id) SELECT DISTINCT item_id FROM gone",
        account_id, listing.id, listing.as_of, stream, key(listing)
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
