//! From revenue events to journal entries (仕訳): one per day, channel, payment, currency and tax rate,
//! each balanced. Pure.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use hikiate_sdk::{AccountSlug, Currency, JournalBatch, JournalEntry, JournalLine, LineTax};

use super::types::{PostingKind, RevenueKind, TaxOf};
use crate::policy::{Booking, PaymentMethod, Titles};

/// A revenue event that waits to be booked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenRevenue {
    /// Row id.
    pub id: i64,
    /// The order's row.
    pub subject_id: i64,
    /// Names it among the order's.
    pub key: String,
    /// Posting date.
    pub business_date: NaiveDate,
    /// Channel.
    pub channel: AccountSlug,
    /// What it is.
    pub kind: RevenueKind,
    /// Who pays: a payment method's word, or `sponsor:NAME`.
    pub payment: String,
    /// Currency.
    pub currency: Currency,
    /// Some of its order came by a deposit that is not in the books: it came before their titles were set.
    pub unbooked_deposit: bool,
    /// What it is taxed by.
    pub tax_of: TaxOf,
    /// Minor units, tax included.
    pub gross: i64,
    /// The tax in it.
    pub tax: i64,
}

/// A posting of a deposit that waits to be booked; an entry of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenPosting {
    /// Row id.
    pub id: i64,
    /// What it is.
    pub kind: PostingKind,
    /// Our number of the deposit; of the order where it is about the rest.
    pub number: String,
    /// Our number of the order.
    pub order: Option<String>,
    /// Posting date.
    pub business_date: NaiveDate,
    /// Channel.
    pub channel: AccountSlug,
    /// Currency.
    pub currency: Currency,
    /// Minor units; above zero but for a rest that is missing.
    pub amount: i64,
}

/// What revenue is summed by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Posting date.
    pub date: NaiveDate,
    /// The channel account.
    pub channel: AccountSlug,
    /// Who pays.
    pub payment: String,
    /// Paid in advance by a deposit that is not in the books.
    pub in_advance: bool,
    /// Currency.
    pub currency: Currency,
    /// What is taxed how.
    pub tax_of: TaxOf,
    /// Sales, returns or rounding.
    pub kind: RevenueKind,
}

/// The entry that a revenue event goes into.
#[must_use]
pub fn place_of(row: &OpenRevenue) -> Place {
    let by_bank = row.payment == PaymentMethod::BankTransfer.as_str();
    Place {
        in_advance: by_bank && row.unbooked_deposit,
        date: row.business_date,
        channel: row.channel.clone(),
        payment: row.payment.clone(),
        currency: row.currency,
        tax_of: row.tax_of.clone(),
        kind: row.kind,
    }
}

/// The title of what a payer owes.
fn receivable<'a>(titles: &'a Titles, payment: &str, in_advance: bool) -> &'a String {
    let by_bank = payment == PaymentMethod::BankTransfer.as_str();
    match titles.receivables.get(payment) {
        Some(own) => own,
        // Where deposits are booked, what came before it was earned stands there with the other sign.
        None if by_bank && (in_advance || titles.deposits.is_none()) => &titles.advance,
        None => &titles.receivable,
    }
}

/// The title of what was earned.
fn earned(titles: &Titles, kind: RevenueKind) -> &String {
    match kind {
        RevenueKind::Sales => &titles.sales,
        RevenueKind::Returns => &titles.returns,
        RevenueKind::Rounding => &titles.rounding,
    }
}

/// For an operator who reads the books.
fn describe(place: &Place) -> String {
    let rate = place.tax_of.rate_bp;
    let mut words = vec![place.channel.to_string(), place.payment.clone()];
    match place.kind {
        RevenueKind::Rounding => words.push("rounding".to_owned()),
        kind => {
            words.push(format!("{}.{:02} %", rate / 100, rate % 100));
            let more = [&place.tax_of.class, &place.tax_of.country];
            words.extend(more.into_iter().filter(|word| !word.is_empty()).cloned());
            if kind == RevenueKind::Returns {
                words.push("returns".to_owned());
            }
        }
    }
    words.join(" ")
}

/// The entry of a posting, named by the caller; `None` where deposits have no titles.
fn entry_of(row: &OpenPosting, titles: &Titles, reference: String) -> Option<JournalEntry> {
    let of = titles.deposits.as_ref()?;
    let owed = receivable(titles, PaymentMethod::BankTransfer.as_str(), false);
    let (debit, credit) = match row.kind {
        PostingKind::Received => (&of.bank, &of.suspense),
        PostingKind::Voided => (&of.suspense, &of.bank),
        PostingKind::Matched => (&of.suspense, owed),
        PostingKind::Unmatched => (owed, &of.suspense),
        PostingKind::Rest => (owed, &of.rest),
    };
    let line = |account: &String, amount| JournalLine {
        account: account.clone(),
        amount,
        tax: None,
    };
    let mut words = vec![row.channel.as_str(), row.kind.describe(), &row.number];
    words.extend(row.order.as_deref().filter(|order| *order != row.number));
    Some(JournalEntry {
        reference,
        date: row.business_date,
        description: words.join(" "),
        currency: row.currency,
        lines: vec![line(debit, row.amount), line(credit, -row.amount)],
    })
}

/// Sums revenue into entries named `number` + `-` + n, and adds one for each posting of a deposit.
#[must_use]
pub fn journal_of(
    rows: &[OpenRevenue],
    postings: &[OpenPosting],
    booking: &Booking,
    number: &str,
) -> JournalBatch {
    let mut sums: BTreeMap<Place, (i64, i64)> = BTreeMap::new();
    for row in rows {
        let sum = sums.entry(place_of(row)).or_default();
        sum.0 += row.gross;
        sum.1 += row.tax;
    }
    let moves = |(_, (gross, tax)): &(Place, (i64, i64))| *gross != 0 || *tax != 0;
    let mut moving: Vec<(Place, (i64, i64))> = sums.into_iter().filter(moves).collect();
    // What was booked and taken back on one day is written in full where nothing else is: a file without an entry is none.
    if moving.is_empty() && postings.is_empty() {
        let each = rows.iter().map(|row| (place_of(row), (row.gross, row.tax)));
        moving = each.filter(moves).collect();
    }
    let mut entries: Vec<JournalEntry> = moving
        .into_iter()
        .enumerate()
        .map(|(n, (place, (gross, tax)))| {
            let titles = &booking.titles;
            let rate_bp = u32::try_from(place.tax_of.rate_bp).ok();
            let rate_bp = rate_bp.filter(|_| place.kind != RevenueKind::Rounding);
            let line = |account: &String, amount: i64, tax| JournalLine {
                account: account.clone(),
                amount,
                tax,
            };
            let taxed = rate_bp.map(|rate_bp| LineTax {
                rate_bp,
                amount: -tax,
                account: titles.tax.clone(),
                class: place.tax_of.class.clone(),
            });
            let lines = vec![
                line(
                    receivable(titles, &place.payment, place.in_advance),
                    gross,
                    None,
                ),
                line(earned(titles, place.kind), -gross, taxed),
            ];
            JournalEntry {
                reference: format!("{number}-{}", n + 1),
                date: place.date,
                description: describe(&place),
                currency: place.currency,
                lines,
            }
        })
        .collect();
    for row in postings {
        let reference = format!("{number}-{}", entries.len() + 1);
        entries.extend(entry_of(row, &booking.titles, reference));
    }
    JournalBatch { entries }
}

#[cfg(test)]
mod tests {
    use hikiate_sdk::TaxStyle;

    use super::*;
    use crate::policy::{Close, Recognise};

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
            kind: if rounding {
                RevenueKind::Rounding
            } else {
                RevenueKind::Sales
            },
            payment: payment.to_owned(),
            unbooked_deposit: false,
            currency: Currency::JPY,
            tax_of: TaxOf {
                rate_bp: rate,
                ..TaxOf::default()
            },
            gross,
            tax,
        }
    }

    fn titles() -> Titles {
        Titles {
            sales: "売上高".into(),
            returns: "売上返品".into(),
            receivables: BTreeMap::new(),
            receivable: "売掛金".into(),
            tax: "仮受消費税".into(),
            rounding: "雑損益".into(),
            advance: "前受金".into(),
            deposits: None,
        }
    }

    fn booking(titles: Titles) -> Booking {
        Booking {
            recognise: Recognise::Shipped,
            digital: Default::default(),
            account: AccountSlug::new("books"),
            close: Close::Every(chrono::Duration::seconds(1)),
            titles,
        }
    }

    #[test]
    fn each_posting_of_a_deposit_is_an_entry_and_what_they_leave_is_nothing() {
        let titles = Titles {
            sales: "sales".into(),
            returns: "sales".into(),
            receivables: BTreeMap::new(),
            receivable: "receivable".into(),
            tax: "tax".into(),
            rounding: "rounding".into(),
            advance: "advance".into(),
            deposits: Some(crate::policy::DepositTitles {
                bank: "bank".into(),
                suspense: "suspense".into(),
                rest: "rest".into(),
            }),
        };
        let posting = |kind, amount| OpenPosting {
            id: 1,
            kind,
            number: "HD0123456789ABC".to_owned(),
            order: Some("HK0123456789ABC".to_owned()),
            business_date: NaiveDate::default(),
            channel: AccountSlug::new("shop"),
            currency: Currency::JPY,
            amount,
        };
        let journal = |postings: &[OpenPosting]| {
            let rows = [row("2026-11-21", "bank_transfer", 1000, false, 1100, 100)];
            let batch = journal_of(&rows, postings, &booking(titles.clone()), "HB0000000000000")
                .spread(TaxStyle::Apart);
            assert_eq!(batch.entries.len(), 1 + postings.len());
            let mut sums: BTreeMap<String, i64> = BTreeMap::new();
            for (n, entry) in batch.entries.iter().enumerate() {
                assert_eq!(entry.reference, format!("HB0000000000000-{}", n + 1));
                assert_eq!(entry.lines.iter().map(|line| line.amount).sum::<i64>(), 0);
                for line in &entry.lines {
                    *sums.entry(line.account.clone()).or_default() += line.amount;
                }
            }
            sums.retain(|_, sum| *sum != 0);
            sums
        };
        let sums = |rows: &[(&str, i64)]| -> BTreeMap<String, i64> {
            rows.iter()
                .map(|(title, sum)| ((*title).to_owned(), *sum))
                .collect()
        };
        use PostingKind::{Matched, Received, Rest, Unmatched, Voided};
        // 100 less came than was to be paid, within the tolerance.
        let paid = [
            posting(Received, 1000),
            posting(Matched, 1000),
            posting(Rest, -100),
        ];
        assert_eq!(
            journal(&paid),
            sums(&[
                ("bank", 1000),
                ("rest", 100),
                ("sales", -1000),
                ("tax", -100)
            ])
        );
        let undone = [
            posting(Unmatched, 1000),
            posting(Voided, 1000),
            posting(Rest, 100),
        ];
        assert_eq!(
            journal(&[paid.as_slice(), &undone].concat()),
            sums(&[("receivable", 1100), ("sales", -1000), ("tax", -100)])
        );
    }

    #[test]
    fn what_was_booked_and_taken_back_on_one_day_is_no_empty_file() {
        let day = "2026-11-20";
        let back = row(day, "card", 1000, false, -1500, -136);
        let anew = row(day, "card", 1000, false, 1500, 136);
        let booking = booking(titles());
        let both = [back.clone(), anew.clone()];
        let journal = journal_of(&both, &[], &booking, "books-1");
        let amounts =
            |entry: &JournalEntry| entry.lines.iter().map(|l| l.amount).collect::<Vec<_>>();
        let written: Vec<_> = journal.entries.iter().map(amounts).collect();
        assert_eq!(written, [[-1500, 1500], [1500, -1500]]);
        // Beside anything else they are left out, as before.
        let other = row(day, "card", 800, false, 108, 8);
        let journal = journal_of(&[back, anew, other], &[], &booking, "books-2");
        assert_eq!(journal.entries.len(), 1);
    }

    #[test]
    fn every_entry_balances_and_rates_stand_apart() {
        let booking = booking(titles());
        let rows = [
            row("2026-11-21", "card", 1000, false, 1100, 100),
            row("2026-11-21", "card", 1000, false, 2200, 200),
            row("2026-11-21", "card", 800, false, 1080, 80),
            row("2026-11-22", "bank_transfer", 1000, false, 1100, 100),
            row("2026-11-21", "card", 0, true, -1, 0),
        ];
        let batch = journal_of(&rows, &[], &booking, "HB0000000000000");
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
