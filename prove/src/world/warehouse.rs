//! A warehouse of the world, however it is reached: it has a shelf, is instructed, ships and remembers.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use hikiate_files::sim::{SimParcel, SimShipment, SimTick, WarehouseSim};

use super::folder::MemoryFolder;
use super::third::Third;

/// A warehouse.
pub(super) struct Warehouse {
    pub(super) name: &'static str,
    /// Its account.
    pub(super) slug: String,
    pub(super) by: By,
}

/// How it is reached.
pub(super) enum By {
    Files {
        sim: Box<WarehouseSim>,
        folder: Arc<MemoryFolder>,
    },
    Openlogi(Third),
}

impl Warehouse {
    /// Its folder, where it has one.
    pub(super) fn folder(&self) -> Option<&Arc<MemoryFolder>> {
        match &self.by {
            By::Files { folder, .. } => Some(folder),
            By::Openlogi(_) => None,
        }
    }

    /// It, where it works with files.
    pub(super) fn files(&self) -> Option<&WarehouseSim> {
        match &self.by {
            By::Files { sim, .. } => Some(sim),
            By::Openlogi(_) => None,
        }
    }

    /// Sets what is on the shelf.
    pub(super) fn set_stock(&self, code: &str, quantity: i64) {
        match &self.by {
            By::Files { sim, .. } => sim.set_stock(code, quantity),
            By::Openlogi(third) => third.set_stock(code, quantity),
        }
    }

    /// Puts more on the shelf, or takes it away.
    pub(super) fn add_stock(&self, code: &str, quantity: i64) {
        match &self.by {
            By::Files { sim, .. } => sim.add_stock(code, quantity),
            By::Openlogi(third) => third.add_stock(code, quantity),
        }
    }

    /// What is on the shelf.
    pub(super) fn stock(&self) -> BTreeMap<String, i64> {
        match &self.by {
            By::Files { sim, .. } => sim.stock(),
            By::Openlogi(third) => third.stock(),
        }
    }

    /// Tells what is on the shelf, where nobody asks for it.
    pub(super) async fn write_stock(&self, now: DateTime<Utc>) {
        if let By::Files { sim, .. } = &self.by {
            sim.write_stock(now).await.unwrap();
        }
    }

    /// Its people do what is due; in words, or what went wrong.
    pub(super) async fn tick(&self, now: DateTime<Utc>) -> Result<String, String> {
        match &self.by {
            By::Files { sim, .. } => match sim.tick(now).await {
                Ok(told) if told == SimTick::default() => Ok(String::new()),
                Ok(told) => Ok(format!("{told:?}")),
                Err(error) => Err(error.to_string()),
            },
            By::Openlogi(third) => Ok(third.tick()),
        }
    }

    /// Every shipment as it was told, by our reference.
    pub(super) fn shipments(&self) -> BTreeMap<String, SimShipment> {
        match &self.by {
            By::Files { sim, .. } => sim.shipments(),
            By::Openlogi(third) => third.shipments(),
        }
    }

    /// Parcels that left, by our reference.
    pub(super) fn shipped(&self) -> BTreeMap<String, Vec<SimParcel>> {
        match &self.by {
            By::Files { sim, .. } => sim.shipped(),
            By::Openlogi(third) => third.shipped(),
        }
    }

    /// Some of a shipment is still to leave.
    pub(super) fn is_open(&self, reference: &str) -> bool {
        match &self.by {
            By::Files { sim, .. } => sim.is_open(reference),
            By::Openlogi(third) => third.is_open(reference),
        }
    }

    /// References of shipments that were stopped.
    pub(super) fn cancelled(&self) -> Vec<String> {
        match &self.by {
            By::Files { sim, .. } => sim.cancelled(),
            By::Openlogi(third) => third.cancelled(),
        }
    }

    /// References that it was told more than once, and how often.
    pub(super) fn duplicates(&self) -> Vec<(String, usize)> {
        match &self.by {
            By::Files { sim, .. } => {
                let twice = sim.duplicates().into_iter();
                twice.map(|of| (of.clone(), sim.instructed(&of))).collect()
            }
            By::Openlogi(third) => third.duplicates(),
        }
    }

    /// What a call with this label was to do is done: a file lies there, a shipment was created or stopped.
    pub(super) fn did(&self, label: &str) -> bool {
        match &self.by {
            By::Files { folder, .. } => folder.has(label),
            By::Openlogi(third) => third.did(label),
        }
    }
}
