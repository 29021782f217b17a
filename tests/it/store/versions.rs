//! Orders that an older version stored, read again by this one.

use hikiate::facts::FactBody;
use hikiate::number::order_number;
use hikiate::store::IncomingOrder;
use hikiate_sdk::{AccountSlug, ExternalId};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::shop::{Shop, at, order, page, today};

/// The body of the reading as version 1 stored it.
fn version_1(order: &IncomingOrder) -> Value {
    let mut fact = order.fact.clone();
    fact.personal_version = 1;
    let mut body = FactBody::Order(Box::new(fact)).to_json().unwrap();
    let told = body["order"].as_object_mut().unwrap();
    for field in ["taxes", "tags", "test"] {
        told.remove(field).unwrap();
    }
    for line in told["lines"].as_array_mut().unwrap() {
        let by = line.as_object_mut().unwrap().remove("by").unwrap();
        line["ships"] = json!(by == "us");
    }
    for tender in told["tenders"].as_array_mut().unwrap() {
        for field in ["provider", "authorised_until", "pay_by", "refunds"] {
            tender.as_object_mut().unwrap().remove(field).unwrap();
        }
    }
    body
}

/// What the older binary left behind after it had read the order once.
async fn stored_at_version_1(shop: &Shop, order: &IncomingOrder) -> i64 {
    let body = version_1(order);
    let id: ExternalId = order.external_id.clone();
    let subject: i64 = sqlx::query_scalar(
        "INSERT INTO subjects (kind, account_id, external_id, number, origin, created_at)
         VALUES ('order', $1, $2, $3, 'live', $4) RETURNING id",
    )
    .bind(shop.account("shop"))
    .bind(id.as_str())
    .bind(order_number(&AccountSlug::new("shop"), &id))
    .bind(at(1))
    .fetch_one(shop.pool())
    .await
    .unwrap();
    sqlx::query(
        "INSERT INTO facts (subject_id, key, class, kind, version, body, happened_at, reported_at, recorded_at, business_date, actor)
         VALUES ($1, 'order::1', 'observation', 'order', 1, $2, $3, $3, $3, $4, 'pull')",
    )
    .bind(subject)
    .bind(&body)
    .bind(at(1))
    .bind(today())
    .execute(shop.pool())
    .await
    .unwrap();
    sqlx::query(
        "INSERT INTO personal (subject_id, version, body, stored_at) VALUES ($1, 1, $2, $3)",
    )
    .bind(subject)
    .bind(serde_json::to_value(&order.personal).unwrap())
    .bind(at(1))
    .execute(shop.pool())
    .await
    .unwrap();
    // The column `fact_version` keeps its default: the older binary did not know it.
    sqlx::query(
        "INSERT INTO latest_observations (subject_id, kind, series, hash, version, revision, requested_at, received_at)
         VALUES ($1, 'order', '', $2, NULL, 1, $3, $3)",
    )
    .bind(subject)
    .bind(Sha256::digest(serde_json::to_vec(&body).unwrap()).to_vec())
    .bind(at(1))
    .execute(shop.pool())
    .await
    .unwrap();
    subject
}

async fn readings(shop: &Shop, subject: i64) -> usize {
    let keys = shop.keys(subject).await;
    keys.iter().filter(|key| key.starts_with("order:")).count()
}

#[tokio::test]
async fn an_order_stored_by_an_older_version_is_no_news_when_it_is_read_unchanged() {
    let shop = Shop::open().await;
    let subject = stored_at_version_1(&shop, &order("A", 2)).await;
    for minute in [2, 3] {
        let done = shop.pull("shop", &page(minute, vec![order("A", 2)])).await;
        assert_eq!((done.new_facts, done.unchanged), (0, 1), "minute {minute}");
    }
    assert_eq!(readings(&shop, subject).await, 1);
    assert_eq!(shop.planned_for(subject).await, None, "nothing to plan");
    // The head is one of this version now, and asks for the old body no more.
    let head = "SELECT fact_version::bigint FROM latest_observations";
    assert_eq!(
        shop.number(head).await,
        i64::from(FactBody::version_of("order").unwrap())
    );
}

#[tokio::test]
async fn an_order_stored_by_an_older_version_is_news_when_something_changed() {
    let shop = Shop::open().await;
    let subject = stored_at_version_1(&shop, &order("A", 2)).await;
    let done = shop.pull("shop", &page(2, vec![order("A", 3)])).await;
    assert_eq!((done.new_facts, done.unchanged), (1, 0));
    assert_eq!(readings(&shop, subject).await, 2);
    assert!(shop.planned_for(subject).await.is_some());
}

/// What the older version could not store is new input once it is told, and once only.
#[tokio::test]
async fn a_field_the_older_version_did_not_know_is_news_once_when_it_says_something() {
    let shop = Shop::open().await;
    let subject = stored_at_version_1(&shop, &order("A", 2)).await;
    let mut tagged = order("A", 2);
    tagged.fact.order.tags = vec!["gift".to_owned()];
    let done = shop.pull("shop", &page(2, vec![tagged.clone()])).await;
    assert_eq!((done.new_facts, done.unchanged), (1, 0));
    let done = shop.pull("shop", &page(3, vec![tagged])).await;
    assert_eq!((done.new_facts, done.unchanged), (0, 1));
    assert_eq!(readings(&shop, subject).await, 2);
}
