//! Pure mapping between the trade and the cells of files.

pub(crate) mod inbound;
pub(crate) mod instruct;
pub(crate) mod journal;
pub(crate) mod outgoing;
pub(crate) mod parcels;
pub(crate) mod row;
pub(crate) mod sheet;
pub(crate) mod template;
