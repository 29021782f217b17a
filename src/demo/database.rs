//! The private database before the daemon has it: migrated, and its clock a moment before a cut-off.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use chrono::NaiveTime;
use chrono_tz::Asia::Tokyo;
use hikiate_sdk::sim::SimClock;

use crate::store::Store;
use crate::store::launcher::{Cluster, ClusterOptions};

/// The database's name in a private cluster.
const NAME: &str = "hikiate";

/// How much later than the real one a clock is that shows 13:00 in Tokyo, today, after `lead`.
pub(super) fn shift_to_cutoff(lead: Duration) -> anyhow::Result<chrono::Duration> {
    let now = SimClock::real().now();
    let noon = now
        .with_timezone(&Tokyo)
        .date_naive()
        .and_time(NaiveTime::from_hms_opt(13, 0, 0).unwrap_or_default());
    let cutoff = noon
        .and_local_timezone(Tokyo)
        .single()
        .context("13:00 does not exist today")?;
    let start = cutoff.to_utc() - chrono::Duration::from_std(lead)?;
    Ok(chrono::Duration::seconds((start - now).num_seconds()))
}

/// Makes the cluster and its tables, sets the clock, and lets go of it; returns the address that it will have
/// again.
///
/// # Errors
/// The launcher's and the database's; nothing keeps running after one.
pub(super) async fn prepare(state_dir: &Path, shift: chrono::Duration) -> anyhow::Result<String> {
    let cluster = Cluster::start(&ClusterOptions::new(state_dir))
        .await
        .context("start the private database")?;
    let url = cluster.url(NAME);
    let store = Store::connect(&url, 2)?;
    let made = async {
        store.migrate().await?;
        store.set_clock(None, shift).await
    }
    .await;
    store.close().await;
    cluster.stop().await.context("stop the private database")?;
    made.context("make the tables")?;
    Ok(url)
}

/// Stops a database server that a killed daemon left behind. Returns whether there was one.
///
/// # Errors
/// The launcher's.
pub(super) async fn stop_orphan(state_dir: &Path) -> anyhow::Result<bool> {
    if !state_dir.join("postgres/data/postmaster.pid").exists() {
        return Ok(false);
    }
    Cluster::start(&ClusterOptions::new(state_dir))
        .await?
        .stop()
        .await?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn the_shifted_clock_shows_a_moment_before_the_cut_off() {
        let shift = shift_to_cutoff(Duration::from_secs(17)).unwrap();
        let shown = (SimClock::real().now() + shift)
            .with_timezone(&Tokyo)
            .time();
        let at = |second| NaiveTime::from_hms_opt(12, 59, second).unwrap();
        assert!(shown > at(41) && shown < at(50), "{shown}");
    }
}
