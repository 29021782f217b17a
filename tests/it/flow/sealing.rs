//! What a wave takes when something has happened since it was listed: an operator, another daemon, a stop, new input.

use chrono::Duration;
use hikiate::daemon::seal_step;
use hikiate::plan::types::Status;
use hikiate::store::{JournalRows, OpenBatch, Place, SealRow, SealTerms, Slot};
use hikiate_sdk::AccountSlug;

use super::waves::{
    AT_ONE, UNASKED, execute, files, give_up, number_of, placed, run, until, waves, world,
};
use super::world::{Setup, World, order};

async fn due(world: &World) -> OpenBatch {
    let engine = &world.engine;
    let due = engine
        .store
        .due_batches(&engine.directory, engine.policy_id, None)
        .await
        .unwrap();
    assert_eq!(due.len(), 1, "{due:?}");
    due.into_iter().next().unwrap()
}

fn terms(world: &World) -> SealTerms {
    SealTerms {
        max_rows: 10,
        patience: Duration::zero(),
        at_once: false,
        recheck: Default::default(),
        reply_within_seconds: None,
        on_delivery: Default::default(),
        policy_id: world.engine.policy_id,
        today: world.engine.today(world.now()),
    }
}

async fn shown(world: &World) -> Vec<(String, String)> {
    let rows = waves(world).await.into_iter();
    rows.map(|wave| (wave.period, wave.state)).collect()
}

fn wave(period: &str, state: &str) -> (String, String) {
    (period.to_owned(), state.to_owned())
}

#[tokio::test]
async fn a_wave_that_an_operator_seals_is_not_missed_by_a_daemon_that_has_listed_it_before() {
    let mut world = world(AT_ONE).await;
    placed(&mut world, 2).await;
    until(&mut world, "2026-11-20T04:20:00Z").await;
    let listed = due(&world).await;
    run(&world, &["wave", "seal", "tokyo"]).ended(0);
    let store = &world.engine.store;
    assert!(!store.miss(&listed, "tokyo", "tomorrow").await.unwrap());
    let pause = store.seal_failed(&listed, "no such name").await.unwrap();
    assert!(pause.abs() < 0.1, "nor does it fail under its old name");
    assert_eq!(shown(&world).await, [wave("20261120T1320", "open")]);
    world.round().await;
    assert_eq!(files(&world).len(), 1);
    assert_eq!(world.tasks().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_wave_that_another_daemon_has_moved_is_not_sealed_under_its_old_name() {
    let mut world = world(AT_ONE).await;
    placed(&mut world, 2).await;
    until(&mut world, "2026-11-20T04:00:00Z").await;
    let listed = due(&world).await;
    let (store, directory) = (&world.engine.store, &world.engine.directory);
    let place = Place {
        account_id: listed.account_id,
        location_id: listed.location_id,
        kind: "instruct",
    };
    let tomorrow = |_, at, _| {
        Some(Slot {
            period: "20261121T0900".to_owned(),
            seal_at: at + Duration::hours(20),
        })
    };
    let moved = store.schedule(directory, place, "wave 09:00", tomorrow);
    assert!(moved.await.unwrap().is_some());
    let render = |_: &[SealRow]| panic!("it is rendered");
    let terms = terms(&world);
    let sealed = store.seal_wave(directory, &listed, &terms, render);
    assert_eq!(sealed.await.unwrap(), None);
    assert_eq!(shown(&world).await, [wave("20261121T0900", "open")]);
}

#[tokio::test]
async fn a_journal_is_not_sealed_after_a_pause_was_answered() {
    let world = World::new(Setup::default()).await;
    let (store, directory) = (&world.engine.store, &world.engine.directory);
    let place = Place {
        account_id: directory.account(&"books".into()).unwrap(),
        location_id: None,
        kind: "journal",
    };
    let slot = Slot {
        period: "20261120".to_owned(),
        seal_at: world.now(),
    };
    store.open_batch(directory, place, &slot).await.unwrap();
    let listed = due(&world).await;
    run(&world, &["pause", "books", "--reason", "closing"]).ended(0);
    let render = |_: &JournalRows| panic!("it is rendered");
    let terms = terms(&world);
    let sealed = store.seal_journal(directory, &listed, &terms, true, render);
    assert_eq!(sealed.await.unwrap().rows, 0);
    let state: String = sqlx::query_scalar("SELECT state FROM batches")
        .fetch_one(store.pool())
        .await
        .unwrap();
    assert_eq!(state, "open");
}

/// Everything of a warehouse, or the only item that waits.
const SCOPES: [[&str; 2]; 2] = [["--warehouse", "tokyo"], ["--sku", "APPLE"]];

/// A stop that stands over the cut-off and is lifted at the given time.
async fn stopped_over_the_cut_off(scope: [&str; 2], lifted: &str) -> World {
    let mut world = world(AT_ONE).await;
    placed(&mut world, 2).await;
    until(&mut world, "2026-11-20T03:55:00Z").await;
    let stop = [
        "stop-shipping",
        scope[0],
        scope[1],
        "--reason",
        "wrong label",
    ];
    run(&world, &stop).ended(0);
    for at in ["2026-11-20T04:00:00Z", "2026-11-20T04:03:00Z", lifted] {
        until(&mut world, at).await;
        world.round().await;
    }
    assert!(files(&world).is_empty());
    assert_eq!(world.tasks().await, ["shipping_stopped"]);
    let lift = ["stop-shipping", "lift", "1", "--reason", "mended"];
    run(&world, &lift).ended(0);
    world.round().await;
    world
}

#[tokio::test]
async fn a_stop_that_is_lifted_within_a_quarter_of_an_hour_keeps_nothing_out_of_its_wave() {
    for scope in SCOPES {
        let world = stopped_over_the_cut_off(scope, "2026-11-20T04:05:00Z").await;
        assert_eq!(files(&world).len(), 1, "{scope:?}");
        let sealed = waves(&world).await.remove(0);
        assert_eq!((sealed.period.as_str(), sealed.rows), ("20261120T1300", 2));
        assert_eq!(world.tasks().await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_wave_that_a_stop_kept_for_longer_is_a_task_once_it_is_lifted() {
    for scope in SCOPES {
        let mut world = stopped_over_the_cut_off(scope, "2026-11-20T04:20:00Z").await;
        assert!(files(&world).is_empty());
        assert_eq!(world.tasks().await, ["wave_missed"], "{scope:?}");
        let told = world.engine.store.list_tasks().await.unwrap().remove(0);
        assert!(told.detail.contains("2 shipments wait"), "{told:?}");
        // The next cut-off takes them.
        world.round().await;
        until(&mut world, "2026-11-21T04:00:00Z").await;
        world.round().await;
        assert_eq!(files(&world).len(), 1);
        assert_eq!(world.tasks().await, Vec::<String>::new());
    }
}

/// Names of waves that are told as missed.
async fn missed(world: &World) -> Vec<String> {
    let tasks = world.engine.store.list_tasks().await.unwrap();
    let missed = tasks.into_iter().filter(|task| task.kind == "wave_missed");
    missed.map(|task| task.subject).collect()
}

/// A cut-off that takes nothing, while what was missed still waits, does not end the task: whether a stop stands over it,
/// or the order has new input that cannot be planned and the wave ends empty.
#[tokio::test]
async fn a_missed_wave_stays_a_task_over_a_cut_off_that_takes_nothing() {
    for stops in [true, false] {
        let mut world = world(AT_ONE).await;
        let ids = placed(&mut world, 1).await;
        until(&mut world, "2026-11-20T04:20:00Z").await;
        world.round().await;
        let first = missed(&world).await;
        assert_eq!(first.len(), 1, "{first:?}");
        if stops {
            let stop = ["stop-shipping", "--sku", "APPLE", "--reason", "x"];
            run(&world, &stop).ended(0);
        } else {
            // The next wave is open by then.
            world.round().await;
            unknown_news(&world, &number_of(&ids[0])).await;
        }
        for at in ["2026-11-21T04:00:00Z", "2026-11-21T04:20:00Z"] {
            until(&mut world, at).await;
            world.round().await;
        }
        if stops {
            let lift = ["stop-shipping", "lift", "1", "--reason", "x"];
            run(&world, &lift).ended(0);
            world.round().await;
        } else {
            let second = wave("20261121T1300", "empty");
            let all = "SELECT period, state FROM batches WHERE kind = 'instruct'";
            let all: Vec<(String, String)> = sqlx::query_as(all)
                .fetch_all(world.engine.store.pool())
                .await
                .unwrap();
            assert!(all.contains(&second), "it takes nothing: {all:?}");
            // A newer program plans the new input.
            execute(&world, "UPDATE subjects SET plan_fails = 0").await;
        }
        let told = missed(&world).await;
        assert!(told.contains(&first[0]), "{first:?} is not in {told:?}");
        assert!(files(&world).is_empty());
    }
}

#[tokio::test]
async fn a_missed_wave_is_no_task_any_more_when_none_of_its_orders_waits() {
    let mut world = world(AT_ONE).await;
    let ids = placed(&mut world, 1).await;
    until(&mut world, "2026-11-20T04:20:00Z").await;
    world.round().await;
    assert_eq!(world.tasks().await, ["wave_missed"]);
    let number = number_of(&ids[0]);
    run(&world, &["order", "cancel", &number, "--reason", "x"]).ended(0);
    // What comes later was not missed.
    placed(&mut world, 1).await;
    assert_eq!(world.tasks().await, Vec::<String>::new());
}

/// Where batches follow at once, what cannot go opens no new one each time.
#[tokio::test]
async fn orders_whose_news_cannot_be_planned_open_no_batch_after_another() {
    let mut world = world(r#"{ mode = "continuous", grace = "1m" }"#).await;
    let ids = placed(&mut world, 1).await;
    unknown_news(&world, &number_of(&ids[0])).await;
    world.advance(Duration::minutes(2)).await;
    for _ in 0..5 {
        world.round().await;
    }
    assert!(files(&world).is_empty());
    assert_eq!(waves(&world).await.len(), 1);
}

/// A fact of a newer version comes for an order, and is looked at.
async fn unknown_news(world: &World, number: &str) {
    execute(
        world,
        &format!(
            "INSERT INTO facts (subject_id, key, class, kind, version, body, happened_at, reported_at, recorded_at, business_date, actor)
             SELECT id, 'new', 'observation', 'of_tomorrow', 1, '{{}}', hk_now(), hk_now(), hk_now(), '2026-11-20', 'pull' FROM subjects WHERE number = '{number}';
             UPDATE subjects SET plan_at = hk_now(), plan_class = 0 WHERE number = '{number}'"
        ),
    )
    .await;
    world.plan().await;
}

#[tokio::test]
async fn an_order_whose_news_cannot_be_planned_is_not_sealed_and_says_so() {
    let mut world = world(AT_ONE).await;
    let ids = placed(&mut world, 2).await;
    let (kept, sent) = (number_of(&ids[0]), number_of(&ids[1]));
    unknown_news(&world, &kept).await;
    for at in ["2026-11-20T04:00:00Z", "2026-11-20T04:05:00Z"] {
        until(&mut world, at).await;
        world.round().await;
    }
    let listed = waves(&world).await;
    let sealed = listed.iter().find(|w| w.sealed_at.is_some()).unwrap();
    let told = run(&world, &["wave", "show", &sealed.name, "--json"]).json();
    assert_eq!(told["members"].as_array().unwrap().len(), 1, "{told}");
    assert_eq!(told["members"][0]["order"], sent);
    let tasks = world.engine.store.list_tasks().await.unwrap();
    let failed = tasks
        .iter()
        .find(|task| task.kind == "plan_failed")
        .unwrap();
    assert_eq!(failed.subject, kept);
    assert!(
        failed.detail.contains("nothing of it is sealed"),
        "{failed:?}"
    );
}

/// The first of a full file are all refused by the layout: those behind them still go with this cut-off.
#[tokio::test]
async fn rows_that_the_layout_refuses_do_not_keep_those_behind_them_from_their_cut_off() {
    let mut world = world(r#"{ mode = "wave", cutoffs = ["13:00"], max_rows = 1 }"#).await;
    let ids = placed(&mut world, 2).await;
    let first = number_of(&ids[0]);
    execute(
        &world,
        &format!("DELETE FROM personal WHERE subject_id = (SELECT id FROM subjects WHERE number = '{first}')"),
    )
    .await;
    until(&mut world, "2026-11-20T04:00:00Z").await;
    assert_eq!(seal_step(&world.engine).await.unwrap(), 0);
    assert_eq!(seal_step(&world.engine).await.unwrap(), 1);
    world.round().await;
    assert!(world.is(&ids[1], Status::Instructed).await);
    assert_eq!(waves(&world).await[0].period, "20261120T1300");
}

#[tokio::test]
async fn a_recovery_leaves_no_task_of_a_wave_that_it_gives_up() {
    let mut world = world(AT_ONE).await;
    placed(&mut world, 1).await;
    until(&mut world, "2026-11-20T04:00:00Z").await;
    let listed = due(&world).await;
    let store = &world.engine.store;
    store
        .seal_failed(&listed, "the disk is full")
        .await
        .unwrap();
    assert_eq!(world.tasks().await, ["seal_failed"]);
    super::recover::recover(&world, world.now() - Duration::hours(1)).await;
    assert_eq!(world.tasks().await, ["database_data_loss"]);
    let retries: i64 =
        sqlx::query_scalar("SELECT count(*) FROM batches WHERE retry_at IS NOT NULL")
            .fetch_one(store.pool())
            .await
            .unwrap();
    assert_eq!(retries, 0);
}

/// Two orders that a warehouse has which tells nothing.
async fn with_a_silent_warehouse() -> (World, Vec<String>) {
    let mut world = World::new(Setup {
        tokyo: AT_ONE,
        channel: UNASKED,
        ..Setup::default()
    })
    .await;
    world.engine.store.close().await;
    world
        .restart(|toml| toml.replacen("reply_within = \"never\"", "reply_within = \"30m\"", 1))
        .await;
    world.tokyo.set_stock("APPLE", 10);
    world.count_stock().await;
    world.round().await;
    let ids: Vec<String> = (0..2)
        .map(|_| world.shop.place_order(order(&[("APPLE", 1, "1000")])))
        .collect();
    for _ in 0..3 {
        world.round().await;
    }
    until(&mut world, "2026-11-20T04:00:00Z").await;
    world.round().await;
    assert_eq!(files(&world).len(), 1);
    (world, ids)
}

#[tokio::test]
async fn a_wave_of_which_an_operator_typed_a_parcel_was_imported() {
    let (mut world, ids) = with_a_silent_warehouse().await;
    let reference = format!("{}-S1", number_of(&ids[0]));
    let words = [
        "order",
        "shipped",
        &reference,
        "--tracking",
        "T1",
        "--reason",
        "x",
    ];
    run(&world, &words).ended(0);
    world.round().await;
    let sealed = waves(&world).await.remove(0);
    give_up(&world, &sealed.name).refused(5, &reference);
}

#[tokio::test]
async fn a_shipment_that_the_warehouse_told_of_by_telephone_has_its_reply() {
    let (mut world, ids) = with_a_silent_warehouse().await;
    let reference = format!("{}-S1", number_of(&ids[0]));
    let words = ["order", "recall", &reference, "--reason", "x"];
    run(&world, &words).ended(0);
    world.round().await;
    let words = [
        "order",
        "recalled",
        &reference,
        "--declined",
        "--reason",
        "x",
    ];
    run(&world, &words).ended(0);
    until(&mut world, "2026-11-20T04:31:00Z").await;
    world.round().await;
    let tasks = world.engine.store.list_tasks().await.unwrap();
    let missing = tasks
        .iter()
        .find(|task| task.kind == "batch_replies_overdue")
        .unwrap();
    assert!(!missing.detail.contains(&reference), "{missing:?}");
    assert!(missing.detail.contains(&number_of(&ids[1])), "{missing:?}");
}

/// The file never arrived: the warehouse stops on the telephone what it does not have.
#[tokio::test]
async fn a_wave_of_which_the_warehouse_stopped_a_shipment_by_telephone_can_be_given_up() {
    for (answer, given_up) in [("--accepted", true), ("--too-late", false)] {
        let (mut world, ids) = with_a_silent_warehouse().await;
        let reference = format!("{}-S1", number_of(&ids[0]));
        let words = ["order", "recall", &reference, "--reason", "x"];
        run(&world, &words).ended(0);
        world.round().await;
        let words = ["order", "recalled", &reference, answer, "--reason", "x"];
        run(&world, &words).ended(0);
        world.round().await;
        let sealed = waves(&world).await.remove(0);
        let ended = give_up(&world, &sealed.name);
        if given_up {
            ended.ended(0);
            world.round().await;
            let tasks = world.tasks().await;
            assert!(
                tasks.contains(&"instruction_abandoned".to_owned()),
                "{tasks:?}"
            );
        } else {
            ended.refused(5, &reference);
        }
    }
}

/// Its reply was lost, the warehouse took the file away and told of the shipment: a look-up that finds no file sends no second one.
#[tokio::test]
async fn an_instruction_in_doubt_that_the_warehouse_told_of_is_not_sent_again() {
    for told in [true, false] {
        let mut world = world(AT_ONE).await;
        let ids = placed(&mut world, 1).await;
        until(&mut world, "2026-11-20T04:00:00Z").await;
        assert_eq!(seal_step(&world.engine).await.unwrap(), 1);
        execute(
            &world,
            "UPDATE effects SET outcome_unknown = true, look = true, sends = 1, lookups = 9, not_found = 1,
               first_sent_at = hk_now() - interval '10 min', last_sent_at = hk_now() - interval '10 min' WHERE op = 'instruct'",
        )
        .await;
        if told {
            execute(
                &world,
                "INSERT INTO facts (subject_id, key, class, kind, version, body, happened_at, reported_at, recorded_at, business_date, actor)
                 SELECT p.subject_id, 'reply:' || p.reference, 'observation', 'reply', 1,
                   jsonb_build_object('reference', p.reference, 'verdict', 'accepted', 'code', NULL, 'message', ''), hk_now(), hk_now(), hk_now(), '2026-11-20', 'pull'
                 FROM shipments p WHERE p.state = 'instructed'",
            )
            .await;
        }
        world.push().await;
        let sent = files(&world).len();
        assert_eq!(sent, usize::from(!told), "told of: {told}");
        let open = world.engine.store.list_effects(false, 10).await.unwrap();
        assert!(open.is_empty(), "{open:?}");
        world.plan().await;
        assert!(world.is(&ids[0], Status::Instructed).await);
    }
}

#[tokio::test]
async fn a_shipment_is_unheard_from_when_its_warehouse_took_it_until_it_is_named() {
    let (mut world, ids) = with_a_silent_warehouse().await;
    let warehouse: AccountSlug = "tokyo-3pl".into();
    let account = world.engine.directory.account(&warehouse).unwrap();
    let references: Vec<String> = ids
        .iter()
        .map(|id| format!("{}-S1", number_of(id)))
        .collect();
    let store = world.engine.store.clone();
    assert_eq!(store.unheard(account).await.unwrap(), references);
    let other = world.engine.directory.account(&"books".into()).unwrap();
    assert_eq!(store.unheard(other).await.unwrap(), Vec::<String>::new());
    let words = [
        "order",
        "shipped",
        &references[0],
        "--tracking",
        "T1",
        "--reason",
        "x",
    ];
    run(&world, &words).ended(0);
    world.round().await;
    assert_eq!(store.unheard(account).await.unwrap(), references[1..]);
    // What was sealed and may not have arrived is not looked for.
    execute(&world, "UPDATE facts SET body = jsonb_set(body, '{verdict}', '\"unknown\"') WHERE kind = 'outcome' AND body ->> 'intent' LIKE 'instruct:%'").await;
    assert_eq!(store.unheard(account).await.unwrap(), Vec::<String>::new());
}
