//! 出荷実績: how rows become parcels.

use hikiate_files::Layout;
use hikiate_sdk::{BadRecord, CodeLine, Contents, Observed, Page, ParcelReport};

use crate::support::{Site, site, site_with};

const SHIPPED: &str = "出荷指示番号,行番号,商品コード,出荷数量,配送業者,送り状番号,出荷日時\n";
const READ: &str = "2026-11-28T00:30:00Z";

async fn read(site: &Site, rows: &str) -> Page {
    site.put_at(
        "incoming/jisseki-1.csv",
        format!("{SHIPPED}{rows}").as_bytes(),
        READ,
    );
    site.page_at("shipments", None, READ).await
}

fn parcel(page: &Page, n: usize) -> &ParcelReport {
    match &page.records[n].parsed {
        Ok(Observed::Parcel(parcel)) => parcel,
        other => panic!("{other:?}"),
    }
}

fn bad(page: &Page, n: usize) -> &BadRecord {
    page.records[n].parsed.as_ref().unwrap_err()
}

#[tokio::test]
async fn one_number_written_in_two_ways_is_one_parcel() {
    let site = site("japanese-3pl-utf8");
    let rows = "HK1-S1,1,A,1,ヤマト,4012-3456-7893,2026/11/27 18:00:00\n\
        HK1-S1,2,B,1,,４０１２３４５６７８９３,2026/11/27 18:05:00\n\
        HK1-S1,3,C,1,,eg123456789jp,2026/11/27 18:00:00\n\
        HK1-S1,4,D,1,,EG 123 456 789 JP,2026/11/27 18:00:00\n\
        HK1-S1,5,E,1,,,2026/11/27 18:00:00\n\
        HK1-S1,6,F,1,,なし,2026/11/27 18:00:00\n";
    let page = read(&site, rows).await;
    let keys: Vec<_> = (0..page.records.len())
        .map(|n| parcel(&page, n).key.as_str())
        .collect();
    assert_eq!(
        keys,
        ["401234567893", "EG123456789JP", "left 2026/11/27 18:00:00"]
    );
    let first = parcel(&page, 0);
    assert_eq!(first.tracking.as_deref(), Some("4012-3456-7893"));
    assert_eq!(
        first.also,
        ["401234567893"],
        "as it stands on the other label"
    );
    assert_eq!(first.shipped_at, crate::support::at("2026-11-27T09:05:00Z"));
    assert!(!first.adds);
}

#[tokio::test]
async fn a_column_that_names_the_parcel_wins_over_the_number() {
    let site = site_with("japanese-3pl-utf8", &|t| {
        t.replace(
            "name = \"配送業者\", field = \"carrier\"",
            "name = \"配送業者\", field = \"parcel\"",
        )
    });
    let rows = "HK1-S1,1,A,1,箱1,401234567890,2026/11/27 18:00:00\n\
        HK1-S1,2,B,1,箱1,401234567901,2026/11/27 18:00:00\n\
        HK1-S1,3,C,1,箱2,,2026/11/27 18:00:00\n\
        HK1-S1,4,D,1,,401234567912,2026/11/27 18:00:00\n";
    let page = read(&site, rows).await;
    let first = parcel(&page, 0);
    assert_eq!(first.key, "箱1");
    assert_eq!(first.tracking.as_deref(), Some("401234567890"));
    assert_eq!(first.also, ["401234567901"]);
    assert_eq!(parcel(&page, 1).key, "箱2");
    assert_eq!(parcel(&page, 2).key, "401234567912");
}

#[tokio::test]
async fn a_long_name_is_bounded_and_a_control_character_is_refused() {
    let site = site_with("japanese-3pl-utf8", &|t| {
        t.replace(
            "name = \"配送業者\", field = \"carrier\"",
            "name = \"配送業者\", field = \"parcel\"",
        )
    });
    let long = "箱".repeat(200);
    let rows = format!(
        "HK1-S1,1,A,1,{long},,2026/11/27 18:00:00\n\
        HK2-S1,1,A,1,a\0b,401234567890,2026/11/27 18:00:00\n\
        HK3\0-S1,1,A,1,,401234567890,2026/11/27 18:00:00\n\
        HK4-S1,1,A\u{7},1,,401234567890,2026/11/27 18:00:00\n"
    );
    let page = read(&site, &rows).await;
    assert!(parcel(&page, 0).key.len() <= hikiate_sdk::text::KEY_BYTES);
    for n in 1..4 {
        assert!(
            bad(&page, n)
                .cause
                .ends_with("contains a control character"),
            "{n}"
        );
    }
    assert_eq!(
        bad(&page, 1).part.as_deref(),
        Some("parcel line 1 number 401234567890")
    );
}

#[tokio::test]
async fn a_bad_row_is_told_with_its_reference_line_and_number() {
    let site = site("japanese-3pl-utf8");
    let rows = "HK1-S1,1,A,1,,4012-3456-7893,2026/11/27 7:3\n\
        HK2-S1,2,A,,,未定,2026/11/27 07:03:00\n\
        HK3-S1,3,A,1,,4.01235E+11,2026/11/27 07:03:00\n\
        HK4-S1,髙橋 一郎,A,1,,,2026/11/27 07:03:00\n";
    let page = read(&site, rows).await;
    let told: Vec<_> = (0..4)
        .map(|n| {
            let bad = bad(&page, n);
            let id = bad
                .external_id
                .as_ref()
                .map(hikiate_sdk::ExternalId::as_str);
            (id, bad.part.as_deref())
        })
        .collect();
    assert_eq!(
        told,
        [
            (Some("HK1-S1"), Some("parcel line 1 number 4012-3456-7893")),
            (Some("HK2-S1"), Some("parcel line 2 number -")),
            (Some("HK3-S1"), Some("parcel line 3 number ?")),
            (Some("HK4-S1"), Some("parcel line ? number ")),
        ]
    );
}

#[tokio::test]
async fn a_line_keeps_the_code_that_the_row_names() {
    let site = site("japanese-3pl-utf8");
    let rows = "HK1-S1,1,VW-b,1,,401234567803,2026/11/27 18:00:00\n\
        HK1-S1,1,VW-b,2,,401234567803,2026/11/27 18:00:00\n\
        HK2-S1,1,,1,,401234567804,2026/11/27 18:00:00\n\
        HK3-S1,1,VW-a,1,,401234567805,2026/11/27 18:00:00\n\
        HK3-S1,1,VW-b,1,,401234567805,2026/11/27 18:00:00\n";
    let page = read(&site, rows).await;
    let line = parcel(&page, 0).lines();
    assert_eq!(
        (
            line.len(),
            line[0].n,
            line[0].quantity,
            line[0].code.as_deref()
        ),
        (1, 1, 3, Some("VW-b"))
    );
    assert_eq!(parcel(&page, 1).lines()[0].code, None);
    assert_eq!(
        bad(&page, 2).reason,
        "jisseki-1.csv row 6, column 商品コード: “VW-b” differs from the code in another row of this parcel for the same line"
    );
}

#[tokio::test]
async fn a_layout_says_whether_quantities_add_up() {
    for (key, adds) in [
        ("", false),
        ("quantities = \"total\"", false),
        ("quantities = \"delta\"", true),
        ("exports = \"cumulative\"", false),
    ] {
        let site = site_with("japanese-3pl-utf8", &|t| {
            t.replace("[shipped]\n", &format!("[shipped]\n{key}\n"))
        });
        let page = read(&site, "HK1-S1,1,A,1,,401234567803,2026/11/27 18:00:00\n").await;
        assert_eq!(parcel(&page, 0).adds, adds, "{key}");
    }
}

/// A row that is corrected to nothing is told, and one beside other rows of its line adds nothing.
#[tokio::test]
async fn a_quantity_of_zero_is_told() {
    let site = site("japanese-3pl-utf8");
    let rows = "HK1-S1,1,A,0,,401234567803,2026/11/27 18:00:00\n\
        HK1-S1,2,B,1,,401234567803,2026/11/27 18:00:00\n\
        HK2-S1,1,A,2,,401234567804,2026/11/27 18:00:00\n\
        HK2-S1,1,A,0,,401234567804,2026/11/27 18:00:00\n";
    let page = read(&site, rows).await;
    let lines = |n| {
        let lines = parcel(&page, n).lines().iter();
        lines
            .map(|line| (line.n, line.quantity))
            .collect::<Vec<_>>()
    };
    assert_eq!((lines(0), lines(1)), (vec![(1, 0), (2, 1)], vec![(1, 2)]));
}

#[tokio::test]
async fn a_control_character_in_a_number_makes_a_bad_row() {
    let site = site("japanese-3pl-utf8");
    let rows = "HK1-S1,1,A,1,,40123456\u{7}7803,2026/11/27 18:00:00\n\
        HK2-S1,1,A,1,,40123456\u{0}7803,2026/11/27 18:00:00\n\
        HK3-S1,1,A,1,,401234567803\u{9b},2026/11/27 18:00:00\n\
        HK4-S1,1,A,1,,\"401234567803\n401234567804\",2026/11/27 18:00:00\n";
    let page = read(&site, rows).await;
    for n in 0..3 {
        assert!(
            bad(&page, n)
                .cause
                .ends_with("contains a control character"),
            "{n}: {:?}",
            page.records[n]
        );
    }
    assert_eq!(
        parcel(&page, 3).also,
        ["401234567804"],
        "a line end parts two numbers"
    );
}

#[tokio::test]
async fn answers_that_contradict_each_other_are_not_believed() {
    let site = site("japanese-3pl-utf8");
    let rows = "出荷指示番号,受付結果,メッセージ,受付日時\n\
        HK1-S1,OK,,\nHK2-S1,OK,,\nHK1-S1,NG,住所不備,\nHK2-S1,受付,,\nHK3-S1,NG,,\n";
    site.put_at("incoming/uketsuke-1.csv", rows.as_bytes(), READ);
    let rows = "出荷指示番号,取消結果,メッセージ,回答日時\nHK1-S1,取消済,,\nHK1-S1,出荷済,,\n";
    site.put_at("incoming/torikeshi-1.csv", rows.as_bytes(), READ);
    let page = site.page_at("shipments", None, READ).await;
    let of = |file: &str| {
        let of = page
            .records
            .iter()
            .filter(|r| r.file.as_ref().is_some_and(|f| f.name == file));
        of.collect::<Vec<_>>()
    };
    let replies = of("uketsuke-1.csv");
    assert_eq!(replies.len(), 4, "{replies:?}");
    let bad = replies[0].parsed.as_ref().unwrap_err();
    assert_eq!(
        bad.reason,
        "uketsuke-1.csv row 2, column 受付結果: “OK” contradicts another row of the same shipment in this file"
    );
    assert_eq!(bad.part.as_deref(), Some("reply"));
    assert!(
        replies[1..].iter().all(|r| r.parsed.is_ok()),
        "one verdict in two words"
    );
    let raw = String::from_utf8(replies[0].raw.clone()).unwrap();
    assert!(
        raw.contains("HK1-S1,OK") && raw.contains("HK1-S1,NG"),
        "{raw}"
    );
    let cancels = of("torikeshi-1.csv");
    assert_eq!(cancels.len(), 1);
    assert_eq!(
        cancels[0].parsed.as_ref().unwrap_err().part.as_deref(),
        Some("cancel")
    );
}

#[tokio::test]
async fn two_rows_that_are_the_same_are_neither_summed_nor_taken_for_one() {
    let site = site("japanese-3pl-utf8");
    let row = |line: u32, quantity: u32, time: &str| {
        format!("HK1-S1,{line},A,{quantity},,401234567890,2026/11/27 {time}\n")
    };
    let (once, same) = (row(1, 1, "18:00:00"), row(2, 2, "18:00:00"));
    let (other, none) = (row(3, 1, "18:00:00"), row(4, 0, "18:00:00"));
    let lots = format!("{}{}", row(5, 1, "18:00:00"), row(5, 1, "18:05:00"));
    let page = read(
        &site,
        &format!("{once}{same}{other}{same}{lots}{none}{none}"),
    )
    .await;
    assert_eq!(page.records.len(), 2, "{:?}", page.records);
    let left = parcel(&page, 0).lines();
    let left: Vec<_> = left.iter().map(|l| (l.n, l.quantity)).collect();
    assert_eq!(
        left,
        [(1, 1), (3, 1), (5, 2), (4, 0)],
        "the rest of it has left"
    );
    let told = bad(&page, 1);
    assert!(
        told.reason.starts_with("jisseki-1.csv row 3, ") && told.reason.contains("once or twice"),
        "{}",
        told.reason
    );
    let part = told.part.as_deref();
    assert_eq!(part, Some("parcel line 2 number 401234567890"));
    assert_eq!(
        page.records[1].raw,
        format!("{SHIPPED}{same}{same}").as_bytes(),
        "both, so that they are read again as they were"
    );
}

/// A layout whose export has these columns of the shipped file, in the order of the header.
fn site_of(columns: &[&str]) -> Site {
    site_with("japanese-3pl-utf8", &|text| with_columns(text, columns))
}

fn layout_of(columns: &[&str]) -> String {
    let mut layouts = hikiate_files::SHIPPED.iter();
    let (_, text) = layouts
        .find(|(name, _)| *name == "japanese-3pl-utf8")
        .unwrap();
    with_columns(text, columns)
}

/// The layout with those of the columns that say what is inside.
fn with_columns(text: &str, columns: &[&str]) -> String {
    let names = ["行番号", "商品コード", "出荷数量"];
    let part = text.split("\n[shipped]").nth(1).unwrap();
    let end = part.find("\n[").unwrap_or(part.len());
    let kept: String = part[..end]
        .lines()
        .filter(|line| {
            let named = names.iter().find(|name| line.contains(*name));
            named.is_none_or(|name| columns.contains(name))
        })
        .map(|line| format!("{line}\n"))
        .collect();
    text.replace(&part[..end], &kept)
}

#[tokio::test]
async fn a_layout_without_lines_says_what_is_inside_by_code() {
    let site = site_of(&["商品コード", "出荷数量"]);
    let header = "出荷指示番号,商品コード,出荷数量,配送業者,送り状番号,出荷日時\n";
    let rows = "HK1-S1,A-1,2,ヤマト,401234567893,2026/11/27 18:00:00\n\
        HK1-S1,B,1,ヤマト,401234567893,2026/11/27 18:00:00\n\
        HK1-S1,A-1,3,,401234567893,2026/11/27 18:01:00\n\
        HK2-S1,,1,,401234567904,2026/11/27 18:00:00\n\
        HK3-S1,A-1,1,,401234567915,2026/11/27 18:00:00\n\
        HK3-S1,A-1,1,,401234567915,2026/11/27 18:00:00\n";
    let file = format!("{header}{rows}");
    site.put_at("incoming/jisseki-1.csv", file.as_bytes(), READ);
    let page = site.page_at("shipments", None, READ).await;
    let codes = [("A-1", 5), ("B", 1)].map(|(code, quantity)| CodeLine {
        code: code.to_owned(),
        quantity,
    });
    let first = parcel(&page, 0);
    assert_eq!(first.contents, Contents::Codes(codes.to_vec()));
    assert_eq!(first.tracking.as_deref(), Some("401234567893"));
    assert!(bad(&page, 1).reason.contains("column 商品コード: is blank"));
    let twice = bad(&page, 2);
    assert!(twice.reason.contains("two identical rows"));
    assert_eq!(
        twice.part.as_deref(),
        Some("parcel line A-1 number 401234567915")
    );
}

#[tokio::test]
async fn a_layout_without_quantities_says_everything() {
    let site = site_of(&[]);
    let rows = "出荷指示番号,配送業者,送り状番号,出荷日時\n\
        HK1-S1,ヤマト,401234567893,2026/11/27 18:00:00\n\
        HK1-S1,ヤマト,401234567904,2026/11/27 18:00:00\n\
        HK2-S1,ヤマト,401234567915,2026/11/27 18:00:00\n\
        HK2-S1,ヤマト,401234567915,2026/11/27 18:00:00\n";
    site.put_at("incoming/jisseki-1.csv", rows.as_bytes(), READ);
    let page = site.page_at("shipments", None, READ).await;
    let parcels: Vec<_> = (0..page.records.len())
        .map(|n| parcel(&page, n))
        .map(|p| (p.reference.as_str(), p.key.as_str(), &p.contents))
        .collect();
    assert_eq!(
        parcels,
        [
            ("HK1-S1", "401234567893", &Contents::Whole),
            ("HK1-S1", "401234567904", &Contents::Whole),
            ("HK2-S1", "401234567915", &Contents::Whole),
        ]
    );
}

#[test]
fn columns_that_say_contents_in_part_are_refused() {
    for (columns, why) in [
        (&["行番号"][..], "no column has \"quantity\""),
        (&["出荷数量"][..], "it is unclear what is counted"),
        (&["商品コード"][..], "no column has \"quantity\""),
    ] {
        let layout: Layout = toml::from_str(&layout_of(columns)).unwrap();
        let problems = layout.problems();
        assert!(
            matches!(&problems[..], [one] if one.starts_with("shipped.columns:") && one.contains(why)),
            "{columns:?}: {problems:?}"
        );
    }
}
