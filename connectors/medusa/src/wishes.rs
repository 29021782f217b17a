//! Where the shop keeps what a buyer asks of a delivery, and what stands there.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use hikiate_sdk::settings::Checks;
use hikiate_sdk::{Customs, Gift, Party, Temperature, UnreadWish, Wishes};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// `fields` below `[accounts.NAME]`: paths below an order's metadata, or below a line's.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FieldKeys {
    /// The day of delivery, as `2026-12-24`: `"metadata.arrive_on"`.
    pub arrive_on: Option<String>,
    /// The time of day, by any word: `[warehouses.NAME.slots]` maps it.
    pub slot: Option<String>,
    /// `ambient`, `chilled`, `frozen`, or 常温, 冷蔵, 冷凍.
    pub temperature: Option<String>,
    /// Another sender than the shop: a table with the keys of an address (`name`, `company`, `country`, `postal_code`,
    /// `region`, `city`, `address1`, `address2`, `phone`).
    pub sender: Option<String>,
    /// The kind of noshi.
    pub noshi: Option<String>,
    /// The name on it.
    pub noshi_name: Option<String>,
    /// The wrapping.
    pub wrapping: Option<String>,
    /// The words on the gift's card.
    pub message: Option<String>,
    /// A line's code in the Harmonised System: `"items.metadata.hs_code"`.
    pub hs_code: Option<String>,
    /// Where a line's goods were made, as `JP`: `"items.metadata.origin"`.
    pub origin: Option<String>,
}

/// The paths, checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    order: BTreeMap<&'static str, Vec<String>>,
    line: BTreeMap<&'static str, Vec<String>>,
}

/// What an order's metadata asks.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) wishes: Wishes,
    pub(crate) sender: Option<Party>,
    pub(crate) gift: Gift,
}

impl Fields {
    /// Checks what was written.
    pub(crate) fn read(keys: FieldKeys, checks: &mut Checks<'_>) -> Self {
        let mut fields = Self::default();
        let order = [
            ("arrive_on", keys.arrive_on),
            ("slot", keys.slot),
            ("temperature", keys.temperature),
            ("sender", keys.sender),
            ("noshi", keys.noshi),
            ("noshi_name", keys.noshi_name),
            ("wrapping", keys.wrapping),
            ("message", keys.message),
        ];
        let line = [("hs_code", keys.hs_code), ("origin", keys.origin)];
        for (name, path) in order {
            let paths = &mut fields.order;
            put(paths, name, path, &["metadata"], checks);
        }
        for (name, path) in line {
            let paths = &mut fields.line;
            put(paths, name, path, &["items", "metadata"], checks);
        }
        fields
    }

    /// What an order's metadata asks. What is filled with no value of a field is kept as unread.
    pub(crate) fn of(&self, metadata: &Value) -> Asked {
        let mut asked = Asked::default();
        let mut unread = Vec::new();
        let mut text = |field: &'static str| match self.value(field, metadata)? {
            Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
            Value::Number(number) => Some(number.to_string()),
            _ => {
                unread.push(wrong(field, "is no text"));
                None
            }
        };
        let arrive_on = text("arrive_on");
        let temperature = text("temperature");
        asked.wishes.slot = text("slot");
        asked.gift = Gift {
            noshi: text("noshi").unwrap_or_default(),
            noshi_name: text("noshi_name").unwrap_or_default(),
            wrapping: text("wrapping").unwrap_or_default(),
            message: text("message").unwrap_or_default(),
        };
        asked.wishes.gift = !asked.gift.is_empty();
        if let Some(text) = arrive_on {
            match day(&text) {
                Some(day) => asked.wishes.arrive_on = Some(day),
                None => unread.push(wrong("arrive_on", "is not a date: use the form 2026-12-24")),
            }
        }
        if let Some(text) = temperature {
            asked.wishes.temperature = Temperature::read(&text);
            if asked.wishes.temperature.is_none() {
                let words = "is not one of ambient, chilled, frozen, 常温, 冷蔵, 冷凍";
                unread.push(wrong("temperature", words));
            }
        }
        if let Some(sender) = self.value("sender", metadata) {
            match serde_json::from_value::<Party>(sender.clone()) {
                Ok(party) if !party.name.is_empty() || !party.company.is_empty() => {
                    asked.wishes.sender = true;
                    asked.sender = Some(party);
                }
                _ => unread.push(wrong(
                    "sender",
                    "is not a table with the keys of an address, including name or company",
                )),
            }
        }
        asked.wishes.unread = unread;
        asked
    }

    /// What a line's metadata says for customs; what is none of it is unread.
    pub(crate) fn customs(&self, metadata: &Value) -> (Customs, Vec<UnreadWish>) {
        let mut unread = Vec::new();
        let mut text = |field: &'static str, is: fn(&str) -> Option<String>, what: &str| {
            let path = self.line.get(field)?;
            let value = at(path, metadata)?;
            let text = match value {
                Value::String(text) => text.trim().to_owned(),
                Value::Number(number) => number.to_string(),
                _ => String::new(),
            };
            if text.is_empty() && value.is_string() {
                return None;
            }
            let read = is(&text);
            if read.is_none() {
                unread.push(wrong(field, what));
            }
            read
        };
        let customs = Customs {
            hs_code: text("hs_code", hs_code, "is not a code of 6 to 12 digits"),
            origin: text("origin", origin, "is not a two-letter country code"),
            value: None,
        };
        (customs, unread)
    }

    fn value<'v>(&self, field: &str, metadata: &'v Value) -> Option<&'v Value> {
        at(self.order.get(field)?, metadata)
    }
}

/// A day with four digits of its year: with two, the day is the year to a lenient reader.
fn day(text: &str) -> Option<NaiveDate> {
    let digits: Vec<usize> = text.split('-').map(str::len).collect();
    (digits == [4, 2, 2]).then(|| text.parse().ok())?
}

fn hs_code(text: &str) -> Option<String> {
    let digits = text.replace(['.', ' '], "");
    let right = (6..=12).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    right.then_some(digits)
}

fn origin(text: &str) -> Option<String> {
    let right = text.len() == 2 && text.bytes().all(|b| b.is_ascii_alphabetic());
    right.then(|| text.to_ascii_uppercase())
}

/// A value below metadata; none where nothing stands.
fn at<'v>(path: &[String], metadata: &'v Value) -> Option<&'v Value> {
    let mut value = metadata;
    for part in path {
        value = value.get(part)?;
    }
    (!value.is_null()).then_some(value)
}

fn wrong(field: &str, why: &str) -> UnreadWish {
    UnreadWish {
        field: field.to_owned(),
        why: why.to_owned(),
    }
}

fn put(
    paths: &mut BTreeMap<&'static str, Vec<String>>,
    name: &'static str,
    path: Option<String>,
    below: &[&str],
    checks: &mut Checks<'_>,
) {
    let Some(path) = path else {
        return;
    };
    let parts: Vec<String> = path.split('.').map(str::to_owned).collect();
    let is_below = parts.len() > below.len() && below.iter().zip(&parts).all(|(b, p)| b == p);
    if is_below && !parts.contains(&String::new()) {
        paths.insert(name, parts[below.len()..].to_vec());
        return;
    }
    let below = below.join(".");
    checks.problem(
        &format!("fields.{name}"),
        format!("{path:?} is not a path below {below}: use for example \"{below}.{name}\""),
    );
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    fn fields() -> Fields {
        let path = |name: &str| Some(format!("metadata.delivery.{name}"));
        let keys = FieldKeys {
            arrive_on: path("date"),
            slot: path("slot"),
            temperature: path("cool"),
            sender: path("from"),
            noshi: path("noshi"),
            message: path("card"),
            hs_code: Some("items.metadata.hs".to_owned()),
            origin: Some("items.metadata.made_in".to_owned()),
            ..FieldKeys::default()
        };
        let mut checks = Checks::new(&Value::Null);
        let fields = Fields::read(keys, &mut checks);
        checks.finish(Some(fields)).unwrap()
    }

    #[test]
    fn what_stands_at_the_paths_is_asked() {
        let asked = fields().of(&json!({ "delivery": {
            "date": "2026-12-24", "slot": " 午前中 ", "cool": "冷蔵", "noshi": "内祝", "card": "",
            "from": { "name": "山田", "phone": "03-0000-0000" },
        }}));
        let Asked {
            wishes,
            sender,
            gift,
        } = asked;
        assert_eq!(wishes.arrive_on, NaiveDate::from_ymd_opt(2026, 12, 24));
        assert_eq!(wishes.slot.as_deref(), Some("午前中"));
        assert_eq!(wishes.temperature, Some(Temperature::Chilled));
        assert!(wishes.sender && wishes.gift && wishes.unread.is_empty());
        assert_eq!(
            sender.map(|s| (s.name, s.phone)),
            Some(("山田".to_owned(), "03-0000-0000".to_owned()))
        );
        assert_eq!((gift.noshi.as_str(), gift.message.as_str()), ("内祝", ""));
        for nothing in [
            json!(null),
            json!({}),
            json!({ "delivery": { "date": null, "slot": "", "card": " " } }),
        ] {
            assert_eq!(fields().of(&nothing), Asked::default(), "{nothing}");
        }
        assert_eq!(
            Fields::default().of(&json!({ "delivery": { "date": "2026-12-24" } })),
            Asked::default(),
            "what no path names is not asked"
        );
    }

    #[test]
    fn what_is_no_value_of_its_field_is_kept_without_its_text() {
        let asked = fields().of(&json!({ "delivery": {
            "date": "24.12.", "slot": ["a"], "cool": "icy", "from": "Yamada", "card": true,
        }}));
        let names: Vec<_> = asked
            .wishes
            .unread
            .iter()
            .map(|u| u.field.as_str())
            .collect();
        assert_eq!(
            names,
            ["slot", "message", "arrive_on", "temperature", "sender"]
        );
        let words = format!("{:?}", asked.wishes.unread);
        assert!(
            !words.contains("Yamada") && !words.contains("icy"),
            "{words}"
        );
        assert!(!asked.wishes.is_empty() && asked.sender.is_none());
    }

    #[test]
    fn a_day_has_four_digits_of_its_year() {
        for (text, good) in [
            ("2026-12-24", true),
            (" 2026-12-24 ", true),
            ("26-12-24", false),
            ("2026-1-2", false),
            ("+2026-12-24", false),
            ("-026-12-24", false),
            ("2026-02-30", false),
            ("2026/12/24", false),
        ] {
            let asked = fields().of(&json!({ "delivery": { "date": text } }));
            assert_eq!(asked.wishes.arrive_on.is_some(), good, "{text}");
            assert_eq!(asked.wishes.unread.is_empty(), good, "{text}");
        }
    }

    #[test]
    fn a_line_says_what_customs_ask() {
        let (customs, unread) = fields().customs(&json!({ "hs": "6912.00 10", "made_in": "jp" }));
        assert_eq!(customs.hs_code.as_deref(), Some("69120010"));
        assert_eq!(customs.origin.as_deref(), Some("JP"));
        assert!(unread.is_empty());
        let (customs, unread) = fields().customs(&json!({ "hs": "12", "made_in": "Japan" }));
        assert!(customs.is_empty());
        assert_eq!(unread.len(), 2);
        assert_eq!(
            fields().customs(&json!(null)),
            (Customs::default(), Vec::new())
        );
    }

    #[test]
    fn only_paths_below_the_metadata_are_taken() {
        let keys = FieldKeys {
            arrive_on: Some("arrive_on".to_owned()),
            slot: Some("metadata..slot".to_owned()),
            hs_code: Some("metadata.hs".to_owned()),
            ..FieldKeys::default()
        };
        let mut checks = Checks::new(&Value::Null);
        assert_eq!(Fields::read(keys, &mut checks), Fields::default());
        let problems = checks.finish(Some(())).unwrap_err();
        let said: Vec<_> = problems
            .iter()
            .map(|p| (p.key.as_str(), p.message.contains("metadata.")))
            .collect();
        assert_eq!(
            said,
            [
                ("fields.arrive_on", true),
                ("fields.slot", true),
                ("fields.hs_code", true)
            ]
        );
    }
}
