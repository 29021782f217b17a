//! Years of a small merchant on a virtual clock, with what names somebody deleted in time: tables that hold bodies stay as large as they
//! are, and an address that was planted is nowhere after its time.

mod command;
mod measure;
mod merchant;
mod run;

pub use command::{YearArgs, year};
pub use merchant::PLANTED;
pub use run::{Done, Terms, run};
