//! Built-in checks, made anew each time: what is wrong or missing on the order itself.

use std::collections::BTreeSet;

use hikiate_sdk::text::quoted;
use hikiate_sdk::{ChannelGate, ChannelState, DeliveryGroup, OrderLine, Tender};

use super::begin::Whose;
use super::provider_tasks::doubts;
use super::tasks::Tasks;
use super::types::{NotWritten, Written};
use super::view::{Line, View};
use crate::action::Action;
use crate::policy::Catalogue;

/// A check that fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Check {
    pub(crate) kind: &'static str,
    pub(crate) detail: String,
    /// What may be typed about it, the likeliest first.
    pub(crate) actions: Vec<Action>,
}

impl Check {
    fn new(kind: &'static str, detail: String) -> Self {
        Self {
            kind,
            detail,
            actions: Vec::new(),
        }
    }
}

/// All that fail, in the order they are to be looked at.
pub(crate) fn checks(view: &View<'_>) -> Vec<Check> {
    let of = |kind| move |detail| Check::new(kind, detail);
    let failed = [
        purged(view),
        channel_state(view).map(of("channel_state_unknown")),
        unmapped(view),
        payment_methods(view).map(of("payment_method_unmapped")),
        totals(view).map(|(kind, detail)| Check::new(kind, detail)),
        unread(view).map(of("wish_unreadable")),
        // What is missing cannot be written either.
        addresses(view)
            .map(of("address_incomplete"))
            .or_else(|| not_writable(view)),
    ];
    let doubted = if view.lines.iter().any(to_instruct) {
        doubts(view)
    } else {
        Vec::new()
    };
    let doubted = doubted.into_iter();
    let doubted = doubted.map(|(kind, detail)| Check::new(kind, detail));
    failed.into_iter().flatten().chain(doubted).collect()
}

fn channel_state(view: &View<'_>) -> Option<String> {
    let ChannelState::Unknown { raw } = &view.order.state else {
        return None;
    };
    Some(format!(
        "The channel reports state {raw:?}, which this connector does not know. Check the order at the channel"
    ))
}

/// What the layouts of its warehouses refuse: better told now than when the batch is sealed.
fn not_writable(view: &View<'_>) -> Option<Check> {
    let refused = &view.input.not_written;
    if !view.lines.iter().any(to_instruct) {
        return None;
    }
    let told: BTreeSet<String> = refused.iter().map(in_words).collect();
    let names = refused.iter().any(|one| one.part == Written::Name);
    (!told.is_empty()).then(|| Check {
        kind: "not_writable",
        detail: told.into_iter().collect::<Vec<_>>().join("; "),
        actions: names.then_some(Action::SetName {}).into_iter().collect(),
    })
}

/// What is open of it was purged of names and addresses: it can be shipped by hand only, and takes no units until then.
pub(crate) fn unshippable(view: &View<'_>) -> bool {
    let ours = view.whose == Whose::Ours && !view.dropped();
    view.input.purged && ours && view.lines.iter().any(to_instruct)
}

fn purged(view: &View<'_>) -> Option<Check> {
    if !unshippable(view) {
        return None;
    }
    let open: Vec<String> = view
        .lines
        .iter()
        .filter(|line| to_instruct(line))
        .map(|line| {
            let n = line.open(false).saturating_sub(line.instructed);
            format!("{n} × {}", view.label(&line.key))
        })
        .collect();
    let shipped = view.any_shipped();
    let otherwise = if shipped {
        "end the order"
    } else {
        "cancel or end the order"
    };
    let detail = format!(
        "The names and addresses of this order were purged, so it can no longer be shipped from here; not shipped: {}. If it was shipped by hand, record the shipment; otherwise {otherwise}",
        open.join(", ")
    );
    let mut actions = vec![Action::Shipped { reference: None }];
    if !shipped {
        actions.push(Action::Cancel {});
    }
    actions.push(Action::End {});
    Some(Check {
        actions,
        ..Check::new("personal_data_purged", detail)
    })
}

/// Something of a line is in no sealed shipment yet. What a warehouse was told already is not told otherwise by a check.
pub(crate) fn to_instruct(line: &Line<'_>) -> bool {
    line.item_id.is_some() && line.ordered > 0 && line.open(false) > line.instructed
}

/// A refusal by an account without a layout.
fn not_taken(refused: &NotWritten) -> String {
    let (warehouse, why) = (&refused.warehouse, &refused.why);
    let restart = "After a change of the configuration, restart";
    let (what, remedy) = match refused.part {
        Written::Name => (
            "the recipient's name",
            format!(". Enter another name (order set-name). {restart}"),
        ),
        Written::Address => ("the address", ". Correct it at the channel".to_owned()),
        Written::Title => ("a line", ". Correct it at the channel".to_owned()),
        Written::Wish => (
            "the order's delivery request",
            format!(
                ". If that is not possible, remove the request from the order at the channel. {restart}"
            ),
        ),
        Written::Service => (
            "the shipping method or the order's number",
            format!(". {restart}"),
        ),
        Written::Unmapped | Written::Together => ("the instruction", format!(". {restart}")),
    };
    format!("{warehouse} does not take {what}, and nothing was sent: {why}{remedy}")
}

fn in_words(refused: &NotWritten) -> String {
    if refused.named {
        return not_taken(refused);
    }
    let warehouse = &refused.warehouse;
    let (what, remedy) = match refused.part {
        Written::Unmapped => {
            return format!(
                "{}. Add the code that {warehouse} uses for it there (an empty string leaves it out) and restart",
                refused.why
            );
        }
        Written::Wish => {
            return format!(
                "The layout of {warehouse} cannot write the order's delivery request, and nothing was sent: {}. Fix the layout and restart, or remove the request from the order at the channel",
                refused.why
            );
        }
        Written::Name => (
            "the recipient's name",
            "Enter another name (order set-name), or fix the layout",
        ),
        Written::Address => (
            "the address",
            "Correct it at the channel, or fix the layout",
        ),
        Written::Service => (
            "the shipping method or the order's number",
            "Fix the layout",
        ),
        Written::Title => ("a title", "Fix the layout"),
        Written::Together => ("the instruction", "Fix the layout"),
    };
    format!(
        "The layout of {warehouse} cannot write {what}, and nothing was sent: {}. {remedy}: for a character, add it to [map] and set loss = \"map\" on the column; for a length, change the column's bytes, chars or template. Then restart",
        refused.why
    )
}

/// What the channel shows of the delivery and its connector cannot read: shipped without it, it would be lost.
fn unread(view: &View<'_>) -> Option<String> {
    let going = |group: &&DeliveryGroup| {
        let mut lines = view.lines.iter().filter(|line| line.group == group.key);
        lines.any(to_instruct)
    };
    let groups = view.order.groups.iter().filter(going);
    let unread = groups.flat_map(|group| &group.wishes.unread);
    let told: BTreeSet<String> = unread
        .map(|one| format!("{} {}", one.field, one.why))
        .collect();
    let told: Vec<String> = told.into_iter().collect();
    (!told.is_empty()).then(|| {
        format!(
            "The order's delivery request cannot be read: {}. Correct it at the channel",
            told.join("; ")
        )
    })
}

/// The channel lets it be shipped.
pub(crate) fn gate_open(view: &View<'_>) -> bool {
    // A completed order is closed at its channel; whether it ships all the same is settled by its own blocker.
    match view.order.gate {
        ChannelGate::Open => true,
        ChannelGate::Closed => view.order.state == ChannelState::Completed,
        _ => false,
    }
}

fn unmapped(view: &View<'_>) -> Option<Check> {
    let missing: Vec<&OrderLine> = view
        .order
        .lines
        .iter()
        .filter(|line| line.quantity > 0 && view.is_unmapped(line))
        .filter(|line| {
            let others = view
                .shipped_by_others()
                .filter(|shown| *shown.line == line.key);
            others.map(|shown| shown.units).fold(0, u32::saturating_add) < line.quantity
        })
        .collect();
    if missing.is_empty() {
        return None;
    }
    let name = |line: &&OrderLine| match &line.sku {
        None => format!("line {} has no code", line.key),
        Some(sku) => quoted(sku),
    };
    let names: Vec<String> = missing.iter().map(name).collect();
    let channel = view.input.channel.to_string();
    let listed = matches!(view.policy.catalogue, Catalogue::Listed(_));
    let remedy = if listed {
        format!("add the code to the mapping file (account {channel})")
    } else {
        "the channel's codes are used as they are ([catalogue] mapping = \"same-code\"), so a code becomes known when a warehouse reports its stock. If the code is wrong, correct it at the channel".to_owned()
    };
    let detail = format!("No item is mapped to {}: {remedy}", names.join(", "));
    // A line without a code is the order's own trouble.
    let codes: Option<BTreeSet<String>> = missing.iter().map(|line| line.sku.clone()).collect();
    let map = |codes: BTreeSet<String>| Action::MapCodes {
        channel,
        codes: codes.into_iter().collect(),
        same_code: !listed,
    };
    Some(Check {
        actions: codes.map(map).into_iter().collect(),
        ..Check::new("unmapped_sku", detail)
    })
}

fn payment_methods(view: &View<'_>) -> Option<String> {
    if view.order.total == Some(0) {
        return None;
    }
    let unknown: BTreeSet<&str> = view
        .tenders()
        .filter(|tender| !tender.gateway.is_empty() && view.route(tender).is_none())
        .map(|tender| tender.gateway.as_str())
        .collect();
    if unknown.is_empty() {
        return None;
    }
    let names: Vec<String> = unknown.iter().map(|name| quoted(name)).collect();
    Some(format!(
        "Payment method {} is not in [channels.{}.payments]. Add it there and restart",
        names.join(", "),
        view.input.channel
    ))
}

fn totals(view: &View<'_>) -> Option<(&'static str, String)> {
    let charges: Option<Vec<i64>> = view
        .order
        .charges
        .iter()
        .map(|charge| charge.gross)
        .collect();
    let (Some(total), Some(charges)) = (view.order.total, charges) else {
        return Some((
            "totals_unknown",
            "The channel has not fixed all amounts yet. Wait, or fix them at the channel"
                .to_owned(),
        ));
    };
    let charged: i128 = charges.iter().map(|gross| i128::from(*gross)).sum();
    let in_words =
        |sum: i128| i64::try_from(sum).map_or_else(|_| sum.to_string(), |s| view.money(s));
    if charged != i128::from(total) {
        return Some((
            "totals_mismatch",
            format!(
                "The charges add up to {}, but the channel's total is {}. Correct the order at the channel",
                in_words(charged),
                view.money(total)
            ),
        ));
    }
    // Nothing is to be paid of an order that the channel cancelled.
    if view.cancelled_at_channel.is_some() {
        return None;
    }
    let tenders: Option<Vec<i64>> = view.tenders().map(|tender| tender.amount).collect();
    // A payment that was voided after an edit keeps what was taken of it, and the new one is for the rest. What was given
    // back is paid no more.
    let sum = |amount: &dyn Fn(&Tender) -> i64| {
        let live = view.tenders().map(|tender| {
            let amount = amount(tender);
            i128::from(amount) + i128::from(view.by_mistake(tender))
                - i128::from(view.not_paid(tender, amount, view.given_back(tender)))
        });
        // What was given back of it by mistake is owed all the same.
        let void = view.order.tenders.iter().filter(|tender| tender.cancelled);
        let mistaken = void.map(|tender| i128::from(view.by_mistake(tender)));
        let before = view.taken_before().saturating_sub(view.held_of_replaced());
        live.sum::<i128>() + i128::from(before) + mistaken.sum::<i128>()
    };
    let paid = sum(&|tender| tender.amount.unwrap_or(0).max(tender.captured));
    let charged = i128::from(view.charged_total().unwrap_or(total));
    // More money than the order costs is a matter of money alone.
    let too_much = paid > charged && sum(&|tender| view.taken(tender)) > charged;
    let authorised = paid > charged && paid - charged <= i128::from(view.credited());
    let off = (paid - charged).abs() > i128::from(view.slack());
    if tenders.is_some_and(|tenders| !tenders.is_empty()) && off && !too_much && !authorised {
        return Some((
            "totals_mismatch",
            format!(
                "The payments add up to {}, but the total is {}. Correct the payments at the channel",
                in_words(paid),
                in_words(charged)
            ),
        ));
    }
    None
}

fn addresses(view: &View<'_>) -> Option<String> {
    let going: BTreeSet<&str> = view
        .lines
        .iter()
        .filter(|line| to_instruct(line))
        .map(|line| line.group.as_str())
        .collect();
    let missing: Vec<String> = going
        .into_iter()
        .filter_map(|group| match view.features.groups.get(group) {
            None => Some(format!("group {group}: no address")),
            Some(features) if !features.missing.is_empty() => {
                Some(format!("group {group}: {}", features.missing.join(", ")))
            }
            Some(_) => None,
        })
        .collect();
    if missing.is_empty() {
        return None;
    }
    Some(format!(
        "The address is incomplete: {}. Complete it at the channel",
        missing.join("; ")
    ))
}

/// Tasks for failed checks.
pub(crate) fn tasks(failed: &[Check], tasks: &mut Tasks) {
    for check in failed {
        let task = tasks.add(check.kind, check.detail.clone());
        for action in &check.actions {
            task.action(action.clone());
        }
    }
}
