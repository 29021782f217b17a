//! The account's TOML keys.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use hikiate_sdk::duration::Span;
use hikiate_sdk::settings::Checks;
use hikiate_sdk::{Problem, Secret, SecretRef};
use lettre::message::Mailbox;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// The keys below `[accounts.NAME]` with `connector = "smtp"`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Keys {
    /// The mail server. Required.
    host: Option<String>,
    /// Its port; 465 for implicit TLS, 587 for STARTTLS, 25 without.
    port: Option<u16>,
    /// How the connection is protected. Default `implicit`.
    tls: Option<Tls>,
    /// Allows `tls = "none"` to a host that is not loopback.
    allow_insecure: Option<bool>,
    /// A PEM file of authorities that the server's certificate may be of, beside the machine's; beside the configuration if it
    /// is relative. None when absent.
    ca_file: Option<PathBuf>,
    /// The sender: `shop@example.jp` or `The Shop <shop@example.jp>`. Required.
    from: Option<String>,
    /// The host part of Message-IDs and the name in EHLO. Default: the sender's domain.
    domain: Option<String>,
    /// The user to log in as; together with `password`.
    user: Option<String>,
    /// Where the password is.
    password: Option<SecretRef>,
    /// Until the server has accepted the recipient, `1s` to `10m`. Default `20s`.
    connect_timeout: Option<Span>,
    /// From the body to the server's reply, `1s` to `10m`. A reply that comes later leaves the mail unknown. Default `2m`.
    timeout: Option<Span>,
    /// Mails under way at once. Default 2.
    concurrency: Option<u16>,
    /// Mails started a second at the most. No limit when absent.
    per_second: Option<u32>,
}

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
    /// See [`Keys::ca_file`].
    pub(crate) ca_file: Option<PathBuf>,
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

/// Reads and checks the account's table.
///
/// # Errors
/// Every problem that can be told from the table.
pub(crate) fn read(settings: &Value) -> Result<Settings, Vec<Problem>> {
    let mut checks = Checks::new(settings);
    let keys: Keys = checks.decode(&["password"]);
    let tls = keys.tls.unwrap_or_default();
    let port = keys.port.unwrap_or(match tls {
        Tls::Implicit => 465,
        Tls::Starttls => 587,
        Tls::None => 25,
    });
    let port = checks.within("port", port, 1..=u16::MAX);
    let host = checks.required("host", keys.host, "the mail server's name or IP address");
    if let Some(host) = &host {
        // What cannot be read may allow it.
        let allowed = keys.allow_insecure;
        let allowed = allowed.unwrap_or_else(|| checks.has("allow_insecure"));
        check_host(host, tls, allowed, &mut checks);
    }
    if tls == Tls::None && keys.ca_file.is_some() {
        checks.problem("ca_file", "has no meaning with tls = \"none\": remove it");
    }
    let from = checks.required("from", keys.from, "the sender's mail address");
    let from = from.and_then(|text| {
        let mailbox = text.parse::<Mailbox>().ok();
        if mailbox.is_none() {
            checks.problem(
                "from",
                "not a mail address: write shop@example.jp or The Shop <shop@example.jp>",
            );
        }
        mailbox
    });
    let domain = keys
        .domain
        .or_else(|| from.as_ref().map(|m| m.email.domain().to_owned()));
    if domain.as_ref().is_some_and(|d| !is_domain(d)) {
        checks.problem(
            "domain",
            "not an ASCII host name: use letters, digits, dots and hyphens",
        );
    }
    let login = login(keys.user, keys.password.as_ref(), &mut checks);
    let connect_timeout = wait("connect_timeout", keys.connect_timeout, 20, &mut checks);
    let timeout = wait("timeout", keys.timeout, 120, &mut checks);
    let concurrency = keys.concurrency.unwrap_or(2);
    let concurrency = checks.within("concurrency", concurrency, 1..=u16::MAX);
    let per_second = checks.rate("per_second", keys.per_second);
    let settings = host
        .zip(from)
        .zip(domain)
        .map(|((host, from), domain)| Settings {
            host,
            port,
            tls,
            ca_file: keys.ca_file,
            from,
            domain,
            login,
            connect_timeout,
            timeout,
            concurrency: usize::from(concurrency),
            per_second,
        });
    checks.finish(settings)
}

fn check_host(host: &str, tls: Tls, allow_insecure: bool, checks: &mut Checks<'_>) {
    if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c == '/' || c == '@') {
        checks.problem(
            "host",
            "not a host name: write it without scheme, port and path",
        );
    } else if tls == Tls::None && !allow_insecure && !is_loopback(host) {
        checks.problem("tls", "\"none\" sends mails and the password in the clear to a host that is not loopback: use \"implicit\" or \"starttls\", or set allow_insecure = true if you trust the network");
    }
}

fn login(
    user: Option<String>,
    password: Option<&SecretRef>,
    checks: &mut Checks<'_>,
) -> Option<(String, Secret)> {
    for (key, other) in [("user", "password"), ("password", "user")] {
        if checks.has(key) && !checks.has(other) {
            checks.problem(
                other,
                format!("missing: {key} is set, and a login needs both"),
            );
        }
    }
    let secret = checks.open("password", password?);
    user.zip(secret)
}

/// From a second to ten minutes.
fn wait(key: &str, span: Option<Span>, otherwise: u64, checks: &mut Checks<'_>) -> Duration {
    let length = span.map_or(Duration::from_secs(otherwise), |span| span.0);
    if !(Duration::from_secs(1)..=Duration::from_secs(600)).contains(&length) {
        checks.problem(key, "out of range: write \"1s\" to \"10m\"");
    }
    length
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
