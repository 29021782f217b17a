//! Requests and answers against a public OpenAPI document.

mod form;
mod names;
mod schema;

use std::collections::{BTreeSet, HashMap};

use hikiate_sdk::conformance::Exchange;
use serde_json::Value;
use url::form_urlencoded;

use schema::{Bodies, Side};

/// What was said and the document does not have, each once, in words that name no value.
///
/// Bodies are judged by JSON Schema: those of requests whole, forms too; those of answers by what they hold, not by what they
/// lack, since requests name the fields they want. A null counts as absent: the documents at hand do not say what may be null.
#[must_use]
pub fn deviations(document: &Value, exchanges: &[Exchange]) -> BTreeSet<String> {
    let mut checker = Checker {
        document,
        bodies: HashMap::new(),
        found: BTreeSet::new(),
    };
    for exchange in exchanges {
        checker.exchange(exchange);
    }
    checker.found
}

struct Checker<'a> {
    document: &'a Value,
    /// A schema is compiled once, under the place where it stands.
    bodies: HashMap<String, Bodies>,
    found: BTreeSet<String>,
}

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

impl<'a> Checker<'a> {
    fn exchange(&mut self, exchange: &Exchange) {
        let request = &exchange.request;
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let method = request.method.as_str();
        let Some((template, item)) = self.path(path) else {
            self.found.insert(format!("{method} {path}: no such path"));
            return;
        };
        let at = format!("{method} {template}");
        let Some(operation) = item.get(method.to_ascii_lowercase()) else {
            self.found.insert(format!("{at}: no such method"));
            return;
        };
        self.query(&at, query, &[operation, item]);
        let media = media(
            request
                .headers
                .iter()
                .map(|(n, v)| (n.as_str(), v.as_str())),
        );
        let body = names::resolve(self.document, &operation["requestBody"]);
        let place = format!("{at}: request");
        if !request.body.is_empty() {
            match body["content"].get(media) {
                Some(content) => {
                    let schema = &content["schema"];
                    let value = match media {
                        FORM => Some(form::value(self.document, schema, &request.body)),
                        _ => serde_json::from_slice(&request.body).ok(),
                    };
                    self.body(&place, schema, value, Side::Request);
                }
                None => {
                    self.found.insert(format!("{place}: no body of {media}"));
                }
            }
        }
        let status = exchange.response.status.to_string();
        let responses = &operation["responses"];
        let Some(answer) = responses.get(&status).or_else(|| responses.get("default")) else {
            self.found
                .insert(format!("{at}: answer {status} is not documented"));
            return;
        };
        let schema = &names::resolve(self.document, answer)["content"][JSON]["schema"];
        let body = &exchange.response.body;
        if !body.is_empty() && !schema.is_null() {
            let place = format!("{at}: answer {status}");
            self.body(
                &place,
                schema,
                serde_json::from_slice(body).ok(),
                Side::Answer,
            );
        }
    }

    fn query(&mut self, at: &str, query: &str, places: &[&Value]) {
        let document = self.document;
        let documented = |name: &str| {
            places.iter().any(|place| {
                let all = place["parameters"].as_array().into_iter().flatten();
                all.map(|p| names::resolve(document, p))
                    .any(|p| p["in"] == "query" && p["name"] == name)
            })
        };
        for (name, _) in form_urlencoded::parse(query.as_bytes()) {
            let base = name.split('[').next().unwrap_or(&name);
            if !documented(base) && !documented(&format!("{base}[]")) {
                self.found
                    .insert(format!("{at}: query {base} is not documented"));
            }
        }
    }

    fn body(&mut self, at: &str, schema: &Value, value: Option<Value>, side: Side) {
        let Some(mut value) = value else {
            self.found.insert(format!("{at} is not JSON"));
            return;
        };
        schema::drop_nulls(&mut value);
        let document = self.document;
        let bodies = self
            .bodies
            .entry(at.to_owned())
            .or_insert_with(|| Bodies::compile(document, schema, side));
        bodies.judge(at, &value, &mut self.found);
        names::undocumented(document, at, &[schema], &value, &mut self.found);
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
}

/// The kind of a request's body; JSON where it does not say.
fn media<'a>(mut headers: impl Iterator<Item = (&'a str, &'a str)>) -> &'static str {
    let form = headers
        .any(|(name, value)| name.eq_ignore_ascii_case("content-type") && value.starts_with(FORM));
    if form { FORM } else { JSON }
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
                "GET /orders/{id}: answer 200.id: it is not of type \"string\"",
                "GET /orders/{id}: answer 200.state is not one of its values",
                "GET /orders/{id}: answer 200.x is not documented",
                "GET /orders/{id}: answer 418 is not documented",
                "GET /orders/{id}: query colour is not documented",
                "GET /parcels: no such path",
                "POST /orders/{id}: request.key is required and absent",
            ]
        );
    }
}
