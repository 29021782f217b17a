//! 在庫: what of a stock file counts.

use hikiate_sdk::{Observed, Page};

use crate::support::{Site, site_with};

const READ: &str = "2026-11-28T00:30:00Z";

/// A layout whose stock files have these further columns and keys.
fn layout(columns: &str, keys: &str) -> Site {
    site_with("japanese-3pl-utf8", &|t| {
        t.replace(
            "  { name = \"倉庫コード\", field = \"location\" },",
            &format!("  {{ name = \"倉庫コード\", field = \"location\" }},{columns}"),
        )
        .replace("[stock]\n", &format!("[stock]\n{keys}\n"))
    })
}

const QUALITY: &str =
    "quality = { \"良品\" = \"sellable\", \"不良品\" = \"damaged\", \"保留\" = \"held\" }";

async fn read(site: &Site, text: &str) -> Page {
    site.put_at("incoming/zaiko-1.csv", text.as_bytes(), READ);
    site.page_at("stock", None, READ).await
}

fn told(page: &Page) -> Vec<Result<(String, i64), String>> {
    let one = |record: &hikiate_sdk::Record| match &record.parsed {
        Ok(Observed::Stock(level)) => {
            let place = level.location.clone().unwrap_or_default();
            Ok((format!("{}@{place}", level.code), level.quantity))
        }
        Ok(other) => panic!("{other:?}"),
        Err(bad) => Err(bad.reason.clone()),
    };
    page.records.iter().map(one).collect()
}

fn count(item: &str, quantity: i64) -> Result<(String, i64), String> {
    Ok((item.to_owned(), quantity))
}

#[tokio::test]
async fn only_what_can_be_sold_counts() {
    let site = layout("{ name = \"区分\", field = \"quality\" },", QUALITY);
    let text = "商品コード,倉庫コード,区分,在庫数,集計日時\n\
        VK-1,W1,良品,1,2026/11/28 07:43:32\n\
        VK-1,W1,不良品,9,2026/11/28 07:43:32\n\
        VK-2,W1,不良品,4,2026/11/28 07:43:32\n\
        VK-3,W1,B品,4,2026/11/28 07:43:32\n\
        VK-4,W1,,4,2026/11/28 07:43:32\n";
    let page = read(&site, text).await;
    let told = told(&page);
    assert_eq!(told[0], count("VK-1@W1", 1));
    assert_eq!(
        told[1],
        count("VK-2@W1", 0),
        "it is there, and none of it can be sold"
    );
    assert_eq!(
        told[2],
        Err("zaiko-1.csv row 5, column 区分: “B品” is not one of the layout's [stock] quality words: define there whether such goods are sellable".to_owned())
    );
    assert!(told[3].is_err() && told.len() == 4);
    let bad = page.records[2].parsed.as_ref().unwrap_err();
    assert_eq!(bad.external_id.as_ref().unwrap().as_str(), "VK-3");
}

#[tokio::test]
async fn lots_and_shelves_are_summed_and_what_stands_twice_is_bad() {
    let columns = "{ name = \"ロット\", field = \"lot\" },{ name = \"棚番\", field = \"shelf\" },";
    let site = layout(columns, "");
    let text = "商品コード,倉庫コード,ロット,棚番,在庫数,集計日時\n\
        A,W1,L1,01,3,2026/11/28 08:00:00\n\
        A,W1,L2,01,4,2026/11/28 07:00:00\n\
        A,W1,L2,02,5,2026/11/28 08:00:00\n\
        B,W1,L1,01,3,2026/11/28 08:00:00\n\
        B,W1,L1,01,4,2026/11/28 08:00:00\n\
        C,W1,L1,01,1,2026/11/28 08:00:00\n\
        A,W2,L1,01,1,2026/11/28 08:00:00\n";
    let page = read(&site, text).await;
    let told = told(&page);
    assert_eq!(told[0], count("A@W1", 12));
    let why = told[1].as_ref().unwrap_err();
    assert!(
        why.starts_with("zaiko-1.csv row 5, column 商品コード: “B” is in more than one row"),
        "{why}"
    );
    assert_eq!(told[2..], [count("C@W1", 1), count("A@W2", 1)]);
    let raw = String::from_utf8(page.records[1].raw.clone()).unwrap();
    assert_eq!(raw.lines().count(), 3, "both rows with their header: {raw}");
    let Ok(Observed::Stock(sum)) = &page.records[0].parsed else {
        panic!("{page:?}")
    };
    assert_eq!(
        sum.as_of,
        Some(crate::support::at("2026-11-27T22:00:00Z")),
        "the earlier: what left since is taken off"
    );
}

#[tokio::test]
async fn an_item_with_a_bad_row_has_no_count_anywhere() {
    let site = layout("", "");
    let text = "商品コード,倉庫コード,在庫数,集計日時\n\
        A,W1,3,\n\
        B,W1,7,\n\
        A,W2,1.0E+3,\n\
        C,W1,1,\n\
        C,W1,1,\n";
    let page = read(&site, text).await;
    let told = told(&page);
    assert_eq!(
        told[0],
        Err("zaiko-1.csv row 4, column 在庫数: “1.0E+3” is no whole number".to_owned()),
        "told once, with the row that is bad by itself"
    );
    assert_eq!(told[1], count("B@W1", 7));
    assert!(
        told[2].is_err() && told.len() == 3,
        "C stands twice: {told:?}"
    );
    let raw = String::from_utf8(page.records[0].raw.clone()).unwrap();
    assert!(
        raw.contains("A,W1,3") && raw.contains("A,W2,1.0E+3"),
        "{raw}"
    );
}

#[tokio::test]
async fn numbers_of_spreadsheets_are_read_and_nothing_is_guessed() {
    let site = layout("", "");
    let rows = [
        ("A", "10.0", Ok(10)),
        ("B", "\"1,000\"", Ok(1_000)),
        ("C", "１０", Ok(10)),
        ("D", "-2", Ok(-2)),
        (
            "E",
            "10.5",
            Err("“10.5” is not a whole number: quantities are whole units"),
        ),
        ("F", "1E3", Err("“1E3” is no whole number")),
        ("G", "\"1,00\"", Err("“1,00” is no whole number")),
        ("H", "", Err("is blank")),
    ];
    let text: String = rows
        .iter()
        .map(|(code, n, _)| format!("{code},W1,{n},\n"))
        .collect();
    let page = read(
        &site,
        &format!("商品コード,倉庫コード,在庫数,集計日時\n{text}"),
    )
    .await;
    for ((code, text, want), got) in rows.iter().zip(told(&page)) {
        match (want, got) {
            (Ok(n), got) => assert_eq!(got, count(&format!("{code}@W1"), *n), "{text}"),
            (Err(why), Err(got)) => assert!(got.ends_with(&format!("在庫数: {why}")), "{got}"),
            (Err(_), got) => panic!("{text}: {got:?}"),
        }
    }
}

#[tokio::test]
async fn free_counts_say_so() {
    for (key, free) in [
        ("", false),
        ("count = \"on-hand\"", false),
        ("count = \"free\"", true),
    ] {
        let site = layout("", key);
        let page = read(&site, "商品コード,倉庫コード,在庫数,集計日時\nA,W1,3,\n").await;
        assert!(matches!(&page.records[0].parsed, Ok(Observed::Stock(s)) if s.free == free));
        assert_eq!(page.listing, None);
    }
}

#[tokio::test]
async fn a_code_that_a_spreadsheet_has_rounded_names_no_item_and_its_list_is_none() {
    let site = layout("", "absent = \"zero\"");
    let text = "商品コード,倉庫コード,在庫数,集計日時\n\
        4.90123E+12,W1,10,\n\
        B,W1,7,\n";
    let page = read(&site, text).await;
    let told = told(&page);
    assert!(
        told[0].as_ref().unwrap_err().contains("rounded"),
        "{told:?}"
    );
    assert_eq!(told[1], count("B@W1", 7));
    assert_eq!(page.listing, None, "nobody knows what it leaves out");
}

#[tokio::test]
async fn a_list_names_the_places_that_it_speaks_for() {
    let site = layout("", "absent = \"zero\"");
    let text = "商品コード,倉庫コード,在庫数,集計日時\nA,W1,3,\nB,,7,\nA,W2,1,\nC,W1,x,\n";
    let page = read(&site, text).await;
    let listing = page.listing.unwrap();
    let of = |place: Option<&str>, items| (place.map(str::to_owned), items);
    let places = [of(None, 1), of(Some("W1"), 1), of(Some("W2"), 1)];
    assert_eq!(listing.places, places.into());
}

#[tokio::test]
async fn a_list_without_rows_is_told_as_one() {
    let site = layout("", "absent = \"zero\"");
    let page = read(&site, "商品コード,倉庫コード,在庫数,集計日時\n").await;
    let listing = page.listing.unwrap();
    assert_eq!(listing.places.len(), 0);
    assert!(listing.last && page.ack.is_some());
}
