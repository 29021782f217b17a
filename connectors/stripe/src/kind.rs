//! The descriptor of the registry.

use std::sync::Arc;

use hikiate_sdk::hooks::HookSecrets;
use hikiate_sdk::http::{Auth, Site};
use hikiate_sdk::{AccountConfig, Connector, ConnectorKind, Problem, Secret};
use secrecy::ExposeSecret;

use crate::client::Stripe;
use crate::config::{self, Mode};
use crate::dialect::Words;

/// Largest answer that is read: a page of 100 payments with their charges is about 2 MiB.
const MAX_BODY: usize = 16 * 1024 * 1024;

/// Stripe accounts.
#[derive(Clone, Copy, Debug, Default)]
pub struct StripeKind;

impl ConnectorKind for StripeKind {
    fn name(&self) -> &'static str {
        "stripe"
    }

    fn title(&self) -> &'static str {
        "Stripe: payments with their refunds and disputes, capture, void, refund"
    }

    fn schema(&self) -> schemars::Schema {
        schemars::schema_for!(config::Keys)
    }

    fn build(&self, account: &AccountConfig<'_>) -> Result<Arc<dyn Connector>, Vec<Problem>> {
        let (reach, mut settings) = config::read(account.settings)?;
        let problem = |key: &str, message: String| vec![Problem::new(key, message)];
        let secret = reach
            .secret
            .open()
            .map_err(|message| problem("secret", message))?;
        settings.mode = mode(&secret).map_err(|message| problem("secret", message.to_owned()))?;
        let hook = reach
            .hook
            .map(|(current, previous)| HookSecrets::read(&current, previous.as_ref()))
            .transpose()
            .map_err(|problem| vec![problem])?;
        let site = Site {
            timeout: reach.timeout,
            ..site(reach.url, secret)
        };
        let http = account.link.http(site).map_err(|problem| vec![problem])?;
        let account = Stripe::new(http, settings);
        Ok(Arc::new(match hook {
            Some(secrets) => account.with_hook(secrets),
            None => account,
        }))
    }

    #[cfg(feature = "sim")]
    fn subjects(&self) -> Vec<Box<dyn hikiate_sdk::conformance::Subject>> {
        vec![Box::new(crate::sim::Till::default())]
    }
}

/// What all values of the API key are for: with two that differ, what was read with one would be looked for with the other.
fn mode(secret: &Secret) -> Result<Option<Mode>, &'static str> {
    let mut known = None;
    for value in secret.values() {
        let mode = Mode::of(value.expose_secret())?;
        if known.is_some_and(|known| known != mode) {
            return Err(
                "one place holds a live key and the other a test key: use two accounts, one for each",
            );
        }
        known = Some(mode);
    }
    if secret.any(|value| !value.starts_with("sk_") && !value.starts_with("rk_")) {
        return Err(
            "not an API key of Stripe: a secret key begins with sk_, a restricted key with rk_",
        );
    }
    Ok(known.flatten())
}

/// Stripe at an address with an API key.
#[must_use]
pub fn site(url: impl Into<String>, secret: Secret) -> Site {
    Site {
        max_body: MAX_BODY,
        auth: vec![Auth::bearer(secret)],
        dialect: Arc::new(Words),
        ..Site::new(url)
    }
}

#[cfg(test)]
mod tests {
    use hikiate_sdk::PLACEHOLDER;
    use secrecy::SecretString;

    use super::*;

    #[test]
    fn what_is_no_api_key_is_told_and_a_missing_one_is_not() {
        let mode = |value: &str| mode(&Secret::from(SecretString::from(value.to_owned())));
        assert!(mode("foo").is_err_and(|why| why.contains("begins with sk_")));
        assert!(mode("pk_live_1").is_err_and(|why| why.contains("publishable")));
        assert_eq!(mode("rk_live_1"), Ok(Some(Mode::Live)));
        assert_eq!(mode("sk_org_live_1"), Ok(None));
        assert_eq!(mode(PLACEHOLDER), Ok(None));
    }
}
