//! Which of the channel's records explains a refund at another account. A record that was there when a capture was decided lowered
//! it: as far as less than all was captured it moved no money, and it explains none that goes back later.

use std::collections::{BTreeMap, BTreeSet};

use hikiate_sdk::{AccountSlug, Call, ExternalId, PaymentSnapshot, RefundSeen, Tender};

use super::capture;
use crate::facts::{IntentFact, IntentWhat};

/// A payment, by the account that holds the money and its id there.
pub(super) type Key = (AccountSlug, ExternalId);

/// Records of refunds, as far as the facts were gone through.
#[derive(Default)]
pub(super) struct Records {
    /// The record of a refund at the provider.
    explained: BTreeMap<(Key, ExternalId), ExternalId>,
    /// Records of a payment that explain no refund there yet.
    free: BTreeMap<Key, Vec<ExternalId>>,
    /// Those of them that were there when something was captured, or decided to be.
    lowering: BTreeSet<ExternalId>,
    /// What we asked for of a payment, and the most that was shown as captured.
    captured: BTreeMap<Key, i64>,
}

impl Records {
    /// A capture was decided, with these records in view.
    pub(super) fn decide(&mut self, intent: &IntentFact) {
        let IntentWhat::Call { call, .. } = &intent.what else {
            return;
        };
        let Call::Capture(call) = call.as_ref() else {
            return;
        };
        let known = call.provider.as_ref().and_then(|name| name.key.clone());
        let Some(known) = known else { return };
        let key = (intent.account.clone(), known);
        self.lower(&key);
        let sum = self.captured.entry(key).or_default();
        *sum = sum.saturating_add(capture::amount_of(call));
    }

    fn lower(&mut self, key: &Key) {
        let free = self.free.get(key).into_iter().flatten();
        self.lowering.extend(free.cloned());
    }

    /// Refunds at the provider that no record explains. A pair lasts as long as both are there.
    pub(super) fn unexplained<'p>(
        &mut self,
        key: &Key,
        told: &Tender,
        payment: &'p PaymentSnapshot,
    ) -> Vec<&'p RefundSeen> {
        let mut free: Vec<&RefundSeen> = told.refunds.iter().collect();
        let mut open = Vec::new();
        for refund in &payment.refunds {
            let record = self.explained.get(&(key.clone(), refund.key.clone()));
            match free.iter().position(|one| Some(&one.key) == record) {
                Some(at) => {
                    free.remove(at);
                }
                None => open.push(refund),
            }
        }
        let lowers = |one: &RefundSeen| self.lowering.contains(&one.key);
        let lowered = free.iter().filter(|one| lowers(one));
        let lowered = lowered.fold(0_i64, |sum, one| sum.saturating_add(one.amount));
        let amount = told.amount.unwrap_or(payment.amount);
        let left_out = amount.saturating_sub(payment.captured).max(0);
        // What was captured all the same is given back for them.
        let mut room = lowered.saturating_sub(left_out).max(0);
        let mut unexplained = Vec::new();
        for refund in open {
            let same = |one: &&RefundSeen| one.amount == refund.amount;
            let found = free.iter().position(|one| same(one) && !lowers(one));
            let found = found.or_else(|| {
                let at = free.iter().position(same)?;
                room = room.checked_sub(refund.amount).filter(|left| *left >= 0)?;
                Some(at)
            });
            match found {
                Some(at) => {
                    let record = free.remove(at).key.clone();
                    let refund = (key.clone(), refund.key.clone());
                    self.explained.insert(refund, record);
                }
                None => unexplained.push(refund),
            }
        }
        let free = free.into_iter().map(|one| one.key.clone()).collect();
        self.free.insert(key.clone(), free);
        let known = self.captured.get(key).copied().unwrap_or(0);
        // Others captured, with these records in view.
        if payment.captured > known {
            self.captured.insert(key.clone(), payment.captured);
            self.lower(key);
        }
        unexplained
    }
}
