//! Where a secret is: in the environment or in a file, never in the configuration itself.

use std::path::PathBuf;

use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Deserialize;

/// `{ env = "NAME" }` or `{ file = "/run/credentials/…" }`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretRef {
    /// An environment variable.
    #[serde(default)]
    pub env: Option<String>,
    /// A file; a trailing line break is dropped.
    #[serde(default)]
    pub file: Option<PathBuf>,
}

impl SecretRef {
    /// Reads the secret.
    ///
    /// # Errors
    /// Says which variable or file is missing or empty; never what is inside.
    pub fn read(&self) -> Result<SecretString, String> {
        let text = match (&self.env, &self.file) {
            (Some(name), None) => std::env::var(name).map_err(|_| {
                format!(
                    "the environment variable {name} is not set: set it, or use {{ file = \"…\" }}"
                )
            })?,
            (None, Some(path)) => std::fs::read_to_string(path)
                .map_err(|e| format!("cannot read the secret file {}: {e}", path.display()))?,
            _ => {
                return Err(
                    "a secret is either { env = \"NAME\" } or { file = \"/path\" }".to_owned(),
                );
            }
        };
        let trimmed = text.trim_end_matches(['\r', '\n']);
        if trimmed.is_empty() {
            return Err("the secret is empty".to_owned());
        }
        Ok(SecretString::from(trimmed.to_owned()))
    }
}
