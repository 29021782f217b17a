//! `titles` of `[booking]`: every account title that a journal needs, each with a meaning of its own.

use chrono::NaiveDate;
use hikiate_sdk::{
    Ability, BatchName, Call, Currency, Error, ErrorClass, JournalBatch, JournalEntry, JournalLine,
    Op, Operations, TaxStyle,
};

use super::model::TitlesTable;
use super::report::Problems;
use crate::policy::{DepositTitles, PaymentMethod, Titles};

/// The titles; what is wrong with them is noted.
pub(super) fn titles(t: &TitlesTable, p: &mut Problems<'_>) -> Titles {
    let given = |key, title: &'_ Option<String>| title.clone().map(|title| (key, title));
    let mut titles = vec![
        ("sales", t.sales.clone()),
        ("receivable", t.receivable.clone()),
        ("tax", t.tax.clone()),
        ("rounding", t.rounding.clone()),
        ("advance", t.advance.clone()),
    ];
    titles.extend(given("bank", &t.bank));
    titles.extend(given("suspense", &t.suspense));
    titles.extend(given("deposit_rest", &t.deposit_rest));
    for (n, (key, title)) in titles.iter().enumerate() {
        // A difference of a deposit may well be booked as one of rounding.
        let same = |other: &&(&str, String)| {
            let unread = p.is_unread(&["booking", "titles", other.0]);
            other.1 == *title && (*key, other.0) != ("deposit_rest", "rounding") && !unread
        };
        if title.trim().is_empty() {
            p.at(&["booking", "titles", key], "may not be empty");
        } else if let Some((other, _)) = titles.iter().take(n).find(same) {
            p.at(
                &["booking", "titles", key],
                format!("{title:?} is also the ledger account of {other}; they must differ"),
            );
        }
    }
    if t.returns
        .as_deref()
        .is_some_and(|title| title.trim().is_empty())
    {
        p.at(&["booking", "titles", "returns"], "may not be empty");
    }
    for (payer, title) in &t.receivables {
        let path = ["booking", "titles", "receivables", payer];
        let methods = PaymentMethod::ALL.map(PaymentMethod::as_str);
        if !methods.contains(&payer.as_str()) && !payer.starts_with("sponsor:") {
            p.at(
                &path,
                format!(
                    "not a payment method or sponsor; use one of {}, or sponsor:NAME",
                    methods.join(", ")
                ),
            );
        }
        if title.trim().is_empty() {
            p.at(&path, "may not be empty");
        }
    }
    Titles {
        returns: t.returns.clone().unwrap_or_else(|| t.sales.clone()),
        receivables: t.receivables.clone(),
        sales: t.sales.clone(),
        receivable: t.receivable.clone(),
        tax: t.tax.clone(),
        rounding: t.rounding.clone(),
        advance: t.advance.clone(),
        deposits: deposits(t, p),
    }
}

/// The entry that titles are tried in.
const TRIAL: &str = "HB1-1";

/// Notes the titles that the account of the books cannot write: each entry with one would be left out of its journal.
pub(super) fn written(
    t: &TitlesTable,
    account: &str,
    books: &dyn Operations,
    p: &mut Problems<'_>,
) {
    // What it cannot write of any title is no fault of one.
    if trial("x", account, books).is_err() {
        return;
    }
    let mut offered = books.operations().into_iter();
    let apart = offered.any(|spec| {
        spec.op == Op::PostJournal && spec.ability == Ability::Journal(TaxStyle::Apart)
    });
    let given = [
        ("sales", Some(&t.sales)),
        ("returns", t.returns.as_ref()),
        ("receivable", Some(&t.receivable)),
        ("tax", Some(&t.tax).filter(|_| apart)),
        ("rounding", Some(&t.rounding)),
        ("advance", Some(&t.advance)),
        ("bank", t.bank.as_ref()),
        ("suspense", t.suspense.as_ref()),
        ("deposit_rest", t.deposit_rest.as_ref()),
    ];
    let given = given.into_iter();
    let given = given.filter_map(|(key, title)| Some((vec!["booking", "titles", key], title?)));
    let payers = t.receivables.iter();
    let payers = payers.map(|(payer, title)| {
        let path = vec!["booking", "titles", "receivables", payer.as_str()];
        (path, title)
    });
    for (path, title) in given.chain(payers).filter(|(_, t)| !t.trim().is_empty()) {
        if let Err(error) = trial(title, account, books)
            && error.class == ErrorClass::Rejected
        {
            let why = error
                .message
                .replace(&format!("journal entry {TRIAL}, "), "");
            p.at(
                &path,
                format!("account {account} cannot write {title:?} ({why}), so entries with it would not be booked: use another ledger account, or change the layout"),
            );
        }
    }
}

/// Renders an entry with this title, and sends nothing.
fn trial(title: &str, account: &str, books: &dyn Operations) -> Result<(), Error> {
    let line = |amount| JournalLine {
        account: title.to_owned(),
        amount,
        tax: None,
    };
    let entry = JournalEntry {
        reference: TRIAL.to_owned(),
        date: NaiveDate::default(),
        description: "x".to_owned(),
        currency: Currency::JPY,
        lines: vec![line(1), line(-1)],
    };
    let call = Call::PostJournal {
        batch: BatchName {
            account: account.to_owned(),
            kind: "journal".to_owned(),
            period: "19700101".to_owned(),
            n: 1,
        },
        journal: JournalBatch {
            entries: vec![entry],
        },
    };
    books.prepare(&call).map(|_| ())
}

/// The titles of deposits: all three or none.
fn deposits(t: &TitlesTable, p: &mut Problems<'_>) -> Option<DepositTitles> {
    let three = [
        ("bank", &t.bank),
        ("suspense", &t.suspense),
        ("deposit_rest", &t.deposit_rest),
    ];
    let given = three.iter().filter(|(_, title)| title.is_some()).count();
    if given == 0 {
        return None;
    }
    for (key, _) in three.iter().filter(|(_, title)| title.is_none()) {
        p.at(
            &["booking", "titles", key],
            "missing: to book deposits, set bank, suspense and deposit_rest, all three or none",
        );
    }
    Some(DepositTitles {
        bank: t.bank.clone()?,
        suspense: t.suspense.clone()?,
        rest: t.deposit_rest.clone()?,
    })
}
