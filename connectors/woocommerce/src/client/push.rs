//! Writing: each call reads the order first, since the shop has no idempotency keys, and takes whatever it is given twice.

use async_trait::async_trait;
use hikiate_sdk::http::Request;
use hikiate_sdk::{
    Call, Error, ErrorClass, First, LookUp, Op, OperationSpec, Operations, Outcome, Prepared,
    RetryPolicy, one_by_one, same_object,
};
use serde_json::{Value, json};

use super::prepared::{self, Wanted};
use super::pull::DIGITS;
use super::{API, WooCommerce, fresh};
use crate::config::Standing;
use crate::map::{NOTE, TRASH};
use crate::wire::{Order, meta};

#[async_trait]
impl Operations for WooCommerce {
    fn operations(&self) -> Vec<OperationSpec> {
        let retry = RetryPolicy::LookUp {
            settle: self.settings.settle,
            // `send` itself reads first and sees what staff did meanwhile.
            first: First::Send,
        };
        let spec = |op, summary| OperationSpec::new(op, retry, summary);
        vec![
            spec(
                Op::Ship,
                "reports a shipment with its tracking numbers, as a fulfilment of the order or, where the shop has none, as a note; the order's status and the money are left alone unless `complete_when_shipped` is set",
            ),
            spec(
                Op::CancelOrder,
                "sets the order to cancelled: the shop puts its goods back into its own stock and mails its staff, and a gateway plug-in may void or refund the payment",
            ),
            spec(
                Op::RecordRefund,
                "records a refund that was made elsewhere (no money is moved, nothing is restocked); the shop mails the buyer, and sets an order that is refunded in full to refunded",
            ),
            OperationSpec::new(
                Op::Annotate,
                RetryPolicy::Repeat,
                "writes the names of open holds into `hikiate_hold` of the order's metadata, which staff see as a custom field",
            ),
        ]
    }

    fn mails_shipments(&self) -> bool {
        self.settings.notify_customer
    }

    fn prepare(&self, call: &Call) -> Result<Prepared, Error> {
        prepared::prepare(call)
    }

    async fn send(&self, op: Op, calls: &[&Prepared]) -> Vec<Result<Outcome, Error>> {
        one_by_one(calls, |call| self.carry_out(op, call)).await
    }

    async fn look_up(&self, op: Op, calls: &[&Prepared]) -> Vec<Result<LookUp, Error>> {
        one_by_one(calls, |call| self.find(op, call)).await
    }
}

impl WooCommerce {
    async fn carry_out(&self, op: Op, prepared: &Prepared) -> Result<Outcome, Error> {
        let wanted = prepared.read::<Wanted>()?;
        let _turn = self.turn(wanted.order()).await;
        match wanted {
            Wanted::Shipped(ship) if op == Op::Ship => self.ship(&ship).await,
            Wanted::Cancelled { order } if op == Op::CancelOrder => self.cancel(&order).await,
            Wanted::Refunded(refund) if op == Op::RecordRefund => self.record(&refund).await,
            Wanted::Note { order, note } if op == Op::Annotate => {
                self.annotate(&order, note.as_deref()).await
            }
            _ => Err(prepared::not_offered(op)),
        }
    }

    async fn find(&self, op: Op, prepared: &Prepared) -> Result<LookUp, Error> {
        let found = match prepared.read::<Wanted>()? {
            Wanted::Shipped(ship) if op == Op::Ship => self.is_shipped(&ship).await?,
            Wanted::Cancelled { order } if op == Op::CancelOrder => {
                let seen = self.order(&order).await?;
                self.is_cancelled(&seen).then(|| done(order))
            }
            Wanted::Refunded(refund) if op == Op::RecordRefund => self.is_recorded(&refund).await?,
            // Never asked for: it is sent again.
            Wanted::Note { .. } if op == Op::Annotate => return Ok(LookUp::Inconclusive),
            _ => return Err(prepared::not_offered(op)),
        };
        Ok(found.map_or(LookUp::NotFound, LookUp::Found))
    }

    pub(super) async fn order(&self, id: &str) -> Result<Order, Error> {
        let path = format!("{API}/orders/{id}");
        let order: Order = self.get_as(fresh(&format!("{path}?{DIGITS}"))).await?;
        same_object(ErrorClass::Protocol, &path, id, &order.id.to_string())?;
        told(id, "meta_data and refunds", order.all_told())?;
        Ok(order)
    }

    /// Changes an order and returns it as it is then.
    pub(super) async fn change(&self, id: &str, what: &Value) -> Result<Order, Error> {
        let body = what.to_string().into_bytes();
        let path = format!("{API}/orders/{id}");
        let request = Request::put_json(format!("{path}?{DIGITS}"), body);
        let after: Order = self.write(request).await?;
        same_object(ErrorClass::OutcomeUnknown, &path, id, &after.id.to_string())?;
        if !after.all_told() {
            let call = format!("PUT {path}");
            return Err(unseen(&call, "its metadata and its refunds"));
        }
        Ok(after)
    }

    pub(super) fn is_cancelled(&self, order: &Order) -> bool {
        self.settings.standing(&order.status) == Some(Standing::Cancelled)
    }

    async fn cancel(&self, id: &str) -> Result<Outcome, Error> {
        let before = self.order(id).await?;
        if self.is_cancelled(&before) {
            return Ok(done(id.to_owned()));
        }
        // The shop would take it: a cancel lifts an order out of the bin, and puts shipped goods back into stock.
        if before.status == TRASH {
            return Err(conflict(format!("order {id} is in the shop's bin")));
        }
        if self.settings.standing(&before.status) == Some(Standing::Completed) {
            return Err(conflict(format!(
                "order {id} is {} in the shop: a finished order is not cancelled",
                before.status
            )));
        }
        let after = self.change(id, &json!({ "status": "cancelled" })).await?;
        if !self.is_cancelled(&after) {
            return Err(unseen(
                &format!("PUT {API}/orders/{id}"),
                "the order as cancelled",
            ));
        }
        Ok(done(id.to_owned()))
    }

    /// Written unread: a cache may show the order as it was before the last note.
    async fn annotate(&self, id: &str, note: Option<&str>) -> Result<Outcome, Error> {
        // The shop replaces the value of a key and leaves the others; it is not sure that it removes one.
        let value = note.unwrap_or_default();
        let what = json!({ "meta_data": [{ "key": NOTE, "value": value }] });
        let after = self.change(id, &what).await?;
        if noted(&after) != note {
            return Err(unseen(&format!("PUT {API}/orders/{id}"), "the note"));
        }
        Ok(Outcome::Done { id: None })
    }
}

/// Our note in the order's metadata.
fn noted(order: &Order) -> Option<&str> {
    let note = meta(order.meta_data(), NOTE)?.as_str()?;
    Some(note).filter(|note| !note.is_empty())
}

/// Refuses a list of an order where something on it says that it is of another order.
pub(super) fn all_of<'a>(
    order: &str,
    list: &str,
    mut told: impl Iterator<Item = &'a str>,
) -> Result<(), Error> {
    let label = format!("{API}/orders/{order}/{list}");
    told.try_for_each(|told| same_object(ErrorClass::Protocol, &label, order, told))
}

/// Refuses what a write or a look-up would rest on where the answer does not tell all of it: what is absent may be there.
pub(super) fn told(order: &str, what: &str, all: bool) -> Result<(), Error> {
    if all {
        return Ok(());
    }
    let why = format!("order {order}: the shop's answer does not tell all of {what}");
    Err(Error::new(ErrorClass::Protocol, why))
}

pub(super) fn done(id: String) -> Outcome {
    Outcome::Done { id: Some(id) }
}

pub(super) fn conflict(message: String) -> Error {
    Error::new(ErrorClass::Conflict, message)
}

pub(super) fn unseen(call: &str, what: &str) -> Error {
    Error::new(
        ErrorClass::OutcomeUnknown,
        format!("{call}: the shop accepted the call, but its answer does not show {what}"),
    )
    .with_code(Error::NOT_SHOWN)
}
