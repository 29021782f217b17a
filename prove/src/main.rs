//! `hikiate-prove`: the tools that try to break hikiate, one subcommand each.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use hikiate_prove::model;

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
}

fn main() -> ExitCode {
    match Cli::parse().tool {
        Tool::Model(options) => model::tool::main(&options),
    }
}
