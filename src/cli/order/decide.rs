//! Decisions typed by an operator. All orders are looked up and judged before anything is written.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::typed::{Reply, TRIES};
use crate::cli::args::Decide;
use crate::cli::failure::Failure;
use crate::cli::session::Session;
use crate::plan::command::{
    Now, Wish, cancel as consequences, hold as may_hold, release as released,
};
use crate::plan::types::OrderInput;
use crate::plan::{context_hash, rule_context};
use crate::store::{Decision, StoreError, SubjectRow, TaskLine, Typed};

/// What became of one order.
#[derive(Serialize)]
struct Done<'a> {
    number: &'a str,
    next: &'a str,
}

/// One order that may be decided on.
struct Judged {
    id: i64,
    number: String,
    /// The newest fact that was looked at; `None` where nothing that comes between matters.
    seen: Option<i64>,
    /// Hash of what the rules see.
    context: String,
    decision: Decision,
    next: String,
}

impl Judged {
    fn on(input: &OrderInput, decision: Decision, next: String) -> Self {
        Self {
            id: input.subject_id,
            number: input.number.clone(),
            seen: input.facts.last().map(|fact| fact.id),
            context: String::new(),
            decision,
            next,
        }
    }

    fn typed(&self) -> Typed {
        Typed {
            subject_id: self.id,
            seen: self.seen,
            wish: self.decision.wish(&self.context),
            named: None,
        }
    }
}

/// `order hold`
pub(super) async fn hold(session: &Session, on: Decide) -> Result<(), Failure> {
    let (judged, ()) = decided(session, async || {
        let judged = orders(session, &on, |now| {
            let wish = may_hold(now)?;
            let next = wish.does.into_iter().chain(wish.stays);
            let next: Vec<String> = next.collect();
            let decision = Decision::Hold {
                reason: on.reason.clone(),
            };
            Ok(Judged::on(now.input, decision, next.join("; ")))
        });
        Ok((judged.await?, ()))
    })
    .await?;
    say(session, &judged)
}

/// `order cancel`
pub(super) async fn cancel(session: &Session, on: Decide, dry: bool) -> Result<(), Failure> {
    let judge = async || {
        let mut told = Vec::new();
        let judged = orders(session, &on, |now| {
            let mut wish = consequences(now)?;
            if wish == Wish::default() {
                wish.does
                    .push("it is stopped and its channel is notified".to_owned());
            }
            told.push(Reply {
                number: now.input.number.clone(),
                reference: None,
                dry_run: dry,
                does: wish.does,
                stays: wish.stays,
            });
            let decision = Decision::Cancel {
                reason: on.reason.clone(),
            };
            Ok(Judged::on(now.input, decision, String::new()))
        });
        let judged = judged.await?;
        Ok((judged, told))
    };
    let (_, told) = if dry {
        judge().await?
    } else {
        decided(session, judge).await?
    };
    let rows: Vec<_> = told.iter().map(with_next).collect();
    session
        .out
        .one(&rows, || told.iter().map(Reply::words).collect())
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
    let (judged, ()) = decided(session, async || {
        Ok((release_each(session, &on, rule).await?, ()))
    })
    .await?;
    say(session, &judged)
}

async fn release_each(
    session: &Session,
    on: &Decide,
    rule: Option<&str>,
) -> Result<Vec<Judged>, Failure> {
    let subjects = subjects(session, &on.orders).await?;
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
                "batch {} cannot be resent as it is: {} of its orders were cancelled or changed since; abandon it with `hikiate wave abandon {} --not-imported --reason TEXT`; nothing was done",
                subject.row.number,
                cancelled.join(", "),
                subject.row.external_id
            )));
        }
    }
    judge(subjects, |id, subject| match inputs.get(&id) {
        Some(input) => releasable(session, input, rule, &on.reason, now),
        None if refused(&tasks, subject) => Ok(Judged {
            id,
            number: subject.row.number.clone(),
            seen: None,
            context: String::new(),
            decision: Decision::Release {
                rules: Vec::new(),
                reason: on.reason.clone(),
            },
            next: "the same bytes are resent".to_owned(),
        }),
        None => Err(format!(
            "batch {} was not rejected: there is nothing to release",
            subject.row.number
        )),
    })
}

fn refused(tasks: &[TaskLine], batch: &SubjectRow) -> bool {
    let of = |task: &TaskLine| task.subject == batch.row.number && task.kind == "batch_rejected";
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
            "batch {batch} was abandoned: release its orders in a separate command; nothing was done"
        )));
    }
    let (judged, ()) = decided(session, async || {
        Ok((abandoned_orders(session, &on, id, batch).await?, ()))
    })
    .await?;
    say(session, &judged)
}

async fn abandoned_orders(
    session: &Session,
    on: &Decide,
    id: i64,
    batch: &str,
) -> Result<Vec<Judged>, Failure> {
    let mut held: BTreeMap<(i64, String), Vec<String>> = BTreeMap::new();
    for (order, number, reference) in session.store.abandoned_orders(id).await? {
        let rules = held.entry((order, number)).or_default();
        rules.push(format!("abandoned:{reference}"));
    }
    if held.is_empty() {
        return Err(Failure::Refused(format!(
            "batch {batch} was abandoned and no longer holds an order: there is nothing to release"
        )));
    }
    let one = |((id, number), rules)| Judged {
        id,
        number,
        // Each release names the giving up that it answers, and that is never undone.
        seen: None,
        context: String::new(),
        decision: Decision::Release {
            rules,
            reason: on.reason.clone(),
        },
        next: "released; it is instructed again when nothing else blocks it".to_owned(),
    };
    Ok(held.into_iter().map(one).collect())
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
    let next = format!(
        "released from {}; it continues when nothing else blocks it",
        rules.join(", ")
    );
    let decision = Decision::Release {
        rules,
        reason: reason.to_owned(),
    };
    Ok(Judged {
        context: context
            .map(|context| context_hash(&context))
            .unwrap_or_default(),
        ..Judged::on(input, decision, next)
    })
}

/// Judges orders, all by one snapshot.
async fn orders(
    session: &Session,
    on: &Decide,
    mut rule: impl FnMut(Now<'_>) -> Result<Judged, String>,
) -> Result<Vec<Judged>, Failure> {
    let subjects = subjects(session, &on.orders).await?;
    let ids: Vec<i64> = subjects.keys().copied().collect();
    let (inputs, now) = session.inputs(&ids).await?;
    judge(subjects, |id, subject| match inputs.get(&id) {
        Some(input) => rule(Now {
            input,
            policy: &session.loaded.policy,
            rules: &session.loaded.rules,
            now,
        }),
        None => {
            let (number, kind) = (&subject.row.number, &subject.kind);
            Err(format!("{number} is a {kind}, not an order"))
        }
    })
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
    mut rule: impl FnMut(i64, &SubjectRow) -> Result<Judged, String>,
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

/// Stores what `judge` finds; what has heard of something meanwhile is judged anew.
async fn decided<T>(
    session: &Session,
    judge: impl AsyncFn() -> Result<(Vec<Judged>, T), Failure>,
) -> Result<(Vec<Judged>, T), Failure> {
    let today = session.today().await?;
    let mut tries = 0;
    loop {
        let (judged, with) = judge().await?;
        let typed: Vec<Typed> = judged.iter().map(Judged::typed).collect();
        let write = || session.store.type_all(&typed, None, &session.actor, today);
        match session.store.retried("decide", write).await {
            Ok(()) => return Ok((judged, with)),
            Err(StoreError::Replan) if tries < TRIES => tries += 1,
            Err(error) => return Err(error.into()),
        }
    }
}

fn say(session: &Session, judged: &[Judged]) -> Result<(), Failure> {
    let done: Vec<Done<'_>> = judged
        .iter()
        .map(|one| Done {
            number: &one.number,
            next: &one.next,
        })
        .collect();
    session.out.one(&done, || {
        done.iter()
            .map(|d| format!("{}: {}\n", d.number, d.next))
            .collect()
    })
}

/// What a script that reads `next` goes on reading, with the rest beside it.
fn with_next(told: &Reply) -> serde_json::Value {
    serde_json::json!({
        "number": told.number, "next": told.does.join("; "), "dry_run": told.dry_run, "does": told.does, "stays": told.stays,
    })
}
