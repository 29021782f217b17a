//! `[channels.NAME]`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::policy::{CaptureRule, MailKind, PaymentMethod};

/// `[channels.NAME]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChannelTable {
    /// The channel's name of a way of paying → ours.
    #[serde(default)]
    pub payments: BTreeMap<String, PaymentTable>,
    /// Tell the channel what was shipped.
    #[serde(default = "yes")]
    pub notify: bool,
    /// When money is captured.
    #[serde(default = "each")]
    pub capture: CaptureRule,
    /// Mails hikiate sends.
    #[serde(default)]
    pub mail: Vec<MailKind>,
    /// Our warehouse → the channel's code of the place.
    #[serde(default)]
    pub locations: BTreeMap<String, String>,
    /// Open orders are read again this often; `never` for not at all.
    #[serde(default = "reread")]
    pub reread: String,
    /// The currency its orders are in, against which amounts in rules are checked.
    #[serde(default)]
    pub currency: Option<String>,
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

fn each() -> CaptureRule {
    CaptureRule::EachShipment
}

fn reread() -> String {
    "15m".to_owned()
}
