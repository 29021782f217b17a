//! Sealing a journal batch: open revenue events become its members for ever.

use chrono::{DateTime, NaiveDate, Utc};
use hikiate_sdk::{AccountSlug, Currency, Op};

use super::{Directory, OpenBatch, SealTerms, Sealed, Store, StoreError};

/// A revenue event that waits to be booked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenRevenue {
    /// Row id.
    pub id: i64,
    /// Posting date.
    pub business_date: NaiveDate,
    /// Channel.
    pub channel: AccountSlug,
    /// Payment method's word.
    pub payment: String,
    /// Currency.
    pub currency: Currency,
    /// Basis points.
    pub tax_rate_bp: i32,
    /// What rounding moved.
    pub rounding: bool,
    /// Minor units, tax included.
    pub gross: i64,
    /// The tax in it.
    pub tax: i64,
}

impl Store {
    /// Seals a journal batch over all open revenue, at most `terms.max_rows`; the rest goes into the next.
    ///
    /// # Errors
    /// The database's; what `render` says.
    pub async fn seal_journal<R>(
        &self,
        directory: &Directory,
        batch: &OpenBatch,
        terms: &SealTerms,
        render: R,
    ) -> Result<usize, StoreError>
    where
        R: Fn(&[OpenRevenue]) -> Result<Sealed, StoreError>,
    {
        let mut tx = self.pool.begin().await?;
        sqlx::query!(
            "SELECT id FROM subjects WHERE id = $1 FOR NO KEY UPDATE",
            batch.subject_id
        )
        .fetch_one(&mut *tx)
        .await?;
        let state = sqlx::query!(
            r#"SELECT state, hk_now() AS "now!: DateTime<Utc>", hk_stopped() AS "stopped!" FROM batches WHERE subject_id = $1"#,
            batch.subject_id
        )
        .fetch_one(&mut *tx)
        .await?;
        if state.state != "open" || state.stopped {
            return Ok(0);
        }
        let mut rows = Vec::new();
        for row in sqlx::query!(
            "SELECT id, business_date, channel_id, payment, currency, tax_rate_bp, rounding, gross, tax FROM revenue_events
             WHERE batch_id IS NULL AND id > coalesce((SELECT books_upto FROM recovery), 0) AND hk_acts(channel_id) ORDER BY business_date, id LIMIT $1 FOR UPDATE",
            terms.max_rows
        )
        .fetch_all(&mut *tx)
        .await?
        {
            rows.push(OpenRevenue {
                id: row.id,
                business_date: row.business_date,
                channel: directory.slug(row.channel_id)?.clone(),
                payment: row.payment,
                currency: row.currency.parse().map_err(|e: hikiate_sdk::MoneyError| StoreError::Refused(e.to_string()))?,
                tax_rate_bp: row.tax_rate_bp,
                rounding: row.rounding,
                gross: row.gross,
                tax: row.tax,
            });
        }
        if rows.is_empty() {
            sqlx::query!(
                "UPDATE batches SET state = 'empty' WHERE subject_id = $1",
                batch.subject_id
            )
            .execute(&mut *tx)
            .await?;
            sqlx::query!(
                "UPDATE subjects SET status = 'empty', closed_at = (SELECT hk_now()) WHERE id = $1",
                batch.subject_id
            )
            .execute(&mut *tx)
            .await?;
            tx.commit().await?;
            return Ok(0);
        }
        let sealed = render(&rows)?;
        sqlx::query!(
            "UPDATE revenue_events SET batch_id = $1 WHERE id = ANY($2) AND batch_id IS NULL",
            batch.subject_id,
            &sealed.members
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
            state.now,
        )
        .await?;
        tx.commit().await?;
        Ok(sealed.members.len())
    }
}
