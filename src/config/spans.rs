//! Where each key was written: key path → file and line, or environment variable.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::report::ConfigProblem;

/// Name of the defaults in messages.
const BUILT_IN: &str = "built-in defaults";

/// The places of all keys of all layers. An element of a list is the path part `#n`, from 0.
#[derive(Clone, Debug, Default)]
pub(super) struct Sources {
    file: Option<String>,
    lines: BTreeMap<Vec<String>, usize>,
    variables: BTreeMap<Vec<String>, String>,
}

impl Sources {
    /// Reads the places of a TOML text.
    ///
    /// # Errors
    /// Every syntax error with its line.
    pub(super) fn read(file: &str, text: &str) -> Result<Self, Vec<ConfigProblem>> {
        let (table, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            let problem = |e: &toml::de::Error| ConfigProblem {
                file: file.to_owned(),
                line: e.span().map_or(1, |span| line(text, span.start)),
                key: String::new(),
                message: format!("this is not TOML: {}", e.message().trim()),
            };
            let mut problems: Vec<_> = errors.iter().map(problem).collect();
            problems.sort();
            return Err(problems);
        }
        let mut lines = BTreeMap::new();
        walk(table.get_ref(), &mut Vec::new(), text, &mut lines);
        Ok(Self {
            file: Some(file.to_owned()),
            lines,
            variables: BTreeMap::new(),
        })
    }

    /// Notes that a key comes from an environment variable.
    pub(super) fn add_variable(&mut self, path: Vec<String>, variable: String) {
        self.variables.insert(path, variable);
    }

    /// True when the environment sets this very key.
    pub(super) fn is_from_environment(&self, path: &[&str]) -> bool {
        self.variables.contains_key(&owned(path))
    }

    /// True when the file or the environment has this very key.
    pub(super) fn is_written(&self, path: &[String]) -> bool {
        self.variables.contains_key(path) || self.lines.contains_key(path)
    }

    /// The line of a key in the file; `None` when it is not there.
    pub(super) fn line(&self, path: &[&str]) -> Option<usize> {
        self.lines.get(&owned(path)).copied()
    }

    /// File (or variable) and line of a key or, when it was not written, of the nearest table around it.
    pub(super) fn place(&self, path: &[&str]) -> (String, usize) {
        let mut path = owned(path);
        if let Some(variable) = self.variables.get(&path) {
            return (format!("environment variable {variable}"), 0);
        }
        let file = self.file.clone();
        while !path.is_empty() {
            if let (Some(file), Some(line)) = (&file, self.lines.get(&path)) {
                return (file.clone(), *line);
            }
            path.pop();
        }
        file.map_or((BUILT_IN.to_owned(), 0), |file| (file, 1))
    }
}

fn owned(path: &[&str]) -> Vec<String> {
    path.iter().map(|part| (*part).to_owned()).collect()
}

fn walk(
    table: &DeTable<'_>,
    path: &mut Vec<String>,
    text: &str,
    lines: &mut BTreeMap<Vec<String>, usize>,
) {
    for (key, value) in table {
        path.push(key.get_ref().to_string());
        lines.insert(path.clone(), line(text, key.span().start));
        below(value, path, text, lines);
        path.pop();
    }
}

fn below(
    value: &Spanned<DeValue<'_>>,
    path: &mut Vec<String>,
    text: &str,
    lines: &mut BTreeMap<Vec<String>, usize>,
) {
    match value.get_ref() {
        DeValue::Table(table) => walk(table, path, text, lines),
        DeValue::Array(elements) => {
            for (n, element) in elements.iter().enumerate() {
                path.push(format!("#{n}"));
                lines.insert(path.clone(), line(text, element.span().start));
                below(element, path, text, lines);
                path.pop();
            }
        }
        _ => {}
    }
}

/// The line an offset is on, from 1.
fn line(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|b| *b == b'\n').count()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn every_key_has_its_line() {
        let text = "[a]\nb = 1\n\n[c.d]\ne = [\n 1,\n 2]\n[[hold]]\nname = 'x'\n[[hold]]\nname = 'y'\nx.y = { z = 1 }\n";
        let sources = Sources::read("f.toml", text).unwrap();
        assert_eq!(sources.line(&["a", "b"]), Some(2));
        assert_eq!(sources.line(&["c", "d", "e", "#1"]), Some(7));
        assert_eq!(sources.line(&["hold", "#0", "name"]), Some(9));
        assert_eq!(sources.line(&["hold", "#1"]), Some(10));
        assert_eq!(sources.line(&["hold", "#1", "x", "y", "z"]), Some(12));
        assert_eq!(
            sources.place(&["c", "d", "missing"]),
            ("f.toml".to_owned(), 4)
        );
        assert_eq!(sources.place(&["nowhere"]), ("f.toml".to_owned(), 1));
    }

    #[test]
    fn all_syntax_errors_are_found() {
        let errors = Sources::read("f.toml", "a = \nb = 1\nc = [1,\nd d = 2\n").unwrap_err();
        assert!(errors.len() >= 2, "{errors:?}");
        assert_eq!(
            (errors[0].file.as_str(), errors[0].line),
            ("f.toml", 1),
            "{errors:?}"
        );
    }
}
