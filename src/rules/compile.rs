//! Hold rules from text to a checked, runnable set.

use std::panic::{AssertUnwindSafe, catch_unwind};

use cel::Program;
use hikiate_sdk::Currency;

use super::check::{Found, check};
use super::schema::Fields;
use crate::names::reserved;
use crate::policy::{HoldRule, Release};

/// The longest expression, in bytes.
const MAX_EXPRESSION: usize = 4096;
/// Brackets inside one another, before the parser sees them.
const MAX_BRACKETS: usize = 40;
/// The parser recurses; it gets a stack of its own, so that no text can exhaust the caller's.
const PARSER_STACK: usize = 64 * 1024 * 1024;

/// One thing wrong with a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleProblem {
    /// Counts from 0 in the order the rules are written.
    pub index: usize,
    /// `name` or `when`.
    pub key: &'static str,
    /// What is wrong and what to do.
    pub message: String,
}

/// Checked rules, ready to run.
#[derive(Debug, Default)]
pub struct RuleSet {
    pub(super) rules: Vec<Compiled>,
}

/// One rule, ready to run.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) name: String,
    pub(super) release: Release,
    pub(super) program: Program,
    pub(super) names_group: bool,
    /// How deep `exists` and the like are inside one another.
    pub(super) nested: usize,
}

impl RuleSet {
    /// Compiles and checks rules. `currencies` are those the channels sell in; without any,
    /// amounts are not held against them.
    ///
    /// # Errors
    /// Every problem of every rule.
    pub fn compile(rules: &[HoldRule], currencies: &[Currency]) -> Result<Self, Vec<RuleProblem>> {
        let fields = Fields::of_context();
        let mut problems = Vec::new();
        let mut compiled = Vec::new();
        for (index, rule) in rules.iter().enumerate() {
            let mut note = |key, message| {
                problems.push(RuleProblem {
                    index,
                    key,
                    message,
                })
            };
            if reserved(&rule.name) {
                note(
                    "name",
                    format!(
                        "{:?} is a name that hikiate uses for its own holds, automations and tasks: a release of one would also release the other; choose another",
                        rule.name
                    ),
                );
            }
            if rules[..index].iter().any(|other| other.name == rule.name) {
                note(
                    "name",
                    format!(
                        "{:?} is also the name of another rule; names must be unique",
                        rule.name
                    ),
                );
            }
            match compile_one(&rule.when, &fields, currencies) {
                Ok((program, found)) => compiled.push(Compiled {
                    name: rule.name.clone(),
                    release: rule.release,
                    program,
                    names_group: found.names_group,
                    nested: found.nested,
                }),
                Err(found) => found.into_iter().for_each(|message| note("when", message)),
            }
        }
        if problems.is_empty() {
            Ok(Self { rules: compiled })
        } else {
            Err(problems)
        }
    }

    /// How many rules there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// True without rules.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }
}

fn compile_one(
    when: &str,
    fields: &Fields,
    currencies: &[Currency],
) -> Result<(Program, Found), Vec<String>> {
    if when.trim().is_empty() {
        return Err(vec![
            "the expression is empty; write a condition, for example order.total >= yen(100000)"
                .to_owned(),
        ]);
    }
    if when.len() > MAX_EXPRESSION {
        return Err(vec![format!(
            "the expression is {} bytes long, at most {MAX_EXPRESSION} are allowed; split it into several rules",
            when.len()
        )]);
    }
    if brackets(when) > MAX_BRACKETS {
        return Err(vec![format!(
            "brackets are nested more than {MAX_BRACKETS} deep; split it into several rules"
        )]);
    }
    std::thread::scope(|scope| {
        let parser = std::thread::Builder::new()
            .stack_size(PARSER_STACK)
            .spawn_scoped(scope, || {
                catch_unwind(AssertUnwindSafe(|| {
                    parse_and_check(when, fields, currencies)
                }))
            });
        let stuck = || vec!["the expression cannot be parsed; simplify it".to_owned()];
        match parser.map(std::thread::ScopedJoinHandle::join) {
            Ok(Ok(Ok(found))) => found,
            Ok(_) => Err(stuck()),
            Err(e) => Err(vec![format!(
                "cannot start a thread to read the expression: {e}; try again"
            )]),
        }
    })
}

fn parse_and_check(
    when: &str,
    fields: &Fields,
    currencies: &[Currency],
) -> Result<(Program, Found), Vec<String>> {
    let program = Program::compile(when).map_err(|errors| {
        errors
            .errors
            .iter()
            .map(|e| {
                format!(
                    "line {}, character {} of the expression: {}",
                    e.pos.0,
                    e.pos.1 + 1,
                    e.msg
                )
            })
            .collect::<Vec<_>>()
    })?;
    let found = check(program.expression(), fields, currencies);
    if found.problems.is_empty() {
        Ok((program, found))
    } else {
        Err(found.problems)
    }
}

/// How deep brackets go; brackets in quotes count too, which only makes the limit stricter.
fn brackets(text: &str) -> usize {
    let (mut depth, mut most) = (0_usize, 0);
    for c in text.chars() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        most = most.max(depth);
    }
    most
}
