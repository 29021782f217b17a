//! The merchant's policy: what the configuration says, checked and resolved. The pure functions take it
//! as it is; the configuration module makes it from TOML.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, NaiveTime, Utc};
use chrono_tz::Tz;
use hikiate_sdk::{AccountSlug, Currency, Parts, PaymentIds};
use serde::Serialize;

use crate::calendar::{Calendar, Term, next_time};

/// Everything that decides what is done with an order.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Policy {
    /// The merchant.
    pub shop: Shop,
    /// Per channel account.
    pub channels: BTreeMap<AccountSlug, Channel>,
    /// In order of preference.
    pub warehouses: Vec<Warehouse>,
    /// How stock is given out.
    pub allocation: Allocation,
    /// What counts as paid.
    #[serde(skip_serializing_if = "Payments::is_exact")]
    pub payments: Payments,
    /// When a parcel counts as delivered.
    pub presume_delivered: Presume,
    /// What channels and customers are told of what shipped.
    pub notice: Notice,
    /// Which account sends mails.
    pub mail: Option<AccountSlug>,
    /// Hold rules in the order they are written.
    pub holds: Vec<HoldRule>,
    /// How revenue is booked; `None` books nothing, and `delivered` is the last status.
    pub booking: Option<Booking>,
    /// How channel codes become items.
    pub catalogue: Catalogue,
}

impl Policy {
    /// Channels for which it is not written what it means that they fulfil by themselves.
    #[must_use]
    pub fn undecided_channels(&self) -> Vec<AccountSlug> {
        let channels = self.channels.iter();
        channels
            .filter(|(_, channel)| channel.others == Others::Ask)
            .map(|(slug, _)| slug.clone())
            .collect()
    }
}

/// How long what names somebody is kept; `None` keeps it for ever. It is part of what a policy is known by: only processes with the one
/// in force delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Raw bytes of readings, from when they were read.
    pub raw: Option<Duration>,
    /// Names, addresses and the bytes of instructions, from the end of their orders.
    pub personal: Option<Duration>,
    /// Records of the quarantine, from when they were settled.
    pub quarantine: Option<Duration>,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            raw: Some(Duration::days(30)),
            personal: Some(Duration::days(180)),
            quarantine: Some(Duration::days(90)),
        }
    }
}

/// What channels and customers are told of what shipped.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Notice {
    /// A parcel that was told without a number waits this long for it, before it is told without.
    #[serde(serialize_with = "seconds")]
    pub wait_for_number: Duration,
    /// What is done about a number that its warehouse seems to have corrected.
    pub corrected_number: CorrectedNumber,
}

impl Default for Notice {
    fn default() -> Self {
        Self {
            wait_for_number: Duration::hours(2),
            corrected_number: CorrectedNumber::default(),
        }
    }
}

/// What is done about a number that its warehouse seems to have corrected: the same goods under another number, beyond
/// what was instructed.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum CorrectedNumber {
    /// An operator says which one is right.
    #[default]
    Ask,
    /// The newer one is right.
    Tell,
}

/// The merchant.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shop {
    /// Shown in mails.
    pub name: String,
    /// Business dates and cut-offs are in this zone.
    pub timezone: Tz,
    /// ISO 3166-1, in capitals: parcels to any other go abroad.
    pub country: String,
    /// Currency of the books.
    pub currency: Currency,
    /// How tax is rounded where the channel states no sum; `None`: not decided, half up meanwhile.
    pub tax_rounding: Option<TaxRounding>,
    /// What tax is rounded once for.
    pub invoice: Invoice,
    /// When it is closed.
    #[serde(skip_serializing_if = "Calendar::is_empty")]
    pub calendar: Calendar,
}

/// What counts as paid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Payments {
    /// What deposits may differ from what is to be paid by bank transfer, either way, in minor units of the shop's
    /// currency; orders in another currency are to be paid to the unit.
    pub deposit_tolerance: i64,
}

impl Payments {
    /// The default, which a document of before does not have.
    fn is_exact(&self) -> bool {
        *self == Self::default()
    }
}

/// How long after it left a parcel counts as delivered, where nobody reports it; `None` waits for a report.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Presume {
    /// To an address in the shop's country.
    #[serde(serialize_with = "opt_seconds")]
    pub home: Option<Duration>,
    /// To any other.
    #[serde(serialize_with = "opt_seconds")]
    pub abroad: Option<Duration>,
    /// By a shipping method of this name at the channel, wherever to.
    #[serde(serialize_with = "opt_seconds_by_name")]
    pub by_service: BTreeMap<String, Option<Duration>>,
}

impl Presume {
    /// What holds for a parcel.
    #[must_use]
    pub fn after(&self, service: Option<&str>, abroad: bool) -> Option<Duration> {
        let own = service.and_then(|service| self.by_service.get(service));
        *own.unwrap_or(if abroad { &self.abroad } else { &self.home })
    }
}

/// How a fraction of a minor unit of tax is rounded.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum TaxRounding {
    /// 切り捨て: towards zero.
    Floor,
    /// 四捨五入: half away from zero.
    #[default]
    HalfUp,
    /// 切り上げ: away from zero.
    Ceiling,
}

/// What tax is rounded once for.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Invoice {
    /// The order.
    #[default]
    Order,
    /// Each shipment.
    Shipment,
}

/// What is done with the orders of one channel.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Channel {
    /// The channel's name of a way of paying → ours. A name that is not here holds the order.
    pub payments: BTreeMap<String, PaymentRoute>,
    /// Tell the channel what was shipped.
    pub shipping_notice: bool,
    /// What the channel's staff are shown of an order.
    #[serde(skip_serializing_if = "Annotate::is_never")]
    pub annotate: Annotate,
    /// When money is captured.
    pub capture: CaptureRule,
    /// Mails to send, by template name.
    pub mail: Vec<MailKind>,
    /// Our warehouse name → the channel's code of that place.
    pub locations: BTreeMap<String, String>,
    /// A warehouse's name of a carrier → the channel's. Empty passes names on as they come.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub carriers: BTreeMap<String, String>,
    /// Where units left from that others shipped from a place which the channel does not name; `None`: not known, they
    /// stay blocked until a count.
    pub others_ship_from: Option<OthersShipFrom>,
    /// What it means that somebody completed an order with goods open.
    pub completed: Completed,
    /// An order that was completed with goods open keeps their stock this long.
    #[serde(serialize_with = "opt_seconds")]
    pub completed_hold: Option<Duration>,
    /// Whether fulfilments that the channel makes by itself are believed.
    pub others: Others,
    /// Open orders are read again this often, because some external systems change without telling.
    #[serde(serialize_with = "opt_seconds")]
    pub refresh: Option<Duration>,
    /// It counts as begun for all time.
    pub begun: bool,
    /// Before it begins, older orders reserve nothing; then they are history.
    #[serde(serialize_with = "seconds")]
    pub zombie: Duration,
    /// Orders that were last read longer than this before their batch is sealed are read again first.
    #[serde(serialize_with = "opt_seconds")]
    pub recheck: Option<Duration>,
    /// What could not be read again in time waits for the next batch; otherwise it goes and is told.
    pub recheck_required: bool,
    /// An order that the channel no longer shows keeps its stock this long; `None` for ever.
    #[serde(serialize_with = "opt_seconds")]
    pub vanished_after: Option<Duration>,
    /// Basis points for amounts whose rate the channel does not tell.
    pub default_tax: Option<u32>,
    /// The channel records refunds that were made elsewhere.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub records_refunds: bool,
}

/// What the staff of a channel are shown of an order there.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Annotate {
    /// Nothing.
    #[default]
    Never,
    /// Which holds are open.
    Holds,
}

impl Annotate {
    /// Nothing is shown.
    #[must_use]
    pub fn is_never(&self) -> bool {
        *self == Self::Never
    }
}

/// Where units left from that others shipped, when the channel names no place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OthersShipFrom {
    /// A warehouse of ours, by name.
    Warehouse(String),
    /// A place that is not ours: no stock of ours moves.
    Elsewhere,
}

/// What it means that somebody completed an order at the channel with goods open.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Completed {
    /// Nobody knows: the order is held, and an operator decides.
    #[default]
    Ask,
    /// What was open has shipped.
    Shipped,
    /// What was open is not to be shipped.
    Ended,
}

/// Whether fulfilments that a channel makes by itself, at once and for many orders, are believed.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Others {
    /// Not while many come at once: those orders are held until this is decided.
    #[default]
    Ask,
    /// They shipped.
    Believe,
    /// A fulfilment without a tracking number, and a completed order, say nothing about goods.
    IgnoreUnshipped,
}

/// What is done about an instruction that was sent and differs from the order as it stands now.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// A task: an operator calls the warehouse, or recalls it.
    Ask,
    /// The warehouse is asked to cancel it, and the order as it stands is instructed anew once it has accepted.
    Recall,
}

/// What is done about each kind of change.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(default, deny_unknown_fields)]
pub struct ChangeRules {
    /// The order was cancelled, or others shipped all of it.
    pub cancel: Change,
    /// Less is ordered than was instructed.
    pub quantity_down: Change,
    /// Another ship-to.
    pub address: Change,
    /// Another ship date.
    pub date: Change,
    /// Another shipping method.
    pub service: Change,
    /// Another amount to be collected on delivery.
    #[serde(skip_serializing_if = "Change::is_recall")]
    pub cod: Change,
}

impl Change {
    /// The default for an amount to collect, which a document of before does not have.
    fn is_recall(&self) -> bool {
        *self == Self::Recall
    }
}

impl Default for ChangeRules {
    fn default() -> Self {
        Self {
            cancel: Change::Recall,
            quantity_down: Change::Ask,
            address: Change::Ask,
            date: Change::Ask,
            service: Change::Ask,
            cod: Change::Recall,
        }
    }
}

/// When an order of which nothing ships makes revenue.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum DigitalBooking {
    /// When the channel shows it completed.
    #[default]
    Completed,
    /// When it is paid in full.
    Paid,
    /// Never.
    Never,
}

/// How one way of paying is treated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PaymentRoute {
    /// Ours.
    pub method: PaymentMethod,
    /// The account that captures; `None` where nothing is captured.
    pub account: Option<AccountSlug>,
    /// How often that account captures a payment.
    pub parts: Parts,
    /// That account is another than the channel's and reports its payments: what it says counts, and not the channel.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub reads: bool,
    /// By which ids that account reports payments, where an id shows that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ids: Option<PaymentIds>,
    /// That account gives captured money back.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub refunds: bool,
    /// That account releases what is authorised.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub voids: bool,
}

/// Ways of paying.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum PaymentMethod {
    /// Authorised at the channel, captured when goods leave. Confirmed once authorised in full.
    Card,
    /// Already paid when the order comes. Confirmed at once.
    Prepaid,
    /// 銀行振込: confirmed when deposits cover it.
    BankTransfer,
    /// 代引: collected by the carrier when it delivers. Confirmed at once, and nothing is captured.
    Cod,
}

impl PaymentMethod {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Card, Self::Prepaid, Self::BankTransfer, Self::Cod];

    /// The word used in rules, journals and lists.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Card => "card",
            Self::Prepaid => "prepaid",
            Self::BankTransfer => "bank_transfer",
            Self::Cod => "cod",
        }
    }
}

/// When money is captured.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum CaptureRule {
    /// What has left so far, each time something leaves.
    EachShipment,
    /// Once, when nothing is left to ship.
    OnComplete,
}

/// Mails hikiate can send.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum MailKind {
    /// The whole order has left.
    Shipped,
}

impl MailKind {
    /// The template's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Shipped => "shipped",
        }
    }
}

/// One place goods leave from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Warehouse {
    /// Our name of the location.
    pub name: String,
    /// The account that is instructed.
    pub account: AccountSlug,
    /// The external system's code of the place, where the account has several.
    pub location: Option<String>,
    /// When instructions go out.
    pub dispatch: Dispatch,
    /// When a task opens because a reply is missing; `None` never.
    pub reply_within: Option<ReplyTerm>,
    /// What is done when an order changes after its instruction was sent.
    pub change: ChangeRules,
    /// How it is asked to stop a shipment.
    #[serde(skip_serializing_if = "CancelBy::is_call")]
    pub cancel: CancelBy,
    /// A channel's name of a shipping method → the warehouse's. Empty passes names on as they come; a name that is not in a
    /// table holds the order.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub services: BTreeMap<String, String>,
    /// The same of times of day.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub slots: BTreeMap<String, String>,
}

/// When a warehouse's reply to what it was sent is overdue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplyTerm {
    /// So long after it was sent.
    Within(Duration),
    /// Half an hour after the next of these local times, sorted, at which its replies come.
    At(Vec<NaiveTime>),
}

impl ReplyTerm {
    /// A reply that is expected at a time of day may come so much later.
    pub const GRACE: Duration = Duration::minutes(30);

    /// When the reply to what was sent is overdue.
    #[must_use]
    pub fn due(&self, sent: DateTime<Utc>, zone: Tz) -> Option<DateTime<Utc>> {
        match self {
            Self::Within(span) => sent.checked_add_signed(*span),
            Self::At(times) => next_time(sent, times, zone).checked_add_signed(Self::GRACE),
        }
    }
}

/// Seconds, or the times.
impl Serialize for ReplyTerm {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Within(span) => serializer.serialize_i64(span.num_seconds()),
            Self::At(times) => times.serialize(serializer),
        }
    }
}

/// How a warehouse is asked to stop a shipment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelBy {
    /// By a call or file to its account.
    #[default]
    Call,
    /// By telephone: no call is made, and an operator types what it said.
    Phone,
}

impl CancelBy {
    /// The default, which a document of before does not have.
    fn is_call(&self) -> bool {
        *self == Self::Call
    }
}

/// When instructions go out.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "mode")]
pub enum Dispatch {
    /// Sealed at the next of these local times.
    Wave {
        /// In the shop's zone, sorted.
        cutoffs: Vec<NaiveTime>,
        /// Rows in a batch at the most.
        max_rows: u32,
        /// Batches for one cut-off at the most; what they cannot take goes with the next cut-off. `None` is no limit.
        #[serde(skip_serializing_if = "Option::is_none")]
        files_per_cutoff: Option<u32>,
    },
    /// Sealed at once, after a grace period in which a customer may still cancel.
    Continuous {
        /// From allocation to sealing.
        #[serde(serialize_with = "seconds")]
        grace: Duration,
        /// Rows in a batch at the most.
        max_rows: u32,
    },
}

/// How stock is given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Allocation {
    /// One order may leave from several warehouses.
    pub split: bool,
    /// What happens to an order of which a part has no stock.
    pub partial: Partial,
    /// An order that waits for a bank transfer, or whose payment was lost, keeps its stock this long; `None` for ever.
    pub expire_unpaid: Option<Term>,
}

/// Orders with stock for a part only.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Partial {
    /// Wait until all of it has stock.
    Wait,
    /// Ship what is there, the rest follows.
    ShipReady,
}

/// A hold rule (保留条件) as written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HoldRule {
    /// Names it in lists and facts; never reused for another meaning.
    pub name: String,
    /// The CEL expression.
    pub when: String,
    /// How it lets go.
    pub release: Release,
}

/// How a hold lets go.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Release {
    /// When an operator releases it.
    Manual,
    /// By itself, once the expression is no longer true.
    Auto,
}

/// How revenue is booked (売上計上).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Booking {
    /// Which event makes revenue.
    pub recognise: Recognise,
    /// When an order of which nothing ships makes revenue.
    pub digital: DigitalBooking,
    /// The accounting account.
    pub account: AccountSlug,
    /// When a journal batch closes.
    pub close: Close,
    /// Account titles.
    pub titles: Titles,
}

/// Which event makes revenue.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Recognise {
    /// 出荷基準.
    Shipped,
    /// 着荷基準.
    Delivered,
}

/// When a journal batch closes.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Close {
    /// Daily at this local time.
    At(NaiveTime),
    /// This long after it was opened.
    Every(#[serde(serialize_with = "seconds")] Duration),
}

/// Account titles (勘定科目).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Titles {
    /// 売上高.
    pub sales: String,
    /// 売上返品・値引, for what refunds take off revenue that is booked.
    pub returns: String,
    /// 売掛金.
    pub receivable: String,
    /// 売掛金 of its own by who pays: a payment method, or `sponsor:NAME`.
    pub receivables: BTreeMap<String, String>,
    /// 仮受消費税.
    pub tax: String,
    /// 雑損益, for rounding.
    pub rounding: String,
    /// 前受金, debited for bank transfers that were paid before shipping, where deposits are not booked.
    pub advance: String,
    /// Titles of deposits; `None` books none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deposits: Option<DepositTitles>,
}

/// Titles of deposits, which are booked when they come and again when they are matched to an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DepositTitles {
    /// 普通預金, where the money is.
    pub bank: String,
    /// 仮受金, until it is known what it is for.
    pub suspense: String,
    /// 雑損益 or 支払手数料, for what the tolerance leaves.
    pub rest: String,
}

/// How channel codes become items.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Catalogue {
    /// The channel's code is the item's code, once a warehouse has reported an item of that code.
    SameCode,
    /// Only what the mapping file lists: rows of item code, account, code there, multiplier.
    Listed(Vec<ItemCode>),
}

/// One row of the mapping file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ItemCode {
    /// Our item code.
    pub item: String,
    /// A channel or warehouse account.
    pub account: AccountSlug,
    /// Its code there.
    pub code: String,
    /// Items in one of that code (a case of 12).
    pub multiplier: u32,
}

fn seconds<S: serde::Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(value.num_seconds())
}

fn opt_seconds<S: serde::Serializer>(
    value: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    value.map(|v| v.num_seconds()).serialize(serializer)
}

fn opt_seconds_by_name<S: serde::Serializer>(
    value: &BTreeMap<String, Option<Duration>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let seconds = |value: &Option<Duration>| value.map(|v| v.num_seconds());
    serializer.collect_map(value.iter().map(|(name, value)| (name, seconds(value))))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn utc(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_reply_is_overdue_after_a_time_or_half_an_hour_past_the_hour_it_comes_at() {
        let tokyo = chrono_tz::Asia::Tokyo;
        let sent = utc("2026-11-20T04:00:00Z");
        let due = |term: &ReplyTerm| term.due(sent, tokyo).unwrap();
        let within = ReplyTerm::Within(Duration::minutes(45));
        assert_eq!(due(&within), utc("2026-11-20T04:45:00Z"));
        let time = |hour, minute| NaiveTime::from_hms_opt(hour, minute, 0).unwrap();
        let evening = ReplyTerm::At(vec![time(18, 30)]);
        assert_eq!(due(&evening), utc("2026-11-20T10:00:00Z"));
        let twice = ReplyTerm::At(vec![time(9, 0), time(12, 0)]);
        assert_eq!(due(&twice), utc("2026-11-21T00:30:00Z"), "the next morning");
    }
}
