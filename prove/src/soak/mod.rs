//! `hikiate-prove soak`: the real daemon, twice, on a PostgreSQL of its own, under load, while both and the
//! database are killed at random, the database is once set back to a backup, and twice a standby takes its place. In the end the simulated
//! external systems are asked what they remember, and the database what it says.

mod chaos;
mod customers;
mod desk;
mod failover;
mod fleet;
mod gone_out;
mod invariants;
mod judge;
mod ledger;
mod lost;
mod node;
mod operator;
mod play;
mod recover;
mod restore;
mod run;
mod server;
mod staff;
mod stage;
mod watcher;

pub use run::{Breakage, SoakArgs, run, short};
