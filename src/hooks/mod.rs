//! Webhooks come in here: a listener of its own, the judgement of each request by its connector, and the inbox that they are
//! stored in before they are answered. What they make due is worked by the owner of the account (`pull::hook_step`).

mod clock;
mod desk;
mod listener;
mod writer;

pub use desk::HookDesk;
pub use listener::{Entrance, bind, serve};
