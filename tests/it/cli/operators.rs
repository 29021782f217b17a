//! What operators pause, stop, ask back, end and ship by hand, typed against a database that the engine works on.

use hikiate::daemon::seal_step;
use hikiate::plan::types::Status;
use hikiate::store::{OwnedAccount, Store};
use hikiate_files::sim::{SimCancel, SimHandling};
use serde_json::{Value, json};

use super::orders::{number_of, run, world};
use crate::flow::world::{Setup, World, order};

async fn slow(cancel: SimCancel) -> World {
    let handling = match cancel {
        SimCancel::Accept => |_: &_| SimHandling {
            ship_after: 60,
            ..SimHandling::default()
        },
        _ => |_: &_| SimHandling {
            ship_after: 60,
            cancel: SimCancel::Decline,
            ..SimHandling::default()
        },
    };
    let mut world = World::new(Setup {
        handling,
        ..Setup::default()
    })
    .await;
    for item in ["APPLE", "PEAR"] {
        world.tokyo.set_stock(item, 20);
    }
    world.count_stock().await;
    world.round().await;
    world
}

fn kinds(world: &World) -> Vec<String> {
    let tasks = run(world, &["tasks", "--json"]).json();
    let tasks = tasks.as_array().unwrap().iter();
    tasks
        .map(|task| task["kind"].as_str().unwrap().to_owned())
        .collect()
}

async fn blocked(world: &World, id: &str) -> String {
    world.status(id).await.1.unwrap_or_default()
}

/// Instructions that both warehouses have been sent, each reference once.
fn instructed(world: &World) -> usize {
    let all = world.tokyo.instructions();
    assert!(all.values().all(|n| *n == 1), "{all:?}");
    all.len()
}

#[tokio::test]
async fn a_paused_account_is_read_on_and_nothing_leaves_for_it_until_it_is_resumed() {
    let mut world = world("").await;
    run(&world, &["pause", "nowhere", "--reason", "x"]).refused(4, "nowhere");
    run(&world, &["resume", "tokyo-3pl", "--reason", "x"]).refused(5, "not paused");
    let typed = ["pause", "tokyo-3pl", "--reason", "stocktake"];
    let said = run(&world, &typed);
    assert!(
        said.ended(0).contains("hikiate resume tokyo-3pl"),
        "{said:?}"
    );
    let id = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    world.rounds(4).await;
    let again = ["pause", "tokyo-3pl", "--reason", "another one"];
    let said = run(&world, &again);
    assert!(said.ended(0).contains("keeps that reason"), "{said:?}");
    assert!(
        world.is(&id, Status::Allocated).await,
        "read, planned, not sealed"
    );
    world.restart(str::to_owned).await;
    world.rounds(3).await;
    assert_eq!(instructed(&world), 0);
    assert!(kinds(&world).contains(&"paused_writes".to_owned()));
    run(&world, &["resume", "tokyo-3pl", "--reason", "counted"]).ended(0);
    assert!(!kinds(&world).contains(&"paused_writes".to_owned()));

    // The shop is paused when its goods are shipped: what is due to it waits in the queue.
    run(&world, &["pause", "shop", "--reason", "maintenance"]).ended(0);
    world.rounds(6).await;
    assert_eq!((instructed(&world), world.tokyo.shipped().len()), (1, 1));
    assert!(!world.shop.order(&id).unwrap().is_shipped());
    let rows = run(&world, &["effect", "list", "--json"]).json();
    let row = rows
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["account"] == "shop");
    let paused = row.unwrap()["paused"].as_str().unwrap();
    assert_eq!(paused, "paused by hanako: maintenance");
    let later = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    world.rounds(2).await;
    number_of(&world, &later);
    run(&world, &["resume", "shop", "--reason", "over"]).ended(0);
    world.rounds(8).await;
    for id in [&id, &later] {
        let seen = world.shop.order(id).unwrap();
        assert!(seen.is_shipped() && seen.captures == 1, "{id}");
    }
    assert!(world.tasks().await.is_empty(), "{:?}", world.tasks().await);
}

#[tokio::test]
async fn an_account_whose_reading_is_paused_is_written_to_and_reads_everything_later() {
    let mut world = world("").await;
    let first = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    world.rounds(2).await;
    run(&world, &["pause", "shop", "--reads", "--reason", "x"]).ended(0);
    let second = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    world.rounds(6).await;
    assert!(
        world.shop.order(&first).unwrap().is_shipped(),
        "writes go on"
    );
    run(&world, &["order", "show", &format!("shop/{second}")]).refused(4, "no order");
    let streams = run(&world, &["stream", "list", "--json"]).json();
    let mut rows = streams.as_array().unwrap().iter();
    let row = rows.find(|row| row["account"] == "shop").unwrap();
    assert_eq!(row["paused"], "reading is paused by hanako: x");
    run(&world, &["resume", "shop", "--reads", "--reason", "y"]).ended(0);
    world.rounds(6).await;
    assert!(world.shop.order(&second).unwrap().is_shipped());
}

/// An owner that has claimed before the pause sends nothing after it, and what it claimed is claimed again later.
#[tokio::test]
async fn what_was_claimed_before_a_pause_is_not_sent_after_it() {
    let mut world = world("").await;
    let id = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    world.rounds(3).await;
    let owned: OwnedAccount = {
        let shop = world.engine.directory.account(&"shop".into()).unwrap();
        world.owned.iter().find(|o| o.id == shop).cloned().unwrap()
    };
    // The goods are reported, and a call is due; nobody pushes yet.
    world.tokyo.tick(world.now()).await.unwrap();
    world.advance(chrono::Duration::seconds(1)).await;
    world.pull().await;
    world.plan().await;
    let store: &Store = &world.engine.store;
    let claimed = store.claim_effects(&owned, 10, 60).await.unwrap();
    assert!(!claimed.is_empty(), "{:?}", world.status(&id).await);
    run(&world, &["pause", "shop", "--reason", "x"]).ended(0);
    let sends: Vec<_> = claimed
        .iter()
        .map(|effect| hikiate::store::ToSend {
            id: effect.id,
            token: effect.token,
            body: b"x".to_vec(),
            label: String::new(),
        })
        .collect();
    let marked = store.mark_sending(&owned, &sends, 60).await.unwrap();
    assert_eq!((marked.round, marked.bytes.len()), (None, 0));
    run(&world, &["resume", "shop", "--reason", "y"]).ended(0);
    world.advance(chrono::Duration::minutes(2)).await;
    world.rounds(6).await;
    let seen = world.shop.order(&id).unwrap();
    assert!(seen.is_shipped() && seen.captures == 1);
}

#[tokio::test]
async fn a_stop_keeps_matching_shipments_back_until_it_is_lifted() {
    let mut world = slow(SimCancel::Accept).await;
    let before = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    world.rounds(3).await;
    assert!(world.is(&before, Status::Instructed).await);
    let because = ["--reason", "bad batch"];
    let typed = |world: &World, more: &[&str]| {
        let all: Vec<&str> = ["stop-shipping"]
            .iter()
            .chain(more)
            .chain(&because)
            .copied()
            .collect();
        run(world, &all)
    };
    run(&world, &["stop-shipping", "--sku", "APPLE"]).refused(2, "--reason");
    typed(&world, &["--sku", "PLUM"]).refused(4, "PLUM");
    typed(&world, &["--warehouse", "nara"]).refused(4, "nara");
    let dry = typed(
        &world,
        &["--sku", "APPLE", "--recall", "--dry-run", "--json"],
    )
    .json();
    assert_eq!((&dry["recalled"], &dry["waiting"]), (&json!(1), &json!(0)));
    assert_eq!(
        dry["instructed"][0]["references"].as_array().unwrap().len(),
        1
    );
    assert!(
        run(&world, &["stop-shipping", "list", "--json"])
            .json()
            .as_array()
            .unwrap()
            .is_empty()
    );

    let stop = typed(&world, &["--sku", "APPLE", "--json"]).json();
    assert_eq!(
        typed(&world, &["--sku", "APPLE", "--json"]).json()["stop"],
        stop["stop"],
        "the same one"
    );
    let other = run(
        &world,
        &["stop-shipping", "--sku", "APPLE", "--reason", "rain"],
    );
    assert!(
        other.ended(0).contains("keeps its reason \"bad batch\""),
        "{other:?}"
    );
    let apple = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    let pear = world.shop.place_order(order(&[("PEAR", 1, "1000")]));
    world.rounds(4).await;
    assert_eq!(blocked(&world, &apple).await, "stop");
    assert!(world.is(&pear, Status::Instructed).await);
    assert!(
        world.is(&before, Status::Instructed).await,
        "not asked back"
    );
    assert_eq!(instructed(&world), 2);
    run(&world, &["wave", "seal", "tokyo"]).refused(5, "item APPLE: bad batch");
    run(&world, &["wave", "seal", "toyko"]).refused(4, "no warehouse \"toyko\"; warehouses: ");
    // What waits for the stop opens no batch after another.
    let batches = async || -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM batches")
            .fetch_one(world.engine.store.pool())
            .await
            .unwrap()
    };
    let opened = batches().await;
    for _ in 0..3 {
        assert_eq!(seal_step(&world.engine).await.unwrap(), 0);
    }
    assert_eq!(batches().await, opened);
    assert_eq!(kinds(&world), ["shipping_stopped"]);
    let rows = run(&world, &["stop-shipping", "list", "--json"]).json();
    assert_eq!(
        (&rows[0]["waiting"], &rows[0]["instructed"]),
        (&json!(1), &json!(1))
    );

    let id = stop["stop"].to_string();
    run(&world, &["stop-shipping", "lift", "999", "--reason", "x"]).refused(4, "999");
    run(
        &world,
        &["stop-shipping", "lift", &id, "--reason", "tested"],
    )
    .ended(0);
    run(
        &world,
        &["stop-shipping", "lift", &id, "--reason", "tested"],
    )
    .refused(4, "is not active");
    world.rounds(3).await;
    assert!(world.is(&apple, Status::Instructed).await);
    assert!(world.tasks().await.is_empty());
}

#[tokio::test]
async fn a_stop_with_recall_asks_warehouses_back_and_lifting_it_ships_them_once() {
    let mut world = slow(SimCancel::Accept).await;
    let ids = [(); 2].map(|()| world.shop.place_order(order(&[("APPLE", 1, "1000")])));
    world.rounds(3).await;
    assert_eq!(instructed(&world), 2);
    let typed = [
        "stop-shipping",
        "--channel",
        "shop",
        "--recall",
        "--reason",
        "bad batch",
        "--json",
    ];
    let stop = run(&world, &typed).json();
    assert_eq!(stop["recalled"], json!(2));
    assert_eq!(
        run(&world, &typed).json()["recalled"],
        json!(0),
        "asked once"
    );
    world.rounds(6).await;
    assert_eq!(world.tokyo.cancelled().len(), 2);
    for id in &ids {
        assert_eq!(blocked(&world, id).await, "stop");
    }
    assert_eq!(kinds(&world), ["shipping_stopped"]);
    let id = stop["stop"].to_string();
    run(
        &world,
        &["stop-shipping", "lift", &id, "--reason", "tested"],
    )
    .ended(0);
    world.rounds(80).await;
    assert_eq!(instructed(&world), 4);
    assert_eq!(world.tokyo.shipped().len(), 2);
    for id in &ids {
        let seen = world.shop.order(id).unwrap();
        assert!(seen.is_shipped() && seen.captures == 1 && !seen.cancelled);
    }
    assert!(world.tasks().await.is_empty(), "{:?}", world.tasks().await);
}

#[tokio::test]
async fn a_recall_says_what_it_will_do_and_holds_the_goods_that_were_stopped() {
    let mut world = slow(SimCancel::Accept).await;
    let id = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    world.rounds(3).await;
    let number = number_of(&world, &id);
    let reference = format!("{number}-S1");
    let because = ["--reason", "wrong label"];
    let typed = |world: &World, what: &[&str]| {
        let all: Vec<&str> = ["order"]
            .iter()
            .chain(what)
            .chain(&because)
            .copied()
            .collect();
        run(world, &all)
    };
    typed(&world, &["recall", "HK0000000000000-S1"]).refused(4, "no shipment");
    typed(&world, &["recall", &format!("{number}-S9")]).refused(5, "has no shipment");
    typed(&world, &["recalled", &reference, "--accepted"]).refused(5, "was not recalled");
    let dry = typed(&world, &["recall", &reference, "--dry-run"]);
    assert!(
        dry.ended(0).contains("tokyo gets a cancellation request"),
        "{dry:?}"
    );
    let dry = typed(&world, &["cancel", &number, "--dry-run", "--json"]).json();
    assert!(
        dry[0]["does"][0].as_str().unwrap().contains(&reference),
        "{dry}"
    );
    world.rounds(1).await;
    assert!(world.is(&id, Status::Instructed).await, "nothing was done");

    typed(&world, &["recall", &reference.to_lowercase()]).ended(0);
    typed(&world, &["recall", &reference]).refused(5, "recalled before");
    world.rounds(5).await;
    assert_eq!(
        blocked(&world, &id).await,
        format!("hold:recalled:{reference}")
    );
    assert!(!world.shop.order(&id).unwrap().cancelled);
    let rule = format!("recalled:{reference}");
    typed(&world, &["release", &number, "--rule", &rule]).ended(0);
    world.rounds(3).await;
    assert!(world.is(&id, Status::Instructed).await);
    assert_eq!(instructed(&world), 2);
}

#[tokio::test]
async fn an_ended_order_is_cancelled_nowhere_and_its_stock_is_free() {
    let setup = Setup {
        tokyo: r#"{ mode = "wave", cutoffs = ["13:00"] }"#,
        ..Setup::default()
    };
    let mut world = World::new(setup).await;
    world.tokyo.set_stock("APPLE", 5);
    world.count_stock().await;
    world.round().await;
    let id = world.shop.place_order(order(&[("APPLE", 2, "1000")]));
    world.rounds(2).await;
    let number = number_of(&world, &id);
    assert_eq!(world.free("APPLE", "tokyo").await, 3);
    let typed = ["order", "end", &number, "--reason", "not to be sent"];
    let dry: Vec<&str> = typed.iter().chain(&["--dry-run"]).copied().collect();
    assert!(run(&world, &dry).ended(0).contains("nothing was changed"));
    run(&world, &typed).ended(0);
    world.rounds(3).await;
    assert_eq!(
        world.status(&id).await,
        ("cancelled".to_owned(), Some("ended".to_owned()))
    );
    assert_eq!(world.free("APPLE", "tokyo").await, 5);
    let seen = world.shop.order(&id).unwrap();
    assert!(!seen.cancelled && seen.captures == 0);
    run(&world, &typed).refused(5, "ended already");
    run(
        &world,
        &[
            "order",
            "release",
            &number,
            "--rule",
            "ended",
            "--reason",
            "after all",
        ],
    )
    .ended(0);
    world.rounds(2).await;
    assert!(world.is(&id, Status::Allocated).await);
}

#[tokio::test]
async fn a_parcel_shipped_by_hand_comes_off_stock_is_told_captured_and_mailed() {
    let setup = Setup {
        tokyo: r#"{ mode = "wave", cutoffs = ["13:00"] }"#,
        ..Setup::default()
    };
    let mut world = World::new(setup).await;
    world.tokyo.set_stock("APPLE", 5);
    world.count_stock().await;
    world.round().await;
    let id = world.shop.place_order(order(&[("APPLE", 2, "1000")]));
    world.rounds(2).await;
    let number = number_of(&world, &id);
    let typed = [
        "order",
        "shipped",
        &number,
        "--tracking",
        "BYHAND1",
        "--carrier",
        "yamato",
        "--reason",
        "urgent",
    ];
    run(
        &world,
        &[
            "order",
            "shipped",
            &number,
            "--tracking",
            "4012 3456 7893",
            "--reason",
            "x",
        ],
    )
    .refused(2, "without spaces");
    run(&world, &typed).ended(0);
    run(&world, &typed).refused(5, "already known");
    world.rounds(8).await;
    let seen = world.shop.order(&id).unwrap();
    assert!(seen.is_shipped());
    assert_eq!((seen.captured, seen.captures), (seen.total, 1));
    let rows = world.engine.store.list_stock(Some("APPLE")).await.unwrap();
    let tokyo = rows.iter().find(|row| row.warehouse == "tokyo").unwrap();
    assert_eq!((tokyo.on_hand, tokyo.free), (3, 3));
    let mails = world.mails.mails();
    assert_eq!(mails.len(), 1);
    // The body is base64, where the number stands in one of three ways.
    let body: String = mails[0].text.split_whitespace().collect();
    let number = ["QllIQU5E", "JZSEFORD", "CWUhBTkQx"];
    assert!(number.iter().any(|part| body.contains(part)), "{body}");
    world.advance(chrono::Duration::hours(24)).await;
    world.rounds(2).await;
    assert_eq!(instructed(&world), 0, "no wave has it");
    assert!(world.tasks().await.is_empty(), "{:?}", world.tasks().await);
}

/// The warehouse reports later what an operator has told before: one movement, one notice, one capture.
#[tokio::test]
async fn a_sealed_shipment_that_was_told_by_hand_is_confirmed_by_its_warehouse() {
    let handling = |_: &_| SimHandling {
        ship_after: 12,
        ..SimHandling::default()
    };
    let mut world = World::new(Setup {
        handling,
        ..Setup::default()
    })
    .await;
    world.tokyo.set_stock("APPLE", 5);
    world.count_stock().await;
    world.round().await;
    let id = world.shop.place_order(order(&[("APPLE", 2, "1000")]));
    world.rounds(3).await;
    assert!(world.is(&id, Status::Instructed).await);
    let reference = format!("{}-S1", number_of(&world, &id));
    let typed = [
        "order",
        "shipped",
        &reference,
        "--tracking",
        "BYHAND1",
        "--reason",
        "the result file is late",
    ];
    run(&world, &typed).ended(0);
    world.rounds(4).await;
    assert!(world.shop.order(&id).unwrap().is_shipped());
    world.rounds(20).await;
    assert_eq!(world.tokyo.shipped().len(), 1);
    let seen = world.shop.order(&id).unwrap();
    assert_eq!((seen.captured, seen.captures), (seen.total, 1));
    let rows = world.engine.store.list_stock(Some("APPLE")).await.unwrap();
    assert_eq!(rows.iter().map(|r| r.on_hand).sum::<i64>(), 3);
    assert_eq!(world.mails.mails().len(), 1);
    assert_eq!(world.tasks().await, ["tracking_differs"]);
    let shown = run(&world, &["tasks", "--json"]).json();
    let detail = shown[0]["detail"].as_str().unwrap();
    let right = detail
        .split("under number ")
        .nth(1)
        .unwrap()
        .split(',')
        .next()
        .unwrap();
    run(
        &world,
        &[
            "parcel",
            "correct",
            &reference,
            "--tracking",
            "BYHAND1",
            "--to",
            right,
            "--reason",
            "read again",
        ],
    )
    .ended(0);
    world.rounds(1).await;
    assert_eq!(world.tasks().await, ["tracking_corrected"]);
    let number = number_of(&world, &id);
    run(
        &world,
        &[
            "order",
            "release",
            &number,
            "--rule",
            "tracking_corrected",
            "--reason",
            "typed",
        ],
    )
    .ended(0);
    run(
        &world,
        &[
            "return",
            "received",
            &reference,
            "--reason",
            "refused at the door",
        ],
    )
    .ended(0);
    world.rounds(1).await;
    assert_eq!(world.tasks().await, ["return_received"]);
    let rows = world.engine.store.list_stock(Some("APPLE")).await.unwrap();
    assert_eq!(
        rows.iter().map(|r| r.on_hand).sum::<i64>(),
        3,
        "stock follows the count"
    );
}

#[tokio::test]
async fn a_restored_database_does_not_know_what_was_typed_since_and_the_file_lists_it() {
    let mut world = World::new(Setup {
        more: "[database]\nstate_dir = \"state-test\"\n",
        tokyo: r#"{ mode = "wave", cutoffs = ["13:00"] }"#,
        ..Setup::default()
    })
    .await;
    world.tokyo.set_stock("APPLE", 5);
    world.count_stock().await;
    world.round().await;
    let id = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    world.rounds(2).await;
    let number = number_of(&world, &id);
    let since = world.now();
    run(
        &world,
        &["order", "hold", &number, "--reason", "kept in the backup"],
    )
    .ended(0);
    let copy = world.back_up().await;
    world.rounds(1).await;
    let silent = run(
        &world,
        &["order", "release", &number, "--reason", "it's settled"],
    );
    silent.ended(0);
    assert!(silent.err.is_empty(), "{silent:?}");
    run(&world, &["order", "release", &number, "--reason", "twice"]).refused(5, "no open hold");
    run(&world, &["pause", "shop", "--reads", "--reason", "x"]).ended(0);
    let shipped_at = world.now();
    let mut shipped = vec!["order", "shipped", &number, "--tracking", "401234567890"];
    shipped.extend(["--from", "tokyo", "--reason", "by hand"]);
    run(&world, &shipped).ended(0);
    world.restore(&copy).await;
    let told = run(
        &world,
        &[
            "recover",
            "--lost-since",
            &since.to_rfc3339(),
            "--reason",
            "restored",
            "--dry-run",
            "--json",
        ],
    )
    .json();
    let commands: Vec<&str> = told["lost_acts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|act| act["command"].as_str().unwrap())
        .collect();
    let release = format!(r"order release {number} --reason 'it'\''s settled'");
    // The moment that it took from the clock is part of it, or it would be another when it is typed again.
    let shipped_at = shipped_at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
    let shipped =
        format!("{} --shipped-at {shipped_at}", shipped.join(" ")).replace("by hand", "'by hand'");
    assert_eq!(
        commands,
        [
            release.as_str(),
            "pause shop --reads --reason x",
            shipped.as_str()
        ]
    );
    assert_eq!(told["lost_acts"][0]["actor"], Value::from("hanako"));
    let words = run(
        &world,
        &[
            "recover",
            "--lost-since",
            &since.to_rfc3339(),
            "--reason",
            "restored",
            "--dry-run",
        ],
    );
    assert!(words.ended(0).contains("3 commands were lost"), "{words:?}");
}

#[tokio::test]
async fn where_no_daemon_keeps_its_witness_a_command_says_so_and_still_works() {
    let mut world = World::new(Setup {
        more: "[database]\nstate_dir = \"elsewhere\"\n",
        ..Setup::default()
    })
    .await;
    world.round().await;
    let said = run(&world, &["pause", "shop", "--reason", "x"]);
    said.ended(0);
    assert!(
        said.err.contains("not recorded next to the witness file"),
        "{said:?}"
    );
    assert!(!world.dir.path().join("elsewhere").exists());
    assert_eq!(kinds(&world), ["paused_writes"]);
}

/// A name that does not fit its column holds the order when it is planned; another one is written over it and stands in no fact.
#[tokio::test]
async fn a_receivers_name_is_written_over_what_the_channel_tells() {
    let mut world = world("").await;
    let mut long = order(&[("APPLE", 1, "1000")]);
    if let Some(address) = &mut long.address {
        address.name = "寿限無".repeat(20);
    }
    let id = world.shop.place_order(long);
    world.rounds(4).await;
    assert_eq!(blocked(&world, &id).await, "check:not_writable");
    assert_eq!(kinds(&world), ["not_writable"]);
    let number = number_of(&world, &id);
    let typed = [
        "order",
        "set-name",
        &number,
        "--name",
        "五劫の擦り切れ",
        "--reason",
        "too long for the label",
    ];
    let set = |what: &[&str]| {
        let reason = ["--reason", "too long for the label"];
        run(
            &world,
            &[&["order", "set-name", &number][..], what, &reason].concat(),
        )
    };
    set(&["--name", &"海砂利".repeat(20)]).refused(5, "tokyo cannot write that name either");
    set(&["--company", "りんご商事"]).refused(5, "tokyo cannot write that name either");
    set(&[]).refused(2, "--name");
    let facts = run(&world, &["order", "show", &number, "--json"]);
    assert!(
        !facts.ended(0).contains("receiver_named"),
        "nothing is kept"
    );
    run(&world, &typed).ended(0);
    set(&["--company", "りんご商事"]).ended(0);
    let named = "SELECT name || ' ' || company FROM receiver_names";
    let named: String = sqlx::query_scalar(named)
        .fetch_one(world.engine.store.pool())
        .await
        .unwrap();
    assert_eq!(named, "五劫の擦り切れ りんご商事", "the company alone");
    let facts = run(&world, &["order", "show", &number, "--json"]);
    let facts = facts.ended(0);
    assert!(facts.contains("receiver_named") && !facts.contains("五劫"));
    let laid = async || -> i64 {
        let count = "SELECT count(*) FROM receiver_names";
        let count = sqlx::query_scalar(count).fetch_one(world.engine.store.pool());
        count.await.unwrap()
    };
    let dry = set(&["--channel", "--dry-run"]);
    assert!(dry.ended(0).contains("nothing was changed"), "{dry:?}");
    assert_eq!(laid().await, 1);
    let undone = set(&["--channel"]);
    assert!(
        undone.ended(0).contains("the name that shop reports"),
        "{undone:?}"
    );
    assert_eq!(laid().await, 0, "the channel's name again");
    set(&["--name", "五劫の擦り切れ", "--company", "りんご商事"]).ended(0);
    world.rounds(8).await;
    assert!(world.shop.order(&id).unwrap().is_shipped());
    assert!(world.tasks().await.is_empty(), "{:?}", world.tasks().await);
    run(&world, &typed).refused(5, "remains to be shipped");
}

/// A 3PL that is only called: no file asks it, a task says whom to call, and its answer is typed.
#[tokio::test]
async fn a_warehouse_that_is_only_called_is_sent_no_cancel_and_its_answer_is_typed() {
    let mut world = slow(SimCancel::Accept).await;
    let (_, text) = hikiate_files::SHIPPED
        .iter()
        .find(|(name, _)| *name == "japanese-3pl-utf8")
        .unwrap();
    let (before, cancel) = text.split_once("[cancel]").unwrap();
    let rest = &cancel[cancel.find("\n]\n").unwrap() + 3..];
    let layout = format!("{before}[cancel]\naccept = \"phone\"\n{rest}");
    std::fs::write(world.dir.path().join("phone.toml"), layout).unwrap();
    world
        .restart(|toml| {
            toml.replacen(
                "layout = \"japanese-3pl-utf8\"",
                "layout = \"phone.toml\"",
                1,
            )
        })
        .await;
    let id = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    world.rounds(3).await;
    assert!(world.is(&id, Status::Instructed).await);
    let number = number_of(&world, &id);
    let reference = format!("{number}-S1");
    let dry = run(
        &world,
        &["order", "cancel", &number, "--dry-run", "--reason", "x"],
    );
    assert!(
        dry.ended(0).contains("a task asks you to call tokyo"),
        "{dry:?}"
    );
    run(&world, &["order", "cancel", &number, "--reason", "asked"]).ended(0);
    world.rounds(4).await;
    assert_eq!(kinds(&world), ["cancel_by_phone"]);
    assert!(world.tokyo.cancelled().is_empty());
    assert!(!world.shop.order(&id).unwrap().cancelled);
    let typed = [
        "order",
        "recalled",
        &reference,
        "--accepted",
        "--reason",
        "said by telephone",
    ];
    run(&world, &typed).ended(0);
    run(&world, &typed).refused(5, "no answer is awaited");
    world.rounds(4).await;
    assert!(world.is(&id, Status::Cancelled).await);
    assert!(world.shop.order(&id).unwrap().cancelled);
    assert!(world.tasks().await.is_empty(), "{:?}", world.tasks().await);
}
