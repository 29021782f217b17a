//! An order's way through the whole program.

mod acceptance;
mod annotate;
mod archives;
mod around;
mod begin;
mod happy;
mod hooks;
mod one_call;
mod panicking_call;
mod patience;
mod presence;
mod provider;
mod recover;
mod refunds;
mod refused_key;
mod reports;
mod sealing;
mod silence;
mod split;
mod staff;
mod trouble;
mod waves;
mod whole;
pub(crate) mod world;
