//! Charges: net amounts and their taxes become gross minor units, and what the rounding moved stands as a charge of its own.

use std::collections::BTreeMap;

use hikiate_sdk::{Charge, ChargeKind, Currency, Decimal, LineKey, MoneyError, TaxSum};
use serde_json::Value;

use super::number;
use crate::config::Settings;
use crate::wire::{FeeLine, Line, LineTax, Order, ShippingLine, TaxLine};

pub(crate) fn decimal(field: &str, text: &str) -> Result<Decimal, String> {
    text.trim()
        .parse()
        .map_err(|e: MoneyError| format!("{field}: {e}"))
}

/// Minor units, rounded half up.
///
/// # Errors
/// The field and why.
pub(crate) fn minor(field: &str, text: &str, currency: Currency) -> Result<i64, String> {
    rounded(field, decimal(field, text)?, currency).map(|(value, _)| value)
}

fn rounded(field: &str, amount: Decimal, currency: Currency) -> Result<(i64, bool), String> {
    amount
        .to_minor(currency)
        .map_err(|e| format!("{field}: {e}"))
}

fn sum(field: &str, a: Decimal, b: Decimal) -> Result<Decimal, String> {
    a.checked_add(b).map_err(|e| format!("{field}: {e}"))
}

/// A quantity: whole, not negative.
///
/// # Errors
/// The field and why.
pub(crate) fn whole(field: &str, value: &Value) -> Result<u32, String> {
    let text = number(value).unwrap_or_default();
    // A currency without minor units reads a decimal as a whole number and says whether it was one.
    let read = decimal(field, &text)
        .ok()
        .and_then(|amount| amount.to_minor(Currency::JPY).ok());
    let read = read.filter(|(_, exact)| *exact);
    read.and_then(|(value, _)| u32::try_from(value).ok())
        .ok_or_else(|| format!("{field}: not a quantity: only whole numbers from 0 are valid"))
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

/// The rates of an order by their ids, in basis points.
pub(super) struct Rates(BTreeMap<u64, Rate>);

struct Rate {
    /// `None` where the shop does not tell it.
    bp: Option<u32>,
    /// It is a tax on amounts with the others in them.
    compound: bool,
}

impl Rates {
    pub(super) fn read(lines: &[TaxLine]) -> Result<Self, String> {
        let mut rates = BTreeMap::new();
        for line in lines {
            let field = "tax_lines.rate_percent";
            let percent = line.rate_percent.as_deref();
            let bp = percent.map(|text| {
                let percent = decimal(field, text)?;
                percent
                    .to_basis_points()
                    .map_err(|e| format!("{field}: {e}"))
            });
            let rate = Rate {
                bp: bp.transpose()?,
                compound: line.compound,
            };
            rates.insert(line.rate_id, rate);
        }
        Ok(Self(rates))
    }

    /// The rate of an amount: those of its taxes together. Taxes upon taxes have no single rate, and without a tax the shop has
    /// said nothing of one.
    pub(super) fn of(&self, taxes: &[LineTax]) -> Option<u32> {
        let applied: Vec<&Rate> = taxes
            .iter()
            .filter(|tax| tax.total.is_some())
            .map(|tax| self.0.get(&tax.id))
            .collect::<Option<_>>()?;
        if applied.is_empty() || applied.len() > 1 && applied.iter().any(|rate| rate.compound) {
            return None;
        }
        applied
            .iter()
            .try_fold(0_u32, |sum, rate| sum.checked_add(rate.bp?))
    }
}

/// A net amount and what is taxed on it.
pub(super) struct Priced<'a> {
    net: &'a str,
    tax: Option<&'a str>,
    pub(super) taxes: &'a [LineTax],
}

impl<'a> Priced<'a> {
    pub(super) fn line(line: &'a Line) -> Self {
        Self {
            net: &line.total,
            tax: line.total_tax.as_deref(),
            taxes: &line.taxes,
        }
    }

    fn shipping(line: &'a ShippingLine) -> Self {
        Self {
            net: &line.total,
            tax: line.total_tax.as_deref(),
            taxes: &line.taxes,
        }
    }

    fn fee(line: &'a FeeLine) -> Self {
        Self {
            net: &line.total,
            tax: line.total_tax.as_deref(),
            taxes: &line.taxes,
        }
    }

    /// Net and tax, rounded once; unknown while the tax is.
    pub(super) fn gross(&self, field: &str, currency: Currency) -> Result<Option<i64>, String> {
        let Some(tax) = self.tax else { return Ok(None) };
        let net = decimal(&format!("{field}.total"), self.net)?;
        let tax = decimal(&format!("{field}.total_tax"), tax)?;
        let gross = sum(field, net, tax)?;
        rounded(field, gross, currency).map(|(value, _)| Some(value))
    }

    /// The tax, where the shop states one that needs no rounding.
    fn stated(&self, field: &str, currency: Currency) -> Result<Option<i64>, String> {
        let Some(tax) = self.tax else { return Ok(None) };
        let field = format!("{field}.total_tax");
        let (value, exact) = rounded(&field, decimal(&field, tax)?, currency)?;
        Ok(exact.then_some(value))
    }

    fn charge(
        &self,
        field: &str,
        kind: ChargeKind,
        rates: &Rates,
        currency: Currency,
    ) -> Result<Charge, String> {
        Ok(Charge {
            kind,
            line: None,
            gross: self.gross(field, currency)?,
            tax: self.stated(field, currency)?,
            tax_rate_bp: rates.of(self.taxes),
            tax_class: None,
            sponsor: None,
        })
    }
}

/// Standard has no name.
fn class(name: Option<&String>) -> Option<String> {
    name.filter(|name| !name.is_empty()).cloned()
}

/// One charge per line, shipping line and fee, discounts already in them, and what is left.
pub(super) fn charges(
    order: &Order,
    lines: &[&Line],
    total: i64,
    rates: &Rates,
    settings: &Settings,
    currency: Currency,
) -> Result<Vec<Charge>, String> {
    let mut charges = Vec::with_capacity(lines.len() + 3);
    for line in lines {
        let priced = Priced::line(line);
        charges.push(Charge {
            line: Some(LineKey::new(line.id.to_string())),
            tax_class: class(line.tax_class.as_ref()),
            ..priced.charge("line_items", ChargeKind::Goods, rates, currency)?
        });
    }
    let mut shipping: Vec<&ShippingLine> = order.shipping_lines.iter().collect();
    shipping.sort_by_key(|line| line.id);
    for line in shipping {
        let priced = Priced::shipping(line);
        charges.push(priced.charge("shipping_lines", ChargeKind::Postage, rates, currency)?);
    }
    let mut fees: Vec<&FeeLine> = order.fee_lines.iter().collect();
    fees.sort_by_key(|line| line.id);
    for fee in fees {
        let priced = Priced::fee(fee);
        let told = fee.name.as_ref().and_then(|name| settings.fees.get(name));
        let below_zero = priced.gross("fee_lines", currency)?.is_some_and(|n| n < 0);
        let kind = match told {
            Some(kind) => *kind,
            None if below_zero => ChargeKind::Discount,
            None => ChargeKind::Other,
        };
        charges.push(Charge {
            tax_class: class(fee.tax_class.as_ref()),
            ..priced.charge("fee_lines", kind, rates, currency)?
        });
    }
    charges.extend(rounding(&charges, total));
    Ok(charges)
}

/// What rounding the amounts one by one moved. A larger difference is not rounding; it stays visible as one.
fn rounding(charges: &[Charge], total: i64) -> Option<Charge> {
    let parts = charges.iter().map(|charge| charge.gross.map(i128::from));
    let parts: i128 = parts.sum::<Option<i128>>()?;
    let most = i64::try_from(charges.len()).unwrap_or(i64::MAX);
    let moved = i64::try_from(i128::from(total) - parts).ok()?;
    (moved != 0 && (-most..=most).contains(&moved)).then_some(Charge {
        kind: ChargeKind::Rounding,
        line: None,
        gross: Some(moved),
        tax: Some(0),
        tax_rate_bp: Some(0),
        tax_class: None,
        sponsor: None,
    })
}

/// The sums of tax that the buyer is billed, by rate; none where one of them is no single rate or is not rounded.
pub(super) fn taxes(
    order: &Order,
    rates: &Rates,
    currency: Currency,
) -> Result<Vec<TaxSum>, String> {
    let mut sums: BTreeMap<u32, i64> = BTreeMap::new();
    for line in &order.tax_lines {
        let rate = rates.0.get(&line.rate_id);
        let Some(bp) = rate.filter(|rate| !rate.compound).and_then(|rate| rate.bp) else {
            return Ok(Vec::new());
        };
        let field = "tax_lines.tax_total";
        let mut tax = decimal(field, &line.tax_total)?;
        if let Some(shipping) = &line.shipping_tax_total {
            tax = sum(
                field,
                tax,
                decimal("tax_lines.shipping_tax_total", shipping)?,
            )?;
        }
        let (tax, exact) = rounded(field, tax, currency)?;
        if !exact {
            return Ok(Vec::new());
        }
        let sum = sums.entry(bp).or_default();
        *sum = sum.saturating_add(tax);
    }
    // Several rates on one amount are one rate of the charges, and no sum of the shop is that of it.
    let alone = |taxes: &[LineTax]| taxes.iter().filter(|tax| tax.total.is_some()).count() <= 1;
    let all_alone = order.line_items.iter().all(|line| alone(&line.taxes))
        && order.shipping_lines.iter().all(|line| alone(&line.taxes))
        && order.fee_lines.iter().all(|line| alone(&line.taxes));
    let sums = sums.into_iter().filter(|_| all_alone);
    Ok(sums
        .map(|(rate_bp, tax)| TaxSum {
            rate_bp,
            gross: None,
            tax,
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_whole_quantities_are_shipped() {
        for (value, want) in [
            (json!(2), Some(2)),
            (json!("2"), Some(2)),
            (json!(2.0), Some(2)),
            (json!(0.5), None),
            (json!(-1), None),
            (json!(null), None),
            (json!("two"), None),
        ] {
            assert_eq!(whole("q", &value).ok(), want, "{value}");
        }
    }

    #[test]
    fn an_amount_that_the_shop_leaves_blank_is_named_as_blank() {
        assert_eq!(
            minor("total", " ", Currency::JPY),
            Err("total: (blank) is not a decimal amount".to_owned())
        );
    }

    #[test]
    fn one_pieces_share_is_rounded_half_up() {
        assert_eq!(each(2975, 2), Some(1488));
        assert_eq!(each(-2975, 2), Some(-1488));
        assert_eq!(each(500, 0), None);
    }
}
