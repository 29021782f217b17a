//! Every daemon on a database vacuums the queue tables every few seconds. Those who wait for one another pile
//! up, each with a connection, and an orderly end waits with them.

use std::time::Duration;

use tokio::time::timeout;

use crate::support::shop::Shop;

#[tokio::test]
async fn a_table_that_somebody_vacuums_is_left_to_them() {
    let shop = Shop::open().await;
    let mut tx = shop.pool().begin().await.unwrap();
    // The lock that VACUUM takes.
    sqlx::query("LOCK TABLE effects IN SHARE UPDATE EXCLUSIVE MODE")
        .execute(&mut *tx)
        .await
        .unwrap();
    timeout(Duration::from_secs(10), shop.store().vacuum())
        .await
        .unwrap()
        .unwrap();
}
