//! The engine: what one process needs to pull, plan and push, and the steps it takes. Each step is one
//! function that tests call by hand and [`run`] calls in loops.

mod allocate;
mod batches;
mod housekeeping;
mod layouts;
mod plan;
mod recover;
mod run;
mod schedule;
mod seal;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, NaiveDate, Utc};
use hikiate_sdk::{AccountSlug, Connector, Op};
use tracing::warn;

pub use allocate::allocate_step;
pub use batches::batch_step;
pub use layouts::not_written;
pub use plan::plan_step;
pub use recover::recover_step;
pub use run::{RunError, run};
pub use schedule::slot_now;
pub use seal::{render_wave, seal_step};

use crate::config::{Loaded, MailTemplates};
use crate::operations::{CAPTURE, MAIL, NOTICE, of};
use crate::ops::metrics::Metrics;
use crate::policy::Policy;
use crate::push::Pacer;
use crate::rules::RuleSet;
use crate::store::witness::Witness;
use crate::store::{Directory, Instance, OwnedAccount, Store, StoreError};

/// An account as configured.
#[derive(Clone)]
pub struct Account {
    /// Row id.
    pub id: i16,
    /// Name.
    pub slug: AccountSlug,
    /// The far side.
    pub connector: Arc<dyn Connector>,
    /// Its pace in this process.
    pub pacer: Pacer,
}

/// Everything a step needs.
pub struct Engine {
    /// The database.
    pub store: Store,
    /// The policy in force when this process started.
    pub policy: Arc<Policy>,
    /// Its row.
    pub policy_id: i32,
    /// Its compiled hold rules.
    pub rules: Arc<RuleSet>,
    /// Ids of names.
    pub directory: Directory,
    /// Configured accounts by row id.
    pub accounts: BTreeMap<i16, Account>,
    /// Mail templates.
    pub templates: MailTemplates,
    /// Counters.
    pub metrics: Metrics,
    /// Names this process.
    pub instance: Instance,
    /// What was sent, told outside the database.
    pub witness: Witness,
    /// Leases of accounts and effects.
    pub lease_seconds: i32,
    /// Orders planned in one transaction.
    pub plan_batch: i64,
    /// Effects of an account claimed at once, at the most.
    pub push_batch: i64,
    /// Pause of a loop that found nothing to do.
    pub idle: std::time::Duration,
    /// How long calls under way may take to end at shutdown.
    pub drain: std::time::Duration,
    /// What keeps a wrong rule or a deadly order from doing harm.
    pub guards: Guards,
}

/// Limits of planning and what it remembers of failures.
#[derive(Debug)]
pub struct Guards {
    /// Effects a rule may make in a minute without news of their orders before it pauses itself.
    pub rule_burst: i32,
    /// Rows of failed batches that were not deleted yet, with their orders.
    failed: Mutex<Vec<(i64, Vec<i64>)>>,
}

impl Guards {
    /// With that limit.
    #[must_use]
    pub fn new(rule_burst: i32) -> Self {
        Self {
            rule_burst,
            failed: Mutex::default(),
        }
    }

    fn failed(&self) -> MutexGuard<'_, Vec<(i64, Vec<i64>)>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Guards {
    fn default() -> Self {
        Self::new(100)
    }
}

impl Engine {
    /// Registers what the configuration names, activates its policy and builds an engine.
    ///
    /// # Errors
    /// The database's; an account that changed its connector.
    pub async fn start(
        store: Store,
        loaded: Loaded,
        metrics: Metrics,
        instance: Instance,
        witness: Witness,
    ) -> Result<Self, StoreError> {
        store.watch_now(&witness).await?;
        let names: Vec<(AccountSlug, &str)> = loaded
            .accounts
            .iter()
            .map(|a| (a.slug.clone(), a.connector))
            .collect();
        let directory = store.register(&names, &loaded.policy).await?;
        let policy_id = store
            .activate_policy(
                &loaded.policy_hash,
                &loaded.policy_document,
                &rules_of(&loaded.policy),
            )
            .await?;
        store
            .end_channel_alarms(&loaded.policy.undecided_channels())
            .await?;
        let channels: Vec<AccountSlug> = loaded.policy.channels.keys().cloned().collect();
        for channel in store.not_begun(&channels).await? {
            warn!(
                channel,
                "the channel has not begun: its orders are read, planned and reserved for, and nothing is sent for them; look with `hikiate begin {channel} --dry-run`"
            );
        }
        let mut accounts = BTreeMap::new();
        for built in &loaded.accounts {
            let id = directory.account(&built.slug)?;
            let connector = Arc::clone(&built.instance);
            if let Some(source) = connector.source() {
                let streams: Vec<String> = source.streams().into_iter().map(|s| s.name).collect();
                store.register_streams(id, &streams).await?;
            }
            let pacer = Pacer::new(connector.pace());
            accounts.insert(
                id,
                Account {
                    id,
                    slug: built.slug.clone(),
                    connector,
                    pacer,
                },
            );
        }
        store.retry_failed().await?;
        let engine = Self {
            store,
            policy_id,
            rules: Arc::new(loaded.rules),
            policy: Arc::new(loaded.policy),
            directory,
            accounts,
            templates: loaded.settings.templates,
            metrics,
            instance,
            witness,
            lease_seconds: loaded.settings.engine.lease_seconds,
            plan_batch: loaded.settings.engine.plan_batch,
            push_batch: loaded.settings.engine.push_batch,
            idle: loaded.settings.engine.idle,
            drain: loaded.settings.engine.drain,
            guards: Guards::new(loaded.settings.engine.rule_burst),
        };
        plan::tell_alarms(&engine).await?;
        schedule::retime(&engine).await?;
        Ok(engine)
    }

    /// The day in the shop's zone.
    #[must_use]
    pub fn today(&self, now: DateTime<Utc>) -> NaiveDate {
        now.with_timezone(&self.policy.shop.timezone).date_naive()
    }

    /// Takes or renews the leases of all accounts and cleans up after whoever had them before.
    ///
    /// # Errors
    /// The database's.
    pub async fn own(&self, fresh: bool) -> Result<Vec<OwnedAccount>, StoreError> {
        let ids: Vec<i16> = self.accounts.keys().copied().collect();
        let owned = self
            .store
            .own_accounts(&self.instance, &ids, self.lease_seconds, fresh)
            .await?;
        self.store.reclaim(&owned).await?;
        Ok(owned)
    }
}

/// Every (rule, account) the policy makes active.
fn rules_of(policy: &Policy) -> Vec<(String, AccountSlug)> {
    let mut rules = Vec::new();
    for (slug, channel) in &policy.channels {
        if channel.notify {
            rules.push((NOTICE.to_owned(), slug.clone()));
        }
        rules.extend(
            channel
                .payments
                .values()
                .filter_map(|route| route.account.clone())
                .map(|account| (CAPTURE.to_owned(), account)),
        );
        if let Some(mail) = &policy.mail {
            rules.extend(
                channel
                    .mail
                    .iter()
                    .map(|kind| (format!("{MAIL}:{}", kind.as_str()), mail.clone())),
            );
        }
    }
    rules.extend(
        policy
            .warehouses
            .iter()
            .map(|w| (of(Op::Instruct).rule.to_owned(), w.account.clone())),
    );
    rules.extend(
        policy
            .booking
            .iter()
            .map(|b| (of(Op::PostJournal).rule.to_owned(), b.account.clone())),
    );
    rules.sort();
    rules.dedup();
    rules
}
