//! The external systems: shops, a payment provider, warehouses, a mail server and a folder of books, all in this process,
//! with one clock that runs beside the database's.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use hikiate_files::sim::{SimFile, SimHandling, SimShipment, WarehouseSim};
use hikiate_sdk::faulty::{Fault, FaultSeam as _, FaultyTransport, When};
use hikiate_sdk::http::Method;
use hikiate_sdk::sim::SimClock;
use hikiate_smtp::sim::SmtpSim;
use tokio_util::sync::CancellationToken;

use super::config::{self, Reader, SHOPS, WAREHOUSES};
use super::merchant::{
    Addresses, Reach, ShopSim, ShopSystem, Systems, WarehouseSystem, disk_folder,
};
use super::nagoya::Nagoya;
use super::orders::{self, NAGOYA, SOLD_OUT};
use super::shop::{Shop, Software};
use super::woo::WooShop;
use crate::policy::CaptureRule;

/// How often the warehouses work.
const TICK: Duration = Duration::from_millis(200);
/// The shops' codes of the warehouses, as the configuration has them.
const PLACES: [&str; 2] = ["sloc_tokyo", "sloc_osaka"];
/// And that of the third.
const NAGOYA_PLACE: &str = "sloc_nagoya";

/// A warehouse that exchanges files.
pub struct Warehouse {
    /// Its name.
    pub name: &'static str,
    /// The warehouse.
    pub sim: Arc<WarehouseSim>,
}

/// What the world is to be.
#[derive(Clone, Debug)]
pub struct Setting<'a> {
    /// Everything is below it.
    pub root: &'a Path,
    /// What the database's clock shows more than the real one.
    pub shift: chrono::Duration,
    /// How many orders there will be.
    pub orders: usize,
    /// Without planned faults.
    pub smooth: bool,
    /// With a shop on WooCommerce, Stripe and OPENLOGI beside the merchant's systems.
    pub wide: bool,
    /// Ticks that a warehouse takes for a shipment, at the most; at least 1.
    pub pace: u32,
    /// Items of which there are only so many in each warehouse that has them; there is plenty of the rest.
    pub scarce: &'a [(&'a str, i64)],
}

/// Everything outside the program.
pub struct World {
    /// Two on Medusa, and one on WooCommerce.
    pub shops: Vec<Shop>,
    /// Tokyo and Osaka.
    pub warehouses: [Warehouse; 2],
    /// The third warehouse.
    pub(super) nagoya: Option<Arc<Nagoya>>,
    /// The mail server.
    pub mail: SmtpSim,
    /// Where shops and mail server listen.
    pub addresses: Addresses,
    /// The ways to what captures, each with its account; on each the reply to one capture is lost.
    capturing: Vec<(&'static str, Arc<FaultyTransport>)>,
    root: PathBuf,
    smooth: bool,
    slow: Arc<Mutex<BTreeSet<String>>>,
    troubles: Arc<Mutex<Vec<String>>>,
    stop: CancellationToken,
}

impl World {
    /// Opens the doors.
    ///
    /// # Errors
    /// When a folder or a port cannot be had.
    pub async fn start(setting: &Setting<'_>) -> anyhow::Result<Self> {
        let root = setting.root;
        let clock = SimClock::at(SimClock::real().now() + setting.shift);
        let stop = CancellationToken::new();
        let slow: Arc<Mutex<BTreeSet<String>>> = Arc::default();
        let reach = Reach {
            dir: root,
            network: true,
            folder: &|name| disk_folder(root, name),
        };
        // Of those without the demo's own systems it does not matter who reads the configuration.
        let reader = if setting.wide {
            Reader::Demo
        } else {
            Reader::Bench
        };
        let merchant = config::merchant(root, reader);
        if setting.wide {
            config::write_items(root).context("write the items")?;
        }
        let handling = handling(setting.pace, &slow);
        let systems = Systems::open(&merchant, &reach, &clock, handling, &stop).await?;
        let mut providers = systems.providers.into_iter();
        let mut capturing = Vec::new();
        let mut shops = Vec::new();
        for (terms, ShopSystem { sim, wire }) in merchant.shops.iter().zip(systems.shops) {
            let (capture, software) = match sim {
                ShopSim::Medusa(sim) if terms.account == SHOPS[0] => {
                    (CaptureRule::EachShipment, Software::Medusa(sim))
                }
                ShopSim::Medusa(sim) => {
                    capturing.push((terms.account, Arc::clone(&wire)));
                    (CaptureRule::OnComplete, Software::Medusa(sim))
                }
                ShopSim::WooCommerce(sim) => {
                    let provider = providers.next().context("a payment provider")?;
                    capturing.push((config::PROVIDER, provider.wire));
                    let shop = WooShop::new(sim, provider.sim);
                    (CaptureRule::OnComplete, Software::WooCommerce(shop))
                }
            };
            shops.push(Shop {
                account: terms.account,
                capture,
                wire,
                software,
            });
        }
        let (mut nagoya, mut by_files) = (None, Vec::new());
        for system in systems.warehouses {
            match system {
                WarehouseSystem::Files(sim) => by_files.push(Arc::from(sim)),
                WarehouseSystem::Openlogi { sim, .. } => nagoya = Some(Arc::new(Nagoya::new(sim))),
            }
        }
        let mut by_files = by_files.into_iter();
        let mut warehouse = |name| {
            let sim = by_files.next().context("a warehouse")?;
            anyhow::Ok(Warehouse { name, sim })
        };
        let warehouses = [warehouse(WAREHOUSES[0])?, warehouse(WAREHOUSES[1])?];
        let troubles = Arc::default();
        let world = Self {
            shops,
            warehouses,
            nagoya,
            mail: systems.mail,
            addresses: systems.addresses,
            capturing,
            root: root.to_owned(),
            smooth: setting.smooth,
            slow,
            troubles,
            stop,
        };
        world.fill(setting, clock.now()).await?;
        if !setting.smooth {
            for (_, wire) in &world.capturing {
                wire.inject_when(When::new(Method::Post, "/capture"), Fault::LostReply);
            }
            world.warehouses[0].sim.deliver_twice(SimFile::Shipped);
        }
        world.work(clock, setting.shift);
        Ok(world)
    }

    /// Puts goods on the shelves and has them reported: an item exists once a warehouse has told it.
    async fn fill(
        &self,
        setting: &Setting<'_>,
        now: chrono::DateTime<chrono::Utc>,
    ) -> anyhow::Result<()> {
        let plenty = i64::try_from(setting.orders).unwrap_or(i64::MAX / 10) * 9;
        for (code, tokyo, osaka) in orders::stock().into_iter().chain([(SOLD_OUT, true, true)]) {
            let few = setting.scarce.iter().find(|(known, _)| *known == code);
            let quantity = match few {
                Some((_, few)) => *few,
                None if code == SOLD_OUT => 0,
                None => plenty,
            };
            for (at, has) in [tokyo, osaka].into_iter().enumerate() {
                if has {
                    self.warehouses[at].sim.set_stock(code, quantity);
                }
                for shop in &self.shops {
                    shop.add_sku(code, PLACES[at], if has { quantity } else { 0 });
                }
            }
        }
        for (nagoya, (code, _)) in self
            .nagoya
            .iter()
            .flat_map(|w| NAGOYA.map(|item| (w, item)))
        {
            nagoya.set_stock(code, plenty);
            for shop in &self.shops {
                shop.add_sku(code, NAGOYA_PLACE, plenty);
            }
        }
        for warehouse in &self.warehouses {
            warehouse
                .sim
                .write_stock(now)
                .await
                .context("write the stock file")?;
        }
        Ok(())
    }

    /// Lets the clock run and the warehouses work until the end.
    fn work(&self, clock: SimClock, shift: chrono::Duration) {
        for warehouse in &self.warehouses {
            let (name, sim, clock) = (warehouse.name, Arc::clone(&warehouse.sim), clock.clone());
            let (stop, troubles) = (self.stop.clone(), Arc::clone(&self.troubles));
            tokio::spawn(async move {
                while !stop.is_cancelled() {
                    let now = SimClock::real().now() + shift;
                    clock.set(now);
                    if let Err(error) = sim.tick(now).await {
                        note(&troubles, format!("the warehouse {name} failed: {error}"));
                    }
                    tokio::time::sleep(TICK).await;
                }
            });
        }
        if let Some(nagoya) = self.nagoya.clone() {
            let stop = self.stop.clone();
            tokio::spawn(async move {
                while !stop.is_cancelled() {
                    nagoya.tick(SimClock::real().now() + shift);
                    tokio::time::sleep(TICK).await;
                }
            });
        }
    }

    /// Has the warehouses take their time with an order: it stays accepted and does not leave.
    pub fn go_slow(&self, number: &str) {
        self.slow
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(number.to_owned());
    }

    /// Remembers that something went wrong.
    pub fn trouble(&self, words: String) {
        note(&self.troubles, words);
    }

    /// What went wrong so far, planned faults that did not happen included.
    pub fn troubles(&self) -> Vec<String> {
        let mut troubles = self
            .troubles
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        troubles.extend(self.nagoya.iter().filter_map(|nagoya| nagoya.trouble()));
        if self.smooth {
            return troubles;
        }
        for (account, wire) in &self.capturing {
            let lost = wire.injected().get(&Fault::LostReply).copied().unwrap_or(0);
            if lost != 1 {
                troubles.push(format!(
                    "one capture's reply should have been lost at {account}, {lost} were"
                ));
            }
        }
        if !self.delivered_twice() {
            troubles.push("no result file of tokyo was delivered twice".to_owned());
        }
        troubles
    }

    /// Archived files carry the hash of their content: the same one twice is the same file twice.
    fn delivered_twice(&self) -> bool {
        let Ok(files) = std::fs::read_dir(self.root.join("tokyo/archive")) else {
            return false;
        };
        let mut hashes = BTreeSet::new();
        files
            .filter_map(|file| file.ok()?.file_name().into_string().ok())
            .filter(|name| name.starts_with("jisseki"))
            .filter_map(|name| name.rsplit_once('-').map(|(_, hash)| hash.to_owned()))
            .any(|hash| !hashes.insert(hash))
    }

    /// Closes the doors.
    pub fn stop(&self) {
        self.stop.cancel();
    }
}

fn note(troubles: &Mutex<Vec<String>>, words: String) {
    let mut troubles = troubles.lock().unwrap_or_else(PoisonError::into_inner);
    if !troubles.contains(&words) {
        troubles.push(words);
    }
}

/// The same for the same shipment, unless its order is to take long.
fn handling(
    pace: u32,
    slow: &Arc<Mutex<BTreeSet<String>>>,
) -> impl Fn(&SimShipment) -> SimHandling + Clone + Send + Sync + 'static {
    let (most, slow) = (pace.max(1), Arc::clone(slow));
    move |shipment| {
        let waits = slow
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(&shipment.order_number);
        let pace = shipment.reference.bytes().map(u32::from).sum::<u32>() % most + 1;
        SimHandling {
            ship_after: if waits { u32::MAX } else { pace },
            ..SimHandling::default()
        }
    }
}
