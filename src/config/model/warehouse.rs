//! `[warehouses.NAME]` and `[allocation]`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::policy::{ChangeRules, Partial};

/// `[warehouses.NAME]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WarehouseTable {
    /// The account that is instructed.
    pub account: String,
    /// The external system's code of the place.
    #[serde(default)]
    pub location: Option<String>,
    /// When instructions go out.
    pub dispatch: DispatchTable,
    /// A task opens when there is no reply for this long; `never` for none.
    #[serde(default)]
    pub reply_within: Option<String>,
    /// Local times at which its replies come, instead.
    #[serde(default)]
    pub expect: Option<Vec<String>>,
    /// What is done when an order changes after its instruction was sent.
    #[serde(default)]
    pub change: ChangeRules,
    /// A channel's shipping method → the warehouse's word; one that is not here holds the order. Names go as they come without.
    #[serde(default)]
    pub services: BTreeMap<String, String>,
    /// A channel's time of day → the warehouse's word, in the same way; an empty word leaves it out.
    #[serde(default)]
    pub slots: BTreeMap<String, String>,
}

/// `dispatch`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DispatchTable {
    /// At cut-offs or at once.
    pub mode: DispatchMode,
    /// Local times, for waves.
    #[serde(default)]
    pub cutoffs: Option<Vec<String>>,
    /// From allocation to sealing, for `continuous`.
    #[serde(default)]
    pub grace: Option<String>,
    /// Rows in a batch at the most.
    #[serde(default = "rows")]
    pub max_rows: u32,
    /// Files for one cut-off at the most, where the warehouse imports no more; for `wave`.
    #[serde(default)]
    pub files_per_cutoff: Option<u32>,
}

/// Ways of sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DispatchMode {
    /// At cut-offs.
    Wave,
    /// At once, after the grace period.
    Continuous,
}

/// `[allocation]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AllocationTable {
    /// Every warehouse once; the order of the file when empty.
    pub prefer: Vec<String>,
    /// One order may leave from several warehouses.
    pub split: bool,
    /// Orders with stock for a part only.
    pub partial: Partial,
    /// An order that is not paid keeps its stock this long: a length of time, working days as `7bd`, or `never`.
    pub expire_unpaid: String,
}

fn rows() -> u32 {
    3000
}
