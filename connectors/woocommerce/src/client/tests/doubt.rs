//! Calls that the shop shows late, and calls that a plug-in of it swallows.

use std::sync::Arc;

use hikiate_sdk::faulty::{Fault, FaultSeam as _, FaultyTransport, SHOWN_AFTER, Target};
use hikiate_sdk::{Call, Error, ErrorClass, LookUp, Operations as _};

use super::support::{World, account, done};
use crate::WooCommerce;
use crate::config::Settings;

const CALLS: [fn(&World) -> Call; 3] = [
    |world| world.ship("HK0000000000001-S1", &[(0, 2)], &["T1"]),
    |world| world.refund("refund:1", 300, 300, &[]),
    World::cancel,
];

/// Another account of the world's shop, on a way with faults.
fn faulty(world: &World) -> (Arc<FaultyTransport>, WooCommerce) {
    let seam = FaultyTransport::new(world.sim.transport()).asking(crate::sim::can);
    let seam = Arc::new(seam);
    let woo = account(Arc::clone(&seam) as _, Settings::default());
    (seam, woo)
}

#[tokio::test]
async fn a_call_that_is_shown_late_is_not_found_before_and_found_then() {
    for call in CALLS {
        let world = World::new(true, Settings::default());
        let (seam, woo) = faulty(&world);
        let call = call(&world);
        let (op, prepared) = (call.op(), woo.prepare(&call).unwrap());
        seam.inject(Target::Write, Fault::LostAndLate);
        let lost = woo.send_one(op, &prepared).await.unwrap_err();
        assert_eq!(lost.class, ErrorClass::OutcomeUnknown, "{op}");
        let early = woo.look_up_one(op, &prepared).await.unwrap();
        assert!(matches!(early, LookUp::NotFound), "{op}: {early:?}");
        world.clock.advance(SHOWN_AFTER);
        let found = woo.look_up_one(op, &prepared).await.unwrap();
        assert!(matches!(found, LookUp::Found(_)), "{op}: {found:?}");
        assert!(done(&woo.send_one(op, &prepared).await), "{op}");
        assert_eq!(world.sim.writes(), 1, "{op}");
    }
}

#[tokio::test]
async fn what_a_plug_in_swallowed_is_not_in_the_answer() {
    for (call, offered) in CALLS.into_iter().zip([true; 3]).chain([(CALLS[0], false)]) {
        let world = World::new(offered, Settings::default());
        let (seam, woo) = faulty(&world);
        let call = call(&world);
        let (op, prepared) = (call.op(), woo.prepare(&call).unwrap());
        seam.inject(Target::Write, Fault::Swallowed);
        let error = woo.send_one(op, &prepared).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::OutcomeUnknown, "{op}: {error}");
        assert_eq!(error.code.as_deref(), Some(Error::NOT_SHOWN), "{op}");
        let found = woo.look_up_one(op, &prepared).await.unwrap();
        assert!(matches!(found, LookUp::NotFound), "{op}: {found:?}");
        assert!(done(&woo.send_one(op, &prepared).await), "{op}");
        assert!(seam.unmet().is_empty());
    }
}
