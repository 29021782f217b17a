//! `/healthz`, `/readyz` and `/metrics`, for the machine itself and its supervisor.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::listener::{self, Bounds};
use super::metrics::Metrics;

/// What the text of `/metrics` is, for who asks for it.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// What it is for everybody else.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Whoever scrapes comes every few seconds.
const BOUNDS: Bounds = Bounds {
    what: "health and metrics",
    connections: 32,
    head: Duration::from_secs(10),
    life: Duration::from_secs(60),
};

/// The header of `/healthz` and `/readyz` that names the daemon which answers, by the id in its state directory.
pub const INSTANCE: &str = "hikiate-instance";

/// What it says where the state directory keeps no id.
pub const NOT_KEPT: &str = "not-kept";

/// Whether the daemon does its work, and if not, why; shared by everything that can stand in the way.
#[derive(Debug, Clone, Default)]
pub struct Readiness {
    reasons: Arc<Mutex<BTreeMap<String, String>>>,
    instance: Option<Arc<str>>,
}

impl Readiness {
    /// That of a daemon with this id.
    #[must_use]
    pub fn of(instance: &str) -> Self {
        Self {
            instance: Some(instance.into()),
            ..Self::default()
        }
    }

    /// Says that `part` (`database`, `policy`, `shutdown`) stands in the way, and why, in words an
    /// operator can act on. No personal data, no secrets.
    pub fn block(&self, part: &str, reason: impl Into<String>) {
        self.guard().insert(part.to_owned(), reason.into());
    }

    /// Says that `part` no longer stands in the way.
    pub fn clear(&self, part: &str) {
        self.guard().remove(part);
    }

    /// What stands in the way, `part: reason`; ready when empty.
    pub fn reasons(&self) -> Vec<String> {
        self.guard()
            .iter()
            .map(|(part, reason)| format!("{part}: {reason}"))
            .collect()
    }

    fn named(&self) -> [(&'static str, String); 1] {
        let instance = self.instance.as_deref().unwrap_or(NOT_KEPT);
        [(INSTANCE, instance.to_owned())]
    }

    fn guard(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        // A map of texts is whole after any panic.
        self.reasons.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How often a port that another program has is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// Opens the port, unless another program has it: the daemon's work does not wait for its pages. They have no access control, so an
/// address other than loopback is logged.
///
/// # Errors
/// When the address cannot be bound for another reason, which does not go away by itself.
pub async fn try_bind(address: SocketAddr) -> io::Result<Option<TcpListener>> {
    if !address.ip().is_loopback() {
        tracing::warn!(%address, "health and metrics are reachable from other machines");
    }
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(Some(listener)),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Ok(None),
        Err(error) => Err(error),
    }
}

/// Serves the pages until `stop` is cancelled; without a listener, once the other program has left the port.
pub async fn serve_when_free(
    address: SocketAddr,
    listener: Option<TcpListener>,
    metrics: Metrics,
    readiness: Readiness,
    stop: CancellationToken,
) {
    let listener = match listener {
        Some(listener) => listener,
        None => {
            tracing::warn!(%address, "http.listen: another program has this port; /metrics, /healthz and /readyz are not \
                 there until it is free. Choose another port if that is a daemon, too");
            let Some(listener) = wait_for(address, &stop).await else {
                return;
            };
            tracing::info!(%address, "http.listen: the port is free; /metrics, /healthz and /readyz are there");
            listener
        }
    };
    serve(listener, metrics, readiness, stop).await;
}

async fn wait_for(address: SocketAddr, stop: &CancellationToken) -> Option<TcpListener> {
    loop {
        tokio::select! {
            () = stop.cancelled() => return None,
            () = tokio::time::sleep(RETRY) => {}
        }
        if let Ok(listener) = TcpListener::bind(address).await {
            return Some(listener);
        }
    }
}

/// Serves the pages until `stop` is cancelled. Keep it running while the daemon drains: `/readyz` then
/// says why it is not ready.
pub async fn serve(
    listener: TcpListener,
    metrics: Metrics,
    readiness: Readiness,
    stop: CancellationToken,
) {
    listener::serve(listener, router(metrics, readiness), BOUNDS, stop).await;
}

fn router(metrics: Metrics, readiness: Readiness) -> Router {
    Router::new()
        .route("/healthz", get(alive).with_state(readiness.clone()))
        .route("/readyz", get(ready).with_state(readiness))
        .route("/metrics", get(scrape).with_state(metrics))
}

async fn alive(State(readiness): State<Readiness>) -> impl IntoResponse {
    (readiness.named(), "ok\n")
}

async fn ready(State(readiness): State<Readiness>) -> impl IntoResponse {
    let reasons = readiness.reasons();
    let (status, told) = if reasons.is_empty() {
        (StatusCode::OK, "ready\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, reasons.join("\n") + "\n")
    };
    (status, readiness.named(), told)
}

async fn scrape(State(metrics): State<Metrics>, headers: HeaderMap) -> impl IntoResponse {
    let accepted = headers.get_all(header::ACCEPT).iter();
    let open = accepted
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.contains("application/openmetrics-text"));
    let (kind, text) = if open {
        (OPEN_METRICS, metrics.render())
    } else {
        (TEXT, metrics.render_text())
    };
    match text {
        Ok(text) => ([(header::CONTENT_TYPE, kind)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::*;

    async fn get(address: SocketAddr, path: &str) -> String {
        accepting(address, path, "*/*").await
    }

    async fn accepting(address: SocketAddr, path: &str, accept: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    #[tokio::test]
    async fn the_pages_say_health_readiness_with_reasons_and_metrics() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (readiness, metrics) = (Readiness::of("0123456789abcdef"), Metrics::new());
        let stop = CancellationToken::new();
        readiness.block("database", "not reached yet");
        let server = tokio::spawn(serve(
            listener,
            metrics.clone(),
            readiness.clone(),
            stop.clone(),
        ));

        let text = get(address, "/healthz").await;
        assert!(text.starts_with("HTTP/1.1 200"), "{text}");
        assert!(
            text.contains("hikiate-instance: 0123456789abcdef\r\n"),
            "{text}"
        );
        assert!(text.ends_with("\r\n\r\nok\n"), "{text}");
        let text = get(address, "/readyz").await;
        assert!(text.starts_with("HTTP/1.1 503"), "{text}");
        assert!(text.contains("database: not reached yet"), "{text}");
        assert!(
            text.contains("hikiate-instance: 0123456789abcdef\r\n"),
            "{text}"
        );
        readiness.clear("database");
        assert!(get(address, "/readyz").await.starts_with("HTTP/1.1 200"));

        metrics.plans.inc();
        let text = get(address, "/metrics").await;
        assert!(text.contains("text/plain; version=0.0.4"), "{text}");
        assert!(text.contains("\nhikiate_plans_total 1\n"), "{text}");
        let open = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5";
        let text = accepting(address, "/metrics", open).await;
        assert!(text.contains("openmetrics-text; version=1.0.0"), "{text}");
        assert!(text.ends_with("# EOF\n"), "{text}");

        stop.cancel();
        server.await.unwrap();
        assert!(TcpStream::connect(address).await.is_err());
    }

    #[tokio::test]
    async fn a_client_that_never_ends_its_request_does_not_hold_up_the_end() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let server = tokio::spawn(serve(
            listener,
            Metrics::new(),
            Readiness::default(),
            stop.clone(),
        ));
        let mut slow = TcpStream::connect(address).await.unwrap();
        slow.write_all(b"GET /healthz HTTP/1.1\r\nHost")
            .await
            .unwrap();
        stop.cancel();
        let ended = tokio::time::timeout(Duration::from_secs(60), server).await;
        ended.unwrap().unwrap();
    }
}
