//! All SQL. One locking rule: a transaction that adds a fact for a subject or touches its effects
//! first locks its subject rows `FOR NO KEY UPDATE` in id order and reads in a later statement.

mod allocate;
mod batch;
mod begin;
mod bursts;
mod circumstances;
mod commit;
mod error;
mod facts;
mod ingest;
mod journal;
mod judge;
mod lease;
mod load;
mod lost;
mod operator;
mod planning;
mod propagate;
mod quarantine;
mod queue;
pub mod read;
mod reclaim;
mod recovery;
mod seal;
mod setup;
mod show;
mod stock;
mod streams;
mod tasks;
mod vacuum;
pub mod witness;

pub mod launcher;

pub use allocate::AllocateDone;
pub use batch::{OpenBatch, Waiting};
pub use begin::{BeginTerms, Classed, Listed, Unbegun};
pub use bursts::{RuleKey, RuleRow};
pub use commit::PlannedOrder;
pub use error::StoreError;
pub use ingest::{IncomingBad, IncomingFact, IncomingOrder, IncomingPage, PageDone};
pub use journal::OpenRevenue;
pub use judge::{Head, Judgement, judge};
pub use lease::{Instance, OwnedAccount};
pub use load::{BatchInput, Claimed};
pub use lost::{FoundLine, FoundSend, number_of};
pub use operator::Decision;
pub use planning::Noted;
pub use propagate::BatchPlan;
pub use queue::{Acknowledgement, ClaimedEffect, Doubt, Marked, ToSend};
pub use recovery::{Begun, Phase, Recovery};
pub use seal::{SealRow, SealTerms, Sealed};
pub use setup::{AccountRow, Directory, LocationRow, Store};
pub use show::SubjectRow;
pub use stock::IncomingStock;
pub use streams::{DuePulls, DueStream, StreamAfter};
pub use tasks::TaskLine;
