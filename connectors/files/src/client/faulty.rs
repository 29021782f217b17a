//! Faults of a folder, for tests and the demo.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use hikiate_sdk::faulty::{Fault, FaultSeam, Target};
use hikiate_sdk::{Error, ErrorClass};

use super::folder::{Entry, Folder, Slice, Written};

/// A folder with faults, each used up by the first call that it fits. Listing, reading and looking at
/// sizes are [`Target::Read`], writing and moving are [`Target::Write`].
pub struct FaultyFolder {
    inner: Arc<dyn Folder>,
    state: Mutex<State>,
    late: AtomicBool,
}

#[derive(Default)]
struct State {
    ordered: Vec<(Target, Fault)>,
    injected: BTreeMap<Fault, u64>,
}

impl FaultyFolder {
    /// Wraps a folder without faults.
    pub fn new(inner: Arc<dyn Folder>) -> Self {
        Self {
            inner,
            state: Mutex::default(),
            late: AtomicBool::new(false),
        }
    }

    /// The next list leaves out its last file, as an external system may that shows files late.
    pub fn hide_last_file(&self) {
        self.late.store(true, Ordering::SeqCst);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the first ordered fault that fits a call.
    fn take(&self, target: Target, fits: &[Fault]) -> Option<Fault> {
        let mut state = self.state();
        let at = state
            .ordered
            .iter()
            .position(|(t, f)| *t == target && fits.contains(f))?;
        let (_, fault) = state.ordered.remove(at);
        *state.injected.entry(fault).or_default() += 1;
        Some(fault)
    }

    /// Fails a call that changes nothing.
    fn read_fault(&self) -> Result<(), Error> {
        const FITS: [Fault; 4] = [
            Fault::NotSent,
            Fault::LostReply,
            Fault::ErrorBefore,
            Fault::Unauthorised,
        ];
        self.take(Target::Read, &FITS).map_or(Ok(()), |fault| {
            Err(error(if fault == Fault::Unauthorised {
                ErrorClass::Auth
            } else {
                ErrorClass::Transient
            }))
        })
    }

    /// Fails a call before it acts.
    fn write_fault(&self) -> Result<(), Error> {
        const FITS: [Fault; 3] = [Fault::NotSent, Fault::ErrorBefore, Fault::Unauthorised];
        self.take(Target::Write, &FITS).map_or(Ok(()), |fault| {
            Err(error(match fault {
                Fault::Unauthorised => ErrorClass::Auth,
                Fault::ErrorBefore => ErrorClass::OutcomeUnknown,
                _ => ErrorClass::Transient,
            }))
        })
    }

    /// Loses the answer of a call that has acted.
    fn lose<T>(&self, answer: T) -> Result<T, Error> {
        match self.take(Target::Write, &[Fault::LostReply, Fault::ErrorAfter]) {
            Some(_) => Err(error(ErrorClass::OutcomeUnknown)),
            None => Ok(answer),
        }
    }
}

impl FaultSeam for FaultyFolder {
    fn supported(&self) -> Vec<Fault> {
        vec![
            Fault::LostReply,
            Fault::NotSent,
            Fault::ErrorBefore,
            Fault::ErrorAfter,
            Fault::Unauthorised,
            Fault::Refused,
            Fault::Garbage,
            Fault::Truncated,
            Fault::Duplicate,
        ]
    }

    fn inject(&self, target: Target, fault: Fault) {
        self.state().ordered.push((target, fault));
    }

    fn injected(&self) -> BTreeMap<Fault, u64> {
        self.state().injected.clone()
    }

    fn unmet(&self) -> Vec<Fault> {
        self.state()
            .ordered
            .iter()
            .map(|(_, fault)| *fault)
            .collect()
    }
}

fn error(class: ErrorClass) -> Error {
    Error::new(class, "injected fault of the folder")
}

#[async_trait]
impl Folder for FaultyFolder {
    async fn list(&self, folder: &str) -> Result<Vec<Entry>, Error> {
        self.read_fault()?;
        let mut entries = self.inner.list(folder).await?;
        if !entries.is_empty() && self.late.swap(false, Ordering::SeqCst) {
            entries.sort_by(|a, b| a.name.cmp(&b.name));
            entries.pop();
        }
        Ok(entries)
    }

    async fn list_slice(
        &self,
        folder: &str,
        after: Option<&(i64, String)>,
        most: usize,
    ) -> Result<Slice, Error> {
        self.read_fault()?;
        let mut slice = self.inner.list_slice(folder, after, most).await?;
        if !slice.entries.is_empty() && self.late.swap(false, Ordering::SeqCst) {
            let last = slice.entries.iter().map(|e| e.name.clone()).max();
            slice.entries.retain(|e| Some(&e.name) != last.as_ref());
        }
        Ok(slice)
    }

    async fn read_range(
        &self,
        path: &str,
        offset: u64,
        length: usize,
    ) -> Result<Option<Vec<u8>>, Error> {
        self.read_fault()?;
        let Some(mut bytes) = self.inner.read_range(path, offset, length).await? else {
            return Ok(None);
        };
        match self.take(Target::Read, &[Fault::Truncated, Fault::Garbage]) {
            Some(Fault::Truncated) => bytes.truncate(bytes.len() / 2),
            Some(_) => bytes = vec![0xFF; 40.min(length)],
            None => {}
        }
        Ok(Some(bytes))
    }

    async fn read(&self, path: &str) -> Result<Option<Vec<u8>>, Error> {
        self.read_fault()?;
        let Some(mut bytes) = self.inner.read(path).await? else {
            return Ok(None);
        };
        match self.take(Target::Read, &[Fault::Truncated, Fault::Garbage]) {
            Some(Fault::Truncated) => bytes.truncate(bytes.len() / 2),
            Some(_) => bytes = vec![0xFF; 40],
            None => {}
        }
        Ok(Some(bytes))
    }

    async fn size(&self, path: &str) -> Result<Option<u64>, Error> {
        self.read_fault()?;
        self.inner.size(path).await
    }

    async fn write_new(&self, path: &str, bytes: &[u8]) -> Result<Written, Error> {
        self.write_fault()?;
        // A folder refuses one thing: a name that is taken.
        if self.take(Target::Write, &[Fault::Refused]).is_some() {
            self.inner.write_new(path, b"of somebody else").await?;
        }
        let written = self.inner.write_new(path, bytes).await?;
        if self.take(Target::Write, &[Fault::Duplicate]).is_some() {
            self.inner.write_new(path, bytes).await?;
        }
        self.lose(written)
    }

    async fn rename(&self, from: &str, to: &str) -> Result<bool, Error> {
        self.write_fault()?;
        let moved = self.inner.rename(from, to).await?;
        self.lose(moved)
    }

    async fn remove(&self, path: &str) -> Result<(), Error> {
        self.write_fault()?;
        self.inner.remove(path).await
    }
}
