//! What is typed about a parcel after it was shipped: tell it again, it came back, its number is another.

use hikiate_sdk::ParcelLine;

use super::super::notice::{can_be_told, notices_are_shown};
use super::super::parcels::no_number;
use super::super::reported::may_be_one;
use super::super::shipment::{Parcel, Shipment};
use super::super::tracking::same_number;
use super::shipped::{Lines, chosen};
use super::{Now, Wish, WishedFact, shipment_of, while_stopped};
use crate::facts::{FactBody, ParcelCorrectedFact, ReturnedFact, TellAgainFact};

/// `order tell`.
///
/// # Errors
/// Why there is nothing to tell.
pub fn tell(on: Now<'_>, reference: &str, reason: &str) -> Result<Wish, String> {
    let view = on.ours()?;
    let shipment = shipment_of(&view, reference)?;
    let channel = &view.input.channel;
    if shipment.parcels.is_empty() {
        return Err(format!(
            "{reference} has no parcel yet: there is nothing to report"
        ));
    }
    if view.cancelled_at_channel.is_some() {
        return Err(format!(
            "{channel} shows order {} as cancelled and accepts no shipment",
            view.input.number
        ));
    }
    let ours = |number: &String| shipment.parcels.iter().any(|p| p.has_number(number));
    let stands = view.order.fulfilments.iter().find(|fulfilment| {
        let named = fulfilment.reference.as_deref().is_some_and(|name| {
            let rest = name.strip_prefix(reference);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        });
        !fulfilment.cancelled() && (named || fulfilment.tracking.iter().any(ours))
    });
    if stands.is_some() {
        return Err(format!(
            "{channel} already has a fulfilment for {reference}: cancel it there first, or correct its number with `hikiate parcel correct`"
        ));
    }
    if !can_be_told(&view, shipment) {
        return Err(format!(
            "{channel} no longer lists units that {reference} could ship: record the return with `hikiate return received`, or release the task"
        ));
    }
    if !notices_are_shown(&view, &shipment.fact.reference) {
        return Err(format!(
            "the shipping notice for {reference} is in progress, or {channel} has not been refreshed since: check again in a moment"
        ));
    }
    let mut wish = Wish::default();
    wish.does.push(format!(
        "{channel} gets the shipping notice for {reference} again"
    ));
    while_stopped(&view, &mut wish);
    let body = FactBody::TellAgain(TellAgainFact {
        reference: shipment.fact.reference.clone(),
        reason: reason.to_owned(),
    });
    wish.facts
        .push(WishedFact::again(format!("tell_again:{reference}"), body));
    Ok(wish)
}

/// `return received`.
///
/// # Errors
/// Why nothing of it can have come back.
pub fn returned(
    on: Now<'_>,
    reference: &str,
    lines: Lines<'_>,
    reason: &str,
) -> Result<Wish, String> {
    let view = on.ours()?;
    let shipment = shipment_of(&view, reference)?;
    let back = |n: u32| {
        let all = view.fold.returned.iter().map(|(_, fact)| fact);
        all.filter(|fact| fact.reference == shipment.fact.reference)
            .flat_map(|fact| &fact.lines)
            .filter(|line| line.n == n)
            .fold(0_u32, |sum, line| sum.saturating_add(line.quantity))
    };
    let rows = shipment.fact.lines.iter();
    let out: Vec<_> = rows
        .map(|row| (row, shipment.left(row.n).saturating_sub(back(row.n))))
        .filter(|(_, items)| *items > 0)
        .collect();
    if out.is_empty() {
        return Err(format!(
            "{reference} has nothing to return: it was not shipped, or its return is already recorded"
        ));
    }
    let items = chosen(&view, lines, out.iter().map(|(row, n)| (&row.line, *n)))?;
    let lines: Vec<ParcelLine> = out
        .iter()
        .zip(items)
        .filter(|(_, items)| *items > 0)
        .map(|((row, _), quantity)| ParcelLine::new(row.n, quantity))
        .collect();
    let sum: u32 = lines.iter().map(|line| line.quantity).sum();
    let mut wish = Wish::default();
    wish.does
        .push(format!("recorded {sum} returned units of {reference}"));
    wish.stays.push(format!(
        "stock follows the next count of {}; refund by hand",
        shipment.fact.warehouse
    ));
    let body = FactBody::Returned(ReturnedFact {
        reference: shipment.fact.reference.clone(),
        lines,
        reason: reason.to_owned(),
    });
    wish.facts
        .push(WishedFact::again(format!("returned:{reference}"), body));
    Ok(wish)
}

/// `parcel correct`.
///
/// # Errors
/// Why the number cannot be corrected.
pub fn correct(
    on: Now<'_>,
    reference: &str,
    from: &str,
    to: &str,
    reason: &str,
) -> Result<Wish, String> {
    let view = on.ours()?;
    let shipment = shipment_of(&view, reference)?;
    let unnumbered = unnumbered(shipment, from)?;
    let has = |number: &str| shipment.parcels.iter().any(|p| p.has_number(number));
    let mut other = shipment.parcels.iter().filter(|p| p.has_number(to));
    let one = unnumbered.is_some_and(|parcel| other.any(|other| may_be_one(parcel, other)));
    if same_number(from, to) || (!has(from) && has(to) && !one) {
        return Err(format!("{reference} already has number {to}"));
    }
    if !has(from) && unnumbered.is_none() {
        let known: Vec<&str> = shipment.parcels.iter().filter_map(|p| p.tracking).collect();
        return Err(format!(
            "{reference} has no parcel with number {from}; it has: {}",
            if known.is_empty() {
                "none".to_owned()
            } else {
                known.join(", ")
            }
        ));
    }
    // Two boxes that the warehouse reported are two: as one, the goods of the other would count as never shipped.
    let parcels = shipment.parcels.iter();
    let mut named = parcels.filter(|parcel| parcel.has_number(from) || parcel.has_number(to));
    if has(to) && !one && !named.any(|parcel| parcel.hand) {
        return Err(format!(
            "{reference} has two parcels, {from} and {to}, and {} reported both, so they are not one parcel; ask which number is wrong",
            shipment.fact.warehouse
        ));
    }
    let mut wish = Wish::default();
    let (from, old, mails) = match unnumbered {
        Some(parcel) => (parcel.key, "no number", "have none"),
        None => (from, from, "keep the old number"),
    };
    wish.does.push(format!(
        "the parcel of {reference} has number {to}; where {old} was reported, a task says what to enter at {}",
        view.input.channel
    ));
    wish.stays.push(format!("mails already sent {mails}"));
    let body = FactBody::ParcelCorrected(ParcelCorrectedFact {
        reference: shipment.fact.reference.clone(),
        from: from.to_owned(),
        to: to.to_owned(),
        reason: reason.to_owned(),
    });
    wish.facts.push(WishedFact::again(
        format!("parcel_corrected:{reference}"),
        body,
    ));
    Ok(wish)
}

/// The parcel without a number that is meant: the only one, or the one that its key names.
fn unnumbered<'s, 'a>(
    shipment: &'s Shipment<'a>,
    from: &str,
) -> Result<Option<&'s Parcel<'a>>, String> {
    let all: Vec<_> = shipment
        .parcels
        .iter()
        .filter(|parcel| parcel.tracking.is_none())
        .collect();
    if let Some(named) = all.iter().find(|parcel| parcel.key == from) {
        return Ok(Some(named));
    }
    if !no_number(from) {
        return Ok(None);
    }
    if all.len() > 1 {
        let keys: Vec<String> = all.iter().map(|p| format!("{:?}", p.key)).collect();
        return Err(format!(
            "{} has {} parcels without a number: name one with --tracking, {}",
            shipment.fact.reference,
            all.len(),
            keys.join(" or ")
        ));
    }
    Ok(all.first().copied())
}
