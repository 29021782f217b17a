//! Fetching: pages of what an external system reports, after a cursor.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::text::sentence;
use crate::{
    CancelReply, Error, ExternalId, InstructionReply, OrderSnapshot, ParcelReport, PaymentField,
    PaymentIds, PaymentSnapshot, Personal, StockLevel,
};

/// What a stream is about, and what can be read by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Orders of a channel, by the channel's id.
    Order,
    /// Replies and parcels of a warehouse, by our shipment reference.
    Shipment,
    /// Stock levels, by the warehouse's code.
    Stock,
    /// Payments of a provider, by the provider's key.
    Payment,
    /// Payouts of a provider.
    Payout,
    /// Returned goods.
    Return,
    /// What a carrier reports of a parcel, by its tracking number.
    Track,
    /// Incoming bank transfers.
    Deposit,
    /// What a channel offers for sale, by its code.
    Listing,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Order,
        Self::Shipment,
        Self::Stock,
        Self::Payment,
        Self::Payout,
        Self::Return,
        Self::Track,
        Self::Deposit,
        Self::Listing,
    ];

    /// The word in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Shipment => "shipment",
            Self::Stock => "stock",
            Self::Payment => "payment",
            Self::Payout => "payout",
            Self::Return => "return",
            Self::Track => "track",
            Self::Deposit => "deposit",
            Self::Listing => "listing",
        }
    }

    /// For people, as a plural.
    #[must_use]
    pub fn plural(self) -> &'static str {
        match self {
            Self::Order => "orders",
            Self::Shipment => "shipments",
            Self::Stock => "stock levels",
            Self::Payment => "payments",
            Self::Payout => "payouts",
            Self::Return => "returns",
            Self::Track => "parcels in transit",
            Self::Deposit => "deposits",
            Self::Listing => "listings",
        }
    }
}

/// One stream of an account: a series of pages with a cursor of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamSpec {
    /// Names the cursor; never reused for something else.
    pub name: String,
    /// What it reports.
    pub kind: Kind,
    /// How often to ask once the last page was reached.
    pub interval: Duration,
    /// It is asked by our codes, at most so many a page: the engine goes over its own ([`Here::codes`]), and
    /// [`Page::next`] and [`Page::more`] say nothing.
    pub by_code: Option<usize>,
    /// It is asked with shipments that nothing was heard of yet ([`Here::unheard`]).
    pub unheard: bool,
}

/// What a page is asked with that a connector cannot know.
#[derive(Clone, Copy, Debug)]
pub struct Here<'a> {
    /// Now, by the engine's clock.
    pub now: DateTime<Utc>,
    /// The codes of ours that are asked for, of a stream with [`StreamSpec::by_code`]; else none.
    pub codes: &'a [String],
    /// References of shipments that the account took, and that no record has named since, of a stream with
    /// [`StreamSpec::unheard`]; else none. An account whose lists show what is there alone does not name what was deleted
    /// before it was listed.
    pub unheard: &'a [String],
}

impl Here<'_> {
    /// With nothing else.
    #[must_use]
    pub fn at(now: DateTime<Utc>) -> Self {
        Self {
            now,
            codes: &[],
            unheard: &[],
        }
    }
}

/// One record of a page: the bytes as they came, and what they mean.
#[derive(Clone, Debug)]
pub struct Record {
    /// The external system's bytes of this record alone, enough for [`Source::reread`].
    pub raw: Vec<u8>,
    /// The file it stood in, where there is one.
    pub file: Option<InFile>,
    /// The account's configuration leaves this order out of its streams. It is stored only if it was stored before.
    pub excluded: bool,
    /// What it says, or why it could not be understood; then it is quarantined and its neighbours go on.
    pub parsed: Result<Observed, BadRecord>,
}

impl Record {
    /// A record that stood in no file.
    pub fn new(raw: impl Into<Vec<u8>>, parsed: Result<Observed, BadRecord>) -> Self {
        Self {
            raw: raw.into(),
            file: None,
            excluded: false,
            parsed,
        }
    }

    /// An order that the account's configuration leaves out of its streams, where `yes`: see [`Self::excluded`].
    #[must_use]
    pub fn excluded_if(mut self, yes: bool) -> Self {
        self.excluded = yes;
        self
    }

    /// With the file it stood in.
    #[must_use]
    pub fn in_file(mut self, file: InFile) -> Self {
        self.file = Some(file);
        self
    }
}

/// Where a record stood in a file, enough to read it again as it was read first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InFile {
    /// The file's name.
    pub name: String,
    /// The SHA-256 of all of its content, in lower-case hex.
    pub sha256: String,
    /// When it reported this: its own time, or that of its first fetch if earlier.
    pub told: DateTime<Utc>,
    /// When it was first read.
    pub read_at: DateTime<Utc>,
    /// In which rows of the file the record's rows begin, from 1; none where the record holds the file from its beginning.
    pub rows: Vec<u64>,
}

/// Why a record could not be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRecord {
    /// The external system's id of the order, our reference of the shipment, or the code of the item: where at least that could
    /// be read.
    pub external_id: Option<ExternalId>,
    /// Tells records of one id apart: the line and number of a parcel's row, one a text line where it holds several. Good
    /// records settle a bad one once they have reported all of its parts.
    pub part: Option<String>,
    /// Field and rule, with file and row; without the value of a personal field.
    pub reason: String,
    /// What records with the same fault have in common: field and rule without row and value.
    pub cause: String,
}

impl BadRecord {
    /// A record that cannot be understood; its reason is its cause, too.
    pub fn new(external_id: Option<ExternalId>, reason: impl AsRef<str>) -> Self {
        let reason = sentence(reason.as_ref());
        Self {
            external_id,
            part: None,
            cause: reason.clone(),
            reason,
        }
    }

    /// With what its fault has in common with others.
    #[must_use]
    pub fn because(mut self, cause: impl AsRef<str>) -> Self {
        self.cause = sentence(cause.as_ref());
        self
    }

    /// With what distinguishes it from others of the same id.
    #[must_use]
    pub fn of_part(mut self, part: impl Into<String>) -> Self {
        self.part = Some(part.into());
        self
    }
}

/// What an external system reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observed {
    /// The current state of an order.
    Order(Box<OrderSnapshot>, Box<Personal>),
    /// A warehouse's answer to an instruction.
    InstructionReply(InstructionReply),
    /// A warehouse's answer to a cancel request.
    CancelReply(CancelReply),
    /// The current state of a parcel.
    Parcel(ParcelReport),
    /// A stock level as counted.
    Stock(StockLevel),
    /// The current state of a payment at the account that holds the money.
    Payment(Box<PaymentSnapshot>),
}

/// One page of a stream.
#[derive(Clone, Debug)]
pub struct Page {
    /// In the external system's order.
    pub records: Vec<Record>,
    /// Where to go on; committed together with the page.
    pub next: Value,
    /// True when there is more to read at once.
    pub more: bool,
    /// For a source that consumes what it hands out: passed to [`Source::acknowledge`] after the commit.
    pub ack: Option<Value>,
    /// What waits at the external system and is not read, each with its name, why, and what to do. A task until a page without it.
    pub waiting: Vec<String>,
    /// The page is, or is a part of, a list of all stock.
    pub listing: Option<Listing>,
}

impl Page {
    /// A page of a stream whose external system keeps what it reports.
    #[must_use]
    pub fn new(records: Vec<Record>, next: Value, more: bool) -> Self {
        Self {
            records,
            next,
            more,
            ack: None,
            waiting: Vec::new(),
            listing: None,
        }
    }
}

/// A list of all stock of an account's places: what it does not name is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// Names the list: the hash of its file.
    pub id: String,
    /// The file, for people.
    pub name: String,
    /// The external system's codes of the places that it names, in all of it, and how many items it names at each; `None` stands for
    /// rows without one. It speaks for no other place.
    pub places: BTreeMap<Option<String>, u32>,
    /// When it was made: the time of its file, whatever the times of its rows are.
    pub as_of: DateTime<Utc>,
    /// This page ends it.
    pub last: bool,
}

/// An external system that can be pulled.
#[async_trait]
pub trait Source: Send + Sync {
    /// The streams of this account.
    fn streams(&self) -> Vec<StreamSpec>;

    /// The page after `cursor`; `None` is the beginning of time as the account's configuration has it.
    /// The lower bound is inclusive and overlaps; the engine drops what it already knows. Each page of a quiet stream reaches a
    /// few seconds back, for equal times and late commits; the whole overlap is fetched again at intervals.
    ///
    /// # Errors
    /// Any class; nothing was consumed.
    async fn page(
        &self,
        stream: &str,
        cursor: Option<&Value>,
        here: Here<'_>,
    ) -> Result<Page, Error>;

    /// Reads the stored bytes of one record again, as it stood in `file`; pure.
    ///
    /// # Errors
    /// [`ErrorClass::Config`](crate::ErrorClass::Config) where this external system has to send it again.
    fn reread(&self, stream: &str, file: Option<&InFile>, raw: &[u8])
    -> Result<Vec<Record>, Error>;

    /// What can be read by id, and at most how many ids a call. The engine cuts what is due into such slices, and finds the one id
    /// for which a whole slice is refused.
    fn reads(&self) -> Vec<(Kind, usize)> {
        Vec::new()
    }

    /// Reads these as they stand now; an unknown id is simply absent from the answer, which the engine keeps as a fact where
    /// the kind is an order. A repeated, an unknown or no id is no error. An order that the streams of this account leave out is
    /// neither absent nor new: it is answered as [`Record::excluded`]. An order that was not asked for is quarantined.
    ///
    /// # Errors
    /// Any class; [`ErrorClass::Config`](crate::ErrorClass::Config) for a kind that [`Source::reads`] does not name.
    async fn read(&self, kind: Kind, ids: &[ExternalId]) -> Result<Vec<Record>, Error> {
        let _ = ids;
        let why = format!("{} cannot be refreshed by id", kind.plural());
        Err(Error::new(crate::ErrorClass::Config, why))
    }

    /// Tells a consuming source that a page is safely stored. Repeatable.
    ///
    /// # Errors
    /// Any class; it is called again.
    async fn acknowledge(&self, ack: &Value) -> Result<(), Error>;

    /// Deletes files that it keeps for longer than its configuration says, as of a time, and returns how many. Called now and then;
    /// what it leaves goes the next time. `open` are the hashes ([`InFile::sha256`]) of files of which a bad record without rows is
    /// not settled yet: where the record holds only a part of its file, the file stays.
    ///
    /// # Errors
    /// Any class; it is called again.
    async fn clear_old(&self, _now: DateTime<Utc>, _open: &[String]) -> Result<usize, Error> {
        Ok(0)
    }

    /// How it understands what it reads, a sentence each, for `hikiate check`.
    fn says(&self) -> Vec<String> {
        Vec::new()
    }

    /// By which ids it reports payments; `None` where an id does not show that. An order that names another one is told at once.
    fn payment_ids(&self) -> Option<PaymentIds> {
        None
    }

    /// Where orders of this channel have the payment provider's id of their payment.
    fn payment_field(&self) -> PaymentField {
        PaymentField::Configured
    }

    /// How far back orders can be read at all, by the time of ordering; an older order that is absent from an answer
    /// may still be there. `None` where every order can be read.
    fn visible_for(&self) -> Option<Duration> {
        None
    }

    /// A cursor from which everything that arrived since `since` is fetched again, whether it was fetched before or
    /// not; pure. `None` is the beginning of time as the account's configuration has it, which is always right.
    fn rewind(&self, stream: &str, cursor: Option<&Value>, since: DateTime<Utc>) -> Option<Value> {
        let _ = (stream, cursor, since);
        None
    }
}
