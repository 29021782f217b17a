//! Loading: every layer, every check, all or nothing.

use std::path::{Path, PathBuf};

use hikiate_sdk::budget::Clock;
use hikiate_sdk::{ConnectorKind, Currency};
use serde_json::{Map, Value};

use super::accounts::{AccountBuilt, Building};
use super::layers::{self, DEFAULTS, Surroundings};
use super::model::{File, HoldTable, Mapping};
use super::report::{ConfigProblem, Problems};
use super::resolve::Resolving;
use super::routes::Routes;
use super::settings::Settings;
use super::shape::Shape;
use super::{document, renamed, secrets, summary};
use crate::policy::{HoldRule, Policy};
use crate::rules::RuleSet;

/// A configuration without problems.
#[derive(Debug)]
pub struct Loaded {
    /// What this process needs.
    pub settings: Settings,
    /// What is done with orders.
    pub policy: Policy,
    /// SHA-256 of `policy_document` in canonical form.
    pub policy_hash: [u8; 32],
    /// Policy and account tables, without secrets.
    pub policy_document: Value,
    /// All accounts, by name. With `allow_missing_secrets`, without those that cannot be built from a placeholder.
    pub accounts: Vec<AccountBuilt>,
    /// The hold rules, compiled.
    pub rules: RuleSet,
    /// What this configuration will do, for an operator.
    pub summary: String,
    /// The mapping file of codes, where codes are listed.
    pub mapping_file: Option<PathBuf>,
    /// With `allow_bad_mapping`, what is wrong with that file; the daemon does not start with it.
    pub mapping_problems: Vec<ConfigProblem>,
    /// Keys that are written under a name of before, which still works.
    pub renamed: Vec<ConfigProblem>,
    /// Secret files that others can read.
    pub exposed: Vec<ConfigProblem>,
}

/// What names in a file are relative to.
pub(super) fn base_dir(path: Option<&Path>) -> &Path {
    path.and_then(Path::parent)
        .filter(|dir| !dir.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// Loads the file (only defaults and environment without one) with the connectors there are.
///
/// # Errors
/// Every problem found, in the order of the file. Nothing is half loaded.
pub fn load(
    path: Option<&Path>,
    surroundings: &Surroundings,
    connectors: &[&dyn ConnectorKind],
) -> Result<Loaded, Vec<ConfigProblem>> {
    let (mut merged, sources) = layers::merge(path, surroundings)?;
    let renamed = renamed::rename(&mut merged, &sources);
    let mut problems = Problems::new(&sources);
    let base_dir = base_dir(path);

    let bad = Shape::of::<File>().check(&mut merged, &[], &mut problems);
    problems.settle(&bad);
    let written = names(&merged);
    let holds = take_holds(&mut merged, &bad);
    heal(&mut merged, &bad);
    let file: File = match serde_json::from_value(merged.clone()) {
        Ok(file) => file,
        Err(e) => {
            if problems.is_empty() {
                problems.at(&[], e.to_string());
            }
            return Err(problems.into_sorted());
        }
    };
    for (section, what) in [("channels", "channel"), ("warehouses", "warehouse")] {
        if written.get(section).is_empty() {
            problems.at(
                &[section],
                format!("no {what}: add at least one table [{section}.NAME]"),
            );
        }
    }

    let tables = merged
        .get("accounts")
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    let building = Building {
        connectors,
        base_dir,
        timezone: &file.shop.timezone,
        allow_missing_secrets: surroundings.allow_missing_secrets,
        clock: Clock::default(),
    };
    let accounts = building.all(&tables, &mut problems);
    let routes = Routes::new(written.get("accounts"), &accounts);
    let resolving = Resolving {
        routes: &routes,
        base_dir,
        warehouse_names: written.get("warehouses"),
    };
    let mut mapping = Problems::new(&sources);
    let policy = resolving.policy(&file, &holds, &mut problems, &mut mapping);
    let mapping_problems = if surroundings.allow_bad_mapping {
        mapping.into_sorted()
    } else {
        problems.append(mapping);
        Vec::new()
    };
    let listed = file.catalogue.mapping == Mapping::Listed;
    let mapping_file = file.catalogue.file.as_ref().filter(|_| listed);
    let mapping_file = mapping_file.map(|name| base_dir.join(name));
    let settings = Settings::resolve(&file, surroundings, base_dir, &mut problems);
    let rules = compile(&file, &holds, &mut problems);

    match (policy, settings, rules) {
        (Some(policy), Some(settings), Some(rules)) if problems.is_empty() => {
            let document = document::document(&policy, settings.retention, &tables);
            let Some(policy_document) = problems.value(&[], document) else {
                return Err(problems.into_sorted());
            };
            let summary = summary::summary(&policy, &settings, &accounts);
            Ok(Loaded {
                policy_hash: document::hash(&policy_document),
                settings,
                policy,
                policy_document,
                accounts,
                rules,
                summary,
                mapping_file,
                mapping_problems,
                renamed,
                exposed: secrets::exposed(&merged, base_dir, &sources),
            })
        }
        _ => Err(problems.into_sorted()),
    }
}

fn compile(
    file: &File,
    holds: &[(usize, HoldTable)],
    problems: &mut Problems<'_>,
) -> Option<RuleSet> {
    let rules: Vec<HoldRule> = holds.iter().map(|(_, hold)| hold.rule()).collect();
    RuleSet::compile(&rules, &currencies(file))
        .map_err(|found| {
            for problem in found {
                let index = holds.get(problem.index).map_or(problem.index, |(n, _)| *n);
                problems.at(
                    &["hold", &format!("#{index}"), problem.key],
                    problem.message,
                );
            }
        })
        .ok()
}

/// What the channels sell in; a channel that does not say sells in the shop's. One that cannot be read is no currency here.
fn currencies(file: &File) -> Vec<Currency> {
    let written = file
        .channels
        .values()
        .map(|channel| channel.currency.as_ref().unwrap_or(&file.shop.currency));
    let read = written.filter_map(|text| text.parse().ok());
    let mut currencies: Vec<Currency> = read.filter(Currency::is_listed).collect();
    currencies.sort();
    currencies.dedup();
    currencies
}

/// Names as written, also of tables with problems, so that one mistake is not reported as several.
struct Names(Map<String, Value>);

impl Names {
    fn get(&self, section: &str) -> Vec<&str> {
        self.0
            .get(section)
            .and_then(Value::as_object)
            .map(|table| table.keys().map(String::as_str).collect())
            .unwrap_or_default()
    }
}

fn names(merged: &Value) -> Names {
    Names(merged.as_object().cloned().unwrap_or_default())
}

/// The rules that can be read, with their place in the file.
fn take_holds(merged: &mut Value, bad: &[Vec<String>]) -> Vec<(usize, HoldTable)> {
    let taken = merged
        .as_object_mut()
        .and_then(|table| table.remove("hold"));
    let Some(Value::Array(elements)) = taken else {
        return Vec::new();
    };
    let broken = |n: usize| {
        bad.iter()
            .any(|path| path.len() > 1 && path[0] == "hold" && path[1] == format!("#{n}"))
    };
    let readable = elements
        .into_iter()
        .enumerate()
        .filter(|(n, _)| !broken(*n));
    readable
        .filter_map(|(n, hold)| Some((n, serde_json::from_value(hold).ok()?)))
        .collect()
}

/// Puts the default, or nothing, where something does not fit, so that the rest can be checked too.
fn heal(merged: &mut Value, bad: &[Vec<String>]) {
    let defaults: Value = toml::from_str(DEFAULTS).unwrap_or_default();
    for path in bad {
        let Some(section) = path.first() else {
            continue;
        };
        let Some(table) = merged.as_object_mut() else {
            return;
        };
        match (defaults.get(section), path.get(1)) {
            (Some(Value::Object(_)), Some(key)) => {
                let default = defaults.get(section).and_then(|s| s.get(key)).cloned();
                if let Some(inner) = table.get_mut(section).and_then(Value::as_object_mut) {
                    match default {
                        Some(default) => inner.insert(key.clone(), default),
                        None => inner.remove(key),
                    };
                }
            }
            (Some(default), None) => {
                table.insert(section.clone(), default.clone());
            }
            (None, Some(entry)) if section != "booking" => {
                table
                    .get_mut(section)
                    .and_then(Value::as_object_mut)
                    .map(|inner| inner.remove(entry));
            }
            _ => {
                table.remove(section);
            }
        }
    }
}
