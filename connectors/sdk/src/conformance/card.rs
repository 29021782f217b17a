//! What a connector can do and was seen to do.

use std::fmt;

use crate::hooks::HookSpec;
use crate::{First, OperationSpec, RetryPolicy, StreamSpec};

/// The result of one run of the suite.
#[derive(Clone, Debug)]
pub struct Card {
    /// The connector.
    pub name: String,
    /// Its streams; empty when it offers no source.
    pub streams: Vec<StreamSpec>,
    /// Its operations; empty when it offers none.
    pub operations: Vec<OperationSpec>,
    /// Its webhooks; empty when it has none.
    pub hooks: Vec<HookSpec>,
    /// Every check with its verdict, in the order they ran.
    pub checks: Vec<(String, Verdict)>,
}

/// How a check ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Seen to hold.
    Passed,
    /// Not run; the connector says why it does not apply.
    Waived(String),
    /// Does not hold.
    Failed(String),
}

impl Card {
    /// The checks that failed, as lines.
    #[must_use]
    pub fn failures(&self) -> Vec<String> {
        self.checks
            .iter()
            .filter_map(|(name, verdict)| match verdict {
                Verdict::Failed(why) => Some(format!("{name}: {why}")),
                Verdict::Passed | Verdict::Waived(_) => None,
            })
            .collect()
    }

    /// The verdict of a check.
    #[must_use]
    pub fn verdict(&self, check: &str) -> Option<&Verdict> {
        self.checks
            .iter()
            .find(|(name, _)| name == check)
            .map(|(_, verdict)| verdict)
    }

    /// How many passed, were waived and failed.
    #[must_use]
    pub fn counts(&self) -> (usize, usize, usize) {
        let count = |f: fn(&Verdict) -> bool| self.checks.iter().filter(|(_, v)| f(v)).count();
        (
            count(|v| matches!(v, Verdict::Passed)),
            count(|v| matches!(v, Verdict::Waived(_))),
            count(|v| matches!(v, Verdict::Failed(_))),
        )
    }
}

impl fmt::Display for Card {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (passed, waived, failed) = self.counts();
        writeln!(
            f,
            "{}: {passed} passed, {waived} waived, {failed} failed",
            self.name
        )?;
        for stream in &self.streams {
            writeln!(
                f,
                "  stream    {}: {:?} every {:?}",
                stream.name, stream.kind, stream.interval
            )?;
        }
        for spec in &self.operations {
            let retry = match spec.retry {
                RetryPolicy::IdempotencyKey { ttl: None, .. } => {
                    "the external system honours hikiate's key".to_owned()
                }
                RetryPolicy::IdempotencyKey { ttl: Some(t), .. } => {
                    format!("the external system honours hikiate's key for {t:?}")
                }
                RetryPolicy::LookUp { settle, first } => {
                    let first = match first {
                        First::Ask => "looked up first, and again",
                        First::Send => "looked up",
                    };
                    format!("{first} {settle:?} after a lost reply")
                }
                RetryPolicy::Manual => "an operator checks after a lost reply".to_owned(),
                RetryPolicy::Repeat => "the same again after a lost reply".to_owned(),
            };
            let end = if spec.completes_on_accept {
                "accepted is final"
            } else {
                "the result comes later"
            };
            writeln!(
                f,
                "  operation {}: {}; {retry}, {end}",
                spec.op, spec.summary
            )?;
        }
        for hook in &self.hooks {
            writeln!(
                f,
                "  hook      {}: {}; at most {} bytes",
                hook.name, hook.register, hook.body_limit
            )?;
        }
        for (name, verdict) in &self.checks {
            match verdict {
                Verdict::Passed => writeln!(f, "  passed    {name}")?,
                Verdict::Waived(why) => writeln!(f, "  waived    {name}: {why}")?,
                Verdict::Failed(why) => writeln!(f, "  FAILED    {name}: {why}")?,
            }
        }
        Ok(())
    }
}
