//! The SDK's conformance suite.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use hikiate_sdk::budget::Budget;
use hikiate_sdk::conformance::{Bench, Specification, Subject, Verdict, Waiver, run};
use hikiate_sdk::{
    Call, Connector, Error, LookUp, Op, OperationSpec, Operations, Outcome, Prepared, Source,
};

use crate::sim::Shop;

#[tokio::test]
async fn the_suite_passes_where_the_shop_has_fulfilments() {
    let card = run(&Shop::with_fulfilments()).await;
    assert_eq!(card.failures(), Vec::<String>::new(), "{card}");
    let (passed, waived, _) = card.counts();
    assert!(passed > 90 && waived == 2, "{card}");
}

#[tokio::test]
async fn the_suite_passes_where_a_shipment_is_a_note() {
    let card = run(&Shop::with_notes()).await;
    assert_eq!(card.failures(), Vec::<String>::new(), "{card}");
    let (passed, waived, _) = card.counts();
    assert!(passed > 90 && waived == 2, "{card}");
}

/// Takes a shipment for reported as soon as a part of it may have been written: the buyer would never get the rest.
struct Hasty {
    inner: Arc<dyn Connector>,
    sent: Mutex<Vec<Vec<u8>>>,
}

impl Connector for Hasty {
    fn source(&self) -> Option<&dyn Source> {
        self.inner.source()
    }

    fn operations(&self) -> Option<&dyn Operations> {
        Some(self)
    }

    fn budgets(&self) -> Vec<Budget> {
        self.inner.budgets()
    }
}

#[async_trait]
impl Operations for Hasty {
    fn operations(&self) -> Vec<OperationSpec> {
        let mut specs = self.inner.operations().unwrap().operations();
        specs.retain(|spec| spec.op == Op::Ship);
        specs
    }

    fn prepare(&self, call: &Call) -> Result<Prepared, Error> {
        self.inner.operations().unwrap().prepare(call)
    }

    async fn send(&self, op: Op, calls: &[&Prepared]) -> Vec<Result<Outcome, Error>> {
        let bytes = calls.iter().map(|call| call.bytes.clone());
        self.sent.lock().unwrap().extend(bytes);
        self.inner.operations().unwrap().send(op, calls).await
    }

    async fn look_up(&self, op: Op, calls: &[&Prepared]) -> Vec<Result<LookUp, Error>> {
        let known = |call: &&&Prepared| self.sent.lock().unwrap().contains(&call.bytes);
        if calls.iter().any(|call| known(&call)) {
            let found = Outcome::Done { id: None };
            return calls
                .iter()
                .map(|_| Ok(LookUp::Found(found.clone())))
                .collect();
        }
        self.inner.operations().unwrap().look_up(op, calls).await
    }
}

struct HastyShop(Shop);

#[async_trait]
impl Subject for HastyShop {
    fn name(&self) -> String {
        self.0.name()
    }

    fn waivers(&self) -> Vec<Waiver> {
        Vec::new()
    }

    fn specification(&self) -> Option<Specification> {
        None
    }

    async fn fresh(&self) -> Bench {
        let bench = self.0.fresh().await;
        let connector = Hasty {
            inner: bench.connector,
            sent: Mutex::default(),
        };
        Bench {
            connector: Arc::new(connector),
            ..bench
        }
    }
}

/// The suite's check of an operation in several requests is one that can fail.
#[tokio::test]
async fn a_look_up_that_believes_a_part_is_caught() {
    let card = run(&HastyShop(Shop::with_notes())).await;
    for check in ["lost after part 1/ship", "lost after part 2/ship"] {
        let verdict = card.verdict(check);
        assert!(
            matches!(verdict, Some(Verdict::Failed(_))),
            "{check}: {card}"
        );
    }
    assert_eq!(
        card.verdict("lost reply/ship"),
        Some(&Verdict::Passed),
        "{card}"
    );
}
