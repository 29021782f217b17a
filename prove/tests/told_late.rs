//! Warehouses correct what they told: the shipment's row follows, whichever way.

#![expect(clippy::unwrap_used, reason = "tests stop at the first surprise")]

use hikiate_prove::support::shop::{Shop, order, page, parcel};

async fn state(shop: &Shop, subject: i64) -> String {
    let sql = "SELECT state FROM shipments WHERE subject_id = $1";
    let row = sqlx::query_scalar(sql).bind(subject);
    row.fetch_one(shop.pool()).await.unwrap()
}

async fn two_teas(shop: &Shop) -> i64 {
    shop.count("TEA", 5, 0).await;
    shop.pull("shop", &page(0, vec![order("order_1", 2)])).await;
    shop.settle().await;
    shop.subject("order_1").await
}

async fn left(shop: &Shop, reference: &str, quantity: u32, minute: i64) {
    shop.clock(minute).await;
    let mut told = page(minute, Vec::new());
    told.facts.push(parcel(reference, quantity, minute));
    shop.pull("wms", &told).await;
    shop.settle().await;
}

#[tokio::test]
async fn a_parcel_corrected_after_all_had_left_is_planned() {
    let shop = Shop::open().await;
    let subject = two_teas(&shop).await;
    let reference = shop.instructed(subject).await;
    left(&shop, &reference, 2, 1).await;
    assert_eq!(state(&shop, subject).await, "shipped");
    left(&shop, &reference, 1, 5).await;
    assert_eq!(state(&shop, subject).await, "instructed");
    let shipped = shop.number("SELECT shipped_qty::bigint FROM demands").await;
    assert_eq!(shipped, 1, "one of two has left");
    let short = shop.number("SELECT count(*) FROM tasks WHERE kind = 'shipped_short'");
    assert_eq!(short.await, 1, "an operator is asked about the other");
    left(&shop, &reference, 2, 9).await;
    assert_eq!(state(&shop, subject).await, "shipped");
}

#[tokio::test]
async fn a_parcel_of_a_shipment_in_no_wave_is_planned() {
    let shop = Shop::open().await;
    let subject = two_teas(&shop).await;
    assert_eq!(state(&shop, subject).await, "waiting");
    let reference: String = sqlx::query_scalar("SELECT reference FROM shipments")
        .fetch_one(shop.pool())
        .await
        .unwrap();
    left(&shop, &reference, 2, 1).await;
    assert_eq!(state(&shop, subject).await, "shipped");
    let shipped = shop.number("SELECT shipped_qty::bigint FROM demands").await;
    assert_eq!(shipped, 2);
}
