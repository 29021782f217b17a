//! A small HTTP server: slow, large and many requests are all bounded.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

/// The head of a request in bytes.
const HEAD_BYTES: usize = 16 * 1024;
/// Headers of a request.
const HEADERS: usize = 64;
/// How long requests under way may take once their connection is told to end.
const LAST_REQUESTS: Duration = Duration::from_secs(2);

/// What one listener puts up with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// What comes in here, for the log.
    pub(crate) what: &'static str,
    /// Connections at once; more wait at the door.
    pub(crate) connections: usize,
    /// How long the head of a request may take, and how long a connection may wait for its next request.
    pub(crate) head: Duration,
    /// How long a connection may last; a client that never reads its answer is cut off by it.
    pub(crate) life: Duration,
}

/// Takes requests until `stop` is cancelled; those under way are answered.
pub(crate) async fn serve(
    listener: TcpListener,
    app: Router,
    bounds: Bounds,
    stop: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(bounds.connections));
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&listener, &places) => accepted,
        };
        match accepted {
            Ok((stream, place)) => {
                connections.spawn(converse(stream, place, app.clone(), bounds, stop.clone()));
            }
            Err(error) => {
                // Out of file descriptors, mostly: trying on at once would only burn the processor.
                warn!(%error, "a connection for {} could not be accepted", bounds.what);
                sleep(Duration::from_millis(200)).await;
            }
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await;
    let place = place.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, place))
}

async fn converse(
    stream: TcpStream,
    place: OwnedSemaphorePermit,
    app: Router,
    bounds: Bounds,
    stop: CancellationToken,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(bounds.head)
        .max_headers(HEADERS)
        .max_buf_size(HEAD_BYTES);
    let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(app));
    let mut connection = std::pin::pin!(connection);
    let over = async {
        tokio::select! {
            () = stop.cancelled() => {}
            () = sleep(bounds.life) => {}
        }
    };
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = over => {
            connection.as_mut().graceful_shutdown();
            timeout(LAST_REQUESTS, connection.as_mut()).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        debug!(%error, "a connection for {} ended badly", bounds.what);
    }
    drop(place);
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::net::SocketAddr;
    use std::time::Instant;

    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const SHORT: Duration = Duration::from_millis(300);
    const LONG: Duration = Duration::from_secs(600);

    async fn serving(bounds: Bounds) -> (SocketAddr, CancellationToken) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        // More than what fits into the buffers of a connection.
        let large = get(|| async { "x".repeat(64 << 20) });
        let app = Router::new()
            .route("/", get(|| async { "ok" }))
            .route("/large", large);
        tokio::spawn(serve(listener, app, bounds, stop.clone()));
        (address, stop)
    }

    fn bounds(connections: usize, head: Duration, life: Duration) -> Bounds {
        Bounds {
            what: "tests",
            connections,
            head,
            life,
        }
    }

    async fn ask(address: SocketAddr) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    /// One byte at a time, each well within any pause, until it is cut off.
    async fn drip(address: SocketAddr) -> Duration {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let began = Instant::now();
        stream.write_all(b"GET / HTTP/1.1\r\nX: ").await.unwrap();
        let (mut read, mut write) = stream.split();
        let dripping = async {
            while write.write_all(b"x").await.is_ok() {
                sleep(SHORT / 10).await;
            }
        };
        let mut rest = Vec::new();
        tokio::select! {
            () = dripping => {}
            _ = read.read_to_end(&mut rest) => {}
        }
        began.elapsed()
    }

    #[tokio::test]
    async fn a_head_that_never_ends_is_cut_off_and_the_next_one_in_line_is_served() {
        let (address, _stop) = serving(bounds(2, SHORT, LONG)).await;
        let slow = [
            tokio::spawn(drip(address)),
            tokio::spawn(drip(address)),
            tokio::spawn(drip(address)),
        ];
        // All places are taken by slow ones; each gives its own back.
        let answer = timeout(LONG / 10, ask(address)).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        for slow in slow {
            assert!(slow.await.unwrap() >= SHORT);
        }
    }

    #[tokio::test]
    async fn a_connection_without_a_next_request_is_ended() {
        let (address, _stop) = serving(bounds(1, SHORT, LONG)).await;
        let mut idle = TcpStream::connect(address).await.unwrap();
        idle.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        let mut text = String::new();
        let read = idle.read_to_string(&mut text);
        timeout(LONG / 10, read).await.unwrap().unwrap();
        assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    }

    #[tokio::test]
    async fn a_client_that_never_reads_its_answer_gives_its_place_back() {
        let (address, _stop) = serving(bounds(1, LONG, SHORT)).await;
        let mut deaf = TcpStream::connect(address).await.unwrap();
        deaf.write_all(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        let answer = timeout(LONG / 10, ask(address)).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        drop(deaf);
    }
}
