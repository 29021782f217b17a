//! Numbers people read: derived from what a restore cannot change, never from a sequence.

use hikiate_sdk::{AccountSlug, BatchName, ExternalId};
use sha2::{Digest, Sha256};

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// `HK` + 12 Crockford base-32 characters of SHA-256(account, external id) + a check character.
#[must_use]
pub fn order_number(account: &AccountSlug, external_id: &ExternalId) -> String {
    number("HK", &["order", account.as_str(), external_id.as_str()])
}

/// A batch's number; it prefixes the references of its journal entries.
#[must_use]
pub fn batch_number(account: &AccountSlug, name: &BatchName) -> String {
    number("HB", &["batch", account.as_str(), &name.to_string()])
}

/// A deposit's number.
#[must_use]
pub fn deposit_number(account: &AccountSlug, reference: &str) -> String {
    number("HD", &["deposit", account.as_str(), reference])
}

fn number(prefix: &str, parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let digest = hash.finalize();
    let mut bits = digest
        .iter()
        .take(8)
        .fold(0_u64, |all, byte| (all << 8) | u64::from(*byte));
    let mut text = String::from(prefix);
    let mut sum = 0_usize;
    for _ in 0..12 {
        let digit = (bits >> 59) as usize;
        bits <<= 5;
        sum = (sum * 3 + digit) % 31;
        text.push(char::from(ALPHABET[digit]));
    }
    text.push(char::from(ALPHABET[sum]));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_depends_on_account_and_id_alone_and_leaves_room_for_a_suffix() {
        let shop = AccountSlug::new("shop");
        let number = order_number(&shop, &ExternalId::new("order_01"));
        assert_eq!(number, order_number(&shop, &ExternalId::new("order_01")));
        assert_ne!(number, order_number(&shop, &ExternalId::new("order_02")));
        assert_ne!(
            number,
            order_number(&AccountSlug::new("shop2"), &ExternalId::new("order_01"))
        );
        assert_eq!(number.len(), 15);
        assert!(format!("{number}-S12").len() <= 20);
        assert!(
            number
                .bytes()
                .all(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
        );
    }

    #[test]
    fn numbers_of_many_orders_differ() {
        let shop = AccountSlug::new("shop-jp");
        let numbers: std::collections::BTreeSet<String> = (0..20_000)
            .map(|i| order_number(&shop, &ExternalId::new(format!("order_{i}"))))
            .collect();
        assert_eq!(numbers.len(), 20_000);
    }
}
