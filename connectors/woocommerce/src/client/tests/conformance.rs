//! The SDK's conformance suite.

use hikiate_sdk::conformance::run;

use crate::sim::Shop;

#[tokio::test]
async fn the_suite_passes_where_the_shop_has_fulfilments() {
    let card = run(&Shop::with_fulfilments()).await;
    assert_eq!(card.failures(), Vec::<String>::new(), "{card}");
    let (passed, waived, _) = card.counts();
    assert!(passed > 90 && waived == 2, "{card}");
}

#[tokio::test]
async fn the_suite_passes_where_a_shipment_is_a_note() {
    let card = run(&Shop::with_notes()).await;
    assert_eq!(card.failures(), Vec::<String>::new(), "{card}");
    let (passed, waived, _) = card.counts();
    assert!(passed > 90 && waived == 2, "{card}");
}
