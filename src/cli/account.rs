//! `hikiate account`: what is said of an account as a whole.

use serde_json::json;

use super::args::AccountCommand;
use super::failure::Failure;
use super::session::Session;

/// Takes an account's word for the orders it does not show.
pub(crate) async fn run(session: &Session, command: AccountCommand) -> Result<(), Failure> {
    let AccountCommand::Believe { account, reason } = command;
    let today = session.today().await?;
    let believed = session
        .store
        .believe_absences(&account, &reason, &session.actor, today)
        .await?;
    let told = json!({ "account": account, "orders": believed });
    session.out.one(&told, || {
        format!(
            "{believed} orders of {account} count as vanished once two refreshes have not found them: each is held and gets its own task\n"
        )
    })
}
