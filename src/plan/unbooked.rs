//! What shipped of an order and is not in the books, and why: what a back office looks at before it closes a month.

use chrono::NaiveDate;
use serde::Serialize;

use super::order::{PlanError, planned};
use super::revenue::{Revenue, Unknown, revenue};
use super::types::{OrderInput, OrderPlan, Status};
use super::view::View;
use crate::policy::{Policy, Recognise};
use crate::rules::HoldRules;

/// Something of an order that shipped and is not booked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unbooked {
    /// Our number.
    pub number: String,
    /// The day that it belongs to, in the shop's zone.
    pub day: NaiveDate,
    /// Minor units, tax included; `None` while it is not known.
    pub amount: Option<i64>,
    /// ISO 4217.
    pub currency: String,
    /// Why it is not booked: a word, as tasks have it.
    pub reason: &'static str,
    /// The same for an operator.
    pub detail: String,
}

/// What of an order shipped up to a day and does not stand in an accepted journal.
///
/// # Errors
/// [`PlanError`] when the order cannot be planned.
pub fn unbooked(
    input: &OrderInput,
    policy: &Policy,
    rules: &dyn HoldRules,
    now: chrono::DateTime<chrono::Utc>,
    until: NaiveDate,
) -> Result<Vec<Unbooked>, PlanError> {
    let planned = planned(input, policy, rules, now)?;
    let Some(view) = &planned.view else {
        return Ok(Vec::new());
    };
    let mut found = waiting(view);
    found.extend(not_recorded(view, &planned.plan));
    found.extend(refunds(view));
    found.retain(|row| row.day <= until);
    Ok(found)
}

fn row(
    view: &View<'_>,
    day: NaiveDate,
    amount: Option<i64>,
    reason: &'static str,
    detail: String,
) -> Unbooked {
    Unbooked {
        number: view.input.number.clone(),
        day,
        amount,
        currency: view.order.currency.to_string(),
        reason,
        detail,
    }
}

/// Revenue that is recorded and in no accepted journal, by day.
fn waiting(view: &View<'_>) -> Vec<Unbooked> {
    let open = |key: &String| !view.fold.booked.contains_key(key.as_str());
    let mut days: std::collections::BTreeMap<(NaiveDate, Option<&str>), i64> = Default::default();
    for event in view.input.revenue.iter().filter(|event| open(&event.key)) {
        let refused = view.fold.booking_refused.iter().rev();
        let why = refused
            .filter(|refused| refused.events.contains(&event.key))
            .map(|refused| refused.message.as_str())
            .next();
        let sum = days.entry((event.business_date, why)).or_default();
        *sum = sum.saturating_add(event.gross);
    }
    days.into_iter()
        .map(|((day, why), amount)| match why {
            Some(why) => row(
                view,
                day,
                Some(amount),
                "booking_refused",
                format!("the accounting layout cannot write its entry: {why}"),
            ),
            None => row(
                view,
                day,
                Some(amount),
                "journal",
                "waits for its journal to be accepted: `hikiate books list`".to_owned(),
            ),
        })
        .collect()
}

/// What is due for goods that shipped and is not recorded.
fn not_recorded(view: &View<'_>, plan: &OrderPlan) -> Option<Unbooked> {
    let next = &plan.revenue;
    let delivered = plan.status >= Status::Delivered;
    let departures = view.departures();
    let day = departures
        .iter()
        .map(|one| view.day(one.shipped_at))
        .min()?;
    let Some(booking) = &view.policy.booking else {
        let due = view.due(&view.departed(|_| true));
        return Some(row(
            view,
            day,
            due,
            "booking",
            "nothing is booked: there is no [booking]".to_owned(),
        ));
    };
    if !next.is_empty() {
        let sum = next
            .iter()
            .fold(0_i64, |sum, event| sum.saturating_add(event.gross));
        let detail = "is recorded when the daemon plans the order".to_owned();
        return Some(row(view, day, Some(sum), "planned", detail));
    }
    if let Revenue::Unknown(unknown) = revenue(view, Some(view.now)) {
        let due = view.due(&view.departed(|_| true));
        return Some(match unknown {
            Unknown::Amount => row(
                view,
                day,
                None,
                "amount_unknown",
                "the channel has not fixed all amounts".to_owned(),
            ),
            Unknown::Tax(lines) => row(
                view,
                day,
                due,
                "tax_unknown",
                format!("no tax rate is known for {}", lines.join(", ")),
            ),
        });
    }
    let recorded = view.input.revenue.iter();
    let recorded = recorded
        .filter(|event| !event.payment.starts_with("sponsor:"))
        .fold(0_i64, |sum, event| sum.saturating_add(event.gross));
    let due = view.due(&view.departed(|_| true));
    let undelivered = !delivered && recorded == 0 && due != Some(0);
    if booking.recognise == Recognise::Delivered
        && undelivered
        && view.cancelled_at_channel.is_none()
    {
        return Some(row(
            view,
            day,
            due,
            "delivery",
            "is not delivered yet".to_owned(),
        ));
    }
    None
}

/// Money that was given back, and nobody has said for what.
fn refunds(view: &View<'_>) -> Vec<Unbooked> {
    let refunds = view.untold_refunds().filter(|_| view.unexplained() > 0);
    refunds
        .map(|refund| {
            let at = refund.at.unwrap_or(view.head.recorded_at);
            row(
                view,
                view.day(at),
                Some(refund.amount.saturating_neg()),
                "refund_unexplained",
                format!("only the payment provider knows of refund {}", refund.key),
            )
        })
        .collect()
}
