//! Writing and reading fact rows.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::Value;
use sqlx::{Postgres, Transaction};

use super::StoreError;
use crate::facts::{FactBody, words};

/// Facts to insert, column by column.
#[derive(Default)]
pub(super) struct FactRows {
    subject: Vec<i64>,
    key: Vec<String>,
    class: Vec<String>,
    kind: Vec<String>,
    version: Vec<i16>,
    body: Vec<Value>,
    happened: Vec<DateTime<Utc>>,
    told: Vec<DateTime<Utc>>,
    date: Vec<NaiveDate>,
    /// What external systems said, by subject and key.
    words: BTreeMap<(i64, String), String>,
}

impl FactRows {
    #[expect(
        clippy::too_many_arguments,
        reason = "one column each; a struct would be built only to be taken apart"
    )]
    pub(super) fn push(
        &mut self,
        subject: i64,
        key: String,
        body: &FactBody,
        mut json: Value,
        happened: DateTime<Utc>,
        told: DateTime<Utc>,
        date: NaiveDate,
    ) {
        if let Some(said) = words::take(body.kind(), &mut json) {
            // The first of a key is stored.
            self.words.entry((subject, key.clone())).or_insert(said);
        }
        self.subject.push(subject);
        self.key.push(key);
        self.class.push(body.class().as_str().to_owned());
        self.kind.push(body.kind().to_owned());
        self.version.push(body.version());
        self.body.push(json);
        self.happened.push(happened);
        self.told.push(told);
        self.date.push(date);
    }

    pub(super) fn subjects(&self) -> BTreeSet<i64> {
        self.subject.iter().copied().collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.subject.is_empty()
    }
}

/// Inserts facts. `tolerant` drops keys that exist (what was told twice); without it a key that exists
/// is a bug of ours and fails the transaction.
pub(super) async fn insert_facts(
    tx: &mut Transaction<'_, Postgres>,
    rows: &FactRows,
    actor: &str,
    policy_id: Option<i32>,
    tolerant: bool,
) -> Result<BTreeSet<i64>, StoreError> {
    if rows.is_empty() {
        return Ok(BTreeSet::new());
    }
    let stored: Vec<(i64, String)> = if tolerant {
        sqlx::query!(
            "INSERT INTO facts (subject_id, key, class, kind, version, body, happened_at, reported_at, recorded_at, business_date, actor, policy_id)
             SELECT t.s, t.k, t.c, t.d, t.v, t.b, t.h, t.t, (SELECT hk_now()), t.bd, $10, $11
             FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::jsonb[], $6::timestamptz[], $7::timestamptz[], $8::date[], $9::smallint[])
               WITH ORDINALITY AS t (s, k, c, d, b, h, t, bd, v, o) ORDER BY t.o
             ON CONFLICT (subject_id, key) DO NOTHING RETURNING subject_id, key",
            &rows.subject, &rows.key, &rows.class, &rows.kind, &rows.body, &rows.happened, &rows.told, &rows.date,
            &rows.version, actor, policy_id
        )
        .fetch_all(&mut **tx)
        .await?
        .into_iter()
        .map(|row| (row.subject_id, row.key))
        .collect()
    } else {
        sqlx::query!(
            "INSERT INTO facts (subject_id, key, class, kind, version, body, happened_at, reported_at, recorded_at, business_date, actor, policy_id)
             SELECT t.s, t.k, t.c, t.d, t.v, t.b, t.h, t.t, (SELECT hk_now()), t.bd, $10, $11
             FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::jsonb[], $6::timestamptz[], $7::timestamptz[], $8::date[], $9::smallint[])
               WITH ORDINALITY AS t (s, k, c, d, b, h, t, bd, v, o) ORDER BY t.o
             RETURNING subject_id, key",
            &rows.subject, &rows.key, &rows.class, &rows.kind, &rows.body, &rows.happened, &rows.told, &rows.date,
            &rows.version, actor, policy_id
        )
        .fetch_all(&mut **tx)
        .await?
        .into_iter()
        .map(|row| (row.subject_id, row.key))
        .collect()
    };
    insert_words(tx, rows, &stored).await?;
    Ok(stored.into_iter().map(|(subject, _)| subject).collect())
}

/// What external systems said in the facts that were stored just now; nothing of an order or a wave that is purged.
async fn insert_words(
    tx: &mut Transaction<'_, Postgres>,
    rows: &FactRows,
    stored: &[(i64, String)],
) -> Result<(), StoreError> {
    if rows.words.is_empty() {
        return Ok(());
    }
    let (mut subject, mut key, mut said) = (Vec::new(), Vec::new(), Vec::new());
    for place in stored {
        if let Some(words) = rows.words.get(place) {
            subject.push(place.0);
            key.push(place.1.clone());
            said.push(words.clone());
        }
    }
    if subject.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "INSERT INTO fact_words (subject_id, key, words) SELECT t.s, t.k, t.w FROM unnest($1::bigint[], $2::text[], $3::text[]) AS t (s, k, w)
           JOIN subjects o ON o.id = t.s LEFT JOIN batches b ON b.subject_id = t.s WHERE o.purged_at IS NULL AND b.purged_at IS NULL",
        &subject, &key, &said
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// What external systems said, by the fact that it belongs to.
pub(super) async fn load_words(
    tx: &mut Transaction<'_, Postgres>,
    subjects: &[i64],
) -> Result<BTreeMap<(i64, String), String>, StoreError> {
    let rows = sqlx::query!(
        "SELECT subject_id, key, words FROM fact_words WHERE subject_id = ANY($1)",
        subjects
    )
    .fetch_all(&mut **tx)
    .await?;
    let said = rows
        .into_iter()
        .map(|row| ((row.subject_id, row.key), row.words));
    Ok(said.collect())
}

/// Deletes what external systems said of these orders, whose rows are locked, and the texts of tasks that repeat it. Returns
/// how many facts had some.
pub(super) async fn forget_words(
    tx: &mut Transaction<'_, Postgres>,
    orders: &[i64],
) -> Result<u64, StoreError> {
    let gone = sqlx::query_scalar!(r#"SELECT hk_forget_words_of_orders($1) AS "gone!""#, orders)
        .fetch_one(&mut **tx)
        .await?;
    Ok(gone.unsigned_abs())
}

/// Deletes what external systems said of these waves, whose rows are locked, also where an ended order of them was told.
pub(super) async fn forget_words_of_waves(
    tx: &mut Transaction<'_, Postgres>,
    waves: &[i64],
) -> Result<(), StoreError> {
    sqlx::query!("SELECT hk_forget_words_of_waves($1)", waves)
        .fetch_one(&mut **tx)
        .await?;
    Ok(())
}
