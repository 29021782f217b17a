//! Pulling: what far sides tell becomes facts.

mod border;
mod features;
mod intake;
mod postal;
mod step;

pub use features::features;
pub use intake::intake;
pub use step::pull_account;
