//! A connector is named in its folder, in the registry, and where people choose it; the program itself
//! knows none by name.

use std::fs;
use std::path::{Path, PathBuf};

use hikiate::registry::CONNECTORS;

/// Where the program is. Manifests, `config/`, `docs/` and the Makefile's help are for people who choose.
const PROGRAM: [&str; 7] = [
    "src",
    "connectors",
    "migrations",
    "scripts",
    "systemd",
    "Dockerfile",
    "clippy.toml",
];

/// Names that are also words of the language: they count as the crate's name and in quotes only.
const WORDS: [&str; 1] = ["files"];

/// True when a line names a connector.
fn names(line: &str, connector: &str) -> bool {
    let crates = [
        format!("hikiate_{connector}"),
        format!("hikiate-{connector}"),
    ];
    crates.iter().any(|name| line.contains(name))
        || line.contains(&format!("\"{connector}\""))
        || (!WORDS.contains(&connector) && words(line).any(|word| word == connector))
}

/// Words in lower case; a type's name is several.
fn words(line: &str) -> impl Iterator<Item = String> {
    let mut words = vec![String::new()];
    let mut lower = false;
    for letter in line.chars() {
        if !letter.is_alphanumeric() || (lower && letter.is_uppercase()) {
            words.push(String::new());
        }
        lower = letter.is_lowercase();
        if let (true, Some(word)) = (letter.is_alphanumeric(), words.last_mut()) {
            word.extend(letter.to_lowercase());
        }
    }
    words.into_iter()
}

/// Tests, the demo and the runs against real external systems are users of them: they name whom they play. Recorded facts hold
/// the account names that people chose.
fn may_name(path: &Path, connector: &str) -> bool {
    path == Path::new("src/registry.rs")
        || path.starts_with("src/demo")
        || path.starts_with("src/facts/corpus")
        // The runs against real external systems.
        || path.starts_with("scripts/real")
        || path.starts_with("scripts/real_shop")
        || path == Path::new("scripts/real.sh")
        || path == Path::new("scripts/real-shop.sh")
        || path.starts_with(Path::new("connectors").join(connector))
        || path
            .file_name()
            .is_some_and(|name| name == "Cargo.toml" || name == "README.md")
        || path.components().any(|part| part.as_os_str() == "tests")
        || path.file_name().is_some_and(|name| name == "tests.rs")
}

fn collect(root: &Path, path: PathBuf, into: &mut Vec<PathBuf>) {
    let whole = root.join(&path);
    if whole.is_dir() {
        for entry in fs::read_dir(whole).unwrap() {
            collect(root, path.join(entry.unwrap().file_name()), into);
        }
    } else if whole.is_file() {
        into.push(path);
    }
}

#[test]
fn the_program_knows_no_connector_by_name() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for part in PROGRAM {
        collect(root, PathBuf::from(part), &mut files);
    }
    assert!(files.len() > 100, "{} files", files.len());
    let mut found = Vec::new();
    for file in files {
        // What is not text names nobody.
        let Ok(text) = fs::read_to_string(root.join(&file)) else {
            continue;
        };
        for connector in CONNECTORS.iter().map(|kind| kind.name()) {
            if may_name(&file, connector) {
                continue;
            }
            let lines = text
                .lines()
                .enumerate()
                .filter(|(_, line)| names(line, connector));
            found.extend(lines.map(|(n, line)| format!("{}:{}: {line}", file.display(), n + 1)));
        }
    }
    assert!(
        found.is_empty(),
        "a connector is named outside its folder:\n{}",
        found.join("\n")
    );
}

#[test]
fn every_connector_is_registered_under_its_folder_s_name() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("connectors");
    let mut folders: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .filter(|name| name != "sdk")
        .collect();
    folders.sort();
    let mut registered: Vec<&str> = CONNECTORS.iter().map(|kind| kind.name()).collect();
    registered.sort_unstable();
    assert_eq!(folders, registered);
}

#[test]
fn a_name_is_seen_in_any_spelling() {
    for line in [
        "use hikiate_medusa::map;",
        "medusa.orders",
        "let x = MedusaKind;",
        "// like Medusa",
    ] {
        assert!(names(line, "medusa"), "{line}");
    }
    assert!(!names("medusae of the sea", "medusa"));
    assert!(names("match kind { \"files\" => 1 }", "files"));
    assert!(names("hikiate_files::Layout", "files"));
    assert!(!names("// files are read whole", "files"));
}
