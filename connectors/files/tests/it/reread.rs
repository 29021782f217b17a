//! Bad records read again from their stored bytes, once the layout was mended.

use hikiate_sdk::{ErrorClass, Observed, Record};

use crate::support::{at, kept, site, site_with};

const SHIPPED: &str = "出荷指示番号,行番号,商品コード,出荷数量,配送業者,送り状番号,出荷日時\n";
const STOCK: &str = "商品コード,倉庫コード,在庫数,集計日時\n";
const READ: &str = "2026-11-28T00:30:00Z";

#[tokio::test]
async fn a_bad_row_is_read_from_its_bytes_as_from_its_file() {
    for layout in ["japanese-3pl-utf8", "japanese-3pl-cp932"] {
        let mut site = site_with(layout, &|t| {
            t.replace(
                "field = \"shipped_at\", format = \"%Y/%m/%d %H:%M:%S\"",
                "field = \"shipped_at\", format = \"%Y-%m-%d %H:%M:%S\"",
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
                    .reread("shipments", record.file.as_ref(), &record.raw)
                    .unwrap(),
            );
        }
        let parsed =
            |records: &[Record]| records.iter().map(|r| r.parsed.clone()).collect::<Vec<_>>();
        assert_eq!(
            parsed(&again),
            parsed(&fresh),
            "{layout}: told by the same file, and of the same row"
        );
        assert_eq!(again.iter().filter(|r| r.parsed.is_ok()).count(), 2);
        let stood = |records: &[Record]| -> Vec<_> {
            let stood = records.iter().map(|r| (r.raw.clone(), r.file.clone()));
            stood.collect()
        };
        assert_eq!(stood(&again), stood(&fresh), "and is the same record");
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
    let file = before[0].file.as_ref();
    let again = site
        .source()
        .reread("shipments", file, &before[0].raw)
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
        .reread("stock", before[0].file.as_ref(), &before[0].raw)
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
        .reread("stock", before[0].file.as_ref(), &before[0].raw)
        .unwrap();
    assert_eq!(again.len(), 1, "lot W1 stands twice all the same");
    assert!(again[0].parsed.is_err());
}

#[tokio::test]
async fn what_cannot_be_read_again_says_what_to_do() {
    let site = site("japanese-3pl-utf8");
    let source = site.source();
    let why = |file: Option<&str>, raw: &[u8]| {
        let file = file.map(kept);
        let read = source.reread("shipments", file.as_ref(), raw);
        read.unwrap_err()
    };
    for (file, raw, words) in [
        (None, &b"x\n"[..], "does not name its file"),
        (
            Some("zaiko-1.csv"),
            b"x\n",
            "no `files` pattern of the layout matches zaiko-1.csv",
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
        .reread("shipments", Some(&kept("UKETSUKE-1.CSV")), b"")
        .unwrap();
    assert_eq!(upper.len(), 1);
}

#[tokio::test]
async fn boxes_of_a_day_without_a_time_stay_two_and_a_count_stays_of_its_file() {
    let mut site = site_with("japanese-3pl-utf8", &|t| {
        t.replace(
            "field = \"shipped_at\", format = \"%Y/%m/%d %H:%M:%S\"",
            "field = \"shipped_at\", format = \"%Y-%m-%d\"",
        )
    });
    for (name, number) in [("jisseki-1.csv", "1"), ("jisseki-2.csv", "2")] {
        let row = format!("HK1-S1,1,A,{number},,40123456789{number},2026/11/27\n");
        let text = format!("{SHIPPED}{row}");
        site.put_at(
            &format!("incoming/{name}"),
            text.as_bytes(),
            "2026-11-27T09:30:00Z",
        );
    }
    let count = format!("{STOCK}A,W1,x,\n");
    site.put_at(
        "incoming/zaiko-1.csv",
        count.as_bytes(),
        "2026-11-27T23:00:00Z",
    );
    let before = site.page_at("shipments", None, READ).await.records;
    let counts = site.page_at("stock", None, READ).await.records;
    assert!(before.iter().chain(&counts).all(|r| r.parsed.is_err()));
    site.mend(&|t| t.replace("%Y-%m-%d", "%Y/%m/%d"));
    let source = site.source();
    let mut told = Vec::new();
    for record in &before {
        let again = source.reread("shipments", record.file.as_ref(), &record.raw);
        let Ok(Observed::Parcel(report)) = again.unwrap().remove(0).parsed else {
            panic!("no parcel");
        };
        told.push(report.told.unwrap());
    }
    assert_ne!(told[0].file, told[1].file, "each of the file it stood in");
    assert!(told.iter().all(|t| t.at == at("2026-11-27T09:30:00Z")));
    let mended = String::from_utf8(counts[0].raw.clone())
        .unwrap()
        .replace(",x,", ",3,");
    let again = source.reread("stock", counts[0].file.as_ref(), mended.as_bytes());
    let again = again.unwrap().remove(0).parsed;
    let Ok(Observed::Stock(level)) = again else {
        panic!("{again:?}");
    };
    assert_eq!(
        level.as_of,
        Some(at("2026-11-27T22:55:00Z")),
        "as of its file"
    );
}

#[tokio::test]
async fn the_reason_of_a_record_that_was_read_again_names_the_row_of_its_file() {
    let site = site("japanese-3pl-utf8");
    let text = format!("{STOCK}A,W1,3,\nB,W1,1,\n\nA,W2,4,\nC,\"W\n1\",5,\nA,W1,x,\n");
    site.put_at("incoming/zaiko-1.csv", text.as_bytes(), READ);
    let before = site.page_at("stock", None, READ).await.records;
    let bad: Vec<_> = before.iter().filter(|r| r.parsed.is_err()).collect();
    assert!(!bad.is_empty());
    for record in bad {
        let again = site
            .source()
            .reread("stock", record.file.as_ref(), &record.raw);
        let again = again.unwrap();
        assert_eq!(again[0].parsed, record.parsed);
        assert_eq!(again[0].file, record.file, "and keeps it");
    }
    let a = before
        .iter()
        .find(|r| r.raw.ends_with(b"A,W1,x,\n"))
        .unwrap();
    let why = &a.parsed.as_ref().unwrap_err().reason;
    assert!(why.starts_with("zaiko-1.csv row 8, "), "{why}");
}
