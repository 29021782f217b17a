//! Loading: every layer, every check, all or nothing.

use std::path::{Path, PathBuf};

use hikiate_sdk::budget::Clock;
use hikiate_sdk::{ConnectorKind, Currency};
use serde_json::Value;

use super::accounts::{AccountBuilt, Building};
use super::layers::{self, Surroundings};
use super::model::{ChannelTable, File, HoldTable, Mapping};
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

    let unread = Shape::of::<File>().check(&mut merged, &[], &mut problems);
    problems.settle(&unread);
    let file: File = match serde_json::from_value(merged.clone()) {
        Ok(file) => file,
        Err(e) => {
            if problems.is_empty() {
                problems.at(&[], e.to_string());
            }
            return Err(problems.into_sorted());
        }
    };
    for (section, what, none) in [
        ("channels", "channel", file.channels.is_empty()),
        ("warehouses", "warehouse", file.warehouses.is_empty()),
    ] {
        if none {
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
    let timezone = file.shop.timezone.parse::<chrono_tz::Tz>();
    let building = Building {
        connectors,
        base_dir,
        // One that cannot be read is a mistake of the shop and not of each account.
        timezone: timezone.map_or("UTC", |zone| zone.name()),
        allow_missing_secrets: surroundings.allow_missing_secrets,
        clock: Clock::default(),
    };
    let accounts = building.all(&tables, &mut problems);
    let names = file.accounts.keys().map(String::as_str);
    let routes = Routes::new(names.collect(), &accounts);
    let resolving = Resolving {
        routes: &routes,
        base_dir,
        warehouse_names: file.warehouses.keys().map(String::as_str).collect(),
    };
    let mut mapping = Problems::new(&sources);
    let policy = resolving.policy(&file, &mut problems, &mut mapping);
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
    let rules = compile(&file, &mut problems);

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

fn compile(file: &File, problems: &mut Problems<'_>) -> Option<RuleSet> {
    let rules: Vec<HoldRule> = file.hold.iter().map(HoldTable::rule).collect();
    RuleSet::compile(&rules, &currencies(file, problems))
        .map_err(|found| {
            for problem in found {
                problems.at(
                    &["hold", &format!("#{}", problem.index), problem.key],
                    problem.message,
                );
            }
        })
        .ok()
}

/// What the channels sell in; a channel that does not say sells in the shop's. None where one cannot be read, which may be any.
fn currencies(file: &File, problems: &Problems<'_>) -> Vec<Currency> {
    let one = |(name, channel): (&String, &ChannelTable)| {
        let text = channel.currency.as_ref().unwrap_or(&file.shop.currency);
        let read = text.parse::<Currency>().ok().filter(Currency::is_listed);
        read.filter(|_| !problems.is_unread(&["channels", name, "currency"]))
    };
    let read: Option<Vec<Currency>> = file.channels.iter().map(one).collect();
    let mut currencies = read.unwrap_or_default();
    currencies.sort();
    currencies.dedup();
    currencies
}
