//! Stock of single products that the shop cannot tell.

use hikiate_sdk::{Currency, Here, Observed, Source};
use serde_json::Value;

use super::support::{World, account, at, shop};
use crate::config::Settings;

fn world(page_size: usize) -> World {
    let clock = at("2026-11-21T10:00:00Z");
    let sim = shop(&clock, Currency::JPY);
    let settings = Settings {
        page_size,
        ..Settings::default()
    };
    World {
        woo: account(sim.transport(), settings),
        sim,
        clock,
        order: String::new(),
    }
}

/// A page: the codes that are counted, those that are bad, and what waits.
async fn page(
    world: &World,
    cursor: &mut Option<Value>,
) -> (Vec<String>, Vec<String>, Vec<String>, bool) {
    let here = Here::at(world.clock.now());
    let page = world
        .woo
        .page("stock", cursor.as_ref(), here)
        .await
        .unwrap();
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for record in page.records {
        match record.parsed {
            Ok(Observed::Stock(level)) => good.push(level.code),
            Err(told) => bad.push(told.external_id.unwrap().to_string()),
            other => panic!("{other:?}"),
        }
    }
    *cursor = Some(page.next);
    (good, bad, page.waiting, page.more)
}

/// A whole sweep: the codes that are counted, and what waits at its last page; at every other page it is the same or more.
async fn swept(world: &World, cursor: &mut Option<Value>) -> (Vec<String>, Vec<String>) {
    let mut good = Vec::new();
    for _ in 0..100 {
        let (told, bad, waiting, more) = page(world, cursor).await;
        assert_eq!(bad, Vec::<String>::new());
        good.extend(told);
        if !more {
            return (good, waiting);
        }
    }
    panic!("a sweep without end");
}

#[tokio::test]
async fn a_product_whose_variations_cannot_be_read_keeps_no_other_from_being_counted() {
    for (page_size, status) in [(50, 500), (1, 500), (1, 400), (50, 404)] {
        let world = world(page_size);
        world.sim.add_product("CUP", 9);
        let shirt = world.sim.add_variable_product("SHIRT", &[("SHIRT-S", 3)]);
        world.sim.add_variable_product("HAT", &[("HAT-S", 3)]);
        world.sim.add_product("PEN", 9);
        world.sim.break_product(shirt, "variations", Some(status));
        let mut cursor = None;
        let (good, waiting) = swept(&world, &mut cursor).await;
        assert_eq!(good, ["CUP", "HAT-S", "PEN"], "{page_size} {status}");
        let named = format!("product {shirt} (SHIRT)");
        assert!(
            waiting.len() == 1 && waiting[0].contains(&named),
            "{waiting:?}"
        );
        // The next sweep says so at each of its pages, also before it comes to that product.
        for n in 0.. {
            let (_, _, waiting, more) = page(&world, &mut cursor).await;
            assert!(waiting.len() == 1, "{n} {waiting:?}");
            if !more {
                break;
            }
        }
        world.sim.break_product(shirt, "variations", None);
        let (good, waiting) = swept(&world, &mut cursor).await;
        assert_eq!(good, ["CUP", "SHIRT-S", "HAT-S", "PEN"]);
        assert_eq!(waiting, Vec::<String>::new());
    }
}

/// Deleted while the sweep is at it, it is none of a task.
#[tokio::test]
async fn a_product_that_is_gone_by_then_has_no_variations() {
    let world = world(50);
    let shirt = world.sim.add_variable_product("SHIRT", &[("SHIRT-S", 3)]);
    world
        .sim
        .after_requests(1, move |sim| assert!(sim.forget_product(shirt)));
    let (good, waiting) = swept(&world, &mut None).await;
    assert_eq!((good, waiting), (Vec::new(), Vec::new()));
}

#[tokio::test]
async fn variations_whose_first_page_comes_again_are_not_read_for_ever() {
    let world = world(50);
    let skus: Vec<String> = (0..150).map(|n| format!("SHIRT-{n}")).collect();
    let variations: Vec<(&str, i64)> = skus.iter().map(|sku| (sku.as_str(), 1)).collect();
    let shirt = world.sim.add_variable_product("SHIRT", &variations);
    world.sim.add_product("CUP", 9);
    world.sim.repeat_variations(true);
    let mut cursor = None;
    // Whoever reads on and on comes to an end here, and to an error.
    world.sim.after_requests(20, |sim| sim.break_down(60));
    let (good, waiting) = swept(&world, &mut cursor).await;
    assert_eq!(good, ["CUP"]);
    let said = waiting.first().unwrap();
    assert!(
        said.contains(&shirt.to_string()) && said.contains("cache"),
        "{said}"
    );
    world.sim.repeat_variations(false);
    let (good, waiting) = swept(&world, &mut cursor).await;
    assert_eq!((good.len(), waiting), (151, Vec::new()));
}

/// The database refused a page, so it is asked for again: what the sweep before saw is still known.
#[tokio::test]
async fn a_first_page_that_is_asked_for_again_forgets_no_shared_code() {
    let world = world(1);
    world.sim.add_product("CUP", 9);
    world.sim.add_product("PEN", 9);
    let other = world.sim.add_product("OTHER", 9);
    assert!(world.sim.set_sku(other, "CUP"));
    let mut cursor = None;
    while page(&world, &mut cursor).await.3 {}
    for sweep in 0..2 {
        let stored = cursor.clone();
        for _ in 0..3 {
            cursor.clone_from(&stored);
            let (good, bad, ..) = page(&world, &mut cursor).await;
            assert_eq!((good, bad), (Vec::new(), vec!["CUP".to_owned()]), "{sweep}");
        }
        while page(&world, &mut cursor).await.3 {}
    }
    // Set right, both count once the sweep that saw them is not the last any more.
    assert!(world.sim.set_sku(other, "OTHER"));
    while page(&world, &mut cursor).await.3 {}
    assert_eq!(swept(&world, &mut cursor).await.0, ["CUP", "PEN", "OTHER"]);
}
