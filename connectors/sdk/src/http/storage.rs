//! Fetching from storage hosts by addresses that an external system gave out: exports, labels, bulk results. The address itself
//! is the key, so no credentials go along, and only hosts that the connector names are reached.

use std::sync::Arc;
use std::time::Duration;

use url::{Position, Url};

use super::client::without_answer;
use super::network::Network;
use super::site::{Base, is_loopback};
use super::{Request, Response, Transport, classify};
use crate::budget::Ask;
use crate::{Error, ErrorClass, Link, Problem};

/// Redirects that are followed, each to a host of the list.
const HOPS: usize = 3;

/// Which storage hosts an account may fetch from.
#[derive(Clone, Debug)]
pub struct Storage {
    /// Host names, each whole, or `*.` and the end that it must have: `*.storage.example` is not `storage.example`. A port
    /// other than the scheme's own is written with it: `127.0.0.1:9000`.
    pub hosts: Vec<String>,
    /// For one request, connect to last byte.
    pub timeout: Duration,
    /// Largest body that is read, in bytes.
    pub max_body: usize,
    /// The class of budgets that fetching counts in: storage hosts rarely count as calls of the external system.
    pub class: &'static str,
}

/// A client for storage hosts. Made by [`Link::storage`].
#[derive(Clone)]
pub struct StorageClient {
    link: Link,
    storage: Storage,
    way: Way,
}

#[derive(Clone)]
enum Way {
    Network {
        tls: Arc<Network>,
        plain: Arc<Network>,
    },
    Other(Arc<dyn Transport>),
}

impl std::fmt::Debug for StorageClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("StorageClient").field(&self.storage).finish()
    }
}

impl StorageClient {
    pub(crate) fn new(
        link: Link,
        storage: Storage,
        transport: Option<Arc<dyn Transport>>,
    ) -> Result<Self, Problem> {
        let way = match transport {
            Some(transport) => Way::Other(transport),
            None => {
                let network = |tls| {
                    let base = Base {
                        text: String::new(),
                        tls,
                    };
                    Network::new(base, None, storage.timeout, storage.max_body).map(Arc::new)
                };
                Way::Network {
                    tls: network(true)?,
                    plain: network(false)?,
                }
            }
        };
        Ok(Self { link, storage, way })
    }

    /// Fetches an address. TLS only, but for loopback. A redirect is followed only to a host of the list.
    ///
    /// # Errors
    /// `Rejected` for an address that is not one of the list's; else the class of the answer. The address is never repeated but
    /// for its host: whoever has it can read what is there.
    pub async fn fetch(&self, address: &str) -> Result<Response, Error> {
        let mut url = Url::parse(address).map_err(|e| {
            Error::new(
                ErrorClass::Protocol,
                format!("not an address that can be fetched: {e}"),
            )
        })?;
        for _ in 0..=HOPS {
            let response = self.once(&url).await?;
            let Some(to) = response
                .header("location")
                .filter(|_| (300..400).contains(&response.status))
            else {
                return Ok(response);
            };
            url = url.join(to).map_err(|e| {
                let message = format!("{} redirects to an invalid address: {e}", host(&url));
                Error::new(ErrorClass::Protocol, message)
            })?;
        }
        let message = format!("{} redirects too many times", host(&url));
        Err(Error::new(ErrorClass::Protocol, message))
    }

    async fn once(&self, url: &Url) -> Result<Response, Error> {
        self.allows(url)?;
        let label = format!("GET {}", host(url));
        let mut request = Request::get(&url[Position::BeforePath..Position::AfterQuery]);
        let turn = self.link.meter().turn(Ask {
            class: self.storage.class,
            cost: 1,
        });
        let turn = turn.await?;
        let result = match &self.way {
            Way::Network { tls, plain } => {
                let base = Base {
                    text: url[..Position::BeforePath].to_owned(),
                    tls: url.scheme() == "https",
                };
                let network = if base.tls { tls } else { plain };
                network.at(base).send(request).await
            }
            Way::Other(transport) => {
                request.headers.push(("host".to_owned(), host(url)));
                transport.send(request).await
            }
        };
        let response = result.map_err(|e| without_answer(&label, &e, false))?;
        if (300..400).contains(&response.status) && response.header("location").is_some() {
            return Ok(response);
        }
        // The words of a storage host repeat the address.
        let error = classify(response.status, response.retry_after(), "", false);
        turn.ended(error.as_ref());
        match error {
            None => Ok(response),
            // An address that has run out says nothing about the account's own credentials.
            Some(error) if matches!(error.class, ErrorClass::Auth | ErrorClass::Forbidden) => {
                let message = format!(
                    "{label}: the storage host answered {}: the address is no longer valid",
                    response.status
                );
                Err(Error::new(ErrorClass::Rejected, message))
            }
            Some(error) => Err(Error {
                message: format!("{label}: {}", error.message),
                ..error
            }),
        }
    }

    fn allows(&self, url: &Url) -> Result<(), Error> {
        let refused = |why: &str| {
            let message = format!("{} must not be fetched from: {why}", host(url));
            Err(Error::new(ErrorClass::Rejected, message))
        };
        if !url.username().is_empty() || url.password().is_some() {
            return refused("the address contains a login");
        }
        let safe = match url.scheme() {
            "https" => true,
            "http" => is_loopback(url),
            _ => false,
        };
        if !safe {
            return refused("only https is");
        }
        let host = host(url);
        let named = self.storage.hosts.iter().any(|allowed| {
            allowed.strip_prefix('*').map_or_else(
                || host.eq_ignore_ascii_case(allowed),
                |end| {
                    end.starts_with('.')
                        && host.len() > end.len()
                        && host
                            .to_ascii_lowercase()
                            .ends_with(&end.to_ascii_lowercase())
                },
            )
        });
        if named {
            Ok(())
        } else {
            refused("the connector does not name this host as a storage host")
        }
    }
}

/// Host and port as an operator writes them.
fn host(url: &Url) -> String {
    url[Position::BeforeHost..Position::AfterPort].to_owned()
}
