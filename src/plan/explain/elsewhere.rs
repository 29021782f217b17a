//! What is stored beside an order's facts and only explains it: batches on their way, accounts that are paused.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use hikiate_sdk::{AccountSlug, ShipmentReference};

/// All of it for one order.
#[derive(Clone, Debug, Default)]
pub struct Elsewhere {
    /// When the open batch of a warehouse is sealed.
    pub waves: BTreeMap<String, DateTime<Utc>>,
    /// The sealed batches of its shipments.
    pub batches: BTreeMap<ShipmentReference, SealedBatch>,
    /// Accounts that are paused, with the reason.
    pub paused: BTreeMap<AccountSlug, String>,
}

/// A sealed batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedBatch {
    /// Our number of it.
    pub number: String,
    /// When it was sealed.
    pub sealed_at: DateTime<Utc>,
    /// How far its sending has come; `None` once it has ended.
    pub sending: Option<Sending>,
}

/// How far a call has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sending {
    /// Not tried yet.
    Waits,
    /// Tried, and it did not get away.
    Fails {
        /// How often.
        tries: i16,
        /// What was said last.
        error: String,
    },
    /// Tried, and the answer was lost.
    Doubtful,
    /// Being sent at this moment.
    Now,
    /// An operator has to say whether it arrived.
    Unknown,
}
