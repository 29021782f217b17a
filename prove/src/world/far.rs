//! The far sides: a shop, two warehouses, a mail server and the books, with their faults.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration as Span;

use hikiate::config::{Loaded, Surroundings, load};
use hikiate_files::sim::{SimFolders, WarehouseSim};
use hikiate_files::{FaultyFolder, Files, FilesAccount, load_layout};
use hikiate_medusa::sim::MedusaSim;
use hikiate_medusa::{Medusa, MedusaKind, Settings};
use hikiate_sdk::faulty::{FaultSeam, FaultyTransport};
use hikiate_sdk::http::HttpClient;
use hikiate_sdk::sim::SimClock;
use hikiate_sdk::{AccountConfig, Connector, ConnectorKind, Currency, Pace, Problem};
use hikiate_smtp::sim::SmtpSim;
use tokio::net::TcpListener;

use super::folder::MemoryFolder;
use super::handling::handling;
use super::terms::{Terms, start};

/// A far side's name, and what changes in one place while everything else stays.
pub(super) struct Warehouse {
    pub(super) slug: &'static str,
    pub(super) sim: WarehouseSim,
    pub(super) folder: Arc<MemoryFolder>,
}

/// All of them.
pub(super) struct Far {
    pub(super) shop: Arc<MedusaSim>,
    pub(super) shop_clock: SimClock,
    pub(super) warehouses: [Warehouse; 2],
    pub(super) mails: SmtpSim,
    pub(super) books: Arc<MemoryFolder>,
    /// Where faults are put, by account.
    pub(super) seams: BTreeMap<&'static str, Arc<dyn FaultSeam>>,
    post: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Drop for Far {
    fn drop(&mut self) {
        self.post.abort();
    }
}

impl Far {
    /// Builds the far sides and the configuration that reaches them.
    pub(super) async fn build(terms: &Terms, seed: u64, dir: &Path) -> (Self, Loaded) {
        let shop_clock = SimClock::at(start() + terms.skew(0));
        let shop = Arc::new(MedusaSim::new(shop_clock.clone(), "sk_test", Currency::JPY));
        let transport = Arc::new(FaultyTransport::new(shop.transport()));
        let mails = SmtpSim::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let post = tokio::spawn(mails.clone().serve(listener, std::future::pending()));

        std::fs::write(dir.join("3pl.toml"), terms.layout()).unwrap();
        let path = dir.join("hikiate.toml");
        std::fs::write(&path, terms.toml(port)).unwrap();
        let folders: BTreeMap<&'static str, Arc<MemoryFolder>> =
            ["tokyo-3pl", "osaka-3pl", "books"]
                .into_iter()
                .map(|slug| (slug, Arc::new(MemoryFolder::default())))
                .collect();
        let faulty: BTreeMap<&'static str, Arc<FaultyFolder>> = folders
            .iter()
            .map(|(slug, folder)| {
                let inner: Arc<MemoryFolder> = Arc::clone(folder);
                (*slug, Arc::new(FaultyFolder::new(inner)))
            })
            .collect();
        let warehouse = |slug: &'static str| {
            let layout = load_layout("./3pl.toml", dir).unwrap();
            let folder = Arc::clone(&folders[slug]);
            let sim = WarehouseSim::new(
                Arc::clone(&folder) as _,
                SimFolders::default(),
                layout,
                chrono_tz::Asia::Tokyo,
            )
            .with_policy(move |shipment| handling(seed, shipment));
            Warehouse { slug, sim, folder }
        };
        let warehouses = [warehouse("tokyo-3pl"), warehouse("osaka-3pl")];
        let shop_kind = ShopKind {
            http: HttpClient::over(Arc::clone(&transport) as _),
            settings: Settings {
                interval: Span::from_secs(10),
                overlap: Span::from_secs(60),
                page_size: terms.page_size,
                settle: Span::from_secs(2),
                pace: Pace {
                    concurrency: 2,
                    per_second: None,
                },
                ..Settings::default()
            },
        };
        let file_kind = FileKind(faulty.clone());
        let surroundings = Surroundings {
            variables: BTreeMap::new(),
            allow_missing_secrets: false,
        };
        let kinds: [&dyn ConnectorKind; 3] = [&shop_kind, &file_kind, hikiate_smtp::KIND];
        let loaded = load(Some(&path), &surroundings, &kinds).unwrap();
        let mut seams: BTreeMap<&'static str, Arc<dyn FaultSeam>> = BTreeMap::new();
        seams.insert("shop", transport);
        seams.insert("post", Arc::new(mails.clone()));
        for (slug, folder) in faulty {
            seams.insert(slug, folder);
        }
        let far = Self {
            shop,
            shop_clock,
            warehouses,
            mails,
            books: Arc::clone(&folders["books"]),
            seams,
            post,
        };
        (far, loaded)
    }

    /// Faults that have happened so far.
    pub(super) fn faults(&self) -> u64 {
        let each = self.seams.values().flat_map(|seam| seam.injected());
        each.map(|(_, n)| n).sum()
    }
}

/// Medusa over a transport of ours.
struct ShopKind {
    http: HttpClient,
    settings: Settings,
}

impl ConnectorKind for ShopKind {
    fn name(&self) -> &'static str {
        MedusaKind.name()
    }

    fn title(&self) -> &'static str {
        MedusaKind.title()
    }

    fn schema(&self) -> schemars::Schema {
        MedusaKind.schema()
    }

    fn build(&self, _: &AccountConfig<'_>) -> Result<Arc<dyn Connector>, Vec<Problem>> {
        Ok(Arc::new(Medusa::new(
            self.http.clone(),
            self.settings.clone(),
        )))
    }
}

/// Files in folders of ours.
struct FileKind(BTreeMap<&'static str, Arc<FaultyFolder>>);

impl ConnectorKind for FileKind {
    fn name(&self) -> &'static str {
        Files.name()
    }

    fn title(&self) -> &'static str {
        Files.title()
    }

    fn schema(&self) -> schemars::Schema {
        Files.schema()
    }

    fn build(&self, account: &AccountConfig<'_>) -> Result<Arc<dyn Connector>, Vec<Problem>> {
        let folder = Arc::clone(&self.0[account.slug.as_str()]);
        let built = FilesAccount::new(account, |_| folder)?;
        Ok(Arc::new(built))
    }
}
