//! Signatures by value: RFC 4231 and 2202 for the HMACs, the example of the Standard Webhooks specification, and one that was
//! made with another implementation for `t=…,v1=…`.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use chrono::{DateTime, Utc};
use secrecy::SecretString;

use super::*;

const TOLERANCE: Duration = Duration::from_secs(300);
const WORDS: &[u8] = b"what do ya want for nothing?";
const SHA256: &str = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
const STANDARD: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
const TIMED: &str = "e123efb45c80e8505b87a319f26271792b9c428cdbc774e451fe11dfae679bb8";
const BODY: &[u8] = br#"{"id":"order_1"}"#;

fn secret(text: &str) -> SecretString {
    SecretString::from(text.to_owned())
}

fn one(text: &str) -> HookSecrets {
    HookSecrets::new(secret(text), None)
}

#[test]
fn a_second_place_of_a_secret_holds_too() {
    use crate::{SecretPlace, SecretRef};

    let folder = std::env::temp_dir().join(format!("hikiate-hooks-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let place = |name: &str| {
        std::fs::write(folder.join(name), name).unwrap();
        Some(folder.join(name))
    };
    let both = |file, next| SecretRef {
        file,
        next: Some(SecretPlace {
            file: next,
            ..SecretPlace::default()
        }),
        ..SecretRef::default()
    };
    let current = both(place("new"), place("newer"));
    let previous = both(place("old"), Some(folder.join("gone")));
    let secrets = HookSecrets::read(&current, Some(&previous)).unwrap();
    for (name, good) in [
        ("new", true),
        ("newer", true),
        ("old", true),
        ("gone", false),
    ] {
        let given = verify_token(&secrets, Some(name));
        assert_eq!(given.is_ok(), good, "{name}");
    }
    let neither = both(place("new"), None);
    let refused = HookSecrets::read(&neither, None).unwrap_err();
    assert!(
        refused.key == HOOK_SECRET && refused.message.contains("next"),
        "{refused:?}"
    );
    std::fs::remove_dir_all(&folder).unwrap();
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

fn timed(header: &str, now: i64) -> Result<(), Denied> {
    verify_timed(&one("whsec_test"), Some(header), BODY, at(now), TOLERANCE)
}

#[test]
fn hmacs_are_those_of_the_rfcs_in_hex_and_base64() {
    let jefe = one("Jefe");
    let check = |encoding, text: &str| verify_hmac(&jefe, encoding, &[WORDS], text);
    for (encoding, text) in [
        (Encoding::Hex, SHA256),
        (
            Encoding::Base64,
            "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM=",
        ),
    ] {
        assert_eq!(check(encoding, text), Ok(()), "{encoding:?}");
    }
    let hex = Encoding::Hex;
    assert_eq!(check(hex, &SHA256.to_uppercase()), Ok(()));
    assert_eq!(check(hex, &SHA256[..32]), Err(Denied::Wrong), "cut");
    assert_eq!(check(hex, &format!("{SHA256}00")), Err(Denied::Wrong));
    for odd in ["", "5", "sha256=5b", "zz"] {
        assert_ne!(check(hex, odd), Ok(()), "{odd:?}");
    }
    let parts: [&[u8]; 2] = [b"what do ya want ", b"for nothing?"];
    assert_eq!(verify_hmac(&jefe, hex, &parts, SHA256), Ok(()));
    let other: [&[u8]; 1] = [b"what do ya want for nothing!"];
    let changed = verify_hmac(&jefe, hex, &other, SHA256);
    assert_eq!(changed, Err(Denied::Wrong));
}

#[test]
fn two_secrets_hold_while_one_is_replaced() {
    let check = |secrets: &HookSecrets| verify_hmac(secrets, Encoding::Hex, &[WORDS], SHA256);
    assert_eq!(
        check(&HookSecrets::new(secret("new"), Some(secret("Jefe")))),
        Ok(())
    );
    assert_eq!(
        check(&HookSecrets::new(secret("Jefe"), Some(secret("old")))),
        Ok(())
    );
    assert_eq!(check(&one("new")), Err(Denied::Wrong));
    let shown = format!("{:?}", HookSecrets::new(secret("hunter2"), None));
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn a_timed_signature_holds_within_its_tolerance() {
    let good = format!("t=1614265330,v1={TIMED}");
    assert_eq!(timed(&good, 1_614_265_330), Ok(()));
    assert_eq!(timed(&good, 1_614_265_630), Ok(()));
    assert_eq!(timed(&good, 1_614_265_030), Ok(()));
    assert_eq!(timed(&good, 1_614_265_631), Err(Denied::Old));
    assert_eq!(timed(&good, 1_614_265_029), Err(Denied::Old), "ahead of us");
    assert_eq!(sign_timed("whsec_test", BODY, at(1_614_265_330)), good);
    let several = format!("t=1614265330, v1={}, v0=x, v1={TIMED}", "00".repeat(32));
    assert_eq!(timed(&several, 1_614_265_330), Ok(()));
}

#[test]
fn a_timed_signature_cannot_be_made_younger_or_sent_without_its_parts() {
    let now = 1_614_265_330;
    for (header, denied) in [
        (format!("t=1614265331,v1={TIMED}"), Denied::Wrong),
        (format!("t=+1614265330,v1={TIMED}"), Denied::Malformed),
        (format!("t=01614265330,v1={TIMED}"), Denied::Wrong),
        (
            format!("t=1614265330,t=1614265330,v1={TIMED}"),
            Denied::Malformed,
        ),
        (format!("v1={TIMED}"), Denied::Malformed),
        ("t=1614265330".to_owned(), Denied::Malformed),
        ("t=1614265330,v1=".to_owned(), Denied::Wrong),
        (format!("t=,v1={TIMED}"), Denied::Malformed),
        (format!("t=9999999999999999,v1={TIMED}"), Denied::Malformed),
        (String::new(), Denied::Malformed),
    ] {
        assert_eq!(timed(&header, now), Err(denied), "{header}");
    }
    let none = verify_timed(&one("whsec_test"), None, BODY, at(now), TOLERANCE);
    assert_eq!(none, Err(Denied::Malformed));
    let good = format!("t=1614265330,v1={TIMED}");
    let other = verify_timed(&one("whsec_test"), Some(&good), b"{}", at(now), TOLERANCE);
    assert_eq!(other, Err(Denied::Wrong));
    // Old and wrong: nobody learns by the answer that the clock is all that is missing.
    assert_eq!(timed(&format!("t=1,v1={TIMED}"), now), Err(Denied::Wrong));
}

#[test]
fn the_example_of_standard_webhooks_holds() {
    let secrets = one("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    let check = |id: &str, time: &str, signature: &str, now: i64| {
        let headers = [
            ("webhook-id", id),
            ("webhook-timestamp", time),
            ("webhook-signature", signature),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let arrived = Arrived {
            method: Method::Post,
            rest: "",
            query: "",
            headers: &headers,
            body: br#"{"test": 2432232314}"#,
        };
        verify_standard(&secrets, &arrived, at(now), TOLERANCE).map(str::to_owned)
    };
    let (id, time, now) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", 1_614_265_400);
    assert_eq!(check(id, time, STANDARD, now), Ok(id.to_owned()));
    let rotated = format!("v1,AAAA v1a,AAAA {STANDARD}");
    assert_eq!(check(id, time, &rotated, now), Ok(id.to_owned()));
    assert_eq!(check("msg_other", time, STANDARD, now), Err(Denied::Wrong));
    assert_eq!(check(id, "1614265331", STANDARD, now), Err(Denied::Wrong));
    assert_eq!(check(id, time, STANDARD, now + 600), Err(Denied::Old));
    assert_eq!(check(id, time, "v2,AAAA", now), Err(Denied::Malformed));
    assert_eq!(check("", time, STANDARD, now), Err(Denied::Malformed));
    // The id's end must not pass for the time.
    assert_eq!(check("a.b", time, STANDARD, now), Err(Denied::Malformed));
}

#[test]
fn a_token_is_compared_whole() {
    let secrets = HookSecrets::new(secret("tok-1"), Some(secret("tok-0")));
    assert_eq!(verify_token(&secrets, Some("tok-1")), Ok(()));
    assert_eq!(verify_token(&secrets, Some("tok-0")), Ok(()));
    for wrong in ["tok-", "tok-11", "", "TOK-1"] {
        assert_eq!(
            verify_token(&secrets, Some(wrong)),
            Err(Denied::Wrong),
            "{wrong:?}"
        );
    }
    assert_eq!(verify_token(&secrets, None), Err(Denied::Malformed));
}

#[test]
fn a_header_that_comes_twice_is_none() {
    let headers = ["1", "2"].map(|value| ("x-signature".to_owned(), value.to_owned()));
    let arrived = |headers| Arrived {
        method: Method::Post,
        rest: "",
        query: "",
        headers,
        body: b"hunter2",
    };
    assert_eq!(arrived(&headers[..]).header("x-signature"), None);
    assert_eq!(arrived(&headers[..1]).header("x-signature"), Some("1"));
    assert!(!format!("{:?}", arrived(&headers[..])).contains("hunter2"));
}
