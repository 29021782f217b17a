//! Commands on orders that the engine carries.

use hikiate::plan::types::Status;
use hikiate_medusa::sim::NewOrder;
use hikiate_sdk::faulty::{Fault, When};
use hikiate_sdk::http::Method;
use serde_json::{Value, json};

use super::{Ran, command};
use crate::flow::world::{Setup, World, order};

const HOLD: &str = "[[hold]]\nname = \"many\"\nwhen = 'lines.exists(line, line.qty >= 5)'\n";

pub(super) fn run(world: &World, arguments: &[&str]) -> Ran {
    Ran::of(command(
        &world.dir.path().join("hikiate.toml"),
        Some(world.database()),
        arguments,
    ))
}

pub(super) async fn world(more: &'static str) -> World {
    let mut world = World::new(Setup {
        more,
        ..Setup::default()
    })
    .await;
    world.tokyo.set_stock("APPLE", 20);
    world.count_stock().await;
    world.round().await;
    world
}

pub(super) fn number_of(world: &World, id: &str) -> String {
    let shown = run(world, &["order", "show", &format!("shop/{id}"), "--json"]).json();
    shown["number"].as_str().unwrap().to_owned()
}

fn actors(world: &World, number: &str, class: &str) -> Vec<String> {
    let shown = run(world, &["order", "show", number, "--json"]).json();
    let facts = shown["facts"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|fact| fact["class"] == class);
    facts
        .map(|fact| fact["actor"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_held_order_is_listed_explained_and_released() {
    let mut world = world(HOLD).await;
    let held = world.shop.place_order(order(&[("APPLE", 5, "1000")]));
    let free = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    world.rounds(1).await;

    let rows = run(&world, &["order", "list", "--blocked-by", "hold", "--json"]).json();
    let [row] = rows.as_array().unwrap().as_slice() else {
        unreachable!("{rows}")
    };
    let columns: Vec<&str> = row
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        columns,
        [
            "blocked_by",
            "channel",
            "created_at",
            "display",
            "external_id",
            "number",
            "origin",
            "status"
        ]
    );
    assert_eq!(
        (&row["external_id"], &row["blocked_by"]),
        (&json!(held), &json!("hold:many"))
    );
    let number = number_of(&world, &held);
    let table = run(&world, &["order", "list"]);
    let line = table
        .ended(0)
        .lines()
        .find(|line| line.starts_with(&number))
        .unwrap();
    assert!(
        line.contains("unallocated") && line.contains("未引当"),
        "{line}"
    );
    assert_eq!(
        run(&world, &["order", "list", "--limit", "1", "--json"])
            .json()
            .as_array()
            .unwrap()
            .len(),
        1
    );

    let shown = run(&world, &["order", "show", &number]);
    assert!(
        shown.ended(0).contains("hold:many") && shown.out.contains("rule many"),
        "{shown:?}"
    );
    for personal in ["花子", "千代田", "03-1234", "hanako@"] {
        assert!(!shown.out.contains(personal), "{personal} in {shown:?}");
    }
    let explained = run(&world, &["order", "explain", &number.to_lowercase()]);
    assert!(explained.ended(0).contains("held by many"), "{explained:?}");
    assert!(!explained.out.contains("quarantine"), "{explained:?}");
    let unread = sqlx::query_scalar::<_, i64>(
        "INSERT INTO quarantine (account_id, stream, external_id, hash, raw, reason, first_at, last_at)
         SELECT account_id, 'orders', external_id, 'x', '{', 'total is no number', hk_now(), hk_now() FROM subjects WHERE number = $1 RETURNING id",
    )
    .bind(&number)
    .fetch_one(world.engine.store.pool())
    .await
    .unwrap();
    let explained = run(&world, &["order", "explain", &number]);
    let show = format!("hikiate quarantine show {unread}");
    assert!(
        explained.ended(0).contains("total is no number") && explained.out.contains(&show),
        "{explained:?}"
    );
    let told = run(&world, &["order", "explain", &number, "--json"]).json();
    assert_eq!(told["quarantined"][0]["id"], unread);
    sqlx::query("DELETE FROM quarantine")
        .execute(world.engine.store.pool())
        .await
        .unwrap();
    assert_eq!(
        run(&world, &["order", "explain", &number, "--json"]).json()["holds"][0]["rule"],
        "many"
    );
    let tasks = run(&world, &["tasks", "--json"]).json();
    let tasks = tasks.as_array().unwrap();
    let task = tasks.iter().find(|t| t["subject"] == json!(number));
    let line = format!("hikiate order release {number} --rule many --reason TEXT");
    assert_eq!(
        task.unwrap()["actions"],
        json!([{ "command": "order release", "args": { "rule": "many" }, "line": line }])
    );
    assert!(
        !task.unwrap()["detail"]
            .as_str()
            .unwrap()
            .contains("hikiate")
    );
    let listed = run(&world, &["tasks"]);
    assert!(
        listed.ended(0).contains(&format!("run: {line}\n")),
        "{listed:?}"
    );
    assert!(
        explained.out.contains(&format!("run: {line}\n")),
        "{explained:?}"
    );

    run(&world, &["order", "list", "--blocked-by", "bogus"])
        .refused(2, "payment, channel_gate, stock");
    run(&world, &["order", "list", "--channel", "nope"]).refused(4, "there are shop");
    let other = number_of(&world, &free);
    run(
        &world,
        &["order", "release", &number, &other, "--reason", "called"],
    )
    .refused(5, &other);
    run(
        &world,
        &[
            "order", "release", &number, "--rule", "much", "--reason", "x",
        ],
    )
    .refused(5, "much");
    assert!(
        !actors(&world, &number, "decision").contains(&"hanako".to_owned()),
        "nothing was done"
    );

    let done = run(
        &world,
        &["order", "release", &number, "--reason", "called", "--json"],
    )
    .json();
    assert_eq!(done[0]["number"], json!(number));
    assert!(actors(&world, &number, "decision").contains(&"hanako".to_owned()));
    run(&world, &["order", "release", &number, "--reason", "again"]).refused(5, "no open hold");
    world.rounds(4).await;
    assert!(
        world.shop.order(&held).unwrap().is_shipped(),
        "{:?}",
        world.status(&held).await
    );
    run(&world, &["order", "hold", &number, "--reason", "x"])
        .refused(5, "a hold no longer stops it");
    run(&world, &["order", "cancel", &number, "--reason", "x"]).refused(5, "it has shipped");
}

#[tokio::test]
async fn several_orders_are_held_and_cancelled_at_once() {
    let setup = Setup {
        tokyo: r#"{ mode = "wave", cutoffs = ["13:00"] }"#,
        ..Setup::default()
    };
    let mut world = World::new(setup).await;
    world.tokyo.set_stock("APPLE", 20);
    world.count_stock().await;
    world.round().await;
    let ids = [(); 2].map(|()| world.shop.place_order(order(&[("APPLE", 1, "1000")])));
    world.rounds(1).await;
    let numbers = ids.clone().map(|id| number_of(&world, &id));
    let both = [
        numbers[0].as_str(),
        numbers[1].as_str(),
        numbers[0].as_str(),
    ];
    let with = |word: &'static str| {
        ["order", word]
            .into_iter()
            .chain(both)
            .chain(["--reason", "asked", "--actor", "taro"])
            .collect::<Vec<_>>()
    };
    let held = run(&world, &with("hold"));
    assert_eq!(held.ended(0).lines().count(), 2, "each once: {held:?}");
    world.rounds(1).await;
    for id in &ids {
        assert_eq!(world.status(id).await.1.as_deref(), Some("hold:manual"));
    }
    assert!(actors(&world, &numbers[1], "decision").contains(&"taro".to_owned()));
    run(&world, &with("cancel")).ended(0);
    world.rounds(3).await;
    for id in &ids {
        assert!(world.is(id, Status::Cancelled).await);
    }
    run(&world, &with("cancel")).refused(5, "nothing to cancel");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_is_judged_anew_when_its_order_has_heard_of_something_meanwhile() {
    let mut world = world(HOLD).await;
    let held = world.shop.place_order(order(&[("APPLE", 5, "1000")]));
    world.rounds(1).await;
    let number = number_of(&world, &held);
    let pool = world.engine.store.pool();
    let mut tx = pool.begin().await.unwrap();
    let id: i64 = sqlx::query_scalar("SELECT id FROM subjects WHERE number = $1 FOR UPDATE")
        .bind(&number)
        .fetch_one(&mut *tx)
        .await
        .unwrap();
    let release = command(
        &world.dir.path().join("hikiate.toml"),
        Some(world.database()),
        &["order", "release", &number, "--reason", "called"],
    );
    let release = tokio::task::spawn_blocking(move || Ran::of(release));
    // It has judged and waits to write.
    loop {
        let waits: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
        .fetch_one(pool)
        .await
        .unwrap();
        if waits > 0 || release.is_finished() {
            break;
        }
    }
    sqlx::query(
        "INSERT INTO facts (subject_id, key, class, kind, version, body, happened_at, reported_at, recorded_at, business_date, actor)
         SELECT subject_id, 'released:other', 'decision', 'released', 2,
           jsonb_build_object('rules', jsonb_build_array('many'), 'reason', 'x', 'context', body->'context'),
           recorded_at, recorded_at, recorded_at, business_date, 'taro' FROM facts WHERE subject_id = $1 AND kind = 'held'",
    )
    .bind(id)
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
    let released = release.await.unwrap();
    released.refused(5, "no open hold");
}

#[tokio::test]
async fn a_deposit_is_added_once_by_its_reference() {
    let mut world = world("").await;
    let bank = NewOrder {
        provider_id: "pp_bank".to_owned(),
        authorised: false,
        ..order(&[("APPLE", 1, "1000")])
    };
    let id = world.shop.place_order(bank);
    world.rounds(1).await;
    let number = number_of(&world, &id);
    let add = |amount: &str, more: &[&str]| {
        let fixed = ["deposit", "add", &number, amount, "--reference", "bank-7"];
        run(
            &world,
            &fixed
                .iter()
                .copied()
                .chain(more.iter().copied())
                .collect::<Vec<_>>(),
        )
    };
    add("1650.5", &[]).refused(2, "JPY has 0");
    add("0", &[]).refused(2, "above zero");
    add("1650", &["--date", "2026-12-24"]).refused(2, "in the future");
    let told = add("1650", &["--date", "2026-11-19", "--json"]).json();
    assert_eq!(
        (
            &told["amount"],
            &told["currency"],
            &told["date"],
            &told["order"]
        ),
        (
            &json!(1650),
            &json!("JPY"),
            &json!("2026-11-19"),
            &json!(number)
        )
    );
    add("1650", &[]).refused(5, "a reference is used once");
    world.rounds(5).await;
    assert!(
        world.shop.order(&id).unwrap().is_shipped(),
        "{:?}",
        world.status(&id).await
    );
}

#[tokio::test]
async fn only_an_unknown_outcome_is_resolved() {
    let mut world = world("").await;
    let id = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    world.rounds(1).await;
    for _ in 0..100 {
        world
            .faults
            .inject_when(When::new(Method::Post, ""), Fault::NotSent);
    }
    let effect = queued(&mut world).await;
    assert_ne!(effect["state"], "unresolved", "{effect}");
    let effect_id = effect["id"].to_string();
    run(
        &world,
        &[
            "effect", "resolve", &effect_id, "done", "--reason", "looked",
        ],
    )
    .refused(5, "goes on by itself");

    sqlx::query("UPDATE effects SET state = 'unresolved', outcome_unknown = true WHERE id = $1")
        .bind(effect["id"].as_i64().unwrap())
        .execute(world.engine.store.pool())
        .await
        .unwrap();
    let listed = run(&world, &["effect", "list", "--unresolved", "--json"]).json();
    assert_eq!(listed[0]["id"], effect["id"]);
    let table = run(&world, &["effect", "list"]);
    assert!(table.ended(0).contains("unresolved"), "{table:?}");
    let told = run(
        &world,
        &[
            "effect",
            "resolve",
            &effect_id,
            "not-done",
            "--reason",
            "looked at the shop",
        ],
    );
    assert!(told.ended(0).contains("sent to shop again"), "{told:?}");
    run(
        &world,
        &["effect", "resolve", &effect_id, "not-done", "--reason", "x"],
    )
    .refused(5, "not_done already");
    let corrected = run(
        &world,
        &["effect", "resolve", &effect_id, "done", "--reason", "x"],
    );
    assert!(
        corrected.ended(0).contains("corrected: recorded as done"),
        "{corrected:?}"
    );
    run(
        &world,
        &["effect", "resolve", "999", "done", "--reason", "x"],
    )
    .refused(4, "no effect");
    assert!(actors(&world, &number_of(&world, &id), "outcome").contains(&"hanako".to_owned()));
    world.faults.heal();
}

#[tokio::test]
async fn an_order_that_lacks_stock_is_explained_with_the_command_that_shows_it() {
    let mut world = world("").await;
    let id = world.shop.place_order(order(&[("APPLE", 30, "1000")]));
    world.rounds(3).await;
    let number = number_of(&world, &id);
    let explained = run(&world, &["order", "explain", &number]);
    let hint = "see `hikiate stock show APPLE`";
    assert!(explained.ended(0).contains(hint), "{explained:?}");
    run(&world, &["stock", "show", "APPLE"]).ended(0);
}

#[tokio::test]
async fn an_order_is_explained_with_the_tasks_of_its_calls_and_of_its_batch() {
    let mut world = world("").await;
    let (id, other) = (
        world.shop.place_order(order(&[("APPLE", 1, "1000")])),
        world.shop.place_order(order(&[("PEAR", 1, "1000")])),
    );
    world.rounds(1).await;
    for _ in 0..100 {
        world
            .faults
            .inject_when(When::new(Method::Post, ""), Fault::NotSent);
    }
    queued(&mut world).await;
    let pool = world.engine.store.pool().clone();
    for change in [
        "UPDATE effects SET attempts = 5, error = 'no route'",
        "INSERT INTO tasks (subject_id, kind, detail, since)
         SELECT DISTINCT batch_id, unnest(ARRAY['batch_rejected', 'batch_replies_overdue']), 'rejected: full', hk_now() FROM shipments WHERE batch_id IS NOT NULL",
    ] {
        let changed = sqlx::query(change).execute(&pool).await.unwrap();
        assert!(changed.rows_affected() > 0, "{change}");
    }
    let number = number_of(&world, &id);
    let listed = run(&world, &["tasks", "--json"]).json();
    let told = run(&world, &["order", "explain", &number, "--json"]).json();
    let find = |tasks: &Value, kind: &str| {
        let mut tasks = tasks.as_array().unwrap().iter();
        tasks.find(|task| task["kind"] == kind).cloned()
    };
    for kind in ["send_failing", "batch_rejected"] {
        let (task, shown) = (find(&listed, kind).unwrap(), find(&told["tasks"], kind));
        let shown = shown.unwrap_or_else(|| unreachable!("{kind} is not in {told}"));
        for field in ["subject", "detail", "actions"] {
            assert_eq!(shown[field], task[field], "{kind}");
        }
    }
    assert_eq!(
        find(&told["tasks"], "send_failing").unwrap()["subject"],
        json!(number)
    );
    assert_eq!(
        find(&told["tasks"], "batch_replies_overdue"),
        None,
        "it names others"
    );
    let words = run(&world, &["order", "explain", &number]);
    assert!(
        words.ended(0).contains("  task       send_failing: ")
            && words.out.contains("  task       batch_rejected of HB"),
        "{words:?}"
    );
    let other = run(
        &world,
        &["order", "explain", &format!("shop/{other}"), "--json"],
    );
    assert_eq!(find(&other.json()["tasks"], "send_failing"), None);
    assert_eq!(find(&other.json()["tasks"], "batch_rejected"), None);
    world.faults.heal();
}

/// The first call to the shop that waits in the queue.
async fn queued(world: &mut World) -> Value {
    for _ in 0..6 {
        world.rounds(1).await;
        let rows = run(world, &["effect", "list", "--json"]).json();
        let row = rows
            .as_array()
            .unwrap()
            .iter()
            .find(|row| row["account"] == "shop");
        if let Some(row) = row {
            return row.clone();
        }
    }
    unreachable!("nothing was queued for the shop")
}

#[tokio::test]
async fn the_daemon_refuses_a_clock_that_is_set() {
    let world = world("").await;
    run(&world, &["run", "--as-root"]).ended(5);
    let said = run(&world, &["run", "--as-root"]);
    assert!(said.err.contains("clock"), "{said:?}");
}

#[tokio::test]
async fn an_account_is_believed_when_it_hides_many_orders_and_only_then() {
    let mut world = world("").await;
    let placed: Vec<_> = (0..6)
        .map(|_| world.shop.place_order(order(&[("PEAR", 1, "1000")])))
        .collect();
    world.rounds(2).await;
    let believe = ["account", "believe", "shop", "--reason", "emptied"];
    run(&world, &believe).refused(5, "shows all of its open orders");
    let unknown = ["account", "believe", "shp", "--reason", "emptied"];
    run(&world, &unknown).refused(4, "no account shp");
    for id in &placed {
        assert!(world.shop.delete(id));
    }
    for _ in 0..3 {
        world.advance(chrono::Duration::minutes(16)).await;
        world.rounds(1).await;
    }
    let tasks = run(&world, &["tasks"]);
    let told = tasks.ended(0);
    assert!(told.contains("hikiate account believe shop"), "{told}");
    let listed = run(
        &world,
        &["order", "explain", &format!("shop/{}", placed[0])],
    );
    assert!(listed.ended(0).contains("did not show it"), "{listed:?}");
    run(&world, &believe).ended(0);
    world.rounds(1).await;
    let number = number_of(&world, &placed[0]);
    assert!(actors(&world, &number, "decision").contains(&"hanako".to_owned()));
    let release = [
        "order", "release", &number, "--rule", "vanished", "--reason", "seen",
    ];
    run(&world, &release).ended(0);
}
