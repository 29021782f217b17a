//! A WooCommerce shop whose gateway authorises cards at Stripe: an order on a card waits on hold with the id of its payment,
//! and the money is captured and counted at Stripe.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use hikiate_sdk::Currency;
use hikiate_stripe::sim::{NewPayment, StripeSim};
use hikiate_woocommerce::sim::{FulfilmentMemory, NewOrder, OrderMemory, WooSim};

use super::evidence::{AtShop, FulfilmentSeen, Pay};
use super::orders::{Part, Wish};

/// A shop and its payment provider.
pub(super) struct WooShop {
    /// The shop.
    pub(super) sim: Arc<WooSim>,
    /// Its account at Stripe.
    pub(super) provider: Arc<StripeSim>,
    /// Ids of the payments by those of their orders.
    payments: Mutex<BTreeMap<String, String>>,
}

impl WooShop {
    /// A shop and the account that has its cards.
    pub(super) fn new(sim: Arc<WooSim>, provider: Arc<StripeSim>) -> Self {
        Self {
            sim,
            provider,
            payments: Mutex::default(),
        }
    }

    /// A customer orders; returns the order's id.
    pub(super) fn place(&self, wish: &Wish) -> String {
        let total = wish.basket.total();
        let payment = (wish.pay == Pay::Card).then(|| {
            self.provider.pay(NewPayment {
                customer: (wish.address().name, wish.email()),
                ..NewPayment::card(total, Currency::JPY)
            })
        });
        let (gateway, status) = match wish.pay {
            Pay::Card => ("stripe", "on-hold"),
            Pay::Prepaid => ("konbini", "processing"),
            Pay::Bank => ("bacs", "on-hold"),
            Pay::Zero => ("", "processing"),
        };
        let order = NewOrder {
            lines: wish.lines(),
            shipping: wish.basket.postage.to_string(),
            tax_percent: wish.basket.percent.to_string(),
            prices_include_tax: false,
            payment_method: gateway.to_owned(),
            transaction_id: payment.clone().unwrap_or_default(),
            status: status.to_owned(),
            address: Some(wish.address()),
            email: wish.email(),
            customer_note: String::new(),
        };
        let id = match wish.part {
            Part::Unreadable => self.sim.place_partial_order(order, "currency"),
            _ => self.sim.place_order(order),
        };
        if let Some(payment) = payment {
            let mut payments = self.payments.lock().unwrap_or_else(PoisonError::into_inner);
            payments.insert(id.clone(), payment);
        }
        id
    }

    /// What the shop remembers of its orders, and Stripe of their money.
    pub(super) fn orders(&self) -> Vec<AtShop> {
        let orders = self.sim.orders().into_iter();
        orders.map(|order| self.seen(order)).collect()
    }

    /// The same of one order.
    pub(super) fn order(&self, id: &str) -> Option<AtShop> {
        self.sim.order(id).map(|order| self.seen(order))
    }

    fn seen(&self, order: OrderMemory) -> AtShop {
        let payments = self.payments.lock().unwrap_or_else(PoisonError::into_inner);
        let payment = payments.get(&order.id);
        let payment = payment.and_then(|id| self.provider.payment(id));
        let captures = payment.iter().flat_map(|payment| &payment.captures);
        let by_staff = captures.clone().filter(|(_, call)| call.is_none());
        let codes: BTreeMap<&str, &str> = order
            .lines
            .iter()
            .map(|(line, code, _)| (line.as_str(), code.as_str()))
            .collect();
        let fulfilments = order.fulfilments.iter();
        AtShop {
            fulfilments: fulfilments.map(|of| fulfilment(of, &codes)).collect(),
            total: order.total,
            credit: order.refunded,
            cancelled: order.status == "cancelled",
            undecodable: order.undecodable,
            captured: payment.as_ref().map_or(0, |payment| payment.captured),
            captures: captures.count(),
            captured_by_staff: by_staff.clone().map(|(amount, _)| amount).sum(),
            captures_by_staff: by_staff.count(),
            refunded: payment.as_ref().map_or(0, |payment| payment.refunded),
            id: order.id,
        }
    }
}

/// The shop's lines are known by their ids; one that was removed keeps its id as its code.
fn fulfilment(of: &FulfilmentMemory, codes: &BTreeMap<&str, &str>) -> FulfilmentSeen {
    let line = |(id, n): &(String, u32)| {
        let code = codes.get(id.as_str()).copied().unwrap_or(id);
        (code.to_owned(), *n)
    };
    let numbers = of.tracking.split(',').map(str::trim);
    FulfilmentSeen {
        reference: of.reference.clone(),
        lines: of.lines.iter().map(line).collect(),
        shipped: of.shipped,
        cancelled: of.deleted,
        tracking: numbers
            .filter(|number| !number.is_empty())
            .map(str::to_owned)
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use hikiate_sdk::sim::SimClock;

    use super::*;
    use crate::demo::merchant::{STRIPE_KEY, WOO_KEY, WOO_SECRET};
    use crate::demo::orders::wishes;

    fn shop() -> WooShop {
        let (clock, yen) = (SimClock::real(), Currency::JPY);
        let sim = WooSim::new(clock.clone(), WOO_KEY, WOO_SECRET, yen);
        WooShop::new(Arc::new(sim), Arc::new(StripeSim::new(clock, STRIPE_KEY)))
    }

    #[test]
    fn a_card_is_authorised_at_stripe_and_counted_there() {
        let shop = shop();
        let wishes = wishes(300);
        let mut third = wishes.iter().filter(|wish| wish.shop == 2);
        let card = third.clone().find(|wish| wish.pay == Pay::Card).unwrap();
        let id = shop.place(card);
        let seen = shop.order(&id).unwrap();
        assert_eq!((seen.total, seen.captured), (card.basket.total(), 0));
        let payment = shop.payments.lock().unwrap()[&id].clone();
        assert!(shop.provider.capture_by_hand(&payment, None));
        let seen = shop.order(&id).unwrap();
        assert_eq!(
            (seen.captured, seen.captured_by_staff),
            (seen.total, seen.total)
        );
        assert_eq!((seen.captures, seen.captures_by_staff), (1, 1));
        // Nothing else is paid there.
        let other = third.find(|wish| wish.pay == Pay::Prepaid).unwrap();
        shop.place(other);
        assert_eq!(shop.provider.payments().len(), 1);
        assert_eq!(shop.orders().len(), 2);
    }

    #[test]
    fn the_shop_and_the_demo_come_to_the_same_total() {
        let shop = shop();
        for wish in wishes(300).iter().filter(|wish| wish.shop == 2) {
            let id = shop.place(wish);
            assert_eq!(shop.order(&id).unwrap().total, wish.basket.total());
        }
    }
}
