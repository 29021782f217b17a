//! Refunds and voids that operators asked for: each made once, by the account that captured, and never beyond what is
//! captured and not given back by anybody.

use chrono::{DateTime, Duration, Utc};
use hikiate_sdk::{AccountSlug, Call, ExternalId, Op, PaymentRef, RefundCall, Tender, VoidCall};

use super::effects::{Candidate, Wanted, withdraw};
use super::fold::{Fold, Intent};
use super::intent::IN_DOUBT;
use super::refund_records::records;
use super::tasks::{Tasks, words_or_none};
use super::view::View;
use crate::action::Action;
use crate::facts::{IntentWhat, RefundPart, RefundWantedFact, VoidWantedFact};
use crate::operations::REFUND;
use crate::policy::PaymentMethod;

/// The word that gives up a refund which was asked for and is not made, with its name. Alone, as releases had it before, it gives
/// up all of them, and all voids.
const DROPPED: &str = "refund_dropped";
/// The word that gives up a void, with its number.
const VOID_DROPPED: &str = "void_dropped";
/// The word that tries a void again that was rejected, with its number.
const VOID: &str = "void";
/// The blocker of an order whose goods may not go while such a refund or void is not made and shown.
pub(crate) const WANTED: &str = "refund_wanted";
/// The kind of the task about money that no account of ours can give back.
const TO_PAY: &str = "refund_to_pay";
/// The kind of the task about a refund or void that its account does not show.
const NOT_SHOWN: &str = "refund_not_shown";
/// An order that was refunded is read again this soon, until a reading shows it.
pub(crate) const LOOK_AGAIN: Duration = Duration::minutes(1);
/// A refund that is not shown by then may have failed afterwards.
pub(super) const SHOWN_WITHIN: Duration = Duration::hours(1);

/// A refund as an operator asked for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RefundAsked<'a> {
    pub(crate) id: i64,
    pub(crate) at: DateTime<Utc>,
    pub(crate) key: &'a str,
    pub(crate) fact: &'a RefundWantedFact,
}

/// A void as an operator asked for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct VoidAsked<'a> {
    pub(crate) id: i64,
    pub(crate) key: &'a str,
    pub(crate) fact: &'a VoidWantedFact,
}

impl RefundAsked<'_> {
    /// A word that is about this refund alone.
    pub(super) fn word(&self, rule: &str) -> String {
        format!("{rule}:{}", self.fact.id)
    }
}

impl VoidAsked<'_> {
    /// Its number within the order.
    fn number(&self) -> &str {
        let (_, number) = self.key.rsplit_once(':').unwrap_or_default();
        number
    }

    /// A word that is about this void alone.
    fn word(&self, rule: &str) -> String {
        format!("{rule}:{}", self.number())
    }
}

fn refund_call<'a>(intent: &Intent<'a>) -> Option<&'a RefundCall> {
    match intent.call() {
        Some(Call::Refund(call)) => Some(call),
        _ => None,
    }
}

/// The channel's id of the payment of a refund or void, and its account's name of it.
fn payment_of<'a>(intent: &Intent<'a>) -> Option<(&'a ExternalId, Option<&'a PaymentRef>)> {
    match intent.call() {
        Some(Call::Refund(call)) => Some((&call.payment, call.provider.as_ref())),
        Some(Call::Void(call)) => Some((&call.payment, call.provider.as_ref())),
        _ => None,
    }
}

impl<'a> Fold<'a> {
    /// The last call that was made for a decision, of one payment.
    fn made_for(&self, op: Op, decision: &str, payment: &ExternalId) -> Option<&Intent<'a>> {
        self.of_op(op)
            .filter(|intent| intent.decision() == decision)
            .filter(|intent| payment_of(intent).is_some_and(|(known, _)| known == payment))
            .last()
    }

    /// An operator released this of a refund after a fact, by its name or, as releases had it before, of all.
    pub(super) fn refund_released(&self, rule: &str, asked: &RefundAsked<'_>, after: i64) -> bool {
        self.released_after(rule, after) || self.released_after(&asked.word(rule), after)
    }

    /// An operator gave a refund up after it was asked for.
    pub(super) fn is_dropped(&self, asked: &RefundAsked<'_>) -> bool {
        self.refund_released(DROPPED, asked, asked.id)
    }

    /// An operator gave a void up after it was asked for.
    fn is_void_dropped(&self, asked: &VoidAsked<'_>) -> bool {
        self.released_after(DROPPED, asked.id)
            || self.released_after(&asked.word(VOID_DROPPED), asked.id)
    }

    /// An operator wants a void once more that was refused.
    fn is_void_again(&self, asked: &VoidAsked<'_>, refused: i64) -> bool {
        self.released_after(REFUND, refused) || self.released_after(&asked.word(VOID), refused)
    }
}

impl<'a> View<'a> {
    /// A refund or void of ours is of this payment.
    fn is_of(&self, intent: &Intent<'_>, tender: &Tender) -> bool {
        payment_of(intent).is_some_and(|(payment, provider)| {
            self.is_about(Some(&intent.fact.account), payment, provider, tender)
        })
    }

    /// The payment that a part of a refund is of; `None` where the order names it no longer.
    fn tender_of(&self, part: &RefundPart) -> Option<&Tender> {
        let (account, provider) = (part.account.as_ref(), part.provider.as_ref());
        let mut tenders = self.order.tenders.iter();
        tenders.find(|tender| self.is_about(account, &part.payment, provider, tender))
    }

    /// A void names this payment so.
    fn voids(&self, asked: &VoidAsked<'_>, payment: &ExternalId, tender: &Tender) -> bool {
        let account = self.route(tender).and_then(|route| route.account.as_ref());
        let provider = asked.fact.providers.get(payment);
        self.is_about(account, payment, provider, tender)
    }

    /// Our refunds of a payment that were not refused or taken back.
    fn our_refunds<'v>(
        &'v self,
        tender: &'v Tender,
    ) -> impl Iterator<Item = (&'v Intent<'a>, i64)> {
        let all = self.fold.of_op(Op::Refund).filter(|intent| !intent.void());
        all.filter_map(move |intent| {
            let call = refund_call(intent)?;
            self.is_of(intent, tender).then_some((intent, call.amount))
        })
    }

    /// What others gave back of a payment: the most that any reading showed beyond what we may have given back by then.
    pub(crate) fn refunded_by_others(&self, tender: &Tender) -> i64 {
        let readings = self.fold.readings.iter();
        let beyond = readings.filter_map(|reading| {
            let all = reading.fact.order.tenders.iter();
            let shown = all.filter(|shown| self.same_payment(shown, tender));
            let shown = shown.min_by_key(|shown| shown.key != tender.key)?;
            let ours = self.our_refunds(tender);
            let ours = ours
                .filter(|(intent, _)| intent.id < reading.id && intent.unsent().is_none())
                .fold(0_i64, |sum, (_, amount)| sum.saturating_add(amount));
            Some(shown.refunded.saturating_sub(ours))
        });
        beyond.max().unwrap_or(0).max(0)
    }

    /// What was given back of a payment by anybody, or is decided to be.
    pub(crate) fn refunded_in_all(&self, tender: &Tender) -> i64 {
        let ours = self.our_refunds(tender);
        let ours = ours.fold(0_i64, |sum, (_, amount)| sum.saturating_add(amount));
        ours.saturating_add(self.refunded_by_others(tender))
            .max(tender.refunded)
    }

    /// What is captured of a payment, as it is shown, and not given back.
    pub(crate) fn refundable(&self, tender: &Tender) -> i64 {
        let given = self.refunded_in_all(tender);
        tender.captured.saturating_sub(given).max(0)
    }

    /// What was given back of a payment, what nothing explains aside, or is an operator's to pay back by hand.
    pub(crate) fn given_or_by_hand(&self, tender: &Tender) -> i64 {
        let given = self.given_back(tender);
        if self.asked_by_hand(&[tender], i64::MAX) == 0 {
            return given;
        }
        let unexplained = tender.refunded.saturating_sub(given);
        self.given_without_account(&[tender])
            .saturating_sub(unexplained)
    }

    /// What an operator asked to pay back by hand of payments by bank transfer.
    pub(crate) fn transfers_asked_back(&self) -> i64 {
        self.asked_by_hand(&self.transfers(), i64::MAX)
    }

    /// Payments by bank transfer that no account of ours holds.
    pub(crate) fn transfers(&self) -> Vec<&Tender> {
        let tenders = self.order.tenders.iter();
        let by_bank = tenders.filter(|tender| {
            let route = self.route(tender);
            route.is_some_and(|r| r.account.is_none() && r.method == PaymentMethod::BankTransfer)
        });
        by_bank.collect()
    }

    /// What an operator asked to pay back by hand of these payments, before a fact.
    fn asked_by_hand(&self, tenders: &[&Tender], before: i64) -> i64 {
        let asked = self.refunds_asked().filter(|asked| asked.id < before);
        let parts = asked.flat_map(|asked| &asked.fact.parts);
        let by_hand = |part: &&RefundPart| {
            let mut tenders = tenders.iter();
            part.account.is_none() && tenders.any(|tender| tender.key == part.payment)
        };
        parts
            .filter(by_hand)
            .fold(0_i64, |sum, part| sum.saturating_add(part.amount))
    }

    /// What was given back of payments that no account of ours holds, or is asked to be: what operators asked for, and the most
    /// that any reading showed beyond what they had asked for by then.
    pub(crate) fn given_without_account(&self, tenders: &[&Tender]) -> i64 {
        let refunded = |all: &[Tender]| {
            let same = all.iter().filter(|shown| {
                let mut tenders = tenders.iter();
                tenders.any(|tender| tender.key == shown.key)
            });
            same.fold(0_i64, |sum, shown| sum.saturating_add(shown.refunded))
        };
        let beyond = self.fold.readings.iter().map(|reading| {
            let ours = self.asked_by_hand(tenders, reading.id);
            refunded(&reading.fact.order.tenders).saturating_sub(ours)
        });
        let others = beyond.max().unwrap_or(0).max(0);
        self.asked_by_hand(tenders, i64::MAX).saturating_add(others)
    }

    /// Minor units of a payment that are authorised and not captured. A channel that cancels an order cancels its payments with
    /// it; what another account holds it does not release.
    pub(crate) fn open_authorisation(&self, tender: &Tender) -> i64 {
        let account = self.route(tender).and_then(|route| route.account.as_ref());
        let elsewhere = account.is_some_and(|account| *account != self.input.channel);
        if tender.cancelled && !elsewhere {
            return 0;
        }
        tender.authorised.saturating_sub(tender.captured).max(0)
    }

    /// Refunds that an operator asked for and nobody gave up.
    pub(crate) fn refunds_asked(&self) -> impl Iterator<Item = &RefundAsked<'a>> {
        let all = self.fold.refunds_wanted.iter();
        all.filter(|asked| !self.fold.is_dropped(asked) || self.is_begun(asked))
    }

    /// A part of it was given back or recorded at the channel, or may have been: giving it up changes nothing of that.
    fn is_begun(&self, asked: &RefundAsked<'_>) -> bool {
        let record = self.record_of(asked);
        let recorded = record.is_some_and(|intent| !intent.void() && intent.unsent().is_none());
        recorded
            || asked.fact.parts.iter().any(|part| {
                let made = self.fold.made_for(Op::Refund, asked.key, &part.payment);
                made.is_some_and(|intent| !intent.void() && intent.unsent().is_none())
            })
    }

    /// Voids that an operator asked for and nobody gave up.
    fn voids_asked(&self) -> impl Iterator<Item = &VoidAsked<'a>> {
        let all = self.fold.voids_wanted.iter();
        all.filter(|asked| !self.fold.is_void_dropped(asked))
    }

    /// The void of a payment that an operator asked for.
    fn void_of(&self, tender: &Tender) -> Option<&VoidAsked<'a>> {
        self.voids_asked().find(|asked| {
            let mut payments = asked.fact.payments.iter();
            payments.any(|payment| self.voids(asked, payment, tender))
        })
    }

    /// Nothing more is captured of a payment: an operator asked for its void.
    pub(crate) fn is_to_void(&self, tender: &Tender) -> bool {
        self.void_of(tender).is_some()
    }

    /// What an operator asked to void is void, and nothing else pays the order: it is known why it is not paid.
    pub(crate) fn voided_by_us(&self) -> bool {
        let asked = self.order.tenders.iter().any(|t| self.is_to_void(t));
        // What somebody captured before its void was made pays the order all the same.
        let mut paying = self
            .tenders()
            .filter(|t| t.captured > 0 || t.authorised > 0 && !self.is_to_void(t));
        asked && paying.next().is_none()
    }

    /// Money of this part certainly went back.
    pub(super) fn is_given(&self, asked: &RefundAsked<'_>, part: &RefundPart) -> bool {
        let made = self.fold.made_for(Op::Refund, asked.key, &part.payment);
        made.is_some_and(|intent| intent.taken())
    }

    /// A full refund that an operator pays by hand, at least a part of it: its decision, its amount, and whether the operator has
    /// confirmed the payment.
    pub(crate) fn full_by_hand(&self) -> Option<(i64, i64, bool)> {
        let mut full = self.refunds_asked().filter(|asked| asked.fact.full);
        let asked =
            full.find(|asked| asked.fact.parts.iter().any(|part| part.account.is_none()))?;
        let paid = self.fold.released_after(TO_PAY, asked.id);
        Some((asked.id, asked.fact.amount, paid))
    }

    /// The words that give up refunds and voids which were not sent yet.
    pub(crate) fn may_give_up(&self) -> Vec<String> {
        let refunds = self.refunds_asked().filter(|asked| {
            let mut parts = asked.fact.parts.iter();
            let paid = self.fold.released_after(TO_PAY, asked.id);
            !self.is_begun(asked) && parts.any(|part| part.account.is_some() || !paid)
        });
        let voids = self.voids_asked().filter(|asked| {
            let mut tenders = self.order.tenders.iter();
            tenders.any(|tender| {
                let mut payments = asked.fact.payments.iter();
                payments.any(|payment| self.voids(asked, payment, tender))
                    && (self.open_authorisation(tender) > 0 || self.captured_by_others(tender) > 0)
            })
        });
        let refunds = refunds.map(|asked| asked.word(DROPPED));
        refunds
            .chain(voids.map(|asked| asked.word(VOID_DROPPED)))
            .collect()
    }

    /// An operator asked for the void of a payment of which something is still authorised.
    fn is_open_void(&self, tender: &Tender) -> bool {
        self.open_authorisation(tender) > 0 && self.is_to_void(tender)
    }

    /// Somebody else captured what an operator asked to void.
    fn captured_before_void(&self, tender: &Tender) -> bool {
        self.is_to_void(tender) && self.captured_by_others(tender) > 0
    }

    /// Minor units that are due for what has shipped, and neither captured nor received. An order that its channel cancelled owes
    /// nothing.
    pub(crate) fn missing_for_shipped(&self) -> i64 {
        let due = self.due(&self.departed(|_| true));
        let due = due.filter(|_| self.any_shipped() && self.cancelled_at_channel.is_none());
        due.map_or(0, |due| due.saturating_sub(self.held_in_all()).max(0))
    }

    /// The last refund or void that was made and that no reading shows: the fact of its outcome, and when that was stored.
    fn unshown(&self) -> Option<(i64, DateTime<Utc>)> {
        let mut last = None;
        for tender in &self.order.tenders {
            let given: Vec<_> = self
                .our_refunds(tender)
                .filter(|(intent, _)| intent.taken())
                .collect();
            let sum = given
                .iter()
                .fold(0_i64, |sum, (_, amount)| sum.saturating_add(*amount));
            if sum > tender.refunded {
                let ends = given.iter().filter_map(|(intent, _)| intent.outcome);
                last = last.max(ends.map(|(id, _)| id).max());
            }
            if self.is_open_void(tender) {
                let voids = self.fold.of_op(Op::Void).filter(|intent| intent.taken());
                let voids = voids.filter(|intent| self.is_of(intent, tender));
                let ends = voids.filter_map(|intent| intent.outcome);
                last = last.max(ends.map(|(id, _)| id).max());
            }
        }
        let id = last?;
        let fact = self.input.facts.iter().find(|fact| fact.id == id)?;
        Some((id, fact.recorded_at))
    }

    /// Its account does not show the last refund or void that was made, and no operator has said what became of it.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.unshown()
            .is_some_and(|(id, _)| !self.fold.released_after(NOT_SHOWN, id))
    }

    /// A void that was made is not shown, and an operator has said that it was seen to: its goods wait all the same.
    fn void_is_said(&self) -> bool {
        let mut tenders = self.order.tenders.iter();
        tenders.any(|tender| self.is_open_void(tender))
            && self.unshown().is_some()
            && !self.is_in_doubt()
    }

    /// A refund that was made is not shown yet.
    pub(crate) fn refund_unshown(&self) -> bool {
        self.unshown().is_some()
    }

    /// A refund that was just made is to be shown by the next reading: its order is read again soon.
    pub(crate) fn refund_just_made(&self) -> bool {
        self.unshown()
            .is_some_and(|(_, at)| at + SHOWN_WITHIN > self.now)
    }

    /// How far a refund has come.
    pub(super) fn refund_word(&self, asked: &RefundAsked<'_>) -> &'static str {
        let mut parts = asked
            .fact
            .parts
            .iter()
            .filter(|part| part.account.is_some());
        if parts.clone().next().is_none() {
            "to be paid back by hand"
        } else if parts.all(|part| self.is_given(asked, part)) {
            "done"
        } else if asked.fact.parts.iter().any(|part| {
            let made = self.fold.made_for(Op::Refund, asked.key, &part.payment);
            made.is_some_and(|intent| intent.in_doubt())
        }) {
            IN_DOUBT
        } else if self.fold.is_dropped(asked) {
            "given up"
        } else {
            "not done yet"
        }
    }

    /// Refunds and voids that were asked for, for an operator.
    pub(super) fn refunds_in_words(&self) -> Vec<String> {
        let refund = |asked: &RefundAsked<'_>| {
            let (id, word) = (&asked.fact.id, self.refund_word(asked));
            format!("refund {id}: {}, {word}", self.money(asked.fact.amount))
        };
        let mut words: Vec<String> = self.fold.refunds_wanted.iter().map(refund).collect();
        let tenders = self.order.tenders.iter();
        words.extend(tenders.filter_map(|tender| {
            let number = self.void_of(tender)?.number();
            let mut voids = self.fold.of_op(Op::Void);
            let is = if voids.any(|intent| self.is_of(intent, tender) && intent.in_doubt()) {
                IN_DOUBT
            } else if self.open_authorisation(tender) > 0 {
                "not done yet"
            } else if self.captured_before_void(tender) {
                "not done, it was captured before"
            } else {
                "done"
            };
            Some(format!("void {number} of payment {}: {is}", tender.key))
        }));
        words
    }

    /// Goods that are not sealed may not go: all of the money, or that of some units, is to be given back or released.
    pub(crate) fn keeps_goods(&self) -> bool {
        let unshown = self.is_in_doubt();
        let refunds = self.refunds_asked().any(|asked| {
            let units = asked.fact.full || !asked.fact.lines.is_empty();
            let by_account = asked.fact.parts.iter().filter(|p| p.account.is_some());
            units
                && by_account
                    .clone()
                    .any(|p| unshown || !self.is_given(asked, p))
        });
        refunds || self.order.tenders.iter().any(|t| self.is_open_void(t))
    }

    /// A warehouse has goods of the order that may still leave, and not all of it has shipped.
    fn goods_under_way(&self) -> bool {
        let mut shipments = self.fold.shipments.iter();
        self.has_unshipped()
            && shipments.any(|one| one.instructed() && one.batch_rejected().is_none())
    }

    /// Shipments that a full refund or a void waits for.
    pub(crate) fn waits_for_goods(&self) -> Vec<&str> {
        if !self.goods_under_way() {
            return Vec::new();
        }
        let shipments = self.fold.shipments.iter();
        shipments
            .filter(|one| one.instructed() && one.batch_rejected().is_none())
            .map(|one| one.fact.reference.as_str())
            .collect()
    }

    /// A call that moves money or ends the order is not answered yet.
    fn money_under_way(&self) -> bool {
        let moves = [Op::Capture, Op::Refund, Op::Void, Op::CancelOrder];
        let mut intents = self.fold.intents.iter();
        intents.any(|intent| intent.open() && moves.contains(&intent.fact.op))
    }

    /// A capture of the order is not answered yet.
    pub(crate) fn captures_under_way(&self) -> bool {
        self.fold.of_op(Op::Capture).any(Intent::open)
    }

    /// A refund or void of the order is not answered yet: no capture may cross it.
    pub(crate) fn money_goes_back(&self) -> bool {
        let mut intents = self.fold.intents.iter();
        intents.any(|intent| intent.open() && matches!(intent.fact.op, Op::Refund | Op::Void))
    }
}

/// Refunds and voids that ought to be, and when a record of one is looked for next.
pub(crate) fn refunds(view: &View<'_>, tasks: &mut Tasks) -> (Wanted, Option<DateTime<Utc>>) {
    let mut wanted = Wanted::default();
    given_up(view, &mut wanted);
    let mut free = !view.money_under_way();
    for asked in view.refunds_asked() {
        for part in &asked.fact.parts {
            let made = match &part.account {
                Some(account) => refund(view, asked, part, account, free, &mut wanted, tasks),
                None => {
                    by_hand(view, asked, part, tasks);
                    false
                }
            };
            free &= !made;
        }
    }
    for asked in view.voids_asked() {
        for payment in &asked.fact.payments {
            free &= !void(view, asked, payment, free, &mut wanted, tasks);
        }
    }
    if view.voided_by_us() || view.void_is_said() {
        unpaid(view, tasks);
    }
    let mut next = records(view, &mut wanted, tasks);
    if let Some((id, at)) = view.unshown() {
        let due = at + SHOWN_WITHIN;
        if due > view.now {
            next = next.into_iter().chain([due]).min();
        } else {
            let what = "A refund or void was made more than an hour ago, and its account does not show it. It may have failed afterwards: check it there, and refund or void by hand what is missing";
            tasks.tell(view, NOT_SHOWN, id, what);
        }
        wanted.pending |= due > view.now;
    }
    (wanted, next)
}

/// What was given up before it was sent is taken back.
fn given_up(view: &View<'_>, wanted: &mut Wanted) {
    let refunds = view.fold.refunds_wanted.iter();
    let refunds = refunds.filter(|asked| view.fold.is_dropped(asked));
    let voids = view.fold.voids_wanted.iter();
    let voids = voids.filter(|asked| view.fold.is_void_dropped(asked));
    let keys = refunds.map(|asked| asked.key);
    for key in keys.chain(voids.map(|asked| asked.key)) {
        let open = view.fold.intents.iter();
        let open = open.filter(|intent| intent.open() && intent.decision() == key);
        let why = "an operator gave it up";
        wanted
            .withdraw
            .extend(open.filter_map(|intent| withdraw(intent, why)));
    }
}

/// One part of a refund. True where a call for it is wanted now.
fn refund(
    view: &View<'_>,
    asked: &RefundAsked<'_>,
    part: &RefundPart,
    account: &AccountSlug,
    free: bool,
    wanted: &mut Wanted,
    tasks: &mut Tasks,
) -> bool {
    let made = view.fold.made_for(Op::Refund, asked.key, &part.payment);
    if view.is_given(asked, part) || view.fold.is_dropped(asked) {
        return false;
    }
    wanted.pending = true;
    let (dropped, again) = (asked.word(DROPPED), asked.word(REFUND));
    let tender = view.tender_of(part);
    let (id, amount) = (&asked.fact.id, view.money(part.amount));
    let others = tender.map_or(0, |tender| view.refunded_by_others(tender));
    if others > part.by_others && !wanted_as_well(view, asked, others, tender) {
        let back = made.filter(|intent| intent.open());
        let back = back.and_then(|intent| {
            withdraw(intent, "others refunded the payment since it was asked for")
        });
        let unsent = made.is_none_or(Intent::void) || back.is_some();
        wanted.withdraw.extend(back);
        if unsent {
            let more = view.money(others.saturating_sub(part.by_others));
            let what = format!(
                "Since refund {id} ({amount}, {}) was entered, {more} of payment {} was refunded by someone else. If that is the same refund, release {dropped}. If the customer gets both, release {again}",
                asked.fact.reason, part.payment
            );
            tasks
                .add("refunded_meanwhile", what)
                .release(&dropped)
                .release(&again);
        }
        return false;
    }
    if made.is_some_and(Intent::open) {
        return false;
    }
    if let Some((refused, outcome)) = made.and_then(Intent::refusal)
        && !view.fold.refund_released(REFUND, asked, refused)
    {
        let what = format!(
            "{account} rejected refund {id} ({amount}) of payment {}: {} {}. Check the payment there, then release {again} to try again or {dropped} to give it up",
            part.payment,
            outcome.code.as_deref().unwrap_or_default(),
            words_or_none(&outcome.message)
        );
        tasks
            .add("refund_rejected", what)
            .release(&again)
            .release(&dropped);
        return false;
    }
    let Some(tender) = tender else {
        let key = part.provider.as_ref().and_then(|known| known.key.as_ref());
        let name = key.map_or_else(String::new, |key| format!(" ({key} at {account})"));
        let what = format!(
            "Refund {id} is {amount} of payment {}{name}, which is no longer on the order. Refund it at {account} if it is to be given back, then release {dropped}",
            part.payment
        );
        tasks.add("refund_exceeds_captured", what).release(&dropped);
        return false;
    };
    let room = view.refundable(tender);
    if part.amount > room {
        let what = format!(
            "Refund {id} is {amount} of payment {}, but {} of it is captured and not refunded. Release {dropped} to give it up, then enter what is right",
            part.payment,
            view.money(room)
        );
        tasks.add("refund_exceeds_captured", what).release(&dropped);
        return false;
    }
    if !free || waits(view, asked) {
        return false;
    }
    let only = asked.fact.parts.len() == 1;
    let lines = asked.fact.lines.iter().filter(|_| only);
    wanted.candidates.push(Candidate {
        account: account.clone(),
        op: Op::Refund,
        what: IntentWhat::Call {
            call: Box::new(Call::Refund(RefundCall {
                order: view.input.external_id.clone(),
                payment: part.payment.clone(),
                provider: view.provider_of(tender),
                key: String::new(),
                amount: part.amount,
                currency: view.order.currency,
                expected_refunded_total: view.refunded_in_all(tender).saturating_add(part.amount),
                reason: Some(asked.fact.reason.clone()),
                lines: lines.cloned().collect(),
            })),
            parcels: Vec::new(),
            decision: asked.key.to_owned(),
        },
    });
    true
}

/// All of it goes back while a warehouse may still send the goods.
fn waits(view: &View<'_>, asked: &RefundAsked<'_>) -> bool {
    asked.fact.full && view.goods_under_way()
}

/// An operator has seen what others gave back, and wants this refund as well.
fn wanted_as_well(
    view: &View<'_>,
    asked: &RefundAsked<'_>,
    others: i64,
    tender: Option<&Tender>,
) -> bool {
    let Some(tender) = tender else { return false };
    let since = view.fold.unchanged_since(|order| {
        let mut all = order.tenders.iter();
        all.any(|known| view.same_payment(known, tender) && known.refunded >= others)
    });
    view.fold.refund_released(REFUND, asked, since)
}

/// Money that came without an account of ours goes back by an operator.
fn by_hand(view: &View<'_>, asked: &RefundAsked<'_>, part: &RefundPart, tasks: &mut Tasks) {
    let record = if view.record_of(asked).is_some_and(Intent::taken) {
        "The channel has a record of it"
    } else if view.records_refunds() {
        "The channel gets a record of it"
    } else {
        "Record it at the channel as well"
    };
    let what = format!(
        "Pay {} back to the customer for payment {} (refund {}: {}): no configured account captured it. {record}",
        view.money(part.amount),
        part.payment,
        asked.fact.id,
        asked.fact.reason
    );
    tasks.tell(view, TO_PAY, asked.id, &what);
}

/// One void. True where a call for it is wanted now.
fn void(
    view: &View<'_>,
    asked: &VoidAsked<'_>,
    payment: &ExternalId,
    free: bool,
    wanted: &mut Wanted,
    tasks: &mut Tasks,
) -> bool {
    let mut tenders = view.order.tenders.iter();
    let Some(tender) = tenders.find(|tender| view.voids(asked, payment, tender)) else {
        return false;
    };
    let made = view.fold.made_for(Op::Void, asked.key, payment);
    let (dropped, again) = (asked.word(VOID_DROPPED), asked.word(VOID));
    let open = view.open_authorisation(tender);
    if open == 0 {
        let moot = made.filter(|intent| intent.open());
        let why = "nothing of the payment is left to release";
        wanted
            .withdraw
            .extend(moot.and_then(|intent| withdraw(intent, why)));
        let kept = tender
            .captured
            .saturating_sub(view.given_or_by_hand(tender))
            .max(0);
        if view.captured_before_void(tender) && kept > 0 {
            let what = format!(
                "Payment {payment} was captured by someone else before its void was made: {} of it is held, and the order counts as paid. Refund it with `order refund`, or release {dropped} if it is to stay paid",
                view.money(kept)
            );
            tasks.add("void_captured", what).release(&dropped);
        }
        return false;
    }
    wanted.pending = true;
    if made.is_some_and(|intent| intent.open() || intent.taken()) {
        return false;
    }
    let account = view.route(tender).and_then(|route| route.account.as_ref());
    let Some(account) = account else {
        let what = format!(
            "No account is configured for payment {payment} any more, so its void is not made. Configure its route, or void it by hand and release {dropped}"
        );
        tasks.add("void_rejected", what).release(&dropped);
        return false;
    };
    if let Some((refused, outcome)) = made.and_then(Intent::refusal)
        && !view.fold.is_void_again(asked, refused)
    {
        let what = format!(
            "{account} rejected the void of payment {payment}: {} {}. Check the payment there, then release {again} to try again or {dropped} to give it up",
            outcome.code.as_deref().unwrap_or_default(),
            words_or_none(&outcome.message)
        );
        tasks
            .add("void_rejected", what)
            .release(&again)
            .release(&dropped);
        return false;
    }
    if !free || view.goods_under_way() {
        return false;
    }
    let missing = view.missing_for_shipped();
    if missing > 0 {
        let others = view.tenders().filter(|other| !view.is_to_void(other));
        let others = others.fold(0_i64, |sum, other| {
            sum.saturating_add(other.authorised.saturating_sub(other.captured))
        });
        if missing > others {
            let what = format!(
                "The goods shipped before the void of payment {payment} was sent, and {} is due for them. Release {dropped} to have it captured; if nothing is to be paid, void the payment by hand",
                view.money(missing)
            );
            tasks.add("void_too_late", what).release(&dropped);
        }
        return false;
    }
    wanted.candidates.push(Candidate {
        account: account.clone(),
        op: Op::Void,
        what: IntentWhat::Call {
            call: Box::new(Call::Void(VoidCall {
                order: view.input.external_id.clone(),
                payment: payment.clone(),
                provider: view.provider_of(tender),
                key: String::new(),
                amount: open,
                currency: view.order.currency,
            })),
            parcels: Vec::new(),
            decision: asked.key.to_owned(),
        },
    });
    true
}

/// Its payment was voided on purpose, and it still wants goods.
fn unpaid(view: &View<'_>, tasks: &mut Tasks) {
    let kept = view.keeps_goods() && !view.void_is_said();
    let over = view.cancelling() || view.ended().is_some() || kept;
    if over || !view.has_unshipped() {
        return;
    }
    tasks
        .add(
            "payment_voided",
            "Its payment was voided with `order void`, but the order is not cancelled, so its goods are held. Cancel it, or have the customer pay again: it then continues".to_owned(),
        )
        .action(Action::Cancel {});
}
