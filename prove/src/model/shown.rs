//! What the channel shows as shipped, unit by unit, by an own reading of the facts.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use hikiate::facts::{Fact, FactBody};
use hikiate_sdk::LineKey;

/// So long a cancelled fulfilment is taken for one whose number is corrected.
const CORRECTION: TimeDelta = TimeDelta::minutes(30);

/// One unit of a line that the channel showed as shipped.
#[derive(Clone, Debug)]
pub(super) struct Unit<'a> {
    /// Which line.
    pub(super) line: &'a LineKey,
    /// We told the channel of it.
    pub(super) ours: bool,
    /// The fulfilment that showed it first.
    pub(super) first: &'a str,
    /// The channel's code of the place.
    pub(super) place: Option<&'a str>,
    /// Every tracking number it had, without what people put between digits.
    pub(super) numbers: BTreeSet<String>,
    /// A parcel of ours with the same number holds it.
    pub(super) parcel: bool,
    /// Since when no fulfilment shows it any more.
    pub(super) lost: Option<DateTime<Utc>>,
    by: &'a str,
}

impl Unit<'_> {
    /// Others shipped it, and it is in no parcel of ours.
    #[must_use]
    pub(super) fn theirs(&self) -> bool {
        !self.ours && !self.parcel
    }

    /// It is cancelled, and not to correct a number.
    #[must_use]
    pub(super) fn in_doubt(&self, at: DateTime<Utc>) -> bool {
        self.lost.is_some_and(|since| since + CORRECTION <= at)
    }
}

/// A number as a carrier reads it.
#[must_use]
pub(super) fn digits(number: &str) -> String {
    let kept = number.chars().filter(char::is_ascii_alphanumeric);
    kept.map(|c| c.to_ascii_uppercase()).collect()
}

/// All units that count as shipped by what the channel showed and what operators said about it; `foreign` are the lines
/// that we do not ship.
#[must_use]
pub(super) fn units<'a>(
    facts: &'a [Fact],
    number: &str,
    foreign: &BTreeSet<&LineKey>,
    now: DateTime<Utc>,
) -> Vec<Unit<'a>> {
    let mut units: Vec<Unit<'a>> = Vec::new();
    let mut counted: BTreeSet<&str> = BTreeSet::new();
    for fact in facts {
        match &fact.body {
            FactBody::Released(gone) if fact.actor != "plan" => {
                let over = |unit: &Unit<'_>| {
                    let one = format!("fulfilment_cancelled:{}", unit.first);
                    let of_line = format!("{one}:{}", unit.line);
                    unit.in_doubt(fact.happened_at) && (gone.names(&one) || gone.names(&of_line))
                };
                units.retain(|unit| unit.ours || !over(unit));
            }
            FactBody::Order(reading) => {
                let live: Vec<_> = reading
                    .order
                    .fulfilments
                    .iter()
                    .filter(|f| f.shipped() && !f.cancelled())
                    .collect();
                for unit in &mut units {
                    match live.iter().find(|f| f.key.as_str() == unit.by) {
                        Some(f) => {
                            unit.lost = None;
                            unit.numbers.extend(f.tracking.iter().map(|n| digits(n)));
                        }
                        None => {
                            unit.lost.get_or_insert(fact.recorded_at);
                        }
                    }
                }
                for f in live {
                    if !counted.insert(f.key.as_str()) {
                        continue;
                    }
                    let numbers: BTreeSet<String> = f.tracking.iter().map(|n| digits(n)).collect();
                    let named = f.reference.as_deref();
                    let ours = named.is_some_and(|name| name.starts_with(&format!("{number}-S")));
                    for (line, quantity) in &f.lines {
                        for _ in 0..*quantity {
                            let mut gone = units.iter_mut();
                            // A notice of ours stands for no goods that others shipped.
                            let gone = gone.find(|unit| {
                                unit.line == line && unit.lost.is_some() && (unit.ours || !ours)
                            });
                            if let Some(unit) = gone {
                                (unit.by, unit.lost) = (f.key.as_str(), None);
                                unit.numbers.extend(numbers.iter().cloned());
                                continue;
                            }
                            units.push(Unit {
                                line,
                                ours,
                                first: f.key.as_str(),
                                place: f.location.as_deref(),
                                numbers: numbers.clone(),
                                parcel: false,
                                lost: None,
                                by: f.key.as_str(),
                            });
                        }
                    }
                }
            }
            _ => {}
        }
    }
    // What becomes of lines that we do not ship, the channel alone knows.
    units.retain(|unit| unit.ours || !foreign.contains(unit.line) || !unit.in_doubt(now));
    units
}

/// What a parcel of ours holds of a line: its numbers, and the channel's units.
pub(super) type Held<'a> = (BTreeSet<String>, &'a LineKey, u32);

/// Marks the units that are in parcels of ours, each unit once.
pub(super) fn mark(units: &mut [Unit<'_>], mut parcels: Vec<Held<'_>>) {
    for unit in units.iter_mut().filter(|unit| !unit.ours) {
        let holds = |(numbers, line, units): &&mut Held<'_>| {
            *units > 0 && *line == unit.line && !numbers.is_disjoint(&unit.numbers)
        };
        if let Some((_, _, units)) = parcels.iter_mut().find(holds) {
            *units -= 1;
            unit.parcel = true;
        }
    }
}
