//! Refunds that operators ask for, through the whole program.

use chrono::Duration;
use hikiate_sdk::faulty::{Fault, When};
use hikiate_sdk::http::Method;

use super::world::{Setup, World, order};
use crate::cli::{Ran, command};

fn typed(world: &World, id: &str, words: &[&str]) -> Ran {
    let number = hikiate::number::order_number(&"shop".into(), &id.into());
    let mut arguments = vec!["order", words[0], &number];
    arguments.extend_from_slice(&words[1..]);
    Ran::of(command(
        &world.dir.path().join("hikiate.toml"),
        Some(world.database()),
        &arguments,
    ))
}

const LATE: [&str; 5] = ["refund", "--amount", "300", "--reason", "late"];

/// One order of 2,750 that is shipped and captured.
async fn shipped() -> (World, String) {
    let mut world = World::new(Setup::default()).await;
    world.tokyo.set_stock("APPLE", 100);
    world.count_stock().await;
    let id = world.shop.place_order(order(&[("APPLE", 2, "1000")]));
    world.rounds(10).await;
    assert_eq!(world.shop.order(&id).unwrap().captured, 2750);
    (world, id)
}

#[tokio::test]
async fn a_refund_is_made_once_and_the_books_balance() {
    let (mut world, id) = shipped().await;
    world.advance(Duration::seconds(20)).await;
    world.rounds(3).await;
    assert_eq!(world.journal_total(), 2750);
    let dry = typed(&world, &id, &[&LATE[..], &["--dry-run"]].concat());
    assert!(dry.ended(0).contains("would: refund") && dry.out.contains("cannot be undone"));
    world.rounds(2).await;
    assert_eq!(world.shop.order(&id).unwrap().refunded, 0);
    assert!(
        typed(&world, &id, &LATE)
            .ended(0)
            .contains("shop gives back 300 JPY")
    );
    typed(&world, &id, &LATE).refused(5, "asked for on");
    world.rounds(4).await;
    let seen = world.shop.order(&id).unwrap();
    assert_eq!((seen.refunded, seen.refunds.len()), (300, 1));
    assert!(
        seen.refunds[0].1.starts_with("refund:shop:shop:"),
        "{:?}",
        seen.refunds
    );
    assert!(seen.refunds[0].1.ends_with(" late"));
    typed(&world, &id, &LATE).refused(5, "(done)");
    world.advance(Duration::minutes(2)).await;
    world.rounds(6).await;
    world.advance(Duration::seconds(20)).await;
    world.rounds(3).await;
    assert_eq!(
        world.journal_total(),
        2750 - 300,
        "a return of 300 on its day"
    );
    assert_eq!(world.tasks().await, Vec::<String>::new());
    assert_eq!(world.shop.order(&id).unwrap().refunded, 300);
    typed(
        &world,
        &id,
        &["refund", "--amount", "2451", "--reason", "x"],
    )
    .refused(5, "2450 JPY");
}

#[tokio::test]
async fn a_lost_reply_makes_no_second_refund() {
    let (mut world, id) = shipped().await;
    world
        .faults
        .inject_when(When::new(Method::Post, "/refund"), Fault::LostReply);
    typed(&world, &id, &LATE).ended(0);
    world.rounds(2).await;
    world.advance(Duration::minutes(2)).await;
    world.rounds(8).await;
    let seen = world.shop.order(&id).unwrap();
    assert_eq!((seen.refunded, seen.refunds.len()), (300, 1));
    assert_eq!(world.tasks().await, Vec::<String>::new());
}

#[tokio::test]
async fn what_staff_refund_before_ours_is_sent_is_not_paid_twice() {
    let (mut world, id) = shipped().await;
    let named = [LATE.as_slice(), &["--id", "late"]].concat();
    typed(&world, &id, &named).ended(0);
    // Planned and queued; the shop is not read in between.
    world.plan().await;
    assert!(world.shop.refund_by_staff(&id, 300));
    world.push().await;
    let seen = world.shop.order(&id).unwrap();
    assert_eq!(
        (seen.refunded, seen.refunds.len()),
        (300, 1),
        "{:?}",
        seen.refunds
    );
    world.advance(Duration::minutes(2)).await;
    world.rounds(6).await;
    assert_eq!(world.shop.order(&id).unwrap().refunded, 300);
    assert_eq!(world.tasks().await, ["refunded_meanwhile"]);
    typed(
        &world,
        &id,
        &[
            "release",
            "--rule",
            "refund_dropped:late",
            "--reason",
            "the same",
        ],
    )
    .ended(0);
    world.rounds(3).await;
    assert_eq!(world.tasks().await, Vec::<String>::new());
    assert_eq!(world.shop.order(&id).unwrap().refunds.len(), 1);
}

#[tokio::test]
async fn all_of_an_order_that_was_not_sealed_goes_back_and_nothing_ships() {
    let mut world = World::new(Setup::default()).await;
    let id = world.shop.place_order(order(&[("APPLE", 2, "1000")]));
    world.rounds(2).await;
    assert!(world.shop.capture_by_staff(&id));
    world.advance(Duration::minutes(31)).await;
    world.rounds(3).await;
    typed(&world, &id, &["refund", "--all", "--reason", "sold out"]).ended(0);
    world.rounds(2).await;
    world.tokyo.set_stock("APPLE", 100);
    world.count_stock().await;
    world.advance(Duration::minutes(2)).await;
    world.rounds(10).await;
    let seen = world.shop.order(&id).unwrap();
    assert_eq!(
        (seen.refunded, seen.refunds.len(), seen.fulfilments.len()),
        (2750, 1, 0)
    );
    assert!(world.tokyo.shipped().is_empty() && world.osaka.shipped().is_empty());
    assert_eq!(world.tasks().await, ["refunded_in_full"]);
}

#[tokio::test]
async fn an_account_without_a_void_says_so() {
    let mut world = World::new(Setup::default()).await;
    let id = world.shop.place_order(order(&[("APPLE", 2, "1000")]));
    world.rounds(2).await;
    let void = ["void", "--reason", "not wanted"];
    typed(&world, &id, &void).refused(5, "account shop offers no void");
}
