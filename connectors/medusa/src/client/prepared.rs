//! Calls as frozen bytes. Pure.

use hikiate_sdk::{
    Call, CaptureCall, Currency, Error, ErrorClass, FulfilCall, Op, Prepared, RefundCall, ShipCall,
    ShippedLine,
};
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value, json};

use super::is_plain;
use crate::map::{NOTE, REFERENCE};

/// Stands in a path for the shop's id of the fulfilment, which is known only when it is sent.
pub(super) const FULFILMENT: &str = "{fulfillment}";

/// What [`Prepared::bytes`] hold.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Frozen {
    /// Always `POST`.
    pub(super) method: String,
    /// Below the shop's address.
    pub(super) path: String,
    /// JSON body.
    pub(super) body: Value,
    /// How to find out whether it has happened.
    pub(super) find: Find,
}

/// What a look-up needs.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Find {
    /// A fulfilment with our reference.
    Fulfilment {
        order: String,
        reference: String,
        lines: Vec<ShippedLine>,
    },
    /// That fulfilment shipped with these tracking numbers.
    Shipment {
        order: String,
        reference: String,
        tracking: Vec<String>,
    },
    /// A payment with so much captured.
    Capture {
        payment: String,
        /// Stored as it was called before docs/glossary.md.
        #[serde(rename = "captured_after")]
        expected_captured_total: i64,
        currency: Currency,
    },
    /// A refund of a payment whose note begins with our key.
    Refund {
        payment: String,
        key: String,
        amount: i64,
        expected_refunded_total: i64,
        currency: Currency,
    },
    /// A cancelled order.
    Cancelled { order: String },
    /// Our note in an order's metadata; none where it is to be removed.
    Note { order: String, note: Option<String> },
}

/// Renders a call.
pub(super) fn prepare(call: &Call) -> Result<Prepared, Error> {
    let frozen = match call {
        Call::Fulfil(call) => fulfil(call)?,
        Call::Ship(call) => ship(call)?,
        Call::Capture(call) => capture(call)?,
        Call::Refund(call) => refund(call)?,
        Call::CancelOrder(call) => {
            let order = plain("order", call.order.as_str())?;
            post(
                format!("/admin/orders/{order}/cancel"),
                json!({}),
                Find::Cancelled { order },
            )
        }
        Call::Annotate(call) => {
            let order = plain("order", call.order.as_str())?;
            let note = call.text();
            // The shop merges metadata key by key; an empty text removes the key.
            let body = json!({ "metadata": { NOTE: note.as_deref().unwrap_or_default() } });
            post(
                format!("/admin/orders/{order}"),
                body,
                Find::Note { order, note },
            )
        }
        other => return Err(not_offered(other.op())),
    };
    let label = format!("{} {}", frozen.method, frozen.path);
    Prepared::of(&frozen, label)
}

/// The error for an operation a shop does not have.
pub(super) fn not_offered(op: Op) -> Error {
    Error::new(
        ErrorClass::Config,
        format!("a medusa account has no operation {op}: route it to another account"),
    )
}

fn fulfil(call: &FulfilCall) -> Result<Frozen, Error> {
    let order = plain("order", call.order.as_str())?;
    let reference = reference(call.reference.as_str())?;
    let mut body = json!({
        "items": items(&call.lines)?,
        "no_notification": true,
        "metadata": { REFERENCE: reference },
    });
    if let Some(location) = &call.location {
        body["location_id"] = Value::String(plain("location", location)?);
    }
    let path = format!("/admin/orders/{order}/fulfillments");
    Ok(post(
        path,
        body,
        Find::Fulfilment {
            order,
            reference,
            lines: call.lines.clone(),
        },
    ))
}

fn ship(call: &ShipCall) -> Result<Frozen, Error> {
    let order = plain("order", call.order.as_str())?;
    let reference = reference(call.reference.as_str())?;
    let tracking: Vec<String> = call
        .parcels
        .iter()
        .filter_map(|parcel| {
            parcel
                .tracking
                .as_deref()
                .map(str::trim)
                .filter(|number| !number.is_empty())
        })
        .map(str::to_owned)
        .collect();
    // The shop wants all three and takes empty addresses.
    let labels: Vec<Value> = tracking
        .iter()
        .map(|number| json!({ "tracking_number": number, "tracking_url": "", "label_url": "" }))
        .collect();
    let body = json!({ "items": items(&call.lines)?, "labels": labels, "no_notification": true });
    let path = format!("/admin/orders/{order}/fulfillments/{FULFILMENT}/shipments");
    Ok(post(
        path,
        body,
        Find::Shipment {
            order,
            reference,
            tracking,
        },
    ))
}

fn capture(call: &CaptureCall) -> Result<Frozen, Error> {
    let payment = plain("payment", call.payment_there().as_str())?;
    let body = match call.amount {
        None => json!({}),
        Some(amount) if amount > 0 => json!({ "amount": decimal(amount, call.currency)? }),
        Some(amount) => {
            return Err(rejected(format!(
                "amount: {amount} cannot be captured: it must be more than zero"
            )));
        }
    };
    let find = Find::Capture {
        payment: payment.clone(),
        expected_captured_total: call.expected_captured_total,
        currency: call.currency,
    };
    Ok(post(
        format!("/admin/payments/{payment}/capture"),
        body,
        find,
    ))
}

fn refund(call: &RefundCall) -> Result<Frozen, Error> {
    let payment = plain("payment", call.payment_there().as_str())?;
    if call.amount <= 0 {
        return Err(rejected(format!(
            "amount: {} cannot be refunded: it must be more than zero",
            call.amount
        )));
    }
    let note = match &call.reason {
        Some(reason) => format!("{} {reason}", call.key),
        None => call.key.clone(),
    };
    let body = json!({ "amount": decimal(call.amount, call.currency)?, "note": note });
    let find = Find::Refund {
        payment: payment.clone(),
        key: call.key.clone(),
        amount: call.amount,
        expected_refunded_total: call.expected_refunded_total,
        currency: call.currency,
    };
    Ok(post(
        format!("/admin/payments/{payment}/refund"),
        body,
        find,
    ))
}

/// Minor units as the decimal number the shop takes.
pub(super) fn decimal(minor: i64, currency: Currency) -> Result<Number, Error> {
    let text = currency.format(minor);
    serde_json::from_str(&text).map_err(|_| rejected(format!("amount: {text} is not a number")))
}

fn post(path: String, body: Value, find: Find) -> Frozen {
    Frozen {
        method: "POST".to_owned(),
        path,
        body,
        find,
    }
}

fn items(lines: &[ShippedLine]) -> Result<Vec<Value>, Error> {
    if lines.is_empty() || lines.iter().any(|line| line.quantity == 0) {
        return Err(rejected(
            "lines: at least one line, each with a quantity of at least 1".to_owned(),
        ));
    }
    lines
        .iter()
        .map(|line| {
            Ok(json!({ "id": plain("line", line.line.as_str())?, "quantity": line.quantity }))
        })
        .collect()
}

fn plain(what: &str, id: &str) -> Result<String, Error> {
    if is_plain(id) {
        Ok(id.to_owned())
    } else {
        Err(rejected(format!("{what}: {id:?} is not a shop id")))
    }
}

fn reference(text: &str) -> Result<String, Error> {
    if text.is_empty() {
        Err(rejected("reference: empty".to_owned()))
    } else {
        Ok(text.to_owned())
    }
}

fn rejected(message: String) -> Error {
    Error::new(ErrorClass::Rejected, message)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use hikiate_sdk::{CancelOrderCall, ExternalId, LineKey, ShipmentReference, ShippedParcel};

    use super::*;

    fn lines() -> Vec<ShippedLine> {
        vec![ShippedLine {
            line: LineKey::from("ordli_1"),
            quantity: 2,
        }]
    }

    /// What waits in a queue while hikiate is upgraded.
    #[test]
    fn a_call_that_an_earlier_version_prepared_can_still_be_read() {
        let stored = [
            r#"{"fulfilment":{"order":"order_1","reference":"HK1-S1","lines":[{"line":"ordli_1","quantity":2}]}}"#,
            r#"{"shipment":{"order":"order_1","reference":"HK1-S1","tracking":["1Z"]}}"#,
            r#"{"capture":{"payment":"pay_1","captured_after":5046,"currency":"EUR"}}"#,
            r#"{"cancelled":{"order":"order_1"}}"#,
        ];
        for find in stored {
            let bytes = format!(r#"{{"method":"POST","path":"/x","body":{{}},"find":{find}}}"#);
            let prepared = Prepared {
                bytes: bytes.into_bytes(),
                label: "POST /x".to_owned(),
            };
            let read = prepared.read::<Frozen>().unwrap();
            assert_eq!(serde_json::to_string(&read.find).unwrap(), find);
        }
    }

    fn fulfil_call(location: Option<&str>) -> Call {
        Call::Fulfil(FulfilCall {
            order: ExternalId::from("order_1"),
            reference: ShipmentReference::from("HK1-S1"),
            location: location.map(str::to_owned),
            lines: lines(),
        })
    }

    fn capture_call(amount: Option<i64>) -> Call {
        Call::Capture(CaptureCall {
            order: ExternalId::from("order_1"),
            payment: ExternalId::from("pay_1"),
            provider: None,
            key: "k".to_owned(),
            amount,
            currency: Currency::EUR,
            expected_captured_total: 5046,
        })
    }

    #[test]
    fn the_same_call_gives_the_same_bytes_and_they_read_back() {
        let one = prepare(&fulfil_call(Some("sloc_1"))).unwrap();
        assert_eq!(one, prepare(&fulfil_call(Some("sloc_1"))).unwrap());
        assert_eq!(one.label, "POST /admin/orders/order_1/fulfillments");
        let frozen = one.read::<Frozen>().unwrap();
        assert_eq!(
            frozen.body,
            json!({ "items": [{ "id": "ordli_1", "quantity": 2 }], "location_id": "sloc_1", "metadata": { "hikiate_ref": "HK1-S1" }, "no_notification": true })
        );
        assert!(
            prepare(&fulfil_call(None))
                .unwrap()
                .read::<Frozen>()
                .unwrap()
                .body
                .get("location_id")
                .is_none()
        );
    }

    #[test]
    fn amounts_are_decimal_numbers_and_all_is_no_amount() {
        let body = |amount| {
            prepare(&capture_call(amount))
                .unwrap()
                .read::<Frozen>()
                .unwrap()
                .body
                .to_string()
        };
        assert_eq!(body(Some(3046)), r#"{"amount":30.46}"#);
        assert_eq!(body(None), "{}");
        assert_eq!(
            prepare(&capture_call(Some(0))).unwrap_err().class,
            ErrorClass::Rejected
        );
    }

    #[test]
    fn parcels_become_labels_with_all_their_fields() {
        let parcel = |tracking: Option<&str>| ShippedParcel {
            carrier: None,
            tracking: tracking.map(str::to_owned),
            ..ShippedParcel::default()
        };
        let call = Call::Ship(ShipCall {
            order: ExternalId::from("order_1"),
            reference: ShipmentReference::from("HK1-S1"),
            lines: lines(),
            parcels: vec![parcel(Some(" T1 ")), parcel(None)],
        });
        let frozen = prepare(&call).unwrap().read::<Frozen>().unwrap();
        assert_eq!(
            frozen.body["labels"],
            json!([{ "tracking_number": "T1", "tracking_url": "", "label_url": "" }])
        );
        assert_eq!(
            frozen.path,
            "/admin/orders/order_1/fulfillments/{fulfillment}/shipments"
        );
    }

    #[test]
    fn what_cannot_be_said_is_refused_before_it_is_sent() {
        let call = |order: &str| {
            Call::CancelOrder(CancelOrderCall {
                order: ExternalId::from(order),
            })
        };
        assert!(prepare(&call("order_1")).is_ok());
        for order in ["", "../users", "a b", "o?x=1"] {
            assert_eq!(
                prepare(&call(order)).unwrap_err().class,
                ErrorClass::Rejected,
                "{order}"
            );
        }
        let Call::Fulfil(mut none) = fulfil_call(None) else {
            return;
        };
        none.lines.clear();
        assert_eq!(
            prepare(&Call::Fulfil(none)).unwrap_err().class,
            ErrorClass::Rejected
        );
    }
}
