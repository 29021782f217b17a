//! What an external system does not say, says late, says badly or says at another hour: nothing is lost, and nothing
//! that cannot be understood stops the rest.

use chrono::Duration;
use hikiate::plan::types::Status;
use hikiate_medusa::sim::NewOrder;

use super::world::{Setup, World, order};

async fn stored(world: &World) -> i64 {
    let counts = world.engine.store.count_orders().await.unwrap();
    counts.iter().map(|(_, n)| n).sum()
}

async fn stocked(setup: Setup, units: i64) -> World {
    let mut world = World::new(setup).await;
    world.tokyo.set_stock("APPLE", units);
    world.count_stock().await;
    world.round().await;
    world
}

/// Nobody calls us: an order is there after one interval of reading all the same.
#[tokio::test]
async fn without_any_webhook_every_order_is_there_after_one_interval() {
    let mut world = stocked(Setup::default(), 100).await;
    for n in 1..=12 {
        world.shop.place_order(order(&[("APPLE", 1, "1000")]));
        world.round().await;
        assert_eq!(stored(&world).await, n);
    }
}

/// More orders of one millisecond than a page takes, and some whose time lies before what was already read.
#[tokio::test]
async fn orders_of_one_instant_and_orders_seen_late_are_all_there_once() {
    let setup = Setup {
        shop: "page_size = 3",
        ..Setup::default()
    };
    let mut world = stocked(setup, 100).await;
    for _ in 0..20 {
        world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    }
    world.round().await;
    assert_eq!(stored(&world).await, 20);
    world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    world.round().await;
    // Committed now, stamped 0.8 s ago: behind the newest change seen, within the overlap.
    let now = world.clock.now();
    world.clock.set(now - Duration::milliseconds(800));
    for _ in 0..5 {
        world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    }
    world.clock.set(now);
    world.rounds(10).await;
    assert_eq!(stored(&world).await, 26);
    for seen in world.shop.orders() {
        assert!(seen.is_shipped(), "{}", seen.id);
        assert_eq!((seen.captures, seen.repeated()), (1, 0), "{}", seen.id);
    }
    assert!(world.tokyo.duplicates().is_empty());
}

/// A month without us: everything is there afterwards, and what was settled meanwhile is history.
#[tokio::test]
async fn thirty_days_of_silence_lose_nothing_and_send_nothing_for_what_is_settled() {
    let setup = Setup {
        shop: "page_size = 10",
        ..Setup::default()
    };
    let mut world = stocked(setup, 1000).await;
    let before = world.shop.requests();
    let (mut open, mut settled) = (Vec::new(), Vec::new());
    for n in 0..90 {
        world
            .clock
            .advance(std::time::Duration::from_secs(8 * 3600));
        let id = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
        match n % 9 {
            3 => {
                assert!(world.shop.cancel_order(&id));
                settled.push(id);
            }
            6 => {
                world.shop.set_status(&id, "completed");
                settled.push(id);
            }
            _ => open.push(id),
        }
    }
    world.advance(Duration::days(31)).await;
    world.tokyo.write_stock(world.now()).await.unwrap();
    world.pull().await;
    let asked = world.shop.requests() - before;
    assert!(asked <= 40, "{asked} requests for 90 orders, ten a page");
    world.rounds(10).await;
    assert_eq!(stored(&world).await, 90);
    for id in &open {
        let seen = world.shop.order(id).unwrap();
        assert!(seen.is_shipped(), "{id}: {:?}", world.status(id).await);
        assert_eq!(seen.captures, 1, "{id}");
    }
    for id in &settled {
        let seen = world.shop.order(id).unwrap();
        assert_eq!((seen.captures, seen.fulfilments.len()), (0, 0), "{id}");
    }
    assert_eq!(world.tokyo.shipped().len(), open.len());
    assert_eq!(world.mails.mails().len(), open.len());
}

/// One, half and all of a hundred orders cannot be read: the others are planned in the same cycle, and each bad
/// one is kept with its reason.
#[tokio::test]
async fn bad_records_stop_nobody_however_many_there_are() {
    for bad in [1, 50, 100] {
        let mut world = stocked(Setup::default(), 1000).await;
        let mut good = Vec::new();
        for n in 0..100 {
            if n < bad {
                world.shop.place_undecodable_order();
            } else {
                good.push(world.shop.place_order(order(&[("APPLE", 1, "1000")])));
            }
        }
        world.advance(Duration::seconds(1)).await;
        world.pull().await;
        world.plan().await;
        assert_eq!(stored(&world).await, 100 - i64::from(bad));
        if let Some(last) = good.last() {
            assert!(world.is(last, Status::Allocated).await);
        }
        let kept = world.engine.store.list_quarantine().await.unwrap();
        assert_eq!(kept.len(), usize::try_from(bad).unwrap());
        assert!(kept.iter().all(|row| row.reason.contains("currency_code")));
        // What is read again is not kept again.
        world.rounds(3).await;
        let again = world.engine.store.list_quarantine().await.unwrap();
        assert_eq!(again.len(), kept.len());
    }
}

/// An order told without its address waits; no file ever has it.
#[tokio::test]
async fn an_order_without_an_address_never_reaches_a_warehouse() {
    let mut world = stocked(Setup::default(), 10).await;
    let id = world.shop.place_order(NewOrder {
        address: None,
        ..order(&[("APPLE", 1, "1000")])
    });
    world.rounds(6).await;
    let (status, blocked) = world.status(&id).await;
    assert_eq!(status, "unallocated");
    assert!(blocked.is_some());
    let files = std::fs::read_dir(world.dir.path().join("tokyo/outgoing")).unwrap();
    assert_eq!(files.count(), 0);
    assert!(world.tokyo.instructions().is_empty());
    assert!(!world.tasks().await.is_empty());
}

/// An address too long for the warehouse's column stops its order before the file, with the column named and
/// the text not; the others of its wave leave.
#[tokio::test]
async fn an_address_that_does_not_fit_stops_its_order_alone() {
    let mut world = stocked(Setup::default(), 10).await;
    let mut long = order(&[("APPLE", 1, "1000")]);
    if let Some(address) = &mut long.address {
        address.address1 = "千代田区の長い町名".repeat(20);
    }
    let (long, short) = (
        world.shop.place_order(long),
        world.shop.place_order(order(&[("APPLE", 1, "1000")])),
    );
    world.rounds(10).await;
    assert!(world.shop.order(&short).unwrap().is_shipped());
    assert_eq!(world.shop.order(&long).unwrap().fulfilments.len(), 0);
    assert_eq!(world.tokyo.instructions().len(), 1);
    let tasks = world.engine.store.list_tasks().await.unwrap();
    let task = tasks.iter().find(|t| t.detail.contains("住所1")).unwrap();
    assert!(!task.detail.contains("長い町名"), "{}", task.detail);
}

/// The shop's clock is five minutes behind or ahead of ours: every order is read, shipped and paid once.
#[tokio::test]
async fn clocks_five_minutes_apart_lose_nothing() {
    for skew in [-300, 300] {
        let mut world = World::new(Setup::default()).await;
        world.skew = Duration::seconds(skew);
        world.advance(Duration::zero()).await;
        world.tokyo.set_stock("APPLE", 100);
        world.count_stock().await;
        world.round().await;
        let mut placed = Vec::new();
        for _ in 0..8 {
            placed.push(world.shop.place_order(order(&[("APPLE", 1, "1000")])));
            world.rounds(1).await;
        }
        world.rounds(10).await;
        assert_eq!(stored(&world).await, 8);
        for id in placed {
            let seen = world.shop.order(&id).unwrap();
            assert!(seen.is_shipped(), "{skew}: {:?}", world.status(&id).await);
            assert_eq!(seen.captures, 1, "{skew}");
        }
    }
}
