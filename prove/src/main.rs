//! `hikiate-prove`: the tools that try to break hikiate, one subcommand each.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use hikiate_prove::pairs;

#[derive(Parser)]
#[command(name = "hikiate-prove", about = "Tries to break hikiate")]
struct Cli {
    #[command(subcommand)]
    tool: Tool,
}

#[derive(Subcommand)]
enum Tool {
    /// Every interleaving of every pair of things that are done at once, on a real PostgreSQL.
    Pairs(pairs::PairsArgs),
}

fn main() -> ExitCode {
    match Cli::parse().tool {
        Tool::Pairs(args) => {
            if pairs::pairs(&args) {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
    }
}
