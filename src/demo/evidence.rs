//! What the judge is shown: the external systems' memory and what the database says, as plain values.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::amounts::{Basket, Goods};
use super::journal::Entry;
use crate::policy::CaptureRule;
use crate::store::TaskLine;

/// How an order is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pay {
    /// Captured by us when goods leave.
    Card,
    /// Paid before it came; nothing is captured by us.
    Prepaid,
    /// Paid by a deposit; nothing is captured by us.
    Bank,
    /// Costs nothing.
    Zero,
}

/// How an order has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// In the books.
    Booked,
    /// Cancelled, without goods and money having moved.
    Cancelled,
    /// Open: a line has no stock.
    Backordered,
    /// Open: nobody can read it, and a task says so.
    Unreadable,
}

/// An order from all sides.
#[derive(Clone, Debug)]
pub struct OrderSeen {
    /// The shop's account.
    pub account: String,
    /// Our number, as the warehouse and the mail have it.
    pub number: String,
    /// To whom the mail goes; no two orders share one.
    pub email: String,
    /// How it has to end.
    pub end: End,
    /// How it is paid.
    pub pay: Pay,
    /// When the shop's money is captured.
    pub capture: CaptureRule,
    /// What was bought.
    pub basket: Basket,
    /// What the shop remembers, and who captures its cards.
    pub shop: AtShop,
    /// Its status in the database; `None` when it is not there.
    pub status: Option<String>,
    /// It lies in quarantine.
    pub quarantined: bool,
}

/// An order as its shop remembers it, and its money as it is where it was captured: at the shop, or at its payment
/// provider. Yen.
#[derive(Clone, Debug, Default)]
pub struct AtShop {
    /// The shop's id.
    pub id: String,
    /// Its price with tax, before refunds.
    pub total: i64,
    /// What refunds and a cancel took off that price.
    pub credit: i64,
    /// It is cancelled.
    pub cancelled: bool,
    /// No connector can decode it.
    pub undecodable: bool,
    /// Captured in all.
    pub captured: i64,
    /// How many captures, by staff too.
    pub captures: usize,
    /// What staff captured by hand.
    pub captured_by_staff: i64,
    /// How many captures that took.
    pub captures_by_staff: usize,
    /// Given back in all.
    pub refunded: i64,
    /// What the shop shows as packed or shipped, in the order it was told.
    pub fulfilments: Vec<FulfilmentSeen>,
}

/// A fulfilment as a shop remembers it.
#[derive(Clone, Debug, Default)]
pub struct FulfilmentSeen {
    /// Our reference, when it carries one.
    pub reference: Option<String>,
    /// Code and pieces.
    pub lines: Vec<(String, u32)>,
    /// It is shown as shipped, and not only as packed.
    pub shipped: bool,
    /// It does not stand any more.
    pub cancelled: bool,
    /// Tracking numbers.
    pub tracking: Vec<String>,
}

/// A shipment as a warehouse remembers it.
#[derive(Clone, Debug)]
pub struct ShipmentSeen {
    /// Our reference.
    pub reference: String,
    /// Our order number.
    pub order_number: String,
    /// How often it was told: in how many different files, or by how many calls that created it.
    pub told: usize,
    /// What left.
    pub parcels: Vec<ParcelSeen>,
}

/// A parcel as a warehouse remembers it.
#[derive(Clone, Debug)]
pub struct ParcelSeen {
    /// Its tracking number.
    pub tracking: String,
    /// When it left.
    pub shipped_at: DateTime<Utc>,
    /// What was inside.
    pub goods: Goods,
}

/// A mail as the server took it.
#[derive(Clone, Debug)]
pub struct MailSeen {
    /// Its Message-ID.
    pub message_id: String,
    /// To whom.
    pub to: String,
}

/// Everything.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// Every order the shops have.
    pub orders: Vec<OrderSeen>,
    /// Every shipment the warehouses were told.
    pub shipments: Vec<ShipmentSeen>,
    /// Every mail.
    pub mails: Vec<MailSeen>,
    /// The books.
    pub journal: Vec<Entry>,
    /// What waits for an operator.
    pub tasks: Vec<TaskLine>,
    /// What went wrong on the way, in words: an external system that stumbled, a planned fault that did not happen.
    pub troubles: Vec<String>,
}

impl Evidence {
    /// Shipments by the order they name.
    #[must_use]
    pub fn shipments_by_order(&self) -> BTreeMap<&str, Vec<&ShipmentSeen>> {
        let mut by_order: BTreeMap<&str, Vec<&ShipmentSeen>> = BTreeMap::new();
        for shipment in &self.shipments {
            by_order
                .entry(&shipment.order_number)
                .or_default()
                .push(shipment);
        }
        by_order
    }
}
