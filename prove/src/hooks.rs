//! Webhooks under load: a daemon on a PostgreSQL that flushes to disk works on orders while a shop sends hooks at a rate. Each is
//! timed from the moment it was to be sent, and every one that was accepted must have been worked in the end.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use hikiate::demo::child::Program;
use hikiate::demo::merchant::{
    Merchant, Reach, ShopOn, ShopTerms, Systems, WarehouseBy, WarehouseTerms, disk_folder,
};
use hikiate::store::launcher::{Cluster, ClusterOptions};
use hikiate_files::sim::{SimHandling, WarehouseSim};
use hikiate_medusa::sim::{MedusaSim, NewOrder};
use hikiate_sdk::budget::Clock;
use hikiate_sdk::conformance::HookCase;
use hikiate_sdk::hooks::sign_timed;
use hikiate_sdk::http::{HttpClient, Request, Site};
use hikiate_sdk::sim::SimClock;
use hikiate_sdk::{Link, Party};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep};
use tokio_util::sync::CancellationToken;

/// The secret of the shop's key is that of its hooks, too.
const SECRET: &str = "sk_sim";
/// Orders that hooks are about.
const ORDERS: usize = 200;
/// How long what was accepted may take to be worked once the last hook was sent.
const PATIENCE: Duration = Duration::from_secs(60);

/// What `hikiate-prove hooks` takes.
#[derive(Clone, Debug, clap::Args)]
pub struct HooksArgs {
    /// Hooks a second
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    per_second: u32,
    /// For how long
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    seconds: u32,
    /// Milliseconds within which 99 of 100 must be answered
    #[arg(long, default_value_t = 200)]
    p99: u64,
    /// The daemon's program [default: `hikiate` beside this program]
    #[arg(long, value_name = "FILE")]
    daemon: Option<PathBuf>,
}

/// Runs it and prints its figures. True when none was lost and 99 of 100 were answered in time.
#[must_use]
pub fn hooks(args: &HooksArgs) -> bool {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let figures = runtime.block_on(run(args));
    runtime.shutdown_timeout(Duration::from_secs(2));
    match figures {
        Ok(figures) => {
            println!("{}", figures.line());
            figures.lost == 0 && figures.refused == 0 && figures.at(990) <= args.p99
        }
        Err(error) => {
            println!("hooks: failed: {error:#}");
            false
        }
    }
}

struct Figures {
    /// How long each took, in milliseconds, the quickest first.
    took: Vec<u64>,
    /// Not answered by a yes: their sender would repeat them.
    refused: usize,
    /// Accepted and never worked.
    lost: usize,
    /// How long the last took to be worked after it was sent.
    drained: Duration,
    /// Orders that were placed meanwhile and are known.
    orders: i64,
}

impl Figures {
    /// So many of a thousand were as quick, in milliseconds.
    fn at(&self, per_mille: usize) -> u64 {
        let at = (self.took.len() * per_mille / 1000).min(self.took.len().saturating_sub(1));
        self.took.get(at).copied().unwrap_or(0)
    }

    fn line(&self) -> String {
        format!(
            "hooks={} lost={} refused={} p50={}ms p99={}ms max={}ms drained={}ms orders={}",
            self.took.len(),
            self.lost,
            self.refused,
            self.at(500),
            self.at(990),
            self.at(1000),
            self.drained.as_millis(),
            self.orders
        )
    }
}

async fn run(args: &HooksArgs) -> anyhow::Result<Figures> {
    let folder = tempfile::Builder::new()
        .prefix("hikiate-hooks-")
        .tempdir()?;
    // The server's user must get through.
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755))?;
    let root = folder.path().canonicalize()?;
    let cluster = Cluster::start(&ClusterOptions::new(root.join("cluster"))).await?;
    let stop = CancellationToken::new();
    let figures = beside(args, &root, &cluster.url("hikiate"), &stop).await;
    stop.cancel();
    cluster.stop().await.context("stop PostgreSQL")?;
    figures
}

async fn beside(
    args: &HooksArgs,
    root: &std::path::Path,
    url: &str,
    stop: &CancellationToken,
) -> anyhow::Result<Figures> {
    std::fs::write(root.join("database"), url)?;
    let port = free_port().await?;
    let address = format!("http://127.0.0.1:{port}");
    let merchant = merchant(port);
    let reach = Reach {
        dir: root,
        network: true,
        folder: &|name| disk_folder(root, name),
    };
    let clock = SimClock::real();
    let systems = Systems::open(&merchant, &reach, &clock, |_| SimHandling::default(), stop);
    let mut systems = systems.await?;
    let shop = systems.shops[0].medusa()?;
    shop.add_sku("APPLE", "sloc_1", 1_000_000);
    let tokyo = systems.warehouses.remove(0).files()?;
    tokyo.set_stock("APPLE", 1_000_000);
    let config = root.join("hikiate.toml");
    std::fs::write(&config, merchant.toml(&systems.addresses))?;
    let exe = match &args.daemon {
        Some(file) => file.clone(),
        None => std::env::current_exe()?.with_file_name("hikiate"),
    };
    let log = root.join("daemon.log");
    let daemon = Program::at(exe, config).daemon(&log)?;
    let orders: Vec<String> = (0..ORDERS).map(|_| place(&shop)).collect();
    let pool = PgPoolOptions::new().max_connections(2).connect(url).await?;
    let trade = tokio::spawn(trade(Arc::clone(&shop), tokyo, clock));
    let figures = match ready(&pool, &shop, &address).await {
        Ok(()) => load(args, &pool, &address, &orders).await,
        Err(error) => Err(error),
    };
    trade.abort();
    pool.close().await;
    let ended = daemon.stop().await;
    figures
        .and_then(|figures| ended.map(|_| figures))
        .with_context(|| {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            let lines: Vec<&str> = text.lines().rev().take(5).collect();
            format!("the daemon's last output: {}", lines.join(" | "))
        })
}

/// The daemon's other work: an order a second, and a warehouse that ships.
async fn trade(shop: Arc<MedusaSim>, tokyo: WarehouseSim, clock: SimClock) {
    let mut every = interval(Duration::from_secs(1));
    tokyo.write_stock(clock.now()).await.ok();
    loop {
        every.tick().await;
        place(&shop);
        tokyo.tick(clock.now()).await.ok();
    }
}

/// Waits until the daemon takes hooks.
async fn ready(pool: &PgPool, shop: &MedusaSim, address: &str) -> anyhow::Result<()> {
    let (client, begun) = (client(address)?, Instant::now());
    loop {
        let ping = shop.hook(SECRET, "order_0", HookCase::Ping);
        let request = Request {
            headers: ping.headers,
            ..Request::post_json("/hooks/shop/orders", ping.body)
        };
        if client.write(request).await.is_ok() {
            break;
        }
        ensure!(begun.elapsed() < PATIENCE, "the daemon accepts no hooks");
        sleep(Duration::from_millis(200)).await;
    }
    sqlx::query("SELECT FROM hook_inbox").execute(pool).await?;
    Ok(())
}

async fn load(
    args: &HooksArgs,
    pool: &PgPool,
    address: &str,
    orders: &[String],
) -> anyhow::Result<Figures> {
    let client = client(address)?;
    let mut every = interval(Duration::from_secs(1) / args.per_second);
    let mut sent = JoinSet::new();
    for n in 0..args.per_second * args.seconds {
        let due = every.tick().await;
        let order = &orders[usize::try_from(n).unwrap() % orders.len()];
        let delivery = format!("load-{n}");
        let body = format!(r#"{{"id":"{order}","delivery":"{delivery}"}}"#).into_bytes();
        let signature = sign_timed(SECRET, &body, SimClock::real().now());
        let mut request = Request::post_json("/hooks/shop/orders", body);
        request
            .headers
            .push(("x-hikiate-signature".to_owned(), signature));
        let client = client.clone();
        sent.spawn(async move {
            let accepted = client.write(request).await.is_ok();
            (delivery, accepted, due.elapsed())
        });
    }
    let (mut took, mut accepted) = (Vec::new(), BTreeSet::new());
    let mut refused = 0;
    while let Some(ended) = sent.join_next().await {
        let (delivery, yes, time) = ended.context("a sender broke off")?;
        took.push(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        if yes {
            accepted.insert(delivery);
        } else {
            refused += 1;
        }
    }
    took.sort_unstable();
    let last = Instant::now();
    let waiting = "SELECT count(*) FROM hook_inbox WHERE done_at IS NULL";
    while number(pool, waiting).await? > 0 && last.elapsed() < PATIENCE {
        sleep(Duration::from_millis(50)).await;
    }
    let worked: Vec<String> =
        sqlx::query_scalar("SELECT key FROM hook_inbox WHERE named AND done_at IS NOT NULL")
            .fetch_all(pool)
            .await?;
    let worked: BTreeSet<String> = worked.into_iter().collect();
    Ok(Figures {
        took,
        refused,
        lost: accepted.difference(&worked).count(),
        drained: last.elapsed(),
        orders: number(pool, "SELECT count(*) FROM subjects WHERE kind = 'order'").await?,
    })
}

async fn number(pool: &PgPool, sql: &'static str) -> anyhow::Result<i64> {
    Ok(sqlx::query_scalar(sql).fetch_one(pool).await?)
}

fn client(address: &str) -> anyhow::Result<HttpClient> {
    let site = Site {
        timeout: Duration::from_secs(20),
        max_body: 4096,
        ..Site::new(address)
    };
    Link::new(Clock::default())
        .http(site)
        .map_err(|problem| anyhow::anyhow!("{}", problem.message))
}

async fn free_port() -> anyhow::Result<u16> {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    Ok(listener.local_addr()?.port())
}

fn place(shop: &MedusaSim) -> String {
    shop.place_order(NewOrder {
        lines: vec![("APPLE".to_owned(), 1, "1000".to_owned())],
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
        email: "buyer@example.test".to_owned(),
        remarks: String::new(),
    })
}

fn merchant(port: u16) -> Merchant {
    let hooks = format!(
        "[http.hooks]\nlisten = \"127.0.0.1:{port}\"\npublic_url = \"http://127.0.0.1:{port}\"\n"
    );
    let process = "[database]\nurl = { file = \"database\" }\nstate_dir = \"state\"\n[log]\nlevel = \"warn\"\n";
    Merchant {
        name: "load",
        process: format!("{hooks}{process}"),
        root: PathBuf::new(),
        shops: vec![ShopTerms {
            account: "shop",
            on: ShopOn::Medusa,
            more: "interval = \"5s\"\nsettle = \"1s\"\nhook_secret = { file = \"token\" }"
                .to_owned(),
            channel: "begin = \"all\"".to_owned(),
        }],
        providers: Vec::new(),
        warehouses: vec![WarehouseTerms {
            name: "tokyo",
            by: WarehouseBy::Files {
                layout: "japanese-3pl-utf8",
            },
            more: "interval = \"1s\"\nstable_for = \"0s\"".to_owned(),
            dispatch: "{ mode = \"continuous\" }".to_owned(),
        }],
        mail: String::new(),
        close: "10s",
        more: String::new(),
    }
}
