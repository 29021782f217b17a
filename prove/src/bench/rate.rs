//! How many orders a second a connector carries against its simulator.

use std::fmt;
use std::time::{Duration, Instant};

use hikiate_sdk::conformance::{Bench, Subject, Times};
use hikiate_sdk::{Here, Kind, Op, Operations, Outcome, Prepared};

use super::budget::now;

/// Operations that every order has once; the others are exceptions, or of a day.
const OF_EACH_ORDER: [Op; 5] = [Op::Instruct, Op::Fulfil, Op::Ship, Op::Capture, Op::Mail];

/// What a stream tells once for every order; stock and payouts are of no order.
const OF_EACH_READING: [Kind; 3] = [Kind::Order, Kind::Shipment, Kind::Payment];

/// What was measured of one connector.
#[derive(Clone, Debug)]
pub struct Rate {
    /// Orders that were carried.
    pub orders: usize,
    /// What was done for each, and the time of it for all of them, one call after the other. Empty: it carries no single orders,
    /// only journals.
    pub parts: Vec<(String, Duration)>,
}

impl Rate {
    /// Orders a second, all parts together.
    #[must_use]
    pub fn per_second(&self) -> usize {
        per_second(self.orders, self.parts.iter().map(|(_, took)| *took).sum())
    }
}

fn per_second(count: usize, took: Duration) -> usize {
    let micros = usize::try_from(took.as_micros()).unwrap_or(usize::MAX);
    count.saturating_mul(1_000_000) / micros.max(1)
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.parts.is_empty() {
            return f.write_str("orders=none");
        }
        let all = self.per_second();
        write!(f, "orders={} per_second={all}", self.orders)?;
        for (name, took) in &self.parts {
            write!(f, " {name}={}/s", per_second(self.orders, *took))?;
        }
        Ok(())
    }
}

/// Reads this many orders' records of each stream, then makes the calls that each order has, one after the other. What the
/// simulator needs to prepare them is not measured.
///
/// # Errors
/// The first call that did not end well, in words.
pub async fn rate(subject: &dyn Subject, orders: usize) -> Result<Rate, String> {
    let mut parts = Vec::new();
    let first = subject.fresh_full_pages().await;
    let streams = first.connector.source().map(|source| source.streams());
    for spec in streams.unwrap_or_default() {
        if OF_EACH_READING.contains(&spec.kind) {
            let bench = subject.fresh_full_pages().await;
            bench.far.seed(&spec.name, orders, Times::Rising).await;
            let took = read(&bench, &spec.name, orders).await?;
            parts.push((format!("read_{}", spec.kind.as_str()), took));
        }
    }
    let specs = first.connector.operations().map(|all| all.operations());
    for spec in specs.unwrap_or_default() {
        if OF_EACH_ORDER.contains(&spec.op) {
            let bench = subject.fresh_full_pages().await;
            parts.push((spec.op.to_string(), make(&bench, spec.op, orders).await?));
        }
    }
    Ok(Rate { orders, parts })
}

async fn read(bench: &Bench, stream: &str, orders: usize) -> Result<Duration, String> {
    let source = bench.connector.source().ok_or("it offers no source")?;
    let began = Instant::now();
    let (mut cursor, mut good) = (None, 0);
    loop {
        let page = source.page(stream, cursor.as_ref(), Here::at(now())).await;
        let page = page.map_err(|error| format!("a page of {stream}: {error}"))?;
        good += page
            .records
            .iter()
            .filter(|record| record.parsed.is_ok())
            .count();
        if let Some(ack) = &page.ack {
            let done = source.acknowledge(ack).await;
            done.map_err(|error| format!("{stream} acknowledged: {error}"))?;
        }
        if !page.more {
            break;
        }
        cursor = Some(page.next);
    }
    let took = began.elapsed();
    if good < orders {
        return Err(format!("{good} of {orders} records of {stream} were read"));
    }
    Ok(took)
}

async fn make(bench: &Bench, op: Op, orders: usize) -> Result<Duration, String> {
    let operations = bench
        .connector
        .operations()
        .ok_or("it offers no operation")?;
    let mut calls = Vec::with_capacity(orders);
    for _ in 0..orders {
        calls.push(bench.far.call(op).await);
    }
    let began = Instant::now();
    for call in &calls {
        let prepared = operations.prepare(call);
        let prepared = prepared.map_err(|error| format!("{op} was not prepared: {error}"))?;
        done(operations, op, &prepared).await?;
    }
    Ok(began.elapsed())
}

async fn done(operations: &dyn Operations, op: Op, prepared: &Prepared) -> Result<(), String> {
    match operations.send_one(op, prepared).await {
        Ok(Outcome::Done { .. } | Outcome::Accepted { .. }) => Ok(()),
        Ok(Outcome::Refused { code, message }) => {
            Err(format!("{op} was refused: {code} {message}"))
        }
        Err(error) => Err(format!("{op} failed: {error}")),
    }
}
