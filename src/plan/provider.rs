//! Payments at another account than the channel's: what that account reports stands in place of what the channel says.
//! Which payment is whose is decided here, from names alone.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use hikiate_sdk::{
    AccountSlug, ExternalId, OrderSnapshot, PaymentRef, PaymentSnapshot, PaymentState,
    RefundEffect, RefundSeen, Tender,
};

use super::order::PlanError;
use super::provider_refunds::{Key, Records};
use super::types::OrderInput;
use super::view::View;
use crate::facts::{Fact, FactBody, OrderFact, PaymentFact};
use crate::policy::{Channel, PaymentRoute, Policy};

/// By what an order knows a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NameKind {
    /// The provider's id.
    Key,
    /// What the merchant called it there.
    Reference,
}

impl NameKind {
    /// The word in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Reference => "reference",
        }
    }

    /// From that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Key, Self::Reference]
            .into_iter()
            .find(|kind| kind.as_str() == word)
    }
}

/// An order names a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim<S> {
    /// The order.
    pub order: S,
    /// How.
    pub kind: NameKind,
    /// It learnt the provider's id from a payment that it knew by reference.
    pub learnt: bool,
    /// The order is not cancelled at its channel.
    pub live: bool,
}

/// The orders that a payment may be of, from all claims on its names: who names it by the provider's id comes before who
/// knows the merchant's reference alone, and an order that is alive before one that is cancelled. One is its owner; of
/// several nobody can say which.
#[must_use]
pub fn owners<S: Ord + Clone>(claims: &[Claim<S>]) -> BTreeSet<S> {
    let rank = |claim: &Claim<S>| (claim.kind == NameKind::Key && !claim.learnt, claim.live);
    let best = claims.iter().map(rank).max();
    let first = claims.iter().filter(|claim| Some(rank(claim)) == best);
    first.map(|claim| claim.order.clone()).collect()
}

/// A name of a payment of this order, or of one that it has a fact of, with an order that claims it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedPayment {
    /// The account that holds the money.
    pub account: AccountSlug,
    /// The name.
    pub name: String,
    /// Who claims it, by our number.
    pub claim: Claim<String>,
}

/// Payments at other accounts, as they stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payments {
    /// Readings of the order with what providers show in them, by the fact that brought them.
    readings: BTreeMap<i64, OrderFact>,
    /// Those of the last reading.
    at: Vec<AtProvider>,
}

/// A payment at another account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AtProvider {
    /// As the channel shows it.
    pub tender: Tender,
    /// The account that holds the money.
    pub account: AccountSlug,
    /// When the channel was last read with another state of it.
    pub reported_at: DateTime<Utc>,
    /// When the order first had it.
    pub since: DateTime<Utc>,
    /// What its account reported.
    pub seen: Option<SeenPayment>,
    /// Other payments of the same name that are alive.
    pub also: Vec<ExternalId>,
    /// Orders, by our number, that name it as well, where nobody can say whose it is.
    pub rivals: BTreeSet<String>,
}

/// A payment as its account reported it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenPayment {
    /// The first fact of it.
    pub first_id: i64,
    /// The last.
    pub id: i64,
    /// When that was stored.
    pub at: DateTime<Utc>,
    /// What it says.
    pub payment: PaymentSnapshot,
}

impl Payments {
    /// The reading that a fact brought, where a provider has a say in it.
    pub(crate) fn reading(&self, fact: i64) -> Option<&OrderFact> {
        self.readings.get(&fact)
    }
}

impl PaymentRoute {
    /// The account that reports the payment, where that is another than the channel's.
    #[must_use]
    pub fn elsewhere(&self) -> Option<&AccountSlug> {
        self.account.as_ref().filter(|_| self.reads)
    }
}

impl OrderInput {
    /// Puts what providers report into its readings. To be done after its facts have changed and before it is planned.
    pub fn see_payments(&mut self, policy: &Policy) {
        let channel = policy.channels.get(&self.channel);
        let payments = channel.filter(|channel| reads_elsewhere(channel));
        self.payments = payments.map(|channel| Sight::of(self, channel));
    }
}

fn reads_elsewhere(channel: &Channel) -> bool {
    let mut routes = channel.payments.values();
    routes.any(|route| route.elsewhere().is_some())
}

/// Without them the channel's word alone would be believed.
pub(crate) fn seen(input: &OrderInput, channel: &Channel) -> Result<(), PlanError> {
    if input.payments.is_none() && reads_elsewhere(channel) {
        let number = input.number.clone();
        return Err(PlanError::Unseen { number });
    }
    Ok(())
}

/// Folding payments and readings.
struct Sight<'a> {
    input: &'a OrderInput,
    channel: &'a Channel,
    known: BTreeMap<Key, SeenPayment>,
    records: Records,
}

impl Sight<'_> {
    fn of(input: &OrderInput, channel: &Channel) -> Payments {
        let mut sight = Sight {
            input,
            channel,
            known: BTreeMap::new(),
            records: Records::default(),
        };
        let mut payments = Payments::default();
        let mut last: Option<&OrderFact> = None;
        let mut shown: Option<OrderFact> = None;
        for fact in &input.facts {
            match &fact.body {
                FactBody::Order(order) => last = Some(order),
                FactBody::Payment(payment) => sight.hear(fact, payment),
                FactBody::Intent(intent) => {
                    sight.records.decide(intent);
                    continue;
                }
                _ => continue,
            }
            let Some(order) = last else { continue };
            let merged = sight.merged(order);
            // A payment that changes nothing of the order is no reading of it.
            let new_input =
                matches!(fact.body, FactBody::Order(_)) || shown.as_ref() != Some(&merged);
            if new_input {
                payments.readings.insert(fact.id, merged.clone());
            }
            shown = Some(merged);
        }
        if let Some(order) = last {
            payments.at = sight.at(&order.order);
        }
        payments
    }

    fn hear(&mut self, fact: &Fact, told: &PaymentFact) {
        let key = (told.account.clone(), told.payment.key.clone());
        let known = self.known.get(&key);
        let first_id = known.map_or(fact.id, |known| known.first_id);
        let mut payment = told.payment.clone();
        // A provider may tell it only while it can still be paid.
        let before = known.and_then(|known| known.payment.pay_by);
        payment.pay_by = payment.pay_by.or(before);
        let seen = SeenPayment {
            first_id,
            id: fact.id,
            at: fact.recorded_at,
            payment,
        };
        self.known.insert(key, seen);
    }

    fn route(&self, tender: &Tender) -> Option<&AccountSlug> {
        self.channel.payments.get(&tender.gateway)?.elsewhere()
    }

    /// The claims on a payment of one of these names.
    fn claims(&self, account: &AccountSlug, names: &[(NameKind, &str)]) -> Vec<Claim<String>> {
        let named = self.input.claims.iter().filter(|named| {
            named.account == *account && names.contains(&(named.claim.kind, &named.name))
        });
        named.map(|named| named.claim.clone()).collect()
    }

    /// It may be this order's, and others' that are returned.
    fn rivals(&self, account: &AccountSlug, names: &[(NameKind, &str)]) -> BTreeSet<String> {
        let mut owners = owners(&self.claims(account, names));
        owners.remove(&self.input.number);
        owners
    }

    fn rivals_of(&self, key: &Key) -> BTreeSet<String> {
        let reference = self.known.get(key).map(|seen| &seen.payment.reference);
        let mut names = vec![(NameKind::Key, key.1.as_str())];
        if let Some(Some(reference)) = reference {
            names.push((NameKind::Reference, reference));
        }
        self.rivals(&key.0, &names)
    }

    /// Which payment each tender is, by its place: no payment is two of them.
    fn assigned(&self, order: &OrderSnapshot) -> BTreeMap<usize, Key> {
        let mut tenders: Vec<(usize, &Tender)> = order.tenders.iter().enumerate().collect();
        tenders.sort_by_key(|(at, tender)| (tender.cancelled, *at));
        let mut taken = BTreeSet::new();
        let mut assigned = BTreeMap::new();
        for (at, tender) in tenders {
            let mut found: Vec<_> = self
                .candidates(tender)
                .filter(|(key, _)| !taken.contains(*key) && self.rivals_of(key).is_empty())
                .collect();
            found.sort_by_key(|(key, seen)| {
                let named = tender
                    .provider
                    .as_ref()
                    .and_then(|known| known.key.as_ref());
                (
                    uncertainty(&seen.payment),
                    named != Some(&key.1),
                    seen.first_id,
                )
            });
            if let Some((key, _)) = found.first() {
                taken.insert((*key).clone());
                assigned.insert(at, (*key).clone());
            }
        }
        assigned
    }

    /// Payments that a tender's names name.
    fn candidates<'s>(
        &'s self,
        tender: &'s Tender,
    ) -> impl Iterator<Item = (&'s Key, &'s SeenPayment)> {
        let account = self.route(tender);
        self.known.iter().filter(move |((at, key), seen)| {
            let reference = seen.payment.reference.as_deref();
            let provider = tender.provider.as_ref();
            account == Some(at) && provider.is_some_and(|known| known.names(key, reference))
        })
    }

    fn merged(&mut self, told: &OrderFact) -> OrderFact {
        let assigned = self.assigned(&told.order);
        let mut fact = told.clone();
        let currency = fact.order.currency;
        for (at, tender) in fact.order.tenders.iter_mut().enumerate() {
            if self.route(tender).is_none() {
                continue;
            }
            let key = assigned.get(&at);
            let seen = key.and_then(|key| Some((key, &self.known.get(key)?.payment)));
            match seen.filter(|(_, payment)| payment.currency == currency) {
                Some((key, payment)) => {
                    let beside = self.records.unexplained(key, tender, payment);
                    stands(tender, payment, beside);
                }
                None => unseen(tender),
            }
        }
        fact
    }

    fn at(&self, order: &OrderSnapshot) -> Vec<AtProvider> {
        let assigned = self.assigned(order);
        let used: BTreeSet<&Key> = assigned.values().collect();
        let mut all = Vec::new();
        for (at, tender) in order.tenders.iter().enumerate() {
            let Some(account) = self.route(tender) else {
                continue;
            };
            let also = self.candidates(tender).filter(|(key, seen)| {
                !used.contains(key)
                    && uncertainty(&seen.payment) == 0
                    && self.rivals_of(key).is_empty()
            });
            let (reported_at, since) = self.told(tender);
            all.push(AtProvider {
                tender: tender.clone(),
                account: account.clone(),
                reported_at,
                since,
                seen: assigned
                    .get(&at)
                    .and_then(|key| self.known.get(key))
                    .cloned(),
                also: also.map(|((_, key), _)| key.clone()).collect(),
                rivals: self.rivals_of_tender(tender, account),
            });
        }
        all
    }

    /// Where it is not told which payment it is.
    fn rivals_of_tender(&self, tender: &Tender, account: &AccountSlug) -> BTreeSet<String> {
        let mut rivals: BTreeSet<String> = self
            .candidates(tender)
            .flat_map(|(key, _)| self.rivals_of(key))
            .collect();
        let provider = tender.provider.as_ref();
        let key = provider.and_then(|known| known.key.as_ref());
        let reference = provider.and_then(|known| known.reference.as_deref());
        let name = match (key, reference) {
            (Some(key), _) => Some((NameKind::Key, key.as_str())),
            (None, reference) => reference.map(|name| (NameKind::Reference, name)),
        };
        rivals.extend(name.map_or_else(BTreeSet::new, |name| self.rivals(account, &[name])));
        rivals
    }

    /// When the channel first told this state of a tender, and when it first told it at all.
    fn told(&self, tender: &Tender) -> (DateTime<Utc>, DateTime<Utc>) {
        let readings = self.input.facts.iter().filter_map(|fact| match &fact.body {
            FactBody::Order(order) => {
                let mut all = order.order.tenders.iter();
                Some((fact.recorded_at, all.find(|known| known.key == tender.key)?))
            }
            _ => None,
        });
        let readings: Vec<_> = readings.collect();
        let run = readings.iter().rev();
        let same = run.take_while(|(_, known)| *known == tender).last();
        let first = readings.first().map_or(DateTime::UNIX_EPOCH, |(at, _)| *at);
        (same.map_or(first, |(at, _)| *at), first)
    }
}

/// 0 for money that is there or can be taken, more the less is to be expected of it.
fn uncertainty(payment: &PaymentSnapshot) -> u8 {
    match &payment.state {
        _ if payment.captured > 0 => 0,
        PaymentState::Authorised | PaymentState::Paid | PaymentState::Review { .. } => 0,
        PaymentState::Waiting | PaymentState::Unknown { .. } => 1,
        PaymentState::Cancelled | PaymentState::Expired | PaymentState::Refused { .. } => 2,
    }
}

/// What the channel says of the money counts for nothing while its account has not told it. Its records of refunds say what
/// they take off the order, not that money went back.
fn unseen(tender: &mut Tender) {
    tender.authorised = 0;
    tender.captured = 0;
    tender.refunded = 0;
    // Nor is it the payment that it names: another tender may be.
    tender.provider = None;
}

fn stands(tender: &mut Tender, payment: &PaymentSnapshot, beside: Vec<&RefundSeen>) {
    tender.amount = tender.amount.or(Some(payment.amount));
    tender.authorised = match uncertainty(payment) {
        0 if !payment.state.is_over() => payment.authorised.max(payment.captured),
        _ => payment.captured,
    };
    tender.captured = payment.captured;
    tender.refunded = payment.refunded;
    tender.cancelled |= payment.state.is_over();
    tender.authorised_until = payment.authorised_until.or(tender.authorised_until);
    tender.pay_by = payment.pay_by.or(tender.pay_by);
    if let PaymentState::Review { reasons } = &payment.state {
        tender.review = Some(reasons.join(", "));
    }
    let known = tender.provider.take();
    tender.provider = Some(PaymentRef {
        key: Some(payment.key.clone()),
        reference: payment
            .reference
            .clone()
            .or(known.and_then(|known| known.reference)),
    });
    // The channel's record of a refund says what it does to the order; without one nobody has said.
    let beside = beside.into_iter().map(|refund| RefundSeen {
        effect: RefundEffect::ProviderOnly,
        ..refund.clone()
    });
    tender.refunds.extend(beside);
}

impl View<'_> {
    /// A payment at another account than the channel's.
    pub(crate) fn at_provider(&self, payment: &ExternalId) -> Option<&AtProvider> {
        self.at_providers().find(|at| at.tender.key == *payment)
    }

    /// A payment as its account reported it last to this order.
    pub(crate) fn last_reported(
        &self,
        account: &AccountSlug,
        key: &ExternalId,
    ) -> Option<&PaymentSnapshot> {
        let facts = self.input.facts.iter().rev();
        let mut told = facts.filter_map(|fact| match &fact.body {
            FactBody::Payment(told) => Some(told),
            _ => None,
        });
        let mine = told.find(|told| told.account == *account && told.payment.key == *key);
        mine.map(|told| &told.payment)
    }

    /// All of them.
    pub(crate) fn at_providers(&self) -> impl Iterator<Item = &AtProvider> {
        self.input.payments.iter().flat_map(|payments| &payments.at)
    }
}
