//! Presence: an order that its channel does not show any more when it is read by its id. One look decides nothing;
//! after two it has vanished: nothing new is made of it until it is back or an operator has decided.

use chrono::{DateTime, Duration, Utc};

use super::effects::{Wanted, withdraw};
use super::tasks::Tasks;
use super::types::Withdraw;
use super::view::View;
use crate::action::Action;
use crate::facts::{ABSENCE_SETTLE, PresenceFact};
use crate::operations::{Role, all};

/// The rule an operator releases to have a vanished order shipped all the same.
pub(crate) const VANISHED: &str = "vanished";
/// The rule an operator releases once what left of a vanished order is settled.
const LEFT: &str = "vanished_shipped";
/// An absent order is read again this often where open orders are not read again by themselves.
const AGAIN: Duration = Duration::minutes(15);

/// Looks in a row that did not find the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Absence {
    pub(crate) first_id: i64,
    pub(crate) last_id: i64,
    /// When the first of them was asked.
    pub(crate) since: DateTime<Utc>,
    misses: u8,
    /// An operator has said that it is gone.
    pub(crate) believed: bool,
}

impl Absence {
    /// What is known after one more observation.
    pub(crate) fn after(
        known: Option<Self>,
        id: i64,
        requested_at: DateTime<Utc>,
        told: PresenceFact,
    ) -> Option<Self> {
        if told.misses == 0 {
            return None;
        }
        let first = Self {
            first_id: id,
            last_id: id,
            since: requested_at,
            misses: told.misses,
            believed: false,
        };
        Some(known.map_or(first, |known| Self {
            last_id: id,
            misses: told.misses,
            ..known
        }))
    }

    /// When the order is to be looked for again.
    pub(crate) fn look_at(&self, refresh: Option<Duration>, now: DateTime<Utc>) -> DateTime<Utc> {
        let second = self.since + ABSENCE_SETTLE;
        if self.misses < 2 && second > now {
            return second;
        }
        let pause = if self.misses < 2 {
            ABSENCE_SETTLE
        } else {
            refresh.unwrap_or(AGAIN)
        };
        now.checked_add_signed(pause).unwrap_or(now)
    }
}

impl View<'_> {
    /// The channel did not show it when it was last read by its id.
    pub(crate) fn absent(&self) -> bool {
        self.fold.absence.is_some()
    }

    /// The channel shows the others of its account and not this one, twice.
    pub(crate) fn vanished(&self) -> Option<Absence> {
        let absence = self.fold.absence?;
        (absence.misses >= 2 && (absence.believed || !self.input.hidden)).then_some(absence)
    }

    /// An operator wants it shipped although it has vanished.
    fn let_go(&self) -> bool {
        self.vanished()
            .is_some_and(|absence| self.fold.released_after(VANISHED, absence.last_id))
    }

    /// What keeps it from being shipped, as `blocked_by` says it.
    pub(crate) fn missing(&self) -> Option<String> {
        match (self.absent(), self.vanished()) {
            (false, _) => None,
            (true, _) if self.let_go() => None,
            (true, Some(_)) => Some(format!("hold:{VANISHED}")),
            (true, None) => Some("absent".to_owned()),
        }
    }

    /// When its reserved units are available again, while it has vanished and nobody has decided.
    pub(crate) fn given_up_at(&self) -> Option<DateTime<Utc>> {
        let absence = self.vanished().filter(|_| !self.let_go())?;
        absence
            .since
            .checked_add_signed(self.channel.vanished_after?)
    }

    /// The newest fact about goods that left, or about the absence.
    fn told_of_leaving(&self, absence: Absence) -> i64 {
        let parcels = self.parcels().into_iter().map(|parcel| parcel.last_id);
        parcels.max().unwrap_or(0).max(absence.last_id)
    }

    /// Goods left since the channel stopped showing the order, and no operator has settled that.
    pub(crate) fn left_unseen(&self) -> bool {
        self.fold.absence.is_some_and(|absence| {
            let unseen = |parcel: &&super::shipment::Parcel<'_>| parcel.first_id > absence.first_id;
            self.parcels().iter().any(unseen)
                && !self
                    .fold
                    .released_after(LEFT, self.told_of_leaving(absence))
        })
    }

    /// An operator has settled what left of it.
    fn settled_by_hand(&self) -> bool {
        self.vanished().is_some_and(|absence| {
            self.fold
                .released_after(LEFT, self.told_of_leaving(absence))
        })
    }
}

/// Keeps back what would be captured, told or mailed while the channel does not show the order. True when there is
/// something.
pub(crate) fn keep_back(view: &View<'_>, wanted: &mut Wanted) -> bool {
    if !view.absent() {
        return false;
    }
    let kept = !wanted.candidates.is_empty();
    wanted.candidates.clear();
    wanted.pending = (wanted.pending || kept) && !view.settled_by_hand();
    kept
}

/// Takes back what was queued before it vanished and is not sent yet.
pub(crate) fn take_back(view: &View<'_>, wanted: &mut Wanted) {
    if view.vanished().is_none() {
        return;
    }
    // What a warehouse was told stays: its answer is read as ever.
    let ours = all().filter(|row| !row.batch && row.role != Role::Warehouse);
    for op in ours.map(|row| row.op) {
        for intent in view.fold.of_op(op).filter(|intent| intent.open()) {
            let gone = withdraw(intent, "the channel no longer shows the order");
            // Another reason may take the same one back.
            let known =
                |row: &Withdraw| wanted.withdraw.iter().any(|w| w.effect_id == row.effect_id);
            if let Some(gone) = gone.filter(|row| !known(row)) {
                wanted.withdraw.push(gone);
            }
        }
    }
}

/// It is to be shipped, and a refund or void of it, which its goods wait for, is not made while the channel does not show it.
fn not_made(view: &View<'_>, tasks: &mut Tasks) {
    let words = view.may_give_up();
    let mut what = "The channel no longer shows the order, so a refund or void that was asked for is not made, and its goods wait. Make it by hand where the payment is and end the order".to_owned();
    // What has begun is given up no more.
    if !words.is_empty() {
        what = format!("{what}, or release {} to give it up", words.join(", "));
    }
    let mut task = tasks.add("refund_not_possible", what);
    for word in &words {
        task = task.release(word);
    }
}

/// What an operator is to do. `gone` says that nothing is left to ship; `kept` that money, mail or a notice waits.
pub(crate) fn tell(view: &View<'_>, gone: bool, kept: bool, tasks: &mut Tasks) {
    let Some(absence) = view.vanished() else {
        return;
    };
    let left = view.any_shipped() && (kept || view.left_unseen());
    if left && view.cancelled_at_channel.is_none() {
        tasks.tell(
            view,
            LEFT,
            view.told_of_leaving(absence),
            "Goods have shipped, but the channel does not show the order, so nothing is captured, reported or mailed automatically. Settle the payment with the provider and notify the customer by hand",
        );
    }
    if gone || view.dropped() {
        return;
    }
    if view.let_go() {
        // What was made and is not shown is a task of its own.
        if view.keeps_goods() && !view.refund_unshown() {
            not_made(view, tasks);
        }
        return;
    }
    let sealed: Vec<&str> = view
        .fold
        .shipments
        .iter()
        .filter(|shipment| shipment.instructed())
        .map(|shipment| shipment.fact.reference.as_str())
        .collect();
    let detail = if sealed.is_empty() {
        let stock = match view.given_up_at() {
            None => "keeps its stock".to_owned(),
            Some(at) if at <= view.now => "its reserved units are available again".to_owned(),
            Some(at) => format!("keeps its stock until {}", view.local(at)),
        };
        format!(
            "The channel no longer shows the order: it is held and {stock}. Search for it there, cancel it if it was deleted, or release it to ship anyway"
        )
    } else {
        format!(
            "The channel no longer shows the order, and {} is with the warehouse. No cancellation is requested automatically. Cancel the order to stop it, or release it to let it ship",
            sealed.join(", ")
        )
    };
    tasks
        .add(VANISHED, detail)
        .action(Action::Cancel {})
        .release(VANISHED);
}
