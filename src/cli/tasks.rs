//! `hikiate tasks`: the list a person works through.

use super::failure::Failure;
use super::session::Session;

/// Shows what waits for a person.
pub(crate) async fn run(session: &Session) -> Result<(), Failure> {
    let (out, tasks) = (session.out, session.store.list_tasks().await?);
    let columns = ["SINCE", "DUE", "KIND", "SUBJECT", "WHAT TO DO"];
    out.list(&tasks, &columns, "nothing waits for a person", |task| {
        vec![
            out.time(task.since),
            out.maybe(task.due_at),
            task.kind.clone(),
            task.subject.clone(),
            task.detail.clone(),
        ]
    })
}
