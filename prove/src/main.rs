//! `hikiate-prove`: one subcommand per tool.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use hikiate_prove::world;

#[derive(Parser)]
#[command(about = "The tools that try to break hikiate")]
struct Cli {
    #[command(subcommand)]
    tool: Tool,
}

#[derive(Subcommand)]
enum Tool {
    /// Seeded worlds: faults and crashes everywhere, judged by what the far sides remember.
    World(world::WorldArgs),
}

fn main() -> ExitCode {
    match Cli::parse().tool {
        Tool::World(args) => world::run(&args),
    }
}
