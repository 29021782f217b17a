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
    let (written, mut bad) = rows(&text, today).map_err(|bad| told(&name, &[], &[bad]))?;
    let options = wrong_options(session, args)?;
    let (mut rows, mut new) = (Vec::new(), Vec::new());
    for row in written {
        // What is wrong with an option is said once.
        if row.order.is_none() && !options.is_empty() {
            let code = row.currency.as_deref().or(args.currency.as_deref());
            match currency_or_shop(session, code) {
                Ok(currency) => {
                    bad.extend(
                        minor(&row.amount, currency)
                            .err()
                            .map(|why| (row.line, why)),
                    );
                }
                Err(why) if row.currency.is_some() => bad.push((row.line, why)),
                Err(_) => {}
            }
            continue;
        }
        match deposit(session, &row, args).await {
            Ok(deposit) => {
                rows.push(row);
                new.push(deposit);
            }
            Err(Failure::Usage(why) | Failure::NotFound(why) | Failure::Refused(why)) => {
                bad.push((row.line, why));
            }
            Err(other) => return Err(other),
        }
    }
    if bad.is_empty() && options.is_empty() {
        return added(session, &name, &rows, &new, today, dry_run).await;
    }
    // What the database would refuse of the others is told with the rest.
    let tried = store(session, &new, today, true).await?;
    bad.extend(refused(&rows, &tried));
    bad.sort();
    Err(told(&name, &options, &bad))
}

/// What is wrong with the options, whatever the rows say.
fn wrong_options(session: &Session, args: &UnmatchedArgs) -> Result<Vec<String>, Failure> {
    let mut wrong = Vec::new();
    if args.channel.is_some() {
        match account(session, args) {
            Ok(_) => {}
            Err(Failure::Usage(why) | Failure::NotFound(why) | Failure::Refused(why)) => {
                wrong.push(format!("--channel: {why}"));
            }
            Err(other) => return Err(other),
        }
    }
    if let Err(why) = currency_or_shop(session, args.currency.as_deref()) {
        wrong.push(format!("--currency: {why}"));
    }
    Ok(wrong)
}

/// Adds them all, or none where one is refused or in a dry run.
async fn store(
    session: &Session,
    new: &[NewDeposit],
    today: NaiveDate,
    dry_run: bool,
) -> Result<Vec<Added>, Failure> {
    let directory = session.store.directory().await?;
    let terms = terms(session, today, dry_run);
    let add = || session.store.add_deposits(&directory, new, &terms);
    Ok(session.store.retried("add_deposits", add).await?)
}

/// The rows that the database refuses.
fn refused(rows: &[Row], added: &[Added]) -> Vec<Bad> {
    rows.iter()
        .zip(added)
        .filter_map(|(row, added)| match added {
            Added::Refused(why) => Some((row.line, why.clone())),
            _ => None,
        })
        .collect()
}

async fn added(
    session: &Session,
    name: &str,
    rows: &[Row],
    new: &[NewDeposit],
    today: NaiveDate,
    dry_run: bool,
) -> Result<(), Failure> {
    let added = store(session, new, today, dry_run).await?;
    let bad = refused(rows, &added);
    if !bad.is_empty() {
        return Err(told(name, &[], &bad));
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

/// Every wrong option, and every bad row with its place.
fn told(name: &str, options: &[String], bad: &[Bad]) -> Failure {
    let rows = bad
        .iter()
        .map(|(line, why)| format!("{name}:{line}: {why}"));
    let lines: Vec<String> = options.iter().cloned().chain(rows).collect();
    Failure::Refused(format!("{}\nnothing was added", lines.join("\n")))
}
