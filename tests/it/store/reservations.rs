//! What has left takes its reservation with it, in the commit that writes the movement.

use hikiate::plan::types::{DemandRow, OrderPlan, StockEntryRow};
use hikiate::store::Store;

use crate::support::desk::quiet;
use crate::support::shop::{Shop, at, order, page};

/// A plan of which the only new input is that so many pieces left in a parcel.
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
    let sum = "SELECT reserved_qty::bigint FROM demands";
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
    let other = shop.number(POT).await;
    means(&shop, subject, other).await;
    assert_eq!(reserved(&shop).await, (0, 0));
    let marks = "SELECT count(DISTINCT item_id) FROM allocation_requests";
    assert_eq!(shop.number(marks).await, 2, "both are looked at again");
}

const POT: &str = "INSERT INTO items (code) VALUES ('POT') RETURNING id";

/// A plan of which the only new input is what the line of five pieces means.
async fn means(shop: &Shop, subject: i64, item_id: i64) {
    let line: String = sqlx::query_scalar("SELECT line_key FROM demands")
        .fetch_one(shop.pool())
        .await
        .unwrap();
    let mut tx = shop.claim(subject).await;
    let plan = OrderPlan {
        demands: vec![DemandRow {
            group: "1".into(),
            line: line.as_str().into(),
            item_id,
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
}

async fn run(shop: &Shop, sql: &'static str) {
    sqlx::raw_sql(sql).execute(shop.pool()).await.unwrap();
}

/// Five pieces of TEA are reserved for a line that means POT: an older program writes only the line.
async fn left_by_an_older_program() -> (Shop, i64, i64) {
    let shop = Shop::open().await;
    shop.count("TEA", 5, 0).await;
    shop.pull("shop", &page(0, vec![order("A", 5)])).await;
    shop.settle().await;
    let subject = shop.subject("A").await;
    let pot = shop.number(POT).await;
    means(&shop, subject, pot).await;
    let back = "INSERT INTO reservations SELECT d.id, l.id, i.id, 5, true FROM demands d, locations l, items i WHERE i.code = 'TEA' AND l.slug = 'tokyo';
      UPDATE demands SET reserved_qty = 5; DELETE FROM allocation_requests";
    run(&shop, back).await;
    assert_eq!(reserved(&shop).await, (5, 5));
    (shop, subject, pot)
}

/// Beside an older program, what it reserved of the item before is never taken for the item that is meant, and is on sale
/// again with the next plan or allocation.
#[tokio::test]
async fn what_an_older_program_left_reserved_of_the_item_before_is_not_of_this_one_and_goes_back() {
    let (shop, subject, pot) = left_by_an_older_program().await;
    let mut tx = shop.claim(subject).await;
    let loaded = Store::load(&mut tx, &[subject], &shop.engine.directory)
        .await
        .unwrap();
    let (_, _, input) = loaded.orders.into_iter().next().unwrap();
    assert!(input.unwrap().demands[0].reserved.is_empty());
    drop(tx);
    // The same line again, as any plan writes it.
    means(&shop, subject, pot).await;
    assert_eq!(reserved(&shop).await, (0, 0));

    let (shop, _, _) = left_by_an_older_program().await;
    let mark =
        "INSERT INTO allocation_requests (item_id, demand_id) SELECT item_id, id FROM demands";
    run(&shop, mark).await;
    let store = shop.store();
    let done = store.allocate(&shop.engine.directory, &shop.engine.policy);
    assert_eq!(done.await.unwrap().marks, 1);
    assert_eq!(reserved(&shop).await, (0, 0));
    let tea = "SELECT count(*) FROM allocation_requests m JOIN items i ON i.id = m.item_id WHERE i.code = 'TEA'";
    assert_eq!(shop.number(tea).await, 1, "its units are given anew");
}

/// Where a part is reserved of the item that is meant, only the rest goes back.
#[tokio::test]
async fn what_is_reserved_of_the_item_that_is_meant_stays_when_the_other_goes_back() {
    let (shop, subject, pot) = left_by_an_older_program().await;
    let more = "INSERT INTO locations (slug, account_id, code) SELECT 'kobe', account_id, 'kobe' FROM locations;
      INSERT INTO reservations SELECT d.id, l.id, d.item_id, 2, true FROM demands d, locations l WHERE l.slug = 'kobe';
      UPDATE demands SET reserved_qty = 7";
    run(&shop, more).await;
    means(&shop, subject, pot).await;
    assert_eq!(reserved(&shop).await, (2, 2));
}

/// A late parcel of the item before takes nothing of what is reserved of the one now.
#[tokio::test]
async fn what_left_of_the_item_before_takes_no_reservation_of_the_item_now() {
    let shop = Shop::open().await;
    shop.count("TEA", 5, 0).await;
    shop.pull("shop", &page(0, vec![order("A", 5)])).await;
    shop.settle().await;
    let subject = shop.subject("A").await;
    let before = shop.number(POT).await;
    let entry = StockEntryRow {
        item_id: before,
        ..shop.left(subject, "parcel:x", 3).await
    };
    let mut tx = shop.claim(subject).await;
    let plan = OrderPlan {
        entries: vec![entry],
        ..quiet()
    };
    shop.commit(&mut tx, subject, plan).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(reserved(&shop).await, (5, 5));
}

/// 304 orders of TEA and POT that hold POT in Osaka, so that without splitting nothing else serves them, and one of TEA alone; one
/// TEA comes to Tokyo.
const BOUND_ELSEWHERE: &str = "
  INSERT INTO items (code) VALUES ('TEA'), ('POT');
  INSERT INTO subjects (kind, account_id, external_id, number, origin, created_at)
    SELECT 'order', a.id, 'o' || n, 'HK' || lpad(n::text, 13, '0'), 'live', hk_now() FROM generate_series(1, 305) AS n, accounts a WHERE a.slug = 'shop';
  INSERT INTO demands (subject_id, group_key, line_key, item_id, required_qty, firm, promised_at, ordered_at)
    SELECT s.id, '1', i.code, i.id, 1, true, hk_now(), hk_now() + make_interval(secs => substr(s.external_id, 2)::int)
    FROM subjects s, items i WHERE i.code = 'TEA' OR s.external_id <> 'o305' ORDER BY s.id, i.id;
  INSERT INTO reservations SELECT d.id, l.id, d.item_id, 1, true FROM demands d, locations l WHERE d.line_key = 'POT' AND l.slug = 'osaka';
  UPDATE demands SET reserved_qty = 1 WHERE line_key = 'POT';
  INSERT INTO stock (item_id, location_id, code, counted_qty, counted_at)
    SELECT i.id, l.id, i.code, CASE i.code WHEN 'TEA' THEN 1 ELSE 304 END, hk_now() - interval '1 hour' FROM items i, locations l
    WHERE (i.code, l.slug) IN (('TEA', 'tokyo'), ('POT', 'osaka'));
  INSERT INTO allocation_requests (item_id) SELECT id FROM items WHERE code = 'TEA'";

#[tokio::test]
async fn stock_that_the_best_of_those_who_wait_cannot_take_reaches_the_others() {
    let shop = Shop::open().await;
    let mut policy = (*shop.engine.policy).clone();
    let mut osaka = policy.warehouses[0].clone();
    osaka.name = "osaka".to_owned();
    osaka.location = Some("O".to_owned());
    policy.warehouses[0].location = Some("T".to_owned());
    policy.warehouses.push(osaka);
    assert!(!policy.allocation.split);
    let accounts = ["shop", "wms"].map(|slug| (hikiate_sdk::AccountSlug::new(slug), "test"));
    let directory = shop.store().register(&accounts, &policy).await.unwrap();
    run(&shop, BOUND_ELSEWHERE).await;
    let mut rounds = 0;
    while shop
        .store()
        .allocate(&directory, &policy)
        .await
        .unwrap()
        .marks
        > 0
    {
        rounds += 1;
        assert!(rounds < 10, "it goes round and round");
    }
    let last = "SELECT coalesce(sum(r.qty), 0) FROM reservations r JOIN demands d ON d.id = r.demand_id JOIN subjects s ON s.id = d.subject_id
       JOIN locations l ON l.id = r.location_id WHERE s.external_id = 'o305' AND l.slug = 'tokyo'";
    assert_eq!(shop.number(last).await, 1);
}

/// Until allocation has looked, nobody knows that stock is short.
#[tokio::test]
async fn a_new_order_is_not_backordered_before_allocation_has_looked() {
    let shop = Shop::open().await;
    shop.count("TEA", 5, 0).await;
    let orders = vec![order("A", 5), order("B", 1)];
    shop.pull("shop", &page(0, orders)).await;
    let (served, short) = (shop.subject("A").await, shop.subject("B").await);
    while hikiate::daemon::plan_step(&shop.engine).await.unwrap() > 0 {}
    for subject in [served, short] {
        assert_eq!(shop.status(subject).await, "unallocated");
    }
    shop.settle().await;
    assert_eq!(shop.status(served).await, "allocated");
    assert_eq!(shop.status(short).await, "backordered");
}
