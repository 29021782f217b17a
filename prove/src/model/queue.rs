//! The effect queue of a run: claimed, looked up, sent, answered, as the pusher does it, with its own decisions.

use std::time::Duration as Span;

use chrono::{DateTime, Duration, Utc};
use hikiate::facts::{IntentFact, OutcomeFact, Verdict};
use hikiate::plan::types::EffectState;
use hikiate::push::{Step, after_look_up, after_send, next_step};
use hikiate::store::{AttemptResult, ClaimedEffect, LossRisk};
use hikiate_sdk::{
    AccountSlug, Error, ErrorClass, First, LookUp, Op, OperationSpec, Outcome, RetryPolicy, Then,
};

use super::command::{Fate, Glance};
use super::violation::Violation;
use super::world::World;
use crate::fault;

/// Whose effect it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// An order, by its place.
    Order(usize),
    /// An instruct batch, by its place.
    Wave(usize),
    /// A journal batch, by its place.
    Books(usize),
}

/// A row of the queue.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// Row id.
    pub(super) id: i64,
    /// Whose.
    pub(super) owner: Owner,
    /// The account.
    pub(super) account: AccountSlug,
    /// The operation.
    pub(super) op: Op,
    /// The intent's key.
    pub(super) key: String,
    /// The intent.
    pub(super) intent: IntentFact,
    /// Where it stands.
    pub(super) state: EffectState,
    /// A try may have happened.
    pub(super) outcome_unknown: bool,
    attempts: i16,
    sends: i16,
    lookups: i16,
    not_found: i16,
    look: bool,
    first: Option<DateTime<Utc>>,
    last: Option<DateTime<Utc>>,
    due: DateTime<Utc>,
}

impl Row {
    /// A row as queued.
    #[must_use]
    pub(super) fn new(
        id: i64,
        owner: Owner,
        key: String,
        intent: IntentFact,
        now: DateTime<Utc>,
    ) -> Self {
        Self {
            id,
            owner,
            account: intent.account.clone(),
            op: intent.op,
            key,
            intent,
            state: EffectState::Planned,
            outcome_unknown: false,
            attempts: 0,
            sends: 0,
            lookups: 0,
            not_found: 0,
            look: false,
            first: None,
            last: None,
            due: now,
        }
    }

    fn claimed(&self) -> ClaimedEffect {
        ClaimedEffect {
            id: self.id,
            token: 1,
            subject_id: 1,
            number: String::new(),
            op: self.op,
            key: self.key.clone(),
            intent: self.intent.clone(),
            attempts: self.attempts,
            sends: self.sends,
            heard: false,
            lookups: self.lookups,
            not_found: self.not_found,
            outcome_unknown: self.outcome_unknown,
            first_sent_at: self.first,
            last_sent_at: self.last,
            frozen: None,
            personal: None,
            order: None,
            parcels: Vec::new(),
            look: self.look,
            error: None,
            loss_risk: LossRisk::None,
            lost_since: None,
        }
    }
}

/// From so many failed attempts on an operator may resolve what is in doubt.
const TOLD: i16 = 5;

/// How an operation may be repeated at the external systems of a run.
fn retry(op: Op) -> RetryPolicy {
    match op {
        Op::Mail => RetryPolicy::Manual,
        Op::Annotate => RetryPolicy::Repeat,
        Op::CancelInstruction => RetryPolicy::IdempotencyKey {
            ttl: Some(Span::from_secs(3600)),
            after_expiry: Then::LookUp,
        },
        _ => RetryPolicy::LookUp {
            settle: Span::from_secs(5),
            first: First::Ask,
        },
    }
}

fn spec(op: Op) -> OperationSpec {
    OperationSpec::new(op, retry(op), "")
}

fn nth<T>(mut found: Vec<T>, which: u8) -> Option<T> {
    if found.is_empty() {
        return None;
    }
    let at = usize::from(which) % found.len();
    Some(found.swap_remove(at))
}

impl World {
    fn rows_in(&self, state: EffectState) -> Vec<usize> {
        let due = |row: &Row| state != EffectState::Planned || row.due <= self.now;
        (0..self.rows.len())
            .filter(|at| self.rows[*at].state == state && due(&self.rows[*at]))
            .collect()
    }

    /// Claims a due effect.
    pub(super) fn claim(&mut self, which: u8) {
        if let Some(at) = nth(self.rows_in(EffectState::Planned), which) {
            self.rows[at].state = EffectState::Leased;
            self.mirror_of(at);
        }
    }

    /// The next step of a claimed effect: it is sent, looked up, or put off.
    ///
    /// # Errors
    /// A violation.
    pub(super) fn go(&mut self, which: u8, glance: Glance) -> Result<(), Violation> {
        let Some(at) = nth(self.rows_in(EffectState::Leased), which) else {
            return Ok(());
        };
        let row = &self.rows[at];
        let effect = row.claimed();
        let retry = retry(row.op);
        match fault::next(next_step(&effect, retry, self.now)) {
            Step::Send => self.send(at),
            Step::LookUp => {
                let found = match glance {
                    Glance::Clear if self.far.happened(&row.key) => {
                        Ok(LookUp::Found(Outcome::Done { id: None }))
                    }
                    Glance::Clear => Ok(LookUp::NotFound),
                    Glance::Away => Err(Error::new(ErrorClass::Transient, "away")),
                    Glance::Unclear => Err(Error::new(ErrorClass::NotFound, "unclear")),
                };
                match after_look_up(&effect, retry, found) {
                    None => self.send(at),
                    Some(acknowledgement) => return self.acknowledge(at, acknowledgement),
                }
            }
            Step::Wait(span) => {
                let row = &mut self.rows[at];
                row.state = EffectState::Planned;
                row.due = self.now + Duration::from_std(span).unwrap_or_default();
                self.mirror_of(at);
            }
            Step::Unresolved => {
                let row = &mut self.rows[at];
                row.state = EffectState::Unresolved;
                row.outcome_unknown = true;
                self.touched(at);
            }
        }
        Ok(())
    }

    fn send(&mut self, at: usize) {
        let now = self.now;
        let row = &mut self.rows[at];
        row.state = EffectState::Sending;
        row.sends = row.sends.saturating_add(1);
        (row.lookups, row.not_found) = (0, 0);
        row.first.get_or_insert(now);
        row.last = Some(now);
        self.mirror_of(at);
    }

    /// A call that was sent ends.
    ///
    /// # Errors
    /// A violation: the external system was made to do something twice.
    pub(super) fn answer(&mut self, which: u8, fate: Fate) -> Result<(), Violation> {
        let Some(at) = nth(self.rows_in(EffectState::Sending), which) else {
            return Ok(());
        };
        let row = self.rows[at].clone();
        if fate == Fate::Late && row.op == Op::Annotate {
            self.stall(at);
            return Ok(());
        }
        let happens = matches!(
            fate,
            Fate::Done | Fate::Accepted | Fate::Lost | Fate::Late | Fate::NotShown
        );
        // The external system has its own mind: what cannot be done is refused whatever was drawn.
        let done = if happens {
            self.perform(&row, fate)?
        } else {
            Err("no".to_owned())
        };
        let answer = match (fate, done) {
            (Fate::Busy, _) => Err(Error::new(ErrorClass::Transient, "busy")),
            (Fate::Lost | Fate::Dropped, _) => Err(Error::new(ErrorClass::OutcomeUnknown, "lost")),
            (Fate::Rejected, _) => Err(Error::new(ErrorClass::Conflict, "rejected")),
            (Fate::NotShown, Ok(())) | (Fate::Swallowed, _) => {
                Err(Error::new(ErrorClass::OutcomeUnknown, "not shown").with_code(Error::NOT_SHOWN))
            }
            (_, Err(why)) => Ok(Outcome::Refused {
                code: "refused".to_owned(),
                message: why,
            }),
            (Fate::Accepted, Ok(())) => Ok(Outcome::Accepted { id: None }),
            (_, Ok(())) => Ok(Outcome::Done { id: None }),
        };
        if fate == Fate::Late {
            // The lease ran out while the call was under way: it may have happened.
            let row = &mut self.rows[at];
            (row.state, row.outcome_unknown) = (EffectState::Planned, true);
            row.due = self.now;
            let (owner, key) = (row.owner, row.key.clone());
            self.evidence(owner, key)?;
            self.mirror_of(at);
            return Ok(());
        }
        let acknowledgement = after_send(&row.claimed(), &spec(row.op), self.now, answer);
        self.acknowledge(at, acknowledgement)
    }

    /// The process that was to send this note stands still until its lease is over: another sends it, and it does so later.
    fn stall(&mut self, at: usize) {
        let row = &mut self.rows[at];
        (row.state, row.outcome_unknown) = (EffectState::Planned, true);
        row.due = self.now;
        let row = row.clone();
        self.stalled.push(row);
        self.mirror_of(at);
    }

    /// A stalled process goes on: its note arrives now, whatever was shown since, and its answer is evidence.
    ///
    /// # Errors
    /// A violation.
    pub(super) fn send_stalled(&mut self, which: usize) -> Result<(), Violation> {
        let Some(at) = which.checked_rem(self.stalled.len()) else {
            return Ok(());
        };
        let row = self.stalled.remove(at);
        match self.perform(&row, Fate::Late)? {
            Ok(()) => self.evidence(row.owner, row.key),
            // Where there is no order any more nothing is shown.
            Err(_) => Ok(()),
        }
    }

    /// A call whose lease was lost turns out to have been made.
    fn evidence(&mut self, owner: Owner, intent: String) -> Result<(), Violation> {
        let evidence = OutcomeFact {
            intent,
            verdict: Verdict::Evidence,
            id: None,
            code: None,
            message: "done: late".to_owned(),
        };
        let Owner::Order(order) = owner else {
            return Ok(());
        };
        let now = self.now;
        self.orders[order].outcome(&mut self.next, evidence, now, "push")?;
        self.mirror(order);
        Ok(())
    }

    fn acknowledge(&mut self, at: usize, what: AttemptResult) -> Result<(), Violation> {
        let after = |seconds| Duration::from_std(Span::from_secs_f64(seconds)).unwrap_or_default();
        let now = self.now;
        let row = &mut self.rows[at];
        let not_found = matches!(what, AttemptResult::NotFoundYet { .. });
        match what {
            AttemptResult::Finished { outcome } => return self.finish(at, outcome, "push"),
            AttemptResult::RetryLater {
                after: s, attempt, ..
            } => {
                row.state = EffectState::Planned;
                row.attempts = row.attempts.saturating_add(i16::from(attempt));
                row.due = now + after(s);
            }
            AttemptResult::OutcomeUnknown { after: s, look, .. } => {
                row.look |= look;
                (row.state, row.outcome_unknown) = (EffectState::Planned, true);
                row.attempts = row.attempts.saturating_add(1);
                row.due = now + after(s);
            }
            AttemptResult::Wait { after: s } => {
                row.state = EffectState::Planned;
                row.due = now + after(s);
            }
            AttemptResult::NotFoundYet { after: s }
            | AttemptResult::Inconclusive { after: s, .. } => {
                row.state = EffectState::Planned;
                row.lookups = row.lookups.saturating_add(1);
                row.not_found = row.not_found.saturating_add(i16::from(not_found));
                row.due = now + after(s);
            }
            AttemptResult::Unresolved { .. } => {
                row.attempts = row.attempts.saturating_add(1);
                (row.state, row.outcome_unknown) = (EffectState::Unresolved, true);
                self.touched(at);
                return Ok(());
            }
        }
        self.mirror_of(at);
        Ok(())
    }

    /// An operator looks at the external system and says what became of an unknown effect.
    ///
    /// # Errors
    /// A violation.
    pub(super) fn resolve(&mut self, which: u8) -> Result<(), Violation> {
        let waits = |row: &Row| {
            row.state == EffectState::Unresolved
                || (row.state == EffectState::Planned
                    && row.outcome_unknown
                    && row.attempts >= TOLD)
        };
        let waiting = (0..self.rows.len()).filter(|at| waits(&self.rows[*at]));
        match nth(waiting.collect(), which) {
            Some(at) => self.found_out(at),
            None => Ok(()),
        }
    }

    /// As [`Self::resolve`], by its row.
    ///
    /// # Errors
    /// A violation.
    pub(super) fn resolve_row(&mut self, id: i64) -> Result<(), Violation> {
        let unknown = |row: &Row| row.id == id && row.state == EffectState::Unresolved;
        match self.rows.iter().position(unknown) {
            Some(at) => self.found_out(at),
            None => Ok(()),
        }
    }

    fn found_out(&mut self, at: usize) -> Result<(), Violation> {
        let key = self.rows[at].key.clone();
        let verdict = if self.far.happened(&key) {
            Verdict::Done
        } else {
            Verdict::NotDone
        };
        let outcome = OutcomeFact {
            intent: key,
            verdict,
            id: None,
            code: None,
            message: "looked".to_owned(),
        };
        self.finish(at, outcome, "somebody")
    }

    fn finish(&mut self, at: usize, outcome: OutcomeFact, actor: &str) -> Result<(), Violation> {
        let row = self.rows.remove(at);
        let now = self.now;
        match row.owner {
            Owner::Order(order) => {
                self.orders[order].outcome(&mut self.next, outcome, now, actor)?;
                self.mirror(order);
            }
            Owner::Wave(wave) => self.wave_ended(wave, &row, outcome)?,
            Owner::Books(books) => self.books_ended(books, &row, &outcome)?,
        }
        Ok(())
    }

    fn mirror_of(&mut self, at: usize) {
        if let Owner::Order(order) = self.rows[at].owner {
            self.mirror(order);
        }
    }

    /// The row changed in a way that is new input to its order.
    fn touched(&mut self, at: usize) {
        if let Owner::Order(order) = self.rows[at].owner {
            self.orders[order].dirty = true;
            self.mirror(order);
        }
    }
}
