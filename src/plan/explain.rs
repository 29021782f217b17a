//! Explaining: the same functions as planning, in words for a person.

use std::fmt;

use chrono::{DateTime, Utc};
use hikiate_sdk::Op;
use serde::Serialize;

use super::order::{PlanError, Planned, planned};
use super::shipment::Shipment;
use super::types::{OrderInput, ShipmentStage, Status, TaskRow};
use super::view::View;
use crate::action::{Suggestion, suggestions};
use crate::policy::Policy;
use crate::rules::HoldRules;

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
    /// Open holds.
    pub holds: Vec<HoldInWords>,
    /// How it is paid.
    pub payment: String,
    /// Per line: wanted, reserved where, left.
    pub stock: Vec<String>,
    /// Per shipment: from where, what stage, which parcels.
    pub shipments: Vec<String>,
    /// What channel and customer were told.
    pub told: Vec<String>,
    /// Per payment: captured.
    pub captured: Vec<String>,
    /// Revenue and the batches it stands in.
    pub booked: Vec<String>,
    /// What waits for a person.
    pub tasks: Vec<TaskInWords>,
    /// When something happens without news.
    pub next: Option<DateTime<Utc>>,
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

/// A task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TaskInWords {
    /// Its kind.
    pub kind: String,
    /// What happened and what to do.
    pub detail: String,
    /// What may be typed.
    pub actions: Vec<Suggestion>,
}

/// Explains an order: what planning it now would find.
///
/// # Errors
/// As [`super::plan_order`].
pub fn explain(
    input: &OrderInput,
    policy: &Policy,
    rules: &dyn HoldRules,
    now: DateTime<Utc>,
) -> Result<Explanation, PlanError> {
    let Planned {
        view,
        payment,
        holds,
        plan,
    } = planned(input, policy, rules, now)?;
    let holds = holds.open.into_iter().map(|hold| HoldInWords {
        rule: hold.rule,
        reason: hold.reason,
        since: hold.since,
    });
    let task = |row: TaskRow| TaskInWords {
        kind: row.kind,
        detail: row.detail,
        actions: suggestions(row.actions, &input.number),
    };
    let mut words = Explanation {
        number: input.number.clone(),
        order: format!("{}/{}", input.channel, input.external_id),
        status: plan.status,
        because: because(input, plan.blocked_by.as_deref(), plan.status),
        blocked_by: plan.blocked_by,
        holds: holds.collect(),
        payment: String::new(),
        stock: Vec::new(),
        shipments: Vec::new(),
        told: Vec::new(),
        captured: Vec::new(),
        booked: Vec::new(),
        tasks: plan.tasks.into_iter().map(task).collect(),
        next: plan.next,
    };
    for (rule, account) in &plan.waits {
        words.because.push_str(&format!(
            "; rule {rule} on {account} has paused itself and would act on this order: see `hikiate rule list`"
        ));
    }
    let (Some(view), Some(payment)) = (view, payment) else {
        return Ok(words);
    };
    let paid = if payment.confirmed {
        "confirmed"
    } else {
        "not confirmed"
    };
    words.payment = format!("{}, {paid}", payment.word);
    if let Some(wanted) = payment.bank_wanted {
        let (came, wanted) = (view.money(payment.deposited), view.money(wanted));
        words.payment = format!("{}, {came} of {wanted} deposited", words.payment);
    }
    words.stock = stock(&view);
    words.shipments = view.fold.shipments.iter().map(shipment).collect();
    words.told = told(&view);
    words.captured = captured(&view);
    words.booked = booked(&view);
    Ok(words)
}

fn because(input: &OrderInput, blocked_by: Option<&str>, status: Status) -> String {
    let channel = &input.channel;
    let Some(gate) = blocked_by else {
        return match status {
            Status::Received => "it has not been read at its channel yet".to_owned(),
            _ => "nothing holds it up".to_owned(),
        };
    };
    match gate.split_once(':') {
        Some(("hold", rule)) => format!("held by {rule} until released"),
        Some(("check", check)) => format!("check {check} fails; see the task"),
        _ => match gate {
            "begin" => {
                return format!(
                    "channel {channel} has not begun, so nothing is sent for it: run `hikiate begin {channel} --dry-run`, then `hikiate begin {channel}`"
                );
            }
            "left" => "it is left to the system before until its channel shows it fulfilled or cancelled",
            "adopted" => {
                "the shipment that the system before instructed is not taken over yet: each of its lines needs an item"
            }
            "history" => "it is history: nothing is reserved or done for it",
            "payment" => "the payment is not confirmed",
            "gate" => "the channel does not let it be shipped yet",
            "stock" => "a part of it has no stock reserved for good",
            "completion" => "nothing of it ships; it ends when the channel shows it completed",
            "wave" => "it waits for its batch to be sealed",
            "warehouse" => "the warehouse has it and has not reported all of it as left",
            "unknown" => "the outcome of an effect is unknown; see the task",
            "cancel" => "it is being cancelled",
            "ended" => "an operator ended it: nothing more of it is instructed",
            "stop" => {
                "a stop of shipping keeps it from being sealed: see `hikiate stop-shipping list`"
            }
            other => other,
        }
        .to_owned(),
    }
}

fn stock(view: &View<'_>) -> Vec<String> {
    let mut words = Vec::new();
    for line in view.lines.iter().filter(|line| line.item_id.is_some()) {
        let stored = line.state.map_or(&[][..], |state| &state.reserved);
        let reserved: Vec<String> = stored
            .iter()
            .map(|(at, items, firm)| {
                format!(
                    "{items} at {at} {}",
                    if *firm { "allocated" } else { "reserved" }
                )
            })
            .collect();
        let reserved = if reserved.is_empty() {
            "none reserved".to_owned()
        } else {
            reserved.join(", ")
        };
        words.push(format!(
            "line {}: {} ordered, {} left, {} instructed, {reserved}",
            line.key, line.ordered, line.shipped, line.instructed
        ));
    }
    words
}

fn shipment(shipment: &Shipment<'_>) -> String {
    let stage = match shipment.stage() {
        ShipmentStage::Waiting => "waits for its batch",
        ShipmentStage::Instructed if shipment.taken() => "taken by the warehouse",
        ShipmentStage::Instructed => "in a sealed batch",
        ShipmentStage::Cancelled => "stopped",
        ShipmentStage::Rejected => "refused by the warehouse",
        ShipmentStage::Shipped => "left",
    };
    let parcels: Vec<String> = shipment
        .parcels
        .iter()
        .map(|parcel| format!("{} at {}", parcel.key, parcel.report.left_at.to_rfc3339()))
        .collect();
    let fact = shipment.fact;
    let parcels = if parcels.is_empty() {
        String::new()
    } else {
        format!("; {}", parcels.join(", "))
    };
    format!(
        "{} from {}, decided {}: {stage}{parcels}",
        fact.reference,
        fact.warehouse,
        shipment.decided_at.to_rfc3339()
    )
}

fn told(view: &View<'_>) -> Vec<String> {
    let intents = view.fold.intents.iter();
    let telling = intents.filter(|i| matches!(i.fact.op, Op::Fulfil | Op::Ship | Op::Mail));
    telling
        .map(|intent| format!("{}: {}", intent.key, intent.word()))
        .collect()
}

fn captured(view: &View<'_>) -> Vec<String> {
    view.tenders()
        .map(|tender| {
            format!(
                "payment {}: {} captured, {} decided, {} authorised",
                tender.key,
                view.money(tender.captured),
                view.money(view.intended(&tender.key)),
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

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} ({})", self.number, self.order)?;
        writeln!(f, "  status     {}: {}", self.status.as_str(), self.because)?;
        if !self.payment.is_empty() {
            writeln!(f, "  payment    {}", self.payment)?;
        }
        for hold in &self.holds {
            writeln!(
                f,
                "  hold       {} since {}: {}",
                hold.rule,
                hold.since.to_rfc3339(),
                hold.reason
            )?;
        }
        for (name, lines) in [
            ("stock", &self.stock),
            ("shipment", &self.shipments),
            ("told", &self.told),
            ("captured", &self.captured),
            ("booked", &self.booked),
        ] {
            for line in lines {
                writeln!(f, "  {name:<10} {line}")?;
            }
        }
        for task in &self.tasks {
            writeln!(f, "  task       {}: {}", task.kind, task.detail)?;
            for action in &task.actions {
                writeln!(f, "             type: {}", action.line)?;
            }
        }
        if let Some(next) = self.next {
            writeln!(f, "  next       {}", next.to_rfc3339())?;
        }
        Ok(())
    }
}
