//! The first start on a living shop, beginning, and stopping again.

use std::fs;

use chrono::{DateTime, Duration, Utc};
use hikiate::facts::OrderClass;
use hikiate::plan::types::Status;
use hikiate::store::{BeginTerms, Classed, StoreError, ToSend, Unbegun};
use hikiate_medusa::sim::NewOrder;
use hikiate_sdk::AccountSlug;

use super::world::{Setup, World, order, start};
use crate::support::db;

fn shop() -> AccountSlug {
    AccountSlug::new("shop")
}

/// A shop that nobody has begun, with ten apples at Tokyo.
async fn quiet(setup: Setup) -> World {
    let mut world = World::new(Setup { begin: "", ..setup }).await;
    world.tokyo.set_stock("APPLE", 10);
    world.count_stock().await;
    world.round().await;
    world
}

/// Places an order as if the customer had ordered then.
fn placed(world: &World, at: DateTime<Utc>, order: NewOrder) -> String {
    let now = world.clock.now();
    world.clock.set(at);
    let id = world.shop.place_order(order);
    world.clock.set(now);
    id
}

fn apples(n: u32) -> NewOrder {
    order(&[("APPLE", n, "1000")])
}

async fn begin(
    world: &World,
    from: Option<DateTime<Utc>>,
    classes: &[(&str, OrderClass)],
) -> Result<bool, StoreError> {
    let store = &world.engine.store;
    let mut ids = Vec::new();
    for (order, _) in classes {
        ids.push(store.find_subject(&format!("shop/{order}")).await?.0);
    }
    let listed = store.orders_to_class(&shop(), world.now(), &ids).await?;
    let classed = |(id, (_, class)): (&i64, &(&str, OrderClass))| Classed {
        order: listed.iter().find(|o| o.id == *id).unwrap().clone(),
        class: class.clone(),
    };
    let classes: Vec<_> = ids.iter().zip(classes).map(classed).collect();
    let terms = BeginTerms {
        from,
        left_until: None,
        reason: "go".to_owned(),
        actor: "hanako".to_owned(),
        today: world.engine.today(world.now()),
    };
    store.begin(&shop(), &terms, &classes).await
}

async fn unbegin(world: &World) -> Unbegun {
    let store = &world.engine.store;
    store.unbegin(&shop(), "stop", "hanako").await.unwrap()
}

/// Files of ours that a warehouse or the books were given.
fn files(world: &World, folder: &str) -> usize {
    let at = world.dir.path().join(folder);
    fs::read_dir(at).unwrap().count()
}

/// Everything that left for another system.
fn written(world: &World) -> (u64, usize, usize, usize) {
    (
        world.shop.writes(),
        world.mails.mails().len(),
        world.tokyo.instructions().len() + files(world, "tokyo/outgoing"),
        files(world, "books/outgoing"),
    )
}

async fn count(world: &World, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql)
        .fetch_one(world.engine.store.pool())
        .await
        .unwrap()
}

/// The orders of a first start are often read before the first count, which makes their items.
#[tokio::test]
async fn what_was_read_before_the_first_count_reserves_as_soon_as_that_comes() {
    let mut world = World::new(Setup {
        begin: "",
        ..Setup::default()
    })
    .await;
    let id = world.shop.place_order(apples(3));
    world.rounds(3).await;
    let before_begin = ("unallocated".to_owned(), Some("begin".to_owned()));
    assert_eq!(world.status(&id).await, before_begin);
    assert_eq!(count(&world, "SELECT count(*) FROM demands").await, 0);
    world.tokyo.set_stock("APPLE", 10);
    world.count_stock().await;
    world.rounds(2).await;
    assert_eq!(world.free("APPLE", "tokyo").await, 7);
    assert_eq!(world.status(&id).await, before_begin);
    // One that has its units is not planned again for each further item.
    assert_eq!(world.engine.store.wake_mapped().await.unwrap(), 0);
}

#[tokio::test]
async fn the_first_start_on_a_living_shop_only_looks() {
    let mut world = quiet(Setup::default()).await;
    let old = |days| start() - Duration::days(days);
    let finished = placed(&world, old(330), apples(1));
    world.shop.set_status(&finished, "completed");
    let cancelled = placed(&world, old(200), apples(1));
    assert!(world.shop.cancel_order(&cancelled));
    let zombie = placed(&world, old(400), apples(1));
    let by_hand = placed(&world, old(20), apples(2));
    let today = placed(&world, start(), apples(3));
    world.rounds(20).await;

    assert_eq!(written(&world), (0, 0, 0, 0));
    assert_eq!(count(&world, "SELECT count(*) FROM effects").await, 0);
    assert_eq!(count(&world, "SELECT count(*) FROM shipments").await, 0);
    let is = |status: &str| (status.to_owned(), Some("begin".to_owned()));
    assert_eq!(world.status(&zombie).await, is("received"));
    assert_eq!(world.status(&by_hand).await, is("unallocated"));
    assert_eq!(world.status(&today).await, is("unallocated"));
    assert!(world.is(&finished, Status::Delivered).await);
    assert!(world.is(&cancelled, Status::Cancelled).await);
    assert_eq!(
        world.free("APPLE", "tokyo").await,
        5,
        "all but the zombie reserve"
    );
    assert_eq!(world.tasks().await, ["not_begun"]);
    assert_eq!(
        count(
            &world,
            "SELECT count(*) FROM demands WHERE NOT behind AND required_qty > 0"
        )
        .await,
        0
    );
    assert_eq!(
        files(&world, "tokyo/incoming"),
        0,
        "files are taken as always"
    );

    assert!(!begin(&world, Some(start()), &[]).await.unwrap());
    world.rounds(14).await;
    assert!(world.shop.order(&today).unwrap().is_shipped());
    assert_eq!(world.shop.order(&today).unwrap().captures, 1);
    assert_eq!(world.status(&by_hand).await.1.as_deref(), Some("left"));
    assert_eq!(world.status(&zombie).await.1.as_deref(), Some("history"));
    assert_eq!(
        (world.tokyo.shipped().len(), world.mails.mails().len()),
        (1, 1)
    );
    for id in [&finished, &cancelled, &zombie, &by_hand] {
        let seen = world.shop.order(id).unwrap();
        assert_eq!((seen.captures, seen.fulfilments.len()), (0, 0), "{id}");
    }
    assert!(world.tasks().await.is_empty());
    assert!(
        begin(&world, Some(start()), &[]).await.unwrap(),
        "it had begun"
    );
}

/// A is with the old system, B waits for its deposit and is adopted, C is a zombie, D came after the beginning.
#[tokio::test]
async fn at_a_switch_each_kind_of_order_goes_its_own_way() {
    let mut world = quiet(Setup::default()).await;
    let bank = NewOrder {
        provider_id: "pp_bank".to_owned(),
        authorised: false,
        ..apples(2)
    };
    let a = placed(&world, start() - Duration::days(2), apples(1));
    let b = placed(&world, start() - Duration::days(1), bank);
    let c = placed(&world, start() - Duration::days(400), apples(1));
    world.rounds(3).await;
    begin(&world, Some(start()), &[(&b, OrderClass::Adopted)])
        .await
        .unwrap();
    let d = placed(&world, start() + Duration::minutes(5), apples(1));
    world.advance(Duration::minutes(6)).await;
    world.rounds(14).await;
    assert!(world.shop.order(&d).unwrap().is_shipped());
    assert_eq!(world.status(&b).await.1.as_deref(), Some("payment"));
    assert_eq!(
        world.free("APPLE", "tokyo").await,
        10 - 1 - 1 - 2,
        "A and B keep theirs"
    );
    world.deposit(&b, "bank-1", 2750).await;
    world.rounds(14).await;
    assert!(world.shop.order(&b).unwrap().is_shipped());
    assert_eq!(world.mails.mails().len(), 2);
    for id in [&a, &c] {
        let seen = world.shop.order(id).unwrap();
        assert_eq!((seen.captures, seen.fulfilments.len()), (0, 0));
    }
    assert!(world.tasks().await.is_empty());
    world.advance(Duration::days(7)).await;
    world.rounds(2).await;
    assert_eq!(world.tasks().await, ["left_unfulfilled"], "of A alone");
    assert!(world.shop.cancel_order(&a));
    world.rounds(3).await;
    assert!(world.tasks().await.is_empty());
    assert_eq!(
        world.free("APPLE", "tokyo").await,
        7,
        "A's unit is free again"
    );
}

#[tokio::test]
async fn results_under_the_old_systems_reference_are_ours_once_the_order_is_adopted() {
    let mut world = quiet(Setup::default()).await;
    let a = placed(&world, start() - Duration::days(2), apples(2));
    world.rounds(2).await;
    let class = OrderClass::AdoptedInstructed {
        reference: "NE-2026-0000000000000000001".into(),
        warehouse: "tokyo".to_owned(),
        account: AccountSlug::new("tokyo-3pl"),
    };
    begin(&world, Some(start()), &[(&a, class)]).await.unwrap();
    world.rounds(3).await;
    assert!(world.is(&a, Status::Instructed).await);
    assert_eq!(written(&world), (0, 0, 0, 0), "it is never instructed");
    let result = "出荷指示番号,行番号,商品コード,出荷数量,配送業者,送り状番号,出荷日時\n\
                  NE-2026-0000000000000000001,1,APPLE,2,ヤマト,4012,2026/11/20 11:00:00\n";
    let incoming = world.dir.path().join("tokyo/incoming");
    fs::write(incoming.join("jisseki-old.csv"), result).unwrap();
    world.rounds(14).await;
    let seen = world.shop.order(&a).unwrap();
    assert!(seen.is_shipped(), "{:?}", world.tasks().await);
    assert_eq!(
        (seen.captures, seen.captured, seen.fulfilments.len()),
        (1, 2750, 1)
    );
    assert_eq!(world.mails.mails().len(), 1);
    assert_eq!(world.journal_total(), 2750);
    assert!(world.tokyo.instructions().is_empty());
}

#[tokio::test]
async fn after_a_stop_nothing_is_sealed_or_sent_until_the_channel_begins_again() {
    let setup = Setup {
        tokyo: r#"{ mode = "wave", cutoffs = ["13:00"] }"#,
        ..Setup::default()
    };
    let mut world = quiet(setup).await;
    begin(&world, Some(start()), &[]).await.unwrap();
    let waiting = placed(&world, start() + Duration::seconds(1), apples(1));
    world.rounds(3).await;
    assert_eq!(world.status(&waiting).await.1.as_deref(), Some("batch"));
    let left = unbegin(&world).await;
    assert_eq!((left.waiting, left.instructed, left.withdrawn), (1, 0, 0));
    // The wave's time comes before the order is planned again.
    world.advance(Duration::hours(2)).await;
    hikiate::daemon::seal_step(&world.engine).await.unwrap();
    world.rounds(5).await;
    assert_eq!(written(&world), (0, 0, 0, 0));
    assert_eq!(world.status(&waiting).await.1.as_deref(), Some("begin"));
    assert_eq!(world.tasks().await, ["not_begun"]);
    assert!(matches!(
        world.engine.store.unbegin(&shop(), "again", "hanako").await,
        Err(StoreError::Refused(_))
    ));

    begin(&world, Some(start()), &[]).await.unwrap();
    world.rounds(2).await;
    world.advance(Duration::hours(24)).await;
    world.rounds(14).await;
    assert!(world.shop.order(&waiting).unwrap().is_shipped());
    assert!(world.tokyo.duplicates().is_empty());
}

/// Goods leave while the channel is stopped: all of it is told, captured, mailed and booked once, when it goes on.
#[tokio::test]
async fn calls_that_were_claimed_when_the_channel_was_stopped_are_not_sent() {
    let mut world = quiet(Setup::default()).await;
    begin(&world, Some(start()), &[]).await.unwrap();
    let id = placed(&world, start() + Duration::seconds(1), apples(1));
    let mut owned = None;
    for _ in 0..20 {
        world.tokyo.tick(world.now()).await.unwrap();
        world.advance(Duration::seconds(1)).await;
        world.pull().await;
        world.plan().await;
        hikiate::daemon::seal_step(&world.engine).await.unwrap();
        world.plan().await;
        if count(&world, "SELECT count(*) FROM effects WHERE op = 'fulfil'").await > 0 {
            owned = world
                .owned
                .iter()
                .find(|o| world.engine.accounts[&o.id].slug == shop())
                .cloned();
            break;
        }
        world.push().await;
        world.plan().await;
    }
    let owned = owned.unwrap();
    let before = written(&world);
    let store = world.engine.store.clone();
    let claimed = store.claim_effects(&owned, 10, 60).await.unwrap();
    assert_eq!(claimed.len(), 1);
    let left = unbegin(&world).await;
    assert!(left.withdrawn >= 1 && left.sending == 0, "{left:?}");
    let send = ToSend {
        id: claimed[0].id,
        token: claimed[0].token,
        body: b"bytes".to_vec(),
        label: "POST /x".to_owned(),
    };
    let marked = store.mark_sending(&owned, &[send], 60).await.unwrap();
    assert!(marked.bytes.is_empty(), "the claim is void");
    world.push().await;
    assert_eq!(
        written(&world),
        before,
        "nothing is claimed before it is planned again"
    );
    world.rounds(8).await;
    assert_eq!(written(&world), before);
    assert_eq!(count(&world, "SELECT count(*) FROM effects").await, 0);

    begin(&world, Some(start()), &[]).await.unwrap();
    world.rounds(14).await;
    let seen = world.shop.order(&id).unwrap();
    assert!(seen.is_shipped());
    assert_eq!(
        (seen.captures, seen.repeated(), world.mails.mails().len()),
        (1, 0, 1)
    );
    assert_eq!(world.journal_total(), 1650);
}

/// The tables as the version before left them, with a shop at work and one that never had an order.
#[tokio::test]
async fn a_database_that_has_orders_counts_as_begun_since_its_first_automation() {
    let database = db().await;
    let run = async |sql: String| {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
            .execute(&database.pool)
            .await
            .unwrap()
    };
    run("DROP SCHEMA public CASCADE; CREATE SCHEMA public".to_owned()).await;
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    names.sort();
    let at = names
        .iter()
        .position(|p| p.ends_with("0007_begin.sql"))
        .unwrap();
    for file in &names[..at] {
        run(fs::read_to_string(file).unwrap()).await;
    }
    run("INSERT INTO accounts (slug, connector) VALUES ('shop', 'medusa'), ('wh', 'files'), ('new', 'medusa');
         INSERT INTO rule_epochs SELECT r, id, t::timestamptz FROM (VALUES ('notice', 'shop', '2026-01-02Z'), ('capture', 'shop', '2026-01-01Z'),
           ('instruct', 'wh', '2025-12-01Z')) AS v (r, s, t) JOIN accounts ON slug = s;
         INSERT INTO subjects (kind, account_id, external_id, number, origin, created_at) VALUES ('order', 1, 'o1', 'HK1', 'live', '2026-01-05Z')"
        .to_owned())
    .await;
    run(fs::read_to_string(&names[at]).unwrap()).await;
    let acts: Vec<(String, bool, Option<DateTime<Utc>>)> = sqlx::query_as(
        "SELECT slug, hk_acts(a.id), c.from_at FROM accounts a LEFT JOIN channel_begins c ON c.account_id = a.id ORDER BY a.id",
    )
    .fetch_all(&database.pool)
    .await
    .unwrap();
    let from = "2026-01-01T00:00:00Z".parse().ok();
    let no = |name: &str| (name.to_owned(), false, None);
    assert_eq!(acts, [("shop".to_owned(), true, from), no("wh"), no("new")]);
}

/// An order in hand when the database is upgraded goes on, though it was placed before the first automation.
#[tokio::test]
async fn what_was_in_hand_before_an_upgrade_goes_on() {
    let mut world = quiet(Setup::default()).await;
    let old = placed(&world, start() - Duration::days(3), apples(1));
    let shipped = placed(&world, start() - Duration::days(3), apples(1));
    world.shop.set_status(&shipped, "completed");
    world.round().await;
    sqlx::raw_sql(
        "UPDATE subjects SET origin = 'history' WHERE closed_at IS NOT NULL;
         INSERT INTO channel_begins (account_id, begun_at, from_at, known_at, actor, reason)
         SELECT id, hk_now(), hk_now(), hk_now(), 'migrate', 'at work' FROM accounts WHERE slug = 'shop';
         UPDATE subjects SET plan_at = hk_now()",
    )
    .execute(world.engine.store.pool())
    .await
    .unwrap();
    world.advance(Duration::seconds(1)).await;
    let late = placed(&world, start() - Duration::days(3), apples(1));
    world.shop.touch_order(&late);
    world.rounds(14).await;
    assert!(world.shop.order(&old).unwrap().is_shipped());
    assert_eq!(world.shop.order(&shipped).unwrap().fulfilments.len(), 0);
    assert_eq!(world.status(&late).await.1.as_deref(), Some("left"));
}
