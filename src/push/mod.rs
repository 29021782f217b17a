//! Pushing: planned effects become calls, and their outcomes facts.

mod breaker;
mod decide;
mod pacer;
mod prepare;
mod step;

pub use breaker::{Breaker, Change, Gate};
pub use decide::{Step, after_look_up, after_send, doubted, next_step};
pub use pacer::Pacer;
pub use prepare::prepare;
pub use step::push_account;
pub(crate) use step::{gate, heard};
