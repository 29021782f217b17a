//! Every pair of things that the program does at once, in every order of their statements that can make a
//! difference, on a real PostgreSQL.

mod breakage;
mod command;
mod deed;
mod explore;
mod footprint;
mod invariants;
mod pair;
mod record;
mod referee;
mod schedule;
mod seat;
mod shelf;
mod state;

pub use breakage::{BREAKAGES, Breakage, Seen, see};
pub use command::{PairsArgs, pairs};
pub use deed::Deed;
pub use explore::Mode;
pub use pair::{Bench, Found, PairDone, Setting};
