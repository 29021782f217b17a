//! Signals to a program that has started others and must end them all.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A token that any signal to end cancels. More of them change nothing: what was started is being ended.
///
/// # Errors
/// When the handlers cannot be installed.
pub fn on_signals() -> std::io::Result<CancellationToken> {
    let token = CancellationToken::new();
    for kind in [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
    ] {
        let (mut signal, token) = (signal(kind)?, token.clone());
        tokio::spawn(async move {
            while signal.recv().await.is_some() {
                token.cancel();
            }
        });
    }
    Ok(token)
}
