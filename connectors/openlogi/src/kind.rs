//! The descriptor of the registry.

use std::sync::Arc;

use hikiate_sdk::http::{Auth, Site};
use hikiate_sdk::{AccountConfig, Connector, ConnectorKind, Problem, Secret};

use crate::client::Openlogi;
use crate::config;
use crate::dialect::Answers;

/// Largest answer that is read: lists come whole, and a thousand shipments are about 4 MiB.
const MAX_BODY: usize = 64 * 1024 * 1024;

/// OPENLOGI's warehouses.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenlogiKind;

impl ConnectorKind for OpenlogiKind {
    fn name(&self) -> &'static str {
        "openlogi"
    }

    fn title(&self) -> &'static str {
        "OPENLOGI (3PL, API v1.5): shipping instructions, cancellations, ship confirmations, stock"
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
        let site = Site {
            allow_insecure: reach.allow_insecure,
            timeout: reach.timeout,
            ..site(reach.url, token)
        };
        let http = account.link.http(site).map_err(|problem| vec![problem])?;
        Ok(Arc::new(Openlogi::new(http, settings)))
    }

    #[cfg(feature = "sim")]
    fn subjects(&self) -> Vec<Box<dyn hikiate_sdk::conformance::Subject>> {
        let both = crate::sim::Warehouse::both().into_iter();
        both.map(|one| Box::new(one) as _).collect()
    }
}

/// OPENLOGI's interface with an access token.
#[must_use]
pub fn site(url: impl Into<String>, token: Secret) -> Site {
    Site {
        max_body: MAX_BODY,
        auth: vec![Auth::bearer(token)],
        dialect: Arc::new(Answers),
        ..Site::new(url)
    }
}
