//! Captures: as much as is due for what has left, never more than was authorised, nothing twice.

use hikiate_sdk::{Call, CaptureCall, ExternalId, Op, Parts, PaymentRef, Tender};

use super::deposits;
use super::effects::{Candidate, Wanted, withdraw};
use super::fold::Intent;
use super::tasks::Tasks;
use super::view::View;
use crate::facts::IntentWhat;
use crate::policy::{CaptureRule, PaymentMethod, PaymentRoute};

/// What an intent captures: its amount, or all that was expected where it names none.
fn amount_of(call: &CaptureCall) -> i64 {
    call.amount.unwrap_or(call.expected_captured_total)
}

/// A capture is of this payment, by the channel's name of it or by its provider's.
fn is_of(call: &CaptureCall, tender: &Tender) -> bool {
    let key = |provider: &Option<PaymentRef>| provider.as_ref().and_then(|known| known.key.clone());
    call.payment == tender.key
        || call
            .provider
            .as_ref()
            .is_some_and(|there| there.key.is_some() && there.key == key(&tender.provider))
}

fn capture_call<'a>(intent: &Intent<'a>) -> Option<&'a CaptureCall> {
    match intent.call() {
        Some(Call::Capture(call)) => Some(call),
        _ => None,
    }
}

impl<'a> View<'a> {
    /// Captures of a payment that were not refused or taken back.
    fn captures<'v>(&'v self, key: &'v ExternalId) -> impl Iterator<Item = (&'v Intent<'a>, i64)> {
        let tender = self.order.tenders.iter().find(|tender| tender.key == *key);
        self.fold
            .of_op(Op::Capture)
            .filter(|intent| !intent.void())
            .filter_map(move |intent| {
                let call = capture_call(intent)?;
                let mine = tender.map_or(call.payment == *key, |tender| is_of(call, tender));
                mine.then(|| (intent, amount_of(call)))
            })
    }

    /// Σ of what we decided to capture of a payment.
    pub(crate) fn intended(&self, key: &ExternalId) -> i64 {
        self.captures(key)
            .fold(0, |sum, (_, amount)| sum.saturating_add(amount))
    }

    /// What others captured: the most any reading showed beyond what we had asked for by then.
    fn captured_by_others(&self, key: &ExternalId) -> i64 {
        let beyond = self.fold.readings.iter().filter_map(|reading| {
            let tender = reading
                .fact
                .order
                .tenders
                .iter()
                .find(|tender| tender.key == *key)?;
            let ours = self
                .captures(key)
                .filter(|(intent, _)| intent.id < reading.id);
            let asked = ours.fold(0_i64, |sum, (_, amount)| sum.saturating_add(amount));
            Some(tender.captured.saturating_sub(asked))
        });
        beyond.max().unwrap_or(0).max(0)
    }

    /// The newest fact by which more is taken than was taken or decided before it.
    pub(crate) fn taken_since(&self) -> i64 {
        let captures = self.fold.of_op(Op::Capture);
        let captures = captures.filter(|intent| !intent.void());
        let mut since = captures.map(|intent| intent.id).max().unwrap_or(0);
        let mut before: &[Tender] = &[];
        for reading in &self.fold.readings {
            let tenders = &reading.fact.order.tenders;
            let more = |tender: &Tender| {
                let shown = before.iter().find(|known| known.key == tender.key);
                let ours = self.captures(&tender.key);
                let asked = ours
                    .filter(|(intent, _)| intent.id < reading.id)
                    .fold(0_i64, |sum, (_, amount)| sum.saturating_add(amount));
                tender.captured > asked.max(shown.map_or(0, |known| known.captured))
            };
            if tenders.iter().any(more) {
                since = since.max(reading.id);
            }
            before = tenders;
        }
        since
    }

    /// What was taken of payments that the channel has voided since or no longer shows, less what was given back: it pays
    /// for what ships before any other payment does.
    pub(crate) fn taken_before(&self) -> i64 {
        let tenders = &self.order.tenders;
        let voided = tenders.iter().filter(|tender| tender.cancelled);
        let voided = voided.fold(0_i64, |sum, tender| {
            sum.saturating_add(self.held_of_void(tender).max(0))
        });
        let captures = self.fold.of_op(Op::Capture);
        let gone = captures
            .filter(|intent| !intent.void())
            .filter_map(capture_call)
            .filter(|call| !tenders.iter().any(|tender| is_of(call, tender)));
        gone.fold(voided, |sum, call| sum.saturating_add(amount_of(call)))
    }

    /// What is taken of a voided payment, less what was given back of it: a capture that was not sent is taken back.
    fn held_of_void(&self, tender: &Tender) -> i64 {
        let unsent = self.unsent(&tender.key);
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
    fn unsent(&self, payment: &ExternalId) -> i64 {
        let unsent = self.captures(payment);
        let unsent = unsent.filter(|(intent, _)| intent.unsent().is_some());
        unsent.fold(0_i64, |sum, (_, amount)| sum.saturating_add(amount))
    }

    /// What an operator would have to give back: all that came, less what was given back and what was not sent.
    pub(crate) fn to_give_back(&self) -> i64 {
        let tenders = self.order.tenders.iter();
        let unsent = tenders.fold(0_i64, |sum, tender| {
            sum.saturating_add(self.unsent(&tender.key))
        });
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
        refunded.fold(came, i64::saturating_sub)
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
        let ours = self.intended(&tender.key);
        ours.saturating_add(self.captured_by_others(&tender.key))
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
        let open = view.captures(&tender.key).any(|(intent, _)| intent.open());
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
    fn provider_of(&self, tender: &Tender) -> Option<PaymentRef> {
        let route = self.route(tender)?;
        let elsewhere = route.account.as_ref() != Some(&self.input.channel);
        tender.provider.clone().filter(|_| elsewhere)
    }
}

fn candidate(
    view: &View<'_>,
    tender: &Tender,
    account: hikiate_sdk::AccountSlug,
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
        },
    }
}

/// Takes back a queued capture that would now be more than is due.
fn take_back(view: &View<'_>, tender: &Tender, due: i64, wanted: &mut Wanted) {
    if view.held(tender) <= due {
        return;
    }
    let open: Vec<_> = view
        .captures(&tender.key)
        .filter(|(intent, _)| intent.open())
        .collect();
    let why = "less is due than when it was decided";
    wanted
        .withdraw
        .extend(open.iter().filter_map(|(intent, _)| withdraw(intent, why)));
}

/// The last capture of a payment was refused, and no operator has asked for another.
fn refused(view: &View<'_>, tender: &Tender, tasks: &mut Tasks) -> bool {
    let mine = |intent: &&Intent<'_>| capture_call(intent).is_some_and(|c| is_of(c, tender));
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
