//! Orders that an answer did not hold: noted once per look that counts, ended by any later sight.

use chrono::Duration;
use hikiate::store::{IncomingBad, IncomingPage, Source};
use hikiate_sdk::{BadRecord, Kind};
use sqlx::Row as _;

use crate::support::shop::{Shop, at, order, page};

/// Reads `A` by its id at this minute, with this answer.
async fn look(shop: &Shop, minute: i64, answer: IncomingPage) {
    shop.clock(minute).await;
    let owned = shop.owned("shop").await;
    let answer = IncomingPage {
        requested_at: at(minute),
        ..answer
    };
    let asked = ["A".into()];
    shop.store()
        .ingest_read(&owned, Kind::Order, &asked, &answer)
        .await
        .unwrap();
}

fn nothing() -> IncomingPage {
    IncomingPage::default()
}

/// The misses of each look that was noted.
async fn misses(shop: &Shop) -> Vec<i64> {
    let rows = sqlx::query(
        "SELECT (body ->> 'misses')::bigint FROM facts WHERE kind = 'presence' ORDER BY id",
    )
    .fetch_all(shop.store().pool())
    .await
    .unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

async fn shop_with_a() -> Shop {
    let shop = Shop::open().await;
    shop.pull("shop", &page(0, vec![order("A", 1)])).await;
    shop
}

#[tokio::test]
async fn looks_that_find_nothing_are_two_facts_at_the_most() {
    let shop = shop_with_a().await;
    for minute in [10, 11, 12, 20, 90] {
        look(&shop, minute, nothing()).await;
    }
    assert_eq!(misses(&shop).await, [1, 2]);
    let due = "SELECT count(*) FROM subjects WHERE plan_class = 0 AND plan_at <= hk_now()";
    assert_eq!(shop.number(due).await, 1, "it is planned with new input");
}

#[tokio::test]
async fn any_later_sight_ends_it_though_the_order_has_not_changed() {
    let shop = shop_with_a().await;
    look(&shop, 10, nothing()).await;
    look(&shop, 20, page(20, vec![order("A", 1)])).await;
    assert_eq!(misses(&shop).await, [1, 0]);
    // It begins anew: this is one look again.
    look(&shop, 300, nothing()).await;
    shop.clock(310).await;
    shop.pull("shop", &page(310, vec![order("A", 1)])).await;
    assert_eq!(misses(&shop).await, [1, 0, 1, 0]);
    assert_eq!(
        shop.number("SELECT count(*) FROM facts WHERE kind = 'order'")
            .await,
        1
    );
}

#[tokio::test]
async fn a_page_that_was_asked_for_before_the_look_does_not_end_it() {
    let shop = shop_with_a().await;
    look(&shop, 10, nothing()).await;
    shop.clock(12).await;
    shop.pull("shop", &page(9, vec![order("A", 1)])).await;
    assert_eq!(misses(&shop).await, [1]);
}

#[tokio::test]
async fn an_answer_with_a_record_that_nobody_can_name_says_of_no_order_that_it_is_absent() {
    let shop = shop_with_a().await;
    let bad = |id: Option<&str>| IncomingPage {
        bad: vec![IncomingBad::new(
            BadRecord::new(id.map(Into::into), "no currency"),
            Source {
                raw: b"{}".to_vec(),
                file: None,
            },
        )],
        ..IncomingPage::default()
    };
    look(&shop, 10, bad(None)).await;
    look(&shop, 20, bad(Some("A"))).await;
    assert!(misses(&shop).await.is_empty());
    look(&shop, 30, bad(Some("B"))).await;
    assert_eq!(misses(&shop).await, [1]);
}

#[tokio::test]
async fn an_order_older_than_what_the_external_system_shows_is_not_absent() {
    let shop = shop_with_a().await;
    let ordered: chrono::DateTime<chrono::Utc> =
        sqlx::query_scalar("SELECT happened_at FROM facts WHERE kind = 'order'")
            .fetch_one(shop.store().pool())
            .await
            .unwrap();
    let window = |from| IncomingPage {
        visible_from: Some(from),
        ..IncomingPage::default()
    };
    look(&shop, 10, window(ordered)).await;
    assert!(misses(&shop).await.is_empty());
    look(&shop, 20, window(ordered - Duration::seconds(1))).await;
    assert_eq!(misses(&shop).await, [1]);
    // It has grown too old meanwhile: the look that began it counts no more.
    look(&shop, 300, window(ordered)).await;
    assert_eq!(misses(&shop).await, [1, 0]);
}

#[tokio::test]
async fn a_closed_order_is_not_absent() {
    let shop = shop_with_a().await;
    sqlx::query("UPDATE subjects SET closed_at = hk_now()")
        .execute(shop.store().pool())
        .await
        .unwrap();
    look(&shop, 10, nothing()).await;
    assert!(misses(&shop).await.is_empty());
}
