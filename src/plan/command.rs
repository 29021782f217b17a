//! What an operator's command on one order means now: the facts it stores, or why it is refused. Pure; whoever stores
//! the facts sees to it that nothing was stored since.

mod consequences;
mod ended;
mod marks;
mod money;
mod name;
mod recall;
mod refund;
mod release;
mod shipped;

use chrono::{DateTime, Utc};

use super::begin::{Whose, acted};
use super::order::{Planned, planned};
use super::shipment::Shipment;
use super::types::{NewShipment, OrderInput, Status};
use super::view::View;
use crate::facts::FactBody;
use crate::policy::Policy;
use crate::rules::HoldRules;

pub use consequences::cancel;
pub use ended::end;
pub use marks::{correct, returned, tell};
pub use money::{refund_is, tax_rate};
pub use name::set_name;
pub use recall::{recall, recalled};
pub(crate) use refund::may_refund;
pub use refund::{RefundOf, refund, void};
pub use release::release;
pub use shipped::{Lines, Shipped, shipped};

/// What planning has for one order, and for one moment.
#[derive(Clone, Copy)]
pub struct Now<'a> {
    /// Its facts and rows.
    pub input: &'a OrderInput,
    /// The policy in force.
    pub policy: &'a Policy,
    /// Its hold rules.
    pub rules: &'a dyn HoldRules,
    /// The database's time.
    pub now: DateTime<Utc>,
}

/// What a command will store, and what comes of it in words.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wish {
    /// Facts to store.
    pub facts: Vec<WishedFact>,
    /// A shipment that comes into being with them.
    pub shipment: Option<NewShipment>,
    /// What will be done.
    pub does: Vec<String>,
    /// What cannot be undone by it, or stays as it is.
    pub stays: Vec<String>,
}

/// A fact to store.
#[derive(Clone, Debug, PartialEq)]
pub struct WishedFact {
    /// Its key; with `again` the beginning of it, and the n-th gets `:person:n`.
    pub key: String,
    /// It may be stored more than once.
    pub again: bool,
    /// When it happened; now when absent.
    pub happened_at: Option<DateTime<Utc>>,
    /// What it says.
    pub body: FactBody,
}

impl WishedFact {
    fn once(key: String, body: FactBody) -> Self {
        Self {
            key,
            again: false,
            happened_at: None,
            body,
        }
    }

    fn again(key: String, body: FactBody) -> Self {
        Self {
            again: true,
            ..Self::once(key, body)
        }
    }
}

impl<'a> Now<'a> {
    fn planned(&self) -> Result<Planned<'a>, String> {
        planned(self.input, self.policy, self.rules, self.now).map_err(|error| error.to_string())
    }

    /// The order as planning sees it.
    fn view(&self) -> Result<View<'a>, String> {
        self.planned()?.view.ok_or_else(|| {
            format!(
                "order {} has not been fetched yet, or was already closed when it was first fetched: hikiate does not act on it",
                self.input.number
            )
        })
    }
}

impl<'a> Now<'a> {
    /// The order as planning sees it, when it is ours to act on.
    fn ours(&self) -> Result<View<'a>, String> {
        let view = self.view()?;
        let (number, channel) = (&view.input.number, &view.input.channel);
        let why = match view.whose {
            Whose::Ours => return Ok(view),
            _ if acted(&view.fold) => return Ok(view),
            Whose::NotBegun | Whose::Zombie => {
                return Err(format!(
                    "order {number} is not hikiate's to act on: channel {channel} has not begun; `hikiate begin {channel} --from TIME --dry-run` shows what would happen to it"
                ));
            }
            Whose::Left => "was left to the previous system",
            Whose::History => "is history",
            Whose::Ended => "was closed at its channel before hikiate could act on it",
        };
        Err(format!(
            "order {number} is not hikiate's to act on: it {why}; act at {channel}, or take it over with `hikiate begin {channel} --adopt {number} --reason TEXT`"
        ))
    }
}

/// Money that came may pay it: it is ours to act on, or may be once its channel begins.
///
/// # Errors
/// Why it is not.
pub fn payable(on: Now<'_>) -> Result<(), String> {
    match on.view()?.whose {
        Whose::NotBegun => Ok(()),
        _ => on.ours().map(|_| ()),
    }
}

/// `order hold`: one that was not read yet may be held, and one that is not ours to act on needs no hold. It stores
/// nothing of its own here.
///
/// # Errors
/// Why it is not ours, or that there is nothing left to hold.
pub fn hold(on: Now<'_>) -> Result<Wish, String> {
    let planned = on.planned()?;
    let status = planned.plan.status;
    let mut wish = Wish::default();
    wish.does
        .push("held; `hikiate order release` lets it continue".to_owned());
    if planned.view.is_some() {
        let view = on.ours()?;
        let sealed = view.fold.shipments.iter().filter(|s| s.instructed());
        wish.stays.extend(sealed.map(|shipment| {
            let reference = &shipment.fact.reference;
            format!(
                "{reference} is in a sealed batch and ships anyway: `hikiate order recall {reference}` requests its cancellation"
            )
        }));
    }
    if status > Status::Allocated {
        return Err(format!(
            "order {} is {}: a hold no longer stops it; `hikiate order cancel` requests its cancellation where that is still possible",
            on.input.number,
            status.as_str()
        ));
    }
    Ok(wish)
}

/// Nothing is sent for a channel that was stopped, whatever is wanted.
fn while_stopped(view: &View<'_>, wish: &mut Wish) {
    if view.whose != Whose::Ours {
        let channel = &view.input.channel;
        wish.stays.push(format!(
            "channel {channel} is stopped: nothing is sent until `hikiate begin {channel} --reason TEXT`"
        ));
    }
}

fn shipment_of<'v, 'a>(view: &'v View<'a>, reference: &str) -> Result<&'v Shipment<'a>, String> {
    let mut all = view.fold.shipments.iter();
    all.find(|shipment| shipment.fact.reference.as_str() == reference)
        .ok_or_else(|| {
            let known: Vec<&str> = view
                .fold
                .shipments
                .iter()
                .map(|shipment| shipment.fact.reference.as_str())
                .collect();
            let known = if known.is_empty() {
                "it has none".to_owned()
            } else {
                format!("it has {}", known.join(", "))
            };
            format!(
                "order {} has no shipment {reference}: {known}",
                view.input.number
            )
        })
}
