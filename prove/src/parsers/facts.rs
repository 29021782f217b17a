//! Stored facts: bodies of every kind, as an older or a damaged database may hold them.

use hikiate::facts::FactBody;

const KINDS: [&str; 14] = [
    "order",
    "parcel",
    "reply",
    "cancel_reply",
    "deposit",
    "booked",
    "held",
    "released",
    "cancel_wanted",
    "shipment",
    "shipment_withdrawn",
    "sealed",
    "intent",
    "outcome",
];

/// A body of a kind; what can be read is written as it was read.
pub(super) fn fact(bytes: &[u8]) {
    let (choice, body) = bytes.split_first().unwrap_or((&0, &[]));
    let kind = KINDS[usize::from(*choice) % KINDS.len()];
    let Ok(value) = serde_json::from_slice(body) else {
        return;
    };
    let Ok(read) = FactBody::read(kind, 1, value) else {
        return;
    };
    let written = read.to_json().unwrap();
    let again = FactBody::read(kind, 1, written).unwrap();
    assert_eq!(read, again, "a fact changed");
}
