//! The operator's part after the database was set back: what the external systems have and the program cannot match.

use std::fs;

use anyhow::Context as _;

use super::desk::{released_by, tasks_of};
use super::stage::Stage;

/// Looks into the warehouses for orders that may stand there without the program's knowing.
pub(super) async fn instructions(stage: &Stage) -> anyhow::Result<()> {
    for (number, actions) in tasks_of(stage, "unrecorded_shipment").await? {
        let reason = ["--reason", "the warehouse was asked"].map(str::to_owned);
        let mut there = false;
        for warehouse in &stage.world.warehouses {
            for (reference, shipment) in warehouse.sim.shipments() {
                if shipment.order_number != number {
                    continue;
                }
                there = true;
                let place = format!("{}-3pl/{reference}", warehouse.name);
                let lines = shipment.lines.iter();
                let words = ["recover".to_owned(), "--instructed".to_owned(), place]
                    .into_iter()
                    .chain(lines.flat_map(|line| {
                        [
                            "--line".to_owned(),
                            format!("{}={}", line.code, line.quantity),
                        ]
                    }))
                    .chain(reason.clone());
                let words: Vec<String> = words.collect();
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                stage
                    .notes
                    .say(&format!("operator: hikiate {}", words.join(" ")));
                stage.fleet.program().type_in(&words).await?;
            }
        }
        if !there {
            let rule = released_by(&actions).context("the task names no rule")?;
            let words = ["order", "release", &number, "--rule", rule];
            let words = [&words[..], &reason.each_ref().map(String::as_str)].concat();
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
    let Some(task) = tasks?
        .into_iter()
        .find(|task| task.kind == "unrecorded_journal")
    else {
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
