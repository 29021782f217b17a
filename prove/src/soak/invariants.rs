//! What must hold in the database whatever happened, and what it must say of each order's money.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use chrono::DateTime;
use hikiate::demo::evidence::{Evidence, Pay};
use sqlx::PgPool;

use super::stage::Window;

/// What is wrong, and the statement that finds it: one text a row.
const STATEMENTS: [(&str, &str); 14] = [
    (
        "reserved is not the sum of the reservations",
        "SELECT d.id::text FROM demands d LEFT JOIN (SELECT demand_id, sum(qty) AS qty FROM reservations GROUP BY demand_id) r ON r.demand_id = d.id
         WHERE d.reserved_qty <> coalesce(r.qty, 0)",
    ),
    (
        "more is reserved and shipped than required",
        "SELECT d.id::text FROM demands d JOIN subjects s ON s.id = d.subject_id WHERE d.reserved_qty > 0 AND d.reserved_qty + d.shipped_qty > d.required_qty",
    ),
    (
        "more is reserved than is on hand",
        "SELECT i.code || ' in ' || l.slug FROM stock_levels s JOIN items i ON i.id = s.item_id JOIN locations l ON l.id = s.location_id
         WHERE hk_on_hand(s.item_id, s.location_id)
           < coalesce((SELECT sum(v.qty) FROM reservations v WHERE v.item_id = s.item_id AND v.location_id = s.location_id), 0)",
    ),
    (
        "still in the queue",
        "SELECT f.key || ' (' || e.state || ', ' || e.attempts || ' tries, ' || coalesce(e.error, 'no error') || ')' FROM effects e JOIN facts f ON f.id = e.intent_id",
    ),
    (
        "an intent of two subjects",
        "SELECT key FROM facts WHERE class = 'intent' AND key NOT LIKE 'instruct:%' GROUP BY key HAVING count(*) > 1",
    ),
    (
        "a shipment instructed for two orders",
        "SELECT reference FROM shipments GROUP BY reference HAVING count(DISTINCT subject_id) > 1",
    ),
    (
        "an intent that has no outcome and is not in the queue",
        "SELECT f.key FROM facts f WHERE f.class = 'intent' AND NOT EXISTS (SELECT FROM effects e WHERE e.intent_id = f.id)
         AND NOT EXISTS (SELECT FROM facts o WHERE o.subject_id = f.subject_id AND o.class = 'outcome' AND starts_with(o.key, f.key || ':'))",
    ),
    (
        "an order that is due and not planned, or fails to be",
        "SELECT number || ' (' || plan_fails || ' failures)' FROM subjects
         WHERE plan_fails > 0 OR (kind <> 'deposit' AND plan_at < (SELECT hk_now()) - interval '10 s')",
    ),
    (
        "an order that was mentioned and never fetched",
        "SELECT number FROM subjects WHERE kind = 'order' AND origin = 'placeholder'",
    ),
    (
        "a sealed batch that is not done",
        "SELECT s.number FROM batches b JOIN subjects s ON s.id = b.subject_id WHERE b.state = 'sealed'",
    ),
    (
        "revenue in no batch",
        "SELECT s.number || ' ' || r.key FROM revenue_events r JOIN subjects s ON s.id = r.subject_id WHERE r.batch_id IS NULL",
    ),
    (
        "a shipment sealed after its order was ended",
        "SELECT s.number || ' ' || m.key FROM facts e JOIN subjects s ON s.id = e.subject_id JOIN facts m ON m.subject_id = e.subject_id
         WHERE e.kind = 'ended' AND m.class = 'intent' AND m.key LIKE 'instruct:%' AND m.id > e.id
           -- Sealed before, in a window that was lost, and found at the warehouse again.
           AND NOT EXISTS (SELECT FROM facts o WHERE o.subject_id = m.subject_id AND starts_with(o.key, m.key || ':outcome:')
             AND o.body ->> 'message' = 'found at the warehouse after the database lost recent commits')",
    ),
    (
        "an account that an operator has paused, or shipping stopped",
        "SELECT a.slug FROM account_pauses p JOIN accounts a ON a.id = p.account_id UNION ALL SELECT id::text FROM shipping_stops WHERE lifted_at IS NULL",
    ),
    (
        "a stream that fails or a paused account",
        "SELECT a.slug || '/' || t.name || ': ' || coalesce(t.error, a.paused) FROM streams t JOIN accounts a ON a.id = t.account_id
         WHERE t.fails > 0 OR a.paused IS NOT NULL",
    ),
];

/// Everything that does not hold. After a lost `window` the database may have decided less than was done.
///
/// # Errors
/// The database's.
pub(super) async fn check(
    pool: &PgPool,
    evidence: &Evidence,
    window: bool,
) -> anyhow::Result<Vec<String>> {
    let mut wrong = Vec::new();
    for (what, statement) in STATEMENTS {
        let rows: Vec<String> = sqlx::query_scalar(statement)
            .fetch_all(pool)
            .await
            .with_context(|| format!("check: {what}"))?;
        wrong.extend(rows.into_iter().map(|row| format!("{what}: {row}")));
    }
    let intended: BTreeMap<String, i64> = sqlx::query_as(
        "SELECT s.number, sum(t.intended)::bigint FROM payments t JOIN subjects s ON s.id = t.subject_id GROUP BY s.number",
    )
    .fetch_all(pool)
    .await
    .context("read what was captured")?
    .into_iter()
    .collect();
    for order in &evidence.orders {
        let ours = intended.get(&order.number).copied().unwrap_or(0);
        // What was captured in a lost window is known from the shop alone.
        let at_shop = order.shop.captured - order.shop.captured_by_staff;
        // Staff may capture between our look-up and our call; what we then find stands as ours, and is there once.
        let staffs = order.shop.captured_by_staff > 0 && ours <= order.shop.captured;
        let right = ours == at_shop || (window && ours < at_shop) || staffs;
        if order.pay == Pay::Card && !order.shop.cancelled && !right {
            wrong.push(format!(
                "{}: hikiate captured {at_shop} yen at its shop, {ours} in the database",
                order.number
            ));
        }
    }
    Ok(wrong)
}

/// What the books say of orders that were cancelled at their shop after goods had left: it stays there until
/// an operator reverses it.
///
/// # Errors
/// The database's.
pub(super) async fn left_though_cancelled(
    pool: &PgPool,
    evidence: &Evidence,
) -> anyhow::Result<i64> {
    let numbers: Vec<String> = evidence
        .orders
        .iter()
        .filter(|order| order.shop.cancelled)
        .map(|order| order.number.clone())
        .collect();
    sqlx::query_scalar(
        "SELECT coalesce(sum(r.gross), 0)::bigint FROM revenue_events r JOIN subjects s ON s.id = r.subject_id
         WHERE s.number = ANY($1) AND r.batch_id IS NOT NULL",
    )
    .bind(numbers)
    .fetch_one(pool)
    .await
    .context("read what was booked of cancelled orders")
}

/// Orders of which a shipment was sealed after the shop had been read with goods that staff shipped by hand: they ship all
/// that is open. After a lost window only what was read since then counts.
///
/// # Errors
/// The database's.
pub(super) async fn sealed_though_shipped(
    pool: &PgPool,
    windows: &[Window],
) -> anyhow::Result<BTreeSet<String>> {
    let since = windows.iter().map(|window| window.until).max();
    let since = since.unwrap_or(DateTime::UNIX_EPOCH);
    let numbers: Vec<String> = sqlx::query_scalar(
        "SELECT s.number FROM subjects s JOIN LATERAL (SELECT min(o.id) AS id, min(o.recorded_at) AS at FROM facts o WHERE o.subject_id = s.id AND o.kind = 'order'
             AND jsonb_path_exists(o.body, '$.order.fulfilments[*] ? (@.reference == null && @.shipped_at != null)')) shown ON shown.at > $1
         WHERE EXISTS (SELECT FROM facts m WHERE m.subject_id = s.id AND m.class = 'intent' AND m.key LIKE 'instruct:%' AND m.id > shown.id)",
    )
    .bind(since)
    .fetch_all(pool)
    .await
    .context("check what was sealed too late")?;
    Ok(numbers.into_iter().collect())
}
