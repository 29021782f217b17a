//! When a loop goes on that found nothing to do. Whoever finds work wakes all loops, those of other daemons and commands by the
//! database; without any of that a loop looks again by itself, more and more seldom. A wake-up that is lost costs a poll.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::engine::Engine;

/// Pause before notifications are asked for again after the connection failed.
const LISTEN_AGAIN: Duration = Duration::from_secs(5);

/// The wake-ups of one process. Clones are one.
#[derive(Clone, Debug)]
pub(super) struct Wake {
    woken: watch::Sender<()>,
    to_tell: Arc<Notify>,
}

impl Wake {
    pub(super) fn new() -> Self {
        Self {
            woken: watch::Sender::new(()),
            to_tell: Arc::default(),
        }
    }

    /// A loop of this process found work: there may be more for any other.
    pub(super) fn found(&self) {
        self.heard();
        self.to_tell.notify_one();
    }

    /// Somebody else tells of work.
    fn heard(&self) {
        self.woken.send_replace(());
    }

    /// The pause of one loop: at least `shortest` and at most `longest`.
    pub(super) fn pause(&self, shortest: Duration, longest: Duration) -> Pause {
        Pause {
            woken: self.woken.subscribe(),
            shortest,
            longest: longest.max(shortest),
            next: shortest,
        }
    }
}

/// The pause of a loop.
#[derive(Debug)]
pub(super) struct Pause {
    woken: watch::Receiver<()>,
    shortest: Duration,
    longest: Duration,
    /// The next one where nobody wakes it.
    next: Duration,
}

impl Pause {
    /// A round begins: what is told from now on is after it.
    pub(super) fn round(&mut self) {
        self.woken.mark_unchanged();
    }

    /// The loop found work itself.
    pub(super) fn worked(&mut self) {
        self.next = self.shortest;
    }

    /// Waits after a round that found nothing: until somebody tells of work, but no less than the shortest pause, so that a loop
    /// without work costs a busy process no more than a poll; else twice as long each time.
    pub(super) async fn wait(&mut self) {
        let until = Instant::now() + self.next;
        sleep(self.shortest).await;
        match timeout_at(until, self.woken.changed()).await {
            Ok(_) => self.next = self.shortest,
            Err(_) => self.next = (self.next * 2).min(self.longest),
        }
    }
}

/// Tells other daemons at the database when loops of this process find work, once a pause at the most.
pub(super) async fn tell(engine: Arc<Engine>, wake: Wake, stop: CancellationToken) {
    let telling = async {
        loop {
            wake.to_tell.notified().await;
            if let Err(error) = engine.store.tell_of_work(Some(&engine.instance)).await {
                debug!(%error, "other daemons could not be told of work; they poll");
            }
            sleep(engine.idle).await;
        }
    };
    until(&stop, telling).await;
}

/// Hears of work that other daemons and commands make.
pub(super) async fn listen(engine: Arc<Engine>, wake: Wake, stop: CancellationToken) {
    let listening = async {
        loop {
            let lost = async {
                let mut told = engine.store.hear_of_work().await?;
                loop {
                    told.next(&engine.instance).await?;
                    wake.heard();
                }
            };
            let lost: Result<(), crate::store::StoreError> = lost.await;
            if let Err(error) = lost {
                debug!(%error, "notifications of work cannot be heard; the loops poll");
            }
            sleep(LISTEN_AGAIN).await;
        }
    };
    until(&stop, listening).await;
}

async fn until(stop: &CancellationToken, work: impl Future<Output = ()>) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = work => {}
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    const SHORT: Duration = Duration::from_millis(200);
    const LONG: Duration = Duration::from_secs(10);

    async fn waited(pause: &mut Pause) -> Duration {
        let began = Instant::now();
        pause.wait().await;
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_without_work_looks_more_and_more_seldom() {
        let wake = Wake::new();
        let mut pause = wake.pause(SHORT, LONG);
        let mut all = Vec::new();
        for _ in 0..8 {
            pause.round();
            all.push(waited(&mut pause).await.as_millis());
        }
        assert_eq!(all, [200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]);
    }

    #[tokio::test(start_paused = true)]
    async fn work_wakes_it_after_the_shortest_pause() {
        let wake = Wake::new();
        let mut pause = wake.pause(SHORT, LONG);
        for _ in 0..5 {
            pause.wait().await;
        }
        let (took, ()) = tokio::join!(waited(&mut pause), async {
            sleep(Duration::from_millis(900)).await;
            wake.found();
        });
        assert_eq!(took.as_millis(), 900);
        pause.round();
        let (took, ()) = tokio::join!(waited(&mut pause), async { wake.found() });
        assert_eq!(took, SHORT, "no sooner than the shortest pause");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_told_during_a_round_is_not_lost() {
        let wake = Wake::new();
        let mut pause = wake.pause(SHORT, LONG);
        for _ in 0..5 {
            pause.wait().await;
        }
        pause.round();
        wake.found();
        assert_eq!(waited(&mut pause).await, SHORT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_notification_waits_for_somebody_to_tell_it() {
        let wake = Wake::new();
        wake.found();
        let told = timeout(SHORT, wake.to_tell.notified()).await;
        assert!(told.is_ok());
        wake.heard();
        let told = timeout(SHORT, wake.to_tell.notified()).await;
        assert!(told.is_err(), "what others told is not told again");
    }
}
