//! Reservations: given and taken back here. Two more write them and `demands.reserved`, their sum, both in `commit.rs`:
//! goods that leave take theirs with them, and a line that means another item frees those of the one before.
//! Marks, then stock, then subjects are locked, in that order; demand is read again under the locks before anything is decided.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{Postgres, Transaction};

use super::load::unsigned;
use super::subjects::{lock_subjects, make_due};
use super::{Directory, Store, StoreError};
use crate::policy::Policy;
use crate::stock::allocate::{GrantChange, ItemStock, OpenDemand, Reservation, allocate};

/// What one allocation did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AllocateDone {
    /// Marks that were worked off.
    pub marks: usize,
    /// Reservations that changed.
    pub changes: usize,
}

/// The advisory lock of whoever allocates.
const ALLOCATING: i64 = 0x68_6b_61_6c;
/// Marks in one transaction.
const MARKS: i64 = 500;
/// Waiting demands looked at per item; with more, the item is marked again.
const WAITING: i64 = 300;
/// Within this many seconds of a count, what left counts as not in the count and what came as in it.
const SKEW: f64 = 60.0;

impl Store {
    /// Works off marks: gives free stock to open demand in one total rank.
    ///
    /// # Errors
    /// The database's.
    pub async fn allocate(
        &self,
        directory: &Directory,
        policy: &Policy,
    ) -> Result<AllocateDone, StoreError> {
        // Most looks find nothing: one statement then, and no transaction.
        let any =
            sqlx::query_scalar!(r#"SELECT EXISTS (SELECT FROM allocation_requests) AS "any!""#)
                .fetch_one(&self.pool)
                .await?;
        if !any {
            return Ok(AllocateDone::default());
        }
        let mut tx = self.pool.begin().await?;
        // One allocation at a time, so that marks need no locks of their own (locking 100 of them reads
        // 200 buffers, taking them reads 5); another process simply comes later.
        let mine = sqlx::query_scalar!(
            r#"SELECT pg_try_advisory_xact_lock($1) AS "mine!""#,
            ALLOCATING
        )
        .fetch_one(&mut *tx)
        .await?;
        if !mine {
            return Ok(AllocateDone::default());
        }
        let marks = sqlx::query!(
            "DELETE FROM allocation_requests WHERE id = ANY(ARRAY(SELECT id FROM allocation_requests ORDER BY id LIMIT $1)) RETURNING item_id, demand_id, passed_demand",
            MARKS
        )
        .fetch_all(&mut *tx)
        .await?;
        if marks.is_empty() {
            return Ok(AllocateDone::default());
        }
        let items: Vec<i64> = marks
            .iter()
            .map(|m| m.item_id)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        let demands: Vec<i64> = marks
            .iter()
            .filter_map(|m| m.demand_id)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        let walks: BTreeSet<Walk> = marks
            .iter()
            .map(|m| Walk {
                item: m.item_id,
                passed: m.passed_demand,
            })
            .collect();
        let subjects = candidates(&mut tx, &items, &demands, &walks).await?;

        // Every item of every order that takes part, so that an order is served as a whole.
        let all_items: Vec<i64> = sqlx::query_scalar!(
            r#"SELECT DISTINCT item_id AS "item_id!" FROM (SELECT item_id FROM demands WHERE subject_id = ANY($1) UNION ALL SELECT unnest($2::bigint[])) AS i ORDER BY 1"#,
            &subjects, &items
        )
        .fetch_all(&mut *tx)
        .await?;
        sqlx::query!(
            "SELECT item_id FROM stock WHERE item_id = ANY($1) AND bucket = 'sellable' ORDER BY item_id, location_id, code FOR NO KEY UPDATE",
            &all_items
        )
        .fetch_all(&mut *tx)
        .await?;
        lock_subjects(&mut tx, &subjects).await?;

        free_other_items(&mut tx, &subjects).await?;
        let stock = stock_of(&mut tx, directory, &all_items).await?;
        let open = open_demand(&mut tx, directory, &subjects, &all_items).await?;
        let changes = allocate(&stock, &open, policy);
        write(&mut tx, directory, &changes).await?;
        answer(&mut tx, &demands, &changes).await?;
        remark(&mut tx, &walks, &subjects, &changes).await?;
        // Whom only its own order marked takes nothing from others: those who wait were looked at when the stock came.
        let of_stock = marks.iter().filter(|m| m.demand_id.is_none());
        let of_stock: BTreeSet<i64> = of_stock.map(|m| m.item_id).collect();
        let free = free_items(&stock, policy);
        let stuck = |walk: &&Walk| {
            of_stock.contains(&walk.item)
                && free.contains(&walk.item)
                && changes.iter().all(|change| change.item_id != walk.item)
        };
        go_on(&mut tx, walks.iter().filter(stuck)).await?;
        tx.commit().await?;
        Ok(AllocateDone {
            marks: marks.len(),
            changes: changes.len(),
        })
    }
}

/// A look through those who wait for an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Walk {
    item: i64,
    /// The last demand that was looked at and could take nothing of what is free.
    passed: Option<i64>,
}

fn columns<'a>(walks: impl Iterator<Item = &'a Walk>) -> (Vec<i64>, Vec<Option<i64>>) {
    walks.map(|walk| (walk.item, walk.passed)).unzip()
}

/// Items of which a warehouse that may give has some free.
fn free_items(stock: &[ItemStock], policy: &Policy) -> BTreeSet<i64> {
    let gives = |name: &str| policy.warehouses.iter().any(|w| w.name == name);
    let free = stock
        .iter()
        .filter(|s| s.on_hand > s.reserved && gives(&s.warehouse));
    free.map(|s| s.item_id).collect()
}

/// Orders that take part: those marked, those that wait for a marked item, and holders of an item of
/// which more is reserved than is there, worst rank first.
async fn candidates(
    tx: &mut Transaction<'_, Postgres>,
    items: &[i64],
    demands: &[i64],
    walks: &BTreeSet<Walk>,
) -> Result<Vec<i64>, StoreError> {
    let (item, passed) = columns(walks.iter());
    Ok(sqlx::query_scalar!(
        r#"SELECT subject_id AS "id!" FROM demands WHERE id = ANY($2)
           UNION
           SELECT w.subject_id FROM unnest($4::bigint[], $5::bigint[]) AS i (id, passed) LEFT JOIN demands p ON p.id = i.passed CROSS JOIN LATERAL (
             SELECT d.subject_id FROM demands d WHERE d.item_id = i.id AND d.required_qty > d.shipped_qty + d.reserved_qty
               AND (d.behind, d.promised_at, d.ordered_at, d.id)
                 > (coalesce(p.behind, false), coalesce(p.promised_at, '-infinity'), coalesce(p.ordered_at, '-infinity'), coalesce(p.id, 0))
             ORDER BY d.item_id, d.behind, d.promised_at, d.ordered_at, d.id LIMIT $3) w
           UNION
           SELECT h.subject_id FROM stock_levels s CROSS JOIN LATERAL (
             SELECT d.subject_id FROM reservations r JOIN demands d ON d.id = r.demand_id
             WHERE r.item_id = s.item_id AND r.location_id = s.location_id ORDER BY d.behind DESC, d.promised_at DESC, d.ordered_at DESC, d.id DESC LIMIT $3) h
           WHERE s.item_id = ANY($1)
             AND (SELECT coalesce(sum(r.qty), 0) FROM reservations r WHERE r.item_id = s.item_id AND r.location_id = s.location_id)
               > hk_on_hand(s.item_id, s.location_id)
           ORDER BY 1"#,
        items, demands, WAITING, &item, &passed as &[Option<i64>]
    )
    .fetch_all(&mut **tx)
    .await?)
}

/// Frees what is reserved of another item than the line means: an older program beside this one leaves it.
async fn free_other_items(
    tx: &mut Transaction<'_, Postgres>,
    subjects: &[i64],
) -> Result<(), StoreError> {
    sqlx::query!(
        "WITH gone AS (DELETE FROM reservations r USING demands d WHERE d.subject_id = ANY($1) AND r.demand_id = d.id AND r.item_id <> d.item_id
             RETURNING r.demand_id, r.item_id),
           summed AS (UPDATE demands d SET reserved_qty = (SELECT coalesce(sum(r.qty), 0) FROM reservations r WHERE r.demand_id = d.id AND r.item_id = d.item_id)
             WHERE d.id IN (SELECT demand_id FROM gone))
         INSERT INTO allocation_requests (item_id) SELECT item_id FROM gone",
        subjects
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// On hand by the ledger. Inside the clock skew around a count the pessimistic reading decides what may
/// be given; the plain reading decides what must be taken back, so that a count does not flap.
async fn stock_of(
    tx: &mut Transaction<'_, Postgres>,
    directory: &Directory,
    items: &[i64],
) -> Result<Vec<ItemStock>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT s.item_id AS "item_id!", s.location_id AS "location_id!", r.reserved AS "reserved!",
             hk_on_hand(s.item_id, s.location_id) AS "plain!", hk_on_hand(s.item_id, s.location_id, $2) AS "careful!"
           FROM stock_levels s
           CROSS JOIN LATERAL (SELECT coalesce(sum(v.qty), 0)::bigint AS reserved FROM reservations v WHERE v.item_id = s.item_id AND v.location_id = s.location_id) r
           WHERE s.item_id = ANY($1)"#,
        items, SKEW
    )
    .fetch_all(&mut **tx)
    .await?;
    rows.into_iter()
        .map(|r| {
            Ok(ItemStock {
                item_id: r.item_id,
                warehouse: directory.location_name(r.location_id)?.to_owned(),
                on_hand: r.careful.max(r.plain.min(r.reserved)),
                reserved: r.reserved,
            })
        })
        .collect()
}

async fn open_demand(
    tx: &mut Transaction<'_, Postgres>,
    directory: &Directory,
    subjects: &[i64],
    items: &[i64],
) -> Result<Vec<OpenDemand>, StoreError> {
    let mut bound: BTreeMap<(i64, i16), (u32, u32)> = BTreeMap::new();
    for row in sqlx::query!(
        r#"SELECT sd.demand_id, s.location_id,
             coalesce(sum(sd.qty) FILTER (WHERE s.state = 'waiting'), 0)::int AS "waiting!", coalesce(sum(sd.qty) FILTER (WHERE s.state = 'instructed'), 0)::int AS "instructed!"
           FROM shipments s JOIN shipment_demands sd ON sd.shipment_id = s.id WHERE s.subject_id = ANY($1) GROUP BY 1, 2"#,
        subjects
    )
    .fetch_all(&mut **tx)
    .await?
    {
        bound.insert((row.demand_id, row.location_id), (unsigned(row.waiting), unsigned(row.instructed)));
    }
    let mut open: Vec<OpenDemand> = Vec::new();
    for row in sqlx::query!(
        r#"SELECT d.id, d.subject_id, d.item_id, d.required_qty, d.shipped_qty, d.firm, d.behind, d.promised_at, d.ordered_at,
             r.location_id AS "location_id?", r.qty AS "qty?", r.firm AS "reserved_firm?"
           FROM demands d LEFT JOIN reservations r ON r.demand_id = d.id AND r.item_id = d.item_id
           WHERE d.subject_id = ANY($1) AND d.item_id = ANY($2) ORDER BY d.id, r.location_id"#,
        subjects, items
    )
    .fetch_all(&mut **tx)
    .await?
    {
        if open.last().is_none_or(|d| d.demand_id != row.id) {
            open.push(OpenDemand {
                demand_id: row.id,
                subject_id: row.subject_id,
                item_id: row.item_id,
                open: unsigned(row.required_qty - row.shipped_qty),
                firm: row.firm,
                behind: row.behind,
                promised_at: row.promised_at,
                ordered_at: row.ordered_at,
                reserved: Vec::new(),
            });
        }
        if let (Some(location), Some(qty), Some(firm), Some(demand)) = (row.location_id, row.qty, row.reserved_firm, open.last_mut()) {
            let (waiting, instructed) = bound.get(&(row.id, location)).copied().unwrap_or_default();
            let quantity = unsigned(qty);
            demand.reserved.push(Reservation {
                warehouse: directory.location_name(location)?.to_owned(),
                quantity,
                firm,
                instructed: instructed.min(quantity),
                waiting: waiting.min(quantity.saturating_sub(instructed)),
            });
        }
    }
    Ok(open)
}

async fn write(
    tx: &mut Transaction<'_, Postgres>,
    directory: &Directory,
    changes: &[GrantChange],
) -> Result<(), StoreError> {
    if changes.is_empty() {
        return Ok(());
    }
    let demand: Vec<i64> = changes.iter().map(|c| c.demand_id).collect();
    let location = changes
        .iter()
        .map(|c| Ok(directory.location(&c.warehouse)?.id))
        .collect::<Result<Vec<i16>, StoreError>>()?;
    let item: Vec<i64> = changes.iter().map(|c| c.item_id).collect();
    let qty: Vec<i32> = changes
        .iter()
        .map(|c| i32::try_from(c.quantity).unwrap_or(i32::MAX))
        .collect();
    let firm: Vec<bool> = changes.iter().map(|c| c.firm).collect();
    sqlx::query!(
        "DELETE FROM reservations r USING unnest($1::bigint[], $2::smallint[], $3::int[]) AS t (d, l, q)
         WHERE r.demand_id = t.d AND r.location_id = t.l AND t.q = 0",
        &demand, &location, &qty
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!(
        "INSERT INTO reservations (demand_id, location_id, item_id, qty, firm)
         SELECT * FROM unnest($1::bigint[], $2::smallint[], $3::bigint[], $4::int[], $5::bool[]) AS t (d, l, i, q, f) WHERE q > 0
         ON CONFLICT (demand_id, location_id) DO UPDATE SET qty = excluded.qty, firm = excluded.firm, item_id = excluded.item_id",
        &demand, &location, &item, &qty, &firm
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!(
        "UPDATE demands d SET reserved_qty = coalesce((SELECT sum(r.qty) FROM reservations r WHERE r.demand_id = d.id), 0) WHERE d.id = ANY($1)",
        &demand
    )
    .execute(&mut **tx)
    .await?;
    let subjects: Vec<i64> = changes
        .iter()
        .map(|c| c.subject_id)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    make_due(tx, &subjects).await?;
    Ok(())
}

/// Orders whose status says that they wait for allocation, and that got nothing, are due: they are backordered now.
async fn answer(
    tx: &mut Transaction<'_, Postgres>,
    demands: &[i64],
    changes: &[GrantChange],
) -> Result<(), StoreError> {
    let changed: Vec<i64> = changes.iter().map(|c| c.subject_id).collect();
    let waiting = sqlx::query_scalar!(
        "SELECT DISTINCT s.id FROM demands d JOIN subjects s ON s.id = d.subject_id
         WHERE d.id = ANY($1) AND s.status = 'unallocated' AND s.blocked_by = 'stock' AND NOT s.id = ANY($2)",
        demands,
        &changed
    )
    .fetch_all(&mut **tx)
    .await?;
    if waiting.is_empty() {
        return Ok(());
    }
    make_due(tx, &waiting).await
}

/// An item of which something moved and more orders wait than were looked at is looked at again.
async fn remark(
    tx: &mut Transaction<'_, Postgres>,
    walks: &BTreeSet<Walk>,
    seen: &[i64],
    changes: &[GrantChange],
) -> Result<(), StoreError> {
    let moved: BTreeSet<i64> = changes.iter().map(|change| change.item_id).collect();
    if moved.is_empty() {
        return Ok(());
    }
    let (item, passed) = columns(walks.iter().filter(|walk| moved.contains(&walk.item)));
    sqlx::query!(
        "INSERT INTO allocation_requests (item_id, passed_demand) SELECT i.id, i.passed FROM unnest($1::bigint[], $3::bigint[]) AS i (id, passed) WHERE EXISTS (
           SELECT FROM demands d WHERE d.item_id = i.id AND d.required_qty > d.shipped_qty + d.reserved_qty AND NOT d.subject_id = ANY($2))",
        &item, seen, &passed as &[Option<i64>]
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Those who were looked at can take nothing of what is free, since their orders are bound to another warehouse: the next ones
/// are looked at, until nobody is left.
async fn go_on(
    tx: &mut Transaction<'_, Postgres>,
    stuck: impl Iterator<Item = &Walk>,
) -> Result<(), StoreError> {
    let (item, passed) = columns(stuck);
    if item.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "INSERT INTO allocation_requests (item_id, passed_demand)
         SELECT i.id, w.id FROM unnest($1::bigint[], $2::bigint[]) AS i (id, passed) LEFT JOIN demands p ON p.id = i.passed CROSS JOIN LATERAL (
           SELECT d.id FROM demands d WHERE d.item_id = i.id AND d.required_qty > d.shipped_qty + d.reserved_qty
             AND (d.behind, d.promised_at, d.ordered_at, d.id)
               > (coalesce(p.behind, false), coalesce(p.promised_at, '-infinity'), coalesce(p.ordered_at, '-infinity'), coalesce(p.id, 0))
           ORDER BY d.item_id, d.behind, d.promised_at, d.ordered_at, d.id OFFSET $3::bigint - 1 LIMIT 1) w",
        &item, &passed as &[Option<i64>], WAITING
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
