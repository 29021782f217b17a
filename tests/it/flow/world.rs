//! The whole program without processes: real connectors against simulators, the real store, a clock set
//! by hand, and every step called by hand.

use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use hikiate::config::{Surroundings, load};
use hikiate::daemon::{allocate_step, batch_step, plan_step, recover_step, seal_step};
use hikiate::demo::merchant::{
    Merchant, Reach, ShopOn, ShopTerms, Systems, WarehouseBy, WarehouseTerms, disk_folder,
};
use hikiate::engine::Engine;
use hikiate::ops::metrics::Metrics;
use hikiate::plan::types::Status;
use hikiate::plan::{context_hash, rule_context};
use hikiate::pull::pull_account;
use hikiate::push::push_account;
use hikiate::registry::CONNECTORS;
use hikiate::store::witness::Witness;
use hikiate::store::{Decision, DepositTerms, Instance, NewDeposit, OwnedAccount, Store};
use hikiate_files::sim::{SimHandling, SimShipment, WarehouseSim};
use hikiate_medusa::sim::{MedusaSim, NewOrder};
use hikiate_sdk::faulty::{AllMet, FaultyTransport};
use hikiate_sdk::sim::SimClock;
use hikiate_sdk::{ConnectorKind, Currency, Party};
use hikiate_smtp::sim::SmtpSim;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tokio_util::sync::CancellationToken;

use crate::support::{TestDb, db};

/// What differs between worlds.
pub(crate) struct Setup {
    /// What accounts may be of.
    pub(crate) connectors: &'static [&'static dyn ConnectorKind],
    /// TOML of `[warehouses.tokyo]` and `[warehouses.osaka]` dispatch.
    pub(crate) tokyo: &'static str,
    pub(crate) osaka: &'static str,
    /// More TOML of `[accounts.shop]`.
    pub(crate) shop: &'static str,
    /// `begin = "all"`, or nothing for a channel that is to begin.
    pub(crate) begin: &'static str,
    /// More TOML of `[channels.shop]`.
    pub(crate) channel: &'static str,
    /// More TOML at the end.
    pub(crate) more: &'static str,
    /// What the warehouses do with a shipment.
    pub(crate) handling: fn(&SimShipment) -> SimHandling,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            connectors: CONNECTORS,
            tokyo: r#"{ mode = "continuous" }"#,
            osaka: r#"{ mode = "wave", cutoffs = ["13:00"] }"#,
            shop: "",
            begin: "begin = \"all\"",
            channel: "",
            more: "",
            handling: |_| SimHandling::default(),
        }
    }
}

/// A merchant with one shop, two warehouses, mail and books.
pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) shop: Arc<MedusaSim>,
    pub(crate) faults: Arc<FaultyTransport>,
    pub(crate) tokyo: WarehouseSim,
    pub(crate) osaka: WarehouseSim,
    pub(crate) mails: SmtpSim,
    pub(crate) owned: Vec<OwnedAccount>,
    pub(crate) dir: tempfile::TempDir,
    /// The external systems' clock.
    pub(crate) clock: SimClock,
    /// By how much the external systems' clocks are ahead of ours.
    pub(crate) skew: Duration,
    now: DateTime<Utc>,
    /// The database in use: a restored backup is another one.
    at: String,
    connectors: &'static [&'static dyn ConnectorKind],
    /// A fault that was ordered and never happened fails the test.
    _met: AllMet,
    _db: TestDb,
}

/// 11:00 in Tokyo, two hours before the cut-off.
pub(crate) fn start() -> DateTime<Utc> {
    "2026-11-20T02:00:00Z".parse().unwrap()
}

impl World {
    pub(crate) async fn new(setup: Setup) -> Self {
        let db = db().await;
        let dir = tempfile::tempdir().unwrap();
        let clock = SimClock::at(start());
        let warehouse = |name, dispatch: &str| WarehouseTerms {
            name,
            by: WarehouseBy::Files {
                layout: "japanese-3pl-utf8",
            },
            more: "interval = \"1s\"\nstable_for = \"0s\"".to_owned(),
            dispatch: dispatch.to_owned(),
        };
        let merchant = Merchant {
            name: "りんご屋",
            process: String::new(),
            root: PathBuf::new(),
            shops: vec![ShopTerms {
                account: "shop",
                on: ShopOn::Medusa,
                more: format!(
                    "interval = \"1s\"\noverlap = \"1s\"\nsettle = \"1s\"\n{}",
                    setup.shop
                ),
                channel: format!("{}\n{}", setup.begin, setup.channel),
            }],
            providers: Vec::new(),
            warehouses: vec![
                warehouse("tokyo", setup.tokyo),
                warehouse("osaka", setup.osaka),
            ],
            mail: String::new(),
            close: "10s",
            more: setup.more.to_owned(),
        };
        let reach = Reach {
            dir: dir.path(),
            network: true,
            folder: &|name| disk_folder(dir.path(), name),
        };
        let stop = CancellationToken::new();
        let systems = Systems::open(&merchant, &reach, &clock, setup.handling, &stop);
        let mut systems = systems.await.unwrap();
        let shop = systems.shops.remove(0);
        let (sim, wire) = (shop.medusa().unwrap(), shop.wire);
        let osaka = systems.warehouses.remove(1).files().unwrap();
        let tokyo = systems.warehouses.remove(0).files().unwrap();
        let path = dir.path().join("hikiate.toml");
        std::fs::write(&path, merchant.toml(&systems.addresses)).unwrap();
        let surroundings = Surroundings {
            variables: Default::default(),
            allow_missing_secrets: false,
            allow_bad_mapping: false,
        };
        let loaded = load(Some(&path), &surroundings, setup.connectors).unwrap();
        let store = Store::over(db.pool.clone());
        store
            .set_clock(Some(start()), Duration::zero())
            .await
            .unwrap();
        let engine = hikiate::daemon::start(
            store,
            loaded,
            Metrics::new(),
            Instance("test".to_owned()),
            Witness::open(&dir.path().join("state-test")).unwrap(),
        )
        .await
        .unwrap();
        let owned = engine.own(true).await.unwrap();
        Self {
            engine,
            shop: sim,
            _met: AllMet::of(vec![wire.clone(), Arc::new(systems.mail.clone())]),
            faults: wire,
            tokyo,
            osaka,
            mails: systems.mail,
            owned,
            dir,
            clock,
            skew: Duration::zero(),
            now: start(),
            at: db.url.clone(),
            connectors: setup.connectors,
            _db: db,
        }
    }

    /// The configuration as it stands.
    pub(crate) fn toml(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("hikiate.toml")).unwrap()
    }

    /// Tokyo's warehouse works by the shipped layout with a change.
    pub(crate) async fn tokyo_differs(&mut self, from: &str, to: &str) {
        let text = include_str!("../../../config/layouts/japanese-3pl-utf8.toml");
        assert!(text.contains(from), "{from}");
        let path = self.dir.path().join("tokyo.toml");
        std::fs::write(path, text.replacen(from, to, 1)).unwrap();
        self.restart(|toml| {
            let shipped = "layout = \"japanese-3pl-utf8\"";
            toml.replacen(shipped, "layout = \"./tokyo.toml\"", 1)
        })
        .await;
    }

    /// The daemon is stopped and started with another configuration.
    pub(crate) async fn restart(&mut self, edit: impl FnOnce(&str) -> String) {
        std::fs::write(self.dir.path().join("hikiate.toml"), edit(&self.toml())).unwrap();
        self.engine = self.daemon("test").await;
        self.owned = self.engine.own(true).await.unwrap();
    }

    /// Another daemon on the same database, with the configuration as it stands. It owns nothing yet.
    pub(crate) async fn daemon(&self, instance: &str) -> Engine {
        let surroundings = Surroundings {
            variables: Default::default(),
            allow_missing_secrets: false,
            allow_bad_mapping: false,
        };
        let path = self.dir.path().join("hikiate.toml");
        let loaded = load(Some(&path), &surroundings, self.connectors).unwrap();
        let witness = Witness::open(&self.dir.path().join(format!("state-{instance}"))).unwrap();
        let store = Store::connect_with(&self.at, 8, &witness).unwrap();
        let instance = Instance(instance.to_owned());
        hikiate::daemon::start(store, loaded, Metrics::new(), instance, witness)
            .await
            .unwrap()
    }

    /// The database's address, for a process beside this one.
    pub(crate) fn database(&self) -> &str {
        &self.at
    }

    /// Copies the database as it stands, as a backup does, and goes on with it. Returns the copy's address.
    pub(crate) async fn back_up(&mut self) -> String {
        self.engine.store.close().await;
        let mut url = url::Url::parse(&self.at).unwrap();
        let name = url.path().trim_start_matches('/').to_owned();
        let copy = format!("{name}_copy");
        url.set_path("/postgres");
        let mut admin = PgConnection::connect(url.as_str()).await.unwrap();
        // Sessions that were just closed may still be ending.
        let begun = std::time::Instant::now();
        loop {
            let sql = format!("CREATE DATABASE {copy} TEMPLATE {name}");
            match sqlx::query(AssertSqlSafe(sql)).execute(&mut admin).await {
                Ok(_) => break,
                Err(error) if begun.elapsed().as_secs() > 60 => panic!("{error}"),
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(300)).await,
            }
        }
        admin.close().await.unwrap();
        self.connect(&self.at.clone());
        url.set_path(&copy);
        url.into()
    }

    /// Works on another database from now on, as after a restore.
    pub(crate) async fn restore(&mut self, url: &str) {
        self.engine.store.close().await;
        // The clock is in the database too, and must not be restored with it.
        let mut clock = PgConnection::connect(url).await.unwrap();
        sqlx::query("UPDATE clock SET fixed_at = $1")
            .bind(self.now)
            .execute(&mut clock)
            .await
            .unwrap();
        clock.close().await.unwrap();
        self.connect(url);
        self.at = url.to_owned();
        self.owned = self.engine.own(true).await.unwrap();
    }

    fn connect(&mut self, url: &str) {
        self.engine.store = Store::connect_with(url, 8, &self.engine.witness).unwrap();
    }

    /// Moves every clock.
    pub(crate) async fn advance(&mut self, by: Duration) {
        self.now += by;
        self.clock.set(self.now + self.skew);
        self.engine
            .store
            .set_clock(Some(self.now), Duration::zero())
            .await
            .unwrap();
        self.owned = self.engine.own(false).await.unwrap();
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// Delivers the stock files of both warehouses.
    pub(crate) async fn count_stock(&self) {
        self.tokyo.write_stock(self.now).await.unwrap();
        self.osaka.write_stock(self.now).await.unwrap();
    }

    pub(crate) async fn pull(&self) {
        for owned in &self.owned {
            let account = &self.engine.accounts[&owned.id];
            while pull_account(&self.engine, account, owned).await.unwrap() {}
        }
    }

    /// Plans and allocates until nothing is due.
    pub(crate) async fn plan(&self) {
        loop {
            let mut done = plan_step(&self.engine).await.unwrap();
            done += allocate_step(&self.engine).await.unwrap();
            done += batch_step(&self.engine).await.unwrap();
            if done == 0 {
                break;
            }
        }
    }

    pub(crate) async fn push(&self) {
        for owned in &self.owned {
            let account = &self.engine.accounts[&owned.id];
            while push_account(&self.engine, account, owned).await.unwrap() > 0 {}
        }
    }

    /// One second of everything on our side.
    pub(crate) async fn round(&mut self) {
        self.advance(Duration::seconds(1)).await;
        recover_step(&self.engine, &self.owned).await.unwrap();
        self.pull().await;
        self.plan().await;
        seal_step(&self.engine).await.unwrap();
        self.plan().await;
        self.push().await;
        self.plan().await;
    }

    /// Rounds with the warehouses at work.
    pub(crate) async fn rounds(&mut self, n: usize) {
        for _ in 0..n {
            self.tokyo.tick(self.now).await.unwrap();
            self.osaka.tick(self.now).await.unwrap();
            self.round().await;
        }
    }

    pub(crate) async fn decide(&self, order: &str, decision: Decision) {
        let (id, _) = self
            .engine
            .store
            .find_subject(&format!("shop/{order}"))
            .await
            .unwrap();
        let mut tx = self.engine.store.pool().begin().await.unwrap();
        let loaded = Store::load(&mut tx, &[id], &self.engine.directory)
            .await
            .unwrap();
        let (_, _, input) = loaded.orders.into_iter().next().unwrap();
        let context = rule_context(&input.unwrap(), &self.engine.policy, self.now)
            .unwrap()
            .map(|c| context_hash(&c))
            .unwrap_or_default();
        tx.commit().await.unwrap();
        self.engine
            .store
            .decide(
                id,
                &decision,
                "tester",
                &context,
                self.engine.today(self.now),
            )
            .await
            .unwrap();
    }

    pub(crate) async fn deposit(&self, order: &str, reference: &str, amount: i64) {
        let (id, _) = self
            .engine
            .store
            .find_subject(&format!("shop/{order}"))
            .await
            .unwrap();
        let today = self.engine.today(self.now);
        self.engine
            .store
            .add_deposits(
                &self.engine.directory,
                &[NewDeposit {
                    account: "shop".into(),
                    reference: reference.to_owned(),
                    amount,
                    currency: Currency::JPY,
                    date: today,
                    order: Some(id),
                }],
                &DepositTerms {
                    book: false,
                    actor: "tester",
                    today,
                    dry_run: false,
                },
            )
            .await
            .unwrap();
    }

    /// Status word and what blocks.
    pub(crate) async fn status(&self, order: &str) -> (String, Option<String>) {
        let filter = hikiate::store::read::OrderFilter {
            limit: 10_000,
            ..Default::default()
        };
        let rows = self.engine.store.list_orders(&filter).await.unwrap();
        let row = rows.into_iter().find(|r| r.external_id == order).unwrap();
        (row.status, row.blocked_by)
    }

    /// Whether an order has a status; says what it has when not.
    pub(crate) async fn is(&self, order: &str, status: Status) -> bool {
        let (word, blocked) = self.status(order).await;
        let same = word == status.as_str();
        if !same {
            let tasks = self.tasks().await;
            println!("{order}: {word}, blocked by {blocked:?}; tasks {tasks:?}");
        }
        same
    }

    pub(crate) async fn tasks(&self) -> Vec<String> {
        self.engine
            .store
            .list_tasks()
            .await
            .unwrap()
            .into_iter()
            .map(|t| t.kind)
            .collect()
    }

    /// Free units of an item in a warehouse.
    pub(crate) async fn free(&self, item: &str, warehouse: &str) -> i64 {
        let rows = self.engine.store.list_stock(Some(item)).await.unwrap();
        rows.iter()
            .find(|r| r.warehouse == warehouse)
            .map_or(0, |r| r.free)
    }

    /// Journal totals: debits of receivable and advances, after checking that every entry balances.
    pub(crate) fn journal_total(&self) -> i64 {
        let mut total = 0;
        for file in std::fs::read_dir(self.dir.path().join("books/outgoing")).unwrap() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            let mut balance = 0;
            for line in text.lines().filter(|l| {
                l.starts_with(' ') && l.contains("JPY") && !l.trim_start().starts_with(';')
            }) {
                let posting = line.split(';').next().unwrap();
                let amount: i64 = posting
                    .split_whitespace()
                    .rev()
                    .nth(1)
                    .unwrap()
                    .replace(',', "")
                    .parse()
                    .unwrap();
                balance += amount;
                if line.contains("Receivable") || line.contains("Advances") {
                    total += amount;
                }
            }
            assert_eq!(balance, 0, "{text}");
        }
        total
    }
}

/// An ordinary order: authorised card, whole address.
pub(crate) fn order(lines: &[(&str, u32, &str)]) -> NewOrder {
    NewOrder {
        lines: lines
            .iter()
            .map(|(sku, n, price)| ((*sku).to_owned(), *n, (*price).to_owned()))
            .collect(),
        shipping: "500".to_owned(),
        tax_percent: "10".to_owned(),
        provider_id: "pp_system_default".to_owned(),
        authorised: true,
        address: Some(Party {
            name: "山田 花子".into(),
            country: "JP".into(),
            postal_code: "100-0001".into(),
            region: "東京都".into(),
            city: "千代田区".into(),
            address1: "千代田1-1".into(),
            phone: "03-1234-5678".into(),
            ..Party::default()
        }),
        email: "hanako@example.jp".to_owned(),
        remarks: String::new(),
    }
}
