//! The sentences of an explanation: goods, shipments, who cancelled, what comes next.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use hikiate_sdk::text::quoted;
use hikiate_sdk::{AccountSlug, CancelVerdict, ChannelState, LineKey};

use super::elsewhere::{Elsewhere, SealedBatch, Sending};
use crate::action::quoted as word;
use crate::facts::{FactBody, ShipmentFact};
use crate::operations::{ANNOTATE, MAIL, NOT_NEEDED, NOTICE, of};
use crate::plan::goods::own_refusal;
use crate::plan::order::Next;
use crate::plan::shipment::Shipment;
use crate::plan::stop::stopped;
use crate::plan::tasks::words_or_none;
use crate::plan::types::{OrderInput, ShipmentStage};
use crate::plan::view::{Line, View};

/// A time to the minute in the shop's zone.
pub(super) fn minute(at: DateTime<Utc>, zone: Tz) -> String {
    at.with_timezone(&zone).format("%Y-%m-%d %H:%M").to_string()
}

/// Who stopped the order: the channel or an operator, whichever was first.
pub(super) fn cancelled_by(input: &OrderInput, zone: Tz) -> Option<String> {
    let mut said = None;
    for fact in &input.facts {
        match &fact.body {
            FactBody::CancelWanted(wanted) => {
                return said.or_else(|| {
                    let at = minute(fact.happened_at, zone);
                    Some(format!("by {} at {at}: {}", fact.actor, wanted.reason))
                });
            }
            FactBody::Order(reading) => {
                said = match reading.order.state {
                    ChannelState::Cancelled { at } => {
                        said.or_else(|| Some(format!("at the channel at {}", minute(at, zone))))
                    }
                    _ => None,
                };
            }
            _ => {}
        }
    }
    said
}

/// Who ended the order, when and why, where an operator did.
pub(super) fn ended_by(view: &View<'_>) -> Option<String> {
    let (ended, _) = view.ended()?;
    let fact = view.input.facts.iter().find(|fact| fact.id == ended)?;
    let FactBody::Ended(why) = &fact.body else {
        return None;
    };
    let at = minute(fact.happened_at, view.policy.shop.timezone);
    let undone = if view.purged() {
        "nothing undoes that: its personal data was purged".to_owned()
    } else {
        format!(
            "`hikiate order release {} --rule ended --reason TEXT` undoes that",
            view.input.number
        )
    };
    Some(format!(
        "ended by {} at {at}: {}; nothing more of it is instructed; {undone}",
        fact.actor, why.reason
    ))
}

/// A line as people know it: its code and title, from the last reading that had it.
fn item(view: &View<'_>, key: &LineKey) -> String {
    let mut lines = view
        .fold
        .readings
        .iter()
        .rev()
        .flat_map(|reading| &reading.fact.order.lines);
    match lines.find(|line| line.key == *key) {
        Some(line) => match &line.sku {
            Some(sku) => format!("{sku} {}", quoted(&line.title)),
            None => quoted(&line.title),
        },
        None => format!("line {key}"),
    }
}

/// Per line; where stock is `short`, with the command that shows it.
pub(super) fn stock(view: &View<'_>, elsewhere: &Elsewhere, short: bool) -> Vec<String> {
    let mut words = Vec::new();
    for line in view.lines.iter().filter(|line| line.item_id.is_some()) {
        let stored = line.state.map_or(&[][..], |state| &state.reserved);
        let reserved: Vec<String> = stored
            .iter()
            .map(|(at, items, firm)| {
                let how = if *firm { "allocated" } else { "reserved" };
                format!("{items} {how} at {at}")
            })
            .collect();
        let reserved = if reserved.is_empty() {
            "none reserved".to_owned()
        } else {
            reserved.join(", ")
        };
        words.push(format!(
            "{}: {} ordered, {} shipped, {} in sealed batches, {reserved}{}",
            item(view, &line.key),
            line.ordered,
            line.shipped,
            line.instructed,
            lacking(elsewhere, line)
                .filter(|_| short)
                .unwrap_or_default()
        ));
    }
    words
}

/// Where to look for what allocation did not find for a line.
fn lacking(elsewhere: &Elsewhere, line: &Line<'_>) -> Option<String> {
    let open = line.ordered.saturating_sub(line.shipped);
    let open = open.saturating_sub(line.packed);
    let reserved = line.reserved().iter().map(|(_, items, _)| *items);
    let taken = reserved.fold(line.instructed, u32::saturating_add);
    if taken >= open || line.awaits_allocation(open) {
        return None;
    }
    let code = line.item_id.and_then(|id| elsewhere.items.get(&id));
    let code = code.map_or_else(String::new, |code| format!(" {}", word(code)));
    Some(format!(": see `hikiate stock show{code}`"))
}

pub(super) fn shipment(view: &View<'_>, elsewhere: &Elsewhere, shipment: &Shipment<'_>) -> String {
    let zone = view.policy.shop.timezone;
    let fact = shipment.fact;
    let stage = match shipment.stage() {
        ShipmentStage::Waiting => match (
            kept_back(view, elsewhere, fact),
            elsewhere.waves.get(&fact.warehouse),
        ) {
            (Some(why), _) => format!("waits: {why}"),
            (None, Some(at)) => format!(
                "waits for the batch that is sealed at {}",
                minute(*at, zone)
            ),
            (None, None) => "waits for its batch".to_owned(),
        },
        ShipmentStage::Instructed => {
            let way = on_its_way(elsewhere, shipment, zone);
            way + &asked_back(view, shipment).unwrap_or_default()
        }
        ShipmentStage::Cancelled => "stopped".to_owned(),
        ShipmentStage::Rejected if shipment.abandoned().is_some() => {
            "abandoned with its batch".to_owned()
        }
        ShipmentStage::Rejected => {
            let own = shipment
                .refusal()
                .is_some_and(|(id, _)| own_refusal(view, &fact.reference, id));
            let words = if own {
                "cannot be written, and the warehouse has received nothing"
            } else {
                "rejected by the warehouse"
            };
            words.to_owned()
        }
        ShipmentStage::Shipped => "shipped".to_owned(),
    };
    let lines: Vec<String> = fact
        .lines
        .iter()
        .map(|line| format!("{} × {}", line.quantity, item(view, &line.line)))
        .collect();
    let left = shipment.parcels.iter().map(|parcel| (parcel, "at"));
    let ahead = shipment.ahead.iter().map(|parcel| (parcel, "reported for"));
    let parcels: String = left
        .chain(ahead)
        .map(|(parcel, word)| {
            let at = minute(parcel.shipped_at(view.order.ordered_at), zone);
            let numbers: Vec<&str> = parcel.labels().collect();
            if numbers.is_empty() {
                format!("; parcel without a number {word} {at}")
            } else {
                format!("; parcel {} {word} {at}", numbers.join(" and "))
            }
        })
        .collect();
    format!(
        "{} from {} ({}), decided {}: {stage}{parcels}",
        fact.reference,
        fact.warehouse,
        lines.join(", "),
        minute(shipment.decided_at, zone)
    )
}

/// It is wanted back, and what came of that.
fn asked_back(view: &View<'_>, shipment: &Shipment<'_>) -> Option<String> {
    let warehouse = &shipment.fact.warehouse;
    let request = view.fold.cancel_requests(&shipment.fact.reference).last();
    if request.is_none() && shipment.recall.is_none() {
        return None;
    }
    if let Some((_, reply)) = shipment.not_stopped() {
        let verb = match reply.verdict {
            CancelVerdict::TooLate => "it was too late",
            _ => "it will be shipped",
        };
        let words = words_or_none(&reply.message);
        return Some(format!(
            "; CANCELLATION REQUESTED: {warehouse} says {verb}: {words}"
        ));
    }
    Some(match request {
        Some(request) if request.taken() => {
            format!("; CANCELLATION REQUESTED from {warehouse}, no answer yet")
        }
        Some(request) if request.refusal().is_some() => {
            "; CANCELLATION REQUESTED, but the request was rejected: see the task".to_owned()
        }
        Some(_) => format!("; CANCELLATION REQUESTED: the request to {warehouse} is in progress"),
        None => format!(
            "; CANCELLATION REQUESTED: {warehouse} has to be called, or gets the request next"
        ),
    })
}

/// What keeps a waiting shipment from its batch, whatever the time is.
pub(super) fn kept_back(
    view: &View<'_>,
    elsewhere: &Elsewhere,
    shipment: &ShipmentFact,
) -> Option<String> {
    if stopped(view, shipment) {
        return Some(
            "a shipping stop keeps it from being sealed: see `hikiate stop-shipping list`"
                .to_owned(),
        );
    }
    let why = elsewhere.paused.get(&shipment.account)?;
    Some(format!(
        "account {}: {why}; nothing is sealed for it (`hikiate resume {0}` ends an operator's pause)",
        shipment.account
    ))
}

/// Sealed, sent, accepted: what the warehouse is known to have, and no more.
fn on_its_way(elsewhere: &Elsewhere, shipment: &Shipment<'_>, zone: Tz) -> String {
    let warehouse = &shipment.fact.warehouse;
    if !shipment.parcels.is_empty() {
        return "shipped in part".to_owned();
    }
    if let Some(message) = shipment.batch_rejected() {
        return format!("in a batch that was rejected: {message}");
    }
    if shipment.accepted() {
        return format!("accepted by {warehouse}");
    }
    if shipment.rejected() {
        return format!("rejected by {warehouse}, which also reports what cannot be believed");
    }
    let batch = elsewhere.batches.get(&shipment.fact.reference);
    let name = batch.map_or("its batch".to_owned(), |batch| {
        format!(
            "batch {} (sealed {})",
            batch.number,
            minute(batch.sealed_at, zone)
        )
    });
    if shipment.taken() {
        return format!("sent to {warehouse} with {name}, no reply yet");
    }
    match batch.and_then(|batch: &SealedBatch| batch.sending.as_ref()) {
        Some(Sending::Waits) => format!("in {name}, not sent yet: {warehouse} does not have it"),
        Some(Sending::Fails { tries, error }) => format!(
            "in {name}, NOT SENT: {tries} attempts failed, last error: {error}; it is tried again"
        ),
        Some(Sending::Doubtful) => {
            format!("in {name}, whose sending was interrupted: a look-up checks whether it arrived")
        }
        Some(Sending::Now) => format!("in {name}, being sent"),
        Some(Sending::Unknown) => {
            format!("in {name}: it is unknown whether it arrived; see the task of the batch")
        }
        None => format!("in {name}, not known to have arrived at {warehouse}"),
    }
}

pub(super) fn told(view: &View<'_>, elsewhere: &Elsewhere) -> Vec<String> {
    let intents = view.fold.intents.iter();
    let telling = intents.filter(|i| [NOTICE, MAIL, ANNOTATE].contains(&of(i.fact.op).rule));
    // Where nothing was called, nobody was told.
    let called = telling.filter(|intent| {
        let code = intent
            .outcome
            .and_then(|(_, outcome)| outcome.code.as_deref());
        code != Some(NOT_NEEDED)
    });
    called
        .map(|intent| {
            let account = &intent.fact.account;
            let paused = elsewhere
                .paused
                .get(account)
                .filter(|_| intent.open())
                .map(|why| format!("; waiting: account {account} is paused: {why}"));
            let paused = paused.unwrap_or_default();
            format!("{}: {}{paused}", intent.key, intent.word())
        })
        .collect()
}

/// Refunds and voids that wait for accounts that are paused.
pub(super) fn money_kept_back(view: &View<'_>, elsewhere: &Elsewhere) -> Vec<String> {
    let mut accounts: BTreeSet<&AccountSlug> = BTreeSet::new();
    for asked in view.refunds_asked() {
        let open = asked
            .fact
            .parts
            .iter()
            .filter(|part| !view.is_given(asked, part));
        accounts.extend(open.filter_map(|part| part.account.as_ref()));
    }
    for tender in &view.order.tenders {
        let open = !tender.cancelled && tender.authorised > tender.captured;
        if open && view.is_to_void(tender) {
            accounts.extend(view.route(tender).and_then(|route| route.account.as_ref()));
        }
    }
    let waiting = elsewhere.waiting_for(accounts).into_iter();
    waiting.map(|why| format!("refund or void {why}")).collect()
}

/// What happens at a moment without new input.
pub(super) fn next(what: Next) -> &'static str {
    match what {
        Next::Unpaid => "if unpaid by then, its reserved units become available again",
        Next::Delivered => "it counts as delivered",
        Next::Vanished => {
            "if its channel does not show it by then, its reserved units become available again"
        }
        Next::ReplyLate => "if the warehouse has not replied by then, a task opens",
        Next::Items => "codes without an item are looked up again",
        Next::Layout => "the layout is tried again",
        Next::AtChannel => "hikiate stops waiting for what was started at the channel",
        Next::Changes => "a shipment that changed after sealing is recalled, or the answer is late",
        Next::Recalled => "if the recall is not answered by then, a task opens",
        Next::Placed => "a stock count is checked for where it shipped from",
        Next::Ships => "a parcel that was reported ahead ships",
        Next::Unnumbered => "if its number is not known by then, a parcel is reported without it",
        Next::Note => "the annotation of its holds is written again at its channel",
        Next::Recorded => "a refund is recorded at its channel, unless somebody has by then",
        Next::Payments => "a payment at its provider is late, or its authorisation ends",
        Next::Planned => "it is planned again",
    }
}
