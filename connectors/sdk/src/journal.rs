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
    /// What it is, for an operator: channel, payment, tax rate.
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
    /// Minor units, tax included; debit positive, credit negative.
    pub amount: i64,
    /// The tax in it, where the line has a rate.
    pub tax: Option<LineTax>,
}

/// The tax in a line of an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineTax {
    /// Basis points.
    pub rate_bp: u32,
    /// Minor units, with the line's sign; 0 on a line that it does not stand in, or no more.
    pub amount: i64,
    /// The title of the tax, for books that keep it apart.
    pub account: String,
    /// The class that the channel names; empty for none.
    pub class: String,
}

/// Where books have tax.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaxStyle {
    /// In a line of its own (税抜).
    #[default]
    Apart,
    /// Inside the line's amount (税込).
    Inside,
}

impl JournalBatch {
    /// The same in a style of tax: apart, each line is without its tax and followed by a line of the tax's title.
    #[must_use]
    pub fn spread(&self, style: TaxStyle) -> Self {
        let mut batch = self.clone();
        if style == TaxStyle::Inside {
            return batch;
        }
        for entry in &mut batch.entries {
            let lines = entry.lines.iter().flat_map(apart);
            entry.lines = lines.collect();
        }
        batch
    }
}

fn apart(line: &JournalLine) -> Vec<JournalLine> {
    let Some(tax) = line.tax.as_ref().filter(|tax| tax.amount != 0) else {
        return vec![line.clone()];
    };
    let out = |account: &String, amount| JournalLine {
        account: account.clone(),
        amount,
        tax: Some(LineTax {
            amount: 0,
            ..tax.clone()
        }),
    };
    vec![
        out(&line.account, line.amount.saturating_sub(tax.amount)),
        out(&tax.account, tax.amount),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tax_apart_leaves_each_entry_balanced() {
        let line = |account: &str, amount, tax: Option<(u32, i64)>| JournalLine {
            account: account.to_owned(),
            amount,
            tax: tax.map(|(rate_bp, amount)| LineTax {
                rate_bp,
                amount,
                account: "tax".to_owned(),
                class: String::new(),
            }),
        };
        let entry = JournalEntry {
            reference: "J1".to_owned(),
            date: NaiveDate::default(),
            description: String::new(),
            currency: Currency::JPY,
            lines: vec![
                line("owed", 1500, None),
                line("sales", -1100, Some((1000, -100))),
                line("export", -400, Some((0, 0))),
            ],
        };
        let batch = JournalBatch {
            entries: vec![entry],
        };
        assert_eq!(batch.spread(TaxStyle::Inside), batch);
        assert_eq!(
            batch.spread(TaxStyle::Apart).entries[0].lines,
            [
                line("owed", 1500, None),
                line("sales", -1000, Some((1000, 0))),
                line("tax", -100, Some((1000, 0))),
                line("export", -400, Some((0, 0))),
            ]
        );
    }
}
