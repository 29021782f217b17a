//! What follows when the database lost commits, or may have: the daemons notice, nothing goes out, and an operator says that
//! all may go on.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use chrono::{DateTime, SecondsFormat, Utc};
use hikiate_sdk::faulty::Prng;
use tokio::time::sleep;

use super::chaos::{self, Done};
use super::fleet::DAEMONS;
use super::gone_out::GoneOut;
use super::operator;
use super::stage::Stage;

/// How long the daemons may take to notice.
const NOTICE: Duration = Duration::from_secs(60);
/// How long it is watched that nothing goes out.
const WATCH: Duration = Duration::from_secs(5);
/// How long a recovery may take.
const RECOVERY: Duration = Duration::from_secs(120);

/// Kills, restarts and loads for so long; nobody goes home meanwhile.
///
/// # Errors
/// When the database does not come back.
pub(super) async fn trouble(
    stage: &Stage,
    chance: &mut Prng,
    done: &mut Done,
    length: Duration,
) -> anyhow::Result<()> {
    let until = Instant::now() + length;
    while Instant::now() < until {
        sleep(Duration::from_millis(2500 + chance.below(2500))).await;
        let mut home = Some((DAEMONS, until));
        chaos::one(stage, chance, done, &mut home).await?;
    }
    Ok(())
}

/// Sees that nothing goes out, also after a daemon was killed and started again.
///
/// # Errors
/// When the daemons do not notice.
pub(super) async fn still(stage: &Stage, after: &GoneOut, chance: &mut Prng) -> anyhow::Result<()> {
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

/// The operator's word since when commits are lost. Lost commands are typed again.
///
/// # Errors
/// When it is not accepted.
pub(super) async fn recover(
    stage: &Stage,
    since: DateTime<Utc>,
    reason: &str,
) -> anyhow::Result<()> {
    let text = since.to_rfc3339_opts(SecondsFormat::Secs, true);
    let lost = operator::lost_commands(stage, &text).await?;
    stage
        .notes
        .say(&format!("{} commands are lost and run again", lost.len()));
    stage
        .lost
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .extend(lost);
    operator::retype(stage).await;
    // Some are of orders that are still to be read: those are typed again later.
    let reason = ["--reason", reason, "--yes", "--acts-typed"];
    let words = ["recover", "--lost-since", &text];
    stage
        .fleet
        .program()
        .type_in(&[&words[..], &reason[..]].concat())
        .await
        .context("the operator's confirmation was not accepted")?;
    stage
        .notes
        .say(&format!("`hikiate recover --lost-since {text}`"));
    Ok(())
}

/// The operator's word that the switch lost nothing.
///
/// # Errors
/// When it is not accepted.
pub(super) async fn nothing_lost(stage: &Stage) -> anyhow::Result<()> {
    let words = ["recover", "--nothing-lost", "--yes"];
    let reason = ["--reason", "a synchronous standby was promoted"];
    stage
        .fleet
        .program()
        .type_in(&[&words[..], &reason[..]].concat())
        .await
        .context("the operator's word that nothing is lost was not accepted")?;
    stage.notes.say("`hikiate recover --nothing-lost`");
    Ok(())
}

/// Waits until no recovery is under way; false when it does not end in time.
pub(super) async fn recovered(stage: &Stage) -> bool {
    let patience = Instant::now() + RECOVERY;
    while Instant::now() < patience {
        let phase: Result<String, sqlx::Error> = sqlx::query_scalar("SELECT phase FROM recovery")
            .fetch_one(&stage.pool)
            .await;
        if phase.is_ok_and(|phase| phase == "none") {
            return true;
        }
        sleep(Duration::from_millis(200)).await;
    }
    false
}
