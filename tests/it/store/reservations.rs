//! What has left takes its reservation with it, in the commit that writes the movement.

use hikiate::plan::types::{DemandRow, OrderPlan};

use crate::support::desk::quiet;
use crate::support::shop::{Shop, at, order, page};

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

/// A line whose code means another item now: what was reserved of the one before is on sale again, and none of it is
/// taken for the other.
#[tokio::test]
async fn a_line_that_means_another_item_holds_nothing_of_the_one_before() {
    let shop = Shop::open().await;
    shop.count("TEA", 5, 0).await;
    shop.pull("shop", &page(0, vec![order("A", 5)])).await;
    shop.settle().await;
    assert_eq!(reserved(&shop).await, (5, 5));
    let subject = shop.subject("A").await;
    let sql = "INSERT INTO items (code) VALUES ('POT') RETURNING id";
    let other = shop.number(sql).await;
    let line: String = sqlx::query_scalar("SELECT line_key FROM demands")
        .fetch_one(shop.pool())
        .await
        .unwrap();
    let mut tx = shop.claim(subject).await;
    let plan = OrderPlan {
        demands: vec![DemandRow {
            group: "1".into(),
            line: line.as_str().into(),
            item_id: other,
            wanted: 5,
            shipped: 0,
            by_others: 0,
            firm: true,
            behind: false,
            promised_at: at(0),
            ordered_at: at(0),
        }],
        ..quiet()
    };
    shop.commit(&mut tx, subject, plan).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(reserved(&shop).await, (0, 0));
    let marks = "SELECT count(DISTINCT item_id) FROM item_marks";
    assert_eq!(shop.number(marks).await, 2, "both are looked at again");
}
