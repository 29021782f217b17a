//! Dates of files that come in: what they mean, and which are believed.

use hikiate_sdk::{Observed, ParcelReport, StockLevel};

use crate::support::{Site, at, site, site_with};

const SHIPPED: &str = "出荷指示番号,行番号,商品コード,出荷数量,配送業者,送り状番号,出荷日時\n";
const STOCK: &str = "商品コード,倉庫コード,在庫数,集計日時\n";
const REPLY: &str = "出荷指示番号,受付結果,メッセージ,受付日時\n";

/// Read at 09:30 in Tokyo, a quarter of an hour after the file was written.
const READ: &str = "2026-11-28T00:30:00Z";
const WRITTEN: &str = "2026-11-28T00:15:00Z";

async fn parcels(site: &Site, dates: &[&str]) -> Vec<Result<ParcelReport, String>> {
    let row = |(n, date): (usize, &&str)| format!("HK{n}-S1,1,A-1,1,ヤマト,40{n:010},{date}\n");
    let rows: String = dates.iter().enumerate().map(row).collect();
    site.put_at(
        "incoming/jisseki-1.csv",
        format!("{SHIPPED}{rows}").as_bytes(),
        WRITTEN,
    );
    let page = site.page_at("shipments", None, READ).await;
    let parcel = |record: hikiate_sdk::Record| match record.parsed {
        Ok(Observed::Parcel(parcel)) => Ok(parcel),
        Ok(other) => panic!("{other:?}"),
        Err(bad) => Err(bad.cause),
    };
    page.records.into_iter().map(parcel).collect()
}

async fn counts(site: &Site, dates: &[&str]) -> Vec<Result<StockLevel, String>> {
    let row = |(n, date): (usize, &&str)| format!("A-{n},W1,5,{date}\n");
    let rows: String = dates.iter().enumerate().map(row).collect();
    site.put_at(
        "incoming/zaiko-1.csv",
        format!("{STOCK}{rows}").as_bytes(),
        WRITTEN,
    );
    let page = site.page_at("stock", None, READ).await;
    let level = |record: hikiate_sdk::Record| match record.parsed {
        Ok(Observed::Stock(level)) => Ok(level),
        Ok(other) => panic!("{other:?}"),
        Err(bad) => Err(bad.cause),
    };
    page.records.into_iter().map(level).collect()
}

fn days(text: &str) -> String {
    text.replace("format = \"%Y/%m/%d %H:%M:%S\"", "format = \"%Y/%m/%d\"")
}

#[tokio::test]
async fn a_time_is_a_time_and_the_file_says_when_it_was_told() {
    let site = site("japanese-3pl-utf8");
    let read = parcels(&site, &["2026/11/28 09:40:00", "2026/11/28 09:40:01"]).await;
    let first = read[0].as_ref().unwrap();
    assert_eq!(
        first.shipped_at,
        at("2026-11-28T00:40:00Z"),
        "clocks differ by ten minutes"
    );
    assert_eq!(first.shipped_until, None);
    let told = first.told.as_ref().unwrap();
    assert_eq!(told.at, at(WRITTEN));
    let file = std::fs::read(site.dir.path().join("incoming/jisseki-1.csv")).unwrap();
    let hash = <sha2::Sha256 as sha2::Digest>::digest(&file);
    let hash: String = hash.iter().take(8).map(|b| format!("{b:02x}")).collect();
    assert_eq!(told.file, hash);
    assert_eq!(
        read[1],
        Err(
            "shipped, column 出荷日時: is more than 10 minutes after the file was fetched"
                .to_owned()
        )
    );
}

#[tokio::test]
async fn a_day_lasts_from_its_beginning_to_its_end_in_the_zone() {
    let site = site_with("japanese-3pl-utf8", &days);
    let read = parcels(
        &site,
        &["2026/11/28", "2026/11/27", "2026/11/29", "2026/11/30"],
    )
    .await;
    let whole = |n: usize| {
        let parcel = read[n].as_ref().unwrap();
        (
            parcel.shipped_at,
            parcel.shipped_until,
            parcel.effective_at(at(READ)),
        )
    };
    let until = |text: &str| Some(at(text));
    assert_eq!(
        whole(0),
        (
            at("2026-11-27T15:00:00Z"),
            until("2026-11-28T14:59:59Z"),
            at(WRITTEN)
        )
    );
    assert_eq!(
        whole(1),
        (
            at("2026-11-26T15:00:00Z"),
            until("2026-11-27T14:59:59Z"),
            at("2026-11-27T14:59:59Z")
        )
    );
    assert_eq!(
        whole(2).2,
        at("2026-11-28T15:00:00Z"),
        "tomorrow has not happened"
    );
    assert_eq!(
        read[3],
        Err("shipped, column 出荷日時: is later than tomorrow".to_owned())
    );
}

#[tokio::test]
async fn a_planned_column_may_be_ahead() {
    let planned = |t: &str| {
        days(t).replace(
            "field = \"shipped_at\", format",
            "field = \"shipped_at\", planned = true, format",
        )
    };
    let site = site_with("japanese-3pl-utf8", &planned);
    let read = parcels(&site, &["2026/12/28", "2026/12/29"]).await;
    assert_eq!(
        read[0].as_ref().unwrap().shipped_at,
        at("2026-12-27T15:00:00Z")
    );
    assert_eq!(
        read[1],
        Err("shipped, column 出荷日時: is more than 30 days ahead".to_owned())
    );
}

#[tokio::test]
async fn a_year_of_two_digits_and_one_far_ahead_are_bad_rows() {
    let site = site("japanese-3pl-utf8");
    let read = parcels(
        &site,
        &["26/11/28 07:42:12", "2062/11/28 09:00:00", "2026/11/28 7:3"],
    )
    .await;
    let why: Vec<_> = read.into_iter().map(|r| r.unwrap_err()).collect();
    assert_eq!(
        why,
        [
            "shipped, column 出荷日時: has no four-digit year",
            "shipped, column 出荷日時: is more than 10 minutes after the file was fetched",
            "shipped, column 出荷日時: does not match the time format \"%Y/%m/%d %H:%M:%S\"",
        ]
    );
}

#[tokio::test]
async fn a_count_is_of_its_time_or_a_little_before_its_file() {
    let site = site("japanese-3pl-utf8");
    let read = counts(
        &site,
        &[
            "2026/11/28 08:00:00",
            "",
            "2026/12/28 07:43:36",
            "2025/10/01 00:00:00",
        ],
    )
    .await;
    let first = read[0].as_ref().unwrap();
    assert_eq!(
        (first.as_of, first.read_at),
        (Some(at("2026-11-27T23:00:00Z")), Some(at(READ)))
    );
    let second = read[1].as_ref().unwrap();
    assert_eq!(
        second.as_of,
        Some(at("2026-11-28T00:10:00Z")),
        "five minutes before the file"
    );
    assert_eq!(
        read[2],
        Err(
            "stock, column 集計日時: is more than 10 minutes after the file was fetched".to_owned()
        )
    );
    assert_eq!(
        read[3],
        Err("stock, column 集計日時: the count is more than 400 days old".to_owned())
    );
}

#[tokio::test]
async fn a_count_of_a_day_is_no_later_than_its_file_and_its_day() {
    let lag = |t: &str| days(t).replace("[stock]\n", "[stock]\nas_of_lag = \"1h\"\n");
    let site = site_with("japanese-3pl-utf8", &lag);
    let read = counts(&site, &["2026/11/28", "2026/11/27", ""]).await;
    let as_of: Vec<_> = read
        .into_iter()
        .map(|r| r.unwrap().as_of.unwrap())
        .collect();
    assert_eq!(
        as_of,
        [
            at("2026-11-27T23:15:00Z"),
            at("2026-11-27T14:59:59Z"),
            at("2026-11-27T23:15:00Z")
        ]
    );
}

#[tokio::test]
async fn an_answer_of_a_day_came_when_its_file_did() {
    let site = site_with("japanese-3pl-utf8", &days);
    let rows = "HK1-S1,OK,,2026/11/28\nHK2-S1,OK,,2026/11/27\nHK3-S1,OK,,\n";
    site.put_at(
        "incoming/uketsuke-1.csv",
        format!("{REPLY}{rows}").as_bytes(),
        WRITTEN,
    );
    let page = site.page_at("shipments", None, READ).await;
    let when: Vec<_> = page
        .records
        .iter()
        .map(|r| match &r.parsed {
            Ok(Observed::InstructionReply(reply)) => reply.at,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        when,
        [Some(at(WRITTEN)), Some(at("2026-11-27T14:59:59Z")), None]
    );
}

#[test]
fn a_layout_says_what_its_dates_mean() {
    let base = std::path::Path::new("/nowhere");
    let layout = hikiate_files::load_layout("japanese-3pl-utf8", base).unwrap();
    let words = layout.dates_in_words();
    assert_eq!(words.len(), 5, "{words:#?}");
    assert_eq!(
        words[1],
        "shipped, column 出荷日時: a time in the shop's zone (%Y/%m/%d %H:%M:%S); at most 10 minutes after the first fetch, otherwise the row goes to quarantine"
    );
    assert_eq!(
        words[4],
        "stock: a count without a time is dated 5m before its file; a file is dated by its own timestamp, or by its first fetch if that is earlier"
    );
}
