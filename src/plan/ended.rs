//! Orders that an operator has ended: nothing more is instructed, and nobody is told.

use super::tasks::Tasks;
use super::view::View;

/// The word that takes an end back.
pub(crate) const ENDED: &str = "ended";
/// The kind of the task about money that an ended order keeps.
pub(crate) const MONEY: &str = "ended_captured";

/// Money that came for an ended order, and that nothing it shipped explains.
pub(crate) fn money(view: &View<'_>, tasks: &mut Tasks) {
    let Some((ended, _)) = view.ended() else {
        return;
    };
    let kept = view.with_deposits(view.tenders(), |tender| {
        // Points and gift cards were taken when the order was placed.
        let came = view.settled(tender).max(view.taken(tender));
        came.saturating_sub(view.given_back(tender)).max(0)
    });
    let taken = kept.saturating_add(view.taken_before());
    // What is due is not known while an amount is not.
    let Some(due) = view.due(&view.departed(|_| true)) else {
        return;
    };
    let over = taken.saturating_sub(due);
    if over <= 0 {
        return;
    }
    // What is released is over; money that comes later, or goods that did not ship after all, are not.
    let deposited = view.fold.deposits.iter().map(|one| one.id);
    // What the channel alone takes back is no fact that a release could follow.
    let back = view.others.taken_back.iter().map(|since| since.id);
    let back = back.filter(|id| *id < i64::MAX);
    let told = deposited
        .chain(back)
        .chain([view.taken_since(), ended])
        .max();
    let what = format!(
        "The order is ended. {} was paid, and {} is due for what was shipped. Refund {}",
        view.money(taken),
        view.money(due),
        view.money(over)
    );
    tasks.tell_owed(view, MONEY, told.unwrap_or(ended), &what, over);
}
