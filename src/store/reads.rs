//! What is due to be read by its id. Rows of one statement are locked in the order of their ids, and after the rows of
//! their subjects where those are locked at all.

use hikiate_sdk::{ExternalId, Kind};

use super::{Store, StoreError};

impl Store {
    /// Makes ids of an account due to be read now; one that was never seen needs no subject. `why` is a word for people: `hook`.
    /// An answer that was asked for before this does not settle it. Called again it changes nothing but that.
    ///
    /// # Errors
    /// The database's.
    pub async fn read_soon(
        &self,
        account_id: i16,
        kind: Kind,
        ids: &[ExternalId],
        why: &str,
    ) -> Result<(), StoreError> {
        let ids: Vec<String> = ids.iter().map(|id| id.as_str().to_owned()).collect();
        sqlx::query!(
            "INSERT INTO reads (account_id, kind, external_id, due_at, why, noted_at)
             SELECT DISTINCT $1::smallint, $2::text, t.id, (SELECT hk_now()), $4::text, (SELECT hk_now()) FROM unnest($3::text[]) AS t (id) ORDER BY t.id
             ON CONFLICT (account_id, kind, external_id) DO UPDATE SET due_at = least(reads.due_at, excluded.due_at), why = excluded.why, noted_at = excluded.noted_at",
            account_id, kind.as_str(), &ids, why
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}
