//! The descriptor of the registry.

use std::sync::Arc;

use hikiate_sdk::hooks::HookSecrets;
use hikiate_sdk::http::Site;
use hikiate_sdk::{AccountConfig, Connector, ConnectorKind, Problem};

use crate::client::WooCommerce;
use crate::config;
use crate::login::site;

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
        let swapped = config::swapped(&key, &secret);
        if !swapped.is_empty() {
            return Err(swapped);
        }
        let hook = reach
            .hook
            .map(|(current, previous)| HookSecrets::read(&current, previous.as_ref()))
            .transpose()
            .map_err(|problem| vec![problem])?;
        let site = Site {
            ca_file: reach.ca_file.map(|file| account.base_dir.join(file)),
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
