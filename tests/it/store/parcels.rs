//! Reports of parcels: what is new input of a file, and what it has told before.

use hikiate::facts::FactBody;
use hikiate::store::IncomingFact;
use hikiate_sdk::ReportSource;

use crate::support::shop::{Shop, at, order, page, parcel};

/// Quantities that add up are new input with each new file, and with no file twice.
#[tokio::test]
async fn the_same_row_of_another_file_is_news_where_quantities_add_up() {
    for adds in [false, true] {
        let shop = Shop::open().await;
        shop.count("TEA", 5, 0).await;
        shop.pull("shop", &page(0, vec![order("A", 1)])).await;
        shop.settle().await;
        let reference = shop.instructed(shop.subject("A").await).await;
        let store = async |file: &str, minute: i64| {
            let mut fact = parcel(&reference, 1, 1);
            let FactBody::Parcel(report) = &mut fact.body else {
                panic!("no parcel");
            };
            report.adds = adds;
            report.told = Some(ReportSource {
                file: file.to_owned(),
                at: at(minute),
                rows: Vec::new(),
            });
            let mut page = page(minute, Vec::new());
            page.facts.push(fact);
            shop.pull("wms", &page).await;
            let facts = "SELECT count(*) FROM facts WHERE kind = 'parcel'";
            shop.number(facts).await
        };
        assert_eq!(store("one", 2).await, 1);
        let new_input = i64::from(adds);
        assert_eq!(store("two", 3).await, 1 + new_input, "adds: {adds}");
        assert_eq!(store("one", 4).await, 1 + new_input, "read again: {adds}");
        assert_eq!(store("two", 5).await, 1 + new_input, "and again: {adds}");
    }
}

/// A, then B of the same row or in its place, then A again: the third file is new input. A file that has both is none.
#[tokio::test]
async fn a_number_that_goes_back_to_an_earlier_one_is_news() {
    for (shipped_at, new_input) in [(2, true), (9, true), (2, false)] {
        let shop = Shop::open().await;
        shop.count("TEA", 5, 0).await;
        shop.pull("shop", &page(0, vec![order("A", 1)])).await;
        shop.settle().await;
        let reference = shop.instructed(shop.subject("A").await).await;
        let told = |file: &str, number: &str, left: i64, minute: i64| {
            let mut fact = parcel(&reference, 1, left);
            let FactBody::Parcel(report) = &mut fact.body else {
                panic!("no parcel");
            };
            report.key = number.to_owned();
            report.tracking = Some(number.to_owned());
            report.told = Some(ReportSource {
                file: file.to_owned(),
                at: at(minute),
                rows: Vec::new(),
            });
            fact.series = format!("{reference}:{number}");
            fact
        };
        let store = async |minute: i64, facts: Vec<IncomingFact>| {
            let mut page = page(minute, Vec::new());
            page.facts = facts;
            shop.pull("wms", &page).await;
            let facts = "SELECT count(*) FROM facts WHERE kind = 'parcel'";
            shop.number(facts).await
        };
        assert_eq!(store(3, vec![told("one", "4001", 2, 3)]).await, 1);
        assert_eq!(store(4, vec![told("two", "4002", shipped_at, 4)]).await, 2);
        let mut third = vec![told("three", "4001", 2, 5)];
        if !new_input {
            third.push(told("three", "4002", shipped_at, 5));
        }
        let count = 2 + i64::from(new_input);
        assert_eq!(store(5, third).await, count);
        assert_eq!(
            store(6, vec![told("one", "4001", 2, 3)]).await,
            count,
            "the first file again"
        );
        let fourth = told("four", "4001", 2, 7);
        let again = i64::from(!new_input);
        assert_eq!(store(7, vec![fourth.clone()]).await, count + again);
        assert_eq!(store(8, vec![fourth]).await, count + again, "read again");
    }
}

/// Files of one page count in their order.
#[tokio::test]
async fn a_number_that_goes_back_within_one_page_is_news() {
    let shop = Shop::open().await;
    shop.count("TEA", 5, 0).await;
    shop.pull("shop", &page(0, vec![order("A", 1)])).await;
    shop.settle().await;
    let reference = shop.instructed(shop.subject("A").await).await;
    let mut page = page(3, Vec::new());
    for (file, number) in [("one", "4001"), ("two", "4002"), ("three", "4001")] {
        let mut fact = parcel(&reference, 1, 2);
        let FactBody::Parcel(report) = &mut fact.body else {
            panic!("no parcel");
        };
        report.key = number.to_owned();
        report.tracking = Some(number.to_owned());
        report.told = Some(ReportSource {
            file: file.to_owned(),
            at: at(3),
            rows: Vec::new(),
        });
        fact.series = format!("{reference}:{number}");
        page.facts.push(fact);
    }
    shop.pull("wms", &page).await;
    let facts = "SELECT count(*) FROM facts WHERE kind = 'parcel'";
    assert_eq!(shop.number(facts).await, 3);
}

/// One number on parcels of two orders is asked about on the later one, unless both go to one recipient.
#[tokio::test]
async fn a_number_of_another_order_s_parcel_is_told_unless_both_go_to_one_recipient() {
    for to_another in [true, false] {
        let shop = Shop::open().await;
        shop.count("TEA", 5, 0).await;
        let mut later = order("B", 1);
        if to_another {
            for party in later.personal.ship_to.values_mut() {
                party.name = "別の 人".to_owned();
            }
        }
        shop.pull("shop", &page(0, vec![order("A", 1), later]))
            .await;
        shop.settle().await;
        let mut told = Vec::new();
        for (minute, id, number) in [(3, "A", "4012-3456-7890"), (4, "B", "401234567890")] {
            let reference = shop.instructed(shop.subject(id).await).await;
            let mut fact = parcel(&reference, 1, 2);
            let FactBody::Parcel(report) = &mut fact.body else {
                panic!("no parcel");
            };
            report.tracking = Some(number.to_owned());
            let mut page = page(minute, Vec::new());
            page.facts.push(fact);
            shop.pull("wms", &page).await;
            shop.settle().await;
            told.push(reference);
        }
        let tasks: Vec<(i64, String)> =
            sqlx::query_as("SELECT subject_id, detail FROM tasks WHERE kind = 'tracking_shared'")
                .fetch_all(shop.pool())
                .await
                .unwrap();
        if !to_another {
            assert!(tasks.is_empty(), "{tasks:?}");
            continue;
        }
        assert_eq!(tasks.len(), 1, "{tasks:?}");
        let (subject, detail) = &tasks[0];
        assert_eq!(*subject, shop.subject("B").await);
        for reference in told {
            assert!(detail.contains(&reference), "{reference}: {detail}");
        }
    }
}

/// Two rows of one file that were bad and are read again one after the other add up, also where they say the same.
#[tokio::test]
async fn rows_of_a_file_that_are_read_again_each_for_itself_are_each_news() {
    let shop = Shop::open().await;
    shop.count("TEA", 5, 0).await;
    shop.pull("shop", &page(0, vec![order("A", 2)])).await;
    shop.settle().await;
    let subject = shop.subject("A").await;
    let reference = shop.instructed(subject).await;
    let store = async |minute: i64, row: u64| {
        let mut fact = parcel(&reference, 1, 2);
        let FactBody::Parcel(report) = &mut fact.body else {
            panic!("no parcel");
        };
        report.told = Some(ReportSource {
            file: "one".to_owned(),
            at: at(3),
            rows: vec![row],
        });
        let mut page = page(minute, Vec::new());
        page.facts.push(fact);
        shop.pull("wms", &page).await;
        shop.settle().await;
        let moved = "SELECT coalesce(sum(qty), 0)::bigint FROM stock_movements";
        shop.number(moved).await
    };
    assert_eq!(store(4, 7).await, -1);
    assert_eq!(store(5, 8).await, -2);
    assert_eq!(store(6, 7).await, -2, "read once more");
    assert_eq!(store(7, 8).await, -2, "read once more");
}
