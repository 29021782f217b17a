//! Ending an order: nothing more of it is instructed, and nobody is told.

use super::super::cancel::REFUSED;
use super::super::shipment::Shipment;
use super::super::types::Status;
use super::{Now, Wish, WishedFact};
use crate::facts::{EndedFact, FactBody};

/// `order end`.
///
/// # Errors
/// Why there is nothing to end.
pub fn end(on: Now<'_>, reason: &str) -> Result<Wish, String> {
    let planned = on.planned()?;
    let number = &on.input.number;
    let status = planned.plan.status;
    let view = planned.view.ok_or_else(|| {
        format!(
            "order {number} is {}: there is nothing to end",
            status.as_str()
        )
    })?;
    if view.ended().is_some() {
        return Err(format!("order {number} is ended already"));
    }
    let over = matches!(
        status,
        Status::Shipped | Status::Delivered | Status::Booked | Status::Cancelled
    );
    // One that the channel refuses to cancel would wait for ever.
    let refused = planned.plan.tasks.iter().any(|task| task.kind == REFUSED);
    if over && !refused {
        return Err(format!(
            "order {number} is {}: there is nothing to end",
            status.as_str()
        ));
    }
    let mut wish = Wish::default();
    wish.does.push(
        "nothing more of it is instructed, and its reserved units are available again".to_owned(),
    );
    let under_way = view.fold.shipments.iter().filter(|s| s.instructed());
    for shipment in under_way.clone() {
        let Shipment { fact, .. } = shipment;
        wish.stays.push(format!(
            "{} is with {}, and no cancellation is requested: `hikiate order recall {}` does that",
            fact.reference, fact.warehouse, fact.reference
        ));
    }
    if view.any_shipped() || under_way.count() > 0 {
        wish.stays
            .push("what ships is reported to the channel, captured and booked as usual".to_owned());
    }
    let undone = if view.purged() {
        "nothing undoes this: the personal data of the order was purged".to_owned()
    } else {
        format!("`hikiate order release {number} --rule ended` undoes this")
    };
    wish.stays.push(format!(
        "{} is not notified and keeps the order as it is; {undone}",
        view.input.channel
    ));
    let body = FactBody::Ended(EndedFact {
        reason: reason.to_owned(),
    });
    wish.facts.push(WishedFact::again("ended".to_owned(), body));
    Ok(wish)
}
