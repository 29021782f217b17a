//! The alert rules, judged by Prometheus' own program; the names of metrics in them are compared in `src/ops/metrics.rs`.

use std::path::Path;
use std::process::Command;

use hikiate_sdk::sim::skipped;

const RULES: &str = include_str!("../../config/alerts.yml");
const TESTS: &str = include_str!("../../config/alerts.test.yml");

#[test]
fn every_alert_has_a_test_in_which_it_fires() {
    let alerts: Vec<&str> = RULES
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .collect();
    assert!(alerts.len() > 10);
    for alert in alerts {
        let fires = format!("alertname=\"{alert}\"}}', value: 1");
        assert!(TESTS.contains(&fires), "{alert} fires in no test");
    }
}

/// A kind that nothing writes any more would be an alert that never fires.
#[test]
fn every_kind_of_task_in_the_rules_is_one_that_the_handbook_lists() {
    let handbook = include_str!("../../docs/operations.md");
    let named = RULES.split("kind=").skip(1);
    let named = named.filter_map(|rest| rest.split('"').nth(1));
    let kinds: Vec<&str> = named.flat_map(|all| all.split('|')).collect();
    assert!(kinds.len() > 20, "{kinds:?}");
    for kind in kinds {
        let listed = handbook.contains(&format!("`{kind}`"));
        assert!(listed, "{kind} is no task of the handbook");
    }
}

#[test]
fn the_rules_are_valid_and_fire_when_they_should() {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    for (verb, file) in [("check", "alerts.yml"), ("test", "alerts.test.yml")] {
        let mut promtool = Command::new("promtool");
        promtool.args([verb, "rules"]).arg(config.join(file));
        let Ok(output) = promtool.output() else {
            let test = "the_rules_are_valid_and_fire_when_they_should";
            return skipped(test, "promtool is not installed");
        };
        assert!(output.status.success(), "{verb} {file}: {output:?}");
    }
}
