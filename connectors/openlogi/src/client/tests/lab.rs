//! Connector and simulator through a validating proxy, which answers with an error whatever the public document does not have.
//! `HIKIATE_LAB_PROXY` is the proxy's address, `HIKIATE_LAB_UPSTREAM` the host and port that it forwards to: the test serves the
//! simulator there. Stock is left out: the document demands two parameters at once that it describes as alternatives.

use std::env;
use std::sync::Arc;

use hikiate_sdk::budget::Clock;
use hikiate_sdk::sim::{SimClock, serve, skipped};
use hikiate_sdk::{ErrorClass, Link, LookUp, Op, Operations, Outcome, Prepared};
use secrecy::SecretString;
use tokio::net::TcpListener;

use super::support::{ACCOUNT, TOKEN, World, cancel, instruct, instruction, reference, short};
use crate::config::Settings;
use crate::sim::{OpenlogiSim, STANDARD};
use crate::{Openlogi, site};

#[tokio::test]
async fn nothing_goes_over_the_wire_that_a_validating_proxy_refuses() {
    let (Ok(proxy), Ok(upstream)) = (
        env::var("HIKIATE_LAB_PROXY"),
        env::var("HIKIATE_LAB_UPSTREAM"),
    ) else {
        let test = "nothing_goes_over_the_wire_that_a_validating_proxy_refuses";
        return skipped(
            test,
            "HIKIATE_LAB_PROXY and HIKIATE_LAB_UPSTREAM name no proxy",
        );
    };
    let clock = SimClock::at(SimClock::real().now());
    let sim = Arc::new(OpenlogiSim::new(clock.clone(), TOKEN, ACCOUNT));
    sim.count_stock("MUG", STANDARD, 100);
    sim.limit(Some(1_000));
    let listener = TcpListener::bind(upstream).await.unwrap();
    tokio::spawn(serve(sim.clone(), listener, std::future::pending()));
    let token = SecretString::from(TOKEN.to_owned());
    let http = Link::new(Clock::default())
        .http(site(proxy, token.into()))
        .unwrap();
    let account = Openlogi::new(http, Settings::of(ACCOUNT));
    let world = World {
        clock,
        sim,
        account,
        unheard: Vec::new(),
    };

    let several: Vec<Prepared> = (1..=4)
        .map(|n| world.prepare(&instruct(instruction(n, 1))))
        .collect();
    let several: Vec<&Prepared> = several.iter().collect();
    for answer in world.account.send(Op::Instruct, &several).await {
        assert!(matches!(answer, Ok(Outcome::Done { .. })), "{answer:?}");
    }
    let mut nowhere = instruction(5, 1);
    nowhere.ship_to.postal_code = "999-9999".to_owned();
    let nowhere = world.prepare(&instruct(nowhere));
    let refused = world
        .account
        .send_one(Op::Instruct, &nowhere)
        .await
        .unwrap_err();
    assert_eq!(refused.class, ErrorClass::Rejected);
    assert!(refused.message.contains("recipient.postcode"), "{refused}");
    for look in world.account.look_up(Op::Instruct, &several).await {
        assert!(matches!(look, Ok(LookUp::Found(_))), "{look:?}");
    }
    let mut cursor = None;
    assert_eq!(world.round(&mut cursor).await.len(), 4);
    assert!(world.sim.start_picking(&reference(2)));
    for (n, done) in [(1, true), (2, false)] {
        let answer = world
            .account
            .send_one(Op::CancelInstruction, &world.prepare(&cancel(n)))
            .await;
        let is_done = matches!(answer.unwrap(), Outcome::Done { .. });
        assert_eq!(is_done, done, "{n}");
    }
    assert!(world.sim.ship(&reference(3), &["4011", "4012"]));
    let told = short(&world.round(&mut cursor).await);
    assert!(told.contains(&"parcel 3 4011 4012".to_owned()), "{told:?}");
}
