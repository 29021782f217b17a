//! Reading by id: what is due, a kind at a time and a slice at a time. A kind that cannot be read backs off for itself, and one
//! id for which a whole slice is refused is found and left behind.

use std::time::Duration;

use hikiate_sdk::budget::{LONGEST_REST, Urgency};
use hikiate_sdk::{BadRecord, Error, ErrorClass, ExternalId, Kind, Observed, Record, Source};
use tracing::{info, warn};

use super::intake::intake;
use super::step::{of_the_records, weigh, why};
use crate::account::{Account, backoff};
use crate::engine::Engine;
use crate::store::{IncomingPage, OwnedAccount, StoreError};

/// What came of reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Went {
    /// There may be more at once.
    More,
    /// Nothing more for now.
    Idle,
    /// The credentials were refused: the account makes no more calls.
    Refused,
}

/// Reads one slice of a kind that is due.
///
/// # Errors
/// The database's.
pub(super) async fn read_kind(
    engine: &Engine,
    account: &Account,
    owned: &OwnedAccount,
    source: &dyn Source,
    (kind, fails): (Kind, i16),
) -> Result<Went, StoreError> {
    let most = source.reads().into_iter().find(|(of, _)| *of == kind);
    let most = most.map_or(1, |(_, most)| most.max(1));
    let limit = i64::try_from(most).unwrap_or(i64::MAX);
    let (due, requested_at) = engine.store.due_reads(owned.id, kind, limit).await?;
    let mut ids = due.as_slice();
    if ids.is_empty() {
        return Ok(Went::Idle);
    }
    let urgency = match engine.store.is_awaited(owned.id, kind, ids).await? {
        true => Urgency::Goods,
        false => Urgency::Reads,
    };
    loop {
        let read = urgency.scope(source.read(kind, ids)).await;
        account.record_result(&engine.metrics, read.as_ref().err());
        let error = match read {
            Ok(records) => {
                let records = only_asked(ids, records);
                let page = page_of(engine, account, owned, source, records, requested_at);
                return stored(engine, account, owned, (kind, fails), ids, page).await;
            }
            Err(error) if about_the_ids(&error) => error,
            Err(error) => {
                return not_read(engine, account, owned, (kind, fails), ids, &error).await;
            }
        };
        if let [id] = ids {
            warn!(account = %account.slug, kind = kind.as_str(), %id, %error, "it cannot be refreshed by its id: see `hikiate tasks`; it is retried later, and the others continue");
            engine.store.read_refused(owned.id, kind, id).await?;
            break;
        }
        ids = ids.get(..ids.len() / 2).unwrap_or_default();
    }
    if due.len() > 1 {
        // Nothing was read in this round: where each id is refused, the kind is asked for less and less often.
        let retry = backoff(fails);
        let message = format!("{} are rejected one by one", kind.plural());
        engine
            .store
            .reads_failed(owned.id, kind, &message, retry.as_secs_f64())
            .await?;
    }
    Ok(Went::Idle)
}

/// Whether a refusal may be about one of the ids that were asked for.
fn about_the_ids(error: &Error) -> bool {
    matches!(
        error.class,
        ErrorClass::Rejected | ErrorClass::NotFound | ErrorClass::Conflict | ErrorClass::Protocol
    )
}

/// An answer in which an order that was not asked for is a bad record: nothing but the question says that it is ours.
fn only_asked(ids: &[ExternalId], mut records: Vec<Record>) -> Vec<Record> {
    for record in &mut records {
        if let Ok(Observed::Order(order, _)) = &record.parsed
            && !ids.contains(&order.external_id)
        {
            let id = order.external_id.clone();
            let why = "the answer to a refresh by id holds this order, which was not asked for: it was not stored; an order of this channel also arrives with its list";
            let cause = "an order that was not asked for, in an answer by id";
            record.parsed = Err(BadRecord::new(Some(id), why).because(cause));
        }
    }
    records
}

fn page_of(
    engine: &Engine,
    account: &Account,
    owned: &OwnedAccount,
    source: &dyn Source,
    records: Vec<Record>,
    requested_at: chrono::DateTime<chrono::Utc>,
) -> IncomingPage {
    let mut page = intake(
        records,
        &account.slug,
        owned.id,
        &engine.directory,
        engine.policy.shop.timezone,
        requested_at,
    );
    page.read_by = Some(owned.token);
    let window = source.visible_for();
    page.visible_from = window
        .and_then(|window| chrono::Duration::from_std(window).ok())
        .and_then(|window| requested_at.checked_sub_signed(window));
    page
}

/// Stores an answer.
async fn stored(
    engine: &Engine,
    account: &Account,
    owned: &OwnedAccount,
    (kind, fails): (Kind, i16),
    ids: &[ExternalId],
    page: IncomingPage,
) -> Result<Went, StoreError> {
    let store = &engine.store;
    let ingest = || store.ingest_read(owned, kind, ids, &page);
    match store.retried("ingest_read", ingest).await {
        Err(error) if of_the_records(&error) => {
            let why = why(&error);
            let retry = backoff(fails);
            warn!(account = %account.slug, kind = kind.as_str(), error = why, retry_seconds = retry.as_secs(), "a refresh by id could not be stored; it stays due: from the fifth time on see `hikiate tasks`");
            let message = format!("they could not be stored: {why}");
            store
                .reads_failed(owned.id, kind, &message, retry.as_secs_f64())
                .await?;
            Ok(Went::Idle)
        }
        done => {
            weigh(engine, account, done?).await?;
            if fails > 0 {
                info!(account = %account.slug, kind = kind.as_str(), failures = fails, "refreshes by id are answered again after failures");
                store.reads_answered(owned.id, kind).await?;
            }
            Ok(Went::More)
        }
    }
}

/// The external system gave no answer: the kind backs off.
async fn not_read(
    engine: &Engine,
    account: &Account,
    owned: &OwnedAccount,
    (kind, fails): (Kind, i16),
    ids: &[ExternalId],
    error: &Error,
) -> Result<Went, StoreError> {
    // They stay due and keep their place.
    if error.is_put_off() {
        return Ok(Went::Idle);
    }
    let retry = match error.class {
        ErrorClass::Busy { after } | ErrorClass::RateLimited { after } => {
            after.map_or_else(|| backoff(fails), |after| after.min(LONGEST_REST))
        }
        ErrorClass::Auth => Duration::from_secs(60),
        _ => backoff(fails),
    };
    engine
        .store
        .reads_failed(owned.id, kind, &error.message, retry.as_secs_f64())
        .await?;
    account.pause_if_refused(&engine.store, owned).await?;
    warn!(account = %account.slug, kind = kind.as_str(), ids = ids.len(), %error, retry_seconds = retry.as_secs(), "could not be refreshed by id; it stays due: from the fifth time on see `hikiate tasks`");
    Ok(if error.class == ErrorClass::Auth {
        Went::Refused
    } else {
        Went::Idle
    })
}
