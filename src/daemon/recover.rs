//! Going on after the database lost recent commits: streams are read again, external systems are asked what they were sent,
//! planning catches up, and only then push and seal go on.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Duration, Utc};
use hikiate_sdk::{Kind, Op, OperationSpec, Sent, SentLine};
use tracing::{info, warn};

use crate::account::Account;
use crate::engine::Engine;
use crate::operations::of;
use crate::store::{FoundLine, FoundSend, OwnedAccount, Phase, Recovery, StoreError, number_of};

/// Reading again begins this long before what may be lost: clocks differ, and files lie before they are read.
const OVERLAP: Duration = Duration::hours(1);

/// One step of a recovery, if there is one. Returns why nothing is sent, for the health page and the log.
///
/// # Errors
/// The database's; an external system that cannot be asked is asked again.
pub async fn recover_step(
    engine: &Engine,
    owned: &[OwnedAccount],
) -> Result<Option<String>, StoreError> {
    engine.store.watch_now(&engine.witness).await?;
    let recovery = engine.store.recovery().await?;
    let since = match (recovery.phase, recovery.lost_since) {
        (Phase::None, Some(since)) if recovery.epoch > 0 => {
            let since = since.checked_sub_signed(OVERLAP).unwrap_or(since);
            hear_again(engine, owned).await?;
            rewind(engine, owned, Phase::None, since).await?;
            return Ok(None);
        }
        (Phase::None, _) => return Ok(None),
        (Phase::Orders | Phase::Rest, Some(since)) => {
            since.checked_sub_signed(OVERLAP).unwrap_or(since)
        }
        _ => {
            return Ok(Some(format!(
                "the database lost recent commits ({}): nothing is sent until you run `hikiate recover`",
                recovery.why
            )));
        }
    };
    hear_again(engine, owned).await?;
    rewind(engine, owned, recovery.phase, since).await?;
    if recovery.phase == Phase::Orders {
        recall(engine, owned, &recovery, since).await?;
    }
    match missing(engine, &recovery).await? {
        None => {
            engine.store.advance_recovery(recovery.phase).await?;
            Ok(Some(
                "the database lost recent commits: everything is fetched again and is being planned".to_owned(),
            ))
        }
        Some(what) => Ok(Some(format!(
            "the database lost recent commits: still to be fetched or looked up: {what}"
        ))),
    }
}

/// Streams of orders come first, so that what warehouses tell finds its order; after a recovery, what warehouses
/// said of shipments that were taken over late.
fn belongs(kind: Kind, phase: Phase) -> bool {
    match phase {
        Phase::None => kind == Kind::Shipment,
        _ => (kind == Kind::Order) == (phase == Phase::Orders),
    }
}

fn streams(account: &Account, phase: Phase) -> BTreeSet<String> {
    let all = account.connector.source().map(|source| source.streams());
    let mine = all.into_iter().flatten().filter(|s| belongs(s.kind, phase));
    mine.map(|stream| stream.name).collect()
}

/// A shipment that was taken over may have been answered for, and left, before anything knew of it.
async fn hear_again(engine: &Engine, owned: &[OwnedAccount]) -> Result<(), StoreError> {
    let mut wanted = Vec::new();
    for mine in owned {
        if let Some(account) = engine.accounts.get(&mine.id) {
            let names = streams(account, Phase::None).into_iter();
            wanted.extend(names.map(|name| (mine.id, name)));
        }
    }
    if wanted.is_empty() {
        return Ok(());
    }
    let taken = engine.store.hear_again(&wanted).await?;
    if taken > 0 {
        info!(
            taken,
            "shipments were adopted: their warehouses' reports are processed again"
        );
    }
    Ok(())
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
        info!(account = %account.slug, stream = name, since = %since, "stream is being fetched again");
    }
    Ok(())
}

/// What external systems must be asked: operations whose business key is the batch, which another database would form
/// differently.
fn asked(account: &Account) -> Vec<Op> {
    let Some(operations) = account.connector.operations() else {
        return Vec::new();
    };
    by_batch(&operations.operations())
}

/// Shipments that their warehouse knows by our references are looked up when they are sent.
fn by_batch(offered: &[OperationSpec]) -> Vec<Op> {
    let batches = offered.iter().filter(|spec| of(spec.op).batch);
    batches
        .filter(|spec| !spec.knows_shipments())
        .map(|spec| spec.op)
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
                    warn!(account = %account.slug, %op, %error, "cannot list what was sent in the data-loss window; retrying");
                    continue;
                }
            };
            let known: BTreeSet<String> = engine
                .store
                .sealed_names(account.id)
                .await?
                .into_iter()
                .collect();
            let can_list = sent.is_some();
            let lost: Vec<Sent> = sent
                .into_iter()
                .flatten()
                .filter(|sent| !known.contains(batch_of(&sent.name)))
                .collect();
            let found = match op {
                Op::Instruct => instructions(&lost, |sent| operations.lines_sent(sent)),
                _ => lost
                    .iter()
                    .map(|sent| FoundSend {
                        reference: sent.name.clone(),
                        number: None,
                        file: sent.name.clone(),
                        lines: None,
                    })
                    .collect(),
            };
            info!(account = %account.slug, %op, can_list, batches = lost.len(), found = found.len(), "listed what was sent in the data-loss window");
            engine
                .store
                .store_recall(account.id, op.as_str(), recovery.epoch, can_list, &found)
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

/// Shipments in what was sent. Their references are ASCII in every layout and encoding; their lines are known
/// where the layout lets them be read back.
fn instructions(
    sent: &[Sent],
    lines_of: impl Fn(&Sent) -> Option<Vec<SentLine>>,
) -> Vec<FoundSend> {
    let mut found: BTreeMap<String, FoundSend> = BTreeMap::new();
    for file in sent {
        let mut lines: BTreeMap<String, Vec<FoundLine>> = BTreeMap::new();
        for line in lines_of(file).unwrap_or_default() {
            let of = lines.entry(line.reference.to_string()).or_default();
            of.push(FoundLine {
                n: line.n,
                code: line.code,
                quantity: line.quantity,
            });
        }
        let word = |b: &u8| b.is_ascii_digit() || b.is_ascii_uppercase() || *b == b'-';
        let mut seen = BTreeSet::new();
        for word in file.bytes.split(|b| !word(b)) {
            let Ok(text) = std::str::from_utf8(word) else {
                continue;
            };
            let Some(number) = number_of(text) else {
                continue;
            };
            if !seen.insert(text) {
                continue;
            }
            let mine = lines.remove(text);
            match found.entry(text.to_owned()) {
                Entry::Vacant(entry) => {
                    entry.insert(FoundSend {
                        reference: text.to_owned(),
                        number: Some(number.to_owned()),
                        file: file.name.clone(),
                        lines: mine,
                    });
                }
                // Two files that say different things of it say nothing.
                Entry::Occupied(mut entry) if entry.get().lines != mine => {
                    entry.get_mut().lines = None;
                }
                Entry::Occupied(_) => {}
            }
        }
    }
    found.into_values().collect()
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
    use hikiate_sdk::{Ability, Cancels, Identity, RetryPolicy};

    use super::*;

    #[test]
    fn what_a_warehouse_knows_by_our_references_is_not_asked_for() {
        let spec = |op| OperationSpec::new(op, RetryPolicy::Manual, "");
        let by_shipment = OperationSpec {
            ability: Ability::Instruct {
                identity: Identity::Shipment,
                cancel: Cancels::Request,
            },
            ..spec(Op::Instruct)
        };
        let files = [spec(Op::Instruct), spec(Op::CancelInstruction)];
        assert_eq!(by_batch(&files), [Op::Instruct]);
        assert_eq!(
            by_batch(&[by_shipment, spec(Op::PostJournal)]),
            [Op::PostJournal]
        );
    }

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
        let found = instructions(&sent, |_| None);
        let names: Vec<&str> = found.iter().map(|f| f.reference.as_str()).collect();
        assert_eq!(names, ["HK0123456789ABC-S1", "HKZZZZZZZZZZZZZ-S12"]);
        assert!(found.iter().all(|f| f.lines.is_none()));
        assert_eq!(batch_of(&sent[0].name), "tokyo-instruct-20261121-1");
    }

    #[test]
    fn lines_go_with_their_shipment_and_two_readings_of_one_say_nothing() {
        let file = |name: &str, bytes: &[u8]| Sent {
            name: name.to_owned(),
            bytes: bytes.to_vec(),
        };
        let line = |reference: &str, n, code: &str, quantity| SentLine {
            reference: reference.into(),
            n,
            code: code.to_owned(),
            quantity,
        };
        const ONE: &str = "HK0123456789ABC-S1";
        const TWO: &str = "HK0123456789ABC-S2";
        let read = |sent: &Sent| match sent.name.as_str() {
            "a" => Some(vec![
                line(ONE, 1, "A", 2),
                line(TWO, 1, "B", 1),
                line(ONE, 2, "B", 1),
            ]),
            "b" => Some(vec![line(TWO, 1, "B", 2)]),
            _ => None,
        };
        let both = format!("{ONE} {TWO} {ONE}").into_bytes();
        let lines = |sent: &[Sent]| -> Vec<_> {
            let found = instructions(sent, read).into_iter();
            found.map(|f| f.lines.map(|lines| lines.len())).collect()
        };
        assert_eq!(lines(&[file("a", &both)]), [Some(2), Some(1)]);
        assert_eq!(
            lines(&[file("c", &both)]),
            [None, None],
            "not of the layout"
        );
        let again = file("b", TWO.as_bytes());
        assert_eq!(lines(&[file("a", &both), again]), [Some(2), None]);
        assert_eq!(
            lines(&[file("a", &both), file("a", &both)]),
            [Some(2), Some(1)]
        );
    }
}
