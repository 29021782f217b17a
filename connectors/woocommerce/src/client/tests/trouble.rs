//! Single orders, products and lists of theirs that the shop cannot tell, and changes that move no time.

use std::time::Duration;

use hikiate_sdk::{ErrorClass, Here, Observed, Source};
use serde_json::Value;

use super::support::{World, basket, by_id, drain};
use crate::config::Settings;

#[tokio::test]
async fn an_order_whose_list_cannot_be_read_is_kept_and_its_neighbours_go_on() {
    for (list, status) in [
        ("refunds", 500),
        ("refunds", 404),
        ("fulfillments", 500),
        ("fulfillments", 404),
    ] {
        let world = World::new(true, Settings::default());
        let last = world.sim.place_order(basket());
        for order in [&world.order, &last] {
            assert!(world.sim.refund_by_staff(order, 200).is_some());
            assert!(world.sim.staff_fulfil(order, &[], "T1", true).is_some());
        }
        world.sim.break_list(&world.order, list, Some(status));
        let here = Here::at(world.clock.now());
        let page = world.woo.page("orders", None, here).await.unwrap();
        assert_eq!(page.records.len(), 2, "{list} {status}");
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for record in page.records {
            let again = world.woo.reread("orders", None, &record.raw).unwrap();
            assert_eq!(again[0].parsed, record.parsed);
            match record.parsed {
                Ok(Observed::Order(order, _)) => good.push(order.external_id.to_string()),
                Err(told) => bad.push((told.external_id.unwrap().to_string(), told.reason)),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(good, [last]);
        let [(id, reason)] = bad.as_slice() else {
            panic!("{bad:?}")
        };
        assert!(*id == world.order && reason.contains(list), "{reason}");
        // By its id it is the same, until the shop is mended.
        let ids = [world.order.as_str().into()];
        let read = world
            .woo
            .read(hikiate_sdk::Kind::Order, &ids)
            .await
            .unwrap();
        assert!(read.len() == 1 && read[0].parsed.is_err());
        world.sim.break_list(&world.order, list, None);
        let order = by_id(&world.woo, &world.order).await.unwrap();
        assert_eq!(
            (order.tenders[0].refunded, order.fulfilments.len()),
            (200, 1)
        );
    }
}

#[tokio::test]
async fn trouble_of_the_whole_shop_is_nothing_of_an_order() {
    let world = World::new(true, Settings::default());
    assert!(world.sim.refund_by_staff(&world.order, 200).is_some());
    // The list still came; from then on nothing does.
    world.sim.after_requests(1, |sim| sim.break_down(60));
    let here = Here::at(world.clock.now());
    let page = world.woo.page("orders", None, here).await;
    assert!(page.is_err_and(|error| error.class == ErrorClass::Transient));
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(
        drain(&world.woo, None, &world.clock, |_| ()).await.0.len(),
        1
    );
    // Or the order was deleted between the list and its refunds: the list is asked for anew.
    let order = world.order.clone();
    world
        .sim
        .after_requests(1, move |sim| assert!(sim.delete_order(&order)));
    let page = world
        .woo
        .page("orders", None, Here::at(world.clock.now()))
        .await;
    assert!(page.is_err_and(|error| error.class == ErrorClass::Transient));
}

#[tokio::test]
async fn what_moves_no_time_of_change_is_seen_by_id() {
    let world = World::new(true, Settings::default());
    world.sim.keep_orders_as_posts();
    let refund = world.sim.refund_by_staff(&world.order, 200).unwrap();
    // The round that follows the first sweeps; the one after that reads a tail.
    let (_, cursor) = drain(&world.woo, None, &world.clock, |_| ()).await;
    let (_, cursor) = drain(&world.woo, Some(cursor), &world.clock, |_| ()).await;
    world.clock.advance(Duration::from_secs(60));
    world.sim.place_order(basket());
    let (_, cursor) = drain(&world.woo, Some(cursor), &world.clock, |_| ()).await;
    world.clock.advance(Duration::from_secs(60));
    assert!(
        world
            .sim
            .staff_fulfil(&world.order, &[], "T1", true)
            .is_some()
    );
    assert!(world.sim.delete_refund(&world.order, &refund));
    let (polled, _) = drain(&world.woo, Some(cursor), &world.clock, |_| ()).await;
    assert!(!polled.contains(&world.order), "{polled:?}");
    let order = by_id(&world.woo, &world.order).await.unwrap();
    assert_eq!((order.tenders[0].refunded, order.fulfilments.len()), (0, 1));
}

/// Good orders, and bad ones with their reasons.
async fn page_of(
    world: &World,
    cursor: Option<&Value>,
) -> (Vec<String>, Vec<(String, String)>, Value) {
    let here = Here::at(world.clock.now());
    let page = world.woo.page("orders", cursor, here).await.unwrap();
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for record in page.records {
        let again = world.woo.reread("orders", None, &record.raw).unwrap();
        assert_eq!(again[0].parsed, record.parsed);
        match record.parsed {
            Ok(Observed::Order(order, _)) => good.push(order.external_id.to_string()),
            Err(told) => bad.push((told.external_id.unwrap().to_string(), told.reason)),
            other => panic!("{other:?}"),
        }
    }
    (good, bad, page.next)
}

/// One order of a variation whose product cannot be told, among others, one of them of another product's variation.
#[tokio::test]
async fn an_order_whose_product_cannot_be_read_is_kept_and_its_neighbours_go_on() {
    for status in [500, 400] {
        let world = World::new(true, Settings::default());
        let shirt = world.sim.add_variable_product("SHIRT", &[("SHIRT-S", 3)]);
        let hat = world.sim.add_variable_product("HAT", &[("HAT-S", 3)]);
        let (plain, fine) = (
            world.sim.place_order(basket()),
            world.sim.place_order(basket()),
        );
        for (order, product) in [(&world.order, shirt), (&fine, hat)] {
            assert!(
                world
                    .sim
                    .add_line_of(order, product + 1, 1, "2000")
                    .is_some()
            );
        }
        world.sim.break_product(shirt, "itself", Some(status));
        let (mut good, bad, cursor) = page_of(&world, None).await;
        good.sort();
        assert_eq!(good, [plain.clone(), fine.clone()], "{status}");
        let [(id, reason)] = bad.as_slice() else {
            panic!("{bad:?}")
        };
        let named = format!("the SKU of product {shirt} cannot be read");
        assert!(*id == world.order && reason.contains(&named), "{reason}");
        assert!(reason.contains(&status.to_string()), "{reason}");
        // By their ids they are the same.
        let ids = [world.order.as_str().into(), fine.as_str().into()];
        let read = world
            .woo
            .read(hikiate_sdk::Kind::Order, &ids)
            .await
            .unwrap();
        let bad: Vec<bool> = read.iter().map(|record| record.parsed.is_err()).collect();
        assert_eq!(bad, [true, false]);
        // Nothing moves the order's time of change; long after, each sweep asks for it until it can be read, and not longer.
        let (_, _, cursor) = page_of(&world, Some(&cursor)).await;
        world.clock.advance(Duration::from_secs(3600));
        world.sim.touch_order(&plain);
        let (_, bad, cursor) = page_of(&world, Some(&cursor)).await;
        assert_eq!(bad.len(), 1);
        world.sim.break_product(shirt, "itself", None);
        world.clock.advance(Duration::from_secs(3600));
        world.sim.touch_order(&plain);
        let (good, bad, cursor) = page_of(&world, Some(&cursor)).await;
        assert!(
            good.contains(&world.order) && bad.is_empty(),
            "{good:?} {bad:?}"
        );
        world.clock.advance(Duration::from_secs(3600));
        world.sim.touch_order(&plain);
        assert_eq!(page_of(&world, Some(&cursor)).await.0, [plain]);
    }
}

#[tokio::test]
async fn trouble_of_the_whole_shop_is_nothing_of_a_product() {
    let world = World::new(true, Settings::default());
    let shirt = world.sim.add_variable_product("SHIRT", &[("SHIRT-S", 3)]);
    let hat = world.sim.add_variable_product("HAT", &[("HAT-S", 3)]);
    for product in [shirt, hat] {
        assert!(
            world
                .sim
                .add_line_of(&world.order, product + 1, 1, "2000")
                .is_some()
        );
    }
    for answered in 1..=2 {
        world.sim.break_product(shirt, "itself", Some(500));
        world.sim.after_requests(answered, |sim| sim.break_down(60));
        let before = world.sim.requests();
        let here = Here::at(world.clock.now());
        let page = world.woo.page("orders", None, here).await;
        assert!(page.is_err_and(|error| error.class == ErrorClass::Transient));
        assert!(world.sim.requests() - before <= 4);
        // The same of the variations of the stock.
        world.clock.advance(Duration::from_secs(60));
        world.sim.break_product(shirt, "itself", None);
        world.sim.after_requests(answered, |sim| sim.break_down(60));
        let page = world.woo.page("stock", None, here).await;
        assert!(page.is_err_and(|error| error.class == ErrorClass::Transient));
        world.clock.advance(Duration::from_secs(60));
    }
}
