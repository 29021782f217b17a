//! The daemon: the steps a process takes, and the loops that take them. Each step is one function that tests
//! call by hand and [`run`] calls in loops.

mod acts;
mod allocate;
mod batches;
mod housekeeping;
mod inputs;
mod plan;
mod purge;
mod recover;
mod rounds;
mod run;
mod schedule;
mod seal;
mod start;
mod trouble;
mod wake;

pub use allocate::allocate_step;
pub use batches::batch_step;
pub use plan::plan_step;
pub use purge::purge_step;
pub use recover::recover_step;
pub use run::{RunError, run};
pub use schedule::slot_now;
pub use seal::{render_wave, seal_step};
pub use start::start;
