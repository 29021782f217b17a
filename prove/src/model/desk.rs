//! Giving out stock in a run, with what must hold of every reservation.

use chrono::Duration;
use hikiate::stock::allocate::{GrantChange, ItemStock, OpenDemand, allocate};

use super::setting::PLACES;
use super::violation::{Violation, ensure};
use super::world::World;
use crate::fault;

impl World {
    /// On hand by the ledger: as the goods stand, and as they stand at worst around a count.
    fn on_hand(&self, item: i64, place: &str) -> (i64, i64) {
        let skew = Duration::seconds(60);
        let Some((base, as_of)) = self
            .counts
            .iter()
            .find(|((of, at), _)| *of == item && *at == place)
            .map(|(_, count)| *count)
        else {
            return (0, 0);
        };
        let (mut plain, mut careful) = (base, base);
        let entries = self.orders.iter().flat_map(|order| order.entries.values());
        for entry in entries.filter(|row| row.item_id == item && row.warehouse == place) {
            let (units, when) = (entry.quantity, entry.effective_at);
            if when > as_of {
                plain += units;
            }
            let limit = if units > 0 {
                as_of + skew
            } else {
                as_of - skew
            };
            if when > limit {
                careful += units;
            }
        }
        (plain, careful)
    }

    fn desk(&self) -> (Vec<ItemStock>, Vec<OpenDemand>) {
        let demands = self.orders.iter().flat_map(|order| order.open_demands());
        let demands: Vec<OpenDemand> = demands.collect();
        let mut stock = Vec::new();
        for item_id in 1..=3 {
            for (place, _) in PLACES {
                let here = |d: &OpenDemand| {
                    let rows = d.reserved.iter().filter(|r| r.warehouse == place);
                    rows.map(|r| i64::from(r.quantity)).sum::<i64>()
                };
                let reserved = demands
                    .iter()
                    .filter(|d| d.item_id == item_id)
                    .map(here)
                    .sum();
                let (plain, careful) = self.on_hand(item_id, place);
                stock.push(ItemStock {
                    item_id,
                    warehouse: place.to_owned(),
                    on_hand: careful.max(plain.min(reserved)),
                    reserved,
                });
            }
        }
        (stock, demands)
    }

    /// Gives out stock and checks what was given.
    ///
    /// # Errors
    /// A violation.
    pub(super) fn allocate(&mut self) -> Result<(), Violation> {
        let (stock, demands) = self.desk();
        if demands.is_empty() {
            return Ok(());
        }
        let mut ranked = demands.clone();
        fault::ranked(&mut ranked);
        let changes = allocate(&stock, &ranked, &self.setting.policy);
        for change in &changes {
            self.grant(change)?;
        }
        for order in &mut self.orders {
            order.dirty |= order.allocated();
        }
        let (after_stock, after) = self.desk();
        let mut ranked = after.clone();
        fault::ranked(&mut ranked);
        let again = allocate(&after_stock, &ranked, &self.setting.policy);
        ensure(again.is_empty(), || {
            format!("allocating again changes {again:?}")
        })?;
        self.fits(&after_stock, &after, &changes)?;
        if self.setting.policy.allocation.split {
            in_rank(&demands, &after)?;
        }
        Ok(())
    }

    fn grant(&mut self, change: &GrantChange) -> Result<(), Violation> {
        let order = self
            .orders
            .iter_mut()
            .find(|order| order.input.subject_id == change.subject_id);
        let order = order.ok_or_else(|| Violation::new("a grant to no order"))?;
        ensure(order.grant(change), || "a grant to no demand".to_owned())?;
        order.dirty = true;
        Ok(())
    }

    /// No demand has more than is still to leave; no place has given more than is there, unless a sealed
    /// shipment needs it.
    fn fits(
        &self,
        stock: &[ItemStock],
        after: &[OpenDemand],
        changes: &[GrantChange],
    ) -> Result<(), Violation> {
        for demand in after {
            let held: u32 = demand.reserved.iter().map(|r| r.quantity).sum();
            ensure(held <= demand.open, || {
                format!(
                    "{held} are reserved for demand {} of {}",
                    demand.demand_id, demand.open
                )
            })?;
        }
        for row in stock {
            let here = after.iter().filter(|d| d.item_id == row.item_id);
            let instructed: i64 = here
                .flat_map(|d| &d.reserved)
                .filter(|r| r.warehouse == row.warehouse)
                .map(|r| i64::from(r.instructed))
                .sum();
            ensure(row.reserved <= row.on_hand.max(instructed).max(0), || {
                format!(
                    "{} of item {} are reserved at {} of {} there; {changes:?}",
                    row.reserved, row.item_id, row.warehouse, row.on_hand
                )
            })?;
        }
        Ok(())
    }
}

/// Who got more is not outranked by one who still lacks the same item.
fn in_rank(before: &[OpenDemand], after: &[OpenDemand]) -> Result<(), Violation> {
    let total = |d: &OpenDemand| d.reserved.iter().map(|r| r.quantity).sum::<u32>();
    let rank = |d: &OpenDemand| {
        (
            d.behind,
            d.promised_at,
            d.ordered_at,
            d.subject_id,
            d.demand_id,
        )
    };
    for got in after {
        let had = before
            .iter()
            .find(|d| d.demand_id == got.demand_id)
            .map_or(0, total);
        if total(got) <= had {
            continue;
        }
        let passed = after.iter().find(|other| {
            other.item_id == got.item_id && rank(other) < rank(got) && total(other) < other.open
        });
        ensure(passed.is_none(), || {
            format!("demand {} got stock before {passed:?}", got.demand_id)
        })?;
    }
    Ok(())
}
