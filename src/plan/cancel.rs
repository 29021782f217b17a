//! Cancels: by the channel or an operator, before and after the warehouse was told.

use hikiate_sdk::{
    Call, CancelInstructionCall, CancelOrderCall, CancelVerdict, LineKey, Op, ShipmentReference,
};

use super::effects::{Candidate, Wanted, withdraw};
use super::recall::warehouse_of;
use super::shipment::{Parcel, Shipment};
use super::tasks::{Tasks, words_or_none};
use super::view::{Line, View};
use crate::action::Action;
use crate::facts::IntentWhat;
use crate::operations::{Moves, of};
use crate::policy::{CancelBy, Change};

/// The kind of the task about a cancel that the channel refused.
pub(crate) const REFUSED: &str = "channel_cancel_rejected";

/// The kind of the task about what is left of an order that was cancelled after a part of it had shipped.
pub(crate) const REST: &str = "cancel_rest";

/// How far a cancel has come.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cancel {
    pub(crate) wanted: Wanted,
    /// The outcome of an instruction must be known first.
    pub(crate) unknown: bool,
    /// Nothing is on its way and nothing has left.
    pub(crate) complete: bool,
    /// The channel shows it, or was told.
    pub(crate) channel_knows: bool,
}

/// What a cancel asks for. `waiting_left` says that a shipment is in no sealed batch after this plan.
pub(crate) fn cancel(view: &View<'_>, recall: &[ShipmentReference], tasks: &mut Tasks) -> Cancel {
    let mut cancel = Cancel::default();
    for shipment in &view.fold.shipments {
        requests(view, shipment, recall, &mut cancel, tasks);
    }
    if !view.cancelling() {
        return cancel;
    }
    // What stands in a refused batch is withdrawn by this very plan: the warehouse does not have it.
    let at_warehouse = |s: &Shipment<'_>| s.instructed() && s.batch_rejected().is_none();
    let under_way = view.fold.shipments.iter().any(at_warehouse);
    cancel.complete = !under_way && !view.any_shipped();
    let told = view.fold.of_op(Op::CancelOrder).last();
    // One that it no longer shows cannot be cancelled there.
    cancel.channel_knows = view.cancelled_at_channel.is_some()
        || view.vanished().is_some()
        || told.is_some_and(|intent| intent.taken());
    too_late(view, tasks);
    let ended = view.ended().map(|_| "the order is ended");
    let shown = view
        .cancelled_at_channel
        .map(|_| "the channel shows the order cancelled");
    if let Some(why) = shown.or(ended) {
        let moot = view
            .fold
            .of_op(Op::CancelOrder)
            .filter(|intent| intent.open());
        cancel
            .wanted
            .withdraw
            .extend(moot.filter_map(|intent| withdraw(intent, why)));
        return cancel;
    }
    let in_flight = view
        .fold
        .intents
        .iter()
        .any(|i| i.open() && of(i.fact.op).moves != Moves::Nothing);
    let refused = told.and_then(|intent| intent.refusal());
    let refused = refused.filter(|(id, _)| !view.fold.released_after("cancel_order", *id));
    // One that was refused because a part of it shipped meanwhile is open there all the same.
    let rest = !under_way && view.lines.iter().any(is_unsent);
    if rest && !cancel.complete && told.is_none() && !cancel.channel_knows {
        let asked = view.cancel_fact().unwrap_or(0);
        let what = "The order is cancelled, but a part of it has shipped. Remove the rest at the channel, and refund there what was paid for it";
        tasks.tell(view, REST, asked, what);
    }
    if (cancel.complete || (rest && refused.is_some())) && !cancel.channel_knows {
        cancel.wanted.pending = true;
        match refused {
            Some((_, outcome)) => {
                let todo = if cancel.complete {
                    "Cancel it at the channel, release to try again, or end it if the channel cannot cancel it any more"
                } else {
                    "A part of it has shipped: remove the rest at the channel, then release it"
                };
                let what = format!(
                    "The channel rejected the cancellation: {}. {todo}",
                    words_or_none(&outcome.message)
                );
                tasks
                    .add(REFUSED, what)
                    .release("cancel_order")
                    .action(Action::End {});
            }
            // It is looked for again first.
            None if in_flight || view.absent() => {}
            None => cancel.wanted.candidates.push(Candidate {
                account: view.input.channel.clone(),
                op: Op::CancelOrder,
                what: IntentWhat::Call {
                    call: Box::new(Call::CancelOrder(CancelOrderCall {
                        order: view.input.external_id.clone(),
                    })),
                    parcels: Vec::new(),
                    decision: String::new(),
                },
            }),
        }
    }
    cancel
}

/// Some of a line was ordered and has shipped nowhere.
fn is_unsent(line: &Line<'_>) -> bool {
    line.item_id.is_some() && line.ordered > line.shipped
}

/// The request to stop one shipment: asked once, and again only after it certainly did not happen.
fn requests(
    view: &View<'_>,
    shipment: &Shipment<'_>,
    recall: &[ShipmentReference],
    cancel: &mut Cancel,
    tasks: &mut Tasks,
) {
    let reference = &shipment.fact.reference;
    let last = view.fold.cancel_requests(reference).last();
    let asked = view.cancelling() || recall.contains(reference) || shipment.recall.is_some();
    let wanted = asked
        && shipment.instructed()
        && shipment.batch_rejected().is_none()
        && shipment.parcels.is_empty();
    if !wanted {
        let moot = last.filter(|intent| intent.open());
        let why = "there is nothing left to stop";
        cancel
            .wanted
            .withdraw
            .extend(moot.and_then(|intent| withdraw(intent, why)));
        return;
    }
    cancel.wanted.pending = true;
    if !shipment.instruct_known() {
        cancel.unknown = view.cancelling();
        return;
    }
    if shipment.not_stopped().is_some() {
        return;
    }
    let called = warehouse_of(view, shipment).is_some_and(|w| w.cancel == CancelBy::Phone);
    if called || (view.cancelling() && view.change_rules(shipment).cancel == Change::Ask) {
        tasks
            .add(
                "cancel_by_phone",
                format!(
                    "Call {} and ask it not to ship {reference}, then record its answer",
                    shipment.fact.warehouse
                ),
            )
            .action(Action::Recalled {
                reference: reference.to_string(),
            });
        return;
    }
    match last {
        Some(intent) if intent.open() || intent.taken() => return,
        Some(intent) => {
            let rule = format!("cancel:{reference}");
            if let Some((id, outcome)) = intent.refusal()
                && !view.fold.released_after(&rule, id)
            {
                let what = format!(
                    "The warehouse rejected the cancellation request for {reference}: {}. Call the warehouse, or release to send the request again",
                    words_or_none(&outcome.message)
                );
                tasks
                    .add("cancellation_request_rejected", what)
                    .release(&rule);
                return;
            }
        }
        None => {}
    }
    cancel.wanted.candidates.push(Candidate {
        account: shipment.fact.account.clone(),
        op: Op::CancelInstruction,
        what: IntentWhat::Call {
            call: Box::new(Call::CancelInstruction(CancelInstructionCall {
                key: String::new(),
                reference: reference.clone(),
                order_number: view.input.number.clone(),
            })),
            parcels: Vec::new(),
            decision: String::new(),
        },
    });
}

/// The last parcel that left although the order was cancelled.
pub(super) fn shipped_late<'s, 'a>(
    view: &View<'_>,
    shipment: &'s Shipment<'a>,
) -> Option<&'s Parcel<'a>> {
    let asked = view.cancel_fact().filter(|_| view.cancelling())?;
    let by_channel = view.cancelled_at_channel.is_some();
    let parcels = shipment.parcels.iter();
    let late = parcels.filter(|parcel| by_channel || parcel.first_id > asked);
    late.max_by_key(|parcel| parcel.first_id)
}

/// Since when, and in words, a warehouse says otherwise of what it reported as shipped.
pub(super) fn taken_back(shipment: &Shipment<'_>) -> (i64, String) {
    shipment.taken_back().map_or_else(
        || (0, String::new()),
        |back| {
            let words = words_or_none(back.words);
            let what = format!(
                ", but the warehouse reported later that it {}: {words}. Ask which is right",
                back.said
            );
            (back.id, what)
        },
    )
}

/// Goods stand behind a line, also where no item does: what no warehouse counts, staff ship themselves. Not behind services,
/// discounts and what others see to.
fn is_goods(view: &View<'_>, key: &LineKey) -> bool {
    let mut items = view.lines.iter().filter(|line| line.item_id.is_some());
    if let Some(line) = items.find(|line| line.key == *key) {
        return line.from_stock;
    }
    let readings = view.fold.readings.iter().rev();
    let mut lines = readings.flat_map(|reading| &reading.fact.order.lines);
    let known = lines.find(|line| line.key == *key);
    known.is_some_and(|line| view.is_unmapped(line))
}

/// Goods that leave, or have left, although the order is cancelled.
fn too_late(view: &View<'_>, tasks: &mut Tasks) {
    let Some(asked) = view.cancel_fact() else {
        return;
    };
    let by_channel = view.cancelled_at_channel.is_some();
    let others = view
        .shipped_by_others()
        .filter(|shown| shown.first_id > asked && shown.cancelled.is_none());
    for shown in others.filter(|shown| is_goods(view, shown.line)) {
        let what = format!(
            "{} × {} shipped at the channel ({}) after the order was cancelled. Stop the parcel at the carrier, or arrange the return and refund",
            shown.units,
            view.label(shown.line),
            shown.key
        );
        tasks.tell(view, "cancel_too_late", shown.first_id, &what);
    }
    for shipment in &view.fold.shipments {
        let reference = &shipment.fact.reference;
        let late = shipped_late(view, shipment);
        let declined = shipment.not_stopped().filter(|_| shipment.live());
        let (told, what) = match (late, declined) {
            // The carrier is asked by the number.
            (Some(parcel), _) => {
                let (since, but) = taken_back(shipment);
                let what = format!(
                    "shipped from {} on {} ({}) although the order is cancelled{but}",
                    shipment.fact.warehouse,
                    view.local(parcel.shipped_at(view.order.ordered_at)),
                    parcel.tracking.unwrap_or("no number")
                );
                (parcel.first_id.max(since), what)
            }
            (None, Some((id, reply))) => {
                let verb = match reply.verdict {
                    CancelVerdict::TooLate => "has already shipped",
                    _ => "will ship",
                };
                let words = words_or_none(&reply.message);
                (id, format!("{verb}, the warehouse reports: {words}"))
            }
            (None, None) => continue,
        };
        tasks.tell(
            view,
            "cancel_too_late",
            told,
            &format!("{reference} {what}. {}", money_of(view)),
        );
    }
    // Of a fulfilment that others cancelled first the channel itself says what became of it.
    for shown in view.shipped_by_others().filter(|s| s.by_completion) {
        if let Some(since) = shown.cancelled.filter(|_| by_channel) {
            let what = format!(
                "{} × {} counted as shipped when the order was completed, but the order is cancelled now. {}",
                shown.units,
                view.label(shown.line),
                money_of(view)
            );
            tasks.tell(view, "cancel_too_late", since.id, &what);
        }
    }
}

/// What remains to be done about goods that a cancelled order has lost, by what is held for them.
fn money_of(view: &View<'_>) -> String {
    let held = view.to_give_back();
    if held > 0 {
        let held = view.money(held);
        format!("Stop the parcel at the carrier, or arrange the return and refund {held}")
    } else {
        "Stop the parcel at the carrier, or await the return. If the customer keeps the goods, bill them again".to_owned()
    }
}
