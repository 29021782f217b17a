//! Names that hikiate itself gives: to what acts by itself, to what blocks an order, to what is released. A hold rule
//! may have none of them, or a release of one would count for the other.

mod renamed;

pub(crate) use renamed::current;

/// What blocks an order, by the first word of `blocked_by`.
pub const GATES: [&str; 19] = [
    "begin",
    "left",
    "adopted",
    "history",
    "completion",
    "ended",
    "stop",
    "hold",
    "check",
    "payment",
    "channel_gate",
    "stock",
    "batch",
    "sending",
    "warehouse",
    "batch_rejected",
    "unknown_outcome",
    "cancel",
    "absent",
];

/// Automations, and what tasks ask to be released.
const NAMES: &[&str] = &[
    "*",
    "manual",
    // Automations.
    "notice",
    "capture",
    "mail",
    "instruct",
    "booking",
    "annotate",
    "refund",
    // Gates that a refusal shuts.
    "cancel_order",
    "capture_exceeds_authorisation",
    // What has happened and cannot be undone.
    "abandoned_imported",
    "cancel_rest",
    "cancel_too_late",
    "completed",
    "fulfilled_by_channel",
    "fulfilment_cancelled",
    "fulfilment_line_unknown",
    "packed_by_others",
    "refund_dropped",
    "refund_not_shown",
    "refund_record_rejected",
    "refund_to_pay",
    "refund_wanted",
    "refunded_in_full",
    "shipped_date",
    "shipped_place_unknown",
    "shipped_rejected",
    "shipped_twice",
    "deposit_for_cancelled_order",
    "deposit_currency",
    "deposit_overpaid",
    "ended_captured",
    "mail_address_missing",
    "over_captured",
    "over_shipped",
    "parcel_code_differs",
    "parcel_reported_twice",
    "unexpected_parcel",
    "payment_mistaken",
    "payment_replaced",
    "payment_withdrawn",
    "recall_failed",
    "return_received",
    "notice_exceeds_shipped",
    "tracking_corrected",
    "tracking_differs",
    "tracking_missing",
    "tracking_not_reported",
    "tracking_shared",
    "vanished",
    "vanished_shipped",
];

/// Names with the reference, mail or gate they are about.
const PREFIXES: &[&str] = &[
    "abandoned:",
    "cancel:",
    "changed:",
    "check:",
    "hold:",
    "fulfilment_cancelled:",
    "mail:",
    "notice_cancelled:",
    "parcel_reported_twice:",
    "recalled:",
    "refund:",
    "refund_dropped:",
    "refund_record_rejected:",
    "rejected:",
    "short:",
    "void:",
    "void_dropped:",
];

/// The name of the gate that opens when an operator has settled a recovery, before its number.
pub const LOST: &str = "lost-";

/// Before the rule of a task that is a hold.
const HOLD: &str = "hold:";

/// True for a name that no hold rule may have.
#[must_use]
pub fn reserved(name: &str) -> bool {
    let numbered = |rest: &str| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit());
    NAMES.contains(&name)
        || current(name) != name
        || GATES.contains(&name)
        || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || name.strip_prefix(LOST).is_some_and(numbered)
}

/// The kind of a task without what it is about (a shipment, an account, a number), as a metric shows it: the number of its
/// series stays that of the kinds and of the hold rules, and does not grow with the orders.
#[must_use]
pub fn bounded_kind(kind: &str) -> &str {
    let from = if kind.starts_with(HOLD) {
        HOLD.len()
    } else {
        0
    };
    let name = kind.get(from..).unwrap_or_default();
    let end = name.find(':').map_or(kind.len(), |at| from + at);
    kind.get(..end).unwrap_or(kind)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    /// The words that planning releases by, or blocks an order with, read from its own text: the first text after
    /// each of these, up to where something is filled in.
    const PLACES: [&str; 5] = [
        "released_after(",
        "released_with_all_after(",
        ".release(",
        "tell(",
        "let rule = format!(",
    ];

    fn words(text: &str, place: &str) -> Vec<String> {
        let mut found = Vec::new();
        for rest in text.split(place).skip(1) {
            let near: String = rest.chars().take(120).collect();
            if let Some((before, after)) = near.split_once('"')
                && !before.contains([')', ';', '{'])
            {
                found.push(after.chars().take_while(|c| !"\"{".contains(*c)).collect());
            }
        }
        found
    }

    #[test]
    fn every_word_that_planning_releases_by_is_reserved() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/plan");
        let mut found = BTreeSet::new();
        for file in fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_some_and(|e| e == "rs") {
                let text = fs::read_to_string(path).unwrap();
                for place in PLACES {
                    found.extend(words(&text, place));
                }
            }
        }
        assert!(
            found.len() >= 15,
            "the places are not found any more: {found:?}"
        );
        for word in found {
            let filled = format!("{word}HK0123456789ABC-S1");
            assert!(
                reserved(&word) || reserved(&filled),
                "{word:?} is released in src/plan and not in the list of src/names.rs"
            );
        }
    }

    #[test]
    fn every_word_that_blocks_an_order_is_documented() {
        let text = include_str!("../docs/commands.md");
        let table = text.split("| blocked by |").nth(1).unwrap();
        let table = table.split("\n\n").next().unwrap();
        for gate in GATES {
            let named = [format!("`{gate}`"), format!("`{gate}:")];
            assert!(
                named.iter().any(|name| table.contains(name)),
                "{gate} is not in the table of docs/commands.md"
            );
        }
    }

    #[test]
    fn the_kind_of_a_metric_names_no_shipment_and_no_number() {
        for (kind, bounded) in [
            ("wave_missed", "wave_missed"),
            ("hold:high-value", "hold:high-value"),
            ("hold:高額", "hold:高額"),
            ("hold:recalled:HKTZR0MKGT97NAP-S1", "hold:recalled"),
            ("hold:abandoned:HKTZR0MKGT97NAP-S1", "hold:abandoned"),
            ("changed:HKTZR0MKGT97NAP-S1", "changed"),
            ("refund_dropped:a:b", "refund_dropped"),
            ("void:2", "void"),
            ("hold:", "hold:"),
            ("", ""),
        ] {
            assert_eq!(bounded_kind(kind), bounded, "{kind:?}");
        }
    }

    #[test]
    fn a_name_is_reserved_whole_or_by_its_beginning() {
        for name in [
            "capture",
            "notice",
            "mail",
            "cancel",
            "lost-1",
            "short:HK1-S1",
            "vanished",
            "completed",
            "begin",
            "manual",
            "*",
            "payment",
            "mail:shipped",
        ] {
            assert!(reserved(name), "{name}");
        }
        for name in [
            "high-value",
            "lost-parcel",
            "lost-",
            "captures",
            "remarks",
            "mail-order",
        ] {
            assert!(!reserved(name), "{name}");
        }
    }
}
