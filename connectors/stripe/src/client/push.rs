//! Writing: each call reads the payment first, for what others did meanwhile, and is then sent under an idempotency key.

use std::time::Duration;

use async_trait::async_trait;
use hikiate_sdk::{
    Ability, Call, Error, ErrorClass, LookUp, Op, OperationSpec, Operations, Outcome, Parts,
    Prepared, RetryPolicy, Then, one_by_one,
};
use serde_json::Value;

use super::prepared::{self, Find, Frozen};
use super::writes::{self, Step};
use super::{Endpoint, Stripe};
use crate::dialect::DECLINED;
use crate::map::{self, Intent, Seen};
use crate::wire::{Bundle, Object};

/// Stripe forgets a key when it is 24 hours old at the earliest; an hour is left for clocks and waiting.
const KEYS: Duration = Duration::from_secs(23 * 60 * 60);

#[async_trait]
impl Operations for Stripe {
    fn operations(&self) -> Vec<OperationSpec> {
        let retry = RetryPolicy::IdempotencyKey {
            ttl: Some(KEYS),
            after_expiry: Then::LookUp,
        };
        vec![
            OperationSpec {
                ability: Ability::Capture(Parts::Once),
                ..OperationSpec::new(
                    Op::Capture,
                    retry,
                    "captures the payment at Stripe, once unless the payment allows several captures; cannot be undone",
                )
            },
            OperationSpec::new(
                Op::Void,
                retry,
                "cancels the payment at Stripe and releases all that is not captured; cannot be undone",
            ),
            OperationSpec::new(
                Op::Refund,
                retry,
                "refunds captured money through Stripe; cannot be undone",
            ),
        ]
    }

    fn prepare(&self, call: &Call) -> Result<Prepared, Error> {
        prepared::prepare(call)
    }

    async fn send(&self, op: Op, calls: &[&Prepared]) -> Vec<Result<Outcome, Error>> {
        one_by_one(calls, |call| self.write(op, call)).await
    }

    async fn look_up(&self, op: Op, calls: &[&Prepared]) -> Vec<Result<LookUp, Error>> {
        one_by_one(calls, |call| self.find(op, call)).await
    }
}

impl Stripe {
    /// A call whose payment is known by its PaymentIntent.
    async fn resolved(&self, prepared: &Prepared) -> Result<Frozen, Error> {
        let mut frozen = prepared.read::<Frozen>()?;
        let Some(charge) = frozen.charge() else {
            return Ok(frozen);
        };
        let intent = self.intent_of_charge(&charge).await?;
        Ok(frozen.of_intent(&charge, &intent))
    }

    async fn write(&self, op: Op, prepared: &Prepared) -> Result<Outcome, Error> {
        let frozen = self.resolved(prepared).await?;
        let outcome = match &frozen.find {
            Find::Capture(call) if op == Op::Capture => {
                let before = self.payment(&call.intent).await?;
                let step = writes::may_capture(&told(&before, &frozen)?, call)?;
                match self.posted(&frozen, step, Endpoint::CAPTURE).await? {
                    Posted::Over(outcome) => return Ok(outcome),
                    Posted::Answer(intent) => {
                        read(&intent, &frozen).and_then(|told| writes::captured(&told, call))
                    }
                }
            }
            Find::Void(call) if op == Op::Void => {
                let before = self.payment(&call.intent).await?;
                let step = writes::may_void(&told(&before, &frozen)?, call)?;
                match self.posted(&frozen, step, Endpoint::CANCEL).await? {
                    Posted::Over(outcome) => return Ok(outcome),
                    Posted::Answer(intent) => {
                        read(&intent, &frozen).and_then(|told| writes::voided(&told, call))
                    }
                }
            }
            Find::Refund(call) if op == Op::Refund => {
                let before = self.payment(&call.intent).await?;
                let told = told(&before, &frozen)?;
                let step = writes::may_refund(&told, &refunds(&before, &told, &frozen)?, call)?;
                match self.posted(&frozen, step, Endpoint::REFUND).await? {
                    Posted::Over(outcome) => return Ok(outcome),
                    Posted::Answer(refund) => map::Refund::read(Object(&refund), &told)
                        .map_err(|why| unusable(&frozen, &why))
                        .and_then(|refund| writes::refunded(&refund, call)),
                }
            }
            _ => return Err(prepared::not_offered(op)),
        };
        // Stripe has acted, whatever it is that cannot be understood of its answer.
        outcome.map_err(|error| match error.class {
            ErrorClass::Protocol => Error {
                class: ErrorClass::OutcomeUnknown,
                ..error
            },
            _ => error,
        })
    }

    async fn find(&self, op: Op, prepared: &Prepared) -> Result<LookUp, Error> {
        let frozen = self.resolved(prepared).await?;
        match &frozen.find {
            Find::Capture(call) if op == Op::Capture => {
                let payment = self.payment(&call.intent).await?;
                Ok(writes::find_capture(&told(&payment, &frozen)?, call))
            }
            Find::Void(call) if op == Op::Void => {
                let payment = self.payment(&call.intent).await?;
                Ok(writes::find_void(&told(&payment, &frozen)?, call))
            }
            Find::Refund(call) if op == Op::Refund => {
                let payment = self.payment(&call.intent).await?;
                let told = told(&payment, &frozen)?;
                let seen = refunds(&payment, &told, &frozen)?;
                Ok(writes::find_refund(&seen, call))
            }
            _ => Err(prepared::not_offered(op)),
        }
    }

    /// Sends what is to be sent.
    async fn posted(
        &self,
        frozen: &Frozen,
        step: Step,
        endpoint: Endpoint,
    ) -> Result<Posted, Error> {
        let more = match step {
            Step::Over(outcome) => return Ok(Posted::Over(outcome)),
            Step::Send(more) => more,
        };
        let form: Vec<_> = frozen.form.iter().cloned().chain(more).collect();
        match self.post(&frozen.path, &form, &frozen.key, endpoint).await {
            Ok(answer) => Ok(Posted::Answer(answer)),
            // The bank's or the card's own no to this very call, which the key gives again: nobody else's doing.
            Err(error)
                if error.class == ErrorClass::Rejected && error.message.contains(DECLINED) =>
            {
                Ok(Posted::Over(Outcome::Refused {
                    code: error.code.unwrap_or_default(),
                    message: error.message,
                }))
            }
            Err(error) => Err(error),
        }
    }
}

/// What came of a post.
enum Posted {
    /// Nothing is to be read any more.
    Over(Outcome),
    /// Stripe's answer.
    Answer(Value),
}

fn unusable(frozen: &Frozen, why: &str) -> Error {
    let message = format!(
        "POST {}: Stripe's answer cannot be used: {why}",
        frozen.path
    );
    Error::new(ErrorClass::Protocol, message)
}

fn read<'a>(intent: &'a Value, frozen: &Frozen) -> Result<Intent<'a>, Error> {
    let intent = Object(intent);
    if intent.text("id") != Ok(Some(frozen.find.payment())) {
        let why = format!("it is about another payment than {}", frozen.find.payment());
        return Err(unusable(frozen, &why));
    }
    // By these it is known whether a call of ours has happened: absent they do not say that it has not.
    let shown = intent.shows(&["latest_charge", "metadata"]);
    let told = shown.and_then(|()| Intent::read(intent));
    told.map_err(|why| unusable(frozen, &why))
}

fn told<'a>(bundle: &'a Bundle, frozen: &Frozen) -> Result<Intent<'a>, Error> {
    read(&bundle.intent, frozen)
}

fn refunds(bundle: &Bundle, told: &Intent<'_>, frozen: &Frozen) -> Result<Seen, Error> {
    if let Some(why) = &bundle.refunds_unread {
        return Err(Error::new(ErrorClass::Forbidden, why));
    }
    let seen = map::shown(bundle, told).and_then(|()| map::seen(bundle, told));
    seen.map_err(|why| unusable(frozen, &why))
}
