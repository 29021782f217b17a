//! The third warehouse, which is OPENLOGI's, and its staff: they pick and ship by the day, put shipments on hold, delete them,
//! answer requests to stop them, ship less than was asked for, and tell numbers late.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hikiate_files::sim::{SimCancel, SimLine, SimParcel, SimShipment};
use hikiate_openlogi::sim::{OpenlogiSim, STANDARD, SimShipment as Known};

use super::handling::handling;

/// Ticks after which a shipment is taken over for picking: from then on a cancellation is a request.
const PICKED: u32 = 2;

pub(super) struct Third {
    pub(super) sim: Arc<OpenlogiSim>,
    seed: u64,
    staff: Mutex<Staff>,
}

/// What its staff keep in mind.
#[derive(Default)]
struct Staff {
    /// Ticks since a shipment was first seen, by its id.
    ticks: BTreeMap<String, u32>,
    /// Labels printed so far.
    labels: u32,
}

impl Third {
    pub(super) fn new(sim: Arc<OpenlogiSim>, seed: u64) -> Self {
        Self {
            sim,
            seed,
            staff: Mutex::default(),
        }
    }

    fn staff(&self) -> MutexGuard<'_, Staff> {
        self.staff.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_stock(&self, code: &str, quantity: i64) {
        self.sim.count_stock(code, STANDARD, quantity);
    }

    pub(super) fn add_stock(&self, code: &str, quantity: i64) {
        self.sim.receive(code, STANDARD, quantity);
    }

    pub(super) fn stock(&self) -> BTreeMap<String, i64> {
        let codes = self.sim.codes().into_iter();
        let shelf = |code: &String| self.sim.on_shelf(code, STANDARD);
        codes.map(|code| (code.clone(), shelf(&code))).collect()
    }

    /// What came from us, oldest first.
    fn ours(&self) -> impl Iterator<Item = Known> {
        let all = self.sim.shipments().into_iter();
        all.filter(|shipment| !shipment.is_return)
    }

    pub(super) fn shipments(&self) -> BTreeMap<String, SimShipment> {
        self.ours()
            .map(|known| (known.identifier.clone(), told(&known)))
            .collect()
    }

    pub(super) fn shipped(&self) -> BTreeMap<String, Vec<SimParcel>> {
        let mut shipped: BTreeMap<String, Vec<SimParcel>> = BTreeMap::new();
        for known in self.ours() {
            let Some(shipped_at) = known.shipped_at else {
                continue;
            };
            let parcel = SimParcel {
                tracking: known.tracking.first().cloned().unwrap_or_default(),
                shipped_at,
                lines: told(&known).lines,
            };
            shipped.entry(known.identifier).or_default().push(parcel);
        }
        shipped
    }

    pub(super) fn is_open(&self, reference: &str) -> bool {
        self.ours()
            .any(|of| of.identifier == reference && open(&of))
    }

    pub(super) fn cancelled(&self) -> Vec<String> {
        let gone = self.ours().filter(|of| of.gone && of.shipped_at.is_none());
        gone.map(|of| of.identifier).collect()
    }

    pub(super) fn duplicates(&self) -> Vec<(String, usize)> {
        let mut told: BTreeMap<String, usize> = BTreeMap::new();
        // One that staff deleted before it was looked for is not there: it may be created anew.
        for known in self.ours().filter(|of| !of.gone) {
            *told.entry(known.identifier).or_default() += 1;
        }
        told.into_iter().filter(|(_, n)| *n > 1).collect()
    }

    pub(super) fn did(&self, label: &str) -> bool {
        let reference = label.rsplit(['/', ' ']).next().unwrap_or_default();
        let mut same = self.ours().filter(|of| of.identifier == reference);
        match label.split(' ').next() {
            Some("POST") => same.next().is_some(),
            Some("DELETE") => same.any(|of| of.gone || of.cancel_requests > 0),
            _ => false,
        }
    }

    /// Its staff go on with what is there; in words.
    pub(super) fn tick(&self) -> String {
        let mut words = Vec::new();
        for known in self.ours().filter(open) {
            let tick = {
                let mut staff = self.staff();
                let tick = staff.ticks.entry(known.id.clone()).or_default();
                *tick += 1;
                *tick
            };
            let done = self.work_on(&known, tick);
            words.extend(done.map(|done| format!("{} {done}", known.identifier)));
        }
        words.join(", ")
    }

    fn work_on(&self, known: &Known, tick: u32) -> Option<&'static str> {
        let reference = known.identifier.as_str();
        let handling = handling(self.seed, &told(known));
        let done = |done: bool, word| done.then_some(word);
        match known.status.as_str() {
            "backordered" => None,
            "suspended" => done(self.sim.resume(reference), "goes on"),
            "cancel_request" => {
                let stops = handling.cancel == SimCancel::Accept;
                let word = if stops {
                    "is stopped"
                } else {
                    "is not stopped"
                };
                done(self.sim.answer_cancel(reference, stops), word)
            }
            _ if tick == 1 && handling.reject.is_some() => {
                done(self.sim.delete_by_hand(reference), "is deleted by hand")
            }
            _ if tick == 1 && handling.parcel_per_line => {
                done(self.sim.suspend(reference), "is on hold")
            }
            "waiting" if tick >= PICKED => done(self.sim.start_picking(reference), "is picked"),
            "picking" | "picked" | "packed" if tick > PICKED + handling.ship_after => {
                self.leave_out(known, handling.leave_out);
                let label = {
                    let mut staff = self.staff();
                    staff.labels += 1;
                    format!("4400{:08}", staff.labels)
                };
                done(self.sim.ship(reference, &[&label]), "left")
            }
            _ => None,
        }
    }

    /// Some of its last item stays behind.
    fn leave_out(&self, known: &Known, some: u32) {
        let Some((code, n)) = known.items.iter().next_back() else {
            return;
        };
        if some > 0 && *n > some {
            let left = n - some;
            self.sim.change_quantity(&known.identifier, code, left);
        }
    }
}

fn open(known: &Known) -> bool {
    !known.gone && known.shipped_at.is_none()
}

/// As it was told; its reference is made of our number of the order.
fn told(known: &Known) -> SimShipment {
    let reference = known.identifier.clone();
    let number = reference.rsplit_once("-S").map(|(number, _)| number);
    let lines = known.items.iter().zip(1..);
    SimShipment {
        order_number: number.unwrap_or(&reference).to_owned(),
        lines: lines
            .map(|((code, quantity), n)| SimLine {
                n,
                code: code.clone(),
                quantity: *quantity,
            })
            .collect(),
        cells: BTreeMap::new(),
        reference,
    }
}
