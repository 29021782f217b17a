//! Deposits (入金) of an order: what came and was taken away again, and what their tolerance leaves for the books.

use chrono::{DateTime, Utc};
use hikiate_sdk::Currency;

use super::payment::Payment;
use super::types::RestPosting;
use super::view::View;

/// Money that came for the order by deposit, or, below zero, was taken away from it again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deposited {
    pub(crate) id: i64,
    pub(crate) at: DateTime<Utc>,
    /// Minor units.
    pub(crate) amount: i64,
    pub(crate) currency: Currency,
}

/// What stands of a currency, by the facts up to one.
pub(crate) fn sum(deposits: &[Deposited], currency: Currency, until: i64) -> i64 {
    deposits
        .iter()
        .filter(|one| one.id <= until && one.currency == currency)
        .fold(0_i64, |sum, one| sum.saturating_add(one.amount))
}

/// Something stands in another currency.
pub(crate) fn foreign(deposits: &[Deposited], currency: Currency) -> bool {
    deposits
        .iter()
        .filter(|one| one.currency != currency)
        .any(|one| sum(deposits, one.currency, i64::MAX) != 0)
}

/// What the books are to move to the title of the rest, so that nothing stays owed of an order that is paid within the
/// tolerance, and all of it again once it no longer is: the difference to what was posted before.
pub(crate) fn rest_posting(view: &View<'_>, payment: &Payment) -> Option<RestPosting> {
    let booking = view.policy.booking.as_ref()?;
    let books = &view.input.deposit_books;
    let titled = booking.titles.deposits.is_some();
    // Deposits of before their titles were set are not in the books, and neither is what they left.
    let posted = payment.deposited != 0 && books.matched == payment.deposited;
    let kept = !view.dropped() || view.any_shipped();
    let rest = match payment.bank_wanted {
        Some(wanted) if titled && posted && payment.bank_paid && kept => {
            payment.deposited.saturating_sub(wanted)
        }
        _ => 0,
    };
    let within = rest.saturating_abs() <= payment.tolerance;
    let amount = if within { rest } else { 0 }.saturating_sub(books.rest);
    (titled && amount != 0).then(|| RestPosting {
        key: format!("{}:rest:{}", view.input.number, books.rests + 1),
        business_date: view.day(view.now),
        currency: view.order.currency,
        amount,
    })
}
