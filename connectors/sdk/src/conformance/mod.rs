//! The suite that every connector's tests call: what the engine relies on, checked against the connector's own
//! simulator with faults on the way. [`run`] gives a [`Card`]; what does not apply must be waived with a reason.

mod calls;
mod card;
mod drain;
mod operations;
mod run;
mod source;
mod subject;
#[cfg(test)]
mod tests;

pub use calls::sample_call;
pub use card::{Card, Verdict};
pub use run::run;
pub use source::identity;
pub use subject::{Bench, FarSide, Subject, Times, Waiver};
