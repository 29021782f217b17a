//! The capability cards: the conformance suite looped over the registry, written into the document for people.

mod document;
mod openapi;
mod run;

pub use document::{replace, section};
pub use openapi::deviations;
pub use run::{Dealt, deal};
