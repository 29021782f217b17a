//! Shop and mail over TLS: what has a certificate of a known authority, for its own name and of today, is reached, and nothing
//! else is told anything.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use hikiate_medusa::MedusaKind;
use hikiate_medusa::sim::MedusaSim;
use hikiate_sdk::budget::Clock;
use hikiate_sdk::conformance::sample_call;
use hikiate_sdk::sim::{SimClock, serve};
use hikiate_sdk::{
    AccountConfig, AccountSlug, Connector, ConnectorKind, Currency, Error, ErrorClass, Here, Link,
    Op, Outcome, Problem,
};
use hikiate_smtp::sim::SmtpSim;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::flow::world::{order, start};
use crate::support::tls::{Authority, Certified, over_starttls, over_tls};

fn build(
    kind: &dyn ConnectorKind,
    base_dir: &Path,
    settings: &Value,
) -> Result<Arc<dyn Connector>, Vec<Problem>> {
    let slug = AccountSlug::from("far");
    kind.build(&AccountConfig {
        slug: &slug,
        settings,
        base_dir,
        timezone: "Asia/Tokyo",
        link: &Link::new(Clock::default()),
    })
}

async fn listening() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// What `localhost` shows, which authority the account knows, and the word of the refusal.
fn refused() -> Vec<(Certified, Option<Authority>, &'static str)> {
    let (one, other, third) = (Authority::new(), Authority::new(), Authority::new());
    vec![
        (Authority::new().server("localhost"), None, "UnknownIssuer"),
        (
            third.server("localhost"),
            Some(Authority::new()),
            "UnknownIssuer",
        ),
        (
            one.server("elsewhere.example"),
            Some(one),
            "not valid for name",
        ),
        (other.expired("localhost"), Some(other), "expired"),
    ]
}

fn with_authority(mut settings: Value, authority: Option<&Authority>) -> Value {
    if let Some(authority) = authority {
        settings["ca_file"] = json!(authority.file());
    }
    settings
}

async fn orders(shop: &dyn Connector) -> Result<usize, Error> {
    let source = shop.source().unwrap();
    let page = source.page("orders", None, Here::at(start())).await?;
    Ok(page.records.len())
}

async fn shop() -> (Arc<MedusaSim>, SocketAddr, tempfile::TempDir) {
    let sim = MedusaSim::new(SimClock::at(start()), "sk_1", Currency::JPY);
    let sim = Arc::new(sim);
    sim.place_order(order(&[("APPLE", 1, "1000")]));
    let (listener, address) = listening().await;
    tokio::spawn(serve(sim.clone(), listener, std::future::pending()));
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("key"), "sk_1").unwrap();
    (sim, address, dir)
}

fn of_shop(port: u16, dir: &Path) -> Value {
    json!({ "url": format!("https://localhost:{port}"), "token": { "file": dir.join("key") } })
}

#[tokio::test]
async fn a_shop_with_a_certificate_of_a_known_authority_is_read() {
    let (_sim, address, dir) = shop().await;
    let authority = Authority::new();
    let port = over_tls(&authority.server("localhost"), address).await;
    let settings = with_authority(of_shop(port, dir.path()), Some(&authority));
    let shop = build(&MedusaKind, dir.path(), &settings).unwrap();
    assert_eq!(orders(&*shop).await.unwrap(), 1);
    // Beside the configuration, by a name.
    std::fs::copy(authority.file(), dir.path().join("our-ca.pem")).unwrap();
    let mut settings = of_shop(port, dir.path());
    settings["ca_file"] = json!("our-ca.pem");
    let shop = build(&MedusaKind, dir.path(), &settings).unwrap();
    assert_eq!(orders(&*shop).await.unwrap(), 1);
}

#[tokio::test]
async fn a_shop_with_any_other_certificate_is_told_nothing() {
    let (_sim, address, dir) = shop().await;
    for (certified, authority, word) in refused() {
        let port = over_tls(&certified, address).await;
        let settings = with_authority(of_shop(port, dir.path()), authority.as_ref());
        let shop = build(&MedusaKind, dir.path(), &settings).unwrap();
        let error = orders(&*shop).await.unwrap_err();
        // Nothing has left: a write would be sent again.
        assert_eq!(error.class, ErrorClass::Transient, "{error}");
        assert!(error.message.contains(word), "{word}: {error}");
    }
}

#[tokio::test]
async fn a_file_of_authorities_that_is_none_is_a_wrong_configuration() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("key"), "sk_1").unwrap();
    std::fs::write(dir.path().join("empty.pem"), "no certificate\n").unwrap();
    for (file, url, word) in [
        ("gone.pem", "https://localhost", "gone.pem"),
        ("empty.pem", "https://localhost", "PEM is expected"),
        ("empty.pem", "http://localhost", "plain http"),
    ] {
        let settings =
            json!({ "url": url, "token": { "file": dir.path().join("key") }, "ca_file": file });
        let problems = build(&MedusaKind, dir.path(), &settings).err().unwrap();
        assert_eq!(problems[0].key, "ca_file");
        assert!(problems[0].message.contains(word), "{problems:?}");
    }
}

async fn mails() -> (SmtpSim, SocketAddr) {
    let sim = SmtpSim::default();
    let (listener, address) = listening().await;
    tokio::spawn(sim.clone().serve(listener, std::future::pending()));
    (sim, address)
}

async fn front(tls: &str, certified: &Certified, behind: SocketAddr) -> u16 {
    match tls {
        "starttls" => over_starttls(certified, behind).await,
        _ => over_tls(certified, behind).await,
    }
}

async fn send(settings: &Value) -> Result<Outcome, Error> {
    let account = build(hikiate_smtp::KIND, Path::new("/"), settings).unwrap();
    let operations = account.operations().unwrap();
    let prepared = operations.prepare(&sample_call(Op::Mail)).unwrap();
    operations.send_one(Op::Mail, &prepared).await
}

fn of_mail(tls: &str, port: u16) -> Value {
    json!({ "host": "localhost", "port": port, "tls": tls, "from": "shop@example.jp" })
}

#[tokio::test]
async fn a_mail_server_with_a_certificate_of_a_known_authority_gets_the_mail() {
    for tls in ["implicit", "starttls"] {
        let (sim, address) = mails().await;
        let authority = Authority::new();
        let port = front(tls, &authority.server("localhost"), address).await;
        let settings = with_authority(of_mail(tls, port), Some(&authority));
        let outcome = send(&settings).await.unwrap();
        assert!(matches!(outcome, Outcome::Done { .. }), "{tls}");
        assert_eq!(sim.mails().len(), 1, "{tls}");
    }
}

#[tokio::test]
async fn a_mail_server_with_any_other_certificate_gets_nothing() {
    for tls in ["implicit", "starttls"] {
        for (certified, authority, word) in refused() {
            let (sim, address) = mails().await;
            let port = front(tls, &certified, address).await;
            let settings = with_authority(of_mail(tls, port), authority.as_ref());
            let error = send(&settings).await.unwrap_err();
            assert_eq!(error.class, ErrorClass::Transient, "{tls}: {error}");
            assert!(error.message.contains(word), "{tls}, {word}: {error}");
            assert!(sim.mails().is_empty(), "{tls}");
        }
    }
}
