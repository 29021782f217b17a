//! The external systems: a shop, two warehouses, a mail server and the books, with their faults.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration as Span;

use async_trait::async_trait;
use hikiate::config::{Loaded, Surroundings, load};
use hikiate::demo::merchant::{Reach, ShopSystem, Systems, TOKEN};
use hikiate_files::sim::{SimShipment, WarehouseSim};
use hikiate_files::{FaultyFolder, Files, FilesAccount};
use hikiate_medusa::sim::MedusaSim;
use hikiate_medusa::{Medusa, MedusaKind, Settings, site};
use hikiate_sdk::faulty::FaultSeam;
use hikiate_sdk::hooks::HookSecrets;
use hikiate_sdk::http::{Request, Response, Transport, TransportError};
use hikiate_sdk::sim::SimClock;
use hikiate_sdk::{AccountConfig, Connector, ConnectorKind, Problem};
use hikiate_smtp::sim::SmtpSim;
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use super::folder::MemoryFolder;
use super::handling::handling;
use super::terms::{ITEMS, STORE, TOKYO, Terms, UNKNOWN_ITEM, start};

/// What the shop signs its webhooks with.
pub(super) const HOOK_SECRET: &str = "whsec_world";

/// An external system's name, and what changes in one place while everything else stays.
pub(super) struct Warehouse {
    pub(super) slug: &'static str,
    pub(super) sim: WarehouseSim,
    pub(super) folder: Arc<MemoryFolder>,
}

/// All of them.
pub(super) struct Far {
    pub(super) shop: Arc<MedusaSim>,
    pub(super) shop_clock: SimClock,
    /// Between the shop and us.
    pub(super) mouth: Arc<Mouth>,
    pub(super) warehouses: [Warehouse; 2],
    pub(super) mails: SmtpSim,
    pub(super) books: Arc<MemoryFolder>,
    /// Where faults are put, by account.
    pub(super) seams: BTreeMap<&'static str, Arc<dyn FaultSeam>>,
    stop: CancellationToken,
}

impl Drop for Far {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Far {
    /// Builds the external systems and the configuration that reaches them.
    pub(super) async fn build(terms: &Terms, seed: u64, dir: &Path) -> (Self, Loaded) {
        let shop_clock = SimClock::at(start() + terms.skew(0));
        std::fs::write(dir.join("3pl.toml"), terms.layout()).unwrap();
        let folders: BTreeMap<&'static str, Arc<MemoryFolder>> = ["tokyo", "osaka", "books"]
            .into_iter()
            .map(|name| (name, Arc::new(MemoryFolder::default())))
            .collect();
        let reach = Reach {
            dir,
            network: false,
            folder: &|name| Ok(Arc::clone(&folders[name]) as _),
        };
        let merchant = terms.merchant();
        let stop = CancellationToken::new();
        let handling = move |shipment: &SimShipment| handling(seed, shipment);
        let systems = Systems::open(&merchant, &reach, &shop_clock, handling, &stop);
        let Systems {
            mut shops,
            warehouses,
            mail: mails,
            addresses,
        } = systems.await.unwrap();
        let path = dir.join("hikiate.toml");
        std::fs::write(&path, merchant.toml(&addresses)).unwrap();
        let ShopSystem {
            sim: shop,
            wire: transport,
        } = shops.remove(0);
        shop.note_changes();
        // The places that staff can name; the shop's own stock never runs out.
        for code in ITEMS.into_iter().chain([UNKNOWN_ITEM]) {
            for place in [TOKYO, STORE] {
                shop.add_sku(code, place, 1000);
            }
        }
        let faulty: BTreeMap<&'static str, Arc<FaultyFolder>> = [
            ("tokyo-3pl", "tokyo"),
            ("osaka-3pl", "osaka"),
            ("books", "books"),
        ]
        .into_iter()
        .map(|(slug, name)| {
            let inner: Arc<MemoryFolder> = Arc::clone(&folders[name]);
            (slug, Arc::new(FaultyFolder::new(inner)))
        })
        .collect();
        let mut sims = warehouses.into_iter();
        let warehouses = [("tokyo-3pl", "tokyo"), ("osaka-3pl", "osaka")].map(|(slug, name)| {
            let folder = Arc::clone(&folders[name]);
            let sim = sims.next().unwrap();
            Warehouse { slug, sim, folder }
        });
        let mouth = Arc::new(Mouth {
            inner: Arc::clone(&transport) as _,
            words: Mutex::default(),
        });
        let shop_kind = ShopKind {
            way: Arc::clone(&mouth) as _,
            settings: Settings {
                interval: Span::from_secs(10),
                overlap: Span::from_secs(60),
                page_size: terms.page_size,
                settle: Span::from_secs(2),
                concurrency: 2,
                per_second: None,
                ..Settings::default()
            },
        };
        let file_kind = FileKind(faulty.clone());
        let surroundings = Surroundings {
            variables: BTreeMap::new(),
            allow_missing_secrets: false,
            allow_bad_mapping: false,
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
            mouth,
            warehouses,
            mails,
            books: Arc::clone(&folders["books"]),
            seams,
            stop,
        };
        (far, loaded)
    }

    /// Faults that have happened so far.
    pub(super) fn faults(&self) -> u64 {
        let each = self.seams.values().flat_map(|seam| seam.injected());
        each.map(|(_, n)| n).sum()
    }
}

/// A way to the shop on which something else can answer in its place.
pub(super) struct Mouth {
    inner: Arc<dyn Transport>,
    words: Mutex<Option<(u16, Vec<u8>)>>,
}

impl Mouth {
    /// From now on the answer to everything; `None` lets the shop speak for itself.
    pub(super) fn say(&self, words: Option<(u16, Vec<u8>)>) {
        *self.words.lock().unwrap_or_else(PoisonError::into_inner) = words;
    }

    fn words(&self) -> Option<(u16, Vec<u8>)> {
        let words = self.words.lock();
        words.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Transport for Mouth {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let words = self.words();
        let Some((status, body)) = words else {
            return self.inner.send(request).await;
        };
        Ok(Response {
            status,
            headers: Vec::new(),
            body,
        })
    }
}

/// Medusa over a transport of ours.
struct ShopKind {
    way: Arc<dyn Transport>,
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

    fn build(&self, account: &AccountConfig<'_>) -> Result<Arc<dyn Connector>, Vec<Problem>> {
        let link = account.link.clone().over(Arc::clone(&self.way));
        let token = SecretString::from(TOKEN.to_owned());
        let http = link.http(site("https://shop.example", token.into()));
        let http = http.map_err(|problem| vec![problem])?;
        let secrets = HookSecrets::new(HOOK_SECRET.to_owned().into(), None);
        let account = Medusa::new(http, self.settings.clone());
        Ok(Arc::new(account.with_hook(secrets)))
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
