//! `hikiate begin` and `unbegin` as they are typed.

use std::fs;

use chrono::Duration;
use serde_json::json;

use super::{Ran, command};
use crate::flow::world::{Setup, World, order, start};

fn run(world: &World, arguments: &[&str]) -> Ran {
    Ran::of(command(
        &world.dir.path().join("hikiate.toml"),
        Some(world.database()),
        arguments,
    ))
}

/// A shop that nobody has begun, with two older orders and one of now.
async fn world() -> (World, [String; 3]) {
    placed([30, 20, 0], None).await
}

/// The same with orders of so many days ago, of which the shop has completed one.
async fn placed(ages: [i64; 3], completed: Option<i64>) -> (World, [String; 3]) {
    let mut world = World::new(Setup {
        begin: "",
        ..Setup::default()
    })
    .await;
    world.tokyo.set_stock("APPLE", 10);
    world.count_stock().await;
    world.round().await;
    let mut ids = Vec::new();
    for days in ages {
        world.clock.set(start() - Duration::days(days));
        let id = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
        if completed == Some(days) {
            world.shop.set_status(&id, "completed");
        }
        ids.push(id);
    }
    world.rounds(2).await;
    (world, ids.try_into().unwrap())
}

fn number(world: &World, id: &str) -> String {
    let shown = run(world, &["order", "show", &format!("shop/{id}"), "--json"]).json();
    shown["number"].as_str().unwrap().to_owned()
}

fn class(world: &World, id: &str) -> String {
    let shown = run(
        world,
        &["order", "explain", &format!("shop/{id}"), "--json"],
    )
    .json();
    shown["blocked_by"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn the_file_of_classes_comes_back_as_a_whole_or_not_at_all() {
    let (mut world, [first, second, now]) = world().await;
    let file = world.dir.path().join("classes.csv");
    let path = file.to_str().unwrap();
    let from = start().to_rfc3339();
    let look = [
        "begin",
        "shop",
        "--from",
        &from,
        "--dry-run",
        "--classes",
        path,
    ];
    let looked = run(&world, &look);
    let words = looked.ended(0);
    assert!(
        words.contains("3 open orders, the oldest 30 days old: left 2, new 1"),
        "{words}"
    );
    assert!(
        words.contains("1650 JPY") && words.contains("nothing was changed"),
        "{words}"
    );
    for personal in ["花子", "hanako@", "千代田"] {
        assert!(!words.contains(personal), "{words}");
    }
    let (one, two) = (number(&world, &first), number(&world, &second));
    let edit = |text: &str| {
        let line = |line: &str| match line {
            line if line.starts_with(&one) => line.replace(",left,,,", ",adopted,,,"),
            line if line.starts_with(&two) => line.replace(",left,,,", ",history,,,"),
            line => line.to_owned(),
        };
        text.lines().map(|l| line(l) + "\r\n").collect::<String>()
    };
    fs::write(&file, edit(&fs::read_to_string(&file).unwrap())).unwrap();
    let give = [
        "begin",
        "shop",
        "--from",
        &from,
        "--classes",
        path,
        "--reason",
        "switch",
    ];

    // Looked at once more, the edited file is what would be done, and it stays as it was edited.
    let edited = fs::read_to_string(&file).unwrap();
    let looked = run(&world, &look);
    let words = looked.ended(0);
    assert!(words.contains("which is not changed"), "{words}");
    assert!(
        words.contains("adopted 1") && words.contains("history 1"),
        "{words}"
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), edited);

    // A row whose order has changed since stops all of it.
    assert!(world.shop.cancel_order(&second));
    world.rounds(1).await;
    run(&world, &give).refused(5, &format!("order {two} is no longer open"));
    assert_eq!(class(&world, &first), "begin");
    let wrong = fs::read_to_string(&file).unwrap();
    let without: String = wrong
        .lines()
        .filter(|l| !l.starts_with(&two))
        .map(|l| format!("{l}\n"))
        .collect();
    let seen = without
        .lines()
        .nth(1)
        .unwrap()
        .rsplit(',')
        .next()
        .unwrap()
        .to_owned();
    fs::write(&file, without.replace(&seen, "9-00000000")).unwrap();
    run(&world, &give).refused(5, &format!("order {one} has changed since"));
    assert_eq!(class(&world, &first), "begin");

    fs::write(&file, without).unwrap();
    let begun = run(&world, &give);
    assert!(
        begun.ended(0).contains("channel shop has begun"),
        "{begun:?}"
    );
    world.rounds(14).await;
    for id in [&first, &now] {
        assert!(world.shop.order(id).unwrap().is_shipped(), "{id}");
    }
    let again = run(&world, &give[..]);
    // The file names orders that have left meanwhile.
    again.refused(5, "nothing was done");
    let again = run(
        &world,
        &["begin", "shop", "--from", &from, "--reason", "again"],
    );
    assert!(again.ended(0).contains("has already begun"), "{again:?}");
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_and_says_so() {
    let (world, [first, second, now]) = world().await;
    let from = start().to_rfc3339();
    let go = |more: &[&str]| {
        let mut all = vec!["begin", "shop", "--from", &from, "--reason", "switch"];
        all.extend(more);
        run(&world, &all)
    };
    let (one, two, three) = (
        format!("shop/{first}"),
        format!("shop/{second}"),
        format!("shop/{now}"),
    );
    run(&world, &["begin", "shop", "--reason", "x"]).refused(2, "--from TIME");
    run(&world, &["begin", "shop", "--from", &from]).refused(2, "--reason");
    run(
        &world,
        &["begin", "shops", "--from", &from, "--reason", "x"],
    )
    .refused(4, "channels: shop");
    go(&["--adopt", "shop/nowhere"]).refused(4, "nothing was done");
    go(&["--adopt", &three]).refused(5, "hikiate acts on it anyway");
    let second_number = number(&world, &second);
    let purge = async |sql: &'static str| {
        let purge = sqlx::query(sql).bind(&second_number);
        purge.execute(world.engine.store.pool()).await.unwrap();
    };
    purge("UPDATE subjects SET purged_at = hk_now() WHERE number = $1").await;
    go(&["--adopt", &two]).refused(5, "was purged");
    purge("UPDATE subjects SET purged_at = NULL WHERE number = $1").await;
    go(&["--adopt", &one, "--history", &one]).refused(2, "named with --adopt");
    run(&world, &["unbegin", "shop", "--reason", "x"]).refused(5, "has not begun");
    let explained = run(&world, &["order", "explain", &one]);
    assert!(
        explained
            .ended(0)
            .contains("run `hikiate begin shop --from TIME --dry-run`"),
        "{explained:?}"
    );
    assert_eq!(
        class(&world, &first),
        "begin",
        "nothing was done by any of it"
    );

    let begun = run(
        &world,
        &[
            "begin",
            "shop",
            "--from",
            &from,
            "--adopt",
            &one,
            "--history",
            &two,
            "--reason",
            "switch",
            "--json",
        ],
    )
    .json();
    assert_eq!(
        begun["classes"],
        json!({ "adopted": 1, "history": 1, "new": 1 })
    );
    let other = (start() - Duration::hours(1)).to_rfc3339();
    run(
        &world,
        &["begin", "shop", "--from", &other, "--reason", "x"],
    )
    .refused(5, "hikiate unbegin shop");
    let leave = run(
        &world,
        &["begin", "shop", "--leave", &two, "--reason", "it is theirs"],
    );
    assert!(
        leave.ended(0).contains("1 older orders was changed"),
        "{leave:?}"
    );
    world.plan().await;
    assert_eq!(class(&world, &second), "left");
    let stopped = run(&world, &["unbegin", "shop", "--reason", "wrong day"]);
    assert!(
        stopped.ended(0).contains("channel shop is stopped"),
        "{stopped:?}"
    );
    let tasks = run(&world, &["tasks"]);
    assert!(
        tasks
            .ended(0)
            .contains("hikiate begin shop --from TIME --reason TEXT"),
        "{tasks:?}"
    );
    assert!(
        tasks.ended(0).contains("stopped by hanako: wrong day"),
        "{tasks:?}"
    );
}

#[tokio::test]
async fn a_channel_that_counts_as_begun_by_its_configuration_is_neither_begun_nor_stopped() {
    let mut world = World::new(Setup::default()).await;
    world.round().await;
    let from = start().to_rfc3339();
    run(&world, &["begin", "shop", "--from", &from, "--reason", "x"]).refused(5, "begin = \"all\"");
    run(&world, &["unbegin", "shop", "--reason", "x"]).refused(5, "begin = \"all\"");
    let checked = run(&world, &["check"]);
    assert!(
        checked.ended(0).contains("WARNING: begin = \"all\""),
        "{checked:?}"
    );
    world
        .restart(|toml| toml.replace("begin = \"all\"\n", ""))
        .await;
    let checked = run(&world, &["check"]);
    assert!(
        checked
            .ended(0)
            .contains("until you run `hikiate begin shop`"),
        "{checked:?}"
    );
    let stopped = run(&world, &["unbegin", "shop", "--reason", "x"]);
    stopped.refused(5, "has not begun");
}

/// Dry run and beginning with the same words; what was said has to be what becomes of each order.
fn looked(world: &World, from: Option<&str>) -> (String, serde_json::Value) {
    let mut look = vec!["begin", "shop", "--dry-run"];
    look.extend(from.map(|from| ["--from", from]).iter().flatten());
    let words = run(world, &look).ended(0).to_owned();
    look.push("--json");
    (words, run(world, &look).json())
}

#[tokio::test]
async fn a_second_beginning_lists_the_orders_that_it_opens_and_asks_for_a_word() {
    let (mut world, [old, done, _]) = placed([120, 100, 0], Some(100)).await;
    let (old, done) = (&old, &done);
    let today = start().to_rfc3339();
    let (words, told) = looked(&world, Some(&today));
    assert_eq!(
        told["classes"],
        json!({ "history": 1, "new": 1 }),
        "{words}"
    );
    let reason = ["--reason", "switch"];
    let go = |from: &[&str]| run(&world, &[&["begin", "shop"], from, &reason].concat());
    go(&["--from", &today]).ended(0);
    world.plan().await;
    assert_eq!(class(&world, old), "history");

    run(&world, &["unbegin", "shop", "--reason", "wrong"]).ended(0);
    world.plan().await;
    let earlier = (start() - Duration::days(150)).to_rfc3339();
    let (words, told) = looked(&world, Some(&earlier));
    let number = number(&world, old);
    assert!(words.contains(&number), "{words}");
    assert!(words.contains("open orders older than 7 days"), "{words}");
    assert_eq!(
        told["classes"],
        json!({ "new": 2 }),
        "what is over is not open: {words}"
    );
    assert_eq!(told["doubts"].as_array().unwrap().len(), 1);
    go(&["--from", &earlier]).refused(5, "--yes");
    assert_eq!(world.shop.writes(), 0);
    go(&["--from", &earlier, "--yes"]).ended(0);
    world.rounds(14).await;
    assert!(world.shop.order(old).unwrap().is_shipped());
    assert!(!world.shop.order(done).unwrap().is_shipped());
}

#[tokio::test]
async fn a_time_that_was_typed_wrong_gives_no_order_away() {
    let (mut world, [first, second, now]) = world().await;
    let reason = ["--reason", "switch"];
    let go = |more: &[&str]| run(&world, &[&["begin", "shop"], more, &reason].concat());
    let next_year = (start() + Duration::days(365)).to_rfc3339();
    go(&["--from", &next_year]).refused(2, "is in the future");
    // Tomorrow's clock: the order of today would stay behind.
    let late = (world.now() - Duration::seconds(1)).to_rfc3339();
    assert!(looked(&world, Some(&late)).0.contains("the last 7 days"));
    go(&["--from", &late]).refused(5, "--yes");
    let today = start().to_rfc3339();
    go(&["--from", &today]).ended(0);
    world.plan().await;
    assert_eq!(class(&world, &first), "left");

    // What is theirs needs no hold, and says so.
    let old = format!("shop/{first}");
    run(&world, &["order", "hold", &old, "--reason", "x"])
        .refused(5, "left to the previous system");
    run(&world, &["order", "cancel", &old, "--reason", "x"]).refused(5, "--adopt");

    // What was in hand stays in hand; a later time would give it up and is refused.
    run(&world, &["unbegin", "shop", "--reason", "wait"]).ended(0);
    let go = |more: &[&str]| run(&world, &[&["begin", "shop"], more, &reason].concat());
    go(&["--from", &late, "--yes"]).refused(5, "before the channel was stopped");
    let leave = ["--from", &late, "--yes", "--leave", &format!("shop/{now}")];
    let looked_at = [&["begin", "shop", "--dry-run"], &leave[..2]].concat();
    assert!(
        run(&world, &looked_at)
            .ended(0)
            .contains("before the channel was stopped")
    );
    go(&[]).ended(0);
    world.rounds(14).await;
    assert!(world.shop.order(&now).unwrap().is_shipped());
    for old in [&first, &second] {
        assert!(!world.shop.order(old).unwrap().is_shipped());
    }
}

#[tokio::test]
async fn the_class_that_an_operator_gave_holds_wherever_the_beginning_is() {
    let (mut world, [first, second, _]) = world().await;
    let (one, two) = (format!("shop/{first}"), format!("shop/{second}"));
    let reason = ["--reason", "switch"];
    let go =
        |world: &World, more: &[&str]| run(world, &[&["begin", "shop"], more, &reason].concat());
    let today = start().to_rfc3339();
    go(&world, &["--from", &today, "--history", &one]).ended(0);
    world.plan().await;
    run(&world, &["unbegin", "shop", "--reason", "wrong"]).ended(0);
    world.plan().await;
    let earlier = (start() - Duration::days(40)).to_rfc3339();
    let (_, told) = looked(&world, Some(&earlier));
    assert_eq!(
        told["classes"],
        json!({ "new": 2 }),
        "nothing becomes of the first"
    );
    go(&world, &["--from", &earlier, "--yes"]).ended(0);
    world.rounds(14).await;
    assert_eq!(class(&world, &first), "history");
    assert!(world.shop.order(&second).unwrap().is_shipped(), "{two}");
    assert!(!world.shop.order(&first).unwrap().is_shipped());
}

/// What was left to the system before may ship there: making it ours is marked and asked about, also where it is young.
#[tokio::test]
async fn what_was_left_before_becomes_ours_only_on_a_word() {
    let (world, [left, ..]) = placed([3, 2, 0], None).await;
    let reason = ["--reason", "switch"];
    let go =
        |world: &World, more: &[&str]| run(world, &[&["begin", "shop"], more, &reason].concat());
    let today = start().to_rfc3339();
    go(&world, &["--from", &today, "--yes"]).ended(0);
    world.plan().await;
    assert_eq!(class(&world, &left), "left");
    // One that has the class already changes nothing.
    let old = format!("shop/{left}");
    let said = go(&world, &["--history", &old]);
    assert!(said.ended(0).contains("1 older orders"), "{said:?}");
    let said = go(&world, &["--history", &old]);
    assert!(said.ended(0).contains("nothing was changed"), "{said:?}");
    go(&world, &["--leave", &old]).ended(0);
    run(&world, &["unbegin", "shop", "--reason", "wrong"]).ended(0);
    world.plan().await;
    let earlier = (start() - Duration::days(4)).to_rfc3339();
    let (words, _) = looked(&world, Some(&earlier));
    assert!(words.contains("left -> new"), "{words}");
    assert!(
        words.contains("1 open orders that were left to the previous system"),
        "{words}"
    );
    go(&world, &["--from", &earlier]).refused(5, "ship twice");
    assert_eq!(world.shop.writes(), 0);
}
