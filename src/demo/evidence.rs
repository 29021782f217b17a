//! What the judge is shown: the far sides' memory and what the database says, as plain values.

use hikiate_medusa::sim::OrderMemory;

use super::amounts::{Basket, Goods};
use super::journal::Entry;
use crate::policy::CaptureRule;
use crate::store::read::TaskLine;

/// How an order is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pay {
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
pub(super) enum End {
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
pub(super) struct OrderSeen {
    /// The shop's account.
    pub(super) account: String,
    /// Our number, as the warehouse and the mail have it.
    pub(super) number: String,
    /// To whom the mail goes; no two orders share one.
    pub(super) email: String,
    /// How it has to end.
    pub(super) end: End,
    /// How it is paid.
    pub(super) pay: Pay,
    /// When the shop's money is captured.
    pub(super) capture: CaptureRule,
    /// What was bought.
    pub(super) basket: Basket,
    /// What the shop remembers.
    pub(super) shop: OrderMemory,
    /// Its status in the database; `None` when it is not there.
    pub(super) status: Option<String>,
    /// It lies in quarantine.
    pub(super) quarantined: bool,
}

/// A shipment as a warehouse remembers it.
#[derive(Clone, Debug)]
pub(super) struct ShipmentSeen {
    /// Our reference.
    pub(super) reference: String,
    /// Our order number.
    pub(super) order_number: String,
    /// In how many different files it was told.
    pub(super) files: usize,
    /// What left, by tracking number.
    pub(super) parcels: Vec<(String, Goods)>,
}

/// A mail as the server took it.
#[derive(Clone, Debug)]
pub(super) struct MailSeen {
    /// Its Message-ID.
    pub(super) message_id: String,
    /// To whom.
    pub(super) to: String,
}

/// Everything.
#[derive(Clone, Debug, Default)]
pub(super) struct Evidence {
    /// Every order the shops have.
    pub(super) orders: Vec<OrderSeen>,
    /// Every shipment the warehouses were told.
    pub(super) shipments: Vec<ShipmentSeen>,
    /// Every mail.
    pub(super) mails: Vec<MailSeen>,
    /// The books.
    pub(super) journal: Vec<Entry>,
    /// What waits for a person.
    pub(super) tasks: Vec<TaskLine>,
    /// What went wrong on the way, in words: a far side that stumbled, a planned fault that did not happen.
    pub(super) troubles: Vec<String>,
}
