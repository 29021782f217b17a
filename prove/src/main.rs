//! `hikiate-prove`: the tools that try to break hikiate, one subcommand each.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use hikiate_prove::{model, pairs};

#[derive(Parser)]
#[command(name = "hikiate-prove", about = "Tries to break hikiate")]
struct Cli {
    #[command(subcommand)]
    tool: Tool,
}

#[derive(Subcommand)]
enum Tool {
    /// Random commands against the pure planner, with every invariant after every step.
    Model(model::tool::Options),
    /// Every interleaving of every pair of things that are done at once, on a real PostgreSQL.
    Pairs(pairs::PairsArgs),
}

fn main() -> ExitCode {
    let well = match Cli::parse().tool {
        Tool::Model(options) => return model::tool::main(&options),
        Tool::Pairs(args) => pairs::pairs(&args),
    };
    if well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
