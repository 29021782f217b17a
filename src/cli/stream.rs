//! `hikiate stream`.

use super::args::StreamCommand;
use super::failure::Failure;
use super::session::Session;

/// Shows streams.
pub(crate) async fn run(session: &Session, command: StreamCommand) -> Result<(), Failure> {
    let StreamCommand::List = command;
    let (out, rows) = (session.out, session.store.list_streams().await?);
    let columns = [
        "ACCOUNT",
        "STREAM",
        "LAST PAGE",
        "NEXT",
        "FAILURES",
        "OWNER",
        "PROBLEM",
    ];
    out.list(
        &rows,
        &columns,
        "no streams: the daemon registers them when it starts",
        |row| {
            let trouble = row
                .paused
                .iter()
                .chain(&row.error)
                .chain(&row.waiting)
                .cloned()
                .collect::<Vec<_>>();
            vec![
                row.account.clone(),
                row.stream.clone(),
                out.maybe(row.page_at),
                out.time(row.due_at),
                row.fails.to_string(),
                row.owner.clone().unwrap_or_default(),
                trouble.join("; "),
            ]
        },
    )
}
