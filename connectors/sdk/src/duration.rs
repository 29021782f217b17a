//! Lengths of time as an operator writes them: `10s`, `5m`, `2h`, `3d`.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

/// Reads a whole number followed by `ms`, `s`, `m`, `h` or `d`. At most ten years.
///
/// # Errors
/// What is wrong and what to write instead.
pub fn parse(text: &str) -> Result<Duration, String> {
    let bad = || {
        format!(
            "{text:?} is not a duration: write a whole number and a unit, for example \"30s\", \"5m\", \"2h\" or \"3d\""
        )
    };
    let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
    let (digits, unit) = text.split_at(split);
    let number: u64 = digits.parse().map_err(|_| bad())?;
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(bad()),
    };
    let longest = Duration::from_secs(10 * 366 * 86_400);
    match number.checked_mul(milliseconds).map(Duration::from_millis) {
        Some(length) if length <= longest => Ok(length),
        _ => Err(format!("{text:?} is longer than ten years")),
    }
}

/// A length of time in a configuration, written as [`parse`] reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse(&text).map(Self).map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Span {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_a_unit_are_a_length() {
        for (text, want) in [
            ("10s", 10),
            ("5m", 300),
            ("2h", 7_200),
            ("3d", 259_200),
            ("0s", 0),
            ("3660d", 316_224_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_secs(want)), "{text}");
        }
        assert_eq!(parse("250ms"), Ok(Duration::from_millis(250)));
    }

    #[test]
    fn anything_else_is_refused_in_words() {
        for text in [
            "",
            "5",
            "s",
            "5 m",
            "-5m",
            "1.5h",
            "5M",
            "5min",
            "１０s",
            "1h30m",
            "99999999999999999999s",
            "18446744073709551615d",
            "3661d",
        ] {
            let message = parse(text).err().unwrap_or_default();
            assert!(
                message.starts_with(&format!("{text:?} is")),
                "{text}: {message}"
            );
        }
    }

    #[test]
    fn a_configuration_carries_it_as_text() {
        assert_eq!(
            serde_json::from_str::<Span>("\"5m\"").ok(),
            Some(Span(Duration::from_secs(300)))
        );
        assert!(serde_json::from_str::<Span>("300").is_err());
        let schema = schemars::schema_for!(Span);
        assert_eq!(schema.get("type").and_then(|t| t.as_str()), Some("string"));
    }
}
