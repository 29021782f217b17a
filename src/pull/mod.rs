//! Pulling: what external systems tell becomes facts.

mod border;
mod by_id;
mod features;
mod hooks;
mod intake;
mod postal;
mod region;
mod step;

pub use features::features;
pub use intake::intake;
pub use step::pull_account;
