//! Recording a refund that was made elsewhere. The shop makes the record first and our mark on it after that, so what is refunded
//! in all is looked at too: a record without a mark is never made a second time.

use hikiate_sdk::http::Request;
use hikiate_sdk::{Currency, Error, ErrorClass, Outcome, RefundedLine};
use serde_json::{Number, Value, json};

use super::prepared::{self, line_id};
use super::push::{all_of, conflict, done, told, unseen};
use super::{API, WooCommerce};
use crate::map::{REFUND, minor};
use crate::wire::{self, Line, Order};

/// What the shop says where it did not record a refund, with a status that says that anything may have happened.
const REFUSED: &str = "woocommerce_rest_cannot_create_order_refund";

impl WooCommerce {
    pub(super) async fn record(&self, wanted: &prepared::Refund) -> Result<Outcome, Error> {
        let order = self.order(&wanted.order).await?;
        let before = self.recorded(&wanted.order).await?;
        if let Some(ours) = ours(&before, wanted) {
            return Ok(done(ours));
        }
        may_record(&order, &before, wanted)?;
        let body = body(&order, wanted, &self.settings.refund_reason)?;
        let path = format!("{API}/orders/{}/refunds", wanted.order);
        let request = Request::post_json(path.clone(), body.to_string().into_bytes());
        let made: wire::Refund = match self.write(request).await {
            Ok(made) => made,
            // The status says nothing: what there is now does.
            Err(error) if error.code.as_deref() == Some(REFUSED) => {
                let after = self
                    .recorded(&wanted.order)
                    .await
                    .map_err(|_| error.clone())?;
                return match ours(&after, wanted) {
                    Some(ours) => Ok(done(ours)),
                    None if after.len() == before.len() => Err(conflict(error.message)),
                    None => Err(error),
                };
            }
            Err(error) => return Err(error),
        };
        if !is_ours(&made, wanted) {
            return Err(unseen(&format!("POST {path}"), "the refund with our key"));
        }
        Ok(done(made.id.to_string()))
    }

    pub(super) async fn is_recorded(
        &self,
        wanted: &prepared::Refund,
    ) -> Result<Option<Outcome>, Error> {
        let known = self.recorded(&wanted.order).await?;
        Ok(ours(&known, wanted).map(done))
    }

    pub(super) async fn recorded(&self, order: &str) -> Result<Vec<wire::Refund>, Error> {
        let answer = self.refunds_of(order).await?;
        let refunds: Vec<wire::Refund> = serde_json::from_str(answer.get()).map_err(|_| {
            let why = "the shop's refunds do not match its API";
            Error::new(ErrorClass::Protocol, format!("order {order}: {why}"))
        })?;
        let of = refunds.iter().filter_map(|one| wire::order_of(&one.links));
        all_of(order, "refunds", of)?;
        told(order, "refunds", refunds.iter().all(wire::Refund::all_told))?;
        Ok(refunds)
    }
}

fn is_ours(refund: &wire::Refund, wanted: &prepared::Refund) -> bool {
    let mark = wire::meta(refund.meta_data(), REFUND);
    mark.and_then(Value::as_str) == Some(&wanted.key)
}

fn ours(refunds: &[wire::Refund], wanted: &prepared::Refund) -> Option<String> {
    let ours = refunds.iter().find(|refund| is_ours(refund, wanted));
    ours.map(|refund| refund.id.to_string())
}

/// Whether nobody has recorded it yet, and the shop has as much left to refund.
fn may_record(
    order: &Order,
    before: &[wire::Refund],
    wanted: &prepared::Refund,
) -> Result<(), Error> {
    let unreadable = |why: String| {
        Error::new(
            ErrorClass::Protocol,
            format!(
                "order {}: the shop's answer cannot be used: {why}",
                wanted.order
            ),
        )
    };
    let currency = wanted.currency;
    if !order.currency.eq_ignore_ascii_case(currency.code()) {
        return Err(conflict(format!(
            "order {} is in {}, not in {currency}",
            wanted.order, order.currency
        )));
    }
    let total = minor("total", &order.total, currency).map_err(unreadable)?;
    let mut refunded = 0_i64;
    for refund in before {
        let amount = minor("refunds.amount", &refund.amount, currency).map_err(unreadable)?;
        refunded = refunded.saturating_add(amount);
    }
    let money = |minor| format!("{} {currency}", currency.format(minor));
    let after = refunded.saturating_add(wanted.amount);
    if after > wanted.expected_refunded_total {
        return Err(conflict(format!(
            "order {}: the shop shows {} as refunded already; with this it would be {}, but {} are expected: another party has recorded it",
            wanted.order,
            money(refunded),
            money(after),
            money(wanted.expected_refunded_total)
        )));
    }
    if after > total {
        return Err(conflict(format!(
            "order {}: {} cannot be recorded as refunded: the order's total is {}, of which {} are refunded",
            wanted.order,
            money(wanted.amount),
            money(total),
            money(refunded)
        )));
    }
    Ok(())
}

fn body(order: &Order, wanted: &prepared::Refund, reason: &str) -> Result<Value, Error> {
    let currency = wanted.currency;
    let mut lines = Vec::with_capacity(wanted.lines.len());
    for line in &wanted.lines {
        let id = line_id(line.line.as_str())?;
        let Some(of) = order.line_items.iter().find(|known| known.id == id) else {
            return Err(conflict(format!(
                "the order no longer has line {id}: it was edited in the shop"
            )));
        };
        lines.push(refunded_line(of, line, currency)?);
    }
    Ok(json!({
        "amount": currency.format(wanted.amount),
        // The shop prints it in the buyer's mail and account: what the operator typed is not for the buyer.
        "reason": reason,
        // Both are true by default: the shop would pay it a second time and put the goods back on sale.
        "api_refund": false,
        "api_restock": false,
        "line_items": lines,
        "meta_data": [{ "key": REFUND, "value": wanted.key }],
    }))
}

/// A line's share as the shop keeps it: the taxes in proportion, and what is left is net.
fn refunded_line(of: &Line, refunded: &RefundedLine, currency: Currency) -> Result<Value, Error> {
    let read = |field: &str, text: &str| {
        minor(field, text, currency).map_err(|why| Error::new(ErrorClass::Protocol, why))
    };
    let tax = of.total_tax.as_deref().unwrap_or("0");
    let gross = i128::from(read("line_items.total", &of.total)?)
        + i128::from(read("line_items.total_tax", tax)?);
    let mut net = refunded.amount;
    let mut taxes = Vec::new();
    for tax in &of.taxes {
        let Some(total) = tax.total.as_deref() else {
            continue;
        };
        let on_line = i128::from(read("line_items.taxes.total", total)?);
        let share = share(i128::from(refunded.amount), on_line, gross);
        net = net.saturating_sub(share);
        taxes.push(json!({ "id": tax.id, "refund_total": decimal(share, currency)? }));
    }
    Ok(json!({
        "id": of.id,
        "quantity": refunded.quantity,
        "refund_total": decimal(net, currency)?,
        "refund_tax": taxes,
    }))
}

/// `amount × part ÷ whole`, rounded half up; nothing of nothing.
fn share(amount: i128, part: i128, whole: i128) -> i64 {
    let doubled = amount.saturating_mul(part).saturating_mul(2);
    let share = doubled
        .saturating_add(whole)
        .checked_div(whole.saturating_mul(2));
    share.and_then(|n| i64::try_from(n).ok()).unwrap_or(0)
}

/// Minor units as the decimal number that the shop takes.
fn decimal(minor: i64, currency: Currency) -> Result<Number, Error> {
    let text = currency.format(minor);
    serde_json::from_str(&text).map_err(|_| {
        Error::new(
            ErrorClass::Rejected,
            format!("amount: {text} is not a number"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_rounded_half_up_and_nothing_of_nothing() {
        assert_eq!(share(1000, 100, 1100), 91);
        assert_eq!(share(1100, 100, 1100), 100);
        assert_eq!(share(5, 1, 2), 3);
        assert_eq!(share(1000, 0, 1000), 0);
        assert_eq!(share(1000, 0, 0), 0);
    }
}
