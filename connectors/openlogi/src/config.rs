//! An account's TOML keys.

use std::time::Duration;

use hikiate_sdk::duration::Span;
use hikiate_sdk::settings::Checks;
use hikiate_sdk::{Problem, SecretRef};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::wire::is_plain;

/// The keys below `[accounts.NAME]` with `connector = "openlogi"`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Keys {
    /// The interface's address: `https://api.openlogi.com/api`, or `https://api-demo.openlogi.com/api` to try it out. Required.
    pub url: Option<String>,
    /// Plain HTTP to a host that is not loopback.
    pub allow_insecure: Option<bool>,
    /// An access token. Required. While it is exchanged, `next` inside it names the place of the new one.
    pub token: Option<SecretRef>,
    /// OPENLOGI's code of your account (アカウントコード), for example `TS001`. Required.
    pub account: Option<String>,
    /// OPENLOGI's code of the warehouse that ships and whose stock counts. Its standard warehouse when absent.
    pub warehouse: Option<String>,
    /// How often shipments are asked for. Default `5m`.
    pub interval: Option<Span>,
    /// How often stock is read. Default `15m`.
    pub stock_interval: Option<Span>,
    /// How long after a write no "not there" is believed, and how far apart two looks are before a shipment counts as gone. At
    /// least `1s`. Default `1m`.
    pub settle: Option<Span>,
    /// Longest wait for one answer. Default `60s`.
    pub timeout: Option<Span>,
    /// Calls a minute that OPENLOGI permits, 1 to 6000. Default 60.
    pub per_minute: Option<u32>,
    /// Calls under way at once, 1 to 8. Default 2.
    pub concurrency: Option<usize>,
    /// Shipments created in one call at the most, 1 to 100. Default 50.
    pub bulk: Option<usize>,
    /// What becomes of a name over 15 characters, which OPENLOGI would cut: `refuse` (the default) holds the order, `company`
    /// moves the words that come first into the company, `address2` moves them (and a company over 16 characters) into
    /// the second address line. A word is never split.
    pub long_names: Option<LongNames>,
    /// Shipments of goods that are not there are accepted by OPENLOGI and wait for stock; otherwise they are rejected.
    /// Default false.
    pub backorder: Option<bool>,
    /// What becomes of an order for chilled or frozen goods: `refuse` (the default) holds it, `by-item` leaves the temperature to
    /// the storage zone that each item has at OPENLOGI.
    pub temperature: Option<TemperatureRule>,
}

/// See [`Keys::long_names`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LongNames {
    /// The order is held.
    #[default]
    Refuse,
    /// Into the company.
    Company,
    /// Into the second address line.
    Address2,
}

/// See [`Keys::temperature`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TemperatureRule {
    /// The order is held.
    #[default]
    Refuse,
    /// OPENLOGI chooses.
    ByItem,
}

/// An account's keys, checked, with defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// See [`Keys::account`].
    pub account: String,
    /// See [`Keys::warehouse`].
    pub warehouse: Option<String>,
    /// See [`Keys::interval`].
    pub interval: Duration,
    /// See [`Keys::stock_interval`].
    pub stock_interval: Duration,
    /// See [`Keys::settle`].
    pub settle: Duration,
    /// See [`Keys::per_minute`].
    pub per_minute: u32,
    /// See [`Keys::concurrency`].
    pub concurrency: usize,
    /// See [`Keys::bulk`].
    pub bulk: usize,
    /// See [`Keys::long_names`].
    pub long_names: LongNames,
    /// See [`Keys::backorder`].
    pub backorder: bool,
    /// See [`Keys::temperature`].
    pub temperature: TemperatureRule,
}

impl Settings {
    /// The defaults, for an account with this code.
    #[must_use]
    pub fn of(account: impl Into<String>) -> Self {
        Self {
            account: account.into(),
            warehouse: None,
            interval: Duration::from_secs(300),
            stock_interval: Duration::from_secs(900),
            settle: Duration::from_secs(60),
            per_minute: 60,
            concurrency: 2,
            bulk: 50,
            long_names: LongNames::default(),
            backorder: false,
            temperature: TemperatureRule::default(),
        }
    }
}

/// How the account is reached.
#[derive(Debug)]
pub(crate) struct Reach {
    /// Address.
    pub(crate) url: String,
    /// See [`Keys::allow_insecure`].
    pub(crate) allow_insecure: bool,
    /// Where the token is.
    pub(crate) token: SecretRef,
    /// Longest wait for one answer.
    pub(crate) timeout: Duration,
}

/// Reads an account's table.
///
/// # Errors
/// Every problem found: unknown keys, wrong types, values out of range, missing keys.
pub(crate) fn read(table: &Value) -> Result<(Reach, Settings), Vec<Problem>> {
    let mut checks = Checks::new(table);
    let keys: Keys = checks.decode(&["token"]);
    let defaults = Settings::of("");
    let second = Duration::from_secs(1);
    let interval = checks.at_least("interval", keys.interval, defaults.interval, second);
    let stock_interval = checks.at_least(
        "stock_interval",
        keys.stock_interval,
        defaults.stock_interval,
        second,
    );
    let settle = checks.at_least("settle", keys.settle, defaults.settle, second);
    let timeout = checks.at_least("timeout", keys.timeout, Duration::from_secs(60), second);
    let per_minute = keys.per_minute.unwrap_or(defaults.per_minute);
    let per_minute = checks.within("per_minute", per_minute, 1..=6000);
    let concurrency = keys.concurrency.unwrap_or(defaults.concurrency);
    let concurrency = checks.within("concurrency", concurrency, 1..=8);
    let bulk = checks.within("bulk", keys.bulk.unwrap_or(defaults.bulk), 1..=100);
    for (key, code) in [("account", &keys.account), ("warehouse", &keys.warehouse)] {
        if code.as_deref().is_some_and(|code| !is_plain(code)) {
            checks.problem(
                key,
                "not a code of OPENLOGI: write it as its screens show it, letters and digits only",
            );
        }
    }
    let account = checks.required(
        "account",
        keys.account,
        "OPENLOGI's code of your account, for example \"TS001\"",
    );
    let url = checks.required(
        "url",
        keys.url,
        "\"https://api.openlogi.com/api\", or \"https://api-demo.openlogi.com/api\" to try it out",
    );
    let token = checks.required(
        "token",
        keys.token,
        "an access token of OPENLOGI, for example { env = \"OPENLOGI_TOKEN\" }",
    );
    let reach = url.zip(token).map(|(url, token)| Reach {
        url,
        allow_insecure: keys.allow_insecure.unwrap_or(false),
        token,
        timeout,
    });
    let settings = account.map(|account| Settings {
        account,
        warehouse: keys.warehouse,
        interval,
        stock_interval,
        settle,
        per_minute,
        concurrency,
        bulk,
        long_names: keys.long_names.unwrap_or_default(),
        backorder: keys.backorder.unwrap_or(defaults.backorder),
        temperature: keys.temperature.unwrap_or_default(),
    });
    checks.finish(reach.zip(settings))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    #[test]
    fn three_keys_are_enough() {
        let table = json!({ "url": "https://api.openlogi.com/api", "token": { "env": "K" }, "account": "TS001" });
        let (reach, settings) = read(&table).unwrap();
        assert_eq!(reach.url, "https://api.openlogi.com/api");
        assert_eq!(
            (reach.allow_insecure, reach.timeout),
            (false, Duration::from_secs(60))
        );
        assert_eq!(settings, Settings::of("TS001"));
    }

    #[test]
    fn every_key_is_taken() {
        let (reach, settings) = read(&json!({
            "url": "http://wms", "allow_insecure": true, "token": { "env": "K", "next": { "file": "/k" } }, "account": "TS001",
            "warehouse": "OPL", "interval": "1m", "stock_interval": "1h", "settle": "10s", "timeout": "90s", "per_minute": 120,
            "concurrency": 4, "bulk": 1, "long_names": "address2", "backorder": true, "temperature": "by-item",
        }))
        .unwrap();
        assert!(reach.allow_insecure && reach.token.next.is_some());
        assert_eq!(reach.timeout, Duration::from_secs(90));
        assert_eq!(
            settings,
            Settings {
                warehouse: Some("OPL".to_owned()),
                interval: Duration::from_secs(60),
                stock_interval: Duration::from_secs(3600),
                settle: Duration::from_secs(10),
                per_minute: 120,
                concurrency: 4,
                bulk: 1,
                long_names: LongNames::Address2,
                backorder: true,
                temperature: TemperatureRule::ByItem,
                ..Settings::of("TS001")
            }
        );
    }

    #[test]
    fn every_problem_is_told_at_once_and_no_secret() {
        let problems = read(&json!({
            "token": "hunter2", "account": "TS/001", "warehouse": "", "settle": "0s", "per_minute": 0, "concurrency": 9, "bulk": 101,
            "long_names": "cut", "colour": "red",
        }))
        .unwrap_err();
        let mut keys: Vec<_> = problems.iter().map(|p| p.key.as_str()).collect();
        keys.sort_unstable();
        assert_eq!(
            keys,
            [
                "account",
                "bulk",
                "colour",
                "concurrency",
                "long_names",
                "per_minute",
                "settle",
                "token",
                "url",
                "warehouse"
            ]
        );
        assert!(problems.iter().all(|p| !p.message.contains("hunter2")));
    }
}
