//! Names of before docs/glossary.md, and what they are called today.

/// What releases name. Stored facts keep the old names.
const RELEASES: &[(&str, &str)] = &[
    ("capture_over_authorised", "capture_exceeds_authorisation"),
    ("deposit_cancelled", "deposit_for_cancelled_order"),
    ("deposit_over", "deposit_overpaid"),
    ("mail_address", "mail_address_missing"),
    ("parcel_told_twice", "parcel_reported_twice"),
    ("parcel_unknown", "unexpected_parcel"),
    ("shipped_refused", "shipped_rejected"),
    ("told_too_much", "notice_exceeds_shipped"),
    ("tracking_not_told", "tracking_not_reported"),
    ("vanished_left", "vanished_shipped"),
];

/// Today's name of what a stored release names; `name:REFERENCE` keeps its reference.
pub(crate) fn current(name: &str) -> String {
    let (word, rest) = name.split_at(name.find(':').unwrap_or(name.len()));
    let renamed = RELEASES.iter().find(|(old, _)| *old == word);
    renamed.map_or_else(|| name.to_owned(), |(_, new)| format!("{new}{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::FactBody;
    use crate::names::reserved;

    #[test]
    fn a_renamed_task_is_known_by_both_names() {
        assert_eq!(current("deposit_over"), "deposit_overpaid");
        assert_eq!(
            current("parcel_told_twice:HK0123456789ABC-S1"),
            "parcel_reported_twice:HK0123456789ABC-S1"
        );
        assert_eq!(current("capture"), "capture");
        assert!(reserved("deposit_over") && reserved("deposit_overpaid"));
    }

    #[test]
    fn a_stored_release_counts_for_the_new_name() {
        let body = serde_json::json!({ "rules": ["deposit_over", "capture"], "reason": "seen", "context": "ab" });
        let Ok(FactBody::Released(released)) = FactBody::read("released", 2, body) else {
            unreachable!()
        };
        assert!(released.names("deposit_overpaid") && released.names("capture"));
        assert!(!released.names("mail"));
    }
}
