//! Faults put in on purpose, which a tool must find. New ones live here and alter what passes by from outside: a plan
//! between the planner and the store, a statement on the wire, an external system's answer. The older ones are switches
//! inside the product.

use std::cell::Cell;

use hikiate::broken::{self, Broken};
use hikiate::plan::types::OrderPlan;
use hikiate_sdk::{Op, Outcome};

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
    /// SQL of the daemons of a world: other SQL with the same parameters and columns.
    Statement(fn(&str) -> Option<String>),
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

/// What the fault answers in an external system's place.
#[must_use]
pub(crate) fn answered(op: Op) -> Option<Outcome> {
    match ON.get()?.alters {
        Alters::Answer(answer) => answer(op),
        _ => None,
    }
}
