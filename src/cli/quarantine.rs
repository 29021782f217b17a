//! `hikiate quarantine`: records that could not be read.

use serde_json::json;

use super::args::QuarantineCommand;
use super::failure::Failure;
use super::out;
use super::raw;
use super::session::Session;
use crate::store::read::Quarantined;

/// Shows records or tries them again.
pub(crate) async fn run(session: &Session, command: QuarantineCommand) -> Result<(), Failure> {
    match command {
        QuarantineCommand::List => list(session).await,
        QuarantineCommand::Show { id } => show(session, id).await,
        QuarantineCommand::Retry { ids, all_alike } => {
            retry(session, &with_alike(session, ids, all_alike).await?).await
        }
        QuarantineCommand::Dismiss {
            ids,
            all_alike,
            reason,
        } => {
            dismiss(
                session,
                &with_alike(session, ids, all_alike).await?,
                &reason,
            )
            .await
        }
    }
}

async fn list(session: &Session) -> Result<(), Failure> {
    let (out, rows) = (session.out, session.store.list_quarantine().await?);
    let columns = [
        "ID",
        "ACCOUNT",
        "STREAM",
        "EXTERNAL ID",
        "FILE",
        "FIRST",
        "LAST",
        "SEEN",
        "REASON",
    ];
    out.list(&rows, &columns, "the quarantine is empty", |row| {
        vec![
            row.id.to_string(),
            row.account.clone(),
            row.stream.clone(),
            row.external_id.clone().unwrap_or_default(),
            row.file.clone().unwrap_or_default(),
            out.time(row.first_at),
            out.time(row.last_at),
            row.seen.to_string(),
            row.reason.clone(),
        ]
    })
}

async fn show(session: &Session, id: i64) -> Result<(), Failure> {
    let row = session.store.quarantine_row(id).await?;
    let Quarantined {
        raw: bytes,
        out_at,
        dismissed,
    } = session.store.quarantined(id).await?;
    out::note(
        "these are the original bytes and may contain names and addresses: do not share them",
    );
    let (encoding, text) = raw::decode(&bytes);
    let told = json!({
        "id": id, "account": row.account, "stream": row.stream, "external_id": row.external_id,
        "reason": row.reason, "out_at": out_at, "dismissed": dismissed, "first_at": row.first_at, "last_at": row.last_at, "seen": row.seen,
        "encoding": encoding, "raw": text.unwrap_or_else(|| hex::encode(&bytes)),
    });
    session.out.one(&told, || {
        let (encoding, text) = raw::shown(&bytes);
        let place = format!("{}/{}", row.account, row.stream);
        let state = match out_at {
            None => "in quarantine".to_owned(),
            Some(at) if dismissed => format!("dismissed {}", session.out.time(at)),
            Some(at) => format!("out since {}: it, or a later record of the same thing, was processed", session.out.time(at)),
        };
        let whose = row.external_id.as_deref().unwrap_or("an unreadable id");
        format!(
            "record {id} of {place}, {whose}, seen {} times, {state}\nreason: {}\n{} bytes as {encoding:?}:\n\n{text}\n",
            row.seen,
            out::plain(&row.reason, ""),
            bytes.len()
        )
    })
}

/// The records, and with `all_alike` those that share a cause with one of them.
async fn with_alike(
    session: &Session,
    ids: Vec<i64>,
    all_alike: bool,
) -> Result<Vec<i64>, Failure> {
    let mut all = std::collections::BTreeSet::from_iter(ids.iter().copied());
    for id in ids.iter().filter(|_| all_alike) {
        all.extend(session.store.quarantined_alike(*id).await?);
    }
    Ok(all.into_iter().collect())
}

async fn dismiss(session: &Session, ids: &[i64], reason: &str) -> Result<(), Failure> {
    let mut rows = Vec::new();
    for id in ids {
        rows.push(session.store.quarantine_row(*id).await?);
        session
            .store
            .dismiss_quarantined(*id, &session.actor, reason)
            .await?;
    }
    session.out.one(&json!({ "dismissed": ids }), || {
        let lines = rows.iter().map(|row| {
            let whose = row.external_id.as_deref().unwrap_or("an unreadable id");
            format!(
                "record {} of {}/{}, {whose}, is out of quarantine: {}\n",
                row.id, row.account, row.stream, row.reason
            )
        });
        lines.collect()
    })
}

async fn retry(session: &Session, ids: &[i64]) -> Result<(), Failure> {
    for id in ids {
        session.store.quarantine_row(*id).await?;
    }
    let directory = session.store.directory().await?;
    let mut done = Vec::new();
    for id in ids {
        let again = || session.store.retry_quarantined(&directory, *id);
        match session.store.retried("retry_quarantined", again).await {
            Ok(next) => done.push(json!({ "id": id, "next": next })),
            Err(error) => {
                say(session, &done)?;
                return Err(error.into());
            }
        }
    }
    say(session, &done)
}

fn say(session: &Session, done: &[serde_json::Value]) -> Result<(), Failure> {
    session.out.one(&done, || {
        let lines = done.iter().map(|row| {
            let next = row["next"].as_str().unwrap_or_default();
            format!(
                "{next}; for the result see `hikiate quarantine show {}`\n",
                row["id"]
            )
        });
        lines.collect()
    })
}
