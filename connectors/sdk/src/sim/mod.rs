//! Simulators: external systems with state, reached in process or over a socket.

mod clock;
mod serve;
mod simulator;

pub use clock::SimClock;
pub use serve::{serve, serve_transport};
pub use simulator::{SimTransport, Simulator};
