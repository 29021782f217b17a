//! `hikiate tasks`: the list an operator works through.

use super::failure::Failure;
use super::out::table;
use super::session::Session;

/// Shows what waits for an operator.
pub(crate) async fn run(session: &Session) -> Result<(), Failure> {
    let (out, mut tasks) = (session.out, session.store.list_tasks().await?);
    // Until it is settled the rest may be an old state.
    tasks.sort_by_key(|task| task.kind != "database_data_loss");
    out.one(&tasks, || {
        if tasks.is_empty() {
            return "no open tasks\n".to_owned();
        }
        let columns = ["SINCE", "DUE", "KIND", "SUBJECT", "WHAT TO DO"];
        let mut rows = Vec::new();
        for task in &tasks {
            rows.push(vec![
                out.time(task.since),
                out.maybe(task.due_at),
                task.kind.clone(),
                task.subject.clone(),
                task.detail.clone(),
            ]);
            // Below it, each on a line of its own, to be copied whole.
            for action in &task.actions {
                let mut row = vec![String::new(); columns.len() - 1];
                row.push(format!("run: {}", action.line));
                rows.push(row);
            }
        }
        table(&columns, &rows)
    })
}
