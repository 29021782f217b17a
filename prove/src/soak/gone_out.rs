//! How much has gone out to external systems so far, by their own memory.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::stage::Stage;

/// What must go out in a window whose commits are to be lost, or nothing is shown.
const ENOUGH: usize = 20;
/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Everything that was ever sent, counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GoneOut {
    captures: usize,
    fulfilments: usize,
    instructions: usize,
    cancels: usize,
    mails: usize,
    journals: usize,
}

impl GoneOut {
    /// As it is now.
    pub(super) fn now(stage: &Stage) -> Self {
        let orders: Vec<_> = stage
            .world
            .shops
            .iter()
            .flat_map(|shop| shop.orders())
            .collect();
        let files = |folder: &str, cancel: bool| {
            let names = std::fs::read_dir(stage.root.join(folder));
            let names = names.into_iter().flatten().filter_map(|file| {
                let name = file.ok()?.file_name().into_string().ok()?;
                // A file on its way into its name has not gone out.
                (!name.ends_with(".part") && !name.starts_with('.')).then_some(name)
            });
            names
                .filter(|name| name.contains("-cancel-") == cancel)
                .count()
        };
        let told = |cancel| {
            ["tokyo", "osaka"]
                .iter()
                .flat_map(|account| {
                    ["outgoing", "picked-up"].map(|part| format!("{account}/{part}"))
                })
                .map(|folder| files(&folder, cancel))
                .sum()
        };
        Self {
            // Nor does what staff capture.
            captures: orders
                .iter()
                .map(|order| order.captures - order.captures_by_staff)
                .sum(),
            fulfilments: orders
                .iter()
                .flat_map(|order| &order.fulfilments)
                // What staff ship by hand does not go out from here.
                .filter(|f| f.reference.is_some())
                .map(|f| 1 + usize::from(f.shipped))
                .sum(),
            instructions: told(false),
            cancels: told(true),
            mails: stage.world.mail.mails().len(),
            journals: files("books/outgoing", false),
        }
    }

    /// Waits until enough has gone out since, if it does.
    pub(super) async fn grows(&self, stage: &Stage) {
        let patience = Instant::now() + PATIENCE;
        while Self::now(stage).since(self) < ENOUGH && Instant::now() < patience {
            sleep(Duration::from_millis(200)).await;
        }
    }

    fn sum(&self) -> usize {
        self.captures
            + self.fulfilments
            + self.instructions
            + self.cancels
            + self.mails
            + self.journals
    }

    /// How much more than before.
    pub(super) fn since(&self, before: &Self) -> usize {
        self.sum().saturating_sub(before.sum())
    }
}
