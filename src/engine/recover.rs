//! Going on after the database was set back: streams are read again, far sides are asked what they were sent,
//! planning catches up, and only then push and seal go on.

use std::collections::BTreeSet;

use chrono::{DateTime, Duration, Utc};
use hikiate_sdk::{Op, Sent, StreamKind};
use tracing::{info, warn};

use super::{Account, Engine};
use crate::store::{OwnedAccount, Phase, Recovery, StoreError, number_of};

/// Reading again begins this long before what may be lost: clocks differ, and files lie before they are read.
const OVERLAP: Duration = Duration::hours(1);

/// One step of a recovery, if there is one. Returns why nothing is sent, for the health page and the log.
///
/// # Errors
/// The database's; a far side that cannot be asked is asked again.
pub async fn recover_step(
    engine: &Engine,
    owned: &[OwnedAccount],
) -> Result<Option<String>, StoreError> {
    engine.store.watch_now(&engine.witness).await?;
    let recovery = engine.store.recovery().await?;
    let since = match (recovery.phase, recovery.lost_since) {
        (Phase::None, _) => return Ok(None),
        (Phase::Orders | Phase::Rest, Some(since)) => {
            since.checked_sub_signed(OVERLAP).unwrap_or(since)
        }
        _ => {
            return Ok(Some(format!(
                "the database was set back ({}): nothing is sent until `hikiate recover` was typed",
                recovery.why
            )));
        }
    };
    rewind(engine, owned, recovery.phase, since).await?;
    if recovery.phase == Phase::Orders {
        recall(engine, owned, &recovery, since).await?;
    }
    match missing(engine, &recovery).await? {
        None => {
            engine.store.advance_recovery(recovery.phase).await?;
            Ok(Some(
                "the database was set back: what was read again is being planned".to_owned(),
            ))
        }
        Some(what) => Ok(Some(format!(
            "the database was set back: still to be read again or asked: {what}"
        ))),
    }
}

/// Streams of orders come first, so that what warehouses tell finds its order.
fn belongs(kind: StreamKind, phase: Phase) -> bool {
    (kind == StreamKind::Orders) == (phase == Phase::Orders)
}

fn streams(account: &Account, phase: Phase) -> BTreeSet<String> {
    let all = account.connector.source().map(|source| source.streams());
    let mine = all.into_iter().flatten().filter(|s| belongs(s.kind, phase));
    mine.map(|stream| stream.name).collect()
}

async fn rewind(
    engine: &Engine,
    owned: &[OwnedAccount],
    phase: Phase,
    since: DateTime<Utc>,
) -> Result<(), StoreError> {
    for (account_id, name, cursor, running) in engine.store.streams_again().await? {
        let mine = owned.iter().find(|o| o.id == account_id);
        let (Some(mine), Some(account)) = (mine, engine.accounts.get(&account_id)) else {
            continue;
        };
        let Some(source) = account.connector.source() else {
            continue;
        };
        if running || !streams(account, phase).contains(&name) {
            continue;
        }
        let cursor = source.rewind(&name, cursor.as_ref(), since);
        engine.store.rewind_stream(mine, &name, cursor).await?;
        info!(account = %account.slug, stream = name, since = %since, "stream is read again");
    }
    Ok(())
}

/// What far sides must be asked: operations whose business key is the batch, which another database would form
/// differently.
fn asked(account: &Account) -> Vec<Op> {
    let Some(operations) = account.connector.operations() else {
        return Vec::new();
    };
    let offered = operations.operations().into_iter().map(|spec| spec.op);
    offered
        .filter(|op| matches!(op, Op::Instruct | Op::PostJournal))
        .collect()
}

async fn recall(
    engine: &Engine,
    owned: &[OwnedAccount],
    recovery: &Recovery,
    since: DateTime<Utc>,
) -> Result<(), StoreError> {
    let done = engine.store.recalled(recovery.epoch).await?;
    for mine in owned {
        let Some(account) = engine.accounts.get(&mine.id) else {
            continue;
        };
        let Some(operations) = account.connector.operations() else {
            continue;
        };
        for op in asked(account) {
            if done.contains(&(account.id, op.as_str().to_owned())) {
                continue;
            }
            let sent = match operations.sent_since(op, since).await {
                Ok(sent) => sent,
                Err(error) => {
                    warn!(account = %account.slug, %op, %error, "cannot ask what was sent before the database was set back; it is asked again");
                    continue;
                }
            };
            let known: BTreeSet<String> = engine
                .store
                .sealed_names(account.id)
                .await?
                .into_iter()
                .collect();
            let can_tell = sent.is_some();
            let lost: Vec<Sent> = sent
                .into_iter()
                .flatten()
                .filter(|sent| !known.contains(batch_of(&sent.name)))
                .collect();
            let found = match op {
                Op::Instruct => instructions(&lost),
                _ => lost
                    .iter()
                    .map(|sent| (sent.name.clone(), None, sent.name.clone()))
                    .collect(),
            };
            info!(account = %account.slug, %op, can_tell, batches = lost.len(), found = found.len(), "asked what was sent before the database was set back");
            engine
                .store
                .store_recall(account.id, op.as_str(), recovery.epoch, can_tell, &found)
                .await?;
        }
    }
    Ok(())
}

/// The batch's name in that of its file, which ends with a hash and an extension.
fn batch_of(file: &str) -> &str {
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    stem.rsplit_once('-').map_or(stem, |(batch, _)| batch)
}

/// Shipment references in what was sent: they are ASCII in every layout and encoding.
fn instructions(sent: &[Sent]) -> Vec<(String, Option<String>, String)> {
    let mut found = std::collections::BTreeMap::new();
    for file in sent {
        let word = |b: &u8| b.is_ascii_digit() || b.is_ascii_uppercase() || *b == b'-';
        for word in file.bytes.split(|b| !word(b)) {
            let Ok(text) = std::str::from_utf8(word) else {
                continue;
            };
            if let Some(number) = number_of(text) {
                found
                    .entry(text.to_owned())
                    .or_insert_with(|| (number.to_owned(), file.name.clone()));
            }
        }
    }
    found
        .into_iter()
        .map(|(reference, (number, file))| (reference, Some(number), file))
        .collect()
}

/// What this phase still waits for.
async fn missing(engine: &Engine, recovery: &Recovery) -> Result<Option<String>, StoreError> {
    let mut missing = BTreeSet::new();
    for (account_id, name, ..) in engine.store.streams_again().await? {
        if let Some(account) = engine.accounts.get(&account_id)
            && streams(account, recovery.phase).contains(&name)
        {
            missing.insert(format!("{}/{name}", account.slug));
        }
    }
    if recovery.phase == Phase::Orders {
        let done = engine.store.recalled(recovery.epoch).await?;
        for account in engine.accounts.values() {
            for op in asked(account) {
                if !done.contains(&(account.id, op.as_str().to_owned())) {
                    missing.insert(format!("{} {op}", account.slug));
                }
            }
        }
    }
    let names: Vec<String> = missing.into_iter().collect();
    Ok((!names.is_empty()).then(|| names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_found_in_any_layout() {
        let file = |bytes: &[u8]| Sent {
            name: "tokyo-instruct-20261121-1-0a1b2c3d.csv".to_owned(),
            bytes: bytes.to_vec(),
        };
        let sent = [
            file(b"HK0123456789ABC-S1,1,HK0123456789ABC,\x82\xa0\r\n"),
            file(b"\"HK0123456789ABC-S1\";HKZZZZZZZZZZZZZ-S12 HKshort-S1 HK0123456789ABC-S"),
        ];
        let found: Vec<String> = instructions(&sent).into_iter().map(|f| f.0).collect();
        assert_eq!(found, ["HK0123456789ABC-S1", "HKZZZZZZZZZZZZZ-S12"]);
        assert_eq!(batch_of(&sent[0].name), "tokyo-instruct-20261121-1");
    }
}
