//! How long to wait after failures in a row.

use std::time::Duration;

use backon::BackoffBuilder;

/// 1 s, 2 s, 4 s … up to 5 minutes, with jitter.
#[must_use]
pub fn backoff(fails: i16) -> Duration {
    let steps = usize::try_from(fails).unwrap_or(0).min(12);
    backon::ExponentialBuilder::default()
        .with_min_delay(Duration::from_secs(1))
        .with_max_delay(Duration::from_secs(300))
        .with_max_times(13)
        .with_jitter()
        .build()
        .nth(steps)
        .unwrap_or(Duration::from_secs(300))
}
