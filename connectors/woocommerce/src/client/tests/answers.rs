//! Answers that do not say what was asked for.

use std::sync::Arc;

use hikiate_sdk::faulty::{Altered, Mixed};
use hikiate_sdk::http::Method;
use hikiate_sdk::{Call, ErrorClass, Operations as _};
use serde_json::Value;

use super::support::{World, account, by_id, done};
use crate::WooCommerce;
use crate::config::Settings;

const S1: &str = "HK0000000000001-S1";

/// Another account of the world's shop, on such a way.
fn altered(
    world: &World,
    alter: impl Fn(Method, &str, &mut Value) + Send + Sync + 'static,
) -> WooCommerce {
    let shop = world.sim.transport();
    account(Arc::new(Altered::new(shop, alter)), Settings::default())
}

type Make = fn(&World) -> Call;

#[tokio::test]
async fn a_field_that_is_absent_is_not_known_and_nothing_is_written() {
    let ship: Make = |world| world.ship(S1, &[(0, 1)], &["T1"]);
    let refund: Make = |world| world.refund("refund:1", 300, 300, &[]);
    for (call, offered, list, field) in [
        (ship, true, "", "meta_data"),
        (ship, true, "", "refunds"),
        (ship, true, "/fulfillments", "meta_data"),
        (ship, true, "/fulfillments", "is_fulfilled"),
        (ship, false, "/notes", "note"),
        (refund, true, "/refunds", "meta_data"),
        (refund, true, "/refunds", "line_items"),
    ] {
        let world = World::new(offered, Settings::default());
        let call = call(&world);
        assert!(done(&world.send(&call).await));
        let before = world.sim.writes();
        let of = format!("/orders/{}{list}", world.order);
        let woo = altered(&world, move |_, path, body| {
            if !path.ends_with(&of) {
                return;
            }
            let told = match body {
                Value::Array(all) => all.as_mut_slice(),
                one => std::slice::from_mut(one),
            };
            for fields in told {
                assert!(fields.as_object_mut().unwrap().remove(field).is_some());
            }
        });
        let (op, prepared) = (call.op(), woo.prepare(&call).unwrap());
        let sent = woo.send_one(op, &prepared).await.unwrap_err();
        assert_eq!(sent.class, ErrorClass::Protocol, "{list} {field}: {sent}");
        let found = woo.look_up_one(op, &prepared).await.unwrap_err();
        assert_eq!(found.class, ErrorClass::Protocol, "{list} {field}: {found}");
        assert_eq!(world.sim.writes(), before, "{list} {field}");
    }
}

#[tokio::test]
async fn an_answer_about_another_order_is_not_believed() {
    let world = World::new(true, Settings::default());
    let cancelled = world.sim.place_order(super::support::basket());
    let (ship, cancel) = (world.ship(S1, &[(0, 1)], &["T1"]), world.cancel());
    let shipped = World {
        sim: Arc::clone(&world.sim),
        clock: world.clock.clone(),
        woo: account(world.sim.transport(), Settings::default()),
        order: world.sim.place_order(super::support::basket()),
    };
    assert!(done(
        &shipped.send(&shipped.ship(S1, &[(0, 1)], &["T1"])).await
    ));
    let cancelling = hikiate_sdk::CancelOrderCall {
        order: cancelled.as_str().into(),
    };
    assert!(done(&world.send(&Call::CancelOrder(cancelling)).await));
    let before = world.sim.writes();
    let path = |order: &str| format!("/orders/{order}");
    let lists = |order: &str| format!("/orders/{order}/fulfillments");
    for (call, asked, answered) in [
        (&cancel, path(&world.order), path(&cancelled)),
        (&ship, path(&world.order), path(&shipped.order)),
        (&ship, lists(&world.order), lists(&shipped.order)),
    ] {
        let shop = world.sim.transport();
        let case = format!("{asked} {answered}");
        let mixed = Mixed {
            far: shop,
            asked,
            answered,
        };
        let woo = account(Arc::new(mixed), Settings::default());
        let (op, prepared) = (call.op(), woo.prepare(call).unwrap());
        let sent = woo.send_one(op, &prepared).await.unwrap_err();
        assert_eq!(sent.class, ErrorClass::Protocol, "{case}: {sent}");
        let found = woo.look_up_one(op, &prepared).await.unwrap_err();
        assert_eq!(found.class, ErrorClass::Protocol, "{case}: {found}");
    }
    assert_eq!(world.sim.writes(), before);
}

#[tokio::test]
async fn a_list_that_leads_back_to_another_order_is_not_believed() {
    let refund: Make = |world| world.refund("refund:1", 300, 300, &[]);
    let ship: Make = |world| world.ship(S1, &[(0, 1)], &["T1"]);
    for (call, list) in [(refund, "/refunds"), (ship, "/notes")] {
        let world = World::new(false, Settings::default());
        let call = call(&world);
        assert!(done(&world.send(&call).await));
        for (other, believed) in [("", true), ("9", false)] {
            let of = format!("/orders/{}{list}", world.order);
            let order = format!("{}{other}", world.order);
            let woo = altered(&world, move |_, path, body| {
                if !path.ends_with(&of) {
                    return;
                }
                for one in body.as_array_mut().unwrap() {
                    let href = format!("https://shop.example/wp-json/wc/v3/orders/{order}?lang=ja");
                    one["_links"]["up"] = serde_json::json!([{ "href": href }]);
                }
            });
            let (op, prepared) = (call.op(), woo.prepare(&call).unwrap());
            let found = woo.look_up_one(op, &prepared).await;
            assert_eq!(found.is_ok(), believed, "{list}: {found:?}");
        }
    }
}

#[tokio::test]
async fn the_answer_to_a_write_of_another_leaves_it_open_what_became_of_it() {
    let world = World::new(false, Settings::default());
    let woo = altered(&world, |method, _, body| {
        if method == Method::Put {
            body["id"] = 1.into();
        }
    });
    for call in [world.ship(S1, &[(0, 1)], &["T1"]), world.cancel()] {
        let (op, prepared) = (call.op(), woo.prepare(&call).unwrap());
        let sent = woo.send_one(op, &prepared).await.unwrap_err();
        assert_eq!(sent.class, ErrorClass::OutcomeUnknown, "{op}: {sent}");
        assert!(done(&world.send(&call).await), "{op}");
    }
}

fn without(body: &mut Value, field: &str) {
    let told = match body {
        Value::Array(all) => all.as_mut_slice(),
        one => std::slice::from_mut(one),
    };
    for fields in told {
        fields.as_object_mut().unwrap().remove(field);
    }
}

#[tokio::test]
async fn an_order_of_a_shop_that_leaves_fields_out_is_still_read() {
    for (list, field) in [
        ("", "meta_data"),
        ("", "refunds"),
        ("/fulfillments", "meta_data"),
        ("/fulfillments", "is_fulfilled"),
        ("/refunds", "meta_data"),
        ("/refunds", "line_items"),
    ] {
        let world = World::new(true, Settings::default());
        assert!(done(&world.send(&world.ship(S1, &[(0, 1)], &["T1"])).await));
        assert!(done(
            &world.send(&world.refund("refund:1", 300, 300, &[])).await
        ));
        let of = format!("/orders{list}");
        let one = format!("/orders/{}{list}", world.order);
        let woo = altered(&world, move |_, path, body| {
            if path.ends_with(&of) || path.ends_with(&one) {
                without(body, field);
            }
        });
        let read = by_id(&woo, &world.order).await;
        assert!(read.is_some(), "{list} {field}");
    }
}

#[tokio::test]
async fn the_answer_to_a_change_that_does_not_tell_all_leaves_it_open() {
    for field in ["meta_data", "refunds"] {
        let world = World::new(false, Settings::default());
        let woo = altered(&world, move |method, _, body| {
            if method == Method::Put {
                without(body, field);
            }
        });
        for call in [world.ship(S1, &[(0, 1)], &["T1"]), world.cancel()] {
            let (op, prepared) = (call.op(), woo.prepare(&call).unwrap());
            let sent = woo.send_one(op, &prepared).await.unwrap_err();
            assert_eq!(sent.class, ErrorClass::OutcomeUnknown, "{field}: {sent}");
        }
    }
}
