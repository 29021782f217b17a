//! The two statements that almost every transaction is made of: lock the subjects, and make them due to be planned.

use super::{StoreError, Tx};

/// Locks subjects in the one order in which all transactions lock them.
pub(super) async fn lock_subjects(tx: &mut Tx<'_>, ids: &[i64]) -> Result<(), StoreError> {
    sqlx::query!(
        "SELECT id FROM subjects WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE",
        ids
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(())
}

/// Makes subjects due at once, before all that is due for other reasons than new input.
pub(super) async fn make_due(tx: &mut Tx<'_>, ids: &[i64]) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE subjects SET plan_at = (SELECT hk_now()), plan_class = 0 WHERE id = ANY($1)",
        ids
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
