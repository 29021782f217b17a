//! A transport behind a socket, so that a separate process can reach a simulator.

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use tokio::net::TcpListener;

use super::{SimTransport, Simulator};
use crate::budget::EVERY;
use crate::http::{Method, Request, Response, Transport, TransportError};

/// Largest request body that is taken.
const LIMIT: usize = 16 * 1024 * 1024;

/// Serves a simulator over HTTP until `shutdown` completes; requests under way are finished.
///
/// # Errors
/// Those of the listener.
pub async fn serve(
    sim: Arc<dyn Simulator>,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    serve_transport(Arc::new(SimTransport(sim)), listener, shutdown).await
}

/// The same over any transport, for example a faulty one before a simulator. Where the transport has no answer
/// the connection is cut without one, which the caller sees as a lost reply.
///
/// # Errors
/// Those of the listener.
pub async fn serve_transport(
    transport: Arc<dyn Transport>,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let app = Router::new()
        .fallback(handle)
        .layer(DefaultBodyLimit::max(LIMIT))
        .with_state(transport);
    axum::serve(listener, app)
        .with_graceful_shutdown(shutdown)
        .await
}

async fn handle(
    State(transport): State<Arc<dyn Transport>>,
    method: axum::http::Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> axum::response::Response {
    let Some(method) = known(&method) else {
        return bare(StatusCode::METHOD_NOT_ALLOWED);
    };
    let request = Request {
        method,
        path: uri.path_and_query().map_or("/", |p| p.as_str()).to_owned(),
        headers: headers
            .iter()
            .map(|(name, value)| {
                (
                    name.as_str().to_owned(),
                    String::from_utf8_lossy(value.as_bytes()).into_owned(),
                )
            })
            .collect(),
        body: body.to_vec(),
        class: EVERY,
        cost: 1,
    };
    match transport.send(request).await {
        Ok(answer) => convert(answer),
        // Unwinding ends the connection's own task and so closes the socket; HTTP has no other way to say nothing.
        Err(TransportError::NotSent(_) | TransportError::NoAnswer(_)) => {
            std::panic::resume_unwind(Box::new("cut"))
        }
        Err(TransportError::TooLarge(_)) => bare(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

fn known(method: &axum::http::Method) -> Option<Method> {
    [
        Method::Get,
        Method::Post,
        Method::Put,
        Method::Patch,
        Method::Delete,
    ]
    .into_iter()
    .find(|m| m.as_str() == method.as_str())
}

fn convert(answer: Response) -> axum::response::Response {
    let mut built = axum::http::Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        built = built.header(name, value);
    }
    built
        .body(Body::from(answer.body))
        .unwrap_or_else(|_| bare(StatusCode::INTERNAL_SERVER_ERROR))
}

fn bare(status: StatusCode) -> axum::response::Response {
    let mut response = axum::response::Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
