//! Planning batches: from the outcome of a sealed batch to its members.

use chrono::{DateTime, NaiveDate, Utc};
use tracing::{info, warn};

use crate::action::Action;
use crate::engine::Engine;
use crate::facts::{FactBody, OutcomeFact, Verdict};
use crate::plan::types::TaskRow;
use crate::store::{BatchInput, BatchPlan, Store, StoreError};

/// Orders that a task names at the most.
const NAMED: usize = 50;

/// Plans batches with new input. Returns how many.
///
/// # Errors
/// The database's.
pub async fn batch_step(engine: &Engine) -> Result<usize, StoreError> {
    let ids = engine.store.due_batch_subjects(20).await?;
    if ids.is_empty() {
        return Ok(0);
    }
    let mut tx = engine.store.pool().begin().await?;
    let loaded = Store::load(&mut tx, &ids, &engine.directory).await?;
    tx.commit().await?;
    let now = loaded.now;
    let today = engine.today(now);
    for batch in &loaded.batches {
        match one(engine, batch, now, today).await {
            Ok(()) => {}
            Err(error) if error.is_away() => return Err(error),
            Err(error) => {
                warn!(batch = batch.name, %error, "a batch could not be planned: see `hikiate tasks`; it is retried later, and the others continue");
                let why = format!(
                    "batch {} cannot be planned: {error}; it is retried automatically, see the log",
                    batch.name
                );
                engine.store.batch_failed(batch.subject_id, why).await?;
            }
        }
    }
    Ok(ids.len())
}

async fn one(
    engine: &Engine,
    batch: &BatchInput,
    now: DateTime<Utc>,
    today: NaiveDate,
) -> Result<(), StoreError> {
    if matches!(batch.state.as_str(), "open" | "missed" | "empty") {
        return engine.store.no_batch_plan(batch.subject_id).await;
    }
    let told = told(batch);
    if let Some(outcome) = told {
        let store = &engine.store;
        let news = if batch.kind == "instruct" {
            store.propagate_outcome(batch, outcome, today).await?
        } else {
            outcome.verdict != Verdict::Refused && store.propagate_posting(batch, today).await?
        };
        if news {
            info!(
                batch = batch.name,
                outcome = outcome.verdict.of_batch(),
                "outcome of the batch recorded on its orders"
            );
        }
    }
    let (unanswered, due) = if batch.kind == "instruct" {
        engine.store.unanswered(batch).await?
    } else {
        (Vec::new(), None)
    };
    let cancelled = match told {
        Some(outcome) if outcome.verdict == Verdict::Refused && batch.kind == "instruct" => {
            engine.store.cancelled_members(batch.subject_id).await?
        }
        _ => Vec::new(),
    };
    let mut plan = plan_batch(batch, &unanswered, due, &cancelled, now);
    if let Some((unread, since)) = unread_of(batch) {
        let orders = engine.store.still_unread(unread, since).await?;
        add_unread(&mut plan, batch, &orders, now);
    }
    engine
        .store
        .commit_batch(&engine.directory, batch, &plan, engine.policy_id, today)
        .await
}

/// Members that went unread, and when.
fn unread_of(batch: &BatchInput) -> Option<(&[String], DateTime<Utc>)> {
    batch.facts.iter().find_map(|fact| match &fact.body {
        FactBody::Unread(unread) => Some((unread.orders.as_slice(), fact.recorded_at)),
        _ => None,
    })
}

/// A task for as long as nobody has seen these orders since.
fn add_unread(plan: &mut BatchPlan, batch: &BatchInput, orders: &[String], now: DateTime<Utc>) {
    if orders.is_empty() {
        return;
    }
    let named = orders.get(..NAMED).unwrap_or(orders).join(", ");
    let more = if orders.len() > NAMED { ", …" } else { "" };
    let detail = format!(
        "batch {} was sent with {} orders that could not be refreshed first: {named}{more}. Check them at their channel, and have the warehouse stop any that were cancelled there. The task closes when they are refreshed",
        batch.name,
        orders.len(),
    );
    plan.tasks.push(TaskRow::new("unread", detail));
    let next = now + chrono::Duration::minutes(1);
    plan.next = Some(plan.next.map_or(next, |at| at.min(next)));
    plan.closed = false;
}

fn abandoned(batch: &BatchInput) -> bool {
    let mut facts = batch.facts.iter();
    facts.any(|fact| matches!(&fact.body, FactBody::Abandoned(_)))
}

/// The outcome that members are told.
fn told(batch: &BatchInput) -> Option<&OutcomeFact> {
    Store::batch_outcome(batch).filter(|outcome| {
        !abandoned(batch)
            && matches!(
                outcome.verdict,
                Verdict::Done | Verdict::Accepted | Verdict::Refused
            )
    })
}

/// What a batch's facts ask for. Pure.
fn plan_batch(
    batch: &BatchInput,
    unanswered: &[String],
    due: Option<DateTime<Utc>>,
    cancelled: &[String],
    now: DateTime<Utc>,
) -> BatchPlan {
    let mut plan = BatchPlan {
        status: "sealed",
        ..BatchPlan::default()
    };
    if abandoned(batch) {
        plan.status = "abandoned";
        plan.closed = true;
        return plan;
    }
    if let Some(effect) = batch.unresolved {
        let why = batch.error.as_deref();
        let why = why.map_or_else(String::new, |why| format!(" ({why})"));
        let what = format!(
            "Outcome unknown: batch {} may have arrived{why}. Check the external system, then record whether it did: not-done resends the same bytes, abandoning the batch does not",
            batch.name
        );
        let mut task = TaskRow::new("unknown_outcome", what);
        task.action(Action::ResolveEffect { effect });
        task.action(give_up(batch));
        plan.tasks.push(task);
    }
    let Some(outcome) = Store::batch_outcome(batch) else {
        return plan;
    };
    match outcome.verdict {
        Verdict::Done | Verdict::Accepted => {
            plan.status = "done";
            plan.closed = unanswered.is_empty() || due.is_none();
            match due {
                Some(at) if !unanswered.is_empty() && at <= now => {
                    plan.tasks.push(TaskRow::new(
                        "batch_replies_overdue",
                        format!(
                            "Batch {}: {} shipments have no reply yet ({}). Ask the warehouse",
                            batch.name,
                            unanswered.len(),
                            some_of(unanswered)
                        ),
                    ));
                    plan.next = Some(now + chrono::Duration::minutes(5));
                }
                Some(at) if !unanswered.is_empty() => plan.next = Some(at),
                _ => {}
            }
        }
        Verdict::Refused
        | Verdict::NotDone
        | Verdict::Unknown
        | Verdict::Withdrawn
        | Verdict::Evidence => {
            let sendings = batch.facts.iter().filter_map(|fact| match &fact.body {
                FactBody::Intent(intent) => Some(intent.n),
                _ => None,
            });
            let last = sendings.max().unwrap_or_default();
            let refusals = batch
                .facts
                .iter()
                .filter(
                    |f| matches!(&f.body, FactBody::Outcome(o) if o.verdict == Verdict::Refused),
                )
                .count();
            let released = batch
                .facts
                .iter()
                .filter(|f| matches!(&f.body, FactBody::Released(_)))
                .count();
            let refused = outcome.verdict == Verdict::Refused;
            if refused {
                plan.status = "refused";
            }
            if refused && !cancelled.is_empty() && !batch.queued {
                let what = format!(
                    "Batch {} was rejected: {}. It cannot be resent as it is, because {} of its orders were cancelled or changed since. Abandon it once you know that it was not imported",
                    batch.name,
                    outcome.message,
                    some_of(cancelled)
                );
                let mut task = TaskRow::new("batch_rejected", what);
                task.action(give_up(batch));
                plan.tasks.push(task);
            } else if released >= refusals && !batch.queued {
                plan.again = last.checked_add(1);
            } else if !batch.queued {
                let what = format!(
                    "Batch {} was rejected: {}. Fix the cause, then release it to resend the same bytes, or abandon it once you know that it was not imported",
                    batch.name, outcome.message
                );
                let mut task = TaskRow::new("batch_rejected", what);
                task.action(Action::Release { rule: None });
                task.action(give_up(batch));
                plan.tasks.push(task);
            }
        }
    }
    plan
}

/// The command that gives a batch up.
fn give_up(batch: &BatchInput) -> Action {
    if batch.kind == "instruct" {
        Action::AbandonWave {}
    } else {
        Action::AbandonBooks {}
    }
}

/// The first few of a list.
fn some_of(list: &[String]) -> String {
    let shown = list.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
    if list.len() > 5 {
        format!("{shown}, …")
    } else {
        shown
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use hikiate_sdk::{AccountSlug, Op};

    use super::*;
    use crate::facts::{Fact, IntentFact, IntentWhat};

    fn sending(n: u32) -> (String, FactBody) {
        let body = FactBody::Intent(Box::new(IntentFact {
            op: Op::Instruct,
            account: AccountSlug::new("wh"),
            n,
            what: IntentWhat::Batch {
                batch: "W".to_owned(),
            },
        }));
        (format!("instruct:wh:W:{n}"), body)
    }

    fn outcome(n: u32, verdict: Verdict) -> (String, FactBody) {
        let outcome = OutcomeFact {
            intent: sending(n).0,
            verdict,
            id: None,
            code: None,
            message: String::new(),
        };
        (outcome.key(), FactBody::Outcome(outcome))
    }

    fn batch(facts: Vec<(String, FactBody)>) -> BatchInput {
        let at = DateTime::default();
        let fact = |(id, (key, body)): (usize, (String, FactBody))| Fact {
            id: i64::try_from(id).unwrap(),
            key,
            body,
            happened_at: at,
            recorded_at: at,
            business_date: at.date_naive(),
            actor: "push".to_owned(),
        };
        BatchInput {
            subject_id: 1,
            account_id: 1,
            name: "W".to_owned(),
            number: "B1".to_owned(),
            kind: "instruct".to_owned(),
            state: "sealed".to_owned(),
            queued: false,
            unresolved: None,
            error: None,
            facts: facts.into_iter().enumerate().map(fact).collect(),
        }
    }

    fn planned(batch: &BatchInput) -> BatchPlan {
        plan_batch(batch, &[], None, &[], DateTime::default())
    }

    /// Said not to have arrived, planned again, and corrected before that began.
    fn corrected(to: Verdict) -> BatchInput {
        batch(vec![
            sending(1),
            outcome(1, Verdict::NotDone),
            sending(2),
            outcome(2, Verdict::Withdrawn),
            outcome(1, to),
        ])
    }

    #[test]
    fn a_batch_that_was_found_to_have_arrived_is_done_though_another_sending_was_planned() {
        let batch = corrected(Verdict::Done);
        assert_eq!(told(&batch).map(|o| o.verdict), Some(Verdict::Done));
        let plan = planned(&batch);
        assert_eq!((plan.status, plan.again), ("done", None));
    }

    #[test]
    fn a_batch_whose_outcome_is_unknown_says_what_its_last_attempt_failed_with() {
        let mut batch = batch(vec![sending(1)]);
        (batch.queued, batch.unresolved) = (true, Some(7));
        let task = |batch: &BatchInput| planned(batch).tasks.remove(0).detail;
        assert!(task(&batch).contains("may have arrived. Check"));
        batch.error = Some("no reply within 30s".to_owned());
        assert!(task(&batch).contains("may have arrived (no reply within 30s). Check"));
    }

    #[test]
    fn what_was_merely_delivered_is_not_called_accepted() {
        let verdicts = [Verdict::Accepted, Verdict::Done, Verdict::Refused];
        assert_eq!(
            verdicts.map(Verdict::of_batch),
            ["delivered", "done", "rejected"]
        );
    }

    #[test]
    fn a_sending_that_was_taken_back_keeps_its_number() {
        let mut batch = corrected(Verdict::NotDone);
        assert_eq!(planned(&batch).again, Some(3));
        batch.facts.truncate(2);
        assert_eq!(planned(&batch).again, Some(2));
    }

    #[test]
    fn a_refusal_of_the_same_sending_ends_what_it_had_accepted() {
        let batch = batch(vec![
            sending(1),
            outcome(1, Verdict::Accepted),
            outcome(1, Verdict::Refused),
        ]);
        assert_eq!(planned(&batch).status, "refused");
    }
}
