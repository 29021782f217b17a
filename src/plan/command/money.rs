//! What an operator says about amounts: a tax rate that the channel does not tell, a refund that it does not know.

use super::super::tax::name_of;
use super::{Now, Wish, WishedFact};
use crate::facts::{FactBody, RefundExplainedFact, RefundReason, TaxRateFact};

/// `order tax`: `rate_bp` in basis points.
///
/// # Errors
/// That the order has no such amount, or that the channel tells its rate.
pub fn tax_rate(on: Now<'_>, line: &str, rate_bp: u32, reason: &str) -> Result<Wish, String> {
    let view = on.ours()?;
    let charged = view.charged();
    let charges = charged.as_ref().map_or(&[][..], |charged| &charged.items);
    let named: Vec<_> = charges
        .iter()
        .filter(|charge| name_of(charge) == line)
        .collect();
    let channel = &view.input.channel;
    if charged.is_none() {
        return Err(format!(
            "{channel} has not fixed all amounts of order {}: wait, or fix them there",
            view.input.number
        ));
    }
    if named.is_empty() {
        let unknown = charges.iter().filter(|charge| charge.tax_rate_bp.is_none());
        let names: Vec<String> = unknown.map(|charge| name_of(charge)).collect();
        return Err(if names.is_empty() {
            format!(
                "{channel} reports the tax rate of every amount of order {}",
                view.input.number
            )
        } else {
            format!(
                "order {} has no amount {line:?}; without a rate: {}",
                view.input.number,
                names.join(", ")
            )
        });
    }
    if named.iter().all(|charge| charge.tax_rate_bp.is_some()) {
        return Err(format!(
            "{channel} reports the tax rate of {line}: correct it there, and it is fetched again"
        ));
    }
    let (whole, part) = (rate_bp / 100, rate_bp % 100);
    let mut wish = Wish::default();
    wish.does
        .push(format!("{line} is taxed at {whole}.{part:02} %"));
    let booked = view.input.revenue.iter().any(|row| row.tax_of.rate_bp != 0);
    if booked {
        wish.stays
            .push("booked entries stay; the difference is booked".to_owned());
    }
    let body = FactBody::TaxRate(TaxRateFact {
        line: line.to_owned(),
        rate_bp,
        reason: reason.to_owned(),
    });
    wish.facts
        .push(WishedFact::again(format!("tax_rate:{line}"), body));
    Ok(wish)
}

/// `order refund-is`.
///
/// # Errors
/// That no such refund waits for it.
pub fn refund_is(
    on: Now<'_>,
    refund: &str,
    is: RefundReason,
    reason: &str,
) -> Result<Wish, String> {
    let view = on.ours()?;
    // One that was explained before may be explained otherwise.
    let told = view.order.tenders.iter().flat_map(|tender| &tender.refunds);
    let before = told.filter(|refund| view.fold.refund_reasons.contains_key(&refund.key));
    let waiting: Vec<_> = view.untold_refunds().chain(before).collect();
    let Some(found) = waiting.iter().find(|seen| seen.key.as_str() == refund) else {
        let names: Vec<String> = waiting.iter().map(|seen| seen.key.to_string()).collect();
        return Err(match names.as_slice() {
            [] => format!(
                "order {} has no refund that needs an explanation",
                view.input.number
            ),
            names => format!(
                "no refund {refund:?} needs an explanation; these do: {}",
                names.join(", ")
            ),
        });
    };
    let amount = view.money(found.amount);
    let mut wish = Wish::default();
    wish.does.push(match is {
        RefundReason::Discount => format!("{amount} is deducted from the order's charges"),
        RefundReason::Return => {
            format!("{amount} is deducted from the order's charges, for returned goods")
        }
        RefundReason::Mistake => {
            format!("{amount} was refunded by mistake: the customer owes it")
        }
    });
    if is == RefundReason::Return {
        wish.stays
            .push("stock follows the warehouse's count".to_owned());
    }
    let body = FactBody::RefundExplained(RefundExplainedFact {
        refund: found.key.clone(),
        is,
        reason: reason.to_owned(),
    });
    wish.facts.push(WishedFact::again(
        format!("refund_explained:{refund}"),
        body,
    ));
    Ok(wish)
}
