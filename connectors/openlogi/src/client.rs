//! All calls to OPENLOGI.

mod cursor;
mod prepared;
mod pull;
mod push;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hikiate_sdk::budget::{Budget, Limit};
use hikiate_sdk::http::{HttpClient, Method, Response};
use hikiate_sdk::{Connector, Error, ErrorClass, Operations, Record, Source};
use serde::de::DeserializeOwned;

use crate::config::Settings;
use crate::map::shipment::{Seen, identifier, read};
use crate::wire::{Shipments, request};

/// An account: one merchant's goods at OPENLOGI.
pub struct Openlogi {
    http: HttpClient,
    settings: Settings,
    /// Shipments whose cancellation was in doubt and that were not there at a look-up: the next round looks for them. One stays here
    /// until a page is asked for with a cursor that has it. After a restart before that, the cancellation stays unanswered and
    /// becomes a task.
    watched: Mutex<BTreeSet<String>>,
}

/// What a list of shipments says of ours.
#[derive(Default)]
struct Listed {
    ours: Vec<Seen>,
    /// What cannot even be told to be ours or not.
    bad: Vec<Record>,
    /// There is a shipment that was not asked for, or one that does not say which it is.
    unasked: bool,
}

impl Listed {
    /// What is not listed may be there all the same.
    fn is_unsure(&self) -> bool {
        self.unasked || !self.bad.is_empty()
    }

    fn of(&self, reference: &str) -> Option<&Seen> {
        self.ours.iter().find(|seen| seen.reference == reference)
    }
}

impl Openlogi {
    /// An account over a client of [`crate::site`].
    #[must_use]
    pub fn new(http: HttpClient, settings: Settings) -> Self {
        Self {
            http,
            settings,
            watched: Mutex::default(),
        }
    }

    fn watched(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn get(&self, path: &str) -> Result<Response, Error> {
        self.http.read(request(Method::Get, path, Vec::new())).await
    }

    /// The shipments of a list that are ours.
    async fn list(&self, path: &str) -> Result<Listed, Error> {
        let response = self.get(path).await?;
        self.listed(path, &response, None)
    }

    /// What a list has; where it was `asked` for some references, whatever else it has is left out.
    fn listed(
        &self,
        path: &str,
        response: &Response,
        asked: Option<&[&str]>,
    ) -> Result<Listed, Error> {
        let list = shipments(path, response)?;
        let (mut ours, mut bad, mut unasked) = (Vec::new(), Vec::new(), false);
        for raw in list.shipments {
            let raw = raw.get();
            match read(raw) {
                Err(record) => bad.push(*record),
                Ok(_) if asked.is_some_and(|asked| !is_one_of(asked, raw)) => unasked = true,
                Ok(seen) => ours.extend(seen),
            }
        }
        self.check_account(label(path), &ours)?;
        Ok(Listed { ours, bad, unasked })
    }

    /// What stands under these references, shipped or not.
    async fn by_reference(&self, references: &[&str]) -> Result<Listed, Error> {
        let account = &self.settings.account;
        let identifiers = references.join("%2C");
        let path = format!("/shipments/{account}?identifier={identifiers}");
        let response = self.get(&path).await?;
        self.listed(&path, &response, Some(references))
    }

    /// Under another account's code a shipment of ours would look as if it were not there.
    fn check_account(&self, label: &str, ours: &[Seen]) -> Result<(), Error> {
        let prefix = format!("{}-", self.settings.account);
        let mut ids = ours.iter().filter_map(|seen| seen.wire.id.as_deref());
        match ids.find(|id| !id.starts_with(&prefix)) {
            None => Ok(()),
            Some(id) => Err(Error::new(
                ErrorClass::Config,
                format!(
                    "{label}: account = {:?}, but OPENLOGI has a shipment of ours as {id}: set account to the code before its hyphen",
                    self.settings.account
                ),
            )),
        }
    }

    async fn write<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<T, Error> {
        let response = self.http.write(request(method, path, body)).await?;
        written(path, &response)
    }
}

impl Connector for Openlogi {
    fn source(&self) -> Option<&dyn Source> {
        Some(self)
    }

    fn operations(&self) -> Option<&dyn Operations> {
        Some(self)
    }

    fn budgets(&self) -> Vec<Budget> {
        let minute = Duration::from_secs(60);
        let calls = self.settings.per_minute;
        let at_once = u32::try_from(self.settings.concurrency).unwrap_or(1);
        vec![Budget::account(vec![
            Limit::AtOnce(at_once),
            Limit::Window { calls, per: minute },
            // What others use of the same minute is read off each answer.
            Limit::Bucket {
                capacity: calls,
                each: minute / calls.max(1),
            },
        ])]
    }
}

fn is_one_of(asked: &[&str], raw: &str) -> bool {
    identifier(raw).is_some_and(|told| asked.contains(&told.as_str()))
}

fn label(path: &str) -> &str {
    path.split('?').next().unwrap_or_default()
}

/// The shipments of an answer.
fn shipments<'r>(path: &str, response: &'r Response) -> Result<Shipments<'r>, Error> {
    serde_json::from_slice(&response.body).map_err(|e| unreadable(label(path), &e))
}

/// The answer to a write that was taken. What nobody understands may have been carried out.
fn written<T: DeserializeOwned>(path: &str, response: &Response) -> Result<T, Error> {
    serde_json::from_slice(&response.body).map_err(|e| Error {
        class: ErrorClass::OutcomeUnknown,
        ..unreadable(path, &e)
    })
}

fn unreadable(label: &str, error: &serde_json::Error) -> Error {
    // serde's own words may quote a value of the answer.
    let place = format!("line {}, column {}", error.line(), error.column());
    Error::new(
        ErrorClass::Protocol,
        format!("{label}: OPENLOGI's answer does not match its document ({place})"),
    )
}
