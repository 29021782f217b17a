//! Planning: pure functions from facts to what ought to be.

mod begin;
mod blockers;
mod by_hand;
mod cancel;
mod capture;
mod changes;
mod checks;
pub mod command;
mod commitment;
mod context;
mod demand;
mod departures;
mod effects;
mod ended;
mod explain;
mod fold;
mod goods;
mod holds;
pub mod journal;
mod listing;
mod lost;
mod lost_lines;
mod mail;
#[cfg(any(test, feature = "memory"))]
pub mod memory;
mod money;
mod money_tasks;
mod notice;
mod number;
mod order;
mod others;
mod payment;
mod places;
mod presence;
mod recall;
mod rest;
mod revenue;
mod shipment;
mod shipping;
mod status;
mod stop;
mod tasks;
#[cfg(test)]
mod tests;
mod tree;
pub mod types;
mod view;

pub use begin::{Whose, whose};
pub use by_hand::parcels_told;
pub use commitment::{FieldKey, committed};
pub use context::{context_hash, rule_context};
pub use explain::{Elsewhere, ExcusedInWords, Explanation, SealedBatch, Sending, explain};
pub use listing::{Listing, listing};
pub use money::{share, tax_inside};
pub use number::{business_key, shipment_reference};
pub use order::{PlanError, plan_order};
