//! Faults put in on purpose, which a tool must find. New ones live here and alter what passes by from outside: a plan
//! between the planner and the store, a statement on the wire, an external system's answer. The older ones are switches
//! inside the product.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use hikiate::broken::{self, Broken};
use hikiate::facts::FactBody;
use hikiate::plan::tax_inside;
use hikiate::plan::types::{Begin, OrderInput, OrderPlan};
use hikiate::policy::TaxRounding;
use hikiate_sdk::{
    ChannelFulfilment, ChannelState, Charge, ChargeKind, Op, OrderSnapshot, Outcome, Page,
    RefundEffect,
};

/// A fault from outside.
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
    /// Each plan of the model, before it is checked and written.
    Plan(fn(&mut OrderPlan)),
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
}

/// All of them.
pub const MUTANTS: &[Mutant] = &[
    Mutant {
        word: "movement_forgotten",
        what: "goods ship and the ledger of stock does not move",
        alters: Alters::Plan(|plan| plan.entries.clear()),
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
        what: "one of our parcels that staff typed at the channel counts a second time",
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
        what: "a record that cannot be understood is passed over",
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
        word: "change_untold",
        what: "a sealed shipment goes to the old address and nobody is told",
        alters: Alters::Plan(|plan| {
            plan.tasks
                .retain(|task| task.kind != "changed_after_sealing");
            plan.decisions
                .retain(|fact| !matches!(fact.body, FactBody::ChangeSeen(_)));
        }),
    },
    Mutant {
        word: "absence_ignored",
        what: "an order that the channel does not show any more is shipped",
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
        what: "a shipment that an operator asked back is shipped",
        alters: Alters::Input(|input| {
            without(input, |body| matches!(body, FactBody::RecallWanted(_)));
        }),
    },
    Mutant {
        word: "begins_by_itself",
        what: "a channel that has not begun is acted for",
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
        what: "money that was given back is captured again",
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
        alters: Alters::Plan(|plan| plan.revenue.retain(|row| row.gross >= 0)),
    },
    Mutant {
        word: "tax_by_row",
        what: "the tax of each row is rounded by itself",
        alters: Alters::Plan(|plan| {
            for row in &mut plan.revenue {
                row.tax = tax_inside(row.gross, row.tax_of.rate_bp, TaxRounding::HalfUp);
            }
        }),
    },
    Mutant {
        word: "unexplained_untold",
        what: "a refund that nothing explains is no task",
        alters: Alters::Plan(|plan| plan.tasks.retain(|task| task.kind != "refund_unexplained")),
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
        what: "a capture is taken for done, and no money was captured",
        alters: Alters::Answer(|op| (op == Op::Capture).then_some(Outcome::Done { id: None })),
    },
];

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

/// A fault of either sort.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// Inside the product.
    Switch(Broken),
    /// Outside.
    Mutant(&'static Mutant),
}

impl From<Broken> for Fault {
    fn from(fault: Broken) -> Self {
        Self::Switch(fault)
    }
}

impl Fault {
    /// Its name on the command line and in the documents.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Switch(fault) => fault.word(),
            Self::Mutant(mutant) => mutant.word,
        }
    }

    /// All of both sorts.
    pub fn all() -> impl Iterator<Item = Self> {
        let switches = Broken::ALL.into_iter().map(Self::Switch);
        switches.chain(MUTANTS.iter().map(Self::Mutant))
    }

    /// The fault of this name.
    ///
    /// # Errors
    /// There is none; in words, with the names that there are.
    pub fn named(word: &str) -> Result<Self, String> {
        Self::all()
            .find(|fault| fault.word() == word)
            .ok_or_else(|| {
                let words: Vec<_> = Self::all().map(Self::word).collect();
                format!("no fault {word:?}; there are: {}", words.join(", "))
            })
    }

    /// How it rewrites SQL, if it does.
    #[must_use]
    pub fn statement(self) -> Option<fn(&str) -> Option<String>> {
        match self {
            Self::Mutant(Mutant {
                alters: Alters::Statement(rewrite),
                ..
            }) => Some(*rewrite),
            _ => None,
        }
    }
}

thread_local! {
    static ON: Cell<Option<&'static Mutant>> = const { Cell::new(None) };
}

/// Puts one fault in for this thread, or takes all out.
pub fn switch(fault: Option<Fault>) {
    let (inside, outside) = match fault {
        Some(Fault::Switch(fault)) => (Some(fault), None),
        Some(Fault::Mutant(mutant)) => (None, Some(mutant)),
        None => (None, None),
    };
    broken::switch(inside);
    ON.set(outside);
}

/// A plan as the fault leaves it.
#[must_use]
pub(crate) fn altered(mut plan: OrderPlan) -> OrderPlan {
    if let Some(Alters::Plan(alter)) = ON.get().map(|mutant| mutant.alters) {
        alter(&mut plan);
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
