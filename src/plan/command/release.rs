//! `order release`: what may be let go.

use std::collections::BTreeSet;

use super::super::ended::ENDED;
use super::{Now, Planned};
use crate::action::Action;

/// The rules that a release names: all open holds, or the one hold or gate that was asked for.
///
/// # Errors
/// Why there is nothing to release, or that what is released could not be shipped.
pub fn release(on: Now<'_>, rule: Option<&str>) -> Result<Vec<String>, String> {
    let planned = on.planned()?;
    let purged = planned.view.as_ref().is_some_and(|view| view.purged());
    if purged && rule.is_some_and(ships_again) {
        return Err(format!(
            "the personal data of order {0} was purged: it can no longer be shipped, so this is not released; `hikiate order end {0}` or `hikiate order cancel {0}` settles it where it is not ended yet",
            on.input.number
        ));
    }
    let named = named(on, &planned);
    let rules: Vec<String> = match rule {
        None => planned.holds.open.iter().map(|h| h.rule.clone()).collect(),
        Some(rule) => named.get(rule).cloned().into_iter().collect(),
    };
    if rules.is_empty() {
        let what = rule.map_or("hold".to_owned(), |rule| format!("hold named {rule:?}"));
        let kept = kept_by(on, &planned);
        return Err(nothing(on, &what, &named) + &kept);
    }
    Ok(rules)
}

/// Once it is let go, the order is instructed anew and nothing else.
fn ships_again(rule: &str) -> bool {
    rule == ENDED || rule.starts_with("rejected:")
}

/// Its open holds, the gates that its tasks name, its end, and refunds and voids that may be given up.
fn named(on: Now<'_>, planned: &Planned<'_>) -> BTreeSet<String> {
    let holds = planned.holds.open.iter().map(|hold| hold.rule.clone());
    let actions = planned.plan.tasks.iter().flat_map(|task| &task.actions);
    let gates = actions.filter_map(|action| match action {
        Action::Release { rule } => rule.clone(),
        _ => None,
    });
    // Many changes at once are one task of the account, and each shipment may still be let go.
    let many = on.input.many_changes.iter();
    let many = many.map(|of| format!("changed:{of}"));
    let view = planned.view.as_ref().filter(|view| !view.purged());
    let ended = view.and_then(|view| view.ended());
    let ended = ended.map(|_| ENDED.to_owned());
    let given_up = planned.view.as_ref().map(|view| view.may_give_up());
    holds
        .chain(gates)
        .chain(many)
        .chain(ended)
        .chain(given_up.into_iter().flatten())
        .collect()
}

/// What keeps the order although there is nothing of that to release, and what to do about it.
fn kept_by(on: Now<'_>, planned: &Planned<'_>) -> String {
    let word = planned.plan.blocked_by.as_deref();
    let Some(word) = word.filter(|word| !word.starts_with("hold:")) else {
        return String::new();
    };
    let check = word.strip_prefix("check:");
    let task = check.and_then(|kind| planned.plan.tasks.iter().find(|task| task.kind == kind));
    match task {
        Some(task) => format!(
            "; {word} blocks it, which no release lifts. {}",
            task.detail
        ),
        None => format!(
            "; {word} blocks it: hikiate order explain {} says what it waits for",
            on.input.number
        ),
    }
}

fn nothing(on: Now<'_>, what: &str, named: &BTreeSet<String>) -> String {
    let named: Vec<&str> = named.iter().map(String::as_str).collect();
    let named = match named.as_slice() {
        [] => "there is nothing to release".to_owned(),
        named => format!("--rule can be: {}", named.join(", ")),
    };
    format!("order {} has no open {what} ({named})", on.input.number)
}
