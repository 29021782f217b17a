//! Pulling: pages of what a far side tells, after a cursor.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::{
    CancelReply, Error, ExternalId, InstructionReply, OrderSnapshot, ParcelReport, Personal,
    StockLevel,
};

/// What a stream tells about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StreamKind {
    /// Orders of a channel.
    Orders,
    /// Replies and parcels of a warehouse.
    Shipments,
    /// Stock levels.
    Stock,
}

/// One stream of an account: a series of pages with a cursor of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamSpec {
    /// Names the cursor; never reused for something else.
    pub name: String,
    /// What it tells about.
    pub kind: StreamKind,
    /// How often to ask once the last page was reached.
    pub interval: Duration,
}

/// One record of a page: the bytes as they came, and what they mean.
#[derive(Clone, Debug)]
pub struct Record {
    /// The far side's bytes of this record alone.
    pub raw: Vec<u8>,
    /// What it says, or why it could not be understood; then it is quarantined and its neighbours go on.
    pub parsed: Result<Observed, BadRecord>,
}

/// Why a record could not be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRecord {
    /// The far side's id, where at least that could be read.
    pub external_id: Option<ExternalId>,
    /// Field and rule, without the value of a personal field.
    pub reason: String,
}

/// What a far side told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observed {
    /// An order as it stands.
    Order(Box<OrderSnapshot>, Box<Personal>),
    /// A warehouse's answer to an instruction.
    InstructionReply(InstructionReply),
    /// A warehouse's answer to a cancel request.
    CancelReply(CancelReply),
    /// A parcel as it stands.
    Parcel(ParcelReport),
    /// A stock level as counted.
    Stock(StockLevel),
}

/// One page of a stream.
#[derive(Clone, Debug)]
pub struct Page {
    /// In the far side's order.
    pub records: Vec<Record>,
    /// Where to go on; committed together with the page.
    pub next: Value,
    /// True when there is more to read at once.
    pub more: bool,
    /// For a source that consumes what it hands out: passed to [`Source::acknowledge`] after the commit.
    pub ack: Option<Value>,
}

/// A far side that can be pulled.
#[async_trait]
pub trait Source: Send + Sync {
    /// The streams of this account.
    fn streams(&self) -> Vec<StreamSpec>;

    /// The page after `cursor`; `None` is the beginning of time as the account's configuration has it.
    /// The lower bound is inclusive and overlaps; the engine drops what it already knows.
    ///
    /// # Errors
    /// Any class; nothing was consumed.
    async fn page(&self, stream: &str, cursor: Option<&Value>) -> Result<Page, Error>;

    /// Reads these orders as they stand now, at most 100; an unknown id is simply absent from the answer.
    ///
    /// # Errors
    /// Any class.
    async fn read_orders(&self, ids: &[ExternalId]) -> Result<Vec<Record>, Error>;

    /// Tells a consuming source that a page is safely stored. Repeatable.
    ///
    /// # Errors
    /// Any class; it is called again.
    async fn acknowledge(&self, ack: &Value) -> Result<(), Error>;

    /// How far back orders can be read at all, by the time of ordering; an older order that is absent from an answer
    /// may still be there. `None` where every order can be read.
    fn visible_for(&self) -> Option<Duration> {
        None
    }

    /// A cursor from which everything that came since `since` is read again, whether it was read before or
    /// not; pure. `None` is the beginning of time as the account's configuration has it, which is always right.
    fn rewind(&self, stream: &str, cursor: Option<&Value>, since: DateTime<Utc>) -> Option<Value> {
        let _ = (stream, cursor, since);
        None
    }
}
