//! An order as an operator looks at it before its channel begins. No names or addresses.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::begin::{Whose, ended, whose};
use super::fold::Fold;
use super::types::{Begin, OrderInput};
use crate::facts::{FactBody, OrderClass};
use crate::policy::Policy;

/// One open order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listing {
    /// Our number.
    pub number: String,
    /// The number that the customer knows.
    pub display: String,
    /// `new` and `ours` are not for an operator to change; else `left`, `adopted`, `adopted-instructed` or `history`.
    pub class: &'static str,
    /// When the customer ordered.
    pub ordered_at: DateTime<Utc>,
    /// The channel's own total as decimal text with its currency; empty where it is not fixed.
    pub total: String,
    /// Items reserved.
    pub reserved: u32,
    /// The first of its authorisations ends then.
    pub authorised_until: Option<DateTime<Utc>>,
    /// Places it goes to.
    pub groups: usize,
    /// The reference of the system before.
    pub reference: String,
    /// The warehouse that has it under that reference.
    pub warehouse: String,
    /// Its channel shows it fulfilled, completed or cancelled.
    #[serde(skip)]
    pub over: bool,
}

/// How an order would stand with its channel's beginning; `None` for one that has not been read or has ended.
#[must_use]
pub fn listing(
    mut input: OrderInput,
    policy: &Policy,
    begin: Begin,
    now: DateTime<Utc>,
) -> Option<Listing> {
    input.begin = Begin {
        known: input.begin.known,
        ..begin
    };
    let whose = whose(&input, policy, now)?;
    let order = input.facts.iter().rev().find_map(|fact| match &fact.body {
        FactBody::Order(order) => Some(&order.order),
        _ => None,
    })?;
    let given = input.facts.iter().rev().find_map(|fact| match &fact.body {
        FactBody::Class(fact) => Some(&fact.class),
        _ => None,
    });
    let fold = Fold::of(&input, now);
    let over = ended(&input, &fold, order);
    let older = begin.from.is_some_and(|from| order.ordered_at < from);
    let (mut reference, mut warehouse) = (String::new(), String::new());
    let class = match (whose, given) {
        (Whose::Ended, _) => return None,
        (Whose::Left | Whose::NotBegun | Whose::Zombie, _) => "left",
        (Whose::History, _) => "history",
        (Whose::Ours, Some(OrderClass::Adopted)) => "adopted",
        (
            Whose::Ours,
            Some(OrderClass::AdoptedInstructed {
                reference: old,
                warehouse: at,
                ..
            }),
        ) => {
            reference = old.to_string();
            warehouse.clone_from(at);
            "adopted-instructed"
        }
        (Whose::Ours, _) if older => "ours",
        (Whose::Ours, _) => "new",
    };
    let reserved = input.demands.iter().flat_map(|demand| &demand.reserved);
    let until = order.tenders.iter().filter(|tender| !tender.cancelled);
    Some(Listing {
        number: input.number.clone(),
        display: order.display.clone(),
        class,
        ordered_at: order.ordered_at,
        total: order.total.map_or_else(String::new, |total| {
            format!("{} {}", order.currency.format(total), order.currency)
        }),
        reserved: reserved.fold(0, |sum, (_, items, _)| sum.saturating_add(*items)),
        authorised_until: until.filter_map(|tender| tender.authorised_until).min(),
        groups: order.groups.len(),
        reference,
        warehouse,
        over,
    })
}
