//! An account's TOML keys.

use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use hikiate_sdk::duration::Span;
use hikiate_sdk::settings::Checks;
use hikiate_sdk::{Problem, SecretRef};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::metadata::MetadataPath;
use crate::remarks::{Remarks, Written};
use crate::wishes::{FieldKeys, Fields};

/// The keys below `[accounts.NAME]` with `connector = "medusa"`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Keys {
    /// The shop's address, for example `https://shop.example`. Required.
    pub url: Option<String>,
    /// Plain HTTP to a host that is not loopback.
    pub allow_insecure: Option<bool>,
    /// A PEM file of authorities that the shop's certificate may be of, beside the machine's; beside the configuration if it is
    /// relative. None when absent.
    pub ca_file: Option<PathBuf>,
    /// A secret API key (`sk_…`) of the shop. Required. While it is exchanged, `next` inside it names the place of the new one.
    pub token: Option<SecretRef>,
    /// How often orders are asked for. Default `30s`.
    pub interval: Option<Span>,
    /// How often stock is read. Default `5m`.
    pub stock_interval: Option<Span>,
    /// How far behind the newest known change each round starts again, for changes that became visible late.
    /// At least `1s`. Default `5m`.
    pub overlap: Option<Span>,
    /// Records per call, 1 to 100. Default 50.
    pub page_size: Option<u32>,
    /// How long after a write no "not there" is believed. Default `5s`.
    pub settle: Option<Span>,
    /// Longest wait for one answer. Default `30s`.
    pub timeout: Option<Span>,
    /// Calls under way at once, 1 to 64. Default 1: with Medusa's own in-memory locks, fulfilments at once of orders that
    /// share several items can block each other, and then the shop, until it is restarted. Write more where its locking
    /// module is Redis or PostgreSQL.
    pub concurrency: Option<usize>,
    /// Calls started a second at the most. No limit when absent.
    pub per_second: Option<u32>,
    /// Only orders of this sales channel (`sc_…`).
    pub sales_channel: Option<String>,
    /// Tags that holds and rules may ask for; others are not taken over. Those of an order stand in its
    /// `metadata.tags`, as a list or with commas between. None when absent.
    pub tags: Option<Vec<String>>,
    /// What marks an order as a test, which is never shipped, captured or booked: `metadata.KEY` (the key says yes)
    /// or a sales channel (`sc_…`). None when absent.
    pub test: Option<String>,
    /// The first reading starts at orders changed since then: `2026-11-01` (UTC) or `2026-11-01T00:00:00+09:00`.
    /// All orders when absent.
    pub since: Option<String>,
    /// Where the shop keeps what the customer wrote: a path below the order's metadata, or several of which the first
    /// that holds text counts. Default `["metadata.remarks", "metadata.notes"]`.
    pub remarks: Option<Written>,
    /// What the shop signs its webhooks with. Without it there is no hook, and orders are polled only.
    pub hook_secret: Option<SecretRef>,
    /// The secret before it, which holds too while the shop is given the new one.
    pub hook_secret_previous: Option<SecretRef>,
    /// Where the shop keeps what a buyer asks of the delivery: `fields = { arrive_on = "metadata.arrive_on" }`. Nothing is
    /// read without.
    pub fields: Option<FieldKeys>,
    /// Where the shop keeps the payment provider's id of an order's payment: a path below the order's metadata, for example
    /// `metadata.payment_intent`. For payments that another account captures. None when absent.
    pub payment_reference: Option<String>,
}

/// An account's keys, checked, with defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How often orders are asked for.
    pub interval: Duration,
    /// How often stock is read.
    pub stock_interval: Duration,
    /// See [`Keys::overlap`].
    pub overlap: Duration,
    /// Records per call.
    pub page_size: usize,
    /// See [`Keys::settle`].
    pub settle: Duration,
    /// See [`Keys::concurrency`].
    pub concurrency: usize,
    /// See [`Keys::per_second`].
    pub per_second: Option<u32>,
    /// See [`Keys::sales_channel`].
    pub sales_channel: Option<String>,
    /// See [`Keys::tags`].
    pub tags: Vec<String>,
    /// See [`Keys::test`].
    pub test: Option<TestMark>,
    /// See [`Keys::since`].
    pub since: Option<DateTime<Utc>>,
    /// See [`Keys::remarks`].
    pub remarks: Remarks,
    /// See [`Keys::fields`].
    pub fields: Fields,
    /// See [`Keys::payment_reference`].
    pub payment_reference: Option<MetadataPath>,
}

/// What marks an order as a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TestMark {
    /// This key of its metadata says yes.
    Metadata(String),
    /// It came through this sales channel.
    SalesChannel(String),
}

impl TestMark {
    fn read(text: &str) -> Option<Self> {
        match text.strip_prefix("metadata.") {
            Some(key) if !key.is_empty() => Some(Self::Metadata(key.to_owned())),
            None if text.starts_with("sc_") && super::client::is_plain(text) => {
                Some(Self::SalesChannel(text.to_owned()))
            }
            _ => None,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(30),
            stock_interval: Duration::from_secs(300),
            overlap: Duration::from_secs(300),
            page_size: 50,
            settle: Duration::from_secs(5),
            concurrency: 1,
            per_second: None,
            sales_channel: None,
            tags: Vec::new(),
            test: None,
            since: None,
            remarks: Remarks::default(),
            fields: Fields::default(),
            payment_reference: None,
        }
    }
}

/// How the shop is reached.
#[derive(Debug)]
pub(crate) struct Reach {
    /// Address.
    pub(crate) url: String,
    /// See [`Keys::allow_insecure`].
    pub(crate) allow_insecure: bool,
    /// See [`Keys::ca_file`].
    pub(crate) ca_file: Option<PathBuf>,
    /// Where the key is.
    pub(crate) token: SecretRef,
    /// Longest wait for one answer.
    pub(crate) timeout: Duration,
    /// What hooks are signed with, and what they were signed with before.
    pub(crate) hook: Option<(SecretRef, Option<SecretRef>)>,
}

/// Reads an account's table.
///
/// # Errors
/// Every problem found: unknown keys, wrong types, values out of range, missing keys.
pub(crate) fn read(table: &Value) -> Result<(Reach, Settings), Vec<Problem>> {
    let mut checks = Checks::new(table);
    let keys: Keys = checks.decode(&SECRETS);
    let defaults = Settings::default();
    let second = Duration::from_secs(1);
    let tenth = Duration::from_millis(100);
    let interval = checks.at_least("interval", keys.interval, defaults.interval, tenth);
    let stock_interval = checks.at_least(
        "stock_interval",
        keys.stock_interval,
        defaults.stock_interval,
        second,
    );
    let timeout = checks.at_least("timeout", keys.timeout, Duration::from_secs(30), second);
    let overlap = checks.at_least("overlap", keys.overlap, defaults.overlap, second);
    let settle = checks.at_least("settle", keys.settle, defaults.settle, Duration::ZERO);
    let page_size = checks.within("page_size", keys.page_size.unwrap_or(50), 1..=100);
    let concurrency = keys.concurrency.unwrap_or(defaults.concurrency);
    let concurrency = checks.within("concurrency", concurrency, 1..=64);
    let per_second = checks.rate("per_second", keys.per_second);
    if keys
        .sales_channel
        .as_deref()
        .is_some_and(|id| !super::client::is_plain(id))
    {
        checks.problem(
            "sales_channel",
            "not an id of the shop: write it as the shop shows it, for example \"sc_01…\"",
        );
    }
    let tags = keys.tags.unwrap_or_default();
    if tags
        .iter()
        .any(|tag| tag.is_empty() || tag.contains(',') || tag.trim() != tag)
    {
        checks.problem(
            "tags",
            "a tag is empty, has a comma or begins or ends with a blank: write each as it appears in metadata.tags",
        );
    }
    let test = keys.test.as_deref().and_then(|text| {
        TestMark::read(text).or_else(|| {
            checks.problem(
                "test",
                "not a mark: write \"metadata.KEY\" or a sales channel, for example \"sc_01…\"",
            );
            None
        })
    });
    let since = checks.instant("since", keys.since.as_deref());
    let remarks = match keys.remarks.map(Remarks::read).transpose() {
        Ok(remarks) => remarks.unwrap_or_default(),
        Err(what) => {
            checks.problem("remarks", what);
            Remarks::default()
        }
    };
    let hook = checks.hook_secrets(keys.hook_secret, keys.hook_secret_previous);
    let fields = Fields::read(keys.fields.unwrap_or_default(), &mut checks);
    let payment_reference = keys.payment_reference.as_deref().and_then(|path| {
        MetadataPath::read(path, "metadata.payment_intent")
            .map_err(|what| checks.problem("payment_reference", what))
            .ok()
    });
    let url = checks.required(
        "url",
        keys.url,
        "the shop's address, for example \"https://shop.example\"",
    );
    let token = checks.required(
        "token",
        keys.token,
        "the shop's secret API key, for example { env = \"MEDUSA_KEY\" }",
    );
    let reach = url.zip(token).map(|(url, token)| Reach {
        url,
        allow_insecure: keys.allow_insecure.unwrap_or(false),
        ca_file: keys.ca_file,
        token,
        timeout,
        hook,
    });
    let settings = Settings {
        interval,
        stock_interval,
        overlap,
        page_size: usize::try_from(page_size).unwrap_or(50),
        settle,
        concurrency,
        per_second,
        sales_channel: keys.sales_channel,
        tags,
        test,
        since,
        remarks,
        fields,
        payment_reference,
    };
    checks.finish(reach.map(|reach| (reach, settings)))
}

/// Keys that name secrets.
const SECRETS: [&str; 3] = ["token", "hook_secret", "hook_secret_previous"];

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    #[test]
    fn two_keys_are_enough() {
        let (reach, settings) =
            read(&json!({ "url": "https://shop.example", "token": { "env": "K" } })).unwrap();
        assert_eq!(
            (reach.url.as_str(), reach.allow_insecure, reach.timeout),
            ("https://shop.example", false, Duration::from_secs(30))
        );
        assert_eq!(settings, Settings::default());
    }

    #[test]
    fn every_key_is_taken() {
        let (reach, settings) = read(&json!({
            "url": "http://shop", "allow_insecure": true, "token": { "file": "/k" }, "interval": "10s", "stock_interval": "1h",
            "overlap": "1s", "page_size": 100, "settle": "2s", "timeout": "5s", "concurrency": 1, "per_second": 10,
            "sales_channel": "sc_1", "tags": ["gift", "vip"], "test": "metadata.test", "since": "2026-11-01T00:00:00+09:00",
            "remarks": "metadata.customer_note", "payment_reference": "metadata.payment_intent",
        }))
        .unwrap();
        let second = Duration::from_secs(1);
        assert!(reach.allow_insecure);
        assert_eq!(settings.interval, Duration::from_secs(10));
        assert_eq!(settings.stock_interval, Duration::from_secs(3600));
        assert_eq!(
            (settings.overlap, settings.page_size, settings.settle),
            (second, 100, Duration::from_secs(2))
        );
        assert_eq!((settings.concurrency, settings.per_second), (1, Some(10)));
        assert_eq!(settings.sales_channel.as_deref(), Some("sc_1"));
        assert_eq!(settings.tags, ["gift", "vip"]);
        assert_eq!(settings.test, Some(TestMark::Metadata("test".to_owned())));
        let (_, channel) =
            read(&json!({ "url": "x", "token": { "env": "K" }, "test": "sc_1" })).unwrap();
        assert_eq!(
            channel.test,
            Some(TestMark::SalesChannel("sc_1".to_owned()))
        );
        assert_eq!(
            settings
                .remarks
                .of(&json!({ "customer_note": "soon", "notes": "x" })),
            "soon"
        );
        assert_eq!(
            settings.payment_reference,
            Some(MetadataPath::key("payment_intent"))
        );
        assert_eq!(
            settings.since.unwrap().to_rfc3339(),
            "2026-10-31T15:00:00+00:00"
        );
        let (_, day) =
            read(&json!({ "url": "x", "token": { "env": "K" }, "since": "2026-11-01" })).unwrap();
        assert_eq!(day.since.unwrap().to_rfc3339(), "2026-11-01T00:00:00+00:00");
    }

    #[test]
    fn a_hook_has_one_secret_or_two_and_never_shows_what_was_written() {
        let with = |hook: Value| {
            let mut table = json!({ "url": "x", "token": { "env": "K" } });
            table
                .as_object_mut()
                .unwrap()
                .extend(hook.as_object().unwrap().clone());
            read(&table)
        };
        assert!(with(json!({})).unwrap().0.hook.is_none());
        let both = json!({ "hook_secret": { "env": "N" }, "hook_secret_previous": { "env": "O" } });
        let (new, old) = with(both).unwrap().0.hook.unwrap();
        assert_eq!(
            (new.env.as_deref(), old.unwrap().env.as_deref()),
            (Some("N"), Some("O"))
        );
        let alone = with(json!({ "hook_secret_previous": { "env": "O" } })).unwrap_err();
        assert_eq!(alone[0].key, "hook_secret_previous");
        let plain = with(json!({ "hook_secret": "hunter2" })).unwrap_err();
        assert_eq!(plain[0].key, "hook_secret");
        assert!(!format!("{plain:?}").contains("hunter2"), "{plain:?}");
    }

    #[test]
    fn all_problems_are_told_at_once() {
        let problems = read(&json!({
            "token": { "environment": "K" }, "intervall": "10s", "interval": "1ms", "overlap": 5, "page_size": 101, "concurrency": 0,
            "per_second": 0, "since": "yesterday", "sales_channel": "a&b", "tags": ["a,b"], "test": "metadata.", "remarks": ["note"],
            "payment_reference": "payment_intent",
        }))
        .unwrap_err();
        let mut keys: Vec<&str> = problems.iter().map(|p| p.key.as_str()).collect();
        keys.sort_unstable();
        let want = [
            "concurrency",
            "interval",
            "intervall",
            "overlap",
            "page_size",
            "payment_reference",
            "per_second",
            "remarks",
            "sales_channel",
            "since",
            "tags",
            "test",
            "token",
            "url",
        ];
        assert_eq!(keys, want, "{problems:?}");
        assert_eq!(read(&json!(5)).unwrap_err()[0].message, "not a table");
        let problems =
            read(&json!({ "url": "https://shop.example", "token": "sk_hunter2" })).unwrap_err();
        assert!(
            problems.len() == 1 && !format!("{problems:?}").contains("hunter2"),
            "{problems:?}"
        );
    }
}
