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
        bare(&token).map_err(|why| vec![Problem::new("token", why)])?;
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

/// Whether it is a token alone.
fn bare(token: &Secret) -> Result<(), &'static str> {
    if token.any(|value| value.contains(char::is_whitespace)) {
        return Err(
            "not a token: write it as OPENLOGI's screen shows it, without the word Bearer and without blanks",
        );
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use hikiate_sdk::PLACEHOLDER;
    use secrecy::SecretString;

    use super::*;

    #[test]
    fn a_whole_header_is_no_token() {
        let bare = |value: &str| bare(&Secret::from(SecretString::from(value.to_owned())));
        assert!(bare("Bearer abc").is_err_and(|why| why.contains("without the word Bearer")));
        assert_eq!(bare("eyJ0eXAi.OiJ_KV-1Q"), Ok(()));
        assert_eq!(bare(PLACEHOLDER), Ok(()));
    }
}
