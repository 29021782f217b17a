//! Tests that cannot run here say so; they have not passed.

use std::env;
use std::fs::File;
use std::io::Write as _;

/// The file that the runner of the suite counts skipped tests by: a line `TEST<tab>REASON` for each.
pub const SKIPPED: &str = "HIKIATE_SKIPPED";

/// Says that a test, or a part of it, cannot run here, and why; the test then returns. `make test` counts it as
/// skipped. Without the runner it is printed.
///
/// # Panics
/// When the runner's file cannot be written: the test would count as passed.
#[expect(clippy::panic, reason = "for tests, which stop at the first surprise")]
pub fn skipped(test: &str, reason: &str) {
    println!("skipped: {test}: {reason}");
    let Some(path) = env::var_os(SKIPPED) else {
        return;
    };
    let line = format!("{test}\t{}\n", reason.replace(['\t', '\n'], " "));
    let opened = File::options().append(true).create(true).open(&path);
    if let Err(error) = opened.and_then(|mut file| file.write_all(line.as_bytes())) {
        panic!("{}: {error}", path.display());
    }
}
