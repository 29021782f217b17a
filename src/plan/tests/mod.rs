//! Planning, tested by value and by random histories.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod annotate;
mod asks;
mod begin;
pub(crate) mod build;
mod cancel;
mod channel;
mod command;
mod deeds;
mod deposits;
mod edits;
mod explain;
mod flow;
mod holds;
mod layouts;
mod ledger;
mod lost;
mod money;
mod notice;
mod others;
mod parcels;
mod parcels_beyond;
mod parcels_contents;
mod parcels_files;
mod parcels_many;
mod parcels_random;
mod parcels_refused;
mod parcels_told;
mod payments;
mod presence;
mod random;
mod refund;
mod refund_ends;
mod refund_lowering;
mod refund_named;
mod refund_people;
mod reported;
mod revenue;
mod shipping;
mod situations;
mod waves;
mod world;
