//! The owner of an account works its webhooks: each makes something due to be read, and is gone.

use hikiate_sdk::Kind;
use hikiate_sdk::hooks::{HookTrust, Hooks, Nudge};
use tracing::warn;

use crate::account::Account;
use crate::engine::Engine;
use crate::store::{HookWork, OwnedAccount, StoreError, WaitingHook};

/// Hooks worked in one transaction.
const BATCH: i64 = 500;
/// Transactions of one step, so that a flood of hooks does not keep the account from reading.
const BATCHES: usize = 4;

/// Turns the webhooks of an account that wait into readings that are due, each once. Called before the account is read, by
/// whoever reads it: what a hook makes due is asked for after the hook has come. True when there were any.
///
/// # Errors
/// The database's.
pub(super) async fn hook_step(
    engine: &Engine,
    account: &Account,
    owned: &OwnedAccount,
) -> Result<bool, StoreError> {
    let Some(hooks) = account.connector.hooks() else {
        return Ok(false);
    };
    let mut busy = false;
    for _ in 0..BATCHES {
        let waiting = engine.store.waiting_hooks(owned.id, BATCH).await?;
        if waiting.is_empty() {
            break;
        }
        busy = true;
        let work = work(account, hooks, &waiting);
        engine
            .store
            .retried("hooks_worked", || engine.store.hooks_worked(owned, &work))
            .await?;
        engine
            .metrics
            .hooks_worked(account.slug.as_str(), waiting.len());
        if i64::try_from(waiting.len()).is_ok_and(|n| n < BATCH) {
            break;
        }
    }
    Ok(busy)
}

/// What hooks make due, each once.
fn work(account: &Account, hooks: &dyn Hooks, waiting: &[WaitingHook]) -> HookWork {
    let specs = hooks.hooks();
    let mut work = HookWork {
        ids: waiting.iter().map(|row| row.id).collect(),
        ..HookWork::default()
    };
    for row in waiting {
        // A hook that is off by now, since its secret was taken out, is not believed any more.
        let Some(spec) = specs.iter().find(|spec| spec.name == row.hook) else {
            warn!(account = %account.slug, hook = row.hook, "a stored webhook belongs to a hook that is now off and was dropped");
            continue;
        };
        let signed = spec.trust == HookTrust::Secret;
        for nudge in hooks.nudges(&row.hook, &row.headers, &row.body) {
            match nudge {
                Nudge::Read(kind, id) if signed => {
                    work.reads.insert((kind, id));
                }
                Nudge::Wake(stream) if signed => {
                    work.streams.insert(stream);
                }
                // Whoever cannot sign has only what is known already read again.
                Nudge::Read(Kind::Order, id) => {
                    work.known_orders.insert(id);
                }
                Nudge::Read(..) | Nudge::Wake(_) => {}
            }
        }
    }
    work
}
