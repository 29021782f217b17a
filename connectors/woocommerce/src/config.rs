//! An account's TOML keys.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use hikiate_sdk::duration::Span;
use hikiate_sdk::settings::Checks;
use hikiate_sdk::{ChargeKind, Problem, Secret, SecretRef};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use url::{Host, Url};

/// The keys below `[accounts.NAME]` with `connector = "woocommerce"`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Keys {
    /// The shop's address, for example `https://shop.example`, with the folder that WordPress is in, if any. Plain HTTP only to
    /// loopback. Required.
    pub url: Option<String>,
    /// A PEM file of authorities that the shop's certificate may be of, beside the machine's; beside the configuration if it is
    /// relative. None when absent.
    pub ca_file: Option<PathBuf>,
    /// The consumer key (`ck_…`) of a REST API key with read and write permission. Required.
    pub key: Option<SecretRef>,
    /// The consumer secret (`cs_…`) of the same REST API key. Required.
    pub secret: Option<SecretRef>,
    /// How often orders are asked for. Default `30s`.
    pub interval: Option<Span>,
    /// How often stock is read. Default `15m`.
    pub stock_interval: Option<Span>,
    /// How far behind the newest known change a sweep starts, for changes that became visible late. At least `1s`. Default `5m`.
    pub overlap: Option<Span>,
    /// Records per call, 1 to 100. Default 50.
    pub page_size: Option<u32>,
    /// How long after a write no "not there" is believed. Default `5s`.
    pub settle: Option<Span>,
    /// Longest wait for one answer. Default `60s`.
    pub timeout: Option<Span>,
    /// Calls under way at once, 1 to 16. Default 2.
    pub concurrency: Option<usize>,
    /// Calls started a second at the most. No limit when absent; WooCommerce itself has none, hosts have.
    pub per_second: Option<u32>,
    /// The first reading starts at orders changed since then: `2026-11-01` (UTC) or `2026-11-01T00:00:00+09:00`. All orders
    /// when absent.
    pub since: Option<String>,
    /// What the shop's own order statuses mean, and those of its plugins: `statuses = { on-hold = "open", picking = "frozen" }`.
    /// Without the `wc-` that the database has.
    pub statuses: Option<BTreeMap<String, Standing>>,
    /// What fee lines are, by name: `fees = { "代引手数料" = "cod_fee" }`. `other` without.
    pub fees: Option<BTreeMap<String, ChargeKind>>,
    /// What marks an order as a test, which is never shipped, captured or booked: `meta_data.KEY`, where the key says yes. None
    /// when absent.
    pub test: Option<String>,
    /// Where the shop keeps the payment provider's id of an order's payment: `meta_data.KEY`. The order's `transaction_id` when
    /// absent.
    pub payment_reference: Option<String>,
    /// How the shop is told what has shipped. Default `auto`.
    pub fulfilments: Option<Fulfilments>,
    /// Whether the shop mails the buyer what it is told of a shipment. Default false: hikiate mails (`mail = ["shipped"]`).
    pub notify_customer: Option<bool>,
    /// The text of the note where the shop has no fulfilments, with `{carrier}` and `{tracking}`. hikiate puts its reference of the
    /// shipment behind it. Default `Shipped: {carrier} {tracking}`.
    pub shipped_note: Option<String>,
    /// The reason of a record of a refund, which the shop shows to the buyer in its mail and in the account. Empty by default: what an
    /// operator types as the reason stays in hikiate.
    pub refund_reason: Option<String>,
    /// Whether an order is set to `completed` once all of it has been reported as shipped. Default false.
    pub complete_when_shipped: Option<bool>,
    /// The secret of the shop's webhooks. Without it there is no hook, and orders are polled only.
    pub hook_secret: Option<SecretRef>,
    /// The secret before it, which holds too while the shop is given the new one.
    pub hook_secret_previous: Option<SecretRef>,
}

/// What an order status means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// The shop has not released the order yet.
    Waiting,
    /// It may be shipped.
    Open,
    /// Somebody at the shop is at work on it: it is not shipped until it is open.
    Frozen,
    /// It is finished at the shop.
    Completed,
    /// It is cancelled.
    Cancelled,
    /// It is no order (yet): a draft, a quotation. It is not imported.
    Ignored,
}

impl Standing {
    /// The shop's own words.
    pub(crate) const USUAL: [&str; 10] = [
        "pending",
        "on-hold",
        "failed",
        "processing",
        "completed",
        "refunded",
        "cancelled",
        "checkout-draft",
        "auto-draft",
        "draft",
    ];

    /// The word of the shop's own that another spelling was meant to be.
    fn meant(status: &str) -> Option<&'static str> {
        let bare = |word: &str| word.replace(['-', '_', ' '], "").to_ascii_lowercase();
        let meant = Self::USUAL
            .into_iter()
            .find(|word| bare(word) == bare(status));
        meant.filter(|word| *word != status)
    }

    /// The word of the configuration.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Open => "open",
            Self::Frozen => "frozen",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::Ignored => "ignored",
        }
    }

    /// What the shop's own words mean where nothing else is configured.
    fn usual(status: &str) -> Option<Self> {
        Some(match status {
            "pending" | "on-hold" | "failed" => Self::Waiting,
            "processing" => Self::Open,
            // Given back in full: whether the goods go all the same is settled by the refund.
            "completed" | "refunded" => Self::Completed,
            "cancelled" => Self::Cancelled,
            "checkout-draft" | "auto-draft" | "draft" => Self::Ignored,
            _ => return None,
        })
    }
}

/// How the shop is told what has shipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fulfilments {
    /// By a fulfilment where the shop has them, else by a note.
    #[default]
    Auto,
    /// By a fulfilment; a shop that has none is an error.
    Api,
    /// By a note and a key of the order's metadata, also where the shop has fulfilments.
    Note,
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
    /// See [`Keys::since`].
    pub since: Option<DateTime<Utc>>,
    /// See [`Keys::statuses`].
    pub statuses: BTreeMap<String, Standing>,
    /// See [`Keys::fees`].
    pub fees: BTreeMap<String, ChargeKind>,
    /// The key of an order's metadata that marks a test.
    pub test: Option<String>,
    /// The key of an order's metadata that holds the provider's id of its payment.
    pub payment_reference: Option<String>,
    /// See [`Keys::fulfilments`].
    pub fulfilments: Fulfilments,
    /// See [`Keys::notify_customer`].
    pub notify_customer: bool,
    /// See [`Keys::shipped_note`].
    pub shipped_note: String,
    /// See [`Keys::refund_reason`].
    pub refund_reason: String,
    /// See [`Keys::complete_when_shipped`].
    pub complete_when_shipped: bool,
}

impl Settings {
    /// What a status means; `None` for a word that nobody has explained.
    #[must_use]
    pub fn standing(&self, status: &str) -> Option<Standing> {
        let told = self.statuses.get(status).copied();
        told.or_else(|| Standing::usual(status))
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(30),
            stock_interval: Duration::from_secs(900),
            overlap: Duration::from_secs(300),
            page_size: 50,
            settle: Duration::from_secs(5),
            concurrency: 2,
            per_second: None,
            since: None,
            statuses: BTreeMap::new(),
            fees: BTreeMap::new(),
            test: None,
            payment_reference: None,
            fulfilments: Fulfilments::Auto,
            notify_customer: false,
            shipped_note: "Shipped: {carrier} {tracking}".to_owned(),
            refund_reason: String::new(),
            complete_when_shipped: false,
        }
    }
}

/// How the shop is reached.
#[derive(Debug)]
pub(crate) struct Reach {
    /// Address.
    pub(crate) url: String,
    /// See [`Keys::ca_file`].
    pub(crate) ca_file: Option<PathBuf>,
    /// Where the consumer key is.
    pub(crate) key: SecretRef,
    /// Where the consumer secret is.
    pub(crate) secret: SecretRef,
    /// Longest wait for one answer.
    pub(crate) timeout: Duration,
    /// What hooks are signed with, and what they were signed with before.
    pub(crate) hook: Option<(SecretRef, Option<SecretRef>)>,
}

/// Keys that name secrets.
const SECRETS: [&str; 4] = ["key", "secret", "hook_secret", "hook_secret_previous"];

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
    let timeout = checks.at_least("timeout", keys.timeout, Duration::from_secs(60), second);
    let overlap = checks.at_least("overlap", keys.overlap, defaults.overlap, second);
    let settle = checks.at_least("settle", keys.settle, defaults.settle, Duration::ZERO);
    let page_size = checks.within("page_size", keys.page_size.unwrap_or(50), 1..=100);
    let concurrency = keys.concurrency.unwrap_or(defaults.concurrency);
    let concurrency = checks.within("concurrency", concurrency, 1..=16);
    let per_second = checks.rate("per_second", keys.per_second);
    let since = checks.instant("since", keys.since.as_deref());
    let statuses = keys.statuses.unwrap_or_default();
    for status in statuses.keys() {
        if let Some(bare) = status.strip_prefix("wc-") {
            let message = format!("{status:?} is the database's word: write \"{bare}\"");
            checks.problem("statuses", message);
        } else if status == "trash" {
            checks.problem(
                "statuses",
                "an order in the bin is absent from the shop: remove \"trash\"",
            );
        } else if let Some(word) = Standing::meant(status) {
            let message = format!("{status:?} is no status of WooCommerce: write \"{word}\"");
            checks.problem("statuses", message);
        }
    }
    let test = meta_key(&mut checks, "test", keys.test, "meta_data.test");
    let payment_reference = meta_key(
        &mut checks,
        "payment_reference",
        keys.payment_reference,
        "meta_data._payment_intent",
    );
    let hook = checks.hook_secrets(keys.hook_secret, keys.hook_secret_previous);
    let what = "the shop's address, for example \"https://shop.example\"";
    let url = checks.required("url", keys.url, what);
    if url.as_deref().is_some_and(is_plain_and_distant) {
        checks.problem(
            "url",
            "plain http to a host that is not loopback: use https (the shop takes a key over plain http only with OAuth 1.0a, which hikiate does not speak)",
        );
    }
    if url.as_deref().is_some_and(|url| url.contains("/wp-json")) {
        checks.problem(
            "url",
            "leave out /wp-json and what follows, which hikiate adds: write WordPress' own address, for example \"https://shop.example\"",
        );
    }
    let what = "the consumer key, for example { env = \"WOO_KEY\" }";
    let key = checks.required("key", keys.key, what);
    let what = "the consumer secret, for example { env = \"WOO_SECRET\" }";
    let secret = checks.required("secret", keys.secret, what);
    let reach = url.zip(key).zip(secret).map(|((url, key), secret)| Reach {
        url,
        ca_file: keys.ca_file,
        key,
        secret,
        timeout,
        hook,
    });
    let shipped_note = keys.shipped_note.unwrap_or(defaults.shipped_note);
    let bare = shipped_note
        .replace("{carrier}", "")
        .replace("{tracking}", "");
    if bare.contains(['{', '}']) || !shipped_note.contains("{tracking}") {
        checks.problem(
            "shipped_note",
            "write {tracking} where the number goes and {carrier} where the carrier does, and no other braces",
        );
    }
    let settings = Settings {
        interval,
        stock_interval,
        overlap,
        page_size: usize::try_from(page_size).unwrap_or(50),
        settle,
        concurrency,
        per_second,
        since,
        statuses,
        fees: keys.fees.unwrap_or_default(),
        test,
        payment_reference,
        fulfilments: keys.fulfilments.unwrap_or_default(),
        notify_customer: keys.notify_customer.unwrap_or(false),
        shipped_note,
        refund_reason: keys.refund_reason.unwrap_or_default().trim().to_owned(),
        complete_when_shipped: keys.complete_when_shipped.unwrap_or(false),
    };
    checks.finish(reach.map(|reach| (reach, settings)))
}

/// The halves of a REST API key, each in the other one's place.
pub(crate) fn swapped(key: &Secret, secret: &Secret) -> Vec<Problem> {
    let mut problems = Vec::new();
    if key.any(|value| value.starts_with("cs_")) {
        let why = "this is a consumer secret (cs_…): the consumer key (ck_…) belongs here";
        problems.push(Problem::new("key", why));
    }
    if secret.any(|value| value.starts_with("ck_")) {
        let why = "this is a consumer key (ck_…): the consumer secret (cs_…) belongs here";
        problems.push(Problem::new("secret", why));
    }
    problems
}

/// The key in `meta_data.KEY`. Keys of plugins may have dots.
fn meta_key(
    checks: &mut Checks<'_>,
    key: &str,
    path: Option<String>,
    example: &str,
) -> Option<String> {
    let path = path?;
    match path.strip_prefix("meta_data.") {
        Some(name) if !name.is_empty() => Some(name.to_owned()),
        _ => {
            let message = format!(
                "{path:?} is no key of the order's metadata: use for example \"{example}\""
            );
            checks.problem(key, message);
            None
        }
    }
}

/// Plain HTTP to another machine; what is no address is told when the client is built.
fn is_plain_and_distant(url: &str) -> bool {
    let Some(url) = Url::parse(url).ok().filter(|url| url.scheme() == "http") else {
        return false;
    };
    !match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use secrecy::SecretString;
    use serde_json::json;

    use super::*;

    fn least() -> Value {
        json!({ "url": "https://shop.example", "key": { "env": "K" }, "secret": { "env": "S" } })
    }

    #[test]
    fn three_keys_are_enough() {
        let (reach, settings) = read(&least()).unwrap();
        assert_eq!(
            (reach.url.as_str(), reach.timeout),
            ("https://shop.example", Duration::from_secs(60))
        );
        assert!(reach.hook.is_none());
        assert_eq!(settings, Settings::default());
    }

    #[test]
    fn every_key_is_taken() {
        let (reach, settings) = read(&json!({
            "url": "http://127.0.0.1:8080/shop", "key": { "env": "K" }, "secret": { "file": "/s" }, "interval": "10s",
            "stock_interval": "1h", "overlap": "2s", "page_size": 100, "settle": "1s", "timeout": "5s", "concurrency": 4,
            "per_second": 3, "since": "2026-11-01", "statuses": { "on-hold": "open", "picking": "frozen", "quote": "ignored" },
            "fees": { "代引手数料": "cod_fee" }, "test": "meta_data.is_test", "payment_reference": "meta_data._a.b",
            "fulfilments": "note", "notify_customer": true, "refund_reason": " Refund ", "complete_when_shipped": true,
            "shipped_note": "発送しました: {tracking}",
            "hook_secret": { "env": "H" }, "hook_secret_previous": { "env": "O" },
        }))
        .unwrap();
        assert!(reach.hook.unwrap().1.is_some());
        assert_eq!(reach.timeout, Duration::from_secs(5));
        let seconds = |of: Duration| of.as_secs();
        assert_eq!(
            (
                seconds(settings.interval),
                seconds(settings.stock_interval),
                seconds(settings.overlap),
                seconds(settings.settle)
            ),
            (10, 3600, 2, 1)
        );
        assert_eq!(
            (
                settings.page_size,
                settings.concurrency,
                settings.per_second
            ),
            (100, 4, Some(3))
        );
        assert_eq!(settings.since.unwrap().timestamp(), 1_793_491_200);
        assert_eq!(settings.fees["代引手数料"], ChargeKind::CodFee);
        assert_eq!(settings.test.as_deref(), Some("is_test"));
        assert_eq!(settings.payment_reference.as_deref(), Some("_a.b"));
        assert_eq!(settings.fulfilments, Fulfilments::Note);
        assert!(settings.notify_customer && settings.complete_when_shipped);
        assert_eq!(settings.refund_reason, "Refund");
        assert_eq!(settings.shipped_note, "発送しました: {tracking}");
        for (status, standing) in [
            ("on-hold", Some(Standing::Open)),
            ("picking", Some(Standing::Frozen)),
            ("quote", Some(Standing::Ignored)),
            ("processing", Some(Standing::Open)),
            ("refunded", Some(Standing::Completed)),
            ("checkout-draft", Some(Standing::Ignored)),
            ("arrival-shipment", None),
        ] {
            assert_eq!(settings.standing(status), standing, "{status}");
        }
    }

    #[test]
    fn all_problems_are_told_at_once_and_no_secret_is_repeated() {
        let problems = read(&json!({
            "url": "http://shop.example", "key": "ck_hunter2", "page_size": 101, "concurrency": 0, "per_second": 0,
            "since": "yesterday", "statuses": { "wc-picking": "open" }, "test": "test", "payment_reference": "meta_data.",
            "overlap": "1ms", "colour": "red", "shipped_note": "Sent with {courier}", "hook_secret_previous": { "env": "O" },
        }))
        .unwrap_err();
        let mut keys: Vec<&str> = problems.iter().map(|p| p.key.as_str()).collect();
        keys.sort_unstable();
        let want = [
            "colour",
            "concurrency",
            "hook_secret_previous",
            "key",
            "overlap",
            "page_size",
            "payment_reference",
            "per_second",
            "secret",
            "shipped_note",
            "since",
            "statuses",
            "test",
            "url",
        ];
        assert_eq!(keys, want, "{problems:?}");
        assert!(!format!("{problems:?}").contains("hunter2"), "{problems:?}");
    }

    #[test]
    fn what_fails_at_the_shop_only_is_told_before() {
        let said = |key: &str, value: Value| {
            let mut table = least();
            table[key] = value;
            let problems = read(&table).unwrap_err();
            assert_eq!((problems.len(), problems[0].key.as_str()), (1, key));
            problems[0].message.clone()
        };
        for url in [
            "https://shop.example/wp-json/wc/v3",
            "https://shop.example/wp-json/",
        ] {
            assert!(said("url", json!(url)).contains("leave out /wp-json"));
        }
        for status in ["onhold", "on_hold", "On-Hold"] {
            let told = said("statuses", json!({ status: "open" }));
            assert!(told.contains("write \"on-hold\""), "{told}");
        }
        let mut table = least();
        table["statuses"] = json!({ "on-hold": "open", "on-hold-stock": "frozen" });
        assert!(read(&table).is_ok());
    }

    #[test]
    fn the_usual_words_all_mean_something() {
        assert!(
            Standing::USUAL
                .iter()
                .all(|word| Standing::usual(word).is_some())
        );
    }

    #[test]
    fn swapped_halves_of_a_key_are_told_and_missing_ones_are_not() {
        let secret = |value: &str| Secret::from(SecretString::from(value.to_owned()));
        let keys = |key: &str, of: &str| -> Vec<String> {
            let problems = swapped(&secret(key), &secret(of)).into_iter();
            problems.map(|problem| problem.key).collect()
        };
        assert_eq!(keys("cs_1", "ck_1"), ["key", "secret"]);
        assert_eq!(keys("cs_1", "cs_1"), ["key"]);
        assert_eq!(keys("ck_1", "cs_1"), [""; 0]);
        let missing = hikiate_sdk::PLACEHOLDER;
        assert_eq!(keys(missing, missing), [""; 0]);
    }

    #[test]
    fn plain_http_is_for_loopback() {
        for (url, distant) in [
            ("http://localhost/shop", false),
            ("http://[::1]:80", false),
            ("http://127.0.0.2", false),
            ("http://localhost.example", true),
            ("http://10.0.0.1", true),
            ("https://shop.example", false),
            ("no address", false),
        ] {
            assert_eq!(is_plain_and_distant(url), distant, "{url}");
        }
    }
}
