//! From the tables to the settings of this process.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;

use super::layers::Surroundings;
use super::model::{File, HooksTable, HttpTable, RetentionTable};
use super::report::Problems;
use super::settings::{
    DatabaseSettings, EngineSettings, HookSettings, HttpSettings, LogSettings, Settings,
};
use super::{templates, transport, units};
use crate::policy::Retention;

/// Where state is kept when nothing is said.
const STATE_DIR: &str = "/var/lib/hikiate";
/// Where webhooks are listened for when nothing is said.
const HOOKS: &str = "127.0.0.1:9465";

impl Settings {
    /// The settings; `None` only together with a problem.
    pub(super) fn resolve(
        file: &File,
        surroundings: &Surroundings,
        base_dir: &Path,
        p: &mut Problems<'_>,
    ) -> Option<Self> {
        let database = database(file, surroundings, base_dir, p);
        if let Err(e) = tracing_subscriber::EnvFilter::try_new(&file.log.level) {
            p.at(
                &["log", "level"],
                format!(
                    "{:?} is not a log filter: {e}; use for example \"info\"",
                    file.log.level
                ),
            );
        }
        let http = http(&file.http, p);
        let engine = &file.engine;
        for (key, n, most) in [
            ("plan_batch", engine.plan_batch, 1000),
            ("push_batch", engine.push_batch, 1000),
            ("automation_burst", engine.automation_burst, 1_000_000),
        ] {
            if !(1..=most).contains(&n) {
                p.at(
                    &["engine", key],
                    format!("{n} is out of range; use 1 to {most}"),
                );
            }
        }
        let lease = p.value(
            &["engine", "lease"],
            units::length(&engine.lease, 5).and_then(|lease| {
                let whole = lease.subsec_nanos() == 0 && lease.as_secs() <= 3600;
                if whole {
                    i32::try_from(lease.as_secs()).map_err(|e| e.to_string())
                } else {
                    Err("use whole seconds, at most \"1h\"".to_owned())
                }
            }),
        );
        let idle = p.value(
            &["engine", "idle"],
            units::length(&engine.idle, 0).and_then(|idle| {
                if idle.is_zero() {
                    Err("\"0s\" would never pause; use at least \"10ms\"".to_owned())
                } else {
                    Ok(idle)
                }
            }),
        );
        let longest_idle = p.value(
            &["engine", "longest_idle"],
            units::length(&engine.longest_idle, 0).and_then(|longest| match &idle {
                Some(idle) if longest < *idle => Err("is shorter than idle".to_owned()),
                _ if longest > Duration::from_secs(60) => {
                    Err("use at most \"1m\": what only time makes due may be late by it".to_owned())
                }
                _ => Ok(longest),
            }),
        );
        let drain = p.value(&["engine", "drain"], units::length(&engine.drain, 1));
        let retention = retention(&file.retention, p);
        let templates = templates::read(&file.mail, base_dir, p);
        Some(Self {
            database,
            log: LogSettings {
                format: file.log.format,
                level: file.log.level.clone(),
            },
            http: http?,
            engine: EngineSettings {
                plan_batch: i64::from(engine.plan_batch),
                push_batch: i64::from(engine.push_batch),
                automation_burst: i32::try_from(engine.automation_burst).unwrap_or(i32::MAX),
                lease_seconds: lease?,
                idle: idle?,
                longest_idle: longest_idle?,
                drain: drain?,
            },
            retention: retention?,
            templates,
            base_dir: base_dir.to_path_buf(),
        })
    }
}

/// Shorter than an hour, an order would be gone before its own mail is sent.
const LEAST_KEPT: u64 = 3600;

fn retention(table: &RetentionTable, p: &mut Problems<'_>) -> Option<Retention> {
    let mut kept = |key: &str, text: &str| {
        p.value(&["retention", key], units::span_or_never(text, LEAST_KEPT))
    };
    let raw = kept("raw", &table.raw);
    let personal = kept("personal", &table.personal);
    let quarantine = kept("quarantine", &table.quarantine);
    Some(Retention {
        raw: raw?,
        personal: personal?,
        quarantine: quarantine?,
    })
}

fn database(
    file: &File,
    surroundings: &Surroundings,
    base_dir: &Path,
    p: &mut Problems<'_>,
) -> DatabaseSettings {
    let variable = |name: &str| {
        surroundings
            .variables
            .get(name)
            .filter(|value| !value.is_empty())
    };
    let url = match (variable("DATABASE_URL"), &file.database.url) {
        (Some(url), _) => Some(SecretString::from(url.clone())),
        (None, Some(secret)) if secret.env.is_some() == secret.file.is_some() => {
            if !p.is_unread(&["database", "url"]) {
                p.at(
                    &["database", "url"],
                    "write { env = \"NAME\" } or { file = \"/path\" }",
                );
            }
            None
        }
        (None, Some(secret)) => {
            let mut secret = secret.clone();
            secret.file = secret.file.map(|file| base_dir.join(file));
            match secret.read() {
                Err(reason) if !surroundings.allow_missing_secrets => {
                    p.at(&["database", "url"], reason);
                    None
                }
                read => read.ok(),
            }
        }
        (None, None) => None,
    };
    let name = if variable("DATABASE_URL").is_some() {
        "DATABASE_URL"
    } else {
        "the URL"
    };
    let options = url.as_ref().and_then(|url| {
        transport::read(url)
            .map_err(|why| {
                p.at(
                    &["database", "url"],
                    format!("{name} cannot be used: {why}; write postgres://user:secret@host/database, or for a socket \
                             postgres:///database?host=/run/postgresql&user=name"),
                );
            })
            .ok()
    });
    let unverified = options.as_ref().and_then(transport::unverified);
    let allowed = file.database.allow_insecure || p.is_unread(&["database", "allow_insecure"]);
    if let Some((host, mode)) = unverified.as_ref().filter(|_| !allowed) {
        p.at(
            &["database", "url"],
            format!(
                "{name} leads over a network to {host} with sslmode={mode}, so that nothing proves who answers, and every order's \
                 name and address goes there: add sslmode=verify-full (with sslrootcert=/path/ca.pem where the machine does not \
                 know the authority), or set database.allow_insecure = true if you trust the network"
            ),
        );
    }
    let state_dir = state_dir(file.database.state_dir.as_deref(), surroundings, base_dir);
    let connections = file.database.connections;
    if !(2..=1000).contains(&connections) {
        p.at(
            &["database", "connections"],
            format!("{connections} is out of range; use 2 to 1000"),
        );
    }
    DatabaseSettings {
        url,
        unverified: unverified.map(|(host, _)| host),
        state_dir,
        connections,
    }
}

/// Where state is kept, by what the file says of it and the process.
pub(super) fn state_dir(
    written: Option<&str>,
    surroundings: &Surroundings,
    base_dir: &Path,
) -> PathBuf {
    // systemd lists several directories with colons; the first is ours.
    let given = surroundings
        .variables
        .get("STATE_DIRECTORY")
        .filter(|dirs| !dirs.is_empty())
        .and_then(|dirs| dirs.split(':').next())
        .map(PathBuf::from);
    match written {
        Some(dir) => base_dir.join(dir),
        None => given.unwrap_or_else(|| PathBuf::from(STATE_DIR)),
    }
}

fn http(table: &HttpTable, p: &mut Problems<'_>) -> Option<HttpSettings> {
    let hooks = table.hooks.as_ref().map(|table| hooks(table, p));
    let listen = match table.listen.as_str() {
        "off" => None,
        text => {
            let address = listen(text, &["http", "listen"], "127.0.0.1:9464\", or \"off", p)?;
            let allowed = table.allow_remote || p.is_unread(&["http", "allow_remote"]);
            if !address.ip().is_loopback() && !allowed {
                p.at(&["http", "listen"], format!("{address} is reachable from other machines, and metrics have no password; if you intend that, set allow_remote = true"));
            }
            Some(address)
        }
    };
    let hooks = match hooks {
        Some(hooks) => Some(hooks?),
        None => None,
    };
    if hooks
        .as_ref()
        .is_some_and(|hooks| Some(hooks.listen) == listen)
    {
        p.at(
            &["http", "hooks", "listen"],
            "health and metrics already use this port: webhooks need their own",
        );
    }
    Some(HttpSettings { listen, hooks })
}

fn listen(text: &str, path: &[&str], example: &str, p: &mut Problems<'_>) -> Option<SocketAddr> {
    let address = text
        .parse()
        .map_err(|_| format!("{text:?} is not an address and port; use for example \"{example}\""));
    p.value(path, address)
}

fn hooks(table: &HooksTable, p: &mut Problems<'_>) -> Option<HookSettings> {
    let path = ["http", "hooks", "listen"];
    let address = listen(table.listen.as_deref().unwrap_or(HOOKS), &path, HOOKS, p);
    let allowed = table.allow_remote || p.is_unread(&["http", "hooks", "allow_remote"]);
    if address.is_some_and(|a| !a.ip().is_loopback()) && !allowed {
        p.at(&path, "webhooks would arrive here unencrypted; put a TLS reverse proxy in front of 127.0.0.1, or set allow_remote = true");
    }
    let public_url = p.value(&["http", "hooks", "public_url"], public(&table.public_url));
    Some(HookSettings {
        listen: address?,
        public_url: public_url?,
    })
}

/// An address that others can be given.
fn public(text: &str) -> Result<String, String> {
    let example = "use for example \"https://hooks.example\"";
    let url = url::Url::parse(text).map_err(|_| format!("{text:?} is not a URL; {example}"))?;
    let local = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    if url.scheme() != "https" && !(url.scheme() == "http" && local) {
        return Err(format!(
            "signatures do not encrypt: the URL must begin with https://; {example}"
        ));
    }
    if url.query().is_some() || url.fragment().is_some() || url.password().is_some() {
        return Err(format!("only a host and a path are allowed; {example}"));
    }
    Ok(text.trim_end_matches('/').to_owned())
}
