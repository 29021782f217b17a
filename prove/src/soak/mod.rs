//! `hikiate-prove soak`: the real daemon, twice, on a PostgreSQL of its own, under load, while both and the
//! database are killed at random and the database is once set back to a backup. In the end the simulated
//! external systems are asked what they remember, and the database what it says.

mod chaos;
mod customers;
mod desk;
mod fleet;
mod gone_out;
mod invariants;
mod judge;
mod lost;
mod operator;
mod play;
mod restore;
mod run;
mod server;
mod staff;
mod stage;
mod watcher;

pub use run::{Breakage, SoakArgs, run, short};
