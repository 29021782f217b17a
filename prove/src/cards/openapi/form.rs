//! A form as the value that it stands for.

use serde_json::{Map, Value};
use url::form_urlencoded;

use super::names;

/// `a[b][0][c]=1` as `{"a":{"b":[{"c":1}]}}`: a form knows only text, so the document says what is a number, a truth or a list.
pub(super) fn value(document: &Value, schema: &Value, body: &[u8]) -> Value {
    let mut whole = Value::Object(Map::new());
    for (name, text) in form_urlencoded::parse(body) {
        let mut at = &mut whole;
        for step in steps(&name) {
            at = below(at, &step);
        }
        *at = Value::String(text.into_owned());
    }
    typed(document, &[schema], whole)
}

/// `a[b][]` as `a`, `b` and nothing.
fn steps(name: &str) -> Vec<String> {
    name.replace(']', "")
        .split('[')
        .map(str::to_owned)
        .collect()
}

/// A nameless step is the next of a list; lists are objects with numbers for names until the document says otherwise.
fn below<'a>(at: &'a mut Value, step: &str) -> &'a mut Value {
    if !at.is_object() {
        *at = Value::Object(Map::new());
    }
    let next = at.as_object().map_or(0, Map::len).to_string();
    let name = if step.is_empty() { &next } else { step };
    &mut at[name]
}

fn typed(document: &Value, schemas: &[&Value], value: Value) -> Value {
    let parts = names::parts(document, schemas);
    let may_be = |kind: &str| parts.iter().any(|p| p["type"] == kind);
    match value {
        Value::Object(fields) => {
            if may_be("array") && fields.keys().all(|name| name.parse::<u16>().is_ok()) {
                let of = names::items(&parts);
                let list = fields.into_values();
                return list.map(|item| typed(document, &of, item)).collect();
            }
            let fields = fields.into_iter().map(|(name, value)| {
                let of = names::field(&parts, &name);
                (name, typed(document, &of, value))
            });
            Value::Object(fields.collect())
        }
        Value::String(text) => {
            if may_be("integer")
                && let Ok(number) = text.parse::<i64>()
            {
                number.into()
            } else if may_be("number")
                && let Ok(number) = text.parse::<f64>()
            {
                number.into()
            } else if may_be("boolean")
                && let Ok(truth) = text.parse::<bool>()
            {
                truth.into()
            } else {
                text.into()
            }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_form_becomes_what_the_document_says_it_is() {
        let schema = json!({ "type": "object", "properties": {
            "amount": { "type": "integer" },
            "live": { "type": "boolean" },
            "expand": { "type": "array", "items": { "type": "string" } },
            "metadata": { "anyOf": [{ "type": "object" }, { "enum": [""] }] },
            "items": { "type": "array", "items": { "type": "object", "properties": { "n": { "type": "integer" } } } },
        } });
        let body = b"amount=1980&live=true&expand[]=a&expand[]=b&metadata[order]=7&items[0][n]=2&items[1][n]=x&other=5";
        assert_eq!(
            value(&Value::Null, &schema, body),
            json!({
                "amount": 1980, "live": true, "expand": ["a", "b"], "metadata": { "order": "7" },
                "items": [{ "n": 2 }, { "n": "x" }], "other": "5",
            })
        );
        assert_eq!(
            value(&Value::Null, &schema, b"metadata="),
            json!({ "metadata": "" })
        );
    }
}
