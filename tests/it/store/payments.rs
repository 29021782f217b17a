//! Payments at another account meet their orders: whichever comes first, by whatever name, and at once.

use hikiate::store::{IncomingOrder, IncomingPage};
use hikiate_sdk::{ChannelState, Currency, Kind, PaymentRef, PaymentSnapshot, PaymentState};

use crate::support::shop::{STREAM, Shop, after, at, order, page, payments};
use crate::support::turns::{blocked_by, ended, session, start_blocked};

/// A thousand yen, authorised.
fn payment(key: &str, reference: Option<&str>) -> PaymentSnapshot {
    PaymentSnapshot {
        key: key.into(),
        reference: reference.map(str::to_owned),
        version: None,
        currency: Currency::JPY,
        state: PaymentState::Authorised,
        amount: 1_000,
        authorised: 1_000,
        captured: 0,
        refunded: 0,
        disputed: 0,
        authorised_until: None,
        pay_by: None,
        parts: None,
        refunds: Vec::new(),
    }
}

fn captured(key: &str, amount: i64) -> PaymentSnapshot {
    PaymentSnapshot {
        captured: amount,
        ..payment(key, None)
    }
}

/// An order of one tea whose payment is known by this name.
fn named(shop: &Shop, id: &str, name: PaymentRef) -> IncomingOrder {
    changed(shop, id, |order| order.tenders[0].provider = Some(name))
}

fn changed(
    shop: &Shop,
    id: &str,
    change: impl FnOnce(&mut hikiate_sdk::OrderSnapshot),
) -> IncomingOrder {
    let mut told = order(id, 1);
    change(&mut told.fact.order);
    let directory = &shop.engine.directory;
    told.payments = directory.payment_names(shop.account("shop"), &told.fact.order);
    told
}

fn by_key(key: &str) -> PaymentRef {
    PaymentRef::by_key(key)
}

fn by_reference(reference: &str) -> PaymentRef {
    PaymentRef::by_reference(reference)
}

/// Keys of the payments that an order has, each as often as it was told.
async fn paid(shop: &Shop, order: &str) -> Vec<String> {
    let subject = shop.subject(order).await;
    let keys = shop.keys(subject).await.into_iter();
    keys.filter(|key| key.starts_with("payment:")).collect()
}

async fn strays(shop: &Shop) -> Vec<String> {
    sqlx::query_scalar("SELECT key FROM stray_payments ORDER BY key")
        .fetch_all(shop.pool())
        .await
        .unwrap()
}

async fn tasks(shop: &Shop) -> Vec<(String, String)> {
    let tasks = shop.store().list_tasks().await.unwrap().into_iter();
    tasks.map(|task| (task.subject, task.kind)).collect()
}

async fn nothing_is_told(shop: &Shop) {
    assert_eq!(tasks(shop).await, []);
    assert!(shop.store().list_quarantine().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_payment_that_comes_after_its_order_finds_it() {
    let shop = Shop::with_provider().await;
    shop.count("TEA", 5, 0).await;
    shop.pull("shop", &page(0, vec![named(&shop, "A", by_key("pi_1"))]))
        .await;
    shop.settle().await;
    let subject = shop.subject("A").await;
    assert_eq!(shop.status(subject).await, "unallocated");
    let told = payments(1, vec![payment("pi_1", None), payment("pi_x", None)]);
    let done = shop.pull("stripe", &told).await;
    assert_eq!((done.new_facts, done.unchanged), (1, 1));
    assert_eq!(shop.planned_for(subject).await, Some(at(0)), "due");
    shop.settle().await;
    assert_eq!(shop.status(subject).await, "allocated");
    assert_eq!(paid(&shop, "A").await, ["payment:stripe/pi_1:1"]);
    assert_eq!(strays(&shop).await, ["pi_x"]);
    nothing_is_told(&shop).await;
    // Told again it is nothing new; changed it is.
    let again = shop.pull("stripe", &told).await;
    assert_eq!((again.new_facts, again.unchanged), (0, 2));
    let more = payments(2, vec![captured("pi_1", 300)]);
    assert_eq!(shop.pull("stripe", &more).await.new_facts, 1);
    let ceiling = "SELECT ceiling FROM payments WHERE payment = 'stripe/pi_1'";
    assert_eq!(shop.number(ceiling).await, 1_000);
}

#[tokio::test]
async fn a_payment_that_comes_before_its_order_waits_for_it_and_is_nobody_s_trouble() {
    let shop = Shop::with_provider().await;
    shop.count("TEA", 5, 0).await;
    for (minute, amount) in [(0, 0), (1, 400)] {
        let told = payments(
            minute,
            vec![captured("pi_1", amount), payment("pi_2", Some("1001"))],
        );
        let done = shop.pull("stripe", &told).await;
        assert_eq!((done.new_facts, done.quarantined), (0, 0));
    }
    assert_eq!(strays(&shop).await, ["pi_1", "pi_2"]);
    nothing_is_told(&shop).await;
    let orders = vec![
        named(&shop, "A", by_key("pi_1")),
        named(&shop, "B", by_reference("1001")),
    ];
    let done = shop.pull("shop", &page(2, orders)).await;
    assert_eq!(done.new_facts, 4);
    assert_eq!(strays(&shop).await, [""; 0]);
    assert_eq!(paid(&shop, "A").await, ["payment:stripe/pi_1:1"]);
    let body = "SELECT (body #>> '{payment,captured}')::bigint FROM facts WHERE key = 'payment:stripe/pi_1:1'";
    assert_eq!(shop.number(body).await, 400, "the newest reading");
    assert_eq!(paid(&shop, "B").await, ["payment:stripe/pi_2:1"]);
    shop.settle().await;
    for order in ["A", "B"] {
        assert_eq!(shop.status(shop.subject(order).await).await, "allocated");
    }
    // What it learnt: the provider tells the payment by its id alone.
    let more = payments(3, vec![captured("pi_2", 1_000)]);
    assert_eq!(shop.pull("stripe", &more).await.new_facts, 1);
    assert_eq!(paid(&shop, "B").await.len(), 2);
}

#[tokio::test]
async fn strangers_payments_go_after_thirty_five_days() {
    let shop = Shop::with_provider().await;
    shop.pull(
        "stripe",
        &payments(0, vec![payment("pi_x", Some("77")), payment("pi_y", None)]),
    )
    .await;
    let days = |n: i64| n * 24 * 60;
    shop.clock(days(20)).await;
    shop.pull("stripe", &payments(days(20), vec![payment("pi_y", None)]))
        .await;
    shop.clock(days(35)).await;
    assert_eq!(shop.store().purge_stray_payments().await.unwrap(), 0);
    shop.clock(days(35) + 1).await;
    assert_eq!(shop.store().purge_stray_payments().await.unwrap(), 1);
    assert_eq!(strays(&shop).await, ["pi_y"], "it was read again since");
    nothing_is_told(&shop).await;
}

#[tokio::test]
async fn a_reference_that_two_orders_have_pays_neither_until_one_lets_go() {
    let shop = Shop::with_provider().await;
    shop.count("TEA", 5, 0).await;
    let twins = ["A", "B"].map(|id| named(&shop, id, by_reference("1001")));
    shop.pull("shop", &page(0, twins.to_vec())).await;
    shop.pull("stripe", &payments(1, vec![payment("pi_1", Some("1001"))]))
        .await;
    shop.settle().await;
    let shared = |id: &str| (order(id, 1).number, "payment_shared".to_owned());
    assert_eq!(strays(&shop).await, ["pi_1"], "never silently one of them");
    let mut told = tasks(&shop).await;
    told.sort();
    let mut want = vec![shared("A"), shared("B")];
    want.sort();
    assert_eq!(told, want);
    let cancelled = changed(&shop, "B", |order| {
        order.tenders[0].provider = Some(by_reference("1001"));
        order.state = ChannelState::Cancelled { at: at(2) };
    });
    shop.pull("shop", &page(2, vec![cancelled])).await;
    assert_eq!(paid(&shop, "A").await, ["payment:stripe/pi_1:1"]);
    assert_eq!(paid(&shop, "B").await, [""; 0]);
    shop.settle().await;
    assert_eq!(shop.status(shop.subject("A").await).await, "allocated");
    nothing_is_told(&shop).await;
}

#[tokio::test]
async fn an_order_that_comes_second_to_a_payment_s_name_stops_the_first() {
    let shop = Shop::with_provider().await;
    shop.count("TEA", 5, 0).await;
    shop.pull("stripe", &payments(0, vec![payment("pi_1", None)]))
        .await;
    shop.pull("shop", &page(1, vec![named(&shop, "A", by_key("pi_1"))]))
        .await;
    shop.settle().await;
    assert_eq!(shop.status(shop.subject("A").await).await, "allocated");
    shop.pull("shop", &page(2, vec![named(&shop, "B", by_key("pi_1"))]))
        .await;
    shop.settle().await;
    for id in ["A", "B"] {
        assert_eq!(shop.status(shop.subject(id).await).await, "unallocated");
    }
    assert_eq!(tasks(&shop).await.len(), 2, "{:?}", tasks(&shop).await);
    // It was the first one's after all: the second is corrected at the channel.
    shop.pull("shop", &page(3, vec![named(&shop, "B", by_key("pi_2"))]))
        .await;
    shop.pull(
        "stripe",
        &payments(4, vec![payment("pi_2", None), captured("pi_1", 10)]),
    )
    .await;
    shop.settle().await;
    for id in ["A", "B"] {
        assert_eq!(shop.status(shop.subject(id).await).await, "allocated");
    }
    assert_eq!(paid(&shop, "A").await.len(), 2);
    assert_eq!(paid(&shop, "B").await, ["payment:stripe/pi_2:1"]);
    nothing_is_told(&shop).await;
}

#[tokio::test]
async fn a_payment_follows_its_name_to_another_order() {
    let shop = Shop::with_provider().await;
    shop.count("TEA", 5, 0).await;
    shop.pull(
        "shop",
        &page(0, vec![named(&shop, "A", by_reference("1001"))]),
    )
    .await;
    shop.pull("stripe", &payments(1, vec![payment("pi_1", Some("1001"))]))
        .await;
    shop.settle().await;
    // Nothing of it is told again, and it is found all the same.
    shop.pull(
        "shop",
        &page(2, vec![named(&shop, "A", by_reference("1002"))]),
    )
    .await;
    assert_eq!(strays(&shop).await, ["pi_1"]);
    shop.settle().await;
    assert_eq!(shop.status(shop.subject("A").await).await, "unallocated");
    shop.pull(
        "shop",
        &page(3, vec![named(&shop, "B", by_reference("1001"))]),
    )
    .await;
    shop.settle().await;
    assert_eq!(paid(&shop, "B").await, ["payment:stripe/pi_1:1"]);
    assert_eq!(shop.status(shop.subject("B").await).await, "allocated");
    // And back, though the order has had it before.
    let back = [("B", "1003"), ("A", "1001")];
    for (minute, (id, reference)) in (4..).zip(back) {
        shop.pull(
            "shop",
            &page(minute, vec![named(&shop, id, by_reference(reference))]),
        )
        .await;
    }
    shop.settle().await;
    assert_eq!(shop.status(shop.subject("A").await).await, "allocated");
    assert_eq!(shop.status(shop.subject("B").await).await, "unallocated");
    assert_eq!(strays(&shop).await, [""; 0]);
}

/// Another channel's order may have the same id there, and name the same payment.
#[tokio::test]
async fn an_order_of_another_channel_with_the_same_id_is_another_order() {
    let shop = Shop::with_provider().await;
    let other: i64 = sqlx::query_scalar(
        "INSERT INTO subjects (kind, account_id, external_id, number, created_at) VALUES ('order', $1, 'A', 'HKZ', hk_now()) RETURNING id",
    )
    .bind(shop.account("wms"))
    .fetch_one(shop.pool())
    .await
    .unwrap();
    let claim = "INSERT INTO payment_names (account_id, kind, name, subject_id, learnt, live) VALUES ($1, 'reference', '1001', $2, false, false)";
    sqlx::query(claim)
        .bind(shop.account("stripe"))
        .bind(other)
        .execute(shop.pool())
        .await
        .unwrap();
    shop.pull("stripe", &payments(0, vec![payment("pi_1", Some("1001"))]))
        .await;
    let told = named(&shop, "A", by_reference("1001"));
    shop.pull("shop", &page(1, vec![told])).await;
    assert_eq!(
        shop.keys(other).await,
        ["payment:stripe/pi_1:1"],
        "its only claim then"
    );
    let mine = "SELECT count(*) FROM facts f JOIN subjects s ON s.id = f.subject_id WHERE s.number <> 'HKZ' AND f.kind IN ('order', 'payment')";
    assert_eq!(
        shop.number(mine).await,
        2,
        "it is alive, and the other is cancelled"
    );
}

/// Stores a page beside everything else that goes on.
fn storing(
    shop: &Shop,
    owned: hikiate::store::OwnedAccount,
    page: IncomingPage,
) -> impl Future<Output = usize> + Send + 'static {
    let store = shop.store().clone();
    async move {
        let stored = store.ingest(&owned, STREAM, 0, &page, &after(1)).await;
        stored.unwrap().new_facts
    }
}

/// An order in the way of a page that has it too.
async fn in_the_way(shop: &Shop) -> sqlx::Transaction<'static, sqlx::Postgres> {
    sqlx::query(
        "INSERT INTO subjects (kind, account_id, external_id, number, created_at) VALUES ('order', $1, 'Z', 'HKZ', hk_now())",
    )
    .bind(shop.account("shop"))
    .execute(shop.pool())
    .await
    .unwrap();
    let mut tx = shop.pool().begin().await.unwrap();
    sqlx::query("SELECT FROM subjects WHERE external_id = 'Z' FOR NO KEY UPDATE")
        .execute(&mut *tx)
        .await
        .unwrap();
    tx
}

#[tokio::test]
async fn a_payment_that_comes_while_its_order_is_stored_is_not_lost() {
    let shop = Shop::with_provider().await;
    let mut way = in_the_way(&shop).await;
    let holder = session(&mut way).await;
    let orders = ["Z", "A"].map(|id| named(&shop, id, by_key(&format!("pi_{id}"))));
    let owned = shop.owned("shop").await;
    let order = storing(&shop, owned, page(0, orders.to_vec()));
    let order = start_blocked(shop.pool(), holder, order).await;
    let first = blocked_by(shop.pool(), holder).await;
    let owned = shop.owned("stripe").await;
    let payment = storing(&shop, owned, payments(0, vec![payment("pi_A", None)]));
    let payment = start_blocked(shop.pool(), first, payment).await;
    way.commit().await.unwrap();
    assert_eq!((ended(order).await, ended(payment).await), (2, 1));
    assert_eq!(paid(&shop, "A").await, ["payment:stripe/pi_A:1"]);
    assert_eq!(strays(&shop).await, [""; 0]);
}

#[tokio::test]
async fn an_order_that_comes_while_its_payment_is_stored_finds_it() {
    let shop = Shop::with_provider().await;
    let mut way = in_the_way(&shop).await;
    let claim = "INSERT INTO payment_names (account_id, kind, name, subject_id, learnt, live) SELECT $1, 'key', 'pi_Z', id, false, true FROM subjects";
    sqlx::query(claim)
        .bind(shop.account("stripe"))
        .execute(shop.pool())
        .await
        .unwrap();
    let holder = session(&mut way).await;
    let owned = shop.owned("stripe").await;
    let both = vec![payment("pi_A", None), payment("pi_Z", None)];
    let payment = storing(&shop, owned, payments(0, both));
    let payment = start_blocked(shop.pool(), holder, payment).await;
    let first = blocked_by(shop.pool(), holder).await;
    let owned = shop.owned("shop").await;
    let order = storing(
        &shop,
        owned,
        page(0, vec![named(&shop, "A", by_key("pi_A"))]),
    );
    let order = start_blocked(shop.pool(), first, order).await;
    way.commit().await.unwrap();
    assert_eq!((ended(payment).await, ended(order).await), (1, 2));
    assert_eq!(paid(&shop, "A").await, ["payment:stripe/pi_A:1"]);
    assert_eq!(strays(&shop).await, [""; 0]);
    let subject = shop.subject("A").await;
    assert_eq!(shop.planned_for(subject).await, Some(at(0)), "due");
}

/// A capture at another account is bound by what that account reported, not by what the channel shows.
#[tokio::test]
async fn the_database_refuses_to_capture_what_the_account_never_reported() {
    let shop = Shop::with_provider().await;
    shop.pull("shop", &page(0, vec![named(&shop, "A", by_key("pi_1"))]))
        .await;
    let subject = shop.subject("A").await;
    let capture = |key: &'static str, payment: &'static str, amount: i64| {
        let body = serde_json::json!({ "op": "capture", "account": "stripe", "n": 1, "what": { "is": "call", "call": {
            "op": "capture", "order": "A", "payment": "pay-A", "provider": { "key": payment, "reference": null }, "key": key,
            "amount": amount, "currency": "JPY", "captured_after": amount }, "parcels": [] } });
        let row = "INSERT INTO facts (subject_id, key, class, kind, version, body, happened_at, reported_at, recorded_at, business_date, actor)
            VALUES ($1, $2, 'intent', 'intent', 1, $3, hk_now(), hk_now(), hk_now(), hk_now()::date, 'plan')";
        sqlx::query(row)
            .bind(subject)
            .bind(key)
            .bind(body)
            .execute(shop.pool())
    };
    let refused = capture("capture:1", "pi_1", 1_000).await.unwrap_err();
    assert!(refused.to_string().contains("payments_bound"), "{refused}");
    shop.pull("stripe", &payments(1, vec![payment("pi_1", None)]))
        .await;
    capture("capture:2", "pi_1", 600).await.unwrap();
    let refused = capture("capture:3", "pi_1", 401).await.unwrap_err();
    assert!(refused.to_string().contains("payments_bound"), "{refused}");
    capture("capture:4", "pi_1", 400).await.unwrap();
    assert!(
        capture("capture:5", "pi_2", 1).await.is_err(),
        "another's payment"
    );
}

/// What the first one learnt is as alive as itself: once it is cancelled the other has the payment, though nothing of it comes again.
#[tokio::test]
async fn what_a_cancelled_order_learnt_keeps_no_other_from_its_payment() {
    let shop = Shop::with_provider().await;
    shop.pull(
        "shop",
        &page(0, vec![named(&shop, "A", by_reference("1001"))]),
    )
    .await;
    shop.pull("stripe", &payments(1, vec![payment("pi_1", Some("1001"))]))
        .await;
    assert_eq!(paid(&shop, "A").await, ["payment:stripe/pi_1:1"]);
    shop.pull(
        "shop",
        &page(2, vec![named(&shop, "B", by_reference("1001"))]),
    )
    .await;
    assert_eq!(strays(&shop).await, ["pi_1"], "both have its reference");
    let cancelled = changed(&shop, "A", |order| {
        order.tenders[0].provider = Some(by_reference("1001"));
        order.state = ChannelState::Cancelled { at: at(3) };
    });
    shop.pull("shop", &page(3, vec![cancelled])).await;
    assert_eq!(paid(&shop, "B").await, ["payment:stripe/pi_1:1"]);
    assert_eq!(strays(&shop).await, [""; 0]);
}

/// The time that counts for its purge begins when its order lets go of it, whenever it was read last.
#[tokio::test]
async fn a_payment_that_its_order_lets_go_of_waits_thirty_five_days_from_then() {
    let shop = Shop::with_provider().await;
    let days = |n: i64| n * 24 * 60;
    shop.pull(
        "shop",
        &page(0, vec![named(&shop, "A", by_reference("1001"))]),
    )
    .await;
    shop.pull("stripe", &payments(1, vec![payment("pi_1", Some("1001"))]))
        .await;
    shop.clock(days(40)).await;
    let renamed = named(&shop, "A", by_reference("1002"));
    shop.pull("shop", &page(days(40), vec![renamed])).await;
    assert_eq!(strays(&shop).await, ["pi_1"]);
    assert_eq!(shop.store().purge_stray_payments().await.unwrap(), 0);
    // A reading that is newer than its last one counts, though it was asked for before its order let go of it.
    let mut more = payment("pi_1", Some("1001"));
    more.captured = 400;
    shop.pull("stripe", &payments(days(39), vec![more])).await;
    shop.clock(days(41)).await;
    let found = named(&shop, "B", by_reference("1001"));
    shop.pull("shop", &page(days(41), vec![found])).await;
    assert_eq!(paid(&shop, "B").await, ["payment:stripe/pi_1:1"]);
    let captured = "SELECT (f.body #>> '{payment,captured}')::bigint FROM facts f JOIN latest_observations h ON h.subject_id = f.subject_id AND h.kind = 'payment'
        JOIN subjects s ON s.id = f.subject_id WHERE s.external_id = 'B' AND f.kind = 'payment' AND h.requested_at = timestamptz '2026-11-21T00:00:00Z' + interval '39 days'";
    assert_eq!(shop.number(captured).await, 400, "asked for when it was");
    // One that nobody takes goes.
    shop.clock(days(42)).await;
    shop.pull(
        "shop",
        &page(days(42), vec![named(&shop, "B", by_reference("1003"))]),
    )
    .await;
    shop.clock(days(77)).await;
    assert_eq!(shop.store().purge_stray_payments().await.unwrap(), 0);
    shop.clock(days(78)).await;
    assert_eq!(shop.store().purge_stray_payments().await.unwrap(), 1);
}

/// An order's names are asked for before they are locked; what it learns in between is lost with the name it learnt it by.
#[tokio::test]
async fn what_an_order_learns_while_it_waits_for_its_names_is_among_them() {
    let shop = Shop::with_provider().await;
    let mut way = in_the_way(&shop).await;
    claimed_by_all(&shop, "pi_Z").await;
    shop.pull(
        "shop",
        &page(0, vec![named(&shop, "A", by_reference("1001"))]),
    )
    .await;
    let holder = session(&mut way).await;
    let owned = shop.owned("stripe").await;
    let both = vec![payment("pi_1", Some("1001")), payment("pi_Z", None)];
    let payment = storing(&shop, owned, payments(1, both));
    let payment = start_blocked(shop.pool(), holder, payment).await;
    let first = blocked_by(shop.pool(), holder).await;
    let owned = shop.owned("shop").await;
    let renamed = named(&shop, "A", by_reference("1002"));
    let store = shop.store().clone();
    let order = async move {
        let told = page(2, vec![renamed]);
        let stored = store.ingest(&owned, STREAM, 1, &told, &after(2)).await;
        stored.unwrap().new_facts
    };
    let order = start_blocked(shop.pool(), first, order).await;
    way.commit().await.unwrap();
    assert_eq!((ended(payment).await, ended(order).await), (2, 1));
    assert_eq!(strays(&shop).await, ["pi_1"]);
    let learnt = "SELECT count(*) FROM payment_names WHERE name = 'pi_1'";
    assert_eq!(shop.number(learnt).await, 0);
}

/// All orders that there are claim a payment by its key.
async fn claimed_by_all(shop: &Shop, key: &str) {
    let claim = "INSERT INTO payment_names (account_id, kind, name, subject_id, learnt, live) SELECT $1, 'key', $2, id, false, true FROM subjects";
    sqlx::query(claim)
        .bind(shop.account("stripe"))
        .bind(key)
        .execute(shop.pool())
        .await
        .unwrap();
}

/// A payment page that has the name of A's payment and waits for the order in the way, before it comes to A.
async fn payments_in_the_way(
    shop: &Shop,
    way: &mut sqlx::Transaction<'static, sqlx::Postgres>,
) -> (tokio::task::JoinHandle<usize>, i32) {
    let holder = session(way).await;
    let owned = shop.owned("stripe").await;
    let both = vec![payment("pi_A", None), payment("pi_Z", None)];
    let payment = storing(shop, owned, payments(1, both));
    let payment = start_blocked(shop.pool(), holder, payment).await;
    let first = blocked_by(shop.pool(), holder).await;
    (payment, first)
}

/// Names come before rows also where an answer lacks an order.
#[tokio::test]
async fn an_answer_that_lacks_an_order_and_a_payment_page_do_not_lock_each_other_out() {
    let shop = Shop::with_provider().await;
    let mut way = in_the_way(&shop).await;
    claimed_by_all(&shop, "pi_Z").await;
    let orders = ["A", "M"].map(|id| named(&shop, id, by_key(&format!("pi_{id}"))));
    shop.pull("shop", &page(0, orders.to_vec())).await;
    let (payment, first) = payments_in_the_way(&shop, &mut way).await;
    let owned = shop.owned("shop").await;
    let answer = page(2, vec![named(&shop, "A", by_key("pi_A"))]);
    let store = shop.store().clone();
    let read = async move {
        let asked = ["A".into(), "M".into()];
        let read = store.ingest_read(&owned, Kind::Order, &asked, &answer);
        read.await.unwrap().absences
    };
    let read = start_blocked(shop.pool(), first, read).await;
    way.commit().await.unwrap();
    assert_eq!((ended(payment).await, ended(read).await), (2, true));
    let absent = "SELECT count(*) FROM presence p JOIN subjects s ON s.id = p.subject_id WHERE p.misses = 1 AND s.external_id = 'M'";
    assert_eq!(shop.number(absent).await, 1);
}

/// And where a page is stored record by record, since the database refuses one.
#[tokio::test]
async fn a_page_that_is_stored_record_by_record_locks_names_before_rows() {
    let shop = Shop::with_provider().await;
    let mut way = in_the_way(&shop).await;
    claimed_by_all(&shop, "pi_Z").await;
    // B has the payment too; the page does not say so.
    shop.pull("shop", &page(0, vec![order("B", 1)])).await;
    let claim = "INSERT INTO payment_names (account_id, kind, name, subject_id, learnt, live) SELECT $1, 'key', 'pi_A', id, false, true FROM subjects WHERE external_id = 'B'";
    sqlx::query(claim)
        .bind(shop.account("stripe"))
        .execute(shop.pool())
        .await
        .unwrap();
    // Refused before anything is locked.
    let told = IncomingPage {
        stock: shop.counted("a\0b", 1, 2).stock,
        ..page(2, vec![order("B", 2), named(&shop, "A", by_key("pi_A"))])
    };
    let (payment, first) = payments_in_the_way(&shop, &mut way).await;
    let owned = shop.owned("shop").await;
    let store = shop.store().clone();
    let page = async move {
        let stored = store.ingest(&owned, STREAM, 1, &told, &after(2)).await;
        stored.unwrap().quarantined
    };
    let page = start_blocked(shop.pool(), first, page).await;
    way.commit().await.unwrap();
    ended(payment).await;
    assert_eq!(ended(page).await, 1);
}

/// Nothing of an order whose bytes are the last ones is locked, its payments' names included.
#[tokio::test]
async fn an_order_of_the_same_bytes_waits_for_no_payment() {
    let shop = Shop::with_provider().await;
    let mut way = in_the_way(&shop).await;
    claimed_by_all(&shop, "pi_Z").await;
    let read = |minute: i64, ids: &[&str]| {
        let orders = ids.iter();
        let orders = orders.map(|id| named(&shop, id, by_key(&format!("pi_{id}"))));
        IncomingPage {
            read_by: Some(7),
            ..page(minute, orders.collect())
        }
    };
    shop.pull("shop", &read(0, &["A"])).await;
    let (payment, _) = payments_in_the_way(&shop, &mut way).await;
    let told = read(2, &["A", "B"]);
    let bound = std::time::Duration::from_secs(60);
    let done = tokio::time::timeout(bound, shop.pull("shop", &told)).await;
    // Else it waits for a payment of an order that says nothing new.
    let done = done.unwrap();
    assert_eq!((done.new_facts, done.unchanged), (1, 1));
    way.commit().await.unwrap();
    assert_eq!(ended(payment).await, 2);
}

/// A refund is bound by what was read as captured and not given back by others; what is read is stored all the same.
#[tokio::test]
async fn the_database_refuses_to_refund_more_than_is_captured_and_not_given_back() {
    let shop = Shop::with_provider().await;
    shop.pull("shop", &page(0, vec![named(&shop, "A", by_key("pi_1"))]))
        .await;
    let subject = shop.subject("A").await;
    let store = |key: &'static str, class: &'static str, body: serde_json::Value| {
        let row = "INSERT INTO facts (subject_id, key, class, kind, version, body, happened_at, reported_at, recorded_at, business_date, actor)
            VALUES ($1, $2, $3, $3, 1, $4, hk_now(), hk_now(), hk_now(), hk_now()::date, 'plan')";
        sqlx::query(row)
            .bind(subject)
            .bind(key)
            .bind(class)
            .bind(body)
            .execute(shop.pool())
    };
    let refund = |key: &'static str, amount: i64| {
        let body = serde_json::json!({ "op": "refund", "account": "stripe", "n": 1, "what": { "is": "call", "call": {
            "op": "refund", "order": "A", "payment": "pay-A", "provider": { "key": "pi_1", "reference": null }, "key": key,
            "amount": amount, "currency": "JPY", "expected_refunded_total": amount }, "parcels": [], "decision": "refund_wanted:x" } });
        store(key, "intent", body)
    };
    let refused = refund("refund:1", 1).await.unwrap_err();
    assert!(
        refused.to_string().contains("payments_refund_bound"),
        "nothing is captured: {refused}"
    );
    let mut captured = payment("pi_1", None);
    captured.captured = 1_000;
    shop.pull("stripe", &payments(1, vec![captured.clone()]))
        .await;
    refund("refund:2", 400).await.unwrap();
    refund("refund:3", 601).await.unwrap_err();
    // Ours is shown, and staff gave back 300 beside it.
    captured.refunded = 700;
    captured.version = Some(9);
    shop.pull("stripe", &payments(2, vec![captured.clone()]))
        .await;
    let refused = refund("refund:4", 301).await.unwrap_err();
    assert!(
        refused.to_string().contains("payments_refund_bound"),
        "{refused}"
    );
    refund("refund:5", 300).await.unwrap();
    let outcome = |key: &'static str, intent: &str, verdict: &str| {
        let body = serde_json::json!({ "intent": intent, "verdict": verdict, "message": "" });
        store(key, "outcome", body)
    };
    // One that was refused leaves room; one that happened after all is stored.
    outcome("refund:5:outcome:1", "refund:5", "refused")
        .await
        .unwrap();
    refund("refund:6", 300).await.unwrap();
    outcome("refund:5:outcome:2", "refund:5", "done")
        .await
        .unwrap();
    // What others give back beyond all bounds is stored as well.
    captured.refunded = 5_000;
    captured.version = Some(10);
    let done = shop.pull("stripe", &payments(3, vec![captured])).await;
    assert_eq!(done.quarantined, 0);
    refund("refund:7", 1).await.unwrap_err();
}
