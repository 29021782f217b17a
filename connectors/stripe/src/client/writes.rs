//! What a payment as it stands says about a write. Pure.
//!
//! A capture or a refund of ours is known by the name that it left in the metadata together with its money: what staff did in
//! the dashboard is never taken for it, nor is a name without money. Totals other than expected tell that somebody else acted;
//! then nothing is written.

use hikiate_sdk::text::{error_code_or_quote, is_error_code};
use hikiate_sdk::{Currency, Error, ErrorClass, LookUp, Outcome, Parts};

use super::prepared::{Capture, Refund, Void, field, wire_amount};
use crate::map::{self, CAPTURE_MARK, Intent, REFUND_MARK, Seen};

/// The code of a refund that failed for a reason that Stripe names by no code.
const FAILED: &str = "failed";

/// What to do about a write after reading.
#[derive(Debug)]
pub(super) enum Step {
    /// It has happened already, or was refused for good.
    Over(Outcome),
    /// Send it, with these fields beside the frozen ones.
    Send(Vec<(String, String)>),
}

fn conflict(message: String) -> Error {
    Error::new(ErrorClass::Conflict, message)
}

fn money(amount: i64, currency: Currency) -> String {
    format!("{} {currency}", currency.format(amount))
}

fn same_currency(id: &str, told: &Intent<'_>, currency: Currency) -> Result<(), Error> {
    if told.currency == currency {
        return Ok(());
    }
    Err(conflict(format!(
        "payment {id} is in {} at Stripe, and the call is in {currency}",
        told.currency
    )))
}

/// What a look-up says where the payment itself shows that the call did not happen and never will.
fn too_late(code: &str, message: String) -> LookUp {
    LookUp::Found(Outcome::Refused {
        code: code.to_owned(),
        message,
    })
}

fn cancelled(id: &str) -> String {
    format!(
        "payment {id} is cancelled at Stripe, or its authorisation ended: nothing can be captured"
    )
}

fn captured_already(id: &str, told: &Intent<'_>) -> String {
    format!(
        "payment {id} is captured already ({}): it can be refunded, but not voided",
        money(told.received, told.currency)
    )
}

/// The charge that holds the money.
fn charge_id(told: &Intent<'_>) -> Option<String> {
    let id = told.charge?.text("id").ok()??;
    Some(id.to_owned())
}

/// How a payment that bears the name of a call of ours stands.
enum Marked {
    /// With its money, or on the way to it.
    Over(Outcome),
    /// Without it, in words.
    Unpaid(String),
}

impl Marked {
    /// What a reading before the call makes of it.
    fn step(self) -> Result<Step, Error> {
        match self {
            Self::Over(outcome) => Ok(Step::Over(outcome)),
            Self::Unpaid(why) => Err(Error::new(ErrorClass::OutcomeUnknown, why)),
        }
    }

    fn found(self) -> LookUp {
        match self {
            Self::Over(outcome) => LookUp::Found(outcome),
            Self::Unpaid(_) => LookUp::Inconclusive,
        }
    }
}

/// What a payment says of this capture; `None` where it does not name it. The one test for readings and answers.
fn captured_by_us(told: &Intent<'_>, call: &Capture) -> Option<Marked> {
    if told.capture_mark != Some(call.mark.as_str()) {
        return None;
    }
    let id = charge_id(told);
    // What others captured before is in the total, too; where there is one capture only, that is all of it.
    let least = match (told.parts, call.amount) {
        (Parts::Once, Some(amount)) => amount,
        _ => call.expected_captured_total,
    };
    Some(match told.status {
        // Some ways to pay capture later than they say yes.
        "processing" => Marked::Over(Outcome::Accepted { id }),
        _ if told.received >= least => Marked::Over(Outcome::Done { id }),
        status => Marked::Unpaid(format!(
            "payment {}: its metadata ({CAPTURE_MARK}) names this capture, but Stripe shows {} captured, not {}, and the status {status}: look at the payment in the Stripe dashboard",
            call.intent,
            money(told.received, told.currency),
            money(least, call.currency)
        )),
    })
}

/// What the call is to capture now.
fn to_capture(told: &Intent<'_>, call: &Capture) -> i64 {
    let rest = call.expected_captured_total.saturating_sub(told.received);
    call.amount.unwrap_or(rest)
}

/// Whether it can be captured.
pub(super) fn may_capture(told: &Intent<'_>, call: &Capture) -> Result<Step, Error> {
    let (id, currency) = (&call.intent, call.currency);
    same_currency(id, told, currency)?;
    if let Some(marked) = captured_by_us(told, call) {
        return marked.step();
    }
    let have = money(told.received, currency);
    match told.status {
        "requires_capture" => {}
        "succeeded" => {
            return Err(conflict(format!(
                "payment {id} is captured already ({have}), and not by hikiate: it was done in the Stripe dashboard or by another program"
            )));
        }
        "canceled" => return Err(conflict(cancelled(id))),
        other => {
            return Err(conflict(format!(
                "payment {id} is {other} at Stripe: nothing is authorised that could be captured"
            )));
        }
    }
    let amount = to_capture(told, call);
    let after = told.received.saturating_add(amount);
    if amount <= 0 || after > call.expected_captured_total {
        return Err(conflict(format!(
            "payment {id}: {have} are captured already, and not all by hikiate; with this capture it would be {} instead of {}",
            money(after, currency),
            money(call.expected_captured_total, currency)
        )));
    }
    if amount > told.capturable {
        return Err(conflict(format!(
            "payment {id}: {} are to be captured, and only {} are left of the authorisation",
            money(amount, currency),
            money(told.capturable, currency)
        )));
    }
    let mut fields = Vec::new();
    if call.amount.is_none() {
        fields.push(field("amount_to_capture", &wire_amount(amount, currency)?));
    }
    // Without it Stripe releases the rest. It must not change between tries, so it depends on nothing that a capture moves.
    if told.parts == Parts::Many && call.expected_captured_total < told.charged {
        fields.push(field("final_capture", "false"));
    }
    Ok(Step::Send(fields))
}

/// What the answer to a capture says.
pub(super) fn captured(told: &Intent<'_>, call: &Capture) -> Result<Outcome, Error> {
    let unknown = |why: String| Error::new(ErrorClass::OutcomeUnknown, why);
    match captured_by_us(told, call) {
        Some(Marked::Over(outcome)) => Ok(outcome),
        Some(Marked::Unpaid(why)) => Err(unknown(why)),
        None => Err(unknown(format!(
            "capture of {}: Stripe accepted it, but its answer does not name this capture",
            call.intent
        ))),
    }
}

/// Whether a capture has happened.
pub(super) fn find_capture(told: &Intent<'_>, call: &Capture) -> LookUp {
    if let Some(marked) = captured_by_us(told, call) {
        return marked.found();
    }
    // Stripe cancels no capture and captures nothing that is cancelled. What others captured may be ours under a name that
    // somebody changed: that says nothing.
    if told.status == "canceled" && told.received == 0 {
        return too_late("cancelled", cancelled(&call.intent));
    }
    LookUp::NotFound
}

/// Nothing is authorised any more, whoever saw to that: cancelled, or captured in part with the rest released.
fn released(told: &Intent<'_>, call: &Void) -> Option<Outcome> {
    let is = match told.status {
        "canceled" => true,
        "succeeded" => told.received.saturating_add(call.amount) <= told.charged,
        _ => false,
    };
    is.then(|| Outcome::Done {
        id: Some(call.intent.clone()),
    })
}

/// Whether the rest of an authorisation can be released.
pub(super) fn may_void(told: &Intent<'_>, call: &Void) -> Result<Step, Error> {
    if let Some(outcome) = released(told, call) {
        return Ok(Step::Over(outcome));
    }
    let id = &call.intent;
    same_currency(id, told, call.currency)?;
    if told.status == "succeeded" {
        return Err(conflict(captured_already(id, told)));
    }
    if call.amount < told.capturable {
        return Err(conflict(format!(
            "payment {id}: {} are to be released, but {} are authorised and not captured, and Stripe releases all or nothing",
            money(call.amount, call.currency),
            money(told.capturable, call.currency)
        )));
    }
    Ok(Step::Send(Vec::new()))
}

/// What the answer to a void says.
pub(super) fn voided(told: &Intent<'_>, call: &Void) -> Result<Outcome, Error> {
    released(told, call).ok_or_else(|| {
        let message = format!(
            "void of {}: Stripe accepted it, but its answer says {}",
            call.intent, told.status
        );
        Error::new(ErrorClass::OutcomeUnknown, message)
    })
}

/// Whether a void has happened.
pub(super) fn find_void(told: &Intent<'_>, call: &Void) -> LookUp {
    if let Some(outcome) = released(told, call) {
        return LookUp::Found(outcome);
    }
    // All that was authorised is captured: a void would have left some of it, and finds none now.
    if told.status == "succeeded" && told.received > 0 && told.received >= told.charged {
        return too_late("captured", captured_already(&call.intent, told));
    }
    LookUp::NotFound
}

/// What became of a refund that bears the name of ours. The key is spent: one that failed is not made again under it.
fn refunded_by_us(refund: &map::Refund, call: &Refund) -> Marked {
    if refund.amount != call.amount {
        return Marked::Unpaid(format!(
            "payment {}: the metadata ({REFUND_MARK}) of {} names this refund, but that is one of {}, not {}: look at it in the Stripe dashboard",
            call.intent,
            refund.id,
            money(refund.amount, call.currency),
            money(call.amount, call.currency)
        ));
    }
    if refund.has_failed() {
        let reason = refund.failure.as_deref().unwrap_or(FAILED);
        let code = if is_error_code(reason) {
            reason
        } else {
            FAILED
        };
        let told = error_code_or_quote(reason);
        return Marked::Over(Outcome::Refused {
            code: code.to_owned(),
            message: format!(
                "refund {} failed at Stripe ({told}): the money is back in the Stripe balance; pay the customer another way, or refund again",
                refund.id
            ),
        });
    }
    Marked::Over(Outcome::Done {
        id: Some(refund.id.clone()),
    })
}

/// Whether it can be refunded.
pub(super) fn may_refund(told: &Intent<'_>, seen: &Seen, call: &Refund) -> Result<Step, Error> {
    let (id, currency) = (&call.intent, call.currency);
    same_currency(id, told, currency)?;
    if let Some(ours) = seen.of(&call.mark) {
        return refunded_by_us(ours, call).step();
    }
    if told.received == 0 {
        return Err(conflict(format!(
            "payment {id}: nothing of it is captured, so nothing can be refunded; void it"
        )));
    }
    let before = seen.total().map_err(conflict)?;
    let after = before.saturating_add(call.amount);
    if after > call.expected_refunded_total {
        return Err(conflict(format!(
            "payment {id}: {} are refunded already; with this refund it would be {} instead of {}. It was refunded in the Stripe dashboard or by another program",
            money(before, currency),
            money(after, currency),
            money(call.expected_refunded_total, currency)
        )));
    }
    if after > told.received {
        return Err(conflict(format!(
            "payment {id}: {} are to be refunded in all, and only {} are captured",
            money(after, currency),
            money(told.received, currency)
        )));
    }
    Ok(Step::Send(Vec::new()))
}

/// What the answer to a refund says.
pub(super) fn refunded(refund: &map::Refund, call: &Refund) -> Result<Outcome, Error> {
    let unknown = |why: String| Error::new(ErrorClass::OutcomeUnknown, why);
    if refund.mark.as_deref() != Some(call.mark.as_str()) {
        return Err(unknown(format!(
            "refund of {}: Stripe accepted it, but its answer does not name this refund",
            call.intent
        )));
    }
    match refunded_by_us(refund, call) {
        Marked::Over(outcome) => Ok(outcome),
        Marked::Unpaid(why) => Err(unknown(why)),
    }
}

/// Whether a refund has happened.
pub(super) fn find_refund(seen: &Seen, call: &Refund) -> LookUp {
    let ours = seen.of(&call.mark);
    ours.map_or(LookUp::NotFound, |ours| refunded_by_us(ours, call).found())
}
