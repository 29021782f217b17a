//! The layers of the configuration: built-in defaults, the file, the environment.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use config::{Environment, FileFormat};
use serde_json::Value;

use super::load::base_dir;
use super::process;
use super::renamed::rename;
use super::report::ConfigProblem;
use super::spans::Sources;

/// `config/hikiate.toml`, which documents every key and is the layer of defaults.
pub const DEFAULTS: &str = include_str!("../../config/hikiate.toml");

/// What loading may know of the process beside the file.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// Environment variables: `HIKIATE__SECTION__KEY`, `DATABASE_URL`, `STATE_DIRECTORY`.
    pub variables: BTreeMap<String, String>,
    /// Build accounts with a placeholder where a secret is missing, to check a file away from its secrets. An account
    /// that cannot be built so (a private key) is left out. Only for `check`: never run what was loaded so.
    pub allow_missing_secrets: bool,
    /// Load without the rows of the mapping file that cannot be read, and say which: for a command that beside the daemon
    /// looks at the database or writes to it, which no mapping changes. Never run what was loaded so.
    pub allow_bad_mapping: bool,
}

impl Surroundings {
    /// Those of this process.
    #[must_use]
    pub fn of_process() -> Self {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self {
            variables,
            allow_missing_secrets: false,
            allow_bad_mapping: false,
        }
    }
}

/// The address of `/readyz` alone, as a daemon that runs read it: the rest of the file may be in the middle of a change. `None`
/// where there is none.
///
/// # Errors
/// A file that cannot be read, or an address that cannot.
pub fn listener(
    path: Option<&Path>,
    surroundings: &Surroundings,
) -> Result<Option<SocketAddr>, Vec<ConfigProblem>> {
    let (mut merged, sources) = merge(path, surroundings)?;
    rename(&mut merged, &sources);
    let listen = merged["http"]["listen"].as_str().unwrap_or_default();
    if listen == "off" {
        return Ok(None);
    }
    let address = listen.parse().map_err(|_| {
        let message = format!("{listen:?} is not an address and port");
        vec![sources.problem(&["http", "listen"], message)]
    });
    address.map(Some)
}

/// Where state is kept, read as [`listener`] is.
///
/// # Errors
/// A file that cannot be read.
pub fn state_dir(
    path: Option<&Path>,
    surroundings: &Surroundings,
) -> Result<PathBuf, Vec<ConfigProblem>> {
    let (mut merged, sources) = merge(path, surroundings)?;
    rename(&mut merged, &sources);
    let written = merged["database"]["state_dir"].as_str();
    Ok(process::state_dir(written, surroundings, base_dir(path)))
}

/// Reads and merges the layers; tables are merged, lists and values are replaced.
///
/// # Errors
/// A file that cannot be read, or every syntax error in it.
pub(super) fn merge(
    path: Option<&Path>,
    surroundings: &Surroundings,
) -> Result<(Value, Sources), Vec<ConfigProblem>> {
    let whole = |file: String, message: String| {
        vec![ConfigProblem {
            file,
            line: 0,
            key: String::new(),
            message,
        }]
    };
    let mut builder =
        config::Config::builder().add_source(config::File::from_str(DEFAULTS, FileFormat::Toml));
    let mut sources = Sources::default();
    let name = path
        .map(|path| path.display().to_string())
        .unwrap_or_default();
    if let Some(path) = path {
        let text = std::fs::read_to_string(path).map_err(|e| {
            let do_this = match e.kind() {
                ErrorKind::InvalidData => {
                    "the file is not UTF-8 (a Japanese editor may write CP932); save it as UTF-8"
                        .to_owned()
                }
                _ => format!("{e}; name the file with --config"),
            };
            whole(name.clone(), format!("cannot be read: {do_this}"))
        })?;
        sources = Sources::read(&name, &text)?;
        builder = builder.add_source(config::File::from_str(&text, FileFormat::Toml));
    }
    let mut ours = config::Map::new();
    for (variable, value) in &surroundings.variables {
        if let Some(rest) = variable.strip_prefix("HIKIATE__") {
            let parts = rest.to_lowercase().split("__").map(str::to_owned).collect();
            sources.add_variable(parts, variable.clone());
            ours.insert(variable.clone(), value.clone());
        }
    }
    let environment = Environment::with_prefix("HIKIATE")
        .prefix_separator("__")
        .separator("__")
        .source(Some(ours));
    let merged = builder
        .add_source(environment)
        .build()
        .and_then(config::Config::try_deserialize::<Value>)
        .map_err(|e| {
            whole(
                name,
                format!("cannot be merged with the defaults and the environment: {e}"),
            )
        })?;
    Ok((merged, sources))
}
