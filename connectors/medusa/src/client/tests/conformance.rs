//! The SDK's conformance suite.

use hikiate_sdk::conformance::run;

use crate::sim::Shop;

#[tokio::test]
async fn the_suite_passes() {
    let card = run(&Shop::default()).await;
    assert_eq!(card.failures(), Vec::<String>::new(), "{card}");
    let (passed, waived, _) = card.counts();
    assert!(passed > 90 && waived == 1, "{card}");
}
