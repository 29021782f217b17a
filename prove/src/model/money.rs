//! Money by others: what staff and the provider do to the payments of an order, and what the channel asks for then.

use chrono::{DateTime, Utc};
use hikiate_sdk::{
    Charge, ChargeKind, ExternalId, OrderSnapshot, RefundCall, RefundEffect, RefundSeen, Tender,
    VoidCall,
};

use super::world::World;

/// A payment nobody has made yet.
#[must_use]
pub(super) fn unpaid(key: &str, way: &str) -> Tender {
    Tender {
        key: key.into(),
        gateway: way.to_owned(),
        amount: None,
        authorised: 0,
        captured: 0,
        refunded: 0,
        cancelled: false,
        provider: None,
        authorised_until: None,
        pay_by: None,
        review: None,
        refunds: Vec::new(),
    }
}

/// What was given back of a payment as the channel knows it, and what of that lowers the total by itself.
fn refunds(order: &OrderSnapshot) -> impl Iterator<Item = &RefundSeen> {
    let all = order.tenders.iter().flat_map(|tender| &tender.refunds);
    all.filter(|refund| refund.effect != RefundEffect::ProviderOnly)
}

/// Sets what each payment that stands is to pay: what is charged and was not paid with those that are void.
pub(super) fn ask(order: &mut OrderSnapshot) {
    // What was given back of a payment is paid by it no more.
    let given_back: i64 = refunds(order).map(|refund| refund.amount).sum();
    let lowers = refunds(order).filter(|refund| refund.effect == RefundEffect::Lowers);
    let lowered: i64 = lowers.map(|refund| refund.amount).sum();
    let void = order.tenders.iter().filter(|tender| tender.cancelled);
    let kept: i64 = void.map(|tender| tender.captured).sum();
    let mut rest = (order.total.unwrap_or(0) - lowered + given_back - kept).max(0);
    let n = order.tenders.len();
    if rest > 0 && order.tenders.iter().all(|tender| tender.cancelled) {
        let key = format!("again_{}_{n}", order.external_id);
        order.tenders.push(unpaid(&key, "card"));
    }
    let last = order.tenders.iter().rposition(|tender| !tender.cancelled);
    let live = |(_, tender): &(usize, &mut Tender)| !tender.cancelled;
    for (at, tender) in order.tenders.iter_mut().enumerate().filter(live) {
        let amount = if Some(at) == last {
            rest
        } else {
            rest.min(300)
        };
        tender.amount = Some(amount);
        rest -= amount;
    }
}

/// The payment by card is voided where it is not captured whole, and the rest of it is asked for anew.
pub(super) fn void(order: &mut OrderSnapshot) {
    let open = |tender: &&mut Tender| {
        let whole = tender.captured >= tender.amount.unwrap_or(0);
        tender.gateway == "card" && !tender.cancelled && !whole
    };
    let found = order.tenders.iter_mut().find(open);
    let key = found.map(|tender| tender.key.clone());
    if let Some(key) = key {
        release(order, &key);
    }
}

fn release(order: &mut OrderSnapshot, payment: &ExternalId) {
    let mut tenders = order.tenders.iter_mut();
    if let Some(tender) = tenders.find(|tender| tender.key == *payment) {
        tender.cancelled = true;
        tender.authorised = 0;
    }
    ask(order);
}

/// What we ask to be released is.
pub(super) fn void_by_us(order: &mut OrderSnapshot, call: &VoidCall) -> Result<(), String> {
    let open = |tender: &&Tender| {
        tender.key == call.payment && !tender.cancelled && tender.authorised > tender.captured
    };
    if !order.tenders.iter().any(|tender| open(&tender)) {
        return Err("nothing of it is authorised and not captured".to_owned());
    }
    release(order, &call.payment);
    Ok(())
}

/// What we ask to be given back is, unless others gave some of it back since.
pub(super) fn refund_by_us(
    at: usize,
    order: &mut OrderSnapshot,
    call: &RefundCall,
    now: DateTime<Utc>,
) -> Result<(), String> {
    let mut tenders = order.tenders.iter();
    let tender = tenders.find(|tender| tender.key == call.payment);
    let refunded = tender.map_or(0, |tender| tender.refunded);
    if refunded + call.amount > call.expected_refunded_total {
        return Err("refunded meanwhile".to_owned());
    }
    let key = format!("ours {}", call.key);
    let payment = Some(&call.payment);
    if refund(order, &key, call.amount, by_channel(at), payment, now) {
        Ok(())
    } else {
        Err("more than is left of the payment".to_owned())
    }
}

impl World {
    /// A part of what is kept by card is given back.
    pub(super) fn give_back(&mut self, at: usize, percent: u8, provider: bool) {
        self.next += 1;
        let tenders = &self.orders[at].truth.tenders;
        let kept = tenders
            .iter()
            .map(|tender| tender.captured - tender.refunded);
        let kept = kept.max().unwrap_or(0);
        let effect = if provider {
            RefundEffect::ProviderOnly
        } else {
            by_channel(at)
        };
        let amount = (kept * i64::from(percent) / 100).max(1);
        let key = format!("re_{}", self.next);
        let truth = &mut self.orders[at].truth;
        refund(truth, &key, amount, effect, None, self.now);
    }

    /// What the customer paid too much is given back, as far as it is with one payment. False where it is not.
    pub(super) fn give_back_too_much(&mut self, at: usize, amount: i64) -> bool {
        self.next += 1;
        let key = format!("re_{}", self.next);
        amount > 0
            && refund(
                &mut self.orders[at].truth,
                &key,
                amount,
                by_channel(at),
                None,
                self.now,
            )
    }
}

/// Half of the channels lower the total by a credit, for what was not paid too much; the others tell the refund alone.
fn by_channel(at: usize) -> RefundEffect {
    if at.is_multiple_of(2) {
        RefundEffect::InTotal
    } else {
        RefundEffect::Lowers
    }
}

fn refund(
    truth: &mut OrderSnapshot,
    key: &str,
    amount: i64,
    effect: RefundEffect,
    payment: Option<&ExternalId>,
    now: DateTime<Utc>,
) -> bool {
    let total = truth.total.unwrap_or(0);
    let known: i64 = refunds(truth).map(|refund| refund.amount).sum();
    let captured: i64 = truth.tenders.iter().map(|tender| tender.captured).sum();
    let too_much = (captured - known - total).max(0);
    let mut with_money = truth.tenders.iter_mut();
    let meant = |tender: &Tender| payment.is_none_or(|payment| tender.key == *payment);
    let enough = |tender: &Tender| tender.captured - tender.refunded >= amount;
    let Some(tender) = with_money.find(|tender| meant(tender) && enough(tender)) else {
        return false;
    };
    tender.refunded += amount;
    tender.refunds.push(RefundSeen {
        key: key.into(),
        amount,
        at: Some(now),
        effect,
        lines: Vec::new(),
    });
    let credit = (amount - too_much).max(0);
    if effect == RefundEffect::InTotal && credit > 0 {
        truth.total = Some(total - credit);
        truth.charges.push(Charge {
            kind: ChargeKind::Other,
            line: None,
            gross: Some(-credit),
            tax: None,
            tax_rate_bp: None,
            tax_class: None,
            sponsor: None,
        });
    }
    true
}
