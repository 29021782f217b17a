//! Real connectors, each with one thing broken around it: the suite has to see every one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::thread;

use async_trait::async_trait;
use hikiate_files::sim::ByFile;
use hikiate_medusa::sim::Shop;
use hikiate_sdk::budget::Budget;
use hikiate_sdk::conformance::{Bench, Specification, Subject, Verdict, Waiver, run};
use hikiate_sdk::{
    Call, Connector, Error, ErrorClass, ExternalId, Here, InFile, Kind, LookUp, Observed, Op,
    OperationSpec, Operations, Outcome, Page, Prepared, Record, ReplyVerdict, Source, StreamSpec,
    one_by_one,
};
use serde_json::Value;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Broken {
    DropsTheLastRow,
    SendsAgainUnderAnotherName,
    ShowsItsTokenInDebug,
    LogsItsToken,
    TakesTokyoForUtc,
    ReadsAHundredLines,
    TakesRefusedForTaken,
    TriesARefusedLoginAgain,
}

/// The token of the simulated shop.
const TOKEN: &str = "sk_hunter2";

struct Around {
    inner: Box<dyn Subject>,
    broken: Broken,
}

#[async_trait]
impl Subject for Around {
    fn name(&self) -> String {
        self.inner.name()
    }

    fn waivers(&self) -> Vec<Waiver> {
        self.inner.waivers()
    }

    fn specification(&self) -> Option<Specification> {
        None
    }

    async fn fresh(&self) -> Bench {
        let bench = self.inner.fresh().await;
        let connector = Arc::new(Wrapped {
            inner: bench.connector,
            broken: self.broken,
            calls: Mutex::default(),
        });
        Bench { connector, ..bench }
    }
}

struct Wrapped {
    inner: Arc<dyn Connector>,
    broken: Broken,
    calls: Mutex<BTreeMap<Vec<u8>, Call>>,
}

impl Wrapped {
    fn is(&self, broken: Broken) -> bool {
        self.broken == broken
    }

    fn at_source(&self) -> &dyn Source {
        self.inner.source().unwrap()
    }

    fn at_operations(&self) -> &dyn Operations {
        self.inner.operations().unwrap()
    }

    fn spoil(&self, record: &mut Record) {
        match &mut record.parsed {
            Ok(Observed::Order(order, _)) if self.is(Broken::TakesTokyoForUtc) => {
                order.ordered_at -= chrono::TimeDelta::hours(9);
            }
            Ok(Observed::Order(order, _)) if self.is(Broken::ReadsAHundredLines) => {
                order.lines.truncate(100);
            }
            Ok(Observed::InstructionReply(reply)) if self.is(Broken::TakesRefusedForTaken) => {
                reply.verdict = ReplyVerdict::Accepted;
            }
            _ => {}
        }
    }
}

impl Connector for Wrapped {
    fn source(&self) -> Option<&dyn Source> {
        self.inner.source().map(|_| self as &dyn Source)
    }

    fn operations(&self) -> Option<&dyn Operations> {
        self.inner.operations().map(|_| self as &dyn Operations)
    }

    fn budgets(&self) -> Vec<Budget> {
        self.inner.budgets()
    }
}

#[async_trait]
impl Source for Wrapped {
    fn streams(&self) -> Vec<StreamSpec> {
        self.at_source().streams()
    }

    fn says(&self) -> Vec<String> {
        self.at_source().says()
    }

    async fn page(
        &self,
        stream: &str,
        cursor: Option<&Value>,
        here: Here<'_>,
    ) -> Result<Page, Error> {
        if self.is(Broken::LogsItsToken) {
            tracing::trace!("asking as {TOKEN}");
        }
        let mut page = match self.at_source().page(stream, cursor, here).await {
            Err(e) if self.is(Broken::TriesARefusedLoginAgain) => {
                return Err(Error {
                    class: ErrorClass::Transient,
                    ..e
                });
            }
            page => page?,
        };
        if self.is(Broken::DropsTheLastRow) && page.more {
            page.records.pop();
        }
        page.records.iter_mut().for_each(|r| self.spoil(r));
        Ok(page)
    }

    fn reread(
        &self,
        stream: &str,
        file: Option<&InFile>,
        raw: &[u8],
    ) -> Result<Vec<Record>, Error> {
        self.at_source().reread(stream, file, raw)
    }

    fn reads(&self) -> Vec<(Kind, usize)> {
        self.at_source().reads()
    }

    async fn read(&self, kind: Kind, ids: &[ExternalId]) -> Result<Vec<Record>, Error> {
        self.at_source().read(kind, ids).await
    }

    async fn acknowledge(&self, ack: &Value) -> Result<(), Error> {
        self.at_source().acknowledge(ack).await
    }
}

#[async_trait]
impl Operations for Wrapped {
    fn operations(&self) -> Vec<OperationSpec> {
        self.at_operations().operations()
    }

    fn prepare(&self, call: &Call) -> Result<Prepared, Error> {
        let mut prepared = self.at_operations().prepare(call)?;
        if self.is(Broken::ShowsItsTokenInDebug) {
            prepared.label = format!("{} as {TOKEN}", prepared.label);
        }
        let mut calls = self.calls.lock().unwrap();
        calls.insert(prepared.bytes.clone(), call.clone());
        Ok(prepared)
    }

    async fn send(&self, op: Op, calls: &[&Prepared]) -> Vec<Result<Outcome, Error>> {
        one_by_one(calls, |call| self.send_it(op, call)).await
    }

    async fn look_up(&self, op: Op, calls: &[&Prepared]) -> Vec<Result<LookUp, Error>> {
        self.at_operations().look_up(op, calls).await
    }
}

impl Wrapped {
    async fn send_it(&self, op: Op, prepared: &Prepared) -> Result<Outcome, Error> {
        let result = self.at_operations().send_one(op, prepared).await;
        let lost = matches!(&result, Err(e) if e.class == ErrorClass::OutcomeUnknown);
        if !(lost && self.is(Broken::SendsAgainUnderAnotherName)) {
            return result;
        }
        let mut call = self.calls.lock().unwrap()[&prepared.bytes].clone();
        if let Call::Instruct(batch) = &mut call {
            batch.batch.n += 1;
        }
        let again = self.at_operations().prepare(&call)?;
        self.at_operations().send_one(op, &again).await.and(result)
    }
}

fn caught(broken: Broken, inner: impl FnOnce() -> Box<dyn Subject>, checks: &[&str]) {
    let subject = Around {
        inner: inner(),
        broken,
    };
    let card = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(run(&subject));
    for check in checks {
        assert!(
            matches!(card.verdict(check), Some(Verdict::Failed(_))),
            "{broken:?} was not caught by {check}: {card}"
        );
    }
}

#[test]
fn whatever_is_broken_in_a_real_connector_is_caught() {
    let shop = || Box::new(Shop::default()) as Box<dyn Subject>;
    let warehouse = || Box::new(ByFile::ALL[0]) as Box<dyn Subject>;
    type Made = fn() -> Box<dyn Subject>;
    let (shop, warehouse): (Made, Made) = (shop, warehouse);
    let all: [(Broken, Made, &[&str]); 8] = [
        (
            Broken::DropsTheLastRow,
            shop,
            &["equal times/orders", "paging, ten pages/stock"],
        ),
        (
            Broken::SendsAgainUnderAnotherName,
            warehouse,
            &["lost reply/instruct"],
        ),
        (
            Broken::ShowsItsTokenInDebug,
            shop,
            &["nothing secret is shown"],
        ),
        (Broken::LogsItsToken, shop, &["nothing secret is shown"]),
        (Broken::TakesTokyoForUtc, shop, &["time zones/orders"]),
        (
            Broken::ReadsAHundredLines,
            shop,
            &["a long list inside/orders"],
        ),
        (
            Broken::TakesRefusedForTaken,
            warehouse,
            &["partial batch/instruct"],
        ),
        (
            Broken::TriesARefusedLoginAgain,
            shop,
            &["unauthorised on reading/orders"],
        ),
    ];
    let runs =
        all.map(|(broken, made, checks)| thread::spawn(move || caught(broken, made, checks)));
    for run in runs {
        if let Err(why) = run.join() {
            std::panic::resume_unwind(why);
        }
    }
}
