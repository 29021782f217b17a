//! A finished effect leaves no row in the queue. What refuses it a second time, for ever, is the fact
//! that it was intended.

use hikiate::facts::Verdict;
use hikiate::operations::Lane;
use hikiate::plan::types::{NewEffect, OrderPlan};
use hikiate::store::StoreError;

use crate::support::desk::{finished, quiet};
use crate::support::shop::{Shop, today};
use crate::support::turns::{code, ended, session, start_blocked};

fn planning(effect: &hikiate::store::ClaimedEffect) -> OrderPlan {
    let again = NewEffect {
        key: effect.key.clone(),
        lane: Lane::of(effect.op),
        intent: effect.intent.clone(),
    };
    OrderPlan {
        effects: vec![again],
        ..quiet()
    }
}

fn refused(result: Result<(), StoreError>) -> String {
    match result {
        Err(StoreError::Database(error)) => code(&error),
        other => format!("{other:?}"),
    }
}

#[tokio::test]
async fn a_second_intent_is_refused_after_the_first_is_done() {
    let shop = Shop::open().await;
    let subject = shop.shipped("A").await;
    let effect = shop.claimed().await;
    shop.store()
        .acknowledge(&[finished(&effect, Verdict::Done)], today())
        .await
        .unwrap();
    let mut tx = shop.claim(subject).await;
    assert_eq!(
        refused(shop.commit(&mut tx, subject, planning(&effect)).await),
        "23505"
    );
    tx.rollback().await.unwrap();
    assert_eq!(shop.number("SELECT count(*) FROM effects").await, 0);
}

/// Two planners that both believe in the intent: the second finds out at the insert.
#[tokio::test]
async fn of_two_planners_one_is_refused() {
    let shop = Shop::open().await;
    let subject = shop.shipped("A").await;
    let effect = shop.claimed().await;
    shop.store()
        .acknowledge(&[finished(&effect, Verdict::Refused)], today())
        .await
        .unwrap();
    let mut second = effect.clone();
    second.key.push_str(":again");
    let mut tx = shop.pool().begin().await.unwrap();
    let holder = session(&mut tx).await;
    shop.commit(&mut tx, subject, planning(&second))
        .await
        .unwrap();
    let (engine, channel_id) = (shop.engine.clone(), shop.account("shop"));
    let pool = shop.pool().clone();
    let other = start_blocked(shop.pool(), holder, async move {
        let mut tx = pool.begin().await.unwrap();
        let planned = [hikiate::store::PlannedOrder {
            subject_id: subject,
            channel_id,
            plan: planning(&second),
        }];
        let zone = engine.policy.shop.timezone;
        let (directory, policy) = (&engine.directory, engine.policy_id);
        let now = crate::support::shop::at(2);
        hikiate::store::Store::commit_plans(&mut tx, &planned, directory, policy, zone, now)
            .await
            .map(|_tasks| ())
    })
    .await;
    tx.commit().await.unwrap();
    assert_eq!(refused(ended(other).await), "23505");
    assert_eq!(shop.number("SELECT count(*) FROM effects").await, 1);
}

#[tokio::test]
async fn a_tolerant_intent_queues_it_a_second_time() {
    let shop = Shop::open().await;
    let subject = shop.shipped("A").await;
    let effect = shop.claimed().await;
    shop.store()
        .acknowledge(&[finished(&effect, Verdict::Done)], today())
        .await
        .unwrap();
    let mut tx = shop.claim(subject).await;
    sqlx::query(
        "INSERT INTO facts (subject_id, key, class, kind, version, body, happened_at, reported_at, recorded_at, business_date, actor, policy_id)
         SELECT subject_id, key, class, kind, version, body, happened_at, reported_at, recorded_at, business_date, actor, policy_id
         FROM facts WHERE subject_id = $1 AND key = $2 ON CONFLICT (subject_id, key) DO NOTHING",
    )
    .bind(subject)
    .bind(&effect.key)
    .execute(&mut *tx)
    .await
    .unwrap();
    sqlx::query(
        "INSERT INTO effects (subject_id, account_id, op, intent_id, lane, due_at)
         SELECT $1, $3, $4, id, 1, (SELECT hk_now()) FROM facts WHERE subject_id = $1 AND key = $2",
    )
    .bind(subject)
    .bind(&effect.key)
    .bind(shop.account("shop"))
    .bind(effect.op.as_str())
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
    let again = shop.claimed().await;
    assert_eq!(
        again.key, effect.key,
        "the same call would be made a second time"
    );
}
