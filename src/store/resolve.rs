//! What an operator found out about a call whose outcome was unknown, and its correction while nothing rests on it.

use chrono::NaiveDate;
use hikiate_sdk::{AccountSlug, Op};
use sqlx::{Postgres, Transaction};

use super::facts::{FactRows, insert_facts};
use super::queue::TOLD;
use super::subjects::{lock_subjects, make_due};
use super::{Store, StoreError};
use crate::facts::{FactBody, IntentFact, OutcomeFact, UnknownFact, Verdict};

/// What was written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// Order or batch number.
    pub subject: String,
    /// The account that was called.
    pub account: AccountSlug,
    /// The operation.
    pub op: Op,
    /// Something else had been written down before.
    pub corrected: bool,
}

/// The call that is spoken of.
struct Spoken {
    effect_id: i64,
    subject_id: i64,
    subject: String,
    is_batch: bool,
    intent_id: i64,
    key: String,
    intent: IntentFact,
}

impl Store {
    /// Writes what an operator found out about an unresolved effect, or about one in doubt whose attempts keep failing. Said
    /// otherwise later, it is corrected as long as nothing rests on it: calls that were planned because of it and have not begun
    /// are taken back.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Refused`] when the effect goes on by itself or is being carried out, was resolved
    /// the same way, or something rests on it.
    pub async fn resolve_effect(
        &self,
        effect_id: i64,
        done: bool,
        reason: &str,
        actor: &str,
        today: NaiveDate,
    ) -> Result<Resolved, StoreError> {
        let mut tx = self.pool.begin().await?;
        let spoken = spoken_of(&mut tx, effect_id).await?;
        lock_subjects(&mut tx, &[spoken.subject_id]).await?;
        // Claimed meanwhile, it is no longer planned once this has its row.
        let taken = sqlx::query_scalar!(
            "DELETE FROM effects WHERE id = $1 AND (state = 'unresolved' OR (state = 'planned' AND outcome_unknown AND attempts >= $2)) RETURNING id",
            effect_id, TOLD
        )
        .fetch_optional(&mut *tx)
        .await?;
        let verdict = if done {
            Verdict::Done
        } else {
            Verdict::NotDone
        };
        if taken.is_none() {
            goes_on(&mut tx, effect_id).await?;
            unsay(&mut tx, &spoken, verdict, today).await?;
        }
        write(&mut tx, &spoken, verdict, reason, actor, today).await?;
        make_due(&mut tx, &[spoken.subject_id]).await?;
        tx.commit().await?;
        Ok(Resolved {
            subject: spoken.subject,
            account: spoken.intent.account,
            op: spoken.intent.op,
            corrected: taken.is_none(),
        })
    }
}

/// Refused while it is in the queue and nobody's to resolve.
async fn goes_on(tx: &mut Transaction<'_, Postgres>, effect_id: i64) -> Result<(), StoreError> {
    let state = sqlx::query_scalar!("SELECT state FROM effects WHERE id = $1", effect_id)
        .fetch_optional(&mut **tx)
        .await?;
    match state.as_deref() {
        None => Ok(()),
        Some("planned") => Err(StoreError::Refused(format!(
            "effect {effect_id} is planned, not unresolved: it goes on by itself"
        ))),
        Some(_) => Err(StoreError::Refused(format!(
            "effect {effect_id} is being carried out right now: see `hikiate effect list`, and repeat this in a minute if it is still there"
        ))),
    }
}

async fn spoken_of(
    tx: &mut Transaction<'_, Postgres>,
    effect_id: i64,
) -> Result<Spoken, StoreError> {
    let row = sqlx::query!(
        "SELECT f.id, f.subject_id, f.key, f.kind, f.version, f.body, s.number, s.kind AS subject_kind
         FROM facts f JOIN subjects s ON s.id = f.subject_id
         WHERE f.id = coalesce((SELECT intent_id FROM effects WHERE id = $1), (SELECT intent_id FROM resolutions WHERE effect_id = $1))",
        effect_id
    )
    .fetch_optional(&mut **tx)
    .await?
    .ok_or_else(|| {
        StoreError::NotFound(format!(
            "no effect {effect_id} in the queue, and none that was resolved: `hikiate effect list` shows them"
        ))
    })?;
    let intent = match FactBody::read(&row.kind, row.version, row.body) {
        Ok(FactBody::Intent(intent)) => *intent,
        Ok(_) => return Err(sqlx::Error::RowNotFound.into()),
        Err(unknown) => return Err(unreadable(effect_id, &unknown)),
    };
    Ok(Spoken {
        effect_id,
        subject_id: row.subject_id,
        subject: row.number,
        is_batch: row.subject_kind == "batch",
        intent_id: row.id,
        key: row.key,
        intent,
    })
}

fn unreadable(effect_id: i64, unknown: &UnknownFact) -> StoreError {
    StoreError::Refused(format!("effect {effect_id}: {unknown}"))
}

/// Makes room for the other verdict, or says what rests on the first.
async fn unsay(
    tx: &mut Transaction<'_, Postgres>,
    spoken: &Spoken,
    verdict: Verdict,
    today: NaiveDate,
) -> Result<(), StoreError> {
    let id = spoken.effect_id;
    let said = sqlx::query!(
        r#"SELECT r.outcome_id, f.body->>'verdict' AS "verdict!" FROM resolutions r JOIN facts f ON f.id = r.outcome_id WHERE r.effect_id = $1"#,
        id
    )
    .fetch_optional(&mut **tx)
    .await?
    .ok_or_else(|| StoreError::NotFound(format!("effect {id} has just ended by itself")))?;
    if said.verdict == verdict.as_str() {
        return Err(StoreError::Refused(format!(
            "effect {id} is written down as {} already: nothing was done",
            said.verdict
        )));
    }
    // Members are told at once and without the batch's lock.
    if spoken.is_batch && verdict == Verdict::NotDone {
        return Err(rests(spoken, "its orders count as sent or booked since"));
    }
    let after = sqlx::query!(
        r#"SELECT f.key, f.kind, e.id AS "effect?", coalesce(e.state IN ('planned', 'leased') AND NOT e.outcome_unknown, false) AS "free!"
           FROM facts f LEFT JOIN effects e ON e.intent_id = f.id
           WHERE f.subject_id = $1 AND f.id > $2 AND f.kind IN ('intent', 'shipment')
             AND NOT EXISTS (SELECT FROM facts o WHERE o.subject_id = f.subject_id AND o.key = f.key || ':outcome:withdrawn') ORDER BY f.id"#,
        spoken.subject_id, said.outcome_id
    )
    .fetch_all(&mut **tx)
    .await?;
    let firm: Vec<&str> = after
        .iter()
        .filter(|row| !row.free)
        .map(|row| row.key.as_str())
        .collect();
    if !firm.is_empty() {
        return Err(rests(spoken, &format!("since then: {}", firm.join(", "))));
    }
    let effects: Vec<i64> = after.iter().filter_map(|row| row.effect).collect();
    let gone = sqlx::query_scalar!(
        "DELETE FROM effects WHERE id = ANY($1) AND state IN ('planned', 'leased') AND NOT outcome_unknown RETURNING id",
        &effects
    )
    .fetch_all(&mut **tx)
    .await?;
    if gone.len() != effects.len() {
        return Err(rests(spoken, "a call that followed from it has just begun"));
    }
    let now = sqlx::query_scalar!(r#"SELECT hk_now() AS "now!""#)
        .fetch_one(&mut **tx)
        .await?;
    let mut rows = FactRows::default();
    for row in &after {
        let body = FactBody::Outcome(OutcomeFact {
            intent: row.key.clone(),
            verdict: Verdict::Withdrawn,
            id: None,
            code: None,
            message: format!("what effect {id} did was corrected"),
        });
        let key = format!("{}:outcome:{}", row.key, Verdict::Withdrawn.as_str());
        rows.push(
            spoken.subject_id,
            key,
            &body,
            body.to_json()?,
            now,
            now,
            today,
        );
    }
    insert_facts(tx, &rows, "push", None, false).await?;
    Ok(())
}

fn rests(spoken: &Spoken, what: &str) -> StoreError {
    StoreError::Refused(format!(
        "effect {} ({}) cannot be corrected any more, something rests on it: {what}; settle it at {} by hand",
        spoken.effect_id, spoken.key, spoken.intent.account
    ))
}

async fn write(
    tx: &mut Transaction<'_, Postgres>,
    spoken: &Spoken,
    verdict: Verdict,
    reason: &str,
    actor: &str,
    today: NaiveDate,
) -> Result<(), StoreError> {
    let now = sqlx::query_scalar!(r#"SELECT hk_now() AS "now!""#)
        .fetch_one(&mut **tx)
        .await?;
    let body = FactBody::Outcome(OutcomeFact {
        intent: spoken.key.clone(),
        verdict,
        id: None,
        code: None,
        message: reason.to_owned(),
    });
    let plain = format!("{}:outcome:{}", spoken.key, verdict.as_str());
    let before = sqlx::query_scalar!(
        r#"SELECT count(*) AS "n!" FROM facts WHERE subject_id = $1 AND (key = $2 OR starts_with(key, $2 || ':'))"#,
        spoken.subject_id, plain
    )
    .fetch_one(&mut **tx)
    .await?;
    let key = match before {
        0 => plain,
        n => format!("{plain}:{}", n + 1),
    };
    let mut rows = FactRows::default();
    rows.push(
        spoken.subject_id,
        key.clone(),
        &body,
        body.to_json()?,
        now,
        now,
        today,
    );
    insert_facts(tx, &rows, actor, None, false).await?;
    sqlx::query!(
        "INSERT INTO resolutions (effect_id, intent_id, outcome_id) SELECT $1, $2, id FROM facts WHERE subject_id = $3 AND key = $4
         ON CONFLICT (effect_id) DO UPDATE SET outcome_id = excluded.outcome_id",
        spoken.effect_id, spoken.intent_id, spoken.subject_id, key
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
