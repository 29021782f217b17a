//! Facts read, then an acknowledgement commits, then the queue read: the effect is neither in flight nor
//! done, and is planned a second time.

use hikiate::facts::{FactBody, Verdict};
use hikiate::store::Store;

use crate::support::desk::finished;
use crate::support::shop::{Shop, today};
use crate::support::turns::{ended, session, start_blocked};

async fn sending(shop: &Shop) -> (i64, hikiate::store::ClaimedEffect) {
    let subject = shop.shipped("A").await;
    (subject, shop.claimed().await)
}

#[tokio::test]
async fn an_acknowledgement_waits_until_the_order_is_planned() {
    let shop = Shop::open().await;
    let (subject, effect) = sending(&shop).await;
    let mut tx = shop.claim(subject).await;
    let holder = session(&mut tx).await;
    let (store, done) = (shop.store().clone(), [finished(&effect, Verdict::Done)]);
    let acknowledging = start_blocked(shop.pool(), holder, async move {
        store.acknowledge(&done, today()).await
    })
    .await;
    let engine = &shop.engine;
    let loaded = Store::load(&mut tx, &[subject], &engine.directory)
        .await
        .unwrap();
    let input = loaded.orders.into_iter().next().unwrap().2.unwrap();
    assert_eq!(input.queue.len(), 1, "still in flight");
    assert!(
        !input
            .facts
            .iter()
            .any(|fact| matches!(fact.body, FactBody::Outcome(_)))
    );
    tx.commit().await.unwrap();
    ended(acknowledging).await.unwrap();

    let mut tx = shop.claim(subject).await;
    let loaded = Store::load(&mut tx, &[subject], &engine.directory)
        .await
        .unwrap();
    let input = loaded.orders.into_iter().next().unwrap().2.unwrap();
    assert!(input.queue.is_empty());
    assert!(
        input
            .facts
            .iter()
            .any(|fact| matches!(fact.body, FactBody::Outcome(_))),
        "done"
    );
}

#[tokio::test]
async fn a_planner_that_holds_no_lock_sees_neither() {
    let shop = Shop::open().await;
    let (subject, effect) = sending(&shop).await;
    let mut planner = shop.pool().begin().await.unwrap();
    let outcomes: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM facts WHERE subject_id = $1 AND class = 'outcome'",
    )
    .bind(subject)
    .fetch_one(&mut *planner)
    .await
    .unwrap();
    shop.store()
        .acknowledge(&[finished(&effect, Verdict::Done)], today())
        .await
        .unwrap();
    let queued: i64 = sqlx::query_scalar("SELECT count(*) FROM effects WHERE subject_id = $1")
        .bind(subject)
        .fetch_one(&mut *planner)
        .await
        .unwrap();
    assert_eq!(
        (outcomes, queued),
        (0, 0),
        "neither done nor in flight: it would be planned again"
    );
}
