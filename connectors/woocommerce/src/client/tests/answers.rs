//! Answers that do not say what was asked for.

use std::sync::Arc;

use async_trait::async_trait;
use hikiate_sdk::http::{Method, Request, Response, Transport, TransportError};
use hikiate_sdk::{Call, ErrorClass, Operations as _};
use serde_json::Value;

use super::support::{World, account, done};
use crate::WooCommerce;
use crate::config::Settings;

const S1: &str = "HK0000000000001-S1";

/// A way on which the bodies of answers change.
struct Altered<F> {
    shop: Arc<dyn Transport>,
    alter: F,
}

#[async_trait]
impl<F: Fn(Method, &str, &mut Value) + Send + Sync> Transport for Altered<F> {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let path = request.path.split('?').next().unwrap().to_owned();
        let method = request.method;
        let mut response = self.shop.send(request).await?;
        let mut body: Value = serde_json::from_slice(&response.body).unwrap();
        (self.alter)(method, &path, &mut body);
        response.body = body.to_string().into_bytes();
        Ok(response)
    }
}

/// Another account of the world's shop, on such a way.
fn altered(
    world: &World,
    alter: impl Fn(Method, &str, &mut Value) + Send + Sync + 'static,
) -> WooCommerce {
    let shop = world.sim.transport();
    account(Arc::new(Altered { shop, alter }), Settings::default())
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
