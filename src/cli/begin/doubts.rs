//! What a beginning would do that is easily typed by mistake: a wrong day, a wrong year.

use chrono::{DateTime, Duration, Utc};

use super::Row;
use crate::cli::out::Out;

/// Orders that are younger are still being worked on, by hikiate or by the system before.
const RECENT: Duration = Duration::days(7);
/// Orders named in one sentence.
const NAMED: usize = 20;

/// What has to be confirmed: older orders that become ours, and recent ones that do not. What nobody changes and what is
/// named for a class of its own needs no word.
pub(super) fn doubts(
    rows: &[Row],
    named: impl Fn(&Row) -> bool,
    now: DateTime<Utc>,
    out: &Out,
) -> Vec<String> {
    let recent = |row: &Row| now.signed_duration_since(row.listing.ordered_at) <= RECENT;
    let changed = |row: &&Row| !row.listing.over && !named(row) && row.before != row.listing.class;
    let rows = rows.iter().filter(changed);
    let (young, old): (Vec<&Row>, Vec<&Row>) = rows.partition(|row| recent(row));
    // The system before may have been told to ship what was left to it.
    let left = |row: &&&Row| row.before == "left" && !row.stays_behind();
    let taken: Vec<&Row> = young.iter().filter(left).copied().collect();
    let ours: Vec<&Row> = old.into_iter().filter(|row| !row.stays_behind()).collect();
    let behind: Vec<&Row> = young.into_iter().filter(|row| row.stays_behind()).collect();
    let mut doubts = Vec::new();
    if let Some(oldest) = ours.iter().map(|row| row.listing.ordered_at).min() {
        doubts.push(format!(
            "hikiate would take over and ship {} open orders older than 7 days, the oldest of {}: {}",
            ours.len(),
            out.time(oldest),
            numbers(&ours)
        ));
    }
    if !taken.is_empty() {
        doubts.push(format!(
            "hikiate would take over and ship {} open orders that were left to the previous system; if that ships them too, they ship twice: {}",
            taken.len(),
            numbers(&taken)
        ));
    }
    if !behind.is_empty() {
        doubts.push(format!(
            "hikiate would not take over {} open orders of the last 7 days; the previous system must ship them, or they never ship: {}",
            behind.len(),
            numbers(&behind)
        ));
    }
    doubts
}

/// Orders in hand before the channel was stopped that would be nobody's now.
pub(super) fn given_up(rows: &[Row], named: impl Fn(&Row) -> bool) -> Vec<String> {
    let lost = rows
        .iter()
        .filter(|row| row.was_ours() && row.stays_behind() && !row.listing.over && !named(row));
    lost.map(|row| {
        format!(
            "hikiate had order {} before the channel was stopped and would no longer act on it",
            row.order.number
        )
    })
    .collect()
}

fn numbers(rows: &[&Row]) -> String {
    let mut numbers: Vec<&str> = rows.iter().map(|row| row.order.number.as_str()).collect();
    let more = numbers.len().saturating_sub(NAMED);
    numbers.truncate(NAMED);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    numbers.join(" ") + &more
}
