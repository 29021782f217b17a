//! Runs the checks, each on a fresh account, and lets none pass without having been run.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Mutex, PoisonError};

use super::card::{Card, Verdict};
use super::logs::Logs;
use super::subject::{Bench, Subject};
use super::{budget, hooks, operations, source};
use crate::Op;
use crate::faulty::{Fault, Target};

/// A check's end: what did not hold.
pub(super) type Checked = Result<(), String>;

/// Runs everything that applies.
///
/// Meant for a runtime of one thread: what other threads write to the log is not seen.
pub async fn run(subject: &dyn Subject) -> Card {
    let logs = Logs::default();
    let listening = logs.listen();
    let bench = subject.fresh().await;
    let card = Card {
        name: subject.name(),
        streams: bench
            .connector
            .source()
            .map(|s| s.streams())
            .unwrap_or_default(),
        operations: bench
            .connector
            .operations()
            .map(|o| o.operations())
            .unwrap_or_default(),
        hooks: bench
            .connector
            .hooks()
            .map(|h| h.hooks())
            .unwrap_or_default(),
        checks: Vec::new(),
    };
    let waivers = subject
        .waivers()
        .into_iter()
        .map(|w| (w.check, w.reason))
        .collect();
    let mut run = Run {
        subject,
        card,
        waivers,
        used: BTreeSet::new(),
        seen: Seen::default(),
    };
    run.check("offers something", &[], async |bench, _| {
        let offers = bench
            .connector
            .source()
            .is_some_and(|s| !s.streams().is_empty())
            || bench
                .connector
                .operations()
                .is_some_and(|o| !o.operations().is_empty());
        ensure(
            offers,
            "the account offers neither a stream nor an operation",
        )
    })
    .await;
    source::checks(&mut run).await;
    operations::checks(&mut run).await;
    hooks::checks(&mut run).await;
    budget::checks(&mut run).await;
    let seen = std::mem::take(&mut run.seen);
    drop(listening);
    run.check("nothing secret is shown", &[], async |bench, _| {
        let planted = bench.far.planted();
        ensure(
            !planted.is_empty(),
            "the simulator planted no secret to search for",
        )?;
        let mut texts = seen.texts();
        texts.extend(bench.far.debug_texts());
        texts.extend(logs.lines());
        for secret in planted {
            if let Some(text) = texts.iter().find(|t| t.contains(&secret)) {
                return Err(format!("{secret:?} appears in: {text}"));
            }
        }
        Ok(())
    })
    .await;
    run.finish()
}

/// One run over a subject.
pub(super) struct Run<'a> {
    subject: &'a dyn Subject,
    pub(super) card: Card,
    waivers: BTreeMap<String, String>,
    used: BTreeSet<String>,
    seen: Seen,
}

impl Run<'_> {
    /// Runs a check on a fresh account, unless it is waived. A fault it needs must be one the seam can do.
    pub(super) async fn check(
        &mut self,
        name: &str,
        needs: &[Fault],
        body: impl AsyncFnOnce(&Bench, &Seen) -> Checked,
    ) {
        let verdict = match self.waivers.get(name) {
            Some(reason) => {
                self.used.insert(name.to_owned());
                Verdict::Waived(reason.clone())
            }
            None => self.carry_out(needs, body).await,
        };
        self.card.checks.push((name.to_owned(), verdict));
    }

    async fn carry_out(
        &self,
        needs: &[Fault],
        body: impl AsyncFnOnce(&Bench, &Seen) -> Checked,
    ) -> Verdict {
        let bench = self.subject.fresh().await;
        let supported = bench.seam.supported();
        if let Some(missing) = needs.iter().find(|f| !supported.contains(f)) {
            return Verdict::Failed(format!(
                "the fault injector cannot do {missing:?}: add it, or waive the check with a reason"
            ));
        }
        if let Err(why) = body(&bench, &self.seen).await {
            return Verdict::Failed(why);
        }
        let injected = bench.seam.injected();
        match needs.iter().find(|f| !injected.contains_key(f)) {
            Some(fault) => Verdict::Failed(format!(
                "the fault {fault:?} was requested and never happened"
            )),
            None => Verdict::Passed,
        }
    }

    /// How many requests that change something a call of an operation takes.
    pub(super) async fn writes(&self, op: Op) -> usize {
        self.subject.fresh().await.far.writes(op)
    }

    fn finish(mut self) -> Card {
        for name in self
            .waivers
            .keys()
            .filter(|name| !self.used.contains(*name))
        {
            let why = "a waiver names this check, which does not exist".to_owned();
            self.card.checks.push((name.clone(), Verdict::Failed(why)));
        }
        self.card
    }
}

/// Every text the account let out, to be searched for secrets.
#[derive(Default)]
pub(super) struct Seen(Mutex<Vec<String>>);

impl Seen {
    /// Keeps an error or anything else that would reach a log.
    pub(super) fn debug(&self, thing: &dyn fmt::Debug) {
        self.keep(format!("{thing:?}"));
    }

    /// Keeps a text.
    pub(super) fn keep(&self, text: String) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(text);
    }

    fn texts(&self) -> Vec<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Fails with words unless something holds.
pub(super) fn ensure(holds: bool, otherwise: impl Into<String>) -> Checked {
    if holds { Ok(()) } else { Err(otherwise.into()) }
}

impl Bench {
    /// Orders a fault.
    pub(super) fn inject(&self, target: Target, fault: Fault) {
        self.seam.inject(target, fault);
    }

    /// Orders a fault for a later call.
    pub(super) fn inject_after(&self, others: usize, target: Target, fault: Fault) {
        self.seam.inject_after(others, target, fault);
    }

    /// The time that the external system asked to wait for is over.
    pub(super) fn rested(&self) {
        self.link.meter().forget();
    }
}
