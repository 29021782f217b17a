//! A merchant for worlds of simulated systems: shops, payment providers, warehouses, a mail server and books. One
//! description makes both the `hikiate.toml` and the simulators that it reaches, whatever connector each of them has.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use hikiate_files::sim::{SimFolders, SimHandling, SimShipment, WarehouseSim};
use hikiate_files::{Folder, LocalFolder, load_layout};
use hikiate_medusa::sim::MedusaSim;
use hikiate_openlogi::sim::OpenlogiSim;
use hikiate_sdk::Currency;
use hikiate_sdk::faulty::FaultyTransport;
use hikiate_sdk::http::Transport;
use hikiate_sdk::sim::{SimClock, SimTransport, Simulator, serve_transport};
use hikiate_smtp::sim::SmtpSim;
use hikiate_stripe::sim::StripeSim;
use hikiate_woocommerce::sim::WooSim;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// The secret API key of every simulated Medusa shop.
pub const TOKEN: &str = "sk_sim";
/// The consumer key of every simulated WooCommerce shop.
pub const WOO_KEY: &str = "ck_sim";
/// And its secret.
pub const WOO_SECRET: &str = "cs_sim";
/// The API key of every simulated Stripe account.
pub const STRIPE_KEY: &str = "sk_test_sim";
/// The token of every simulated OPENLOGI.
pub const OPENLOGI_TOKEN: &str = "token-sim";
/// OPENLOGI's code of the merchant.
pub const OPENLOGI_ACCOUNT: &str = "SIM01";
/// What shops and providers sign their webhooks with.
pub const HOOK_SECRET: &str = "whsec_sim";
/// Files of the world's folder that hold the secrets.
const SECRETS: [(&str, &str); 6] = [
    ("token", TOKEN),
    ("woo-key", WOO_KEY),
    ("woo-secret", WOO_SECRET),
    ("stripe-key", STRIPE_KEY),
    ("openlogi-token", OPENLOGI_TOKEN),
    ("hook-secret", HOOK_SECRET),
];
/// An address that nobody listens at.
const NOWHERE: &str = "http://127.0.0.1:1";
/// Where the journal debits what customers owe.
pub const RECEIVABLE: &str = "Assets:Receivable";
/// Where it debits what they paid before shipping.
pub const ADVANCES: &str = "Liabilities:Advances";

/// What a shop runs on, and with that, which account has the money of its cards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShopOn {
    /// Medusa, which captures by itself.
    Medusa,
    /// WooCommerce, whose cards are at a Stripe account of the merchant.
    WooCommerce {
        /// That account.
        cards: &'static str,
    },
}

/// A shop of the merchant.
#[derive(Clone, Debug)]
pub struct ShopTerms {
    /// Its account and channel.
    pub account: &'static str,
    /// What it runs on.
    pub on: ShopOn,
    /// More TOML of the account.
    pub more: String,
    /// More TOML of the channel.
    pub channel: String,
}

/// An account of the merchant at a payment provider, which is Stripe.
#[derive(Clone, Debug)]
pub struct ProviderTerms {
    /// Its account.
    pub account: &'static str,
    /// More TOML of the account.
    pub more: String,
}

/// How a warehouse is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WarehouseBy {
    /// By files in a folder of its name.
    Files {
        /// Its layout, as the configuration names it.
        layout: &'static str,
    },
    /// It is OPENLOGI's.
    Openlogi,
}

/// A warehouse of the merchant.
#[derive(Clone, Debug)]
pub struct WarehouseTerms {
    /// Its name; its account is `NAME-3pl`.
    pub name: &'static str,
    /// How it is reached.
    pub by: WarehouseBy,
    /// More TOML of the account.
    pub more: String,
    /// How it is instructed, as a TOML value.
    pub dispatch: String,
}

/// What the configuration says.
#[derive(Clone, Debug)]
pub struct Merchant {
    /// The shop's name.
    pub name: &'static str,
    /// TOML of the process: `[database]`, `[log]`, `[engine]`. It listens at no port in any case.
    pub process: String,
    /// What relative folders lie below; empty where the configuration lies in the world's folder.
    pub root: PathBuf,
    /// Channels.
    pub shops: Vec<ShopTerms>,
    /// Payment providers.
    pub providers: Vec<ProviderTerms>,
    /// In the order of the configuration.
    pub warehouses: Vec<WarehouseTerms>,
    /// More TOML of the mail account.
    pub mail: String,
    /// How often the books are closed, as a duration.
    pub close: &'static str,
    /// More TOML at the end.
    pub more: String,
}

/// Where the systems listen.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// Of the shops, in order.
    pub shops: Vec<String>,
    /// Of the payment providers, in order.
    pub providers: Vec<String>,
    /// Of the warehouses, in order; nothing for one that is reached by files.
    pub warehouses: Vec<String>,
    /// Port of the mail server.
    pub mail_port: u16,
}

impl Merchant {
    /// The text of `hikiate.toml`.
    #[must_use]
    pub fn toml(&self, addresses: &Addresses) -> String {
        let at = |name: &str| {
            toml::Value::String(self.root.join(name).display().to_string()).to_string()
        };
        let mut text = format!(
            "[shop]\nname = \"{}\"\ntimezone = \"Asia/Tokyo\"\ncurrency = \"JPY\"\n[http]\nlisten = \"off\"\n{}\n",
            self.name, self.process
        );
        let file = |name: &str| format!("{{ file = {} }}", at(name));
        for (shop, url) in self.shops.iter().zip(&addresses.shops) {
            let reach = match shop.on {
                ShopOn::Medusa => format!("connector = \"medusa\"\ntoken = {}", file("token")),
                ShopOn::WooCommerce { .. } => format!(
                    "connector = \"woocommerce\"\nkey = {}\nsecret = {}\nstatuses = {{ on-hold = \"open\", picking = \"frozen\" }}",
                    file("woo-key"),
                    file("woo-secret")
                ),
            };
            text += &format!(
                "[accounts.{}]\n{reach}\nurl = \"{url}\"\n{}\n",
                shop.account, shop.more
            );
        }
        for (provider, url) in self.providers.iter().zip(&addresses.providers) {
            text += &format!(
                "[accounts.{}]\nconnector = \"stripe\"\nsecret = {}\nurl = \"{url}\"\n{}\n",
                provider.account,
                file("stripe-key"),
                provider.more
            );
        }
        for (warehouse, url) in self.warehouses.iter().zip(&addresses.warehouses) {
            let reach = match warehouse.by {
                WarehouseBy::Files { layout } => format!(
                    "connector = \"files\"\nfolder = {}\nlayout = \"{layout}\"",
                    at(warehouse.name)
                ),
                WarehouseBy::Openlogi => format!(
                    "connector = \"openlogi\"\nurl = \"{url}\"\ntoken = {}\naccount = \"{OPENLOGI_ACCOUNT}\"",
                    file("openlogi-token")
                ),
            };
            text += &format!(
                "[accounts.{}-3pl]\n{reach}\n{}\n",
                warehouse.name, warehouse.more
            );
        }
        text += &format!(
            r#"[accounts.post]
connector = "smtp"
host = "127.0.0.1"
port = {port}
tls = "none"
from = "shop@example.jp"
{mail}
[accounts.books]
connector = "files"
folder = {books}
layout = "hledger"
[accounts.books.titles]
"売上高" = "Income:Sales"
"売掛金" = "{RECEIVABLE}"
"仮受消費税" = "Liabilities:Tax"
"雑損益" = "Expenses:Rounding"
"前受金" = "{ADVANCES}"
"#,
            port = addresses.mail_port,
            mail = self.mail,
            books = at("books"),
        );
        for shop in &self.shops {
            let name = shop.account;
            let payments = match shop.on {
                ShopOn::Medusa => format!(
                    r#""pp_system_default" = {{ method = "card", account = "{name}" }}
"pp_bank" = {{ method = "bank_transfer" }}
"pp_paid" = {{ method = "prepaid" }}"#
                ),
                ShopOn::WooCommerce { cards } => format!(
                    r#""stripe" = {{ method = "card", account = "{cards}" }}
"bacs" = {{ method = "bank_transfer" }}
"konbini" = {{ method = "prepaid" }}"#
                ),
            };
            text += &format!(
                "[channels.{name}]\nmail = [\"shipped\"]\n{}\n[channels.{name}.payments]\n{payments}\n",
                shop.channel,
            );
        }
        for warehouse in &self.warehouses {
            let (name, dispatch) = (warehouse.name, &warehouse.dispatch);
            let replies = match warehouse.by {
                WarehouseBy::Files { .. } => "reply_within = \"never\"\n",
                WarehouseBy::Openlogi => {
                    "reply_within = \"1d\"\nservices = { \"Standard\" = \"\", \"Flat rate\" = \"\" }\n"
                }
            };
            text += &format!(
                "[warehouses.{name}]\naccount = \"{name}-3pl\"\ndispatch = {dispatch}\n{replies}"
            );
        }
        text += &format!(
            "[mail]\naccount = \"post\"\n[booking]\nrecognise = \"shipped\"\naccount = \"books\"\nclose = {{ every = \"{}\" }}\n{}\n",
            self.close, self.more
        );
        text
    }
}

/// The simulator of a shop.
#[derive(Clone)]
pub enum ShopSim {
    /// On Medusa.
    Medusa(Arc<MedusaSim>),
    /// On WooCommerce.
    WooCommerce(Arc<WooSim>),
}

/// A simulated shop.
#[derive(Clone)]
pub struct ShopSystem {
    /// The shop.
    pub sim: ShopSim,
    /// What goes wrong on the way to it.
    pub wire: Arc<FaultyTransport>,
}

impl ShopSystem {
    /// The simulator of a shop on Medusa.
    ///
    /// # Errors
    /// When it runs on something else.
    pub fn medusa(&self) -> anyhow::Result<Arc<MedusaSim>> {
        match &self.sim {
            ShopSim::Medusa(sim) => Ok(Arc::clone(sim)),
            ShopSim::WooCommerce(_) => anyhow::bail!("the shop runs on WooCommerce"),
        }
    }
}

/// A simulated account at a payment provider.
#[derive(Clone)]
pub struct ProviderSystem {
    /// The provider.
    pub sim: Arc<StripeSim>,
    /// What goes wrong on the way to it.
    pub wire: Arc<FaultyTransport>,
}

/// A simulated warehouse.
pub enum WarehouseSystem {
    /// One that is reached by files.
    Files(Box<WarehouseSim>),
    /// OPENLOGI.
    Openlogi {
        /// Its interface.
        sim: Arc<OpenlogiSim>,
        /// What goes wrong on the way to it.
        wire: Arc<FaultyTransport>,
    },
}

impl WarehouseSystem {
    /// The simulator of a warehouse that is reached by files.
    ///
    /// # Errors
    /// When it is OPENLOGI's.
    pub fn files(self) -> anyhow::Result<WarehouseSim> {
        match self {
            Self::Files(sim) => Ok(*sim),
            Self::Openlogi { .. } => anyhow::bail!("the warehouse is OPENLOGI's"),
        }
    }
}

/// The simulated systems of a merchant. Who drives their clock and their work is up to the world.
pub struct Systems {
    /// In the merchant's order.
    pub shops: Vec<ShopSystem>,
    /// In the merchant's order.
    pub providers: Vec<ProviderSystem>,
    /// In the merchant's order.
    pub warehouses: Vec<WarehouseSystem>,
    /// The mail server.
    pub mail: SmtpSim,
    /// Where they listen.
    pub addresses: Addresses,
}

/// How the systems of a world are reached.
pub struct Reach<'a> {
    /// The world's folder; layouts of its own lie in it.
    pub dir: &'a Path,
    /// Shops, providers and warehouses listen at ports of their own; otherwise they are reached in process, and have an
    /// address that nobody listens at.
    pub network: bool,
    /// The files of an account's folder.
    pub folder: &'a (dyn Fn(&str) -> anyhow::Result<Arc<dyn Folder>> + Sync),
}

/// The folder of an account on disk, made with the folders that both sides expect in it.
///
/// # Errors
/// When it cannot be made.
pub fn disk_folder(root: &Path, name: &str) -> anyhow::Result<Arc<dyn Folder>> {
    let root = root.join(name);
    for folder in ["outgoing", "incoming", "archive"] {
        std::fs::create_dir_all(root.join(folder)).context("make the folders")?;
    }
    Ok(Arc::new(LocalFolder::new(root)))
}

impl Systems {
    /// Builds the systems; those that listen do so until told to stop.
    ///
    /// # Errors
    /// When a folder, a layout or a port cannot be had.
    pub async fn open(
        merchant: &Merchant,
        reach: &Reach<'_>,
        clock: &SimClock,
        handling: impl Fn(&SimShipment) -> SimHandling + Clone + Send + Sync + 'static,
        stop: &CancellationToken,
    ) -> anyhow::Result<Self> {
        write_secrets(reach.dir).context("write the keys")?;
        let mut addresses = Addresses {
            shops: Vec::new(),
            providers: Vec::new(),
            warehouses: Vec::new(),
            mail_port: 0,
        };
        let yen = Currency::JPY;
        let mut shops = Vec::new();
        for terms in &merchant.shops {
            let (sim, wire) = match terms.on {
                ShopOn::Medusa => {
                    let sim = Arc::new(MedusaSim::new(clock.clone(), TOKEN, yen));
                    let way = way(&sim, reach, MedusaSim::transport);
                    let wire = FaultyTransport::new(way).speaking(hikiate_medusa::sim::words);
                    let wire = wire.asking(hikiate_medusa::sim::can);
                    (ShopSim::Medusa(sim), wire)
                }
                ShopOn::WooCommerce { .. } => {
                    let sim = WooSim::new(clock.clone(), WOO_KEY, WOO_SECRET, yen);
                    let sim = Arc::new(sim);
                    let way = way(&sim, reach, WooSim::transport);
                    let wire = FaultyTransport::new(way).speaking(hikiate_woocommerce::sim::words);
                    let wire = wire.asking(hikiate_woocommerce::sim::can);
                    (ShopSim::WooCommerce(sim), wire)
                }
            };
            let wire = Arc::new(wire);
            addresses.shops.push(address(&wire, reach, stop).await?);
            shops.push(ShopSystem { sim, wire });
        }
        let mut providers = Vec::new();
        for _ in &merchant.providers {
            let sim = Arc::new(StripeSim::new(clock.clone(), STRIPE_KEY));
            let way = way(&sim, reach, StripeSim::transport);
            let wire = FaultyTransport::new(way).speaking(hikiate_stripe::sim::words);
            let wire = Arc::new(wire);
            addresses.providers.push(address(&wire, reach, stop).await?);
            providers.push(ProviderSystem { sim, wire });
        }
        let mut warehouses = Vec::new();
        for terms in &merchant.warehouses {
            let (system, url) = match terms.by {
                WarehouseBy::Files { layout } => {
                    let layout = load_layout(layout, reach.dir)
                        .map_err(|problems| anyhow::anyhow!("{}", problems.join("; ")))?;
                    let (folder, zone) = ((reach.folder)(terms.name)?, chrono_tz::Asia::Tokyo);
                    let sim = WarehouseSim::new(folder, SimFolders::default(), layout, zone);
                    let sim = sim.with_policy(handling.clone());
                    (WarehouseSystem::Files(Box::new(sim)), String::new())
                }
                WarehouseBy::Openlogi => {
                    let sim = OpenlogiSim::new(clock.clone(), OPENLOGI_TOKEN, OPENLOGI_ACCOUNT);
                    let sim = Arc::new(sim);
                    let way = way(&sim, reach, OpenlogiSim::transport);
                    let wire = FaultyTransport::new(way).speaking(hikiate_openlogi::sim::words);
                    let wire = Arc::new(wire.asking(hikiate_openlogi::sim::can));
                    let url = address(&wire, reach, stop).await?;
                    (WarehouseSystem::Openlogi { sim, wire }, url)
                }
            };
            addresses.warehouses.push(url);
            warehouses.push(system);
        }
        (reach.folder)("books")?;
        let mail = SmtpSim::default();
        let (listener, port) = listen().await.context("open a port for mails")?;
        tokio::spawn(mail.clone().serve(listener, stop.clone().cancelled_owned()));
        addresses.mail_port = port;
        Ok(Self {
            shops,
            providers,
            warehouses,
            mail,
            addresses,
        })
    }
}

/// Writes the files that hold the keys of the simulated systems.
///
/// # Errors
/// The file system's.
pub fn write_secrets(dir: &Path) -> std::io::Result<()> {
    let mut files = SECRETS.iter();
    files.try_for_each(|(name, value)| std::fs::write(dir.join(name), value))
}

/// The way to a simulator: over the network with the keys of the configuration, or in process.
fn way<S: Simulator + 'static>(
    sim: &Arc<S>,
    reach: &Reach<'_>,
    in_process: impl Fn(&Arc<S>) -> Arc<dyn Transport>,
) -> Arc<dyn Transport> {
    if reach.network {
        Arc::new(SimTransport(Arc::clone(sim) as _))
    } else {
        in_process(sim)
    }
}

/// Has a system listen at a port of its own until told to stop, where it is to be reached so.
async fn address(
    wire: &Arc<FaultyTransport>,
    reach: &Reach<'_>,
    stop: &CancellationToken,
) -> anyhow::Result<String> {
    if !reach.network {
        return Ok(NOWHERE.to_owned());
    }
    let (listener, port) = listen().await.context("open a port")?;
    let shutdown = stop.clone().cancelled_owned();
    let wire: Arc<dyn Transport> = Arc::clone(wire) as _;
    tokio::spawn(serve_transport(wire, listener, shutdown));
    Ok(format!("http://127.0.0.1:{port}"))
}

/// A free port; no world has a port of its own choice, so that worlds stand beside each other.
async fn listen() -> std::io::Result<(TcpListener, u16)> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let port = listener.local_addr()?.port();
    Ok((listener, port))
}
