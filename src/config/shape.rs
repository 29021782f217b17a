//! Holds a table against its JSON schema and says everything that does not fit, in words.

use serde_json::{Map, Value};

use super::report::Problems;
use crate::suggest;

/// A schema with its definitions.
pub(super) struct Shape {
    root: Value,
}

impl Shape {
    /// The shape of a type.
    pub(super) fn of<T: schemars::JsonSchema>() -> Self {
        Self::new(schemars::schema_for!(T))
    }

    /// The shape a schema describes.
    pub(super) fn new(schema: schemars::Schema) -> Self {
        Self {
            root: schema.to_value(),
        }
    }

    /// Notes everything that does not fit and takes unknown keys out; text from the environment becomes the type
    /// wanted. The paths of what did not fit.
    pub(super) fn check(
        &self,
        value: &mut Value,
        path: &[&str],
        problems: &mut Problems<'_>,
    ) -> Vec<Vec<String>> {
        let mut found = Vec::new();
        self.walk(
            value,
            &self.root,
            &Here {
                path: path.iter().map(|p| (*p).to_owned()).collect(),
            },
            problems,
            &mut found,
        );
        found
            .into_iter()
            .map(|(path, message)| {
                problems.at(
                    &path.iter().map(String::as_str).collect::<Vec<_>>(),
                    message,
                );
                path
            })
            .collect()
    }

    fn walk(
        &self,
        value: &mut Value,
        schema: &Value,
        here: &Here,
        places: &Problems<'_>,
        found: &mut Vec<(Vec<String>, String)>,
    ) {
        let schema = self.resolved(schema);
        if let Some(choices) = ["anyOf", "oneOf"]
            .iter()
            .find_map(|key| schema.get(*key)?.as_array())
        {
            self.choose(value, choices, here, places, found);
            return;
        }
        if let Some(words) = constants(schema) {
            if !value.as_str().is_some_and(|word| words.contains(&word)) {
                let hint = value
                    .as_str()
                    .and_then(|w| suggest::nearest(w, words.iter().copied()));
                let hint =
                    hint.map_or_else(String::new, |near| format!("; did you mean {near:?}?"));
                found.push(here.says(format!(
                    "{} is not one of {}{hint}",
                    short(value),
                    quoted(&words)
                )));
            }
            return;
        }
        let wanted = wanted(schema);
        if places.sources().is_from_environment(&here.parts()) {
            coerce(value, wanted);
        }
        if !fits(value, wanted) {
            let how = if is_secret(schema) {
                "; write { env = \"NAME\" } or { file = \"/path\" }: the secret itself stands in no configuration"
            } else {
                ""
            };
            found.push(here.says(format!(
                "expected {}, found {}{how}",
                name_of(wanted),
                kind(value)
            )));
            return;
        }
        if let Value::Number(number) = value {
            let low = schema.get("minimum").and_then(Value::as_i64);
            let high = match schema.get("format").and_then(Value::as_str) {
                Some("uint32") => Some(i64::from(u32::MAX)),
                _ => schema.get("maximum").and_then(Value::as_i64),
            };
            let within =
                |n: i64| low.is_none_or(|low| n >= low) && high.is_none_or(|high| n <= high);
            if number.as_i64().is_none_or(|n| !within(n)) && wanted == Some("integer") {
                found.push(here.says(format!("{number} is out of range")));
            }
        }
        if let Value::Array(elements) = value
            && let Some(items) = schema.get("items")
        {
            for (n, element) in elements.iter_mut().enumerate() {
                self.walk(element, items, &here.below(&format!("#{n}")), places, found);
            }
        }
        if let Value::Object(table) = value {
            self.table(table, schema, here, places, found);
        }
    }

    fn table(
        &self,
        table: &mut Map<String, Value>,
        schema: &Value,
        here: &Here,
        places: &Problems<'_>,
        found: &mut Vec<(Vec<String>, String)>,
    ) {
        let known = schema.get("properties").and_then(Value::as_object);
        let names: Vec<&str> = known
            .map(|known| known.keys().map(String::as_str).collect())
            .unwrap_or_default();
        for (key, value) in table.iter_mut() {
            let below = here.below(key);
            match (
                known.and_then(|known| known.get(key)),
                schema.get("additionalProperties"),
            ) {
                (Some(schema), _) => self.walk(value, schema, &below, places, found),
                (None, Some(Value::Bool(false))) => {
                    let hint = suggest::hint(key, &names);
                    found.push(below.says(format!("no such key{hint}")));
                }
                (None, Some(schema @ Value::Object(_))) => {
                    self.walk(value, schema, &below, places, found)
                }
                (None, _) => {}
            }
        }
        for key in schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
        {
            if !table.contains_key(key) {
                let what = known
                    .and_then(|known| known.get(key))
                    .map(|of| self.describe(of))
                    .unwrap_or_default();
                found.push(here.below(key).says(format!("missing{what}")));
            }
        }
        if schema.get("additionalProperties") == Some(&Value::Bool(false)) {
            table.retain(|key, _| names.contains(&key.as_str()));
        }
    }

    /// Several shapes are possible: the one with the fewest problems counts.
    fn choose(
        &self,
        value: &mut Value,
        choices: &[Value],
        here: &Here,
        places: &Problems<'_>,
        found: &mut Vec<(Vec<String>, String)>,
    ) {
        let words: Option<Vec<&str>> = choices
            .iter()
            .map(|choice| constants(self.resolved(choice)))
            .collect::<Option<Vec<_>>>()
            .map(|w| w.concat());
        if let Some(words) = words {
            let all = serde_json::json!({ "enum": words });
            self.walk(value, &all, here, places, found);
            return;
        }
        let best = choices
            .iter()
            .filter(|choice| wanted(self.resolved(choice)) != Some("null") || value.is_null())
            .map(|choice| {
                let (mut tried, mut wrong) = (value.clone(), Vec::new());
                self.walk(&mut tried, choice, here, places, &mut wrong);
                (wrong, tried)
            })
            .min_by_key(|(wrong, _)| wrong.len());
        if let Some((wrong, tried)) = best {
            found.extend(wrong);
            *value = tried;
        }
    }

    fn resolved<'a>(&'a self, schema: &'a Value) -> &'a Value {
        let name = schema
            .get("$ref")
            .and_then(Value::as_str)
            .and_then(|path| path.strip_prefix("#/$defs/"));
        name.and_then(|name| self.root.get("$defs")?.get(name))
            .unwrap_or(schema)
    }

    fn describe(&self, schema: &Value) -> String {
        let text = |schema: &Value| {
            schema
                .get("description")
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        text(schema)
            .or_else(|| text(self.resolved(schema)))
            .map(|text| {
                format!(
                    ": {}",
                    text.lines()
                        .collect::<Vec<_>>()
                        .join(" ")
                        .trim_end_matches('.')
                )
            })
            .unwrap_or_default()
    }
}

/// Where the walk is.
struct Here {
    path: Vec<String>,
}

impl Here {
    fn below(&self, key: &str) -> Self {
        Self {
            path: self.path.iter().cloned().chain([key.to_owned()]).collect(),
        }
    }

    fn parts(&self) -> Vec<&str> {
        self.path.iter().map(String::as_str).collect()
    }

    fn says(&self, message: String) -> (Vec<String>, String) {
        (self.path.clone(), message)
    }
}

fn constants(schema: &Value) -> Option<Vec<&str>> {
    if let Some(word) = schema.get("const") {
        return word.as_str().map(|word| vec![word]);
    }
    schema
        .get("enum")?
        .as_array()?
        .iter()
        .map(Value::as_str)
        .collect()
}

/// The type word of a schema, `null` aside.
fn wanted(schema: &Value) -> Option<&str> {
    match schema.get("type")? {
        Value::String(word) => Some(word),
        Value::Array(words) => words
            .iter()
            .filter_map(Value::as_str)
            .find(|word| *word != "null"),
        _ => None,
    }
}

fn fits(value: &Value, wanted: Option<&str>) -> bool {
    match wanted {
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.as_i64().is_some(),
        Some("number") => value.is_number(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => true,
    }
}

fn coerce(value: &mut Value, wanted: Option<&str>) {
    let Some(text) = value.as_str() else { return };
    let typed = match wanted {
        Some("boolean") => text.parse().ok().map(Value::Bool),
        Some("integer") => text.parse::<i64>().ok().map(Value::from),
        Some("array") => Some(
            text.split(',')
                .map(str::trim)
                .filter(|t| !t.is_empty())
                .map(Value::from)
                .collect(),
        ),
        _ => None,
    };
    if let Some(typed) = typed {
        *value = typed;
    }
}

/// The place of a secret, see [`hikiate_sdk::SecretRef`].
fn is_secret(schema: &Value) -> bool {
    let keys = schema.get("properties");
    let has = |key: &str| keys.is_some_and(|keys| keys.get(key).is_some());
    has("env") && has("file")
}

fn name_of(wanted: Option<&str>) -> &'static str {
    match wanted {
        Some("string") => "text in quotes",
        Some("boolean") => "true or false",
        Some("integer") => "a whole number",
        Some("number") => "a number",
        Some("array") => "a list in […]",
        Some("object") => "a table",
        _ => "another value",
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a table",
    }
}

/// A value in a message; tables and lists are not shown, and long text is cut.
fn short(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{:?}", text.chars().take(40).collect::<String>()),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        other => kind(other).to_owned(),
    }
}

fn quoted(words: &[&str]) -> String {
    words
        .iter()
        .map(|word| format!("{word:?}"))
        .collect::<Vec<_>>()
        .join(", ")
}
