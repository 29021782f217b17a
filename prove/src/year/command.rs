//! The subcommand `year`.

use std::time::Instant;

use clap::Args;

use super::merchant::PLANTED;
use super::run::{Terms, run};
use crate::support::Listener;

/// Simulated days with orders, and what is left of them.
#[derive(Args, Clone, Debug)]
pub struct YearArgs {
    /// Simulated days.
    #[arg(long, default_value_t = 365)]
    pub days: u32,
    /// Orders a day.
    #[arg(long, default_value_t = 20)]
    pub orders: u32,
    /// `[retention]` as TOML; the defaults if nothing is given.
    #[arg(long, default_value = "")]
    pub retention: String,
}

/// Runs it; true when nothing grew that must not and the planted address is gone.
pub fn year(args: &YearArgs) -> bool {
    let begun = Instant::now();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let terms = Terms {
        days: args.days,
        orders: args.orders,
        retention: args.retention.clone(),
    };
    let done = runtime.block_on(run(&terms, &Listener::new(&PLANTED, "").install()));
    for wrong in &done.wrong {
        println!("WRONG: {wrong}");
    }
    println!("year: {done}, {:.0} s", begun.elapsed().as_secs_f64());
    done.wrong.is_empty()
}
