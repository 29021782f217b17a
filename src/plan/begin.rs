//! Whose an order is: ours to act on, to be looked at until its channel begins, left to the system before, or
//! history. Derived anew from the facts for each plan; nothing is decided before a channel begins.

use chrono::{DateTime, Duration, Utc};
use hikiate_sdk::{ChannelState, LineKey, OrderSnapshot};

use super::fold::{Fold, Reading};
use super::lost::{Found, open_lines};
use super::others::Others;
use super::shipment::Shipment;
use super::types::{NewShipment, OrderInput, Origin};
use super::view::View;
use crate::facts::{FactBody, OrderClass, ShipmentFact};
use crate::policy::{self, Policy};

/// Whose an order is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Ours: planned as usual.
    Ours,
    /// Its channel has not begun: it reserves, and nothing is done for it.
    NotBegun,
    /// Its channel has not begun, and it is too old to reserve.
    Zombie,
    /// Left to the system before: it reserves until its channel shows it fulfilled or cancelled.
    Left,
    /// It is not ours to act on, and its channel shows it ended.
    Ended,
    /// History: nothing is reserved and nothing is done.
    History,
}

impl Whose {
    /// The word of what keeps it from being planned as usual.
    #[must_use]
    pub fn gate(self) -> Option<&'static str> {
        match self {
            Self::Ours | Self::Ended => None,
            Self::NotBegun | Self::Zombie => Some("begin"),
            Self::Left => Some("left"),
            Self::History => Some("history"),
        }
    }

    /// It takes units from stock.
    #[must_use]
    pub fn reserves(self) -> bool {
        matches!(self, Self::Ours | Self::NotBegun | Self::Left)
    }
}

/// Whose an order is now; `None` for one that has not been read.
#[must_use]
pub fn whose(input: &OrderInput, policy: &Policy, now: DateTime<Utc>) -> Option<Whose> {
    let fold = Fold::of(input, now);
    let head = fold.readings.last()?;
    Some(of(
        input,
        &fold,
        &head.fact.order,
        zombie(input, policy),
        now,
    ))
}

/// How old an order may be and still be waited for.
pub(crate) fn zombie(input: &OrderInput, policy: &Policy) -> Duration {
    let channel = policy.channels.get(&input.channel);
    channel.map_or(Duration::MAX, |channel| channel.zombie)
}

pub(crate) fn of(
    input: &OrderInput,
    fold: &Fold<'_>,
    order: &OrderSnapshot,
    zombie: Duration,
    now: DateTime<Utc>,
) -> Whose {
    let acted = acted(fold);
    if input.origin == Origin::History || (order.test && !acted) {
        return Whose::History;
    }
    let class = fold.class.map(|fact| &fact.class);
    let older_than = |at: DateTime<Utc>| at.signed_duration_since(order.ordered_at) >= zombie;
    let Some(from) = input.begin.from else {
        return match class {
            _ if acted => Whose::NotBegun,
            Some(OrderClass::History) => Whose::History,
            _ if ended(input, fold, order) => Whose::Ended,
            _ if older_than(now) => Whose::Zombie,
            _ => Whose::NotBegun,
        };
    };
    // What an operator has said of an order holds wherever the beginning is.
    if (order.ordered_at < from || class.is_some()) && !acted && !input.begin.known {
        let first = fold.readings.first().map(|reading| &reading.fact.order);
        let given_up = input.begin.left_until.is_some_and(|until| until <= now);
        match class {
            Some(OrderClass::Adopted | OrderClass::AdoptedInstructed { .. }) => {}
            Some(OrderClass::History) => return Whose::History,
            _ if ended(input, fold, order) => return Whose::Ended,
            None if older_than(from) || first.is_some_and(|first| ended(input, fold, first)) => {
                return Whose::History;
            }
            _ if given_up => return Whose::History,
            _ => return Whose::Left,
        }
    }
    Whose::Ours
}

/// A call was planned for it, it was instructed, or an operator shipped of it.
pub(crate) fn acted(fold: &Fold<'_>) -> bool {
    let left = |shipment: &Shipment<'_>| !shipment.parcels.is_empty();
    !fold.intents.is_empty() || fold.shipments.iter().any(left)
}

/// The channel shows that nothing more is to come.
pub(crate) fn ended(input: &OrderInput, fold: &Fold<'_>, order: &OrderSnapshot) -> bool {
    matches!(
        order.state,
        ChannelState::Cancelled { .. } | ChannelState::Completed
    ) || shipped_by_others(input, fold, order)
}

/// An order that is not ours to act on reserved its units when its channel first showed it completed: the system before
/// says so that it has shipped them.
pub(crate) fn completed_elsewhere(
    input: &OrderInput,
    fold: &Fold<'_>,
    zombie: Duration,
    completed: &Reading<'_>,
) -> bool {
    fold.reading_before(completed.id).is_some_and(|before| {
        let order = &before.fact.order;
        of(input, fold, order, zombie, completed.recorded_at).reserves()
    })
}

/// Everything that ships was shipped by others.
fn shipped_by_others(input: &OrderInput, fold: &Fold<'_>, order: &OrderSnapshot) -> bool {
    let ours = order.lines.iter().filter(|l| l.ours() && l.quantity > 0);
    let mut ours = ours.peekable();
    if ours.peek().is_none() || order.fulfilments.is_empty() {
        return false;
    }
    // What is past is taken as the channel shows it.
    let others = Others::of(fold, input, policy::Others::Believe);
    let units = |line: &LineKey| {
        let shown = others.shown.iter();
        let standing = shown.filter(|s| !s.ours && s.cancelled.is_none() && s.line == line);
        standing.fold(0_u32, |sum, shown| sum.saturating_add(shown.units))
    };
    ours.all(|line| units(&line.key) >= line.quantity)
}

/// The shipment that the system before has instructed, when it is not among the facts yet.
fn awaited<'v>(view: &'v View<'_>) -> Option<&'v OrderClass> {
    let class = view.fold.class.map(|fact| &fact.class)?;
    let OrderClass::AdoptedInstructed { reference, .. } = class else {
        return None;
    };
    let mut known = view.fold.shipments.iter();
    (!known.any(|shipment| shipment.fact.reference == *reference)).then_some(class)
}

/// Nothing may be instructed before that shipment is among the facts.
pub(crate) fn awaits_take_over(view: &View<'_>) -> bool {
    view.whose == Whose::Ours && awaited(view).is_some()
}

/// Takes that shipment over as it stands at its warehouse: all that is still to leave.
pub(crate) fn taken_over(view: &View<'_>) -> Option<Found> {
    let OrderClass::AdoptedInstructed {
        reference,
        warehouse,
        account,
    } = awaited(view).filter(|_| view.whose == Whose::Ours)?
    else {
        return None;
    };
    let [group] = view.order.groups.as_slice() else {
        return None;
    };
    let unmapped = |line: &&hikiate_sdk::OrderLine| {
        let sku = line.sku.as_ref();
        line.ours()
            && line.quantity > 0
            && sku.is_none_or(|sku| !view.input.items.contains_key(sku))
    };
    if view.order.lines.iter().find(unmapped).is_some() {
        return None;
    }
    let lines = open_lines(view)?;
    let mut found = Found::default();
    found.new.push(NewShipment {
        reference: reference.clone(),
        warehouse: warehouse.clone(),
        account: account.clone(),
        release_at: view.now,
        instructed: true,
        lines: lines.iter().map(|l| (l.demand_id, l.quantity)).collect(),
    });
    found.decisions.push(super::types::NewFact {
        key: format!("shipment:{reference}"),
        body: FactBody::Shipment(ShipmentFact {
            reference: reference.clone(),
            warehouse: warehouse.clone(),
            account: account.clone(),
            group: group.key.clone(),
            lines,
        }),
    });
    found.take(
        account,
        reference,
        "begin",
        "instructed by the system before",
    );
    Some(found)
}
