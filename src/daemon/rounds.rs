//! A loop of the daemon: its rounds, its pauses, and what happens when a round fails or panics.

use std::future::Future;
use std::time::Duration;

use tokio::task::JoinError;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::{error, info, warn};

use super::trouble::{Outage, Trouble};
use super::wake::{Pause, Wake};
use crate::ops::health::Readiness;
use crate::store::{Store, StoreError};

/// Pause after a round that failed.
const FAILED: Duration = Duration::from_secs(1);

/// The longest pause after rounds that panicked, each of which doubles it.
const PANICKED: Duration = Duration::from_secs(60);

/// What a loop does after a round that found nothing.
pub(super) enum Idle {
    /// It waits this long.
    For(Duration),
    /// It waits until there may be work, and tells others when it finds some.
    Woken(Wake, Pause),
}

impl Idle {
    fn round(&mut self) {
        if let Self::Woken(_, pause) = self {
            pause.round();
        }
    }

    fn worked(&mut self) {
        if let Self::Woken(wake, pause) = self {
            pause.worked();
            wake.found();
        }
    }

    async fn wait(&mut self) {
        match self {
            Self::For(time) => sleep(*time).await,
            Self::Woken(_, pause) => pause.wait().await,
        }
    }
}

/// A loop before it runs.
pub(super) struct Rounds {
    /// Its name, for logs, readiness and tasks.
    pub(super) name: String,
    /// What it does when there is nothing to do.
    pub(super) idle: Idle,
    /// Where it says what stands in its way.
    pub(super) readiness: Readiness,
    /// The database as all loops meet it.
    pub(super) outage: Outage,
    /// Ends it between two rounds.
    pub(super) stop: CancellationToken,
    /// Keeps that a round panicked.
    pub(super) store: Store,
}

impl Rounds {
    /// Repeats a round: at once while it finds work, after a pause when it finds none, with patience while the database is away
    /// or a fault stays (one log line a minute), and after growing pauses when it panics. The process is not ready until a round
    /// ends well.
    pub(super) async fn every<F, Fut>(mut self, mut round: F)
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<bool, StoreError>> + Send + 'static,
    {
        let mut trouble = Trouble::new(self.name.clone(), self.outage.clone());
        let mut panics = 0;
        while !self.stop.is_cancelled() {
            self.idle.round();
            let ended = match apart(round()).await {
                Ok(ended) => ended,
                Err(why) => {
                    panics += 1;
                    self.panicked(&why, panics).await;
                    self.pause(Some(after_panics(panics))).await;
                    continue;
                }
            };
            let well = matches!(
                ended,
                Ok(_) | Err(StoreError::Replan | StoreError::LostLease(_))
            );
            if well {
                trouble.over();
                if panics > 0 {
                    panics = 0;
                    self.readiness.clear(&self.name);
                    info!(name = self.name, "the loop has finished a round again");
                }
            }
            let wait = match ended {
                Ok(true) => {
                    self.idle.worked();
                    continue;
                }
                Err(StoreError::Replan) => continue,
                Ok(false) | Err(StoreError::LostLease(_)) => None,
                Err(error) => {
                    trouble.met(&error, &self.store).await;
                    Some(FAILED)
                }
            };
            self.pause(wait).await;
        }
    }

    async fn pause(&mut self, time: Option<Duration>) {
        let pause = async {
            match time {
                Some(time) => sleep(time).await,
                None => self.idle.wait().await,
            }
        };
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = pause => {}
        }
    }

    async fn panicked(&self, why: &str, times: u32) {
        error!(
            name = self.name,
            why, times, "a round panicked; the loop starts again after a pause"
        );
        let reason =
            format!("a round panicked ({why}); it starts again after a pause, see the log");
        self.readiness.block(&self.name, reason);
        if let Err(error) = self.store.loop_panicked(&self.name, why).await {
            warn!(name = self.name, %error, "the panic could not be stored as a task");
        }
    }
}

fn after_panics(times: u32) -> Duration {
    let doubled = FAILED.saturating_mul(2_u32.saturating_pow(times.saturating_sub(1)));
    doubled.min(PANICKED)
}

/// A round in a task of its own, so that its panic ends no more than the round. Dropped, it is cancelled.
async fn apart<T: Send + 'static>(
    round: impl Future<Output = T> + Send + 'static,
) -> Result<T, String> {
    let task = AbortOnDropHandle::new(tokio::spawn(round));
    task.await.map_err(why)
}

/// What a panic says, where that is a fixed text: one that was put together may quote names and addresses.
fn why(error: JoinError) -> String {
    let Ok(panic) = error.try_into_panic() else {
        return "it was cancelled".to_owned();
    };
    let fixed = panic.downcast_ref::<&'static str>();
    fixed.map_or_else(
        || "its message is not repeated here, since it may quote data".to_owned(),
        |text| (*text).to_owned(),
    )
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

    use std::sync::{Arc, Mutex};

    use super::*;

    /// A loop over a database that is not there.
    fn rounds(readiness: &Readiness, stop: &CancellationToken) -> Rounds {
        Rounds {
            name: "plan".to_owned(),
            idle: Idle::For(Duration::from_secs(1)),
            readiness: readiness.clone(),
            outage: Outage::new(readiness),
            stop: stop.clone(),
            store: Store::connect("postgres://nobody@127.0.0.1:1/none", 1).unwrap(),
        }
    }

    #[test]
    fn pauses_after_panics_double_up_to_a_minute() {
        let pauses = [1, 2, 3, 7, 40].map(|times| after_panics(times).as_secs());
        assert_eq!(pauses, [1, 2, 4, 60, 60]);
    }

    #[tokio::test]
    async fn a_message_that_quotes_data_is_not_repeated() {
        let name = String::from("Taro Yamada");
        let quoted = apart(async move { panic!("not a boundary of {name}") }).await;
        let quoted: Result<(), String> = quoted;
        assert!(!quoted.unwrap_err().contains("Taro"));
        let fixed: Result<(), String> = apart(async { panic!("a fixed text") }).await;
        assert_eq!(fixed.unwrap_err(), "a fixed text");
    }

    #[tokio::test]
    async fn a_panic_ends_its_round_and_not_its_loop() {
        let (readiness, stop) = (Readiness::default(), CancellationToken::new());
        let seen: Arc<Mutex<Vec<Vec<String>>>> = Arc::default();
        let (noted, told, end) = (Arc::clone(&seen), readiness.clone(), stop.clone());
        let round = move || {
            let mut noted = noted.lock().unwrap();
            noted.push(told.reasons());
            let (n, end) = (noted.len(), end.clone());
            async move {
                match n {
                    1 => panic!("index out of bounds"),
                    2 => Err(StoreError::NotFound("no warehouse with id 3".to_owned())),
                    3 => Ok(false),
                    _ => {
                        end.cancel();
                        Ok(false)
                    }
                }
            }
        };
        rounds(&readiness, &stop).every(round).await;
        let why = "plan: a round panicked (index out of bounds); it starts again after a pause, see the log";
        let (red, green) = (vec![why.to_owned()], vec![]);
        // A round that fails is no end of it.
        assert_eq!(
            *seen.lock().unwrap(),
            [green.clone(), red.clone(), red, green]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_round_that_fails_again_and_again_is_told_until_it_ends_well() {
        let (readiness, stop) = (Readiness::default(), CancellationToken::new());
        let seen: Arc<Mutex<Vec<usize>>> = Arc::default();
        let (counted, told, end) = (Arc::clone(&seen), readiness.clone(), stop.clone());
        let round = move || {
            let mut seen = counted.lock().unwrap();
            seen.push(told.reasons().len());
            let (n, end) = (seen.len(), end.clone());
            async move {
                match n {
                    1..6 => Err(StoreError::NotFound("no warehouse with id 3".to_owned())),
                    6 => Ok(false),
                    _ => {
                        end.cancel();
                        Ok(false)
                    }
                }
            }
        };
        rounds(&readiness, &stop).every(round).await;
        assert_eq!(*seen.lock().unwrap(), [0, 0, 0, 1, 1, 1, 0]);
    }

    #[tokio::test]
    async fn a_round_is_cancelled_with_its_loop() {
        let (readiness, stop) = (Readiness::default(), CancellationToken::new());
        let held = Arc::new(());
        let mine = Arc::clone(&held);
        let round = move || {
            let mine = Arc::clone(&mine);
            async move {
                sleep(Duration::from_secs(3_600)).await;
                drop(mine);
                Ok(false)
            }
        };
        let running = tokio::spawn(rounds(&readiness, &stop).every(round));
        while Arc::strong_count(&held) < 3 {
            tokio::task::yield_now().await;
        }
        running.abort();
        assert!(running.await.unwrap_err().is_cancelled());
        while Arc::strong_count(&held) > 1 {
            tokio::task::yield_now().await;
        }
    }
}
