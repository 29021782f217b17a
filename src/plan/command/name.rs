//! What an operator says about a receiver's name that a layout cannot write.

use hikiate_sdk::GroupKey;

use super::{Now, Wish, WishedFact};
use crate::facts::{FactBody, ReceiverNamedFact};

/// `order set-name`: the delivery group whose receiver gets another name, or the channel's again, and the fact that says so without it.
///
/// # Errors
/// That nothing of it waits to be instructed, or which group to name.
pub fn set_name(
    on: Now<'_>,
    group: Option<&str>,
    channels: bool,
    reason: &str,
) -> Result<(Wish, GroupKey), String> {
    let view = on.ours()?;
    let number = &view.input.number;
    let keys: Vec<&str> = view.order.groups.iter().map(|g| g.key.as_str()).collect();
    let group = match (group, keys.as_slice()) {
        (Some(group), _) if keys.contains(&group) => GroupKey::from(group),
        (Some(group), _) => {
            return Err(format!(
                "order {number} has no delivery group {group:?}; it has {}",
                keys.join(", ")
            ));
        }
        (None, [one]) => GroupKey::from(*one),
        (None, _) => {
            return Err(format!(
                "order {number} goes to several addresses: name one with --group: {}",
                keys.join(", ")
            ));
        }
    };
    let told = view.input.personal.as_ref();
    if !told.is_some_and(|told| told.ship_to.contains_key(group.as_str())) {
        return Err(format!(
            "order {number} has no address there: complete it at {}",
            view.input.channel
        ));
    }
    let mut sealed = view.fold.shipments.iter();
    if let Some(sent) = sealed.find(|s| s.fact.group == group && s.instructed()) {
        let reference = &sent.fact.reference;
        return Err(format!(
            "{reference} is in a sealed batch under the previous name: recall it first with `hikiate order recall {reference}`, or call {}",
            sent.fact.warehouse
        ));
    }
    let mut lines = view.lines.iter();
    if !lines.any(|line| line.group == group && line.open(false) > 0) {
        return Err(format!(
            "nothing of order {number} remains to be shipped there: a new name has no effect"
        ));
    }
    let mut wish = Wish::default();
    let channel = &view.input.channel;
    if channels {
        wish.does
            .push(format!("instructions use the name that {channel} reports"));
    } else {
        wish.does.push(format!(
            "instructions use the new name until {channel} reports another one"
        ));
        wish.stays
            .push("mails and the channel keep the previous name".to_owned());
    }
    let body = FactBody::ReceiverNamed(ReceiverNamedFact {
        group: group.clone(),
        reason: reason.to_owned(),
    });
    let key = format!("receiver_named:{group}");
    wish.facts.push(WishedFact::again(key, body));
    Ok((wish, group))
}
