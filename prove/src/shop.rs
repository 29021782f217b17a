//! A simulated shop for other processes: the real wire format over a socket, a clock that runs, and other customers who go on
//! ordering. At the end it tells whether anybody wrote to their orders.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use hikiate_sdk::sim::{SimClock, serve};
use hikiate_sdk::{Currency, Party};
use hikiate_woocommerce::sim::{NewOrder, OrderMemory, WooSim};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

const KEY: &str = "ck_simulated";
const SECRET: &str = "cs_simulated";
/// Orders of other customers that are there at the start.
const THERE: usize = 5;
/// How often another customer orders.
const EVERY: Duration = Duration::from_secs(10);

/// What `hikiate-prove shop` takes.
#[derive(Clone, Debug, clap::Args)]
pub struct ShopArgs {
    /// Which kind of shop
    #[arg(long, value_enum, default_value = "woocommerce")]
    kind: ShopKind,
    /// Where it answers; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// What it sells in
    #[arg(long, default_value = "JPY")]
    currency: Currency,
    /// Tax on everything, per cent
    #[arg(long, value_name = "PERCENT", default_value = "0")]
    tax: String,
    /// Prices have the tax in them
    #[arg(long)]
    tax_included: bool,
    /// The shop has no fulfilments API
    #[arg(long)]
    without_fulfilments: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum ShopKind {
    Woocommerce,
}

/// Serves it until SIGTERM or SIGINT. True when nobody has written to an order of another customer.
#[must_use]
pub fn shop(args: &ShopArgs) -> bool {
    let ShopKind::Woocommerce = args.kind;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    match runtime.block_on(run(args)) {
        Ok((orders, touched)) => {
            for (was, is) in &touched {
                println!("shop: written to: {was:?} is now {is:?}");
            }
            println!("shop: others={orders} touched={}", touched.len());
            touched.is_empty()
        }
        Err(error) => {
            println!("shop: failed: {error:#}");
            false
        }
    }
}

/// How many orders of other customers there are, and those that were written to: as they were placed and as they are.
type Others = (usize, Vec<(OrderMemory, Option<OrderMemory>)>);

async fn run(args: &ShopArgs) -> anyhow::Result<Others> {
    let sim = WooSim::new(SimClock::real(), KEY, SECRET, args.currency);
    // As a real shop on plain HTTP: it takes a key only where a proxy says that there was TLS.
    sim.stand_behind_proxy();
    sim.offer_fulfilments(!args.without_fulfilments);
    sim.tax(&args.tax, args.tax_included);
    let sim = Arc::new(sim);
    let listener = TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("listening on {}", args.listen))?;
    let address = listener.local_addr()?;
    println!("KIND=woocommerce URL=http://{address} KEY={KEY} SECRET={SECRET}");
    let (mut term, mut int) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    let stop = CancellationToken::new();
    let served = serve(
        Arc::clone(&sim) as _,
        listener,
        stop.clone().cancelled_owned(),
    );
    let served = tokio::spawn(served);
    let mut placed: Vec<OrderMemory> = Vec::new();
    let mut place = || placed.extend(sim.order(&sim.place_order(of_another(args))));
    (0..THERE).for_each(|_| place());
    let mut customers = interval(EVERY);
    loop {
        tokio::select! {
            _ = customers.tick() => place(),
            _ = term.recv() => break,
            _ = int.recv() => break,
        }
    }
    stop.cancel();
    served.await??;
    let orders = placed.len();
    let touched = placed.into_iter().filter_map(|was| {
        let is = sim.order(&was.id);
        (is.as_ref() != Some(&was)).then_some((was, is))
    });
    Ok((orders, touched.collect()))
}

/// A paid order of something that only this shop has.
fn of_another(args: &ShopArgs) -> NewOrder {
    NewOrder {
        lines: vec![("LAMP".to_owned(), 1, "30".to_owned())],
        shipping: "5".to_owned(),
        tax_percent: args.tax.clone(),
        prices_include_tax: args.tax_included,
        payment_method: "bacs".to_owned(),
        transaction_id: String::new(),
        status: "processing".to_owned(),
        address: Some(Party {
            name: "山田 花子".to_owned(),
            postal_code: "530-0001".to_owned(),
            region: "JP27".to_owned(),
            city: "大阪市北区".to_owned(),
            address1: "梅田1-1".to_owned(),
            country: "JP".to_owned(),
            phone: "06-0000-0000".to_owned(),
            ..Party::default()
        }),
        email: "customer@example.com".to_owned(),
        customer_note: String::new(),
    }
}
