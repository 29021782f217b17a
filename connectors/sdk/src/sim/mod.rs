//! Simulators: external systems with state, reached in process or over a socket.

mod clock;
mod serve;
mod simulator;
mod skip;

pub use clock::SimClock;
pub use serve::{serve, serve_transport};
pub use simulator::{SimTransport, Simulator};
pub use skip::{SKIPPED, skipped};
