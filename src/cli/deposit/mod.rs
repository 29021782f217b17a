//! `hikiate deposit`: money that came, as an operator read it in the bank's statement, and which orders it pays.

mod add;
mod file;
mod import;

use chrono::NaiveDate;
use hikiate_sdk::{AccountSlug, Currency, Decimal};
use serde_json::json;

use super::args::{DepositCommand, UnmatchedArgs};
use super::failure::Failure;
use super::session::Session;
use crate::facts::FactBody;
use crate::plan::command::{Now, payable as payable_now};
use crate::plan::types::OrderInput;
use crate::store::{DepositFilter, DepositMove, DepositRow, DepositTerms};

/// What stands for no order.
const NOBODY: &str = "-";

/// Does one of them.
pub(crate) async fn run(session: &Session, command: DepositCommand) -> Result<(), Failure> {
    match command {
        DepositCommand::Add {
            order,
            amount,
            reference,
            date,
            unmatched,
            dry_run,
        } => {
            let typed = add::Typed {
                order,
                amount,
                reference,
                date,
                unmatched,
            };
            add::run(session, typed, dry_run).await
        }
        DepositCommand::List {
            unmatched,
            order,
            limit,
        } => list(session, unmatched, order.as_deref(), limit).await,
        DepositCommand::Match {
            deposit,
            order,
            amount,
            dry_run,
        } => match_order(session, &deposit, &order, amount.as_deref(), dry_run).await,
        DepositCommand::Move {
            deposit,
            from,
            to,
            amount,
            dry_run,
        } => {
            let of = (from.as_str(), to.as_str());
            move_deposit(session, &deposit, of, amount.as_deref(), dry_run).await
        }
        DepositCommand::Void {
            deposit,
            reason,
            dry_run,
        } => void(session, &deposit, &reason, dry_run).await,
        DepositCommand::Import {
            file,
            unmatched,
            dry_run,
        } => import::run(session, &file, &unmatched, dry_run).await,
    }
}

/// An order that money may be for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Order {
    id: i64,
    number: String,
    account: AccountSlug,
    currency: Currency,
}

/// An order by what an operator calls it.
async fn order(session: &Session, name: &str) -> Result<Order, Failure> {
    let (id, number) = session.store.find_subject(name).await?;
    let (inputs, now) = session.inputs(&[id]).await?;
    let input = inputs
        .get(&id)
        .ok_or_else(|| Failure::Refused(format!("{number} is no order; money comes for orders")))?;
    let currency = currency(input).ok_or_else(|| {
        Failure::Refused(format!(
            "order {number} was not read at its channel yet, so its currency is not known; wait for it"
        ))
    })?;
    let on = Now {
        input,
        policy: &session.loaded.policy,
        rules: &session.loaded.rules,
        now,
    };
    payable_now(on).map_err(Failure::Refused)?;
    Ok(Order {
        id,
        number,
        account: input.channel.clone(),
        currency,
    })
}

/// The currency the channel last showed.
fn currency(input: &OrderInput) -> Option<Currency> {
    input.facts.iter().rev().find_map(|fact| match &fact.body {
        FactBody::Order(order) => Some(order.order.currency),
        _ => None,
    })
}

/// The channel account of a deposit without an order.
fn account(session: &Session, args: &UnmatchedArgs) -> Result<AccountSlug, Failure> {
    let channels = &session.loaded.policy.channels;
    let names = || {
        let names: Vec<&str> = channels.keys().map(AccountSlug::as_str).collect();
        names.join(", ")
    };
    match &args.channel {
        Some(name) => {
            let slug = AccountSlug::new(name.clone());
            let known = channels.contains_key(&slug);
            known.then_some(slug).ok_or_else(|| {
                Failure::NotFound(format!(
                    "there is no channel {name:?}; channels: {}",
                    names()
                ))
            })
        }
        None => {
            let mut all = channels.keys();
            match (all.next(), all.next()) {
                (Some(only), None) => Ok(only.clone()),
                _ => Err(Failure::Usage(format!(
                    "a deposit without an order needs --channel, one of {}",
                    names()
                ))),
            }
        }
    }
}

/// A currency by its code, or the shop's.
fn currency_or_shop(session: &Session, code: Option<&str>) -> Result<Currency, String> {
    match code {
        Some(code) => code
            .trim()
            .parse()
            .ok()
            .filter(Currency::is_listed)
            .ok_or_else(|| {
                format!("{code:?} is no currency; write a code of ISO 4217, for example \"JPY\"")
            }),
        None => Ok(session.loaded.policy.shop.currency),
    }
}

/// Minor units of a positive amount that has no more digits than its currency.
fn minor(text: &str, currency: Currency) -> Result<i64, String> {
    if text.contains(['e', 'E']) {
        return Err(format!("{text} is no amount; write it in digits, as 5400"));
    }
    let decimal: Decimal = text.trim().parse().map_err(|error| format!("{error}"))?;
    match decimal
        .to_minor(currency)
        .map_err(|error| error.to_string())?
    {
        (minor, true) if minor > 0 => Ok(minor),
        (_, true) => Err(format!("{text} is no deposit: write an amount above zero")),
        (_, false) => {
            let digits = currency.exponent();
            Err(format!(
                "{text} has too many digits: {currency} has {digits} after the point"
            ))
        }
    }
}

fn terms(session: &Session, today: NaiveDate, dry_run: bool) -> DepositTerms<'_> {
    let booking = session.loaded.policy.booking.as_ref();
    DepositTerms {
        book: booking.is_some_and(|booking| booking.titles.deposits.is_some()),
        actor: &session.actor,
        today,
        dry_run,
    }
}

/// What was not done, for a dry run.
fn not_done(dry_run: bool) -> &'static str {
    if dry_run {
        "nothing was changed; type it again without --dry-run\n"
    } else {
        ""
    }
}

/// What a command left of a deposit.
fn tell(
    session: &Session,
    row: &DepositRow,
    orders: &[&str],
    dry_run: bool,
    done: &str,
) -> Result<(), Failure> {
    let mut told = json!(row);
    if let Some(told) = told.as_object_mut() {
        told.insert("dry_run".to_owned(), json!(dry_run));
        told.insert("orders".to_owned(), json!(orders));
    }
    session.out.one(&told, || {
        let planned = match (orders, dry_run) {
            ([], _) | (_, true) => String::new(),
            (orders, false) => format!("; planned again now: {}", orders.join(", ")),
        };
        let left = match (row.left, &row.voided) {
            (0, _) | (_, Some(_)) => String::new(),
            (left, None) => format!("; {} of it is matched to no order", money(row, left)),
        };
        format!(
            "deposit {}: {done}{left}{planned}\n{}",
            row.deposit,
            not_done(dry_run)
        )
    })
}

fn money(row: &DepositRow, minor: i64) -> String {
    format!("{} {}", row.currency.format(minor), row.currency)
}

async fn list(
    session: &Session,
    unmatched: bool,
    name: Option<&str>,
    limit: i64,
) -> Result<(), Failure> {
    let order = match name {
        Some(name) => Some(session.store.find_subject(name).await?.0),
        None => None,
    };
    let filter = DepositFilter {
        unmatched,
        order,
        limit: Some(limit),
        ..DepositFilter::default()
    };
    let rows = session.store.list_deposits(&filter).await?;
    let columns = [
        "DEPOSIT",
        "DATE",
        "AMOUNT",
        "LEFT",
        "REFERENCE",
        "ACCOUNT",
        "PAYS",
    ];
    session.out.list(&rows, &columns, "no deposits", |row| {
        let pays = row.matches.iter().map(|one| {
            if one.amount == row.amount {
                one.order.clone()
            } else {
                format!("{} {}", one.order, row.currency.format(one.amount))
            }
        });
        let pays: Vec<String> = pays.collect();
        vec![
            row.deposit.clone(),
            row.date.to_string(),
            money(row, row.amount),
            row.currency.format(row.left),
            row.reference.clone(),
            row.account.to_string(),
            match &row.voided {
                Some(reason) => format!("void: {reason}"),
                None => pays.join(", "),
            },
        ]
    })
}

/// An order that a deposit may pay, and the amount of it.
async fn payable(session: &Session, row: &DepositRow, name: &str) -> Result<Order, Failure> {
    let order = order(session, name).await?;
    if order.currency != row.currency {
        return Err(Failure::Refused(format!(
            "deposit {} is in {} and order {} in {}: it cannot pay it",
            row.deposit, row.currency, order.number, order.currency
        )));
    }
    Ok(order)
}

fn part(amount: Option<&str>, row: &DepositRow) -> Result<Option<i64>, Failure> {
    let minor = |text| minor(text, row.currency);
    amount.map(minor).transpose().map_err(Failure::Usage)
}

async fn match_order(
    session: &Session,
    deposit: &str,
    name: &str,
    amount: Option<&str>,
    dry_run: bool,
) -> Result<(), Failure> {
    let row = session.store.find_deposit(deposit).await?;
    let order = payable(session, &row, name).await?;
    let amount = part(amount, &row)?;
    let terms = terms(session, session.today().await?, dry_run);
    let write = || {
        session
            .store
            .match_deposit(row.id, order.id, amount, &terms)
    };
    let after = session.store.retried("match_deposit", write).await?;
    let matched = money(&after, after.matched(order.id));
    let done = format!("{matched} pays order {}", order.number);
    tell(session, &after, &[&order.number], dry_run, &done)
}

async fn move_deposit(
    session: &Session,
    deposit: &str,
    (from, to): (&str, &str),
    amount: Option<&str>,
    dry_run: bool,
) -> Result<(), Failure> {
    let row = session.store.find_deposit(deposit).await?;
    let (from_id, from) = session.store.find_subject(from).await?;
    let to = match to {
        NOBODY => None,
        name => Some(payable(session, &row, name).await?),
    };
    if to.as_ref().is_some_and(|to| to.id == from_id) {
        return Err(Failure::Usage(format!("both are order {from}")));
    }
    let what = DepositMove {
        from: from_id,
        to: to.as_ref().map(|to| (to.id, to.number.clone())),
        amount: part(amount, &row)?,
    };
    let moved = what.amount.unwrap_or_else(|| row.matched(from_id));
    let terms = terms(session, session.today().await?, dry_run);
    let write = || session.store.move_deposit(row.id, &what, &terms);
    let after = session.store.retried("move_deposit", write).await?;
    let mut orders = vec![from.as_str()];
    orders.extend(to.as_ref().map(|to| to.number.as_str()));
    let place = match &to {
        Some(to) => format!("pays order {} and no longer {from}", to.number),
        None => format!("does not pay order {from} any more"),
    };
    let done = format!("{} {place}", money(&after, moved));
    tell(session, &after, &orders, dry_run, &done)
}

async fn void(
    session: &Session,
    deposit: &str,
    reason: &str,
    dry_run: bool,
) -> Result<(), Failure> {
    let row = session.store.find_deposit(deposit).await?;
    let terms = terms(session, session.today().await?, dry_run);
    let write = || session.store.void_deposit(row.id, reason, &terms);
    let after = session.store.retried("void_deposit", write).await?;
    let orders: Vec<&str> = row.matches.iter().map(|one| one.order.as_str()).collect();
    let done = match orders.as_slice() {
        [] => "voided; it paid no order".to_owned(),
        _ => "voided; it pays no order any more".to_owned(),
    };
    tell(session, &after, &orders, dry_run, &done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_exact_and_above_zero() {
        assert_eq!(minor("5400", Currency::JPY), Ok(5400));
        assert_eq!(minor("50.4", Currency::EUR), Ok(5040));
        for (text, currency) in [
            ("5400.5", Currency::JPY),
            ("1.005", Currency::EUR),
            ("0", Currency::JPY),
            ("-1", Currency::JPY),
            ("5,400", Currency::JPY),
        ] {
            assert!(minor(text, currency).is_err(), "{text}");
        }
    }
}
