//! `hikiate automation`: what acts on orders by itself, and letting it go on after it has paused itself.

use serde_json::json;

use super::args::AutomationCommand;
use super::failure::Failure;
use super::session::Session;

/// Shows rules or resumes one.
pub(crate) async fn run(session: &Session, command: AutomationCommand) -> Result<(), Failure> {
    match command {
        AutomationCommand::List => list(session).await,
        AutomationCommand::Resume {
            automation,
            account,
            allow,
        } => resume(session, &automation, &account, allow).await,
    }
}

async fn list(session: &Session) -> Result<(), Failure> {
    let (out, rows) = (session.out, session.store.list_automations().await?);
    let columns = [
        "AUTOMATION",
        "ACCOUNT",
        "ACTIVE FROM",
        "PAUSED",
        "WAITING",
        "WHY",
    ];
    out.list(&rows, &columns, "no automation was ever active", |row| {
        let time = |at: Option<_>| at.map(|at| out.time(at)).unwrap_or_default();
        vec![
            row.automation.clone(),
            row.account.clone(),
            time(row.active_from),
            time(row.paused_at),
            row.waiting.to_string(),
            row.reason.clone().unwrap_or_default(),
        ]
    })
}

async fn resume(
    session: &Session,
    automation: &str,
    account: &str,
    allow: i32,
) -> Result<(), Failure> {
    let woken = session
        .store
        .resume_automation(automation, account, allow, &session.actor)
        .await?;
    let told =
        json!({ "automation": automation, "account": account, "allowed": allow, "orders": woken });
    session.out.one(&told, || {
        format!(
            "automation {automation} resumed on {account}; {woken} orders are being replanned\n"
        )
    })
}
