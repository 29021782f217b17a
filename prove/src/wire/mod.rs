//! A wire between a program and its PostgreSQL: it forwards the protocol, and between two statements a
//! [`Gate`] may wait, rewrite the SQL, or cut the connection before a statement or after it.

mod frames;
mod proxy;
mod round;

pub use proxy::{Gate, Go, Wire};
pub use round::{Answer, Round, TxState};
