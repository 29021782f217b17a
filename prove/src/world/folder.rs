//! A folder in memory, with an external system that can be slow to show a file and slow to finish writing one.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use hikiate_files::{Entry, Folder, Written};
use hikiate_sdk::Error;

use super::clumsy::{Clumsy, Desk};

/// Where files for us arrive.
const INWARD: &str = "incoming/";

/// The files of one account.
#[derive(Default)]
pub(super) struct MemoryFolder {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    files: BTreeMap<String, File>,
    clock: i64,
    /// The next new files come into sight half written, for so many looks.
    half: u32,
    /// The next new files come into sight only after so many looks.
    late: u32,
    /// Who writes files for us.
    desk: Desk,
}

impl State {
    fn put(&mut self, path: String, bytes: Vec<u8>, half: u32, late: u32) {
        self.clock += 10;
        let file = File {
            bytes,
            modified: self.clock,
            half,
            late,
        };
        self.files.insert(path, file);
    }
}

struct File {
    bytes: Vec<u8>,
    modified: i64,
    half: u32,
    late: u32,
}

impl File {
    fn shown(&self) -> &[u8] {
        if self.half > 0 {
            &self.bytes[..self.bytes.len() / 2]
        } else {
            &self.bytes
        }
    }
}

impl MemoryFolder {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next file that arrives for us is seen half written at first.
    pub(super) fn write_slowly(&self) {
        self.state().half = 2;
    }

    /// The next file that arrives for us is seen late, so that a later one overtakes it.
    pub(super) fn show_late(&self) {
        self.state().late = 3;
    }

    /// The next file that arrives for us and that this fits is made so.
    pub(super) fn be_clumsy(&self, clumsy: Clumsy) {
        self.state().desk.be(clumsy);
    }

    /// A file of any name and any bytes lies there for us.
    pub(super) fn leave(&self, name: &str, bytes: &[u8]) {
        let path = format!("{INWARD}{name}");
        self.state().put(path, bytes.to_vec(), 0, 0);
    }

    /// What was held back or damaged is written right, and nothing is clumsy any more.
    pub(super) fn finish(&self) {
        let mut state = self.state();
        if let Some((name, bytes)) = state.desk.finish() {
            state.put(format!("{INWARD}{name}"), bytes, 0, 0);
        }
    }

    /// Damaged rows that were read, and that nobody has put right yet.
    pub(super) fn damaged(&self) -> Vec<Vec<u8>> {
        let state = self.state();
        let damaged = state.desk.damaged.iter();
        let read = damaged.filter(|d| !state.files.contains_key(&format!("{INWARD}{}", d.file)));
        read.map(|damage| damage.row.clone()).collect()
    }

    /// A file of ours with the name in this label lies there, read or not.
    pub(super) fn has(&self, label: &str) -> bool {
        let name = label.rsplit('/').next().unwrap_or_default();
        let written = self.below("outgoing").into_iter();
        let mut all = written.chain(self.below("picked-up"));
        all.any(|(path, _)| path == name)
    }

    /// Everything below a folder.
    pub(super) fn below(&self, folder: &str) -> Vec<(String, Vec<u8>)> {
        let prefix = format!("{folder}/");
        self.state()
            .files
            .iter()
            .filter_map(|(path, file)| {
                Some((path.strip_prefix(&prefix)?.to_owned(), file.bytes.clone()))
            })
            .collect()
    }
}

#[async_trait]
impl Folder for MemoryFolder {
    async fn list(&self, folder: &str) -> Result<Vec<Entry>, Error> {
        let prefix = format!("{folder}/");
        let mut entries = Vec::new();
        for (path, file) in &mut self.state().files {
            let Some(name) = path.strip_prefix(&prefix) else {
                continue;
            };
            if file.late > 0 {
                file.late -= 1;
                continue;
            }
            let size = u64::try_from(file.shown().len()).unwrap();
            // What grows has another time at each look.
            let modified = file.modified - i64::from(file.half);
            entries.push(Entry {
                name: name.to_owned(),
                size,
                modified,
            });
            file.half = file.half.saturating_sub(1);
        }
        Ok(entries)
    }

    async fn read(&self, path: &str) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.state().files.get(path).map(|f| f.shown().to_vec()))
    }

    async fn size(&self, path: &str) -> Result<Option<u64>, Error> {
        let state = self.state();
        let file = state.files.get(path);
        Ok(file.map(|f| u64::try_from(f.shown().len()).unwrap()))
    }

    async fn write_new(&self, path: &str, bytes: &[u8]) -> Result<Written, Error> {
        let mut state = self.state();
        if state.files.contains_key(path) {
            return Ok(Written::NameTaken);
        }
        let Some(name) = path.strip_prefix(INWARD) else {
            state.put(path.to_owned(), bytes.to_vec(), 0, 0);
            return Ok(Written::New);
        };
        for (name, bytes) in state.desk.write(name, bytes) {
            let (half, late) = (
                std::mem::take(&mut state.half),
                std::mem::take(&mut state.late),
            );
            state.put(format!("{INWARD}{name}"), bytes, half, late);
        }
        Ok(Written::New)
    }

    async fn rename(&self, from: &str, to: &str) -> Result<bool, Error> {
        let mut state = self.state();
        if state.files.contains_key(to) {
            return Ok(false);
        }
        let Some(file) = state.files.remove(from) else {
            return Err(Error::new(
                hikiate_sdk::ErrorClass::Transient,
                format!("{from} is not there"),
            ));
        };
        state.files.insert(to.to_owned(), file);
        Ok(true)
    }

    async fn remove(&self, path: &str) -> Result<(), Error> {
        self.state().files.remove(path);
        Ok(())
    }
}
