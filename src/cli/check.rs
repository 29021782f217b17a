//! `hikiate check`: everything that is wrong with the configuration, or what it will do.

use std::io::{self, Write};
use std::path::Path;

use hikiate_sdk::ConnectorKind;

use crate::config::{ConfigProblem, Loaded, Surroundings, load};
use crate::ops::telemetry::{self, FILTER_VARIABLE};

/// Exit code: the configuration has no problems.
pub const GOOD: u8 = 0;
/// Exit code: it has.
pub const BAD: u8 = 3;

/// Loads the configuration as `run` does, with what `run` takes from the environment beside it: the log's filter, which no other
/// command needs.
///
/// # Errors
/// Everything that is wrong.
pub(super) fn checked(
    path: Option<&Path>,
    surroundings: &Surroundings,
    connectors: &[&dyn ConnectorKind],
) -> Result<Loaded, Vec<ConfigProblem>> {
    let loaded = load(path, surroundings, connectors);
    let filter = surroundings.variables.get(FILTER_VARIABLE);
    let filter = filter.filter(|filter| !filter.is_empty());
    let Some(Err(wrong)) = filter.map(|filter| telemetry::check(filter)) else {
        return loaded;
    };
    let mut problems = loaded.err().unwrap_or_default();
    problems.push(ConfigProblem {
        file: format!("environment variable {FILTER_VARIABLE}"),
        line: 0,
        key: String::new(),
        message: wrong.to_string(),
    });
    Err(problems)
}

/// Checks the configuration at `path` (only defaults and environment without one). The summary goes to `out`,
/// problems go to `err`, one a line as `file:line: key: what is wrong; what to do`.
///
/// Returns the exit code, [`GOOD`] or [`BAD`].
///
/// # Errors
/// When `out` or `err` cannot be written to.
pub fn run(
    path: Option<&Path>,
    surroundings: &Surroundings,
    connectors: &[&dyn ConnectorKind],
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<u8> {
    match checked(path, surroundings, connectors) {
        Ok(loaded) => {
            write!(out, "{}", loaded.summary)?;
            writeln!(out, "policy {}", hex::encode(loaded.policy_hash))?;
            if surroundings.allow_missing_secrets {
                writeln!(
                    out,
                    "secrets were not checked; run `check` again on the server"
                )?;
            }
            for note in loaded.renamed.iter().chain(&loaded.exposed) {
                writeln!(err, "{note}")?;
            }
            Ok(GOOD)
        }
        Err(problems) => {
            for problem in &problems {
                writeln!(err, "{problem}")?;
            }
            let (n, s) = (problems.len(), if problems.len() == 1 { "" } else { "s" });
            writeln!(err, "{n} problem{s}; nothing was started")?;
            Ok(BAD)
        }
    }
}
