//! What an order leaves at the external systems, and whether it is there once: told to the warehouse, shown by
//! the shop, written to the customer.

use std::collections::BTreeMap;

use super::amounts::Goods;
use super::evidence::{End, Evidence, OrderSeen, ShipmentSeen};
use super::verify::name;

/// Mails by recipient.
pub struct Traces<'a> {
    mails: BTreeMap<&'a str, Vec<&'a str>>,
}

impl<'a> Traces<'a> {
    /// Reads the mails.
    #[must_use]
    pub fn of(evidence: &'a Evidence) -> Self {
        let mut mails: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for mail in &evidence.mails {
            mails.entry(&mail.to).or_default().push(&mail.message_id);
        }
        Self { mails }
    }

    /// Everything of an order that an external system saw more than once. Captures are judged by their sum.
    #[must_use]
    pub fn twice(
        &self,
        order: &OrderSeen,
        shipments: &[&ShipmentSeen],
        shipped: &Goods,
    ) -> Vec<String> {
        let mut twice = Vec::new();
        for shipment in shipments.iter().filter(|shipment| shipment.told > 1) {
            twice.push(format!(
                "{} was sent to the warehouse {} times",
                shipment.reference, shipment.told
            ));
        }
        for (code, n) in shipped {
            let sold = order
                .basket
                .lines
                .iter()
                .filter(|line| line.code == *code)
                .map(|line| line.quantity)
                .sum::<u32>();
            if *n > sold {
                twice.push(format!(
                    "{n} units of {code} shipped for {}, {sold} were sold",
                    name(order)
                ));
            }
        }
        let references = order
            .shop
            .fulfilments
            .iter()
            .filter_map(|f| f.reference.as_deref());
        let tracking = order
            .shop
            .fulfilments
            .iter()
            .flat_map(|f| &f.tracking)
            .map(String::as_str);
        for (what, n) in repeated(references).into_iter().chain(repeated(tracking)) {
            twice.push(format!("{} shows {what} {n} times", name(order)));
        }
        let mails = self.mails.get(order.email.as_str()).map_or(0, Vec::len);
        if mails > 1 {
            twice.push(format!("{mails} mails were sent for {}", name(order)));
        }
        twice
    }

    /// Everything of an order that did not arrive, but for its mail.
    #[must_use]
    pub fn lost(
        &self,
        order: &OrderSeen,
        shipments: &[&ShipmentSeen],
        shipped: &Goods,
    ) -> Vec<String> {
        let mut lost = Vec::new();
        let known = order.status.is_some() && order.end != End::Unreadable;
        if !known && !order.quarantined {
            lost.push(format!(
                "{} is in the shop, but is neither an order nor in quarantine",
                name(order)
            ));
        }
        if shipped.is_empty() || order.shop.undecodable {
            return lost;
        }
        let shown = |tracking: &str| {
            order.shop.fulfilments.iter().any(|f| {
                f.shipped && !f.cancelled && f.tracking.iter().any(|known| known == tracking)
            })
        };
        for tracking in shipments
            .iter()
            .flat_map(|s| &s.parcels)
            .map(|parcel| &parcel.tracking)
            .filter(|tracking| !shown(tracking))
        {
            lost.push(format!(
                "parcel {tracking} of {} is not in the shop",
                name(order)
            ));
        }
        let mut told = Goods::new();
        for (code, n) in order
            .shop
            .fulfilments
            .iter()
            .filter(|f| f.shipped && !f.cancelled)
            .flat_map(|f| &f.lines)
        {
            *told.entry(code.clone()).or_default() += n;
        }
        if told != *shipped {
            lost.push(format!(
                "{}: the warehouses shipped {shipped:?}, the shop shows {told:?}",
                name(order)
            ));
        }
        lost
    }

    /// An order that has left and whose customer has no mail.
    #[must_use]
    pub fn unmailed(&self, order: &OrderSeen, shipped: &Goods) -> Option<String> {
        let left = !shipped.is_empty() && !order.shop.undecodable && order.basket.all_in(shipped);
        let missing = left && !self.mails.contains_key(order.email.as_str());
        missing.then(|| format!("{} has shipped, but its customer got no mail", name(order)))
    }
}

fn repeated<'a>(names: impl Iterator<Item = &'a str>) -> Vec<(&'a str, usize)> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for name in names {
        *counts.entry(name).or_default() += 1;
    }
    counts.into_iter().filter(|(_, n)| *n > 1).collect()
}
