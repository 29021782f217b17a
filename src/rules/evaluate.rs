//! Running checked rules on an order.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

use cel::objects::{Key, Map};
use cel::{Context, Env, ExecutionError, Value};
use serde::Serialize;

use super::compile::{Compiled, RuleSet};
use super::functions::add_functions;
use super::{HoldRules, RuleContext, RuleVerdict};

/// Orders with more lines are held for an operator instead of being evaluated.
const MAX_LINES: usize = 1000;
/// The same for rules with `exists` inside `exists`: 40,000 steps take a third of a second, unoptimised.
const MAX_LINES_NESTED: usize = 200;

static STANDARD: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

impl HoldRules for RuleSet {
    fn evaluate(&self, context: &RuleContext) -> Vec<RuleVerdict> {
        if self.rules.is_empty() {
            return Vec::new();
        }
        let prepared = catch_unwind(AssertUnwindSafe(|| Prepared::new(context)))
            .unwrap_or_else(|_| Err("the order could not be prepared for the rules".to_owned()));
        self.rules
            .iter()
            .map(|rule| RuleVerdict {
                rule: rule.name.clone(),
                release: rule.release,
                holds: prepared.as_ref().map_err(Clone::clone).and_then(|order| {
                    catch_unwind(AssertUnwindSafe(|| order.holds(rule))).unwrap_or_else(|_| {
                        Err("the rule failed to evaluate; simplify it".to_owned())
                    })
                }),
            })
            .collect()
    }
}

/// An order as values of the expression language.
struct Prepared {
    root: Context<'static, 'static>,
    groups: Vec<Value>,
    lines: usize,
}

impl Prepared {
    fn new(context: &RuleContext) -> Result<Self, String> {
        at_most(context.lines.len(), MAX_LINES)?;
        let mut root = Context::with_env(Arc::clone(&STANDARD));
        add_functions(&mut root, &context.order.currency).map_err(|e| e.to_string())?;
        root.add_variable_from_value("order", value(&context.order)?);
        root.add_variable_from_value("lines", value(&context.lines)?);
        let groups = value(&context.groups)?;
        root.add_variable_from_value("groups", groups.clone());
        let groups = match groups {
            Value::List(groups) => groups.to_vec(),
            _ => Vec::new(),
        };
        Ok(Self {
            root,
            groups,
            lines: context.lines.len(),
        })
    }

    /// A rule that names `group` holds when it is true for one; it is undecided only when none is true.
    fn holds(&self, rule: &Compiled) -> Result<bool, String> {
        if rule.nested > 1 {
            at_most(self.lines, MAX_LINES_NESTED)?;
        }
        if !rule.names_group {
            return run(rule, &self.root);
        }
        let mut undecided = None;
        for group in &self.groups {
            let mut scope = self.root.new_inner_scope();
            scope.add_variable_from_value("group", group.clone());
            match run(rule, &scope) {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(reason) => undecided = undecided.or(Some(reason)),
            }
        }
        undecided.map_or(Ok(false), Err)
    }
}

fn at_most(lines: usize, most: usize) -> Result<(), String> {
    if lines <= most {
        return Ok(());
    }
    Err(format!(
        "the order has {lines} lines and this rule checks at most {most}; check the order manually"
    ))
}

fn run(rule: &Compiled, context: &Context<'_, '_>) -> Result<bool, String> {
    match rule.program.execute(context) {
        Ok(Value::Bool(holds)) => Ok(holds),
        Ok(_) => Err("the rule is neither true nor false".to_owned()),
        Err(error) => Err(reason(&error)),
    }
}

/// Why a rule could not be decided, without any value of the order: remarks may be among them.
fn reason(error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchKey(name) => format!("{name} is not known yet"),
        ExecutionError::FunctionError { message, .. } => message.clone(),
        ExecutionError::IndexOutOfBounds(_) => {
            "there are fewer elements than the rule requires".to_owned()
        }
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
            "the rule divides by zero".to_owned()
        }
        ExecutionError::Overflow(..) => "a number in the rule became too large".to_owned(),
        _ => "the rule could not be evaluated on this order".to_owned(),
    }
}

/// What is not known is absent rather than null, so that a rule that needs it is undecided.
fn value(part: &impl Serialize) -> Result<Value, String> {
    let json = serde_json::to_value(part).map_err(|e| e.to_string())?;
    convert(json)
        .ok_or_else(|| "the order contains a value of a type that rules do not support".to_owned())
}

fn convert(json: serde_json::Value) -> Option<Value> {
    Some(match json {
        serde_json::Value::Null => return None,
        serde_json::Value::Bool(b) => Value::Bool(b),
        serde_json::Value::Number(n) => Value::Int(n.as_i64()?),
        serde_json::Value::String(text) => Value::String(Arc::new(text)),
        serde_json::Value::Array(items) => Value::List(Arc::new(
            items.into_iter().map(convert).collect::<Option<_>>()?,
        )),
        serde_json::Value::Object(fields) => {
            let mut map = HashMap::with_capacity(fields.len());
            for (name, field) in fields.into_iter().filter(|(_, field)| !field.is_null()) {
                map.insert(Key::String(Arc::new(name)), convert(field)?);
            }
            Value::Map(Map { map: Arc::new(map) })
        }
    })
}
