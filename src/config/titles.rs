//! `titles` of `[booking]`: every account title that a journal needs, each with a meaning of its own.

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
