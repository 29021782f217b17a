//! What the process itself needs, as opposed to the policy.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Deserialize;

use crate::policy::Retention;

/// Settings of one process; another process on the same database may have others.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where state is kept.
    pub database: DatabaseSettings,
    /// Logging.
    pub log: LogSettings,
    /// Health and metrics.
    pub http: HttpSettings,
    /// Sizes and times of the loops.
    pub engine: EngineSettings,
    /// How long what names somebody is kept.
    pub retention: Retention,
    /// Texts of mails.
    pub templates: MailTemplates,
    /// The configuration file's folder; relative paths start there.
    pub base_dir: PathBuf,
}

/// Where state is kept.
#[derive(Clone, Debug)]
pub struct DatabaseSettings {
    /// `None` runs a private cluster below `state_dir`.
    pub url: Option<SecretString>,
    /// Holds the private cluster and the instance id.
    pub state_dir: PathBuf,
    /// The host that is reached over a network without a verified certificate, as `allow_insecure` allows.
    pub unverified: Option<String>,
    /// Connections at the most.
    pub connections: u32,
}

/// Logging.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// How lines look.
    pub format: LogFormat,
    /// A `tracing` filter.
    pub level: String,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// `pretty` on a terminal, else `json`.
    Auto,
    /// One object a line.
    Json,
    /// For people.
    Pretty,
}

/// Health and metrics, and webhooks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpSettings {
    /// Where to listen for health and metrics; `None` is off.
    pub listen: Option<SocketAddr>,
    /// Webhooks; `None` is off.
    pub hooks: Option<HookSettings>,
}

/// Where webhooks come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookSettings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// How external systems reach it, without a slash at the end.
    pub public_url: String,
}

impl HookSettings {
    /// The address to register for a hook of an account.
    #[must_use]
    pub fn address(&self, account: &str, hook: &str) -> String {
        format!("{}/hooks/{account}/{hook}", self.public_url)
    }
}

/// Sizes and times of the loops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineSettings {
    /// Orders planned in one transaction.
    pub plan_batch: i64,
    /// Effects claimed at once.
    pub push_batch: i64,
    /// How long a claim of an account or effect lasts.
    pub lease_seconds: i32,
    /// Effects a rule may make in a minute without new input before it pauses itself.
    pub automation_burst: i32,
    /// The shortest pause of a loop that found nothing to do.
    pub idle: Duration,
    /// The longest one, where nobody tells of work.
    pub longest_idle: Duration,
    /// How long running calls may take to end at shutdown.
    pub drain: Duration,
}

/// Language of the built-in templates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// 日本語.
    Ja,
    /// English.
    En,
}

/// Texts of the mails hikiate can send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailTemplates {
    /// The whole order has left.
    pub shipped: MailTemplate,
}

/// A mail as `MiniJinja` templates. Variables: `shop`, `order` (the number the customer knows), `number` (ours) and
/// `name` (of the buyer) are text; `lines` have `title` and `quantity`, `parcels` have `carrier` and `tracking`
/// (none when not told).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailTemplate {
    /// One line.
    pub subject: String,
    /// Plain text.
    pub text: String,
}
