//! The account against its simulator: what goes over the wire, what is read, what others do meanwhile.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod answers;
mod quirks;
mod reading;
mod writing;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use hikiate_sdk::budget::Clock;
use hikiate_sdk::conformance::run;
use hikiate_sdk::http::{Request, Response};
use hikiate_sdk::sim::{SimClock, Simulator};
use hikiate_sdk::{ConnectorKind, Here, Kind, Link, Observed, PaymentSnapshot, Record, Source};
use secrecy::SecretString;
use serde_json::Value;

use super::{StripeSim, Till};
use crate::config::{Mode, Settings};
use crate::{Stripe, StripeKind, site};

const KEY: &str = "sk_test_1";

/// An account and the Stripe behind it.
struct World {
    clock: SimClock,
    sim: Arc<StripeSim>,
    account: Stripe,
    cursor: Option<Value>,
}

impl World {
    fn new() -> Self {
        Self::with(Settings {
            mode: Some(Mode::Test),
            page_size: 5,
            ..Settings::default()
        })
    }

    fn with(settings: Settings) -> Self {
        let clock = SimClock::at("2026-11-21T10:00:00Z".parse().unwrap());
        let sim = Arc::new(StripeSim::new(clock.clone(), KEY));
        let link = Link::new(Clock::default()).over(sim.transport());
        let secret = SecretString::from(KEY.to_owned());
        let http = link.http(site("https://api.stripe.example", secret.into()));
        Self {
            account: Stripe::new(http.unwrap(), settings),
            clock,
            sim,
            cursor: None,
        }
    }

    fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    fn later(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// A round of the stream: what was told, in order, the last of each payment.
    async fn round(&mut self) -> Vec<PaymentSnapshot> {
        let (told, bad) = self.whole_round().await;
        assert!(bad.is_empty(), "{bad:?}");
        told
    }

    /// The same, and what of it could not be understood.
    async fn whole_round(&mut self) -> (Vec<PaymentSnapshot>, Vec<Record>) {
        let mut told: Vec<PaymentSnapshot> = Vec::new();
        let mut bad: Vec<Record> = Vec::new();
        loop {
            let here = Here::at(self.now());
            let page = self.account.page("payments", self.cursor.as_ref(), here);
            let page = page.await.unwrap();
            for record in page.records {
                match record.parsed {
                    Ok(Observed::Payment(payment)) => {
                        told.retain(|known| known.key != payment.key);
                        told.push(*payment);
                    }
                    Ok(other) => panic!("{other:?}"),
                    Err(_) => {
                        bad.retain(|known| known.raw != record.raw);
                        bad.push(record);
                    }
                }
            }
            self.cursor = Some(page.next);
            if !page.more {
                return (told, bad);
            }
        }
    }

    /// One payment by its id.
    async fn read(&self, id: &str) -> PaymentSnapshot {
        let ids = [id.into()];
        let read = self.account.read(Kind::Payment, &ids);
        let mut records = read.await.unwrap();
        assert_eq!(records.len(), 1);
        match records.remove(0).parsed {
            Ok(Observed::Payment(payment)) => *payment,
            other => panic!("{other:?}"),
        }
    }
}

/// A request past the connector.
fn ask(sim: &StripeSim, mut request: Request) -> Response {
    let key = ("authorization".to_owned(), format!("Bearer {KEY}"));
    request.headers.push(key);
    sim.handle(request)
}

#[tokio::test]
async fn the_suite_holds() {
    let card = run(&Till::default()).await;
    println!("{card}");
    assert_eq!(card.failures(), Vec::<String>::new(), "{card}");
    let subjects = StripeKind.subjects();
    assert_eq!(subjects.len(), 1);
}
