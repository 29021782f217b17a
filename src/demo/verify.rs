//! The judge: nothing twice, nothing lost, the money and the books right. Pure, and it counts only what
//! the external systems remember.

use std::collections::BTreeSet;

use super::amounts::Goods;
use super::evidence::{End, Evidence, OrderSeen, Pay, ShipmentSeen};
use super::merchant::{ADVANCES, RECEIVABLE};
use super::traces::Traces;
use crate::policy::CaptureRule;

#[cfg(test)]
mod tests;

/// What came out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Orders in the shops.
    pub orders: usize,
    /// Of them in the books.
    pub booked: usize,
    /// Of them cancelled.
    pub cancelled: usize,
    /// Neither.
    pub open: usize,
    /// What waits for an operator.
    pub tasks: usize,
    /// Yen due on cards for what the warehouses shipped.
    pub owed: i64,
    /// Yen captured in the shops and at their payment provider.
    pub captured: i64,
    /// Things an external system saw more than once.
    pub twice: usize,
    /// Things that did not arrive.
    pub lost: usize,
    /// Every entry balances, and the books say what was shipped.
    pub balanced: bool,
    /// Everything that is not as it ought to be, in words.
    pub problems: Vec<String>,
}

impl Verdict {
    /// Everything is as it ought to be.
    #[must_use]
    pub fn good(&self) -> bool {
        self.problems.is_empty()
    }

    /// The last line of the demo.
    #[must_use]
    pub fn line(&self) -> String {
        format!(
            "demo: orders={} booked={} cancelled={} open={} tasks={} owed={} captured={} twice={} lost={} journal={}",
            self.orders,
            self.booked,
            self.cancelled,
            self.open,
            self.tasks,
            self.owed,
            self.captured,
            self.twice,
            self.lost,
            if self.balanced {
                "balanced"
            } else {
                "unbalanced"
            }
        )
    }
}

/// Judges.
#[must_use]
pub fn judge(evidence: &Evidence) -> Verdict {
    let mut verdict = Verdict {
        orders: evidence.orders.len(),
        tasks: evidence.tasks.len(),
        ..Verdict::default()
    };
    verdict.problems.extend(evidence.troubles.iter().cloned());
    let mut by_order = evidence.shipments_by_order();
    let traces = Traces::of(evidence);
    let mut shipped_value = 0;
    for order in &evidence.orders {
        let shipments = by_order.remove(order.number.as_str()).unwrap_or_default();
        let shipped = goods(&shipments);
        match order.status.as_deref() {
            Some("booked") => verdict.booked += 1,
            Some("cancelled") => verdict.cancelled += 1,
            _ => verdict.open += 1,
        }
        shipped_value += order.basket.due(&shipped);
        money(order, &shipped, &mut verdict);
        end(order, &shipped, &mut verdict);
        for problem in traces.twice(order, &shipments, &shipped) {
            verdict.twice += 1;
            verdict.problems.push(format!("twice: {problem}"));
        }
        let lost = traces.lost(order, &shipments, &shipped);
        for problem in lost.into_iter().chain(traces.unmailed(order, &shipped)) {
            verdict.lost += 1;
            verdict.problems.push(format!("lost: {problem}"));
        }
    }
    for (number, _) in by_order {
        verdict.problems.push(format!(
            "a warehouse was instructed to ship order {number}, which no shop has"
        ));
    }
    if verdict.owed != verdict.captured {
        verdict.problems.push(format!(
            "{} yen are owed, {} were captured",
            verdict.owed, verdict.captured
        ));
    }
    tasks(evidence, &mut verdict);
    let books = books(evidence, shipped_value);
    verdict.balanced = books.is_empty();
    verdict.problems.extend(books);
    verdict
}

/// Pieces that left, over all of an order's shipments.
#[must_use]
pub fn goods(shipments: &[&ShipmentSeen]) -> Goods {
    let mut goods = Goods::new();
    for (code, n) in shipments
        .iter()
        .flat_map(|s| &s.parcels)
        .flat_map(|parcel| &parcel.goods)
    {
        *goods.entry(code.clone()).or_default() += n;
    }
    goods
}

/// What is owed on the card: prepaid orders, bank transfers and free ones are not captured by us.
#[must_use]
pub fn owed(order: &OrderSeen, shipped: &Goods) -> i64 {
    let waits = order.capture == CaptureRule::OnComplete && !order.basket.all_in(shipped);
    match order.pay {
        Pay::Card if !waits => order.basket.due(shipped),
        Pay::Card | Pay::Prepaid | Pay::Bank | Pay::Zero => 0,
    }
}

fn money(order: &OrderSeen, shipped: &Goods, verdict: &mut Verdict) {
    let owed = owed(order, shipped);
    verdict.owed += owed;
    verdict.captured += order.shop.captured;
    if order.shop.captured > owed {
        verdict.twice += 1;
        verdict.problems.push(format!(
            "twice: {} was captured {} yen, {owed} are owed",
            name(order),
            order.shop.captured
        ));
    } else if order.shop.captured < owed {
        verdict.problems.push(format!(
            "{} was captured {} yen, {owed} are owed",
            name(order),
            order.shop.captured
        ));
    }
    if !order.shop.undecodable && order.basket.total() != order.shop.total {
        verdict.problems.push(format!(
            "{} costs {} yen in the shop, {} yen were calculated",
            name(order),
            order.shop.total,
            order.basket.total()
        ));
    }
}

/// Whether an order ended as its part in the demo says.
fn end(order: &OrderSeen, shipped: &Goods, verdict: &mut Verdict) {
    let status = order.status.as_deref();
    let right = match order.end {
        End::Booked => {
            status == Some("booked") && order.basket.all_in(shipped) && !order.shop.cancelled
        }
        End::Cancelled => status == Some("cancelled") && shipped.is_empty() && order.shop.cancelled,
        End::Backordered => status == Some("backordered") && !order.basket.all_in(shipped),
        End::Unreadable => order.quarantined && shipped.is_empty(),
    };
    if !right {
        let said = status.unwrap_or(if order.quarantined {
            "in quarantine"
        } else {
            "not there"
        });
        let sent: u32 = shipped.values().sum();
        verdict.problems.push(format!(
            "{} should end as {:?} but is {said}, {sent} units shipped",
            name(order),
            order.end
        ));
    }
}

/// Only the unreadable orders leave work to an operator.
fn tasks(evidence: &Evidence, verdict: &mut Verdict) {
    let unreadable = evidence
        .orders
        .iter()
        .filter(|order| order.end == End::Unreadable)
        .count();
    let quarantine = evidence
        .tasks
        .iter()
        .filter(|task| task.kind == "quarantine")
        .count();
    // One task names all that cannot be read for one cause.
    if (quarantine == 0) != (unreadable == 0) || quarantine > unreadable {
        verdict.problems.push(format!(
            "{unreadable} orders cannot be decoded, but {quarantine} tasks report it"
        ));
    }
    for task in evidence
        .tasks
        .iter()
        .filter(|task| task.kind != "quarantine")
    {
        verdict.problems.push(format!(
            "unexpected task: {} {}: {}",
            task.kind, task.subject, task.detail
        ));
    }
}

/// What is wrong with the books: `shipped_value` is what they have to come to.
#[must_use]
pub fn books(evidence: &Evidence, shipped_value: i64) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut references = BTreeSet::new();
    let mut debits = 0;
    for entry in &evidence.journal {
        let sum: i64 = entry.lines.iter().map(|(_, amount)| amount).sum();
        if sum != 0 || entry.lines.is_empty() {
            wrong.push(format!(
                "{}: entry {} is off by {sum} yen",
                entry.file, entry.reference
            ));
        }
        if !references.insert(&entry.reference) {
            wrong.push(format!(
                "{}: entry {} is in the books twice",
                entry.file, entry.reference
            ));
        }
        let ours = |account: &str| account == RECEIVABLE || account == ADVANCES;
        debits += entry
            .lines
            .iter()
            .filter(|(account, _)| ours(account))
            .map(|(_, amount)| amount)
            .sum::<i64>();
    }
    if debits != shipped_value {
        wrong.push(format!(
            "the books show {debits} yen, but {shipped_value} yen were shipped"
        ));
    }
    wrong
}

/// An order in words.
#[must_use]
pub fn name(order: &OrderSeen) -> String {
    format!("{} {}/{}", order.number, order.account, order.shop.id)
}
