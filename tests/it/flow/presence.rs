//! Orders that their channel does not show any more, and a second look before they are sealed.

use chrono::Duration;
use hikiate::number::order_number;
use hikiate::plan::types::Status;
use hikiate::store::Decision;
use hikiate_files::sim::SimHandling;
use hikiate_sdk::faulty::{Fault, FaultSeam, When};
use hikiate_sdk::http::Method;

use super::world::{Setup, World, order};

/// Waves only, so that an order waits two hours; open orders are read again each minute.
fn waves() -> Setup {
    Setup {
        tokyo: r#"{ mode = "wave", cutoffs = ["13:00"] }"#,
        channel: "refresh = \"1m\"",
        ..Setup::default()
    }
}

async fn stocked(setup: Setup) -> World {
    let mut world = World::new(setup).await;
    world.tokyo.set_stock("APPLE", 100);
    world.count_stock().await;
    world.round().await;
    world
}

async fn blocked(world: &World, id: &str) -> String {
    world.status(id).await.1.unwrap_or_default()
}

fn number(id: &str) -> String {
    order_number(&"shop".into(), &id.into())
}

/// The tasks of an order, with their words.
async fn told(world: &World, id: &str) -> Vec<(String, String)> {
    let tasks = world.engine.store.list_tasks().await.unwrap();
    let mine = tasks.into_iter().filter(|t| t.subject == number(id));
    mine.map(|t| (t.kind, t.detail)).collect()
}

async fn wait(world: &mut World, by: Duration) {
    world.advance(by - Duration::seconds(1)).await;
    world.rounds(1).await;
}

/// Up to the cut-off and past it.
async fn cut_off(world: &mut World) {
    let left = super::world::start() + Duration::hours(2) - world.now();
    wait(world, left).await;
    world.rounds(5).await;
}

#[tokio::test]
async fn an_order_that_vanishes_is_held_after_two_looks_and_its_stock_comes_back() {
    let mut world = stocked(waves()).await;
    let gone = world.shop.place_order(order(&[("APPLE", 2, "1000")]));
    let stays = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    world.rounds(3).await;
    assert_eq!(blocked(&world, &gone).await, "batch");
    assert!(world.shop.delete(&gone));
    wait(&mut world, Duration::minutes(1)).await;
    // One look decides nothing: it is not shipped, and nobody is troubled.
    assert_eq!(blocked(&world, &gone).await, "absent");
    assert!(world.tasks().await.is_empty(), "{:?}", world.tasks().await);
    wait(&mut world, Duration::minutes(1)).await;
    assert_eq!(blocked(&world, &gone).await, "absent", "too soon after");
    wait(&mut world, Duration::seconds(65)).await;
    assert_eq!(blocked(&world, &gone).await, "hold:vanished");
    let tasks = told(&world, &gone).await;
    assert_eq!(tasks.len(), 1, "{tasks:?}");
    assert_eq!(tasks[0].0, "vanished");
    assert_eq!(world.free("APPLE", "tokyo").await, 97, "its stock waits");
    cut_off(&mut world).await;
    let shipped = world.tokyo.shipped();
    let of = |id: &str| shipped.keys().any(|r| r.starts_with(&number(id)));
    assert!(of(&stays) && !of(&gone), "{shipped:?}");
    assert_eq!(world.shop.order(&stays).unwrap().captures, 1);
    wait(&mut world, Duration::hours(72)).await;
    world.rounds(1).await;
    assert_eq!(world.free("APPLE", "tokyo").await, 99);
    assert_eq!(blocked(&world, &gone).await, "hold:vanished");
    assert_eq!(told(&world, &gone).await.len(), 1);
    // What the task says settles it, without a word to the channel.
    let reason = "deleted by the customer".to_owned();
    world.decide(&gone, Decision::Cancel { reason }).await;
    world.rounds(2).await;
    assert!(world.is(&gone, Status::Cancelled).await);
    assert!(world.tasks().await.is_empty(), "{:?}", world.tasks().await);
    assert!(!world.shop.order(&gone).unwrap().cancelled);
}

#[tokio::test]
async fn an_order_that_comes_back_unchanged_goes_on_wherever_it_is_seen() {
    // Once it is back by its id only, once on a page only.
    for by_page in [false, true] {
        let mut world = stocked(waves()).await;
        let id = world.shop.place_order(order(&[("APPLE", 2, "1000")]));
        world.rounds(3).await;
        assert!(world.shop.delete(&id));
        for _ in 0..4 {
            wait(&mut world, Duration::minutes(1)).await;
        }
        assert_eq!(blocked(&world, &id).await, "hold:vanished");
        assert!(world.shop.restore(&id));
        if by_page {
            world.shop.touch_order(&id);
            world.rounds(3).await;
        } else {
            wait(&mut world, Duration::minutes(1)).await;
        }
        world.rounds(1).await;
        assert_eq!(blocked(&world, &id).await, "batch", "by page: {by_page}");
        assert!(world.tasks().await.is_empty(), "{:?}", world.tasks().await);
        cut_off(&mut world).await;
        let seen = world.shop.order(&id).unwrap();
        assert!(seen.is_shipped(), "{:?}", world.status(&id).await);
        assert_eq!((seen.captures, world.free("APPLE", "tokyo").await), (1, 98));
    }
}

#[tokio::test]
async fn an_order_that_vanishes_at_the_warehouse_is_a_task_and_what_leaves_is_not_captured() {
    let handling = |_: &_| SimHandling {
        ship_after: 600,
        ..SimHandling::default()
    };
    let mut world = stocked(Setup {
        handling,
        channel: "refresh = \"1m\"",
        ..Setup::default()
    })
    .await;
    let id = world.shop.place_order(order(&[("APPLE", 2, "1000")]));
    world.rounds(5).await;
    assert!(world.is(&id, Status::Instructed).await);
    assert!(world.shop.delete(&id));
    for _ in 0..4 {
        wait(&mut world, Duration::minutes(1)).await;
    }
    let tasks = told(&world, &id).await;
    assert_eq!(tasks.len(), 1, "{tasks:?}");
    assert!(
        tasks[0].0 == "vanished" && tasks[0].1.contains("-S1 is with the warehouse"),
        "{tasks:?}"
    );
    world.rounds(605).await;
    let kinds: Vec<String> = told(&world, &id).await.into_iter().map(|t| t.0).collect();
    assert_eq!(kinds, ["vanished_shipped"]);
    let seen = world.shop.order(&id).unwrap();
    assert_eq!((seen.captures, seen.fulfilments.len()), (0, 0));
    assert!(world.mails.mails().is_empty());
    assert_eq!(world.journal_total(), 0);
    // Back again, everything is done as usual, once.
    assert!(world.shop.restore(&id));
    wait(&mut world, Duration::minutes(1)).await;
    world.rounds(20).await;
    let seen = world.shop.order(&id).unwrap();
    assert!(seen.is_shipped());
    assert_eq!((seen.captures, seen.repeated()), (1, 0));
    assert_eq!(world.mails.mails().len(), 1);
    assert_eq!(world.journal_total(), 2750);
    assert!(world.tasks().await.is_empty(), "{:?}", world.tasks().await);
}

#[tokio::test]
async fn a_vanished_order_that_is_released_is_shipped_all_the_same() {
    let mut world = stocked(waves()).await;
    let id = world.shop.place_order(order(&[("APPLE", 2, "1000")]));
    world.rounds(3).await;
    assert!(world.shop.delete(&id));
    for _ in 0..4 {
        wait(&mut world, Duration::minutes(1)).await;
    }
    let release = Decision::Release {
        rules: vec!["vanished".to_owned()],
        reason: "the customer has called".to_owned(),
    };
    world.decide(&id, release).await;
    world.rounds(2).await;
    assert_eq!(blocked(&world, &id).await, "batch");
    cut_off(&mut world).await;
    assert_eq!(world.tokyo.shipped().len(), 1);
    assert_eq!(world.tasks().await, ["vanished_shipped"]);
    assert_eq!(world.shop.order(&id).unwrap().captures, 0);
}

/// A key that has lost a right hides everything at once: that is one task of the account and decides nothing.
#[tokio::test]
async fn an_account_that_hides_many_orders_is_one_task_and_none_of_them_is_shipped() {
    let mut world = stocked(waves()).await;
    let placed: Vec<_> = (0..10)
        .map(|_| world.shop.place_order(order(&[("APPLE", 1, "1000")])))
        .collect();
    world.rounds(3).await;
    let (hidden, shown) = placed.split_at(8);
    for id in hidden {
        assert!(world.shop.delete(id));
    }
    for _ in 0..5 {
        wait(&mut world, Duration::minutes(1)).await;
    }
    assert_eq!(world.tasks().await, ["orders_absent"]);
    for id in hidden {
        assert_eq!(blocked(&world, id).await, "absent");
    }
    cut_off(&mut world).await;
    assert_eq!(world.tokyo.shipped().len(), shown.len());
    wait(&mut world, Duration::hours(80)).await;
    world.rounds(1).await;
    assert_eq!(
        world.free("APPLE", "tokyo").await,
        90,
        "all keep their stock"
    );
    assert_eq!(world.tasks().await, ["orders_absent"]);
    // Three are back: five are not many any more, each is its own task.
    for id in &hidden[..3] {
        assert!(world.shop.restore(id));
    }
    wait(&mut world, Duration::minutes(2)).await;
    world.rounds(2).await;
    assert_eq!(world.tasks().await, ["vanished"; 5]);
    for id in &hidden[3..] {
        assert!(world.shop.restore(id));
    }
    wait(&mut world, Duration::minutes(1)).await;
    world.rounds(2).await;
    assert!(world.tasks().await.is_empty(), "{:?}", world.tasks().await);
}

#[tokio::test]
async fn an_operator_who_believes_an_account_has_each_of_its_orders_held() {
    let mut world = stocked(waves()).await;
    let placed: Vec<_> = (0..7)
        .map(|_| world.shop.place_order(order(&[("APPLE", 1, "1000")])))
        .collect();
    world.rounds(3).await;
    for id in &placed {
        assert!(world.shop.delete(id));
    }
    for _ in 0..4 {
        wait(&mut world, Duration::minutes(1)).await;
    }
    assert_eq!(world.tasks().await, ["orders_absent"]);
    let believe = || {
        let today = world.engine.today(world.now());
        let store = &world.engine.store;
        store.believe_absences("shop", "the shop was emptied", "tester", today)
    };
    assert_eq!(believe().await.unwrap(), 7);
    assert!(believe().await.is_err(), "a second time says so");
    world.rounds(1).await;
    assert_eq!(world.tasks().await, ["vanished"; 7]);
    world.rounds(60).await;
    assert_eq!(world.tasks().await, ["vanished"; 7], "and no new alarm");
}

/// Nothing but the second look before the cut-off would see it: open orders are not read again, and the shop's
/// lists lag behind.
const LAGGING: &str = "refresh = \"never\"";
const REQUIRED: &str = "refresh = \"never\"\nrecheck_required = true";

async fn cancelled_unseen(world: &mut World) -> String {
    let id = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    world.rounds(3).await;
    world.shop.hide_from_lists(&id, 100_000);
    wait(world, Duration::minutes(30)).await;
    assert!(world.shop.cancel_order(&id));
    world.rounds(2).await;
    assert_eq!(blocked(world, &id).await, "batch");
    id
}

fn lagging_waves(channel: &'static str) -> Setup {
    Setup { channel, ..waves() }
}

#[tokio::test]
async fn a_cancel_that_no_page_has_shown_is_seen_before_the_wave_is_sealed() {
    let mut world = stocked(lagging_waves(LAGGING)).await;
    let id = cancelled_unseen(&mut world).await;
    let left = super::world::start() + Duration::minutes(111) - world.now();
    wait(&mut world, left).await;
    world.rounds(6).await;
    assert!(world.is(&id, Status::Cancelled).await, "before the cut-off");
    cut_off(&mut world).await;
    assert!(world.tokyo.shipped().is_empty());
}

#[tokio::test]
async fn a_wave_that_comes_late_looks_again_first() {
    let mut world = stocked(lagging_waves(LAGGING)).await;
    let id = cancelled_unseen(&mut world).await;
    // The process was stopped over the last ten minutes before the cut-off.
    cut_off(&mut world).await;
    assert!(world.is(&id, Status::Cancelled).await);
    assert!(world.tokyo.shipped().is_empty());
}

#[tokio::test]
async fn an_order_sent_at_once_is_looked_at_first_when_it_waited_for_long() {
    let mut world = World::new(Setup {
        channel: LAGGING,
        ..Setup::default()
    })
    .await;
    world.tokyo.set_stock("APPLE", 0);
    world.count_stock().await;
    world.round().await;
    let waited = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    world.rounds(3).await;
    world.shop.hide_from_lists(&waited, 100_000);
    assert!(world.shop.cancel_order(&waited));
    wait(&mut world, Duration::hours(1)).await;
    let fresh = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    world.rounds(2).await;
    world.tokyo.set_stock("APPLE", 2);
    world.count_stock().await;
    world.rounds(6).await;
    assert!(world.is(&waited, Status::Cancelled).await);
    assert_eq!(world.tokyo.shipped().len(), 1);
    assert!(world.shop.order(&fresh).unwrap().is_shipped());
}

fn unreadable(world: &World, calls: usize) {
    for _ in 0..calls {
        let by_id = When::new(Method::Get, "id%5B%5D=");
        world.faults.inject_when(by_id, Fault::Refused);
    }
}

fn refused(world: &World) -> u64 {
    let injected = world.faults.injected();
    injected.get(&Fault::Refused).copied().unwrap_or(0)
}

#[tokio::test]
async fn what_cannot_be_read_goes_a_minute_late_and_the_wave_names_it() {
    let mut world = stocked(lagging_waves(LAGGING)).await;
    let id = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    world.rounds(3).await;
    world.shop.hide_from_lists(&id, 7500);
    unreadable(&world, 1000);
    let left = super::world::start() + Duration::minutes(120) - world.now();
    wait(&mut world, left).await;
    world.rounds(50).await;
    assert_eq!(blocked(&world, &id).await, "batch", "it is waited for");
    world.rounds(20).await;
    assert_eq!(world.tokyo.shipped().len(), 1);
    let tasks = world.engine.store.list_tasks().await.unwrap();
    let unread: Vec<_> = tasks.iter().filter(|t| t.kind == "unread").collect();
    assert_eq!(unread.len(), 1, "{tasks:?}");
    assert!(unread[0].detail.contains(&number(&id)), "{unread:?}");
    // Once it was read, the task has settled itself.
    world.faults.heal();
    for _ in 0..10 {
        wait(&mut world, Duration::minutes(1)).await;
    }
    assert!(world.tasks().await.is_empty(), "{:?}", world.tasks().await);
}

#[tokio::test]
async fn where_the_second_look_is_required_what_cannot_be_read_waits_for_the_next_wave() {
    let mut world = stocked(lagging_waves(REQUIRED)).await;
    let id = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    world.rounds(3).await;
    world.shop.hide_from_lists(&id, 80_000);
    unreadable(&world, 1000);
    cut_off(&mut world).await;
    world.rounds(120).await;
    assert!(world.tokyo.shipped().is_empty());
    assert_eq!(blocked(&world, &id).await, "batch");
    let tasks = world.tasks().await;
    assert!(tasks.contains(&"orders_unread".to_owned()), "{tasks:?}");
    world.faults.heal();
    wait(&mut world, Duration::hours(24) - Duration::minutes(2)).await;
    world.rounds(5).await;
    assert_eq!(world.tokyo.shipped().len(), 1);
    assert!(world.tasks().await.is_empty(), "{:?}", world.tasks().await);
}

#[tokio::test]
async fn what_cannot_be_read_keeps_no_other_order_out_of_a_full_batch() {
    let mut world = World::new(Setup {
        channel: REQUIRED,
        tokyo: r#"{ mode = "continuous", max_rows = 2 }"#,
        ..Setup::default()
    })
    .await;
    world.tokyo.set_stock("APPLE", 0);
    world.count_stock().await;
    world.round().await;
    let old: Vec<String> = (0..2)
        .map(|_| world.shop.place_order(order(&[("APPLE", 1, "1000")])))
        .collect();
    world.rounds(3).await;
    for id in &old {
        world.shop.hide_from_lists(id, 100_000);
    }
    wait(&mut world, Duration::hours(1)).await;
    unreadable(&world, 1000);
    let fresh = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    world.rounds(2).await;
    world.tokyo.set_stock("APPLE", 3);
    world.count_stock().await;
    world.rounds(6).await;
    assert!(world.shop.order(&fresh).unwrap().is_shipped());
    assert_eq!(world.tokyo.shipped().len(), 1, "the others wait to be read");
    world.faults.heal();
    wait(&mut world, Duration::minutes(10)).await;
    world.rounds(6).await;
    assert_eq!(world.tokyo.shipped().len(), 3);
}

#[tokio::test]
async fn orders_that_cannot_be_read_again_are_asked_for_ever_more_seldom() {
    let mut world = stocked(waves()).await;
    let _id = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    world.rounds(3).await;
    unreadable(&world, 1000);
    wait(&mut world, Duration::minutes(2)).await;
    let account = world.owned.iter().find(|o| {
        let account = &world.engine.accounts[&o.id];
        account.slug.as_str() == "shop"
    });
    let (owned, engine) = (account.unwrap(), &world.engine);
    // The loop of a daemon comes round five times a second; the clock stands still here.
    for _ in 0..50 {
        let account = &engine.accounts[&owned.id];
        let _pulled = hikiate::pull::pull_account(engine, account, owned).await;
    }
    assert!(refused(&world) <= 2, "{} calls in no time", refused(&world));
    world.rounds(120).await;
    let n = refused(&world);
    assert!((3..=14).contains(&n), "{n} calls in two minutes");
    assert!(world.tasks().await.contains(&"reads_failing".to_owned()));
    world.faults.heal();
    wait(&mut world, Duration::minutes(10)).await;
    world.rounds(2).await;
    assert!(world.tasks().await.is_empty(), "{:?}", world.tasks().await);
}

/// Items that an order wants.
async fn wanted(world: &World, id: &str) -> i64 {
    let of = "SELECT sum(d.required_qty)::bigint FROM demands d JOIN subjects o ON o.id = d.subject_id WHERE o.number = $1";
    let sum = sqlx::query_scalar(of).bind(number(id));
    sum.fetch_one(world.engine.store.pool()).await.unwrap()
}

#[tokio::test]
async fn a_replica_that_lags_brings_back_nothing_that_was_edited_away() {
    let mut world = stocked(waves()).await;
    let id = world.shop.place_order(order(&[("APPLE", 3, "1000")]));
    world.rounds(3).await;
    let older = world.shop.shown(&id).unwrap();
    wait(&mut world, Duration::seconds(20)).await;
    let line = world.shop.order(&id).unwrap().lines[0].0.clone();
    assert!(world.shop.edit_quantity(&id, &line, 1));
    wait(&mut world, Duration::minutes(1)).await;
    world.rounds(3).await;
    assert_eq!(wanted(&world, &id).await, 1);
    // For minutes readers get the order as it was: it stays as it is known.
    world.shop.show_older(&id, older, 300);
    for _ in 0..4 {
        wait(&mut world, Duration::minutes(1)).await;
        world.rounds(3).await;
        assert_eq!(wanted(&world, &id).await, 1);
    }
}
