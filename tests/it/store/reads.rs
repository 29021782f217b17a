//! What is due to be read by id, and what a reading costs that brings nothing new.

use hikiate::store::{IncomingBad, IncomingPage, PageDone, Source};
use hikiate_sdk::{BadRecord, ChannelState, Kind};

use crate::support::shop::{Shop, at, order, page};

#[tokio::test]
async fn an_id_that_is_wanted_twice_is_due_once_since_the_first_time() {
    let shop = Shop::open().await;
    let owned = shop.owned("shop").await;
    let wanted = [(0, "hook"), (5, "operator")];
    for (minute, why) in wanted {
        shop.clock(minute).await;
        let ids = ["B".into(), "A".into(), "B".into()];
        shop.store()
            .read_soon(owned.id, Kind::Payment, &ids, why)
            .await
            .unwrap();
    }
    let rows = "SELECT count(*) FROM reads WHERE kind = 'payment' AND why = 'operator' AND due_at = hk_now() - interval '5 min' AND noted_at = hk_now()";
    assert_eq!(shop.number(rows).await, 2);
    assert_eq!(shop.number("SELECT count(*) FROM reads").await, 2);
    let due = shop
        .store()
        .due_pulls(owned.id, &[Kind::Order, Kind::Payment]);
    assert_eq!(due.await.unwrap().reads, [(Kind::Payment, 0)]);
}

/// A kind that cannot be read backs off, and the other is read; what is due stays due.
#[tokio::test]
async fn each_kind_backs_off_for_itself() {
    let shop = Shop::open().await;
    let owned = shop.owned("shop").await;
    let (kinds, ids) = ([Kind::Order, Kind::Payment], ["A".into()]);
    for kind in kinds {
        let wanted = shop.store().read_soon(owned.id, kind, &ids, "hook");
        wanted.await.unwrap();
    }
    let failed = shop
        .store()
        .reads_failed(owned.id, Kind::Payment, "out of order", 90.0);
    failed.await.unwrap();
    let due = async || {
        shop.store()
            .due_pulls(owned.id, &kinds)
            .await
            .unwrap()
            .reads
    };
    assert_eq!(due().await, [(Kind::Order, 0)]);
    shop.clock(2).await;
    assert_eq!(due().await, [(Kind::Order, 0), (Kind::Payment, 1)]);
    let refused = shop.store().read_refused(owned.id, Kind::Order, &ids[0]);
    refused.await.unwrap();
    assert_eq!(due().await, [(Kind::Payment, 1)]);
    let pause = shop
        .store()
        .pause_account(owned.id, "credentials were refused", 60);
    pause.await.unwrap();
    assert_eq!(
        due().await,
        [],
        "no call is made while credentials are refused"
    );
}

/// A reading of `A` under a lease; its bytes are the same whatever it says, so that what was compared can be told.
async fn read(shop: &Shop, minute: i64, quantity: u32, lease: i64) -> PageDone {
    shop.clock(minute).await;
    let mut page = page(minute, vec![order("A", quantity)]);
    page.read_by = Some(lease);
    shop.pull("shop", &page).await
}

async fn asked(shop: &Shop, minute: i64) -> bool {
    let asked: Vec<chrono::DateTime<chrono::Utc>> =
        sqlx::query_scalar("SELECT requested_at FROM latest_observations")
            .fetch_all(shop.pool())
            .await
            .unwrap();
    asked == [at(minute)]
}

#[tokio::test]
async fn bytes_that_were_read_before_are_dropped_and_their_reading_counts() {
    let shop = Shop::open().await;
    assert_eq!(read(&shop, 0, 1, 7).await.new_facts, 1);
    let subject = shop.subject("A").await;
    // Somebody works on the order: nothing of it is waited for.
    let mut other = shop.pool().begin().await.unwrap();
    sqlx::query("SELECT id FROM subjects WHERE id = $1 FOR UPDATE")
        .bind(subject)
        .execute(&mut *other)
        .await
        .unwrap();
    let done = read(&shop, 10, 2, 7).await;
    assert_eq!((done.new_facts, done.unchanged), (0, 1));
    other.rollback().await.unwrap();
    assert!(asked(&shop, 10).await);
    // A page that was asked for earlier takes nothing back.
    let mut late = page(5, vec![order("A", 2)]);
    late.read_by = Some(7);
    assert_eq!(shop.pull("shop", &late).await.unchanged, 1);
    assert!(asked(&shop, 10).await);
    // Twice in one page: the page's own order counts, and they are compared by what they say.
    let mut twice = page(20, vec![order("A", 2), order("A", 1)]);
    twice.read_by = Some(7);
    shop.clock(20).await;
    assert_eq!(shop.pull("shop", &twice).await.new_facts, 2);
    // Whoever takes the account over may understand the same bytes otherwise.
    assert_eq!(read(&shop, 30, 3, 8).await.new_facts, 1);
    assert_eq!(read(&shop, 31, 4, 8).await.new_facts, 0);
}

#[tokio::test]
async fn any_sight_ends_an_absence_and_a_record_in_quarantine_whatever_its_bytes() {
    let shop = Shop::open().await;
    read(&shop, 0, 1, 7).await;
    shop.clock(10).await;
    let nothing = IncomingPage {
        requested_at: at(10),
        ..IncomingPage::default()
    };
    let owned = shop.owned("shop").await;
    shop.store()
        .ingest_read(&owned, Kind::Order, &["A".into()], &nothing)
        .await
        .unwrap();
    let absent = "SELECT count(*) FROM presence WHERE misses > 0";
    assert_eq!(shop.number(absent).await, 1);
    read(&shop, 20, 1, 7).await;
    assert_eq!(shop.number(absent).await, 0);
    let mut bad = page(30, Vec::new());
    bad.bad.push(IncomingBad::new(
        BadRecord::new(Some("A".into()), "cut"),
        Source::default(),
    ));
    shop.clock(30).await;
    shop.pull("shop", &bad).await;
    assert_eq!(shop.store().list_quarantine().await.unwrap().len(), 1);
    read(&shop, 40, 1, 7).await;
    assert!(shop.store().list_quarantine().await.unwrap().is_empty());
}

/// An open order that is read by its id to no effect is neither planned nor locked, and asked for less and less often.
#[tokio::test]
async fn a_reading_by_id_that_brings_nothing_new_moves_only_its_next_time() {
    let shop = Shop::open().await;
    read(&shop, 0, 1, 7).await;
    shop.settle().await;
    let subject = shop.subject("A").await;
    // Whatever it waits for, it is not planned in this test.
    sqlx::query("UPDATE subjects SET plan_at = plan_at + interval '9 days'")
        .execute(shop.pool())
        .await
        .unwrap();
    let planned = shop.planned_for(subject).await;
    sqlx::query("INSERT INTO reads VALUES ($1, 'order', 'A', hk_now() + interval '15 min', 'refresh', hk_now(), interval '15 min', interval '6 h')")
        .bind(shop.account("shop"))
        .execute(shop.pool())
        .await
        .unwrap();
    let (mut minute, mut pauses) = (0, Vec::new());
    for _ in 0..7 {
        let wait = "SELECT extract(epoch FROM due_at - hk_now())::bigint / 60 FROM reads WHERE kind = 'order'";
        let wait = shop.number(wait).await;
        pauses.push(wait);
        minute += wait;
        shop.clock(minute).await;
        let owned = shop.owned("shop").await;
        let (due, requested_at) = shop
            .store()
            .due_reads(owned.id, Kind::Order, 10)
            .await
            .unwrap();
        assert_eq!((due.len(), requested_at), (1, at(minute)));
        let mut answer = page(minute, vec![order("A", 1)]);
        answer.read_by = Some(7);
        let done = shop
            .store()
            .ingest_read(&owned, Kind::Order, &due, &answer)
            .await;
        assert_eq!(done.unwrap().new_facts, 0);
    }
    assert_eq!(pauses, [15, 30, 60, 120, 240, 360, 360]);
    assert_eq!(shop.planned_for(subject).await, planned);
    // Its plan has the last word: this channel's orders are not read again by themselves, so the reading that is due is the last.
    read(&shop, minute + 1, 2, 8).await;
    shop.settle().await;
    let last = "SELECT count(*) FROM reads WHERE again IS NULL AND due_at > hk_now()";
    assert_eq!(shop.number(last).await, 1);
}

/// A plan without a next reading ends the refresh of an order, and nothing that was wanted for another reason.
#[tokio::test]
async fn a_plan_without_a_next_reading_ends_only_the_refresh() {
    let shop = Shop::open().await;
    let reasons = ["refresh", "lagging", "unread", "hook"];
    shop.pull("shop", &page(0, reasons.map(|id| order(id, 1)).to_vec()))
        .await;
    shop.settle().await;
    sqlx::query("DELETE FROM reads")
        .execute(shop.pool())
        .await
        .unwrap();
    for why in reasons {
        sqlx::query("INSERT INTO reads VALUES ($1, 'order', $2, hk_now() + interval '10 min', $2, hk_now(), interval '15 min', interval '6 h')")
            .bind(shop.account("shop"))
            .bind(why)
            .execute(shop.pool())
            .await
            .unwrap();
    }
    // Cancelled, and with that closed.
    shop.clock(1).await;
    let closed = reasons.map(|id| {
        let mut order = order(id, 1);
        order.fact.order.state = ChannelState::Cancelled { at: at(1) };
        order
    });
    shop.pull("shop", &page(1, closed.to_vec())).await;
    shop.settle().await;
    let left: Vec<String> = sqlx::query_scalar(
        "SELECT external_id FROM reads WHERE again IS NULL AND due_at > hk_now() ORDER BY 1",
    )
    .fetch_all(shop.pool())
    .await
    .unwrap();
    assert_eq!(left, ["hook", "lagging", "unread"]);
}

/// Only what a seal or an absence waits for goes before what is merely kept fresh.
#[tokio::test]
async fn only_what_a_seal_or_an_absence_waits_for_is_awaited() {
    let shop = Shop::open().await;
    let owned = shop.owned("shop").await;
    shop.pull("shop", &page(0, vec![order("A", 1), order("B", 1)]))
        .await;
    shop.settle().await;
    let (a, b) = (["A".into()], ["B".into()]);
    let awaited = async |kind: Kind, id: &str| {
        let ids = ["other".into(), id.into()];
        shop.store().is_awaited(owned.id, kind, &ids).await.unwrap()
    };
    for why in ["hook", "refresh"] {
        let wanted = shop.store().read_soon(owned.id, Kind::Order, &a, why);
        wanted.await.unwrap();
        assert!(!awaited(Kind::Order, "A").await, "{why}");
    }
    let wanted = shop.store().read_soon(owned.id, Kind::Order, &a, "seal");
    wanted.await.unwrap();
    assert!(awaited(Kind::Order, "A").await && !awaited(Kind::Payment, "A").await);
    assert!(!awaited(Kind::Order, "B").await);
    shop.clock(10).await;
    let owned = shop.owned("shop").await;
    let nothing = page(10, Vec::new());
    let read = shop.store().ingest_read(&owned, Kind::Order, &b, &nothing);
    read.await.unwrap();
    assert!(awaited(Kind::Order, "B").await, "its second look");
}
