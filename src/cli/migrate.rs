//! `hikiate migrate`: the database's tables, brought up to this version.

use std::time::Duration;

use secrecy::ExposeSecret as _;
use serde_json::json;

use super::args::Global;
use super::failure::Failure;
use super::out::{Out, note};
use super::session::without_mapping;
use crate::store::launcher::{Cluster, ClusterOptions, LauncherError, running};
use crate::store::{Store, StoreError};

/// How often a database that is away is asked.
const ASK: Duration = Duration::from_secs(1);

/// One line is said for so many questions without an answer.
const LINE_EVERY: u32 = 60;

/// Applies what is missing. Without a URL and a daemon, the private cluster is started for it.
pub(crate) async fn migrate(global: &Global, wait: bool) -> Result<(), Failure> {
    let loaded = without_mapping(global)?;
    let out = Out {
        json: global.json,
        zone: loaded.policy.shop.timezone,
    };
    let database = &loaded.settings.database;
    if let Some(url) = &database.url {
        return apply(url.expose_secret(), wait, out).await;
    }
    let options = ClusterOptions::new(&database.state_dir);
    match running(&database.state_dir, &options.database) {
        Ok(url) => apply(&url, wait, out).await,
        Err(LauncherError::NotRunning { .. }) => {
            let cluster = Cluster::start(&options).await?;
            let applied = apply(&cluster.url(&options.database), wait, out).await;
            cluster.stop().await?;
            applied
        }
        Err(error) => Err(error.into()),
    }
}

async fn apply(url: &str, wait: bool, out: Out) -> Result<(), Failure> {
    let mut asked = 0;
    while let Err(error) = Store::reach(url).await {
        if !(wait && error.passes()) {
            return Err(error.into());
        }
        if asked % LINE_EVERY == 0 {
            note(&format!("waiting for the database: {error}"));
        }
        asked += 1;
        tokio::time::sleep(ASK).await;
    }
    let store = Store::connect(url, 2)?;
    let applied = migrated(&store).await;
    store.close().await;
    let (before, after) = applied?;
    let new: Vec<i64> = after
        .iter()
        .filter(|version| !before.contains(version))
        .copied()
        .collect();
    let at = after.last().copied().unwrap_or(0);
    out.one(&json!({ "applied": new, "schema": at }), || {
        match new.as_slice() {
            [] => format!("nothing to do: the schema is at version {at}\n"),
            new => {
                let names: Vec<String> = new.iter().map(ToString::to_string).collect();
                format!(
                    "applied {}: the schema is at version {at}\n",
                    names.join(", ")
                )
            }
        }
    })
}

async fn migrated(store: &Store) -> Result<(Vec<i64>, Vec<i64>), StoreError> {
    let before = store.migrations().await?;
    store.migrate().await?;
    Ok((before, store.migrations().await?))
}
