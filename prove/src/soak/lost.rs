//! The person's part after the database was set back: what the far sides have and the program cannot match.

use std::fs;

use anyhow::Context as _;

use super::stage::Stage;

/// Looks into the warehouses for orders that may stand there without the program's knowing.
pub(super) async fn instructions(stage: &Stage) -> anyhow::Result<()> {
    let rows: Vec<(String, String)> = sqlx::query_as(
        "SELECT s.number, k.detail FROM tasks k JOIN subjects s ON s.id = k.subject_id WHERE k.kind = 'lost_instruction' ORDER BY s.id",
    )
    .fetch_all(&stage.pool)
    .await?;
    for (number, detail) in rows {
        let mut there = Vec::new();
        for warehouse in &stage.world.warehouses {
            for (reference, shipment) in warehouse.sim.shipments() {
                if shipment.order_number == number {
                    there.push(format!("{}-3pl/{reference}", warehouse.name));
                }
            }
        }
        let reason = ["--reason", "the warehouse was asked"];
        for place in &there {
            let words = ["recover", "--instructed", place];
            let words = [&words[..], &reason[..]].concat();
            stage.fleet.program().type_in(&words).await?;
        }
        if there.is_empty() {
            let rule = detail
                .split("--rule ")
                .nth(1)
                .and_then(|rest| rest.split_whitespace().next())
                .context("the task names no rule")?;
            let words = ["order", "release", &number, "--rule", rule];
            let words = [&words[..], &reason[..]].concat();
            stage.fleet.program().type_in(&words).await?;
        }
    }
    Ok(())
}

/// Takes the journals of the lost window out of the books, as the task says.
pub(super) async fn journals(stage: &Stage) -> anyhow::Result<()> {
    let store = hikiate::store::Store::connect(&stage.server.url, 1)?;
    let tasks = store.list_tasks().await;
    store.close().await;
    let Some(task) = tasks?.into_iter().find(|task| task.kind == "lost_journal") else {
        return Ok(());
    };
    stage.notes.say(&task.detail);
    let outgoing = stage.root.join("books/outgoing");
    let out = stage.root.join("books/taken-out");
    fs::create_dir_all(&out)?;
    for file in fs::read_dir(&outgoing)? {
        let file = file?;
        let name = file.file_name().to_string_lossy().into_owned();
        if task.detail.contains(&name) {
            fs::rename(file.path(), out.join(&name))?;
        }
    }
    let words = ["recover", "--books-cleared", "--reason"];
    let reason = ["the journals named were taken out"];
    let words = [&words[..], &reason[..]].concat();
    stage.fleet.program().type_in(&words).await
}
