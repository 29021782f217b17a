//! What was committed to when an instruction was sealed: one keyed hash per field of the ship-to and the service, so
//! that a later order can be compared with it, field by field, without keeping a name or an address.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use hikiate_sdk::{GroupKey, OrderSnapshot, Party, Personal, Wishes};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use unicode_normalization::UnicodeNormalization as _;

use crate::facts::Committed;

/// The version of [`normalised`] and of the list of fields: hashes of another version are not compared.
pub(crate) const VERSION: u16 = 1;

/// Hex digits kept of a field's hash: enough that two values of one order never collide by accident.
const DIGITS: usize = 16;

/// The key of the hashes. Without it nobody can try addresses against them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct FieldKey {
    /// Names it; hashes of another key are not compared.
    pub id: i32,
    /// The key.
    pub bytes: Vec<u8>,
}

impl std::fmt::Debug for FieldKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FieldKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// Hashes of everything that an instruction of a delivery group says beside its lines; `cod` is what the carrier is to
/// collect, minor units.
#[must_use]
pub fn committed(
    key: &FieldKey,
    order: &OrderSnapshot,
    personal: &Personal,
    group: &GroupKey,
    cod: Option<i64>,
) -> Committed {
    let mut fields = BTreeMap::new();
    let mut put = |name: &str, value: &str| {
        fields.insert(name.to_owned(), hash(key, name, value));
    };
    let nobody = Party::default();
    let ship_to = personal.ship_to.get(group.as_str()).unwrap_or(&nobody);
    for (name, value) in [
        ("name", &ship_to.name),
        ("company", &ship_to.company),
        ("country", &ship_to.country),
        ("postal_code", &ship_to.postal_code),
        ("region", &ship_to.region),
        ("city", &ship_to.city),
        ("street", &ship_to.address1),
        ("building", &ship_to.address2),
        ("phone", &ship_to.phone),
    ] {
        put(name, value);
    }
    let known = order.groups.iter().find(|known| known.key == *group);
    put(
        "service",
        known.and_then(|g| g.service.as_deref()).unwrap_or_default(),
    );
    let date = known.and_then(|g| g.earliest_ship);
    put("date", &date.map(|at| at.to_rfc3339()).unwrap_or_default());
    let nothing = Wishes::default();
    let wishes = known.map_or(&nothing, |group| &group.wishes);
    let sender = personal.senders.get(group.as_str());
    let gift = personal.gifts.get(group.as_str());
    let day = |day: NaiveDate| day.to_string();
    let asked = [
        ("arrive_on", wishes.arrive_on.map(day)),
        ("slot", wishes.slot.clone()),
        (
            "temperature",
            wishes.temperature.map(|t| t.as_str().to_owned()),
        ),
        ("sender", sender.map(written)),
        ("gift", gift.map(written)),
        ("cod", cod.map(|amount| amount.to_string())),
    ];
    for (name, value) in asked {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            put(name, &value);
        }
    }
    Committed {
        version: VERSION,
        key: key.id,
        fields,
    }
}

/// What is put only where it is asked: an instruction without it asked nothing of the kind.
const ASKED: [&str; 6] = ["arrive_on", "slot", "temperature", "sender", "gift", "cod"];

/// All of a value in one text, in the order of its fields.
fn written(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// Fields that differ; `None` where the two cannot be compared.
pub(crate) fn differing(was: &Committed, is: &Committed) -> Option<Vec<String>> {
    if (was.version, was.key) != (is.version, is.key) {
        return None;
    }
    let differs =
        |(name, hash): &(&String, &String)| was.fields.get(*name).is_some_and(|old| old != *hash);
    let names = is.fields.iter().filter(differs);
    let mut names: Vec<String> = names.map(|(name, _)| name.clone()).collect();
    let one_alone = |name: &&str| was.fields.contains_key(*name) != is.fields.contains_key(*name);
    names.extend(
        ASKED
            .iter()
            .filter(|name| one_alone(name))
            .map(|name| (*name).to_owned()),
    );
    Some(names)
}

fn hash(key: &FieldKey, name: &str, value: &str) -> String {
    // HMAC takes a key of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&key.bytes) else {
        return String::new();
    };
    mac.update(name.as_bytes());
    mac.update(&[0]);
    mac.update(normalised(value).as_bytes());
    let mut digest = hex::encode(mac.finalize().into_bytes());
    digest.truncate(DIGITS);
    digest
}

/// The value without differences that are none on a label: width, case, blanks, and the many hyphens. A blank between
/// two digits stays: `1 23` is not `12 3`.
fn normalised(value: &str) -> String {
    let wide: Vec<char> = value.nfkc().flat_map(char::to_lowercase).collect();
    let mut text = String::with_capacity(value.len());
    for (at, c) in wide.iter().enumerate() {
        if c.is_whitespace() {
            let next = wide[at..].iter().find(|c| !c.is_whitespace());
            let between_digits = text.chars().last().is_some_and(|c| c.is_ascii_digit())
                && next.is_some_and(char::is_ascii_digit);
            if between_digits {
                text.push(' ');
            }
            continue;
        }
        let digit_before = text.chars().last().is_some_and(|c| c.is_ascii_digit());
        text.push(match c {
            '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe63}' => '-',
            // A long vowel mark between digits is a hyphen that somebody typed with the wrong key.
            'ー' if digit_before => '-',
            other => *other,
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout_is_no_difference_and_another_house_is() {
        let same = ["１−２−３　サンハイツ", "1-2-3 サンハイツ", "1ー2ー3ｻﾝﾊｲﾂ"];
        for text in same {
            assert_eq!(normalised(text), normalised(same[0]), "{text}");
        }
        for (one, other) in [
            ("1-23", "12-3"),
            ("1 23", "12 3"),
            ("コーポ", "コ-ポ"),
            ("2-1", "21"),
        ] {
            assert_ne!(normalised(one), normalised(other), "{one}");
        }
    }

    #[test]
    fn hashes_of_another_key_or_version_are_not_compared() {
        let fields = |value: &str| BTreeMap::from([("city".to_owned(), value.to_owned())]);
        let one = Committed {
            version: 1,
            key: 1,
            fields: fields("a"),
        };
        let other = |version, key| Committed {
            version,
            key,
            fields: fields("b"),
        };
        assert_eq!(differing(&one, &other(1, 1)), Some(vec!["city".to_owned()]));
        assert_eq!(differing(&one, &other(2, 1)), None);
        assert_eq!(differing(&one, &other(1, 2)), None);
        assert_eq!(differing(&one, &one), Some(Vec::new()));
    }

    #[test]
    fn the_same_value_in_two_fields_or_under_two_keys_hashes_differently() {
        let key = |bytes: &[u8]| FieldKey {
            id: 1,
            bytes: bytes.to_vec(),
        };
        assert_ne!(
            hash(&key(b"k"), "city", "x"),
            hash(&key(b"k"), "street", "x")
        );
        assert_ne!(hash(&key(b"k"), "city", "x"), hash(&key(b"l"), "city", "x"));
    }
}
