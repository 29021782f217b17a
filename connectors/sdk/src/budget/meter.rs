//! The meter of an account: every call waits here for its turn.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::limit::Now;
use super::queue::{Queue, Wish, at_once};
use super::{Budget, Clock, DayCount, Limit, Reading, Urgency};
use crate::{Error, ErrorClass};

/// A call that would wait longer than this for its turn goes away and comes back: whoever holds a claim meanwhile gives it back.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// Calls of a day that are written down ahead, so that a process that dies loses no more of the day than these.
pub const DAY_BLOCK: u32 = 40;

/// Further ones are written down once only so many are left.
const DAY_LOW: u32 = 20;

/// A throttled account rests for this long where the answer names no time.
pub const REST: Duration = Duration::from_secs(10);

/// And for no longer than this, whatever the answer says.
pub const LONGEST_REST: Duration = Duration::from_secs(600);

/// … and at least this long; where less is asked for, twice as long each time in a row, up to half a minute.
const SHORTEST_REST: Duration = Duration::from_secs(1);

/// The shortest sleep of a call that waits behind others.
const TICK: Duration = Duration::from_millis(1);

/// A call that went away comes back no sooner.
const SOON: Duration = Duration::from_secs(1);

/// Calls under way at once where nobody declares a limit.
const WIDTH: usize = 8;

/// What a call asks its turn for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Its class, [`EVERY`](super::EVERY) for none of its own.
    pub class: &'static str,
    /// Units of a bucket, at least 1.
    pub cost: u32,
}

impl Default for Ask {
    fn default() -> Self {
        Self {
            class: super::EVERY,
            cost: 1,
        }
    }
}

/// What was counted since the meter was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls that had their turn.
    pub calls: u64,
    /// Calls that went away because their turn was too far off.
    pub put_off: u64,
    /// Answers that said to slow down.
    pub throttled: u64,
}

/// The budget of one account in the process that owns it. Clones are one meter. Until limits are declared everything has its
/// turn at once.
#[derive(Clone)]
pub struct Meter(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    clock: Clock,
}

#[derive(Default)]
struct State {
    queue: Queue,
    budgets: Vec<Budget>,
    /// Calls whose turn has come and that have not noticed yet.
    started: BTreeSet<u64>,
    /// How those that wait are woken.
    bells: BTreeMap<u64, Arc<Notify>>,
    counts: Counts,
    /// Throttled answers since the last one that was not.
    strikes: u32,
}

impl State {
    fn serve(&mut self, now: Now) {
        for id in self.queue.serve(now) {
            self.started.insert(id);
            if let Some(bell) = self.bells.get(&id) {
                bell.notify_one();
            }
        }
    }

    /// Something ended or changed: all look again.
    fn wake(&mut self, now: Now) {
        self.serve(now);
        for bell in self.bells.values() {
            bell.notify_one();
        }
    }
}

impl std::fmt::Debug for Meter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Meter").field(&self.state().budgets).finish()
    }
}

impl Meter {
    /// A meter without limits. Its days are those of this clock.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self(Arc::new(Inner {
            state: Mutex::default(),
            clock,
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Now {
        Now {
            at: Instant::now(),
            utc: self.0.clock.now(),
        }
    }

    /// Puts these limits in the place of all before, with nothing used of them yet.
    pub fn declare(&self, budgets: Vec<Budget>) {
        let mut state = self.state();
        state.queue.declare(&budgets, self.now());
        state.budgets = budgets;
        state.wake(self.now());
    }

    /// Begins anew with the same limits, for tests whose clock is not this machine's.
    pub fn forget(&self) {
        let budgets = self.state().budgets.clone();
        self.declare(budgets);
    }

    /// The limits.
    #[must_use]
    pub fn budgets(&self) -> Vec<Budget> {
        self.state().budgets.clone()
    }

    /// What was counted so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.state().counts
    }

    /// Calls that may be in progress at once.
    #[must_use]
    pub fn width(&self) -> usize {
        let declared = at_once(&self.state().budgets);
        declared.map_or(WIDTH, |most| usize::try_from(most).unwrap_or(WIDTH).max(1))
    }

    /// True where calls wait for more than one another.
    #[must_use]
    pub fn is_limited(&self) -> bool {
        let state = self.state();
        let mut limits = state.budgets.iter().flat_map(|b| &b.limits);
        limits.any(|limit| !matches!(limit, Limit::AtOnce(_)))
    }

    /// How long there is no use in starting further writes: the account was throttled, or writes that went away to wait for
    /// their turn are not back yet.
    #[must_use]
    pub fn rest(&self) -> Duration {
        let (mut state, now) = (self.state(), self.now());
        let kept = state.queue.first_kept(now).unwrap_or_default();
        state.queue.rest(now).max(kept)
    }

    /// Waits for a turn with the urgency of the current task; the call lasts as long as the turn is kept.
    ///
    /// # Errors
    /// `RateLimited` with the code `budget` and the time to come back, where the turn is further off than [`PATIENCE`]: nothing
    /// was sent.
    pub async fn turn(&self, ask: Ask) -> Result<Turn, Error> {
        let ask = Ask {
            cost: ask.cost.max(1),
            ..ask
        };
        let place = Place::take(self, ask);
        let give_up = Instant::now() + PATIENCE;
        loop {
            let (outlook, now) = {
                let (mut state, now) = (self.state(), self.now());
                state.serve(now);
                if state.started.remove(&place.id) {
                    state.counts.calls += 1;
                    drop(state);
                    return Ok(place.turn());
                }
                (state.queue.outlook(place.wish, now), now.at)
            };
            let wake = outlook.unwrap_or(give_up).max(now + TICK);
            if wake > give_up || now >= give_up {
                let wait = outlook.map(|at| at.saturating_duration_since(now));
                return place.put_off(wait.unwrap_or_default().max(SOON));
            }
            tokio::select! {
                () = place.bell.notified() => {}
                () = tokio::time::sleep_until(wake) => {}
            }
        }
    }

    /// An answer said to slow down, by whatever way it came.
    pub fn throttled(&self, class: &'static str, after: Option<Duration>) {
        let (mut state, now) = (self.state(), self.now());
        state.counts.throttled += 1;
        // An answer that asks for no patience, again and again, gets more of it each time.
        let least = SHORTEST_REST * 2_u32.pow(state.strikes.min(5));
        state.strikes = state.strikes.saturating_add(1);
        let rest = match after {
            Some(after) if after < SHORTEST_REST => least,
            after => after.unwrap_or(REST).min(LONGEST_REST),
        };
        state.queue.over(class, rest, Urgency::current(), now);
        state.wake(now);
    }

    /// True where a count of days has to be kept.
    #[must_use]
    pub fn has_days(&self) -> bool {
        self.state().queue.days().next().is_some()
    }

    /// Goes on from the counts that the last owner wrote down. From now on no call of a day is made that was not written down
    /// before: see [`Self::days_to_write`].
    pub fn go_on_from(&self, stored: &[DayCount]) {
        let (mut state, now) = (self.state(), self.now());
        for (class, day) in state.queue.days() {
            let of = stored.iter().filter(|s| s.class == class);
            let last = of.max_by_key(|s| s.day).map(|s| (s.day, s.used));
            day.go_on_from(last, now);
        }
        state.wake(now);
    }

    /// The counts to write down before further calls, each with a block of calls that are still to come; empty while enough of
    /// them is left.
    #[must_use]
    pub fn days_to_write(&self) -> Vec<DayCount> {
        let (mut state, now) = (self.state(), self.now());
        let mut due = Vec::new();
        for (class, limit) in state.queue.days() {
            if let Some((day, used, Some(written))) = limit.today(now)
                && written.saturating_sub(used) < DAY_LOW
            {
                due.push(DayCount {
                    class: class.to_owned(),
                    day,
                    used: used.saturating_add(DAY_BLOCK),
                });
            }
        }
        due
    }

    /// These counts are written down.
    pub fn days_written(&self, counts: &[DayCount]) {
        let (mut state, now) = (self.state(), self.now());
        for (class, limit) in state.queue.days() {
            for count in counts.iter().filter(|c| c.class == class) {
                limit.written_down(count.day, count.used);
            }
        }
        state.wake(now);
    }

    /// The calls made today, to be written down when the account is given back.
    #[must_use]
    pub fn days(&self) -> Vec<DayCount> {
        let (mut state, now) = (self.state(), self.now());
        let of = |(class, limit): (&'static str, &mut super::limit::State)| {
            let (day, used, _) = limit.today(now)?;
            Some(DayCount {
                class: class.to_owned(),
                day,
                used,
            })
        };
        state.queue.days().filter_map(of).collect()
    }
}

/// A place in the queue; dropped, it is free.
struct Place {
    meter: Meter,
    wish: Wish,
    id: u64,
    bell: Arc<Notify>,
    settled: bool,
}

impl Place {
    fn take(meter: &Meter, ask: Ask) -> Self {
        let bell = Arc::new(Notify::new());
        let wish = Wish {
            class: ask.class,
            cost: ask.cost,
            urgency: Urgency::current(),
        };
        let mut state = meter.state();
        let id = state.queue.join(wish);
        state.bells.insert(id, Arc::clone(&bell));
        drop(state);
        Self {
            meter: meter.clone(),
            wish,
            id,
            bell,
            settled: false,
        }
    }

    fn turn(mut self) -> Turn {
        self.settled = true;
        self.meter.state().bells.remove(&self.id);
        Turn {
            meter: self.meter.clone(),
            ask: Ask {
                class: self.wish.class,
                cost: self.wish.cost,
            },
        }
    }

    /// Goes away to come back, unless its turn has come since it was looked for: another call that ended gave it away.
    fn put_off(mut self, wait: Duration) -> Result<Turn, Error> {
        let (mut state, now) = (self.meter.state(), self.meter.now());
        if state.started.remove(&self.id) {
            state.counts.calls += 1;
            drop(state);
            return Ok(self.turn());
        }
        state.counts.put_off += 1;
        state.bells.remove(&self.id);
        state.queue.keep_place(self.id, wait, now);
        drop(state);
        self.settled = true;
        Err(Error::new(
            ErrorClass::RateLimited { after: Some(wait) },
            "not sent: the account's call budget is used up for now",
        )
        .with_code(BUDGET))
    }
}

/// The code of an error that says that a call had to wait for our own budget.
const BUDGET: &str = "budget";

impl Error {
    /// True where nothing was sent because the account's own budget has no turn for it yet.
    #[must_use]
    pub fn is_put_off(&self) -> bool {
        matches!(self.class, ErrorClass::RateLimited { .. }) && self.code.as_deref() == Some(BUDGET)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        let (mut state, now) = (self.meter.state(), self.meter.now());
        state.bells.remove(&self.id);
        if state.started.remove(&self.id) {
            state.queue.end(self.wish.class, self.wish.cost, now);
        } else {
            state.queue.leave(self.id);
        }
        state.wake(now);
    }
}

/// The right to make one call, until it is dropped.
#[must_use]
pub struct Turn {
    meter: Meter,
    ask: Ask,
}

impl std::fmt::Debug for Turn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Turn").field(&self.ask).finish()
    }
}

impl Turn {
    /// What the answer to this call says of the budget.
    pub fn read(&self, reading: Reading) {
        let Reading { class, units, each } = reading;
        let (mut state, now) = (self.meter.state(), self.meter.now());
        state.queue.left(class, units, each, self.ask.cost, now);
        state.wake(now);
    }

    /// How the call ended.
    pub fn ended(&self, error: Option<&Error>) {
        match error.map(|e| e.class) {
            Some(ErrorClass::RateLimited { after }) => self.meter.throttled(self.ask.class, after),
            _ => self.meter.state().strikes = 0,
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let (mut state, now) = (self.meter.state(), self.meter.now());
        state.queue.end(self.ask.class, self.ask.cost, now);
        state.wake(now);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::budget::{Budget, EVERY};

    const SECOND: Duration = Duration::from_secs(1);
    const ASK: Ask = Ask {
        class: EVERY,
        cost: 1,
    };

    /// `Retry-After: 0`, again and again.
    #[tokio::test]
    async fn an_answer_that_asks_for_no_patience_gets_more_each_time() {
        let clock = Clock::default();
        let meter = Meter::new(clock.clone());
        let begin = clock.now();
        let mut rests = Vec::new();
        for n in 0..7 {
            clock.set(begin + chrono::Duration::minutes(n));
            meter.throttled(EVERY, Some(Duration::ZERO));
            rests.push(meter.rest().as_secs_f64().round() as u64);
        }
        assert_eq!(rests, [1, 2, 4, 8, 16, 32, 32]);
        clock.set(begin + chrono::Duration::minutes(8));
        let turn = meter.turn(ASK).await.unwrap();
        turn.ended(None);
        drop(turn);
        meter.throttled(EVERY, Some(Duration::ZERO));
        assert!(meter.rest() <= SECOND);
    }

    /// The turn is given to the place between the look at the queue and the going away.
    #[tokio::test]
    async fn a_turn_that_comes_while_its_place_is_given_up_is_taken() {
        let meter = Meter::new(Clock::default());
        meter.declare(vec![Budget::account(vec![Limit::AtOnce(1)])]);
        let held = meter.turn(ASK).await.unwrap();
        let place = Place::take(&meter, ASK);
        drop(held);
        drop(place.put_off(SOON).unwrap());
        drop(meter.turn(ASK).await.unwrap());
        assert_eq!(meter.counts().calls, 3);
    }
}
