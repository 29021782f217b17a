//! One effect of an order and account at a time: refused when it is planned, so that a claim can not
//! fail on it.

use hikiate::operations::Lane;
use hikiate::plan::types::{NewEffect, OrderPlan};
use hikiate::store::{AttemptResult, ClaimedEffect, StoreError};

use crate::support::desk::quiet;
use crate::support::shop::{Shop, order, page, today};
use crate::support::turns::code;

fn another(effect: &ClaimedEffect) -> OrderPlan {
    let mut intent = effect.intent.clone();
    intent.n += 1;
    let key = format!("{}:another", effect.key);
    OrderPlan {
        effects: vec![NewEffect {
            key,
            lane: Lane::of(effect.op),
            intent,
        }],
        ..quiet()
    }
}

async fn given_back(shop: &Shop) -> ClaimedEffect {
    let effect = shop.claimed().await;
    let later = AttemptResult::RetryLater {
        after: 0.0,
        attempt: false,
        error: "x".to_owned(),
    };
    shop.store()
        .acknowledge(&[(effect.clone(), later)], today())
        .await
        .unwrap();
    effect
}

#[tokio::test]
async fn a_second_effect_of_an_order_and_account_is_refused_when_planned() {
    let shop = Shop::open().await;
    let subject = shop.shipped("A").await;
    let effect = given_back(&shop).await;
    let mut tx = shop.claim(subject).await;
    match shop.commit(&mut tx, subject, another(&effect)).await {
        Err(StoreError::Database(error)) => assert_eq!(code(&error), "23505"),
        other => panic!("{other:?}"),
    }
    tx.rollback().await.unwrap();
    assert_eq!(shop.claimed().await.id, effect.id, "the claim goes on");
}

#[tokio::test]
async fn what_waits_for_a_person_blocks_nothing_behind_it() {
    let shop = Shop::open().await;
    let subject = shop.shipped("A").await;
    let effect = shop.claimed().await;
    let unknown = AttemptResult::Unresolved {
        error: "no answer".to_owned(),
    };
    shop.store()
        .acknowledge(&[(effect.clone(), unknown)], today())
        .await
        .unwrap();
    let mut tx = shop.claim(subject).await;
    shop.commit(&mut tx, subject, another(&effect))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(shop.claimed().await.key, format!("{}:another", effect.key));
}

#[tokio::test]
async fn uniqueness_at_the_claim_stops_everybody() {
    let shop = Shop::open().await;
    let subject = shop.shipped("A").await;
    let effect = given_back(&shop).await;
    sqlx::raw_sql(
        "DROP INDEX effects_one;
         CREATE UNIQUE INDEX effects_one ON effects (subject_id, account_id) WHERE state IN ('leased', 'sending');",
    )
    .execute(shop.pool())
    .await
    .unwrap();
    let mut tx = shop.claim(subject).await;
    shop.commit(&mut tx, subject, another(&effect))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    // A neighbour with an effect of its own.
    shop.pull("shop", &page(0, vec![order("B", 1)])).await;
    let neighbour = shop.subject("B").await;
    let mut tx = shop.pool().begin().await.unwrap();
    let mut of_neighbour = another(&effect);
    of_neighbour.effects[0].key = "neighbour".to_owned();
    shop.commit(&mut tx, neighbour, of_neighbour).await.unwrap();
    tx.commit().await.unwrap();
    let owned = shop.owned("shop").await;
    for _ in 0..2 {
        match shop.store().claim_effects(&owned, 10, 60).await {
            Err(StoreError::Database(error)) => assert_eq!(code(&error), "23505"),
            other => panic!("{other:?}"),
        }
        // A dropped transaction is rolled back a little later, and what it locked is skipped until then.
        sqlx::query("SELECT 1 FROM effects FOR UPDATE")
            .execute(shop.pool())
            .await
            .unwrap();
    }
    let leased = "SELECT count(*) FROM effects WHERE state <> 'planned'";
    assert_eq!(
        shop.number(leased).await,
        0,
        "nobody's effect is ever claimed"
    );
}

#[tokio::test]
async fn a_check_in_the_claim_lets_two_claimers_through() {
    let shop = Shop::open().await;
    let subject = shop.shipped("A").await;
    let effect = given_back(&shop).await;
    sqlx::query("DROP INDEX effects_one")
        .execute(shop.pool())
        .await
        .unwrap();
    let mut tx = shop.claim(subject).await;
    shop.commit(&mut tx, subject, another(&effect))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let mut claimers = Vec::new();
    for _ in 0..2 {
        let mut tx = shop.pool().begin().await.unwrap();
        let claimed: Option<i64> = sqlx::query_scalar(
            "UPDATE effects SET state = 'leased', token = 1, lease_until = (SELECT hk_now()) WHERE id = (
               SELECT e.id FROM effects e WHERE e.state = 'planned' AND NOT EXISTS (
                 SELECT FROM effects o WHERE o.subject_id = e.subject_id AND o.account_id = e.account_id AND o.state IN ('leased', 'sending'))
               ORDER BY e.id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id",
        )
        .fetch_optional(&mut *tx)
        .await
        .unwrap();
        claimers.push((tx, claimed));
    }
    let claimed: Vec<i64> = claimers.iter().filter_map(|(_, id)| *id).collect();
    assert_eq!(claimed.len(), 2, "both are under way at once: {claimed:?}");
}
