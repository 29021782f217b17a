//! The client over a real socket.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::net::SocketAddr;

use secrecy::SecretString;
use tokio::net::TcpListener;

use super::*;
use crate::budget::Clock;
use crate::http::{Auth, HttpClient, Site};
use crate::sim::{SimTransport, Simulator, serve_transport, skipped};
use crate::{ErrorClass, Link};

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

/// Cuts the connection for `/api/cut`, after the external system has acted.
struct Cutting(SimTransport);

#[async_trait]
impl Transport for Cutting {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let cut = request.path == "/api/cut";
        let slow = request.path == "/api/slow";
        let answer = self.0.send(request).await?;
        if slow {
            std::future::pending::<()>().await;
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

fn site(address: SocketAddr, max_body: usize) -> Site {
    Site {
        auth: vec![Auth::bearer(SecretString::from("hunter2").into())],
        timeout: Duration::from_secs(60),
        max_body,
        ..Site::new(format!("http://{address}/api/"))
    }
}

fn client(site: Site) -> Result<HttpClient, Problem> {
    Link::new(Clock::default()).http(site)
}

#[tokio::test]
async fn requests_arrive_whole_below_the_prefix_with_credentials() {
    let address = started().await;
    let client = client(site(address, 10_000)).unwrap();
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
    let client = client(site(started().await, 10_000)).unwrap();
    let refused = client
        .write(Request::post_json("/no?token=x", Vec::new()))
        .await
        .unwrap_err();
    assert_eq!(refused.class, ErrorClass::Rejected);
    assert!(
        refused
            .message
            .starts_with("POST /no: the external system answered 422: "),
        "{refused}"
    );
    assert!(
        !format!("{refused} {refused:?}").contains("hunter2"),
        "{refused}"
    );
    assert_eq!(
        client.read(Request::get("/moved")).await.unwrap_err().class,
        ErrorClass::Protocol
    );
    let busy = client.read(Request::get("/busy")).await.unwrap_err();
    assert_eq!(
        busy.class,
        ErrorClass::RateLimited {
            after: Some(Duration::from_secs(7))
        }
    );
}

#[tokio::test]
async fn a_lost_or_late_answer_leaves_a_write_open() {
    let address = started().await;
    let patient = client(site(address, 10_000)).unwrap();
    let hasty = client(Site {
        timeout: Duration::from_secs(1),
        ..site(address, 10_000)
    });
    for (path, client) in [("/cut", patient), ("/slow", hasty.unwrap())] {
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
    let client = client(site(started().await, 20)).unwrap();
    let read = client.read(Request::get("/echo")).await.unwrap_err();
    assert_eq!(read.class, ErrorClass::Protocol);
    assert!(read.message.contains("larger than 20 bytes"), "{read}");
}

#[tokio::test]
async fn what_never_left_is_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let client = client(site(address, 20)).unwrap();
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
fn a_client_over_tls_is_built_with_the_machines_certificates() {
    match client(Site::new("https://shop.example")) {
        Ok(_) => {}
        Err(problem) if problem.message.contains("ca-certificates") => skipped(
            "a_client_over_tls_is_built_with_the_machines_certificates",
            "this machine has no CA certificates",
        ),
        Err(problem) => unreachable!("{problem:?}"),
    }
}

#[tokio::test]
async fn a_secret_that_no_header_can_carry_never_leaves() {
    let mut wanted = site(SocketAddr::from(([127, 0, 0, 1], 1)), 20);
    wanted.auth = vec![Auth::bearer(SecretString::from("a\nb").into())];
    let error = client(wanted).unwrap().read(Request::get("/x")).await;
    let error = error.unwrap_err();
    assert_eq!(error.class, ErrorClass::Transient);
    assert!(error.message.contains("a header's value"), "{error}");
}
