//! What the suite reads off a record.

use chrono::{DateTime, Utc};

use crate::{Contents, Observed};

/// Names a record as the external system's seeding must name it: an order's id, `reply:REF`, `cancel:REF`,
/// `parcel:REF/KEY`, `stock:CODE@PLACE`, `payment:ID`.
#[must_use]
pub fn identity(observed: &Observed) -> String {
    match observed {
        Observed::Order(order, _) => order.external_id.to_string(),
        Observed::InstructionReply(reply) => format!("reply:{}", reply.reference),
        Observed::CancelReply(reply) => format!("cancel:{}", reply.reference),
        Observed::Parcel(parcel) => format!("parcel:{}/{}", parcel.reference, parcel.key),
        Observed::Stock(level) => format!(
            "stock:{}@{}",
            level.code,
            level.location.as_deref().unwrap_or_default()
        ),
        Observed::Payment(payment) => format!("payment:{}", payment.key),
    }
}

/// How many parts a record has: an order's lines, a parcel's lines, else one.
#[must_use]
pub fn parts(observed: &Observed) -> usize {
    match observed {
        Observed::Order(order, _) => order.lines.len(),
        Observed::Parcel(parcel) => match &parcel.contents {
            Contents::Lines(lines) => lines.len(),
            Contents::Codes(codes) => codes.len(),
            Contents::Whole => 1,
        },
        Observed::Payment(payment) => payment.refunds.len().max(1),
        Observed::InstructionReply(_) | Observed::CancelReply(_) | Observed::Stock(_) => 1,
    }
}

/// When the external system says it happened.
#[must_use]
pub fn reported_at(observed: &Observed) -> Option<DateTime<Utc>> {
    match observed {
        Observed::Order(order, _) => Some(order.ordered_at),
        Observed::InstructionReply(reply) => reply.at,
        Observed::CancelReply(reply) => reply.at,
        Observed::Parcel(parcel) => Some(parcel.shipped_at),
        Observed::Stock(level) => level.as_of,
        Observed::Payment(_) => None,
    }
}
