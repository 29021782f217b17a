//! What a panic leaves in the log, seen from outside.

use std::env;
use std::process::Command;

use hikiate::ops::telemetry::{self, LogFormat};

const HELPER: &str = "HIKIATE_TEST_PANICS";
const NAME: &str = "Quelmann";

#[test]
#[ignore = "a process for the other test to read"]
fn helper_panics_over_a_name() {
    assert!(env::var_os(HELPER).is_some(), "only run by the other test");
    telemetry::init(LogFormat::Json, "info").unwrap();
    telemetry::keep_panics_quiet();
    let name = env::var(HELPER).unwrap();
    let ended = std::thread::spawn(move || assert!(name.is_empty(), "not a boundary of {name}"));
    assert!(ended.join().is_err());
}

#[test]
fn a_panic_is_a_log_line_with_its_place_and_without_its_message() {
    let output = Command::new(env::current_exe().unwrap())
        .args([
            "--ignored",
            "--exact",
            "--nocapture",
            "panics::helper_panics_over_a_name",
        ])
        .env(HELPER, NAME)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{told}");
    assert!(told.contains("tests/it/panics.rs:"), "{told}");
    assert!(!told.contains(NAME), "{told}");
}
