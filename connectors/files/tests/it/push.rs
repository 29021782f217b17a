//! Files that go out.

use std::os::unix::fs::MetadataExt as _;

use hikiate_sdk::faulty::{Fault, FaultSeam as _, Target};
use hikiate_sdk::{
    Call, CancelInstructionCall, ErrorClass, LookUp, Op, Outcome, RetryPolicy, ShipmentReference,
    Then,
};

use crate::support::{Site, batch, instruct, instruction, site, site_with};

fn one() -> Call {
    instruct(vec![instruction(
        "HK0123456789ABC-S1",
        &[("A-1", 2), ("B-2", 1)],
    )])
}

fn file(site: &Site) -> String {
    let names = site.names("outgoing");
    assert_eq!(names.len(), 1, "{names:?}");
    names[0].clone()
}

#[tokio::test]
async fn a_batch_is_a_file_of_rows_in_cp932() {
    let site = site("japanese-3pl-cp932");
    let prepared = site.operations().prepare(&one()).unwrap();
    assert_eq!(prepared, site.operations().prepare(&one()).unwrap());
    let outcome = site
        .operations()
        .send_one(Op::Instruct, &prepared)
        .await
        .unwrap();
    let name = file(&site);
    assert_eq!(
        outcome,
        Outcome::Accepted {
            id: Some(name.clone())
        }
    );
    assert!(
        name.starts_with("osaka-instruct-20261121T1300-1-") && name.ends_with(".csv"),
        "{name}"
    );
    assert_eq!(
        name.len(),
        "osaka-instruct-20261121T1300-1-01234567.csv".len()
    );
    assert_eq!(prepared.label, format!("outgoing/{name}"));
    let bytes = std::fs::read(site.dir.path().join("outgoing").join(&name)).unwrap();
    let (text, _, broken) = encoding_rs::SHIFT_JIS.decode(&bytes);
    assert!(!broken);
    let lines: Vec<_> = text.split("\r\n").collect();
    assert_eq!(lines.len(), 4);
    assert!(lines[0].starts_with("荷主コード,出荷指示番号,行番号,受注番号,"));
    assert_eq!(
        lines[1],
        "M42,HK0123456789ABC-S1,1,HK0123456789ABC,1001,shop-jp,2026/11/21,,,髙橋 一郎,,JP,010-0001,秋田県,秋田市,中通2－3,,018-000-0000,A-1,\"能登の塩, 表\"\"印\"\"\",2"
    );
    assert!(lines[2].starts_with("M42,HK0123456789ABC-S1,2,") && lines[3].is_empty());
}

#[tokio::test]
async fn the_same_name_is_never_written_twice() {
    let site = site("japanese-3pl-utf8");
    let prepared = site.operations().prepare(&one()).unwrap();
    let first = site
        .operations()
        .send_one(Op::Instruct, &prepared)
        .await
        .unwrap();
    let path = site.dir.path().join("outgoing").join(file(&site));
    // Another name of the same file: its number goes to no other one.
    let kept = site.dir.path().join("kept");
    std::fs::hard_link(&path, &kept).unwrap();
    let number = |path| std::fs::metadata(path).unwrap().ino();
    let text = std::fs::read(&kept).unwrap();
    assert_eq!(
        site.operations()
            .send_one(Op::Instruct, &prepared)
            .await
            .unwrap(),
        first
    );
    site.faults.inject(Target::Read, Fault::Truncated);
    let short = site
        .operations()
        .send_one(Op::Instruct, &prepared)
        .await
        .unwrap_err();
    assert_eq!(
        short.class,
        ErrorClass::Transient,
        "half a read is no refusal"
    );
    assert_eq!(number(&path), number(&kept));
    assert_eq!(std::fs::read(&kept).unwrap(), text);
    std::fs::remove_file(&kept).unwrap();
    std::fs::write(&path, "other").unwrap();
    let error = site
        .operations()
        .send_one(Op::Instruct, &prepared)
        .await
        .unwrap_err();
    assert_eq!(error.class, ErrorClass::Conflict);
    assert_eq!(error.code.as_deref(), Some("name_taken"));
    assert!(!error.message.contains("髙橋"), "{}", error.message);
    assert_eq!(std::fs::read(&path).unwrap(), b"other");
}

#[tokio::test]
async fn a_lost_reply_and_a_failed_write_end_in_one_file() {
    let site = site("japanese-3pl-cp932");
    let prepared = site.operations().prepare(&one()).unwrap();
    site.faults.inject(Target::Write, Fault::NotSent);
    assert_eq!(
        site.operations()
            .send_one(Op::Instruct, &prepared)
            .await
            .unwrap_err()
            .class,
        ErrorClass::Transient
    );
    assert!(site.names("outgoing").is_empty());
    assert_eq!(
        site.operations()
            .look_up_one(Op::Instruct, &prepared)
            .await
            .unwrap(),
        LookUp::NotFound
    );
    site.faults.inject(Target::Write, Fault::LostReply);
    assert_eq!(
        site.operations()
            .send_one(Op::Instruct, &prepared)
            .await
            .unwrap_err()
            .class,
        ErrorClass::OutcomeUnknown
    );
    assert!(matches!(
        site.operations()
            .look_up_one(Op::Instruct, &prepared)
            .await
            .unwrap(),
        LookUp::Found(Outcome::Accepted { .. })
    ));
    assert!(matches!(
        site.operations()
            .send_one(Op::Instruct, &prepared)
            .await
            .unwrap(),
        Outcome::Accepted { .. }
    ));
    file(&site);
}

#[tokio::test]
async fn a_half_written_file_of_an_earlier_try_is_no_obstacle() {
    let site = site("japanese-3pl-cp932");
    let prepared = site.operations().prepare(&one()).unwrap();
    let name = prepared.label.strip_prefix("outgoing/").unwrap().to_owned();
    site.put(&format!("outgoing/{name}.part"), b"half");
    site.operations()
        .send_one(Op::Instruct, &prepared)
        .await
        .unwrap();
    assert_eq!(file(&site), name);
}

#[tokio::test]
async fn what_may_be_done_after_a_lost_reply_depends_on_what_the_external_system_does() {
    let picked = |word: &'static str| {
        site_with("japanese-3pl-utf8", &move |t| {
            t.replace("picked_up = \"kept\"", &format!("picked_up = \"{word}\""))
        })
    };
    let kept = RetryPolicy::IdempotencyKey {
        ttl: None,
        after_expiry: Then::LookUp,
    };
    let removed = RetryPolicy::IdempotencyKey {
        ttl: Some(std::time::Duration::ZERO),
        after_expiry: Then::LookUp,
    };
    for (word, want) in [("kept", kept), ("moved", kept), ("removed", removed)] {
        let site = picked(word);
        let specs = site.operations().operations();
        assert_eq!(
            specs
                .iter()
                .map(|s| (s.op, s.retry, s.completes_on_accept))
                .collect::<Vec<_>>(),
            [
                (Op::Instruct, want, false),
                (Op::CancelInstruction, want, false)
            ]
        );
        let prepared = site.operations().prepare(&one()).unwrap();
        site.operations()
            .send_one(Op::Instruct, &prepared)
            .await
            .unwrap();
        let name = file(&site);
        std::fs::rename(
            site.dir.path().join("outgoing").join(&name),
            site.dir.path().join("done").join(&name),
        )
        .unwrap();
        let found = site
            .operations()
            .look_up_one(Op::Instruct, &prepared)
            .await
            .unwrap();
        match word {
            "kept" => assert_eq!(found, LookUp::NotFound),
            "moved" => {
                assert!(matches!(found, LookUp::Found(_)));
                site.operations()
                    .send_one(Op::Instruct, &prepared)
                    .await
                    .unwrap();
                assert!(
                    site.names("outgoing").is_empty(),
                    "moved files are seen before a file is written again"
                );
            }
            _ => assert_eq!(found, LookUp::Inconclusive),
        }
    }
}

#[tokio::test]
async fn a_missing_folder_is_waited_for_and_not_made() {
    let site = site("japanese-3pl-cp932");
    std::fs::remove_dir(site.dir.path().join("outgoing")).unwrap();
    let prepared = site.operations().prepare(&one()).unwrap();
    let error = site
        .operations()
        .send_one(Op::Instruct, &prepared)
        .await
        .unwrap_err();
    assert_eq!(error.class, ErrorClass::Transient);
    assert!(error.message.contains("mounted"), "{error}");
    assert!(!site.dir.path().join("outgoing").exists());
}

#[test]
fn what_cannot_be_written_is_refused_by_row_and_column_without_the_text() {
    let site = site("japanese-3pl-cp932");
    let refuse = |change: &dyn Fn(&mut hikiate_sdk::Instruction)| {
        let mut i = instruction("HK0123456789ABC-S1", &[("A-1", 1)]);
        change(&mut i);
        let good = instruction("HK0000000000000-S1", &[("A-1", 1)]);
        let error = site
            .operations()
            .prepare(&instruct(vec![good, i]))
            .unwrap_err();
        assert_eq!(
            (error.class, error.code.as_deref()),
            (ErrorClass::Rejected, Some("layout"))
        );
        error.message
    };
    assert_eq!(
        refuse(&|i| i.ship_to.name = "𠮷田 😀".to_owned()),
        "instruct row HK0123456789ABC-S1, column お届け先氏名: contains the character U+20BB7, which the file's encoding does not have"
    );
    assert_eq!(
        refuse(&|i| i.ship_to.name = "山〜".to_owned()),
        "instruct row HK0123456789ABC-S1, column お届け先氏名: contains the character U+301C, which the file's encoding does not have"
    );
    assert_eq!(
        refuse(&|i| i.ship_to.address1 = "あ".repeat(33)),
        "instruct row HK0123456789ABC-S1, column 住所1: has 66 bytes, the layout allows 64"
    );
    assert_eq!(
        refuse(&|i| i.ship_to.address1 = "  ".to_owned()),
        "instruct row HK0123456789ABC-S1, column 住所1: is empty and the layout requires it"
    );
    assert_eq!(
        refuse(&|i| i.ship_to.name = "a\nb".to_owned()),
        "instruct row HK0123456789ABC-S1, column お届け先氏名: contains the control character U+000A"
    );
    assert_eq!(
        refuse(&|i| i.lines.clear()),
        "instruct row HK0123456789ABC-S1: the shipment has no line"
    );
    let empty = site
        .operations()
        .prepare(&instruct(Vec::new()))
        .unwrap_err();
    assert_eq!(
        empty.message,
        "the batch osaka-instruct-20261121T1300-1 is empty"
    );
    let mut fits = instruction("HK0123456789ABC-S1", &[("A-1", 1)]);
    fits.ship_to.address1 = "あ".repeat(32);
    fits.ship_to.address2 = "3〜4\n階".to_owned();
    assert!(site.operations().prepare(&instruct(vec![fits])).is_ok());
}

#[tokio::test]
async fn cancel_requests_have_a_file_each() {
    let site = site("japanese-3pl-utf8");
    for key in [
        "cancel_instruction:osaka:1",
        "cancel_instruction:osaka:2",
        "cancel_instruction:osaka:2",
    ] {
        let call = CancelInstructionCall {
            key: key.to_owned(),
            reference: ShipmentReference::from("HK0123456789ABC-S1"),
            order_number: "HK0123456789ABC".to_owned(),
        };
        let prepared = site
            .operations()
            .prepare(&Call::CancelInstruction(call))
            .unwrap();
        assert!(matches!(
            site.operations()
                .send_one(Op::CancelInstruction, &prepared)
                .await
                .unwrap(),
            Outcome::Accepted { .. }
        ));
    }
    let names = site.names("outgoing");
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(
        names
            .iter()
            .all(|n| n.starts_with("osaka-cancel-HK0123456789ABC-S1-")),
        "{names:?}"
    );
    let text = std::fs::read_to_string(site.dir.path().join("outgoing").join(&names[0])).unwrap();
    assert_eq!(
        text,
        "荷主コード,出荷指示番号,受注番号\r\nM42,HK0123456789ABC-S1,HK0123456789ABC\r\n"
    );
}

#[test]
fn what_the_layout_does_not_describe_is_a_configuration_error() {
    let site = site("hledger");
    assert_eq!(
        site.operations().prepare(&one()).unwrap_err().class,
        ErrorClass::Config
    );
    let mut name = batch("instruct");
    name.period = "13:00".to_owned();
    let site = crate::support::site("japanese-3pl-utf8");
    let call = Call::Instruct(hikiate_sdk::InstructCall {
        batch: name,
        instructions: vec![instruction("HK1-S1", &[("A", 1)])],
    });
    assert_eq!(
        site.operations().prepare(&call).unwrap_err().class,
        ErrorClass::Rejected
    );
}

#[tokio::test]
async fn what_was_sent_can_be_shown_unless_it_is_removed() {
    let long_ago = crate::support::at("2020-01-01T00:00:00Z");
    let shows = async |layout: &Site, since| {
        let sent = layout.operations().sent_since(Op::Instruct, since).await;
        sent.unwrap()
    };
    let kept = site("japanese-3pl-utf8");
    let prepared = kept.operations().prepare(&one()).unwrap();
    kept.operations()
        .send_one(Op::Instruct, &prepared)
        .await
        .unwrap();
    kept.put("outgoing/osaka-cancel-HK1.csv", b"another operation");
    let sent = shows(&kept, long_ago).await.unwrap();
    assert_eq!(sent.len(), 1);
    assert!(sent[0].name.starts_with("osaka-instruct-20261121T1300-1-"));
    assert!(String::from_utf8_lossy(&sent[0].bytes).contains("HK0123456789ABC-S1"));
    let later: chrono::DateTime<chrono::Utc> = "2999-01-01T00:00:00Z".parse().unwrap();
    assert!(shows(&kept, later).await.unwrap().is_empty());

    let change = |to: &'static str| {
        move |text: &str| text.replace("picked_up = \"kept\"", &format!("picked_up = \"{to}\""))
    };
    let moved = site_with("japanese-3pl-utf8", &change("moved"));
    moved
        .operations()
        .send_one(Op::Instruct, &prepared)
        .await
        .unwrap();
    let name = file(&moved);
    let at = |folder: &str| moved.dir.path().join(folder).join(&name);
    std::fs::rename(at("outgoing"), at("done")).unwrap();
    assert_eq!(shows(&moved, long_ago).await.unwrap().len(), 1);
    let removed = site_with("japanese-3pl-utf8", &change("removed"));
    assert_eq!(shows(&removed, long_ago).await, None, "it cannot tell");
}

#[tokio::test]
async fn the_lines_of_what_was_sent_are_read_back_by_the_layout() {
    let mut batch_of_two = hikiate_sdk::InstructCall {
        batch: batch("instruct"),
        instructions: vec![
            instruction("HK0123456789ABC-S1", &[("A,1", 2), ("B\"", 30)]),
            instruction("HK0123456789ABC-S2", &[("A,1", 1)]),
        ],
    };
    batch_of_two.instructions[1].ship_to.address2 = "表町 \"1\", 2".to_owned();
    let call = Call::Instruct(batch_of_two);
    let read = async |site: &Site, by: &Site| {
        let operations = site.operations();
        let prepared = operations.prepare(&call).unwrap();
        operations.send_one(Op::Instruct, &prepared).await.unwrap();
        let since = crate::support::at("2020-01-01T00:00:00Z");
        let sent = operations.sent_since(Op::Instruct, since).await;
        by.operations()
            .lines_sent(&sent.unwrap().unwrap()[0])
            .map(|lines| {
                lines
                    .into_iter()
                    .map(|l| (l.reference.to_string(), l.n, l.code, l.quantity))
                    .collect::<Vec<_>>()
            })
    };
    let whole = [
        ("HK0123456789ABC-S1".to_owned(), 1, "A,1".to_owned(), 2),
        ("HK0123456789ABC-S1".to_owned(), 2, "B\"".to_owned(), 30),
        ("HK0123456789ABC-S2".to_owned(), 1, "A,1".to_owned(), 1),
    ];
    for layout in ["japanese-3pl-utf8", "japanese-3pl-cp932"] {
        let site = site(layout);
        assert_eq!(read(&site, &site).await.unwrap(), whole, "{layout}");
    }
    let utf8 = site("japanese-3pl-utf8");
    let plain = site_with("japanese-3pl-utf8", &|text: &str| {
        text.replace("header = true", "header = false")
            .replace("{{ row.n }}", "{{ row.lines }}")
    });
    assert_eq!(read(&plain, &plain).await.unwrap(), whole, "counted");
    // A layout that changed since, and one whose cells hold something made of the code.
    assert_eq!(read(&utf8, &plain).await, None);
    assert_eq!(read(&site("japanese-3pl-cp932"), &utf8).await, None);
    let made = site_with("japanese-3pl-utf8", &|text: &str| {
        text.replace("{{ row.code }}", "X-{{ row.code }}")
    });
    assert_eq!(read(&made, &made).await, None);
}
