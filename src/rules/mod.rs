//! Hold rules: CEL expressions, checked before anything runs.

mod context;
mod verdict;

pub use context::{RuleContext, RuleGroup, RuleLine, RuleMoney, RuleOrder, RulePayment};
pub use verdict::{HoldRules, RuleVerdict};
