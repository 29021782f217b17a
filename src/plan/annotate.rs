//! Notes of holds: the staff of a channel are shown what holds an order. A note is written when the holds change, and never for
//! what it looks like there: what staff or another program make of it stays until then, so that nothing is written in turns.

use chrono::{DateTime, Duration, Utc};
use hikiate_sdk::{AnnotateCall, Call, HoldWhy, Op, ShownHold};

use super::effects::{Candidate, withdraw};
use super::fold::Intent;
use super::holds::OpenHold;
use super::types::Withdraw;
use super::view::View;
use crate::facts::{HeldFact, HoldRelease, IntentWhat};
use crate::operations::ANNOTATE;

/// One that failed is written again after this long, then after eight times as long each time.
const AGAIN: Duration = Duration::minutes(1);
/// So often in all; then it stays as it is until the holds change.
const TRIES: u32 = 5;

/// What is to be done about the note.
#[derive(Clone, Debug, Default)]
pub(crate) struct Noted {
    pub(crate) candidate: Option<Candidate>,
    pub(crate) withdraw: Option<Withdraw>,
    /// When one that failed is written again.
    pub(crate) next: Option<DateTime<Utc>>,
}

/// The note that is to be written, when the channel does not show it as far as we know. `others` are what else the order wants:
/// it goes first, and takes back what was not sent.
pub(crate) fn annotate(view: &View<'_>, open: &[OpenHold], others: &[Candidate]) -> Noted {
    let mut noted = Noted::default();
    let account = &view.input.channel;
    let made: Vec<&Intent<'_>> = view.fold.of_op(Op::Annotate).collect();
    let queued = made.iter().find(|intent| intent.open());
    let take_back = |why: &str| queued.and_then(|intent| withdraw(intent, why));
    let epoch = view.epoch(ANNOTATE, account);
    let Some(epoch) = epoch.filter(|_| !view.channel.annotate.is_never()) else {
        noted.withdraw = take_back("notes are off");
        return noted;
    };
    if view.absent() {
        noted.withdraw = take_back("the channel does not show the order");
        return noted;
    }
    if others.iter().any(|other| other.account == *account) {
        noted.withdraw = take_back("something else goes first");
        return noted;
    }
    let wanted = shown(view, open, epoch);
    if let Some(intent) = queued {
        if holds_of(intent) == wanted {
            return noted;
        }
        noted.withdraw = take_back("the holds have changed");
        // One that is being sent ends first.
        if noted.withdraw.is_none() {
            return noted;
        }
    }
    if there(&made) == Some(wanted.as_slice()) {
        return noted;
    }
    let (failed, last) = failed(&made, &wanted);
    if let Some(last) = last {
        // Nobody works on it any more: one try has to do.
        if failed >= TRIES || view.dropped() {
            return noted;
        }
        let pause = AGAIN * 8_i32.pow(failed.saturating_sub(1));
        let next = last.checked_add_signed(pause);
        if let Some(next) = next.filter(|next| *next > view.now) {
            noted.next = Some(next);
            return noted;
        }
    }
    noted.candidate = Some(Candidate {
        account: account.clone(),
        op: Op::Annotate,
        what: IntentWhat::Call {
            call: Box::new(Call::Annotate(AnnotateCall {
                order: view.input.external_id.clone(),
                holds: wanted,
            })),
            parcels: Vec::new(),
            decision: String::new(),
        },
    });
    noted
}

/// The holds to be shown; none of an order of which nothing is to be instructed any more. What an operator typed may hold names
/// and is left out, as is what was held before notes were on.
fn shown(view: &View<'_>, open: &[OpenHold], epoch: DateTime<Utc>) -> Vec<ShownHold> {
    if view.dropped() || view.all_under_way() {
        return Vec::new();
    }
    let mut open: Vec<&OpenHold> = open.iter().filter(|hold| hold.since >= epoch).collect();
    open.sort_by(|a, b| (a.since, &a.rule).cmp(&(b.since, &b.rule)));
    open.into_iter().map(show).collect()
}

fn show(hold: &OpenHold) -> ShownHold {
    let why = match hold.release {
        _ if hold.rule == HeldFact::MANUAL => HoldWhy::Operator,
        HoldRelease::Auto if hold.undecided => HoldWhy::Undecided,
        HoldRelease::Auto | HoldRelease::Manual => HoldWhy::Rule,
    };
    ShownHold {
        rule: hold.rule.clone(),
        why,
    }
}

fn holds_of<'i>(intent: &Intent<'i>) -> &'i [ShownHold] {
    match intent.call() {
        Some(Call::Annotate(call)) => &call.holds,
        _ => &[],
    }
}

/// What we have made the channel show; `None` where a try was not answered, or answered so late that it may have come after the last
/// one that was taken. That one may have come at any moment since it was planned.
fn there<'i>(made: &[&Intent<'i>]) -> Option<&'i [ShownHold]> {
    let mut there: Option<&[ShownHold]> = Some(&[]);
    let mut last = 0;
    for intent in made {
        if intent.taken() {
            there = Some(holds_of(intent));
            last = intent.id;
        } else if intent.unanswered() {
            there = None;
        }
    }
    let late = made
        .iter()
        .any(|intent| intent.id != last && intent.late > Some(last));
    there.filter(|_| !late)
}

/// How often in a row these holds could not be shown, and when the last try was planned.
fn failed(made: &[&Intent<'_>], wanted: &[ShownHold]) -> (u32, Option<DateTime<Utc>>) {
    let sent = made.iter().rev().filter(|intent| !intent.withdrawn());
    let alike = sent.take_while(|intent| !intent.taken() && holds_of(intent) == wanted);
    let alike: Vec<_> = alike.filter(|intent| !intent.open()).collect();
    let last = alike.first().map(|intent| intent.recorded_at);
    (u32::try_from(alike.len()).unwrap_or(TRIES), last)
}
