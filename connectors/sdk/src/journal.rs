//! What is said to accounting: balanced entries, a batch at a time.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::Currency;

/// A sealed set of journal entries (仕訳); posted whole or not at all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalBatch {
    /// Entries, each balanced.
    pub entries: Vec<JournalEntry>,
}

/// One entry: the lines of one currency add up to zero.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// Our reference, at most 20 characters, unique for ever.
    pub reference: String,
    /// Posting date in the shop's zone.
    pub date: NaiveDate,
    /// What it is, for a person: channel, payment, tax rate.
    pub description: String,
    /// Currency of all its lines.
    pub currency: Currency,
    /// Debits positive, credits negative.
    pub lines: Vec<JournalLine>,
}

/// One line of an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalLine {
    /// The account title (勘定科目) as the merchant's books name it.
    pub account: String,
    /// Minor units; debit positive, credit negative.
    pub amount: i64,
    /// Basis points, where the line has a rate.
    pub tax_rate_bp: Option<u32>,
}
