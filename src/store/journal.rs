//! Sealing a journal batch: open revenue events become its members for ever.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use hikiate_sdk::Op;
use sha2::{Digest, Sha256};
use sqlx::{Postgres, Transaction};

use super::batch::{end_empty, lock_listed};
use super::{Directory, OpenBatch, SealTerms, Sealed, Store, StoreError};
use crate::facts::{BookingRefusedFact, FactBody};
use crate::plan::journal::{OpenPosting, OpenRevenue};
use crate::plan::types::{PostingKind, RevenueKind, TaxOf};

/// An entry that the layout forbids is tried again after this long.
const ASIDE_SECONDS: f64 = 3600.0;

/// Postings of deposits in one journal at the most: each is an entry, and an entry's number has few digits.
const MOST_POSTINGS: i64 = 5_000;

/// What waits to be booked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JournalRows {
    /// Revenue.
    pub revenue: Vec<OpenRevenue>,
    /// Deposits.
    pub postings: Vec<OpenPosting>,
}

/// A journal as rendered.
#[derive(Clone, Debug, Default)]
pub struct RenderedJournal {
    /// Its bytes, with the ids of all rows in it: those of revenue, then those of deposits.
    pub sealed: Sealed,
    /// How many of these are revenue.
    pub revenue: usize,
    /// Revenue that is left out.
    pub aside: Vec<SetAside>,
    /// Postings that are left out, with the layout's words.
    pub aside_postings: Vec<(i64, String)>,
    /// There is more than the account takes in one batch.
    pub more: bool,
}

/// Revenue that is left out of a journal, because the layout forbids its entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// The revenue.
    pub rows: Vec<OpenRevenue>,
    /// The layout's words.
    pub why: String,
}

/// What came of sealing a journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SealedJournal {
    /// Revenue events and postings of deposits in it.
    pub rows: usize,
    /// What was left out; its orders are to be told.
    pub aside: Vec<SetAside>,
    /// There is more than the account takes in one batch: a further one of the same period follows.
    pub more: bool,
}

impl Store {
    /// Seals a journal batch over all open revenue of days up to `terms.today` (a day of shipping may be told ahead), at most
    /// `terms.max_rows`, and, where they are booked, deposits, at most 5,000; the rest goes into the next. What `render` leaves out is tried again with a journal of an hour later.
    ///
    /// # Errors
    /// The database's; what `render` says.
    pub async fn seal_journal<R>(
        &self,
        directory: &Directory,
        batch: &OpenBatch,
        terms: &SealTerms,
        deposits: bool,
        render: R,
    ) -> Result<SealedJournal, StoreError>
    where
        R: Fn(&JournalRows) -> Result<RenderedJournal, StoreError>,
    {
        let mut tx = self.pool.begin().await?;
        let Some(now) = lock_listed(&mut tx, batch, &[]).await? else {
            return Ok(SealedJournal::default());
        };
        let mut rows = Vec::new();
        for row in sqlx::query!(
            r#"SELECT id, subject_id, key, business_date, channel_id, payment, currency, kind, tax_rate_bp, tax_country, tax_class, gross, tax,
               EXISTS (SELECT FROM deposit_matches m WHERE m.order_id = revenue_events.subject_id
                 AND NOT EXISTS (SELECT FROM deposit_postings p WHERE p.deposit_id = m.deposit_id AND p.kind = 'received')) AS "unbooked_deposit!"
             FROM revenue_events
             WHERE batch_id IS NULL AND id > coalesce((SELECT books_upto FROM recovery), 0) AND hk_acts(channel_id) AND (retry_at IS NULL OR retry_at <= (SELECT hk_now()))
               AND business_date <= $2
             ORDER BY business_date, id LIMIT $1 FOR UPDATE"#,
            terms.max_rows,
            terms.today
        )
        .fetch_all(&mut *tx)
        .await?
        {
            rows.push(OpenRevenue {
                id: row.id,
                subject_id: row.subject_id,
                key: row.key,
                business_date: row.business_date,
                channel: directory.slug(row.channel_id)?.clone(),
                payment: row.payment,
                currency: row.currency.parse().map_err(|e: hikiate_sdk::MoneyError| StoreError::Refused(e.to_string()))?,
                kind: RevenueKind::of(&row.kind),
                unbooked_deposit: row.unbooked_deposit,
                tax_of: TaxOf {
                    rate_bp: row.tax_rate_bp,
                    country: row.tax_country.unwrap_or_default(),
                    class: row.tax_class.unwrap_or_default(),
                },
                gross: row.gross,
                tax: row.tax,
            });
        }
        let mut open = JournalRows {
            revenue: rows,
            postings: Vec::new(),
        };
        if deposits {
            open.postings = open_postings(&mut tx, directory, terms.today).await?;
        }
        if open.revenue.is_empty() && open.postings.is_empty() {
            end_empty(&mut tx, &[batch.subject_id]).await?;
            tx.commit().await?;
            return Ok(SealedJournal::default());
        }
        let RenderedJournal {
            sealed,
            revenue,
            aside,
            aside_postings,
            more,
        } = render(&open)?;
        let left_out: Vec<i64> = aside.iter().flat_map(|a| &a.rows).map(|r| r.id).collect();
        sqlx::query!(
            "UPDATE revenue_events SET retry_at = (SELECT hk_now()) + make_interval(secs => $2) WHERE id = ANY($1)",
            &left_out,
            ASIDE_SECONDS
        )
        .execute(&mut *tx)
        .await?;
        set_postings_aside(&mut tx, &aside_postings).await?;
        if sealed.members.is_empty() {
            end_empty(&mut tx, &[batch.subject_id]).await?;
            tx.commit().await?;
            return Ok(SealedJournal {
                rows: 0,
                aside,
                more,
            });
        }
        let (members, postings) = sealed.members.split_at(revenue.min(sealed.members.len()));
        sqlx::query!(
            "UPDATE revenue_events SET batch_id = $1, retry_at = NULL WHERE id = ANY($2) AND batch_id IS NULL",
            batch.subject_id,
            members
        )
        .execute(&mut *tx)
        .await?;
        sqlx::query!(
            "UPDATE deposit_postings SET batch_id = $1, retry_at = NULL, refused = NULL WHERE id = ANY($2) AND batch_id IS NULL",
            batch.subject_id,
            postings
        )
        .execute(&mut *tx)
        .await?;
        Self::freeze(
            &mut tx,
            directory,
            batch,
            Op::PostJournal,
            &sealed,
            terms,
            now,
        )
        .await?;
        tx.commit().await?;
        Ok(SealedJournal {
            rows: sealed.members.len(),
            aside,
            more,
        })
    }

    /// Tells orders that their revenue was left out of a journal, and why. What was told before is no new input.
    ///
    /// # Errors
    /// The database's.
    pub async fn tell_aside(&self, aside: &[SetAside], today: NaiveDate) -> Result<(), StoreError> {
        let mut told: BTreeMap<(i64, &str), Vec<String>> = BTreeMap::new();
        for left in aside {
            for row in &left.rows {
                let events = told.entry((row.subject_id, left.why.as_str())).or_default();
                events.push(row.key.clone());
            }
        }
        let facts: Vec<_> = told
            .into_iter()
            .map(|((order, why), events)| {
                let mut hash = Sha256::new();
                for word in events.iter().map(String::as_str).chain([why]) {
                    hash.update(word);
                    hash.update([0]);
                }
                let hash = hex::encode(hash.finalize());
                let key = format!("booking_refused:{}", hash.get(..16).unwrap_or(&hash));
                let message = why.to_owned();
                (
                    order,
                    key,
                    FactBody::BookingRefused(BookingRefusedFact { events, message }),
                )
            })
            .collect();
        self.tell(&facts, today).await?;
        Ok(())
    }
}

/// Postings of deposits that wait, locked.
async fn open_postings(
    tx: &mut Transaction<'_, Postgres>,
    directory: &Directory,
    today: NaiveDate,
) -> Result<Vec<OpenPosting>, StoreError> {
    let mut postings = Vec::new();
    for row in sqlx::query!(
        r#"SELECT p.id, p.kind, p.business_date, p.channel_id, p.currency, p.amount, coalesce(d.number, o.number) AS "number!", o.number AS "order?"
           FROM deposit_postings p LEFT JOIN subjects d ON d.id = p.deposit_id LEFT JOIN subjects o ON o.id = p.order_id
           WHERE p.batch_id IS NULL AND p.id > coalesce((SELECT deposits_upto FROM recovery), 0) AND hk_acts(p.channel_id)
             AND (p.retry_at IS NULL OR p.retry_at <= (SELECT hk_now())) AND p.business_date <= $2 ORDER BY p.business_date, p.id LIMIT $1 FOR UPDATE OF p"#,
        MOST_POSTINGS,
        today
    )
    .fetch_all(&mut **tx)
    .await?
    {
        postings.push(OpenPosting {
            id: row.id,
            kind: PostingKind::of(&row.kind),
            number: row.number,
            order: row.order,
            business_date: row.business_date,
            channel: directory.slug(row.channel_id)?.clone(),
            currency: row
                .currency
                .parse()
                .map_err(|e: hikiate_sdk::MoneyError| StoreError::Refused(e.to_string()))?,
            amount: row.amount,
        });
    }
    Ok(postings)
}

async fn set_postings_aside(
    tx: &mut Transaction<'_, Postgres>,
    aside: &[(i64, String)],
) -> Result<(), StoreError> {
    let ids: Vec<i64> = aside.iter().map(|(id, _)| *id).collect();
    let why: Vec<String> = aside.iter().map(|(_, why)| why.clone()).collect();
    sqlx::query!(
        "UPDATE deposit_postings p SET retry_at = (SELECT hk_now()) + make_interval(secs => $3), refused = t.w
         FROM unnest($1::bigint[], $2::text[]) AS t (i, w) WHERE p.id = t.i",
        &ids,
        &why,
        ASIDE_SECONDS
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
