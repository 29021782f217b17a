//! Reads an account's table key by key, noting every problem and repeating no value.

use std::time::Duration;

use hikiate_sdk::{Problem, Secret, SecretRef};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::KEYS;

pub(super) struct Reader<'a> {
    table: &'a Map<String, Value>,
    pub(super) problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(table: &'a Map<String, Value>) -> Self {
        Self {
            table,
            problems: Vec::new(),
        }
    }

    pub(super) fn problem(&mut self, key: &str, message: &str) {
        self.problems.push(Problem::new(key, message));
    }

    pub(super) fn unknown(&mut self) {
        for key in self
            .table
            .keys()
            .filter(|key| !KEYS.contains(&key.as_str()))
        {
            self.problems.push(Problem::new(
                key.clone(),
                format!("unknown key: valid keys are {}", KEYS.join(", ")),
            ));
        }
    }

    pub(super) fn optional<T: DeserializeOwned>(&mut self, key: &str, expects: &str) -> Option<T> {
        let value = self.table.get(key)?;
        let read = T::deserialize(value).ok();
        if read.is_none() {
            self.problem(key, &format!("must be {expects}"));
        }
        read
    }

    pub(super) fn required<T: DeserializeOwned>(&mut self, key: &str, expects: &str) -> Option<T> {
        if !self.table.contains_key(key) {
            self.problem(key, &format!("is missing: must be {expects}"));
        }
        self.optional(key, expects)
    }

    pub(super) fn login(&mut self) -> Option<(String, Secret)> {
        let user: Option<String> = self.optional("user", "a text");
        let place: Option<SecretRef> = self.optional(
            "password",
            "{ env = \"NAME\" } or { file = \"/path\" }, never the password itself",
        );
        for (key, other) in [("user", "password"), ("password", "user")] {
            if self.table.contains_key(key) && !self.table.contains_key(other) {
                self.problem(
                    other,
                    &format!("is missing: {key} is set, and a login needs both"),
                );
            }
        }
        let secret = match place?.open() {
            Ok(secret) => Some(secret),
            Err(why) => {
                self.problem("password", &why);
                None
            }
        };
        Some((user?, secret?))
    }

    pub(super) fn duration(&mut self, key: &str, otherwise: Duration) -> Duration {
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
