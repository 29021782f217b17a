//! Phrases of the summary.

use std::fmt::Write as _;
use std::time::Duration;

use hikiate_sdk::{OperationSpec, RetryPolicy, Then};

/// Adds an indented line.
pub(super) fn line(text: &mut String, indent: usize, words: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{}{words}", "  ".repeat(indent));
}

/// What happens after a lost reply.
pub(super) fn unknown(spec: &OperationSpec) -> String {
    match spec.retry {
        RetryPolicy::LookUp { .. } => "is looked up by reference".to_owned(),
        RetryPolicy::Manual => "waits for an operator".to_owned(),
        RetryPolicy::Repeat => "is repeated later".to_owned(),
        RetryPolicy::IdempotencyKey {
            ttl,
            after_expiry: then,
        } => {
            let until = ttl.map(|l| format!(" for {}", span(l))).unwrap_or_default();
            let then = match (ttl, then) {
                (None, _) => "",
                (_, Then::LookUp) => ", then looked up by reference",
                (_, Then::Manual) => ", then waits for an operator",
            };
            format!("is resent under the same key{until}{then}")
        }
    }
}

/// See [`span`].
pub(super) fn chrono_span(length: chrono::Duration) -> String {
    span(length.to_std().unwrap_or_default())
}

/// `90 s`, `15 min`, `2 h`, `3 days`.
pub(super) fn span(length: Duration) -> String {
    let ms = length.as_millis();
    match ms {
        0 => "0 s".to_owned(),
        _ if ms.is_multiple_of(86_400_000) && ms >= 2 * 86_400_000 => {
            format!("{} days", ms / 86_400_000)
        }
        _ if ms.is_multiple_of(3_600_000) => format!("{} h", ms / 3_600_000),
        _ if ms.is_multiple_of(60_000) => format!("{} min", ms / 60_000),
        _ if ms.is_multiple_of(1_000) => format!("{} s", ms / 1_000),
        _ => format!("{ms} ms"),
    }
}
