//! Maps requests to a transport and responses to error classes.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

use super::network::Network;
use super::{
    HttpSettings, Request, Response, Transport, TransportError, classify, excerpt, retry_after,
};
use crate::{Error, ErrorClass, Problem};

/// A client of one account.
#[derive(Clone)]
pub struct HttpClient {
    transport: Arc<dyn Transport>,
    secrets: Vec<SecretString>,
}

impl std::fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HttpClient")
    }
}

impl HttpClient {
    /// A client over the network.
    ///
    /// # Errors
    /// A [`Problem`] at `url` for a bad address or plain HTTP to a distant host, at `authorization` for a
    /// secret that no header can carry.
    pub fn new(settings: HttpSettings) -> Result<Self, Problem> {
        let client = Self::over(Arc::new(Network::new(&settings)?));
        Ok(match settings.authorization {
            Some(secret) => client.guarding(secret),
            None => client,
        })
    }

    /// A client over any transport: a simulator, a faulty one.
    #[must_use]
    pub fn over(transport: Arc<dyn Transport>) -> Self {
        Self {
            transport,
            secrets: Vec::new(),
        }
    }

    /// Takes a secret, and of `Basic …` or `Bearer …` the part after the word, out of the far side's words
    /// before they reach an error. [`Self::new`] does so for its `authorization`.
    #[must_use]
    pub fn guarding(mut self, secret: SecretString) -> Self {
        if let Some((_, credentials)) = secret.expose_secret().split_once(' ') {
            self.secrets
                .push(SecretString::from(credentials.to_owned()));
        }
        self.secrets.push(secret);
        self
    }

    /// Sends a request that changes nothing at the far side.
    ///
    /// # Errors
    /// The class of the response or of its absence; a read is never `OutcomeUnknown`.
    pub async fn read(&self, request: Request) -> Result<Response, Error> {
        self.call(request, false).await
    }

    /// Sends a request that may change something.
    ///
    /// # Errors
    /// 5xx and a lost answer are `OutcomeUnknown`; 429 `RateLimited`; 401 and 403 `Auth`; 404 `NotFound`;
    /// 409 `Conflict`; any other 4xx `Rejected`. The far side's own words are cut to 300 characters.
    pub async fn write(&self, request: Request) -> Result<Response, Error> {
        self.call(request, true).await
    }

    async fn call(&self, request: Request, is_write: bool) -> Result<Response, Error> {
        let label = request.label();
        let (method, started) = (request.method.as_str(), Instant::now());
        let result = self.transport.send(request).await;
        let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let path = label.split_once(' ').map_or("", |(_, path)| path);
        match &result {
            Ok(response) => tracing::debug!(
                method,
                path,
                status = response.status,
                milliseconds,
                "request"
            ),
            Err(_) => tracing::debug!(method, path, milliseconds, "request without an answer"),
        }
        let response = result.map_err(|e| without_answer(&label, &e, is_write))?;
        if (200..300).contains(&response.status) {
            return Ok(response);
        }
        let after = retry_after(response.header("retry-after"), response.header("date"));
        let secrets: Vec<&str> = self
            .secrets
            .iter()
            .map(ExposeSecret::expose_secret)
            .collect();
        let words = excerpt(&response.body, &secrets);
        match classify(response.status, after, &words, is_write) {
            Some(error) => Err(Error {
                message: format!("{label}: {}", error.message),
                ..error
            }),
            None => Ok(response),
        }
    }
}

fn without_answer(label: &str, error: &TransportError, is_write: bool) -> Error {
    let class = match error {
        TransportError::NotSent(_) => ErrorClass::Transient,
        _ if is_write => ErrorClass::OutcomeUnknown,
        TransportError::NoAnswer(_) => ErrorClass::Transient,
        TransportError::TooLarge(_) => ErrorClass::Protocol,
    };
    Error::new(class, format!("{label}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_answer_leaves_a_write_open_and_a_read_not() {
        let class = |error: &TransportError, write| without_answer("GET /x", error, write).class;
        let not_sent = TransportError::NotSent("refused".to_owned());
        let no_answer = TransportError::NoAnswer("reset".to_owned());
        let large = TransportError::TooLarge(10);
        assert_eq!(
            (class(&not_sent, false), class(&not_sent, true)),
            (ErrorClass::Transient, ErrorClass::Transient)
        );
        assert_eq!(
            (class(&no_answer, false), class(&no_answer, true)),
            (ErrorClass::Transient, ErrorClass::OutcomeUnknown)
        );
        assert_eq!(
            (class(&large, false), class(&large, true)),
            (ErrorClass::Protocol, ErrorClass::OutcomeUnknown)
        );
    }
}
