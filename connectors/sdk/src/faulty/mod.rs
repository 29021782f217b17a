//! Faults between a connector and its external system, scripted or drawn from a seed.

mod altered;
mod fault;
mod prng;
mod transport;

pub use altered::{Altered, Mixed};
pub use fault::{AllMet, Fault, FaultSeam, RETRY_AFTER, SHOWN_AFTER, Target};
pub use prng::Prng;
pub use transport::{Can, FaultyTransport, When, Words, asked};
