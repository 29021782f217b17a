//! Faults put in on purpose, which a tool must find. Each alters what passes by from outside the product: a plan
//! between the planner and the store, a statement on the wire, an external system's answer.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use hikiate::facts::{FactBody, IntentFact, IntentWhat, Verdict};
use hikiate::plan::tax_inside;
use hikiate::plan::types::{Begin, OrderInput, OrderPlan, Status};
use hikiate::policy::TaxRounding;
use hikiate::push::Step;
use hikiate::stock::allocate::OpenDemand;
use hikiate::store::Judgement;
use hikiate_sdk::{
    Call, ChannelFulfilment, ChannelState, Charge, ChargeKind, Op, OrderSnapshot, Outcome, Page,
    RefundEffect,
};

/// A fault and what it alters.
#[derive(Debug)]
pub struct Mutant {
    /// Its name on the command line and in the documents.
    pub word: &'static str,
    /// What is wrong with it.
    pub what: &'static str,
    /// What it alters.
    pub alters: Alters,
}

/// What a mutant alters.
#[derive(Clone, Copy, Debug)]
pub enum Alters {
    /// Each plan of the model, before it is checked and written, beside what it was made from.
    Plan(fn(&OrderInput, &mut OrderPlan)),
    /// What each plan of the model is made from.
    Input(fn(&mut OrderInput)),
    /// SQL of the daemons of a world: other SQL with the same parameters and columns.
    Statement(fn(&str) -> Option<String>),
    /// When a page of a stream is asked for in a world, by the clock that its connector believes.
    Asked(fn(&str, DateTime<Utc>) -> DateTime<Utc>),
    /// Pages in a world: what a connector makes of them.
    Page(fn(&mut Page)),
    /// Calls in a world: the answer of an external system that has done nothing.
    Answer(fn(Op) -> Option<Outcome>),
    /// What the model's allocation is decided from.
    Demands(fn(&mut [OpenDemand])),
    /// How the model's store judges a reading.
    Judged(fn(Judgement) -> Judgement),
    /// What the model's pusher does next.
    Next(fn(Step) -> Step),
    /// What a world does around a daemon's calls and pages.
    Around(Around),
}

/// A fault of a daemon that a world plays around its calls and pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Around {
    /// The cursor moves on before the page is committed.
    CursorBeforeCommit,
    /// A page that its source consumes is acknowledged before it is committed.
    AcknowledgedBeforeCommit,
    /// What is about to be sent is not marked as sending before the call.
    SendingNotMarked,
    /// What was being sent when a process died is handed back as if it had never left.
    SendingForgotten,
    /// A lost reply is taken for a call that never left.
    LostReplyIgnored,
    /// The same parcel in another file is another parcel.
    ParcelCountedTwice,
    /// What a provider is to know a call by is another with each try.
    KeyOfTheTry,
    /// A call in doubt is looked up at once, however long its external system may take to show it.
    SettleIgnored,
    /// A call is taken for done though its answer does not show what it makes.
    NotShownBelieved,
}

/// All of them.
pub const MUTANTS: &[Mutant] = &[
    Mutant {
        word: "movement_forgotten",
        what: "goods ship and the ledger of stock does not move",
        alters: Alters::Plan(|_, plan| plan.entries.clear()),
    },
    Mutant {
        word: "others_ignored",
        what: "what staff ship at the channel is shipped by us as well",
        alters: Alters::Input(|input| {
            fulfilments(input, |all| all.retain(|f| f.reference.is_some()));
        }),
    },
    Mutant {
        word: "numbers_ignored",
        what: "a parcel of ours that staff entered at the channel counts a second time",
        alters: Alters::Input(|input| {
            fulfilments(input, |all| {
                for theirs in all.iter_mut().filter(|f| f.reference.is_none()) {
                    theirs.tracking.clear();
                }
            });
        }),
    },
    Mutant {
        word: "undone_at_once",
        what: "what staff shipped and cancelled again is shipped by us at once",
        alters: Alters::Input(|input| {
            let mut gone = BTreeSet::new();
            fulfilments(input, |all| {
                gone.extend(all.iter().filter(|f| f.cancelled()).map(|f| f.key.clone()));
            });
            fulfilments(input, |all| all.retain(|f| !gone.contains(&f.key)));
        }),
    },
    Mutant {
        word: "settled_by_anything",
        what: "any good message about a shipment takes its unreadable rows out of quarantine",
        alters: Alters::Statement(|sql| {
            let settles = sql.contains("UPDATE quarantine q SET resolved_at");
            settles.then(|| sql.replace("AND t.p IS NOT DISTINCT FROM q.part", ""))
        }),
    },
    Mutant {
        word: "seen_ahead",
        what: "an order that is dated ahead hides those that change before that time",
        alters: Alters::Asked(|stream, now| match stream {
            "orders" => now + chrono::Duration::days(3_650),
            _ => now,
        }),
    },
    Mutant {
        word: "odd_records_dropped",
        what: "a record that cannot be parsed is skipped",
        alters: Alters::Page(|page| page.records.retain(|record| record.parsed.is_ok())),
    },
    Mutant {
        word: "completed_ignored",
        what: "an order that staff completed is shipped",
        alters: Alters::Input(|input| {
            for fact in &mut input.facts {
                if let FactBody::Order(reading) = &mut fact.body
                    && reading.order.state == ChannelState::Completed
                {
                    reading.order.state = ChannelState::Open;
                }
            }
        }),
    },
    Mutant {
        word: "stalled_note_ignored",
        what: "a note that a stalled process sends after a newer one stays",
        alters: Alters::Input(|input| {
            input.facts.retain(|fact| match &fact.body {
                FactBody::Outcome(end) => end.verdict != Verdict::Evidence,
                _ => true,
            });
        }),
    },
    Mutant {
        word: "change_untold",
        what: "a sealed shipment goes to the old address and no task opens",
        alters: Alters::Plan(|_, plan| {
            plan.tasks
                .retain(|task| task.kind != "changed_after_sealing");
            plan.decisions
                .retain(|fact| !matches!(fact.body, FactBody::ChangeSeen(_)));
        }),
    },
    Mutant {
        word: "absence_ignored",
        what: "an order that the channel no longer returns is shipped",
        alters: Alters::Input(|input| {
            without(input, |body| matches!(body, FactBody::Presence(_)));
        }),
    },
    Mutant {
        word: "end_ignored",
        what: "an order that an operator ended is shipped",
        alters: Alters::Input(|input| {
            without(input, |body| matches!(body, FactBody::Ended(_)));
        }),
    },
    Mutant {
        word: "recall_ignored",
        what: "a shipment whose cancellation an operator requested is shipped",
        alters: Alters::Input(|input| {
            without(input, |body| matches!(body, FactBody::RecallWanted(_)));
        }),
    },
    Mutant {
        word: "begins_by_itself",
        what: "hikiate acts for a channel that has not begun",
        alters: Alters::Input(|input| input.begin = Begin::always()),
    },
    Mutant {
        word: "refund_lowers_twice",
        what: "a refund lowers what is charged a second time",
        alters: Alters::Input(|input| {
            readings(input, |order| {
                let credits = order.charges.iter().filter(|c| is_credit(c));
                let again: Vec<_> = credits.cloned().collect();
                let off: i64 = again.iter().filter_map(|charge| charge.gross).sum();
                order.charges.extend(again);
                order.total = order.total.map(|total| total + off);
                for tender in order.tenders.iter_mut().filter(|_| off != 0) {
                    tender.refunded *= 2;
                }
            });
        }),
    },
    Mutant {
        word: "refund_captured_again",
        what: "refunded money is captured again",
        alters: Alters::Input(|input| {
            readings(input, |order| {
                let mut refunds = order.tenders.iter().flat_map(|tender| &tender.refunds);
                if refunds.any(|refund| refund.effect == RefundEffect::ProviderOnly) {
                    return;
                }
                let credits = order.charges.iter().filter(|c| is_credit(c));
                let off: i64 = credits.filter_map(|charge| charge.gross).sum();
                order.charges.retain(|charge| !is_credit(charge));
                order.total = order.total.map(|total| total - off);
                for tender in &mut order.tenders {
                    tender.captured -= tender.refunded;
                    tender.refunded = 0;
                    tender.refunds.clear();
                }
            });
        }),
    },
    Mutant {
        word: "returns_forgotten",
        what: "revenue stays as it was after a refund",
        alters: Alters::Plan(|_, plan| plan.revenue.retain(|row| row.gross >= 0)),
    },
    Mutant {
        word: "tax_by_row",
        what: "the tax of each row is rounded separately",
        alters: Alters::Plan(|_, plan| {
            for row in &mut plan.revenue {
                row.tax = tax_inside(row.gross, row.tax_of.rate_bp, TaxRounding::HalfUp);
            }
        }),
    },
    Mutant {
        word: "unexplained_untold",
        what: "a refund that nothing explains is no task",
        alters: Alters::Plan(|_, plan| plan.tasks.retain(|task| task.kind != "refund_unexplained")),
    },
    Mutant {
        word: "returns_unstored",
        what: "returns are planned and not stored",
        alters: Alters::Statement(|sql| {
            let stores = sql.contains("INSERT INTO revenue_events");
            stores.then(|| {
                let rows = sql.replace("SELECT * FROM", "SELECT r.* FROM");
                format!("{rows} AS r(a, b, c, d, e, f, kind) WHERE r.kind <> 'returns'")
            })
        }),
    },
    Mutant {
        word: "revenue_forgotten",
        what: "revenue is planned and not stored",
        alters: Alters::Statement(|sql| {
            let stores = sql.contains("INSERT INTO revenue_events");
            stores.then(|| format!("{sql} WHERE false"))
        }),
    },
    Mutant {
        word: "capture_pretended",
        what: "a capture counts as done, and no money was captured",
        alters: Alters::Answer(|op| (op == Op::Capture).then_some(Outcome::Done { id: None })),
    },
    Mutant {
        word: "words_in_facts",
        what: "what an external system says stays in the fact, with the name that it repeats",
        alters: Alters::Statement(|sql| {
            let beside = sql.contains("INSERT INTO fact_words");
            beside.then(|| {
                "UPDATE facts f SET body = f.body || jsonb_build_object('message', t.w) FROM unnest($1::bigint[], $2::text[], $3::text[]) AS t (s, k, w)
                 WHERE f.subject_id = t.s AND f.key = t.k"
                    .to_owned()
            })
        }),
    },
    Mutant {
        word: "refund_pretended",
        what: "a refund counts as done, and no money went back",
        alters: Alters::Answer(|op| (op == Op::Refund).then_some(Outcome::Done { id: None })),
    },
    Mutant {
        word: "record_pretended",
        what: "a record of a refund counts as made, and the shop knows nothing of it",
        alters: Alters::Answer(|op| (op == Op::RecordRefund).then_some(Outcome::Done { id: None })),
    },
    Mutant {
        word: "key_of_the_try",
        what: "a payment provider is told another key with each try of a call",
        alters: Alters::Around(Around::KeyOfTheTry),
    },
    Mutant {
        word: "settle_ignored",
        what: "a call in doubt is looked up before its external system has to show it",
        alters: Alters::Around(Around::SettleIgnored),
    },
    Mutant {
        word: "not_shown_believed",
        what: "a call counts as done though its answer does not show what it makes",
        alters: Alters::Around(Around::NotShownBelieved),
    },
    Mutant {
        word: "older_reading",
        what: "an older reading replaces a newer one",
        alters: Alters::Judged(|judgement| match judgement {
            Judgement::Stale | Judgement::Older => Judgement::New,
            other => other,
        }),
    },
    Mutant {
        word: "reservation_kept",
        what: "a cancelled order keeps its demand, and with it what is reserved",
        alters: Alters::Plan(|_, plan| {
            if plan.status == Status::Cancelled {
                plan.demands.clear();
            }
        }),
    },
    Mutant {
        word: "reservation_undeleted",
        what: "what is reserved and no longer needed stays reserved",
        alters: Alters::Statement(|sql| {
            let frees = sql.contains("DELETE FROM reservations r USING unnest");
            frees.then(|| sql.replace("t.q = 0", "t.q < 0"))
        }),
    },
    Mutant {
        word: "capture_ordered",
        what: "the total is captured with the first goods, not what is due for them",
        alters: Alters::Plan(|input, plan| {
            let orders = input
                .facts
                .iter()
                .rev()
                .filter_map(|fact| match &fact.body {
                    FactBody::Order(reading) => reading.order.total,
                    _ => None,
                });
            let Some(total) = { orders }.next() else {
                return;
            };
            intents(plan, |_, intent| {
                if let IntentWhat::Call { call, .. } = &mut intent.what
                    && let Call::Capture(capture) = call.as_mut()
                {
                    let more = total - capture.expected_captured_total;
                    capture.expected_captured_total = total;
                    capture.amount = capture.amount.map(|amount| amount + more);
                }
            });
        }),
    },
    Mutant {
        word: "key_from_sequence",
        what: "a key counts up with every plan that is made, not with the tries that ended",
        alters: Alters::Plan(|_, plan| {
            let more = SEQUENCE.get().wrapping_add(1) % 1_000_000;
            SEQUENCE.set(more);
            intents(plan, |key, intent| {
                let own = format!(":{}", intent.n);
                intent.n += more;
                if let Some(start) = key.strip_suffix(&own) {
                    *key = format!("{start}:{}", intent.n);
                }
            });
        }),
    },
    Mutant {
        word: "rank_ignored",
        what: "stock goes to whoever came last",
        alters: Alters::Demands(|demands| {
            let ranks: Vec<_> = demands
                .iter()
                .map(|d| (d.promised_at, d.ordered_at))
                .collect();
            let first = ranks.iter().map(|rank| rank.0).min();
            let last = ranks.iter().map(|rank| rank.0).max();
            if let (Some(first), Some(last)) = (first, last) {
                for demand in demands {
                    demand.promised_at = first + (last - demand.promised_at);
                }
            }
        }),
    },
    Mutant {
        word: "look_up_skipped",
        what: "an operation that must be looked up before it is sent again is simply sent again",
        alters: Alters::Next(|step| match step {
            Step::LookUp => Step::Send,
            other => other,
        }),
    },
    Mutant {
        word: "cursor_before_commit",
        what: "the cursor moves on before the page is committed",
        alters: Alters::Around(Around::CursorBeforeCommit),
    },
    Mutant {
        word: "acknowledged_before_commit",
        what: "a page that its source consumes is acknowledged before it is committed",
        alters: Alters::Around(Around::AcknowledgedBeforeCommit),
    },
    Mutant {
        word: "sending_not_marked",
        what: "what is about to be sent is not marked as sending before the call",
        alters: Alters::Around(Around::SendingNotMarked),
    },
    Mutant {
        word: "sending_forgotten",
        what: "what was being sent when a process died is queued again as if it had never been sent",
        alters: Alters::Around(Around::SendingForgotten),
    },
    Mutant {
        word: "lost_reply_ignored",
        what: "a lost reply is treated as a call that was never sent",
        alters: Alters::Around(Around::LostReplyIgnored),
    },
    Mutant {
        word: "parcel_counted_twice",
        what: "the same parcel in another file is another parcel",
        alters: Alters::Around(Around::ParcelCountedTwice),
    },
];

/// Changes each intent of a plan, with its key.
fn intents(plan: &mut OrderPlan, mut change: impl FnMut(&mut String, &mut IntentFact)) {
    for fact in &mut plan.decisions {
        if let FactBody::Intent(intent) = &mut fact.body {
            change(&mut fact.key, intent);
        }
    }
    for effect in &mut plan.effects {
        change(&mut effect.key, &mut effect.intent);
    }
}

/// Changes every reading of an order.
fn readings(input: &mut OrderInput, mut change: impl FnMut(&mut OrderSnapshot)) {
    for fact in &mut input.facts {
        if let FactBody::Order(reading) = &mut fact.body {
            change(&mut reading.order);
        }
    }
}

/// Changes what every reading of an order shows as fulfilled.
fn fulfilments(input: &mut OrderInput, mut change: impl FnMut(&mut Vec<ChannelFulfilment>)) {
    readings(input, |order| change(&mut order.fulfilments));
}

/// What a refund took off the whole order.
fn is_credit(charge: &Charge) -> bool {
    charge.kind == ChargeKind::Other && charge.line.is_none() && charge.tax_rate_bp.is_none()
}

/// Forgets facts.
fn without(input: &mut OrderInput, gone: impl Fn(&FactBody) -> bool) {
    input.facts.retain(|fact| !gone(&fact.body));
}

/// A fault by its name.
#[derive(Clone, Copy, Debug)]
pub struct Fault(&'static Mutant);

impl Fault {
    /// Its name on the command line and in the documents.
    #[must_use]
    pub fn word(self) -> &'static str {
        self.0.word
    }

    /// The fault of this name.
    ///
    /// # Errors
    /// There is none; in words, with the names that there are.
    pub fn named(word: &str) -> Result<Self, String> {
        let mut all = MUTANTS.iter();
        all.find(|mutant| mutant.word == word)
            .map(Self)
            .ok_or_else(|| {
                let words: Vec<_> = MUTANTS.iter().map(|mutant| mutant.word).collect();
                format!("unknown fault {word:?}; available: {}", words.join(", "))
            })
    }

    /// How it rewrites SQL, if it does.
    #[must_use]
    pub fn statement(self) -> Option<fn(&str) -> Option<String>> {
        match self.0.alters {
            Alters::Statement(rewrite) => Some(rewrite),
            _ => None,
        }
    }
}

thread_local! {
    static ON: Cell<Option<&'static Mutant>> = const { Cell::new(None) };
    static SEQUENCE: Cell<u32> = const { Cell::new(0) };
}

/// Puts one fault in for this thread, or takes all out.
pub fn switch(fault: Option<Fault>) {
    ON.set(fault.map(|fault| fault.0));
}

/// Whether a world plays this fault in this thread.
#[must_use]
pub(crate) fn is(around: Around) -> bool {
    matches!(ON.get().map(|mutant| mutant.alters), Some(Alters::Around(on)) if on == around)
}

/// Demands as the fault leaves them.
pub(crate) fn ranked(demands: &mut [OpenDemand]) {
    if let Some(Alters::Demands(alter)) = ON.get().map(|mutant| mutant.alters) {
        alter(demands);
    }
}

/// A judgement as the fault leaves it.
#[must_use]
pub(crate) fn judged(judgement: Judgement) -> Judgement {
    match ON.get().map(|mutant| mutant.alters) {
        Some(Alters::Judged(alter)) => alter(judgement),
        _ => judgement,
    }
}

/// A step of the pusher as the fault leaves it.
#[must_use]
pub(crate) fn next(step: Step) -> Step {
    match ON.get().map(|mutant| mutant.alters) {
        Some(Alters::Next(alter)) => alter(step),
        _ => step,
    }
}

/// A plan as the fault leaves it.
#[must_use]
pub(crate) fn altered(input: &OrderInput, mut plan: OrderPlan) -> OrderPlan {
    if let Some(Alters::Plan(alter)) = ON.get().map(|mutant| mutant.alters) {
        alter(input, &mut plan);
    }
    plan
}

/// What a plan is made from, as the fault leaves it.
#[must_use]
pub(crate) fn read(input: &OrderInput) -> Cow<'_, OrderInput> {
    match ON.get().map(|mutant| mutant.alters) {
        Some(Alters::Input(alter)) => {
            let mut input = input.clone();
            alter(&mut input);
            Cow::Owned(input)
        }
        _ => Cow::Borrowed(input),
    }
}

/// When a page is asked for, as the fault leaves it.
#[must_use]
pub(crate) fn asked(stream: &str, now: DateTime<Utc>) -> DateTime<Utc> {
    match ON.get().map(|mutant| mutant.alters) {
        Some(Alters::Asked(alter)) => alter(stream, now),
        _ => now,
    }
}

/// A page as the fault leaves it.
pub(crate) fn brought(page: &mut Page) {
    if let Some(Alters::Page(alter)) = ON.get().map(|mutant| mutant.alters) {
        alter(page);
    }
}

/// What the fault answers in an external system's place.
#[must_use]
pub(crate) fn answered(op: Op) -> Option<Outcome> {
    match ON.get()?.alters {
        Alters::Answer(answer) => answer(op),
        _ => None,
    }
}
