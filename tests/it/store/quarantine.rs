//! Records that could not be understood: kept once, seen while they matter, gone when they can be read.

use hikiate::store::{IncomingBad, IncomingPage};

use crate::support::shop::{Shop, order, page};

fn bad(raw: &str) -> IncomingPage {
    let mut told = page(0, Vec::new());
    told.bad.push(IncomingBad {
        external_id: Some("A".to_owned()),
        reason: "total is not a number".to_owned(),
        raw: raw.as_bytes().to_vec(),
    });
    told
}

#[tokio::test]
async fn the_same_bytes_are_one_row() {
    let shop = Shop::open().await;
    for _ in 0..3 {
        shop.pull("shop", &bad("one")).await;
    }
    shop.pull("shop", &bad("two")).await;
    let rows = shop.store().list_quarantine().await.unwrap();
    let seen: Vec<i32> = rows.iter().map(|row| row.seen).collect();
    assert_eq!(seen, [3, 1]);
    assert_eq!(
        shop.store().quarantined(rows[0].id).await.unwrap().1,
        b"one"
    );
    let tasks = shop.store().list_tasks().await.unwrap();
    let lines: Vec<_> = tasks
        .iter()
        .flat_map(|task| &task.actions)
        .map(|action| &action.line)
        .collect();
    let typed = |row: usize, word: &str| format!("hikiate quarantine {word} {}", rows[row].id);
    assert_eq!(
        lines,
        [
            &typed(0, "show"),
            &typed(0, "retry"),
            &typed(1, "show"),
            &typed(1, "retry")
        ]
    );
}

#[tokio::test]
async fn an_order_that_can_be_read_is_out_and_comes_back_when_it_can_not() {
    let shop = Shop::open().await;
    shop.pull("shop", &bad("one")).await;
    shop.pull("shop", &page(1, vec![order("A", 1)])).await;
    assert!(shop.store().list_quarantine().await.unwrap().is_empty());
    assert!(shop.store().list_tasks().await.unwrap().is_empty());
    shop.pull("shop", &bad("one")).await;
    let rows = shop.store().list_quarantine().await.unwrap();
    assert_eq!(rows.len(), 1, "unreadable again, in the very same bytes");
}

#[tokio::test]
async fn a_retry_asks_for_the_order_and_the_answer_settles_it() {
    let shop = Shop::open().await;
    shop.pull("shop", &bad("one")).await;
    let id = shop.store().list_quarantine().await.unwrap()[0].id;
    shop.store()
        .retry_quarantined(&shop.engine.directory, id)
        .await
        .unwrap();
    let owned = shop.owned("shop").await;
    let (due, asked_at) = shop.store().due_reads(owned.id, 10).await.unwrap();
    assert_eq!(due, ["A".into()]);
    let mut read = page(0, vec![order("A", 1)]);
    read.asked_at = asked_at;
    shop.store().ingest_read(&owned, &due, &read).await.unwrap();
    assert!(shop.store().list_quarantine().await.unwrap().is_empty());
    assert!(
        shop.store()
            .due_reads(owned.id, 10)
            .await
            .unwrap()
            .0
            .is_empty()
    );
    let again = shop
        .store()
        .retry_quarantined(&shop.engine.directory, id)
        .await;
    assert!(
        again
            .unwrap_err()
            .to_string()
            .contains("out of quarantine already")
    );
}
