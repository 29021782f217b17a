//! Requests and answers against a public OpenAPI document.

use std::collections::BTreeSet;

use hikiate_sdk::conformance::Exchange;
use serde_json::Value;
use url::form_urlencoded;

/// What was said and the document does not have, each once, in words that name no value.
///
/// Answers are judged by what they hold, not by what they lack: the requests name the fields they want. A null
/// counts as absent, since the documents at hand do not say what may be null.
#[must_use]
pub fn deviations(document: &Value, exchanges: &[Exchange]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for exchange in exchanges {
        let checker = Checker { document };
        checker.exchange(exchange, &mut found);
    }
    found
}

struct Checker<'a> {
    document: &'a Value,
}

impl<'a> Checker<'a> {
    fn exchange(&self, exchange: &Exchange, found: &mut BTreeSet<String>) {
        let request = &exchange.request;
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let method = request.method.as_str();
        let Some((template, item)) = self.path(path) else {
            found.insert(format!("{method} {path}: no such path"));
            return;
        };
        let at = format!("{method} {template}");
        let Some(operation) = item.get(method.to_ascii_lowercase()) else {
            found.insert(format!("{at}: no such method"));
            return;
        };
        let documented = |name: &str| {
            let of = |v: &Value| v["parameters"].as_array().cloned().unwrap_or_default();
            let mut all = of(operation);
            all.extend(of(item));
            all.iter().any(|p| p["in"] == "query" && p["name"] == name)
        };
        for (name, _) in form_urlencoded::parse(query.as_bytes()) {
            let base = name.split('[').next().unwrap_or(&name);
            if !documented(base) && !documented(&format!("{base}[]")) {
                found.insert(format!("{at}: query {base} is not documented"));
            }
        }
        let body = &operation["requestBody"]["content"]["application/json"]["schema"];
        self.body(&format!("{at}: request"), body, &request.body, true, found);
        let responses = &operation["responses"];
        let status = exchange.response.status.to_string();
        let Some(answer) = responses.get(&status).or_else(|| responses.get("default")) else {
            found.insert(format!("{at}: answer {status} is not documented"));
            return;
        };
        let answer = &self.resolve(answer)["content"]["application/json"]["schema"];
        let place = format!("{at}: answer {status}");
        self.body(&place, answer, &exchange.response.body, false, found);
    }

    fn body(
        &self,
        at: &str,
        schema: &'a Value,
        bytes: &[u8],
        whole: bool,
        found: &mut BTreeSet<String>,
    ) {
        if bytes.is_empty() || schema.is_null() {
            return;
        }
        match serde_json::from_slice(bytes) {
            Ok(value) => self.value(at, schema, &value, whole, found),
            Err(_) => {
                found.insert(format!("{at} is not JSON"));
            }
        }
    }

    /// The template with the fewest placeholders wins: `/orders/export` before `/orders/{id}`.
    fn path(&self, path: &str) -> Option<(&'a str, &'a Value)> {
        let wanted: Vec<_> = path.split('/').collect();
        let fits = |template: &str| {
            let parts: Vec<_> = template.split('/').collect();
            parts.len() == wanted.len()
                && parts
                    .iter()
                    .zip(&wanted)
                    .all(|(p, w)| p == w || p.starts_with('{'))
        };
        let paths = self.document["paths"].as_object()?;
        paths
            .iter()
            .filter(|(template, _)| fits(template))
            .min_by_key(|(template, _)| template.matches('{').count())
            .map(|(template, item)| (template.as_str(), item))
    }

    fn resolve(&self, schema: &'a Value) -> &'a Value {
        let mut schema = schema;
        while let Some(to) = schema["$ref"].as_str() {
            schema = self
                .document
                .pointer(to.trim_start_matches('#'))
                .unwrap_or(&Value::Null);
        }
        schema
    }

    /// A schema and everything it is made up of.
    fn parts(&self, schema: &'a Value, into: &mut Vec<&'a Value>) {
        let schema = self.resolve(schema);
        into.push(schema);
        for part in schema["allOf"].as_array().into_iter().flatten() {
            self.parts(part, into);
        }
    }

    fn value(
        &self,
        at: &str,
        schema: &'a Value,
        value: &Value,
        whole: bool,
        found: &mut BTreeSet<String>,
    ) {
        if value.is_null() {
            return;
        }
        let mut parts = Vec::new();
        self.parts(schema, &mut parts);
        for part in &parts {
            if let Some(kind) = part["type"].as_str()
                && !is(kind, value)
            {
                found.insert(format!("{at} is no {kind}"));
                return;
            }
            if let Some(words) = part["enum"].as_array()
                && !words.contains(value)
            {
                found.insert(format!("{at} is none of its words"));
            }
            for list in ["oneOf", "anyOf"] {
                if let Some(choices) = part[list].as_array() {
                    self.one_of(at, choices, value, whole, found);
                }
            }
        }
        match value {
            Value::Array(items) => {
                let of = parts.iter().find_map(|p| p.get("items"));
                for item in items {
                    if let Some(of) = of {
                        self.value(&format!("{at}[]"), of, item, whole, found);
                    }
                }
            }
            Value::Object(fields) => {
                self.fields(at, &parts, fields, whole, found);
            }
            _ => {}
        }
    }

    fn one_of(
        &self,
        at: &str,
        choices: &'a [Value],
        value: &Value,
        whole: bool,
        found: &mut BTreeSet<String>,
    ) {
        let mut first = None;
        for choice in choices {
            let mut wrong = BTreeSet::new();
            self.value(at, choice, value, whole, &mut wrong);
            if wrong.is_empty() {
                return;
            }
            first.get_or_insert(wrong);
        }
        found.extend(first.unwrap_or_default());
    }

    fn fields(
        &self,
        at: &str,
        parts: &[&'a Value],
        fields: &serde_json::Map<String, Value>,
        whole: bool,
        found: &mut BTreeSet<String>,
    ) {
        let documented: Vec<_> = parts.iter().filter_map(|p| p.get("properties")).collect();
        for (name, value) in fields {
            match documented.iter().find_map(|p| p.get(name)) {
                Some(schema) => self.value(&format!("{at}.{name}"), schema, value, whole, found),
                // An object without named fields takes any.
                None if documented.is_empty() => {}
                None => {
                    found.insert(format!("{at}.{name} is not documented"));
                }
            }
        }
        let required = parts.iter().filter_map(|p| p["required"].as_array());
        for name in required.flatten().filter_map(Value::as_str) {
            if whole && !fields.contains_key(name) {
                found.insert(format!("{at}.{name} is required and absent"));
            }
        }
    }
}

fn is(kind: &str, value: &Value) -> bool {
    match kind {
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use hikiate_sdk::http::{Request, Response};
    use serde_json::json;

    use super::*;

    fn said(request: Request, status: u16, body: &Value) -> Exchange {
        let response = Response {
            status,
            headers: Vec::new(),
            body: body.to_string().into_bytes(),
        };
        Exchange { request, response }
    }

    #[test]
    fn what_the_document_does_not_have_is_found() {
        let order = json!({ "allOf": [
            { "type": "object", "properties": { "id": { "type": "string" }, "n": { "type": "integer" } } },
            { "properties": { "state": { "enum": ["open", "shut"] } } },
        ] });
        let document = json!({
            "components": { "schemas": { "Order": order } },
            "paths": { "/orders/{id}": {
                "get": {
                    "parameters": [{ "in": "query", "name": "fields" }],
                    "responses": { "200": { "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Order" } } } } },
                },
                "post": {
                    "requestBody": { "content": { "application/json": { "schema": {
                        "type": "object", "required": ["key"], "properties": { "key": { "type": "string" } },
                    } } } },
                    "responses": { "200": {} },
                },
            } },
        });
        let good = said(
            Request::get("/orders/1?fields=id"),
            200,
            &json!({ "id": "1", "n": 2, "state": "open" }),
        );
        assert_eq!(deviations(&document, &[good]), BTreeSet::new());
        let bad = [
            said(
                Request::get("/orders/1?colour=red"),
                200,
                &json!({ "id": 1, "x": 2, "state": "ajar" }),
            ),
            said(
                Request::post_json("/orders/1", b"{}".to_vec()),
                200,
                &json!({}),
            ),
            said(Request::get("/orders/1"), 418, &json!({})),
            said(Request::get("/parcels"), 200, &json!({})),
        ];
        let found: Vec<_> = deviations(&document, &bad).into_iter().collect();
        assert_eq!(
            found,
            [
                "GET /orders/{id}: answer 200.id is no string",
                "GET /orders/{id}: answer 200.state is none of its words",
                "GET /orders/{id}: answer 200.x is not documented",
                "GET /orders/{id}: answer 418 is not documented",
                "GET /orders/{id}: query colour is not documented",
                "GET /parcels: no such path",
                "POST /orders/{id}: request.key is required and absent",
            ]
        );
    }
}
