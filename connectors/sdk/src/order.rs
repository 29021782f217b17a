//! An order as a channel reports it: what was sold, to be paid how, going where.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Currency, Customs, ExternalId, Gift, GroupKey, LineKey, PaymentRef, Wishes};

/// One reading of an order at its channel, without personal data.
///
/// All amounts are minor units of `currency`; `None` means the channel has not fixed the amount yet,
/// which is never the same as zero.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderSnapshot {
    /// The channel's id of the order.
    pub external_id: ExternalId,
    /// The number the customer knows, for mails and slips.
    pub display: String,
    /// The channel's count or time of changes, which rises with them; `None` orders readings by when they were asked for.
    /// A reading with a lower one is not believed before it has been shown for ten minutes.
    pub version: Option<u64>,
    /// When the customer ordered.
    pub ordered_at: DateTime<Utc>,
    /// The order's currency.
    pub currency: Currency,
    /// The state of the order at the channel.
    pub state: ChannelState,
    /// Whether the channel lets the order be shipped.
    pub gate: ChannelGate,
    /// One per ship-to; at least one.
    pub groups: Vec<DeliveryGroup>,
    /// What was sold.
    pub lines: Vec<OrderLine>,
    /// Every amount the customer is charged, tax included; rounding differences stand as a charge of their own.
    pub charges: Vec<Charge>,
    /// How it is paid, one entry per payment.
    pub tenders: Vec<Tender>,
    /// The channel's own total, tax included.
    pub total: Option<i64>,
    /// What the channel shows as packed or shipped, by whomever.
    pub fulfilments: Vec<ChannelFulfilment>,
    /// Tax sums that the channel states for what the buyer is billed; empty where it states none. A sum that is not
    /// rounded to the minor unit is not stated.
    #[serde(default)]
    pub taxes: Vec<TaxSum>,
    /// Tags of the order that the account's configuration names, sorted.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Placed to try the shop out: never fulfilled, captured or booked.
    #[serde(default)]
    pub test: bool,
}

/// A sum of tax as the channel states it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaxSum {
    /// Basis points.
    pub rate_bp: u32,
    /// Gross amount that it is the tax of, minor units; `None` where only the tax is stated.
    pub gross: Option<i64>,
    /// The tax, minor units.
    pub tax: i64,
}

/// Who fulfils a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FulfilledBy {
    /// A warehouse of ours.
    #[default]
    Us,
    /// The channel or somebody it instructs (a store, a dropshipper): no demand and no task.
    Channel,
    /// Nobody ships it (digital, service, gift card).
    Nobody,
}

/// The state of an order at its channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum ChannelState {
    /// Alive.
    Open,
    /// Cancelled at the channel.
    Cancelled {
        /// When, as reported.
        at: DateTime<Utc>,
    },
    /// Finished at the channel; an order first seen so is history.
    Completed,
    /// A state this connector does not know; it changes nothing and is reported.
    Unknown {
        /// The channel's word.
        raw: String,
    },
}

/// The channel's own gate before shipping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChannelGate {
    /// The channel has not released the order yet.
    NotYet,
    /// May be shipped.
    Open,
    /// The channel is changing or checking the order.
    Frozen,
    /// Will not be shipped any more.
    Closed,
}

/// One destination of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryGroup {
    /// The channel's id of the group, or `"1"`.
    pub key: GroupKey,
    /// The shipping method by the channel's name.
    pub service: Option<String>,
    /// Not to leave the house before.
    pub earliest_ship: Option<DateTime<Utc>>,
    /// The date promised to the customer or demanded by the channel.
    pub ship_by: Option<DateTime<Utc>>,
    /// What is asked of its delivery.
    #[serde(default, skip_serializing_if = "Wishes::is_empty")]
    pub wishes: Wishes,
}

/// One line as sold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderLine {
    /// The channel's id of the line.
    pub key: LineKey,
    /// The group it goes with.
    pub group: GroupKey,
    /// The channel's code of what was sold; `None` holds the order as unmapped.
    pub sku: Option<String>,
    /// What the customer reads.
    pub title: String,
    /// Ordered now, after the channel's edits.
    pub quantity: u32,
    /// Tax included, minor units, for one.
    pub unit_price: Option<i64>,
    /// Basis points.
    pub tax_rate_bp: Option<u32>,
    /// Who fulfils it.
    #[serde(default)]
    pub by: FulfilledBy,
    /// For a parcel that goes abroad.
    #[serde(default, skip_serializing_if = "Customs::is_empty")]
    pub customs: Customs,
}

impl OrderLine {
    /// A warehouse of ours ships it.
    #[must_use]
    pub fn ours(&self) -> bool {
        self.by == FulfilledBy::Us
    }
}

/// One amount of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    /// What for.
    pub kind: ChargeKind,
    /// The line it belongs to.
    pub line: Option<LineKey>,
    /// Tax included; negative for discounts.
    pub gross: Option<i64>,
    /// The tax inside `gross` as the channel states it; `None` where it states none that is rounded to the minor unit.
    pub tax: Option<i64>,
    /// Basis points; `None` where the channel does not tell it, which is never the same as 0.
    pub tax_rate_bp: Option<u32>,
    /// What kind of rate it is, where the channel says: `reduced`, or why there is none (`export`, `exempt`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax_class: Option<String>,
    /// Who pays for a discount, when it is not the shop.
    pub sponsor: Option<String>,
}

/// What a charge is for.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ChargeKind {
    /// Goods.
    Goods,
    /// 送料.
    Postage,
    /// 代引手数料.
    CodFee,
    /// A fee for the way of paying.
    PaymentFee,
    /// ラッピング.
    Wrapping,
    /// A price reduction by the shop.
    Discount,
    /// A coupon; see `sponsor`.
    Coupon,
    /// What rounding to the minor unit moved.
    Rounding,
    /// Anything else the channel names.
    Other,
}

/// One payment of an order, as the channel or provider reports it. Amounts are what happened, not what should have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tender {
    /// The external system's id of the payment.
    pub key: ExternalId,
    /// The channel's name of the way of paying; the configuration maps it to a method of ours.
    pub gateway: String,
    /// To be paid this way.
    pub amount: Option<i64>,
    /// Authorised and not voided.
    pub authorised: i64,
    /// Captured so far.
    pub captured: i64,
    /// Given back so far.
    pub refunded: i64,
    /// True once voided or cancelled.
    pub cancelled: bool,
    /// How the payment provider knows it, when another account than the channel's captures it.
    #[serde(default)]
    pub provider: Option<PaymentRef>,
    /// The authorisation ends then; `None` where the channel does not say.
    #[serde(default)]
    pub authorised_until: Option<DateTime<Utc>>,
    /// To be paid until then.
    #[serde(default)]
    pub pay_by: Option<DateTime<Utc>>,
    /// An operator must check it before anything ships, for this reason; `None` if not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<String>,
    /// Refunds one by one, in the order they were made; empty where the channel reports only the sum.
    #[serde(default)]
    pub refunds: Vec<RefundSeen>,
}

/// A refund that the channel records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundSeen {
    /// The external system's id of it.
    pub key: ExternalId,
    /// Minor units, positive.
    pub amount: i64,
    /// When it was made, as reported.
    pub at: Option<DateTime<Utc>>,
    /// What it does to what the order charges.
    #[serde(default, skip_serializing_if = "RefundEffect::is_in_total")]
    pub effect: RefundEffect,
    /// What it is for, where the channel says: line and units. They are units that the line's quantity still counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<(LineKey, u32)>,
}

impl RefundEffect {
    /// The default, which readings of before do not have.
    fn is_in_total(&self) -> bool {
        *self == Self::InTotal
    }
}

/// What a refund does to what an order charges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RefundEffect {
    /// Nothing: the channel's total has it off already, by a credit or lowered amounts, as far as it lowers anything.
    #[default]
    InTotal,
    /// It lowers them by its amount, as far as no more was paid than is charged: the channel's total leaves it out.
    Lowers,
    /// Nobody knows: the channel's order does not have it, only the payment provider does.
    ProviderOnly,
}

/// A fulfilment (packed or shipped lines) as the channel shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelFulfilment {
    /// The channel's id.
    pub key: ExternalId,
    /// Our reference, when we made it.
    pub reference: Option<String>,
    /// When it was marked as shipped; `None` while it is only packed.
    pub shipped_at: Option<DateTime<Utc>>,
    /// When it was cancelled.
    pub cancelled_at: Option<DateTime<Utc>>,
    /// The channel's code of the place that it leaves from; `None` where the channel names none.
    pub location: Option<String>,
    /// Tracking numbers.
    pub tracking: Vec<String>,
    /// Line and quantity, in the channel's units.
    pub lines: Vec<(LineKey, u32)>,
}

impl ChannelFulfilment {
    /// Marked as shipped, whatever became of it later.
    #[must_use]
    pub fn shipped(&self) -> bool {
        self.shipped_at.is_some()
    }

    /// Cancelled again.
    #[must_use]
    pub fn cancelled(&self) -> bool {
        self.cancelled_at.is_some()
    }
}

/// Names and addresses of an order; kept apart from facts and purged on schedule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Personal {
    /// Who ordered.
    pub buyer: Party,
    /// Ship-to per group key.
    pub ship_to: BTreeMap<String, Party>,
    /// The customer's words.
    pub remarks: String,
    /// Who is named as the sender in place of the shop (ご依頼主), per group key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub senders: BTreeMap<String, Party>,
    /// What makes a gift of a delivery, per group key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub gifts: BTreeMap<String, Gift>,
}

/// A person or company at an address. Empty means not reported.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Party {
    /// Full name in the order it is written on a label.
    pub name: String,
    /// Company.
    pub company: String,
    /// ISO 3166-1 alpha-2, upper case.
    pub country: String,
    /// Postal code as reported.
    pub postal_code: String,
    /// 都道府県, state or province.
    pub region: String,
    /// City.
    pub city: String,
    /// Street and number.
    pub address1: String,
    /// Building, room.
    pub address2: String,
    /// Phone as reported.
    pub phone: String,
    /// Mail address.
    pub email: String,
}

impl std::fmt::Debug for Party {
    /// Never shows whom it is about.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Party")
            .field("country", &self.country)
            .finish_non_exhaustive()
    }
}
