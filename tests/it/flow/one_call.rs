//! A channel with one call for what is packed and shipped: it offers `ship` alone.

use std::sync::Arc;

use async_trait::async_trait;
use hikiate_sdk::budget::Budget;
use hikiate_sdk::{
    Call, Connector, Error, FulfilCall, LookUp, Op, OperationSpec, Operations, Outcome, Prepared,
    Source,
};

use super::around::Around;
use super::world::{Setup, World, order};

struct Account(Arc<dyn Connector>);

impl Connector for Account {
    fn source(&self) -> Option<&dyn Source> {
        self.0.source()
    }

    fn operations(&self) -> Option<&dyn Operations> {
        Some(self)
    }

    fn budgets(&self) -> Vec<Budget> {
        self.0.budgets()
    }
}

/// The two halves of a prepared `ship`.
fn halves(prepared: &Prepared) -> (Prepared, Prepared) {
    let (fulfil, ship): (Vec<u8>, Vec<u8>) = serde_json::from_slice(&prepared.bytes).unwrap();
    let half = |bytes| Prepared {
        bytes,
        label: prepared.label.clone(),
    };
    (half(fulfil), half(ship))
}

impl Account {
    fn inner(&self) -> &dyn Operations {
        self.0.operations().unwrap()
    }
}

#[async_trait]
impl Operations for Account {
    fn operations(&self) -> Vec<OperationSpec> {
        let all = self.inner().operations().into_iter();
        all.filter(|spec| spec.op != Op::Fulfil).collect()
    }

    fn prepare(&self, call: &Call) -> Result<Prepared, Error> {
        let prepared = self.inner().prepare(call)?;
        let Call::Ship(ship) = call else {
            return Ok(prepared);
        };
        let fulfil = self.inner().prepare(&Call::Fulfil(FulfilCall {
            order: ship.order.clone(),
            reference: ship.reference.clone(),
            location: None,
            lines: ship.lines.clone(),
        }))?;
        let bytes = serde_json::to_vec(&(fulfil.bytes, prepared.bytes)).unwrap();
        Ok(Prepared { bytes, ..prepared })
    }

    async fn send(&self, op: Op, calls: &[&Prepared]) -> Vec<Result<Outcome, Error>> {
        assert!(op != Op::Fulfil, "it has no such call");
        let [call] = calls else { unreachable!() };
        if op != Op::Ship {
            return self.inner().send(op, calls).await;
        }
        let (fulfil, ship) = halves(call);
        match self.inner().send_one(Op::Fulfil, &fulfil).await {
            Ok(Outcome::Done { .. }) => self.inner().send(op, &[&ship]).await,
            other => vec![other],
        }
    }

    async fn look_up(&self, op: Op, calls: &[&Prepared]) -> Vec<Result<LookUp, Error>> {
        let [call] = calls else { unreachable!() };
        if op == Op::Ship {
            return self.inner().look_up(op, &[&halves(call).1]).await;
        }
        self.inner().look_up(op, calls).await
    }
}

/// A Medusa shop whose connector packs and ships in one call.
static ONE_CALL: Around = Around(|medusa| Arc::new(Account(medusa)));

#[tokio::test]
async fn a_channel_that_ships_in_one_call_is_told_once_and_nothing_is_packed_before() {
    let mut world = World::new(Setup {
        connectors: ONE_CALL.with_others(),
        ..Setup::default()
    })
    .await;
    world.tokyo.set_stock("APPLE", 10);
    world.count_stock().await;
    world.rounds(3).await;
    let id = world.shop.place_order(order(&[("APPLE", 2, "1000")]));
    world.rounds(20).await;
    let seen = world.shop.order(&id).unwrap();
    assert!(seen.is_shipped());
    assert_eq!(
        (seen.fulfilments.len(), seen.captures, seen.repeated()),
        (1, 1, 0)
    );
    assert_eq!(world.tasks().await, Vec::<String>::new());
}
