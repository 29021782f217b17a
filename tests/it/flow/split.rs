//! A backup is restored under the program, and an order of the lost window went to two warehouses.

use chrono::Duration;
use hikiate::plan::types::Status;
use hikiate::store::Phase;

use super::recover::{phase, recover};
use super::world::{Setup, World, order};

/// Two orders that only the lost window knows, both split: one has left and was told, one is just instructed.
/// Returns their ids.
async fn lost_window(world: &mut World) -> [String; 2] {
    // Neither has all of it.
    world.tokyo.set_stock("APPLE", 2);
    world.osaka.set_stock("APPLE", 5);
    world.count_stock().await;
    world.round().await;
    let backed_up = world.now();
    let copy = world.back_up().await;
    let first = world.shop.place_order(order(&[("APPLE", 6, "1000")]));
    world.rounds(20).await;
    let seen = world.shop.order(&first).unwrap();
    assert!(seen.is_shipped() && seen.captured == seen.total);
    // Its mail went out well before the restore.
    world.advance(Duration::minutes(20)).await;
    world.tokyo.set_stock("APPLE", 2);
    world.osaka.set_stock("APPLE", 3);
    world.count_stock().await;
    world.rounds(2).await;
    let second = world.shop.place_order(order(&[("APPLE", 4, "1000")]));
    for _ in 0..10 {
        world.round().await;
        if world.is(&second, Status::Instructed).await {
            break;
        }
    }
    assert!(world.is(&second, Status::Instructed).await);
    world.restore(&copy).await;
    world.rounds(2).await;
    assert_eq!(phase(world).await, Phase::Suspected);
    recover(world, backed_up).await;
    world.rounds(40).await;
    [first, second]
}

/// Each shipment instructed and shipped once, the shop shows all of it, captured to its total.
async fn all_is_well(world: &mut World, ids: &[String]) {
    world.advance(Duration::minutes(10)).await;
    world.rounds(30).await;
    for sim in [&world.tokyo, &world.osaka] {
        assert!(sim.duplicates().is_empty(), "{:?}", sim.duplicates());
        assert!(sim.instructions().values().all(|n| *n == 1));
    }
    let instructed = world.tokyo.instructions().len() + world.osaka.instructions().len();
    assert_eq!(instructed, 2 * ids.len());
    for id in ids {
        let seen = world.shop.order(id).unwrap();
        assert!(seen.is_shipped() && seen.repeated() == 0, "{id}");
        assert_eq!(seen.captured, seen.total, "{id}");
    }
    let tasks = world.tasks().await;
    assert!(
        !tasks.iter().any(|task| task == "unrecorded_shipment"),
        "{tasks:?}"
    );
}

fn setup() -> Setup {
    Setup {
        osaka: r#"{ mode = "continuous" }"#,
        more: "[delivery]\npresume = \"0s\"\n",
        ..Setup::default()
    }
}

#[tokio::test]
async fn split_orders_of_the_lost_window_are_taken_over_by_what_the_folders_say() {
    let mut world = World::new(setup()).await;
    let ids = lost_window(&mut world).await;
    assert_eq!(
        phase(&world).await,
        Phase::None,
        "{:?}",
        world.tasks().await
    );
    let tasks = world.tasks().await;
    assert!(
        !tasks.iter().any(|task| task == "unrecorded_shipment"),
        "{tasks:?}"
    );
    all_is_well(&mut world, &ids).await;
}

/// The layout writes no code that could be read back: an operator says what the warehouses have.
#[tokio::test]
async fn where_the_layout_says_no_lines_a_person_does() {
    let mut world = World::new(setup()).await;
    let shipped = include_str!("../../../config/layouts/japanese-3pl-utf8.toml");
    // The same cell, but not the field alone.
    let own = shipped.replace("{{ row.code }}", "{{ row.code | default('') }}");
    assert_ne!(own, shipped);
    std::fs::write(world.dir.path().join("own.toml"), own).unwrap();
    world.engine.store.close().await;
    world
        .restart(|toml| toml.replace("layout = \"japanese-3pl-utf8\"", "layout = \"own.toml\""))
        .await;
    let ids = lost_window(&mut world).await;
    let waiting = world.tasks().await;
    let lost = waiting.iter().filter(|task| *task == "unrecorded_shipment");
    assert_eq!(lost.count(), 2, "{waiting:?}");
    let before = world.tokyo.instructions().len() + world.osaka.instructions().len();
    assert_eq!(before, 4);
    for (account, sim) in [("tokyo-3pl", &world.tokyo), ("osaka-3pl", &world.osaka)] {
        for (reference, shipment) in sim.shipments() {
            let lines: Vec<_> = shipment
                .lines
                .iter()
                .map(|line| (line.code.clone(), line.quantity))
                .collect();
            let store = &world.engine.store;
            let wrong = [("PEAR".to_owned(), 1)];
            let refused = store.add_lost_send(account, &reference, &wrong).await;
            assert!(refused.unwrap_err().to_string().contains("PEAR"));
            store
                .add_lost_send(account, &reference, &lines)
                .await
                .unwrap();
        }
    }
    all_is_well(&mut world, &ids).await;
}
