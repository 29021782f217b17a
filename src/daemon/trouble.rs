//! What keeps a loop from its work again and again: a database that does not serve us, or a fault of ours. `/readyz` tells it
//! while it lasts, the log once a minute.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::take;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::{debug, info, warn};

use crate::ops::health::Readiness;
use crate::store::{Store, StoreError};

/// Between two lines about the same trouble.
const LINE: Duration = Duration::from_secs(60);

/// So many rounds in a row fail before the process is not ready: one alone is often the other transaction's.
const ROUNDS: u32 = 3;

/// The part of readiness that all loops share.
const DATABASE: &str = "database";

/// The database as the loops of this process meet it. Clones are one.
#[derive(Clone)]
pub(super) struct Outage {
    readiness: Readiness,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// Loops whose last round was not served.
    waiting: BTreeSet<String>,
    /// When each reason was logged last.
    said: BTreeMap<&'static str, Instant>,
    /// The log has its begin and not its end.
    told: bool,
}

impl Outage {
    /// None yet.
    pub(super) fn new(readiness: &Readiness) -> Self {
        Self {
            readiness: readiness.clone(),
            state: Arc::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Sets and times are whole after any panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This loop was not served. Whether it is time for a line about it.
    fn begun(&self, name: &str, why: &'static str, error: &StoreError) -> bool {
        let mut state = self.state();
        let first = state.waiting.is_empty();
        state.waiting.insert(name.to_owned());
        let now = Instant::now();
        let due = state.said.get(why).is_none_or(|at| now - *at >= LINE);
        if due {
            state.said.insert(why, now);
        }
        // A pool that waited in vain knows less than what stands there already.
        if first || !error.is_timeout() {
            self.block(why, error);
        }
        due
    }

    fn block(&self, why: &str, error: &StoreError) {
        self.readiness.block(DATABASE, format!("{why} ({error})"));
    }

    fn tell(&self, name: &str, why: &'static str, error: &StoreError) {
        let mut state = self.state();
        state.told = true;
        if !state.waiting.is_empty() {
            self.block(why, error);
        }
        warn!(name, why, %error, "the database is unavailable; waiting for it");
    }

    async fn met(&self, name: &str, why: &'static str, error: &StoreError, store: &Store) {
        store.renew_sessions(error);
        if !self.begun(name, why, error) {
            return;
        }
        // The pool keeps to itself why it has no connection.
        let asked = if error.is_timeout() {
            store.connection_error().await
        } else {
            None
        };
        let error = asked.as_ref().unwrap_or(error);
        self.tell(name, error.away().unwrap_or(why), error);
    }

    /// Some loop waits for the database.
    fn lasts(&self) -> bool {
        !self.state().waiting.is_empty()
    }

    fn served(&self, name: &str) {
        let mut state = self.state();
        if !state.waiting.remove(name) || !state.waiting.is_empty() {
            return;
        }
        self.readiness.clear(DATABASE);
        if take(&mut state.told) {
            info!("the database is available again");
        }
    }
}

/// What one loop meets.
pub(super) struct Trouble {
    name: String,
    outage: Outage,
    /// Rounds in a row that failed.
    fails: u32,
    said: Option<Instant>,
    /// The log has its begin and not its end.
    told: bool,
}

impl Trouble {
    /// None yet.
    pub(super) fn new(name: String, outage: Outage) -> Self {
        Self {
            name,
            outage,
            fails: 0,
            said: None,
            told: false,
        }
    }

    /// A round has ended well.
    pub(super) fn over(&mut self) {
        self.outage.served(&self.name);
        if take(&mut self.fails) < ROUNDS {
            return;
        }
        self.outage.readiness.clear(&self.name);
        if take(&mut self.told) {
            info!(name = self.name, "the loop has finished a round again");
        }
    }

    /// A round has failed.
    pub(super) async fn met(&mut self, error: &StoreError, store: &Store) {
        if self.meets_the_end(error) {
            return;
        }
        if let Some(why) = error.away() {
            self.outage.met(&self.name, why, error, store).await;
            return;
        }
        self.outage.served(&self.name);
        self.failed(error);
    }

    /// A round has failed of what runs at its times and is not tried again each second: it would see the end of an outage long
    /// after the loops, so an outage is theirs to tell. What no loop meets is trouble of its own.
    pub(super) fn missed(&mut self, error: &StoreError, store: &Store) {
        if self.meets_the_end(error) {
            return;
        }
        if error.is_away() {
            store.renew_sessions(error);
            if self.outage.lasts() {
                debug!(name = self.name, %error, "the database is unavailable; passed over");
                return;
            }
        }
        self.failed(error);
    }

    /// The orderly end came before that of the round.
    fn meets_the_end(&self, error: &StoreError) -> bool {
        if error.is_closed() {
            debug!(name = self.name, "a round met the end of this process");
        }
        error.is_closed()
    }

    fn failed(&mut self, error: &StoreError) {
        self.fails = self.fails.saturating_add(1);
        let fails = self.fails;
        if fails >= ROUNDS {
            // Without PostgreSQL's words, which may quote a row.
            let place = error.away().map_or_else(|| error.place(), str::to_owned);
            let reason = format!("{fails} rounds in a row failed ({place}); retrying, see the log");
            self.outage.readiness.block(&self.name, reason);
        }
        let now = Instant::now();
        // Where a job meets an outage first, the loops are about to tell it.
        let passes = error.is_away() && fails < ROUNDS;
        if !passes && self.said.is_none_or(|at| now - at >= LINE) {
            warn!(name = self.name, fails, %error, "a round failed; retrying");
            debug!(name = self.name, at = error.place(), "in detail");
            self.said = Some(now);
            self.told = true;
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    /// A database that is not there.
    fn nowhere() -> Store {
        Store::connect("postgres://nobody@127.0.0.1:1/none", 1).unwrap()
    }

    /// A connection that broke.
    fn broken() -> StoreError {
        StoreError::Database(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into())
    }

    fn fault() -> StoreError {
        StoreError::NotFound("no account with id 7".to_owned())
    }

    #[tokio::test]
    async fn the_database_is_back_once_every_loop_is_served_again() {
        let (readiness, store) = (Readiness::default(), nowhere());
        let outage = Outage::new(&readiness);
        let mut plan = Trouble::new("plan".to_owned(), outage.clone());
        let mut lease = Trouble::new("lease".to_owned(), outage.clone());
        plan.met(&broken(), &store).await;
        lease.met(&broken(), &store).await;
        let reasons = readiness.reasons();
        assert_eq!(reasons.len(), 1, "{reasons:?}");
        assert!(reasons[0].starts_with("database: it cannot be reached"));
        plan.over();
        assert_eq!(readiness.reasons(), reasons, "the lease loop is not served");
        lease.over();
        assert!(readiness.reasons().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_one_line_a_minute_for_all_loops() {
        let outage = Outage::new(&Readiness::default());
        let mut lines = 0;
        for second in 0..150 {
            for name in ["plan", "lease", "Pull shop"] {
                lines += u32::from(outage.begun(name, "it is full", &broken()));
            }
            // It comes and goes.
            if second % 7 == 0 {
                outage.served("lease");
            }
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(lines, 3);
        assert!(outage.begun("plan", "it refuses us", &broken()), "another");
    }

    #[tokio::test]
    async fn a_pool_that_waits_in_vain_is_asked_why() {
        let readiness = Readiness::default();
        let mut plan = Trouble::new("plan".to_owned(), Outage::new(&readiness));
        let timeout = StoreError::Database(sqlx::Error::PoolTimedOut);
        plan.met(&timeout, &nowhere()).await;
        let reasons = readiness.reasons();
        assert!(reasons[0].starts_with("database: it cannot be reached"));
    }

    #[tokio::test]
    async fn a_round_that_meets_the_end_of_its_process_is_no_outage() {
        let (readiness, store) = (Readiness::default(), nowhere());
        let outage = Outage::new(&readiness);
        let mut figures = Trouble::new("figures".to_owned(), outage.clone());
        store.close().await;
        let error = store.now().await.unwrap_err();
        assert!(error.is_closed(), "{error}");
        for _ in 0..ROUNDS {
            figures.met(&error, &store).await;
        }
        assert!(readiness.reasons().is_empty(), "{:?}", readiness.reasons());
        assert!(outage.state().said.is_empty() && figures.said.is_none());
    }

    #[tokio::test]
    async fn what_only_a_job_meets_is_its_own_trouble_until_it_is_served() {
        let (readiness, store) = (Readiness::default(), nowhere());
        let mut slow = Trouble::new("slow figures".to_owned(), Outage::new(&readiness));
        for _ in 1..ROUNDS {
            slow.missed(&broken(), &store);
            assert!(readiness.reasons().is_empty() && slow.said.is_none());
        }
        slow.missed(&broken(), &store);
        assert_eq!(
            readiness.reasons(),
            [
                "slow figures: 3 rounds in a row failed (it cannot be reached); retrying, see the log"
            ]
        );
        assert!(slow.said.is_some());
        slow.over();
        assert!(readiness.reasons().is_empty());
    }

    #[tokio::test]
    async fn a_loop_that_fails_again_and_again_is_not_ready_until_a_round_ends_well() {
        let (readiness, store) = (Readiness::default(), nowhere());
        let mut plan = Trouble::new("plan".to_owned(), Outage::new(&readiness));
        for _ in 0..2 {
            plan.met(&fault(), &store).await;
            assert!(readiness.reasons().is_empty());
        }
        let said = plan.said;
        plan.met(&fault(), &store).await;
        assert_eq!(
            readiness.reasons(),
            ["plan: 3 rounds in a row failed (not in the database); retrying, see the log"]
        );
        assert_eq!(plan.said, said, "one line a minute");
        plan.over();
        assert!(readiness.reasons().is_empty());
    }
}
