//! A failover: a standby takes the place of the database, once one for which each commit waited, and once one that lagged.

use std::time::{Duration, Instant};

use hikiate_sdk::faulty::Prng;
use hikiate_sdk::sim::SimClock;
use tokio::time::sleep;

use super::chaos::Done;
use super::gone_out::GoneOut;
use super::ledger::Ledger;
use super::recover::{nothing_lost, recover, recovered, still, trouble};
use super::run::Breakage;
use super::server::Follows;
use super::stage::{Stage, Window};

/// How long it takes until a server that is gone is taken for gone. What is on its way outside arrives meanwhile.
const DETECTION: Duration = Duration::from_secs(2);

/// When, and of which standby.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failover {
    /// The standby is made then.
    pub(super) at: Instant,
    /// So long afterwards, at the earliest, it is promoted.
    pub(super) after: Duration,
    /// Whether commits wait for it.
    pub(super) follows: Follows,
    /// What is broken on purpose.
    pub(super) broken: Option<Breakage>,
}

impl Failover {
    /// From the base backup to the end of the recovery.
    ///
    /// # Errors
    /// When there is no standby, it is not promoted, or the operator's word is not taken.
    pub(super) async fn play(
        self,
        stage: &Stage,
        chance: &mut Prng,
        done: &mut Done,
    ) -> anyhow::Result<()> {
        // A recovery that is under way would hide what this is about.
        ended(stage).await;
        let claimed = self.follows == Follows::Synchronously;
        let lags = !claimed || self.broken == Some(Breakage::LaggingStandby);
        let how = if lags { Follows::Later } else { self.follows };
        // Before the backup, so that its table is at the standby, however soon that is cut off.
        let ledger = Ledger::begin(&stage.server.url).await?;
        stage.server.follow(how).await?;
        stage
            .notes
            .say(&format!("a standby follows ({:?})", self.follows));
        let since = SimClock::real().now();
        if lags {
            // Its line breaks, and nobody notices.
            stage.server.cut_off().await?;
        }
        let before = GoneOut::now(stage);
        trouble(stage, chance, done, self.after).await?;
        if lags {
            before.grows(stage).await;
        } else {
            stage.server.synchronous().await?;
        }
        stage.server.fence().await?;
        let committed = ledger.end().await;
        sleep(DETECTION).await;
        stage.server.promote().await?;
        done.failovers += 1;
        let after = GoneOut::now(stage);
        let known = Ledger::known(&stage.server.url).await?;
        stage.notes.say(&format!(
            "the standby is promoted: it has {known} of {committed} commits that were confirmed; {} sends since it was made",
            after.since(&before)
        ));
        still(stage, &after, chance).await?;
        if claimed {
            nothing_lost(stage).await?;
        } else {
            recover(stage, since, "a standby that lagged was promoted").await?;
            stage.lost_window(Window {
                since,
                until: SimClock::real().now(),
            });
        }
        ended(stage).await;
        for problem in judge(claimed, committed, known) {
            stage.notes.wrong(problem);
        }
        Ok(())
    }
}

/// What is wrong with a failover that is claimed to lose nothing, or was to lose something.
fn judge(claimed: bool, committed: i64, known: i64) -> Vec<String> {
    let mut wrong = Vec::new();
    if committed == 0 {
        wrong.push("nothing was committed before the failover: this proves nothing".to_owned());
    }
    if claimed && known < committed {
        wrong.push(format!(
            "the standby knows {known} of {committed} commits, and each had waited for it"
        ));
    }
    if !claimed && known >= committed {
        wrong.push("the standby that lagged knows every commit: this proves nothing".to_owned());
    }
    wrong
}

/// Waits for the end of a recovery.
async fn ended(stage: &Stage) {
    if !recovered(stage).await {
        stage.notes.wrong("a recovery does not end".to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::judge;

    #[test]
    fn a_failover_must_keep_its_claim_and_one_that_loses_must_lose() {
        assert_eq!(judge(true, 9, 9), Vec::<String>::new());
        assert_eq!(judge(true, 9, 10), Vec::<String>::new(), "unconfirmed");
        assert_eq!(judge(false, 9, 5), Vec::<String>::new());
        assert_eq!(judge(true, 9, 8).len(), 1);
        assert_eq!(judge(false, 9, 9).len(), 1);
        assert_eq!(judge(true, 0, 0).len(), 1);
    }
}
