//! Hold rules: CEL expressions, checked before anything runs.

mod context;

pub use context::{RuleContext, RuleGroup, RuleLine, RuleMoney, RuleOrder, RulePayment};
