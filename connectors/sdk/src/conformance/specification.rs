//! What went over the wire, for comparing it with a public document of the external system's interface.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use crate::http::{Request, Response, Transport, TransportError};

/// A public document, and what an account and its simulator said to one another.
#[derive(Clone)]
pub struct Specification {
    /// The document below the folder of specifications, for example `shop/admin.json`.
    pub document: &'static str,
    /// Everything that was said.
    pub exchanges: Exchanges,
    /// Where the document is known to be wrong, each as the end of the comparison's words, with how that is known.
    pub deviations: &'static [(&'static str, &'static str)],
}

/// One request with its answer.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// What the connector asked.
    pub request: Request,
    /// What the simulator answered.
    pub response: Response,
}

/// Exchanges kept over all accounts of a subject; clones keep the same ones.
#[derive(Clone, Debug, Default)]
pub struct Exchanges(Arc<Mutex<Vec<Exchange>>>);

impl Exchanges {
    /// A transport that keeps what goes through it. Put it behind the faults: only what the connector asked and
    /// the simulator answered counts.
    #[must_use]
    pub fn over(&self, inner: Arc<dyn Transport>) -> Arc<dyn Transport> {
        Arc::new(Recording {
            inner,
            kept: self.clone(),
        })
    }

    /// What was kept.
    #[must_use]
    pub fn all(&self) -> Vec<Exchange> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

struct Recording {
    inner: Arc<dyn Transport>,
    kept: Exchanges,
}

#[async_trait]
impl Transport for Recording {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let response = self.inner.send(request.clone()).await?;
        let exchange = Exchange {
            request,
            response: response.clone(),
        };
        self.kept
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(exchange);
        Ok(response)
    }
}
