//! What customers, staff and banks do past the API. Each act says whether it was possible; what is not changes nothing.

use std::collections::BTreeMap;

use super::state::{Charge, Dispute, Payment, Review};
use super::writes::{self, CaptureAsked};
use super::{StripeSim, Way};
use crate::map::UNITS;

impl StripeSim {
    fn wire(&self, payment: &str, minor: i64) -> Option<i64> {
        let currency = self.state().payment(payment)?.currency;
        UNITS.write(minor, currency).ok()
    }

    /// Changes a payment and tells of it.
    fn act(
        &self,
        payment: &str,
        kinds: &[&'static str],
        change: impl FnOnce(&mut Payment) -> Option<(&'static str, String)>,
    ) -> bool {
        let now = self.now();
        let mut state = self.state();
        let Some(about) = state.payment_mut(payment).and_then(change) else {
            return false;
        };
        for kind in kinds {
            state.happened(kind, payment, about.clone(), now);
        }
        true
    }

    /// The customer pays at the store.
    pub fn pay_at_store(&self, payment: &str) -> bool {
        let now = self.now();
        let mut state = self.state();
        let waits =
            |p: &&Payment| p.status == "requires_action" && matches!(p.way, Way::Konbini { .. });
        if state.payment(payment).filter(waits).is_none() {
            return false;
        }
        state.authorise(payment, now);
        true
    }

    /// The customer transfers an amount, minor units; the payment is made once all of it has come.
    pub fn transfer(&self, payment: &str, amount: i64) -> bool {
        let Some(amount) = self.wire(payment, amount) else {
            return false;
        };
        let now = self.now();
        let mut state = self.state();
        let Some(open) = state.payment_mut(payment) else {
            return false;
        };
        if open.status != "requires_action" || open.way != Way::BankTransfer {
            return false;
        }
        open.funded += amount;
        if open.funded >= open.amount {
            state.authorise(payment, now);
        } else {
            let about = ("payment_intent", payment.to_owned());
            state.happened("payment_intent.partially_funded", payment, about, now);
        }
        true
    }

    /// Staff capture in the dashboard: an amount in minor units, or all.
    pub fn capture_by_hand(&self, payment: &str, amount: Option<i64>) -> bool {
        let wire = amount.map(|minor| self.wire(payment, minor));
        if wire == Some(None) {
            return false;
        }
        let now = self.now();
        let asked = CaptureAsked {
            amount: wire.flatten(),
            ..CaptureAsked::default()
        };
        writes::capture(&mut self.state(), payment, asked, now).is_ok()
    }

    /// Staff refund in the dashboard: an amount in minor units, or all. The refund's id.
    pub fn refund_by_hand(&self, payment: &str, amount: Option<i64>) -> Option<String> {
        let wire = match amount {
            Some(minor) => Some(self.wire(payment, minor)?),
            None => None,
        };
        let now = self.now();
        let reason = Some("requested_by_customer".to_owned());
        let state = &mut self.state();
        writes::refund(state, payment, wire, reason, BTreeMap::new(), now).ok()
    }

    /// Staff cancel in the dashboard.
    pub fn cancel_by_hand(&self, payment: &str) -> bool {
        let now = self.now();
        let reason = Some("requested_by_customer".to_owned());
        writes::cancel(&mut self.state(), payment, reason, now).is_ok()
    }

    /// A refund that was thought done, or that waited for the customer, fails: the money comes back.
    pub fn fail_refund(&self, payment: &str, refund: &str) -> bool {
        self.act(payment, &["refund.updated", "refund.failed"], |payment| {
            let charge = payment.charge.as_mut()?;
            let refund = charge.refunds.iter_mut().find(|r| r.id == refund)?;
            if !refund.stands() {
                return None;
            }
            refund.status = "failed";
            refund.failure = Some("expired_or_canceled_card");
            Some(("refund", refund.id.clone()))
        })
    }

    /// The customer says where a refund is to go to.
    pub fn take_refund(&self, payment: &str, refund: &str) -> bool {
        self.act(payment, &["refund.updated"], |payment| {
            let charge = payment.charge.as_mut()?;
            let refund = charge.refunds.iter_mut().find(|r| r.id == refund)?;
            if refund.status != "requires_action" {
                return None;
            }
            refund.status = "succeeded";
            Some(("refund", refund.id.clone()))
        })
    }

    /// The customer's bank asks (`inquiry`), or withdraws an amount in minor units.
    pub fn dispute(&self, payment: &str, amount: i64, inquiry: bool) -> bool {
        let Some(amount) = self.wire(payment, amount) else {
            return false;
        };
        let (id, now) = (self.state().id("du"), self.now());
        self.act(payment, &["charge.dispute.created"], |payment| {
            if payment.received < amount {
                return None;
            }
            let charge = payment.charge.as_mut()?;
            charge.disputes.push(Dispute {
                id: id.clone(),
                amount,
                created: now,
                status: if inquiry {
                    "warning_needs_response"
                } else {
                    "needs_response"
                },
            });
            Some(("dispute", id))
        })
    }

    /// The open dispute of a payment is decided.
    pub fn close_dispute(&self, payment: &str, won: bool) -> bool {
        self.act(payment, &["charge.dispute.closed"], |payment| {
            let dispute = open_dispute(payment.charge.as_mut()?)?;
            dispute.status = match (won, dispute.status) {
                (true, "warning_needs_response") => "warning_closed",
                (true, _) => "won",
                (false, _) => "lost",
            };
            Some(("dispute", dispute.id.clone()))
        })
    }

    /// Radar puts a payment under review.
    pub fn open_review(&self, payment: &str) -> bool {
        let id = self.state().id("prv");
        self.act(payment, &["review.opened"], |payment| {
            payment.review = Some(Review {
                id: id.clone(),
                open: true,
            });
            Some(("review", id))
        })
    }

    /// Staff approve a payment under review.
    pub fn approve(&self, payment: &str) -> bool {
        self.act(payment, &["review.closed"], |payment| {
            let review = payment.review.as_mut().filter(|review| review.open)?;
            review.open = false;
            Some(("review", review.id.clone()))
        })
    }

    /// A payment is given a status that nobody has heard of.
    pub fn set_status(&self, payment: &str, status: &'static str) -> bool {
        self.act(payment, &["payment_intent.processing"], |payment| {
            payment.status = status;
            Some(("payment_intent", payment.id.clone()))
        })
    }

    /// The charge turns out to be one of the old Charges API.
    pub fn part_charge(&self, payment: &str) -> bool {
        self.act(payment, &[], |payment| {
            payment.lone = true;
            Some(("payment_intent", payment.id.clone()))
        })
    }

    /// Staff, or another program, write a field of the metadata.
    pub fn write_metadata(&self, payment: &str, key: &str, value: &str) -> bool {
        let field = (key.to_owned(), value.to_owned());
        self.act(payment, &[], |payment| {
            payment.metadata.extend([field]);
            Some(("payment_intent", payment.id.clone()))
        })
    }

    /// Staff write a field of a refund's metadata.
    pub fn write_refund_metadata(
        &self,
        payment: &str,
        refund: &str,
        (key, value): (&str, &str),
    ) -> bool {
        let field = (key.to_owned(), value.to_owned());
        self.act(payment, &["refund.updated"], |payment| {
            let charge = payment.charge.as_mut()?;
            let refund = charge.refunds.iter_mut().find(|r| r.id == refund)?;
            refund.metadata.extend([field]);
            Some(("refund", refund.id.clone()))
        })
    }

    /// Something is told of a payment once more.
    pub fn tell_again(&self, payment: &str) -> bool {
        self.act(payment, &["payment_intent.created"], |payment| {
            Some(("payment_intent", payment.id.clone()))
        })
    }
}

fn open_dispute(charge: &mut Charge) -> Option<&mut Dispute> {
    let open = |d: &&mut Dispute| d.status.ends_with("needs_response");
    charge.disputes.iter_mut().find(open)
}
