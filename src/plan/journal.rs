//! From revenue events to journal entries (仕訳): one per day, channel, payment, currency and tax rate,
//! each balanced. Pure.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use hikiate_sdk::{AccountSlug, Currency, JournalBatch, JournalEntry, JournalLine};

use crate::policy::{Booking, PaymentMethod};
use crate::store::OpenRevenue;

/// What revenue is summed by: day, channel, payment, currency, tax rate, and whether it is rounding.
pub type Place = (NaiveDate, AccountSlug, String, Currency, i32, bool);

/// The entry that a revenue event goes into.
#[must_use]
pub fn place_of(row: &OpenRevenue) -> Place {
    (
        row.business_date,
        row.channel.clone(),
        row.payment.clone(),
        row.currency,
        row.tax_rate_bp,
        row.rounding,
    )
}

/// Sums revenue into entries named `number` + `-` + n.
#[must_use]
pub fn journal_of(rows: &[OpenRevenue], booking: &Booking, number: &str) -> JournalBatch {
    let mut sums: BTreeMap<Place, (i64, i64)> = BTreeMap::new();
    for row in rows {
        let sum = sums.entry(place_of(row)).or_default();
        sum.0 += row.gross;
        sum.1 += row.tax;
    }
    let entries = sums
        .into_iter()
        .filter(|(_, (gross, tax))| *gross != 0 || *tax != 0)
        .enumerate()
        .map(
            |(n, ((date, channel, payment, currency, rate, rounding), (gross, tax)))| {
                let titles = &booking.titles;
                let debit = if payment == PaymentMethod::BankTransfer.as_str() {
                    &titles.advance
                } else {
                    &titles.receivable
                };
                let rate_bp = u32::try_from(rate).ok();
                let line = |account: &String, amount: i64, tax_rate_bp| JournalLine {
                    account: account.clone(),
                    amount,
                    tax_rate_bp,
                };
                let mut lines = vec![line(debit, gross, None)];
                if rounding {
                    lines.push(line(&titles.rounding, -gross, None));
                } else {
                    lines.push(line(&titles.sales, tax - gross, rate_bp));
                    if tax != 0 {
                        lines.push(line(&titles.tax, -tax, rate_bp));
                    }
                }
                let what = if rounding {
                    "rounding".to_owned()
                } else {
                    format!("{}.{:02} %", rate / 100, rate % 100)
                };
                JournalEntry {
                    reference: format!("{number}-{}", n + 1),
                    date,
                    description: format!("{channel} {payment} {what}"),
                    currency,
                    lines,
                }
            },
        )
        .collect();
    JournalBatch { entries }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Close, Recognise, Titles};

    fn row(
        date: &str,
        payment: &str,
        rate: i32,
        rounding: bool,
        gross: i64,
        tax: i64,
    ) -> OpenRevenue {
        OpenRevenue {
            id: 1,
            subject_id: 1,
            key: "1:1000:sales".to_owned(),
            business_date: date.parse().unwrap_or_default(),
            channel: AccountSlug::new("shop"),
            payment: payment.to_owned(),
            currency: Currency::JPY,
            tax_rate_bp: rate,
            rounding,
            gross,
            tax,
        }
    }

    #[test]
    fn every_entry_balances_and_rates_stand_apart() {
        let titles = Titles {
            sales: "売上高".into(),
            receivable: "売掛金".into(),
            tax: "仮受消費税".into(),
            rounding: "雑損益".into(),
            advance: "前受金".into(),
        };
        let booking = Booking {
            recognise: Recognise::Shipped,
            digital: Default::default(),
            account: AccountSlug::new("books"),
            close: Close::Every(chrono::Duration::seconds(1)),
            titles,
        };
        let rows = [
            row("2026-11-21", "card", 1000, false, 1100, 100),
            row("2026-11-21", "card", 1000, false, 2200, 200),
            row("2026-11-21", "card", 800, false, 1080, 80),
            row("2026-11-22", "bank_transfer", 1000, false, 1100, 100),
            row("2026-11-21", "card", 0, true, -1, 0),
        ];
        let batch = journal_of(&rows, &booking, "HB0000000000000");
        assert_eq!(batch.entries.len(), 4);
        for entry in &batch.entries {
            assert_eq!(
                entry.lines.iter().map(|l| l.amount).sum::<i64>(),
                0,
                "{entry:?}"
            );
            assert!(entry.reference.len() <= 20);
        }
        let debits: i64 = batch
            .entries
            .iter()
            .flat_map(|e| &e.lines)
            .filter(|l| l.account == "売掛金" || l.account == "前受金")
            .map(|l| l.amount)
            .sum();
        assert_eq!(debits, 1100 + 2200 + 1080 + 1100 - 1);
    }
}
