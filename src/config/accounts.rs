//! From account tables to connectors' accounts.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use hikiate_sdk::budget::Clock;
use hikiate_sdk::{
    AccountConfig, AccountSlug, Connector, ConnectorKind, Kind, Link, PLACEHOLDER, SecretRef,
};
use serde_json::{Map, Value};
use tempfile::NamedTempFile;

use super::report::Problems;
use super::secrets::is_place;
use super::shape::Shape;
use super::units;
use crate::suggest;

/// An account, ready to be pulled from and pushed to.
#[derive(Clone)]
pub struct AccountBuilt {
    /// Its name.
    pub slug: AccountSlug,
    /// The kind of external system.
    pub connector: &'static str,
    /// The account.
    pub instance: Arc<dyn Connector>,
    /// What it was lent.
    pub link: Link,
}

impl AccountBuilt {
    /// Whether it reports stock of the codes alone that it is asked for.
    pub(super) fn reports_stock_by_code(&self) -> bool {
        let streams = self.instance.source().map(|source| source.streams());
        let mut streams = streams.unwrap_or_default().into_iter();
        streams.any(|spec| spec.kind == Kind::Stock && spec.by_code.is_some())
    }
}

impl std::fmt::Debug for AccountBuilt {
    /// Never shows what is inside: it holds secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccountBuilt")
            .field("slug", &self.slug)
            .field("connector", &self.connector)
            .finish_non_exhaustive()
    }
}

/// What every account is built with.
pub(super) struct Building<'a> {
    pub(super) connectors: &'a [&'a dyn ConnectorKind],
    pub(super) base_dir: &'a Path,
    pub(super) timezone: &'a str,
    pub(super) allow_missing_secrets: bool,
    pub(super) clock: Clock,
}

impl Building<'_> {
    /// Builds all accounts; what cannot be built is noted.
    pub(super) fn all(
        &self,
        tables: &Map<String, Value>,
        problems: &mut Problems<'_>,
    ) -> Vec<AccountBuilt> {
        let built: Vec<AccountBuilt> = tables
            .iter()
            .filter_map(|(name, table)| self.one(name, table, problems))
            .collect();
        let mut takers: BTreeMap<String, &AccountSlug> = BTreeMap::new();
        for account in &built {
            for what in account.instance.takes() {
                if let Some(other) = takers.get(&what).filter(|other| ***other != account.slug) {
                    problems.at(
                        &["accounts", account.slug.as_str()],
                        format!("reads {what}, and so does accounts.{other}: each would get only some of them; give each account its own folder or file names"),
                    );
                    break;
                }
                takers.insert(what, &account.slug);
            }
        }
        let mut leavers: BTreeMap<String, &AccountSlug> = BTreeMap::new();
        for account in &built {
            for place in account.instance.leaves() {
                if let Some(other) = leavers.get(&place) {
                    problems.at(
                        &["accounts", account.slug.as_str()],
                        format!("writes its files into {place}, and so does accounts.{other}: whoever reads them there would get those of both; give each account its own folder"),
                    );
                }
                leavers.entry(place).or_insert(&account.slug);
            }
        }
        built
    }

    fn one(&self, name: &str, table: &Value, problems: &mut Problems<'_>) -> Option<AccountBuilt> {
        let path = ["accounts", name];
        problems.value(&path, units::slug(name));
        let mut settings = table.as_object()?.clone();
        let word = settings.remove("connector")?;
        let word = word.as_str()?;
        let Some(kind) = self.connectors.iter().find(|kind| kind.name() == word) else {
            let known: Vec<&str> = self.connectors.iter().map(|kind| kind.name()).collect();
            problems.at(
                &["accounts", name, "connector"],
                format!("unknown connector {word:?}{}", suggest::hint(word, &known)),
            );
            return None;
        };
        let mut settings = Value::Object(settings);
        let mut unread = Shape::new(kind.schema()).check(&mut settings, &path, problems);
        plain_passwords(
            &settings,
            &mut path.map(str::to_owned).to_vec(),
            problems,
            &mut unread,
        );
        problems.settle(&unread);
        anchor_secrets(&mut settings, self.base_dir);
        let placeholders = if self.allow_missing_secrets {
            Placeholders::put(&mut settings, self.base_dir)
        } else {
            Placeholders::default()
        };
        let slug = AccountSlug::from(name);
        let link = Link::new(self.clock.clone());
        let config = AccountConfig {
            slug: &slug,
            settings: &settings,
            base_dir: self.base_dir,
            timezone: self.timezone,
            link: &link,
        };
        match kind.build(&config) {
            Ok(instance) if unread.is_empty() => {
                link.meter().declare(instance.budgets());
                Some(AccountBuilt {
                    slug,
                    connector: kind.name(),
                    instance,
                    link,
                })
            }
            Ok(_) => None,
            Err(wrong) => {
                for problem in wrong
                    .iter()
                    .filter(|problem| !placeholders.concern(&problem.key))
                {
                    let keys = problem.key.split('.').filter(|key| !key.is_empty());
                    let at: Vec<&str> = path.into_iter().chain(keys).collect();
                    // Of a key that does not fit the schema enough was said.
                    if !problems.is_unread(&at) {
                        problems.at(&at, problem.message.clone());
                    }
                }
                None
            }
        }
    }
}

/// A secret's relative path starts at the configuration's folder, like every other.
fn anchor_secrets(value: &mut Value, base_dir: &Path) {
    let Some(table) = value.as_object_mut() else {
        return;
    };
    if is_place(table)
        && let Some(Value::String(file)) = table.get_mut("file")
    {
        *file = base_dir.join(&*file).display().to_string();
    }
    for below in table.values_mut() {
        anchor_secrets(below, base_dir);
    }
}

/// Secrets that are missing, replaced by files that hold a placeholder for as long as this lives.
#[derive(Default)]
struct Placeholders {
    keys: Vec<String>,
    _files: Vec<NamedTempFile>,
}

impl Placeholders {
    fn put(settings: &mut Value, base_dir: &Path) -> Self {
        let mut this = Self::default();
        this.walk(settings, "", base_dir);
        this
    }

    fn walk(&mut self, value: &mut Value, key: &str, base_dir: &Path) {
        // A list would pass for a struct too.
        if value.is_object()
            && let Ok(mut secret) = serde_json::from_value::<SecretRef>(value.clone())
            && secret.env.is_some() != secret.file.is_some()
        {
            secret.file = secret.file.map(|file| base_dir.join(file));
            if secret.read().is_ok() {
                return;
            }
            let made = NamedTempFile::new()
                .and_then(|mut file| file.write_all(PLACEHOLDER.as_bytes()).map(|()| file));
            if let Ok(file) = made {
                *value = serde_json::json!({ "file": file.path() });
                self.keys.push(key.to_owned());
                self._files.push(file);
            }
            return;
        }
        if let Some(table) = value.as_object_mut() {
            for (name, below) in table {
                let key = if key.is_empty() {
                    name.clone()
                } else {
                    format!("{key}.{name}")
                };
                self.walk(below, &key, base_dir);
            }
        }
    }

    /// A problem with a placeholder says nothing about the configuration.
    fn concern(&self, key: &str) -> bool {
        self.keys.iter().any(|ours| {
            key == ours
                || key
                    .strip_prefix(ours.as_str())
                    .is_some_and(|rest| rest.starts_with('.'))
        })
    }
}

/// A password inside an address would be shown by every log and list.
fn plain_passwords(
    value: &Value,
    path: &mut Vec<String>,
    problems: &mut Problems<'_>,
    found: &mut Vec<Vec<String>>,
) {
    match value {
        Value::String(text) if url::Url::parse(text).is_ok_and(|url| url.password().is_some()) => {
            let parts: Vec<&str> = path.iter().map(String::as_str).collect();
            let told = "the URL contains a password; put it in an environment variable or a file \
                        and refer to it with { env = \"…\" }";
            problems.at(&parts, told);
            found.push(path.clone());
        }
        Value::Object(table) => {
            for (key, below) in table {
                path.push(key.clone());
                plain_passwords(below, path, problems, found);
                path.pop();
            }
        }
        _ => {}
    }
}
