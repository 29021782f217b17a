//! Credentials that rotate, answers that are judged whole, budgets that answers fill, storage hosts.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::*;
use crate::budget::{Budget, Clock, EVERY, Limit, Reading};
use crate::sim::{SimTransport, Simulator};
use crate::{Error, ErrorClass, Link, Secret, SecretPlace, SecretRef};

/// Lets in who names one of its keys, and keeps what it was asked.
#[derive(Default)]
struct Door {
    keys: Mutex<Vec<String>>,
    heard: Mutex<Vec<Request>>,
    next: Mutex<Vec<Response>>,
}

fn respond(status: u16, body: &Value) -> Response {
    Response {
        status,
        headers: Vec::new(),
        body: body.to_string().into_bytes(),
    }
}

impl Simulator for Door {
    fn handle(&self, request: Request) -> Response {
        self.heard.lock().unwrap().push(request.clone());
        let given = request.headers.iter().find(|(name, _)| name == "x-key");
        let keys = self.keys.lock().unwrap();
        if !keys.is_empty() && !given.is_some_and(|(_, key)| keys.contains(key)) {
            return respond(401, &json!({ "message": "who are you?" }));
        }
        let next = self.next.lock().unwrap().pop();
        next.unwrap_or_else(|| respond(200, &json!({})))
    }
}

impl Door {
    fn open_for(&self, keys: &[&str]) {
        *self.keys.lock().unwrap() = keys.iter().map(|k| (*k).to_owned()).collect();
    }

    fn says(&self, response: Response) {
        self.next.lock().unwrap().push(response);
    }

    /// What the requests since the last time said to caches.
    fn told_caches(&self) -> Vec<Vec<(String, String)>> {
        let heard = std::mem::take(&mut *self.heard.lock().unwrap());
        let of_caches = |(name, _): &(String, String)| name == "cache-control" || name == "pragma";
        let all = heard.into_iter();
        all.map(|r| r.headers.into_iter().filter(of_caches).collect())
            .collect()
    }

    /// The keys that were shown since the last time.
    fn shown(&self) -> Vec<String> {
        let heard = std::mem::take(&mut *self.heard.lock().unwrap());
        let keys = heard.into_iter().flat_map(|r| r.headers);
        keys.filter(|(name, _)| name == "x-key")
            .map(|(_, key)| key)
            .collect()
    }
}

fn link(door: &Arc<Door>) -> Link {
    Link::new(Clock::default()).over(Arc::new(SimTransport(door.clone())))
}

fn keyed(secret: Secret) -> Site {
    Site {
        auth: vec![Auth::header("x-key", secret, Clone::clone)],
        ..Site::new("https://shop.example")
    }
}

struct Files {
    folder: std::path::PathBuf,
}

impl Files {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("hikiate-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self { folder }
    }

    fn write(&self, name: &str, value: &str) {
        std::fs::write(self.folder.join(name), value).unwrap();
    }

    fn secret(&self) -> Secret {
        let secret = SecretRef {
            file: Some(self.folder.join("now")),
            next: Some(SecretPlace {
                file: Some(self.folder.join("next")),
                ..SecretPlace::default()
            }),
            ..SecretRef::default()
        };
        secret.open().unwrap()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

#[tokio::test]
async fn reads_are_answered_by_no_cache_on_the_way() {
    let door = Arc::new(Door::default());
    let http = link(&door).http(Site::new("https://shop.example")).unwrap();
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    http.read(Request::get("/orders/1")).await.unwrap();
    let own = Request {
        headers: vec![header("cache-control", "max-age=5")],
        ..Request::get("/orders/1")
    };
    http.read(own).await.unwrap();
    http.write(Request::post_json("/orders/1", Vec::new()))
        .await
        .unwrap();
    let pragma = header("pragma", "no-cache");
    assert_eq!(
        door.told_caches(),
        [
            vec![header("cache-control", "no-cache"), pragma.clone()],
            vec![header("cache-control", "max-age=5"), pragma],
            Vec::new(),
        ]
    );
}

#[tokio::test]
async fn a_secret_that_was_replaced_is_read_again_without_a_restart() {
    let (files, door) = (Files::new("replaced"), Arc::new(Door::default()));
    files.write("now", "old");
    let client = link(&door).http(keyed(files.secret())).unwrap();
    door.open_for(&["old"]);
    client.read(Request::get("/x")).await.unwrap();
    door.open_for(&["new"]);
    let refused = client.read(Request::get("/x")).await.unwrap_err();
    assert_eq!(refused.class, ErrorClass::Auth);
    assert_eq!(door.shown(), ["old", "old"], "nothing else is known");
    files.write("now", "new");
    client
        .write(Request::post_json("/x", Vec::new()))
        .await
        .unwrap();
    client.read(Request::get("/x")).await.unwrap();
    assert_eq!(door.shown(), ["old", "new", "new"]);
}

#[tokio::test]
async fn a_refused_secret_with_a_blank_around_it_is_named() {
    let door = Arc::new(Door::default());
    door.open_for(&["sk_1"]);
    for (given, named) in [("sk_1 ", true), ("sk_2", false)] {
        let secret = SecretString::from(given.to_owned());
        let http = link(&door).http(keyed(secret.into())).unwrap();
        let refused = http.read(Request::get("/x")).await.unwrap_err();
        assert_eq!(refused.class, ErrorClass::Auth);
        assert_eq!(refused.message.contains("blank"), named, "{refused}");
        assert!(!refused.message.contains("sk_"), "{refused}");
    }
}

#[tokio::test]
async fn two_values_hold_while_a_secret_rotates_whichever_is_switched_first() {
    let (files, door) = (Files::new("rotates"), Arc::new(Door::default()));
    files.write("now", "old");
    files.write("next", "new");
    let client = link(&door).http(keyed(files.secret())).unwrap();
    door.open_for(&["old"]);
    client.read(Request::get("/x")).await.unwrap();
    assert_eq!(door.shown(), ["old"]);
    door.open_for(&["new"]);
    client.read(Request::get("/x")).await.unwrap();
    client.read(Request::get("/x")).await.unwrap();
    assert_eq!(
        door.shown(),
        ["old", "new", "new"],
        "the one that was taken is tried first from then on"
    );
    door.open_for(&["third"]);
    let refused = client.read(Request::get("/x")).await.unwrap_err();
    assert_eq!(refused.class, ErrorClass::Auth);
    assert_eq!(door.shown(), ["new", "old"], "each once");
}

#[tokio::test]
async fn a_write_goes_out_again_only_after_a_refusal_of_credentials() {
    let (files, door) = (Files::new("once"), Arc::new(Door::default()));
    files.write("now", "old");
    files.write("next", "new");
    let link = link(&door);
    let client = link.http(keyed(files.secret())).unwrap();
    for status in [400, 409, 429, 500, 503] {
        door.says(respond(status, &json!({})));
        let request = Request::post_json("/x", Vec::new());
        assert!(client.write(request).await.is_err());
        link.meter().forget();
        assert_eq!(door.shown(), ["old"], "{status}");
    }
}

/// Throttles in a 200 and in a 403, and tells what is left.
struct Odd;

impl Dialect for Odd {
    fn judge(&self, answer: &Answer<'_>, plain: Option<Error>) -> Option<Error> {
        let body: Value = serde_json::from_slice(&answer.response.body).ok()?;
        match body["error"].as_str() {
            Some("THROTTLED") => Some(Error::new(
                ErrorClass::RateLimited {
                    after: answer.response.retry_after(),
                },
                "asked too often",
            )),
            Some("LOCKED") => Some(Error::new(
                ErrorClass::Busy {
                    after: Some(Duration::from_secs(2)),
                },
                "in use",
            )),
            Some(other) => {
                let message = format!("{other}: {}", body["detail"].as_str().unwrap_or_default());
                Some(Error::new(ErrorClass::Rejected, message).with_code(other))
            }
            None => plain,
        }
    }

    fn reading(&self, answer: &Answer<'_>) -> Option<Reading> {
        let left = answer.response.header("x-left")?.parse().ok()?;
        Some(Reading {
            class: EVERY,
            units: left,
            each: None,
        })
    }
}

#[tokio::test]
async fn the_whole_answer_decides_the_class_and_its_words_hold_no_secret() {
    let door = Arc::new(Door::default());
    let link = link(&door);
    let secret = SecretString::from("hunter2").into();
    let site = Site {
        dialect: Arc::new(Odd),
        ..keyed(secret)
    };
    let client = link.http(site).unwrap();
    let long = format!("{}hunter2", "x".repeat(5_000));
    for (status, body, class) in [
        (
            200,
            json!({ "error": "THROTTLED" }),
            ErrorClass::RateLimited { after: None },
        ),
        (
            403,
            json!({ "error": "THROTTLED" }),
            ErrorClass::RateLimited { after: None },
        ),
        (
            409,
            json!({ "error": "LOCKED" }),
            ErrorClass::Busy {
                after: Some(Duration::from_secs(2)),
            },
        ),
        (
            200,
            json!({ "error": "NO", "detail": "key hunter2" }),
            ErrorClass::Rejected,
        ),
        (
            422,
            json!({ "pad": long, "error": "LATE", "detail": "behind 5,000 characters" }),
            ErrorClass::Rejected,
        ),
        (403, json!({ "message": "hunter2" }), ErrorClass::Forbidden),
        (423, json!({}), ErrorClass::Busy { after: None }),
    ] {
        door.says(respond(status, &body));
        let error = client
            .write(Request::post_json("/x", Vec::new()))
            .await
            .unwrap_err();
        assert_eq!(error.class, class, "{status} {error}");
        assert!(error.message.starts_with("POST /x: "), "{error}");
        assert!(!format!("{error:?}").contains("hunter2"), "{error}");
        if error.code.as_deref() == Some("LATE") {
            assert!(
                error.message.ends_with("behind 5,000 characters"),
                "{error}"
            );
        }
        let rests = matches!(class, ErrorClass::RateLimited { .. });
        assert_eq!(
            link.meter().rest() > Duration::from_secs(9),
            rests,
            "{status}"
        );
        link.meter().forget();
    }
    assert_eq!(link.meter().counts().throttled, 2);
}

#[tokio::test]
async fn an_answer_fills_the_budget_and_a_used_up_one_sends_nothing() {
    let door = Arc::new(Door::default());
    let link = link(&door);
    let site = Site {
        dialect: Arc::new(Odd),
        ..Site::new("https://shop.example")
    };
    let client = link.http(site).unwrap();
    link.meter()
        .declare(vec![Budget::account(vec![Limit::Bucket {
            capacity: 100,
            each: Duration::from_secs(60),
        }])]);
    let mut answer = respond(200, &json!({}));
    answer.headers.push(("x-left".to_owned(), "2".to_owned()));
    door.says(answer);
    for _ in 0..3 {
        client.read(Request::get("/x")).await.unwrap();
    }
    let put_off = client.read(Request::get("/x")).await.unwrap_err();
    assert!(put_off.is_put_off(), "{put_off:?}");
    assert_eq!(door.heard.lock().unwrap().len(), 3);
    assert_eq!(link.meter().counts().put_off, 1);
}

/// Puts a number made of key and time into the path, as signatures are.
struct Stamp(Secret);

impl Sign for Stamp {
    fn sign(&self, request: &mut Request, now: DateTime<Utc>, turn: usize) -> Result<(), Error> {
        let (key, _) = self.0.pick(turn);
        let value = format!("{}@{}", key.expose_secret(), now.timestamp());
        request.headers.push(("x-key".to_owned(), value));
        Ok(())
    }

    fn secrets(&self) -> Vec<Secret> {
        vec![self.0.clone()]
    }
}

#[tokio::test]
async fn an_account_has_several_sites_with_headers_and_signatures_by_the_databases_time() {
    let door = Arc::new(Door::default());
    let clock = Clock::at("2026-11-29T12:00:00Z".parse().unwrap());
    let link = Link::new(clock).over(Arc::new(SimTransport(door.clone())));
    let secret: Secret = SecretString::from("hunter2").into();
    let signed = Site {
        auth: vec![
            Auth::Signed(Arc::new(Stamp(secret.clone()))),
            Auth::bearer(secret),
        ],
        ..Site::new("https://other.example")
    };
    let clients = [
        link.http(Site::new("https://shop.example")).unwrap(),
        link.http(signed).unwrap(),
    ];
    for client in &clients {
        client
            .write(Request::post_json("/x", Vec::new()))
            .await
            .unwrap();
    }
    let heard = door.heard.lock().unwrap().clone();
    let json = ("content-type".to_owned(), "application/json".to_owned());
    assert_eq!(heard[0].headers, std::slice::from_ref(&json));
    assert_eq!(
        heard[1].headers,
        [
            json,
            ("x-key".to_owned(), "hunter2@1795953600".to_owned()),
            ("authorization".to_owned(), "Bearer hunter2".to_owned())
        ]
    );
    assert_eq!(link.meter().counts().calls, 2, "both count");
}

fn storage(hosts: &[&str]) -> Storage {
    Storage {
        hosts: hosts.iter().map(|h| (*h).to_owned()).collect(),
        timeout: Duration::from_secs(5),
        max_body: 100,
        class: "storage",
    }
}

#[tokio::test]
async fn storage_hosts_get_no_credentials_and_only_those_of_the_list_are_asked() {
    let door = Arc::new(Door::default());
    let link = link(&door);
    let client = link
        .storage(storage(&["*.storage.example", "files.example"]))
        .unwrap();
    client
        .fetch("https://eu.storage.example/a/b?signature=hunter2")
        .await
        .unwrap();
    let heard = door.heard.lock().unwrap().pop().unwrap();
    assert_eq!(heard.path, "/a/b?signature=hunter2");
    assert_eq!(
        heard.headers,
        [("host".to_owned(), "eu.storage.example".to_owned())]
    );
    for address in [
        "https://storage.example/x",
        "https://evil-storage.example/x",
        "https://files.example.evil.example/x",
        "https://files.example:8443/x",
        "http://files.example/x",
        "https://u:hunter2@files.example/x",
        "ftp://files.example/x",
        "not an address",
    ] {
        let error = client.fetch(address).await.unwrap_err();
        assert!(
            matches!(error.class, ErrorClass::Rejected | ErrorClass::Protocol),
            "{address}: {error}"
        );
        assert!(!error.message.contains("hunter2"), "{error}");
    }
    assert_eq!(door.heard.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn a_redirect_of_a_storage_host_is_followed_only_to_one_of_the_list() {
    let door = Arc::new(Door::default());
    let client = link(&door).storage(storage(&["files.example"])).unwrap();
    let to = |place: &str| Response {
        headers: vec![("location".to_owned(), place.to_owned())],
        ..respond(302, &json!({}))
    };
    door.says(to("/moved"));
    client.fetch("https://files.example/x").await.unwrap();
    let paths: Vec<String> = (door.heard.lock().unwrap().drain(..))
        .map(|r| r.path)
        .collect();
    assert_eq!(paths, ["/x", "/moved"]);
    door.says(to("https://169.254.169.254/secrets"));
    let error = client.fetch("https://files.example/x").await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Rejected, "{error}");
    assert_eq!(door.heard.lock().unwrap().drain(..).count(), 1);
    for _ in 0..9 {
        door.says(to("/x"));
    }
    let error = client.fetch("https://files.example/x").await.unwrap_err();
    assert!(error.message.contains("too many times"), "{error}");
    door.next.lock().unwrap().clear();
    door.says(respond(403, &json!({})));
    let error = client.fetch("https://files.example/x").await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Rejected, "the account goes on");
}
