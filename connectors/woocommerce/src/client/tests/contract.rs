//! Requests of the connector and answers of the simulator against the public reference of the REST API (a copy of 2024-03), which
//! has routes with their arguments and tables of properties. Needs the folder in `HIKIATE_SPECS`; it is not ours to keep here.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use hikiate_sdk::budget::Clock;
use hikiate_sdk::conformance::{Exchange, Exchanges};
use hikiate_sdk::sim::skipped;
use hikiate_sdk::{
    AnnotateCall, Call, Currency, ExternalId, Here, HoldWhy, Kind, Link, Operations, ShownHold,
    Source,
};
use secrecy::SecretString;
use serde_json::Value;
use url::form_urlencoded;

use super::support::{KEY, SECRET, World, at, basket, shop};
use crate::client::API;
use crate::config::Settings;
use crate::{WooCommerce, site};

/// Where the copy and shops of today differ, each with how that is known.
const DEVIATIONS: &[(&str, &str)] = &[
    (
        "/orders/N/fulfillments: no such route",
        "newer than the copy: read in the shop's source (OrderFulfillmentsRestController, since 10.1)",
    ),
    (
        "/orders: orderby is modified",
        "newer than the copy: read in the shop's source (WC_REST_CRUD_Controller)",
    ),
    (
        "/products: query _fields",
        "of WordPress itself, for every route",
    ),
    (
        "/products/N/variations: query _fields",
        "of WordPress itself, for every route",
    ),
    (
        "/orders/N: query _",
        "WordPress passes over what it does not know: it is there for caches",
    ),
    (
        "/orders/N/notes: query _",
        "WordPress passes over what it does not know: it is there for caches",
    ),
    (
        "/orders/N/refunds: query _",
        "WordPress passes over what it does not know: it is there for caches",
    ),
    (
        "/orders: answer rate_percent",
        "newer than the copy: read in the shop's source (WC_Order_Item_Tax)",
    ),
    (
        "/orders/N: answer rate_percent",
        "newer than the copy: read in the shop's source (WC_Order_Item_Tax)",
    ),
];

/// A route of the copy, with its methods, arguments and the section that describes it.
struct Reference {
    index: Value,
    resources: Value,
}

impl Reference {
    fn read(folder: &Path) -> Self {
        let json = |name: &str| {
            let path = folder.join("woocommerce").join(name);
            serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
        };
        Self {
            index: json("wc-v3.index.json"),
            resources: json("wc-v3.resources.json"),
        }
    }

    /// The endpoints of a path, whose ids are digits.
    fn endpoints(&self, path: &str) -> Option<&Vec<Value>> {
        let wanted: Vec<&str> = path.split('/').collect();
        let fits = |route: &str| {
            let parts: Vec<&str> = route.trim_start_matches("/wc/v3").split('/').collect();
            parts.len() == wanted.len()
                && parts
                    .iter()
                    .zip(&wanted)
                    .all(|(part, word)| part == word || part.starts_with("(?P<") && *word == "N")
        };
        let routes = self.index["routes"].as_object()?;
        let (_, route) = routes.iter().find(|(route, _)| fits(route))?;
        route["endpoints"].as_array()
    }

    /// The section of a path: `/orders/N/refunds` is of refunds.
    fn section(&self, path: &str) -> &Value {
        let name = match path {
            _ if path.contains("/refunds") => "order-refunds",
            _ if path.contains("/notes") => "order-notes",
            _ if path.contains("/variations") => "product-variations",
            _ if path.starts_with("/products") => "products",
            _ => "orders",
        };
        &self.resources[name]
    }

    /// Every property that a section names, in its tables or in its examples.
    fn properties(&self, path: &str) -> BTreeSet<String> {
        let section = self.section(path);
        let tables = section["objects"].as_object().into_iter().flatten();
        let rows = tables.flat_map(|(_, rows)| rows.as_array().into_iter().flatten());
        let mut names: BTreeSet<String> = rows
            .filter_map(|row| row["attribute"].as_str())
            .map(str::to_owned)
            .collect();
        keys(&section["examples"], &mut names);
        names
    }

    /// What a section says of the parameters of its calls.
    fn parameters<'r>(&'r self, path: &str) -> impl Iterator<Item = (&'r str, &'r str)> {
        let all = self.section(path)["parameters"]
            .as_object()
            .into_iter()
            .flatten();
        let rows = all.flat_map(|(_, rows)| rows.as_array().into_iter().flatten());
        rows.filter_map(|row| Some((row["parameter"].as_str()?, row["description"].as_str()?)))
    }

    fn deviations(&self, exchange: &Exchange, found: &mut BTreeSet<String>) {
        let request = &exchange.request;
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let path = numbered(path.strip_prefix(API).unwrap_or(path));
        let method = request.method.as_str();
        let endpoint = self.endpoints(&path).and_then(|all| {
            all.iter().find(|of| {
                let methods = of["methods"].as_array().into_iter().flatten();
                methods
                    .filter_map(Value::as_str)
                    .any(|known| known == method)
            })
        });
        let Some(endpoint) = endpoint else {
            found.insert(format!("{path}: no such route"));
            return;
        };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let described = self.parameters(&path).find(|(known, _)| *known == name);
            if described.is_none() && endpoint["args"].get(&*name).is_none() {
                found.insert(format!("{path}: query {name}"));
            }
            let options = described
                .filter(|_| name == "orderby")
                .map(|(_, words)| words);
            if options.is_some_and(|options| !options.contains(&*value)) {
                found.insert(format!("{path}: {name} is {value}"));
            }
        }
        let properties = self.properties(&path);
        if let Ok(body) = serde_json::from_slice::<Value>(&request.body) {
            for (name, _) in body.as_object().unwrap() {
                if endpoint["args"].get(name).is_none() && !properties.contains(name) {
                    found.insert(format!("{path}: request {name}"));
                }
            }
        }
        let mut told = BTreeSet::new();
        let body: Value = serde_json::from_slice(&exchange.response.body).unwrap();
        if exchange.response.status >= 400 {
            assert!(
                body["code"].is_string() && body["message"].is_string(),
                "{body}"
            );
            return;
        }
        keys(&body, &mut told);
        for name in told.difference(&properties) {
            found.insert(format!("{path}: answer {name}"));
        }
    }
}

/// The names of everything in a body, except below keys of metadata, which are free.
fn keys(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Array(all) => all.iter().for_each(|one| keys(one, names)),
        Value::Object(fields) => {
            for (name, below) in fields {
                names.insert(name.clone());
                if name != "value" {
                    keys(below, names);
                }
            }
        }
        _ => {}
    }
}

fn numbered(path: &str) -> String {
    let digits = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit());
    let parts = path
        .split('/')
        .map(|word| if digits(word) { "N" } else { word });
    parts.collect::<Vec<_>>().join("/")
}

/// Everything that the connector asks of a shop, once with fulfilments and once without.
async fn talk() -> Vec<Exchange> {
    let kept = Exchanges::default();
    for fulfilments in [true, false] {
        let clock = at("2026-11-21T10:00:00Z");
        let sim = shop(&clock, Currency::JPY);
        sim.offer_fulfilments(fulfilments);
        sim.add_variable_product("SHIRT", &[("SHIRT-S", 3), ("SHIRT-M", 4)]);
        sim.add_product("CUP", 9);
        let secret = |text: &str| SecretString::from(text.to_owned()).into();
        let link = Link::new(Clock::default()).over(kept.over(sim.transport()));
        let http = link.http(site("https://shop.example", secret(KEY), secret(SECRET)));
        let settings = Settings {
            page_size: 2,
            complete_when_shipped: !fulfilments,
            ..Settings::default()
        };
        let woo = WooCommerce::new(http.unwrap(), settings);
        let order = sim.place_order(basket());
        let world = World {
            sim,
            clock: clock.clone(),
            woo,
            order,
        };
        let line = world.line(0);
        world
            .sim
            .refund_lines_by_staff(&world.order, 1100, &[(&line, 1)], false);
        let note = Call::Annotate(AnnotateCall {
            order: ExternalId::new(world.order.clone()),
            holds: vec![ShownHold {
                rule: "manual".to_owned(),
                why: HoldWhy::Operator,
            }],
        });
        let calls = [
            note,
            world.ship("HK0000000000001-S1", &[(0, 2), (1, 1)], &["T1"]),
            world.refund("refund:1", 540, 1640, &[(1, 1, 540)]),
        ];
        for call in &calls {
            world.send(call).await.unwrap();
            let prepared = world.woo.prepare(call).unwrap();
            world.woo.look_up_one(call.op(), &prepared).await.unwrap();
        }
        let second = World {
            order: world.sim.place_order(basket()),
            ..world
        };
        second.send(&second.cancel()).await.unwrap();
        for _ in 0..5 {
            second.sim.place_order(basket());
        }
        let here = Here::at(clock.now());
        for stream in ["orders", "stock"] {
            let mut cursor = None;
            loop {
                let page = second
                    .woo
                    .page(stream, cursor.as_ref(), here)
                    .await
                    .unwrap();
                cursor = Some(page.next);
                if !page.more {
                    break;
                }
            }
        }
        let ids = [
            ExternalId::new(second.order.clone()),
            ExternalId::from("999999"),
        ];
        second.woo.read(Kind::Order, &ids).await.unwrap();
    }
    kept.all()
}

#[tokio::test]
async fn what_goes_over_the_wire_is_in_the_public_reference() {
    let Some(folder) = std::env::var_os("HIKIATE_SPECS").map(PathBuf::from) else {
        let test = "what_goes_over_the_wire_is_in_the_public_reference";
        return skipped(
            test,
            "HIKIATE_SPECS names no folder of public specifications",
        );
    };
    let reference = Reference::read(&folder);
    let said = talk().await;
    assert!(said.len() > 40, "{}", said.len());
    let mut found = BTreeSet::new();
    for exchange in &said {
        reference.deviations(exchange, &mut found);
    }
    let declared: BTreeSet<String> = DEVIATIONS
        .iter()
        .map(|(what, _)| (*what).to_owned())
        .collect();
    let new: Vec<_> = found.difference(&declared).collect();
    let gone: Vec<_> = declared.difference(&found).collect();
    assert!(new.is_empty(), "not in the public reference: {new:#?}");
    assert!(
        gone.is_empty(),
        "declared, and in the reference after all: {gone:#?}"
    );
}

/// The check itself: it finds what the reference does not have.
#[tokio::test]
async fn the_comparison_finds_what_is_not_documented() {
    let reference = Reference {
        index: serde_json::json!({ "routes": { "/wc/v3/orders/(?P<id>[\\d]+)": {
            "endpoints": [{ "methods": ["GET", "PUT"], "args": { "status": {} } }],
        } } }),
        resources: serde_json::json!({ "orders": {
            "objects": { "Order properties": [{ "attribute": "id" }] },
            "parameters": { "List": [{ "parameter": "orderby", "description": "Options: date and id." }] },
            "examples": [],
        } }),
    };
    let exchange = |request: hikiate_sdk::http::Request, body: Value| Exchange {
        request,
        response: hikiate_sdk::http::Response {
            status: 200,
            headers: Vec::new(),
            body: body.to_string().into_bytes(),
        },
    };
    let mut found = BTreeSet::new();
    let path = format!("{API}/orders/7?status=x&orderby=modified&colour=red");
    let request =
        hikiate_sdk::http::Request::put_json(path, br#"{"status":"x","size":1}"#.to_vec());
    reference.deviations(
        &exchange(request, serde_json::json!({ "id": 1, "hue": 2 })),
        &mut found,
    );
    let other = hikiate_sdk::http::Request::get(format!("{API}/parcels"));
    reference.deviations(&exchange(other, serde_json::json!({})), &mut found);
    let found: Vec<String> = found.into_iter().collect();
    assert_eq!(
        found,
        [
            "/orders/N: answer hue",
            "/orders/N: orderby is modified",
            "/orders/N: query colour",
            "/orders/N: request size",
            "/parcels: no such route",
        ]
    );
}
