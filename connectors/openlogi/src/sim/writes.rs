//! What the interface does to shipments.

use std::collections::BTreeMap;
use std::ops::Range;

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Map, Value, json};

use super::route::Refused;
use super::state::{Shipment, State, day, warehouse};

/// Fields with a list of words.
const WORDS: [(&str, &[&str]); 5] = [
    ("delivery_carrier", &["YAMATO", "SAGAWA"]),
    ("delivery_method", &["POST_EXPRESS", "HOME_BOX"]),
    ("delivery_time_slot", &["AM", "12", "14", "16", "18", "19"]),
    ("gift_wrapping_unit", &["ORDER", "ITEM"]),
    ("gift_wrapping_type", &["NAVY", "RED"]),
];

/// Creates one shipment and tells its place.
pub(super) fn create(
    state: &mut State,
    body: &Value,
    now: DateTime<Utc>,
) -> Result<usize, Refused> {
    paid(state)?;
    let wrong = faults(state, body);
    if !wrong.is_empty() {
        return Err(Refused {
            words: repeating(state, body, "Invalid Request"),
            ..Refused::invalid(wrong)
        });
    }
    Ok(make(state, body, now))
}

/// Creates all of them or none.
pub(super) fn create_all(
    state: &mut State,
    body: &Value,
    now: DateTime<Utc>,
) -> Result<Range<usize>, Refused> {
    paid(state)?;
    let Some(bodies) = body["shipments"].as_array() else {
        let why = json!(["shipmentsは必ず指定してください。"]);
        return Err(Refused::invalid(Map::from_iter([(
            "shipments".to_owned(),
            why,
        )])));
    };
    let first = state.shipments.len();
    let (mut errors, mut places) = (Map::new(), Vec::new());
    for (n, body) in bodies.iter().enumerate() {
        let wrong = faults(state, body);
        if wrong.is_empty() {
            make(state, body, now);
            continue;
        }
        places.push(n);
        let named = wrong
            .into_iter()
            .map(|(field, why)| (format!("shipments.{n}.{field}"), json!([why])));
        errors.extend(named);
    }
    if places.is_empty() {
        return Ok(first..state.shipments.len());
    }
    state.shipments.truncate(first);
    errors.insert("shipments.index".to_owned(), json!(places));
    Err(Refused {
        words: "Bulk Shipments Validation Failed".to_owned(),
        ..Refused::invalid(errors)
    })
}

fn paid(state: &State) -> Result<(), Refused> {
    if state.pays {
        return Ok(());
    }
    let words = "ご利用するにはお支払い方法の登録が必要になります";
    Err(Refused::new(402, "payment_required", words))
}

/// What is wrong with a request, by field.
fn faults(state: &State, body: &Value) -> Map<String, Value> {
    let mut wrong = Map::new();
    let mut say = |field: &str, why: &str| drop(wrong.insert(field.to_owned(), json!(why)));
    match body["identifier"].as_str() {
        Some(identifier) if (1..=100).contains(&identifier.chars().count()) => {
            let taken = |s: &Shipment| s.identifier == identifier && !s.gone && !s.is_return;
            if state.shipments.iter().any(taken) {
                say("identifier", "identifierは既に使用されています。");
            }
        }
        _ => say("identifier", "identifierは必ず指定してください"),
    }
    parties(body, &mut say);
    for (field, words) in WORDS {
        if body[field]
            .as_str()
            .is_some_and(|word| !words.contains(&word))
        {
            say(field, "正しい形式をご指定ください。");
        }
    }
    let date = body["delivery_date"].as_str();
    if date.is_some_and(|date| date.parse::<NaiveDate>().is_err()) {
        say("delivery_date", "正しい形式をご指定ください。");
    }
    if body["message"]
        .as_str()
        .is_some_and(|text| text.chars().count() > 500)
    {
        say("message", "500文字以下でご指定ください。");
    }
    let collected = body["total_for_cash_on_delivery"].as_i64();
    if body["cash_on_delivery"] == true && collected.is_none_or(|yen| yen < 1) {
        say(
            "total_for_cash_on_delivery",
            "代金引換の場合は必ず指定してください。",
        );
    }
    let items = body["items"].as_array().filter(|items| !items.is_empty());
    for (n, item) in items.into_iter().flatten().enumerate() {
        let code = item["code"].as_str().unwrap_or_default();
        if !state.items.contains_key(code) {
            say(&format!("items.{n}.code"), "商品が見つかりません。");
        } else if item["quantity"].as_u64().is_none_or(|n| n < 1) {
            say(
                &format!("items.{n}.quantity"),
                "quantityには、1以上の数字をご指定ください。",
            );
        }
    }
    let known = |item: &Value| {
        let code = item["code"].as_str();
        code.is_some_and(|code| state.items.contains_key(code))
    };
    if items.is_none() {
        say("items", "itemsは必ず指定してください。");
    } else if items.into_iter().flatten().all(known)
        && body["backorder_if_unavailable"] != true
        && !state.has(&sums(body), &warehouse(body))
    {
        say("items", "在庫が不足しています。");
    }
    for why in wrong.values_mut() {
        *why = json!(repeating(state, body, why.as_str().unwrap_or_default()));
    }
    wrong
}

/// The words of a refusal; with whom the shipment is for, where that is repeated.
fn repeating(state: &State, body: &Value, words: &str) -> String {
    if !state.repeats_names {
        return words.to_owned();
    }
    let fields = ["name", "postcode", "prefecture", "address1", "phone"];
    let told = fields.map(|field| body["recipient"][field].as_str().unwrap_or_default());
    format!("{words} (recipient: {})", told.join(" "))
}

fn parties(body: &Value, say: &mut impl FnMut(&str, &str)) {
    for party in ["recipient", "sender"] {
        let address = &body[party];
        if address.is_null() && party == "sender" {
            continue;
        }
        for field in ["name", "prefecture", "address1"] {
            if address[field].as_str().is_none_or(str::is_empty) {
                say(&format!("{party}.{field}"), "必ず指定してください。");
            }
        }
        let postcode = address["postcode"]
            .as_str()
            .unwrap_or_default()
            .replace('-', "");
        let digits = postcode.len() == 7 && postcode.bytes().all(|b| b.is_ascii_digit());
        // Of all codes that Japan Post does not list, the simulator knows one.
        if !digits || postcode.ends_with("0000") || postcode == "9999999" {
            say(&format!("{party}.postcode"), "郵便番号が存在しません。");
        }
    }
}

fn sums(body: &Value) -> BTreeMap<String, u32> {
    let mut sums: BTreeMap<String, u32> = BTreeMap::new();
    for item in body["items"].as_array().into_iter().flatten() {
        let n = item["quantity"]
            .as_u64()
            .and_then(|n| u32::try_from(n).ok());
        let code = item["code"].as_str().unwrap_or_default().to_owned();
        *sums.entry(code).or_default() += n.unwrap_or_default();
    }
    sums
}

fn make(state: &mut State, body: &Value, now: DateTime<Utc>) -> usize {
    let mut body = body.clone();
    for party in ["recipient", "sender"] {
        for (field, most) in [("name", 15), ("company", 16)] {
            if let Some(text) = body[party][field].as_str() {
                let cut: String = text.chars().take(most).collect();
                body[party][field] = json!(cut);
            }
        }
    }
    let (items, warehouse) = (sums(&body), warehouse(&body));
    let status = if state.has(&items, &warehouse) {
        "waiting"
    } else {
        "backordered"
    };
    let shipment = Shipment {
        id: state.next_id(),
        identifier: body["identifier"].as_str().unwrap_or_default().to_owned(),
        status: status.to_owned(),
        items,
        warehouse,
        body,
        planned: day(now),
        shipped_at: None,
        tracking: Vec::new(),
        gone: false,
        is_return: false,
        cancel_requests: 0,
        before: None,
        lacking: None,
        late: None,
    };
    state.shipments.push(shipment);
    state.shipments.len() - 1
}

/// Deletes what nobody works on yet.
pub(super) fn delete(state: &mut State, identifier: &str) -> Result<usize, Refused> {
    let at = there(state, identifier)?;
    let shipment = &mut state.shipments[at];
    if !matches!(
        shipment.status.as_str(),
        "waiting" | "backordered" | "suspended" | "allocating"
    ) {
        let words = repeating(state, &state.shipments[at].body, "削除できませんでした");
        return Err(Refused::new(400, "api_exception", words));
    }
    shipment.gone = true;
    Ok(at)
}

/// Asks for what is being worked on.
pub(super) fn request_cancel(state: &mut State, identifier: &str) -> Result<usize, Refused> {
    let at = there(state, identifier)?;
    let shipment = &mut state.shipments[at];
    if !matches!(shipment.status.as_str(), "picking" | "picked" | "packed") {
        let words = repeating(
            state,
            &state.shipments[at].body,
            "キャンセルできませんでした",
        );
        return Err(Refused::new(400, "api_exception", words));
    }
    shipment.before = Some(std::mem::replace(
        &mut shipment.status,
        "cancel_request".to_owned(),
    ));
    shipment.cancel_requests += 1;
    Ok(at)
}

fn there(state: &State, identifier: &str) -> Result<usize, Refused> {
    let at = state
        .find(identifier)
        .filter(|at| !state.shipments[*at].gone);
    at.ok_or_else(Refused::not_found)
}
