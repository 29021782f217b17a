//! The runner against real test programs that pass, fail, hang, crash, skip, and end too early.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::{Binary, Tally, binary, run_all};

/// Much longer than any of them takes, but for the one that hangs.
const LIMIT: Duration = Duration::from_secs(60);

/// A test program of its own, built like any other.
fn program(folder: &Path, name: &str, source: &str) -> Binary {
    let file = folder.join(format!("{name}.rs"));
    fs::write(&file, source).unwrap();
    let program = folder.join(name);
    let built = Command::new("rustc")
        .args(["--test", "--edition", "2024", "-A", "warnings", "-o"])
        .args([&program, &file])
        .status()
        .unwrap();
    assert!(built.success());
    Binary {
        name: name.into(),
        program,
        arguments: Vec::new(),
        folder: folder.into(),
        lists: true,
    }
}

async fn tally(folder: &Path, binaries: &[Binary], limit: Duration) -> String {
    run_all(binaries, limit, &folder.join("logs"))
        .await
        .unwrap()
        .to_string()
}

#[tokio::test]
async fn every_kind_of_end_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    let source = |name, text: &str| program(folder, name, text);
    let binaries = [
        source("aborts", "#[test] fn dies() { std::process::abort() }"),
        source(
            "fails",
            "mod inner { #[test] fn wrong() { assert_eq!(1, 2) } }
             #[test] fn right() {}
             #[test] #[should_panic] fn panics() { panic!() }",
        ),
        source("leaves", "#[test] fn early() { std::process::exit(0) }"),
        source("passes", "#[test] fn one() {} #[test] fn two() {}"),
        source(
            "skips",
            r#"fn skipped(test: &str) {
                 use std::io::Write;
                 let file = std::env::var_os("HIKIATE_SKIPPED").unwrap();
                 let mut file = std::fs::File::options().append(true).open(file).unwrap();
                 writeln!(file, "{test}\tno such server").unwrap();
             }
             mod inner { #[test] fn cannot() { super::skipped("cannot"); super::skipped("cannot") } }
             #[test] fn can() {}
             #[test] fn cannot_and_fails() { skipped("cannot_and_fails"); panic!("all the same") }
             #[test] #[ignore] fn forgotten() {}
             #[test] #[ignore = "a process for the other tests"] fn helper() {}"#,
        ),
        // Not our word for it, and no list of tests either.
        Binary {
            program: "true".into(),
            ..source("silent", "")
        },
    ];
    assert_eq!(
        tally(folder, &binaries, LIMIT).await,
        "skipped:
    skips: forgotten: ignored
    skips: inner::cannot: no such server; no such server
failed:
    aborts: dies: had started and not ended; the binary ended by signal 6
    fails: inner::wrong
    leaves: early: had started and not ended; the binary ended without a result
    skips: cannot_and_fails
    silent: the binary: ended without a result
5 passed, 5 failed, 2 skipped
"
    );
}

#[tokio::test]
async fn what_hangs_is_killed_and_named_and_the_others_run() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    // At least as many hang as run at once, and what they start ends with them, in whatever group it is.
    let hang =
        "std::process::Command::new(\"sleep\").arg(\"600\").process_group(0).status().unwrap();";
    let mut source =
        String::from("use std::os::unix::process::CommandExt;\n#[test] fn a_quick_one() {}\n");
    let cores = std::thread::available_parallelism().unwrap().get().max(2);
    for n in 0..cores {
        source += &format!("#[test] fn hangs_{n:03}() {{ {hang} }}\n");
    }
    source += "#[test] fn waits() {}\n";
    let binaries = [
        program(folder, "hangs", &source),
        program(folder, "passes", "#[test] fn one() {}"),
    ];
    let begun = Instant::now();
    let said = tally(folder, &binaries, Duration::from_secs(10)).await;
    assert!(begun.elapsed() < LIMIT, "{:?}", begun.elapsed());
    let killed = "the binary killed after its time limit of 10 s";
    for n in 0..cores {
        let line = format!("    hangs: hangs_{n:03}: had started and not ended; {killed}\n");
        assert!(said.contains(&line), "{said}");
    }
    assert!(
        said.contains(&format!("    hangs: waits: did not run; {killed}\n")),
        "{said}"
    );
    let last = format!("\n2 passed, {} failed, 0 skipped\n", cores + 1);
    assert!(said.ends_with(&last), "{said}");
    let folder = folder.canonicalize().unwrap();
    let there = |entry: fs::DirEntry| fs::read_link(entry.path().join("cwd")).ok();
    let mut all = fs::read_dir("/proc").unwrap().flatten();
    assert!(
        !all.any(|entry| there(entry).as_deref() == Some(&*folder)),
        "something is left"
    );
}

#[test]
fn what_the_gate_left_out_is_skipped() {
    let mut tally = Tally::default();
    tally.steps("unit file\tsystemd-analyze is not installed\n");
    assert!(tally.has_skipped() && !tally.is_well());
    assert_eq!(
        tally.to_string(),
        "skipped:\n    unit file: systemd-analyze is not installed\n0 passed, 0 failed, 1 skipped\n"
    );
}

#[test]
fn test_binaries_are_read_from_cargos_messages() {
    let artifact = |id: &str, kind: &str, name: &str, test: bool| {
        format!(
            r#"{{"reason":"compiler-artifact","package_id":"path+file:///work/{id}","manifest_path":"/work/x/Cargo.toml","target":{{"kind":["{kind}"],"name":"{name}"}},"profile":{{"test":{test}}},"executable":"/t/{name}"}}"#
        )
    };
    let mut lines = vec![
        artifact("connectors/files#hikiate-files@0.1.0", "test", "it", true),
        artifact("hikiate#0.1.0", "lib", "hikiate", true),
        artifact("hikiate#0.1.0", "bin", "hikiate", true),
        artifact("hikiate#0.1.0", "bin", "hikiate", false),
    ];
    assert!(
        binary::built(&lines.join("\n")).is_err(),
        "the build did not end"
    );
    lines.push(r#"{"reason":"build-finished","success":true}"#.into());
    let built = binary::built(&lines.join("\n")).unwrap();
    let names: Vec<_> = built.iter().map(|binary| binary.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "hikiate bin hikiate",
            "hikiate lib hikiate",
            "hikiate-files it"
        ]
    );
    assert_eq!(built[2].folder, Path::new("/work/x"));
    let failed = lines
        .join("\n")
        .replace("\"success\":true", "\"success\":false");
    assert!(binary::built(&failed).is_err());
}
