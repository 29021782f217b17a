//! Files that are not as the layout says: read all the same, or told with what to do; never only in the log.

use hikiate_sdk::{Observed, Page};
use serde_json::json;

use crate::support::{Site, at, site, site_set, site_with};

const REPLY: &str = "出荷指示番号,受付結果,メッセージ,受付日時\n";
const SHIPPED: &str = "出荷指示番号,行番号,商品コード,出荷数量,配送業者,送り状番号,出荷日時\n";

fn good(page: &Page) -> usize {
    for record in &page.records {
        assert!(record.parsed.is_ok(), "{record:?}");
    }
    page.records.len()
}

#[tokio::test]
async fn a_file_without_a_final_line_end_is_read_once_it_is_still() {
    let site = site("japanese-3pl-utf8");
    let row = "HK1-S1,1,VE-2,1,ヤマト,910000000003,2026/11/28 07:44:07";
    let text = format!("{SHIPPED}{row}");
    site.put_at(
        "incoming/jisseki-1.csv",
        text.as_bytes(),
        "2026-11-28T00:00:00Z",
    );
    let mut cursor = None;
    for now in ["2026-11-28T00:00:30Z", "2026-11-28T00:05:29Z"] {
        let early = site.page_at("shipments", cursor.as_ref(), now).await;
        assert!(early.records.is_empty() && early.ack.is_none(), "{now}");
        cursor = Some(early.next);
    }
    let page = site
        .page_at("shipments", cursor.as_ref(), "2026-11-28T00:05:30Z")
        .await;
    assert_eq!(good(&page), 1);
    let Ok(Observed::Parcel(parcel)) = &page.records[0].parsed else {
        panic!("{page:?}")
    };
    assert_eq!(parcel.shipped_at, at("2026-11-27T22:44:07Z"));
    site.source()
        .acknowledge(page.ack.as_ref().unwrap())
        .await
        .unwrap();
    assert!(site.names("incoming").is_empty());
}

/// An external system whose clock is hours behind writes files that look old, and may still be writing them.
#[tokio::test]
async fn a_file_without_a_final_line_end_is_still_by_our_clock() {
    let site = site("japanese-3pl-utf8");
    let text = format!("{REPLY}HK1-S1,OK,,\nHK2-S1,O");
    let name = "incoming/uketsuke-1.csv";
    site.put_at(name, text.as_bytes(), "2026-11-27T15:00:00Z");
    let first = site
        .page_at("shipments", None, "2026-11-28T00:00:00Z")
        .await;
    assert!(first.records.is_empty(), "{first:?}");
    let text = format!("{text}K,,\nHK3-S1,OK,,");
    site.put_at(name, text.as_bytes(), "2026-11-27T15:04:00Z");
    let mut cursor = Some(first.next);
    for (now, records) in [
        ("2026-11-28T00:05:00Z", 0),
        ("2026-11-28T00:09:59Z", 0),
        ("2026-11-28T00:10:00Z", 3),
    ] {
        let page = site.page_at("shipments", cursor.as_ref(), now).await;
        assert_eq!(good(&page), records, "{now}");
        cursor = Some(page.next);
    }
}

#[tokio::test]
async fn how_long_is_a_key_and_what_waits_longer_is_told() {
    let keys = json!({ "unended_after": "1h" });
    let site = site_set("japanese-3pl-utf8", &str::to_owned, &keys);
    let text = format!("{REPLY}HK1-S1,OK,,");
    site.put_at(
        "incoming/uketsuke-1.csv",
        text.as_bytes(),
        "2026-11-28T00:00:00Z",
    );
    let met = site
        .page_at("shipments", None, "2026-11-28T00:00:00Z")
        .await;
    let page = site
        .page_at("shipments", Some(&met.next), "2026-11-28T00:59:59Z")
        .await;
    assert_eq!(
        page.waiting,
        [
            "uketsuke-1.csv: its last line has no line end, so it may be truncated: it is fetched as is once it has been unchanged for 1h"
        ]
    );
    let page = site
        .page_at("shipments", Some(&page.next), "2026-11-28T01:00:00Z")
        .await;
    assert_eq!((good(&page), page.waiting.len()), (1, 0));
}

#[tokio::test]
async fn without_a_time_it_counts_from_when_it_was_met() {
    let site = site("japanese-3pl-utf8");
    let text = format!("{REPLY}HK1-S1,OK,,");
    site.put_at(
        "incoming/uketsuke-1.csv",
        text.as_bytes(),
        "1970-01-01T00:00:00Z",
    );
    let mut cursor = None;
    for (now, records) in [
        ("2026-11-28T00:00:00Z", 0),
        ("2026-11-28T00:03:00Z", 0),
        ("2026-11-28T00:05:00Z", 1),
    ] {
        let page = site.page_at("shipments", cursor.as_ref(), now).await;
        assert_eq!(good(&page), records, "{now}");
        cursor = Some(page.next);
    }
}

/// Files before it take the page.
#[tokio::test]
async fn a_page_without_room_does_not_forget_when_a_file_was_met() {
    let keys = json!({ "budget": { "records": 10, "bytes": 100_000, "row_bytes": 1_024 } });
    let site = site_set("japanese-3pl-utf8", &str::to_owned, &keys);
    let text = format!("{REPLY}HK1-S1,OK,,");
    let made = "2026-11-28T00:00:00Z";
    site.put_at("incoming/uketsuke-2.csv", text.as_bytes(), made);
    let met = site.page_at("shipments", None, made).await;
    assert_eq!(good(&met), 0);
    let rows: String = (0..10).map(|n| format!("HK2{n}-S1,OK,,\n")).collect();
    let text = format!("{REPLY}{rows}");
    let earlier = "2026-11-27T00:00:00Z";
    site.put_at("incoming/uketsuke-1.csv", text.as_bytes(), earlier);
    let now = "2026-11-28T00:03:00Z";
    let full = site.page_at("shipments", Some(&met.next), now).await;
    assert_eq!((good(&full), full.more), (10, true));
    site.source().acknowledge(&full.ack.unwrap()).await.unwrap();
    let now = "2026-11-28T00:05:00Z";
    let page = site.page_at("shipments", Some(&full.next), now).await;
    assert_eq!(good(&page), 1, "five minutes after it was met");
}

#[tokio::test]
async fn an_empty_file_is_told_and_left() {
    let site = site("japanese-3pl-utf8");
    site.put_at("incoming/jisseki-empty.csv", b"", "2026-11-28T00:00:00Z");
    site.put_at("incoming/zaiko-empty.csv", b"", "2026-11-28T00:00:00Z");
    let early = site
        .page_at("shipments", None, "2026-11-28T00:04:00Z")
        .await;
    assert!(early.waiting.is_empty());
    let page = site
        .page_at("shipments", Some(&early.next), "2026-11-28T00:05:00Z")
        .await;
    assert!(page.records.is_empty() && page.ack.is_none());
    assert_eq!(
        page.waiting,
        [
            "jisseki-empty.csv: not fetched, it has 0 bytes: ask the sender to resend it, or move it out of the folder"
        ]
    );
    let stock = site.page_at("stock", None, "2026-11-28T00:05:00Z").await;
    assert_eq!(stock.waiting.len(), 1, "{:?}", stock.waiting);
    std::fs::remove_file(site.dir.path().join("incoming/jisseki-empty.csv")).unwrap();
    let page = site
        .page_at("shipments", Some(&page.next), "2026-11-28T00:06:00Z")
        .await;
    assert!(page.waiting.is_empty(), "it was moved away");
}

#[tokio::test]
async fn a_file_that_no_pattern_takes_is_told_once() {
    let site = site("japanese-3pl-utf8");
    site.put_at("incoming/jiseki-1.csv", b"x\n", "2026-11-28T00:00:00Z");
    site.put_at("incoming/.hidden", b"x\n", "2026-11-28T00:00:00Z");
    site.put_at("incoming/zaiko-1.csv.part", b"x\n", "2026-11-28T00:00:00Z");
    let page = site
        .page_at("shipments", None, "2026-11-28T00:04:59Z")
        .await;
    assert!(page.waiting.is_empty());
    let page = site
        .page_at("shipments", Some(&page.next), "2026-11-28T00:05:00Z")
        .await;
    assert_eq!(
        page.waiting,
        [
            "jiseki-1.csv: not fetched, no `files` pattern of the layout matches it: correct the layout, or move the file out of the folder"
        ]
    );
    let stock = site.page_at("stock", None, "2026-11-28T00:05:00Z").await;
    assert!(stock.waiting.is_empty(), "the other stream tells it");
}

#[tokio::test]
async fn names_that_cannot_be_used_are_told() {
    use std::os::unix::ffi::OsStrExt as _;
    let site = site("japanese-3pl-utf8");
    let name = std::ffi::OsStr::from_bytes(b"\x8d\xdd\x8c\xc9-1.csv");
    std::fs::write(site.dir.path().join("incoming").join(name), b"x\n").unwrap();
    let page = site
        .page_at("shipments", None, "2026-11-28T00:00:00Z")
        .await;
    assert_eq!(page.waiting.len(), 1);
    assert!(
        page.waiting[0].contains("-1.csv: not fetched, its name is not UTF-8"),
        "{:?}",
        page.waiting
    );
}

#[tokio::test]
async fn a_missing_trailer_and_a_missing_mark_are_told() {
    let late = "2026-11-28T00:05:00Z";
    let trailer = site_with("japanese-3pl-utf8", &|t| {
        t.replace("whole = \"stable\"", "whole = { trailer = \"END\" }")
    });
    let text = format!("{REPLY}HK1-S1,OK,,\n");
    trailer.put_at(
        "incoming/uketsuke-1.csv",
        text.as_bytes(),
        "2026-11-28T00:00:00Z",
    );
    let page = trailer.page_at("shipments", None, late).await;
    assert!(page.records.is_empty());
    assert!(
        page.waiting[0]
            .starts_with("uketsuke-1.csv: not fetched, its last row does not begin with \"END\"")
    );

    let marker = site_with("japanese-3pl-utf8", &|t| {
        t.replace("whole = \"stable\"", "whole = { marker = \".done\" }")
    });
    marker.put_at(
        "incoming/uketsuke-1.csv",
        text.as_bytes(),
        "2026-11-28T00:00:00Z",
    );
    marker.put_at("incoming/uketsuke-2.csv.done", b"", "2026-11-28T00:00:00Z");
    let page = marker.page_at("shipments", None, late).await;
    assert!(page.records.is_empty());
    assert_eq!(page.waiting.len(), 2, "{:?}", page.waiting);
    assert!(
        page.waiting[0].starts_with("uketsuke-1.csv: not fetched, uketsuke-1.csv.done is missing")
    );
    assert!(
        page.waiting[1].starts_with("uketsuke-2.csv.done: it is the marker file of uketsuke-2.csv")
    );
    marker.put_at(
        "incoming/UKETSUKE-2.CSV",
        text.as_bytes(),
        "2026-11-28T00:00:00Z",
    );
    marker.put_at("incoming/UKETSUKE-2.CSV.DONE", b"", "2026-11-28T00:00:00Z");
    let page = marker.page_at("shipments", Some(&page.next), late).await;
    assert_eq!(good(&page), 1);
    marker
        .source()
        .acknowledge(page.ack.as_ref().unwrap())
        .await
        .unwrap();
    assert_eq!(marker.names("archive").len(), 2);
}

async fn read(site: &Site, name: &str, bytes: &[u8]) -> Page {
    site.put_at(&format!("incoming/{name}"), bytes, "2026-11-28T00:00:00Z");
    site.page_at("shipments", None, "2026-11-28T00:01:00Z")
        .await
}

#[tokio::test]
async fn wide_characters_with_a_mark_are_read_under_any_layout() {
    for (layout, big) in [("japanese-3pl-cp932", false), ("japanese-3pl-utf8", true)] {
        let site = site(layout);
        let text = format!("{REPLY}HK1-S1,受付,住所不備𠮷,2026/11/28 08:00:00\r\n");
        let units = std::iter::once(0xFEFF).chain(text.encode_utf16());
        let bytes: Vec<u8> = units
            .flat_map(|u| {
                if big {
                    u.to_be_bytes()
                } else {
                    u.to_le_bytes()
                }
            })
            .collect();
        let page = read(&site, "uketsuke-1.csv", &bytes).await;
        let Ok(Observed::InstructionReply(reply)) = &page.records[0].parsed else {
            panic!("{page:?}")
        };
        assert_eq!(reply.message, "住所不備𠮷");
        assert_eq!(page.records.len(), 1);
    }
}

#[tokio::test]
async fn rows_of_separators_and_blanks_are_no_rows() {
    let site = site("japanese-3pl-utf8");
    let text = format!(
        "\n{REPLY},,,\n\"\",\"\",\"\",\"\"\n  , ,\u{3000},\nHK1-S1,OK,,\n,,,,,,,,,\n\n\u{1A}"
    );
    let page = read(&site, "uketsuke-1.csv", text.as_bytes()).await;
    assert_eq!(good(&page), 1);
}

#[tokio::test]
async fn names_and_headings_are_found_whatever_their_case_and_width() {
    let site = site_with("japanese-3pl-utf8", &|t| {
        t.replace(
            "name = \"出荷指示番号\", field = \"reference\"",
            "name = \"HK No.\", field = \"reference\"",
        )
    });
    let text = "メッセージ, ｈｋ　ＮＯ． ,受付 結果,受付日時\n,HK1-S1,OK,\n";
    let page = read(&site, "UKETSUKE-1.CSV", text.as_bytes()).await;
    assert_eq!(good(&page), 1);
    let twice = "hk no.,HKNO.,受付結果\nHK1-S1,HK2-S1,OK\n";
    let page = read(&site, "uketsuke-2.csv", twice.as_bytes()).await;
    let bad: Vec<_> = page
        .records
        .iter()
        .filter_map(|r| r.parsed.as_ref().err())
        .collect();
    assert_eq!(
        bad[0].reason,
        "uketsuke-2.csv: the header has the column \"HK No.\" twice"
    );
}

#[tokio::test]
async fn a_column_that_may_be_missing_is_blank_and_another_one_is_told() {
    let site = site("japanese-3pl-utf8");
    let text = "出荷指示番号,行番号,出荷数量,出荷日時\nHK1-S1,1,2,2026/11/27 18:00:00\n";
    let page = read(&site, "jisseki-1.csv", text.as_bytes()).await;
    assert_eq!(good(&page), 1);
    let text = "出荷指示番号,行番号,商品コード,配送業者,送り状番号,出荷日時\nHK1-S1,1,A,,,2026/11/27 18:00:00\n";
    let page = read(&site, "jisseki-2.csv", text.as_bytes()).await;
    let bad: Vec<_> = page
        .records
        .iter()
        .filter_map(|r| r.parsed.as_ref().err())
        .collect();
    assert_eq!(bad.len(), 1);
    assert_eq!(
        bad[0].reason,
        "jisseki-2.csv: the header has no column \"出荷数量\""
    );
    assert_eq!(
        bad[0].cause,
        "shipped: the header has no column \"出荷数量\""
    );
}

/// Read as absent, a number would never be told, a mismatch of codes not found, and an old count new.
#[tokio::test]
async fn a_column_that_seems_renamed_is_told_and_one_that_is_not_there_is_blank() {
    let shipped = "出荷指示番号,行番号,出荷数量,出荷日時";
    let reply = "出荷指示番号,受付結果";
    let stock = "商品コード,在庫数";
    let renamed = [
        ("jisseki-1.csv", shipped, "送り状番号", "送状番号"),
        ("jisseki-1.csv", shipped, "送り状番号", "送り状No."),
        ("jisseki-1.csv", shipped, "商品コード", "商品CD"),
        ("uketsuke-1.csv", reply, "受付日時", "受付日付"),
        ("zaiko-1.csv", stock, "集計日時", "集計日"),
        ("zaiko-1.csv", stock, "倉庫コード", "倉庫ＣＤ"),
    ];
    let other = [
        ("jisseki-1.csv", shipped, "", "商品名"),
        ("jisseki-1.csv", shipped, "", "旧商品コード"),
        ("uketsuke-1.csv", reply, "", "受注日時"),
        ("jisseki-1.csv", shipped, "", "荷主コード"),
        ("jisseki-1.csv", shipped, "", "送り状種別"),
        ("uketsuke-1.csv", reply, "", "備考"),
        ("zaiko-1.csv", stock, "", "荷主コード"),
        ("zaiko-1.csv", stock, "", "集計単位"),
    ];
    for (name, header, column, heading) in renamed.into_iter().chain(other) {
        let row = match header.split(',').count() {
            4 => "HK1-S1,1,2,2026/11/27 18:00:00",
            _ if name.starts_with("zaiko") => "A,5",
            _ => "HK1-S1,OK",
        };
        let file = format!("{header},{heading}\n{row},x\n");
        let site = site("japanese-3pl-utf8");
        site.put_at(
            &format!("incoming/{name}"),
            file.as_bytes(),
            "2026-11-28T00:00:00Z",
        );
        let stream = if name.starts_with("zaiko") {
            "stock"
        } else {
            "shipments"
        };
        let page = site.page_at(stream, None, "2026-11-28T00:01:00Z").await;
        if column.is_empty() {
            assert_eq!(good(&page), 1, "{heading}");
            continue;
        }
        let [record] = &page.records[..] else {
            panic!("{page:?}")
        };
        let bad = record.parsed.as_ref().unwrap_err();
        let words = format!("{name}: the header has no column {column:?} but has {heading:?}, ");
        assert!(bad.reason.starts_with(&words), "{}", bad.reason);
        assert_eq!(record.raw, file.as_bytes(), "all of the file is kept");
    }
}

/// A heading that the layout names is what the layout says that it is; so the file is read once the layout names it.
#[tokio::test]
async fn a_heading_that_the_layout_names_is_no_renamed_one() {
    let file = "出荷指示番号,行番号,出荷数量,送状番号,出荷日時\nHK1-S1,1,2,401234567893,2026/11/27 18:00:00\n";
    let number = async |text: &str| {
        let tracking = "{ name = \"送り状番号\", field = \"tracking\" }";
        let site = site_with("japanese-3pl-utf8", &|t| t.replace(tracking, text));
        let page = read(&site, "jisseki-1.csv", file.as_bytes()).await;
        assert_eq!(good(&page), 1, "{text}");
        let Ok(Observed::Parcel(parcel)) = &page.records[0].parsed else {
            panic!("{page:?}")
        };
        parcel.tracking.clone()
    };
    let right = number("{ name = \"送状番号\", field = \"tracking\" }").await;
    assert_eq!(right.as_deref(), Some("401234567893"));
    let unread = "{ name = \"送り状番号\", field = \"tracking\" }, { name = \"送状番号\" }";
    assert_eq!(number(unread).await, None);
}
