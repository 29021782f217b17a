//! `hikiate pause` and `resume`.

use serde_json::json;

use super::args::Pause;
use super::failure::Failure;
use super::session::Session;
use crate::store::Paused;

/// Pauses accounts. All of them are looked for before one is paused.
pub(crate) async fn pause(session: &Session, args: &Pause) -> Result<(), Failure> {
    there(session, args).await?;
    let what = if args.reads {
        Paused::Reads
    } else {
        Paused::Writes
    };
    let mut done = Vec::new();
    let mut again = Vec::new();
    let now = session.store.now().await?;
    for account in &args.accounts {
        let since = session
            .store
            .pause_by_operator(account, what, &args.reason, &session.actor)
            .await?;
        done.push(json!({ "account": account, "paused": what.as_str(), "since": since }));
        again.push((since < now).then(|| {
            let since = session.out.time(since);
            format!("; it was already paused, since {since}, and keeps that reason")
        }));
    }
    let stops = match what {
        Paused::Writes => "nothing is sealed for it or sent to it; fetching continues",
        Paused::Reads => "nothing is fetched from it; sending continues",
    };
    session.out.one(&done, || {
        let lines = args.accounts.iter().zip(&again);
        lines
            .map(|(account, again)| {
                let again = again.as_deref().unwrap_or_default();
                format!(
                    "{account}: {stops}, until `hikiate resume {account} --reason TEXT`{again}\n"
                )
            })
            .collect()
    })
}

/// Lets paused accounts go on.
pub(crate) async fn resume(session: &Session, args: &Pause) -> Result<(), Failure> {
    there(session, args).await?;
    let what = args.reads.then_some(Paused::Reads);
    let mut done = Vec::new();
    for account in &args.accounts {
        let resumed = session.store.resume_by_operator(account, what).await?;
        done.push((account, resumed));
    }
    let told: Vec<_> = done
        .iter()
        .map(|(account, resumed)| json!({ "account": account, "resumed": resumed }))
        .collect();
    session.out.one(&told, || {
        done.iter()
            .map(|(account, resumed)| {
                format!(
                    "{account}: {} resumed; nothing was lost\n",
                    resumed.join(" and ")
                )
            })
            .collect()
    })
}

async fn there(session: &Session, args: &Pause) -> Result<(), Failure> {
    let directory = session.store.directory().await?;
    let unknown = |account: &&String| {
        directory
            .account(&hikiate_sdk::AccountSlug::new(account.as_str()))
            .is_err()
    };
    let missing: Vec<&str> = args
        .accounts
        .iter()
        .filter(unknown)
        .map(String::as_str)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Failure::NotFound(format!(
        "no account {}; see `hikiate stream list`\nnothing was done",
        missing.join(", ")
    )))
}
