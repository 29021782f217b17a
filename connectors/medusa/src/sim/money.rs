//! Exact amounts in millionths of a major unit; the shop never rounds them.

use hikiate_sdk::Currency;
use serde_json::{Number, Value};

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

/// As the shop writes it.
pub(super) fn json(amount: Micro) -> Value {
    let sign = if amount < 0 { "-" } else { "" };
    let (whole, part) = (amount.abs() / PER_UNIT, amount.abs() % PER_UNIT);
    let text = format!("{sign}{whole}.{part:06}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    serde_json::from_str::<Number>(text).map_or(Value::Null, Value::Number)
}

/// With tax.
pub(super) fn taxed(net: Micro, rate_bp: u32) -> Micro {
    net * (10_000 + i128::from(rate_bp)) / 10_000
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
