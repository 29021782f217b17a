//! The commands, one file each group.

pub(crate) mod args;
mod begin;
pub mod check;
mod deposit;
mod effect;
mod failure;
mod migrate;
mod order;
mod out;
mod quarantine;
pub mod raw;
mod recover;
mod rule;
mod run;
mod session;
mod stock;
mod stream;
mod tasks;
mod words;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser as _;

use self::args::{Cli, Command};
use self::failure::Failure;
use self::session::Session;

/// Runs the command in `arguments` (the program's name first) and says how it ended, as documented in `--help`.
#[must_use]
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(usage) => {
            // Nobody to tell when the terminal is gone.
            let _printed = usage.print();
            return ExitCode::from(u8::try_from(usage.exit_code()).unwrap_or(2));
        }
    };
    let ended = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Failed(anyhow::Error::new(error).context("the runtime")))
        .and_then(|runtime| runtime.block_on(command(cli)));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Some(words) = failure.words() {
                out::note(&words);
            }
            ExitCode::from(failure.code())
        }
    }
}

async fn command(cli: Cli) -> Result<(), Failure> {
    let global = cli.global;
    match cli.command {
        Command::Run => run::run(&global).await,
        Command::Check {
            allow_missing_secrets,
        } => session::check(&global, allow_missing_secrets),
        Command::Migrate { wait } => migrate::migrate(&global, wait).await,
        Command::Order(command) => order::run(&Session::open(&global).await?, command).await,
        Command::Tasks => tasks::run(&Session::open(&global).await?).await,
        Command::Stock(command) => stock::run(&Session::open(&global).await?, command).await,
        Command::Deposit(command) => deposit::run(&Session::open(&global).await?, command).await,
        Command::Stream(command) => stream::run(&Session::open(&global).await?, command).await,
        Command::Effect(command) => effect::run(&Session::open(&global).await?, command).await,
        Command::Begin(args) => begin::begin(&Session::open(&global).await?, args).await,
        Command::Unbegin(args) => begin::unbegin(&Session::open(&global).await?, args).await,
        Command::Recover(args) => recover::run(&Session::open(&global).await?, args).await,
        Command::Rule(command) => rule::run(&Session::open(&global).await?, command).await,
        Command::Quarantine(command) => {
            quarantine::run(&Session::open(&global).await?, command).await
        }
        #[cfg(feature = "demo")]
        Command::Demo(args) if crate::demo::run(&args).await => Ok(()),
        #[cfg(feature = "demo")]
        Command::Demo(_) => Err(Failure::Said(1)),
    }
}
