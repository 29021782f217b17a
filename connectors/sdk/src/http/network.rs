//! The transport over the network.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls_platform_verifier::Verifier;

use super::site::Base;
use super::{Method, Request, Response, Transport, TransportError};
use crate::Problem;

/// Longest wait for a connection, TLS included; the whole request may take longer.
const CONNECT: Duration = Duration::from_secs(10);

/// A connection that the external system has just closed turns a write into an unknown outcome, so idle ones are
/// dropped before the usual keep-alive times of servers (5 s and more).
const IDLE: Duration = Duration::from_secs(4);

/// Sends over TCP and TLS (ring, the machine's certificates). No redirects, no retries, and no proxy: the
/// environment's `HTTP_PROXY` and its like are not looked at.
pub(super) struct Network {
    client: reqwest::Client,
    base: Base,
    max_body: usize,
}

impl Network {
    pub(super) fn new(
        base: Base,
        ca_file: Option<&Path>,
        timeout: Duration,
        max_body: usize,
    ) -> Result<Self, Problem> {
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place that makes an HTTP client"
        )]
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls(base.tls, ca_file)?)
            .https_only(base.tls)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .referer(false)
            .user_agent(concat!("hikiate/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(timeout.min(CONNECT))
            .timeout(timeout)
            .pool_idle_timeout(IDLE)
            .build()
            .map_err(|e| {
                Problem::new(
                    "url",
                    format!("cannot build the HTTP client: {}", words(&e.without_url())),
                )
            })?;
        Ok(Self {
            client,
            base,
            max_body,
        })
    }

    /// The same connections to another host of the same scheme.
    pub(super) fn at(&self, base: Base) -> Self {
        Self {
            client: self.client.clone(),
            base,
            max_body: self.max_body,
        }
    }
}

/// The machine's certificates are read only where TLS is used.
fn tls(wanted: bool, ca_file: Option<&Path>) -> Result<ClientConfig, Problem> {
    let problem = |e: rustls::Error| {
        Problem::new(
            "url",
            format!(
                "cannot set up TLS ({e}): install the machine's CA certificates (ca-certificates)"
            ),
        )
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(problem)?;
    let mut config = if wanted {
        let authorities = ca_file.map(authorities).transpose()?.unwrap_or_default();
        let verifier = Verifier::new_with_extra_roots(authorities, provider).map_err(problem)?;
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth()
    } else {
        builder
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth()
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// The certificates in a PEM file of authorities.
///
/// # Errors
/// A [`Problem`] at `ca_file` for a file that cannot be read or has none.
pub fn authorities(file: &Path) -> Result<Vec<CertificateDer<'static>>, Problem> {
    let problem = |what: String| Problem::new("ca_file", format!("{}: {what}", file.display()));
    let certificates = CertificateDer::pem_file_iter(file).map_err(|e| problem(e.to_string()))?;
    let certificates: Vec<_> = certificates
        .collect::<Result<_, _>>()
        .map_err(|e| problem(e.to_string()))?;
    if certificates.is_empty() {
        return Err(problem("no certificate in it: PEM is expected".to_owned()));
    }
    Ok(certificates)
}

#[async_trait]
impl Transport for Network {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let sent = self.build(request)?;
        let mut response = self.client.execute(sent).await.map_err(failure)?;
        let status = response.status().as_u16();
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| {
                (
                    name.as_str().to_owned(),
                    String::from_utf8_lossy(value.as_bytes()).into_owned(),
                )
            })
            .collect();
        let mut body = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|e| TransportError::NoAnswer(words(&e.without_url())))?
        {
            if body.len().saturating_add(chunk.len()) > self.max_body {
                return Err(TransportError::TooLarge(self.max_body));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Response {
            status,
            headers,
            body,
        })
    }
}

impl Network {
    fn build(&self, request: Request) -> Result<reqwest::Request, TransportError> {
        let not_sent = |what: &str| {
            TransportError::NotSent(format!("{} cannot be sent: {what}", request.label()))
        };
        // A path that does not start with a slash could change the host: `https://shop` + `.evil.example/`.
        if !request.path.starts_with('/') {
            return Err(not_sent("its path does not start with /"));
        }
        let method = match request.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
            Method::Put => reqwest::Method::PUT,
            Method::Patch => reqwest::Method::PATCH,
            Method::Delete => reqwest::Method::DELETE,
        };
        let mut headers = HeaderMap::new();
        for (name, value) in &request.headers {
            let name = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| not_sent("a header's name is not allowed"))?;
            let mut value = HeaderValue::from_str(value)
                .map_err(|_| not_sent("a header's value is not allowed"))?;
            // Which of them are credentials is not known here.
            value.set_sensitive(true);
            headers.append(name, value);
        }
        let address = format!("{}{}", self.base.text, request.path);
        let mut built = self.client.request(method, address).headers(headers);
        if !request.body.is_empty() {
            built = built.body(request.body.clone());
        }
        built
            .build()
            .map_err(|e| not_sent(&words(&e.without_url())))
    }
}

fn failure(error: reqwest::Error) -> TransportError {
    let error = error.without_url();
    if error.is_connect() || error.is_builder() {
        TransportError::NotSent(words(&error))
    } else {
        TransportError::NoAnswer(words(&error))
    }
}

/// An error with its causes; the outer one alone says only "error sending request".
fn words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

#[cfg(all(test, feature = "sim"))]
mod tests;
