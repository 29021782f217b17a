//! Bodies of older versions, brought to the shape of today.

use serde_json::{Value, json};

/// The body in the newest shape of its kind. A damaged body comes back as it is; reading it says what is wrong.
pub(super) fn upgraded(kind: &str, version: i16, mut body: Value) -> Value {
    match kind {
        "order" if version < 2 => order_2(&mut body),
        "released" if version < 2 => released_2(&mut body),
        _ => {}
    }
    body
}

/// Version 1 of a release had one rule, or `*` for all that were open.
fn released_2(body: &mut Value) {
    if let Some(object) = body.as_object_mut()
        && let Some(rule) = object.remove("rule")
    {
        object.insert("rules".to_owned(), json!([rule]));
    }
}

/// Version 1 of an order knew only whether a line ships, and not when a fulfilment was shipped or cancelled: the time
/// of ordering stands in, the earliest that it can have been, until the channel is read again.
fn order_2(body: &mut Value) {
    let Some(order) = body.get_mut("order") else {
        return;
    };
    let ordered_at = order.get("ordered_at").cloned().unwrap_or_default();
    for line in each(order, "lines") {
        let ours = line.get("ships").and_then(Value::as_bool).unwrap_or(true);
        set(line, "by", json!(if ours { "us" } else { "nobody" }));
    }
    for fulfilment in each(order, "fulfilments") {
        for (was, is) in [("shipped", "shipped_at"), ("cancelled", "cancelled_at")] {
            if fulfilment.get(was).and_then(Value::as_bool) == Some(true) {
                set(fulfilment, is, ordered_at.clone());
            }
        }
    }
}

fn each<'v>(value: &'v mut Value, name: &str) -> impl Iterator<Item = &'v mut Value> {
    value
        .get_mut(name)
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
}

fn set(value: &mut Value, name: &str, to: Value) {
    if let Some(object) = value.as_object_mut() {
        object.insert(name.to_owned(), to);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use crate::facts::FactBody;

    #[test]
    fn a_release_of_one_rule_or_of_all_keeps_its_meaning() {
        for rule in ["capture", "*"] {
            let body = json!({ "rule": rule, "reason": "seen", "context": "ab" });
            let read = FactBody::read("released", 1, body).unwrap();
            let FactBody::Released(released) = read else {
                unreachable!("{read:?}")
            };
            assert_eq!(released.rules, [rule]);
            assert_eq!((&*released.reason, &*released.context), ("seen", "ab"));
        }
    }
}
