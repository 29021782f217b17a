//! A merchant for worlds of simulated systems: shops, warehouses that work with files, a mail server and books. One
//! description makes both the `hikiate.toml` and the simulators that it reaches.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use hikiate_files::sim::{SimFolders, SimHandling, SimShipment, WarehouseSim};
use hikiate_files::{Folder, LocalFolder, load_layout};
use hikiate_medusa::sim::{MedusaSim, words};
use hikiate_sdk::Currency;
use hikiate_sdk::faulty::FaultyTransport;
use hikiate_sdk::http::Transport;
use hikiate_sdk::sim::{SimClock, SimTransport, serve_transport};
use hikiate_smtp::sim::SmtpSim;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// The secret API key of every simulated shop; it lies in the file `token` of the world's folder.
pub const TOKEN: &str = "sk_sim";
/// Where the journal debits what customers owe.
pub const RECEIVABLE: &str = "Assets:Receivable";
/// Where it debits what they paid before shipping.
pub const ADVANCES: &str = "Liabilities:Advances";

/// A shop of the merchant.
#[derive(Clone, Debug)]
pub struct ShopTerms {
    /// Its account and channel.
    pub account: &'static str,
    /// More TOML of the account.
    pub more: String,
    /// More TOML of the channel.
    pub channel: String,
}

/// A warehouse of the merchant.
#[derive(Clone, Debug)]
pub struct WarehouseTerms {
    /// Its name; its account is `NAME-3pl` and its folder `NAME`.
    pub name: &'static str,
    /// Its layout, as the configuration names it.
    pub layout: &'static str,
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
        for (shop, url) in self.shops.iter().zip(&addresses.shops) {
            text += &format!(
                "[accounts.{}]\nconnector = \"medusa\"\nurl = \"{url}\"\ntoken = {{ file = {} }}\n{}\n",
                shop.account,
                at("token"),
                shop.more
            );
        }
        for warehouse in &self.warehouses {
            text += &format!(
                "[accounts.{}-3pl]\nconnector = \"files\"\nfolder = {}\nlayout = \"{}\"\n{}\n",
                warehouse.name,
                at(warehouse.name),
                warehouse.layout,
                warehouse.more
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
            text += &format!(
                r#"[channels.{name}]
mail = ["shipped"]
{channel}
[channels.{name}.payments]
"pp_system_default" = {{ method = "card", account = "{name}" }}
"pp_bank" = {{ method = "bank_transfer" }}
"pp_paid" = {{ method = "prepaid" }}
"#,
                name = shop.account,
                channel = shop.channel,
            );
        }
        for warehouse in &self.warehouses {
            let (name, dispatch) = (warehouse.name, &warehouse.dispatch);
            text += &format!(
                "[warehouses.{name}]\naccount = \"{name}-3pl\"\ndispatch = {dispatch}\nreply_within = \"never\"\n"
            );
        }
        text += &format!(
            "[mail]\naccount = \"post\"\n[booking]\nrecognise = \"shipped\"\naccount = \"books\"\nclose = {{ every = \"{}\" }}\n{}\n",
            self.close, self.more
        );
        text
    }
}

/// A simulated shop.
#[derive(Clone)]
pub struct ShopSystem {
    /// The shop.
    pub sim: Arc<MedusaSim>,
    /// What goes wrong on the way to it.
    pub wire: Arc<FaultyTransport>,
}

/// The simulated systems of a merchant. Who drives their clock and their work is up to the world.
pub struct Systems {
    /// In the merchant's order.
    pub shops: Vec<ShopSystem>,
    /// In the merchant's order.
    pub warehouses: Vec<WarehouseSim>,
    /// The mail server.
    pub mail: SmtpSim,
    /// Where they listen.
    pub addresses: Addresses,
}

/// How the systems of a world are reached.
pub struct Reach<'a> {
    /// The world's folder; layouts of its own lie in it.
    pub dir: &'a Path,
    /// The shops listen at ports of their own; otherwise they are reached in process, and have an address that
    /// nobody listens at.
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
        std::fs::write(reach.dir.join("token"), TOKEN).context("write the shops' key")?;
        let mut addresses = Addresses {
            shops: Vec::new(),
            mail_port: 0,
        };
        let mut shops = Vec::new();
        for _ in &merchant.shops {
            let sim = Arc::new(MedusaSim::new(clock.clone(), TOKEN, Currency::JPY));
            let way: Arc<dyn Transport> = if reach.network {
                Arc::new(SimTransport(sim.clone()))
            } else {
                sim.transport()
            };
            let wire = Arc::new(FaultyTransport::new(way).speaking(words));
            addresses.shops.push(if reach.network {
                serve(wire.clone(), stop)
                    .await
                    .context("open a port for a shop")?
            } else {
                "http://127.0.0.1:1".to_owned()
            });
            shops.push(ShopSystem { sim, wire });
        }
        let mut warehouses = Vec::new();
        for terms in &merchant.warehouses {
            let layout = load_layout(terms.layout, reach.dir)
                .map_err(|problems| anyhow::anyhow!("{}", problems.join("; ")))?;
            let sim = WarehouseSim::new(
                (reach.folder)(terms.name)?,
                SimFolders::default(),
                layout,
                chrono_tz::Asia::Tokyo,
            );
            warehouses.push(sim.with_policy(handling.clone()));
        }
        (reach.folder)("books")?;
        let mail = SmtpSim::default();
        let (listener, port) = listen().await.context("open a port for mails")?;
        tokio::spawn(mail.clone().serve(listener, stop.clone().cancelled_owned()));
        addresses.mail_port = port;
        Ok(Self {
            shops,
            warehouses,
            mail,
            addresses,
        })
    }
}

/// Has a system listen at a port of its own until told to stop. Returns its address.
pub(super) async fn serve(
    wire: Arc<dyn Transport>,
    stop: &CancellationToken,
) -> std::io::Result<String> {
    let (listener, port) = listen().await?;
    let shutdown = stop.clone().cancelled_owned();
    tokio::spawn(serve_transport(wire, listener, shutdown));
    Ok(format!("http://127.0.0.1:{port}"))
}

/// A free port; no world has a port of its own choice, so that worlds stand beside each other.
async fn listen() -> std::io::Result<(TcpListener, u16)> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let port = listener.local_addr()?.port();
    Ok((listener, port))
}
