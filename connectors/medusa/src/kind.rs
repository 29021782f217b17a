//! The descriptor of the registry.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hikiate_sdk::hooks::HookSecrets;
use hikiate_sdk::http::{HttpClient, HttpSettings};
use hikiate_sdk::{AccountConfig, Connector, ConnectorKind, Problem};
use secrecy::{ExposeSecret, SecretString};

use crate::client::Medusa;
use crate::config;

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
        "Medusa v2 shop (Admin API): orders, stock, fulfilment, shipping notice, capture, cancel"
    }

    fn schema(&self) -> schemars::Schema {
        schemars::schema_for!(config::Keys)
    }

    fn build(&self, account: &AccountConfig<'_>) -> Result<Arc<dyn Connector>, Vec<Problem>> {
        let (reach, settings) = config::read(account.settings)?;
        let token = reach
            .token
            .read()
            .map_err(|message| vec![Problem::new("token", message)])?;
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
        let http = HttpClient::new(HttpSettings {
            base_url: reach.url,
            allow_insecure: reach.allow_insecure,
            authorization: Some(basic(&token)),
            timeout: reach.timeout,
            max_body: MAX_BODY,
        })
        .map_err(|problem| vec![problem])?;
        // The key itself, too: the header has it encoded.
        let account = Medusa::new(http.guarding(token), settings);
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

/// The `Authorization` header of a secret API key: the user of a Basic login without a password.
#[must_use]
pub fn basic(token: &SecretString) -> SecretString {
    SecretString::from(format!(
        "Basic {}",
        STANDARD.encode(format!("{}:", token.expose_secret()))
    ))
}
