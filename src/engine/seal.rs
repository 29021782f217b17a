//! Opening batches for what waits, and sealing those whose time has come.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, Duration, NaiveTime, Utc};
use chrono_tz::Tz;
use hikiate_sdk::{Call, ErrorClass, InstructCall, Instruction, InstructionLine, Operations};
use sha2::{Digest, Sha256};
use tracing::{info, warn};

use super::Engine;
use crate::plan::journal::journal_of;
use crate::policy::{Booking, Close, Dispatch, Warehouse};
use crate::store::{
    OpenBatch, OpenRevenue, Recheck, SealRow, SealTerms, Sealed, StoreError, Waiting,
};

/// A wave waits this long past its cut-off for orders whose news are being planned.
const PATIENCE_SECONDS: f64 = 60.0;
/// Where the next batch follows at once, an order with news goes with that one: under load there is always
/// one, and waiting for it would hold up all others.
const PATIENCE_AT_ONCE_SECONDS: f64 = 2.0;
const JOURNAL_ROWS: i64 = 100_000;

/// Opens and seals batches. Returns how many were sealed.
///
/// # Errors
/// The database's.
pub async fn seal_step(engine: &Engine) -> Result<usize, StoreError> {
    open_batches(engine).await?;
    let recheck = rechecks(engine);
    let marked = engine.store.mark_rechecks(&recheck).await?;
    if marked > 0 {
        info!(
            orders = marked,
            "orders are read again before they are sealed"
        );
    }
    let mut sealed = 0;
    let mut due = engine.store.due_batches(&engine.directory, None).await?;
    if due.is_empty() {
        return Ok(0);
    }
    let now = engine.store.now().await?;
    while let Some(last) = due.last().cloned() {
        for batch in &due {
            let result = if batch.is_journal() {
                seal_journal(engine, batch, now).await
            } else {
                seal_wave(engine, batch, &recheck, now).await
            };
            match result {
                Ok(0) => {}
                Ok(rows) => {
                    sealed += 1;
                    info!(batch = %batch.name, rows, "batch sealed");
                }
                // One warehouse's trouble is not another's.
                Err(error) if !error.is_away() => {
                    warn!(batch = %batch.name, %error, "batch could not be sealed; it is tried again")
                }
                Err(error) => return Err(error),
            }
        }
        due = engine
            .store
            .due_batches(&engine.directory, Some(&last))
            .await?;
    }
    Ok(sealed)
}

async fn open_batches(engine: &Engine) -> Result<(), StoreError> {
    let waiting = engine.store.waiting_locations().await?;
    let booking = match &engine.policy.booking {
        Some(booking) => {
            let account_id = engine.directory.account(&booking.account)?;
            let waits = engine.store.waiting_revenue(account_id).await?;
            waits.then_some((booking, account_id))
        }
        None => None,
    };
    if waiting.is_empty() && booking.is_none() {
        return Ok(());
    }
    let now = engine.store.now().await?;
    let zone = engine.policy.shop.timezone;
    for Waiting {
        location_id,
        release_at,
    } in waiting
    {
        let Some((location, warehouse)) =
            location_id.and_then(|id| Some((id, warehouse(engine, id)?)))
        else {
            continue;
        };
        let account_id = engine.directory.account(&warehouse.account)?;
        let (period, seal_at) = match &warehouse.dispatch {
            Dispatch::Continuous { .. } => (
                now.with_timezone(&zone).format("%Y%m%d").to_string(),
                release_at.max(now),
            ),
            Dispatch::Wave { cutoffs, .. } => {
                let at = next_cutoff(now.max(release_at), cutoffs, zone);
                (
                    at.with_timezone(&zone).format("%Y%m%dT%H%M").to_string(),
                    at,
                )
            }
        };
        engine
            .store
            .open_batch(
                &engine.directory,
                account_id,
                Some(location),
                "instruct",
                &period,
                seal_at,
            )
            .await?;
    }
    if let Some((booking, account_id)) = booking {
        let seal_at = match &booking.close {
            Close::At(time) => next_cutoff(now, &[*time], zone),
            Close::Every(every) => now + *every,
        };
        let period = seal_at.with_timezone(&zone).format("%Y%m%d").to_string();
        engine
            .store
            .open_batch(
                &engine.directory,
                account_id,
                None,
                "journal",
                &period,
                seal_at,
            )
            .await?;
    }
    Ok(())
}

fn warehouse(engine: &Engine, location_id: i16) -> Option<&Warehouse> {
    let name = engine.directory.location_name(location_id).ok()?;
    engine.policy.warehouses.iter().find(|w| w.name == name)
}

/// The first of these local times after `now`. Where the clocks skip a time, the next day's is taken.
#[must_use]
pub fn next_cutoff(now: DateTime<Utc>, times: &[NaiveTime], zone: Tz) -> DateTime<Utc> {
    let today = now.with_timezone(&zone).date_naive();
    (0..8)
        .filter_map(|days| today.checked_add_days(Days::new(days)))
        .flat_map(|day| {
            times
                .iter()
                .filter_map(move |time| day.and_time(*time).and_local_timezone(zone).earliest())
        })
        .map(|at| at.with_timezone(&Utc))
        .filter(|at| *at > now)
        .min()
        .unwrap_or_else(|| now + Duration::days(1))
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
    recheck: &BTreeMap<i16, Recheck>,
    now: DateTime<Utc>,
) -> Result<usize, StoreError> {
    let Some(warehouse) = batch.location_id.and_then(|id| warehouse(engine, id)) else {
        return Ok(0);
    };
    let Some(operations) = engine
        .accounts
        .get(&batch.account_id)
        .and_then(|a| a.connector.operations())
    else {
        return Ok(0);
    };
    let (max_rows, patience_seconds, at_once) = match &warehouse.dispatch {
        Dispatch::Wave { max_rows, .. } => (*max_rows, PATIENCE_SECONDS, false),
        Dispatch::Continuous { max_rows, .. } => (*max_rows, PATIENCE_AT_ONCE_SECONDS, true),
    };
    let terms = SealTerms {
        max_rows: i64::from(max_rows),
        patience_seconds,
        at_once,
        recheck: recheck.clone(),
        reply_within_seconds: warehouse.reply_within.map(|d| d.as_seconds_f64()),
        policy_id: engine.policy_id,
        today: engine.today(now),
    };
    let rows = engine
        .store
        .retried("seal_wave", || {
            engine
                .store
                .seal_wave(&engine.directory, batch, &terms, |rows| {
                    render_wave(batch, rows, operations)
                })
        })
        .await?;
    Ok(rows.unwrap_or(0))
}

/// Renders a wave. A shipment that cannot be expressed is left out with its reason; the others go.
fn render_wave(
    batch: &OpenBatch,
    rows: &[SealRow],
    operations: &dyn Operations,
) -> Result<(Sealed, Vec<(i64, String)>), StoreError> {
    let call = |rows: &[&SealRow]| {
        Call::Instruct(InstructCall {
            batch: batch.name.clone(),
            instructions: rows
                .iter()
                .filter_map(|row| instruction(row).ok())
                .collect(),
        })
    };
    let (mut good, mut refused): (Vec<&SealRow>, Vec<(i64, String)>) = (Vec::new(), Vec::new());
    for row in rows {
        match instruction(row) {
            Ok(_) => good.push(row),
            Err(why) => refused.push((row.shipment_id, why)),
        }
    }
    let mut prepared = operations.prepare(&call(&good));
    if prepared
        .as_ref()
        .is_err_and(|e| e.class == ErrorClass::Rejected)
    {
        good.retain(|row| match operations.prepare(&call(&[row])) {
            Err(error) if error.class == ErrorClass::Rejected => {
                refused.push((row.shipment_id, error.message));
                false
            }
            _ => true,
        });
        prepared = operations.prepare(&call(&good));
    }
    if good.is_empty() {
        return Ok((
            Sealed {
                body: Vec::new(),
                hash: Vec::new(),
                members: Vec::new(),
            },
            refused,
        ));
    }
    let prepared = prepared.map_err(|e| {
        StoreError::Refused(format!("batch {} cannot be rendered: {e}", batch.name))
    })?;
    let hash = Sha256::digest(&prepared.bytes).to_vec();
    Ok((
        Sealed {
            body: prepared.bytes,
            hash,
            members: good.iter().map(|r| r.shipment_id).collect(),
        },
        refused,
    ))
}

fn instruction(row: &SealRow) -> Result<Instruction, String> {
    let order = &row.order.order;
    let group = row.shipment.group.as_str();
    let personal = row
        .personal
        .as_ref()
        .ok_or("the personal data of this order was purged: it cannot be shipped any more")?;
    let ship_to = personal
        .ship_to
        .get(group)
        .ok_or_else(|| format!("delivery group {group} has no address"))?
        .clone();
    let known = order.groups.iter().find(|g| g.key.as_str() == group);
    let lines = row
        .shipment
        .lines
        .iter()
        .map(|line| InstructionLine {
            n: line.n,
            code: row.codes.get(&line.item_id).cloned().unwrap_or_default(),
            title: order
                .lines
                .iter()
                .find(|l| l.key == line.line)
                .map(|l| l.title.clone())
                .unwrap_or_default(),
            quantity: line.quantity,
        })
        .collect();
    Ok(Instruction {
        reference: row.shipment.reference.clone(),
        order_number: row.number.clone(),
        display: order.display.clone(),
        channel: row.channel.to_string(),
        ordered_at: order.ordered_at,
        service: known.and_then(|g| g.service.clone()),
        earliest_ship: known.and_then(|g| g.earliest_ship),
        ship_to,
        lines,
    })
}

async fn seal_journal(
    engine: &Engine,
    batch: &OpenBatch,
    now: DateTime<Utc>,
) -> Result<usize, StoreError> {
    let Some(booking) = &engine.policy.booking else {
        return Ok(0);
    };
    let Some(operations) = engine
        .accounts
        .get(&batch.account_id)
        .and_then(|a| a.connector.operations())
    else {
        return Ok(0);
    };
    let terms = SealTerms {
        max_rows: JOURNAL_ROWS,
        patience_seconds: 0.0,
        at_once: false,
        recheck: BTreeMap::new(),
        reply_within_seconds: None,
        policy_id: engine.policy_id,
        today: engine.today(now),
    };
    engine
        .store
        .retried("seal_journal", || {
            engine
                .store
                .seal_journal(&engine.directory, batch, &terms, |rows| {
                    render_journal(batch, rows, booking, operations)
                })
        })
        .await
}

fn render_journal(
    batch: &OpenBatch,
    rows: &[OpenRevenue],
    booking: &Booking,
    operations: &dyn Operations,
) -> Result<Sealed, StoreError> {
    let account = hikiate_sdk::AccountSlug::new(batch.name.account.clone());
    let number = crate::number::batch_number(&account, &batch.name);
    let journal = journal_of(rows, booking, &number);
    let prepared = operations
        .prepare(&Call::PostJournal {
            batch: batch.name.clone(),
            journal,
        })
        .map_err(|e| {
            StoreError::Refused(format!("batch {} cannot be rendered: {e}", batch.name))
        })?;
    let hash = Sha256::digest(&prepared.bytes).to_vec();
    Ok(Sealed {
        body: prepared.bytes,
        hash,
        members: rows.iter().map(|r| r.id).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(text: &str) -> DateTime<Utc> {
        text.parse().unwrap_or_default()
    }

    fn time(hour: u32, minute: u32) -> NaiveTime {
        NaiveTime::from_hms_opt(hour, minute, 0).unwrap_or_default()
    }

    #[test]
    fn a_cut_off_is_local_and_strictly_later() {
        let cutoffs = [time(9, 0), time(13, 0)];
        let tokyo = chrono_tz::Asia::Tokyo;
        assert_eq!(
            next_cutoff(utc("2026-11-21T03:59:59Z"), &cutoffs, tokyo),
            utc("2026-11-21T04:00:00Z")
        );
        assert_eq!(
            next_cutoff(utc("2026-11-21T04:00:00Z"), &cutoffs, tokyo),
            utc("2026-11-22T00:00:00Z")
        );
    }

    #[test]
    fn a_time_that_the_clocks_skip_moves_to_the_next_day() {
        let berlin = chrono_tz::Europe::Berlin;
        assert_eq!(
            next_cutoff(utc("2027-03-28T00:00:00Z"), &[time(2, 30)], berlin),
            utc("2027-03-29T00:30:00Z")
        );
    }
}
