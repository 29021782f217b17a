//! Deletes what names somebody once it has served.

use hikiate_sdk::budget::Urgency;
use tracing::{info, warn};

use crate::engine::Engine;
use crate::store::{Phase, Purged, StoreError};

/// One round: what is older than it is kept, up to a bound. Says what it deleted, if anything, in one line. What fails keeps nothing
/// else from being deleted. Nothing while another policy is in force: it may keep things longer, and what is deleted does not come
/// back.
///
/// # Errors
/// The database's, the first one; the next round goes on.
pub async fn purge_step(engine: &Engine) -> Result<Purged, StoreError> {
    let mut done = Purged::default();
    if !engine.store.in_force(engine.policy_id).await? {
        return Ok(done);
    }
    let rows = engine.store.purge_into(&engine.retention, &mut done).await;
    let files = clear_archives(engine, &mut done.files).await;
    engine.metrics.count_purged(&done);
    if !done.is_empty() {
        log(&done);
    }
    rows.and(files).map(|()| done)
}

/// Every kind of what was deleted, in one line: a kind that is added is left out by no oversight.
fn log(done: &Purged) {
    let Purged {
        orders,
        personal,
        raw,
        words,
        batches,
        quarantine,
        payments,
        files,
    } = *done;
    info!(
        orders,
        personal,
        raw,
        words,
        batches,
        quarantine,
        payments,
        files,
        "deleted what is no longer kept"
    );
}

/// Archived files that accounts keep no longer: by whoever owns the account, while nothing pauses its reading. What cannot be
/// reached is tried again with the next round.
async fn clear_archives(engine: &Engine, files: &mut u64) -> Result<(), StoreError> {
    if engine.store.recovery().await?.phase != Phase::None {
        return Ok(());
    }
    let now = engine.store.now().await?;
    for account in engine.accounts.values() {
        let Some(source) = account.connector.source() else {
            continue;
        };
        // Asked before each: the one before may have taken longer than a lease.
        let owned = engine
            .store
            .readable(&engine.instance, account.id)
            .await?
            .filter(|owned| account.continued.is_done(owned));
        let Some(owned) = owned else {
            continue;
        };
        if !account.calls() {
            continue;
        }
        match account.count_ahead(&engine.store, &owned).await {
            // Somebody else's by now.
            Err(StoreError::LostLease(_)) => continue,
            counted => counted?,
        }
        let open = engine.store.files_in_quarantine(account.id).await?;
        match Urgency::BackFill.scope(source.clear_old(now, &open)).await {
            Ok(gone) => *files += u64::try_from(gone).unwrap_or(u64::MAX),
            // The budget has no room; the next round goes on.
            Err(error) if error.is_put_off() => {}
            Err(error) => {
                // No answer at all is the usual end of this, so only an error says something of the account.
                account.record_result(&engine.metrics, Some(&error));
                warn!(account = %account.slug, %error, "could not delete archived files; retrying");
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::telemetry::logged;

    #[test]
    fn the_line_says_what_the_metric_counts() {
        let done = Purged {
            orders: 1,
            personal: 2,
            raw: 3,
            words: 4,
            batches: 5,
            quarantine: 6,
            payments: 7,
            files: 8,
        };
        let line = logged::line(|| log(&done));
        for (kind, rows) in done.kinds() {
            let field = kind.trim_start_matches("archived_");
            assert_eq!(line[field], rows, "{kind}: {line}");
        }
    }
}
