//! The tools that try to break hikiate, by name.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use hikiate_prove::soak;

#[derive(Debug, Parser)]
#[command(name = "hikiate-prove", about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    tool: Tool,
}

#[derive(Debug, Subcommand)]
enum Tool {
    /// Real processes under load, killed at random, and a database set back to a backup
    Soak(soak::SoakArgs),
}

fn main() -> ExitCode {
    match Cli::parse().tool {
        Tool::Soak(args) => soak::run(&args),
    }
}
