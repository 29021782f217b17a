//! Writing and reading fact rows.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::Value;
use sqlx::{Postgres, Transaction};

use super::StoreError;
use crate::facts::FactBody;

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
        json: Value,
        happened: DateTime<Utc>,
        told: DateTime<Utc>,
        date: NaiveDate,
    ) {
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
    let stored = if tolerant {
        sqlx::query_scalar!(
            "INSERT INTO facts (subject_id, key, class, kind, version, body, happened_at, reported_at, recorded_at, business_date, actor, policy_id)
             SELECT t.s, t.k, t.c, t.d, t.v, t.b, t.h, t.t, (SELECT hk_now()), t.bd, $10, $11
             FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::jsonb[], $6::timestamptz[], $7::timestamptz[], $8::date[], $9::smallint[])
               WITH ORDINALITY AS t (s, k, c, d, b, h, t, bd, v, o) ORDER BY t.o
             ON CONFLICT (subject_id, key) DO NOTHING RETURNING subject_id",
            &rows.subject, &rows.key, &rows.class, &rows.kind, &rows.body, &rows.happened, &rows.told, &rows.date,
            &rows.version, actor, policy_id
        )
        .fetch_all(&mut **tx)
        .await?
    } else {
        sqlx::query_scalar!(
            "INSERT INTO facts (subject_id, key, class, kind, version, body, happened_at, reported_at, recorded_at, business_date, actor, policy_id)
             SELECT t.s, t.k, t.c, t.d, t.v, t.b, t.h, t.t, (SELECT hk_now()), t.bd, $10, $11
             FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::jsonb[], $6::timestamptz[], $7::timestamptz[], $8::date[], $9::smallint[])
               WITH ORDINALITY AS t (s, k, c, d, b, h, t, bd, v, o) ORDER BY t.o
             RETURNING subject_id",
            &rows.subject, &rows.key, &rows.class, &rows.kind, &rows.body, &rows.happened, &rows.told, &rows.date,
            &rows.version, actor, policy_id
        )
        .fetch_all(&mut **tx)
        .await?
    };
    Ok(stored.into_iter().collect())
}
