//! What has left takes its reservation with it, in the commit that writes the movement.

use hikiate::plan::types::OrderPlan;

use crate::support::desk::quiet;
use crate::support::shop::{Shop, order, page};

/// A plan of which the only news is that so many pieces left in a parcel.
async fn left(shop: &Shop, subject: i64, cause: &str, pieces: i64) {
    let mut tx = shop.claim(subject).await;
    let plan = OrderPlan {
        entries: vec![shop.left(subject, cause, pieces).await],
        ..quiet()
    };
    shop.commit(&mut tx, subject, plan).await.unwrap();
    tx.commit().await.unwrap();
}

/// As the rows say, and as their sum says.
async fn reserved(shop: &Shop) -> (i64, i64) {
    let rows = "SELECT coalesce(sum(qty), 0) FROM reservations";
    let sum = "SELECT reserved::bigint FROM demands";
    (shop.number(rows).await, shop.number(sum).await)
}

#[tokio::test]
async fn what_left_is_not_reserved_any_more_before_allocation_looks_again() {
    let shop = Shop::open().await;
    shop.count("TEA", 5, 0).await;
    shop.pull("shop", &page(0, vec![order("A", 5)])).await;
    shop.settle().await;
    let subject = shop.subject("A").await;
    assert_eq!(reserved(&shop).await, (5, 5));
    left(&shop, subject, "parcel:x", 2).await;
    assert_eq!(reserved(&shop).await, (3, 3));
    left(&shop, subject, "parcel:x", 2).await;
    assert_eq!(reserved(&shop).await, (3, 3), "told again");
    left(&shop, subject, "parcel:x", 1).await;
    assert_eq!(
        reserved(&shop).await,
        (3, 3),
        "giving back is the allocation's"
    );
    left(&shop, subject, "parcel:y", 1).await;
    assert_eq!(reserved(&shop).await, (2, 2));
    left(&shop, subject, "parcel:z", 9).await;
    assert_eq!(reserved(&shop).await, (0, 0), "no less than nothing");
}
