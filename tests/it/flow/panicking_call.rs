//! A connector that panics while it prepares one call: the calls that were claimed with it go on.

use std::sync::Arc;

use async_trait::async_trait;
use hikiate_sdk::budget::Budget;
use hikiate_sdk::{
    Call, Connector, Error, LookUp, Op, OperationSpec, Operations, Outcome, Prepared, Source,
};

use super::around::Around;
use super::world::{Setup, World, order};

/// A shipment of so many units is none that it can express.
const UNLUCKY: u32 = 13;

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

impl Account {
    fn inner(&self) -> &dyn Operations {
        self.0.operations().unwrap()
    }
}

#[async_trait]
impl Operations for Account {
    fn operations(&self) -> Vec<OperationSpec> {
        self.inner().operations()
    }

    fn prepare(&self, call: &Call) -> Result<Prepared, Error> {
        if let Call::Fulfil(fulfil) = call {
            let unlucky = fulfil.lines.iter().any(|line| line.quantity == UNLUCKY);
            assert!(!unlucky, "a fault of the program");
        }
        self.inner().prepare(call)
    }

    async fn send(&self, op: Op, calls: &[&Prepared]) -> Vec<Result<Outcome, Error>> {
        self.inner().send(op, calls).await
    }

    async fn look_up(&self, op: Op, calls: &[&Prepared]) -> Vec<Result<LookUp, Error>> {
        self.inner().look_up(op, calls).await
    }
}

/// A Medusa shop with a fault in its connector.
static FAULTY: Around = Around(|medusa| Arc::new(Account(medusa)));

#[tokio::test]
async fn a_call_that_panics_in_its_preparation_costs_itself_alone() {
    let mut world = World::new(Setup {
        connectors: FAULTY.with_others(),
        ..Setup::default()
    })
    .await;
    world.tokyo.set_stock("APPLE", 40);
    world.count_stock().await;
    world.rounds(3).await;
    let mut ids = Vec::new();
    for units in [2, UNLUCKY, 3] {
        ids.push(world.shop.place_order(order(&[("APPLE", units, "1000")])));
    }
    world.rounds(20).await;
    let shipped: Vec<bool> = (ids.iter())
        .map(|id| world.shop.order(id).unwrap().is_shipped())
        .collect();
    assert_eq!(shipped, [true, false, true]);
    let tasks = world.engine.store.list_tasks().await.unwrap();
    let told: Vec<_> = tasks.iter().map(|task| task.kind.as_str()).collect();
    assert_eq!(told, ["shipping_notice_rejected"]);
    assert!(tasks[0].detail.contains("panicked"), "{:?}", tasks[0]);
}
