//! `[payments]`, `[catalogue]`, `[delivery]`, `[notice]`, `[mail]`, `[[hold]]`, `[booking]`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::Language;
use crate::policy::{CorrectedNumber, DigitalBooking, HoldRule, Recognise, Release};

/// `[payments]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PaymentsTable {
    /// Decimal text in the shop's currency: `"500"`.
    pub deposit_tolerance: String,
}

/// `[catalogue]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CatalogueTable {
    /// How codes become items.
    pub mapping: Mapping,
    /// CSV with `item,account,code,multiplier`.
    #[serde(default)]
    pub file: Option<String>,
}

/// How codes become items.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mapping {
    /// The channel's code is the item's.
    SameCode,
    /// As the file lists.
    Listed,
}

/// `[delivery]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeliveryTable {
    /// Delivered this long after a parcel left; `never` waits for a report.
    pub presume: String,
    /// The same for parcels to another country than the shop's.
    #[serde(default)]
    pub presume_abroad: Option<String>,
    /// The same for parcels by a shipping method, by the channel's name of it.
    #[serde(default)]
    pub presume_by_service: BTreeMap<String, String>,
}

/// `[notice]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoticeTable {
    /// A parcel that was told without a number waits this long for it, before channel and customer are told without.
    pub wait_for_number: String,
    /// What is done about a number that its warehouse seems to have corrected.
    pub corrected_number: CorrectedNumber,
}

/// `[mail]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MailTable {
    /// The account that sends.
    #[serde(default)]
    pub account: Option<String>,
    /// Of the built-in templates.
    pub language: Language,
    /// A folder with templates of one's own.
    #[serde(default)]
    pub templates: Option<String>,
}

/// `[[hold]]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HoldTable {
    /// Never reused for another meaning.
    pub name: String,
    /// A CEL expression.
    pub when: String,
    /// How it lets go.
    #[serde(default = "person")]
    pub release: Release,
}

/// `[booking]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BookingTable {
    /// Which event makes revenue.
    pub recognise: Recognise,
    /// When an order of which nothing ships makes revenue.
    #[serde(default)]
    pub digital: DigitalBooking,
    /// The accounting account.
    pub account: String,
    /// When a journal batch closes.
    pub close: CloseTable,
    /// Account titles.
    #[serde(default)]
    pub titles: TitlesTable,
}

/// `close`: one of the two.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CloseTable {
    /// Daily at this local time.
    #[serde(default)]
    pub at: Option<String>,
    /// This long after it was opened.
    #[serde(default)]
    pub every: Option<String>,
}

/// `titles`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TitlesTable {
    /// 売上高.
    pub sales: String,
    /// 売上返品・値引; that of sales when not given.
    pub returns: Option<String>,
    /// 売掛金.
    pub receivable: String,
    /// 売掛金 of its own by who pays: a payment method (`card`), or `sponsor:NAME`.
    pub receivables: BTreeMap<String, String>,
    /// 仮受消費税.
    pub tax: String,
    /// 雑損益.
    pub rounding: String,
    /// 前受金.
    pub advance: String,
    /// 普通預金; with `suspense` and `deposit_rest`, deposits are booked.
    pub bank: Option<String>,
    /// 仮受金.
    pub suspense: Option<String>,
    /// What the tolerance of deposits leaves.
    pub deposit_rest: Option<String>,
}

impl Default for TitlesTable {
    fn default() -> Self {
        Self {
            sales: "売上高".to_owned(),
            returns: None,
            receivable: "売掛金".to_owned(),
            receivables: BTreeMap::new(),
            tax: "仮受消費税".to_owned(),
            rounding: "雑損益".to_owned(),
            advance: "前受金".to_owned(),
            bank: None,
            suspense: None,
            deposit_rest: None,
        }
    }
}

impl HoldTable {
    /// The rule as the policy has it.
    #[must_use]
    pub fn rule(&self) -> HoldRule {
        HoldRule {
            name: self.name.clone(),
            when: self.when.clone(),
            release: self.release,
        }
    }
}

fn person() -> Release {
    Release::Manual
}
