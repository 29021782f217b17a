//! Every body that was ever stored must be read by every later version.
//!
//! `corpus/KIND.VERSION.json` holds bodies as that version stored them and is never edited again.
//! `corpus/KIND.VERSION.read.json` holds what this binary reads in them; after a change of a shape,
//! `HIKIATE_CORPUS=write cargo test -p hikiate --lib facts::corpus` writes those anew, for a look at the difference.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::FactBody;

type Bodies = BTreeMap<String, Value>;

fn file(kind: &str, version: i16, what: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("src/facts/corpus")
        .join(format!("{kind}.{version}{what}.json"))
}

fn bodies(path: &PathBuf) -> Bodies {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn versions() -> impl Iterator<Item = (&'static str, i16)> {
    FactBody::KINDS
        .iter()
        .flat_map(|(kind, version)| (1..=*version).map(|v| (*kind, v)))
}

fn read(kind: &str, version: i16) -> Bodies {
    let today = |(case, body): (String, Value)| {
        let read = FactBody::read(kind, version, body)
            .unwrap_or_else(|e| panic!("{kind} {version}, {case}: {e}"));
        assert_eq!(read.kind(), kind);
        (case, read.to_json().unwrap())
    };
    bodies(&file(kind, version, ""))
        .into_iter()
        .map(today)
        .collect()
}

#[test]
fn every_stored_body_is_read_as_it_was_before() {
    for (kind, version) in versions() {
        let path = file(kind, version, ".read");
        let read = read(kind, version);
        if std::env::var("HIKIATE_CORPUS").as_deref() == Ok("write") {
            let text = serde_json::to_string_pretty(&read).unwrap();
            fs::write(&path, text + "\n").unwrap();
        }
        assert_eq!(read, bodies(&path), "{kind}, version {version}");
    }
}

/// What is written today is read back as it was written, and the corpus shows that form.
#[test]
fn bodies_of_the_current_version_are_stored_as_they_are_read() {
    for (kind, version) in FactBody::KINDS {
        for (case, body) in read(kind, *version) {
            let again = FactBody::read(kind, *version, body.clone()).unwrap();
            assert_eq!(again.to_json().unwrap(), body, "{kind}, {case}");
        }
    }
}

#[test]
fn every_kind_has_a_file_for_each_of_its_versions_and_nothing_else_lies_there() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/facts/corpus");
    let there: BTreeSet<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let wanted: BTreeSet<String> = versions()
        .flat_map(|(kind, v)| [format!("{kind}.{v}.json"), format!("{kind}.{v}.read.json")])
        .collect();
    assert_eq!(there, wanted);
}

/// A corpus without a variant proves nothing about it.
#[test]
fn the_corpus_shows_every_word_of_every_choice() {
    let words: &[(&str, &[&str])] = &[
        ("order", &["open", "cancelled", "completed", "unknown"]),
        ("order", &["not_yet", "open", "frozen", "closed"]),
        ("order", &["us", "channel", "nobody"]),
        (
            "order",
            &[
                "goods",
                "postage",
                "cod_fee",
                "payment_fee",
                "wrapping",
                "discount",
                "coupon",
                "rounding",
                "other",
            ],
        ),
        (
            "payment",
            &[
                "waiting",
                "review",
                "authorised",
                "paid",
                "cancelled",
                "expired",
                "refused",
                "unknown",
            ],
        ),
        ("payment", &["whole", "once", "many"]),
        ("reply", &["accepted", "rejected"]),
        ("cancel_reply", &["accepted", "declined", "too_late"]),
        ("held", &["person", "auto"]),
        (
            "class",
            &["left", "adopted", "adopted-instructed", "history"],
        ),
        ("member", &["refused", "sent_again", "abandoned"]),
        ("intent", &["call", "mail", "member", "batch"]),
        (
            "intent",
            &[
                "instruct",
                "cancel_instruction",
                "fulfil",
                "ship",
                "capture",
                "cancel_order",
                "mail",
                "post_journal",
            ],
        ),
        ("cancel_answered", &["accepted", "declined", "too_late"]),
        (
            "class",
            &["left", "adopted", "adopted-instructed", "history"],
        ),
        (
            "outcome",
            &[
                "done",
                "accepted",
                "refused",
                "withdrawn",
                "not_done",
                "evidence",
            ],
        ),
    ];
    for (kind, choice) in words {
        let version = FactBody::version_of(kind).unwrap();
        let text = serde_json::to_string(&bodies(&file(kind, version, ""))).unwrap();
        for word in *choice {
            assert!(text.contains(&format!("\"{word}\"")), "{kind}: {word}");
        }
    }
}

#[test]
fn a_version_from_the_future_and_a_kind_nobody_knows_are_refused() {
    for (kind, version) in FactBody::KINDS {
        let (_, body) = read(kind, *version).pop_first().unwrap();
        assert!(
            FactBody::read(kind, version + 1, body.clone()).is_err(),
            "{kind}"
        );
        assert!(FactBody::read(kind, 0, body.clone()).is_err(), "{kind}");
        assert!(FactBody::read("nobody_knows", *version, body).is_err());
    }
}
