//! Money as others report it: refunds, voids, lowered totals, taxes that are told or not, and who pays.

mod balance;
mod delivered;
mod parts;
mod payers;
mod random;
mod recorded;
mod refunds;
pub(super) mod support;
mod taxes;
mod transfers;
mod unbooked;
