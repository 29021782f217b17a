//! Giving up a batch: an operator says that it was not imported. It is never sent again, and its members go on without
//! it: orders of a wave are held one by one, revenue of a journal waits for the next one.

use chrono::{DateTime, NaiveDate, Utc};

use super::facts::{FactRows, insert_facts};
use super::propagate::member_fact;
use super::subjects::make_due;
use super::{Directory, Store, StoreError, Tx};
use crate::facts::{AbandonedFact, FactBody, MemberState, OutcomeFact, UnbookedFact, Verdict};
use crate::plan::left_at_that;

/// Shipments that a refusal names at the most.
const NAMED: usize = 5;

/// A batch that was given up.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Abandoned {
    /// Its name.
    pub batch: String,
    /// Its number, which lets its orders go together.
    pub number: String,
    /// How often it was sent.
    pub sends: u32,
    /// When it was last sent.
    pub last_sent_at: Option<DateTime<Utc>>,
    /// Orders that are held now, or whose revenue is free.
    pub orders: Vec<String>,
}

/// What is in the queue for the batch.
struct Queued {
    id: i64,
    key: String,
    state: String,
    outcome_unknown: bool,
}

impl Store {
    /// Gives up a sealed batch of this kind that is not being sent and of which nothing was heard. One transaction:
    /// what is queued for it is taken out, and every member has its outcome.
    ///
    /// # Errors
    /// [`StoreError::Refused`] where its state does not allow it; the database's.
    pub async fn abandon(
        &self,
        directory: &Directory,
        batch_id: i64,
        kind: &str,
        reason: &str,
        actor: &str,
        today: NaiveDate,
    ) -> Result<Abandoned, StoreError> {
        let mut tx = self.pool.begin().await?;
        sqlx::query!(
            "SELECT id FROM subjects WHERE id = $1 OR id IN (SELECT subject_id FROM shipments WHERE batch_id = $1)
               OR id IN (SELECT subject_id FROM revenue_events WHERE batch_id = $1) ORDER BY id FOR NO KEY UPDATE",
            batch_id
        )
        .fetch_all(&mut *tx)
        .await?;
        let row = sqlx::query!(
            r#"SELECT s.external_id, s.number, b.kind, b.state, hk_now() AS "now!" FROM batches b JOIN subjects s ON s.id = b.subject_id WHERE b.subject_id = $1"#,
            batch_id
        )
        .fetch_one(&mut *tx)
        .await?;
        let (name, now) = (row.external_id, row.now);
        let refused = |why: String| Err(StoreError::Refused(format!("batch {name}: {why}")));
        if row.kind != kind {
            let other = if kind == "instruct" { "books" } else { "wave" };
            return refused(format!("it is given up with `hikiate {other} abandon`"));
        }
        match row.state.as_str() {
            "sealed" | "done" => {}
            "abandoned" => return refused("it was given up before".to_owned()),
            state => {
                return refused(format!("it is {state}: nothing of it was sent"));
            }
        }
        let queued = sqlx::query_as!(
            Queued,
            "SELECT e.id, f.key, e.state, e.outcome_unknown FROM effects e JOIN facts f ON f.id = e.intent_id WHERE e.subject_id = $1",
            batch_id
        )
        .fetch_all(&mut *tx)
        .await?;
        if queued
            .iter()
            .any(|e| e.state == "leased" || e.state == "sending")
        {
            return refused("it is being sent right now; try again in a moment".to_owned());
        }
        let heard = heard(&mut tx, directory, batch_id).await?;
        if !heard.is_empty() {
            return refused(format!(
                "the warehouse has told of {}, so it was imported",
                heard.join(", ")
            ));
        }
        let sent = sqlx::query!(
            r#"SELECT coalesce(sum(sends), 0)::int AS "sends!", max(last_sent_at) AS last_sent_at FROM effects WHERE subject_id = $1"#,
            batch_id
        )
        .fetch_one(&mut *tx)
        .await?;
        // A finished sending has left the queue; its outcome says when it was.
        let ended = sqlx::query!(
            r#"SELECT count(*)::int AS "n!", max(recorded_at) AS last FROM facts WHERE subject_id = $1 AND kind = 'outcome' AND body->>'verdict' <> 'withdrawn'"#,
            batch_id
        )
        .fetch_one(&mut *tx)
        .await?;
        let fact = AbandonedFact {
            reason: reason.to_owned(),
            sends: u32::try_from(sent.sends.saturating_add(ended.n)).unwrap_or(0),
            last_sent_at: sent.last_sent_at.max(ended.last),
        };
        let mut rows = FactRows::default();
        let mut push = |subject: i64, key: String, body: &FactBody| -> Result<(), StoreError> {
            rows.push(subject, key, body, body.to_json()?, now, now, today);
            Ok(())
        };
        push(
            batch_id,
            "abandoned".to_owned(),
            &FactBody::Abandoned(fact.clone()),
        )?;
        for effect in &queued {
            let verdict = if effect.state == "planned" && !effect.outcome_unknown {
                Verdict::Withdrawn
            } else {
                Verdict::NotDone
            };
            let outcome = OutcomeFact {
                intent: effect.key.clone(),
                verdict,
                id: None,
                code: Some("abandoned".to_owned()),
                message: reason.to_owned(),
            };
            push(batch_id, outcome.key(), &FactBody::Outcome(outcome))?;
        }
        // A sender claims without the batch's lock: what it took since is not deleted, and then nothing is.
        let ids: Vec<i64> = queued.iter().map(|e| e.id).collect();
        let gone = sqlx::query!(
            "DELETE FROM effects WHERE id = ANY($1) AND state NOT IN ('leased', 'sending')",
            &ids
        )
        .execute(&mut *tx)
        .await?;
        if gone.rows_affected() != ids.len() as u64 {
            return refused("it is being sent right now; try again in a moment".to_owned());
        }
        let members = if kind == "instruct" {
            held(&mut tx, batch_id).await?
        } else {
            freed(&mut tx, batch_id).await?
        };
        for member in &members {
            let (subject, key, body) = match &member.reference {
                Some(reference) => member_fact(
                    member.subject_id,
                    &name,
                    reference,
                    "abandoned",
                    MemberState::Abandoned {
                        reason: reason.to_owned(),
                    },
                ),
                None => (
                    member.subject_id,
                    format!("unbooked:{name}"),
                    FactBody::Unbooked(UnbookedFact {
                        batch: name.clone(),
                    }),
                ),
            };
            push(subject, key, &body)?;
        }
        insert_facts(&mut tx, &rows, actor, None, false).await?;
        end(&mut tx, batch_id, &members).await?;
        tx.commit().await?;
        let mut orders: Vec<String> = members.into_iter().map(|m| m.number).collect();
        orders.dedup();
        Ok(Abandoned {
            batch: name,
            number: row.number,
            sends: fact.sends,
            last_sent_at: fact.last_sent_at,
            orders,
        })
    }

    /// Orders of an abandoned wave that no operator has released yet, with their references.
    ///
    /// # Errors
    /// The database's.
    pub async fn abandoned_orders(
        &self,
        batch_id: i64,
    ) -> Result<Vec<(i64, String, String)>, StoreError> {
        Ok(sqlx::query!(
            r#"SELECT s.subject_id, o.number, s.reference FROM shipments s JOIN batches b ON b.subject_id = s.batch_id JOIN subjects o ON o.id = s.subject_id
               WHERE s.batch_id = $1 AND b.state = 'abandoned' AND EXISTS (
                 SELECT FROM facts f WHERE f.subject_id = s.subject_id AND f.key = 'member:' || s.reference || ':abandoned'
                   AND NOT EXISTS (SELECT FROM facts r WHERE r.subject_id = s.subject_id AND r.kind = 'released' AND r.id > f.id
                     AND r.body->'rules' ? ('abandoned:' || s.reference)))
               ORDER BY s.subject_id, s.id"#,
            batch_id
        )
        .fetch_all(&self.pool)
        .await?
        .into_iter()
        .map(|row| (row.subject_id, row.number, row.reference))
        .collect())
    }
}

/// An order that a batch is given up for.
struct Member {
    subject_id: i64,
    number: String,
    /// Its shipment, in a wave.
    reference: Option<String>,
}

/// Shipments of the batch that the warehouse has told of. Which rows are no word of it, because an operator has left them at that,
/// only planning knows.
async fn heard(
    tx: &mut Tx<'_>,
    directory: &Directory,
    batch_id: i64,
) -> Result<Vec<String>, StoreError> {
    let heard = sqlx::query!(
        r#"SELECT s.subject_id, s.reference,
             EXISTS (SELECT FROM facts f WHERE f.subject_id = s.subject_id AND f.kind = 'released') AS "released!"
           FROM shipments s WHERE s.batch_id = $1 AND hk_heard(s.subject_id, s.reference) ORDER BY s.row_no"#,
        batch_id
    )
    .fetch_all(&mut **tx)
    .await?;
    let released = heard.iter().filter(|row| row.released);
    let released: Vec<i64> = released.map(|row| row.subject_id).collect();
    let loaded = Store::load(tx, &released, directory).await?;
    let no_word = |order: i64, reference: &str| {
        let mut orders = loaded.orders.iter();
        orders.any(|(id, _, input)| {
            let input = input.as_ref().ok().filter(|_| *id == order);
            input.is_some_and(|input| left_at_that(input, reference, loaded.now))
        })
    };
    Ok(heard
        .into_iter()
        .filter(|row| !no_word(row.subject_id, &row.reference))
        .map(|row| row.reference)
        .take(NAMED)
        .collect())
}

/// Shipments that are still in the batch. One that was stopped or refused by itself has its end already.
async fn held(tx: &mut Tx<'_>, batch_id: i64) -> Result<Vec<Member>, StoreError> {
    Ok(sqlx::query!(
        "SELECT s.subject_id, o.number, s.reference FROM shipments s JOIN subjects o ON o.id = s.subject_id
         WHERE s.batch_id = $1 AND s.state NOT IN ('cancelled', 'rejected') ORDER BY s.subject_id, s.id",
        batch_id
    )
    .fetch_all(&mut **tx)
    .await?
    .into_iter()
    .map(|row| Member {
        subject_id: row.subject_id,
        number: row.number,
        reference: Some(row.reference),
    })
    .collect())
}

/// What the batch books goes free for the next one. Returns the orders of its revenue.
async fn freed(tx: &mut Tx<'_>, batch_id: i64) -> Result<Vec<Member>, StoreError> {
    let members = sqlx::query!(
        "SELECT DISTINCT e.subject_id, o.number FROM revenue_events e JOIN subjects o ON o.id = e.subject_id
         WHERE e.batch_id = $1 ORDER BY e.subject_id",
        batch_id
    )
    .fetch_all(&mut **tx)
    .await?
    .into_iter()
    .map(|row| Member {
        subject_id: row.subject_id,
        number: row.number,
        reference: None,
    })
    .collect();
    sqlx::query!(
        "UPDATE revenue_events SET batch_id = NULL, retry_at = NULL WHERE batch_id = $1",
        batch_id
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!(
        "UPDATE deposit_postings SET batch_id = NULL, retry_at = NULL WHERE batch_id = $1",
        batch_id
    )
    .execute(&mut **tx)
    .await?;
    Ok(members)
}

/// The batch ends, and its orders are due.
async fn end(tx: &mut Tx<'_>, batch_id: i64, members: &[Member]) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE batches SET state = 'abandoned' WHERE subject_id = $1",
        batch_id
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!(
        "UPDATE subjects SET status = 'abandoned', plan_at = NULL, closed_at = (SELECT hk_now()) WHERE id = $1",
        batch_id
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!("DELETE FROM tasks WHERE subject_id = $1", batch_id)
        .execute(&mut **tx)
        .await?;
    let orders: Vec<i64> = members.iter().map(|m| m.subject_id).collect();
    make_due(tx, &orders).await?;
    Ok(())
}
