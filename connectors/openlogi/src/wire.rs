//! The wire's types, as the document of v1.5 has them; fields that nothing is made of are left out.

use hikiate_sdk::http::{Method, Request};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Creates several shipments, all or none.
pub(crate) const BULK: &str = "/shipments/bulk";

/// Most identifiers of one question.
pub(crate) const IDENTIFIERS: usize = 100;

/// A request of v1.5; a body is JSON.
pub(crate) fn request(method: Method, path: impl Into<String>, body: Vec<u8>) -> Request {
    let mut request = if body.is_empty() {
        Request::get(path)
    } else {
        Request::post_json(path, body)
    };
    request.method = method;
    let headers = [("x-api-version", "1.5"), ("accept", "application/json")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
    request.headers.extend(headers);
    request
}

/// Only ASCII letters, digits, `_` and `-`: what may stand in a path as it is.
#[must_use]
pub(crate) fn is_plain(code: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    !code.is_empty() && code.len() <= 100 && code.bytes().all(fits)
}

/// A list of shipments, each still as it came.
#[derive(Deserialize)]
pub(crate) struct Shipments<'a> {
    #[serde(borrow)]
    pub(crate) shipments: Vec<&'a RawValue>,
}

/// A list of items, each still as it came.
#[derive(Deserialize)]
pub(crate) struct Items<'a> {
    #[serde(borrow)]
    pub(crate) items: Vec<&'a RawValue>,
}

/// A shipment as it is read; whose it is, is read before. Any field may be absent.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Shipment {
    pub(crate) id: Option<String>,
    pub(crate) status: Option<String>,
    pub(crate) assigned_shipping_date: Option<String>,
    pub(crate) shipped_at: Option<String>,
    pub(crate) tracking_code: Option<String>,
    pub(crate) tracking_codes: Option<Vec<String>>,
    pub(crate) delivery_service: Option<String>,
    pub(crate) delivery_carrier: Option<String>,
    pub(crate) items: Option<Vec<ShippedItem>>,
}

/// So many of an item in a shipment.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ShippedItem {
    pub(crate) code: Option<String>,
    pub(crate) quantity: Option<u32>,
}

/// What a write answers: the shipment that was written.
#[derive(Debug, Deserialize)]
pub(crate) struct Written {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) identifier: Option<String>,
}

/// What a bulk answers.
#[derive(Debug, Deserialize)]
pub(crate) struct AllWritten {
    pub(crate) shipments: Vec<Written>,
}

/// An item with its stock.
#[derive(Debug, Deserialize)]
pub(crate) struct Item {
    pub(crate) code: String,
    /// At all warehouses.
    #[serde(default)]
    pub(crate) stock: Option<Stock>,
    /// At each.
    #[serde(default)]
    pub(crate) stocks: Option<Vec<Stock>>,
}

/// The stock of an item.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Stock {
    pub(crate) warehouse: Option<String>,
    pub(crate) quantity: Option<i64>,
    pub(crate) available: Option<i64>,
}

/// A shipment that is to be created.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct NewShipment {
    pub(crate) identifier: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) order_no: Option<String>,
    pub(crate) recipient: Address,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sender: Option<Address>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) gift_sender_name: Option<String>,
    pub(crate) items: Vec<NewItem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) warehouse: Option<String>,
    pub(crate) backorder_if_unavailable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) delivery_carrier: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) delivery_method: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) delivery_date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) delivery_time_slot: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) gift_wrapping_unit: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) gift_wrapping_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) cash_on_delivery: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) total_for_cash_on_delivery: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tax_for_cash_on_delivery: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) subtotal_amount: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) delivery_charge: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) handling_charge: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) discount_amount: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) total_amount: Option<i64>,
}

/// An item of a shipment that is to be created.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct NewItem {
    pub(crate) code: String,
    pub(crate) quantity: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) unit_price: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) price: Option<i64>,
}

/// A domestic address.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Address {
    pub(crate) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) company: Option<String>,
    pub(crate) postcode: String,
    pub(crate) prefecture: String,
    pub(crate) address1: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) address2: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) phone: Option<String>,
}

impl std::fmt::Debug for Address {
    /// Never shows whom it is about.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Address").finish_non_exhaustive()
    }
}
