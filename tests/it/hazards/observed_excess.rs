//! What external systems tell is stored, however impossible; what is decided is bound. A constraint on what was observed makes
//! a true fact unstorable: it goes into quarantine, and orders are decided on without it.

use hikiate::facts::{IntentFact, IntentWhat};
use hikiate::operations::Lane;
use hikiate::plan::types::{NewEffect, OrderPlan};
use hikiate::store::{IncomingPage, StoreError};
use hikiate_sdk::{AccountSlug, Call, CaptureCall, ExternalId, Op};

use crate::support::desk::quiet;
use crate::support::shop::{Shop, order, page, parcel};
use crate::support::turns::code;

/// Staff captured 5,000 yen more than was authorised; a neighbour comes in the same page.
fn over_captured() -> IncomingPage {
    let mut told = order("A", 5);
    told.fact.order.tenders[0].captured = 10_000;
    page(3, vec![told, order("B", 1)])
}

async fn reserved(shop: &Shop) -> i64 {
    shop.count("TEA", 5, 0).await;
    shop.pull("shop", &page(0, vec![order("A", 5)])).await;
    shop.settle().await;
    shop.subject("A").await
}

async fn tasks(shop: &Shop, subject: i64) -> Vec<String> {
    let kinds = sqlx::query_scalar("SELECT kind FROM tasks WHERE subject_id = $1 ORDER BY kind");
    kinds.bind(subject).fetch_all(shop.pool()).await.unwrap()
}

fn refused(result: Result<impl std::fmt::Debug, StoreError>) -> String {
    match result {
        Err(StoreError::Database(error)) => code(&error),
        other => format!("{other:?}"),
    }
}

#[tokio::test]
async fn more_captured_more_shipped_and_less_counted_are_stored_and_shown() {
    let shop = Shop::open().await;
    let subject = reserved(&shop).await;
    let reference = shop.instructed(subject).await;
    shop.clock(3).await;
    shop.count("TEA", 3, 2).await;
    shop.pull("shop", &over_captured()).await;
    let mut told = page(3, Vec::new());
    told.facts.push(parcel(&reference, 6, 3));
    shop.pull("wms", &told).await;
    shop.settle().await;
    let kinds = tasks(&shop, subject).await;
    for kind in ["over_captured", "over_shipped"] {
        assert!(
            kinds.iter().any(|k| k.starts_with(kind)),
            "{kind}: {kinds:?}"
        );
    }
    assert!(!kinds.contains(&"plan_failed".to_owned()), "{kinds:?}");
    let left = shop.store().list_stock(Some("TEA")).await.unwrap();
    assert_eq!(left[0].on_hand, -3, "three were counted and six left");
    assert_eq!(
        shop.status(shop.subject("B").await).await,
        "backordered",
        "the neighbour goes on"
    );
}

async fn payment(shop: &Shop, subject: i64) -> ExternalId {
    let known: String =
        sqlx::query_scalar("SELECT payment FROM payments WHERE subject_id = $1 AND ceiling = 5000")
            .bind(subject)
            .fetch_one(shop.pool())
            .await
            .unwrap();
    ExternalId::new(known)
}

#[tokio::test]
async fn capturing_more_than_was_known_as_authorised_can_not_be_decided() {
    let shop = Shop::open().await;
    let subject = reserved(&shop).await;
    let capture = CaptureCall {
        order: ExternalId::from("A"),
        payment: payment(&shop, subject).await,
        provider: None,
        key: String::new(),
        amount: Some(5_001),
        currency: "JPY".parse().unwrap(),
        expected_captured_total: 5_001,
    };
    let effect = NewEffect {
        key: "capture:shop:shop:A:1".to_owned(),
        lane: Lane::Money,
        intent: IntentFact {
            op: Op::Capture,
            account: AccountSlug::new("shop"),
            n: 1,
            what: IntentWhat::Call {
                call: Box::new(Call::Capture(capture)),
                parcels: Vec::new(),
                decision: String::new(),
            },
        },
    };
    let mut tx = shop.claim(subject).await;
    let plan = OrderPlan {
        effects: vec![effect],
        ..quiet()
    };
    assert_eq!(refused(shop.commit(&mut tx, subject, plan).await), "23514");
}

#[tokio::test]
async fn a_constraint_on_what_was_captured_keeps_a_true_reading_out() {
    let shop = Shop::open().await;
    reserved(&shop).await;
    sqlx::query(
        "ALTER TABLE facts ADD CHECK (kind <> 'order' OR
           (body #>> '{order,tenders,0,captured}')::bigint <= (body #>> '{order,tenders,0,authorised}')::bigint)",
    )
    .execute(shop.pool())
    .await
    .unwrap();
    let done = shop.pull("shop", &over_captured()).await;
    assert_eq!(
        (done.new_facts, done.quarantined),
        (1, 1),
        "what staff captured is not seen"
    );
    let why = shop.store().list_quarantine().await.unwrap();
    assert!(why[0].reason.contains("23514"), "{}", why[0].reason);
    let neighbour = "SELECT count(*) FROM subjects WHERE external_id = 'B'";
    assert_eq!(shop.number(neighbour).await, 1, "the neighbour goes on");
}

#[tokio::test]
async fn a_constraint_between_reserved_and_counted_keeps_a_true_count_out() {
    let shop = Shop::open().await;
    reserved(&shop).await;
    sqlx::raw_sql(
        "ALTER TABLE stock ADD reserved bigint NOT NULL DEFAULT 0; UPDATE stock SET reserved = 5;
         ALTER TABLE stock ADD CHECK (reserved <= counted_qty)",
    )
    .execute(shop.pool())
    .await
    .unwrap();
    let done = shop.pull("wms", &shop.counted("TEA", 3, 2)).await;
    assert_eq!(done.quarantined, 1);
    let left = shop.store().list_stock(Some("TEA")).await.unwrap();
    assert_eq!(left[0].on_hand, 5, "three were counted");
}
