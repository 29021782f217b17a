//! `hikiate order`: what is seen of orders. What is decided about them is in [`decide`].

mod decide;
mod name;
pub(super) mod typed;

use hikiate_sdk::{CancelVerdict, Op};
use serde::Serialize;
use serde_json::Value;

use super::args::OrderCommand;
use super::failure::Failure;
use super::out::{plain, table};
use super::session::Session;
use super::words::status_ja;
use crate::facts::{RefundReason, Verdict};
use crate::plan::command::{refund_is, tax_rate};
use crate::plan::{ExcusedInWords, Explanation, TaskInWords, ledger};
use crate::store::SubjectRow;
use crate::store::read::{FactLine, OrderFilter, QuarantineRow};

/// Shows orders or decides on them.
pub(crate) async fn run(session: &Session, command: OrderCommand) -> Result<(), Failure> {
    match command {
        OrderCommand::List {
            channel,
            status,
            blocked_by,
            limit,
        } => {
            list(
                session,
                OrderFilter {
                    channel,
                    status,
                    blocked_by,
                    limit,
                },
            )
            .await
        }
        OrderCommand::Show { order } => show(session, &order).await,
        OrderCommand::Explain { order } => explained(session, &order).await,
        OrderCommand::Ledger { order } => money(session, &order).await,
        OrderCommand::Hold(on) => decide::hold(session, on).await,
        OrderCommand::Release { decide: on, rule } => {
            decide::release(session, on, rule.as_deref()).await
        }
        OrderCommand::Cancel {
            decide: on,
            dry_run,
        } => decide::cancel(session, on, dry_run).await,
        OrderCommand::Refund(args) => typed::refund_it(session, args).await,
        OrderCommand::Void {
            order,
            reason,
            dry_run,
        } => typed::void_it(session, &order, &reason, dry_run).await,
        OrderCommand::Recall { on, dry_run } => typed::recall_them(session, on, dry_run).await,
        OrderCommand::Recalled {
            on,
            accepted,
            too_late,
            declined: _,
        } => {
            let verdict = match (accepted, too_late) {
                (true, _) => CancelVerdict::Accepted,
                (_, true) => CancelVerdict::TooLate,
                _ => CancelVerdict::Declined,
            };
            typed::recalled_them(session, on, verdict).await
        }
        OrderCommand::End {
            decide: on,
            dry_run,
        } => typed::end_them(session, on, dry_run).await,
        OrderCommand::Shipped(args) => typed::shipped_it(session, args).await,
        OrderCommand::Tell { on } => typed::tell_them(session, on).await,
        OrderCommand::Tax {
            order,
            line,
            rate,
            reason,
        } => typed::on_one(session, &order, |now| tax_rate(now, &line, rate, &reason)).await,
        OrderCommand::SetName(args) => name::set(session, args).await,
        OrderCommand::RefundIs {
            order,
            refund,
            is,
            reason,
        } => {
            let is = match is.as_str() {
                "discount" => RefundReason::Discount,
                "return" => RefundReason::Return,
                _ => RefundReason::Mistake,
            };
            typed::on_one(session, &order, |now| refund_is(now, &refund, is, &reason)).await
        }
    }
}

async fn list(session: &Session, filter: OrderFilter) -> Result<(), Failure> {
    let (out, rows) = (session.out, session.store.list_orders(&filter).await?);
    let channels = &session.loaded.policy.channels;
    if let Some(channel) = filter.channel.as_deref().filter(|_| rows.is_empty())
        && !channels.keys().any(|known| known.as_str() == channel)
    {
        let known: Vec<&str> = channels.keys().map(|known| known.as_str()).collect();
        return Err(Failure::NotFound(format!(
            "no channel account {channel:?} and no order of it; there are {}",
            known.join(", ")
        )));
    }
    let columns = [
        "NUMBER",
        "CHANNEL",
        "CHANNEL ID",
        "SHOWN AS",
        "STATUS",
        "",
        "BLOCKED BY",
        "STORED",
    ];
    out.list(&rows, &columns, "no such orders", |row| {
        vec![
            row.number.clone(),
            row.channel.clone(),
            row.external_id.clone(),
            row.display.clone(),
            row.status.clone(),
            status_ja(&row.status).to_owned(),
            row.blocked_by.clone().unwrap_or_default(),
            out.time(row.created_at),
        ]
    })
}

async fn money(session: &Session, order: &str) -> Result<(), Failure> {
    let (id, number) = session.store.find_subject(order).await?;
    let (inputs, now) = session.inputs(&[id]).await?;
    let (policy, rules) = (&session.loaded.policy, &session.loaded.rules);
    let ledger = match inputs.get(&id) {
        Some(input) => ledger(input, policy, rules, now).map_err(anyhow::Error::from)?,
        None => None,
    };
    let ledger = ledger.ok_or_else(|| {
        Failure::Refused(format!(
            "{number} has no ledger: it is not an order, was not fetched yet, or hikiate does not act on it"
        ))
    })?;
    session.out.one(&ledger, || ledger.to_string())
}

/// An order with what happened to it.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    subject: &'a SubjectRow,
    status_ja: &'a str,
    excused: &'a [ExcusedInWords],
    facts: &'a [FactLine],
}

async fn show(session: &Session, order: &str) -> Result<(), Failure> {
    let (id, _) = session.store.find_subject(order).await?;
    let subject = session.store.subject(id).await?;
    let facts = session.store.list_facts(id).await?;
    let out = session.out;
    // An order that cannot be planned is shown all the same: its facts say why.
    let excused = match session.explained(id).await {
        Ok(explanation) => explanation.map(|e| e.excused).unwrap_or_default(),
        Err(Failure::Failed(_)) => Vec::new(),
        Err(failure) => return Err(failure),
    };
    let row = &subject.row;
    let status_ja = status_ja(&row.status);
    out.one(&Shown { subject: &subject, status_ja, excused: &excused, facts: &facts }, || {
        let blocked = row.blocked_by.as_deref().unwrap_or("nothing");
        let status = if row.status == status_ja {
            row.status.clone()
        } else {
            format!("{} {status_ja}", row.status)
        };
        let closed = out.maybe(subject.closed_at);
        let excused: String = excused
            .iter()
            .map(|excused| format!("  excused     {}\n", plain(&excused.sentence(out.zone), "")))
            .collect();
        let cells = |fact: &FactLine| {
            vec![
                out.time(fact.recorded_at),
                fact.class.clone(),
                fact.key.clone(),
                fact.actor.clone(),
                detail(&fact.body),
            ]
        };
        let facts = table(
            &["STORED", "CLASS", "KEY", "ACTOR", "DETAILS"],
            &facts.iter().map(cells).collect::<Vec<_>>(),
        );
        let purged = subject.purged_at.map_or_else(String::new, |at| {
            format!("  personal    deleted {}\n", out.time(at))
        });
        format!(
            "{} ({}), {} {}\n  status      {}\n  blocked by  {}\n{excused}  stored      {}\n  closed      {}\n{purged}\n{facts}",
            row.number,
            plain(&format!("{}/{}", row.channel, row.external_id), ""),
            row.origin,
            subject.kind,
            status,
            plain(blocked, ""),
            out.time(row.created_at),
            if closed.is_empty() { "no" } else { &closed },
        )
    })
}

/// The fields of a fact that say most, in words; facts hold no personal data.
fn detail(body: &Value) -> String {
    const TELLING: [&str; 15] = [
        "rule",
        "rules",
        "op",
        "account",
        "warehouse",
        "reference",
        "tracking",
        "from",
        "to",
        "batch",
        "amount",
        "verdict",
        "code",
        "message",
        "reason",
    ];
    let told = TELLING.iter().filter_map(|name| match body.get(name)? {
        Value::String(text) if !text.is_empty() => {
            let said = of_batch(body).filter(|_| *name == "verdict");
            Some(format!("{name} {}", said.unwrap_or(text)))
        }
        Value::Number(number) => Some(format!("{name} {number}")),
        Value::Array(words) if !words.is_empty() => {
            let words: Option<Vec<&str>> = words.iter().map(Value::as_str).collect();
            Some(format!("{name} {}", words?.join(" ")))
        }
        _ => None,
    });
    told.collect::<Vec<_>>().join(", ")
}

/// The outcome of what was sent as a batch, or to a warehouse, in the words of the log; of other calls as it is stored.
fn of_batch(outcome: &Value) -> Option<&'static str> {
    let op = outcome.get("intent")?.as_str()?.split(':').next()?;
    match Op::parse(op)? {
        Op::Instruct | Op::CancelInstruction | Op::PostJournal => {
            let verdict: Verdict = serde_json::from_value(outcome.get("verdict")?.clone()).ok()?;
            Some(verdict.of_batch())
        }
        _ => None,
    }
}

async fn explained(session: &Session, order: &str) -> Result<(), Failure> {
    let (id, number) = session.store.find_subject(order).await?;
    let mut explanation = session.explained(id).await?.ok_or_else(|| {
        Failure::Refused(format!(
            "{number} is a batch: `hikiate order show {number}` says what happened"
        ))
    })?;
    let beside = session.store.tasks_beside(id).await?.into_iter();
    explanation.tasks.extend(beside.map(|task| TaskInWords {
        kind: task.kind,
        subject: task.subject,
        detail: task.detail,
        actions: task.actions,
    }));
    let unread = session.store.quarantined_of(id).await?;
    let told = Explained {
        explanation: &explanation,
        quarantined: &unread,
    };
    session.out.one(&told, || {
        plain(&explanation.to_string(), "\n")
            + &unread.iter().map(unread_in_words).collect::<String>()
    })
}

/// An order in words, and what was told about it and could not be read.
#[derive(Serialize)]
struct Explained<'a> {
    #[serde(flatten)]
    explanation: &'a Explanation,
    quarantined: &'a [QuarantineRow],
}

fn unread_in_words(row: &QuarantineRow) -> String {
    let QuarantineRow { id, reason, .. } = row;
    let about = row.external_id.as_deref().unwrap_or("it");
    let record = plain(&format!("record {id} about {about}: {reason}"), "");
    format!(
        "could not be read  {record}\n  this record is not included above: check it (hikiate quarantine show {id}), fix the cause and retry it (hikiate quarantine retry {id}), or handle it manually and dismiss it (hikiate quarantine dismiss {id} --reason TEXT)\n"
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_telling_fields_of_a_fact_come_in_one_order() {
        let body = json!({ "reason": "called", "rule": "manual", "context": "", "lines": [1] });
        assert_eq!(detail(&body), "rule manual, reason called");
        assert_eq!(detail(&json!({ "message": "" })), "");
        let released = json!({ "rules": ["manual", "many"], "reason": "called" });
        assert_eq!(detail(&released), "rules manual many, reason called");
    }

    #[test]
    fn what_was_merely_delivered_is_not_called_accepted() {
        let outcome = |intent: &str, verdict: &str| {
            detail(&json!({ "intent": intent, "verdict": verdict, "message": "" }))
        };
        for (intent, verdict, words) in [
            ("instruct:tokyo-3pl:W:1", "accepted", "verdict delivered"),
            ("instruct:HK1-S1", "accepted", "verdict delivered"),
            ("cancel_instruction:HK1-S1", "accepted", "verdict delivered"),
            ("instruct:tokyo-3pl:W:1", "refused", "verdict rejected"),
            ("post_journal:books:J:1", "done", "verdict done"),
            ("capture:shop:shop:1:1", "accepted", "verdict accepted"),
        ] {
            assert_eq!(outcome(intent, verdict), words, "{intent}");
        }
        let reply = json!({ "reference": "HK1-S1", "verdict": "accepted" });
        assert_eq!(detail(&reply), "reference HK1-S1, verdict accepted");
    }
}
