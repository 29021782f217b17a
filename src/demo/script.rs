//! What happens when: customers order and change their minds, an operator releases and books deposits, and
//! the demo ends once everything that can end has ended.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::child::Program;
use super::evidence::End;
use super::orders::{Part, Wish};
use super::report::Progress;
use super::run::Stage;
use super::scenes::{Placed, place, rows};
use super::world::World;
use crate::store::Store;
use crate::store::read::OrderRow;

/// How often the director looks.
const LOOK: Duration = Duration::from_millis(400);
/// Looks that must find nothing under way: between two effects of an order its queue is empty for a moment.
const QUIET: usize = 4;
/// Orders placed at each look, until all are.
const AT_ONCE: usize = 12;

type Rows = BTreeMap<(String, String), OrderRow>;

/// Leads the demo from the first order to the last.
pub(super) struct Director<'a> {
    /// The external systems.
    pub(super) world: &'a World,
    /// The database, read only.
    pub(super) store: &'a Store,
    /// For the commands that an operator types.
    pub(super) program: &'a Program,
    /// Orders still to place.
    pub(super) later: Vec<Wish>,
    /// Orders placed.
    pub(super) placed: Vec<Placed>,
    /// Orders whose part has been played.
    pub(super) played: BTreeSet<String>,
}

impl<'a> Director<'a> {
    /// Places what must be there from the start.
    pub(super) fn new(
        world: &'a World,
        store: &'a Store,
        program: &'a Program,
        wishes: Vec<Wish>,
    ) -> Self {
        let (early, later): (Vec<Wish>, Vec<Wish>) =
            wishes.into_iter().partition(|wish| wish.early);
        let placed = early.iter().map(|wish| place(world, wish)).collect();
        Self {
            world,
            store,
            program,
            later,
            placed,
            played: BTreeSet::new(),
        }
    }

    /// Goes on until everything has ended, or time is up.
    ///
    /// # Errors
    /// The database's; a daemon that ended by itself.
    pub(super) async fn play(
        &mut self,
        deadline: Instant,
        progress: &mut Progress,
        stage: &Stage,
    ) -> anyhow::Result<()> {
        let all = self.placed.len() + self.later.len();
        let mut quiet = 0;
        loop {
            stage.alive().await?;
            let rows = match rows(self.store, all).await {
                Ok(rows) => rows,
                // The daemon is still starting its database.
                Err(error) if Instant::now() >= deadline => return Err(error),
                Err(_) => Rows::new(),
            };
            self.cue(&rows).await;
            let waiting = self.waiting(&rows);
            progress.say(all - waiting.len() - self.later.len(), &stages(&rows));
            let idle = waiting.is_empty()
                && self.later.is_empty()
                && self.store.list_effects(false, 1).await?.is_empty();
            quiet = if idle { quiet + 1 } else { 0 };
            if quiet >= QUIET {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let shown: Vec<&str> = waiting.iter().take(5).map(String::as_str).collect();
                self.world.trouble(format!(
                    "timed out with {} orders not finished, for example {}",
                    waiting.len(),
                    shown.join(", ")
                ));
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Orders that have not ended as they have to, with where they stand.
    fn waiting(&self, rows: &Rows) -> Vec<String> {
        let ended = |placed: &&Placed| {
            let status = row(rows, placed).map(|row| row.status.as_str());
            match placed.wish.end() {
                End::Booked => status == Some("booked"),
                End::Cancelled => status == Some("cancelled"),
                End::Backordered => status == Some("backordered"),
                End::Unreadable => true,
            }
        };
        let standing = |placed: &Placed| {
            let row = row(rows, placed);
            let status = row.map_or("not there", |row| row.status.as_str());
            let gate = row
                .and_then(|row| row.blocked_by.as_deref())
                .unwrap_or("nothing");
            format!("{} ({status}, waits for {gate})", placed.number)
        };
        self.placed
            .iter()
            .filter(|placed| !ended(placed))
            .map(standing)
            .collect()
    }

    /// Lets everybody do what is theirs to do now.
    async fn cue(&mut self, rows: &Rows) {
        if !rows.is_empty() {
            let now = self.later.len().min(AT_ONCE);
            let wishes: Vec<Wish> = self.later.drain(..now).collect();
            self.placed
                .extend(wishes.iter().map(|wish| place(self.world, wish)));
        }
        let due: Vec<Placed> = self
            .placed
            .iter()
            .filter(|placed| !self.played.contains(&placed.number))
            .filter(|placed| row(rows, placed).is_some_and(|row| self.is_time(placed, row)))
            .cloned()
            .collect();
        for placed in due {
            self.played.insert(placed.number.clone());
            if let Err(error) = self.act(&placed).await {
                self.world.trouble(format!("{error:#}"));
            }
        }
    }

    fn is_time(&self, placed: &Placed, row: &OrderRow) -> bool {
        let waits_for = |gate: &str| {
            row.blocked_by
                .as_deref()
                .is_some_and(|by| by.starts_with(gate))
        };
        match placed.wish.part {
            Part::Held => waits_for("hold"),
            Part::Deposit => waits_for("payment"),
            Part::CancelEarly => row.status == "allocated",
            Part::CancelLate => row.status == "instructed",
            Part::Plain | Part::Split | Part::Short | Part::Unreadable => false,
        }
    }

    async fn act(&self, placed: &Placed) -> anyhow::Result<()> {
        let number = placed.number.as_str();
        match placed.wish.part {
            Part::Held => {
                self.program
                    .type_in(&[
                        "order",
                        "release",
                        number,
                        "--reason",
                        "the customer is known",
                    ])
                    .await
            }
            Part::Deposit => {
                let amount = placed.wish.basket.total().to_string();
                let reference = format!("bank-{}", placed.wish.customer);
                self.program
                    .type_in(&["deposit", "add", number, &amount, "--reference", &reference])
                    .await
            }
            Part::CancelEarly | Part::CancelLate => {
                let shop = self
                    .world
                    .shops
                    .iter()
                    .find(|shop| shop.account == placed.account);
                let cancelled = shop.is_some_and(|shop| shop.cancel_order(&placed.id));
                anyhow::ensure!(cancelled, "the shop did not let {number} be cancelled");
                Ok(())
            }
            Part::Plain | Part::Split | Part::Short | Part::Unreadable => Ok(()),
        }
    }
}

fn row<'r>(rows: &'r Rows, placed: &Placed) -> Option<&'r OrderRow> {
    rows.get(&(placed.account.to_owned(), placed.id.clone()))
}

/// Orders by status, in words.
fn stages(rows: &Rows) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for row in rows.values() {
        *counts.entry(&row.status).or_default() += 1;
    }
    let words: Vec<String> = crate::plan::types::Status::ALL
        .iter()
        .filter_map(|status| {
            counts
                .get(status.as_str())
                .map(|n| format!("{} {n}", status.as_str()))
        })
        .collect();
    if words.is_empty() {
        "the daemon is starting".to_owned()
    } else {
        words.join(", ")
    }
}
