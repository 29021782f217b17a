//! Keys and words of before docs/glossary.md. They still work, and `check` says what they are called today.

use serde_json::Value;

use super::report::ConfigProblem;
use super::spans::Sources;

/// Where (`*`: any name; a list: each element), the old name, the new one.
const KEYS: &[(&[&str], &str, &str)] = &[
    (&["channels", "*"], "notify", "shipping_notice"),
    (&["channels", "*"], "reread", "refresh"),
    (&["engine"], "rule_burst", "automation_burst"),
];

/// Words of a key, the same way.
const WORDS: &[(&[&str], &str, &str, &str)] = &[(&["hold", "*"], "release", "person", "manual")];

/// Puts what is written under an old name under the new one, and says so for each place. Where both are written the old one
/// stays, to be refused.
pub(super) fn rename(merged: &mut Value, sources: &Sources) -> Vec<ConfigProblem> {
    let mut notes = Vec::new();
    let mut note = |path: &[String], message: String| {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        notes.push(sources.problem(&path, message));
    };
    for (place, old, new) in KEYS {
        each(merged, place, &mut Vec::new(), &mut |table, path| {
            let below = |key: &str| [path, &[key.to_owned()]].concat();
            if table.get(*old).is_some() && !sources.is_written(&below(new)) {
                let value = table.remove(*old).unwrap_or_default();
                table.insert((*new).to_owned(), value);
                note(
                    &below(old),
                    format!("is now called {new}; the old name still works"),
                );
            }
        });
    }
    for (place, key, old, new) in WORDS {
        each(merged, place, &mut Vec::new(), &mut |table, path| {
            if table.get(*key).is_some_and(|value| value == old) {
                table.insert((*key).to_owned(), Value::from(*new));
                let message = format!("{old:?} is now called {new:?}; the old word still works");
                note(&[path, &[(*key).to_owned()]].concat(), message);
            }
        });
    }
    notes
}

type Table = serde_json::Map<String, Value>;

/// Visits every table at a place.
fn each(
    value: &mut Value,
    place: &[&str],
    path: &mut Vec<String>,
    visit: &mut impl FnMut(&mut Table, &[String]),
) {
    let Some((first, rest)) = place.split_first() else {
        if let Value::Object(table) = value {
            visit(table, path);
        }
        return;
    };
    let mut step = |name: String, below: &mut Value| {
        path.push(name);
        each(below, rest, path, visit);
        path.pop();
    };
    match value {
        Value::Object(table) => {
            for (name, below) in table.iter_mut() {
                if *first == "*" || first == name {
                    step(name.clone(), below);
                }
            }
        }
        Value::Array(list) if *first == "*" => {
            for (n, below) in list.iter_mut().enumerate() {
                step(format!("#{n}"), below);
            }
        }
        _ => {}
    }
}
