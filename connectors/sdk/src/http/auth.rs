//! What is added to a request so that the external system lets it in.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};

use super::Request;
use crate::{Attempts, Error, Secret};

/// One way to log in. A site may need several at once.
#[derive(Clone)]
pub enum Auth {
    /// Headers with values made of secrets.
    Headers(Vec<SecretHeader>),
    /// Whatever is computed from the request and the time.
    Signed(Arc<dyn Sign>),
}

/// A header whose value is made of a secret.
#[derive(Clone)]
pub struct SecretHeader {
    /// Its name, in lower case.
    pub name: &'static str,
    /// The secret.
    pub secret: Secret,
    /// The value for one value of the secret.
    pub render: fn(&SecretString) -> SecretString,
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Auth")
    }
}

impl Auth {
    /// One header.
    #[must_use]
    pub fn header(
        name: &'static str,
        secret: Secret,
        render: fn(&SecretString) -> SecretString,
    ) -> Self {
        Self::Headers(vec![SecretHeader {
            name,
            secret,
            render,
        }])
    }

    /// `Authorization: Bearer …`.
    #[must_use]
    pub fn bearer(secret: Secret) -> Self {
        Self::header("authorization", secret, |value| {
            SecretString::from(format!("Bearer {}", value.expose_secret()))
        })
    }

    fn secrets(&self) -> Vec<Secret> {
        match self {
            Self::Headers(headers) => headers.iter().map(|h| h.secret.clone()).collect(),
            Self::Signed(sign) => sign.secrets(),
        }
    }
}

/// Computes what lets a request in.
pub trait Sign: Send + Sync {
    /// Adds it to the request. `turn` is which value of a secret that rotates to use: see [`Secret::pick`].
    ///
    /// # Errors
    /// `Config` where it cannot be computed: nothing was sent.
    fn sign(&self, request: &mut Request, now: DateTime<Utc>, turn: usize) -> Result<(), Error>;

    /// The secrets it uses, to be read again when they are rejected, and removed from what the external system answers.
    fn secrets(&self) -> Vec<Secret>;

    /// What it makes of them that would give them away as well (a `Basic` login), removed in the same way.
    fn texts(&self) -> Vec<SecretString> {
        Vec::new()
    }
}

/// All that a site adds to its requests.
#[derive(Clone, Default)]
pub(super) struct Credentials(Vec<Auth>);

impl Credentials {
    pub(super) fn new(auth: Vec<Auth>) -> Self {
        Self(auth)
    }

    pub(super) fn attempts(&self) -> Attempts {
        Attempts::with(self.secrets().collect())
    }

    /// The request as it is sent with these values of its secrets.
    pub(super) fn dress(
        &self,
        request: &Request,
        now: DateTime<Utc>,
        turn: usize,
    ) -> Result<Request, Error> {
        let mut dressed = request.clone();
        for auth in &self.0 {
            match auth {
                Auth::Headers(headers) => {
                    for header in headers {
                        let (value, _) = header.secret.pick(turn);
                        let value = (header.render)(&value).expose_secret().to_owned();
                        dressed.headers.push((header.name.to_owned(), value));
                    }
                }
                Auth::Signed(sign) => sign.sign(&mut dressed, now, turn)?,
            }
        }
        Ok(dressed)
    }

    fn secrets(&self) -> impl Iterator<Item = Secret> + '_ {
        self.0.iter().flat_map(Auth::secrets)
    }

    /// Why secrets may be refused that look right: the words for an error, none where nothing is odd.
    pub(super) fn blanks(&self) -> &'static str {
        let odd = |value: SecretString| {
            let text = value.expose_secret();
            text.trim() != text
        };
        if self.secrets().any(|s| s.values().into_iter().any(odd)) {
            "; the secret begins or ends with a blank: if that is no part of it, remove it where the secret is kept"
        } else {
            ""
        }
    }

    /// Every text that must not be repeated: secrets, the headers made of them, and of `Basic …` and the like the part after
    /// the word.
    pub(super) fn texts(&self) -> Vec<SecretString> {
        let mut texts: Vec<SecretString> = Vec::new();
        for auth in &self.0 {
            let headers = match auth {
                Auth::Headers(headers) => headers,
                Auth::Signed(sign) => {
                    texts.extend(sign.texts());
                    continue;
                }
            };
            for header in headers {
                for value in header.secret.values() {
                    let rendered = (header.render)(&value);
                    if let Some((_, inner)) = rendered.expose_secret().split_once(' ') {
                        texts.push(SecretString::from(inner.to_owned()));
                    }
                    texts.push(rendered);
                }
            }
        }
        texts.extend(self.secrets().flat_map(|secret| secret.values()));
        texts.retain(|text| !text.expose_secret().is_empty());
        // A longer one may hold a shorter one.
        texts.sort_by_key(|text| std::cmp::Reverse(text.expose_secret().len()));
        texts
    }
}
