//! Orders that leave from one warehouse or not at all.

use hikiate::plan::types::Status;

use super::world::{Setup, World, order};

/// The warehouse an order waits in lost a part of what it needs; the other one has all of it. Nobody counts again.
#[tokio::test]
async fn a_whole_order_whose_warehouse_fell_short_goes_to_the_other_one() {
    let mut world = World::new(Setup {
        tokyo: r#"{ mode = "wave", cutoffs = ["13:00"] }"#,
        more: "[allocation]\nsplit = false\n",
        ..Setup::default()
    })
    .await;
    world.tokyo.set_stock("APPLE", 3);
    world.osaka.set_stock("APPLE", 0);
    world.count_stock().await;
    world.rounds(2).await;
    let id = world.shop.place_order(order(&[("APPLE", 3, "1000")]));
    world.rounds(4).await;
    assert!(world.is(&id, Status::Allocated).await);
    assert_eq!(world.free("APPLE", "tokyo").await, 0);
    world.tokyo.set_stock("APPLE", 1);
    world.osaka.set_stock("APPLE", 3);
    world.count_stock().await;
    world.rounds(4).await;
    assert!(
        world.is(&id, Status::Allocated).await,
        "{:?}",
        world.status(&id).await
    );
    assert_eq!(world.free("APPLE", "tokyo").await, 1);
    assert_eq!(world.free("APPLE", "osaka").await, 0);
}
