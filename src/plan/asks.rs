//! What an order asks of its shipments beyond goods and address, in the words of the warehouse that ships them.

use std::collections::BTreeMap;

use hikiate_sdk::text::quoted;
use hikiate_sdk::{Asks, ChargeKind, Cod, DeliveryGroup, OrderSnapshot, Personal, SlipPrices};

use super::payment::amount_of;
use crate::policy::{Channel, PaymentMethod, Warehouse};

/// What an instruction asks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Asked {
    /// The shipping method.
    pub service: Option<String>,
    /// The rest.
    pub asks: Asks,
    /// Words that the warehouse's tables lack, each with its table; none of them may go out as it is.
    pub unmapped: Vec<String>,
}

/// What a delivery group asks, as a warehouse is told it.
#[must_use]
pub fn asked(
    order: &OrderSnapshot,
    group: &DeliveryGroup,
    personal: &Personal,
    channel: Option<&Channel>,
    warehouse: &Warehouse,
) -> Asked {
    let mut unmapped = Vec::new();
    let mut map = |word: Option<&String>, table: &BTreeMap<String, String>, name: &str| {
        let word = word.filter(|word| !word.is_empty())?;
        let told = if table.is_empty() {
            Some(word)
        } else {
            table.get(word)
        };
        if told.is_none() {
            unmapped.push(format!(
                "{} is not in [warehouses.{}.{name}]",
                quoted(word),
                warehouse.name
            ));
        }
        told.filter(|told| !told.is_empty()).cloned()
    };
    let wishes = &group.wishes;
    let service = map(group.service.as_ref(), &warehouse.services, "services");
    let slot = map(wishes.slot.as_ref(), &warehouse.slots, "slots");
    let key = group.key.as_str();
    let on_delivery = |gateway: &str| channel.is_some_and(|channel| is_cod(channel, gateway));
    Asked {
        service,
        asks: Asks {
            arrive_on: wishes.arrive_on,
            slot,
            temperature: wishes.temperature,
            sender: personal.senders.get(key).cloned(),
            gift: personal.gifts.get(key).cloned().unwrap_or_default(),
            cod: cod_of(order, on_delivery),
            prices: prices(order),
        },
        unmapped,
    }
}

/// A channel's way of paying is cash on delivery.
fn is_cod(channel: &Channel, gateway: &str) -> bool {
    let route = channel.payments.get(gateway);
    route.is_some_and(|route| route.method == PaymentMethod::Cod)
}

/// What the carrier collects of an order: what is not paid otherwise. The tax in it is known where it is all of the order.
#[must_use]
pub fn cod_of(order: &OrderSnapshot, is_cod: impl Fn(&str) -> bool) -> Option<Cod> {
    let live = order.tenders.iter().filter(|tender| !tender.cancelled);
    let mut tenders = live
        .filter(|tender| is_cod(&tender.gateway))
        .map(|tender| amount_of(order, tender))
        .peekable();
    tenders.peek()?;
    let amount = tenders.sum::<Option<i64>>()?;
    let taxes = order.taxes.iter().map(|sum| Some(sum.tax));
    let charges = order.charges.iter().map(|charge| charge.tax);
    let tax: Option<i64> = if order.taxes.is_empty() {
        charges.sum()
    } else {
        taxes.sum()
    };
    (amount > 0).then_some(Cod {
        currency: order.currency,
        amount,
        tax: tax.filter(|_| order.total == Some(amount)),
    })
}

/// The ways of paying of a channel that are cash on delivery.
pub(crate) fn collected_by(channel: &Channel) -> impl Iterator<Item = &String> {
    let payments = channel.payments.iter();
    let cod = payments.filter(|(_, route)| route.method == PaymentMethod::Cod);
    cod.map(|(gateway, _)| gateway)
}

fn prices(order: &OrderSnapshot) -> Option<SlipPrices> {
    let mut prices = SlipPrices {
        currency: order.currency,
        goods: 0,
        postage: 0,
        fees: 0,
        discount: 0,
        total: order.total?,
    };
    for charge in &order.charges {
        let sum = match charge.kind {
            ChargeKind::Goods => &mut prices.goods,
            ChargeKind::Postage => &mut prices.postage,
            ChargeKind::Discount | ChargeKind::Coupon => &mut prices.discount,
            ChargeKind::CodFee
            | ChargeKind::PaymentFee
            | ChargeKind::Wrapping
            | ChargeKind::Rounding
            | ChargeKind::Other => &mut prices.fees,
        };
        *sum = sum.checked_add(charge.gross?)?;
    }
    Some(prices)
}
