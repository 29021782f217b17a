//! Deletes what names somebody once it has served.

use tracing::{info, warn};

use crate::engine::Engine;
use crate::store::{Phase, Purged, StoreError};

/// One round: what is older than it is kept, up to a bound. Says what it deleted, if anything, in one line. Nothing while another
/// policy is in force: it may keep things longer, and what is deleted does not come back.
///
/// # Errors
/// The database's; the next round goes on.
pub async fn purge_step(engine: &Engine) -> Result<Purged, StoreError> {
    if !engine.store.in_force(engine.policy_id).await? {
        return Ok(Purged::default());
    }
    let mut done = engine.store.purge(&engine.retention).await?;
    done.files = clear_archives(engine).await?;
    engine.metrics.count_purged(&done);
    if !done.is_empty() {
        info!(
            orders = done.orders,
            personal = done.personal,
            raw = done.raw,
            batches = done.batches,
            quarantine = done.quarantine,
            payments = done.payments,
            files = done.files,
            "deleted what is no longer kept"
        );
    }
    Ok(done)
}

/// Archived files that accounts keep no longer. What cannot be reached is tried again with the next round.
async fn clear_archives(engine: &Engine) -> Result<u64, StoreError> {
    if engine.store.recovery().await?.phase != Phase::None {
        return Ok(0);
    }
    let now = engine.store.now().await?;
    let mut files = 0;
    for account in engine.accounts.values() {
        let Some(source) = account.connector.source() else {
            continue;
        };
        if !account.calls() {
            continue;
        }
        match source.clear_old(now).await {
            Ok(gone) => files += u64::try_from(gone).unwrap_or(u64::MAX),
            Err(error) => {
                // No answer at all is the usual end of this, so only an error says something of the account.
                account.record_result(&engine.metrics, Some(&error));
                warn!(account = %account.slug, %error, "could not delete archived files; retrying");
            }
        }
    }
    Ok(files)
}
