//! `[channels.NAME]`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::policy::{Annotate, CaptureRule, Completed, MailKind, Others, PaymentMethod};

/// `[channels.NAME]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChannelTable {
    /// The channel's name of a way of paying → ours.
    #[serde(default)]
    pub payments: BTreeMap<String, PaymentTable>,
    /// Tell the channel what was shipped.
    #[serde(default = "yes")]
    pub shipping_notice: bool,
    /// What the channel's staff are shown of an order there, where its connector can; `never` where it is not written.
    #[serde(default)]
    pub annotate: Annotate,
    /// When money is captured; what its accounts can do where it is not written.
    #[serde(default)]
    pub capture: Option<CaptureRule>,
    /// Mails hikiate sends.
    #[serde(default)]
    pub mail: Vec<MailKind>,
    /// Our warehouse → the channel's code of the place.
    #[serde(default)]
    pub locations: BTreeMap<String, String>,
    /// A warehouse's name of a carrier → the channel's; a name that is not here is a task. Names go as they come without.
    #[serde(default)]
    pub carriers: BTreeMap<String, String>,
    /// Open orders are read again this often; `never` for not at all.
    #[serde(default = "refresh")]
    pub refresh: String,
    /// Where others ship from when the channel names no place: a warehouse of ours, or `elsewhere`.
    #[serde(default)]
    pub others_ship_from: Option<String>,
    /// What it means that somebody completed an order with goods open.
    #[serde(default)]
    pub completed: Completed,
    /// Such an order keeps its stock this long; `never` for without end.
    #[serde(default = "completed_hold")]
    pub completed_hold: String,
    /// Whether fulfilments that the channel makes by itself are believed.
    #[serde(default)]
    pub others: Others,
    /// `all`: it counts as begun for all time.
    #[serde(default)]
    pub begin: Option<BeginWord>,
    /// Before it begins, orders older than so many days reserve nothing; then they are history.
    #[serde(default = "zombie_days")]
    pub zombie_days: u16,
    /// Orders last read longer than this before their batch is sealed are read again first; `off` for not at all.
    #[serde(default = "recheck")]
    pub recheck: String,
    /// What could not be read again in time waits for the next batch.
    #[serde(default)]
    pub recheck_required: bool,
    /// An order that the channel no longer shows keeps its stock this long; `never` for without end.
    #[serde(default = "vanished_after")]
    pub vanished_after: String,
    /// Per cent of tax in amounts whose rate the channel does not tell, as text: "10".
    #[serde(default)]
    pub default_tax: Option<String>,
    /// The currency its orders are in, against which amounts in rules are checked.
    #[serde(default)]
    pub currency: Option<String>,
}

/// `[channels.NAME] begin`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BeginWord {
    /// Acts on orders of all time, for tests and demos.
    All,
}

/// One way of paying.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PaymentTable {
    /// Ours.
    pub method: PaymentMethod,
    /// The account that captures.
    #[serde(default)]
    pub account: Option<String>,
}

fn yes() -> bool {
    true
}

fn completed_hold() -> String {
    "72h".to_owned()
}

fn zombie_days() -> u16 {
    90
}

fn refresh() -> String {
    "15m".to_owned()
}

fn recheck() -> String {
    "10m".to_owned()
}

fn vanished_after() -> String {
    "72h".to_owned()
}
