//! The database set back: a base backup in the middle of the run, everything goes on, and then the backup
//! takes the database's place.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use hikiate_sdk::faulty::Prng;
use hikiate_sdk::sim::SimClock;

use super::chaos::Done;
use super::fleet::DAEMONS;
use super::gone_out::GoneOut;
use super::recover::{recover, still, trouble};
use super::run::Breakage;
use super::stage::{Stage, Window};

/// When, and how much is to be lost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Restore {
    /// The backup is taken then.
    pub(super) at: Instant,
    /// So long afterwards it is put in place.
    pub(super) lose: Duration,
    /// What is broken on purpose.
    pub(super) broken: Option<Breakage>,
}

impl Restore {
    /// From the backup to the operator's word that all may go on.
    ///
    /// # Errors
    /// When there is no backup, it does not start, or the operator's word is not taken.
    pub(super) async fn play(
        self,
        stage: &Stage,
        chance: &mut Prng,
        done: &mut Done,
    ) -> anyhow::Result<()> {
        let since = SimClock::real().now();
        stage.server.back_up().await?;
        let before = GoneOut::now(stage);
        stage.notes.say("a base backup was taken");
        trouble(stage, chance, done, self.lose).await?;
        before.grows(stage).await;
        if self.broken == Some(Breakage::NoWitness) {
            for n in 0..DAEMONS {
                stage.fleet.kill(n).await?;
            }
        }
        stage.server.put_back().await?;
        done.restores += 1;
        let after = GoneOut::now(stage);
        let lost = after.since(&before);
        stage.notes.say(&format!(
            "the database lost recent commits; it does not know {lost} sends"
        ));
        if lost == 0 {
            stage
                .notes
                .wrong("nothing was sent in the data-loss window: this proves nothing".to_owned());
        }
        if self.broken == Some(Breakage::NoWitness) {
            for n in 0..DAEMONS {
                let witness = stage.root.join(format!("state-{}/witness", n + 1));
                fs::remove_file(&witness).with_context(|| witness.display().to_string())?;
                stage.fleet.want(n);
            }
            return Ok(());
        }
        still(stage, &after, chance).await?;
        let since = match self.broken {
            Some(Breakage::WrongTime) => SimClock::real().now(),
            _ => since,
        };
        recover(stage, since, "restored from a base backup").await?;
        stage.lost_window(Window {
            since,
            until: SimClock::real().now(),
        });
        Ok(())
    }
}
