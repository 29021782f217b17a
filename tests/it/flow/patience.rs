//! What an order costs that waits for nothing but time.

use chrono::Duration;
use hikiate::plan::types::Status;
use hikiate_sdk::faulty::{Fault, FaultSeam as _, When};
use hikiate_sdk::http::Method;

use super::world::{Setup, World, order};

async fn facts(world: &World) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM facts")
        .fetch_one(world.engine.store.pool())
        .await
        .unwrap()
}

/// Quarters of an hour, each with one round of everything.
async fn quarters(world: &mut World, n: usize) {
    for _ in 0..n {
        world.advance(Duration::minutes(15)).await;
        world.rounds(1).await;
    }
}

/// Shipped, told and captured, it waits three days to count as delivered: it is read now and then, less and less often, and
/// planned and written down only when something has happened.
#[tokio::test]
async fn an_order_that_waits_three_days_is_planned_a_handful_of_times() {
    let mut world = World::new(Setup {
        more: "[delivery]\npresume = \"72h\"\n",
        ..Setup::default()
    })
    .await;
    world.tokyo.set_stock("APPLE", 10);
    world.count_stock().await;
    world.rounds(3).await;
    let id = world.shop.place_order(order(&[("APPLE", 2, "1000")]));
    world.rounds(20).await;
    assert!(world.is(&id, Status::Shipped).await);
    let (plans, known) = (world.engine.metrics.plans.get(), facts(&world).await);
    let asked = world.shop.requests();
    quarters(&mut world, 286).await;
    assert!(world.is(&id, Status::Shipped).await);
    let plans = world.engine.metrics.plans.get() - plans;
    let facts = facts(&world).await - known;
    // Each quarter of an hour asks for orders and for stock once.
    let by_id = world.shop.requests() - asked - 2 * 286;
    println!("three days: {plans} plans, {facts} facts, {by_id} readings by id");
    assert!(plans <= 8, "{plans} plans");
    assert_eq!(facts, 0);
    assert!((12..=20).contains(&by_id), "{by_id} readings by id");
    quarters(&mut world, 6).await;
    world.rounds(15).await;
    assert!(world.is(&id, Status::Booked).await);
}

/// The shop refuses every call for several orders in which one of them is asked for: that one is found and left behind.
#[tokio::test]
async fn one_refused_id_keeps_no_other_from_being_read() {
    let mut world = World::new(Setup::default()).await;
    let mut ids = Vec::new();
    for _ in 0..6 {
        ids.push(world.shop.place_order(order(&[("APPLE", 1, "1000")])));
    }
    world.rounds(3).await;
    let refused = When::new(Method::Get, format!("id%5B%5D={}", ids[4]));
    for _ in 0..1000 {
        world.faults.inject_when(refused.clone(), Fault::Refused);
    }
    world.advance(Duration::minutes(16)).await;
    world.rounds(20).await;
    let due: Vec<String> = sqlx::query_scalar("SELECT external_id FROM reads WHERE tries > 0")
        .fetch_all(world.engine.store.pool())
        .await
        .unwrap();
    assert_eq!(due, [ids[4].clone()]);
    let read: i64 =
        sqlx::query_scalar("SELECT count(*) FROM reads WHERE tries = 0 AND due_at > hk_now()")
            .fetch_one(world.engine.store.pool())
            .await
            .unwrap();
    assert_eq!(read, 5);
    let calls = world.faults.injected()[&Fault::Refused];
    assert!(calls <= 20, "{calls} calls in twenty seconds");
    world.faults.heal();
    world.advance(Duration::minutes(6)).await;
    world.rounds(2).await;
    assert!(
        world
            .tasks()
            .await
            .iter()
            .all(|task| task != "reads_failing")
    );
}
