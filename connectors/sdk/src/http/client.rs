//! Maps requests to a transport and responses to error classes.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use super::{Request, Response, Transport};
use crate::{Error, Problem};

/// How a client reaches its far side.
#[derive(Clone)]
pub struct HttpSettings {
    /// Scheme, host, port and an optional path prefix.
    pub base_url: String,
    /// Plain HTTP to a host that is not loopback only when the operator says so.
    pub allow_insecure: bool,
    /// The whole `Authorization` header value.
    pub authorization: Option<SecretString>,
    /// For one request, connect to last byte.
    pub timeout: Duration,
    /// Largest body that is read.
    pub max_body: usize,
}

/// A client of one account.
#[derive(Clone)]
pub struct HttpClient {
    transport: Arc<dyn Transport>,
}

impl HttpClient {
    /// A client over the network.
    ///
    /// # Errors
    /// A [`Problem`] at `url` for a bad address or plain HTTP to a distant host.
    pub fn new(_settings: HttpSettings) -> Result<Self, Problem> {
        Err(Problem::new("url", "not built yet"))
    }

    /// A client over any transport: a simulator, a faulty one.
    #[must_use]
    pub fn over(transport: Arc<dyn Transport>) -> Self {
        Self { transport }
    }

    /// Sends a request that changes nothing at the far side.
    ///
    /// # Errors
    /// The class of the response or of its absence; a read is never `OutcomeUnknown`.
    pub async fn read(&self, request: Request) -> Result<Response, Error> {
        self.write(request).await
    }

    /// Sends a request that may change something.
    ///
    /// # Errors
    /// 5xx and a lost answer are `OutcomeUnknown`; 429 `RateLimited`; 401 and 403 `Auth`; 404 `NotFound`;
    /// 409 `Conflict`; any other 4xx `Rejected`. The far side's own words are cut to 300 characters.
    pub async fn write(&self, request: Request) -> Result<Response, Error> {
        self.transport.send(request).await.map_err(|e| Error::new(crate::ErrorClass::Transient, e.to_string()))
    }
}
