//! Deposits: what they pay, what the books are told, and the clock that all times come from.

use chrono::TimeDelta;
use hikiate::store::{
    Added, DepositFilter, DepositMove, DepositRow, DepositTerms, NewDeposit, StoreError,
};

use hikiate_sdk::Kind;

use crate::support::shop::{Shop, at, order, page, today};

fn booked() -> DepositTerms<'static> {
    DepositTerms {
        book: true,
        actor: "ken",
        today: today(),
        dry_run: false,
    }
}

fn deposit(reference: &str, amount: i64, order: Option<i64>) -> NewDeposit {
    NewDeposit {
        account: "shop".into(),
        reference: reference.to_owned(),
        amount,
        currency: "JPY".parse().unwrap(),
        date: today().pred_opt().unwrap(),
        order,
    }
}

async fn add(shop: &Shop, new: &NewDeposit, terms: &DepositTerms<'_>) -> Added {
    let rows = [new.clone()];
    let added = shop
        .store()
        .add_deposits(&shop.engine.directory, &rows, terms);
    added.await.unwrap().remove(0)
}

async fn row(shop: &Shop, reference: &str) -> DepositRow {
    shop.store().find_deposit(reference).await.unwrap()
}

/// Two orders that are known, A and B.
async fn two_orders() -> (Shop, i64, i64) {
    let shop = Shop::open().await;
    shop.pull("shop", &page(0, vec![order("A", 1), order("B", 1)]))
        .await;
    let (a, b) = (shop.subject("A").await, shop.subject("B").await);
    (shop, a, b)
}

/// Each posting with its day and amount, in order.
async fn postings(shop: &Shop) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT concat_ws(' ', p.kind, o.external_id, p.amount, p.business_date) FROM deposit_postings p
         LEFT JOIN subjects o ON o.id = p.order_id ORDER BY p.id",
    )
    .fetch_all(shop.pool())
    .await
    .unwrap()
}

#[tokio::test]
async fn a_reference_is_used_once_and_the_same_row_again_adds_nothing() {
    let (shop, a, b) = two_orders().await;
    let first = deposit("FURIKOMI-1", 1_000, Some(a));
    assert!(matches!(add(&shop, &first, &booked()).await, Added::New(_)));
    assert_eq!(
        shop.keys(a).await.last().unwrap(),
        "deposit:shop:FURIKOMI-1"
    );
    assert_eq!(shop.planned_for(a).await, Some(at(0)));
    assert!(matches!(
        add(&shop, &first, &booked()).await,
        Added::Known(_)
    ));
    // Another row is refused, and with it everything beside it.
    let rows = [
        deposit("FURIKOMI-2", 500, Some(b)),
        deposit("FURIKOMI-1", 999, None),
    ];
    let terms = booked();
    let added = shop
        .store()
        .add_deposits(&shop.engine.directory, &rows, &terms);
    let added = added.await.unwrap();
    assert!(
        matches!(added.as_slice(), [Added::New(_), Added::Refused(why)] if why.contains("used once")),
        "{added:?}"
    );
    let all = shop
        .store()
        .list_deposits(&DepositFilter::default())
        .await
        .unwrap();
    assert_eq!((all.len(), all[0].amount, all[0].left), (1, 1_000, 0));
    assert_eq!(
        shop.number("SELECT count(*) FROM deposit_postings").await,
        2
    );
}

/// Two people type the same transfer at once.
#[tokio::test]
async fn typed_twice_at_once_it_counts_once() {
    let (shop, a, b) = two_orders().await;
    let (one, two) = (deposit("F1", 1_000, Some(a)), deposit("F1", 1_000, Some(b)));
    let terms = booked();
    let (one, two) = tokio::join!(add(&shop, &one, &terms), add(&shop, &two, &terms));
    let new = [&one, &two]
        .into_iter()
        .filter(|added| matches!(added, Added::New(_)));
    assert_eq!(new.count(), 1, "{one:?} {two:?}");
    assert_eq!(
        shop.number("SELECT sum(amount)::bigint FROM deposit_matches")
            .await,
        1_000
    );
}

#[tokio::test]
async fn a_dry_run_changes_nothing() {
    let (shop, a, _) = two_orders().await;
    let dry = DepositTerms {
        dry_run: true,
        ..booked()
    };
    let keys = shop.keys(a).await;
    assert!(matches!(
        add(&shop, &deposit("F1", 100, Some(a)), &dry).await,
        Added::New(_)
    ));
    assert_eq!(
        shop.number("SELECT count(*) FROM subjects WHERE kind = 'deposit'")
            .await,
        0
    );
    add(&shop, &deposit("F1", 100, None), &booked()).await;
    let id = row(&shop, "F1").await.id;
    let would = shop.store().match_deposit(id, a, None, &dry).await.unwrap();
    assert_eq!(would.left, 0);
    shop.store().void_deposit(id, "test", &dry).await.unwrap();
    let stands = row(&shop, "shop/F1").await;
    assert_eq!((stands.left, &stands.voided), (100, &None));
    assert_eq!(shop.keys(a).await, keys);
}

#[tokio::test]
async fn a_deposit_pays_several_orders_and_never_more_than_came() {
    let (shop, a, b) = two_orders().await;
    add(&shop, &deposit("F1", 1_000, None), &booked()).await;
    let id = row(&shop, "F1").await.id;
    let terms = booked();
    let pay = |order, amount| shop.store().match_deposit(id, order, amount, &terms);
    assert_eq!(pay(a, Some(600)).await.unwrap().left, 400);
    let more = pay(b, Some(401)).await;
    assert!(
        matches!(&more, Err(StoreError::Refused(why)) if why.contains("400 JPY")),
        "{more:?}"
    );
    let both = pay(b, None).await.unwrap();
    let paid: Vec<i64> = [a, b].iter().map(|order| both.matched(*order)).collect();
    assert_eq!((paid, both.left), (vec![600, 400], 0));
    assert!(
        matches!(pay(a, None).await, Err(StoreError::Refused(_))),
        "nothing is left"
    );
    // Two at once: one of them finds less than it wants.
    add(&shop, &deposit("F2", 1_000, None), &booked()).await;
    let id = row(&shop, "F2").await.id;
    let pay = |order| shop.store().match_deposit(id, order, Some(700), &terms);
    let (one, two) = tokio::join!(pay(a), pay(b));
    assert_eq!(
        u8::from(one.is_ok()) + u8::from(two.is_ok()),
        1,
        "{one:?} {two:?}"
    );
    let open = DepositFilter {
        unmatched: true,
        ..DepositFilter::default()
    };
    let open = shop.store().list_deposits(&open).await.unwrap();
    assert_eq!((open.len(), open[0].left), (1, 300));
}

#[tokio::test]
async fn moved_there_and_back_each_order_and_the_books_are_told_each_time() {
    let (shop, a, b) = two_orders().await;
    add(&shop, &deposit("F1", 1_000, Some(a)), &booked()).await;
    let id = row(&shop, "F1").await.id;
    let go = |from, to: Option<i64>, amount| {
        let what = DepositMove {
            from,
            to: to.map(|id| (id, "HK".to_owned())),
            amount,
        };
        let store = shop.store();
        async move { store.move_deposit(id, &what, &booked()).await }
    };
    go(a, Some(b), Some(400)).await.unwrap();
    go(b, Some(a), None).await.unwrap();
    let after = go(a, None, Some(300)).await.unwrap();
    assert_eq!(
        (after.matched(a), after.matched(b), after.left),
        (700, 0, 300)
    );
    assert!(matches!(
        go(b, Some(a), None).await,
        Err(StoreError::Refused(_))
    ));
    let told = |id| {
        let query = sqlx::query_scalar::<_, i64>(
            "SELECT coalesce(sum(CASE kind WHEN 'deposit' THEN 1 ELSE -1 END * (body ->> 'amount')::bigint), 0)::bigint FROM facts
             WHERE subject_id = $1 AND kind IN ('deposit', 'deposit_withdrawn')",
        );
        query.bind(id).fetch_one(shop.pool())
    };
    assert_eq!((told(a).await.unwrap(), told(b).await.unwrap()), (700, 0));
    let (day, before) = (today(), today().pred_opt().unwrap());
    assert_eq!(
        postings(&shop).await,
        [
            format!("received 1000 {before}"),
            format!("matched A 1000 {day}"),
            format!("unmatched A 400 {day}"),
            format!("matched B 400 {day}"),
            format!("unmatched B 400 {day}"),
            format!("matched A 400 {day}"),
            format!("unmatched A 300 {day}"),
        ]
    );
}

#[tokio::test]
async fn a_voided_deposit_pays_nobody_and_stays_voided() {
    let (shop, a, b) = two_orders().await;
    add(&shop, &deposit("F1", 1_000, Some(a)), &booked()).await;
    let id = row(&shop, "F1").await.id;
    let what = DepositMove {
        from: a,
        to: Some((b, "HK".to_owned())),
        amount: Some(400),
    };
    shop.store()
        .move_deposit(id, &what, &booked())
        .await
        .unwrap();
    let after = shop
        .store()
        .void_deposit(id, "the bank took it back", &booked())
        .await
        .unwrap();
    assert_eq!((after.matches.len(), after.left), (0, 0));
    assert_eq!(after.voided.as_deref(), Some("the bank took it back"));
    let mut last = postings(&shop).await.split_off(4);
    // Orders by their numbers, of which either may be the first.
    last.sort();
    let day = today();
    assert_eq!(
        last,
        [
            format!("unmatched A 600 {day}"),
            format!("unmatched B 400 {day}"),
            format!("voided 1000 {day}")
        ]
    );
    let twice = shop.store().void_deposit(id, "again", &booked()).await;
    assert!(
        matches!(&twice, Err(StoreError::Refused(why)) if why.contains("took it back")),
        "{twice:?}"
    );
    assert!(matches!(
        shop.store().match_deposit(id, a, None, &booked()).await,
        Err(StoreError::Refused(_))
    ));
    let again = add(&shop, &deposit("F1", 1_000, Some(a)), &booked()).await;
    // A statement that is imported again is not kept back by it.
    assert!(
        matches!(&again, Added::Known(row) if row.voided.is_some()),
        "{again:?}"
    );
    assert!(row(&shop, "F1").await.matches.is_empty());
}

#[tokio::test]
async fn what_is_not_booked_when_it_comes_is_never_booked() {
    let (shop, a, b) = two_orders().await;
    let unbooked = DepositTerms {
        book: false,
        ..booked()
    };
    add(&shop, &deposit("F1", 1_000, Some(a)), &unbooked).await;
    let id = row(&shop, "F1").await.id;
    let what = DepositMove {
        from: a,
        to: Some((b, "HK".to_owned())),
        amount: None,
    };
    shop.store()
        .move_deposit(id, &what, &booked())
        .await
        .unwrap();
    shop.store()
        .void_deposit(id, "none", &booked())
        .await
        .unwrap();
    assert_eq!(postings(&shop).await, Vec::<String>::new());
}

#[tokio::test]
async fn what_is_due_is_due_by_the_clock_s_row() {
    let shop = Shop::open().await;
    assert!(shop.store().clock_is_set().await.unwrap());
    assert_eq!(shop.store().now().await.unwrap(), at(0));
    shop.pull("shop", &page(0, vec![order("A", 1)])).await;
    let subject = shop.subject("A").await;
    sqlx::query("UPDATE subjects SET plan_at = NULL")
        .execute(shop.pool())
        .await
        .unwrap();
    shop.store()
        .read_soon(shop.account("shop"), Kind::Order, &["A".into()], "hook")
        .await
        .unwrap();
    sqlx::query("UPDATE reads SET due_at = $1")
        .bind(at(10))
        .execute(shop.pool())
        .await
        .unwrap();
    assert!(
        shop.store()
            .due_reads(shop.account("shop"), Kind::Order, 1)
            .await
            .unwrap()
            .0
            .is_empty()
    );
    shop.store()
        .set_clock(Some(at(0)), TimeDelta::minutes(10))
        .await
        .unwrap();
    assert_eq!(shop.store().now().await.unwrap(), at(10));
    assert_eq!(
        shop.store()
            .due_reads(shop.account("shop"), Kind::Order, 1)
            .await
            .unwrap()
            .0
            .len(),
        1
    );
    assert_eq!(shop.planned_for(subject).await, None);
    shop.store()
        .set_clock(None, TimeDelta::zero())
        .await
        .unwrap();
    assert!(!shop.store().clock_is_set().await.unwrap());
    let drift: f64 =
        sqlx::query_scalar("SELECT abs(extract(epoch FROM hk_now() - clock_timestamp()))::float8")
            .fetch_one(shop.pool())
            .await
            .unwrap();
    assert!(drift < 5.0, "{drift}");
}
