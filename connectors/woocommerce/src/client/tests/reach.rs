//! How the shop is logged in to, and what it says when it does not let us in.

use std::path::Path;
use std::sync::Arc;

use hikiate_sdk::budget::Clock;
use hikiate_sdk::http::{Request, Response, Transport};
use hikiate_sdk::sim::{SimTransport, Simulator};
use hikiate_sdk::{
    AccountConfig, AccountSlug, Connector, ConnectorKind, Currency, ErrorClass, ExternalId, Here,
    Kind, Link, Problem, Source,
};
use serde_json::{Value, json};

use super::support::{KEY, SECRET, account, at, basket, shop};
use crate::WooCommerceKind;
use crate::config::{Settings, Standing};

fn build(url: &str, transport: Arc<dyn Transport>) -> Result<Arc<dyn Connector>, Vec<Problem>> {
    let folder = std::env::temp_dir().join(format!("hikiate-woo-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (key, secret) = (folder.join("key"), folder.join("secret"));
    std::fs::write(&key, KEY).unwrap();
    std::fs::write(&secret, SECRET).unwrap();
    let settings: Value =
        json!({ "url": url, "key": { "file": key }, "secret": { "file": secret } });
    let link = Link::new(Clock::default()).over(transport);
    WooCommerceKind.build(&AccountConfig {
        slug: &AccountSlug::from("shop"),
        settings: &settings,
        base_dir: Path::new("/"),
        timezone: "Asia/Tokyo",
        link: &link,
    })
}

async fn orders(account: &dyn Connector) -> Result<usize, hikiate_sdk::Error> {
    let here = Here::at("2026-11-21T10:00:00Z".parse().unwrap());
    let page = account.source().unwrap().page("orders", None, here).await?;
    Ok(page.records.len())
}

#[tokio::test]
async fn over_plain_http_on_loopback_the_shop_is_told_that_it_stands_behind_tls() {
    let sim = shop(&at("2026-11-21T10:00:00Z"), Currency::JPY);
    sim.place_order(basket());
    sim.stand_behind_proxy();
    let transport: Arc<dyn Transport> = Arc::new(SimTransport(sim.clone()));
    let plain = build("http://127.0.0.1:8080", transport.clone())
        .ok()
        .unwrap();
    assert_eq!(orders(&*plain).await.unwrap(), 1);
    // Over TLS it is the proxy's to say so; here none does.
    let secure = build("https://shop.example", transport.clone())
        .ok()
        .unwrap();
    let error = orders(&*secure).await.unwrap_err();
    assert!(
        error.class == ErrorClass::Auth && error.message.contains("X-Forwarded-Proto"),
        "{error}"
    );
    let distant = build("http://shop.example", transport).err().unwrap();
    assert!(distant.len() == 1 && distant[0].key == "url" && distant[0].message.contains("OAuth"));
}

#[tokio::test]
async fn what_statuses_mean_and_where_payments_are_named_is_said() {
    let sim = shop(&at("2026-11-21T10:00:00Z"), Currency::JPY);
    let settings = Settings {
        statuses: [
            ("on-hold".to_owned(), Standing::Open),
            ("picking".to_owned(), Standing::Frozen),
        ]
        .into(),
        ..Settings::default()
    };
    let said = account(sim.transport(), settings).says().join("\n");
    for words in [
        "on-hold = open",
        "pending = waiting",
        "picking = frozen",
        "read from transaction_id",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
}

#[tokio::test]
async fn a_host_that_removes_the_login_and_a_wrong_key_are_told_apart_from_nothing() {
    let sim = shop(&at("2026-11-21T10:00:00Z"), Currency::JPY);
    let woo = account(sim.transport(), Settings::default());
    sim.strip_authorization();
    let error = orders(&woo).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Auth);
    assert!(
        error.message.contains("remove the Authorization header"),
        "{error}"
    );
    let sim = shop(&at("2026-11-21T10:00:00Z"), Currency::JPY);
    let woo = account(sim.transport(), Settings::default());
    sim.exchange_key("ck_new", "cs_new");
    let error = orders(&woo).await.unwrap_err();
    assert_eq!(
        error.code.as_deref(),
        Some("woocommerce_rest_authentication_error")
    );
}

/// A shop whose answers are whatever they are.
struct Says(u16, &'static str);

impl Simulator for Says {
    fn handle(&self, _request: Request) -> Response {
        Response {
            status: self.0,
            headers: vec![("x-wp-total".to_owned(), "0".to_owned())],
            body: self.1.as_bytes().to_vec(),
        }
    }
}

#[tokio::test]
async fn what_plug_ins_print_in_front_of_an_answer_is_named() {
    let says = |status, body| {
        account(
            Arc::new(SimTransport(Arc::new(Says(status, body)))),
            Settings::default(),
        )
    };
    assert_eq!(
        orders(&says(200, "\u{feff}[]")).await.unwrap(),
        0,
        "a byte order mark is none"
    );
    let error = orders(&says(200, "<br />\n<b>Warning</b>: Undefined variable\n[]"))
        .await
        .unwrap_err();
    assert!(
        error.class == ErrorClass::Protocol && error.message.contains("WP_DEBUG_DISPLAY"),
        "{error}"
    );
    // The whole API is gone: that is a wrong address, and no order is absent by it.
    let gone = r#"{"code":"rest_no_route","message":"No route was found.","data":{"status":404}}"#;
    let read = says(404, gone);
    let read = read.read(Kind::Order, &[ExternalId::from("7")]).await;
    assert!(read.is_err_and(|e| e.class == ErrorClass::Config));
}

#[tokio::test]
async fn a_list_without_its_total_is_not_believed() {
    struct NoTotal;
    impl Simulator for NoTotal {
        fn handle(&self, _request: Request) -> Response {
            Response {
                status: 200,
                headers: Vec::new(),
                body: b"[]".to_vec(),
            }
        }
    }
    let woo = account(
        Arc::new(SimTransport(Arc::new(NoTotal))),
        Settings::default(),
    );
    let error = orders(&woo).await.unwrap_err();
    assert!(error.message.contains("X-WP-Total"), "{error}");
}

/// As a process of its own: what a script and the daemon reach by an address.
#[tokio::test]
async fn a_simulator_behind_a_socket_is_a_shop_by_its_address() {
    let sim = shop(&at("2026-11-21T10:00:00Z"), Currency::JPY);
    sim.place_order(basket());
    sim.stand_behind_proxy();
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
        .await
        .unwrap();
    let port = listener.local_addr().unwrap().port();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let shutdown = async { drop(stopped.await) };
    let serving = tokio::spawn(hikiate_sdk::sim::serve(sim.clone(), listener, shutdown));
    let secret = |text: &str| secrecy::SecretString::from(text.to_owned()).into();
    let url = format!("http://127.0.0.1:{port}");
    let http = Link::new(Clock::default()).http(crate::site(url, secret(KEY), secret(SECRET)));
    let woo = crate::WooCommerce::new(http.unwrap(), Settings::default());
    assert_eq!(orders(&woo).await.unwrap(), 1);
    stop.send(()).unwrap();
    serving.await.unwrap().unwrap();
}
