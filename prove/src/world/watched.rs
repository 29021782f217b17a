//! A connector as it is, with a gate and a witness at each call.

use std::sync::Arc;

use async_trait::async_trait;
use hikiate_sdk::{
    Call, Connector, Error, ExternalId, Found, Op, OperationSpec, Operations, Outcome, Pace, Page,
    Prepared, Record, Source, StreamSpec,
};
use serde_json::Value;

use super::gate::Gate;

/// An account's connector in one process.
pub(super) struct Watched {
    pub(super) slug: String,
    pub(super) inner: Arc<dyn Connector>,
    pub(super) gate: Arc<Gate>,
}

impl Watched {
    fn reads(&self) -> &dyn Source {
        self.inner.source().expect("asked only where there is one")
    }

    fn writes(&self) -> &dyn Operations {
        self.inner
            .operations()
            .expect("asked only where there are some")
    }

    async fn around<T>(
        &self,
        what: String,
        act: impl Future<Output = Result<T, Error>>,
        show: impl FnOnce(&T) -> String,
    ) -> Result<T, Error> {
        self.gate.pass(&format!("before {} {what}", self.slug)).await;
        let answer = act.await;
        let said = match &answer {
            Ok(value) => show(value),
            Err(error) => format!("{:?}: {}", error.class, short(&error.message)),
        };
        if !said.is_empty() {
            self.gate.say(format!("  {} {what} -> {said}", self.slug));
        }
        self.gate.pass(&format!("after {} {what}", self.slug)).await;
        answer
    }
}

fn short(text: &str) -> String {
    text.chars().take(110).collect()
}

impl Connector for Watched {
    fn source(&self) -> Option<&dyn Source> {
        self.inner.source().map(|_| self as &dyn Source)
    }

    fn operations(&self) -> Option<&dyn Operations> {
        self.inner.operations().map(|_| self as &dyn Operations)
    }

    fn pace(&self) -> Pace {
        self.inner.pace()
    }
}

#[async_trait]
impl Source for Watched {
    fn streams(&self) -> Vec<StreamSpec> {
        self.reads().streams()
    }

    async fn page(&self, stream: &str, cursor: Option<&Value>) -> Result<Page, Error> {
        let act = self.reads().page(stream, cursor);
        self.around(format!("page {stream}"), act, |page| {
            if page.records.is_empty() {
                String::new()
            } else {
                format!("{} records, more {}", page.records.len(), page.more)
            }
        })
        .await
    }

    async fn read_orders(&self, ids: &[ExternalId]) -> Result<Vec<Record>, Error> {
        let act = self.reads().read_orders(ids);
        self.around(format!("read {} orders", ids.len()), act, |records| {
            format!("{} records", records.len())
        })
        .await
    }

    async fn acknowledge(&self, ack: &Value) -> Result<(), Error> {
        let act = self.reads().acknowledge(ack);
        self.around("acknowledge".to_owned(), act, |()| "ok".to_owned())
            .await
    }
}

#[async_trait]
impl Operations for Watched {
    fn operations(&self) -> Vec<OperationSpec> {
        self.writes().operations()
    }

    fn prepare(&self, call: &Call) -> Result<Prepared, Error> {
        self.writes().prepare(call)
    }

    async fn send(&self, op: Op, prepared: &Prepared) -> Result<Outcome, Error> {
        let act = self.writes().send(op, prepared);
        self.around(format!("send {op} {}", prepared.label), act, |outcome| {
            format!("{outcome:?}")
        })
        .await
    }

    async fn look_up(&self, op: Op, prepared: &Prepared) -> Result<Found, Error> {
        let act = self.writes().look_up(op, prepared);
        self.around(format!("look up {op} {}", prepared.label), act, |found| {
            format!("{found:?}")
        })
        .await
    }
}
