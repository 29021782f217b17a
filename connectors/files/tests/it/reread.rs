//! Bad records read again from their stored bytes, once the layout was mended.

use hikiate_sdk::{ErrorClass, Observed, ParcelReport, Record};

use crate::support::{at, site, site_with};

const SHIPPED: &str = "出荷指示番号,行番号,商品コード,出荷数量,配送業者,送り状番号,出荷日時\n";
const STOCK: &str = "商品コード,倉庫コード,在庫数,集計日時\n";
const READ: &str = "2026-11-28T00:30:00Z";

/// What a record says, but for the file that told it.
fn says(record: &Record) -> Result<Observed, String> {
    match &record.parsed {
        Ok(Observed::Parcel(parcel)) => Ok(Observed::Parcel(ParcelReport {
            told: None,
            ..parcel.clone()
        })),
        Ok(other) => Ok(other.clone()),
        Err(bad) => Err(bad.cause.clone()),
    }
}

#[tokio::test]
async fn a_bad_row_is_read_from_its_bytes_as_from_its_file() {
    for layout in ["japanese-3pl-utf8", "japanese-3pl-cp932"] {
        let mut site = site_with(layout, &|t| {
            t.replace(
                "field = \"left_at\", format = \"%Y/%m/%d %H:%M:%S\"",
                "field = \"left_at\", format = \"%Y-%m-%d %H:%M:%S\"",
            )
        });
        let rows = "HK1-S1,1,A,1,ヤマト運輸,401234567890,2026/11/28 08:00:00\n\
            HK2-S1,1,A,x,ヤマト運輸,401234567891,2026/11/28 08:00:00\n\
            \"HK3-S1\",1,\"A,1\",1,,\"4012\n34567892\",2026/11/28 08:00:00\n";
        let text = format!("{SHIPPED}{rows}");
        let bytes = if layout.ends_with("cp932") {
            crate::support::cp932(&text)
        } else {
            text.into_bytes()
        };
        site.put_at("incoming/jisseki-1.csv", &bytes, READ);
        let before = site.page_at("shipments", None, READ).await.records;
        assert!(
            before.iter().all(|r| r.parsed.is_err()) && before.len() == 3,
            "{before:?}"
        );
        site.mend(&|t| t.replace("%Y-%m-%d %H:%M:%S", "%Y/%m/%d %H:%M:%S"));
        let fresh = site.page_at("shipments", None, READ).await.records;
        let source = site.source();
        let mut again = Vec::new();
        for record in &before {
            again.extend(
                source
                    .reread("shipments", record.file.as_deref(), &record.raw, at(READ))
                    .unwrap(),
            );
        }
        let said: Vec<_> = again.iter().map(says).collect();
        assert_eq!(said, fresh.iter().map(says).collect::<Vec<_>>(), "{layout}");
        assert_eq!(said.iter().filter(|s| s.is_ok()).count(), 2);
        let raws = |records: &[Record]| records.iter().map(|r| r.raw.clone()).collect::<Vec<_>>();
        assert_eq!(raws(&again), raws(&fresh), "and is the same record");
    }
}

#[tokio::test]
async fn a_file_that_was_bad_as_a_whole_is_read_from_its_bytes() {
    let mut site = site_with("japanese-3pl-utf8", &|t| {
        t.replace("\"行番号\", field", "\"行No\", field")
    });
    let text = format!(
        "{SHIPPED}HK1-S1,1,A,1,,401234567890,2026/11/28 08:00:00\nHK2-S1,1,A,1,,x1,2026/11/28 08:00:00\n"
    );
    site.put_at("incoming/jisseki-1.csv", text.as_bytes(), READ);
    let before = site.page_at("shipments", None, READ).await.records;
    assert_eq!(before.len(), 1);
    site.mend(&|t| t.replace("行No", "行番号"));
    let fresh = site.page_at("shipments", None, READ).await.records;
    let file = before[0].file.as_deref();
    let again = site
        .source()
        .reread("shipments", file, &before[0].raw, at(READ))
        .unwrap();
    let parsed = |records: &[Record]| records.iter().map(|r| r.parsed.clone()).collect::<Vec<_>>();
    assert_eq!(
        parsed(&again),
        parsed(&fresh),
        "to the last field, told by the same file"
    );
    assert!(again[0].parsed.is_ok() && again[1].parsed.is_ok());
}

#[tokio::test]
async fn an_item_is_read_again_with_all_of_its_rows() {
    let mut site = site("japanese-3pl-utf8");
    let text = format!("{STOCK}A,W1,3,\nB,W1,1,\nA,W2,4,\nA,W1,5,\n");
    site.put_at("incoming/zaiko-1.csv", text.as_bytes(), READ);
    let before = site.page_at("stock", None, READ).await.records;
    assert_eq!(before.len(), 2);
    let source = site.source();
    let same = source
        .reread("stock", Some("zaiko-1.csv"), &before[0].raw, at(READ))
        .unwrap();
    assert_eq!(same.len(), 1, "none of its rows is believed alone");
    assert_eq!(
        same[0].parsed.as_ref().unwrap_err().cause,
        before[0].parsed.as_ref().unwrap_err().cause
    );
    site.mend(&|t| {
        t.replace(
            "{ name = \"倉庫コード\", field = \"location\" }",
            "{ name = \"倉庫コード\", field = \"lot\" }",
        )
    });
    let again = site
        .source()
        .reread("stock", Some("zaiko-1.csv"), &before[0].raw, at(READ))
        .unwrap();
    assert_eq!(again.len(), 1, "lot W1 stands twice all the same");
    assert!(again[0].parsed.is_err());
}

#[tokio::test]
async fn what_cannot_be_read_again_says_what_to_do() {
    let site = site("japanese-3pl-utf8");
    let source = site.source();
    let why = |file: Option<&str>, raw: &[u8]| {
        source.reread("shipments", file, raw, at(READ)).unwrap_err()
    };
    for (file, raw, words) in [
        (None, &b"x\n"[..], "does not say in which file"),
        (
            Some("zaiko-1.csv"),
            b"x\n",
            "no pattern of the layout takes zaiko-1.csv",
        ),
        (
            Some("uketsuke-1.csv"),
            &vec![b'x'; 8 << 20],
            "move the archived file",
        ),
    ] {
        let error = why(file, raw);
        assert_eq!(error.class, ErrorClass::Config);
        assert!(error.message.contains(words), "{error}");
    }
    let upper = source
        .reread("shipments", Some("UKETSUKE-1.CSV"), b"", at(READ))
        .unwrap();
    assert_eq!(upper.len(), 1);
}
