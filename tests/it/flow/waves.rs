//! Batches that people see, time and give up.

use chrono::{DateTime, Duration, Utc};
use hikiate::daemon::seal_step;
use hikiate::facts::{OutcomeFact, Verdict};
use hikiate::number::order_number;
use hikiate::plan::types::Status;
use hikiate::store::waves::BatchRow;
use hikiate::store::{Decision, Store, StoreError};
use hikiate_files::sim::SimHandling;
use sqlx::AssertSqlSafe;

use super::reports::{PARCEL, put};
use super::world::{Setup, World, order};
use crate::cli::{Ran, command};

/// These waves are about times and batches: nothing is read again before they are sealed.
pub(super) const UNASKED: &str = "recheck = \"off\"";
pub(super) const AT_ONE: &str = r#"{ mode = "wave", cutoffs = ["13:00"] }"#;

pub(super) fn run(world: &World, arguments: &[&str]) -> Ran {
    Ran::of(command(
        &world.dir.path().join("hikiate.toml"),
        Some(world.database()),
        arguments,
    ))
}

/// Types that a wave, by name or number, was not imported.
pub(super) fn give_up(world: &World, wave: &str) -> Ran {
    let words = ["wave", "abandon", wave, "--reason", "x", "--not-imported"];
    run(world, &words)
}

fn release(world: &World, order: &str, rule: &str) {
    let words = ["order", "release", order, "--rule", rule, "--reason", "x"];
    run(world, &words).ended(0);
}

/// 11:00 in Tokyo; the only warehouse with stock dispatches so.
pub(super) async fn world(tokyo: &'static str) -> World {
    let mut world = World::new(Setup {
        tokyo,
        channel: UNASKED,
        ..Setup::default()
    })
    .await;
    world.tokyo.set_stock("APPLE", 100);
    world.count_stock().await;
    world.round().await;
    world
}

/// Orders of one apple each, allocated.
pub(super) async fn placed(world: &mut World, n: usize) -> Vec<String> {
    let ids: Vec<String> = (0..n)
        .map(|_| world.shop.place_order(order(&[("APPLE", 1, "1000")])))
        .collect();
    world.round().await;
    world.round().await;
    ids
}

/// A wave of one order that is sealed and not sent yet.
async fn sealed() -> (World, String) {
    let mut world = world(AT_ONE).await;
    let id = placed(&mut world, 1).await.remove(0);
    until(&mut world, "2026-11-20T04:00:00Z").await;
    assert_eq!(seal_step(&world.engine).await.unwrap(), 1);
    (world, id)
}

pub(super) async fn number(world: &World, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql)
        .fetch_one(world.engine.store.pool())
        .await
        .unwrap()
}

pub(super) async fn until(world: &mut World, at: &str) {
    let at: DateTime<Utc> = at.parse().unwrap();
    world.advance(at - world.now()).await;
}

pub(super) fn files(world: &World) -> Vec<String> {
    let folder = world.dir.path().join("tokyo/outgoing");
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("instruct"))
        .collect();
    names.sort();
    names
}

pub(super) async fn waves(world: &World) -> Vec<BatchRow> {
    let store = &world.engine.store;
    store.list_batches("instruct", true, 50).await.unwrap()
}

pub(super) async fn execute(world: &World, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(world.engine.store.pool())
        .await
        .unwrap();
}

pub(super) fn number_of(id: &str) -> String {
    order_number(&"shop".into(), &id.into())
}

#[tokio::test]
async fn another_cut_off_moves_the_open_wave_to_its_next_occurrence_and_never_into_the_past() {
    let mut world = world(AT_ONE).await;
    placed(&mut world, 2).await;
    // Typed wrongly: eight hours ago.
    world.engine.store.close().await;
    world.restart(|toml| toml.replace("13:00", "03:00")).await;
    world.round().await;
    assert!(files(&world).is_empty());
    let wave = waves(&world).await.remove(0);
    assert_eq!(wave.name, "tokyo-3pl-instruct-20261121T0300-1");
    assert_eq!(wave.seal_at.to_rfc3339(), "2026-11-20T18:00:00+00:00");
    // The warehouse closes early: half past eleven.
    world.engine.store.close().await;
    world.restart(|toml| toml.replace("03:00", "11:30")).await;
    world.round().await;
    assert!(files(&world).is_empty());
    let open = waves(&world).await;
    assert_eq!(open.len(), 1, "{open:?}");
    assert_eq!(
        (open[0].period.as_str(), open[0].rows),
        ("20261120T1130", 2)
    );
    until(&mut world, "2026-11-20T02:30:00Z").await;
    world.round().await;
    assert_eq!(files(&world).len(), 1);
    assert_eq!(waves(&world).await[0].rows, 2);
}

#[tokio::test]
async fn continuous_tried_at_noon_leaves_the_grace_period_to_take_it_back() {
    let mut world = world(AT_ONE).await;
    let ids = placed(&mut world, 3).await;
    let continuous = r#"{ mode = "continuous", grace = "10m" }"#;
    world.engine.store.close().await;
    world
        .restart(|toml| toml.replacen(AT_ONE, continuous, 1))
        .await;
    let from = world.now();
    world.round().await;
    world.advance(Duration::minutes(9)).await;
    world.round().await;
    assert!(files(&world).is_empty(), "{:?}", waves(&world).await);
    assert!(world.is(&ids[0], Status::Allocated).await);
    world
        .advance(from + Duration::minutes(10) - world.now())
        .await;
    world.round().await;
    assert_eq!(files(&world).len(), 1, "{:?}", waves(&world).await);
}

/// An order that may leave next week opens no wave that today's have to wait for.
#[tokio::test]
async fn an_open_wave_of_later_is_pulled_forward_by_what_is_ready_now() {
    let mut world = world(AT_ONE).await;
    placed(&mut world, 1).await;
    execute(
        &world,
        "UPDATE shipments SET release_at = release_at + interval '7 days'; DELETE FROM batches; DELETE FROM subjects WHERE kind = 'batch'",
    )
    .await;
    world.round().await;
    assert_eq!(waves(&world).await[0].period, "20261127T1300");
    placed(&mut world, 1).await;
    let open = waves(&world).await;
    assert_eq!((open.len(), open[0].period.as_str()), (1, "20261120T1300"));
}

#[tokio::test]
async fn a_wave_missed_by_ten_minutes_goes_by_itself() {
    let mut world = world(AT_ONE).await;
    placed(&mut world, 1).await;
    until(&mut world, "2026-11-20T04:10:00Z").await;
    world.round().await;
    assert_eq!(files(&world).len(), 1);
}

#[tokio::test]
async fn a_wave_missed_by_twenty_minutes_is_shown_and_goes_with_the_next_cut_off() {
    let mut world = world(AT_ONE).await;
    let ids = placed(&mut world, 2).await;
    until(&mut world, "2026-11-20T04:20:00Z").await;
    world.round().await;
    world.round().await;
    assert!(files(&world).is_empty());
    assert_eq!(world.tasks().await, ["wave_missed"]);
    let shown = run(&world, &["wave", "list", "--json"]).json();
    let states: Vec<_> = shown
        .as_array()
        .unwrap()
        .iter()
        .map(|w| &w["state"])
        .collect();
    assert_eq!(states, ["open", "missed"], "{shown}");
    // A restart does not lose it.
    world.engine.store.close().await;
    world.restart(str::to_owned).await;
    world.rounds(3).await;
    assert_eq!(world.tasks().await, ["wave_missed"]);
    until(&mut world, "2026-11-21T04:00:00Z").await;
    world.round().await;
    assert_eq!(files(&world).len(), 1);
    assert!(world.is(&ids[0], Status::Instructed).await);
    assert!(world.tasks().await.is_empty(), "{:?}", world.tasks().await);
    let ended: Vec<_> = waves(&world).await.into_iter().map(|w| w.state).collect();
    assert!(ended.contains(&"empty".to_owned()), "{ended:?}");
}

#[tokio::test]
async fn a_missed_wave_is_sealed_when_somebody_says_so() {
    let mut world = world(AT_ONE).await;
    placed(&mut world, 2).await;
    until(&mut world, "2026-11-20T06:00:00Z").await;
    world.round().await;
    let missed = waves(&world)
        .await
        .into_iter()
        .find(|w| w.state == "missed");
    let told = run(&world, &["wave", "seal", &missed.unwrap().name, "--json"]).json();
    assert_eq!(told["rows"], 2);
    assert_eq!(told["wave"], "tokyo-3pl-instruct-20261120T1500-1");
    world.round().await;
    assert_eq!(files(&world).len(), 1);
    assert!(world.tasks().await.is_empty(), "{:?}", world.tasks().await);
    run(&world, &["wave", "seal", "tokyo"]).refused(5, "nothing is ready");
    run(&world, &["wave", "seal", "nowhere"]).refused(4, "wave list");
    // Who did it is kept.
    let actors: Vec<String> =
        sqlx::query_scalar("SELECT actor FROM facts WHERE kind = 'seal_wanted'")
            .fetch_all(world.engine.store.pool())
            .await
            .unwrap();
    assert_eq!(actors, ["hanako"]);
}

#[tokio::test]
async fn what_one_file_cannot_take_goes_with_a_further_one_of_the_same_cut_off() {
    let mut world = world(r#"{ mode = "wave", cutoffs = ["13:00"], max_rows = 1 }"#).await;
    placed(&mut world, 3).await;
    let shown = run(&world, &["wave", "list"]);
    assert!(shown.ended(0).contains("3 files of at most 1"), "{shown:?}");
    until(&mut world, "2026-11-20T04:00:00Z").await;
    world.round().await;
    let names: Vec<String> = waves(&world).await.into_iter().map(|w| w.name).collect();
    assert_eq!(files(&world).len(), 3, "{names:?}");
    for n in 1..=3 {
        let name = format!("tokyo-3pl-instruct-20261120T1300-{n}");
        assert!(names.contains(&name), "{names:?}");
    }
}

#[tokio::test]
async fn where_the_warehouse_takes_one_file_the_rest_goes_with_the_next_cut_off() {
    let one = r#"{ mode = "wave", cutoffs = ["13:00"], max_rows = 2, files_per_cutoff = 1 }"#;
    let mut world = world(one).await;
    placed(&mut world, 3).await;
    let shown = run(&world, &["wave", "list"]);
    assert!(
        shown.ended(0).contains("2 in 1 files, 1 with the next"),
        "{shown:?}"
    );
    until(&mut world, "2026-11-20T04:00:00Z").await;
    world.round().await;
    world.round().await;
    assert_eq!(files(&world).len(), 1);
    let open = waves(&world).await.remove(0);
    assert_eq!((open.period.as_str(), open.rows), ("20261121T1300", 1));
    until(&mut world, "2026-11-21T04:00:00Z").await;
    world.round().await;
    assert_eq!(files(&world).len(), 2);
}

/// Rows with unplanned new input at the head of a wave keep no others out of it.
#[tokio::test]
async fn news_at_the_head_of_a_full_wave_keep_out_nobody() {
    let mut world = world(r#"{ mode = "wave", cutoffs = ["13:00"], max_rows = 1 }"#).await;
    let ids = placed(&mut world, 2).await;
    until(&mut world, "2026-11-20T04:01:01Z").await;
    let first = number_of(&ids[0]);
    execute(
        &world,
        &format!("UPDATE subjects SET plan_at = '2026-11-20T04:00:00Z', plan_class = 0 WHERE number = '{first}'"),
    )
    .await;
    assert_eq!(seal_step(&world.engine).await.unwrap(), 1);
    world.round().await;
    let shown = waves(&world).await;
    let sealed = shown.iter().find(|w| w.sealed_at.is_some()).unwrap();
    let told = run(&world, &["wave", "show", &sealed.name, "--json"]).json();
    assert_eq!(told["members"][0]["order"], number_of(&ids[1]), "{told}");
}

#[tokio::test]
async fn a_wave_is_looked_into_without_names_and_addresses() {
    let mut world = world(AT_ONE).await;
    let ids = placed(&mut world, 1).await;
    let wave = waves(&world).await.remove(0);
    let shown = run(&world, &["wave", "show", &wave.number]);
    for word in [number_of(&ids[0]).as_str(), "APPLE", "13:00", "tokyo"] {
        assert!(shown.ended(0).contains(word), "{word} is not in {shown:?}");
    }
    let preview = run(&world, &["wave", "show", &wave.name, "--preview"]);
    let text = preview.ended(0);
    assert!(
        text.contains(&number_of(&ids[0])) && text.contains("APPLE"),
        "{text}"
    );
    for personal in ["山田", "千代田", "1234", "100-0001"] {
        assert!(
            !shown.out.contains(personal) && !text.contains(personal),
            "{text}"
        );
    }
    let whole = run(
        &world,
        &["wave", "show", &wave.name, "--preview", "--with-addresses"],
    );
    assert!(whole.ended(0).contains("山田"));
    // The name in it is of these bytes, which are not the ones that are sent.
    for shown in [&preview, &whole] {
        assert!(shown.err.contains("this is a preview"), "{shown:?}");
    }
    // Nothing was written by looking.
    assert!(files(&world).is_empty());
    until(&mut world, "2026-11-20T04:00:00Z").await;
    world.round().await;
    let sealed = run(&world, &["wave", "show", &wave.name]);
    assert!(sealed.ended(0).contains(&number_of(&ids[0])), "{sealed:?}");
    for (more, is_preview) in [(None, true), (Some("--with-addresses"), false)] {
        let mut words = vec!["wave", "show", wave.name.as_str(), "--preview"];
        words.extend(more);
        let shown = run(&world, &words);
        shown.ended(0);
        let told = shown.err.contains("this is a preview");
        assert_eq!(told, is_preview, "{shown:?}");
    }
    let closed = run(&world, &["wave", "show", "nothing"]);
    closed.refused(4, "wave list --all");
}

/// Seals two orders into a file that the folder refuses: another one of its name is there.
async fn refused_wave(world: &mut World) -> (Vec<String>, BatchRow) {
    let ids = placed(world, 2).await;
    until(world, "2026-11-20T04:00:00Z").await;
    assert_eq!(seal_step(&world.engine).await.unwrap(), 1);
    let body: Vec<u8> = sqlx::query_scalar("SELECT body FROM batches WHERE state = 'sealed'")
        .fetch_one(world.engine.store.pool())
        .await
        .unwrap();
    let head = body.split(|byte| *byte == b'\n').next().unwrap();
    let head: serde_json::Value = serde_json::from_slice(head).unwrap();
    let name = head["name"].as_str().unwrap();
    std::fs::write(other_file(world, name), "something else").unwrap();
    world.round().await;
    let wave = waves(world).await.remove(0);
    assert_eq!(wave.state, "refused");
    (ids, wave)
}

fn other_file(world: &World, name: &str) -> std::path::PathBuf {
    world.dir.path().join("tokyo/outgoing").join(name)
}

fn clear_folder(world: &World) {
    for name in files(world) {
        std::fs::remove_file(other_file(world, &name)).unwrap();
    }
}

#[tokio::test]
async fn each_order_of_a_refused_wave_shows_it_and_can_be_cancelled() {
    let mut world = world(AT_ONE).await;
    let (ids, wave) = refused_wave(&mut world).await;
    let allocated = |gate: &str| ("allocated".to_owned(), Some(gate.to_owned()));
    assert_eq!(world.status(&ids[0]).await, allocated("batch_rejected"));
    assert_eq!(world.tasks().await, ["batch_rejected"], "one for the batch");
    let wish = Decision::Cancel {
        reason: "customer".to_owned(),
    };
    world.decide(&ids[0], wish).await;
    for _ in 0..3 {
        world.round().await;
    }
    assert!(world.is(&ids[0], Status::Cancelled).await);
    assert!(world.shop.order(&ids[0]).unwrap().cancelled);
    assert_eq!(world.free("APPLE", "tokyo").await, 99);
    // The bytes hold the cancelled order: they are not sent again.
    run(
        &world,
        &["order", "release", &wave.number, "--reason", "mended"],
    )
    .refused(5, "wave abandon");
    clear_folder(&world);
    world.rounds(3).await;
    assert!(files(&world).is_empty());
    // Given up, and the other order goes out anew.
    let args = [
        "wave",
        "abandon",
        &wave.name,
        "--reason",
        "never read",
        "--not-imported",
    ];
    run(&world, &args).ended(0);
    world.rounds(1).await;
    assert_eq!(
        world.status(&ids[1]).await.1.unwrap(),
        format!("hold:abandoned:{}-S1", number_of(&ids[1]))
    );
    run(
        &world,
        &["order", "release", &wave.number, "--reason", "go on"],
    )
    .ended(0);
    world.rounds(2).await;
    run(&world, &["wave", "seal", "tokyo"]).ended(0);
    world.rounds(20).await;
    let shipped: Vec<String> = world.tokyo.shipped().into_keys().collect();
    assert_eq!(shipped, [format!("{}-S2", number_of(&ids[1]))]);
    assert!(world.tasks().await.is_empty(), "{:?}", world.tasks().await);
}

#[tokio::test]
async fn a_refused_wave_is_sent_again_as_it_is_and_its_orders_know() {
    let mut world = world(AT_ONE).await;
    let (ids, wave) = refused_wave(&mut world).await;
    clear_folder(&world);
    run(
        &world,
        &["order", "release", &wave.number, "--reason", "mended"],
    )
    .ended(0);
    world.rounds(20).await;
    for id in &ids {
        assert!(world.shop.order(id).unwrap().is_shipped());
    }
    let told = world.tokyo.instructions();
    assert!(
        told.len() == 2 && told.values().all(|n| *n == 1),
        "{told:?}"
    );
    assert!(world.tasks().await.is_empty(), "{:?}", world.tasks().await);
    // Imported: it cannot be given up any more.
    give_up(&world, &wave.name).refused(5, "so it was imported");
}

#[tokio::test]
async fn giving_a_wave_up_says_what_was_sent_and_wants_it_in_words() {
    let silent = |_: &_| SimHandling {
        ship_after: 1000,
        ..SimHandling::default()
    };
    let mut world = World::new(Setup {
        tokyo: AT_ONE,
        handling: silent,
        channel: UNASKED,
        ..Setup::default()
    })
    .await;
    world.tokyo.set_stock("APPLE", 10);
    world.count_stock().await;
    world.round().await;
    let ids = placed(&mut world, 2).await;
    let open = waves(&world).await.remove(0);
    let with = |more: &'static [&'static str]| {
        let mut all = vec!["wave", "abandon", open.name.as_str(), "--reason", "lost"];
        all.extend(more);
        all.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let abandon = |world: &World, more| {
        let arguments = with(more);
        run(
            world,
            &arguments.iter().map(String::as_str).collect::<Vec<_>>(),
        )
    };
    abandon(&world, &["--not-imported"]).refused(5, "it is open");
    until(&mut world, "2026-11-20T04:00:00Z").await;
    // Delivered to the folder, and nothing was heard of it.
    world.round().await;
    assert_eq!(files(&world).len(), 1);
    let asked = abandon(&world, &[]);
    asked.refused(5, "--not-imported");
    assert!(
        asked.err.contains("2 rows") && asked.err.contains("13:00"),
        "{asked:?}"
    );
    abandon(&world, &["--not-imported"]).ended(0);
    abandon(&world, &["--not-imported"]).refused(5, "before");
    world.round().await;
    let tasks = world.tasks().await;
    assert_eq!(tasks, ["instruction_abandoned", "instruction_abandoned"]);
    assert_eq!(waves(&world).await[0].state, "abandoned");
    // One by one: this one goes, that one stays.
    let number = number_of(&ids[0]);
    let rule = format!("abandoned:{number}-S1");
    run(
        &world,
        &[
            "order", "release", &number, "--rule", &rule, "--reason", "go",
        ],
    )
    .ended(0);
    world.round().await;
    assert_eq!(world.status(&ids[0]).await.1.as_deref(), Some("batch"));
    assert!(
        world
            .status(&ids[1])
            .await
            .1
            .unwrap()
            .starts_with("hold:abandoned:")
    );
    // The warehouse had it after all, and says so: what was to go out anew does not.
    world.tokyo.tick(world.now()).await.unwrap();
    world.rounds(3).await;
    assert!(world.is(&ids[0], Status::Instructed).await);
    assert!(world.is(&ids[1], Status::Instructed).await);
    assert!(world.tasks().await.is_empty(), "{:?}", world.tasks().await);
    until(&mut world, "2026-11-21T04:00:00Z").await;
    world.round().await;
    assert_eq!(world.tokyo.instructions().len(), 2, "nothing went out anew");
}

#[tokio::test]
async fn a_parcel_under_the_old_reference_counts_and_both_are_told_where_both_went_out() {
    let mut world = world(AT_ONE).await;
    let ids = placed(&mut world, 1).await;
    until(&mut world, "2026-11-20T04:00:00Z").await;
    world.round().await;
    let wave = waves(&world).await.remove(0);
    give_up(&world, &wave.number).ended(0);
    run(
        &world,
        &["order", "release", &wave.number, "--reason", "go"],
    )
    .ended(0);
    world.round().await;
    run(&world, &["wave", "seal", "tokyo"]).ended(0);
    world.round().await;
    assert_eq!(files(&world).len(), 2);
    // Both files are imported.
    world.rounds(6).await;
    let tasks = world.tasks().await;
    assert!(
        tasks.contains(&"abandoned_imported".to_owned()),
        "{tasks:?}"
    );
    let seen = world.shop.order(&ids[0]).unwrap();
    assert_eq!(seen.captured, seen.total, "money for what was ordered");
}

/// Nobody may give up what is being sent; what is only queued is taken out of the queue.
#[tokio::test]
async fn what_is_given_up_is_never_sent() {
    let mut world = world(AT_ONE).await;
    placed(&mut world, 1).await;
    until(&mut world, "2026-11-20T04:00:00Z").await;
    assert_eq!(seal_step(&world.engine).await.unwrap(), 1);
    let wave = waves(&world).await.remove(0);
    let args = [
        "wave",
        "abandon",
        &wave.name,
        "--reason",
        "x",
        "--not-imported",
    ];
    let lease =
        "UPDATE effects SET state = 'leased', token = 1, lease_until = hk_now() + interval '1 min'";
    execute(&world, lease).await;
    run(&world, &args).refused(5, "being sent right now");
    execute(
        &world,
        "UPDATE effects SET state = 'planned', token = NULL, lease_until = NULL",
    )
    .await;
    run(&world, &args).ended(0);
    world.rounds(5).await;
    assert!(files(&world).is_empty());
    let left = number(&world, "SELECT count(*) FROM effects").await;
    assert_eq!(left, 0);
}

/// A row that nobody can believe may show that the wave was imported, until an operator leaves it at that. A good row beside it shows
/// it in any case.
#[tokio::test]
async fn a_row_that_was_left_at_that_keeps_no_wave_from_being_given_up() {
    for good in [false, true] {
        let mut world = world(AT_ONE).await;
        let id = world.shop.place_order(order(&[("APPLE", 2, "1000")]));
        let other = placed(&mut world, 1).await.remove(0);
        until(&mut world, "2026-11-20T04:00:00Z").await;
        world.round().await;
        let wave = waves(&world).await.remove(0);
        let (number, other) = (number_of(&id), number_of(&other));
        let row = |code: &str, tracking: &str| {
            format!("{number}-S1,1,{code},1,ヤマト,{tracking},2026/11/20 12:59:00")
        };
        let mut rows = vec![row("PEAR", "401234567890")];
        rows.extend(good.then(|| row("APPLE", "401234567901")));
        put(&world, "jisseki-1.csv", PARCEL, &rows.join("\r\n"));
        for _ in 0..3 {
            world.round().await;
        }
        let tasks = world.tasks().await;
        assert!(
            tasks.contains(&"parcel_code_differs".to_owned()),
            "{tasks:?}"
        );
        let told = format!("the warehouse has told of {number}-S1, so it was imported");
        give_up(&world, &wave.name).refused(5, &told);
        release(&world, &number, "parcel_code_differs");
        if good {
            give_up(&world, &wave.name).refused(5, &told);
            continue;
        }
        give_up(&world, &wave.name).ended(0);
        world.round().await;
        let tasks = world.tasks().await;
        assert_eq!(tasks, ["instruction_abandoned", "instruction_abandoned"]);
        for number in [number, other] {
            release(&world, &number, &format!("abandoned:{number}-S1"));
        }
    }
}

/// A sender that takes it between the look and the deletion wins: then nothing is given up.
#[tokio::test]
async fn a_wave_that_a_sender_has_just_taken_is_not_given_up() {
    let (world, _) = sealed().await;
    let pool = world.engine.store.pool();
    let id = number(
        &world,
        "SELECT subject_id FROM batches WHERE state = 'sealed'",
    )
    .await;
    let mut sender = pool.begin().await.unwrap();
    sqlx::query(
        "UPDATE effects SET state = 'leased', token = 1, lease_until = hk_now() + interval '1 min'",
    )
    .execute(&mut *sender)
    .await
    .unwrap();
    let (store, today) = (&world.engine.store, world.engine.today(world.now()));
    let directory = &world.engine.directory;
    let abandon = store.abandon(directory, id, "instruct", "x", "hanako", today);
    let taken = async {
        // It has read the queue, and waits for the row.
        let waits = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')";
        while !sqlx::query_scalar::<_, bool>(waits)
            .fetch_one(pool)
            .await
            .unwrap()
        {}
        sender.commit().await.unwrap();
    };
    let (given_up, ()) = tokio::join!(abandon, taken);
    assert!(
        matches!(&given_up, Err(StoreError::Refused(why)) if why.contains("being sent")),
        "{given_up:?}"
    );
    let left = number(&world, "SELECT count(*) FROM effects").await;
    assert_eq!(left, 1);
}

/// The same for one whose outcome nobody knows: it is not sent again as `not-done` would.
#[tokio::test]
async fn an_unknown_wave_is_given_up_instead_of_sent_again() {
    let (mut world, id) = sealed().await;
    execute(
        &world,
        "UPDATE effects SET state = 'unresolved', outcome_unknown = true, sends = 2, last_sent_at = hk_now(), error = 'the folder is gone';
         UPDATE subjects SET plan_at = hk_now() WHERE kind = 'batch'",
    )
    .await;
    world.round().await;
    assert_eq!(world.tasks().await, ["unknown_outcome"]);
    let task = world.engine.store.list_tasks().await.unwrap().remove(0);
    let why = "may have arrived (the folder is gone). ";
    assert!(task.detail.contains(why), "{}", task.detail);
    let wave = waves(&world).await.remove(0);
    assert_eq!(wave.state, "unknown");
    let args = [
        "wave",
        "abandon",
        &wave.name,
        "--reason",
        "x",
        "--not-imported",
    ];
    assert!(run(&world, &args).ended(0).contains("sent 2 times"));
    let account: i16 = sqlx::query_scalar("SELECT account_id FROM batches")
        .fetch_one(world.engine.store.pool())
        .await
        .unwrap();
    let known = world.engine.store.sealed_names(account).await.unwrap();
    assert_eq!(
        known,
        [wave.name],
        "its file is no file that a restore has lost"
    );
    world.rounds(5).await;
    assert!(files(&world).is_empty());
    assert_eq!(world.tasks().await, ["instruction_abandoned"]);
    assert!(
        world
            .status(&id)
            .await
            .1
            .unwrap()
            .starts_with("hold:abandoned:")
    );
}

#[tokio::test]
async fn a_wave_that_is_kept_back_is_not_sealed_early_and_says_why() {
    let mut world = world(AT_ONE).await;
    placed(&mut world, 1).await;
    let before = waves(&world).await.remove(0).name;
    let why = ["--reason", "their import is broken"];
    let typed = |words: &[&str]| run(&world, &[words, &why].concat());
    typed(&["pause", "tokyo-3pl"]).ended(0);
    run(&world, &["wave", "seal", "tokyo"]).refused(5, "hikiate resume tokyo-3pl");
    let listed = run(&world, &["wave", "list"]);
    assert!(
        listed.ended(0).contains("their import is broken"),
        "{listed:?}"
    );
    typed(&["resume", "tokyo-3pl"]).ended(0);
    typed(&["stop-shipping", "--warehouse", "tokyo"]).ended(0);
    run(&world, &["wave", "seal", "tokyo"]).refused(5, "hikiate stop-shipping lift 1");
    let shown = run(&world, &["wave", "show", &before]);
    assert!(shown.ended(0).contains("shipping is stopped"), "{shown:?}");
    typed(&["stop-shipping", "lift", "1"]).ended(0);
    assert_eq!(waves(&world).await.remove(0).name, before, "none was moved");
    run(&world, &["wave", "seal", "tokyo"]).ended(0);
    world.rounds(3).await;
    let wave = waves(&world).await.remove(0);
    assert!(wave.last_sent_at.is_some());
    let shown = run(&world, &["wave", "show", &wave.name]);
    assert!(
        shown.ended(0).contains(", sent 2026-11-20 11:"),
        "{shown:?}"
    );
    let bytes = run(&world, &["wave", "show", &wave.name, "--preview"]);
    assert!(bytes.err.contains(&wave.name), "{bytes:?}");
}

/// A batch is planned again and again: only what its orders did not know yet is worth a line in the log.
#[tokio::test]
async fn the_outcome_of_a_wave_is_told_to_its_orders_once() {
    let (world, _) = sealed().await;
    let id = number(
        &world,
        "SELECT subject_id FROM batches WHERE state = 'sealed'",
    )
    .await;
    let (store, today) = (&world.engine.store, world.engine.today(world.now()));
    let directory = store.directory().await.unwrap();
    let mut tx = store.pool().begin().await.unwrap();
    let loaded = Store::load(&mut tx, &[id], &directory).await.unwrap();
    tx.commit().await.unwrap();
    let outcome = OutcomeFact {
        intent: "instruct:tokyo-3pl:W:1".to_owned(),
        verdict: Verdict::Accepted,
        id: None,
        code: None,
        message: String::new(),
    };
    for news in [true, false] {
        let told = store.propagate_outcome(&loaded.batches[0], &outcome, today);
        assert_eq!(told.await.unwrap(), news);
    }
}

/// A resolution that is corrected takes the second sending back: the first counts, and nothing is sent again.
#[tokio::test]
async fn a_wave_that_arrived_after_all_is_told_to_its_orders_and_not_sent_again() {
    let (mut world, id) = sealed().await;
    execute(
        &world,
        "UPDATE effects SET state = 'unresolved', outcome_unknown = true, sends = 1, last_sent_at = hk_now()",
    )
    .await;
    let effect = number(&world, "SELECT id FROM effects").await;
    let effect = effect.to_string();
    let said = |word: &str| {
        let words = ["effect", "resolve", &effect, word, "--reason", "x"];
        run(&world, &words).ended(0).to_owned()
    };
    said("not-done");
    // Planned again, and not sent: the account is paused.
    run(&world, &["pause", "tokyo-3pl", "--reason", "x"]).ended(0);
    world.plan().await;
    let planned = "SELECT count(*) FROM facts WHERE key LIKE 'instruct:%:2'";
    let planned = number(&world, planned).await;
    assert_eq!(planned, 1);
    assert!(said("done").contains("corrected"));
    for _ in 0..3 {
        world.plan().await;
    }
    run(&world, &["resume", "tokyo-3pl", "--reason", "x"]).ended(0);
    world.rounds(3).await;
    assert!(files(&world).is_empty(), "nothing is sent again");
    assert_eq!(world.status(&id).await.0, "instructed");
    assert_eq!(waves(&world).await[0].state, "done");
}

#[tokio::test]
async fn a_batch_that_cannot_be_planned_stops_no_other_and_is_a_task() {
    let mut world = world(AT_ONE).await;
    placed(&mut world, 1).await;
    execute(
        &world,
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'the row is broken'; END $$;
         CREATE TRIGGER no BEFORE UPDATE ON batches FOR EACH ROW
           WHEN (NEW.state = 'done' AND NEW.period LIKE '20261120%') EXECUTE FUNCTION no()",
    )
    .await;
    until(&mut world, "2026-11-20T04:00:00Z").await;
    assert_eq!(seal_step(&world.engine).await.unwrap(), 1);
    placed(&mut world, 1).await;
    until(&mut world, "2026-11-21T04:00:00Z").await;
    assert_eq!(seal_step(&world.engine).await.unwrap(), 1);
    world.rounds(3).await;
    let states: Vec<String> = waves(&world).await.into_iter().map(|w| w.state).collect();
    assert!(states.contains(&"done".to_owned()), "{states:?}");
    assert!(world.tasks().await.contains(&"plan_failed".to_owned()));
    execute(&world, "DROP TRIGGER no ON batches").await;
    world.advance(Duration::minutes(2)).await;
    world.rounds(3).await;
    let states: Vec<String> = waves(&world).await.into_iter().map(|w| w.state).collect();
    assert!(states.iter().all(|state| state == "done"), "{states:?}");
    assert!(world.tasks().await.is_empty(), "{:?}", world.tasks().await);
}

#[tokio::test]
async fn a_sealing_that_fails_backs_off_and_is_a_task_until_it_is_mended() {
    let mut world = world(AT_ONE).await;
    placed(&mut world, 1).await;
    execute(
        &world,
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'the disk is full'; END $$;
         CREATE TRIGGER no BEFORE UPDATE ON batches FOR EACH ROW WHEN (NEW.state = 'sealed') EXECUTE FUNCTION no()",
    )
    .await;
    until(&mut world, "2026-11-20T04:00:00Z").await;
    for _ in 0..5 {
        seal_step(&world.engine).await.unwrap();
    }
    let fails: i16 = sqlx::query_scalar("SELECT seal_fails FROM batches")
        .fetch_one(world.engine.store.pool())
        .await
        .unwrap();
    assert_eq!(fails, 1, "not again at once");
    assert_eq!(world.tasks().await, ["seal_failed"]);
    let shown = run(&world, &["wave", "list"]);
    assert!(
        shown.ended(0).contains("failing") && shown.out.contains("the disk is full"),
        "{shown:?}"
    );
    execute(&world, "DROP TRIGGER no ON batches").await;
    world.advance(Duration::seconds(11)).await;
    world.round().await;
    assert_eq!(files(&world).len(), 1);
    assert!(world.tasks().await.is_empty(), "{:?}", world.tasks().await);
}

/// One order's entry holds what the layout forbids: it is told, and the others are booked.
#[tokio::test]
async fn an_entry_that_the_books_forbid_stops_no_other_and_is_booked_once_it_is_mended() {
    let mut world = world(r#"{ mode = "continuous" }"#).await;
    let ids = placed(&mut world, 3).await;
    for _ in 0..20 {
        world.tokyo.tick(world.now()).await.unwrap();
        world.advance(Duration::seconds(1)).await;
        world.pull().await;
        world.plan().await;
        world.push().await;
        let waiting: i64 =
            sqlx::query_scalar("SELECT count(DISTINCT subject_id) FROM revenue_events")
                .fetch_one(world.engine.store.pool())
                .await
                .unwrap();
        if waiting == 3 {
            break;
        }
        // Waves only: the books stay closed until the entry is spoilt.
        execute(&world, "UPDATE batches SET seal_at = hk_now() + interval '1 hour' WHERE kind = 'journal' AND state = 'open'").await;
        seal_step(&world.engine).await.unwrap();
    }
    let bad = number_of(&ids[1]);
    execute(
        &world,
        &format!("UPDATE revenue_events SET payment = E'card\\nx', step = NULL WHERE subject_id = (SELECT id FROM subjects WHERE number = '{bad}');
                  UPDATE batches SET seal_at = hk_now() WHERE kind = 'journal' AND state = 'open'"),
    )
    .await;
    for _ in 0..4 {
        world.advance(Duration::seconds(10)).await;
        world.round().await;
    }
    let total = world.shop.order(&ids[0]).unwrap().total;
    assert_eq!(world.journal_total(), 2 * total);
    let tasks = world.engine.store.list_tasks().await.unwrap();
    let [task] = tasks.as_slice() else {
        unreachable!("{tasks:?}")
    };
    assert_eq!(
        (task.kind.as_str(), task.subject.as_str()),
        ("booking_refused", bad.as_str())
    );
    assert!(task.detail.contains("control character"), "{task:?}");
    let batches = number(
        &world,
        "SELECT count(*) FROM batches WHERE kind = 'journal'",
    )
    .await;
    // Mended: the next hour's journal has it, and the task is gone.
    execute(&world, "UPDATE revenue_events SET payment = 'card'").await;
    world.advance(Duration::hours(1)).await;
    for _ in 0..4 {
        world.advance(Duration::seconds(10)).await;
        world.round().await;
    }
    assert_eq!(world.journal_total(), 3 * total);
    assert!(world.tasks().await.is_empty(), "{:?}", world.tasks().await);
    assert!(
        batches <= 2,
        "no journal was opened for what cannot be booked"
    );
}

#[tokio::test]
async fn a_journal_that_was_not_imported_is_given_up_and_its_revenue_booked_with_the_next() {
    let mut world = world(r#"{ mode = "continuous" }"#).await;
    let ids = placed(&mut world, 2).await;
    world.rounds(40).await;
    let total = 2 * world.shop.order(&ids[0]).unwrap().total;
    assert_eq!(world.journal_total(), total);
    let store = &world.engine.store;
    let done = store.list_batches("journal", true, 9).await.unwrap();
    let journals: Vec<_> = done.iter().filter(|row| row.rows > 0).collect();
    assert!(!journals.is_empty() && journals.iter().all(|j| j.state == "done"));
    for journal in &journals {
        let args = [
            "wave",
            "abandon",
            &journal.name,
            "--reason",
            "x",
            "--not-imported",
        ];
        run(&world, &args).refused(4, "wave list");
        run(
            &world,
            &["books", "abandon", &journal.name, "--reason", "x"],
        )
        .refused(5, "booked twice");
        let args = [
            "books",
            "abandon",
            &journal.name,
            "--reason",
            "x",
            "--not-imported",
        ];
        assert!(run(&world, &args).ended(0).contains("next journal"));
    }
    // Taken out of the folder by whoever looked.
    for file in std::fs::read_dir(world.dir.path().join("books/outgoing")).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    world.rounds(1).await;
    assert!(world.tasks().await.is_empty(), "no order is held");
    world.rounds(30).await;
    assert_eq!(world.journal_total(), total, "booked once more, and once");
    assert!(matches!(
        world.engine.store.batch("journal", "no-such-name").await,
        Err(StoreError::NotFound(_))
    ));
}
