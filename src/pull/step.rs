//! One round of pulling for one owned account: acknowledge what is stored, ask for what is due, store it.

use std::time::Duration;

use hikiate_sdk::budget::Urgency;
use hikiate_sdk::text::sentence;
use hikiate_sdk::{BadRecord, Error, ErrorClass, ExternalId, Record, Source, StreamSpec};
use tracing::{info, warn};

use super::intake::intake;
use crate::account::{Account, Gate, backoff};
use crate::engine::Engine;
use crate::store::{DueStream, OwnedAccount, PageDone, StoreError, StreamAfter};

/// Orders read by id in one call.
const READS: i64 = 50;

/// Pulls every due stream of an account one page further. True when something was pulled.
///
/// # Errors
/// The database's; a far side's errors are the stream's.
pub async fn pull_account(
    engine: &Engine,
    account: &Account,
    owned: &OwnedAccount,
) -> Result<bool, StoreError> {
    let Some(source) = account.connector.source() else {
        return Ok(false);
    };
    if owned.paused.is_some() {
        return Ok(false);
    }
    account.count_ahead(&engine.store, owned).await?;
    // Held to the end: it is the permit where the account is only tried.
    let gate = account.gate(&engine.store).await?;
    if matches!(gate, Gate::Shut) {
        return Ok(false);
    }
    let mut busy = false;
    let mut due = engine.store.due_pulls(owned.id).await?;
    if let Some(stream) = due.streams.first() {
        account.link.set_clock(stream.asked_at);
    }
    if due.reads {
        busy = match read_due(engine, account, owned, source, due.read_fails).await {
            Err(error) if of_the_records(&error) => {
                read_nothing(engine, account, owned, due.read_fails, &error).await?;
                false
            }
            read => read?,
        };
        // Reading took its time, which says when the pages are asked for.
        due = engine.store.due_pulls(owned.id).await?;
    }
    let bytes = due.bytes;
    for due in due.streams {
        if !account.breaker.calls() {
            return Ok(false);
        }
        let Some(spec) = source.streams().into_iter().find(|s| s.name == due.name) else {
            continue;
        };
        let fails = due.fails;
        match pull_stream(engine, account, owned, source, &spec, due).await {
            Ok(more) => busy |= more,
            // What one stream cannot store is its own trouble: the others of the account go on.
            Err(error) if of_the_records(&error) => {
                stored_nothing(engine, account, owned, &spec, fails, &error).await?;
            }
            Err(error) => return Err(error),
        }
    }
    if bytes {
        busy |= read_bytes_again(engine, account, owned, source).await?;
    }
    Ok(busy)
}

/// Storing failed because of what was to be stored: neither a lost lease nor a database that is away or busy.
fn of_the_records(error: &StoreError) -> bool {
    !matches!(error, StoreError::LostLease(_)) && !error.is_away() && !error.is_retryable()
}

/// Why the database refused, for a person.
fn why(error: &StoreError) -> String {
    if error.is_refusal() {
        error.refusal()
    } else {
        error.to_string()
    }
}

/// Orders that were read by their ids could not be stored: such reading backs off, and it is a task once that goes on.
async fn read_nothing(
    engine: &Engine,
    account: &Account,
    owned: &OwnedAccount,
    fails: i16,
    error: &StoreError,
) -> Result<(), StoreError> {
    let why = why(error);
    let retry = backoff(fails);
    warn!(account = %account.slug, error = why, retry_seconds = retry.as_secs(), "orders that were read by their ids could not be stored; they stay due");
    let message = format!("they could not be stored: {why}");
    engine
        .store
        .reads_failed(owned.id, &message, retry.as_secs_f64())
        .await
}

/// A page could not be stored: the stream backs off, and it is a task once that goes on.
async fn stored_nothing(
    engine: &Engine,
    account: &Account,
    owned: &OwnedAccount,
    spec: &StreamSpec,
    fails: i16,
    error: &StoreError,
) -> Result<(), StoreError> {
    let why = why(error);
    let retry = backoff(fails);
    warn!(account = %account.slug, stream = spec.name, error = why, retry_seconds = retry.as_secs(), "page could not be stored; the cursor stays");
    let message = format!("a page could not be stored: {why}");
    engine
        .store
        .stream_failed(owned.id, &spec.name, &message, retry.as_secs_f64())
        .await
}

/// Records in quarantine that somebody wants to have read again, from their stored bytes.
async fn read_bytes_again(
    engine: &Engine,
    account: &Account,
    owned: &OwnedAccount,
    source: &dyn Source,
) -> Result<bool, StoreError> {
    let again = engine.store.due_again(owned.id, READS).await?;
    for record in &again {
        let crate::store::Source { raw, file } = &record.source;
        let read = source.reread(&record.stream, file.as_ref(), raw);
        let records = read.unwrap_or_else(|error| {
            let bad = BadRecord::new(None, format!("cannot be read again: {error}"));
            vec![Record {
                raw: raw.clone(),
                file: file.clone(),
                parsed: Err(bad),
            }]
        });
        let page = intake(
            records,
            &account.slug,
            owned.id,
            &engine.directory,
            engine.policy.shop.timezone,
            record.asked_at,
        );
        let stored = || engine.store.read_again(owned, record, &page);
        let done = engine.store.retried("read_again", stored).await?;
        info!(account = %account.slug, stream = record.stream, record = record.id, settled = done.quarantined == 0, "a record of the quarantine was read again");
    }
    Ok(!again.is_empty())
}

async fn pull_stream(
    engine: &Engine,
    account: &Account,
    owned: &OwnedAccount,
    source: &dyn Source,
    spec: &StreamSpec,
    due: DueStream,
) -> Result<bool, StoreError> {
    if let Some(ack) = &due.ack {
        let acknowledged = Urgency::Reads.scope(source.acknowledge(ack)).await;
        account.heard(&engine.metrics, acknowledged.as_ref().err());
        match acknowledged {
            Ok(()) => engine.store.acknowledged(owned.id, &due.name, ack).await?,
            Err(error) => {
                failed(engine, account, owned, spec, &due, &error).await?;
                return Ok(false);
            }
        }
    }
    let urgency = match due.cursor {
        Some(_) => Urgency::Reads,
        None => Urgency::BackFill,
    };
    let page = urgency
        .scope(source.page(&due.name, due.cursor.as_ref(), due.asked_at))
        .await;
    account.heard(&engine.metrics, page.as_ref().err());
    let page = match page {
        Ok(page) => page,
        Err(error) => {
            failed(engine, account, owned, spec, &due, &error).await?;
            return Ok(false);
        }
    };
    let records = page.records.len();
    let mut incoming = intake(
        page.records,
        &account.slug,
        owned.id,
        &engine.directory,
        engine.policy.shop.timezone,
        due.asked_at,
    );
    incoming.listing = page.listing;
    let after = StreamAfter {
        cursor: page.next,
        ack: page.ack.clone(),
        due_in_seconds: if page.more {
            0.0
        } else {
            spec.interval.as_secs_f64()
        },
        waiting: (!page.waiting.is_empty()).then(|| sentence(&page.waiting.join("; "))),
    };
    let done = engine
        .store
        .retried("ingest", || {
            engine
                .store
                .ingest(owned, &due.name, due.seq, &incoming, &after)
        })
        .await?;
    weigh(engine, account, done).await?;
    engine
        .metrics
        .pulled(account.slug.as_str(), &due.name, done.new_facts);
    if done.new_facts + done.quarantined > 0 {
        info!(account = %account.slug, stream = due.name, records, new = done.new_facts, quarantined = done.quarantined, "page stored");
    }
    if let Some(ack) = page.ack {
        // A lost acknowledgement is repeated from the stream's row.
        let acknowledged = Urgency::Reads.scope(source.acknowledge(&ack)).await;
        account.heard(&engine.metrics, acknowledged.as_ref().err());
        match acknowledged {
            Ok(()) => engine.store.acknowledged(owned.id, &due.name, &ack).await?,
            Err(error) => {
                warn!(account = %account.slug, stream = due.name, %error, "page is stored but not acknowledged yet")
            }
        }
    }
    Ok(page.more || done.new_facts > 0)
}

async fn read_due(
    engine: &Engine,
    account: &Account,
    owned: &OwnedAccount,
    source: &dyn Source,
    fails: i16,
) -> Result<bool, StoreError> {
    let (ids, asked_at): (Vec<ExternalId>, _) = engine.store.due_reads(owned.id, READS).await?;
    if ids.is_empty() {
        return Ok(false);
    }
    // Something waits for these: a wave, a look at what is absent.
    let read = Urgency::Goods.scope(source.read_orders(&ids)).await;
    account.heard(&engine.metrics, read.as_ref().err());
    match read {
        Ok(records) => {
            let mut incoming = intake(
                records,
                &account.slug,
                owned.id,
                &engine.directory,
                engine.policy.shop.timezone,
                asked_at,
            );
            let window = source.visible_for();
            incoming.visible_from = window
                .and_then(|window| chrono::Duration::from_std(window).ok())
                .and_then(|window| asked_at.checked_sub_signed(window));
            let done = engine
                .store
                .retried("ingest_read", || {
                    engine.store.ingest_read(owned, &ids, &incoming)
                })
                .await?;
            weigh(engine, account, done).await?;
            if fails > 0 {
                engine.store.reads_answered(owned.id).await?;
            }
            Ok(true)
        }
        // They stay due and keep their place.
        Err(error) if error.is_put_off() => Ok(false),
        Err(error) => {
            let retry = match error.class {
                ErrorClass::Busy { after } => after.unwrap_or_else(|| backoff(fails)),
                ErrorClass::RateLimited { after } => after.unwrap_or_else(|| backoff(fails)),
                ErrorClass::Auth => Duration::from_secs(60),
                _ => backoff(fails),
            };
            engine
                .store
                .reads_failed(owned.id, &error.to_string(), retry.as_secs_f64())
                .await?;
            account
                .pause_if_refused(&engine.store, owned, &error)
                .await?;
            warn!(account = %account.slug, orders = ids.len(), %error, retry_seconds = retry.as_secs(), "orders could not be read again; they stay due");
            Ok(false)
        }
    }
}

/// Looks whether an account hides many of its orders, after some were absent or are shown again.
async fn weigh(engine: &Engine, account: &Account, done: PageDone) -> Result<(), StoreError> {
    if done.absences && engine.store.weigh_absences(account.id).await? {
        warn!(account = %account.slug, "many open orders of this account are absent when they are read by id: none of them is shipped until it shows them again, see `hikiate tasks`");
    }
    Ok(())
}

async fn failed(
    engine: &Engine,
    account: &Account,
    owned: &OwnedAccount,
    spec: &StreamSpec,
    due: &DueStream,
    error: &Error,
) -> Result<(), StoreError> {
    // It stays due and keeps its place.
    if error.is_put_off() {
        return Ok(());
    }
    let retry = match error.class {
        ErrorClass::RateLimited { after } => after.unwrap_or(spec.interval),
        ErrorClass::Busy { after } => after.unwrap_or_else(|| backoff(due.fails)),
        _ => backoff(due.fails),
    };
    warn!(account = %account.slug, stream = due.name, class = ?error.class, %error, retry_seconds = retry.as_secs(), "page could not be pulled; the cursor stays");
    engine
        .store
        .stream_failed(owned.id, &due.name, &error.to_string(), retry.as_secs_f64())
        .await?;
    account.pause_if_refused(&engine.store, owned, error).await
}
