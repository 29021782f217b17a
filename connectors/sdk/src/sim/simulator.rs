//! What a simulator is to a connector: something that answers requests.

use std::sync::Arc;

use async_trait::async_trait;

use crate::http::{Request, Response, Transport, TransportError};

/// An external system with state of its own, behind its own mutex. It never injects faults; transports do, and ask it
/// for what only it can do ([`asked`](crate::faulty::asked)).
pub trait Simulator: Send + Sync {
    /// Carries out one request. The path is as sent, query included; header names are lower case.
    fn handle(&self, request: Request) -> Response;
}

/// Reaches a simulator in process.
#[derive(Clone)]
pub struct SimTransport(pub Arc<dyn Simulator>);

#[async_trait]
impl Transport for SimTransport {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        Ok(self.0.handle(request))
    }
}
