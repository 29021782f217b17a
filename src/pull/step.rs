//! One round of pulling for one owned account: acknowledge what is stored, ask for what is due, store it.

use hikiate_sdk::budget::{LONGEST_REST, Urgency};
use hikiate_sdk::text::sentence;
use hikiate_sdk::{BadRecord, Error, ErrorClass, Here, Kind, Page, Record, Source, StreamSpec};
use tracing::{debug, info, warn};

use super::by_id::{Went, read_kind};
use super::hooks::hook_step;
use super::intake::intake;
use crate::account::{Account, Permit, backoff};
use crate::engine::Engine;
use crate::store::{DueStream, OwnedAccount, PageDone, StoreError, StreamAfter, after_codes};

/// Records of the quarantine that are read again at a time.
const AGAIN: i64 = 50;

/// Pulls every due stream of an account one page further. True when something was pulled.
///
/// # Errors
/// The database's; an external system's errors are the stream's.
pub async fn pull_account(
    engine: &Engine,
    account: &Account,
    owned: &OwnedAccount,
) -> Result<bool, StoreError> {
    // A rejection that was met where it could not be stored, or whose storing failed: without its pause nothing ever ends it.
    account.pause_if_refused(&engine.store, owned).await?;
    let mut busy = hook_step(engine, account, owned).await?;
    let Some(source) = account.connector.source() else {
        return Ok(busy);
    };
    if owned.paused.is_some() || !account.credentials.calls() {
        return Ok(false);
    }
    account.count_ahead(&engine.store, owned).await?;
    // Held to the end: it is the permit where the account is only tried.
    let gate = account.gate(&engine.store).await?;
    if matches!(gate, Permit::Denied) {
        return Ok(false);
    }
    let kinds: Vec<Kind> = source.reads().into_iter().map(|(kind, _)| kind).collect();
    let mut due = engine.store.due_pulls(owned.id, &kinds).await?;
    if let Some(stream) = due.streams.first() {
        account.link.set_clock(stream.requested_at);
    }
    if !due.reads.is_empty() {
        for kind in due.reads {
            if !account.calls() {
                return Ok(false);
            }
            match read_kind(engine, account, owned, source, kind).await? {
                Went::Refused => return Ok(false),
                went => busy |= went == Went::More,
            }
        }
        // Reading took its time, which says when the pages are asked for.
        due = engine.store.due_pulls(owned.id, &kinds).await?;
    }
    let bytes = due.bytes;
    for due in due.streams {
        if !account.calls() {
            return Ok(false);
        }
        let Some(spec) = source.streams().into_iter().find(|s| s.name == due.name) else {
            continue;
        };
        let fails = due.fails;
        match pull_stream(engine, account, owned, source, &spec, due).await {
            Ok(Went::Refused) => return Ok(false),
            Ok(went) => busy |= went == Went::More,
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
pub(super) fn of_the_records(error: &StoreError) -> bool {
    !matches!(error, StoreError::LostLease(_)) && !error.is_away() && !error.is_retryable()
}

/// Why the database refused, for an operator.
pub(super) fn why(error: &StoreError) -> String {
    if error.is_refusal() {
        error.refusal()
    } else {
        error.to_string()
    }
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
    warn!(account = %account.slug, stream = spec.name, error = why, retry_seconds = retry.as_secs(), "page could not be stored; the cursor is unchanged: see `hikiate stream list`");
    let message = format!("a page could not be stored: {why}");
    engine
        .store
        .stream_failed(owned.id, &spec.name, &message, retry.as_secs_f64())
        .await
}

/// Records in quarantine that somebody wants to have read again: by id where that can be, else from their stored bytes.
async fn read_bytes_again(
    engine: &Engine,
    account: &Account,
    owned: &OwnedAccount,
    source: &dyn Source,
) -> Result<bool, StoreError> {
    let again = engine.store.due_again(owned.id, AGAIN).await?;
    let kinds: Vec<Kind> = source.reads().into_iter().map(|(kind, _)| kind).collect();
    for record in &again {
        let by_id = || engine.store.read_again_by_id(owned, record, &kinds);
        if engine.store.retried("read_again_by_id", by_id).await? {
            continue;
        }
        let crate::store::Source { raw, file } = &record.source;
        let read = source.reread(&record.stream, file.as_ref(), raw);
        let records = read.unwrap_or_else(|error| {
            vec![Record {
                raw: raw.clone(),
                file: file.clone(),
                excluded: false,
                parsed: Err(not_read_again(&error)),
            }]
        });
        let page = intake(
            records,
            &account.slug,
            owned.id,
            &engine.directory,
            engine.policy.shop.timezone,
            record.requested_at,
        );
        let stored = || engine.store.read_again(owned, record, &page);
        let done = engine.store.retried("read_again", stored).await?;
        info!(account = %account.slug, stream = record.stream, record = record.id, settled = done.quarantined == 0, "a quarantined record was retried: see `hikiate quarantine show {}`", record.id);
        weigh(engine, account, done).await?;
    }
    Ok(!again.is_empty())
}

/// Why stored bytes cannot be read again, with what the error quotes: it is stored. What such records have in common is without.
fn not_read_again(error: &Error) -> BadRecord {
    let why = format!("cannot be retried: {}", error.message);
    BadRecord::new(None, why).because(format!("cannot be retried: {error}"))
}

async fn pull_stream(
    engine: &Engine,
    account: &Account,
    owned: &OwnedAccount,
    source: &dyn Source,
    spec: &StreamSpec,
    due: DueStream,
) -> Result<Went, StoreError> {
    if let Some(ack) = &due.ack {
        let acknowledged = Urgency::Reads.scope(source.acknowledge(ack)).await;
        account.record_result(&engine.metrics, acknowledged.as_ref().err());
        match acknowledged {
            Ok(()) => engine.store.acknowledged(owned.id, &due.name, ack).await?,
            Err(error) => {
                return failed(engine, account, owned, spec, &due, &error).await;
            }
        }
    }
    let codes = match spec.by_code {
        Some(most) => Some(
            engine
                .store
                .codes_after(owned.id, due.cursor.as_ref(), most)
                .await?,
        ),
        None => None,
    };
    let cursor = due.cursor.as_ref().filter(|_| codes.is_none());
    let unheard = if spec.unheard {
        engine.store.unheard(owned.id).await?
    } else {
        Vec::new()
    };
    let here = Here {
        now: due.requested_at,
        codes: codes.as_deref().unwrap_or_default(),
        unheard: &unheard,
    };
    let urgency = match due.cursor {
        Some(_) => Urgency::Reads,
        None => Urgency::BackFill,
    };
    let page = if codes.as_ref().is_some_and(Vec::is_empty) {
        // There is nothing to ask for.
        Ok(Page::new(Vec::new(), after_codes(None), false))
    } else {
        let page = urgency.scope(source.page(&due.name, cursor, here)).await;
        account.record_result(&engine.metrics, page.as_ref().err());
        page
    };
    let mut page = match page {
        Ok(page) => page,
        Err(error) => {
            return failed(engine, account, owned, spec, &due, &error).await;
        }
    };
    if let Some(codes) = &codes {
        page.more = Some(codes.len()) == spec.by_code;
        page.next = after_codes(codes.last().filter(|_| page.more));
    }
    let records = page.records.len();
    let mut incoming = intake(
        page.records,
        &account.slug,
        owned.id,
        &engine.directory,
        engine.policy.shop.timezone,
        due.requested_at,
    );
    incoming.listing = page.listing;
    incoming.read_by = Some(owned.token);
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
    if due.fails > 0 {
        info!(account = %account.slug, stream = due.name, failures = due.fails, "the stream is fetched again after failures");
    }
    // A record that was in quarantine before, or was dismissed, is told again at each look: that is no news.
    if done.new_facts + done.quarantine_news > 0 {
        info!(account = %account.slug, stream = due.name, records, new = done.new_facts, quarantined = done.quarantine_news, "page stored");
    } else if done.quarantined > 0 {
        debug!(account = %account.slug, stream = due.name, records, quarantined = done.quarantined, "a page brought only what is in quarantine already, or was dismissed");
    }
    if let Some(ack) = page.ack {
        // A lost acknowledgement is repeated from the stream's row.
        let acknowledged = Urgency::Reads.scope(source.acknowledge(&ack)).await;
        account.record_result(&engine.metrics, acknowledged.as_ref().err());
        match acknowledged {
            Ok(()) => engine.store.acknowledged(owned.id, &due.name, &ack).await?,
            Err(error) => {
                warn!(account = %account.slug, stream = due.name, %error, "page is stored but not acknowledged yet; retried with the next one: see `hikiate stream list`");
                account.pause_if_refused(&engine.store, owned).await?;
            }
        }
    }
    Ok(if page.more || done.new_facts > 0 {
        Went::More
    } else {
        Went::Idle
    })
}

/// Looks whether an account hides many of its orders, after some were absent or are shown again; and has orders planned that
/// waited for an item that came into being.
pub(super) async fn weigh(
    engine: &Engine,
    account: &Account,
    done: PageDone,
) -> Result<(), StoreError> {
    if done.new_items {
        engine.store.wake_mapped().await?;
    }
    if done.absences && engine.store.weigh_absences(account.id).await? {
        warn!(account = %account.slug, "many open orders of this account are missing when refreshed by id: none of them ships until the account shows them again, see `hikiate tasks`");
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
) -> Result<Went, StoreError> {
    // It stays due and keeps its place.
    if error.is_put_off() {
        return Ok(Went::Idle);
    }
    let retry = match error.class {
        ErrorClass::RateLimited { after } => {
            after.map_or(spec.interval, |after| after.min(LONGEST_REST))
        }
        ErrorClass::Busy { after } => {
            after.map_or_else(|| backoff(due.fails), |after| after.min(LONGEST_REST))
        }
        _ => backoff(due.fails),
    };
    warn!(account = %account.slug, stream = due.name, class = ?error.class, %error, retry_seconds = retry.as_secs(), "page could not be fetched; the cursor is unchanged: see `hikiate stream list`");
    engine
        .store
        .stream_failed(owned.id, &due.name, &error.message, retry.as_secs_f64())
        .await?;
    account.pause_if_refused(&engine.store, owned).await?;
    Ok(if error.class == ErrorClass::Auth {
        Went::Refused
    } else {
        Went::Idle
    })
}

#[cfg(test)]
mod tests {
    use hikiate_sdk::text::quote;

    use super::*;

    #[test]
    fn a_record_that_cannot_be_read_again_is_stored_with_what_the_error_quotes() {
        let told = format!("row 2 is not as the layout has it: {}", quote("見本 花子"));
        let bad = not_read_again(&Error::new(ErrorClass::Config, told));
        assert_eq!(
            bad.reason,
            "cannot be retried: row 2 is not as the layout has it: “見本 花子”"
        );
        assert_eq!(
            bad.cause,
            "cannot be retried: row 2 is not as the layout has it: “…”"
        );
    }
}
