//! How calls reach a shop: its address, its login, its words.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use hikiate_sdk::http::{Auth, Request, Sign, Site};
use hikiate_sdk::{Error, Secret};
use secrecy::{ExposeSecret, SecretString};

use crate::dialect::Shop;

/// Largest answer that is read: a page of 100 large orders is about 4 MiB.
const MAX_BODY: usize = 32 * 1024 * 1024;

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
