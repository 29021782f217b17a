//! Stock: the ledger and who is given what.

pub mod allocate;
pub mod ledger;
