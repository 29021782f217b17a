//! An effect that was planned, and what became of it.

use chrono::{DateTime, Utc};
use hikiate_sdk::Call;

use super::types::{EffectState, QueuedEffect};
use crate::facts::{IntentFact, IntentWhat, OutcomeFact, Verdict};

/// How far a call of money has come that is in doubt, for an operator.
pub(crate) const IN_DOUBT: &str = "outcome unknown: it may have been made";

/// An intent with what became of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Intent<'a> {
    pub(crate) id: i64,
    pub(crate) key: &'a str,
    pub(crate) recorded_at: DateTime<Utc>,
    pub(crate) fact: &'a IntentFact,
    /// The last outcome that decides, with its fact's id.
    pub(crate) outcome: Option<(i64, &'a OutcomeFact)>,
    pub(crate) row: Option<&'a QueuedEffect>,
    /// The last answer that came after its lease was lost, by its fact's id: the call may have taken effect as late as then.
    pub(crate) late: Option<i64>,
    /// It is a part of a batch that was refused or given up.
    pub(crate) batch_over: bool,
}

impl<'a> Intent<'a> {
    fn verdict(&self) -> Option<Verdict> {
        self.outcome.map(|(_, outcome)| outcome.verdict)
    }

    /// Nothing happened and nothing will.
    pub(crate) fn void(&self) -> bool {
        matches!(
            self.verdict(),
            Some(Verdict::Refused | Verdict::Withdrawn | Verdict::NotDone)
        )
    }

    /// Not ended yet.
    pub(crate) fn open(&self) -> bool {
        self.outcome.is_none() && !self.batch_over
    }

    /// It may have taken effect, and nobody knows yet.
    pub(crate) fn in_doubt(&self) -> bool {
        self.open()
            && self
                .row
                .is_some_and(|row| row.outcome_unknown || row.state == EffectState::Unresolved)
    }

    /// Done for good.
    pub(crate) fn done(&self) -> bool {
        self.verdict() == Some(Verdict::Done)
    }

    /// It was sent and not answered, which is its end.
    pub(crate) fn unanswered(&self) -> bool {
        self.verdict() == Some(Verdict::Unknown)
    }

    /// Taken back before it was sent.
    pub(crate) fn withdrawn(&self) -> bool {
        self.verdict() == Some(Verdict::Withdrawn)
    }

    /// The external system took it.
    pub(crate) fn taken(&self) -> bool {
        matches!(self.verdict(), Some(Verdict::Done | Verdict::Accepted))
    }

    /// The refusal, when that is how it ended.
    pub(crate) fn refusal(&self) -> Option<(i64, &'a OutcomeFact)> {
        self.outcome
            .filter(|(_, outcome)| outcome.verdict == Verdict::Refused)
    }

    /// What became of it, for an operator.
    pub(crate) fn word(&self) -> &'static str {
        match (self.verdict(), self.row.map(|row| row.state)) {
            (Some(Verdict::Done), _) => "done",
            (Some(Verdict::Accepted), _) => "accepted",
            (Some(Verdict::Refused), _) => "rejected",
            (Some(Verdict::Withdrawn), _) => "withdrawn",
            (Some(Verdict::NotDone), _) => "not done",
            (Some(Verdict::Unknown), _) => "not answered",
            (_, Some(EffectState::Unresolved)) => "unknown",
            (None, _) if self.batch_over => "rejected or abandoned with its batch",
            (_, _) => "in progress",
        }
    }

    /// A row that has certainly not been sent.
    pub(crate) fn unsent(&self) -> Option<&'a QueuedEffect> {
        self.row.filter(|row| {
            matches!(row.state, EffectState::Planned | EffectState::Leased) && !row.outcome_unknown
        })
    }

    /// The call, for what is ready as it stands.
    pub(crate) fn call(&self) -> Option<&'a Call> {
        match &self.fact.what {
            IntentWhat::Call { call, .. } => Some(call),
            _ => None,
        }
    }

    /// Key of the operator's decision that it carries out; empty for none.
    pub(crate) fn decision(&self) -> &'a str {
        match &self.fact.what {
            IntentWhat::Call { decision, .. } => decision,
            _ => "",
        }
    }

    /// Keys of the parcels it tells.
    pub(crate) fn parcels(&self) -> &'a [String] {
        match &self.fact.what {
            IntentWhat::Call { parcels, .. } => parcels,
            _ => &[],
        }
    }
}
