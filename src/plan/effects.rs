//! Effects: candidates, one per account, under keys that nothing else will ever have.

use std::collections::BTreeSet;

use hikiate_sdk::{AccountSlug, Call, Op};

use super::fold::Intent;
use super::number::business_key;
use super::types::{EffectState, NewEffect, Withdraw};
use super::view::View;
use crate::facts::{IntentFact, IntentWhat, OutcomeFact, Verdict};
use crate::operations::{Lane, automation_of, of};

/// An effect that ought to be, if its account is free.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) account: AccountSlug,
    pub(crate) op: Op,
    /// Made with its business key and n.
    pub(crate) what: IntentWhat,
}

/// Effects of one kind: what ought to be queued, what is to be taken back, and whether more is expected.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) withdraw: Vec<Withdraw>,
    pub(crate) pending: bool,
}

/// Takes an unsent effect back.
pub(crate) fn withdraw(intent: &Intent<'_>, why: &str) -> Option<Withdraw> {
    let row = intent.unsent()?;
    Some(Withdraw {
        effect_id: row.id,
        outcome: OutcomeFact {
            intent: intent.key.to_owned(),
            verdict: Verdict::Withdrawn,
            id: None,
            code: None,
            message: why.to_owned(),
        },
    })
}

/// The n of an operation's next intent on an account.
pub(crate) fn next_n(view: &View<'_>, op: Op, account: &AccountSlug) -> u32 {
    let mine = view
        .fold
        .of_op(op)
        .filter(|intent| intent.fact.account == *account);
    mine.map(|intent| intent.fact.n)
        .max()
        .unwrap_or(0)
        .saturating_add(1)
}

/// Chooses at most one effect per account: cancels, then notices, then captures, then mails. What a paused rule
/// would do waits and keeps nothing else from its account.
pub(crate) fn choose(
    view: &View<'_>,
    candidates: Vec<Candidate>,
    withdrawn: &[Withdraw],
) -> (Vec<NewEffect>, BTreeSet<(String, AccountSlug)>) {
    let mut candidates = candidates;
    candidates.sort_by_key(|candidate| of(candidate.op).turn);
    let mut busy: BTreeSet<AccountSlug> = view
        .input
        .queue
        .iter()
        .filter(|row| row.state != EffectState::Unresolved)
        .filter(|row| !withdrawn.iter().any(|gone| gone.effect_id == row.id))
        .map(|row| row.account.clone())
        .collect();
    let (mut effects, mut waits) = (Vec::new(), BTreeSet::new());
    for candidate in candidates {
        let paused = !view.input.paused.is_empty();
        if let Some(rule) = automation_of(candidate.op, &candidate.what).filter(|_| paused) {
            let rule = (rule.into_owned(), candidate.account.clone());
            if view.input.paused.contains(&rule) {
                waits.insert(rule);
                continue;
            }
        }
        let operation = of(candidate.op);
        let unknown = view.input.queue.iter().any(|row| {
            row.state == EffectState::Unresolved
                && (row.account == candidate.account || operation.blocked_everywhere)
                && operation.blocked_by.contains(&row.op)
        });
        if unknown || !busy.insert(candidate.account.clone()) {
            continue;
        }
        effects.push(effect(view, candidate));
    }
    (effects, waits)
}

fn effect(view: &View<'_>, candidate: Candidate) -> NewEffect {
    let Candidate {
        account,
        op,
        mut what,
    } = candidate;
    let n = next_n(view, op, &account);
    let key = business_key(
        op,
        &account,
        &view.input.channel,
        &view.input.external_id,
        n,
    );
    if let IntentWhat::Call { call, .. } = &mut what {
        match call.as_mut() {
            Call::Capture(capture) => capture.key.clone_from(&key),
            Call::CancelInstruction(cancel) => cancel.key.clone_from(&key),
            Call::Refund(refund) => refund.key.clone_from(&key),
            Call::Void(void) => void.key.clone_from(&key),
            Call::RecordRefund(record) => record.key.clone_from(&key),
            _ => {}
        }
    }
    NewEffect {
        key,
        lane: Lane::of(op),
        intent: IntentFact {
            op,
            account,
            n,
            what,
        },
    }
}
