//! What the REST API sends, as far as it is needed. Unknown fields are tolerated; amounts stay decimal text.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDateTime, Utc};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// An order with what is read beside it; this is what is stored of a record.
#[derive(Deserialize)]
pub(crate) struct Bundle {
    /// The order.
    pub(crate) order: Order,
    /// Its refunds; the order itself has only their totals.
    #[serde(default)]
    pub(crate) refunds: Vec<Refund>,
    /// Its fulfilments.
    #[serde(default)]
    pub(crate) fulfillments: Vec<Fulfillment>,
    /// The SKUs of the products whose variations it has, by id; one that the shop does not know is absent.
    #[serde(default)]
    pub(crate) parents: BTreeMap<u64, Option<String>>,
}

/// What can be read of an order whatever else is wrong with it.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Stamp {
    /// Id.
    pub(crate) id: Value,
    /// Status.
    pub(crate) status: Value,
    /// Time of the last change.
    pub(crate) date_modified_gmt: Value,
    /// Refunds there are.
    pub(crate) refunds: Value,
    /// Free keys.
    pub(crate) meta_data: Value,
    /// What was sold.
    pub(crate) line_items: Value,
}

/// Only the stamp of a [`Bundle`].
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct StampBundle {
    /// The order.
    pub(crate) order: Stamp,
    /// Why it, a list of it or a product of it could not be read: without that, the order is not known.
    pub(crate) unread: Option<String>,
}

/// An order.
#[derive(Deserialize)]
pub(crate) struct Order {
    /// Id.
    pub(crate) id: u64,
    /// The number the customer knows; plug-ins give it another than the id.
    #[serde(default, deserialize_with = "text")]
    pub(crate) number: Option<String>,
    /// One of the shop's words or of its plug-ins'.
    pub(crate) status: String,
    /// Upper case.
    pub(crate) currency: String,
    /// When it was placed.
    #[serde(deserialize_with = "gmt")]
    pub(crate) date_created_gmt: DateTime<Utc>,
    /// Time of the last change, to the second.
    #[serde(deserialize_with = "gmt")]
    pub(crate) date_modified_gmt: DateTime<Utc>,
    /// The same by the clock of the shop's zone.
    #[serde(default, deserialize_with = "local")]
    pub(crate) date_modified: Option<NaiveDateTime>,
    /// When it was paid, or what the shop takes for it.
    #[serde(default, deserialize_with = "gmt_or_none")]
    pub(crate) date_paid_gmt: Option<DateTime<Utc>>,
    /// Tax and discounts included; refunds do not lower it.
    #[serde(deserialize_with = "amount")]
    pub(crate) total: String,
    /// What the customer wrote.
    #[serde(default)]
    pub(crate) customer_note: Option<String>,
    /// Who pays.
    #[serde(default)]
    pub(crate) billing: Address,
    /// Where to; all empty where nothing is shipped or nobody filled it in.
    #[serde(default)]
    pub(crate) shipping: Address,
    /// The gateway's id: `bacs`, `cod`, `cheque`; empty where none was chosen.
    #[serde(default)]
    pub(crate) payment_method: Option<String>,
    /// The provider's id of the payment, where the gateway writes it here.
    #[serde(default, deserialize_with = "text")]
    pub(crate) transaction_id: Option<String>,
    /// Free keys; see [`Order::all_told`].
    #[serde(default)]
    meta_data: Option<Vec<Meta>>,
    /// What was sold; a line that was removed is absent.
    pub(crate) line_items: Vec<Line>,
    /// One per rate of tax.
    #[serde(default)]
    pub(crate) tax_lines: Vec<TaxLine>,
    /// How it is sent.
    #[serde(default)]
    pub(crate) shipping_lines: Vec<ShippingLine>,
    /// Surcharges, and reductions below zero.
    #[serde(default)]
    pub(crate) fee_lines: Vec<FeeLine>,
    /// Totals of refunds, below zero; only that there are any is read here. See [`Order::all_told`].
    #[serde(default)]
    refunds: Option<Vec<IgnoredAny>>,
}

impl Order {
    /// Its free keys.
    pub(crate) fn meta_data(&self) -> &[Meta] {
        self.meta_data.as_deref().unwrap_or_default()
    }

    /// Whether it shows any refund.
    pub(crate) fn has_refunds(&self) -> bool {
        self.refunds.as_ref().is_some_and(|all| !all.is_empty())
    }

    /// Whether the answer tells its keys, which ours may be among, and its refunds. Some shops leave them out of what they tell: such
    /// an order can be read, but no write or look-up rests on it.
    #[must_use]
    pub(crate) fn all_told(&self) -> bool {
        self.meta_data.is_some() && self.refunds.is_some()
    }
}

/// A free key.
#[derive(Deserialize)]
pub(crate) struct Meta {
    /// Its name.
    pub(crate) key: String,
    /// Any JSON.
    #[serde(default)]
    pub(crate) value: Value,
}

/// The value of a free key; of several with one name the last.
pub(crate) fn meta<'m>(all: &'m [Meta], key: &str) -> Option<&'m Value> {
    let named = all.iter().rev().find(|meta| meta.key == key);
    named
        .map(|meta| &meta.value)
        .filter(|value| !value.is_null())
}

/// A line.
#[derive(Deserialize)]
pub(crate) struct Line {
    /// Id.
    pub(crate) id: u64,
    /// Product, with the variation behind a dash.
    #[serde(default)]
    pub(crate) name: Option<String>,
    /// Ordered.
    pub(crate) quantity: Value,
    /// Standard is empty.
    #[serde(default)]
    pub(crate) tax_class: Option<String>,
    /// Net, for the whole line, after discounts.
    #[serde(deserialize_with = "amount")]
    pub(crate) total: String,
    /// The tax on it.
    #[serde(default, deserialize_with = "text")]
    pub(crate) total_tax: Option<String>,
    /// By rate.
    #[serde(default)]
    pub(crate) taxes: Vec<LineTax>,
    /// The product.
    #[serde(default, deserialize_with = "id_or_none")]
    pub(crate) product_id: Option<u64>,
    /// The variation of it; 0 for none.
    #[serde(default, deserialize_with = "id_or_none")]
    pub(crate) variation_id: Option<u64>,
    /// Absent where the product was deleted; that of the product for a variation without one.
    #[serde(default, deserialize_with = "text")]
    pub(crate) sku: Option<String>,
}

/// The tax of one rate on a line.
#[derive(Deserialize)]
pub(crate) struct LineTax {
    /// The rate's id.
    #[serde(deserialize_with = "id")]
    pub(crate) id: u64,
    /// Amount, unrounded; empty where the rate does not apply.
    #[serde(default, deserialize_with = "text")]
    pub(crate) total: Option<String>,
}

/// The tax of one rate on the order.
#[derive(Deserialize)]
pub(crate) struct TaxLine {
    /// The rate's id.
    #[serde(deserialize_with = "id")]
    pub(crate) rate_id: u64,
    /// Per cent; older shops do not tell it.
    #[serde(default, deserialize_with = "text")]
    pub(crate) rate_percent: Option<String>,
    /// It is a tax on amounts with the other taxes in them.
    #[serde(default)]
    pub(crate) compound: bool,
    /// On goods and fees.
    #[serde(deserialize_with = "amount")]
    pub(crate) tax_total: String,
    /// On shipping.
    #[serde(default, deserialize_with = "text")]
    pub(crate) shipping_tax_total: Option<String>,
}

/// A way of shipping.
#[derive(Deserialize)]
pub(crate) struct ShippingLine {
    /// Id.
    pub(crate) id: u64,
    /// Name.
    #[serde(default)]
    pub(crate) method_title: Option<String>,
    /// Net.
    #[serde(deserialize_with = "amount")]
    pub(crate) total: String,
    /// The tax on it.
    #[serde(default, deserialize_with = "text")]
    pub(crate) total_tax: Option<String>,
    /// By rate.
    #[serde(default)]
    pub(crate) taxes: Vec<LineTax>,
}

/// A surcharge or reduction.
#[derive(Deserialize)]
pub(crate) struct FeeLine {
    /// Id.
    pub(crate) id: u64,
    /// Name.
    #[serde(default)]
    pub(crate) name: Option<String>,
    /// Standard is empty.
    #[serde(default)]
    pub(crate) tax_class: Option<String>,
    /// Net.
    #[serde(deserialize_with = "amount")]
    pub(crate) total: String,
    /// The tax on it.
    #[serde(default, deserialize_with = "text")]
    pub(crate) total_tax: Option<String>,
    /// By rate.
    #[serde(default)]
    pub(crate) taxes: Vec<LineTax>,
}

/// A refund.
#[derive(Deserialize)]
pub(crate) struct Refund {
    /// Id.
    pub(crate) id: u64,
    /// When it was made.
    #[serde(default, deserialize_with = "gmt_or_none")]
    pub(crate) date_created_gmt: Option<DateTime<Utc>>,
    /// Tax included, above zero.
    #[serde(deserialize_with = "amount")]
    pub(crate) amount: String,
    /// Free keys; ours is `hikiate_refund`. See [`Refund::all_told`].
    #[serde(default)]
    meta_data: Option<Vec<Meta>>,
    /// What it is for, where that was said; the same.
    #[serde(default)]
    line_items: Option<Vec<RefundLine>>,
    /// Where more is told, see [`order_of`].
    #[serde(default, rename = "_links")]
    pub(crate) links: Value,
}

impl Refund {
    /// Its free keys.
    pub(crate) fn meta_data(&self) -> &[Meta] {
        self.meta_data.as_deref().unwrap_or_default()
    }

    /// What it is for.
    pub(crate) fn line_items(&self) -> &[RefundLine] {
        self.line_items.as_deref().unwrap_or_default()
    }

    /// Whether the answer tells its keys and its lines: without its keys it may be ours.
    #[must_use]
    pub(crate) fn all_told(&self) -> bool {
        let lines = self.line_items.as_ref();
        self.meta_data.is_some()
            && lines.is_some_and(|lines| lines.iter().all(|line| line.meta_data.is_some()))
    }
}

/// A line of a refund.
#[derive(Deserialize)]
pub(crate) struct RefundLine {
    /// Below zero; 0 where only money was given back.
    pub(crate) quantity: Value,
    /// `_refunded_item_id` names the order's line.
    #[serde(default)]
    meta_data: Option<Vec<Meta>>,
}

impl RefundLine {
    /// Its free keys.
    pub(crate) fn meta_data(&self) -> &[Meta] {
        self.meta_data.as_deref().unwrap_or_default()
    }
}

/// A fulfilment.
#[derive(Deserialize)]
pub(crate) struct Fulfillment {
    /// Id.
    pub(crate) id: u64,
    /// The order's id.
    #[serde(default, deserialize_with = "text")]
    pub(crate) entity_id: Option<String>,
    /// It has left; else it is only packed.
    #[serde(default, deserialize_with = "yes")]
    is_fulfilled: Option<bool>,
    /// By the clock of the shop's zone.
    #[serde(default, deserialize_with = "local")]
    pub(crate) date_updated: Option<NaiveDateTime>,
    /// By the clock of the shop's zone; lists leave such a one out.
    #[serde(default, deserialize_with = "local")]
    pub(crate) date_deleted: Option<NaiveDateTime>,
    /// `_items`, `_tracking_number`, `_date_fulfilled`, …; ours is `hikiate_ref`. See [`Fulfillment::all_told`].
    #[serde(default)]
    meta_data: Option<Vec<Meta>>,
}

impl Fulfillment {
    /// Its free keys.
    pub(crate) fn meta_data(&self) -> &[Meta] {
        self.meta_data.as_deref().unwrap_or_default()
    }

    /// Whether it has left.
    pub(crate) fn is_fulfilled(&self) -> bool {
        self.is_fulfilled.unwrap_or(false)
    }

    /// Whether the answer tells its keys and whether it has left: without its keys it may be ours.
    #[must_use]
    pub(crate) fn all_told(&self) -> bool {
        self.meta_data.is_some() && self.is_fulfilled.is_some()
    }
}

/// A unit of a fulfilment.
#[derive(Deserialize)]
pub(crate) struct FulfilledItem {
    /// The order's line.
    #[serde(deserialize_with = "id")]
    pub(crate) item_id: u64,
    /// How many.
    pub(crate) qty: Value,
}

/// A note in an order's history.
#[derive(Deserialize)]
pub(crate) struct Note {
    /// Its text.
    pub(crate) note: String,
    /// Where more is told, see [`order_of`].
    #[serde(default, rename = "_links")]
    pub(crate) links: Value,
}

/// The order to which the links of a refund or a note lead back: `{"up":[{"href":"https://…/wc/v3/orders/727"}]}`. `None` where they do
/// not say so.
pub(crate) fn order_of(links: &Value) -> Option<&str> {
    let href = links.get("up")?.get(0)?.get("href")?.as_str()?;
    let (_, id) = href.rsplit_once("/orders/")?;
    let end = id.find(|c: char| !c.is_ascii_digit()).unwrap_or(id.len());
    id.get(..end).filter(|id| !id.is_empty())
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
    /// Upper case.
    pub(crate) country: Option<String>,
    /// Postal code.
    pub(crate) postcode: Option<String>,
    /// Code or name of the region.
    pub(crate) state: Option<String>,
    /// City.
    pub(crate) city: Option<String>,
    /// Street.
    pub(crate) address_1: Option<String>,
    /// Building.
    pub(crate) address_2: Option<String>,
    /// Phone.
    pub(crate) phone: Option<String>,
    /// Mail address; of the billing address only.
    pub(crate) email: Option<String>,
}

/// A product or a variation of one.
#[derive(Deserialize)]
pub(crate) struct Product {
    /// SKU; a variation without one has its product's.
    #[serde(default, deserialize_with = "text")]
    pub(crate) sku: Option<String>,
    /// True where it has a quantity of its own; `parent` where the product has it.
    #[serde(default)]
    pub(crate) manage_stock: Value,
    /// Sellable: what was ordered is off it already.
    pub(crate) stock_quantity: Value,
}

/// A product's SKU.
#[derive(Deserialize)]
pub(crate) struct ProductCode {
    /// Id.
    pub(crate) id: u64,
    /// Its own.
    #[serde(default, deserialize_with = "text")]
    pub(crate) sku: Option<String>,
}

/// What decides whether a product has variations.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct ProductKind {
    /// Id.
    pub(crate) id: u64,
    /// `simple`, `variable`, …
    pub(crate) r#type: String,
    /// Its SKU, which variations without one have, too; empty for none.
    pub(crate) sku: Value,
}

/// An error's body.
#[derive(Debug, Deserialize)]
pub(crate) struct Refusal {
    code: Value,
    /// The shop's words.
    pub(crate) message: String,
    data: Value,
}

impl Refusal {
    /// `woocommerce_rest_cannot_view`, `rest_no_route`, …, or a number: see [`Self::is_unexpected`].
    pub(crate) fn code(&self) -> String {
        match &self.code {
            Value::String(code) => code.clone(),
            other => other.to_string(),
        }
    }

    /// Its code is the number of an exception, as fulfilments tell those that they caught: what was done before it stands.
    pub(crate) fn is_unexpected(&self) -> bool {
        let code = self.code();
        !code.is_empty() && code.bytes().all(|b| b.is_ascii_digit())
    }

    /// The status in the body: an object has it, or it is a bare number.
    pub(crate) fn status(&self) -> Option<u16> {
        let status = self.data.get("status").unwrap_or(&self.data);
        let status = status.as_u64().and_then(|n| u16::try_from(n).ok());
        status.filter(|status| *status >= 400)
    }
}

/// A time of the shop without a zone, `2026-11-21T10:00:00` or with a blank for the T.
pub(crate) fn clock_time(text: &str) -> Option<NaiveDateTime> {
    let forms = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"];
    let bare = text.trim_end_matches('Z');
    let mut read = forms
        .iter()
        .filter_map(|form| NaiveDateTime::parse_from_str(bare, form).ok());
    read.next()
}

fn gmt<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DateTime<Utc>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let at = clock_time(&text).ok_or_else(|| serde::de::Error::custom("x, expected a time"))?;
    Ok(at.and_utc())
}

fn gmt_or_none<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<DateTime<Utc>>, D::Error> {
    Ok(local(deserializer)?.map(|at| at.and_utc()))
}

fn local<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<NaiveDateTime>, D::Error> {
    let text: Option<String> = Option::deserialize(deserializer)?;
    let text = text.filter(|text| !text.is_empty() && !text.starts_with("0000"));
    let read = |text: String| {
        clock_time(&text).ok_or_else(|| serde::de::Error::custom("x, expected a time"))
    };
    text.map(read).transpose()
}

/// Text, or a number as it is written; nothing for null and for an empty text.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text).filter(|text| !text.is_empty())),
        Value::Number(number) => Ok(Some(number.to_string())),
        // PHP has false where there is none.
        Value::Bool(false) => Ok(None),
        _ => Err(serde::de::Error::custom("x, expected text or a number")),
    }
}

/// The same, where there has to be one.
fn amount<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let missing = || serde::de::Error::custom("x, expected an amount");
    text(deserializer)?.ok_or_else(missing)
}

/// An id as a number or in text.
fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let read = text(deserializer)?.and_then(|text| text.parse().ok());
    read.ok_or_else(|| serde::de::Error::custom("x, expected an id"))
}

/// The same; 0 and nothing are none.
fn id_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let read = text(deserializer)?.map(|text| text.parse());
    let read = read.transpose();
    let read = read.map_err(|_| serde::de::Error::custom("x, expected an id"))?;
    Ok(read.filter(|id| *id > 0))
}

/// A truth as PHP and databases write it.
fn yes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    Ok(Some(is_yes(&Value::deserialize(deserializer)?)))
}

/// Whether a free value says yes.
pub(crate) fn is_yes(value: &Value) -> bool {
    match value {
        Value::Bool(yes) => *yes,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(word) => matches!(
            word.trim().to_ascii_lowercase().as_str(),
            "true" | "yes" | "1" | "on"
        ),
        _ => false,
    }
}
