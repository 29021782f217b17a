//! Readings whose bytes are those of the last one: they are dropped before anything of them is locked or compared.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};
use sqlx::{Postgres, Transaction};

use super::{IncomingPage, Store, StoreError};
use crate::facts::FactBody;

/// Stands for the bytes of a reading and for who read them. Another program or configuration, which may understand the same
/// bytes otherwise, has taken the account over first.
pub(super) fn raw_hash(lease: i64, raw: &[u8]) -> Vec<u8> {
    let hash = Sha256::new().chain_update(lease.to_be_bytes());
    hash.chain_update(raw).finalize().to_vec()
}

impl Store {
    /// The orders of a page that say what they said last, byte for byte; in the same statement the times of their heads move. Nothing
    /// else writes heads of this account meanwhile: the page holds its lease. An order that is absent, or of which a record
    /// lies in quarantine, is not among them: any sight of it ends that.
    pub(super) async fn same_bytes(
        tx: &mut Transaction<'_, Postgres>,
        account_id: i16,
        page: &IncomingPage,
    ) -> Result<BTreeSet<String>, StoreError> {
        let Some(lease) = page.read_by else {
            return Ok(BTreeSet::new());
        };
        let mut seen: BTreeMap<&str, Option<Vec<u8>>> = BTreeMap::new();
        for order in &page.orders {
            // Of one that comes twice the page's own order counts.
            let id = order.external_id.as_str();
            let twice = seen.contains_key(id);
            seen.insert(id, (!twice).then(|| raw_hash(lease, &order.raw)));
        }
        let (mut names, mut hashes) = (Vec::new(), Vec::new());
        for (name, hash) in seen {
            if let Some(hash) = hash {
                names.push(name.to_owned());
                hashes.push(hash);
            }
        }
        if names.is_empty() {
            return Ok(BTreeSet::new());
        }
        let version = FactBody::version_of("order").unwrap_or(1);
        let same = sqlx::query_scalar!(
            r#"WITH same AS MATERIALIZED (
                 SELECT s.id, s.external_id FROM unnest($2::text[], $3::bytea[]) AS t (e, h)
                   JOIN subjects s ON s.account_id = $1 AND s.kind = 'order' AND s.external_id = t.e
                   JOIN latest_observations h ON h.subject_id = s.id AND h.kind = 'order' AND h.series = '' AND h.raw_hash = t.h AND h.fact_version = $5
                 WHERE NOT EXISTS (SELECT FROM presence p WHERE p.subject_id = s.id AND p.misses > 0)
                   AND NOT EXISTS (SELECT FROM quarantine q WHERE q.account_id = $1 AND q.external_id = t.e AND q.resolved_at IS NULL)),
               moved AS (
                 UPDATE latest_observations h SET requested_at = $4, received_at = (SELECT hk_now()), contradicted_at = NULL FROM same
                 WHERE h.subject_id = same.id AND h.kind = 'order' AND h.series = '' AND h.requested_at < $4)
               SELECT external_id FROM same"#,
            account_id, &names, &hashes, page.requested_at, version
        )
        .fetch_all(&mut **tx)
        .await?;
        Ok(same.into_iter().collect())
    }
}
