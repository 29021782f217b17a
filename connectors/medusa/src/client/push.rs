//! Writing: each call reads first, since the shop has no idempotency keys and corrupts what is written to twice at once.

use async_trait::async_trait;
use hikiate_sdk::{
    Call, Currency, Error, ErrorClass, First, LookUp, Op, OperationSpec, Operations, Outcome,
    Prepared, RetryPolicy, ShippedLine, one_by_one, same_object,
};
use serde_json::json;

use super::Medusa;
use super::prepared::{self, FULFILMENT, Find, Frozen};
use super::writes::{self, Step, done};
use crate::fields::{BRIEF_FIELDS, PAYMENT_FIELDS};
use crate::wire::{OrderAnswer, OrderBrief, Payment, PaymentAnswer};

#[async_trait]
impl Operations for Medusa {
    fn operations(&self) -> Vec<OperationSpec> {
        let retry = RetryPolicy::LookUp {
            settle: self.settings.settle,
            // `send` itself reads first and sees what staff did meanwhile.
            first: First::Send,
        };
        let spec = |op, summary| OperationSpec::new(op, retry, summary);
        vec![
            spec(
                Op::Fulfil,
                "creates a fulfilment in the shop, which reduces its stock; the shop sends no mail",
            ),
            spec(
                Op::Ship,
                "marks the fulfilment as shipped with its tracking numbers; cannot be undone; the shop sends no mail",
            ),
            spec(
                Op::Capture,
                "captures the payment through the shop's provider; cannot be undone",
            ),
            OperationSpec::new(
                Op::Refund,
                RetryPolicy::LookUp {
                    settle: self.settings.settle,
                    first: First::Ask,
                },
                "refunds the payment through the shop's provider and lowers the order's total; cannot be undone",
            ),
            spec(
                Op::CancelOrder,
                "cancels the order in the shop, which voids or refunds its payments; cannot be undone",
            ),
            OperationSpec::new(
                Op::Annotate,
                RetryPolicy::Repeat,
                "writes the names of open holds into `hikiate_hold` of the order's metadata, which the shop's Store API exposes to storefronts",
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

impl Medusa {
    async fn write(&self, op: Op, prepared: &Prepared) -> Result<Outcome, Error> {
        let frozen = prepared.read::<Frozen>()?;
        match &frozen.find {
            Find::Fulfilment {
                order,
                reference,
                lines,
            } if op == Op::Fulfil => self.fulfil(&frozen, order, reference, lines).await,
            Find::Shipment {
                order,
                reference,
                tracking,
            } if op == Op::Ship => self.ship(&frozen, order, reference, tracking).await,
            Find::Capture {
                payment,
                expected_captured_total,
                currency,
            } if op == Op::Capture => {
                self.capture(&frozen, payment, *expected_captured_total, *currency)
                    .await
            }
            Find::Refund {
                payment,
                key,
                amount,
                expected_refunded_total,
                currency,
            } if op == Op::Refund => {
                let before = self.payment(payment).await?;
                let asked = (*amount, *expected_refunded_total);
                match writes::may_refund(&before, key, asked, *currency)? {
                    Step::Done(outcome) => Ok(outcome),
                    Step::Send => self.refund(&frozen, &before, key, *amount, *currency).await,
                }
            }
            Find::Cancelled { order } if op == Op::CancelOrder => self.cancel(&frozen, order).await,
            Find::Note { order, note } if op == Op::Annotate => {
                self.annotate(&frozen, order, note.as_deref()).await
            }
            _ => Err(prepared::not_offered(op)),
        }
    }

    async fn find(&self, op: Op, prepared: &Prepared) -> Result<LookUp, Error> {
        let frozen = prepared.read::<Frozen>()?;
        let found = match &frozen.find {
            Find::Fulfilment {
                order, reference, ..
            } if op == Op::Fulfil => writes::find_fulfilment(&self.brief(order).await?, reference)?,
            Find::Shipment {
                order,
                reference,
                tracking,
            } if op == Op::Ship => {
                writes::find_shipment(&self.brief(order).await?, reference, tracking)?
            }
            Find::Capture {
                payment,
                expected_captured_total,
                currency,
            } if op == Op::Capture => {
                let payment = self.payment(payment).await?;
                writes::find_capture(&payment, *expected_captured_total, *currency)?
            }
            Find::Refund { payment, key, .. } if op == Op::Refund => {
                let payment = self.payment(payment).await?;
                writes::our_refund(&payment, key)?.map(|refund| done(refund.id.clone()))
            }
            Find::Cancelled { order } if op == Op::CancelOrder => self
                .brief(order)
                .await?
                .is_cancelled()
                .then(|| done(Some(order.clone()))),
            // Never asked for: it is sent again.
            Find::Note { .. } if op == Op::Annotate => return Ok(LookUp::Inconclusive),
            _ => return Err(prepared::not_offered(op)),
        };
        Ok(found.map_or(LookUp::NotFound, LookUp::Found))
    }

    async fn brief(&self, order: &str) -> Result<OrderBrief, Error> {
        let path = format!("/admin/orders/{order}");
        let answer: OrderAnswer = self
            .get_json(format!("{path}?fields={BRIEF_FIELDS}"))
            .await?;
        same_object(ErrorClass::Protocol, &path, order, &answer.order.id)?;
        Ok(answer.order)
    }

    async fn payment(&self, payment: &str) -> Result<Payment, Error> {
        let path = format!("/admin/payments/{payment}");
        let answer: PaymentAnswer = self
            .get_json(format!("{path}?fields={PAYMENT_FIELDS}"))
            .await?;
        match answer {
            PaymentAnswer {
                payment: Some(told),
                ..
            } => {
                same_object(ErrorClass::Protocol, &path, payment, &told.id)?;
                if told.all_told() {
                    Ok(told)
                } else {
                    Err(Error::new(
                        ErrorClass::Protocol,
                        format!("{path}: the answer does not say what was captured and refunded"),
                    ))
                }
            }
            // The shop answers 200 with nothing in it.
            PaymentAnswer { kind: None, .. } => Err(Error::new(
                ErrorClass::NotFound,
                format!("the shop has no payment {payment}"),
            )),
            PaymentAnswer {
                kind: Some(kind), ..
            } => Err(Error::new(
                ErrorClass::Protocol,
                format!("reading payment {payment}: the shop answered 200 with an error"),
            )
            .with_code(kind)),
        }
    }

    async fn write_order(
        &self,
        order: &str,
        path: &str,
        body: Vec<u8>,
    ) -> Result<OrderBrief, Error> {
        let answer: OrderAnswer = self
            .post(format!("{path}?fields={BRIEF_FIELDS}"), body)
            .await?;
        same_object(ErrorClass::OutcomeUnknown, path, order, &answer.order.id)?;
        Ok(answer.order)
    }

    async fn write_payment(
        &self,
        payment: &str,
        path: &str,
        body: Vec<u8>,
    ) -> Result<Payment, Error> {
        let answer: PaymentAnswer = self
            .post(format!("{path}?fields={PAYMENT_FIELDS}"), body)
            .await?;
        let after = answer.payment.ok_or_else(|| unknown(path, "the payment"))?;
        same_object(ErrorClass::OutcomeUnknown, path, payment, &after.id)?;
        Ok(after)
    }

    async fn fulfil(
        &self,
        frozen: &Frozen,
        order: &str,
        reference: &str,
        lines: &[ShippedLine],
    ) -> Result<Outcome, Error> {
        if let Step::Done(outcome) =
            writes::may_fulfil(&self.brief(order).await?, reference, lines)?
        {
            return Ok(outcome);
        }
        let after = self.write_order(order, &frozen.path, body(frozen)).await?;
        let made = writes::ours(&after, reference)
            .ok_or_else(|| unknown(&frozen.path, "a fulfilment with our reference"))?;
        Ok(done(Some(made.id.clone())))
    }

    async fn ship(
        &self,
        frozen: &Frozen,
        order: &str,
        reference: &str,
        tracking: &[String],
    ) -> Result<Outcome, Error> {
        let before = self.brief(order).await?;
        let (fulfilment, step) = writes::may_ship(&before, reference, tracking)?;
        if let Step::Done(outcome) = step {
            return Ok(outcome);
        }
        let after = self
            .write_order(
                order,
                &frozen.path.replace(FULFILMENT, &fulfilment.id),
                body(frozen),
            )
            .await?;
        let shipped = writes::ours(&after, reference).filter(|f| writes::is_shipped(f, tracking));
        let shipped = shipped.ok_or_else(|| unknown(&frozen.path, "our fulfilment as shipped"))?;
        Ok(done(Some(shipped.id.clone())))
    }

    async fn capture(
        &self,
        frozen: &Frozen,
        id: &str,
        expected_captured_total: i64,
        currency: Currency,
    ) -> Result<Outcome, Error> {
        let before = self.payment(id).await?;
        let captured = writes::captured(&before, currency)?;
        if captured >= expected_captured_total {
            return Ok(writes::capture_done(&before));
        }
        writes::not_voided(&before)?;
        let all = frozen.body.get("amount").is_none();
        let body = match if all {
            writes::rest(&before, captured, expected_captured_total, currency)?
        } else {
            None
        } {
            Some(rest) => json!({ "amount": prepared::decimal(rest, currency)? })
                .to_string()
                .into_bytes(),
            None => body(frozen),
        };
        let after = self.write_payment(id, &frozen.path, body).await?;
        // The money may have moved: what is not told is no refusal.
        if !after.captures_told() {
            return Err(unknown(&frozen.path, MOVED));
        }
        let captured = writes::captured(&after, currency)?;
        if captured < expected_captured_total {
            // The shop answers 200 and does nothing once it takes a payment for fully captured.
            let (have, want) = (
                currency.format(captured),
                currency.format(expected_captured_total),
            );
            return Err(Error::new(
                ErrorClass::Conflict,
                format!(
                    "payment {id}: the shop accepted the capture, but the total captured is {have} {currency}, not {want}"
                ),
            ));
        }
        Ok(writes::capture_done(&after))
    }

    async fn refund(
        &self,
        frozen: &Frozen,
        before: &Payment,
        key: &str,
        amount: i64,
        currency: Currency,
    ) -> Result<Outcome, Error> {
        let mut asked = frozen.body.clone();
        // All of a total that the shop does not round is given back as the shop has it.
        if let Some(exact) = writes::all_of_it(before, amount, currency)? {
            asked["amount"] = exact.into();
        }
        let body = asked.to_string().into_bytes();
        let after = self.write_payment(&before.id, &frozen.path, body).await?;
        if !after.refunds_told() {
            return Err(unknown(&frozen.path, MOVED));
        }
        let made = writes::our_refund(&after, key).ok().flatten();
        let made =
            made.ok_or_else(|| unknown(&frozen.path, "a refund with our key in its note"))?;
        Ok(done(made.id.clone()))
    }

    async fn cancel(&self, frozen: &Frozen, order: &str) -> Result<Outcome, Error> {
        if self.brief(order).await?.is_cancelled() {
            return Ok(done(Some(order.to_owned())));
        }
        if !self
            .write_order(order, &frozen.path, body(frozen))
            .await?
            .is_cancelled()
        {
            return Err(unknown(&frozen.path, "the order as cancelled"));
        }
        Ok(done(Some(order.to_owned())))
    }

    async fn annotate(
        &self,
        frozen: &Frozen,
        order: &str,
        note: Option<&str>,
    ) -> Result<Outcome, Error> {
        if let Step::Done(outcome) = writes::may_note(&self.brief(order).await?, note)? {
            return Ok(outcome);
        }
        let after = self.write_order(order, &frozen.path, body(frozen)).await?;
        if !writes::is_noted(&after, note) {
            return Err(unknown(&frozen.path, "the note"));
        }
        Ok(done(None))
    }
}

const MOVED: &str = "what was captured and refunded";

fn body(frozen: &Frozen) -> Vec<u8> {
    frozen.body.to_string().into_bytes()
}

fn unknown(path: &str, what: &str) -> Error {
    Error::new(
        ErrorClass::OutcomeUnknown,
        format!("POST {path}: the shop accepted the call, but its answer does not show {what}"),
    )
    .with_code(Error::NOT_SHOWN)
}
