//! The account's TOML keys.

use std::net::IpAddr;
use std::time::Duration;

use hikiate_sdk::{Problem, SecretRef};
use lettre::message::Mailbox;
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

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
    pub(crate) login: Option<(String, SecretString)>,
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
    let mut reader = Reader {
        table,
        problems: Vec::new(),
    };
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
                "is no host name: write it without scheme, port and path",
            );
        } else if tls == Tls::None && !allow_insecure && !is_loopback(host) {
            reader.problem("tls", "\"none\" sends mails and the password in the clear to a host that is not loopback: use \"implicit\" or \"starttls\", or set allow_insecure = true if the network is yours");
        }
    }
    let from = from.and_then(|text| {
        let mailbox = text.parse::<Mailbox>().ok();
        if mailbox.is_none() {
            reader.problem(
                "from",
                "is no mail address: write shop@example.jp or The Shop <shop@example.jp>",
            );
        }
        mailbox
    });
    let domain = domain.or_else(|| from.as_ref().map(|m| m.email.domain().to_owned()));
    if domain.as_ref().is_some_and(|d| !is_domain(d)) {
        reader.problem(
            "domain",
            "is no host name in ASCII: write letters, digits, dots and hyphens",
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

struct Reader<'a> {
    table: &'a Map<String, Value>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn problem(&mut self, key: &str, message: &str) {
        self.problems.push(Problem::new(key, message));
    }

    fn unknown(&mut self) {
        for key in self
            .table
            .keys()
            .filter(|key| !KEYS.contains(&key.as_str()))
        {
            self.problems.push(Problem::new(
                key.clone(),
                format!("unknown key: there are {}", KEYS.join(", ")),
            ));
        }
    }

    fn optional<T: DeserializeOwned>(&mut self, key: &str, expects: &str) -> Option<T> {
        let value = self.table.get(key)?;
        let read = T::deserialize(value).ok();
        if read.is_none() {
            self.problem(key, &format!("must be {expects}"));
        }
        read
    }

    fn required<T: DeserializeOwned>(&mut self, key: &str, expects: &str) -> Option<T> {
        if !self.table.contains_key(key) {
            self.problem(key, &format!("is missing: must be {expects}"));
        }
        self.optional(key, expects)
    }

    fn login(&mut self) -> Option<(String, SecretString)> {
        let user: Option<String> = self.optional("user", "a text");
        let place: Option<SecretRef> = self.optional(
            "password",
            "{ env = \"NAME\" } or { file = \"/path\" }, never the password itself",
        );
        for (key, other) in [("user", "password"), ("password", "user")] {
            if self.table.contains_key(key) && !self.table.contains_key(other) {
                self.problem(
                    other,
                    &format!("is missing: there is {key}, and a login needs both"),
                );
            }
        }
        let secret = match place?.read() {
            Ok(secret) => Some(secret),
            Err(why) => {
                self.problem("password", &why);
                None
            }
        };
        Some((user?, secret?))
    }

    fn duration(&mut self, key: &str, otherwise: Duration) -> Duration {
        let Some(text) = self.optional::<String>(key, "a time like \"20s\" or \"2m\"") else {
            return otherwise;
        };
        match seconds(&text) {
            Some(duration) => duration,
            None => {
                self.problem(key, "must be a time from \"1s\" to \"10m\"");
                otherwise
            }
        }
    }
}

/// `"20s"`, `"2m"`; from a second to ten minutes.
fn seconds(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: u64 = number.parse().ok()?;
    let seconds = match unit {
        "s" => number,
        "m" => number.checked_mul(60)?,
        _ => return None,
    };
    (1..=600)
        .contains(&seconds)
        .then(|| Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    fn keys(settings: &Value) -> Vec<String> {
        let mut keys: Vec<String> = read(settings)
            .err()
            .unwrap_or_default()
            .into_iter()
            .map(|p| p.key)
            .collect();
        keys.sort();
        keys
    }

    #[test]
    fn a_short_account_has_safe_values() {
        let settings =
            read(&json!({ "host": "mail.example.jp", "from": "店 <shop@example.jp>" })).unwrap();
        assert_eq!(
            (settings.port, settings.tls, settings.domain.as_str()),
            (465, Tls::Implicit, "example.jp")
        );
        assert_eq!(
            (
                settings.connect_timeout.as_secs(),
                settings.timeout.as_secs()
            ),
            (20, 120)
        );
        let settings =
            read(&json!({ "host": "m", "from": "a@b.jp", "tls": "starttls", "timeout": "3m" }))
                .unwrap();
        assert_eq!((settings.port, settings.timeout.as_secs()), (587, 180));
    }

    #[test]
    fn every_problem_is_told_at_its_key_without_the_value() {
        let bad = json!({
            "host": "smtp://x", "port": 0, "tls": "maybe", "from": "nobody", "user": 7, "password": "hunter2",
            "timeout": "1h", "connect_timeout": 5, "concurrency": 0, "per_second": -1, "domain": "日本", "colour": "red"
        });
        assert_eq!(
            keys(&bad),
            [
                "colour",
                "concurrency",
                "connect_timeout",
                "domain",
                "from",
                "host",
                "password",
                "per_second",
                "port",
                "timeout",
                "tls",
                "user"
            ]
        );
        let text = format!("{:?}", read(&bad).err());
        assert!(
            !text.contains("hunter2") && !text.contains("nobody"),
            "{text}"
        );
        assert_eq!(keys(&json!({})), ["from", "host"]);
        assert_eq!(keys(&json!([])), [""]);
    }

    #[test]
    fn mails_in_the_clear_stay_on_the_machine() {
        let account = |host: &str| json!({ "host": host, "from": "a@b.jp", "tls": "none" });
        for host in ["127.0.0.1", "::1", "localhost"] {
            assert!(read(&account(host)).is_ok(), "{host}");
        }
        assert_eq!(keys(&account("mail.example.jp")), ["tls"]);
        assert_eq!(
            keys(
                &json!({ "host": "mail.lan", "from": "a@b.jp", "tls": "none", "allow_insecure": true })
            ),
            [""; 0]
        );
    }

    #[test]
    fn a_login_needs_user_and_password() {
        let base = |extra: Value| {
            let mut all = json!({ "host": "m", "from": "a@b.jp" });
            all.as_object_mut()
                .unwrap()
                .extend(extra.as_object().unwrap().clone());
            all
        };
        assert_eq!(keys(&base(json!({ "user": "u" }))), ["password"]);
        assert_eq!(
            keys(&base(json!({ "password": { "env": "HIKIATE_NOT_SET" } }))),
            ["password", "user"]
        );
        assert_eq!(
            keys(&base(
                json!({ "user": "u", "password": { "file": "/nowhere" } })
            )),
            ["password"]
        );
    }

    #[test]
    fn the_schema_has_the_keys_that_are_read() {
        let schema = serde_json::to_value(schemars::schema_for!(Keys)).unwrap();
        let mut told: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
        let mut read = KEYS.to_vec();
        told.sort();
        read.sort_unstable();
        assert_eq!(told, read);
        assert_eq!(schema["additionalProperties"], json!(false));
    }
}
