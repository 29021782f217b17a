//! `[shop]`, `[database]`, `[log]`, `[http]`, `[engine]`.

use hikiate_sdk::SecretRef;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::LogFormat;
use crate::policy::{Invoice, TaxRounding};

/// `[shop]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShopTable {
    /// Shown in mails.
    pub name: String,
    /// IANA name.
    pub timezone: String,
    /// ISO 3166-1 code, two letters.
    pub country: String,
    /// ISO 4217.
    pub currency: String,
    /// How tax is rounded where a channel states no rounded sum; half up, and `check` asks, while it is not written.
    #[serde(default)]
    pub tax_rounding: Option<TaxRounding>,
    /// What tax is rounded once for.
    #[serde(default)]
    pub invoice: Invoice,
    /// Weekdays on which the shop is closed: `mon` to `sun`.
    pub closed_weekdays: Vec<String>,
    /// Days on which it is closed, as `YYYY-MM-DD`.
    pub closed_dates: Vec<String>,
}

/// `[database]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DatabaseTable {
    /// A `PostgreSQL` URL; without one a private cluster is run.
    #[serde(default)]
    pub url: Option<SecretRef>,
    /// Where the private cluster and the instance id are.
    #[serde(default)]
    pub state_dir: Option<String>,
    /// Reach a database over a network without a verified certificate.
    pub allow_insecure: bool,
    /// Connections at the most.
    pub connections: u32,
}

/// `[log]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogTable {
    /// How lines look.
    pub format: LogFormat,
    /// A filter, `info` or `info,hikiate=debug`.
    pub level: String,
}

/// `[http]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpTable {
    /// Address and port, or `off`.
    pub listen: String,
    /// Listen on an address that is not loopback.
    pub allow_remote: bool,
    /// Where webhooks come in; without it none do.
    #[serde(default)]
    pub hooks: Option<HooksTable>,
}

/// `[http.hooks]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HooksTable {
    /// Address and port.
    #[serde(default)]
    pub listen: Option<String>,
    /// How external systems reach it: the address of the reverse proxy.
    pub public_url: String,
    /// Listen on an address that is not loopback.
    #[serde(default)]
    pub allow_remote: bool,
}

/// `[retention]`: lengths of time, or `never`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RetentionTable {
    /// Raw bytes of readings, from when they were read.
    pub raw: String,
    /// Names, addresses and the bytes of instructions, from the end of their orders.
    pub personal: String,
    /// Records of the quarantine, from when they were settled.
    pub quarantine: String,
}

/// `[engine]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EngineTable {
    /// Orders planned in one transaction.
    pub plan_batch: u32,
    /// Effects claimed at once.
    pub push_batch: u32,
    /// Effects a rule may make in a minute without new input of their orders before it pauses itself.
    pub automation_burst: u32,
    /// How long a claim of an account or effect lasts.
    pub lease: String,
    /// The shortest pause of a loop that found nothing to do.
    pub idle: String,
    /// The longest one, where nobody tells of work.
    pub longest_idle: String,
    /// How long running calls may take to end at shutdown.
    pub drain: String,
}
