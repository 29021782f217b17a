//! The steps of allocation: give back, take back, give.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::allocate::{GrantChange, ItemStock, OpenDemand, Reservation};
use crate::policy::Policy;

/// A demand at work: its reservations by warehouse number.
struct DemandSlot<'a> {
    demand: &'a OpenDemand,
    held: BTreeMap<usize, Reservation>,
}

impl DemandSlot<'_> {
    fn total(&self) -> u32 {
        self.held
            .values()
            .fold(0, |sum, held| sum.saturating_add(held.quantity))
    }

    fn unmet(&self) -> u32 {
        self.demand.open.saturating_sub(self.total())
    }

    fn rank(&self) -> (bool, DateTime<Utc>, DateTime<Utc>, i64, i64) {
        let demand = self.demand;
        (
            demand.behind,
            demand.promised_at,
            demand.ordered_at,
            demand.subject_id,
            demand.demand_id,
        )
    }
}

/// Stock and demand side by side, while reservations are decided.
pub(super) struct Allocator<'a> {
    /// In order of preference; warehouses the policy does not name come last and are given nothing new.
    names: Vec<String>,
    known: usize,
    split: bool,
    free: BTreeMap<(i64, usize), i64>,
    /// Best rank first.
    slots: Vec<DemandSlot<'a>>,
    /// Seats of each order.
    orders: BTreeMap<i64, Vec<usize>>,
}

impl<'a> Allocator<'a> {
    pub(super) fn new(stock: &[ItemStock], demands: &'a [OpenDemand], policy: &Policy) -> Self {
        let mut names: Vec<String> = policy.warehouses.iter().map(|w| w.name.clone()).collect();
        let known = names.len();
        let held = demands
            .iter()
            .flat_map(|demand| &demand.reserved)
            .map(|r| &r.warehouse);
        for name in stock.iter().map(|stock| &stock.warehouse).chain(held) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        let at = |name: &str| names.iter().position(|known| known == name).unwrap_or(0);
        let mut free = BTreeMap::new();
        for stock in stock {
            let units = free
                .entry((stock.item_id, at(&stock.warehouse)))
                .or_insert(0_i64);
            *units = units.saturating_add(stock.on_hand.saturating_sub(stock.reserved));
        }
        let mut slots: Vec<_> = demands
            .iter()
            .map(|demand| DemandSlot {
                demand,
                held: demand
                    .reserved
                    .iter()
                    .map(|r| (at(&r.warehouse), r.clone()))
                    .collect(),
            })
            .collect();
        slots.sort_by_key(DemandSlot::rank);
        let mut orders: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
        for (at, slot) in slots.iter().enumerate() {
            orders.entry(slot.demand.subject_id).or_default().push(at);
        }
        Self {
            split: policy.allocation.split,
            names,
            known,
            free,
            slots,
            orders,
        }
    }

    fn free(&self, item_id: i64, at: usize) -> u32 {
        let free = self.free.get(&(item_id, at)).copied().unwrap_or(0);
        u32::try_from(free.max(0)).unwrap_or(u32::MAX)
    }

    /// Takes up to `most` items of a reservation back, leaving `keep` of them.
    fn take(&mut self, slot: usize, at: usize, most: u32, keep: u32) -> u32 {
        let Some(slot) = self.slots.get_mut(slot) else {
            return 0;
        };
        let Some(held) = slot.held.get_mut(&at) else {
            return 0;
        };
        let taken = held.quantity.saturating_sub(keep).min(most);
        held.quantity -= taken;
        // A shipment whose stock is gone binds nothing any more.
        held.instructed = held.instructed.min(held.quantity);
        held.waiting = held.waiting.min(held.quantity - held.instructed);
        if let Some(free) = self.free.get_mut(&(slot.demand.item_id, at)) {
            *free = free.saturating_add(i64::from(taken));
        }
        taken
    }

    /// More is reserved than is still to leave: goods left, or less is wanted. What no shipment needs goes
    /// first, from the least preferred warehouse.
    pub(super) fn give_back_excess(&mut self) {
        for slot in 0..self.slots.len() {
            for depth in [Depth::Free, Depth::Waiting, Depth::Instructed] {
                for at in (0..self.names.len()).rev() {
                    let Some(this) = self.slots.get(slot) else {
                        continue;
                    };
                    let excess = this.total().saturating_sub(this.demand.open);
                    let keep = this.held.get(&at).map_or(0, |held| depth.keeps(held));
                    if excess > 0 {
                        self.take(slot, at, excess, keep);
                    }
                }
            }
        }
    }

    /// Less is there than is reserved: the worst rank loses, soft before firm, what a sealed shipment needs never.
    pub(super) fn take_back_shortfall(&mut self) {
        let short: Vec<_> = self
            .free
            .iter()
            .filter(|(_, free)| **free < 0)
            .map(|(at, _)| *at)
            .collect();
        for (item_id, at) in short {
            for (firm, depth) in [
                (false, Depth::Free),
                (true, Depth::Free),
                (false, Depth::Waiting),
                (true, Depth::Waiting),
            ] {
                for slot in (0..self.slots.len()).rev() {
                    let missing = -self.free.get(&(item_id, at)).copied().unwrap_or(0);
                    let Some(this) = self.slots.get(slot) else {
                        continue;
                    };
                    let Some(held) = this.held.get(&at) else {
                        continue;
                    };
                    if missing > 0 && this.demand.item_id == item_id && held.firm == firm {
                        let keep = depth.keeps(held);
                        let missing = u32::try_from(missing).unwrap_or(u32::MAX);
                        self.take(slot, at, missing, keep);
                    }
                }
            }
        }
    }

    /// Without splitting, an order whose warehouse cannot serve all of it moves to one that can, as long as
    /// no shipment stands on its reservations.
    fn gather(&mut self, slots: &[usize]) -> bool {
        let mine = || slots.iter().filter_map(|slot| self.slots.get(*slot));
        let bound = mine().any(|slot| {
            slot.held
                .values()
                .any(|held| held.waiting > 0 || held.instructed > 0)
        });
        let reserving = self.reserving(slots);
        let settled = reserving.len() == 1 && mine().all(|slot| slot.unmet() == 0);
        if bound || settled || reserving.is_empty() {
            return false;
        }
        let Some(home) = (0..self.known).find(|at| self.could_serve(slots, *at)) else {
            return false;
        };
        for slot in slots {
            for at in (0..self.names.len()).filter(|at| *at != home) {
                self.take(*slot, at, u32::MAX, 0);
            }
            self.give(*slot, home);
        }
        true
    }

    /// A warehouse has all the order needs, counting what it already holds for it.
    fn could_serve(&self, slots: &[usize], at: usize) -> bool {
        let mut need: BTreeMap<i64, u32> = BTreeMap::new();
        for slot in slots.iter().filter_map(|slot| self.slots.get(*slot)) {
            let here = slot.held.get(&at).map_or(0, |held| held.quantity);
            let sum = need.entry(slot.demand.item_id).or_default();
            *sum = sum.saturating_add(slot.demand.open.saturating_sub(here));
        }
        need.into_iter()
            .all(|(item, need)| self.free(item, at) >= need)
    }

    /// Free units to unmet demand, best rank first. True when something changed.
    pub(super) fn grant(&mut self) -> bool {
        let mut moved = false;
        for slot in 0..self.slots.len() {
            let Some(subject) = self.slots.get(slot).map(|slot| slot.demand.subject_id) else {
                continue;
            };
            let slots = self.orders.get(&subject).cloned().unwrap_or_default();
            if !self.split && slots.first() == Some(&slot) {
                moved |= self.gather(&slots);
            }
            if self.slots.get(slot).is_some_and(|slot| slot.unmet() > 0) {
                for at in self.places(&slots) {
                    moved |= self.give(slot, at);
                }
            }
        }
        moved
    }

    /// Reserves what a demand lacks and a warehouse has.
    fn give(&mut self, slot: usize, at: usize) -> bool {
        let Some(this) = self.slots.get_mut(slot) else {
            return false;
        };
        let Some(free) = self.free.get_mut(&(this.demand.item_id, at)) else {
            return false;
        };
        let units = u32::try_from((*free).max(0))
            .unwrap_or(u32::MAX)
            .min(this.unmet());
        if units == 0 {
            return false;
        }
        *free -= i64::from(units);
        let held = this.held.entry(at).or_default();
        held.warehouse = self.names.get(at).cloned().unwrap_or_default();
        held.quantity = held.quantity.saturating_add(units);
        true
    }

    /// Warehouses for an order, best first: one that reserves for it, one that has all it lacks, then by
    /// preference. Without splitting, only the first.
    fn places(&self, slots: &[usize]) -> Vec<usize> {
        let reserving = self.reserving(slots);
        let all = |at: &usize| *at < self.known && self.lacks_nothing_at(slots, *at);
        let mut places: Vec<usize> = reserving
            .into_iter()
            .filter(|at| *at < self.known)
            .collect();
        places.extend((0..self.known).filter(all));
        if places.is_empty() && !self.split {
            let most = (0..self.known)
                .rev()
                .max_by_key(|at| self.fills(slots, *at));
            places.extend(most);
        }
        if !self.split {
            places.truncate(1);
            return places;
        }
        places.extend(0..self.known);
        let mut seen = Vec::new();
        places.retain(|at| {
            !seen.contains(at) && {
                seen.push(*at);
                true
            }
        });
        places
    }

    /// Warehouses that reserve for an order, those with shipments first, then by preference.
    fn reserving(&self, slots: &[usize]) -> Vec<usize> {
        let mut places: BTreeMap<usize, bool> = BTreeMap::new();
        for slot in slots.iter().filter_map(|slot| self.slots.get(*slot)) {
            for (at, held) in slot.held.iter().filter(|(_, held)| held.quantity > 0) {
                *places.entry(*at).or_default() |= held.waiting > 0 || held.instructed > 0;
            }
        }
        let mut places: Vec<_> = places.into_iter().collect();
        places.sort_by_key(|(at, bound)| (!*bound, *at));
        places.into_iter().map(|(at, _)| at).collect()
    }

    fn unmet_by_item(&self, slots: &[usize]) -> BTreeMap<i64, u32> {
        let mut unmet: BTreeMap<i64, u32> = BTreeMap::new();
        for slot in slots.iter().filter_map(|slot| self.slots.get(*slot)) {
            let sum = unmet.entry(slot.demand.item_id).or_default();
            *sum = sum.saturating_add(slot.unmet());
        }
        unmet
    }

    fn lacks_nothing_at(&self, slots: &[usize], at: usize) -> bool {
        self.unmet_by_item(slots)
            .into_iter()
            .all(|(item, unmet)| self.free(item, at) >= unmet)
    }

    fn fills(&self, slots: &[usize], at: usize) -> u32 {
        let unmet = self.unmet_by_item(slots).into_iter();
        unmet.fold(0, |sum, (item, unmet)| {
            sum.saturating_add(self.free(item, at).min(unmet))
        })
    }

    pub(super) fn changes(self) -> Vec<GrantChange> {
        let mut changes = Vec::new();
        for slot in &self.slots {
            let demand = slot.demand;
            for held in slot.held.values() {
                let before = demand
                    .reserved
                    .iter()
                    .find(|r| r.warehouse == held.warehouse);
                // Behind a sealed shipment nothing becomes soft again.
                let firm = demand.firm || (held.firm && held.instructed > 0);
                let same = before.is_some_and(|b| b.quantity == held.quantity && b.firm == firm);
                let never = before.is_none() && held.quantity == 0;
                let gone = before.is_some_and(|b| b.quantity == 0) && held.quantity == 0;
                if same || never || gone {
                    continue;
                }
                changes.push(GrantChange {
                    demand_id: demand.demand_id,
                    subject_id: demand.subject_id,
                    item_id: demand.item_id,
                    warehouse: held.warehouse.clone(),
                    quantity: held.quantity,
                    firm,
                });
            }
        }
        changes
    }
}

/// How far into a reservation something may reach.
#[derive(Clone, Copy)]
enum Depth {
    /// What no shipment needs.
    Free,
    /// What no sealed shipment needs.
    Waiting,
    /// All of it.
    Instructed,
}

impl Depth {
    fn keeps(self, held: &Reservation) -> u32 {
        match self {
            Self::Free => held.waiting.saturating_add(held.instructed),
            Self::Waiting => held.instructed,
            Self::Instructed => 0,
        }
    }
}
