//! The measurement of each connector, small: it measures something of every connector, and every declared budget is kept.

#![expect(clippy::unwrap_used, reason = "tests stop at the first surprise")]

use std::time::Duration;

use hikiate::registry::CONNECTORS;
use hikiate_prove::bench::{kept, rate, share};
use hikiate_sdk::conformance::Subject;

fn subjects() -> Vec<Box<dyn Subject>> {
    CONNECTORS.iter().flat_map(|kind| kind.subjects()).collect()
}

#[tokio::test]
async fn every_connector_carries_orders() {
    for subject in subjects() {
        let rate = rate(&*subject, 12).await.unwrap();
        let journals = subject.name().contains("hledger");
        assert_eq!(rate.parts.is_empty(), journals, "{}", subject.name());
        let measured = rate.parts.iter().all(|(_, took)| !took.is_zero());
        assert!(measured, "{}: {rate}", subject.name());
    }
}

#[tokio::test(start_paused = true)]
async fn every_budget_in_time_is_used_and_kept() {
    let mut declared = Vec::new();
    for subject in subjects() {
        // A mail server and folders are no system in memory: their calls do not go by a virtual clock.
        let used = share(&*subject, Duration::from_secs(600)).await.unwrap();
        if let Some(used) = used {
            assert!(kept(&used), "{}: {used}", subject.name());
            declared.push(subject.name());
        }
    }
    let named = |name: &str| declared.iter().any(|declared| declared.contains(name));
    assert!(named("openlogi") && named("stripe"), "{declared:?}");
}
