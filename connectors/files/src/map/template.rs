//! MiniJinja with our filters, strict names and a bound on work.

use std::fmt::Write as _;

use chrono::{DateTime, NaiveDate};
use chrono_tz::Tz;
use minijinja::value::Value;
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior};

/// Instructions of the template engine per rendered cell or entry.
const FUEL: u64 = 100_000;

/// An environment whose `date` filter writes times in `zone`.
pub(crate) fn environment(zone: Tz) -> Environment<'static> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_auto_escape_callback(|_| AutoEscape::None);
    env.set_fuel(Some(FUEL));
    env.set_debug(false);
    env.add_filter("date", move |text: String, format: String| {
        date(&text, &format, zone)
    });
    env.add_filter("digits", |text: String| digits(&text));
    env
}

/// Writes a time in the zone, or a date, by a strftime format; nothing stays nothing.
fn date(text: &str, format: &str, zone: Tz) -> Result<String, minijinja::Error> {
    let mut out = String::new();
    let written = if text.is_empty() {
        Ok(())
    } else if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        write!(out, "{}", time.with_timezone(&zone).format(format))
    } else if let Ok(day) = text.parse::<NaiveDate>() {
        write!(out, "{}", day.format(format))
    } else {
        return Err(minijinja::Error::new(
            ErrorKind::InvalidOperation,
            "date: the value is not a time",
        ));
    };
    written.map_err(|_| {
        minijinja::Error::new(
            ErrorKind::InvalidOperation,
            format!("date: {format:?} is not a strftime format"),
        )
    })?;
    Ok(out)
}

/// Only the digits, as ASCII: for postal codes and phone numbers without hyphens.
fn digits(text: &str) -> String {
    text.chars()
        .filter_map(|c| match c {
            '0'..='9' => Some(c),
            '０'..='９' => char::from_digit(u32::from(c) - u32::from('０'), 10),
            _ => None,
        })
        .collect()
}

/// A JSON value for templates; JSON's null is the empty text, because MiniJinja would write `none`.
pub(crate) fn from_json(value: &serde_json::Value) -> Value {
    match value {
        serde_json::Value::Null => Value::from(""),
        serde_json::Value::Bool(b) => Value::from(*b),
        serde_json::Value::Number(n) => n
            .as_i64()
            .map_or_else(|| Value::from(n.to_string()), Value::from),
        serde_json::Value::String(s) => Value::from(s.as_str()),
        serde_json::Value::Array(a) => a.iter().map(from_json).collect(),
        serde_json::Value::Object(o) => {
            Value::from_pairs(o.iter().map(|(k, v)| (k.as_str(), from_json(v))))
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_the_zone() {
        let zone = chrono_tz::Asia::Tokyo;
        assert_eq!(
            date("2026-11-21T15:30:00Z", "%Y/%m/%d %H:%M", zone).unwrap(),
            "2026/11/22 00:30"
        );
        assert_eq!(date("2026-11-21", "%Y%m%d", zone).unwrap(), "20261121");
        assert_eq!(date("", "%Y", zone).unwrap(), "");
        assert!(date("2026-11-21T15:30:00Z", "%Q", zone).is_err());
        assert!(date("tomorrow", "%Y", zone).is_err());
    }

    #[test]
    fn work_is_bounded_and_names_are_strict() {
        let env = environment(chrono_tz::UTC);
        assert!(
            env.render_str(
                "{% for a in range(10000) %}{% for b in range(10000) %}x{% endfor %}{% endfor %}",
                ()
            )
            .is_err()
        );
        let row = Value::from_pairs([("code", Value::from("A"))]);
        assert!(
            env.render_str("{{ row.cod }}", Value::from_pairs([("row", row.clone())]))
                .is_err()
        );
        assert_eq!(
            env.render_str(
                "{{ row.none | default('') }}<",
                Value::from_pairs([("row", row)])
            )
            .unwrap(),
            "<"
        );
        assert_eq!(digits("〒１００-0001"), "1000001");
    }
}
