//! The effect queue: claim, mark as sending just before the call, acknowledge. An account's lease token
//! is checked at each step, and each claim has a token of its own.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use hikiate_sdk::{Op, Personal};

use super::facts::{FactRows, insert_facts};
use super::setup::CODE_LEVEL;
use super::subjects::{lock_subjects, make_due};
use super::{OwnedAccount, Store, StoreError};
use crate::facts::{FactBody, IntentFact, OutcomeFact, Verdict};
use crate::operations::of;
use crate::plan::parcels_told;

/// A claimed effect with what is needed to carry it out.
#[derive(Clone, Debug)]
pub struct ClaimedEffect {
    /// Row id.
    pub id: i64,
    /// Fences this claim.
    pub token: i64,
    /// The subject.
    pub subject_id: i64,
    /// Our number of it.
    pub number: String,
    /// The operation.
    pub op: Op,
    /// The intent's key.
    pub key: String,
    /// The intent.
    pub intent: IntentFact,
    /// Failed tries.
    pub attempts: i16,
    /// Times it was sent.
    pub sends: i16,
    /// Look-ups without a definite answer since the last send.
    pub lookups: i16,
    /// Those of them that said "not there".
    pub not_found: i16,
    /// A try may have happened.
    pub outcome_unknown: bool,
    /// The outcome is in doubt, and the warehouse has told of each of its shipments: it arrived.
    pub heard: bool,
    /// The outcome is to be asked for before it is sent again.
    pub look: bool,
    /// What the last try was told, or what has kept it since.
    pub error: Option<String>,
    /// It may have been sent in a window that the database has lost.
    pub loss_risk: LossRisk,
    /// Start of the earliest such window, where there is a doubt.
    pub lost_since: Option<DateTime<Utc>>,
    /// First send.
    pub first_sent_at: Option<DateTime<Utc>>,
    /// Last send.
    pub last_sent_at: Option<DateTime<Utc>>,
    /// Frozen bytes and their label, once it was sent; a batch's from its sealing on.
    pub frozen: Option<(Vec<u8>, String)>,
    /// Names and addresses, for operations that need them.
    pub personal: Option<Personal>,
    /// The newest reading of the order, for mails.
    pub order: Option<crate::facts::OrderFact>,
    /// Parcels told so far, for mails.
    pub parcels: Vec<hikiate_sdk::ParcelReport>,
}

/// Whether an effect may have been sent in a window that the database has lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LossRisk {
    /// Its cause is newer.
    #[default]
    None,
    /// It may have been.
    Possible,
    /// Its cause was known then: where nobody can be asked, it counts as sent.
    Known,
}

/// What may be sent now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marked {
    /// The account's rounds of sending, this one included; `None` when nothing was marked.
    pub round: Option<i64>,
    /// Frozen bytes by row id.
    pub bytes: BTreeMap<i64, Vec<u8>>,
}

/// An effect about to be sent.
#[derive(Clone, Debug)]
pub struct ToSend {
    /// Row id.
    pub id: i64,
    /// The claim's token.
    pub token: i64,
    /// Bytes; kept as they are if some were frozen before.
    pub body: Vec<u8>,
    /// For lists and logs.
    pub label: String,
}

/// What became of a claimed effect.
#[derive(Clone, Debug, PartialEq)]
pub enum AttemptResult {
    /// A definite end: the row leaves the queue, its outcome is a fact.
    Finished {
        /// The outcome.
        outcome: OutcomeFact,
    },
    /// Try again after this long; nothing happened at the external system.
    RetryLater {
        /// Seconds.
        after: f64,
        /// Counts as a failed try.
        attempt: bool,
        /// What went wrong.
        error: String,
    },
    /// It may have happened: look up or send again after this long.
    OutcomeUnknown {
        /// Seconds.
        after: f64,
        /// It is looked up before it is sent again, from now on.
        look: bool,
        /// What went wrong.
        error: String,
    },
    /// Nobody was asked: it is too early. Claim it again after this long.
    Wait {
        /// Seconds.
        after: f64,
    },
    /// A look-up said "not there", but not yet for good: look again after this long.
    NotFoundYet {
        /// Seconds.
        after: f64,
    },
    /// A look-up could not say: look again after this long.
    Inconclusive {
        /// Seconds.
        after: f64,
        /// What it was answered instead; empty where that was no error.
        error: String,
    },
    /// An operator must look.
    Unresolved {
        /// What went wrong.
        error: String,
    },
}

/// What a result does to the row of an effect that stays in the queue.
struct Change<'a> {
    /// Its state from now on.
    state: &'static str,
    /// Seconds until it is due.
    after: f64,
    /// Counts as a failed try.
    attempt: bool,
    /// It may have happened, from now on.
    outcome_unknown: bool,
    /// Counts as a look-up without a definite answer.
    looked: bool,
    /// Counts as one that said "not there".
    not_found: bool,
    /// It is looked up before it is sent again, from now on.
    look: bool,
    /// What went wrong; empty keeps what the row says.
    error: &'a str,
}

impl<'a> Change<'a> {
    /// What it does; `None` for a definite end, which leaves no row.
    fn of(result: &'a AttemptResult) -> Option<Self> {
        Some(match result {
            AttemptResult::Finished { .. } => return None,
            AttemptResult::RetryLater {
                after,
                attempt,
                error,
            } => Self {
                attempt: *attempt,
                error,
                ..Self::due_again(*after)
            },
            AttemptResult::OutcomeUnknown { after, look, error } => Self {
                attempt: true,
                outcome_unknown: true,
                look: *look,
                error,
                ..Self::due_again(*after)
            },
            AttemptResult::Wait { after } => Self::due_again(*after),
            AttemptResult::NotFoundYet { after } => Self {
                looked: true,
                not_found: true,
                ..Self::due_again(*after)
            },
            AttemptResult::Inconclusive { after, error } => Self {
                looked: true,
                error,
                ..Self::due_again(*after)
            },
            AttemptResult::Unresolved { error } => Self {
                state: "unresolved",
                attempt: true,
                outcome_unknown: true,
                error,
                ..Self::due_again(0.0)
            },
        })
    }

    /// Planned again, due after so many seconds, and nothing else.
    fn due_again(after: f64) -> Self {
        Self {
            state: "planned",
            after,
            attempt: false,
            outcome_unknown: false,
            looked: false,
            not_found: false,
            look: false,
            error: "",
        }
    }
}

/// In the error of an effect, between what a call in doubt was told and what has kept its outcome from being known.
pub(crate) const SINCE: &str = "; since then: ";

/// So many tries make an effect a task.
pub(super) const TOLD: i16 = 5;

impl Store {
    /// Claims due effects of an owned account, urgent lanes first; those of orders whose channel has not begun wait.
    ///
    /// # Errors
    /// The database's.
    pub async fn claim_effects(
        &self,
        owned: &OwnedAccount,
        limit: i64,
        lease_seconds: i32,
    ) -> Result<Vec<ClaimedEffect>, StoreError> {
        self.claim(owned, None, limit, lease_seconds).await
    }

    /// Claims due effects of one operation, to go in a request with one that is claimed.
    ///
    /// # Errors
    /// The database's.
    pub async fn claim_more(
        &self,
        owned: &OwnedAccount,
        op: Op,
        limit: i64,
        lease_seconds: i32,
    ) -> Result<Vec<ClaimedEffect>, StoreError> {
        self.claim(owned, Some(op), limit, lease_seconds).await
    }

    async fn claim(
        &self,
        owned: &OwnedAccount,
        op: Option<Op>,
        limit: i64,
        lease_seconds: i32,
    ) -> Result<Vec<ClaimedEffect>, StoreError> {
        // Lane after lane by its index until there are enough; a later lane is not looked at then.
        let rows = sqlx::query!(
            r#"WITH due AS MATERIALIZED (
                 SELECT d.id FROM generate_series(0, 2) AS l (lane) CROSS JOIN LATERAL (
                   SELECT e.id FROM effects e
                   WHERE e.account_id = $1 AND e.lane = l.lane::smallint AND e.state = 'planned' AND e.due_at <= (SELECT hk_now())
                     AND ($5::text IS NULL OR e.op = $5)
                     AND EXISTS (SELECT FROM accounts a WHERE a.id = $1 AND a.lease_token = $2 AND a.paused IS NULL AND a.lease_until > (SELECT hk_now()))
                     AND (SELECT min_code FROM gate) <= $3 AND NOT (SELECT hk_stopped())
                     AND ((SELECT hk_all_act()) OR NOT hk_waits(e.subject_id))
                     AND NOT EXISTS (SELECT FROM account_pauses p WHERE p.account_id = $1 AND p.what = 'writes')
                   ORDER BY e.account_id, e.lane, e.due_at, e.id LIMIT $4 FOR UPDATE SKIP LOCKED) d
                 LIMIT $4),
               token AS MATERIALIZED (SELECT nextval('lease_tokens') AS t),
               taken AS (
                 UPDATE effects e SET state = 'leased', token = token.t, lease_until = (SELECT hk_now()) + make_interval(secs => $6::int)
                 FROM due, token WHERE e.id = due.id
                 RETURNING e.id, e.token, e.subject_id, e.op, e.intent_id, e.attempts, e.sends, e.lookups, e.not_found, e.outcome_unknown, e.look, e.error,
                   e.first_sent_at, e.last_sent_at, e.body, e.label, e.lane, e.due_at)
               SELECT t.id, t.token AS "token!", t.subject_id, t.op, t.attempts, t.sends, t.lookups, t.not_found, t.outcome_unknown, t.look, t.error, r.lost_first, t.first_sent_at, t.last_sent_at,
                 t.op = 'instruct' AND t.outcome_unknown AND hk_heard(t.subject_id, t.intent_id) AS "heard!",
                 coalesce(t.body, b.body) AS body, coalesce(t.label, s.external_id) AS "label!", s.number, f.key, f.kind, f.version, f.body AS intent,
                 CASE WHEN r.lost_until IS NULL THEN 0
                   WHEN EXISTS (SELECT FROM facts o WHERE o.subject_id = t.subject_id AND o.kind = 'outcome' AND o.actor NOT IN ('pull', 'plan', 'push')
                     AND o.recorded_at >= r.begun_at AND split_part(o.body->>'intent', ':', 1) = t.op) THEN 0
                   WHEN t.op = 'mail' THEN (
                     SELECT CASE WHEN max(p.happened_at) > r.lost_until + interval '5 min' OR (max(p.happened_at) > r.lost_until AND max(p.recorded_at) > r.lifted_at) THEN 0
                       WHEN max(p.happened_at) > r.lost_until THEN 1 ELSE 2 END
                     FROM facts p WHERE p.subject_id = t.subject_id AND p.kind = 'parcel')
                   WHEN s.kind = 'order' AND s.created_at <= coalesce(r.lifted_at, 'infinity') THEN 1
                   WHEN t.op = 'instruct' AND EXISTS (SELECT FROM shipments h JOIN subjects o ON o.id = h.subject_id
                     WHERE h.batch_id = t.subject_id AND o.created_at <= coalesce(r.lifted_at, 'infinity')) THEN 1 ELSE 0 END AS "loss_risk!"
               FROM taken t JOIN facts f ON f.id = t.intent_id JOIN subjects s ON s.id = t.subject_id LEFT JOIN batches b ON b.subject_id = t.subject_id
                 CROSS JOIN recovery r
               ORDER BY t.lane, t.due_at, t.id"#,
            owned.id, owned.token, CODE_LEVEL, limit, op.map(Op::as_str), lease_seconds
        )
        .fetch_all(&self.pool)
        .await?;
        let mut claimed = Vec::with_capacity(rows.len());
        let mut unread = Vec::new();
        for row in rows {
            let (Some(op), Ok(FactBody::Intent(intent))) = (
                Op::parse(&row.op),
                FactBody::read(&row.kind, row.version, row.intent),
            ) else {
                unread.push((
                    row.id,
                    row.token,
                    format!("{} of version {}", row.kind, row.version),
                ));
                continue;
            };
            claimed.push(ClaimedEffect {
                id: row.id,
                token: row.token,
                subject_id: row.subject_id,
                number: row.number,
                op,
                key: row.key,
                intent: *intent,
                attempts: row.attempts,
                sends: row.sends,
                lookups: row.lookups,
                not_found: row.not_found,
                outcome_unknown: row.outcome_unknown,
                heard: row.heard,
                look: row.look,
                error: row.error,
                lost_since: row.lost_first.filter(|_| row.loss_risk != 0),
                loss_risk: match row.loss_risk {
                    0 => LossRisk::None,
                    1 => LossRisk::Possible,
                    _ => LossRisk::Known,
                },
                first_sent_at: row.first_sent_at,
                last_sent_at: row.last_sent_at,
                frozen: row.body.map(|body| (body, row.label)),
                personal: None,
                order: None,
                parcels: Vec::new(),
            });
        }
        unread.extend(self.with_orders(&mut claimed).await?);
        self.put_back(&unread).await?;
        Ok(claimed)
    }

    /// What this version cannot read is not sent: it stays planned, is tried again later, and is a task at once.
    async fn put_back(&self, unread: &[(i64, i64, String)]) -> Result<(), StoreError> {
        if unread.is_empty() {
            return Ok(());
        }
        let id: Vec<i64> = unread.iter().map(|u| u.0).collect();
        let token: Vec<i64> = unread.iter().map(|u| u.1).collect();
        let why = |u: &(i64, i64, String)| {
            format!(
                "this version of hikiate cannot read what it rests on ({}): run the newer version, or report it",
                u.2
            )
        };
        let why: Vec<String> = unread.iter().map(why).collect();
        sqlx::query!(
            "UPDATE effects e SET state = 'planned', token = NULL, lease_until = NULL, attempts = greatest(e.attempts, $4), error = CASE WHEN e.outcome_unknown AND e.error IS NOT NULL
               THEN split_part(e.error, $5, 1) || $5 || u.why ELSE u.why END, due_at = (SELECT hk_now()) + interval '10 minutes'
             FROM unnest($1::bigint[], $2::bigint[], $3::text[]) AS u (id, token, why) WHERE e.id = u.id AND e.token = u.token AND e.state = 'leased'",
            &id, &token, &why, TOLD, SINCE
        )
        .execute(&self.pool)
        .await?;
        for (id, _, what) in unread {
            tracing::error!(
                effect = id,
                what,
                "an effect cannot be read by this version and is not sent"
            );
        }
        Ok(())
    }

    /// Mails are rendered from the order as it stands; everything else has what it needs in its intent. Takes out those whose
    /// order or parcels cannot be read: a mail says all or nothing.
    async fn with_orders(
        &self,
        claimed: &mut Vec<ClaimedEffect>,
    ) -> Result<Vec<(i64, i64, String)>, StoreError> {
        let ids: Vec<i64> = claimed
            .iter()
            .filter(|c| of(c.op).personal && c.frozen.is_none())
            .map(|c| c.subject_id)
            .collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut tx = self.pool.begin().await?;
        let mut unread = BTreeMap::new();
        let mut persons = Self::load_personal(&mut tx, &ids).await?;
        let mut orders = BTreeMap::new();
        let mut parcels: BTreeMap<i64, Vec<(i64, DateTime<Utc>, FactBody)>> = BTreeMap::new();
        for row in sqlx::query!(
            "SELECT id, subject_id, recorded_at, kind, version, body FROM facts WHERE subject_id = ANY($1) AND kind IN ('order', 'parcel', 'shipped', 'parcel_corrected', 'shipment', 'released') ORDER BY id",
            &ids
        )
        .fetch_all(&mut *tx)
        .await?
        {
            match FactBody::read(&row.kind, row.version, row.body) {
                Ok(FactBody::Order(order)) => {
                    orders.insert(row.subject_id, *order);
                }
                Ok(body) => parcels.entry(row.subject_id).or_default().push((
                    row.id,
                    row.recorded_at,
                    body,
                )),
                Err(_) => {
                    let what = format!("{} of version {}", row.kind, row.version);
                    unread.insert(row.subject_id, what);
                }
            }
        }
        tx.commit().await?;
        for effect in claimed.iter_mut().filter(|c| of(c.op).personal) {
            effect.personal = persons.remove(&effect.subject_id);
            effect.order = orders.remove(&effect.subject_id);
            let told = parcels.get(&effect.subject_id).into_iter().flatten();
            effect.parcels = parcels_told(told.map(|(id, at, body)| (*id, *at, body)));
        }
        let mut back = Vec::new();
        claimed.retain(|effect| {
            let mail = of(effect.op).personal && effect.frozen.is_none();
            let what = unread.get(&effect.subject_id).filter(|_| mail);
            back.extend(what.map(|what| (effect.id, effect.token, what.clone())));
            what.is_none()
        });
        Ok(back)
    }

    /// Commits that these are about to be sent and freezes their bytes. Only the ids that come back may
    /// be sent: the others' leases were lost, or their channel was stopped meanwhile.
    ///
    /// # Errors
    /// The database's.
    pub async fn mark_sending(
        &self,
        owned: &OwnedAccount,
        sends: &[ToSend],
        lease_seconds: i32,
    ) -> Result<Marked, StoreError> {
        let id: Vec<i64> = sends.iter().map(|s| s.id).collect();
        let token: Vec<i64> = sends.iter().map(|s| s.token).collect();
        let body: Vec<Vec<u8>> = sends.iter().map(|s| s.body.clone()).collect();
        let label: Vec<String> = sends.iter().map(|s| s.label.clone()).collect();
        let rows = sqlx::query!(
            r#"WITH seq AS (
                 UPDATE accounts SET send_seq = send_seq + 1 WHERE id = $1 AND lease_token = $2 AND lease_until > (SELECT hk_now()) AND NOT (SELECT hk_stopped())
                   AND NOT EXISTS (SELECT FROM account_pauses p WHERE p.account_id = $1 AND p.what = 'writes')
                 RETURNING send_seq)
               UPDATE effects e SET state = 'sending', body = coalesce(e.body, b.body), label = coalesce(e.label, b.label), sends = least(e.sends + 1, 30000), lookups = 0, not_found = 0,
                 first_sent_at = coalesce(e.first_sent_at, (SELECT hk_now())), last_sent_at = (SELECT hk_now()),
                 lease_until = (SELECT hk_now()) + make_interval(secs => $7::int)
               FROM unnest($3::bigint[], $4::bigint[], $5::bytea[], $6::text[]) AS b (id, token, body, label), seq
               WHERE e.id = b.id AND e.state = 'leased' AND e.token = b.token
                 AND (e.op <> 'instruct' OR NOT e.outcome_unknown OR NOT hk_heard(e.subject_id, e.intent_id))
                 AND ((SELECT hk_all_act()) OR NOT hk_waits(e.subject_id)) RETURNING e.id, e.body AS "body!", seq.send_seq"#,
            owned.id, owned.token, &id, &token, &body, &label, lease_seconds
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(Marked {
            round: rows.first().map(|r| r.send_seq),
            bytes: rows.into_iter().map(|r| (r.id, r.body)).collect(),
        })
    }

    /// Writes what became of claimed effects. A definite end is a fact and makes its subject due; an
    /// answer whose lease was lost is kept as evidence and touches nothing else. One that the database refuses keeps no other
    /// from being stored; its call counts as one whose outcome is unknown.
    ///
    /// # Errors
    /// The database's.
    pub async fn acknowledge(
        &self,
        done: &[(ClaimedEffect, AttemptResult)],
        today: NaiveDate,
    ) -> Result<(), StoreError> {
        match self.acknowledge_all(done, today).await {
            Err(error) if error.is_refusal() => {}
            stored => return stored,
        }
        for one in done {
            match self.acknowledge_all(std::slice::from_ref(one), today).await {
                Err(error) if error.is_refusal() => {
                    tracing::error!(effect = one.0.key, why = %error.refusal(), "the answer to a call cannot be stored: it counts as unknown");
                }
                stored => stored?,
            }
        }
        Ok(())
    }

    async fn acknowledge_all(
        &self,
        done: &[(ClaimedEffect, AttemptResult)],
        today: NaiveDate,
    ) -> Result<(), StoreError> {
        let mut tx = self.pool.begin().await?;
        let subjects: Vec<i64> = done
            .iter()
            .map(|d| d.0.subject_id)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        lock_subjects(&mut tx, &subjects).await?;
        let now = sqlx::query_scalar!(r#"SELECT hk_now() AS "now!""#)
            .fetch_one(&mut *tx)
            .await?;

        let finished: Vec<&(ClaimedEffect, AttemptResult)> = done
            .iter()
            .filter(|d| matches!(d.1, AttemptResult::Finished { .. }))
            .collect();
        let id: Vec<i64> = finished.iter().map(|d| d.0.id).collect();
        let token: Vec<i64> = finished.iter().map(|d| d.0.token).collect();
        let gone: BTreeSet<i64> = sqlx::query_scalar!(
            "DELETE FROM effects e USING unnest($1::bigint[], $2::bigint[]) AS t (id, token)
             WHERE e.id = t.id AND e.token = t.token AND e.state IN ('leased', 'sending') RETURNING e.id",
            &id, &token
        )
        .fetch_all(&mut *tx)
        .await?
        .into_iter()
        .collect();
        let mut rows = FactRows::default();
        for (effect, acknowledgement) in &finished {
            let AttemptResult::Finished { outcome } = acknowledgement else {
                continue;
            };
            let mut outcome = outcome.cleaned();
            let key = if gone.contains(&effect.id) {
                outcome.key()
            } else {
                outcome.message = format!("{}: {}", outcome.verdict.as_str(), outcome.message);
                outcome.verdict = Verdict::Evidence;
                format!("{}:evidence:{}", effect.key, effect.token)
            };
            let body = FactBody::Outcome(outcome);
            rows.push(
                effect.subject_id,
                key,
                &body,
                body.to_json()?,
                now,
                now,
                today,
            );
        }
        let changed = insert_facts(&mut tx, &rows, "push", None, true).await?;

        let changes: Vec<(&ClaimedEffect, Change<'_>)> = done
            .iter()
            .filter_map(|(effect, result)| Some((effect, Change::of(result)?)))
            .collect();
        let id: Vec<i64> = changes.iter().map(|c| c.0.id).collect();
        let token: Vec<i64> = changes.iter().map(|c| c.0.token).collect();
        let state: Vec<String> = changes.iter().map(|c| c.1.state.to_owned()).collect();
        let after: Vec<f64> = changes.iter().map(|c| c.1.after).collect();
        let attempt: Vec<bool> = changes.iter().map(|c| c.1.attempt).collect();
        let outcome_unknown: Vec<bool> = changes.iter().map(|c| c.1.outcome_unknown).collect();
        let looked: Vec<bool> = changes.iter().map(|c| c.1.looked).collect();
        let not_found: Vec<bool> = changes.iter().map(|c| c.1.not_found).collect();
        let look: Vec<bool> = changes.iter().map(|c| c.1.look).collect();
        let error: Vec<String> = changes.iter().map(|c| c.1.error.to_owned()).collect();
        sqlx::query!(
            "UPDATE effects e SET state = t.state, token = NULL, lease_until = NULL, due_at = (SELECT hk_now()) + make_interval(secs => t.after),
               attempts = least(e.attempts + t.attempt::int, 30000), outcome_unknown = e.outcome_unknown OR t.outcome_unknown, lookups = least(e.lookups + t.looked::int, 30000), not_found = least(e.not_found + t.not_found::int, 30000),
               look = e.look OR t.look, error = coalesce(nullif(t.error, ''), e.error)
             FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::float8[], $5::bool[], $6::bool[], $7::bool[], $8::bool[], $9::bool[], $10::text[])
               AS t (id, token, state, after, attempt, outcome_unknown, looked, not_found, look, error)
             WHERE e.id = t.id AND e.token = t.token AND e.state IN ('leased', 'sending')",
            &id, &token, &state, &after, &attempt, &outcome_unknown, &looked, &not_found, &look, &error
        )
        .execute(&mut *tx)
        .await?;
        let unresolved = done
            .iter()
            .filter(|d| matches!(d.1, AttemptResult::Unresolved { .. }))
            .map(|d| d.0.subject_id);
        let dirty: Vec<i64> = changed.into_iter().chain(unresolved).collect();
        make_due(&mut tx, &dirty).await?;
        tx.commit().await?;
        Ok(())
    }
}
