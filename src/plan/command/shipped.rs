//! A parcel that an operator shipped or saw: goods that were not sealed come off stock, a sealed shipment has its parcel.

use chrono::{DateTime, Utc};
use hikiate_sdk::{Contents, GroupKey, NO_NUMBER, ParcelLine, ParcelReport, ShipmentReference};

use super::super::holds::open_holds;
use super::super::lost::last_number;
use super::super::mail::mails_shipments;
use super::super::number::shipment_reference;
use super::super::others::{CANCELLED, Shown};
use super::super::parcels::no_number;
use super::super::shipment::{Parcel, Shipment};
use super::super::tracking::same_number;
use super::super::types::{NewShipment, ShipmentStage};
use super::super::view::{Line, View};
use super::{Now, Wish, WishedFact, shipment_of, while_stopped};
use crate::facts::{FactBody, ReleasedFact, ShipmentFact, ShipmentLine, ShippedFact};
use crate::policy::{CaptureRule, Warehouse};

/// Lines as they are typed: the channel's code or line, and how many of it.
pub type Lines<'a> = &'a [(String, u32)];

/// What is told of a parcel.
#[derive(Clone, Copy, Debug)]
pub struct Shipped<'a> {
    /// The shipment; without one it is of what was not sealed.
    pub reference: Option<&'a str>,
    /// The carrier's number.
    pub tracking: &'a str,
    /// The carrier's name.
    pub carrier: Option<&'a str>,
    /// Our name of the warehouse that it left; where its stock is reserved when absent.
    pub from: Option<&'a str>,
    /// When; now when absent.
    pub shipped_at: Option<DateTime<Utc>>,
    /// What is inside; all that is open when empty.
    pub lines: Lines<'a>,
    /// Why it is typed.
    pub reason: &'a str,
}

/// `order shipped`.
///
/// # Errors
/// Why this cannot have been shipped.
pub fn shipped(on: Now<'_>, what: Shipped<'_>) -> Result<Wish, String> {
    let view = on.ours()?;
    if what.shipped_at.is_some_and(|at| at > on.now) {
        return Err("--shipped-at is in the future".to_owned());
    }
    // At the latest when it was first read, whatever the shop's clock says.
    let first = view
        .fold
        .readings
        .first()
        .map(|reading| reading.recorded_at);
    let ordered = view.order.ordered_at;
    let placed = first.map_or(ordered, |first| ordered.min(first));
    if what.shipped_at.is_some_and(|at| at < placed) {
        return Err(format!(
            "--shipped-at is before order {} was placed, {}",
            view.input.number,
            view.local(placed)
        ));
    }
    let number = what.tracking;
    if no_number(number) {
        return Err(format!("{number:?} is not a tracking number"));
    }
    let known = view.fold.shipments.iter().find_map(|shipment| {
        // A parcel with a row that nobody can believe is completed by what is typed under its number.
        let completed = |p: &Parcel<'_>| {
            what.reference == Some(shipment.fact.reference.as_str()) && !p.misread.is_empty()
        };
        let same =
            |p: &&Parcel<'_>| (p.has_number(number) || same_number(p.key, number)) && !completed(p);
        let told = shipment.parcels.iter().chain(&shipment.ahead);
        told.clone().find(same).map(|_| &shipment.fact.reference)
    });
    if let Some(reference) = known {
        return Err(format!(
            "number {number} is already known as a parcel of {reference}"
        ));
    }
    match what.reference {
        None => unsealed(&view, what, on.now, |_| None),
        Some(reference) => {
            let shipment = shipment_of(&view, reference)?;
            match shipment.stage() {
                ShipmentStage::Instructed => sealed(&view, shipment, what, on.now),
                ShipmentStage::Waiting => {
                    let from = what.from.or(Some(shipment.fact.warehouse.as_str()));
                    let most = |line: &Line<'_>| Some(shipment.remaining_qty(&line.key));
                    unsealed(&view, Shipped { from, ..what }, on.now, most)
                }
                ShipmentStage::Shipped if shipment.parcels.iter().any(|p| p.tracking.is_none()) => {
                    Err(format!(
                        "{reference} is already shipped, without a tracking number: add the number with `hikiate parcel correct {reference} --tracking {NO_NUMBER} --to {number} --reason TEXT`"
                    ))
                }
                ShipmentStage::Shipped => Err(format!("{reference} is already shipped")),
                ShipmentStage::Cancelled | ShipmentStage::Rejected => Err(format!(
                    "{reference} was stopped or rejected; run `hikiate order shipped {}` without it to record what shipped instead",
                    view.input.number
                )),
            }
        }
    }
}

/// The parcel of a shipment that its warehouse has.
fn sealed(
    view: &View<'_>,
    shipment: &Shipment<'_>,
    what: Shipped<'_>,
    now: DateTime<Utc>,
) -> Result<Wish, String> {
    let ShipmentFact {
        reference,
        warehouse,
        ..
    } = shipment.fact;
    if let Some(from) = what.from.filter(|from| from != warehouse) {
        return Err(format!(
            "{reference} is with {warehouse}, not with {from}: recall it there before it is shipped elsewhere"
        ));
    }
    let mut lines = Vec::new();
    for row in &shipment.fact.lines {
        let rest = row.quantity.saturating_sub(shipment.left(row.n));
        if rest > 0 {
            lines.push((row.n, row.line.clone(), rest));
        }
    }
    let lines = chosen(
        view,
        what.lines,
        lines.iter().map(|(_, line, n)| (line, *n)),
    )?
    .into_iter()
    .zip(&lines)
    .filter(|(quantity, _)| *quantity > 0)
    .map(|(quantity, (n, _, _))| ParcelLine::new(*n, quantity))
    .collect();
    let mut wish = Wish::default();
    wish.does.push(format!(
        "{reference} was shipped from {warehouse} under {}; a report of {warehouse} with this number or these quantities only confirms it",
        what.tracking
    ));
    as_usual(view, &mut wish);
    wish.facts
        .extend(parcel(reference.clone(), lines, what, now));
    Ok(wish)
}

/// A parcel of what no warehouse was told of; of each line at the most `most`.
fn unsealed(
    view: &View<'_>,
    what: Shipped<'_>,
    now: DateTime<Utc>,
    most: impl Fn(&Line<'_>) -> Option<u32>,
) -> Result<Wish, String> {
    let open = view.lines.iter().filter(|line| line.item_id.is_some());
    let open: Vec<(&Line<'_>, u32)> = open
        .map(|line| {
            let shipped = line.shipped.saturating_sub(view.doubted(line));
            let sealed = shipped.saturating_add(line.instructed);
            let free = line.ordered.saturating_sub(sealed);
            (line, most(line).map_or(free, |most| free.min(most)))
        })
        .filter(|(_, items)| *items > 0)
        .collect();
    if open.is_empty() {
        if let Some(until) = in_correction(view) {
            return Err(format!(
                "a fulfilment of order {} was just cancelled, usually to correct its number; unless another replaces it, run this again after {}",
                view.input.number,
                until.format("%H:%M UTC")
            ));
        }
        let with: Vec<String> = view
            .fold
            .shipments
            .iter()
            .filter(|shipment| shipment.instructed())
            .map(|shipment| shipment.fact.reference.to_string())
            .collect();
        let hint = if with.is_empty() {
            String::new()
        } else {
            format!("; name the shipment: {}", with.join(", "))
        };
        return Err(format!(
            "order {} has nothing to ship that is not already with a warehouse{hint}",
            view.input.number
        ));
    }
    let items = chosen(
        view,
        what.lines,
        open.iter().map(|(line, n)| (&line.key, *n)),
    )?;
    let taken = open.iter().zip(items).filter(|(_, items)| *items > 0);
    let taken: Vec<(&Line<'_>, u32)> = taken.map(|((line, _), items)| (*line, items)).collect();
    let group = one_group(&taken)?;
    let warehouse = place(view, what.from, &taken)?;
    let mut lines = Vec::new();
    for ((line, quantity), n) in taken.iter().zip(1_u32..) {
        let Some((state, item_id)) = line.state.zip(line.item_id) else {
            return Err(format!(
                "order {} has not been planned yet: try again in a moment",
                view.input.number
            ));
        };
        lines.push(ShipmentLine {
            n,
            demand_id: state.id,
            line: line.key.clone(),
            item_id,
            quantity: *quantity,
        });
    }
    let reference = shipment_reference(&view.input.number, last_number(view) + 1);
    let inside = lines
        .iter()
        .map(|line| ParcelLine::new(line.n, line.quantity));
    let inside: Vec<ParcelLine> = inside.collect();
    let sum: u32 = inside.iter().map(|line| line.quantity).sum();
    let mut wish = Wish::default();
    wish.does.push(format!(
        "{sum} units come off stock at {} as {reference} under {}, and no warehouse is instructed",
        warehouse.name, what.tracking
    ));
    as_usual(view, &mut wish);
    let replaced = replaced(view, &taken);
    if !replaced.is_empty() {
        let names: Vec<String> = replaced.iter().map(|shown| shown.key.to_string()).collect();
        wish.does.push(format!(
            "this parcel replaces what was marked as shipped of these lines and then cancelled ({})",
            names.join(", ")
        ));
        wish.facts.push(WishedFact::again(
            format!("released:{CANCELLED}"),
            FactBody::Released(ReleasedFact {
                rules: replaced.iter().map(|shown| shown.line_rule()).collect(),
                reason: what.reason.to_owned(),
                context: String::new(),
            }),
        ));
    }
    wish.shipment = Some(NewShipment {
        reference: reference.clone(),
        warehouse: warehouse.name.clone(),
        account: warehouse.account.clone(),
        release_at: now,
        instructed: true,
        lines: lines
            .iter()
            .map(|line| (line.demand_id, line.quantity))
            .collect(),
    });
    wish.facts.push(WishedFact::once(
        format!("shipment:{reference}"),
        FactBody::Shipment(ShipmentFact {
            reference: reference.clone(),
            warehouse: warehouse.name.clone(),
            account: warehouse.account.clone(),
            group,
            lines,
        }),
    ));
    wish.facts.extend(parcel(reference, inside, what, now));
    Ok(wish)
}

/// What others shipped of these lines, cancelled again and still in doubt.
fn replaced<'v, 'a>(view: &'v View<'a>, taken: &[(&Line<'_>, u32)]) -> Vec<&'v Shown<'a>> {
    let mut replaced: Vec<&Shown<'_>> = Vec::new();
    for (shown, due) in view.others.cancelled() {
        let same = |other: &Shown<'_>| (&other.key, other.line) == (&shown.key, shown.line);
        let of_taken = taken.iter().any(|(line, _)| line.key == *shown.line);
        if !shown.ours && due <= view.now && of_taken && !replaced.iter().any(|o| same(o)) {
            replaced.push(shown);
        }
    }
    replaced
}

/// Until when a cancelled fulfilment of others is taken for a correction of its number.
fn in_correction(view: &View<'_>) -> Option<DateTime<Utc>> {
    let all = view.others.cancelled().filter(|(shown, _)| !shown.ours);
    all.map(|(_, due)| due).filter(|due| *due > view.now).max()
}

/// What follows from every parcel, by the policy of the channel.
fn usual(view: &View<'_>) -> String {
    const COMPLETE: &str = "once everything of the order that ships has shipped";
    let mut does = Vec::new();
    if view.channel.shipping_notice {
        does.push(format!("{} gets a shipping notice", view.input.channel));
    }
    does.push(match view.channel.capture {
        CaptureRule::EachShipment => "the amount due is captured".to_owned(),
        CaptureRule::OnComplete => format!("the amount due is captured {COMPLETE}"),
    });
    if mails_shipments(view) {
        does.push(format!("the customer gets one mail {COMPLETE}"));
    }
    format!("as for every parcel: {}", does.join("; "))
}

fn as_usual(view: &View<'_>, wish: &mut Wish) {
    for hold in open_holds(&view.fold) {
        wish.stays.push(format!(
            "the order is held by rule {}: what was shipped counts anyway, and only the rest stays held",
            hold.rule
        ));
    }
    while_stopped(view, wish);
    let channel = &view.input.channel;
    if view.cancelled_at_channel.is_some() {
        wish.stays.push(format!(
            "{channel} shows the order as cancelled: no shipping notice, capture or mail is sent; a task asks for the return"
        ));
    } else {
        wish.does.push(usual(view));
    }
    let payment = view.payment();
    if view.cancelled_at_channel.is_none() && !payment.confirmed {
        wish.stays.push(format!(
            "the order is not paid ({}): what was shipped is owed, and nothing can be captured",
            payment.word
        ));
    }
    wish.stays.push(
        "a recorded parcel cannot be withdrawn; for returned goods, run `hikiate return received`"
            .to_owned(),
    );
}

/// The facts of a parcel that an operator tells of.
fn parcel(
    reference: ShipmentReference,
    lines: Vec<ParcelLine>,
    what: Shipped<'_>,
    now: DateTime<Utc>,
) -> [WishedFact; 2] {
    let tracking = what.tracking;
    let shipped_at = what.shipped_at.unwrap_or(now);
    let told = FactBody::Shipped(ShippedFact {
        reference: reference.clone(),
        key: tracking.to_owned(),
        reason: what.reason.to_owned(),
    });
    let told = WishedFact::once(format!("shipped:{reference}:{tracking}"), told);
    let parcel = WishedFact {
        happened_at: Some(shipped_at),
        ..WishedFact::once(
            format!("parcel:{reference}:{tracking}:person"),
            FactBody::Parcel(ParcelReport {
                also: Vec::new(),
                shipped_until: None,
                adds: false,
                told: None,
                reference,
                key: tracking.to_owned(),
                named: false,
                carrier: what.carrier.map(str::to_owned),
                tracking: Some(tracking.to_owned()),
                shipped_at,
                contents: Contents::Lines(lines),
            }),
        )
    };
    [told, parcel]
}

fn one_group(taken: &[(&Line<'_>, u32)]) -> Result<GroupKey, String> {
    let first = taken.first().ok_or("no line was given")?;
    if taken.iter().any(|(line, _)| line.group != first.0.group) {
        return Err(
            "these lines go to different addresses: record each parcel with --line".to_owned(),
        );
    }
    Ok(first.0.group.clone())
}

/// Where it left: what was typed, else the one place that its stock is reserved at.
fn place<'v>(
    view: &'v View<'_>,
    from: Option<&str>,
    taken: &[(&Line<'_>, u32)],
) -> Result<&'v Warehouse, String> {
    let all = &view.policy.warehouses;
    let named = |name: &str| {
        let mut all = all.iter();
        all.find(|warehouse| warehouse.name == name).ok_or_else(|| {
            let names: Vec<&str> = view
                .policy
                .warehouses
                .iter()
                .map(|w| w.name.as_str())
                .collect();
            format!("no warehouse {name:?} is configured: {}", names.join(", "))
        })
    };
    if let Some(name) = from {
        return named(name);
    }
    let mut places: Vec<&str> = taken
        .iter()
        .filter_map(|(line, _)| line.state)
        .flat_map(|state| &state.reserved)
        .map(|(place, _, _)| place.as_str())
        .collect();
    places.sort_unstable();
    places.dedup();
    match (places.as_slice(), all.as_slice()) {
        ([one], _) => named(one),
        ([], [one]) => Ok(one),
        ([], _) => Err("none of it is reserved: name the warehouse with --from".to_owned()),
        (several, _) => Err(format!(
            "it is reserved at {}: name the warehouse with --from",
            several.join(" and ")
        )),
    }
}

/// Items of each open line that were meant: all of them when nothing was typed.
pub(super) fn chosen<'l>(
    view: &View<'_>,
    typed: Lines<'_>,
    open: impl Iterator<Item = (&'l hikiate_sdk::LineKey, u32)>,
) -> Result<Vec<u32>, String> {
    let open: Vec<_> = open.collect();
    if typed.is_empty() {
        return Ok(open.iter().map(|(_, items)| *items).collect());
    }
    let mut chosen = vec![0_u32; open.len()];
    for (code, units) in typed {
        let names = |key: &hikiate_sdk::LineKey| {
            let line = view.order.lines.iter().find(|line| line.key == *key);
            key.as_str() == code || line.is_some_and(|l| l.sku.as_deref() == Some(code))
        };
        let mut rest = 0;
        let mut found = false;
        for (at, (key, items)) in open.iter().enumerate().filter(|(_, (key, _))| names(key)) {
            let multiplier = view
                .lines
                .iter()
                .find(|line| line.key == **key)
                .map_or(1, |line| line.multiplier);
            if !found {
                rest = units.saturating_mul(multiplier);
                found = true;
            }
            if let Some(sum) = chosen.get_mut(at) {
                let more = rest.min(items.saturating_sub(*sum));
                *sum = sum.saturating_add(more);
                rest -= more;
            }
        }
        if !found {
            let typed = |key: &hikiate_sdk::LineKey| {
                let line = view.order.lines.iter().find(|line| line.key == *key);
                let sku = line.and_then(|line| line.sku.clone());
                sku.unwrap_or_else(|| key.to_string())
            };
            let known: Vec<String> = open
                .iter()
                .map(|(key, items)| format!("{}={items}", typed(key)))
                .collect();
            return Err(format!(
                "--line {code}: no open line has this code; open: {}",
                known.join(", ")
            ));
        }
        if rest > 0 {
            return Err(format!(
                "--line {code}={units}: {rest} units more than are open"
            ));
        }
    }
    Ok(chosen)
}
