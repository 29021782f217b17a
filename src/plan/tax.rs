//! Tax: the rate of each charge, and the tax inside a running total, rounded once for it.

use hikiate_sdk::{Charge, ChargeKind};

use super::charges::Charged;
use super::types::TaxOf;
use super::view::View;
use crate::policy::TaxRounding;

/// What tax is rounded once for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Bucket {
    pub(crate) of: TaxOf,
    /// What rounding moved; it has no tax.
    pub(crate) rounding: bool,
}

/// `amount × part / whole`; `whole` is positive and the quotient fits, being a part of an amount.
fn quotient(amount: i64, part: i64, whole: i64, rounding: TaxRounding) -> i64 {
    let product = i128::from(amount) * i128::from(part);
    let (size, whole) = (product.abs(), i128::from(whole).max(1));
    let rounded = match rounding {
        TaxRounding::Floor => size / whole,
        TaxRounding::HalfUp => (size + whole / 2) / whole,
        TaxRounding::Ceiling => (size + whole - 1) / whole,
    };
    i64::try_from(rounded * product.signum()).unwrap_or(0)
}

/// The tax inside a gross amount at a rate in basis points.
#[must_use]
pub fn tax_inside(gross: i64, rate_bp: i32, rounding: TaxRounding) -> i64 {
    let rate = i64::from(rate_bp);
    quotient(gross, rate, 10_000 + rate, rounding)
}

/// A sum of tax as the channel states it, for a gross amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stated {
    pub(crate) gross: i64,
    pub(crate) tax: i64,
}

impl Stated {
    /// The tax of a part of its gross amount; all of it is what is stated.
    pub(crate) fn of(self, gross: i64, rounding: TaxRounding) -> i64 {
        let sign = self.gross.signum();
        quotient(self.tax * sign, gross, self.gross * sign, rounding)
    }
}

/// The name of an amount for `hikiate order tax`: its line, or its kind.
pub(crate) fn name_of(charge: &Charge) -> String {
    match &charge.line {
        Some(line) => line.to_string(),
        None => kind_of(charge.kind).to_owned(),
    }
}

/// The word of a kind of charge, as facts have it.
pub(crate) fn kind_of(kind: ChargeKind) -> &'static str {
    match kind {
        ChargeKind::Goods => "goods",
        ChargeKind::Postage => "postage",
        ChargeKind::CodFee => "cod_fee",
        ChargeKind::PaymentFee => "payment_fee",
        ChargeKind::Wrapping => "wrapping",
        ChargeKind::Discount => "discount",
        ChargeKind::Coupon => "coupon",
        ChargeKind::Rounding => "rounding",
        ChargeKind::Other => "other",
    }
}

impl View<'_> {
    /// The rate of a charge: as told, as a later reading tells it, as an operator gave it, or as configured for its
    /// channel. `None` is unknown.
    fn rate(&self, charged: &Charged<'_>, charge: &Charge) -> Option<u32> {
        if charge.kind == ChargeKind::Rounding {
            return Some(0);
        }
        let name = name_of(charge);
        // What a later reading tells of the same amount was so all the time.
        let told_now = || {
            let named = |of: &&Charge| name_of(of) == name;
            let mut then = charged.order.charges.iter().filter(named);
            let nth = then.position(|of| std::ptr::eq(of, charge))?;
            let now = self.order.charges.iter().filter(named).nth(nth)?;
            now.tax_rate_bp
        };
        charge
            .tax_rate_bp
            .or_else(told_now)
            .or_else(|| self.fold.tax_rates.get(name.as_str()).copied())
            .or(self.channel.default_tax)
    }

    /// Amounts that have only the rate that is configured for their channel; booked, they keep it.
    pub(crate) fn by_default(&self, charged: &Charged<'_>) -> Vec<(String, u32)> {
        let Some(rate) = self.channel.default_tax else {
            return Vec::new();
        };
        let mut names: Vec<String> = charged
            .items
            .iter()
            .filter(|charge| charge.tax_rate_bp.is_none() && charge.kind != ChargeKind::Rounding)
            .map(|charge| name_of(charge))
            .filter(|name| !self.fold.tax_rates.contains_key(name.as_str()))
            .collect();
        names.sort();
        names.dedup();
        names.into_iter().map(|name| (name, rate)).collect()
    }

    /// What a charge is taxed by; `None` while its rate is unknown.
    pub(crate) fn bucket(&self, charged: &Charged<'_>, charge: &Charge) -> Option<Bucket> {
        let rate = self.rate(charged, charge)?;
        let rounding = charge.kind == ChargeKind::Rounding;
        let line = charge.line.as_ref();
        let group = line
            .and_then(|key| charged.order.lines.iter().find(|line| line.key == *key))
            .map(|line| &line.group)
            .or_else(|| charged.order.groups.first().map(|group| &group.key));
        let country = group.and_then(|key| charged.features.groups.get(key.as_str()));
        let of = if rounding {
            TaxOf::default()
        } else {
            TaxOf {
                rate_bp: i32::try_from(rate).unwrap_or(i32::MAX),
                country: country.map_or_else(String::new, |of| of.country.clone()),
                class: charge.tax_class.clone().unwrap_or_default(),
            }
        };
        Some(Bucket { of, rounding })
    }

    /// The tax that the channel states for all that the buyer is billed in a bucket: as a sum, or amount by amount.
    pub(crate) fn stated(&self, charged: &Charged<'_>, bucket: &Bucket) -> Option<Stated> {
        let mut gross = 0_i64;
        let mut tax = Some(0_i64);
        let mut others = false;
        for charge in &charged.items {
            match self.bucket(charged, charge) {
                Some(of) if of == *bucket => {
                    gross = gross.saturating_add(charge.gross?);
                    // Tax without a rate says nothing, not even when it is 0.
                    let told = charge.tax_rate_bp.is_some() && charge.sponsor.is_none();
                    let told = charge.tax.filter(|_| told);
                    tax = tax.zip(told).map(|(sum, tax)| sum.saturating_add(tax));
                }
                Some(of) if !of.rounding => others |= of.of.rate_bp == bucket.of.rate_bp,
                _ => {}
            }
        }
        // A sum by rate alone says nothing of two countries or classes.
        let mut sums = charged.order.taxes.iter().filter(|_| !others);
        let sum = sums.find(|sum| i32::try_from(sum.rate_bp) == Ok(bucket.of.rate_bp));
        let stated = match sum {
            Some(sum) => Stated {
                gross: sum.gross.unwrap_or(gross),
                tax: sum.tax,
            },
            None => Stated { gross, tax: tax? },
        };
        (stated.gross != 0).then_some(stated)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MODES: [TaxRounding; 3] = [
        TaxRounding::Floor,
        TaxRounding::HalfUp,
        TaxRounding::Ceiling,
    ];

    #[test]
    fn tax_is_taken_from_inside_and_rounded_as_configured() {
        let inside = |gross, rate| MODES.map(|mode| tax_inside(gross, rate, mode));
        assert_eq!(inside(1100, 1000), [100, 100, 100]);
        assert_eq!(inside(1959, 1000), [178, 178, 179]);
        assert_eq!(inside(481, 800), [35, 36, 36]);
        assert_eq!(inside(-481, 800), [-35, -36, -36]);
        assert_eq!(inside(1080, 1000), [98, 98, 99]);
        assert_eq!(inside(500, 0), [0, 0, 0]);
    }

    proptest! {
        #[test]
        fn parts_of_a_stated_sum_end_at_it(gross in 1_i64..10_000_000, tax in 0_i64..1_000_000, part in 0_i64..10_000_000) {
            let stated = Stated { gross, tax };
            for mode in MODES {
                prop_assert_eq!(stated.of(gross, mode), tax);
                prop_assert_eq!(stated.of(0, mode), 0);
                let off = stated.of(part, mode) as i128 * i128::from(gross) - i128::from(tax) * i128::from(part);
                prop_assert!(off.abs() < i128::from(gross));
                let credit = Stated { gross: -gross, tax: -tax };
                prop_assert_eq!(credit.of(-part, mode), -stated.of(part, mode));
            }
        }
    }
}
