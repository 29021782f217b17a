//! Files that come in.

use hikiate_sdk::faulty::{Fault, FaultSeam as _, Target};
use hikiate_sdk::{
    CancelVerdict, Connector as _, ErrorClass, Observed, Page, ParcelLine, ReplyVerdict,
};

use crate::support::{at, cp932, now, site, site_set, site_with};

const REPLY: &str = "出荷指示番号,受付結果,メッセージ,受付日時\r\n";
const SHIPPED: &str = "出荷指示番号,行番号,商品コード,出荷数量,配送業者,送り状番号,出荷日時\r\n";

fn line(n: u32, quantity: u32, code: &str) -> ParcelLine {
    ParcelLine {
        n,
        quantity,
        code: Some(code.to_owned()),
    }
}

fn told(page: &Page) -> Vec<Result<Observed, String>> {
    page.records
        .iter()
        .map(|r| r.parsed.clone().map_err(|b| b.reason))
        .collect()
}

#[tokio::test]
async fn a_file_is_read_once_and_archived_after_it_was_stored() {
    let site = site("japanese-3pl-cp932");
    site.put(
        "incoming/uketsuke-1.csv",
        &cp932(&format!(
            "{REPLY}HK1-S1,受付,,2026/11/21 13:05:00\r\nHK2-S1,NG,住所不備 表,\r\n"
        )),
    );
    site.put("incoming/unrelated.csv", b"x");
    let page = site.page("shipments", None).await;
    let records = told(&page);
    let Ok(Observed::InstructionReply(first)) = &records[0] else {
        panic!("{records:?}")
    };
    assert_eq!(
        (first.reference.as_str(), first.verdict, first.at),
        (
            "HK1-S1",
            ReplyVerdict::Accepted,
            Some(at("2026-11-21T04:05:00Z"))
        )
    );
    let Ok(Observed::InstructionReply(second)) = &records[1] else {
        panic!("{records:?}")
    };
    assert_eq!(
        (second.verdict, second.message.as_str(), second.at),
        (ReplyVerdict::Rejected, "住所不備 表", None)
    );
    assert_eq!(
        page.records[1].raw,
        cp932(&format!("{REPLY}HK2-S1,NG,住所不備 表,\r\n")),
        "with its header, so that it can be read alone"
    );
    assert_eq!(
        page.records[1].file.as_ref().unwrap().name,
        "uketsuke-1.csv"
    );
    assert!(!page.more);

    // Stored, and then the process died before it acknowledged: the file is not told again, only archived.
    let again = site.page("shipments", Some(&page.next)).await;
    assert!(again.records.is_empty());
    assert_eq!(again.ack, page.ack);
    let ack = page.ack.unwrap();
    for _ in 0..2 {
        site.source().acknowledge(&ack).await.unwrap();
        assert_eq!(site.names("incoming"), ["unrelated.csv"]);
        assert_eq!(site.names("archive").len(), 1);
    }
    // A crash before the commit: the old cursor tells the same records again, and nothing was lost.
    let last = site.page("shipments", Some(&again.next)).await;
    assert!(last.records.is_empty() && last.ack.is_none());
    assert_eq!(
        last.next,
        serde_json::json!({ "v": 1, "seen": [], "still": [] })
    );
}

#[tokio::test]
async fn another_file_under_the_same_name_is_not_archived_unread() {
    let site = site("japanese-3pl-utf8");
    site.put(
        "incoming/zaiko-.csv",
        "商品コード,倉庫コード,在庫数,集計日時\r\nA-1,W1,5,2026/11/21 06:00:00\r\n".as_bytes(),
    );
    let page = site.page("stock", None).await;
    assert!(
        matches!(&told(&page)[0], Ok(Observed::Stock(s)) if s.quantity == 5 && s.location.as_deref() == Some("W1"))
    );
    site.put(
        "incoming/zaiko-.csv",
        "商品コード,倉庫コード,在庫数,集計日時\r\nA-1,W1,4,2026/11/21 07:00:00\r\n".as_bytes(),
    );
    site.source()
        .acknowledge(page.ack.as_ref().unwrap())
        .await
        .unwrap();
    assert_eq!(site.names("incoming"), ["zaiko-.csv"]);
    let page = site.page("stock", Some(&page.next)).await;
    assert!(matches!(&told(&page)[0], Ok(Observed::Stock(s)) if s.quantity == 4));
    site.source()
        .acknowledge(page.ack.as_ref().unwrap())
        .await
        .unwrap();
    // The same content once more, as an external system does that delivers twice.
    site.put(
        "incoming/zaiko-.csv",
        "商品コード,倉庫コード,在庫数,集計日時\r\nA-1,W1,4,2026/11/21 07:00:00\r\n".as_bytes(),
    );
    let again = site.page("stock", Some(&page.next)).await;
    site.source()
        .acknowledge(again.ack.as_ref().unwrap())
        .await
        .unwrap();
    assert_eq!(
        site.names("archive").len(),
        2,
        "{:?}",
        site.names("archive")
    );
    assert!(site.names("incoming").is_empty());
}

#[tokio::test]
async fn bad_rows_are_told_with_their_place_and_the_others_go_on() {
    let site = site("japanese-3pl-cp932");
    let rows = "HK1-S1,OK,,\r\nHK2-S1,たぶん,,\r\nHK3-S1,OK\r\n,OK,,\r\n\"HK4-S1,OK,,\r\nHK5-S1,OK,,昨日\r\nHK6-S1,OK,,\r\n";
    site.put("incoming/uketsuke-2.csv", &cp932(&format!("{REPLY}{rows}")));
    let page = site.page("shipments", None).await;
    let reasons: Vec<_> = told(&page)
        .into_iter()
        .map(|r| r.err().unwrap_or_default())
        .collect();
    assert_eq!(
        reasons,
        [
            "",
            "uketsuke-2.csv row 3, column 受付結果: “たぶん” is not one of the layout's verdicts: OK, 受付, 1, NG, 拒否, 9",
            "uketsuke-2.csv row 4: has 2 cells, not 4",
            "uketsuke-2.csv row 5, column 出荷指示番号: is blank",
            "uketsuke-2.csv row 6: has an opening quote that is never closed",
            "uketsuke-2.csv row 7, column 受付日時: “昨日” does not match the time format \"%Y/%m/%d %H:%M:%S\"",
            "",
        ]
    );
    assert_eq!(
        page.records[4].raw,
        cp932(&format!("{REPLY}\"HK4-S1,OK,,\r\n"))
    );
    let cause = |n: usize| page.records[n].parsed.as_ref().unwrap_err().cause.clone();
    assert_eq!(
        (cause(1), cause(2)),
        (
            "reply, column 受付結果: “たぶん” is not one of the layout's verdicts: OK, 受付, 1, NG, 拒否, 9".to_owned(),
            "reply: has more or fewer cells than its file has columns".to_owned()
        )
    );
    assert_eq!(
        page.records[1]
            .parsed
            .as_ref()
            .unwrap_err()
            .external_id
            .as_ref()
            .unwrap()
            .as_str(),
        "HK2-S1"
    );
}

#[tokio::test]
async fn rows_of_one_parcel_are_one_report_and_a_bad_one_stands_for_itself() {
    let site = site("japanese-3pl-utf8");
    let rows = [
        "HK1-S1,1,A-1,2,ヤマト運輸,111122223333,2026/11/21 18:00:00",
        "HK2-S1,1,A-1,1,ヤマト運輸,444455556666,2026/11/21 18:00:00",
        "HK1-S1,2,B-2,1,ヤマト運輸,111122223333,2026/11/21 18:30:00",
        "HK1-S1,2,B-2,3,ヤマト運輸,999900001111,2026/11/21 18:30:00",
        "HK2-S1,2,B-2,,ヤマト運輸,444455556666,2026/11/21 18:00:00",
        "HK3-S1,1,A-1,0,,,2026/11/21 18:00:00",
        "HK4-S1,1,A-1,4294967295,,,2026/11/21 18:00:00",
        "HK4-S1,1,A-1,1,,,2026/11/21 18:00:00",
        "HK5-S1,1,A-1,１,,,2026/11/21 18:00:00",
    ];
    site.put(
        "incoming/jisseki-1.csv",
        format!("\u{FEFF}{SHIPPED}{}\n", rows.join("\n")).as_bytes(),
    );
    let page = site.page("shipments", None).await;
    let records = told(&page);
    assert_eq!(records.len(), 7);
    let Ok(Observed::Parcel(first)) = &records[0] else {
        panic!("{records:?}")
    };
    assert_eq!(first.lines(), [line(1, 2, "A-1"), line(2, 1, "B-2")]);
    assert_eq!(
        (
            first.key.as_str(),
            first.carrier.as_deref(),
            first.shipped_at
        ),
        (
            "111122223333",
            Some("ヤマト運輸"),
            at("2026-11-21T09:30:00Z")
        )
    );
    assert_eq!(
        page.records[0].raw,
        format!("{SHIPPED}{}\n{}\n", rows[0], rows[2]).as_bytes()
    );
    assert!(
        matches!(&records[1], Ok(Observed::Parcel(p)) if p.lines() == [line(1, 1, "A-1")]),
        "what could be read of the parcel has left"
    );
    assert!(matches!(&records[2], Ok(Observed::Parcel(p)) if p.lines() == [line(2, 3, "B-2")]));
    assert_eq!(
        records[3].as_ref().unwrap_err(),
        "jisseki-1.csv row 6, column 出荷数量: is blank"
    );
    assert_eq!(
        page.records[3].raw,
        format!("{SHIPPED}{}\n", rows[4]).as_bytes()
    );
    assert!(
        matches!(&records[4], Ok(Observed::Parcel(p)) if p.lines() == [line(1, 0, "A-1")]),
        "it may correct what was told before"
    );
    assert_eq!(
        records[5].as_ref().unwrap_err(),
        "jisseki-1.csv row 9, column 出荷数量: is out of range"
    );
    assert!(
        matches!(&records[6], Ok(Observed::Parcel(p)) if p.lines() == [line(1, 1, "A-1")]),
        "full width"
    );
}

/// Numbers as people type them and spreadsheets write them: what is none, or not certainly one, is never told as one.
#[tokio::test]
async fn a_tracking_number_is_a_number_none_or_a_bad_row() {
    let site = site("japanese-3pl-utf8");
    let cells = [
        "'401234567890",
        "\"=\"\"401234567891\"\"\"",
        "４０１２－３４５６－７８９２",
        "ヤマト 4012-3456-7893",
        "-",
        "未定",
        "なし",
        "0",
        "",
        "4.01235E+11",
        "\"401234567890, 401234567901\"",
        "401234567899",
    ];
    let rows = cells
        .iter()
        .enumerate()
        .map(|(n, cell)| format!("HK{n}-S1,1,A-1,1,ヤマト運輸,{cell},2026/11/21 18:00:00\n"));
    let rows: String = rows.collect();
    // The same number, once with a mark and once without, is one parcel.
    let rows = format!("{rows}HK0-S1,2,B-2,1,ヤマト運輸,401234567890,2026/11/21 18:00:00\n");
    site.put(
        "incoming/jisseki-1.csv",
        format!("{SHIPPED}{rows}").as_bytes(),
    );
    let page = site.page("shipments", None).await;
    let read: Vec<_> = told(&page)
        .into_iter()
        .map(|record| match record {
            Ok(Observed::Parcel(parcel)) => Ok((parcel.key, parcel.tracking)),
            Ok(other) => panic!("{other:?}"),
            Err(why) => Err(why),
        })
        .collect();
    assert_eq!(read.len(), cells.len());
    let numbers = [
        "401234567890",
        "401234567891",
        "4012-3456-7892",
        "4012-3456-7893",
    ];
    for (at, number) in numbers.into_iter().enumerate() {
        let key = number.replace('-', "");
        assert_eq!(read[at], Ok((key, Some(number.to_owned()))));
    }
    for record in &read[4..8] {
        let told = record.as_ref().unwrap();
        assert_eq!(
            told,
            &("left 2026/11/21 18:00:00".to_owned(), Some("-".to_owned()))
        );
    }
    assert_eq!(read[8].as_ref().unwrap().1, None, "blank: it has none");
    let rounded = read[9].as_ref().unwrap_err();
    assert!(
        rounded.contains(
            "row 11, column 送り状番号: “4.01235E+11” is a number that a spreadsheet has rounded"
        ),
        "{rounded}"
    );
    let two = read[10].as_ref().unwrap();
    assert_eq!(two.0, "401234567890", "the first names the parcel");
    let Ok(Observed::Parcel(parcel)) = &told(&page)[10] else {
        panic!("{:?}", page.records[10])
    };
    assert_eq!(parcel.also, ["401234567901"]);
    assert!(read[11].is_ok(), "its neighbours go on");
    let Ok(Observed::Parcel(first)) = &told(&page)[0] else {
        panic!("{:?}", page.records[0])
    };
    assert_eq!(first.lines().len(), 2);
}

#[tokio::test]
async fn cancel_replies_and_stock_are_understood() {
    let site = site("japanese-3pl-cp932");
    site.put("incoming/torikeshi-1.csv", &cp932("出荷指示番号,取消結果,メッセージ,回答日時,備考\r\nHK1-S1,取消済,,,x\r\nHK2-S1,取消不可,,,\r\nHK3-S1,出荷済,,,\r\n"));
    let page = site.page("shipments", None).await;
    let verdicts: Vec<_> = told(&page)
        .into_iter()
        .map(|r| {
            if let Ok(Observed::CancelReply(c)) = r {
                c.verdict
            } else {
                panic!("{r:?}")
            }
        })
        .collect();
    assert_eq!(
        verdicts,
        [
            CancelVerdict::Accepted,
            CancelVerdict::Declined,
            CancelVerdict::TooLate
        ]
    );
    site.put(
        "incoming/zaiko-1.csv",
        &cp932("商品コード,倉庫コード,在庫数,集計日時\r\nA-1,,-3,\r\nB-2,,,\r\n"),
    );
    let stock = told(&site.page("stock", None).await);
    assert!(
        matches!(&stock[0], Ok(Observed::Stock(s)) if s.quantity == -3 && s.as_of.is_some() && s.location.is_none())
    );
    assert_eq!(
        stock[1].as_ref().unwrap_err(),
        "zaiko-1.csv row 3, column 在庫数: is blank"
    );
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_told_whole_and_the_next_goes_on() {
    let site = site("japanese-3pl-cp932");
    let mut broken = cp932(REPLY);
    broken.extend([0xFF, b'\r', b'\n']);
    site.put("incoming/uketsuke-1.csv", &broken);
    site.put(
        "incoming/uketsuke-2.csv",
        &cp932("番号,結果\r\nHK1-S1,OK\r\n"),
    );
    site.put(
        "incoming/uketsuke-3.csv",
        &cp932(&format!("{REPLY}HK1-S1,OK,,\r\n")),
    );
    let page = site.page("shipments", None).await;
    let records = told(&page);
    assert_eq!(records.len(), 3);
    let (mut reasons, mut raws): (Vec<_>, Vec<_>) = (Vec::new(), Vec::new());
    for (record, told) in page.records.iter().zip(&records) {
        if let Err(reason) = told {
            reasons.push(reason.clone());
            raws.push(record.raw.clone());
        }
    }
    assert_eq!(raws[0], broken);
    assert!(
        reasons[0].starts_with("uketsuke-1.csv: byte ") && reasons[0].contains("is not CP932"),
        "{}",
        reasons[0]
    );
    let cause = &page.records[0].parsed.as_ref().unwrap_err().cause;
    assert_eq!(
        cause,
        "reply: a byte is not CP932; the layout's encoding may be wrong"
    );
    assert_eq!(
        reasons[1],
        "uketsuke-2.csv: the header has no column \"出荷指示番号\""
    );
    site.source()
        .acknowledge(page.ack.as_ref().unwrap())
        .await
        .unwrap();
    assert!(site.names("incoming").is_empty());
}

#[tokio::test]
async fn a_file_cut_short_waits_until_it_is_whole() {
    let site = site("japanese-3pl-utf8");
    let whole = format!("{REPLY}HK1-S1,OK,,\r\nHK2-S1,OK,,\r\n");
    site.put(
        "incoming/uketsuke-1.csv",
        &whole.as_bytes()[..whole.len() - 6],
    );
    let page = site.page("shipments", None).await;
    assert!(page.records.is_empty() && page.ack.is_none());
    site.put("incoming/uketsuke-1.csv", whole.as_bytes());
    site.faults.inject(Target::Read, Fault::Truncated);
    let page = site.page("shipments", Some(&page.next)).await;
    assert!(page.records.is_empty(), "half a read is not a file");
    site.faults.hide_last_file();
    let page = site.page("shipments", Some(&page.next)).await;
    assert!(page.records.is_empty());
    assert_eq!(
        site.page("shipments", Some(&page.next)).await.records.len(),
        2
    );
}

/// The clock stands while anybody works: the writer comes between the two looks, whatever they take.
#[tokio::test(start_paused = true)]
async fn a_growing_file_is_seen_by_the_second_look() {
    let site = site("japanese-3pl-utf8");
    let settings =
        serde_json::json!({ "folder": ".", "layout": "layout.toml", "stable_for": "300ms" });
    let (account, _) = crate::support::build(site.dir.path(), &settings).unwrap();
    site.put(
        "incoming/uketsuke-1.csv",
        format!("{REPLY}HK1-S1,OK,,\r\n").as_bytes(),
    );
    let path = site.dir.path().join("incoming/uketsuke-1.csv");
    let writer = tokio::spawn(async move {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        std::fs::write(path, format!("{REPLY}HK1-S1,OK,,\r\nHK2-S1,OK,,\r\n")).unwrap();
    });
    let source = hikiate_sdk::Connector::source(&account).unwrap();
    let page = source
        .page("shipments", None, hikiate_sdk::Here::at(now()))
        .await
        .unwrap();
    writer.await.unwrap();
    assert!(page.records.is_empty());
    assert_eq!(
        source
            .page("shipments", Some(&page.next), hikiate_sdk::Here::at(now()))
            .await
            .unwrap()
            .records
            .len(),
        2
    );
}

#[tokio::test]
async fn trailers_and_markers_say_when_a_file_is_whole() {
    let trailer = site_with("japanese-3pl-utf8", &|t| {
        t.replace("whole = \"stable\"", "whole = { trailer = \"END\" }")
    });
    trailer.put(
        "incoming/uketsuke-1.csv",
        format!("{REPLY}HK1-S1,OK,,\r\n").as_bytes(),
    );
    assert!(trailer.page("shipments", None).await.records.is_empty());
    trailer.put(
        "incoming/uketsuke-1.csv",
        format!("{REPLY}HK1-S1,OK,,\r\nEND,1").as_bytes(),
    );
    assert_eq!(told(&trailer.page("shipments", None).await).len(), 1);

    let marker = site_with("japanese-3pl-utf8", &|t| {
        t.replace("whole = \"stable\"", "whole = { marker = \".done\" }")
            .replace("\"uketsuke-*.csv\"", "\"uketsuke-*\"")
    });
    marker.put(
        "incoming/uketsuke-1.csv",
        format!("{REPLY}HK1-S1,OK,,").as_bytes(),
    );
    assert!(marker.page("shipments", None).await.records.is_empty());
    marker.put("incoming/uketsuke-1.csv.done", b"");
    let page = marker.page("shipments", None).await;
    assert_eq!(told(&page).len(), 1);
    marker
        .source()
        .acknowledge(page.ack.as_ref().unwrap())
        .await
        .unwrap();
    assert!(marker.names("incoming").is_empty());
    assert_eq!(marker.names("archive").len(), 2);
}

#[tokio::test]
async fn files_without_header_are_read_by_position() {
    let site = site_with("japanese-3pl-utf8", &|t| {
        t.replace("header = true", "header = false")
    });
    site.put(
        "incoming/uketsuke-1.csv",
        "HK1-S1,OK,,,余分\nHK2-S1,OK\n".as_bytes(),
    );
    let records = told(&site.page("shipments", None).await);
    assert!(records[0].is_ok());
    assert_eq!(
        records[1].as_ref().unwrap_err(),
        "uketsuke-1.csv row 2: has 2 cells, not 4"
    );
}

#[tokio::test]
async fn many_files_come_in_pages_oldest_first() {
    let site = site("japanese-3pl-utf8");
    let filler = ",,,\r\n".repeat(140_000);
    for n in 1..=4 {
        site.put_at(
            &format!("incoming/uketsuke-{n}.csv"),
            format!("{REPLY}HK{n}-S1,OK,,\r\n{filler}").as_bytes(),
            &format!("2026-11-20T00:00:0{n}Z"),
        );
    }
    let (mut cursor, mut seen) = (None, Vec::new());
    loop {
        let page = site.page("shipments", cursor.as_ref()).await;
        for record in told(&page) {
            let Ok(Observed::InstructionReply(reply)) = record else {
                panic!("bad")
            };
            seen.push(reply.reference.to_string());
        }
        // Half of the acknowledgements are lost.
        if seen.len() == 2 {
            site.faults.inject(Target::Write, Fault::NotSent);
        }
        if let Some(ack) = &page.ack {
            let _ = site.source().acknowledge(ack).await;
        }
        cursor = Some(page.next);
        if !page.more {
            break;
        }
    }
    assert_eq!(seen, ["HK1-S1", "HK2-S1", "HK3-S1", "HK4-S1"]);
    let page = site.page("shipments", cursor.as_ref()).await;
    assert!(page.records.is_empty());
    if let Some(ack) = &page.ack {
        site.source().acknowledge(ack).await.unwrap();
    }
    assert!(site.names("incoming").is_empty());
    assert_eq!(site.names("archive").len(), 4);
}

#[tokio::test]
async fn a_lost_answer_of_the_archive_is_no_error() {
    let site = site("japanese-3pl-utf8");
    site.put(
        "incoming/uketsuke-1.csv",
        format!("{REPLY}HK1-S1,OK,,\r\n").as_bytes(),
    );
    let page = site.page("shipments", None).await;
    site.faults.inject(Target::Write, Fault::LostReply);
    site.source()
        .acknowledge(page.ack.as_ref().unwrap())
        .await
        .unwrap();
    assert_eq!(
        (site.names("incoming").len(), site.names("archive").len()),
        (0, 1)
    );
}

#[tokio::test]
async fn what_is_not_there_is_an_error_of_its_class() {
    let site = site("japanese-3pl-utf8");
    assert_eq!(
        site.source()
            .page("orders", None, hikiate_sdk::Here::at(now()))
            .await
            .unwrap_err()
            .class,
        ErrorClass::Config
    );
    assert_eq!(
        site.source()
            .page(
                "stock",
                Some(&serde_json::json!(7)),
                hikiate_sdk::Here::at(now())
            )
            .await
            .unwrap_err()
            .class,
        ErrorClass::Protocol
    );
    assert_eq!(
        site.source()
            .read(hikiate_sdk::Kind::Order, &[])
            .await
            .unwrap_err()
            .class,
        ErrorClass::Config
    );
    std::fs::remove_dir(site.dir.path().join("incoming")).unwrap();
    assert_eq!(
        site.source()
            .page("stock", None, hikiate_sdk::Here::at(now()))
            .await
            .unwrap_err()
            .class,
        ErrorClass::Transient
    );
}

#[tokio::test]
async fn a_marker_without_its_file_does_not_stay() {
    let site = site_with("japanese-3pl-utf8", &|t| {
        t.replace("whole = \"stable\"", "whole = { marker = \".done\" }")
    });
    site.put(
        "incoming/uketsuke-1.csv",
        format!("{REPLY}HK1-S1,OK,,\r\n").as_bytes(),
    );
    site.put("incoming/uketsuke-1.csv.done", b"");
    let page = site.page("shipments", None).await;
    std::fs::remove_file(site.dir.path().join("incoming/uketsuke-1.csv")).unwrap();
    site.source()
        .acknowledge(page.ack.as_ref().unwrap())
        .await
        .unwrap();
    assert!(site.names("incoming").is_empty());
}

#[tokio::test]
async fn what_was_archived_is_read_again_after_a_rewind() {
    let site = site("japanese-3pl-utf8");
    let long_ago = at("2020-01-01T00:00:00Z");
    let fresh = site.source().rewind("shipments", None, long_ago);
    let none = site.page("shipments", fresh.as_ref()).await;
    assert!(none.records.is_empty() && none.more, "no archive yet");
    for n in 1..=3 {
        let row = format!("{REPLY}HK{n}-S1,受付,,2026/11/21 13:05:00\r\n");
        site.put(&format!("incoming/uketsuke-{n}.csv"), row.as_bytes());
    }
    let page = site.page("shipments", Some(&none.next)).await;
    assert_eq!((told(&page).len(), page.more), (3, false));
    let ack = page.ack.clone().unwrap();
    site.source().acknowledge(&ack).await.unwrap();
    site.put("archive/uketsuke-by-hand.csv", b"x");
    assert!(site.names("incoming").is_empty());

    let account = site.account.with_page_bytes(1);
    let source = hikiate_sdk::Connector::source(&account).unwrap();
    let mut cursor = source.rewind("shipments", Some(&page.next), long_ago);
    let mut again = Vec::new();
    loop {
        let page = source
            .page("shipments", cursor.as_ref(), hikiate_sdk::Here::at(now()))
            .await
            .unwrap();
        assert!(page.ack.is_none(), "it is archived already");
        again.extend(told(&page));
        cursor = Some(page.next);
        if !page.more {
            break;
        }
    }
    let mut expected = told(&Page { ack: None, ..page });
    let key = |record: &Result<Observed, String>| format!("{record:?}");
    again.sort_by_key(key);
    expected.sort_by_key(key);
    assert_eq!(again, expected, "page by page, each once");
    let later: chrono::DateTime<chrono::Utc> = "2999-01-01T00:00:00Z".parse().unwrap();
    let cursor = source.rewind("shipments", cursor.as_ref(), later);
    let page = source
        .page("shipments", cursor.as_ref(), hikiate_sdk::Here::at(now()))
        .await
        .unwrap();
    assert!(page.records.is_empty(), "nothing came since then");
}

#[tokio::test]
async fn archived_files_go_after_their_time_and_nothing_else_does() {
    let keys = serde_json::json!({ "archive_for": "30d" });
    let site = site_set("japanese-3pl-utf8", &|text| text.to_owned(), &keys);
    assert_eq!(
        site.source().clear_old(now(), &[]).await.unwrap(),
        0,
        "no archive"
    );
    site.put(
        "incoming/uketsuke-1.csv",
        format!("{REPLY}HK1-S1,受付,,\r\n").as_bytes(),
    );
    let page = site.page("shipments", None).await;
    site.source()
        .acknowledge(page.ack.as_ref().unwrap())
        .await
        .unwrap();
    site.put("archive/by-hand.csv", b"x");
    let days = chrono::TimeDelta::days;
    let early = now() + days(29);
    assert_eq!(site.source().clear_old(early, &[]).await.unwrap(), 0);
    assert_eq!(site.names("archive").len(), 2);
    let late = now() + days(31);
    assert_eq!(site.source().clear_old(late, &[]).await.unwrap(), 1);
    assert_eq!(site.names("archive"), ["by-hand.csv"]);
    assert_eq!(site.source().clear_old(late, &[]).await.unwrap(), 0);
    let kept = site.account.keeps();
    assert!(kept[0].contains("deleted 30d after"), "{kept:?}");
    assert!(kept[1].contains("outgoing hold names"), "{kept:?}");
}

/// One that cannot be removed keeps none behind it, and is tried again.
#[tokio::test]
async fn an_archived_file_that_cannot_be_removed_holds_up_no_other() {
    let keys = serde_json::json!({ "archive_for": "30d" });
    let site = site_set("japanese-3pl-utf8", &|text| text.to_owned(), &keys);
    for n in 1..=3 {
        site.put(
            &format!("incoming/uketsuke-{n}.csv"),
            format!("{REPLY}HK{n}-S1,受付,,\r\n").as_bytes(),
        );
    }
    let page = site.page("shipments", None).await;
    site.source()
        .acknowledge(page.ack.as_ref().unwrap())
        .await
        .unwrap();
    let archived = site.names("archive").len();
    let late = now() + chrono::TimeDelta::days(31);
    site.faults.inject(Target::Write, Fault::NotSent);
    assert_eq!(
        site.source().clear_old(late, &[]).await.unwrap(),
        archived - 1
    );
    site.faults.inject(Target::Write, Fault::NotSent);
    let error = site.source().clear_old(late, &[]).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Transient);
    assert_eq!(site.source().clear_old(late, &[]).await.unwrap(), 1);
}

/// Without the key nothing is deleted, and that is told.
#[tokio::test]
async fn an_archive_without_a_time_is_kept_for_ever() {
    let site = site("japanese-3pl-utf8");
    site.put(
        "incoming/uketsuke-1.csv",
        format!("{REPLY}HK1-S1,受付,,\r\n").as_bytes(),
    );
    let page = site.page("shipments", None).await;
    site.source()
        .acknowledge(page.ack.as_ref().unwrap())
        .await
        .unwrap();
    let late = now() + chrono::TimeDelta::days(10_000);
    assert_eq!(site.source().clear_old(late, &[]).await.unwrap(), 0);
    assert_eq!(site.names("archive").len(), 1);
    let kept = site.account.keeps();
    assert!(kept[0].contains("for ever: set archive_for"), "{kept:?}");
}
