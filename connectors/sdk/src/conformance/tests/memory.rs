//! A connector to the shop in memory, sound or with one flaw.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::shop::{HOOK_SECRET, SECRET};
use crate::budget::Budget;
use crate::hooks::{
    Arrival, Arrived, Denied, HookSecrets, HookSpec, HookTrust, Hooks, Nudge, reply, verify_timed,
};
use crate::http::{Answer, Dialect, HttpClient, Request};
use crate::{
    BadRecord, Call, ChannelGate, ChannelState, Connector, Currency, Error, ErrorClass, ExternalId,
    First, FulfilledBy, Here, InFile, Kind, LookUp, Observed, Op, OperationSpec, Operations,
    OrderLine, OrderSnapshot, Outcome, Page, Prepared, Record, RetryPolicy, Source, StreamSpec,
    one_by_one,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    LosesLastOfPage,
    StopsAfterOnePage,
    SkipsEqualTimes,
    BadRecordBreaksPage,
    DropsBadRecord,
    UnknownIdIsError,
    TellsWhatWasNotAsked,
    LookUpAlwaysNo,
    FiveHundredIsTransient,
    IgnoresAnswer,
    GarbageIsEmptyPage,
    ImpurePrepare,
    PreparesAnything,
    SendsTwice,
    LeaksSecret,
    LogsSecret,
    CutsLists,
    GuessesFields,
    LocalTimeIsUtc,
    SkipsLate,
    NeverSweeps,
    OtherNameForAgain,
    BelievesAnyHook,
    BelievesOldHooks,
    RefusesUnknownTopics,
    NewIdEachTime,
    RepeatsWhatWasSent,
    OneRefusalForAll,
    SkipsAnAnswer,
    BelievesTheStatus,
    TakesNoTurn,
}

/// The shop's way to say that it is asked too often.
pub(super) struct Slow;

impl Dialect for Slow {
    fn judge(&self, answer: &Answer<'_>, plain: Option<Error>) -> Option<Error> {
        let body: Option<Value> = serde_json::from_slice(&answer.response.body).ok();
        if body.is_some_and(|body| body["slow"] == json!(true)) {
            let after = answer.response.retry_after();
            return Some(Error::new(
                ErrorClass::RateLimited { after },
                "the shop is asked too often",
            ));
        }
        plain
    }
}

pub(super) struct Memory {
    pub(super) client: HttpClient,
    pub(super) flaw: Option<Flaw>,
    pub(super) page: usize,
}

impl Memory {
    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }
}

impl Connector for Memory {
    fn source(&self) -> Option<&dyn Source> {
        Some(self)
    }

    fn operations(&self) -> Option<&dyn Operations> {
        Some(self)
    }

    fn hooks(&self) -> Option<&dyn Hooks> {
        Some(self)
    }

    fn budgets(&self) -> Vec<Budget> {
        vec![Budget::paced(1, None)]
    }
}

fn protocol(what: &str) -> Error {
    Error::new(ErrorClass::Protocol, format!("the answer has no {what}"))
}

impl Memory {
    fn record(&self, order: &Value) -> Result<Record, Error> {
        let id = ExternalId::from(order["id"].as_str().ok_or_else(|| protocol("order id"))?);
        let at = match order["at"].as_str() {
            None if self.has(Flaw::GuessesFields) => Some(DateTime::UNIX_EPOCH),
            Some(text) if self.has(Flaw::LocalTimeIsUtc) => {
                format!("{}Z", &text[..19]).parse().ok()
            }
            Some(text) => DateTime::parse_from_rfc3339(text)
                .ok()
                .map(|at| at.to_utc()),
            None => None,
        };
        let bad = |reason: &str| Err(BadRecord::new(Some(id.clone()), reason));
        let parsed = match at {
            _ if order.get("broken").is_some() => bad("broken: is set"),
            None => bad("at: is missing"),
            Some(at) => {
                let lines = order["lines"].as_u64().unwrap_or(0);
                let told = if self.has(Flaw::CutsLists) {
                    lines.min(100)
                } else {
                    lines
                };
                let mut order = snapshot(id, at, told);
                if self.has(Flaw::OtherNameForAgain) {
                    order.display = COUNT.fetch_add(1, Ordering::SeqCst).to_string();
                }
                Ok(Observed::Order(Box::new(order), Box::default()))
            }
        };
        Ok(Record::new(order.to_string(), parsed))
    }
}

fn snapshot(external_id: ExternalId, ordered_at: DateTime<Utc>, lines: u64) -> OrderSnapshot {
    let line = |n: u64| OrderLine {
        key: n.to_string().into(),
        group: "1".into(),
        sku: None,
        title: String::new(),
        quantity: 1,
        unit_price: None,
        tax_rate_bp: None,
        by: FulfilledBy::Us,
        customs: crate::Customs::default(),
    };
    OrderSnapshot {
        display: external_id.to_string(),
        external_id,
        version: None,
        ordered_at,
        currency: Currency::JPY,
        state: ChannelState::Open,
        gate: ChannelGate::Open,
        groups: Vec::new(),
        lines: (0..lines).map(line).collect(),
        charges: Vec::new(),
        tenders: Vec::new(),
        total: None,
        fulfilments: Vec::new(),
        taxes: Vec::new(),
        tags: Vec::new(),
        test: false,
    }
}

#[async_trait]
impl Source for Memory {
    fn streams(&self) -> Vec<StreamSpec> {
        vec![StreamSpec {
            name: "orders".to_owned(),
            kind: Kind::Order,
            interval: Duration::from_secs(30),
            by_code: None,
            unheard: false,
        }]
    }

    async fn page(
        &self,
        _stream: &str,
        cursor: Option<&Value>,
        _here: Here<'_>,
    ) -> Result<Page, Error> {
        let time = cursor.map_or(0, |c| c["time"].as_u64().unwrap_or(0));
        let id = match cursor {
            Some(_) if self.has(Flaw::SkipsEqualTimes) => "zzzz",
            Some(cursor) => cursor["id"].as_str().unwrap_or("-"),
            None => "-",
        };
        if self.has(Flaw::LogsSecret) {
            tracing::debug!(token = SECRET, "asking");
        }
        let path = format!("/orders/after/{time}/{id}/{}", self.page);
        let answer = self.client.read(Request::get(path)).await?;
        let body: Value = match serde_json::from_slice(&answer.body) {
            Err(_) if self.has(Flaw::GarbageIsEmptyPage) => json!({ "orders": [], "more": false }),
            body => body.map_err(|_| protocol("JSON"))?,
        };
        let empty = Vec::new();
        let orders = match body["orders"].as_array() {
            None if self.has(Flaw::GarbageIsEmptyPage) => &empty,
            orders => orders.ok_or_else(|| protocol("orders"))?,
        };
        // A round starts a little behind the newest change, for what is seen late.
        let behind = match cursor {
            Some(_) => !self.has(Flaw::SkipsLate) && !self.has(Flaw::NeverSweeps),
            None => !self.has(Flaw::SkipsLate),
        };
        let ended = behind && body["more"].as_bool() == Some(false);
        let next = match orders.last() {
            Some(last) if ended => {
                json!({ "time": last["time"].as_u64().unwrap_or(0).saturating_sub(2), "id": "-" })
            }
            Some(last) => json!({ "time": last["time"], "id": last["id"] }),
            None => cursor
                .cloned()
                .unwrap_or_else(|| json!({ "time": 0, "id": "-" })),
        };
        let mut records = orders
            .iter()
            .map(|o| self.record(o))
            .collect::<Result<Vec<_>, _>>()?;
        if self.has(Flaw::LosesLastOfPage) && records.len() == self.page {
            records.pop();
        }
        if self.has(Flaw::BadRecordBreaksPage) && records.iter().any(|r| r.parsed.is_err()) {
            return Err(protocol("sense"));
        }
        if self.has(Flaw::DropsBadRecord) {
            records.retain(|r| r.parsed.is_ok());
        }
        let more = body["more"].as_bool().unwrap_or(false) && !self.has(Flaw::StopsAfterOnePage);
        Ok(Page::new(records, next, more))
    }

    fn reread(
        &self,
        _stream: &str,
        _file: Option<&InFile>,
        raw: &[u8],
    ) -> Result<Vec<Record>, Error> {
        let order: Value = serde_json::from_slice(raw).map_err(|_| protocol("JSON"))?;
        Ok(vec![self.record(&order)?])
    }

    fn reads(&self) -> Vec<(Kind, usize)> {
        vec![(Kind::Order, 20)]
    }

    async fn read(&self, _kind: Kind, ids: &[ExternalId]) -> Result<Vec<Record>, Error> {
        let mut records = Vec::new();
        if self.has(Flaw::TellsWhatWasNotAsked) {
            let all = self
                .page("orders", None, Here::at(DateTime::UNIX_EPOCH))
                .await?;
            return Ok(all.records);
        }
        for id in ids {
            match self
                .client
                .read(Request::get(format!("/orders/{id}")))
                .await
            {
                Ok(answer) => {
                    let body: Value =
                        serde_json::from_slice(&answer.body).map_err(|_| protocol("JSON"))?;
                    records.push(self.record(&body["order"])?);
                }
                Err(e) if e.class == ErrorClass::NotFound && !self.has(Flaw::UnknownIdIsError) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(records)
    }

    async fn acknowledge(&self, _ack: &Value) -> Result<(), Error> {
        Ok(())
    }
}

impl Hooks for Memory {
    fn hooks(&self) -> Vec<HookSpec> {
        vec![HookSpec {
            name: "orders".to_owned(),
            register: "every change of an order".to_owned(),
            trust: HookTrust::Secret,
            body_limit: 1024,
            keep: Vec::new(),
        }]
    }

    fn arrive(&self, _hook: &str, arrived: &Arrived<'_>, now: DateTime<Utc>) -> Arrival {
        let secrets = HookSecrets::new(HOOK_SECRET.to_owned().into(), None);
        let signature = arrived.header("x-signature");
        let tolerance = Duration::from_secs(300);
        match verify_timed(&secrets, signature, arrived.body, now, tolerance) {
            Err(_) if self.has(Flaw::BelievesAnyHook) => {}
            Err(Denied::Old) if self.has(Flaw::BelievesOldHooks) => {}
            Err(denied) => return Arrival::denied(denied),
            Ok(()) => {}
        }
        let topic = serde_json::from_slice(arrived.body).map(|v: Value| v["topic"].clone());
        match topic.as_ref().ok().and_then(Value::as_str) {
            Some("order") => {}
            Some(_) if self.has(Flaw::RefusesUnknownTopics) => {
                let reply = reply(400, "");
                return Arrival::Refuse {
                    why: "unknown topic",
                    reply,
                };
            }
            _ => return Arrival::Answer(reply(200, "")),
        }
        let count = || COUNT.fetch_add(1, Ordering::SeqCst).to_string();
        let mut reply = reply(200, "");
        if self.has(Flaw::RepeatsWhatWasSent) {
            reply.body = arrived.body.to_vec();
        }
        Arrival::Take {
            key: self.has(Flaw::NewIdEachTime).then(count),
            reply,
        }
    }

    fn nudges(&self, _hook: &str, _headers: &[(String, String)], body: &[u8]) -> Vec<Nudge> {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let id = body["id"].as_str().map(ExternalId::from);
        id.map(|id| Nudge::Read(Kind::Order, id))
            .into_iter()
            .collect()
    }
}

static COUNT: AtomicUsize = AtomicUsize::new(0);

#[async_trait]
impl Operations for Memory {
    fn operations(&self) -> Vec<OperationSpec> {
        let retry = RetryPolicy::LookUp {
            settle: Duration::ZERO,
            first: First::Send,
        };
        vec![OperationSpec {
            together: 3,
            ..OperationSpec::new(Op::Ship, retry, "notifies the shop")
        }]
    }

    fn prepare(&self, call: &Call) -> Result<Prepared, Error> {
        let mut bytes = match call {
            Call::Ship(call) => call.reference.as_str().as_bytes().to_vec(),
            _ if self.has(Flaw::PreparesAnything) => b"x".to_vec(),
            other => {
                return Err(Error::new(
                    ErrorClass::Config,
                    format!("{} is not offered", other.op()),
                ));
            }
        };
        if self.has(Flaw::ImpurePrepare) {
            bytes.extend(
                COUNT
                    .fetch_add(1, Ordering::SeqCst)
                    .to_string()
                    .into_bytes(),
            );
        }
        Ok(Prepared {
            bytes,
            label: "POST /ships".to_owned(),
        })
    }

    async fn send(&self, _op: Op, calls: &[&Prepared]) -> Vec<Result<Outcome, Error>> {
        match self.ship(calls).await {
            Ok(answers) => answers,
            Err(error) => calls.iter().map(|_| Err(error.clone())).collect(),
        }
    }

    async fn look_up(&self, _op: Op, calls: &[&Prepared]) -> Vec<Result<LookUp, Error>> {
        one_by_one(calls, |call| self.find(call)).await
    }
}

impl Memory {
    /// One request with all references; the shop answers for each.
    async fn ship(&self, calls: &[&Prepared]) -> Result<Vec<Result<Outcome, Error>>, Error> {
        let references: Vec<&[u8]> = calls.iter().map(|call| call.bytes.as_slice()).collect();
        let request = Request::post_json("/ships", references.join(&b'\n'));
        if self.has(Flaw::SendsTwice) {
            self.client.write(request.clone()).await?;
        }
        let answer = self
            .client
            .write(request)
            .await
            .map_err(|e| match e.code.as_deref() {
                Some("500" | "502") if self.has(Flaw::FiveHundredIsTransient) => Error {
                    class: ErrorClass::Transient,
                    ..e
                },
                _ => e,
            })?;
        if self.has(Flaw::IgnoresAnswer) {
            return Ok(calls
                .iter()
                .map(|_| Ok(Outcome::Done { id: None }))
                .collect());
        }
        let body: Value = serde_json::from_slice(&answer.body).map_err(|_| protocol("JSON"))?;
        let shipped = body["shipped"]
            .as_array()
            .ok_or_else(|| protocol("shipped"))?;
        let outcome = |done: &Value| match done.as_bool() {
            Some(true) => Ok(Outcome::Done { id: None }),
            Some(false) => Ok(Outcome::Refused {
                code: "unknown".to_owned(),
                message: "no such order".to_owned(),
            }),
            None => Err(protocol("shipped")),
        };
        let mut answers: Vec<_> = shipped.iter().map(outcome).collect();
        if self.has(Flaw::OneRefusalForAll) && shipped.contains(&Value::Bool(false)) {
            answers = shipped
                .iter()
                .map(|_| outcome(&Value::Bool(false)))
                .collect();
        }
        if self.has(Flaw::SkipsAnAnswer) && calls.len() > 1 {
            answers.pop();
        }
        Ok(answers)
    }

    async fn find(&self, prepared: &Prepared) -> Result<LookUp, Error> {
        if self.has(Flaw::LookUpAlwaysNo) {
            return Ok(LookUp::NotFound);
        }
        let path = format!("/ships/{}", String::from_utf8_lossy(&prepared.bytes));
        let answer = self.client.read(Request::get(path)).await?;
        let body: Value = serde_json::from_slice(&answer.body).map_err(|_| protocol("JSON"))?;
        match body["there"].as_bool() {
            Some(true) => Ok(LookUp::Found(Outcome::Done { id: None })),
            Some(false) => Ok(LookUp::NotFound),
            None => Err(protocol("there")),
        }
    }
}
