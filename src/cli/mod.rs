//! The commands, one file each group.

mod account;
mod acts;
pub(crate) mod args;
mod automation;
mod begin;
mod books;
pub mod check;
mod deposit;
mod effect;
mod failure;
mod health;
mod item;
mod migrate;
mod order;
mod out;
mod parcel;
mod pause;
mod personal;
mod pgoptions;
mod quarantine;
pub mod raw;
mod recover;
mod run;
mod session;
mod stock;
mod stop;
mod stream;
mod tasks;
mod wave;
mod words;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser as _;

use self::args::{Cli, Command, PersonalCommand};
use self::failure::Failure;
use self::session::Session;

/// Runs the command in `arguments` (the program's name first) and says how it ended, as documented in `--help`.
#[must_use]
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let cli = match Cli::try_parse_from(&arguments) {
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
        .and_then(|runtime| runtime.block_on(command(cli, &arguments)));
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

async fn command(cli: Cli, typed: &[OsString]) -> Result<(), Failure> {
    let global = cli.global;
    #[cfg(feature = "demo")]
    if matches!(cli.command, Command::Demo(_)) {
        pgoptions::leave()?;
    }
    match cli.command {
        Command::Run { as_root } => run::run(&global, as_root).await,
        Command::Health { alive } => health::health(&global, alive).await,
        Command::Check {
            allow_missing_secrets,
        } => session::check(&global, allow_missing_secrets),
        Command::Migrate { wait } => migrate::migrate(&global, wait).await,
        #[cfg(feature = "demo")]
        Command::Demo(args) if crate::demo::run(&args).await => Ok(()),
        #[cfg(feature = "demo")]
        Command::Demo(_) => Err(Failure::Said(1)),
        mut command => {
            let writes = command.writes();
            let session = Session::open(&global).await?;
            // Not written down as it was typed.
            if let Command::Personal(PersonalCommand::Erase { of, dry_run }) = &command {
                return personal::erase(&session, of, *dry_run).await;
            }
            let mut typed = typed.to_vec();
            if writes {
                typed.extend(acts::dated(&session, &mut command).await?);
            }
            let ended = beside_the_daemon(&session, command).await;
            if writes {
                // A daemon that is not told polls.
                let _told = session.store.tell_of_work(None).await;
            }
            // Done is done, whether or not its answer could be written.
            if writes && matches!(ended, Ok(()) | Err(Failure::Untold(_))) {
                acts::tell(&session, &typed).await;
            }
            ended
        }
    }
}

/// The commands that look at the database or write to it while a daemon runs.
async fn beside_the_daemon(session: &Session, command: Command) -> Result<(), Failure> {
    match command {
        Command::Order(command) => order::run(session, command).await,
        Command::Return(command) => parcel::returned(session, command).await,
        Command::Parcel(command) => parcel::correct(session, command).await,
        Command::Pause(args) => pause::pause(session, &args).await,
        Command::Resume(args) => pause::resume(session, &args).await,
        Command::StopShipping(args) => stop::run(session, args).await,
        Command::Tasks => tasks::run(session).await,
        Command::Wave(command) => wave::run(session, command).await,
        Command::Books(command) => wave::books(session, command).await,
        Command::Stock(command) => stock::run(session, command).await,
        Command::Item(command) => item::run(session, command).await,
        Command::Deposit(command) => deposit::run(session, command).await,
        Command::Stream(command) => stream::run(session, command).await,
        Command::Effect(command) => effect::run(session, command).await,
        Command::Begin(args) => begin::begin(session, args).await,
        Command::Unbegin(args) => begin::unbegin(session, args).await,
        Command::Recover(args) => recover::run(session, args).await,
        Command::Account(command) => account::run(session, command).await,
        Command::Automation(command) => automation::run(session, command).await,
        Command::Quarantine(command) => quarantine::run(session, command).await,
        // Carried out already.
        Command::Run { .. }
        | Command::Health { .. }
        | Command::Check { .. }
        | Command::Migrate { .. }
        | Command::Personal(_) => Ok(()),
        #[cfg(feature = "demo")]
        Command::Demo(_) => Ok(()),
    }
}
