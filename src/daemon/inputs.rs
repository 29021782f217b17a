//! Files that nobody reads and records in quarantine, in the daemon's log: a warning when one is new, a line when it is over,
//! and none for each look.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use hikiate_sdk::text::without_quotes;
use tracing::{info, warn};

use crate::engine::Engine;
use crate::store::StoreError;
use crate::store::read::{OpenRecord, StreamRow};

/// More records than these are counted in one line.
const MOST: usize = 100;

/// What was logged.
#[derive(Debug)]
pub(super) struct LoggedInputs {
    /// What was in quarantine before is not this process's to log.
    started: DateTime<Utc>,
    /// What waits, by account and stream.
    waiting: BTreeMap<(String, String), String>,
    /// What is in quarantine, with its account; nothing before the first look.
    quarantined: Option<BTreeMap<i64, String>>,
}

impl LoggedInputs {
    /// None yet.
    pub(super) fn since(started: DateTime<Utc>) -> Self {
        Self {
            started,
            waiting: BTreeMap::new(),
            quarantined: None,
        }
    }

    /// Streams of this daemon's accounts of which something else waits than at the last look, or nothing any more.
    fn changed<'r>(&mut self, rows: &'r [StreamRow], instance: &str) -> Vec<&'r StreamRow> {
        let mut changed = Vec::new();
        for row in rows {
            let key = (row.account.clone(), row.stream.clone());
            let before = match &row.waiting {
                Some(what) => self.waiting.insert(key, what.clone()),
                None => self.waiting.remove(&key),
            };
            // Another daemon's are remembered: it has logged them.
            if before != row.waiting && row.owner.as_deref() == Some(instance) {
                changed.push(row);
            }
        }
        changed
    }

    /// Records that came into quarantine since the last look, and those that are out of it with their accounts.
    fn moved(&mut self, open: &[OpenRecord]) -> (BTreeSet<i64>, Vec<(i64, String)>) {
        let started = self.started;
        let entry = |record: &OpenRecord| (record.id, record.account.clone());
        let now: BTreeMap<i64, String> = open.iter().map(entry).collect();
        let known = self.quarantined.take().unwrap_or_else(|| {
            let old = open.iter().filter(|record| record.first_at < started);
            old.map(entry).collect()
        });
        let new = now.keys().filter(|id| !known.contains_key(*id)).copied();
        let new = new.collect();
        let over = known.into_iter().filter(|(id, _)| !now.contains_key(id));
        let over = over.collect();
        self.quarantined = Some(now);
        (new, over)
    }
}

/// Logs what has changed since the last look at these streams and at the quarantine, in which something is or nothing.
pub(super) async fn log_inputs(
    engine: &Engine,
    logged: &mut LoggedInputs,
    streams: &[StreamRow],
    quarantined: bool,
) -> Result<(), StoreError> {
    let instance = engine.instance.0.as_str();
    for row in logged.changed(streams, instance) {
        match &row.waiting {
            Some(files) => {
                warn!(
                    account = row.account,
                    stream = row.stream,
                    files,
                    "files wait and are not read: see `hikiate tasks`"
                );
            }
            None => {
                info!(
                    account = row.account,
                    stream = row.stream,
                    "no file waits any more"
                );
            }
        }
    }
    let open = if quarantined {
        engine.store.open_quarantine().await?
    } else {
        Vec::new()
    };
    let mine: BTreeSet<&str> = streams
        .iter()
        .filter(|row| row.owner.as_deref() == Some(instance))
        .map(|row| row.account.as_str())
        .collect();
    let (new, over) = logged.moved(&open);
    if !new.is_empty() {
        let rows = engine.store.list_quarantine().await?;
        let rows: Vec<_> = rows
            .iter()
            .filter(|row| new.contains(&row.id) && mine.contains(row.account.as_str()))
            .collect();
        for row in rows.iter().take(MOST) {
            let file = row.file.as_deref().unwrap_or_default();
            warn!(
                account = row.account,
                stream = row.stream,
                record = row.id,
                file,
                reason = without_quotes(&row.reason),
                "a record is in quarantine: see `hikiate quarantine show {}`",
                row.id
            );
        }
        if let Some(more) = rows.len().checked_sub(MOST).filter(|more| *more > 0) {
            warn!(
                records = more,
                "further records are in quarantine: see `hikiate quarantine list`"
            );
        }
    }
    let over: Vec<_> = over
        .iter()
        .filter(|(_, account)| mine.contains(account.as_str()))
        .collect();
    for (record, account) in over.iter().take(MOST) {
        info!(account, record, "the record is out of quarantine");
    }
    if let Some(more) = over.len().checked_sub(MOST).filter(|more| *more > 0) {
        info!(records = more, "further records are out of quarantine");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(owner: &str, waiting: Option<&str>) -> StreamRow {
        StreamRow {
            account: "wh".to_owned(),
            stream: "shipments".to_owned(),
            page_at: None,
            due_at: DateTime::UNIX_EPOCH,
            fails: 0,
            error: None,
            waiting: waiting.map(str::to_owned),
            owner: Some(owner.to_owned()),
            paused: None,
        }
    }

    fn record(id: i64, first_at: DateTime<Utc>) -> OpenRecord {
        OpenRecord {
            id,
            account: "wh".to_owned(),
            first_at,
        }
    }

    #[test]
    fn a_file_that_waits_is_told_once_and_when_it_is_over_and_by_its_owner_only() {
        let mut logged = LoggedInputs::since(DateTime::UNIX_EPOCH);
        let mut told = |row: StreamRow| !logged.changed(&[row], "one").is_empty();
        assert!(!told(stream("one", None)));
        assert!(told(stream("one", Some("a.txt: 0 bytes"))));
        assert!(!told(stream("one", Some("a.txt: 0 bytes"))), "once");
        assert!(told(stream("one", Some("a.txt: 0 bytes; b.txt: 0 bytes"))));
        assert!(told(stream("one", None)));
        assert!(!told(stream("two", Some("c.txt: 0 bytes"))));
        assert!(!told(stream("one", Some("c.txt: 0 bytes"))), "taken over");
        assert!(told(stream("one", None)));
    }

    #[test]
    fn a_record_is_told_when_it_comes_when_it_goes_and_when_it_comes_again() {
        let started = DateTime::UNIX_EPOCH + chrono::TimeDelta::days(1);
        let mut logged = LoggedInputs::since(started);
        let (old, new) = (record(1, DateTime::UNIX_EPOCH), record(2, started));
        let both = [old.clone(), new.clone()];
        let none: Vec<(i64, String)> = Vec::new();
        let ids = |ids: &[i64]| ids.iter().copied().collect::<BTreeSet<i64>>();
        let out = |id: i64| vec![(id, "wh".to_owned())];
        assert_eq!(logged.moved(&both), (ids(&[2]), none.clone()));
        assert_eq!(logged.moved(&both), (ids(&[]), none.clone()));
        assert_eq!(logged.moved(&[new]), (ids(&[]), out(1)));
        assert_eq!(logged.moved(&[]), (ids(&[]), out(2)));
        assert_eq!(logged.moved(&[old]), (ids(&[1]), none));
    }
}
