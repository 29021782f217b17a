//! The descriptor and what an account offers.

use std::sync::Arc;

use async_trait::async_trait;
use hikiate_sdk::budget::{Ask, Budget};
use hikiate_sdk::{
    AccountConfig, Call, Connector, ConnectorKind, Error, ErrorClass, Link, LookUp, Op,
    OperationSpec, Operations, Outcome, Prepared, Problem, RetryPolicy, Source, one_by_one,
};

use crate::client::Client;
use crate::config::{self, Keys, Settings};
use crate::map;

/// Mail over SMTP.
#[derive(Clone, Copy, Debug)]
pub struct Smtp;

impl ConnectorKind for Smtp {
    fn name(&self) -> &'static str {
        "smtp"
    }

    fn title(&self) -> &'static str {
        "mail over SMTP, at most once"
    }

    fn schema(&self) -> schemars::Schema {
        schemars::schema_for!(Keys)
    }

    fn build(&self, account: &AccountConfig<'_>) -> Result<Arc<dyn Connector>, Vec<Problem>> {
        let mut settings = config::read(account.settings)?;
        settings.ca_file = settings.ca_file.map(|file| account.base_dir.join(file));
        let client = Client::new(settings.clone()).map_err(|problem| vec![problem])?;
        let link = account.link.clone();
        Ok(Arc::new(Account {
            settings,
            client,
            link,
        }))
    }

    #[cfg(feature = "sim")]
    fn subjects(&self) -> Vec<Box<dyn hikiate_sdk::conformance::Subject>> {
        vec![Box::new(crate::sim::Mail)]
    }
}

/// One mail account.
#[derive(Debug)]
pub(crate) struct Account {
    settings: Settings,
    client: Client,
    link: Link,
}

impl Connector for Account {
    fn source(&self) -> Option<&dyn Source> {
        None
    }

    fn operations(&self) -> Option<&dyn Operations> {
        Some(self)
    }

    fn budgets(&self) -> Vec<Budget> {
        vec![Budget::paced(
            self.settings.concurrency,
            self.settings.per_second,
        )]
    }
}

#[async_trait]
impl Operations for Account {
    fn operations(&self) -> Vec<OperationSpec> {
        vec![OperationSpec::new(
            Op::Mail,
            RetryPolicy::Manual,
            "sends a mail to the customer; cannot be undone, and is never resent automatically once it may have been sent",
        )]
    }

    fn prepare(&self, call: &Call) -> Result<Prepared, Error> {
        match call {
            Call::Mail(mail) => map::prepare(mail, &self.settings.from, &self.settings.domain),
            other => Err(not_offered(other.op())),
        }
    }

    async fn send(&self, op: Op, calls: &[&Prepared]) -> Vec<Result<Outcome, Error>> {
        one_by_one(calls, |mail| self.deliver(op, mail)).await
    }

    async fn look_up(&self, _op: Op, calls: &[&Prepared]) -> Vec<Result<LookUp, Error>> {
        calls.iter().map(|_| Ok(LookUp::Inconclusive)).collect()
    }
}

impl Account {
    async fn deliver(&self, op: Op, prepared: &Prepared) -> Result<Outcome, Error> {
        if op != Op::Mail {
            return Err(not_offered(op));
        }
        let frozen = map::frozen(prepared)?;
        let _turn = self.link.meter().turn(Ask::default()).await?;
        let result = self.client.deliver(&frozen).await;
        result.map_err(|e| Error {
            message: format!("{}: {}", prepared.label, e.message),
            ..e
        })
    }
}

fn not_offered(op: Op) -> Error {
    Error::new(
        ErrorClass::Config,
        format!("a mail account cannot do {op}: route it to another account"),
    )
}
