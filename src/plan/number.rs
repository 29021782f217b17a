//! Names of what an order does: shipment references and business keys, derived from its number and id.

use hikiate_sdk::{AccountSlug, ExternalId, Op, ShipmentReference};
use sha2::{Digest, Sha256};

/// Longest business key.
const KEY_BYTES: usize = 200;

/// The reference of an order's `k`-th shipment, counted from 1 over all that were ever decided.
#[must_use]
pub fn shipment_reference(number: &str, k: usize) -> ShipmentReference {
    ShipmentReference::new(format!("{number}-S{k}"))
}

/// The k of a reference of this order, also of one that is told with a suffix (`HK…-S1.2`).
pub(crate) fn shipment_number(number: &str, reference: &str) -> Option<usize> {
    let k = reference.strip_prefix(number)?.strip_prefix("-S")?;
    let k = k.split_once('.').map_or(k, |(k, _)| k);
    k.parse().ok()
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
    cut(key, &format!(":{n}"))
}

/// A fact's key that holds ids of an external system, cut as [`business_key`] is.
pub(crate) fn bounded(key: &str) -> String {
    cut(key.to_owned(), "")
}

fn cut(key: String, end: &str) -> String {
    if key.len() <= KEY_BYTES {
        return key;
    }
    let tail = format!("#{}{end}", hex_sha256(key.as_bytes()));
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
