//! Opening batches for what waits, and sealing those whose time has come.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Duration, Utc};
use hikiate_sdk::text::without_quotes;
use hikiate_sdk::{
    AccountSlug, BatchName, Call, Error, ErrorClass, InstructCall, Instruction, InstructionLine,
    Op, Operations, Prepared,
};
use sha2::{Digest, Sha256};
use tracing::{info, warn};

use super::schedule;
use crate::engine::Engine;
use crate::operations::members;
use crate::plan::journal::{OpenPosting, OpenRevenue, journal_of, place_of};
use crate::plan::{asked, collected_by, render_call};
use crate::policy::{Booking, Dispatch, Policy, Warehouse};
use crate::store::{
    JournalRows, OpenBatch, Place, Recheck, RenderedJournal, SealRow, SealTerms, Sealed, SetAside,
    Slot, StoreError,
};

/// A wave waits this long past its cut-off for orders whose new input is being planned.
const PATIENCE: Duration = Duration::seconds(60);
/// Where the next batch follows at once, an order with new input goes with that one: under load there is always
/// one, and waiting for it would hold up all others.
const PATIENCE_AT_ONCE: Duration = Duration::seconds(2);
const JOURNAL_ROWS: i64 = 100_000;

/// Opens and seals batches. Returns how many were sealed.
///
/// # Errors
/// The database's.
pub async fn seal_step(engine: &Engine) -> Result<usize, StoreError> {
    let recheck = rechecks(engine);
    let mut sealed = 0;
    loop {
        open_batches(engine).await?;
        let marked = engine.store.mark_rechecks(&recheck).await?;
        if marked > 0 {
            info!(orders = marked, "refreshing orders before sealing");
        }
        let done = seal_due(engine, &recheck).await?;
        sealed += done.sealed;
        // A further batch of the same cut-off, or the next one after a cut-off that was missed, is opened at once.
        if !done.more {
            return Ok(sealed);
        }
    }
}

/// What came of one look at the batches that are due.
#[derive(Default)]
struct Done {
    sealed: usize,
    /// Another batch may have to be opened.
    more: bool,
}

async fn seal_due(engine: &Engine, recheck: &BTreeMap<i16, Recheck>) -> Result<Done, StoreError> {
    let mut done = Done::default();
    let (directory, policy) = (&engine.directory, engine.policy_id);
    let mut due = engine.store.due_batches(directory, policy, None).await?;
    if due.is_empty() {
        return Ok(done);
    }
    let now = engine.store.now().await?;
    while let Some(last) = due.last().cloned() {
        for batch in &due {
            match seal(engine, batch, recheck, now).await {
                Ok((rows, more)) => {
                    done.more |= more;
                    if rows > 0 {
                        done.sealed += 1;
                        info!(batch = %batch.name, rows, "batch sealed");
                    }
                }
                Err(error) if error.is_away() => return Err(error),
                // One warehouse's trouble is not another's.
                Err(error) => {
                    let words = error.to_string();
                    let pause = engine.store.seal_failed(batch, &words).await?;
                    warn!(batch = %batch.name, error = without_quotes(&words), pause, "could not seal the batch: see `hikiate tasks`; retried after the pause (seconds)");
                }
            }
        }
        due = engine
            .store
            .due_batches(directory, policy, Some(&last))
            .await?;
    }
    Ok(done)
}

/// Seals a batch. Returns its rows, and whether another may have to be opened.
async fn seal(
    engine: &Engine,
    batch: &OpenBatch,
    recheck: &BTreeMap<i16, Recheck>,
    now: DateTime<Utc>,
) -> Result<(usize, bool), StoreError> {
    if batch.is_journal() {
        return seal_journal(engine, batch, now).await;
    }
    let Some(warehouse) = batch.location_id.and_then(|id| warehouse(engine, id)) else {
        return Ok((0, false));
    };
    if !schedule::missed(&warehouse.dispatch, batch.seal_at, now) {
        let rows = seal_wave(engine, batch, warehouse, recheck, now).await?;
        return Ok((rows, rows > 0));
    }
    let zone = engine.policy.shop.timezone;
    let next = schedule::slot(&warehouse.dispatch, zone, now, now, None);
    let local = next.seal_at.with_timezone(&zone).format("%Y-%m-%d %H:%M");
    let missed = engine
        .store
        .miss(batch, &warehouse.name, &local.to_string())
        .await?;
    if missed {
        warn!(batch = %batch.name, "a wave missed its cut-off and is no longer sealed automatically: see `hikiate wave list`");
    }
    Ok((0, false))
}

async fn open_batches(engine: &Engine) -> Result<(), StoreError> {
    let waiting = engine.store.waiting_locations().await?;
    let now = engine.store.now().await?;
    let booking = match &engine.policy.booking {
        Some(booking) => {
            let account_id = engine.directory.account(&booking.account)?;
            let waits = engine
                .store
                .waiting_revenue(
                    account_id,
                    booking.titles.deposits.is_some(),
                    engine.today(now),
                )
                .await?;
            waits.then_some((booking, account_id))
        }
        None => None,
    };
    if waiting.is_empty() && booking.is_none() {
        return Ok(());
    }
    if !engine.store.in_force(engine.policy_id).await? {
        return Ok(());
    }
    let zone = engine.policy.shop.timezone;
    for waiting in waiting {
        let Some(warehouse) = warehouse(engine, waiting.location_id) else {
            continue;
        };
        let place = Place {
            account_id: engine.directory.account(&warehouse.account)?,
            location_id: Some(waiting.location_id),
            kind: "instruct",
        };
        let dispatch = &warehouse.dispatch;
        let slot = schedule::slot(dispatch, zone, now, waiting.release_at, waiting.since);
        match waiting.open {
            // It was opened for what may leave only later.
            Some((_, seal_at)) if seal_at > now && slot.seal_at < seal_at => {
                engine
                    .store
                    .pull_forward(&engine.directory, place, &slot)
                    .await?;
            }
            Some(_) => {}
            None => {
                let slot = schedule::further(dispatch, waiting.more_of.as_ref()).unwrap_or(slot);
                engine
                    .store
                    .open_batch(&engine.directory, place, &slot)
                    .await?;
            }
        }
    }
    if let Some((booking, account_id)) = booking {
        let place = Place {
            account_id,
            location_id: None,
            kind: "journal",
        };
        let slot = schedule::close_slot(&booking.close, zone, now);
        engine
            .store
            .open_batch(&engine.directory, place, &slot)
            .await?;
    }
    Ok(())
}

fn warehouse(engine: &Engine, location_id: i16) -> Option<&Warehouse> {
    let name = engine.directory.location_name(location_id).ok()?;
    engine.policy.warehouses.iter().find(|w| w.name == name)
}

/// Per channel's account row, how lately its orders must have been read when they are sealed.
fn rechecks(engine: &Engine) -> BTreeMap<i16, Recheck> {
    let channels = engine.policy.channels.iter();
    channels
        .filter_map(|(slug, channel)| {
            let recheck = Recheck {
                before: channel.recheck?,
                required: channel.recheck_required,
            };
            Some((engine.directory.account(slug).ok()?, recheck))
        })
        .collect()
}

async fn seal_wave(
    engine: &Engine,
    batch: &OpenBatch,
    warehouse: &Warehouse,
    recheck: &BTreeMap<i16, Recheck>,
    now: DateTime<Utc>,
) -> Result<usize, StoreError> {
    let Some(operations) = engine
        .accounts
        .get(&batch.account_id)
        .and_then(|a| a.connector.operations())
    else {
        return Ok(0);
    };
    let (max_rows, patience, at_once) = match &warehouse.dispatch {
        Dispatch::Wave { max_rows, .. } => (*max_rows, PATIENCE, false),
        Dispatch::Continuous { max_rows, .. } => (*max_rows, PATIENCE_AT_ONCE, true),
    };
    let terms = SealTerms {
        max_rows: i64::from(max_rows),
        patience,
        at_once,
        recheck: recheck.clone(),
        reply_within_seconds: reply_within(warehouse, operations, now, engine),
        on_delivery: on_delivery(&engine.policy),
        policy_id: engine.policy_id,
        today: engine.today(now),
    };
    let rows = engine
        .store
        .retried("seal_wave", || {
            engine
                .store
                .seal_wave(&engine.directory, batch, &terms, |rows| {
                    render_wave(&batch.name, rows, operations, &engine.policy, warehouse)
                })
        })
        .await?;
    Ok(rows.unwrap_or(0))
}

/// How long after `now` the replies to a wave are overdue; `None` where none come.
fn reply_within(
    warehouse: &Warehouse,
    operations: &dyn Operations,
    now: DateTime<Utc>,
    engine: &Engine,
) -> Option<f64> {
    let offered = operations.operations();
    let instruct = offered.iter().find(|spec| spec.op == Op::Instruct)?;
    if instruct.completes_on_accept {
        return None;
    }
    let due = warehouse.reply_within.as_ref()?;
    let due = due.due(now, engine.policy.shop.timezone)?;
    Some((due - now).as_seconds_f64())
}

/// Renders a wave. A shipment that cannot be expressed is left out with its reason; the others go. Where none can be
/// for another reason than what it says, it is not the shipments' fault, and nothing is refused.
///
/// # Errors
/// [`StoreError::Refused`] with the connector's words.
pub fn render_wave(
    name: &BatchName,
    rows: &[SealRow],
    operations: &dyn Operations,
    policy: &Policy,
    warehouse: &Warehouse,
) -> Result<(Sealed, Vec<(i64, String)>), StoreError> {
    let instruction = |row: &SealRow| instruction(row, policy, warehouse);
    let render = |rows: &[&SealRow]| {
        render_call(
            operations,
            &Call::Instruct(InstructCall {
                batch: name.clone(),
                instructions: rows
                    .iter()
                    .filter_map(|row| instruction(row).ok())
                    .collect(),
            }),
        )
    };
    let (mut whole, mut refused): (Vec<&SealRow>, Vec<(i64, String)>) = (Vec::new(), Vec::new());
    for row in rows {
        match instruction(row) {
            Ok(_) => whole.push(row),
            Err(why) => refused.push((row.shipment_id, why)),
        }
    }
    let found = sound(&whole, &render);
    if found.good.is_empty()
        && let Some(error) = not_their_fault(found.bad.iter().map(|(_, error)| error))
    {
        return Err(unrenderable(name, error));
    }
    refused.extend((found.bad.iter()).map(|(row, error)| (row.shipment_id, error.message.clone())));
    if found.good.is_empty() {
        return Ok((Sealed::default(), refused));
    }
    let prepared = render(&found.good).map_err(|error| unrenderable(name, &error))?;
    Ok((
        Sealed {
            hash: Sha256::digest(&prepared.bytes).to_vec(),
            body: prepared.bytes,
            members: found.good.iter().map(|r| r.shipment_id).collect(),
        },
        refused,
    ))
}

/// The error of a batch of which nothing can be rendered, unless each part was refused for what it says.
fn not_their_fault<'e>(errors: impl Iterator<Item = &'e Error>) -> Option<&'e Error> {
    let mut others = errors.filter(|error| error.class != ErrorClass::Rejected);
    others.next()
}

/// With what the error quotes: it is stored as the batch's error, and who logs it leaves that out.
fn unrenderable(name: &BatchName, error: &Error) -> StoreError {
    let why = &error.message;
    StoreError::Refused(format!("batch {name} cannot be rendered: {why}"))
}

/// Parts that can be rendered together, and parts that cannot even be by themselves. What is among neither can only
/// not be rendered together with the good ones: it goes with the next batch.
struct Sound<T> {
    good: Vec<T>,
    bad: Vec<(T, Error)>,
}

/// Halves until the culprits are found.
fn sound<T: Copy>(parts: &[T], render: &dyn Fn(&[T]) -> Result<Prepared, Error>) -> Sound<T> {
    if parts.is_empty() {
        return Sound {
            good: Vec::new(),
            bad: Vec::new(),
        };
    }
    let error = match render(parts) {
        Ok(_) => {
            return Sound {
                good: parts.to_vec(),
                bad: Vec::new(),
            };
        }
        Err(error) => error,
    };
    if let [part] = parts {
        return Sound {
            good: Vec::new(),
            bad: vec![(*part, error)],
        };
    }
    let (left, right) = parts.split_at(parts.len() / 2);
    let (left, right) = (sound(left, render), sound(right, render));
    let mut bad = left.bad;
    bad.extend(right.bad);
    let mut good = left.good.clone();
    good.extend(right.good.iter().copied());
    if !left.good.is_empty() && !right.good.is_empty() && render(&good).is_err() {
        good = left.good;
    }
    Sound { good, bad }
}

/// Per channel, the ways of paying that are collected on delivery.
fn on_delivery(policy: &Policy) -> BTreeMap<AccountSlug, BTreeSet<String>> {
    let channels = policy.channels.iter();
    channels
        .map(|(slug, channel)| (slug.clone(), collected_by(channel).cloned().collect()))
        .collect()
}

fn instruction(
    row: &SealRow,
    policy: &Policy,
    warehouse: &Warehouse,
) -> Result<Instruction, String> {
    let order = &row.order.order;
    let group = row.shipment.group.as_str();
    let personal = row
        .personal
        .as_ref()
        .ok_or("the personal data of this order was purged: it can no longer be shipped")?;
    let ship_to = personal
        .ship_to
        .get(group)
        .ok_or_else(|| format!("delivery group {group} has no address"))?
        .clone();
    let known = order.groups.iter().find(|g| g.key.as_str() == group);
    let channel = policy.channels.get(&row.channel);
    let asked = known.map(|known| asked(order, known, personal, channel, warehouse));
    let asked = asked.unwrap_or_default();
    if let Some(unmapped) = asked.unmapped.first() {
        return Err(unmapped.clone());
    }
    let lines = row
        .shipment
        .lines
        .iter()
        .map(|line| {
            let sold = order.lines.iter().find(|l| l.key == line.line);
            InstructionLine {
                n: line.n,
                code: row.codes.get(&line.item_id).cloned().unwrap_or_default(),
                title: sold.map(|l| l.title.clone()).unwrap_or_default(),
                quantity: line.quantity,
                unit_price: sold.and_then(|l| l.unit_price),
                customs: sold.map(|l| l.customs.clone()).unwrap_or_default(),
            }
        })
        .collect();
    Ok(Instruction {
        reference: row.shipment.reference.clone(),
        order_number: row.number.clone(),
        display: order.display.clone(),
        channel: row.channel.to_string(),
        ordered_at: order.ordered_at,
        service: asked.service,
        earliest_ship: known.and_then(|g| g.earliest_ship),
        ship_to,
        lines,
        asks: asked.asks,
    })
}

async fn seal_journal(
    engine: &Engine,
    batch: &OpenBatch,
    now: DateTime<Utc>,
) -> Result<(usize, bool), StoreError> {
    let Some(booking) = &engine.policy.booking else {
        return Ok((0, false));
    };
    let Some(operations) = engine
        .accounts
        .get(&batch.account_id)
        .and_then(|a| a.connector.operations())
    else {
        return Ok((0, false));
    };
    let terms = SealTerms {
        max_rows: JOURNAL_ROWS,
        patience: Duration::zero(),
        at_once: false,
        recheck: BTreeMap::new(),
        reply_within_seconds: None,
        on_delivery: BTreeMap::new(),
        policy_id: engine.policy_id,
        today: engine.today(now),
    };
    let deposits = booking.titles.deposits.is_some();
    let sealed = engine
        .store
        .retried("seal_journal", || {
            engine
                .store
                .seal_journal(&engine.directory, batch, &terms, deposits, |rows| {
                    render_journal(&batch.name, rows, booking, operations)
                })
        })
        .await?;
    if !sealed.aside.is_empty() {
        let entries = sealed.aside.len();
        warn!(batch = %batch.name, entries, "entries that the layout does not allow were excluded: see `hikiate tasks`");
        let today = engine.today(now);
        let tell = || engine.store.tell_aside(&sealed.aside, today);
        engine.store.retried("tell_aside", tell).await?;
    }
    if sealed.more {
        let place = Place {
            account_id: batch.account_id,
            location_id: None,
            kind: "journal",
        };
        let slot = Slot {
            period: batch.name.period.clone(),
            seal_at: batch.seal_at,
        };
        let store = &engine.store;
        store.open_batch(&engine.directory, place, &slot).await?;
    }
    Ok((sealed.rows, sealed.more))
}

/// What goes into a journal together or not at all.
#[derive(Clone, Copy)]
enum Part<'r> {
    /// The revenue of one entry.
    Revenue(&'r [OpenRevenue]),
    /// A posting of a deposit.
    Posting(&'r OpenPosting),
}

/// Renders a journal. An entry that the layout forbids is left out with its reason; the others are booked.
fn render_journal(
    name: &BatchName,
    rows: &JournalRows,
    booking: &Booking,
    operations: &dyn Operations,
) -> Result<RenderedJournal, StoreError> {
    let account = AccountSlug::new(name.account.clone());
    let number = crate::number::batch_number(&account, name);
    let mut entries: BTreeMap<_, Vec<OpenRevenue>> = BTreeMap::new();
    for row in &rows.revenue {
        let entry = entries.entry(place_of(row)).or_default();
        entry.push(row.clone());
    }
    let revenue = entries.values().map(|rows| Part::Revenue(rows));
    let mut parts: Vec<Part<'_>> = revenue
        .chain(rows.postings.iter().map(Part::Posting))
        .collect();
    let most = usize::try_from(members(operations, Op::PostJournal)).unwrap_or(usize::MAX);
    let more = parts.len() > most;
    parts.truncate(most);
    let render = |parts: &[Part<'_>]| {
        let (revenue, postings) = taken_apart(parts);
        render_call(
            operations,
            &Call::PostJournal {
                batch: name.clone(),
                journal: journal_of(&revenue, &postings, booking, &number),
            },
        )
    };
    let found = sound(&parts, &render);
    if found.good.is_empty()
        && let Some(error) = not_their_fault(found.bad.iter().map(|(_, error)| error))
    {
        return Err(unrenderable(name, error));
    }
    let mut journal = RenderedJournal {
        more,
        ..RenderedJournal::default()
    };
    for (part, error) in found.bad {
        // Its number in this journal is another in the next, and no new input.
        let why = error
            .message
            .replace(&format!("journal entry {number}-1"), "the entry");
        match part {
            Part::Revenue(rows) => journal.aside.push(SetAside {
                rows: rows.to_vec(),
                why,
            }),
            Part::Posting(row) => journal.aside_postings.push((row.id, why)),
        }
    }
    if found.good.is_empty() {
        return Ok(journal);
    }
    let prepared = render(&found.good).map_err(|error| unrenderable(name, &error))?;
    let (revenue, postings) = taken_apart(&found.good);
    journal.revenue = revenue.len();
    journal.sealed = Sealed {
        hash: Sha256::digest(&prepared.bytes).to_vec(),
        body: prepared.bytes,
        members: revenue
            .iter()
            .map(|row| row.id)
            .chain(postings.iter().map(|row| row.id))
            .collect(),
    };
    Ok(journal)
}

fn taken_apart(parts: &[Part<'_>]) -> (Vec<OpenRevenue>, Vec<OpenPosting>) {
    let (mut revenue, mut postings) = (Vec::new(), Vec::new());
    for part in parts {
        match part {
            Part::Revenue(rows) => revenue.extend_from_slice(rows),
            Part::Posting(row) => postings.push((*row).clone()),
        }
    }
    (revenue, postings)
}

#[cfg(test)]
mod tests {
    use hikiate_sdk::text::quote;

    use super::*;

    fn rendered(forbidden: &[u32], together: usize) -> impl Fn(&[u32]) -> Result<Prepared, Error> {
        let forbidden = forbidden.to_vec();
        move |parts| match parts.iter().find(|part| forbidden.contains(part)) {
            Some(part) => Err(Error::new(ErrorClass::Rejected, format!("no {part}"))),
            None if parts.len() > together => Err(Error::new(ErrorClass::Config, "too many")),
            None => Ok(Prepared {
                bytes: Vec::new(),
                label: String::new(),
            }),
        }
    }

    #[test]
    fn culprits_are_found_by_halving_and_the_others_go() {
        let parts: Vec<u32> = (0..100).collect();
        let found = sound(&parts, &rendered(&[0, 41, 42, 99], 1000));
        let bad: Vec<u32> = found.bad.iter().map(|(part, _)| *part).collect();
        assert_eq!(bad, [0, 41, 42, 99]);
        assert!(
            found
                .bad
                .iter()
                .all(|(part, error)| error.message == format!("no {part}"))
        );
        assert_eq!(found.good.len(), 96);
    }

    #[test]
    fn what_cannot_be_rendered_together_is_no_culprit_and_waits() {
        let parts: Vec<u32> = (0..10).collect();
        let found = sound(&parts, &rendered(&[3], 4));
        assert_eq!(found.bad.len(), 1);
        assert!((1..=4).contains(&found.good.len()), "{:?}", found.good);
    }

    #[test]
    fn the_error_of_a_batch_that_cannot_be_rendered_has_what_was_quoted() {
        let name = BatchName {
            account: "wms".to_owned(),
            kind: "instruct".to_owned(),
            period: "20261127T1200".to_owned(),
            n: 1,
        };
        let told = format!("the layout has no column for {}", quote("東池袋0-0-0"));
        let stored = unrenderable(&name, &Error::new(ErrorClass::Config, told)).to_string();
        assert_eq!(
            stored,
            "batch wms-instruct-20261127T1200-1 cannot be rendered: the layout has no column for “東池袋0-0-0”"
        );
        assert_eq!(
            without_quotes(&stored),
            "batch wms-instruct-20261127T1200-1 cannot be rendered: the layout has no column for “…”"
        );
    }
}
