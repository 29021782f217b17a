//! The rule context of an order, and its hash: on the same context a released rule does not hold again.

use chrono::{DateTime, Utc};
use hikiate_sdk::DeliveryGroup;

use super::fold::Fold;
use super::number::hex_sha256;
use super::order::PlanError;
use super::provider;
use super::tree::Tree;
use super::types::OrderInput;
use super::view::View;
use crate::policy::Policy;
use crate::rules::{
    ADDED, Added, RuleContext, RuleGroup, RuleLine, RuleMoney, RuleOrder, RulePayment,
};

/// The context's hash, with the version of its fields. Both the plan and the release command take it from here.
#[must_use]
pub fn context_hash(context: &RuleContext) -> String {
    hash_of(&json(context), ADDED, newest(ADDED))
}

/// True when a stored hash is of this context, as far as the version that made it knew its fields: a field that
/// came later is no difference.
pub(crate) fn is_hash_of(stored: &str, context: &RuleContext) -> bool {
    is_hash(stored, &json(context), ADDED)
}

fn json(context: &RuleContext) -> String {
    // Plain structs of text and integers; serde_json has nothing to refuse in them.
    serde_json::to_string(context).unwrap_or_default()
}

fn newest(added: &[Added]) -> u32 {
    added.iter().map(|field| field.version).max().unwrap_or(1)
}

/// Version 1 had no number: its hashes stand without one.
fn hash_of(json: &str, added: &[Added], version: u32) -> String {
    let unknown = |path: &str| {
        added
            .iter()
            .any(|field| field.path == path && field.version > version)
    };
    let mut tree: Tree = serde_json::from_str(json).unwrap_or_default();
    tree.remove("", &unknown);
    let known = serde_json::to_string(&tree).unwrap_or_default();
    let hash = hex_sha256(known.as_bytes());
    if version == 1 {
        hash
    } else {
        format!("{version}:{hash}")
    }
}

fn is_hash(stored: &str, json: &str, added: &[Added]) -> bool {
    let version = stored.split_once(':').map_or(Ok(1), |(n, _)| n.parse());
    // A hash over fields that this binary does not know says nothing to it.
    let known = version.ok().filter(|n| (1..=newest(added)).contains(n));
    known.is_some_and(|version| hash_of(json, added, version) == stored)
}

/// What rules see of an order now, for the release command; `None` for an order that has not been read.
///
/// # Errors
/// [`PlanError::Channel`] when its channel is not configured.
pub fn rule_context(
    input: &OrderInput,
    policy: &Policy,
    now: DateTime<Utc>,
) -> Result<Option<RuleContext>, PlanError> {
    let channel = policy
        .channels
        .get(&input.channel)
        .ok_or_else(|| PlanError::channel(input))?;
    provider::seen(input, channel)?;
    let fold = Fold::of(input, now);
    let Some(head) = fold.readings.last().copied() else {
        return Ok(None);
    };
    Ok(Some(
        View::of(input, policy, channel, now, fold, head).rule_context(),
    ))
}

impl View<'_> {
    /// What rules see.
    pub(crate) fn rule_context(&self) -> RuleContext {
        let order = RuleOrder {
            channel: self.input.channel.to_string(),
            currency: self.order.currency.to_string(),
            total: self.order.total.map(RuleMoney),
            remarks: self
                .input
                .personal
                .as_ref()
                .map(|p| p.remarks.clone())
                .unwrap_or_default(),
            payment: RulePayment {
                method: self.payment().word,
            },
            buyer_mail: self.features.buyer_mail,
        };
        let lines = self.order.lines.iter().map(|line| RuleLine {
            sku: line.sku.clone().unwrap_or_default(),
            title: line.title.clone(),
            qty: i64::from(line.quantity),
            unit_price: line.unit_price.map(RuleMoney),
            mapped: line
                .sku
                .as_ref()
                .is_some_and(|sku| self.input.items.contains_key(sku)),
        });
        RuleContext {
            order,
            lines: lines.collect(),
            groups: self
                .order
                .groups
                .iter()
                .map(|group| self.rule_group(group))
                .collect(),
        }
    }

    fn rule_group(&self, group: &DeliveryGroup) -> RuleGroup {
        let known = self.features.groups.get(group.key.as_str());
        let features = known.cloned().unwrap_or_default();
        RuleGroup {
            service: group.service.clone().unwrap_or_default(),
            address_complete: known.is_some() && features.missing.is_empty(),
            country: features.country,
            region: features.region,
            postal_prefix: features.postal_prefix,
            phone_ok: features.phone_ok,
            receiver_differs: features.receiver_differs,
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const BEFORE: &str = r#"{"order":{"total":5,"remarks":"é"},"lines":[{"sku":"A"}]}"#;
    const AFTER: &str =
        r#"{"order":{"gift":true,"total":5,"remarks":"é"},"lines":[{"sku":"A","size":2}]}"#;
    const LATER: &[Added] = &[
        Added {
            version: 2,
            path: "order.gift",
        },
        Added {
            version: 3,
            path: "lines.size",
        },
    ];

    #[test]
    fn a_field_that_came_later_changes_no_hash_of_before() {
        let stored = hex_sha256(BEFORE.as_bytes());
        assert_eq!(hash_of(BEFORE, &[], 1), stored, "as it was written before");
        assert!(is_hash(&stored, AFTER, LATER));
        assert!(!is_hash(&stored, &AFTER.replace('5', "6"), LATER));
        let between = AFTER.replace(",\"size\":2", "");
        let second = hash_of(&between, &LATER[..1], 2);
        assert!(second.starts_with("2:"));
        assert!(is_hash(&second, AFTER, LATER));
        assert!(is_hash(
            &second,
            &AFTER.replace("\"size\":2", "\"size\":3"),
            LATER
        ));
        assert!(!is_hash(&second, &AFTER.replace("true", "false"), LATER));
        let third = hash_of(AFTER, LATER, newest(LATER));
        assert!(!is_hash(
            &third,
            &AFTER.replace("\"size\":2", "\"size\":3"),
            LATER
        ));
    }

    #[test]
    fn a_hash_of_a_newer_version_says_nothing() {
        let newer = hash_of(AFTER, LATER, 3);
        assert!(!is_hash(&newer, AFTER, &LATER[..1]));
        assert!(!is_hash("", AFTER, LATER));
        assert!(!is_hash("0:00", AFTER, LATER));
    }

    /// Releases of every database rest on these: a field that is not among them belongs into [`ADDED`].
    #[test]
    fn the_first_version_has_the_fields_it_had() {
        let money = Some(RuleMoney(1));
        let context = RuleContext {
            order: RuleOrder {
                channel: "shop".to_owned(),
                currency: "JPY".to_owned(),
                total: money,
                remarks: "é\u{7f}\"".to_owned(),
                payment: RulePayment {
                    method: "card".to_owned(),
                },
                buyer_mail: true,
            },
            lines: vec![RuleLine {
                sku: "A".to_owned(),
                title: "B".to_owned(),
                qty: 2,
                unit_price: None,
                mapped: true,
            }],
            groups: vec![RuleGroup {
                service: "s".to_owned(),
                address_complete: true,
                country: "JP".to_owned(),
                region: "13".to_owned(),
                postal_prefix: "100".to_owned(),
                phone_ok: true,
                receiver_differs: false,
            }],
        };
        let mut tree: Tree = serde_json::from_str(&json(&context)).unwrap();
        assert_eq!(serde_json::to_string(&tree).unwrap(), json(&context));
        tree.remove("", &|path| ADDED.iter().any(|field| field.path == path));
        assert_eq!(
            serde_json::to_string(&tree).unwrap(),
            "{\"order\":{\"channel\":\"shop\",\"currency\":\"JPY\",\"total\":1,\"remarks\":\"é\u{7f}\\\"\",\"payment\":{\"method\":\"card\"},\
             \"buyer_mail\":true},\"lines\":[{\"sku\":\"A\",\"title\":\"B\",\"qty\":2,\"unit_price\":null,\"mapped\":true}],\
             \"groups\":[{\"service\":\"s\",\"country\":\"JP\",\"region\":\"13\",\"postal_prefix\":\"100\",\"address_complete\":true,\
             \"phone_ok\":true,\"receiver_differs\":false}]}"
        );
    }
}
