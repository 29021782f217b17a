//! What operators decide about shipments and orders, beside holds and cancels.

use std::collections::BTreeMap;

use hikiate_sdk::{
    AccountSlug, CancelReply, Currency, ExternalId, GroupKey, ParcelLine, PaymentRef, RefundedLine,
    ShipmentReference,
};
use serde::{Deserialize, Serialize};

/// A shipment is wanted back: taken out before it is sealed, asked back from its warehouse after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecallWantedFact {
    /// Which.
    pub reference: ShipmentReference,
    /// Why.
    pub reason: String,
    /// The stop of shipping that asked for it; then the stop alone keeps its goods back. `None`: the shipment's goods
    /// are held until they are released.
    #[serde(default)]
    pub stop: Option<i64>,
}

/// What a warehouse said by telephone about a request to stop a shipment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelAnsweredFact {
    /// The answer, with the operator's reason as its words.
    pub reply: CancelReply,
}

/// The rate of an amount whose rate the channel does not tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaxRateFact {
    /// The channel's line, or the kind of an amount of the whole order (`postage`).
    pub line: String,
    /// Basis points.
    pub rate_bp: u32,
    /// Why.
    pub reason: String,
}

/// What a refund is that only the payment provider knows of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundExplainedFact {
    /// The provider's id of the refund.
    pub refund: ExternalId,
    /// What it is.
    pub is: RefundReason,
    /// Why.
    pub reason: String,
}

/// What a refund is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundReason {
    /// The price was lowered.
    Discount,
    /// Goods came back.
    Return,
    /// It should not have been made: the customer owes the money.
    Mistake,
}

/// Money is to be given back. What it comes to was settled when it was typed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundWantedFact {
    /// Names it within the order.
    pub id: String,
    /// Minor units in all, above zero.
    pub amount: i64,
    /// The order's currency.
    pub currency: Currency,
    /// It is all that was left to give back, nothing was authorised besides for goods that were to ship, and where it was asked by
    /// line, no other unit of the order was left.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub full: bool,
    /// What it is for, where it was asked by line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<RefundedLine>,
    /// How much of it is of which payment.
    pub parts: Vec<RefundPart>,
    /// Why.
    pub reason: String,
}

/// What is given back of one payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundPart {
    /// The payment, by the channel's id.
    pub payment: ExternalId,
    /// How its account knew it then: the channel's record may come to name another payment. `None` where the channel holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<PaymentRef>,
    /// The account that captured it and gives it back; `None` where no account did, and an operator pays it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountSlug>,
    /// Minor units, above zero.
    pub amount: i64,
    /// What others had given back of the payment by then: more of it may be this very refund.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub by_others: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(amount: &i64) -> bool {
    *amount == 0
}

/// Nothing more is captured of these payments: what is authorised of them is released.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoidWantedFact {
    /// By the channel's ids.
    pub payments: Vec<ExternalId>,
    /// How their accounts knew them then: the channel's record may come to name another payment. None of those that the channel
    /// holds.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub providers: BTreeMap<ExternalId, PaymentRef>,
    /// Why; empty where it was not said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// Nothing more of the order is instructed, and nobody is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedFact {
    /// Why.
    pub reason: String,
}

/// A parcel that an operator has told of: the parcel fact under the same reference and key is the operator's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShippedFact {
    /// Its shipment.
    pub reference: ShipmentReference,
    /// The parcel's key within the shipment.
    pub key: String,
    /// Why.
    pub reason: String,
}

/// The channel is to be told again what was shipped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TellAgainFact {
    /// Which shipment.
    pub reference: ShipmentReference,
    /// Why.
    pub reason: String,
}

/// Goods of a shipment came back. Stock follows the warehouse's count only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReturnedFact {
    /// Which shipment.
    pub reference: ShipmentReference,
    /// Shipment lines and items that came back.
    pub lines: Vec<ParcelLine>,
    /// Why.
    pub reason: String,
}

/// A parcel has another number than its warehouse or operator told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParcelCorrectedFact {
    /// Its shipment.
    pub reference: ShipmentReference,
    /// The number as told.
    pub from: String,
    /// The right number.
    pub to: String,
    /// Why.
    pub reason: String,
}

/// Instructions of a delivery group go out under a name that an operator wrote, which is kept with the addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiverNamedFact {
    /// The group.
    pub group: GroupKey,
    /// Why.
    pub reason: String,
}

/// Money of a deposit that does not count for the order any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DepositWithdrawnFact {
    /// `account/reference` of the deposit.
    pub deposit: String,
    /// Minor units taken away from this order, above zero.
    pub amount: i64,
    /// Currency.
    pub currency: Currency,
    /// Where it went.
    pub to: DepositTo,
}

/// Where money goes that is taken away from an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum DepositTo {
    /// To the order that it was for.
    Order {
        /// Our number.
        number: String,
    },
    /// Nobody knows yet whose it is.
    Unmatched,
    /// There was no such deposit.
    Void {
        /// Why.
        reason: String,
    },
}
