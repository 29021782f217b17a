//! The SDK's conformance suite.

use hikiate_sdk::conformance::run;

use crate::sim::Warehouse;

#[tokio::test]
async fn the_suite_passes() {
    for subject in Warehouse::both() {
        let card = run(&subject).await;
        assert_eq!(card.failures(), Vec::<String>::new(), "{card}");
        let (passed, waived, _) = card.counts();
        assert!(passed > 90 && waived == 2, "{card}");
    }
}
