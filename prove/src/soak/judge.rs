//! The reckoning: what the external systems remember beside what the database says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

use anyhow::Context as _;
use hikiate::demo::amounts::Goods;
use hikiate::demo::evidence::{Evidence, OrderSeen, Pay};
use hikiate::demo::orders::Part;
use hikiate::demo::scenes::{self, Placed};
use hikiate::demo::traces::Traces;
use hikiate::demo::verify::{books, goods, name, owed};
use hikiate::store::Store;

use super::chaos::Done;
use super::invariants;
use super::stage::{Act, Stage, Window};

#[cfg(test)]
mod tests;

/// Tasks that stay open in the end because an order was cancelled while its goods or its notice were on their
/// way: an operator's, and rightly so.
const CAME_TOO_LATE: [&str; 4] = [
    "cancel_too_late",
    "cancellation_request_rejected",
    "shipping_notice_rejected",
    "capture_rejected",
];

/// What came out.
#[derive(Clone, Debug, Default)]
pub(super) struct Verdict {
    orders: usize,
    kills: usize,
    done: Done,
    twice: usize,
    lost: usize,
    oversold: usize,
    balanced: bool,
    /// Mails of lost windows that were perhaps never sent.
    pub(super) counted_as_sent: usize,
    /// Everything that is not as it ought to be, in words.
    pub(super) problems: Vec<String>,
}

impl Verdict {
    /// Everything is as it ought to be.
    pub(super) fn good(&self) -> bool {
        self.problems.is_empty()
    }

    /// The last line.
    pub(super) fn line(&self) -> String {
        format!(
            "soak: orders={} kills={} db_restarts={} restores={} failovers={} twice={} lost={} oversold={} journal={}",
            self.orders,
            self.kills,
            self.done.db_restarts,
            self.done.restores,
            self.done.failovers,
            self.twice,
            self.lost,
            self.oversold,
            if self.balanced {
                "balanced"
            } else {
                "unbalanced"
            }
        )
    }

    fn twice(&mut self, problem: String) {
        self.twice += 1;
        self.problems.push(format!("twice: {problem}"));
    }

    fn lost(&mut self, problem: String) {
        self.lost += 1;
        self.problems.push(format!("lost: {problem}"));
    }

    fn oversold(&mut self, problem: String) {
        self.oversold += 1;
        self.problems.push(format!("oversold: {problem}"));
    }
}

/// Reckons.
///
/// # Errors
/// The database's; books that cannot be read.
pub(super) async fn judge(stage: &Stage, done: Done) -> anyhow::Result<Verdict> {
    let bought = stage.bought();
    let placed: Vec<Placed> = bought.iter().map(|order| order.placed.clone()).collect();
    let store = Store::connect(&stage.server.url, 2)?;
    let evidence = scenes::gather(&stage.world, &store, &placed, &stage.root).await;
    store.close().await;
    let evidence = evidence.context("gather what everybody remembers")?;
    let short: BTreeSet<&str> = placed
        .iter()
        .filter(|placed| placed.wish.part == Part::Short)
        .map(|placed| placed.number.as_str())
        .collect();
    let mut verdict = Verdict {
        orders: evidence.orders.len(),
        kills: stage.fleet.kills(),
        done,
        ..Verdict::default()
    };
    verdict.problems.extend(evidence.troubles.iter().cloned());
    let ended: BTreeSet<&str> = bought
        .iter()
        .filter(|order| order.act == Some(Act::Ended))
        .map(|order| order.placed.number.as_str())
        .collect();
    let windows = stage.windows();
    let late = invariants::sealed_though_shipped(&stage.pool, &windows).await?;
    let people = People { short, ended, late };
    let value = orders(&evidence, &people, &windows, &mut verdict);
    tasks(&evidence, &mut verdict);
    shelves(stage, &mut verdict);
    let reversed = invariants::left_though_cancelled(&stage.pool, &evidence).await?;
    let wrong = books(&evidence, value + reversed);
    verdict.balanced = wrong.is_empty();
    verdict.problems.extend(wrong);
    let broken = invariants::check(&stage.pool, &evidence, !windows.is_empty()).await?;
    verdict.problems.extend(broken);
    Ok(verdict)
}

/// What people did, by order number.
#[derive(Default)]
struct People<'a> {
    /// Bought what nobody has.
    short: BTreeSet<&'a str>,
    /// An operator has ended it.
    ended: BTreeSet<&'a str>,
    /// A shipment was sealed after its shop had been read with everything shipped by hand.
    late: BTreeSet<String>,
}

/// Pieces that staff shipped by hand.
fn by_hand(order: &OrderSeen) -> Goods {
    let mut goods = Goods::new();
    let fulfilments = order.shop.fulfilments.iter();
    for (code, n) in fulfilments
        .filter(|f| f.reference.is_none() && f.shipped && !f.cancelled)
        .flat_map(|f| &f.lines)
    {
        *goods.entry(code.clone()).or_default() += n;
    }
    goods
}

/// Pieces that shipped, whoever did it, at the most what was sold; and whether more did.
fn in_all(order: &OrderSeen, shipped: &Goods, by_hand: &Goods) -> (Goods, bool) {
    let (mut all, mut twice) = (Goods::new(), false);
    for line in &order.basket.lines {
        let of = |goods: &Goods| goods.get(&line.code).copied().unwrap_or(0);
        let sum = of(shipped) + of(by_hand);
        twice |= sum > line.quantity;
        if sum > 0 {
            all.insert(line.code.clone(), sum.min(line.quantity));
        }
    }
    (all, twice)
}

/// What is due of an amount, what was given back of it aside: an order to which staff do that ships whole in the end.
fn after(order: &OrderSeen, due: i64) -> i64 {
    // A cancel gives everything back, whatever was due.
    let credit = if order.shop.cancelled {
        0
    } else {
        order.shop.credit
    };
    (due - credit).max(0)
}

/// What is kept of the money of an order; of a cancelled one all that was captured, since its shop gives all back.
fn kept(order: &OrderSeen) -> i64 {
    if order.shop.cancelled {
        return order.shop.captured;
    }
    order.shop.captured - order.shop.refunded
}

/// Judges every order; returns what the books have to say of those that were not cancelled.
fn orders(
    evidence: &Evidence,
    people: &People<'_>,
    windows: &[Window],
    verdict: &mut Verdict,
) -> i64 {
    let mut by_order = evidence.shipments_by_order();
    let traces = Traces::of(evidence);
    let mut value = 0;
    for order in &evidence.orders {
        let shipments = by_order.remove(order.number.as_str()).unwrap_or_default();
        let shipped = goods(&shipments);
        for problem in traces.twice(order, &shipments, &shipped) {
            verdict.twice(problem);
        }
        let by_hand = by_hand(order);
        let (all, both) = in_all(order, &shipped, &by_hand);
        // What is with a warehouse when staff ship it by hand is asked back and may ship all the same.
        if both && people.late.contains(&order.number) {
            verdict.twice(format!(
                "{} was instructed to a warehouse after it was fetched as shipped by hand",
                name(order)
            ));
        }
        // Of an ended order no rest ships that a capture could wait for.
        let most = match order.pay {
            Pay::Card if people.ended.contains(order.number.as_str()) => order.basket.due(&all),
            _ => owed(order, &all),
        };
        // What was given back is not captured again; staff may capture before anything ships.
        let most = after(order, most).max(order.shop.captured_by_staff - order.shop.refunded);
        let kept = kept(order);
        if kept > most {
            verdict.twice(format!(
                "{} was captured in {} captures and {kept} yen are kept, {most} are owed",
                name(order),
                order.shop.captures,
            ));
        }
        if order.shop.cancelled {
            cancelled(order, &shipped, evidence, verdict);
            continue;
        }
        value += after(order, order.basket.due(&all));
        if people.ended.contains(order.number.as_str()) {
            ended(order, &all, verdict);
            continue;
        }
        let told: &[_] = if both { &[] } else { &shipments };
        for problem in traces.lost(order, told, &all) {
            verdict.lost(problem);
        }
        // What has left in a lost window counts as written to the customer: nobody could ask the mail server.
        let left = shipments
            .iter()
            .flat_map(|s| &s.parcels)
            .map(|p| p.shipped_at);
        let last = left.max();
        let forgotten = |w: &Window| last.is_some_and(|at| w.since <= at && at <= w.until);
        match traces.unmailed(order, &shipped) {
            Some(_) if windows.iter().any(forgotten) => verdict.counted_as_sent += 1,
            // Of goods that others shipped hikiate says nothing.
            problem => problem
                .into_iter()
                .filter(|_| by_hand.is_empty())
                .for_each(|problem| verdict.lost(problem)),
        }
        let least = after(order, owed(order, &all));
        if kept < least {
            verdict.lost(format!(
                "{} was captured and {kept} yen are kept, {least} are owed",
                name(order),
            ));
        }
        booked(order, &all, &people.short, verdict);
    }
    for number in by_order.into_keys() {
        verdict.twice(format!(
            "a warehouse was instructed to ship order {number}, which no shop has"
        ));
    }
    value
}

/// An order that the customer did not cancel is in the books, or open for a reason that an operator can see.
fn booked(order: &OrderSeen, shipped: &Goods, short: &BTreeSet<&str>, verdict: &mut Verdict) {
    let status = order.status.as_deref();
    let right = if order.shop.undecodable {
        order.quarantined && shipped.is_empty()
    } else if short.contains(order.number.as_str()) {
        status == Some("backordered") && !order.basket.all_in(shipped)
    } else {
        status == Some("booked") && order.basket.all_in(shipped)
    };
    if !right {
        let said = status.unwrap_or(if order.quarantined {
            "in quarantine"
        } else {
            "not there"
        });
        let sent: u32 = shipped.values().sum();
        verdict.lost(format!("{} is {said}, {sent} pieces shipped", name(order)));
    }
}

/// An order that an operator ended is over: without goods as cancelled, else booked as far as it shipped.
fn ended(order: &OrderSeen, shipped: &Goods, verdict: &mut Verdict) {
    let status = order.status.as_deref();
    let right = match shipped.is_empty() {
        true => status == Some("cancelled") && order.shop.captured == 0,
        false => status == Some("booked") && order.shop.captured >= owed(order, shipped),
    };
    if !right {
        verdict.lost(format!(
            "{} was ended and is {}, {} pieces shipped, {} yen captured",
            name(order),
            status.unwrap_or("not there"),
            shipped.values().sum::<u32>(),
            order.shop.captured
        ));
    }
}

/// An order that the customer cancelled is cancelled here too; goods that left all the same are a task.
fn cancelled(order: &OrderSeen, shipped: &Goods, evidence: &Evidence, verdict: &mut Verdict) {
    let task = evidence
        .tasks
        .iter()
        .any(|task| task.subject == order.number);
    let status = order.status.as_deref();
    let right = if shipped.is_empty() {
        status == Some("cancelled")
    } else {
        task || status == Some("cancelled")
    };
    if !right {
        verdict.lost(format!(
            "{} was cancelled at its shop and is {}, {} pieces shipped",
            name(order),
            status.unwrap_or("not there"),
            shipped.values().sum::<u32>()
        ));
    }
}

/// What may wait for an operator in the end: unreadable orders, and cancels that came too late.
fn tasks(evidence: &Evidence, verdict: &mut Verdict) {
    let cancelled: BTreeSet<&str> = evidence
        .orders
        .iter()
        .filter(|order| order.shop.cancelled)
        .map(|order| order.number.as_str())
        .collect();
    for task in &evidence.tasks {
        let expected = task.kind == "quarantine"
            || (CAME_TOO_LATE.contains(&task.kind.as_str())
                && cancelled.contains(task.subject.as_str()));
        if !expected {
            verdict.problems.push(format!(
                "an unexpected task: {} {}: {}",
                task.kind, task.subject, task.detail
            ));
        }
    }
}

/// No warehouse has shipped, or is told to ship, more than it ever had.
fn shelves(stage: &Stage, verdict: &mut Verdict) {
    let mut had: BTreeMap<(usize, String), i64> = BTreeMap::new();
    let supplied = stage
        .supplied
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    for (n, code, more) in supplied {
        *had.entry((n, code)).or_default() += more;
    }
    for (n, warehouse) in stage.world.warehouses.iter().enumerate() {
        for (code, left) in warehouse.sim.stock() {
            if left < 0 {
                verdict.oversold(format!(
                    "{} has shipped {} of {code} more than it had",
                    warehouse.name, -left
                ));
            }
        }
        let stopped: BTreeSet<String> = warehouse.sim.cancelled().into_iter().collect();
        let mut told: BTreeMap<String, i64> = BTreeMap::new();
        for (reference, shipment) in warehouse.sim.shipments() {
            if stopped.contains(&reference) {
                continue;
            }
            for line in shipment.lines {
                *told.entry(line.code).or_default() += i64::from(line.quantity);
            }
        }
        for (code, told) in told {
            let most = had.get(&(n, code.clone())).copied();
            if most.is_some_and(|most| told > most) {
                verdict.oversold(format!(
                    "{} is instructed to ship {told} of {code} and never had more than {}",
                    warehouse.name,
                    most.unwrap_or(0)
                ));
            }
        }
    }
}
