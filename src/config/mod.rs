//! Configuration: layered, checked as a whole, and resolved to a policy before anything starts.

mod accounts;
mod catalogue;
mod delivery;
mod document;
mod layers;
mod load;
pub mod model;
mod process;
mod renamed;
mod report;
mod resolve;
mod routes;
mod secrets;
mod settings;
mod shape;
mod spans;
mod summary;
mod templates;
#[cfg(test)]
mod tests;
mod titles;
mod transport;
mod units;
mod warehouses;
mod words;

pub use accounts::AccountBuilt;
pub(crate) use catalogue::{
    HEADING as MAPPING_HEADING, cells as csv_cells, marked as mapping_cell,
};
pub use layers::{DEFAULTS, Surroundings, listener, state_dir};
pub use load::{Loaded, load};
pub use report::ConfigProblem;
pub use settings::{
    DatabaseSettings, EngineSettings, HookSettings, HttpSettings, Language, LogFormat, LogSettings,
    MailTemplate, MailTemplates, Settings,
};
pub(crate) use units::per_cent;
