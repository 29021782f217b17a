//! Values against the schemas of a document.

use std::collections::BTreeSet;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{Draft, ValidationError, Validator};
use serde_json::{Map, Value, json};

/// Whose body it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// The connector's: whole.
    Request,
    /// The simulator's: it holds the fields that were asked for.
    Answer,
}

/// Bodies of one request or answer.
pub(super) struct Bodies(Result<Validator, String>);

impl Bodies {
    /// The schema with all it refers to. One that cannot be compiled is a finding of every body.
    pub(super) fn compile(document: &Value, schema: &Value, side: Side) -> Self {
        let mut root = json!({ "allOf": [schema], "components": document["components"] });
        plain(&mut root, side);
        let compiled = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .should_validate_formats(true)
            .build(&root);
        Self(compiled.map_err(|e| e.masked().to_string()))
    }

    pub(super) fn judge(&self, at: &str, value: &Value, found: &mut BTreeSet<String>) {
        match &self.0 {
            Ok(validator) => {
                for error in validator.iter_errors(value) {
                    say(at, &error, found);
                }
            }
            Err(why) => {
                found.insert(format!("{at}: its schema is wrong: {why}"));
            }
        }
    }
}

/// What the documents at hand say otherwise than JSON Schema: OpenAPI 3.0 has limits that are flags, and answers hold only the
/// fields that were asked for.
fn plain(schema: &mut Value, side: Side) {
    match schema {
        Value::Object(keys) => {
            if side == Side::Answer && keys.get("required").is_some_and(Value::is_array) {
                keys.remove("required");
            }
            for (flag, limit) in [
                ("exclusiveMinimum", "minimum"),
                ("exclusiveMaximum", "maximum"),
            ] {
                if let Some(Value::Bool(on)) = keys.get(flag) {
                    let moved = if *on { keys.remove(limit) } else { None };
                    keys.remove(flag);
                    keys.extend(moved.map(|limit| (flag.to_owned(), limit)));
                }
            }
            for (name, below) in keys.iter_mut() {
                // Values, not schemas.
                if !["enum", "const", "example", "examples", "default"].contains(&name.as_str()) {
                    plain(below, side);
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|below| plain(below, side)),
        _ => {}
    }
}

/// Takes out fields that are null.
pub(super) fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            let kept = std::mem::take(fields)
                .into_iter()
                .filter(|(_, v)| !v.is_null());
            *fields = kept.collect::<Map<_, _>>();
            fields.values_mut().for_each(drop_nulls);
        }
        Value::Array(list) => list.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// Of choices that all fail, what is wrong with the one that fails least.
fn say(at: &str, error: &ValidationError<'_>, found: &mut BTreeSet<String>) {
    let path = error.instance_path().to_string();
    let mut place = at.to_owned();
    for step in path.split('/').skip(1) {
        if step.parse::<u32>().is_ok() {
            place.push_str("[]");
        } else {
            place.push('.');
            place.push_str(step);
        }
    }
    let words = match error.kind() {
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
            let least = context.iter().min_by_key(|errors| errors.len());
            for error in least.into_iter().flatten() {
                say(at, error, found);
            }
            return;
        }
        // A document that has two names for one thing.
        ValidationErrorKind::OneOfMultipleValid { .. } => return,
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            format!("{place}.{name} is required and absent")
        }
        ValidationErrorKind::Enum { .. } => format!("{place} is not one of its values"),
        _ => format!("{place}: {}", error.masked_with("it")),
    };
    found.insert(words);
}
