//! The count over all binaries.

use std::fmt::{self, Display, Formatter};

use super::output::Counted;

/// Names and counts of all tests.
#[derive(Debug, Default)]
pub struct Tally {
    passed: usize,
    failed: Vec<String>,
    skipped: Vec<String>,
}

impl Tally {
    /// Lines `STEP<tab>REASON`, of what the gate had to leave out.
    pub(super) fn steps(&mut self, lines: &str) {
        let lines = lines.lines().map(|line| line.replacen('\t', ": ", 1));
        self.skipped.extend(lines);
    }

    pub(super) fn add(&mut self, binary: &str, counted: Counted) {
        self.passed += counted.passed;
        let named = |(test, why): (String, String)| match why.as_str() {
            "" => format!("{binary}: {test}"),
            why => format!("{binary}: {test}: {why}"),
        };
        self.failed.extend(counted.failed.into_iter().map(named));
        self.skipped.extend(counted.skipped.into_iter().map(named));
    }

    /// Something passed and nothing failed.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.passed > 0 && self.failed.is_empty()
    }

    /// Something could not run.
    #[must_use]
    pub fn has_skipped(&self) -> bool {
        !self.skipped.is_empty()
    }
}

/// The names, then the closing line.
impl Display for Tally {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (title, names) in [("skipped", &self.skipped), ("failed", &self.failed)] {
            if !names.is_empty() {
                writeln!(f, "{title}:")?;
            }
            for name in names {
                writeln!(f, "    {name}")?;
            }
        }
        let (failed, skipped) = (self.failed.len(), self.skipped.len());
        writeln!(
            f,
            "{} passed, {failed} failed, {skipped} skipped",
            self.passed
        )
    }
}
