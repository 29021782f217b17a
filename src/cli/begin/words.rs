//! What `begin` says: the orders it makes ours or leaves, and what to think of before.

use chrono::{DateTime, Utc};

use super::{Reply, Row};
use crate::cli::args::Begin;
use crate::cli::out::table;
use crate::cli::session::Session;
use crate::policy::Dispatch;

/// What was done with the orders of a channel, or with `--dry-run` would be.
pub(super) fn words(
    session: &Session,
    args: &Begin,
    told: &Reply<'_>,
    rows: &[Row],
    classed: usize,
    now: DateTime<Utc>,
) -> String {
    let (out, channel) = (session.out, told.channel);
    let counts: Vec<String> = told
        .classes
        .iter()
        .map(|(class, n)| format!("{class} {n}"))
        .collect();
    let oldest = rows.iter().map(|row| row.age_days(now)).max();
    let open = match oldest {
        Some(days) => format!(
            "{} open orders, the oldest {days} days old: {}\n",
            rows.len(),
            counts.join(", ")
        ),
        None => "no open orders\n".to_owned(),
    };
    let from = out.time(told.from);
    if !told.dry_run {
        return match (told.begun_before, classed) {
            (true, 0) => {
                format!(
                    "channel {channel} has already begun, with orders placed from {from} on; nothing was changed\n"
                )
            }
            (true, n) => format!(
                "channel {channel} had already begun, with orders placed from {from} on; the class of {n} older orders was changed\n"
            ),
            (false, _) => format!(
                "channel {channel} has begun: hikiate acts on orders placed from {from} on\n{open}"
            ),
        };
    }
    let cells = |row: &Row| {
        let listing = &row.listing;
        vec![
            listing.number.clone(),
            listing.display.clone(),
            if row.changes_class() && !row.before.is_empty() {
                format!("{} -> {}", row.before, listing.class)
            } else {
                listing.class.to_owned()
            },
            out.time(listing.ordered_at),
            format!("{} d", row.age_days(now)),
            listing.total.clone(),
            listing.reserved.to_string(),
            out.maybe(listing.authorised_until),
            listing.reference.clone(),
        ]
    };
    let columns = [
        "ORDER",
        "SHOWN AS",
        "CLASS",
        "ORDERED",
        "AGE",
        "TOTAL",
        "RESERVED",
        "AUTHORISED UNTIL",
        "REFERENCE",
    ];
    let rows = table(&columns, &rows.iter().map(cells).collect::<Vec<_>>());
    let file = args.classes.as_deref().map_or_else(String::new, |path| {
        let path = path.display();
        if told.read {
            format!("with the classes in {path}, which is not changed\n")
        } else {
            format!(
                "written to {path}: edit class, reference and warehouse there, then pass it with --classes\n"
            )
        }
    });
    let doubts = match told.doubts {
        [] => String::new(),
        doubts => format!(
            "to begin with these classes, add --yes:\n  {}\n",
            doubts.join("\n  ")
        ),
    };
    let at_once = at_once(session);
    format!(
        "{rows}{open}hikiate would act on orders placed from {from} on; nothing was changed\n{doubts}{at_once}{file}"
    )
}

/// Warehouses that are instructed without a wave: there is no time to look at what has begun.
fn at_once(session: &Session) -> String {
    let warehouses = session.loaded.policy.warehouses.iter();
    let without_waves: Vec<&str> = warehouses
        .filter(|warehouse| matches!(warehouse.dispatch, Dispatch::Continuous { .. }))
        .map(|warehouse| warehouse.name.as_str())
        .collect();
    match without_waves.as_slice() {
        [] => String::new(),
        names => {
            let are = if names.len() > 1 { "are" } else { "is" };
            let stops = names
                .iter()
                .map(|name| format!("\n  hikiate stop-shipping --warehouse {name} --reason TEXT"));
            format!(
                "{} {are} instructed without waves, as soon as an order is allocated and its grace period has passed; to check the orders first:{}\n",
                names.join(", "),
                stops.collect::<String>()
            )
        }
    }
}
