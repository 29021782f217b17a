//! A connector that offers what its account's `offers` says and never does anything.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use hikiate_sdk::budget::Budget;
use hikiate_sdk::duration::Span;
use hikiate_sdk::hooks::{Arrival, Arrived, HookSpec, HookTrust, Hooks, Nudge, reply};
use hikiate_sdk::settings::Checks;
use hikiate_sdk::{Ability, Cancels, Identity, Parts, Unit, When};
use hikiate_sdk::{
    AccountConfig, Call, Connector, ConnectorKind, Error, ErrorClass, First, Here, InFile, Kind,
    LookUp, Op, OperationSpec, Operations, Outcome, Page, PaymentField, PaymentIds, Prepared,
    Problem, Record, RetryPolicy, SecretRef, Source, StreamSpec,
};
use serde::Deserialize;
use serde_json::Value;

/// The kind.
pub(super) struct Test;

#[derive(Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Keys {
    offers: Vec<String>,
    captures: Option<String>,
    ships: Option<String>,
    cancels: Option<String>,
    members: Option<u32>,
    together: Option<usize>,
    token: Option<SecretRef>,
    url: Option<String>,
    port: Option<u16>,
    wait: Option<Span>,
}

struct Account {
    streams: Vec<StreamSpec>,
    ops: Vec<OperationSpec>,
    hooks: Vec<HookSpec>,
    ids: bool,
    field: PaymentField,
    closed: bool,
    mails: bool,
    homeless: bool,
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
        let mut checks = Checks::new(account.settings);
        let keys: Keys = checks.decode(&["token"]);
        if let Some(mut token) = keys.token {
            token.file = token.file.map(|file| account.base_dir.join(file));
            checks.open("token", &token);
        }
        if account.timezone.parse::<chrono_tz::Tz>().is_err() {
            checks.problem("", "no such time zone");
        }
        checks.finish(Some(()))?;
        let replies = keys.offers.iter().any(|word| word == "replies");
        let kind = |word: &str| match word {
            "orders" => Some(Kind::Order),
            "shipments" => Some(Kind::Shipment),
            "stock" | "stock-by-code" => Some(Kind::Stock),
            "payments" => Some(Kind::Payment),
            _ => None,
        };
        let streams = keys.offers.iter().filter_map(|word| {
            Some(StreamSpec {
                name: word.clone(),
                kind: kind(word)?,
                interval: Duration::from_secs(30),
                by_code: (word == "stock-by-code").then_some(50),
                unheard: false,
            })
        });
        let ops = keys
            .offers
            .iter()
            .filter_map(|word| Op::parse(word))
            .map(|op| OperationSpec {
                op,
                retry: if op == Op::Mail {
                    RetryPolicy::Manual
                } else {
                    RetryPolicy::LookUp {
                        settle: Duration::from_secs(5),
                        first: First::Send,
                    }
                },
                completes_on_accept: !replies,
                ability: match (op, keys.captures.as_deref(), keys.ships.as_deref()) {
                    (Op::Capture, Some("once"), _) => Ability::Capture(Parts::Once),
                    (Op::Capture, Some("whole"), _) => Ability::Capture(Parts::Whole),
                    (Op::Ship, _, Some("line")) => Ability::Notice {
                        unit: Unit::Line,
                        when: When::Each,
                    },
                    (Op::Ship, _, Some("complete")) => Ability::Notice {
                        unit: Unit::Order,
                        when: When::OrderComplete,
                    },
                    (Op::Instruct, ..) if keys.cancels.as_deref() == Some("never") => {
                        Ability::Instruct {
                            identity: Identity::Shipment,
                            cancel: Cancels::Never,
                        }
                    }
                    _ => Ability::usual(op),
                },
                members: keys.members.unwrap_or(OperationSpec::ANY),
                together: keys.together.unwrap_or(1),
                summary: match op {
                    Op::Capture => "does capture; cannot be undone",
                    Op::Mail => "does mail; cannot be undone",
                    _ => "does something",
                },
            });
        let hook = |word: &str| match word {
            "hook" => Some(HookTrust::Secret),
            "unsigned-hook" => Some(HookTrust::SenderCannotSign),
            _ => None,
        };
        let hooks = keys.offers.iter().filter_map(|word| {
            Some(HookSpec {
                name: word.clone(),
                register: "every change".to_owned(),
                trust: hook(word)?,
                body_limit: 100,
                keep: Vec::new(),
            })
        });
        let has = |word: &str| keys.offers.iter().any(|offered| offered == word);
        Ok(Arc::new(Account {
            streams: streams.collect(),
            ops: ops.collect(),
            hooks: hooks.collect(),
            field: match (has("usual-field"), has("no-field")) {
                (true, _) => PaymentField::Usual,
                (_, true) => PaymentField::Nowhere,
                _ => PaymentField::Configured,
            },
            ids: has("ids"),
            mails: has("mails-shipments"),
            homeless: has("no-folder"),
            closed: has("closed-words"),
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

    fn hooks(&self) -> Option<&dyn Hooks> {
        Some(self)
    }

    fn budgets(&self) -> Vec<Budget> {
        vec![Budget::paced(1, None)]
    }
}

impl Hooks for Account {
    fn hooks(&self) -> Vec<HookSpec> {
        self.hooks.clone()
    }

    fn arrive(&self, _: &str, _: &Arrived<'_>, _: DateTime<Utc>) -> Arrival {
        Arrival::Answer(reply(200, ""))
    }

    fn nudges(&self, _: &str, _: &[(String, String)], _: &[u8]) -> Vec<Nudge> {
        Vec::new()
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

    async fn page(&self, _: &str, _: Option<&Value>, _: Here<'_>) -> Result<Page, Error> {
        Err(never())
    }

    fn reread(&self, _: &str, _: Option<&InFile>, _: &[u8]) -> Result<Vec<Record>, Error> {
        Err(never())
    }

    fn payment_field(&self) -> PaymentField {
        self.field
    }

    fn payment_ids(&self) -> Option<PaymentIds> {
        self.ids.then_some(PaymentIds {
            begin: &["pi_"],
            all: false,
            otherwise: "Name the PaymentIntent",
        })
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

    fn destination(&self) -> Vec<String> {
        let missing = self.homeless.then(|| "its folder is missing".to_owned());
        missing.into_iter().collect()
    }

    fn mails_shipments(&self) -> bool {
        self.mails
    }

    fn service_words(&self) -> Option<&'static [&'static str]> {
        let words: &[&str] = &["YAMATO", "YAMATO BOX"];
        self.closed.then_some(words)
    }

    fn slot_words(&self) -> Option<&'static [&'static str]> {
        let words: &[&str] = &["AM", "12"];
        self.closed.then_some(words)
    }

    /// Journals alone, in a format where ";" begins a comment.
    fn prepare(&self, call: &Call) -> Result<Prepared, Error> {
        let Call::PostJournal { journal, .. } = call else {
            return Err(never());
        };
        let mut lines = journal.entries.iter().flat_map(|entry| &entry.lines);
        if lines.any(|line| line.account.contains(';')) {
            let words = "journal entry HB1-1, account: contains \";\"";
            return Err(Error::new(ErrorClass::Rejected, words));
        }
        Ok(Prepared {
            bytes: Vec::new(),
            label: String::new(),
        })
    }

    async fn send(&self, _: Op, calls: &[&Prepared]) -> Vec<Result<Outcome, Error>> {
        calls.iter().map(|_| Err(never())).collect()
    }

    async fn look_up(&self, _: Op, calls: &[&Prepared]) -> Vec<Result<LookUp, Error>> {
        calls.iter().map(|_| Err(never())).collect()
    }
}
