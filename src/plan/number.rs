//! Names that are derived from what a restore cannot change: order numbers, shipment references, business keys.

use hikiate_sdk::{AccountSlug, ExternalId, Op, ShipmentReference};
use sha2::{Digest, Sha256};

/// Longest business key.
const KEY_BYTES: usize = 200;

/// Letters and digits that are not mistaken for one another on paper.
const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Our number of an order: `HK` and 13 digits of 5 bits, from the channel account and its id of the order.
#[must_use]
pub fn order_number(channel: &AccountSlug, external_id: &ExternalId) -> String {
    let digest = Sha256::digest(format!("{channel}\n{external_id}"));
    let mut number = String::from("HK");
    let (mut bits, mut held) = (0_u32, 0_u32);
    for byte in digest {
        bits = (bits << 8) | u32::from(byte);
        held += 8;
        while held >= 5 && number.len() < 15 {
            held -= 5;
            let digit = (bits >> held) & 31;
            number.push(DIGITS.get(digit as usize).copied().unwrap_or(b'0').into());
        }
        bits &= 31;
    }
    number
}

/// The reference of an order's `k`-th shipment, counted from 1 over all that were ever decided.
#[must_use]
pub fn shipment_reference(number: &str, k: usize) -> ShipmentReference {
    ShipmentReference::new(format!("{number}-S{k}"))
}

/// The business key of an effect: `op:account:channel:order id:n`. One that would be longer than 200 bytes
/// keeps its head and ends with a hash of the whole.
#[must_use]
pub fn business_key(
    op: Op,
    account: &AccountSlug,
    channel: &AccountSlug,
    order: &ExternalId,
    n: u32,
) -> String {
    let key = format!("{op}:{account}:{channel}:{order}:{n}");
    if key.len() <= KEY_BYTES {
        return key;
    }
    let tail = format!("#{}:{n}", hex_sha256(key.as_bytes()));
    let mut head = KEY_BYTES.saturating_sub(tail.len());
    while !key.is_char_boundary(head) {
        head -= 1;
    }
    format!("{}{tail}", &key[..head])
}

/// SHA-256 in lower-case hex.
pub(crate) fn hex_sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_depends_on_channel_and_order_only_and_leaves_room_for_the_shipment() {
        let (shop, mall) = (AccountSlug::new("shop-jp"), AccountSlug::new("mall"));
        let number = order_number(&shop, &"order_01".into());
        assert_eq!(number, order_number(&shop, &"order_01".into()));
        assert_eq!(number.len(), 15);
        assert_ne!(number, order_number(&mall, &"order_01".into()));
        assert_ne!(number, order_number(&shop, &"order_02".into()));
        assert!(shipment_reference(&number, 999).as_str().len() <= 20);
    }

    #[test]
    fn numbers_of_many_orders_differ() {
        let shop = AccountSlug::new("shop-jp");
        let numbers: std::collections::BTreeSet<String> = (0..20_000)
            .map(|i| order_number(&shop, &format!("order_{i}").into()))
            .collect();
        assert_eq!(numbers.len(), 20_000);
    }

    #[test]
    fn a_long_key_keeps_to_its_limit_and_still_differs() {
        let (shop, pay) = (AccountSlug::new("shop-jp"), AccountSlug::new("psp"));
        assert_eq!(
            business_key(Op::Capture, &pay, &shop, &"order_01".into(), 2),
            "capture:psp:shop-jp:order_01:2"
        );
        let long = "あ".repeat(100);
        let a = business_key(Op::Capture, &pay, &shop, &format!("{long}a").into(), 1);
        let b = business_key(Op::Capture, &pay, &shop, &format!("{long}b").into(), 1);
        assert!(a.len() <= KEY_BYTES && b.len() <= KEY_BYTES);
        assert_ne!(a, b);
        assert_ne!(
            a,
            business_key(Op::Capture, &pay, &shop, &format!("{long}a").into(), 2)
        );
    }
}
