//! The budget of an account's calls in the process that owns it. The meter itself is the SDK's, where connectors take their
//! turns; here its counts of days are kept in the database.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use hikiate_sdk::budget::DayCount;

use super::Account;
use crate::store::{DayCounts, OwnedAccount, Store, StoreError};

/// The lease under which an account was taken over to the end: what its last owner left was cleaned up, and its counts were
/// read. Until then its calls are not counted from the right number.
#[derive(Clone, Debug, Default)]
pub struct Continued(Arc<AtomicI64>);

impl Continued {
    /// It was taken over under this lease.
    pub fn done(&self, owned: &OwnedAccount) {
        self.0.store(owned.token, Ordering::Release);
    }

    /// Whether it was, under this very lease.
    #[must_use]
    pub fn is_done(&self, owned: &OwnedAccount) -> bool {
        self.0.load(Ordering::Acquire) == owned.token
    }
}

/// How many claims wait behind each call that may be under way.
const DEPTH: usize = 8;

impl Account {
    /// How many effects to claim at a time.
    #[must_use]
    pub fn room(&self) -> usize {
        let width = self.link.meter().width();
        if self.link.meter().is_limited() {
            width.max(2)
        } else {
            width * DEPTH
        }
    }

    /// Goes on from the counts that the last owner wrote down; called for an account whose lease was not ours a moment ago.
    ///
    /// # Errors
    /// The database's.
    pub async fn go_on_counting(&self, store: &Store) -> Result<(), StoreError> {
        if self.link.meter().has_days() {
            self.link.set_clock(store.now().await?);
            let stored = store.budget_days(self.id).await?;
            self.link.meter().go_on_from(&stored);
        }
        Ok(())
    }

    /// Writes down the calls of a day before they are made, a block at a time: a process that dies loses no more than a block of
    /// the day, and makes no call too many.
    ///
    /// # Errors
    /// The database's; the lease was lost.
    pub async fn count_ahead(&self, store: &Store, owned: &OwnedAccount) -> Result<(), StoreError> {
        let has_days = self.link.meter().has_days();
        // How long a throttle lasts is told by the database's clock, too.
        if has_days || !self.link.meter().rest().is_zero() {
            self.link.set_clock(store.now().await?);
        }
        if !has_days {
            return Ok(());
        }
        let due = self.link.meter().days_to_write();
        if due.is_empty() {
            return Ok(());
        }
        store
            .write_budget_days(owned, &due, DayCounts::Ahead)
            .await?;
        self.link.meter().days_written(&due);
        Ok(())
    }

    /// Writes down the calls that were made, before the account is given back.
    ///
    /// # Errors
    /// The database's; the lease was lost.
    pub async fn settle_counts(
        &self,
        store: &Store,
        owned: &OwnedAccount,
    ) -> Result<(), StoreError> {
        let made: Vec<DayCount> = self.link.meter().days();
        if made.is_empty() {
            return Ok(());
        }
        store.write_budget_days(owned, &made, DayCounts::Made).await
    }
}
