//! A shipment as it stands by its facts.

use chrono::{DateTime, Utc};
use hikiate_sdk::{CancelReply, CancelVerdict, InstructionReply, LineKey, ReplyVerdict};

use super::fold::Intent;
pub(crate) use super::parcels::Parcel;
use super::parcels::{Merged, contents};
use super::types::ShipmentStage;
use crate::facts::{
    IntentWhat, MemberFact, MemberState, RecallWantedFact, ShipmentFact, ShipmentLine, Verdict,
};

/// A shipment with what was heard of it.
#[derive(Clone, Debug)]
pub(crate) struct Shipment<'a> {
    pub(crate) decided_at: DateTime<Utc>,
    pub(crate) fact: &'a ShipmentFact,
    /// The decision that it is not to leave.
    pub(crate) withdrawn: Option<i64>,
    /// What was told of its batch, in order.
    pub(crate) heard: Vec<(i64, &'a MemberFact)>,
    pub(crate) stored: Option<ShipmentStage>,
    pub(crate) member: Option<Intent<'a>>,
    pub(crate) reply: Option<(i64, &'a InstructionReply)>,
    pub(crate) cancel_reply: Option<(i64, &'a CancelReply)>,
    /// A request to stop it was done for good, without a reply to wait for.
    pub(crate) stopped_at_once: bool,
    pub(crate) parcels: Vec<Parcel<'a>>,
    /// Parcels that are told ahead: their time has not come.
    pub(crate) ahead: Vec<Parcel<'a>>,
    /// Parcels of which no row is believed.
    pub(crate) misread: Vec<Parcel<'a>>,
    /// Some of their rows, or of rows beside believed ones, still ask an operator.
    pub(crate) misread_open: bool,
    /// Reports that turned out to be of one of the parcels.
    pub(crate) merged: Vec<Merged<'a>>,
    /// An operator asked for it back.
    pub(crate) recall: Option<(i64, &'a RecallWantedFact)>,
    /// The rest is not waited for: an operator said that it will not come, or the order wants none of it.
    pub(crate) closed_short: bool,
    /// We asked for it to be stopped because the order had changed.
    pub(crate) recalled: bool,
    /// The group's earliest day when it was decided.
    pub(crate) earliest_then: Option<DateTime<Utc>>,
}

/// A warehouse's word against its own report.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TakenBack<'a> {
    /// The fact.
    pub(crate) id: i64,
    /// What it says, of the shipment.
    pub(crate) said: &'static str,
    /// The warehouse's own words.
    pub(crate) words: &'a str,
}

impl<'a> Shipment<'a> {
    /// Its warehouse has told of a parcel, whatever became of that. Rows that nobody can believe say nothing once an operator has left
    /// them at that.
    pub(crate) fn told_of_parcels(&self) -> bool {
        !(self.parcels.is_empty() && self.ahead.is_empty()) || self.misread_open
    }

    /// All that its warehouse told of it is rows that nobody can believe, and an operator has left each of them at that.
    pub(crate) fn left_at_that(&self) -> bool {
        let told = self.told_of_parcels() || !self.merged.is_empty();
        let answered = self.reply.is_some() || self.cancel_reply.is_some();
        !self.misread.is_empty() && !told && !answered
    }

    /// All that was told of parcels of it.
    pub(crate) fn all_parcels(&self) -> impl Iterator<Item = &Parcel<'a>> {
        self.parcels.iter().chain(&self.ahead).chain(&self.misread)
    }

    /// Items of one of its lines that have left.
    pub(crate) fn left(&self, n: u32) -> u32 {
        self.parcels
            .iter()
            .fold(0, |sum, parcel| sum.saturating_add(parcel.items(n)))
    }

    /// Its lines for a line of the channel.
    pub(crate) fn lines_of<'s>(
        &'s self,
        line: &LineKey,
    ) -> impl Iterator<Item = &'a ShipmentLine> + use<'a, 's> {
        let line = line.clone();
        self.fact
            .lines
            .iter()
            .filter(move |shipped| shipped.line == line)
    }

    /// The warehouse's code that its instruction named for a line.
    pub(crate) fn code_of(&self, n: u32) -> Option<&'a str> {
        match &self.member?.fact.what {
            IntentWhat::Member { codes, .. } => {
                let named = codes.iter().find(|(line, _)| *line == n)?;
                Some(&named.1)
            }
            _ => None,
        }
    }

    /// Items of a channel's line that it was sent with.
    pub(crate) fn quantity_of(&self, line: &LineKey) -> u32 {
        self.lines_of(line)
            .fold(0, |sum, row| sum.saturating_add(row.quantity))
    }

    /// Items of a channel's line that left in it.
    pub(crate) fn shipped_of(&self, line: &LineKey) -> u32 {
        self.lines_of(line)
            .fold(0, |sum, shipped| sum.saturating_add(self.left(shipped.n)))
    }

    /// Items of a channel's line that are still to leave in it.
    pub(crate) fn remaining_qty(&self, line: &LineKey) -> u32 {
        if !self.live() {
            return 0;
        }
        self.lines_of(line).fold(0, |sum, shipped| {
            sum.saturating_add(shipped.quantity.saturating_sub(self.left(shipped.n)))
        })
    }

    /// Where it stands.
    pub(crate) fn stage(&self) -> ShipmentStage {
        let lines = &self.fact.lines;
        let complete = lines.iter().all(|line| self.left(line.n) >= line.quantity);
        let verdict = self
            .member
            .and_then(|member| member.outcome)
            .map(|(_, o)| o.verdict);
        let nothing_left = !self.told_of_parcels();
        if (complete && !self.parcels.is_empty()) || self.closed_short {
            ShipmentStage::Shipped
        } else if self.taken_out() || self.stopped() {
            ShipmentStage::Cancelled
        } else if self.abandoned().is_some()
            || (self.rejected() && self.holds_nothing())
            || (nothing_left && verdict == Some(Verdict::Refused))
        {
            ShipmentStage::Rejected
        } else if nothing_left
            && matches!(verdict, Some(Verdict::NotDone | Verdict::Withdrawn))
            && self.reply.is_none()
        {
            ShipmentStage::Cancelled
        } else if self.member.is_some() || self.reply.is_some() || !nothing_left {
            ShipmentStage::Instructed
        } else {
            self.stored.unwrap_or(ShipmentStage::Waiting)
        }
    }

    /// Its goods are still to leave.
    pub(crate) fn live(&self) -> bool {
        matches!(
            self.stage(),
            ShipmentStage::Waiting | ShipmentStage::Instructed
        )
    }

    /// Items of a channel's line that stood in it, sealed and neither stopped nor refused, when a fact was stored, and
    /// those that it shipped.
    pub(crate) fn spoken_at(&self, line: &LineKey, fact: i64) -> u32 {
        let before = |id: i64| id < fact;
        let sealed = self.member.is_some_and(|member| before(member.id));
        let refused = self
            .reply
            .is_some_and(|(id, reply)| before(id) && reply.verdict == ReplyVerdict::Rejected);
        let stopped = self
            .cancel_reply
            .is_some_and(|(id, reply)| before(id) && reply.verdict == CancelVerdict::Accepted);
        let rows = self.lines_of(line);
        rows.fold(0_u32, |sum, row| {
            let left = self.left(row.n);
            let stood = if sealed && !refused && !stopped {
                row.quantity.max(left)
            } else {
                left
            };
            sum.saturating_add(stood)
        })
    }

    /// In a sealed batch or shipped from one; neither stopped nor refused.
    pub(crate) fn stage_is_sealed(&self) -> bool {
        matches!(
            self.stage(),
            ShipmentStage::Instructed | ShipmentStage::Shipped
        )
    }

    /// Not in a sealed batch.
    pub(crate) fn waiting(&self) -> bool {
        self.stage() == ShipmentStage::Waiting
    }

    /// In a sealed batch, its goods still to leave.
    pub(crate) fn instructed(&self) -> bool {
        self.stage() == ShipmentStage::Instructed
    }

    /// The warehouse stopped it.
    pub(crate) fn stopped(&self) -> bool {
        match self.cancel_reply {
            Some((_, reply)) => reply.verdict == CancelVerdict::Accepted,
            None => self.stopped_at_once,
        }
    }

    /// The warehouse said it will leave or has left.
    pub(crate) fn not_stopped(&self) -> Option<(i64, &'a CancelReply)> {
        self.cancel_reply
            .filter(|(_, reply)| reply.verdict != CancelVerdict::Accepted)
    }

    /// It was withdrawn before it stood in a sealed batch, or while that batch was known to be refused.
    fn taken_out(&self) -> bool {
        let Some(withdrawn) = self.withdrawn else {
            return false;
        };
        let before = self.heard.iter().rev().find(|(id, _)| *id < withdrawn);
        let refused = before.is_some_and(|(_, m)| matches!(m.state, MemberState::Refused { .. }));
        let sent_again =
            |(id, m): &(i64, &MemberFact)| *id > withdrawn && m.state == MemberState::SentAgain;
        self.member.is_none() || (refused && self.unheard() && !self.heard.iter().any(sent_again))
    }

    /// The warehouse has told nothing that says it has it.
    fn unheard(&self) -> bool {
        !self.told_of_parcels()
            && self
                .reply
                .is_none_or(|(_, reply)| reply.verdict == ReplyVerdict::Rejected)
    }

    /// Its batch was refused as a whole and may be sent again: the warehouse does not have it.
    pub(crate) fn batch_rejected(&self) -> Option<&'a str> {
        let (id, last) = self.heard.last()?;
        let taken = self.member.is_some_and(|member| {
            member.taken() && member.outcome.is_some_and(|(outcome, _)| outcome > *id)
        });
        match &last.state {
            MemberState::Refused { message } if self.instructed() && self.unheard() && !taken => {
                Some(message)
            }
            _ => None,
        }
    }

    /// The fact that gave its batch up, and why, while the warehouse tells nothing else.
    pub(crate) fn abandoned(&self) -> Option<(i64, &'a str)> {
        self.given_up().filter(|_| self.unheard())
    }

    /// The fact that gave its batch up, and why, whatever the warehouse told since.
    pub(crate) fn given_up(&self) -> Option<(i64, &'a str)> {
        self.heard
            .iter()
            .rev()
            .find_map(|(id, member)| match &member.state {
                MemberState::Abandoned { reason } => Some((*id, reason.as_str())),
                _ => None,
            })
    }

    /// The warehouse's last reply is that it will not ship it, whatever it reported besides.
    pub(crate) fn rejected(&self) -> bool {
        self.reply
            .is_some_and(|(_, reply)| reply.verdict == ReplyVerdict::Rejected)
    }

    /// Whatever its warehouse told of parcels came to nothing: what nobody can believe does when an operator leaves it at that.
    fn holds_nothing(&self) -> bool {
        !self.misread_open && self.shipped_by().is_none()
    }

    /// The last fact about parcels of it that hold something.
    fn shipped_by(&self) -> Option<i64> {
        let parcels = self.parcels.iter().chain(&self.ahead);
        let filled = parcels.filter(|parcel| !contents(parcel).is_empty());
        filled.map(|parcel| parcel.last_id).max()
    }

    /// What its warehouse said after it had reported it as shipped: that it will not ship it, or that it stopped all of it.
    pub(crate) fn taken_back(&self) -> Option<TakenBack<'a>> {
        let shipped = self.shipped_by()?;
        let rejected = self
            .reply
            .filter(|_| self.rejected())
            .map(|(id, reply)| TakenBack {
                id,
                said: "will not ship it",
                words: &reply.message,
            });
        // What is stopped of a part is the rest.
        let stopped = self
            .cancel_reply
            .filter(|_| self.stopped() && self.stage() == ShipmentStage::Shipped)
            .map(|(id, reply)| TakenBack {
                id,
                said: "has stopped it",
                words: &reply.message,
            });
        let said = rejected.into_iter().chain(stopped);
        said.filter(|said| said.id > shipped)
            .max_by_key(|said| said.id)
    }

    /// The fact that ended it without goods leaving, and the words: refused, or stopped without being asked.
    pub(crate) fn refusal(&self) -> Option<(i64, &'a str)> {
        match self.stage() {
            ShipmentStage::Rejected if self.abandoned().is_some() => None,
            ShipmentStage::Rejected => match self.reply {
                Some((id, reply)) if self.rejected() => Some((id, reply.message.as_str())),
                _ => self
                    .member
                    .and_then(|member| member.refusal())
                    .map(|(id, outcome)| (id, outcome.message.as_str())),
            },
            ShipmentStage::Cancelled
                if self.withdrawn.is_none()
                    && self.stopped()
                    && !self.recalled
                    && self.recall.is_none() =>
            {
                self.cancel_reply
                    .map(|(id, reply)| (id, reply.message.as_str()))
            }
            _ => None,
        }
    }

    /// What became of the instruction is known.
    pub(crate) fn instruct_known(&self) -> bool {
        self.reply.is_some()
            || self.told_of_parcels()
            || self.cancel_reply.is_some()
            || self.member.is_some_and(|member| !member.open())
    }

    /// The warehouse has said that it takes it.
    pub(crate) fn accepted(&self) -> bool {
        self.reply
            .is_some_and(|(_, reply)| reply.verdict == ReplyVerdict::Accepted)
    }

    /// The warehouse has taken it.
    pub(crate) fn taken(&self) -> bool {
        self.told_of_parcels()
            || self.accepted()
            || self.member.is_some_and(|member| member.taken())
    }
}
