//! Writing what planning decided: one statement per table for the whole batch, in the transaction that
//! holds the subjects' locks. A second intent under the same key fails it.

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use sqlx::{Postgres, Transaction};

use super::facts::{FactRows, insert_facts};
use super::load::stage_word;
use super::reads::plan_reads;
use super::tasks::{TaskChange, write_tasks};
use super::{Directory, Store, StoreError};
use crate::facts::FactBody;
use crate::plan::types::{NewShipment, OrderPlan};

/// A plan to write.
#[derive(Debug)]
pub struct PlannedOrder {
    /// The order's row.
    pub subject_id: i64,
    /// The channel's account row.
    pub channel_id: i16,
    /// What was decided.
    pub plan: OrderPlan,
}

fn signed(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

impl Store {
    /// Writes plans, and returns the tasks that they open and settle. [`StoreError::Replan`] when an effect that was to be withdrawn was claimed meanwhile.
    ///
    /// # Errors
    /// The database's; a duplicate intent among them.
    pub async fn commit_plans(
        tx: &mut Transaction<'_, Postgres>,
        plans: &[PlannedOrder],
        directory: &Directory,
        policy_id: i32,
        zone: Tz,
        now: DateTime<Utc>,
    ) -> Result<Vec<TaskChange>, StoreError> {
        let today: NaiveDate = now.with_timezone(&zone).date_naive();

        // Effects first leave, then enter: the slot per account is free again.
        let withdraw: Vec<(i64, i64)> = plans
            .iter()
            .flat_map(|p| p.plan.withdraw.iter().map(|w| (p.subject_id, w.effect_id)))
            .collect();
        if !withdraw.is_empty() {
            let ids: Vec<i64> = withdraw.iter().map(|w| w.1).collect();
            let gone = sqlx::query_scalar!(
                "DELETE FROM effects WHERE id = ANY($1) AND state IN ('planned', 'leased') AND NOT outcome_unknown RETURNING id",
                &ids
            )
            .fetch_all(&mut **tx)
            .await?;
            if gone.len() != ids.len() {
                return Err(StoreError::Replan);
            }
        }

        let mut decisions = FactRows::default();
        let mut intents = FactRows::default();
        for p in plans {
            for fact in &p.plan.decisions {
                decisions.push(
                    p.subject_id,
                    fact.key.clone(),
                    &fact.body,
                    fact.body.to_json()?,
                    now,
                    now,
                    today,
                );
            }
            for w in &p.plan.withdraw {
                let key = w.outcome.key();
                let body = FactBody::Outcome(w.outcome.clone());
                decisions.push(p.subject_id, key, &body, body.to_json()?, now, now, today);
            }
            for effect in &p.plan.effects {
                let body = FactBody::Intent(Box::new(effect.intent.clone()));
                intents.push(
                    p.subject_id,
                    effect.key.clone(),
                    &body,
                    body.to_json()?,
                    now,
                    now,
                    today,
                );
            }
        }
        insert_facts(tx, &decisions, "plan", Some(policy_id), false).await?;
        insert_facts(tx, &intents, "plan", Some(policy_id), false).await?;

        write_demands(tx, plans).await?;
        write_shipments(tx, plans, directory).await?;
        write_entries(tx, plans, directory).await?;
        write_money(tx, plans).await?;
        write_rests(tx, plans).await?;
        Self::write_window(tx, plans).await?;
        write_effects(tx, plans, directory).await?;
        let ids: Vec<i64> = plans.iter().map(|p| p.subject_id).collect();
        let tasks = plans
            .iter()
            .flat_map(|p| p.plan.tasks.iter().map(move |t| (p.subject_id, t)));
        let changes = write_tasks(tx, &ids, &tasks.collect::<Vec<_>>()).await?;
        let waits: Vec<_> = plans
            .iter()
            .flat_map(|p| p.plan.waits.iter().map(|rule| (p.subject_id, rule.clone())))
            .collect();
        Self::wait_for_rules(tx, &waits, directory).await?;

        let status: Vec<String> = plans
            .iter()
            .map(|p| p.plan.status.as_str().to_owned())
            .collect();
        let blocked: Vec<Option<String>> =
            plans.iter().map(|p| p.plan.blocked_by.clone()).collect();
        let next: Vec<Option<DateTime<Utc>>> = plans.iter().map(|p| p.plan.next).collect();
        let closed: Vec<bool> = plans.iter().map(|p| p.plan.closed).collect();
        let seen: Vec<Option<i64>> = plans.iter().map(|p| p.plan.seen).collect();
        sqlx::query!(
            "UPDATE subjects s SET status = p.status, blocked_by = p.blocked, plan_at = p.next, plan_class = 1, plan_fails = 0,
               closed_at = CASE WHEN p.closed THEN coalesce(s.closed_at, (SELECT hk_now())) END, planned_fact = coalesce(p.seen, s.planned_fact)
             FROM unnest($1::bigint[], $2::text[], $3::text[], $4::timestamptz[], $5::bool[], $6::bigint[])
               AS p (id, status, blocked, next, closed, seen) WHERE s.id = p.id",
            &ids, &status, &blocked as &[Option<String>], &next as &[Option<DateTime<Utc>>], &closed,
            &seen as &[Option<i64>]
        )
        .execute(&mut **tx)
        .await?;
        Self::wake_if_mapped(tx, plans).await?;
        plan_reads(tx, plans).await?;
        Ok(changes)
    }
}

async fn write_demands(
    tx: &mut Transaction<'_, Postgres>,
    plans: &[PlannedOrder],
) -> Result<(), StoreError> {
    let rows: Vec<_> = plans
        .iter()
        .flat_map(|p| p.plan.demands.iter().map(move |d| (p.subject_id, d)))
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let subject: Vec<i64> = rows.iter().map(|r| r.0).collect();
    let group: Vec<String> = rows.iter().map(|r| r.1.group.to_string()).collect();
    let line: Vec<String> = rows.iter().map(|r| r.1.line.to_string()).collect();
    let item: Vec<i64> = rows.iter().map(|r| r.1.item_id).collect();
    let wanted: Vec<i32> = rows.iter().map(|r| signed(r.1.wanted)).collect();
    let shipped: Vec<i32> = rows.iter().map(|r| signed(r.1.shipped)).collect();
    let others: Vec<i32> = rows.iter().map(|r| signed(r.1.by_others)).collect();
    let firm: Vec<bool> = rows.iter().map(|r| r.1.firm).collect();
    let behind: Vec<bool> = rows.iter().map(|r| r.1.behind).collect();
    let promised: Vec<DateTime<Utc>> = rows.iter().map(|r| r.1.promised_at).collect();
    let ordered: Vec<DateTime<Utc>> = rows.iter().map(|r| r.1.ordered_at).collect();
    // Where a line means another item now, what was reserved of the one before is free; also what an older program
    // beside this one left.
    sqlx::query_file!(
        "src/store/sql/write_demands.sql",
        &subject,
        &group,
        &line,
        &item,
        &wanted,
        &shipped,
        &firm,
        &promised,
        &ordered,
        &behind,
        &others
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn write_shipments(
    tx: &mut Transaction<'_, Postgres>,
    plans: &[PlannedOrder],
    directory: &Directory,
) -> Result<(), StoreError> {
    let new: Vec<(i64, &NewShipment)> = plans
        .iter()
        .flat_map(|p| p.plan.shipments.iter().map(|s| (p.subject_id, s)))
        .collect();
    insert_shipments(tx, &new, directory).await?;
    let (mut stage_reference, mut stage_to) = (Vec::new(), Vec::new());
    for (reference, stage) in plans.iter().flat_map(|p| &p.plan.stages) {
        stage_reference.push(reference.to_string());
        stage_to.push(stage_word(*stage).to_owned());
    }
    if !stage_reference.is_empty() {
        // Sealing holds the same subject lock, so the rows are as they were loaded; an external system that corrects what it
        // told moves them either way. A withdrawn shipment bound its order to the warehouse: what it leaves unmet is
        // marked, because it may be served elsewhere now.
        let changed = sqlx::query_scalar!(
            "WITH changed AS (
               UPDATE shipments s SET state = t.w FROM unnest($1::text[], $2::text[]) AS t (r, w)
               WHERE s.reference = t.r RETURNING s.id, s.state),
             marked AS (
               INSERT INTO allocation_requests (item_id, demand_id) SELECT DISTINCT d.item_id, d.id FROM changed c
                 JOIN shipment_demands sd ON sd.shipment_id = c.id JOIN demands d ON d.id = sd.demand_id
               WHERE c.state = 'cancelled' AND d.required_qty > d.shipped_qty + d.reserved_qty)
             SELECT id FROM changed",
            &stage_reference,
            &stage_to
        )
        .fetch_all(&mut **tx)
        .await?;
        if changed.len() != stage_reference.len() {
            return Err(StoreError::Replan);
        }
    }
    Ok(())
}

/// Stores new shipments with the names that their warehouses' accounts know them by.
pub(super) async fn insert_shipments(
    tx: &mut Transaction<'_, Postgres>,
    shipments: &[(i64, &NewShipment)],
    directory: &Directory,
) -> Result<(), StoreError> {
    let mut subject = Vec::new();
    let mut reference = Vec::new();
    let mut account = Vec::new();
    let mut location = Vec::new();
    let mut release = Vec::new();
    let mut state = Vec::new();
    let (mut line_reference, mut line_demand, mut line_qty) = (Vec::new(), Vec::new(), Vec::new());
    for (id, s) in shipments {
        subject.push(*id);
        reference.push(s.reference.to_string());
        account.push(directory.account(&s.account)?);
        location.push(directory.location(&s.warehouse)?.id);
        release.push(s.release_at);
        state.push(
            if s.instructed {
                "instructed"
            } else {
                "waiting"
            }
            .to_owned(),
        );
        for (demand, qty) in &s.lines {
            line_reference.push(s.reference.to_string());
            line_demand.push(*demand);
            line_qty.push(signed(*qty));
        }
    }
    if !reference.is_empty() {
        sqlx::query!(
            "WITH s AS (
               INSERT INTO shipments (subject_id, reference, account_id, location_id, release_at, state)
               SELECT * FROM unnest($1::bigint[], $2::text[], $3::smallint[], $4::smallint[], $5::timestamptz[], $9::text[]) RETURNING id, reference, subject_id, account_id),
             named AS (INSERT INTO aliases (account_id, kind, external_id, subject_id) SELECT account_id, 'shipment', reference, subject_id FROM s)
             INSERT INTO shipment_demands (shipment_id, demand_id, qty)
             SELECT s.id, t.d, t.q FROM unnest($6::text[], $7::bigint[], $8::int[]) AS t (r, d, q) JOIN s ON s.reference = t.r",
            &subject, &reference, &account, &location, &release, &line_reference, &line_demand, &line_qty, &state
        )
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

async fn write_entries(
    tx: &mut Transaction<'_, Postgres>,
    plans: &[PlannedOrder],
    directory: &Directory,
) -> Result<(), StoreError> {
    let rows: Vec<_> = plans.iter().flat_map(|p| &p.plan.entries).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let demand: Vec<Option<i64>> = rows.iter().map(|r| r.demand_id).collect();
    let item: Vec<i64> = rows.iter().map(|r| r.item_id).collect();
    let location = rows
        .iter()
        .map(|r| Ok(directory.location(&r.warehouse)?.id))
        .collect::<Result<Vec<i16>, StoreError>>()?;
    let cause: Vec<String> = rows.iter().map(|r| r.cause.clone()).collect();
    let qty: Vec<i64> = rows.iter().map(|r| r.quantity).collect();
    let code: Vec<String> = rows.iter().map(|r| r.code.clone()).collect();
    let effective: Vec<DateTime<Utc>> = rows.iter().map(|r| r.effective_at).collect();
    // What leaves takes its reservation with it, in this very commit: left to the allocation, which comes later, it
    // would be taken for stock that may be shipped. A late parcel of the item before takes none of the one now.
    sqlx::query_file!(
        "src/store/sql/write_entries.sql",
        &item,
        &location,
        &cause,
        &qty,
        &effective,
        &demand as &[Option<i64>],
        &code
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn write_money(
    tx: &mut Transaction<'_, Postgres>,
    plans: &[PlannedOrder],
) -> Result<(), StoreError> {
    let rows: Vec<_> = plans
        .iter()
        .flat_map(|p| {
            p.plan
                .revenue
                .iter()
                .map(move |r| (p.subject_id, p.channel_id, r))
        })
        .collect();
    if !rows.is_empty() {
        let subject: Vec<i64> = rows.iter().map(|r| r.0).collect();
        let channel: Vec<i16> = rows.iter().map(|r| r.1).collect();
        let key: Vec<String> = rows.iter().map(|r| r.2.key.clone()).collect();
        let date: Vec<NaiveDate> = rows.iter().map(|r| r.2.business_date).collect();
        let payment: Vec<String> = rows.iter().map(|r| r.2.payment.clone()).collect();
        let currency: Vec<String> = rows.iter().map(|r| r.2.currency.to_string()).collect();
        let kind: Vec<String> = rows.iter().map(|r| r.2.kind.as_str().to_owned()).collect();
        let rate: Vec<i32> = rows.iter().map(|r| r.2.tax_of.rate_bp).collect();
        let country: Vec<String> = rows.iter().map(|r| r.2.tax_of.country.clone()).collect();
        let class: Vec<String> = rows.iter().map(|r| r.2.tax_of.class.clone()).collect();
        let step: Vec<Option<i64>> = rows.iter().map(|r| r.2.step).collect();
        let derived: Vec<bool> = rows.iter().map(|r| r.2.derived).collect();
        let gross: Vec<i64> = rows.iter().map(|r| r.2.gross).collect();
        let tax: Vec<i64> = rows.iter().map(|r| r.2.tax).collect();
        let recorded: Vec<DateTime<Utc>> = rows.iter().map(|r| r.2.recorded_at).collect();
        sqlx::query!(
            "INSERT INTO revenue_events (subject_id, channel_id, key, business_date, payment, currency, kind, tax_rate_bp, tax_country, tax_class, gross, tax, derived, recorded_at, step)
             SELECT * FROM unnest($1::bigint[], $2::smallint[], $3::text[], $4::date[], $5::text[], $6::text[], $7::text[], $8::int[], $9::text[], $10::text[], $11::bigint[], $12::bigint[], $13::bool[], $14::timestamptz[], $15::bigint[])",
            &subject, &channel, &key, &date, &payment, &currency, &kind, &rate, &country, &class, &gross, &tax, &derived, &recorded, &step as &[Option<i64>]
        )
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

/// What is to move to the title of what the tolerance of deposits leaves.
async fn write_rests(
    tx: &mut Transaction<'_, Postgres>,
    plans: &[PlannedOrder],
) -> Result<(), StoreError> {
    let rows = plans
        .iter()
        .filter_map(|p| Some((p, p.plan.rest.as_ref()?)));
    for (plan, rest) in rows {
        sqlx::query!(
            "INSERT INTO deposit_postings (key, kind, order_id, channel_id, business_date, currency, amount) VALUES ($1, 'rest', $2, $3, $4, $5, $6)",
            rest.key,
            plan.subject_id,
            plan.channel_id,
            rest.business_date,
            rest.currency.to_string(),
            rest.amount
        )
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

async fn write_effects(
    tx: &mut Transaction<'_, Postgres>,
    plans: &[PlannedOrder],
    directory: &Directory,
) -> Result<(), StoreError> {
    let rows: Vec<_> = plans
        .iter()
        .flat_map(|p| p.plan.effects.iter().map(move |e| (p.subject_id, e)))
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let subject: Vec<i64> = rows.iter().map(|r| r.0).collect();
    let account = rows
        .iter()
        .map(|r| directory.account(&r.1.intent.account))
        .collect::<Result<Vec<i16>, _>>()?;
    let op: Vec<String> = rows
        .iter()
        .map(|r| r.1.intent.op.as_str().to_owned())
        .collect();
    let key: Vec<String> = rows.iter().map(|r| r.1.key.clone()).collect();
    let lane: Vec<i16> = rows.iter().map(|r| r.1.lane as i16).collect();
    sqlx::query!(
        "INSERT INTO effects (subject_id, account_id, op, intent_id, lane, due_at)
         SELECT t.s, t.a, t.o, f.id, t.l, (SELECT hk_now()) FROM unnest($1::bigint[], $2::smallint[], $3::text[], $4::text[], $5::smallint[])
           WITH ORDINALITY AS t (s, a, o, k, l, n) JOIN facts f ON f.subject_id = t.s AND f.key = t.k ORDER BY t.n",
        &subject, &account, &op, &key, &lane
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
