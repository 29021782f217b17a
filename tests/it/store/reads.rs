//! What is due to be read by id.

use hikiate_sdk::Kind;

use crate::support::shop::Shop;

#[tokio::test]
async fn an_id_that_is_wanted_twice_is_due_once_since_the_first_time() {
    let shop = Shop::open().await;
    let owned = shop.owned("shop").await;
    let wanted = [(0, "hook"), (5, "operator")];
    for (minute, why) in wanted {
        shop.clock(minute).await;
        let ids = ["B".into(), "A".into(), "B".into()];
        shop.store()
            .read_soon(owned.id, Kind::Payment, &ids, why)
            .await
            .unwrap();
    }
    let rows = "SELECT count(*) FROM reads WHERE kind = 'payment' AND why = 'operator' AND due_at = hk_now() - interval '5 min' AND noted_at = hk_now()";
    assert_eq!(shop.number(rows).await, 2);
    assert_eq!(shop.number("SELECT count(*) FROM reads").await, 2);
}
