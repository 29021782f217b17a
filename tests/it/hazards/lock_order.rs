//! Planning locks order, then effect. An acknowledgement that locks effect, then order, meets it in a
//! deadlock.

use hikiate::facts::Verdict;
use hikiate::plan::types::{OrderPlan, Withdraw};
use hikiate::store::{ClaimedEffect, StoreError};

use crate::support::desk::{finished, outcome, quiet};
use crate::support::shop::{Shop, today};
use crate::support::turns::{code, ended, session, start_blocked};

fn taking_back(effect: &ClaimedEffect) -> OrderPlan {
    let outcome = outcome(&effect.key, Verdict::Withdrawn);
    OrderPlan {
        withdraw: vec![Withdraw {
            effect_id: effect.id,
            outcome,
        }],
        ..quiet()
    }
}

#[tokio::test]
async fn an_acknowledgement_locks_the_order_first() {
    let shop = Shop::open().await;
    let subject = shop.shipped("A").await;
    let effect = shop.claimed().await;
    let mut tx = shop.claim(subject).await;
    let holder = session(&mut tx).await;
    let (store, done) = (shop.store().clone(), [finished(&effect, Verdict::Done)]);
    let acknowledging = start_blocked(shop.pool(), holder, async move {
        store.acknowledge(&done, today()).await
    })
    .await;
    shop.commit(&mut tx, subject, taking_back(&effect))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    ended(acknowledging).await.unwrap();
    let keys = shop.keys(subject).await;
    assert!(
        keys.contains(&format!("{}:outcome:withdrawn", effect.key)),
        "{keys:?}"
    );
    // It was called all the same: the answer is kept, and it is evidence.
    assert!(
        keys.contains(&format!("{}:evidence:{}", effect.key, effect.token)),
        "{keys:?}"
    );
}

#[tokio::test]
async fn the_other_way_round_is_a_deadlock() {
    let shop = Shop::open().await;
    let subject = shop.shipped("A").await;
    let effect = shop.claimed().await;
    let mut acknowledging = shop.pool().begin().await.unwrap();
    let holder = session(&mut acknowledging).await;
    sqlx::query("DELETE FROM effects WHERE id = $1")
        .bind(effect.id)
        .execute(&mut *acknowledging)
        .await
        .unwrap();
    let mut tx = shop.claim(subject).await;
    let (engine, channel_id) = (shop.engine.clone(), shop.account("shop"));
    let plan = taking_back(&effect);
    let pool = shop.pool().clone();
    let planning = start_blocked(&pool, holder, async move {
        let planned = [hikiate::store::PlannedOrder {
            subject_id: subject,
            channel_id,
            plan,
        }];
        let zone = engine.policy.shop.timezone;
        let (directory, policy) = (&engine.directory, engine.policy_id);
        let now = crate::support::shop::at(2);
        hikiate::store::Store::commit_plans(&mut tx, &planned, directory, policy, zone, now)
            .await
            .map(|_tasks| ())
    })
    .await;
    let locked = sqlx::query("SELECT id FROM subjects WHERE id = $1 FOR NO KEY UPDATE")
        .bind(subject)
        .execute(&mut *acknowledging)
        .await;
    drop(acknowledging);
    let planned = ended(planning).await;
    let deadlocks = [
        locked.as_ref().is_err_and(|error| code(error) == "40P01"),
        planned.as_ref().is_err_and(StoreError::is_retryable),
    ];
    assert!(deadlocks.contains(&true), "{locked:?} {planned:?}");
}
