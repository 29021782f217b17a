//! Where a process can be stopped at a call to an external system: for good, or until somebody lets it go on.

use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use super::log::Log;

/// What happens to the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shock {
    /// It is gone; nothing after this point is done.
    Die,
    /// It stands still until it is let go on.
    Stall,
}

/// Every call of one process to an external system passes here before and after it acts.
pub(super) struct Gate {
    name: String,
    log: Log,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    armed: Option<(u64, Shock)>,
    fired: Option<Shock>,
    held: bool,
    count: u64,
    /// Whoever drives the step, and the call that is held.
    driver: Option<Waker>,
    call: Option<Waker>,
}

impl Gate {
    pub(super) fn new(name: &str, log: Log) -> Self {
        Self {
            name: name.to_owned(),
            log,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The shock comes at the passage after so many others.
    pub(super) fn arm(&self, after: u64, shock: Shock) {
        self.state().armed = Some((after, shock));
    }

    pub(super) fn disarm(&self) {
        self.state().armed = None;
    }

    /// What has happened since the last time this was asked.
    pub(super) fn fired(&self, driver: &Waker) -> Option<Shock> {
        let mut state = self.state();
        state.driver = Some(driver.clone());
        state.fired.take()
    }

    /// The held call goes on.
    pub(super) fn release(&self) {
        let mut state = self.state();
        state.held = false;
        if let Some(call) = state.call.take() {
            call.wake();
        }
    }

    /// Another number each time.
    pub(super) fn count(&self) -> u64 {
        let mut state = self.state();
        state.count += 1;
        state.count
    }

    pub(super) fn say(&self, what: impl AsRef<str>) {
        self.log.say(&self.name, what);
    }

    pub(super) async fn pass(&self, place: &str) {
        let shock = {
            let mut state = self.state();
            match state.armed {
                Some((0, shock)) => {
                    state.armed = None;
                    state.fired = Some(shock);
                    state.held = true;
                    if let Some(driver) = state.driver.take() {
                        driver.wake();
                    }
                    Some(shock)
                }
                Some((n, shock)) => {
                    state.armed = Some((n - 1, shock));
                    None
                }
                None => None,
            }
        };
        match shock {
            Some(Shock::Die) => {
                self.say(format!("*** dies {place}"));
                std::future::pending::<()>().await;
            }
            Some(Shock::Stall) => {
                self.say(format!("*** stalls {place}"));
                poll_fn(|cx| {
                    let mut state = self.state();
                    if state.held {
                        state.call = Some(cx.waker().clone());
                        Poll::Pending
                    } else {
                        Poll::Ready(())
                    }
                })
                .await;
                self.say(format!("continues {place}"));
            }
            None => {}
        }
    }
}
