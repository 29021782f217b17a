//! The cards as a section of the document for people who write connectors.

use std::fmt::Write as _;

use hikiate_sdk::conformance::{Card, Verdict};
use hikiate_sdk::{First, OperationSpec, RetryPolicy, Then};

use super::run::Dealt;

const BEGIN: &str = "<!-- cards: written by `make cards`, do not edit -->";
const END: &str = "<!-- end of the cards -->";

/// The document with the section between its marks replaced; `None` when it has no marks.
#[must_use]
pub fn replace(document: &str, section: &str) -> Option<String> {
    let (head, rest) = document.split_once(BEGIN)?;
    let (_, tail) = rest.split_once(END)?;
    Some(format!("{head}{BEGIN}\n\n{section}\n{END}{tail}"))
}

/// All cards: what each connector offers, and one table of what was seen to hold.
#[must_use]
pub fn section(dealt: &[Dealt]) -> String {
    let mut text = String::new();
    for kind in dealt {
        let _ = writeln!(text, "### {}\n\n{}.\n", kind.name, kind.title);
        // Subjects of one kind that offer the same are told once.
        let mut last = String::new();
        for card in &kind.cards {
            let offers = offers(card);
            let passed = card.counts().0;
            let _ = writeln!(text, "**{}**: {passed} cases passed.\n", card.name);
            if offers != last {
                text.push_str(&offers);
            }
            last = offers;
        }
    }
    let cards: Vec<&Card> = dealt.iter().flat_map(|kind| &kind.cards).collect();
    text.push_str(&table(&cards));
    text.push_str(&reasons(&cards));
    text
}

fn offers(card: &Card) -> String {
    let mut text = String::new();
    if !card.streams.is_empty() {
        text.push_str("| stream | reports | fetched every |\n|---|---|---|\n");
        for stream in &card.streams {
            let kind = format!("{:?}", stream.kind).to_lowercase();
            let _ = writeln!(
                text,
                "| `{}` | {kind} | {:?} |",
                stream.name, stream.interval
            );
        }
        text.push('\n');
    }
    if !card.operations.is_empty() {
        text.push_str(
            "| operation | what it does | after a lost reply | accepted |\n|---|---|---|---|\n",
        );
        for spec in &card.operations {
            let (lost, end) = declared(spec);
            let _ = writeln!(
                text,
                "| `{}` | {} | {lost} | {end} |",
                spec.op, spec.summary
            );
        }
        text.push('\n');
    }
    if !card.hooks.is_empty() {
        text.push_str("| hook | to register | bytes at most |\n|---|---|---|\n");
        for hook in &card.hooks {
            let _ = writeln!(
                text,
                "| `{}` | {} | {} |",
                hook.name, hook.register, hook.body_limit
            );
        }
        text.push('\n');
    }
    text
}

fn declared(spec: &OperationSpec) -> (String, &'static str) {
    let lost = match spec.retry {
        RetryPolicy::IdempotencyKey {
            ttl,
            after_expiry: then,
        } => {
            let then = match then {
                Then::LookUp => "looked up",
                Then::Manual => "an operator",
            };
            match ttl {
                None => {
                    "the same bytes again: the external system honours hikiate's key".to_owned()
                }
                Some(t) => format!("the same bytes again for {t:?}, then {then}"),
            }
        }
        RetryPolicy::LookUp { settle, first } => {
            let first = match first {
                First::Ask => "; before the first send too",
                First::Send => "",
            };
            format!("looked up, not before {settle:?}{first}")
        }
        RetryPolicy::Manual => "never again: an operator checks (`Manual`)".to_owned(),
        RetryPolicy::Repeat => "done again later, without a task".to_owned(),
    };
    let end = if spec.completes_on_accept {
        "is done"
    } else {
        "is reported later"
    };
    (lost, end)
}

/// Cases in the order they run, over all cards.
fn cases(cards: &[&Card]) -> Vec<String> {
    let mut cases: Vec<String> = Vec::new();
    for card in cards {
        for (check, _) in &card.checks {
            let case = split(check).0.to_owned();
            if !cases.contains(&case) {
                cases.push(case);
            }
        }
    }
    cases
}

/// `lost reply/ship` is a case and what it was tried on.
fn split(check: &str) -> (&str, Option<&str>) {
    check
        .split_once('/')
        .map_or((check, None), |(case, on)| (case, Some(on)))
}

fn verdicts<'a>(card: &'a Card, case: &str) -> Vec<(Option<&'a str>, &'a Verdict)> {
    let of = card.checks.iter().map(|(check, v)| (split(check), v));
    of.filter(|((name, _), _)| *name == case)
        .map(|((_, on), v)| (on, v))
        .collect()
}

fn table(cards: &[&Card]) -> String {
    let mut text = "### What was tested\n\n`yes` for every stream or operation of the account, `n/a` for none (reasons below), `–` where it offers nothing of the kind.\n\n| case |".to_owned();
    for card in cards {
        let _ = write!(text, " {} |", card.name);
    }
    let _ = writeln!(text, "\n|---|{}", "---|".repeat(cards.len()));
    for case in cases(cards) {
        let _ = write!(text, "| {case} |");
        for card in cards {
            let _ = write!(text, " {} |", cell(&verdicts(card, &case)));
        }
        text.push('\n');
    }
    text.push('\n');
    text
}

fn cell(verdicts: &[(Option<&str>, &Verdict)]) -> String {
    let on = |want: fn(&Verdict) -> bool| -> Vec<&str> {
        let of = verdicts.iter().filter(|(_, v)| want(v));
        of.map(|(on, _)| on.unwrap_or("account")).collect()
    };
    let failed = on(|v| matches!(v, Verdict::Failed(_)));
    let waived = on(|v| matches!(v, Verdict::Waived(_)));
    if !failed.is_empty() {
        format!("**fails**: {}", failed.join(", "))
    } else if verdicts.is_empty() {
        "–".to_owned()
    } else if waived.is_empty() {
        "yes".to_owned()
    } else if waived.len() == verdicts.len() {
        "n/a".to_owned()
    } else {
        format!("yes; n/a: {}", waived.join(", "))
    }
}

/// Reasons, each once, with the cards and cases it stands for.
fn reasons(cards: &[&Card]) -> String {
    let mut reasons: Vec<(&str, Vec<&str>, Vec<&str>)> = Vec::new();
    for card in cards {
        for (check, verdict) in &card.checks {
            let Verdict::Waived(reason) = verdict else {
                continue;
            };
            let at = match reasons.iter().position(|(known, ..)| known == reason) {
                Some(at) => at,
                None => {
                    reasons.push((reason, Vec::new(), Vec::new()));
                    reasons.len() - 1
                }
            };
            let (_, of, named) = &mut reasons[at];
            let case = split(check).0;
            if !of.contains(&card.name.as_str()) {
                of.push(&card.name);
            }
            if !named.contains(&case) {
                named.push(case);
            }
        }
    }
    let mut text = "Not applicable, by the connectors' own words:\n\n".to_owned();
    for (reason, of, named) in reasons {
        let _ = writeln!(
            text,
            "- {} ({}): {reason}.",
            named.join(", "),
            of.join("; ")
        );
    }
    text
}
