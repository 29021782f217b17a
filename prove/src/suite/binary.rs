//! The test binaries that cargo has built, out of its messages.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::Value;

/// A program with tests in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binary {
    /// Package and target.
    pub name: String,
    /// What is run.
    pub program: PathBuf,
    /// What it is told, before the arguments of every test program.
    pub arguments: Vec<String>,
    /// Where it runs: the folder of its package, as under cargo.
    pub folder: PathBuf,
    /// It can list its tests. Cargo with the tests in documentation cannot.
    pub lists: bool,
}

impl Binary {
    /// The tests in documentation, which cargo builds and runs itself.
    #[must_use]
    pub fn documentation() -> Self {
        let words = "test --workspace --all-features --doc --no-fail-fast --";
        Self {
            name: "documentation".into(),
            program: "cargo".into(),
            arguments: words.split(' ').map(str::to_owned).collect(),
            folder: ".".into(),
            lists: false,
        }
    }
}

/// # Errors
/// When a line is no message of cargo's, or when the build failed.
pub(super) fn built(messages: &str) -> anyhow::Result<Vec<Binary>> {
    let mut binaries = Vec::new();
    let mut well = false;
    for line in messages.lines().filter(|line| line.starts_with('{')) {
        let message: Value = serde_json::from_str(line).context("a message of cargo's")?;
        match message["reason"].as_str() {
            Some("build-finished") => well = message["success"] == true,
            Some("compiler-artifact") if message["profile"]["test"] == true => {
                binaries.extend(artifact(&message));
            }
            _ => {}
        }
    }
    anyhow::ensure!(
        well,
        "cargo's messages do not end with a build that succeeded"
    );
    binaries.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(binaries)
}

fn artifact(message: &Value) -> Option<Binary> {
    let program = message["executable"].as_str()?;
    let folder = Path::new(message["manifest_path"].as_str()?).parent()?;
    let target = &message["target"];
    let kind = match target["kind"][0].as_str()? {
        "test" => String::new(),
        kind => format!("{kind} "),
    };
    let package = package(message["package_id"].as_str()?);
    Some(Binary {
        name: format!("{package} {kind}{}", target["name"].as_str()?),
        program: program.into(),
        arguments: Vec::new(),
        folder: folder.into(),
        lists: true,
    })
}

/// `path+file:///work/connectors/sdk#hikiate-sdk@0.1.0`, or without the name where the folder has it.
fn package(id: &str) -> &str {
    let (path, after) = id.split_once('#').unwrap_or((id, id));
    match after.split_once('@') {
        Some((name, _version)) => name,
        None => path.rsplit('/').next().unwrap_or(path),
    }
}
