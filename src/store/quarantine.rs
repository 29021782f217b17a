//! Records that could not be understood: kept with their reason until they can be.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};
use sqlx::{Postgres, Transaction};

use super::StoreError;
use super::ingest::IncomingBad;

/// Keeps each bad record once, by its bytes. One that was out of quarantine and is told again is back in it.
pub(super) async fn quarantine(
    tx: &mut Transaction<'_, Postgres>,
    account_id: i16,
    stream: &str,
    bad: &[IncomingBad],
) -> Result<(), StoreError> {
    if bad.is_empty() {
        return Ok(());
    }
    let mut once: BTreeMap<Vec<u8>, &IncomingBad> = BTreeMap::new();
    for record in bad {
        once.entry(Sha256::digest(&record.raw).to_vec())
            .or_insert(record);
    }
    let hash: Vec<Vec<u8>> = once.keys().cloned().collect();
    let external: Vec<Option<String>> = once.values().map(|b| b.external_id.clone()).collect();
    let raw: Vec<Vec<u8>> = once.values().map(|b| b.raw.clone()).collect();
    let reason: Vec<String> = once.values().map(|b| b.reason.clone()).collect();
    sqlx::query!(
        "INSERT INTO quarantine (account_id, stream, external_id, hash, raw, reason, first_at, last_at)
         SELECT $1, $2, t.e, t.h, t.r, t.w, (SELECT hk_now()), (SELECT hk_now())
         FROM unnest($3::text[], $4::bytea[], $5::bytea[], $6::text[]) AS t (e, h, r, w)
         ON CONFLICT (account_id, stream, hash) DO UPDATE SET seen = quarantine.seen + 1, last_at = excluded.last_at, reason = excluded.reason,
           resolved_at = NULL",
        account_id, stream, &external as &[Option<String>], &hash, &raw, &reason
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// A record that can be read now is out of quarantine.
pub(super) async fn resolve_quarantine(
    tx: &mut Transaction<'_, Postgres>,
    account_id: i16,
    names: &[String],
) -> Result<(), StoreError> {
    if !names.is_empty() {
        sqlx::query!(
            "UPDATE quarantine SET resolved_at = (SELECT hk_now()) WHERE account_id = $1 AND external_id = ANY($2) AND resolved_at IS NULL",
            account_id, names
        )
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}
