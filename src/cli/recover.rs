//! `hikiate recover`: what an operator says after the database lost recent commits.

use chrono::{DateTime, Duration, Utc};
use serde_json::json;

use super::acts::{self, Act};
use super::args::Recover;
use super::failure::Failure;
use super::out::plain;
use super::session::Session;
use crate::store::Phase;

/// Commands run so long before a switch are compared with the database.
const ACTS_LOOKED_AT: Duration = Duration::days(1);

/// Begins a recovery, or tells what an operator found out for one.
pub(crate) async fn run(session: &Session, args: Recover) -> Result<(), Failure> {
    if args.nothing_lost {
        return nothing_lost(session, &args).await;
    }
    match (&args.lost_since, &args.instructed) {
        (Some(_), _) => begin(session, args).await,
        (_, Some(name)) => instructed(session, name, &args.lines).await,
        _ => books(session).await,
    }
}

async fn begin(session: &Session, args: Recover) -> Result<(), Failure> {
    let Some(since) = args.lost_since else {
        return Ok(());
    };
    let store = &session.store;
    let accounts: Vec<String> = session
        .loaded
        .accounts
        .iter()
        .map(|account| account.slug.to_string())
        .collect();
    let before = store.recovery().await?;
    let dry = !args.yes;
    let lost = lost_acts(session, since).await?;
    if args.yes && !args.acts_typed {
        all_typed_again(session, lost.as_deref())?;
    }
    let begin = || store.begin_recovery(since, &accounts, &args.reason, &session.actor, dry);
    let begun = store.retried("begin_recovery", begin).await?;
    let told = json!({
        "lost_acts": lost,
        "dry_run": dry, "lost_since": since, "suspected": before.phase != Phase::None, "why": before.why,
        "effects": begun.effects, "mails": begun.mails, "streams": begun.streams,
        "batches": begun.batches, "orders": begun.orders,
    });
    session.out.one(&told, || {
        let found = match before.phase {
            Phase::None => "no daemon has detected that the database lost recent commits".to_owned(),
            Phase::Suspected => format!("sending and sealing are stopped: {}", before.why),
            Phase::Orders | Phase::Rest => {
                "a recovery is in progress; this one starts it over".to_owned()
            }
        };
        let verb = if dry { "would be" } else { "are" };
        let end = if dry {
            "nothing was changed; run it again with --yes instead of --dry-run"
        } else {
            "the daemon resumes automatically once all of this is fetched and planned; `hikiate tasks` lists what is missing"
        };
        format!(
            "{found}\n{} queued calls {verb} treated as possibly sent: looked up first, or decided by an operator; {} of them are mails, which count as sent\n\
             {} streams {verb} fetched again from an hour before {}\n{} unsealed batches {verb} replaced under new names\n\
             {} open orders {verb} replanned\n{}{end}\n",
            begun.effects,
            begun.mails,
            begun.streams,
            session.out.time(since),
            begun.batches,
            begun.orders,
            acts_in_words(session, lost.as_deref()),
        )
    })?;
    refuse_unsure(dry, args.dry_run)
}

/// Goes on after a switch that lost nothing, unless a command that this database does not know says otherwise.
async fn nothing_lost(session: &Session, args: &Recover) -> Result<(), Failure> {
    let store = &session.store;
    let before = store.recovery().await?;
    let dry = !args.yes;
    if let Some(at) = before.suspected_at {
        // What an earlier recovery has given up is in the file and not in the database for ever.
        let since = before.begun_at.max(Some(at - ACTS_LOOKED_AT));
        let lost = lost_acts(session, since.unwrap_or(at)).await?;
        let lost = lost.unwrap_or_default();
        if !lost.is_empty() {
            return Err(Failure::Refused(format!(
                "commits are lost: {} commands that were run are not in this database: give --lost-since\n{}",
                lost.len(),
                lines_of(session, lost.iter())
            )));
        }
    }
    let deny = || store.deny_loss(&args.reason, &session.actor, dry);
    store.retried("deny_loss", deny).await?;
    let told = json!({ "dry_run": dry, "suspected": true, "why": before.why });
    session.out.one(&told, || {
        let end = if dry {
            "sending and sealing would resume as they were: no loss is proven. If the switch lost commits all the same, what was sent in that time is sent \
             again; nothing was changed; run it again with --yes instead of --dry-run"
        } else {
            "sending and sealing resume as they were"
        };
        format!("sending and sealing were stopped: {}\n{end}\n", before.why)
    })?;
    refuse_unsure(dry, args.dry_run)
}

/// A command that changes much asks for one of two words.
fn refuse_unsure(dry: bool, asked: bool) -> Result<(), Failure> {
    if dry && !asked {
        return Err(Failure::Refused(
            "this cannot be undone: add --yes, or --dry-run to only show what would be done"
                .to_owned(),
        ));
    }
    Ok(())
}

/// Commands beside the witness that this database does not know; `None` where no file tells of any.
async fn lost_acts(session: &Session, since: DateTime<Utc>) -> Result<Option<Vec<Act>>, Failure> {
    let state_dir = &session.loaded.settings.database.state_dir;
    let Some(acts) = acts::since(state_dir, since) else {
        return Ok(None);
    };
    let ids: Vec<String> = acts.iter().map(|act| act.id.clone()).collect();
    let known = session.store.known_acts(&ids).await?;
    Ok(Some(acts::lost(acts, &known)))
}

/// Refuses to let go while a lost command that keeps something back is not in force.
fn all_typed_again(session: &Session, lost: Option<&[Act]>) -> Result<(), Failure> {
    let lost = lost.unwrap_or_default().iter();
    let missing: Vec<&Act> = lost.filter(|act| act.keeps_back()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Failure::Refused(format!(
        "{} lost commands stop something that would now be sent: run them again first, then add --acts-typed if some are \
         no longer required or name orders that are not fetched yet\n{}",
        missing.len(),
        lines_of(session, missing.into_iter())
    )))
}

fn lines_of<'a>(session: &Session, acts: impl Iterator<Item = &'a Act>) -> String {
    let line = |act: &Act| {
        let at = session.out.time(act.at);
        format!(
            "  {at} {}: hikiate {}\n",
            act.actor,
            plain(&act.command, "")
        )
    };
    acts.map(line).collect()
}

fn acts_in_words(session: &Session, lost: Option<&[Act]>) -> String {
    let Some(lost) = lost else {
        return format!(
            "no command file in {}: commands run since then on this or another host are not known here\n",
            session.loaded.settings.database.state_dir.display()
        );
    };
    let mut text = format!(
        "{} commands were lost from this database and were not run again",
        lost.len()
    );
    text.push_str(if lost.is_empty() {
        "\n"
    } else {
        "; check each and run it again:\n"
    });
    text.push_str(&lines_of(session, lost.iter()));
    text
}

async fn instructed(session: &Session, name: &str, lines: &[(String, u32)]) -> Result<(), Failure> {
    let (account, reference) = name.split_once('/').ok_or_else(|| {
        Failure::Usage(format!(
            "{name:?}: give ACCOUNT/REFERENCE, like osaka-3pl/HK0123456789ABC-S1"
        ))
    })?;
    session
        .store
        .add_lost_send(account, reference, lines)
        .await?;
    let rows: Vec<_> = lines
        .iter()
        .map(|(code, quantity)| json!({ "code": code, "quantity": quantity }))
        .collect();
    let told = json!({ "account": account, "reference": reference, "lines": rows });
    session.out.one(&told, || {
        let what = match lines.len() {
            0 => "the whole of its order".to_owned(),
            n => format!("{n} of its rows"),
        };
        format!(
            "{reference} counts as instructed at {account} with {what}, if that fits what remains to ship; its order is being \
             replanned; if it does not fit, `hikiate tasks` lists it\n"
        )
    })
}

async fn books(session: &Session) -> Result<(), Failure> {
    let files = session.store.release_books().await?;
    let told = json!({ "journals": files });
    session.out.one(&told, || {
        format!(
            "revenue from before the recovery is booked again; journals that must not be in the books: {}\n",
            if files.is_empty() {
                "none known".to_owned()
            } else {
                files.join(", ")
            }
        )
    })
}
