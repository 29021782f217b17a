//! What the simulated warehouse is told, does and tells.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

/// Folders below the root, from the warehouse's side of the same account.
#[derive(Clone, Debug)]
pub struct SimFolders {
    /// Where instructions arrive: the account's `outgoing`.
    pub instructions: String,
    /// Where answers go: the account's `incoming`.
    pub answers: String,
    /// Where files that were read go, unless the layout keeps them.
    pub done: String,
}

impl Default for SimFolders {
    fn default() -> Self {
        Self {
            instructions: "outgoing".to_owned(),
            answers: "incoming".to_owned(),
            done: "picked-up".to_owned(),
        }
    }
}

/// A kind of answer file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SimFile {
    /// 受付.
    Reply,
    /// 出荷実績.
    Shipped,
    /// 取消回答.
    CancelReply,
    /// 在庫.
    Stock,
}

/// A shipment as the warehouse was told it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimShipment {
    /// Our reference.
    pub reference: String,
    /// Our order number.
    pub order_number: String,
    /// What goes in.
    pub lines: Vec<SimLine>,
    /// The first row's cells by header.
    pub cells: BTreeMap<String, String>,
}

/// One line of a shipment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimLine {
    /// Its number.
    pub n: u32,
    /// The warehouse's code of the item.
    pub code: String,
    /// How many.
    pub quantity: u32,
}

/// A parcel that left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimParcel {
    /// Derived from the reference, so that it is the same in every run.
    pub tracking: String,
    /// When it left.
    pub shipped_at: DateTime<Utc>,
    /// What was inside.
    pub lines: Vec<SimLine>,
}

/// What the warehouse answers to a cancel request before it has shipped; afterwards it is too late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SimCancel {
    /// Stops the shipment.
    Accept,
    /// Ships all the same.
    Decline,
}

/// What the warehouse does with a shipment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimHandling {
    /// Refuses it in these words.
    pub reject: Option<String>,
    /// Ticks between acceptance and the first parcel.
    pub ship_after: u32,
    /// Ships one parcel per line, a tick apart, instead of one parcel.
    pub parcel_per_line: bool,
    /// How many of the last line stay behind for good.
    pub leave_out: u32,
    /// See [`SimCancel`].
    pub cancel: SimCancel,
}

impl Default for SimHandling {
    fn default() -> Self {
        Self {
            reject: None,
            ship_after: 1,
            parcel_per_line: false,
            leave_out: 0,
            cancel: SimCancel::Accept,
        }
    }
}

/// What a tick did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SimTick {
    /// Files of ours read.
    pub files: usize,
    /// Instructions accepted, also those told again.
    pub accepted: usize,
    /// Instructions refused.
    pub rejected: usize,
    /// Parcels that left.
    pub parcels: usize,
    /// Cancel requests answered.
    pub cancels: usize,
}
