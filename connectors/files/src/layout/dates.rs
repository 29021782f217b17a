//! What the formats of a layout's dates mean, for the checks and in words.

use std::fmt::Write as _;

use chrono::format::{Fixed, Item, Numeric, StrftimeItems};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};

use super::incoming::{ColumnIn, Field, Kind};
use super::model::Layout;

/// Days that a planned column may be ahead.
pub(crate) const PLANNED_DAYS: i64 = 30;
/// Minutes that any other time may be ahead: clocks differ.
pub(crate) const AHEAD_MINUTES: i64 = 10;
/// Days that a count may be old.
pub(crate) const OLDEST_COUNT_DAYS: i64 = 400;

/// Whether a format names a day and no hour.
pub(crate) fn is_day(format: &str) -> bool {
    !StrftimeItems::new(format).any(|item| {
        matches!(
            item,
            Item::Numeric(Numeric::Hour | Numeric::Hour12 | Numeric::Timestamp, _)
                | Item::Fixed(Fixed::RFC2822 | Fixed::RFC3339)
        )
    })
}

/// Whether a format names the offset of its time.
fn has_offset(format: &str) -> bool {
    StrftimeItems::new(format).any(|item| {
        matches!(
            item,
            Item::Fixed(
                Fixed::TimezoneOffset
                    | Fixed::TimezoneOffsetColon
                    | Fixed::TimezoneOffsetColonZ
                    | Fixed::TimezoneOffsetDoubleColon
                    | Fixed::TimezoneOffsetTripleColon
                    | Fixed::TimezoneOffsetZ
                    | Fixed::RFC2822
                    | Fixed::RFC3339
            )
        )
    }) || format.contains("%#z")
}

/// Whether a format counts seconds since 1970.
fn is_count(format: &str) -> bool {
    let mut items = StrftimeItems::new(format);
    items.any(|item| matches!(item, Item::Numeric(Numeric::Timestamp, _)))
}

/// What is wrong with the format of a date.
pub(super) fn wrong(format: &str) -> Option<&'static str> {
    let items = || StrftimeItems::new(format);
    if items().any(|item| item == Item::Error) {
        return Some("is not a strftime format");
    }
    let short = |item| {
        matches!(
            item,
            Item::Numeric(
                Numeric::YearMod100
                    | Numeric::IsoYearMod100
                    | Numeric::YearDiv100
                    | Numeric::IsoYearDiv100,
                _
            )
        )
    };
    if items().any(short) {
        return Some("has a two-digit year, which is ambiguous: use %Y");
    }
    let has = |wanted: &dyn Fn(&Item<'_>) -> bool| items().any(|item| wanted(&item));
    let am_pm = |item: &Item<'_>| matches!(item, Item::Fixed(Fixed::LowerAmPm | Fixed::UpperAmPm));
    if has(&|item| matches!(item, Item::Numeric(Numeric::Hour12, _))) && !has(&am_pm) {
        return Some("has a 12-hour time without am or pm, which is ambiguous: use %H, or add %p");
    }
    if has(&|item| *item == Item::Fixed(Fixed::TimezoneName)) {
        return Some("has a time zone name (%Z), which is not parsed: use %z, or set `zone`");
    }
    if is_day(format) && has_offset(format) {
        return Some("has a UTC offset but no hour: remove %z");
    }
    let example = NaiveDate::from_ymd_opt(2026, 11, 28)?;
    let time = NaiveTime::from_hms_opt(7, 42, 12)?;
    let local = example.and_time(time);
    // An offset with or without minutes can be read and not written.
    let mut written = String::new();
    let writes = format.replace("%#z", "%z");
    if write!(written, "{}", local.and_utc().format(&writes)).is_err() {
        return Some("is not a strftime format that can be parsed");
    }
    let read = DateTime::parse_from_str(&written, format)
        .map(|t| t.naive_local())
        .or_else(|_| NaiveDateTime::parse_from_str(&written, format))
        .or_else(|_| NaiveDate::parse_from_str(&written, format).map(|d| d.and_time(time)));
    match read {
        Ok(read) if read.date() == example => None,
        _ => Some("does not name year, month and day"),
    }
}

impl Layout {
    /// What the columns with dates mean and which dates are believed, a sentence each.
    #[must_use]
    pub fn dates_in_words(&self) -> Vec<String> {
        let zone = self.zone.as_deref().unwrap_or("the shop's zone");
        let mut words = Vec::new();
        for kind in self.kinds() {
            for column in kind.columns {
                words.extend(sentence(&kind, column, zone));
            }
        }
        if let Some(stock) = &self.stock {
            let lag = crate::words::span(stock.as_of_lag.0);
            words.push(format!(
                "stock: a count without a time is dated {lag} before its file; a file is dated by its own timestamp, or by its first fetch if that is earlier"
            ));
        }
        words
    }
}

fn sentence(kind: &Kind<'_>, column: &ColumnIn, zone: &str) -> Option<String> {
    let format = column.format.as_deref()?;
    let day = is_day(format);
    let what = if day {
        format!("a date in {zone} without a time ({format})")
    } else if has_offset(format) {
        format!("a time with its UTC offset in the cell ({format})")
    } else if is_count(format) {
        format!("a time in seconds since 1970 ({format})")
    } else {
        format!("a time in {zone} ({format})")
    };
    let means = match (column.field?, day) {
        (Field::ShippedAt, true) => ", so the ship time is the file's time, within that day",
        (Field::AsOf, true) => {
            ", so the count time is a little before the file's time, within that day"
        }
        (Field::At, true) => ", so the answer time is the file's time, within that day",
        _ => "",
    };
    let latest = match (column.planned, day) {
        (true, _) => format!("at most {PLANNED_DAYS} days ahead"),
        (false, true) => "tomorrow at the latest".to_owned(),
        (false, false) => format!("at most {AHEAD_MINUTES} minutes after the first fetch"),
    };
    let oldest = if column.field == Some(Field::AsOf) {
        format!(", at most {OLDEST_COUNT_DAYS} days before it")
    } else {
        String::new()
    };
    Some(format!(
        "{}, column {}: {what}{means}; {latest}{oldest}, otherwise the row goes to quarantine",
        kind.word, column.name
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_in_the_cell_is_said() {
        for format in [
            "%Y-%m-%d %H:%M %z",
            "%Y-%m-%dT%H:%M:%S%:z",
            "%+",
            "%Y-%m-%d %H:%M%#z",
        ] {
            assert!(has_offset(format), "{format}");
            assert_eq!(wrong(format), None, "{format}");
        }
        assert!(!has_offset("%Y/%m/%d %H:%M") && is_count("%s"));
    }

    #[test]
    fn a_format_without_an_hour_is_a_day() {
        for (format, day) in [
            ("%Y/%m/%d", true),
            ("%Y%m%d", true),
            ("%F", true),
            ("%Y/%m/%d %H:%M:%S", false),
            ("%Y%m%d%H%M", false),
            ("%Y-%m-%d %I:%M %p", false),
            ("%+", false),
            ("%s", false),
        ] {
            assert_eq!(is_day(format), day, "{format}");
            assert_eq!(wrong(format), None, "{format}");
        }
    }

    #[test]
    fn formats_that_cannot_be_believed_are_refused() {
        for (format, why) in [
            ("%y/%m/%d", "two-digit year"),
            ("%D", "two-digit year"),
            ("%x", "two-digit year"),
            ("%C%y%m%d", "two-digit year"),
            ("%Q", "not a strftime format"),
            ("%H:%M", "does not name"),
            ("%Y/%m", "does not name"),
            ("%m/%d", "does not name"),
            ("%Y/%m/%d %I:%M", "without am or pm"),
            ("%Y/%m/%d %l:%M", "without am or pm"),
            ("%Y/%m/%d %H:%M %Z", "a time zone name"),
            ("%Y/%m/%d %z", "a UTC offset but no hour"),
        ] {
            assert!(wrong(format).is_some_and(|w| w.contains(why)), "{format}");
        }
    }
}
