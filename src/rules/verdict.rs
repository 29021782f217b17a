//! What a set of hold rules says about an order.

use super::RuleContext;
use crate::policy::Release;

/// What one rule says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleVerdict {
    /// The rule's name.
    pub rule: String,
    /// How the rule lets go.
    pub release: Release,
    /// True when the rule holds the order; `Err` says why it could not be decided, and then it holds.
    pub holds: Result<bool, String>,
}

/// A compiled set of hold rules.
pub trait HoldRules {
    /// One verdict per rule, in the order the rules are written. Never panics.
    fn evaluate(&self, context: &RuleContext) -> Vec<RuleVerdict>;
}
