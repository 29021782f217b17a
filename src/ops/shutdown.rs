//! Signals, and the order in which the daemon ends.
//!
//! The first SIGTERM or SIGINT cancels the token. Whoever holds it then, in this order:
//! 1. marks itself not ready and tells systemd it is stopping;
//! 2. claims no more subjects, effects or pages;
//! 3. drains: calls already made are awaited, for `engine.drain`, and their outcomes committed, over
//!    connections that are already open;
//! 4. gives its account leases back;
//! 5. closes the pools;
//! 6. stops the private PostgreSQL cluster, if there is one, last.
//!
//! A second signal ends the process at once. That is as safe as a `kill -9`: calls in flight become
//! unknown and are looked up by the next run, which adopts the server that was left.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Listens for the signals from now on; the token is cancelled by the first. Needs a tokio runtime.
///
/// # Errors
/// When the handlers cannot be installed.
pub fn on_signal() -> io::Result<CancellationToken> {
    let mut signals = Signals {
        terminate: signal(SignalKind::terminate())?,
        interrupt: signal(SignalKind::interrupt())?,
    };
    let token = CancellationToken::new();
    let first = token.clone();
    tokio::spawn(async move {
        let name = signals.next().await.0;
        tracing::info!(signal = name, "stopping; a second signal stops at once");
        first.cancel();
        let (name, number) = signals.next().await;
        tracing::warn!(signal = name, "stopped at once");
        #[expect(
            clippy::disallowed_methods,
            reason = "second signal: exiting without waiting"
        )]
        std::process::exit(128 + number);
    });
    Ok(token)
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// The next signal's name and number.
    async fn next(&mut self) -> (&'static str, i32) {
        tokio::select! {
            _ = self.terminate.recv() => ("SIGTERM", SignalKind::terminate().as_raw_value()),
            _ = self.interrupt.recv() => ("SIGINT", SignalKind::interrupt().as_raw_value()),
        }
    }
}
