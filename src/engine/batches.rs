//! Planning batches: from the outcome of a sealed batch to its members.

use chrono::{DateTime, Utc};
use tracing::info;

use super::Engine;
use crate::action::Action;
use crate::facts::{FactBody, Verdict};
use crate::plan::types::TaskRow;
use crate::store::{BatchInput, BatchPlan, Store, StoreError};

/// Orders that a task names at the most.
const NAMED: usize = 50;

/// Plans batches with news. Returns how many.
///
/// # Errors
/// The database's.
pub async fn batch_step(engine: &Engine) -> Result<usize, StoreError> {
    let ids = engine.store.due_batch_subjects(20).await?;
    if ids.is_empty() {
        return Ok(0);
    }
    let mut tx = engine.store.pool().begin().await?;
    let loaded = Store::load(&mut tx, &ids, &engine.directory, &engine.epochs).await?;
    tx.commit().await?;
    let now = loaded.now;
    let today = engine.today(now);
    for batch in &loaded.batches {
        let outcome = Store::batch_outcome(batch);
        if let Some(outcome) =
            outcome.filter(|o| matches!(o.verdict, Verdict::Done | Verdict::Accepted))
        {
            if batch.kind == "instruct" {
                engine.store.tell_members(batch, outcome, today).await?;
            } else {
                engine.store.tell_booked(batch, today).await?;
            }
            info!(batch = batch.name, "batch delivered; its members know");
        }
        let (unanswered, due) = if batch.kind == "instruct" {
            engine.store.unanswered(batch).await?
        } else {
            (Vec::new(), None)
        };
        let mut plan = plan_batch(batch, &unanswered, due, now);
        if let Some((unread, since)) = unread_of(batch) {
            let orders = engine.store.still_unread(unread, since).await?;
            add_unread(&mut plan, batch, &orders, now);
        }
        engine
            .store
            .commit_batch(&engine.directory, batch, &plan, engine.policy_id, today)
            .await?;
    }
    Ok(ids.len())
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
        "batch {} went with {} orders that could not be read again before: {named}{more}; look at them at their channel, and have the warehouse stop what was cancelled there; the task ends when they are read",
        batch.name,
        orders.len(),
    );
    plan.tasks.push(TaskRow::new("unread", detail));
    let next = now + chrono::Duration::minutes(1);
    plan.next = Some(plan.next.map_or(next, |at| at.min(next)));
    plan.closed = false;
}

/// What a batch's facts ask for. Pure.
fn plan_batch(
    batch: &BatchInput,
    unanswered: &[String],
    due: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> BatchPlan {
    let mut plan = BatchPlan {
        status: "sealed",
        ..BatchPlan::default()
    };
    if let Some(effect) = batch.unresolved {
        let what = format!(
            "batch {} may or may not have arrived: look at the far side and say which",
            batch.name
        );
        let mut task = TaskRow::new("unknown_outcome", what);
        task.action(Action::ResolveEffect { effect });
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
                    let shown = unanswered
                        .iter()
                        .take(5)
                        .cloned()
                        .collect::<Vec<_>>()
                        .join(", ");
                    plan.tasks.push(TaskRow::new(
                        "reply_missing",
                        format!("batch {}: {} shipments have no reply yet ({shown}{}): ask the warehouse", batch.name, unanswered.len(), if unanswered.len() > 5 { ", …" } else { "" }),
                    ));
                    plan.next = Some(now + chrono::Duration::minutes(5));
                }
                Some(at) if !unanswered.is_empty() => plan.next = Some(at),
                _ => {}
            }
        }
        Verdict::Refused | Verdict::NotDone | Verdict::Withdrawn | Verdict::Evidence => {
            let ended = batch.facts.iter().filter(|f| matches!(&f.body, FactBody::Outcome(o) if matches!(o.verdict, Verdict::Refused | Verdict::NotDone))).count();
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
            if released >= refusals && !batch.queued {
                plan.again = u32::try_from(ended + 1).ok();
            } else if !batch.queued {
                let what = format!(
                    "batch {} was refused: {}; mend the cause, then release it and the same bytes are sent again",
                    batch.name, outcome.message
                );
                let mut task = TaskRow::new("batch_refused", what);
                task.action(Action::Release { rule: None });
                plan.tasks.push(task);
            }
        }
    }
    plan
}
