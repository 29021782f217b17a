//! Whatever stands in a cell, what is told of it can be stored.

use std::sync::LazyLock;

use hikiate_sdk::text::{FIELD_BYTES, KEY_BYTES};
use hikiate_sdk::{Observed, Record};
use proptest::prelude::*;

use crate::support::{Site, kept, site_with};

/// The columns of all kinds with every field there is.
static SITE: LazyLock<Site> = LazyLock::new(|| {
    site_with("japanese-3pl-utf8", &|t| {
        t.replace(
            "{ name = \"送り状番号\", field = \"tracking\" },",
            "{ name = \"送り状番号\", field = \"tracking\" }, { name = \"個口\", field = \"parcel\" },",
        )
    })
});

const REPLY: &str = "出荷指示番号,受付結果,メッセージ,受付日時\n";
const SHIPPED: &str = "出荷指示番号,行番号,商品コード,出荷数量,配送業者,送り状番号,個口,出荷日時\n";
const STOCK: &str = "商品コード,倉庫コード,在庫数,集計日時\n";

fn names(record: &Record) -> (Vec<String>, Vec<String>) {
    match &record.parsed {
        Ok(Observed::InstructionReply(r)) => {
            (vec![r.reference.to_string()], vec![r.message.clone()])
        }
        Ok(Observed::CancelReply(r)) => (vec![r.reference.to_string()], vec![r.message.clone()]),
        Ok(Observed::Parcel(p)) => {
            let mut keys = vec![p.reference.to_string(), p.key.clone()];
            keys.extend(p.codes().map(str::to_owned));
            keys.extend(p.tracking.iter().chain(&p.also).cloned());
            (keys, p.carrier.iter().cloned().collect())
        }
        Ok(Observed::Stock(s)) => {
            let keys = std::iter::once(&s.code).chain(&s.location);
            (keys.cloned().collect(), Vec::new())
        }
        Ok(other) => panic!("{other:?}"),
        Err(bad) => {
            let id = bad.external_id.iter().map(ToString::to_string);
            let words = bad.part.iter().chain([&bad.reason, &bad.cause]);
            (id.collect(), words.cloned().collect())
        }
    }
}

fn check(file: &str, stream: &str, text: &str) -> Result<(), TestCaseError> {
    use hikiate_sdk::Connector as _;
    let source = SITE.account.source().unwrap();
    let read = source.reread(stream, Some(&kept(file)), text.as_bytes());
    for record in read.unwrap() {
        let (keys, words) = names(&record);
        for key in &keys {
            prop_assert!(key.len() <= KEY_BYTES, "{key}");
            prop_assert!(!key.chars().any(char::is_control), "{key:?}");
        }
        for text in &words {
            prop_assert!(text.len() <= FIELD_BYTES);
            let stored = |c: char| !c.is_control() || c == '\n' || c == '\t';
            prop_assert!(text.chars().all(stored), "{text:?}");
        }
    }
    Ok(())
}

fn cell() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[0-9A-Za-z-]{0,300}",
        "\\PC{0,200}",
        Just("\0".to_owned()),
        "[\u{0}-\u{1F}\u{7F}\u{80}-\u{9F}\u{202E}\u{3099}かカ]{0,9}",
    ]
}

fn quoted(cells: &[&str]) -> String {
    let cells: Vec<_> = cells
        .iter()
        .map(|c| format!("\"{}\"", c.replace('"', "\"\"")))
        .collect();
    cells.join(",") + "\n"
}

proptest! {
    #[test]
    fn any_cell_of_an_answer(reference in cell(), message in cell()) {
        let row = quoted(&[&reference, "OK", &message, ""]);
        check("uketsuke-1.csv", "shipments", &format!("{REPLY}{row}"))?;
    }

    #[test]
    fn any_cell_of_a_parcel(reference in cell(), code in cell(), carrier in cell(), number in cell(), parcel in cell(), date in cell(), line in cell()) {
        let good = "2026/11/28 08:00:00";
        let rows = quoted(&[&reference, "1", &code, "1", &carrier, &number, &parcel, good])
            + &quoted(&[&reference, "1", &code, "1", &carrier, &number, "", good])
            + &quoted(&[&reference, &line, &code, &line, &carrier, &number, "", &date]);
        check("jisseki-1.csv", "shipments", &format!("{SHIPPED}{rows}"))?;
    }

    #[test]
    fn any_cell_of_a_stock_file(code in cell(), place in cell(), quantity in cell(), date in cell()) {
        let rows = quoted(&[&code, &place, "1", ""]) + &quoted(&[&code, &place, &quantity, &date]);
        check("zaiko-1.csv", "stock", &format!("{STOCK}{rows}"))?;
    }

    #[test]
    fn any_bytes_are_read_or_told(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        use hikiate_sdk::Connector as _;
        let source = SITE.account.source().unwrap();
        let read = source.reread("shipments", Some(&kept("jisseki-1.csv")), &bytes).unwrap();
        prop_assert!(read.iter().all(|r| r.parsed.is_err()));
    }
}
