//! What the daemon's signals do, seen from outside.

use std::env;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const HELPER: &str = "HIKIATE_TEST_SIGNALS";

fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    let status = Command::new("kill").args([name, &pid]).status().unwrap();
    assert!(status.success());
}

#[tokio::test]
#[ignore = "a process for the other test to signal"]
async fn helper_drains_for_ever() {
    assert!(env::var_os(HELPER).is_some(), "only run by the other test");
    let stop = hikiate::ops::shutdown::on_signal().unwrap();
    println!("helper is listening");
    stop.cancelled().await;
    println!("helper is draining");
    tokio::time::sleep(Duration::from_secs(60)).await;
}

#[test]
fn the_first_signal_drains_and_the_second_ends_at_once() {
    let mut child = Command::new(env::current_exe().unwrap())
        .args([
            "--ignored",
            "--exact",
            "--nocapture",
            "signals::helper_drains_for_ever",
        ])
        .env(HELPER, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok);
    assert!(lines.any(|line| line.contains("helper is listening")));
    signal(&child, "-TERM");
    assert!(lines.any(|line| line.contains("helper is draining")));
    assert!(child.try_wait().unwrap().is_none(), "it drains");
    signal(&child, "-INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
}
