//! What may be known of an order's people for ever: derived once, at intake.

use std::collections::BTreeMap;

use hikiate_sdk::{DeliveryGroup, Party, Personal};

use super::postal::needs_postal_code;
use super::region::{country, region};
use crate::facts::{Features, GroupFeatures};

/// Derives the features of an order's personal data.
#[must_use]
pub fn features(groups: &[DeliveryGroup], personal: &Personal) -> Features {
    let groups: BTreeMap<String, GroupFeatures> = groups
        .iter()
        .map(|group| {
            let party = personal.ship_to.get(group.key.as_str());
            (
                group.key.to_string(),
                party.map_or_else(nobody, |party| group_features(party, &personal.buyer)),
            )
        })
        .collect();
    Features {
        groups,
        buyer_mail: looks_like_mail(&personal.buyer.email),
        remarks: !personal.remarks.trim().is_empty(),
    }
}

fn nobody() -> GroupFeatures {
    GroupFeatures {
        missing: vec!["address".to_owned()],
        ..GroupFeatures::default()
    }
}

fn group_features(party: &Party, buyer: &Party) -> GroupFeatures {
    let needed = [
        ("name", party.name.is_empty() && party.company.is_empty()),
        ("country", party.country.is_empty()),
        (
            "postal_code",
            party.postal_code.is_empty() && needs_postal_code(&party.country),
        ),
        // Japanese addresses may hold the city in the street line; the others have none beside district and street.
        (
            "city",
            party.city.is_empty() && !["JP", "HK", "MO", "SG"].contains(&party.country.as_str()),
        ),
        ("address1", party.address1.is_empty()),
    ];
    GroupFeatures {
        country: country(&party.country),
        region: region(&party.country, &party.region),
        postal_prefix: party
            .postal_code
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .take(3)
            .collect(),
        missing: needed
            .iter()
            .filter(|(_, missing)| *missing)
            .map(|(field, _)| (*field).to_owned())
            .collect(),
        phone_ok: party.phone.chars().filter(char::is_ascii_digit).count() >= 9,
        receiver_differs: !buyer.name.is_empty() && buyer.name != party.name,
    }
}

fn looks_like_mail(text: &str) -> bool {
    match text.trim().rsplit_once('@') {
        Some((local, domain)) => {
            !local.is_empty()
                && domain.contains('.')
                && !domain.starts_with('.')
                && !domain.ends_with('.')
                && !text.contains(char::is_whitespace)
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group() -> DeliveryGroup {
        DeliveryGroup {
            key: "1".into(),
            service: None,
            earliest_ship: None,
            ship_by: None,
            wishes: hikiate_sdk::Wishes::default(),
        }
    }

    #[test]
    fn a_whole_address_misses_nothing_and_a_gift_is_seen() {
        let mut personal = Personal {
            buyer: Party {
                name: "A".into(),
                email: "a@b.example".into(),
                ..Party::default()
            },
            ..Personal::default()
        };
        personal.ship_to.insert(
            "1".into(),
            Party {
                name: "B".into(),
                country: "JP".into(),
                postal_code: "100-0001".into(),
                region: "東京都".into(),
                address1: "千代田1-1".into(),
                phone: "03-1234-5678".into(),
                ..Party::default()
            },
        );
        let got = features(&[group()], &personal);
        assert!(got.buyer_mail);
        let one = &got.groups["1"];
        assert_eq!(
            (
                one.missing.len(),
                one.postal_prefix.as_str(),
                one.phone_ok,
                one.receiver_differs
            ),
            (0, "100", true, true)
        );
    }

    /// Facts are kept for ever.
    #[test]
    fn a_free_text_where_a_region_belongs_is_no_part_of_a_fact() {
        let mut personal = Personal::default();
        let party = Party {
            name: "B".into(),
            country: "山田方".into(),
            postal_code: "山田太郎".into(),
            region: "090-1234-5678 山田".into(),
            ..Party::default()
        };
        personal.ship_to.insert("1".into(), party);
        let one = &features(&[group()], &personal).groups["1"];
        assert_eq!(
            [&one.country, &one.region, &one.postal_prefix],
            ["ZZ", "", ""]
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        let mut personal = Personal::default();
        assert_eq!(
            features(&[group()], &personal).groups["1"].missing,
            ["address"]
        );
        personal.ship_to.insert(
            "1".into(),
            Party {
                name: "B".into(),
                country: "DE".into(),
                ..Party::default()
            },
        );
        assert_eq!(
            features(&[group()], &personal).groups["1"].missing,
            ["postal_code", "city", "address1"]
        );
        assert!(!features(&[group()], &personal).buyer_mail);
    }

    #[test]
    fn an_address_in_hong_kong_is_whole_without_a_postal_code() {
        let mut personal = Personal::default();
        let party = Party {
            name: "B".into(),
            country: "HK".into(),
            city: "Kowloon".into(),
            address1: "1 Example Rd".into(),
            ..Party::default()
        };
        personal.ship_to.insert("1".into(), party);
        let missing = &features(&[group()], &personal).groups["1"].missing;
        assert_eq!(missing, &Vec::<String>::new());
    }
}
