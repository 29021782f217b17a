//! What the conformance suite checks: an account against a mail server of its own, over a real socket.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "only the conformance suite runs it: it stops at the first surprise"
)]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use hikiate_sdk::budget::Clock;
use hikiate_sdk::conformance::{
    Bench, Specification, Subject, TestSystem, Times, Waiver, sample_call,
};
use hikiate_sdk::{AccountConfig, AccountSlug, Call, Link, MailMessage, Op, ShipmentReference};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::SmtpSim;
use crate::{KIND, config, message_id};

const PASSWORD: &str = "correct horse battery";
const TEXT: &str = "山田様 お届け先 東京都千代田区1-1";
const TO: &str = "yamada.taro@example.jp";

/// An external system with a login, so that the suite sees refused credentials too.
struct Server {
    sim: SmtpSim,
    settings: Value,
    calls: AtomicUsize,
    _secret: tempfile::NamedTempFile,
}

#[async_trait]
impl TestSystem for Server {
    fn page_size(&self, _stream: &str) -> usize {
        1
    }

    async fn seed(&self, _stream: &str, _count: usize, _times: Times) -> Vec<String> {
        Vec::new()
    }

    async fn seed_bad(&self, _stream: &str) {}

    async fn seed_long(&self, _stream: &str) -> BTreeMap<String, usize> {
        BTreeMap::new()
    }

    async fn seed_partial(&self, _stream: &str) -> usize {
        0
    }

    async fn seed_at(&self, _stream: &str, _at: DateTime<Utc>) -> Option<String> {
        None
    }

    async fn tell_again(&self, _stream: &str, _identity: &str) {}

    async fn batch(&self, op: Op) -> Call {
        sample_call(op)
    }

    async fn answer_batch(&self, _call: &Call, _refused: &ShipmentReference) -> String {
        String::new()
    }

    async fn call(&self, _op: Op) -> Call {
        let n = self.calls.fetch_add(1, Ordering::SeqCst);
        Call::Mail(MailMessage {
            message_id: format!("mail:shop-jp:order-{n}:shipped:1"),
            to: TO.to_owned(),
            subject: "発送のお知らせ".to_owned(),
            text: TEXT.to_owned(),
        })
    }

    async fn times_done(&self, _op: Op, call: &Call) -> usize {
        match call {
            Call::Mail(mail) => self.sim.count(&message_id(&mail.message_id, "example.jp")),
            _ => 0,
        }
    }

    fn planted(&self) -> Vec<String> {
        // The last one is the login as AUTH PLAIN sends it, which the simulator repeats when it refuses.
        let login = "AHNob3AAY29ycmVjdCBob3JzZSBiYXR0ZXJ5".to_owned();
        vec![
            login,
            PASSWORD.to_owned(),
            TO.to_owned(),
            TEXT.to_owned(),
            "山田".to_owned(),
        ]
    }

    fn debug_texts(&self) -> Vec<String> {
        vec![format!("{:?}", config::read(&self.settings).unwrap())]
    }
}

/// A mail server that asks for a login.
pub struct Mail;

#[async_trait]
impl Subject for Mail {
    fn name(&self) -> String {
        "smtp".to_owned()
    }

    fn waivers(&self) -> Vec<Waiver> {
        let reply = "a 4xx or 5xx reply to the message means by RFC 5321 that it was not accepted; the outcome is never unknown";
        let busy = "SMTP names no time to wait: a busy server says 421, which is transient";
        vec![
            Waiver::new("error before the effect/mail", reply),
            Waiver::new("error after the effect/mail", reply),
            Waiver::new(
                "forbidden/mail",
                "a sender or a recipient that is not allowed is a refusal of this mail: see refused",
            ),
            Waiver::new("rate limited/mail", busy),
            Waiver::new("rate limited without a time/mail", busy),
            Waiver::new("slow down in a 403/mail", busy),
            Waiver::new("rate limited in a 200/mail", busy),
            Waiver::new(
                "error in ok/mail",
                "250 confirms that the server has the mail; there is nothing else to check",
            ),
        ]
    }

    fn specification(&self) -> Option<Specification> {
        None
    }

    async fn fresh(&self) -> Bench {
        let sim = SmtpSim::with_login("shop", PASSWORD);
        let mut secret = tempfile::NamedTempFile::new().unwrap();
        writeln!(secret, "{PASSWORD}").unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(sim.clone().serve(listener, std::future::pending()));
        let settings = json!({
            "host": "127.0.0.1", "port": port, "tls": "none", "from": "店 <shop@example.jp>",
            "connect_timeout": "2s", "timeout": "1s",
            "user": "shop", "password": { "file": secret.path() },
        });
        let slug = AccountSlug::from("mail");
        let link = Link::new(Clock::default());
        let config = AccountConfig {
            slug: &slug,
            settings: &settings,
            base_dir: Path::new("."),
            timezone: "Asia/Tokyo",
            link: &link,
        };
        let connector = KIND
            .build(&config)
            .unwrap_or_else(|problems| panic!("{problems:?}"));
        let far = Server {
            sim: sim.clone(),
            settings,
            calls: AtomicUsize::new(0),
            _secret: secret,
        };
        Bench {
            connector,
            far: Arc::new(far),
            seam: Arc::new(sim),
            link,
        }
    }
}
