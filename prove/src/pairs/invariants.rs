//! What must hold whatever happened, and everything that a history leaves behind, told without row ids.

use sqlx::PgPool;

/// Queries that must find nothing.
const NEVER: &[(&str, &str)] = &[
    (
        "reserved of a demand is not the sum of its reservations",
        "SELECT d.id::text FROM demands d WHERE d.reserved_qty <> (SELECT coalesce(sum(r.qty), 0) FROM reservations r WHERE r.demand_id = d.id)",
    ),
    (
        "an order and account have two calls in the queue",
        "SELECT subject_id || '/' || account_id FROM effects WHERE state <> 'unresolved' GROUP BY subject_id, account_id HAVING count(*) > 1",
    ),
    (
        "a call is in the queue although its outcome is known",
        "SELECT i.key FROM effects e JOIN facts i ON i.id = e.intent_id JOIN facts o ON o.subject_id = i.subject_id
         WHERE o.class = 'outcome' AND o.key LIKE i.key || ':outcome:%' AND o.key NOT LIKE '%:accepted'",
    ),
    (
        "an intent is neither in the queue nor has an outcome",
        "SELECT i.key FROM facts i WHERE i.class = 'intent' AND NOT EXISTS (SELECT FROM effects e WHERE e.intent_id = i.id)
           AND NOT EXISTS (SELECT FROM facts o WHERE o.subject_id = i.subject_id AND o.key LIKE i.key || ':outcome:%')",
    ),
    (
        "a call has two outcomes",
        "SELECT i.key FROM facts i JOIN facts o ON o.subject_id = i.subject_id AND o.key LIKE i.key || ':outcome:%'
         WHERE i.class = 'intent' AND o.key NOT LIKE '%:accepted' GROUP BY i.id, i.key HAVING count(*) > 1",
    ),
    (
        "a head is not the newest of its series",
        "SELECT h.subject_id || ':' || h.kind || ':' || h.series FROM latest_observations h WHERE NOT EXISTS (
           SELECT FROM facts f WHERE f.subject_id = h.subject_id AND f.key = h.kind || ':' || h.series || ':' || h.revision)
           OR EXISTS (SELECT FROM facts f WHERE f.subject_id = h.subject_id AND f.key = h.kind || ':' || h.series || ':' || (h.revision + 1))",
    ),
    (
        "a purged order has an address, raw bytes or what was said of it",
        "SELECT s.external_id FROM subjects s WHERE s.purged_at IS NOT NULL
           AND (EXISTS (SELECT FROM personal p WHERE p.subject_id = s.id) OR EXISTS (SELECT FROM raw_payloads r WHERE r.subject_id = s.id)
             OR EXISTS (SELECT FROM fact_words w WHERE w.subject_id = s.id))",
    ),
    (
        "an open order has lost its address",
        "SELECT s.external_id FROM subjects s WHERE s.kind = 'order' AND s.origin <> 'placeholder' AND s.closed_at IS NULL AND s.purged_at IS NULL
           AND NOT EXISTS (SELECT FROM personal p WHERE p.subject_id = s.id)",
    ),
];

/// What must hold once everything is planned and allocated.
const AT_REST: &[(&str, &str)] = &[
    (
        "more is reserved than is on hand",
        "SELECT s.item_id || '@' || s.location_id FROM stock_levels s WHERE
           (SELECT coalesce(sum(r.qty), 0) FROM reservations r JOIN demands d ON d.id = r.demand_id WHERE r.item_id = s.item_id AND r.location_id = s.location_id
              AND NOT EXISTS (SELECT FROM shipment_demands sd JOIN shipments h ON h.id = sd.shipment_id WHERE sd.demand_id = d.id AND h.state = 'instructed'))
           > greatest(0, hk_on_hand(s.item_id, s.location_id))",
    ),
    ("an allocation request was not processed", "SELECT id::text FROM allocation_requests"),
];

/// Everything that a history leaves, a line a row, in an order of its own.
const ALL: &str = "
SELECT line FROM (
  SELECT 'order ' || s.external_id || ' ' || jsonb_build_array(s.kind, s.origin, s.status, s.blocked_by, s.plan_at, s.plan_class, s.plan_fails, (SELECT r.due_at FROM reads r WHERE r.account_id = s.account_id AND r.kind = s.kind AND r.external_id = s.external_id), s.closed_at IS NOT NULL, s.purged_at IS NOT NULL)::text AS line FROM subjects s
  UNION ALL SELECT 'fact ' || s.external_id || ' ' || regexp_replace(f.key, 'evidence:[0-9]+', 'evidence') || ' ' || f.class || ' ' || f.actor || ' ' || f.body::text FROM facts f JOIN subjects s ON s.id = f.subject_id
  UNION ALL SELECT 'said ' || s.external_id || ' ' || w.key || ' ' || w.words FROM fact_words w JOIN subjects s ON s.id = w.subject_id
  UNION ALL SELECT 'head ' || s.external_id || ' ' || h.kind || ':' || h.series || ' ' || h.revision || ' ' || encode(h.hash, 'hex') || ' ' || h.requested_at::text FROM latest_observations h JOIN subjects s ON s.id = h.subject_id
  UNION ALL SELECT 'call ' || f.key || ' ' || jsonb_build_array(e.account_id, e.op, e.lane, e.state, e.due_at, e.attempts, e.sends, e.lookups, e.not_found, e.outcome_unknown, e.body, e.label, e.error, e.token IS NOT NULL)::text FROM effects e JOIN facts f ON f.id = e.intent_id
  UNION ALL SELECT 'task ' || s.external_id || ' ' || k.kind || ' ' || k.detail FROM tasks k JOIN subjects s ON s.id = k.subject_id
  UNION ALL SELECT 'demand ' || s.external_id || ' ' || jsonb_build_array(d.line_key, i.code, d.required_qty, d.shipped_qty, d.reserved_qty, d.firm)::text FROM demands d JOIN subjects s ON s.id = d.subject_id JOIN items i ON i.id = d.item_id
  UNION ALL SELECT 'reserved ' || s.external_id || ' ' || jsonb_build_array(d.line_key, r.location_id, r.qty, r.firm)::text FROM reservations r JOIN demands d ON d.id = r.demand_id JOIN subjects s ON s.id = d.subject_id
  UNION ALL SELECT 'shipment ' || reference || ' ' || state FROM shipments
  UNION ALL SELECT 'stock ' || i.code || ' ' || jsonb_build_array(s.location_id, s.code, s.counted_qty, s.counted_at)::text FROM stock s JOIN items i ON i.id = s.item_id
  UNION ALL SELECT 'movement ' || i.code || ' ' || jsonb_build_array(e.cause, e.qty, e.effective_at)::text FROM stock_movements e JOIN items i ON i.id = e.item_id
  UNION ALL SELECT 'payment ' || s.external_id || ' ' || jsonb_build_array(t.payment, t.ceiling, t.intended)::text FROM payments t JOIN subjects s ON s.id = t.subject_id
  UNION ALL SELECT 'revenue ' || s.external_id || ' ' || r.key || ' ' || r.gross FROM revenue_events r JOIN subjects s ON s.id = r.subject_id
  UNION ALL SELECT 'stream ' || account_id || ' ' || name || ' ' || jsonb_build_array(cursor, seq, ack, error)::text FROM streams
  UNION ALL SELECT 'account ' || slug || ' ' || jsonb_build_array(owner, paused, send_seq)::text FROM accounts
  UNION ALL SELECT 'person ' || s.external_id || ' ' || p.version || ' ' || p.body::text FROM personal p JOIN subjects s ON s.id = p.subject_id
  UNION ALL SELECT 'raw ' || s.external_id || ' ' || r.key || ' ' || encode(r.body, 'hex') FROM raw_payloads r JOIN subjects s ON s.id = r.subject_id
  UNION ALL SELECT 'bad ' || q.stream || ' ' || q.seen || ' ' || (q.resolved_at IS NULL) FROM quarantine q
) AS lines ORDER BY line";

/// Everything that is there.
pub(super) async fn dump(pool: &PgPool) -> Vec<String> {
    sqlx::query_scalar(ALL).fetch_all(pool).await.unwrap()
}

/// What is wrong, if anything.
pub(super) async fn wrong(pool: &PgPool, at_rest: bool) -> Option<String> {
    let rest = if at_rest { AT_REST } else { &[] };
    for (what, sql) in NEVER.iter().chain(rest) {
        let found: Vec<String> = sqlx::query_scalar(*sql).fetch_all(pool).await.unwrap();
        if let Some(first) = found.first() {
            return Some(format!("{what}: {first}"));
        }
    }
    None
}

/// A call that a deed says it may send, and that is booked as taken back.
pub(super) async fn sent_and_taken_back(pool: &PgPool, said: &str) -> Option<String> {
    let (_, sent) = said.split_once(", sent ")?;
    let keys: Vec<String> = sent
        .split_whitespace()
        .map(|key| format!("{key}:outcome:withdrawn"))
        .collect();
    let found: Option<String> = sqlx::query_scalar("SELECT key FROM facts WHERE key = ANY($1)")
        .bind(keys)
        .fetch_optional(pool)
        .await
        .unwrap();
    found.map(|key| format!("it was sent and withdrawn: {key}"))
}

/// Where two histories differ, a few lines of it.
pub(super) fn difference(got: &[String], expected: &[String]) -> String {
    let only = |a: &[String], b: &[String], sign: char| -> Vec<String> {
        a.iter()
            .filter(|line| !b.contains(line))
            .map(|line| {
                let cut: String = line.chars().take(200).collect();
                format!("  {sign} {cut}")
            })
            .collect()
    };
    let mut lines = only(got, expected, '+');
    lines.extend(only(expected, got, '-'));
    lines.truncate(12);
    lines.join("\n")
}
