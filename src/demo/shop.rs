//! A shop, whatever software it runs: customers order in it and change their minds, and it is asked what it remembers.

use std::sync::Arc;

use hikiate_medusa::sim::{FulfilmentMemory, MedusaSim, NewOrder, OrderMemory};
use hikiate_sdk::faulty::FaultyTransport;

use super::evidence::{AtShop, FulfilmentSeen, Pay};
use super::orders::{Part, Wish};
use super::woo::WooShop;
use crate::policy::CaptureRule;

/// A shop.
pub struct Shop {
    /// Its account.
    pub account: &'static str,
    /// When its money is captured, as the configuration says.
    pub capture: CaptureRule,
    /// What goes wrong on the way to it.
    pub wire: Arc<FaultyTransport>,
    /// What it runs on.
    pub(super) software: Software,
}

/// What a shop runs on, and with that, where its cards are captured.
pub(super) enum Software {
    /// Medusa captures them itself.
    Medusa(Arc<MedusaSim>),
    /// Stripe captures them.
    WooCommerce(WooShop),
}

impl Shop {
    /// The simulator of a shop that runs on Medusa.
    #[must_use]
    pub fn medusa(&self) -> Option<&MedusaSim> {
        match &self.software {
            Software::Medusa(sim) => Some(sim),
            Software::WooCommerce(_) => None,
        }
    }

    /// A customer orders; returns the shop's id of the order.
    pub(super) fn place(&self, wish: &Wish) -> String {
        match &self.software {
            Software::Medusa(sim) if wish.part == Part::Unreadable => sim.place_undecodable_order(),
            Software::Medusa(sim) => sim.place_order(medusa_order(wish)),
            Software::WooCommerce(shop) => shop.place(wish),
        }
    }

    /// The customer cancels; false when the shop does not let it.
    #[must_use]
    pub fn cancel_order(&self, id: &str) -> bool {
        match &self.software {
            Software::Medusa(sim) => sim.cancel_order(id),
            Software::WooCommerce(shop) => shop.sim.cancel_order(id),
        }
    }

    /// What it remembers of its orders.
    #[must_use]
    pub fn orders(&self) -> Vec<AtShop> {
        match &self.software {
            Software::Medusa(sim) => sim.orders().into_iter().map(of_medusa).collect(),
            Software::WooCommerce(shop) => shop.orders(),
        }
    }

    /// What it remembers of an order.
    #[must_use]
    pub fn order(&self, id: &str) -> Option<AtShop> {
        match &self.software {
            Software::Medusa(sim) => sim.order(id).map(of_medusa),
            Software::WooCommerce(shop) => shop.order(id),
        }
    }

    /// It sells an item, of which a warehouse has so much; `place` is a Medusa shop's code of the warehouse.
    pub(super) fn add_sku(&self, code: &str, place: &str, quantity: i64) {
        match &self.software {
            Software::Medusa(sim) => {
                sim.add_sku(code, place, quantity);
            }
            Software::WooCommerce(shop) => {
                shop.sim.add_product(code, quantity);
            }
        }
    }
}

fn medusa_order(wish: &Wish) -> NewOrder {
    NewOrder {
        lines: wish.lines(),
        shipping: wish.basket.postage.to_string(),
        tax_percent: wish.basket.percent.to_string(),
        provider_id: match wish.pay {
            Pay::Card | Pay::Zero => "pp_system_default",
            Pay::Prepaid => "pp_paid",
            Pay::Bank => "pp_bank",
        }
        .to_owned(),
        authorised: wish.pay != Pay::Bank,
        address: Some(wish.address()),
        email: wish.email(),
        remarks: String::new(),
    }
}

fn of_medusa(order: OrderMemory) -> AtShop {
    let fulfilment = |of: FulfilmentMemory| FulfilmentSeen {
        reference: of.reference,
        lines: of.lines,
        shipped: of.shipped,
        cancelled: of.cancelled,
        tracking: of.tracking,
    };
    AtShop {
        id: order.id,
        total: order.total,
        credit: order.credit,
        cancelled: order.cancelled,
        undecodable: order.undecodable,
        captured: order.captured,
        captures: order.captures,
        captured_by_staff: order.captured_by_staff,
        captures_by_staff: order.captures_by_staff,
        refunded: order.refunded,
        fulfilments: order.fulfilments.into_iter().map(fulfilment).collect(),
    }
}
