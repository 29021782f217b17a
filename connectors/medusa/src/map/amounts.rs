//! Charges: unrounded decimals become minor units, and what the rounding moved stands as a charge of its own.

use hikiate_sdk::{Charge, ChargeKind, Currency, Decimal, LineKey, MoneyError};
use serde_json::Number;

use crate::wire::{Item, Order, ShippingMethod, TaxLine};

fn decimal(field: &str, number: &Number) -> Result<Decimal, String> {
    number
        .to_string()
        .parse()
        .map_err(|e: MoneyError| format!("{field}: {e}"))
}

/// Minor units, rounded half up.
///
/// # Errors
/// The field and why.
pub(crate) fn minor(field: &str, number: &Number, currency: Currency) -> Result<i64, String> {
    decimal(field, number)?
        .to_minor(currency)
        .map(|(value, _)| value)
        .map_err(|e| format!("{field}: {e}"))
}

/// A tax in minor units, where the shop states one that needs no rounding.
fn stated(field: &str, number: &Number, currency: Currency) -> Result<Option<i64>, String> {
    let (value, exact) = decimal(field, number)?
        .to_minor(currency)
        .map_err(|e| format!("{field}: {e}"))?;
    Ok(exact.then_some(value))
}

/// The exact sum, rounded once.
///
/// # Errors
/// The field and why.
pub(crate) fn sum<'a>(
    field: &str,
    numbers: impl Iterator<Item = &'a Number>,
    currency: Currency,
) -> Result<i64, String> {
    let mut total = Decimal::ZERO;
    for number in numbers {
        total = total
            .checked_add(decimal(field, number)?)
            .map_err(|e| format!("{field}: {e}"))?;
    }
    total
        .to_minor(currency)
        .map(|(value, _)| value)
        .map_err(|e| format!("{field}: {e}"))
}

/// A quantity: whole, not negative.
///
/// # Errors
/// The field and why.
pub(crate) fn whole(field: &str, number: &Number) -> Result<u32, String> {
    // A currency without minor units reads a decimal as a whole number and says whether it was one.
    let (value, exact) = decimal(field, number)?
        .to_minor(Currency::JPY)
        .map_err(|e| format!("{field}: {e}"))?;
    match u32::try_from(value) {
        Ok(quantity) if exact => Ok(quantity),
        _ => Err(format!(
            "{field}: {number} is not a quantity: only whole numbers from 0 are valid"
        )),
    }
}

/// One piece's share of a line, rounded half up.
pub(super) fn each(gross: i64, quantity: u32) -> Option<i64> {
    let quantity = i64::from(quantity);
    let doubled =
        gross
            .checked_mul(2)?
            .checked_add(if gross < 0 { -quantity } else { quantity })?;
    doubled.checked_div(quantity.checked_mul(2)?)
}

/// A line below zero without a code is a price reduction and no goods.
pub(super) fn is_discount(item: &Item, gross: i64) -> bool {
    gross < 0 && item.sku().is_none()
}

/// The rate in basis points. Several taxes add up where the tax in the amount is what their sum says; a shop that
/// compounds them has no single rate.
pub(super) fn rate(
    field: &str,
    lines: &[TaxLine],
    tax: Option<&Number>,
    gross: i64,
    currency: Currency,
) -> Result<Option<u32>, String> {
    let tax = tax
        .map(|number| minor(&format!("{field}.tax_total"), number, currency))
        .transpose()?;
    let mut sum = 0_u32;
    for line in lines {
        let field = format!("{field}.tax_lines.rate");
        let rate = decimal(&field, &line.rate)?
            .to_basis_points()
            .map_err(|e| format!("{field}: {e}"))?;
        sum = sum.saturating_add(rate);
    }
    Ok(match lines {
        // Without a tax line the shop has said nothing of a rate.
        [] => None,
        [_] => Some(sum),
        _ => {
            let (gross, rate) = (i128::from(gross), i128::from(sum));
            let expected = gross * rate / (10_000 + rate);
            tax.is_some_and(|tax| (i128::from(tax) - expected).abs() <= 1)
                .then_some(sum)
        }
    })
}

/// One charge per line and shipping method by their totals, discounts already in them, and what is left.
pub(super) fn charges(
    order: &Order,
    items: &[&Item],
    total: i64,
    currency: Currency,
) -> Result<Vec<Charge>, String> {
    let mut charges = Vec::with_capacity(items.len() + 3);
    for item in items {
        let gross = minor("items.total", &item.total, currency)?;
        charges.push(Charge {
            kind: if is_discount(item, gross) {
                ChargeKind::Discount
            } else {
                ChargeKind::Goods
            },
            line: Some(LineKey::new(item.id.clone())),
            gross: Some(gross),
            tax: item
                .tax_total
                .as_ref()
                .map(|tax| stated("items.tax_total", tax, currency))
                .transpose()?
                .flatten(),
            tax_rate_bp: rate(
                "items",
                &item.tax_lines,
                item.tax_total.as_ref(),
                gross,
                currency,
            )?,
            tax_class: None,
            sponsor: None,
        });
    }
    let mut methods: Vec<&ShippingMethod> = order.shipping_methods.iter().collect();
    methods.sort_by(|a, b| a.id.cmp(&b.id));
    for method in methods {
        let gross = minor("shipping_methods.total", &method.total, currency)?;
        charges.push(Charge {
            kind: ChargeKind::Postage,
            line: None,
            gross: Some(gross),
            tax: method
                .tax_total
                .as_ref()
                .map(|tax| stated("shipping_methods.tax_total", tax, currency))
                .transpose()?
                .flatten(),
            tax_rate_bp: rate(
                "shipping_methods",
                &method.tax_lines,
                method.tax_total.as_ref(),
                gross,
                currency,
            )?,
            tax_class: None,
            sponsor: None,
        });
    }
    let credit = order
        .credit_line_total
        .as_ref()
        .map(|n| minor("credit_line_total", n, currency))
        .transpose()?;
    if let Some(credit) = credit.filter(|credit| *credit != 0) {
        // A refund or store credit; the shop does not tell its tax, and unknown is not zero.
        charges.push(amount(ChargeKind::Other, credit.saturating_neg(), None));
    }
    let parts: i128 = charges
        .iter()
        .filter_map(|charge| charge.gross)
        .map(i128::from)
        .sum();
    let most = i64::try_from(charges.len()).unwrap_or(i64::MAX);
    // A larger difference is not rounding; it stays visible as one.
    match i64::try_from(i128::from(total) - parts) {
        Ok(moved) if moved != 0 && (-most..=most).contains(&moved) => {
            charges.push(amount(ChargeKind::Rounding, moved, Some(0)));
        }
        _ => {}
    }
    Ok(charges)
}

fn amount(kind: ChargeKind, gross: i64, tax: Option<i64>) -> Charge {
    let tax_rate_bp = tax.map(|_| 0);
    Charge {
        kind,
        line: None,
        gross: Some(gross),
        tax,
        tax_rate_bp,
        tax_class: None,
        sponsor: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_pieces_share_is_rounded_half_up() {
        assert_eq!(each(2975, 2), Some(1488));
        assert_eq!(each(-2975, 2), Some(-1488));
        assert_eq!(each(1000, 3), Some(333));
        assert_eq!(each(0, 3), Some(0));
        assert_eq!(each(500, 0), None);
    }

    #[test]
    fn only_whole_quantities_are_shipped() {
        let read = |text: &str| serde_json::from_str::<Number>(text).map(|n| whole("q", &n));
        assert_eq!(read("2").ok(), Some(Ok(2)));
        assert_eq!(read("2.0").ok(), Some(Ok(2)));
        for bad in ["-1", "0.5", "4294967296", "1e20"] {
            assert!(read(bad).is_ok_and(|r| r.is_err()), "{bad}");
        }
    }
}
