//! `PGOPTIONS` is for a database of the operator's own: in the private one it could make the daemon's sessions read-only, or hide
//! its tables. The driver takes it for every connection and gives none of it back, and no process can safely take a variable
//! out of its own environment, so the program goes on as itself without it.

use std::env::{args_os, current_exe, var_os};
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use super::failure::Failure;

/// The variable.
const NAME: &str = "PGOPTIONS";

/// Before anything is opened for the private database: begins this very process again, where the variable is set.
///
/// # Errors
/// The program could not be begun again; what it is told then is to unset the variable.
pub(crate) fn leave() -> Result<(), Failure> {
    if var_os(NAME).is_none_or(|options| options.is_empty()) {
        return Ok(());
    }
    let error = begun_again();
    Err(Failure::Settings(format!(
        "{NAME} is set, which the private database must not see: unset it ({error})"
    )))
}

/// Returns only where that failed.
fn begun_again() -> io::Error {
    let program = match current_exe() {
        Ok(program) => program,
        Err(error) => return error,
    };
    let mut arguments = args_os();
    let mut again = Command::new(program);
    if let Some(name) = arguments.next() {
        again.arg0(name);
    }
    again.args(arguments).env_remove(NAME).exec()
}
