//! Shipments and items as OPENLOGI tells them.

use chrono::SecondsFormat;
use chrono_tz::Asia::Tokyo;
use serde_json::{Map, Value, json};

use super::state::{Item, Shipment, State};

/// Fields of a request that no answer has.
const ASKED_ONLY: [&str; 2] = ["backorder_if_unavailable", "apply_rule"];

/// What a write answers.
pub(super) fn written(shipment: &Shipment) -> Value {
    let mut fields: Map<String, Value> = shipment.body.as_object().cloned().unwrap_or_default();
    fields.retain(|name, _| !ASKED_ONLY.contains(&name.as_str()));
    let backordered = shipment.status == "backordered";
    let items = fields.get("items").and_then(Value::as_array).cloned();
    let items = items.into_iter().flatten().map(|mut item| {
        item["backordered"] = json!(backordered);
        item
    });
    let items: Vec<Value> = items.collect();
    fields.extend([
        ("id".to_owned(), json!(shipment.id)),
        ("identifier".to_owned(), json!(shipment.identifier)),
        ("status".to_owned(), json!(shipment.status)),
        ("suspend".to_owned(), json!(shipment.status == "suspended")),
        (
            "assigned_shipping_date".to_owned(),
            json!(shipment.planned.to_string()),
        ),
        ("tax_included".to_owned(), json!(true)),
        ("warehouse".to_owned(), json!(shipment.warehouse)),
        ("items".to_owned(), json!(items)),
    ]);
    Value::Object(fields)
}

/// What a question answers.
pub(super) fn shipment(shipment: &Shipment) -> Value {
    let mut told = written(shipment);
    told["shipment_return"] = json!(shipment.is_return);
    told["international"] = json!(false);
    if let Some(at) = shipment.shipped_at {
        let at = at
            .with_timezone(&Tokyo)
            .to_rfc3339_opts(SecondsFormat::Secs, false);
        let boxes = shipment.tracking.len().max(1);
        told["shipped_at"] = json!(at);
        told["tracking_codes"] = json!(shipment.tracking);
        told["tracking_code"] = json!(shipment.tracking.first());
        told["delivery_service"] = json!(match told["delivery_carrier"].as_str() {
            Some("YAMATO") => "YAMATO-TAKKYUBIN",
            _ => "SAGAWA-TAKUHAIBIN",
        });
        told["package_quantity"] = json!(boxes);
        told["packages"] = json!(vec![json!({ "size": "60" }); boxes]);
    }
    if let Some(lacking) = &shipment.lacking {
        lack(&mut told, lacking);
    }
    told
}

/// Takes out a field, of the shipment or of its items.
fn lack(told: &mut Value, field: &str) {
    match field.split_once('.') {
        Some((list, inner)) => {
            let items = told[list].as_array_mut().into_iter().flatten();
            items.for_each(|item| lack(item, inner));
        }
        None => {
            if let Some(fields) = told.as_object_mut() {
                fields.remove(field);
            }
        }
    }
}

/// An item with its stock.
pub(super) fn item(state: &State, code: &str, item: &Item, with_stock: bool) -> Value {
    let mut told = json!({
        "id": format!("{}-I{:06}", state.account, item.n), "code": code, "name": code, "price": "0", "bundled_item": false,
    });
    if !with_stock {
        return told;
    }
    let at = |warehouse: &str, quantity: i64| {
        let shipping = state.set_aside(code, warehouse);
        let waited_for = state.waited_for(code, warehouse);
        json!({
            "warehouse": warehouse, "quantity": quantity, "available": quantity - shipping, "shipping": shipping, "reserved": 0,
            "backordered": waited_for, "requesting": shipping + waited_for,
        })
    };
    let stocks: Vec<Value> = item
        .stock
        .iter()
        .map(|(place, quantity)| at(place, *quantity))
        .collect();
    let sum = |field: &str| -> i64 {
        stocks
            .iter()
            .filter_map(|stock| stock[field].as_i64())
            .sum()
    };
    let names = [
        "quantity",
        "available",
        "shipping",
        "reserved",
        "backordered",
        "requesting",
    ];
    told["stock"] = names
        .iter()
        .map(|name| ((*name).to_owned(), json!(sum(name))))
        .collect();
    told["stocks"] = json!(stocks);
    if let Some(lacking) = &item.lacking {
        lack(&mut told, lacking);
    }
    told
}
