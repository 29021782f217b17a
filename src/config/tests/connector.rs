//! A connector that offers what its account's `offers` says and never does anything.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use hikiate_sdk::budget::Budget;
use hikiate_sdk::{
    AccountConfig, Call, Connector, ConnectorKind, Error, ErrorClass, ExternalId, Found, InFile,
    OnUnknown, Op, OperationSpec, Operations, Outcome, Page, Prepared, Problem, Record, Replay,
    SecretRef, Source, StreamKind, StreamSpec,
};
use serde::Deserialize;
use serde_json::Value;

/// The kind.
pub(super) struct Test;

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Keys {
    offers: Vec<String>,
    #[serde(default)]
    token: Option<SecretRef>,
    #[serde(default)]
    #[expect(dead_code, reason = "only its shape counts")]
    url: Option<String>,
    #[serde(default)]
    #[expect(dead_code, reason = "only its shape counts")]
    port: Option<u16>,
}

struct Account {
    streams: Vec<StreamSpec>,
    ops: Vec<OperationSpec>,
}

impl ConnectorKind for Test {
    fn name(&self) -> &'static str {
        "test"
    }

    fn title(&self) -> &'static str {
        "offers what it is told to"
    }

    fn schema(&self) -> schemars::Schema {
        schemars::schema_for!(Keys)
    }

    fn build(&self, account: &AccountConfig<'_>) -> Result<Arc<dyn Connector>, Vec<Problem>> {
        let keys: Keys = serde_json::from_value(account.settings.clone())
            .map_err(|e| vec![Problem::new("", e.to_string())])?;
        if let Some(mut token) = keys.token {
            token.file = token.file.map(|file| account.base_dir.join(file));
            token.read().map_err(|e| vec![Problem::new("token", e)])?;
        }
        let replies = keys.offers.iter().any(|word| word == "replies");
        let kind = |word: &str| match word {
            "orders" => Some(StreamKind::Orders),
            "shipments" => Some(StreamKind::Shipments),
            "stock" => Some(StreamKind::Stock),
            _ => None,
        };
        let streams = keys.offers.iter().filter_map(|word| {
            Some(StreamSpec {
                name: word.clone(),
                kind: kind(word)?,
                interval: Duration::from_secs(30),
            })
        });
        let ops = keys
            .offers
            .iter()
            .filter_map(|word| Op::parse(word))
            .map(|op| OperationSpec {
                op,
                replay: if op == Op::Mail {
                    Replay::Person
                } else {
                    Replay::Lookup {
                        settle: Duration::from_secs(5),
                    }
                },
                on_unknown: OnUnknown::Hold,
                accepted_is_done: !replies,
                says: match op {
                    Op::Capture => "does capture; cannot be undone",
                    Op::Mail => "does mail; cannot be undone",
                    _ => "does something",
                },
            });
        Ok(Arc::new(Account {
            streams: streams.collect(),
            ops: ops.collect(),
        }))
    }
}

impl Connector for Account {
    fn source(&self) -> Option<&dyn Source> {
        (!self.streams.is_empty()).then_some(self)
    }

    fn operations(&self) -> Option<&dyn Operations> {
        (!self.ops.is_empty()).then_some(self)
    }

    fn budgets(&self) -> Vec<Budget> {
        vec![Budget::paced(1, None)]
    }
}

fn never() -> Error {
    Error::new(ErrorClass::Config, "the test connector does nothing")
}

#[async_trait]
impl Source for Account {
    fn streams(&self) -> Vec<StreamSpec> {
        self.streams.clone()
    }

    async fn page(&self, _: &str, _: Option<&Value>, _: DateTime<Utc>) -> Result<Page, Error> {
        Err(never())
    }

    fn reread(&self, _: &str, _: Option<&InFile>, _: &[u8]) -> Result<Vec<Record>, Error> {
        Err(never())
    }

    async fn read_orders(&self, _: &[ExternalId]) -> Result<Vec<Record>, Error> {
        Err(never())
    }

    async fn acknowledge(&self, _: &Value) -> Result<(), Error> {
        Err(never())
    }
}

#[async_trait]
impl Operations for Account {
    fn operations(&self) -> Vec<OperationSpec> {
        self.ops.clone()
    }

    fn prepare(&self, _: &Call) -> Result<Prepared, Error> {
        Err(never())
    }

    async fn send(&self, _: Op, _: &Prepared) -> Result<Outcome, Error> {
        Err(never())
    }

    async fn look_up(&self, _: Op, _: &Prepared) -> Result<Found, Error> {
        Err(never())
    }
}
