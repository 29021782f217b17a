//! `hikiate begin` and `hikiate unbegin`: from when on hikiate acts for a channel, and what becomes of older orders.

mod classes;
mod doubts;
mod words;

use std::collections::BTreeMap;
use std::path::Path;

use chrono::{DateTime, Utc};
use hikiate_sdk::{AccountSlug, ShipmentReference};
use serde::Serialize;

use self::classes::{Line, Row};
use super::args::{Begin, Unbegin};
use super::failure::Failure;
use super::session::Session;
use crate::facts::OrderClass;
use crate::plan::{Listing, listing, types};
use crate::store::{BeginTerms, Beginning, Classed, StoreError};

/// Orders loaded at once.
const CHUNK: usize = 500;
/// Longest reference of another system, in characters.
const REFERENCE: usize = 60;

/// What `begin` answers.
#[derive(Serialize)]
struct Reply<'a> {
    channel: &'a AccountSlug,
    dry_run: bool,
    from: DateTime<Utc>,
    begun_before: bool,
    classes: BTreeMap<&'static str, usize>,
    /// The file of classes was read.
    #[serde(skip)]
    read: bool,
    orders: Vec<&'a Listing>,
    /// What needs `--yes`.
    doubts: &'a [String],
}

/// What is asked for one order.
struct Asked {
    class: String,
    reference: String,
    warehouse: String,
    /// Where it was asked, for complaints.
    place: String,
}

/// `hikiate begin`
pub(crate) async fn begin(session: &Session, args: Begin) -> Result<(), Failure> {
    let channel = channel(session, &args.channel)?;
    let store = &session.store;
    let now = store.now().await?;
    let standing = store.beginning(&channel).await?;
    let from = match (args.from, standing.from) {
        (Some(from), _) | (None, Some(from)) => from,
        // Only to look: as if it began now.
        (None, None) if args.dry_run || standing.acts => now,
        (None, None) => {
            return Err(Failure::Usage(format!(
                "channel {channel} has not begun: set with --from TIME from when on hikiate acts on its orders"
            )));
        }
    };
    if args.from.is_some_and(|from| from > now) {
        return Err(Failure::Usage(format!(
            "--from {} is in the future: hikiate would act on no current order; check with --dry-run, and begin at that time",
            session.out.time(from)
        )));
    }
    if args.left_until.is_some_and(|until| until <= now) {
        return Err(Failure::Usage(
            "--left-until must be in the future".to_owned(),
        ));
    }
    let mut asked = named(session, &args).await?;
    let rows = rows(session, &channel, &asked, standing, from, now).await?;
    // A file that is there was edited, or is to be: a dry run shows what it would do and writes nothing over it.
    let given = args.classes.as_deref();
    let given = given.filter(|path| !args.dry_run || path.exists());
    if let Some(path) = given {
        from_file(path, &rows, &mut asked)?;
    }
    let classes = classes(session, &rows, &asked)?;
    let warnings = early_results(session, &classes).await?;
    let shown = with_classes(&rows, &classes);
    let reason = args.reason.clone().unwrap_or_default();
    let mut begun_before = standing.acts;
    let mut doubts = Vec::new();
    if !standing.acts {
        let named = |row: &Row| asked.contains_key(&row.order.number);
        let lost = doubts::given_up(&shown, named);
        if !lost.is_empty() && !args.dry_run {
            return Err(Failure::Refused(format!(
                "{}\nnothing was done; name each with --leave or --history, or omit --from to begin as before",
                lost.join("\n")
            )));
        }
        doubts = doubts::doubts(&shown, named, now, &session.out);
        doubts.extend(lost);
        if !doubts.is_empty() && !args.dry_run && !args.yes {
            return Err(Failure::Refused(format!(
                "{}\nnothing was done; add --yes to confirm, or check with --dry-run",
                doubts.join("\n")
            )));
        }
    }
    if args.dry_run {
        if let Some(path) = args.classes.as_ref().filter(|_| given.is_none()) {
            std::fs::write(path, classes::write(&shown, now)).map_err(|error| {
                Failure::Failed(
                    anyhow::Error::new(error).context(format!("writing {}", path.display())),
                )
            })?;
        }
    } else {
        let terms = BeginTerms {
            from: if standing.acts { args.from } else { Some(from) },
            left_until: args.left_until,
            reason,
            actor: session.actor.clone(),
            today: session.today().await?,
        };
        let begin = || store.begin(&channel, &terms, &classes);
        begun_before = store.retried("begin", begin).await?;
    }
    let mut counts = BTreeMap::new();
    for row in &shown {
        *counts.entry(row.listing.class).or_insert(0) += 1;
    }
    let told = Reply {
        channel: &channel,
        dry_run: args.dry_run,
        from,
        begun_before,
        classes: counts,
        orders: shown.iter().map(|row| &row.listing).collect(),
        read: given.is_some(),
        doubts: &doubts,
    };
    let changed = shown.iter().filter(|row| row.changes_class());
    let changed = changed.filter(|row| classes.iter().any(|c| c.order.id == row.order.id));
    let changed = changed.count();
    session.out.one(&told, || {
        words::words(session, &args, &told, &shown, changed, now) + &warnings
    })
}

/// `hikiate unbegin`
pub(crate) async fn unbegin(session: &Session, args: Unbegin) -> Result<(), Failure> {
    let channel = channel(session, &args.channel)?;
    let store = &session.store;
    let stop = || store.unbegin(&channel, &args.reason, &session.actor);
    let done = store.retried("unbegin", stop).await?;
    session.out.one(&done, || {
        let batches = if done.batches.is_empty() {
            String::new()
        } else {
            format!(
                "sealed and not sent yet, with orders of this channel: {}; these are sent as they are\n",
                done.batches.join(", ")
            )
        };
        format!(
            "channel {channel} is stopped: its orders are only fetched, planned and reserved, and nothing more is sent for them\n\
             withdrawn: {} calls, {} shipments in open waves; waiting: {} revenue events and postings of deposits\n\
             in progress now: {} calls; with an unknown outcome, not resent until it begins again: {}\n\
             sealed or with a warehouse, and not shipped: {} shipments, in `hikiate order list --channel {channel} --status instructed`; have the warehouse stop them if they must not ship\n{batches}\
             to begin again from the same time: hikiate begin {channel} --reason TEXT\n",
            done.withdrawn, done.waiting, done.revenue, done.sending, done.unknown, done.instructed
        )
    })
}

fn channel(session: &Session, name: &str) -> Result<AccountSlug, Failure> {
    let channels = &session.loaded.policy.channels;
    let slug = AccountSlug::from(name);
    if channels.contains_key(&slug) {
        return Ok(slug);
    }
    let known: Vec<&str> = channels.keys().map(AccountSlug::as_str).collect();
    Err(Failure::NotFound(format!(
        "there is no channel {name:?}; channels: {}",
        known.join(", ")
    )))
}

/// Orders that were named on the command line, by number.
async fn named(session: &Session, args: &Begin) -> Result<BTreeMap<String, Asked>, Failure> {
    let mut asked: BTreeMap<String, Asked> = BTreeMap::new();
    let lists = [
        ("adopted", "--adopt", &args.adopt),
        ("left", "--leave", &args.leave),
        ("history", "--history", &args.history),
    ];
    let mut missing = Vec::new();
    for (class, option, orders) in lists {
        for order in orders {
            let number = match session.store.find_subject(order).await {
                Ok((_, number)) => number,
                Err(StoreError::NotFound(text)) => {
                    missing.push(text);
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let one = Asked {
                class: class.to_owned(),
                reference: String::new(),
                warehouse: String::new(),
                place: format!("{option} {order}"),
            };
            if let Some(first) = asked.insert(number, one) {
                return Err(Failure::Usage(format!(
                    "{option} {order}: the order is also named with {}",
                    first.place
                )));
            }
        }
    }
    if missing.is_empty() {
        Ok(asked)
    } else {
        Err(Failure::NotFound(format!(
            "{}\nnothing was done",
            missing.join("\n")
        )))
    }
}

/// Open orders of the channel and those that are named, as they would stand.
async fn rows(
    session: &Session,
    channel: &AccountSlug,
    asked: &BTreeMap<String, Asked>,
    standing: Beginning,
    from: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<Vec<Row>, Failure> {
    let store = &session.store;
    let mut named = Vec::new();
    for number in asked.keys() {
        named.push(store.find_subject(number).await?.0);
    }
    let orders = store.orders_to_class(channel, from, &named).await?;
    let since = |from| types::Begin {
        from: Some(from),
        ..types::Begin::default()
    };
    let mut rows = Vec::new();
    for chunk in orders.chunks(CHUNK) {
        let ids: Vec<i64> = chunk.iter().map(|order| order.id).collect();
        let (mut inputs, _) = session.inputs(&ids).await?;
        for order in chunk {
            let input = inputs.remove(&order.id);
            let policy = &session.loaded.policy;
            let before = standing.from.and_then(|from| {
                let before = listing(input.clone()?, policy, since(from), now)?;
                Some(before.class)
            });
            let Some(listing) = input.and_then(|input| listing(input, policy, since(from), now))
            else {
                continue;
            };
            let row = Row {
                order: order.clone(),
                listing,
                before: before.unwrap_or_default(),
            };
            // What is closed is told of where the beginning opens it again.
            let opens = !row.listing.over && !row.stays_behind() && !row.was_ours();
            if !order.closed || opens || asked.contains_key(&order.number) {
                rows.push(row);
            }
        }
    }
    rows.sort_by_key(|row| row.listing.ordered_at);
    Ok(rows)
}

/// Adds what the file says where it differs from how the orders stand; a line whose order has changed stops everything.
fn from_file(
    path: &Path,
    rows: &[Row],
    asked: &mut BTreeMap<String, Asked>,
) -> Result<(), Failure> {
    let file = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::Usage(format!("{file} cannot be read: {error}")))?;
    let lines = classes::read(&text).map_err(|why| Failure::Refused(format!("{file}: {why}")))?;
    let mut wrong = Vec::new();
    for line in lines {
        let place = format!("{file}, line {}", line.n);
        let Some(row) = rows.iter().find(|row| row.order.number == line.order) else {
            wrong.push(format!(
                "{place}: order {} is no longer open at this channel",
                line.order
            ));
            continue;
        };
        if row.order.seen != line.seen {
            wrong.push(format!(
                "{place}: order {} has changed since the file was written",
                line.order
            ));
            continue;
        }
        if asked.contains_key(&line.order) {
            wrong.push(format!(
                "{place}: order {} is also named on the command line",
                line.order
            ));
            continue;
        }
        if same(&line, &row.listing) {
            continue;
        }
        let Line {
            order,
            class,
            reference,
            warehouse,
            ..
        } = line;
        asked.insert(
            order,
            Asked {
                class,
                reference,
                warehouse,
                place,
            },
        );
    }
    refuse(wrong)
}

fn same(line: &Line, listing: &Listing) -> bool {
    line.class == listing.class
        && line.reference == listing.reference
        && line.warehouse == listing.warehouse
}

/// The classes to store: what is asked. What nobody names is classed anew by each beginning.
fn classes(
    session: &Session,
    rows: &[Row],
    asked: &BTreeMap<String, Asked>,
) -> Result<Vec<Classed>, Failure> {
    let mut classes = Vec::new();
    let mut wrong = Vec::new();
    let mut references: Vec<&str> = Vec::new();
    for (number, one) in asked {
        let Some(row) = rows.iter().find(|row| row.order.number == *number) else {
            wrong.push(format!(
                "{}: order {number} is not open at this channel, or was not fetched yet",
                one.place
            ));
            continue;
        };
        if references.contains(&one.reference.as_str()) && !one.reference.is_empty() {
            wrong.push(format!(
                "{}: reference {} is used for two orders",
                one.place, one.reference
            ));
        }
        references.push(&one.reference);
        if row.order.purged && one.class == "adopted" {
            wrong.push(format!(
                "{}: order {number} was purged: without its names and addresses it can no longer be shipped from here; ship it by hand, and class it as history",
                one.place
            ));
            continue;
        }
        match class_of(session, &row.listing, one) {
            Ok(class) => classes.push(Classed {
                order: row.order.clone(),
                class,
            }),
            Err(why) => wrong.push(format!("{}: order {number} {why}", one.place)),
        }
    }
    refuse(wrong)?;
    Ok(classes)
}

fn refuse(wrong: Vec<String>) -> Result<(), Failure> {
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Failure::Refused(format!(
        "{}\nnothing was done; check again with --dry-run",
        wrong.join("\n")
    )))
}

fn class_of(session: &Session, listing: &Listing, asked: &Asked) -> Result<OrderClass, String> {
    match listing.class {
        "new" => {
            return Err("was placed at or after --from: hikiate acts on it anyway".to_owned());
        }
        "ours" => return Err("is already hikiate's".to_owned()),
        _ => {}
    }
    let instructed = asked.class == "adopted-instructed";
    let names_a_shipment = !asked.reference.is_empty() || !asked.warehouse.is_empty();
    if !instructed && names_a_shipment {
        return Err(
            "has a reference or a warehouse, which only the class adopted-instructed takes"
                .to_owned(),
        );
    }
    match asked.class.as_str() {
        "left" => return Ok(OrderClass::Left),
        "adopted" => return Ok(OrderClass::Adopted),
        "history" => return Ok(OrderClass::History),
        "adopted-instructed" => {}
        other => {
            return Err(format!(
                "has unknown class {other:?}; use left, adopted, adopted-instructed or history"
            ));
        }
    }
    let reference = &asked.reference;
    let odd = |c: char| c.is_whitespace() || c.is_control();
    if reference.is_empty() || reference.chars().count() > REFERENCE || reference.contains(odd) {
        return Err(format!(
            "needs the reference that the previous system gave its shipment, at most {REFERENCE} characters without spaces"
        ));
    }
    if listing.groups != 1 {
        return Err("ships to several addresses: one reference cannot cover all of it".to_owned());
    }
    let warehouses = &session.loaded.policy.warehouses;
    let found = warehouses.iter().find(|w| w.name == asked.warehouse);
    let Some(warehouse) = found else {
        let known: Vec<&str> = warehouses.iter().map(|w| w.name.as_str()).collect();
        return Err(format!(
            "needs the warehouse that ships it, one of {}",
            known.join(", ")
        ));
    };
    Ok(OrderClass::AdoptedInstructed {
        reference: ShipmentReference::from(reference.as_str()),
        warehouse: warehouse.name.clone(),
        account: warehouse.account.clone(),
    })
}

/// References that are taken are refused; results that came before their shipment was known are told.
async fn early_results(session: &Session, classes: &[Classed]) -> Result<String, Failure> {
    let references: Vec<String> = classes
        .iter()
        .filter_map(|classed| match &classed.class {
            OrderClass::AdoptedInstructed { reference, .. } => Some(reference.to_string()),
            _ => None,
        })
        .collect();
    if references.is_empty() {
        return Ok(String::new());
    }
    let known = session.store.known_references(&references).await?;
    refuse(
        known
            .into_iter()
            .map(|reference| {
                format!("reference {reference} belongs to a shipment of another order")
            })
            .collect(),
    )?;
    let early = session.store.quarantined_under(&references).await?;
    Ok(early
        .into_iter()
        .map(|(id, reference)| {
            format!("an earlier ship confirmation for {reference} is in quarantine ({id}): have the warehouse send it again\n")
        })
        .collect())
}

fn with_classes(rows: &[Row], classes: &[Classed]) -> Vec<Row> {
    let mut rows = rows.to_vec();
    for row in &mut rows {
        let mine = classes.iter().find(|c| c.order.id == row.order.id);
        row.listing.class = match mine.map(|c| &c.class) {
            None => continue,
            Some(OrderClass::Left) => "left",
            Some(OrderClass::Adopted) => "adopted",
            Some(OrderClass::History) => "history",
            Some(OrderClass::AdoptedInstructed {
                reference,
                warehouse,
                ..
            }) => {
                row.listing.reference = reference.to_string();
                row.listing.warehouse.clone_from(warehouse);
                "adopted-instructed"
            }
        };
    }
    rows
}
