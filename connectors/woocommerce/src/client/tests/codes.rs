//! SKUs that do not tell what was sold: variations without one of their own, and codes that several have.

use hikiate_sdk::{Currency, Here, Observed, Source};
use serde_json::Value;

use super::support::{World, account, at, by_id, shop};
use crate::config::Settings;

/// What the next whole sweep over the stock tells: good counts, and codes of bad records with their reasons.
async fn swept(
    world: &World,
    cursor: &mut Option<Value>,
) -> (Vec<(String, i64)>, Vec<(String, String)>) {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    loop {
        let here = Here::at(world.clock.now());
        let page = world
            .woo
            .page("stock", cursor.as_ref(), here)
            .await
            .unwrap();
        for record in page.records {
            // What is stored says the same.
            let again = world.woo.reread("stock", None, &record.raw).unwrap();
            assert_eq!(again[0].parsed, record.parsed);
            match record.parsed {
                Ok(Observed::Stock(level)) => good.push((level.code, level.quantity)),
                Err(told) => bad.push((told.external_id.unwrap().to_string(), told.reason)),
                other => panic!("{other:?}"),
            }
        }
        *cursor = Some(page.next);
        if !page.more {
            return (good, bad);
        }
    }
}

#[tokio::test]
async fn a_variation_that_has_its_products_sku_is_named_apart() {
    let world = World::new(true, Settings::default());
    let shirt = world.sim.add_variable_product("SHIRT", &[("SHIRT-S", 3)]);
    let red = world.sim.add_variation_without_sku(shirt, 4);
    let blue = world.sim.add_variation_without_sku(shirt, 5);
    let small = shirt + 1;
    for product in [red, blue, small] {
        assert!(
            world
                .sim
                .add_line_of(&world.order, product, 1, "2000")
                .is_some()
        );
    }
    let before = world.sim.requests();
    let told = || async {
        let order = by_id(&world.woo, &world.order).await.unwrap();
        let codes = order.lines.into_iter().map(|line| line.sku.unwrap());
        codes.collect::<Vec<_>>()
    };
    let apart = |id| format!("SHIRT (variation {id} without its own SKU)");
    let wanted = ["MUG", "TEA", &apart(red), &apart(blue), "SHIRT-S"];
    assert_eq!(told().await, wanted);
    assert_eq!(world.sim.requests() - before, 2, "orders, products");
    let here = Here::at(world.clock.now());
    let page = world.woo.page("orders", None, here).await.unwrap();
    let Ok(Observed::Order(order, _)) = &page.records[0].parsed else {
        panic!("{:?}", page.records[0].parsed)
    };
    assert_eq!(order.lines[2].sku, Some(apart(red)));
    assert_eq!(world.sim.requests() - before, 4);
    // The product is in the bin: no list has it, and it is still known by its id.
    world.sim.trash_product(shirt);
    assert_eq!(told().await, wanted);
    // Given a SKU of its own, it is told by that.
    assert!(world.sim.set_sku(red, "SHIRT-RED"));
    assert_eq!(told().await[2], "SHIRT-RED");
}

#[tokio::test]
async fn a_count_of_a_code_that_several_have_is_bad_and_never_summed() {
    for page_size in [50, 1] {
        let clock = at("2026-11-21T10:00:00Z");
        let sim = shop(&clock, Currency::JPY);
        let settings = Settings {
            page_size,
            ..Settings::default()
        };
        let world = World {
            woo: account(sim.transport(), settings),
            sim,
            clock,
            order: String::new(),
        };
        world.sim.add_product("CUP", 9);
        let shirt = world.sim.add_variable_product("SHIRT", &[("SHIRT-S", 3)]);
        let mut cursor = None;
        let (good, bad) = swept(&world, &mut cursor).await;
        assert_eq!(good, [("CUP".to_owned(), 9), ("SHIRT-S".to_owned(), 3)]);
        assert_eq!(bad, []);
        let red = world.sim.add_variation_without_sku(shirt, 4);
        let (good, bad) = swept(&world, &mut cursor).await;
        assert_eq!(good.len(), 2);
        let [(code, reason)] = bad.as_slice() else {
            panic!("{bad:?}")
        };
        assert!(
            code == "SHIRT" && reason.contains(&shirt.to_string()),
            "{reason}"
        );
        // An import gives it a SKU that another product has: what a later page shows is known from the next sweep on.
        assert!(world.sim.set_sku(red, "CUP"));
        if page_size == 1 {
            let (good, bad) = swept(&world, &mut cursor).await;
            assert_eq!((good.len(), bad.len()), (2, 1));
        }
        let (good, bad) = swept(&world, &mut cursor).await;
        assert_eq!(good, [("SHIRT-S".to_owned(), 3)]);
        let codes: Vec<&str> = bad.iter().map(|(code, _)| code.as_str()).collect();
        assert_eq!(codes, ["CUP", "CUP"]);
        // Mended, both are told again once the sweep that saw them is not the last any more.
        assert!(world.sim.set_sku(red, "SHIRT-RED"));
        swept(&world, &mut cursor).await;
        let (good, bad) = swept(&world, &mut cursor).await;
        assert_eq!((good.len(), bad), (3, Vec::new()));
    }
}
