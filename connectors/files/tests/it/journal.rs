//! Journal files.

use std::process::Command;

use hikiate_sdk::sim::skipped;
use hikiate_sdk::{
    BatchName, Call, Connector as _, Currency, ErrorClass, JournalBatch, JournalEntry, JournalLine,
    LineTax, Op, Outcome,
};
use serde_json::json;

use crate::support::{batch, build, site, site_with};

fn entry(reference: &str, currency: Currency, lines: &[(&str, i64, Option<u32>)]) -> JournalEntry {
    JournalEntry {
        reference: reference.to_owned(),
        date: "2026-11-21".parse().unwrap(),
        description: "shop-jp card 10%".to_owned(),
        currency,
        lines: lines
            .iter()
            .map(|(a, n, r)| JournalLine {
                account: (*a).to_owned(),
                amount: *n,
                tax: r.map(|rate_bp| LineTax {
                    rate_bp,
                    amount: 0,
                    account: "tax".to_owned(),
                    class: String::new(),
                }),
            })
            .collect(),
    }
}

fn journal() -> JournalBatch {
    JournalBatch {
        entries: vec![
            entry(
                "J20261121-1",
                Currency::JPY,
                &[
                    ("売掛金", 5500, None),
                    ("売上高", -5000, Some(1000)),
                    ("仮受消費税", -500, Some(1000)),
                ],
            ),
            entry(
                "J20261121-2",
                Currency::EUR,
                &[
                    ("Assets:Receivable", 5046, None),
                    ("Income:Sales", -4240, Some(1900)),
                    ("Liabilities:VAT", -806, Some(1900)),
                ],
            ),
        ],
    }
}

fn call(n: u32, journal: JournalBatch) -> Call {
    Call::PostJournal {
        batch: BatchName {
            n,
            ..batch("journal")
        },
        journal,
    }
}

#[tokio::test]
async fn an_hledger_file_is_complete_in_itself() {
    let site = site("hledger");
    assert!(site.account.source().is_none());
    let specs = site.operations().operations();
    assert_eq!(
        specs
            .iter()
            .map(|s| (s.op, s.completes_on_accept))
            .collect::<Vec<_>>(),
        [(Op::PostJournal, true)]
    );
    let prepared = site.operations().prepare(&call(1, journal())).unwrap();
    assert!(matches!(
        site.operations()
            .send_one(Op::PostJournal, &prepared)
            .await
            .unwrap(),
        Outcome::Done { .. }
    ));
    let name = site.names("outgoing").remove(0);
    let text = std::fs::read_to_string(site.dir.path().join("outgoing").join(&name)).unwrap();
    assert_eq!(
        text,
        "; osaka-journal-20261121T1300-1\n\
         account Assets:Receivable\naccount Income:Sales\naccount Liabilities:VAT\naccount 仮受消費税\naccount 売上高\naccount 売掛金\n\
         commodity 1000.00 EUR\ncommodity 1000. JPY\n\
         \n2026-11-21 * (J20261121-1) shop-jp card 10%\n    売掛金  5500 JPY\n    売上高  -5000 JPY  ; rate_bp:1000\n    仮受消費税  -500 JPY  ; rate_bp:1000\n\
         \n2026-11-21 * (J20261121-2) shop-jp card 10%\n    Assets:Receivable  50.46 EUR\n    Income:Sales  -42.40 EUR  ; rate_bp:1900\n    Liabilities:VAT  -8.06 EUR  ; rate_bp:1900\n"
    );
}

#[tokio::test]
async fn hledger_accepts_each_file_and_all_of_them() {
    if Command::new("hledger").arg("--version").output().is_err() {
        let test = "hledger_accepts_each_file_and_all_of_them";
        return skipped(test, "hledger is not installed");
    }
    let site = site("hledger");
    for n in 1..=2 {
        let prepared = site.operations().prepare(&call(n, journal())).unwrap();
        site.operations()
            .send_one(Op::PostJournal, &prepared)
            .await
            .unwrap();
    }
    let files: Vec<_> = site
        .names("outgoing")
        .into_iter()
        .map(|n| site.dir.path().join("outgoing").join(n))
        .collect();
    assert_eq!(files.len(), 2);
    for set in [&files[..1], &files[1..], &files[..]] {
        let mut command = Command::new("hledger");
        for file in set {
            command.arg("-f").arg(file);
        }
        let out = command
            .args(["check", "--strict", "ordereddates"])
            .env("LANG", "C.UTF-8")
            .output()
            .unwrap();
        assert!(
            out.status.success(),
            "{}",
            String::from_utf8_lossy(&out.stderr)
        );
    }
    let out = Command::new("hledger")
        .arg("-f")
        .arg(&files[0])
        .args(["bal", "-O", "csv", "-N", "売掛金"])
        .env("LANG", "C.UTF-8")
        .output()
        .unwrap();
    assert!(
        String::from_utf8_lossy(&out.stdout).contains("5500"),
        "{}",
        String::from_utf8_lossy(&out.stdout)
    );
}

#[test]
fn what_would_not_be_a_good_journal_is_refused() {
    let site = site("hledger");
    let refuse = |entry: JournalEntry| {
        let error = site
            .operations()
            .prepare(&call(
                1,
                JournalBatch {
                    entries: vec![entry],
                },
            ))
            .unwrap_err();
        assert_eq!(error.class, ErrorClass::Rejected);
        error.message
    };
    let two = |account: &str| entry("J1", Currency::JPY, &[(account, 1, None), ("b", -1, None)]);
    assert_eq!(
        refuse(entry(
            "J1",
            Currency::JPY,
            &[("a", 2, None), ("b", -1, None)]
        )),
        "journal entry J1, lines: add up to 1 minor units, not to zero"
    );
    assert!(refuse(entry("J1", Currency::JPY, &[])).contains("add up to"));
    assert!(refuse(two("a;b")).contains("J1, account: contains \";\""));
    assert!(refuse(two("a  b")).contains("account: contains \"␣␣\""));
    assert!(refuse(two("(a)")).contains("account: contains \"(\""));
    assert!(refuse(two("a\nb")).contains("U+000A"));
    assert!(refuse(two(" a")).contains("leading or trailing blanks"));
    let mut bad = two("a");
    bad.description = "x\n2026-11-22 y".to_owned();
    assert!(refuse(bad).contains("J1, description: contains the control character U+000A"));
    assert!(
        site.operations()
            .prepare(&call(
                1,
                JournalBatch {
                    entries: vec![two("売掛金(Stripe)")]
                }
            ))
            .is_ok()
    );
}

#[test]
fn titles_are_those_of_the_books() {
    let site = site("hledger");
    let settings =
        json!({ "folder": ".", "layout": "hledger", "titles": { "売掛金": "Assets:Receivable" } });
    let (account, _) = build(site.dir.path(), &settings).unwrap();
    let prepared = account
        .operations()
        .unwrap()
        .prepare(&call(1, journal()))
        .unwrap();
    let text = String::from_utf8(prepared.bytes).unwrap();
    assert!(
        text.contains("    Assets:Receivable  5500 JPY") && !text.contains("売掛金"),
        "{text}"
    );
    assert_eq!(text.matches("account Assets:Receivable\n").count(), 1);
}

#[test]
fn a_journal_can_be_rows_too() {
    let rows = r#"
title = "仕訳"
picked_up = "kept"
[form]
encoding = "cp932"
header = false
quote = "all"
[journal]
accept = "delivered"
columns = [
  { name = "日付", value = "{{ row.date | date('%Y/%m/%d') }}" },
  { name = "伝票", value = "{{ row.reference }}-{{ row.n }}/{{ row.lines }}" },
  { name = "借方", value = "{{ row.debit }}" },
  { name = "貸方", value = "{{ row.credit }}" },
  { name = "科目", value = "{{ row.account }}", required = true },
  { name = "税率", value = "{{ row.tax_rate_bp }}" },
]
"#;
    let site = site_with("hledger", &|_| rows.to_owned());
    let journal = JournalBatch {
        entries: journal().entries[..1].to_vec(),
    };
    let prepared = site.operations().prepare(&call(1, journal)).unwrap();
    let content = prepared
        .bytes
        .split(|b| *b == b'\n')
        .skip(1)
        .collect::<Vec<_>>()
        .join(&b'\n');
    let (text, _, _) = encoding_rs::SHIFT_JIS.decode(&content);
    let lines: Vec<_> = text.split("\r\n").collect();
    assert_eq!(
        lines[0],
        "\"2026/11/21\",\"J20261121-1-1/3\",\"5500\",\"\",\"売掛金\",\"\""
    );
    assert_eq!(
        lines[1],
        "\"2026/11/21\",\"J20261121-1-2/3\",\"\",\"5000\",\"売上高\",\"1000\""
    );
}

#[test]
fn tax_stands_inside_a_line_or_in_one_of_its_own_as_the_layout_says() {
    let layout = |style: &str| {
        format!(
            r#"
title = "仕訳"
picked_up = "kept"
[form]
encoding = "utf8"
header = false
[journal]
accept = "delivered"
tax = "{style}"
columns = [
  {{ name = "科目", value = "{{{{ row.account }}}}" }},
  {{ name = "金額", value = "{{{{ row.amount }}}}" }},
  {{ name = "税", value = "{{{{ row.tax }}}}" }},
  {{ name = "区分", value = "{{{{ row.tax_class }}}}" }},
]
"#
        )
    };
    let mut batch = JournalBatch {
        entries: vec![entry(
            "J1",
            Currency::JPY,
            &[("売掛金", 1100, None), ("売上高", -1100, Some(1000))],
        )],
    };
    for line in &mut batch.entries[0].lines {
        if let Some(tax) = &mut line.tax {
            (tax.amount, tax.account) = (-100, "仮受消費税".to_owned());
            tax.class = "課税".to_owned();
        }
    }
    let written = |style: &str| {
        let site = site_with("hledger", &|_| layout(style));
        let bytes = site
            .operations()
            .prepare(&call(1, batch.clone()))
            .unwrap()
            .bytes;
        let text = String::from_utf8(bytes).unwrap();
        // The first line names the file.
        text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(
        written("inside"),
        ["売掛金,1100,,", "売上高,-1100,100,課税"]
    );
    assert_eq!(
        written("apart"),
        [
            "売掛金,1100,,",
            "売上高,-1000,,課税",
            "仮受消費税,-100,,課税"
        ]
    );
}
