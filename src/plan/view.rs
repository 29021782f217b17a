//! What every part of planning looks at: the folded order, its lines in items, and who wants it stopped.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use hikiate_sdk::{ChannelState, GroupKey, LineKey, OrderSnapshot, RefundSeen};

use super::begin::{self, Whose};
use super::charges::{not_sent, refunded_in_full};
use super::ended::ENDED;
use super::fold::{Completion, Fold, Reading};
use super::others::{self, Others, Shown};
use super::shipment::{Parcel, Shipment};
use super::tracking::tracking_key;
use super::types::{DemandState, EffectState, OrderInput};
use crate::facts::Features;
use crate::operations::{Moves, of};
use crate::policy::{self, Channel, Policy};

/// A line in items.
#[derive(Clone, Debug)]
pub(crate) struct Line<'a> {
    pub(crate) key: LineKey,
    pub(crate) group: GroupKey,
    /// The item, when goods leave a warehouse for it, or did.
    pub(crate) item_id: Option<i64>,
    /// What others ship of it comes from stock of ours; false for a line that others see to by now, or a service.
    pub(crate) from_stock: bool,
    /// Items in one unit of the channel.
    pub(crate) multiplier: u32,
    /// Units ordered now; 0 once the line vanished.
    pub(crate) units: u32,
    /// Items ordered now.
    pub(crate) ordered: u32,
    /// Items that have shipped, by us or others.
    pub(crate) shipped: u32,
    /// Those of them that others shipped.
    pub(crate) by_others: u32,
    /// Items that others have packed and not shipped.
    pub(crate) packed: u32,
    /// Items in sealed shipments, still to leave.
    pub(crate) instructed: u32,
    /// Items in shipments not in a sealed batch.
    pub(crate) waiting: u32,
    /// The row, once stored.
    pub(crate) state: Option<&'a DemandState>,
}

impl Line<'_> {
    /// What is reserved, by warehouse and firmness. What was reserved of another item goes back with this plan.
    pub(crate) fn reserved(&self) -> &[(String, u32, bool)] {
        let of_it = self
            .state
            .filter(|state| self.item_id == Some(state.item_id));
        of_it.map_or(&[], |state| &state.reserved)
    }

    /// Allocation has not looked yet at all that is open of it, so nobody knows whether it is there.
    pub(crate) fn awaits_allocation(&self, open: u32) -> bool {
        self.state.is_none_or(|state| {
            state.requested
                || self.item_id != Some(state.item_id)
                || state.wanted.saturating_sub(state.shipped) < open
        })
    }

    /// Items in sealed shipments beyond what the order wants, were it not for others.
    pub(crate) fn surplus_by_edit(&self) -> u32 {
        let ours = self.shipped.saturating_sub(self.by_others);
        self.instructed
            .saturating_sub(self.ordered.saturating_sub(ours))
    }
}

/// Items that have left, by line.
pub(crate) type Left = BTreeMap<LineKey, u32>;

/// Units of a line that had shipped when a refund was first shown.
fn shipped_before(
    fold: &Fold<'_>,
    others: &Others<'_>,
    refund: &RefundSeen,
    line: &LineKey,
    multiplier: u32,
) -> u32 {
    let shows = |order: &OrderSnapshot| {
        let mut refunds = order.tenders.iter().flat_map(|tender| &tender.refunds);
        refunds.any(|seen| seen.key == refund.key)
    };
    let mut readings = fold.readings.iter();
    let first = readings.find(|reading| shows(&reading.fact.order));
    let id = first.map_or(i64::MAX, |reading| reading.id);
    let mut items = 0_u32;
    for shipment in &fold.shipments {
        for parcel in shipment.parcels.iter().filter(|one| one.first_id < id) {
            for row in shipment.lines_of(line) {
                items = items.saturating_add(parcel.items(row.n));
            }
        }
    }
    let by_others = others
        .shown
        .iter()
        .filter(|shown| !shown.ours && !shown.parcel && *shown.line == *line)
        .filter(|shown| shown.first_id < id)
        .fold(0_u32, |sum, shown| sum.saturating_add(shown.units));
    (items / multiplier.max(1)).saturating_add(by_others)
}

/// The order with its surroundings.
#[derive(Debug)]
pub(crate) struct View<'a> {
    pub(crate) input: &'a OrderInput,
    pub(crate) policy: &'a Policy,
    pub(crate) channel: &'a Channel,
    pub(crate) now: DateTime<Utc>,
    pub(crate) order: &'a OrderSnapshot,
    pub(crate) features: &'a Features,
    pub(crate) head: Reading<'a>,
    pub(crate) whose: Whose,
    pub(crate) fold: Fold<'a>,
    pub(crate) lines: Vec<Line<'a>>,
    /// The first reading that showed the order cancelled since it was last alive.
    pub(crate) cancelled_at_channel: Option<i64>,
    /// What the channel shows as fulfilled, by whomever.
    pub(crate) others: Others<'a>,
    /// The channel fulfils by itself, and nobody has said whether that is to be believed.
    pub(crate) not_believed: bool,
    /// The channel showed it fulfilled or completed before anybody here could act.
    pub(crate) at_once: bool,
}

impl<'a> View<'a> {
    /// Looks at a folded order.
    pub(crate) fn of(
        input: &'a OrderInput,
        policy: &'a Policy,
        channel: &'a Channel,
        now: DateTime<Utc>,
        fold: Fold<'a>,
        head: Reading<'a>,
    ) -> Self {
        let order = &head.fact.order;
        let at_once = others::at_once(&fold, input);
        let whose = begin::of(input, &fold, order, channel.zombie, now);
        // What is over and was never ours is taken as the channel shows it.
        let believed = match whose {
            Whose::Ended => policy::Others::Believe,
            _ => channel.others,
        };
        let not_believed = at_once && input.channel_alarm && believed == policy::Others::Ask;
        let mut others = if not_believed {
            Others::default()
        } else {
            Others::of(&fold, input, believed)
        };
        others.forget_foreign(now);
        let lines = lines(input, order, &fold, &others);
        let cancelled = |reading: &&Reading<'_>| {
            matches!(reading.fact.order.state, ChannelState::Cancelled { .. })
        };
        let cancelled_at_channel = fold
            .readings
            .iter()
            .rev()
            .take_while(cancelled)
            .last()
            .map(|reading| reading.id);
        let mut view = Self {
            input,
            policy,
            channel,
            now,
            order,
            features: &head.fact.features,
            head,
            whose,
            fold,
            lines,
            cancelled_at_channel,
            others,
            not_believed,
            at_once,
        };
        view.match_parcels();
        view.count_others();
        view.ship_by_completion();
        view.close_short();
        view.name_items();
        view
    }

    /// A shipment by others with the number of a parcel of ours is that parcel, for as much as it holds of the line.
    fn match_parcels(&mut self) {
        let mut parcels = Vec::new();
        for shipment in &self.fold.shipments {
            for parcel in &shipment.parcels {
                let numbers: Vec<String> = parcel.numbers().map(tracking_key).collect();
                for row in &shipment.fact.lines {
                    let line = self.lines.iter().find(|line| line.key == row.line);
                    let multiplier = line.map_or(1, |line| line.multiplier);
                    let units = parcel.items(row.n) / multiplier;
                    parcels.push((numbers.clone(), row.line.clone(), units));
                }
            }
        }
        self.others.in_parcels(parcels);
    }

    /// True where completing the order says that its goods have shipped, and the channel is believed.
    fn ships_by_completion(&self, completion: &Completion<'_>) -> bool {
        if self.whose == Whose::Ended {
            let zombie = self.channel.zombie;
            return begin::completed_elsewhere(self.input, &self.fold, zombie, &completion.since);
        }
        (self.whose == Whose::Ours || begin::acted(&self.fold))
            && self.channel.completed == policy::Completed::Shipped
            && self.channel.others != policy::Others::IgnoreUnshipped
            && !self.not_believed
            && !refunded_in_full(&completion.since.fact.order)
    }

    /// Completing an order may say that its goods have shipped: all but what stood with a warehouse then,
    /// whatever became of that later. They stay shipped when it is no longer completed, until an operator has said
    /// whether they did.
    fn ship_by_completion(&mut self) {
        let mut completions = self.fold.completions();
        completions.retain(|completion| self.ships_by_completion(completion));
        let mut counted: Vec<Shown<'a>> = Vec::new();
        for (at, completion) in completions.iter().enumerate() {
            let since = completion.since;
            for known in &since.fact.order.lines {
                let line = self.lines.iter().find(|line| line.key == known.key);
                let Some(line) = line.filter(|line| line.item_id.is_some() && line.from_stock)
                else {
                    continue;
                };
                let before = counted.iter().filter(|shown| *shown.line == line.key);
                let before = before.fold(0_u32, |sum, shown| sum.saturating_add(shown.units));
                let ordered = known.quantity.saturating_mul(line.multiplier);
                let spoken = line
                    .by_others
                    .saturating_add(self.fold.spoken_at(&line.key, since.id))
                    .saturating_add(before.saturating_mul(line.multiplier));
                let units = ordered.saturating_sub(spoken) / line.multiplier;
                if units > 0 {
                    counted.push(Shown::completed(since, &known.key, units));
                }
            }
            for shown in &mut counted {
                shown.cancelled = completion.undone;
            }
            let next = completions.get(at + 1);
            let next = next.map_or(i64::MAX, |next| next.since.id);
            self.others.settle(&self.fold, &mut counted, next);
        }
        for shown in counted {
            let (key, units) = (shown.line, shown.units);
            self.others.shown.push(shown);
            if let Some(line) = self.lines.iter_mut().find(|line| line.key == *key) {
                let items = units.saturating_mul(line.multiplier);
                line.by_others = line.by_others.saturating_add(items);
                line.shipped = line.shipped.saturating_add(items);
            }
        }
    }

    /// Adds what others shipped and packed to the lines.
    fn count_others(&mut self) {
        let mut shipped: BTreeMap<LineKey, u32> = BTreeMap::new();
        for shown in self.shipped_by_others() {
            let sum = shipped.entry(shown.line.clone()).or_default();
            *sum = sum.saturating_add(shown.units);
        }
        let mut packed: BTreeMap<LineKey, u32> = BTreeMap::new();
        for one in &self.others.packed {
            let sum = packed.entry(one.line.clone()).or_default();
            *sum = sum.saturating_add(one.units);
        }
        for line in &mut self.lines {
            let items = |units: Option<&u32>| {
                units.map_or(0, |units| units.saturating_mul(line.multiplier))
            };
            line.by_others = items(shipped.get(&line.key));
            line.packed = items(packed.get(&line.key));
            line.shipped = line.shipped.saturating_add(line.by_others);
        }
    }

    /// What a parcel lacks and others shipped is not waited for. What an edit took off may still leave: its warehouse
    /// has it, until an operator says that the rest will not come (`short:REF`).
    fn close_short(&mut self) {
        for shipment in &mut self.fold.shipments {
            if shipment.parcels.is_empty() || !shipment.live() {
                continue;
            }
            let keys = shipment.fact.lines.iter().map(|row| row.line.clone());
            let lacking: Left = keys
                .map(|key| (key.clone(), shipment.remaining_qty(&key)))
                .collect();
            let unwanted = lacking.iter().all(|(key, lacks)| {
                let line = self.lines.iter().find(|line| line.key == *key);
                line.is_none_or(|line| {
                    let wanted = line.ordered.saturating_sub(line.shipped);
                    let by_edit = *lacks > 0 && line.surplus_by_edit() > 0;
                    line.instructed.saturating_sub(*lacks) >= wanted && !by_edit
                })
            });
            if !unwanted {
                continue;
            }
            shipment.closed_short = true;
            for line in &mut self.lines {
                let lacks = lacking.get(&line.key).copied().unwrap_or(0);
                line.instructed = line.instructed.saturating_sub(lacks);
            }
        }
    }

    /// Says which item each line of the order is.
    fn name_items(&mut self) {
        for line in &mut self.lines {
            let mut known = self.order.lines.iter();
            let Some(known) = known.find(|known| known.key == line.key) else {
                continue;
            };
            let item = known.sku.as_ref().and_then(|sku| self.input.items.get(sku));
            let means = item.filter(|_| line.from_stock).map(|item| item.item_id);
            let open = line.ordered > line.shipped;
            let stored = line.state.map(|state| state.item_id);
            line.item_id = item_of(&self.fold, &line.key, means, open).or(stored);
        }
    }

    /// Units of a line that had shipped when a refund was first shown.
    pub(crate) fn shipped_before(&self, refund: &RefundSeen, key: &LineKey) -> u32 {
        let line = self.lines.iter().find(|line| line.key == *key);
        let multiplier = line.map_or(1, |line| line.multiplier);
        shipped_before(&self.fold, &self.others, refund, key, multiplier)
    }

    /// Somebody wants it stopped.
    pub(crate) fn cancelling(&self) -> bool {
        self.cancelled_at_channel.is_some() || self.fold.cancel_wanted.is_some()
    }

    /// The fact that ended it, and why, until it is released again.
    pub(crate) fn ended(&self) -> Option<(i64, &'a str)> {
        let typed = self
            .fold
            .ended
            .filter(|(id, _)| !self.fold.released_after(ENDED, *id));
        typed.or_else(|| self.ended_by_completion())
    }

    /// Its names and addresses were told and are deleted, for good: nothing more of it can be shipped.
    pub(crate) fn purged(&self) -> bool {
        self.input.personal.is_none() && self.head.fact.personal_version > 0
    }

    /// No more of it is to be shipped than what is under way.
    pub(crate) fn dropped(&self) -> bool {
        self.cancelling() || self.ended().is_some()
    }

    /// The fact that asked to stop it.
    pub(crate) fn cancel_fact(&self) -> Option<i64> {
        let wanted = self.fold.cancel_wanted.map(|(id, _)| id);
        self.cancelled_at_channel.into_iter().chain(wanted).min()
    }

    /// Parcels of its shipments, in the order they became known.
    pub(crate) fn parcels(&self) -> Vec<&Parcel<'a>> {
        let mut parcels: Vec<_> = self
            .fold
            .shipments
            .iter()
            .flat_map(|s| &s.parcels)
            .collect();
        parcels.sort_by_key(|parcel| parcel.first_id);
        parcels
    }

    /// What has left in the parcels that `counts` accepts.
    pub(crate) fn shipped_in(&self, counts: impl Fn(&Parcel<'_>) -> bool) -> Left {
        let mut left = Left::new();
        for shipment in &self.fold.shipments {
            for parcel in shipment.parcels.iter().filter(|parcel| counts(parcel)) {
                for line in &shipment.fact.lines {
                    let items = parcel.items(line.n);
                    if items > 0 {
                        let sum = left.entry(line.line.clone()).or_default();
                        *sum = sum.saturating_add(items);
                    }
                }
            }
        }
        left
    }

    /// Something has left.
    pub(crate) fn any_shipped(&self) -> bool {
        self.lines.iter().any(|line| line.shipped > 0) || !self.departures().is_empty()
    }

    /// Some goods of ours have shipped nowhere, those whose code is unknown too.
    pub(crate) fn has_unshipped(&self) -> bool {
        self.lines.iter().any(|line| line.ordered > line.shipped)
    }

    /// All goods of ours are with warehouses or have left: nothing of the order is to be instructed any more.
    pub(crate) fn all_under_way(&self) -> bool {
        let begun = self.any_shipped() || self.fold.shipments.iter().any(|s| s.instructed());
        let open = |line: &Line<'_>| {
            line.item_id.is_some() && line.ordered > line.shipped.saturating_add(line.instructed)
        };
        begun && !self.lines.iter().any(open)
    }

    /// A queued effect of money or goods whose outcome is unknown.
    pub(crate) fn unresolved(&self) -> bool {
        self.input
            .queue
            .iter()
            .any(|row| row.state == EffectState::Unresolved && of(row.op).moves != Moves::Nothing)
    }

    /// When a rule began to work on an account.
    pub(crate) fn epoch(
        &self,
        rule: &str,
        account: &hikiate_sdk::AccountSlug,
    ) -> Option<DateTime<Utc>> {
        self.input
            .active_from
            .get(&(rule.to_owned(), account.clone()))
            .copied()
    }

    /// The day in the shop's zone.
    pub(crate) fn day(&self, at: DateTime<Utc>) -> NaiveDate {
        at.with_timezone(&self.policy.shop.timezone).date_naive()
    }

    /// An amount of the order in words.
    pub(crate) fn money(&self, minor: i64) -> String {
        let currency = self.order.currency;
        format!("{} {}", currency.format(minor), currency)
    }
}

fn lines<'a>(
    input: &'a OrderInput,
    order: &OrderSnapshot,
    fold: &Fold<'_>,
    others: &Others<'_>,
) -> Vec<Line<'a>> {
    let mut lines = Vec::new();
    for line in &order.lines {
        let item = line.sku.as_ref().and_then(|sku| input.items.get(sku));
        let state = input.demands.iter().find(|row| row.line == line.key);
        let from_stock = line.ours() && item.is_none_or(|item| item.stocked);
        let multiplier = item.map_or(1, |item| item.multiplier.max(1));
        let unsent = not_sent(fold, order, &line.key, |refund| {
            shipped_before(fold, others, refund, &line.key, multiplier)
        });
        let units = line.quantity.saturating_sub(unsent);
        let ordered = match (item, state) {
            _ if !from_stock => 0,
            (None, Some(state)) => state.wanted,
            _ => units.saturating_mul(multiplier),
        };
        let means = item.filter(|_| from_stock).map(|item| item.item_id);
        let stored = state.map(|state| state.item_id);
        // Which one it is, is known once all that has left is counted.
        let item_id = item_of(fold, &line.key, means, true).or(stored);
        let group = line.group.clone();
        lines.push(Line {
            from_stock,
            ..in_items(
                fold, &line.key, group, item_id, multiplier, units, ordered, state,
            )
        });
    }
    let mut gone: BTreeMap<&LineKey, (GroupKey, i64)> = BTreeMap::new();
    let mut multipliers: BTreeMap<&LineKey, u32> = BTreeMap::new();
    for reading in &fold.readings {
        for line in &reading.fact.order.lines {
            let item = line.sku.as_ref().and_then(|sku| input.items.get(sku));
            if let Some(item) = item {
                multipliers.insert(&line.key, item.multiplier.max(1));
            }
            let state = input.demands.iter().find(|row| row.line == line.key);
            // One that went before it was planned matters if others shipped of it.
            let shipped = item.filter(|item| {
                let mut shown = others.shown.iter();
                item.stocked && line.ours() && shown.any(|shown| *shown.line == line.key)
            });
            let stored = state.map(|state| state.item_id);
            if let Some(item_id) = stored.or(shipped.map(|item| item.item_id)) {
                gone.insert(&line.key, (line.group.clone(), item_id));
            }
        }
    }
    for shipment in &fold.shipments {
        for line in &shipment.fact.lines {
            gone.insert(&line.line, (shipment.fact.group.clone(), line.item_id));
        }
    }
    for (key, (group, item_id)) in gone {
        if !order.lines.iter().any(|line| line.key == *key) {
            let state = input.demands.iter().find(|row| row.line == *key);
            let multiplier = multipliers.get(key).copied().unwrap_or(1);
            lines.push(in_items(
                fold,
                key,
                group,
                Some(item_id),
                multiplier,
                0,
                0,
                state,
            ));
        }
    }
    lines
}

/// Items of a line that have left in shipments of ours.
fn shipped_of(fold: &Fold<'_>, key: &LineKey) -> u32 {
    let shipments = fold.shipments.iter();
    shipments.fold(0_u32, |sum, s| sum.saturating_add(s.shipped_of(key)))
}

/// The item of a line whose code `means` one today. What a warehouse was told to ship stays that while it is to leave,
/// for its reservation is of it; what is still open is what the code means; a line that is over is what shipped last.
fn item_of(fold: &Fold<'_>, key: &LineKey, means: Option<i64>, open: bool) -> Option<i64> {
    let last = |counts: &dyn Fn(&Shipment<'_>) -> bool| {
        let mut shipments = fold.shipments.iter().rev().filter(|s| counts(s));
        shipments.find_map(|s| s.lines_of(key).next().map(|row| row.item_id))
    };
    last(&|s| s.instructed() && s.remaining_qty(key) > 0)
        .or_else(|| means.filter(|_| open))
        .or_else(|| last(&|s| s.shipped_of(key) > 0 || s.stage_is_sealed()))
        .or(means)
}

#[expect(
    clippy::too_many_arguments,
    reason = "one constructor for lines sold and lines gone"
)]
fn in_items<'a>(
    fold: &Fold<'_>,
    key: &LineKey,
    group: GroupKey,
    item_id: Option<i64>,
    multiplier: u32,
    units: u32,
    ordered: u32,
    state: Option<&'a DemandState>,
) -> Line<'a> {
    let sum = |items: &dyn Fn(&Shipment<'_>) -> u32| {
        fold.shipments
            .iter()
            .fold(0_u32, |sum, s| sum.saturating_add(items(s)))
    };
    Line {
        key: key.clone(),
        group,
        item_id,
        from_stock: true,
        multiplier,
        units,
        ordered,
        shipped: shipped_of(fold, key),
        by_others: 0,
        packed: 0,
        instructed: sum(&|s| {
            if s.instructed() {
                s.remaining_qty(key)
            } else {
                0
            }
        }),
        waiting: sum(&|s| if s.waiting() { s.remaining_qty(key) } else { 0 }),
        state,
    }
}
