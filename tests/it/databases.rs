//! The databases the tests stand on.

use sqlx::{Connection as _, PgConnection};

use crate::support::db;

#[tokio::test]
async fn each_test_has_a_database_of_its_own_and_leaves_none() {
    let one = db().await;
    let two = db().await;
    assert_ne!(one.url, two.url);
    sqlx::query("CREATE TABLE mine (n int)")
        .execute(&one.pool)
        .await
        .unwrap();
    let seen: bool = sqlx::query_scalar("SELECT to_regclass('mine') IS NOT NULL")
        .fetch_one(&two.pool)
        .await
        .unwrap();
    assert!(!seen);
    let mut outside = PgConnection::connect(&one.url).await.unwrap();
    let same: bool = sqlx::query_scalar("SELECT to_regclass('mine') IS NOT NULL")
        .fetch_one(&mut outside)
        .await
        .unwrap();
    assert!(same, "the address leads to the same database as the pool");
    let url = one.url.clone();
    drop(one);
    let gone = PgConnection::connect(&url).await.unwrap_err();
    assert!(gone.to_string().contains("does not exist"), "{gone}");
}
