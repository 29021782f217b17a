//! The account's TOML keys.

mod reader;

use std::net::IpAddr;
use std::time::Duration;

use hikiate_sdk::{Problem, Secret, SecretRef};
use lettre::message::Mailbox;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use self::reader::Reader;

/// The keys as they are written; for the key reference.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "only its schema is used; keys are read one by one so that every problem is told"
)]
pub(crate) struct Keys {
    /// The mail server.
    host: String,
    /// Its port; 465 for implicit TLS, 587 for STARTTLS, 25 without.
    #[serde(default)]
    port: Option<u16>,
    /// How the connection is protected; `"implicit"` when not told.
    #[serde(default)]
    tls: Tls,
    /// Allows `tls = "none"` to a host that is not loopback.
    #[serde(default)]
    allow_insecure: bool,
    /// The sender: `shop@example.jp` or `The Shop <shop@example.jp>`.
    from: String,
    /// The host part of Message-IDs and the name in EHLO; the sender's domain when not told.
    #[serde(default)]
    domain: Option<String>,
    /// The user to log in as; together with `password`.
    #[serde(default)]
    user: Option<String>,
    /// Where the password is.
    #[serde(default)]
    password: Option<SecretRef>,
    /// Until the server has taken the recipient, for example `"20s"`.
    #[serde(default)]
    connect_timeout: Option<String>,
    /// From the body to the server's reply, for example `"2m"`. A reply that comes later leaves the mail unknown.
    #[serde(default)]
    timeout: Option<String>,
    /// Mails under way at once; 2 when not told.
    #[serde(default)]
    concurrency: Option<u16>,
    /// Mails started a second at the most; without a limit when not told.
    #[serde(default)]
    per_second: Option<u32>,
}

const KEYS: [&str; 12] = [
    "host",
    "port",
    "tls",
    "allow_insecure",
    "from",
    "domain",
    "user",
    "password",
    "connect_timeout",
    "timeout",
    "concurrency",
    "per_second",
];

/// How the connection is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Tls {
    /// TLS from the first byte.
    #[default]
    Implicit,
    /// Plain, then STARTTLS; a server that does not offer it is refused.
    Starttls,
    /// Plain; only to loopback or with `allow_insecure`.
    None,
}

/// A checked account.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: Tls,
    pub(crate) from: Mailbox,
    pub(crate) domain: String,
    pub(crate) login: Option<(String, Secret)>,
    pub(crate) connect_timeout: Duration,
    pub(crate) timeout: Duration,
    pub(crate) concurrency: usize,
    pub(crate) per_second: Option<u32>,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("tls", &self.tls)
            .field("login", &self.login.is_some())
            .finish_non_exhaustive()
    }
}

/// Reads and checks the account's table. Messages never repeat a value: a password may be in the wrong place.
///
/// # Errors
/// Every problem that can be told from the table.
pub(crate) fn read(settings: &Value) -> Result<Settings, Vec<Problem>> {
    let Some(table) = settings.as_object() else {
        return Err(vec![Problem::new("", "the account is not a table")]);
    };
    let mut reader = Reader::new(table);
    reader.unknown();
    let read = build(&mut reader);
    match read {
        Some(settings) if reader.problems.is_empty() => Ok(settings),
        _ => Err(reader.problems),
    }
}

/// `None` only after a problem was noted; goes on as far as it can.
fn build(reader: &mut Reader<'_>) -> Option<Settings> {
    let host: Option<String> = reader.required("host", "a host name or IP address");
    let port: Option<u16> = reader.optional("port", "a number from 1 to 65535");
    let tls: Tls = reader
        .optional("tls", "\"implicit\", \"starttls\" or \"none\"")
        .unwrap_or_default();
    let allow_insecure = reader
        .optional("allow_insecure", "true or false")
        .unwrap_or(false);
    let from: Option<String> = reader.required("from", "a mail address");
    let domain: Option<String> = reader.optional("domain", "a host name");
    let login = reader.login();
    let connect_timeout = reader.duration("connect_timeout", Duration::from_secs(20));
    let timeout = reader.duration("timeout", Duration::from_secs(120));
    let concurrency: u16 = reader
        .optional("concurrency", "a number from 1 to 65535")
        .unwrap_or(2);
    let per_second: Option<u32> = reader.optional("per_second", "a number of mails");
    if port == Some(0) {
        reader.problem("port", "must be from 1 to 65535");
    }
    if concurrency == 0 {
        reader.problem("concurrency", "must be at least 1, or nothing is ever sent");
    }
    if per_second == Some(0) {
        reader.problem("per_second", "must be at least 1, or nothing is ever sent");
    }
    if let Some(host) = &host {
        if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c == '/' || c == '@') {
            reader.problem(
                "host",
                "is not a host name: write it without scheme, port and path",
            );
        } else if tls == Tls::None && !allow_insecure && !is_loopback(host) {
            reader.problem("tls", "\"none\" sends mails and the password in the clear to a host that is not loopback: use \"implicit\" or \"starttls\", or set allow_insecure = true if you trust the network");
        }
    }
    let from = from.and_then(|text| {
        let mailbox = text.parse::<Mailbox>().ok();
        if mailbox.is_none() {
            reader.problem(
                "from",
                "is not a mail address: write shop@example.jp or The Shop <shop@example.jp>",
            );
        }
        mailbox
    });
    let domain = domain.or_else(|| from.as_ref().map(|m| m.email.domain().to_owned()));
    if domain.as_ref().is_some_and(|d| !is_domain(d)) {
        reader.problem(
            "domain",
            "is not an ASCII host name: use letters, digits, dots and hyphens",
        );
    }
    Some(Settings {
        host: host?,
        port: port.unwrap_or(match tls {
            Tls::Implicit => 465,
            Tls::Starttls => 587,
            Tls::None => 25,
        }),
        tls,
        from: from?,
        domain: domain?,
        login,
        connect_timeout,
        timeout,
        concurrency: usize::from(concurrency),
        per_second,
    })
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn is_domain(text: &str) -> bool {
    let label =
        |l: &str| !l.is_empty() && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    text.len() <= 253 && text.split('.').all(label)
}

#[cfg(test)]
mod tests;
