//! Which names a document has.

use std::collections::BTreeSet;

use serde_json::Value;

/// What a reference inside the document leads to; anything else is itself.
pub(super) fn resolve<'a>(document: &'a Value, at: &'a Value) -> &'a Value {
    let mut at = at;
    while let Some(to) = at["$ref"].as_str() {
        at = document
            .pointer(to.trim_start_matches('#'))
            .unwrap_or(&Value::Null);
    }
    at
}

/// Schemas and everything they are made up of: all parts, and each choice.
pub(super) fn parts<'a>(document: &'a Value, schemas: &[&'a Value]) -> Vec<&'a Value> {
    let mut open: Vec<&Value> = schemas.to_vec();
    let mut found = Vec::new();
    while let Some(schema) = open.pop() {
        let schema = resolve(document, schema);
        found.push(schema);
        for list in ["allOf", "oneOf", "anyOf"] {
            open.extend(schema[list].as_array().into_iter().flatten());
        }
    }
    found
}

/// The schemas of a field with this name.
pub(super) fn field<'a>(parts: &[&'a Value], name: &str) -> Vec<&'a Value> {
    let of = |p: &&'a Value| p.get("properties").and_then(|all| all.get(name));
    parts.iter().filter_map(of).collect()
}

/// The schemas of a list's items.
pub(super) fn items<'a>(parts: &[&'a Value]) -> Vec<&'a Value> {
    parts.iter().filter_map(|p| p.get("items")).collect()
}

/// Names that the document does not have. An object without named fields takes any.
pub(super) fn undocumented(
    document: &Value,
    at: &str,
    schemas: &[&Value],
    value: &Value,
    found: &mut BTreeSet<String>,
) {
    let parts = parts(document, schemas);
    match value {
        Value::Array(list) => {
            let of = items(&parts);
            for item in list.iter().filter(|_| !of.is_empty()) {
                undocumented(document, &format!("{at}[]"), &of, item, found);
            }
        }
        Value::Object(fields) => {
            let named = parts.iter().any(|p| p.get("properties").is_some());
            let others: Vec<&Value> = parts
                .iter()
                .filter_map(|p| p.get("additionalProperties"))
                .filter(|p| **p != Value::Bool(false))
                .collect();
            for (name, value) in fields {
                let of = field(&parts, name);
                if !of.is_empty() {
                    undocumented(document, &format!("{at}.{name}"), &of, value, found);
                } else if named && others.is_empty() {
                    found.insert(format!("{at}.{name} is not documented"));
                }
            }
        }
        _ => {}
    }
}
