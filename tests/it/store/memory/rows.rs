//! What happens to the rows between two plans, and their comparison with the rows in memory.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use hikiate::facts::FactBody;
use hikiate::plan::memory::Memory;
use hikiate::plan::types::{DemandState, EffectState, OrderInput, ShipmentStage};
use sqlx::{Postgres, Transaction};

use super::input;
use crate::support::shop::{Shop, at, today};

/// Reserves for a demand, as the allocation does.
pub(super) async fn reserve(
    tx: &mut Transaction<'_, Postgres>,
    shop: &Shop,
    row: &DemandState,
    place: &str,
    (quantity, firm): (u32, bool),
) {
    let location = shop.engine.directory.location(place).unwrap().id;
    let delete = "DELETE FROM reservations WHERE demand_id = $1 AND location_id = $2";
    let gone = sqlx::query(delete).bind(row.id).bind(location);
    gone.execute(&mut **tx).await.unwrap();
    let insert = "INSERT INTO reservations (demand_id, location_id, item_id, qty, firm) SELECT $1, $2, $3, $4, $5 WHERE $4 > 0";
    let put = sqlx::query(insert).bind(row.id).bind(location);
    let put = put.bind(row.item_id).bind(quantity as i32).bind(firm);
    put.execute(&mut **tx).await.unwrap();
    let sum = "UPDATE demands SET reserved_qty = coalesce((SELECT sum(qty) FROM reservations WHERE demand_id = id), 0) WHERE id = $1";
    let sum = sqlx::query(sum).bind(row.id);
    sum.execute(&mut **tx).await.unwrap();
}

/// An effect is claimed, sent, or in the dark.
pub(super) async fn advance(
    tx: &mut Transaction<'_, Postgres>,
    id: i64,
    state: EffectState,
    outcome_unknown: bool,
) {
    let word = match state {
        EffectState::Planned => "planned",
        EffectState::Leased => "leased",
        EffectState::Sending => "sending",
        EffectState::Unresolved => "unresolved",
    };
    sqlx::query(
        "UPDATE effects SET state = $2, outcome_unknown = $3, token = 1, lease_until = due_at, body = 'x' WHERE id = $1",
    )
    .bind(id)
    .bind(word)
    .bind(outcome_unknown)
    .execute(&mut **tx)
    .await
    .unwrap();
}

/// An operator decides something.
pub(super) async fn fact(
    tx: &mut Transaction<'_, Postgres>,
    subject: i64,
    key: &str,
    body: &FactBody,
    minute: i64,
) {
    sqlx::query(
        "INSERT INTO facts (subject_id, key, class, kind, version, body, happened_at, reported_at, recorded_at, business_date, actor)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $7, $8, 'operator')",
    )
    .bind(subject)
    .bind(key)
    .bind(body.class().as_str())
    .bind(body.kind())
    .bind(body.version())
    .bind(body.to_json().unwrap())
    .bind(at(minute))
    .bind(today())
    .execute(&mut **tx)
    .await
    .unwrap();
}

/// Row ids are the database's own; what is reserved has no order.
fn without_ids(input: &OrderInput) -> OrderInput {
    let mut input = input.clone();
    input.facts.iter_mut().for_each(|fact| fact.id = 0);
    input.queue.iter_mut().for_each(|row| row.id = 0);
    for row in &mut input.demands {
        row.id = 0;
        row.reserved.sort();
    }
    input
}

fn stage(state: ShipmentStage) -> &'static str {
    match state {
        ShipmentStage::Waiting => "waiting",
        ShipmentStage::Instructed => "instructed",
        ShipmentStage::Cancelled => "cancelled",
        ShipmentStage::Rejected => "rejected",
        ShipmentStage::Shipped => "shipped",
    }
}

fn second(at: Option<DateTime<Utc>>) -> String {
    at.map_or("-".to_owned(), |at| at.timestamp().to_string())
}

/// The rows of an order beside those that planning reads, as text, each with its table.
const ROWS: &str = "SELECT concat_ws(' ', 'subject', status, coalesce(blocked_by, '-'), coalesce(extract(epoch FROM plan_at)::bigint::text, '-'),
    coalesce(extract(epoch FROM closed_at)::bigint::text, '-'), (SELECT count(*) FROM facts WHERE subject_id = s.id AND id <= planned_fact))
  FROM subjects s WHERE id = $1
  UNION ALL SELECT concat_ws(' ', 'demand', line_key, group_key, item_id, required_qty, shipped_qty, by_others, firm, reserved_qty, extract(epoch FROM promised_at)::bigint,
    extract(epoch FROM ordered_at)::bigint) FROM demands WHERE subject_id = $1
  UNION ALL SELECT concat_ws(' ', 'shipment', s.reference, a.slug, l.slug, s.state, extract(epoch FROM s.release_at)::bigint,
    (SELECT string_agg(concat_ws('x', d.line_key, sd.qty), ',' ORDER BY sd.demand_id) FROM shipment_demands sd JOIN demands d ON d.id = sd.demand_id
     WHERE sd.shipment_id = s.id))
  FROM shipments s JOIN accounts a ON a.id = s.account_id JOIN locations l ON l.id = s.location_id WHERE s.subject_id = $1
  UNION ALL SELECT concat_ws(' ', 'entry', e.cause, e.item_id, l.slug, e.qty, extract(epoch FROM e.effective_at)::bigint)
  FROM stock_movements e JOIN locations l ON l.id = e.location_id JOIN subjects s ON e.cause LIKE 'parcel:' || s.number || ':%' WHERE s.id = $1
  UNION ALL SELECT 'payment ' || payment || ' ' || ceiling || ' ' || intended || ' ' || captured || ' ' || to_refund || ' ' || refund_bound
  FROM payments WHERE subject_id = $1
  UNION ALL SELECT concat_ws(' ', 'task', kind, detail, coalesce(extract(epoch FROM due_at)::bigint::text, '-'), extract(epoch FROM since)::bigint,
    (SELECT string_agg(a #>> '{args,rule}', ',') FROM jsonb_array_elements(actions) AS a))
  FROM tasks WHERE subject_id = $1";

/// The same of the rows in memory.
fn own_rows(order: &Memory) -> Vec<String> {
    let facts = order.input.facts.iter();
    let dealt_with = facts.filter(|fact| fact.id <= order.planned_fact).count();
    let mut rows = vec![format!(
        "subject {} {} {} {} {dealt_with}",
        order.status.as_str(),
        order.blocked_by.as_deref().unwrap_or("-"),
        second(order.plan_at),
        second(order.closed_at),
    )];
    let states: BTreeMap<i64, _> = order.input.demands.iter().map(|d| (d.id, d)).collect();
    for (id, row) in &order.demands {
        let reserved: u32 = states[id].reserved.iter().map(|held| held.1).sum();
        let firm = if row.firm { "t" } else { "f" };
        let (promised, ordered) = (row.promised_at.timestamp(), row.ordered_at.timestamp());
        rows.push(format!(
            "demand {} {} {} {} {} {} {firm} {reserved} {promised} {ordered}",
            row.line, row.group, row.item_id, row.wanted, row.shipped, row.by_others
        ));
    }
    for row in &order.input.shipments {
        let created = &order.shipments[row.reference.as_str()];
        let line = |(id, units): &(i64, u32)| format!("{}x{units}", states[id].line);
        let lines: Vec<String> = created.lines.iter().map(line).collect();
        rows.push(format!(
            "shipment {} {} {} {} {} {}",
            row.reference,
            created.account,
            created.warehouse,
            stage(row.state),
            created.release_at.timestamp(),
            lines.join(",")
        ));
    }
    for row in order.entries.values() {
        let when = row.effective_at.timestamp();
        rows.push(format!(
            "entry {} {} {} {} {when}",
            row.cause, row.item_id, row.warehouse, row.quantity
        ));
    }
    for (payment, bound) in order.payments() {
        rows.push(format!(
            "payment {payment} {} {} {} {} {}",
            bound.ceiling, bound.intended, bound.captured, bound.to_refund, bound.refund_bound
        ));
    }
    for task in order.tasks.values() {
        let (due, since) = (second(task.row.due), task.since.timestamp());
        let mut row = format!("task {} {} {due} {since}", task.row.kind, task.row.detail);
        for action in &task.row.actions {
            let action = serde_json::to_value(action).unwrap();
            row += &format!(" {}", action["args"]["rule"].as_str().unwrap());
        }
        rows.push(row);
    }
    rows.sort();
    rows
}

/// All rows of an order are the same in both. Returns those that planning reads, with the database's ids.
pub(super) async fn compare(shop: &Shop, order: &Memory, at: &str) -> OrderInput {
    let subject = order.input.subject_id;
    let mut tx = shop.pool().begin().await.unwrap();
    let stored = input(&mut tx, shop, subject).await;
    let rows = sqlx::query_scalar(ROWS).bind(subject);
    let mut rows: Vec<String> = rows.fetch_all(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    rows.sort();
    assert_eq!(own_rows(order), rows, "{at}");
    let (own, read) = (without_ids(&order.input), without_ids(&stored));
    assert_eq!(format!("{own:#?}"), format!("{read:#?}"), "{at}");
    stored
}
