//! Heads: the last reading of each series, which the next one is judged by.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde_json::Value;
use sha2::{Digest, Sha256};
use sqlx::{Postgres, Transaction};

use super::StoreError;
use super::judge::Head;
use crate::facts::FactBody;

/// The heads of some subjects.
pub(super) async fn load_heads(
    tx: &mut Transaction<'_, Postgres>,
    ids: &[i64],
) -> Result<BTreeMap<SeriesKey, Head>, StoreError> {
    let mut heads: BTreeMap<SeriesKey, Head> = BTreeMap::new();
    let mut older: Vec<(SeriesKey, String)> = Vec::new();
    for row in sqlx::query!(
        "SELECT subject_id, kind, series, hash, version, revision, requested_at, received_at, contradicted_at, fact_version FROM latest_observations WHERE subject_id = ANY($1)",
        ids
    )
    .fetch_all(&mut **tx)
    .await?
    {
        let place = (row.subject_id, row.kind, row.series);
        if FactBody::version_of(&place.1) > Some(row.fact_version) {
            older.push((place.clone(), fact_key(&place.1, &place.2, row.revision)));
        }
        heads.insert(
            place,
            Head { hash: row.hash, version: row.version, n: row.revision, requested_at: row.requested_at, received_at: row.received_at, contradicted_at: row.contradicted_at, here: false },
        );
    }
    rehash(tx, &mut heads, older).await?;
    Ok(heads)
}

/// Subject, kind and series.
pub(super) type SeriesKey = (i64, String, String);

/// The key of the `n`-th fact of a series.
pub(super) fn fact_key(kind: &str, series: &str, n: i32) -> String {
    format!("{kind}:{series}:{n}")
}

/// Stands for a reading: another body has another one. Which file told a parcel is no part of what it says, unless its quantities
/// add up: then each file says something new.
pub(super) fn body_hash(body: &FactBody, json: &Value) -> Result<Vec<u8>, StoreError> {
    let bytes = match (body, json) {
        (FactBody::Parcel(report), Value::Object(fields)) if fields.contains_key("told") => {
            let mut fields = fields.clone();
            fields.remove("told");
            if let Some(told) = report.told.as_ref().filter(|_| report.adds) {
                fields.insert("file".to_owned(), Value::from(told.file.as_str()));
            }
            serde_json::to_vec(&fields)?
        }
        _ => serde_json::to_vec(json)?,
    };
    Ok(Sha256::digest(bytes).to_vec())
}

/// Heads that were hashed from bodies of an older version are hashed anew from those bodies in today's shape.
async fn rehash(
    tx: &mut Transaction<'_, Postgres>,
    heads: &mut BTreeMap<SeriesKey, Head>,
    older: Vec<(SeriesKey, String)>,
) -> Result<(), StoreError> {
    if older.is_empty() {
        return Ok(());
    }
    let subject: Vec<i64> = older.iter().map(|(place, _)| place.0).collect();
    let key: Vec<String> = older.iter().map(|(_, key)| key.clone()).collect();
    for row in sqlx::query!(
        r#"SELECT t.o AS "at!", f.kind, f.version, f.body::text AS "body!", w.words AS "words?" FROM unnest($1::bigint[], $2::text[]) WITH ORDINALITY AS t (s, k, o)
           JOIN facts f ON f.subject_id = t.s AND f.key = t.k LEFT JOIN fact_words w ON w.subject_id = f.subject_id AND w.key = f.key"#,
        &subject, &key
    )
    .fetch_all(&mut **tx)
    .await?
    {
        let at = usize::try_from(row.at - 1).unwrap_or_default();
        let (Some((place, _)), Ok(body)) = (older.get(at), FactBody::read_with(&row.kind, row.version, &row.body, row.words)) else {
            continue;
        };
        if let Some(head) = heads.get_mut(place) {
            head.hash = body_hash(&body, &body.to_json()?)?;
        }
    }
    Ok(())
}

/// Writes those that were touched.
pub(super) async fn write_heads(
    tx: &mut Transaction<'_, Postgres>,
    heads: &BTreeMap<SeriesKey, Head>,
    touched: &BTreeSet<SeriesKey>,
    raw_hashes: &BTreeMap<SeriesKey, Vec<u8>>,
) -> Result<(), StoreError> {
    if touched.is_empty() {
        return Ok(());
    }
    let mut subject = Vec::new();
    let mut kind = Vec::new();
    let mut series = Vec::new();
    let mut hash = Vec::new();
    let mut version = Vec::new();
    let mut n = Vec::new();
    let mut fact_version = Vec::new();
    let mut asked = Vec::new();
    let mut answered = Vec::new();
    let mut contradicted = Vec::new();
    let mut raw = Vec::new();
    for place in touched {
        let Some(head) = heads.get(place) else {
            continue;
        };
        subject.push(place.0);
        kind.push(place.1.clone());
        series.push(place.2.clone());
        hash.push(head.hash.clone());
        version.push(head.version);
        n.push(head.n);
        fact_version.push(FactBody::version_of(&place.1).unwrap_or(1));
        asked.push(head.requested_at);
        answered.push(head.received_at);
        contradicted.push(head.contradicted_at);
        raw.push(raw_hashes.get(place).cloned());
    }
    sqlx::query!(
        "INSERT INTO latest_observations (subject_id, kind, series, hash, version, revision, requested_at, received_at, fact_version, contradicted_at, raw_hash)
         SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bytea[], $5::bigint[], $6::int[], $7::timestamptz[], $8::timestamptz[], $9::smallint[], $10::timestamptz[], $11::bytea[])
         ON CONFLICT (subject_id, kind, series) DO UPDATE SET hash = excluded.hash, version = excluded.version,
           revision = excluded.revision, fact_version = excluded.fact_version, requested_at = excluded.requested_at, received_at = excluded.received_at,
           contradicted_at = excluded.contradicted_at, raw_hash = excluded.raw_hash",
        &subject, &kind, &series, &hash, &version as &[Option<i64>], &n, &asked, &answered, &fact_version,
        &contradicted as &[Option<DateTime<Utc>>], &raw as &[Option<Vec<u8>>]
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
