//! Hold rules: CEL expressions, checked before anything runs.

mod check;
mod compile;
mod context;
mod evaluate;
mod functions;
mod operators;
mod schema;
mod spell;
#[cfg(test)]
mod tests;
mod types;
mod verdict;

pub use compile::{RuleProblem, RuleSet};
pub use context::{
    ADDED, Added, RuleContext, RuleGroup, RuleLine, RuleMoney, RuleOrder, RulePayment,
};
pub use verdict::{HoldRules, RuleVerdict};
