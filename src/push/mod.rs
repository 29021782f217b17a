//! Pushing: planned effects become calls, and their outcomes facts.

mod decide;
mod prepare;
mod step;

pub use decide::{Step, after_look_up, after_send, apply_loss_risk, next_step};
pub use prepare::prepare;
pub use step::push_account;
