//! What the Admin API sends, as far as it is needed. Unknown fields are tolerated; amounts stay decimal text.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Number, Value};

/// `fields=` of an order: everything [`Order`] reads, in one call.
pub const ORDER_FIELDS: &str = "id,display_id,status,email,currency_code,created_at,updated_at,canceled_at,is_draft_order,\
total,credit_line_total,metadata,items.id,items.title,items.subtitle,items.variant_sku,items.requires_shipping,items.quantity,\
items.total,items.tax_total,items.detail.quantity,items.detail.fulfilled_quantity,items.tax_lines.rate,shipping_methods.id,\
shipping_methods.name,shipping_methods.total,shipping_methods.tax_total,shipping_methods.tax_lines.rate,*shipping_address,\
*billing_address,payment_collections.id,payment_collections.status,payment_collections.amount,\
payment_collections.payment_sessions.provider_id,payment_collections.payment_sessions.status,payment_collections.payments.id,\
payment_collections.payments.provider_id,payment_collections.payments.amount,payment_collections.payments.canceled_at,\
payment_collections.payments.captures.id,payment_collections.payments.captures.amount,\
payment_collections.payments.refunds.amount,fulfillments.id,fulfillments.metadata,fulfillments.shipped_at,\
fulfillments.canceled_at,fulfillments.items.line_item_id,fulfillments.items.quantity,fulfillments.labels.tracking_number";

/// `fields=` of an order read before or after a write: [`OrderBrief`].
pub const BRIEF_FIELDS: &str = "id,status,items.id,items.detail.quantity,items.detail.fulfilled_quantity,fulfillments.id,\
fulfillments.metadata,fulfillments.shipped_at,fulfillments.canceled_at,fulfillments.items.line_item_id,\
fulfillments.items.quantity,fulfillments.labels.tracking_number";

/// `fields=` of a payment: [`Payment`].
pub const PAYMENT_FIELDS: &str = "id,provider_id,amount,canceled_at,captures.id,captures.amount,refunds.amount";

/// `fields=` of an inventory item: [`InventoryItem`].
pub const INVENTORY_FIELDS: &str = "id,sku,location_levels.location_id,location_levels.stocked_quantity";

/// A page of orders; each record is decoded by itself.
#[derive(Debug, Deserialize)]
pub struct OrderPage<'a> {
    /// The orders.
    #[serde(borrow)]
    pub orders: Vec<&'a RawValue>,
    /// How many match the filters.
    pub count: usize,
}

/// A page of inventory items.
#[derive(Debug, Deserialize)]
pub struct InventoryPage<'a> {
    /// The items.
    #[serde(borrow)]
    pub inventory_items: Vec<&'a RawValue>,
    /// How many there are.
    pub count: usize,
}

/// What can be read of an order whatever else is wrong with it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Stamp {
    /// Id.
    pub id: Value,
    /// Time of the last change.
    pub updated_at: Value,
}

/// An order.
#[derive(Debug, Deserialize)]
pub struct Order {
    /// Id.
    pub id: String,
    /// The number the customer knows.
    pub display_id: Option<u64>,
    /// `pending`, `completed`, `draft`, `archived`, `canceled`, `requires_action`.
    pub status: String,
    /// Buyer's mail address.
    pub email: Option<String>,
    /// Lower case.
    pub currency_code: String,
    /// When it was placed.
    pub created_at: DateTime<Utc>,
    /// Time of the last change; a capture is none.
    pub updated_at: DateTime<Utc>,
    /// When it was cancelled.
    pub canceled_at: Option<DateTime<Utc>>,
    /// True until a draft becomes an order.
    #[serde(default)]
    pub is_draft_order: bool,
    /// Tax included, credit lines taken off, unrounded.
    pub total: Number,
    /// What refunds and credits took off the total.
    pub credit_line_total: Option<Number>,
    /// Free keys of the shop.
    #[serde(default)]
    pub metadata: Value,
    /// What was sold; a line that was edited away is absent.
    pub items: Vec<Item>,
    /// How it is sent.
    #[serde(default)]
    pub shipping_methods: Vec<ShippingMethod>,
    /// Where to.
    pub shipping_address: Option<Address>,
    /// Who pays.
    pub billing_address: Option<Address>,
    /// How it is paid.
    #[serde(default)]
    pub payment_collections: Vec<PaymentCollection>,
    /// What was packed.
    #[serde(default)]
    pub fulfillments: Vec<Fulfillment>,
}

/// A line.
#[derive(Debug, Deserialize)]
pub struct Item {
    /// Id.
    pub id: String,
    /// Product.
    #[serde(default)]
    pub title: Option<String>,
    /// Variant.
    #[serde(default)]
    pub subtitle: Option<String>,
    /// SKU.
    #[serde(default)]
    pub variant_sku: Option<String>,
    /// False for services and downloads.
    pub requires_shipping: Option<bool>,
    /// Tax included, unrounded, for the whole line, after discounts.
    pub total: Number,
    /// The tax in it.
    pub tax_total: Option<Number>,
    /// Quantities of the current version of the order.
    pub detail: ItemDetail,
    /// One per tax.
    #[serde(default)]
    pub tax_lines: Vec<TaxLine>,
}

/// Quantities of a line.
#[derive(Debug, Deserialize)]
pub struct ItemDetail {
    /// Ordered now.
    pub quantity: Number,
    /// In fulfilments that are not cancelled.
    pub fulfilled_quantity: Option<Number>,
}

/// A tax on a line.
#[derive(Debug, Deserialize)]
pub struct TaxLine {
    /// Per cent.
    pub rate: Number,
}

/// A way of shipping.
#[derive(Debug, Deserialize)]
pub struct ShippingMethod {
    /// Id.
    pub id: String,
    /// Name.
    #[serde(default)]
    pub name: Option<String>,
    /// Tax included, unrounded.
    pub total: Number,
    /// The tax in it.
    pub tax_total: Option<Number>,
    /// One per tax.
    #[serde(default)]
    pub tax_lines: Vec<TaxLine>,
}

/// An address.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
pub struct Address {
    /// Given name.
    pub first_name: Option<String>,
    /// Family name.
    pub last_name: Option<String>,
    /// Company.
    pub company: Option<String>,
    /// Lower case.
    pub country_code: Option<String>,
    /// Postal code.
    pub postal_code: Option<String>,
    /// Region.
    pub province: Option<String>,
    /// City.
    pub city: Option<String>,
    /// Street.
    pub address_1: Option<String>,
    /// Building.
    pub address_2: Option<String>,
    /// Phone.
    pub phone: Option<String>,
}

impl std::fmt::Debug for Address {
    /// Never shows whom it is about.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Address").finish_non_exhaustive()
    }
}

/// An amount to be paid, and how.
#[derive(Debug, Deserialize)]
pub struct PaymentCollection {
    /// Id.
    pub id: String,
    /// `not_paid`, `awaiting`, `authorized`, `completed`, `canceled`, …
    pub status: String,
    /// Unrounded.
    pub amount: Number,
    /// Tries to pay.
    #[serde(default)]
    pub payment_sessions: Vec<PaymentSession>,
    /// Payments authorised.
    #[serde(default)]
    pub payments: Vec<Payment>,
}

/// A try to pay.
#[derive(Debug, Deserialize)]
pub struct PaymentSession {
    /// `pp_…`
    pub provider_id: String,
    /// `pending`, `authorized`, `error`, `canceled`, …
    #[serde(default)]
    pub status: String,
}

/// A payment.
#[derive(Debug, Deserialize)]
pub struct Payment {
    /// Id.
    pub id: String,
    /// `pp_…`
    pub provider_id: String,
    /// Authorised, unrounded.
    pub amount: Number,
    /// When it was voided.
    pub canceled_at: Option<DateTime<Utc>>,
    /// What was captured.
    #[serde(default)]
    pub captures: Vec<Movement>,
    /// What was given back.
    #[serde(default)]
    pub refunds: Vec<Movement>,
}

/// A capture or refund.
#[derive(Debug, Deserialize)]
pub struct Movement {
    /// Id.
    pub id: Option<String>,
    /// Amount.
    pub amount: Number,
}

/// A fulfilment.
#[derive(Debug, Deserialize)]
pub struct Fulfillment {
    /// Id.
    pub id: String,
    /// Free keys; ours is `hikiate_ref`.
    #[serde(default)]
    pub metadata: Value,
    /// When it left.
    pub shipped_at: Option<DateTime<Utc>>,
    /// When it was cancelled.
    pub canceled_at: Option<DateTime<Utc>>,
    /// Lines.
    #[serde(default)]
    pub items: Vec<FulfillmentItem>,
    /// Labels.
    #[serde(default)]
    pub labels: Vec<Label>,
}

/// A line of a fulfilment.
#[derive(Debug, Deserialize)]
pub struct FulfillmentItem {
    /// The order's line.
    pub line_item_id: Option<String>,
    /// How many.
    pub quantity: Number,
}

/// A label.
#[derive(Debug, Deserialize)]
pub struct Label {
    /// The carrier's number.
    pub tracking_number: Option<String>,
}

/// An order as far as a write needs it.
#[derive(Debug, Deserialize)]
pub struct OrderBrief {
    /// Status.
    pub status: String,
    /// Lines.
    #[serde(default)]
    pub items: Vec<ItemBrief>,
    /// What was packed.
    #[serde(default)]
    pub fulfillments: Vec<Fulfillment>,
}

/// A line as far as a write needs it.
#[derive(Debug, Deserialize)]
pub struct ItemBrief {
    /// Id.
    pub id: String,
    /// Quantities.
    pub detail: ItemDetail,
}

/// `{"order": …}`
#[derive(Debug, Deserialize)]
pub struct OrderAnswer {
    /// The order.
    pub order: OrderBrief,
}

/// `{"payment": …}`, or `{}` for a payment that does not exist.
#[derive(Debug, Deserialize)]
pub struct PaymentAnswer {
    /// The payment.
    pub payment: Option<Payment>,
}

/// An inventory item.
#[derive(Debug, Deserialize)]
pub struct InventoryItem {
    /// Id.
    pub id: String,
    /// SKU; items without one cannot be named by ours.
    pub sku: Option<String>,
    /// One per stock location.
    #[serde(default)]
    pub location_levels: Vec<LocationLevel>,
}

/// Stock at a location.
#[derive(Debug, Deserialize)]
pub struct LocationLevel {
    /// `sloc_…`
    pub location_id: String,
    /// On the shelf.
    pub stocked_quantity: Number,
}

/// An error's body.
#[derive(Debug, Deserialize)]
pub struct Refusal {
    /// `invalid_data`, `not_allowed`, `not_found`, `unknown_error`, …
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The shop's words.
    pub message: Option<String>,
}
