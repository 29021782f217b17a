//! Acceptance tests of the trade: stock that waits for money, a file that is sealed, cancels at every
//! stage, goods that do not match, counts that fall short.

use chrono::Duration;
use hikiate::plan::types::Status;
use hikiate::store::Decision;
use hikiate_files::sim::{SimCancel, SimFile, SimHandling};
use hikiate_medusa::sim::NewOrder;
use hikiate_sdk::faulty::{Fault, When};
use hikiate_sdk::http::Method;

use super::world::{Setup, World, order};

fn by_bank(lines: &[(&str, u32, &str)]) -> NewOrder {
    NewOrder {
        provider_id: "pp_bank".to_owned(),
        authorised: false,
        ..order(lines)
    }
}

/// An unpaid order keeps the last unit from everybody else, and gives it back at its deadline.
#[tokio::test]
async fn the_last_unit_of_an_unpaid_order_is_never_sold_twice() {
    let mut world = World::new(Setup {
        more: "[allocation]\nexpire_unpaid = \"7d\"\n",
        ..Setup::default()
    })
    .await;
    world.tokyo.set_stock("APPLE", 1);
    world.count_stock().await;
    world.round().await;
    let unpaid = world.shop.place_order(by_bank(&[("APPLE", 1, "1000")]));
    world.round().await;
    let second = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    world.rounds(3).await;
    assert!(world.is(&unpaid, Status::Unallocated).await);
    assert_eq!(world.status(&unpaid).await.1.as_deref(), Some("payment"));
    assert!(world.is(&second, Status::Backordered).await);
    assert_eq!(world.free("APPLE", "tokyo").await, 0);

    world.advance(Duration::days(7)).await;
    world.rounds(6).await;
    assert!(
        world.shop.order(&second).unwrap().is_shipped(),
        "the unit went to the next in line"
    );
    assert!(world.tasks().await.contains(&"payment_overdue".to_owned()));
    assert_eq!(world.tokyo.shipped().len(), 1);
}

/// A deposit releases the order; one yen short does not.
#[tokio::test]
async fn a_bank_transfer_waits_for_its_deposit() {
    let mut world = World::new(Setup::default()).await;
    world.tokyo.set_stock("APPLE", 5);
    world.count_stock().await;
    let id = world.shop.place_order(by_bank(&[("APPLE", 1, "1000")]));
    world.rounds(2).await;
    world.deposit(&id, "bank-1", 1649).await;
    world.rounds(3).await;
    assert!(world.is(&id, Status::Unallocated).await);
    assert!(
        world
            .tasks()
            .await
            .contains(&"deposit_underpaid".to_owned())
    );
    world.deposit(&id, "bank-2", 1).await;
    world.rounds(6).await;
    assert!(world.shop.order(&id).unwrap().is_shipped());
    assert_eq!(
        world.shop.order(&id).unwrap().captures,
        0,
        "nothing is captured from a bank transfer"
    );
    assert!(
        !world
            .tasks()
            .await
            .contains(&"deposit_underpaid".to_owned())
    );
}

/// A file is sealed at its cut-off; a reply that is lost, a result that comes twice, cancels on both sides.
#[tokio::test]
async fn a_wave_is_sealed_once_and_a_cancel_before_it_is_out() {
    let handling = |_: &_| SimHandling {
        ship_after: 4,
        ..SimHandling::default()
    };
    let setup = Setup {
        tokyo: r#"{ mode = "wave", cutoffs = ["13:00"] }"#,
        handling,
        ..Setup::default()
    };
    let mut world = World::new(setup).await;
    world.tokyo.set_stock("APPLE", 10);
    world.count_stock().await;
    world.round().await;
    let stays = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    let before = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    let after = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    world.rounds(2).await;
    assert!(
        world.is(&stays, Status::Allocated).await,
        "waits for the wave"
    );

    let cutoff: chrono::DateTime<chrono::Utc> = "2026-11-20T04:00:00Z".parse().unwrap();
    world
        .advance(cutoff - Duration::seconds(2) - world.now())
        .await;
    assert!(world.shop.cancel_order(&before));
    world.round().await;
    assert!(world.is(&before, Status::Cancelled).await);
    world.round().await;
    world.round().await;
    let files = std::fs::read_dir(world.dir.path().join("tokyo/outgoing"))
        .unwrap()
        .count();
    assert_eq!(files, 1, "one wave, one file");
    assert!(
        world.shop.cancel_order(&after),
        "the shop lets its customer cancel"
    );
    world.tokyo.deliver_twice(SimFile::Shipped);
    world.rounds(12).await;

    assert!(world.shop.order(&stays).unwrap().is_shipped());
    assert!(
        world.is(&after, Status::Cancelled).await,
        "the warehouse stopped it"
    );
    assert_eq!(world.tokyo.cancelled().len(), 1);
    assert_eq!(world.tokyo.shipped().len(), 1);
    assert!(world.tokyo.duplicates().is_empty());
    assert_eq!(world.shop.order(&stays).unwrap().captures, 1);
    assert_eq!(world.shop.order(&after).unwrap().captures, 0);
    assert_eq!(world.free("APPLE", "tokyo").await, 9);
}

/// Too late: the parcel leaves all the same, nothing is captured, and an operator knows.
#[tokio::test]
async fn a_cancel_that_the_warehouse_declines_is_a_task() {
    let handling = |_: &_| SimHandling {
        cancel: SimCancel::Decline,
        ship_after: 4,
        ..SimHandling::default()
    };
    let mut world = World::new(Setup {
        handling,
        ..Setup::default()
    })
    .await;
    world.tokyo.set_stock("APPLE", 10);
    world.count_stock().await;
    world.round().await;
    let id = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    world.rounds(3).await;
    assert!(world.is(&id, Status::Instructed).await);
    assert!(world.shop.cancel_order(&id));
    world.rounds(10).await;
    assert!(
        world.tasks().await.contains(&"cancel_too_late".to_owned()),
        "{:?}",
        world.tasks().await
    );
    assert_eq!(world.shop.order(&id).unwrap().captures, 0);
    assert_eq!(world.tokyo.shipped().len(), 1);
}

/// An operator's cancel stops the goods first and tells the shop only then.
#[tokio::test]
async fn an_operators_cancel_reaches_the_shop_after_the_goods_are_stopped() {
    let handling = |_: &_| SimHandling {
        ship_after: 50,
        ..SimHandling::default()
    };
    let mut world = World::new(Setup {
        handling,
        ..Setup::default()
    })
    .await;
    world.tokyo.set_stock("APPLE", 10);
    world.count_stock().await;
    world.round().await;
    let id = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    world.rounds(3).await;
    assert!(world.is(&id, Status::Instructed).await);
    world
        .decide(
            &id,
            Decision::Cancel {
                reason: "the customer called".to_owned(),
            },
        )
        .await;
    world.round().await;
    assert!(
        !world.shop.order(&id).unwrap().cancelled,
        "the warehouse has not answered yet"
    );
    world.rounds(6).await;
    assert!(world.shop.order(&id).unwrap().cancelled);
    assert!(world.is(&id, Status::Cancelled).await);
    assert!(world.tokyo.shipped().is_empty());
}

/// One of two leaves: stock is right, the money follows the goods, and an operator knows.
#[tokio::test]
async fn a_short_shipment_is_stored_captured_by_what_left_and_flagged() {
    let handling = |_: &_| SimHandling {
        leave_out: 1,
        ..SimHandling::default()
    };
    let mut world = World::new(Setup {
        handling,
        ..Setup::default()
    })
    .await;
    world.tokyo.set_stock("APPLE", 10);
    world.count_stock().await;
    world.round().await;
    let id = world.shop.place_order(order(&[("APPLE", 2, "1000")]));
    world.rounds(8).await;
    assert!(
        world.tasks().await.contains(&"shipped_short".to_owned()),
        "{:?}",
        world.tasks().await
    );
    let seen = world.shop.order(&id).unwrap();
    assert_eq!(
        (seen.total, seen.captured),
        (2750, 1650),
        "one unit and the postage"
    );
    let rows = world.engine.store.list_stock(Some("APPLE")).await.unwrap();
    assert_eq!(rows.iter().map(|r| r.on_hand).sum::<i64>(), 9);
}

/// A count below what is reserved: the youngest loses, goes back to waiting, and gets the next unit.
#[tokio::test]
async fn a_count_below_what_is_reserved_takes_from_the_youngest() {
    let setup = Setup {
        tokyo: r#"{ mode = "wave", cutoffs = ["13:00"] }"#,
        ..Setup::default()
    };
    let mut world = World::new(setup).await;
    world.tokyo.set_stock("APPLE", 2);
    world.count_stock().await;
    world.round().await;
    let old = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    world.rounds(2).await;
    let young = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    world.rounds(2).await;
    assert!(world.is(&old, Status::Allocated).await && world.is(&young, Status::Allocated).await);
    world.advance(Duration::minutes(5)).await;
    world.tokyo.set_stock("APPLE", 1);
    world.count_stock().await;
    world.rounds(3).await;
    assert!(world.is(&old, Status::Allocated).await);
    assert!(world.is(&young, Status::Backordered).await);
    world.advance(Duration::minutes(5)).await;
    world.tokyo.set_stock("APPLE", 2);
    world.count_stock().await;
    world.rounds(3).await;
    assert!(world.is(&young, Status::Allocated).await);
}

/// Two rates and a split over two warehouses: one capture per shipment, and the books agree.
#[tokio::test]
async fn an_order_split_over_two_warehouses_is_captured_and_booked_to_its_total() {
    let setup = Setup {
        osaka: r#"{ mode = "continuous" }"#,
        more: "[delivery]\npresume = \"0s\"\n",
        ..Setup::default()
    };
    let mut world = World::new(setup).await;
    world.tokyo.set_stock("APPLE", 2);
    world.osaka.set_stock("APPLE", 5);
    world.count_stock().await;
    world.round().await;
    let id = world.shop.place_order(order(&[("APPLE", 6, "333")]));
    world.rounds(30).await;
    assert!(world.is(&id, Status::Booked).await);
    let seen = world.shop.order(&id).unwrap();
    assert_eq!(seen.captured, seen.total);
    assert_eq!(
        (world.tokyo.shipped().len(), world.osaka.shipped().len()),
        (1, 1)
    );
    assert_eq!(world.journal_total(), seen.total);
    assert_eq!(world.mails.mails().len(), 1);
}

/// The reply to a capture is lost: it is looked up, never repeated blindly.
#[tokio::test]
async fn a_capture_whose_reply_is_lost_happens_once() {
    let mut world = World::new(Setup::default()).await;
    world
        .faults
        .inject_when(When::new(Method::Post, "/capture"), Fault::LostReply);
    world.tokyo.set_stock("APPLE", 10);
    world.count_stock().await;
    world.round().await;
    let id = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    world.rounds(12).await;
    let seen = world.shop.order(&id).unwrap();
    assert_eq!((seen.captures, seen.captured), (1, seen.total));
    assert!(world.is(&id, Status::Shipped).await);
}

/// One record that cannot be read is kept with its reason; its neighbours go on.
#[tokio::test]
async fn an_undecodable_order_is_quarantined_and_its_neighbours_go_on() {
    let mut world = World::new(Setup::default()).await;
    world.tokyo.set_stock("APPLE", 10);
    world.count_stock().await;
    world.round().await;
    world.shop.place_undecodable_order();
    let id = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    world.rounds(8).await;
    assert!(world.shop.order(&id).unwrap().is_shipped());
    assert_eq!(
        world
            .tasks()
            .await
            .iter()
            .filter(|k| *k == "quarantine")
            .count(),
        1
    );
}

/// A held order keeps its stock; once released on what an operator saw, it is not held again.
#[tokio::test]
async fn a_rule_holds_until_a_person_releases_it() {
    let more =
        "[[hold]]\nname = \"remarks\"\nwhen = 'order.remarks != \"\"'\nrelease = \"manual\"\n";
    let mut world = World::new(Setup {
        more,
        ..Setup::default()
    })
    .await;
    world.tokyo.set_stock("APPLE", 10);
    world.count_stock().await;
    world.round().await;
    let id = world.shop.place_order(NewOrder {
        remarks: "のし希望".to_owned(),
        ..order(&[("APPLE", 1, "1000")])
    });
    world.rounds(4).await;
    assert_eq!(
        world.status(&id).await,
        ("unallocated".to_owned(), Some("hold:remarks".to_owned()))
    );
    assert_eq!(
        world.free("APPLE", "tokyo").await,
        9,
        "stock is reserved all the same"
    );
    world
        .decide(
            &id,
            Decision::Release {
                rules: vec!["remarks".to_owned()],
                reason: "called back".to_owned(),
            },
        )
        .await;
    world.rounds(8).await;
    assert!(world.shop.order(&id).unwrap().is_shipped());
}

/// A code that no warehouse knows holds the order; it goes on by itself once the item is counted.
#[tokio::test]
async fn an_unmapped_code_holds_until_the_item_is_known() {
    let mut world = World::new(Setup::default()).await;
    world.tokyo.set_stock("APPLE", 10);
    world.count_stock().await;
    world.round().await;
    let id = world.shop.place_order(order(&[("PEAR", 1, "1000")]));
    world.rounds(3).await;
    assert_eq!(
        world.status(&id).await.1.as_deref(),
        Some("check:unmapped_sku")
    );
    world.tokyo.set_stock("PEAR", 10);
    world.advance(Duration::seconds(70)).await;
    world.count_stock().await;
    world.rounds(2).await;
    world.advance(Duration::seconds(31)).await;
    world.rounds(8).await;
    assert!(world.shop.order(&id).unwrap().is_shipped());
    assert!(world.tasks().await.is_empty(), "{:?}", world.tasks().await);
}

/// What an external system keeps refusing to take is a task after a while, and still goes by itself in the end.
#[tokio::test]
async fn a_call_that_never_leaves_becomes_a_task_and_goes_on() {
    let mut world = World::new(Setup::default()).await;
    for _ in 0..6 {
        world
            .faults
            .inject_when(When::new(Method::Post, "/capture"), Fault::NotSent);
    }
    world.tokyo.set_stock("APPLE", 10);
    world.count_stock().await;
    world.round().await;
    let id = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    world.rounds(6).await;
    let mut seen = false;
    for _ in 0..20 {
        world.advance(Duration::seconds(60)).await;
        world.rounds(1).await;
        seen |= world.tasks().await.contains(&"send_failing".to_owned());
    }
    assert!(seen, "an operator could have known");
    assert_eq!(world.shop.order(&id).unwrap().captures, 1);
    assert!(world.tasks().await.is_empty(), "{:?}", world.tasks().await);
}
