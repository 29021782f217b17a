//! The suite that every connector's tests call: what the engine relies on, checked against the connector's own
//! simulator with faults on the way. [`run`] gives a [`Card`]; what does not apply must be waived with a reason.

mod annotate;
mod batch;
mod budget;
mod calls;
mod card;
mod drain;
mod edges;
mod hooks;
mod logs;
mod operations;
mod records;
mod refund;
mod run;
mod source;
mod specification;
mod subject;
#[cfg(test)]
mod tests;

pub use calls::sample_call;
pub use card::{Card, Verdict};
pub use hooks::{HookCase, SentHook};
pub use records::{identity, parts, reported_at};
pub use run::run;
pub use specification::{Exchange, Exchanges, Specification};
pub use subject::{Bench, Subject, TestSystem, Times, Waiver};
