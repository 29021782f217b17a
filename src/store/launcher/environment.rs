//! What PostgreSQL's programs see of our environment: nothing but what finds programs and sets the time. Secrets stay with
//! us: the environment of a process can be read by its user, who is another one when we are root.

use std::env;
use std::process::Command;

/// What is passed on.
const KEPT: [&str; 6] = [
    "PATH",
    "LANG",
    "TZ",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
];

/// Gives a command the environment of a stranger, with English messages.
pub(super) fn clean(command: &mut Command) -> &mut Command {
    command.env_clear();
    for name in KEPT {
        if let Some(value) = env::var_os(name) {
            command.env(name, value);
        }
    }
    command.env("LC_ALL", "C")
}
