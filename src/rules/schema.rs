//! The field table of the rule context, read from its `schemars` schema.

use std::collections::BTreeMap;

use serde_json::Value;

use super::types::Type;
use super::{RuleContext, RuleMoney};

/// Which names an expression may use, and of what type they are.
#[derive(Clone, Debug)]
pub(super) struct Fields {
    objects: BTreeMap<String, BTreeMap<String, Type>>,
}

/// The context itself, as an object whose fields are the variables.
const ROOT: &str = "";

impl Fields {
    /// Reads the schema of [`RuleContext`]; `group` is added as an element of `groups`.
    pub(super) fn of_context() -> Self {
        let schema = schemars::schema_for!(RuleContext).to_value();
        let mut objects = BTreeMap::new();
        objects.insert(ROOT.to_owned(), fields(&schema));
        if let Some(defs) = schema.get("$defs").and_then(Value::as_object) {
            for (name, def) in defs {
                objects.insert(name.clone(), fields(def));
            }
        }
        let mut this = Self { objects };
        if let Some(Type::List(group)) = this.variable("groups").cloned()
            && let Some(root) = this.objects.get_mut(ROOT)
        {
            root.insert("group".to_owned(), *group);
        }
        this
    }

    /// The type of a variable.
    pub(super) fn variable(&self, name: &str) -> Option<&Type> {
        self.field(ROOT, name)
    }

    /// The type of an object's field.
    pub(super) fn field(&self, object: &str, name: &str) -> Option<&Type> {
        self.objects.get(object)?.get(name)
    }

    /// The names of all variables.
    pub(super) fn variables(&self) -> Vec<&str> {
        self.names(ROOT)
    }

    /// The names of an object's fields.
    pub(super) fn names(&self, object: &str) -> Vec<&str> {
        self.objects
            .get(object)
            .map(|o| o.keys().map(String::as_str).collect())
            .unwrap_or_default()
    }
}

fn fields(schema: &Value) -> BTreeMap<String, Type> {
    schema
        .get("properties")
        .and_then(Value::as_object)
        .map(|properties| {
            properties
                .iter()
                .map(|(name, of)| (name.clone(), type_of(of)))
                .collect()
        })
        .unwrap_or_default()
}

fn type_of(schema: &Value) -> Type {
    if let Some(path) = schema.get("$ref").and_then(Value::as_str) {
        let name = path.rsplit('/').next().unwrap_or(path);
        return if name == <RuleMoney as schemars::JsonSchema>::schema_name() {
            Type::Money(None)
        } else {
            Type::Object(name.to_owned())
        };
    }
    if let Some(choices) = schema.get("anyOf").and_then(Value::as_array) {
        let known = choices
            .iter()
            .find(|c| c.get("type").and_then(Value::as_str) != Some("null"));
        return known.map_or(Type::Any, type_of);
    }
    let word = match schema.get("type") {
        Some(Value::String(word)) => Some(word.as_str()),
        Some(Value::Array(words)) => words
            .iter()
            .filter_map(Value::as_str)
            .find(|w| *w != "null"),
        _ => None,
    };
    match word {
        Some("boolean") => Type::Bool,
        Some("integer") => Type::Int,
        Some("string") => Type::Text,
        Some("array") => Type::List(Box::new(schema.get("items").map_or(Type::Any, type_of))),
        _ => Type::Any,
    }
}
