//! Faults of a folder, for tests and the demo.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use hikiate_sdk::{Error, ErrorClass};

use super::folder::{Entry, Folder, Written};

/// What goes wrong, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The next write fails before anything has its name.
    BeforeWrite,
    /// The next write is done and its answer is lost.
    LostReply,
    /// The next read gives half of the file.
    TruncatedRead,
    /// The next list leaves out its last file.
    LateFile,
    /// The next move fails.
    BeforeRename,
    /// The next move is done and its answer is lost.
    LostRename,
}

/// A folder with faults, each used up by the first call that it fits.
pub struct FaultyFolder {
    inner: Arc<dyn Folder>,
    faults: Mutex<VecDeque<Fault>>,
}

impl FaultyFolder {
    /// Wraps a folder without faults.
    pub fn new(inner: Arc<dyn Folder>) -> Self {
        Self { inner, faults: Mutex::new(VecDeque::new()) }
    }

    /// Adds a fault.
    pub fn inject(&self, fault: Fault) {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).push_back(fault);
    }

    fn take(&self, fault: Fault) -> bool {
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        let found = faults.iter().position(|f| *f == fault);
        found.is_some_and(|n| faults.remove(n).is_some())
    }
}

fn injected(class: ErrorClass) -> Error {
    Error::new(class, "injected fault of the folder")
}

#[async_trait]
impl Folder for FaultyFolder {
    async fn list(&self, folder: &str) -> Result<Vec<Entry>, Error> {
        let mut entries = self.inner.list(folder).await?;
        if !entries.is_empty() && self.take(Fault::LateFile) {
            entries.sort_by(|a, b| a.name.cmp(&b.name));
            entries.pop();
        }
        Ok(entries)
    }

    async fn read(&self, path: &str) -> Result<Option<Vec<u8>>, Error> {
        let bytes = self.inner.read(path).await?;
        if bytes.is_some() && self.take(Fault::TruncatedRead) {
            return Ok(bytes.map(|b| b[..b.len() / 2].to_vec()));
        }
        Ok(bytes)
    }

    async fn size(&self, path: &str) -> Result<Option<u64>, Error> {
        self.inner.size(path).await
    }

    async fn write_new(&self, path: &str, bytes: &[u8]) -> Result<Written, Error> {
        if self.take(Fault::BeforeWrite) {
            return Err(injected(ErrorClass::Transient));
        }
        let written = self.inner.write_new(path, bytes).await?;
        if self.take(Fault::LostReply) { Err(injected(ErrorClass::OutcomeUnknown)) } else { Ok(written) }
    }

    async fn rename(&self, from: &str, to: &str) -> Result<bool, Error> {
        if self.take(Fault::BeforeRename) {
            return Err(injected(ErrorClass::Transient));
        }
        let moved = self.inner.rename(from, to).await?;
        if self.take(Fault::LostRename) { Err(injected(ErrorClass::OutcomeUnknown)) } else { Ok(moved) }
    }
}
