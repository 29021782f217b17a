//! What an order charges as it stands: its charges, and what was given back of them, first of what had shipped by then.

use hikiate_sdk::{
    Charge, ChargeKind, ExternalId, LineKey, OrderSnapshot, RefundEffect, RefundSeen, Tender,
};

use super::apportion::apportion;
use super::fold::{Fold, Reading};
use super::payment::amount_of;
use super::view::{Left, View};
use crate::facts::{FactBody, Features, RefundReason};

/// An amount taken off the whole order, or off some lines of it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Off {
    /// Minor units; above zero.
    amount: i64,
    /// What had shipped by then.
    left: Left,
    /// Of these lines alone; empty for all.
    lines: Vec<LineKey>,
}

/// What an order charges.
#[derive(Clone, Debug)]
pub(crate) struct Charged<'a> {
    pub(crate) order: &'a OrderSnapshot,
    pub(crate) features: &'a Features,
    /// Its amounts, what is taken off the whole aside.
    pub(crate) items: Vec<&'a Charge>,
    /// Sum of what is charged, as the channel totals it, less what refunds take off besides.
    pub(crate) total: i64,
    offs: Vec<Off>,
    /// The order was cancelled.
    nothing: bool,
}

impl<'a> Charged<'a> {
    /// Nothing is charged: the order was cancelled.
    pub(crate) fn nothing(reading: &Reading<'a>) -> Self {
        let order = &reading.fact.order;
        Self {
            order,
            features: &reading.fact.features,
            items: order.charges.iter().collect(),
            total: 0,
            offs: Vec::new(),
            nothing: true,
        }
    }

    /// An amount without lines was spread over several charges.
    pub(crate) fn derived(&self) -> bool {
        self.items.len() > 1 && self.offs.iter().any(|off| off.lines.is_empty())
    }

    /// Charges the same, taxed in the same countries.
    pub(crate) fn is(&self, other: &Charged<'_>) -> bool {
        (self.total, self.nothing, &self.items) == (other.total, other.nothing, &other.items)
            && self.offs == other.offs
            && self.countries().eq(other.countries())
    }

    fn countries(&self) -> impl Iterator<Item = (&String, &String)> {
        let groups = self.features.groups.iter();
        groups.map(|(key, group)| (key, &group.country))
    }
}

/// A negative amount of the whole order without a rate of its own (a credit, a refund, goodwill).
fn is_credit(charge: &Charge) -> bool {
    charge.tax_rate_bp.is_none()
        && charge.line.is_none()
        && charge.sponsor.is_none()
        && charge.kind != ChargeKind::Rounding
        && charge.gross.is_some_and(|gross| gross < 0)
}

fn refunds(order: &OrderSnapshot) -> impl Iterator<Item = &RefundSeen> {
    order.tenders.iter().flat_map(|tender| &tender.refunds)
}

/// What was given back of a payment and stands in no refund of its own: the channel tells a sum alone, and no total has
/// it off.
fn unlisted(tender: &Tender) -> i64 {
    let listed = tender.refunds.iter();
    let listed = listed.fold(0_i64, |sum, refund| sum.saturating_add(refund.amount));
    tender.refunded.saturating_sub(listed).max(0)
}

/// All that was paid or is to be is given back, by payments or by the channel's records: a channel completes such an order, which
/// says nothing about its goods.
pub(crate) fn refunded_in_full(order: &OrderSnapshot) -> bool {
    let (mut paid, mut given) = (0_i64, 0_i64);
    for tender in &order.tenders {
        let amount = amount_of(order, tender).filter(|_| !tender.cancelled);
        paid = paid.saturating_add(amount.unwrap_or(0).max(tender.captured));
        let listed = tender.refunds.iter();
        let listed = listed.fold(0_i64, |sum, refund| sum.saturating_add(refund.amount));
        given = given.saturating_add(listed.max(tender.refunded));
    }
    given > 0 && given >= paid
}

/// Units of a line that were given back before they shipped: they are not sent. `shipped` are the units of it that had
/// shipped when a refund was first shown; those came back.
pub(crate) fn not_sent(
    fold: &Fold<'_>,
    order: &OrderSnapshot,
    line: &LineKey,
    shipped: impl Fn(&RefundSeen) -> u32,
) -> u32 {
    let (mut back, mut unsent) = (0_u32, 0_u32);
    for refund in refunds(order) {
        let named = units_of(fold, refund);
        for (_, units) in named.into_iter().filter(|(key, _)| key == line) {
            let returned = shipped(refund).saturating_sub(back).min(units);
            back = back.saturating_add(returned);
            unsent = unsent.saturating_add(units - returned);
        }
    }
    unsent
}

/// Lines and units that a refund is for: as its reading says, or as it was asked for where it is ours.
pub(crate) fn units_of(fold: &Fold<'_>, refund: &RefundSeen) -> Vec<(LineKey, u32)> {
    match fold.our_refunds.get(refund.key.as_str()) {
        Some(asked) if refund.lines.is_empty() && asked.parts.len() == 1 => {
            let lines = asked.lines.iter();
            lines
                .map(|line| (line.line.clone(), line.quantity))
                .collect()
        }
        _ => refund.lines.clone(),
    }
}

/// Refunds that the channel records and that its total does not have off, although they gave back nothing that was paid
/// beyond it: the newest, as far as the payments lack them.
fn not_in_total(order: &OrderSnapshot) -> Vec<&ExternalId> {
    let mut recorded: Vec<&RefundSeen> = refunds(order)
        .filter(|refund| refund.effect == RefundEffect::InTotal)
        .collect();
    if recorded.is_empty() {
        return Vec::new();
    }
    recorded.sort_by_key(|refund| refund.at);
    let paid = order.tenders.iter().fold(0_i64, |sum, tender| {
        let amount = tender.amount.filter(|_| !tender.cancelled).unwrap_or(0);
        sum.saturating_add(amount.max(tender.captured))
    });
    // The others explain what they lack themselves.
    let paid = recorded
        .iter()
        .fold(paid, |sum, refund| sum.saturating_sub(refund.amount));
    let all_told = order.tenders.iter().all(|tender| tender.amount.is_some());
    let lack = order.total.filter(|_| all_told);
    let mut lack = lack.map_or(0, |total| total.saturating_sub(paid));
    let mut missing = Vec::new();
    for refund in recorded.into_iter().rev() {
        if refund.amount <= lack {
            lack -= refund.amount;
            missing.push(&refund.key);
        }
    }
    missing
}

impl<'a> View<'a> {
    /// What a refund does to what is charged; `None` where the order does not have it and no operator has said.
    fn effect_of(&self, order: &OrderSnapshot, refund: &RefundSeen) -> Option<RefundEffect> {
        let ours = self.fold.our_refunds.contains_key(refund.key.as_str());
        let reason = self.fold.refund_reasons.get(&refund.key).copied();
        let reason = reason.or(ours.then_some(RefundReason::Return));
        let untold = refund.effect == RefundEffect::ProviderOnly
            || refund.effect == RefundEffect::InTotal && not_in_total(order).contains(&&refund.key);
        match (untold, reason) {
            (true, None) => None,
            (true, Some(RefundReason::Discount | RefundReason::Return)) => {
                Some(RefundEffect::Lowers)
            }
            _ => Some(refund.effect),
        }
    }

    /// Refunds that the channel's order does not have and nobody has explained.
    pub(crate) fn untold_refunds(&self) -> impl Iterator<Item = &'a RefundSeen> {
        refunds(self.order).filter(|refund| self.effect_of(self.order, refund).is_none())
    }

    /// Units that rounding may have moved: a shop that does not round tells sums that are rounded one by one.
    pub(crate) fn slack(&self) -> i64 {
        i64::try_from(refunds(self.order).count()).unwrap_or(i64::MAX)
    }

    /// What credits take off the whole order.
    pub(crate) fn credited(&self) -> i64 {
        let credits = self.order.charges.iter().filter(|charge| is_credit(charge));
        let credits = credits.filter_map(|charge| charge.gross);
        credits.fold(0_i64, |sum, gross| sum.saturating_sub(gross))
    }

    /// As much of those refunds as no overpayment explains.
    pub(crate) fn unexplained(&self) -> i64 {
        let untold = self.untold_refunds();
        let untold = untold.fold(0_i64, |sum, refund| sum.saturating_add(refund.amount));
        if untold == 0 {
            return 0;
        }
        let taken = self.order.tenders.iter().fold(0_i64, |sum, tender| {
            sum.saturating_add(self.taken(tender))
                .saturating_sub(tender.refunded)
        });
        let charged = match (self.cancelled_at_channel, self.charged_total()) {
            (Some(_), _) => 0,
            (None, Some(total)) => total.max(0),
            // While an amount is not known, nothing says that too much was paid.
            (None, None) => return untold,
        };
        let beyond = taken.saturating_add(untold).saturating_sub(charged);
        untold.saturating_sub(beyond.max(0)).max(0)
    }

    /// What was given back of a payment, what nothing explains aside.
    pub(crate) fn given_back(&self, tender: &Tender) -> i64 {
        let untold = |tender: &Tender| {
            let refunds = tender.refunds.iter();
            refunds
                .filter(|refund| self.effect_of(self.order, refund).is_none())
                .fold(0_i64, |sum, refund| sum.saturating_add(refund.amount))
        };
        // Each unit that nothing explains is of one payment.
        let mut rest = self.unexplained();
        for known in &self.order.tenders {
            if known.key == tender.key {
                break;
            }
            rest = rest.saturating_sub(untold(known)).max(0);
        }
        tender.refunded.saturating_sub(untold(tender).min(rest))
    }

    /// What was given back of a payment by mistake: it is still to be paid.
    pub(crate) fn by_mistake(&self, tender: &Tender) -> i64 {
        let mistakes = tender.refunds.iter().filter(|refund| {
            self.fold.refund_reasons.get(&refund.key) == Some(&RefundReason::Mistake)
        });
        mistakes.fold(0_i64, |sum, refund| sum.saturating_add(refund.amount))
    }

    /// What of a payment's amount is not paid in the end: what was given back of it, and what the channel's records of refunds
    /// took off a payment at another account that was not captured yet, which gives nothing back. What was given back is of later
    /// records first; those lower what is captured after them as well.
    pub(crate) fn not_paid(&self, tender: &Tender, amount: i64, given: i64) -> i64 {
        let (before, after) = self.lowered_around_capture(tender);
        let open = amount.saturating_sub(tender.captured.saturating_add(before));
        let later = given.saturating_add(open.max(0)).min(after);
        given.max(before.saturating_add(later))
    }

    /// What such records take off, before anything was captured and after.
    fn lowered_around_capture(&self, tender: &Tender) -> (i64, i64) {
        let Some(known) = tender.provider.as_ref().and_then(|name| name.key.as_ref()) else {
            return (0, 0);
        };
        let captured = self.input.facts.iter().find(|fact| match &fact.body {
            FactBody::Payment(told) => told.payment.key == *known && told.payment.captured > 0,
            _ => false,
        });
        let captured = captured.map_or(i64::MAX, |fact| fact.id);
        let lowering = tender
            .refunds
            .iter()
            .filter(|refund| self.effect_of(self.order, refund) == Some(RefundEffect::Lowers));
        let (mut before, mut after) = (0_i64, 0_i64);
        for refund in lowering {
            let shown = |order: &OrderSnapshot| refunds(order).any(|one| one.key == refund.key);
            let sum = match self.first_shown(shown) < captured {
                true => &mut before,
                false => &mut after,
            };
            *sum = sum.saturating_add(refund.amount);
        }
        (before, after)
    }

    /// What is paid of an order, or is to be: all payments, less what was given back of them and is explained.
    fn paid_in_the_end(&self, order: &OrderSnapshot) -> i64 {
        let live = order.tenders.iter().filter(|tender| !tender.cancelled);
        let only = live.count() == 1;
        order.tenders.iter().fold(0_i64, |sum, tender| {
            let told = tender.amount.or(order.total.filter(|_| only));
            let amount = told.filter(|_| !tender.cancelled).unwrap_or(0);
            let untold = tender.refunds.iter();
            let untold = untold.filter(|refund| self.effect_of(order, refund).is_none());
            let untold = untold.fold(0_i64, |sum, refund| sum.saturating_add(refund.amount));
            let given = tender.refunded.saturating_sub(untold);
            sum.saturating_add(amount.max(tender.captured))
                .saturating_sub(self.not_paid(tender, amount, given))
        })
    }

    /// What is charged at a reading, `back` of it put on again; `None` while an amount is unknown.
    pub(crate) fn charged_at(&self, reading: &Reading<'a>, back: i64) -> Option<Charged<'a>> {
        let order = &reading.fact.order;
        let total = order.total?;
        let mut items = Vec::with_capacity(order.charges.len());
        for charge in &order.charges {
            charge.gross?;
            if !is_credit(charge) {
                items.push(charge);
            }
        }
        let mut charged = Charged {
            order,
            features: &reading.fact.features,
            items,
            total: total.saturating_add(back),
            offs: self.credits(reading.id),
            nothing: false,
        };
        put_back(&mut charged.offs, back);
        // Giving back what was paid beyond the charges, or is paid anew, lowers none of them.
        let mut room = total.saturating_sub(self.paid_in_the_end(order)).max(0);
        let listed = refunds(order)
            .filter(|refund| self.effect_of(order, refund) == Some(RefundEffect::Lowers))
            .map(|refund| {
                let lines = units_of(&self.fold, refund).into_iter();
                let lines = lines.map(|(line, _)| line).collect();
                (refund.amount, lines, self.left_at(refund))
            });
        let unlisted = order.tenders.iter().map(|tender| {
            let shown = |order: &OrderSnapshot| {
                let same = order.tenders.iter().find(|known| known.key == tender.key);
                same.is_some_and(|known| unlisted(known) == unlisted(tender))
            };
            let since = self.first_shown(shown);
            (unlisted(tender), Vec::new(), self.left_before(since))
        });
        for (amount, lines, left) in listed.chain(unlisted) {
            let amount = amount.min(room);
            room -= amount;
            if amount > 0 {
                charged.offs.push(Off {
                    amount,
                    left,
                    lines,
                });
                charged.total = charged.total.saturating_sub(amount);
            }
        }
        Some(charged)
    }

    /// Credits of the whole order up to a reading, each with what had shipped when it was first shown.
    fn credits(&self, until: i64) -> Vec<Off> {
        let mut offs: Vec<Off> = Vec::new();
        let mut known = 0_i64;
        let mut told: Vec<&RefundSeen> = Vec::new();
        for reading in self.fold.readings.iter().filter(|one| one.id <= until) {
            let order = &reading.fact.order;
            let credits = order.charges.iter().filter(|charge| is_credit(charge));
            let sum = credits
                .filter_map(|charge| charge.gross)
                .fold(0_i64, |sum, gross| sum.saturating_sub(gross));
            let new: Vec<&RefundSeen> = refunds(order)
                .filter(|refund| !told.iter().any(|known| known.key == refund.key))
                .collect();
            let more = sum.saturating_sub(known);
            if more > 0 {
                let left = match new.last() {
                    Some(refund) => self.left_at(refund),
                    None => self.left_before(reading.id),
                };
                offs.push(Off {
                    amount: more,
                    left,
                    lines: Vec::new(),
                });
            } else {
                put_back(&mut offs, more.saturating_neg());
            }
            known = sum;
            told.extend(new);
        }
        offs
    }

    /// The first reading of which this is true, and of all since.
    fn first_shown(&self, so: impl Fn(&OrderSnapshot) -> bool) -> i64 {
        self.fold.unchanged_since(so)
    }

    /// What had shipped when a refund was made, as far as it was known when it was first shown.
    fn left_at(&self, refund: &RefundSeen) -> Left {
        let shows = |order: &OrderSnapshot| refunds(order).any(|seen| seen.key == refund.key);
        let mut readings = self.fold.readings.iter();
        let first = readings.find(|reading| shows(&reading.fact.order));
        let id = first.map_or(i64::MAX, |reading| reading.id);
        self.departed(|one| one.first_id < id && refund.at.is_none_or(|at| one.shipped_at <= at))
    }

    fn left_before(&self, id: i64) -> Left {
        self.departed(|one| one.first_id < id)
    }

    /// What the order charges now; `None` while an amount is unknown.
    pub(crate) fn charged(&self) -> Option<Charged<'a>> {
        self.charged_at(&self.head, 0)
    }

    /// What the order charges in all; `None` while an amount is unknown.
    pub(crate) fn charged_total(&self) -> Option<i64> {
        self.charged().map(|charged| charged.total)
    }

    /// What is due of each amount once this much has left. What was taken off is taken off what had shipped by then, and
    /// the rest of it off what ships later, in proportion.
    pub(crate) fn due_items(&self, charged: &Charged<'_>, left: &Left) -> Vec<i64> {
        if charged.nothing {
            return vec![0; charged.items.len()];
        }
        let raw = |left: &Left| -> Vec<i64> {
            let items = charged.items.iter();
            items
                .map(|item| self.due_of(charged.order, item, item.gross.unwrap_or(0), left))
                .collect()
        };
        let whole: Vec<i64> = charged
            .items
            .iter()
            .map(|item| item.gross.unwrap_or(0))
            .collect();
        let mut shipped_off = vec![0_i64; whole.len()];
        // What is taken off what ships later: parts, and what had shipped of each before.
        let mut later_off: Vec<(Vec<i64>, Vec<i64>)> = Vec::new();
        let net = |left: &Left, off: &[i64], later: &[(Vec<i64>, Vec<i64>)]| -> Vec<i64> {
            let mut due = raw(left);
            for (n, due) in due.iter_mut().enumerate() {
                let whole = whole.get(n).copied().unwrap_or(0);
                let gone = later.iter().fold(0_i64, |sum, (parts, base)| {
                    let at = |list: &[i64]| list.get(n).copied().unwrap_or(0);
                    sum.saturating_add(part_of(at(parts), *due, at(base), whole))
                });
                let net = due
                    .saturating_add(off.get(n).copied().unwrap_or(0))
                    .saturating_add(gone);
                // Nothing is taken off what is not due.
                *due = match due.signum() {
                    -1 => net.min(0),
                    0 => 0,
                    _ => net.max(0),
                };
            }
            due
        };
        for off in &charged.offs {
            let named = |n: usize| {
                let line = charged.items.get(n).and_then(|item| item.line.as_ref());
                off.lines.is_empty() || line.is_some_and(|line| off.lines.contains(line))
            };
            let none = !(0..whole.len()).any(named);
            let only = |amounts: Vec<i64>| -> Vec<i64> {
                let amounts = amounts.into_iter().enumerate();
                amounts
                    .map(|(n, amount)| if none || named(n) { amount } else { 0 })
                    .collect()
            };
            let due = only(net(&off.left, &shipped_off, &later_off));
            let of_shipped = off.amount.min(due.iter().sum::<i64>().max(0));
            if of_shipped > 0 {
                let parts = apportion(of_shipped.saturating_neg(), &due);
                add(&mut shipped_off, &parts);
            }
            let rest = off.amount.saturating_sub(of_shipped);
            if rest > 0 {
                let base = raw(&off.left);
                let mut open: Vec<i64> = whole
                    .iter()
                    .zip(&base)
                    .map(|(whole, base)| whole.saturating_sub(*base))
                    .collect();
                // Of what is taken off already, only what is still to be taken off what ships later.
                for (n, open) in open.iter_mut().enumerate() {
                    let at = |list: &[i64]| list.get(n).copied().unwrap_or(0);
                    for (parts, before) in &later_off {
                        let gone = part_of(at(parts), at(&base), at(before), at(&whole));
                        *open = open.saturating_add(at(parts).saturating_sub(gone));
                    }
                }
                let parts = apportion(rest.saturating_neg(), &only(open));
                later_off.push((parts, base));
            }
        }
        let mut due = net(left, &shipped_off, &later_off);
        // Once all has shipped all is due that is charged, also where a charge is less by now than was taken off it.
        if raw(left) == whole {
            let off: i64 = charged.offs.iter().map(|off| off.amount).sum();
            // What was credited beyond that (a return that staff also took off the order) is no sale below zero.
            let all = whole.iter().sum::<i64>().saturating_sub(off).max(0);
            let missing = all.saturating_sub(due.iter().sum());
            if missing != 0 {
                let parts = apportion(missing, &due);
                add(&mut due, &parts);
            }
        }
        due
    }
}

/// `part` in proportion to what shipped of an amount since `base`; all of it once nothing is left.
fn part_of(part: i64, due: i64, base: i64, whole: i64) -> i64 {
    let (num, den) = (due.saturating_sub(base), whole.saturating_sub(base));
    if part == 0 || den == 0 {
        return if den == 0 && due == whole { part } else { 0 };
    }
    let (num, den) = (num.saturating_mul(den.signum()), den.saturating_abs());
    let exact = i128::from(part) * i128::from(num);
    let rounded = (exact * 2 + exact.signum() * i128::from(den)) / (i128::from(den) * 2);
    i64::try_from(rounded).unwrap_or(part)
}

fn add(sums: &mut [i64], parts: &[i64]) {
    for (sum, part) in sums.iter_mut().zip(parts) {
        *sum = sum.saturating_add(*part);
    }
}

/// Takes amounts off the last ones again.
fn put_back(offs: &mut Vec<Off>, mut amount: i64) {
    while amount > 0 {
        let Some(last) = offs.last_mut() else {
            return;
        };
        let back = amount.min(last.amount);
        last.amount -= back;
        amount -= back;
        if last.amount == 0 {
            offs.pop();
        }
    }
}
