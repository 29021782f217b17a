//! `hikiate books day`: what shipped and is not booked, before a month is closed.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use hikiate_sdk::Currency;

use super::failure::Failure;
use super::out;
use super::session::Session;
use crate::plan::{Unbooked, unbooked};

/// Orders looked at together.
const TOGETHER: usize = 500;

/// Lists it, oldest first, with a sum for each reason.
pub(crate) async fn day(session: &Session, until: Option<NaiveDate>) -> Result<(), Failure> {
    let until = match until {
        Some(day) => day,
        None => session.today().await?,
    };
    let (policy, rules) = (&session.loaded.policy, &session.loaded.rules);
    let mut rows: Vec<Unbooked> = Vec::new();
    for ids in session.store.maybe_unbooked().await?.chunks(TOGETHER) {
        let (inputs, now) = session.inputs(ids).await?;
        for input in inputs.values() {
            let found = unbooked(input, policy, rules, now, until);
            rows.extend(found.map_err(anyhow::Error::from)?);
        }
    }
    rows.sort_by(|a, b| (a.day, &a.number).cmp(&(b.day, &b.number)));
    let columns = ["ORDER", "DAY", "AMOUNT", "REASON", ""];
    let empty = format!("everything shipped up to {until} is booked");
    session.out.list(&rows, &columns, &empty, |row| {
        vec![
            row.number.clone(),
            row.day.to_string(),
            amount(row.amount, &row.currency),
            row.reason.to_owned(),
            row.detail.clone(),
        ]
    })?;
    if !session.out.json && !rows.is_empty() {
        out::text(&sums(&rows))?;
    }
    Ok(())
}

fn amount(amount: Option<i64>, currency: &str) -> String {
    let known = amount.zip(currency.parse::<Currency>().ok());
    known.map_or_else(
        || format!("? {currency}"),
        |(amount, of)| format!("{} {of}", of.format(amount)),
    )
}

/// A line for each reason and currency.
fn sums(rows: &[Unbooked]) -> String {
    let mut sums: BTreeMap<(&str, &str), (usize, i64)> = BTreeMap::new();
    for row in rows {
        let sum = sums.entry((row.reason, &row.currency)).or_default();
        *sum = (sum.0 + 1, sum.1.saturating_add(row.amount.unwrap_or(0)));
    }
    let lines = sums.into_iter().map(|((reason, currency), (n, sum))| {
        let orders = if n == 1 { "row" } else { "rows" };
        format!("{reason}: {n} {orders}, {}\n", amount(Some(sum), currency))
    });
    lines.collect()
}
