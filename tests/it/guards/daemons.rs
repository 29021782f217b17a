//! Several daemons on one database: an account has one owner, an order is planned once, one policy plans.

use std::sync::Arc;
use std::time::{Duration as Time, Instant};

use chrono::Duration;
use hikiate::daemon::plan_step;
use hikiate::engine::Engine;
use hikiate::ops::health::Readiness;
use hikiate::plan::types::Status;
use hikiate::pull::pull_account;
use hikiate::push::push_account;
use hikiate::store::Standing;
use tokio_util::sync::CancellationToken;

use crate::flow::world::{Setup, World, order};

async fn stocked() -> World {
    let mut world = World::new(Setup::default()).await;
    world.tokyo.set_stock("APPLE", 500);
    world.count_stock().await;
    world.round().await;
    world
}

async fn plan_all(engine: &Engine) -> usize {
    let mut sum = 0;
    loop {
        match plan_step(engine).await.unwrap() {
            0 => return sum,
            n => sum += n,
        }
    }
}

#[tokio::test]
async fn two_that_plan_at_once_plan_each_order_once() {
    let world = stocked().await;
    let mut other = world.daemon("other").await;
    other.plan_batch = 7;
    for _ in 0..60 {
        world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    }
    let world = {
        let mut world = world;
        world.engine.plan_batch = 7;
        world.advance(Duration::seconds(2)).await;
        world.pull().await;
        world
    };
    let (mut one, mut two) = (0, 0);
    // One that finds the rest locked by the other comes back.
    for _ in 0..20 {
        let (a, b) = tokio::join!(plan_all(&world.engine), plan_all(&other));
        one += a;
        two += b;
    }
    assert_eq!(one + two, 60, "{one} and {two}");
    assert!(one > 0 && two > 0, "{one} and {two}");
    let suspects: i64 = sqlx::query_scalar("SELECT count(*) FROM plan_suspects")
        .fetch_one(world.engine.store.pool())
        .await
        .unwrap();
    assert_eq!(suspects, 0, "a living planner is not taken for dead");
}

#[tokio::test]
async fn another_takes_over_when_the_lease_runs_out() {
    let mut world = stocked().await;
    let other = world.daemon("other").await;
    assert!(other.own(true).await.unwrap().is_empty(), "all are owned");
    let ids: Vec<String> = (0..5)
        .map(|_| world.shop.place_order(order(&[("APPLE", 1, "1000")])))
        .collect();
    world.rounds(3).await;
    // The first hangs: it renews nothing, and the other's clock goes on.
    let (first, stale) = (
        std::mem::replace(&mut world.engine, other),
        world.owned.clone(),
    );
    world.advance(Duration::seconds(30)).await;
    assert!(world.owned.is_empty(), "not before its end");
    world.advance(Duration::seconds(31)).await;
    assert_eq!(world.owned.len(), stale.len());
    world.rounds(4).await;
    let requests = world.shop.requests();
    for owned in &stale {
        let account = &first.accounts[&owned.id];
        // It comes back with leases it has lost: it may read, but stores and sends nothing.
        let _lost = pull_account(&first, account, owned).await;
        assert_eq!(push_account(&first, account, owned).await.unwrap(), 0);
    }
    assert!(world.shop.requests() <= requests + 4, "reads at the most");
    world.rounds(12).await;
    for id in &ids {
        let seen = world.shop.order(id).unwrap();
        assert_eq!(
            (seen.is_shipped(), seen.captures, seen.repeated()),
            (true, 1, 0),
            "{id}"
        );
    }
    assert!(world.tokyo.duplicates().is_empty());
    assert_eq!(world.mails.mails().len(), 5);
}

#[tokio::test]
async fn one_that_stops_gives_its_accounts_to_the_other_at_once() {
    let mut world = stocked().await;
    let other = world.daemon("other").await;
    assert!(other.own(false).await.unwrap().is_empty());
    world
        .engine
        .store
        .release_accounts(&world.owned)
        .await
        .unwrap();
    let taken = other.own(false).await.unwrap();
    assert_eq!(taken.len(), world.owned.len());
    assert!(taken.iter().all(|account| account.taken));
    assert!(
        world.engine.own(false).await.unwrap().is_empty(),
        "and has none itself"
    );
    world.engine = other;
    let id = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    world.rounds(12).await;
    assert!(world.shop.order(&id).unwrap().is_shipped());
}

/// The last policy that was activated plans and seals; a daemon with another one pulls and pushes.
#[tokio::test]
async fn a_daemon_with_another_policy_pulls_and_pushes_and_does_not_plan() {
    let mut world = stocked().await;
    let toml = world.toml();
    let changed = toml.replace("mail = [\"shipped\"]", "mail = []");
    std::fs::write(world.dir.path().join("hikiate.toml"), changed).unwrap();
    let other = world.daemon("other").await;
    let id = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    world.advance(Duration::seconds(2)).await;
    world.pull().await;
    assert_eq!(
        plan_all(&world.engine).await,
        0,
        "its policy is not in force"
    );
    let why = world.engine.guards.standing().why().unwrap_or_default();
    assert!(
        why.contains("the configuration of another daemon, started at"),
        "{why}"
    );
    assert_eq!(plan_all(&other).await, 1);
    assert_eq!(other.guards.standing(), Standing::InForce);
    for _ in 0..12 {
        world.rounds(1).await;
        plan_all(&other).await;
        hikiate::daemon::allocate_step(&other).await.unwrap();
        plan_all(&other).await;
        hikiate::daemon::seal_step(&other).await.unwrap();
    }
    assert!(
        world.is(&id, Status::Shipped).await,
        "the first pulled and pushed it all"
    );
    assert!(world.shop.order(&id).unwrap().is_shipped());
    assert!(world.mails.mails().is_empty(), "by the policy in force");
}

/// Waits until the daemon says so, or no more, that it plans nothing.
async fn until_told(readiness: &Readiness, idle: Option<&str>) {
    let begun = Instant::now();
    loop {
        let reasons = readiness.reasons();
        let told = reasons.iter().find(|why| why.starts_with("planning: "));
        match (told, idle) {
            (None, None) => return,
            (Some(told), Some(why)) if told.contains(why) => return,
            _ => {}
        }
        assert!(begun.elapsed() < Time::from_secs(60), "{reasons:?}");
        tokio::time::sleep(Time::from_millis(100)).await;
    }
}

/// Nothing else would tell of it: no order fails, and nothing is logged at each look.
#[tokio::test]
async fn a_daemon_that_plans_nothing_is_not_ready_until_it_plans_again() {
    let world = stocked().await;
    let pool = world.engine.store.pool().clone();
    let mine = world.engine.policy_id;
    let other: i32 = sqlx::query_scalar(
        "INSERT INTO policies (hash, document, loaded_at) VALUES ('another', '{}', now()) RETURNING id",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    let (readiness, stop) = (Readiness::default(), CancellationToken::new());
    let engine = world.engine;
    let daemon = hikiate::daemon::run(Arc::new(engine), readiness.clone(), stop.clone());
    let daemon = tokio::spawn(daemon);
    let in_force = async |policy: i32| {
        sqlx::query("UPDATE gate SET policy_id = $1")
            .bind(policy)
            .execute(&pool)
            .await
            .unwrap();
    };
    let needs = async |more: i32| {
        sqlx::query("UPDATE gate SET min_code = min_code + $1")
            .bind(more)
            .execute(&pool)
            .await
            .unwrap();
    };
    until_told(&readiness, None).await;
    in_force(other).await;
    until_told(&readiness, Some("the configuration of another daemon")).await;
    in_force(mine).await;
    until_told(&readiness, None).await;
    needs(100).await;
    until_told(
        &readiness,
        Some("a newer hikiate has migrated this database"),
    )
    .await;
    needs(-100).await;
    until_told(&readiness, None).await;
    stop.cancel();
    daemon.await.unwrap().unwrap();
}
