//! External systems that ask for patience, refuse our credentials or lose replies, and orders that want more than
//! there is.

use chrono::Duration;
use hikiate::account::Account;
use hikiate::daemon::{allocate_step, plan_step, seal_step};
use hikiate::number::order_number;
use hikiate::plan::types::Status;
use hikiate_files::sim::SimHandling;
use hikiate_sdk::budget::{Budget, Limit};
use hikiate_sdk::faulty::{Fault, FaultSeam, When};
use hikiate_sdk::http::Method;
use sqlx::PgPool;

use super::world::{Setup, World, order};

async fn stocked(setup: Setup, units: i64) -> World {
    let mut world = World::new(setup).await;
    world.tokyo.set_stock("APPLE", units);
    world.count_stock().await;
    world.round().await;
    world
}

/// The shop answers 429 to everything for a while: it is asked again no sooner than it said, no account is given
/// up, and what has gathered goes out.
#[tokio::test]
async fn an_external_system_that_keeps_asking_for_patience_is_neither_hammered_nor_given_up() {
    let mut world = stocked(Setup::default(), 100).await;
    let placed: Vec<_> = (0..5)
        .map(|_| world.shop.place_order(order(&[("APPLE", 1, "1000")])))
        .collect();
    for _ in 0..30 {
        world
            .faults
            .inject_when(When::default(), Fault::RateLimited);
    }
    let asked = |world: &World| {
        world
            .faults
            .injected()
            .get(&Fault::RateLimited)
            .copied()
            .unwrap_or_default()
    };
    world.rounds(28).await;
    // Each of two streams may ask once in seven seconds.
    assert!((2..=12).contains(&asked(&world)), "{}", asked(&world));
    for _ in 0..60 {
        world.advance(Duration::seconds(8)).await;
        world.rounds(1).await;
    }
    assert_eq!(asked(&world), 30);
    for id in &placed {
        let seen = world.shop.order(id).unwrap();
        assert!(seen.is_shipped(), "{:?}", world.status(id).await);
        assert_eq!((seen.captures, seen.repeated()), (1, 0));
    }
    assert!(world.tasks().await.is_empty(), "{:?}", world.tasks().await);
}

fn shop(world: &World) -> &Account {
    let mut accounts = world.engine.accounts.values();
    accounts.find(|a| a.slug.as_str() == "shop").unwrap()
}

fn arrived(world: &World) -> usize {
    world.faults.arrivals().unwrap().len()
}

/// The shop throttles a page: what is due to be written waits as long, and goes out afterwards. Every call had its turn.
#[tokio::test]
async fn a_throttle_on_a_page_holds_back_writes_and_pages_take_turns() {
    let mut world = stocked(Setup::default(), 100).await;
    let id = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    let due = async |world: &World| {
        sqlx::query_scalar::<_, i64>("SELECT count(*) FROM effects WHERE account_id = $1")
            .bind(shop(world).id)
            .fetch_one(world.engine.store.pool())
            .await
            .unwrap()
    };
    // Everything but the last step of a round, until something is due to the shop.
    for _ in 0..60 {
        world.tokyo.tick(world.now()).await.unwrap();
        world.osaka.tick(world.now()).await.unwrap();
        world.advance(Duration::seconds(1)).await;
        world.pull().await;
        world.plan().await;
        seal_step(&world.engine).await.unwrap();
        world.plan().await;
        if due(&world).await > 0 {
            break;
        }
        world.push().await;
        world.plan().await;
    }
    assert!(due(&world).await > 0);
    world
        .faults
        .inject_when(When::new(Method::Get, "/admin/orders?"), Fault::SlowDown);
    world.advance(Duration::seconds(2)).await;
    world.pull().await;
    assert_eq!(world.faults.injected()[&Fault::SlowDown], 1);
    let before = arrived(&world);
    world.push().await;
    world.pull().await;
    assert_eq!(arrived(&world), before, "nothing is asked or written");
    // A 403 names no time: ten seconds.
    world.advance(Duration::seconds(11)).await;
    world.push().await;
    assert!(arrived(&world) > before);
    let counts = shop(&world).link.meter().counts();
    assert_eq!(
        (counts.calls, counts.throttled),
        (arrived(&world) as u64, 1)
    );
    world.rounds(20).await;
    let seen = world.shop.order(&id).unwrap();
    assert!(seen.is_shipped() && seen.repeated() == 0);
    assert!(world.tasks().await.is_empty(), "{:?}", world.tasks().await);
}

/// A budget of a day: used up it is used up, by a process that died as well, until the day ends where the shop is.
#[tokio::test]
async fn calls_of_a_day_are_counted_across_a_restart() {
    let mut world = stocked(Setup::default(), 100).await;
    let declare = async |world: &World| {
        let day = Limit::Day {
            calls: 60,
            zone: chrono_tz::Asia::Tokyo,
        };
        let account = shop(world);
        account
            .link
            .meter()
            .declare(vec![Budget::account(vec![day])]);
        account.go_on_counting(&world.engine.store).await.unwrap();
    };
    declare(&world).await;
    let begin = arrived(&world);
    world.rounds(12).await;
    let used = arrived(&world) - begin;
    assert!((12..=60).contains(&used), "{used}");
    // Nothing is given back: the process dies.
    world.restart(str::to_owned).await;
    declare(&world).await;
    world.rounds(50).await;
    let used = arrived(&world) - begin;
    assert!((20..=60).contains(&used), "{used} of 60");
    world.rounds(5).await;
    assert_eq!(arrived(&world) - begin, used, "the day is used up");
    assert!(shop(&world).link.meter().counts().put_off > 0);
    assert!(world.tasks().await.is_empty(), "{:?}", world.tasks().await);
    // 11:00 in Tokyo it was.
    world.advance(Duration::hours(13)).await;
    world.rounds(3).await;
    assert!(arrived(&world) - begin > used, "another day");
    // What was reserved and not used is given back with the account.
    world.engine.release(&world.owned).await.unwrap();
    let stored = world.engine.store.budget_days(shop(&world).id).await;
    let today = shop(&world).link.meter().days();
    assert_eq!(stored.unwrap(), today);
}

/// Sixty calls a day, as the process goes on counting them.
async fn by_the_day(world: &World) {
    let day = Limit::Day {
        calls: 60,
        zone: chrono_tz::Asia::Tokyo,
    };
    let account = shop(world);
    let meter = account.link.meter();
    meter.declare(vec![Budget::account(vec![day])]);
}

/// The lease is taken, and then the database is away for a moment: what was to be done with it is done the next time.
#[tokio::test]
async fn a_take_over_that_failed_is_made_up_for_and_the_day_s_count_goes_on() {
    let mut world = stocked(Setup::default(), 100).await;
    by_the_day(&world).await;
    let store = world.engine.store.clone();
    shop(&world).go_on_counting(&store).await.unwrap();
    world.rounds(6).await;
    let stored = store.budget_days(shop(&world).id).await.unwrap();
    assert!(stored[0].used > 0);
    world.restart(str::to_owned).await;
    by_the_day(&world).await;
    let rename = async |from: &str, to: &str| {
        let rename = format!("ALTER TABLE {from} RENAME TO {to}");
        sqlx::query(sqlx::AssertSqlSafe(rename))
            .execute(world.engine.store.pool())
            .await
            .unwrap();
    };
    rename("budget_days", "away").await;
    assert!(world.engine.own(true).await.is_err());
    rename("away", "budget_days").await;
    let owned = world.engine.own(false).await.unwrap();
    assert_eq!(shop(&world).link.meter().days(), stored);
    world.engine.release(&owned).await.unwrap();
    let after = world.engine.store.budget_days(shop(&world).id).await;
    assert_eq!(after.unwrap(), stored);
}

/// Somebody else has one account by now: the others are given back all the same.
#[tokio::test]
async fn an_account_that_was_lost_keeps_no_other_from_being_given_back() {
    let world = stocked(Setup::default(), 100).await;
    by_the_day(&world).await;
    let pool = world.engine.store.pool();
    sqlx::query("UPDATE accounts SET lease_token = nextval('lease_tokens') WHERE slug = 'shop'")
        .execute(pool)
        .await
        .unwrap();
    assert!(world.owned.len() > 1);
    world.engine.release(&world.owned).await.unwrap();
    let kept: Vec<String> =
        sqlx::query_scalar("SELECT slug FROM accounts WHERE owner IS NOT NULL ORDER BY slug")
            .fetch_all(pool)
            .await
            .unwrap();
    assert_eq!(kept, ["shop"]);
}

/// A key that was taken back: the account pauses and says so, drops nothing, and goes on by itself.
#[tokio::test]
async fn refused_credentials_pause_the_account_and_it_goes_on_by_itself() {
    let mut world = stocked(Setup::default(), 100).await;
    for _ in 0..3 {
        world
            .faults
            .inject_when(When::default(), Fault::Unauthorised);
    }
    let id = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    let refused = |world: &World| world.faults.injected()[&Fault::Unauthorised];
    world.rounds(30).await;
    assert_eq!(refused(&world), 1, "a paused account is left alone");
    assert!(world.tasks().await.contains(&"account_paused".to_owned()));
    for _ in 0..12 {
        world.advance(Duration::seconds(30)).await;
        world.rounds(2).await;
    }
    assert_eq!(refused(&world), 3);
    let seen = world.shop.order(&id).unwrap();
    assert!(seen.is_shipped(), "{:?}", world.status(&id).await);
    assert_eq!(seen.captures, 1);
    assert!(world.tasks().await.is_empty(), "{:?}", world.tasks().await);
}

/// Two calls were claimed together, and the first is answered with a rejection of the key: the second one is not made.
#[tokio::test]
async fn a_rejected_credential_stops_the_next_call_and_not_only_the_next_round() {
    let mut world = stocked(Setup::default(), 100).await;
    let orders = [
        world.shop.place_order(order(&[("APPLE", 1, "1000")])),
        world.shop.place_order(order(&[("APPLE", 1, "1000")])),
    ];
    for id in &orders {
        let path = format!("/admin/orders/{id}/fulfillments");
        world
            .faults
            .inject_when(When::new(Method::Post, &path), Fault::Unauthorised);
    }
    let refused = |world: &World| {
        let injected = world.faults.injected();
        injected.get(&Fault::Unauthorised).copied().unwrap_or(0)
    };
    for _ in 0..40 {
        world.advance(Duration::seconds(30)).await;
        world.rounds(2).await;
        if refused(&world) > 0 {
            break;
        }
    }
    assert_eq!(refused(&world), 1);
    world.rounds(20).await;
    assert_eq!(refused(&world), 1, "a paused account is left alone");
    for _ in 0..12 {
        world.advance(Duration::seconds(30)).await;
        world.rounds(2).await;
    }
    for id in &orders {
        let seen = world.shop.order(id).unwrap();
        assert!(seen.is_shipped(), "{:?}", world.status(id).await);
        assert_eq!(seen.captures, 1);
    }
}

/// The shop forbids one write of one order: that write is repeated ever more seldom and becomes a task; the account is not
/// paused, and the neighbour is shipped and captured.
#[tokio::test]
async fn a_forbidden_write_holds_up_its_own_order_alone() {
    let mut world = stocked(Setup::default(), 100).await;
    let (kept, other) = (
        world.shop.place_order(order(&[("APPLE", 1, "1000")])),
        world.shop.place_order(order(&[("APPLE", 1, "1000")])),
    );
    let path = format!("/admin/orders/{kept}/fulfillments");
    for _ in 0..6 {
        world
            .faults
            .inject_when(When::new(Method::Post, &path), Fault::Forbidden);
    }
    let forbidden = |world: &World| *world.faults.injected().get(&Fault::Forbidden).unwrap_or(&0);
    while forbidden(&world) < 5 {
        world.advance(Duration::seconds(30)).await;
        world.rounds(2).await;
        let tasks = world.tasks().await;
        assert!(!tasks.contains(&"account_paused".to_owned()), "{tasks:?}");
    }
    let seen = world.shop.order(&other).unwrap();
    assert!(seen.is_shipped(), "{:?}", world.status(&other).await);
    assert_eq!(seen.captures, 1);
    assert!(!world.shop.order(&kept).unwrap().is_shipped());
    assert!(world.tasks().await.contains(&"send_failing".to_owned()));
    for _ in 0..30 {
        world.advance(Duration::minutes(2)).await;
        world.rounds(2).await;
    }
    assert_eq!(forbidden(&world), 6);
    let seen = world.shop.order(&kept).unwrap();
    assert!(seen.is_shipped(), "{:?}", world.status(&kept).await);
    assert_eq!(seen.captures, 1);
    assert!(world.tasks().await.is_empty(), "{:?}", world.tasks().await);
}

/// 25 orders want seven units and four planners and allocators run at once: seven get one, nobody gets what is
/// not there.
#[tokio::test]
async fn more_orders_than_units_and_nobody_gets_what_is_not_there() {
    let setup = Setup {
        tokyo: r#"{ mode = "wave", cutoffs = ["13:00"] }"#,
        ..Setup::default()
    };
    let mut world = stocked(setup, 7).await;
    let placed: Vec<_> = (0..25)
        .map(|_| world.shop.place_order(order(&[("APPLE", 1, "1000")])))
        .collect();
    world.advance(Duration::seconds(1)).await;
    world.pull().await;
    let engine = &world.engine;
    for _ in 0..20 {
        let (a, b, c, d) = tokio::join!(
            plan_step(engine),
            allocate_step(engine),
            plan_step(engine),
            allocate_step(engine)
        );
        let done = a.unwrap() + b.unwrap() + c.unwrap() + d.unwrap();
        let rows = engine.store.list_stock(Some("APPLE")).await.unwrap();
        let given: i64 = rows.iter().map(|r| r.reserved + r.allocated).sum();
        assert!(given <= 7, "{given} of 7 given");
        if done == 0 {
            break;
        }
    }
    world.plan().await;
    let mut granted = 0;
    for id in &placed {
        match world.status(id).await.0.as_str() {
            "allocated" => granted += 1,
            other => assert_eq!(other, "backordered"),
        }
    }
    assert_eq!(granted, 7);
    assert_eq!(world.free("APPLE", "tokyo").await, 0);
}

/// Two lines are given back when their order is cancelled, each once; reading it again gives back no more.
#[tokio::test]
async fn a_cancelled_order_of_two_lines_holds_nothing() {
    let setup = Setup {
        tokyo: r#"{ mode = "wave", cutoffs = ["13:00"] }"#,
        ..Setup::default()
    };
    let mut world = World::new(setup).await;
    world.tokyo.set_stock("APPLE", 5);
    world.tokyo.set_stock("PEAR", 6);
    world.count_stock().await;
    world.round().await;
    let lines = [("APPLE", 2, "1000"), ("PEAR", 3, "500")];
    let gone = world.shop.place_order(order(&lines));
    let stays = world.shop.place_order(order(&lines));
    world.rounds(2).await;
    assert_eq!(world.free("APPLE", "tokyo").await, 1);
    assert_eq!(world.free("PEAR", "tokyo").await, 0);
    assert!(world.shop.cancel_order(&gone));
    for _ in 0..4 {
        world.rounds(1).await;
        world.shop.touch_order(&gone);
        world.shop.touch_order(&stays);
    }
    assert!(world.is(&gone, Status::Cancelled).await);
    assert!(world.is(&stays, Status::Allocated).await);
    assert_eq!(world.free("APPLE", "tokyo").await, 3);
    assert_eq!(world.free("PEAR", "tokyo").await, 3);
}

/// Whatever becomes of the reply to a capture, a fulfilment or a shipping notice: it happened once.
#[tokio::test]
async fn whatever_becomes_of_a_reply_it_happened_once() {
    let faults = [
        Fault::LostReply,
        Fault::NotSent,
        Fault::ErrorBefore,
        Fault::ErrorAfter,
        Fault::Slow,
        Fault::Garbage,
        Fault::Truncated,
        Fault::ErrorInOk,
    ];
    let mut world = stocked(Setup::default(), 100).await;
    // One after the other: a repetition that meets another fault is another case.
    for fault in faults {
        let id = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
        for path in ["/capture", "/fulfillments", "/shipments"] {
            world
                .faults
                .inject_when(When::new(Method::Post, path), fault);
        }
        for _ in 0..10 {
            world.rounds(2).await;
            world.advance(Duration::seconds(20)).await;
        }
        assert_eq!(world.faults.injected().get(&fault), Some(&3), "{fault:?}");
        let seen = world.shop.order(&id).unwrap();
        let stands = world.status(&id).await;
        assert!(seen.is_shipped(), "{fault:?}: {stands:?}");
        let captured = (seen.captures, seen.captured);
        assert_eq!(captured, (1, seen.total), "{fault:?}: {stands:?}");
        let once = (seen.repeated(), seen.fulfilments.len());
        assert_eq!(once, (0, 1), "{fault:?}");
    }
    assert!(world.tasks().await.is_empty(), "{:?}", world.tasks().await);
}

/// A process dies before its call leaves. The next one has to be told twice that it did not happen; that it was too early to ask is no
/// answer.
#[tokio::test]
async fn after_a_kill_two_look_ups_find_nothing_before_a_call_is_sent_again() {
    let mut world = stocked(Setup::default(), 100).await;
    let placed = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    let pool = PgPool::connect(world.database()).await.unwrap();
    let killed = "UPDATE effects SET outcome_unknown = true, sends = 1, first_sent_at = hk_now(), last_sent_at = hk_now(),
        body = NULL, error = 'the process was lost' WHERE op = 'fulfil' AND sends = 0 AND state = 'planned'";
    for _ in 0..20 {
        world.tokyo.tick(world.now()).await.unwrap();
        world.pull().await;
        world.plan().await;
        seal_step(&world.engine).await.unwrap();
        world.plan().await;
        if sqlx::query(killed)
            .execute(&pool)
            .await
            .unwrap()
            .rows_affected()
            == 1
        {
            break;
        }
        world.push().await;
        world.advance(Duration::seconds(1)).await;
    }
    let counted = async || -> Vec<(i16, i16, i16)> {
        let counts = "SELECT sends, lookups, not_found FROM effects WHERE op = 'fulfil'";
        sqlx::query_as(counts).fetch_all(&pool).await.unwrap()
    };
    world.push().await;
    assert_eq!(counted().await, [(1, 0, 0)], "it is too early to ask");
    world.advance(Duration::seconds(6)).await;
    world.push().await;
    assert_eq!(counted().await, [(1, 1, 1)], "one no");
    assert_eq!(world.shop.order(&placed).unwrap().fulfilments.len(), 0);
    world.advance(Duration::seconds(6)).await;
    world.push().await;
    assert_eq!(counted().await, [], "two, and it was sent");
    let seen = world.shop.order(&placed).unwrap();
    assert_eq!((seen.fulfilments.len(), seen.repeated()), (1, 0));
}

/// The reply to a fulfilment is lost, it did not happen, and staff ship the order by hand before it is looked for: each repetition is
/// rejected, and no look-up finds it. An operator is asked after the second rejection.
#[tokio::test]
async fn what_staff_ship_while_our_call_is_in_doubt_is_asked_about_after_two_rejections() {
    let mut world = stocked(Setup::default(), 100).await;
    let id = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    let path = format!("/admin/orders/{id}/fulfillments");
    let call = When::new(Method::Post, &path);
    world.faults.inject_when(call, Fault::ErrorBefore);
    while world.faults.injected().is_empty() {
        world.rounds(1).await;
    }
    let made = world.shop.staff_fulfil(&id, &[], None);
    assert!(world.shop.staff_ship(&id, &made.unwrap(), &["BYHAND1"]));
    let unresolved = async |world: &World| {
        let effects = world.engine.store.list_effects(true, 10).await.unwrap();
        effects
            .into_iter()
            .map(|e| (e.id, e.op, e.sends))
            .collect::<Vec<_>>()
    };
    for _ in 0..30 {
        world.advance(Duration::seconds(10)).await;
        world.rounds(1).await;
        if !unresolved(&world).await.is_empty() {
            break;
        }
    }
    let asked = unresolved(&world).await;
    let [(effect, op, sends)] = asked.as_slice() else {
        panic!("{asked:?}: {:?}", world.tasks().await);
    };
    assert_eq!((op.as_str(), *sends), ("fulfil", 3));
    let tasks = world.engine.store.list_tasks().await.unwrap();
    let task = tasks.iter().find(|task| task.kind == "unknown_outcome");
    let detail = &task.unwrap().detail;
    assert!(detail.contains("by another party"), "{detail}");
    let today = world.engine.today(world.now());
    world
        .engine
        .store
        .resolve_effect(*effect, false, "staff shipped it", "tester", today)
        .await
        .unwrap();
    world.rounds(20).await;
    assert!(unresolved(&world).await.is_empty());
    let seen = world.shop.order(&id).unwrap();
    assert_eq!((seen.fulfilments.len(), seen.captures), (1, 1));
}

/// A customer cancels at each moment between the order and the parcel: either nothing leaves, or what leaves is
/// an operator's task; nothing is captured of what the shop shows as cancelled before it left.
#[tokio::test]
async fn a_cancel_at_any_moment_never_ends_cancelled_and_shipped_unseen() {
    let handling = |_: &_| SimHandling {
        ship_after: 3,
        ..SimHandling::default()
    };
    let mut world = stocked(
        Setup {
            handling,
            ..Setup::default()
        },
        100,
    )
    .await;
    let placed: Vec<_> = (0..12)
        .map(|_| world.shop.place_order(order(&[("APPLE", 1, "1000")])))
        .collect();
    let mut taken = Vec::new();
    for id in &placed {
        taken.push(world.shop.cancel_order(id));
        world.rounds(1).await;
    }
    world.rounds(8).await;
    let shipped = world.tokyo.shipped();
    let tasks = world.engine.store.list_tasks().await.unwrap();
    for (wait, (id, taken)) in placed.iter().zip(&taken).enumerate() {
        let seen = world.shop.order(id).unwrap();
        assert_eq!(seen.cancelled, *taken);
        let number = order_number(&"shop".into(), &id.as_str().into());
        let left = shipped
            .keys()
            .any(|reference| reference.starts_with(&number));
        let told = tasks.iter().any(|t| t.subject == number);
        if *taken {
            assert_eq!(seen.captures, 0, "after {wait} rounds");
            assert!(
                !left || told,
                "after {wait} rounds: shipped, and nobody knows"
            );
        } else {
            assert!(seen.is_shipped() && left, "after {wait} rounds");
        }
    }
    // Early and late cancels were both among them.
    assert!(taken.contains(&true) && taken.contains(&false), "{taken:?}");
    assert!(shipped.len() < placed.len());
}
