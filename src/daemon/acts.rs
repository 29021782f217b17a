//! Commands of operators in the daemon's log: who, what and about what. Reasons and other options may name somebody and are
//! left out; `order show` has them.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Mutex;
use tracing::info;

use crate::engine::Engine;
use crate::store::StoreError;

/// A command is dated before its transaction commits: so far back it is looked for again.
const OVERLAP: TimeDelta = TimeDelta::seconds(60);

/// What was logged.
#[derive(Debug)]
pub(super) struct LoggedActs {
    /// Commands of before the start are not this process's to log.
    started: DateTime<Utc>,
    /// The time of the newest.
    until: DateTime<Utc>,
    /// Those within the overlap.
    recent: BTreeMap<String, DateTime<Utc>>,
}

impl LoggedActs {
    /// None yet.
    pub(super) fn since(started: DateTime<Utc>) -> Self {
        Self {
            started,
            until: started,
            recent: BTreeMap::new(),
        }
    }
}

/// Logs the commands that operators ran since the last time.
pub(super) async fn acts_step(
    engine: Arc<Engine>,
    logged: Arc<Mutex<LoggedActs>>,
) -> Result<bool, StoreError> {
    let mut logged = logged.lock().await;
    let overlap = |at: DateTime<Utc>| at.checked_sub_signed(OVERLAP).unwrap_or(at);
    let since = overlap(logged.until).max(logged.started);
    for act in engine.store.acts_since(since).await? {
        logged.until = logged.until.max(act.at);
        if logged.recent.insert(act.id, act.at).is_none() {
            info!(actor = act.actor, command = subject_of(&act.command), at = %act.at, "operator command");
        }
    }
    let kept = overlap(logged.until);
    logged.recent.retain(|_, at| *at >= kept);
    Ok(false)
}

/// The command and what it is about, without its options.
fn subject_of(command: &str) -> &str {
    let options = [" -", " '-"].iter().filter_map(|start| command.find(start));
    let end = options.min().unwrap_or(command.len());
    command.get(..end).unwrap_or(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_left_out() {
        for (command, said) in [
            (
                "order hold HK922 --reason 'call Taro Yamada'",
                "order hold HK922",
            ),
            (
                "order set-name HK922 --name NAME --reason x",
                "order set-name HK922",
            ),
            (
                "deposit add HK922 3790 --reference=abc",
                "deposit add HK922 3790",
            ),
            ("resume shop", "resume shop"),
            ("begin '--from=2026-11-01T00:00:00Z' shop", "begin"),
        ] {
            assert_eq!(subject_of(command), said);
        }
    }
}
