//! What all parts of a soak share.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use chrono::{DateTime, Utc};
use hikiate::demo::scenes::Placed;
use hikiate::demo::world::World;
use sqlx::PgPool;

use super::fleet::Fleet;
use super::operator::LostCommand;
use super::server::Server;

/// What went wrong on the way, and the line of time.
pub(super) struct Notes {
    begun: Instant,
    wrong: Mutex<Vec<String>>,
}

impl Notes {
    /// Nothing yet.
    pub(super) fn new() -> Self {
        Self {
            begun: Instant::now(),
            wrong: Mutex::default(),
        }
    }

    /// Writes a line with the time since the start; a reader that went away is no reason to stop.
    pub(super) fn say(&self, line: &str) {
        let seconds = self.begun.elapsed().as_secs();
        writeln!(std::io::stdout(), "{seconds:>4} s  {line}").ok();
    }

    /// Remembers what is wrong, and says it.
    pub(super) fn wrong(&self, line: String) {
        self.say(&format!("WRONG  {line}"));
        self.wrong
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(line);
    }

    /// Everything that is wrong.
    pub(super) fn all(&self) -> Vec<String> {
        self.wrong
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// An order that a customer has placed.
#[derive(Clone, Debug)]
pub(super) struct Bought {
    /// What and where.
    pub(super) placed: Placed,
    /// The customer has told the shop to cancel it, and the shop has.
    pub(super) cancelled: bool,
    /// The customer will tell the shop to cancel it.
    pub(super) regrets: bool,
    /// What somebody does by hand with it.
    pub(super) act: Option<Act>,
}

/// What people do by hand with an order: one thing with one order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Staff ship all that is open.
    ShippedByHand,
    /// And correct its number afterwards.
    NumberCorrected,
    /// Staff pack what is open, and unpack it again.
    Packed,
    /// Staff complete it, whatever is open.
    Completed,
    /// Staff change its address.
    Moved,
    /// It is deleted, and comes back.
    Deleted,
    /// Staff capture it in the console, and give a part back, twice.
    Refunded,
    /// Staff void the payment, and the customer pays again.
    Voided,
    /// An operator holds it, and lets it go.
    Held,
    /// An operator ends it.
    Ended,
}

impl Act {
    /// In a word.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::ShippedByHand => "shipped by hand",
            Self::NumberCorrected => "numbers corrected",
            Self::Packed => "packed and unpacked",
            Self::Completed => "completed",
            Self::Moved => "moved",
            Self::Deleted => "deleted and restored",
            Self::Refunded => "captured and partially refunded",
            Self::Voided => "voided and paid again",
            Self::Held => "held and released",
            Self::Ended => "ended",
        }
    }
}

/// What the database has forgotten.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    /// The backup's beginning.
    pub(super) since: DateTime<Utc>,
    /// When the operator gave the word.
    pub(super) until: DateTime<Utc>,
}

/// Everything.
pub(super) struct Stage {
    /// Everything lies below it.
    pub(super) root: PathBuf,
    /// The external systems.
    pub(super) world: World,
    /// The database.
    pub(super) server: Server,
    /// Into the database, for reading; it may be away at any time.
    pub(super) pool: PgPool,
    /// The daemons.
    pub(super) fleet: Fleet,
    /// Orders placed so far.
    pub(super) bought: Mutex<Vec<Bought>>,
    /// Orders that were placed and are not at their end, as of the last look.
    pub(super) open: AtomicUsize,
    /// What lay in each warehouse from the beginning and came later, by code.
    pub(super) supplied: Mutex<Vec<(usize, String, i64)>>,
    /// The windows that the database has lost, by the operator's word.
    pub(super) windows: Mutex<Vec<Window>>,
    /// Commands that a database which was set back has lost, to be typed again.
    pub(super) lost: Mutex<Vec<LostCommand>>,
    /// What went wrong.
    pub(super) notes: Arc<Notes>,
}

impl Stage {
    /// The lost windows of which an operator has told, in order.
    pub(super) fn windows(&self) -> Vec<Window> {
        self.windows
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// An operator has told of one.
    pub(super) fn lost_window(&self, window: Window) {
        self.windows
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(window);
    }

    /// The orders placed so far.
    pub(super) fn bought(&self) -> Vec<Bought> {
        self.bought
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
