//! Reading: ties, changes while it is paged, the bin, drafts, statuses of plug-ins that are gone.

use std::collections::BTreeSet;
use std::time::Duration;

use hikiate_sdk::{ChannelState, Currency, ErrorClass, ExternalId, Here, Kind, Source};

use super::support::{World, account, at, basket, by_id, drain, shop};
use crate::config::Settings;

fn settings(page_size: usize) -> Settings {
    Settings {
        page_size,
        ..Settings::default()
    }
}

#[tokio::test]
async fn two_hundred_and_fifty_orders_of_one_second_are_read_each() {
    let clock = at("2026-11-21T10:00:00Z");
    let sim = shop(&clock, Currency::JPY);
    let woo = account(sim.transport(), settings(100));
    sim.place_order(basket());
    clock.advance(Duration::from_secs(1));
    let placed: BTreeSet<String> = (0..250).map(|_| sim.place_order(basket())).collect();
    clock.advance(Duration::from_secs(1));
    let last = sim.place_order(basket());
    let (read, cursor) = drain(&woo, None, &clock, |_| ()).await;
    let read: BTreeSet<String> = read.into_iter().collect();
    assert!(placed.is_subset(&read) && read.contains(&last) && read.len() == 252);
    // Quiet again: the next round reads a tail and ends.
    let before = sim.requests();
    drain(&woo, Some(cursor), &clock, |_| ()).await;
    assert!(sim.requests() - before < 10);
}

#[tokio::test]
async fn what_changes_while_it_is_paged_is_neither_skipped_nor_read_for_ever() {
    let clock = at("2026-11-21T10:00:00Z");
    let sim = shop(&clock, Currency::JPY);
    let woo = account(sim.transport(), settings(10));
    let placed: Vec<String> = (0..45).map(|_| sim.place_order(basket())).collect();
    clock.advance(Duration::from_secs(5));
    let mut next = 0;
    let (read, cursor) = drain(&woo, None, &clock, |n| {
        // Orders leave the second that is being read, and a new one comes, after each page of the first dozen.
        if n < 12 {
            clock.advance(Duration::from_secs(1));
            sim.touch_order(&placed[next]);
            sim.touch_order(&placed[44 - next]);
            sim.place_order(basket());
            next += 1;
        }
    })
    .await;
    let mut read: BTreeSet<String> = read.into_iter().collect();
    clock.advance(Duration::from_secs(30));
    read.extend(drain(&woo, Some(cursor), &clock, |_| ()).await.0);
    let all: BTreeSet<String> = sim.orders().into_iter().map(|order| order.id).collect();
    assert_eq!(all.difference(&read).count(), 0);
}

#[tokio::test]
async fn the_seconds_of_the_shop_are_asked_for_in_gmt() {
    // The shop is nine hours ahead: asked for in its own zone, the window would be in the past or empty.
    let clock = at("2026-11-21T23:59:58Z");
    let sim = shop(&clock, Currency::JPY);
    let woo = account(sim.transport(), settings(10));
    let first = sim.place_order(basket());
    let (read, cursor) = drain(&woo, None, &clock, |_| ()).await;
    assert_eq!(read, [first]);
    // Not the sweep that follows the first round, but the tail after that.
    let (_, cursor) = drain(&woo, Some(cursor), &clock, |_| ()).await;
    clock.advance(Duration::from_secs(60));
    let second = sim.place_order(basket());
    let (read, _) = drain(&woo, Some(cursor), &clock, |_| ()).await;
    assert!(read.contains(&second), "{read:?}");
}

#[tokio::test]
async fn a_cache_that_shows_its_first_page_again_moves_nothing() {
    let clock = at("2026-11-21T10:00:00Z");
    let sim = shop(&clock, Currency::JPY);
    let woo = account(sim.transport(), settings(2));
    for _ in 0..5 {
        sim.place_order(basket());
        clock.advance(Duration::from_secs(600));
    }
    let (_, cursor) = drain(&woo, None, &clock, |_| ()).await;
    clock.advance(Duration::from_secs(3600));
    sim.repeat_first_page(60);
    let page = woo
        .page("orders", Some(&cursor), Here::at(clock.now()))
        .await;
    assert!(page.is_err_and(|e| e.class == ErrorClass::Protocol && e.message.contains("cache")));
}

#[tokio::test]
async fn an_order_in_the_bin_is_absent_and_back_when_it_is_restored() {
    let world = World::new(true, Settings::default());
    assert!(world.read().await.is_some());
    assert!(world.sim.trash_order(&world.order));
    assert_eq!(world.read().await, None);
    assert!(world.sim.restore_order(&world.order));
    assert_eq!(
        world.read().await.map(|order| order.state),
        Some(ChannelState::Open)
    );
    assert!(world.sim.delete_order(&world.order));
    assert_eq!(world.read().await, None);
}

#[tokio::test]
async fn an_order_whose_status_nobody_stands_for_is_unknown_and_never_absent() {
    let world = World::new(true, Settings::default());
    world.sim.register_status("picking");
    assert!(world.sim.set_status(&world.order, "picking"));
    let unknown = Some(ChannelState::Unknown {
        raw: "picking".to_owned(),
    });
    assert_eq!(world.read().await.map(|order| order.state), unknown);
    // The plug-in is turned off: no list has the order any more.
    world.sim.forget_status("picking");
    assert_eq!(world.read().await.map(|order| order.state), unknown);
}

#[tokio::test]
async fn a_draft_is_answered_as_left_out() {
    let world = World::new(true, Settings::default());
    let draft = world.sim.place_order(crate::sim::NewOrder {
        status: "checkout-draft".to_owned(),
        ..basket()
    });
    let ids = [ExternalId::from(draft.as_str())];
    let read = world.woo.read(Kind::Order, &ids).await.unwrap();
    assert!(read.len() == 1 && read[0].excluded);
}

#[tokio::test]
async fn many_ids_are_one_call_and_only_the_missing_ones_are_asked_for_alone() {
    let world = World::new(true, Settings::default());
    let mut ids: Vec<ExternalId> = (0..20)
        .map(|_| ExternalId::new(world.sim.place_order(basket())))
        .collect();
    let before = world.sim.requests();
    assert_eq!(world.woo.read(Kind::Order, &ids).await.unwrap().len(), 20);
    assert_eq!(world.sim.requests() - before, 1);
    ids.push(ExternalId::from("999999"));
    ids.push(ExternalId::from("../users"));
    assert_eq!(world.woo.read(Kind::Order, &ids).await.unwrap().len(), 20);
    assert_eq!(world.sim.requests() - before, 3);
}

#[tokio::test]
async fn refunds_and_fulfilments_are_read_with_the_orders_that_have_any() {
    let world = World::new(true, Settings::default());
    world.sim.place_order(basket());
    let line = world.line(0);
    world
        .sim
        .refund_lines_by_staff(&world.order, 1100, &[(&line, 1)], true);
    world.sim.refund_by_staff(&world.order, 200);
    world
        .sim
        .staff_fulfil(&world.order, &[(&line, 1)], "BYHAND1", true);
    let before = world.sim.requests();
    let page = world
        .woo
        .page(
            "orders",
            None,
            Here::at("2026-11-21T10:00:00Z".parse().unwrap()),
        )
        .await;
    assert_eq!(page.unwrap().records.len(), 2);
    assert_eq!(
        world.sim.requests() - before,
        3,
        "the list, refunds and fulfilments of one"
    );
    let order = by_id(&world.woo, &world.order).await.unwrap();
    assert_eq!(order.tenders[0].refunded, 1300);
    assert_eq!(
        order.tenders[0].refunds[0].lines,
        [(line.as_str().into(), 1)]
    );
    let shipped = &order.fulfilments[0];
    assert_eq!(
        (shipped.reference.clone(), shipped.tracking.join(",")),
        (None, "BYHAND1".to_owned())
    );
    assert_eq!(
        shipped.shipped_at.map(|at| at.to_rfc3339()).as_deref(),
        Some("2026-11-21T10:00:00+00:00")
    );
    // Deleted, a list does not have it any more.
    assert!(
        world
            .sim
            .staff_delete_fulfilment(&world.order, shipped.key.as_str())
    );
    assert!(
        by_id(&world.woo, &world.order)
            .await
            .unwrap()
            .fulfilments
            .is_empty()
    );
}

#[tokio::test]
async fn what_staff_edit_is_read_as_it_is_then() {
    let world = World::new(true, Settings::default());
    let (mug, tea) = (world.line(0), world.line(1));
    assert!(world.sim.edit_quantity(&world.order, &mug, 1));
    assert!(world.sim.remove_line(&world.order, &tea));
    let pen = world.sim.add_line(&world.order, "PEN", 3, "110").unwrap();
    assert!(world.sim.add_fee(&world.order, "Goodwill", "-110"));
    let order = world.read().await.unwrap();
    let lines: Vec<_> = order
        .lines
        .iter()
        .map(|l| (l.key.as_str(), l.quantity))
        .collect();
    assert_eq!(lines, [(mug.as_str(), 1), (pen.as_str(), 3)]);
    assert_eq!(order.total, Some(1100 + 330 + 550 - 110));
    let parts: i64 = order.charges.iter().filter_map(|charge| charge.gross).sum();
    assert_eq!(order.total, Some(parts));
}
