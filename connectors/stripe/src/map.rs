//! From the wire to the trade: pure, no clock, no network.

mod money;
mod refunds;
mod state;

#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};
use hikiate_sdk::{
    BadRecord, Currency, ExternalId, Observed, Parts, PaymentSnapshot, PaymentState, Record,
};

use crate::config::Settings;
use crate::wire::{Bundle, Object, need};

pub(crate) use money::{UNITS, not_expressible};
pub(crate) use refunds::{Refund, Seen, seen, shown};

/// The key in a refund's metadata that carries the name of our call.
pub(crate) const REFUND_MARK: &str = "hikiate";

/// The key in a PaymentIntent's metadata that carries the name of our last capture.
pub(crate) const CAPTURE_MARK: &str = "hikiate_capture";

/// Reads one payment; what cannot be understood is a bad record and nothing else.
#[must_use]
pub(crate) fn record(bundle: &Bundle, settings: &Settings) -> Record {
    let id = Object(&bundle.intent).text("id").ok().flatten();
    let id = bundle.charge.as_deref().or(id);
    let parsed = payment(bundle, settings)
        .map(|payment| Observed::Payment(Box::new(payment)))
        .map_err(|reason| {
            let named = format!("{}: {reason}", id.unwrap_or("a payment without an id"));
            BadRecord::new(id.map(ExternalId::from), named).because(reason)
        });
    // A bundle is made of what was read as JSON: it can be written as JSON.
    let raw = serde_json::to_vec(bundle).unwrap_or_default();
    Record::new(raw, parsed)
}

/// A payment as it stands.
///
/// # Errors
/// Field and rule of what cannot be understood.
pub(crate) fn payment(bundle: &Bundle, settings: &Settings) -> Result<PaymentSnapshot, String> {
    if let Some(why) = &bundle.unread {
        return Err(why.clone());
    }
    let intent = Object(&bundle.intent);
    let id = need("id", intent.text("id")?)?;
    need("livemode", intent.flag("livemode")?)?;
    if let Some(charge) = &bundle.charge {
        by_charge(intent, charge, settings)?;
    }
    let told = Intent::read(intent)?;
    let seen = seen(bundle, &told)?;
    let disputed = refunds::disputed(bundle, &told)?;
    let state = state::of(intent, &told)?;
    let authorised = match &state {
        PaymentState::Authorised | PaymentState::Review { .. } => {
            told.received.saturating_add(told.capturable)
        }
        PaymentState::Paid => told.received,
        _ => 0,
    };
    let open = told.status == "requires_capture";
    let reference = settings.reference.as_deref();
    let metadata = intent.inner("metadata");
    Ok(PaymentSnapshot {
        key: ExternalId::from(bundle.charge.as_deref().unwrap_or(id)),
        // An order that knows it by the shop's own name has it by the PaymentIntent.
        reference: match reference.zip(metadata).filter(|_| bundle.charge.is_none()) {
            Some((key, metadata)) => metadata
                .text(key)?
                .filter(|text| !text.is_empty())
                .map(str::to_owned),
            None => None,
        },
        // Stripe counts no changes of a payment: what was asked for later is newer.
        version: None,
        currency: told.currency,
        state,
        amount: told.amount,
        authorised,
        captured: told.received,
        refunded: seen.total()?,
        disputed,
        authorised_until: told.authorised_until.filter(|_| open),
        pay_by: state::pay_by(intent)?,
        parts: open.then_some(told.parts),
        refunds: seen.into_snapshot(),
    })
}

/// Whether a payment can be reported under the id of a charge: in words that say what to do where not.
fn by_charge(intent: Object<'_>, charge: &str, settings: &Settings) -> Result<(), String> {
    if intent.text("object")? == Some("charge") {
        return Err("payment_intent: missing: the charge was made without one, and such charges are not read".to_owned());
    }
    if intent.id_of("latest_charge") != Some(charge) {
        return Err("latest_charge: not the charge that the order names, but a later one: correct the order's payment at the channel".to_owned());
    }
    if settings.charges {
        return Ok(());
    }
    Err("the order names the payment by its charge: set charges = true on the stripe account, or let the channel's payment_reference name the PaymentIntent (pi_…)".to_owned())
}

/// What a PaymentIntent and its charge say of the money, in minor units.
#[derive(Debug)]
pub(crate) struct Intent<'a> {
    /// Stripe's word.
    pub(crate) status: &'a str,
    /// Of all amounts.
    pub(crate) currency: Currency,
    /// To be paid.
    pub(crate) amount: i64,
    /// What was authorised in all: the whole of the charge.
    pub(crate) charged: i64,
    /// What can still be captured.
    pub(crate) capturable: i64,
    /// Captured.
    pub(crate) received: i64,
    /// See [`PaymentSnapshot::parts`].
    pub(crate) parts: Parts,
    /// See [`PaymentSnapshot::authorised_until`].
    pub(crate) authorised_until: Option<DateTime<Utc>>,
    /// The charge that holds the money, where there is one.
    pub(crate) charge: Option<Object<'a>>,
    /// The name of the last capture of ours.
    pub(crate) capture_mark: Option<&'a str>,
}

impl<'a> Intent<'a> {
    /// Reads one.
    ///
    /// # Errors
    /// Field and rule of what cannot be understood.
    pub(crate) fn read(intent: Object<'a>) -> Result<Self, String> {
        let status = need("status", intent.text("status")?)?;
        let code = need("currency", intent.text("currency")?)?;
        let currency: Currency = code.parse().map_err(|e| format!("currency: {e}"))?;
        let minor = |name: &str, amount: i64| {
            let read = UNITS.read(amount, currency);
            read.map_err(|e| format!("{name}: {e}"))
        };
        let amount = need("amount", intent.whole("amount")?)?;
        let charge = intent.inner("latest_charge");
        let in_charge = |name: &str| match charge {
            Some(charge) => need(&format!("latest_charge.{name}"), charge.whole(name)?),
            // Nobody has tried to pay, or it was not expanded.
            None if !intent.has("latest_charge") => Ok(0),
            None => Err("latest_charge: not expanded".to_owned()),
        };
        let received = match intent.whole("amount_received")? {
            Some(received) => received,
            None => in_charge("amount_captured")?,
        };
        let charged = in_charge("amount")?;
        let capturable = match intent.whole("amount_capturable")? {
            Some(capturable) => capturable,
            None if status == "requires_capture" => charged.saturating_sub(received),
            None => 0,
        };
        let details = charge.and_then(|charge| {
            let details = charge.inner("payment_method_details")?;
            details.inner(details.text("type").ok()??)
        });
        let many = details.and_then(|details| {
            let multicapture = details.inner("multicapture")?;
            multicapture.text("status").ok()?
        });
        let until = details.map(|details| details.whole("capture_before"));
        let until = until.transpose()?.flatten();
        let mark = intent.inner("metadata").map(|all| all.text(CAPTURE_MARK));
        Ok(Self {
            status,
            currency,
            amount: minor("amount", amount)?,
            charged: minor("latest_charge.amount", charged)?,
            capturable: minor("amount_capturable", capturable)?,
            received: minor("amount_received", received)?,
            parts: match many {
                Some("available") => Parts::Many,
                _ => Parts::Once,
            },
            authorised_until: until.map(|at| time("capture_before", at)).transpose()?,
            charge,
            capture_mark: mark.transpose()?.flatten(),
        })
    }
}

/// A time as Stripe writes it: seconds since 1970.
pub(crate) fn time(name: &str, seconds: i64) -> Result<DateTime<Utc>, String> {
    DateTime::from_timestamp(seconds, 0).ok_or_else(|| format!("{name}: not a time"))
}
