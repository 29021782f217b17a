//! Values with a syntax of their own.

use chrono::{Duration, NaiveDate, NaiveTime, Weekday};
use hikiate_sdk::{Currency, Decimal, MoneyError, duration};

use crate::calendar::Term;
use crate::suggest;

/// A currency that there is.
///
/// # Errors
/// What is wrong and what to write.
pub(super) fn currency(text: &str) -> Result<Currency, String> {
    let currency: Currency = text.parse().map_err(|e: MoneyError| e.to_string())?;
    if currency.is_listed() {
        return Ok(currency);
    }
    let near = suggest::nearest(text, Currency::LISTED.iter().copied());
    let hint = near.map_or_else(String::new, |near| format!("; did you mean {near}?"));
    Err(format!(
        "{text:?} is no currency of ISO 4217: write its code, for example \"JPY\"{hint}"
    ))
}

/// A length of time, at least `least` seconds.
///
/// # Errors
/// What is wrong and what to write.
pub(super) fn length(text: &str, least: u64) -> Result<std::time::Duration, String> {
    let length = duration::parse(text)?;
    if length < std::time::Duration::from_secs(least) {
        return Err(format!(
            "{text:?} is too short; write at least \"{least}s\""
        ));
    }
    Ok(length)
}

/// A length of time as the policy has it.
///
/// # Errors
/// What is wrong and what to write.
pub(super) fn span(text: &str, least: u64) -> Result<Duration, String> {
    Duration::from_std(length(text, least)?).map_err(|_| format!("{text:?} is too long"))
}

/// A length of time or `never`.
///
/// # Errors
/// What is wrong and what to write.
pub(super) fn span_or_never(text: &str, least: u64) -> Result<Option<Duration>, String> {
    span_or(text, least, "never")
}

/// A length of time or a word for none.
///
/// # Errors
/// What is wrong and what to write.
pub(super) fn span_or(text: &str, least: u64, none: &str) -> Result<Option<Duration>, String> {
    if text == none {
        Ok(None)
    } else {
        span(text, least)
            .map(Some)
            .map_err(|e| format!("{e}, or {none:?}"))
    }
}

/// Working days that a term may have at the most.
const MOST_WORKING_DAYS: u32 = 366;

/// A length of time, working days (`7bd`), or `never`.
///
/// # Errors
/// What is wrong and what to write.
pub(super) fn term_or_never(text: &str, least: u64) -> Result<Option<Term>, String> {
    let Some(days) = text.strip_suffix("bd") else {
        let hint = |e| format!("{e}, or working days: \"7bd\"");
        return Ok(span_or_never(text, least).map_err(hint)?.map(Term::Span));
    };
    match days.parse() {
        Ok(days @ 1..=MOST_WORKING_DAYS) if text.starts_with(|c: char| c.is_ascii_digit()) => {
            Ok(Some(Term::WorkingDays(days)))
        }
        _ => Err(format!(
            "{text:?} are no working days; write 1 to {MOST_WORKING_DAYS} of them, for example \"7bd\""
        )),
    }
}

/// A weekday by its first three letters.
///
/// # Errors
/// What is wrong and what to write.
pub(super) fn weekday(text: &str) -> Result<Weekday, String> {
    const NAMES: [(&str, Weekday); 7] = [
        ("mon", Weekday::Mon),
        ("tue", Weekday::Tue),
        ("wed", Weekday::Wed),
        ("thu", Weekday::Thu),
        ("fri", Weekday::Fri),
        ("sat", Weekday::Sat),
        ("sun", Weekday::Sun),
    ];
    let found = NAMES.iter().find(|(name, _)| *name == text);
    found.map(|(_, day)| *day).ok_or_else(|| {
        let names = NAMES.map(|(name, _)| name).join(", ");
        format!("{text:?} is no weekday; write one of {names}")
    })
}

/// A day.
///
/// # Errors
/// What is wrong and what to write.
pub(super) fn date(text: &str) -> Result<NaiveDate, String> {
    let whole = text.len() == 10;
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok();
    day.filter(|_| whole)
        .ok_or_else(|| format!("{text:?} is no day; write it as \"2026-12-31\""))
}

/// An amount of nothing or more, with no more digits than its currency has.
///
/// # Errors
/// What is wrong and what to write.
pub(super) fn amount(text: &str, currency: Currency) -> Result<i64, String> {
    let wrong =
        || format!("{text:?} is no amount in {currency}; write it as \"500\", nothing below zero");
    let decimal: Decimal = text.trim().parse().map_err(|_| wrong())?;
    match decimal.to_minor(currency) {
        Ok((minor, true)) if minor >= 0 => Ok(minor),
        _ => Err(wrong()),
    }
}

/// A local time of day, `09:00` or `23:59:30`.
///
/// # Errors
/// What is wrong and what to write.
pub(super) fn time(text: &str) -> Result<NaiveTime, String> {
    NaiveTime::parse_from_str(text, "%H:%M")
        .or_else(|_| NaiveTime::parse_from_str(text, "%H:%M:%S"))
        .map_err(|_| format!("{text:?} is no time of day; write it as \"09:00\""))
}

/// A country by its two letters.
///
/// # Errors
/// What is wrong and what to write.
pub(super) fn country(text: &str) -> Result<String, String> {
    let plain = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase());
    if plain {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "{text:?} is no country; write its two letters in capitals, for example \"JP\""
        ))
    }
}

/// A name of an account, channel, warehouse or rule.
///
/// # Errors
/// What is wrong and what to write.
pub(super) fn slug(text: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let first = text.chars().next().is_some_and(plain);
    if first && text.len() <= 31 && text.chars().all(|c| plain(c) || c == '-') {
        Ok(())
    } else {
        Err(format!(
            "{text:?} is no name; use up to 31 of a–z, 0–9 and -, the first not -"
        ))
    }
}

/// Basis points of a tax rate in per cent, as text: `"10"`, `"5.5"`.
pub(crate) fn per_cent(text: &str) -> Result<u32, String> {
    let wrong = || format!("{text:?} is no tax rate: write per cent, for example \"10\"");
    let rate: Decimal = text.trim().parse().map_err(|_| wrong())?;
    // Hundredths of a per cent, as those of a euro.
    match rate.to_minor(Currency::EUR) {
        Ok((points, true)) => u32::try_from(points)
            .ok()
            .filter(|points| *points <= 10_000)
            .ok_or_else(wrong),
        _ => Err(wrong()),
    }
}
