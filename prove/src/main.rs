//! `hikiate-prove`: the tools that try to break hikiate, one subcommand each.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use hikiate_prove::{bench, hooks, model, pairs, shop, soak, suite, world, year};

#[derive(Parser)]
#[command(name = "hikiate-prove", about = "Tries to break hikiate")]
struct Cli {
    #[command(subcommand)]
    tool: Tool,
}

#[derive(Subcommand)]
enum Tool {
    /// Each connector by itself: orders a second against its simulator, and its budget on a virtual clock.
    Bench(bench::BenchArgs),
    /// Random commands against the pure planner, with every invariant after every step.
    Model(model::tool::Options),
    /// Every interleaving of every pair of things that are done at once, on a real PostgreSQL.
    Pairs(pairs::PairsArgs),
    /// Seeded worlds: faults and crashes everywhere, judged by what the external systems remember.
    World(world::WorldArgs),
    /// Bytes near each parser's seeds, read by the daemon's own steps and stored.
    Hostile(world::HostileArgs),
    /// Webhooks at a rate, taken by a daemon that works beside it.
    Hooks(hooks::HooksArgs),
    /// A simulated shop for another process, until SIGTERM: `make real-shop` runs against it.
    Shop(shop::ShopArgs),
    /// Real processes under load, killed at random, and a database set back to a backup.
    Soak(soak::SoakArgs),
    /// Every test binary that cargo has built, each under a time limit, and one count over all: `make test`.
    Suite(suite::SuiteArgs),
    /// A year of a small merchant on a virtual clock: what must not grow, and an address that must be gone.
    Year(year::YearArgs),
}

fn main() -> ExitCode {
    let well = match Cli::parse().tool {
        Tool::Model(options) => return model::tool::main(&options),
        Tool::World(args) => return world::run(&args),
        Tool::Hostile(args) => return world::run_hostile(&args),
        Tool::Soak(args) => return soak::run(&args),
        Tool::Bench(args) => bench::run(&args),
        Tool::Pairs(args) => pairs::pairs(&args),
        Tool::Hooks(args) => hooks::hooks(&args),
        Tool::Shop(args) => shop::shop(&args),
        Tool::Suite(args) => return suite::run(&args),
        Tool::Year(args) => year::year(&args),
    };
    if well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
