//! Names and addresses.

use hikiate_sdk::{Party, Personal};

use crate::config::Settings;
use crate::wire::{Address, Order};

pub(super) fn of(order: &Order, settings: &Settings) -> Personal {
    let mut buyer = order
        .billing_address
        .as_ref()
        .map(party)
        .unwrap_or_default();
    buyer.email = text(order.email.as_ref());
    let ship_to = order
        .shipping_address
        .iter()
        .map(|address| ("1".to_owned(), party(address)))
        .collect();
    let asked = settings.fields.of(&order.metadata);
    let gift = Some(asked.gift).filter(|gift| !gift.is_empty());
    let group = || "1".to_owned();
    Personal {
        buyer,
        ship_to,
        remarks: settings.remarks.of(&order.metadata),
        senders: asked
            .sender
            .into_iter()
            .map(|sender| (group(), sender))
            .collect(),
        gifts: gift.into_iter().map(|gift| (group(), gift)).collect(),
    }
}

fn party(address: &Address) -> Party {
    let country = text(address.country_code.as_ref()).to_ascii_uppercase();
    Party {
        name: name(address, &country),
        company: text(address.company.as_ref()),
        country,
        postal_code: text(address.postal_code.as_ref()),
        region: text(address.province.as_ref()),
        city: text(address.city.as_ref()),
        address1: text(address.address_1.as_ref()),
        address2: text(address.address_2.as_ref()),
        phone: text(address.phone.as_ref()),
        email: String::new(),
    }
}

/// On a label of these countries the family name comes first.
fn name(address: &Address, country: &str) -> String {
    let (first, last) = (
        text(address.first_name.as_ref()),
        text(address.last_name.as_ref()),
    );
    let words = if matches!(country, "JP" | "CN" | "KR" | "TW" | "HU") {
        [last, first]
    } else {
        [first, last]
    };
    words
        .into_iter()
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

fn text(field: Option<&String>) -> String {
    field.map(|text| text.trim().to_owned()).unwrap_or_default()
}
