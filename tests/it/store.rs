//! The store's promises, one by one: pages, quarantine, leases, the queue, deposits, the clock.

mod deposits;
mod figures;
mod leases;
mod memory;
mod newer;
mod pages;
mod parcels;
mod payments;
mod presence;
mod purge;
mod quarantine;
mod queue;
mod reads;
mod reservations;
mod stock;
mod versions;
mod window;
mod words;
