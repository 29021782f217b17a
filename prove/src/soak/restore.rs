//! The database set back: a base backup in the middle of the run, everything goes on, and then the backup
//! takes the database's place.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use chrono::{DateTime, SecondsFormat, Utc};
use hikiate_sdk::faulty::Prng;
use hikiate_sdk::sim::SimClock;
use tokio::time::sleep;

use super::chaos::{self, Done};
use super::gone_out::GoneOut;
use super::run::Breakage;
use super::stage::Stage;

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
    /// It is time for the backup.
    pub(super) fn is_due(&self) -> bool {
        Instant::now() >= self.at
    }

    /// From the backup to the operator's word that all may go on.
    ///
    /// # Errors
    /// When there is no backup, or it does not start.
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
        let until = Instant::now() + self.lose;
        while Instant::now() < until {
            sleep(Duration::from_millis(2500 + chance.below(2500))).await;
            chaos::one(stage, chance, done, &mut Some((usize::MAX, until))).await?;
        }
        // Something has to be lost, or nothing is shown.
        while GoneOut::now(stage).sum() < before.sum() + 20 && until.elapsed() < self.lose {
            sleep(Duration::from_millis(200)).await;
        }
        let _office = stage.office.write().await;
        stage.server.put_back().await?;
        done.restores += 1;
        let after = GoneOut::now(stage);
        stage.notes.say(&format!(
            "the database was set back; the far sides were told {} things that it does not know",
            after.sum() - before.sum()
        ));
        recover(stage, since, chance, done).await
    }
}

/// Sees that nothing goes out, also after a kill, and gives the operator's word.
async fn recover(
    stage: &Stage,
    since: DateTime<Utc>,
    chance: &mut Prng,
    done: &mut Done,
) -> anyhow::Result<()> {
    let _ = (chance, done);
    let since = since.to_rfc3339_opts(SecondsFormat::Secs, true);
    let words = ["recover", "--lost-since", &since, "--reason", "restored from a base backup", "--yes"];
    stage.fleet.program().type_in(&words).await.context("recover")
}
