//! The seam between a connector and the wire, where tests put faults and simulators.

use std::time::Duration;

use async_trait::async_trait;

use super::retry_after;
use crate::budget::EVERY;

/// HTTP methods connectors use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Writes.
    Post,
    /// Writes.
    Put,
    /// Writes.
    Patch,
    /// Writes.
    Delete,
}

impl Method {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// A request below a base address.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Path and query, percent-encoded, starting with `/`.
    pub path: String,
    /// Headers without credentials; the client adds those.
    pub headers: Vec<(String, String)>,
    /// The body; empty for none.
    pub body: Vec<u8>,
    /// Which of the account's budgets it counts in, beside those of all calls.
    pub class: &'static str,
    /// Units of a bucket that it costs.
    pub cost: u32,
}

impl Request {
    /// A GET.
    #[must_use]
    pub fn get(path: impl Into<String>) -> Self {
        Self {
            method: Method::Get,
            path: path.into(),
            headers: Vec::new(),
            body: Vec::new(),
            class: EVERY,
            cost: 1,
        }
    }

    /// A POST of JSON bytes.
    #[must_use]
    pub fn post_json(path: impl Into<String>, body: Vec<u8>) -> Self {
        Self {
            method: Method::Post,
            path: path.into(),
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body,
            class: EVERY,
            cost: 1,
        }
    }

    /// A PUT of JSON bytes.
    #[must_use]
    pub fn put_json(path: impl Into<String>, body: Vec<u8>) -> Self {
        Self {
            method: Method::Put,
            ..Self::post_json(path, body)
        }
    }

    /// The same request in a class of budgets, with its cost.
    #[must_use]
    pub fn counted(self, class: &'static str, cost: u32) -> Self {
        Self {
            class,
            cost,
            ..self
        }
    }

    /// Method and path without the query, fit for a log.
    #[must_use]
    pub fn label(&self) -> String {
        let path = self.path.split('?').next().unwrap_or_default();
        format!("{} {path}", self.method.as_str())
    }
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Request").field(&self.label()).finish()
    }
}

/// A response as it came.
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The whole body, within the limit.
    pub body: Vec<u8>,
}

impl Response {
    /// The first value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// How long it asks to wait, where it says so.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        retry_after(self.header("retry-after"), self.header("date"))
    }
}

impl std::fmt::Debug for Response {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("bytes", &self.body.len())
            .finish()
    }
}

/// Why there is no response.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// The request certainly never reached the external system.
    #[error("not sent: {0}")]
    NotSent(String),
    /// It may have: the connection broke, timed out, or the answer was cut short.
    #[error("no answer: {0}")]
    NoAnswer(String),
    /// The answer is larger than the limit.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
}

/// Carries one request to the external system and its answer back.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Sends once.
    ///
    /// # Errors
    /// [`TransportError`], which distinguishes "never sent" from "may have been sent".
    async fn send(&self, request: Request) -> Result<Response, TransportError>;
}
