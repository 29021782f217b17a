//! Explaining: the same functions as planning, in words for an operator.

mod elsewhere;
mod words;

use std::fmt;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use hikiate_sdk::AccountSlug;
use serde::Serialize;

use self::words::{cancelled_by, minute};
use super::begin::Whose;
use super::intent::IN_DOUBT;
use super::mail::waits_for_rest;
use super::order::{PlanError, Planned, planned};
use super::presence::VANISHED;
use super::provider_tasks::name;
use super::shipment::Shipment;
use super::types::{OrderInput, Status, TaskRow};
use super::view::View;
use crate::action::{Suggestion, suggestions};
use crate::policy::Policy;
use crate::rules::HoldRules;

pub use elsewhere::{Elsewhere, SealedBatch, Sending};

/// An order in words. No names or addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Our number.
    pub number: String,
    /// The channel account and its id of the order.
    pub order: String,
    /// Status.
    pub status: Status,
    /// The first gate that fails.
    pub blocked_by: Option<String>,
    /// That gate in a sentence.
    pub because: String,
    /// Who stopped it, and when.
    pub cancelled: Option<String>,
    /// Open holds.
    pub holds: Vec<HoldInWords>,
    /// Rules that would hold it, had an operator not let go of them on the same facts.
    pub excused: Vec<ExcusedInWords>,
    /// How it is paid.
    pub payment: String,
    /// Per line: wanted, reserved where, shipped.
    pub stock: Vec<String>,
    /// Per shipment: from where, what stage, which parcels.
    pub shipments: Vec<String>,
    /// What channel and customer were told.
    pub told: Vec<String>,
    /// Per payment: captured.
    pub captured: Vec<String>,
    /// Revenue and the batches it stands in.
    pub booked: Vec<String>,
    /// What waits for an operator.
    pub tasks: Vec<TaskInWords>,
    /// What happens without new input, the next first.
    pub next: Vec<NextInWords>,
    /// The shop's zone, for people.
    #[serde(skip)]
    zone: Tz,
}

/// An open hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HoldInWords {
    /// The rule.
    pub rule: String,
    /// Why.
    pub reason: String,
    /// Since.
    pub since: DateTime<Utc>,
}

/// A rule that is true and does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExcusedInWords {
    /// The rule.
    pub rule: String,
    /// Who released it.
    pub by: String,
    /// When.
    pub at: DateTime<Utc>,
    /// Why.
    pub reason: String,
}

/// A task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TaskInWords {
    /// Its kind.
    pub kind: String,
    /// What it is about: the order, or a batch or an account.
    pub subject: String,
    /// What happened and what to do.
    pub detail: String,
    /// What may be typed.
    pub actions: Vec<Suggestion>,
}

/// Something that happens without new input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NextInWords {
    /// When.
    pub at: DateTime<Utc>,
    /// What.
    pub what: String,
}

/// Explains an order: what planning it now would find. Without what is stored `elsewhere` it says less.
///
/// # Errors
/// As [`super::plan_order`].
pub fn explain(
    input: &OrderInput,
    elsewhere: &Elsewhere,
    policy: &Policy,
    rules: &dyn HoldRules,
    now: DateTime<Utc>,
) -> Result<Explanation, PlanError> {
    let Planned {
        view,
        payment,
        holds,
        moments,
        plan,
    } = planned(input, policy, rules, now)?;
    let zone = policy.shop.timezone;
    let excused = holds.excused.into_iter().map(|excused| ExcusedInWords {
        rule: excused.rule,
        by: excused.by,
        at: excused.at,
        reason: excused.reason,
    });
    let holds = holds.open.into_iter().map(|hold| HoldInWords {
        rule: hold.rule,
        reason: hold.reason,
        since: hold.since,
    });
    let task = |row: TaskRow| TaskInWords {
        kind: row.kind,
        subject: input.number.clone(),
        detail: row.detail,
        actions: suggestions(row.actions, &input.number),
    };
    let next = moments.into_iter().map(|(at, what)| NextInWords {
        at,
        what: words::next(what).to_owned(),
    });
    let mut words = Explanation {
        number: input.number.clone(),
        order: format!("{}/{}", input.channel, input.external_id),
        status: plan.status,
        because: String::new(),
        cancelled: cancelled_by(input, zone),
        blocked_by: plan.blocked_by,
        holds: holds.collect(),
        excused: excused.collect(),
        payment: String::new(),
        stock: Vec::new(),
        shipments: Vec::new(),
        told: Vec::new(),
        captured: Vec::new(),
        booked: Vec::new(),
        tasks: plan.tasks.into_iter().map(task).collect(),
        next: next.collect(),
        zone,
    };
    words.because = because(&words, &input.channel, view.as_ref());
    for (automation, account) in &plan.waits {
        words.because.push_str(&format!(
            "; automation {automation} on {account} has paused itself and would act on this order: see `hikiate automation list`"
        ));
    }
    if let Some(at) = plan.read_at {
        words.next.push(NextInWords {
            at,
            what: "it is refreshed at its channel".to_owned(),
        });
    }
    if let (Some(view), Some(payment)) = (view, payment) {
        let paid = if payment.confirmed {
            "confirmed"
        } else {
            "not confirmed"
        };
        // Voided with the order: nothing is to be paid.
        words.payment = if view.tenders().next().is_none()
            && payment.word == "unknown"
            && view.cancelled_at_channel.is_some()
        {
            "no payment: the order is cancelled".to_owned()
        } else {
            format!("{}, {paid}", payment.word)
        };
        if let Some(wanted) = payment.bank_wanted {
            let (came, wanted) = (view.money(payment.deposited), view.money(wanted));
            words.payment = format!("{}, {came} of {wanted} deposited", words.payment);
        }
        let short =
            words.status == Status::Backordered || words.blocked_by.as_deref() == Some("stock");
        words.stock = words::stock(&view, elsewhere, short);
        let shipments = view.fold.shipments.iter();
        words.shipments = shipments
            .map(|shipment| words::shipment(&view, elsewhere, shipment))
            .collect();
        words.told = words::told(&view, elsewhere);
        if waits_for_rest(&view, &payment) {
            words.told.push(
                "mail: waits until everything of the order that ships has shipped".to_owned(),
            );
        }
        words.captured = captured(&view);
        words.captured.extend(view.refunds_in_words());
        let waiting = words::money_kept_back(&view, elsewhere);
        words.captured.extend(waiting);
        words.booked = booked(&view);
        words.next.extend(cutoffs(&view, elsewhere));
        let mut waiting = view.fold.shipments.iter().filter(|s| s.waiting());
        let why = waiting.find_map(|s| words::kept_back(&view, elsewhere, s.fact));
        if let Some(why) = why.filter(|_| words.blocked_by.as_deref() == Some("batch")) {
            words.because = why;
        }
    }
    // What is history is planned no more.
    if words.blocked_by.as_deref() == Some("history") {
        words.next.clear();
    }
    words.next.sort_by_key(|next| next.at);
    Ok(words)
}

/// The batches that its waiting shipments go with.
fn cutoffs(view: &View<'_>, elsewhere: &Elsewhere) -> Vec<NextInWords> {
    let waiting = |warehouse: &str| {
        let mut shipments = view.fold.shipments.iter();
        shipments.any(|s| {
            let goes = words::kept_back(view, elsewhere, s.fact).is_none();
            s.waiting() && s.fact.warehouse == warehouse && goes
        })
    };
    let waves = elsewhere.waves.iter();
    waves
        .filter(|(warehouse, _)| waiting(warehouse))
        .map(|(warehouse, at)| NextInWords {
            at: *at,
            what: format!("cut-off of {warehouse}: its batch is sealed and sent"),
        })
        .collect()
}

fn because(words: &Explanation, channel: &AccountSlug, view: Option<&View<'_>>) -> String {
    let by = words.cancelled.as_deref().unwrap_or_default();
    let Some(gate) = words.blocked_by.as_deref() else {
        return match words.status {
            Status::Received => "it has not been fetched from its channel yet".to_owned(),
            Status::Cancelled => format!("cancelled {by}"),
            _ if view.is_some_and(|view| view.whose == Whose::NotBegun) => format!(
                "nothing blocks it, but channel {channel} is stopped: what is still due (shipping notice, capture, mail, booking) waits for `hikiate begin {channel} --reason TEXT`"
            ),
            _ => "nothing blocks it".to_owned(),
        };
    };
    match gate.split_once(':') {
        Some(("hold", VANISHED)) => "its channel no longer shows it; see the task".to_owned(),
        Some(("hold", rule)) => format!("held by {rule} until released"),
        Some(("check", check)) => format!("check {check} fails; see the task"),
        _ => match gate {
            "begin" => {
                return format!(
                    "channel {channel} has not begun, so nothing is sent for it: run `hikiate begin {channel} --from TIME --dry-run`, then `hikiate begin {channel} --from TIME --reason TEXT`"
                );
            }
            "left" => "it is left to the previous system until its channel shows it fulfilled or cancelled",
            "adopted" => {
                "the shipment that the previous system instructed is not adopted yet: each of its lines needs an item"
            }
            "history" => "it is history: nothing is reserved or done for it",
            "absent" => {
                "its channel did not show it at the last refresh; it is refreshed again"
            }
            "payment" => "the payment is not confirmed",
            "channel_gate" => "the channel does not allow it to ship yet",
            "stock" => "a part of it has no stock firmly reserved",
            "completion" => "it has nothing to ship; it ends when the channel shows it completed",
            "batch" => "it waits for its batch to be sealed",
            "sending" => "its batch is sealed, but is not known to have arrived at the warehouse",
            "batch_rejected" => "its batch was rejected; see the batch's task",
            "warehouse" => {
                let mut shipments = view.iter().flat_map(|view| &view.fold.shipments);
                let asked = |s: &Shipment<'_>| s.instructed() && !s.accepted() && s.parcels.is_empty();
                if shipments.any(asked) {
                    "it was sent to the warehouse, which has neither accepted it nor reported it as shipped yet"
                } else {
                    "the warehouse has accepted it and has not reported all of it as shipped"
                }
            }
            "unknown_outcome" => "the outcome of an effect is unknown; see the task",
            "cancel" => return format!("it is being cancelled, requested {by}"),
            "ended" => {
                return view.and_then(words::ended_by).unwrap_or_else(|| {
                    "it is ended: nothing more is instructed".to_owned()
                });
            }
            "stop" => {
                "a shipping stop keeps it from being sealed: see `hikiate stop-shipping list`"
            }
            other => other,
        }
        .to_owned(),
    }
}

fn captured(view: &View<'_>) -> Vec<String> {
    let tenders = view.order.tenders.iter();
    tenders
        .filter(|tender| {
            let elsewhere = view.at_provider(&tender.key).is_some();
            !tender.cancelled || elsewhere || view.settled(tender) > 0
        })
        .map(|tender| {
            let voided = if tender.cancelled { " (voided)" } else { "" };
            let at = view.at_provider(&tender.key);
            let doubted = view.captures(tender).filter(|(intent, _)| intent.in_doubt());
            let doubted = doubted.fold(0_i64, |sum, (_, amount)| sum.saturating_add(amount));
            let doubt = if doubted == 0 {
                String::new()
            } else {
                format!("; capture of {}: {IN_DOUBT}", view.money(doubted))
            };
            let payment = at.map_or_else(|| format!("payment {}", tender.key), name);
            if at.is_some_and(|at| at.seen.is_none()) {
                return format!("{payment}{voided}: not reported by its account yet{doubt}");
            }
            let state = at.and_then(|at| at.seen.as_ref());
            let state = state.map_or("", |seen| seen.payment.state.as_str());
            let state = if state.is_empty() {
                String::new()
            } else {
                format!(" {state},")
            };
            let until = |word: &str, at: Option<DateTime<Utc>>| {
                at.map_or_else(String::new, |at| {
                    format!(", {word} {}", minute(at, view.policy.shop.timezone))
                })
            };
            let ends = until("authorised until", tender.authorised_until);
            let pay_by = until(
                "to be paid by",
                tender.pay_by.filter(|_| tender.captured == 0),
            );
            format!(
                "{payment}{voided}:{state} {} captured, {} decided, {} authorised{ends}{pay_by}{doubt}",
                view.money(tender.captured),
                view.money(view.intended(tender)),
                view.money(tender.authorised)
            )
        })
        .collect()
}

fn booked(view: &View<'_>) -> Vec<String> {
    let rows = view.input.revenue.iter();
    rows.map(|row| {
        let batch = view.fold.booked.get(row.key.as_str());
        let place = batch.map_or("not in the books yet".to_owned(), |b| format!("in {b}"));
        let amount = view.money(row.gross);
        format!("{}: {amount} on {}, {place}", row.key, row.business_date)
    })
    .collect()
}

impl ExcusedInWords {
    /// In a sentence, with the time in a zone.
    #[must_use]
    pub fn sentence(&self, zone: Tz) -> String {
        format!(
            "{} is true but was released by {} at {}: {}",
            self.rule,
            self.by,
            minute(self.at, zone),
            self.reason
        )
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} ({})", self.number, self.order)?;
        writeln!(f, "  status     {}: {}", self.status.as_str(), self.because)?;
        if let Some(by) = self
            .cancelled
            .as_deref()
            .filter(|by| !self.because.contains(by))
        {
            writeln!(f, "  cancelled  {by}")?;
        }
        if !self.payment.is_empty() {
            writeln!(f, "  payment    {}", self.payment)?;
        }
        for hold in &self.holds {
            let since = minute(hold.since, self.zone);
            writeln!(
                f,
                "  hold       {} since {since}: {}",
                hold.rule, hold.reason
            )?;
        }
        for excused in &self.excused {
            writeln!(f, "  excused    {}", excused.sentence(self.zone))?;
        }
        for (name, lines) in [
            ("stock", &self.stock),
            ("shipment", &self.shipments),
            ("notified", &self.told),
            ("captured", &self.captured),
            ("booked", &self.booked),
        ] {
            for line in lines {
                writeln!(f, "  {name:<10} {line}")?;
            }
        }
        for task in &self.tasks {
            let of = if task.subject == self.number {
                String::new()
            } else {
                format!(" of {}", task.subject)
            };
            writeln!(f, "  task       {}{of}: {}", task.kind, task.detail)?;
            for action in &task.actions {
                writeln!(f, "             run: {}", action.line)?;
            }
        }
        for next in &self.next {
            let at = minute(next.at, self.zone);
            writeln!(f, "  next       {at} {}", next.what)?;
        }
        Ok(())
    }
}
