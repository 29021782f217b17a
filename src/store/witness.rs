//! What was sent, and how far the server's log had come, told outside the database: a file in the state
//! directory that is on disk before a call is made. A database that knows less than the file was set back.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::state_dir;

/// The file's name in the state directory.
pub const FILE: &str = "witness";

/// Its name until it is whole.
const FRESH: &str = "witness.new";

/// Two records stand in the file and are written in turn: one that is torn leaves the other, whose calls
/// are the last that were made.
const SLOT: usize = 64 * 1024;

/// A position of the log that no sending has put on disk is put there by the first look so long after the last writing.
const EACH: Duration = Duration::from_millis(900);

/// What the file says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Rises with each writing.
    pub n: u64,
    /// Recoveries begun when it was written.
    pub epoch: i32,
    /// The server's `system_identifier`, where it tells one.
    pub system: Option<String>,
    /// The server's timeline, where it tells one.
    pub timeline: Option<i32>,
    /// Up to where the server's log was flushed when this process last looked, where the server tells it: it
    /// never falls, not even by a crash, unless the server itself is set back.
    #[serde(default)]
    pub flushed: Option<i64>,
    /// Rounds of sending by account.
    pub sent: BTreeMap<String, i64>,
}

/// What the database says of the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerState {
    /// Recoveries begun.
    pub epoch: i32,
    /// One is under way.
    pub recovering: bool,
    /// See [`Record::system`].
    pub system: Option<String>,
    /// See [`Record::timeline`].
    pub timeline: Option<i32>,
    /// See [`Record::flushed`].
    pub flushed: Option<i64>,
    /// See [`Record::sent`].
    pub sent: BTreeMap<String, i64>,
}

impl ServerState {
    /// Whether anything was ever sent. What such a database lost before this host had a witness file, nobody can tell.
    #[must_use]
    pub fn has_sent(&self) -> bool {
        self.sent.values().any(|sent| *sent > 0)
    }
}

/// What the comparison of both means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compared {
    /// The database knows all that was sent.
    Fine,
    /// There is no record yet: it is written from the database, and nothing is proven. See [`ServerState::has_sent`].
    First,
    /// An operator has begun a recovery since: the file follows.
    Recovered,
    /// The database was set back, or is another one, or runs at another place.
    Behind(Behind),
}

/// Why the database may have lost commits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behind {
    /// In words.
    pub why: String,
    /// It has lost some: it knows less than this process. A failover or a move alone proves nothing.
    pub proven: bool,
}

impl Behind {
    fn proven(why: String) -> Compared {
        Compared::Behind(Self { why, proven: true })
    }

    fn suspected(why: String) -> Compared {
        Compared::Behind(Self { why, proven: false })
    }
}

/// Compares what was sent with what the database knows. Pure.
#[must_use]
pub fn compare(file: &Kept, db: &ServerState) -> Compared {
    let file = match file {
        Kept::Nothing => return Compared::First,
        Kept::Damaged if db.recovering => return Compared::Recovered,
        Kept::Damaged => {
            return Behind::suspected(
                "the witness file is damaged, so nobody knows whether the database was set back"
                    .to_owned(),
            );
        }
        Kept::Record(file) => file,
    };
    if file.epoch < db.epoch {
        return Compared::Recovered;
    }
    if file.epoch > db.epoch {
        return Behind::proven(format!(
            "the database has seen {} recoveries and the witness file {}",
            db.epoch, file.epoch
        ));
    }
    for (account, sent) in &file.sent {
        let known = db.sent.get(account).copied().unwrap_or(0);
        if *sent > known {
            return Behind::proven(format!(
                "{account} was sent to {sent} times, the database knows of {known}"
            ));
        }
    }
    if let (Some(was), Some(is)) = (&file.system, &db.system)
        && was != is
    {
        return Behind::suspected(format!(
            "the database server is another one: system identifier {is}, it was {was}"
        ));
    }
    if let (Some(was), Some(is)) = (file.timeline, db.timeline)
        && was != is
    {
        return Behind::suspected(format!(
            "the database server was restored or failed over: it is on timeline {is}, it was on {was}"
        ));
    }
    if let (Some(was), Some(is)) = (file.flushed, db.flushed)
        && is < was
    {
        let why = format!(
            "the database server was set back: its log ends at {}, it was seen at {}",
            position(is),
            position(was)
        );
        // A standby that was promoted need not have what was flushed and not confirmed; here it is the same server.
        let proven = db.system.is_some() && db.timeline.is_some();
        return Compared::Behind(Behind { why, proven });
    }
    Compared::Fine
}

/// A position of the log as PostgreSQL writes it.
fn position(at: i64) -> String {
    format!("{:X}/{:X}", at >> 32, at & 0xFFFF_FFFF)
}

/// What stands in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is new.
    Nothing,
    /// Neither record can be read, or the file is shorter than it was made: a crash of a file system leaves one of 0 bytes.
    Damaged,
    /// The newer record that is whole.
    Record(Record),
}

impl Kept {
    /// Whether a round of an account that the database counted after this was taken had been seen before: then the database was set
    /// back. A look that writes into the file what is counted meanwhile does not tell.
    #[must_use]
    pub fn had_seen(&self, account: &str, round: i64) -> bool {
        match self {
            Self::Record(record) => record.sent.get(account).is_some_and(|n| *n >= round),
            Self::Nothing | Self::Damaged => false,
        }
    }
}

/// The witness of this process; cheap to clone. Without a file it says nothing.
#[derive(Clone, Debug, Default)]
pub struct Witness {
    inner: Option<Arc<Inner>>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    kept: Mutex<Kept>,
    /// Held while writing, so that those who wait are written together.
    disk: Mutex<Disk>,
}

/// What is on disk.
#[derive(Debug)]
struct Disk {
    file: File,
    /// The last record that was written whole.
    n: u64,
    /// It stands in the file's second half; the next goes into the other one.
    second: bool,
    /// When something was last written, or tried to be.
    at: Option<Instant>,
}

impl Witness {
    /// No witness: where no state directory can be written to, and in tests.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Opens or makes the file in a state directory.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn open(state_dir: &Path) -> io::Result<Self> {
        state_dir::make(state_dir)?;
        let path = state_dir.join(FILE);
        if let Err(error) = fs::symlink_metadata(&path) {
            if error.kind() != io::ErrorKind::NotFound {
                return Err(error);
            }
            make(state_dir)?;
        }
        let file = state_dir::open(state_dir, FILE, OpenOptions::new().read(true).write(true))?;
        let (kept, second) = read(&file)?;
        let n = if let Kept::Record(record) = &kept {
            record.n
        } else {
            0
        };
        Ok(Self {
            inner: Some(Arc::new(Inner {
                path,
                kept: Mutex::new(kept),
                disk: Mutex::new(Disk {
                    file,
                    n,
                    second,
                    at: None,
                }),
            })),
        })
    }

    /// What the file says; `None` without one.
    #[must_use]
    pub fn kept(&self) -> Option<Kept> {
        let inner = self.inner.as_ref()?;
        Some(lock(&inner.kept).clone())
    }

    /// Writes what the database says, and never less than the file said before of an account. The log's
    /// position is the database's after a recovery, also when it is lower.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn follow(&self, db: &ServerState) -> io::Result<()> {
        self.change(|record| {
            record.flushed = if record.epoch == db.epoch {
                record.flushed.max(db.flushed)
            } else {
                db.flushed
            };
            record.epoch = db.epoch;
            record.system.clone_from(&db.system);
            record.timeline = db.timeline;
            for (account, sent) in &db.sent {
                let known = record.sent.entry(account.clone()).or_default();
                *known = (*known).max(*sent);
            }
        })
    }

    /// Takes note of how far the server's log has come, as it was seen before a recovery and not after it. The
    /// next writing puts it on disk; true when there was none for a second, so that it is time for
    /// [`Witness::keep`].
    #[must_use]
    pub fn saw(&self, db: &ServerState) -> bool {
        let Some(inner) = &self.inner else {
            return false;
        };
        let mut kept = lock(&inner.kept);
        let Kept::Record(record) = &mut *kept else {
            return false;
        };
        if record.epoch == db.epoch && record.flushed < db.flushed {
            record.flushed = db.flushed;
            record.n += 1;
        }
        // Whoever holds it is writing.
        inner
            .disk
            .try_lock()
            .is_ok_and(|disk| disk.n < record.n && disk.at.is_none_or(|at| at.elapsed() >= EACH))
    }

    /// Puts on disk what was taken note of. Blocks.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep(&self) -> io::Result<()> {
        match self.kept() {
            Some(Kept::Record(record)) => self.write(record.n),
            _ => Ok(()),
        }
    }

    /// Writes that an account is about to be sent to for the `sent`-th time. Blocks until it is on disk.
    ///
    /// # Errors
    /// When it cannot be written; nothing may be sent then.
    pub fn sending(&self, account: &str, sent: i64) -> io::Result<()> {
        self.change(|record| {
            let known = record.sent.entry(account.to_owned()).or_default();
            *known = (*known).max(sent);
        })
    }

    fn change(&self, change: impl FnOnce(&mut Record)) -> io::Result<()> {
        let Some(inner) = &self.inner else {
            return Ok(());
        };
        let mine = {
            let mut kept = lock(&inner.kept);
            let mut record = match &*kept {
                Kept::Record(record) => record.clone(),
                Kept::Nothing | Kept::Damaged => Record::default(),
            };
            change(&mut record);
            record.n += 1;
            let n = record.n;
            *kept = Kept::Record(record);
            n
        };
        self.write(mine)
    }

    /// Puts the record on disk, unless one that holds it stands there already.
    fn write(&self, mine: u64) -> io::Result<()> {
        let Some(inner) = &self.inner else {
            return Ok(());
        };
        let mut disk = lock(&inner.disk);
        if disk.n >= mine {
            return Ok(());
        }
        let record = match &*lock(&inner.kept) {
            Kept::Record(record) => record.clone(),
            Kept::Nothing | Kept::Damaged => return Ok(()),
        };
        let bytes = encode(&record)?;
        disk.at = Some(Instant::now());
        // Never over the last good one, whatever became of the tries since.
        let second = !disk.second;
        disk.file
            .write_all_at(&bytes, if second { SLOT as u64 } else { 0 })
            .and_then(|()| disk.file.sync_data())
            .map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", inner.path.display())))?;
        disk.n = record.n;
        disk.second = second;
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes the file with its whole length, so that later writes change no metadata, and before it has its name: one that is shorter
/// was damaged.
fn make(state_dir: &Path) -> io::Result<()> {
    let file = state_dir::open(state_dir, FRESH, OpenOptions::new().write(true))?;
    file.set_len(0)?;
    file.write_all_at(&vec![0; 2 * SLOT], 0)?;
    file.sync_all()?;
    fs::rename(state_dir.join(FRESH), state_dir.join(FILE))?;
    File::open(state_dir)?.sync_all()
}

fn digest(text: &[u8]) -> String {
    hex::encode(&Sha256::digest(text)[..16])
}

fn encode(record: &Record) -> io::Result<Vec<u8>> {
    let text = serde_json::to_string(record)?;
    let bytes = format!("{} {}\n{text}\n", digest(text.as_bytes()), text.len()).into_bytes();
    if bytes.len() > SLOT {
        return Err(io::Error::other("too many accounts for one witness file"));
    }
    Ok(bytes)
}

fn decode(slot: &[u8]) -> Option<Record> {
    let end = slot.iter().position(|b| *b == b'\n')?;
    let head = std::str::from_utf8(&slot[..end]).ok()?;
    let (hash, length) = head.split_once(' ')?;
    let from = end + 1;
    let text = slot.get(from..from.checked_add(length.parse().ok()?)?)?;
    (digest(text) == hash).then(|| serde_json::from_slice(text).ok())?
}

/// The newer record that is whole, and whether it stands in the second half.
fn read(file: &File) -> io::Result<(Kept, bool)> {
    let mut records = Vec::new();
    let mut blank = file.metadata()?.len() >= 2 * SLOT as u64;
    for (second, at) in [(false, 0), (true, SLOT as u64)] {
        let mut slot = vec![0; SLOT];
        let mut read = 0;
        while read < SLOT {
            match file.read_at(&mut slot[read..], at + read as u64)? {
                0 => break,
                n => read += n,
            }
        }
        blank &= slot.iter().all(|b| *b == 0);
        records.extend(decode(&slot).map(|record| (record, second)));
    }
    Ok(match records.into_iter().max_by_key(|(r, _)| r.n) {
        Some((record, second)) => (Kept::Record(record), second),
        None if blank => (Kept::Nothing, false),
        None => (Kept::Damaged, false),
    })
}

#[cfg(test)]
mod tests;
