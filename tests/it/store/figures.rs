//! What the metrics tell of the database.

use hikiate::store::{MoneyFigures, QueueFigures, WaveFigures};

use crate::support::shop::{Shop, order, page};

#[tokio::test]
async fn figures_say_what_waits_and_for_how_long() {
    let shop = Shop::open().await;
    let quiet = shop.store().figures().await.unwrap();
    assert_eq!((quiet.plan_seconds, quiet.orders["shipped"]), (0, 0));
    let tokyo = |open, overdue| {
        vec![WaveFigures {
            warehouse: "tokyo".to_owned(),
            open,
            overdue,
        }]
    };
    assert_eq!(quiet.waves, tokyo(0, 0));

    shop.count("TEA", 5, 0).await;
    let subject = shop.shipped("A").await;
    shop.clock(1).await;
    shop.pull("shop", &page(1, vec![order("B", 1)])).await;
    shop.clock(11).await;
    let figures = shop.store().figures().await.unwrap();
    assert_eq!(figures.plan_seconds, 600);
    assert_eq!(
        (figures.orders["shipped"], figures.orders["received"]),
        (1, 1),
        "{figures:?}"
    );
    let queues = shop.store().queue_figures().await.unwrap();
    let queue = |account: &str, queued, due_seconds| QueueFigures {
        account: account.to_owned(),
        queued,
        due_seconds,
        ..QueueFigures::default()
    };
    assert_eq!(queues, [queue("shop", 1, 660), queue("wms", 0, 0)]);

    sqlx::query(
        "INSERT INTO revenue_events (subject_id, key, business_date, channel_id, payment, currency, tax_rate_bp, gross, tax, recorded_at)
         SELECT $1, 'k', '2026-11-21', account_id, 'card', 'JPY', 1000, 1000, 91, hk_now() FROM subjects WHERE id = $1",
    )
    .bind(subject)
    .execute(shop.pool())
    .await
    .unwrap();
    sqlx::query("UPDATE payments SET captured = 600 WHERE subject_id = $1")
        .bind(subject)
        .execute(shop.pool())
        .await
        .unwrap();
    let slow = shop.store().slow_figures().await.unwrap();
    assert_eq!(slow.stock, [("tokyo".to_owned(), 660)]);
    let yen = MoneyFigures {
        currency: "JPY".to_owned(),
        owed: 1_000,
        captured: 600,
    };
    assert_eq!(slow.money, [yen]);

    let wave = "INSERT INTO subjects (kind, account_id, external_id, number, created_at)
        SELECT 'batch', account_id, 'w', 'HB1', hk_now() FROM locations;
      INSERT INTO batches (subject_id, account_id, location_id, kind, period, batch_no, seal_at)
        SELECT s.id, l.account_id, l.id, 'instruct', '20261121', 1, hk_now() - interval '6 minutes' FROM subjects s, locations l WHERE s.number = 'HB1'";
    sqlx::raw_sql(wave).execute(shop.pool()).await.unwrap();
    let figures = shop.store().figures().await.unwrap();
    assert_eq!(figures.waves, tokyo(1, 1));
}
