//! Answers that another party on the way has changed or mixed up.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use crate::http::{Method, Request, Response, Transport, TransportError};

/// A way on which the JSON bodies of answers change, as by a cache that mixes up replies or a plug-in that thins them. Other bodies pass
/// as they are.
pub struct Altered<F> {
    far: Arc<dyn Transport>,
    alter: F,
}

impl<F: Fn(Method, &str, &mut Value) + Send + Sync> Altered<F> {
    /// `alter` is given what was asked (method, path without its query) and the body of the answer.
    pub fn new(far: Arc<dyn Transport>, alter: F) -> Self {
        Self { far, alter }
    }
}

#[async_trait]
impl<F: Fn(Method, &str, &mut Value) + Send + Sync> Transport for Altered<F> {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let method = request.method;
        let path = request
            .path
            .split('?')
            .next()
            .unwrap_or_default()
            .to_owned();
        let mut response = self.far.send(request).await?;
        if let Ok(mut body) = serde_json::from_slice(&response.body) {
            (self.alter)(method, &path, &mut body);
            response.body = body.to_string().into_bytes();
        }
        Ok(response)
    }
}

/// A way on which one name in what is read becomes another: the answer is about something else than was asked for.
pub struct Mixed {
    /// The external system.
    pub far: Arc<dyn Transport>,
    /// What is asked for, as it stands in a path.
    pub asked: String,
    /// What is answered in its place.
    pub answered: String,
}

#[async_trait]
impl Transport for Mixed {
    async fn send(&self, mut request: Request) -> Result<Response, TransportError> {
        if request.method == Method::Get {
            request.path = request.path.replace(&self.asked, &self.answered);
        }
        self.far.send(request).await
    }
}
