//! From the tables to the settings of this process.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::layers::Surroundings;
use super::model::{File, HttpTable};
use super::report::Problems;
use super::settings::{DatabaseSettings, EngineSettings, HttpSettings, LogSettings, Settings};
use super::{templates, units};

/// Where state is kept when nothing is said.
const STATE_DIR: &str = "/var/lib/hikiate";

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
                    "{:?} is no log filter: {e}; write for example \"info\"",
                    file.log.level
                ),
            );
        }
        let http = http(&file.http, p);
        let engine = &file.engine;
        for (key, n, most) in [
            ("plan_batch", engine.plan_batch, 1000),
            ("push_batch", engine.push_batch, 1000),
            ("rule_burst", engine.rule_burst, 1_000_000),
        ] {
            if !(1..=most).contains(&n) {
                p.at(
                    &["engine", key],
                    format!("{n} is out of range; write 1 to {most}"),
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
                    Err("write whole seconds, at most \"1h\"".to_owned())
                }
            }),
        );
        let idle = p.value(
            &["engine", "idle"],
            units::length(&engine.idle, 0).and_then(|idle| {
                if idle.is_zero() {
                    Err("\"0s\" would never rest; write at least \"10ms\"".to_owned())
                } else {
                    Ok(idle)
                }
            }),
        );
        let drain = p.value(&["engine", "drain"], units::length(&engine.drain, 1));
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
                rule_burst: i32::try_from(engine.rule_burst).unwrap_or(i32::MAX),
                lease_seconds: lease?,
                idle: idle?,
                drain: drain?,
            },
            templates,
            base_dir: base_dir.to_path_buf(),
        })
    }
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
            p.at(
                &["database", "url"],
                "write { env = \"NAME\" } or { file = \"/path\" }",
            );
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
    // systemd lists several directories with colons; the first is ours.
    let given = variable("STATE_DIRECTORY")
        .and_then(|dirs| dirs.split(':').next())
        .map(PathBuf::from);
    let state_dir = match &file.database.state_dir {
        Some(dir) => base_dir.join(dir),
        None => given.unwrap_or_else(|| PathBuf::from(STATE_DIR)),
    };
    let connections = file.database.connections;
    if !(2..=1000).contains(&connections) {
        p.at(
            &["database", "connections"],
            format!("{connections} is out of range; write 2 to 1000"),
        );
    }
    DatabaseSettings {
        url,
        state_dir,
        connections,
    }
}

fn http(table: &HttpTable, p: &mut Problems<'_>) -> Option<HttpSettings> {
    let path = ["http", "listen"];
    if table.listen == "off" {
        return Some(HttpSettings { listen: None });
    }
    let address = p.value(
        &path,
        table.listen.parse::<SocketAddr>().map_err(|_| {
            format!(
                "{:?} is no address and port; write for example \"127.0.0.1:9464\", or \"off\"",
                table.listen
            )
        }),
    )?;
    if !address.ip().is_loopback() && !table.allow_remote {
        p.at(&path, format!("{address} can be reached from other machines, and metrics have no password; write allow_remote = true if that is wanted"));
    }
    Some(HttpSettings {
        listen: Some(address),
    })
}
