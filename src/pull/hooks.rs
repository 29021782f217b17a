//! The owner of an account works its webhooks: each makes something due to be read, and is gone.

use std::collections::BTreeSet;

use hikiate_sdk::hooks::{HookTrust, Hooks, Nudge};
use hikiate_sdk::{AccountSlug, Kind};
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
    let reads = account.connector.source().map(|source| source.reads());
    let kinds: BTreeSet<Kind> = reads.into_iter().flatten().map(|(kind, _)| kind).collect();
    let mut busy = false;
    for _ in 0..BATCHES {
        let waiting = engine.store.waiting_hooks(owned.id, BATCH).await?;
        if waiting.is_empty() {
            break;
        }
        busy = true;
        let work = work(&account.slug, &kinds, hooks, &waiting);
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

/// What hooks make due, each once: only of `kinds`, which can be read by id. Nobody would ever read another one.
fn work(
    account: &AccountSlug,
    kinds: &BTreeSet<Kind>,
    hooks: &dyn Hooks,
    waiting: &[WaitingHook],
) -> HookWork {
    let specs = hooks.hooks();
    let mut work = HookWork {
        ids: waiting.iter().map(|row| row.id).collect(),
        ..HookWork::default()
    };
    for row in waiting {
        // A hook that is off by now, since its secret was taken out, is not believed any more.
        let Some(spec) = specs.iter().find(|spec| spec.name == row.hook) else {
            warn!(%account, hook = row.hook, "a stored webhook belongs to a hook that is now off and was dropped");
            continue;
        };
        let signed = spec.trust == HookTrust::Secret;
        for nudge in hooks.nudges(&row.hook, &row.headers, &row.body) {
            match nudge {
                Nudge::Read(kind, _) if !kinds.contains(&kind) => {}
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

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
    use hikiate_sdk::ExternalId;
    use hikiate_sdk::hooks::{Arrival, Arrived, HookSpec, reply};

    use super::*;

    /// Makes an order and a payment due with each hook.
    struct Both(HookTrust);

    impl Hooks for Both {
        fn hooks(&self) -> Vec<HookSpec> {
            vec![HookSpec {
                name: "all".to_owned(),
                register: "every change".to_owned(),
                trust: self.0,
                body_limit: 100,
                keep: Vec::new(),
            }]
        }

        fn arrive(&self, _: &str, _: &Arrived<'_>, _: DateTime<Utc>) -> Arrival {
            Arrival::Answer(reply(200, ""))
        }

        fn nudges(&self, _: &str, _: &[(String, String)], _: &[u8]) -> Vec<Nudge> {
            let kinds = [Kind::Order, Kind::Payment];
            let nudge = |kind| Nudge::Read(kind, ExternalId::from("1"));
            kinds.map(nudge).to_vec()
        }
    }

    fn worked(trust: HookTrust, kinds: &[Kind]) -> HookWork {
        let waiting = [WaitingHook {
            id: 1,
            hook: "all".to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        }];
        let kinds = kinds.iter().copied().collect();
        work(&AccountSlug::new("shop"), &kinds, &Both(trust), &waiting)
    }

    #[test]
    fn only_what_can_be_read_by_id_becomes_due() {
        let signed = |kinds: &[Kind]| worked(HookTrust::Secret, kinds).reads;
        let one = |kind| (kind, ExternalId::from("1"));
        assert_eq!(signed(&[Kind::Order]), [one(Kind::Order)].into());
        assert_eq!(signed(&[Kind::Payment]), [one(Kind::Payment)].into());
        assert_eq!(signed(&[]), BTreeSet::new());
        let unsigned = |kinds: &[Kind]| worked(HookTrust::SenderCannotSign, kinds).known_orders;
        assert_eq!(unsigned(&[Kind::Order]).len(), 1);
        assert!(unsigned(&[Kind::Payment]).is_empty());
        let none = worked(HookTrust::Secret, &[]);
        assert_eq!(none.ids, [1], "it is worked all the same");
    }
}
