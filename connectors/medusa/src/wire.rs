//! What the Admin API sends, as far as it is needed. Unknown fields are tolerated; amounts stay decimal text.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Number, Value};

/// A page of orders; each record is decoded by itself.
#[derive(Deserialize)]
pub(crate) struct OrderPage<'a> {
    /// The orders.
    #[serde(borrow)]
    pub(crate) orders: Vec<&'a RawValue>,
    /// How many match the filters.
    pub(crate) count: usize,
}

/// A page of inventory items.
#[derive(Debug, Deserialize)]
pub(crate) struct InventoryPage<'a> {
    /// The items.
    #[serde(borrow)]
    pub(crate) inventory_items: Vec<&'a RawValue>,
    /// How many there are.
    pub(crate) count: usize,
}

/// What can be read of an order whatever else is wrong with it.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Stamp {
    /// Id.
    pub(crate) id: Value,
    /// Time of the last change.
    pub(crate) updated_at: Value,
    /// The sales channel that it came through.
    pub(crate) sales_channel_id: Value,
}

/// An order.
#[derive(Deserialize)]
pub(crate) struct Order {
    /// Id.
    pub(crate) id: String,
    /// The number the customer knows.
    pub(crate) display_id: Option<u64>,
    /// `pending`, `completed`, `draft`, `archived`, `canceled`, `requires_action`.
    pub(crate) status: String,
    /// Buyer's mail address.
    pub(crate) email: Option<String>,
    /// Lower case.
    pub(crate) currency_code: String,
    /// When it was placed.
    pub(crate) created_at: DateTime<Utc>,
    /// Time of the last change; a capture is none.
    pub(crate) updated_at: DateTime<Utc>,
    /// When it was cancelled; stays when the order is archived afterwards.
    pub(crate) canceled_at: Option<DateTime<Utc>>,
    /// The sales channel that it came through.
    pub(crate) sales_channel_id: Option<String>,
    /// True until a draft becomes an order.
    #[serde(default)]
    pub(crate) is_draft_order: bool,
    /// Tax included, credit lines taken off, unrounded.
    pub(crate) total: Number,
    /// What refunds and credits took off the total.
    pub(crate) credit_line_total: Option<Number>,
    /// Free keys of the shop.
    #[serde(default)]
    pub(crate) metadata: Value,
    /// What was sold; a line that was edited away is absent.
    pub(crate) items: Vec<Item>,
    /// How it is sent.
    #[serde(default)]
    pub(crate) shipping_methods: Vec<ShippingMethod>,
    /// Where to.
    pub(crate) shipping_address: Option<Address>,
    /// Who pays.
    pub(crate) billing_address: Option<Address>,
    /// How it is paid.
    #[serde(default)]
    pub(crate) payment_collections: Vec<PaymentCollection>,
    /// What was packed.
    #[serde(default)]
    pub(crate) fulfillments: Vec<Fulfillment>,
}

impl Order {
    /// Cancelled, whatever the shop did with it afterwards.
    #[must_use]
    pub(crate) fn is_cancelled(&self) -> bool {
        cancelled(&self.status, self.canceled_at)
    }
}

/// Nothing takes a cancel back, but archiving or completing the order hides it from the status.
fn cancelled(status: &str, at: Option<DateTime<Utc>>) -> bool {
    status == "canceled" || at.is_some()
}

/// A line.
#[derive(Debug, Deserialize)]
pub(crate) struct Item {
    /// Id.
    pub(crate) id: String,
    /// Product.
    #[serde(default)]
    pub(crate) title: Option<String>,
    /// Variant.
    #[serde(default)]
    pub(crate) subtitle: Option<String>,
    /// SKU.
    #[serde(default)]
    pub(crate) variant_sku: Option<String>,
    /// False for services and downloads.
    pub(crate) requires_shipping: Option<bool>,
    /// Free keys of the shop.
    #[serde(default)]
    pub(crate) metadata: Value,
    /// Tax included, unrounded, for the whole line, after discounts.
    pub(crate) total: Number,
    /// The tax in it.
    pub(crate) tax_total: Option<Number>,
    /// Quantities of the current version of the order.
    pub(crate) detail: ItemDetail,
    /// One per tax.
    #[serde(default)]
    pub(crate) tax_lines: Vec<TaxLine>,
}

impl Item {
    /// The code of what was sold.
    #[must_use]
    pub(crate) fn sku(&self) -> Option<&str> {
        self.variant_sku.as_deref().filter(|sku| !sku.is_empty())
    }
}

/// Quantities of a line.
#[derive(Debug, Deserialize)]
pub(crate) struct ItemDetail {
    /// Ordered now.
    pub(crate) quantity: Number,
}

/// A tax on a line.
#[derive(Debug, Deserialize)]
pub(crate) struct TaxLine {
    /// Per cent.
    pub(crate) rate: Number,
}

/// A way of shipping.
#[derive(Debug, Deserialize)]
pub(crate) struct ShippingMethod {
    /// Id.
    pub(crate) id: String,
    /// Name.
    #[serde(default)]
    pub(crate) name: Option<String>,
    /// Tax included, unrounded.
    pub(crate) total: Number,
    /// The tax in it.
    pub(crate) tax_total: Option<Number>,
    /// One per tax.
    #[serde(default)]
    pub(crate) tax_lines: Vec<TaxLine>,
}

/// An address.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Address {
    /// Given name.
    pub(crate) first_name: Option<String>,
    /// Family name.
    pub(crate) last_name: Option<String>,
    /// Company.
    pub(crate) company: Option<String>,
    /// Lower case.
    pub(crate) country_code: Option<String>,
    /// Postal code.
    pub(crate) postal_code: Option<String>,
    /// Region.
    pub(crate) province: Option<String>,
    /// City.
    pub(crate) city: Option<String>,
    /// Street.
    pub(crate) address_1: Option<String>,
    /// Building.
    pub(crate) address_2: Option<String>,
    /// Phone.
    pub(crate) phone: Option<String>,
}

/// An amount to be paid, and how.
#[derive(Debug, Deserialize)]
pub(crate) struct PaymentCollection {
    /// Id.
    pub(crate) id: String,
    /// `not_paid`, `awaiting`, `authorized`, `completed`, `canceled`, …
    pub(crate) status: String,
    /// Unrounded.
    pub(crate) amount: Number,
    /// Tries to pay.
    #[serde(default)]
    pub(crate) payment_sessions: Vec<PaymentSession>,
    /// Payments authorised.
    #[serde(default)]
    pub(crate) payments: Vec<Payment>,
}

/// A try to pay.
#[derive(Debug, Deserialize)]
pub(crate) struct PaymentSession {
    /// `pp_…`
    pub(crate) provider_id: String,
    /// `pending`, `authorized`, `error`, `canceled`, …
    #[serde(default)]
    pub(crate) status: String,
}

/// A payment.
#[derive(Debug, Deserialize)]
pub(crate) struct Payment {
    /// Id.
    pub(crate) id: String,
    /// `pp_…`
    pub(crate) provider_id: String,
    /// Authorised, unrounded.
    pub(crate) amount: Number,
    /// When it was voided.
    pub(crate) canceled_at: Option<DateTime<Utc>>,
    /// What was captured; see [`Payment::all_told`].
    #[serde(default)]
    captures: Option<Vec<Movement>>,
    /// What was given back; the same.
    #[serde(default)]
    refunds: Option<Vec<Movement>>,
}

impl Payment {
    /// What was captured.
    pub(crate) fn captures(&self) -> &[Movement] {
        self.captures.as_deref().unwrap_or_default()
    }

    /// What was given back.
    pub(crate) fn refunds(&self) -> &[Movement] {
        self.refunds.as_deref().unwrap_or_default()
    }

    /// Whether the answer says what was captured and given back: where it does not, that is not known, and not nothing. Whoever is about
    /// to move money has to know.
    #[must_use]
    pub(crate) fn all_told(&self) -> bool {
        self.captures_told() && self.refunds_told()
    }

    /// Whether the answer says what was captured.
    #[must_use]
    pub(crate) fn captures_told(&self) -> bool {
        self.captures.is_some()
    }

    /// Whether the answer says what was given back.
    #[must_use]
    pub(crate) fn refunds_told(&self) -> bool {
        self.refunds.is_some()
    }
}

/// A capture or refund.
#[derive(Debug, Deserialize)]
pub(crate) struct Movement {
    /// Id.
    pub(crate) id: Option<String>,
    /// Amount.
    pub(crate) amount: Number,
    /// When it was made.
    pub(crate) created_at: Option<DateTime<Utc>>,
    /// Of a refund: what its maker wrote; ours begins with our key.
    #[serde(default)]
    pub(crate) note: RefundNote,
}

/// What the maker of a refund wrote.
#[derive(Debug, Default, Deserialize)]
#[serde(from = "Option<String>")]
pub(crate) enum RefundNote {
    /// Nobody knows: the answer does not have it. Whole orders are not asked for it.
    #[default]
    Untold,
    /// Nothing.
    Nothing,
    /// A text.
    Text(String),
}

impl From<Option<String>> for RefundNote {
    fn from(note: Option<String>) -> Self {
        note.map_or(Self::Nothing, Self::Text)
    }
}

/// A fulfilment.
#[derive(Debug, Deserialize)]
pub(crate) struct Fulfillment {
    /// Id.
    pub(crate) id: String,
    /// Free keys; ours is `hikiate_ref`.
    #[serde(default)]
    pub(crate) metadata: Value,
    /// `sloc_…`
    pub(crate) location_id: Option<String>,
    /// When it left.
    pub(crate) shipped_at: Option<DateTime<Utc>>,
    /// When it was cancelled.
    pub(crate) canceled_at: Option<DateTime<Utc>>,
    /// Lines.
    #[serde(default)]
    pub(crate) items: Vec<FulfillmentItem>,
    /// Labels.
    #[serde(default)]
    pub(crate) labels: Vec<Label>,
}

/// A line of a fulfilment.
#[derive(Debug, Deserialize)]
pub(crate) struct FulfillmentItem {
    /// The order's line.
    pub(crate) line_item_id: Option<String>,
    /// How many.
    pub(crate) quantity: Number,
}

/// A label.
#[derive(Debug, Deserialize)]
pub(crate) struct Label {
    /// The carrier's number.
    pub(crate) tracking_number: Option<String>,
}

/// An order as far as a write needs it.
#[derive(Debug, Deserialize)]
pub(crate) struct OrderBrief {
    /// Id.
    pub(crate) id: String,
    /// Status.
    pub(crate) status: String,
    /// When it was cancelled.
    pub(crate) canceled_at: Option<DateTime<Utc>>,
    /// Lines.
    #[serde(default)]
    pub(crate) items: Vec<ItemBrief>,
    /// What was packed; see [`OrderBrief::fulfillments_told`].
    #[serde(default)]
    fulfillments: Option<Vec<Fulfillment>>,
    /// Free keys.
    #[serde(default)]
    pub(crate) metadata: Value,
}

impl OrderBrief {
    /// What was packed.
    pub(crate) fn fulfillments(&self) -> &[Fulfillment] {
        self.fulfillments.as_deref().unwrap_or_default()
    }

    /// Whether the answer says what was packed: a look-up has to know. A write need not, since the shop itself fulfils no unit twice.
    #[must_use]
    pub(crate) fn fulfillments_told(&self) -> bool {
        self.fulfillments.is_some()
    }

    /// Cancelled, whatever the shop did with it afterwards.
    #[must_use]
    pub(crate) fn is_cancelled(&self) -> bool {
        cancelled(&self.status, self.canceled_at)
    }
}

/// A line as far as a write needs it.
#[derive(Debug, Deserialize)]
pub(crate) struct ItemBrief {
    /// Id.
    pub(crate) id: String,
    /// Quantities.
    pub(crate) detail: DetailBrief,
}

/// Quantities of a line as far as a write needs them.
#[derive(Debug, Deserialize)]
pub(crate) struct DetailBrief {
    /// Ordered now.
    pub(crate) quantity: Number,
    /// In fulfilments that are not cancelled.
    pub(crate) fulfilled_quantity: Option<Number>,
}

/// `{"order": …}`
#[derive(Debug, Deserialize)]
pub(crate) struct OrderAnswer {
    /// The order.
    pub(crate) order: OrderBrief,
}

/// `{"payment": …}`, or `{}` for a payment that does not exist.
#[derive(Debug, Deserialize)]
pub(crate) struct PaymentAnswer {
    /// The payment.
    pub(crate) payment: Option<Payment>,
    /// An error that came with a status of success.
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
}

/// An inventory item.
#[derive(Debug, Deserialize)]
pub(crate) struct InventoryItem {
    /// SKU; items without one cannot be named by ours.
    pub(crate) sku: Option<String>,
    /// One per stock location.
    #[serde(default)]
    pub(crate) location_levels: Vec<LocationLevel>,
}

/// Stock at a location.
#[derive(Debug, Deserialize)]
pub(crate) struct LocationLevel {
    /// `sloc_…`
    pub(crate) location_id: String,
    /// On the shelf.
    pub(crate) stocked_quantity: Number,
}

/// An error's body.
#[derive(Debug, Deserialize)]
pub(crate) struct Refusal {
    /// `invalid_data`, `not_allowed`, `not_found`, `unknown_error`, …
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    /// The shop's words.
    pub(crate) message: Option<String>,
}
