//! Holds (保留): what rules and persons decided, and what rules decide now.

use chrono::{DateTime, Utc};

use super::context::{context_hash, is_hash_of};
use super::fold::{Fold, ReleasedAt};
use super::types::NewFact;
use super::view::View;
use crate::facts::{FactBody, HeldFact, HoldRelease, ReleasedFact};
use crate::policy::Release;
use crate::rules::{HoldRules, RuleContext, RuleVerdict};

/// How the reason of a hold begins whose rule could not be decided.
const UNDECIDED: &str = "could not be decided";

/// A hold that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OpenHold {
    pub(crate) rule: String,
    pub(crate) reason: String,
    pub(crate) since: DateTime<Utc>,
    pub(crate) release: HoldRelease,
    /// The rule could not be decided.
    pub(crate) undecided: bool,
}

/// A rule that would hold the order, had an operator not let go of it on these very facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExcusedHold {
    pub(crate) rule: String,
    pub(crate) by: String,
    pub(crate) at: DateTime<Utc>,
    pub(crate) reason: String,
}

/// Open holds after this plan, and the decisions that make them so.
#[derive(Clone, Debug, Default)]
pub(crate) struct Holds {
    pub(crate) open: Vec<OpenHold>,
    pub(crate) excused: Vec<ExcusedHold>,
    pub(crate) decisions: Vec<NewFact>,
}

/// Holds that stand by the facts alone: the last one of each rule that nothing let go.
pub(crate) fn open_holds(fold: &Fold<'_>) -> Vec<OpenHold> {
    let mut open: Vec<OpenHold> = Vec::new();
    for held in &fold.held {
        open.retain(|hold| hold.rule != held.fact.rule);
        if !fold.released.iter().any(|released| released.lets_go(held)) {
            open.push(OpenHold {
                rule: held.fact.rule.clone(),
                reason: held.fact.reason.clone(),
                since: held.at,
                release: held.fact.release,
                undecided: held.fact.reason.starts_with(UNDECIDED),
            });
        }
    }
    open
}

/// Holds now.
pub(crate) fn holds(view: &View<'_>, rules: &dyn HoldRules) -> Holds {
    let mut holds = Holds {
        open: open_holds(&view.fold),
        ..Holds::default()
    };
    let settled = view.all_under_way() || view.dropped();
    let waits_for_rule = holds
        .open
        .iter()
        .any(|hold| hold.release == HoldRelease::Auto);
    if view.purged() || (settled && !waits_for_rule) {
        return holds;
    }
    let context = view.rule_context();
    let hash = context_hash(&context);
    let verdicts = rules.evaluate(&context);
    for verdict in &verdicts {
        if let Some(held) = wanted_hold(verdict, &holds.open)
            && !settled
        {
            if let Some(released) = excused(&view.fold, &verdict.rule, &context) {
                holds.excused.push(ExcusedHold {
                    rule: held.rule,
                    by: released.by.to_owned(),
                    at: released.at,
                    reason: released.fact.reason.clone(),
                });
                continue;
            }
            let key = view.fold.unused_key(&format!("held:{}", verdict.rule));
            let fact = HeldFact {
                context: hash.clone(),
                ..held
            };
            holds.open.retain(|hold| hold.rule != fact.rule);
            holds.open.push(OpenHold {
                rule: fact.rule.clone(),
                reason: fact.reason.clone(),
                since: view.now,
                release: fact.release,
                undecided: fact.reason.starts_with(UNDECIDED),
            });
            holds.decisions.push(NewFact {
                key,
                body: FactBody::Held(fact),
            });
        }
    }
    let (gone, open): (Vec<_>, Vec<_>) = holds.open.into_iter().partition(|hold| {
        hold.release == HoldRelease::Auto
            && verdicts
                .iter()
                .find(|verdict| verdict.rule == hold.rule)
                .is_none_or(|verdict| verdict.holds == Ok(false))
    });
    holds.open = open;
    for hold in gone {
        let key = view.fold.unused_key(&format!("released:{}", hold.rule));
        let body = FactBody::Released(ReleasedFact {
            rules: vec![hold.rule],
            reason: "the rule is no longer true".to_owned(),
            context: hash.clone(),
        });
        holds.decisions.push(NewFact { key, body });
    }
    holds
}

/// The hold a verdict asks for, when none like it is open.
fn wanted_hold(verdict: &RuleVerdict, open: &[OpenHold]) -> Option<HeldFact> {
    let (reason, release) = match (&verdict.holds, verdict.release) {
        (Ok(false), _) => return None,
        (Ok(true), Release::Manual) => ("the rule is true".to_owned(), HoldRelease::Manual),
        (Ok(true), Release::Auto) => ("the rule is true".to_owned(), HoldRelease::Auto),
        // Not decided is not true: it lets go by itself once it is decided to be false.
        (Err(why), _) => (format!("{UNDECIDED}: {why}"), HoldRelease::Auto),
    };
    let standing = open.iter().find(|hold| hold.rule == verdict.rule);
    let enough = standing
        .is_some_and(|hold| hold.release == HoldRelease::Manual || release == HoldRelease::Auto);
    if enough {
        return None;
    }
    Some(HeldFact {
        rule: verdict.rule.clone(),
        reason,
        context: String::new(),
        release,
    })
}

/// The last release by which an operator has let go of the rule on these very facts.
fn excused<'f, 'a>(
    fold: &'f Fold<'a>,
    rule: &str,
    context: &RuleContext,
) -> Option<&'f ReleasedAt<'a>> {
    fold.released.iter().rev().find(|released| {
        let mut held = fold.held.iter().filter(|held| held.fact.rule == rule);
        released.by_person
            && (released.fact.names(rule) || held.any(|held| released.lets_go(held)))
            && is_hash_of(&released.fact.context, context)
    })
}
