//! From a batch's outcome to its members' facts. Members are locked in id order in transactions of their
//! own; doing it twice changes nothing.

use chrono::{DateTime, NaiveDate, Utc};
use hikiate_sdk::{Op, ShipmentReference};

use super::batch::OpenBatch;
use super::facts::{FactRows, insert_facts};
use super::subjects::{lock_subjects, make_due};
use super::tasks::{log_tasks, write_tasks};
use super::{BatchInput, Directory, Store, StoreError};
use crate::facts::{
    BookedFact, FactBody, IntentFact, IntentWhat, MemberFact, MemberState, OutcomeFact, Verdict,
};
use crate::plan::types::TaskRow;

/// What planning a batch decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BatchPlan {
    /// Status of the subject.
    pub status: &'static str,
    /// Send the same bytes again under this number, after an operator released a refusal.
    pub again: Option<u32>,
    /// All tasks the batch has.
    pub tasks: Vec<TaskRow>,
    /// When to plan again without new input.
    pub next: Option<DateTime<Utc>>,
    /// Nothing more is expected.
    pub closed: bool,
}

const CHUNK: usize = 500;

/// What a member hears of its batch, as a fact of its order.
pub(super) fn member_fact(
    subject_id: i64,
    batch: &str,
    reference: &str,
    word: &str,
    state: MemberState,
) -> (i64, String, FactBody) {
    let body = FactBody::Member(MemberFact {
        batch: batch.to_owned(),
        reference: ShipmentReference::new(reference),
        state,
    });
    (subject_id, format!("member:{reference}:{word}"), body)
}

/// Which sending of the batch an outcome is of.
fn sent_as(batch: &BatchInput, outcome: &OutcomeFact) -> u32 {
    let of = |fact: &&crate::facts::Fact| fact.key == outcome.intent;
    match batch.facts.iter().find(of).map(|fact| &fact.body) {
        Some(FactBody::Intent(intent)) => intent.n,
        _ => 1,
    }
}

impl Store {
    /// Batches with new input.
    ///
    /// # Errors
    /// The database's.
    pub async fn due_batch_subjects(&self, limit: i64) -> Result<Vec<i64>, StoreError> {
        Ok(sqlx::query_scalar!(
            "SELECT id FROM subjects WHERE plan_at <= (SELECT hk_now()) AND kind = 'batch' ORDER BY plan_at, id LIMIT $1",
            limit
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Tells the members of an instruct batch its outcome. A refusal is not the end of theirs: the batch may be sent
    /// again as it is, so they stay in it until it is given up. Whether one of them did not know.
    ///
    /// # Errors
    /// The database's.
    pub async fn propagate_outcome(
        &self,
        batch: &BatchInput,
        outcome: &OutcomeFact,
        today: NaiveDate,
    ) -> Result<bool, StoreError> {
        let mut news = false;
        let members = self.members_of(batch.subject_id).await?;
        let n = sent_as(batch, outcome);
        for chunk in members.chunks(CHUNK) {
            let mut facts = Vec::new();
            for (subject, reference) in chunk {
                facts.push(if outcome.verdict == Verdict::Refused {
                    let state = MemberState::Refused {
                        message: outcome.message.clone(),
                    };
                    member_fact(
                        *subject,
                        &batch.name,
                        reference,
                        &format!("refused:{n}"),
                        state,
                    )
                } else {
                    let told = OutcomeFact {
                        intent: format!("instruct:{reference}"),
                        ..outcome.clone()
                    };
                    (*subject, told.key(), FactBody::Outcome(told))
                });
            }
            news |= self.tell(&facts, today).await?;
        }
        Ok(news)
    }

    /// Orders and references in a batch, in the order they are locked.
    async fn members_of(&self, batch_id: i64) -> Result<Vec<(i64, String)>, StoreError> {
        Ok(sqlx::query!(
            "SELECT subject_id, reference FROM shipments WHERE batch_id = $1 ORDER BY subject_id, id",
            batch_id
        )
        .fetch_all(&self.pool)
        .await?
        .into_iter()
        .map(|row| (row.subject_id, row.reference))
        .collect())
    }

    /// Tells the orders of a journal batch that their revenue is booked. Whether one of them did not know.
    ///
    /// # Errors
    /// The database's.
    pub async fn propagate_posting(
        &self,
        batch: &BatchInput,
        today: NaiveDate,
    ) -> Result<bool, StoreError> {
        let mut news = false;
        let members = sqlx::query!(
            r#"SELECT subject_id, array_agg(key ORDER BY id) AS "keys!" FROM revenue_events WHERE batch_id = $1 GROUP BY subject_id ORDER BY subject_id"#,
            batch.subject_id
        )
        .fetch_all(&self.pool)
        .await?;
        for chunk in members.chunks(CHUNK) {
            let facts: Vec<_> = chunk
                .iter()
                .map(|m| {
                    let body = FactBody::Booked(BookedFact {
                        batch: batch.name.clone(),
                        events: m.keys.clone(),
                    });
                    (m.subject_id, format!("booked:{}", batch.name), body)
                })
                .collect();
            news |= self.tell(&facts, today).await?;
        }
        Ok(news)
    }

    /// Writes facts of several orders, told by planning, and makes those due that did not know. Whether there was one.
    pub(super) async fn tell(
        &self,
        facts: &[(i64, String, FactBody)],
        today: NaiveDate,
    ) -> Result<bool, StoreError> {
        if facts.is_empty() {
            return Ok(false);
        }
        let mut tx = self.pool.begin().await?;
        let ids: Vec<i64> = facts.iter().map(|f| f.0).collect();
        lock_subjects(&mut tx, &ids).await?;
        let now = sqlx::query_scalar!(r#"SELECT hk_now() AS "now!""#)
            .fetch_one(&mut *tx)
            .await?;
        let mut rows = FactRows::default();
        for (subject, key, body) in facts {
            rows.push(
                *subject,
                key.clone(),
                body,
                body.to_json()?,
                now,
                now,
                today,
            );
        }
        let changed: Vec<i64> = insert_facts(&mut tx, &rows, "plan", None, true)
            .await?
            .into_iter()
            .collect();
        make_due(&mut tx, &changed).await?;
        tx.commit().await?;
        Ok(!changed.is_empty())
    }

    /// References of a batch's members that have neither a reply nor a parcel, and when they are overdue.
    ///
    /// # Errors
    /// The database's.
    pub async fn unanswered(
        &self,
        batch: &BatchInput,
    ) -> Result<(Vec<String>, Option<DateTime<Utc>>), StoreError> {
        let due = sqlx::query_scalar!(
            "SELECT reply_due FROM batches WHERE subject_id = $1",
            batch.subject_id
        )
        .fetch_one(&self.pool)
        .await?;
        if due.is_none() {
            return Ok((Vec::new(), None));
        }
        let references = sqlx::query_scalar!(
            "SELECT s.reference FROM shipments s WHERE s.batch_id = $1 AND s.state = 'instructed' AND NOT hk_heard(s.subject_id, s.reference)
             ORDER BY s.row_no",
            batch.subject_id
        )
        .fetch_all(&self.pool)
        .await?;
        Ok((references, due))
    }

    /// A batch that was not sealed has nothing to plan.
    ///
    /// # Errors
    /// The database's.
    pub async fn no_batch_plan(&self, subject_id: i64) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE subjects SET plan_at = NULL WHERE id = $1",
            subject_id
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Writes a batch's plan, unless new input came while it was made.
    ///
    /// # Errors
    /// The database's.
    pub async fn commit_batch(
        &self,
        directory: &Directory,
        batch: &BatchInput,
        plan: &BatchPlan,
        policy_id: i32,
        today: NaiveDate,
    ) -> Result<(), StoreError> {
        let mut tx = self.pool.begin().await?;
        let again = plan.again.is_some();
        sqlx::query!(
            "SELECT id FROM subjects WHERE id = $1 OR ($2 AND id IN (SELECT subject_id FROM shipments WHERE batch_id = $1)) ORDER BY id FOR NO KEY UPDATE",
            batch.subject_id, again
        )
        .fetch_all(&mut *tx)
        .await?;
        let last = sqlx::query_scalar!(
            "SELECT max(id) FROM facts WHERE subject_id = $1",
            batch.subject_id
        )
        .fetch_one(&mut *tx)
        .await?;
        if last != batch.facts.iter().map(|f| f.id).max() {
            return Ok(());
        }
        if let Some(n) = plan.again {
            let op = if batch.kind == "instruct" {
                Op::Instruct
            } else {
                Op::PostJournal
            };
            let account = directory.slug(batch.account_id)?.clone();
            let key = format!("{op}:{account}:{}:{n}", batch.name);
            let now = sqlx::query_scalar!(r#"SELECT hk_now() AS "now!""#)
                .fetch_one(&mut *tx)
                .await?;
            let body = FactBody::Intent(Box::new(IntentFact {
                op,
                account,
                n,
                what: IntentWhat::Batch {
                    batch: batch.name.clone(),
                },
            }));
            let mut rows = FactRows::default();
            rows.push(
                batch.subject_id,
                key.clone(),
                &body,
                body.to_json()?,
                now,
                now,
                today,
            );
            insert_facts(&mut tx, &rows, "plan", Some(policy_id), false).await?;
            if Self::batch_outcome(batch).is_some_and(|o| o.verdict == Verdict::Refused) {
                let cancelled = sqlx::query_scalar!(
                    r#"SELECT EXISTS (SELECT FROM shipments WHERE batch_id = $1 AND state = 'cancelled') AS "some!""#,
                    batch.subject_id
                )
                .fetch_one(&mut *tx)
                .await?;
                // One of them was taken out since this plan was made: it is made again, and does not send.
                if cancelled {
                    return Ok(());
                }
                Self::tell_again(&mut tx, batch, n, now, today).await?;
            }
            Self::queue_batch(&mut tx, batch.subject_id, batch.account_id, op, &key).await?;
        }
        let tasks: Vec<_> = plan.tasks.iter().map(|t| (batch.subject_id, t)).collect();
        let changes = write_tasks(&mut tx, &[batch.subject_id], &tasks).await?;
        sqlx::query!(
            "UPDATE subjects SET status = $2, plan_at = $3, plan_class = 1, plan_fails = 0, closed_at = CASE WHEN $4 THEN coalesce(closed_at, (SELECT hk_now())) END WHERE id = $1",
            batch.subject_id, plan.status, plan.next, plan.closed
        )
        .execute(&mut *tx)
        .await?;
        if plan.status == "done" {
            sqlx::query!(
                "UPDATE batches SET state = 'done' WHERE subject_id = $1 AND state = 'sealed'",
                batch.subject_id
            )
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        log_tasks(&changes);
        Ok(())
    }

    /// Members of a refused batch, whose orders this transaction has locked, hear that it is sent again.
    async fn tell_again(
        tx: &mut sqlx::Transaction<'_, sqlx::Postgres>,
        batch: &BatchInput,
        n: u32,
        now: DateTime<Utc>,
        today: NaiveDate,
    ) -> Result<(), StoreError> {
        let mut rows = FactRows::default();
        for member in sqlx::query!(
            "SELECT subject_id, reference FROM shipments WHERE batch_id = $1 ORDER BY id",
            batch.subject_id
        )
        .fetch_all(&mut **tx)
        .await?
        {
            let (subject, key, body) = member_fact(
                member.subject_id,
                &batch.name,
                &member.reference,
                &format!("again:{n}"),
                MemberState::SentAgain,
            );
            rows.push(subject, key, &body, body.to_json()?, now, now, today);
        }
        let told: Vec<i64> = insert_facts(tx, &rows, "plan", None, true)
            .await?
            .into_iter()
            .collect();
        make_due(tx, &told).await?;
        Ok(())
    }

    /// Orders that were cancelled while the batch they stood in was refused: it must not be sent again with them.
    ///
    /// # Errors
    /// The database's.
    pub async fn cancelled_members(&self, batch_id: i64) -> Result<Vec<String>, StoreError> {
        Ok(sqlx::query_scalar!(
            "SELECT DISTINCT o.number FROM shipments s JOIN subjects o ON o.id = s.subject_id WHERE s.batch_id = $1 AND s.state = 'cancelled' ORDER BY 1",
            batch_id
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// What became of a batch: what arrived has arrived, in whichever sending; else the last definite verdict of the newest
    /// sending that was not taken back, `None` while that is under way.
    #[must_use]
    pub fn batch_outcome(batch: &BatchInput) -> Option<&OutcomeFact> {
        let verdict = |key: &str| {
            batch.facts.iter().rev().find_map(|fact| match &fact.body {
                FactBody::Outcome(o) if o.verdict != Verdict::Evidence && o.intent == key => {
                    Some(o)
                }
                _ => None,
            })
        };
        let sendings: Vec<Option<&OutcomeFact>> = batch
            .facts
            .iter()
            .rev()
            .filter(|fact| matches!(&fact.body, FactBody::Intent(_)))
            .map(|fact| verdict(&fact.key))
            .filter(|outcome| outcome.is_none_or(|o| o.verdict != Verdict::Withdrawn))
            .collect();
        let arrived = |o: &&OutcomeFact| matches!(o.verdict, Verdict::Done | Verdict::Accepted);
        let found = sendings.iter().flatten().copied().find(arrived);
        found.or_else(|| sendings.first().copied().flatten())
    }

    /// A batch that could not be planned is tried later, and is a task.
    ///
    /// # Errors
    /// The database's.
    pub async fn batch_failed(&self, batch_id: i64, why: String) -> Result<(), StoreError> {
        let mut tx = self.pool.begin().await?;
        Self::plan_failed(&mut tx, &[(batch_id, why)]).await?;
        tx.commit().await?;
        Ok(())
    }
}

impl OpenBatch {
    /// True for a journal.
    #[must_use]
    pub fn is_journal(&self) -> bool {
        self.kind == "journal"
    }
}
