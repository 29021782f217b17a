//! docs/guarantees.md names tests that exist, and the README counts its promises the same way.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Rows of the table: the case and its whole line.
fn cases<'t>(text: &'t str, letter: &str) -> Vec<(&'t str, &'t str)> {
    let start = format!("| {letter}");
    let numbered = |line: &&str| {
        let number = line.strip_prefix(start.as_str());
        number.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    let rows = text.lines().filter(numbered);
    rows.map(|line| (line[2..].split(' ').next().unwrap(), line))
        .collect()
}

/// `file.rs::name` in backticks.
fn named(line: &str) -> Vec<(&str, &str)> {
    line.split('`')
        .skip(1)
        .step_by(2)
        .filter_map(|word| word.split_once("::"))
        .filter(|(file, _)| file.ends_with(".rs"))
        .collect()
}

fn sources(folder: PathBuf, into: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(path, into);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let name = path.strip_prefix(root()).unwrap().display().to_string();
            into.insert(name, fs::read_to_string(path).unwrap());
        }
    }
}

/// True when a file has a test of this name: the attribute stands above it, or it is one of a property's.
fn has_test(text: &str, name: &str) -> bool {
    let lines: Vec<_> = text.lines().collect();
    lines.iter().enumerate().any(|(n, line)| {
        let line = line.trim_start().trim_start_matches("async ");
        line.starts_with(&format!("fn {name}("))
            && lines[..n]
                .iter()
                .rev()
                .take_while(|l| l.trim_start().starts_with(['#', '/']))
                .any(|l| l.contains("test]") || l.contains("test("))
    })
}

#[test]
fn every_failure_case_is_there_and_every_test_it_names_exists() {
    let text = fs::read_to_string(root().join("docs/guarantees.md")).unwrap();
    let people = cases(&text, "P");
    let counted: Vec<_> = (1..=people.len()).map(|n| format!("P{n:02}")).collect();
    let there: Vec<_> = people.iter().map(|(case, _)| (*case).to_owned()).collect();
    assert_eq!(there, counted);
    assert!(people.len() >= 20, "{}", people.len());
    let situations = cases(&text, "S");
    assert!(situations.len() >= 17, "{}", situations.len());
    let cases = cases(&text, "R");
    let wanted: Vec<_> = (1..=37).map(|n| format!("R{n:02}")).collect();
    let there: Vec<_> = cases.iter().map(|(case, _)| (*case).to_owned()).collect();
    assert_eq!(there, wanted);

    let mut files = BTreeMap::new();
    for folder in ["src", "tests", "connectors", "prove"] {
        sources(root().join(folder), &mut files);
    }
    let mut missing = Vec::new();
    for (case, line) in cases.into_iter().chain(people).chain(situations) {
        let tests = named(line);
        if tests.is_empty() && !line.contains("not yet") {
            missing.push(format!("{case} names no test and does not say \"not yet\""));
        }
        for (file, name) in tests {
            let suffix = format!("/{file}");
            let mut of = files.iter().filter(|(path, _)| path.ends_with(&suffix));
            if !of.any(|(_, text)| has_test(text, name)) {
                missing.push(format!("{case}: no test {name} in a file {file}"));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

/// What the sections name in their paragraphs of tests: words with at least three underscores are tests.
#[test]
fn every_test_that_a_section_names_exists() {
    let text = fs::read_to_string(root().join("docs/guarantees.md")).unwrap();
    let mut files = BTreeMap::new();
    for folder in ["src", "tests", "connectors", "prove"] {
        sources(root().join(folder), &mut files);
    }
    let words: Vec<&str> = text
        .split("\n\n")
        .filter(|paragraph| paragraph.starts_with("*Test"))
        .flat_map(|paragraph| paragraph.split('`').skip(1).step_by(2))
        .filter(|word| {
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            word.chars().all(plain) && word.matches('_').count() >= 3
        })
        .collect();
    assert!(words.len() >= 50, "{}", words.len());
    let missing: Vec<_> = words
        .into_iter()
        .filter(|name| !files.values().any(|text| has_test(text, name)))
        .collect();
    assert_eq!(missing, Vec::<&str>::new());
}

#[test]
fn the_readme_counts_the_promises_as_the_document_does() {
    let document = fs::read_to_string(root().join("docs/guarantees.md")).unwrap();
    let sections = document.lines().filter_map(|line| line.strip_prefix("## "));
    let sections: Vec<_> = sections
        .filter_map(|title| title.split_once(". ")?.0.parse::<usize>().ok())
        .collect();
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let promises = readme.lines().filter_map(|line| line.split_once(". **"));
    let promises: Vec<_> = promises
        .filter_map(|(number, _)| number.parse::<usize>().ok())
        .collect();
    assert_eq!(promises, sections);
}

#[test]
fn a_test_is_seen_and_a_helper_is_not() {
    let text = "#[tokio::test]\nasync fn a() {}\nfn b() {}\n    #[test]\n    /// Why.\n    fn c(x in 0..3) {}\n";
    assert!(has_test(text, "a") && has_test(text, "c"));
    assert!(!has_test(text, "b") && !has_test(text, "aa"));
    assert_eq!(named("| R01 | `x.rs::y` and `z` |"), [("x.rs", "y")]);
}
