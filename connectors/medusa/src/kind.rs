//! The descriptor of the registry.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hikiate_sdk::hooks::HookSecrets;
use hikiate_sdk::http::{Auth, Site};
use hikiate_sdk::{AccountConfig, Connector, ConnectorKind, Problem, Secret};
use secrecy::{ExposeSecret, SecretString};

use crate::client::Medusa;
use crate::config;
use crate::dialect::Shop;

/// Largest answer that is read: a page of 100 large orders is about 4 MiB.
const MAX_BODY: usize = 32 * 1024 * 1024;

/// Medusa v2 shops.
#[derive(Clone, Copy, Debug, Default)]
pub struct MedusaKind;

impl ConnectorKind for MedusaKind {
    fn name(&self) -> &'static str {
        "medusa"
    }

    fn title(&self) -> &'static str {
        "Medusa v2 shop (Admin API): orders, stock, fulfilment, shipping notice, capture, cancel, notes of holds"
    }

    fn schema(&self) -> schemars::Schema {
        schemars::schema_for!(config::Keys)
    }

    fn build(&self, account: &AccountConfig<'_>) -> Result<Arc<dyn Connector>, Vec<Problem>> {
        let (reach, settings) = config::read(account.settings)?;
        let token = reach
            .token
            .open()
            .map_err(|message| vec![Problem::new("token", message)])?;
        let hook = reach
            .hook
            .map(|(current, previous)| HookSecrets::read(&current, previous.as_ref()))
            .transpose()
            .map_err(|problem| vec![problem])?;
        let site = Site {
            allow_insecure: reach.allow_insecure,
            ca_file: reach.ca_file.map(|file| account.base_dir.join(file)),
            timeout: reach.timeout,
            ..site(reach.url, token)
        };
        let http = account.link.http(site).map_err(|problem| vec![problem])?;
        let account = Medusa::new(http, settings);
        Ok(Arc::new(match hook {
            Some(secrets) => account.with_hook(secrets),
            None => account,
        }))
    }

    #[cfg(feature = "sim")]
    fn subjects(&self) -> Vec<Box<dyn hikiate_sdk::conformance::Subject>> {
        vec![Box::new(crate::sim::Shop::default())]
    }
}

/// The site of a shop with its secret API key.
#[must_use]
pub fn site(url: impl Into<String>, token: Secret) -> Site {
    Site {
        max_body: MAX_BODY,
        auth: vec![Auth::header("authorization", token, basic)],
        dialect: Arc::new(Shop),
        ..Site::new(url)
    }
}

/// The `Authorization` header of a secret API key: the user of a Basic login without a password.
#[must_use]
pub fn basic(token: &SecretString) -> SecretString {
    SecretString::from(format!(
        "Basic {}",
        STANDARD.encode(format!("{}:", token.expose_secret()))
    ))
}
