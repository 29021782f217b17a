//! A connector as it is, with a gate and a witness at each call.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use hikiate_sdk::budget::Budget;
use hikiate_sdk::hooks::Hooks;
use hikiate_sdk::{
    Call, Connector, Error, ErrorClass, ExternalId, Here, InFile, Kind, LookUp, Observed, Op,
    OperationSpec, Operations, Outcome, Page, Prepared, Record, RetryPolicy, Source, StreamSpec,
};
use serde_json::Value;
use sqlx::PgPool;

use super::gate::Gate;
use crate::fault::{self, Around};

/// What an external system's pages held, for whoever wants to find it in the database again.
#[derive(Default)]
pub(super) struct Heard {
    /// Nobody listens where this is false.
    on: AtomicBool,
    bad: Mutex<Vec<(String, Vec<u8>)>>,
}

impl Heard {
    pub(super) fn listen(&self) {
        self.on.store(true, Ordering::Relaxed);
    }

    fn page(&self, stream: &str, page: &Page) {
        if self.on.load(Ordering::Relaxed) {
            let bad = page.records.iter().filter(|record| record.parsed.is_err());
            let bad = bad.map(|record| (stream.to_owned(), record.raw.clone()));
            self.all().extend(bad);
        }
    }

    fn all(&self) -> MutexGuard<'_, Vec<(String, Vec<u8>)>> {
        self.bad.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stream and bytes of each bad record since the last time this was asked.
    pub(super) fn take(&self) -> Vec<(String, Vec<u8>)> {
        std::mem::take(&mut *self.all())
    }
}

/// An account's connector in one process.
pub(super) struct Watched {
    pub(super) slug: String,
    pub(super) inner: Arc<dyn Connector>,
    pub(super) gate: Arc<Gate>,
    pub(super) heard: Arc<Heard>,
    /// Where faults that are put in on purpose reach around the daemon.
    pub(super) admin: PgPool,
}

impl Watched {
    fn at_source(&self) -> &dyn Source {
        self.inner.source().expect("asked only where there is one")
    }

    fn writes(&self) -> &dyn Operations {
        self.inner
            .operations()
            .expect("asked only where there are some")
    }

    /// What a page becomes in a daemon that is broken on purpose.
    async fn broken_page(&self, stream: &str, page: &mut Page) -> Result<(), Error> {
        if fault::is(Around::CursorBeforeCommit) {
            sqlx::query(
                "UPDATE streams SET cursor = $3 WHERE name = $2
                 AND account_id = (SELECT id FROM accounts WHERE slug = $1)",
            )
            .bind(&self.slug)
            .bind(stream)
            .bind(&page.next)
            .execute(&self.admin)
            .await
            .unwrap();
        }
        if let Some(ack) = &page.ack
            && fault::is(Around::AcknowledgedBeforeCommit)
        {
            self.at_source().acknowledge(ack).await?;
        }
        if fault::is(Around::ParcelCountedTwice) {
            for record in &mut page.records {
                if let Ok(Observed::Parcel(parcel)) = &mut record.parsed {
                    parcel.key.push_str(&format!(".{}", self.gate.count()));
                }
            }
        }
        Ok(())
    }

    /// What is done in a daemon that is broken on purpose when it has said that it is about to send.
    async fn broken_mark(&self) {
        if fault::is(Around::SendingNotMarked) {
            sqlx::query(
                "UPDATE effects SET state = 'leased' WHERE state = 'sending'
                 AND account_id = (SELECT id FROM accounts WHERE slug = $1)",
            )
            .bind(&self.slug)
            .execute(&self.admin)
            .await
            .unwrap();
        }
    }

    /// What is sent in a daemon that is broken on purpose.
    fn broken_call(&self, call: &Prepared) -> Prepared {
        let mut sent = call.clone();
        if fault::is(Around::KeyOfTheTry)
            && let Ok(mut frozen) = serde_json::from_slice::<Value>(&call.bytes)
            && let Some(key) = frozen.get("key").and_then(Value::as_str)
        {
            frozen["key"] = format!("{key}.{}", self.gate.count()).into();
            sent.bytes = frozen.to_string().into_bytes();
        }
        sent
    }

    async fn around<T>(
        &self,
        what: String,
        act: impl Future<Output = Result<T, Error>>,
        show: impl FnOnce(&T) -> String,
    ) -> Result<T, Error> {
        self.gate
            .pass(&format!("before {} {what}", self.slug))
            .await;
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

impl Watched {
    /// [`Watched::around`] for calls that go together; what one of them is answered is said of each.
    async fn around_all<T: std::fmt::Debug>(
        &self,
        what: String,
        act: impl Future<Output = Vec<Result<T, Error>>>,
    ) -> Vec<Result<T, Error>> {
        self.gate
            .pass(&format!("before {} {what}", self.slug))
            .await;
        let answers = act.await;
        for answer in &answers {
            let said = match answer {
                Ok(value) => format!("{value:?}"),
                Err(error) => format!("{:?}: {}", error.class, short(&error.message)),
            };
            self.gate.say(format!("  {} {what} -> {said}", self.slug));
        }
        self.gate.pass(&format!("after {} {what}", self.slug)).await;
        answers
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

    fn hooks(&self) -> Option<&dyn Hooks> {
        self.inner.hooks()
    }

    fn budgets(&self) -> Vec<Budget> {
        self.inner.budgets()
    }
}

#[async_trait]
impl Source for Watched {
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
        let act = async {
            let here = Here {
                now: fault::asked(stream, here.now),
                ..here
            };
            let mut page = self.at_source().page(stream, cursor, here).await?;
            self.broken_page(stream, &mut page).await?;
            self.heard.page(stream, &page);
            fault::brought(&mut page);
            Ok(page)
        };
        self.around(format!("page {stream}"), act, |page| {
            if page.records.is_empty() {
                String::new()
            } else {
                let bad = page
                    .records
                    .iter()
                    .filter_map(|record| record.parsed.as_ref().err());
                let bad: String = bad
                    .map(|bad| format!("; bad: {}", short(&bad.reason)))
                    .collect();
                format!("{} records, more {}{bad}", page.records.len(), page.more)
            }
        })
        .await
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
        let act = self.at_source().read(kind, ids);
        self.around(
            format!("read {} {}", ids.len(), kind.plural()),
            act,
            |records| format!("{} records", records.len()),
        )
        .await
    }

    async fn acknowledge(&self, ack: &Value) -> Result<(), Error> {
        let act = self.at_source().acknowledge(ack);
        self.around("acknowledge".to_owned(), act, |()| "ok".to_owned())
            .await
    }
}

#[async_trait]
impl Operations for Watched {
    fn operations(&self) -> Vec<OperationSpec> {
        let mut specs = self.writes().operations();
        for spec in specs
            .iter_mut()
            .filter(|_| fault::is(Around::SettleIgnored))
        {
            if let RetryPolicy::LookUp { settle, .. } = &mut spec.retry {
                *settle = Duration::ZERO;
            }
        }
        specs
    }

    fn by_telephone(&self) -> Vec<Op> {
        self.writes().by_telephone()
    }

    fn prepare(&self, call: &Call) -> Result<Prepared, Error> {
        self.writes().prepare(call)
    }

    async fn send(&self, op: Op, calls: &[&Prepared]) -> Vec<Result<Outcome, Error>> {
        self.broken_mark().await;
        let broken: Vec<Prepared> = calls.iter().map(|call| self.broken_call(call)).collect();
        let calls: &[&Prepared] = &broken.iter().collect::<Vec<_>>();
        let act = async {
            if let Some(outcome) = fault::answered(op) {
                return calls.iter().map(|_| Ok(outcome.clone())).collect();
            }
            let mut answers = self.writes().send(op, calls).await;
            if fault::is(Around::NotShownBelieved) {
                answers.iter_mut().for_each(believe);
            }
            for error in answers.iter_mut().filter_map(|a| a.as_mut().err()) {
                if error.class == ErrorClass::OutcomeUnknown && fault::is(Around::LostReplyIgnored)
                {
                    error.class = ErrorClass::Transient;
                }
            }
            answers
        };
        self.around_all(format!("send {op} {}", labels(calls)), act)
            .await
    }

    async fn look_up(&self, op: Op, calls: &[&Prepared]) -> Vec<Result<LookUp, Error>> {
        let act = self.writes().look_up(op, calls);
        self.around_all(format!("look up {op} {}", labels(calls)), act)
            .await
    }
}

/// Takes an answer that does not show its call for one that does.
fn believe(answer: &mut Result<Outcome, Error>) {
    let code = answer
        .as_ref()
        .err()
        .and_then(|error| error.code.as_deref());
    if code == Some(Error::NOT_SHOWN) {
        *answer = Ok(Outcome::Done { id: None });
    }
}

fn labels(calls: &[&Prepared]) -> String {
    let labels: Vec<&str> = calls.iter().map(|call| call.label.as_str()).collect();
    labels.join(", ")
}
