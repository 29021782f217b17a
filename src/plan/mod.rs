//! Planning: pure functions from facts to what ought to be.

mod blockers;
mod cancel;
mod capture;
mod changes;
mod checks;
mod commitment;
mod context;
mod demand;
mod departures;
mod effects;
mod explain;
mod fold;
mod goods;
mod holds;
pub mod journal;
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
mod revenue;
mod shipment;
mod shipping;
mod status;
mod tasks;
#[cfg(test)]
mod tests;
pub mod types;
mod view;

pub use commitment::{FieldKey, committed};
pub use context::{context_hash, rule_context};
pub use explain::{Explanation, explain};
pub use money::{share, tax_inside};
pub use number::{business_key, shipment_reference};
pub use order::{PlanError, plan_order};
