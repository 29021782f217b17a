//! Pages: all of one or nothing of it, and what is known already is not stored again.

use hikiate::daemon::{batch_step, plan_step};
use hikiate::store::{IncomingBad, Source, StoreError};
use hikiate_sdk::{BadRecord, Kind};
use serde_json::json;

use crate::support::shop::{STREAM, Shop, after, at, in_file, order, page, parcel};

#[tokio::test]
async fn the_same_page_twice_is_nothing_new() {
    let shop = Shop::open().await;
    shop.count("TEA", 5, 0).await;
    let told = page(0, vec![order("A", 1), order("B", 2)]);
    let first = shop.pull("shop", &told).await;
    assert_eq!((first.new_facts, first.unchanged), (2, 0));
    shop.settle().await;
    let second = shop.pull("shop", &told).await;
    assert_eq!((second.new_facts, second.unchanged), (0, 2));
    let subject = shop.subject("A").await;
    let again = shop.planned_for(subject).await;
    assert!(again.is_none_or(|next| next > at(0)), "nothing to plan now");
    let keys = shop.keys(subject).await;
    assert_eq!(
        keys.iter().filter(|key| key.starts_with("order:")).count(),
        1
    );
}

#[tokio::test]
async fn an_order_twice_in_a_page_is_two_readings_in_the_external_system_s_order() {
    let shop = Shop::open().await;
    let done = shop
        .pull(
            "shop",
            &page(0, vec![order("A", 1), order("A", 2), order("A", 2)]),
        )
        .await;
    assert_eq!((done.new_facts, done.unchanged), (2, 1));
    let totals =
        "SELECT sum((body #>> '{order,total}')::bigint)::bigint FROM facts WHERE kind = 'order'";
    assert_eq!(shop.number(totals).await, 3_000);
}

#[tokio::test]
async fn a_lost_lease_stores_nothing_of_a_page() {
    let shop = Shop::open().await;
    let owned = shop.owned("shop").await;
    shop.clock(2).await;
    let told = page(0, vec![order("A", 1)]);
    let lost = shop
        .store()
        .ingest(&owned, STREAM, 0, &told, &after(1))
        .await;
    assert!(matches!(lost, Err(StoreError::LostLease(_))), "{lost:?}");
    let read = shop
        .store()
        .ingest_read(&owned, Kind::Order, &["A".into()], &told)
        .await;
    assert!(matches!(read, Err(StoreError::LostLease(_))), "{read:?}");
    assert_eq!(shop.number("SELECT count(*) FROM subjects").await, 0);
    assert_eq!(shop.seq("shop").await, 0);
}

#[tokio::test]
async fn a_record_that_the_database_refuses_is_kept_apart_and_its_neighbours_go_on() {
    let shop = Shop::open().await;
    shop.pull("shop", &page(0, vec![order("A", 1)])).await;
    // A number that another order has.
    let mut twin = order("B", 1);
    twin.number = order("A", 1).number;
    let mut huge = order("D", 1);
    // Longer than an index takes, and nothing that it could shorten.
    let long: String = (1..800_u32)
        .map(|n| format!("{:x}", n.wrapping_mul(2_654_435_761)))
        .collect();
    huge.external_id = long.into();
    let stored = shop
        .try_pull("shop", &page(1, vec![twin, huge, order("C", 1)]))
        .await
        .unwrap();
    assert_eq!((stored.new_facts, stored.quarantined), (1, 2));
    assert_eq!(shop.seq("shop").await, 2, "the cursor has moved");
    assert_eq!(shop.number("SELECT count(*) FROM subjects").await, 2);
    let kept = shop.store().list_quarantine().await.unwrap();
    assert!(
        kept.iter().all(|row| row
            .reason
            .contains("the database does not take this record")),
        "{kept:?}"
    );
    let raw = shop.store().quarantined(kept[0].id).await.unwrap().raw;
    assert_eq!(raw, b"order B", "its bytes are kept");
    shop.pull("shop", &page(2, vec![order("B", 1)])).await;
    assert_eq!(
        shop.store().list_quarantine().await.unwrap().len(),
        1,
        "understood since"
    );
}

#[tokio::test]
async fn external_system_text_of_any_kind_is_kept_or_kept_apart() {
    let shop = Shop::open().await;
    let mut nul = order("N", 1);
    nul.fact.order.display = "a\0b".to_owned();
    let mut bad = page(1, vec![nul, order("C", 1)]);
    let name = "x,1\r\n".repeat(2_000);
    let source = Source {
        raw: vec![0; 10],
        file: Some(in_file("jisseki\u{1}.csv", 1)),
    };
    let record =
        BadRecord::new(Some(name.as_str().into()), "swallowed \0 rows").of_part(name.as_str());
    bad.bad.push(IncomingBad::new(record, source));
    let stored = shop.try_pull("shop", &bad).await.unwrap();
    assert_eq!((stored.new_facts, stored.quarantined), (1, 2));
    assert_eq!(shop.store().list_tasks().await.unwrap().len(), 2);
}

/// A source that consumes what it hands out is told after the commit, and told again until it has been.
#[tokio::test]
async fn an_acknowledgement_waits_in_the_stream_s_row() {
    let shop = Shop::open().await;
    let (owned, id) = (shop.owned("wms").await, shop.account("wms"));
    let next = hikiate::store::StreamAfter {
        ack: Some(json!(["a.csv"])),
        ..after(1)
    };
    shop.store()
        .ingest(&owned, STREAM, 0, &page(0, Vec::new()), &next)
        .await
        .unwrap();
    let due = shop.store().due_pulls(id, &[]).await.unwrap().streams;
    assert_eq!(due[0].ack, Some(json!(["a.csv"])));
    shop.store()
        .acknowledged(id, STREAM, &json!(["other.csv"]))
        .await
        .unwrap();
    assert_eq!(
        shop.store().due_pulls(id, &[]).await.unwrap().streams[0].ack,
        Some(json!(["a.csv"]))
    );
    shop.store()
        .acknowledged(id, STREAM, &json!(["a.csv"]))
        .await
        .unwrap();
    assert_eq!(
        shop.store().due_pulls(id, &[]).await.unwrap().streams[0].ack,
        None
    );
}

/// Something asked for a reading after this one had been sent for: the order stays due to be read.
#[tokio::test]
async fn an_answer_does_not_settle_a_later_question() {
    let shop = Shop::open().await;
    shop.pull("shop", &page(0, vec![order("A", 1)])).await;
    let subject = shop.subject("A").await;
    let owned = shop.owned("shop").await;
    shop.clock(7).await;
    shop.store()
        .read_soon(owned.id, Kind::Order, &["A".into()], "hook")
        .await
        .unwrap();
    shop.settle().await;
    let planned = shop.planned_for(subject).await;
    shop.clock(8).await;
    let owned_now = shop.owned("shop").await;
    assert_ne!(owned, owned_now, "the lease had run out");
    shop.store()
        .ingest_read(
            &owned_now,
            Kind::Order,
            &["A".into()],
            &page(6, vec![order("A", 1)]),
        )
        .await
        .unwrap();
    let (due, requested_at) = shop
        .store()
        .due_reads(owned_now.id, Kind::Order, 10)
        .await
        .unwrap();
    assert_eq!(due, ["A".into()]);
    shop.store()
        .ingest_read(
            &owned_now,
            Kind::Order,
            &["A".into()],
            &page(8, vec![order("A", 1)]),
        )
        .await
        .unwrap();
    assert_eq!(requested_at, at(8));
    assert!(
        shop.store()
            .due_reads(owned_now.id, Kind::Order, 10)
            .await
            .unwrap()
            .0
            .is_empty()
    );
    assert_eq!(
        shop.planned_for(subject).await,
        planned,
        "what brings nothing new is not planned"
    );
}

/// A batch with new input is the batches' step's, and keeps no order from being planned.
#[tokio::test]
async fn a_batch_that_is_due_does_not_keep_orders_waiting() {
    let shop = Shop::open().await;
    shop.count("TEA", 5, 0).await;
    shop.pull("shop", &page(0, vec![order("A", 1)])).await;
    shop.settle().await;
    sqlx::raw_sql(
        "INSERT INTO subjects (kind, account_id, external_id, number, created_at, plan_at, plan_class)
           SELECT 'batch', id, 'b', 'HB1', now(), (SELECT hk_now()), 0 FROM accounts WHERE slug = 'wms';
         INSERT INTO batches (subject_id, account_id, kind, period, batch_no, seal_at)
           SELECT id, account_id, 'instruct', 'p', 1, now() FROM subjects WHERE number = 'HB1'",
    )
    .execute(shop.pool())
    .await
    .unwrap();
    let subject = shop.subject("A").await;
    sqlx::query("UPDATE subjects SET plan_at = (SELECT hk_now()), plan_class = 2 WHERE id = $1")
        .bind(subject)
        .execute(shop.pool())
        .await
        .unwrap();
    assert_eq!(plan_step(&shop.engine).await.unwrap(), 1);
    assert_eq!(shop.planned_for(subject).await, None);
    assert_eq!(batch_step(&shop.engine).await.unwrap(), 1);
    assert_eq!(batch_step(&shop.engine).await.unwrap(), 0);
}

#[tokio::test]
async fn a_fact_about_a_shipment_nobody_made_is_kept_apart_and_its_neighbours_go_on() {
    let shop = Shop::open().await;
    let mut told = page(0, vec![]);
    told.facts.push(parcel("HK0-S1", 1, 0));
    let counted = shop.counted("TEA", 5, 0);
    told.stock = counted.stock;
    let done = shop.pull("wms", &told).await;
    assert_eq!((done.new_facts, done.quarantined), (0, 1));
    assert_eq!(
        shop.store().list_stock(Some("TEA")).await.unwrap()[0].on_hand,
        5
    );
}

#[tokio::test]
async fn an_order_whose_code_a_warehouse_reports_later_is_planned_again() {
    let shop = Shop::open().await;
    shop.pull("shop", &page(0, vec![order("A", 1)])).await;
    shop.settle().await;
    let subject = shop.subject("A").await;
    assert_eq!(shop.status(subject).await, "unallocated");
    shop.count("TEA", 5, 1).await;
    shop.clock(10).await;
    shop.settle().await;
    assert_eq!(shop.status(subject).await, "allocated");
}
