//! Reports of parcels: what is news of a file, and what it has told before.

use hikiate::facts::FactBody;
use hikiate::store::IncomingFact;
use hikiate_sdk::Told;

use crate::support::shop::{Shop, at, order, page, parcel};

/// Quantities that add up are news with each new file, and with no file twice.
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
            report.told = Some(Told {
                file: file.to_owned(),
                at: at(minute),
            });
            let mut page = page(minute, Vec::new());
            page.facts.push(fact);
            shop.pull("wms", &page).await;
            let facts = "SELECT count(*) FROM facts WHERE kind = 'parcel'";
            shop.number(facts).await
        };
        assert_eq!(store("one", 2).await, 1);
        let news = i64::from(adds);
        assert_eq!(store("two", 3).await, 1 + news, "adds: {adds}");
        assert_eq!(store("one", 4).await, 1 + news, "read again: {adds}");
        assert_eq!(store("two", 5).await, 1 + news, "and again: {adds}");
    }
}

/// A, then B of the same row or in its place, then A again: the third file is news. A file that has both is none.
#[tokio::test]
async fn a_number_that_goes_back_to_an_earlier_one_is_news() {
    for (left_at, news) in [(2, true), (9, true), (2, false)] {
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
            report.told = Some(Told {
                file: file.to_owned(),
                at: at(minute),
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
        assert_eq!(store(4, vec![told("two", "4002", left_at, 4)]).await, 2);
        let mut third = vec![told("three", "4001", 2, 5)];
        if !news {
            third.push(told("three", "4002", left_at, 5));
        }
        let count = 2 + i64::from(news);
        assert_eq!(store(5, third).await, count);
        assert_eq!(
            store(6, vec![told("one", "4001", 2, 3)]).await,
            count,
            "the first file again"
        );
        let fourth = told("four", "4001", 2, 7);
        let again = i64::from(!news);
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
        report.told = Some(Told {
            file: file.to_owned(),
            at: at(3),
        });
        fact.series = format!("{reference}:{number}");
        page.facts.push(fact);
    }
    shop.pull("wms", &page).await;
    let facts = "SELECT count(*) FROM facts WHERE kind = 'parcel'";
    assert_eq!(shop.number(facts).await, 3);
}
