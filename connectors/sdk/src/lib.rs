//! What every hikiate connector is written against: the trade's types, the two traits an external system is
//! reached through ([`Source`] to pull, [`Operations`] to push), error classes, the HTTP client, the
//! faulty transport and the conformance suite.
//!
//! A connector is a *kind* of external system; an account is a configured instance of one. Connectors hold
//! no state: cursors, retries, budgets, secrets and time are the engine's, lent by a [`Link`].

mod ability;
mod answers;
pub mod budget;
#[cfg(feature = "sim")]
pub mod conformance;
mod connector;
pub mod cursor;
pub mod decode;
pub mod duration;
mod error;
#[cfg(feature = "sim")]
pub mod faulty;
pub mod hooks;
pub mod http;
mod id;
mod journal;
mod link;
mod mail;
mod money;
mod operation;
mod order;
mod payment;
mod refund;
mod secret;
pub mod settings;
#[cfg(feature = "sim")]
pub mod sim;
mod source;
pub mod text;
mod tracking;
mod warehouse;
mod wishes;

pub use ability::{Ability, Cancels, Identity, Parts, Unit, When};
pub use answers::{one_by_one, one_each, same_object};
pub use connector::{AccountConfig, Connector, ConnectorKind, Problem};
pub use error::{Error, ErrorClass};
pub use id::{AccountSlug, ExternalId, GroupKey, LineKey, ShipmentReference};
pub use journal::{JournalBatch, JournalEntry, JournalLine, LineTax, TaxStyle};
pub use link::Link;
pub use mail::MailMessage;
pub use money::{Currency, Decimal, MinorUnit, MinorUnits, MoneyError, to_minor};
pub use operation::{
    AnnotateCall, BatchName, Call, CancelInstructionCall, CancelOrderCall, CaptureCall, First,
    FulfilCall, HoldWhy, InstructCall, LookUp, Op, OperationSpec, Operations, Outcome, Prepared,
    RetryPolicy, Sent, SentLine, ShipCall, ShippedLine, ShippedParcel, ShownHold, Then,
};
pub use order::{
    ChannelFulfilment, ChannelGate, ChannelState, Charge, ChargeKind, DeliveryGroup, FulfilledBy,
    OrderLine, OrderSnapshot, Party, Personal, RefundEffect, RefundSeen, TaxSum, Tender,
};
pub use payment::{PaymentField, PaymentIds, PaymentRef, PaymentSnapshot, PaymentState};
pub use refund::{RecordRefundCall, RefundCall, RefundedLine, VoidCall};
pub use secret::{Attempts, PLACEHOLDER, Pick, Secret, SecretPlace, SecretRef};
pub use source::{
    BadRecord, Here, InFile, Kind, Listing, Observed, Page, Record, Source, StreamSpec,
};
pub use tracking::{NO_NUMBER, Tracking, is_rounded};
pub use warehouse::{
    CancelReply, CancelVerdict, CodeLine, Contents, Instruction, InstructionLine, InstructionReply,
    ParcelLine, ParcelReport, ReplyVerdict, ReportSource, StockLevel,
};
pub use wishes::{Asks, Cod, Customs, Gift, SlipPrices, Temperature, UnreadWish, Wishes};
