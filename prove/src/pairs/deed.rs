//! What one session of a pair does: a step of the engine or a command of an operator, as the program calls it.

use chrono::TimeDelta;
use hikiate::daemon::{allocate_step, plan_step};
use hikiate::engine::Engine;
use hikiate::facts::Verdict;
use hikiate::policy::Retention;
use hikiate::store::{
    AttemptResult, ClaimedEffect, Decision, IncomingPage, OwnedAccount, StoreError, ToSend,
    VacuumPauses,
};

use hikiate_sdk::Kind;

use super::state::{COUNTS, Given, PUSHED};
use crate::support::desk::outcome;
use crate::support::shop::{STREAM, after, today};

/// What is older than a few minutes goes.
pub(super) const KEEP: Retention = Retention {
    raw: Some(TimeDelta::minutes(1)),
    personal: Some(TimeDelta::minutes(1)),
    quarantine: Some(TimeDelta::minutes(1)),
};

/// One thing that the program does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deed {
    /// A page of orders is stored.
    Pull,
    /// The same orders come by another stream, in another order, one of them told otherwise.
    Webhook,
    /// An order is read again by its id.
    Read,
    /// The warehouse tells of a parcel.
    Parcel,
    /// Due orders are planned.
    Plan,
    /// Due orders are planned, and an effect that is still in the queue is taken back.
    Withdraw,
    /// Marks become reservations.
    Allocate,
    /// Effects are claimed and marked as being sent.
    Claim,
    /// The answer to a call is stored.
    Acknowledge,
    /// Stock is counted.
    Snapshot,
    /// An operator cancels an order.
    Cancel,
    /// An operator holds an order.
    Hold,
    /// A process that was started again takes its accounts and what it left in the queue.
    Restart,
    /// Tables are vacuumed.
    Vacuum,
    /// What ended orders have of somebody is deleted.
    Purge,
    /// An operator has what an ended order has of somebody deleted.
    Erase,
    /// A row that only refers to an order is inserted by somebody who holds no lock of it.
    Mention,
}

impl Deed {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::Pull,
        Self::Webhook,
        Self::Read,
        Self::Parcel,
        Self::Plan,
        Self::Withdraw,
        Self::Allocate,
        Self::Claim,
        Self::Acknowledge,
        Self::Snapshot,
        Self::Cancel,
        Self::Hold,
        Self::Restart,
        Self::Vacuum,
        Self::Purge,
        Self::Erase,
        Self::Mention,
    ];

    /// Its name on the command line.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Webhook => "webhook",
            Self::Read => "read",
            Self::Parcel => "parcel",
            Self::Plan => "plan",
            Self::Withdraw => "withdraw",
            Self::Allocate => "allocate",
            Self::Claim => "claim",
            Self::Acknowledge => "acknowledge",
            Self::Snapshot => "snapshot",
            Self::Cancel => "cancel",
            Self::Hold => "hold",
            Self::Restart => "restart",
            Self::Vacuum => "vacuum",
            Self::Purge => "purge",
            Self::Erase => "erase",
            Self::Mention => "mention",
        }
    }

    /// By its name.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|deed| deed.word() == word)
    }

    /// Does it. What comes back says what it did; an error is one that nothing retries.
    pub(super) async fn run(self, engine: &Engine, given: &Given) -> Result<String, String> {
        self.attempt(engine, given)
            .await
            .or_else(|error| match error {
                StoreError::LostLease(_) => Ok("lost the fence".to_owned()),
                other => Err(other.to_string()),
            })
    }

    async fn attempt(self, engine: &Engine, given: &Given) -> Result<String, StoreError> {
        let store = &engine.store;
        match self {
            Self::Pull => ingest(engine, &given.shop, STREAM, given.seq.0, &given.page).await,
            Self::Webhook => ingest(engine, &given.shop, PUSHED, 0, &given.pushed).await,
            Self::Parcel => ingest(engine, &given.wms, STREAM, given.seq.1, &given.parcel).await,
            Self::Snapshot => ingest(engine, &given.wms, COUNTS, 0, &given.count).await,
            Self::Read => {
                let asked = ["A".into(), "N".into()];
                let done = store
                    .retried("ingest_read", || {
                        store.ingest_read(&given.shop, Kind::Order, &asked, &given.read)
                    })
                    .await?;
                Ok(format!("{} new, {} known", done.new_facts, done.unchanged))
            }
            Self::Plan | Self::Withdraw => Ok(format!("planned {}", plan_step(engine).await?)),
            Self::Allocate => Ok(format!("worked off {}", allocate_step(engine).await?)),
            Self::Claim => claim(engine, &given.shop).await,
            Self::Acknowledge => {
                let done = [answer(given)];
                store
                    .retried("acknowledge", || store.acknowledge(&done, today()))
                    .await?;
                Ok("stored".to_owned())
            }
            Self::Cancel => {
                let reason = "asked by phone".to_owned();
                decide(engine, given.order_a, &Decision::Cancel { reason }).await
            }
            Self::Hold => {
                let reason = "wait".to_owned();
                decide(engine, given.order_w, &Decision::Hold { reason }).await
            }
            Self::Restart => {
                let ids = [given.shop.id, given.wms.id];
                let owned = store
                    .own_accounts(&engine.instance, &ids, engine.lease_seconds, true)
                    .await?;
                let reclaimed = store.reclaim(&owned).await?;
                Ok(format!("took {}, reclaimed {reclaimed}", owned.len()))
            }
            Self::Vacuum => {
                // The daemon's own, as it is once these tables have rows enough to be rid of.
                for table in ["effects", "allocation_requests", "planning_claims", "reads"] {
                    let vacuum = sqlx::AssertSqlSafe(format!("VACUUM (SKIP_LOCKED) {table}"));
                    sqlx::raw_sql(vacuum).execute(store.pool()).await?;
                }
                store.vacuum(&mut VacuumPauses::default()).await?;
                Ok("done".to_owned())
            }
            Self::Purge => Ok(format!("deleted {:?}", store.purge(&KEEP).await?)),
            Self::Erase => {
                let erased = store
                    .retried("erase", || store.erase(given.order_e))
                    .await?;
                Ok(format!("erased {}", erased.number))
            }
            Self::Mention => {
                let mut tx = store.pool().begin().await?;
                sqlx::query(
                    "INSERT INTO aliases (account_id, kind, external_id, subject_id) SELECT account_id, 'mention', external_id, id FROM subjects WHERE id = $1 ON CONFLICT DO NOTHING",
                )
                .bind(given.order_n)
                .execute(&mut *tx)
                .await?;
                tx.commit().await?;
                Ok("done".to_owned())
            }
        }
    }
}

async fn ingest(
    engine: &Engine,
    owned: &OwnedAccount,
    stream: &str,
    seq: i64,
    page: &IncomingPage,
) -> Result<String, StoreError> {
    let store = &engine.store;
    let after = after(seq + 1);
    let done = store
        .retried("ingest", || store.ingest(owned, stream, seq, page, &after))
        .await?;
    Ok(format!("{} new, {} known", done.new_facts, done.unchanged))
}

async fn decide(engine: &Engine, subject: i64, decision: &Decision) -> Result<String, StoreError> {
    let store = &engine.store;
    store
        .retried("decide", || {
            store.decide(subject, decision, "person", "", today())
        })
        .await?;
    Ok("stored".to_owned())
}

async fn claim(engine: &Engine, owned: &OwnedAccount) -> Result<String, StoreError> {
    let store = &engine.store;
    let lease = engine.lease_seconds;
    let claimed = store.claim_effects(owned, 10, lease).await?;
    let sends: Vec<ToSend> = claimed
        .iter()
        .map(|effect| ToSend {
            id: effect.id,
            token: effect.token,
            body: effect.key.clone().into_bytes(),
            label: "call".to_owned(),
        })
        .collect();
    let sent = store
        .retried("mark_sending", || store.mark_sending(owned, &sends, lease))
        .await?;
    let keys: Vec<_> = sent
        .bytes
        .values()
        .map(|b| String::from_utf8_lossy(b))
        .collect();
    Ok(format!(
        "claimed {}, sent {}",
        claimed.len(),
        keys.join(" ")
    ))
}

/// A call that was made has succeeded; one that was only claimed turned out not to be offered.
fn answer(given: &Given) -> (ClaimedEffect, AttemptResult) {
    let (effect, verdict) = match &given.leased {
        Some(effect) => (effect.clone(), Verdict::Refused),
        None => (given.sending.clone(), Verdict::Done),
    };
    let outcome = outcome(&effect.key, verdict);
    (effect, AttemptResult::Finished { outcome })
}
