//! A rule acts only on what came after it, for every kind of effect, whatever is planned again.

use chrono::Duration;
use hikiate::daemon::plan_step;
use hikiate::plan::types::Status;

use crate::flow::world::{Setup, World, order};

const NO_MAIL: &str = "[channels.shop]\nmail = []";
const MAIL: &str = "[channels.shop]\nmail = [\"shipped\"]";

/// As many orders as given, on their way to shipped.
async fn ship(world: &mut World, n: usize) -> Vec<String> {
    let ids: Vec<String> = (0..n)
        .map(|_| world.shop.place_order(order(&[("APPLE", 1, "1000")])))
        .collect();
    for _ in 0..12 {
        world.rounds(1).await;
        if ids
            .iter()
            .all(|id| world.shop.order(id).unwrap().is_shipped())
        {
            break;
        }
    }
    world.rounds(2).await;
    for id in &ids {
        assert!(world.is(id, Status::Shipped).await || world.is(id, Status::Delivered).await);
    }
    ids
}

/// As if the daemon had never been started with these rules.
async fn never_active(world: &World, rules: &[&str]) {
    let gone = sqlx::query("DELETE FROM automations WHERE automation = ANY($1)")
        .bind(rules)
        .execute(world.engine.store.pool())
        .await
        .unwrap();
    assert_eq!(gone.rows_affected(), rules.len() as u64);
}

async fn stocked() -> World {
    let mut world = World::new(Setup::default()).await;
    world.tokyo.set_stock("APPLE", 500);
    world.count_stock().await;
    world.round().await;
    world
}

/// Makes every order due, closed ones too, as a release that plans everything again would.
async fn plan_everything(world: &mut World) {
    sqlx::query("UPDATE subjects SET plan_at = hk_now(), plan_class = 2, closed_at = NULL WHERE kind = 'order'")
        .execute(world.engine.store.pool())
        .await
        .unwrap();
    world.rounds(3).await;
}

async fn count(world: &World, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql)
        .fetch_one(world.engine.store.pool())
        .await
        .unwrap()
}

#[tokio::test]
async fn a_new_mail_does_not_go_to_orders_that_have_shipped() {
    let mut world = stocked().await;
    never_active(&world, &["mail:shipped"]).await;
    world.restart(|toml| toml.replace(MAIL, NO_MAIL)).await;
    ship(&mut world, 50).await;
    assert_eq!(world.mails.mails().len(), 0);
    world.advance(Duration::seconds(1)).await;
    world.restart(|toml| toml.replace(NO_MAIL, MAIL)).await;
    plan_everything(&mut world).await;
    assert_eq!(
        world.mails.mails().len(),
        0,
        "they shipped before the mail was a rule"
    );
    ship(&mut world, 1).await;
    assert_eq!(world.mails.mails().len(), 1, "the next one is told");
}

/// A season without mails is not made up for when they are on again.
#[tokio::test]
async fn a_rule_that_was_switched_off_begins_anew_when_it_is_on_again() {
    let mut world = stocked().await;
    ship(&mut world, 1).await;
    assert_eq!(world.mails.mails().len(), 1);
    world.restart(|toml| toml.replace(MAIL, NO_MAIL)).await;
    assert_eq!(
        count(
            &world,
            "SELECT count(*) FROM automations WHERE automation = 'mail:shipped'"
        )
        .await,
        0
    );
    assert_eq!(
        count(
            &world,
            "SELECT count(*) FROM automations WHERE automation = 'notice'"
        )
        .await,
        1,
        "the others go on"
    );
    ship(&mut world, 2).await;
    world.advance(Duration::seconds(1)).await;
    world.restart(|toml| toml.replace(NO_MAIL, MAIL)).await;
    plan_everything(&mut world).await;
    assert_eq!(
        world.mails.mails().len(),
        1,
        "nothing of the season is told"
    );
    ship(&mut world, 1).await;
    assert_eq!(world.mails.mails().len(), 2, "what ships now is");
    assert!(world.tasks().await.is_empty(), "{:?}", world.tasks().await);
}

/// One daemon runs through a season without mails that another one was started with.
#[tokio::test]
async fn a_daemon_that_runs_on_makes_up_for_no_season_without_its_rule() {
    let mut world = stocked().await;
    let other = world.daemon("other").await;
    world.advance(Duration::seconds(1)).await;
    world.restart(|toml| toml.replace(MAIL, NO_MAIL)).await;
    ship(&mut world, 2).await;
    world.advance(Duration::seconds(1)).await;
    world.restart(|toml| toml.replace(NO_MAIL, MAIL)).await;
    sqlx::query("UPDATE subjects SET plan_at = hk_now(), plan_class = 2, closed_at = NULL WHERE kind = 'order'")
        .execute(world.engine.store.pool())
        .await
        .unwrap();
    assert_eq!(plan_step(&other).await.unwrap(), 2);
    world.rounds(3).await;
    assert_eq!(world.mails.mails().len(), 0);
}

#[tokio::test]
async fn a_notice_a_capture_and_a_booking_do_not_reach_back() {
    let mut world = stocked().await;
    let bare = |toml: &str| {
        toml.replace(MAIL, "[channels.shop]\nmail = []\nshipping_notice = false")
            .replace(
                "method = \"card\", account = \"shop\"",
                "method = \"prepaid\"",
            )
            .replace("account = \"books\"", "account = \"old-books\"")
            .replace("[accounts.books]", "[accounts.old-books]")
            .replace("[accounts.books.titles]", "[accounts.old-books.titles]")
    };
    let whole = world.toml();
    never_active(&world, &["mail:shipped", "notice", "capture", "booking"]).await;
    world.restart(bare).await;
    let ids: Vec<String> = (0..3)
        .map(|_| world.shop.place_order(order(&[("APPLE", 1, "1000")])))
        .collect();
    world.rounds(14).await;
    for id in &ids {
        assert!(world.is(id, Status::Shipped).await);
    }
    let booked = world.journal_total();
    assert!(booked > 0, "the old books have them");
    let journals = count(
        &world,
        "SELECT count(*) FROM batches WHERE kind = 'journal'",
    )
    .await;
    world.advance(Duration::seconds(1)).await;
    world.restart(|_| whole.clone()).await;
    plan_everything(&mut world).await;
    world.rounds(14).await;
    for id in &ids {
        let seen = world.shop.order(id).unwrap();
        assert_eq!((seen.is_shipped(), seen.captures), (false, 0), "{id}");
    }
    assert_eq!(
        count(
            &world,
            "SELECT count(*) FROM batches WHERE kind = 'journal'"
        )
        .await,
        journals,
        "nothing is booked again into the new books"
    );
    assert_eq!(world.mails.mails().len(), 0);
    let next = ship(&mut world, 1).await;
    world.rounds(14).await;
    let seen = world.shop.order(&next[0]).unwrap();
    assert_eq!((seen.is_shipped(), seen.captures), (true, 1));
    assert_eq!(world.mails.mails().len(), 1);
    assert!(
        count(
            &world,
            "SELECT count(*) FROM batches WHERE kind = 'journal'"
        )
        .await
            > journals
    );
}

/// Orders that were placed before their channel began and were over then are history: no effects, no demand.
#[tokio::test]
async fn what_is_first_seen_shipped_is_history() {
    let mut world = World::new(Setup {
        begin: "",
        ..Setup::default()
    })
    .await;
    world.tokyo.set_stock("APPLE", 10);
    world.count_stock().await;
    let ids: Vec<String> = (0..5)
        .map(|_| world.shop.place_order(order(&[("APPLE", 1, "1000")])))
        .collect();
    for id in &ids {
        assert!(world.shop.cancel_order(id));
    }
    world.rounds(3).await;
    plan_everything(&mut world).await;
    assert_eq!(
        count(
            &world,
            "SELECT count(*) FROM subjects WHERE closed_at IS NOT NULL AND status = 'cancelled'"
        )
        .await,
        5
    );
    assert_eq!(
        count(&world, "SELECT count(*) FROM facts WHERE class = 'intent'").await,
        0
    );
    assert_eq!(count(&world, "SELECT count(*) FROM demands").await, 0);
    assert_eq!(world.free("APPLE", "tokyo").await, 10);
}
