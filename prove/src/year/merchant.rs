//! A merchant with a shop, a warehouse by files, mail and books, and the clock of all of them.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::{DateTime, Duration, Utc};
use hikiate::config::{Surroundings, load};
use hikiate::daemon::{allocate_step, batch_step, plan_step, purge_step, recover_step, seal_step};
use hikiate::demo::merchant::{
    Merchant, Reach, ShopOn, ShopTerms, Systems, WarehouseBy, WarehouseTerms, disk_folder,
};
use hikiate::engine::Engine;
use hikiate::ops::metrics::Metrics;
use hikiate::pull::pull_account;
use hikiate::push::push_account;
use hikiate::registry::CONNECTORS;
use hikiate::store::witness::Witness;
use hikiate::store::{Instance, OwnedAccount, Purged, Store, VacuumPauses};
use hikiate_files::sim::{SimHandling, SimShipment, WarehouseSim};
use hikiate_medusa::sim::{MedusaSim, NewOrder};
use hikiate_sdk::Party;
use hikiate_sdk::sim::SimClock;
use sqlx::PgPool;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::support::{TestDb, db};

/// Of the planted address: name, street, mail and phone. In ASCII, so that they are the same bytes in each encoding.
pub const PLANTED: [&str; 4] = [
    "Quelmann",
    "Rosenweg 77",
    "quelmann@example.jp",
    "0800-77-6655",
];

/// 06:00 in Tokyo on the first day.
pub(super) fn start() -> DateTime<Utc> {
    "2026-01-04T21:00:00Z".parse().unwrap()
}

/// The merchant while it runs.
pub(super) struct Year {
    pub(super) engine: Engine,
    pub(super) shop: Arc<MedusaSim>,
    warehouse: WarehouseSim,
    owned: Vec<OwnedAccount>,
    clock: SimClock,
    pub(super) now: DateTime<Utc>,
    _dir: TempDir,
    db: TestDb,
}

impl Year {
    pub(super) async fn open(retention: &str) -> Self {
        let db = db().await;
        let dir = tempfile::tempdir().unwrap();
        let clock = SimClock::at(start());
        let merchant = Merchant {
            name: "りんご屋",
            process: String::new(),
            root: PathBuf::new(),
            shops: vec![ShopTerms {
                account: "shop",
                on: ShopOn::Medusa,
                more: "interval = \"1s\"\noverlap = \"1s\"\nsettle = \"1s\"\n".to_owned(),
                channel: "begin = \"all\"\n".to_owned(),
            }],
            providers: Vec::new(),
            warehouses: vec![WarehouseTerms {
                name: "tokyo",
                by: WarehouseBy::Files {
                    layout: "japanese-3pl-utf8",
                },
                more: "interval = \"1s\"\nstable_for = \"0s\"".to_owned(),
                dispatch: "{ mode = \"wave\", cutoffs = [\"14:00\"] }".to_owned(),
            }],
            mail: String::new(),
            close: "1d",
            more: format!("[delivery]\npresume = \"1d\"\n[retention]\n{retention}\n"),
        };
        let reach = Reach {
            dir: dir.path(),
            network: true,
            folder: &|name| disk_folder(dir.path(), name),
        };
        let stop = CancellationToken::new();
        let planted = Arc::new(AtomicUsize::new(0));
        let ships = move |shipment: &SimShipment| {
            let mut cells = shipment.cells.values();
            let reject = cells.any(|cell| cell.contains(PLANTED[0]))
                && planted.fetch_add(1, Ordering::Relaxed) == 1;
            SimHandling {
                // In words that repeat what was sent, as people at a desk do.
                reject: reject.then(|| said(shipment)),
                ..SimHandling::default()
            }
        };
        let mut systems = Systems::open(&merchant, &reach, &clock, ships, &stop)
            .await
            .unwrap();
        let shop = systems.shops.remove(0).medusa().unwrap();
        let warehouse = systems.warehouses.remove(0).files().unwrap();
        let path = dir.path().join("hikiate.toml");
        std::fs::write(&path, merchant.toml(&systems.addresses)).unwrap();
        let surroundings = Surroundings {
            variables: Default::default(),
            allow_missing_secrets: false,
            allow_bad_mapping: false,
        };
        let loaded = load(Some(&path), &surroundings, CONNECTORS).unwrap();
        let store = Store::over(db.pool.clone());
        store
            .set_clock(Some(start()), Duration::zero())
            .await
            .unwrap();
        let instance = Instance("year".to_owned());
        let engine =
            hikiate::daemon::start(store, loaded, Metrics::new(), instance, Witness::none())
                .await
                .unwrap();
        let owned = engine.own(true).await.unwrap();
        warehouse.set_stock("TEA", 10_000_000);
        warehouse.write_stock(start()).await.unwrap();
        Self {
            engine,
            shop,
            warehouse,
            owned,
            clock,
            now: start(),
            _dir: dir,
            db,
        }
    }

    pub(super) fn pool(&self) -> &PgPool {
        &self.db.pool
    }

    /// An ordinary order, of the planted address or of somebody else.
    pub(super) fn place(&self, n: u32, planted: bool) -> String {
        let [name, street, mail, phone] = PLANTED;
        let (name, street, mail, phone) = if planted {
            (
                name.to_owned(),
                street.to_owned(),
                mail.to_owned(),
                phone.to_owned(),
            )
        } else {
            (
                format!("山田 花子{n}"),
                format!("千代田{}-{}", n % 9 + 1, n),
                format!("hanako{n}@example.jp"),
                format!("03-{:04}-{:04}", n % 10_000, n / 10_000),
            )
        };
        self.shop.place_order(NewOrder {
            lines: vec![("TEA".to_owned(), n % 3 + 1, "1000".to_owned())],
            shipping: "500".to_owned(),
            tax_percent: "10".to_owned(),
            provider_id: "pp_system_default".to_owned(),
            authorised: true,
            address: Some(Party {
                name,
                country: "JP".into(),
                postal_code: "100-0001".into(),
                region: "東京都".into(),
                city: "千代田区".into(),
                address1: street,
                phone,
                ..Party::default()
            }),
            email: mail,
            remarks: String::new(),
        })
    }

    /// Time passes, and everything that is due is done.
    pub(super) async fn pass(&mut self, by: Duration) {
        self.now += by;
        self.clock.set(self.now);
        self.engine
            .store
            .set_clock(Some(self.now), Duration::zero())
            .await
            .unwrap();
        self.owned = self.engine.own(false).await.unwrap();
        self.warehouse.tick(self.now).await.unwrap();
        recover_step(&self.engine, &self.owned).await.unwrap();
        // Each call of an order waits for the one before it.
        for _ in 0..8 {
            self.pull().await;
            self.plan().await;
            seal_step(&self.engine).await.unwrap();
            self.plan().await;
            if !self.push().await {
                break;
            }
        }
        self.plan().await;
    }

    /// What a daemon does now and then.
    pub(super) async fn keep_house(&self) -> Purged {
        let purged = purge_step(&self.engine).await.unwrap();
        let mut pauses = VacuumPauses::default();
        self.engine.store.vacuum(&mut pauses).await.unwrap();
        purged
    }

    async fn pull(&self) {
        for owned in &self.owned {
            let account = &self.engine.accounts[&owned.id];
            while pull_account(&self.engine, account, owned).await.unwrap() {}
        }
    }

    async fn plan(&self) {
        loop {
            let mut done = plan_step(&self.engine).await.unwrap();
            done += allocate_step(&self.engine).await.unwrap();
            done += batch_step(&self.engine).await.unwrap();
            if done == 0 {
                break;
            }
        }
    }

    async fn push(&self) -> bool {
        let mut any = false;
        for owned in &self.owned {
            let account = &self.engine.accounts[&owned.id];
            while push_account(&self.engine, account, owned).await.unwrap() > 0 {
                any = true;
            }
        }
        any
    }
}

/// Why a warehouse does not ship, with all of the address.
fn said(shipment: &SimShipment) -> String {
    let address = |cell: &&String| PLANTED.iter().any(|word| cell.contains(word));
    let cells: Vec<&str> = shipment
        .cells
        .values()
        .filter(address)
        .map(String::as_str)
        .collect();
    format!("cannot be delivered: {}", cells.join(" "))
}
