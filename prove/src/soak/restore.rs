//! The database set back: a base backup in the middle of the run, everything goes on, and then the backup
//! takes the database's place.

use std::fs;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use chrono::{DateTime, SecondsFormat, Utc};
use hikiate_sdk::faulty::Prng;
use hikiate_sdk::sim::SimClock;
use tokio::time::sleep;

use super::chaos::{self, Done};
use super::fleet::DAEMONS;
use super::gone_out::GoneOut;
use super::operator;
use super::run::Breakage;
use super::stage::{Stage, Window};

/// How long the daemons may take to notice.
const NOTICE: Duration = Duration::from_secs(60);
/// How long it is watched that nothing goes out.
const WATCH: Duration = Duration::from_secs(5);
/// What must have gone out in the lost window, or nothing is shown.
const LOST: usize = 20;

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
        let until = Instant::now() + self.lose;
        while Instant::now() < until {
            sleep(Duration::from_millis(2500 + chance.below(2500))).await;
            // Nobody goes home meanwhile.
            let mut home = Some((DAEMONS, until));
            chaos::one(stage, chance, done, &mut home).await?;
        }
        let patience = Instant::now() + NOTICE;
        while GoneOut::now(stage).since(&before) < LOST && Instant::now() < patience {
            sleep(Duration::from_millis(200)).await;
        }
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
        recover(stage, since).await
    }
}

/// Sees that nothing goes out, also after a daemon was killed and started again.
async fn still(stage: &Stage, after: &GoneOut, chance: &mut Prng) -> anyhow::Result<()> {
    let noticed = noticed(stage).await;
    ensure!(
        noticed,
        "the data loss was not detected within {} s",
        NOTICE.as_secs()
    );
    stage.notes.say("detected: nothing may be sent now");
    sleep(WATCH).await;
    let n = usize::try_from(chance.below(2)).unwrap_or(0);
    stage.fleet.kill(n).await?;
    stage.fleet.want(n);
    sleep(WATCH).await;
    let now = GoneOut::now(stage);
    if now != *after {
        stage.notes.wrong(format!(
            "{} sends between the data loss and the operator's confirmation: {after:?}, then {now:?}",
            now.since(after)
        ));
    }
    Ok(())
}

/// Waits until push and seal are stopped.
async fn noticed(stage: &Stage) -> bool {
    let patience = Instant::now() + NOTICE;
    while Instant::now() < patience {
        let stopped: Result<bool, sqlx::Error> = sqlx::query_scalar("SELECT hk_stopped()")
            .fetch_one(&stage.pool)
            .await;
        if stopped.is_ok_and(|stopped| stopped) {
            return true;
        }
        sleep(Duration::from_millis(100)).await;
    }
    false
}

/// The operator's word.
async fn recover(stage: &Stage, since: DateTime<Utc>) -> anyhow::Result<()> {
    let text = since.to_rfc3339_opts(SecondsFormat::Secs, true);
    let lost = operator::lost_commands(stage, &text).await?;
    stage
        .notes
        .say(&format!("{} commands are lost and run again", lost.len()));
    *stage.lost.lock().unwrap_or_else(PoisonError::into_inner) = lost;
    operator::retype(stage).await;
    // Some are of orders that are still to be read: those are typed again later.
    let reason = "restored from a base backup";
    let reason = ["--reason", reason, "--yes", "--acts-typed"];
    let words = ["recover", "--lost-since", &text];
    stage
        .fleet
        .program()
        .type_in(&[&words[..], &reason[..]].concat())
        .await
        .context("the operator's confirmation was not accepted")?;
    let until = SimClock::real().now();
    *stage.window.lock().unwrap_or_else(PoisonError::into_inner) = Some(Window { since, until });
    stage
        .notes
        .say(&format!("`hikiate recover --lost-since {text}`"));
    Ok(())
}
