//! One site of an external system: where it is, how it is logged in to and how its answers are understood.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use url::{Host, Url};

use super::{Auth, Dialect, Plain};
use crate::Problem;

/// One site of an external system. An account may have several.
#[derive(Clone)]
pub struct Site {
    /// Scheme, host, port and an optional path prefix.
    pub base_url: String,
    /// Plain HTTP to a host that is not loopback only when the operator says so.
    pub allow_insecure: bool,
    /// A PEM file of authorities that the site's certificate may be of, beside the machine's.
    pub ca_file: Option<PathBuf>,
    /// For one request, connect to last byte.
    pub timeout: Duration,
    /// Largest body that is read, in bytes.
    pub max_body: usize,
    /// What is added to each request, in this order.
    pub auth: Vec<Auth>,
    /// How its answers are understood.
    pub dialect: Arc<dyn Dialect>,
}

impl std::fmt::Debug for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Site")
            .field("timeout", &self.timeout)
            .field("max_body", &self.max_body)
            .finish_non_exhaustive()
    }
}

impl Site {
    /// A site without credentials, with time and size that suit most, whose status codes mean what they say.
    #[must_use]
    pub fn new(base_url: impl Into<String>) -> Self {
        Self {
            base_url: base_url.into(),
            allow_insecure: false,
            ca_file: None,
            timeout: Duration::from_secs(30),
            max_body: 32 * 1024 * 1024,
            auth: Vec::new(),
            dialect: Arc::new(Plain),
        }
    }

    /// The base address without a slash at its end, and whether it is reached over TLS.
    ///
    /// # Errors
    /// A [`Problem`] at `url`. It never repeats the address: one with a password in it is an error too.
    pub(super) fn base(&self) -> Result<Base, Problem> {
        let problem = |message: &str| Problem::new("url", message);
        let url = Url::parse(&self.base_url).map_err(|e| {
            problem(&format!(
                "not an address ({e}): write https://host, with a path if needed"
            ))
        })?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(problem(
                "remove the credentials from the address: use the account's secret keys",
            ));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(problem(
                "the address has a query or fragment: write scheme, host, port and path only",
            ));
        }
        let tls = match url.scheme() {
            "https" => true,
            "http" if self.allow_insecure || is_loopback(&url) => false,
            "http" => {
                return Err(problem(
                    "plain http to a host that is not loopback: use https, or set allow_insecure = true if you trust the network",
                ));
            }
            other => return Err(problem(&format!("scheme {other:?}: use https"))),
        };
        if url.host().is_none() {
            return Err(problem("the address has no host"));
        }
        if self.ca_file.is_some() && !tls {
            return Err(Problem::new(
                "ca_file",
                "has no meaning for plain http: use https, or remove it",
            ));
        }
        Ok(Base {
            text: url.as_str().trim_end_matches('/').to_owned(),
            tls,
        })
    }
}

/// A checked base address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Base {
    /// Without a slash at its end.
    pub(super) text: String,
    /// Over TLS.
    pub(super) tls: bool,
}

pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(ip)) => IpAddr::from(ip).is_loopback(),
        Some(Host::Ipv6(ip)) => IpAddr::from(ip).is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(url: &str, allow_insecure: bool) -> Result<Base, Problem> {
        Site {
            allow_insecure,
            ..Site::new(url)
        }
        .base()
    }

    #[test]
    fn plain_http_needs_loopback_or_a_word_of_the_operator() {
        for url in [
            "http://127.0.0.1:9000/",
            "http://[::1]:9000",
            "http://localhost/x/",
            "https://shop.example",
        ] {
            assert!(base(url, false).is_ok(), "{url}");
        }
        for url in [
            "http://shop.example",
            "http://10.0.0.1",
            "http://127.0.0.1.evil.example",
            "http://localhost.example",
        ] {
            assert!(base(url, false).is_err(), "{url}");
            assert_eq!(base(url, true).map(|b| b.tls), Ok(false), "{url}");
        }
        assert_eq!(
            base("http://localhost/x/", false).map(|b| b.text),
            Ok("http://localhost/x".to_owned())
        );
    }

    #[test]
    fn what_is_no_base_address_is_refused_without_repeating_it() {
        for url in [
            "",
            "shop.example",
            "ftp://shop.example",
            "https://u:hunter2@shop.example",
            "https://shop.example/?key=hunter2",
            "unix:/x",
        ] {
            let problem = base(url, true).err();
            assert!(
                problem
                    .as_ref()
                    .is_some_and(|p| p.key == "url" && !p.message.contains("hunter2")),
                "{url}: {problem:?}"
            );
        }
    }
}
