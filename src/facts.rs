//! Facts: what was reported and what was decided. Append-only, without personal data. Each kind has its own
//! version; older bodies are upgraded when they are loaded, and a kind or version that this binary does not know
//! makes the subject not plannable by it, never skipped.

#[cfg(test)]
mod corpus;
mod operator;
mod upgrade;
pub(crate) mod words;

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use hikiate_sdk::text::{field, words};
use hikiate_sdk::{
    AccountSlug, Call, CancelReply, Currency, ExternalId, GroupKey, InstructionReply, LineKey, Op,
    OrderSnapshot, ParcelReport, PaymentSnapshot, ShipmentReference,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::names;
use crate::policy::MailKind;

pub use operator::{
    CancelAnsweredFact, DepositTo, DepositWithdrawnFact, EndedFact, ParcelCorrectedFact,
    RecallWantedFact, ReceiverNamedFact, RefundExplainedFact, RefundPart, RefundReason,
    RefundWantedFact, ReturnedFact, ShippedFact, TaxRateFact, TellAgainFact, VoidWantedFact,
};

/// What sort of fact it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FactClass {
    /// Immutable, with the external system's id.
    Event,
    /// State as read; the last one of a series counts.
    Observation,
    /// Ours, with the policy version that made it.
    Decision,
    /// An effect that was planned; its key is refused a second time for ever.
    Intent,
    /// What became of an intent.
    Outcome,
}

impl FactClass {
    /// The word in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Observation => "observation",
            Self::Decision => "decision",
            Self::Intent => "intent",
            Self::Outcome => "outcome",
        }
    }
}

/// One stored fact.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// Row id; rises in the order facts of one subject were stored.
    pub id: i64,
    /// Unique per subject.
    pub key: String,
    /// What it says.
    pub body: FactBody,
    /// When it happened, as told.
    pub happened_at: DateTime<Utc>,
    /// When it was stored.
    pub recorded_at: DateTime<Utc>,
    /// The day of `happened_at` in the shop's zone.
    pub business_date: NaiveDate,
    /// `pull`, `plan`, `push` or who typed the command.
    pub actor: String,
}

impl Fact {
    /// Its id, when it was stored, and what it says.
    #[must_use]
    pub fn said(&self) -> (i64, DateTime<Utc>, &FactBody) {
        (self.id, self.recorded_at, &self.body)
    }

    /// Somebody else told us this, or an operator decided it: not a consequence that planning drew by itself.
    #[must_use]
    pub fn is_new_input(&self) -> bool {
        match self.body.class() {
            FactClass::Event | FactClass::Observation => true,
            FactClass::Outcome => {
                !matches!(&self.body, FactBody::Outcome(o) if o.verdict == Verdict::Withdrawn)
            }
            FactClass::Decision => self.actor != "plan",
            FactClass::Intent => false,
        }
    }
}

/// What a fact says.
#[derive(Clone, Debug, PartialEq)]
pub enum FactBody {
    /// Observation, external id empty: the order as the channel shows it.
    Order(Box<OrderFact>),
    /// Observation, external id `account/payment`: a payment as the account that holds the money reports it.
    Payment(Box<PaymentFact>),
    /// Observation, external id `reference:parcel key`.
    Parcel(ParcelReport),
    /// Observation, external id = reference.
    Reply(InstructionReply),
    /// Observation, external id = reference.
    CancelReply(CancelReply),
    /// Event: money that came for the order.
    Deposit(DepositFact),
    /// Decision of an operator: it was not for this order, or none.
    DepositWithdrawn(DepositWithdrawnFact),
    /// Event: revenue of the order stands in an accepted journal batch.
    Booked(BookedFact),
    /// Decision: a rule or an operator holds the order.
    Held(HeldFact),
    /// Decision: a hold lets go.
    Released(ReleasedFact),
    /// Decision of an operator: stop the order.
    CancelWanted(CancelWantedFact),
    /// Decision of an operator: ask for one shipment back.
    RecallWanted(RecallWantedFact),
    /// Decision of an operator: what a warehouse said by telephone about such a request.
    CancelAnswered(CancelAnsweredFact),
    /// Decision of an operator: nothing more is instructed.
    Ended(EndedFact),
    /// Decision of an operator: a parcel fact is the operator's own.
    Shipped(ShippedFact),
    /// Decision of an operator: tell the channel again.
    TellAgain(TellAgainFact),
    /// Decision of an operator: goods came back.
    Returned(ReturnedFact),
    /// Decision of an operator: a parcel has another number.
    ParcelCorrected(ParcelCorrectedFact),
    /// Decision of an operator: the rate of an amount.
    TaxRate(TaxRateFact),
    /// Decision of an operator: what a refund is that only the provider knows of.
    RefundExplained(RefundExplainedFact),
    /// Decision of an operator: money is given back.
    RefundWanted(RefundWantedFact),
    /// Decision of an operator: what is authorised and not captured is released.
    VoidWanted(VoidWantedFact),
    /// Decision of an operator: the receiver has another name on instructions, kept elsewhere.
    ReceiverNamed(ReceiverNamedFact),
    /// Decision: these lines leave from that warehouse under this reference.
    Shipment(ShipmentFact),
    /// Decision: a shipment that was not instructed will not be.
    ShipmentWithdrawn(ShipmentWithdrawnFact),
    /// Decision: where the units of a shipment by others were taken from.
    ExternalShipment(ExternalShipmentFact),
    /// Decision: a sealed shipment differs from its order.
    ChangeSeen(ChangeSeenFact),
    /// Decision of an operator when a channel begins: what becomes of an older order.
    Class(ClassFact),
    /// Decision on a batch: sealed.
    Sealed(SealedFact),
    /// Observation: whether the channel shows the order when it is read by its id.
    Presence(PresenceFact),
    /// Decision of an operator: the channel really has the order no more, although it hides many others too.
    AbsenceBelieved(AbsenceBelievedFact),
    /// Decision on a batch: members that went with it although they could not be read again before.
    Unread(UnreadFact),
    /// Decision of an operator on an open batch: seal it now.
    SealWanted(SealWantedFact),
    /// Decision of an operator on a sealed batch: it was not imported, and is never sent again.
    Abandoned(AbandonedFact),
    /// Outcome: what became of the batch that a shipment of the order is in, where that is not the end of it.
    Member(MemberFact),
    /// Event: a journal batch that was taken for booked was given up.
    Unbooked(UnbookedFact),
    /// Outcome: the books' layout forbids an entry of the order's revenue.
    BookingRefused(BookingRefusedFact),
    /// Intent.
    Intent(Box<IntentFact>),
    /// Outcome.
    Outcome(OutcomeFact),
}

/// An order as observed, with what may be known of its people for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderFact {
    /// The reading.
    pub order: OrderSnapshot,
    /// Derived at intake; survives the purge.
    pub features: Features,
    /// The version of the personal row it came with; 0 for none.
    pub personal_version: i32,
}

/// A payment as observed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentFact {
    /// The account that reported it.
    pub account: AccountSlug,
    /// The reading.
    pub payment: PaymentSnapshot,
}

impl PaymentFact {
    /// The series of its observations.
    #[must_use]
    pub fn series(&self) -> String {
        format!("{}/{}", self.account, self.payment.key)
    }
}

/// What rules and checks may know of names and addresses after they are purged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Features {
    /// Per delivery group key.
    pub groups: BTreeMap<String, GroupFeatures>,
    /// The buyer's mail address looks like one.
    pub buyer_mail: bool,
    /// The customer wrote something.
    pub remarks: bool,
}

/// Features of one ship-to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupFeatures {
    /// ISO 3166-1 alpha-2; `ZZ` where the address has another text.
    pub country: String,
    /// 都道府県, state; empty where the address has another text. Facts of earlier versions have what stood there.
    pub region: String,
    /// The first three ASCII letters and digits of the postal code.
    pub postal_prefix: String,
    /// Fields of the address that are missing.
    pub missing: Vec<String>,
    /// At least nine digits.
    pub phone_ok: bool,
    /// The receiver is not the buyer.
    pub receiver_differs: bool,
}

/// Money that came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DepositFact {
    /// `account/reference` of the deposit.
    pub deposit: String,
    /// Minor units matched to this order.
    pub amount: i64,
    /// Currency.
    pub currency: Currency,
}

/// Revenue that is in the books.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookedFact {
    /// The batch's name.
    pub batch: String,
    /// Keys of the revenue events.
    pub events: Vec<String>,
}

/// A hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldFact {
    /// The rule's name; `manual` for an operator's.
    pub rule: String,
    /// For an operator.
    pub reason: String,
    /// Hash of the rule context it was decided on; empty for an operator's.
    pub context: String,
    /// How it lets go.
    pub release: HoldRelease,
}

impl HeldFact {
    /// The rule of an operator's hold.
    pub const MANUAL: &str = "manual";
}

/// How a decided hold lets go; kept in the fact so that a later policy does not change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldRelease {
    /// When an operator releases it.
    #[serde(rename = "person")]
    Manual,
    /// Once the expression is no longer true.
    Auto,
}

/// A release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleasedFact {
    /// The holds and gates it lets go, by name; none on a batch. [`ReleasedFact::ALL_BEFORE`] only in facts of
    /// before releases named them.
    #[serde(deserialize_with = "current_names")]
    pub rules: Vec<String>,
    /// Why.
    pub reason: String,
    /// Hash of the rule context at the release: on the same facts a rule that it names does not hold again.
    pub context: String,
}

/// Stored releases may carry a task's earlier name.
fn current_names<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let stored = Vec::<String>::deserialize(from)?;
    Ok(stored.iter().map(|name| names::current(name)).collect())
}

impl ReleasedFact {
    /// Stands for every hold that was open then, whose names were not written down.
    pub const ALL_BEFORE: &str = "*";

    /// It names this hold or gate.
    #[must_use]
    pub fn names(&self, rule: &str) -> bool {
        self.rules.iter().any(|name| name == rule)
    }
}

/// An operator's cancel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelWantedFact {
    /// Why.
    pub reason: String,
}

/// A shipment as decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShipmentFact {
    /// Our reference, `number-Sn`.
    pub reference: ShipmentReference,
    /// Our warehouse's name.
    pub warehouse: String,
    /// The account that is instructed.
    pub account: AccountSlug,
    /// The delivery group.
    pub group: GroupKey,
    /// What is in it.
    pub lines: Vec<ShipmentLine>,
}

/// One line of a shipment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShipmentLine {
    /// Counts from 1.
    pub n: u32,
    /// The demand row.
    pub demand_id: i64,
    /// The channel's line.
    pub line: LineKey,
    /// The item.
    pub item_id: i64,
    /// How many items.
    pub quantity: u32,
}

/// A shipment that will not be instructed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShipmentWithdrawnFact {
    /// Which.
    pub reference: ShipmentReference,
    /// Why.
    pub reason: String,
}

/// Where the units of one line of a shipment by others were taken from, decided when it was first planned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExternalShipmentFact {
    /// The channel's id of the fulfilment.
    pub fulfilment: ExternalId,
    /// The channel's line.
    pub line: LineKey,
    /// The demand row, when it was stored already.
    pub demand_id: Option<i64>,
    /// The item.
    pub item_id: i64,
    /// When it shipped, as the channel tells.
    pub shipped_at: DateTime<Utc>,
    /// The channel's units that were decided on.
    pub units: u32,
    /// Warehouse and our items of them; empty where the place is not ours.
    pub places: Vec<(String, u32)>,
    /// False where the channel does not name the place: the units are blocked until a count.
    pub place_known: bool,
}

/// A sealed shipment that differs from its order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeSeenFact {
    /// Which.
    pub reference: ShipmentReference,
    /// Its warehouse's account.
    pub account: AccountSlug,
    /// Names of what differs.
    pub fields: Vec<String>,
    /// Stands for what it differs in: another change has another one.
    pub fingerprint: String,
    /// The warehouse is to be asked to cancel it, unless many change at once.
    pub recall: bool,
}

/// What becomes of an order that was placed before its channel's beginning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassFact {
    /// Which class.
    pub class: OrderClass,
    /// Why.
    pub reason: String,
}

/// Classes of older orders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum OrderClass {
    /// Left to the system before: reserved, never touched.
    Left,
    /// Taken over and planned as new.
    Adopted,
    /// Taken over; the system before has instructed it.
    AdoptedInstructed {
        /// That system's reference, which the warehouse's results name.
        reference: ShipmentReference,
        /// Our warehouse's name.
        warehouse: String,
        /// The account whose results are meant.
        account: AccountSlug,
    },
    /// Nothing is reserved or done.
    History,
}

/// A sealed batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedFact {
    /// Members.
    pub rows: u32,
    /// SHA-256 of the bytes, hex.
    pub hash: String,
}

/// Two looks that find nothing are this far apart before the order counts as vanished: a channel may hide for a
/// moment what it is writing.
pub const ABSENCE_SETTLE: chrono::Duration = chrono::Duration::minutes(2);

/// Whether a channel shows an order that was asked for by its id; `happened_at` is when it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresenceFact {
    /// Looks in a row that did not find it, each [`ABSENCE_SETTLE`] after the one before: 0 once it is shown again,
    /// 1, or 2, at which the counting ends.
    pub misses: u8,
}

/// An operator's word that an order is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AbsenceBelievedFact {
    /// Why.
    pub reason: String,
}

/// Members of a batch that were not read again in time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnreadFact {
    /// Our numbers of the orders.
    pub orders: Vec<String>,
}

/// A batch that is to be sealed before its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealWantedFact {
    /// The name that the batch got by it.
    pub batch: String,
}

/// A batch that was given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AbandonedFact {
    /// Why.
    pub reason: String,
    /// How often it was sent.
    pub sends: u32,
    /// When it was last sent.
    pub last_sent_at: Option<DateTime<Utc>>,
}

/// What a shipment hears of its batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberFact {
    /// The batch's name.
    pub batch: String,
    /// The shipment.
    pub reference: ShipmentReference,
    /// What became of it.
    pub state: MemberState,
}

/// What became of the batch a shipment is in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum MemberState {
    /// Definitely refused as a whole; it may be sent again.
    Refused {
        /// The external system's words.
        message: String,
    },
    /// It is sent again after a refusal.
    SentAgain,
    /// Given up: an operator says that it was not imported.
    Abandoned {
        /// Why.
        reason: String,
    },
}

/// A journal batch that is not in the books after all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnbookedFact {
    /// The batch's name.
    pub batch: String,
}

/// Revenue that cannot be written as an entry of the books.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookingRefusedFact {
    /// Keys of the revenue events.
    pub events: Vec<String>,
    /// The layout's words.
    pub message: String,
}

/// What is to be done, as planned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntentFact {
    /// Which operation.
    pub op: Op,
    /// On which account.
    pub account: AccountSlug,
    /// The number of the try after definite refusals or withdrawals, from 1.
    pub n: u32,
    /// The substance.
    pub what: IntentWhat,
}

/// The substance of an intent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum IntentWhat {
    /// A call that holds no personal data and is ready as it stands.
    Call {
        /// The call.
        call: Box<Call>,
        /// Keys `reference:parcel` of the parcels a notice tells; amount and the like are in the call.
        parcels: Vec<String>,
        /// Key of the operator's decision that it carries out; empty for what the planner wants by itself.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        decision: String,
    },
    /// A mail, rendered with the personal row when it is sent.
    Mail {
        /// Which.
        kind: MailKind,
    },
    /// The order's part in an instruct batch.
    Member {
        /// The batch's name.
        batch: String,
        /// The shipment.
        reference: ShipmentReference,
        /// What the instruction says beside its lines; absent from those sealed by older versions and from
        /// shipments that were found at their warehouse.
        #[serde(default)]
        committed: Option<Committed>,
        /// The warehouse's code that it names, by line; absent from those sealed by older versions.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        codes: Vec<(u32, String)>,
    },
    /// On a batch: send its frozen bytes.
    Batch {
        /// The batch's name.
        batch: String,
    },
}

/// What an instruction was sealed with, as one keyed hash per field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Committed {
    /// Of the normaliser and the list of fields.
    pub version: u16,
    /// Which key.
    pub key: i32,
    /// Hex, by field name.
    pub fields: BTreeMap<String, String>,
}

/// What became of an intent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeFact {
    /// The intent's key.
    pub intent: String,
    /// Verdict.
    pub verdict: Verdict,
    /// The external system's id of what was made.
    #[serde(default)]
    pub id: Option<String>,
    /// The external system's code of a refusal.
    #[serde(default)]
    pub code: Option<String>,
    /// Its words, or the operator's reason.
    #[serde(default)]
    pub message: String,
}

impl OutcomeFact {
    /// With the external system's words as they can be stored.
    #[must_use]
    pub(crate) fn cleaned(&self) -> Self {
        Self {
            intent: self.intent.clone(),
            verdict: self.verdict,
            id: self.id.as_deref().map(field),
            code: self.code.as_deref().map(words),
            message: field(&self.message),
        }
    }

    /// The key it is stored under; evidence, of which there may be more than one, has a key of its own.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}:outcome:{}", self.intent, self.verdict.as_str())
    }
}

/// Verdicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Done for good.
    Done,
    /// Taken; the end comes as a reply.
    Accepted,
    /// Definitely refused; nothing happened.
    Refused,
    /// Taken back before it was sent.
    Withdrawn,
    /// An operator looked: it did not happen.
    NotDone,
    /// It may have happened, and nobody is asked, as it is harmless to do again.
    Unknown,
    /// An answer that came after its lease was lost; it proves, it decides nothing.
    Evidence,
}

impl Verdict {
    /// The word in keys and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Accepted => "accepted",
            Self::Refused => "refused",
            Self::Withdrawn => "withdrawn",
            Self::NotDone => "not_done",
            Self::Unknown => "unknown",
            Self::Evidence => "evidence",
        }
    }

    /// The outcome of a batch, or of a request to a warehouse, for people: what was taken is at the warehouse, which accepts or rejects
    /// each shipment by its reply.
    #[must_use]
    pub fn of_batch(self) -> &'static str {
        match self {
            Self::Accepted => "delivered",
            Self::Refused => "rejected",
            other => other.as_str(),
        }
    }
}

/// Why a stored fact cannot be read by this binary.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "fact kind {kind:?} version {version} is not known to this version of hikiate, or its body is damaged: {reason}; run the newer version"
)]
pub struct UnknownFact {
    /// The kind.
    pub kind: String,
    /// The version.
    pub version: i16,
    /// serde's words.
    pub reason: String,
}

macro_rules! kinds {
    ($($name:literal, $version:literal, $class:ident, $variant:ident;)*) => {
        impl FactBody {
            /// Every kind and the version of its body that this binary writes.
            #[cfg(test)]
            pub(crate) const KINDS: &[(&str, i16)] = &[$(($name, $version),)*];

            /// The word in the database.
            #[must_use]
            pub fn kind(&self) -> &'static str {
                match self { $(Self::$variant(_) => $name,)* }
            }

            /// What sort of fact it is.
            #[must_use]
            pub fn class(&self) -> FactClass {
                match self { $(Self::$variant(_) => FactClass::$class,)* }
            }

            /// The version of this kind's body that this binary writes; the highest that it reads.
            #[must_use]
            pub fn version(&self) -> i16 {
                match self { $(Self::$variant(_) => $version,)* }
            }

            /// The version of a kind's body that this binary writes.
            #[must_use]
            pub fn version_of(kind: &str) -> Option<i16> {
                match kind { $($name => Some($version),)* _ => None }
            }

            /// The body as stored; personal data has no place in it.
            ///
            /// # Errors
            /// serde's, which these types do not provoke.
            pub fn to_json(&self) -> Result<Value, serde_json::Error> {
                match self { $(Self::$variant(body) => serde_json::to_value(body),)* }
            }

            /// Reads a stored body.
            ///
            /// # Errors
            /// [`UnknownFact`] for another kind, a higher version or a damaged body.
            pub fn read(kind: &str, version: i16, body: Value) -> Result<Self, UnknownFact> {
                let unknown = |reason: String| UnknownFact { kind: kind.to_owned(), version, reason };
                match kind {
                    $($name if !(1..=$version).contains(&version) => Err(unknown("newer version".to_owned())),)*
                    $($name => serde_json::from_value(upgrade::upgraded(kind, version, body))
                        .map(Self::$variant)
                        .map_err(|e| unknown(e.to_string())),)*
                    _ => Err(unknown("no such kind".to_owned())),
                }
            }

            /// The same from the JSON text of a stored body.
            ///
            /// # Errors
            /// As [`FactBody::read`].
            pub fn read_text(kind: &str, version: i16, text: &str) -> Result<Self, UnknownFact> {
                Self::read_with(kind, version, text, None)
            }

            /// The same with the words that were stored beside it.
            ///
            /// # Errors
            /// As [`FactBody::read`].
            pub fn read_with(kind: &str, version: i16, text: &str, said: Option<String>) -> Result<Self, UnknownFact> {
                let mut body = serde_json::from_str(text).map_err(|e| UnknownFact {
                    kind: kind.to_owned(),
                    version,
                    reason: e.to_string(),
                })?;
                if let Some(said) = said {
                    words::put(kind, &mut body, said);
                }
                Self::read(kind, version, body)
            }
        }
    };
}

kinds! {
    "order", 2, Observation, Order;
    "payment", 1, Observation, Payment;
    "parcel", 1, Observation, Parcel;
    "reply", 1, Observation, Reply;
    "cancel_reply", 1, Observation, CancelReply;
    "deposit", 1, Event, Deposit;
    "deposit_withdrawn", 1, Decision, DepositWithdrawn;
    "booked", 1, Event, Booked;
    "held", 1, Decision, Held;
    "released", 2, Decision, Released;
    "cancel_wanted", 1, Decision, CancelWanted;
    "recall_wanted", 1, Decision, RecallWanted;
    "cancel_answered", 1, Decision, CancelAnswered;
    "ended", 1, Decision, Ended;
    "shipped", 1, Decision, Shipped;
    "tell_again", 1, Decision, TellAgain;
    "returned", 1, Decision, Returned;
    "parcel_corrected", 1, Decision, ParcelCorrected;
    "tax_rate", 1, Decision, TaxRate;
    "refund_explained", 1, Decision, RefundExplained;
    "refund_wanted", 1, Decision, RefundWanted;
    "void_wanted", 1, Decision, VoidWanted;
    "receiver_named", 1, Decision, ReceiverNamed;
    "shipment", 1, Decision, Shipment;
    "shipment_withdrawn", 1, Decision, ShipmentWithdrawn;
    "external_shipment", 1, Decision, ExternalShipment;
    "change_seen", 1, Decision, ChangeSeen;
    "class", 1, Decision, Class;
    "sealed", 1, Decision, Sealed;
    "presence", 1, Observation, Presence;
    "absence_believed", 1, Decision, AbsenceBelieved;
    "unread", 1, Decision, Unread;
    "seal_wanted", 1, Decision, SealWanted;
    "abandoned", 1, Decision, Abandoned;
    "member", 2, Outcome, Member;
    "unbooked", 1, Event, Unbooked;
    "booking_refused", 1, Outcome, BookingRefused;
    "intent", 1, Intent, Intent;
    "outcome", 2, Outcome, Outcome;
}
