//! Amounts: integers of the currency's minor unit, converted from decimal text at the edge.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text::quote_value;

/// Why an amount or a currency could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// The text is no ISO 4217 code.
    #[error(
        "{} is not a currency code: use three letters, for example JPY",
        quote_value(_0)
    )]
    Currency(String),
    /// The text is no decimal number.
    #[error("{} is not a decimal amount", quote_value(_0))]
    Decimal(String),
    /// The number does not fit 64 bits of minor units.
    #[error("the amount {} is too large", quote_value(_0))]
    Overflow(String),
    /// The amount has a part that the other unit cannot express: it would have to be rounded, and is not.
    #[error("{0} is a fraction of what can be expressed there")]
    Fraction(String),
}

/// An ISO 4217 currency code, upper case.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema)]
#[schemars(with = "String")]
pub struct Currency([u8; 3]);

impl Currency {
    /// The yen.
    pub const JPY: Self = Self(*b"JPY");
    /// The euro.
    pub const EUR: Self = Self(*b"EUR");

    /// The codes of ISO 4217 for money that is paid with, sorted. What was stored before is read whatever its code is.
    #[rustfmt::skip]
    pub const LISTED: &'static [&'static str] = &[
        "AED", "AFN", "ALL", "AMD", "AOA", "ARS", "AUD", "AWG", "AZN", "BAM", "BBD", "BDT", "BGN",
        "BHD", "BIF", "BMD", "BND", "BOB", "BRL", "BSD", "BTN", "BWP", "BYN", "BZD", "CAD", "CDF",
        "CHF", "CLP", "CNY", "COP", "CRC", "CUP", "CVE", "CZK", "DJF", "DKK", "DOP", "DZD", "EGP",
        "ERN", "ETB", "EUR", "FJD", "FKP", "GBP", "GEL", "GHS", "GIP", "GMD", "GNF", "GTQ", "GYD",
        "HKD", "HNL", "HTG", "HUF", "IDR", "ILS", "INR", "IQD", "IRR", "ISK", "JMD", "JOD", "JPY",
        "KES", "KGS", "KHR", "KMF", "KPW", "KRW", "KWD", "KYD", "KZT", "LAK", "LBP", "LKR", "LRD",
        "LSL", "LYD", "MAD", "MDL", "MGA", "MKD", "MMK", "MNT", "MOP", "MRU", "MUR", "MVR", "MWK",
        "MXN", "MYR", "MZN", "NAD", "NGN", "NIO", "NOK", "NPR", "NZD", "OMR", "PAB", "PEN", "PGK",
        "PHP", "PKR", "PLN", "PYG", "QAR", "RON", "RSD", "RUB", "RWF", "SAR", "SBD", "SCR", "SDG",
        "SEK", "SGD", "SHP", "SLE", "SOS", "SRD", "SSP", "STN", "SVC", "SYP", "SZL", "THB", "TJS",
        "TMT", "TND", "TOP", "TRY", "TTD", "TWD", "TZS", "UAH", "UGX", "USD", "UYU", "UZS", "VES",
        "VND", "VUV", "WST", "XAF", "XCD", "XCG", "XOF", "XPF", "YER", "ZAR", "ZMW", "ZWG",
    ];

    /// True for a code of [`Self::LISTED`]: three letters alone may be a slip.
    #[must_use]
    pub fn is_listed(&self) -> bool {
        Self::LISTED.binary_search(&self.code()).is_ok()
    }

    /// A currency by its three upper-case letters, for tables that are written in code.
    #[must_use]
    pub const fn of(code: [u8; 3]) -> Self {
        Self(code)
    }

    /// The code as text.
    #[must_use]
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("???")
    }

    /// Digits after the point of one major unit (ISO 4217): yen 0, euro 2, dinar 3.
    #[must_use]
    pub fn exponent(self) -> u32 {
        match &self.0 {
            b"BIF" | b"CLP" | b"DJF" | b"GNF" | b"ISK" | b"JPY" | b"KMF" | b"KRW" | b"PYG"
            | b"RWF" | b"UGX" | b"VND" | b"VUV" | b"XAF" | b"XOF" | b"XPF" => 0,
            b"BHD" | b"IQD" | b"JOD" | b"KWD" | b"LYD" | b"OMR" | b"TND" => 3,
            _ => 2,
        }
    }

    /// Writes minor units as decimal text: 5046 EUR is `50.46`, 5046 JPY is `5046`.
    #[must_use]
    pub fn format(self, minor: i64) -> String {
        let digits = self.exponent() as usize;
        let sign = if minor < 0 { "-" } else { "" };
        let text = format!("{:0>width$}", minor.unsigned_abs(), width = digits + 1);
        let (whole, part) = text.split_at(text.len() - digits);
        if digits == 0 {
            format!("{sign}{whole}")
        } else {
            format!("{sign}{whole}.{part}")
        }
    }
}

impl FromStr for Currency {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let upper = text.to_ascii_uppercase();
        match <[u8; 3]>::try_from(upper.as_bytes()) {
            Ok(code) if code.iter().all(u8::is_ascii_uppercase) => Ok(Self(code)),
            _ => Err(MoneyError::Currency(text.to_owned())),
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for Currency {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// An exact decimal number as an external system wrote it: `units × 10^-scale`. No float is ever involved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal {
    units: i128,
    scale: u32,
}

impl Decimal {
    /// Nothing.
    pub const ZERO: Self = Self { units: 0, scale: 0 };

    /// The exact sum, so that amounts are rounded once and not one by one.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`] when the result does not fit.
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        let scale = self.scale.max(other.scale);
        let widen = |d: Self| {
            10_i128
                .checked_pow(scale - d.scale)
                .and_then(|factor| d.units.checked_mul(factor))
        };
        let sum = widen(self)
            .zip(widen(other))
            .and_then(|(a, b)| a.checked_add(b));
        sum.map(|units| Self { units, scale }).ok_or_else(|| {
            MoneyError::Overflow(format!(
                "{}e-{} + {}e-{}",
                self.units, self.scale, other.units, other.scale
            ))
        })
    }

    /// Minor units, rounded half away from zero, and whether nothing was rounded.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`] when the result does not fit.
    pub fn to_minor(self, currency: Currency) -> Result<(i64, bool), MoneyError> {
        let overflow = || MoneyError::Overflow(format!("{}e-{}", self.units, self.scale));
        let want = currency.exponent();
        let (value, exact) = if self.scale <= want {
            let factor = 10_i128
                .checked_pow(want - self.scale)
                .ok_or_else(overflow)?;
            (self.units.checked_mul(factor).ok_or_else(overflow)?, true)
        } else {
            let divisor = 10_i128
                .checked_pow(self.scale - want)
                .ok_or_else(overflow)?;
            let half = divisor / 2;
            let away = if self.units < 0 {
                self.units - half
            } else {
                self.units + half
            };
            (away / divisor, self.units % divisor == 0)
        };
        Ok((i64::try_from(value).map_err(|_| overflow())?, exact))
    }

    /// The number in hundredths, rounded half away from zero: 19 % as text `"19"` is 1900 basis points.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`] when the result does not fit.
    pub fn to_basis_points(self) -> Result<u32, MoneyError> {
        let (value, _) = self.to_minor(Currency::EUR)?;
        u32::try_from(value).map_err(|_| MoneyError::Overflow(value.to_string()))
    }
}

impl FromStr for Decimal {
    type Err = MoneyError;

    /// Reads `-12.3400` and JSON's `1.5e3`; anything else is refused.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || MoneyError::Decimal(text.chars().take(40).collect());
        let (mantissa, exponent) = match text.find(['e', 'E']) {
            Some(at) => (
                &text[..at],
                text[at + 1..].parse::<i32>().map_err(|_| bad())?,
            ),
            None => (text, 0),
        };
        let (negative, digits) = match mantissa.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, mantissa),
        };
        let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !all_digits(whole) || !all_digits(part) || exponent.abs() > 30 {
            return Err(bad());
        }
        let joined = format!("{whole}{}", part.trim_end_matches('0'));
        if joined.len() > 30 {
            return Err(MoneyError::Overflow(text.chars().take(40).collect()));
        }
        let mut units: i128 = joined.parse().map_err(|_| bad())?;
        let mut scale =
            i32::try_from(part.trim_end_matches('0').len()).map_err(|_| bad())? - exponent;
        if scale < 0 {
            let factor = 10_i128.checked_pow(scale.unsigned_abs()).ok_or_else(bad)?;
            units = units.checked_mul(factor).ok_or_else(bad)?;
            scale = 0;
        }
        Ok(Self {
            units: if negative { -units } else { units },
            scale: scale.unsigned_abs(),
        })
    }
}

/// How an external system writes a currency's amounts as integers, where that is not as ISO 4217 has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinorUnit {
    /// Which.
    pub currency: Currency,
    /// Digits after the point of its integers.
    pub digits: u32,
    /// They are multiples of this; 1 where every integer is taken.
    pub step: i64,
}

/// The currencies of an external system that are not written as ISO 4217 has them.
#[derive(Clone, Copy, Debug, Default)]
pub struct MinorUnits(pub &'static [MinorUnit]);

impl MinorUnits {
    /// All are as ISO 4217 has them.
    pub const ISO: Self = Self(&[]);

    fn of(self, currency: Currency) -> MinorUnit {
        let mut own = self.0.iter().filter(|unit| unit.currency == currency);
        own.next().copied().unwrap_or(MinorUnit {
            currency,
            digits: currency.exponent(),
            step: 1,
        })
    }

    /// The system's integer as minor units.
    ///
    /// # Errors
    /// [`MoneyError::Fraction`] where it has more digits than the currency, and they say something;
    /// [`MoneyError::Overflow`].
    pub fn read(self, amount: i64, currency: Currency) -> Result<i64, MoneyError> {
        let digits = self.of(currency).digits;
        scale(amount, digits, currency.exponent(), currency)
    }

    /// Minor units as the system's integer.
    ///
    /// # Errors
    /// [`MoneyError::Fraction`] where the system has fewer digits than the amount needs, or takes it in larger steps;
    /// [`MoneyError::Overflow`].
    pub fn write(self, minor: i64, currency: Currency) -> Result<i64, MoneyError> {
        let unit = self.of(currency);
        let amount = scale(minor, currency.exponent(), unit.digits, currency)?;
        match amount.checked_rem(unit.step) {
            Some(0) => Ok(amount),
            _ => Err(MoneyError::Fraction(format!(
                "{} {currency}",
                currency.format(minor)
            ))),
        }
    }
}

/// An integer with `from` decimals as one with `to`.
fn scale(amount: i64, from: u32, to: u32, currency: Currency) -> Result<i64, MoneyError> {
    let in_words = || format!("{amount}e-{from} {currency}");
    let power = |digits: u32| 10_i64.checked_pow(digits);
    let overflow = || MoneyError::Overflow(in_words());
    if to >= from {
        let factor = power(to - from).ok_or_else(overflow)?;
        return amount.checked_mul(factor).ok_or_else(overflow);
    }
    let divisor = power(from - to).ok_or_else(overflow)?;
    match amount % divisor {
        0 => Ok(amount / divisor),
        _ => Err(MoneyError::Fraction(in_words())),
    }
}

/// Reads a JSON number or numeric string kept as text and rounds it to minor units.
///
/// # Errors
/// [`MoneyError`] when the text is no decimal number or too large.
pub fn to_minor(text: &str, currency: Currency) -> Result<i64, MoneyError> {
    Ok(text.trim().parse::<Decimal>()?.to_minor(currency)?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unrounded_totals_round_half_up_to_the_minor_unit() {
        let eur = Currency::EUR;
        for (text, want) in [
            ("50.456", 5046),
            ("14.875", 1488),
            ("5.831", 583),
            ("0.005", 1),
            ("-0.005", -1),
            ("1e2", 10000),
            ("12.5", 1250),
        ] {
            assert_eq!(to_minor(text, eur), Ok(want), "{text}");
        }
        assert_eq!(to_minor("1200", Currency::JPY), Ok(1200));
        assert_eq!(
            "50.456".parse::<Decimal>().and_then(|d| d.to_minor(eur)),
            Ok((5046, false))
        );
        assert_eq!(
            "50.4500".parse::<Decimal>().and_then(|d| d.to_minor(eur)),
            Ok((5045, true))
        );
    }

    #[test]
    fn sums_are_exact_before_they_are_rounded() {
        let sum = ["0.004", "0.004", "-0.0001", "10"]
            .iter()
            .try_fold(Decimal::ZERO, |sum, text| sum.checked_add(text.parse()?));
        assert_eq!(
            sum.and_then(|d| d.to_minor(Currency::EUR)),
            Ok((1001, false))
        );
        let huge: Result<Decimal, _> = "9e29".parse();
        assert!(huge.and_then(|h| h.checked_add("1e-30".parse()?)).is_err());
    }

    #[test]
    fn a_system_s_own_decimals_are_read_and_written_and_a_fraction_is_refused() {
        const KRONA: Currency = Currency::of(*b"ISK");
        const DINAR: Currency = Currency::of(*b"KWD");
        const ARIARY: Currency = Currency::of(*b"MGA");
        let unit = |currency, digits, step| MinorUnit {
            currency,
            digits,
            step,
        };
        let units = MinorUnits(Box::leak(Box::new([
            unit(KRONA, 2, 1),
            unit(ARIARY, 0, 1),
            unit(DINAR, 3, 10),
        ])));
        assert_eq!(units.read(50_000, KRONA), Ok(500));
        assert_eq!(units.write(500, KRONA), Ok(50_000));
        let fraction = MoneyError::Fraction("50050e-2 ISK".to_owned());
        assert_eq!(units.read(50_050, KRONA), Err(fraction));
        assert_eq!(units.write(1_200, ARIARY), Ok(12));
        let fraction = MoneyError::Fraction("1250e-2 MGA".to_owned());
        assert_eq!(units.write(1_250, ARIARY), Err(fraction));
        assert_eq!(units.write(1_010, DINAR), Ok(1_010));
        let fraction = MoneyError::Fraction("1.005 KWD".to_owned());
        assert_eq!(units.write(1_005, DINAR), Err(fraction), "in tens");
        // Whatever has no digits of its own has those of the standard.
        assert_eq!(units.read(7, Currency::JPY), Ok(7));
        assert_eq!(MinorUnits::ISO.read(500, KRONA), Ok(500));
        assert_eq!(MinorUnits::ISO.write(-99, Currency::EUR), Ok(-99));
        assert!(units.write(i64::MAX, KRONA).is_err(), "too large");
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", "-", ".5", "1.2.3", "12,5", "NaN", "1e99", "９"] {
            assert!(text.parse::<Decimal>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_no_amount_is_named_also_where_it_is_blank() {
        let refused = |text: &str| text.parse::<Decimal>().map_err(|why| why.to_string());
        for (text, why) in [
            ("12,5", "“12,5” is not a decimal amount"),
            ("", "(blank) is not a decimal amount"),
            ("\u{3000}", "(blank) is not a decimal amount"),
        ] {
            assert_eq!(refused(text), Err(why.to_owned()));
        }
        for (text, named) in [("yen?", "“yen?”"), ("", "(blank)")] {
            let why = text.parse::<Currency>().map_err(|why| why.to_string());
            let told =
                format!("{named} is not a currency code: use three letters, for example JPY");
            assert_eq!(why, Err(told));
        }
    }

    #[test]
    fn a_listed_code_is_one_that_money_has() {
        assert!(Currency::LISTED.is_sorted());
        for code in Currency::LISTED {
            let read = code.parse::<Currency>();
            assert!(read.is_ok_and(|currency| currency.is_listed()), "{code}");
        }
        for slip in ["YEN", "JYP", "XXX", "AAA", "ZZZ"] {
            let read = slip.parse::<Currency>();
            assert!(read.is_ok_and(|currency| !currency.is_listed()), "{slip}");
        }
    }

    #[test]
    fn amounts_are_written_with_the_digits_of_their_currency() {
        assert_eq!(Currency::EUR.format(-5), "-0.05");
        assert_eq!(Currency::EUR.format(5046), "50.46");
        assert_eq!(Currency::JPY.format(5046), "5046");
    }
}
