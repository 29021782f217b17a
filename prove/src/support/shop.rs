//! One shop with one warehouse on a database of its own, worked step by step: what a test says of external
//! systems is stored as a pull would store it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use hikiate::config::{MailTemplate, MailTemplates};
use hikiate::daemon::{allocate_step, plan_step};
use hikiate::engine::{Engine, PlanningLimits};
use hikiate::facts::{FactBody, OrderFact, PaymentFact};
use hikiate::number::order_number;
use hikiate::ops::metrics::Metrics;
use hikiate::policy::{
    Allocation, CaptureRule, Catalogue, Channel, Dispatch, Partial, PaymentMethod, PaymentRoute,
    Policy, Retention, Shop as Merchant, Warehouse,
};
use hikiate::pull::features;
use hikiate::rules::RuleSet;
use hikiate::store::{
    IncomingFact, IncomingOrder, IncomingPage, IncomingPayment, IncomingStock, Instance,
    OwnedAccount, PageDone, Source, Store, StoreError, StreamAfter,
};
use hikiate_sdk::{
    AccountSlug, ChannelGate, ChannelState, Charge, ChargeKind, Contents, Customs, DeliveryGroup,
    FulfilledBy, InFile, OrderLine, OrderSnapshot, ParcelLine, ParcelReport, Party,
    PaymentSnapshot, Personal, Tender, Wishes,
};
use sqlx::PgPool;

use super::database::{TestDb, db};

/// The stream that pages come in.
pub const STREAM: &str = "orders";

/// A shop, its warehouse and the process that works for them.
pub struct Shop {
    /// The engine its steps run on.
    pub engine: Arc<Engine>,
    /// Its database.
    pub db: TestDb,
}

/// A file of this name that told what it tells at this minute; the record stood in its rows 3 and 5.
pub fn in_file(name: &str, minute: i64) -> InFile {
    InFile {
        name: name.to_owned(),
        sha256: format!("{minute:064}"),
        told: at(minute),
        read_at: at(minute + 1),
        rows: vec![3, 5],
    }
}

/// A time on the day all of this happens.
pub fn at(minute: i64) -> DateTime<Utc> {
    "2026-11-21T00:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::minutes(minute)
}

/// That day.
pub fn today() -> NaiveDate {
    at(0).date_naive()
}

impl Shop {
    /// A database with the accounts `shop` and `wms` and the warehouse `tokyo`. The clock stands.
    pub async fn open() -> Self {
        Self::with(policy(), &["shop", "wms"]).await
    }

    /// The same, with card payments that the account `stripe` holds and reports.
    pub async fn with_provider() -> Self {
        let mut policy = policy();
        for channel in policy.channels.values_mut() {
            for route in channel.payments.values_mut() {
                route.account = Some(AccountSlug::new("stripe"));
                route.reads = true;
            }
        }
        Self::with(policy, &["shop", "wms", "stripe"]).await
    }

    async fn with(policy: Policy, accounts: &[&str]) -> Self {
        let db = db().await;
        let store = Store::over(db.pool.clone());
        store
            .set_clock(Some(at(0)), TimeDelta::zero())
            .await
            .unwrap();
        let slugs: Vec<_> = accounts
            .iter()
            .map(|account| (AccountSlug::new(*account), "test"))
            .collect();
        let directory = store.register(&slugs, &policy).await.unwrap();
        let document = serde_json::json!({});
        let rules: Vec<_> = ["notice", "capture", "instruct"]
            .into_iter()
            .map(|rule| {
                let account = match rule {
                    "instruct" => "wms",
                    "capture" => accounts
                        .last()
                        .filter(|last| **last == "stripe")
                        .unwrap_or(&"shop"),
                    _ => "shop",
                };
                (rule.to_owned(), AccountSlug::new(account))
            })
            .collect();
        let policy_id = store
            .activate_policy(b"policy", &document, &rules)
            .await
            .unwrap();
        for account in accounts {
            let id = directory.account(&AccountSlug::new(*account)).unwrap();
            store
                .register_streams(id, &[STREAM.to_owned()])
                .await
                .unwrap();
        }
        let text = MailTemplate {
            subject: "s".to_owned(),
            text: "t".to_owned(),
        };
        let engine = Engine {
            store,
            policy: Arc::new(policy),
            policy_id,
            rules: Arc::new(RuleSet::default()),
            directory,
            accounts: BTreeMap::new(),
            templates: MailTemplates { shipped: text },
            metrics: Metrics::new(),
            instance: Instance("one".to_owned()),
            witness: hikiate::store::witness::Witness::none(),
            lease_seconds: 60,
            plan_batch: 100,
            push_batch: 100,
            idle: Duration::from_millis(10),
            longest_idle: Duration::from_millis(10),
            drain: Duration::from_secs(5),
            retention: Retention::default(),
            guards: PlanningLimits::default(),
        };
        Self {
            engine: Arc::new(engine),
            db,
        }
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.engine.store
    }

    /// Connections beside the store's.
    pub fn pool(&self) -> &PgPool {
        &self.db.pool
    }

    /// The clock stands at this minute of the day.
    pub async fn clock(&self, minute: i64) {
        self.store()
            .set_clock(Some(at(minute)), TimeDelta::zero())
            .await
            .unwrap();
    }

    /// An account's row id.
    pub fn account(&self, slug: &str) -> i16 {
        self.engine
            .directory
            .account(&AccountSlug::new(slug))
            .unwrap()
    }

    /// The account's lease, as this process or another takes it.
    pub async fn own(&self, slug: &str, instance: &str) -> Option<OwnedAccount> {
        let id = self.account(slug);
        let instance = Instance(instance.to_owned());
        let owned = self
            .store()
            .own_accounts(&instance, &[id], 60, false)
            .await
            .unwrap();
        owned.into_iter().next()
    }

    /// An account owned by this very process.
    pub async fn owned(&self, slug: &str) -> OwnedAccount {
        self.own(slug, "one").await.unwrap()
    }

    /// Stores a page of an account as its owner does.
    pub async fn pull(&self, slug: &str, page: &IncomingPage) -> PageDone {
        self.try_pull(slug, page).await.unwrap()
    }

    /// Stores a page, or says why not.
    pub async fn try_pull(&self, slug: &str, page: &IncomingPage) -> Result<PageDone, StoreError> {
        let owned = self.owned(slug).await;
        let seq = self.seq(slug).await;
        self.store()
            .ingest(&owned, STREAM, seq, page, &after(seq + 1))
            .await
    }

    /// How many pages the account's stream has had.
    pub async fn seq(&self, slug: &str) -> i64 {
        sqlx::query_scalar("SELECT seq FROM streams WHERE account_id = $1 AND name = $2")
            .bind(self.account(slug))
            .bind(STREAM)
            .fetch_one(self.pool())
            .await
            .unwrap()
    }

    /// Counts an item in the warehouse.
    pub async fn count(&self, code: &str, quantity: i64, minute: i64) {
        self.pull("wms", &self.counted(code, quantity, minute))
            .await;
    }

    /// A page with one count.
    pub fn counted(&self, code: &str, quantity: i64, minute: i64) -> IncomingPage {
        let location_id = self.engine.directory.location("tokyo").unwrap().id;
        let as_of = Some(at(minute));
        let stock = vec![IncomingStock {
            code: code.to_owned(),
            location_id,
            quantity,
            free: false,
            as_of,
            read_at: None,
            source: Source {
                raw: format!("{code},{quantity}").into_bytes(),
                file: None,
            },
        }];
        IncomingPage {
            stock,
            requested_at: at(minute),
            ..IncomingPage::default()
        }
    }

    /// Plans and allocates until nothing is due.
    pub async fn settle(&self) {
        let mut waited = false;
        for _ in 0..100 {
            let planned = plan_step(&self.engine).await.unwrap();
            let allocated = allocate_step(&self.engine).await.unwrap();
            if planned + allocated > 0 {
                waited = false;
            } else if waited {
                return;
            } else {
                self.unlocked().await;
                waited = true;
            }
        }
        panic!("planning does not settle");
    }

    /// Waits for transactions that hold due orders: one that was given up is rolled back after its caller has gone on, and
    /// until then planning passes its orders over.
    async fn unlocked(&self) {
        sqlx::query(
            "SELECT id FROM subjects WHERE plan_at <= hk_now() ORDER BY id FOR NO KEY UPDATE",
        )
        .execute(self.pool())
        .await
        .unwrap();
    }

    /// An order's subject, by the shop's id.
    pub async fn subject(&self, order: &str) -> i64 {
        let id =
            sqlx::query_scalar("SELECT id FROM subjects WHERE external_id = $1 AND kind = 'order'");
        id.bind(order).fetch_one(self.pool()).await.unwrap()
    }

    /// Keys of a subject's facts in the order they were stored.
    pub async fn keys(&self, subject: i64) -> Vec<String> {
        let keys = sqlx::query_scalar("SELECT key FROM facts WHERE subject_id = $1 ORDER BY id");
        keys.bind(subject).fetch_all(self.pool()).await.unwrap()
    }

    /// A subject's status.
    pub async fn status(&self, subject: i64) -> String {
        let status = sqlx::query_scalar("SELECT status FROM subjects WHERE id = $1");
        status.bind(subject).fetch_one(self.pool()).await.unwrap()
    }

    /// True while the subject is due or has a time at which it will be.
    pub async fn planned_for(&self, subject: i64) -> Option<DateTime<Utc>> {
        let when = sqlx::query_scalar("SELECT plan_at FROM subjects WHERE id = $1");
        when.bind(subject).fetch_one(self.pool()).await.unwrap()
    }

    /// One number out of the database.
    pub async fn number(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql)
            .fetch_one(self.pool())
            .await
            .unwrap()
    }

    /// Puts the order's only shipment into a sealed batch without asking a warehouse.
    pub async fn instructed(&self, subject: i64) -> String {
        let sql =
            "UPDATE shipments SET state = 'instructed' WHERE subject_id = $1 RETURNING reference";
        sqlx::query_scalar(sql)
            .bind(subject)
            .fetch_one(self.pool())
            .await
            .unwrap()
    }
}

/// Where a stream goes on, at once.
pub fn after(cursor: i64) -> StreamAfter {
    StreamAfter {
        cursor: serde_json::json!(cursor),
        ack: None,
        due_in_seconds: 0.0,
        waiting: None,
    }
}

/// Orders asked for at a minute of the day.
pub fn page(minute: i64, orders: Vec<IncomingOrder>) -> IncomingPage {
    IncomingPage {
        orders,
        requested_at: at(minute),
        ..IncomingPage::default()
    }
}

/// A card order of `quantity` teas at 1,000 yen, authorised in full.
pub fn order(id: &str, quantity: u32) -> IncomingOrder {
    let total = i64::from(quantity) * 1_000;
    let groups = vec![DeliveryGroup {
        key: "1".into(),
        service: None,
        earliest_ship: None,
        ship_by: None,
        wishes: Wishes::default(),
    }];
    let address = Party {
        name: "受取人".into(),
        country: "JP".into(),
        postal_code: "100-0001".into(),
        region: "東京都".into(),
        address1: "千代田1-1".into(),
        phone: "03-1234-5678".into(),
        ..Party::default()
    };
    let ship_to = BTreeMap::from([("1".to_owned(), address.clone())]);
    let personal = Personal {
        buyer: address,
        ship_to,
        ..Personal::default()
    };
    let snapshot = OrderSnapshot {
        external_id: id.into(),
        display: format!("#{id}"),
        version: None,
        ordered_at: at(0),
        currency: "JPY".parse().unwrap(),
        state: ChannelState::Open,
        gate: ChannelGate::Open,
        lines: vec![OrderLine {
            key: "l1".into(),
            group: "1".into(),
            sku: Some("TEA".to_owned()),
            title: "お茶".to_owned(),
            quantity,
            unit_price: Some(1_000),
            tax_rate_bp: Some(1_000),
            by: FulfilledBy::Us,
            customs: Customs::default(),
        }],
        charges: vec![Charge {
            kind: ChargeKind::Goods,
            line: Some("l1".into()),
            gross: Some(total),
            tax: Some(total / 11),
            tax_rate_bp: Some(1_000),
            tax_class: None,
            sponsor: None,
        }],
        tenders: vec![Tender {
            key: format!("pay-{id}").into(),
            gateway: "card".to_owned(),
            amount: Some(total),
            authorised: total,
            captured: 0,
            refunded: 0,
            cancelled: false,
            provider: None,
            authorised_until: None,
            pay_by: None,
            review: None,
            refunds: Vec::new(),
        }],
        total: Some(total),
        fulfilments: Vec::new(),
        taxes: Vec::new(),
        tags: Vec::new(),
        test: false,
        groups,
    };
    IncomingOrder {
        external_id: id.into(),
        number: order_number(&AccountSlug::new("shop"), &id.into()),
        happened_at: at(0),
        business_date: today(),
        raw: format!("order {id}").into_bytes(),
        fact: OrderFact {
            features: features(&snapshot.groups, &personal),
            order: snapshot,
            personal_version: 0,
        },
        personal,
        payments: None,
    }
}

/// Payments asked for at a minute of the day, as the account `stripe` reported them.
pub fn payments(minute: i64, payments: Vec<PaymentSnapshot>) -> IncomingPage {
    let incoming = |payment: PaymentSnapshot| IncomingPayment {
        raw: format!("payment {}", payment.key).into_bytes(),
        fact: PaymentFact {
            account: AccountSlug::new("stripe"),
            payment,
        },
    };
    IncomingPage {
        payments: payments.into_iter().map(incoming).collect(),
        requested_at: at(minute),
        day: today(),
        ..IncomingPage::default()
    }
}

/// A parcel that left with so many of line 1.
pub fn parcel(reference: &str, quantity: u32, minute: i64) -> IncomingFact {
    let report = ParcelReport {
        also: Vec::new(),
        shipped_until: None,
        adds: false,
        told: None,
        reference: reference.into(),
        key: "1".to_owned(),
        named: false,
        carrier: Some("yamato".to_owned()),
        tracking: Some("4000".to_owned()),
        shipped_at: at(minute),
        contents: Contents::Lines(vec![ParcelLine::new(1, quantity)]),
    };
    IncomingFact {
        reference: reference.to_owned(),
        series: format!("{reference}:1"),
        body: FactBody::Parcel(report),
        happened_at: at(minute),
        business_date: today(),
        parts: vec!["parcel line 1 number 4000".to_owned()],
        source: Source {
            raw: b"parcel".to_vec(),
            file: None,
        },
    }
}

fn policy() -> Policy {
    let card = PaymentRoute {
        method: PaymentMethod::Card,
        account: Some(AccountSlug::new("shop")),
        parts: hikiate_sdk::Parts::Many,
        reads: false,
        ids: None,
        refunds: true,
        voids: true,
    };
    let channel = Channel {
        payments: BTreeMap::from([("card".to_owned(), card)]),
        shipping_notice: true,
        annotate: Default::default(),
        capture: CaptureRule::EachShipment,
        mail: Vec::new(),
        locations: BTreeMap::new(),
        carriers: BTreeMap::new(),
        others_ship_from: None,
        completed: Default::default(),
        completed_hold: Some(chrono::Duration::hours(72)),
        others: Default::default(),
        refresh: None,
        begun: true,
        zombie: TimeDelta::days(90),
        recheck: None,
        recheck_required: false,
        vanished_after: None,
        default_tax: None,
        records_refunds: false,
    };
    let tokyo = Warehouse {
        name: "tokyo".to_owned(),
        account: AccountSlug::new("wms"),
        location: None,
        dispatch: Dispatch::Continuous {
            grace: TimeDelta::zero(),
            max_rows: 100,
        },
        reply_within: None,
        change: Default::default(),
        cancel: Default::default(),
        services: Default::default(),
        slots: Default::default(),
    };
    Policy {
        shop: Merchant {
            name: "店".to_owned(),
            timezone: chrono_tz::Asia::Tokyo,
            country: "JP".to_owned(),
            currency: "JPY".parse().unwrap(),
            tax_rounding: None,
            invoice: Default::default(),
            calendar: Default::default(),
        },
        channels: BTreeMap::from([(AccountSlug::new("shop"), channel)]),
        warehouses: vec![tokyo],
        allocation: Allocation {
            split: false,
            partial: Partial::ShipReady,
            expire_unpaid: None,
        },
        payments: Default::default(),
        presume_delivered: Default::default(),
        notice: hikiate::policy::Notice {
            wait_for_number: chrono::Duration::zero(),
            ..Default::default()
        },
        mail: None,
        holds: Vec::new(),
        booking: None,
        catalogue: Catalogue::SameCode,
    }
}
