//! Captures: as much as is due for what has left, never more than was authorised, nothing twice.

use hikiate_sdk::{AccountSlug, Call, CaptureCall, ExternalId, Op, Parts, PaymentRef, Tender};

use super::deposits;
use super::effects::{Candidate, Wanted, withdraw};
use super::fold::{Intent, Reading};
use super::tasks::Tasks;
use super::view::View;
use crate::facts::IntentWhat;
use crate::policy::{CaptureRule, PaymentMethod, PaymentRoute};

/// The task about a payment that we captured and that the channel names no more, and the word that it was replaced.
const REPLACED: &str = "payment_replaced";
/// The word that it was never a payment of the order.
const MISTAKEN: &str = "payment_mistaken";

/// What an intent captures: its amount, or all that was expected where it names none.
pub(crate) fn amount_of(call: &CaptureCall) -> i64 {
    call.amount.unwrap_or(call.expected_captured_total)
}

/// A payment as the account that captures it knows it: money belongs to it and not to the channel's record, which may come
/// to name another payment.
#[derive(Clone, Copy)]
struct Holder<'a> {
    /// The channel's id of its record.
    tender: &'a ExternalId,
    /// The account and its names of the payment; `None` where the channel itself captures it, or names none.
    there: Option<(&'a AccountSlug, &'a PaymentRef)>,
}

impl Holder<'_> {
    /// Both are one payment: by the account's names of it where both have one of a kind, else by the channel's record.
    fn is(&self, other: &Holder<'_>) -> bool {
        self.same_there(other)
            .unwrap_or(self.tender == other.tender)
    }

    fn same_there(&self, other: &Holder<'_>) -> Option<bool> {
        let ((here, one), (there, two)) = (self.there?, other.there?);
        if here != there {
            return None;
        }
        let keys = one.key.as_ref().zip(two.key.as_ref());
        let references = one.reference.as_ref().zip(two.reference.as_ref());
        keys.map(|(one, two)| one == two)
            .or_else(|| references.map(|(one, two)| one == two))
    }
}

fn holder_named<'v>(
    account: Option<&'v AccountSlug>,
    payment: &'v ExternalId,
    provider: Option<&'v PaymentRef>,
) -> Holder<'v> {
    let named = provider.filter(|known| known.key.is_some());
    Holder {
        tender: payment,
        there: account.zip(named),
    }
}

fn capture_call<'a>(intent: &Intent<'a>) -> Option<&'a CaptureCall> {
    match intent.call() {
        Some(Call::Capture(call)) => Some(call),
        _ => None,
    }
}

/// What we took of a payment that the order no longer shows, or names no more.
struct Gone<'v> {
    /// The account that captured it and its id there, where that is not the channel.
    payment: Option<(&'v AccountSlug, &'v ExternalId)>,
    /// The channel's record that named it.
    tender: &'v ExternalId,
    /// That record names another payment now.
    replaced: bool,
    /// Taken, less what was given back.
    held: i64,
    /// The last capture.
    last: i64,
}

impl<'a> View<'a> {
    /// Who holds a payment, as a reading shows it or, where its account has not reported it, as the channel names it.
    fn holder<'v>(&'v self, tender: &'v Tender) -> Holder<'v> {
        let account = self.route(tender).and_then(|route| route.account.as_ref());
        let account = account.filter(|account| **account != self.input.channel);
        let raw = || self.at_provider(&tender.key)?.tender.provider.as_ref();
        let named = tender.provider.as_ref().or_else(raw);
        Holder {
            tender: &tender.key,
            there: account.zip(named),
        }
    }

    /// Who holds what a capture takes. One without the account's id is known by the channel's record alone.
    fn holder_of<'v>(&self, intent: &'v Intent<'a>, call: &'v CaptureCall) -> Holder<'v> {
        let account = Some(&intent.fact.account);
        holder_named(account, &call.payment, call.provider.as_ref())
    }

    /// What an operator decided or we called of a payment that is named so, at the account that holds it, is about this one.
    pub(super) fn is_about(
        &self,
        account: Option<&AccountSlug>,
        payment: &ExternalId,
        provider: Option<&PaymentRef>,
        tender: &Tender,
    ) -> bool {
        holder_named(account, payment, provider).is(&self.holder(tender))
    }

    /// Captures that were not refused or taken back.
    pub(crate) fn all_captures<'v>(
        &'v self,
    ) -> impl Iterator<Item = (&'v Intent<'a>, &'v CaptureCall)> {
        let captures = self.fold.of_op(Op::Capture);
        captures
            .filter(|intent| !intent.void())
            .filter_map(|intent| Some((intent, capture_call(intent)?)))
    }

    /// Those of a payment, with their amounts.
    pub(crate) fn captures<'v>(
        &'v self,
        tender: &'v Tender,
    ) -> impl Iterator<Item = (&'v Intent<'a>, i64)> {
        let holder = self.holder(tender);
        self.all_captures()
            .filter(move |(intent, call)| self.holder_of(intent, call).is(&holder))
            .map(|(intent, call)| (intent, amount_of(call)))
    }

    /// Σ of what we decided to capture of a payment.
    pub(crate) fn intended(&self, tender: &Tender) -> i64 {
        self.captures(tender)
            .fold(0, |sum, (_, amount)| sum.saturating_add(amount))
    }

    /// What each reading of a payment showed as captured beyond what we had asked for by then.
    pub(crate) fn beyond<'v>(
        &'v self,
        tender: &'v Tender,
    ) -> impl Iterator<Item = (&'v Reading<'a>, &'v Tender, i64)> {
        let holder = self.holder(tender);
        self.fold.readings.iter().filter_map(move |reading| {
            let all = reading.fact.order.tenders.iter();
            let same = all.filter(|shown| self.holder(shown).is(&holder));
            let shown = same.min_by_key(|shown| shown.key != tender.key)?;
            let beyond = shown.captured.saturating_sub(self.asked(tender, reading));
            Some((reading, shown, beyond))
        })
    }

    /// What we had asked for of a payment before a reading.
    fn asked(&self, tender: &Tender, reading: &Reading<'_>) -> i64 {
        let ours = self.captures(tender);
        ours.filter(|(intent, _)| intent.id < reading.id)
            .fold(0_i64, |sum, (_, amount)| sum.saturating_add(amount))
    }

    /// What others captured: the most any reading showed beyond what we had asked for by then.
    pub(crate) fn captured_by_others(&self, tender: &Tender) -> i64 {
        let beyond = self.beyond(tender).map(|(_, _, beyond)| beyond);
        beyond.max().unwrap_or(0).max(0)
    }

    /// Both are of one payment.
    pub(crate) fn same_payment(&self, one: &Tender, other: &Tender) -> bool {
        self.holder(one).is(&self.holder(other))
    }

    /// The channel's record of a payment names another one now: what others took of the former is not this order's.
    pub(crate) fn is_renamed(&self, tender: &Tender) -> bool {
        let mut now = self.order.tenders.iter();
        let by_name = now.clone().any(|now| now.key == tender.key);
        by_name && !now.any(|now| self.same_payment(now, tender))
    }

    /// The newest fact by which more is taken than was taken or decided before it.
    pub(crate) fn taken_since(&self) -> i64 {
        let captures = self.all_captures().map(|(intent, _)| intent.id);
        let mut since = captures.max().unwrap_or(0);
        let mut before: &[Tender] = &[];
        for reading in &self.fold.readings {
            let tenders = &reading.fact.order.tenders;
            let more = |tender: &Tender| {
                let mut known = before.iter();
                let shown = known.find(|known| self.same_payment(known, tender));
                let asked = self.asked(tender, reading);
                tender.captured > asked.max(shown.map_or(0, |known| known.captured))
            };
            if tenders.iter().any(more) {
                since = since.max(reading.id);
            }
            before = tenders;
        }
        since
    }

    /// What was taken of payments that the channel has voided since or no longer shows or names, less what was given back:
    /// it pays for what ships before any other payment does.
    pub(crate) fn taken_before(&self) -> i64 {
        let tenders = &self.order.tenders;
        let voided = tenders.iter().filter(|tender| tender.cancelled);
        let voided = voided.fold(0_i64, |sum, tender| {
            sum.saturating_add(self.held_of_void(tender).max(0))
        });
        voided.saturating_add(self.held_of_gone())
    }

    /// Captures of payments that the order no longer shows, or names no more.
    fn of_gone<'v>(&'v self) -> impl Iterator<Item = (&'v Intent<'a>, &'v CaptureCall)> {
        self.all_captures().filter(|(intent, call)| {
            let holder = self.holder_of(intent, call);
            let mut tenders = self.order.tenders.iter();
            !tenders.any(|tender| self.holder(tender).is(&holder))
        })
    }

    /// What we took of such payments, less what their accounts say was given back, until an operator says that one was never
    /// this order's: an order hears no more of a payment that it does not name.
    fn held_of_gone(&self) -> i64 {
        let gone = self.gone().into_iter();
        gone.fold(0_i64, |sum, gone| sum.saturating_add(gone.held))
    }

    /// The part of it whose records stand for another payment now: their amounts are for both.
    pub(crate) fn held_of_replaced(&self) -> i64 {
        let gone = self.gone().into_iter().filter(|gone| gone.replaced);
        gone.fold(0_i64, |sum, gone| sum.saturating_add(gone.held))
    }

    fn gone(&self) -> Vec<Gone<'_>> {
        let mut all: Vec<Gone<'_>> = Vec::new();
        for (intent, call) in self.of_gone() {
            if intent.unsent().is_some() {
                continue;
            }
            let there = self.holder_of(intent, call).there;
            let payment = match there {
                Some((account, PaymentRef { key: Some(key), .. })) => Some((account, key)),
                _ => None,
            };
            let amount = amount_of(call);
            match all
                .iter_mut()
                .find(|gone| payment.is_some() && gone.payment == payment)
            {
                Some(gone) => {
                    gone.held = gone.held.saturating_add(amount);
                    gone.last = gone.last.max(intent.id);
                }
                None => all.push(Gone {
                    payment,
                    tender: &call.payment,
                    replaced: {
                        let mut tenders = self.order.tenders.iter();
                        payment.is_some() && tenders.any(|tender| tender.key == call.payment)
                    },
                    held: amount,
                    last: intent.id,
                }),
            }
        }
        for gone in &mut all {
            let told = gone
                .payment
                .and_then(|(account, key)| self.last_reported(account, key));
            let given = told.map_or(0, |payment| payment.refunded);
            gone.held = gone.held.saturating_sub(given).max(0);
            if self.fold.released_after(MISTAKEN, gone.last) {
                gone.held = 0;
            }
        }
        all
    }

    /// What is taken of a voided payment, less what was given back of it: a capture that was not sent is taken back.
    fn held_of_void(&self, tender: &Tender) -> i64 {
        let unsent = self.unsent(tender);
        let shown = tender.captured.saturating_sub(self.given_back(tender));
        self.held(tender).saturating_sub(unsent).max(shown)
    }

    /// What is taken of a payment, or decided to be, less what was given back of it.
    pub(crate) fn held(&self, tender: &Tender) -> i64 {
        self.settled(tender).saturating_sub(self.given_back(tender))
    }

    /// A sum over payments and what came by deposit, which a channel may show as captured as well.
    pub(crate) fn with_deposits<'t>(
        &self,
        tenders: impl Iterator<Item = &'t Tender>,
        of: impl Fn(&Tender) -> i64,
    ) -> i64 {
        let (mut bank, mut others) = (0_i64, 0_i64);
        for tender in tenders {
            let method = self.route(tender).map(|route| route.method);
            let sum = match method {
                Some(PaymentMethod::BankTransfer) => &mut bank,
                _ => &mut others,
            };
            *sum = sum.saturating_add(of(tender));
        }
        let came = deposits::sum(&self.fold.deposits, self.order.currency, i64::MAX);
        others.saturating_add(bank.max(came))
    }

    /// What pays the order or is there to be taken: authorised, captured, in points and by deposit, less what was given
    /// back.
    pub(crate) fn alive(&self) -> i64 {
        self.with_deposits(self.tenders(), |tender| {
            let sure = tender.authorised.max(self.taken(tender));
            sure.saturating_sub(tender.refunded).max(0)
        })
    }

    /// Captures of a payment that certainly were not sent.
    fn unsent(&self, tender: &Tender) -> i64 {
        let unsent = self.captures(tender);
        let unsent = unsent.filter(|(intent, _)| intent.unsent().is_some());
        unsent.fold(0_i64, |sum, (_, amount)| sum.saturating_add(amount))
    }

    /// What an operator would have to give back: all that came, less what was given back and what was not sent.
    pub(crate) fn to_give_back(&self) -> i64 {
        let tenders = self.order.tenders.iter();
        let unsent = tenders.fold(0_i64, |sum, tender| sum.saturating_add(self.unsent(tender)));
        self.held_in_all().saturating_sub(unsent)
    }

    /// All that came, or is decided to be taken, less what was given back: by capture, in points and by deposit. A channel
    /// gives points back by itself when it cancels.
    pub(crate) fn held_in_all(&self) -> i64 {
        let cancelled = self.cancelled_at_channel.is_some();
        let came = self.with_deposits(self.order.tenders.iter(), |tender| {
            let shown = if cancelled {
                tender.captured
            } else {
                self.taken(tender)
            };
            self.settled(tender).max(shown)
        });
        let refunded = self.order.tenders.iter().map(|tender| tender.refunded);
        let held = refunded.fold(came, i64::saturating_sub);
        held.saturating_add(self.held_of_gone())
    }

    /// What was given back by mistake beyond all that is held.
    fn mistaken_beyond(&self) -> i64 {
        let tenders = self.order.tenders.iter();
        let mistaken = tenders.fold(0_i64, |sum, t| sum.saturating_add(self.by_mistake(t)));
        if mistaken == 0 {
            return 0;
        }
        let held = self.held_in_all().saturating_add(self.unexplained());
        held.saturating_neg().clamp(0, mistaken)
    }

    /// What came by deposit beyond what was to come that way: it pays what no card can.
    pub(crate) fn deposited_beyond(&self) -> i64 {
        let payment = self.payment();
        let wanted = payment.bank_wanted.unwrap_or(0);
        payment.deposited.saturating_sub(wanted).max(0)
    }

    /// What is taken of a payment, or decided to be.
    pub(crate) fn settled(&self, tender: &Tender) -> i64 {
        let ours = self.intended(tender);
        ours.saturating_add(self.captured_by_others(tender))
            .max(tender.captured)
    }
}

/// Captures that ought to be. `gone` says that nothing is left to ship.
pub(crate) fn captures(view: &View<'_>, gone: bool, tasks: &mut Tasks) -> Wanted {
    let mut wanted = Wanted::default();
    if view.cancelled_at_channel.is_some() {
        let why = "the order is cancelled at the channel";
        let open = view.fold.of_op(Op::Capture).filter(|intent| intent.open());
        wanted
            .withdraw
            .extend(open.filter_map(|intent| withdraw(intent, why)));
        return wanted;
    }
    wanted.pending = view.fold.of_op(Op::Capture).any(Intent::open);
    let why = "the order no longer names this payment";
    let gone_open = view.of_gone().filter(|(intent, _)| intent.open());
    wanted
        .withdraw
        .extend(gone_open.filter_map(|(intent, _)| withdraw(intent, why)));
    replaced(view, tasks);
    let rest_waits = view.channel.capture == CaptureRule::OnComplete && !gone;
    if rest_waits || !view.any_shipped() {
        // Nothing is due any more of what was decided before: the goods did not ship after all.
        for tender in &view.order.tenders {
            take_back(view, tender, 0, &mut wanted);
        }
        return wanted;
    }
    let Some(due) = view.due(&view.departed(|_| true)) else {
        return wanted;
    };
    let captured_ways = |tender: &&Tender| view.route(tender).is_some_and(|r| r.account.is_some());
    // Money that has come by other ways pays first.
    let others = view
        .tenders()
        .filter(|tender| !captured_ways(tender) && view.route(tender).is_some())
        .fold(0_i64, |sum, tender| {
            sum.saturating_add(view.still_to_pay(tender).unwrap_or(0))
        })
        .saturating_add(view.taken_before());
    for voided in view.order.tenders.iter().filter(|tender| tender.cancelled) {
        let shown = voided.captured.saturating_sub(view.given_back(voided));
        take_back(view, voided, shown, &mut wanted);
    }
    let mut rest = due.saturating_sub(others).max(0);
    let mut over = 0_i64;
    for tender in view.tenders().filter(captured_ways) {
        let Some(route) = view.route(tender) else {
            continue;
        };
        let Some(account) = route.account.clone() else {
            continue;
        };
        if view.is_to_void(tender) {
            let why = "an operator wants the payment voided";
            take_all_back(view, tender, why, &mut wanted);
            // What somebody captured of it pays; what is still authorised is a task of the void.
            let pays = view.held(tender).max(0);
            rest -= rest.min(pays.saturating_add(view.open_authorisation(tender)));
            continue;
        }
        let parts = parts(view, tender, route);
        let share = view
            .still_to_pay(tender)
            .map_or(rest, |amount| rest.min(amount));
        rest -= share;
        let Some(epoch) = view.epoch("capture", &account) else {
            continue;
        };
        let before = view
            .due(&view.departed(|one| one.first_recorded_at < epoch))
            .unwrap_or(0)
            .saturating_sub(others)
            .clamp(0, share);
        // What is captured of it once releases the rest: it is captured when nothing is left to ship.
        if parts.is_single() && !gone {
            let why = "something is left to ship again, and the payment can be captured once";
            take_all_back(view, tender, why, &mut wanted);
            wanted.pending |= share > view.held(tender);
            continue;
        }
        let settled = view.settled(tender);
        let want = share.saturating_sub(view.held(tender).max(before));
        take_back(view, tender, share, &mut wanted);
        if want <= 0 || refused(view, tender, tasks) {
            wanted.pending |= want > 0;
            continue;
        }
        wanted.pending = true;
        let room = tender
            .authorised
            .max(tender.captured)
            .saturating_sub(settled)
            .max(0);
        // What a single capture left of it was released with it.
        let room = match parts {
            Parts::Many => room,
            Parts::Once | Parts::Whole if settled > 0 => 0,
            Parts::Once | Parts::Whole => room,
        };
        over = over.saturating_add(want.saturating_sub(room).max(0));
        let amount = want.min(room);
        let open = view.captures(tender).any(|(intent, _)| intent.open());
        if amount > 0 && parts == Parts::Whole && not_whole(view, tender, amount, tasks) {
            continue;
        }
        if amount > 0 && !open {
            wanted
                .candidates
                .push(candidate(view, tender, account, amount, settled));
        }
    }
    over = over.saturating_add(rest);
    over = over
        .saturating_sub(view.deposited_beyond())
        .max(view.mistaken_beyond());
    if over > view.slack() {
        wanted.pending = true;
        let detail = format!(
            "{} is due for shipped goods, but is not (or no longer) authorised. Collect it from the customer or correct the order at the channel, then release it",
            view.money(over)
        );
        let told = view
            .parcels()
            .iter()
            .map(|parcel| parcel.last_id)
            .max()
            .unwrap_or(0);
        if view
            .fold
            .released_after("capture_exceeds_authorisation", told.max(view.head.id))
        {
            wanted.pending = !wanted.candidates.is_empty();
        } else {
            tasks
                .add("capture_exceeds_authorisation", detail)
                .release("capture_exceeds_authorisation");
        }
    }
    wanted
}

/// A payment that we captured is not the one that the channel's record names now: it was replaced, or named by mistake.
fn replaced(view: &View<'_>, tasks: &mut Tasks) {
    for gone in view.gone() {
        let Some((account, key)) = gone.payment.filter(|_| gone.replaced && gone.held > 0) else {
            continue;
        };
        if view.fold.released_after(REPLACED, gone.last) {
            continue;
        }
        let detail = format!(
            "{} was captured of payment {key} at {account}, and payment {} of the channel names another one now. It pays for what was shipped: if the payment was replaced, release {REPLACED}. If {key} was never a payment of this order, refund it there or leave it to its own order, and release {MISTAKEN}: then the payment that is named now is captured",
            view.money(gone.held),
            gone.tender
        );
        tasks
            .add(REPLACED, detail)
            .release(REPLACED)
            .release(MISTAKEN);
    }
}

/// How often a payment can be captured: as its account says of this very payment, else as that account does in general.
fn parts(view: &View<'_>, tender: &Tender, route: &PaymentRoute) -> Parts {
    let at = view.at_provider(&tender.key);
    let seen = at.and_then(|at| at.seen.as_ref());
    seen.and_then(|seen| seen.payment.parts)
        .unwrap_or(route.parts)
}

/// It can be captured in one piece alone, which is not what is due.
fn not_whole(view: &View<'_>, tender: &Tender, amount: i64, tasks: &mut Tasks) -> bool {
    if amount == tender.authorised {
        return false;
    }
    let detail = format!(
        "payment {} can be captured as a whole alone ({}), and {} is due; capture it at the provider and give the rest back there",
        tender.key,
        view.money(tender.authorised),
        view.money(amount)
    );
    tasks.add("capture_whole", detail);
    true
}

impl View<'_> {
    /// How the account that captures a payment knows it; `None` where that is the channel's.
    pub(super) fn provider_of(&self, tender: &Tender) -> Option<PaymentRef> {
        let route = self.route(tender)?;
        let elsewhere = route.account.as_ref() != Some(&self.input.channel);
        tender.provider.clone().filter(|_| elsewhere)
    }
}

fn candidate(
    view: &View<'_>,
    tender: &Tender,
    account: AccountSlug,
    amount: i64,
    settled: i64,
) -> Candidate {
    let untouched = settled == 0 && tender.captured == 0;
    let whole = view.tender_amount(tender) == Some(amount) && tender.authorised == amount;
    Candidate {
        account,
        op: Op::Capture,
        what: IntentWhat::Call {
            call: Box::new(Call::Capture(CaptureCall {
                order: view.input.external_id.clone(),
                payment: tender.key.clone(),
                provider: view.provider_of(tender),
                key: String::new(),
                amount: if untouched && whole {
                    None
                } else {
                    Some(amount)
                },
                currency: view.order.currency,
                expected_captured_total: settled.saturating_add(amount),
            })),
            parcels: Vec::new(),
            decision: String::new(),
        },
    }
}

/// Takes back a queued capture that would now be more than is due.
fn take_back(view: &View<'_>, tender: &Tender, due: i64, wanted: &mut Wanted) {
    if view.held(tender) > due {
        take_all_back(view, tender, "less is due than when it was decided", wanted);
    }
}

fn take_all_back(view: &View<'_>, tender: &Tender, why: &str, wanted: &mut Wanted) {
    let open = view.captures(tender).filter(|(intent, _)| intent.open());
    let back = open.filter_map(|(intent, _)| withdraw(intent, why));
    wanted.withdraw.extend(back);
}

/// The last capture of a payment was refused, and no operator has asked for another.
fn refused(view: &View<'_>, tender: &Tender, tasks: &mut Tasks) -> bool {
    let holder = view.holder(tender);
    let mine = |intent: &&Intent<'_>| {
        capture_call(intent).is_some_and(|call| view.holder_of(intent, call).is(&holder))
    };
    let Some(last) = view.fold.of_op(Op::Capture).filter(mine).last() else {
        return false;
    };
    let Some((id, outcome)) = last.refusal() else {
        return false;
    };
    if view.fold.released_after("capture", id) {
        return false;
    }
    tasks
        .add(
        "capture_rejected",
        format!(
            "The payment provider rejected the capture of payment {}: {} {}. Resolve it with the provider, or release to try again",
            tender.key,
            outcome.code.as_deref().unwrap_or_default(),
            outcome.message
        ),
    )
    .release("capture");
    true
}
