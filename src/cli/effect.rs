//! `hikiate effect`: the queue, and what an operator found out about an unknown outcome.

use serde_json::json;

use super::args::{EffectCommand, Resolution};
use super::failure::Failure;
use super::session::Session;
use crate::operations::of;
use crate::store::Resolved;

/// Shows or resolves effects.
pub(crate) async fn run(session: &Session, command: EffectCommand) -> Result<(), Failure> {
    match command {
        EffectCommand::List { unresolved, limit } => list(session, unresolved, limit).await,
        EffectCommand::Resolve {
            id,
            outcome,
            reason,
        } => resolve(session, id, outcome, &reason).await,
    }
}

async fn list(session: &Session, unresolved: bool, limit: i64) -> Result<(), Failure> {
    let (out, rows) = (
        session.out,
        session.store.list_effects(unresolved, limit).await?,
    );
    let columns = [
        "ID",
        "STATE",
        "SUBJECT",
        "ACCOUNT",
        "OPERATION",
        "SENT",
        "DUE",
        "WHAT",
        "ERROR",
    ];
    let empty = if unresolved {
        "no unknown outcomes"
    } else {
        "nothing is queued"
    };
    out.list(&rows, &columns, empty, |row| {
        let state = if row.outcome_unknown && row.state != "unresolved" {
            format!("{} (may have happened)", row.state)
        } else {
            row.state.clone()
        };
        vec![
            row.id.to_string(),
            state,
            row.subject.clone(),
            row.account.clone(),
            row.op.clone(),
            row.sends.to_string(),
            out.time(row.due_at),
            row.label.clone().unwrap_or_default(),
            row.paused
                .iter()
                .chain(&row.error)
                .cloned()
                .collect::<Vec<_>>()
                .join("; "),
        ]
    })
}

async fn resolve(
    session: &Session,
    id: i64,
    outcome: Resolution,
    reason: &str,
) -> Result<(), Failure> {
    let today = session.today().await?;
    let done = outcome == Resolution::Done;
    let write = || {
        session
            .store
            .resolve_effect(id, done, reason, &session.actor, today)
    };
    let resolved = session.store.retried("resolve_effect", write).await?;
    let next = next(&resolved, done);
    let told = json!({
        "effect": id, "subject": resolved.subject, "account": resolved.account,
        "operation": resolved.op, "outcome": if done { "done" } else { "not_done" },
        "corrected": resolved.corrected, "next": next,
    });
    session.out.one(&told, || {
        let corrected = if resolved.corrected {
            "corrected: "
        } else {
            ""
        };
        format!(
            "effect {id} ({} on {}): {corrected}{next}\n",
            resolved.op, resolved.account
        )
    })
}

fn next(resolved: &Resolved, done: bool) -> String {
    let (account, subject) = (&resolved.account, &resolved.subject);
    match (done, of(resolved.op).batch) {
        (true, true) => format!(
            "recorded as done; batch {subject} counts as sent, its orders are updated, and it is not sent again"
        ),
        (true, false) => {
            format!(
                "recorded as done; {subject} is being replanned, and nothing more is sent to {account} for it"
            )
        }
        (false, true) => format!(
            "recorded as not done; batch {subject} is resent to {account} now, byte for byte the same"
        ),
        (false, false) => format!(
            "recorded as not done; {subject} is being replanned, and what is still required is sent to {account} again"
        ),
    }
}
