//! Allocating: marks become reservations.

use crate::engine::Engine;
use crate::store::StoreError;

/// Works off one batch of marks. Returns how many.
///
/// # Errors
/// The database's.
pub async fn allocate_step(engine: &Engine) -> Result<usize, StoreError> {
    Ok(engine
        .store
        .retried("allocate", || {
            engine.store.allocate(&engine.directory, &engine.policy)
        })
        .await?
        .marks)
}
