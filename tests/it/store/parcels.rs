//! Reports of parcels: what is news of a file, and what it has told before.

use hikiate::facts::FactBody;
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
