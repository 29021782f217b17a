//! Which accounts are taken, and what is said about the others.

#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::json;

use super::*;

fn keys(settings: &Value) -> Vec<String> {
    let mut keys: Vec<String> = read(settings)
        .err()
        .unwrap_or_default()
        .into_iter()
        .map(|p| p.key)
        .collect();
    keys.sort();
    keys
}

#[test]
fn a_short_account_has_safe_values() {
    let settings =
        read(&json!({ "host": "mail.example.jp", "from": "店 <shop@example.jp>" })).unwrap();
    assert_eq!(
        (settings.port, settings.tls, settings.domain.as_str()),
        (465, Tls::Implicit, "example.jp")
    );
    assert_eq!(
        (
            settings.connect_timeout.as_secs(),
            settings.timeout.as_secs()
        ),
        (20, 120)
    );
    let settings =
        read(&json!({ "host": "m", "from": "a@b.jp", "tls": "starttls", "timeout": "3m" }))
            .unwrap();
    assert_eq!((settings.port, settings.timeout.as_secs()), (587, 180));
}

#[test]
fn every_problem_is_told_at_its_key_without_the_value() {
    let bad = json!({
        "host": "smtp://x", "port": 0, "tls": "maybe", "from": "nobody", "user": 7, "password": "hunter2",
        "timeout": "1h", "connect_timeout": 5, "concurrency": 0, "per_second": -1, "domain": "日本", "colour": "red"
    });
    assert_eq!(
        keys(&bad),
        [
            "colour",
            "concurrency",
            "connect_timeout",
            "domain",
            "from",
            "host",
            "password",
            "per_second",
            "port",
            "timeout",
            "tls",
            "user"
        ]
    );
    let text = format!("{:?}", read(&bad).err());
    assert!(
        !text.contains("hunter2") && !text.contains("nobody"),
        "{text}"
    );
    assert_eq!(keys(&json!({})), ["from", "host"]);
    assert_eq!(keys(&json!([])), [""]);
}

#[test]
fn mails_in_the_clear_stay_on_the_machine() {
    let account = |host: &str| json!({ "host": host, "from": "a@b.jp", "tls": "none" });
    for host in ["127.0.0.1", "::1", "localhost"] {
        assert!(read(&account(host)).is_ok(), "{host}");
    }
    assert_eq!(keys(&account("mail.example.jp")), ["tls"]);
    // What cannot be read may allow it.
    let mut unread = account("mail.example.jp");
    unread["allow_insecure"] = json!("yes");
    assert_eq!(keys(&unread), ["allow_insecure"]);
    assert_eq!(
        keys(
            &json!({ "host": "mail.lan", "from": "a@b.jp", "tls": "none", "allow_insecure": true })
        ),
        [""; 0]
    );
}

#[test]
fn a_login_needs_user_and_password() {
    let base = |extra: Value| {
        let mut all = json!({ "host": "m", "from": "a@b.jp" });
        all.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        all
    };
    assert_eq!(keys(&base(json!({ "user": "u" }))), ["password"]);
    assert_eq!(
        keys(&base(json!({ "password": { "env": "HIKIATE_NOT_SET" } }))),
        ["password", "user"]
    );
    assert_eq!(
        keys(&base(
            json!({ "user": "u", "password": { "file": "/nowhere" } })
        )),
        ["password"]
    );
}
