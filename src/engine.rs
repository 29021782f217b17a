//! The engine: what one process needs to pull, plan and push.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::account::Account;
use crate::config::MailTemplates;
use crate::ops::metrics::Metrics;
use crate::policy::{Policy, Retention};
use crate::rules::RuleSet;
use crate::store::witness::Witness;
use crate::store::{Directory, Instance, OwnedAccount, Standing, Store, StoreError};
use chrono::{DateTime, NaiveDate, Utc};

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
    /// The shortest pause of a loop that found nothing to do.
    pub idle: std::time::Duration,
    /// The longest one, where nobody tells of work.
    pub longest_idle: std::time::Duration,
    /// How long calls under way may take to end at shutdown.
    pub drain: std::time::Duration,
    /// How long what names somebody is kept.
    pub retention: Retention,
    /// What keeps a wrong rule or a deadly order from doing harm.
    pub guards: PlanningLimits,
}

/// Limits of planning, what it remembers of failures, and whether this process plans.
#[derive(Debug)]
pub struct PlanningLimits {
    /// Effects a rule may make in a minute without new input of their orders before it pauses itself.
    pub automation_burst: i32,
    /// Rows of failed batches that were not deleted yet, with their orders.
    failed: Mutex<Vec<(i64, Vec<i64>)>>,
    /// Batches that were claimed, so that each class gets its share.
    batches: AtomicU32,
    /// Whether this process plans, as its last look at what is due found it.
    standing: Mutex<Standing>,
}

impl PlanningLimits {
    /// With that limit.
    #[must_use]
    pub fn new(automation_burst: i32) -> Self {
        Self {
            automation_burst,
            failed: Mutex::default(),
            batches: AtomicU32::new(0),
            standing: Mutex::default(),
        }
    }

    /// The number of the next batch.
    pub(crate) fn next_batch(&self) -> u32 {
        self.batches.fetch_add(1, Ordering::Relaxed)
    }

    /// Whether this process plans, as its last look at what is due found it.
    #[must_use]
    pub fn standing(&self) -> Standing {
        *self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A look at what is due found this. True where it is another than before.
    pub(crate) fn found(&self, standing: Standing) -> bool {
        let mut known = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *known, standing) != standing
    }

    /// Rows of failed batches that were not deleted yet.
    pub(crate) fn failed(&self) -> MutexGuard<'_, Vec<(i64, Vec<i64>)>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for PlanningLimits {
    fn default() -> Self {
        Self::new(100)
    }
}

impl Engine {
    /// The day in the shop's zone.
    #[must_use]
    pub fn today(&self, now: DateTime<Utc>) -> NaiveDate {
        now.with_timezone(&self.policy.shop.timezone).date_naive()
    }

    /// Gives the leases back, with the counts of their budgets; what keeps one account's counts from being written keeps no lease.
    ///
    /// # Errors
    /// The database's, the first one.
    pub async fn release(&self, owned: &[OwnedAccount]) -> Result<(), StoreError> {
        let mut settled = Ok(());
        for owned in owned {
            // Where the take-over failed, nothing was called, and the count is not the day's.
            let account = self.accounts.get(&owned.id);
            let Some(account) = account.filter(|account| account.continued.is_done(owned)) else {
                continue;
            };
            match account.settle_counts(&self.store, owned).await {
                // Its new owner counts.
                Ok(()) | Err(StoreError::LostLease(_)) => {}
                Err(error) => settled = settled.and(Err(error)),
            }
        }
        self.store.release_accounts(owned).await?;
        settled
    }

    /// Takes or renews the leases of all accounts and cleans up after whoever had them before. What fails of that is repeated
    /// the next time; until then the account is not returned.
    ///
    /// # Errors
    /// The database's.
    pub async fn own(&self, fresh: bool) -> Result<Vec<OwnedAccount>, StoreError> {
        let ids: Vec<i16> = self.accounts.keys().copied().collect();
        let mut owned = self
            .store
            .own_accounts(&self.instance, &ids, self.lease_seconds, fresh)
            .await?;
        for owned in &mut owned {
            let account = self.accounts.get(&owned.id);
            owned.taken |= account.is_some_and(|account| !account.continued.is_done(owned));
        }
        for owned in &owned {
            if let Some(account) = self.accounts.get(&owned.id) {
                account.credentials.told(owned.paused.as_deref());
            }
        }
        self.store.reclaim(&owned).await?;
        for owned in owned.iter().filter(|owned| owned.taken) {
            if let Some(account) = self.accounts.get(&owned.id) {
                account.go_on_counting(&self.store).await?;
                account.continued.done(owned);
            }
        }
        Ok(owned)
    }
}
