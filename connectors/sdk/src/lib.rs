//! What every hikiate connector is written against: the trade's types, the two traits a far side is
//! reached through ([`Source`] to pull, [`Operations`] to push), error classes, the HTTP client, the
//! faulty transport and the conformance suite.
//!
//! A connector is a *kind* of far side; an account is a configured instance of one. Connectors hold
//! no state: cursors, retries, budgets, secrets and time are the engine's, lent by a [`Link`].

pub mod budget;
#[cfg(feature = "sim")]
pub mod conformance;
mod connector;
pub mod duration;
mod error;
#[cfg(feature = "sim")]
pub mod faulty;
pub mod http;
mod id;
mod journal;
mod link;
mod mail;
mod money;
mod operation;
mod order;
mod secret;
#[cfg(feature = "sim")]
pub mod sim;
mod source;
pub mod text;
mod tracking;
mod warehouse;

pub use connector::{AccountConfig, Connector, ConnectorKind, Problem};
pub use error::{Error, ErrorClass};
pub use id::{AccountSlug, ExternalId, GroupKey, LineKey, ShipmentReference};
pub use journal::{JournalBatch, JournalEntry, JournalLine, LineTax, TaxStyle};
pub use link::Link;
pub use mail::MailMessage;
pub use money::{Currency, Decimal, MoneyError, to_minor};
pub use operation::{
    BatchName, Call, CancelInstructionCall, CancelOrderCall, CaptureCall, Found, FulfilCall,
    InstructCall, OnUnknown, Op, OperationSpec, Operations, Outcome, ParcelTold, Prepared, Replay,
    Sent, SentLine, ShipCall, ShippedLine, Then,
};
pub use order::{
    ChannelFulfilment, ChannelGate, ChannelState, Charge, ChargeKind, DeliveryGroup, FulfilledBy,
    OrderLine, OrderSnapshot, Party, PaymentRef, Personal, RefundEffect, RefundSeen, TaxSum,
    Tender,
};
pub use secret::{Attempts, Pick, Secret, SecretPlace, SecretRef};
pub use source::{
    BadRecord, InFile, Listing, Observed, Page, Record, Source, StreamKind, StreamSpec,
};
pub use tracking::{NO_NUMBER, Tracking, is_rounded};
pub use warehouse::{
    CancelReply, CancelVerdict, Instruction, InstructionLine, InstructionReply, ParcelLine,
    ParcelReport, ReplyVerdict, StockLevel, Told,
};
