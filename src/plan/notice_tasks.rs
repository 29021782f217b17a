//! What an operator has to put right at the channel about notices of ours.

use chrono::{DateTime, Utc};
use hikiate_sdk::{Call, Op};

use super::notice::{NoticeState, ship_intent, told_by};
use super::parcels::contents;
use super::renumbered::believed;
use super::shipment::Parcel;
use super::tasks::Tasks;
use super::view::View;

impl View<'_> {
    /// Until when a parcel that was told without a number waits for it.
    pub(super) fn waits_for_number(&self, parcel: &Parcel<'_>) -> Option<DateTime<Utc>> {
        let wait = self.policy.notice.wait_for_number;
        let due = parcel.first_recorded_at.checked_add_signed(wait)?;
        (parcel.tracking.is_none() && due > self.now).then_some(due)
    }

    /// A parcel is not to be told yet: its number may come, or is another from the next plan on.
    pub(super) fn number_may_come(&self, parcel: &Parcel<'_>) -> bool {
        self.waits_for_number(parcel).is_some() || believed(self, parcel).is_some()
    }

    /// When the first parcel is told, or mailed, without its number.
    pub(super) fn number_due(&self) -> Option<DateTime<Utc>> {
        if !self.channel.shipping_notice && self.channel.mail.is_empty() {
            return None;
        }
        let parcels = self.parcels().into_iter();
        parcels
            .filter_map(|parcel| self.waits_for_number(parcel))
            .min()
    }
}

/// Somebody marked a fulfilment of ours as shipped without the numbers that we were to tell.
pub(super) fn unnumbered(view: &View<'_>, told: &NoticeState<'_>, tasks: &mut Tasks) {
    for fulfil in view.fold.of_op(Op::Fulfil).filter(|intent| !intent.void()) {
        let Some(Call::Fulfil(call)) = fulfil.call() else {
            continue;
        };
        let shown = told.shown(call.reference.as_str());
        let bare = shown.filter(|shown| shown.shipped() && shown.tracking.is_empty());
        let by_us = ship_intent(view, &call.reference);
        if bare.is_none() || by_us.is_some_and(|intent| intent.done() || intent.open()) {
            continue;
        }
        let parcels: Vec<_> = told_by(view, fulfil).collect();
        let numbers: Vec<&str> = parcels.iter().flat_map(|parcel| parcel.labels()).collect();
        let Some(last) = parcels.iter().map(|parcel| parcel.last_id).max() else {
            continue;
        };
        if numbers.is_empty() {
            continue;
        }
        let what = format!(
            "Fulfilment {} was marked as shipped at the channel without a tracking number. Add {} at the channel",
            call.reference,
            numbers.join(", ")
        );
        tasks.tell(view, "tracking_missing", last, &what);
    }
}

/// The warehouse reports less of a line than it reported when the channel was told.
pub(super) fn notice_exceeds_shipped(view: &View<'_>, told: &NoticeState<'_>, tasks: &mut Tasks) {
    for line in &view.lines {
        let ours = line.shipped.saturating_sub(line.by_others);
        let left = ours / line.multiplier;
        let units = told.units.get(&line.key).copied().unwrap_or(0);
        // What was put right there shows less.
        let shown: u32 = told.shown_of(&line.key).unwrap_or(units).min(units);
        if shown <= left {
            continue;
        }
        let parcels = view.parcels().into_iter();
        let last = parcels.map(|parcel| parcel.last_id).max().unwrap_or(0);
        let what = format!(
            "{} was notified that {shown} × {} shipped, but the warehouse now reports {left}. Correct the fulfilment there",
            view.input.channel,
            view.label(&line.key)
        );
        tasks.tell(view, "notice_exceeds_shipped", last, &what);
    }
}

/// Goods that the channel was told of under another number, and are in a parcel of which it has not heard.
pub(super) fn told_elsewhere(view: &View<'_>, told: &NoticeState<'_>, tasks: &mut Tasks) {
    for shipment in &view.fold.shipments {
        for parcel in &shipment.parcels {
            let numbers: Vec<&str> = parcel.labels().collect();
            if numbers.is_empty() || told.knows(shipment, parcel) {
                continue;
            }
            let is_told = |n: u32| {
                let row = shipment.fact.lines.iter().find(|row| row.n == n);
                let line = row.and_then(|row| view.lines.iter().find(|line| line.key == row.line));
                line.is_some_and(|line| {
                    let units = told.units.get(&line.key).copied().unwrap_or(0);
                    let ours = line.shipped.saturating_sub(line.by_others);
                    units > 0 && units.saturating_mul(line.multiplier) >= ours
                })
            };
            let inside = contents(parcel);
            if inside.is_empty() || !inside.keys().all(|n| is_told(*n)) {
                continue;
            }
            let what = format!(
                "{} was reported to {} before the warehouse reported that a part of it is in another parcel. Add {} there",
                shipment.fact.reference,
                view.input.channel,
                numbers.join(", ")
            );
            tasks.tell(view, "tracking_corrected", parcel.last_id, &what);
        }
    }
}
