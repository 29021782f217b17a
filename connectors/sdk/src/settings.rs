//! Reads an account's TOML table key by key, so that one wrong key hides no other, and collects every problem at once.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::duration::Span;
use crate::hooks::{HOOK_SECRET, HOOK_SECRET_PREVIOUS};
use crate::{Problem, Secret, SecretRef};

/// A table and what was found wrong with it so far.
#[derive(Debug)]
pub struct Checks<'a> {
    table: &'a Value,
    problems: Vec<Problem>,
}

impl<'a> Checks<'a> {
    /// Of an account's table.
    #[must_use]
    pub fn new(table: &'a Value) -> Self {
        Self {
            table,
            problems: Vec::new(),
        }
    }

    /// Decodes the table into a type whose fields are all optional and which denies unknown fields. A key that cannot be
    /// decoded is a problem and counts as absent. Of the keys named in `secrets` nothing that was written is repeated:
    /// whoever writes the secret itself there must not read it back in a log.
    pub fn decode<K: DeserializeOwned + Default>(&mut self, secrets: &[&str]) -> K {
        let Some(table) = self.table.as_object() else {
            self.problem("", "not a table");
            return K::default();
        };
        let mut good = Map::new();
        for (key, value) in table {
            let single = Value::Object(Map::from_iter([(key.clone(), value.clone())]));
            match serde_json::from_value::<K>(single) {
                Ok(_) => {
                    good.insert(key.clone(), value.clone());
                }
                Err(_) if secrets.contains(&key.as_str()) => self.problem(
                    key,
                    "not a reference: write { env = \"NAME\" } or { file = \"/path\" }",
                ),
                Err(error) => self.problem(key, error.to_string()),
            }
        }
        serde_json::from_value(Value::Object(good)).unwrap_or_default()
    }

    /// Whether the table has the key, readable or not.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.table.get(key).is_some()
    }

    /// Notes a problem.
    pub fn problem(&mut self, key: &str, message: impl Into<String>) {
        self.problems.push(Problem::new(key, message));
    }

    /// The value of a key that has to be there; `what` says what to write. A value that could not be decoded has its own
    /// problem already.
    pub fn required<T>(&mut self, key: &str, value: Option<T>, what: &str) -> Option<T> {
        if value.is_none() && !self.has(key) && self.table.is_object() {
            self.problem(key, format!("missing: {what}"));
        }
        value
    }

    /// A length of time from `least` on.
    pub fn at_least(
        &mut self,
        key: &str,
        span: Option<Span>,
        default: Duration,
        least: Duration,
    ) -> Duration {
        let value = span.map_or(default, |span| span.0);
        if value < least {
            let least = least.as_millis();
            self.problem(key, format!("too short: write at least \"{least}ms\""));
        }
        value
    }

    /// A number, or a length of time, within bounds.
    pub fn within<T: PartialOrd + Display>(
        &mut self,
        key: &str,
        value: T,
        bounds: RangeInclusive<T>,
    ) -> T {
        if !bounds.contains(&value) {
            let (least, most) = (bounds.start(), bounds.end());
            self.problem(key, format!("out of range: write {least} to {most}"));
        }
        value
    }

    /// Calls a second, where none is a limit: 0 would stop the account.
    pub fn rate(&mut self, key: &str, value: Option<u32>) -> Option<u32> {
        if value == Some(0) {
            self.problem(
                key,
                "zero would stop all calls: remove the key for no limit",
            );
        }
        value
    }

    /// A time, `2026-11-01` (UTC) or `2026-11-01T00:00:00+09:00`.
    pub fn instant(&mut self, key: &str, text: Option<&str>) -> Option<DateTime<Utc>> {
        let text = text?;
        let day = || {
            let day = text.parse::<NaiveDate>().ok();
            day.map(|day| day.and_time(NaiveTime::MIN).and_utc())
        };
        let read = DateTime::parse_from_rfc3339(text)
            .ok()
            .map(|at| at.to_utc())
            .or_else(day);
        if read.is_none() {
            self.problem(
                key,
                "not a date: write \"2026-11-01\" or \"2026-11-01T00:00:00+09:00\"",
            );
        }
        read
    }

    /// The secret of hooks and the one before it, which holds too while the external system is given the new one; opened by
    /// [`HookSecrets::read`](crate::hooks::HookSecrets::read).
    pub fn hook_secrets(
        &mut self,
        secret: Option<SecretRef>,
        previous: Option<SecretRef>,
    ) -> Option<(SecretRef, Option<SecretRef>)> {
        if !self.has(HOOK_SECRET) && previous.is_some() {
            self.problem(
                HOOK_SECRET_PREVIOUS,
                format!("{HOOK_SECRET} is not set: set it to the new secret, or remove this one"),
            );
        }
        secret.map(|secret| (secret, previous))
    }

    /// Reads a secret from its place.
    pub fn open(&mut self, key: &str, place: &SecretRef) -> Option<Secret> {
        match place.open() {
            Ok(secret) => Some(secret),
            Err(why) => {
                self.problem(key, why);
                None
            }
        }
    }

    /// The value, if nothing was wrong.
    ///
    /// # Errors
    /// Every problem found.
    pub fn finish<T>(self, value: Option<T>) -> Result<T, Vec<Problem>> {
        match value {
            Some(value) if self.problems.is_empty() => Ok(value),
            _ => Err(self.problems),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Default, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Keys {
        url: Option<String>,
        token: Option<SecretRef>,
        wait: Option<Span>,
        pages: Option<u32>,
        since: Option<String>,
    }

    fn read(table: &Value) -> Result<(String, Duration), Vec<Problem>> {
        let mut checks = Checks::new(table);
        let keys: Keys = checks.decode(&["token"]);
        let url = checks.required("url", keys.url, "the address");
        let second = Duration::from_secs(1);
        let wait = checks.at_least("wait", keys.wait, second, second);
        checks.within("pages", keys.pages.unwrap_or(1), 1..=100);
        checks.rate("pages", keys.pages);
        checks.instant("since", keys.since.as_deref());
        checks.hook_secrets(None, keys.token);
        checks.finish(url.map(|url| (url, wait)))
    }

    #[test]
    fn a_good_table_is_read_with_its_defaults() {
        let second = Duration::from_secs(1);
        assert_eq!(read(&json!({ "url": "x" })), Ok(("x".to_owned(), second)));
    }

    #[test]
    fn every_wrong_key_is_a_problem_of_its_own_and_no_secret_is_repeated() {
        let problems = read(&json!({
            "token": "hunter2", "wait": "1ms", "pages": 0, "since": "yesterday", "colour": "red", "url": 7,
        }))
        .unwrap_err();
        let mut keys: Vec<&str> = problems.iter().map(|p| p.key.as_str()).collect();
        keys.sort_unstable();
        let want = ["colour", "pages", "pages", "since", "token", "url", "wait"];
        assert_eq!(keys, want, "{problems:?}");
        assert!(!format!("{problems:?}").contains("hunter2"), "{problems:?}");
    }

    #[test]
    fn a_missing_key_is_told_once_and_what_is_no_table_is_said() {
        let missing = read(&json!({ "token": { "env": "OLD" } })).unwrap_err();
        let keys: Vec<&str> = missing.iter().map(|p| p.key.as_str()).collect();
        assert_eq!(keys, ["url", "hook_secret_previous"], "{missing:?}");
        let unread = json!({ "hook_secret": "hunter2" });
        let mut checks = Checks::new(&unread);
        checks.hook_secrets(None, Some(SecretRef::default()));
        assert_eq!(checks.finish(Some(())), Ok(()), "it is there");
        let no_table = read(&json!(5)).unwrap_err();
        assert_eq!(no_table.len(), 1, "{no_table:?}");
        assert_eq!(no_table[0].message, "not a table");
    }
}
