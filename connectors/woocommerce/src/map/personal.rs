//! Names and addresses.

use hikiate_sdk::{Party, Personal};

use super::region;
use crate::wire::{Address, Order};

/// The ship-to is the shipping address alone: where it is empty, the order has none until somebody fills it in.
pub(super) fn of(order: &Order) -> Personal {
    let buyer = party(&order.billing);
    let mut ship_to = party(&order.shipping);
    let ship_to = (ship_to != Party::default()).then(|| {
        // Shops before 5.6 ask for the buyer's phone only, and carriers want one.
        if ship_to.phone.is_empty() {
            ship_to.phone.clone_from(&buyer.phone);
        }
        ("1".to_owned(), ship_to)
    });
    Personal {
        buyer,
        ship_to: ship_to.into_iter().collect(),
        remarks: text(order.customer_note.as_ref()),
        ..Personal::default()
    }
}

fn party(address: &Address) -> Party {
    let country = text(address.country.as_ref()).to_ascii_uppercase();
    let state = text(address.state.as_ref());
    Party {
        name: name(address, &country),
        company: text(address.company.as_ref()),
        postal_code: text(address.postcode.as_ref()),
        region: region::name(&country, &state).map_or(state, str::to_owned),
        city: text(address.city.as_ref()),
        address1: text(address.address_1.as_ref()),
        address2: text(address.address_2.as_ref()),
        phone: text(address.phone.as_ref()),
        email: text(address.email.as_ref()),
        country,
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
