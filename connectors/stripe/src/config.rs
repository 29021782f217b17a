//! An account's TOML keys.

use std::time::Duration;

use chrono::{DateTime, Utc};
use hikiate_sdk::duration::Span;
use hikiate_sdk::settings::Checks;
use hikiate_sdk::{Problem, SecretRef};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::wire::VERSION;

/// Where Stripe is.
const URL: &str = "https://api.stripe.com";

/// The keys below `[accounts.NAME]` with `connector = "stripe"`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Keys {
    /// Stripe's address. Default `https://api.stripe.com`; another one only for an emulator. Plain HTTP on loopback only.
    pub url: Option<String>,
    /// A secret or restricted API key (`sk_…`, `rk_…`), live or test. Required. While it is rolled, `next` inside it names
    /// the place of the new one.
    pub secret: Option<SecretRef>,
    /// The version of the API that is asked for. Default `2025-01-27.acacia`, which the connector was written against.
    pub version: Option<String>,
    /// How often events are asked for. Default `30s`.
    pub interval: Option<Span>,
    /// The first listing leaves out payments created before: `2026-11-01` (UTC) or `2026-11-01T00:00:00+09:00`.
    /// All payments when absent.
    pub since: Option<String>,
    /// Events or payments per call, 1 to 100. Default 50.
    pub page_size: Option<u32>,
    /// Calls under way at once, 1 to 64. Default 8.
    pub concurrency: Option<usize>,
    /// Calls started a second at the most, 1 to 100. Default 50 with a live key and 12 with a test key: half of what Stripe
    /// allows an account, since the shop's own checkout needs calls, too.
    pub per_second: Option<u32>,
    /// Longest wait for one answer. Default `80s`, as long as Stripe itself may take.
    pub timeout: Option<Span>,
    /// Where the shop writes its own name of a payment: `metadata.KEY` of the PaymentIntent, for example
    /// `metadata.order_id`. None when absent.
    pub reference: Option<String>,
    /// Whether orders of a channel name payments by their charges (`ch_…`, `py_…`), as the common WooCommerce plug-in writes them:
    /// then each payment is reported under its charge's id, too. Default false.
    pub charges: Option<bool>,
    /// The signing secret (`whsec_…`) of the webhook endpoint. Without it there is no hook, and events are polled only.
    pub hook_secret: Option<SecretRef>,
    /// The secret before it, which holds too while it is rolled.
    pub hook_secret_previous: Option<SecretRef>,
}

/// Whether money moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It does.
    Live,
    /// It does not: test mode, a sandbox.
    Test,
}

impl Mode {
    /// Of an API key; `None` where the key does not show it.
    ///
    /// # Errors
    /// What is wrong with a key that cannot be used here.
    pub(crate) fn of(key: &str) -> Result<Option<Self>, &'static str> {
        let mut parts = key.trim().split('_');
        match (parts.next(), parts.next()) {
            (Some("pk"), _) => Err(
                "a publishable key (pk_…): write the secret key (sk_…) or a restricted key (rk_…)",
            ),
            (Some("whsec"), _) => {
                Err("a webhook's signing secret (whsec_…): that belongs in hook_secret")
            }
            (Some("sk" | "rk"), Some("live")) => Ok(Some(Self::Live)),
            (Some("sk" | "rk"), Some("test")) => Ok(Some(Self::Test)),
            _ => Ok(None),
        }
    }

    /// For people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Test => "test",
        }
    }
}

/// An account's keys, checked, with defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How often events are asked for.
    pub interval: Duration,
    /// See [`Keys::since`].
    pub since: Option<DateTime<Utc>>,
    /// Events or payments per call.
    pub page_size: usize,
    /// See [`Keys::concurrency`].
    pub concurrency: usize,
    /// See [`Keys::per_second`].
    pub per_second: Option<u32>,
    /// See [`Keys::version`].
    pub version: String,
    /// The key of the metadata that holds the shop's own name of a payment.
    pub reference: Option<String>,
    /// See [`Keys::charges`].
    pub charges: bool,
    /// What the API key is for; `None` where it does not show that.
    pub mode: Option<Mode>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(30),
            since: None,
            page_size: 50,
            concurrency: 8,
            per_second: None,
            version: VERSION.to_owned(),
            reference: None,
            charges: false,
            mode: None,
        }
    }
}

impl Settings {
    /// Calls started a second at the most.
    #[must_use]
    pub fn rate(&self) -> u32 {
        let half = match self.mode {
            Some(Mode::Live) => 50,
            Some(Mode::Test) | None => 12,
        };
        self.per_second.unwrap_or(half)
    }
}

/// How Stripe is reached.
#[derive(Debug)]
pub(crate) struct Reach {
    /// Address.
    pub(crate) url: String,
    /// Where the API key is.
    pub(crate) secret: SecretRef,
    /// Longest wait for one answer.
    pub(crate) timeout: Duration,
    /// What hooks are signed with, and what they were signed with before.
    pub(crate) hook: Option<(SecretRef, Option<SecretRef>)>,
}

/// Keys that name secrets.
const SECRETS: [&str; 3] = ["secret", "hook_secret", "hook_secret_previous"];

/// Reads an account's table.
///
/// # Errors
/// Every problem found: unknown keys, wrong types, values out of range, missing keys.
pub(crate) fn read(table: &Value) -> Result<(Reach, Settings), Vec<Problem>> {
    let mut checks = Checks::new(table);
    let keys: Keys = checks.decode(&SECRETS);
    let defaults = Settings::default();
    let tenth = Duration::from_millis(100);
    let interval = checks.at_least("interval", keys.interval, defaults.interval, tenth);
    let second = Duration::from_secs(1);
    let timeout = checks.at_least("timeout", keys.timeout, Duration::from_secs(80), second);
    let page_size = checks.within("page_size", keys.page_size.unwrap_or(50), 1..=100);
    let concurrency = keys.concurrency.unwrap_or(defaults.concurrency);
    let concurrency = checks.within("concurrency", concurrency, 1..=64);
    if let Some(rate) = keys.per_second {
        checks.within("per_second", rate, 1..=100);
    }
    let version = keys.version.unwrap_or(defaults.version);
    if !is_version(&version) {
        checks.problem(
            "version",
            format!(
                "not a version of Stripe's API: write one as Stripe does, for example \"{VERSION}\""
            ),
        );
    }
    let since = checks.instant("since", keys.since.as_deref());
    let reference = keys.reference.and_then(|path| {
        let key = path.strip_prefix("metadata.").filter(|key| !key.is_empty());
        if key.is_none() {
            checks.problem(
                "reference",
                "not a key of the metadata: write \"metadata.KEY\", for example \"metadata.order_id\"",
            );
        }
        key.map(str::to_owned)
    });
    let hook = checks.hook_secrets(keys.hook_secret, keys.hook_secret_previous);
    let secret = checks.required(
        "secret",
        keys.secret,
        "a secret or restricted API key, for example { env = \"STRIPE_KEY\" }",
    );
    let reach = secret.map(|secret| Reach {
        url: keys.url.unwrap_or_else(|| URL.to_owned()),
        secret,
        timeout,
        hook,
    });
    let settings = Settings {
        interval,
        since,
        page_size: usize::try_from(page_size).unwrap_or(50),
        concurrency,
        per_second: keys.per_second,
        version,
        reference,
        charges: keys.charges.unwrap_or(defaults.charges),
        mode: None,
    };
    checks.finish(reach.map(|reach| (reach, settings)))
}

/// `2025-01-27.acacia`, and `2022-11-15` of before versions had names.
fn is_version(text: &str) -> bool {
    let (day, name) = text.split_once('.').unwrap_or((text, "a"));
    day.parse::<chrono::NaiveDate>().is_ok()
        && !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    #[test]
    fn a_key_alone_is_enough() {
        let (reach, settings) = read(&json!({ "secret": { "env": "STRIPE_KEY" } })).unwrap();
        assert_eq!(reach.url, "https://api.stripe.com");
        assert!(reach.hook.is_none());
        assert_eq!(settings, Settings::default());
        assert_eq!(settings.version, "2025-01-27.acacia");
    }

    #[test]
    fn every_key_is_read() {
        let (reach, settings) = read(&json!({
            "url": "http://127.0.0.1:9300", "secret": { "env": "A" }, "version": "2022-11-15", "interval": "5s",
            "since": "2026-11-01", "page_size": 100, "concurrency": 2, "per_second": 100, "timeout": "10s",
            "reference": "metadata.order_id", "charges": true, "hook_secret": { "env": "B" }, "hook_secret_previous": { "env": "C" },
        }))
        .unwrap();
        assert_eq!(reach.url, "http://127.0.0.1:9300");
        assert_eq!(reach.timeout, Duration::from_secs(10));
        assert!(reach.hook.is_some_and(|(_, previous)| previous.is_some()));
        let want = Settings {
            interval: Duration::from_secs(5),
            since: Some("2026-11-01T00:00:00Z".parse().unwrap()),
            page_size: 100,
            concurrency: 2,
            per_second: Some(100),
            version: "2022-11-15".to_owned(),
            reference: Some("order_id".to_owned()),
            charges: true,
            mode: None,
        };
        assert_eq!(settings, want);
    }

    #[test]
    fn each_wrong_key_is_named_and_no_secret_is_repeated() {
        let problems = read(&json!({
            "secret": "sk_live_hunter2", "version": "latest", "interval": "1ms", "since": "soon", "page_size": 101,
            "concurrency": 0, "per_second": 101, "reference": "order_id", "hook_secret_previous": { "env": "C" }, "token": 1,
        }))
        .unwrap_err();
        let mut keys: Vec<&str> = problems.iter().map(|p| p.key.as_str()).collect();
        keys.sort_unstable();
        let want = [
            "concurrency",
            "hook_secret_previous",
            "interval",
            "page_size",
            "per_second",
            "reference",
            "secret",
            "since",
            "token",
            "version",
        ];
        assert_eq!(keys, want, "{problems:?}");
        assert!(!format!("{problems:?}").contains("hunter2"), "{problems:?}");
        let missing = read(&json!({})).unwrap_err();
        assert_eq!(missing.len(), 1);
        assert_eq!(missing[0].key, "secret");
    }

    #[test]
    fn a_key_shows_its_mode_or_that_it_is_the_wrong_one() {
        for (key, mode) in [
            ("sk_live_1", Some(Mode::Live)),
            ("rk_live_1", Some(Mode::Live)),
            ("sk_test_1", Some(Mode::Test)),
            ("rk_test_1", Some(Mode::Test)),
            ("sk_org_live_1", None),
        ] {
            assert_eq!(Mode::of(key), Ok(mode), "{key}");
        }
        assert!(Mode::of("pk_live_1").is_err() && Mode::of("whsec_1").is_err());
        let rate = |mode| {
            Settings {
                mode,
                ..Settings::default()
            }
            .rate()
        };
        assert_eq!(
            (rate(Some(Mode::Live)), rate(Some(Mode::Test)), rate(None)),
            (50, 12, 12)
        );
    }
}
