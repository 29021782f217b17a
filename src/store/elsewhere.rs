//! What explains an order beside its facts: batches on their way, accounts that are paused, the names of its items.

use hikiate_sdk::{AccountSlug, ShipmentReference};
use sqlx::{Postgres, Transaction};

use super::load::effect_state;
use super::{Store, StoreError};
use crate::plan::types::EffectState;
use crate::plan::{Elsewhere, SealedBatch, Sending};

impl Store {
    /// Reads it for one order.
    ///
    /// # Errors
    /// The database's.
    pub async fn elsewhere(
        tx: &mut Transaction<'_, Postgres>,
        subject_id: i64,
    ) -> Result<Elsewhere, StoreError> {
        let mut elsewhere = Elsewhere::default();
        for row in sqlx::query!(
            "SELECT l.slug, b.seal_at FROM batches b JOIN locations l ON l.id = b.location_id WHERE b.kind = 'instruct' AND b.state = 'open'"
        )
        .fetch_all(&mut **tx)
        .await?
        {
            elsewhere.waves.insert(row.slug, row.seal_at);
        }
        for row in sqlx::query!(
            r#"SELECT s.reference AS "reference!", u.number AS "number!", b.sealed_at AS "sealed_at!", e.state AS "state?", e.attempts AS "attempts?", e.outcome_unknown AS "outcome_unknown?", e.error
               FROM shipments s JOIN batches b ON b.subject_id = s.batch_id JOIN subjects u ON u.id = b.subject_id
               LEFT JOIN effects e ON e.subject_id = b.subject_id WHERE s.subject_id = $1 AND b.sealed_at IS NOT NULL"#,
            subject_id
        )
        .fetch_all(&mut **tx)
        .await?
        {
            let sending = row.state.map(|state| match effect_state(&state) {
                EffectState::Unresolved => Sending::Unknown,
                EffectState::Leased | EffectState::Sending => Sending::Now,
                EffectState::Planned if row.outcome_unknown == Some(true) => Sending::Doubtful,
                EffectState::Planned => match row.attempts.unwrap_or(0) {
                    0 => Sending::Waits,
                    tries => Sending::Fails {
                        tries,
                        error: row.error.unwrap_or_else(|| "no reason was told".to_owned()),
                    },
                },
            });
            elsewhere.batches.insert(
                ShipmentReference::new(row.reference),
                SealedBatch {
                    number: row.number,
                    sealed_at: row.sealed_at,
                    sending,
                },
            );
        }
        for row in sqlx::query!(
            r#"SELECT slug AS "slug!", paused AS "paused!" FROM accounts WHERE paused IS NOT NULL
               UNION ALL
               SELECT a.slug, 'paused by ' || p.actor || ': ' || p.reason FROM account_pauses p JOIN accounts a ON a.id = p.account_id WHERE p.what = 'writes'"#
        )
        .fetch_all(&mut **tx)
        .await?
        {
            elsewhere
                .paused
                .insert(AccountSlug::new(row.slug), row.paused);
        }
        for row in sqlx::query!(
            "SELECT i.id, i.code FROM items i WHERE i.id IN (SELECT d.item_id FROM demands d WHERE d.subject_id = $1)",
            subject_id
        )
        .fetch_all(&mut **tx)
        .await?
        {
            elsewhere.items.insert(row.id, row.code);
        }
        Ok(elsewhere)
    }
}
