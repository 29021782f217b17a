//! The rule context of an order, and its hash: on the same context a released rule does not hold again.

use chrono::{DateTime, Utc};
use hikiate_sdk::DeliveryGroup;

use super::fold::Fold;
use super::number::hex_sha256;
use super::order::PlanError;
use super::types::OrderInput;
use super::view::View;
use crate::policy::Policy;
use crate::rules::{RuleContext, RuleGroup, RuleLine, RuleMoney, RuleOrder, RulePayment};

/// SHA-256 of a context's JSON, hex. Both the plan and the release command take it from here.
#[must_use]
pub fn context_hash(context: &RuleContext) -> String {
    // Plain structs of text and integers; serde_json has nothing to refuse in them.
    hex_sha256(
        serde_json::to_string(context)
            .unwrap_or_default()
            .as_bytes(),
    )
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
    let fold = Fold::of(input);
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
