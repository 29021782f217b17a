//! The start of a process: the configuration's names become rows, its policy is activated.

use std::collections::BTreeMap;
use std::sync::Arc;

use hikiate_sdk::{AccountSlug, Op};
use tracing::warn;

use super::{plan, schedule};
use crate::account::{Account, Breaker, Continued, Credentials};
use crate::config::Loaded;
use crate::engine::{Engine, PlanningLimits};
use crate::operations::{ANNOTATE, CAPTURE, MAIL, NOTICE, of};
use crate::ops::metrics::Metrics;
use crate::policy::Policy;
use crate::store::witness::Witness;
use crate::store::{Instance, Store, StoreError};

/// Registers what the configuration names, activates its policy and builds an engine.
///
/// # Errors
/// The database's; an account that changed its connector.
pub async fn start(
    store: Store,
    loaded: Loaded,
    metrics: Metrics,
    instance: Instance,
    witness: Witness,
) -> Result<Engine, StoreError> {
    store.watch_now(&witness).await?;
    let names: Vec<(AccountSlug, &str)> = loaded
        .accounts
        .iter()
        .map(|a| (a.slug.clone(), a.connector))
        .collect();
    let directory = store.register(&names, &loaded.policy).await?;
    let policy_id = store
        .activate_policy(
            &loaded.policy_hash,
            &loaded.policy_document,
            &automations_of(&loaded.policy),
        )
        .await?;
    store
        .end_channel_alarms(&loaded.policy.undecided_channels())
        .await?;
    let channels: Vec<AccountSlug> = loaded.policy.channels.keys().cloned().collect();
    for channel in store.not_begun(&channels).await? {
        warn!(
            channel,
            "the channel has not begun: its orders are only fetched, planned and reserved; check with `hikiate begin {channel} --dry-run`"
        );
    }
    let mut accounts = BTreeMap::new();
    for built in &loaded.accounts {
        let id = directory.account(&built.slug)?;
        let connector = Arc::clone(&built.instance);
        if let Some(source) = connector.source() {
            let streams: Vec<String> = source.streams().into_iter().map(|s| s.name).collect();
            store.register_streams(id, &streams).await?;
        }
        built.link.set_clock(store.now().await?);
        accounts.insert(
            id,
            Account {
                id,
                slug: built.slug.clone(),
                connector,
                link: built.link.clone(),
                breaker: Breaker::default(),
                credentials: Credentials::default(),
                continued: Continued::default(),
            },
        );
    }
    store.retry_failed().await?;
    let engine = Engine {
        store,
        policy_id,
        rules: Arc::new(loaded.rules),
        policy: Arc::new(loaded.policy),
        directory,
        accounts,
        templates: loaded.settings.templates,
        metrics,
        instance,
        witness,
        lease_seconds: loaded.settings.engine.lease_seconds,
        plan_batch: loaded.settings.engine.plan_batch,
        push_batch: loaded.settings.engine.push_batch,
        idle: loaded.settings.engine.idle,
        longest_idle: loaded.settings.engine.longest_idle,
        drain: loaded.settings.engine.drain,
        retention: loaded.settings.retention,
        guards: PlanningLimits::new(loaded.settings.engine.automation_burst),
    };
    plan::tell_alarms(&engine).await?;
    schedule::retime(&engine).await?;
    Ok(engine)
}

/// Every (rule, account) the policy makes active.
fn automations_of(policy: &Policy) -> Vec<(String, AccountSlug)> {
    let mut rules = Vec::new();
    for (slug, channel) in &policy.channels {
        if channel.shipping_notice {
            rules.push((NOTICE.to_owned(), slug.clone()));
        }
        if !channel.annotate.is_never() {
            rules.push((ANNOTATE.to_owned(), slug.clone()));
        }
        rules.extend(
            channel
                .payments
                .values()
                .filter_map(|route| route.account.clone())
                .map(|account| (CAPTURE.to_owned(), account)),
        );
        if let Some(mail) = &policy.mail {
            rules.extend(
                channel
                    .mail
                    .iter()
                    .map(|kind| (format!("{MAIL}:{}", kind.as_str()), mail.clone())),
            );
        }
    }
    rules.extend(
        policy
            .warehouses
            .iter()
            .map(|w| (of(Op::Instruct).rule.to_owned(), w.account.clone())),
    );
    rules.extend(
        policy
            .booking
            .iter()
            .map(|b| (of(Op::PostJournal).rule.to_owned(), b.account.clone())),
    );
    rules.sort();
    rules.dedup();
    rules
}
