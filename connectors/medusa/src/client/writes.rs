//! What an order or payment as it stands says about a write. Pure.

use hikiate_sdk::{Currency, Error, ErrorClass, Outcome, ShippedLine};
use serde_json::Number;

use crate::map;
use crate::wire::{Fulfillment, Movement, OrderBrief, Payment, RefundNote};

/// What to do about a write after reading.
#[derive(Debug)]
pub(super) enum Step {
    /// It has happened already.
    Done(Outcome),
    /// Send it.
    Send,
}

pub(super) fn done(id: Option<String>) -> Outcome {
    Outcome::Done { id }
}

/// The outcome of a call of which the shop shows that it did not happen and never will: it takes no cancel back.
fn too_late(message: String) -> Outcome {
    Outcome::Refused {
        code: "cancelled".to_owned(),
        message,
    }
}

const ORDER_CANCELLED: &str = "the order is cancelled in the shop";

fn fulfilment_cancelled(fulfilment: &Fulfillment, reference: &str) -> String {
    let id = &fulfilment.id;
    format!("fulfilment {id} ({reference}) was cancelled in the shop")
}

fn payment_cancelled(payment: &Payment) -> String {
    format!("payment {} is cancelled in the shop", payment.id)
}

fn conflict(message: String) -> Error {
    Error::new(ErrorClass::Conflict, message)
}

fn protocol(reason: String) -> Error {
    Error::new(
        ErrorClass::Protocol,
        format!("the shop's answer cannot be used: {reason}"),
    )
}

/// The fulfilment with our reference; one that is not cancelled before one that is.
pub(super) fn ours<'a>(order: &'a OrderBrief, reference: &str) -> Option<&'a Fulfillment> {
    let mut named = order
        .fulfillments()
        .iter()
        .filter(|f| map::reference(f) == Some(reference));
    let first = named.next()?;
    if first.canceled_at.is_none() {
        Some(first)
    } else {
        Some(named.find(|f| f.canceled_at.is_none()).unwrap_or(first))
    }
}

/// Whether lines can be fulfilled under our reference.
pub(super) fn may_fulfil(
    order: &OrderBrief,
    reference: &str,
    lines: &[ShippedLine],
) -> Result<Step, Error> {
    match ours(order, reference) {
        Some(f) if f.canceled_at.is_none() => return Ok(Step::Done(done(Some(f.id.clone())))),
        Some(f) => return Err(conflict(fulfilment_cancelled(f, reference))),
        None => {}
    }
    if order.is_cancelled() {
        return Err(conflict(ORDER_CANCELLED.to_owned()));
    }
    for line in lines {
        let key = line.line.as_str();
        let Some(item) = order.items.iter().find(|item| item.id == key) else {
            return Err(conflict(format!(
                "the order no longer has line {key}: it was edited in the shop"
            )));
        };
        let ordered =
            map::whole("items.detail.quantity", &item.detail.quantity).map_err(protocol)?;
        let fulfilled = item.detail.fulfilled_quantity.as_ref();
        let fulfilled = fulfilled
            .map_or(Ok(0), |n| map::whole("items.detail.fulfilled_quantity", n))
            .map_err(protocol)?;
        let open = ordered.saturating_sub(fulfilled);
        if line.quantity > open {
            return Err(conflict(format!(
                "line {key}: {} to fulfil, but of {ordered} ordered, {fulfilled} were already fulfilled in the shop by another party",
                line.quantity
            )));
        }
    }
    Ok(Step::Send)
}

/// What is not told is not known to be absent.
fn told(order: &OrderBrief) -> Result<(), Error> {
    match order.fulfillments_told() {
        true => Ok(()),
        false => Err(protocol("fulfillments: missing".to_owned())),
    }
}

/// What became of a fulfilment under our reference; `None` where nothing says so yet.
pub(super) fn find_fulfilment(
    order: &OrderBrief,
    reference: &str,
) -> Result<Option<Outcome>, Error> {
    told(order)?;
    Ok(match ours(order, reference) {
        Some(f) => Some(done(Some(f.id.clone()))),
        // The shop fulfils nothing of a cancelled order, and shows a fulfilment that it had before.
        None if order.is_cancelled() => Some(too_late(ORDER_CANCELLED.to_owned())),
        None => None,
    })
}

/// Our note in the order's metadata. Shops that merge objects alone keep an empty text for a key
/// that was removed.
fn note(order: &OrderBrief) -> Option<&str> {
    let note = order.metadata.get(map::NOTE)?.as_str()?;
    Some(note).filter(|note| !note.is_empty())
}

/// Whether the order shows this note, or none.
pub(super) fn is_noted(order: &OrderBrief, wanted: Option<&str>) -> bool {
    note(order) == wanted
}

/// Whether the note can be written. The shop changes nothing of a cancelled order; of another it is written whatever is read, since a
/// cache may show the order as it was before the last note.
pub(super) fn may_note(order: &OrderBrief, wanted: Option<&str>) -> Result<Step, Error> {
    if order.is_cancelled() {
        if is_noted(order, wanted) {
            return Ok(Step::Done(done(None)));
        }
        return Err(conflict(
            "the order is cancelled in the shop, so its metadata can no longer change".to_owned(),
        ));
    }
    Ok(Step::Send)
}

/// Whether our fulfilment shows these parcels.
pub(super) fn is_shipped(fulfilment: &Fulfillment, tracking: &[String]) -> bool {
    fulfilment.shipped_at.is_some()
        && tracking
            .iter()
            .all(|number| map::tracking(fulfilment).any(|told| told == number))
}

/// The fulfilment to mark as shipped.
pub(super) fn may_ship<'a>(
    order: &'a OrderBrief,
    reference: &str,
    tracking: &[String],
) -> Result<(&'a Fulfillment, Step), Error> {
    let Some(fulfilment) = ours(order, reference) else {
        return Err(conflict(format!(
            "the order has no fulfilment {reference}: it must be fulfilled before it is shipped"
        )));
    };
    let id = &fulfilment.id;
    if fulfilment.canceled_at.is_some() {
        return Err(conflict(fulfilment_cancelled(fulfilment, reference)));
    }
    if is_shipped(fulfilment, tracking) {
        return Ok((fulfilment, Step::Done(done(Some(id.clone())))));
    }
    if fulfilment.shipped_at.is_some() {
        return Err(conflict(format!(
            "fulfilment {id} ({reference}) was marked as shipped in the shop with other tracking numbers"
        )));
    }
    if !super::is_plain(id) {
        return Err(protocol("fulfillments.id: not an id".to_owned()));
    }
    Ok((fulfilment, Step::Send))
}

/// What became of marking our fulfilment as shipped; `None` where nothing says so yet.
pub(super) fn find_shipment(
    order: &OrderBrief,
    reference: &str,
    tracking: &[String],
) -> Result<Option<Outcome>, Error> {
    told(order)?;
    let Some(fulfilment) = ours(order, reference) else {
        return Ok(None);
    };
    if is_shipped(fulfilment, tracking) {
        return Ok(Some(done(Some(fulfilment.id.clone()))));
    }
    // With other numbers it may be ours that somebody corrected.
    let never = fulfilment.canceled_at.is_some() && fulfilment.shipped_at.is_none();
    Ok(never.then(|| too_late(fulfilment_cancelled(fulfilment, reference))))
}

/// Minor units captured of a payment.
pub(super) fn captured(payment: &Payment, currency: Currency) -> Result<i64, Error> {
    map::captured(payment, currency).map_err(protocol)
}

/// The outcome of a capture that is done.
pub(super) fn capture_done(payment: &Payment) -> Outcome {
    done(
        payment
            .captures()
            .iter()
            .filter_map(|capture| capture.id.clone())
            .max(),
    )
}

/// A payment that is voided is captured no more.
pub(super) fn not_voided(payment: &Payment) -> Result<(), Error> {
    match payment.canceled_at {
        Some(_) => Err(conflict(payment_cancelled(payment))),
        None => Ok(()),
    }
}

/// What became of a capture, by the total that it was to bring about; `None` where nothing says so yet.
pub(super) fn find_capture(
    payment: &Payment,
    expected_captured_total: i64,
    currency: Currency,
) -> Result<Option<Outcome>, Error> {
    let captured = captured(payment, currency)?;
    if captured >= expected_captured_total {
        return Ok(Some(capture_done(payment)));
    }
    // Of what was captured in part, others may have a share.
    let never = payment.canceled_at.is_some() && captured == 0;
    Ok(never.then(|| too_late(payment_cancelled(payment))))
}

/// The amount to send when all is to be captured: the shop takes an empty body, which is its own unrounded
/// total, for the first capture only; and what is authorised may have grown since it was decided.
pub(super) fn rest(
    payment: &Payment,
    captured: i64,
    expected_captured_total: i64,
    currency: Currency,
) -> Result<Option<i64>, Error> {
    let all = map::minor("payments.amount", &payment.amount, currency).map_err(protocol)?;
    let first = payment.captures().is_empty();
    Ok((!first || all != expected_captured_total)
        .then(|| expected_captured_total.saturating_sub(captured)))
}

/// The refund that we made under a key. One of the same amount that staff made has another note, or none; one without the field
/// may be ours.
pub(super) fn our_refund<'a>(
    payment: &'a Payment,
    key: &str,
) -> Result<Option<&'a Movement>, Error> {
    let is_ours = |refund: &&Movement| match &refund.note {
        RefundNote::Text(note) => note
            .strip_prefix(key)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(' ')),
        RefundNote::Nothing | RefundNote::Untold => false,
    };
    let ours = payment.refunds().iter().find(is_ours);
    let is_untold = |refund: &Movement| matches!(refund.note, RefundNote::Untold);
    if ours.is_none() && payment.refunds().iter().any(is_untold) {
        return Err(protocol("refunds.note: missing".to_owned()));
    }
    Ok(ours)
}

/// Whether a refund can be made; `asked` is its amount and what is expected to be refunded in all once it is. What others
/// refunded since it was decided may be this very refund, so it is refused.
pub(super) fn may_refund(
    payment: &Payment,
    key: &str,
    asked: (i64, i64),
    currency: Currency,
) -> Result<Step, Error> {
    if let Some(refund) = our_refund(payment, key)? {
        return Ok(Step::Done(done(refund.id.clone())));
    }
    let refunded = map::refunded(payment, currency).map_err(protocol)?;
    let before = asked.1.saturating_sub(asked.0);
    if refunded > before {
        let (is, was) = (currency.format(refunded), currency.format(before));
        return Ok(Step::Done(Outcome::Refused {
            code: "refunded_meanwhile".to_owned(),
            message: format!(
                "payment {}: {is} {currency} is refunded in the shop, not {was} as when the refund was decided",
                payment.id
            ),
        }));
    }
    Ok(Step::Send)
}

/// The shop's own number where a refund is all of a payment's only capture.
pub(super) fn all_of_it(
    payment: &Payment,
    amount: i64,
    currency: Currency,
) -> Result<Option<Number>, Error> {
    let [capture] = payment.captures() else {
        return Ok(None);
    };
    let all =
        map::minor("payments.captures.amount", &capture.amount, currency).map_err(protocol)?;
    Ok((payment.refunds().is_empty() && all == amount).then(|| capture.amount.clone()))
}
