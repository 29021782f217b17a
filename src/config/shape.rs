//! Holds a table against its JSON schema and says everything that does not fit, in words.

use serde_json::{Map, Value};

use super::report::Problems;
use crate::suggest;

/// A schema with its definitions.
pub(super) struct Shape {
    root: Value,
    /// What does not fit is taken out, or a stand-in takes its place.
    stands_in: bool,
}

/// What does not fit.
#[derive(Default)]
struct Found {
    /// Where, and the words.
    said: Vec<(Vec<String>, String)>,
    /// Keys whose values are not what was written, or meant.
    unread: Vec<Vec<String>>,
}

impl Shape {
    /// The shape of a type. Afterwards the value is one of the type, whatever was written, so that the rest of it can be checked.
    pub(super) fn of<T: schemars::JsonSchema>() -> Self {
        Self {
            root: schemars::schema_for!(T).to_value(),
            stands_in: true,
        }
    }

    /// The shape a connector's schema describes. What does not fit stays as it is: connectors read key by key.
    pub(super) fn new(schema: schemars::Schema) -> Self {
        Self {
            root: schema.to_value(),
            stands_in: false,
        }
    }

    /// Notes everything that does not fit and takes unknown keys out; text from the environment becomes the type
    /// wanted. The paths of the keys whose values are not what was written, or meant.
    pub(super) fn check(
        &self,
        value: &mut Value,
        path: &[&str],
        problems: &mut Problems<'_>,
    ) -> Vec<Vec<String>> {
        let mut found = Found::default();
        let here = Here {
            path: path.iter().map(|p| (*p).to_owned()).collect(),
        };
        self.walk(value, &self.root, &here, problems, &mut found);
        for (path, message) in found.said {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            problems.at(&path, message);
        }
        found.unread
    }

    /// Whether the value can be read as a whole; the keys of a table are read one by one.
    fn walk(
        &self,
        value: &mut Value,
        schema: &Value,
        here: &Here,
        places: &Problems<'_>,
        found: &mut Found,
    ) -> bool {
        let schema = self.resolved(schema);
        if let Some(choices) = choices(schema) {
            return self.choose(value, choices, here, places, found);
        }
        if let Some(words) = constants(schema) {
            let known = value.as_str().is_some_and(|word| words.contains(&word));
            if !known {
                let hint = value
                    .as_str()
                    .and_then(|w| suggest::nearest(w, words.iter().copied()));
                let hint =
                    hint.map_or_else(String::new, |near| format!("; did you mean {near:?}?"));
                found.said.push(here.says(format!(
                    "{} is not one of {}{hint}",
                    short(value),
                    quoted(&words)
                )));
            }
            return known;
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
            found.said.push(here.says(format!(
                "expected {}, found {}{how}",
                name_of(wanted),
                kind(value)
            )));
            return false;
        }
        let mut reads = true;
        if let Value::Number(number) = value {
            let low = schema.get("minimum").and_then(Value::as_i64);
            let high = match schema.get("format").and_then(Value::as_str) {
                Some("uint32") => Some(i64::from(u32::MAX)),
                _ => schema.get("maximum").and_then(Value::as_i64),
            };
            let within =
                |n: i64| low.is_none_or(|low| n >= low) && high.is_none_or(|high| n <= high);
            if number.as_i64().is_none_or(|n| !within(n)) && wanted == Some("integer") {
                found
                    .said
                    .push(here.says(format!("{number} is out of range")));
                reads = false;
            }
        }
        if let Value::Array(elements) = value
            && let Some(items) = schema.get("items")
        {
            for (n, element) in elements.iter_mut().enumerate() {
                reads &= self.walk(element, items, &here.below(&format!("#{n}")), places, found);
            }
        }
        if let Value::Object(table) = value {
            self.table(table, schema, here, places, found);
        }
        reads
    }

    fn table(
        &self,
        table: &mut Map<String, Value>,
        schema: &Value,
        here: &Here,
        places: &Problems<'_>,
        found: &mut Found,
    ) {
        let known = schema.get("properties").and_then(Value::as_object);
        let others = schema.get("additionalProperties");
        let names: Vec<&str> = known
            .map(|known| known.keys().map(String::as_str).collect())
            .unwrap_or_default();
        let (mut unread, mut meant) = (Vec::new(), Vec::new());
        for (key, value) in table.iter_mut() {
            let below = here.below(key);
            match (known.and_then(|known| known.get(key)), others) {
                (Some(schema), _) | (None, Some(schema @ Value::Object(_))) => {
                    if !self.walk(value, schema, &below, places, found) {
                        unread.push(key.clone());
                    }
                }
                (None, Some(Value::Bool(false))) => {
                    let hint = suggest::hint(key, &names);
                    found.said.push(below.says(format!("no such key{hint}")));
                    found.unread.push(below.path);
                    meant.extend(suggest::nearest(key, names.iter().copied()));
                }
                (None, _) => {}
            }
        }
        // Keys that are there under a wrong name are not missing.
        meant.retain(|key| !table.contains_key(*key));
        let required = required(schema);
        for key in required.iter().filter(|key| !table.contains_key(**key)) {
            if !meant.contains(key) {
                let what = known
                    .and_then(|known| known.get(*key))
                    .map(|of| self.describe(of))
                    .unwrap_or_default();
                let missing = here.below(key).says(format!("missing{what}"));
                found.said.push(missing);
            }
            unread.push((*key).to_owned());
        }
        found
            .unread
            .extend(meant.iter().map(|key| here.below(key).path));
        if others == Some(&Value::Bool(false)) {
            table.retain(|key, _| names.contains(&key.as_str()));
        }
        for key in unread {
            found.unread.push(here.below(&key).path);
            let of = known.and_then(|known| known.get(&key));
            let needed = of.is_none() || required.contains(&key.as_str());
            match of.or(others).filter(|_| needed) {
                _ if !self.stands_in => {}
                Some(of) => {
                    table.insert(key, self.stand_in(of));
                }
                None => {
                    table.remove(&key);
                }
            }
        }
    }

    /// Several shapes are possible: the one with the fewest problems counts.
    fn choose(
        &self,
        value: &mut Value,
        choices: &[Value],
        here: &Here,
        places: &Problems<'_>,
        found: &mut Found,
    ) -> bool {
        let words: Option<Vec<&str>> = choices
            .iter()
            .map(|choice| constants(self.resolved(choice)))
            .collect::<Option<Vec<_>>>()
            .map(|w| w.concat());
        if let Some(words) = words {
            let all = serde_json::json!({ "enum": words });
            return self.walk(value, &all, here, places, found);
        }
        let best = choices
            .iter()
            .filter(|choice| wanted(self.resolved(choice)) != Some("null") || value.is_null())
            .map(|choice| {
                let (mut tried, mut wrong) = (value.clone(), Found::default());
                let reads = self.walk(&mut tried, choice, here, places, &mut wrong);
                (wrong, tried, reads)
            })
            .min_by_key(|(wrong, ..)| wrong.said.len());
        let Some((wrong, tried, reads)) = best else {
            return true;
        };
        found.said.extend(wrong.said);
        found.unread.extend(wrong.unread);
        *value = tried;
        reads
    }

    /// A value of this shape that says nothing.
    fn stand_in(&self, schema: &Value) -> Value {
        let schema = self.resolved(schema);
        if let Some(first) = choices(schema).and_then(<[Value]>::first) {
            return self.stand_in(first);
        }
        if let Some(word) = constants(schema).and_then(|words| words.first().copied()) {
            return Value::from(word);
        }
        match wanted(schema) {
            Some("string") => Value::from(""),
            Some("boolean") => Value::from(false),
            Some("integer" | "number") => Value::from(0),
            Some("array") => Value::Array(Vec::new()),
            Some("object") => {
                let of = |key: &str| schema.get("properties")?.get(key);
                let keys = required(schema).into_iter();
                let keys = keys.filter_map(|key| Some((key.to_owned(), self.stand_in(of(key)?))));
                Value::Object(keys.collect())
            }
            _ => Value::Null,
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

/// The shapes that a schema leaves open.
fn choices(schema: &Value) -> Option<&[Value]> {
    let mut keys = ["anyOf", "oneOf"].into_iter();
    keys.find_map(|key| Some(schema.get(key)?.as_array()?.as_slice()))
}

/// The keys that a table must have.
fn required(schema: &Value) -> Vec<&str> {
    let keys = schema.get("required").and_then(Value::as_array);
    keys.into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
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
