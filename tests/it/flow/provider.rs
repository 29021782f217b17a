//! Money at another account than the channel's: a payment provider, read and written as any account.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use hikiate::plan::types::Status;
use hikiate::registry::CONNECTORS;
use hikiate_medusa::sim::NewOrder;
use hikiate_sdk::budget::Budget;
use hikiate_sdk::{
    Ability, AccountConfig, Call, CaptureCall, Connector, ConnectorKind, Currency, Error,
    ErrorClass, Here, InFile, Kind, LookUp, Observed, Op, OperationSpec, Operations, Outcome, Page,
    Parts, PaymentSnapshot, PaymentState, Prepared, Problem, Record, RetryPolicy, Source,
    StreamSpec, Then, one_by_one,
};
use serde_json::{Value, json};

use super::world::{Setup, World, order};

/// What the provider has.
#[derive(Default)]
struct Till {
    payments: BTreeMap<String, PaymentSnapshot>,
    /// Captures that it was asked for: the payment and the amount, by their key.
    captures: BTreeMap<String, (String, i64)>,
}

/// A payment provider whose accounts all share one till.
#[derive(Clone, Default)]
struct Provider(Arc<Mutex<Till>>);

impl Provider {
    fn authorises(&self, key: &str, reference: Option<&str>, amount: i64) {
        let payment = PaymentSnapshot {
            key: key.into(),
            reference: reference.map(str::to_owned),
            version: None,
            currency: Currency::JPY,
            state: PaymentState::Authorised,
            amount,
            authorised: amount,
            captured: 0,
            refunded: 0,
            disputed: 0,
            authorised_until: None,
            pay_by: None,
            parts: None,
            refunds: Vec::new(),
        };
        let mut till = self.0.lock().unwrap();
        till.payments.insert(key.to_owned(), payment);
    }

    fn captures(&self) -> Vec<(String, i64)> {
        self.0.lock().unwrap().captures.values().cloned().collect()
    }
}

impl ConnectorKind for Provider {
    fn name(&self) -> &'static str {
        "provider"
    }

    fn title(&self) -> &'static str {
        "a payment provider in memory"
    }

    fn schema(&self) -> schemars::Schema {
        schemars::json_schema!({ "type": "object" })
    }

    fn build(&self, _: &AccountConfig<'_>) -> Result<Arc<dyn Connector>, Vec<Problem>> {
        Ok(Arc::new(self.clone()))
    }
}

impl Connector for Provider {
    fn source(&self) -> Option<&dyn Source> {
        Some(self)
    }

    fn operations(&self) -> Option<&dyn Operations> {
        Some(self)
    }

    fn budgets(&self) -> Vec<Budget> {
        vec![Budget::paced(1, None)]
    }
}

#[async_trait]
impl Source for Provider {
    fn streams(&self) -> Vec<StreamSpec> {
        vec![StreamSpec {
            name: "payments".to_owned(),
            kind: Kind::Payment,
            interval: Duration::from_secs(1),
            by_code: None,
            unheard: false,
        }]
    }

    async fn page(&self, _: &str, _: Option<&Value>, _: Here<'_>) -> Result<Page, Error> {
        let till = self.0.lock().unwrap();
        let records = till.payments.values().map(|payment| {
            let told = Observed::Payment(Box::new(payment.clone()));
            Record::new(payment.key.as_str(), Ok(told))
        });
        Ok(Page::new(records.collect(), json!(null), false))
    }

    fn reread(&self, _: &str, _: Option<&InFile>, _: &[u8]) -> Result<Vec<Record>, Error> {
        Err(Error::new(ErrorClass::Config, "ask again"))
    }

    async fn acknowledge(&self, _: &Value) -> Result<(), Error> {
        Ok(())
    }
}

#[async_trait]
impl Operations for Provider {
    fn operations(&self) -> Vec<OperationSpec> {
        vec![OperationSpec {
            op: Op::Capture,
            retry: RetryPolicy::IdempotencyKey {
                ttl: None,
                after_expiry: Then::Manual,
            },
            completes_on_accept: true,
            ability: Ability::Capture(Parts::Many),
            members: OperationSpec::ANY,
            together: 1,
            summary: "captures the payment; cannot be undone",
        }]
    }

    fn prepare(&self, call: &Call) -> Result<Prepared, Error> {
        let Call::Capture(call) = call else {
            return Err(Error::new(ErrorClass::Config, "captures alone"));
        };
        Ok(Prepared {
            bytes: serde_json::to_vec(call).unwrap(),
            label: format!("capture {}", call.payment_there()),
        })
    }

    async fn send(&self, _: Op, calls: &[&Prepared]) -> Vec<Result<Outcome, Error>> {
        one_by_one(calls, |prepared| async move { self.capture(prepared) }).await
    }

    async fn look_up(&self, _: Op, calls: &[&Prepared]) -> Vec<Result<LookUp, Error>> {
        calls.iter().map(|_| Ok(LookUp::Inconclusive)).collect()
    }
}

impl Provider {
    fn capture(&self, prepared: &Prepared) -> Result<Outcome, Error> {
        let call: CaptureCall = serde_json::from_slice(&prepared.bytes).unwrap();
        let mut till = self.0.lock().unwrap();
        if !till.captures.contains_key(&call.key) {
            let key = call.payment_there().to_string();
            let Some(payment) = till.payments.get_mut(&key) else {
                return Ok(Outcome::Refused {
                    code: "unknown".to_owned(),
                    message: format!("no payment {key}"),
                });
            };
            let amount = call.amount.unwrap_or(payment.authorised - payment.captured);
            payment.captured += amount;
            payment.state = PaymentState::Paid;
            till.captures.insert(call.key, (key, amount));
        }
        Ok(Outcome::Done { id: None })
    }
}

/// A shop whose card payments are at the provider; its orders keep the provider's id where it reads remarks.
async fn world(provider: &Provider) -> World {
    let mut kinds = CONNECTORS.to_vec();
    kinds.push(Box::leak(Box::new(provider.clone())));
    let mut world = World::new(Setup {
        connectors: kinds.leak(),
        shop: "payment_reference = \"metadata.remarks\"\n",
        more: "[accounts.till]\nconnector = \"provider\"\n[delivery]\npresume = \"0s\"\n",
        ..Setup::default()
    })
    .await;
    let at_the_till = "{ method = \"card\", account = \"till\" }";
    world
        .restart(|toml| toml.replace("{ method = \"card\", account = \"shop\" }", at_the_till))
        .await;
    world.tokyo.set_stock("APPLE", 10);
    world.count_stock().await;
    world.round().await;
    world
}

fn paid_by(id: &str) -> NewOrder {
    NewOrder {
        remarks: id.to_owned(),
        ..order(&[("APPLE", 2, "1000")])
    }
}

#[tokio::test]
async fn what_is_paid_at_a_provider_ships_once_it_says_so_and_is_captured_there_once() {
    let provider = Provider::default();
    let mut world = world(&provider).await;
    provider.authorises("pi_stranger", Some("77"), 5000);
    let id = world.shop.place_order(paid_by("pi_1"));
    world.rounds(5).await;
    assert!(
        world.is(&id, Status::Unallocated).await,
        "not read there yet"
    );
    let total = world.shop.order(&id).unwrap().total;
    provider.authorises("pi_1", None, total);
    world.rounds(20).await;
    assert!(world.is(&id, Status::Booked).await);
    assert_eq!(provider.captures(), [("pi_1".to_owned(), total)]);
    let seen = world.shop.order(&id).unwrap();
    assert!(seen.is_shipped());
    assert_eq!(
        (seen.captured, seen.captures),
        (0, 0),
        "the shop's own payment"
    );
    assert_eq!(world.journal_total(), total);
    assert!(world.tasks().await.is_empty(), "{:?}", world.tasks().await);
}

#[tokio::test]
async fn a_payment_that_the_provider_has_before_the_order_ships_it_at_once() {
    let provider = Provider::default();
    let mut world = world(&provider).await;
    provider.authorises("pi_1", None, 2750);
    world.rounds(2).await;
    let id = world.shop.place_order(paid_by("pi_1"));
    let other = world.shop.place_order(paid_by("pi_2"));
    world.rounds(20).await;
    assert_eq!(world.shop.order(&id).unwrap().total, 2750);
    assert!(world.is(&id, Status::Booked).await);
    assert!(
        world.is(&other, Status::Unallocated).await,
        "another's money"
    );
    assert_eq!(provider.captures(), [("pi_1".to_owned(), 2750)]);
}
