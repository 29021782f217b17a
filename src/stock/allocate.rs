//! Allocation (引当): free units go to open demand in one total rank; what is reserved stays unless stock
//! fell short. Pure: the store loads, this decides, the store writes.

use chrono::{DateTime, Utc};

use super::allocator::Allocator;
use crate::policy::Policy;

/// Stock of an item at a warehouse. A pair that is absent has nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemStock {
    /// Item.
    pub item_id: i64,
    /// Warehouse name.
    pub warehouse: String,
    /// On hand by the ledger; below zero when more left than was counted.
    pub on_hand: i64,
    /// Σ of all reservations, also those of demands that are not given to this call.
    pub reserved: i64,
}

/// A demand with what is reserved for it. Give every demand of an order that takes part, met or not; of the
/// orders that lack nothing, only those that hold an item that is over-reserved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenDemand {
    /// Row id.
    pub demand_id: i64,
    /// The order.
    pub subject_id: i64,
    /// Item.
    pub item_id: i64,
    /// Items still to leave: wanted less shipped.
    pub open: u32,
    /// Its reservations are for good.
    pub firm: bool,
    /// Its channel has not begun: after all that have.
    pub behind: bool,
    /// First of the rank among its like.
    pub promised_at: DateTime<Utc>,
    /// Second of the rank; then the order, then the demand.
    pub ordered_at: DateTime<Utc>,
    /// Reservations.
    pub reserved: Vec<Reservation>,
}

/// What is reserved for a demand at a warehouse.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reservation {
    /// Warehouse name.
    pub warehouse: String,
    /// Items.
    pub quantity: u32,
    /// For good.
    pub firm: bool,
    /// Of these, in shipments in no sealed batch.
    pub waiting: u32,
    /// Of these, in sealed shipments: never taken back.
    pub instructed: u32,
}

/// A reservation as it is to be from now on; quantity 0 deletes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantChange {
    /// The demand.
    pub demand_id: i64,
    /// Its order, which is due for planning.
    pub subject_id: i64,
    /// Item.
    pub item_id: i64,
    /// Warehouse name.
    pub warehouse: String,
    /// Items.
    pub quantity: u32,
    /// For good.
    pub firm: bool,
}

/// Decides reservations. Asking again after the answer was written changes nothing.
#[must_use]
pub fn allocate(stock: &[ItemStock], demands: &[OpenDemand], policy: &Policy) -> Vec<GrantChange> {
    let mut allocator = Allocator::new(stock, demands, policy);
    allocator.give_back_excess();
    allocator.take_back_shortfall();
    // Without splitting, what an order leaves behind by moving, or another's grant, may change which warehouse
    // serves a better rank best. Each round reserves more or moves an order for good, so this ends.
    while allocator.grant() {}
    allocator.changes()
}

#[cfg(test)]
#[path = "allocate_tests.rs"]
mod tests;
