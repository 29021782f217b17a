//! Holds shown to the staff of the shop.

use chrono::Duration;
use hikiate::plan::types::Status;
use hikiate_sdk::faulty::{Fault, FaultSeam as _, When};
use hikiate_sdk::http::Method;

use super::world::{Setup, World, order};
use crate::cli::{Ran, command};

/// More than 1,500 yen is held until somebody releases it, and five or more of anything while that is so.
const RULES: &str = "
[[hold]]
name = \"high-value\"
when = 'order.total >= yen(1500)'
[[hold]]
name = \"many\"
when = 'lines.exists(line, line.qty >= 5)'
release = \"auto\"
";

async fn world(annotate: &'static str) -> World {
    let mut world = World::new(Setup {
        channel: annotate,
        more: RULES,
        ..Setup::default()
    })
    .await;
    world.tokyo.set_stock("APPLE", 100);
    world.count_stock().await;
    world.rounds(2).await;
    world
}

async fn held(annotate: &'static str) -> (World, String) {
    let mut world = world(annotate).await;
    let id = world.shop.place_order(order(&[("APPLE", 2, "1000")]));
    world.rounds(6).await;
    (world, id)
}

impl World {
    fn note(&self, id: &str) -> Option<String> {
        let order = self.shop.order(id).unwrap();
        order.note().map(str::to_owned)
    }

    fn release_hold(&self, id: &str, rule: &str) {
        let number = hikiate::number::order_number(&"shop".into(), &id.into());
        let arguments = [
            "order", "release", &number, "--rule", rule, "--reason", "ok",
        ];
        let ran = Ran::of(command(
            &self.dir.path().join("hikiate.toml"),
            Some(self.database()),
            &arguments,
        ));
        assert_eq!(ran.code, Some(0), "{}", ran.err);
    }

    /// Plans, facts and writes at the shop so far.
    async fn spent(&self) -> (u64, i64, u64) {
        let facts = sqlx::query_scalar("SELECT count(*) FROM facts");
        let facts = facts.fetch_one(self.engine.store.pool()).await.unwrap();
        (self.engine.metrics.plans.get(), facts, self.shop.writes())
    }
}

#[tokio::test]
async fn nothing_is_written_unless_it_is_configured() {
    let (world, id) = held("").await;
    assert!(world.is(&id, Status::Unallocated).await);
    assert_eq!((world.note(&id), world.shop.writes()), (None, 0));
}

#[tokio::test]
async fn a_note_comes_to_rest_whatever_staff_do_to_it() {
    let (mut world, id) = held("annotate = \"holds\"").await;
    let note = || Some("on hold: high-value".to_owned());
    assert_eq!(world.note(&id), note());
    assert_eq!(world.shop.writes(), 1);
    // Our own write moved the order's time of change, so it was read again: nothing more comes of that.
    let spent = world.spent().await;
    world.advance(Duration::minutes(40)).await;
    world.rounds(10).await;
    assert_eq!(world.spent().await, spent, "plans, facts, writes");
    // Staff delete it, or write over it: it stays as they leave it.
    world.shop.edit_metadata(&id, "hikiate_hold", None);
    world.rounds(6).await;
    assert_eq!(world.note(&id), None);
    world
        .shop
        .edit_metadata(&id, "hikiate_hold", Some("called them"));
    world.shop.edit_metadata(&id, "checked_by", Some("staff"));
    world.rounds(6).await;
    assert_eq!(world.note(&id).as_deref(), Some("called them"));
    assert_eq!(world.shop.writes(), 1);
    // A second hold, and its end, are changes.
    let line = world.shop.order(&id).unwrap().lines[0].0.clone();
    assert!(world.shop.edit_quantity(&id, &line, 5));
    world.rounds(6).await;
    let both = world.note(&id).unwrap_or_default();
    assert_eq!(both, "on hold: high-value; many");
    assert!(world.shop.edit_quantity(&id, &line, 2));
    world.rounds(6).await;
    assert_eq!((world.note(&id), world.shop.writes()), (note(), 3));
    world.release_hold(&id, "high-value");
    world.rounds(3).await;
    assert_eq!(world.note(&id), None);
    let metadata = world.shop.order(&id).unwrap().metadata;
    assert_eq!(metadata["checked_by"], "staff");
}

#[tokio::test]
async fn a_held_order_that_is_cancelled_in_the_shop_keeps_its_note_and_is_closed() {
    let (mut world, id) = held("annotate = \"holds\"").await;
    assert!(world.shop.cancel_order(&id));
    world.rounds(8).await;
    assert!(world.is(&id, Status::Cancelled).await);
    assert!(
        world.note(&id).is_some(),
        "the shop changes no cancelled order"
    );
    assert_eq!((world.shop.writes(), world.tasks().await), (1, Vec::new()));
    let closed: bool = sqlx::query_scalar(
        "SELECT closed_at IS NOT NULL AND NOT EXISTS (SELECT FROM effects) FROM subjects WHERE external_id = $1",
    )
    .bind(&id)
    .fetch_one(world.engine.store.pool())
    .await
    .unwrap();
    assert!(closed);
}

#[tokio::test]
async fn a_shop_that_takes_no_note_ships_and_captures_all_the_same() {
    for fault in [Fault::ErrorBefore, Fault::LostReply, Fault::Refused] {
        let mut world = world("annotate = \"holds\"").await;
        let id = world.shop.place_order(order(&[("APPLE", 2, "1000")]));
        // The path of an update of the order, and of nothing else.
        let update = When::new(Method::Post, format!("/admin/orders/{id}?"));
        for _ in 0..100 {
            world.faults.inject_when(update.clone(), fault);
        }
        world.rounds(6).await;
        assert_eq!(world.tasks().await, ["hold:high-value"], "{fault}");
        world.release_hold(&id, "high-value");
        world.rounds(20).await;
        let seen = world.shop.order(&id).unwrap();
        assert_eq!((seen.is_shipped(), seen.captures), (true, 1), "{fault}");
        assert_eq!(world.tasks().await, Vec::<String>::new(), "{fault}");
        assert!(world.faults.injected().contains_key(&fault), "{fault}");
        // What was not answered is removed again once that works.
        world.faults.heal();
        for _ in 0..4 {
            world.advance(Duration::minutes(70)).await;
            world.rounds(3).await;
        }
        assert_eq!(world.note(&id), None, "{fault}");
    }
}

#[tokio::test]
async fn nothing_is_written_before_the_channel_begins() {
    let mut world = World::new(Setup {
        begin: "",
        channel: "annotate = \"holds\"",
        more: RULES,
        ..Setup::default()
    })
    .await;
    let id = world.shop.place_order(order(&[("APPLE", 2, "1000")]));
    world.rounds(6).await;
    assert_eq!((world.note(&id), world.shop.writes()), (None, 0));
}
