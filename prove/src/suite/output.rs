//! What a test program printed, counted.

use std::collections::BTreeMap;

use super::process::{Ended, How};

/// Ignored tests with such a reason are programs that other tests start, and no tests.
const HELPER: &str = "a process for";
/// Lines of a binary's output that are shown when it fails.
const SHOWN: usize = 400;

/// The tests of one binary.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) passed: usize,
    /// Tests, or the binary itself, and what happened beyond a failed assertion.
    pub(super) failed: BTreeMap<String, String>,
    /// Tests, and why they could not run.
    pub(super) skipped: BTreeMap<String, String>,
}

pub(super) fn count(ended: &Ended) -> Counted {
    let mut counted = Counted::default();
    let mut seen: Vec<&str> = Vec::new();
    for line in ended.text.lines() {
        let Some((test, became)) = line
            .strip_prefix("test ")
            .and_then(|rest| rest.rsplit_once(" ... "))
        else {
            continue;
        };
        let test = test.strip_suffix(" - should panic").unwrap_or(test);
        match became.split_once(", ").unwrap_or((became, "")) {
            ("ok", _) => counted.passed += 1,
            ("FAILED", why) => {
                counted.failed.insert(test.into(), why.into());
            }
            ("ignored", why) if why.starts_with(HELPER) => {}
            ("ignored", why) => {
                let why = format!("ignored {why}");
                counted.skipped.insert(test.into(), why.trim_end().into());
            }
            _ => continue,
        }
        seen.push(test);
    }
    let failure = ended.how.failure().or_else(|| results(ended, &mut counted));
    if let Some(failure) = failure {
        whole(ended, &seen, &failure, &mut counted);
    }
    skips(ended, &seen, &mut counted);
    counted
}

/// The program's own count, which no line of a child between the others can disturb. What is wrong with it, if something is.
fn results(ended: &Ended, counted: &mut Counted) -> Option<String> {
    let of = |word| {
        let lines = ended.text.lines();
        let results = lines.filter(|line| line.starts_with("test result: "));
        let numbers: Vec<usize> = results.filter_map(|line| number(line, word)).collect();
        // Cargo runs several programs, a test binary is one.
        match ended.listed.is_empty() {
            true => Some(numbers.iter().sum()).filter(|_| !numbers.is_empty()),
            false => numbers.last().copied(),
        }
    };
    let (Some(passed), Some(failed)) = (of(" passed"), of(" failed")) else {
        return Some("ended without a result".into());
    };
    counted.passed = passed;
    let well = matches!(ended.how, How::Exit(status) if status.success());
    if well != (failed == 0) {
        return Some(format!(
            "says that {failed} failed, and its status does not"
        ));
    }
    (failed > counted.failed.len()).then(|| format!("says that {failed} failed, not all by name"))
}

/// What said that it was skipped has not passed, unless it failed after all.
fn skips(ended: &Ended, seen: &[&str], counted: &mut Counted) {
    for line in ended.skipped.lines() {
        let (short, why) = line.split_once('\t').unwrap_or((line, ""));
        let tail = format!("::{short}");
        let test = seen
            .iter()
            .find(|test| **test == short || test.ends_with(&tail));
        let test = test.copied().unwrap_or(short);
        if counted.failed.contains_key(test) {
            continue;
        }
        match counted.skipped.get_mut(test) {
            Some(reasons) => *reasons = format!("{reasons}; {why}"),
            None => {
                counted.skipped.insert(test.into(), why.into());
                let ran = usize::from(seen.contains(&test));
                counted.passed = counted.passed.saturating_sub(ran);
            }
        }
    }
}

/// A binary that ended in another way than by its tests: what it owes has failed.
fn whole(ended: &Ended, seen: &[&str], failure: &str, counted: &mut Counted) {
    let started = seen.len() + ended.at_once;
    let mut owed = 0;
    for (at, test) in ended.listed.iter().enumerate() {
        if seen.contains(&test.as_str()) {
            continue;
        }
        let what = if at < started {
            "had started and not ended"
        } else {
            "did not run"
        };
        owed += 1;
        let why = format!("{what}; the binary {failure}");
        counted.failed.insert(test.clone(), why);
    }
    if owed == 0 {
        let why = failure.to_owned();
        counted.failed.insert("the binary".into(), why);
    }
}

/// The number before a word.
fn number(line: &str, word: &str) -> Option<usize> {
    line.split(word).next()?.rsplit(' ').next()?.parse().ok()
}

/// The part of the output that says why: the failures, or the end.
pub(super) fn telling(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.iter().position(|line| *line == "failures:");
    let from = from.unwrap_or_else(|| lines.len().saturating_sub(60));
    let to = lines.len().min(from + SHOWN);
    lines[from..to].join("\n")
}
