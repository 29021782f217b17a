//! Decisions typed by a person. All orders are looked up and judged before anything is written.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::cli::args::Decide;
use crate::cli::failure::Failure;
use crate::cli::session::Session;
use crate::cli::words::status_ja;

use super::typed::Told;
use crate::plan::command::{
    Now, Wish, cancel as consequences, hold as may_hold, release as released,
};
use crate::plan::types::OrderInput;
use crate::plan::{context_hash, rule_context};
use crate::store::{Decision, StoreError, SubjectRow, TaskLine, Typed};

/// What became of one order.
#[derive(Serialize)]
struct Done {
    number: String,
    next: String,
}

/// One order that may be decided on.
struct Judged {
    id: i64,
    number: String,
    /// Hash of what the rules see.
    context: String,
    decision: Decision,
    next: String,
}

/// `order hold`
pub(super) async fn hold(session: &Session, on: Decide) -> Result<(), Failure> {
    let judged = each(session, &on, |id, subject| {
        order_only(subject)?;
        let number = subject.row.number.clone();
        match subject.row.status.as_str() {
            "received" | "unallocated" | "backordered" | "allocated" => Ok(Judged {
                next: "held; `hikiate order release` lets it go on".to_owned(),
                id,
                number,
                context: String::new(),
                decision: Decision::Hold {
                    reason: on.reason.clone(),
                },
            }),
            _ => Err(format!(
                "{}: a hold stops nothing any more; `hikiate order cancel` asks for it back where that is still possible",
                standing(subject)
            )),
        }
    })
    .await?;
    let ids: Vec<i64> = judged.iter().map(|one| one.id).collect();
    let (inputs, now) = session.inputs(&ids).await?;
    let on = |input| Now {
        input,
        policy: &session.loaded.policy,
        rules: &session.loaded.rules,
        now,
    };
    let refused = inputs
        .values()
        .filter_map(|input| may_hold(on(input)).err());
    let refused: Vec<String> = refused.collect();
    if !refused.is_empty() {
        return Err(Failure::Refused(nothing_done(&refused)));
    }
    write(session, judged).await
}

/// `order cancel`
pub(super) async fn cancel(session: &Session, on: Decide, dry: bool) -> Result<(), Failure> {
    let judged = each(session, &on, |id, subject| {
        order_only(subject)?;
        let next = match subject.row.status.as_str() {
            "cancelled" => {
                return Err(format!("{}: there is nothing to cancel", standing(subject)));
            }
            "shipped" | "delivered" | "booked" => {
                return Err(format!(
                    "{}: it has left; arrange a return",
                    standing(subject)
                ));
            }
            _ if subject.closed_at.is_some() => {
                return Err(format!("{}: it is closed", standing(subject)));
            }
            "instructed" => "the warehouse is asked to stop it; its answer decides",
            _ => "it is stopped, and its channel is told",
        };
        let number = subject.row.number.clone();
        Ok(Judged {
            id,
            number,
            context: String::new(),
            decision: Decision::Cancel {
                reason: on.reason.clone(),
            },
            next: next.to_owned(),
        })
    })
    .await?;
    let ids: Vec<i64> = judged.iter().map(|one| one.id).collect();
    let (inputs, now) = session.inputs(&ids).await?;
    let mut told = Vec::new();
    let mut refused = Vec::new();
    for one in &judged {
        let Some(input) = inputs.get(&one.id) else {
            continue;
        };
        let on = Now {
            input,
            policy: &session.loaded.policy,
            rules: &session.loaded.rules,
            now,
        };
        let mut wish = match consequences(on) {
            Ok(wish) => wish,
            Err(why) => {
                refused.push(why);
                continue;
            }
        };
        if wish == Wish::default() {
            wish.does.push(one.next.clone());
        }
        told.push(Told {
            number: one.number.clone(),
            reference: None,
            dry_run: dry,
            does: wish.does,
            stays: wish.stays,
        });
    }
    if !refused.is_empty() {
        return Err(Failure::Refused(nothing_done(&refused)));
    }
    if !dry {
        let typed = typed(judged);
        store(session, &typed).await?;
    }
    let rows: Vec<_> = told.iter().map(with_next).collect();
    session
        .out
        .one(&rows, || told.iter().map(Told::words).collect())
}

/// `order release`
pub(super) async fn release(
    session: &Session,
    on: Decide,
    rule: Option<&str>,
) -> Result<(), Failure> {
    let subjects = subjects(session, &on.orders).await?;
    if let Some((id, batch)) = given_up(&subjects) {
        return release_together(session, on, id, batch, subjects.len()).await;
    }
    let ids: Vec<i64> = subjects.keys().copied().collect();
    let (inputs, now) = session.inputs(&ids).await?;
    let tasks = session.store.list_tasks().await?;
    for (id, subject) in &subjects {
        let cancelled = match subject.kind.as_str() {
            "batch" if refused(&tasks, subject) => session.store.cancelled_members(*id).await?,
            _ => Vec::new(),
        };
        if !cancelled.is_empty() {
            return Err(Failure::Refused(format!(
                "batch {} cannot be sent again as it is: {} of it were cancelled or changed meanwhile; `hikiate wave abandon {} --not-imported --reason TEXT` gives it up; nothing was done",
                subject.row.number,
                cancelled.join(", "),
                subject.row.external_id
            )));
        }
    }
    let judged = judge(subjects, |id, subject| match inputs.get(&id) {
        Some(input) => releasable(session, input, rule, &on.reason, now),
        None if refused(&tasks, subject) => Ok(Judged {
            id,
            number: subject.row.number.clone(),
            context: String::new(),
            decision: Decision::Release {
                rules: Vec::new(),
                reason: on.reason.clone(),
            },
            next: "the same bytes are sent again".to_owned(),
        }),
        None => Err(format!(
            "batch {} was not refused: there is nothing to release",
            subject.row.number
        )),
    })?;
    write(session, judged).await
}

fn refused(tasks: &[TaskLine], batch: &SubjectRow) -> bool {
    let of = |task: &TaskLine| task.subject == batch.row.number && task.kind == "batch_refused";
    tasks.iter().any(of)
}

/// A batch among these that was given up.
fn given_up(subjects: &BTreeMap<i64, SubjectRow>) -> Option<(i64, &str)> {
    let gone = |(_, subject): &(&i64, &SubjectRow)| {
        subject.kind == "batch" && subject.row.status == "abandoned"
    };
    let (id, subject) = subjects.iter().find(gone)?;
    Some((*id, subject.row.number.as_str()))
}

/// All orders that an abandoned wave still holds.
async fn release_together(
    session: &Session,
    on: Decide,
    id: i64,
    batch: &str,
    named: usize,
) -> Result<(), Failure> {
    if named > 1 {
        return Err(Failure::Refused(format!(
            "batch {batch} was given up: release its orders in a command of its own; nothing was done"
        )));
    }
    let mut held: BTreeMap<(i64, String), Vec<String>> = BTreeMap::new();
    for (order, number, reference) in session.store.abandoned_orders(id).await? {
        let rules = held.entry((order, number)).or_default();
        rules.push(format!("abandoned:{reference}"));
    }
    if held.is_empty() {
        return Err(Failure::Refused(format!(
            "batch {batch} was given up and holds no order any more: there is nothing to release"
        )));
    }
    let one = |((id, number), rules)| Judged {
        id,
        number,
        context: String::new(),
        decision: Decision::Release {
            rules,
            reason: on.reason.clone(),
        },
        next: "released; it goes out anew when nothing else blocks it".to_owned(),
    };
    write(session, held.into_iter().map(one).collect()).await
}

/// An order may be released from its open holds, which are named in the decision, or from one gate that one of its
/// tasks names.
fn releasable(
    session: &Session,
    input: &OrderInput,
    rule: Option<&str>,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<Judged, String> {
    let policy = &session.loaded.policy;
    let on = Now {
        input,
        policy,
        rules: &session.loaded.rules,
        now,
    };
    let rules = released(on, rule)?;
    let context = rule_context(input, policy, now).map_err(|e| e.to_string())?;
    Ok(Judged {
        id: input.subject_id,
        number: input.number.clone(),
        context: context
            .map(|context| context_hash(&context))
            .unwrap_or_default(),
        next: format!(
            "released from {}; it goes on when nothing else blocks it",
            rules.join(", ")
        ),
        decision: Decision::Release {
            rules,
            reason: reason.to_owned(),
        },
    })
}

fn order_only(subject: &SubjectRow) -> Result<(), String> {
    match subject.kind.as_str() {
        "order" => Ok(()),
        kind => Err(format!("{} is a {kind}, not an order", subject.row.number)),
    }
}

fn standing(subject: &SubjectRow) -> String {
    let row = &subject.row;
    format!(
        "order {} is {} ({})",
        row.number,
        row.status,
        status_ja(&row.status)
    )
}

async fn each(
    session: &Session,
    on: &Decide,
    rule: impl Fn(i64, &SubjectRow) -> Result<Judged, String>,
) -> Result<Vec<Judged>, Failure> {
    judge(subjects(session, &on.orders).await?, rule)
}

/// Every order by id, each once; what is not there is named at once.
pub(super) async fn subjects(
    session: &Session,
    names: &[String],
) -> Result<BTreeMap<i64, SubjectRow>, Failure> {
    let (mut found, mut missing) = (BTreeMap::new(), Vec::new());
    for name in names {
        match session.store.find_subject(name).await {
            Ok((id, _)) => {
                found.insert(id, session.store.subject(id).await?);
            }
            Err(StoreError::NotFound(text)) => missing.push(text),
            Err(error) => return Err(error.into()),
        }
    }
    if missing.is_empty() {
        Ok(found)
    } else {
        Err(Failure::NotFound(nothing_done(&missing)))
    }
}

fn judge(
    subjects: BTreeMap<i64, SubjectRow>,
    rule: impl Fn(i64, &SubjectRow) -> Result<Judged, String>,
) -> Result<Vec<Judged>, Failure> {
    let (mut judged, mut refused) = (Vec::new(), Vec::new());
    for (id, subject) in subjects {
        match rule(id, &subject) {
            Ok(one) => judged.push(one),
            Err(why) => refused.push(why),
        }
    }
    if refused.is_empty() {
        Ok(judged)
    } else {
        Err(Failure::Refused(nothing_done(&refused)))
    }
}

pub(super) fn nothing_done(why: &[String]) -> String {
    format!("{}\nnothing was done", why.join("\n"))
}

async fn write(session: &Session, judged: Vec<Judged>) -> Result<(), Failure> {
    let done: Vec<Done> = judged
        .iter()
        .map(|one| Done {
            number: one.number.clone(),
            next: one.next.clone(),
        })
        .collect();
    store(session, &typed(judged)).await?;
    session.out.one(&done, || {
        done.iter()
            .map(|d| format!("{}: {}\n", d.number, d.next))
            .collect()
    })
}

fn typed(judged: Vec<Judged>) -> Vec<Typed> {
    let one = |one: Judged| Typed {
        subject_id: one.id,
        seen: None,
        wish: one.decision.wish(&one.context),
    };
    judged.into_iter().map(one).collect()
}

async fn store(session: &Session, typed: &[Typed]) -> Result<(), Failure> {
    let today = session.today().await?;
    let write = || session.store.type_all(typed, None, &session.actor, today);
    Ok(session.store.retried("decide", write).await?)
}

/// What a script that reads `next` goes on reading, with the rest beside it.
fn with_next(told: &Told) -> serde_json::Value {
    serde_json::json!({
        "number": told.number, "next": told.does.join("; "), "dry_run": told.dry_run, "does": told.does, "stays": told.stays,
    })
}
