//! What happened in one interleaving, for people.

use std::fmt::Write as _;

/// How a step went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// Carried out at once.
    Ran,
    /// It waited for the other session first.
    Waited,
    /// The server refused it.
    Failed(String),
}

/// One statement of one session.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) who: usize,
    pub(super) sql: String,
    pub(super) how: How,
}

/// One interleaving.
#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    pub(super) steps: Vec<Step>,
    pub(super) results: [Option<Result<String, String>>; 2],
    pub(super) deadlocks: usize,
    /// It differs from one that was tried only by steps that cannot meet.
    pub(super) redundant: bool,
}

impl Record {
    /// The choices, one letter a step: what `--schedule` takes.
    pub(super) fn schedule(&self) -> String {
        self.steps
            .iter()
            .map(|s| if s.who == 0 { 'A' } else { 'B' })
            .collect()
    }

    pub(super) fn told(&self, names: [&str; 2]) -> String {
        let mut out = String::new();
        for step in &self.steps {
            let letter = if step.who == 0 { "A" } else { "    B" };
            let how = match &step.how {
                How::Ran => String::new(),
                How::Waited => "   (waited for the other)".to_owned(),
                How::Failed(code) => format!("   (failed: {code})"),
            };
            writeln!(out, "  {letter} {}{how}", line(&step.sql)).ok();
        }
        for (n, name) in names.iter().enumerate() {
            let letter = if n == 0 { 'A' } else { 'B' };
            let result = match &self.results[n] {
                Some(Ok(result)) => result.clone(),
                Some(Err(error)) => format!("failed: {error}"),
                None => "did not end".to_owned(),
            };
            writeln!(out, "  {letter} = {name}: {result}").ok();
        }
        out
    }
}

/// A statement on one line.
fn line(sql: &str) -> String {
    let flat = sql.split_whitespace().collect::<Vec<_>>().join(" ");
    if flat.chars().count() <= 110 {
        return flat;
    }
    let head: String = flat.chars().take(70).collect();
    let skip = flat.chars().count() - 36;
    let tail: String = flat.chars().skip(skip).collect();
    format!("{head} … {tail}")
}
