//! All calls to Stripe.

mod cursor;
mod payments;
mod prepared;
mod pull;
mod push;
mod reading;
mod together;
mod writes;

use std::time::Duration;

use hikiate_sdk::budget::{Budget, Limit};
use hikiate_sdk::hooks::{HookSecrets, Hooks};
use hikiate_sdk::http::{HttpClient, Request};
use hikiate_sdk::{Connector, Error, ErrorClass, Operations, Source};
use serde::de::DeserializeOwned;
use url::form_urlencoded;

use crate::config::Settings;

pub(crate) use pull::TYPES;

/// An account: one Stripe account, live or test.
pub struct Stripe {
    http: HttpClient,
    pub(crate) settings: Settings,
    /// What hooks are signed with; none where they are off.
    pub(crate) hook: Option<HookSecrets>,
}

/// One operation of the API, which Stripe counts by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint(&'static str);

impl Endpoint {
    const INTENT: Self = Self("payment_intent");
    const CHARGE: Self = Self("charge");
    const INTENTS: Self = Self("payment_intents");
    const EVENTS: Self = Self("events");
    const REFUNDS: Self = Self("refunds");
    const DISPUTES: Self = Self("disputes");
    const CAPTURE: Self = Self("capture");
    const CANCEL: Self = Self("cancel");
    const REFUND: Self = Self("refund");

    const ALL: [Self; 9] = [
        Self::INTENT,
        Self::CHARGE,
        Self::INTENTS,
        Self::EVENTS,
        Self::REFUNDS,
        Self::DISPUTES,
        Self::CAPTURE,
        Self::CANCEL,
        Self::REFUND,
    ];
}

/// Stripe allows each operation of its API 25 calls a second, whatever the account may (docs.stripe.com/rate-limits).
const EACH: Duration = Duration::from_millis(40);

impl Stripe {
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

    async fn get<T: DeserializeOwned>(&self, path: String, endpoint: Endpoint) -> Result<T, Error> {
        let request = self.asked(Request::get(path), endpoint);
        let label = request.label();
        let response = self.http.read(request).await?;
        serde_json::from_slice(&response.body).map_err(|e| unreadable(&label, &e))
    }

    /// Posts a form under an idempotency key.
    async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        form: &[(String, String)],
        key: &str,
        endpoint: Endpoint,
    ) -> Result<T, Error> {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let mut request = self.asked(Request::post_json(path, body.into_bytes()), endpoint);
        request.headers = vec![
            (
                "content-type".to_owned(),
                "application/x-www-form-urlencoded".to_owned(),
            ),
            ("idempotency-key".to_owned(), key.to_owned()),
            self.version(),
        ];
        let label = request.label();
        let response = self.http.write(request).await?;
        // Stripe said yes in words nobody understands: it may have acted.
        serde_json::from_slice(&response.body).map_err(|e| Error {
            class: ErrorClass::OutcomeUnknown,
            ..unreadable(&label, &e)
        })
    }

    fn asked(&self, mut request: Request, endpoint: Endpoint) -> Request {
        request.headers.push(self.version());
        request.counted(endpoint.0, 1)
    }

    fn version(&self) -> (String, String) {
        ("stripe-version".to_owned(), self.settings.version.clone())
    }
}

impl Connector for Stripe {
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
        let account = Budget::paced(self.settings.concurrency, Some(self.settings.rate()));
        let each = Endpoint::ALL.map(|endpoint| Budget {
            class: endpoint.0,
            limits: vec![Limit::Bucket {
                capacity: 1,
                each: EACH,
            }],
        });
        std::iter::once(account).chain(each).collect()
    }
}

fn unreadable(label: &str, error: &serde_json::Error) -> Error {
    // serde's own words may quote a value of the answer.
    let place = format!("line {}, column {}", error.line(), error.column());
    Error::new(
        ErrorClass::Protocol,
        format!("{label}: Stripe's answer does not match its API ({place})"),
    )
}
