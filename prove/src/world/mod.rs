//! The seeded world: everything hikiate works with as simulators, one virtual clock, the real store, and
//! the daemon's steps called one by one in an order that a seed draws, with faults and crashes everywhere.

mod clumsy;
mod daemon;
mod decides;
mod dice;
mod far;
mod folder;
mod gate;
mod ground;
mod handling;
mod hooks;
mod hostile;
mod judge;
mod log;
mod look;
mod money;
mod orders;
mod person;
mod play;
mod rest;
mod run;
mod seed;
mod seen;
mod settle;
mod shop;
mod staff;
mod terms;
mod third;
mod warehouse;
mod watched;
mod weak;
mod web_staff;
mod work;
#[expect(clippy::module_inception, reason = "the world of the seeded world")]
mod world;

pub use hostile::{Effort, HostileArgs, PARSERS, Stored, hostile, run_hostile};
pub use run::{Summary, WorldArgs, explain, run, run_seeds};
pub use seed::{SeedReport, Worlds};
