//! The account against the simulator.

mod conformance;
