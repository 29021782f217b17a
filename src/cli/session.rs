//! What a command beside the daemon starts with: the configuration, the database, who is acting.

use std::collections::BTreeMap;
use std::io::{stderr, stdout};

use chrono::{DateTime, NaiveDate, Utc};
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::args::Global;
use super::check;
use super::failure::Failure;
use super::out::{self, Out};
use super::pgoptions;
use crate::config::{ConfigProblem, Loaded, Surroundings, load};
use crate::plan::types::{NotWritten, OrderInput};
use crate::plan::{self, Elsewhere, Explanation, explain};
use crate::registry::CONNECTORS;
use crate::store::Store;
use crate::store::launcher::{ClusterOptions, running};

/// Who the daemon's own steps are; an operator must not pass for them.
const STEPS: [&str; 3] = ["pull", "plan", "push"];

/// Connections of a command.
const CONNECTIONS: u32 = 2;

/// A command's surroundings.
pub(crate) struct Session {
    pub(crate) loaded: Loaded,
    pub(crate) store: Store,
    pub(crate) out: Out,
    pub(crate) actor: String,
}

impl Session {
    /// Loads the configuration, reaches the database and refuses one of a newer version.
    pub(crate) async fn open(global: &Global) -> Result<Self, Failure> {
        let loaded = without_mapping(global)?;
        let actor = actor(global)?;
        let url = url(&loaded)?;
        Store::reach(&url).await?;
        let store = Store::connect(&url, CONNECTIONS)?;
        store.check_gate().await?;
        let out = Out {
            json: global.json,
            zone: loaded.policy.shop.timezone,
        };
        Ok(Self {
            loaded,
            store,
            out,
            actor,
        })
    }

    /// The day in the shop's zone.
    pub(crate) async fn today(&self) -> Result<NaiveDate, Failure> {
        Ok(self
            .store
            .now()
            .await?
            .with_timezone(&self.out.zone)
            .date_naive())
    }

    /// An order in words; `None` for a batch.
    pub(crate) async fn explained(&self, id: i64) -> Result<Option<Explanation>, Failure> {
        let (inputs, now) = self.inputs(&[id]).await?;
        let Some(input) = inputs.get(&id) else {
            return Ok(None);
        };
        let elsewhere = self.elsewhere(id).await?;
        let (policy, rules) = (&self.loaded.policy, &self.loaded.rules);
        let explanation = explain(input, &elsewhere, policy, rules, now);
        Ok(Some(explanation.map_err(anyhow::Error::from)?))
    }

    /// What is stored beside an order's facts and only explains it.
    pub(crate) async fn elsewhere(&self, id: i64) -> Result<Elsewhere, Failure> {
        let mut tx = self.store.snapshot().await?;
        Ok(Store::elsewhere(&mut tx, id).await?)
    }

    /// What the warehouses' layouts cannot write of an order.
    pub(crate) fn not_written(&self, input: &OrderInput) -> Vec<NotWritten> {
        plan::not_written(input, &self.loaded.policy, |account| {
            let mut built = self.loaded.accounts.iter();
            built.find(|a| a.slug == *account)?.instance.operations()
        })
    }

    /// Everything planning would see of these orders, at one moment.
    pub(crate) async fn inputs(
        &self,
        ids: &[i64],
    ) -> Result<(BTreeMap<i64, OrderInput>, DateTime<Utc>), Failure> {
        let directory = self.store.directory().await?;
        let mut tx = self.store.snapshot().await?;
        let claimed = Store::load(&mut tx, ids, &directory).await?;
        let now = claimed.now;
        drop(tx);
        let mut inputs = BTreeMap::new();
        for (id, _, input) in claimed.orders {
            let mut input = input.map_err(anyhow::Error::from)?;
            input.not_written = self.not_written(&input);
            input.see_payments(&self.loaded.policy);
            inputs.insert(id, input);
        }
        Ok((inputs, now))
    }
}

/// Loads the configuration; an operator's shell has no secrets and needs none.
pub(crate) fn configuration(global: &Global, missing_secrets: bool) -> Result<Loaded, Failure> {
    loaded(global, &surroundings(missing_secrets))
}

/// What is private takes nothing of `PGOPTIONS`, which the driver reads.
fn loaded(global: &Global, surroundings: &Surroundings) -> Result<Loaded, Failure> {
    let loaded = load(Some(&global.config), surroundings, CONNECTORS).map_err(Failure::Config)?;
    if loaded.settings.database.url.is_none() {
        pgoptions::leave()?;
    }
    Ok(loaded)
}

/// The same for a command beside the daemon. No row of the mapping file may keep an operator from stopping what is shipped.
pub(crate) fn without_mapping(global: &Global) -> Result<Loaded, Failure> {
    let surroundings = Surroundings {
        allow_bad_mapping: true,
        ..surroundings(true)
    };
    let loaded = loaded(global, &surroundings)?;
    if let [first, more @ ..] = loaded.mapping_problems.as_slice() {
        let more = match more.len() {
            0 => String::new(),
            n => format!(" (and {n} more: hikiate check)"),
        };
        out::note(&format!(
            "{first}{more}; this command continues anyway, but hikiate run will not start"
        ));
    }
    Ok(loaded)
}

fn surroundings(allow_missing_secrets: bool) -> Surroundings {
    Surroundings {
        allow_missing_secrets,
        ..Surroundings::of_process()
    }
}

/// The configured database, else the private cluster that a daemon runs now.
pub(crate) fn url(loaded: &Loaded) -> Result<String, Failure> {
    let database = &loaded.settings.database;
    match &database.url {
        Some(url) => Ok(url.expose_secret().to_owned()),
        None => {
            let name = ClusterOptions::new(&database.state_dir).database;
            Ok(running(&database.state_dir, &name)?)
        }
    }
}

fn actor(global: &Global) -> Result<String, Failure> {
    let variable = |name| {
        std::env::var(name)
            .ok()
            .filter(|value| !value.trim().is_empty())
    };
    let actor = global
        .actor
        .clone()
        .or_else(|| variable("SUDO_USER"))
        .or_else(|| variable("USER"))
        .unwrap_or_else(|| "operator".to_owned());
    if STEPS.contains(&actor.as_str()) {
        return Err(Failure::Usage(format!(
            "--actor {actor} is a daemon step's name; enter an operator's name"
        )));
    }
    Ok(actor)
}

/// `hikiate check`.
pub(crate) fn check(global: &Global, missing_secrets: bool) -> Result<(), Failure> {
    let surroundings = surroundings(missing_secrets);
    if global.json {
        return check_json(global, &surroundings);
    }
    let (mut out, mut err) = (stdout().lock(), stderr().lock());
    let path = Some(global.config.as_path());
    match check::run(path, &surroundings, CONNECTORS, &mut out, &mut err) {
        Ok(check::GOOD) => Ok(()),
        // Said already.
        Ok(_) => Err(Failure::Said(check::BAD)),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(anyhow::Error::new(error).context("standard output").into()),
    }
}

fn check_json(global: &Global, surroundings: &Surroundings) -> Result<(), Failure> {
    let (value, ended) = match check::checked(Some(&global.config), surroundings, CONNECTORS) {
        Ok(loaded) => {
            let policy = hex::encode(loaded.policy_hash);
            (
                json!({ "problems": [], "warnings": rows(&loaded.exposed), "policy": policy, "summary": loaded.summary }),
                Ok(()),
            )
        }
        Err(problems) => (
            json!({ "problems": rows(&problems) }),
            Err(Failure::Said(check::BAD)),
        ),
    };
    out::text(&format!("{value:#}\n"))?;
    ended
}

fn rows(problems: &[ConfigProblem]) -> Vec<serde_json::Value> {
    let row = |problem: &ConfigProblem| json!({ "file": problem.file, "line": problem.line, "key": problem.key, "message": problem.message });
    problems.iter().map(row).collect()
}
