//! `hikiate rule`: what acts on orders by itself, and letting it go on after it has paused itself.

use serde_json::json;

use super::args::RuleCommand;
use super::failure::Failure;
use super::session::Session;

/// Shows rules or resumes one.
pub(crate) async fn run(session: &Session, command: RuleCommand) -> Result<(), Failure> {
    match command {
        RuleCommand::List => list(session).await,
        RuleCommand::Resume {
            rule,
            account,
            allow,
        } => resume(session, &rule, &account, allow).await,
    }
}

async fn list(session: &Session) -> Result<(), Failure> {
    let (out, rows) = (session.out, session.store.list_rules().await?);
    let columns = [
        "RULE",
        "ACCOUNT",
        "ACTS ON WHAT CAME AFTER",
        "PAUSED",
        "WAITING",
        "WHY",
    ];
    out.list(&rows, &columns, "no rule was ever active", |row| {
        let time = |at: Option<_>| at.map(|at| out.time(at)).unwrap_or_default();
        vec![
            row.rule.clone(),
            row.account.clone(),
            time(row.active_from),
            time(row.paused_at),
            row.waiting.to_string(),
            row.reason.clone().unwrap_or_default(),
        ]
    })
}

async fn resume(session: &Session, rule: &str, account: &str, allow: i32) -> Result<(), Failure> {
    let woken = session
        .store
        .resume_rule(rule, account, allow, &session.actor)
        .await?;
    let told = json!({ "rule": rule, "account": account, "allowed": allow, "orders": woken });
    session.out.one(&told, || {
        format!("rule {rule} acts on {account} again; {woken} orders are planned again now\n")
    })
}
