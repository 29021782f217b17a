//! All SQL. One locking rule: a transaction that adds a fact for a subject or touches its effects
//! first locks its subject rows `FOR NO KEY UPDATE` in id order and reads in a later statement.

mod abandon;
mod acts;
mod allocate;
mod batch;
mod begin;
mod budget;
mod bursts;
mod channel_window;
mod circumstances;
mod codes;
mod commit;
mod deposits;
mod elsewhere;
mod error;
mod facts;
mod heads;
mod hook_inbox;
mod incoming;
mod ingest;
mod journal;
mod judge;
mod lease;
mod listings;
mod load;
mod lost;
mod names;
mod operator;
mod panics;
mod pause;
mod payments;
mod planning;
mod presence;
mod propagate;
mod quarantine;
mod queue;
pub mod read;
mod reads;
mod recheck;
mod reclaim;
mod recovery;
mod resolve;
mod same_bytes;
mod seal;
mod setup;
mod shared;
mod show;
mod stock;
mod stops;
mod streams;
mod subjects;
mod tasks;
mod told;
mod typed;
mod unbooked;

mod unmapped;
mod vacuum;
mod wake;
pub mod waves;
pub mod witness;

pub mod launcher;

pub use abandon::Abandoned;
pub use allocate::AllocateDone;
pub use batch::{CutOff, OpenBatch, Place, Slot, Waiting};
pub use begin::{BeginTerms, Beginning, Classed, Listed, Unbegun};
pub use budget::DayCounts;
pub use bursts::{AutomationKey, AutomationRow};
pub(crate) use codes::after_codes;
pub use commit::PlannedOrder;
pub use deposits::{
    Added, DepositFilter, DepositMatch, DepositMove, DepositRow, DepositTerms, NewDeposit,
};
pub use error::StoreError;
pub use hook_inbox::{HookBacklog, HookKept, HookWork, MOST_WAITING, NewHook, WaitingHook};
pub use incoming::{IncomingBad, IncomingFact, IncomingOrder, IncomingPage, Source};
pub use ingest::PageDone;
pub use journal::{JournalRows, RenderedJournal, SealedJournal, SetAside};
pub use judge::{Head, Judgement, judge};
pub use lease::{Instance, OwnedAccount};
pub use load::{BatchInput, Claimed};
pub use lost::{FoundLine, FoundSend, number_of};
pub use names::{Instead, ReceiverName};
pub use operator::Decision;
pub use pause::Paused;
pub use payments::{IncomingPayment, PaymentName};
pub use planning::{CrashGuard, DueOrders};
pub use propagate::BatchPlan;
pub use quarantine::Again;
pub use queue::{AttemptResult, ClaimedEffect, LossRisk, Marked, ToSend};
pub use recheck::Recheck;
pub use recovery::{Begun, Phase, Recovery};
pub use resolve::Resolved;
pub use seal::{SealRow, SealTerms, Sealed};
pub use setup::{AccountRow, Directory, LocationRow, Store};
pub use show::SubjectRow;
pub use stock::IncomingStock;
pub use stops::{StopRow, StopScope, Stopped};
pub use streams::{DuePulls, DueStream, StreamAfter};
pub use tasks::TaskLine;
pub use typed::Typed;
pub use unmapped::UnmappedCode;

/// A transaction of this store.
pub type Tx<'t> = sqlx::Transaction<'t, sqlx::Postgres>;
