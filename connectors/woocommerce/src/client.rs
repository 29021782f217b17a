//! All calls to a shop.

mod codes;
mod parents;
mod prepared;
mod pull;
mod push;
mod refunds;
mod ship;
mod stock;

#[cfg(test)]
mod tests;

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use hikiate_sdk::budget::Budget;
use hikiate_sdk::hooks::{HookSecrets, Hooks};
use hikiate_sdk::http::{HttpClient, Request, Response};
use hikiate_sdk::{Connector, Error, ErrorClass, Operations, Source};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::{Mutex, MutexGuard};

use codes::Codes;

use crate::config::Settings;
use crate::dialect::NO_ROUTE;

/// Where the API is below the shop's address.
pub(crate) const API: &str = "/wp-json/wc/v3";

/// Orders that are written at once, at most: more than calls at once.
const TURNS: usize = 32;

/// An account: one shop.
pub struct WooCommerce {
    http: HttpClient,
    settings: Settings,
    /// Held while an order is written, see [`Self::turn`].
    turns: [Mutex<()>; TURNS],
    /// Whose the codes of the stock are.
    codes: Mutex<Codes>,
    /// What the shop's hooks are signed with; none where they are off.
    pub(crate) hook: Option<HookSecrets>,
}

/// A page of a list: each record by itself, and how many there are in all.
struct List {
    records: Vec<Box<RawValue>>,
    total: usize,
}

impl WooCommerce {
    /// An account over a client of [`crate::site`].
    #[must_use]
    pub fn new(http: HttpClient, settings: Settings) -> Self {
        Self {
            http,
            settings,
            turns: Default::default(),
            codes: Mutex::default(),
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

    /// The turn to write an order: every write looks first and decides by what it saw, so two of one order never run at once.
    async fn turn(&self, order: &str) -> MutexGuard<'_, ()> {
        let digits = order.bytes().rev().take(2).map(usize::from);
        self.turns[digits.fold(0, |n, digit| n * 10 + digit) % TURNS]
            .lock()
            .await
    }

    async fn get(&self, path: String) -> Result<Box<RawValue>, Error> {
        let label = label(&path);
        let response = self.http.read(Request::get(path)).await?;
        parse(&label, &response)
    }

    async fn get_as<T: for<'de> Deserialize<'de>>(&self, path: String) -> Result<T, Error> {
        let label = label(&path);
        let response = self.http.read(Request::get(path)).await?;
        parse(&label, &response)
    }

    /// The same; `None` where the shop has no such route at all.
    async fn get_if_offered(&self, path: String) -> Result<Option<Box<RawValue>>, Error> {
        match self.get(path).await {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.code.as_deref() == Some(NO_ROUTE) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn list(&self, path: String) -> Result<List, Error> {
        let label = label(&path);
        let response = self.http.read(Request::get(path)).await?;
        let records = parse(&label, &response)?;
        let total = response.header("x-wp-total").and_then(|n| n.parse().ok());
        let total = total.ok_or_else(|| {
            let why = format!(
                "{label}: the answer has no X-WP-Total: something between here and the shop removes it; let it through"
            );
            Error::new(ErrorClass::Protocol, why)
        })?;
        Ok(List { records, total })
    }

    async fn write<T: for<'de> Deserialize<'de>>(&self, request: Request) -> Result<T, Error> {
        let label = label(&request.path);
        let response = self.http.write(request).await?;
        // The shop said yes in words nobody understands: it may have acted.
        parse(&label, &response).map_err(|error| Error {
            class: ErrorClass::OutcomeUnknown,
            ..error
        })
    }
}

impl Connector for WooCommerce {
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

/// Only digits: what may stand in a path as it is. All ids of a shop are like that.
#[must_use]
pub(crate) fn is_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= 19 && id.bytes().all(|b| b.is_ascii_digit())
}

/// The same path as nobody has asked for it before: no cache in front of the shop has an answer to it, and WordPress passes over a
/// parameter that it does not know. What a write is decided by is read so.
fn fresh(path: &str) -> String {
    let mark = if path.contains('?') { '&' } else { '?' };
    let unique = RandomState::new().build_hasher().finish();
    format!("{path}{mark}_={unique:x}")
}

fn label(path: &str) -> String {
    path.split('?').next().unwrap_or_default().to_owned()
}

/// Reads an answer. WordPress sends what its plug-ins print in front of it: a byte order mark is passed over.
fn parse<T: for<'de> Deserialize<'de>>(label: &str, response: &Response) -> Result<T, Error> {
    let body = response.body.as_slice();
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    serde_json::from_slice(body).map_err(|error| {
        // serde's own words may quote a value of the answer.
        let place = format!("line {}, column {}", error.line(), error.column());
        let hint = if body.trim_ascii_start().starts_with(b"<") {
            "; it begins with HTML: a plug-in or a PHP warning prints it in front (WP_DEBUG_DISPLAY must be off)"
        } else {
            ""
        };
        let why = format!("{label}: the shop's answer does not match its API ({place}){hint}");
        Error::new(ErrorClass::Protocol, why)
    })
}
