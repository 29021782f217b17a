//! Which folder of the program may import which. A row is a rule with its reason; what no row allows fails, and so does a row
//! that allows what nothing uses. Test code (`#[cfg(test)]`, folders and files of tests) may import anything.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A folder or file directly below `src`, what it may import, and why it may no more.
const RULES: &[(&str, &[&str], &str)] = &[
    (
        "action",
        &[],
        "what an operator may type next is a value that all layers name",
    ),
    ("calendar", &[], "days and cut-offs are arithmetic"),
    ("names", &[], "reserved words are a list"),
    ("number", &[], "numbers are arithmetic"),
    ("suggest", &[], "words that are alike are arithmetic"),
    (
        "policy",
        &["calendar"],
        "the checked configuration is a value",
    ),
    (
        "rules",
        &["names", "policy", "suggest"],
        "hold rules see an order's values only",
    ),
    (
        "facts",
        &["names", "policy"],
        "stored statements are values, under their names of today",
    ),
    (
        "operations",
        &["facts"],
        "the table of operations is a value; whoever acts on one reads it",
    ),
    (
        "stock",
        &["policy"],
        "who gets which units is decided without the database",
    ),
    (
        "plan",
        &[
            "action",
            "facts",
            "names",
            "operations",
            "policy",
            "rules",
            "stock",
        ],
        "the planner is pure: it never sees the database, the network or a clock",
    ),
    (
        "config",
        &["calendar", "operations", "policy", "rules", "suggest"],
        "reading TOML needs no database and no plan",
    ),
    (
        "store",
        &[
            "action",
            "facts",
            "number",
            "operations",
            "plan",
            "policy",
            "stock",
            "suggest",
        ],
        "SQL knows the planner's types; nothing below knows SQL",
    ),
    (
        "ops",
        &["names", "store"],
        "metrics and health read the database, and show kinds of tasks by their bounded names",
    ),
    (
        "account",
        &["ops", "store"],
        "an account at run time: its rate limit, breaker and pause, below pull and push",
    ),
    (
        "hooks",
        &["ops", "store"],
        "webhooks are judged and stored; whoever owns the account works them, in pull",
    ),
    (
        "engine",
        &["account", "config", "ops", "policy", "rules", "store"],
        "what one process needs for a step; it takes none itself",
    ),
    (
        "pull",
        &["account", "engine", "facts", "number", "plan", "store"],
        "pulling knows nothing of pushing",
    ),
    (
        "push",
        &[
            "account",
            "config",
            "engine",
            "facts",
            "operations",
            "policy",
            "store",
        ],
        "pushing knows nothing of pulling",
    ),
    (
        "daemon",
        &[
            "account",
            "action",
            "calendar",
            "config",
            "engine",
            "facts",
            "number",
            "operations",
            "ops",
            "plan",
            "policy",
            "pull",
            "push",
            "store",
        ],
        "the steps and loops are on top of what they drive",
    ),
    (
        "registry",
        &[],
        "the one list of connectors names crates, not folders",
    ),
    (
        "demo",
        &["number", "plan", "policy", "store"],
        "the demo starts the daemon as a program and reads what it stored",
    ),
    (
        "cli",
        &[
            "action",
            "config",
            "daemon",
            "demo",
            "engine",
            "facts",
            "hooks",
            "names",
            "ops",
            "plan",
            "policy",
            "registry",
            "store",
            "operations",
        ],
        "commands are the top: nothing imports them",
    ),
];

/// A word that only one place may use, and why.
const ONLY_IN: &[(&str, &str, &str)] = &[
    (
        "sqlx::",
        "src/store",
        "all SQL is where its locks can be read together",
    ),
    (
        "reqwest::",
        "connectors/sdk/src/http",
        "one client keeps time-outs, limits and secrets for all connectors",
    ),
];

/// The one file that may use such a word elsewhere, and why.
const BUT: &[(&str, &str, &str)] = &[(
    "sqlx::",
    "src/config/transport.rs",
    "a database's URL is read as its driver will read it; no statement is there",
)];

const CRATES: &[&str] = &[
    "src",
    "connectors/sdk/src",
    "connectors/medusa/src",
    "connectors/files/src",
    "connectors/smtp/src",
    "connectors/woocommerce/src",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Source files below a folder that are no test code.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let tests = name == "tests" || name == "tests.rs" || name.ends_with("_tests.rs");
        if path.is_dir() && !tests {
            sources(&path, found);
        } else if name.ends_with(".rs") && !tests {
            found.push(path);
        }
    }
}

/// The code of a file, without comments and without its tests, which come last.
fn code(file: &Path) -> String {
    let text = std::fs::read_to_string(file).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The folder or file directly below the crate's root that a source file belongs to.
fn module(root: &Path, file: &Path) -> String {
    let first = file.strip_prefix(root).unwrap().iter().next().unwrap();
    first.to_string_lossy().trim_end_matches(".rs").to_owned()
}

/// What follows `crate::` in it: `crate::a::b` and `crate::{a, b::c}`.
fn imports(code: &str) -> BTreeSet<String> {
    let name = |text: &str| -> String {
        let letters = text.trim_start().chars();
        letters
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect()
    };
    let mut found = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            Some(list) => {
                let mut depth = 0_u32;
                let mut start = 0;
                for (at, c) in list.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => {
                            found.insert(name(&list[start..at]));
                            break;
                        }
                        '}' => depth -= 1,
                        ',' if depth == 0 => {
                            found.insert(name(&list[start..at]));
                            start = at + 1;
                        }
                        _ => {}
                    }
                }
            }
            None => {
                found.insert(name(rest));
            }
        }
    }
    found
}

/// Who imports whom within a crate, by the folders directly below its root, and in which file.
fn graph(folder: &Path) -> BTreeMap<(String, String), PathBuf> {
    let mut files = Vec::new();
    sources(folder, &mut files);
    let modules: BTreeSet<String> = files.iter().map(|file| module(folder, file)).collect();
    let mut edges = BTreeMap::new();
    for file in files {
        let from = module(folder, &file);
        if from == "lib" || from == "main" {
            continue;
        }
        for to in imports(&code(&file)) {
            if modules.contains(&to) && to != from {
                edges
                    .entry((from.clone(), to))
                    .or_insert_with(|| file.clone());
            }
        }
    }
    edges
}

#[test]
fn folders_import_only_what_their_rule_allows() {
    let src = root().join("src");
    let edges = graph(&src);
    let mut wrong = Vec::new();
    for ((from, to), file) in &edges {
        match RULES.iter().find(|(name, ..)| name == from) {
            None => wrong.push(format!("src/{from} has no rule in tests/it/layers.rs")),
            Some((_, may, why)) if !may.contains(&to.as_str()) => {
                let file = file.strip_prefix(root()).unwrap().display();
                wrong.push(format!("{file} imports {to}; {from}: {why}"));
            }
            Some(_) => {}
        }
    }
    for (from, may, _) in RULES {
        for to in *may {
            if !edges.contains_key(&((*from).to_owned(), (*to).to_owned())) {
                wrong.push(format!(
                    "the rule of {from} allows {to}, which it does not import"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_folder_of_any_crate_imports_itself_by_way_of_others() {
    for folder in CRATES {
        let edges = graph(&root().join(folder));
        let mut open: BTreeSet<String> = edges.keys().map(|(from, _)| from.clone()).collect();
        // What imports nothing that is still open is no part of a circle.
        loop {
            let free: Vec<String> = open
                .iter()
                .filter(|from| !edges.keys().any(|(a, b)| a == *from && open.contains(b)))
                .cloned()
                .collect();
            if free.is_empty() {
                break;
            }
            open.retain(|name| !free.contains(name));
        }
        let circle: Vec<String> = edges
            .iter()
            .filter(|((a, b), _)| open.contains(a) && open.contains(b))
            .map(|((a, b), file)| format!("{a} -> {b} ({})", file.display()))
            .collect();
        assert!(circle.is_empty(), "{folder}:\n{}", circle.join("\n"));
    }
}

#[test]
fn sql_and_http_clients_are_in_one_place_each() {
    for (word, place, why) in ONLY_IN {
        let mut there = 0;
        for folder in CRATES {
            let mut files = Vec::new();
            sources(&root().join(folder), &mut files);
            for file in files {
                let is_but =
                    |(of, at, _): &&(&str, &str, &str)| of == word && file == root().join(at);
                let inside = file.starts_with(root().join(place)) || BUT.iter().any(|b| is_but(&b));
                // In a string it names a log target.
                if code(&file).replace(&format!("\"{word}"), "").contains(word) {
                    assert!(inside, "{} uses {word}: {why}", file.display());
                    there += 1;
                }
            }
        }
        assert!(there > 0, "nothing uses {word} in {place}: mend the rule");
    }
}

#[test]
fn imports_are_found_in_lists_and_paths() {
    let code = "use crate::a::b;\nuse crate::{c, d::{e, f}, g};\nlet x = crate::h::i();";
    let found = imports(code);
    assert_eq!(found, ["a", "c", "d", "g", "h"].map(str::to_owned).into());
}
