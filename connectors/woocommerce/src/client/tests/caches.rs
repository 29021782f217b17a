//! A cache in front of the shop, which answers with what was there before (woocommerce#22137).

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use hikiate_sdk::http::{Method, Request, Response, Transport, TransportError};
use hikiate_sdk::{ErrorClass, LookUp};

use super::support::{World, account, done};
use crate::config::Settings;

/// What a cache goes by.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Heeds {
    /// What the request says to caches; a query makes no difference to it.
    Headers,
    /// The whole address, and no header.
    Address,
}

struct Cache {
    shop: Arc<dyn Transport>,
    heeds: Heeds,
    kept: Mutex<HashMap<String, Response>>,
    /// The reply to the next creation is lost.
    loses: AtomicBool,
}

#[async_trait]
impl Transport for Cache {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        if request.method != Method::Get {
            let is_new = request.method == Method::Post;
            let answer = self.shop.send(request).await;
            return match is_new && self.loses.swap(false, Ordering::Relaxed) {
                true => Err(TransportError::NoAnswer("reset".to_owned())),
                false => answer,
            };
        }
        let key = match self.heeds {
            Heeds::Address => request.path.clone(),
            Heeds::Headers => request.path.split('?').next().unwrap().to_owned(),
        };
        let mut headers = request.headers.iter();
        let passes = headers.any(|(name, value)| name == "cache-control" && value == "no-cache");
        let kept = self.kept.lock().unwrap().get(&key).cloned();
        if let Some(kept) = kept.filter(|_| self.heeds == Heeds::Address || !passes) {
            return Ok(kept);
        }
        let answer = self.shop.send(request).await?;
        self.kept.lock().unwrap().insert(key, answer.clone());
        Ok(answer)
    }
}

#[tokio::test]
async fn a_cache_in_front_of_the_shop_doubles_nothing() {
    for heeds in [Heeds::Headers, Heeds::Address] {
        for (fulfilments, refunds) in [(false, false), (true, false), (true, true)] {
            let mut world = World::new(fulfilments, Settings::default());
            let cache = Cache {
                shop: world.sim.transport(),
                heeds,
                kept: Mutex::default(),
                loses: AtomicBool::new(true),
            };
            world.woo = account(Arc::new(cache), Settings::default());
            let call = match refunds {
                true => world.refund("refund:1", 1100, 1100, &[]),
                false => world.ship("HK0000000000001-S1", &[(0, 2)], &["T1"]),
            };
            let case = format!("{heeds:?} {fulfilments} {refunds}");
            let lost = world.send(&call).await.unwrap_err();
            assert_eq!(lost.class, ErrorClass::OutcomeUnknown, "{case}");
            assert!(
                matches!(world.look(&call).await, LookUp::Found(_)),
                "{case}"
            );
            assert!(done(&world.send(&call).await), "{case}");
            let memory = world.memory();
            let made = memory.notes.len() + memory.fulfilments.len() + memory.refunds.len();
            assert_eq!(made, 1, "{case}");
        }
    }
}
