//! What goes into planning an order and what comes out. No database, no clock, no network.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Duration, NaiveDate, Utc};
use hikiate_sdk::{
    AccountSlug, Currency, ExternalId, GroupKey, LineKey, Op, Personal, ShipmentReference,
};
use serde::Serialize;

use super::commitment::FieldKey;
use super::provider::{NamedPayment, Payments};
use crate::action::Action;
use crate::facts::{Fact, FactBody, IntentFact, OutcomeFact};
use crate::operations::Lane;

/// How an order came to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Named by another external system before its channel told it: it is to be read.
    Placeholder,
    /// Seen while it was open.
    Live,
    /// An earlier version first saw it closed or shipped: no effects.
    History,
}

/// Everything one order's plan is made from.
#[derive(Clone, Debug)]
pub struct OrderInput {
    /// Row id.
    pub subject_id: i64,
    /// The channel account.
    pub channel: AccountSlug,
    /// The channel's id.
    pub external_id: ExternalId,
    /// Our number, `HK…`.
    pub number: String,
    /// How it came to be known.
    pub origin: Origin,
    /// In stored order.
    pub facts: Vec<Fact>,
    /// The newest personal row; `None` once purged or never told.
    pub personal: Option<Personal>,
    /// Its names and addresses were deleted, and it takes none in again.
    pub purged: bool,
    /// Its rows in the effect queue.
    pub queue: Vec<QueuedEffect>,
    /// Its demand rows with what is reserved for them.
    pub demands: Vec<DemandState>,
    /// Its shipment rows.
    pub shipments: Vec<ShipmentState>,
    /// Revenue events already recorded.
    pub revenue: Vec<RevenueRow>,
    /// What the books know of its deposits.
    pub deposit_books: DepositBooks,
    /// Items by the channel's code; a code that is absent is unmapped.
    pub items: BTreeMap<String, ItemRef>,
    /// Items by a warehouse's account and code: of the codes that its reports name, and of what it was instructed.
    pub codes: BTreeMap<(AccountSlug, String), ItemRef>,
    /// When the channel is to be read again anyway.
    pub read_at: Option<DateTime<Utc>>,
    /// Its account does not show many of its orders at the moment, so that absence says nothing of one of them.
    pub hidden: bool,
    /// When each (rule, account) became active; an effect needs a cause stored at or after it. Absent means not active.
    pub active_from: BTreeMap<(String, AccountSlug), DateTime<Utc>>,
    /// What a lost window may have done.
    pub lost: DataLoss,
    /// Rules that are paused: their effects wait until an operator resumes them.
    pub paused: BTreeSet<(String, AccountSlug)>,
    /// Stops of shipping that stand.
    pub stops: Vec<ShippingStop>,
    /// Something that is not ours was stored since the last committed plan.
    pub new_input: bool,
    /// When the stock of an item was last counted at a warehouse, for units whose place nobody names.
    pub counted: BTreeMap<(i64, String), DateTime<Utc>>,
    /// Shipments that changed together with more than ten others of their warehouse, within five minutes.
    pub many_changes: BTreeSet<ShipmentReference>,
    /// Parcels of other orders, to other recipients, that have a number of one of its own.
    pub shared: Vec<SharedNumber>,
    /// The channel fulfils orders by itself, as many of its last ones show.
    pub channel_alarm: bool,
    /// What its warehouses' accounts could not write of it, as far as they were asked.
    pub not_written: Vec<NotWritten>,
    /// What is stored about [`OrderPlan::at_once`].
    pub at_once: Option<bool>,
    /// The key of what was committed to.
    pub field_key: FieldKey,
    /// Whether hikiate acts for its channel.
    pub begin: Begin,
    /// Orders that claim the names of its payments at other accounts, itself among them.
    pub claims: Vec<NamedPayment>,
    /// Its payments at other accounts; `None` where none is, or [`OrderInput::see_payments`] was not called yet.
    pub payments: Option<Payments>,
}

/// Something that a warehouse's account cannot write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotWritten {
    /// The warehouse.
    pub warehouse: String,
    /// What of the instruction.
    pub part: Written,
    /// The account's connector itself names the part, and in `why` what to set: it has no layout.
    pub named: bool,
    /// The field and the rule, as the account's connector names them; no text of the order.
    pub why: String,
}

/// A part of an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Written {
    /// The receiver's name or company.
    Name,
    /// The rest of the address.
    Address,
    /// The shipping method or the order's number at the channel.
    Service,
    /// The title of a line.
    Title,
    /// Something that is asked of the delivery.
    Wish,
    /// A word that the warehouse's own tables lack.
    Unmapped,
    /// None of these alone.
    Together,
}

impl Written {
    /// The part that the code of a refusal names, see [`hikiate_sdk::Operations::prepare`].
    pub(crate) fn named(code: &str) -> Option<Self> {
        Some(match code {
            "name" => Self::Name,
            "address" => Self::Address,
            "service" => Self::Service,
            "title" => Self::Title,
            "wish" => Self::Wish,
            _ => return None,
        })
    }
}

/// Whether hikiate acts for a channel, and since when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Begin {
    /// Orders placed at or after this are ours; `None` while the channel has not begun.
    pub from: Option<DateTime<Utc>>,
    /// When it was begun last.
    pub begun_at: Option<DateTime<Utc>>,
    /// Orders that are left to the system before are given up then.
    pub left_until: Option<DateTime<Utc>>,
    /// The order was handled here before channels had a beginning: ours, whenever it was placed.
    pub known: bool,
}

impl Begin {
    /// Begun for all time.
    #[must_use]
    pub fn always() -> Self {
        Self {
            from: Some(DateTime::UNIX_EPOCH),
            ..Self::default()
        }
    }
}

/// A stop of shipping; what is `None` matches everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShippingStop {
    /// Row id.
    pub id: i64,
    /// Items by row id; empty for a code that no item has.
    pub items: Option<Vec<i64>>,
    /// Orders of this channel.
    pub channel: Option<AccountSlug>,
    /// Shipments from this warehouse.
    pub warehouse: Option<String>,
}

/// What is known of a window that the database has lost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DataLoss {
    /// Recoveries begun.
    pub epoch: i32,
    /// When the last one ended; what is decided later is of no lost window.
    pub lifted_at: Option<DateTime<Utc>>,
    /// Orders are still being read again, or it is not known yet since when: no shipment is decided.
    pub reading: bool,
    /// Shipments of this order that warehouses' accounts were sent and this database does not know.
    pub found: Vec<UnrecordedShipment>,
    /// Accounts that cannot tell what they were sent; empty for an order that came later.
    pub untold: Vec<AccountSlug>,
}

/// A shipment of a lost window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnrecordedShipment {
    /// The warehouse's account.
    pub account: AccountSlug,
    /// Our reference.
    pub reference: ShipmentReference,
    /// An operator said so; otherwise it was found at the external system.
    pub told: bool,
    /// Its lines, where they are known.
    pub lines: Option<Vec<UnrecordedLine>>,
}

/// A line of such a shipment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnrecordedLine {
    /// Counts from 1 within the shipment; the warehouse's answers name it.
    pub n: u32,
    /// The warehouse's code.
    pub code: String,
    /// The item behind it, when there is exactly one.
    pub item_id: Option<i64>,
    /// Items.
    pub quantity: u32,
}

/// A parcel of another order that has a number of one of this order's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedNumber {
    /// The number, as this order has it.
    pub number: String,
    /// The other order's number.
    pub order: String,
    /// Its shipment.
    pub reference: ShipmentReference,
    /// The account of that one's warehouse.
    pub account: AccountSlug,
    /// The fact by which the other one has it.
    pub since: i64,
}

/// An item behind a channel's code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemRef {
    /// Row id.
    pub item_id: i64,
    /// Items in one of that code.
    pub multiplier: u32,
    /// False for services: nothing leaves a warehouse.
    pub stocked: bool,
}

/// A row of the effect queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuedEffect {
    /// Row id.
    pub id: i64,
    /// The account it goes to.
    pub account: AccountSlug,
    /// The operation.
    pub op: Op,
    /// The intent's key.
    pub key: String,
    /// Where it stands.
    pub state: EffectState,
    /// An attempt may have happened.
    pub outcome_unknown: bool,
    /// What the last attempt failed with, an external system's words between “ and ”.
    pub error: Option<String>,
}

/// Where an effect stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EffectState {
    /// Waiting; may still be withdrawn unless ambiguous.
    Planned,
    /// Claimed, not sent.
    Leased,
    /// Being sent.
    Sending,
    /// Unknown; an operator must look.
    Unresolved,
}

/// A demand row as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DemandState {
    /// Row id.
    pub id: i64,
    /// The channel's line.
    pub line: LineKey,
    /// Item.
    pub item_id: i64,
    /// Items wanted in all.
    pub wanted: u32,
    /// Items that have left.
    pub shipped: u32,
    /// Those of them that others shipped.
    pub by_others: u32,
    /// May be given for good.
    pub firm: bool,
    /// What is reserved: warehouse name, items, firm.
    pub reserved: Vec<(String, u32, bool)>,
    /// Allocation was asked for it and has not looked yet: that nothing is reserved does not say that nothing is there.
    pub requested: bool,
}

/// A shipment row as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShipmentState {
    /// Our reference.
    pub reference: ShipmentReference,
    /// Where it stands.
    pub state: ShipmentStage,
}

/// Where a shipment stands; the word in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShipmentStage {
    /// Not in a sealed batch.
    Waiting,
    /// In a sealed batch.
    Instructed,
    /// Taken out before sealing, or stopped by the warehouse.
    Cancelled,
    /// Refused by the warehouse.
    Rejected,
    /// All of it has left.
    Shipped,
}

/// The pauses between readings of an open order that bring nothing new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefreshPauses {
    /// The first; each later one is twice as long …
    pub first: Duration,
    /// … and no longer than this.
    pub most: Duration,
}

impl RefreshPauses {
    /// Always the same pause.
    pub(crate) fn every(pause: Duration) -> Self {
        Self {
            first: pause,
            most: pause,
        }
    }
}

/// What planning an order decides. The store writes it in one transaction.
#[derive(Clone, Debug, PartialEq)]
pub struct OrderPlan {
    /// Derived status.
    pub status: Status,
    /// The first gate that fails, for an operator: `hold:high-value`, `payment`, `stock`, `wave`.
    pub blocked_by: Option<String>,
    /// When to plan again without new input.
    pub next: Option<DateTime<Utc>>,
    /// When the channel is to be read again; what the row has is kept when it is earlier.
    pub read_at: Option<DateTime<Utc>>,
    /// How it is read again after that, as long as that brings nothing new.
    pub refresh: Option<RefreshPauses>,
    /// True once nothing more is expected.
    pub closed: bool,
    /// Decisions in order; keys are unique per subject.
    pub decisions: Vec<NewFact>,
    /// The whole demand of the order; a line that is absent is left alone.
    pub demands: Vec<DemandRow>,
    /// Shipments to create, with their [`FactBody::Shipment`] among the decisions.
    pub shipments: Vec<NewShipment>,
    /// Stage of existing shipments to set, where it differs from the row's: taken out of the next wave, stopped,
    /// refused, left, or (told late) the other way round.
    pub stages: Vec<(ShipmentReference, ShipmentStage)>,
    /// Movements of stock that this order's parcels made.
    pub entries: Vec<StockEntryRow>,
    /// Effects to queue, at most one per account, and none for an account with a row in the queue that stays.
    pub effects: Vec<NewEffect>,
    /// Rows of the queue to take back; if one can not be, the plan is made again.
    pub withdraw: Vec<Withdraw>,
    /// The newest fact it was made from, when it has dealt with all new input; what is withdrawn or has to wait is made
    /// later, on the same new input.
    pub seen: Option<i64>,
    /// Paused rules that would have queued an effect.
    pub waits: BTreeSet<(String, AccountSlug)>,
    /// New revenue events.
    pub revenue: Vec<RevenueRow>,
    /// What is to move to the title of what the tolerance of deposits leaves.
    pub rest: Option<RestPosting>,
    /// The channel showed it fulfilled or completed at once; `None` where that is stored already, or says nothing.
    pub at_once: Option<bool>,
    /// All tasks the order has; those stored and not here vanish.
    pub tasks: Vec<TaskRow>,
}

/// A fact to store.
#[derive(Clone, Debug, PartialEq)]
pub struct NewFact {
    /// Unique per subject.
    pub key: String,
    /// What it says.
    pub body: FactBody,
}

/// A demand row to store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DemandRow {
    /// Delivery group.
    pub group: GroupKey,
    /// The channel's line.
    pub line: LineKey,
    /// Item.
    pub item_id: i64,
    /// Items wanted in all, shipped included.
    pub wanted: u32,
    /// Items that have left.
    pub shipped: u32,
    /// Those of them that others shipped.
    pub by_others: u32,
    /// May be given for good.
    pub firm: bool,
    /// Comes after the demand of all channels that have begun.
    pub behind: bool,
    /// First of the rank among its like.
    pub promised_at: DateTime<Utc>,
    /// Second of the rank.
    pub ordered_at: DateTime<Utc>,
}

/// A shipment to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewShipment {
    /// Our reference.
    pub reference: ShipmentReference,
    /// Warehouse name.
    pub warehouse: String,
    /// Account that is instructed.
    pub account: AccountSlug,
    /// Not sealed before.
    pub release_at: DateTime<Utc>,
    /// It stands at its warehouse already.
    pub instructed: bool,
    /// Demand row and items.
    pub lines: Vec<(i64, u32)>,
}

/// A stock movement; the same cause is one movement for ever, a correction changes its quantity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StockEntryRow {
    /// `parcel:reference:key:line`.
    pub cause: String,
    /// What ships takes this demand's reservation with it; `None` where none was stored yet.
    pub demand_id: Option<i64>,
    /// Item.
    pub item_id: i64,
    /// Warehouse name.
    pub warehouse: String,
    /// The warehouse's code that the instruction named; empty where nobody knows.
    pub code: String,
    /// Items; negative leaves.
    pub quantity: i64,
    /// When it took effect.
    pub effective_at: DateTime<Utc>,
}

/// An effect to queue; its intent fact is stored under `key` in the same transaction.
#[derive(Clone, Debug, PartialEq)]
pub struct NewEffect {
    /// Business key: `op:account:channel:order id:n`, at most 200 bytes.
    pub key: String,
    /// Urgency.
    pub lane: Lane,
    /// What.
    pub intent: IntentFact,
}

/// A queue row to take back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withdraw {
    /// Row id.
    pub effect_id: i64,
    /// The outcome fact to store with it.
    pub outcome: OutcomeFact,
}

/// A revenue event: a difference between what is due and what was recorded before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevenueRow {
    /// Unique per order: `n:rate:kind`, kind being that of the row, or `sponsor`.
    pub key: String,
    /// Day in the shop's zone.
    pub business_date: NaiveDate,
    /// What it is.
    pub kind: RevenueKind,
    /// Who pays: a payment method's word, `zero` or `unknown`, or `sponsor:NAME` for a discount that somebody else pays.
    /// Rows of earlier versions know `mixed`.
    pub payment: String,
    /// Currency.
    pub currency: Currency,
    /// What is taxed how.
    pub tax_of: TaxOf,
    /// Minor units, tax included.
    pub gross: i64,
    /// The tax in it.
    pub tax: i64,
    /// An amount without lines was spread to find it.
    pub derived: bool,
    /// The fact that it rests on; `None` in rows of an earlier version, which told no payers and countries apart.
    pub step: Option<i64>,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
}

/// What was posted for an order's deposits, batched or not. Minor units of its currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DepositBooks {
    /// Matched to it, less what was taken away again.
    pub matched: i64,
    /// Moved to the title of the rest; below zero where less came than was to be paid.
    pub rest: i64,
    /// How often.
    pub rests: i64,
}

/// What a posting of a deposit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PostingKind {
    /// It came: bank to suspense.
    Received,
    /// It did not come after all: suspense to bank.
    Voided,
    /// It pays an order: suspense to receivable.
    Matched,
    /// It does not pay the order after all: receivable to suspense.
    Unmatched,
    /// What the tolerance leaves: receivable to its title, the other way round below zero.
    Rest,
}

impl PostingKind {
    /// From the word in the database, which knows no others.
    #[must_use]
    pub fn of(word: &str) -> Self {
        match word {
            "received" => Self::Received,
            "voided" => Self::Voided,
            "matched" => Self::Matched,
            "unmatched" => Self::Unmatched,
            _ => Self::Rest,
        }
    }

    /// For an operator who reads the books.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::Received => "deposit",
            Self::Voided => "deposit voided",
            Self::Matched => "deposit matched",
            Self::Unmatched => "deposit taken away",
            Self::Rest => "deposit difference",
        }
    }
}

/// A posting to the title of what the tolerance of deposits leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestPosting {
    /// Unique: `number:rest:n`.
    pub key: String,
    /// Day in the shop's zone.
    pub business_date: NaiveDate,
    /// Currency.
    pub currency: Currency,
    /// Minor units that came beyond what was to be paid; below zero what is missing.
    pub amount: i64,
}

/// What a revenue event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RevenueKind {
    /// Recognised for what has shipped.
    Sales,
    /// Taken off what was recognised, by a refund or a lowered charge.
    Returns,
    /// What rounding to the minor unit moved.
    Rounding,
}

impl RevenueKind {
    /// The word in the database and in lists.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sales => "sales",
            Self::Returns => "returns",
            Self::Rounding => "rounding",
        }
    }

    /// From the word in the database; what is none is sales.
    #[must_use]
    pub fn of(word: &str) -> Self {
        match word {
            "returns" => Self::Returns,
            "rounding" => Self::Rounding,
            _ => Self::Sales,
        }
    }
}

/// What revenue is taxed by: tax is rounded once for each.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaxOf {
    /// Basis points; 0 where there is none.
    pub rate_bp: i32,
    /// ISO 3166-1 alpha-2 of where it is taxed; empty where nothing ships, and in rows of earlier versions.
    pub country: String,
    /// The class that the channel names; empty for none.
    pub class: String,
}

/// Something an operator should see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskRow {
    /// Kind, unique per order: `hold:high-value`, `unmapped_sku`, `cancel_too_late`.
    pub kind: String,
    /// What happened and what to do, without personal data and without the commands.
    pub detail: String,
    /// When it becomes urgent.
    pub due: Option<DateTime<Utc>>,
    /// What an operator may type, the likeliest first.
    pub actions: Vec<Action>,
}

impl TaskRow {
    /// A task that only its detail says how to settle.
    #[must_use]
    pub fn new(kind: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            detail: detail.into(),
            due: None,
            actions: Vec::new(),
        }
    }

    /// Adds a command, once.
    pub fn action(&mut self, action: Action) -> &mut Self {
        if !self.actions.contains(&action) {
            self.actions.push(action);
        }
        self
    }

    /// Adds the release of a rule or gate.
    pub fn release(&mut self, rule: &str) -> &mut Self {
        self.action(Action::release(rule))
    }
}

/// Status of an order (受注ステータス); derived, never set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// 受注.
    Received,
    /// 未引当: something is open; stock is reserved all the same.
    Unallocated,
    /// 中途引当: released, but stock is missing.
    Backordered,
    /// 引当済み.
    Allocated,
    /// 出荷指示.
    Instructed,
    /// 出荷済み.
    Shipped,
    /// 着荷済み.
    Delivered,
    /// 計上済み.
    Booked,
    /// The whole order was cancelled.
    Cancelled,
}

impl Status {
    /// All, least advanced first.
    pub const ALL: [Self; 9] = [
        Self::Received,
        Self::Unallocated,
        Self::Backordered,
        Self::Allocated,
        Self::Instructed,
        Self::Shipped,
        Self::Delivered,
        Self::Booked,
        Self::Cancelled,
    ];

    /// The word in the database and in lists.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Unallocated => "unallocated",
            Self::Backordered => "backordered",
            Self::Allocated => "allocated",
            Self::Instructed => "instructed",
            Self::Shipped => "shipped",
            Self::Delivered => "delivered",
            Self::Booked => "booked",
            Self::Cancelled => "cancelled",
        }
    }
}
