//! The timeline: what happened when, by the virtual clock.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};

/// A timeline that all parts of a world write to.
#[derive(Clone)]
pub(super) struct Log(Arc<Mutex<Inner>>);

struct Inner {
    now: DateTime<Utc>,
    lines: Vec<String>,
}

impl Log {
    pub(super) fn at(now: DateTime<Utc>) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            now,
            lines: Vec::new(),
        })))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set(&self, now: DateTime<Utc>) {
        self.inner().now = now;
    }

    pub(super) fn say(&self, who: &str, what: impl AsRef<str>) {
        let mut inner = self.inner();
        let line = format!(
            "{} {who:<12} {}",
            inner.now.format("%d %H:%M:%S%.3f"),
            what.as_ref()
        );
        inner.lines.push(line);
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.inner().lines.clone()
    }
}
