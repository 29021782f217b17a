//! An account's pace: calls at once, calls a second, and slowing down when the far side says so.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hikiate_sdk::{Error, ErrorClass, Pace};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::breaker::Breaker;

/// How many claims wait behind each call that may be under way.
const DEPTH: usize = 8;

/// A claim is given back rather than kept longer than this for a turn.
const PATIENCE: Duration = Duration::from_secs(5);

/// Paces the calls of one account in the process that owns it.
#[derive(Clone, Debug)]
pub struct Pacer {
    at_once: Arc<Semaphore>,
    width: usize,
    next: Arc<Mutex<Instant>>,
    gap: Duration,
    breaker: Breaker,
}

impl Pacer {
    /// A pacer for a declared pace.
    #[must_use]
    pub fn new(pace: Pace) -> Self {
        let width = pace.concurrency.max(1);
        Self {
            at_once: Arc::new(Semaphore::new(width)),
            width,
            next: Arc::new(Mutex::new(Instant::now())),
            breaker: Breaker::default(),
            gap: pace
                .per_second
                .map_or(Duration::ZERO, |n| Duration::from_secs(1) / n.max(1)),
        }
    }

    /// Calls that may be under way at once.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Whether the account rests because calls to it keep failing.
    #[must_use]
    pub fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    /// How many effects to claim at a time.
    #[must_use]
    pub fn room(&self) -> usize {
        if self.gap.is_zero() {
            self.width * DEPTH
        } else {
            self.width.max(2)
        }
    }

    /// How long until the next call may start.
    #[must_use]
    pub fn wait(&self) -> Duration {
        self.next
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .saturating_duration_since(Instant::now())
    }

    /// Waits for a turn; the call lasts as long as the permit.
    ///
    /// # Errors
    /// How long to wait, when that is longer than a claim should be kept for.
    pub async fn start(&self) -> Result<OwnedSemaphorePermit, Duration> {
        let permit = Arc::clone(&self.at_once)
            .acquire_owned()
            .await
            .map_err(|_| PATIENCE)?;
        let turn = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let turn = (*next).max(Instant::now());
            let wait = turn.saturating_duration_since(Instant::now());
            if wait > PATIENCE {
                return Err(wait);
            }
            *next = turn + self.gap;
            turn
        };
        tokio::time::sleep_until(turn).await;
        Ok(permit)
    }

    /// Slows down after a far side asked for it.
    pub fn heard(&self, error: Option<&Error>) {
        if let Some(Error {
            class: ErrorClass::RateLimited { after },
            ..
        }) = error
        {
            let until = Instant::now()
                + after
                    .unwrap_or(Duration::from_secs(10))
                    .min(Duration::from_secs(600));
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            *next = (*next).max(until);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn calls_a_second_are_spaced_and_a_far_side_can_slow_them_down() {
        let pacer = Pacer::new(Pace {
            concurrency: 1,
            per_second: Some(2),
        });
        let begin = Instant::now();
        for _ in 0..3 {
            assert!(pacer.start().await.is_ok());
        }
        assert_eq!(begin.elapsed(), Duration::from_secs(1));
        let slow = Error::new(
            ErrorClass::RateLimited {
                after: Some(Duration::from_secs(60)),
            },
            "slow down",
        );
        pacer.heard(Some(&slow));
        assert!(pacer.wait() > Duration::from_secs(50));
        assert!(
            pacer.start().await.is_err(),
            "a claim is given back instead of waiting a minute"
        );
    }
}
