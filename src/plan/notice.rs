//! Shipping notices: the channel is told what left, with tracking, each parcel once.

use std::collections::{BTreeMap, BTreeSet};

use hikiate_sdk::text::quoted;
use hikiate_sdk::{
    Call, ChannelFulfilment, FulfilCall, LineKey, Op, ShipCall, ShipmentReference, ShippedLine,
    ShippedParcel,
};

use super::effects::{Candidate, Wanted, withdraw};
use super::fold::Intent;
use super::notice_tasks::{notice_exceeds_shipped, told_elsewhere, unnumbered};
use super::shipment::{Parcel, Shipment};
use super::tasks::Tasks;
use super::view::View;
use crate::facts::IntentWhat;

/// What the channel is to be told.
pub(crate) fn notices(view: &View<'_>, tasks: &mut Tasks) -> Wanted {
    let mut wanted = Wanted::default();
    if view.cancelled_at_channel.is_some() {
        let why = "the order is cancelled at the channel";
        for op in [Op::Fulfil, Op::Ship] {
            let open = view.fold.of_op(op).filter(|intent| intent.open());
            wanted
                .withdraw
                .extend(open.filter_map(|intent| withdraw(intent, why)));
        }
        return wanted;
    }
    let Some(epoch) = view.epoch("notice", &view.input.channel) else {
        return wanted;
    };
    if !view.channel.shipping_notice {
        return wanted;
    }
    let told = NoticeState::of(view);
    unnumbered(view, &told, tasks);
    notice_exceeds_shipped(view, &told, tasks);
    told_elsewhere(view, &told, tasks);
    for fulfil in view.fold.of_op(Op::Fulfil).filter(|intent| !intent.void()) {
        let Some(Call::Fulfil(call)) = fulfil.call() else {
            continue;
        };
        if is_told_again(view, fulfil, call) {
            continue;
        }
        let shown = told.shown(call.reference.as_str());
        let shipped = shown.is_some_and(|fulfilment| fulfilment.shipped());
        let asked = ship_intent(view, &call.reference);
        if shipped || asked.is_some_and(|intent| intent.done()) {
            continue;
        }
        wanted.pending = true;
        let waits = told_by(view, fulfil).any(|parcel| view.number_may_come(parcel));
        let unmapped = unmapped_carriers(view, fulfil);
        if asked.is_none() && !unmapped.is_empty() {
            tasks.add(
                "carrier_unmapped",
                format!(
                    "No shipping notice can be sent for {}: its carrier {} is not in [channels.{}.carriers]. Add the channel's name for it there and restart",
                    call.reference,
                    unmapped.join(", "),
                    view.input.channel
                ),
            );
        } else if asked.is_none() && !waits && (fulfil.done() || shown.is_some()) {
            wanted.candidates.push(ship(view, fulfil, call));
        }
    }
    let mut untold: Vec<Load<'_, '_>> = Vec::new();
    let mut candidate = None;
    for shipment in &view.fold.shipments {
        let parcels = shipment.parcels.iter();
        let parcels = parcels
            .filter(|parcel| parcel.first_recorded_at >= epoch && !told.knows(shipment, parcel));
        let (waiting, parcels): (Vec<_>, Vec<_>) =
            parcels.partition(|parcel| view.number_may_come(parcel));
        wanted.pending |= !waiting.is_empty();
        let parcels = parcels.into_iter();
        let loads: Vec<_> = parcels.map(|parcel| (shipment, parcel)).collect();
        candidate = candidate.or_else(|| fulfil(view, &told, &loads));
        untold.extend(loads);
    }
    // Parts of a case that left in different shipments are one unit together; a parcel that was told may turn
    // out to hold more.
    let candidate = candidate
        .or_else(|| fulfil(view, &told, &untold))
        .or_else(|| fulfil(view, &told, &[]));
    if let Some(candidate) = candidate {
        wanted.pending = true;
        // One after the other: what the first tells changes what the second may.
        if !view.fold.of_op(Op::Fulfil).any(Intent::open) {
            wanted.candidates.push(candidate);
        }
    }
    // Once the channel shows what it refused to be told, there is nothing to do.
    if wanted.pending
        && let Some((id, words)) = last_refusal(view)
        && !view.fold.released_after("notice", id)
    {
        wanted.candidates.clear();
        tasks.add(
            "shipping_notice_rejected",
            format!(
                "The channel rejected the shipping notice: {words}. Mark the order as shipped at the channel, or release to send the notice again"
            ),
        )
        .release("notice");
    }
    wanted
}

/// A parcel with its shipment.
type Load<'v, 'a> = (&'v Shipment<'a>, &'v Parcel<'a>);

/// A refusal that nothing newer of its kind has overtaken.
fn last_refusal<'a>(view: &View<'a>) -> Option<(i64, &'a str)> {
    let last = |op| {
        view.fold
            .of_op(op)
            .last()
            .and_then(|intent| intent.refusal())
    };
    let refused = last(Op::Fulfil).into_iter().chain(last(Op::Ship));
    refused
        .map(|(id, outcome)| (id, outcome.message.as_str()))
        .max_by_key(|(id, _)| *id)
}

pub(super) fn ship_intent<'v, 'a>(
    view: &'v View<'a>,
    reference: &ShipmentReference,
) -> Option<&'v Intent<'a>> {
    view.fold.of_op(Op::Ship).filter(|intent| !intent.void()).find(|intent| {
        matches!(intent.call(), Some(Call::Ship(call)) if call.reference == *reference)
    })
}

/// The parcels that an intent tells.
pub(super) fn told_by<'v, 'a>(
    view: &'v View<'a>,
    intent: &Intent<'_>,
) -> impl Iterator<Item = &'v Parcel<'a>> + use<'v, 'a> {
    let names: BTreeSet<String> = intent.parcels().iter().cloned().collect();
    let parcels = view.parcels().into_iter();
    parcels.filter(move |parcel| parcel.names().any(|name| names.contains(&name)))
}

fn ship(view: &View<'_>, fulfil: &Intent<'_>, call: &FulfilCall) -> Candidate {
    let labels = |parcel: &Parcel<'_>| {
        let carrier = parcel.carrier().map(|name| carrier_at(view, name));
        let told = |tracking: Option<&str>| ShippedParcel {
            key: parcel.name(),
            carrier: carrier.flatten().map(str::to_owned),
            tracking: tracking.map(str::to_owned),
            shipped_at: Some(parcel.shipped_at(view.order.ordered_at)),
            lines: Vec::new(),
        };
        let mut labels: Vec<ShippedParcel> =
            parcel.labels().map(|number| told(Some(number))).collect();
        if labels.is_empty() {
            labels.push(told(None));
        }
        if let Some(first) = labels.first_mut() {
            first.lines = units_in(view, parcel);
        }
        labels
    };
    let parcels = told_by(view, fulfil).flat_map(labels);
    Candidate {
        account: view.input.channel.clone(),
        op: Op::Ship,
        what: IntentWhat::Call {
            call: Box::new(Call::Ship(ShipCall {
                order: view.input.external_id.clone(),
                reference: call.reference.clone(),
                lines: call.lines.clone(),
                parcels: parcels.collect(),
            })),
            parcels: fulfil.parcels().to_vec(),
            decision: String::new(),
        },
    }
}

/// What the channel calls a carrier; `None` where its table lacks the name.
fn carrier_at<'n>(view: &View<'n>, name: &'n str) -> Option<&'n str> {
    let table = &view.channel.carriers;
    if table.is_empty() {
        return Some(name);
    }
    table.get(name).map(String::as_str)
}

/// Carriers of what an intent tells that the channel's table lacks.
fn unmapped_carriers(view: &View<'_>, intent: &Intent<'_>) -> Vec<String> {
    let carriers: BTreeSet<&str> = told_by(view, intent).filter_map(Parcel::carrier).collect();
    let lacking = carriers
        .into_iter()
        .filter(|name| carrier_at(view, name).is_none());
    lacking.map(quoted).collect()
}

/// What a parcel holds in the channel's units; none where it holds a part of a unit.
fn units_in(view: &View<'_>, parcel: &Parcel<'_>) -> Vec<ShippedLine> {
    let Some(shipment) = view.shipment(parcel.reference()) else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    for line in &view.lines {
        let rows = shipment.lines_of(&line.key);
        let items = rows.fold(0_u32, |sum, row| sum.saturating_add(parcel.items(row.n)));
        if items == 0 {
            continue;
        }
        if items % line.multiplier != 0 {
            return Vec::new();
        }
        lines.push(ShippedLine {
            line: line.key.clone(),
            quantity: items / line.multiplier,
        });
    }
    lines
}

/// Tells what is in some parcels, under the first one's shipment; without any, what the parcels that were told
/// hold more than was told.
fn fulfil(view: &View<'_>, told: &NoticeState<'_>, loads: &[Load<'_, '_>]) -> Option<Candidate> {
    let items_of = |(shipment, parcel): &Load<'_, '_>, line: &LineKey| {
        let rows = shipment.lines_of(line);
        rows.fold(0_u32, |sum, row| sum.saturating_add(parcel.items(row.n)))
    };
    let mut lines = Vec::new();
    for line in &view.lines {
        let items = loads.iter().map(|load| items_of(load, &line.key));
        let items = items.fold(0_u32, u32::saturating_add);
        if items == 0 && !loads.is_empty() {
            continue;
        }
        let before = told.items.get(&line.key).copied().unwrap_or(0);
        let ours = told.units.get(&line.key).copied().unwrap_or(0);
        let all = told.units_of_all.get(&line.key).copied().unwrap_or(0);
        let due = (before.saturating_add(items) / line.multiplier).saturating_sub(ours);
        let quantity = due.min(line.units.saturating_sub(all));
        if quantity > 0 {
            lines.push(ShippedLine {
                line: line.key.clone(),
                quantity,
            });
        }
    }
    if lines.is_empty() {
        return None;
    }
    let known: Vec<Load<'_, '_>>;
    let loads = if loads.is_empty() {
        known = told.loads(view);
        &known
    } else {
        loads
    };
    let (first, _) = loads.first()?;
    let same = |(shipment, _): &Load<'_, '_>| shipment.fact.reference == first.fact.reference;
    let alone = loads.iter().all(same);
    let told_here =
        |load: &&Load<'_, '_>| alone || lines.iter().any(|line| items_of(load, &line.line) > 0);
    let parcels: Vec<Load<'_, '_>> = loads.iter().filter(told_here).copied().collect();
    let (shipment, _) = parcels.first()?;
    Some(Candidate {
        account: view.input.channel.clone(),
        op: Op::Fulfil,
        what: IntentWhat::Call {
            call: Box::new(Call::Fulfil(FulfilCall {
                order: view.input.external_id.clone(),
                reference: told.next_reference(&shipment.fact.reference),
                location: view
                    .channel
                    .locations
                    .get(&shipment.fact.warehouse)
                    .cloned(),
                lines,
            })),
            parcels: parcels.iter().map(|(_, parcel)| parcel.name()).collect(),
            decision: String::new(),
        },
    })
}

/// What the channel knows, by our intents and by its own reading.
pub(super) struct NoticeState<'a> {
    parcels: BTreeSet<&'a str>,
    references: BTreeSet<&'a str>,
    fulfilments: Vec<&'a ChannelFulfilment>,
    /// Items in the parcels that our intents tell, and those that others left out of parcels which they told.
    items: BTreeMap<LineKey, u32>,
    /// Units our intents tell.
    pub(super) units: BTreeMap<LineKey, u32>,
    /// Those and what others told.
    units_of_all: BTreeMap<LineKey, u32>,
    /// Parcels whose number others told without all lines that are in them.
    in_part: BTreeSet<String>,
}

impl<'a> NoticeState<'a> {
    fn of(view: &View<'a>) -> Self {
        let fulfilments: Vec<_> = view
            .order
            .fulfilments
            .iter()
            .filter(|fulfilment| !fulfilment.cancelled())
            .collect();
        let mut told = Self {
            parcels: BTreeSet::new(),
            references: BTreeSet::new(),
            fulfilments,
            items: BTreeMap::new(),
            units: BTreeMap::new(),
            units_of_all: BTreeMap::new(),
            in_part: BTreeSet::new(),
        };
        for intent in view.fold.of_op(Op::Fulfil).filter(|intent| !intent.void()) {
            let Some(Call::Fulfil(call)) = intent.call() else {
                continue;
            };
            told.references.insert(call.reference.as_str());
            if is_told_again(view, intent, call) {
                continue;
            }
            told.parcels
                .extend(intent.parcels().iter().map(String::as_str));
            for line in &call.lines {
                add(&mut told.units, &line.line, line.quantity);
            }
        }
        told.units_of_all = told.units.clone();
        for fulfilment in &told.fulfilments {
            let ours = fulfilment.reference.as_deref();
            // Told of one of our shipments in a window that the database has lost: it is told again, looked
            // up and found.
            let forgotten = ours.is_some_and(|reference| {
                !fulfilment.shipped()
                    && !told.references.contains(reference)
                    && view.fold.shipments.iter().any(|shipment| {
                        let name = shipment.fact.reference.as_str();
                        reference == name || reference.starts_with(&format!("{name}."))
                    })
            });
            if forgotten {
                continue;
            }
            if ours.is_none_or(|reference| !told.references.contains(reference)) {
                for (line, quantity) in &fulfilment.lines {
                    add(&mut told.units_of_all, line, *quantity);
                }
            }
        }
        let by_intent = |parcel: &Parcel<'_>| told.by_intent(parcel);
        told.items = view.shipped_in(by_intent);
        for shipment in &view.fold.shipments {
            told.left_out(shipment);
        }
        told
    }

    /// Others told the number of a parcel and not all lines in it: the rest of it is still to be told.
    fn left_out(&mut self, shipment: &Shipment<'_>) {
        for parcel in &shipment.parcels {
            let name = parcel.name();
            if parcel.tracking.is_none() || self.by_intent(parcel) {
                continue;
            }
            let of = |f: &&&ChannelFulfilment| {
                let ours = f.reference.as_deref();
                f.shipped()
                    && ours.is_none_or(|reference| !self.references.contains(reference))
                    && f.tracking.iter().any(|shown| parcel.has_number(shown))
            };
            let theirs: Vec<_> = self.fulfilments.iter().filter(of).copied().collect();
            let lists = |line: &LineKey| {
                let mut lines = theirs.iter().flat_map(|f| &f.lines);
                lines.any(|(key, _)| key == line)
            };
            for row in shipment.fact.lines.iter().filter(|_| !theirs.is_empty()) {
                let items = parcel.items(row.n);
                if items > 0 && !lists(&row.line) {
                    add(&mut self.items, &row.line, items);
                    self.in_part.insert(name.clone());
                }
            }
        }
    }

    /// Parcels that our intents tell, or others in part.
    fn loads<'v>(&self, view: &'v View<'a>) -> Vec<Load<'v, 'a>> {
        let shipments = view.fold.shipments.iter();
        shipments
            .flat_map(|shipment| {
                shipment
                    .parcels
                    .iter()
                    .map(move |parcel| (shipment, parcel))
            })
            .filter(|(_, parcel)| self.by_intent(parcel) || self.in_part.contains(&parcel.name()))
            .collect()
    }

    /// Units of a line in the fulfilments of ours that the channel shows; `None` where it does not show them all.
    pub(super) fn shown_of(&self, line: &LineKey) -> Option<u32> {
        let shown: Vec<_> = self
            .references
            .iter()
            .map(|reference| self.shown(reference))
            .collect();
        let all: Option<Vec<&ChannelFulfilment>> = shown.into_iter().collect();
        let lines = all?.into_iter().flat_map(|f| &f.lines);
        let units = lines
            .filter(|(key, _)| key == line)
            .map(|(_, units)| *units);
        Some(units.fold(0, u32::saturating_add))
    }

    /// An intent of ours tells it.
    fn by_intent(&self, parcel: &Parcel<'_>) -> bool {
        let mut names = parcel.names();
        names.any(|name| self.parcels.contains(name.as_str()))
    }

    pub(super) fn shown(&self, reference: &str) -> Option<&'a ChannelFulfilment> {
        let mine = |f: &&&ChannelFulfilment| f.reference.as_deref() == Some(reference);
        self.fulfilments.iter().find(mine).copied()
    }

    /// The channel knows a parcel: by an intent, or because it shows it as shipped.
    pub(super) fn knows(&self, shipment: &Shipment<'_>, parcel: &Parcel<'_>) -> bool {
        if self.by_intent(parcel) {
            return true;
        }
        let shipped = |f: &&&ChannelFulfilment| f.shipped();
        match parcel.tracking {
            Some(_) => self
                .fulfilments
                .iter()
                .filter(shipped)
                .any(|f| f.tracking.iter().any(|shown| parcel.has_number(shown))),
            None => {
                let reference = shipment.fact.reference.as_str();
                !self.references.contains(reference)
                    && self.shown(reference).is_some_and(|f| f.shipped())
            }
        }
    }

    /// The shipment's reference for its first notice, then with `.2`, `.3`.
    fn next_reference(&self, reference: &ShipmentReference) -> ShipmentReference {
        let used = |name: &str| {
            self.references.contains(name) || self.shown(name).is_some_and(|f| f.shipped())
        };
        let mut name = reference.to_string();
        let mut j = 1_usize;
        while used(&name) {
            j += 1;
            name = format!("{reference}.{j}");
        }
        ShipmentReference::new(name)
    }
}

/// An operator wants it told again, and the channel shows it cancelled, or, read after the first notice had ended, not.
pub(super) fn is_told_again(view: &View<'_>, intent: &Intent<'_>, call: &FulfilCall) -> bool {
    let name = call.reference.as_str();
    let again = view
        .fold
        .tell_again
        .iter()
        .any(|(reference, at)| *at > intent.id && names(reference, name));
    let again = again || cancelled_before_it_shipped(view, name) || told_by_others(view, call);
    again && !in_doubt(view, intent, name) && shown(view, name).all(ChannelFulfilment::cancelled)
}

/// The channel refused to show it, and has no room for it: staff told it of these units in another way. What they left is told.
fn told_by_others(view: &View<'_>, call: &FulfilCall) -> bool {
    let refused = last_ship(view, call.reference.as_str()).and_then(|intent| intent.refusal());
    let has_room = |line: &ShippedLine| {
        let known = view.lines.iter().find(|known| known.key == line.line);
        let left = known.map_or(0, |known| {
            known.units.saturating_sub(fulfilled(view, &line.line))
        });
        line.quantity <= left
    };
    refused.is_some() && !call.lines.iter().all(has_room)
}

/// The channel refused to ship what it shows cancelled, and an operator released that to have it told again.
fn cancelled_before_it_shipped(view: &View<'_>, name: &str) -> bool {
    let refused = last_ship(view, name).and_then(|intent| intent.refusal());
    let released = refused.is_some_and(|(id, _)| view.fold.released_after("notice", id));
    let gone = |f: &ChannelFulfilment| f.cancelled() && f.reference.as_deref() == Some(name);
    released && view.order.fulfilments.iter().any(gone)
}

/// The last call that was to ship a notice.
fn last_ship<'v, 'a>(view: &'v View<'a>, name: &str) -> Option<&'v Intent<'a>> {
    let of = |intent: &&Intent<'_>| matches!(intent.call(), Some(Call::Ship(call)) if call.reference.as_str() == name);
    view.fold.of_op(Op::Ship).filter(of).last()
}

/// The channel still lists units of a shipment that no fulfilment there has: it can be told of them.
pub(super) fn can_be_told(view: &View<'_>, shipment: &Shipment<'_>) -> bool {
    let mut lines = view.lines.iter();
    lines.any(|line| shipment.shipped_of(&line.key) > 0 && line.units > fulfilled(view, &line.key))
}

/// Units of a line in fulfilments of the channel.
fn fulfilled(view: &View<'_>, line: &LineKey) -> u32 {
    let all = view.order.fulfilments.iter().filter(|f| !f.cancelled());
    let units = all.flat_map(|f| &f.lines).filter(|(key, _)| key == line);
    units.fold(0_u32, |sum, (_, units)| sum.saturating_add(*units))
}

/// The notices of a shipment have ended, and the channel was read since.
pub(super) fn notices_are_shown(view: &View<'_>, reference: &ShipmentReference) -> bool {
    let in_doubt_of_it = |intent: &Intent<'_>| match intent.call() {
        Some(Call::Fulfil(call)) if !intent.void() => {
            let name = call.reference.as_str();
            names(reference, name) && in_doubt(view, intent, name)
        }
        _ => false,
    };
    !view.fold.of_op(Op::Fulfil).any(in_doubt_of_it)
}

/// The newest reading may be older than what it did, and does not show it.
fn in_doubt(view: &View<'_>, intent: &Intent<'_>, name: &str) -> bool {
    let unread = |ended: i64| ended > view.head.id && shown(view, name).next().is_none();
    intent.outcome.is_none_or(|(ended, _)| unread(ended))
}

fn shown<'v>(view: &'v View<'_>, name: &str) -> impl Iterator<Item = &'v ChannelFulfilment> {
    let all = view.order.fulfilments.iter();
    all.filter(move |fulfilment| fulfilment.reference.as_deref() == Some(name))
}

/// A notice's reference is that of the shipment, or a further one of it.
fn names(shipment: &ShipmentReference, notice: &str) -> bool {
    let rest = notice.strip_prefix(shipment.as_str());
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn add(sums: &mut BTreeMap<LineKey, u32>, line: &LineKey, quantity: u32) {
    let sum = sums.entry(line.clone()).or_default();
    *sum = sum.saturating_add(quantity);
}
