//! What the account knows. Amounts are Stripe's integers, times are seconds since 1970.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use hikiate_sdk::Currency;

use super::keys::Keys;
use super::{NewPayment, Trouble, Way};

/// Events are kept so long.
const KEPT: i64 = 30 * 86_400;

pub(super) struct State {
    pub(super) live: bool,
    pub(super) payments: Vec<Payment>,
    pub(super) by_id: HashMap<String, usize>,
    /// When it was made and its place in `payments`.
    pub(super) by_created: BTreeSet<(i64, usize)>,
    /// In the order in which they happened.
    pub(super) events: Vec<Event>,
    /// When an event happened and its number.
    pub(super) event_at: HashMap<String, (i64, u64)>,
    /// When something of a payment runs out.
    due: BTreeSet<(i64, usize)>,
    pub(super) keys: Keys,
    pub(super) troubles: VecDeque<Trouble>,
    /// Permissions that the key lacks.
    pub(super) forbidden: BTreeSet<String>,
    /// What is read with one of these in its address ends in an error, each with its status.
    pub(super) broken: BTreeMap<String, u16>,
    pub(super) requests: u64,
    pub(super) writes: u64,
    made: u64,
    /// Events of late, where somebody wants to know.
    pub(super) changes: Option<Vec<String>>,
}

pub(super) struct Payment {
    pub(super) id: String,
    pub(super) created: i64,
    pub(super) currency: Currency,
    pub(super) amount: i64,
    pub(super) way: Way,
    pub(super) capture_later: bool,
    pub(super) status: &'static str,
    pub(super) capturable: i64,
    pub(super) received: i64,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) charge: Option<Charge>,
    pub(super) canceled_at: Option<i64>,
    pub(super) cancellation_reason: Option<String>,
    /// Code of why the last attempt came to nothing.
    pub(super) error: Option<&'static str>,
    /// Transferred so far, where it is a bank transfer.
    pub(super) funded: i64,
    /// Until when the customer can pay at a store.
    pub(super) pay_by: Option<i64>,
    pub(super) review: Option<Review>,
    pub(super) captures: Vec<Capture>,
    pub(super) customer: (String, String),
    /// A field that it is told without.
    pub(super) lacking: Option<String>,
    /// Its charge was made without a PaymentIntent.
    pub(super) lone: bool,
}

pub(super) struct Charge {
    pub(super) id: String,
    pub(super) amount: i64,
    pub(super) created: i64,
    pub(super) capture_before: Option<i64>,
    pub(super) refunds: Vec<Refund>,
    pub(super) disputes: Vec<Dispute>,
}

pub(super) struct Capture {
    pub(super) amount: i64,
    /// The name of the call of ours; none for what staff did.
    pub(super) mark: Option<String>,
}

#[derive(Clone)]
pub(super) struct Refund {
    pub(super) id: String,
    pub(super) amount: i64,
    pub(super) created: i64,
    pub(super) status: &'static str,
    pub(super) reason: Option<String>,
    pub(super) failure: Option<&'static str>,
    pub(super) metadata: BTreeMap<String, String>,
    /// Captured money moved; what was released of an authorisation did not.
    pub(super) moved: bool,
}

pub(super) struct Dispute {
    pub(super) id: String,
    pub(super) amount: i64,
    pub(super) created: i64,
    pub(super) status: &'static str,
}

pub(super) struct Review {
    pub(super) id: String,
    pub(super) open: bool,
}

pub(super) struct Event {
    pub(super) id: String,
    pub(super) created: i64,
    pub(super) n: u64,
    pub(super) kind: &'static str,
    /// What it is about: its kind and its id.
    pub(super) about: (&'static str, String),
    pub(super) payment: String,
}

impl Refund {
    pub(super) fn stands(&self) -> bool {
        !matches!(self.status, "failed" | "canceled")
    }
}

impl Payment {
    /// Given back of what was captured.
    pub(super) fn refunded(&self) -> i64 {
        let refunds = self.charge.iter().flat_map(|charge| &charge.refunds);
        let stand = refunds.filter(|refund| refund.moved && refund.stands());
        stand.map(|refund| refund.amount).sum()
    }
}

impl State {
    pub(super) fn new(live: bool) -> Self {
        Self {
            live,
            payments: Vec::new(),
            by_id: HashMap::new(),
            by_created: BTreeSet::new(),
            events: Vec::new(),
            event_at: HashMap::new(),
            due: BTreeSet::new(),
            keys: Keys::default(),
            troubles: VecDeque::new(),
            forbidden: BTreeSet::new(),
            broken: BTreeMap::new(),
            requests: 0,
            writes: 0,
            made: 0,
            changes: None,
        }
    }

    /// A new id.
    pub(super) fn id(&mut self, kind: &str) -> String {
        self.made += 1;
        format!("{kind}_3SIM{:012}", self.made)
    }

    pub(super) fn payment(&self, id: &str) -> Option<&Payment> {
        self.payments.get(*self.by_id.get(id)?)
    }

    pub(super) fn payment_mut(&mut self, id: &str) -> Option<&mut Payment> {
        let at = *self.by_id.get(id)?;
        self.payments.get_mut(at)
    }

    pub(super) fn pay(
        &mut self,
        new: NewPayment,
        amount: i64,
        now: i64,
        lacking: Option<String>,
    ) -> String {
        let id = self.id("pi");
        let at = self.payments.len();
        let pay_by = match new.way {
            Way::Konbini { within } => Some(now + seconds(within)),
            _ => None,
        };
        self.payments.push(Payment {
            id: id.clone(),
            created: now,
            currency: new.currency,
            amount,
            way: new.way,
            capture_later: new.capture_later,
            status: "requires_action",
            capturable: 0,
            received: 0,
            metadata: new.metadata.into_iter().collect(),
            charge: None,
            canceled_at: None,
            cancellation_reason: None,
            error: None,
            funded: 0,
            pay_by,
            review: None,
            captures: Vec::new(),
            customer: new.customer,
            lacking,
            lone: false,
        });
        self.by_id.insert(id.clone(), at);
        self.by_created.insert((now, at));
        self.due.extend(pay_by.map(|until| (until, at)));
        self.happened(
            "payment_intent.created",
            &id,
            ("payment_intent", id.clone()),
            now,
        );
        match new.way {
            Way::Card { .. } => self.authorise(&id, now),
            _ => self.happened(
                "payment_intent.requires_action",
                &id,
                ("payment_intent", id.clone()),
                now,
            ),
        }
        id
    }

    /// The money is sure: authorised, or received where it is not captured later.
    pub(super) fn authorise(&mut self, id: &str, now: i64) {
        let charge = self.id("ch");
        let Some(at) = self.by_id.get(id).copied() else {
            return;
        };
        let Some(payment) = self.payments.get_mut(at) else {
            return;
        };
        let hold = match payment.way {
            Way::Card { hold, .. } if payment.capture_later => Some(now + seconds(hold)),
            _ => None,
        };
        (payment.error, payment.pay_by) = (None, None);
        payment.charge = Some(Charge {
            id: charge,
            amount: payment.amount,
            created: now,
            capture_before: hold,
            refunds: Vec::new(),
            disputes: Vec::new(),
        });
        let kind = if payment.capture_later {
            payment.status = "requires_capture";
            payment.capturable = payment.amount;
            "payment_intent.amount_capturable_updated"
        } else {
            payment.status = "succeeded";
            payment.received = payment.amount;
            "payment_intent.succeeded"
        };
        self.due.extend(hold.map(|until| (until, at)));
        self.happened(kind, id, ("payment_intent", id.to_owned()), now);
    }

    /// Something happened, at a time that may be before what is known: then it is put there.
    pub(super) fn happened(
        &mut self,
        kind: &'static str,
        payment: &str,
        about: (&'static str, String),
        now: i64,
    ) {
        let id = self.id("evt");
        let n = self.made;
        let at = self.events.partition_point(|event| event.created <= now);
        self.event_at.insert(id.clone(), (now, n));
        if let Some(changes) = &mut self.changes {
            changes.push(id.clone());
        }
        let event = Event {
            id,
            created: now,
            n,
            kind,
            about,
            payment: payment.to_owned(),
        };
        self.events.insert(at, event);
    }

    /// Ends what has run out: authorisations that nobody captured, payments that nobody made, and old events.
    pub(super) fn run_out(&mut self, now: i64) {
        while let Some((until, at)) = self.due.first().copied().filter(|(until, _)| *until <= now) {
            self.due.pop_first();
            let Some(payment) = self.payments.get_mut(at) else {
                continue;
            };
            let id = payment.id.clone();
            let charge = payment.charge.as_ref().map(|charge| charge.id.clone());
            match (payment.status, charge) {
                ("requires_capture", Some(charge)) => {
                    payment.status = "canceled";
                    let released = std::mem::take(&mut payment.capturable);
                    let refunds = payment.charge.iter_mut().map(|charge| &mut charge.refunds);
                    for refunds in refunds {
                        refunds.push(Refund {
                            id: charge.replacen("ch", "re", 1),
                            amount: released,
                            created: until,
                            status: "succeeded",
                            reason: Some("expired_uncaptured_charge".to_owned()),
                            failure: None,
                            metadata: BTreeMap::new(),
                            moved: false,
                        });
                    }
                    payment.canceled_at = Some(until);
                    payment.cancellation_reason = Some("automatic".to_owned());
                    self.happened("charge.expired", &id, ("charge", charge), until);
                    self.happened(
                        "payment_intent.canceled",
                        &id,
                        ("payment_intent", id.clone()),
                        until,
                    );
                }
                ("requires_action", _) if payment.pay_by == Some(until) => {
                    payment.status = "requires_payment_method";
                    payment.pay_by = None;
                    payment.error = Some("payment_intent_payment_attempt_expired");
                    self.happened(
                        "payment_intent.payment_failed",
                        &id,
                        ("payment_intent", id.clone()),
                        until,
                    );
                }
                _ => {}
            }
        }
        let old = self
            .events
            .partition_point(|event| event.created < now - KEPT);
        for event in self.events.drain(..old) {
            self.event_at.remove(&event.id);
        }
    }

    pub(super) fn wipe(&mut self) {
        self.by_id.clear();
        self.by_created.clear();
        self.due.clear();
    }
}

fn seconds(length: std::time::Duration) -> i64 {
    i64::try_from(length.as_secs()).unwrap_or(i64::MAX / 4)
}
