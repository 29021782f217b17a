//! 出荷実績 whose later files of a day repeat the earlier ones: what one no longer has is told, and nothing is taken back.

use hikiate_sdk::{Observed, Page};

use crate::support::{Site, site_with};

const SHIPPED: &str = "出荷指示番号,行番号,商品コード,出荷数量,配送業者,送り状番号,出荷日時\n";
const EARLY: &str = "2026-11-28T00:30:00Z";
const LATE: &str = "2026-11-28T06:30:00Z";

fn site(exports: &str) -> Site {
    site_with("japanese-3pl-utf8", &|t| {
        t.replace(
            "[shipped]\n",
            &format!("[shipped]\nexports = \"{exports}\"\n"),
        )
    })
}

fn row(reference: &str, number: &str, time: &str) -> String {
    format!("{reference},1,A,1,,{number},{time}\n")
}

fn put(site: &Site, name: &str, rows: &[String], at: &str) {
    let text = format!("{SHIPPED}{}", rows.concat());
    site.put_at(&format!("incoming/{name}"), text.as_bytes(), at);
}

/// The reasons of bad records, and how many are good.
fn told(page: &Page) -> (Vec<String>, usize) {
    let bad = page.records.iter().filter_map(|r| r.parsed.as_ref().err());
    let bad: Vec<String> = bad.map(|bad| bad.reason.clone()).collect();
    let good = page.records.iter();
    let good = good.filter(|r| matches!(r.parsed, Ok(Observed::Parcel(_))));
    (bad, good.count())
}

fn rows(day: &str) -> (Vec<String>, Vec<String>) {
    let time = format!("2026/11/{day} 08:00:00");
    let first = vec![
        row("HK1-S1", "401234567801", &time),
        row("HK1-S1", "401234567802", &time),
        row("HK2-S1", "401234567803", &time),
        row("HK3-S1", "401234567805", &time),
        row("HK4-S1", "401234567806", "2026/11/27 17:00:00"),
    ];
    // The second box is gone, another number was corrected, a row is bad, and what is of the day before is not repeated.
    let second = vec![
        row("HK1-S1", "4012-3456-7801", &time),
        row("HK2-S1", "401234567804", &time),
        row("HK3-S1", "4.01235E+11", &time),
    ];
    (first, second)
}

#[tokio::test]
async fn a_row_that_a_later_export_of_the_day_lacks_is_told() {
    for put_away in [true, false] {
        let site = site("cumulative");
        let (first, second) = rows("28");
        put(&site, "jisseki-1.csv", &first, EARLY);
        let mut cursor = None;
        if put_away {
            let (pages, next) = site.drain("shipments", None, EARLY).await;
            assert_eq!(told(&pages[0]), (Vec::new(), 5));
            assert!(site.names("incoming").is_empty());
            cursor = Some(next);
        }
        put(&site, "jisseki-2.csv", &second, LATE);
        let page = site.page_at("shipments", cursor.as_ref(), LATE).await;
        let (bad, _) = told(&page);
        assert_eq!(bad.len(), 2, "and the bad row: {bad:?}");
        let gone = page.records.iter().filter_map(|r| r.parsed.as_ref().err());
        let gone = gone
            .clone()
            .find(|bad| bad.reason.contains("no longer has"));
        let gone = gone.unwrap();
        assert_eq!(
            gone.reason,
            "jisseki-2.csv: no longer has line 1 of HK1-S1 in parcel “401234567802”, which jisseki-1.csv of the same day had: ask the warehouse whether it shipped; the earlier report counts until a file corrects it, with quantity 0 if it did not ship"
        );
        assert_eq!(
            gone.part.as_deref(),
            Some("parcel line 1 number 401234567802"),
            "the row settles it, should it come again"
        );
        // It is no row that could be read: read again, it is still about what it was, and says why.
        let record = page
            .records
            .iter()
            .find(|r| r.parsed.as_ref().err() == Some(gone));
        let record = record.unwrap();
        let again = site
            .source()
            .reread("shipments", record.file.as_ref(), &record.raw);
        let again = again.unwrap();
        assert_eq!(again.len(), 1);
        assert_eq!((&again[0].raw, &again[0].file), (&record.raw, &record.file));
        let still = again[0].parsed.as_ref().unwrap_err();
        assert_eq!(
            (&still.external_id, &still.part, &still.cause),
            (&gone.external_id, &gone.part, &gone.cause)
        );
        assert_eq!(
            still.reason,
            format!(
                "{}; it was found by comparing two files and is in no row, so it cannot be retried: dismiss it once the warehouse has answered",
                gone.reason
            )
        );
        // The same row is not missed a second time.
        let page_2 = site.drain("shipments", Some(page.next), LATE).await.0;
        assert!(page_2.iter().all(|page| page.records.is_empty()));
    }
}

#[tokio::test]
async fn files_of_other_days_and_files_of_what_is_new_lack_nothing() {
    let (first, second) = rows("28");
    let fresh = site("new");
    put(&fresh, "jisseki-1.csv", &first, EARLY);
    put(&fresh, "jisseki-2.csv", &second, LATE);
    let (bad, _) = told(&fresh.page_at("shipments", None, LATE).await);
    assert!(bad.iter().all(|bad| bad.contains("rounded")), "{bad:?}");
    // The day after, and a file that is older than the one before.
    let next_day = site("cumulative");
    put(&next_day, "jisseki-1.csv", &first, EARLY);
    put(
        &next_day,
        "jisseki-2.csv",
        &rows("29").1,
        "2026-11-28T23:30:00Z",
    );
    let page = next_day.page_at("shipments", None, "2026-11-28T23:40:00Z");
    let (bad, _) = told(&page.await);
    assert!(bad.iter().all(|bad| bad.contains("rounded")), "{bad:?}");
    let older = site("cumulative");
    put(&older, "jisseki-2.csv", &first, LATE);
    let (_, next) = older.drain("shipments", None, LATE).await;
    put(&older, "jisseki-1.csv", &second, EARLY);
    let page = older.page_at("shipments", Some(&next), LATE).await;
    assert!(told(&page).0.iter().all(|bad| bad.contains("rounded")));
}

/// Goods that were told with a quantity of 0 never left.
#[tokio::test]
async fn a_row_of_no_goods_is_not_missed() {
    let site = site("cumulative");
    let time = "2026/11/28 08:00:00";
    let none = row("HK1-S1", "401234567801", time).replace(",1,A,1,", ",1,A,0,");
    let some = row("HK2-S1", "401234567802", time);
    put(&site, "jisseki-1.csv", &[none, some.clone()], EARLY);
    let (_, next) = site.drain("shipments", None, EARLY).await;
    put(&site, "jisseki-2.csv", &[some], LATE);
    let page = site.page_at("shipments", Some(&next), LATE).await;
    assert_eq!(told(&page), (Vec::new(), 1));
}

/// Nor does it stand for a row of goods of the same line that is gone.
#[tokio::test]
async fn a_row_of_no_goods_hides_no_row_that_is_gone() {
    for stays in [true, false] {
        let site = site("cumulative");
        let time = "2026/11/28 08:00:00";
        let gone = row("HK1-S1", "401234567801", time);
        let none = row("HK1-S1", "401234567802", time).replace(",1,A,1,", ",1,A,0,");
        let before = if stays {
            vec![gone, none.clone()]
        } else {
            vec![gone]
        };
        put(&site, "jisseki-1.csv", &before, EARLY);
        let (_, next) = site.drain("shipments", None, EARLY).await;
        put(&site, "jisseki-2.csv", &[none], LATE);
        let page = site.page_at("shipments", Some(&next), LATE).await;
        let records: Vec<_> = page.records.iter().filter(|r| r.parsed.is_err()).collect();
        assert_eq!(records.len(), 1, "{stays}: {:?}", page.records);
    }
}
