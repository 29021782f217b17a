//! `hikiate deposit`: money that came for an order, as a person read it in the bank's statement.

use chrono::NaiveDate;
use hikiate_sdk::{Currency, Decimal};
use serde_json::json;

use super::args::DepositCommand;
use super::failure::Failure;
use super::session::Session;
use crate::facts::FactBody;
use crate::plan::types::OrderInput;

/// Adds a deposit.
pub(crate) async fn run(session: &Session, command: DepositCommand) -> Result<(), Failure> {
    let DepositCommand::Add {
        order,
        amount,
        reference,
        date,
    } = command;
    let (id, number) = session.store.find_subject(&order).await?;
    let (inputs, _) = session.inputs(&[id]).await?;
    let input = inputs
        .get(&id)
        .ok_or_else(|| Failure::Refused(format!("{number} is no order; money comes for orders")))?;
    let currency = currency(input).ok_or_else(|| {
        Failure::Refused(format!(
            "order {number} was not read at its channel yet, so its currency is not known; wait for it"
        ))
    })?;
    let minor = minor(&amount, currency).map_err(Failure::Usage)?;
    let date = day(date, session.today().await?)?;
    let directory = session.store.directory().await?;
    let add = || {
        let (store, actor) = (&session.store, session.actor.as_str());
        store.add_deposit(&directory, id, &reference, minor, currency, date, actor)
    };
    let deposit = session.store.retried("add_deposit", add).await?;
    let told = json!({
        "deposit": deposit, "order": number, "reference": reference, "amount": minor,
        "currency": currency, "date": date,
    });
    session.out.one(&told, || {
        format!(
            "deposit {deposit}: {} {currency} for order {number} on {date}; the order is planned again now\n",
            currency.format(minor)
        )
    })
}

/// The currency the channel last showed.
fn currency(input: &OrderInput) -> Option<Currency> {
    input.facts.iter().rev().find_map(|fact| match &fact.body {
        FactBody::Order(order) => Some(order.order.currency),
        _ => None,
    })
}

/// Minor units of a positive amount that has no more digits than its currency.
fn minor(text: &str, currency: Currency) -> Result<i64, String> {
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

fn day(given: Option<NaiveDate>, today: NaiveDate) -> Result<NaiveDate, Failure> {
    match given {
        Some(day) if day > today => Err(Failure::Usage(format!(
            "--date {day} has not come yet: today is {today}"
        ))),
        day => Ok(day.unwrap_or(today)),
    }
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
