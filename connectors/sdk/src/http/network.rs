//! The transport over the network.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use rustls::ClientConfig;
use rustls_platform_verifier::BuilderVerifierExt;
use secrecy::ExposeSecret;

use super::settings::{Base, HttpSettings};
use super::{Method, Request, Response, Transport, TransportError};
use crate::Problem;

/// Longest wait for a connection, TLS included; the whole request may take longer.
const CONNECT: Duration = Duration::from_secs(10);

/// A connection that the far side has just closed turns a write into an unknown outcome, so idle ones are
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
    pub(super) fn new(settings: &HttpSettings) -> Result<Self, Problem> {
        let base = settings.base()?;
        let mut headers = HeaderMap::new();
        if let Some(secret) = &settings.authorization {
            let mut value = HeaderValue::from_str(secret.expose_secret()).map_err(|_| {
                Problem::new(
                    "authorization",
                    "the secret has characters a header cannot carry: check for line breaks",
                )
            })?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls(base.tls)?)
            .https_only(base.tls)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .referer(false)
            .user_agent(concat!("hikiate/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .connect_timeout(settings.timeout.min(CONNECT))
            .timeout(settings.timeout)
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
            max_body: settings.max_body,
        })
    }
}

/// The machine's certificates are read only where TLS is used.
fn tls(wanted: bool) -> Result<ClientConfig, Problem> {
    let problem = |e: rustls::Error| {
        Problem::new(
            "url",
            format!(
                "cannot set up TLS ({e}): install the machine's CA certificates (ca-certificates)"
            ),
        )
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(problem)?;
    let mut config = if wanted {
        builder
            .with_platform_verifier()
            .map_err(problem)?
            .with_no_client_auth()
    } else {
        builder
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth()
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
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
            let value = HeaderValue::from_str(value)
                .map_err(|_| not_sent("a header's value is not allowed"))?;
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
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::net::SocketAddr;

    use secrecy::SecretString;
    use tokio::net::TcpListener;

    use super::super::HttpClient;
    use super::*;
    use crate::ErrorClass;
    use crate::sim::{SimTransport, Simulator, serve_transport};

    /// Tells back what it heard; some paths misbehave.
    struct Echo;

    impl Simulator for Echo {
        fn handle(&self, request: Request) -> Response {
            let heard = |name: &str| {
                request
                    .headers
                    .iter()
                    .find(|(k, _)| k == name)
                    .map(|(_, v)| v.clone())
            };
            let path = request.path.split('?').next().unwrap_or_default();
            let (status, headers) = match path {
                "/api/moved" => (302, vec![("location".to_owned(), "/api/echo".to_owned())]),
                "/api/busy" => (429, vec![("retry-after".to_owned(), "7".to_owned())]),
                "/api/no" => (422, Vec::new()),
                _ => (200, Vec::new()),
            };
            let text = format!(
                "{} {} auth={} body={}",
                request.method.as_str(),
                request.path,
                heard("authorization").unwrap_or_default(),
                String::from_utf8_lossy(&request.body)
            );
            Response {
                status,
                headers,
                body: text.into_bytes(),
            }
        }
    }

    /// Cuts the connection for `/api/cut`, after the far side has acted.
    struct Cutting(SimTransport);

    #[async_trait]
    impl Transport for Cutting {
        async fn send(&self, request: Request) -> Result<Response, TransportError> {
            let cut = request.path == "/api/cut";
            let slow = request.path == "/api/slow";
            let answer = self.0.send(request).await?;
            if slow {
                tokio::time::sleep(Duration::from_secs(30)).await;
            }
            if cut {
                Err(TransportError::NoAnswer("cut".to_owned()))
            } else {
                Ok(answer)
            }
        }
    }

    async fn started() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let transport = Arc::new(Cutting(SimTransport(Arc::new(Echo))));
        tokio::spawn(serve_transport(transport, listener, std::future::pending()));
        address
    }

    fn settings(address: SocketAddr, max_body: usize) -> HttpSettings {
        HttpSettings {
            base_url: format!("http://{address}/api/"),
            allow_insecure: false,
            authorization: Some(SecretString::from("Bearer hunter2")),
            timeout: Duration::from_millis(500),
            max_body,
        }
    }

    #[tokio::test]
    async fn requests_arrive_whole_below_the_prefix_with_credentials() {
        let address = started().await;
        let client = HttpClient::new(settings(address, 10_000)).unwrap();
        let answer = client
            .write(Request::post_json("/echo?a=%20b", b"{}".to_vec()))
            .await
            .unwrap();
        assert_eq!(
            answer.body,
            b"POST /api/echo?a=%20b auth=Bearer hunter2 body={}"
        );
        assert_eq!(
            client.read(Request::get("/echo")).await.unwrap().body,
            b"GET /api/echo auth=Bearer hunter2 body="
        );
    }

    #[tokio::test]
    async fn answers_get_their_class_and_secrets_stay_out_of_words() {
        let client = HttpClient::new(settings(started().await, 10_000)).unwrap();
        let refused = client
            .write(Request::post_json("/no?token=x", Vec::new()))
            .await
            .unwrap_err();
        assert_eq!(refused.class, ErrorClass::Rejected);
        assert!(
            refused
                .message
                .starts_with("POST /no: the far side answered 422: "),
            "{refused}"
        );
        assert!(
            !format!("{refused} {refused:?}").contains("hunter2"),
            "{refused}"
        );
        let busy = client.read(Request::get("/busy")).await.unwrap_err();
        assert_eq!(
            busy.class,
            ErrorClass::RateLimited {
                after: Some(Duration::from_secs(7))
            }
        );
        assert_eq!(
            client.read(Request::get("/moved")).await.unwrap_err().class,
            ErrorClass::Protocol
        );
    }

    #[tokio::test]
    async fn a_lost_or_late_answer_leaves_a_write_open() {
        let client = HttpClient::new(settings(started().await, 10_000)).unwrap();
        for path in ["/cut", "/slow"] {
            let write = client
                .write(Request::post_json(path, b"{}".to_vec()))
                .await
                .unwrap_err();
            assert_eq!(write.class, ErrorClass::OutcomeUnknown, "{path}: {write}");
            let read = client.read(Request::get(path)).await.unwrap_err();
            assert_eq!(read.class, ErrorClass::Transient, "{path}: {read}");
        }
    }

    #[tokio::test]
    async fn a_body_over_the_limit_is_not_read_to_its_end() {
        let client = HttpClient::new(settings(started().await, 20)).unwrap();
        let read = client.read(Request::get("/echo")).await.unwrap_err();
        assert_eq!(read.class, ErrorClass::Protocol);
        assert!(read.message.contains("larger than 20 bytes"), "{read}");
    }

    #[tokio::test]
    async fn what_never_left_is_told_apart() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let client = HttpClient::new(settings(address, 20)).unwrap();
        let write = client
            .write(Request::post_json("/echo?key=hunter2", Vec::new()))
            .await
            .unwrap_err();
        assert_eq!(write.class, ErrorClass::Transient, "{write}");
        assert!(!write.message.contains("hunter2"), "{write}");
        let write = client
            .write(Request::post_json(".evil.example/", Vec::new()))
            .await
            .unwrap_err();
        assert!(write.message.contains("does not start with /"), "{write}");
    }

    #[test]
    fn a_client_over_tls_is_built_with_the_machines_certificates_or_says_what_is_missing() {
        let mut wanted = settings(SocketAddr::from(([127, 0, 0, 1], 1)), 20);
        wanted.base_url = "https://shop.example".to_owned();
        let problem = HttpClient::new(wanted.clone()).err();
        assert!(
            problem
                .as_ref()
                .is_none_or(|p| p.message.contains("ca-certificates")),
            "{problem:?}"
        );
        wanted.authorization = Some(SecretString::from("a\nb"));
        wanted.base_url = "http://127.0.0.1".to_owned();
        assert_eq!(
            HttpClient::new(wanted).err().map(|p| p.key),
            Some("authorization".to_owned())
        );
    }
}
