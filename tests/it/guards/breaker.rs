//! An external system that is down is tried now and then; nothing is lost, and the others work on.

use chrono::Duration;
use hikiate_sdk::faulty::{Fault, FaultSeam as _, When};

use crate::flow::world::{Setup, World, order};

const ORDERS: usize = 100;
/// Five failures begin the rest; then one try after 5, 10, 20, 40 s and each minute: 13 in ten minutes. Calls that
/// were under way together with the fifth, and look-ups before sends, come on top.
const CALLS: u64 = 40;

fn resting(world: &World) -> bool {
    let metrics = world.engine.metrics.render().unwrap();
    metrics
        .lines()
        .any(|line| line == r#"hikiate_circuit_breaker_open{account="shop"} 1"#)
}

#[tokio::test]
async fn ten_minutes_without_the_shop_cost_few_calls_and_no_order() {
    let mut world = World::new(Setup::default()).await;
    world.tokyo.set_stock("APPLE", 500);
    world.count_stock().await;
    world.round().await;
    let ids: Vec<String> = (0..ORDERS)
        .map(|_| world.shop.place_order(order(&[("APPLE", 1, "1000")])))
        .collect();
    world.rounds(1).await;
    for _ in 0..20_000 {
        world
            .faults
            .inject_when(When::default(), Fault::ErrorBefore);
    }
    let before = world.shop.requests();
    let mut met = 0;
    for _ in 0..60 {
        world.advance(Duration::seconds(9)).await;
        world.rounds(1).await;
        met = world.faults.injected().values().sum::<u64>();
    }
    println!("{met} calls in ten minutes");
    assert!((5..=CALLS).contains(&met), "{met} calls");
    assert_eq!(world.shop.requests(), before, "none of them arrived");
    assert!(resting(&world));
    assert_eq!(
        world.tokyo.shipped().len(),
        ORDERS,
        "the warehouse worked on"
    );
    assert_eq!(world.mails.mails().len(), ORDERS, "and the mails went out");

    world.faults.heal();
    for _ in 0..60 {
        world.advance(Duration::seconds(9)).await;
        world.rounds(1).await;
    }
    assert!(!resting(&world));
    for id in &ids {
        let seen = world.shop.order(id).unwrap();
        assert!(seen.is_shipped(), "{id}");
        assert_eq!(
            (seen.captures, seen.captured, seen.repeated()),
            (1, seen.total, 0),
            "{id}"
        );
    }
    assert!(world.tasks().await.is_empty(), "{:?}", world.tasks().await);
}
