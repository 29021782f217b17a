//! The port that webhooks come in at: small, slow and many requests are all bounded.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use hikiate_sdk::hooks::Arrived;
use hikiate_sdk::http::{Method, Response};
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::HookDesk;
use super::desk::busy;
use crate::ops::listener::{self, Bounds};
use crate::ops::metrics::HookOutcome;

/// A proxy keeps its connections for long.
const BOUNDS: Bounds = Bounds {
    what: "webhooks",
    connections: 256,
    head: Duration::from_secs(10),
    life: Duration::from_secs(3600),
};
/// How long a request may take from its head to its answer, body and commit included.
const WHOLE: Duration = Duration::from_secs(10);

/// What the listener gives requests to, once there is something: until then senders are asked to come again.
#[derive(Clone, Debug, Default)]
pub struct Entrance(Arc<RwLock<Option<Arc<HookDesk>>>>);

impl Entrance {
    /// From now on this one takes the requests.
    pub fn open(&self, desk: HookDesk) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(desk));
    }

    fn desk(&self) -> Option<Arc<HookDesk>> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Opens the port.
///
/// # Errors
/// When the address cannot be bound.
pub async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Takes requests until `stop` is cancelled; those under way are answered.
pub async fn serve(listener: TcpListener, entrance: Entrance, stop: CancellationToken) {
    let app = Router::new().fallback(handle).with_state(entrance);
    listener::serve(listener, app, BOUNDS, stop).await;
}

async fn handle(State(entrance): State<Entrance>, request: Request) -> axum::response::Response {
    let answer = timeout(WHOLE, answer(&entrance, request)).await;
    convert(answer.unwrap_or_else(|_| busy()))
}

async fn answer(entrance: &Entrance, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    let Some(desk) = entrance.desk() else {
        return busy();
    };
    let known = address(path).and_then(|(account, hook, rest)| {
        let limit = desk.body_limit(account, hook)?;
        Some((account, hook, rest, limit))
    });
    let Some((account, hook, rest, limit)) = known else {
        desk.unknown();
        return bare(StatusCode::NOT_FOUND);
    };
    let Some(method) = method(&head.method) else {
        return bare(StatusCode::METHOD_NOT_ALLOWED);
    };
    let Some(body) = whole(&head.headers, body, limit).await else {
        desk.count(account, hook, HookOutcome::TooLarge);
        return bare(StatusCode::PAYLOAD_TOO_LARGE);
    };
    let headers: Vec<(String, String)> = head
        .headers
        .iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        })
        .collect();
    let arrived = Arrived {
        method,
        rest,
        query: head.uri.query().unwrap_or_default(),
        headers: &headers,
        body: &body,
    };
    desk.receive(account, hook, &arrived).await
}

/// `/hooks/ACCOUNT/HOOK` and what follows it.
fn address(path: &str) -> Option<(&str, &str, &str)> {
    let (account, rest) = path.strip_prefix("/hooks/")?.split_once('/')?;
    let end = rest.find('/').unwrap_or(rest.len());
    let (hook, rest) = rest.split_at(end);
    Some((account, hook, rest))
}

/// The whole body; `None` where it is larger than the limit, or never ends.
async fn whole(headers: &HeaderMap, body: Body, limit: usize) -> Option<Vec<u8>> {
    let told = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if told.is_some_and(|told| told > limit) {
        return None;
    }
    let body = axum::body::to_bytes(body, limit).await.ok()?;
    Some(body.to_vec())
}

fn method(method: &axum::http::Method) -> Option<Method> {
    let all = [
        Method::Get,
        Method::Post,
        Method::Put,
        Method::Patch,
        Method::Delete,
    ];
    all.into_iter()
        .find(|known| known.as_str() == method.as_str())
}

fn bare(status: StatusCode) -> Response {
    Response {
        status: status.as_u16(),
        headers: Vec::new(),
        body: Vec::new(),
    }
}

/// The answer as the wire wants it. It is text unless its connector says otherwise, and never guessed at by a browser.
fn convert(answer: Response) -> axum::response::Response {
    let mut built = axum::http::Response::builder()
        .status(answer.status)
        .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    if !answer.body.is_empty() && answer.header("content-type").is_none() {
        built = built.header(header::CONTENT_TYPE, "text/plain; charset=utf-8");
    }
    for (name, value) in &answer.headers {
        built = built.header(name, value);
    }
    built.body(Body::from(answer.body)).unwrap_or_else(|_| {
        let mut broken = axum::response::Response::new(Body::empty());
        *broken.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        broken
    })
}
