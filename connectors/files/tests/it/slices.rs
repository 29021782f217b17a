//! Long files and long listings, read in slices; what comes of them is what a whole reading gives.

use hikiate_sdk::{Observed, Page, Record};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{Site, at, site, site_set};

const REPLY: &str = "出荷指示番号,受付結果,メッセージ,受付日時\n";
const SHIPPED: &str = "出荷指示番号,行番号,商品コード,出荷数量,配送業者,送り状番号,出荷日時\n";
const STOCK: &str = "商品コード,倉庫コード,在庫数,集計日時\n";
const WRITTEN: &str = "2026-11-28T00:00:00Z";
const READ: &str = "2026-11-28T00:30:00Z";

fn small(records: usize, bytes: usize) -> Value {
    json!({ "budget": { "records": records, "bytes": bytes, "row_bytes": 1_024 } })
}

fn sliced(keys: &Value) -> Site {
    site_set("japanese-3pl-utf8", &str::to_owned, keys)
}

/// Records without their order.
fn sorted(records: &[Record]) -> Vec<String> {
    let mut all: Vec<_> = records
        .iter()
        .map(|r| {
            format!(
                "{:?} {} {:?}",
                r.file,
                String::from_utf8_lossy(&r.raw),
                r.parsed
            )
        })
        .collect();
    all.sort();
    all
}

fn records(pages: &[Page]) -> Vec<Record> {
    pages.iter().flat_map(|p| p.records.clone()).collect()
}

/// What a file gives that is read whole.
async fn whole(stream: &str, name: &str, text: &str) -> Vec<Record> {
    let site = site("japanese-3pl-utf8");
    site.put_at(&format!("incoming/{name}"), text.as_bytes(), WRITTEN);
    let page = site.page_at(stream, None, READ).await;
    assert!(!page.more);
    page.records
}

#[tokio::test]
async fn a_long_file_comes_in_slices_and_is_archived_at_its_end() {
    let site = sliced(&small(10, 100_000));
    let rows: String = (0..95).map(|n| format!("HK{n}-S1,OK,,\n")).collect();
    let text = format!("{REPLY}{rows}");
    site.put_at("incoming/uketsuke-1.csv", text.as_bytes(), WRITTEN);
    site.put_at(
        "incoming/uketsuke-2.csv",
        format!("{REPLY}HK999-S1,OK,,\n").as_bytes(),
        READ,
    );
    let (mut cursor, mut all, mut pages) = (None, Vec::new(), 0);
    loop {
        let page = site.page_at("shipments", cursor.as_ref(), READ).await;
        assert!(page.records.len() <= 10);
        assert_eq!(
            page.ack.is_some(),
            pages >= 9,
            "only what was read to its end"
        );
        assert!(site.names("incoming").len() == 2 || pages > 9);
        if let Some(ack) = &page.ack {
            site.source().acknowledge(ack).await.unwrap();
        }
        let under_way = page.next.get("under_way");
        assert_eq!(under_way.is_some(), pages < 9, "{under_way:?}");
        all.extend(page.records);
        pages += 1;
        cursor = Some(page.next);
        if !page.more {
            break;
        }
    }
    assert_eq!((pages, all.len()), (11, 96));
    assert!(site.names("incoming").is_empty());
    let other = all.pop().unwrap();
    assert_eq!(other.file.as_ref().unwrap().name, "uketsuke-2.csv");
    assert_eq!(
        sorted(&all),
        sorted(&whole("shipments", "uketsuke-1.csv", &text).await)
    );
}

#[tokio::test]
async fn a_restart_between_two_slices_loses_and_repeats_nothing() {
    let mut site = sliced(&small(7, 100_000));
    let rows: String = (0..50)
        .map(|n| format!("HK{n}-S1,1,A,1,,40{n:010},2026/11/28 08:00:00\n"))
        .collect();
    let text = format!("{SHIPPED}{rows}");
    site.put_at("incoming/jisseki-1.csv", text.as_bytes(), WRITTEN);
    let (mut cursor, mut all) = (None, Vec::new());
    let mut minute = 30;
    loop {
        // A later page is read later; what is told is of the first reading.
        let now = format!("2026-11-28T00:{minute}:00Z");
        let page = site.page_at("shipments", cursor.as_ref(), &now).await;
        let again = site.page_at("shipments", cursor.as_ref(), &now).await;
        assert_eq!(
            sorted(&page.records),
            sorted(&again.records),
            "before it was stored"
        );
        all.extend(page.records);
        cursor = Some(page.next);
        minute += 1;
        site.restart();
        if !page.more {
            break;
        }
    }
    assert_eq!(
        sorted(&all),
        sorted(&whole("shipments", "jisseki-1.csv", &text).await)
    );
}

#[tokio::test]
async fn a_parcel_whose_rows_stand_apart_is_one_report() {
    let site = sliced(&small(5, 100_000));
    let row = |parcel: usize, line: usize| {
        format!("HK{parcel}-S1,{line},A-{line},1,,40{parcel:010},2026/11/28 08:00:00\n")
    };
    // Line by line over all parcels, so that no parcel's rows stand together.
    let rows: String = (1..=3)
        .flat_map(|line| (0..20).map(move |p| row(p, line)))
        .collect();
    let text = format!("{SHIPPED}{rows}");
    site.put_at("incoming/jisseki-1.csv", text.as_bytes(), WRITTEN);
    let (pages, _) = site.drain("shipments", None, READ).await;
    assert!(pages.iter().all(|p| p.records.len() <= 5) && pages.len() > 4);
    let all = records(&pages);
    assert_eq!(all.len(), 20);
    assert_eq!(
        sorted(&all),
        sorted(&whole("shipments", "jisseki-1.csv", &text).await)
    );
    assert!(matches!(&all[0].parsed, Ok(Observed::Parcel(p)) if p.lines().len() == 3));
}

#[tokio::test]
async fn an_item_that_stands_twice_far_apart_has_no_count() {
    let site = sliced(&small(5, 100_000));
    let mut rows: Vec<String> = (0..40).map(|n| format!("A-{n},W1,5,\n")).collect();
    rows.push("A-3,W1,9,\n".to_owned());
    rows.push("A-7,W2,x,\n".to_owned());
    let text = format!("{STOCK}{}", rows.concat());
    site.put_at("incoming/zaiko-1.csv", text.as_bytes(), WRITTEN);
    let (pages, _) = site.drain("stock", None, READ).await;
    let all = records(&pages);
    assert_eq!(
        sorted(&all),
        sorted(&whole("stock", "zaiko-1.csv", &text).await)
    );
    let bad: Vec<_> = all.iter().filter_map(|r| r.parsed.as_ref().err()).collect();
    let mut of: Vec<_> = bad
        .iter()
        .map(|b| b.external_id.as_ref().unwrap().as_str())
        .collect();
    of.sort_unstable();
    assert_eq!((of, all.len()), (vec!["A-3", "A-7"], 40));
}

#[tokio::test]
async fn more_than_a_thousand_bad_rows_are_one_record_and_the_good_ones_count() {
    for keys in [json!({}), small(100, 4_096)] {
        let site = sliced(&keys);
        let rows: String = (0..1_500)
            .map(|n| format!("HK{n}-S1,{},,\n", if n % 300 == 0 { "OK" } else { "?" }))
            .collect();
        let text = format!("{REPLY}{rows}");
        site.put_at("incoming/uketsuke-1.csv", text.as_bytes(), WRITTEN);
        let (pages, _) = site.drain("shipments", None, READ).await;
        let all = records(&pages);
        let bad: Vec<_> = all.iter().filter(|r| r.parsed.is_err()).collect();
        assert_eq!((bad.len(), all.len()), (1, 6));
        assert_eq!(bad[0].raw, text.as_bytes(), "all of it");
        let why = bad[0].parsed.as_ref().unwrap_err();
        assert_eq!(
            why.reason,
            "uketsuke-1.csv: 1495 rows cannot be parsed, the first: uketsuke-1.csv row 3, column 受付結果: “?” is not one of the layout's verdicts: OK, 受付, 1, NG, 拒否, 9"
        );
        assert_eq!(
            why.cause,
            "reply: column 受付結果: “?” is not one of the layout's verdicts: OK, 受付, 1, NG, 拒否, 9"
        );
        assert!(site.names("incoming").is_empty());
    }
}

#[tokio::test]
async fn a_thousand_bad_rows_are_a_thousand_records() {
    let site = site("japanese-3pl-utf8");
    let rows: String = (0..1_000).map(|n| format!("HK{n}-S1,?,,\n")).collect();
    site.put_at(
        "incoming/uketsuke-1.csv",
        format!("{REPLY}{rows}").as_bytes(),
        WRITTEN,
    );
    assert_eq!(
        site.page_at("shipments", None, READ).await.records.len(),
        1_000
    );
}

#[tokio::test]
async fn a_long_file_of_bad_rows_keeps_its_beginning_and_names_the_rest() {
    let site = site("japanese-3pl-utf8");
    let text = format!("{REPLY}{}HK1-S1,OK,,\n", "x\n".repeat(4_400_000));
    site.put_at("incoming/uketsuke-1.csv", text.as_bytes(), WRITTEN);
    let (pages, _) = site.drain("shipments", None, READ).await;
    let all = records(&pages);
    assert_eq!(all.len(), 2, "one for the file, one good row");
    assert_eq!(all[0].raw.len(), 8 << 20);
    assert_eq!(all[0].raw, &text.as_bytes()[..8 << 20]);
    let why = &all[0].parsed.as_ref().unwrap_err().reason;
    let kept = &site.names("archive")[0];
    assert!(kept.starts_with("uketsuke-1-20261128T003000Z-"), "{kept}");
    assert!(
        why.contains("4400000 rows") && why.contains(&format!("archive/{kept}")),
        "{why}"
    );
    let again = site
        .source()
        .reread("shipments", all[0].file.as_ref(), &all[0].raw);
    assert!(
        again
            .unwrap_err()
            .message
            .contains("move the archived file")
    );
}

#[tokio::test]
async fn a_row_that_is_too_long_is_bad_alone() {
    let site = sliced(&small(10_000, 1 << 20));
    let long = "x".repeat(2_000);
    let text = format!("{REPLY}HK1-S1,OK,,\nHK2-S1,OK,{long},\nHK3-S1,OK,,\n");
    site.put_at("incoming/uketsuke-1.csv", text.as_bytes(), WRITTEN);
    let page = site.page_at("shipments", None, READ).await;
    let why: Vec<_> = page
        .records
        .iter()
        .map(|r| r.parsed.clone().err().map(|b| b.reason))
        .collect();
    assert_eq!(
        why,
        [
            None,
            Some("uketsuke-1.csv row 3: is longer than 1024 bytes".to_owned()),
            None
        ]
    );
    assert!(page.records[1].raw.len() < 1_200);
    let again = site
        .source()
        .reread(
            "shipments",
            page.records[1].file.as_ref(),
            &page.records[1].raw,
        )
        .unwrap();
    assert!(again[0].parsed.is_err());
}

#[tokio::test]
async fn a_file_that_is_changed_under_way_is_told_and_read_anew() {
    let site = sliced(&small(10, 100_000));
    let rows: String = (0..30).map(|n| format!("HK{n}-S1,OK,,\n")).collect();
    site.put_at(
        "incoming/uketsuke-1.csv",
        format!("{REPLY}{rows}").as_bytes(),
        WRITTEN,
    );
    let first = site.page_at("shipments", None, READ).await;
    assert_eq!(first.records.len(), 10);
    let other: String = (0..30)
        .map(|n| format!("HK{}-S1,OK,,\n", n + 100))
        .collect();
    site.put_at(
        "incoming/uketsuke-1.csv",
        format!("{REPLY}{other}").as_bytes(),
        READ,
    );
    let (pages, _) = site.drain("shipments", Some(first.next), READ).await;
    let all = records(&pages);
    let bad: Vec<_> = all.iter().filter_map(|r| r.parsed.as_ref().err()).collect();
    assert_eq!(bad.len(), 1);
    assert_eq!(
        bad[0].reason,
        "uketsuke-1.csv: was changed or removed from incoming while it was being read, after row 12: ask the sender to resend it in full"
    );
    assert_eq!(all.len(), 31, "the new one is read whole");
    // Read again from its bytes, which are our own words, it says the same, and why it says no more.
    let lost = all.iter().find(|r| r.parsed.is_err()).unwrap();
    let source = site.source();
    let again = source.reread("shipments", lost.file.as_ref(), &lost.raw);
    let again = again.unwrap();
    let still = again[0].parsed.as_ref().unwrap_err();
    assert_eq!(
        still.reason,
        format!(
            "{}; the rest of the file was never fetched, so this cannot be retried: dismiss it once the complete file has arrived",
            bad[0].reason
        )
    );
    assert_eq!((&again[0].raw, &still.cause), (&lost.raw, &bad[0].cause));
}

#[tokio::test]
async fn a_list_of_all_stock_says_so_on_each_of_its_pages() {
    let zero = |t: &str| t.replace("[stock]\n", "[stock]\nabsent = \"zero\"\n");
    let site = site_set("japanese-3pl-utf8", &zero, &small(10, 100_000));
    let rows: String = (0..25)
        .map(|n| format!("A-{n},W1,5,2026/11/28 0{}:00:00\n", n % 2 + 7))
        .collect();
    let text = format!("{STOCK}{rows}A-3,W2,1,2026/11/28 07:00:00\n");
    site.put_at("incoming/zaiko-1.csv", text.as_bytes(), WRITTEN);
    site.put_at(
        "incoming/zaiko-2.csv",
        format!("{STOCK}A-1,W1,x,\nA-2,W1,3,\n").as_bytes(),
        READ,
    );
    site.put_at(
        "incoming/zaiko-3.csv",
        format!("{STOCK},W1,3,\nA-2,W1,3,\n").as_bytes(),
        READ,
    );
    site.put_at("incoming/zaiko-4.csv", STOCK.as_bytes(), READ);
    let (pages, _) = site.drain("stock", None, READ).await;
    let told: Vec<_> = pages
        .iter()
        .map(|p| {
            let list = p.listing.as_ref();
            (
                p.records.len(),
                list.map(|l| (l.name.as_str(), l.places.values().sum::<u32>(), l.last)),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (10, Some(("zaiko-1.csv", 26, false))),
            (10, Some(("zaiko-1.csv", 26, false))),
            (6, Some(("zaiko-1.csv", 26, true))),
            (2, Some(("zaiko-2.csv", 1, true))),
            (2, None),
            (0, Some(("zaiko-4.csv", 0, true))),
        ],
        "nobody knows what a list leaves out that has a row without a code"
    );
    let lists: Vec<_> = pages.iter().filter_map(|p| p.listing.as_ref()).collect();
    assert_eq!(
        lists[0].as_of,
        at("2026-11-27T23:55:00Z"),
        "of its file, less the lag, whatever its rows are of"
    );
    assert_eq!(lists[0].id, lists[2].id);
    assert_eq!(lists[4].as_of, at("2026-11-28T00:25:00Z"));
}

#[tokio::test]
async fn a_long_listing_is_looked_at_in_parts() {
    let keys = json!({ "budget": { "listing": 4 } });
    let site = sliced(&keys);
    for n in 0..10 {
        let changed = format!("2026-11-28T00:{n:02}:00Z");
        site.put_at(
            &format!("incoming/uketsuke-{n}.csv"),
            format!("{REPLY}HK{n}-S1,OK,,\n").as_bytes(),
            &changed,
        );
        site.put_at(&format!("incoming/nobody-{n}.csv"), b"x\n", &changed);
        site.put_at(
            &format!("incoming/zaiko-{n}.csv"),
            format!("{STOCK}A-{n},W1,1,\n").as_bytes(),
            &changed,
        );
    }
    let (pages, cursor) = site.drain("shipments", None, READ).await;
    let all = records(&pages);
    assert_eq!(all.len(), 10);
    let last = pages.last().unwrap();
    assert_eq!(last.waiting.len(), 10, "{:?}", last.waiting);
    assert_eq!(site.names("incoming").len(), 20);
    // The next round tells the same at each of its pages, so that no task ends and begins again.
    let (pages, cursor) = site.drain("shipments", Some(cursor), READ).await;
    assert!(
        pages.len() > 3
            && pages
                .iter()
                .all(|p| p.waiting.len() == 10 && p.records.is_empty())
    );
    let (pages, _) = site.drain("stock", None, READ).await;
    assert_eq!(records(&pages).len(), 10);
    // A file that was read and not archived is not read again, in whatever part it stands.
    site.put_at(
        "incoming/uketsuke-5.csv",
        format!("{REPLY}HK5-S1,OK,,\n").as_bytes(),
        "2026-11-28T00:05:00Z",
    );
    site.put_at(
        "incoming/uketsuke-9.csv",
        format!("{REPLY}HK9-S1,OK,,\n").as_bytes(),
        "2026-11-28T00:09:00Z",
    );
    let mut cursor = Some(cursor);
    let mut told = 0;
    for _ in 0..20 {
        let page = site.page_at("shipments", cursor.as_ref(), READ).await;
        told += page.records.len();
        cursor = Some(page.next);
    }
    assert_eq!(told, 2, "read again because it was gone, and then no more");
}

#[tokio::test]
async fn the_archive_is_read_again_in_slices_as_of_the_first_reading() {
    let mut site = sliced(&small(10, 100_000));
    let days = |t: &str| {
        t.replace(
            "field = \"shipped_at\", format = \"%Y/%m/%d %H:%M:%S\"",
            "field = \"shipped_at\", format = \"%Y/%m/%d\"",
        )
    };
    site.mend(&days);
    let rows: String = (0..35)
        .map(|n| format!("HK{n}-S1,1,A,1,,40{n:010},2026/11/28\n"))
        .collect();
    site.put_at(
        "incoming/jisseki-1.csv",
        format!("{SHIPPED}{rows}").as_bytes(),
        "2026-11-28T09:00:00Z",
    );
    site.put_at(
        "incoming/jisseki-2.csv",
        format!("{SHIPPED}HK99-S1,1,A,1,,409999999999,2026/11/28\n").as_bytes(),
        WRITTEN,
    );
    site.put_at(
        "incoming/zaiko-1.csv",
        format!("{STOCK}A,W1,3,\n").as_bytes(),
        WRITTEN,
    );
    let (pages, cursor) = site.drain("shipments", None, READ).await;
    let first = records(&pages);
    let (pages, stock) = site.drain("stock", None, READ).await;
    let counts = records(&pages);
    assert_eq!(first.len(), 36);
    site.restart();
    let since = at("2020-01-01T00:00:00Z");
    let later = "2027-03-01T00:00:00Z";
    let cursor = site.source().rewind("shipments", Some(&cursor), since);
    let (pages, _) = site.drain("shipments", cursor, later).await;
    assert!(
        pages
            .iter()
            .all(|p| p.records.len() <= 10 && p.ack.is_none())
    );
    assert_eq!(
        sorted(&records(&pages)),
        sorted(&first),
        "as they were told at first"
    );
    let cursor = site.source().rewind("stock", Some(&stock), since);
    let (pages, _) = site.drain("stock", cursor, later).await;
    assert_eq!(
        sorted(&records(&pages)),
        sorted(&counts),
        "and so are counts without a date"
    );
}

#[tokio::test]
async fn a_name_as_long_as_a_name_can_be_is_archived() {
    let site = site("japanese-3pl-utf8");
    let name = format!("uketsuke-{}.csv", "x".repeat(255 - 13));
    assert_eq!(name.len(), 255);
    site.put_at(
        &format!("incoming/{name}"),
        format!("{REPLY}HK1-S1,OK,,\n").as_bytes(),
        WRITTEN,
    );
    let (pages, cursor) = site.drain("shipments", None, READ).await;
    assert_eq!(records(&pages).len(), 1);
    let archived = site.names("archive");
    assert!(
        site.names("incoming").is_empty() && archived[0].len() == 255,
        "{archived:?}"
    );
    let cursor = site
        .source()
        .rewind("shipments", Some(&cursor), at("2020-01-01T00:00:00Z"));
    let (pages, _) = site.drain("shipments", cursor, READ).await;
    assert_eq!(records(&pages).len(), 1, "and read again");
}

fn row() -> impl Strategy<Value = String> {
    let reference = prop::sample::select(vec!["HK1-S1", "HK2-S1", "HK3-S1", ""]);
    let line = prop::sample::select(vec!["1", "2", "x"]);
    let quantity = prop::sample::select(vec!["0", "1", "2", "1.0", "", "\"1,000\"", "1E3"]);
    let number = prop::sample::select(vec![
        "",
        "4012-3456-7893",
        "401234567893",
        "\"401234567890, 401234567901\"",
        "4.01E+11",
        "\"a\nb",
    ]);
    let date = prop::sample::select(vec![
        "2026/11/28 08:00:00",
        "2026/11/28 09:00:00",
        "26/11/28 08:00:00",
        "",
    ]);
    (reference, line, quantity, number, date)
        .prop_map(|(r, l, q, t, d)| format!("{r},{l},A,{q},ヤマト,{t},{d}\n"))
}

fn stock_row() -> impl Strategy<Value = String> {
    let code = prop::sample::select(vec!["A", "B", "C", "D", "E", "F", ""]);
    let place = prop::sample::select(vec!["W1", "W2", ""]);
    let quantity = prop::sample::select(vec!["0", "1", "2", "x", "１"]);
    (code, place, quantity).prop_map(|(c, p, q)| format!("{c},{p},{q},\n"))
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn slices_give_what_a_whole_reading_gives(rows in prop::collection::vec(row(), 0..25), records_a_page in 1_usize..6) {
        let text = format!("{SHIPPED}{}", rows.concat());
        let (sliced, whole) = runtime().block_on(async {
            let site = sliced(&small(records_a_page, 1_024));
            site.put_at("incoming/jisseki-1.csv", text.as_bytes(), WRITTEN);
            let (pages, _) = site.drain("shipments", None, READ).await;
            (records(&pages), whole("shipments", "jisseki-1.csv", &text).await)
        });
        prop_assert_eq!(sorted(&sliced), sorted(&whole));
    }

    #[test]
    fn slices_of_stock_give_what_a_whole_reading_gives(rows in prop::collection::vec(stock_row(), 0..25), records_a_page in 1_usize..6) {
        let text = format!("{STOCK}{}", rows.concat());
        let (sliced, whole) = runtime().block_on(async {
            let site = sliced(&small(records_a_page, 1_024));
            site.put_at("incoming/zaiko-1.csv", text.as_bytes(), WRITTEN);
            let (pages, _) = site.drain("stock", None, READ).await;
            (records(&pages), whole("stock", "zaiko-1.csv", &text).await)
        });
        prop_assert_eq!(sorted(&sliced), sorted(&whole));
    }
}

/// Its record holds only its beginning, and says to move the archived file back.
#[tokio::test]
async fn a_long_file_that_is_in_quarantine_stays_in_the_archive_until_that_is_settled() {
    let keys = json!({ "archive_for": "30d" });
    let site = site_set("japanese-3pl-utf8", &|text| text.to_owned(), &keys);
    let text = format!("{REPLY}{}HK1-S1,OK,,\n", "x\n".repeat(4_400_000));
    site.put_at("incoming/uketsuke-1.csv", text.as_bytes(), WRITTEN);
    let short = format!("{REPLY}HK2-S1,?,,\n");
    site.put_at("incoming/uketsuke-2.csv", short.as_bytes(), WRITTEN);
    let (pages, _) = site.drain("shipments", None, READ).await;
    let open: Vec<String> = records(&pages)
        .iter()
        .filter_map(|record| record.file.as_ref().map(|file| file.sha256.clone()))
        .collect();
    assert_eq!(site.names("archive").len(), 2);
    let late = at("2027-01-15T00:00:00Z");
    let clear = async |open: &[String]| site.source().clear_old(late, open).await.unwrap();
    assert_eq!(clear(&open).await, 1, "the short one is kept as a whole");
    let left = site.names("archive");
    assert!(left[0].starts_with("uketsuke-1-"), "{left:?}");
    assert_eq!(clear(&[]).await, 1);
}
