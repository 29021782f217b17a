//! The runner of the whole test suite. Every test binary runs, whatever the others did, each under a time limit; one that hangs
//! is killed and named with the tests it was at. A test that could not run is skipped, not passed.

mod binary;
mod output;
mod process;
mod tally;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;

pub use binary::Binary;
pub use tally::Tally;

/// The longest that a test binary may run, on a machine that is not slow.
const LIMIT: Duration = Duration::from_secs(20 * 60);

/// What `hikiate-prove suite` takes.
#[derive(Clone, Debug, clap::Args)]
pub struct SuiteArgs {
    /// What `cargo test --no-run --message-format=json` printed
    messages: PathBuf,
    /// Only binaries with one of these words in their names
    only: Vec<String>,
    /// Times that a machine is slower: the time limit of each binary, 20 minutes, is multiplied by it
    #[arg(long, env = "HIKIATE_SLOW", default_value = "1")]
    slow: u32,
    /// Tests that were skipped make the suite fail
    #[arg(long, env = "CI_STRICT", value_parser = clap::builder::BoolishValueParser::new(), num_args = 0..=1, default_value = "false", default_missing_value = "true")]
    strict: bool,
    /// What each binary printed, a file for each
    #[arg(long, value_name = "FOLDER")]
    logs: PathBuf,
}

/// Where tests begin that draw their inputs: `HIKIATE_SEED`, always the same one without it. A change is judged by itself
/// then; fresh seeds are looked for beside the gate.
#[must_use]
pub fn seed() -> u64 {
    let given = std::env::var("HIKIATE_SEED").ok();
    given.map_or(1, |text| text.parse().expect("HIKIATE_SEED is a number"))
}

/// Runs them all; the last line has the counts.
#[must_use]
pub fn run(args: &SuiteArgs) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    match runtime.block_on(suite(args)) {
        Ok(tally) => {
            print!("{tally}");
            let well = tally.is_well() && !(args.strict && tally.has_skipped());
            if well {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            println!("suite: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn suite(args: &SuiteArgs) -> anyhow::Result<Tally> {
    let messages = std::fs::read_to_string(&args.messages)
        .with_context(|| format!("read {}", args.messages.display()))?;
    let mut binaries = binary::built(&messages)?;
    binaries.push(Binary::documentation());
    if !args.only.is_empty() {
        binaries.retain(|binary| args.only.iter().any(|word| binary.name.contains(word)));
    }
    anyhow::ensure!(!binaries.is_empty(), "no test binary to run");
    let mut tally = run_all(&binaries, LIMIT * args.slow.max(1), &args.logs).await?;
    // What the gate left out before.
    if let Some(path) = std::env::var_os(hikiate_sdk::sim::SKIPPED) {
        tally.steps(&std::fs::read_to_string(path).unwrap_or_default());
    }
    Ok(tally)
}

/// One after the other: each uses all cores by itself.
///
/// # Errors
/// When a log cannot be written, or when a signal ends the run.
pub async fn run_all(binaries: &[Binary], limit: Duration, logs: &Path) -> anyhow::Result<Tally> {
    std::fs::create_dir_all(logs).with_context(|| format!("make {}", logs.display()))?;
    let mut tally = Tally::default();
    for binary in binaries {
        println!("==> {}", binary.name);
        let ended = process::run(binary, limit, logs).await?;
        let counted = output::count(&ended);
        println!(
            "==> {}: {} passed, {} failed, {} skipped, {} s",
            binary.name,
            counted.passed,
            counted.failed.len(),
            counted.skipped.len(),
            ended.took.as_secs()
        );
        if !counted.failed.is_empty() {
            println!(
                "{}\n    all of it: {}",
                output::telling(&ended.text),
                ended.log.display()
            );
        }
        tally.add(&binary.name, counted);
    }
    Ok(tally)
}
