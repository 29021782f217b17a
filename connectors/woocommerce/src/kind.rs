//! The descriptor of the registry.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use hikiate_sdk::hooks::HookSecrets;
use hikiate_sdk::http::{Auth, Request, Sign, Site};
use hikiate_sdk::{AccountConfig, Connector, ConnectorKind, Error, Problem, Secret};
use secrecy::{ExposeSecret, SecretString};

use crate::client::WooCommerce;
use crate::config;
use crate::dialect::Shop;

/// Largest answer that is read: a page of 100 large orders is about 4 MiB.
const MAX_BODY: usize = 32 * 1024 * 1024;

/// WooCommerce shops.
#[derive(Clone, Copy, Debug, Default)]
pub struct WooCommerceKind;

impl ConnectorKind for WooCommerceKind {
    fn name(&self) -> &'static str {
        "woocommerce"
    }

    fn title(&self) -> &'static str {
        "WooCommerce shop (REST API v3): orders, stock, shipping notice, cancel, record of refunds, notes of holds"
    }

    fn schema(&self) -> schemars::Schema {
        schemars::schema_for!(config::Keys)
    }

    fn build(&self, account: &AccountConfig<'_>) -> Result<Arc<dyn Connector>, Vec<Problem>> {
        let (reach, settings) = config::read(account.settings)?;
        let open = |key: &str, place: &hikiate_sdk::SecretRef| {
            place
                .open()
                .map_err(|message| vec![Problem::new(key, message)])
        };
        let (key, secret) = (open("key", &reach.key)?, open("secret", &reach.secret)?);
        let hook = reach
            .hook
            .map(|(current, previous)| HookSecrets::read(&current, previous.as_ref()))
            .transpose()
            .map_err(|(previous, message)| {
                let key = if previous {
                    "hook_secret_previous"
                } else {
                    "hook_secret"
                };
                vec![Problem::new(key, message)]
            })?;
        let site = Site {
            timeout: reach.timeout,
            ..site(reach.url, key, secret)
        };
        let http = account.link.http(site).map_err(|problem| vec![problem])?;
        let account = WooCommerce::new(http, settings);
        Ok(Arc::new(match hook {
            Some(secrets) => account.with_hook(secrets),
            None => account,
        }))
    }

    #[cfg(feature = "sim")]
    fn subjects(&self) -> Vec<Box<dyn hikiate_sdk::conformance::Subject>> {
        vec![
            Box::new(crate::sim::Shop::with_fulfilments()),
            Box::new(crate::sim::Shop::with_notes()),
        ]
    }
}

/// The site of a shop with its REST API key.
#[must_use]
pub fn site(url: impl Into<String>, key: Secret, secret: Secret) -> Site {
    let url = url.into();
    let login = Login {
        key,
        secret,
        plain: url.trim_start().starts_with("http:"),
    };
    Site {
        max_body: MAX_BODY,
        auth: vec![Auth::Signed(Arc::new(login))],
        dialect: Arc::new(Shop),
        ..Site::new(url)
    }
}

/// A Basic login with the two halves of a REST API key.
struct Login {
    key: Secret,
    secret: Secret,
    /// Over plain HTTP, to loopback: the shop takes a Basic login only where it believes that the request came over TLS. The
    /// header is what proxies in front of WordPress send and `wp-config.php` of its container image heeds.
    plain: bool,
}

impl Sign for Login {
    fn sign(&self, request: &mut Request, _now: DateTime<Utc>, turn: usize) -> Result<(), Error> {
        let (key, _) = self.key.pick(turn);
        let (secret, _) = self.secret.pick(turn);
        let header = basic(&key, &secret).expose_secret().to_owned();
        request.headers.push(("authorization".to_owned(), header));
        if self.plain {
            let forwarded = ("x-forwarded-proto".to_owned(), "https".to_owned());
            request.headers.push(forwarded);
        }
        Ok(())
    }

    fn secrets(&self) -> Vec<Secret> {
        vec![self.key.clone(), self.secret.clone()]
    }

    fn texts(&self) -> Vec<SecretString> {
        let secrets = self.secret.values();
        let pairs = self.key.values().into_iter().flat_map(|key| {
            let made = |secret: &SecretString| encoded(&key, secret);
            secrets.iter().map(made).collect::<Vec<_>>()
        });
        pairs.map(SecretString::from).collect()
    }
}

/// The `Authorization` header of a REST API key.
#[must_use]
pub(crate) fn basic(key: &SecretString, secret: &SecretString) -> SecretString {
    SecretString::from(format!("Basic {}", encoded(key, secret)))
}

fn encoded(key: &SecretString, secret: &SecretString) -> String {
    STANDARD.encode(format!(
        "{}:{}",
        key.expose_secret(),
        secret.expose_secret()
    ))
}
