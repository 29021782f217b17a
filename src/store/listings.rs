//! Lists of all stock: whether one is believed, and what it does not name.

use chrono::{DateTime, Utc};
use hikiate_sdk::Listing;
use sqlx::{Postgres, Transaction};

use super::incoming::IncomingPage;
use super::{Store, StoreError};

/// Of the last list of all stock, in percent: a list with fewer items is not believed.
const FEWEST: i64 = 70;

/// The last list of an account.
struct Last {
    id: String,
    /// Items of the last list that was believed.
    items: i32,
    /// When that was made.
    as_of: DateTime<Utc>,
    refused: Option<String>,
    /// Items of the list that was refused; once it was not refused any more, those that an operator believes.
    refused_items: Option<i32>,
}

/// What was counted at the places that a list speaks for.
struct Before {
    /// The account has other places, too.
    others: bool,
    /// Items that lists counted there and that were not gone.
    items: i64,
    /// The time of the newest of those counts.
    as_of: Option<DateTime<Utc>>,
}

/// What becomes of a list.
struct Verdict {
    refused: Option<String>,
    /// An operator's word that lists are so short now is used up.
    by_word: bool,
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

/// Whether a list of all stock is believed: it is no older than the last one that was, and names at least [`FEWEST`] percent
/// as many items. Decided with its first page, and the same for all of them. A list of some places of an account is compared
/// with what lists counted there.
pub(super) async fn believed(
    tx: &mut Transaction<'_, Postgres>,
    account_id: i16,
    listing: &Listing,
) -> Result<bool, StoreError> {
    let last = sqlx::query_as!(
        Last,
        "SELECT id, items, as_of, refused, refused_items FROM stock_listings WHERE account_id = $1 FOR UPDATE",
        account_id
    )
    .fetch_optional(&mut **tx)
    .await?;
    if let Some(last) = last.as_ref().filter(|last| last.id == listing.id) {
        return Ok(last.refused.is_none());
    }
    let before = before(tx, account_id, listing).await?;
    let Some(verdict) = judge(last.as_ref(), &before, listing) else {
        return Ok(false);
    };
    let named = i32::try_from(listing.items).unwrap_or(i32::MAX);
    let (items, as_of, refused_items) = match (&verdict.refused, &last) {
        (None, Some(last)) => {
            let kept = last
                .refused_items
                .filter(|_| last.refused.is_none() && !verdict.by_word);
            (named, last.as_of.max(listing.as_of), kept)
        }
        (None, None) => (named, listing.as_of, None),
        (Some(_), Some(last)) => (last.items, last.as_of, Some(named)),
        // Nothing was believed yet, and a list of nothing stays refused until somebody says so.
        (Some(_), None) => (1, listing.as_of, Some(named)),
    };
    sqlx::query!(
        "INSERT INTO stock_listings (account_id, id, items, as_of, refused, refused_items) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (account_id) DO UPDATE SET id = excluded.id, items = excluded.items, as_of = excluded.as_of,
           refused = excluded.refused, refused_items = excluded.refused_items",
        account_id, listing.id, items, as_of, verdict.refused, refused_items
    )
    .execute(&mut **tx)
    .await?;
    Ok(verdict.refused.is_none())
}

/// What becomes of a list; `None` for one that is older than the last one.
fn judge(last: Option<&Last>, before: &Before, listing: &Listing) -> Option<Verdict> {
    let word = last.filter(|last| last.refused.is_none());
    let word = word.and_then(|last| last.refused_items).map(i64::from);
    let (newest, items) = if before.others {
        (before.as_of, Some(before.items))
    } else {
        (
            last.map(|last| last.as_of),
            last.map(|last| i64::from(last.items)),
        )
    };
    if newest.is_some_and(|newest| listing.as_of < newest) {
        return None;
    }
    let named = i64::from(listing.items);
    let short = |than: i64| named * 100 < than * FEWEST;
    // Of which of several places a list without rows speaks nobody knows.
    let nothing = named == 0 && (before.others || (word != Some(0) && items != Some(0)));
    let refused = nothing || items.is_some_and(short);
    let by_word = refused && word.is_some_and(|word| !short(word) && !nothing);
    let why = match (refused && !by_word, nothing) {
        (false, _) => None,
        (true, true) => Some(format!(
            "{}: names no item: nothing of it was counted",
            listing.name
        )),
        (true, false) => Some(format!(
            "{}: {named} items, fewer than {FEWEST} % of the last list: nothing of it was counted",
            listing.name
        )),
    };
    // A list of all places is compared with the last one, which the word has corrected.
    Some(Verdict {
        refused: why,
        by_word: by_word || !before.others,
    })
}

/// The places that a list names; a place without a code of its own is any that no other is.
fn codes(listing: &Listing) -> (Vec<String>, bool) {
    let codes = listing.places.iter().flatten().cloned().collect();
    (codes, listing.places.contains(&None))
}

async fn before(
    tx: &mut Transaction<'_, Postgres>,
    account_id: i16,
    listing: &Listing,
) -> Result<Before, StoreError> {
    let (codes, nameless) = codes(listing);
    Ok(sqlx::query_as!(
        Before,
        r#"SELECT coalesce(bool_or(NOT l.named), false) AS "others!",
             count(DISTINCT k.code) FILTER (WHERE l.named AND k.listing IS NOT NULL AND k.base_qty <> 0) AS "items!",
             max(k.base_as_of) FILTER (WHERE l.named AND k.listing IS NOT NULL) AS as_of
           FROM (SELECT p.id, (p.code = ANY($2) OR (p.code IS NULL AND ($3 OR EXISTS (SELECT FROM unnest($2::text[]) AS t (c)
               WHERE NOT EXISTS (SELECT FROM locations o WHERE o.account_id = $1 AND o.code = t.c))))
               OR ($4 AND (SELECT count(*) FROM locations o WHERE o.account_id = $1) = 1)) IS TRUE AS named
             FROM locations p WHERE p.account_id = $1) l
           LEFT JOIN stock k ON k.location_id = l.id AND k.bucket = 'sellable'"#,
        account_id, &codes, nameless, listing.places.is_empty()
    )
    .fetch_one(&mut **tx)
    .await?)
}

/// What a whole list of all stock does not name is gone from its places; one without rows, which an operator believes, is of the
/// only place.
async fn zero_absent(
    tx: &mut Transaction<'_, Postgres>,
    account_id: i16,
    stream: &str,
    listing: &Listing,
) -> Result<(), StoreError> {
    let (codes, nameless) = codes(listing);
    let empty = listing.items == 0;
    sqlx::query!(
        "WITH gone AS (
           UPDATE stock s SET base_qty = 0, base_as_of = $3, listing = $2 FROM locations l
           WHERE l.id = s.location_id AND l.account_id = $1 AND s.bucket = 'sellable' AND s.listing IS DISTINCT FROM $2 AND s.base_as_of < $3
             AND ($7 OR l.code = ANY($5) OR (l.code IS NULL AND ($6 OR EXISTS (SELECT FROM unnest($5::text[]) AS t (c)
               WHERE NOT EXISTS (SELECT FROM locations o WHERE o.account_id = $1 AND o.code = t.c)))))
             AND EXISTS (SELECT FROM stock_listings n WHERE n.account_id = $1 AND n.id = $2 AND n.refused IS NULL)
             AND NOT EXISTS (SELECT FROM quarantine q WHERE q.account_id = $1 AND q.stream = $4 AND q.external_id = s.code AND q.resolved_at IS NULL)
           RETURNING s.item_id)
         INSERT INTO item_marks (item_id) SELECT DISTINCT item_id FROM gone",
        account_id, listing.id, listing.as_of, stream, &codes, nameless, empty
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
