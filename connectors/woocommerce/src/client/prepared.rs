//! Calls as frozen bytes. Pure.

use hikiate_sdk::{
    Call, Currency, Error, ErrorClass, Op, Prepared, RecordRefundCall, RefundedLine, ShipCall,
};
use serde::{Deserialize, Serialize};

use super::{API, is_id};
use crate::map::Shipped;

/// What [`Prepared::bytes`] hold: what is to be true of an order. Each `send` reads the order first and does what it lacks.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Wanted {
    /// A shipment is reported.
    Shipped(Ship),
    /// The order is cancelled.
    Cancelled { order: String },
    /// A refund is recorded.
    Refunded(Refund),
    /// The order shows this note of holds, or none.
    Note { order: String, note: Option<String> },
}

/// A shipment to report.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Ship {
    pub(super) order: String,
    pub(super) reference: String,
    pub(super) shipped: Shipped,
    /// The carriers, with commas between.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) carrier: Option<String>,
}

/// A refund to record.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Refund {
    pub(super) order: String,
    pub(super) key: String,
    /// Minor units.
    pub(super) amount: i64,
    pub(super) currency: Currency,
    /// Minor units.
    pub(super) expected_refunded_total: i64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) lines: Vec<RefundedLine>,
}

impl Wanted {
    /// The order that is written.
    pub(super) fn order(&self) -> &str {
        match self {
            Self::Shipped(ship) => &ship.order,
            Self::Refunded(refund) => &refund.order,
            Self::Cancelled { order } | Self::Note { order, .. } => order,
        }
    }
}

/// Renders a call.
pub(super) fn prepare(call: &Call) -> Result<Prepared, Error> {
    let (wanted, label) = match call {
        Call::Ship(call) => {
            let ship = ship(call)?;
            let label = format!("ship {} of {API}/orders/{}", ship.reference, ship.order);
            (Wanted::Shipped(ship), label)
        }
        Call::CancelOrder(call) => {
            let order = order(call.order.as_str())?;
            let label = format!("PUT {API}/orders/{order}");
            (Wanted::Cancelled { order }, label)
        }
        Call::RecordRefund(call) => {
            let refund = refund(call)?;
            let label = format!("POST {API}/orders/{}/refunds", refund.order);
            (Wanted::Refunded(refund), label)
        }
        Call::Annotate(call) => {
            let order = order(call.order.as_str())?;
            let label = format!("PUT {API}/orders/{order}");
            let note = call.text();
            (Wanted::Note { order, note }, label)
        }
        other => return Err(not_offered(other.op())),
    };
    Prepared::of(&wanted, label)
}

/// The error for an operation a shop does not have.
pub(super) fn not_offered(op: Op) -> Error {
    Error::new(
        ErrorClass::Config,
        format!("a woocommerce account has no operation {op}: route it to another account"),
    )
}

fn ship(call: &ShipCall) -> Result<Ship, Error> {
    let order = order(call.order.as_str())?;
    let reference = call.reference.as_str();
    if reference.is_empty() {
        return Err(rejected("reference: empty".to_owned()));
    }
    if call.lines.is_empty() || call.lines.iter().any(|line| line.quantity == 0) {
        return Err(rejected(
            "lines: at least one line, each with a quantity of at least 1".to_owned(),
        ));
    }
    for line in &call.lines {
        line_id(line.line.as_str())?;
    }
    let told = |of: &Option<String>| {
        let text = of.as_deref().map(str::trim).unwrap_or_default();
        Some(text.to_owned()).filter(|text| !text.is_empty())
    };
    let mut carriers: Vec<String> = Vec::new();
    for carrier in call
        .parcels
        .iter()
        .filter_map(|parcel| told(&parcel.carrier))
    {
        if !carriers.contains(&carrier) {
            carriers.push(carrier);
        }
    }
    let tracking: Vec<String> = call
        .parcels
        .iter()
        .filter_map(|parcel| told(&parcel.tracking))
        .collect();
    // One field of the shop holds them all.
    if let Some(number) = tracking.iter().find(|number| number.contains(',')) {
        return Err(rejected(format!(
            "parcels.tracking: {number:?} has a comma, which separates numbers in the shop"
        )));
    }
    let at = call
        .parcels
        .iter()
        .filter_map(|parcel| parcel.shipped_at)
        .min();
    Ok(Ship {
        order,
        reference: reference.to_owned(),
        shipped: Shipped {
            lines: call.lines.clone(),
            tracking,
            at,
        },
        carrier: Some(carriers.join(", ")).filter(|names| !names.is_empty()),
    })
}

fn refund(call: &RecordRefundCall) -> Result<Refund, Error> {
    let order = order(call.order.as_str())?;
    if call.amount <= 0 {
        return Err(rejected(format!(
            "amount: {} cannot be refunded: it must be more than zero",
            call.amount
        )));
    }
    if call.key.is_empty() {
        return Err(rejected("key: empty".to_owned()));
    }
    for line in &call.lines {
        line_id(line.line.as_str())?;
    }
    Ok(Refund {
        order,
        key: call.key.clone(),
        amount: call.amount,
        currency: call.currency,
        expected_refunded_total: call.expected_refunded_total,
        lines: call.lines.clone(),
    })
}

fn order(id: &str) -> Result<String, Error> {
    if is_id(id) {
        Ok(id.to_owned())
    } else {
        Err(rejected(format!("order: {id:?} is not a shop id")))
    }
}

/// A line's id as the shop writes it.
pub(super) fn line_id(id: &str) -> Result<u64, Error> {
    let read = Some(id)
        .filter(|id| is_id(id))
        .and_then(|id| id.parse().ok());
    read.ok_or_else(|| rejected(format!("line: {id:?} is not a shop id")))
}

fn rejected(message: String) -> Error {
    Error::new(ErrorClass::Rejected, message)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use hikiate_sdk::{
        CancelOrderCall, ExternalId, LineKey, ShipmentReference, ShippedLine, ShippedParcel,
    };

    use super::*;

    /// What waits in a queue while hikiate is upgraded.
    #[test]
    fn a_call_that_an_earlier_version_prepared_can_still_be_read() {
        for stored in [
            r#"{"shipped":{"order":"7","reference":"HK1-S1","shipped":{"lines":[{"line":"315","quantity":2}],"tracking":["T1"],"at":"2026-11-21T10:00:00Z"},"carrier":"Yamato"}}"#,
            r#"{"cancelled":{"order":"7"}}"#,
            r#"{"refunded":{"order":"7","key":"k","amount":300,"currency":"JPY","expected_refunded_total":300,"lines":[{"line":"315","quantity":1,"amount":300}]}}"#,
            r#"{"note":{"order":"7","note":"on hold: manual"}}"#,
        ] {
            let prepared = Prepared {
                bytes: stored.as_bytes().to_vec(),
                label: "x".to_owned(),
            };
            let read = prepared.read::<Wanted>().unwrap();
            assert_eq!(serde_json::to_string(&read).unwrap(), stored);
        }
        // One with the reason that an operator typed: it is dropped.
        let stored = r#"{"refunded":{"order":"7","key":"k","amount":300,"currency":"JPY","expected_refunded_total":300,"reason":"damaged"}}"#;
        let prepared = Prepared {
            bytes: stored.as_bytes().to_vec(),
            label: "x".to_owned(),
        };
        let read = serde_json::to_string(&prepared.read::<Wanted>().unwrap()).unwrap();
        assert_eq!(read, stored.replace(r#","reason":"damaged""#, ""));
    }

    fn call(lines: &[(&str, u32)], parcels: &[(Option<&str>, Option<&str>)]) -> Call {
        Call::Ship(ShipCall {
            order: ExternalId::from("7"),
            reference: ShipmentReference::from("HK1-S1"),
            lines: lines
                .iter()
                .map(|(line, quantity)| ShippedLine {
                    line: LineKey::from(*line),
                    quantity: *quantity,
                })
                .collect(),
            parcels: parcels
                .iter()
                .map(|(carrier, tracking)| ShippedParcel {
                    carrier: carrier.map(str::to_owned),
                    tracking: tracking.map(str::to_owned),
                    ..ShippedParcel::default()
                })
                .collect(),
        })
    }

    #[test]
    fn the_numbers_of_all_parcels_are_in_one_report() {
        let parcels = [
            (Some("Yamato"), Some(" T1 ")),
            (Some("Yamato"), Some("T2")),
            (Some("Sagawa"), None),
        ];
        let prepared = prepare(&call(&[("315", 2)], &parcels)).unwrap();
        assert_eq!(prepared.label, "ship HK1-S1 of /wp-json/wc/v3/orders/7");
        let Wanted::Shipped(ship) = prepared.read::<Wanted>().unwrap() else {
            return assert_eq!(prepared.label, "a shipment");
        };
        assert_eq!(ship.shipped.tracking, ["T1", "T2"]);
        assert_eq!(ship.carrier.as_deref(), Some("Yamato, Sagawa"));
    }

    #[test]
    fn what_cannot_be_said_is_refused_before_it_is_sent() {
        let class = |call: &Call| prepare(call).map_err(|e| e.class).err();
        assert_eq!(class(&call(&[("315", 1)], &[])), None);
        for wrong in [
            call(&[], &[]),
            call(&[("315", 0)], &[]),
            call(&[("../7", 1)], &[]),
            call(&[("315", 1)], &[(None, Some("T1,T2"))]),
        ] {
            assert_eq!(class(&wrong), Some(ErrorClass::Rejected), "{wrong:?}");
        }
        for order in ["", "../users", "7/notes", "7?x=1", "order_7"] {
            let call = Call::CancelOrder(CancelOrderCall {
                order: ExternalId::from(order),
            });
            assert_eq!(class(&call), Some(ErrorClass::Rejected), "{order}");
        }
        let refund = |amount, key: &str| {
            Call::RecordRefund(RecordRefundCall {
                order: ExternalId::from("7"),
                key: key.to_owned(),
                amount,
                currency: Currency::JPY,
                expected_refunded_total: 300,
                reason: None,
                lines: Vec::new(),
            })
        };
        assert_eq!(class(&refund(300, "k")), None);
        assert_eq!(class(&refund(0, "k")), Some(ErrorClass::Rejected));
        assert_eq!(class(&refund(300, "")), Some(ErrorClass::Rejected));
    }
}
