//! `hikiate deposit add`.

use chrono::{NaiveDate, TimeDelta};
use serde_json::json;

use super::{NOBODY, account, currency_or_shop, minor, not_done, order, terms};
use crate::cli::args::UnmatchedArgs;
use crate::cli::failure::Failure;
use crate::cli::session::Session;
use crate::store::{Added, NewDeposit};

/// The most bytes of a reference: it is part of the keys of facts.
pub(super) const LONGEST_REFERENCE: usize = 200;

/// A day before that is a slip of the keyboard, or of a month that was closed long ago.
pub(super) const LONGEST_AGO: TimeDelta = TimeDelta::days(400);

/// Why a day cannot be.
pub(super) fn too_old(what: &str, day: NaiveDate) -> String {
    format!("{what} {day} is more than 400 days ago; enter the day on which the money arrived")
}

/// What was typed.
pub(super) struct Typed {
    pub(super) order: String,
    pub(super) amount: String,
    pub(super) reference: String,
    pub(super) date: Option<NaiveDate>,
    pub(super) unmatched: UnmatchedArgs,
}

/// Adds a deposit.
pub(super) async fn run(session: &Session, typed: Typed, dry_run: bool) -> Result<(), Failure> {
    let order = match typed.order.as_str() {
        NOBODY => None,
        name => Some(order(session, name).await?),
    };
    let (account, currency) = match &order {
        Some(order) => {
            let args = &typed.unmatched;
            if args.channel.is_some() || args.currency.is_some() {
                return Err(Failure::Usage(
                    "--channel and --currency come from the order; omit them".to_owned(),
                ));
            }
            (order.account.clone(), order.currency)
        }
        None => {
            let code = typed.unmatched.currency.as_deref();
            let currency = currency_or_shop(session, code).map_err(Failure::Usage)?;
            (account(session, &typed.unmatched)?, currency)
        }
    };
    let amount = minor(&typed.amount, currency).map_err(Failure::Usage)?;
    let today = session.today().await?;
    let date = day(typed.date, today)?;
    if typed.reference.len() > LONGEST_REFERENCE {
        return Err(Failure::Usage(format!(
            "--reference is longer than {LONGEST_REFERENCE} bytes; enter a shorter one"
        )));
    }
    let directory = session.store.directory().await?;
    let new = NewDeposit {
        account,
        reference: typed.reference,
        amount,
        currency,
        date,
        order: order.as_ref().map(|order| order.id),
    };
    let terms = terms(session, today, dry_run);
    let rows = [new];
    let add = || session.store.add_deposits(&directory, &rows, &terms);
    let added = session.store.retried("add_deposits", add).await?;
    let [new] = rows;
    let deposit = match added.into_iter().next() {
        Some(Added::New(number)) => number,
        Some(Added::Known(row)) => {
            return Err(Failure::Refused(format!(
                "reference {:?} is already used ({}); each reference can be used only once",
                new.reference, row.deposit
            )));
        }
        Some(Added::Refused(why)) => return Err(Failure::Refused(why)),
        None => return Err(Failure::Refused("nothing was added".to_owned())),
    };
    let number = order.map(|order| order.number);
    let told = json!({
        "deposit": deposit, "order": number, "reference": new.reference, "amount": amount,
        "currency": currency, "date": date, "dry_run": dry_run,
    });
    session.out.one(&told, || {
        let sum = currency.format(amount);
        let (for_whom, next) = match &number {
            Some(number) => (
                format!("for order {number}"),
                "the order is being replanned",
            ),
            None => (
                "without an order".to_owned(),
                "match it with `hikiate deposit match`",
            ),
        };
        let next = if dry_run { "it would be added" } else { next };
        format!(
            "deposit {deposit}: {sum} {currency} {for_whom} on {date}; {next}\n{}",
            not_done(dry_run)
        )
    })
}

fn day(given: Option<NaiveDate>, today: NaiveDate) -> Result<NaiveDate, Failure> {
    match given {
        Some(day) if day > today => Err(Failure::Usage(format!(
            "--date {day} is in the future: today is {today}"
        ))),
        Some(day) if day < today - LONGEST_AGO => Err(Failure::Usage(too_old("--date", day))),
        day => Ok(day.unwrap_or(today)),
    }
}
