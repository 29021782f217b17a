//! The external systems: shops with whoever has their money, warehouses, a mail server and the books, with their faults.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use hikiate::config::{Loaded, Surroundings, load};
use hikiate::demo::merchant::{
    ProviderSystem, Reach, ShopSim, ShopSystem, Systems, WarehouseSystem,
};
use hikiate_files::sim::SimShipment;
use hikiate_files::{FaultyFolder, Files, FilesAccount};
use hikiate_medusa::MedusaKind;
use hikiate_openlogi::OpenlogiKind;
use hikiate_sdk::faulty::{Fault, FaultSeam};
use hikiate_sdk::http::{Request, Response, Transport, TransportError};
use hikiate_sdk::sim::SimClock;
use hikiate_sdk::{AccountConfig, Connector, ConnectorKind, Problem};
use hikiate_smtp::sim::SmtpSim;
use hikiate_stripe::StripeKind;
use hikiate_woocommerce::WooCommerceKind;
use tokio_util::sync::CancellationToken;

use super::folder::MemoryFolder;
use super::handling::handling;
use super::orders::Placed;
use super::seen::Seen;
use super::shop::Shop;
use super::terms::{ITEMS, LAYOUT, Terms, UNKNOWN_ITEM, start};
use super::third::Third;
use super::warehouse::{By, Warehouse};

/// All of them.
pub(super) struct Far {
    /// In the merchant's order.
    pub(super) shops: Vec<Shop>,
    /// Of the shops, the payment provider and the third warehouse.
    pub(super) cloud_clock: SimClock,
    /// Between the first shop and us.
    pub(super) mouth: Arc<Mouth>,
    /// In the merchant's order.
    pub(super) warehouses: Vec<Warehouse>,
    pub(super) mails: SmtpSim,
    pub(super) books: Arc<MemoryFolder>,
    /// Where faults are put, by account.
    pub(super) seams: BTreeMap<String, Arc<dyn FaultSeam>>,
    stop: CancellationToken,
}

impl Drop for Far {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Far {
    /// Builds the external systems, which repeat what they were sent in what they refuse, and the configuration that reaches them.
    pub(super) async fn build(terms: &Terms, seed: u64, dir: &Path) -> (Self, Loaded) {
        let cloud_clock = SimClock::at(start() + terms.skew(0));
        std::fs::write(dir.join(LAYOUT), terms.layout()).unwrap();
        let merchant = terms.merchant(dir);
        let names = merchant.warehouses.iter().map(|terms| terms.name);
        let folders: BTreeMap<&'static str, Arc<MemoryFolder>> = names
            .chain(["books"])
            .map(|name| (name, Arc::new(MemoryFolder::default())))
            .collect();
        let reach = Reach {
            dir,
            network: false,
            folder: &|name| Ok(Arc::clone(&folders[name]) as _),
        };
        let stop = CancellationToken::new();
        let handling = move |shipment: &SimShipment| handling(seed, shipment);
        let systems = Systems::open(&merchant, &reach, &cloud_clock, handling, &stop);
        let systems = systems.await.unwrap();
        let path = dir.join("hikiate.toml");
        std::fs::write(&path, merchant.toml(&systems.addresses)).unwrap();
        let mut seams: BTreeMap<String, Arc<dyn FaultSeam>> = BTreeMap::new();
        let mut ways: BTreeMap<String, Arc<dyn Transport>> = BTreeMap::new();
        let mut providers = Vec::new();
        for (terms, system) in merchant.providers.iter().zip(systems.providers) {
            let ProviderSystem { sim, wire } = system;
            seams.insert(terms.account.to_owned(), Arc::clone(&wire) as _);
            ways.insert(terms.account.to_owned(), wire);
            providers.push(sim);
        }
        let mut shops = Vec::new();
        for (terms, system) in merchant.shops.iter().zip(systems.shops) {
            let ShopSystem { sim, wire } = system;
            match &sim {
                ShopSim::Medusa(sim) => sim.repeats_names(true),
                ShopSim::WooCommerce(sim) => sim.repeats_names(true),
            }
            seams.insert(terms.account.to_owned(), Arc::clone(&wire) as _);
            ways.insert(terms.account.to_owned(), wire);
            let provider = providers.first().cloned();
            shops.push(Shop::new(terms.account, sim, provider, &cloud_clock));
        }
        let mut codes = ITEMS.to_vec();
        codes.push(UNKNOWN_ITEM);
        shops.iter().for_each(|shop| shop.open(&codes));
        for woo in shops.iter().filter_map(|shop| shop.woo.as_ref()) {
            woo.sim.offer_fulfilments(terms.fulfilments);
        }
        let mouth = Arc::new(Mouth {
            inner: Arc::clone(&ways[shops[0].account]),
            words: Mutex::default(),
        });
        ways.insert(shops[0].account.to_owned(), Arc::clone(&mouth) as _);
        let mut faulty: BTreeMap<String, Arc<FaultyFolder>> = BTreeMap::new();
        let mut by_files = |slug: &str, folder: &Arc<MemoryFolder>| {
            let inner: Arc<MemoryFolder> = Arc::clone(folder);
            let folder = Arc::new(FaultyFolder::new(inner));
            seams.insert(slug.to_owned(), Arc::clone(&folder) as _);
            faulty.insert(slug.to_owned(), folder);
        };
        by_files("books", &folders["books"]);
        let mut warehouses = Vec::new();
        let mut third = Vec::new();
        for (terms, system) in merchant.warehouses.iter().zip(systems.warehouses) {
            let slug = format!("{}-3pl", terms.name);
            let by = match system {
                WarehouseSystem::Files(sim) => {
                    sim.repeats_names(true);
                    let folder = Arc::clone(&folders[terms.name]);
                    by_files(&slug, &folder);
                    By::Files { sim, folder }
                }
                WarehouseSystem::Openlogi { sim, wire } => {
                    sim.repeats_names(true);
                    third.push((slug.clone(), wire));
                    By::Openlogi(Third::new(sim, seed))
                }
            };
            warehouses.push(Warehouse {
                name: terms.name,
                slug,
                by,
            });
        }
        for (slug, wire) in third {
            seams.insert(slug.clone(), Arc::clone(&wire) as _);
            ways.insert(slug, wire);
        }
        systems.mail.repeats_names(true);
        seams.insert("post".to_owned(), Arc::new(systems.mail.clone()));
        let surroundings = Surroundings {
            variables: BTreeMap::new(),
            allow_missing_secrets: false,
            allow_bad_mapping: false,
        };
        let in_process = |kind| InProcess { kind, ways: &ways };
        let (medusa, woo) = (in_process(&MedusaKind), in_process(&WooCommerceKind));
        let (stripe, openlogi) = (in_process(&StripeKind), in_process(&OpenlogiKind));
        let files = FileKind(faulty);
        let kinds: [&dyn ConnectorKind; 6] = [
            &medusa,
            &woo,
            &stripe,
            &openlogi,
            &files,
            hikiate_smtp::KIND,
        ];
        let loaded = load(Some(&path), &surroundings, &kinds).unwrap();
        let far = Self {
            shops,
            cloud_clock,
            mouth,
            warehouses,
            mails: systems.mail,
            books: Arc::clone(&folders["books"]),
            seams,
            stop,
        };
        (far, loaded)
    }

    /// What an order's shop, and whoever has its money, remember of it.
    pub(super) fn order(&self, order: &Placed) -> Seen {
        self.shops[order.shop].order(&order.id)
    }

    /// Every account whose calls an operator may pause.
    pub(super) fn accounts(&self) -> Vec<String> {
        let all = self.seams.keys().cloned();
        all.filter(|account| account != "books").collect()
    }

    /// Look-ups see all that our calls did, whatever was to be shown late: people take longer than that, so before any of them acts.
    pub(super) fn catch_up(&self) {
        self.shops.iter().for_each(|shop| shop.catch_up());
        for warehouse in &self.warehouses {
            if let By::Openlogi(third) = &warehouse.by {
                third.sim.catch_up();
            }
        }
    }

    /// Each fault: how often it has happened so far, and how often it was ordered and has not.
    pub(super) fn met(&self) -> BTreeMap<Fault, (u64, u64)> {
        let mut met: BTreeMap<Fault, (u64, u64)> = BTreeMap::new();
        for seam in self.seams.values() {
            for (fault, n) in seam.injected() {
                met.entry(fault).or_default().0 += n;
            }
            for fault in seam.unmet() {
                met.entry(fault).or_default().1 += 1;
            }
        }
        met
    }

    /// Faults that have happened so far.
    pub(super) fn faults(&self) -> u64 {
        let each = self.seams.values().flat_map(|seam| seam.injected());
        each.map(|(_, n)| n).sum()
    }
}

/// A way to a shop on which something else can answer in its place.
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

/// A connector over a way of ours.
struct InProcess<'a> {
    kind: &'a dyn ConnectorKind,
    /// By account.
    ways: &'a BTreeMap<String, Arc<dyn Transport>>,
}

impl ConnectorKind for InProcess<'_> {
    fn name(&self) -> &'static str {
        self.kind.name()
    }

    fn title(&self) -> &'static str {
        self.kind.title()
    }

    fn schema(&self) -> schemars::Schema {
        self.kind.schema()
    }

    fn build(&self, account: &AccountConfig<'_>) -> Result<Arc<dyn Connector>, Vec<Problem>> {
        let way = Arc::clone(&self.ways[account.slug.as_str()]);
        let link = account.link.clone().over(way);
        self.kind.build(&AccountConfig {
            link: &link,
            ..*account
        })
    }
}

/// Files in folders of ours.
struct FileKind(BTreeMap<String, Arc<FaultyFolder>>);

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
