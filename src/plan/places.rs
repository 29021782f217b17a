//! Where the units that others shipped were taken from: decided once, so that a later configuration or reservation
//! moves no stock a second time.

use chrono::{DateTime, Duration, Utc};
use hikiate_sdk::LineKey;
use hikiate_sdk::text::words;

use super::number::bounded;
use super::tasks::Tasks;
use super::types::{NewFact, StockEntryRow};
use super::view::{Line, View};
use crate::facts::{ExternalShipmentFact, FactBody};
use crate::policy::OthersShipFrom;

/// Movements of shipments by others, and the decisions that they rest on.
#[derive(Debug, Default)]
pub(crate) struct Placed {
    pub(crate) decisions: Vec<NewFact>,
    pub(crate) entries: Vec<StockEntryRow>,
    /// When to look again whether a count knows better.
    pub(crate) next: Option<DateTime<Utc>>,
}

/// The stock that shipments by others took.
pub(crate) fn placed(view: &View<'_>, tasks: &mut Tasks) -> Placed {
    let mut placed = Placed::default();
    let mut facts: Vec<ExternalShipmentFact> = view
        .fold
        .external
        .iter()
        .map(|fact| (*fact).clone())
        .collect();
    for shown in view.shipped_by_others() {
        let known =
            |fact: &ExternalShipmentFact| fact.fulfilment == shown.key && fact.line == *shown.line;
        let line = view.lines.iter().find(|line| line.key == *shown.line);
        let (Some(line), false) = (line, facts.iter().any(known)) else {
            continue;
        };
        let Some(item_id) = line.item_id.filter(|_| line.from_stock) else {
            continue;
        };
        let units = standing(view, shown.key.as_str(), shown.line);
        let items = units.saturating_mul(line.multiplier);
        let (places, place_known) = places(view, line, shown.location, items);
        let fact = ExternalShipmentFact {
            fulfilment: shown.key.clone(),
            line: shown.line.clone(),
            demand_id: line.state.map(|state| state.id),
            item_id,
            shipped_at: shown.shipped_at,
            units,
            places,
            place_known,
        };
        placed.decisions.push(NewFact {
            key: bounded(&format!("external_shipment:{}:{}", shown.key, shown.line)),
            body: FactBody::ExternalShipment(fact.clone()),
        });
        facts.push(fact);
    }
    for fact in &facts {
        // In the items that were decided on, whatever the code stands for today.
        let decided: u32 = fact.places.iter().map(|(_, items)| *items).sum();
        let units = standing(view, fact.fulfilment.as_str(), &fact.line).min(fact.units);
        let mut rest = part(decided, units, fact.units);
        for (warehouse, items) in &fact.places {
            let here = rest.min(*items);
            rest -= here;
            placed.entries.push(StockEntryRow {
                cause: format!(
                    "others:{}:{}:{}:{warehouse}",
                    view.input.number, fact.fulfilment, fact.line
                ),
                demand_id: fact.demand_id,
                item_id: fact.item_id,
                warehouse: warehouse.clone(),
                code: String::new(),
                quantity: -i64::from(here),
                effective_at: fact.shipped_at,
            });
            if here > 0 && !fact.place_known && unplaced(view, fact, here, tasks) {
                // A count dirties no order, and one that has not come for days may never come.
                let age = view.now.signed_duration_since(fact.shipped_at);
                let pause = age.clamp(Duration::hours(1), Duration::days(1));
                let again = view.now.checked_add_signed(pause);
                placed.next = placed.next.into_iter().chain(again).min();
            }
        }
    }
    placed
}

/// The channel's units of a line that a fulfilment showed first, still standing.
fn standing(view: &View<'_>, fulfilment: &str, line: &LineKey) -> u32 {
    let shown = view.shipped_by_others();
    shown
        .filter(|shown| shown.key.as_str() == fulfilment && shown.line == line)
        .fold(0_u32, |sum, shown| sum.saturating_add(shown.units))
}

/// `items` for as many of the `whole` units as still stand.
fn part(items: u32, units: u32, whole: u32) -> u32 {
    if whole == 0 {
        return 0;
    }
    let part = u64::from(items) * u64::from(units) / u64::from(whole);
    u32::try_from(part).unwrap_or(u32::MAX)
}

/// Warehouse and items, and whether the place is known. Empty for a place that is not ours.
fn places(
    view: &View<'_>,
    line: &Line<'_>,
    location: Option<&str>,
    items: u32,
) -> (Vec<(String, u32)>, bool) {
    if let Some(code) = location {
        let ours = view
            .channel
            .locations
            .iter()
            .find(|(_, there)| *there == code);
        return (
            ours.map(|(name, _)| (name.clone(), items))
                .into_iter()
                .collect(),
            true,
        );
    }
    match &view.channel.others_ship_from {
        Some(OthersShipFrom::Warehouse(name)) => (vec![(name.clone(), items)], true),
        Some(OthersShipFrom::Elsewhere) => (Vec::new(), true),
        None => (blocked(view, line, items), false),
    }
}

/// Nobody says where they left from: they stay blocked where they were reserved, until a count of later knows better.
fn blocked(view: &View<'_>, line: &Line<'_>, items: u32) -> Vec<(String, u32)> {
    let mut rest = items;
    let mut places: Vec<(String, u32)> = Vec::new();
    for (warehouse, reserved, _) in line.reserved() {
        let here = rest.min(*reserved);
        if here > 0 {
            places.push((warehouse.clone(), here));
            rest -= here;
        }
    }
    if rest > 0
        && let Some(first) = view.policy.warehouses.first()
    {
        match places.iter_mut().find(|(name, _)| *name == first.name) {
            Some((_, items)) => *items += rest,
            None => places.push((first.name.clone(), rest)),
        }
    }
    places
}

/// The task about it, and the word that says it is settled.
const UNKNOWN: &str = "shipped_place_unknown";

/// True while it waits for a count or an operator.
fn unplaced(view: &View<'_>, fact: &ExternalShipmentFact, items: u32, tasks: &mut Tasks) -> bool {
    let counted = view.input.counted.get(&(
        fact.item_id,
        fact.places.first().map(|p| p.0.clone()).unwrap_or_default(),
    ));
    if counted.is_some_and(|at| *at > fact.shipped_at) {
        return false;
    }
    let Some(told) = view.first_seen(&fact.fulfilment) else {
        return false;
    };
    if view.fold.released_after(UNKNOWN, told) {
        return false;
    }
    let what = format!(
        "{items} × {} shipped in {} from a place that the channel does not name, and stay blocked. Wait for a stock count, or set [channels.{}] others_ship_from",
        view.label(&fact.line),
        fact.fulfilment,
        view.input.channel
    );
    tasks.tell(view, UNKNOWN, told, &what);
    true
}

impl View<'_> {
    /// The first reading that showed a fulfilment.
    fn first_seen(&self, fulfilment: &hikiate_sdk::ExternalId) -> Option<i64> {
        let shows = |reading: &&super::fold::Reading<'_>| {
            let mut all = reading.fact.order.fulfilments.iter();
            all.any(|shown| shown.key == *fulfilment)
        };
        self.fold.readings.iter().find(shows).map(|r| r.id)
    }

    /// A line for an operator: its SKU, else its title, else its key.
    pub(crate) fn label(&self, key: &LineKey) -> String {
        let readings = self.fold.readings.iter().rev();
        let mut lines = readings.flat_map(|reading| &reading.fact.order.lines);
        let line = lines.find(|line| line.key == *key);
        line.and_then(|line| line.sku.clone().or_else(|| Some(words(&line.title))))
            .filter(|text| !text.is_empty())
            .unwrap_or_else(|| key.to_string())
    }
}
