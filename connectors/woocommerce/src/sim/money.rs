//! Exact amounts in millionths of a major unit.

use hikiate_sdk::Currency;
use serde_json::Value;

/// Millionths.
pub(super) type Micro = i128;

const PER_UNIT: i128 = 1_000_000;

/// Reads decimal text; what is none is nothing.
pub(super) fn read(text: &str) -> Option<Micro> {
    let (negative, digits) = text
        .strip_prefix('-')
        .map_or((false, text), |rest| (true, rest));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty()
        || part.len() > 6
        || whole.len() > 15
        || !all_digits(whole)
        || !all_digits(part)
    {
        return None;
    }
    let value: Micro = format!("{whole}{part:0<6}").parse().ok()?;
    Some(if negative { -value } else { value })
}

/// Reads a number or decimal text.
pub(super) fn of(value: &Value) -> Option<Micro> {
    match value {
        Value::String(text) => read(text),
        Value::Number(number) => read(&number.to_string()),
        _ => None,
    }
}

/// Per cent as decimal text in basis points; what is none is no tax.
pub(super) fn basis_points(percent: &str) -> u32 {
    let of = read(percent).and_then(|micro| u32::try_from(micro / 10_000).ok());
    of.unwrap_or(0)
}

/// Decimal text with so many digits behind the point, rounded half up, as `dp` asks for it.
pub(super) fn text(amount: Micro, dp: u32) -> String {
    let dp = dp.min(6);
    let unit = 10_i128.pow(6 - dp);
    let rounded = (amount.abs() + unit / 2) / unit;
    let per = 10_i128.pow(dp);
    let sign = if amount < 0 && rounded > 0 { "-" } else { "" };
    let (whole, part) = (rounded / per, rounded % per);
    match usize::try_from(dp).unwrap_or(0) {
        0 => format!("{sign}{whole}"),
        width => format!("{sign}{whole}.{part:0width$}"),
    }
}

/// From minor units.
pub(super) fn major(minor: i64, currency: Currency) -> Micro {
    Micro::from(minor) * (PER_UNIT / 10_i128.pow(currency.exponent()))
}

/// Minor units, rounded half up.
pub(super) fn minor(amount: Micro, currency: Currency) -> i64 {
    let unit = PER_UNIT / 10_i128.pow(currency.exponent());
    let half = if amount < 0 { -unit / 2 } else { unit / 2 };
    i64::try_from((amount + half) / unit).unwrap_or(i64::MAX)
}

/// Rounded to the minor unit.
pub(super) fn round(amount: Micro, currency: Currency) -> Micro {
    major(minor(amount, currency), currency)
}

/// Net and tax of a price. A shop whose prices have the tax in them keeps the net unrounded; else it rounds each tax.
pub(super) fn split(price: Micro, bp: u32, included: bool, currency: Currency) -> (Micro, Micro) {
    let bp = Micro::from(bp);
    if included {
        let net = (price * 10_000 * 2 + 10_000 + bp) / ((10_000 + bp) * 2);
        (net, price - net)
    } else {
        (price, round(price * bp / 10_000, currency))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_with_the_digits_that_are_asked_for() {
        for (amount, dp, want) in [
            (29_350_000, 2, "29.35"),
            (4_545_455, 6, "4.545455"),
            (4_545_455, 2, "4.55"),
            (-10_000_000, 2, "-10.00"),
            (1_200_000_000, 0, "1200"),
            (-1, 2, "0.00"),
        ] {
            assert_eq!(text(amount, dp), want);
        }
        assert_eq!(
            split(5_000_000, 1000, true, Currency::EUR),
            (4_545_455, 454_545)
        );
        assert_eq!(
            split(4_545_455, 1000, false, Currency::EUR),
            (4_545_455, 450_000)
        );
    }
}
