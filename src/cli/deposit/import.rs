//! `hikiate deposit import`: the deposits of a file, all of them or none.

use std::path::Path;

use chrono::NaiveDate;
use serde_json::json;

use super::file::{Bad, Row, decoded, rows};
use super::{account, currency_or_shop, minor, not_done, order, terms};
use crate::cli::args::UnmatchedArgs;
use crate::cli::failure::Failure;
use crate::cli::session::Session;
use crate::store::{Added, NewDeposit};

/// Adds what a file says. What was added before is left alone.
pub(super) async fn run(
    session: &Session,
    file: &Path,
    args: &UnmatchedArgs,
    dry_run: bool,
) -> Result<(), Failure> {
    let name = file.display().to_string();
    let bytes = std::fs::read(file)
        .map_err(|error| Failure::NotFound(format!("{name} cannot be read: {error}")))?;
    let text = decoded(&bytes).map_err(|why| Failure::Usage(format!("{name} {why}")))?;
    let today = session.today().await?;
    let rows = rows(&text, today).map_err(|bad| told(&name, &bad))?;
    let mut new = Vec::with_capacity(rows.len());
    let mut bad: Vec<Bad> = Vec::new();
    for row in &rows {
        match deposit(session, row, args).await {
            Ok(deposit) => new.push(deposit),
            Err(Failure::Usage(why) | Failure::NotFound(why) | Failure::Refused(why)) => {
                bad.push((row.line, why));
            }
            Err(other) => return Err(other),
        }
    }
    if !bad.is_empty() {
        return Err(told(&name, &bad));
    }
    added(session, &name, &rows, &new, today, dry_run).await
}

async fn added(
    session: &Session,
    name: &str,
    rows: &[Row],
    new: &[NewDeposit],
    today: NaiveDate,
    dry_run: bool,
) -> Result<(), Failure> {
    let directory = session.store.directory().await?;
    let terms = terms(session, today, dry_run);
    let add = || session.store.add_deposits(&directory, new, &terms);
    let added = session.store.retried("add_deposits", add).await?;
    let bad: Vec<Bad> = rows
        .iter()
        .zip(&added)
        .filter_map(|(row, added)| match added {
            Added::Refused(why) => Some((row.line, why.clone())),
            _ => None,
        })
        .collect();
    if !bad.is_empty() {
        return Err(told(name, &bad));
    }
    let numbers: Vec<&str> = added
        .iter()
        .filter_map(|added| match added {
            Added::New(number) => Some(number.as_str()),
            _ => None,
        })
        .collect();
    let known = added.len() - numbers.len();
    let unmatched = new
        .iter()
        .zip(&added)
        .filter(|(new, added)| new.order.is_none() && matches!(added, Added::New(_)))
        .count();
    let elsewhere: Vec<(usize, String)> = rows
        .iter()
        .zip(new)
        .zip(&added)
        .filter_map(|((row, new), added)| Some((row.line, elsewhere(row, new.order, added)?)))
        .collect();
    let told = json!({
        "file": name, "dry_run": dry_run, "added": numbers, "known": known, "unmatched": unmatched,
        "elsewhere": elsewhere.iter().map(|(line, why)| json!({"line": line, "why": why})).collect::<Vec<_>>(),
    });
    session.out.one(&told, || {
        let would = if dry_run { "would be " } else { "" };
        let mut text = format!(
            "{name}: {} deposits {would}added, {known} already known\n",
            numbers.len()
        );
        for (line, why) in &elsewhere {
            text.push_str(&format!("{name}:{line}: {why}\n"));
        }
        if unmatched > 0 {
            text.push_str(&format!(
                "{unmatched} of them name no order: run `hikiate deposit list --unmatched`, then `hikiate deposit match`\n"
            ));
        }
        text + not_done(dry_run)
    })
}

/// A row that was added before and was voided or does not pay the order that it names, and what to type where it should.
fn elsewhere(row: &Row, order: Option<i64>, added: &Added) -> Option<String> {
    let Added::Known(known) = added else {
        return None;
    };
    let pays = order.is_none_or(|order| known.matched(order) > 0);
    if pays && known.voided.is_none() {
        return None;
    }
    let deposit = &known.deposit;
    if let Some(why) = &known.voided {
        return Some(format!(
            "{deposit} was already added and has been voided ({why}); it remains voided"
        ));
    }
    let named = format!("'{}'", row.order.as_deref()?);
    let pays: Vec<&str> = known.matches.iter().map(|one| one.order.as_str()).collect();
    Some(match pays.first() {
        Some(first) => format!(
            "{deposit} was already added and pays {}, not {named}; if the file is right, run `hikiate deposit move {deposit} {first} {named}`",
            pays.join(", ")
        ),
        None => format!(
            "{deposit} was already added and pays no order; if the file is right, run `hikiate deposit match {deposit} {named}`"
        ),
    })
}

/// What a row says, with what its order knows.
async fn deposit(
    session: &Session,
    row: &Row,
    args: &UnmatchedArgs,
) -> Result<NewDeposit, Failure> {
    let code = row.currency.as_deref();
    let (account, currency, order) = match &row.order {
        Some(name) => {
            let order = order(session, name).await?;
            let currency = match code {
                Some(_) => currency_or_shop(session, code).map_err(Failure::Usage)?,
                None => order.currency,
            };
            if currency != order.currency {
                return Err(Failure::Refused(format!(
                    "currency {currency} differs from that of order {}, {}",
                    order.number, order.currency
                )));
            }
            (order.account, currency, Some(order.id))
        }
        None => {
            let code = code.or(args.currency.as_deref());
            let currency = currency_or_shop(session, code).map_err(Failure::Usage)?;
            (account(session, args)?, currency, None)
        }
    };
    Ok(NewDeposit {
        account,
        reference: row.reference.clone(),
        amount: minor(&row.amount, currency).map_err(Failure::Usage)?,
        currency,
        date: row.date,
        order,
    })
}

/// Every bad row with its place.
fn told(name: &str, bad: &[Bad]) -> Failure {
    let lines: Vec<String> = bad
        .iter()
        .map(|(line, why)| format!("{name}:{line}: {why}"))
        .collect();
    Failure::Refused(format!("{}\nnothing was added", lines.join("\n")))
}
