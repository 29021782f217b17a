//! Pushing: what is done to an external system, prepared as bytes by a pure function and then sent.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::answers::only;
use crate::refund::{RecordRefundCall, RefundCall, VoidCall};
use crate::{
    Ability, Error, ErrorClass, ExternalId, Identity, Instruction, JournalBatch, LineKey,
    MailMessage, Parts, PaymentRef, ShipmentReference,
};

/// The kinds of operations; the word is used in business keys, tables, metrics and commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// Send a batch of shipping instructions to a warehouse.
    Instruct,
    /// Ask a warehouse to stop a shipment.
    CancelInstruction,
    /// Tell a channel which lines are being fulfilled.
    Fulfil,
    /// Tell a channel that a fulfilment has left, with tracking.
    Ship,
    /// Capture a payment.
    Capture,
    /// Cancel an order at its channel.
    CancelOrder,
    /// Send a mail.
    Mail,
    /// Post a journal batch.
    PostJournal,
    /// Show the staff of a channel what holds an order.
    Annotate,
    /// Give captured money back.
    Refund,
    /// Release what is authorised and not captured.
    Void,
    /// Record at a channel a refund that moves no money there.
    RecordRefund,
}

impl Op {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Instruct,
        Self::CancelInstruction,
        Self::Fulfil,
        Self::Ship,
        Self::Capture,
        Self::CancelOrder,
        Self::Mail,
        Self::PostJournal,
        Self::Annotate,
        Self::Refund,
        Self::Void,
        Self::RecordRefund,
    ];

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Instruct => "instruct",
            Self::CancelInstruction => "cancel_instruction",
            Self::Fulfil => "fulfil",
            Self::Ship => "ship",
            Self::Capture => "capture",
            Self::CancelOrder => "cancel_order",
            Self::Mail => "mail",
            Self::PostJournal => "post_journal",
            Self::Annotate => "annotate",
            Self::Refund => "refund",
            Self::Void => "void",
            Self::RecordRefund => "record_refund",
        }
    }

    /// The operation of a word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|op| op.as_str() == word)
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a connector declares of one operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationSpec {
    /// Which.
    pub op: Op,
    /// What is allowed after a lost reply.
    pub retry: RetryPolicy,
    /// True when the external system's acceptance is the end of it; false when a reply comes later as a record
    /// (an acceptance file).
    pub completes_on_accept: bool,
    /// What of it differs from one external system to another.
    pub ability: Ability,
    /// Most members of a sealed batch: 1 for an API that takes one shipment or one entry a call, [`OperationSpec::ANY`] where the
    /// policy alone decides. Longer batches are split.
    pub members: u32,
    /// Most prepared calls that may go in one request; 1 where each is a request of its own.
    pub together: usize,
    /// What this does, in words, for `hikiate check`: "captures the payment; cannot be undone".
    pub summary: &'static str,
}

impl OperationSpec {
    /// As many as there are.
    pub const ANY: u32 = u32::MAX;

    /// How often its payments can be captured.
    #[must_use]
    pub fn parts(&self) -> Parts {
        match self.ability {
            Ability::Capture(parts) => parts,
            _ => Parts::Many,
        }
    }

    /// Whether its warehouse knows each shipment by our reference, whatever batch it came in.
    #[must_use]
    pub fn knows_shipments(&self) -> bool {
        matches!(
            self.ability,
            Ability::Instruct {
                identity: Identity::Shipment,
                ..
            }
        )
    }

    /// An operation whose acceptance is the end of it, with batches of any size and one call a request.
    #[must_use]
    pub fn new(op: Op, retry: RetryPolicy, summary: &'static str) -> Self {
        Self {
            op,
            retry,
            completes_on_accept: true,
            ability: Ability::usual(op),
            members: Self::ANY,
            together: 1,
            summary,
        }
    }
}

/// What may be done after a lost reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryPolicy {
    /// The external system honours our key: the same bytes again, within the lifetime from the first send.
    IdempotencyKey {
        /// How long it remembers; `None` is for ever.
        ttl: Option<Duration>,
        /// After that.
        after_expiry: Then,
    },
    /// It can be asked by our reference.
    LookUp {
        /// No verdict "not there" before this long after the send.
        settle: Duration,
        /// Whether it is asked before the first send too.
        first: First,
    },
    /// Neither: the outcome stays unknown until an operator has looked.
    Manual,
    /// It shows a state, and doing it again changes nothing. What was not answered ends as unknown, without a task, and the state
    /// is shown again later if it still is the one. For operations that move neither money nor goods.
    Repeat,
}

/// What comes first where a call can be looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {
    /// The look-up, each time: others may do the same thing, and `send` does not see it.
    Ask,
    /// The call. It is looked up only in doubt: after an attempt that may have happened, and when the database lost recent commits.
    /// For operations that no other party carries out under our reference, or whose `send` reads before it writes.
    Send,
}

/// After a native key's lifetime, and when an error follows a try that may have happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// Ask the external system.
    LookUp,
    /// Ask an operator.
    Manual,
}

/// The name of a batch: account, kind, period and number. A file's name is this plus the first 8 hex
/// digits of its content's SHA-256; a name that exists is never written again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchName {
    /// Account slug.
    pub account: String,
    /// `instruct` or `journal`.
    pub kind: String,
    /// The cut-off or day in the shop's zone, for example `20261121T1300`.
    pub period: String,
    /// Counts from 1 within the period.
    pub n: u32,
}

impl fmt::Display for BatchName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}-{}-{}-{}",
            self.account, self.kind, self.period, self.n
        )
    }
}

/// What is to be done, with everything it needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "op")]
pub enum Call {
    /// See [`Op::Instruct`].
    Instruct(InstructCall),
    /// See [`Op::CancelInstruction`].
    CancelInstruction(CancelInstructionCall),
    /// See [`Op::Fulfil`].
    Fulfil(FulfilCall),
    /// See [`Op::Ship`].
    Ship(ShipCall),
    /// See [`Op::Capture`].
    Capture(CaptureCall),
    /// See [`Op::CancelOrder`].
    CancelOrder(CancelOrderCall),
    /// See [`Op::Mail`].
    Mail(MailMessage),
    /// See [`Op::PostJournal`].
    PostJournal {
        /// The batch's name.
        batch: BatchName,
        /// Its entries.
        journal: JournalBatch,
    },
    /// See [`Op::Annotate`].
    Annotate(AnnotateCall),
    /// See [`Op::Refund`].
    Refund(RefundCall),
    /// See [`Op::Void`].
    Void(VoidCall),
    /// See [`Op::RecordRefund`].
    RecordRefund(RecordRefundCall),
}

impl Call {
    /// Which operation it is.
    #[must_use]
    pub fn op(&self) -> Op {
        match self {
            Self::Instruct(_) => Op::Instruct,
            Self::CancelInstruction(_) => Op::CancelInstruction,
            Self::Fulfil(_) => Op::Fulfil,
            Self::Ship(_) => Op::Ship,
            Self::Capture(_) => Op::Capture,
            Self::CancelOrder(_) => Op::CancelOrder,
            Self::Mail(_) => Op::Mail,
            Self::PostJournal { .. } => Op::PostJournal,
            Self::Annotate(_) => Op::Annotate,
            Self::Refund(_) => Op::Refund,
            Self::Void(_) => Op::Void,
            Self::RecordRefund(_) => Op::RecordRefund,
        }
    }
}

/// A sealed batch of instructions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstructCall {
    /// Its name.
    pub batch: BatchName,
    /// In row order; the order is part of the batch.
    pub instructions: Vec<Instruction>,
}

/// A request to stop one shipment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelInstructionCall {
    /// Names the request; unique for ever.
    pub key: String,
    /// The shipment.
    pub reference: ShipmentReference,
    /// Our order number.
    pub order_number: String,
}

/// Lines of one order that are being fulfilled together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FulfilCall {
    /// The channel's order.
    pub order: ExternalId,
    /// Our reference of the shipment; the external system keeps it, so that it can be looked up.
    pub reference: ShipmentReference,
    /// The channel's code of the place the goods leave from, where the configuration maps one.
    pub location: Option<String>,
    /// What.
    pub lines: Vec<ShippedLine>,
}

/// A channel's line and how many of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShippedLine {
    /// The channel's line.
    pub line: LineKey,
    /// How many.
    pub quantity: u32,
}

/// A fulfilment that has left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShipCall {
    /// The channel's order.
    pub order: ExternalId,
    /// Our reference of the shipment, as sent when it was fulfilled.
    pub reference: ShipmentReference,
    /// What left.
    pub lines: Vec<ShippedLine>,
    /// In which parcels.
    pub parcels: Vec<ShippedParcel>,
}

/// A label of a parcel as a channel is notified of it. A part that a channel has no field for is omitted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShippedParcel {
    /// Names the parcel within the order, `reference:parcel`; several labels of one parcel share it. Empty in calls of
    /// before.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub key: String,
    /// The carrier, by the channel's word where the configuration maps it, else as the warehouse reports it.
    pub carrier: Option<String>,
    /// The carrier's number.
    pub tracking: Option<String>,
    /// When it left the house.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shipped_at: Option<DateTime<Utc>>,
    /// What is in it, in the channel's units; none where it holds parts of units. A parcel's second label repeats none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<ShippedLine>,
}

/// A capture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaptureCall {
    /// The channel's order.
    pub order: ExternalId,
    /// The payment, by the channel's id.
    pub payment: ExternalId,
    /// How the account that captures it knows it, where that is another than the channel's; `None` is by `payment`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<PaymentRef>,
    /// Names the capture; unique for ever.
    pub key: String,
    /// Minor units; `None` captures all that is authorised by the external system's own unrounded total, as long as
    /// that is `expected_captured_total`. Where more is authorised by now, `expected_captured_total` is the most.
    pub amount: Option<i64>,
    /// The order's currency.
    pub currency: crate::Currency,
    /// What is expected to have been captured in all once this is done, minor units.
    #[serde(rename = "captured_after")]
    pub expected_captured_total: i64,
}

impl CaptureCall {
    /// The id by which the account that captures it knows the payment.
    #[must_use]
    pub fn payment_there(&self) -> &ExternalId {
        PaymentRef::there(self.provider.as_ref(), &self.payment)
    }
}

/// A cancellation at the channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelOrderCall {
    /// The channel's order.
    pub order: ExternalId,
}

/// What holds an order, for the staff of its channel. It replaces what an earlier call wrote and leaves everything else there
/// alone. Neither a message to the buyer nor a place that the shop shows the buyer is right for it. No personal data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnnotateCall {
    /// The channel's order.
    pub order: ExternalId,
    /// Open holds, oldest first; none removes the note.
    pub holds: Vec<ShownHold>,
}

/// A hold as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownHold {
    /// The name of the hold rule, or `manual`.
    pub rule: String,
    /// Why.
    pub why: HoldWhy,
}

/// Why a hold is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldWhy {
    /// The rule is true.
    Rule,
    /// The rule could not be evaluated.
    Undecided,
    /// An operator placed it.
    Operator,
}

impl AnnotateCall {
    /// The note in a line, `on hold: high-value; manual (by an operator)`; `None` where it is to be removed.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        let hold = |hold: &ShownHold| match hold.why {
            HoldWhy::Rule => hold.rule.clone(),
            HoldWhy::Undecided => format!("{} (the rule could not be evaluated)", hold.rule),
            HoldWhy::Operator => format!("{} (by an operator)", hold.rule),
        };
        let holds: Vec<String> = self.holds.iter().map(hold).collect();
        (!holds.is_empty()).then(|| format!("on hold: {}", holds.join("; ")))
    }
}

/// A call as bytes: method, path and body, or file name and content. Frozen at the first send and
/// repeated byte for byte.
#[derive(Clone, PartialEq, Eq)]
pub struct Prepared {
    /// Everything `send` and `look_up` need.
    pub bytes: Vec<u8>,
    /// What it is, fit for a log: `POST /admin/orders/order_01/fulfillments`, a file name.
    pub label: String,
}

impl Prepared {
    /// A connector's own form of a call, as JSON.
    ///
    /// # Errors
    /// [`ErrorClass::Rejected`] for what cannot be written as JSON.
    pub fn of<T: Serialize>(what: &T, label: String) -> Result<Self, Error> {
        let bytes = serde_json::to_vec(what)
            .map_err(|e| Error::new(ErrorClass::Rejected, format!("{label}: {e}")))?;
        Ok(Self { bytes, label })
    }

    /// Reads what [`Self::of`] wrote.
    ///
    /// # Errors
    /// [`ErrorClass::Config`] for bytes of another form.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.bytes).map_err(|_| {
            let label = &self.label;
            Error::new(
                ErrorClass::Config,
                format!("{label}: not prepared by this version of the connector"),
            )
        })
    }
}

impl fmt::Debug for Prepared {
    /// Bodies hold addresses; only the label is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared")
            .field("label", &self.label)
            .field("bytes", &self.bytes.len())
            .finish()
    }
}

/// A definite answer of an external system. What is not an answer is an [`Error`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum Outcome {
    /// Taken; the end of it comes later.
    Accepted {
        /// The external system's id of what was made. It is kept for ever, so it is never its words.
        id: Option<String>,
    },
    /// Done.
    Done {
        /// The external system's id of what was made. It is kept for ever, so it is never its words.
        id: Option<String>,
    },
    /// Definitely refused; nothing happened. Where the key is honoured this is believed after a lost reply too: it is the stored
    /// answer of the first try. An error about the state of things ("already captured", "the name is taken") is
    /// [`crate::ErrorClass::Conflict`] and is looked up then.
    Refused {
        /// The external system's code.
        code: String,
        /// Its words, for an operator: quoted, as in the message of an error.
        message: String,
    },
}

/// What a look-up says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LookUp {
    /// It is there; this is its outcome. [`Outcome::Refused`] only where the external system shows both that the call took no
    /// effect and that it never will, whoever saw to that.
    Found(Outcome),
    /// It is not there.
    NotFound,
    /// The external system does not know yet or cannot say.
    Inconclusive,
}

/// Something that an external system was sent and still shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Sent {
    /// Its name; a batch's begins with the name of the batch.
    pub name: String,
    /// What was sent, in which our references can be found.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Sent {
    /// Bodies hold addresses; only the name is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sent")
            .field("name", &self.name)
            .field("bytes", &self.bytes.len())
            .finish()
    }
}

/// A line of an instruction as a file that was sent says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentLine {
    /// Our reference of its shipment.
    pub reference: ShipmentReference,
    /// Counts from 1 within the shipment.
    pub n: u32,
    /// The warehouse's code of the item.
    pub code: String,
    /// How many.
    pub quantity: u32,
}

/// An external system that can be written to.
#[async_trait]
pub trait Operations: Send + Sync {
    /// What this account offers. A route to anything else fails `hikiate check`.
    fn operations(&self) -> Vec<OperationSpec>;

    /// Operations that this external system is asked for by telephone only: they are not among [`Operations::operations`], and
    /// an operator types what was said.
    fn by_telephone(&self) -> Vec<Op> {
        Vec::new()
    }

    /// The words for a shipping method that this warehouse takes, where they are a closed list; `None` where any word goes. An empty
    /// word always goes, and the parts of one may have any order and case.
    fn service_words(&self) -> Option<&'static [&'static str]> {
        None
    }

    /// The same for a time of day.
    fn slot_words(&self) -> Option<&'static [&'static str]> {
        None
    }

    /// Where what is sent ends up, and what keeps it from there, a sentence each, for `hikiate check`; none where the source says it.
    fn destination(&self) -> Vec<String> {
        Vec::new()
    }

    /// Whether this channel mails the buyer what it is told of a shipment.
    fn mails_shipments(&self) -> bool {
        false
    }

    /// Renders a call; pure, no clock, no network. The same call gives the same bytes. Instructions are also rendered on
    /// trial, with each plan of an order that has goods to ship: that has to be cheap.
    ///
    /// # Errors
    /// [`crate::ErrorClass::Rejected`] when the call cannot be expressed (a character the layout refuses),
    /// with the field named; of an instruction, its code may say which part cannot be expressed: `name`, `address`, `service`,
    /// `title` or `wish`. [`crate::ErrorClass::Config`] for an operation not offered.
    fn prepare(&self, call: &Call) -> Result<Prepared, Error>;

    /// Sends prepared calls of one operation once, at most [`OperationSpec::together`] of them, of different orders. Never
    /// retries. One answer for each call, in order: what is refused of one says nothing of the others
    /// ([`crate::one_by_one`] where each is a request of its own). Any other number of answers counts as unknown for all.
    /// [`crate::ErrorClass::OutcomeUnknown`] whenever the external system may have acted.
    async fn send(&self, op: Op, calls: &[&Prepared]) -> Vec<Result<Outcome, Error>>;

    /// Asks whether prepared calls have already happened, by our references; one answer for each call, in order. A
    /// look-up changes nothing.
    async fn look_up(&self, op: Op, calls: &[&Prepared]) -> Vec<Result<LookUp, Error>>;

    /// [`Operations::send`] with one call.
    ///
    /// # Errors
    /// As there.
    async fn send_one(&self, op: Op, prepared: &Prepared) -> Result<Outcome, Error> {
        only(self.send(op, &[prepared]).await)
    }

    /// [`Operations::look_up`] with one call.
    ///
    /// # Errors
    /// As there.
    async fn look_up_one(&self, op: Op, prepared: &Prepared) -> Result<LookUp, Error> {
        only(self.look_up(op, &[prepared]).await)
    }

    /// Everything of an operation that this external system was sent since `since` and still shows, for a database
    /// that lost recent commits and no longer knows it. `None` when it cannot list it.
    ///
    /// # Errors
    /// Any class; it changes nothing.
    async fn sent_since(&self, op: Op, since: DateTime<Utc>) -> Result<Option<Vec<Sent>>, Error> {
        let _ = (op, since);
        Ok(None)
    }

    /// Reads the lines of instructions back out of what [`Operations::sent_since`] gave, by the account's own
    /// layout; pure. `None` when the layout does not say them, or what was sent is not of this layout.
    fn lines_sent(&self, sent: &Sent) -> Option<Vec<SentLine>> {
        let _ = sent;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_names_each_hold_and_is_none_without_one() {
        let note = |holds: &[(&str, HoldWhy)]| {
            let hold = |(rule, why): &(&str, HoldWhy)| ShownHold {
                rule: (*rule).to_owned(),
                why: *why,
            };
            let holds = holds.iter().map(hold).collect();
            let order = ExternalId::from("order-1");
            AnnotateCall { order, holds }.text()
        };
        assert_eq!(note(&[]), None);
        assert_eq!(
            note(&[
                ("high-value", HoldWhy::Rule),
                ("abroad", HoldWhy::Undecided),
                ("manual", HoldWhy::Operator)
            ])
            .as_deref(),
            Some(
                "on hold: high-value; abroad (the rule could not be evaluated); manual (by an operator)"
            )
        );
    }
}
