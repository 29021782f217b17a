//! Staff who act in the shop while hikiate works: they ship by hand, edit and complete; and a shop that does so by itself.

use chrono::Duration;
use hikiate::number::order_number;
use hikiate::plan::types::Status;
use hikiate_files::sim::{SimHandling, SimShipment};

use super::world::{Setup, World, order};
use crate::cli::{Ran, command};

/// Tokyo is the shop's own place, too.
const PLACES: &str = "locations = { tokyo = \"sloc_tokyo\" }";

async fn shop(setup: Setup, apples: i64) -> World {
    let mut world = World::new(Setup {
        channel: PLACES,
        ..setup
    })
    .await;
    world.shop.add_sku("APPLE", "sloc_tokyo", 1000);
    world.tokyo.set_stock("APPLE", apples);
    world.count_stock().await;
    world.round().await;
    world
}

fn run(world: &World, arguments: &[&str]) -> Ran {
    Ran::of(command(
        &world.dir.path().join("hikiate.toml"),
        Some(world.database()),
        arguments,
    ))
}

fn number_of(id: &str) -> String {
    order_number(&"shop".into(), &id.into())
}

/// Ships everything that is open of an order by hand, from Tokyo.
fn by_hand(world: &World, id: &str, tracking: &[&str]) {
    let made = world
        .shop
        .staff_fulfil(id, &[], Some("sloc_tokyo"))
        .unwrap();
    assert!(world.shop.staff_ship(id, &made, tracking));
}

#[tokio::test]
async fn an_order_that_staff_ship_while_it_waits_is_never_instructed_and_captured_once() {
    let mut world = shop(Setup::default(), 0).await;
    let id = world.shop.place_order(order(&[("APPLE", 2, "1000")]));
    world.rounds(2).await;
    assert!(world.is(&id, Status::Backordered).await);
    by_hand(&world, &id, &["BYHAND1"]);
    world.rounds(6).await;
    world.tokyo.set_stock("APPLE", 10);
    world.count_stock().await;
    world.rounds(6).await;
    assert!(world.tokyo.shipped().is_empty() && world.osaka.shipped().is_empty());
    let seen = world.shop.order(&id).unwrap();
    assert_eq!(
        (seen.captures, seen.captured, seen.fulfilments.len()),
        (1, 2750, 1)
    );
    assert_eq!(world.free("APPLE", "tokyo").await, 10);
    assert_eq!(world.tasks().await, Vec::<String>::new());
    assert!(world.mails.mails().is_empty(), "staff told the customer");
    world.advance(Duration::seconds(20)).await;
    world.rounds(3).await;
    assert_eq!(world.journal_total(), 2750);
}

#[tokio::test]
async fn a_part_that_staff_ship_takes_its_units_off_the_place_they_name() {
    let mut world = shop(
        Setup {
            tokyo: r#"{ mode = "continuous", grace = "10s" }"#,
            ..Setup::default()
        },
        10,
    )
    .await;
    let id = world.shop.place_order(order(&[("APPLE", 3, "1000")]));
    world.rounds(2).await;
    let line = world.shop.order(&id).unwrap().lines[0].0.clone();
    let made = world
        .shop
        .staff_fulfil(&id, &[(&line, 2)], Some("sloc_tokyo"))
        .unwrap();
    assert!(world.shop.staff_ship(&id, &made, &["BYHAND1"]));
    world.rounds(2).await;
    assert_eq!(world.free("APPLE", "tokyo").await, 7);
    world.advance(Duration::seconds(15)).await;
    world.rounds(8).await;
    let units: u32 = world
        .tokyo
        .shipped()
        .values()
        .flatten()
        .flat_map(|parcel| &parcel.lines)
        .map(|row| row.quantity)
        .sum();
    assert_eq!(units, 1, "the warehouse ships the rest only");
    let seen = world.shop.order(&id).unwrap();
    assert_eq!((seen.captured, seen.fulfilments.len()), (3850, 2));
    assert_eq!(world.mails.mails().len(), 1);
    assert_eq!(world.tasks().await, Vec::<String>::new());
}

#[tokio::test]
async fn an_edit_after_the_file_went_out_is_told_and_what_leaves_all_the_same_too() {
    let slowly = |_: &SimShipment| SimHandling {
        ship_after: 8,
        ..SimHandling::default()
    };
    let mut world = shop(
        Setup {
            handling: slowly,
            ..Setup::default()
        },
        10,
    )
    .await;
    let id = world.shop.place_order(order(&[("APPLE", 3, "1000")]));
    world.rounds(4).await;
    assert!(world.is(&id, Status::Instructed).await);
    let line = world.shop.order(&id).unwrap().lines[0].0.clone();
    assert!(world.shop.edit_quantity(&id, &line, 1));
    world.rounds(3).await;
    assert!(
        world
            .tasks()
            .await
            .contains(&"changed_after_sealing".to_owned()),
        "{:?}",
        world.tasks().await
    );
    world.rounds(10).await;
    let tasks = world.tasks().await;
    assert!(tasks.contains(&"over_shipped".to_owned()), "{tasks:?}");
}

/// A plug-in marks every order as shipped the moment it is paid.
#[tokio::test]
async fn a_shop_that_fulfils_by_itself_is_not_believed() {
    let mut world = shop(Setup::default(), 50).await;
    let mut orders = Vec::new();
    for n in 0..6 {
        let id = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
        by_hand(&world, &id, &[]);
        orders.push(id);
        // All of them within one reading, so that none was captured before it was seen.
        if n == 5 {
            world.rounds(4).await;
        }
    }
    let tasks = world.tasks().await;
    assert_eq!(tasks, ["channel_fulfils"], "one task of the account");
    for id in &orders {
        assert_eq!(
            world.status(id).await.1.as_deref(),
            Some("hold:fulfilled_by_channel")
        );
    }
    let late = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    by_hand(&world, &late, &[]);
    world.rounds(4).await;
    assert_eq!(
        world.shop.order(&late).unwrap().captures,
        0,
        "not believed any more"
    );
    world
        .restart(|toml| {
            toml.replace(
                "[channels.shop]\n",
                "[channels.shop]\nothers = \"ignore-unshipped\"\n",
            )
        })
        .await;
    world.rounds(8).await;
    assert_eq!(world.tasks().await, Vec::<String>::new());
    assert_eq!(
        world.tokyo.shipped().len(),
        7,
        "the warehouse ships them after all"
    );
}

/// More than the alarm looks at, in one turn of planning: none of them is believed first and captured.
#[tokio::test]
async fn orders_that_a_shop_fulfils_by_itself_are_held_in_the_turn_that_finds_them() {
    let mut world = shop(Setup::default(), 100).await;
    world.engine.plan_batch = 100;
    let ids: Vec<String> = (0..80)
        .map(|_| world.shop.place_order(order(&[("APPLE", 1, "1000")])))
        .collect();
    for id in &ids {
        by_hand(&world, id, &[]);
    }
    world.rounds(3).await;
    assert_eq!(world.tasks().await, ["channel_fulfils"]);
    for id in &ids {
        let blocked = world.status(id).await.1;
        assert_eq!(blocked.as_deref(), Some("hold:fulfilled_by_channel"));
        assert_eq!(world.shop.order(id).unwrap().captures, 0);
    }
}

/// Four are no machine, and a shop where people ship by hand is believed.
#[tokio::test]
async fn a_few_orders_that_staff_ship_at_once_are_believed() {
    let mut world = shop(Setup::default(), 50).await;
    for n in 0..30 {
        let id = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
        if n % 8 == 0 {
            by_hand(&world, &id, &["BYHAND"]);
        }
    }
    world.rounds(8).await;
    assert_eq!(world.tasks().await, Vec::<String>::new());
    assert_eq!(world.tokyo.shipped().len(), 26);
}

#[tokio::test]
async fn an_order_completed_by_hand_is_held_with_its_stock_until_somebody_decides() {
    let mut world = shop(Setup::default(), 0).await;
    let id = world.shop.place_order(order(&[("APPLE", 2, "1000")]));
    world.rounds(2).await;
    world.advance(Duration::minutes(15)).await;
    assert!(world.shop.complete(&id));
    world.rounds(2).await;
    world.tokyo.set_stock("APPLE", 5);
    world.count_stock().await;
    world.rounds(4).await;
    assert_eq!(world.tasks().await, ["completed"]);
    assert_eq!(world.free("APPLE", "tokyo").await, 3);
    assert!(world.tokyo.shipped().is_empty());
    world.advance(Duration::hours(72)).await;
    world.rounds(4).await;
    assert_eq!(
        world.free("APPLE", "tokyo").await,
        5,
        "its stock is on sale again"
    );
    assert_eq!(world.tasks().await, ["completed"], "and the task stays");
}

/// A script edits many orders that are with a warehouse: none of them is recalled by itself, one task names them.
#[tokio::test]
async fn many_edits_at_once_recall_nothing_and_are_one_task() {
    let slowly = |_: &SimShipment| SimHandling {
        ship_after: 200,
        ..SimHandling::default()
    };
    let mut world = shop(
        Setup {
            handling: slowly,
            ..Setup::default()
        },
        100,
    )
    .await;
    world
        .restart(|toml| {
            toml.replace(
                "[warehouses.tokyo]\n",
                "[warehouses.tokyo]\nchange = { quantity_down = \"recall\" }\n",
            )
        })
        .await;
    let orders: Vec<String> = (0..12)
        .map(|_| world.shop.place_order(order(&[("APPLE", 2, "1000")])))
        .collect();
    world.rounds(5).await;
    let edit = |world: &World, id: &str| {
        let line = world.shop.order(id).unwrap().lines[0].0.clone();
        assert!(world.shop.edit_quantity(id, &line, 1));
    };
    edit(&world, &orders[0]);
    world.rounds(2).await;
    world.advance(Duration::seconds(61)).await;
    world.rounds(3).await;
    assert_eq!(world.tokyo.cancelled().len(), 1, "one edit is recalled");
    assert!(world.tasks().await.contains(&"payment_lost".to_owned()));
    // The edit voided its payment; the customer pays anew.
    assert!(world.shop.reauthorise(&orders[0]).is_some());
    world.advance(Duration::minutes(10)).await;
    for id in &orders[1..] {
        edit(&world, id);
    }
    world.rounds(2).await;
    world.advance(Duration::seconds(61)).await;
    world.rounds(3).await;
    assert_eq!(world.tokyo.cancelled().len(), 1, "many are not");
    let tasks = world.tasks().await;
    assert!(tasks.contains(&"changes_at_once".to_owned()), "{tasks:?}");
    assert!(
        !tasks.contains(&"changed_after_sealing".to_owned()),
        "{tasks:?}"
    );
    // What the task says can be typed, and then it is gone.
    let reference = format!("{}-S1", number_of(&orders[1]));
    let words = |order: &str, rule: &str| {
        let number = number_of(order);
        let words = ["order", "release", &number, "--rule", rule, "--reason", "x"];
        run(&world, &words)
    };
    words(&orders[2], &format!("changed:{reference}")).refused(5, "has no open");
    for id in &orders[1..] {
        words(id, &format!("changed:{}-S1", number_of(id))).ended(0);
    }
    world.rounds(2).await;
    assert!(world.tasks().await.is_empty(), "{:?}", world.tasks().await);
    assert_eq!(world.tokyo.cancelled().len(), 1);
}

/// An order is found by what the customer knows, and a shipment by the name that another system gave it.
#[tokio::test]
async fn orders_and_shipments_are_found_by_the_names_that_people_have() {
    let mut world = shop(Setup::default(), 10).await;
    let id = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    world.rounds(2).await;
    let number = number_of(&id);
    let listed = run(&world, &["order", "list", "--json"]).json();
    let display = listed[0]["display"].as_str().unwrap().to_owned();
    assert!(run(&world, &["order", "list"]).ended(0).contains(&display));
    let bare = display.trim_start_matches('#');
    for name in [
        &display,
        bare,
        &format!("shop/{display}"),
        &format!("shop/{id}"),
    ] {
        let shown = run(&world, &["order", "show", name, "--json"]).json();
        assert_eq!(shown["number"].as_str(), Some(number.as_str()), "{name}");
    }
    run(&world, &["order", "show", "#0815"]).refused(4, "no order");
    // Two orders of one number are told apart by the operator.
    let other = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    world.rounds(2).await;
    sqlx::query("UPDATE facts SET body = jsonb_set(body, '{order,display}', to_jsonb($1::text)) WHERE kind = 'order'")
        .bind(&display)
        .execute(world.engine.store.pool())
        .await
        .unwrap();
    let both = run(&world, &["order", "show", &display]);
    both.refused(5, &number);
    assert!(both.err.contains(&number_of(&other)), "{both:?}");
    sqlx::query("UPDATE shipments SET reference = 'old-4711' WHERE reference LIKE $1")
        .bind(format!("{number}%"))
        .execute(world.engine.store.pool())
        .await
        .unwrap();
    let recalled = run(&world, &["order", "recall", "old-4711", "--reason", "x"]);
    assert!(
        recalled.err.contains(&number),
        "its order is looked at: {recalled:?}"
    );
}

/// A number that is typed a second time, a warehouse that is not there, an order that is held.
#[tokio::test]
async fn what_is_typed_as_shipped_is_looked_at_twice() {
    let mut world = shop(Setup::default(), 0).await;
    let ids: Vec<String> = (0..2)
        .map(|_| world.shop.place_order(order(&[("APPLE", 1, "1000")])))
        .collect();
    world.rounds(2).await;
    let (one, two) = (number_of(&ids[0]), number_of(&ids[1]));
    let shipped = |number: &str, more: &[&str]| {
        let words = ["order", "shipped", number, "--tracking", "N1001", "--from"];
        run(&world, &[&words, more, &["--reason", "x"]].concat())
    };
    shipped(&one, &["nowhere"]).refused(4, "warehouses: ");
    run(&world, &["order", "hold", &one, "--reason", "x"]).ended(0);
    let taken = shipped(&one, &["tokyo"]);
    assert!(taken.ended(0).contains("held by rule manual"), "{taken:?}");
    shipped(&two, &["tokyo"]).refused(5, "--same-box");
    shipped(&two, &["tokyo", "--same-box"]).ended(0);
    let third = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    world.rounds(2).await;
    let third = number_of(&third);
    let words = [
        "order",
        "shipped",
        &third,
        "--tracking",
        "N3003",
        "--from",
        "tokyo",
        "--reason",
        "x",
    ];
    run(&world, &words).ended(0);
    // A corrected number is looked at as well.
    let reference = format!("{one}-S1");
    let correct = |from: &str, to: &str, more: &[&str]| {
        let words = [
            "parcel",
            "correct",
            &reference,
            "--tracking",
            from,
            "--to",
            to,
        ];
        run(&world, &[&words, more, &["--reason", "x"]].concat())
    };
    correct("N1001", "N3003", &[]).refused(5, "--same-box");
    // However it is written, and what a number was corrected to is that parcel's as well.
    correct("N1001", " n-３００３", &[]).refused(5, "--same-box");
    let reference_of_third = format!("{third}-S1");
    let words = [
        "parcel",
        "correct",
        &reference_of_third,
        "--tracking",
        "N3003",
        "--to",
        "N4004-5",
        "--reason",
        "x",
    ];
    run(&world, &words).ended(0);
    correct("N1001", "N40045", &[]).refused(5, "--same-box");
    correct("N1001", "N40046", &[]).ended(0);
    correct("N40046", "N1001", &["--same-box"]).ended(0);
    correct("N1001", "N3003", &["--same-box"]).ended(0);
    for none in ["-", "未定", "0"] {
        let words = [
            "order",
            "shipped",
            &one,
            "--tracking",
            none,
            "--reason",
            "x",
        ];
        run(&world, &words).refused(2, "not a tracking number");
    }
}
