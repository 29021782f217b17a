//! All calls to a shop.

mod prepared;
mod pull;
mod push;
mod writes;

#[cfg(test)]
mod tests;

use hikiate_sdk::budget::Budget;
use hikiate_sdk::hooks::{HookSecrets, Hooks};
use hikiate_sdk::http::{HttpClient, Request, Response};
use hikiate_sdk::{Connector, Error, ErrorClass, Operations, Source};
use serde::de::DeserializeOwned;

use crate::config::Settings;

/// An account: one shop.
pub struct Medusa {
    http: HttpClient,
    settings: Settings,
    /// What the shop's hooks are signed with; none where they are off.
    pub(crate) hook: Option<HookSecrets>,
}

impl Medusa {
    /// An account over a client of [`crate::site`].
    #[must_use]
    pub fn new(http: HttpClient, settings: Settings) -> Self {
        Self {
            http,
            settings,
            hook: None,
        }
    }

    /// With hooks that are signed so.
    #[must_use]
    pub fn with_hook(self, secrets: HookSecrets) -> Self {
        Self {
            hook: Some(secrets),
            ..self
        }
    }

    async fn get(&self, path: String) -> Result<Response, Error> {
        self.http.read(Request::get(path)).await
    }

    async fn get_json<T: DeserializeOwned>(&self, path: String) -> Result<T, Error> {
        let label = path.split('?').next().unwrap_or_default().to_owned();
        let response = self.get(path).await?;
        serde_json::from_slice(&response.body).map_err(|e| unreadable(&label, &e))
    }

    async fn post<T: DeserializeOwned>(&self, path: String, body: Vec<u8>) -> Result<T, Error> {
        let label = path.split('?').next().unwrap_or_default().to_owned();
        let response = self.http.write(Request::post_json(path, body)).await?;
        // The shop said yes in words nobody understands: it may have acted.
        serde_json::from_slice(&response.body).map_err(|e| Error {
            class: ErrorClass::OutcomeUnknown,
            ..unreadable(&label, &e)
        })
    }
}

impl Connector for Medusa {
    fn source(&self) -> Option<&dyn Source> {
        Some(self)
    }

    fn operations(&self) -> Option<&dyn Operations> {
        Some(self)
    }

    fn hooks(&self) -> Option<&dyn Hooks> {
        Some(self)
    }

    fn budgets(&self) -> Vec<Budget> {
        vec![Budget::paced(
            self.settings.concurrency,
            self.settings.per_second,
        )]
    }
}

/// Only letters, digits, `_` and `-`: what may stand in a path as it is. All ids of a shop are like that.
#[must_use]
pub(crate) fn is_plain(id: &str) -> bool {
    !id.is_empty()
        && id.len() <= 100
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

fn unreadable(label: &str, error: &serde_json::Error) -> Error {
    // serde's own words may quote a value of the answer.
    let place = format!("line {}, column {}", error.line(), error.column());
    Error::new(
        ErrorClass::Protocol,
        format!("{label}: the shop's answer does not match its API ({place})"),
    )
}
