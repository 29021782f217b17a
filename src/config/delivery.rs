//! `[delivery]`: when a parcel counts as delivered.

use std::collections::BTreeMap;

use chrono::Duration;

use super::model::DeliveryTable;
use super::report::Problems;
use super::units::span_or_never;
use crate::policy::Presume;

/// Parcels abroad count as delivered no sooner than this, where nothing else is written.
const ABROAD: Duration = Duration::days(10);

/// When a parcel counts as delivered that nobody reports.
pub(super) fn presume(table: &DeliveryTable, p: &mut Problems<'_>) -> Presume {
    let home = p
        .value(&["delivery", "presume"], span_or_never(&table.presume, 0))
        .flatten();
    let abroad = match &table.presume_abroad {
        Some(text) => p
            .value(&["delivery", "presume_abroad"], span_or_never(text, 0))
            .flatten(),
        None => home.map(|home| home.max(ABROAD)),
    };
    let mut by_service = BTreeMap::new();
    for (name, text) in &table.presume_by_service {
        let path = ["delivery", "presume_by_service", name];
        if let Some(after) = p.value(&path, span_or_never(text, 0)) {
            by_service.insert(name.clone(), after);
        }
    }
    Presume {
        home,
        abroad,
        by_service,
    }
}
