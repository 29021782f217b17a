//! The days, and what is looked at in the end.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Duration, Utc};
use hikiate::store::Purged;

use super::measure::{QUEUES, Size, bodies, on_disk, rows_on_disk};
use super::merchant::{PLANTED, Year};
use crate::support::{Listener, traces};

/// Facts of an order with their indexes, in KiB, at the most: a bound that was set before it was measured.
pub(super) const FACTS_KIB: i64 = 12;
/// Tables with bodies on disk, those that keep space for the rows of the next days.
const ON_DISK: [&str; 4] = [
    "personal",
    "raw_payloads_rest",
    "quarantine",
    "receiver_names",
];
/// By how many of a hundred a table that is flat may differ between two days; on disk, where dead rows are too, by twice as many.
const FLAT: i64 = 15;
/// The longest that an order takes from its day to its end.
const LIFE: i64 = 5;
/// Orders of the planted address, on the second day: one ships, one is cancelled at once, and one is rejected by the warehouse,
/// which repeats the address, and cancelled the day after.
const PLANTS: usize = 3;
/// Rounds a day: at 10:00, 14:00 and every four hours on, so that the cut-off is one of them and no wave is missed.
const ROUNDS: u32 = 6;

/// What is run.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Simulated days.
    pub days: u32,
    /// Orders a day.
    pub orders: u32,
    /// `[retention]` as TOML.
    pub retention: String,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Done {
    /// What must not be; empty when all is well.
    pub wrong: Vec<String>,
    days: u32,
    orders: u32,
    purged: Purged,
    sizes: BTreeMap<&'static str, (Size, Size)>,
    disk: (i64, i64),
    queues: (i64, i64),
    facts_kib: i64,
    lines: u64,
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "days={} orders={} purged={}",
            self.days, self.orders, self.purged.orders
        )?;
        for (table, (then, last)) in &self.sizes {
            write!(
                f,
                " {table}={}→{} rows {}→{} KiB",
                then.rows,
                last.rows,
                then.bytes / 1024,
                last.bytes / 1024
            )?;
        }
        write!(
            f,
            " disk={}→{} KiB queues={}→{} KiB facts={} KiB an order lines={} wrong={}",
            self.disk.0 / 1024,
            self.disk.1 / 1024,
            self.queues.0 / 1024,
            self.queues.1 / 1024,
            self.facts_kib,
            self.lines,
            self.wrong.len()
        )
    }
}

/// Runs the days.
pub async fn run(terms: &Terms, listener: &Listener) -> Done {
    let mut world = Year::open(&terms.retention).await;
    let mut done = Done {
        days: terms.days,
        ..Done::default()
    };
    let keep = world.engine.retention;
    let longest = [keep.raw, keep.personal, keep.quarantine]
        .into_iter()
        .flatten()
        .max()
        .unwrap_or_default();
    // From then on as many rows go each day as come.
    let level = u32::try_from((longest + Duration::days(LIFE + 1)).num_days()).unwrap();
    let mut planted: Vec<String> = Vec::new();
    let mut after: Option<DateTime<Utc>> = None;
    let mut looked = false;
    for day in 0..terms.days {
        for round in 0..ROUNDS {
            if round < 3 {
                for _ in 0..share(terms.orders, round) {
                    done.orders += 1;
                    let plant = day == 1 && planted.len() < PLANTS;
                    let id = world.place(done.orders, plant);
                    if plant {
                        planted.push(id.clone());
                    }
                    if done.orders.is_multiple_of(10) || planted.get(1) == Some(&id) {
                        world.shop.cancel_order(&id);
                    }
                }
                if round == 0 {
                    world.shop.place_undecodable_order();
                }
                if day == 2 && round == 2 {
                    world.shop.cancel_order(&planted[2]);
                }
            }
            world
                .pass(Duration::hours(24) / i32::try_from(ROUNDS).unwrap())
                .await;
        }
        dismiss(&world).await;
        done.purged += world.keep_house().await;
        if planted.len() == PLANTS && after.is_none() {
            after = gone_after(&world, &planted).await;
            if after.is_some() {
                let found = traces(world.pool(), &PLANTED).await;
                for table in ["personal", "fact_words"] {
                    if !found.iter().any(|row| row.starts_with(table)) {
                        done.wrong
                            .push(format!("the planted address was never in {table}"));
                    }
                }
            }
        }
        if !looked && after.is_some_and(|after| world.now >= after) {
            looked = true;
            look(&world, &mut done, "after its time").await;
            // The shop shows the order again, as it does when somebody edits it.
            assert!(world.shop.tag(&planted[0], &["seen again"]));
        }
        if day + 1 == level.min(terms.days) {
            let sizes = bodies(world.pool()).await;
            done.sizes = sizes.into_iter().map(|(t, s)| (t, (s, s))).collect();
            done.disk.0 = on_disk(world.pool(), &ON_DISK).await;
            done.queues.0 = on_disk(world.pool(), &QUEUES).await;
        }
    }
    if !looked {
        done.wrong.push(format!(
            "{} days end before the planted address has gone",
            terms.days
        ));
    }
    look(&world, &mut done, "at the end").await;
    judge(&world, &mut done).await;
    done.lines = listener.lines();
    for line in listener.caught() {
        done.wrong.push(format!("logged: {line}"));
    }
    if done.lines == 0 {
        done.wrong
            .push("nothing was logged: nobody listened".to_owned());
    }
    done
}

/// Of a day's orders those of one of its three times.
fn share(orders: u32, round: u32) -> u32 {
    orders / 3 + u32::from(round < orders % 3)
}

/// Records that could not be read are dismissed by the evening.
async fn dismiss(world: &Year) {
    for row in world.engine.store.list_quarantine().await.unwrap() {
        let done = world
            .engine
            .store
            .dismiss_quarantined(row.id, "ops", "a test order");
        done.await.unwrap();
    }
}

/// When nothing is to be left of the planted orders; `None` while one is open.
async fn gone_after(world: &Year, planted: &[String]) -> Option<DateTime<Utc>> {
    let ended: Option<DateTime<Utc>> = sqlx::query_scalar(
        "SELECT max(closed_at) FROM subjects WHERE external_id = ANY($1) HAVING count(closed_at) = cardinality($1)",
    )
    .bind(planted)
    .fetch_optional(world.pool())
    .await
    .unwrap()
    .flatten();
    // Its wave goes with the last of the orders in it, which are of the same day.
    Some(ended? + world.engine.retention.personal? + Duration::days(LIFE))
}

async fn look(world: &Year, done: &mut Done, when: &str) {
    for found in traces(world.pool(), &PLANTED).await {
        done.wrong.push(format!("{when}: {found}"));
    }
}

async fn judge(world: &Year, done: &mut Done) {
    let last = bodies(world.pool()).await;
    for (table, sizes) in &mut done.sizes {
        sizes.1 = last[table];
        let (then, now) = *sizes;
        if !flat(then.rows, now.rows, FLAT, 3) || !flat(then.bytes, now.bytes, FLAT, 16 << 10) {
            done.wrong
                .push(format!("{table} is not flat: {then:?} to {now:?}"));
        }
    }
    done.disk.1 = on_disk(world.pool(), &ON_DISK).await;
    if !flat(done.disk.0, done.disk.1, 2 * FLAT, 1 << 20) {
        done.wrong.push(format!(
            "bodies on disk are not flat: {:?} bytes",
            done.disk
        ));
    }
    done.queues.1 = on_disk(world.pool(), &QUEUES).await;
    if done.queues.1 > done.queues.0.max(1 << 20) * 3 / 2 {
        done.wrong
            .push(format!("the queue tables grow: {:?} bytes", done.queues));
    }
    let facts = rows_on_disk(world.pool(), "facts").await;
    let kib = facts / i64::from(done.orders.max(1)) / 1024;
    done.facts_kib = kib;
    if kib > FACTS_KIB {
        done.wrong.push(format!(
            "facts take {kib} KiB an order, more than {FACTS_KIB}"
        ));
    }
    let open: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM subjects WHERE kind = 'order' AND closed_at IS NULL AND created_at < $1",
    )
    .bind(world.now - Duration::days(LIFE))
    .fetch_one(world.pool())
    .await
    .unwrap();
    if open > 0 {
        done.wrong
            .push(format!("{open} orders have not ended after {LIFE} days"));
    }
}

/// Within so many of a hundred, or so much where there is little.
fn flat(then: i64, now: i64, share: i64, little: i64) -> bool {
    (now - then).abs() <= (then * share / 100).max(little)
}
