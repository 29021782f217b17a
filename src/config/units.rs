//! Values with a syntax of their own.

use chrono::{Duration, NaiveTime};
use hikiate_sdk::{Currency, Decimal, duration};

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

/// A local time of day, `09:00` or `23:59:30`.
///
/// # Errors
/// What is wrong and what to write.
pub(super) fn time(text: &str) -> Result<NaiveTime, String> {
    NaiveTime::parse_from_str(text, "%H:%M")
        .or_else(|_| NaiveTime::parse_from_str(text, "%H:%M:%S"))
        .map_err(|_| format!("{text:?} is no time of day; write it as \"09:00\""))
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
