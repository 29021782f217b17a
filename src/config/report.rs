//! Everything that is wrong, each with its place.

use std::fmt;

use super::spans::Sources;

/// One thing wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConfigProblem {
    /// The file, or the environment variable.
    pub file: String,
    /// Line in the file, from 1; 0 where there is none.
    pub line: usize,
    /// The key, dotted; list elements count from 1.
    pub key: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for ConfigProblem {
    /// `file:line: key: what is wrong; what to do`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for ConfigProblem {}

/// Collects problems and finds their places.
#[derive(Debug)]
pub(super) struct Problems<'a> {
    sources: &'a Sources,
    found: Vec<ConfigProblem>,
    settled: Vec<Vec<String>>,
}

impl<'a> Problems<'a> {
    /// Without problems yet.
    pub(super) fn new(sources: &'a Sources) -> Self {
        Self {
            sources,
            found: Vec::new(),
            settled: Vec::new(),
        }
    }

    /// Keys that have a problem already and are not what was written: nothing more is said about them.
    pub(super) fn settle(&mut self, paths: &[Vec<String>]) {
        self.settled.extend_from_slice(paths);
    }

    /// Notes a problem at a key.
    pub(super) fn at(&mut self, path: &[&str], message: impl Into<String>) {
        if self
            .settled
            .iter()
            .any(|done| path.len() >= done.len() && done.iter().zip(path).all(|(a, b)| a == b))
        {
            return;
        }
        self.found.push(self.sources.problem(path, message));
    }

    /// Whether a key, or one in or around it, has a problem already, so that it is not what was written: what follows from it is no
    /// mistake of its own.
    pub(super) fn is_unread(&self, path: &[&str]) -> bool {
        let mut settled = self.settled.iter();
        settled.any(|done| done.iter().zip(path).all(|(a, b)| a == b))
    }

    /// Notes a problem at a line of another file.
    pub(super) fn in_file(
        &mut self,
        file: impl Into<String>,
        line: usize,
        message: impl Into<String>,
    ) {
        self.found.push(ConfigProblem {
            file: file.into(),
            line,
            key: String::new(),
            message: message.into(),
        });
    }

    /// Takes over what another collection found.
    pub(super) fn append(&mut self, other: Self) {
        self.found.extend(other.found);
    }

    /// The value, or a problem at a key.
    pub(super) fn value<T, E: fmt::Display>(
        &mut self,
        path: &[&str],
        result: Result<T, E>,
    ) -> Option<T> {
        result.map_err(|e| self.at(path, e.to_string())).ok()
    }

    /// The places of keys.
    pub(super) fn sources(&self) -> &'a Sources {
        self.sources
    }

    /// True without problems.
    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// All problems in the order of the file, each once.
    pub(super) fn into_sorted(mut self) -> Vec<ConfigProblem> {
        self.found.sort();
        self.found.dedup();
        self.found
    }
}

impl Sources {
    /// Something to say about a key, with its place.
    pub(super) fn problem(&self, path: &[&str], message: impl Into<String>) -> ConfigProblem {
        let (file, line) = self.place(path);
        ConfigProblem {
            file,
            line,
            key: dotted(path),
            message: message.into(),
        }
    }
}

/// A key as an operator writes it: `channels."shop a".payments`, `hold[2].when`.
fn dotted(path: &[&str]) -> String {
    let mut text = String::new();
    for part in path {
        let bare = part
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
            && !part.is_empty();
        match part.strip_prefix('#').and_then(|n| n.parse::<usize>().ok()) {
            Some(n) => text.push_str(&format!("[{}]", n + 1)),
            None => {
                if !text.is_empty() {
                    text.push('.');
                }
                if bare {
                    text.push_str(part)
                } else {
                    text.push_str(&format!("{part:?}"))
                }
            }
        }
    }
    text
}
